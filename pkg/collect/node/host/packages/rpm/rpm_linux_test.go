package rpm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest/rpmtest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

const unread = "neither dnf, yum nor zypper is configured on the host, so security updates are unknown"

// rootWith is a root whose rpm database has these headers.
func rootWith(blobs ...[]byte) hosttest.Files {
	return hosttest.Files{"var/lib/rpm/Packages.db": string(rpmtest.NDB(blobs))}
}

func TestRead(t *testing.T) {
	good := rpmtest.Generated(5, 2)
	bad := rpmtest.Header(rpmtest.Entry{Tag: 1001, Data: "1"})
	const path = "/var/lib/rpm/Packages.db"
	for name, tc := range map[string]struct {
		files     hosttest.Files
		installed int
		gaps      []string // reason and detail, without the one of advisories
		err       string
	}{
		"whole": {files: rootWith(good...), installed: 5},
		"a damaged record": {
			files: rootWith(append([][]byte{bad}, good...)...), installed: 5,
			gaps: []string{"Corrupt " + path + ": 1 of its records could not be read: slot at byte 32: expected a name, a version and a release, found a header that lacks one of them"},
		},
		"many damaged records": {
			files: rootWith(bad, bad, bad, bad, bad, good[0]), installed: 1,
			gaps: []string{"Corrupt " + path + ": 5 of its records could not be read: " +
				strings.Join(slices.Repeat([]string{"%: expected a name, a version and a release, found a header that lacks one of them"}, 3), "; ") + "; and 2 more"},
		},
		"two databases": {
			files: rootWith(good...).With(hosttest.Files{"var/lib/rpm/Packages": "x"}), installed: 5,
			gaps: []string{"Unsupported /var/lib/rpm/Packages: a second database of rpm, which was not read"},
		},
		"nothing installed":          {files: rootWith(), gaps: []string{"Truncated " + path + ": no installed package in it"}},
		"of another kind":            {files: hosttest.Files{"var/lib/rpm/Packages": strings.Repeat("x", 4096)}, err: "/var/lib/rpm/Packages: expected the magic number 0x61561 of a Berkeley DB hash at byte 12, found something else"},
		"a directory for a database": {files: hosttest.Files{"var/lib/rpm/rpmdb.sqlite/": ""}, err: "open ROOT/var/lib/rpm/rpmdb.sqlite: not a regular file but a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tc.files.Write(t)
			state, gaps, err := Manager{}.Read(t.Context(), hosttest.OpenRoot(t, dir))
			if tc.err != "" {
				if err == nil || state != nil || !strings.Contains(strings.ReplaceAll(err.Error(), dir, "ROOT"), tc.err) || errors.Is(err, fs.ErrNotExist) {
					t.Fatalf("want error %q, got %v and %+v", tc.err, err, state)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var texts []string
			if tc.installed > 0 {
				if last := gaps[len(gaps)-1]; last != (fact.NodeGap{What: fact.Packages, Reason: fact.NotPresent, Detail: unread}) {
					t.Errorf("the last gap is %+v", last)
				}
				gaps = gaps[:len(gaps)-1]
			}
			for _, gap := range gaps {
				if gap.What != fact.Packages {
					t.Errorf("a gap of %s", gap.What)
				}
				texts = append(texts, string(gap.Reason)+" "+gap.Detail)
			}
			for i, want := range tc.gaps {
				// Where a slot lies is the generator's business.
				for n := 32; strings.Contains(want, "%"); n += 16 {
					if slot := fmt.Sprintf("slot at byte %d", n); i < len(texts) && strings.Contains(texts[i], slot) {
						want = strings.Replace(want, "%", slot, 1)
					}
					if n > 4096 {
						break
					}
				}
				tc.gaps[i] = want
			}
			if diff := cmp.Diff(tc.gaps, texts); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			// What was not read whole is compared with no other host.
			if whole := tc.gaps == nil; whole != (len(state.Set) == 64) || !whole && state.Set != "" {
				t.Errorf("gaps %q, set %q", tc.gaps, state.Set)
			}
			state.Set = ""
			if diff := cmp.Diff(&fact.PackageState{Database: path, Installed: tc.installed}, state); diff != "" {
				t.Errorf("state (-want +got):\n%s", diff)
			}
		})
	}
	if _, _, err := (Manager{}).Read(t.Context(), hosttest.OpenRoot(t, t.TempDir())); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no database: %v", err)
	}
}

