package osvoracle

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/immutable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest/rpmtest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/gather"
)

func write(t testing.TB, root, name, content string) {
	t.Helper()
	full := filepath.Join(root, name)
	err := os.MkdirAll(filepath.Dir(full), 0o755)
	if target, link := strings.CutPrefix(content, "-> "); err == nil && link {
		err = os.Symlink(target, full)
	} else if err == nil {
		err = os.WriteFile(full, []byte(content), 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func run(t testing.TB, dir, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
}

// debianImage is a root into which dpkg itself has installed packages, each built from
// a source package.
func debianImage(t testing.TB, root string, packages map[string][2]string) {
	t.Helper()
	hosttest.Tool(t, "dpkg-deb")
	for _, dir := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, root, "var/lib/dpkg/status", "")
	write(t, root, "etc/os-release", "ID=debian\nVERSION_ID=\"11\"\nPRETTY_NAME=\"Debian GNU/Linux 11 (bullseye)\"\n")
	for name, of := range packages {
		dir := t.TempDir()
		write(t, dir, "p/DEBIAN/control", fmt.Sprintf("Package: %s\nVersion: %s\nSource: %s\nArchitecture: all\nMaintainer: x <x@example.com>\nDescription: x\n", name, of[1], of[0]))
		run(t, dir, "dpkg-deb", "--build", "p", "p.deb")
		run(t, dir, "dpkg", "--root="+root, "--force-all", "--log=/dev/null", "-i", "p.deb")
	}
}

// goImage is a root with nothing but a program, linked by Go with a module of that
// version.
func goImage(t testing.TB, root, module, version string) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "go.mod", "module example.com/app\n\ngo 1.20\n\nrequire "+module+" "+version+"\n")
	write(t, dir, "main.go", "package main\n\nimport _ \""+module+"/language\"\n\nfunc main() {}\n")
	write(t, dir, "vendor/modules.txt", "# "+module+" "+version+"\n## explicit\n"+module+"/language\n")
	write(t, dir, "vendor/"+module+"/language/language.go", "package language\n")
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "go", "build", "-mod=vendor", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(root, "app"), ".")
}

// process makes a process of a container, or of the host if it is pid 1, in a directory
// that looks like /proc.
func process(t testing.TB, node string, pid int, root, exe string) (container string) {
	t.Helper()
	container = fmt.Sprintf("%012x%052x", pid, pid)
	cgroup := "/kubepods/pod11111111-1111-1111-1111-111111111111/" + container
	if pid == 1 {
		cgroup = "/init.scope"
	}
	proc := fmt.Sprintf("proc/%d/", pid)
	for name, content := range map[string]string{
		"stat": fmt.Sprintf("%d (app) S 1 1 1 0 -1 0 1 0 0 0 3 4 0 0 20 0 1 0 5 1000 10 18446744073709551615 1\n", pid),
		"status": fmt.Sprintf("Name:\tapp\nState:\tS (x)\nTgid:\t%d\nPid:\t%d\nPPid:\t1\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nNSpid:\t%d\t1\nCapInh:\t0000000000000000\n"+
			"CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t2\n", pid, pid, pid),
		"cgroup": "0::" + cgroup + "\n", "uid_map": "0 0 4294967295\n", "cmdline": "app\x00",
		"mountinfo": fmt.Sprintf("100 1 0:50 / / rw - overlay overlay rw,lowerdir=/l/%d,upperdir=/u/%d,workdir=/w\n", pid, pid),
		"root":      "-> " + root, "exe": "-> " + exe, "cwd": "-> /", "fd/0": "-> /dev/null",
	} {
		write(t, node, proc+name, content)
	}
	for _, kind := range []string{"user", "pid", "net", "ipc", "mnt"} {
		write(t, node, proc+"ns/"+kind, fmt.Sprintf("-> %s:[%d]", kind, 4026532000+pid))
	}
	return container
}

