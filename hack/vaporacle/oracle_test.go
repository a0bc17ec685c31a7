//go:build e2e

package vaporacle

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/admission"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

const pathOfPolicies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"

const pathOfBindings = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"

// world makes namespaces, service accounts and parameters. Namespace dev has a LimitRange, and
// a default priority class and pull secrets make what the server sets differ from nothing.
func world(t *testing.T, s *server) {
	t.Helper()
	create := func(path, document string) {
		t.Helper()
		var object map[string]any
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(200 * time.Millisecond) {
			status, answer, err := s.call(t.Context(), http.MethodPost, path, object)
			if err == nil && (status/100 == 2 || status == http.StatusConflict) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("POST %s: %d %s %v", path, status, answer, err)
			}
		}
	}
	for name, labels := range map[string]string{"shop": "env: prod", "dev": "env: dev", "bare": "", "policies": ""} {
		create("/api/v1/namespaces", "metadata: {name: "+name+", labels: {"+labels+"}}")
		create("/api/v1/namespaces/"+name+"/serviceaccounts", "metadata: {name: default}\nimagePullSecrets: [{name: pull}]")
		create("/api/v1/namespaces/"+name+"/serviceaccounts", "metadata: {name: robot}")
	}
	create("/api/v1/namespaces/dev/limitranges", "metadata: {name: l}\nspec: {limits: [{type: Container, default: {memory: 100Mi}, defaultRequest: {cpu: 10m}}]}")
	create("/apis/scheduling.k8s.io/v1/priorityclasses", "metadata: {name: normal}\nvalue: 2000\nglobalDefault: true")
	create("/api/v1/namespaces/policies/configmaps", "metadata: {name: most}\ndata: {most: '2'}")
	create("/api/v1/namespaces/shop/configmaps", "metadata: {name: most}\ndata: {most: '1'}")
	create("/api/v1/namespaces/policies/configmaps", "metadata: {name: no-db, labels: {forbids: app}}\ndata: {app: db}")
	create("/api/v1/namespaces/policies/configmaps", "metadata: {name: no-cache, labels: {forbids: app}}\ndata: {app: cache}")
	create("/api/v1/namespaces/policies/secrets", "metadata: {name: most}")
	create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", `