// header is a package, with what it provides as name and version in turn.
func header(name, version, release, arch string, provides ...string) []byte {
	entries := []rpmtest.Entry{{Tag: 1000, Data: name}, {Tag: 1001, Data: version}, {Tag: 1002, Data: release}, {Tag: 1022, Data: arch}}
	if len(provides) > 0 {
		var names, versions []string
		for i := 0; i < len(provides); i += 2 {
			names, versions = append(names, provides[i]), append(versions, provides[i+1])
		}
		entries = append(entries, rpmtest.Entry{Tag: 1047, Data: names}, rpmtest.Entry{Tag: 1113, Data: versions})
	}
	return rpmtest.Header(entries...)
}

// TestKernels holds which packages are kernels and of which release. What the
// packages provide is as in the distributions' spec files.
func TestKernels(t *testing.T) {
	const el9 = "5.14.0-427.13.1.el9_4"
	for name, tc := range map[string]struct {
		files hosttest.Files
		want  []string // RELEASE PACKAGE VERSION
	}{
		"RHEL 9: the package that has the image, not the metapackage": {
			rootWith(header("kernel", "5.14.0", "427.13.1.el9_4", "x86_64", "installonlypkg(kernel)", ""),
				header("kernel-core", "5.14.0", "427.13.1.el9_4", "x86_64", "installonlypkg(kernel)", "", "kernel-uname-r", el9+".x86_64"),
				header("kernel-modules", "5.14.0", "427.13.1.el9_4", "x86_64", "kernel-modules-uname-r", el9+".x86_64"),
				header("kernel-tools", "5.14.0", "427.13.1.el9_4", "x86_64")),
			[]string{el9 + ".x86_64 kernel-core " + el9},
		},
		"the metapackage after it": {
			rootWith(header("kernel-core", "5.14.0", "427.13.1.el9_4", "x86_64", "kernel-uname-r", el9+".x86_64"), header("kernel", "5.14.0", "427.13.1.el9_4", "x86_64")),
			[]string{el9 + ".x86_64 kernel-core " + el9},
		},
		"two installed": {
			rootWith(header("kernel-core", "5.14.0", "427.el9", "x86_64", "kernel-uname-r", "5.14.0-427.el9.x86_64"), header("kernel-core", "5.14.0", "427.13.1.el9_4", "x86_64", "kernel-uname-r", el9+".x86_64")),
			[]string{el9 + ".x86_64 kernel-core " + el9, "5.14.0-427.el9.x86_64 kernel-core 5.14.0-427.el9"},
		},
		"RHEL 9: real-time and 64k pages": {
			rootWith(header("kernel-rt-core", "5.14.0", "427.13.1.el9_4", "x86_64", "kernel-uname-r", el9+".x86_64+rt"), header("kernel-64k-core", "5.14.0", "427.13.1.el9_4", "aarch64", "kernel-uname-r", el9+".aarch64+64k")),
			[]string{el9 + ".aarch64+64k kernel-64k-core " + el9, el9 + ".x86_64+rt kernel-rt-core " + el9},
		},
		"the same by name": {
			rootWith(header("kernel-rt-core", "5.14.0", "427.13.1.el9_4", "x86_64"), header("kernel-64k", "5.14.0", "427.13.1.el9_4", "aarch64")),
			[]string{el9 + ".aarch64+64k kernel-64k " + el9, el9 + ".x86_64+rt kernel-rt-core " + el9},
		},
		"RHEL 8: real-time is in the release": {
			rootWith(header("kernel-rt-core", "4.18.0", "553.rt7.342.el8_10", "x86_64")),
			[]string{"4.18.0-553.rt7.342.el8_10.x86_64 kernel-rt-core 4.18.0-553.rt7.342.el8_10"},
		},
		"Oracle": {
			rootWith(header("kernel-uek-core", "5.15.0", "200.131.27.el9uek", "x86_64")),
			[]string{"5.15.0-200.131.27.el9uek.x86_64 kernel-uek-core 5.15.0-200.131.27.el9uek"},
		},
		"Amazon Linux 2023": {
			rootWith(header("kernel6.12", "6.12.22", "27.96.amzn2023", "x86_64"), header("kernel-livepatch-6.1", "1", "1.amzn2023", "noarch")),
			[]string{"6.12.22-27.96.amzn2023.x86_64 kernel6.12 6.12.22-27.96.amzn2023"},
		},
		"SUSE: uname has no rebuild number": {
			rootWith(header("kernel-default", "5.14.21", "150500.55.7.1", "x86_64", "kernel-uname-r", "5.14.21-150500.55.7-default", "multiversion(kernel)", ""), header("kernel-firmware", "1", "1", "noarch")),
			[]string{"5.14.21-150500.55.7-default kernel-default 5.14.21-150500.55.7.1"},
		},
		"SUSE by name": {
			rootWith(header("kernel-azure", "5.14.21", "150500.33.5.1", "x86_64")),
			[]string{"5.14.21-150500.33.5-azure kernel-azure 5.14.21-150500.33.5.1"},
		},
		"Azure Linux: the modules say that uname has no architecture": {
			rootWith(header("kernel", "6.6.57.1", "2.azl3", "x86_64")).With(hosttest.Files{"lib/modules/6.6.57.1-2.azl3/modules.dep": ""}),
			[]string{"6.6.57.1-2.azl3 kernel 6.6.57.1-2.azl3"},
		},
		"not kernels": {
			rootWith(header("kernel-headers", "5.14.0", "1", "x86_64"), header("kernel-devel", "5.14.0", "1", "x86_64"), header("kernelshark", "1", "1", "x86_64"), header("kernel-srpm-macros", "1", "1", "noarch"), header("bash", "5", "1", "x86_64")),
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			kernels, err := Manager{}.Kernels(t.Context(), hosttest.OpenRoot(t, tc.files.Write(t)))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, k := range kernels {
				got = append(got, k.Release+" "+k.Package+" "+k.PackageVersion)
				if k.Path != "/var/lib/rpm/Packages.db" {
					t.Errorf("its path is %s", k.Path)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("kernels (-want +got):\n%s", diff)
			}
		})
	}

	// Among records that could not be read may be a newer kernel.
	dir := rootWith(header("kernel-core", "5.14.0", "427.el9", "x86_64"), rpmtest.Header(rpmtest.Entry{Tag: 1001, Data: "1"})).Write(t)
	kernels, err := Manager{}.Kernels(t.Context(), hosttest.OpenRoot(t, dir))
	if len(kernels) != 1 || err == nil || rootfs.ReasonOf(err) != fact.Corrupt || !strings.Contains(err.Error(), "1 of its records could not be read") {
		t.Errorf("%v, %v", kernels, err)
	}
	if kernels, err := (Manager{}).Kernels(t.Context(), hosttest.OpenRoot(t, t.TempDir())); kernels != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no database: %v, %v", kernels, err)
	}
}

