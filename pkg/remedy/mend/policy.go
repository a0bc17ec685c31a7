package mend

import (
	"slices"
	"strings"
)

// PolicyMode is what the API server does with a pod that a policy refuses.
type PolicyMode string

// The modes (validationActions of a ValidatingAdmissionPolicyBinding).
const (
	// PolicyAudit lets the pod in, and notes it in the audit log and in the metric
	// apiserver_validating_admission_policy_check_total.
	PolicyAudit PolicyMode = "Audit"
	PolicyDeny  PolicyMode = "Deny"
)

// policyName is the name of the policy and of its binding.
const policyName = "checklist-read-only-root"

// ReadOnlyRootPolicy writes a ValidatingAdmissionPolicy with its binding, as YAML: it demands a
// read-only root file system of each container of a new pod. It leaves out pods for Windows, which
// have no such field, the mirrors of static pods (a static pod runs whatever admission says, and a
// kubelet deletes a mirror that no file of its node stands behind), and the namespaces that are
// named besides those of Kubernetes. A container that kubectl debug adds later is not asked. The
// probe's own pods have a read-only root, so that no namespace of theirs is left out.
//
// Source: admissionregistration.k8s.io/v1 (Kubernetes 1.30 and later).
func ReadOnlyRootPolicy(mode PolicyMode, except []string) string {
	except = append([]string{"kube-system", "kube-public", "kube-node-lease"}, except...)
	slices.Sort(except)
	except = slices.DeleteFunc(slices.Compact(except), func(name string) bool { return !objectName(name) })
	when := "# Audit first: it lets every pod in. Watch the audit log (annotation validation.policy.admission.k8s.io/validation_failure)\n" +
		"# or the API servers' metric apiserver_validating_admission_policy_check_total until nothing that you need is in it.\n" +
		"# Then apply the file with Deny.\n"
	if mode == PolicyDeny {
		when = "# Apply it when the same policy with Audit has found nothing that you need. Pods that run already stay; their next\n" +
			"# start is refused.\n"
	}
	const condition = "has(c.securityContext) && has(c.securityContext.readOnlyRootFilesystem) && c.securityContext.readOnlyRootFilesystem"
	return when + `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: ` + policyName + `
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
    - apiGroups: [""]
      apiVersions: ["v1"]
      operations: ["CREATE"]
      resources: ["pods"]
  matchConditions:
  - name: not-windows
    expression: "!has(object.spec.os) || object.spec.os.name != 'windows'"
  - name: not-a-mirror-pod
    expression: "!has(object.metadata.annotations) || !('kubernetes.io/config.mirror' in object.metadata.annotations)"
  validations:
  - expression: >-
      object.spec.containers.all(c, ` + condition + `)
    message: each container must have securityContext.readOnlyRootFilesystem true
    reason: Invalid
  - expression: >-
      !has(object.spec.initContainers) || object.spec.initContainers.all(c, ` + condition + `)
    message: each init container must have securityContext.readOnlyRootFilesystem true
    reason: Invalid
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: ` + policyName + `
spec:
  policyName: ` + policyName + `
  validationActions: [` + string(mode) + `]
  matchResources:
    namespaceSelector:
      matchExpressions:
      - key: kubernetes.io/metadata.name
        operator: NotIn
        values: ["` + strings.Join(except, `", "`) + `"]
`
}

// Platform are the namespaces of Kubernetes, of the provider and of the user's platform that were
// read: a policy leaves them out.
func (m *Mender) Platform() []string {
	var names []string
	for i := range m.view.Namespaces {
		if name := m.view.Namespaces[i].Name; m.view.Platform(name) {
			names = append(names, name)
		}
	}
	return names
}

// policySteps are the steps that make the API server refuse a writable root, in Audit first. The
// namespaces of the platform are left out.
func (b *book) policySteps() []Command {
	except := b.Platform()
	lines := []string{"kubectl apply --filename - <<'END'"}
	lines = append(lines, strings.Split(strings.TrimSuffix(ReadOnlyRootPolicy(PolicyAudit, except), "\n"), "\n")...)
	return []Command{
		{Place: WithKubectl, Text: "Let the API server note each new pod with a writable root file system: a ValidatingAdmissionPolicy, which lets them in for now. Add namespaces of your own platform to those that it leaves out.", Lines: append(lines, "END")},
		{Place: ByHand, Text: "Watch the API servers' audit log (the annotation validation.policy.admission.k8s.io/validation_failure) or their metric apiserver_validating_admission_policy_check_total, until nothing that you need is in it: a day at least, so that each CronJob has run."},
		{Place: WithKubectl, Text: "Then let it refuse them. Pods that run stay; their next start is refused if their root is writable.", Lines: []string{
			"kubectl patch validatingadmissionpolicybinding " + policyName + ` --type=merge --patch '{"spec":{"validationActions":["Deny"]}}'`,
		}},
	}
}
