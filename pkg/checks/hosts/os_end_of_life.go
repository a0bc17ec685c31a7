package hosts

import (
	"fmt"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/endoflife"
)

// OSEndOfLife fails a node whose distribution no longer gives security updates for
// its release. Source: os-release on the node, against dated data in this program
// (package endoflife).
var OSEndOfLife = checks.Check{
	ID:       "hosts/os-end-of-life",
	Title:    "The node's operating system still gets security updates",
	Severity: api.High,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Packages},
	Excuse:   excuseKnownOS,
	Scope:    checks.ScopeNode,
	Why: "After its end of life a release gets no updates at all: nothing is ever pending, and every new vulnerability stays. " +
		"Extended support (Debian LTS, Ubuntu ESM) covers fewer packages, and ESM has to be enabled.",
	Remediation: "Replace the node with one of a supported release. Until then use the extended support that the distribution offers.",
	References: []string{
		"https://wiki.debian.org/LTS",
		"https://ubuntu.com/about/release-cycle",
		"https://packages.debian.org/sid/distro-info-data",
		"https://access.redhat.com/support/policy/updates/errata",
		"https://www.suse.com/lifecycle",
		"https://kernel.org/releases.html",
	},
	Judge: judgeOSEndOfLife,
}

// excuseKnownOS excuses packages that were not read on a node whose os-release was.
func excuseKnownOS(v *checks.View, gap fact.Gap) bool {
	node := v.Node(gap.Subject.Name)
	return gap.Subject.Kind == fact.SubjectNode && node != nil && node.Measured != nil && node.Measured.Host.OS.ID != ""
}

func judgeOSEndOfLife(v *checks.View) []api.Finding {
	var findings []api.Finding
	for i := range v.Nodes {
		node := &v.Nodes[i]
		if node.Measured != nil && (node.Measured.HasRead(fact.Packages) || node.Measured.Host.OS.ID != "") {
			f := judgeOS(v, node)
			addKernelLine(v, node, &f)
			if !node.Measured.HasRead(fact.Packages) {
				f.Evidence = append(f.Evidence, automaticUpdates(node)...) // else it is with the packages
			}
			findings = append(findings, f)
		}
	}
	return findings
}

func judgeOS(v *checks.View, node *fact.Node) api.Finding {
	f := api.Finding{Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: fact.Subject{Kind: fact.SubjectNode, Name: node.Name}}
	os := &node.Measured.Host.OS
	name := os.PrettyName
	if name == "" {
		name = strings.TrimSpace(os.ID + " " + os.VersionID)
	}
	path := os.Path
	if path == "" {
		path = "/etc/os-release"
	}
	value := strings.TrimSpace("ID=" + os.ID + " VERSION_ID=" + os.VersionID)
	if os.ID == "" {
		f.Message, value = "the operating system is unknown: os-release has no ID", "no ID"
	}
	f.Evidence = []api.Evidence{{Source: checks.NodeSource(node, "%s", path), Value: value}}
	if os.ID == "" {
		return f
	}
	release, known := endoflife.Of(os.ID, os.VersionID)
	if !known {
		f.Reason = fact.Unsupported
		f.Message = "this version has no end-of-life date of " + name
		return f
	}
	now := v.CollectedAt
	if now.IsZero() {
		now = node.Measured.At
	}
	data := "end-of-life data of " + release.Made.Format(time.DateOnly) + " (" + release.Source + ")"
	ends := "security updates until " + release.Standard.Format(time.DateOnly)
	if !release.Extended.IsZero() {
		ends += ", extended until " + release.Extended.Format(time.DateOnly)
	}
	f.Evidence = append(f.Evidence, api.Evidence{Source: data, Value: ends})
	switch phase := release.At(now.Time); {
	case phase == endoflife.Supported:
		f.Verdict, f.Reason = api.Pass, ""
		f.Message = fmt.Sprintf("%s gets security updates until %s", name, release.Standard.Format(time.DateOnly))
	case phase == endoflife.Ended:
		f.Verdict, f.Reason = api.Fail, ""
		f.Message = name + " gets no security updates any more"
	case phase == endoflife.ExtendedOnly && os.ID == "ubuntu" && !usesESM(node):
		f.Verdict, f.Reason = api.Fail, ""
		f.Message = fmt.Sprintf("%s gets security updates only from ESM since %s, and no ESM archive is in use", name, release.Standard.Format(time.DateOnly))
	case phase == endoflife.ExtendedOnly && release.Paid:
		// Whether somebody has bought it is not known.
		f.Verdict, f.Reason = api.Fail, ""
		f.Message = fmt.Sprintf("%s gets security updates only with paid extended support since %s", name, release.Standard.Format(time.DateOnly))
	case phase == endoflife.ExtendedOnly:
		f.Verdict, f.Reason, f.Severity = api.Fail, "", api.Medium
		f.Message = fmt.Sprintf("%s gets only extended security updates since %s", name, release.Standard.Format(time.DateOnly))
	default:
		f.Message = fmt.Sprintf("the end-of-life data about %s, of %s, are too old to tell", name, release.Made.Format(time.DateOnly))
	}
	return f
}

// addKernelLine judges the line of a kernel that follows kernel.org, beside the system:
// one that gets no fixes any more fails, whoever built it. A line that gets fixes is no
// pass by itself.
func addKernelLine(v *checks.View, node *fact.Node, f *api.Finding) {
	running := node.Measured.Host.Running
	if running == nil || !node.Measured.HasRead(fact.Kernel) {
		return
	}
	line, ok := endoflife.KernelLineOf(running.Release)
	if !ok {
		return
	}
	end := "no fixes any more"
	if !line.End.IsZero() {
		end = "fixes until " + line.End.Format(time.DateOnly)
	}
	f.Evidence = append(f.Evidence,
		api.Evidence{Source: checks.NodeSource(node, "/proc/sys/kernel/osrelease"), Value: running.Release},
		api.Evidence{Source: "kernel lines of " + endoflife.KernelMade.Format(time.DateOnly) + " (" + endoflife.KernelSource + ")", Value: line.Name + ": " + end})
	now := v.CollectedAt
	if now.IsZero() {
		now = node.Measured.At
	}
	if line.At(now.Time) != endoflife.Ended {
		return
	}
	message := "its kernel line " + line.Name + " gets no fixes any more"
	switch f.Verdict {
	case api.Fail:
		f.Message += "; " + message
	default:
		f.Message = message + " (" + f.Message + ")"
	}
	f.Verdict, f.Reason, f.Severity = api.Fail, "", ""
}

// usesESM reports whether an archive of Ubuntu's ESM is in use.
func usesESM(node *fact.Node) bool {
	state := node.Measured.Host.Packages
	if state == nil {
		return false
	}
	for _, a := range state.Archives {
		if strings.HasPrefix(a.Name, "UbuntuESM") {
			return true
		}
	}
	return false
}
