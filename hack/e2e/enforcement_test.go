//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/hack/faults"
	"github.com/kubectl-checklist/kubectl-checklist/hack/harness"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// everyPod is where policies look.
const everyPod = `
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ` + faults.Namespace + `}}`

// validating is a ValidatingAdmissionPolicy with a binding.
func validating(expression, actions string) string {
	return fmt.Sprintf(`apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: e2e-root}
spec:%s
  validations: [{expression: %q, message: "the root must be read-only"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: e2e-root-here}
spec: {policyName: e2e-root, validationActions: [%s]}
`, everyPod, expression, actions)
}

// mutating is a MutatingAdmissionPolicy with a binding.
func mutating(expression string) string {
	return fmt.Sprintf(`apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: e2e-root}
spec:%s
  reinvocationPolicy: Never
  mutations: [{patchType: JSONPatch, jsonPatch: {expression: %q}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: e2e-root-here}
spec: {policyName: e2e-root}
`, everyPod, expression)
}

// setsRoot sets the field in the first containers of each list, where a condition holds.
func setsRoot(condition string) string {
	one := func(list string, i int) string {
		patch := fmt.Sprintf(`[JSONPatch{op: "add", path: "/spec/%s/%d/securityContext/readOnlyRootFilesystem", value: true}]`, list, i)
		of := fmt.Sprintf("object.spec.%s[%d]", list, i)
		return fmt.Sprintf("(object.spec.?%s.orValue([]).size() > %d && (%s) ? %s : [])", list, i, strings.ReplaceAll(condition, "CONTAINER", of), patch)
	}
	return one("containers", 0) + " + " + one("containers", 1) + " + " + one("initContainers", 0) + " + " + one("initContainers", 1)
}

// injects adds a container without a read-only root.
const injects = `[JSONPatch{op: "add", path: "/spec/containers/-", value: Object.spec.containers{name: "proxy", image: "registry.k8s.io/pause:3.10"}}]`

// webhook is a webhook that nobody answers.
const webhook = `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: e2e-root}
webhooks:
- name: root.e2e.example
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Fail
  timeoutSeconds: 2
  clientConfig: {url: "https://127.0.0.1:1/"}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ` + faults.Namespace + `}}
`

