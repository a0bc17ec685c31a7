package drift

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/layer"
)

// RunningDriftedExecutable fails a container that runs code from outside its
// image. Source: /proc/PID/exe of every process, the scripts that interpreters run,
// and the executable mappings in /proc/PID/maps (libraries, and programs that ld.so
// runs), compared with the layers of the container's overlay.
var RunningDriftedExecutable = checks.Check{
	ID:       "drift/running-drifted-executable",
	Title:    "Containers run only what their image holds",
	Severity: api.High,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Executables},
	Uses:     []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Why: "A program that was added to a container after it started went through no build, no scan and no review. " +
		"That is what an intruder's tools look like. A library that was added is code too, and so is a file without the x bit that ld.so runs.",
	Remediation: "Find out who put it there, then replace the pod. Make the root file system read-only and mount writable volumes " +
		"noexec, so that it cannot happen again.",
	References: []string{
		"man:proc_pid_exe(5)",
		"man:proc_pid_maps(5)",
		"https://docs.kernel.org/filesystems/overlayfs.html",
		"https://kubernetes.io/docs/tasks/configure-pod-container/security-context/",
	},
	Judge: judgeRunningDriftedExecutable,
}

func judgeRunningDriftedExecutable(v *checks.View) []api.Finding {
	seen, unseen := checks.RunningContainers(v, fact.Executables)
	findings := checks.Unseen(unseen)
	for _, r := range seen {
		findings = append(findings, judgeRunning(r)...)
	}
	return findings
}

// role is what a process does with a file.
type role int

const (
	runs       role = iota
	interprets      // the file is a script
	maps            // it is mapped as code, as libraries are
	loads           // it is mapped as code by a loader or an interpreter: a program
)

// judgeRunning judges what one container runs.
func judgeRunning(r checks.Running) []api.Finding {
	var findings []api.Finding
	// Processes of one program give one finding, with the first process as
	// evidence. An executable holds pointers, which are left out of the key.
	type key struct {
		exe  fact.Executable
		role role
	}
	done := map[key]bool{}
	add := func(exe *fact.Executable, role role, file string, pid int) {
		k := key{*exe, role}
		k.exe.Owner, k.exe.Dir = nil, nil
		if !done[k] {
			done[k] = true
			findings = append(findings, finding(r, checks.NodeSource(r.Node, "/proc/%d/%s", pid, file), exe, role))
		}
	}
	unread := func(p *fact.Process, reason fact.Reason, file, message string) {
		findings = append(findings, api.Finding{
			Verdict: api.VerdictUnknown, Reason: reason, Subject: r.Subject(), Message: message,
			Evidence: []api.Evidence{{Source: checks.NodeSource(r.Node, "/proc/%d/%s", p.PID, file), Value: "not read"}},
		})
	}
	unmapped := false
	for i := range r.Measured.Processes {
		p := &r.Measured.Processes[i]
		if p.Exe == nil {
			// The runtime itself, on its way into the container, has no
			// origin, but that state ends at once.
			if !r.Entering(p) && len(r.Measured.Processes) > 1 {
				unread(p, fact.Changing, "exe", "the executable of a process was not read")
			}
			continue
		}
		role := runs
		if p.Exe.Script {
			role = interprets
		}
		add(p.Exe, role, "exe", p.PID)
		for j := range p.Scripts {
			add(&p.Scripts[j], interprets, "cmdline", p.PID)
		}
		if p.Mapped == nil {
			if !unmapped {
				unmapped = true
				unread(p, fact.NotPresent, "maps", "the other files that a process has mapped as code were not read")
			}
			continue
		}
		for j := range p.Mapped.Files {
			add(&p.Mapped.Files[j], mapped(p.Exe, &p.Mapped.Files[j]), "maps", p.PID)
		}
		if n := p.Mapped.FileCount - len(p.Mapped.Files); n > 0 {
			unread(p, fact.Truncated, "maps", "not all files that a process has mapped as code are in the facts")
		}
	}
	if len(done) == 0 {
		findings = append(findings, api.Finding{
			Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: r.Subject(),
			Message:  "none of its executables was read",
			Evidence: []api.Evidence{{Source: r.Source("exe"), Value: "not read"}},
		})
	}
	return findings
}

