package admission

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// objectsOf reads policies, bindings and ConfigMaps.
func objectsOf(t testing.TB, documents ...string) Objects {
	t.Helper()
	objects := Objects{Params: map[admissionv1.ParamKind]Params{}}
	kind := admissionv1.ParamKind{APIVersion: "v1", Kind: "ConfigMap"}
	maps := Params{Namespaced: true}
	for _, document := range documents {
		var meta metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(document), &meta); err != nil {
			t.Fatal(err)
		}
		var into any
		switch meta.Kind {
		case "ValidatingAdmissionPolicy":
			objects.Policies = append(objects.Policies, admissionv1.ValidatingAdmissionPolicy{})
			into = &objects.Policies[len(objects.Policies)-1]
		case "ValidatingAdmissionPolicyBinding":
			objects.Bindings = append(objects.Bindings, admissionv1.ValidatingAdmissionPolicyBinding{})
			into = &objects.Bindings[len(objects.Bindings)-1]
		case "ConfigMap":
			maps.Objects = append(maps.Objects, map[string]any{})
			into = &maps.Objects[len(maps.Objects)-1]
		default:
			t.Fatalf("kind %q", meta.Kind)
		}
		if err := yaml.UnmarshalStrict([]byte(document), into); err != nil {
			t.Fatal(err)
		}
	}
	objects.Params[kind] = maps
	return objects
}

// policyOf is a policy on the creation of pods; spec is further YAML of its spec.
func policyOf(spec string) string {
	return `
kind: ValidatingAdmissionPolicy
metadata: {name: p}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
` + indent(spec)
}

func bindingOf(spec string) string {
	return `
kind: ValidatingAdmissionPolicyBinding
metadata: {name: b}
spec:
  policyName: p
` + indent(spec)
}

func indent(text string) string {
	if text == "" {
		return ""
	}
	return "  " + strings.ReplaceAll(text, "\n", "\n  ")
}

const deny = "validationActions: [Deny]"

func podOf() *corev1.Pod {
	no := false
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Labels: map[string]string{"app": "web"}},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: &no,
			Containers:                   []corev1.Container{{Name: "c", Image: "registry.example/web:1"}},
		},
	}
}

var shop = Namespace{Name: "shop", Object: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{"env": "prod"}}}}

func judge(t *testing.T, objects Objects, pod *corev1.Pod, ns Namespace) []Verdict {
	t.Helper()
	verdicts, err := Compile(objects).Judge(t.Context(), pod, ns)
	if err != nil {
		t.Fatal(err)
	}
	return verdicts
}

