package catalogue

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/waiver"
)

// specWords are texts of specs that mean something to some check.
var specWords = []string{
	"", "a", "b", "app", "Always", "OnFailure", "RuntimeDefault", "Unconfined", "Localhost", "Unmasked", "Default", "spc_t", "container_t",
	"ALL", "NET_ADMIN", "SYS_ADMIN", "CHOWN", "hostPath", "emptyDir", "configMap", "secret", "persistentVolumeClaim", "csi", "projected", "image", "ephemeral",
	"/var/run/docker.sock", "/", "/etc", "/proc", "/var/log", "/run/containerd", "registry.example/app:v1", "registry.example/app",
	"registry.example/app@sha256:1111111111111111111111111111111111111111111111111111111111111111", "moby/buildkit:rootless", "docker:dind",
	"gcr.io/kaniko-project/executor:v1", "windows", "linux", "runsc", "secrets-store.csi.k8s.io", "vault", "net.ipv4.ip_unprivileged_port_start", "kernel.msgmax",
	"github-token", "telling-name", "bank-vaults", "Bidirectional", "HostToContainer", "buildkitd", "NotPresent", "Unsupported", "kube-api-access-x7f3q",
	"vault-agent vault.hashicorp.com/agent-inject", "nvidia.com/gpu", "localhost/x", "runtime/default", "unconfined",
}

// scramble sets random fields of a value, each with a probability of one in so many.
func scramble(r *rand.Rand, v reflect.Value, rare int) {
	if v.Kind() != reflect.Struct && r.IntN(rare) > 0 {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(specWords[r.IntN(len(specWords))])
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt([]int64{0, 1, 80, 1000}[r.IntN(4)])
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		scramble(r, v.Elem(), 1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+r.IntN(2), 2))
		for i := range v.Len() {
			scramble(r, v.Index(i), max(1, rare/2))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf(specWords[r.IntN(len(specWords))]), reflect.ValueOf(specWords[r.IntN(len(specWords))]))
	case reflect.Struct:
		for i := range v.NumField() {
			scramble(r, v.Field(i), rare)
		}
	}
}

// declaredSpec is a random spec of a file.
func declaredSpec(r *rand.Rand) fact.PodSpec {
	var spec fact.PodSpec
	rare := 1 + r.IntN(12)
	scramble(r, reflect.ValueOf(&spec).Elem(), rare)
	spec.Path = "spec"
	if len(spec.Containers) == 0 || r.IntN(4) == 0 {
		spec.Containers = append(spec.Containers, fact.Container{Image: "registry.example/app:v1"})
	}
	for i := range spec.Volumes {
		spec.Volumes[i].Name, spec.Volumes[i].Field = fmt.Sprintf("v%d", i), fmt.Sprintf("spec.volumes[%d]", i)
		if r.IntN(3) == 0 {
			spec.Volumes[i].Name = "kube-api-access-" + fmt.Sprint(r.IntN(1000))
		}
	}
	for i := range spec.Containers {
		c := &spec.Containers[i]
		c.Name, c.Field = fmt.Sprintf("c%d", i), fmt.Sprintf("spec.containers[%d]", i)
		c.Type = fact.RegularContainer
		if r.IntN(4) == 0 {
			c.Type, c.Field = fact.InitContainer, fmt.Sprintf("spec.initContainers[%d]", i)
		}
		for j := range c.Mounts {
			if len(spec.Volumes) > 0 {
				c.Mounts[j].Volume = spec.Volumes[r.IntN(len(spec.Volumes))].Name
			}
		}
	}
	return spec
}

// declaredSet is what files declare: objects of which many have equal specs.
func declaredSet(r *rand.Rand) *fact.Set {
	set := &fact.Set{
		PodScope: fact.PodsSome, InjectionRead: r.IntN(8) > 0, FieldsRead: r.IntN(8) > 0,
		ConfigMaps: &fact.ConfigMapScan{Read: 3, Bytes: 1000, Found: []fact.ConfigMapEntry{{Namespace: "shop", Name: "app", Key: "db.conf", Rules: []string{"aws-access-key"}}}, Total: 1},
	}
	if r.IntN(4) == 0 {
		set.Gaps = append(set.Gaps, fact.Gap{What: fact.Pods, Subject: fact.Subject{Kind: fact.SubjectFile, Name: "x.yaml"}, Reason: fact.Unreadable})
	}
	if r.IntN(2) == 0 {
		set.NamespacesRead = true
		set.Namespaces = []fact.Namespace{
			{Name: "default", Origin: "a.yaml namespace/default"},
			{Name: "quiet", Enforce: "restricted", Origin: "a.yaml namespace/quiet"},
			{Name: "shop", Enforce: "baseline", EnforceVersion: "v1.24", Origin: "b.yaml namespace/shop"},
		}
	}
	specs := make([]fact.PodSpec, 1+r.IntN(6))
	for i := range specs {
		specs[i] = declaredSpec(r)
	}
	for i := range r.IntN(60) {
		spec := specs[r.IntN(len(specs))]
		owner := fact.Subject{
			Kind: []string{"Pod", "Deployment", "Task"}[r.IntN(3)], Name: fmt.Sprintf("w%d", i),
			Namespace: []string{"", "shop", "default", "kube-system"}[r.IntN(4)], File: []string{"a.yaml", "b.yaml"}[r.IntN(2)],
		}
		spec.Origin = owner.File + " pod/" + owner.Namespace + "/" + owner.Name
		set.Workloads = append(set.Workloads, fact.Workload{Owner: owner, Spec: spec})
	}
	return set
}