// mapped returns the role of a file that a process has mapped. With "ld.so FILE"
// the executable is the loader, and the program is one of the mapped files.
func mapped(exe, file *fact.Executable) role {
	if isLoader(path.Base(exe.Path)) || isInterpreter(path.Base(exe.Path)) && !isLibrary(path.Base(file.Path)) {
		return loads
	}
	return maps
}

// isLoader reports a name of the dynamic loader: ld-linux-x86-64.so.2, ld-2.31.so,
// ld-musl-x86_64.so.1, ld64.so.2, ld.so.
func isLoader(base string) bool {
	return strings.HasPrefix(base, "ld") && strings.Contains(base, ".so") &&
		(strings.HasPrefix(base, "ld-") || strings.HasPrefix(base, "ld.") || strings.HasPrefix(base, "ld64."))
}

// isLibrary reports a name like libc.so or libc.so.6.
func isLibrary(base string) bool {
	return strings.HasSuffix(base, ".so") || strings.Contains(base, ".so.")
}

// interpreters are programs that run code from files, by their names without a
// version.
var interpreters = []string{
	"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "busybox", "toybox", "python", "pypy", "perl", "ruby", "node", "nodejs", "php",
	"lua", "luajit", "tclsh", "java", "dotnet", "mono", "awk", "gawk", "mawk", "wine", "qemu-x86_64", "qemu-aarch",
}

func isInterpreter(base string) bool {
	return slices.Contains(interpreters, base) || slices.Contains(interpreters, strings.TrimRight(base, "0123456789.-"))
}

func finding(r checks.Running, source string, exe *fact.Executable, role role) api.Finding {
	f := judgeExecutable(r, exe, role)
	f.Subject = r.Subject()
	f.Evidence = []api.Evidence{{Source: source, Value: describe(exe)}}
	return f
}

// doing says what a process does with a file.
var doing = map[role]string{
	runs: "runs %s", interprets: "runs the script %s", maps: "has %s mapped as code", loads: "runs %s through a loader or an interpreter",
}

// judgeExecutable returns verdict, severity, reason and message for an origin. A
// library is at most medium: other code loaded it.
func judgeExecutable(r checks.Running, exe *fact.Executable, role role) api.Finding {
	what := fmt.Sprintf(doing[role], exe.Path)
	fail := func(severity api.Severity, why string) api.Finding {
		if role == maps && severity.Rank() > api.Medium.Rank() {
			severity = api.Medium
		}
		return api.Finding{Verdict: api.Fail, Severity: severity, Message: what + ", " + why}
	}
	switch exe.Origin {
	case fact.OriginImage, fact.OriginMetadata, fact.OriginDeletedImage:
		if exe.Gained != "" && (role == runs || role == loads) {
			return fail(layer.Gains(r, mountOf(r, exe.Mount)), "which is of the image and got more rights in the container ("+exe.Gained+")")
		}
		return api.Finding{Verdict: api.Pass, Message: "what runs is from its image or on a read-only mount"}
	case fact.OriginReadOnly:
		return judgeReadOnly(r, exe, fail)
	case fact.OriginAdded:
		return fail(api.High, "which was added to the container")
	case fact.OriginChanged:
		return fail(api.High, "which was changed in the container")
	case fact.OriginDeletedAdded:
		return fail(api.High, "which was added to the container and deleted while it runs")
	case fact.OriginMemfd:
		return fail(api.High, "which exists only in memory (memfd)")
	case fact.OriginVolume:
		return judgeVolume(exe, fail)
	case fact.OriginForeign:
		return fail(api.Medium, "which is on a mount that is not the container's")
	}
	return api.Finding{
		Verdict: api.VerdictUnknown, Reason: fact.Unsupported,
		Message: what + ", whose origin is unknown",
	}
}

