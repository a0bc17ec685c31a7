package pacman

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
)

// packed is a database that is not compressed, or whatever the seed makes it.
func packed(t testing.TB, records ...record) string {
	t.Helper()
	return string(database(t, rand.New(rand.NewPCG(3, 3)), records))
}

// arch is a host with these packages, NAME-VERSION-RELEASE.
func arch(t testing.TB, installed ...string) hosttest.Files {
	t.Helper()
	f := hosttest.Files{
		"etc/pacman.conf":                      "[options]\nArchitecture = auto\n\n[core]\nInclude = /etc/pacman.d/mirrorlist\n\n[extra]\nInclude = /etc/pacman.d/mirrorlist\n",
		"etc/pacman.d/mirrorlist":              "Server = https://mirror.example/$repo/os/$arch\n",
		"var/lib/pacman/local/ALPM_DB_VERSION": "9\n",
		"var/lib/pacman/sync/core.db": packed(t, record{name: "bash", version: "5.2.037-1"}, record{name: "linux", version: "6.11.6.arch1-1"},
			record{name: "zlib", version: "1:1.3.1-2"}),
		"var/lib/pacman/sync/extra.db": packed(t, record{name: "zlib", version: "1:1.4-1"}, record{name: "vim", version: "9.1.0-1", replaces: []string{"vi<2"}}),
	}
	for _, entry := range installed {
		name, version, ok := splitName(entry)
		if !ok {
			t.Fatal(entry)
		}
		f["var/lib/pacman/local/"+entry+"/desc"] = "%NAME%\n" + name + "\n\n%VERSION%\n" + version + "\n\n%ARCH%\nx86_64\n\n%GROUPS%\nbase\n"
	}
	return f
}

