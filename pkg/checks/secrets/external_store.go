package secrets

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/secretstore"
)

// ExternalStore passes a workload that gets secrets from a store outside the cluster, if
// what brings them runs and puts them into no Secret. It notes stores that end in a
// Secret, pods that ask for secrets and get none, and a cluster without any store. A store
// that is installed is no evidence, and neither is a pod that asks. Source: annotations,
// volumes and variables of the spec, the states of containers, and the store's objects.
var ExternalStore = checks.Check{
	ID:       "secrets/external-store",
	Title:    "Secrets come from an external store and are not kept in the cluster",
	Severity: api.Low,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods, fact.SecretStores},
	Scope:    checks.ScopeWorkload,
	Evidence: 24,
	Why: "A store outside the cluster (Vault, Conjur, a cloud's secret manager) can rotate secrets, log who reads them, and revoke them, and a copy " +
		"of etcd does not hold them. Many operators copy the value into a Secret. That is convenient, but the value is then stored, backed up and " +
		"read like every other Secret.",
	Remediation: "Bring secrets to pods by an agent or a CSI volume (Vault Agent, Secrets Store CSI driver without secretObjects, Conjur to files). Where " +
		"an operator writes Secrets, encrypt them at rest.",
	References: []string{
		"https://secrets-store-csi-driver.sigs.k8s.io/",
		"https://developer.hashicorp.com/vault/docs/deploy/kubernetes/injector",
		"https://www.cisecurity.org/benchmark/kubernetes",
	},
	Excuse: excuseStores,
	Whole:  true, // what brings secrets runs in pods of its own
	Alone:  aloneWithoutStores,
	Judge:  judgeExternalStore,
}

// aloneWithoutStores reports that a workload uses no store and is none.
func aloneWithoutStores(_ *checks.View, w *fact.Workload) bool {
	if len(usesOf(w)) > 0 {
		return false
	}
	for i := range w.Spec.Containers {
		if len(rolesOf(w.Spec.Containers[i].Image)) > 0 {
			return false
		}
	}
	return true
}

// excuseStores excuses that the API was not asked for stores: where only some pods are
// known and none of them has a class, no finding needs it.
func excuseStores(v *checks.View, gap fact.Gap) bool {
	return gap.What == fact.SecretStores && v.PodScope != fact.PodsAll && !slices.ContainsFunc(v.Workloads, func(w fact.Workload) bool {
		return slices.ContainsFunc(w.Spec.Volumes, func(volume fact.Volume) bool { return volume.Class != "" })
	})
}

func judgeExternalStore(v *checks.View) []api.Finding {
	if earlier := earlierFacts(v); earlier != nil {
		return earlier
	}
	var stores *storeIndex // filled when first needed
	var findings []api.Finding
	shown, open := false, false
	for i := range v.Workloads {
		for _, u := range usesOf(&v.Workloads[i]) {
			if stores == nil {
				stores = newStoreIndex(v)
			}
			f, judged := stores.judge(u)
			if !judged {
				continue
			}
			shown = shown || f.Verdict == api.Pass
			open = open || f.Verdict == api.VerdictUnknown
			findings = append(findings, f)
		}
	}
	// That nothing is used is a statement about all pods and all that is installed.
	if !shown && !open && v.StoresRead && v.PodScope == fact.PodsAll {
		findings = append(findings, nothingOutside(v))
	}
	return findings
}

// use is a workload's use of a store, as its spec declares it.
type use struct {
	workload *fact.Workload
	store    *secretstore.Store
	// class is the SecretProviderClass of a volume.
	class    string
	volume   bool // by a CSI volume; else by an annotation or a reference
	asks     bool // by an annotation that does nothing else
	evidence []api.Evidence
}

