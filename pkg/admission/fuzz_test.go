package admission

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
)

// FuzzPolicies gives policies and bindings as a cluster would. There must be no panic, an
// unknown verdict has its reason, and a second answer is the same.
func FuzzPolicies(f *testing.F) {
	add := func(spec, binding string) { f.Add([]byte(spec), []byte(binding)) }
	match := `"matchConstraints":{"resourceRules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],"resources":["pods"]}]}`
	add(`{`+match+`,"validations":[{"expression":"object.spec.containers.all(c, has(c.securityContext))"}]}`, `{"validationActions":["Deny"]}`)
	add(`{`+match+`,"variables":[{"name":"x","expression":"object.spec.priority"},{"name":"x","expression":"variables.x"}],"validations":[{"expression":"variables.x > 1","messageExpression":"string(variables.x)"}]}`, `{"validationActions":["Deny"]}`)
	add(`{`+match+`,"matchConditions":[{"name":"a","expression":"request.userInfo.groups.exists(g, g == 'x')"}],"failurePolicy":"Ignore","validations":[{"expression":"authorizer.group('').resource('pods').check('get').allowed()"}]}`, `{"validationActions":["Audit"]}`)
	add(`{`+match+`,"paramKind":{"apiVersion":"v1","kind":"ConfigMap"},"auditAnnotations":[{"key":"k","valueExpression":"params.data.x"}]}`, `{"paramRef":{"selector":{"matchLabels":{"a":"b"}},"parameterNotFoundAction":"Deny"}}`)
	add(`{`+match+`,"validations":[{"expression":"object.metadata == object.metadata || {'a': object.spec}.a.size() == 1 || object.spec in [object]"}]}`, `{"validationActions":["Deny"],"matchResources":{"namespaceSelector":{"matchExpressions":[{"key":"a","operator":"In"}]}}}`)
	add(`{`+match+`,"validations":[{"expression":"object.transformMap(k, v, v).size() > 1 && '%s'.format([object.metadata]) != ''"}]}`, `{"validationActions":["Deny"]}`)
	f.Fuzz(func(t *testing.T, spec, binding []byte) {
		if len(spec) > 4096 || len(binding) > 4096 {
			return
		}
		var objects Objects
		var p admissionv1.ValidatingAdmissionPolicy
		var b admissionv1.ValidatingAdmissionPolicyBinding
		if json.Unmarshal(spec, &p.Spec) != nil || json.Unmarshal(binding, &b.Spec) != nil {
			return
		}
		p.Name, b.Name, b.Spec.PolicyName = "p", "b", "p"
		objects.Policies, objects.Bindings = []admissionv1.ValidatingAdmissionPolicy{p}, []admissionv1.ValidatingAdmissionPolicyBinding{b}
		objects.Params = map[admissionv1.ParamKind]Params{{APIVersion: "v1", Kind: "ConfigMap"}: {Namespaced: true, Objects: []map[string]any{
			{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"namespace": "shop", "name": "c", "labels": map[string]any{"a": "b"}}, "data": map[string]any{"x": "y"}},
		}}}
		policies := Compile(objects)
		policies.left = 3_000_000 // a seed takes a moment, not a minute
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		pod := podOf()
		first, err := policies.Judge(ctx, pod, shop)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range first {
			switch {
			case v.Policy != "p":
				t.Errorf("a verdict of policy %q", v.Policy)
			case v.Outcome == Unknown && (v.Doubt == "" || v.What == ""):
				t.Errorf("unknown without a reason: %+v", v)
			case v.Outcome != Unknown && (v.Doubt != "" || v.Reason != ""):
				t.Errorf("a reason for %s: %+v", v.Outcome, v)
			}
		}
		again := Compile(objects)
		again.left = 3_000_000
		second, err := again.Judge(ctx, podOf(), shop)
		if err != nil || len(first) != len(second) {
			t.Fatalf("%v, then %v, %v", first, second, err)
		}
		for i := range first {
			if first[i] != second[i] {
				t.Errorf("%+v, then %+v", first[i], second[i])
			}
		}
	})
}
