package hosts

import (
	"fmt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// UncoveredPackages fails a node with packages of its own release whose security
// archive is not in use. It is unknown for a node with other packages that get no
// security updates from the archives in use: left over from another release, from
// a vendor's own archive, or built by somebody. Source: the package database
// against the package lists on the node.
var UncoveredPackages = checks.Check{
	ID:       "hosts/uncovered-packages",
	Title:    "Each installed package gets security updates",
	Severity: api.Medium,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Packages},
	Scope:    checks.ScopeNode,
	Evidence: maxPackages,
	Why: "A package that no security archive covers never has an update pending, whatever is wrong with it. " +
		"Nobody on the node is told about its vulnerabilities.",
	Remediation: "Enable the security archive of the node's own release for each component and architecture in use, install the " +
		"kernel's metapackage, remove what is left over from another release, and follow the vendor's announcements for the rest.",
	References: []string{
		"https://wiki.debian.org/DebianSecurity",
		"https://help.ubuntu.com/community/Repositories/Ubuntu",
	},
	Judge: judgeUncoveredPackages,
}

// outsideWords say why no security archive covers a package.
var outsideWords = map[fact.Outside]string{
	fact.OutsideLists:      "in no package list",
	fact.OutsideOwn:        "of the distribution, but in no package list: its repository is disabled, or no longer has it",
	fact.OutsideRelease:    "only in archives without security updates for this release",
	fact.OutsideVersions:   "newer than every version of the release",
	fact.OutsideComponent:  "no security archive of its release, component and architecture is in use",
	fact.OutsideUpgrade:    "no metapackage leads to its updates",
	fact.OutsideAdvisory:   "its archives publish no advisories",
	fact.OutsideBestEffort: "its component gets security updates on best effort only",
}

func judgeUncoveredPackages(v *checks.View) []api.Finding {
	var findings []api.Finding
	for i := range v.Nodes {
		node := &v.Nodes[i]
		if node.Measured.HasRead(fact.Packages) && node.Measured.Host.Packages != nil {
			findings = append(findings, judgeUncovered(node))
		}
	}
	return findings
}

func judgeUncovered(node *fact.Node) api.Finding {
	f := api.Finding{Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: fact.Subject{Kind: fact.SubjectNode, Name: node.Name}}
	state := node.Measured.Host.Packages
	source := checks.NodeSource(node, "%s", state.Database)
	secured := false
	for _, a := range state.Archives {
		secured = secured || a.Security
	}
	count := max(state.UncoveredCount, len(state.Uncovered))
	if state.Installed <= 0 || len(state.Archives) == 0 || count == 0 && !secured {
		f.Message = "it has no package lists that show which packages get security updates"
		f.Evidence = []api.Evidence{{Source: source, Value: fmt.Sprintf("%d packages installed, %d package lists", state.Installed, state.Indexes)}}
		return f
	}
	f.Evidence = []api.Evidence{{Source: source, Value: fmt.Sprintf("%d packages installed, %d without a security archive", state.Installed, count)}}
	if count == 0 {
		f.Verdict, f.Reason, f.Message = api.Pass, "", "the security archive of its release and component is in use for each installed package"
		return f
	}
	names := make([]string, 0, len(state.Uncovered))
	for _, p := range state.Uncovered {
		if p.Why == fact.OutsideComponent {
			f.Verdict, f.Reason = api.Fail, ""
		}
		names = append(names, p.Name)
		value := p.Version + ": " + outsideWords[p.Why]
		if p.Archive != "" {
			value += " (" + p.Archive + ")"
		}
		f.Evidence = append(f.Evidence, api.Evidence{Source: source + " " + p.Name + ":" + p.Arch, Value: value})
	}
	words := "packages get"
	if count == 1 {
		words = "package gets"
	}
	f.Message = fmt.Sprintf("%d %s no security updates from the archives in use", count, words)
	if len(names) > 0 {
		shown := names[:min(len(names), namesMessage)]
		f.Message += ": " + checks.JoinWords(shown, namesMessage)
		if more := count - len(shown); more > 0 {
			f.Message += fmt.Sprintf(" and %d more", more)
		}
	}
	return f
}