// usesOf lists the uses of a workload: one for each store, and for each class.
func usesOf(w *fact.Workload) []*use {
	var uses []*use
	add := func(s *secretstore.Store, class string, volume, asks bool, e api.Evidence) {
		i := slices.IndexFunc(uses, func(u *use) bool { return u.store == s && u.class == class && u.volume == volume })
		if i < 0 {
			uses = append(uses, &use{workload: w, store: s, class: class, volume: volume})
			i = len(uses) - 1
		}
		uses[i].asks = uses[i].asks || asks
		if len(uses[i].evidence) < 3 {
			uses[i].evidence = append(uses[i].evidence, e)
		}
	}
	for _, injector := range w.Spec.Injectors {
		name, key, _ := strings.Cut(injector, " ")
		if s, ok := secretstore.ByName(name); ok {
			add(s, "", false, !s.Configures(key), api.Evidence{Source: annotationSource(w, key), Value: "for " + s.Title})
		}
	}
	for i := range w.Spec.Volumes {
		v := &w.Spec.Volumes[i]
		if s, ok := secretstore.Driver(v.Driver); ok {
			e := api.Evidence{Source: checks.PodField(w, strings.TrimPrefix(v.Field, "spec.")+".csi.driver"), Value: v.Driver}
			if v.Class != "" {
				e.Value += ", class " + v.Class
			}
			add(s, v.Class, true, true, e)
		}
	}
	for i := range w.Spec.Containers {
		d := checks.Declared{Workload: w, Container: &w.Spec.Containers[i]}
		for j := range d.Container.Variables {
			variable := &d.Container.Variables[j]
			if s, ok := secretstore.ByName(variable.Store); ok && variable.Store != "" {
				add(s, "", false, false, api.Evidence{Source: d.Field(variable.Field + ".value"), Value: variable.Name + " names a secret of " + s.Title})
			}
		}
	}
	return uses
}

// storeIndex finds what runs of stores, and classes.
type storeIndex struct {
	view *checks.View
	// running are the containers of stores that run, by store, role and node. The role is
	// "" for a driver, and the name of a provider.
	running map[placedStore]string // a source of evidence
	classes map[string]fact.StoreClass
	more    bool // there are more classes than were kept
}

type placedStore struct{ store, role, node string }

func newStoreIndex(v *checks.View) *storeIndex {
	x := &storeIndex{view: v, running: map[placedStore]string{}, classes: map[string]fact.StoreClass{}}
	for i := range v.SecretStores {
		for _, r := range v.SecretStores[i].Resources {
			x.more = x.more || r.More && len(r.Classes) > 0
			for _, c := range r.Classes {
				x.classes[c.Namespace+"/"+c.Name] = c
			}
		}
	}
	// An image is parsed once for each of its names, of which pods have few.
	byImage := map[string][]roleOf{}
	for i := range v.Workloads {
		w := &v.Workloads[i]
		if len(w.Pods) == 0 {
			continue // none of it runs
		}
		for j := range w.Spec.Containers {
			c := &w.Spec.Containers[j]
			if c.Type != fact.RegularContainer {
				continue
			}
			found, known := byImage[c.Image]
			if !known {
				found = rolesOf(c.Image)
				byImage[c.Image] = found
			}
			for _, r := range found {
				x.addRunning(r.store, r.role, w, c)
			}
		}
	}
	return x
}

// roleOf is a role that a store has for an image.
type roleOf struct{ store, role string }

// rolesOf lists what an image is of stores with a CSI driver.
func rolesOf(image string) []roleOf {
	var found []roleOf
	for _, s := range secretstore.All() {
		if len(s.Drivers) == 0 {
			continue
		}
		for _, role := range roles(&s, image) {
			found = append(found, roleOf{s.Name, role})
		}
	}
	return found
}

// roles lists what an image is of a CSI driver: "" for the driver, and names of providers.
func roles(s *secretstore.Store, image string) []string {
	var out []string
	if s.Controls(image) {
		out = append(out, "")
	}
	for provider := range s.Providers {
		if s.Provides(provider, image) {
			out = append(out, provider)
		}
	}
	return out
}

func (x *storeIndex) addRunning(store, role string, w *fact.Workload, c *fact.Container) {
	for i := range w.Pods {
		p := &w.Pods[i]
		if status := statusOf(p, c.Name); status != nil && status.Running && p.Node != "" {
			key := placedStore{store, role, p.Node}
			source := "pod/" + w.Owner.Namespace + "/" + p.Name + " status of container " + c.Name
			if known := x.running[key]; known == "" || source < known {
				x.running[key] = source
			}
		}
	}
}

// podRuns reports whether a pod runs. Where the phase is unknown, its containers say so.
func podRuns(p *fact.Pod) bool {
	return p.Phase == "Running" || p.Phase == "" && slices.ContainsFunc(p.Containers, func(s fact.ContainerStatus) bool { return s.Running })
}

func statusOf(p *fact.Pod, container string) *fact.ContainerStatus {
	for i := range p.Containers {
		if p.Containers[i].Name == container {
			return &p.Containers[i]
		}
	}
	return nil
}

