package immutable

import (
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/writableroot"
)

// WritableRoot fails a container that can add files to its own root file
// system. Source: the mount at / in /proc/PID/mountinfo, else the spec.
var WritableRoot = checks.Check{
	ID:       "immutable/writable-root",
	Title:    "Containers cannot add code to their root file system",
	Severity: api.Medium,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Pods},
	Uses:     []fact.Kind{fact.Mounts},
	Scope:    checks.ScopeWorkload,
	Linux:    true,
	Why: "On a writable root, anything that runs in the container can install packages and programs after the image was built and " +
		"scanned. The image then no longer shows what runs.",
	Remediation: "Set securityContext.readOnlyRootFilesystem to true and give the program an emptyDir for each directory that it writes to.",
	References: []string{
		"https://kubernetes.io/docs/tasks/configure-pod-container/security-context/",
		"man:proc_pid_mountinfo(5)",
	},
	Judge: writableroot.Judge,
}
