package packages

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest/rpmtest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/osrelease"
)

// TestPackageGaps holds that whatever is missing or broken is said, with its
// place, and that the rest is still read.
func TestPackageGaps(t *testing.T) {
	debian := hosttest.Fixture(t, "debian12")
	const (
		status   = "var/lib/dpkg/status"
		sources  = "etc/apt/sources.list.d/debian.sources"
		lists    = "var/lib/apt/lists/mirror.example.org_debian"
		mainList = lists + "_dists_bookworm_main_binary-amd64_Packages"
		mainRel  = lists + "_dists_bookworm_InRelease"
		secList  = lists + "-security_dists_bookworm-security_main_binary-amd64_Packages"
		secRel   = lists + "-security_dists_bookworm-security_InRelease"
	)
	gap := func(reason fact.Reason, detail string) []fact.NodeGap {
		return []fact.NodeGap{{What: fact.Packages, Reason: reason, Detail: detail}}
	}
	for name, tc := range map[string]struct {
		files     hosttest.Files
		gaps      []fact.NodeGap
		pending   int // packages with an update, held ones included
		installed int
		indexes   int
	}{
		"all well": {files: debian, pending: 12, installed: 14, indexes: 3},
		"an enabled source without its list": {
			files: debian.Without(secList),
			gaps: gap(fact.NotPresent, "/etc/apt/sources.list.d/debian.sources:8 is enabled, but "+
				"/var/lib/apt/lists/mirror.example.org_debian-security_dists_bookworm-security_main_binary-amd64_Packages was not found"),
			pending: 11, installed: 14, indexes: 2,
		},
		"an enabled source that was never fetched": {
			files: debian.With(hosttest.Files{"etc/apt/sources.list": "deb [arch=amd64] https://example.org/deb stable main\n"}),
			gaps: gap(fact.NotPresent, "/etc/apt/sources.list:1 is enabled, but "+
				"/var/lib/apt/lists/example.org_deb_dists_stable_main_binary-amd64_Packages was not found"),
			pending: 12, installed: 14, indexes: 3,
		},
		"a component that the archive says is empty": {
			files: debian.With(hosttest.Files{"etc/apt/sources.list": "deb http://mirror.example.org/debian bookworm contrib\n"}), pending: 12, installed: 14, indexes: 3,
		},
		"a component that the archive does not have": {
			files: debian.With(hosttest.Files{"etc/apt/sources.list": "deb http://mirror.example.org/debian bookworm games\n"}), pending: 12, installed: 14, indexes: 3,
		},
		"a list without its source is not read": {
			files: debian.Edit(t, sources, "URIs: http://mirror.example.org/debian-security", "Enabled: no\nURIs: http://mirror.example.org/debian-security"), gaps: gap(fact.NotPresent, "none of the 2 package lists is from a security archive in use of this release (Debian-Security, Ubuntu's -security), "+
				"so security updates cannot be recognised"),
			pending: 11, installed: 14, indexes: 2,
		},
		"a Release file without sizes does not make up for a list": {
			files: debian.Without(secList).With(hosttest.Files{secRel: "Origin: Debian\nLabel: Debian-Security\nSuite: oldstable-security\n"}),
			gaps: gap(fact.NotPresent, "/etc/apt/sources.list.d/debian.sources:8 is enabled, but "+
				"/var/lib/apt/lists/mirror.example.org_debian-security_dists_bookworm-security_main_binary-amd64_Packages was not found"),
			pending: 11, installed: 14, indexes: 2,
		},
		"a security archive that is empty": {
			files: debian.Without(secList).With(hosttest.Files{secRel: "Origin: Debian\nLabel: Debian-Security\nSuite: oldstable-security\nCodename: bookworm-security\nSHA256:\n e3b0c442 0 main/binary-amd64/Packages\n"}), pending: 11, installed: 14, indexes: 2,
		},
		"the security archive of another release": {
			files: debian.With(hosttest.Files{"etc/os-release": "ID=debian\nVERSION_CODENAME=trixie\n"}),
			gaps: gap(fact.NotPresent, "none of the 3 package lists is from a security archive in use of this release (Debian-Security, Ubuntu's -security), "+
				"so security updates cannot be recognised"),
			pending: 12, installed: 14, indexes: 3,
		},
		"no source at all": {
			files:     debian.Without(sources),
			gaps:      gap(fact.NotPresent, "/etc/apt: no source is enabled, so updates are unknown"),
			installed: 14,
		},
		"a source that is no source": {
			files:   debian.With(hosttest.Files{"etc/apt/sources.list": "dep http://mirror.example.org/debian bookworm main\n"}),
			gaps:    gap(fact.Corrupt, `/etc/apt/sources.list:1: expected deb or deb-src, found "dep"`),
			pending: 12, installed: 14, indexes: 3,
		},
		"a list cut inside a line": {
			files:   debian.With(hosttest.Files{mainList: strings.TrimRight(debian[mainList], "\n")}),
			gaps:    gap(fact.Truncated, fmt.Sprintf("/%s: ends too early: inside a line, at byte %d", mainList, len(debian[mainList])-2)),
			pending: 12, installed: 14, indexes: 2,
		},
		"a list cut between stanzas": {
			files: debian.With(hosttest.Files{mainList: debian[mainList][:strings.LastIndex(debian[mainList], "Package: ")]}),
			gaps: gap(fact.Truncated, fmt.Sprintf("/%s: ends too early: it has %d bytes, its Release file says %d", mainList,
				strings.LastIndex(debian[mainList], "Package: "), len(debian[mainList]))),
			pending: 12, installed: 14, indexes: 2,
		},
		"a list longer than its Release file says": {
			files:   debian.With(hosttest.Files{mainList: debian[mainList] + "\n"}),
			gaps:    gap(fact.Corrupt, fmt.Sprintf("/%s: it has %d bytes, its Release file says %d", mainList, len(debian[mainList])+1, len(debian[mainList]))),
			pending: 12, installed: 14, indexes: 2,
		},
		"a list with a stanza that is none": {
			files: debian.With(hosttest.Files{secList: "<html>\n\n"}),
			gaps:  gap(fact.Corrupt, "/"+secList+`: expected "Field: value" at byte 0, found "<html>"`), pending: 11, installed: 14, indexes: 2,
		},
		"a compression that is not unpacked": {
			files:   debian.Without(mainList).With(hosttest.Files{mainList + ".lzma": "x"}),
			gaps:    gap(fact.Unsupported, "/"+mainList+`.lzma: compression ".lzma" is not supported`),
			pending: 6, installed: 14, indexes: 2,
		},
		"a list that is not what its name says": {
			files:   debian.Without(mainList).With(hosttest.Files{mainList + ".lz4": "nothing of that kind"}),
			gaps:    gap(fact.Corrupt, "/"+mainList+".lz4: lz4: expected the magic number 0x184d2204, found 0x68746f6e"),
			pending: 6, installed: 14, indexes: 2,
		},
		"an InRelease cut before its signature": {
			files: debian.With(hosttest.Files{secRel: debian[secRel][:strings.Index(debian[secRel], "-----BEGIN PGP SIGNATURE")]}),
			gaps:  gap(fact.Truncated, "/"+secRel+": ends too early: expected a signature at its end, found none"), pending: 12, installed: 14, indexes: 3,
		},
		"a Release with a date that is none": {
			files: debian.Edit(t, secRel, "Date: Mon, 23 Nov 2026 11:22:37 UTC", "Date: yesterday"),
			gaps:  gap(fact.Corrupt, "/"+secRel+`: line 9: Date: expected a date like "Sat, 11 Jul 2026 10:16:37 UTC", found "yesterday"`), pending: 12, installed: 14, indexes: 3,
		},
		"a status file cut between stanzas keeps what is before": {
			files:   debian.With(hosttest.Files{status: strings.TrimSuffix(debian[status], "\n")}),
			gaps:    gap(fact.Truncated, fmt.Sprintf("/var/lib/dpkg/status: ends too early: no empty line after the stanza at byte %d", strings.LastIndex(debian[status], "Package: "))),
			pending: 12, installed: 14, indexes: 3,
		},
		"a status file cut between stanzas, of which files are left": {
			files: debian.With(hosttest.Files{
				status:                                  debian[status][:strings.Index(debian[status], "Package: zlib1g\n")],
				"var/lib/dpkg/info/bash.list":           "/bin/bash\n",
				"var/lib/dpkg/info/zlib1g:amd64.list":   "/lib/zlib\n",
				"var/lib/dpkg/info/zlib1g:amd64.postrm": "",
			}),
			gaps:    gap(fact.Truncated, "/var/lib/dpkg/status: ends too early: 1 packages have a list of files in /var/lib/dpkg/info but no stanza, such as zlib1g"),
			pending: 12, installed: 12, indexes: 3,
		},
		"a package that is removed has its stanza and its list of files": {
			files: debian.With(hosttest.Files{
				status:                        debian[status] + "Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n\n",
				"var/lib/dpkg/info/gone.list": "/etc/gone\n",
			}),
			pending: 12, installed: 14, indexes: 3,
		},
		"a status file cut inside a line": {
			files:   debian.With(hosttest.Files{status: debian[status][:strings.LastIndex(debian[status], "Version: ")+5]}),
			gaps:    gap(fact.Truncated, fmt.Sprintf("/var/lib/dpkg/status: ends too early: inside a line, at byte %d", strings.LastIndex(debian[status], "Version: ")+5)),
			pending: 12, installed: 14, indexes: 3,
		},
		"an empty status file": {
			files: debian.With(hosttest.Files{status: ""}),
			gaps:  gap(fact.Truncated, "/var/lib/dpkg/status: no installed package in it"), indexes: 3,
		},
		"a status of two words": {
			files: debian.With(hosttest.Files{status: "Package: bash\nStatus: install ok\nVersion: 1\nArchitecture: amd64\n\n"}),
			gaps:  gap(fact.Corrupt, `/var/lib/dpkg/status: expected a Status of three words in the stanza of "bash" at byte 0, found "install ok"`), indexes: 3,
		},
		"preferences by regular expression": {
			files: debian.With(hosttest.Files{"etc/apt/preferences.d/x": "Package: /^lib/\nPin: release o=Debian\nPin-Priority: 1\n"}),
			gaps:  gap(fact.Unsupported, `/etc/apt/preferences.d/x:1: regular expression "/^lib/" is not evaluated`), pending: 12, installed: 14, indexes: 3,
		},
		"apt.conf that moves the lists": {
			files: debian.With(hosttest.Files{"etc/apt/apt.conf.d/x": `Dir::State::Lists "/srv/lists";` + "\n"}),
			gaps:  gap(fact.Unsupported, "apt.conf moves apt's files: dir::state::lists /srv/lists"), pending: 12, installed: 14, indexes: 3,
		},
		"rpm": {
			files: hosttest.Files{"var/lib/rpm/Packages.db": string(rpmtest.NDB(rpmtest.Generated(3, 1))), "etc/os-release": "ID=sles\n"},
			gaps:  gap(fact.NotPresent, "neither dnf, yum nor zypper is configured on the host, so security updates are unknown"), installed: 3,
		},
		"rpm, with an empty file for a database": {
			files: hosttest.Files{"var/lib/rpm/Packages.db": "", "etc/os-release": "ID=sles\n"},
			gaps:  gap(fact.Truncated, "/var/lib/rpm/Packages.db: ends too early: expected 32 bytes at byte 0, found 0"),
		},
		"rpm, with a directory and no database": {
			files: hosttest.Files{"var/lib/rpm/": "", "etc/os-release": "ID=x\nPRETTY_NAME=X\n"},
			gaps:  gap(fact.NotPresent, "X has no package database in a known place: neither /var/lib/dpkg/status nor one of rpm, apk or pacman"),
		},
		"apk": {
			files: hosttest.Files{"lib/apk/db/installed": "P:musl\nV:1.2.5-r0\nA:x86_64\n\n", "etc/os-release": "ID=alpine\nPRETTY_NAME='Alpine Linux v3.20'\n"},
			gaps:  gap(fact.NotPresent, "/etc/apk/repositories: no repository is enabled, so updates are unknown"), installed: 1,
		},
		"pacman, beside a database of dpkg": {
			files: debian.With(hosttest.Files{"etc/os-release": "ID=arch\n", "var/lib/pacman/local/bash-5-1/desc": "", "etc/pacman.conf": "[options]\n"}),
			gaps:  gap(fact.NotPresent, "/etc/pacman.conf: no repository is enabled, so updates are unknown"), installed: 1,
		},
		"Debian, with an empty database of pacman": {
			files: debian.With(hosttest.Files{"var/lib/pacman/local/": ""}), pending: 12, installed: 14, indexes: 3,
		},
		"Talos":                           {files: hosttest.Files{"etc/os-release": "ID=talos\n"}},
		"a system of ostree, with a list": {files: debian.With(hosttest.Files{"etc/os-release": "ID=fedora\nVARIANT_ID=iot-x\n", "run/ostree-booted": ""})},
		"no database at all": {
			files: hosttest.Files{"etc/os-release": "ID=x\nPRETTY_NAME=X\n"},
			gaps:  gap(fact.NotPresent, "X has no package database in a known place: neither /var/lib/dpkg/status nor one of rpm, apk or pacman"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tc.files.Write(t)
			root := hosttest.OpenRoot(t, dir)
			state, gaps := Read(context.Background(), root, osrelease.Read(root))
			if diff := cmp.Diff(tc.gaps, hosttest.Placed(gaps, dir)); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			if state == nil {
				state = &fact.PackageState{}
			}
			got := [3]int{len(state.Pending), state.Installed, state.Indexes}
			if want := [3]int{tc.pending, tc.installed, tc.indexes}; got != want {
				t.Errorf("pending, installed, indexes: %v, want %v", got, want)
			}
		})
	}
}