// judge judges one use. Judged is false if it says nothing: a value that looks like a
// reference may be for the program itself.
func (x *storeIndex) judge(u *use) (f api.Finding, judged bool) {
	f = api.Finding{Subject: checks.WorkloadSubject(u.workload), Evidence: slices.Clone(u.evidence)}
	inSecret := func() (api.Finding, bool) {
		f.Verdict = api.Fail
		f.Message = "gets secrets from " + u.store.Title + ", which puts them into Secrets of the cluster"
		return f, true
	}
	switch u.store.Ends {
	case secretstore.InSecret:
		return inSecret()
	case secretstore.ByClass:
		class, known := x.classes[u.workload.Owner.Namespace+"/"+u.class]
		switch {
		case !x.view.StoresRead:
			return f, false // a gap says so
		case !known:
			return x.unknown(f, fact.NotPresent, "its SecretProviderClass was not found, so it is unknown where the secrets end",
				api.Evidence{Source: "list of SecretProviderClasses in namespace " + u.workload.Owner.Namespace, Value: x.without(u.class)}), true
		}
		e := api.Evidence{Source: "secretproviderclass/" + class.Namespace + "/" + class.Name + " spec.secretObjects", Value: "none"}
		if class.InCluster {
			e.Value = "set"
			f.Evidence = append(f.Evidence, e)
			return inSecret()
		}
		f.Evidence = append(f.Evidence, e)
		return x.judgeVolume(f, u, class.Provider), true
	}
	if u.volume {
		return x.judgeVolume(f, u, ""), true
	}
	return x.judgeAgent(f, u)
}

func (x *storeIndex) without(class string) string {
	if x.more {
		return "more than were kept, without " + class
	}
	return "without " + class
}

func (x *storeIndex) unknown(f api.Finding, reason fact.Reason, message string, more ...api.Evidence) api.Finding {
	f.Verdict, f.Reason, f.Message = api.VerdictUnknown, reason, message
	f.Evidence = append(f.Evidence, more...)
	return f
}

// judgeVolume judges a CSI volume that ends in the pod alone: each pod that runs has to be
// on a node where driver and provider run.
func (x *storeIndex) judgeVolume(f api.Finding, u *use, provider string) api.Finding {
	needed := []string{""}
	if u.store.Ends == secretstore.ByClass {
		if len(u.store.Providers[provider]) == 0 {
			return x.unknown(f, fact.Unsupported, fmt.Sprintf("the provider of its class (%q) is not a known one, so it is unknown whether it runs", provider))
		}
		needed = append(needed, provider)
	}
	pods := 0
	for i := range u.workload.Pods {
		p := &u.workload.Pods[i]
		if !podRuns(p) {
			continue
		}
		pods++
		for _, role := range needed {
			source, runs := x.running[placedStore{u.store.Name, role, p.Node}]
			what := "the CSI driver"
			if role != "" {
				what = "the provider " + role
			}
			switch {
			case !runs && x.view.PodScope != fact.PodsAll:
				return x.unknown(f, fact.NotRequested, "not all pods were listed, so it is unknown whether "+what+" runs on its node")
			case !runs:
				return x.unknown(f, fact.NotPresent, "no known pod of "+what+" runs on its node, so it is unknown who fills the volume",
					api.Evidence{Source: "pods on node " + p.Node, Value: "none of " + what})
			}
			f.Evidence = append(f.Evidence, api.Evidence{Source: source, Value: "running on node " + p.Node + ": " + what})
		}
	}
	if pods == 0 {
		return x.noPod(f, u)
	}
	f.Verdict, f.Message = api.Pass, "gets secrets from "+u.store.Title+" by a volume, and they are put into no Secret"
	return f
}

func (x *storeIndex) noPod(f api.Finding, u *use) api.Finding {
	return x.unknown(f, fact.NotPresent, "none of its pods runs, so nothing shows whether it gets secrets from "+u.store.Title,
		api.Evidence{Source: u.workload.Spec.Origin + " status", Value: "no running pod of " + checks.Count(len(u.workload.Pods), "pod")})
}

