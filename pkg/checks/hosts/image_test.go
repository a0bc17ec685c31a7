package hosts

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// A system that is updated as a whole never passes: a staged image fails, and what is
// not on the node is unknown.
func TestImage(t *testing.T) {
	image := fact.ImageState{System: "Flatcar Container Linux", Version: "3227.2.4", Source: "/etc/os-release"}
	waiting := image
	waiting.Staged, waiting.StagedSource, waiting.Since = "an update", "/run/marker", ft.Time
	const (
		plain   = "Flatcar Container Linux 3227.2.4"
		release = "node/n1 /etc/os-release"
	)
	marker := []string{"node/n1 /run/marker", "an update waits for a reboot since " + ft.Time.UTC().Format("2006-01-02T15:04:05Z")}
	unnoticed := "nothing asks for a reboot, but an image that waits for one would not be noticed in every case"
	running := fact.RunningKernel{Release: "5.15.74-flatcar", Build: "#1 SMP"}
	installed := []fact.InstalledKernel{{Release: "5.15.74-flatcar", Build: "#1 SMP", Path: "/usr/lib/modules/x/vmlinuz"}}
	for name, tc := range map[string]struct {
		check    *checks.Check
		image    fact.ImageState
		reboot   *fact.RebootState
		verdict  api.Verdict
		message  string
		evidence []string
	}{
		"pending updates are unknown": {
			&PendingSecurityUpdates, image, nil, api.VerdictUnknown,
			"is updated as a whole image: whether a newer one exists cannot be known from the node",
			[]string{release, plain},
		},
		"and so they are where one waits": {
			&PendingSecurityUpdates, waiting, nil, api.VerdictUnknown,
			"is updated as a whole image: one waits for a reboot, and whether a newer one exists cannot be known from the node", append([]string{release, plain}, marker...),
		},
		"an image without version and source": {
			&PendingSecurityUpdates,
			fact.ImageState{System: "Talos Linux"},
			nil, api.VerdictUnknown,
			"is updated as a whole image: whether a newer one exists cannot be known from the node",
			[]string{release, "Talos Linux without a version"},
		},
		"a reboot for an image that waits": {
			&RebootRequired, waiting, &fact.RebootState{}, api.Fail, "an update of the whole system waits for a reboot: an update", append(append([]string{}, marker...), release, plain),
		},
		"also where the rest was not read": {
			&RebootRequired, waiting, nil, api.Fail, "an update of the whole system waits for a reboot: an update", append(append([]string{}, marker...), release, plain),
		},
		"a package that asks for a reboot": {
			&RebootRequired, image, &fact.RebootState{Required: "/run/reboot-required"}, api.Fail, "a reboot is due", []string{"node/n1 /run/reboot-required", "present"},
		},
		"what announces updates of packages is no proof": {
			&RebootRequired, image, &fact.RebootState{Announcer: "/usr/share/update-notifier/notify-reboot-required"}, api.VerdictUnknown, unnoticed,
			[]string{"node/n1 /run/reboot-required", "not found", release, plain},
		},
		"neither are packages older than the boot": {
			&RebootRequired, image, &fact.RebootState{Database: "/usr/share/rpm/rpmdb.sqlite"}, api.VerdictUnknown, unnoticed,
			[]string{"node/n1 /run/reboot-required", "not found", release, plain},
		},
		"the image's own kernel": {
			&KernelOutdated, image, nil, api.Pass, "runs the newest installed kernel",
			[]string{"node/n1 /proc/version", "5.15.74-flatcar #1 SMP", "node/n1 /usr/lib/modules/x/vmlinuz", "5.15.74-flatcar #1 SMP"},
		},
		"the image's own kernel, while another image waits": {
			&KernelOutdated, waiting, nil, api.VerdictUnknown, "runs the kernel of its image, but another image waits for a reboot, and its kernel is unknown",
			append([]string{"node/n1 /proc/version", "5.15.74-flatcar #1 SMP", "node/n1 /usr/lib/modules/x/vmlinuz", "5.15.74-flatcar #1 SMP"}, marker...),
		},
	} {
		t.Run(name, func(t *testing.T) {
			set := host(fact.Host{OS: fact.OSRelease{ID: "flatcar"}, Image: &tc.image, Reboot: tc.reboot, Running: &running, Installed: installed})
			want := api.Finding{Verdict: tc.verdict, Subject: ft.NodeSubject(), Message: tc.message, Evidence: ft.Evidence(tc.evidence...)}
			if tc.verdict == api.VerdictUnknown {
				want.Reason = fact.NotPresent
			}
			if diff := cmp.Diff([]api.Finding{want}, tc.check.Judge(checks.NewView(set))); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			for _, check := range []*checks.Check{&PackageIndexStale, &UncoveredPackages} {
				if findings := check.Judge(checks.NewView(set)); len(findings) > 0 {
					t.Errorf("%s: %+v", check.ID, findings)
				}
			}
		})
	}
}
