package packages

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest/rpmtest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/osrelease"
)

// stanza is an installed package of dpkg.
func dpkgStanza(name, arch, version string, more ...string) string {
	return "Package: " + name + "\nStatus: install ok installed\nArchitecture: " + arch + "\nVersion: " + version + "\n" + strings.Join(more, "") + "\n"
}

func TestInventory(t *testing.T) {
	const release = "ID=debian\nVERSION_ID=12\nPRETTY_NAME=\"Debian 12\"\n"
	status := dpkgStanza("zlib1g", "amd64", "1:1.2-1", "Source: zlib\n") +
		dpkgStanza("libc6", "i386", "2.36-9+b1", "Source: glibc (2.36-9)\n") +
		dpkgStanza("libc6", "amd64", "2.36-9+b1", "Source: glibc (2.36-9)\n") +
		dpkgStanza("tzdata", "all", "2026a-0") +
		dpkgStanza("dpkg", "amd64", "1.21") +
		"Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n\n"
	debianRoot := hosttest.Files{"etc/os-release": release, "var/lib/dpkg/status": status}
	listed := []fact.InstalledPackage{
		{Name: "dpkg", Arch: "amd64", Version: "1.21"},
		{Name: "libc6", Arch: "amd64", Version: "2.36-9+b1", Source: "glibc", SourceVersion: "2.36-9"},
		{Name: "libc6", Arch: "i386", Version: "2.36-9+b1", Source: "glibc", SourceVersion: "2.36-9"},
		{Name: "tzdata", Arch: "amd64", Version: "2026a-0"},
		{Name: "zlib1g", Arch: "amd64", Version: "1:1.2-1", Source: "zlib"},
	}
	var many strings.Builder
	for i := range fact.MaxInventory + 5 {
		many.WriteString(dpkgStanza(fmt.Sprintf("p%06d", i), "amd64", "1"))
	}
	for name, tc := range map[string]struct {
		files hosttest.Files
		want  []fact.InstalledPackage
		count int // where it is not that of want
		gaps  []string
	}{
		"dpkg": {debianRoot, listed, 0, nil},
		"dpkg, cut": {
			hosttest.Files{"etc/os-release": release, "var/lib/dpkg/status": strings.TrimSuffix(dpkgStanza("a", "amd64", "1")+dpkgStanza("b", "amd64", "1"), "\n")},
			[]fact.InstalledPackage{{Name: "a", Arch: "amd64", Version: "1"}},
			0,
			[]string{"Truncated /var/lib/dpkg/status: ends too early: no empty line after the stanza at byte 72"},
		},
		"dpkg, too many": {
			hosttest.Files{"etc/os-release": release, "var/lib/dpkg/status": many.String()},
			nil, fact.MaxInventory,
			[]string{"Truncated /var/lib/dpkg/status: 20000 of 20005 installed packages are listed"},
		},
		"dpkg, empty": {
			hosttest.Files{"etc/os-release": release, "var/lib/dpkg/status": ""},
			nil, 0,
			[]string{"NotPresent /var/lib/dpkg/status: no installed package in it"},
		},
		"rpm on its own system": {
			debianRoot.With(hosttest.Files{"etc/os-release": "ID=rocky\n", "var/lib/rpm/Packages.db": string(rpmtest.NDB(rpmtest.Generated(2, 1)))}), nil, 2, nil,
		},
		"apk": {
			hosttest.Files{
				"etc/os-release":       "ID=alpine\nVERSION_ID=3.19.1\n",
				"lib/apk/db/installed": "P:musl\nV:1.2.4-r2\nA:x86_64\no:musl\n\nP:libssl3\nV:3.1.4-r0\nA:x86_64\no:openssl\nF:lib\nR:libssl.so.3\n\n",
			},
			[]fact.InstalledPackage{{Name: "libssl3", Arch: "x86_64", Version: "3.1.4-r0", Source: "openssl"}, {Name: "musl", Arch: "x86_64", Version: "1.2.4-r2"}},
			0, nil,
		},
		"apk, cut": {
			hosttest.Files{"etc/os-release": "ID=alpine\n", "lib/apk/db/installed": "P:musl\nV:1.2.4-r2\nA:x86_64\n\nP:zlib\nV:1"},
			[]fact.InstalledPackage{{Name: "musl", Arch: "x86_64", Version: "1.2.4-r2"}},
			0,
			[]string{"Truncated /lib/apk/db/installed: ends too early: inside a line, at byte 38"},
		},
		"pacman": {
			hosttest.Files{
				"etc/os-release": "ID=arch\n", "etc/pacman.conf": "[options]\n", "var/lib/pacman/local/ALPM_DB_VERSION": "9\n",
				"var/lib/pacman/local/zlib-1:1.3.1-2/desc": "%NAME%\nzlib\n\n%VERSION%\n1:1.3.1-2\n\n",
			},
			[]fact.InstalledPackage{{Name: "zlib", Version: "1:1.3.1-2"}},
			0, nil,
		},
		"an image": {
			debianRoot.With(hosttest.Files{"etc/os-release": "ID=talos\n"}), nil, 0,
			[]string{"Unsupported Talos Linux is updated as a whole image, whose packages are not listed yet"},
		},
		"none": {
			hosttest.Files{"etc/os-release": "ID=x\nPRETTY_NAME=X\n"}, nil, 0, []string{"Unsupported X has no package database that can be listed yet"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := hosttest.OpenRoot(t, tc.files.Write(t))
			list, gaps := Inventory(t.Context(), root, osrelease.Read(root))
			var texts []string
			for _, g := range gaps {
				if g.What != fact.Inventory {
					t.Errorf("a gap of %s", g.What)
				}
				texts = append(texts, string(g.Reason)+" "+g.Detail)
			}
			if diff := cmp.Diff(tc.gaps, texts); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			if tc.count > 0 {
				if len(list) != tc.count {
					t.Errorf("want %d packages, got %d", tc.count, len(list))
				}
				return
			}
			if diff := cmp.Diff(tc.want, list); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
