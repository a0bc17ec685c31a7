package overlay

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest/rpmtest"
)

// mergedOf mounts an overlay of image layers, the topmost first, without a process in
// it, and returns its merged view and its upperdir.
func mergedOf(t testing.TB, image ...map[string]string) (merged, upper string) {
	t.Helper()
	needMounts(t)
	dir := t.TempDir()
	must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "nr_inodes=0"))
	t.Cleanup(func() { must(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	var lowers []string
	for i := len(image) - 1; i >= 0; i-- {
		layer := filepath.Join(dir, fmt.Sprint("layer", i))
		must(t, os.Mkdir(layer, 0o755))
		for path, content := range image[i] {
			full := filepath.Join(layer, path)
			must(t, os.MkdirAll(filepath.Dir(full), 0o755))
			if strings.HasSuffix(path, "/") {
				must(t, os.MkdirAll(full, 0o755))
			} else {
				must(t, os.WriteFile(full, []byte(content), 0o644))
			}
		}
		lowers = append(lowers, layer)
	}
	merged, upper = filepath.Join(dir, "merged"), filepath.Join(dir, "upper")
	work := filepath.Join(dir, "work")
	for _, d := range []string{merged, upper, work} {
		must(t, os.Mkdir(d, 0o755))
	}
	stack(t, lowers, upper, work, merged, "")
	t.Cleanup(func() { _ = unix.Unmount(merged, unix.MNT_DETACH) })
	return merged, upper
}

func dpkgStanza(name, version string) string {
	return fmt.Sprintf("Package: %s\nStatus: install ok installed\nArchitecture: amd64\nVersion: %s\nDescription: x\n more\n\n", name, version)
}

func apkRecord(name, version string) string {
	return fmt.Sprintf("C:Q1x\nP:%s\nV:%s\nA:x86_64\nF:usr/bin\nR:%s\n\n", name, version, name)
}

func TestPackageChange(t *testing.T) {
	const status, installed = "var/lib/dpkg/status", "lib/apk/db/installed"
	base := dpkgStanza("bash", "5.2-1") + dpkgStanza("curl", "8.0-1") + dpkgStanza("openssl", "3.0.1-1")
	write := func(path, content string) func(*testing.T, string) {
		return func(t *testing.T, merged string) {
			must(t, os.MkdirAll(filepath.Dir(filepath.Join(merged, path)), 0o755))
			must(t, os.WriteFile(filepath.Join(merged, path), []byte(content), 0o644))
		}
	}
	many := ""
	for i := range 100 {
		many += dpkgStanza(fmt.Sprintf("p%02d", i), "1")
	}
	var huge strings.Builder
	for i := range maxPackages + 1 {
		fmt.Fprintf(&huge, "Package: p%d\nStatus: install ok installed\nVersion: 1\n\n", i)
	}
	cut := dpkgStanza("curl", "8.0-1")
	for name, tc := range map[string]struct {
		image  []map[string]string
		change func(*testing.T, string)
		want   *fact.PackageChange
		reason fact.Reason
		detail string
	}{
		"no database in the writable layer": {
			[]map[string]string{{status: base}}, write("etc/x", "x"), nil, "", "",
		},
		"three kinds of changes": {
			[]map[string]string{{"x": ""}, {status: base}},
			write(status, dpkgStanza("bash", "5.2-1")+dpkgStanza("openssl", "3.0.2-1")+dpkgStanza("nmap", "7-1")),
			&fact.PackageChange{Manager: "dpkg", Path: "/" + status, Added: []string{"nmap"}, Removed: []string{"curl"}, Changed: []string{"openssl"}, Total: 3}, "", "",
		},
		"the first layer that has it counts": {
			[]map[string]string{{status: base + dpkgStanza("nmap", "7-1")}, {status: base}},
			write(status, base+dpkgStanza("nmap", "7-1")+dpkgStanza("gcc", "1")),
			&fact.PackageChange{Manager: "dpkg", Path: "/" + status, Added: []string{"gcc"}, Total: 1}, "", "",
		},
		"only touched": {
			[]map[string]string{{status: base}},
			func(t *testing.T, merged string) {
				f, err := os.OpenFile(filepath.Join(merged, status), os.O_RDWR, 0)
				must(t, err)
				must(t, f.Close())
			},
			&fact.PackageChange{Manager: "dpkg", Path: "/" + status}, "", "",
		},
		"written again in another order": {
			[]map[string]string{{status: base}},
			write(status, dpkgStanza("openssl", "3.0.1-1")+dpkgStanza("curl", "8.0-1")+dpkgStanza("bash", "5.2-1")),
			&fact.PackageChange{Manager: "dpkg", Path: "/" + status}, "", "",
		},
		"removed except for its configuration": {
			[]map[string]string{{status: base}},
			write(status, strings.Replace(base, "install ok installed", "deinstall ok config-files", 1)),
			&fact.PackageChange{Manager: "dpkg", Path: "/" + status, Removed: []string{"bash"}, Total: 1}, "", "",
		},
		"another architecture of a package": {
			[]map[string]string{{status: base}},
			write(status, base+strings.Replace(dpkgStanza("curl", "8.0-1"), "amd64", "i386", 1)),
			&fact.PackageChange{Manager: "dpkg", Path: "/" + status, Changed: []string{"curl"}, Total: 1}, "", "",
		},
		"an image without a database": {
			[]map[string]string{{"x": ""}},
			write(status, base),
			&fact.PackageChange{Manager: "dpkg", Path: "/" + status, Added: []string{"bash", "curl", "openssl"}, Total: 3}, "", "",
		},
		"the database is removed": {
			[]map[string]string{{status: base}},
			func(t *testing.T, merged string) { must(t, os.RemoveAll(filepath.Join(merged, "var/lib/dpkg"))) },
			&fact.PackageChange{Manager: "dpkg", Path: "/" + status, Removed: []string{"bash", "curl", "openssl"}, Total: 3}, "", "",
		},
		"more than are listed": {
			[]map[string]string{{status: base}},
			write(status, base+many),
			&fact.PackageChange{Manager: "dpkg", Path: "/" + status, Total: 100, Added: names("p%02d", fact.MaxPackageChanges)}, "", "",
		},
		"distroless: a file for a package": {
			[]map[string]string{{"var/lib/dpkg/status.d/a": "Package: a\nVersion: 1\n"}, {"var/lib/dpkg/status.d/b": "Package: b\nVersion: 1\n", "var/lib/dpkg/status.d/c": "Package: c\nVersion: 1\n"}},
			func(t *testing.T, merged string) {
				write("var/lib/dpkg/status.d/a", "Package: a\nVersion: 2\n")(t, merged)
				write("var/lib/dpkg/status.d/d", "Package: d\nVersion: 2\n")(t, merged)
				write("var/lib/dpkg/status.d/d.md5sums", "x  y\n")(t, merged)
				must(t, os.Remove(filepath.Join(merged, "var/lib/dpkg/status.d/b")))
			},
			&fact.PackageChange{Manager: "dpkg", Path: "/var/lib/dpkg/status.d", Added: []string{"d"}, Removed: []string{"b"}, Changed: []string{"a"}, Total: 3}, "", "",
		},
		"apk": {
			[]map[string]string{{installed: apkRecord("musl", "1.2-r0") + apkRecord("busybox", "1.36-r1")}},
			write(installed, apkRecord("musl", "1.2-r1")+apkRecord("busybox", "1.36-r1")+apkRecord("curl", "8-r0")),
			&fact.PackageChange{Manager: "apk", Path: "/" + installed, Added: []string{"curl"}, Changed: []string{"musl"}, Total: 2}, "", "",
		},
		"apk without /lib": {
			[]map[string]string{{"usr/" + installed: apkRecord("musl", "1.2-r0")}},
			write("usr/"+installed, apkRecord("musl", "1.2-r0")+apkRecord("curl", "8-r0")),
			&fact.PackageChange{Manager: "apk", Path: "/usr/" + installed, Added: []string{"curl"}, Total: 1}, "", "",
		},
		"rpm": {
			[]map[string]string{{"var/lib/rpm/Packages.db": string(rpmtest.NDB(rpmtest.Generated(3, 1)))}},
			write("var/lib/rpm/Packages.db", string(rpmtest.NDB(rpmtest.Generated(5, 1)))),
			&fact.PackageChange{Manager: "rpm", Path: "/var/lib/rpm/Packages.db", Total: 2}, "", "",
		},
		"a database that was cut": {
			[]map[string]string{{status: base}},
			write(status, cut[:len(cut)-1]), nil,
			fact.Truncated, "changes of the package database of dpkg: /var/lib/dpkg/status: ends too early: no empty line after the stanza at byte 0",
		},
		"a database that is none": {
			[]map[string]string{{installed: apkRecord("musl", "1")}},
			write(installed, "no record\n"), nil,
			fact.Corrupt, `changes of the package database of apk: /lib/apk/db/installed: expected a line X:VALUE at byte 0, found "no record"`,
		},
		"an image's database that is none": {
			[]map[string]string{{installed: "no record\n"}},
			write(installed, apkRecord("musl", "1")), nil,
			fact.Corrupt, `changes of the package database of apk: in the image: /lib/apk/db/installed: expected a line X:VALUE at byte 0, found "no record"`,
		},
		"a rpm database that is none": {
			[]map[string]string{{"x": ""}},
			write("var/lib/rpm/Packages.db", "x"), nil,
			fact.Truncated, "",
		},
		"a rpm database with a damaged record": {
			[]map[string]string{{"x": ""}},
			write("var/lib/rpm/Packages.db", string(rpmtest.NDB(append(rpmtest.Generated(2, 1), rpmtest.Header(rpmtest.Entry{Tag: 1001, Data: "1"}))))), nil,
			fact.Corrupt, "changes of the package database of rpm: /var/lib/rpm/Packages.db: 1 damaged records",
		},
		"more packages than are compared": {
			[]map[string]string{{status: base}},
			write(status, huge.String()), nil,
			fact.Truncated, "changes of the package database of dpkg: /var/lib/dpkg/status: more than 30000 packages, or 1048576 bytes of their names",
		},
		"a sparse terabyte": {
			[]map[string]string{{status: base}},
			func(t *testing.T, merged string) { must(t, os.Truncate(filepath.Join(merged, status), 1<<40)) }, nil,
			fact.Truncated, "changes of the package database of dpkg: /var/lib/dpkg/status: larger than the limit of 134217728 bytes",
		},
		"dpkg at work": {
			[]map[string]string{{status: base}},
			write("var/lib/dpkg/updates/0001", dpkgStanza("x", "1")), nil,
			fact.Changing, "changes of the package database of dpkg: /var/lib/dpkg/updates: dpkg is at work, or was interrupted",
		},
		"a FIFO for a database": {
			[]map[string]string{{"x": ""}},
			func(t *testing.T, merged string) {
				must(t, os.MkdirAll(filepath.Join(merged, "var/lib/dpkg"), 0o755))
				must(t, unix.Mkfifo(filepath.Join(merged, status), 0o644))
			}, nil, fact.Unreadable, "changes of the package database of dpkg: /var/lib/dpkg/status: expected a regular file in upperdir, found a directory, a link or another kind of file",
		},
		"a link to the host for a database": {
			[]map[string]string{{"x": ""}},
			func(t *testing.T, merged string) {
				must(t, os.MkdirAll(filepath.Join(merged, "var/lib/dpkg"), 0o755))
				must(t, os.Symlink("/var/lib/dpkg/status", filepath.Join(merged, status)))
			}, nil, fact.Unreadable, "changes of the package database of dpkg: /var/lib/dpkg/status: expected a regular file in upperdir, found a directory, a link or another kind of file",
		},
	} {
		t.Run(name, func(t *testing.T) {
			merged, _ := mergedOf(t, tc.image...)
			tc.change(t, merged)
			got, gap := mountedAt(t, merged).PackageChange(t.Context())
			if got != nil && tc.want != nil && tc.want.Manager == "rpm" {
				// The generated names.
				if len(got.Added) != tc.want.Total {
					t.Errorf("added %q", got.Added)
				}
				got.Added = nil
			}
			if diff := cmp.Diff(tc.want, got, cmpopts.IgnoreFields(fact.PackageChange{}, "At")); diff != "" {
				t.Errorf("change (-want +got):\n%s", diff)
			}
			if got != nil && len(got.Removed) < got.Total && got.At.IsZero() && name != "the database is removed" {
				t.Error("no time")
			}
			var want *fact.NodeGap
			if tc.reason != "" {
				want = &fact.NodeGap{What: fact.Upperdir, Reason: tc.reason, Detail: tc.detail}
				if gap != nil && tc.detail == "" {
					want.Detail = gap.Detail
				}
			}
			if diff := cmp.Diff(want, gap); diff != "" {
				t.Errorf("gap (-want +got):\n%s", diff)
			}
		})
	}
}

func names(format string, n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf(format, i))
	}
	return out
}