// TestKernelsOfRPM reads kernels from databases that rpm and db_load wrote.
func TestKernelsOfRPM(t *testing.T) {
	root := rpmtest.Install(t,
		rpmtest.Spec{Name: "kernel-core", Version: "5.14.0", Release: "427.el9", Provides: []string{"kernel-uname-r = 5.14.0-427.el9.x86_64", "installonlypkg(kernel)"}},
		rpmtest.Spec{Name: "kernel-uek", Version: "5.15.0", Release: "200.131.27.el9uek", Files: 200},
		rpmtest.Spec{Name: "bash", Version: "5.1.8", Release: "9.el9"})
	blobs := rpmtest.Blobs(t, root+"/var/lib/rpm/rpmdb.sqlite")
	berkeley := hosttest.Files{"var/lib/rpm/Packages": string(rpmtest.BDB(t, blobs, 4096, binary.LittleEndian))}.Write(t)
	for _, dir := range []string{root, berkeley} {
		opened := hosttest.OpenRoot(t, dir)
		kernels, err := Manager{}.Kernels(t.Context(), opened)
		slices.SortFunc(kernels, func(a, b fact.InstalledKernel) int { return strings.Compare(a.Release, b.Release) })
		for i := range kernels {
			if age := time.Since(kernels[i].Since.Time); age < -time.Minute || age > time.Hour {
				t.Errorf("%s was installed at %v", kernels[i].Release, kernels[i].Since)
			}
			kernels[i].Since = fact.Time{}
		}
		path := "/var/lib/rpm/rpmdb.sqlite"
		if _, err := os.Stat(dir + path); err != nil {
			path = "/var/lib/rpm/Packages"
		}
		want := []fact.InstalledKernel{
			{Release: "5.14.0-427.el9.x86_64", Path: path, Package: "kernel-core", PackageVersion: "5.14.0-427.el9"},
			{Release: "5.15.0-200.131.27.el9uek.x86_64", Path: path, Package: "kernel-uek", PackageVersion: "5.15.0-200.131.27.el9uek"},
		}
		if diff := cmp.Diff(want, kernels); diff != "" || err != nil {
			t.Errorf("%v, kernels (-want +got):\n%s", err, diff)
		}
		if state, gaps, err := (Manager{}).Read(t.Context(), opened); err != nil || len(gaps) != 1 || state.Installed != 3 || state.Database != path {
			t.Errorf("%+v, %+v, %v", state, gaps, err)
		}
	}
}
