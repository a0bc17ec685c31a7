package hosts

import (
	"fmt"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// PackageIndexStale fails a node whose index of security updates is old. Source:
// the dates that the security archive itself signed (Date and Valid-Until of its
// Release file). Archives without signed dates (rpm, pacman, apk) are as old as the
// last time at which the host's tool has proved that its copy is current, and a copy
// without new content for two months counts as old, and for a year as too old. When somebody last tried to
// refresh the index proves nothing: the mirror may have been unreachable, or frozen.
var PackageIndexStale = checks.Check{
	ID:       "hosts/package-index-stale",
	Title:    "The node's index of security updates is fresh",
	Severity: api.Medium,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Packages},
	Scope:    checks.ScopeNode,
	Why: "A node installs only the updates that its own index lists. With an old index nothing is pending, " +
		"whatever has been fixed since.",
	Remediation: "Refresh the index (apt-get update, dnf makecache, zypper refresh) and read its output: apt-get exits with 0 although a mirror was not reached. " +
		"If the date does not change, the mirror itself is behind: use another one.",
	References: []string{
		"man:sources.list(5)",
		"https://wiki.debian.org/DebianRepository/Format#Date.2C_Valid-Until",
	},
	Judge: judgePackageIndexStale,
}

// The ages at which a security index is old, and at which it proves nothing any
// more. Clocks differ, but not by a day.
const (
	indexFuture = -24 * time.Hour
	indexOld    = 7 * 24 * time.Hour
	indexTooOld = 30 * 24 * time.Hour
	// contentOld is for archives that do not sign when their index was made anew:
	// the mirror may be frozen, though each refresh succeeds. After a year without any
	// news nothing is shown any more.
	contentOld    = 60 * 24 * time.Hour
	contentTooOld = 365 * 24 * time.Hour
)

func judgePackageIndexStale(v *checks.View) []api.Finding {
	var findings []api.Finding
	for i := range v.Nodes {
		node := &v.Nodes[i]
		if !node.Measured.HasRead(fact.Packages) || node.Measured.Host.Packages == nil {
			continue // hosts/pending-security-updates says so
		}
		findings = append(findings, judgeIndex(v, node))
	}
	return findings
}

func judgeIndex(v *checks.View, node *fact.Node) api.Finding {
	f := api.Finding{Subject: fact.Subject{Kind: fact.SubjectNode, Name: node.Name}}
	index := securityIndexOf(v, node)
	f.Evidence = []api.Evidence{{Source: checks.NodeSource(node, "%s", index.source), Value: index.text}}
	switch index.state {
	case indexUnknown:
		f.Verdict, f.Reason = api.VerdictUnknown, fact.NotPresent
	case indexFresh:
		f.Verdict = api.Pass
	case indexAging:
		f.Verdict, f.Severity = api.Fail, api.Low
	case indexStale:
		f.Verdict = api.Fail
	}
	f.Message = index.message
	return f
}

// indexState is how much a security index proves.
type indexState int

const (
	indexUnknown indexState = iota
	indexFresh
	indexAging // old, but it still says something
	indexStale // too old to show that nothing is pending
)

// securityIndex is the index of security updates of a node: the oldest, where
// there are several.
type securityIndex struct {
	state   indexState
	message string
	source  string // the archive, or the database
	text    string // its dates, for evidence
}

// securityIndexOf tells how old the node's security archives are, by their own
// dates, at the time of the run.
func securityIndexOf(v *checks.View, node *fact.Node) securityIndex {
	state := node.Measured.Host.Packages
	now := nowOf(v, node)
	worst := securityIndex{source: state.Database, text: "no security archive", message: "no index of a security archive is in use, so its age is unknown"}
	first := true
	// Where no archive knows what is about security, each holds security updates.
	all := publishNoAdvisories(state)
	for _, a := range state.Archives {
		if !a.Security && !(all && a.Unclassified) {
			continue
		}
		index := indexOf(&a, now)
		if first || index.worse(worst) {
			worst, first = index, false
		}
	}
	return worst
}

// nowOf is when the evidence was collected.
func nowOf(v *checks.View, node *fact.Node) fact.Time {
	if v.CollectedAt.IsZero() {
		return node.Measured.At
	}
	return v.CollectedAt
}

// worse reports whether an index proves less than another one: what is stale is
// known to prove nothing.
func (i securityIndex) worse(than securityIndex) bool {
	rank := map[indexState]int{indexFresh: 0, indexAging: 1, indexUnknown: 2, indexStale: 3}
	return rank[i.state] > rank[than.state]
}

func indexOf(a *fact.PackageArchive, now fact.Time) securityIndex {
	out := securityIndex{source: "archive " + a.Name, text: "no date"}
	proved := a.Proved()
	if proved.IsZero() || now.IsZero() {
		out.message = "the age of its security index is unknown"
		return out
	}
	age := now.Sub(proved.Time)
	out.text = ""
	if !a.Checked.IsZero() {
		out.text = "checked " + a.Checked.UTC().Format(time.RFC3339) + ", "
	}
	if a.Date.IsZero() {
		out.text += "no date"
	} else {
		out.text += "dated " + a.Date.UTC().Format(time.RFC3339)
	}
	if !a.ValidUntil.IsZero() {
		out.text += ", valid until " + a.ValidUntil.UTC().Format(time.RFC3339)
	}
	days := int(age / (24 * time.Hour))
	content := time.Duration(0)
	if !a.Checked.IsZero() && !a.Date.IsZero() {
		content = now.Sub(a.Date.Time)
	}
	switch {
	case age < indexFuture:
		out.message = "its security index is dated in the future: a clock is wrong"
	case !a.ValidUntil.IsZero() && now.After(a.ValidUntil.Time):
		out.state, out.message = indexStale, fmt.Sprintf("its security index is no longer valid: it is %s old", checks.Count(days, "day"))
	case age > indexTooOld:
		out.state, out.message = indexStale, fmt.Sprintf("its security index is %s old", checks.Count(days, "day"))
	case content > contentTooOld:
		out.state, out.message = indexStale, fmt.Sprintf("the newest content of its security index is %s old", checks.Count(int(content/(24*time.Hour)), "day"))
	case age > indexOld:
		out.state, out.message = indexAging, fmt.Sprintf("its security index is %s old", checks.Count(days, "day"))
	case content > contentOld:
		out.state, out.message = indexAging, fmt.Sprintf("the newest content of its security index is %s old", checks.Count(int(content/(24*time.Hour)), "day"))
	default:
		out.state, out.message = indexFresh, "its security index is at most 7 days old"
	}
	return out
}