// dpkg itself installs, upgrades and removes packages in a container; dpkg-query's lists
// before and after are the oracle.
func TestPackageChangeOfDpkg(t *testing.T) {
	needMounts(t)
	for _, tool := range []string{"dpkg", "dpkg-deb", "dpkg-query"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s", tool)
		}
	}
	run := func(name string, args ...string) string {
		t.Helper()
		out, err := exec.Command(name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	debs := t.TempDir()
	deb := func(name, version string) string {
		dir := filepath.Join(debs, name+version)
		must(t, os.MkdirAll(filepath.Join(dir, "DEBIAN"), 0o755))
		must(t, os.MkdirAll(filepath.Join(dir, "usr/share/x"), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, "usr/share/x", name), []byte(version), 0o644))
		control := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: x <x@example.com>\nDescription: x\n", name, version)
		must(t, os.WriteFile(filepath.Join(dir, "DEBIAN/control"), []byte(control), 0o644))
		file := filepath.Join(debs, name+"_"+version+".deb")
		run("dpkg-deb", "--root-owner-group", "-b", dir, file)
		return file
	}
	merged, _ := mergedOf(t, map[string]string{"var/lib/dpkg/status": "", "var/lib/dpkg/info/": "", "var/lib/dpkg/updates/": "", "usr/": ""})
	dpkg := func(args ...string) {
		run("dpkg", append([]string{"--root=" + merged, "--force-all", "--log=/dev/null"}, args...)...)
	}
	list := func() map[string]string {
		out := map[string]string{}
		for line := range strings.Lines(run("dpkg-query", "--admindir="+merged+"/var/lib/dpkg", "-W", "-f", "${db:Status-Abbrev}|${Package}|${Version}\n")) {
			words := strings.Split(strings.TrimSpace(line), "|")
			if strings.HasPrefix(words[0], "ii") {
				out[words[1]] = words[2]
			}
		}
		return out
	}
	// The image: what dpkg has written so far becomes a lower layer of the container.
	dpkg("-i", deb("one", "1"), deb("two", "1"), deb("three", "1"))
	before := list()
	image := map[string]string{}
	for path, n := range snapshot(t, merged) {
		if n.kind == 'f' {
			image[path] = n.content
		}
	}
	must(t, unix.Unmount(merged, 0))
	merged, _ = mergedOf(t, image, map[string]string{"var/lib/dpkg/updates/": ""})
	dpkg("-i", deb("two", "2"), deb("four", "1"))
	dpkg("-r", "three")
	after := list()
	want := &fact.PackageChange{Manager: "dpkg", Path: "/var/lib/dpkg/status"}
	for name, version := range after {
		switch was := before[name]; {
		case was == "":
			want.Added = append(want.Added, name)
		case was != version:
			want.Changed = append(want.Changed, name)
		}
	}
	for name := range before {
		if after[name] == "" {
			want.Removed = append(want.Removed, name)
		}
	}
	want.Total = len(want.Added) + len(want.Changed) + len(want.Removed)
	got, gap := mountedAt(t, merged).PackageChange(t.Context())
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(fact.PackageChange{}, "At")); diff != "" || gap != nil || want.Total != 3 {
		t.Errorf("gap %+v, dpkg (-) and ours (+):\n%s", gap, diff)
	}
}