// What the API server refuses is found by asking it, and nothing is stored.
func TestEnforcement(t *testing.T) {
	ctx := testContext(t, 15*time.Minute)
	inNamespace(t, ctx)
	kubectl := func(args ...string) string {
		t.Helper()
		out, err := cluster.Kubectl(ctx, args...)
		must(t, err)
		return out
	}
	kubectl("-n", faults.Namespace, "label", "pod", "clean", "app=clean")
	const readOnly = "c, c.?securityContext.?readOnlyRootFilesystem.orValue(false)"
	const policy = "ValidatingAdmissionPolicy e2e-root, binding e2e-root-here"
	const kinds = "validatingadmissionpolicy,validatingadmissionpolicybinding,mutatingadmissionpolicy,mutatingadmissionpolicybinding,validatingwebhookconfiguration"
	for _, tc := range []struct {
		name, manifests string
		label           string // of the namespace
		after           func()
		verdict         api.Verdict
		reason          fact.Reason
		message         string // is in the finding's
	}{
		{name: "nothing", verdict: api.Fail, message: "nothing refuses a pod with a writable root"},
		{
			name: "Pod Security is never enough", label: "pod-security.kubernetes.io/enforce=restricted",
			verdict: api.Fail, message: "nothing refuses a pod with a writable root",
		},
		{
			name: "a policy that denies", manifests: validating("(object.spec.containers + object.spec.?initContainers.orValue([])).all("+readOnly+")", "Deny"),
			verdict: api.Pass, message: "pods with a writable root are refused by " + policy,
		},
		{
			name: "a policy that audits and warns", manifests: validating("(object.spec.containers + object.spec.?initContainers.orValue([])).all("+readOnly+")", "Audit, Warn"),
			verdict: api.Fail, message: "nothing refuses a pod with a writable root",
		},
		{
			name: "a policy that forgets init containers", manifests: validating("object.spec.containers.all("+readOnly+")", "Deny"),
			verdict: api.Fail, message: "refused by " + policy + ", but a pod with an init container that does not set readOnlyRootFilesystem is allowed",
		},
		{
			name: "a policy that only wants the field", manifests: validating("object.spec.containers.all(c, has(c.securityContext.readOnlyRootFilesystem))", "Deny"),
			verdict: api.Fail, message: "refused by " + policy + ", but a pod with readOnlyRootFilesystem: false is allowed",
		},
		{
			name: "a policy that denies everything", manifests: validating("false", "Deny"),
			verdict: api.VerdictUnknown, reason: fact.AdmissionDenied, message: "the perfect pod is refused too, which proves nothing about its root: refused by " + policy,
		},
		{
			name: "a policy that wants a label, too", manifests: validating("has(object.metadata.labels) && 'app' in object.metadata.labels && (object.spec.containers + object.spec.?initContainers.orValue([])).all("+readOnly+")", "Deny"),
			verdict: api.Pass, message: "pods with a writable root are refused by " + policy,
		},
		{
			name: "a policy that makes every root read-only", manifests: mutating(setsRoot("true")),
			verdict: api.Pass, message: "pods with a writable root are made read-only",
		},
		{
			name: "a policy that sets a default", manifests: mutating(setsRoot("!has(CONTAINER.securityContext.readOnlyRootFilesystem)")),
			verdict: api.Fail, message: "made read-only, but a pod with readOnlyRootFilesystem: false is allowed",
		},
		{
			name: "a policy that looks at the first containers only", manifests: validating("(object.spec.containers[0].securityContext.?readOnlyRootFilesystem.orValue(false)) && object.spec.initContainers[0].securityContext.?readOnlyRootFilesystem.orValue(false)", "Deny"),
			verdict: api.Fail, message: "nothing refuses a pod with a writable root",
		},
		{
			name: "a policy that is content with one container", manifests: validating("object.spec.containers.exists("+readOnly+")", "Deny"),
			verdict: api.Fail, message: "nothing refuses a pod with a writable root",
		},
		{
			name: "a policy that exempts a container that another adds", manifests: mutating(injects) + "---\n" +
				validating("(object.spec.containers + object.spec.?initContainers.orValue([])).all(c, c.name == 'proxy' || c.?securityContext.?readOnlyRootFilesystem.orValue(false))", "Deny"),
			verdict: api.VerdictUnknown, reason: fact.NotOurs, message: "the dry run says nothing: something gives the pod a writable root, in container proxy",
		},
		{
			name: "a webhook that does not answer", manifests: webhook,
			verdict: api.VerdictUnknown, reason: fact.Unavailable, message: "the dry run says nothing: webhook root.e2e.example did not answer",
		},
		{
			// The API takes such webhooks no longer, but keeps old ones: it is changed in etcd.
			name: "a webhook without dry runs", manifests: webhook, after: func() { hasSideEffects(t, ctx) },
			verdict: api.VerdictUnknown, reason: fact.Unsupported, message: "the dry run says nothing: webhook root.e2e.example does not support dry runs",
		},
		{
			name: "a quota", manifests: fmt.Sprintf("apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: full, namespace: %s}\nspec: {hard: {pods: \"0\"}}\n", faults.Namespace),
			verdict: api.VerdictUnknown, reason: fact.AdmissionDenied, message: "the dry run says nothing: quota full refuses another pod",
		},
		{
			name:      "a LimitRange",
			manifests: fmt.Sprintf("apiVersion: v1\nkind: LimitRange\nmetadata: {name: least, namespace: %s}\nspec: {limits: [{type: Container, min: {cpu: 1}}]}\n", faults.Namespace),
			verdict:   api.VerdictUnknown, reason: fact.AdmissionDenied, message: "a LimitRange refuses the small requests and limits of the pod",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Cleanup(func() {
				ctx := context.WithoutCancel(ctx)
				_, _ = cluster.Kubectl(ctx, "delete", kinds, "--ignore-not-found", "e2e-root", "e2e-root-here")
				_, _ = cluster.Kubectl(ctx, "-n", faults.Namespace, "delete", "resourcequota,limitrange", "--all")
				_, _ = cluster.Kubectl(ctx, "label", "namespace", faults.Namespace, "pod-security.kubernetes.io/enforce-")
			})
			if tc.manifests != "" {
				must(t, cluster.Apply(ctx, tc.manifests))
			}
			if tc.label != "" {
				kubectl("label", "--overwrite", "namespace", faults.Namespace, tc.label)
			}
			if tc.after != nil {
				tc.after()
			}
			before := kubectl("get", "pods", "-A", "-o", "name")
			// The API server takes a moment until a policy is in force.
			must(t, harness.Wait(ctx, "the finding", waiting, func() error {
				f, err := enforcement(ctx)
				if err != nil {
					return err
				}
				if f.Verdict != tc.verdict || f.Reason != tc.reason || !strings.Contains(f.Message, tc.message) {
					return fmt.Errorf("want %s %s %q, got %s %s %q", tc.verdict, tc.reason, tc.message, f.Verdict, f.Reason, f.Message)
				}
				if f.Verdict != api.VerdictUnknown && (f.Basis != api.Measured || len(f.Evidence) == 0 || !strings.Contains(f.Evidence[0].Value, "for user kubernetes-admin")) {
					return fmt.Errorf("basis %s, evidence %+v", f.Basis, f.Evidence)
				}
				return nil
			}))
			if after := kubectl("get", "pods", "-A", "-o", "name"); before != after {
				t.Errorf("pods before:\n%s\nand after:\n%s", before, after)
			}
		})
	}
}

// enforcement is the finding about the namespace. No probe is started for this check alone.
func enforcement(ctx context.Context, args ...string) (api.Finding, error) {
	report, result, err := cluster.Report(ctx, append([]string{"-n", faults.Namespace, "--check", "drift/enforcement"}, args...)...)
	if err != nil {
		return api.Finding{}, err
	}
	i := slices.IndexFunc(report.Findings, func(f api.Finding) bool {
		return f.Subject.Kind == fact.SubjectNamespace && f.Subject.Name == faults.Namespace
	})
	if i < 0 {
		return api.Finding{}, fmt.Errorf("exit status %d, no finding: %s, gaps %+v", result.Code, result.Stderr, report.Gaps)
	}
	return report.Findings[i], nil
}

