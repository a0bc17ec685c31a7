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
// a nested container runtime runs. Source: /proc/PID/exe of its processes.
// Where that was not read (level proc), the name in /proc/PID/status can fail a
// container but never pass one: a process chooses its own name.
var BuildProcess = checks.Check{
	ID:       "builds/build-process",
	Title:    "No container runs an image builder or a container runtime",
	Severity: api.Critical,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Processes},
	Uses:     []fact.Kind{fact.Pods, fact.Executables},
	Scope:    checks.ScopeWorkload,
	Why: "A declaration can hide what a container does, because any image can contain a builder. A builder or a nested runtime next to " +
		"production runs code that nobody has reviewed yet, most often with rights over the node.",
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
	findings := checks.Unseen(unseen)
	for _, r := range seen {
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
				Remediation: "--probe-level full reads executables",
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

// measuredGrade grades a builder by what its process holds and by what its
// container declares as mounts.
func measuredGrade(r checks.Running, p *fact.Process) grade {
	if r.Workload != nil && r.Declared != nil {
		if g := declaredGrade(r.Workload, r.Declared); g == withSocket || g == asPrivileged && !sandboxed(&r.Workload.Spec) {
			return g
		}
	}
	m := r.Node.Measured
	mask, read := p.CapEff.Bits()
	all, allRead := m.HostCapBnd.Bits()
	switch {
	case p.UserNS != 0 && m.HostUserNS != 0 && p.UserNS != m.HostUserNS,
		p.RootUID != nil && *p.RootUID != 0:
		return asSandboxed
	case read && allRead && all != 0 && mask&all == all,
		read && mask&capability.SysAdmin.Mask() != 0:
		return asPrivileged
	case p.UID[1] != 0:
		return asRootless
	}
	return asRoot
}
