package hosts

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// PendingSecurityUpdates fails a node with packages for which its own index
// knows a security update. Source: the package database and the package lists
// on the node; nothing is downloaded. A version from a security archive, or of a
// security advisory, counts if it is newer than the installed one and not newer than
// the candidate. Where no archive publishes advisories, it is unknown, and so it is on
// a system that is updated as a whole image.
var PendingSecurityUpdates = checks.Check{
	ID:       "hosts/pending-security-updates",
	Title:    "No security update is pending on the node",
	Severity: api.High,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Packages},
	Scope:    checks.ScopeNode,
	Evidence: maxPackages,
	Why: "A fixed vulnerability is public: from the day of the update, anyone can read what it was. " +
		"Containers share the node's kernel and runtime, so the node's holes are also theirs.",
	Remediation: "Install the updates (apt-get update && apt-get dist-upgrade; dnf upgrade --security; zypper patch), enable automatic ones, or replace the node " +
		"with one from a newer image. Remove package holds and preferences (pins) that block an update.",
	References: []string{
		"man:apt_preferences(5)",
		"https://www.debian.org/security/",
		"https://ubuntu.com/security/notices",
	},
	Judge: judgePendingSecurityUpdates,
}

// maxPackages bounds the evidence about single packages in machine output.
const maxPackages = 5000

// namesMessage is how many names of packages a message holds.
const namesMessage = 3

func judgePendingSecurityUpdates(v *checks.View) []api.Finding {
	var findings []api.Finding
	for i := range v.Nodes {
		if v.Nodes[i].Measured.HasRead(fact.Packages) {
			f := judgePackages(v, &v.Nodes[i])
			f.Evidence = append(f.Evidence, automaticUpdates(&v.Nodes[i])...)
			findings = append(findings, f)
		}
	}
	return findings
}

func judgePackages(v *checks.View, node *fact.Node) api.Finding {
	f := api.Finding{Subject: fact.Subject{Kind: fact.SubjectNode, Name: node.Name}}
	state := node.Measured.Host.Packages
	if state == nil && node.Measured.Host.Image != nil {
		return judgeImage(node)
	}
	if state == nil {
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.NotPresent, "no package database was found"
		f.Evidence = []api.Evidence{{Source: checks.NodeSource(node, "package database"), Value: "none"}}
		return f
	}
	source := checks.NodeSource(node, "%s", state.Database)
	if state.Indexes == 0 || state.Installed <= 0 {
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.NotPresent, "it has no package index to compare with"
		f.Evidence = []api.Evidence{{Source: source, Value: fmt.Sprintf("%d packages installed, 0 package lists", state.Installed)}}
		return f
	}

	var pending, held []string
	var evidence, heldEvidence []api.Evidence
	others, unclassifiedCount := 0, 0
	for _, p := range state.Pending {
		if p.Security == "" {
			others++
			if p.Unclassified {
				unclassifiedCount++
			}
			continue
		}
		value := fmt.Sprintf("%s installed, %s in %s", p.Installed, p.Security, cmp.Or(p.Archive, "no list of packages"))
		if p.Advisory != "" {
			value += " (" + p.Advisory + ")"
		}
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
	index, unclassified := securityIndexOf(v, node), unclassifiedIndexOf(v, node)
	state0 := fmt.Sprintf("%d packages installed, %d package lists, %d other updates pending; %s %s",
		state.Installed, state.Indexes, others, index.source, index.text)
	f.Evidence = append(append([]api.Evidence{{Source: source, Value: state0}}, evidence...), heldEvidence...)
	if state.Pin != nil {
		f.Evidence = append(f.Evidence, api.Evidence{Source: checks.NodeSource(node, "%s", state.Pin.Source), Value: "release " + state.Pin.Release})
	}

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
	case unclassifiedCount > 0 || publishNoAdvisories(state):
		f.Verdict, f.Reason = api.VerdictUnknown, fact.NotPresent
		f.Message = fmt.Sprintf("%s pending, security unknown: no advisories are published for them", checks.Count(unclassifiedCount, "update"))
	case state.Pin != nil:
		f.Verdict, f.Reason = api.VerdictUnknown, fact.NotPresent
		f.Message = fmt.Sprintf("no security update is pending, but the node stays on release %s: later updates are not visible", state.Pin.Release)
	case index.state != indexUnknown && index.state != indexStale && unclassified.state == indexStale:
		f.Verdict, f.Reason = api.VerdictUnknown, fact.NotPresent
		f.Message = "no security update is pending in its lists, but " + unclassified.message
		f.Evidence = append(f.Evidence, api.Evidence{Source: checks.NodeSource(node, "%s", unclassified.source), Value: unclassified.text})
	case withoutArchive(state) > 0:
		count := checks.Count(withoutArchive(state), "package")
		if n := len(state.Uncovered); withoutArchive(state) == n && state.UncoveredCount > n {
			count = "at least " + count // the list was cut
		}
		f.Verdict, f.Reason = api.VerdictUnknown, fact.NotPresent
		f.Message = fmt.Sprintf("no security update is pending in its lists, but for %s of the release no security archive is in use", count)
	case index.state == indexFresh:
		f.Verdict, f.Message = api.Pass, "no security update is pending"
	case index.state == indexAging:
		f.Verdict, f.Message = api.Pass, "no security update is pending, but "+index.message
	default:
		f.Verdict, f.Reason = api.VerdictUnknown, fact.NotPresent
		f.Message = "no security update is pending in its lists, but " + index.message
	}
	return f
}

// withoutArchive counts the listed packages of the node's own release whose security
// archive is not in use.
func withoutArchive(state *fact.PackageState) int {
	n := 0
	for _, p := range state.Uncovered {
		if p.Why == fact.OutsideComponent || p.Why == fact.OutsideOwn {
			n++
		}
	}
	return n
}

// unclassifiedIndexOf is the oldest list of an archive without advisories, fresh if no
// installed package depends on one. With an old list its updates are not seen, and
// they are not known to be about other things than security: dnf skips a repository
// that it cannot reach. The date of the content says nothing: such an archive may stay
// as it was released.
func unclassifiedIndexOf(v *checks.View, node *fact.Node) securityIndex {
	state := node.Measured.Host.Packages
	oldest := securityIndex{state: indexFresh}
	depends := state.UncoveredCount > len(state.Uncovered) // the list is cut
	for _, p := range state.Uncovered {
		depends = depends || p.Why == fact.OutsideAdvisory
	}
	if !depends {
		return oldest
	}
	for _, a := range state.Archives {
		if !a.Unclassified || a.Security {
			continue
		}
		a.Date = fact.Time{}
		if index := indexOf(&a, nowOf(v, node)); index.state == indexStale {
			oldest = index
			oldest.message = "the list of " + a.Name + " is old, and it says nothing about security: " + strings.TrimPrefix(index.message, "its security index is ")
		}
	}
	return oldest
}

// publishNoAdvisories reports whether no archive in use says which of its updates
// are about security.
func publishNoAdvisories(state *fact.PackageState) bool {
	unclassified := false
	for _, a := range state.Archives {
		if a.Security {
			return false
		}
		unclassified = unclassified || a.Unclassified
	}
	return unclassified
}
