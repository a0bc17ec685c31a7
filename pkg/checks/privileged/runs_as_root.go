package privileged

import (
	"fmt"
	"strconv"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// RunsAsRoot fails a container with a process that is uid 0 of the node, or can become
// it again. Source: Uid in /proc/PID/status (real, effective, saved, file system; proc(5)), which
// shows the node's uids, for every process and every thread that differs.
//
// On Windows the declared runAsUserName is judged: an administrator is root by another name.
//
// Root of a user namespace whose root is another uid of the node passes, with a note:
// it owns nothing of the node, and the Pod Security Standards allow it even in the
// restricted profile (KEP-127, UserNamespacesPodSecurityStandards).
var RunsAsRoot = checks.Check{
	ID:       "privileged/runs-as-root",
	Title:    "No process runs as root of the node",
	Severity: api.Medium,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Pods},
	Uses:     []fact.Kind{fact.Processes},
	Scope:    checks.ScopeWorkload,
	Why: "You do not need --privileged to be root: without a user namespace, uid 0 in a container is uid 0 of the node. " +
		"A file of the node that is mounted, a fault in the kernel or in the runtime, or one more capability then gives the whole node.",
	Remediation: remediationOfRoot,
	References: []string{
		"man:credentials(7)",
		"man:user_namespaces(7)",
		"https://kubernetes.io/docs/concepts/security/pod-security-standards/",
		"https://kubernetes.io/docs/concepts/workloads/pods/user-namespaces/",
	},
	Judge: func(v *checks.View) []api.Finding {
		return measuredElseDeclared(v, judgeRunningAsRoot, func(d checks.Declared) (api.Finding, bool) {
			if windows, system := d.Windows(); windows {
				return judgeWindowsUser(d, system), true
			}
			return judgeDeclaredRoot(d), true
		})
	},
}

const remediationOfRoot = "Set runAsNonRoot to true, and runAsUser to a number above 0 or USER in the image. " +
	"If a program must be root, set hostUsers to false: then its root is an ordinary user of the node."

// rootness is how much of root a task is, the worst last.
type rootness int

const (
	notRoot rootness = iota
	insideRoot
	canReturn
	isRoot
)

func rootnessOf(node *fact.Node, t task) rootness {
	real, effective, saved, files := t.UID[0], t.UID[1], t.UID[2], t.UID[3]
	switch {
	case effective == 0, files == 0: // setfsuid(2) sets as whom it opens files
		return isRoot
	case real == 0 || saved == 0: // setresuid(2) lets it set any of the three
		return canReturn
	}
	if root, own := inOwnUserNamespace(node, t.Process); own && (real == root || effective == root || saved == root || files == root) {
		return insideRoot
	}
	return notRoot
}

// judgeRunningAsRoot gives a finding for the worst of a container's processes, and an
// unknown one where only the runtime's own may be worse.
func judgeRunningAsRoot(r checks.Running) []api.Finding {
	type key struct {
		rootness
		runtime bool
	}
	var worst, runtimes *task
	tasks := distinct(r.Measured, func(t task) key { return key{rootnessOf(r.Node, t), r.MayBeRuntime(t.Process)} })
	for i := range tasks {
		to := &worst
		if r.MayBeRuntime(tasks[i].Process) {
			to = &runtimes
		}
		if *to == nil || rootnessOf(r.Node, tasks[i]) > rootnessOf(r.Node, **to) {
			*to = &tasks[i]
		}
	}
	var findings []api.Finding
	if worst != nil {
		findings = append(findings, rootFinding(r, *worst))
	}
	if runtimes != nil && (worst == nil || rootnessOf(r.Node, *runtimes) > rootnessOf(r.Node, *worst)) {
		findings = append(findings, ofRuntime(r, runtimes.Process, rootFinding(r, *runtimes)))
	}
	return findings
}

func rootFinding(r checks.Running, t task) api.Finding {
	f := api.Finding{
		Verdict: api.Pass, Basis: api.Measured, Subject: r.Subject(), Message: "does not run as root",
		Evidence: []api.Evidence{{
			Source: t.source(r.Node, "Uid"), Value: uids(t) + ", of " + countProcesses(len(r.Measured.Processes)),
		}},
	}
	if root, own := inOwnUserNamespace(r.Node, t.Process); own {
		f.Evidence = append(f.Evidence, uidMap(r.Node, t.Process, root))
		f.Message = "does not run as root of the node"
	}
	d, known := declaredOf(r)
	var user, nonRoot setting
	if known {
		user, nonRoot = declaredUser(d)
		f.Evidence = append(f.Evidence, nonRoot.evidence(), user.evidence())
	}
	is := rootnessOf(r.Node, t)
	switch is {
	case isRoot:
		f.Verdict, f.Severity, f.Message = api.Fail, api.Medium, "runs as root"
		if t.UID[1] != 0 {
			f.Message = "opens files as root (its file system uid is 0)"
		}
	case canReturn:
		f.Verdict, f.Severity, f.Message = api.Fail, api.Medium, "can become root again (its real or saved uid is 0)"
	case insideRoot:
		f.Message = "runs as root only in its own user namespace, which is another user of the node"
	case notRoot:
	}
	other := user.value != "" && user.value != "0"
	switch {
	case is == notRoot && user.value == "0":
		f.Verdict, f.Severity, f.Basis = api.Fail, api.Low, api.Declared
		f.Evidence[0].Basis = api.Measured
		f.Message = "does not run as root now, but is declared to start as root"
	case is == notRoot, !known:
		return f
	case is == insideRoot && !ownUsers(&r.Workload.Spec):
		// A process that made itself a user namespace is root there and still the
		// declared user of the node.
		return f
	case nonRoot.value == "true":
		f.Message += ", though runAsNonRoot is declared"
	case other:
		f.Message += ", though user " + user.value + " is declared"
	}
	if is == insideRoot && (nonRoot.value == "true" || other) {
		f.Verdict, f.Severity = api.Fail, api.Low // it is not who the spec says
	}
	return f
}