func TestRead(t *testing.T) {
	all := []string{"bash-5.2.026-2", "zlib-1:1.3.1-2", "vi-1.8-1", "yay-12.4.2-1", "linux-6.11.7.arch1-1"}
	bash := fact.PendingUpdate{Name: "bash", Arch: "x86_64", Installed: "5.2.026-2", Candidate: "5.2.037-1", Archive: "core", Source: "bash-base", Unclassified: true}
	vi := fact.PendingUpdate{Name: "vi", Arch: "x86_64", Installed: "1.8-1", Candidate: "9.1.0-1", Archive: "extra", Source: "vim-base", Unclassified: true}
	zlib := fact.PendingUpdate{Name: "zlib", Arch: "x86_64", Installed: "1:1.3.1-2", Candidate: "1:1.4-1", Archive: "extra", Source: "zlib-base", Unclassified: true}
	held := func(u fact.PendingUpdate) fact.PendingUpdate { u.Held = true; return u }
	yay := fact.UncoveredPackage{Name: "yay", Arch: "x86_64", Version: "12.4.2-1", Why: fact.OutsideLists}
	linux := fact.UncoveredPackage{Name: "linux", Arch: "x86_64", Version: "6.11.7.arch1-1", Why: fact.OutsideVersions, Archive: "core"}
	gone := func(name string) fact.UncoveredPackage {
		p := arch(t, all...)
		for path := range p {
			if rest, ok := strings.CutPrefix(path, "var/lib/pacman/local/"+name+"-"); ok {
				version, _, _ := strings.Cut(rest, "/")
				return fact.UncoveredPackage{Name: name, Arch: "x86_64", Version: version, Why: fact.OutsideLists}
			}
		}
		t.Fatal(name)
		return fact.UncoveredPackage{}
	}
	const core, conf = "var/lib/pacman/sync/core.db", "etc/pacman.conf"
	whole := arch(t, all...)
	for name, tc := range map[string]struct {
		files     hosttest.Files
		pending   []fact.PendingUpdate
		uncovered []fact.UncoveredPackage
		gaps      []string
		indexes   int
	}{
		"fresh": {files: whole, pending: []fact.PendingUpdate{bash, vi}, uncovered: []fact.UncoveredPackage{linux, yay}, indexes: 2},
		"repositories swapped": {
			files:   whole.With(hosttest.Files{conf: "[extra]\n[core]\n"}),
			pending: []fact.PendingUpdate{bash, vi, zlib}, uncovered: []fact.UncoveredPackage{linux, yay}, indexes: 2,
		},
		"held back": {
			files:   whole.With(hosttest.Files{conf: "[options]\nIgnorePkg = b?sh\n[core]\n[extra]\n"}),
			pending: []fact.PendingUpdate{held(bash), vi}, uncovered: []fact.UncoveredPackage{linux, yay}, indexes: 2,
		},
		"held back by group, and by Usage": {
			files:   whole.With(hosttest.Files{conf: "[options]\nIgnoreGroup = [!x]ase\n[core]\nUsage = Sync Install\n[extra]\n"}),
			pending: []fact.PendingUpdate{held(bash), held(vi), held(zlib)}, uncovered: []fact.UncoveredPackage{yay}, indexes: 2,
		},
		"a database that was never fetched": {
			files: whole.Without(core), pending: []fact.PendingUpdate{vi, zlib}, uncovered: []fact.UncoveredPackage{gone("bash"), gone("linux"), yay}, indexes: 1,
			gaps: []string{"NotPresent repository core of /etc/pacman.conf:4 is enabled, but /var/lib/pacman/sync/core.db was not found"},
		},
		"a database cut short": {
			files:   whole.With(hosttest.Files{core: string(plainTar(t, record{name: "bash", version: "5.2.037-1"})[:900])}),
			pending: []fact.PendingUpdate{vi, zlib}, uncovered: []fact.UncoveredPackage{gone("bash"), gone("linux"), yay}, indexes: 1,
			gaps: []string{"Truncated /var/lib/pacman/sync/core.db: after 1 records: ends too early: inside a tar archive"},
		},
		"an empty database": {
			files: whole.With(hosttest.Files{core: ""}), pending: []fact.PendingUpdate{vi, zlib}, uncovered: []fact.UncoveredPackage{gone("bash"), gone("linux"), yay}, indexes: 1,
			gaps: []string{"Truncated /var/lib/pacman/sync/core.db: ends too early: expected the end of an archive after 0 records"},
		},
		"a database that is none": {
			files:   whole.With(hosttest.Files{core: "<html>" + strings.Repeat("x", 2000)}),
			pending: []fact.PendingUpdate{vi, zlib}, uncovered: []fact.UncoveredPackage{gone("bash"), gone("linux"), yay}, indexes: 1,
			gaps: []string{"Corrupt /var/lib/pacman/sync/core.db: after 0 records: expected a header of a tar archive, found something else"},
		},
		"no repository": {
			files: whole.With(hosttest.Files{conf: "[options]\n"}), gaps: []string{"NotPresent /etc/pacman.conf: no repository is enabled, so updates are unknown"},
		},
		"no configuration": {files: whole.Without(conf), gaps: []string{"NotPresent open ROOT/etc/pacman.conf: no such file or directory"}},
		"an Include that is missing": {
			files:   whole.Without("etc/pacman.d/mirrorlist").With(hosttest.Files{conf: "[core]\nInclude = /etc/pacman.d/*.d\n[extra]\nInclude = /etc/*/x\n"}),
			pending: []fact.PendingUpdate{bash, vi}, uncovered: []fact.UncoveredPackage{linux, yay}, indexes: 2,
			gaps: []string{"NotPresent open ROOT/etc/pacman.d/: no such file or directory", `Unsupported Include "/etc/*/x": a glob in a directory's name is not supported`},
		},
		"an Include of itself": {
			files:   whole.With(hosttest.Files{conf: "[core]\n[extra]\n[options]\nInclude = /etc/pacman.d/x.conf\n", "etc/pacman.d/x.conf": "Include = /etc/pacman.d/x.conf\n"}),
			pending: []fact.PendingUpdate{bash, vi}, uncovered: []fact.UncoveredPackage{linux, yay}, indexes: 2,
			gaps: []string{"Truncated /etc/pacman.conf: more than 10 files that include each other"},
		},
		"names that are none": {
			files:   whole.With(hosttest.Files{conf: "[../../etc]\n[core]\n[core]\n[extra]\n"}),
			pending: []fact.PendingUpdate{bash, vi}, uncovered: []fact.UncoveredPackage{linux, yay}, indexes: 2,
			gaps: []string{
				`Corrupt /etc/pacman.conf:1: expected the name of a repository, found "../../etc"`,
				`Corrupt /etc/pacman.conf:3: repository "core" is there twice, and pacman refuses that`,
			},
		},
		"a record that is none": {
			files:   whole.With(hosttest.Files{"var/lib/pacman/local/nothing/desc": ""}),
			pending: []fact.PendingUpdate{bash, vi}, uncovered: []fact.UncoveredPackage{linux, yay}, indexes: 2,
			gaps: []string{`Corrupt /var/lib/pacman/local: expected a record NAME-VERSION-RELEASE, found "nothing"`},
		},
		"two records of one package": {
			files:   whole.With(hosttest.Files{"var/lib/pacman/local/bash-5.2.037-1/desc": ""}),
			pending: []fact.PendingUpdate{bash, vi}, uncovered: []fact.UncoveredPackage{linux, yay}, indexes: 2,
			gaps: []string{"Corrupt /var/lib/pacman/local: 1 packages have more than one record"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tc.files.Write(t)
			state, gaps, err := Manager{}.Read(t.Context(), hosttest.OpenRoot(t, dir))
			if err != nil {
				t.Fatal(err)
			}
			var texts []string
			for _, gap := range hosttest.Placed(gaps, dir) {
				texts = append(texts, string(gap.Reason)+" "+gap.Detail)
			}
			if diff := cmp.Diff(tc.gaps, texts); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.pending, state.Pending); diff != "" {
				t.Errorf("pending (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.uncovered, state.Uncovered); diff != "" || state.UncoveredCount != len(tc.uncovered) {
				t.Errorf("%d uncovered (-want +got):\n%s", state.UncoveredCount, diff)
			}
			if state.Indexes != tc.indexes || len(state.Archives) != tc.indexes || state.Installed != len(all) || state.Database != "/var/lib/pacman/local" {
				t.Errorf("%+v", state)
			}
			damaged := slices.ContainsFunc(texts, func(text string) bool {
				return strings.Contains(text, "/installed: ends") || strings.Contains(text, "/local: ")
			})
			if (state.Set == "") != (damaged || state.Installed == 0) {
				t.Errorf("the sum of all packages is %q", state.Set)
			}
			for _, a := range state.Archives {
				if !a.Unclassified || a.Security || a.Checked.IsZero() || a.Date.IsZero() {
					t.Errorf("archive %+v", a)
				}
			}
		})
	}
	for name, files := range map[string]hosttest.Files{"nothing": {}, "pacman on another system": {"etc/pacman.conf": "[core]\n", "var/lib/pacman/": ""}} {
		if _, _, err := (Manager{}).Read(t.Context(), hosttest.OpenRoot(t, files.Write(t))); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBounds holds that neither long texts nor many updates take the probe's memory:
// each costs the repository that has them.
func TestBounds(t *testing.T) {
	long := strings.Repeat("9", maxText)
	var replaced []string
	db := &local{}
	for i := range 1000 {
		name := fmt.Sprintf("p%04d", i)
		db.packages = append(db.packages, installed{entry: name + "-1-1", cut: len(name) + 1})
		replaced = append(replaced, name)
	}
	var many []record
	for i := range 20 {
		many = append(many, record{name: fmt.Sprintf("r%d", i), version: "1-1", replaces: replaced})
	}
	for name, tc := range map[string]struct {
		records []record
		want    string
	}{
		"as many as one repository has":    {many[:8], ""},
		"each package is replaced often":   {append(slices.Clone(many[:8]), record{name: "p0001", version: "2-1"}), ""},
		"a long name of a package's group": {[]record{{name: "p0001", version: "2-1", groups: []string{long + "9"}}}, "after 1 records: larger than the limit of 1024 bytes in a value"},
	} {
		text := ""
		if err := parseSync(bytes.NewReader(plainTar(t, tc.records...)), 0, func(c candidate, replaces []dependency) error {
			return db.offer(c, replaces, false)
		}); err != nil {
			text = err.Error()
		}
		if text != tc.want {
			t.Errorf("%s: %q, want %q", name, text, tc.want)
		}
	}
	db.kept = maxKept - 1000
	for i := range db.packages {
		db.packages[i].same, db.packages[i].others = nil, nil
	}
	err := parseSync(bytes.NewReader(plainTar(t, many...)), 0, func(c candidate, replaces []dependency) error { return db.offer(c, replaces, false) })
	if !errors.Is(err, errFull) {
		t.Errorf("no room: %v, want %v", err, errFull)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := errors.Join(w.WriteHeader(&tar.Header{Name: "p0001-" + long + "-1/desc", Mode: 0o644}), w.Close()); err != nil {
		t.Fatal(err)
	}
	err = parseSync(&archive, 0, func(candidate, []dependency) error { return nil })
	if want := "after 0 records: larger than the limit of 1024 bytes in a name"; err == nil || err.Error() != want {
		t.Errorf("a long version: %v, want %s", err, want)
	}
}

func TestDBPath(t *testing.T) {
	files := hosttest.Files{}
	for path, content := range arch(t, "bash-5-1") {
		files[strings.Replace(path, "var/lib/pacman", "srv/pac", 1)] = content
	}
	files["etc/pacman.conf"] = "[options]\nDBPath = /srv/pac/\n[core]\n"
	state, gaps, err := Manager{}.Read(t.Context(), hosttest.OpenRoot(t, files.Write(t)))
	if err != nil || len(gaps) > 0 || state.Database != "/srv/pac/local" || len(state.Pending) != 1 {
		t.Errorf("%+v, %+v, %v", state, gaps, err)
	}
}

func TestKernels(t *testing.T) {
	files := arch(t, "linux-6.11.6.arch1-1", "linux-lts-6.6.58-1", "bash-5-1").With(hosttest.Files{
		"usr/lib/modules/6.11.6-arch1-1/pkgbase":    "linux\n",
		"usr/lib/modules/6.6.58-1-lts/pkgbase":      "linux-lts\n",
		"usr/lib/modules/6.11.5-arch1-1/":           "", // left by a module of dkms
		"usr/lib/modules/6.10.1-zen1-1-zen/pkgbase": "linux-zen\n",
		"lib": "link: usr/lib",
	})
	kernels, err := Manager{}.Kernels(t.Context(), hosttest.OpenRoot(t, files.Write(t)))
	want := []fact.InstalledKernel{
		{Release: "6.11.6-arch1-1", Path: "/var/lib/pacman/local/linux-6.11.6.arch1-1", Package: "linux", PackageVersion: "6.11.6.arch1-1"},
		{Release: "6.6.58-1-lts", Path: "/var/lib/pacman/local/linux-lts-6.6.58-1", Package: "linux-lts", PackageVersion: "6.6.58-1"},
	}
	if diff := cmp.Diff(want, kernels); diff != "" || err != nil {
		t.Errorf("%v, kernels (-want +got):\n%s", err, diff)
	}
}

func plainTar(t testing.TB, records ...record) []byte {
	t.Helper()
	for seed := range uint64(100) {
		data := database(t, rand.New(rand.NewPCG(seed, 1)), records)
		if len(data) > 262 && string(data[257:262]) == "ustar" && data[156] == '0' {
			return data
		}
	}
	t.Fatal("no seed packs nothing")
	return nil
}

func FuzzSync(f *testing.F) {
	f.Add(plainTar(f, record{name: "vim", version: "9.1.0-1", groups: []string{"a"}, replaces: []string{"vi<2", "b"}}, record{name: "x", version: "1:2-3"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		replaced := 0
		err := parseSync(bytes.NewReader(data), 0, func(c candidate, replaces []dependency) error {
			if c.name == "" || strings.Contains(c.version, "/") {
				t.Errorf("%+v", c)
			}
			replaced += len(replaces)
			return nil
		})
		if replaced > len(data) && err == nil {
			t.Errorf("%d replaced packages of %d bytes", replaced, len(data))
		}
	})
}

func FuzzDesc(f *testing.F) {
	f.Add(record{name: "vim", version: "9.1.0-1", groups: []string{"a", "b"}, replaces: []string{"vi<2"}}.desc(rand.New(rand.NewPCG(1, 1))))
	f.Fuzz(func(t *testing.T, text string) {
		var d desc
		var p descParser
		err := p.parse(strings.NewReader(text), &d)
		if err == nil && len(text) < maxDesc {
			for _, word := range append(slices.Clone(d.groups), d.base, d.arch) {
				if strings.Contains(word, "\n") || !strings.Contains(text, word) {
					t.Errorf("%q is not a line of it", word)
				}
			}
		}
	})
}

func FuzzConfig(f *testing.F) {
	f.Add("[options]\nIgnorePkg = a* b\nDBPath=/x\n[core]\nUsage = Sync\nInclude = /etc/x\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := &config{dbPath: defaultDBPath}
		c.parse([]byte(text), "f", func(string, int) {}, 0)
		names := map[string]bool{}
		for _, r := range c.repositories {
			if r.name == "" || strings.Contains(r.name, "/") {
				t.Errorf("repository %q", r.name)
			}
			names[r.name] = true
		}
		if len(names) != len(c.repositories) || !strings.HasPrefix(c.dbPath, "/") || len(slices.Collect(maps.Keys(names))) > maxRepositories {
			t.Errorf("%+v", c)
		}
		c.ignores("a", []string{"b"})
	})
}