metadata: {name: limits.rules.example}
spec:
  group: rules.example
  scope: Cluster
  names: {kind: Limit, plural: limits, singular: limit, listKind: LimitList}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {most: {type: integer}}}}}]`)
	create("/apis/rules.example/v1/limits", "apiVersion: rules.example/v1\nkind: Limit\nmetadata: {name: small}\nmost: 2")
}

// read reads the parameters as a collector does.
func read(t *testing.T, s *server) map[admissionv1.ParamKind]admission.Params {
	t.Helper()
	list := func(path, apiVersion, kind string) []map[string]any {
		var answer struct {
			Items []map[string]any `json:"items"`
		}
		decode(t, s.must(t, http.MethodGet, path, nil), &answer)
		for i := range answer.Items {
			answer.Items[i]["apiVersion"], answer.Items[i]["kind"] = apiVersion, kind
		}
		return answer.Items
	}
	return map[admissionv1.ParamKind]admission.Params{
		{APIVersion: "v1", Kind: "ConfigMap"}:            {Namespaced: true, Objects: list("/api/v1/configmaps", "v1", "ConfigMap")},
		{APIVersion: "rules.example/v1", Kind: "Limit"}:  {Objects: list("/apis/rules.example/v1/limits", "rules.example/v1", "Limit")},
		{APIVersion: "rules.example/v1", Kind: "NoSuch"}: {NotServed: true},
		{APIVersion: "v1", Kind: "Secret"}:               {Unread: fact.Forbidden},
	}
}

func decode(t *testing.T, data []byte, into any) {
	t.Helper()
	// As the API's clients do: whole numbers are integers.
	if err := yaml.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

// install creates a case's policy and bindings, with a marker after them that shows when the
// server has taken them up.
func install(t *testing.T, s *server, i int, c policyCase) (objects admission.Objects, remove func()) {
	t.Helper()
	indent := func(text string) string {
		return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
	}
	match := c.match
	if match == "" {
		match = pods
	}
	var made []string
	post := func(path, name, document string) []byte {
		var object map[string]any
		decode(t, []byte(document), &object)
		made = append(made, path+"/"+name)
		return s.must(t, http.MethodPost, path, object)
	}
	var policy admissionv1.ValidatingAdmissionPolicy
	decode(t, post(pathOfPolicies, c.name, "metadata: {name: "+c.name+"}\nspec:\n"+indent("matchConstraints:\n"+indent(match))+indent(c.spec)), &policy)
	objects.Policies = append(objects.Policies, policy)
	bindings := c.bindings
	if bindings == nil {
		bindings = []string{deny}
	}
	for n, spec := range bindings {
		name := fmt.Sprintf("%s-%d", c.name, n)
		var object map[string]any
		decode(t, []byte(spec), &object)
		object["policyName"] = c.name
		text, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		var binding admissionv1.ValidatingAdmissionPolicyBinding
		decode(t, post(pathOfBindings, name, "metadata: {name: "+name+"}\nspec: "+string(text)), &binding)
		objects.Bindings = append(objects.Bindings, binding)
	}
	marker := fmt.Sprintf("marker-%d", i)
	post(pathOfPolicies, marker, "metadata: {name: "+marker+"}\nspec:\n  matchConstraints: {"+pods+"}\n  validations: [{expression: \"object.metadata.name != '"+marker+"'\"}]")
	post(pathOfBindings, marker, "metadata: {name: "+marker+"}\nspec: {policyName: "+marker+", validationActions: [Deny]}")
	probe := podOf(0)
	probe.Name, probe.GenerateName = marker, ""
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		_, answer, err := s.call(t.Context(), http.MethodPost, "/api/v1/namespaces/policies/pods?dryRun=All", probe)
		if err != nil || strings.Contains(string(answer), "'"+marker+"'") || strings.Contains(string(answer), "'"+c.name+"'") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the policy is not in force: %s", answer)
		}
	}
	return objects, func() {
		for _, path := range slices.Backward(made) {
			s.must(t, http.MethodDelete, path, nil)
		}
	}
}

// TestPrediction: for each policy and 100 pods, what is predicted is what a dry run of the
// server says, or unknown for a reason that the case lists.
func TestPrediction(t *testing.T) {
	s := start(t)
	world(t, s)
	params := read(t, s)
	namespaces := map[string]*corev1.Namespace{}
	for _, name := range []string{"shop", "dev", "bare"} {
		namespaces[name] = &corev1.Namespace{}
		decode(t, s.must(t, http.MethodGet, "/api/v1/namespaces/"+name, nil), namespaces[name])
	}
	const most = 100
	only := os.Getenv("VAP_CASES") // a regular expression; "" for all
	counts := map[string]int{}
	for i, c := range cases {
		if only != "" && !regexp.MustCompile(only).MatchString(c.name) {
			continue
		}
		objects, remove := install(t, s, i, c)
		objects.Params, objects.Minor = params, 37
		policies := admission.Compile(objects)
		refused, unknown := 0, 0
		for n := range cmp.Or(c.pods, most) {
			pod := podOf(n)
			name := slices.Sorted(maps.Keys(namespaces))[n%len(namespaces)]
			status, answer, err := s.call(t.Context(), http.MethodPost, "/api/v1/namespaces/"+name+"/pods?dryRun=All", pod)
			if err != nil {
				t.Fatal(err)
			}
			refuses := status != http.StatusCreated
			if refuses && !strings.Contains(string(answer), "ValidatingAdmissionPolicy '"+c.name+"'") {
				t.Fatalf("%s: pod %d: %d %s", c.name, n, status, answer)
			}
			verdicts, err := policies.Judge(t.Context(), pod, admission.Namespace{Name: name, Object: namespaces[name]})
			if err != nil {
				t.Fatal(err)
			}
			outcome, doubt, what := admission.Allows, "", ""
			for _, v := range verdicts {
				switch {
				case v.Outcome == admission.Refuses:
					outcome = v.Outcome
				case v.Outcome == admission.Unknown && outcome == admission.Allows:
					outcome, doubt, what = v.Outcome, string(v.Doubt), v.What
				}
			}
			if refuses {
				refused++
			}
			switch {
			case outcome == admission.Unknown && slices.Contains(c.unknown, doubt):
				counts["unknown: "+doubt]++
				unknown++
			case outcome == admission.Unknown:
				t.Errorf("%s: pod %d in %s: unknown (%s %s), and the case lists no such reason", c.name, n, name, doubt, what)
			case (outcome == admission.Refuses) != refuses:
				counts["different"]++
				t.Errorf("%s: pod %d in %s: predicted %s, the server: %d %s", c.name, n, name, outcome, status, answer)
			default:
				counts["equal"]++
			}
		}
		t.Logf("%-30s refused %3d of %d, unknown %d", c.name, refused, most, unknown)
		remove()
	}
	t.Logf("%d policies, %d pods each: %v", len(cases), most, counts)
}
