package privileged

import (
	"fmt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// task is a process, or one of its threads whose rights are not the leader's. The
// kernel keeps rights for each thread: capabilities(7), seccomp(2).
type task struct {
	*fact.Process     // of a thread: a copy with the thread's own rights
	tid           int // 0 for the process itself
}

// source names a field of the task's status for evidence.
func (t task) source(node *fact.Node, field string) string {
	if t.tid != 0 {
		return checks.NodeSource(node, "/proc/%d/task/%d/status %s", t.PID, t.tid, field)
	}
	return checks.NodeSource(node, "/proc/%d/status %s", t.PID, field)
}

// tasksOf are a process and those of its threads that differ from it.
func tasksOf(p *fact.Process) []task {
	out := []task{{p, 0}}
	if p.Threads == nil {
		return out
	}
	for i := range p.Threads.Differing {
		t := &p.Threads.Differing[i]
		own := *p
		own.UID, own.CapPrm, own.CapEff, own.CapBnd = t.UID, t.CapPrm, t.CapEff, t.CapBnd
		own.NoNewPrivs, own.Seccomp = t.NoNewPrivs, t.Seccomp
		out = append(out, task{&own, t.TID})
	}
	return out
}

// distinct are the tasks of a container, one for each key: the first. Most processes
// of a container have the same rights.
func distinct[K comparable](m *fact.MeasuredContainer, key func(task) K) []task {
	var out []task
	seen := map[K]bool{}
	add := func(t task) {
		if k := key(t); !seen[k] {
			seen[k] = true
			out = append(out, t)
		}
	}
	for i := range m.Processes {
		p := &m.Processes[i]
		if p.Threads == nil || len(p.Threads.Differing) == 0 {
			add(task{p, 0})
			continue
		}
		for _, t := range tasksOf(p) {
			add(t)
		}
	}
	return out
}

// unlisted is the finding for threads that differ from their process and are not
// listed one by one; false if there are none.
func unlisted(r checks.Running) (api.Finding, bool) {
	for i := range r.Measured.Processes {
		p := &r.Measured.Processes[i]
		if p.Threads == nil || p.Threads.DifferingCount <= len(p.Threads.Differing) {
			continue
		}
		return api.Finding{
			Verdict: api.VerdictUnknown, Reason: fact.Truncated, Basis: api.Measured, Subject: r.Subject(),
			Message: "not all of its threads were judged: too many have other rights than their process",
			Evidence: []api.Evidence{{
				Source: checks.NodeSource(r.Node, "/proc/%d/task", p.PID),
				Value:  fmt.Sprintf("%d of %d threads differ, %d are listed", p.Threads.DifferingCount, p.Threads.Count, len(p.Threads.Differing)),
			}},
		}, true
	}
	return api.Finding{}, false
}

// noProcess is the finding for a measured container none of whose processes was read.
func noProcess(r checks.Running) api.Finding {
	return api.Finding{
		Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Basis: api.Measured, Subject: r.Subject(),
		Message:  "none of its processes was read",
		Evidence: []api.Evidence{{Source: r.Source("status"), Value: "no process"}},
	}
}

// ofRuntime makes a fail unknown if the process may be the container runtime's own,
// on its way into the container: in a moment it is gone, or has the container's rights.
func ofRuntime(r checks.Running, p *fact.Process, f api.Finding) api.Finding {
	if f.Verdict == api.Fail && r.MayBeRuntime(p) {
		f.Verdict, f.Severity, f.Reason = api.VerdictUnknown, "", fact.Changing
		f.Message = "a process that had just been started, maybe by the container runtime on its way in, " + f.Message
	}
	return f
}

// incomplete finds the containers of which a node says that it could not read all
// processes, and why; the id "" stands for all of its containers.
type incomplete map[*fact.Node]map[string]fact.Reason

// of reports whether not all of a container's processes were read. A process that could
// not be read at all may be any container's. What a level does not read is no such gap:
// it leaves the processes that were found.
func (x incomplete) of(r checks.Running) (fact.Reason, bool) {
	gapped, known := x[r.Node]
	if !known {
		gapped = map[string]fact.Reason{}
		for i := range r.Node.Measured.Gaps {
			if g := &r.Node.Measured.Gaps[i]; g.What == fact.Processes && (g.Container != "" || g.Reason != fact.NotRequested) {
				gapped[checks.ShortID(g.Container)] = g.Reason
			}
		}
		x[r.Node] = gapped
	}
	for _, id := range []string{checks.ShortID(r.Measured.ID), ""} {
		if reason, some := gapped[id]; some {
			return reason, true
		}
	}
	return "", false
}

// partly is the finding for a container without a declaration, of which not all
// processes were read.
func partly(r checks.Running, reason fact.Reason) api.Finding {
	return api.Finding{
		Verdict: api.VerdictUnknown, Reason: reason, Basis: api.Measured, Subject: r.Subject(),
		Message:  "not all of its processes may have been read, and its declaration is unknown",
		Evidence: []api.Evidence{{Source: r.Source("status"), Value: countProcesses(len(r.Measured.Processes))}},
	}
}

// measuredElseDeclared judges the processes of each container that was measured, and
// what is declared of the others. Judge returns the findings of a container that has
// processes. It is not enough where not all of them were read.
func measuredElseDeclared(v *checks.View, judge func(checks.Running) []api.Finding, declared func(checks.Declared) (f api.Finding, applies bool)) []api.Finding {
	gaps := incomplete{}
	return checks.MeasuredElseDeclared(v, fact.Processes,
		func(r checks.Running) ([]api.Finding, bool) {
			if len(r.Measured.Processes) == 0 {
				if r.Declared != nil {
					return nil, false
				}
				return []api.Finding{noProcess(r)}, false
			}
			findings := judge(r)
			if f, some := unlisted(r); some {
				findings = append(findings, f)
			}
			reason, some := gaps.of(r)
			if some && r.Declared == nil {
				findings = append(findings, partly(r, reason))
			}
			return findings, r.Declared != nil && !some
		},
		func(d checks.Declared, pods []*fact.Pod) []api.Finding {
			f, applies := declared(d)
			if !applies {
				return nil
			}
			f.Basis = api.Declared
			f.Subject = checks.PodsSubject(d.Workload, pods)
			f.Subject.Container = d.Container.Name
			return []api.Finding{f}
		})
}

// linuxOnly judges no container that is declared to run on Windows.
func linuxOnly(judge func(checks.Declared) api.Finding) func(checks.Declared) (api.Finding, bool) {
	return func(d checks.Declared) (api.Finding, bool) {
		if windows, _ := d.Windows(); windows {
			return api.Finding{}, false
		}
		return judge(d), true
	}
}

// declaredOf is the declaration of a running container, false if it is unknown.
func declaredOf(r checks.Running) (checks.Declared, bool) {
	return checks.Declared{Workload: r.Workload, Container: r.Declared}, r.Declared != nil
}

// inOwnUserNamespace reports whether a process's root is not the node's, and as which
// uid of the node its root runs.
func inOwnUserNamespace(node *fact.Node, p *fact.Process) (rootUID int64, own bool) {
	if userNamespace(node.Measured, p) == nsOther && p.RootUID != nil && *p.RootUID != 0 {
		return *p.RootUID, true
	}
	return 0, false
}

// uidMap is the evidence for a process whose root is not the node's.
func uidMap(node *fact.Node, p *fact.Process, rootUID int64) api.Evidence {
	return api.Evidence{
		Source: checks.NodeSource(node, "/proc/%d/uid_map", p.PID), Value: fmt.Sprintf("its root is uid %d of the node", rootUID), Basis: api.Measured,
	}
}

func countProcesses(n int) string {
	if n == 1 {
		return "1 process"
	}
	return fmt.Sprintf("%d processes", n)
}
