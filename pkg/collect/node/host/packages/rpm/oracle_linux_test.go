package rpm

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
)

// toBuild is a package to build.
type toBuild struct{ name, epoch, version, release, arch, obsoletes, provides, module string }

// advisory is an advisory of updateinfo.xml about packages.
type advisory struct {
	id, kind, status, module, stream string
	packages                         []toBuild
}

func updateInfo(advisories []advisory) string {
	var b strings.Builder
	b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<updates>\n")
	for _, a := range advisories {
		status := a.status
		if status == "" {
			status = "final"
		}
		fmt.Fprintf(&b, "<update from=\"x\" status=\"%s\" type=\"%s\" version=\"1\"><id>%s</id><title>t</title><severity>Important</severity><issued date=\"2024-01-01 00:00:00\"/>"+
			"<references/><description>d</description><pkglist><collection short=\"c\"><name>c</name>\n", status, a.kind, a.id)
		if a.module != "" {
			fmt.Fprintf(&b, "<module name=\"%s\" stream=\"%s\" version=\"1\" context=\"c\" arch=\"x86_64\"/>\n", a.module, a.stream)
		}
		for _, p := range a.packages {
			epoch := p.epoch
			if epoch == "" {
				epoch = "0"
			}
			fmt.Fprintf(&b, "<package name=\"%s\" version=\"%s\" release=\"%s\" epoch=\"%s\" arch=\"%s\" src=\"x.src.rpm\"><filename>%s-%s-%s.%s.rpm</filename></package>\n",
				p.name, p.version, p.release, epoch, p.arch, p.name, p.version, p.release, p.arch)
		}
		b.WriteString("</collection></pkglist></update>\n")
	}
	return b.String() + "</updates>\n"
}