// judgeAgent judges secrets that a container in the pod itself fetches. In each pod that
// has started, one of these containers has to run, or to have ended well.
func (x *storeIndex) judgeAgent(f api.Finding, u *use) (api.Finding, bool) {
	var agents []*fact.Container
	var named *fact.Container
	for i := range u.workload.Spec.Containers {
		c := &u.workload.Spec.Containers[i]
		switch {
		case u.store.Fetches(c.Name, c.Image):
			agents = append(agents, c)
		case u.store.Agent(c.Name):
			named = c
		}
	}
	if len(agents) == 0 {
		spec := api.Evidence{Source: checks.PodField(u.workload, "containers"), Value: "no container of " + u.store.Title}
		switch {
		case named != nil:
			d := checks.Declared{Workload: u.workload, Container: named}
			return x.unknown(f, fact.Unsupported, "its container "+named.Name+" is called like one of "+u.store.Title+", but its image is not a known one",
				api.Evidence{Source: d.Field("image"), Value: named.Image}), true
		case !u.asks:
			return f, false // the program may resolve the reference itself
		case len(u.workload.Pods) == 0:
			return x.noPod(f, u), true
		}
		f.Verdict, f.Message = api.Fail, "asks for secrets of "+u.store.Title+", but has no container that fetches them"
		f.Evidence = append(f.Evidence, spec)
		return f, true
	}
	started := 0
	for i := range u.workload.Pods {
		p := &u.workload.Pods[i]
		if !podRuns(p) && p.Phase != "Succeeded" {
			continue
		}
		started++
		e, works := agentWorks(u.workload, p, agents)
		f.Evidence = append(f.Evidence, e)
		if !works {
			return x.unknown(f, fact.NotPresent, "the container that fetches its secrets from "+u.store.Title+" does not run, and has not ended well"), true
		}
	}
	if started == 0 {
		return x.noPod(f, u), true
	}
	f.Verdict, f.Message = api.Pass, "gets secrets from "+u.store.Title+", which puts them into no Secret"
	return f, true
}

// agentWorks looks for an agent in a pod that runs or has ended with success.
func agentWorks(w *fact.Workload, p *fact.Pod, agents []*fact.Container) (api.Evidence, bool) {
	source := "pod/" + w.Owner.Namespace + "/" + p.Name + " status of container "
	worst := api.Evidence{Source: source + agents[0].Name, Value: "not reported"}
	for _, c := range agents {
		switch status := statusOf(p, c.Name); {
		case status == nil:
		case status.Running:
			return api.Evidence{Source: source + c.Name, Value: "running"}, true
		case status.Terminated && status.ExitCode != nil && *status.ExitCode == 0:
			return api.Evidence{Source: source + c.Name, Value: "ended with status 0"}, true
		default:
			worst = api.Evidence{Source: source + c.Name, Value: "not running, and not ended with status 0"}
		}
	}
	return worst, false
}

// nothingOutside is the finding about a cluster in which no workload is shown to use a store that
// keeps secrets outside.
func nothingOutside(v *checks.View) api.Finding {
	f := api.Finding{
		Verdict: api.Fail, Subject: fact.Subject{Kind: fact.SubjectCluster}, Message: "no external store is used: Secrets are kept in the cluster",
		Evidence: []api.Evidence{{
			Source: "annotations, volumes and variables of pods",
			Value:  "no store of secrets outside the cluster is used by " + checks.Count(len(v.Workloads)+v.Dropped, "workload"),
		}},
	}
	if len(v.SecretStores) == 0 {
		f.Evidence = append(f.Evidence, api.Evidence{
			Source: "API groups, CSI drivers and webhooks", Value: "nothing of " + checks.Count(len(secretstore.All()), "known store"),
		})
		return f
	}
	var titles []string
	for i := range v.SecretStores {
		s := &v.SecretStores[i]
		title := s.Name
		if known, ok := secretstore.ByName(s.Name); ok {
			title = known.Title
		}
		titles = append(titles, title)
		for _, r := range s.Resources {
			f.Evidence = append(f.Evidence, api.Evidence{Source: "list of " + r.Resource, Value: describeResource(&r)})
		}
		for _, name := range s.Installed {
			f.Evidence = append(f.Evidence, api.Evidence{Source: name, Value: "installed"})
		}
	}
	f.Message = "no workload is shown to use a store that keeps secrets outside the cluster; installed: " + checks.JoinWords(titles, 5)
	return f
}

func describeResource(r *fact.StoreResource) string {
	text := checks.Count(r.Objects, "object")
	if r.More {
		text = "at least " + text
	}
	if r.InCluster != nil {
		text += fmt.Sprintf(", %d end in a Secret", *r.InCluster)
	}
	return text
}
