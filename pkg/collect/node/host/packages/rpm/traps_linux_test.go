package rpm

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/hack/raced"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/hosts"
)

// told is what a state says, a line for each update, uncovered package, pin and gap.
func told(w *world, state *fact.PackageState, gaps []fact.NodeGap) []string {
	var out []string
	for _, u := range state.Pending {
		line := fmt.Sprintf("%s.%s %s > %s", u.Name, u.Arch, u.Installed, u.Candidate)
		for _, word := range []struct {
			is   bool
			text string
		}{
			{u.Security != "", "security " + u.Security + " " + u.Advisory}, {u.Held, "held"}, {u.Unclassified, "unclassified"}, {u.Archive == "", "in no repository"},
		} {
			if word.is {
				line += ", " + word.text
			}
		}
		out = append(out, line)
	}
	for _, u := range state.Uncovered {
		out = append(out, fmt.Sprintf("uncovered %s: %s", u.Name, u.Why))
	}
	if state.Pin != nil {
		out = append(out, fmt.Sprintf("pin %s by %s", state.Pin.Release, state.Pin.Source))
	}
	for _, gap := range gaps {
		out = append(out, fmt.Sprintf("gap %s %s", gap.Reason, strings.ReplaceAll(gap.Detail, w.dir, "ROOT")))
	}
	slices.Sort(out)
	return out
}

// verdictOf is what the check of pending updates makes of a state, today.
func verdictOf(state *fact.PackageState) api.Verdict {
	now := fact.NewTime(time.Now())
	state.Manager = "rpm"
	set := &fact.Set{CollectedAt: now, Nodes: []fact.Node{{
		Name: "n1", Measured: &fact.Measurement{At: now, Read: []fact.Kind{fact.Packages}, Host: fact.Host{Packages: state}},
	}}}
	return hosts.PendingSecurityUpdates.Judge(checks.NewView(set))[0].Verdict
}

