// Package psaoracle compares what package privileged says of a declared pod with the
// official evaluator of the Pod Security Standards, k8s.io/pod-security-admission, and runs
// the plugin on the evaluator's own fixtures. Generated pods are in package podsecurity.
package psaoracle

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/policy"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/capability"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/privileged"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/podspec"
)

func ptr[T any](v T) *T { return &v }

// maybe is one of the values, or nil.
func maybe[T any](r *rand.Rand, values ...T) *T {
	if i := r.IntN(len(values) + 1); i < len(values) {
		return &values[i]
	}
	return nil
}

func profile(r *rand.Rand) *corev1.SeccompProfile {
	switch r.IntN(4) {
	case 0:
		return &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined}
	case 1:
		return &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}
	case 2:
		return &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeLocalhost, LocalhostProfile: ptr("p.json")}
	}
	return nil
}

// randomSpec is a pod of one container with random fields that the compared checks read.
func randomSpec(r *rand.Rand) *corev1.PodSpec {
	c := corev1.Container{Name: "app", Image: "registry.example/app:v1", SecurityContext: &corev1.SecurityContext{
		RunAsUser: maybe(r, int64(0), int64(1000)), RunAsNonRoot: maybe(r, true, false),
		AllowPrivilegeEscalation: maybe(r, true, false), SeccompProfile: profile(r),
	}}
	if r.IntN(4) > 0 {
		c.SecurityContext.Capabilities = &corev1.Capabilities{}
		if r.IntN(2) == 0 {
			c.SecurityContext.Capabilities.Drop = []corev1.Capability{"ALL"}
		}
		for range r.IntN(3) {
			name := corev1.Capability(capability.Number(r.IntN(int(capability.Last) + 1)).String())
			c.SecurityContext.Capabilities.Add = append(c.SecurityContext.Capabilities.Add, name)
		}
	}
	spec := &corev1.PodSpec{Containers: []corev1.Container{c}}
	if r.IntN(2) == 0 {
		spec.SecurityContext = &corev1.PodSecurityContext{
			RunAsUser: maybe(r, int64(0), int64(1000)), RunAsNonRoot: maybe(r, true, false), SeccompProfile: profile(r),
		}
	}
	return spec
}

// official says by check which of the evaluator's newest checks allow a pod.
func official(spec *corev1.PodSpec) map[policy.CheckID]bool {
	out := map[policy.CheckID]bool{}
	for _, c := range policy.DefaultChecks() {
		out[c.ID] = c.Versions[len(c.Versions)-1].CheckPod(&metav1.ObjectMeta{Name: "web"}, spec).Allowed
	}
	return out
}

// ours are the verdicts of one container that does not run.
func ours(t *testing.T, spec *corev1.PodSpec) map[string]api.Verdict {
	t.Helper()
	w := fact.Workload{
		Owner: fact.Subject{Kind: fact.SubjectPod, Namespace: "shop", Name: "web"},
		Spec:  podspec.From("pod/shop/web", "spec", nil, nil, spec),
	}
	v := checks.NewView(&fact.Set{PodScope: fact.PodsAll, Workloads: []fact.Workload{w}})
	out := map[string]api.Verdict{}
	for _, c := range []checks.Check{privileged.RunsAsRoot, privileged.PrivilegeEscalation, privileged.Seccomp, privileged.AddedCapabilities} {
		f := checks.JudgeSet(checks.Plan{Checks: []checks.Check{c}}, v.Set).Findings[0]
		out[c.Slug()] = f.Verdict
		if f.Verdict == api.Fail && f.Open() { // nothing is declared, so that something else decides
			out[c.Slug()] = api.VerdictUnknown
		}
	}
	return out
}

// What the evaluator allows passes here, and what fails here it refuses. The rest are
// the differences that are meant.
func TestPodSecurity(t *testing.T) {
	const (
		rounds      = 20_000
		escalation  = policy.CheckID("allowPrivilegeEscalation")
		nonRoot     = policy.CheckID("runAsNonRoot")
		user        = policy.CheckID("runAsUser")
		seccomp     = policy.CheckID("seccompProfile_restricted")
		seccompBase = policy.CheckID("seccompProfile_baseline")
		added       = policy.CheckID("capabilities_baseline")
	)
	r := rand.New(rand.NewPCG(1, 11))
	agreed := map[string]int{}
	for range rounds {
		spec := randomSpec(r)
		allowed, got := official(spec), ours(t, spec)
		for _, id := range []policy.CheckID{escalation, nonRoot, user, seccomp, seccompBase, added} {
			if _, known := allowed[id]; !known {
				t.Fatalf("the evaluator has no check %s", id)
			}
		}
		check := func(slug string, ok bool) {
			if !ok {
				text, err := json.Marshal(spec)
				if err != nil {
					t.Fatal(err)
				}
				t.Fatalf("%s is %s, the evaluator says %v: %s", slug, got[slug], allowed, text)
			}
			agreed[slug+" "+string(got[slug])]++
		}
		c, pod := spec.Containers[0].SecurityContext, spec.SecurityContext
		check("privilege-escalation", (got["privilege-escalation"] == api.Pass) == allowed[escalation])
		check("added-capabilities", (got["added-capabilities"] == api.Pass) == allowed[added])

		// The evaluator looks at the pod's field too where the container's replaces it.
		replaced := pod != nil && pod.SeccompProfile != nil && c.SeccompProfile != nil
		switch got["seccomp"] {
		case api.Pass:
			check("seccomp", allowed[seccomp] || replaced)
		case api.Fail:
			check("seccomp", !allowed[seccompBase])
		default: // nothing is declared: the kubelet's default decides
			check("seccomp", allowed[seccompBase] && !allowed[seccomp])
		}

		// A declared user above 0 is not root, also without runAsNonRoot, which the
		// restricted standard wants besides.
		replaced = pod != nil && (pod.RunAsUser != nil && c.RunAsUser != nil || pod.RunAsNonRoot != nil && c.RunAsNonRoot != nil)
		another := c.RunAsUser != nil && *c.RunAsUser > 0 || c.RunAsUser == nil && pod != nil && pod.RunAsUser != nil && *pod.RunAsUser > 0
		switch got["runs-as-root"] {
		case api.Pass:
			check("runs-as-root", allowed[user] && allowed[nonRoot] || another || replaced)
		case api.Fail:
			check("runs-as-root", !allowed[user])
		default: // nothing is declared: the image decides
			check("runs-as-root", !allowed[nonRoot])
		}
	}
	for _, slug := range []string{"privilege-escalation", "added-capabilities", "seccomp", "runs-as-root"} {
		for _, verdict := range []api.Verdict{api.Pass, api.Fail} {
			if agreed[slug+" "+string(verdict)] < rounds/100 {
				t.Errorf("%s: only %d times %s: too few to show anything", slug, agreed[slug+" "+string(verdict)], verdict)
			}
		}
	}
	t.Logf("%d pods: %v", rounds, agreed)
}
