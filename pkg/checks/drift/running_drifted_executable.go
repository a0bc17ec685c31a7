package drift

import (
	"fmt"
	"path"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// RunningDriftedExecutable fails a container that runs code from outside its
// image. Source: /proc/PID/exe of every process (and the scripts that
// interpreters run), compared with the layers of the container's overlay.
var RunningDriftedExecutable = checks.Check{
	ID:       "drift/running-drifted-executable",
	Title:    "Containers run only what their image holds",
	Severity: api.High,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Executables},
	Uses:     []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Why: "A program that was added to a container after it started went through no build, no scan and no review. " +
		"That is what an intruder's tools look like.",
	Remediation: "Find out who put it there, then replace the pod. Make the root file system read-only and mount writable volumes " +
		"noexec, so that it cannot happen again.",
	References: []string{
		"man:proc_pid_exe(5)",
		"https://docs.kernel.org/filesystems/overlayfs.html",
		"https://kubernetes.io/docs/tasks/configure-pod-container/security-context/",
	},
	Judge: judgeRunningDriftedExecutable,
}

func judgeRunningDriftedExecutable(v *checks.View) []api.Finding {
	seen, unseen := checks.RunningContainers(v, fact.Executables)
	findings := checks.Unseen(unseen)
	for _, r := range seen {
		// Processes of one program give one finding, with the first process as
		// evidence.
		done := map[fact.Executable]bool{}
		add := func(exe *fact.Executable, format string, pid int) {
			if !done[*exe] {
				done[*exe] = true
				findings = append(findings, finding(r, checks.NodeSource(r.Node, format, pid), exe))
			}
		}
		for i := range r.Measured.Processes {
			p := &r.Measured.Processes[i]
			if p.Exe == nil {
				// The runtime itself, on its way into the container, has no
				// origin, but that state ends at once.
				if !r.Entering(p) && len(r.Measured.Processes) > 1 {
					findings = append(findings, api.Finding{
						Verdict: api.VerdictUnknown, Reason: fact.Changing, Subject: r.Subject(),
						Message:  "the executable of a process was not read",
						Evidence: []api.Evidence{{Source: checks.NodeSource(r.Node, "/proc/%d/exe", p.PID), Value: "not read"}},
					})
				}
				continue
			}
			add(p.Exe, "/proc/%d/exe", p.PID)
			for j := range p.Scripts {
				add(&p.Scripts[j], "/proc/%d/cmdline", p.PID)
			}
		}
		if len(done) == 0 {
			findings = append(findings, api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: r.Subject(),
				Message:  "none of its executables was read",
				Evidence: []api.Evidence{{Source: r.Source("exe"), Value: "not read"}},
			})
		}
	}
	return findings
}

func finding(r checks.Running, source string, exe *fact.Executable) api.Finding {
	f := judgeExecutable(r, exe)
	f.Subject = r.Subject()
	f.Evidence = []api.Evidence{{Source: source, Value: describe(exe)}}
	return f
}

// judgeExecutable returns verdict, severity, reason and message for an origin.
func judgeExecutable(r checks.Running, exe *fact.Executable) api.Finding {
	runs := "runs " + exe.Path
	if exe.Script {
		runs = "runs the script " + exe.Path
	}
	fail := func(severity api.Severity, why string) api.Finding {
		return api.Finding{Verdict: api.Fail, Severity: severity, Message: runs + ", " + why}
	}
	switch exe.Origin {
	case fact.OriginImage, fact.OriginMetadata, fact.OriginDeletedImage:
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
		Message: runs + ", whose origin is unknown",
	}
}

// judgeReadOnly passes code on a volume that no container can write. Any other
// mount may be read-only only here: another container may be able to write the
// same emptyDir, claim or directory of the node. It is graded one step below
// what is writable here.
func judgeReadOnly(r checks.Running, exe *fact.Executable, fail func(api.Severity, string) api.Finding) api.Finding {
	switch kind := volumeKind(r, exe); kind {
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

// volumeKind returns the kind of the volume that holds an executable, "" if it
// is unknown. The path of a subPath names the pod's volume but not its kind,
// and the mount of an image volume names neither. The spec has both.
func volumeKind(r checks.Running, exe *fact.Executable) string {
	kind, name, _ := strings.Cut(exe.Volume, "/")
	if r.Declared == nil || kind != "" && kind != "subPath" {
		return kind
	}
	for i := range r.Workload.Spec.Volumes {
		v := &r.Workload.Spec.Volumes[i]
		if kind == "subPath" && v.Name == name {
			return v.Source
		}
		for _, m := range r.Declared.Mounts {
			if kind == "" && m.Volume == v.Name && path.Clean(m.Path) == exe.Mount {
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
	if exe.Stale {
		parts = append(parts, "changed since it was started")
	}
	if exe.Detail != "" {
		parts = append(parts, exe.Detail)
	}
	return strings.Join(parts, ", ")
}