func TestExpressions(t *testing.T) {
	t.Parallel()
	refuses, allows := Verdict{Outcome: Refuses}, Verdict{Outcome: Allows}
	serverDecides := func(what string) Verdict { return Verdict{Outcome: Unknown, Doubt: ServerDecides, What: what} }
	for name, tc := range map[string]struct {
		expression string
		want       Verdict
	}{
		"a writable root is refused": {"object.spec.containers.all(c, has(c.securityContext) && has(c.securityContext.readOnlyRootFilesystem) && c.securityContext.readOnlyRootFilesystem)", refuses},
		"true allows":                {"true", allows},
		"an error refuses":           {"object.spec.containers[0].securityContext.privileged == false", refuses},
		"defaults are there":         {"object.spec.restartPolicy == 'Always' && object.spec.dnsPolicy == 'ClusterFirst' && has(object.spec.securityContext) && object.spec.terminationGracePeriodSeconds == 30", allows},
		"kind and version are known": {"object.kind == 'Pod' && object.apiVersion == 'v1' && object.metadata.name == 'web'", allows},
		"the namespace is known":     {"object.metadata.namespace == 'shop' && request.namespace == 'shop' && namespaceObject.metadata.labels['env'] == 'prod'", allows},
		"the request is known":       {"request.operation == 'CREATE' && request.name == 'web' && request.resource.resource == 'pods' && oldObject == null", allows},

		"the user":                       {"request.userInfo.username == 'bob'", Verdict{Outcome: Unknown, Doubt: UserInfo, What: "request.userInfo"}},
		"the user does not matter":       {"request.userInfo.username == 'bob' || object.metadata.name == 'web'", allows},
		"a dry run":                      {"request.dryRun == true", Verdict{Outcome: Unknown, Doubt: UserInfo, What: "request.dryRun"}},
		"the authorizer":                 {"authorizer.group('').resource('pods').check('create').allowed()", Verdict{Outcome: Unknown, Doubt: Authorizer, What: "authorizer"}},
		"the authorizer does not matter": {"false && authorizer.group('').resource('pods').check('create').allowed()", refuses},
		"tolerations":                    {"object.spec.tolerations.size() == 0", serverDecides("object.spec.tolerations")},
		"has tolerations":                {"!has(object.spec.tolerations)", serverDecides("object.spec.tolerations")},
		"priority":                       {"object.spec.priority > 5", serverDecides("object.spec.priority")},
		"the service account":            {"object.spec.serviceAccountName != 'default'", serverDecides("object.spec.serviceAccountName")},
		"optional":                       {"object.spec.?priorityClassName.orValue('') == ''", serverDecides("object.spec.priorityClassName")},
		"optional, whether there":        {"object.spec.?priorityClassName.hasValue()", serverDecides("object.spec.priorityClassName")},
		"in":                             {"'priority' in object.spec", serverDecides("object.spec.priority")},
		"limits":                         {"object.spec.containers.all(c, has(c.resources.limits))", serverDecides("object.spec.containers[0].resources.limits")},
		"the pull policy":                {"object.spec.containers.all(c, c.imagePullPolicy == 'Always')", serverDecides("object.spec.containers[0].imagePullPolicy")},
		"annotations":                    {"!has(object.metadata.annotations)", serverDecides("object.metadata.annotations")},
		"all fields":                     {"size(object.spec) > 3", serverDecides("object.spec")},
		"all fields, one by one":         {"object.spec.all(k, k != 'tolerations')", serverDecides("object.spec")},
		"equal":                          {"object.spec == {'a': 1}", serverDecides("object.spec")},
		"no volumes":                     {"!has(object.spec.volumes)", allows},
		"status":                         {"object.status.phase == 'Pending'", serverDecides("object.status")},
		"does not compile":               {"object.spec.nosuch(", Verdict{Outcome: Unknown, Doubt: NotCompiled, What: "a validation"}},
		"not a bool":                     {"'text'", Verdict{Outcome: Unknown, Doubt: NotCompiled, What: "a validation"}},
		"too dear":                       {"[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, [1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, [1,2,3,4,5,6,7,8,9,10].all(f, a+b+c+d+e+f > 0))))))", Verdict{Outcome: Unknown, Doubt: TooDear, What: "an expression"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			policy := policyOf("validations:\n- expression: " + quote(tc.expression))
			got := judge(t, objectsOf(t, policy, bindingOf(deny)), podOf(), shop)
			tc.want.Policy, tc.want.Binding = "p", "b"
			if diff := cmp.Diff([]Verdict{tc.want}, got); diff != "" {
				t.Errorf("verdicts (-want +got):\n%s", diff)
			}
		})
	}
}

