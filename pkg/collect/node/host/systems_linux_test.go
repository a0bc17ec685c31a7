package host

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/hosts"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
)

// TestSystems answers for each system what its files say of it. Where the files come
// from is said in the fixture.
func TestSystems(t *testing.T) {
	const (
		pass, fail, unknown = api.Pass, api.Fail, api.VerdictUnknown
		onlyImage           = "is updated as a whole image: whether a newer one exists cannot be known from the node"
		oneWaits            = "is updated as a whole image: one waits for a reboot, and whether a newer one exists cannot be known from the node"
		silent              = "nothing asks for a reboot, but nothing on this host is known to ask when one is due"
		unnoticed           = "nothing asks for a reboot, but an image that waits for one would not be noticed in every case"
		newest              = "runs the newest installed kernel"
		none                = "no installed kernel was found to compare the running one with"
		another             = "runs the kernel of its image, but another image waits for a reboot, and its kernel is unknown"
		waits               = "an update of the whole system waits for a reboot: "
	)
	type answer struct {
		verdict api.Verdict
		message string
		source  string // of the last evidence, notes apart
	}
	image := func(system, version, source string) *fact.ImageState {
		return &fact.ImageState{System: system, Version: version, Source: source}
	}
	staged := func(state *fact.ImageState, what, source string) *fact.ImageState {
		state.Staged, state.StagedSource = what, source
		return state
	}
	for name, tc := range map[string]struct {
		image                    *fact.ImageState
		pending, reboot, kernel  answer
		uncovered, stale         string // messages
		without                  []string
		held, unclassified, gaps int
	}{
		"alpine320": {
			pending: answer{unknown, "2 updates pending, security unknown: no advisories are published for them", "/lib/apk/db/installed"},
			reboot:  answer{unknown, silent, "/run/reboot-required"},
			kernel:  answer{fail, "runs kernel 6.6.58-0-lts, but 6.6.60-0-lts is installed", "/lib/modules/6.6.58-0-lts"},
			held:    1, unclassified: 2,
			uncovered: "it has no package lists that show which packages get security updates", stale: "its security index is at most 7 days old",
		},
		"arch": {
			pending: answer{unknown, "2 updates pending, security unknown: no advisories are published for them", "/var/lib/pacman/local"},
			reboot:  answer{unknown, silent, "/run/reboot-required"},
			kernel:  answer{pass, newest, "/usr/lib/modules/6.11.6-arch1-1/vmlinuz"},
			held:    1, unclassified: 2,
			uncovered: "1 package gets no security updates from the archives in use: yay", stale: "its security index is at most 7 days old",
		},
		"talos": {
			image:   image("Talos Linux", "v1.8.3", "/etc/os-release"),
			pending: answer{unknown, onlyImage, "/etc/os-release"}, reboot: answer{unknown, unnoticed, "/etc/os-release"}, kernel: answer{unknown, none, "/proc/version"}, gaps: 1,
		},
		"bottlerocket": {
			image:   image("Bottlerocket", "1.47.0 (aws-k8s-1.34)", "/etc/os-release"),
			pending: answer{unknown, onlyImage, "/etc/os-release"}, reboot: answer{unknown, unnoticed, "/etc/os-release"}, kernel: answer{unknown, none, "/proc/version"}, gaps: 1,
		},
		"flatcar": {
			image:   staged(image("Flatcar Container Linux", "3227.2.4", "/etc/os-release"), "an update on the other partition", "/run/update_engine_autoupdate_completed"),
			pending: answer{unknown, oneWaits, "/run/update_engine_autoupdate_completed"}, reboot: answer{fail, waits + "an update on the other partition", "/etc/os-release"},
			kernel: answer{unknown, none, "/proc/version"}, gaps: 1,
		},
		"flatcar, nothing waits": {
			image: image("Flatcar Container Linux", "3227.2.4", "/etc/os-release"), without: []string{"run/update_engine_autoupdate_completed"},
			pending: answer{unknown, onlyImage, "/etc/os-release"}, reboot: answer{unknown, unnoticed, "/etc/os-release"}, kernel: answer{unknown, none, "/proc/version"}, gaps: 1,
		},
		"cos": {
			image:   image("Container-Optimized OS", "109-17800.147.54", "/etc/os-release"),
			pending: answer{unknown, onlyImage, "/etc/os-release"}, reboot: answer{unknown, unnoticed, "/etc/os-release"}, kernel: answer{unknown, none, "/proc/version"}, gaps: 1,
		},
		"rhcos": {
			image:   image("Red Hat CoreOS", "413.92.202303221220-0", "/etc/os-release"),
			pending: answer{unknown, onlyImage, "/etc/os-release"}, reboot: answer{unknown, unnoticed, "/etc/os-release"},
			kernel: answer{pass, newest, "/usr/lib/modules/5.14.0-284.el9.x86_64/vmlinuz"},
		},
		"fedora-coreos": {
			image:   staged(image("Fedora CoreOS", "35.20211203.3.0", "/etc/os-release"), "35.20220103.3.0", "/run/ostree/staged-deployment"),
			pending: answer{unknown, oneWaits, "/run/ostree/staged-deployment"}, reboot: answer{fail, waits + "35.20220103.3.0", "/etc/os-release"},
			kernel: answer{unknown, another, "/run/ostree/staged-deployment"},
		},
		"fedora-coreos, whose deployment is gone": {
			image:   staged(image("Fedora CoreOS", "35.20211203.3.0", "/etc/os-release"), "deployment 3a5c3a5c3a5c", "/run/ostree/staged-deployment"),
			pending: answer{unknown, oneWaits, "/run/ostree/staged-deployment"}, reboot: answer{fail, waits + "deployment 3a5c3a5c3a5c", "/etc/os-release"},
			kernel: answer{unknown, another, "/run/ostree/staged-deployment"}, without: []string{"ostree"},
		},
		"ubuntu-core": {
			image:   staged(image("Ubuntu Core", "24 (core24_1006.snap)", "/etc/os-release"), "core24_1009.snap", "/var/lib/snapd/modeenv"),
			pending: answer{unknown, oneWaits, "/var/lib/snapd/modeenv"}, reboot: answer{fail, waits + "core24_1009.snap", "/etc/os-release"},
			kernel: answer{unknown, none, "/proc/version"}, gaps: 1,
		},
		"kairos": {
			image:   image("Kairos", "v3.4.2", "/etc/kairos-release"),
			pending: answer{unknown, onlyImage, "/etc/kairos-release"}, reboot: answer{unknown, unnoticed, "/etc/kairos-release"},
			kernel: answer{pass, newest, "/boot/vmlinuz-6.8.0-47-generic"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			fixture, _, _ := strings.Cut(name, ",")
			host, read, gaps := readAll(t, hosttest.Fixture(t, fixture).Without(tc.without...))
			if tc.image != nil && tc.image.Staged != "" && (host.Image == nil || host.Image.Since.Before(begun)) {
				t.Errorf("image %+v", host.Image)
			} else if host.Image != nil {
				host.Image.Since = fact.Time{}
			}
			if diff := cmp.Diff(tc.image, host.Image); diff != "" {
				t.Errorf("image (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]fact.Kind{fact.Kernel, fact.Packages}, read); diff != "" || len(gaps) != tc.gaps {
				t.Errorf("%d gaps: %+v; read (-want +got):\n%s", len(gaps), gaps, diff)
			}
			held, unclassified := 0, 0
			if host.Packages != nil {
				for _, u := range host.Packages.Pending {
					if u.Held {
						held++
					}
					if u.Unclassified && u.Security == "" {
						unclassified++
					}
				}
			}
			if held != tc.held || unclassified != tc.unclassified {
				t.Errorf("%d held back, %d unclassified: %+v", held, unclassified, host.Packages)
			}
			view := checks.NewView(&fact.Set{
				CollectedAt: fact.NewTime(time.Now()),
				Nodes:       []fact.Node{{Name: "n1", Measured: &fact.Measurement{Level: fact.LevelFull, Read: read, Gaps: gaps, Host: host}}},
			})
			for check, want := range map[*checks.Check]answer{&hosts.PendingSecurityUpdates: tc.pending, &hosts.RebootRequired: tc.reboot, &hosts.KernelOutdated: tc.kernel} {
				findings := check.Judge(view)
				if len(findings) != 1 {
					t.Errorf("%s: %+v", check.ID, findings)
					continue
				}
				f := findings[0]
				f.Evidence = slices.DeleteFunc(slices.Clone(f.Evidence), func(e api.Evidence) bool { return strings.HasSuffix(e.Source, " automatic updates") })
				if got := (answer{f.Verdict, f.Message, strings.TrimPrefix(f.Evidence[len(f.Evidence)-1].Source, "node/n1 ")}); got != want {
					t.Errorf("%s: got %+v, want %+v", check.ID, got, want)
				}
			}
			for check, want := range map[*checks.Check]string{&hosts.UncoveredPackages: tc.uncovered, &hosts.PackageIndexStale: tc.stale} {
				message := ""
				for _, f := range check.Judge(view) {
					message += f.Message
					if f.Verdict == api.Pass && check == &hosts.UncoveredPackages {
						t.Errorf("%s passes", check.ID)
					}
				}
				if message != want {
					t.Errorf("%s: got %q, want %q", check.ID, message, want)
				}
			}
		})
	}
}