// run runs a program and returns its output. status is what it may exit with
// besides 0.
func run(t testing.TB, env []string, status []int, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(hosttest.Tool(t, name), args...)
	cmd.Env = append(append(os.Environ(), "LC_ALL=C"), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && (cmd.ProcessState == nil || !slices.Contains(status, cmd.ProcessState.ExitCode())) {
		t.Fatalf("%v: %v\n%s\n%s", cmd.Args, err, &stdout, &stderr)
	}
	return stdout.String()
}

// kept are packages that were built before, by what they are: a directory of each.
// Nothing is kept unless a test with many small worlds makes the map.
var kept map[string]string

// buildKept is build, of what was built before at once.
func buildKept(t testing.TB, to, vendor string, packages []toBuild) {
	t.Helper()
	key := fmt.Sprintf("%s %+v", vendor, packages)
	dir, known := kept[key]
	if kept == nil || !known {
		build(t, to, vendor, packages)
		if kept == nil {
			return
		}
		var err error
		if dir, err = os.MkdirTemp(kept[""], "kept"); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(dir, os.DirFS(to)); err != nil {
			t.Fatal(err)
		}
		kept[key] = dir
		return
	}
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
}

// build builds packages, each name and architecture in one version: one spec file
// with a subpackage for each, for each architecture of the build.
func build(t testing.TB, to, vendor string, packages []toBuild) {
	t.Helper()
	dir := t.TempDir()
	targets := map[string][]toBuild{}
	for _, p := range packages {
		target := p.arch
		if target == "noarch" {
			target = "x86_64"
		}
		targets[target] = append(targets[target], p)
	}
	for target, packages := range targets {
		var b strings.Builder
		fmt.Fprintf(&b, "Name: none\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\n")
		if vendor != "" {
			fmt.Fprintf(&b, "Vendor: %s\n", vendor)
		}
		b.WriteString("%description\nx\n")
		for _, p := range packages {
			fmt.Fprintf(&b, "%%package -n %s\nSummary: x\nVersion: %s\nRelease: %s\n", p.name, p.version, p.release)
			for field, value := range map[string]string{"Epoch": p.epoch, "Obsoletes": p.obsoletes, "Provides": p.provides, "ModularityLabel": p.module} {
				if value != "" {
					fmt.Fprintf(&b, "%s: %s\n", field, value)
				}
			}
			if p.arch == "noarch" {
				b.WriteString("BuildArch: noarch\n")
			}
			fmt.Fprintf(&b, "%%description -n %s\nx\n%%files -n %s\n", p.name, p.name)
		}
		spec := filepath.Join(dir, target+".spec")
		if err := os.WriteFile(spec, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		run(t, []string{"HOME=" + dir}, nil, "rpmbuild", "-bb", "--quiet", "--target", target, "-D", "_topdir "+dir, "-D", "_rpmdir "+to,
			"-D", "_build_id_links none", "-D", "__os_install_post %{nil}", spec)
	}
}

// repo is a repository to make.
type repo struct {
	id, options string
	vendor      string
	generations [][]toBuild // each name once in each
	advisories  []advisory
	noInfo      bool
	modules     string
}

// world is a root with installed packages and configured repositories.
type world struct {
	dir  string
	home string
}

const worldHome = "/h"

// plainDir is a directory without the test's name in its path: dnf takes commas for
// the ends of lists.
func plainDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "world")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// newWorld installs packages into a root by rpm and makes repositories beside it.
func newWorld(t testing.TB, vendor string, installed [][]toBuild, repos []repo) *world {
	t.Helper()
	w := &world{dir: plainDir(t), home: "HOME=" + worldHome}
	write := func(path, text string) {
		path = w.dir + path
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// Debian's rpm has its database in the home directory.
	write(worldHome+"/.rpmdb/.keep", "")
	if err := os.MkdirAll(w.dir+"/var/lib", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(worldHome+"/.rpmdb", w.dir+"/var/lib/rpm"); err != nil {
		t.Fatal(err)
	}
	for _, generation := range installed {
		dir := t.TempDir()
		buildKept(t, dir, vendor, generation)
		files, err := filepath.Glob(dir + "/*/*.rpm")
		if err != nil || len(files) != len(generation) {
			t.Fatalf("%d packages built of %d, %v", len(files), len(generation), err)
		}
		run(t, []string{w.home}, nil, "rpm", append([]string{
			"--root", w.dir, "--dbpath", worldHome + "/.rpmdb", "--justdb", "--nodeps", "--ignorearch", "--ignoreos", "--nosignature", "--force", "-i",
		}, files...)...)
	}
	for _, r := range repos {
		dir := filepath.Join(plainDir(t), r.id)
		for i, generation := range r.generations {
			buildKept(t, fmt.Sprintf("%s/%d", dir, i), r.vendor, generation)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		run(t, nil, nil, "createrepo_c", "-q", dir)
		add := func(kind, name, text string) {
			path := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			run(t, nil, nil, "modifyrepo_c", "--mdtype="+kind, "--new-name="+name, path, dir+"/repodata")
		}
		if !r.noInfo {
			add("updateinfo", "updateinfo.xml", updateInfo(r.advisories))
		}
		if r.modules != "" {
			add("modules", "modules.yaml", r.modules)
		}
		text := fmt.Sprintf("[%s]\nname=%s\nbaseurl=file://%s\nenabled=1\ngpgcheck=0\n%s", r.id, r.id, dir, r.options)
		write("/etc/yum.repos.d/"+r.id+".repo", text)
		write("/etc/zypp/repos.d/"+r.id+".repo", text+"autorefresh=0\ntype=rpm-md\n")
	}
	write("/etc/dnf/dnf.conf", "[main]\ngpgcheck=0\n")
	write("/etc/os-release", "ID=rocky\nVERSION_ID=9.4\n")
	return w
}

// dnf runs dnf in the root. Status 100 means that there are updates.
func (w *world) dnf(t testing.TB, args ...string) string {
	t.Helper()
	return run(t, []string{w.home}, []int{100}, "dnf", append([]string{
		"--installroot=" + w.dir, "--releasever=9", "--forcearch=x86_64", "-c", w.dir + "/etc/dnf/dnf.conf", "--setopt=reposdir=" + w.dir + "/etc/yum.repos.d",
		"--setopt=module_platform_id=platform:el9", "-q",
	}, args...)...)
}

func (w *world) read(t testing.TB) (*fact.PackageState, []fact.NodeGap) {
	t.Helper()
	state, gaps, err := Manager{}.Read(t.Context(), hosttest.OpenRoot(t, w.dir))
	if err != nil {
		t.Fatal(err)
	}
	return state, gaps
}

// ours are the updates that dnf would install, as check-update prints them: NAME.ARCH
// EVR. With security, only those with a fix.
func ours(state *fact.PackageState, security bool) []string {
	var out []string
	for _, u := range state.Pending {
		if u.Held || security && u.Security == "" {
			continue
		}
		out = append(out, u.Name+"."+u.Arch+" "+u.Candidate)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// theirs parses "dnf check-update", without the obsoleting packages.
func theirs(text string) []string {
	var out []string
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "Obsoleting") {
			break
		}
		if f := strings.Fields(line); len(f) == 3 {
			out = append(out, f[0]+" "+f[1])
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// random makes installed packages and repositories with every kind of version.
func random(rng *rand.Rand, names int) (installed [][]toBuild, repos []repo) {
	pick := func(words ...string) string { return words[rng.IntN(len(words))] }
	arch := make([]string, names)
	for i := range arch {
		arch[i] = pick("x86_64", "x86_64", "noarch")
	}
	generation := func(share int) (out []toBuild) {
		for i := range names {
			if rng.IntN(100) < share {
				out = append(out, toBuild{
					name: "pkg" + strconv.Itoa(i), epoch: pick("", "", "", "1"), version: pick("1.0", "1.1", "1.1~rc1", "1.2", "1.10", "2.0^git1"),
					release: pick("1.el9", "2.el9", "2.el9_1", "10.el9"), arch: arch[i],
				})
			}
		}
		return out
	}
	serial := 0
	advisoriesOf := func(generations [][]toBuild) (out []advisory) {
		for _, generation := range generations {
			for len(generation) > 0 {
				n := min(len(generation), 1+rng.IntN(3))
				serial++
				if rng.IntN(3) > 0 {
					out = append(out, advisory{id: fmt.Sprintf("SA-%d", serial), kind: pick("security", "security", "bugfix", "enhancement"), packages: generation[:n]})
				}
				generation = generation[n:]
			}
		}
		return out
	}
	installed = [][]toBuild{generation(80)}
	for i, id := range []string{"baseos", "updates", "third"} {
		r := repo{id: id, generations: [][]toBuild{generation(60), generation(40)}, noInfo: id == "third"}
		r.advisories = advisoriesOf(r.generations)
		if i == 1 && rng.IntN(2) == 0 {
			r.options = "priority=50\n"
		}
		if i == 0 {
			r.options = "excludepkgs=pkg1?,pkg2*.noarch\n"
		}
		repos = append(repos, r)
	}
	return installed, repos
}

// worlds is how many random worlds are compared, and packages how many names each has.
func worlds(t testing.TB) (count, packages int) {
	t.Helper()
	count, packages = 1, 150
	if text := os.Getenv("CHECKLIST_RPM_WORLDS"); text != "" {
		var err error
		if count, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
		packages = 1000
	}
	return count, packages
}

// TestDNF compares with dnf on random repositories and installed packages, package
// for package. CHECKLIST_RPM_WORLDS=N compares N worlds of 1,000 names.
func TestDNF(t *testing.T) {
	count, packages := worlds(t)
	rows, fixes := 0, 0
	for seed := range uint64(count) {
		installed, repos := random(rand.New(rand.NewPCG(seed, 1)), packages)
		w := newWorld(t, "", installed, repos)
		w.dnf(t, "makecache")
		state, gaps := w.read(t)
		if len(gaps) > 0 {
			t.Fatalf("gaps: %+v", gaps)
		}
		all, security := theirs(w.dnf(t, "-C", "check-update")), theirs(w.dnf(t, "-C", "check-update", "--security"))
		if len(all) == 0 || len(security) == 0 || len(all) == len(security) {
			t.Fatalf("%d updates, %d about security", len(all), len(security))
		}
		if diff := cmp.Diff(all, ours(state, false)); diff != "" {
			t.Errorf("seed %d: updates (-dnf +ours):\n%s", seed, diff)
		}
		if diff := cmp.Diff(security, ours(state, true)); diff != "" {
			t.Errorf("seed %d: security updates (-dnf +ours):\n%s", seed, diff)
		}
		rows, fixes = rows+len(all), fixes+len(security)
	}
	t.Logf("%d updates and %d security updates compared", rows, fixes)
}

// zypper runs zypper in the root. Status 6 means that no repository is enabled.
func (w *world) zypper(t testing.TB, args ...string) string {
	t.Helper()
	return run(t, []string{w.home}, []int{6, 100}, "zypper", append([]string{"--root", w.dir, "--non-interactive", "--no-gpg-checks", "-q"}, args...)...)
}

// patches parses a table of zypper: the names of patches of category security.
func patches(text string) []string {
	var out []string
	for _, line := range strings.Split(text, "\n") {
		f := strings.Split(line, "|")
		if len(f) > 3 && strings.TrimSpace(f[2]) == "security" {
			out = append(out, strings.TrimSpace(f[1]))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// needed are the security advisories that an installed package needs, by our rule.
func needed(t testing.TB, w *world) []string {
	t.Helper()
	root := hosttest.OpenRoot(t, w.dir)
	db, _, err := readDatabase(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	r := newReader(t.Context(), root, db, &fact.PackageState{})
	var out []string
	r.offers.needed = func(advisory, _ string) { out = append(out, advisory) }
	if r.read(); len(r.gaps) > 0 {
		t.Fatalf("gaps: %+v", r.gaps)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestZypper compares with zypper on random repositories and installed packages of
// one vendor: patch for patch.
func TestZypper(t *testing.T) {
	count, packages := worlds(t)
	rows := 0
	for seed := range uint64(count) {
		installed, repos := random(rand.New(rand.NewPCG(seed, 2)), packages)
		for i := range repos {
			repos[i].vendor, repos[i].options = "SUSE LLC", ""
			for j := range repos[i].advisories {
				if j%7 == 3 {
					repos[i].advisories[j].status = "retracted"
				}
			}
		}
		w := newWorld(t, "SUSE LLC", installed, repos)
		w.suse(t)
		w.zypper(t, "refresh")
		want, got := patchesNeeded(w.zypper(t, "--no-refresh", "patches")), needed(t, w)
		if len(want) == 0 {
			t.Fatal("no patch is needed")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("seed %d: patches (-zypper +ours):\n%s", seed, diff)
		}
		rows += len(got)
	}
	t.Logf("%d needed patches compared", rows)
}

// patchesNeeded parses "zypper patches": those of category security that are needed.
func patchesNeeded(text string) []string {
	var out []string
	for _, line := range strings.Split(text, "\n") {
		if strings.Contains(line, "needed") && !strings.Contains(line, "not needed") {
			out = append(out, line)
		}
	}
	return patches(strings.Join(out, "\n"))
}

// suse makes the root one of SUSE.
func (w *world) suse(t testing.TB) {
	t.Helper()
	if err := os.WriteFile(w.dir+"/etc/os-release", []byte("ID=sles\nID_LIKE=suse\nVERSION_ID=15.5\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(w.dir + "/etc/dnf"); err != nil {
		t.Fatal(err)
	}
}

// TestYum holds that the caches of yum 3, as its source lays them out, give what
// dnf's give of the same repositories. yum 3 itself is not to be had.
func TestYum(t *testing.T) {
	installed, repos := random(rand.New(rand.NewPCG(7, 3)), 100)
	obsoleter := toBuild{name: "newname", version: "1", release: "1.el9", arch: "x86_64", obsoletes: installed[0][0].name + " < 9:1"}
	for i := range repos {
		repos[i].options = strings.ReplaceAll(repos[i].options, "priority", "cost") // of a plugin there
	}
	repos[0].generations[0] = append(repos[0].generations[0], obsoleter)
	w := newWorld(t, "", installed, repos)
	w.dnf(t, "makecache")
	want, gaps := w.read(t)
	if len(gaps) > 0 || len(want.Pending) == 0 {
		t.Fatalf("%+v, %+v", want, gaps)
	}
	checked := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, r := range repos {
		text, err := os.ReadFile(w.dir + "/etc/yum.repos.d/" + r.id + ".repo")
		if err != nil {
			t.Fatal(err)
		}
		_, source, _ := strings.Cut(string(text), "file://")
		source, _, _ = strings.Cut(source, "\n")
		cache := w.dir + "/var/cache/yum/x86_64/9/" + r.id
		if err := os.MkdirAll(cache+"/gen", 0o755); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(source + "/repodata/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(cache+"/"+filepath.Base(file), data, 0o644); err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(file, "-primary.sqlite.bz2") {
				if err := os.WriteFile(cache+"/gen/primary_db.sqlite", []byte(run(t, nil, nil, "bzip2", "-dc", file)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := os.WriteFile(cache+"/cachecookie", nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(cache+"/cachecookie", checked, checked); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(w.dir + "/etc/dnf"); err != nil {
		t.Fatal(err)
	}
	w.write(t, "/etc/yum.conf", "[main]\ncachedir=/var/cache/yum/$basearch/$releasever\n")
	w.write(t, "/etc/yum/vars/releasever", "9\n")
	got, gaps := w.read(t)
	if len(gaps) > 0 {
		t.Fatalf("gaps: %+v", gaps)
	}
	if diff := cmp.Diff(want.Pending, got.Pending); diff != "" {
		t.Errorf("updates (-dnf's cache +yum's):\n%s", diff)
	}
	if diff := cmp.Diff(want.Uncovered, got.Uncovered); diff != "" || got.Indexes != 3 || len(got.Archives) != 3 || !got.Archives[0].Checked.Equal(checked) {
		t.Errorf("%+v (-dnf's cache +yum's):\n%s", got.Archives, diff)
	}
	// A list that does not belong to repomd.xml, and advisories that were not fetched.
	if err := os.WriteFile(w.dir+"/var/cache/yum/x86_64/9/third/gen/primary_db.sqlite", []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"/*-updateinfo.xml.gz"} {
		files, _ := filepath.Glob(w.dir + "/var/cache/yum/x86_64/9/baseos" + pattern)
		if len(files) != 1 {
			t.Fatalf("%v", files)
		}
		_ = os.Remove(files[0])
	}
	_, gaps = w.read(t)
	var reasons []fact.Reason
	for _, gap := range gaps {
		reasons = append(reasons, gap.Reason)
	}
	slices.Sort(reasons)
	if diff := cmp.Diff([]fact.Reason{fact.Corrupt, fact.NotPresent}, reasons); diff != "" {
		t.Errorf("%+v", gaps)
	}
}