// TestSecurityUpdateKeptAway holds that preferences do not make a missing
// security update invisible: it is reported as held, next to what apt does.
func TestSecurityUpdateKeptAway(t *testing.T) {
	const archive = "Debian-Security/oldstable-security"
	held := fact.PendingUpdate{
		Name: "libssl3", Arch: "amd64", Installed: "3.0.19-1~deb12u2", Candidate: "3.0.22-1~deb12u2",
		Security: "3.0.22-1~deb12u2", Archive: archive, Source: "openssl", Held: true,
	}
	instead := fact.PendingUpdate{
		Name: "libssl3", Arch: "amd64", Installed: "3.0.19-1~deb12u2", Candidate: "3.0.20-1~deb12u2", Source: "openssl",
	}
	for name, tc := range map[string]struct {
		preferences string
		want        []fact.PendingUpdate
		gaps        int
	}{
		"by a pin of the installed version": {"Package: libssl3\nPin: version 3.0.19*\nPin-Priority: 1001\n", []fact.PendingUpdate{held}, 0},
		"by an archive of higher priority":  {"Package: *\nPin: release l=Debian-Security\nPin-Priority: 50\n", []fact.PendingUpdate{instead, held}, 0},
		"by an archive that is never used, which is a gap, too": {
			"Package: *\nPin: release l=Debian-Security\nPin-Priority: never\n", []fact.PendingUpdate{instead, held}, 1,
		},
		"by an archive of negative priority": {
			"Package: *\nPin: release l=Debian-Security\nPin-Priority: -10\n", []fact.PendingUpdate{instead, held}, 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := hosttest.Fixture(t, "debian12").With(hosttest.Files{"etc/apt/preferences": tc.preferences})
			state, gaps := Read(context.Background(), hosttest.OpenRoot(t, f.Write(t)), fact.OSRelease{})
			if len(gaps) != tc.gaps {
				t.Fatalf("%d gaps, want %d: %+v", len(gaps), tc.gaps, gaps)
			}
			var got []fact.PendingUpdate
			for _, u := range state.Pending {
				if u.Name == "libssl3" {
					got = append(got, u)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("libssl3 (-want +got):\n%s", diff)
			}
		})
	}
}

