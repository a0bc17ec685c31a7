package privileged

import (
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// SharedProcessNamespace notes a pod whose containers see each other's processes. The node's
// process namespace is privileged/host-namespaces.
var SharedProcessNamespace = checks.Check{
	ID:       "privileged/shared-process-namespace",
	Title:    "No pod's containers share their processes",
	Severity: api.Low,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Linux:    true,
	Why: "With one process namespace each container of the pod sees the processes of the others and, with the same user, their environment and, " +
		"through /proc/PID/root, all of their files, Secrets too.",
	Remediation: "Remove shareProcessNamespace. To look into a running pod use kubectl debug with --target, which shares one container's processes for that time.",
	References: []string{
		"https://kubernetes.io/docs/tasks/configure-pod-container/share-process-namespace/",
		"man:pid_namespaces(7)",
	},
	Judge: sharedProcessRule.judgeAll,
}

var sharedProcessRule = fieldRule{
	passes: "its containers do not share their processes", linux: true, fields: "shareProcessNamespace", value: "not true",
	judge: func(w *fact.Workload) []api.Finding {
		if s := w.Spec.ShareProcessNamespace; s == nil || !*s {
			return nil
		}
		return []api.Finding{podFails(w, api.Low, "its containers see each other's processes, environment and files", "shareProcessNamespace", "true")}
	},
}