// streamed judges a set in batches.
func streamed(r *rand.Rand, plan checks.Plan, set *fact.Set, opts checks.StreamOptions) *checks.Judgement {
	context := *set
	context.Workloads, context.ConfigMaps, context.Gaps = nil, nil, nil
	stream := checks.NewStream(plan, &context, opts)
	for rest := set.Workloads; len(rest) > 0; {
		n := min(len(rest), 1+r.IntN(8))
		stream.Add(slices.Clone(rest[:n]))
		rest = rest[n:]
	}
	return stream.Finish(set)
}

// someWaivers are for some of what fails, and for what was accepted of other objects: nil for half
// of the seeds. Some accept less than there is.
func someWaivers(r *rand.Rand, plan checks.Plan, set *fact.Set) *waiver.List {
	if r.IntN(2) == 0 {
		return nil
	}
	plan.Drafts = &waiver.Drafts{}
	checks.JudgeSet(plan, set)
	var list []waiver.Waiver
	for i, d := range plan.Drafts.All() {
		if r.IntN(2) == 0 {
			continue
		}
		w := waiver.Waiver{Line: i, Check: d.Check, Subject: d.Subject, Severity: d.Severity, Evidence: d.Evidence, Reason: "why", AcceptedBy: "ann", Expires: set.CollectedAt.AddDate(0, 0, 1)}
		switch r.IntN(6) {
		case 0:
			w.Evidence = nil
		case 1:
			w.Expires = set.CollectedAt.AddDate(0, 0, -2)
		case 2:
			if w.Subject.Namespace != "" {
				w.Subject.Name = []string{"*", "w*", "o*", "*-8d41c7"}[r.IntN(4)]
			}
		}
		list = append(list, w)
	}
	return waiver.New(list)
}

// A Stream answers, fails and leaves unknown what Judge does, in the same order.
func TestStreamGivesWhatJudgeGives(t *testing.T) {
	findings, passes, used := 0, 0, 0
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 14))
		set := declaredSet(r)
		plan := Plan(All(), []string{"", "only what files declare"}[r.IntN(2)])
		plan.Waivers = someWaivers(r, plan, set)
		want := checks.JudgeSet(plan, set)
		opts := checks.StreamOptions{Passes: r.IntN(2) == 0}
		if use := want.Waivers; use != nil {
			used += use.Used
		}
		if !opts.Passes {
			all := len(want.Findings)
			want.Findings = slices.DeleteFunc(want.Findings, func(f api.Finding) bool { return f.Verdict == api.Pass })
			passes += all - len(want.Findings)
		}
		findings += len(want.Findings)
		judgement := streamed(r, plan, set, opts)
		got := judgement.Result
		for range 2 { // each time the same
			got.Findings = slices.Collect(judgement.All())
			if len(got.Findings) == 0 {
				got.Findings = want.Findings[:0]
			}
			if diff := cmp.Diff(want, got); diff != "" || judgement.Err() != nil {
				t.Fatalf("seed %d: %v (-judge +stream):\n%s", seed, judgement.Err(), diff)
			}
		}
	}
	if findings < 10_000 || passes < 10_000 || used < 1000 {
		t.Errorf("only %d findings, %d passes and %d waivers were compared", findings, passes, used)
	}
}

