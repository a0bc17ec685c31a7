package hosts

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// DeletedLibraries fails a node on which processes of the host run libraries or
// programs that were deleted or replaced after they were started. Source:
// /proc/PID/maps of every process that is proved to be the host's: its cgroup names
// no container, and it has the host's root directory.
var DeletedLibraries = checks.Check{
	ID:       "hosts/deleted-libraries",
	Title:    "The node's processes run the files that are installed",
	Severity: api.Medium,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Libraries},
	Scope:    checks.ScopeNode,
	Evidence: fact.MaxOutdatedFiles,
	Why: "An update replaces the file of a library or program. A process that was started before keeps the old file, with its vulnerabilities, " +
		"until it is started again. Processes of containers run files of their image, and are not judged here.",
	Remediation: "Restart the units that the evidence names, or drain the node and reboot it. A containerd-shim ends with its pod.",
	References: []string{
		"https://man7.org/linux/man-pages/man5/proc_pid_maps.5.html",
		"https://github.com/liske/needrestart",
		"https://dnf-plugins-core.readthedocs.io/en/latest/needs_restarting.html",
	},
	Judge: judgeDeletedLibraries,
}

func judgeDeletedLibraries(v *checks.View) []api.Finding {
	var findings []api.Finding
	for i := range v.Nodes {
		if node := &v.Nodes[i]; node.Measured.HasRead(fact.Libraries) {
			findings = append(findings, judgeLibraries(node))
		}
	}
	return findings
}

func judgeLibraries(node *fact.Node) api.Finding {
	f := api.Finding{Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: fact.Subject{Kind: fact.SubjectNode, Name: node.Name}}
	state := node.Measured.Host.Libraries
	source := checks.NodeSource(node, "/proc/PID/maps")
	if state == nil || state.Processes <= 0 {
		f.Message = "no process of the host was read"
		f.Evidence = []api.Evidence{{Source: source, Value: "not read"}}
		return f
	}
	for _, file := range state.Outdated {
		what, how := "library", "deleted or replaced"
		if file.Program {
			what = "program"
		}
		if file.Replaced {
			how = "hidden by another file system"
		}
		value := fmt.Sprintf("%s of %s, %s", what, by(&file), how)
		f.Evidence = append(f.Evidence, api.Evidence{Source: checks.NodeSource(node, "%s", file.Path), Value: value})
	}
	seen := fmt.Sprintf("%s of the host read", plural(state.Processes, "process", "processes"))
	if state.Elsewhere > 0 {
		seen += fmt.Sprintf("; %d with a root directory of their own not judged", state.Elsewhere)
	}
	f.Evidence = append(f.Evidence, api.Evidence{Source: source, Value: seen})
	if max(state.OutdatedCount, len(state.Outdated)) == 0 {
		f.Verdict, f.Reason, f.Message = api.Pass, "", "no process of the host runs a deleted or replaced file"
		return f
	}
	f.Verdict, f.Reason = api.Fail, ""
	f.Message = "processes of the host run files that were deleted or replaced after their start"
	if users := usersOf(state.Outdated); len(users) > 0 {
		f.Message += ": " + checks.JoinWords(users, namesMessage)
	}
	if more := state.OutdatedCount - len(state.Outdated); more > 0 {
		f.Message += fmt.Sprintf("; %d files are not listed", more)
	}
	return f
}

// by names the processes that run a file.
func by(file *fact.OutdatedFile) string {
	of := file.Unit
	if of == "" {
		of = "no unit"
	}
	return fmt.Sprintf("%s (%s)", of, plural(file.Processes, "process", "processes"))
}

// usersOf lists who has to be restarted: units, and programs of processes without
// one. Those whose program was replaced come first.
func usersOf(files []fact.OutdatedFile) []string {
	var programs, others []string
	for _, file := range files {
		switch {
		case file.Program && file.Unit != "":
			programs = append(programs, file.Unit+" (its program)")
		case file.Program:
			programs = append(programs, path.Base(file.Path))
		case file.Unit != "":
			others = append(others, file.Unit)
		default:
			others = append(others, "processes without a unit")
		}
	}
	slices.Sort(programs)
	slices.Sort(others)
	others = slices.DeleteFunc(slices.Compact(others), func(unit string) bool {
		return slices.ContainsFunc(programs, func(p string) bool { return strings.TrimSuffix(p, " (its program)") == unit })
	})
	return append(slices.Compact(programs), others...)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
