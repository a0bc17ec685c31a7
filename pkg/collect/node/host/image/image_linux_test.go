package image

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/osrelease"
)

// The systems with whole fixtures are in package host; these are the others, and what
// is odd.
func TestRead(t *testing.T) {
	const release = "etc/os-release"
	commit := strings.Repeat("0f", 32)
	for name, tc := range map[string]struct {
		files hosttest.Files
		want  *fact.ImageState
		gaps  []string
	}{
		"a system of packages":          {files: hosttest.Files{release: "ID=debian\nVERSION_ID=12\n"}},
		"no os-release":                 {files: hosttest.Files{}},
		"Ubuntu with snaps is not Core": {files: hosttest.Files{release: "ID=ubuntu\n", "var/lib/snapd/modeenv": "base=a\ntry_base=b\nbase_status=try\n"}},
		"a marker of another updater":   {files: hosttest.Files{release: "ID=debian\n", "run/update_engine_autoupdate_completed": ""}},
		"k3OS":                          {files: hosttest.Files{release: "ID=k3os\nVERSION_ID=v0.21.5\n"}, want: &fact.ImageState{System: "k3OS", Version: "v0.21.5", Source: "/etc/os-release"}},
		"bootc": {
			files: hosttest.Files{release: "ID=centos\nPRETTY_NAME=\"CentOS Stream 9\"\nVERSION_ID=9\nIMAGE_VERSION=20241101.0\n", "run/ostree-booted": ""},
			want:  &fact.ImageState{System: "CentOS Stream 9 (ostree)", Version: "20241101.0", Source: "/etc/os-release"},
		},
		"Kairos of older versions": {
			files: hosttest.Files{release: "ID=ubuntu\nVERSION_ID=22.04\nKAIROS_VERSION=v2.4.1\n"}, want: &fact.ImageState{System: "Kairos", Version: "v2.4.1", Source: "/etc/os-release"},
		},
		"a system without a version": {files: hosttest.Files{release: "ID=talos\n"}, want: &fact.ImageState{System: "Talos Linux", Source: "/etc/os-release"}},
		"Ubuntu Core that has booted the new base": {
			files: hosttest.Files{release: "ID=ubuntu-core\nVERSION_ID=22\n", "var/lib/snapd/modeenv": "base=core22_2.snap\ntry_base=core22_3.snap\nbase_status=trying\n"},
			want:  &fact.ImageState{System: "Ubuntu Core", Version: "22 (core22_2.snap)", Source: "/etc/os-release"},
		},
		"a staged deployment that says nothing": {
			files: hosttest.Files{release: "ID=fedora\nVARIANT_ID=coreos\nOSTREE_VERSION=1\n", "run/ostree/staged-deployment": "\x00\x01"},
			want:  &fact.ImageState{System: "Fedora CoreOS", Version: "1", Source: "/etc/os-release", Staged: "a deployment", StagedSource: "/run/ostree/staged-deployment"},
		},
		"a staged deployment that leads elsewhere": {
			files: hosttest.Files{
				release: "ID=fedora\nVARIANT_ID=coreos\nOSTREE_VERSION=1\n", "run/ostree/staged-deployment": "target\x00" + commit + "\x00" + strings.Repeat("a", 64),
				"ostree/deploy/x/deploy/" + commit + ".0": "link: /", "ostree/deploy/y/deploy/" + commit + ".1": "not a directory",
			},
			want: &fact.ImageState{
				System: "Fedora CoreOS", Version: "1", Source: "/etc/os-release", Staged: "deployment " + commit[:12], StagedSource: "/run/ostree/staged-deployment",
			},
		},
		"a place that cannot be looked at": {
			files: hosttest.Files{release: "ID=flatcar\nVERSION_ID=1\n", "run": "link: run"},
			want:  &fact.ImageState{System: "Flatcar Container Linux", Version: "1", Source: "/etc/os-release"},
			gaps:  []string{"kernel", "packages"},
		},
		"texts that are none": {
			files: hosttest.Files{release: "ID=talos\nVERSION_ID='" + strings.Repeat("\xff", 300) + "'\n"},
			want:  &fact.ImageState{System: "Talos Linux", Version: strings.Repeat(`\xff`, 64), Source: "/etc/os-release"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := hosttest.OpenRoot(t, tc.files.Write(t))
			got, gaps := Read(root, osrelease.Read(root))
			if got != nil {
				if (got.Staged == "") != got.Since.IsZero() {
					t.Errorf("%q waits since %v", got.Staged, got.Since)
				}
				got.Since = fact.Time{}
				if len(got.Version) > 1024 {
					t.Errorf("%d bytes of a version", len(got.Version))
				}
				if tc.want != nil && strings.HasPrefix(got.Version, `\xff`) {
					tc.want.Version = got.Version // where it is cut is rootfs.Excerpt's business
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			var kinds []string
			for _, gap := range gaps {
				kinds = append(kinds, string(gap.What))
			}
			if diff := cmp.Diff(tc.gaps, kinds); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
		})
	}
}

// Since is when the file was written.
func TestSince(t *testing.T) {
	dir := hosttest.Files{"etc/os-release": "ID=cos\nVERSION_ID=109\n", "run/update_engine_autoupdate_completed": ""}.Write(t)
	then := time.Date(2026, 11, 1, 2, 3, 4, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(dir, "run/update_engine_autoupdate_completed"), then, then); err != nil {
		t.Fatal(err)
	}
	root := hosttest.OpenRoot(t, dir)
	if got, gaps := Read(root, osrelease.Read(root)); got == nil || !got.Since.Equal(then) || len(gaps) > 0 {
		t.Errorf("%+v, %+v", got, gaps)
	}
}