func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func TestMatching(t *testing.T) {
	t.Parallel()
	const never = "validations: [{expression: 'false'}]"
	const rule = "resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]"
	constraints := func(text string) string {
		return "\nkind: ValidatingAdmissionPolicy\nmetadata: {name: p}\nspec:\n  " + never + "\n  matchConstraints:\n" + indent(indent(text))
	}
	for name, tc := range map[string]struct {
		policy, binding string
		want            Outcome // "" : no verdict
		doubt           Doubt
	}{
		"pods":                                {constraints(rule), deny, Refuses, ""},
		"no action but audit":                 {constraints(rule), "validationActions: [Audit, Warn]", Allows, ""},
		"wildcards":                           {constraints("resourceRules: [{apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*']}]"), deny, Refuses, ""},
		"all and subresources":                {constraints("resourceRules: [{apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*/*']}]"), deny, Refuses, ""},
		"subresources of pods":                {constraints("resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: ['pods/exec']}]"), deny, "", ""},
		"updates":                             {constraints("resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [UPDATE], resources: [pods]}]"), deny, "", ""},
		"another group":                       {constraints("resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments, pods]}]"), deny, "", ""},
		"another version":                     {constraints("resourceRules: [{apiGroups: [''], apiVersions: [v2], operations: [CREATE], resources: [pods]}]"), deny, "", ""},
		"scope Namespaced":                    {constraints("resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods], scope: Namespaced}]"), deny, Refuses, ""},
		"scope Cluster":                       {constraints("resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods], scope: Cluster}]"), deny, "", ""},
		"the name":                            {constraints("resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods], resourceNames: [web]}]"), deny, Refuses, ""},
		"another name":                        {constraints("resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods], resourceNames: [db]}]"), deny, "", ""},
		"excluded":                            {constraints(rule + "\nexcludeResourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: ['*']}]"), deny, "", ""},
		"the labels":                          {constraints(rule + "\nobjectSelector: {matchLabels: {app: web}}"), deny, Refuses, ""},
		"other labels":                        {constraints(rule + "\nobjectSelector: {matchLabels: {app: db}}"), deny, "", ""},
		"the namespace's labels":              {constraints(rule + "\nnamespaceSelector: {matchExpressions: [{key: env, operator: In, values: [prod]}]}"), deny, Refuses, ""},
		"other labels of a namespace":         {constraints(rule + "\nnamespaceSelector: {matchLabels: {env: dev}}"), deny, "", ""},
		"the namespace's name":                {constraints(rule + "\nnamespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}"), deny, Refuses, ""},
		"a selector that is not one":          {constraints(rule + "\nnamespaceSelector: {matchExpressions: [{key: env, operator: In}]}"), deny, Refuses, ""},
		"a selector that is not one, audited": {constraints(rule + "\nnamespaceSelector: {matchExpressions: [{key: env, operator: In}]}"), "validationActions: [Audit]", Refuses, ""},
		"a binding for other labels":          {constraints(rule), deny + "\nmatchResources: {objectSelector: {matchLabels: {app: db}}}", "", ""},
		"a binding for other namespaces":      {constraints(rule), deny + "\nmatchResources: {namespaceSelector: {matchLabels: {env: dev}}}", "", ""},
		"a binding that excludes":             {constraints(rule), deny + "\nmatchResources: {excludeResourceRules: [{apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*']}]}", "", ""},
		"a binding with rules":                {constraints(rule), deny + "\nmatchResources: {" + rule + "}", Refuses, ""},
		"a binding to no parameters counts":   {constraints(rule), deny + "\nparamRef: {name: x, parameterNotFoundAction: Deny}", Refuses, ""},
		"no constraints":                      {"\nkind: ValidatingAdmissionPolicy\nmetadata: {name: p}\nspec: {validations: [{expression: 'true'}]}", "validationActions: [Audit]", Refuses, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var want []Verdict
			if tc.want != "" {
				want = []Verdict{{Policy: "p", Binding: "b", Outcome: tc.want, Doubt: tc.doubt}}
			}
			got := judge(t, objectsOf(t, tc.policy, bindingOf(tc.binding)), podOf(), shop)
			for i := range got {
				got[i].Binding = "b"
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("verdicts (-want +got):\n%s", diff)
			}
		})
	}
}

