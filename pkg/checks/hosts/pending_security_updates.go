package hosts

import (
	"fmt"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// PendingSecurityUpdates fails a node with packages for which its own index
// knows a security update. Source: the package database and the package lists
// on the node; nothing is downloaded. A version from a security archive counts
// if it is newer than the installed one and not newer than the candidate.
var PendingSecurityUpdates = checks.Check{
	ID:       "hosts/pending-security-updates",
	Title:    "No security update is pending on the node",
	Severity: api.High,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Packages},
	Scope:    checks.ScopeNode,
	Why: "A fixed vulnerability is public: from the day of the update, anyone can read what it was. " +
		"Containers share the node's kernel and runtime, so the node's holes are also theirs.",
	Remediation: "Install the updates (apt-get update && apt-get dist-upgrade), enable unattended-upgrades, or replace the node " +
		"with one from a newer image. Remove package holds and preferences (pins) that block an update.",
	References: []string{
		"man:apt_preferences(5)",
		"https://www.debian.org/security/",
		"https://ubuntu.com/security/notices",
	},
	Judge: judgePendingSecurityUpdates,
}

// The ages of a package index at which "none pending" gets a note, and at which
// it proves nothing any more. Clocks differ, but not by a day.
const (
	indexFuture  = -24 * time.Hour
	indexOld     = 7 * 24 * time.Hour
	indexTooOld  = 30 * 24 * time.Hour
	namesMessage = 3
)

func judgePendingSecurityUpdates(v *checks.View) []api.Finding {
	var findings []api.Finding
	for i := range v.Nodes {
		if v.Nodes[i].Measured.HasRead(fact.Packages) {
			findings = append(findings, judgePackages(v, &v.Nodes[i]))
		}
	}
	return findings
}

func judgePackages(v *checks.View, node *fact.Node) api.Finding {
	f := api.Finding{Subject: fact.Subject{Kind: fact.SubjectNode, Name: node.Name}}
	state := node.Measured.Host.Packages
	if state == nil {
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.NotPresent, "no package database was found"
		f.Evidence = []api.Evidence{{Source: checks.NodeSource(node, "package database"), Value: "none"}}
		return f
	}
	source := checks.NodeSource(node, "%s", state.Database)
	if state.Indexes == 0 {
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.NotPresent, "it has no package index to compare with"
		f.Evidence = []api.Evidence{{Source: source, Value: fmt.Sprintf("%d packages installed, 0 package lists", state.Installed)}}
		return f
	}

	var pending, held []string
	var evidence, heldEvidence []api.Evidence
	others := 0
	for _, p := range state.Pending {
		if p.Security == "" {
			others++
			continue
		}
		value := fmt.Sprintf("%s installed, %s in %s", p.Installed, p.Security, p.Archive)
		if p.Phasing {
			value += fmt.Sprintf(", phased to %d%%", p.Phased)
		}
		e := api.Evidence{Source: source + " " + p.Name + ":" + p.Arch, Value: value}
		if p.Held {
			e.Value += ", held back"
			held, heldEvidence = append(held, p.Name), append(heldEvidence, e)
		} else {
			pending, evidence = append(pending, p.Name), append(evidence, e)
		}
	}
	age := indexAge(v, node, state)
	state0 := fmt.Sprintf("%d packages installed, %d package lists, %d other updates pending, index %s",
		state.Installed, state.Indexes, others, age.text)
	f.Evidence = append(append([]api.Evidence{{Source: source, Value: state0}}, evidence...), heldEvidence...)

	var parts []string
	if len(pending) > 0 {
		parts = append(parts, fmt.Sprintf("%s pending: %s", checks.Count(len(pending), "security update"), checks.JoinWords(pending, namesMessage)))
	}
	if len(held) > 0 {
		parts = append(parts, fmt.Sprintf("%s held back: %s", checks.Count(len(held), "security update"), checks.JoinWords(held, namesMessage)))
	}
	switch {
	case len(parts) > 0:
		f.Verdict, f.Message = api.Fail, strings.Join(parts, "; ")
	case !age.known:
		f.Verdict, f.Reason = api.VerdictUnknown, fact.NotPresent
		f.Message = "its package index shows no pending security update, but the age of the index is unknown"
	case age.age < indexFuture:
		f.Verdict, f.Reason = api.VerdictUnknown, fact.NotPresent
		f.Message = "its package index shows no pending security update, but the index is dated in the future: a clock is wrong"
	case age.age > indexTooOld:
		f.Verdict, f.Reason = api.VerdictUnknown, fact.NotPresent
		f.Message = "its package index shows no pending security update, but the index is more than 30 days old"
	case age.age > indexOld:
		f.Verdict = api.Pass
		f.Message = "its package index shows no pending security update; the index is more than 7 days old"
	default:
		f.Verdict, f.Message = api.Pass, "no security update is pending"
	}
	return f
}

type age struct {
	known bool
	age   time.Duration
	text  string
}

// indexAge is the time between the last successful check of the index and the
// run. Where the check is unknown, the newest date in the index counts.
func indexAge(v *checks.View, node *fact.Node, state *fact.PackageState) age {
	now := v.CollectedAt
	if now.IsZero() {
		now = node.Measured.At
	}
	then, verb := state.Checked, "checked"
	if then.IsZero() {
		then, verb = state.Content, "dated"
	}
	if now.IsZero() || then.IsZero() {
		return age{text: "of unknown age"}
	}
	return age{true, now.Sub(then.Time), verb + " " + then.UTC().Format(time.RFC3339)}
}