// mountOf finds a container's mount by its path; nil if it is not in the facts,
// as read-only ones other than the root are not.
func mountOf(r checks.Running, point string) *fact.Mount {
	if point == "/" {
		return r.Measured.Root
	}
	for i := range r.Measured.Mounts {
		if r.Measured.Mounts[i].Path == point {
			return &r.Measured.Mounts[i]
		}
	}
	return nil
}

// judgeReadOnly passes code on a volume that no container can write. Any other
// mount may be read-only only here: another container may be able to write the
// same emptyDir, claim or directory of the node. It is graded one step below
// what is writable here.
func judgeReadOnly(r checks.Running, exe *fact.Executable, fail func(api.Severity, string) api.Finding) api.Finding {
	switch kind := volumeKind(r, exe.Volume, exe.Mount); kind {
	case "image", "configMap", "secret", "projected", "downwardAPI":
		return api.Finding{Verdict: api.Pass, Message: "what runs is from its image or on a read-only mount"}
	case "emptyDir":
		return fail(api.Medium, "which is in an emptyDir that is read-only here but may be writable elsewhere")
	case "":
		return fail(api.Low, "which is on a mount that is read-only here but may be writable elsewhere")
	default:
		return fail(api.Low, "which is on a volume ("+kind+") that is read-only here but may be writable elsewhere")
	}
}

// volumeKind returns the kind of the volume behind a mount, "" if it is unknown.
// The path of a subPath names the pod's volume but not its kind, and the mount of
// an image volume names neither. The spec has both.
func volumeKind(r checks.Running, volume, point string) string {
	kind, name, _ := strings.Cut(volume, "/")
	if r.Declared == nil || kind != "" && kind != "subPath" {
		return kind
	}
	for i := range r.Workload.Spec.Volumes {
		v := &r.Workload.Spec.Volumes[i]
		if kind == "subPath" && v.Name == name {
			return v.Source
		}
		for _, m := range r.Declared.Mounts {
			if kind == "" && m.Volume == v.Name && path.Clean(m.Path) == point {
				return v.Source
			}
		}
	}
	return kind
}

// judgeVolume grades code on a writable mount by what is mounted. Intruders
// drop programs in scratch space; a volume from elsewhere may be meant to bring
// code.
func judgeVolume(exe *fact.Executable, fail func(api.Severity, string) api.Finding) api.Finding {
	switch kind, _, _ := strings.Cut(exe.Volume, "/"); {
	case kind == "emptyDir":
		return fail(api.High, "which is in a writable emptyDir")
	case exe.Volume == "" && exe.FSType == "tmpfs":
		return fail(api.High, "which is in a writable memory file system")
	case exe.Volume == "":
		return fail(api.Medium, "which is on a writable mount")
	default:
		return fail(api.Medium, "which is on a writable volume ("+kind+")")
	}
}

// describe is the evidence for one executable. It never holds an argument,
// because arguments may hold a password.
func describe(exe *fact.Executable) string {
	parts := []string{exe.Path, "origin " + string(exe.Origin)}
	if exe.Script {
		parts = append(parts, "script")
	}
	if exe.Volume != "" {
		parts = append(parts, "volume "+exe.Volume)
	}
	if exe.Mount != "" {
		parts = append(parts, fmt.Sprintf("mount %s (%s)", exe.Mount, exe.FSType))
	}
	if exe.HostPath != "" {
		parts = append(parts, "on the node "+exe.HostPath)
	}
	if exe.SHA256 != "" {
		parts = append(parts, "sha256:"+exe.SHA256)
	}
	if exe.Gained != "" {
		parts = append(parts, "gained "+exe.Gained)
	}
	if exe.Stale {
		parts = append(parts, "changed since it was started")
	}
	if exe.Detail != "" {
		parts = append(parts, exe.Detail)
	}
	return strings.Join(parts, ", ")
}
