package hosts

import (
	"fmt"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/vulnerabilities"
)

// KnownVulnerabilities fails a node with packages that have known vulnerabilities.
// Source: the package database on the node, against the database that the user gives
// with --vulnerabilities (package osv compares them). The severity is the worst of
// those that have a fix, medium where it is unknown. Without a fix there is nothing to
// install: low.
var KnownVulnerabilities = checks.Check{
	ID:       "hosts/known-vulnerabilities",
	Title:    "The node's packages have no known vulnerability",
	Severity: api.Critical,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Inventory},
	Uses:     []fact.Kind{fact.Packages},
	Scope:    checks.ScopeNode,
	Evidence: fact.MaxVulnerabilities + fact.MaxUnfixed + fact.MaxUndecided + 2,
	Database: func(set *fact.Set) bool { return set.Vulnerabilities != nil },
	Why: "A host's own package lists know only the updates that its archives offer. A database of vulnerabilities also knows " +
		"those that have no fix yet, those whose fix never reached the host, and how severe each is.",
	Remediation: "Install the versions with the fix, or replace the node with one from a newer image. For a vulnerability without " +
		"a fix, read the distribution's advice, and remove the package where nothing needs it.",
	References: []string{
		"https://ossf.github.io/osv-schema/",
		"https://google.github.io/osv.dev/data/",
	},
	Judge: judgeKnownVulnerabilities,
}

func judgeKnownVulnerabilities(v *checks.View) []api.Finding {
	var findings []api.Finding
	for i := range v.Nodes {
		if node := &v.Nodes[i]; node.Measured.HasRead(fact.Inventory) {
			findings = append(findings, judgeVulnerabilities(v.Vulnerabilities, node))
		}
	}
	return findings
}

func judgeVulnerabilities(data *fact.VulnerabilityData, node *fact.Node) api.Finding {
	f := api.Finding{Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: fact.Subject{Kind: fact.SubjectNode, Name: node.Name}}
	h := node.Vulnerable
	if data == nil || h == nil {
		f.Message = "its packages were not compared with a database of vulnerabilities: give one with --vulnerabilities"
		f.Evidence = []api.Evidence{{
			Source: checks.NodeSource(node, "installed packages"), Value: checks.Count(len(node.Measured.Host.Inventory), "package"),
		}}
		return f
	}
	// A screen shows the first piece of evidence.
	for i := range h.Found {
		v := &h.Found[i]
		f.Evidence = append(f.Evidence, api.Evidence{Source: checks.NodeSource(node, "source package %s", v.Package), Value: vulnerabilities.Describe(v)})
	}
	f.Evidence = append(
		f.Evidence,
		api.Evidence{Source: checks.NodeSource(node, "installed packages"), Value: hostWords(h)},
		api.Evidence{Source: "database " + data.Name, Value: vulnerabilities.Database(data)},
	)
	for _, text := range h.Undecided {
		f.Evidence = append(f.Evidence, api.Evidence{Source: "database " + data.Name, Value: "not comparable: " + text})
	}
	f.Verdict, f.Reason, f.Message = vulnerabilities.Judge(data, h)
	switch {
	case f.Verdict == api.Fail:
		f.Severity, f.Message = vulnerabilities.Severity(h), vulnerabilityWords(h)
	case f.Verdict == api.Pass && h.NotCoveredCount > 0:
		f.Message += fmt.Sprintf(", without the %d that are not the distribution's own", h.NotCoveredCount)
	}
	return f
}

// hostWords say what was compared of a host.
func hostWords(h *fact.HostVulnerabilities) string {
	text := checks.Count(h.Packages, "package")
	if h.Ecosystem != "" {
		text += " compared with records of " + h.Ecosystem
	}
	if h.NotCoveredCount > 0 {
		text += fmt.Sprintf("; %d of them not the distribution's own", h.NotCoveredCount)
		if len(h.NotCovered) > 0 {
			text += ": " + strings.Join(h.NotCovered, ", ")
		}
	}
	if h.Unlisted > 0 {
		text += fmt.Sprintf("; %d vulnerabilities more than are listed here", h.Unlisted)
	}
	return text
}

// vulnerabilityWords name the first vulnerabilities: "12 known vulnerabilities, 9 with
// a fix: openssl CVE-2024-1, ...".
func vulnerabilityWords(h *fact.HostVulnerabilities) string {
	text := vulnerabilities.Count(h.Total, h.Fixable)
	var names []string
	for i := range h.Found {
		if name := h.Found[i].Package + " " + h.Found[i].ID; len(names) < vulnerabilities.Names {
			names = append(names, name)
		}
	}
	text += ": " + strings.Join(names, ", ")
	if more := len(h.Found) + h.Unlisted - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
