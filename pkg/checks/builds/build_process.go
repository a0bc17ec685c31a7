package builds

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/builder"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/capability"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// BuildProcess fails a container in which a build daemon, an image builder or
// a nested container runtime runs, and a node that runs a builder outside of any
// container. Source: /proc/PID/exe of all processes.
// Where that was not read (level proc), the name in /proc/PID/status can fail a
// container but never pass one: a process chooses its own name.
var BuildProcess = checks.Check{
	ID:       "builds/build-process",
	Title:    "No container or node runs an image builder or a nested runtime",
	Severity: api.Critical,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Processes},
	Uses:     []fact.Kind{fact.Pods, fact.Executables},
	Scope:    checks.ScopeWorkload,
	Why: "A declaration can hide what a container does, because any image can contain a builder. A builder or a nested runtime next to " +
		"production runs code that nobody has reviewed yet, most often with rights over the node. How far it reaches is graded: privileged, with " +
		"a runtime's socket, as root, without root, sandboxed. The last two are low, because the checklist makes an exception: \"unless you are " +
		"very sure you know what you're doing\".",
	Remediation: "Move the build to its own cluster or machines. If it must stay, run it rootless and in a sandbox " +
		"(gVisor, Kata, hostUsers: false).",
	References: []string{
		"man:proc_pid_exe(5)",
		"https://docs.docker.com/engine/security/rootless/",
		"https://github.com/moby/buildkit/blob/master/docs/rootless.md",
	},
	Judge: judgeBuildProcess,
}

// mostNames bounds the names of one piece of evidence.
const mostNames = 8

func judgeBuildProcess(v *checks.View) []api.Finding {
	seen, unseen := checks.RunningContainers(v, fact.Processes)
	findings := append(checks.Unseen(unseen), judgeHosts(v)...)
	for _, r := range seen {
		if f, ok := nested(r); ok {
			findings = append(findings, f)
		}
		if len(r.Measured.Processes) == 0 {
			findings = append(findings, api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: r.Subject(),
				Message:  "none of its processes was read",
				Evidence: []api.Evidence{{Source: r.Source("exe"), Value: "no process"}},
			})
			continue
		}
		var builders []api.Finding
		var exes, names []string
		var unread *fact.Process // the first whose executable is unknown
		for i := range r.Measured.Processes {
			p := &r.Measured.Processes[i]
			what, file, name := builderOf(p)
			switch {
			case entering(r, p):
				continue
			case file == "exe":
				exes = append(exes, name)
			default:
				names = append(names, name)
				if unread == nil {
					unread = p
				}
			}
			if what == "" {
				continue
			}
			g := measuredGrade(r, p)
			builders = append(builders, api.Finding{
				Verdict: api.Fail, Severity: g.severity, Subject: r.Subject(),
				Message: "runs " + what + ", " + g.how,
				Evidence: []api.Evidence{
					{Source: checks.NodeSource(r.Node, "/proc/%d/%s", p.PID, file), Value: name},
					{Source: checks.NodeSource(r.Node, "/proc/%d/status Uid, CapEff", p.PID), Value: fmt.Sprintf("%d, %s", p.UID[1], p.CapEff)},
				},
			})
		}
		switch {
		case len(builders) > 0:
		case unread != nil:
			builders = []api.Finding{{
				Verdict: api.VerdictUnknown, Reason: fact.Unreadable, Subject: r.Subject(),
				Message:     "not every executable that it runs was read; the names that processes give themselves show no builder",
				Evidence:    []api.Evidence{{Source: checks.NodeSource(r.Node, "/proc/%d/status Name", unread.PID), Value: checks.JoinWords(distinct(names), mostNames)}},
				Remediation: api.Remediation{Text: "--probe-level full reads executables"},
			}}
		case len(exes) == 0:
			builders = []api.Finding{{
				Verdict: api.VerdictUnknown, Reason: fact.Changing, Subject: r.Subject(),
				Message:  "its runtime was still starting it",
				Evidence: []api.Evidence{{Source: r.Source("status Name"), Value: r.Measured.Processes[0].Comm}},
			}}
		default:
			builders = []api.Finding{{
				Verdict: api.Pass, Subject: r.Subject(), Message: "none of its processes is a builder or a container runtime",
				Evidence: []api.Evidence{{Source: r.Source("exe"), Value: checks.JoinWords(distinct(exes), mostNames)}},
			}}
		}
		findings = append(findings, builders...)
	}
	return findings
}

// builderOf returns what a process is, and the file of /proc that shows it. The
// executable decides where it is known. A memfd's path means nothing: runc
// itself runs from one.
func builderOf(p *fact.Process) (what, file, name string) {
	if p.Exe != nil && p.Exe.Path != "" && p.Exe.Origin != fact.OriginMemfd && !p.Exe.Script {
		exe := path.Clean(p.Exe.Path)
		what, _ := builder.Running(exe)
		return what, "exe", exe
	}
	what, _ = builder.Named(p.Comm)
	return what, "status Name", p.Comm
}

// entering reports whether this is the node's own runtime on its way into the
// container: a young process from a memfd or from a file that is not the
// container's.
func entering(r checks.Running, p *fact.Process) bool {
	own := p.Exe != nil && p.Exe.Origin != fact.OriginForeign && p.Exe.Origin != fact.OriginMemfd
	return !own && strings.HasPrefix(p.Comm, "runc:[") && r.Entering(p)
}

