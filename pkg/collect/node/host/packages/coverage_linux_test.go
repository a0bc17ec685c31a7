package packages

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/osrelease"
)

// Each package needs the security archive of its own release, component and
// architecture. Whatever is not covered is named with the reason.
func TestCoverage(t *testing.T) {
	const (
		status  = "var/lib/dpkg/status"
		lists   = "var/lib/apt/lists/mirror.example.org_debian"
		sec     = lists + "-security_dists_bookworm-security_"
		mainDir = lists + "_dists_bookworm_"
		sources = "etc/apt/sources.list.d/debian.sources"
	)
	debian := hosttest.Fixture(t, "debian12")
	installed := func(name, arch, version string) string {
		return "Package: " + name + "\nStatus: install ok installed\nArchitecture: " + arch + "\nVersion: " + version + "\n\n"
	}
	adding := func(f hosttest.Files, stanzas ...string) hosttest.Files {
		return f.With(hosttest.Files{status: f[status] + strings.Join(stanzas, "")})
	}
	led := adding(debian, installed("linux-image-cloud-amd64", "amd64", "6.1.176-1"))
	listed := func(f hosttest.Files, list, stanza string) hosttest.Files {
		// A Release file that says nothing of sizes binds no list.
		release := strings.Split(list, "main_")[0] + "InRelease"
		head, _, _ := strings.Cut(f[release], "SHA256:")
		_, head, _ = strings.Cut(head, "\n\n")
		return f.With(hosttest.Files{list: f[list] + stanza, release: ""}).Without(release).
			With(hosttest.Files{strings.TrimSuffix(release, "InRelease") + "Release": head})
	}
	const meta = "linux-image-cloud-amd64"
	metaListed := func(f hosttest.Files) hosttest.Files {
		return listed(f, mainDir+"main_binary-amd64_Packages", "Package: "+meta+"\nVersion: 6.1.176-1\nArchitecture: amd64\n\n")
	}
	covered := metaListed(led)
	for name, tc := range map[string]struct {
		files hosttest.Files
		want  []string // "name why archive"
	}{
		"all of the release": {covered, nil},
		"a library left over from the last release": {
			adding(covered, installed("libssl1.1", "amd64", "1.1.1w-0+deb11u1")), []string{"libssl1.1 unlisted "},
		},
		"built by somebody, newer than the release has it": {
			adding(covered.Edit(t, status, "Version: 5.2.15-2+b8", "Version: 6.0-1")), []string{"bash newer Debian/oldstable"},
		},
		"from a vendor's archive": {
			adding(covered, installed("docker-ce", "amd64", "5:27.0")).With(hosttest.Files{
				"etc/apt/sources.list": "deb https://download.example.com/linux bookworm stable\n",
				"var/lib/apt/lists/download.example.com_linux_dists_bookworm_InRelease":                    "Origin: Docker\nLabel: Docker CE\nSuite: bookworm\nCodename: bookworm\n",
				"var/lib/apt/lists/download.example.com_linux_dists_bookworm_stable_binary-amd64_Packages": "Package: docker-ce\nVersion: 5:28.0\nArchitecture: amd64\n\n",
			}),
			[]string{"docker-ce other-archive Docker CE/bookworm"},
		},
		"a kernel without its metapackage": {debian, []string{"linux-image-6.1.0-50-cloud-amd64 no-metapackage "}},
		"a metapackage of another flavour": {
			adding(debian, installed("linux-image-rt-amd64", "amd64", "6.1.176-1")),
			[]string{"linux-image-6.1.0-50-cloud-amd64 no-metapackage ", "linux-image-rt-amd64 unlisted "},
		},
		"the security archive of another release": {
			covered.With(hosttest.Files{"etc/os-release": "ID=debian\nVERSION_CODENAME=trixie\n"}), []string{"*other-archive"},
		},
		"a distribution made from Debian, whose codenames are its own": {
			covered.With(hosttest.Files{"etc/os-release": "ID=mydebian\nVERSION_CODENAME=bella\n"}), nil,
		},
		"no os-release": {covered.Without("etc/os-release"), nil},
		"no security archive": {
			covered.Edit(t, sources, "URIs: http://mirror.example.org/debian-security", "Enabled: no\nURIs: http://mirror.example.org/debian-security"), []string{"*no-security"},
		},
		"a security list that could not be read: the gap says so": {
			covered.With(hosttest.Files{sec + "main_binary-amd64_Packages": "Package: bash\n"}), nil,
		},
		"security for another component": {
			covered.Edit(t, sources, "Suites: bookworm-security\nComponents: main", "Suites: bookworm-security\nComponents: contrib").With(hosttest.Files{
				sec + "contrib_binary-amd64_Packages": "Package: other\nVersion: 1\nArchitecture: amd64\n\n",
			}), []string{"*no-security"},
		},
		"security for another architecture": {
			covered.Edit(t, sources, "Suites: bookworm-security", "Architectures: arm64\nSuites: bookworm-security").With(hosttest.Files{
				sec + "main_binary-arm64_Packages": "Package: other\nVersion: 1\nArchitecture: arm64\n\n",
			}), []string{"*no-security"},
		},
		"a security archive that a pin forbids": {
			covered.With(hosttest.Files{"etc/apt/preferences": "Package: *\nPin: release l=Debian-Security\nPin-Priority: never\n"}), []string{"*no-security"},
		},
		"an older kernel that nothing lists any more, with its headers": {
			adding(covered, installed("linux-image-6.1.0-40-cloud-amd64", "amd64", "6.1.150-1"), installed("linux-headers-6.1.0-40-cloud-amd64", "amd64", "6.1.150-1"),
				installed("linux-headers-6.1.0-40-common", "all", "6.1.150-1"), installed("linux-kbuild-6.1.0-40", "amd64", "6.1.150-1")),
			nil,
		},
		"headers of the kernel that is the newest": {
			adding(covered, installed("linux-headers-6.1.0-50-cloud-amd64", "amd64", "6.1.176-1")), []string{"linux-headers-6.1.0-50-cloud-amd64 unlisted "},
		},
		"a kernel of a newer series than any metapackage leads to": {
			listed(adding(led, installed("linux-image-6.12.9-1-cloud-amd64", "amd64", "6.12.9-1")), mainDir+"main_binary-amd64_Packages",
				"Package: "+meta+"\nVersion: 6.1.176-1\nArchitecture: amd64\n\nPackage: linux-image-6.12.9-1-cloud-amd64\nVersion: 6.12.9-1\nArchitecture: amd64\n\n"),
			[]string{"linux-image-6.12.9-1-cloud-amd64 no-metapackage "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := hosttest.OpenRoot(t, tc.files.Write(t))
			state, _ := Read(t.Context(), root, osrelease.Read(root))
			if state == nil {
				t.Fatal("no package database")
			}
			if state.UncoveredCount != len(state.Uncovered) {
				t.Errorf("count %d of %d", state.UncoveredCount, len(state.Uncovered))
			}
			if len(tc.want) == 1 && strings.HasPrefix(tc.want[0], "*") {
				// Most of them, and each for this reason.
				for _, p := range state.Uncovered {
					if string(p.Why) != tc.want[0][1:] {
						t.Errorf("%s: %s", p.Name, p.Why)
					}
				}
				if len(state.Uncovered) < state.Installed-1 {
					t.Errorf("%d of %d packages are not covered", len(state.Uncovered), state.Installed)
				}
				return
			}
			var got []string
			for _, p := range state.Uncovered {
				got = append(got, p.Name+" "+string(p.Why)+" "+p.Archive)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("not covered (-want +got):\n%s", diff)
			}
		})
	}
}