// TestUnreadNamespace: without a namespace's labels, a policy that selects by them is unknown,
// and one that selects by the name, which is a label that the server sets, is not.
func TestUnreadNamespace(t *testing.T) {
	t.Parallel()
	unread := Namespace{Name: "shop", Reason: fact.Forbidden}
	for name, tc := range map[string]struct {
		selector, expression string
		want                 []Verdict
	}{
		"labels":           {"matchLabels: {env: prod}", "false", []Verdict{{Outcome: Unknown, Doubt: NotRead, What: "namespace shop", Reason: fact.Forbidden}}},
		"the name":         {"matchLabels: {kubernetes.io/metadata.name: shop}", "false", []Verdict{{Outcome: Refuses}}},
		"another name":     {"matchLabels: {kubernetes.io/metadata.name: dev, env: prod}", "false", nil},
		"all":              {"{}", "false", []Verdict{{Outcome: Refuses}}},
		"allowed anyway":   {"matchLabels: {env: prod}", "true", []Verdict{{Outcome: Allows}}},
		"in an expression": {"{}", "namespaceObject.metadata.labels.env == 'dev'", []Verdict{{Outcome: Unknown, Doubt: NotRead, What: "namespaceObject", Reason: fact.Forbidden}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			policy := policyOf("validations:\n- expression: " + quote(tc.expression))
			binding := bindingOf(deny + "\nmatchResources:\n  namespaceSelector:\n    " + tc.selector)
			got := judge(t, objectsOf(t, policy, binding), podOf(), unread)
			for i := range tc.want {
				tc.want[i].Policy, tc.want[i].Binding = "p", "b"
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("verdicts (-want +got):\n%s", diff)
			}
		})
	}
}

func configMap(namespace, name, labels, data string) string {
	return "kind: ConfigMap\nmetadata: {namespace: " + namespace + ", name: " + name + ", labels: {" + labels + "}}\ndata: {" + data + "}"
}

