//go:build roots

// Package roots compares the plugin with apt on real roots: of each release that the
// package archive serves, with the archive's own lists, fresh and with faults.
package roots

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// plugin is the binary under test, as "make build" leaves it.
const plugin = "../../bin/kubectl-checklist"

// release is a root to be made.
type release struct {
	name, id, version, codename string
	base                        string   // the line of sources from which it is installed
	updates                     []string // the other lines
}

func debian(version, codename string) release {
	return release{
		name: codename, id: "debian", version: version, codename: codename,
		base: "deb http://deb.debian.org/debian " + codename + " main",
		updates: []string{
			"deb http://deb.debian.org/debian " + codename + "-updates main",
			"deb http://deb.debian.org/debian-security " + codename + "-security main",
		},
	}
}

func ubuntu(version, codename string) release {
	line := func(suite string) string { return "deb http://archive.ubuntu.com/ubuntu " + suite + " main universe" }
	return release{
		name: codename, id: "ubuntu", version: version, codename: codename, base: line(codename),
		updates: []string{line(codename + "-updates"), line(codename + "-security")},
	}
}

var releases = []release{
	debian("11", "bullseye"), debian("12", "bookworm"), debian("13", "trixie"),
	{name: "sid", id: "debian", codename: "sid", base: "deb http://deb.debian.org/debian sid main"},
	ubuntu("22.04", "jammy"), ubuntu("24.04", "noble"),
}

// wanted are the packages that are installed, with what they depend on.
var wanted = strings.Fields(`apt bash openssl curl openssh-server python3 perl git vim nginx sudo systemd rsync
	libxml2 bind9 postgresql samba ffmpeg gnupg wget tar containerd runc iptables nftables tcpdump strace gdb tmux less man-db`)

// root is one that was made.
type root struct {
	t   *testing.T
	dir string
}

func (r root) path(name string) string { return filepath.Join(r.dir, name) }

func (r root) write(name, content string) {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Dir(r.path(name)), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(r.path(name), []byte(content), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r root) read(name string) string {
	r.t.Helper()
	data, err := os.ReadFile(r.path(name))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(data)
}

// apt runs apt's program NAME on the root.
func (r root) apt(name string, args ...string) string {
	r.t.Helper()
	conf := filepath.Join(r.t.TempDir(), "apt.conf")
	text := fmt.Sprintf("Dir %q;\nDir::State::status %q;\nDir::Bin::methods \"/usr/lib/apt/methods\";\nAPT::Architecture \"amd64\";\n"+
		"Acquire::Languages \"none\";\nAcquire::Check-Valid-Until \"false\";\nAPT::Get::AllowUnauthenticated \"true\";\n"+
		"Acquire::AllowInsecureRepositories \"true\";\nAPT::Get::Always-Include-Phased-Updates \"true\";\nAPT::Sandbox::User \"root\";\n",
		r.dir, r.path("var/lib/dpkg/status"))
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
	command := exec.Command(name, args...)
	command.Env = append(os.Environ(), "LC_ALL=C", "APT_CONFIG="+conf)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		r.t.Fatalf("%v: %v\n%s", command.Args, err, &stderr)
	}
	return string(out)
}

func (r root) sources(lines ...string) {
	r.write("etc/apt/sources.list", strings.ReplaceAll(strings.Join(lines, "\n")+"\n", "deb http", "deb [trusted=yes arch=amd64] http"))
}

var instLine = regexp.MustCompile(`(?m)^Inst (\S+) (?:\[([^]]+)\] )?\((\S+) .*\[(\S+)\]\)`)

// install writes the status of what apt would install.
func (r root) install() {
	r.t.Helper()
	r.write("var/lib/dpkg/status", "")
	available := map[string]bool{}
	for _, name := range strings.Fields(r.apt("apt-cache", "pkgnames")) {
		available[name] = true
	}
	var names []string
	for _, name := range wanted {
		if available[name] {
			names = append(names, name)
		}
	}
	var specs []string
	for _, m := range instLine.FindAllStringSubmatch(r.apt("apt-get", append([]string{"-s", "--no-install-recommends", "install"}, names...)...), -1) {
		specs = append(specs, strings.TrimSuffix(m[1], ":amd64")+"="+m[3])
	}
	var status strings.Builder
	for stanza := range strings.SplitSeq(r.apt("apt-cache", append([]string{"show", "--no-all-versions"}, specs...)...), "\n\n") {
		stanza = strings.TrimSpace(stanza)
		name, rest, found := strings.Cut(stanza, "\n")
		if found {
			fmt.Fprintf(&status, "%s\nStatus: install ok installed\n%s\n\n", name, rest)
		}
	}
	r.write("var/lib/dpkg/status", status.String())
}

