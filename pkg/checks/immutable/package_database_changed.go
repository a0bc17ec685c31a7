package immutable

import (
	"fmt"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/layer"
)

// PackageDatabaseChanged fails a container in which packages were installed,
// removed or changed after it was started. Source: the database of dpkg, apk or rpm
// in the container's writable layer, compared with that of the image by package
// names and versions.
var PackageDatabaseChanged = checks.Check{
	ID:       "immutable/package-database-changed",
	Title:    "No package was installed in a running container",
	Severity: api.High,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Upperdir},
	Uses:     []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Why: "A package that was installed after the build is in no scan of the image, and nobody knows which version the next pod gets. " +
		"The database still names it where its files were removed, or where they are not code.",
	Remediation: "Install packages when the image is built. Make the root file system read-only, so that a package manager cannot work.",
	References: []string{
		"man:dpkg-query(1)",
		"https://docs.kernel.org/filesystems/overlayfs.html",
		"https://kubernetes.io/docs/tasks/configure-pod-container/security-context/",
	},
	Judge: judgePackageDatabaseChanged,
}

func judgePackageDatabaseChanged(v *checks.View) []api.Finding {
	seen, unseen := checks.RunningContainers(v, fact.Upperdir)
	findings := checks.Unseen(unseen)
	for _, r := range seen {
		findings = append(findings, judgePackages(r))
	}
	return findings
}

func judgePackages(r checks.Running) api.Finding {
	walk, change := r.Measured.Upper, r.Measured.Packages
	f := api.Finding{Verdict: api.Pass, Subject: r.Subject(), Basis: api.Measured}
	if change != nil && change.Path == "" {
		f.Evidence = []api.Evidence{{Source: r.Source("root"), Value: "package database not compared"}}
	} else if change != nil {
		f.Evidence = []api.Evidence{packagesEvidence(r, change)}
	}
	switch {
	case change != nil && change.Total > 0:
		f.Verdict, f.Message = api.Fail, packagesMessage(change)
		if change.Total == len(change.Removed) {
			f.Severity = api.Medium
		}
	case walk == nil:
		return layer.NotWalked(r)
	case change != nil && change.Reason != "":
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, change.Reason, change.Detail
	case change != nil:
		f.Message = "its package database was written and lists the packages of the image"
	case walk.Truncated:
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.Truncated, "its writable layer was not walked to the end"
		f.Evidence = []api.Evidence{layer.Summary(r)}
	default:
		f.Message = "its writable layer has no package database"
		f.Evidence = []api.Evidence{layer.Summary(r)}
	}
	return f
}

// packagesMessage says what was done and to which packages, by the gravest kind of
// change; it counts the others.
func packagesMessage(c *fact.PackageChange) string {
	names, done := c.Added, "installed"
	switch {
	case len(c.Added) > 0:
	case len(c.Changed) > 0:
		names, done = c.Changed, "changed"
	case len(c.Removed) > 0:
		names, done = c.Removed, "removed"
	default:
		return checks.Count(c.Total, "package") + " differ from the image"
	}
	only := len(names) == len(c.Added)+len(c.Changed)+len(c.Removed)
	shown := names[:min(len(names), pathsMessage)]
	text, more := strings.Join(shown, ", "), c.Total-len(shown)
	was := "were"
	switch {
	case more > 0 && only: // the list may be cut; Total counts all
		text += fmt.Sprintf(" and %d more", more)
	case len(names) > len(shown):
		text += fmt.Sprintf(" and %d more", len(names)-len(shown))
	case len(names) == 1:
		was = "was"
	}
	text += fmt.Sprintf(" %s %s after the container started", was, done)
	if others := c.Total - len(names); others > 0 && !only {
		text += fmt.Sprintf("; %d more differences", others)
	}
	return text
}

func packagesEvidence(r checks.Running, c *fact.PackageChange) api.Evidence {
	value := fmt.Sprintf("%s: %d added, %d removed, %d changed", c.Manager, len(c.Added), len(c.Removed), len(c.Changed))
	if listed := len(c.Added) + len(c.Removed) + len(c.Changed); listed < c.Total {
		value += fmt.Sprintf(", of %d differences", c.Total)
	}
	if !c.At.IsZero() {
		value += ", written " + c.At.UTC().Format(time.RFC3339)
	}
	source := r.Source("root" + c.Path)
	if r.Measured.Upper != nil && r.Measured.Upper.Path != "" {
		source = layer.Source(r, c.Path)
	}
	return api.Evidence{Source: source, Value: value}
}