func TestParameters(t *testing.T) {
	t.Parallel()
	const kind = "paramKind: {apiVersion: v1, kind: ConfigMap}\n"
	const byParam = kind + "validations: [{expression: 'params.data.allowed == object.metadata.name'}]"
	for name, tc := range map[string]struct {
		policy, ref string
		params      []string
		edit        func(*Params)
		want        Outcome
		what        string
	}{
		"the parameter allows":                     {byParam, "{name: c, namespace: policies}", []string{configMap("policies", "c", "", "allowed: web")}, nil, Allows, ""},
		"the parameter refuses":                    {byParam, "{name: c, namespace: policies}", []string{configMap("policies", "c", "", "allowed: db")}, nil, Refuses, ""},
		"the pod's namespace is the default":       {byParam, "{name: c}", []string{configMap("shop", "c", "", "allowed: db"), configMap("other", "c", "", "allowed: web")}, nil, Refuses, ""},
		"one of those selected refuses":            {byParam, "{selector: {matchLabels: {k: v}}}", []string{configMap("shop", "c", "k: v", "allowed: web"), configMap("shop", "d", "k: v", "allowed: db")}, nil, Refuses, ""},
		"one that is not selected does not":        {byParam, "{selector: {matchLabels: {k: v}}}", []string{configMap("shop", "c", "k: v", "allowed: web"), configMap("shop", "d", "", "allowed: db")}, nil, Allows, ""},
		"none found, Deny":                         {byParam, "{name: c, parameterNotFoundAction: Deny}", nil, nil, Refuses, ""},
		"none found, Allow":                        {byParam, "{name: c, parameterNotFoundAction: Allow}", nil, nil, Allows, ""},
		"none found, Deny, Ignore":                 {"failurePolicy: Ignore\n" + byParam, "{name: c, parameterNotFoundAction: Deny}", nil, nil, Allows, ""},
		"a parameter without the field fails":      {byParam, "{name: c}", []string{configMap("shop", "c", "", "")}, nil, Refuses, ""},
		"not read":                                 {byParam, "{name: c}", nil, func(p *Params) { p.Unread = fact.Forbidden }, Unknown, "parameters of kind ConfigMap v1"},
		"a kind that is not served":                {byParam, "{name: c, parameterNotFoundAction: Allow}", nil, func(p *Params) { p.NotServed = true }, Refuses, ""},
		"a namespace for a kind that has none":     {byParam, "{name: c, namespace: shop}", nil, func(p *Params) { p.Namespaced = false }, Refuses, ""},
		"without a reference, parameters are null": {kind + "validations: [{expression: 'params == null'}]", "", nil, nil, Allows, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			binding := deny
			if tc.ref != "" {
				binding += "\nparamRef: " + tc.ref
			}
			objects := objectsOf(t, append([]string{policyOf(tc.policy), bindingOf(binding)}, tc.params...)...)
			params := objects.Params[admissionv1.ParamKind{APIVersion: "v1", Kind: "ConfigMap"}]
			if tc.edit != nil {
				tc.edit(&params)
			}
			objects.Params[admissionv1.ParamKind{APIVersion: "v1", Kind: "ConfigMap"}] = params
			got := judge(t, objects, podOf(), shop)
			want := Verdict{Policy: "p", Binding: "b", Outcome: tc.want, What: tc.what}
			if tc.want == Unknown {
				want.Doubt, want.Reason = NotRead, fact.Forbidden
			}
			if name == "a kind that is not served" {
				want.Binding = ""
			}
			if diff := cmp.Diff([]Verdict{want}, got); diff != "" {
				t.Errorf("verdicts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFailurePolicy(t *testing.T) {
	t.Parallel()
	const broken = "object.spec.nosuch == 1"
	const user = "request.userInfo.username == 'bob'"
	for name, tc := range map[string]struct {
		spec, actions string
		want          Outcome
	}{
		"an error under Fail refuses":                                  {"validations: [{expression: " + broken + "}]", "Deny", Refuses},
		"an error under Ignore allows":                                 {"failurePolicy: Ignore\nvalidations: [{expression: " + broken + "}]", "Deny", Allows},
		"false under Ignore refuses":                                   {"failurePolicy: Ignore\nvalidations: [{expression: " + broken + "}, {expression: 'false'}]", "Deny", Refuses},
		"unknown and false refuses":                                    {"validations: [{expression: \"" + user + "\"}, {expression: 'false'}]", "Deny", Refuses},
		"a condition that is false":                                    {"matchConditions: [{name: c, expression: 'false'}]\nvalidations: [{expression: 'false'}]", "Deny", Allows},
		"a false condition after a broken one":                         {"matchConditions: [{name: b, expression: " + broken + "}, {name: c, expression: 'false'}]\nvalidations: [{expression: 'false'}]", "Deny", Allows},
		"a false condition after an unknown one":                       {"matchConditions: [{name: b, expression: \"" + user + "\"}, {name: c, expression: 'false'}]\nvalidations: [{expression: 'false'}]", "Deny", Allows},
		"an unknown condition":                                         {"matchConditions: [{name: b, expression: \"" + user + "\"}]\nvalidations: [{expression: 'false'}]", "Deny", Unknown},
		"an unknown condition, all valid":                              {"matchConditions: [{name: b, expression: \"" + user + "\"}]\nvalidations: [{expression: 'true'}]", "Deny", Allows},
		"an unknown and a broken condition":                            {"matchConditions: [{name: b, expression: \"" + user + "\"}, {name: c, expression: " + broken + "}]\nvalidations: [{expression: 'true'}]", "Deny", Unknown},
		"an unknown and a broken condition, Ignore":                    {"failurePolicy: Ignore\nmatchConditions: [{name: b, expression: \"" + user + "\"}, {name: c, expression: " + broken + "}]\nvalidations: [{expression: 'false'}]", "Deny", Allows},
		"a broken condition under Fail":                                {"matchConditions: [{name: b, expression: " + broken + "}]\nvalidations: [{expression: 'true'}]", "Deny", Refuses},
		"a broken condition under Ignore":                              {"failurePolicy: Ignore\nmatchConditions: [{name: b, expression: " + broken + "}]\nvalidations: [{expression: 'false'}]", "Deny", Allows},
		"no namespace in a condition":                                  {"matchConditions: [{name: b, expression: 'namespaceObject.metadata.name == \"shop\"'}]\nvalidations: [{expression: 'true'}]", "Deny", Refuses},
		"a variable":                                                   {"variables: [{name: x, expression: 'object.metadata.name'}, {name: loud, expression: 'variables.x + \"!\"'}]\nvalidations: [{expression: 'variables.loud == \"web!\"'}]", "Deny", Allows},
		"a variable that fails":                                        {"variables: [{name: x, expression: object.spec.nosuch}]\nvalidations: [{expression: variables.x == 1}]", "Deny", Refuses},
		"a variable that is unknown":                                   {"variables: [{name: x, expression: object.spec.priority}]\nvalidations: [{expression: variables.x == 1}]", "Deny", Unknown},
		"a variable of the same name that asks for itself":             {"variables: [{name: x, expression: '1'}, {name: x, expression: variables.x}]\nvalidations: [{expression: variables.x == 1}]", "Deny", Unknown},
		"more expressions than are compiled":                           {"validations: [" + strings.Repeat("{expression: 'true'}, ", maxExpressions/2) + "{expression: 'true'}]", "Deny", Unknown},
		"a variable that is not used":                                  {"variables: [{name: x, expression: object.spec.priority}]\nvalidations: [{expression: 'true'}]", "Deny", Allows},
		"an audit annotation that fails refuses, whatever the actions": {"validations: [{expression: 'true'}]\nauditAnnotations: [{key: k, valueExpression: string(" + "object.spec.nosuch" + ")}]", "Audit", Refuses},
		"an audit annotation":                                          {"validations: [{expression: 'true'}]\nauditAnnotations: [{key: k, valueExpression: 'string(object.metadata.name)'}]", "Audit", Allows},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := judge(t, objectsOf(t, policyOf(tc.spec), bindingOf("validationActions: ["+tc.actions+"]")), podOf(), shop)
			if len(got) != 1 || got[0].Outcome != tc.want {
				t.Errorf("got %+v, want %s", got, tc.want)
			}
		})
	}
}

// TestNamespaces: a verdict that was found in one namespace is not given in another, if the
// expressions read something of the namespace.
func TestNamespaces(t *testing.T) {
	t.Parallel()
	for _, expression := range []string{
		"object.metadata.namespace == 'shop'", "request.namespace == 'shop'", "namespaceObject.metadata.name == 'shop'",
		"object.metadata.exists(k, k == 'namespace' && object.metadata[k] == 'shop')",
	} {
		p := Compile(objectsOf(t, policyOf("validations:\n- expression: "+quote(expression)), bindingOf(deny)))
		pod := podOf()
		other := Namespace{Name: "other", Object: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "other"}}}
		var got []Outcome
		for _, ns := range []Namespace{shop, other, shop} {
			v, err := p.Judge(t.Context(), pod, ns)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, v[0].Outcome)
		}
		want := []Outcome{Allows, Refuses, Allows}
		if strings.Contains(expression, "exists") {
			want = []Outcome{Unknown, Unknown, Unknown} // all fields of metadata
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", expression, diff)
		}
	}
}

// TestNewerServer: where the server knows more than the CEL here, an expression that fails here
// may not fail there.
func TestNewerServer(t *testing.T) {
	t.Parallel()
	objects := objectsOf(t, policyOf("validations: [{expression: object.spec.nosuch == 1}]"), bindingOf(deny))
	objects.Minor = libraryMinor + 1
	want := []Verdict{{Policy: "p", Binding: "b", Outcome: Unknown, Doubt: NewerServer, What: "an expression"}}
	if diff := cmp.Diff(want, judge(t, objects, podOf(), shop)); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
}
