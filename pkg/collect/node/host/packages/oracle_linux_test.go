package packages

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/osrelease"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/unpack"
)

// ownLists makes sure that this machine has package lists, once for all tests.
var ownLists = sync.OnceValue(func() error {
	names, err := filepath.Glob("/var/lib/apt/lists/*_Packages*")
	if err != nil || len(names) > 0 {
		return err
	}
	out, err := exec.Command("apt-get", "update", "-q").CombinedOutput()
	if err != nil {
		return &exec.Error{Name: "apt-get update: " + string(out), Err: err}
	}
	return nil
})

// inst is an upgrade in "apt-get -s": a line
// "Inst NAME [INSTALLED] (CANDIDATE ARCHIVE, ... [ARCH]) [...]".
type inst struct{ Name, Installed, Candidate, Arch string }

var instLine = regexp.MustCompile(`^Inst (\S+) \[([^]]+)\] \((\S+) (.*) \[(\S+)\]\)`)

// simulate returns the upgrades of "apt-get -s dist-upgrade" and, apart, the
// names of those whose candidate itself lies in an archive of apt's label.
// Packages that are newly installed have no [INSTALLED]: they are no updates.
func simulate(t testing.TB, security, config string, options ...string) (all []inst, fromSecurity []string) {
	t.Helper()
	command := exec.Command(hosttest.Tool(t, "apt-get"), append(options, "-s", "dist-upgrade")...)
	command.Env = append(os.Environ(), "LC_ALL=C", "APT_CONFIG="+config)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", command.Args, err, &stderr)
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		m := instLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		name, _, _ := strings.Cut(m[1], ":")
		all = append(all, inst{name, m[2], m[3], m[5]})
		if strings.Contains(m[4], security) {
			fromSecurity = append(fromSecurity, name)
		}
	}
	slices.SortFunc(all, func(a, b inst) int { return strings.Compare(a.Name+" "+a.Arch, b.Name+" "+b.Arch) })
	slices.Sort(fromSecurity)
	return all, fromSecurity
}

// upgrades are the pending updates that apt would install now.
func upgrades(state *fact.PackageState) []inst {
	var all []inst
	for _, u := range state.Pending {
		if !u.Held {
			all = append(all, inst{u.Name, u.Installed, u.Candidate, u.Arch})
		}
	}
	return all
}

// TestUpdatesOfThisMachine compares with apt package for package.
func TestUpdatesOfThisMachine(t *testing.T) {
	if testing.Short() {
		t.Skip("apt-get -s dist-upgrade takes seconds")
	}
	hosttest.Tool(t, "apt-get")
	if err := ownLists(); err != nil {
		hosttest.Absent(t, err.Error())
	}
	root := hosttest.OpenRoot(t, "/")
	state, gaps := Read(context.Background(), root, osrelease.Read(root))
	if len(gaps) > 0 {
		t.Fatalf("gaps: %+v", gaps)
	}
	want, labelled := simulate(t, "Debian-Security:", "")
	if diff := cmp.Diff(want, upgrades(state)); diff != "" {
		t.Errorf("updates (-apt +ours):\n%s", diff)
	}

	// apt labels a package by the archives of its candidate alone. We name the
	// security update that leads to it, so ours has every one of apt's, and
	// those besides whose candidate is a later point release on top of a
	// security update that is still missing here.
	var ours, beyond []string
	for _, u := range state.Pending {
		if u.Security == "" || u.Held {
			continue
		}
		ours = append(ours, u.Name)
		if !slices.Contains(labelled, u.Name) {
			beyond = append(beyond, u.Name)
			if u.Security == u.Candidate {
				t.Errorf("%s: the candidate %s is in %s by our reading, by apt's in no security archive", u.Name, u.Candidate, u.Archive)
			}
		}
	}
	for _, name := range labelled {
		if !slices.Contains(ours, name) {
			t.Errorf("%s: apt labels it security, we do not", name)
		}
	}
	t.Logf("%d installed, %d updates, %d of them security (apt's label: %d; beyond it: %v)",
		state.Installed, len(want), len(ours), len(labelled), beyond)
	if state.Checked.IsZero() || state.Content.IsZero() || state.Content.After(time.Now()) {
		t.Errorf("checked %v, content %v", state.Checked, state.Content)
	}
}

