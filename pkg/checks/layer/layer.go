// Package layer judges the code in the writable layer of a container. Two
// questions need it: whether code is added only at build time, and whether a
// container has drifted.
package layer

import (
	"fmt"
	"path"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// Drift is a file of code that differs from the image.
type Drift struct {
	File     *fact.UpperFile
	Severity api.Severity
	// Gains is true if only its rights differ: a program of the image that became
	// set-user-ID, or got file capabilities.
	Gains bool
}

// Code returns the files of code that differ from the image, and those of which
// this is unknown, in the order of their paths. Removed files are in neither list.
func Code(r checks.Running) (drifted []Drift, unknown []*fact.UpperFile) {
	for i := range r.Measured.Upper.Files {
		file := &r.Measured.Upper.Files[i]
		switch file.Origin {
		case fact.OriginAdded, fact.OriginChanged:
			drifted = append(drifted, Drift{File: file, Severity: severity(file)})
		case fact.OriginMetadata, fact.OriginImage:
			if file.Gained != "" {
				drifted = append(drifted, Drift{File: file, Severity: Gains(r, r.Measured.Root), Gains: true})
			}
		case fact.OriginRemoved:
		default:
			unknown = append(unknown, file)
		}
	}
	return drifted, unknown
}

// severity grades an added or changed file by what it takes to run it. The
// loader runs an ELF file of any mode; a script without the x bit takes an
// interpreter that is told to read it. The loader's cache only names libraries, and
// ldconfig writes it, as a hook of a runtime (NVIDIA's) too.
func severity(file *fact.UpperFile) api.Severity {
	switch executable := file.Mode&0o111 != 0; {
	case file.Kind == "loader" && path.Base(file.Path) == "ld.so.cache":
		return api.Medium
	case file.Gained != "", file.Kind == "loader", file.Kind == "elf", file.Kind == "library", file.Kind == "script" && executable:
		return api.High
	case file.Kind == "code" && strings.Contains(file.Path, "/__pycache__/"):
		return api.Low // Python writes these itself
	}
	return api.Medium
}

// Gains grades a file that can give more rights to its caller than the image's
// can. The kernel ignores that for processes with no_new_privs and on a mount
// with nosuid.
func Gains(r checks.Running, mount *fact.Mount) api.Severity {
	if mount != nil && mount.NoSuid {
		return api.Medium
	}
	for i := range r.Measured.Processes {
		if p := &r.Measured.Processes[i]; p.NoNewPrivs == nil || !*p.NoNewPrivs {
			return api.High
		}
	}
	if len(r.Measured.Processes) == 0 {
		return api.High
	}
	return api.Medium
}

// Incomplete says why the walk of a container's writable layer does not answer
// for all its code, "" if it does.
func Incomplete(walk *fact.UpperWalk) string {
	switch {
	case walk.Truncated:
		return "its writable layer was not walked to the end"
	case len(walk.Files) < walk.Total:
		return "not every executable in its writable layer is in the facts"
	}
	return ""
}

// Summary is the evidence for a walk as a whole.
func Summary(r checks.Running) api.Evidence {
	walk := r.Measured.Upper
	e := api.Evidence{
		Source: Source(r, ""),
		Value:  fmt.Sprintf("%d entries, %d executables", walk.Entries, walk.Total),
	}
	if walk.Path == "" {
		e.Value = "none: nothing can be written to its root"
	}
	if walk.Truncated {
		e.Value += ", not walked to the end"
	}
	return e
}

// Source names a file of a container's writable layer on the node, or with "" the
// layer.
func Source(r checks.Running, path string) string {
	if r.Measured.Upper.Path == "" {
		return r.Source("mountinfo /") + " upperdir"
	}
	return checks.NodeSource(r.Node, "%s", r.Measured.Upper.Path+path)
}

// Describe is the evidence for one file.
func Describe(file *fact.UpperFile) string {
	value := fmt.Sprintf("%s, origin %s, mode %04o, uid %d, %d bytes", file.Kind, file.Origin, file.Mode&0o7777, file.UID, file.Size)
	if file.Gained != "" {
		value += ", gained " + file.Gained
	}
	if file.SHA256 != "" {
		value += ", sha256:" + file.SHA256
	}
	if file.Detail != "" {
		value += ", " + file.Detail
	}
	return value
}

// NotWalked is the finding for a container of which no writable layer was walked.
func NotWalked(r checks.Running) api.Finding {
	root := "not read"
	if r.Measured.Root != nil {
		root = r.Measured.Root.FSType
	}
	return api.Finding{
		Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Basis: api.Measured, Subject: r.Subject(),
		Message:  "it has no writable layer that could be walked",
		Evidence: []api.Evidence{{Source: r.Source("mountinfo /"), Value: root}},
	}
}
