package cluster

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

const (
	validatingPath = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
	falcoImage     = "docker.io/falcosecurity/falco:0.42.0"
	clusterPolicy  = "/apis/kyverno.io/v1/clusterpolicies"
	rootPolicy     = `{"metadata":{"name":"ro"},"spec":{"validationFailureAction":"Enforce","rules":[{"match":{"any":[{"resources":{"kinds":["Pod"]}}]},
		"validate":{"pattern":{"spec":{"containers":[{"securityContext":{"readOnlyRootFilesystem":true}}]}}}}]}}`
)

// enforced is a cluster with Kyverno, Falco on one of two nodes, and a DaemonSet that only has
// the labels of another agent.
func enforced(s *server) {
	daemonSet := func(namespace, name, image string) metav1.Object {
		return &appsv1.DaemonSet{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			Spec: appsv1.DaemonSetSpec{
				Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}},
				Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: image}}}},
			},
			Status: appsv1.DaemonSetStatus{DesiredNumberScheduled: 2},
		}
	}
	s.typed[daemonSetsPath] = []metav1.Object{
		daemonSet("falco", "falco", falcoImage), daemonSet("shop", "tetragon", "registry.example/shop/web:1"),
	}
	isReady := func(p *corev1.Pod) {
		p.Labels = map[string]string{"app": "falco"}
		p.UID = types.UID("uid-" + p.Name)
		p.Spec.Containers = []corev1.Container{{Name: "side", Image: "registry.example/side:1"}, {Name: "c", Image: falcoImage}}
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
		p.Status.ContainerStatuses = []corev1.ContainerStatus{
			{Name: "side", ContainerID: "containerd://a1", State: running}, {Name: "c", ContainerID: "containerd://f1", State: running},
		}
	}
	of := controlledBy(fact.SubjectDaemonSet, "falco")
	s.pods = []corev1.Pod{
		pod("falco", "falco-1", "n1", of, isReady),
		pod("falco", "falco-2", "n2", of, label("app", "falco")),
		pod("falco", "impostor", "n2", controlledBy(fact.SubjectReplicaSet, "x"), isReady),
	}
	s.resources = map[string][]metav1.APIResource{"kyverno.io/v1": {resourceOf("clusterpolicies", "ClusterPolicy", false)}}
	s.objects = map[string][]string{clusterPolicy: {rootPolicy}}
	s.metadata[validatingPath] = []metav1.PartialObjectMetadata{partial("", "kyverno-resource-validating-webhook-cfg"), partial("", "unrelated")}
}