// TestUpdatesOfFixtures has apt judge the fixtures, with the preferences of
// each row: what it would install is what we say.
func TestUpdatesOfFixtures(t *testing.T) {
	if testing.Short() {
		t.Skip("starts apt for every row")
	}
	debian, ubuntu := hosttest.Fixture(t, "debian12"), hosttest.Fixture(t, "ubuntu2204")
	preferences := func(f hosttest.Files, text string) hosttest.Files {
		return f.With(hosttest.Files{"etc/apt/preferences.d/test": text})
	}
	conf := func(f hosttest.Files, text string) hosttest.Files {
		return f.With(hosttest.Files{"etc/apt/apt.conf.d/99test": text})
	}
	const backports = "etc/apt/sources.list.d/backports.list"
	const backportsLists = "var/lib/apt/lists/mirror.example.org_debian_dists_bookworm-backports_"
	withBackports := func(release string) hosttest.Files {
		return debian.With(hosttest.Files{
			backports: "deb [arch=amd64] http://mirror.example.org/debian bookworm-backports main\n",
			backportsLists + "Release": "Origin: Debian Backports\nLabel: Debian Backports\nSuite: oldstable-backports\n" +
				"Codename: bookworm-backports\nDate: Sat, 11 Jul 2026 10:16:37 UTC\n" + release,
			backportsLists + "main_binary-amd64_Packages": "Package: curl\nVersion: 8.14.1-2~bpo12+1\nArchitecture: amd64\nFilename: a\nSize: 1\n\n",
		})
	}
	for name, tc := range map[string]struct {
		files   hosttest.Files
		archs   []string
		options []string
	}{
		"Debian": {files: debian},
		"Ubuntu, everything that is phased included": {
			files: ubuntu, archs: []string{"amd64", "i386"}, options: []string{"-o", "APT::Get::Always-Include-Phased-Updates=true"},
		},
		"general pin by origin, below the installed": {files: preferences(debian, "Package: *\nPin: origin mirror.example.org\nPin-Priority: 50\n")},
		"general pin by label":                       {files: preferences(debian, "Package: *\nPin: release l=Debian-Security\nPin-Priority: 50\n")},
		"never takes an archive away":                {files: preferences(debian, "Package: *\nPin: release n=bookworm-security\nPin-Priority: never\n")},
		"never beats a specific pin":                 {files: preferences(debian, "Package: *\nPin: release n=bookworm-security\nPin-Priority: never\n\nPackage: openssl\nPin: release n=bookworm-security\nPin-Priority: 900\n")},
		"the first general pin counts":               {files: preferences(debian, "Package: *\nPin: release o=Debian\nPin-Priority: 10\n\nPackage: *\nPin: release l=Debian-Security\nPin-Priority: 990\n")},
		"several conditions must all hold":           {files: preferences(debian, "Package: *\nPin: release o=Debian, l=Debian-Security\nPin-Priority: 50\n")},
		"a release pin of one word":                  {files: preferences(debian, "Package: *\nPin: release bookworm-security\nPin-Priority: 50\n")},
		"a release pin of one word, a version":       {files: preferences(debian, "Package: *\nPin: release 12.15\nPin-Priority: 50\n")},
		"release version with a glob":                {files: preferences(debian, "Package: *\nPin: release v=12*\nPin-Priority: 50\n")},
		"specific pin keeps a version":               {files: preferences(debian, "Package: openssl libssl3\nPin: version 3.0.1*\nPin-Priority: 1001\n")},
		"specific pin by glob of the name":           {files: preferences(debian, "Package: lib*\nPin: release l=Debian-Security\nPin-Priority: -1\n")},
		"names in another case match":                {files: preferences(debian, "Package: *\nPin: release l=DEBIAN-security\nPin-Priority: 50\n")},
		"the first specific pin counts":              {files: preferences(debian, "Package: openssl\nPin: release l=Debian-Security\nPin-Priority: 50\n\nPackage: openssl\nPin: release l=Debian-Security\nPin-Priority: 990\n")},
		"a comment inside preferences":               {files: preferences(debian, "# why\nExplanation: because\nPackage: curl\n# and\nPin: release o=Debian\nPin-Priority: -5\n")},
		"installed versions pinned above all":        {files: preferences(debian, "Package: *\nPin: release a=now\nPin-Priority: 990\n")},
		"files with another suffix are not read":     {files: debian.With(hosttest.Files{"etc/apt/preferences.d/test.bak": "Package: *\nPin: release o=Debian\nPin-Priority: -5\n"})},
		"default release":                            {files: conf(debian, "APT { Default-Release \"oldstable\"; };\n")},
		"backports are not automatic":                {files: withBackports("NotAutomatic: yes\nButAutomaticUpgrades: yes\n")},
		"an archive that is not automatic":           {files: withBackports("NotAutomatic: yes\n")},
		"an archive like any other":                  {files: withBackports("")},
		"backports of an installed backport": {files: withBackports("NotAutomatic: yes\nButAutomaticUpgrades: yes\n").
			Edit(t, "var/lib/dpkg/status", "Version: 7.88.1-10+deb12u14\n", "Version: 8.14.0-1~bpo12+1\n")},
		"a foreign architecture's pin does not count": {
			files: preferences(ubuntu, "Package: libxml2\nPin: version *\nPin-Priority: -1\n"), archs: []string{"amd64", "i386"},
			options: []string{"-o", "APT::Get::Always-Include-Phased-Updates=true"},
		},
		"a pin for a foreign architecture": {
			files: preferences(ubuntu, "Package: libxml2:i386\nPin: version *\nPin-Priority: -1\n"), archs: []string{"amd64", "i386"},
			options: []string{"-o", "APT::Get::Always-Include-Phased-Updates=true"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			archs := tc.archs
			if archs == nil {
				archs = []string{"amd64"}
			}
			dir := tc.files.Write(t)
			state, gaps := Read(context.Background(), hosttest.OpenRoot(t, dir), fact.OSRelease{})
			for _, gap := range gaps {
				// Some rows switch the security archive off.
				if !strings.HasPrefix(gap.Detail, "none of the 3 package lists is from a security archive") {
					t.Fatalf("gap: %+v", gap)
				}
			}
			want, _ := simulate(t, "", hosttest.AptConfig(t, dir, archs...), tc.options...)
			if diff := cmp.Diff(want, upgrades(state), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("updates (-apt +ours):\n%s", diff)
			}
		})
	}
}

