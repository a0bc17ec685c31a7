package vaporacle

import (
	"fmt"
	"math/rand/v2"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	apiserver "k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/policy/matching"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/admission"
)

// criteria are those of the API server's matcher.
type criteria struct{ *admissionv1.MatchResources }

func (c criteria) GetMatchResources() admissionv1.MatchResources { return *c.MatchResources }

func (c criteria) GetParsedNamespaceSelector() (labels.Selector, error) {
	return metav1.LabelSelectorAsSelector(c.NamespaceSelector)
}

func (c criteria) GetParsedObjectSelector() (labels.Selector, error) {
	return metav1.LabelSelectorAsSelector(c.ObjectSelector)
}

// randomMatch draws what a policy or binding matches, also what the API server would not store.
func randomMatch(r *rand.Rand) *admissionv1.MatchResources {
	selector := func() *metav1.LabelSelector {
		s := &metav1.LabelSelector{}
		switch r.IntN(6) {
		case 0:
			s.MatchLabels = map[string]string{pick(r, "app", "env", "kubernetes.io/metadata.name"): pick(r, "web", "prod", "shop", "dev")}
		case 1:
			s.MatchExpressions = []metav1.LabelSelectorRequirement{{
				Key:      pick(r, "app", "env", "tier"),
				Operator: pick(r, metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn, metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist, "Odd"),
			}}
			if r.IntN(2) == 0 { // without values some operators are invalid, with them others
				s.MatchExpressions[0].Values = []string{pick(r, "web", "prod", "dev")}
			}
		}
		return s
	}
	rules := func(most int) (out []admissionv1.NamedRuleWithOperations) {
		for range r.IntN(most + 1) {
			rule := admissionv1.NamedRuleWithOperations{}
			rule.APIGroups = []string{pick(r, "", "*", "apps", "")}
			rule.APIVersions = []string{pick(r, "v1", "*", "v2", "v1")}
			rule.Operations = []admissionv1.OperationType{pick(r, admissionv1.Create, admissionv1.OperationAll, admissionv1.Update, admissionv1.Create)}
			rule.Resources = []string{pick(r, "pods", "*", "*/*", "pods/*", "pods/exec", "*/exec", "deployments", "pods", "pods/")}
			if r.IntN(3) == 0 {
				rule.Scope = ptr(pick(r, admissionv1.AllScopes, admissionv1.NamespacedScope, admissionv1.ClusterScope, "Odd"))
			}
			if r.IntN(4) == 0 {
				rule.ResourceNames = []string{pick(r, "pod-1", "pod-2", "x"), pick(r, "pod-3", "pod-4")}
			}
			out = append(out, rule)
		}
		return out
	}
	m := &admissionv1.MatchResources{NamespaceSelector: selector(), ObjectSelector: selector(), ResourceRules: rules(3)}
	if r.IntN(3) == 0 {
		m.ExcludeResourceRules = rules(1)
	}
	m.MatchPolicy = pick(r, nil, ptr(admissionv1.Equivalent), ptr(admissionv1.Exact))
	return m
}

// TestMatching: what a policy and a binding match is what the API server's own matcher says,
// for 5,000 of them.
func TestMatching(t *testing.T) {
	t.Parallel()
	indexer := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
	var namespaces []*corev1.Namespace
	for name, env := range map[string]string{"shop": "prod", "dev": "dev"} {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"env": env, corev1.LabelMetadataName: name}}}
		namespaces = append(namespaces, ns)
		if err := indexer.Add(ns); err != nil {
			t.Fatal(err)
		}
	}
	podKind, podResource := corev1.SchemeGroupVersion.WithKind("Pod"), corev1.SchemeGroupVersion.WithResource("pods")
	objects := apiserver.NewObjectInterfacesFromScheme(scheme.Scheme)
	matcher := matching.NewMatcher(listers.NewNamespaceLister(indexer), fake.NewSimpleClientset())
	counts := map[bool]int{}
	for seed := range uint64(5000) {
		r := rand.New(rand.NewPCG(7, seed))
		pod := podOf(r.IntN(8))
		if pod.Name == "" {
			pod.Name, pod.GenerateName = "pod-9", "" // one without a name is unknown by some rules
		}
		ns := pick(r, namespaces...)
		policy, binding := randomMatch(r), randomMatch(r)
		if r.IntN(2) == 0 {
			binding = nil
		}
		attributes := apiserver.NewAttributesRecord(pod, nil, podKind, ns.Name, pod.Name, podResource, "", apiserver.Create, &metav1.CreateOptions{}, true, nil)
		refuses := func(m *admissionv1.MatchResources) (matches, failed bool) {
			if m == nil {
				return true, false
			}
			matches, _, _, err := matcher.Matches(attributes, objects, criteria{m})
			return matches, err != nil
		}
		matches, failed := refuses(policy)
		want := failed
		if matches && !failed {
			matches, failed = refuses(binding)
			want = matches || failed
		}

		all := admission.Objects{Minor: 37}
		p := admissionv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
		p.Spec.MatchConstraints = policy
		p.Spec.Validations = []admissionv1.Validation{{Expression: "false"}}
		b := admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: "b"}}
		b.Spec.PolicyName, b.Spec.ValidationActions, b.Spec.MatchResources = "p", []admissionv1.ValidationAction{admissionv1.Deny}, binding
		all.Policies, all.Bindings = append(all.Policies, p), append(all.Bindings, b)
		verdicts, err := admission.Compile(all).Judge(t.Context(), pod, admission.Namespace{Name: ns.Name, Object: ns})
		if err != nil {
			t.Fatal(err)
		}
		got := len(verdicts) == 1 && verdicts[0].Outcome == admission.Refuses
		if len(verdicts) > 1 || got != want {
			t.Fatalf("seed %d: %s: predicted %+v, the matcher: %v\npolicy %s\nbinding %s", seed, fmt.Sprint(pod.Name, pod.Labels, ns.Name), verdicts, want, policy, binding)
		}
		counts[got]++
	}
	t.Logf("matched %d of %d", counts[true], counts[true]+counts[false])
	if counts[true] < 500 || counts[false] < 500 {
		t.Errorf("the draw is one-sided: %v", counts)
	}
}