// uids are the real, effective and saved uid, and that for files where it is another
// than the effective one, which it follows (setfsuid(2)).
func uids(t task) string {
	text := fmt.Sprintf("%d %d %d", t.UID[0], t.UID[1], t.UID[2])
	if t.UID[3] != t.UID[1] {
		text += fmt.Sprintf(" %d", t.UID[3])
	}
	return text
}

// ownUsers reports whether the pod is declared to have a user namespace of its own.
func ownUsers(spec *fact.PodSpec) bool { return spec.HostUsers != nil && !*spec.HostUsers }

// setting is a field of a container that a pod's field stands in for.
type setting struct {
	value  string // "" if neither is set
	source string
}

func (s setting) evidence() api.Evidence {
	value := s.value
	if value == "" {
		value = "not set"
	}
	return api.Evidence{Source: s.source, Value: value, Basis: api.Declared}
}

// declaredSetting takes the container's own value, else the pod's.
func declaredSetting(d checks.Declared, field, own, pods string) setting {
	if own == "" && pods != "" {
		return setting{pods, checks.PodField(d.Workload, "securityContext."+field)}
	}
	return setting{own, d.Field("securityContext." + field)}
}

// declaredUser are runAsUser and runAsNonRoot.
func declaredUser(d checks.Declared) (user, nonRoot setting) {
	number := func(n *int64) string {
		if n == nil {
			return ""
		}
		return strconv.FormatInt(*n, 10)
	}
	word := func(b *bool) string {
		if b == nil {
			return ""
		}
		return strconv.FormatBool(*b)
	}
	spec, c := &d.Workload.Spec, d.Container
	return declaredSetting(d, "runAsUser", number(c.RunAsUser), number(spec.RunAsUser)),
		declaredSetting(d, "runAsNonRoot", word(c.RunAsNonRoot), word(spec.RunAsNonRoot))
}

// judgeWindowsUser fails a container of Windows that is declared to run as an administrator: root
// by another name. Of a process of the node itself (hostProcess) that is the node's.
func judgeWindowsUser(d checks.Declared, system api.Evidence) api.Finding {
	user := declaredSetting(d, "windowsOptions.runAsUserName", d.Container.WindowsUser, d.Workload.Spec.WindowsUser)
	system.Basis = api.Declared
	f := api.Finding{Evidence: []api.Evidence{user.evidence(), system}}
	onNode, process := d.HostProcess()
	if onNode && process != system {
		process.Basis = api.Declared
		f.Evidence = append(f.Evidence, process)
	}
	administrator, known := fact.WindowsUsers[user.value]
	switch {
	case administrator:
		f.Verdict, f.Severity, f.Message = api.Fail, api.Medium, "is declared to run as an administrator of its container"
		if onNode {
			f.Message = "is declared to run as an administrator of its Windows node"
		}
		f.Remediation.Text = remediationOfAdministrator
	case known:
		f.Verdict, f.Message = api.Pass, "is declared not to run as an administrator"
	case user.value != "":
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.NotPresent, "whether the user that it is declared to run as is an administrator is in its image"
		if onNode {
			f.Message = "whether the user or group that it is declared to run as is an administrator is on its node"
		}
	default:
		f.Verdict, f.Severity, f.Reason = api.Fail, api.Low, fact.NotPresent
		f.Message = "may run as an administrator: runAsUserName is not declared, so its image decides"
		f.Remediation.Text = remediationOfAdministrator
	}
	return f
}

const remediationOfAdministrator = `Set securityContext.windowsOptions.runAsUserName to ContainerUser, or, with hostProcess, to NT AUTHORITY\Local service.`

func judgeDeclaredRoot(d checks.Declared) api.Finding {
	user, nonRoot := declaredUser(d)
	f := api.Finding{Verdict: api.Pass, Message: "is declared not to run as root", Evidence: []api.Evidence{nonRoot.evidence(), user.evidence()}}
	spec := &d.Workload.Spec
	switch {
	case ownUsers(spec):
		f.Message = "can be root only in its own user namespace"
		f.Evidence = append(f.Evidence, api.Evidence{Source: checks.PodField(d.Workload, "hostUsers"), Value: "false"})
	case user.value == "0":
		f.Verdict, f.Severity, f.Message = api.Fail, api.Medium, "is declared to run as root"
		f.Evidence = []api.Evidence{user.evidence(), nonRoot.evidence()} // the field that decides comes first
	case user.value != "", nonRoot.value == "true": // the kubelet refuses to start root
	default:
		// That it declares neither is a note. Whether it runs as root stays open.
		f.Verdict, f.Severity, f.Reason = api.Fail, api.Low, fact.NotPresent
		f.Message = "may run as root: neither runAsNonRoot nor runAsUser is declared, so its image decides"
		if nonRoot.value == "false" {
			f.Message = "may run as root: runAsNonRoot is false and runAsUser is not set, so its image decides"
		}
		f.Remediation.Text = remediationOfRoot
	}
	return f
}
