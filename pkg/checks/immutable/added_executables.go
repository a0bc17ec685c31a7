package immutable

import (
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/layer"
)

// AddedExecutables fails a container whose writable layer has code that its image
// does not hold: by content, whatever the mode, because ld.so and interpreters run
// files without the x bit. Source: a walk of the overlay's upperdir on the node. A
// file that was only touched (chmod, chown) has the image's content and passes,
// unless it became set-user-ID or got file capabilities.
var AddedExecutables = checks.Check{
	ID:       "immutable/added-executables",
	Title:    "No executable was added to a running container",
	Severity: api.High,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Upperdir},
	Uses:     []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Why: "Code added after the build is in no scan, review or signature. Other pods of the same image do not have it. " +
		"Install-at-start scripts, self-updates and intruders leave it behind. A program of the image that was made set-user-ID " +
		"gives root to anyone who can start it, and a line in /etc/ld.so.preload puts code into every program.",
	Remediation: "Put the program into the image and rebuild it. Make the root file system read-only, so that code cannot be added. " +
		"Set allowPrivilegeEscalation to false, so that set-user-ID programs give nothing.",
	References: []string{
		"https://docs.kernel.org/filesystems/overlayfs.html",
		"https://kubernetes.io/docs/tasks/configure-pod-container/security-context/",
		"man:ld.so(8)",
		"man:execve(2)",
	},
	Judge: judgeAddedExecutables,
}

// pathsMessage is how many paths a message names.
const pathsMessage = 3

func judgeAddedExecutables(v *checks.View) []api.Finding {
	seen, unseen := checks.RunningContainers(v, fact.Upperdir)
	findings := checks.Unseen(unseen)
	for _, r := range seen {
		findings = append(findings, judgeUpper(r)...)
	}
	return findings
}

func judgeUpper(r checks.Running) []api.Finding {
	walk := r.Measured.Upper
	if walk == nil {
		return []api.Finding{layer.NotWalked(r)}
	}
	evidence := func(file *fact.UpperFile) api.Evidence {
		return api.Evidence{Source: layer.Source(r, file.Path), Value: layer.Describe(file)}
	}
	drifted, unknown := layer.Code(r)
	var findings []api.Finding
	low := true // no finding that decides an answer
	// Files of one grade give one finding.
	for _, gains := range []bool{false, true} {
		for _, severity := range []api.Severity{api.High, api.Medium, api.Low} {
			f := api.Finding{Verdict: api.Fail, Severity: severity, Basis: api.Measured, Subject: r.Subject()}
			var paths []string
			for _, d := range drifted {
				if d.Gains == gains && d.Severity == severity {
					paths, f.Evidence = append(paths, d.File.Path), append(f.Evidence, evidence(d.File))
				}
			}
			if len(paths) == 0 {
				continue
			}
			low = low && severity == api.Low
			f.Message = "added to the container or changed in it: "
			if gains {
				f.Message = "programs of the image that got more rights in the container (set-user-ID, set-group-ID or file capabilities): "
			}
			f.Message += checks.JoinWords(paths, pathsMessage)
			f.Evidence = append(f.Evidence, layer.Summary(r))
			findings = append(findings, f)
		}
	}
	if !low {
		return findings
	}
	f := api.Finding{Subject: r.Subject(), Basis: api.Measured}
	var unknownPaths []string
	for _, file := range unknown {
		unknownPaths = append(unknownPaths, file.Path)
	}
	switch incomplete := layer.Incomplete(walk); {
	case len(unknown) > 0:
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.Unsupported, "of unknown origin: "+checks.JoinWords(unknownPaths, pathsMessage)
	case incomplete != "":
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.Truncated, incomplete
	case len(findings) > 0:
		return findings
	case len(walk.Files) > 0:
		f.Verdict, f.Message = api.Pass, "executables in its writable layer have the image's content"
	default:
		f.Verdict, f.Message = api.Pass, "no executable in its writable layer"
	}
	f.Evidence = []api.Evidence{layer.Summary(r)}
	for i := range walk.Files {
		file := &walk.Files[i]
		if file.Origin != fact.OriginAdded && file.Origin != fact.OriginChanged {
			f.Evidence = append(f.Evidence, evidence(file))
		}
	}
	return append(findings, f)
}
