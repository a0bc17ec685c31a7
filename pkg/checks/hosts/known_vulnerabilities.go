package hosts

import (
	"fmt"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
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

// databaseOld is the age above which a database says too little about what is known
// today. The large ones change every day.
const databaseOld = 30 * 24 * time.Hour

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
		f.Evidence = append(f.Evidence, vulnerabilityEvidence(node, &h.Found[i]))
	}
	f.Evidence = append(
		f.Evidence,
		api.Evidence{Source: checks.NodeSource(node, "installed packages"), Value: hostWords(h)},
		api.Evidence{Source: "database " + data.Name, Value: databaseWords(data)},
	)
	for _, text := range h.Undecided {
		f.Evidence = append(f.Evidence, api.Evidence{Source: "database " + data.Name, Value: "not comparable: " + text})
	}
	switch {
	case len(h.Found) > 0:
		f.Verdict, f.Reason = api.Fail, ""
		f.Severity = vulnerabilitySeverity(h)
		f.Message = vulnerabilityWords(h)
	case h.Unsupported != "":
		f.Reason, f.Message = fact.Unsupported, h.Unsupported
	case data.Incomplete != "":
		f.Reason, f.Message = fact.Truncated, "no known vulnerability was found, but the database was not read whole: "+data.Incomplete
	case data.Unreadable > 0:
		f.Reason = fact.Corrupt
		f.Message = fmt.Sprintf("no known vulnerability was found, but %s of the database could not be read", checks.Count(data.Unreadable, "record"))
	case !h.Covered:
		f.Message = "the database has no record of " + h.Ecosystem
	case h.UndecidedCount > 0:
		f.Reason = fact.Unsupported
		f.Message = fmt.Sprintf("no known vulnerability was found, but %s about its packages cannot be compared", checks.Count(h.UndecidedCount, "record"))
	case h.Modified.IsZero() || data.Compared.IsZero():
		f.Message = "no known vulnerability was found, but the age of the database is unknown"
	case data.Compared.Sub(h.Modified.Time) > databaseOld:
		f.Message = fmt.Sprintf("no known vulnerability was found, but the database's newest record of %s is %s old",
			h.Ecosystem, checks.Count(int(data.Compared.Sub(h.Modified.Time)/(24*time.Hour)), "day"))
	case h.Packages == 0:
		f.Message = "no installed package was compared"
	default:
		f.Verdict, f.Reason, f.Message = api.Pass, "", "no known vulnerability in its packages"
		if h.NotCoveredCount > 0 {
			f.Message += fmt.Sprintf(", without the %d that are not the distribution's own", h.NotCoveredCount)
		}
	}
	return f
}

// databaseWords say what was read of a database.
func databaseWords(data *fact.VulnerabilityData) string {
	text := checks.Count(data.Records, "record")
	if !data.Modified.IsZero() {
		text += ", the newest of " + data.Modified.UTC().Format(time.DateOnly)
	}
	if data.Unreadable > 0 {
		text += fmt.Sprintf("; %d could not be read: %s", data.Unreadable, strings.Join(data.Faults, "; "))
	}
	if data.Incomplete != "" {
		text += "; not read whole: " + data.Incomplete
	}
	return text
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
	total := h.Total
	text := fmt.Sprintf("%d known vulnerabilities", total)
	if total == 1 {
		text = "1 known vulnerability"
	}
	switch h.Fixable {
	case 0:
		text += ", none with a fix"
	default:
		text += fmt.Sprintf(", %d with a fix", h.Fixable)
	}
	var names []string
	for i := range h.Found {
		if name := h.Found[i].Package + " " + h.Found[i].ID; len(names) < namesMessage {
			names = append(names, name)
		}
	}
	text += ": " + strings.Join(names, ", ")
	if more := len(h.Found) + h.Unlisted - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// vulnerabilitySeverity is the worst of those with a fix.
func vulnerabilitySeverity(h *fact.HostVulnerabilities) api.Severity {
	worst := api.Low
	for i := range h.Found {
		v := &h.Found[i]
		severity := api.Severity(v.Severity)
		if severity.Rank() == 0 {
			severity = api.Medium
		}
		if v.Fixed != "" && severity.Rank() > worst.Rank() {
			worst = severity
		}
	}
	return worst
}

func vulnerabilityEvidence(node *fact.Node, v *fact.Vulnerability) api.Evidence {
	text := v.Installed + " installed, no fix"
	if v.Fixed != "" {
		text = v.Installed + " installed, fixed in " + v.Fixed
	}
	severity := v.Severity
	if severity == "" {
		severity = "unknown"
	}
	text = v.ID + ": " + text + ", severity " + severity
	if len(v.Records) > 0 && (len(v.Records) > 1 || v.Records[0] != v.ID) {
		text += " (" + strings.Join(v.Records, ", ") + ")"
	}
	return api.Evidence{Source: checks.NodeSource(node, "source package %s", v.Package), Value: text}
}
