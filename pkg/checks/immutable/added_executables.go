package immutable

import (
	"fmt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// AddedExecutables fails a container whose writable layer has an executable
// that its image does not hold. Source: a walk of the overlay's upperdir on the
// node. A file that was only touched (chmod, chown) has the image's content and
// passes.
var AddedExecutables = checks.Check{
	ID:       "immutable/added-executables",
	Title:    "No executable was added to a running container",
	Severity: api.High,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Upperdir},
	Uses:     []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Why: "Code added after the build is in no scan, review or signature. Other pods of the same image do not have it. " +
		"Install-at-start scripts, self-updates and intruders leave it behind.",
	Remediation: "Put the program into the image and rebuild it. Make the root file system read-only, so that code cannot be added.",
	References: []string{
		"https://docs.kernel.org/filesystems/overlayfs.html",
		"https://kubernetes.io/docs/tasks/configure-pod-container/security-context/",
	},
	Judge: judgeAddedExecutables,
}

// pathsMessage is how many paths a message names.
const pathsMessage = 3

func judgeAddedExecutables(v *checks.View) []api.Finding {
	seen, unseen := checks.RunningContainers(v, fact.Upperdir)
	findings := checks.Unseen(unseen)
	for _, r := range seen {
		findings = append(findings, judgeUpper(r))
	}
	return findings
}

func judgeUpper(r checks.Running) api.Finding {
	f := api.Finding{Subject: r.Subject(), Basis: api.Measured}
	walk := r.Measured.Upper
	if walk == nil {
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.NotPresent, "it has no writable layer that could be walked"
		f.Evidence = []api.Evidence{{Source: r.Source("mountinfo /"), Value: rootType(r.Measured.Root)}}
		return f
	}
	var added, unknown []string
	var evidence, notes []api.Evidence
	for i := range walk.Files {
		file := &walk.Files[i]
		e := api.Evidence{Source: checks.NodeSource(r.Node, "%s", walk.Path+file.Path), Value: describe(file)}
		switch file.Origin {
		case fact.OriginAdded, fact.OriginChanged:
			added, evidence = append(added, file.Path), append(evidence, e)
		case fact.OriginMetadata, fact.OriginImage:
			notes = append(notes, e)
		default:
			unknown, notes = append(unknown, file.Path), append(notes, e)
		}
	}
	summary := api.Evidence{
		Source: checks.NodeSource(r.Node, "%s", walk.Path),
		Value:  fmt.Sprintf("%d entries, %d executables", walk.Entries, walk.Total),
	}
	if walk.Truncated {
		summary.Value += ", not walked to the end"
	}
	switch {
	case len(added) > 0:
		f.Verdict, f.Message = api.Fail, "added to the container or changed in it: "+checks.JoinWords(added, pathsMessage)
		f.Evidence = append(evidence, summary)
		return f
	case len(unknown) > 0:
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.Unsupported, "of unknown origin: "+checks.JoinWords(unknown, pathsMessage)
	case walk.Truncated:
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.Truncated, "its writable layer was not walked to the end"
	case len(walk.Files) < walk.Total:
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.Truncated, "not every executable in its writable layer is in the facts"
	case len(notes) > 0:
		f.Verdict, f.Message = api.Pass, "executables in its writable layer have the image's content"
	default:
		f.Verdict, f.Message = api.Pass, "no executable in its writable layer"
	}
	f.Evidence = append([]api.Evidence{summary}, notes...)
	return f
}

func describe(file *fact.UpperFile) string {
	value := fmt.Sprintf("%s, origin %s, mode %04o, uid %d, %d bytes", file.Kind, file.Origin, file.Mode&0o7777, file.UID, file.Size)
	if file.SHA256 != "" {
		value += ", sha256:" + file.SHA256
	}
	if file.Detail != "" {
		value += ", " + file.Detail
	}
	return value
}

func rootType(root *fact.Mount) string {
	if root == nil {
		return "not read"
	}
	return root.FSType
}
