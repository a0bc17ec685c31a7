package host

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
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
)

// oracle finds a program of apt or dpkg, or ends the test: skipped on a machine
// without it, failed where CHECKLIST_REQUIRE_TOOLS=1 says that it is installed.
func oracle(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	absent(t, name+" is not installed")
	return ""
}

func absent(t testing.TB, message string) {
	t.Helper()
	if os.Getenv("CHECKLIST_REQUIRE_TOOLS") == "1" {
		t.Fatal(message)
	}
	t.Skip(message)
}

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
	command := exec.Command(oracle(t, "apt-get"), append(options, "-s", "dist-upgrade")...)
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
	oracle(t, "apt-get")
	if err := ownLists(); err != nil {
		absent(t, err.Error())
	}
	root := openRoot(t, "/")
	state, gaps := readPackages(context.Background(), root, osRelease(root))
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

// aptConfig writes an apt.conf that makes apt work in a fixture's root, and
// returns its path, for APT_CONFIG.
func aptConfig(t testing.TB, dir string, archs ...string) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "Dir %q;\nDir::State::status %q;\nDir::Bin::methods \"/usr/lib/apt/methods\";\n", dir, dir+dpkgStatus)
	fmt.Fprintf(&b, "APT::Architecture %q;\n", archs[0])
	for _, arch := range archs {
		fmt.Fprintf(&b, "APT::Architectures:: %q;\n", arch)
	}
	path := filepath.Join(t.TempDir(), "apt.conf")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestUpdatesOfFixtures has apt judge the fixtures, with the preferences of
// each row: what it would install is what we say.
func TestUpdatesOfFixtures(t *testing.T) {
	if testing.Short() {
		t.Skip("starts apt for every row")
	}
	debian, ubuntu := fixture(t, "debian12"), fixture(t, "ubuntu2204")
	preferences := func(f files, text string) files {
		return f.with(files{"etc/apt/preferences.d/test": text})
	}
	conf := func(f files, text string) files {
		return f.with(files{"etc/apt/apt.conf.d/99test": text})
	}
	const backports = "etc/apt/sources.list.d/backports.list"
	const backportsLists = "var/lib/apt/lists/mirror.example.org_debian_dists_bookworm-backports_"
	withBackports := func(release string) files {
		return debian.with(files{
			backports: "deb [arch=amd64] http://mirror.example.org/debian bookworm-backports main\n",
			backportsLists + "Release": "Origin: Debian Backports\nLabel: Debian Backports\nSuite: oldstable-backports\n" +
				"Codename: bookworm-backports\nDate: Sat, 11 Jul 2026 10:16:37 UTC\n" + release,
			backportsLists + "main_binary-amd64_Packages": "Package: curl\nVersion: 8.14.1-2~bpo12+1\nArchitecture: amd64\nFilename: a\nSize: 1\n\n",
		})
	}
	for name, tc := range map[string]struct {
		files   files
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
		"files with another suffix are not read":     {files: debian.with(files{"etc/apt/preferences.d/test.bak": "Package: *\nPin: release o=Debian\nPin-Priority: -5\n"})},
		"default release":                            {files: conf(debian, "APT { Default-Release \"oldstable\"; };\n")},
		"backports are not automatic":                {files: withBackports("NotAutomatic: yes\nButAutomaticUpgrades: yes\n")},
		"an archive that is not automatic":           {files: withBackports("NotAutomatic: yes\n")},
		"an archive like any other":                  {files: withBackports("")},
		"backports of an installed backport": {files: withBackports("NotAutomatic: yes\nButAutomaticUpgrades: yes\n").
			edit(t, "var/lib/dpkg/status", "Version: 7.88.1-10+deb12u14\n", "Version: 8.14.0-1~bpo12+1\n")},
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
			dir := tc.files.write(t)
			state, gaps := readPackages(context.Background(), openRoot(t, dir), fact.OSRelease{})
			for _, gap := range gaps {
				// Some rows switch the security archive off.
				if !strings.HasPrefix(gap.Detail, "none of the 3 package lists is of a security archive") {
					t.Fatalf("gap: %+v", gap)
				}
			}
			want, _ := simulate(t, "", aptConfig(t, dir, archs...), tc.options...)
			if diff := cmp.Diff(want, upgrades(state), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("updates (-apt +ours):\n%s", diff)
			}
		})
	}
}

// TestPhasedUpdates has apt leave out what is phased: that is what we mark.
func TestPhasedUpdates(t *testing.T) {
	dir := fixture(t, "ubuntu2204").write(t)
	state, gaps := readPackages(context.Background(), openRoot(t, dir), fact.OSRelease{})
	if len(gaps) > 0 {
		t.Fatalf("gaps: %+v", gaps)
	}
	state.Pending = slices.DeleteFunc(state.Pending, func(u fact.PendingUpdate) bool { return u.Phasing })
	want, _ := simulate(t, "", aptConfig(t, dir, "amd64", "i386"), "-o", "APT::Get::Never-Include-Phased-Updates=true")
	if diff := cmp.Diff(want, upgrades(state)); diff != "" {
		t.Errorf("updates that are not phased (-apt +ours):\n%s", diff)
	}
}

// TestListNames compares the names of lists with "apt-get indextargets".
func TestListNames(t *testing.T) {
	dir := fixture(t, "sources").write(t)
	config := aptConfig(t, dir, "amd64", "i386")
	command := exec.Command(oracle(t, "apt-get"), "indextargets", "--no-release-info",
		"--format", "$(METAKEY) $(FILENAME)", "Created-By: Packages")
	command.Env = append(os.Environ(), "LC_ALL=C", "APT_CONFIG="+config)
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %v", command.Args, err)
	}
	var want []string
	for line := range strings.Lines(string(out)) {
		want = append(want, strings.ReplaceAll(strings.TrimSpace(line), dir+aptLists+"/", ""))
	}

	a := &aptReader{ctx: context.Background(), root: openRoot(t, dir), db: &database{nativeArch: "amd64", archs: []string{"amd64", "i386"}}}
	a.readConfig()
	if len(a.gaps) > 0 {
		t.Fatalf("gaps: %+v", a.gaps)
	}
	var got []string
	for _, src := range a.sources {
		for _, target := range src.targets(a.db.archs) {
			got = append(got, target.metaKey+" "+target.list)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	want, got = slices.Compact(want), slices.Compact(got)
	if len(want) == 0 {
		t.Fatalf("apt names no list: %s", out)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lists (-apt +ours):\n%s", diff)
	}
}

// BenchmarkReadPackages reads this machine's own database and lists. cpu-ms/op
// is the time of all threads, the collector's of garbage included.
func BenchmarkReadPackages(b *testing.B) {
	if err := ownLists(); err != nil {
		b.Skip(err)
	}
	root := openRoot(b, "/")
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		state, _ := readPackages(context.Background(), root, fact.OSRelease{})
		if state == nil || state.Indexes == 0 {
			b.Fatal("no package list was read")
		}
	}
	b.ReportMetric(float64((cpuTime(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
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
		t.Run(name, func(t *testing.T) { oracle(t, name) })
	}
}
