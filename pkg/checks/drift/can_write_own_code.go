package drift

import (
	"fmt"
	"path"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// CanWriteOwnCode fails a container in which a process could write, or replace, the
// program or script that it runs. Source: owner and mode of the file and of its
// directory, the mount that holds it, and the user, groups and capabilities of the
// process. Access control lists and the directories further up are not read.
var CanWriteOwnCode = checks.Check{
	ID:       "drift/can-write-own-code",
	Title:    "No process can change the program that it runs",
	Severity: api.Medium,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Processes, fact.Mounts, fact.Executables},
	Uses:     []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Why: "A hole in a program that may write its own file becomes permanent: whoever gets in changes the program, and its next start runs that. " +
		"Root in a container can always do so on a writable root. The file's owner and mode and those of its directory are compared with the " +
		"process's user, groups and capabilities. Access control lists and the directories further up are not read.",
	Remediation: "Make the root file system read-only. Let root own the files of the program and their directories, mode 0755, and run it as another user.",
	References: []string{
		"man:path_resolution(7)",
		"man:capabilities(7)",
		"https://kubernetes.io/docs/tasks/configure-pod-container/security-context/",
	},
	Judge: judgeCanWriteOwnCode,
}

func judgeCanWriteOwnCode(v *checks.View) []api.Finding {
	seen, unseen := seenWith(v, fact.Executables, fact.Processes, fact.Mounts)
	findings := checks.Unseen(unseen)
	for _, r := range seen {
		findings = append(findings, judgeOwnCode(r)...)
	}
	return findings
}

// judgeOwnCode judges the processes of one container.
func judgeOwnCode(r checks.Running) []api.Finding {
	// Processes of one user and program give one finding: all that decides is in the key.
	type key struct {
		writer     writerKey
		path       string
		origin     fact.Origin
		mount      string
		owner, dir fact.FileOwner
		read       [2]bool // owner and dir
	}
	done := map[key]bool{}
	var findings []api.Finding
	judge := func(p *fact.Process, exe *fact.Executable, file string) {
		writers := []writer{writerOf(p)}
		if p.Threads != nil {
			for i := range p.Threads.Differing {
				writers = append(writers, threadOf(p, &p.Threads.Differing[i]))
			}
			if p.Threads.DifferingCount > len(p.Threads.Differing) { // one more, of which nothing is known
				writers = append(writers, writer{pid: p.PID, uids: p.UID, gids: p.GID})
			}
		}
		for i := range writers {
			w := &writers[i]
			k := key{writer: w.key(), path: exe.Path, origin: exe.Origin, mount: exe.Mount, read: [2]bool{exe.Owner != nil, exe.Dir != nil}}
			if exe.Owner != nil {
				k.owner = *exe.Owner
			}
			if exe.Dir != nil {
				k.dir = *exe.Dir
			}
			if done[k] {
				continue
			}
			done[k] = true
			f := judgeOwnFile(r, w, exe)
			f.Subject, f.Basis = r.Subject(), api.Measured
			f.Evidence = []api.Evidence{
				{Source: checks.NodeSource(r.Node, "/proc/%d/%s", p.PID, file), Value: describeOwner(r, exe)},
				{Source: checks.NodeSource(r.Node, "/proc/%d/status Uid, Gid, CapEff", w.pid), Value: fmt.Sprintf("%d, %d, %016x", w.uids[1], w.gids[1], w.caps)},
			}
			findings = append(findings, f)
		}
	}
	for i := range r.Measured.Processes {
		p := &r.Measured.Processes[i]
		if p.Exe == nil {
			continue // drift/running-drifted-executable reports it
		}
		judge(p, p.Exe, "exe")
		for j := range p.Scripts {
			judge(p, &p.Scripts[j], "cmdline")
		}
	}
	if len(findings) == 0 {
		findings = append(findings, api.Finding{
			Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: r.Subject(), Basis: api.Measured,
			Message:  "none of its executables was read",
			Evidence: []api.Evidence{{Source: r.Source("exe"), Value: "not read"}},
		})
	}
	return findings
}

// judgeOwnFile returns verdict, reason and message for one process and file.
func judgeOwnFile(r checks.Running, w *writer, exe *fact.Executable) api.Finding {
	unknown := func(reason fact.Reason, why string) api.Finding {
		return api.Finding{Verdict: api.VerdictUnknown, Reason: reason, Message: "whether it can change what it runs is unknown: " + why}
	}
	const passes = "its processes cannot change the programs that they run"
	mount := holds(r, exe)
	switch exe.Origin {
	case fact.OriginMemfd:
		return unknown(fact.Unsupported, "it exists only in memory")
	case fact.OriginForeign, fact.OriginUnknown:
		if mount != r.Measured.Root {
			return unknown(fact.Unsupported, "the mount that holds it is unknown")
		}
	case fact.OriginReadOnly:
		return api.Finding{Verdict: api.Pass, Message: passes}
	case fact.OriginDeletedImage, fact.OriginDeletedAdded:
		if mount == nil || !mount.ReadOnly {
			return unknown(fact.Changing, "it was deleted while it runs")
		}
	}
	switch {
	case mount == nil:
		return unknown(fact.NotPresent, "the mount that holds it is not in the facts")
	case mount.ReadOnly:
		return api.Finding{Verdict: api.Pass, Message: passes}
	}
	switch w.replace(exe.Owner, exe.Dir) {
	case yes:
		what := "program"
		if exe.Script {
			what = "script"
		}
		return api.Finding{Verdict: api.Fail, Message: "can change the " + what + " that it runs"}
	case maybe:
		if exe.Owner == nil || exe.Dir == nil {
			return unknown(fact.NotPresent, "the owner of the file or of its directory was not read")
		}
		return unknown(fact.NotPresent, "its capabilities or groups were not read completely")
	}
	return api.Finding{Verdict: api.Pass, Message: passes}
}

// holds is the mount that holds a file; nil if it is unknown. What was compared with
// the image is on the root.
func holds(r checks.Running, exe *fact.Executable) *fact.Mount {
	if exe.Mount == "" {
		switch exe.Origin {
		case fact.OriginImage, fact.OriginMetadata, fact.OriginChanged, fact.OriginAdded, fact.OriginDeletedImage, fact.OriginDeletedAdded:
			return r.Measured.Root
		}
	}
	return mountOf(r, exe.Mount)
}

// describeOwner is the evidence for a file: who owns it and its directory, and the
// mount.
func describeOwner(r checks.Running, exe *fact.Executable) string {
	value := exe.Path
	for _, o := range []struct {
		name  string
		owner *fact.FileOwner
	}{{"file", exe.Owner}, {path.Dir(exe.Path), exe.Dir}} {
		if o.owner == nil {
			value += ", " + o.name + " not read"
			continue
		}
		value += fmt.Sprintf(", %s %d:%d %04o", o.name, o.owner.UID, o.owner.GID, o.owner.Mode&0o7777)
	}
	switch m := holds(r, exe); {
	case m == nil && exe.Mount == "":
		value += ", mount unknown"
	case m == nil:
		value += ", mount " + exe.Mount
	case m.ReadOnly:
		value += ", mount " + m.Path + " ro"
	default:
		value += ", mount " + m.Path + " rw"
	}
	return value
}