// What dpkg, rpm, apk and Go's linker have left in images is read through the roots of
// their containers, and matched with a database: the findings are those of the schema's
// pseudocode with osv-scalibr's orders of versions, for versions below a fix, at it and
// above it. The vulnerabilities are real ones; the records are shortened.
func TestImages(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "proc/stat", "cpu 1 2\nbtime 1790000000\n")
	write(t, dir, "proc/sys/kernel/cap_last_cap", "40\n")
	process(t, dir, 1, "/", "/sbin/init")
	type installed struct{ ecosystem, name, version string }
	images := map[string][]installed{}
	pid := 100
	container := func(root, exe string, list ...installed) {
		pid++
		images[process(t, dir, pid, root, exe)] = list
	}

	debian := filepath.Join(dir, "debian")
	debianImage(t, debian, map[string][2]string{
		"libssl1.1": {"openssl", "1.1.1k-1"}, "openssl": {"openssl", "1.1.1k-1"}, "curl": {"curl", "7.74.0-1.3+deb11u7"}, "zlib1g": {"zlib", "1:1.2.11.dfsg-2+deb11u3"},
	})
	write(t, debian, "app", "x")
	container("/debian", "/app", installed{"Debian:11", "openssl", "1.1.1k-1"}, installed{"Debian:11", "curl", "7.74.0-1.3+deb11u7"}, installed{"Debian:11", "zlib", "1:1.2.11.dfsg-2+deb11u3"})

	alpine := filepath.Join(dir, "alpine")
	write(t, alpine, "etc/os-release", "ID=alpine\nVERSION_ID=3.14.1\nPRETTY_NAME=\"Alpine Linux v3.14\"\n")
	write(t, alpine, "lib/apk/db/installed", "P:libssl1.1\nV:1.1.1k-r0\nA:x86_64\no:openssl\n\nP:apk-tools\nV:2.12.6-r0\nA:x86_64\no:apk-tools\n\nP:musl\nV:1.2.2-r3\nA:x86_64\no:musl\n\n")
	write(t, alpine, "app", "x")
	container("/alpine", "/app", installed{"Alpine:v3.14", "openssl", "1.1.1k-r0"}, installed{"Alpine:v3.14", "apk-tools", "2.12.6-r0"}, installed{"Alpine:v3.14", "musl", "1.2.2-r3"})

	rocky := rpmtest.Install(t, rpmtest.Spec{Name: "openssl-libs", Epoch: "1", Version: "1.1.1k", Release: "4.el8"}, rpmtest.Spec{Name: "curl", Version: "7.61.1", Release: "22.el8"})
	write(t, rocky, "etc/os-release", "ID=\"rocky\"\nVERSION_ID=\"8.5\"\nPRETTY_NAME=\"Rocky Linux 8.5 (Green Obsidian)\"\n")
	write(t, rocky, "app", "x")
	if err := os.Rename(rocky, filepath.Join(dir, "rocky")); err != nil {
		t.Fatal(err)
	}
	container("/rocky", "/app", installed{"Rocky Linux:8", "openssl-libs", "1:1.1.1k-4.el8"}, installed{"Rocky Linux:8", "curl", "7.61.1-22.el8"})

	for _, version := range []string{"v0.3.5", "v0.3.7", "v0.3.8"} {
		goImage(t, filepath.Join(dir, "go"+version), "golang.org/x/text", version)
		container("/go"+version, "/app", installed{"Go", "golang.org/x/text", version[1:]})
	}

	fixedIn := func(id, ecosystem, name string, fixes ...string) record {
		one := record{SchemaVersion: "1.7.0", ID: id, Modified: "2026-11-20T00:00:00Z"}
		for _, fix := range fixes {
			one.Affected = append(one.Affected, affected{Package: identity{ecosystem, name}, Ranges: []versions{{Type: "ECOSYSTEM", Events: []event{{Introduced: "0"}, {Fixed: fix}}}}})
		}
		return one
	}
	records := []record{
		fixedIn("DSA-4963-1", "Debian:11", "openssl", "1.1.1k-1+deb11u1"), fixedIn("DSA-5103-1", "Debian:11", "openssl", "1.1.1k-1+deb11u2"),
		fixedIn("DSA-5365-1", "Debian:11", "curl", "7.74.0-1.3+deb11u7"), fixedIn("DSA-5587-1", "Debian:11", "curl", "7.74.0-1.3+deb11u11"),
		fixedIn("DSA-5218-1", "Debian:11", "zlib", "1:1.2.11.dfsg-2+deb11u2"), fixedIn("DSA-1-other", "Debian:12", "openssl", "3.0"),
		fixedIn("CVE-2021-3711", "Alpine:v3.14", "openssl", "1.1.1l-r0"), fixedIn("CVE-2021-36159", "Alpine:v3.14", "apk-tools", "2.12.6-r0"),
		fixedIn("CVE-2021-other", "Alpine:v3.15", "musl", "1.2.3-r0"),
		fixedIn("RLSA-2021:5226", "Rocky Linux:8", "openssl-libs", "1:1.1.1k-5.el8_5"), fixedIn("RLSA-2022:1", "Rocky Linux:8", "curl", "7.61.1-22.el8"),
		fixedIn("GO-2021-0113", "Go", "golang.org/x/text", "0.3.7"), fixedIn("GO-2022-1059", "Go", "golang.org/x/text", "0.3.8"),
	}
	want := map[string][]string{}
	for id, list := range images {
		for _, one := range records {
			for _, p := range list {
				if isVulnerable(t, one, p.ecosystem, p.name, p.version) {
					want[id] = append(want[id], one.ID+" "+p.name)
				}
			}
		}
		slices.Sort(want[id])
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	m, err := node.Local(ctx, node.Options{Level: fact.LevelFull, Node: "n1", Root: dir, Kinds: []fact.Kind{fact.Processes, fact.Images}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	set := &fact.Set{CollectedAt: fact.NewTime(now), Nodes: []fact.Node{{Name: "n1", Listed: true, Measured: m}}}
	for i := range records { // as the Go vulnerability database writes it
		for j := range records[i].Affected {
			if records[i].Affected[j].Package.Ecosystem == "Go" {
				records[i].Affected[j].Ranges[0].Type = "SEMVER"
			}
		}
	}
	if err := gather.AddVulnerabilities(ctx, set, published(t, records), now); err != nil {
		t.Fatal(err)
	}
	if len(m.Containers) != len(images) || len(m.Gaps) > 0 {
		t.Fatalf("%d containers, gaps %v", len(m.Containers), m.Gaps)
	}
	findings := checks.JudgeSet(checks.Plan{Checks: []checks.Check{immutable.VulnerablePackages}, Known: []string{immutable.VulnerablePackages.ID}}, set).Findings
	total := 0
	for i := range m.Containers {
		c := &m.Containers[i]
		at, compared := set.Nodes[0].VulnerableImages[c.Image]
		if !compared {
			t.Fatalf("the image of %s was not compared", c.ID)
		}
		var got []string
		for _, p := range set.VulnerableImages[at].Parts {
			if p.Unsupported != "" || p.UndecidedCount > 0 || !p.Covered {
				text, _ := json.Marshal(p)
				t.Errorf("%s: %s", c.ID, text)
			}
			for _, v := range p.Found {
				for _, id := range v.Records {
					got = append(got, id+" "+v.Package)
				}
			}
		}
		slices.Sort(got)
		total += len(got)
		if !slices.Equal(want[c.ID], got) {
			t.Errorf("%s: by the pseudocode %v, by us %v", c.ID, want[c.ID], got)
		}
		verdict := api.Pass
		if len(got) > 0 {
			verdict = api.Fail
		}
		if !slices.ContainsFunc(findings, func(f api.Finding) bool { return strings.HasPrefix(c.ID, f.Subject.Name) && f.Verdict == verdict }) {
			t.Errorf("%s: want %s, findings %+v", c.ID, verdict, findings)
		}
	}
	t.Logf("%d containers, %d vulnerabilities, 0 differences", len(m.Containers), total)
	if total < 7 {
		t.Errorf("only %d found", total)
	}
}
