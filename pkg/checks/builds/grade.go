package builds

import (
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/hostpath"
)

// grade is how far a build in the cluster reaches, worst first: privileged, a
// runtime's socket, root, rootless, sandboxed. The last two are the checklist's
// own exception, which their text quotes: low, so that they do not decide the answer.
type grade struct {
	severity api.Severity
	how      string
}

var (
	asPrivileged = grade{api.Critical, "privileged"}
	withSocket   = grade{api.High, "with a runtime's socket"}
	asRoot       = grade{api.Medium, "as root"}
	asRootless   = grade{api.Low, "without root" + exception}
	asSandboxed  = grade{api.Low, "sandboxed" + exception}
)

// exception is what the checklist allows.
const exception = " (the checklist's exception: \"unless you are very sure you know what you're doing\")"

// declaredGrade grades what a container declares.
func declaredGrade(w *fact.Workload, c *fact.Container) grade {
	privileged := c.Privileged != nil && *c.Privileged
	if hostProcess, _ := (checks.Declared{Workload: w, Container: c}).HostProcess(); hostProcess {
		return asPrivileged
	}
	socket := false
	for _, m := range hostpath.Of(w, c) {
		_, _, ok := hostpath.Socket(m.Path)
		socket = socket || ok
	}
	switch {
	case socket:
		// A sandbox does not contain a process that can start containers
		// outside of it.
		if privileged {
			return asPrivileged
		}
		return withSocket
	case sandboxed(&w.Spec):
		return asSandboxed
	case privileged:
		return asPrivileged
	case rootless(&w.Spec, c):
		return asRootless
	}
	return asRoot
}

// worstGrade grades a pod by its worst container.
func worstGrade(w *fact.Workload) grade {
	worst := asSandboxed
	for i := range w.Spec.Containers {
		g := declaredGrade(w, &w.Spec.Containers[i])
		if g.severity.Rank() > worst.severity.Rank() || i == 0 {
			worst = g
		}
	}
	return worst
}

// sandboxed reports whether a pod runs in gVisor, Kata or a user namespace. It
// looks at the RuntimeClass's handler, because the class can have any name.
func sandboxed(spec *fact.PodSpec) bool {
	handler := strings.ToLower(spec.RuntimeHandler)
	return spec.HostUsers != nil && !*spec.HostUsers || handler == "runsc" || strings.HasPrefix(handler, "kata")
}

// rootless reports whether a container is declared to run as a user other than
// root.
func rootless(spec *fact.PodSpec, c *fact.Container) bool {
	user, nonRoot := spec.RunAsUser, spec.RunAsNonRoot
	if c.RunAsUser != nil {
		user = c.RunAsUser
	}
	if c.RunAsNonRoot != nil {
		nonRoot = c.RunAsNonRoot
	}
	return user != nil && *user != 0 || user == nil && nonRoot != nil && *nonRoot
}