// TestJournal holds that what dpkg did since it last wrote its status counts.
func TestJournal(t *testing.T) {
	f := hosttest.Fixture(t, "debian12").With(hosttest.Files{
		"var/lib/dpkg/updates/0001":  "Package: bash\nStatus: install ok unpacked\nVersion: 5.2.15-2+b12\nArchitecture: amd64\n",
		"var/lib/dpkg/updates/0002":  "Package: bash\nStatus: install ok installed\nVersion: 5.2.15-2+b13\nArchitecture: amd64\n",
		"var/lib/dpkg/updates/tmp.i": "Package: bash\nStatus: insta",
	})
	state, gaps := Read(context.Background(), hosttest.OpenRoot(t, f.Write(t)), fact.OSRelease{})
	if len(gaps) > 0 {
		t.Fatalf("gaps: %+v", gaps)
	}
	for _, u := range state.Pending {
		if u.Name == "bash" {
			t.Errorf("bash is reported: %+v", u)
		}
	}
	if state.Installed != 14 {
		t.Errorf("%d packages installed, want 14", state.Installed)
	}
}

// TestDistroless holds that a package database of one file a package is read.
func TestDistroless(t *testing.T) {
	f := hosttest.Files{
		"var/lib/dpkg/status.d/base":         "Package: base-files\nVersion: 12.4+deb12u5\nArchitecture: amd64",
		"var/lib/dpkg/status.d/tzdata":       "Package: tzdata\nVersion: 2024a-0+deb12u1\nArchitecture: all\n",
		"var/lib/dpkg/status.d/base.md5sums": "0123  ./etc/x\n",
	}
	state, gaps := Read(context.Background(), hosttest.OpenRoot(t, f.Write(t)), fact.OSRelease{})
	want := []fact.NodeGap{
		{What: fact.Packages, Reason: fact.Truncated, Detail: "/var/lib/dpkg/status.d/base: ends too early: inside a line, at byte 61"},
		{
			What: fact.Packages, Reason: fact.NotPresent, Detail: "/etc/apt: no source is enabled, so updates are unknown",
		},
	}
	if diff := cmp.Diff(want, gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	if state.Database != "/var/lib/dpkg/status.d" || state.Installed != 1 {
		t.Errorf("database %s, %d installed", state.Database, state.Installed)
	}
}

// TestDeadline holds that a run that is over says so and keeps what it has.
func TestDeadline(t *testing.T) {
	ctx, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel()
	state, gaps := Read(ctx, hosttest.OpenRoot(t, hosttest.Fixture(t, "debian12").Write(t)), fact.OSRelease{})
	if len(gaps) == 0 || gaps[0].Reason != fact.Timeout {
		t.Errorf("gaps %+v, want a timeout first", gaps)
	}
	if state == nil || len(state.Pending) > 0 {
		t.Errorf("state %+v", state)
	}
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Error("the test's own deadline did not pass")
	}
}

