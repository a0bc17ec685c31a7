package hosts

import (
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// judgeImage is hosts/pending-security-updates for a system that is updated as a whole
// image. No such system keeps a list of the images that exist.
func judgeImage(node *fact.Node) api.Finding {
	image := node.Measured.Host.Image
	f := api.Finding{
		Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: fact.Subject{Kind: fact.SubjectNode, Name: node.Name},
		Message:  "is updated as a whole image: whether a newer one exists cannot be known from the node",
		Evidence: []api.Evidence{imageEvidence(node)},
	}
	if image.Staged != "" {
		f.Message = "is updated as a whole image: one waits for a reboot, and whether a newer one exists cannot be known from the node"
		f.Evidence = append(f.Evidence, stagedEvidence(node))
	}
	return f
}

func imageEvidence(node *fact.Node) api.Evidence {
	image := node.Measured.Host.Image
	path := image.Source
	if path == "" {
		path = "/etc/os-release"
	}
	version := image.Version
	if version == "" {
		version = "without a version"
	}
	return api.Evidence{Source: checks.NodeSource(node, "%s", path), Value: strings.TrimSpace(image.System + " " + version)}
}

func stagedEvidence(node *fact.Node) api.Evidence {
	image := node.Measured.Host.Image
	value := image.Staged + " waits for a reboot"
	if !image.Since.IsZero() {
		value += " since " + image.Since.UTC().Format(time.RFC3339)
	}
	return api.Evidence{Source: checks.NodeSource(node, "%s", image.StagedSource), Value: value}
}
