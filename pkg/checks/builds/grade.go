package builds

import (
	"strconv"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/builder"
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
	// The spec names no user: the image does, which is not read. Without a word it is root.
	asImageUser = grade{api.Medium, "as the image's user, which may be root"}
	onWindows   = grade{api.Medium, "on Windows"}
	asRootless  = grade{api.Low, "without root" + exception}
	asSandboxed = grade{api.Low, "sandboxed" + exception}
	// A sandbox makes each grade one less. Privileged in a sandbox is still high: a virtual
	// machine can be given the node's devices with it, and a user namespace leaves all of
	// the kernel within reach.
	asPrivilegedSandboxed = grade{api.High, "privileged, in a sandbox"}
)

// exception is what the checklist allows.
const exception = " (the checklist's exception: \"unless you are very sure you know what you're doing\")"

// declaredReach is what a container declares of how far it reaches.
type declaredReach struct {
	// own is the grade without a sandbox, evidence the fields that show it.
	own      grade
	evidence []api.Evidence
	// socket reports that it has a runtime's socket, which no sandbox contains.
	socket bool
	// sandbox is the field that asks for one; nil if none does.
	sandbox *api.Evidence
}

// grade is the grade of all together.
func (r *declaredReach) grade() grade {
	switch {
	case r.sandbox == nil || r.socket || r.own == withSocket:
		return r.own
	case r.own == asPrivileged:
		return asPrivilegedSandboxed
	}
	return asSandboxed
}

// shown are the fields behind the grade.
func (r *declaredReach) shown() []api.Evidence {
	if r.sandbox != nil && !r.socket {
		return append(r.evidence, *r.sandbox)
	}
	return r.evidence
}

// reachOf reads what a container declares. Rootless is true if its image is made to run
// without root.
func reachOf(d checks.Declared, imageRootless bool) declaredReach {
	c := d.Container
	if hostProcess, where := d.HostProcess(); hostProcess {
		return declaredReach{own: asPrivileged, evidence: []api.Evidence{where}, socket: true} // it reaches the runtime's pipe
	}
	r := declaredReach{sandbox: sandbox(d.Workload)}
	for _, m := range hostpath.Of(d.Workload, c) {
		if _, _, ok := hostpath.Socket(m.Path); ok {
			r.socket = true
			r.own, r.evidence = withSocket, []api.Evidence{{Source: m.Field(d.Workload), Value: m.Value()}}
			break
		}
	}
	if c.Privileged != nil && *c.Privileged {
		r.own = asPrivileged
		r.evidence = append([]api.Evidence{{Source: d.Field("securityContext.privileged"), Value: "true"}}, r.evidence...)
		return r
	}
	if r.socket {
		return r
	}
	if windows, where := d.Windows(); windows {
		r.own, r.evidence = onWindows, []api.Evidence{where}
		return r
	}
	own, where := user(d)
	r.own = own
	if imageRootless && where.Value == "not set" {
		r.own, where = asRootless, api.Evidence{Source: d.Field("image"), Value: "made to run without root"}
	}
	r.evidence = []api.Evidence{where}
	return r
}

// user is the grade by the user that a container runs as by its declaration, and the field that
// decides. The container's own fields count more than the pod's.
func user(d checks.Declared) (grade, api.Evidence) {
	spec, c := &d.Workload.Spec, d.Container
	byID := func(id int64, source string) (grade, api.Evidence) {
		shown := api.Evidence{Source: source, Value: strconv.FormatInt(id, 10)}
		if id == 0 {
			return asRoot, shown
		}
		return asRootless, shown
	}
	byRule := func(nonRoot bool, source string) (grade, api.Evidence) {
		shown := api.Evidence{Source: source, Value: strconv.FormatBool(nonRoot)}
		if nonRoot {
			return asRootless, shown
		}
		return asImageUser, shown
	}
	switch {
	case c.RunAsUser != nil:
		return byID(*c.RunAsUser, d.Field("securityContext.runAsUser"))
	case spec.RunAsUser != nil:
		return byID(*spec.RunAsUser, checks.PodField(d.Workload, "securityContext.runAsUser"))
	case c.RunAsNonRoot != nil:
		return byRule(*c.RunAsNonRoot, d.Field("securityContext.runAsNonRoot"))
	case spec.RunAsNonRoot != nil:
		return byRule(*spec.RunAsNonRoot, checks.PodField(d.Workload, "securityContext.runAsNonRoot"))
	}
	return asImageUser, api.Evidence{Source: d.Field("securityContext.runAsUser"), Value: "not set"}
}

// worstReach is that of a pod's worst container.
func worstReach(w *fact.Workload) declaredReach {
	worst := declaredReach{own: asImageUser}
	for i := range w.Spec.Containers {
		r := reachOf(checks.Declared{Workload: w, Container: &w.Spec.Containers[i]}, false)
		if i == 0 || r.grade().severity.Rank() > worst.grade().severity.Rank() {
			worst = r
		}
	}
	return worst
}

// sandbox is the field that puts a pod into gVisor, Kata, Sysbox or a user namespace. It
// looks at the RuntimeClass's handler, because the class can have any name.
func sandbox(w *fact.Workload) *api.Evidence {
	if what := builder.Sandbox(w.Spec.RuntimeHandler); what != "" {
		return &api.Evidence{Source: checks.PodField(w, "runtimeClassName"), Value: w.Spec.RuntimeClass + ", handler " + w.Spec.RuntimeHandler + ": " + what}
	}
	if users := w.Spec.HostUsers; users != nil && !*users {
		return &api.Evidence{Source: checks.PodField(w, "hostUsers"), Value: "false"}
	}
	return nil
}
