package drift

import (
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/writableroot"
)

// WritableRoot fails a container whose root file system is writable, so that
// nothing stops drift there. Source: the mount at / in /proc/PID/mountinfo,
// else the spec.
var WritableRoot = checks.Check{
	ID:       "drift/writable-root",
	Title:    "A read-only root file system prevents drift",
	Severity: api.Medium,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Pods},
	Uses:     []fact.Kind{fact.Mounts},
	Scope:    checks.ScopeWorkload,
	Linux:    true,
	Why: "A read-only root cannot drift from the image. An intruder finds no place there for tools, and a " +
		"quick manual fix there is not possible.",
	Remediation: "Set securityContext.readOnlyRootFilesystem to true, require it with an admission policy, and give the program an " +
		"emptyDir for each directory that it writes to.",
	References: []string{
		"https://kubernetes.io/docs/tasks/configure-pod-container/security-context/",
		"https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/",
	},
	Judge: writableroot.Judge,
}
