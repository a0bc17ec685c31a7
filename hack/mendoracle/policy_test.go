package mendoracle

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/cel-go/cel"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/kubernetes/pkg/apis/admissionregistration"
	conv "k8s.io/kubernetes/pkg/apis/admissionregistration/v1"
	admissionvalidation "k8s.io/kubernetes/pkg/apis/admissionregistration/validation"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/remedy/mend"
)

type expression string

func (e expression) GetExpression() string { return string(e) }

func (e expression) ReturnTypes() []*cel.Type { return []*cel.Type{cel.BoolType} }

// admits says, by the API server's own CEL, whether a policy's expressions apply to a pod, and
// whether they are true of it.
func admits(t *testing.T, p *admissionregistrationv1.ValidatingAdmissionPolicy, pod *corev1.Pod) (applies, valid bool) {
	t.Helper()
	kind := schema.GroupVersionKind{Version: "v1", Kind: "Pod"}
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pod)
	if err != nil {
		t.Fatal(err)
	}
	attributes := admission.NewAttributesRecord(pod, nil, kind, "shop", "web", schema.GroupVersionResource{Version: "v1", Resource: "pods"}, "", admission.Create, nil, false, nil)
	versioned := &admission.VersionedAttributes{Attributes: attributes, VersionedKind: kind, VersionedObject: admission.NewLazyObject(&unstructured.Unstructured{Object: object})}
	all := func(expressions []plugincel.ExpressionAccessor) bool {
		compiler := plugincel.NewConditionCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))
		evaluator := compiler.CompileCondition(expressions, plugincel.OptionalVariableDeclarations{}, environment.NewExpressions)
		const budget = 10_000_000 // celconfig.RuntimeCELCostBudget
		results, _, err := evaluator.ForInput(context.Background(), versioned, &admissionv1.AdmissionRequest{}, plugincel.OptionalVariableBindings{}, nil, budget)
		if err != nil {
			t.Fatal(err)
		}
		yes := true
		for _, r := range results {
			if r.Error != nil {
				t.Fatal(r.Error)
			}
			yes = yes && r.EvalResult.Value() == true
		}
		return yes
	}
	var conditions, validations []plugincel.ExpressionAccessor
	for _, c := range p.Spec.MatchConditions {
		conditions = append(conditions, expression(c.Expression))
	}
	for _, v := range p.Spec.Validations {
		validations = append(validations, expression(v.Expression))
	}
	return all(conditions), all(validations)
}

func TestReadOnlyRootPolicy(t *testing.T) {
	for _, mode := range []mend.PolicyMode{mend.PolicyAudit, mend.PolicyDeny} {
		text := mend.ReadOnlyRootPolicy(mode, []string{"123", "gke-managed-x", "no name\n"})
		first, second, ok := strings.Cut(text, "\n---\n")
		if !ok {
			t.Fatal("not two documents")
		}
		var policy admissionregistrationv1.ValidatingAdmissionPolicy
		var binding admissionregistrationv1.ValidatingAdmissionPolicyBinding
		if err := yaml.UnmarshalStrict([]byte(first), &policy); err != nil {
			t.Fatal(err)
		}
		if err := yaml.UnmarshalStrict([]byte(second), &binding); err != nil {
			t.Fatal(err)
		}
		conv.SetObjectDefaults_ValidatingAdmissionPolicy(&policy)
		conv.SetObjectDefaults_ValidatingAdmissionPolicyBinding(&binding)
		var in admissionregistration.ValidatingAdmissionPolicy
		if err := conv.Convert_v1_ValidatingAdmissionPolicy_To_admissionregistration_ValidatingAdmissionPolicy(&policy, &in, nil); err != nil {
			t.Fatal(err)
		}
		if errs := admissionvalidation.ValidateValidatingAdmissionPolicy(&in); len(errs) > 0 {
			t.Errorf("the policy is refused: %v", errs)
		}
		var bound admissionregistration.ValidatingAdmissionPolicyBinding
		if err := conv.Convert_v1_ValidatingAdmissionPolicyBinding_To_admissionregistration_ValidatingAdmissionPolicyBinding(&binding, &bound, nil); err != nil {
			t.Fatal(err)
		}
		if errs := admissionvalidation.ValidateValidatingAdmissionPolicyBinding(&bound); len(errs) > 0 {
			t.Errorf("the binding is refused: %v", errs)
		}
		except, _ := json.Marshal(binding.Spec.MatchResources.NamespaceSelector.MatchExpressions[0].Values)
		if want := `["123","gke-managed-x","kube-node-lease","kube-public","kube-system"]`; string(except) != want {
			t.Errorf("left out are %s, want %s", except, want)
		}
		if string(binding.Spec.ValidationActions[0]) != string(mode) {
			t.Errorf("actions %v, want %s", binding.Spec.ValidationActions, mode)
		}

		readOnly := func(on *bool) corev1.Container {
			return corev1.Container{Name: "c", SecurityContext: &corev1.SecurityContext{ReadOnlyRootFilesystem: on}}
		}
		yes, no := readOnly(ptr(true)), readOnly(ptr(false))
		for name, tc := range map[string]struct {
			pod            corev1.Pod
			applies, valid bool
		}{
			"all read-only":                 {corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{yes, yes}, InitContainers: []corev1.Container{yes}}}, true, true},
			"one of two is writable":        {corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{yes, no}}}, true, false},
			"one says nothing":              {corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c"}}}}, true, false},
			"one has another field":         {corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{readOnly(nil)}}}, true, false},
			"an init container is writable": {corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{yes}, InitContainers: []corev1.Container{no}}}, true, false},
			"a pod for Linux, in words":     {corev1.Pod{Spec: corev1.PodSpec{OS: &corev1.PodOS{Name: corev1.Linux}, Containers: []corev1.Container{no}}}, true, false},
			"a pod for Windows":             {corev1.Pod{Spec: corev1.PodSpec{OS: &corev1.PodOS{Name: corev1.Windows}, Containers: []corev1.Container{no}}}, false, false},
			"a mirror pod": {corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"kubernetes.io/config.mirror": "0"}}, Spec: corev1.PodSpec{Containers: []corev1.Container{no}},
			}, false, false},
			"another annotation": {corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"a": "b"}}, Spec: corev1.PodSpec{Containers: []corev1.Container{no}}}, true, false},
		} {
			if applies, valid := admits(t, &policy, &tc.pod); applies != tc.applies || valid != tc.valid {
				t.Errorf("%s: applies %t, valid %t, want %t, %t", name, applies, valid, tc.applies, tc.valid)
			}
		}
	}
}