// clusterSet is what the API of a cluster says: owners of which some have pods that differ,
// builders on nodes of their own, stores of secrets, and templates without pods.
func clusterSet(r *rand.Rand) *fact.Set {
	set := declaredSet(r)
	set.PodScope, set.Gaps = fact.PodsAll, nil
	set.TemplatesRead, set.StoresRead = r.IntN(8) > 0, r.IntN(8) > 0
	for i := range 4 {
		set.Nodes = append(set.Nodes, fact.Node{Name: fmt.Sprintf("n%d", i), Listed: true, Ready: true, OS: "linux", Arch: "amd64"})
		if i == 3 {
			set.Nodes[i].Taints = []string{"build=only:NoSchedule"}
		}
	}
	if r.IntN(2) == 0 {
		set.ImageScan = &fact.ImageScan{}
	}
	if r.IntN(3) > 0 {
		refused := fact.DryRun{Namespace: "shop", Unset: fact.DryRunRefused, Writable: fact.DryRunRefused, Init: fact.DryRunRefused, Perfect: fact.DryRunAllowed}
		set.Enforcement = &fact.Enforcement{
			DryRuns: []fact.DryRun{refused}, Predicted: []fact.DryRun{{Namespace: "default", Unset: fact.DryRunOther, Reason: fact.Unsupported}}, EnginesRead: true,
			Engines: []fact.Engine{{Name: "Kyverno", WritableRoot: []fact.EnginePolicy{{Name: "Policy ro", Namespace: "kube-system", Blocks: true}}}},
		}
		if r.IntN(2) == 0 {
			set.Enforcement.DryRuns = append([]fact.DryRun{{Namespace: "default", Unset: fact.DryRunAllowed}}, refused)
		}
	}
	id := "registry.example/app@sha256:" + strings.Repeat("1", 64)
	var workloads []fact.Workload
	for i := range set.Workloads {
		w := set.Workloads[i]
		w.Owner.File, w.Owner.Name, w.Owner.Namespace = "", fmt.Sprintf("w%02d", i), []string{"shop", "default", "kube-system"}[i*3/len(set.Workloads)]
		w.Owner.Kind = []string{"Deployment", "Pod", "DaemonSet"}[r.IntN(3)]
		for k := range r.IntN(3) {
			spec := w
			spec.Spec.Origin = fmt.Sprintf("pod/%s/%s-%d", w.Owner.Namespace, w.Owner.Name, k)
			spec.Spec.HostPID = k > 0
			node := set.Nodes[r.IntN(4)].Name
			switch r.IntN(8) {
			case 0:
				spec.Spec.Containers = append(slices.Clone(spec.Spec.Containers), fact.Container{Name: "build", Type: fact.RegularContainer, Field: "spec.containers[9]", Image: "gcr.io/kaniko-project/executor:v1"})
				node = "n3"
			case 1:
				spec.Spec.Injectors = []string{"vault vault.hashicorp.com/agent-inject"}
			case 2:
				spec.Differs = []string{"spec.hostPID"}
			}
			for n := range r.IntN(3) {
				pod := fact.Pod{Name: fmt.Sprintf("%s-%d-%d", w.Owner.Name, k, n), UID: fmt.Sprintf("u%d-%d-%d", i, k, n), Node: node, Phase: []string{"Running", "Pending", "Succeeded"}[r.IntN(3)]}
				for _, c := range spec.Spec.Containers {
					pod.Containers = append(pod.Containers, fact.ContainerStatus{Name: c.Name, ID: fmt.Sprintf("%s/%d/%d/%d", c.Name, i, k, n), ImageID: id, Running: pod.Phase == "Running"})
				}
				spec.Pods = append(spec.Pods, pod)
			}
			workloads = append(workloads, spec)
		}
	}
	set.Workloads = workloads
	return set
}

// A Stream of a cluster's workloads gives what Judge gives, and those of an owner are judged
// together.
func TestStreamOfAClusterGivesWhatJudgeGives(t *testing.T) {
	said := map[string]int{}
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 15))
		set := clusterSet(r)
		if seed%3 == 2 { // without nodes, builders need no other workload
			set.Nodes = nil
		}
		plan := Plan(slices.DeleteFunc(All(), func(c checks.Check) bool {
			return c.Scope != checks.ScopeWorkload || len(fact.Intersect(c.Needs, fact.NodeKinds())) > 0
		}), "")
		plan.Waivers = someWaivers(r, plan, set)
		want := checks.JudgeSet(plan, set)
		opts := checks.StreamOptions{Passes: true, Together: true, Batch: 1 + r.IntN(8), Arriving: seed%3 > 0}
		context := *set
		if opts.Arriving {
			context.Workloads = nil
			if seed%2 == 0 { // what refuses pods is read after the workloads
				context.Enforcement = nil
			}
		}
		stream := checks.NewStream(plan, &context, opts)
		for i := range set.Workloads { // what was added is overwritten after it was judged
			stream.Add(slices.Clone(set.Workloads[i : i+1]))
		}
		end := *set
		end.Workloads = nil
		judgement := stream.Finish(&end)
		got := judgement.Result
		if got.Findings = slices.Collect(judgement.All()); len(got.Findings) == 0 {
			got.Findings = want.Findings[:0]
		}
		if diff := cmp.Diff(want, got); diff != "" || judgement.Err() != nil {
			t.Fatalf("seed %d: %v (-judge +stream):\n%s", seed, judgement.Err(), diff)
		}
		for _, f := range got.Findings {
			said[f.Check+" "+string(f.Verdict)]++
			if strings.Contains(f.Message, "on nodes of their own") || strings.Contains(f.Message, "taint") {
				said["set apart"]++
			}
		}
	}
	for _, what := range []string{"builds/builder-workload fail", "secrets/external-store fail", "privileged/pod-security-level fail", "immutable/mutable-image fail", "set apart", "drift/enforcement fail", "drift/enforcement pass", "drift/enforcement unknown"} {
		if said[what] < 15 {
			t.Errorf("only %d findings: %s", said[what], what)
		}
	}
}