// ESM alone covers nothing: it comes on top of the release's own security archive.
func TestESMAloneCoversNothing(t *testing.T) {
	ubuntu := hosttest.Fixture(t, "ubuntu2204")
	for name, content := range ubuntu {
		if strings.HasPrefix(name, "etc/apt/sources.list") && strings.Contains(content, "jammy-security") {
			ubuntu = ubuntu.With(hosttest.Files{name: strings.ReplaceAll(content, "jammy-security", "jammy-proposed")})
		}
	}
	root := hosttest.OpenRoot(t, ubuntu.Write(t))
	state, _ := Read(t.Context(), root, osrelease.Read(root))
	if state == nil || len(state.Uncovered) < state.Installed-2 {
		t.Fatalf("state %+v", state)
	}
	for _, p := range state.Uncovered {
		if p.Why != fact.OutsideComponent && p.Why != fact.OutsideLists {
			t.Errorf("%s: %s", p.Name, p.Why)
		}
	}
}

// The product of components and architectures is bounded before it is made.
func TestManyComponentsAndArchitectures(t *testing.T) {
	words := func(prefix string, n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(" " + prefix + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676)))
		}
		return b.String()
	}
	entry := "Types: deb\nURIs: http://mirror.example.org/debian\nSuites: bookworm\nComponents:" + words("c", 1000) + "\nArchitectures:" + words("a", 1000) + "\n"
	suites := "Types: deb\nURIs:" + strings.ReplaceAll(words("http://h", 30), "http://h", "http://h/") + "\nSuites:" + words("s", 30) + "\nComponents: main\n\n"
	for name, text := range map[string]string{"one entry": entry, "many entries": strings.Repeat(suites, 700)} {
		t.Run(name, func(t *testing.T) {
			f := hosttest.Fixture(t, "debian12").With(hosttest.Files{"etc/apt/sources.list.d/x.sources": text})
			root := hosttest.OpenRoot(t, f.Write(t))
			before := allocated()
			_, gaps := Read(t.Context(), root, osrelease.Read(root))
			if used := allocated() - before; used > 64<<20 {
				t.Errorf("%d MiB were allocated", used>>20)
			}
			found := false
			for _, g := range gaps {
				found = found || strings.Contains(g.Detail, "more than")
			}
			if !found {
				t.Errorf("no gap says that it was cut: %+v", gaps)
			}
		})
	}
}