// copyOf is the root with its files linked; what a test writes is its own.
func (r root) copyOf(t *testing.T) root {
	t.Helper()
	to := root{t, filepath.Join(t.TempDir(), "root")}
	if out, err := exec.Command("cp", "-a", r.dir, to.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return to
}

// lists are the names of lists that hold a text.
func (r root) lists(part string) []string {
	r.t.Helper()
	entries, err := os.ReadDir(r.path("var/lib/apt/lists"))
	if err != nil {
		r.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if strings.Contains(e.Name(), part) && e.Type().IsRegular() {
			names = append(names, "var/lib/apt/lists/"+e.Name())
		}
	}
	return names
}

// date sets Date, and Valid-Until if it is there, of the archives with a name.
func (r root) date(part string, at, valid time.Time) {
	r.t.Helper()
	found := false
	for _, name := range r.lists("Release") {
		if !strings.Contains(name, part) {
			continue
		}
		found = true
		text := regexp.MustCompile(`(?m)^Date: .*$`).ReplaceAllString(r.read(name), "Date: "+at.UTC().Format(time.RFC1123))
		text = regexp.MustCompile(`(?m)^Valid-Until: .*$`).ReplaceAllString(text, "Valid-Until: "+valid.UTC().Format(time.RFC1123))
		r.write(name, text)
	}
	if !found {
		r.t.Fatalf("no archive %s", part)
	}
}

// update is a pending one.
type update struct{ name, arch, installed, candidate string }

// judged is what the plugin says of a root.
type judged struct {
	updates  []update
	security int
	held     int
	verdict  map[string]string // by check: the worst of its findings
	message  map[string]string
}

func (r root) judge() judged {
	r.t.Helper()
	facts, report := filepath.Join(r.t.TempDir(), "facts.json"), filepath.Join(r.t.TempDir(), "report.json")
	command := exec.Command(plugin, "nodes", "--local", "--root", r.dir, "--question", "hosts", "--save-facts", facts, "--output-file", "json="+report)
	if out, err := command.CombinedOutput(); err != nil {
		r.t.Fatalf("%v\n%s", err, out)
	}
	var set struct {
		Facts struct {
			Nodes []struct {
				Measured struct {
					Host struct {
						Packages struct {
							Pending []struct {
								Name, Arch, Installed, Candidate, Security string
								Held                                       bool
							}
						}
					}
				}
			}
		}
	}
	decode(r.t, facts, &set)
	out := judged{verdict: map[string]string{}, message: map[string]string{}}
	for _, p := range set.Facts.Nodes[0].Measured.Host.Packages.Pending {
		switch {
		case p.Held && p.Security != "":
			out.held++
		case !p.Held:
			out.updates = append(out.updates, update{p.Name, p.Arch, p.Installed, p.Candidate})
			if p.Security != "" {
				out.security++
			}
		}
	}
	slices.SortFunc(out.updates, byName)
	var saved struct {
		Findings []struct{ Check, Verdict, Message string }
	}
	decode(r.t, report, &saved)
	rank := map[string]int{"": 0, "pass": 1, "unknown": 2, "fail": 3}
	for _, f := range saved.Findings {
		if rank[strings.ToLower(f.Verdict)] > rank[out.verdict[f.Check]] {
			out.verdict[f.Check], out.message[f.Check] = strings.ToLower(f.Verdict), f.Message
		}
	}
	return out
}

func byName(a, b update) int { return strings.Compare(a.name+" "+a.arch, b.name+" "+b.arch) }

func decode(t *testing.T, path string, to any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, to); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// byApt is what apt would upgrade.
func (r root) byApt() []update {
	r.t.Helper()
	var all []update
	for _, m := range instLine.FindAllStringSubmatch(r.apt("apt-get", "-s", "dist-upgrade"), -1) {
		if m[2] != "" {
			all = append(all, update{strings.TrimSuffix(m[1], ":amd64"), m[4], m[2], m[3]})
		}
	}
	slices.SortFunc(all, byName)
	return all
}

// same compares with apt, package for package.
func (r root) same(j judged) {
	r.t.Helper()
	want := r.byApt()
	if !slices.Equal(want, j.updates) {
		only := func(a, b []update) (out []update) {
			for _, u := range a {
				if !slices.Contains(b, u) {
					out = append(out, u)
				}
			}
			return out
		}
		r.t.Errorf("only apt: %v; only ours: %v", only(want, j.updates), only(j.updates, want))
	}
}

const (
	pending = "hosts/pending-security-updates"
	stale   = "hosts/package-index-stale"
)

// TestRoots makes each root once, and judges it as installed, with every update, and
// with every update and one fault: then it never passes.
func TestRoots(t *testing.T) {
	now := time.Now()
	for _, rel := range releases {
		t.Run(rel.name, func(t *testing.T) {
			r := root{t, filepath.Join(t.TempDir(), "root")}
			for _, dir := range []string{"var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/trusted.gpg.d", "var/lib/dpkg"} {
				if err := os.MkdirAll(r.path(dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			r.write("etc/os-release", fmt.Sprintf("ID=%s\nVERSION_ID=%q\nVERSION_CODENAME=%s\nPRETTY_NAME=%q\n", rel.id, rel.version, rel.codename, rel.name))
			r.write("var/lib/dpkg/status", "")
			r.sources(rel.base)
			r.apt("apt-get", "update", "-q")
			r.install()
			r.sources(append([]string{rel.base}, rel.updates...)...)
			r.apt("apt-get", "update", "-q")
			installed := r.judge()
			r.same(installed)
			t.Logf("%d updates pending, %d of them security, equal to apt's; %s", len(installed.updates), installed.security, installed.message[pending])
			if len(rel.updates) > 0 && (installed.security == 0 || installed.verdict[pending] != "fail") {
				t.Errorf("%d security updates, verdict %s", installed.security, installed.verdict[pending])
			}
			outdated := r.copyOf(t)

			// From here on everything is up to date.
			r.install()
			current := r.copyOf(t)
			if rel.updates != nil {
				current.date("security", now, now.Add(7*24*time.Hour))
			}
			j := current.judge()
			current.same(j)
			if want := map[bool]string{true: "pass", false: "unknown"}[rel.updates != nil]; j.verdict[pending] != want || len(j.updates) > 0 {
				t.Errorf("up to date: want %s, got %s: %s", want, j.verdict[pending], j.message[pending])
			}
			if rel.updates == nil {
				return
			}
			for name, spoil := range map[string]func(root){
				"the security index is a year old, the others are fresh": func(r root) { r.date("security", now.AddDate(-1, 0, 0), now.AddDate(-1, 0, 7)) },
				"the security index is no longer valid": func(r root) {
					for _, name := range r.lists("security") {
						if strings.HasSuffix(name, "Release") && !strings.Contains(r.read(name), "Valid-Until:") {
							r.write(name, strings.Replace(r.read(name), "\nDate:", "\nValid-Until: x\nDate:", 1))
						}
					}
					r.date("security", now.AddDate(0, 0, -3), now.AddDate(0, 0, -1))
				},
				"an unreachable mirror, tried a minute ago": func(r root) {
					r.date("security", now.AddDate(0, -2, 0), now.AddDate(0, -2, 7))
					for _, name := range []string{"var/lib/apt/lists/partial", "var/lib/apt/lists"} {
						_ = os.Chtimes(r.path(name), now, now)
					}
					r.write("var/lib/apt/periodic/update-success-stamp", "")
				},
				"the security lists are gone": func(r root) {
					for _, name := range r.lists("security") {
						_ = os.Remove(r.path(name))
					}
				},
				"the security archive is not enabled": func(r root) { r.sources(rel.base) },
				"the security archive of another release alone": func(r root) {
					other := map[string]string{"bullseye": "bookworm", "bookworm": "trixie", "trixie": "bookworm", "jammy": "noble", "noble": "jammy"}[rel.codename]
					line := rel.updates[len(rel.updates)-1]
					r.sources(rel.base, strings.Replace(line, rel.codename, other, 1))
					r.apt("apt-get", "update", "-q")
					r.date(other, now, now.Add(7*24*time.Hour))
				},
				"the security archive for another component alone": func(r root) {
					line := rel.updates[len(rel.updates)-1]
					component := map[string]string{"debian": "contrib", "ubuntu": "multiverse"}[rel.id]
					r.sources(rel.base, strings.Replace(strings.Replace(line, " main universe", " main", 1), " main", " "+component, 1))
					r.apt("apt-get", "update", "-q")
					r.date("security", now, now.Add(7*24*time.Hour))
				},
				"the status file is cut between two packages": func(r root) {
					text := r.read("var/lib/dpkg/status")
					r.write("var/lib/dpkg/status", text[:strings.LastIndex(text[:len(text)/2], "\n\n")+1])
				},
				"stray files of dpkg on Fedora": func(r root) { r.write("etc/os-release", "ID=fedora\nVERSION_ID=43\nPRETTY_NAME=Fedora\n") },
			} {
				t.Run(name, func(t *testing.T) {
					r := current.copyOf(t)
					spoil(r)
					if j := r.judge(); j.verdict[pending] == "pass" || j.verdict[pending] == "" {
						t.Errorf("verdict %q: %s; index %s: %s", j.verdict[pending], j.message[pending], j.verdict[stale], j.message[stale])
					} else {
						t.Logf("%s: %s; index %s: %s", j.verdict[pending], j.message[pending], j.verdict[stale], j.message[stale])
					}
				})
			}
			for name, priority := range map[string]string{"never": "never", "negative": "-1", "low": "50"} {
				t.Run("a pin of the security archive: "+name, func(t *testing.T) {
					r := outdated.copyOf(t)
					label := map[string]string{"debian": "l=Debian-Security", "ubuntu": "a=" + rel.codename + "-security"}[rel.id]
					r.write("etc/apt/preferences.d/test", "Package: *\nPin: release "+label+"\nPin-Priority: "+priority+"\n")
					j := r.judge()
					r.same(j)
					if j.verdict[pending] != "fail" {
						t.Errorf("verdict %s: %s", j.verdict[pending], j.message[pending])
					}
					t.Logf("%d pending, %d security, %d held: %s", len(j.updates), j.security, j.held, j.message[pending])
				})
			}
		})
	}
}