func (w *world) write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(w.dir+path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.dir+path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func pkg(name, version, release, arch string) toBuild {
	return toBuild{name: name, version: version, release: release, arch: arch}
}

// TestTraps holds what is said where dnf and zypper say nothing, or something else.
// "dnf" and "zypper" of a row are what those print there: updates about security and
// needed security patches.
func TestTraps(t *testing.T) {
	if raced.Enabled {
		t.Skip("one goroutine reads, and the tools take their time")
	}
	kept = map[string]string{"": t.TempDir()}
	defer func() { kept = nil }()
	old, fixed, later := pkg("a", "1", "1.el9", "x86_64"), pkg("a", "1", "2.el9", "x86_64"), pkg("a", "1", "3.el9", "x86_64")
	sa := func(packages ...toBuild) []advisory {
		return []advisory{{id: "SA-1", kind: "security", packages: packages}}
	}
	base := repo{id: "base", vendor: "V", generations: [][]toBuild{{fixed}}, advisories: sa(fixed)}
	with := func(change func(*repo)) []repo {
		r := base
		change(&r)
		return []repo{r}
	}
	inModule := func(b toBuild, module string) toBuild {
		b.module = module
		return b
	}
	const stream = "---\ndocument: modulemd\nversion: 2\ndata:\n  name: m\n  stream: \"%s\"\n  version: 1\n  context: c\n  arch: x86_64\n  summary: s\n  description: d\n" +
		"  license:\n    module: [MIT]\n  artifacts:\n    rpms:\n    - %s\n...\n"
	moduleA := fmt.Sprintf(stream, "1", "a-0:1-2.el9.x86_64")

	for name, tc := range map[string]struct {
		installed []toBuild
		vendor    string // of what is installed; V if empty
		repos     []repo
		suse      bool
		before    func(*testing.T, *world) // the refresh
		after     func(*testing.T, *world)
		want      []string
		oracle    []string // of dnf or zypper, not asked if nil
	}{
		"an update that fixes something": {
			installed: []toBuild{old}, repos: []repo{base}, oracle: []string{"a.x86_64 1-2.el9"},
			want: []string{"a.x86_64 1-1.el9 > 1-2.el9, security 1-2.el9 SA-1"},
		},
		"a later update than the fix": {
			installed: []toBuild{old}, repos: with(func(r *repo) { r.generations = [][]toBuild{{fixed}, {later}} }), oracle: []string{"a.x86_64 1-3.el9"},
			want: []string{"a.x86_64 1-1.el9 > 1-3.el9, security 1-2.el9 SA-1"},
		},
		"the fix is installed": {
			installed: []toBuild{fixed}, repos: with(func(r *repo) { r.generations = [][]toBuild{{fixed}, {later}} }), oracle: []string{},
			want: []string{"a.x86_64 1-2.el9 > 1-3.el9"},
		},
		"no advisories at all": {
			installed: []toBuild{old}, repos: with(func(r *repo) { r.noInfo = true }), oracle: []string{},
			want: []string{"a.x86_64 1-1.el9 > 1-2.el9, unclassified", "uncovered a: no-advisories"},
		},
		"a list of advisories without any": {
			installed: []toBuild{old}, repos: with(func(r *repo) { r.advisories = nil }), oracle: []string{},
			want: []string{"a.x86_64 1-1.el9 > 1-2.el9, unclassified", "uncovered a: no-advisories"},
		},
		"no repository enabled": {
			installed: []toBuild{old}, repos: with(func(r *repo) { r.options = "enabled=0\n" }),
			want: []string{"gap NotPresent no repository is enabled on the host, so updates are unknown"},
		},
		"a repository that is there twice, first disabled": { // dnf: "There are no enabled repositories"
			installed: []toBuild{old}, repos: []repo{base}, after: func(t *testing.T, w *world) {
				data, err := os.ReadFile(w.dir + "/etc/yum.repos.d/base.repo")
				if err != nil {
					t.Fatal(err)
				}
				w.write(t, "/etc/yum.repos.d/again.repo", strings.Replace(string(data), "enabled=1", "enabled=0", 1))
			},
			want: []string{"gap NotPresent no repository is enabled on the host, so updates are unknown"},
		},
		"a repository that is disabled by a second section of the same file": { // dnf: "There are no enabled repositories"
			installed: []toBuild{old}, repos: []repo{base}, after: func(t *testing.T, w *world) {
				data, err := os.ReadFile(w.dir + "/etc/yum.repos.d/base.repo")
				if err != nil {
					t.Fatal(err)
				}
				w.write(t, "/etc/yum.repos.d/base.repo", string(data)+"[other]\nenabled=0\n[base]\nenabled=0\n")
			},
			want: []string{"gap NotPresent no repository is enabled on the host, so updates are unknown"},
		},
		"no cache, and skip_if_unavailable": {
			installed: []toBuild{old}, repos: with(func(r *repo) { r.options = "baseurl=file:///nowhere\nskip_if_unavailable=1\n" }), oracle: []string{},
			want: []string{"gap NotPresent repository base of /etc/yum.repos.d/base.repo is enabled, but it has no cache in /var/cache/dnf/base-aa93e6cbbca85f3c/repodata"},
		},
		"the cache of an earlier URL": {
			installed: []toBuild{old}, repos: []repo{base}, after: func(t *testing.T, w *world) {
				w.write(t, "/etc/yum.repos.d/base.repo", "[base]\nname=base\nbaseurl=file:///elsewhere\n")
			},
			want: []string{"gap NotPresent repository base of /etc/yum.repos.d/base.repo is enabled, but it has no cache in /var/cache/dnf/base-e5682f2af48d67f0/repodata"},
		},
		"an unknown variable": {
			installed: []toBuild{old}, repos: []repo{base}, after: func(t *testing.T, w *world) {
				w.write(t, "/etc/yum.repos.d/base.repo", "[base]\nname=base\nbaseurl=file:///$nothing/x\n")
			},
			want: []string{"gap NotPresent /etc/yum.repos.d/base.repo: repository base: variable $nothing of its URL is unknown, so its cache is too"},
		},
		"a damaged list of packages": {
			installed: []toBuild{old}, repos: []repo{base}, after: func(t *testing.T, w *world) {
				files, _ := filepath.Glob(w.dir + "/var/cache/dnf/base-*/repodata/*-primary.xml.gz")
				data, err := os.ReadFile(files[0])
				if err != nil {
					t.Fatal(err)
				}
				data[len(data)-10] ^= 1
				w.write(t, strings.TrimPrefix(files[0], w.dir), string(data))
			},
			want: []string{"a.x86_64 1-1.el9 > 1-2.el9, security 1-2.el9 SA-1, held, in no repository", "gap Corrupt repository base: /PRIMARY: expected the sha256 sum of repomd.xml, found another"},
		},
		"excluded": {
			installed: []toBuild{old}, repos: with(func(r *repo) { r.options = "excludepkgs=a\n" }), oracle: []string{},
			want: []string{"a.x86_64 1-1.el9 > 1-2.el9, security 1-2.el9 SA-1, held"},
		},
		"excluded everywhere": {
			installed: []toBuild{old}, repos: []repo{base}, oracle: []string{}, before: func(t *testing.T, w *world) { w.write(t, "/etc/dnf/dnf.conf", "[main]\nexclude=x,\n  a*\n") },
			want: []string{"a.x86_64 1-1.el9 > 1-2.el9, security 1-2.el9 SA-1, held"},
		},
		"not included": {
			installed: []toBuild{old}, repos: with(func(r *repo) { r.options = "includepkgs=b\n" }), oracle: []string{},
			want: []string{"a.x86_64 1-1.el9 > 1-2.el9, security 1-2.el9 SA-1, held"},
		},
		"locked to the installed version": {
			installed: []toBuild{old}, repos: []repo{base}, before: func(t *testing.T, w *world) {
				w.write(t, "/etc/dnf/plugins/versionlock.conf", "[main]\nenabled = 1\n")
				w.write(t, "/etc/dnf/plugins/versionlock.list", "# by somebody\na-0:1-1.el9.*\n")
			},
			want: []string{"a.x86_64 1-1.el9 > 1-2.el9, security 1-2.el9 SA-1, held"},
		},
		"a repository of better priority has only the old version": {
			installed: []toBuild{old}, repos: []repo{base, {id: "first", vendor: "V", options: "priority=10\n", generations: [][]toBuild{{old}}, noInfo: true}}, oracle: []string{},
			want: []string{"a.x86_64 1-1.el9 > 1-2.el9, security 1-2.el9 SA-1, held"},
		},
		"an advisory about a package that no repository has": {
			installed: []toBuild{old}, repos: with(func(r *repo) { r.generations = [][]toBuild{{old}} }), oracle: []string{},
			want: []string{"a.x86_64 1-1.el9 > 1-2.el9, security 1-2.el9 SA-1, held, in no repository"},
		},
		"from noarch to an architecture": {
			installed: []toBuild{pkg("a", "1", "1.el9", "noarch")}, repos: []repo{base}, oracle: []string{},
			want: []string{"a.noarch 1-1.el9 > 1-2.el9, security 1-2.el9 SA-1"},
		},
		"another package obsoletes it": {
			installed: []toBuild{old}, repos: with(func(r *repo) {
				b := pkg("b", "5", "1.el9", "x86_64")
				b.obsoletes = "a < 2"
				r.generations, r.advisories = [][]toBuild{{old, b}}, sa(b)
			}),
			want: []string{"a.x86_64 1-1.el9 > b-5-1.el9, security 5-1.el9 SA-1"},
		},
		"of an active module": {
			installed: []toBuild{inModule(old, "m:1:1:c")}, oracle: []string{"a.x86_64 1-2.el9"},
			repos: with(func(r *repo) {
				r.modules = moduleA
				r.advisories = []advisory{{id: "SA-1", kind: "security", module: "m", stream: "1", packages: []toBuild{fixed}}}
				r.generations = [][]toBuild{{inModule(fixed, "m:1:1:c")}}
			}),
			before: func(t *testing.T, w *world) {
				w.write(t, "/etc/dnf/modules.d/m.module", "[m]\nname=m\nstream=1\nprofiles=\nstate=enabled\n")
			},
			want: []string{"a.x86_64 1-1.el9 > 1-2.el9, security 1-2.el9 SA-1"},
		},
		"of a module that is disabled": {
			installed: []toBuild{inModule(old, "m:1:1:c")}, oracle: []string{},
			repos: with(func(r *repo) {
				r.modules = moduleA
				r.advisories = []advisory{{id: "SA-1", kind: "security", module: "m", stream: "1", packages: []toBuild{fixed}}}
				r.generations = [][]toBuild{{inModule(fixed, "m:1:1:c")}}
			}),
			before: func(t *testing.T, w *world) {
				w.write(t, "/etc/dnf/modules.d/m.module", "[m]\nname=m\nstream=\nprofiles=\nstate=disabled\n")
			},
			want: []string{"a.x86_64 1-1.el9 > 1-2.el9, security 1-2.el9 SA-1, held"},
		},
		"of an active module, by an advisory that does not name it": {
			installed: []toBuild{inModule(old, "m:1:1:c")}, oracle: []string{"a.x86_64 1-2.el9"},
			repos: with(func(r *repo) {
				r.modules = moduleA
				r.generations = [][]toBuild{{inModule(fixed, "m:1:1:c")}}
			}),
			before: func(t *testing.T, w *world) {
				w.write(t, "/etc/dnf/modules.d/m.module", "[m]\nname=m\nstream=1\nprofiles=\nstate=enabled\n")
			},
			want: []string{"a.x86_64 1-1.el9 > 1-2.el9, security 1-2.el9 SA-1"},
		},
		"of a module, where only a package outside of modules is newer": {
			installed: []toBuild{inModule(old, "m:1:1:c")}, oracle: []string{},
			repos: with(func(r *repo) {
				r.modules = fmt.Sprintf(stream, "1", "a-0:1-1.el9.x86_64")
				r.generations = [][]toBuild{{inModule(old, "m:1:1:c")}, {fixed}}
			}),
			before: func(t *testing.T, w *world) {
				w.write(t, "/etc/dnf/modules.d/m.module", "[m]\nname=m\nstream=1\nprofiles=\nstate=enabled\n")
			},
		},
		"of a module that no repository has any more": {
			installed: []toBuild{inModule(old, "m:1:1:c")}, repos: []repo{base}, oracle: []string{"a.x86_64 1-2.el9"},
			want: []string{"a.x86_64 1-1.el9 > 1-2.el9, security 1-2.el9 SA-1"},
		},
		"an advisory that lists the source package": {
			installed: []toBuild{pkg("a", "1", "1.el9", "noarch")}, repos: with(func(r *repo) {
				r.generations, r.advisories = [][]toBuild{{pkg("a", "1", "1.el9", "noarch")}}, sa(pkg("a", "1", "2.el9", "src"))
			}), oracle: []string{},
		},
		"of another stream of a module": {
			installed: []toBuild{old}, oracle: []string{},
			repos: with(func(r *repo) {
				r.modules = moduleA
				r.advisories = []advisory{{id: "SA-1", kind: "security", module: "m", stream: "1", packages: []toBuild{fixed}}}
				r.generations = [][]toBuild{{inModule(fixed, "m:1:1:c")}, {old}}
			}),
		},
		"a release of Amazon Linux that stays": {
			installed: []toBuild{{name: "system-release", version: "2023.4.20240401", release: "0.amzn2023", arch: "noarch", provides: "system-release = 2023.4.20240401"}},
			repos: with(func(r *repo) {
				r.generations = [][]toBuild{{{name: "system-release", version: "2023.4.20240401", release: "0.amzn2023", arch: "noarch"}}}
			}),
			after: func(t *testing.T, w *world) {
				w.write(t, "/etc/os-release", "ID=amzn\nVERSION_ID=2023\n")
				repoFile, err := os.ReadFile(w.dir + "/etc/yum.repos.d/base.repo")
				if err != nil {
					t.Fatal(err)
				}
				w.write(t, "/etc/yum.repos.d/base.repo", strings.Replace(string(repoFile), "/base\n", "/base/$releasever/..\n", 1))
			},
			want: []string{
				"gap NotPresent repository base of /etc/yum.repos.d/base.repo is enabled, but it has no cache in CACHE",
				"pin 2023.4.20240401 by package system-release",
			},
		},
		"a release of Amazon Linux that stays, by the URL alone": {
			installed: []toBuild{fixed}, repos: []repo{base}, after: func(t *testing.T, w *world) {
				w.write(t, "/etc/os-release", "ID=amzn\nVERSION_ID=2023\n")
				w.write(t, "/etc/yum.repos.d/base.repo", "[base]\nmirrorlist=https://cdn.example/al2023/core/mirrors/2023.4.20240401/$basearch/mirror.list\n")
			},
			want: []string{
				"gap NotPresent repository base of /etc/yum.repos.d/base.repo is enabled, but it has no cache in CACHE",
				"pin 2023.4.20240401 by /etc/yum.repos.d/base.repo",
			},
		},
		"a minor release that stays": {
			installed: []toBuild{fixed}, repos: []repo{base}, after: func(t *testing.T, w *world) {
				w.write(t, "/etc/os-release", "ID=rhel\nVERSION_ID=9.2\n")
				w.write(t, "/etc/dnf/vars/releasever", "9.2\n")
				w.write(t, "/etc/yum.repos.d/base.repo", "[base]\nbaseurl=https://cdn.example/dist/rhel9/$releasever/x86_64/os\n")
			},
			want: []string{
				"gap NotPresent repository base of /etc/yum.repos.d/base.repo is enabled, but it has no cache in CACHE",
				"pin 9.2 by /etc/dnf/vars/releasever",
			},
		},
		"in no repository": {
			installed: []toBuild{fixed, pkg("mine", "1", "1", "x86_64")}, repos: []repo{base},
			want: []string{"uncovered mine: unlisted"},
		},
		"in a repository that is disabled: an update of the distribution's own package is not seen": {
			installed: []toBuild{fixed, pkg("b", "1", "1.el9", "x86_64"), pkg("b-debuginfo", "1", "1.el9", "x86_64")}, oracle: []string{},
			repos: []repo{base, {
				id: "appstream", vendor: "V", options: "enabled=0\n", generations: [][]toBuild{{pkg("b", "1", "2.el9", "x86_64")}}, advisories: sa(pkg("b", "1", "2.el9", "x86_64")),
			}},
			want: []string{"uncovered b-debuginfo: unlisted", "uncovered b: own-unlisted"},
		},
		"newer than any repository has": {
			installed: []toBuild{later}, repos: []repo{base},
			want: []string{"uncovered a: newer"},
		},
		"in a repository without advisories, of the vendor of one with them": {
			installed: []toBuild{fixed, pkg("b", "1", "1.el9", "x86_64")},
			repos:     []repo{base, {id: "frozen", vendor: "V", noInfo: true, generations: [][]toBuild{{old, pkg("b", "1", "1.el9", "x86_64")}}}},
		},
		"in a repository without advisories, for which none has updates: its own updates are disabled": {
			installed: []toBuild{fixed, pkg("b", "1", "1.el9", "x86_64")},
			repos:     []repo{base, {id: "module-pool", vendor: "V", noInfo: true, generations: [][]toBuild{{pkg("b", "1", "1.el9", "x86_64")}}}},
			want:      []string{"uncovered b: no-advisories"},
		},
		"in a repository without advisories, of another vendor": {
			installed: []toBuild{fixed, pkg("b", "1", "1.el9", "x86_64")}, vendor: "W",
			repos: []repo{base, {id: "third", vendor: "W", noInfo: true, generations: [][]toBuild{{pkg("b", "1", "1.el9", "x86_64")}}}},
			want:  []string{"uncovered b: no-advisories"},
		},
		"in a repository without advisories, of another release of the vendor": {
			installed: []toBuild{fixed, pkg("b", "1", "1.el8", "x86_64")},
			repos:     []repo{base, {id: "left", vendor: "V", noInfo: true, generations: [][]toBuild{{pkg("b", "1", "1.el8", "x86_64")}}}},
			want:      []string{"uncovered b: no-advisories"},
		},

		"zypper: a patch that is needed": {
			suse: true, installed: []toBuild{old}, repos: []repo{base}, oracle: []string{"SA-1"},
			want: []string{"a.x86_64 1-1.el9 > 1-2.el9, security 1-2.el9 SA-1"},
		},
		"zypper: of another vendor": {
			suse: true, installed: []toBuild{old}, vendor: "W", repos: []repo{base}, oracle: []string{},
			want: []string{"a.x86_64 1-1.el9 > 1-2.el9, security 1-2.el9 SA-1"},
		},
		"zypper: retracted": {
			suse: true, installed: []toBuild{old}, repos: with(func(r *repo) {
				r.advisories = []advisory{{id: "SA-1", kind: "security", status: "retracted", packages: []toBuild{fixed}}}
			}), oracle: []string{},
			want: []string{"a.x86_64 1-1.el9 > 1-2.el9"},
		},
		"dnf: retracted": {
			installed: []toBuild{old}, repos: with(func(r *repo) {
				r.advisories = []advisory{{id: "SA-1", kind: "security", status: "retracted", packages: []toBuild{fixed}}}
			}), oracle: []string{"a.x86_64 1-2.el9"},
			want: []string{"a.x86_64 1-1.el9 > 1-2.el9, security 1-2.el9 SA-1"},
		},
		"zypper: a locked patch": {
			suse: true, installed: []toBuild{old}, repos: []repo{base}, oracle: []string{}, after: func(t *testing.T, w *world) {
				w.write(t, "/etc/zypp/locks", "\ntype: patch\nmatch_type: glob\ncase_sensitive: on\nsolvable_name: SA-1\n\n")
			},
			want: []string{"a.x86_64 1-1.el9 > 1-2.el9, security 1-2.el9 SA-1, held"},
		},
		"zypper: a locked package": {
			suse: true, installed: []toBuild{old}, repos: []repo{base}, after: func(t *testing.T, w *world) {
				w.write(t, "/etc/zypp/locks", "\ntype: package\nmatch_type: glob\ncase_sensitive: on\nsolvable_name: a\n\n")
			},
			want: []string{"a.x86_64 1-1.el9 > 1-2.el9, security 1-2.el9 SA-1, held"},
		},
		"zypper: no repository": {
			suse: true, installed: []toBuild{old}, repos: with(func(r *repo) { r.options = "enabled=0\n" }), oracle: []string{},
			want: []string{"gap NotPresent no repository is enabled on the host, so updates are unknown"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			vendor := tc.vendor
			if vendor == "" {
				vendor = "V"
			}
			w := newWorld(t, vendor, [][]toBuild{tc.installed}, tc.repos)
			if tc.suse {
				w.suse(t)
			}
			if tc.before != nil {
				tc.before(t, w)
			}
			if tc.suse {
				w.zypper(t, "refresh")
			} else {
				w.dnf(t, "makecache")
			}
			if tc.after != nil {
				tc.after(t, w)
			}
			if tc.oracle != nil {
				var got []string
				if tc.suse {
					got = patchesNeeded(w.zypper(t, "--no-refresh", "patches"))
				} else {
					got = theirs(w.dnf(t, "-C", "check-update", "--security"))
				}
				if !slices.Equal(tc.oracle, got) {
					t.Errorf("the host's tool says %v, expected %v", got, tc.oracle)
				}
			}
			state, gaps := w.read(t)
			got := told(w, state, gaps)
			for i := range got {
				for mark, place := range map[string]string{"CACHE": "/var/cache/dnf/base-", "/PRIMARY": "/var/cache/dnf/base-"} {
					wants := slices.ContainsFunc(tc.want, func(s string) bool { return strings.Contains(s, mark) })
					if j := strings.Index(got[i], place); wants && j >= 0 {
						end := strings.IndexAny(got[i][j:]+" ", " ")
						if mark == "/PRIMARY" {
							end = strings.Index(got[i][j:], ":")
						}
						got[i] = got[i][:j] + mark + got[i][j+end:]
					}
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			all := strings.Join(got, "\n")
			want := api.Pass
			switch {
			case len(gaps) > 0: // no pass, whatever the check says
				return
			case strings.Contains(all, ", security "):
				want = api.Fail
			case strings.Contains(all, "unclassified") || strings.Contains(all, "pin ") || strings.Contains(all, "own-unlisted"):
				want = api.VerdictUnknown
			}
			if verdict := verdictOf(state); verdict != want {
				t.Errorf("hosts/pending-security-updates: %s, expected %s:\n%s", verdict, want, all)
			}
		})
	}
}
