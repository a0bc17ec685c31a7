package hosts

import (
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// RebootRequired fails a node on which something asks for a reboot. Source:
// /run/reboot-required or /run/reboot-needed, which packages write. Where nothing
// on the host writes such a file, its absence says nothing. On a system that is updated
// as a whole image, the image that waits for a reboot counts (ostree, update_engine,
// snapd).
var RebootRequired = checks.Check{
	ID:       "hosts/reboot-required",
	Title:    "Nothing on the node asks for a reboot",
	Severity: api.Medium,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Kernel},
	Excuse:   excuseNoKernel,
	Scope:    checks.ScopeNode,
	Why: "Some updates take effect only after a reboot: the kernel, the C library, the runtime's firmware. " +
		"Until then the node runs the old code, although its packages are new.",
	Remediation: "Drain the node and reboot it (kubectl drain, then reboot), or automate that, for example with kured.",
	References: []string{
		"https://kubernetes.io/docs/tasks/administer-cluster/safely-drain-node/",
		"https://kured.dev/docs/",
	},
	Judge: judgeRebootRequired,
}

// excuseNoKernel excuses kernels that were not found, on a node whose requests for
// a reboot were read.
func excuseNoKernel(v *checks.View, gap fact.Gap) bool {
	if gap.What != fact.Kernel || gap.Reason != fact.NotPresent || gap.Subject.Kind != fact.SubjectNode {
		return false
	}
	node := v.Node(gap.Subject.Name)
	return node != nil && node.Measured.HasRead(fact.Kernel) && node.Measured.Host.Reboot != nil
}

func judgeRebootRequired(v *checks.View) []api.Finding {
	var findings []api.Finding
	for i := range v.Nodes {
		if v.Nodes[i].Measured.HasRead(fact.Kernel) {
			findings = append(findings, judgeReboot(&v.Nodes[i]))
		}
	}
	return findings
}

func judgeReboot(node *fact.Node) api.Finding {
	f := api.Finding{Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: fact.Subject{Kind: fact.SubjectNode, Name: node.Name}}
	evidence := func(path, value string) {
		f.Evidence = append(f.Evidence, api.Evidence{Source: checks.NodeSource(node, "%s", path), Value: value})
	}
	switch state, image := node.Measured.Host.Reboot, node.Measured.Host.Image; {
	case image != nil && image.Staged != "":
		f.Verdict, f.Reason = api.Fail, ""
		f.Message = "an update of the whole system waits for a reboot: " + image.Staged
		f.Evidence = []api.Evidence{stagedEvidence(node), imageEvidence(node)}
	case state == nil:
		f.Message = "whether a reboot is due was not read"
		evidence("/run/reboot-required", "not read")
	case state.Required != "" && state.Required == state.Database:
		f.Verdict, f.Reason = api.Fail, ""
		f.Message = "a reboot is due: installed since the boot: " + checks.JoinWords(state.Packages, namesMessage)
		evidence(state.Database, strings.Join(state.Packages, ", ")+" installed, the first at "+state.Since.UTC().Format(time.RFC3339)+
			", after the boot at "+node.Measured.Host.BootTime.UTC().Format(time.RFC3339))
	case state.Required != "":
		f.Verdict, f.Reason = api.Fail, ""
		f.Message = "a reboot is due"
		if len(state.Packages) > 0 {
			f.Message += ", asked for by " + checks.JoinWords(state.Packages, namesMessage)
		}
		value := "present"
		if !state.Since.IsZero() {
			value = "since " + state.Since.UTC().Format(time.RFC3339)
		}
		evidence(state.Required, value)
	case image != nil:
		// What asks after an update of packages says nothing of an image.
		f.Message = "nothing asks for a reboot, but an image that waits for one would not be noticed in every case"
		evidence("/run/reboot-required", "not found")
		f.Evidence = append(f.Evidence, imageEvidence(node))
	case state.Announcer != "":
		f.Verdict, f.Reason = api.Pass, ""
		f.Message = "no package asks for a reboot"
		evidence("/run/reboot-required", "not found")
		evidence(state.Announcer, "present: it writes that file")
	case state.Database != "":
		f.Verdict, f.Reason = api.Pass, ""
		f.Message = "no package that needs a reboot was installed since the boot"
		evidence(state.Database, "none installed after the boot at "+node.Measured.Host.BootTime.UTC().Format(time.RFC3339))
	default:
		f.Message = "nothing asks for a reboot, but nothing on this host is known to ask when one is due"
		evidence("/run/reboot-required", "not found")
	}
	return f
}