// TestPhasedUpdates has apt leave out what is phased: that is what we mark.
func TestPhasedUpdates(t *testing.T) {
	dir := hosttest.Fixture(t, "ubuntu2204").Write(t)
	state, gaps := Read(context.Background(), hosttest.OpenRoot(t, dir), fact.OSRelease{})
	if len(gaps) > 0 {
		t.Fatalf("gaps: %+v", gaps)
	}
	state.Pending = slices.DeleteFunc(state.Pending, func(u fact.PendingUpdate) bool { return u.Phasing })
	want, _ := simulate(t, "", hosttest.AptConfig(t, dir, "amd64", "i386"), "-o", "APT::Get::Never-Include-Phased-Updates=true")
	if diff := cmp.Diff(want, upgrades(state)); diff != "" {
		t.Errorf("updates that are not phased (-apt +ours):\n%s", diff)
	}
}

// BenchmarkReadPackages compares reading this machine's own database and lists with
// unpacking the same files without judgement. cpu-ms/op is the time of all threads, the
// collector's of garbage included.
func BenchmarkReadPackages(b *testing.B) {
	if err := ownLists(); err != nil {
		b.Skip(err)
	}
	root := hosttest.OpenRoot(b, "/")
	measure := func(name string, run func(b *testing.B)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				run(b)
			}
			b.ReportMetric(float64((cpuTime(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
	buf := make([]byte, 256<<10)
	measure("the files", func(b *testing.B) {
		names, err := filepath.Glob("/var/lib/apt/lists/*_Packages*")
		if err != nil || len(names) == 0 {
			b.Fatal(names, err)
		}
		for _, name := range append(names, "/var/lib/dpkg/status") {
			file, err := root.Open(name)
			if err != nil {
				b.Fatal(err)
			}
			unpacked, done, err := unpack.Open(b.Context(), file)
			if err != nil {
				b.Fatal(err)
			}
			for err == nil {
				_, err = unpacked.Read(buf)
			}
			done()
			_ = file.Close()
			if !errors.Is(err, io.EOF) {
				b.Fatal(err)
			}
		}
	})
	measure("judged", func(b *testing.B) {
		state, _ := Read(context.Background(), root, fact.OSRelease{})
		if state == nil || state.Indexes == 0 {
			b.Fatal("no package list was read")
		}
	})
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// TestTools says which oracles are missing, once.
func TestTools(t *testing.T) {
	for _, name := range []string{"apt-get", "dpkg", "lz4", "xz"} {
		t.Run(name, func(t *testing.T) { hosttest.Tool(t, name) })
	}
}