// allocated is how many bytes were allocated so far.
func allocated() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.TotalAlloc
}

// Lists are cut, and what decides stays: packages of the release without their
// security archive, and the security archive that shows least.
func TestWhatDecidesIsNotCut(t *testing.T) {
	debian := hosttest.Fixture(t, "debian12")
	var stanzas, sources strings.Builder
	files := hosttest.Files{}
	for i := range 2 * fact.MaxUncovered {
		fmt.Fprintf(&stanzas, "Package: a%03d\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n", i)
	}
	for i := range 2 * fact.MaxArchives {
		fmt.Fprintf(&sources, "deb http://x.example.org/%02d bookworm-security main\n", i)
		prefix := fmt.Sprintf("var/lib/apt/lists/x.example.org_%02d_dists_bookworm-security_", i)
		files[prefix+"Release"] = fmt.Sprintf("Origin: Debian\nLabel: Debian-Security\nSuite: a%02d\nCodename: bookworm-security\nDate: Mon, 23 Nov 2026 12:00:00 UTC\n", i)
		files[prefix+"main_binary-amd64_Packages"] = "Package: other\nVersion: 1\nArchitecture: amd64\n\n"
	}
	files["etc/apt/sources.list"] = sources.String()
	root := hosttest.OpenRoot(t, debian.With(files).Write(t))
	state, _ := Read(t.Context(), root, osrelease.Read(root))
	if len(state.Archives) != fact.MaxArchives || state.Archives[0].Name != "Debian-Security/oldstable-security" {
		t.Errorf("%d archives, the first %+v", len(state.Archives), state.Archives[0])
	}

	const status, sourcesFile = "var/lib/dpkg/status", "etc/apt/sources.list.d/debian.sources"
	without := debian.With(hosttest.Files{status: debian[status] + stanzas.String()}).
		Edit(t, sourcesFile, "URIs: http://mirror.example.org/debian-security", "Enabled: no\nURIs: http://mirror.example.org/debian-security")
	root = hosttest.OpenRoot(t, without.Write(t))
	state, _ = Read(t.Context(), root, osrelease.Read(root))
	if len(state.Uncovered) != fact.MaxUncovered || state.UncoveredCount <= 2*fact.MaxUncovered || state.Uncovered[0].Why != fact.OutsideComponent {
		t.Errorf("%d of %d packages, the first %+v", len(state.Uncovered), state.UncoveredCount, state.Uncovered[0])
	}
}

// Many versions of one package in a list cost that list, not the time of the run.
func TestManyVersionsOfOnePackage(t *testing.T) {
	debian := hosttest.Fixture(t, "debian12")
	const prefix = "var/lib/apt/lists/mirror.example.org_debian_dists_bookworm-updates_"
	var list strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&list, "Package: bash\nVersion: 9.%d\nArchitecture: amd64\n\n", i)
	}
	files := debian.Without(prefix + "InRelease").With(hosttest.Files{
		prefix + "Release":                    "Origin: Debian\nSuite: oldstable-updates\nCodename: bookworm-updates\n",
		prefix + "main_binary-amd64_Packages": list.String(),
	})
	root := hosttest.OpenRoot(t, files.Write(t))
	_, gaps := Read(t.Context(), root, osrelease.Read(root))
	if len(gaps) != 1 || !strings.Contains(gaps[0].Detail, "1000 versions of one package") {
		t.Errorf("gaps %+v", gaps)
	}
}