// readEngines runs the reader alone.
func readEngines(t *testing.T, s *server) ([]fact.Engine, bool, []fact.Gap) {
	t.Helper()
	c, err := newClients(s.config())
	if err != nil {
		t.Fatal(err)
	}
	engines, read, gaps, err := c.engines(context.Background(), Options{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	return engines, read, gaps
}

func TestEngines(t *testing.T) {
	s := newServer(t)
	enforced(s)
	got, read, gaps := readEngines(t, s)
	want := []fact.Engine{
		{
			Name: "Falco", Agent: true, Seen: []string{"daemonset/falco/falco"}, Images: []string{"docker.io/falcosecurity/falco:0.42.0"},
			Mode: fact.EngineDetects, Why: "Falco reports; falco-talon or another program would have to act", Pods: []fact.EnginePod{{Node: "n1", UID: "uid-falco-1", Container: "f1"}}, Desired: 2,
		},
		{
			Name: "Kyverno", Seen: []string{"validatingwebhookconfiguration kyverno-resource-validating-webhook-cfg", "resource clusterpolicies.kyverno.io"},
			Mode: fact.EngineBlocks, Why: "ClusterPolicy ro", WritableRoot: []fact.EnginePolicy{{Name: "ClusterPolicy ro", Blocks: true}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" || !read || len(gaps) > 0 {
		t.Errorf("read %v, gaps %+v, engines (-want +got):\n%s", read, gaps, diff)
	}
}

// A policy from which something is excepted, or may be, is no clear claim to block.
func TestExceptionsFromPolicies(t *testing.T) {
	const path = "/apis/kyverno.io/v2/policyexceptions"
	exception := func(policy string) string {
		return `{"metadata":{"name":"e","namespace":"elsewhere"},"spec":{"exceptions":[{"policyName":"` + policy + `","ruleNames":["*"]}]}}`
	}
	for name, tc := range map[string]struct {
		objects []string
		refused bool
		mode    fact.EngineMode
		doubt   string
	}{
		"from another":       {[]string{exception("other")}, false, fact.EngineBlocks, ""},
		"from it":            {[]string{exception("other"), exception("ro")}, false, fact.EngineUnknown, "an exception names it"},
		"from a namespace's": {[]string{exception("shop/ro")}, false, fact.EngineUnknown, "an exception names it"},
		"not read":           {nil, true, fact.EngineUnknown, "exceptions from it were not read"},
		"not understood":     {[]string{`[]`}, false, fact.EngineUnknown, "exceptions from it were not read"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			enforced(s)
			s.resources["kyverno.io/v2"] = []metav1.APIResource{resourceOf("policyexceptions", "PolicyException", true)}
			s.objects[path] = tc.objects
			s.refuse = func(r *http.Request) *metav1.Status {
				if tc.refused && r.URL.Path == path {
					return status(http.StatusForbidden, metav1.StatusReasonForbidden, "no")
				}
				return nil
			}
			c, err := newClients(s.config())
			if err != nil {
				t.Fatal(err)
			}
			got, _, _, err := c.engines(context.Background(), Options{PageSize: 1, Namespace: "shop"})
			if err != nil || len(got) != 2 || len(got[1].WritableRoot) != 1 {
				t.Fatalf("%+v, %v", got, err)
			}
			if k := got[1]; k.Mode != tc.mode || k.WritableRoot[0].Doubt != tc.doubt {
				t.Errorf("%s, %q; want %s, %q", k.Mode, k.WritableRoot[0].Doubt, tc.mode, tc.doubt)
			}
		})
	}
}

// Installed and asked by nobody is not enforced.
func TestAnEngineWithoutWebhook(t *testing.T) {
	s := newServer(t)
	enforced(s)
	s.metadata[validatingPath] = nil
	got, _, _ := readEngines(t, s)
	if len(got) != 2 || got[1].Mode != fact.EngineOff || !strings.Contains(got[1].Why, "webhook") {
		t.Errorf("%+v", got)
	}
}

// What may not be read is a gap, and nothing that depends on it is called off.
func TestEnginesForbidden(t *testing.T) {
	for path, want := range map[string]string{
		daemonSetsPath: "daemonsets.apps", validatingPath: "validatingwebhookconfigurations", clusterPolicy: "clusterpolicies.kyverno.io", "/apis": "API groups",
	} {
		s := newServer(t)
		enforced(s)
		s.refuse = func(r *http.Request) *metav1.Status {
			if r.URL.Path == path {
				return status(http.StatusForbidden, metav1.StatusReasonForbidden, "CANARY")
			}
			return nil
		}
		got, read, gaps := readEngines(t, s)
		if read != (path == clusterPolicy) {
			t.Errorf("%s: read is %v", path, read)
		}
		if !slices.ContainsFunc(gaps, func(g fact.Gap) bool {
			return g.What == fact.Enforcing && g.Reason == fact.Forbidden && strings.Contains(g.Detail, want) && !strings.Contains(g.Detail, "CANARY")
		}) {
			t.Errorf("%s: gaps %+v", path, gaps)
		}
		for _, e := range got {
			if e.Name == "Kyverno" && e.Mode == fact.EngineOff {
				t.Errorf("%s: Kyverno is off: %s", path, e.Why)
			}
		}
	}
}

// A policy cannot make facts grow.
func TestEnginesAreBounded(t *testing.T) {
	s := newServer(t)
	enforced(s)
	long := strings.Repeat("x", 5000)
	s.objects[clusterPolicy] = slices.Repeat([]string{strings.ReplaceAll(rootPolicy, `"ro"`, `"`+long+`"`)}, fact.MaxEnginePolicies+1)
	c, err := newClients(s.config())
	if err != nil {
		t.Fatal(err)
	}
	engines, _, gaps, err := c.engines(context.Background(), Options{PageSize: 500})
	if err != nil || len(gaps) != 1 || gaps[0].Reason != fact.Truncated {
		t.Fatalf("%+v, %v", gaps, err)
	}
	if k := engines[1]; len(k.WritableRoot) != fact.MaxEnginePolicies || len(k.WritableRoot[0].Name) > 300 || len(k.Unread) != 1 {
		t.Errorf("%d policies, the first of %d bytes, %d gaps", len(k.WritableRoot), len(k.WritableRoot[0].Name), len(k.Unread))
	}
}
