package rpm

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest/rpmtest"
)

// built is a package with its source and vendor; epoch 0 means none.
func fromSource(name string, epoch uint32, version, release, sourceRPM, vendor string) []byte {
	entries := []rpmtest.Entry{{Tag: 1000, Data: name}, {Tag: 1001, Data: version}, {Tag: 1002, Data: release}}
	if epoch > 0 {
		entries = append(entries, rpmtest.Entry{Tag: 1003, Data: epoch})
	}
	if vendor != "" {
		entries = append(entries, rpmtest.Entry{Tag: 1011, Data: vendor})
	}
	entries = append(entries, rpmtest.Entry{Tag: 1022, Data: "x86_64"})
	if sourceRPM != "" {
		entries = append(entries, rpmtest.Entry{Tag: 1044, Data: sourceRPM})
	}
	return rpmtest.Header(entries...)
}

func TestInventory(t *testing.T) {
	const rocky, epel = "Rocky Enterprise Software Foundation", "Fedora Project"
	one := func(name, version, source, sourceVersion, vendor string) fact.InstalledPackage {
		return fact.InstalledPackage{Name: name, Arch: "x86_64", Version: version, Source: source, SourceVersion: sourceVersion, Vendor: vendor}
	}
	for name, tc := range map[string]struct {
		blobs [][]byte
		want  []fact.InstalledPackage
		gaps  []string
	}{
		"the package that the source is named after": {
			[][]byte{fromSource("bash", 0, "5.1.8", "9.el9", "bash-5.1.8-9.el9.src.rpm", rocky)},
			[]fact.InstalledPackage{one("bash", "5.1.8-9.el9", "", "", "")},
			nil,
		},
		"another one of the same version, with an epoch": {
			[][]byte{fromSource("openssl-libs", 1, "3.0.7", "27.el9", "openssl-3.0.7-27.el9.src.rpm", rocky)},
			[]fact.InstalledPackage{one("openssl-libs", "1:3.0.7-27.el9", "openssl", "", "")},
			nil,
		},
		"one of another version takes the epoch of one with the source's": {
			[][]byte{
				fromSource("perl-Errno", 0, "1.30", "480.el9", "perl-5.32.1-480.el9.src.rpm", rocky),
				fromSource("perl-libs", 4, "5.32.1", "480.el9", "perl-5.32.1-480.el9.src.rpm", rocky),
			},
			[]fact.InstalledPackage{one("perl-Errno", "1.30-480.el9", "perl", "4:5.32.1-480.el9", ""), one("perl-libs", "4:5.32.1-480.el9", "perl", "", "")},
			nil,
		},
		"without one the source's version is unknown": {
			[][]byte{fromSource("perl-Errno", 0, "1.30", "480.el9", "perl-5.32.1-480.el9.src.rpm", rocky)},
			[]fact.InstalledPackage{one("perl-Errno", "1.30-480.el9", "perl", fact.UnknownVersion, "")},
			nil,
		},
		"no source": {
			[][]byte{fromSource("mine", 0, "1", "1", "", rocky)},
			[]fact.InstalledPackage{one("mine", "1-1", "", fact.UnknownVersion, "")},
			nil,
		},
		"vendors other than most packages' are named": {
			[][]byte{
				fromSource("a", 0, "1", "1", "a-1-1.src.rpm", rocky), fromSource("b", 0, "1", "1", "b-1-1.src.rpm", rocky),
				fromSource("htop", 0, "1", "1", "htop-1-1.src.rpm", epel), fromSource("mine", 0, "1", "1", "mine-1-1.nosrc.rpm", ""),
			},
			[]fact.InstalledPackage{one("a", "1-1", "", "", ""), one("b", "1-1", "", "", ""), one("htop", "1-1", "", "", epel), one("mine", "1-1", "", "", "(none)")},
			nil,
		},
		"SUSE's names are one vendor": {
			[][]byte{
				fromSource("a", 0, "1", "1", "a-1-1.src.rpm", "openSUSE"), fromSource("b", 0, "1", "1", "b-1-1.src.rpm", "SUSE LLC <https://www.suse.com/>"),
			},
			[]fact.InstalledPackage{one("a", "1-1", "", "", ""), one("b", "1-1", "", "", "")},
			nil,
		},
		"a damaged record": {
			[][]byte{rpmtest.Header(rpmtest.Entry{Tag: 1001, Data: "1"}), fromSource("a", 0, "1", "1", "a-1-1.src.rpm", rocky)},
			[]fact.InstalledPackage{one("a", "1-1", "", "", "")},
			[]string{"inventory Corrupt"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := rootWith(tc.blobs...).Write(t)
			list, total, gaps, err := Manager{}.Inventory(t.Context(), hosttest.OpenRoot(t, dir))
			if err != nil || total != len(tc.want) {
				t.Fatalf("%d packages, %v", total, err)
			}
			var texts []string
			for _, g := range gaps {
				texts = append(texts, fmt.Sprintf("%s %s", g.What, g.Reason))
			}
			if diff := cmp.Diff(tc.want, list); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.gaps, texts); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
		})
	}
	if _, _, _, err := (Manager{}).Inventory(t.Context(), hosttest.OpenRoot(t, t.TempDir())); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no database: %v", err)
	}
}

func TestSourceOf(t *testing.T) {
	for file, want := range map[string]source{
		"openssl-3.0.7-27.el9.src.rpm":     {"openssl", "3.0.7-27.el9"},
		"java-1.8.0-openjdk-1.8-1.src.rpm": {"java-1.8.0-openjdk", "1.8-1"},
		"kernel-default-6.4.0-1.nosrc.rpm": {"kernel-default", "6.4.0-1"},
		"":                                 {},
		"(none)":                           {},
		"one-1.src.rpm":                    {},
		"-1-1.src.rpm":                     {},
	} {
		if got := sourceOf(file); got != want {
			t.Errorf("%q: want %+v, got %+v", file, want, got)
		}
	}
}