// rpm itself adds to and removes from a SQLite database in a container, as the image has
// it in one layer.
func TestPackageChangeOfRPM(t *testing.T) {
	needMounts(t)
	root := rpmtest.Install(t, rpmtest.Spec{Name: "one", Version: "1", Release: "1"}, rpmtest.Spec{Name: "two", Version: "1", Release: "1"})
	next := rpmtest.Install(t, rpmtest.Spec{Name: "two", Version: "2", Release: "1"}, rpmtest.Spec{Name: "three", Version: "1", Release: "1"})
	packages, err := filepath.Glob(filepath.Join(filepath.Dir(next), "RPMS/*/*.rpm"))
	must(t, err)
	image := map[string]string{}
	for path, n := range snapshot(t, root) {
		if n.kind == 'f' {
			image[path] = n.content
		}
	}
	merged, _ := mergedOf(t, map[string]string{"x": ""}, image)
	rpm := func(args ...string) {
		t.Helper()
		cmd := exec.Command("rpm", append([]string{"--root", merged, "--dbpath", "/var/lib/rpm", "--justdb", "--nodeps", "--nosignature"}, args...)...)
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("rpm %q: %v\n%s", args, err, out)
		}
	}
	rpm(append([]string{"-U", "--ignorearch", "--ignoreos"}, packages...)...)
	rpm("-e", "one")
	lines := rpmtest.Query(t, filepath.Join(merged, "var/lib/rpm"), "sqlite")
	sort.Strings(lines)
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "three|") || !strings.HasPrefix(lines[1], "two|(none)|2|") {
		t.Fatalf("rpm -qa: %q", lines)
	}
	got, gap := mountedAt(t, merged).PackageChange(t.Context())
	want := &fact.PackageChange{Manager: "rpm", Path: "/var/lib/rpm/rpmdb.sqlite", Added: []string{"three"}, Removed: []string{"one"}, Changed: []string{"two"}, Total: 3}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(fact.PackageChange{}, "At")); diff != "" || gap != nil {
		t.Errorf("gap %+v, change (-want +got):\n%s", gap, diff)
	}
}
