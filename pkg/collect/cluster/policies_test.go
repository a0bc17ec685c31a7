package cluster

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

const (
	policiesPath = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
	bindingsPath = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
	mutatingPath = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies"
	podRules     = `{"resourceRules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],"resources":["pods"]}]}`
	readOnlyRoot = "(object.spec.containers + object.spec.?initContainers.orValue([])).all(c, c.?securityContext.?readOnlyRootFilesystem.orValue(false) == true)"
)

// policyNamed is a policy on the creation of pods. more are further fields of its spec.
func policyNamed(name, expression, more string) string {
	text, _ := json.Marshal(expression)
	return `{"metadata":{"name":"` + name + `"},"spec":{"matchConstraints":` + podRules + `,"validations":[{"expression":` + string(text) + `}]` + more + `}}`
}

func bindingOf(policy, more string) string {
	return `{"metadata":{"name":"` + policy + `-all"},"spec":{"policyName":"` + policy + `"` + more + `}}`
}

const denying = `,"validationActions":["Deny"]`

func TestPolicies(t *testing.T) {
	t.Parallel()
	refused, allowed, other := fact.DryRunRefused, fact.DryRunAllowed, fact.DryRunOther
	const image = "registry.example/web:1"
	ro := []string{"ValidatingAdmissionPolicy ro, binding ro-all"}
	gap := func(reason fact.Reason, detail, hint string) []fact.Gap {
		return []fact.Gap{{What: fact.Enforcing, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: reason, Detail: detail, Hint: hint}}
	}
	inForce := []fact.AdmissionPolicy{{Name: "ro", Bindings: 1, Actions: []string{"Deny"}}}
	for name, tc := range map[string]struct {
		policies, bindings []string
		fill               func(*server)
		opts               Options
		want               fact.Enforcement
		gaps               []fact.Gap
		silent             []string
		dryRuns            []fact.DryRun
	}{
		"a policy that denies writable roots": {
			policies: []string{policyNamed("ro", readOnlyRoot, "")}, bindings: []string{bindingOf("ro", denying)},
			want: fact.Enforcement{PoliciesRead: true, Policies: inForce, Predicted: []fact.DryRun{
				{Namespace: "shop", Image: image, Unset: refused, Writable: refused, Init: refused, Perfect: allowed, By: ro},
			}},
			silent: []string{configMapsPath},
		},
		"a policy that forgets init containers": {
			policies: []string{policyNamed("ro", "object.spec.containers.all(c, c.?securityContext.?readOnlyRootFilesystem.orValue(false) == true)", "")}, bindings: []string{bindingOf("ro", denying)},
			want: fact.Enforcement{PoliciesRead: true, Policies: inForce, Predicted: []fact.DryRun{
				{Namespace: "shop", Image: image, Unset: refused, Writable: refused, Init: allowed, By: ro},
			}},
		},
		"one that refuses everything": {
			policies: []string{policyNamed("ro", "false", "")}, bindings: []string{bindingOf("ro", denying)},
			want: fact.Enforcement{PoliciesRead: true, Policies: inForce, Predicted: []fact.DryRun{
				{Namespace: "shop", Image: image, Unset: refused, Writable: refused, Init: refused, Perfect: refused, By: ro, PerfectBy: ro[0]},
			}},
		},
		"labels that all pods need are a workload's": {
			policies: []string{policyNamed("ro", readOnlyRoot, ""), policyNamed("labels", "object.metadata.?labels.?app.orValue('') == 'web'", "")},
			bindings: []string{bindingOf("ro", denying), bindingOf("labels", denying)},
			want: fact.Enforcement{PoliciesRead: true, Policies: append([]fact.AdmissionPolicy{{Name: "labels", Bindings: 1, Actions: []string{"Deny"}}}, inForce...), Predicted: []fact.DryRun{
				{Namespace: "shop", Image: image, Unset: refused, Writable: refused, Init: refused, Perfect: allowed, By: ro, LabelsOf: "deployment/web"},
			}},
		},
		"audit and warn refuse nothing": {
			policies: []string{policyNamed("ro", readOnlyRoot, "")}, bindings: []string{bindingOf("ro", `,"validationActions":["Warn","Audit"]`)},
			want: fact.Enforcement{
				PoliciesRead: true, Policies: []fact.AdmissionPolicy{{Name: "ro", Bindings: 1, Actions: []string{"Audit", "Warn"}}},
				Predicted: []fact.DryRun{{Namespace: "shop", Image: image, Unset: allowed}},
			},
		},
		"without bindings nothing is predicted": {
			policies: []string{policyNamed("ro", readOnlyRoot, "")},
			want:     fact.Enforcement{PoliciesRead: true, Policies: []fact.AdmissionPolicy{{Name: "ro"}}},
			silent:   []string{"/api/v1/namespaces", configMapsPath},
		},
		"what depends on the user": {
			policies: []string{policyNamed("ro", "request.userInfo.username == 'root' || "+readOnlyRoot, "")}, bindings: []string{bindingOf("ro", denying)},
			want: fact.Enforcement{PoliciesRead: true, Policies: inForce, Predicted: []fact.DryRun{
				{Namespace: "shop", Image: image, Unset: other, Reason: fact.Unsupported, Detail: ro[0] + ": it depends on request.userInfo, which differs between users"},
			}},
		},
		"what does not compile": {
			policies: []string{policyNamed("ro", "object.spec.containers.fromTheFuture()", "")}, bindings: []string{bindingOf("ro", denying)},
			want: fact.Enforcement{PoliciesRead: true, Policies: inForce, Predicted: []fact.DryRun{
				{Namespace: "shop", Image: image, Unset: other, Reason: fact.Unsupported, Detail: ro[0] + ": a validation does not compile with the CEL of this version"},
			}},
		},
		"an unknown policy does not matter where another refuses": {
			policies: []string{policyNamed("ro", readOnlyRoot, ""), policyNamed("a", "request.userInfo.username == 'root'", "")},
			bindings: []string{bindingOf("ro", denying), bindingOf("a", denying)},
			want: fact.Enforcement{PoliciesRead: true, Policies: append([]fact.AdmissionPolicy{{Name: "a", Bindings: 1, Actions: []string{"Deny"}}}, inForce...), Predicted: []fact.DryRun{
				{
					Namespace: "shop", Image: image, Unset: refused, Writable: refused, Init: refused, Perfect: other, By: ro,
					Reason: fact.Unsupported, Detail: "ValidatingAdmissionPolicy a, binding a-all: it depends on request.userInfo, which differs between users",
				},
			}},
		},
		"a parameter is read, and its value is kept nowhere": {
			policies: []string{policyNamed("ro", "params.data.level == 'CANARY' && "+readOnlyRoot, `,"paramKind":{"apiVersion":"v1","kind":"ConfigMap"}`)},
			bindings: []string{bindingOf("ro", denying+`,"paramRef":{"name":"level","namespace":"policies"}`)},
			fill: func(s *server) {
				s.configMaps = []corev1.ConfigMap{{ObjectMeta: metav1.ObjectMeta{Namespace: "policies", Name: "level"}, Data: map[string]string{"level": "CANARY"}}}
			},
			want: fact.Enforcement{PoliciesRead: true, Policies: inForce, Predicted: []fact.DryRun{
				{Namespace: "shop", Image: image, Unset: refused, Writable: refused, Init: refused, Perfect: allowed, By: ro},
			}},
		},
		"with --no-configmaps, parameters are not read": {
			policies: []string{policyNamed("ro", "params.data.level == 'high'", `,"paramKind":{"apiVersion":"v1","kind":"ConfigMap"}`)},
			bindings: []string{bindingOf("ro", denying+`,"paramRef":{"name":"level","namespace":"policies"}`)}, opts: Options{NoConfigMaps: true},
			want: fact.Enforcement{PoliciesRead: true, Policies: inForce, Predicted: []fact.DryRun{
				{Namespace: "shop", Image: image, Unset: other, Reason: fact.NotRequested, Detail: ro[0] + ": it needs what was not read: parameters of kind ConfigMap v1"},
			}},
			silent: []string{"/api/v1/namespaces/policies/configmaps"},
		},
		"Secrets are never read": {
			policies: []string{policyNamed("ro", "params.data.level == 'high'", `,"paramKind":{"apiVersion":"v1","kind":"Secret"}`)},
			bindings: []string{bindingOf("ro", denying+`,"paramRef":{"name":"level","namespace":"policies"}`)},
			want: fact.Enforcement{PoliciesRead: true, Policies: inForce, Predicted: []fact.DryRun{
				{Namespace: "shop", Image: image, Unset: other, Reason: fact.NotRequested, Detail: ro[0] + ": it needs what was not read: parameters of kind Secret v1"},
			}},
			silent: []string{"/api/v1/namespaces/policies/secrets", secretsPath},
		},
		"parameters of a custom kind": {
			policies: []string{policyNamed("ro", "params.allow == true", `,"paramKind":{"apiVersion":"rules.example/v1","kind":"Rule"}`)},
			bindings: []string{bindingOf("ro", denying+`,"paramRef":{"selector":{"matchLabels":{"a":"b"}},"parameterNotFoundAction":"Deny"}`)},
			fill: func(s *server) {
				s.resources = map[string][]metav1.APIResource{"rules.example/v1": {resourceOf("rules/status", "Rule", false), resourceOf("rules", "Rule", false)}}
				s.objects["/apis/rules.example/v1/rules"] = []string{`{"metadata":{"name":"r","labels":{"a":"b"}},"allow":true}`}
			},
			want: fact.Enforcement{PoliciesRead: true, Policies: inForce, Predicted: []fact.DryRun{{Namespace: "shop", Image: image, Unset: allowed}}},
		},
		"parameters of a kind that is not served": {
			policies: []string{policyNamed("ro", "true", `,"paramKind":{"apiVersion":"rules.example/v1","kind":"Rule"}`)},
			bindings: []string{bindingOf("ro", `,"validationActions":["Audit"],"paramRef":{"name":"r"}`)},
			want: fact.Enforcement{PoliciesRead: true, Policies: []fact.AdmissionPolicy{{Name: "ro", Bindings: 1, Actions: []string{"Audit"}}}, Predicted: []fact.DryRun{
				{Namespace: "shop", Image: image, Unset: refused, Writable: refused, Init: refused, Perfect: refused, By: []string{"ValidatingAdmissionPolicy ro"}, PerfectBy: "ValidatingAdmissionPolicy ro"},
			}},
		},
		"a kind of parameters that may not be read": {
			policies: []string{policyNamed("ro", "params.allow == true", `,"paramKind":{"apiVersion":"rules.example/v1","kind":"Rule"}`)},
			bindings: []string{bindingOf("ro", denying+`,"paramRef":{"name":"r"}`)},
			fill: func(s *server) {
				s.resources = map[string][]metav1.APIResource{"rules.example/v1": {resourceOf("rules", "Rule", false)}}
				s.refuse = refuseAll("/apis/rules.example/v1/rules", forbidden)
			},
			want: fact.Enforcement{PoliciesRead: true, Policies: inForce, Predicted: []fact.DryRun{
				{Namespace: "shop", Image: image, Unset: other, Reason: fact.Forbidden, Detail: ro[0] + ": it needs what was not read: parameters of kind Rule rules.example/v1"},
			}},
		},
		"namespaces that may not be read": {
			policies: []string{policyNamed("ro", readOnlyRoot, "")},
			bindings: []string{bindingOf("ro", denying+`,"matchResources":{"namespaceSelector":{"matchLabels":{"env":"prod"}}}`)},
			fill:     func(s *server) { s.refuse = refuseAll("/api/v1/namespaces", forbidden) },
			want: fact.Enforcement{PoliciesRead: true, Policies: inForce, Predicted: []fact.DryRun{
				{Namespace: "shop", Image: image, Unset: other, Reason: fact.Forbidden, Detail: ro[0] + ": it needs what was not read: namespace shop"},
			}},
		},
		"the labels of the namespace": {
			policies: []string{policyNamed("ro", readOnlyRoot, "")},
			bindings: []string{bindingOf("ro", denying+`,"matchResources":{"namespaceSelector":{"matchLabels":{"env":"dev"}}}`)},
			want:     fact.Enforcement{PoliciesRead: true, Policies: inForce, Predicted: []fact.DryRun{{Namespace: "shop", Image: image, Unset: allowed}}},
		},
		"names of MutatingAdmissionPolicies": {
			fill: func(s *server) {
				s.objects[mutatingPath] = []string{`{"metadata":{"name":"z"}}`, `{"metadata":{"name":"a"}}`}
			},
			want: fact.Enforcement{PoliciesRead: true, Policies: []fact.AdmissionPolicy{}, Mutating: []string{"a", "z"}},
		},
		"a server with v1beta1 only": {
			fill: func(s *server) {
				delete(s.objects, policiesPath)
				delete(s.objects, bindingsPath)
				s.objects[strings.Replace(policiesPath, "v1", "v1beta1", 1)] = []string{policyNamed("ro", readOnlyRoot, "")}
				s.objects[strings.Replace(bindingsPath, "v1", "v1beta1", 1)] = []string{bindingOf("ro", denying)}
			},
			want: fact.Enforcement{PoliciesRead: true, Policies: inForce, Predicted: []fact.DryRun{
				{Namespace: "shop", Image: image, Unset: refused, Writable: refused, Init: refused, Perfect: allowed, By: ro},
			}},
		},
		"a server that knows no policies": {
			fill: func(s *server) { s.objects = nil },
			want: fact.Enforcement{PoliciesRead: true, Policies: []fact.AdmissionPolicy{}},
		},
		"policies that may not be listed": {
			bindings: []string{bindingOf("ro", denying)}, fill: func(s *server) { s.refuse = refuseAll(policiesPath, forbidden) },
			gaps: gap(fact.Forbidden, "no right to list validatingadmissionpolicies.admissionregistration.k8s.io", "grant list on validatingadmissionpolicies.admissionregistration.k8s.io"),
		},
		"bindings that may not be listed": {
			policies: []string{policyNamed("ro", readOnlyRoot, "")}, fill: func(s *server) { s.refuse = refuseAll(bindingsPath, forbidden) },
			gaps: gap(fact.Forbidden, "no right to list validatingadmissionpolicybindings.admissionregistration.k8s.io", "grant list on validatingadmissionpolicybindings.admissionregistration.k8s.io"),
		},
		"a policy that is not understood does not cost the others": {
			policies: []string{`{"metadata":{"name":"x"},"spec":{"validations":"CANARY"}}`, policyNamed("ro", readOnlyRoot, "")}, bindings: []string{bindingOf("ro", denying)},
			want: fact.Enforcement{PoliciesRead: true, Policies: inForce, Predicted: []fact.DryRun{
				{Namespace: "shop", Image: image, Unset: refused, Writable: refused, Init: refused, Perfect: allowed, By: ro},
			}},
			gaps: gap(fact.Corrupt, "1 of 2 validatingadmissionpolicies.admissionregistration.k8s.io are not understood", ""),
		},
		"where a dry run has answered, nothing is predicted": {
			dryRuns:  []fact.DryRun{{Namespace: "shop", Unset: allowed}},
			policies: []string{policyNamed("ro", readOnlyRoot, "")}, bindings: []string{bindingOf("ro", denying)},
			want:   fact.Enforcement{PoliciesRead: true, Policies: inForce, DryRuns: []fact.DryRun{{Namespace: "shop", Unset: allowed}}},
			silent: []string{"/api/v1/namespaces"},
		},
		"where a dry run has answered, nothing is missed": {
			dryRuns: []fact.DryRun{{Namespace: "shop", Unset: allowed}}, fill: func(s *server) { s.refuse = refuseAll(policiesPath, forbidden) },
			want: fact.Enforcement{DryRuns: []fact.DryRun{{Namespace: "shop", Unset: allowed}}},
		},
		"where a dry run has failed, it is predicted": {
			dryRuns:  []fact.DryRun{{Namespace: "shop", Unset: other, Reason: fact.Timeout}},
			policies: []string{policyNamed("ro", "true", "")}, bindings: []string{bindingOf("ro", denying)},
			want: fact.Enforcement{
				PoliciesRead: true, Policies: inForce, DryRuns: []fact.DryRun{{Namespace: "shop", Unset: other, Reason: fact.Timeout}},
				Predicted: []fact.DryRun{{Namespace: "shop", Image: image, Unset: allowed}},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			s.objects = map[string][]string{policiesPath: tc.policies, bindingsPath: tc.bindings}
			s.documents = map[string]string{"/api/v1/namespaces": `{"items":[{"metadata":{"name":"shop","labels":{"env":"prod"}}},{"metadata":{"name":"other"}}]}`}
			if tc.fill != nil {
				tc.fill(s)
			}
			for _, path := range []string{policiesPath, bindingsPath} {
				if list, ok := s.objects[path]; ok && len(list) == 0 {
					s.objects[path] = []string{}
				}
			}
			c, err := newClients(s.config())
			if err != nil {
				t.Fatal(err)
			}
			got := fact.Enforcement{DryRuns: tc.dryRuns}
			gaps, err := c.policies(context.Background(), tc.opts, &Result{Cluster: fact.Cluster{Version: "v1.37.2"}, Workloads: []fact.Workload{inShop(image, "")}}, &got)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.gaps, gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			if text, _ := json.Marshal([]any{got, gaps}); strings.Contains(string(text), "CANARY") {
				t.Errorf("a value reached the facts: %s", text)
			}
			for _, path := range tc.silent {
				if asked := s.asked(path); len(asked) > 0 {
					t.Errorf("%s was asked for", path)
				}
			}
		})
	}
}

// TestPoliciesInterrupted: the context's error ends it.
func TestPoliciesInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	s := newServer(t)
	s.refuse = func(r *http.Request) *metav1.Status {
		if r.URL.Path == bindingsPath {
			cancel()
		}
		return nil
	}
	s.objects = map[string][]string{policiesPath: {policyNamed("ro", readOnlyRoot, "")}, bindingsPath: {bindingOf("ro", denying)}}
	c, err := newClients(s.config())
	if err != nil {
		t.Fatal(err)
	}
	var got fact.Enforcement
	if _, err := c.policies(ctx, Options{}, &Result{Workloads: []fact.Workload{inShop("i", "")}}, &got); err == nil {
		t.Errorf("no error, and %+v", got)
	}
}
