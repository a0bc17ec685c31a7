package privileged

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestVolumeTypes(t *testing.T) {
	of := func(sources ...string) *fact.Set {
		return ft.Declared(fact.Container{}, func(s *fact.PodSpec) {
			for i, source := range sources {
				field := []string{"spec.volumes[0]", "spec.volumes[1]"}[i]
				s.Volumes = append(s.Volumes, fact.Volume{Name: "v", Field: field, Source: source})
			}
		})
	}
	const git = "a gitRepo volume runs git as root on the node (CVE-2024-10220)"
	ft.Judge(t, checks.OfSet(VolumeTypes.Judge), map[string]row{
		"none passes":                {of(), passes(volumeTypesRule)},
		"types of the standard pass": {of("projected", "image"), passes(volumeTypesRule)},
		"hostPath has its own check": {of("hostPath"), passes(volumeTypesRule)},
		"one that is not listed is unknown": {of(fact.VolumeUnlisted), ft.One(api.Finding{
			Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: ft.PodSubject(), Message: "a volume is mounted and not listed: its type is unknown",
			Evidence: ft.Evidence(ft.Field+"volumes[0]", "not set"),
		})},
		"gitRepo is medium":           {of("emptyDir", "gitRepo"), wholeFails(api.Medium, git, ft.Field+"volumes[1].gitRepo", "v")},
		"another type is low":         {of("nfs"), wholeFails(api.Low, "a volume is of the type nfs, which Pod Security refuses", ft.Field+"volumes[0].nfs", "v")},
		"each volume has its finding": {of("flexVolume", "gitRepo"), append(wholeFails(api.Low, "a volume is of the type flexVolume, which Pod Security refuses", ft.Field+"volumes[0].flexVolume", "v"), wholeFails(api.Medium, git, ft.Field+"volumes[1].gitRepo", "v")...)},
	})
}