func distinct(words []string) []string {
	slices.Sort(words)
	return slices.Compact(words)
}

// measuredGrade grades a builder by what its process holds, and by what its
// container declares and has as mounts.
func measuredGrade(r checks.Running, p *fact.Process) grade {
	socket := len(r.Measured.Sockets) > 0
	if r.Workload != nil && r.Declared != nil {
		switch reach := reachOf(checks.Declared{Workload: r.Workload, Container: r.Declared}, false); {
		case reach.own == asPrivileged && reach.sandbox == nil:
			return asPrivileged
		case reach.socket: // in a sandbox a socket counts
			socket = true
		}
	}
	m := r.Node.Measured
	mask, read := p.CapEff.Bits()
	all, allRead := m.HostCapBnd.Bits()
	ownUsers := p.UserNS != 0 && m.HostUserNS != 0 && p.UserNS != m.HostUserNS || p.RootUID != nil && *p.RootUID != 0
	switch {
	case !ownUsers && read && (allRead && all != 0 && mask&all == all || mask&capability.SysAdmin.Mask() != 0):
		return asPrivileged
	case socket:
		return withSocket
	case ownUsers:
		return asSandboxed
	case p.UID[1] != 0:
		return asRootless
	}
	return asRoot
}

// nested is the finding about a container that something in a pod has started:
// it lies below the pod's cgroup, and no engine of the node has made it.
func nested(r checks.Running) (api.Finding, bool) {
	if r.Measured.FoundBy == fact.FoundByCgroup || r.Workload == nil || len(r.Measured.Processes) == 0 {
		return api.Finding{}, false
	}
	p := &r.Measured.Processes[0]
	g := measuredGrade(r, p)
	return api.Finding{
		Verdict: api.Fail, Severity: g.severity, Subject: r.Subject(),
		Message: "runs a container of its own, which neither Kubernetes nor an engine of the node has started: a nested runtime, " + g.how,
		Evidence: []api.Evidence{
			{Source: checks.NodeSource(r.Node, "/proc/%d/root", p.PID), Value: "a root directory and mounts of its own, in cgroup " + r.Measured.Cgroup},
			{Source: checks.NodeSource(r.Node, "/proc/%d/status Uid, CapEff", p.PID), Value: fmt.Sprintf("%d, %s", p.UID[1], p.CapEff)},
		},
	}, true
}

// judgeHosts judges the processes of nodes that are in no container. A run that asks
// about some pods only does not ask about nodes.
func judgeHosts(v *checks.View) []api.Finding {
	if v.PodScope == fact.PodsSome {
		return nil
	}
	var findings []api.Finding
	for i := range v.Nodes {
		if node := &v.Nodes[i]; node.Measured.HasRead(fact.Processes) {
			findings = append(findings, judgeHost(node)...)
		}
	}
	return findings
}

func judgeHost(node *fact.Node) []api.Finding {
	m := node.Measured
	subject := fact.Subject{Kind: fact.SubjectNode, Name: node.Name}
	var findings []api.Finding
	done := map[string]bool{}
	for i := range m.Host.Builders {
		p := &m.Host.Builders[i]
		name, file, value := path.Base(strings.TrimSuffix(p.Exe, " (deleted)")), "exe", p.Exe
		if p.Exe == "" {
			name, file, value = p.Comm, "status Name", p.Comm
		}
		if done[name] { // a process of each is enough
			continue
		}
		done[name] = true
		if p.Unit != "" {
			value += ", unit " + p.Unit
		}
		f := api.Finding{
			Verdict: api.Fail, Severity: api.Medium, Subject: subject,
			Message: "runs " + name + " on the node itself, in no container: images are built next to production",
			Evidence: []api.Evidence{
				{Source: checks.NodeSource(node, "/proc/%d/%s", p.PID, file), Value: value},
				{Source: checks.NodeSource(node, "/proc/%d/status Uid, CapEff", p.PID), Value: fmt.Sprintf("%d, %s", p.UID, p.CapEff)},
			},
			Remediation: api.Remediation{Text: "Stop the daemon on the node and build images on separate machines."},
		}
		if name == "dockerd" && strings.HasPrefix(node.ContainerRuntime, "docker://") {
			f.Severity = api.Low
			f.Message = "runs dockerd, which is its container runtime and can build images too"
			f.Evidence = append(f.Evidence, api.Evidence{
				Source: checks.NodeSource(node, "status.nodeInfo.containerRuntimeVersion"), Value: node.ContainerRuntime, Basis: api.Declared,
			})
			f.Remediation.Text = "Use a container runtime that builds no images (containerd, CRI-O). Give nobody else dockerd's socket."
		}
		findings = append(findings, f)
	}
	if len(findings) > 0 {
		return findings
	}
	f := api.Finding{
		Verdict: api.Pass, Subject: subject, Message: "none of its own processes is an image builder",
		Evidence: []api.Evidence{{Source: checks.NodeSource(node, "/proc/*/exe"), Value: fmt.Sprintf("processes of the node itself: %d", m.HostProcesses)}},
	}
	if m.Level == fact.LevelProc {
		f.Verdict, f.Reason = api.VerdictUnknown, fact.Unreadable
		f.Message = "the executables of its own processes were not read; the names that they give themselves show no builder"
		f.Evidence[0].Source, f.Remediation.Text = checks.NodeSource(node, "/proc/*/status Name"), "--probe-level full reads executables"
	}
	return []api.Finding{f}
}