// What policies declare is computed where the server is not asked: that is no more than a
// declaration, and the gap stays.
func TestEnforcementPredicted(t *testing.T) {
	ctx := testContext(t, 5*time.Minute)
	inNamespace(t, ctx)
	t.Cleanup(func() {
		_, _ = cluster.Kubectl(context.WithoutCancel(ctx), "delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", "--ignore-not-found", "e2e-root", "e2e-root-here")
	})
	must(t, cluster.Apply(ctx, validating("(object.spec.containers + object.spec.?initContainers.orValue([])).all(c, c.?securityContext.?readOnlyRootFilesystem.orValue(false))", "Deny")))
	f, err := enforcement(ctx, "--no-probe")
	must(t, err)
	const want = "policies declare that pods with a writable root are refused by ValidatingAdmissionPolicy e2e-root, binding e2e-root-here; no dry run shows it"
	if f.Verdict != api.Pass || f.Basis != api.Declared || f.Message != want {
		t.Errorf("got %s, %s: %s", f.Verdict, f.Basis, f.Message)
	}
	report, _, err := cluster.Report(ctx, "--no-probe", "--check", "drift/enforcement")
	must(t, err)
	if !slices.ContainsFunc(report.Gaps, func(g fact.Gap) bool { return g.What == fact.Enforcing && g.Reason == fact.NotRequested }) {
		t.Errorf("gaps: %+v", report.Gaps)
	}
	if a := report.Answers[0]; a.Answer != api.Unknown {
		t.Errorf("a declaration answers %s", a.Answer)
	}
}

// hasSideEffects changes the webhook in etcd to one with side effects.
func hasSideEffects(t *testing.T, ctx context.Context) {
	t.Helper()
	const key = "/registry/validatingwebhookconfigurations/e2e-root"
	stored, err := cluster.Verb(ctx, nil, "etcdctl", "get", "--print-value-only", key)
	must(t, err)
	value := []byte(strings.TrimSuffix(stored, "\n"))
	if n := bytes.Count(value, []byte("\x32\x04None")); n != 1 { // field 6 of a webhook, of four bytes
		t.Fatalf("the stored webhook has %d times the field sideEffects", n)
	}
	_, err = cluster.Verb(ctx, bytes.NewReader(bytes.Replace(value, []byte("\x32\x04None"), []byte("\x32\x04Some"), 1)), "etcdctl", "put", key)
	must(t, err)
}

// Without the right to create pods nothing is tried, and a gap says so. With the right in one
// namespace, that is answered. --no-probe sends nothing.
func TestEnforcementRights(t *testing.T) {
	ctx := testContext(t, 5*time.Minute)
	inNamespace(t, ctx)
	kubeconfig := kubeconfigOf(t, ctx, "reader", `[{apiGroups: [""], resources: [pods, nodes, namespaces], verbs: [list, get]}]`)
	gap := func(args ...string) (fact.Gap, int) {
		t.Helper()
		report, _, err := cluster.Report(ctx, append([]string{"--check", "drift/enforcement"}, args...)...)
		must(t, err)
		i := slices.IndexFunc(report.Gaps, func(g fact.Gap) bool { return g.What == fact.Enforcing })
		tried := 0
		for _, f := range report.Findings {
			if f.Subject.Kind == fact.SubjectNamespace {
				tried++
			}
		}
		if i < 0 {
			return fact.Gap{}, tried
		}
		return report.Gaps[i], tried
	}
	if g, tried := gap("--kubeconfig", kubeconfig); g.Reason != fact.Forbidden || tried > 0 || !strings.Contains(g.Detail, "no right to create pods, even in a dry run, in ") {
		t.Errorf("without the right: %d tried, gap %+v", tried, g)
	}
	must(t, cluster.Apply(ctx, fmt.Sprintf(`apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: e2e-creator, namespace: %[1]s}
rules: [{apiGroups: [""], resources: [pods], verbs: [create]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: e2e-creator, namespace: %[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: e2e-creator}
subjects: [{kind: ServiceAccount, name: reader, namespace: %[1]s}]
`, faults.Namespace)))
	must(t, harness.Wait(ctx, "the right", waiting, func() error {
		f, err := enforcement(ctx, "--kubeconfig", kubeconfig)
		if err != nil {
			return err
		}
		if user := "for user system:serviceaccount:" + faults.Namespace + ":reader"; f.Verdict != api.Fail || !strings.Contains(f.Evidence[0].Value, user) {
			return fmt.Errorf("%+v", f)
		}
		return nil
	}))
	if g, tried := gap("--kubeconfig", kubeconfig); g.Reason != fact.Forbidden || tried != 1 {
		t.Errorf("with the right in one namespace: %d tried, gap %+v", tried, g)
	}
	if g, tried := gap("--no-probe"); g.Reason != fact.NotRequested || tried > 0 {
		t.Errorf("--no-probe: %d tried, gap %+v", tried, g)
	}
}