// Fedora's package dpkg brings a database of its own, which says nothing about what
// the system is made of; on Debian it is the other way round.
func TestTheSystemsOwnManagerComesFirst(t *testing.T) {
	both := hosttest.Fixture(t, "debian12").With(hosttest.Files{"var/lib/rpm/Packages.db": "not a database"})
	for name, tc := range map[string]struct {
		release string
		apt     bool
	}{
		"Fedora":      {"ID=fedora\n", false},
		"Rocky Linux": {"ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", false},
		"SLES":        {"ID=sles\nID_LIKE=suse\n", false},
		"Debian":      {"ID=debian\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			root := hosttest.OpenRoot(t, both.With(hosttest.Files{"etc/os-release": tc.release}).Write(t))
			state, _ := Read(t.Context(), root, osrelease.Read(root))
			kernels, err := Kernels(t.Context(), root)
			if isAPT := state != nil && state.Manager == "apt"; isAPT != tc.apt || tc.apt != (err == nil && len(kernels) > 0) {
				t.Errorf("state %+v, kernels %v, error %v", state, kernels, err)
			}
		})
	}
}

// TestTwoManagersOfAnUnknownSystem holds that the database of one is not taken for the
// system's own, with its order of versions, where os-release names neither.
func TestTwoManagersOfAnUnknownSystem(t *testing.T) {
	both := hosttest.Fixture(t, "debian12").With(hosttest.Files{
		"var/lib/rpm/rpmdb.sqlite": string(rpmtest.SQLite(t, rpmtest.Generated(1, 0))), "etc/os-release": "NAME=Own\n",
	})
	root := hosttest.OpenRoot(t, both.Write(t))
	state, gaps := Read(t.Context(), root, osrelease.Read(root))
	want := []fact.NodeGap{{
		What: fact.Packages, Reason: fact.Unsupported,
		Detail: "a system without os-release has the databases of both apt and rpm, and os-release does not say which one is the system's",
	}}
	if diff := cmp.Diff(want, gaps); state != nil || diff != "" {
		t.Errorf("%+v\n(-want +got):\n%s", state, diff)
	}
}
