package osv

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// Systems, as their os-release(5) says.
var (
	debian = fact.OSRelease{ID: "debian", VersionID: "12", PrettyName: "Debian GNU/Linux 12 (bookworm)"}
	jammy  = fact.OSRelease{ID: "ubuntu", VersionID: "22.04", PrettyName: "Ubuntu 22.04.5 LTS"}
	rocky  = fact.OSRelease{ID: "rocky", IDLike: "rhel centos fedora", VersionID: "9.3", PrettyName: "Rocky Linux 9.3 (Blue Onyx)"}
	rhel   = fact.OSRelease{ID: "rhel", VersionID: "9.4", PrettyName: "Red Hat Enterprise Linux 9.4 (Plow)"}
	sles   = fact.OSRelease{ID: "sles", VersionID: "15.5", PrettyName: "SUSE Linux Enterprise Server 15 SP5"}
)

func pkg(name, version string, source ...string) fact.InstalledPackage {
	p := fact.InstalledPackage{Name: name, Arch: "amd64", Version: version}
	if len(source) > 0 {
		p.Source = source[0]
	}
	if len(source) > 1 {
		p.SourceVersion = source[1]
	}
	return p
}

// record is a record about one package. More are further fields, with a comma first.
func record(id, ecosystem, name, events string, more ...string) string {
	return fmt.Sprintf(`{"schema_version":"1.7.0","id":%q,"modified":"2026-11-20T01:02:03.456Z","affected":[`+
		`{"package":{"ecosystem":%q,"name":%q,"purl":"pkg:x"},"ranges":[{"type":"ECOSYSTEM","events":[%s]}]}]%s}`,
		id, ecosystem, name, events, strings.Join(more, ""))
}

// recorded is when the records of record were changed, as facts have it.
var recorded = fact.NewTime(time.Date(2026, 11, 20, 1, 2, 3, 0, time.UTC))

const (
	unfixedEvents = `{"introduced":"0"}`
	fixedIn2      = `{"introduced":"0"},{"fixed":"2.0-1"}`
)

// compared returns what records say about one host.
func compared(t *testing.T, os fact.OSRelease, packages []fact.InstalledPackage, records ...string) *fact.HostVulnerabilities {
	t.Helper()
	host := &fact.Host{OS: os, Inventory: packages}
	q := NewQuery()
	q.Add(host)
	for _, text := range records {
		if _, err := q.record([]byte(text)); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	return q.Of(host)
}

// lines shows vulnerabilities: "ID package installed -> fixed severity [records]".
func lines(h *fact.HostVulnerabilities) []string {
	var out []string
	for _, v := range h.Found {
		fix := v.Fixed
		if fix == "" {
			fix = "none"
		}
		line := fmt.Sprintf("%s %s %s -> %s %s", v.ID, v.Package, v.Installed, fix, v.Severity)
		out = append(out, strings.TrimSpace(line)+" "+strings.Join(v.Records, ","))
	}
	for _, text := range h.Undecided {
		out = append(out, "? "+text)
	}
	return out
}

func TestRecords(t *testing.T) {
	libssl := []fact.InstalledPackage{pkg("libssl3", "1.0-1", "openssl"), pkg("openssl", "1.0-1")}
	one := func(events string, more ...string) string {
		return record("DSA-1-1", "Debian:12", "openssl", events, more...)
	}
	const upstream = `,"upstream":["CVE-2026-1"]`
	for name, tc := range map[string]struct {
		os       fact.OSRelease
		packages []fact.InstalledPackage
		records  []string
		want     []string
	}{
		"a source package counts once for its binary packages": {
			debian, libssl,
			[]string{one(fixedIn2)},
			[]string{"DSA-1-1 openssl 1.0-1 -> 2.0-1 DSA-1-1"},
		},
		"the source version counts, not the package's": {
			debian,
			[]fact.InstalledPackage{pkg("libx", "5:9.0-1", "openssl", "1.0-1")},
			[]string{one(fixedIn2)},
			[]string{"DSA-1-1 openssl 1.0-1 -> 2.0-1 DSA-1-1"},
		},
		"the package's own name is not the source's": {
			debian, []fact.InstalledPackage{pkg("openssl", "1.0-1", "other")}, []string{one(fixedIn2)}, nil,
		},
		"fixed":                  {debian, []fact.InstalledPackage{pkg("openssl", "2.0-1")}, []string{one(fixedIn2)}, nil},
		"no fix":                 {debian, libssl, []string{one(unfixedEvents)}, []string{"DSA-1-1 openssl 1.0-1 -> none DSA-1-1"}},
		"another release":        {debian, libssl, []string{record("DSA-1-1", "Debian:11", "openssl", fixedIn2)}, nil},
		"a record of no release": {debian, libssl, []string{record("DSA-1-1", "Debian", "openssl", fixedIn2)}, []string{"? DSA-1-1 openssl: " + whyRelease}},
		"a record of no release and of this one": {
			debian, libssl, []string{`{"id":"A-1","modified":"2026-11-20T00:00:00Z","affected":[` + item("Debian:12", "openssl", `{"introduced":"3"}`) + "," + item("Debian", "openssl", fixedIn2) + `]}`}, nil,
		},
		"a listed version is equal by the system's order": {
			rocky,
			[]fact.InstalledPackage{pkg("bash", "5.1-1.el9")},
			[]string{`{"id":"A-1","modified":"2026-11-20T00:00:00Z","affected":[{"package":{"ecosystem":"Rocky Linux:9","name":"bash"},"versions":["0:5.1-1.el9"]}]}`},
			[]string{"A-1 bash 5.1-1.el9 -> none A-1"},
		},
		"another distribution":     {debian, libssl, []string{record("USN-1-1", "Ubuntu:22.04:LTS", "openssl", fixedIn2)}, nil},
		"withdrawn":                {debian, libssl, []string{one(fixedIn2, `,"withdrawn":"2026-11-21T00:00:00Z"`)}, nil},
		"withdrawn by null is not": {debian, libssl, []string{one(fixedIn2, `,"withdrawn":null`)}, []string{"DSA-1-1 openssl 1.0-1 -> 2.0-1 DSA-1-1"}},
		"a version in the list of versions": {
			debian, libssl,
			[]string{`{"id":"A-1","modified":"2026-11-20T00:00:00Z","affected":[{"package":{"ecosystem":"Debian:12","name":"openssl"},"versions":["0.9","1.0-1"]}]}`},
			[]string{"A-1 openssl 1.0-1 -> none A-1"},
		},
		"a version that the list does not have": {
			debian, libssl,
			[]string{`{"id":"A-1","modified":"2026-11-20T00:00:00Z","affected":[{"package":{"ecosystem":"Debian:12","name":"openssl"},"versions":["0.9"]}]}`},
			nil,
		},
		"a version in the list beside ranges that do not have it": {
			debian, libssl,
			[]string{`{"id":"A-1","modified":"2026-11-20T00:00:00Z","affected":[{"versions":["1.0-1"],"ranges":[{"events":[{"introduced":"3"}],"type":"ECOSYSTEM"}],"package":{"name":"openssl","ecosystem":"Debian:12"}}]}`},
			[]string{"A-1 openssl 1.0-1 -> none A-1"},
		},
		"any of several ranges": {
			debian, libssl,
			[]string{`{"id":"A-1","modified":"2026-11-20T00:00:00Z","affected":[{"package":{"ecosystem":"Debian:12","name":"openssl"},"ranges":[` +
				`{"type":"ECOSYSTEM","events":[{"introduced":"3"}]},{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1.5"}]}]}]}`},
			[]string{"A-1 openssl 1.0-1 -> 1.5 A-1"},
		},
		"a range of commits beside one of versions": {
			debian, libssl,
			[]string{`{"id":"A-1","modified":"2026-11-20T00:00:00Z","affected":[{"package":{"ecosystem":"Debian:12","name":"openssl"},"ranges":[` +
				`{"type":"GIT","repo":"https://x","events":[{"introduced":"0"}]},{"type":"ECOSYSTEM","events":[{"introduced":"3"}]}]}]}`},
			nil,
		},
		"only a range of commits decides nothing": {
			debian, libssl,
			[]string{`{"id":"A-1","modified":"2026-11-20T00:00:00Z","affected":[{"package":{"ecosystem":"Debian:12","name":"openssl"},"ranges":[{"type":"GIT","events":[{"introduced":"0"}]}]}]}`},
			[]string{"? A-1 openssl: " + whyNothing},
		},
		"commits beside a list of versions": {
			debian, libssl,
			[]string{`{"id":"A-1","modified":"2026-11-20T00:00:00Z","affected":[{"package":{"ecosystem":"Debian:12","name":"openssl"},"versions":["9"],"ranges":[{"type":"GIT","events":[{"introduced":"0"}]}]}]}`},
			nil,
		},
		"a range of semantic versions decides nothing": {
			debian, libssl,
			[]string{`{"id":"A-1","modified":"2026-11-20T00:00:00Z","affected":[{"package":{"ecosystem":"Debian:12","name":"openssl"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]}`},
			[]string{"? A-1 openssl: " + whyType},
		},
		"a range that cannot be compared beside one with the version": {
			debian, libssl,
			[]string{`{"id":"A-1","modified":"2026-11-20T00:00:00Z","affected":[{"package":{"ecosystem":"Debian:12","name":"openssl"},"ranges":[` +
				`{"type":"SEMVER","events":[{"introduced":"0"}]},{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}]}]}`},
			[]string{"A-1 openssl 1.0-1 -> none A-1"},
		},
		"an event of two kinds":             {debian, libssl, []string{one(`{"introduced":"3","fixed":"4"}`)}, []string{"? DSA-1-1 openssl: " + whyEvent}},
		"an event of a kind of the future":  {debian, libssl, []string{one(`{"introduced":"0"},{"mended":"1.0-1"},{"fixed":"1.0-1"}`)}, []string{"? DSA-1-1 openssl: " + whyEvent}},
		"an event that is no object":        {debian, libssl, []string{one(`"introduced"`)}, []string{"? DSA-1-1 openssl: " + whyNoStart}},
		"a version that is no text":         {debian, libssl, []string{one(`{"introduced":0}`)}, []string{"? DSA-1-1 openssl: " + whyEvent}},
		"no events":                         {debian, libssl, []string{one("")}, []string{"? DSA-1-1 openssl: " + whyNoStart}},
		"an item without ranges":            {debian, libssl, []string{`{"id":"A-1","modified":"2026-11-20T00:00:00Z","affected":[{"package":{"ecosystem":"Debian:12","name":"openssl"}}]}`}, []string{"? A-1 openssl: " + whyNothing}},
		"ranges that are no list":           {debian, libssl, []string{`{"id":"A-1","modified":"2026-11-20T00:00:00Z","affected":[{"package":{"ecosystem":"Debian:12","name":"openssl"},"ranges":{}}]}`}, []string{"? A-1 openssl: " + whyForm}},
		"versions with something else":      {debian, libssl, []string{`{"id":"A-1","modified":"2026-11-20T00:00:00Z","affected":[{"package":{"ecosystem":"Debian:12","name":"openssl"},"versions":["9",1]}]}`}, []string{"? A-1 openssl: " + whyForm}},
		"names are written with escapes":    {debian, libssl, []string{strings.NewReplacer(`"affected"`, `"aff\u0065cted"`, `"openssl"`, `"op\u0065nssl"`, `"fixed"`, `"fix\u0065d"`).Replace(one(fixedIn2))}, []string{"DSA-1-1 openssl 1.0-1 -> 2.0-1 DSA-1-1"}},
		"two entries of one package: worst": {debian, libssl, []string{`{"id":"A-1","modified":"2026-11-20T00:00:00Z","affected":[` + item("Debian:12", "openssl", `{"introduced":"3"}`) + "," + item("Debian:12", "openssl", fixedIn2) + `]}`}, []string{"A-1 openssl 1.0-1 -> 2.0-1 A-1"}},
		"Debian: a signed kernel is the kernel": {
			debian,
			[]fact.InstalledPackage{pkg("linux-image-6.1.0-56-amd64", "6.1.192-2+b1", "linux-signed-amd64", "6.1.192+2")},
			[]string{record("DSA-1-1", "Debian:12", "linux", `{"introduced":"0"},{"fixed":"6.1.200-1"}`), record("DSA-2-1", "Debian:12", "linux", `{"introduced":"0"},{"fixed":"6.1.192-2"}`)},
			[]string{"DSA-1-1 linux 6.1.192-2 -> 6.1.200-1 DSA-1-1"},
		},
		"Ubuntu: a signed kernel of a flavour": {
			jammy,
			[]fact.InstalledPackage{pkg("linux-image-5.15.0-1050-aws", "5.15.0-1050.55", "linux-signed-aws"), pkg("linux-modules-5.15.0-1050-aws", "5.15.0-1050.55", "linux-aws")},
			[]string{record("USN-1-1", "Ubuntu:22.04:LTS", "linux-aws", `{"introduced":"0"},{"fixed":"5.15.0-1051.56"}`), record("USN-2-1", "Ubuntu:22.04:LTS", "linux", unfixedEvents)},
			[]string{"USN-1-1 linux-aws 5.15.0-1050.55 -> 5.15.0-1051.56 USN-1-1"},
		},

		"a record of an upstream vulnerability has its name": {
			debian, libssl,
			[]string{one(fixedIn2, upstream)},
			[]string{"CVE-2026-1 openssl 1.0-1 -> 2.0-1 DSA-1-1"},
		},
		"an advisory about two, and a record of one of them, are two": {
			debian, libssl,
			[]string{one(fixedIn2, `,"upstream":["CVE-2026-1","CVE-2026-2"]`), record("DEBIAN-CVE-2026-1", "Debian:12", "openssl", unfixedEvents, upstream)},
			[]string{"CVE-2026-1 openssl 1.0-1 -> 2.0-1 DEBIAN-CVE-2026-1,DSA-1-1", "CVE-2026-2 openssl 1.0-1 -> 2.0-1 DSA-1-1"},
		},
		"aliases are one": {
			debian, libssl,
			[]string{one(fixedIn2, `,"aliases":["CVE-2026-1"]`), record("CVE-2026-1", "Debian:12", "openssl", `{"introduced":"0"},{"fixed":"2.0-2"}`)},
			[]string{"CVE-2026-1 openssl 1.0-1 -> 2.0-2 CVE-2026-1,DSA-1-1"},
		},
		"aliases are transitive": {
			debian, libssl,
			[]string{
				record("X-3", "Debian:12", "openssl", fixedIn2, `,"aliases":["X-2"]`),
				record("X-1", "Debian:12", "openssl", fixedIn2, `,"aliases":["X-2","CVE-2026-1"]`),
			},
			[]string{"CVE-2026-1 openssl 1.0-1 -> 2.0-1 X-1,X-3"},
		},
		"related ones are not": {
			debian, libssl,
			[]string{one(fixedIn2, `,"related":["CVE-2026-1"]`), record("CVE-2026-1", "Debian:12", "openssl", fixedIn2)},
			[]string{"CVE-2026-1 openssl 1.0-1 -> 2.0-1 CVE-2026-1", "DSA-1-1 openssl 1.0-1 -> 2.0-1 DSA-1-1"},
		},
		"of two records with one id the later one counts": {
			debian, libssl,
			[]string{one(unfixedEvents), strings.Replace(one(fixedIn2), "11-20", "11-21", 1), strings.Replace(one(unfixedEvents), "11-20", "11-19", 1)},
			[]string{"DSA-1-1 openssl 1.0-1 -> 2.0-1 DSA-1-1"},
		},
		"a later record takes an earlier one back": {
			debian, libssl, []string{one(unfixedEvents), strings.Replace(one(`{"introduced":"0"},{"fixed":"0"}`), "11-20", "11-21", 1)}, nil,
		},
		"a later record withdraws an earlier one": {
			debian, libssl,
			[]string{`{"id":"DSA-1-1","modified":"2026-11-21T00:00:00Z","withdrawn":"2026-11-21T00:00:00Z"}`, one(unfixedEvents)},
			nil,
		},
		"those with a fix come first, then by severity": {
			debian, append([]fact.InstalledPackage{pkg("zlib", "1.0-1")}, libssl...),
			[]string{
				record("A-1", "Debian:12", "zlib", unfixedEvents, severityV3("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H")),
				record("A-2", "Debian:12", "zlib", fixedIn2),
				record("A-3", "Debian:12", "zlib", fixedIn2, severityV3("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H")),
			},
			[]string{"A-3 zlib 1.0-1 -> 2.0-1 high A-3", "A-2 zlib 1.0-1 -> 2.0-1 A-2", "A-1 zlib 1.0-1 -> none critical A-1"},
		},

		"Ubuntu: extended support has the fix": {
			jammy,
			[]fact.InstalledPackage{pkg("vips", "8.12.1-1")},
			[]string{both("8.12.1-1ubuntu0.1~esm1")},
			[]string{"CVE-2025-29769 vips 8.12.1-1 -> 8.12.1-1ubuntu0.1~esm1 medium UBUNTU-CVE-2025-29769"},
		},
		"Ubuntu: extended support is installed": {
			jammy, []fact.InstalledPackage{pkg("vips", "8.12.1-1ubuntu0.1~esm1")}, []string{both("8.12.1-1ubuntu0.1~esm1")}, nil,
		},
		"Ubuntu: a release without the suffix LTS": {
			fact.OSRelease{ID: "ubuntu", VersionID: "25.10"},
			[]fact.InstalledPackage{pkg("vips", "8.12.1-1")},
			[]string{record("USN-1-1", "Ubuntu:25.10", "vips", unfixedEvents)},
			[]string{"USN-1-1 vips 8.12.1-1 -> none USN-1-1"},
		},
		"Ubuntu: packages for FIPS are others": {
			jammy, []fact.InstalledPackage{pkg("openssl", "1.0-1")}, []string{record("USN-1-1", "Ubuntu:Pro:FIPS:22.04:LTS", "openssl", unfixedEvents)}, nil,
		},

		"Rocky: a binary package's name": {
			rocky,
			[]fact.InstalledPackage{pkg("apr-util-devel", "1.6.1-20.el9", "apr-util")},
			[]string{record("RLSA-1", "Rocky Linux:9", "apr-util-devel", `{"introduced":"0"},{"fixed":"0:1.6.1-23.el9"}`)},
			[]string{"RLSA-1 apr-util 1.6.1-20.el9 -> 0:1.6.1-23.el9 RLSA-1"},
		},
		"Rocky: a source version without its epoch is not compared": {
			rocky,
			[]fact.InstalledPackage{pkg("perl-Errno", "1.30-480.el9", "perl", fact.UnknownVersion)},
			[]string{record("RLSA-1", "Rocky Linux:9", "perl", `{"introduced":"0"},{"fixed":"4:5.32.1-481.el9"}`)},
			nil,
		},
		"a module's fix is nothing for a package from elsewhere": {
			rocky,
			[]fact.InstalledPackage{pkg("nodejs", "1:16.20.2-8.el9_4")},
			[]string{record("RLSA-1", "Rocky Linux:9", "nodejs", `{"introduced":"0"},{"fixed":"1:20.11.1-1.module+el9.3.0+1+a"}`)},
			nil,
		},
		"a fix from elsewhere is nothing for a module's package": {
			rocky,
			[]fact.InstalledPackage{pkg("nodejs", "1:18.1.0-1.module+el9.3.0+1+a")},
			[]string{record("RLSA-1", "Rocky Linux:9", "nodejs", `{"introduced":"0"},{"fixed":"1:20.11.1-1.el9"}`)},
			nil,
		},
		"another stream of a module decides nothing": {
			rocky,
			[]fact.InstalledPackage{pkg("nodejs", "1:18.19.0-1.module+el9.3.0+1+a")},
			[]string{record("RLSA-1", "Rocky Linux:9", "nodejs", `{"introduced":"0"},{"fixed":"1:20.11.1-1.module+el9.3.0+1+a"}`)},
			[]string{"? RLSA-1 nodejs: " + whyModule},
		},
		"the same stream of a module": {
			rocky,
			[]fact.InstalledPackage{pkg("nodejs", "1:20.11.0-1.module+el9.3.0+1+a")},
			[]string{record("RLSA-1", "Rocky Linux:9", "nodejs", `{"introduced":"0"},{"fixed":"1:20.11.1-1.module+el9.3.0+1+a"}`)},
			[]string{"RLSA-1 nodejs 1:20.11.0-1.module+el9.3.0+1+a -> 1:20.11.1-1.module+el9.3.0+1+a RLSA-1"},
		},
		"Alpine: the origin counts, by apk's order": {
			fact.OSRelease{ID: "alpine", VersionID: "3.19.1"},
			[]fact.InstalledPackage{pkg("libcrypto3", "3.1.4_rc1-r0", "openssl"), pkg("libssl3", "3.1.4_rc1-r0", "openssl")},
			[]string{
				record("ALPINE-CVE-2026-1", "Alpine:v3.19", "openssl", `{"introduced":"3.1.0-r0"},{"fixed":"3.1.4-r0"}`, `,"upstream":["CVE-2026-1"]`),
				record("ALPINE-CVE-2026-2", "Alpine:v3.19", "openssl", `{"introduced":"0"},{"fixed":"0"}`),
				record("ALPINE-CVE-2026-3", "Alpine:v3.19", "libssl3", unfixedEvents),
				record("ALPINE-CVE-2026-4", "Alpine:v3.19", "openssl", `{"introduced":"0"},{"fixed":"not a version"}`),
			},
			[]string{"CVE-2026-1 openssl 3.1.4_rc1-r0 -> 3.1.4-r0 ALPINE-CVE-2026-1", "? ALPINE-CVE-2026-4 openssl: " + whyOrder},
		},
		"Red Hat: a product's stream": {
			rhel,
			[]fact.InstalledPackage{pkg("openssl-libs", "1:3.0.7-20.el9", "openssl")},
			[]string{
				record("RHSA-1", "Red Hat:enterprise_linux:9::baseos", "openssl-libs", `{"introduced":"0"},{"fixed":"1:3.0.7-27.el9"}`),
				record("RHSA-2", "Red Hat:rhel_eus:9.2::baseos", "openssl-libs", `{"introduced":"0"},{"fixed":"1:3.0.7-28.el9"}`),
				record("RHSA-3", "Red Hat:enterprise_linux:8::baseos", "openssl-libs", `{"introduced":"0"},{"fixed":"1:3.0.7-29.el9"}`),
			},
			[]string{"RHSA-1 openssl 1:3.0.7-20.el9 -> 1:3.0.7-27.el9 RHSA-1"},
		},
		"SUSE: a module of the same service pack": {
			sles,
			[]fact.InstalledPackage{pkg("libopenssl3", "3.0.8-1.1", "openssl-3")},
			[]string{
				record("SUSE-SU-1", "SUSE:Linux Enterprise Module for Basesystem 15 SP5", "openssl-3", `{"introduced":"0"},{"fixed":"3.0.8-2.1"}`),
				record("SUSE-SU-2", "SUSE:Linux Enterprise Module for Basesystem 15 SP4", "openssl-3", `{"introduced":"0"},{"fixed":"3.0.8-3.1"}`),
				record("SUSE-SU-3", "SUSE:Linux Enterprise Server 15 SP5-LTSS", "openssl-3", `{"introduced":"0"},{"fixed":"3.0.8-4.1"}`),
			},
			[]string{"SUSE-SU-1 openssl-3 3.0.8-1.1 -> 3.0.8-2.1 SUSE-SU-1", "SUSE-SU-3 openssl-3 3.0.8-1.1 -> 3.0.8-4.1 SUSE-SU-3"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, lines(compared(t, tc.os, tc.packages, tc.records...))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func item(ecosystem, name, events string) string {
	return fmt.Sprintf(`{"package":{"ecosystem":%q,"name":%q},"ranges":[{"type":"ECOSYSTEM","events":[%s]}]}`, ecosystem, name, events)
}

// both is a record in the form of Ubuntu's, with an entry for ESM.
func both(fix string) string {
	return `{"schema_version":"1.7.0","id":"UBUNTU-CVE-2025-29769","modified":"2026-09-12T19:00:05.029622990Z","upstream":["CVE-2025-29769"],` +
		`"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"},{"type":"Ubuntu","score":"medium"}],"affected":[` +
		`{"package":{"ecosystem":"Ubuntu:22.04:LTS","name":"vips"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}],"versions":["8.12.1-1"]},` +
		`{"package":{"ecosystem":"Ubuntu:Pro:22.04:LTS","name":"vips"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"` + fix + `"}]}]}]}`
}

func severityV3(vector string) string {
	return `,"severity":[{"type":"CVSS_V3","score":"` + vector + `"}]`
}

func TestRecordsThatAreNone(t *testing.T) {
	ok := record("A-1", "Debian:12", "openssl", unfixedEvents)
	for name, tc := range map[string]struct {
		text string
		want error
	}{
		"nothing":            {"", errJSON},
		"half of one":        {ok[:len(ok)/2], errJSON},
		"two":                {ok + ok, errJSON},
		"a list":             {"[" + ok + "]", errObject},
		"no id":              {`{"modified":"2026-11-20T00:00:00Z"}`, errObject},
		"an id of a number":  {`{"id":1,"modified":"2026-11-20T00:00:00Z"}`, errObject},
		"an id of two words": {`{"id":"A 1","modified":"2026-11-20T00:00:00Z"}`, errObject},
		"a long id":          {`{"id":"` + strings.Repeat("A", 200) + `","modified":"2026-11-20T00:00:00Z"}`, errObject},
		"no time":            {`{"id":"A-1"}`, errObject},
		"a wrong time":       {`{"id":"A-1","modified":"yesterday"}`, errObject},
		"schema 2":           {strings.Replace(ok, "1.7.0", "2.0.0", 1), errSchema},
		"affected, no list":  {`{"id":"A-1","modified":"2026-11-20T00:00:00Z","affected":{}}`, errAffected},
		"affected, null":     {`{"id":"A-1","modified":"2026-11-20T00:00:00Z","affected":null}`, nil},
		"only the needed":    {`{"id":"A-1","modified":"2026-11-20T00:00:00+01:00"}`, nil},
		"deep":               {strings.Repeat("[", 9000) + strings.Repeat("]", 9000), errObject},
		"too deep":           {strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), errJSON},
	} {
		t.Run(name, func(t *testing.T) {
			q := NewQuery()
			if _, err := q.record([]byte(tc.text)); err != tc.want { //nolint:errorlint // the very error
				t.Errorf("want %v, got %v", tc.want, err)
			}
		})
	}
}

func TestSystems(t *testing.T) {
	for name, tc := range map[string]struct {
		os               fact.OSRelease
		want, ecosystems string // ecosystems, separated by |, that are its own
		unsupported      string
	}{
		"Debian":         {debian, "Debian:12", "Debian:12", ""},
		"Debian testing": {fact.OSRelease{ID: "debian", PrettyName: "Debian GNU/Linux forky/sid"}, "", "", "databases of this format have no data for this release of Debian GNU/Linux forky/sid"},
		"Ubuntu":         {jammy, "Ubuntu:22.04", "Ubuntu:22.04:LTS|Ubuntu:Pro:22.04:LTS", ""},
		"Rocky":          {rocky, "Rocky Linux:9", "Rocky Linux:9", ""},
		"Alma":           {fact.OSRelease{ID: "almalinux", VersionID: "9.4"}, "AlmaLinux:9", "AlmaLinux:9", ""},
		"RHEL":           {rhel, "Red Hat:enterprise_linux:9", "Red Hat:enterprise_linux:9::baseos|Red Hat:enterprise_linux:9::appstream|Red Hat:enterprise_linux:9.4::baseos", ""},
		"SLES":           {sles, "SUSE:Linux Enterprise Server 15 SP5", "SUSE:Linux Enterprise Server 15 SP5", ""},
		"SLE Micro":      {fact.OSRelease{ID: "sle-micro", VersionID: "5.5", PrettyName: "SUSE Linux Enterprise Micro 5.5"}, "SUSE:Linux Enterprise Micro 5.5", "SUSE:Linux Enterprise Micro 5.5", ""},
		"Leap":           {fact.OSRelease{ID: "opensuse-leap", VersionID: "15.6", PrettyName: "openSUSE Leap 15.6"}, "openSUSE:Leap 15.6", "openSUSE:Leap 15.6", ""},
		"Tumbleweed":     {fact.OSRelease{ID: "opensuse-tumbleweed", VersionID: "20261101", PrettyName: "openSUSE Tumbleweed"}, "openSUSE:Tumbleweed", "openSUSE:Tumbleweed", ""},
		"openEuler":      {fact.OSRelease{ID: "openEuler", VersionID: "22.03", PrettyName: "openEuler 22.03 (LTS-SP3)"}, "openEuler:22.03-LTS-SP3", "openEuler:22.03-LTS-SP3", ""},
		"Azure Linux":    {fact.OSRelease{ID: "azurelinux", VersionID: "3.0"}, "Azure Linux:3", "Azure Linux:3", ""},
		"CBL-Mariner":    {fact.OSRelease{ID: "mariner", VersionID: "2.0"}, "Azure Linux:2", "Azure Linux:2", ""},
		"Photon":         {fact.OSRelease{ID: "photon", VersionID: "5.0"}, "Photon OS:5.0", "Photon OS:5.0", ""},
		"Alpine":         {fact.OSRelease{ID: "alpine", VersionID: "3.19.1"}, "Alpine:v3.19", "Alpine:v3.19", ""},
		"Alpine edge":    {fact.OSRelease{ID: "alpine", VersionID: "3.20.0_alpha20240329", PrettyName: "Alpine Linux edge"}, "", "", "databases of this format have no data for this release of Alpine Linux edge"},
		"Wolfi":          {fact.OSRelease{ID: "wolfi", VersionID: "20230201"}, "Wolfi", "Wolfi", ""},
		"Chainguard":     {fact.OSRelease{ID: "chainguard", VersionID: "20230214"}, "Chainguard", "Chainguard", ""},
		"Arch":           {fact.OSRelease{ID: "arch", PrettyName: "Arch Linux"}, "", "", "databases of this format have no data for Arch Linux"},
		"Mageia":         {fact.OSRelease{ID: "mageia", VersionID: "9"}, "Mageia:9", "Mageia:9", ""},
		"Amazon Linux":   {fact.OSRelease{ID: "amzn", IDLike: "fedora", VersionID: "2023", PrettyName: "Amazon Linux 2023.6"}, "", "", "databases of this format have no data for Amazon Linux 2023.6"},
		"CentOS Stream":  {fact.OSRelease{ID: "centos", IDLike: "rhel fedora", VersionID: "9", PrettyName: "CentOS Stream 9"}, "", "", "databases of this format have no data for CentOS Stream 9"},
		"a hostile name": {fact.OSRelease{ID: "debian", VersionID: "12:Pro"}, "", "", "databases of this format have no data for this release of debian 12:Pro"},
		"nothing":        {fact.OSRelease{}, "", "", "the operating system is unknown: os-release has no ID"},
	} {
		t.Run(name, func(t *testing.T) {
			s, unsupported := systemOf(tc.os)
			if s.name != tc.want || unsupported != tc.unsupported {
				t.Fatalf("want %q %q, got %q %q", tc.want, tc.unsupported, s.name, unsupported)
			}
			if tc.want == "" {
				return
			}
			for _, e := range strings.Split(tc.ecosystems, "|") {
				if s.role(e) == foreign {
					t.Errorf("%q is not its own", e)
				}
			}
			for _, e := range []string{"", "npm", "Debian:11", "Debian:120", "Ubuntu:22.10", "Red Hat:enterprise_linux:90::baseos", "Red Hat:rhel_eus:9.4::baseos", "SUSE:Linux Enterprise Module for Basesystem 15 SP6"} {
				if s.role(e) != foreign {
					t.Errorf("%q is its own", e)
				}
			}
		})
	}
}

func TestSeverity(t *testing.T) {
	const critical31 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
	list := func(items ...string) string { return `,"severity":[` + strings.Join(items, ",") + "]" }
	scored := func(kind, score string) string { return fmt.Sprintf(`{"type":%q,"score":%q}`, kind, score) }
	affected := func(more string) string {
		text := record("A-1", "Debian:12", "openssl", unfixedEvents, list(scored("CVSS_V3", critical31)))
		return strings.Replace(text, `"ranges"`, more+`,"ranges"`, 1)
	}
	for name, tc := range map[string]struct{ text, want string }{
		"none":                            {record("A-1", "Debian:12", "openssl", unfixedEvents), ""},
		"CVSS 2":                          {record("A-1", "Debian:12", "openssl", unfixedEvents, list(scored("CVSS_V2", "AV:N/AC:L/Au:N/C:C/I:C/A:C"))), "high"},
		"CVSS 3.0":                        {record("A-1", "Debian:12", "openssl", unfixedEvents, list(scored("CVSS_V3", "CVSS:3.0/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"))), "low"},
		"CVSS 3.1":                        {record("A-1", "Debian:12", "openssl", unfixedEvents, list(scored("CVSS_V3", critical31))), "critical"},
		"CVSS 4":                          {record("A-1", "Debian:12", "openssl", unfixedEvents, list(scored("CVSS_V4", "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:H/SC:N/SI:N/SA:N"))), "high"},
		"the worst vector":                {record("A-1", "Debian:12", "openssl", unfixedEvents, list(scored("CVSS_V3", "CVSS:3.0/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"), scored("CVSS_V3", critical31))), "critical"},
		"no vector":                       {record("A-1", "Debian:12", "openssl", unfixedEvents, list(scored("CVSS_V3", "9.8"))), ""},
		"a vector of the future":          {record("A-1", "Debian:12", "openssl", unfixedEvents, list(scored("CVSS_V5", critical31))), ""},
		"a distribution's word wins":      {record("A-1", "Debian:12", "openssl", unfixedEvents, list(scored("CVSS_V3", critical31), scored("Ubuntu", "low"))), "low"},
		"Debian's urgency wins":           {affected(`"ecosystem_specific":{"urgency":"unimportant"}`), "low"},
		"an urgency that says nothing":    {affected(`"ecosystem_specific":{"urgency":"not yet assigned"}`), "critical"},
		"end of life says nothing":        {affected(`"ecosystem_specific":{"urgency":"end-of-life"}`), "critical"},
		"the package's own severity wins": {affected(`"severity":[` + scored("CVSS_V3", "CVSS:3.0/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N") + `]`), "low"},
		"the database's word":             {record("A-1", "Debian:12", "openssl", unfixedEvents, `,"database_specific":{"severity":"MODERATE"}`), "medium"},
		"the summary of an advisory":      {record("A-1", "Debian:12", "openssl", unfixedEvents, `,"summary":"Important: openssl security update"`), "high"},
		"another summary":                 {record("A-1", "Debian:12", "openssl", unfixedEvents, `,"summary":"A critical flaw: much"`), ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := compared(t, debian, []fact.InstalledPackage{pkg("openssl", "1.0-1")}, tc.text)
			if len(got.Found) != 1 || got.Found[0].Severity != tc.want {
				t.Errorf("want %q, got %+v", tc.want, got.Found)
			}
		})
	}
}

// A host's answer counts vulnerabilities once, and says what it does not know.
func TestHost(t *testing.T) {
	foreignPackage := pkg("docker-ce", "5:1-1")
	foreignPackage.Vendor = "Docker"
	got := compared(t, rocky, []fact.InstalledPackage{
		pkg("openssl", "1.0-1"), pkg("openssl-libs", "1.0-1", "openssl"), pkg("zlib", "1.0-1"), foreignPackage,
	},
		record("RLSA-1", "Rocky Linux:9", "openssl", fixedIn2, `,"upstream":["CVE-2026-1"]`),
		record("RLSA-2", "Rocky Linux:9", "zlib", unfixedEvents, `,"upstream":["CVE-2026-1","CVE-2026-2"]`),
	)
	want := &fact.HostVulnerabilities{
		Ecosystem: "Rocky Linux:9", Covered: true, Modified: recorded, Packages: 4, Total: 2, Fixable: 1,
		Found: []fact.Vulnerability{
			{ID: "CVE-2026-1", Records: []string{"RLSA-1"}, Package: "openssl", Installed: "1.0-1", Binaries: 2, Fixed: "2.0-1"},
			{ID: "CVE-2026-1", Records: []string{"RLSA-2"}, Package: "zlib", Installed: "1.0-1", Binaries: 1},
			{ID: "CVE-2026-2", Records: []string{"RLSA-2"}, Package: "zlib", Installed: "1.0-1", Binaries: 1},
		},
		NotCovered: []string{"docker-ce"}, NotCoveredCount: 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// Neither a later record of another system says how old these are, nor one of the future.
	later := func(record string) string { return strings.Replace(record, "2026-11-20T", "2026-11-27T", 1) }
	host := &fact.Host{OS: rocky, Inventory: []fact.InstalledPackage{pkg("zlib", "1.0-1")}}
	q := NewQuery()
	q.latest = recorded.AddDate(0, 0, 2)
	q.Add(host)
	for _, text := range []string{
		record("A-1", "Rocky Linux:9", "other", unfixedEvents), later(record("A-2", "Rocky Linux:8", "zlib", unfixedEvents)),
		later(record("A-3", "Rocky Linux:9", "other", unfixedEvents)), record("A-4", "npm", "zlib", unfixedEvents),
	} {
		if _, err := q.record([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if got := q.Of(host); !got.Modified.Equal(recorded.Time) {
		t.Errorf("the newest record is of %s, want %s", got.Modified, recorded)
	}
	// Of those without a fix only the first are listed, of those with one all.
	var records []string
	for i := range fact.MaxUnfixed + 50 {
		records = append(records, record(fmt.Sprintf("A-%03d", i), "Rocky Linux:9", "zlib", unfixedEvents), record(fmt.Sprintf("B-%03d", i), "Rocky Linux:9", "zlib", fixedIn2))
	}
	got = compared(t, rocky, []fact.InstalledPackage{pkg("zlib", "1.0-1")}, records...)
	if len(got.Found) != 2*fact.MaxUnfixed+50 || got.Unlisted != 50 || got.Total != len(records) || got.Fixable != len(records)/2 || got.Found[len(records)/2-1].Fixed == "" {
		t.Errorf("%d listed, %d not, %d in all, %d with a fix", len(got.Found), got.Unlisted, got.Total, got.Fixable)
	}
	// By apt's lists, these are not the release's own.
	host = &fact.Host{OS: debian, Inventory: []fact.InstalledPackage{pkg("a", "1")}, Packages: &fact.PackageState{UncoveredCount: 5, Uncovered: []fact.UncoveredPackage{
		{Name: "docker-ce", Why: fact.OutsideRelease}, {Name: "linux-image-1", Why: fact.OutsideUpgrade}, {Name: "nginx", Why: fact.OutsideComponent}, {Name: "mine", Why: fact.OutsideLists},
	}}}
	q = NewQuery()
	q.Add(host)
	if got := q.Of(host); got.NotCoveredCount != 3 || !slices.Equal(got.NotCovered, []string{"docker-ce", "mine"}) {
		t.Errorf("not covered: %d %q", got.NotCoveredCount, got.NotCovered)
	}
	// Records of other systems or of no release, and withdrawn ones, are no coverage.
	got = compared(t, rocky, []fact.InstalledPackage{pkg("zlib", "1.0-1")}, record("A-1", "Rocky Linux:8", "zlib", unfixedEvents), record("A-3", "Rocky Linux", "other", unfixedEvents),
		record("A-2", "Rocky Linux:9", "zlib", unfixedEvents, `,"withdrawn":"2026-11-21T00:00:00Z"`))
	if got.Covered || got.Found != nil {
		t.Errorf("want no coverage, got %+v", got)
	}
}

// written makes a zip file of name and text in turn.
func written(t testing.TB, path string, files ...string) string {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for i := 0; i < len(files); i += 2 {
		f, err := w.Create(files[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, path, buf.Bytes())
	return path
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDatabases(t *testing.T) {
	host := &fact.Host{OS: debian, Inventory: []fact.InstalledPackage{pkg("openssl", "1.0-1")}}
	a, b := record("A-1", "Debian:12", "openssl", fixedIn2), record("B-1", "Debian:12", "openssl", unfixedEvents)
	future := strings.Replace(record("C-1", "Debian:12", "other", fixedIn2), "2026-11-20", "2099-01-01", 1)
	foundBoth := []string{"A-1 openssl 1.0-1 -> 2.0-1 A-1", "B-1 openssl 1.0-1 -> none B-1"}
	modified := fact.NewTime(time.Date(2026, 11, 20, 1, 2, 3, 0, time.UTC))
	for name, tc := range map[string]struct {
		make func(t *testing.T, dir string) string
		data fact.VulnerabilityData
		want []string
	}{
		"a zip file": {
			func(t *testing.T, dir string) string {
				return written(t, dir+"/all.zip", "A-1.json", a, "B-1.json", b, "README.md", "x", "dir/", "")
			}, fact.VulnerabilityData{Name: "all.zip", Modified: modified, Records: 2}, foundBoth,
		},
		"a directory of records": {
			func(t *testing.T, dir string) string {
				write(t, dir+"/db/A-1.json", []byte(a))
				write(t, dir+"/db/2026/B-1.json", []byte(b))
				write(t, dir+"/db/modified_id.csv", []byte("x"))
				write(t, dir+"/db/.git/B-2.json", []byte("x"))
				return dir + "/db"
			}, fact.VulnerabilityData{Name: "db", Modified: modified, Records: 2}, foundBoth,
		},
		"a directory of zip files": {
			func(t *testing.T, dir string) string {
				written(t, dir+"/db/Debian/all.zip", "A-1.json", a)
				written(t, dir+"/db/other.zip", "B-1.json", b)
				return dir + "/db"
			}, fact.VulnerabilityData{Name: "db", Modified: modified, Records: 2}, foundBoth,
		},
		"links to files": {
			func(t *testing.T, dir string) string {
				write(t, dir+"/a", []byte(a))
				write(t, dir+"/db/B-1.json", []byte(b))
				link(t, dir+"/a", dir+"/db/A-1.json")
				link(t, dir+"/db", dir+"/db/loop")
				link(t, dir+"/nothing", dir+"/db/X.json")
				return dir + "/db"
			}, fact.VulnerabilityData{
				Name: "db", Modified: modified, Records: 2, Unreadable: 2,
				Faults: []string{"X.json: no such file or directory", "loop: a link to a directory, which is not followed"},
			}, foundBoth,
		},
		"damaged records cost only themselves": {
			func(t *testing.T, dir string) string {
				return written(t, dir+"/all.zip", "A-1.json", a, "X.json", "{", "Y\x1b.json", "{}", "B-1.json", b)
			},
			fact.VulnerabilityData{
				Name: "all.zip", Modified: modified, Records: 2, Unreadable: 2,
				Faults: []string{"X.json: " + errJSON.Error(), "Y^[.json: " + errObject.Error()},
			},
			foundBoth,
		},
		"a damaged zip file costs only itself": {
			func(t *testing.T, dir string) string {
				write(t, dir+"/db/A-1.json", []byte(a))
				write(t, dir+"/db/B-1.json", []byte(b))
				write(t, dir+"/db/all.zip", []byte("PK"))
				return dir + "/db"
			}, fact.VulnerabilityData{Name: "db", Modified: modified, Records: 2, Unreadable: 1, Faults: []string{"all.zip: not a zip file"}}, foundBoth,
		},
		"a date in the future does not make it new": {
			func(t *testing.T, dir string) string {
				return written(t, dir+"/all.zip", "A-1.json", a, "B-1.json", b, "C-1.json", future)
			}, fact.VulnerabilityData{Name: "all.zip", Modified: modified, Records: 3}, foundBoth,
		},
		"a record that is too large": {
			func(t *testing.T, dir string) string {
				return written(t, dir+"/all.zip", "A-1.json", a, "large.json", strings.Repeat(" ", maxRecord+1), "B-1.json", b)
			}, fact.VulnerabilityData{Name: "all.zip", Modified: modified, Records: 2, Unreadable: 1, Faults: []string{"large.json: " + errLarge.Error()}}, foundBoth,
		},
		"a bomb": {
			func(t *testing.T, dir string) string {
				bomb := []string{"A-1.json", a, "B-1.json", b}
				for i := range 8 {
					bomb = append(bomb, fmt.Sprintf("%d.json", i), `{"x":"`+strings.Repeat("x", maxRecord-100)+`"}`)
				}
				return written(t, dir+"/all.zip", bomb...)
			},
			fact.VulnerabilityData{
				Name: "all.zip", Modified: modified, Records: 2, Unreadable: 5, Incomplete: "it unpacks to more than 200 times its size",
				Faults: []string{"0.json: " + errObject.Error(), "1.json: " + errObject.Error(), "2.json: " + errObject.Error(), "3.json: " + errObject.Error(), "4.json: " + errObject.Error()},
			},
			foundBoth,
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := tc.make(t, t.TempDir())
			if err := Check(context.Background(), path); err != nil {
				t.Errorf("it was refused: %v", err)
			}
			q := NewQuery()
			q.Add(host)
			data, err := Read(context.Background(), path, q, now)
			if err != nil {
				t.Fatal(err)
			}
			tc.data.Compared = fact.NewTime(now)
			if diff := cmp.Diff(&tc.data, data); diff != "" {
				t.Errorf("data (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.want, lines(q.Of(host))); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
		})
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsNoDatabase(t *testing.T) {
	good := record("A-1", "Debian:12", "openssl", fixedIn2)
	for name, tc := range map[string]struct {
		make func(t *testing.T, dir string) string
		want string // DIR stands for the directory
	}{
		"no such file":    {func(_ *testing.T, dir string) string { return dir + "/x" }, `reading "DIR/x": no such file or directory`},
		"an empty file":   {file("db", ""), `"DIR/db": expected a directory or a zip file of OSV records, found an empty file`},
		"a tar.gz":        {file("db.tar.gz", "\x1f\x8b\x08\x00"), `"DIR/db.tar.gz": expected a directory or a zip file of OSV records, found a gzip file (such as a .tar.gz): unpack it and give the directory`},
		"a tar":           {file("db.tar", strings.Repeat("a", 257)+"ustar"), `"DIR/db.tar": expected a directory or a zip file of OSV records, found a tar file: unpack it and give the directory`},
		"a csv":           {file("modified_id.csv", "2026-11-20T00:00:00Z,DSA-1-1\n"), `"DIR/modified_id.csv": expected a directory or a zip file of OSV records, found a text file`},
		"one record":      {file("A-1.json", good), `"DIR/A-1.json": expected a directory or a zip file of OSV records, found a JSON file: give its directory`},
		"a database":      {file("trivy.db", "SQLite format 3\x00"), `"DIR/trivy.db": expected a directory or a zip file of OSV records, found an SQLite database`},
		"anything else":   {file("db", "\x00\x01\x02"), `"DIR/db": expected a directory or a zip file of OSV records, found a file of another format`},
		"an empty dir":    {func(_ *testing.T, dir string) string { return dir }, `"DIR": expected OSV records (*.json) or zip files of them, found none in this directory`},
		"a dir of others": {func(t *testing.T, dir string) string { write(t, dir+"/x.txt", nil); return dir }, `"DIR": expected OSV records (*.json) or zip files of them, found none in this directory`},
		"a dir of other JSON": {
			func(t *testing.T, dir string) string {
				write(t, dir+"/package.json", []byte(`{"name":"x"}`))
				return dir
			},
			`"DIR": expected OSV records, found none among the first files: package.json: ` + errObject.Error(),
		},
		"a zip of others": {
			func(t *testing.T, dir string) string { return written(t, dir+"/a.zip", "x.txt", "x") },
			`"DIR/a.zip": expected a zip file of OSV records (*.json), found one without any`,
		},
		"a zip of other JSON": {
			func(t *testing.T, dir string) string { return written(t, dir+"/a.zip", "x.json", "[]") },
			`"DIR/a.zip": expected OSV records, found none among the first files: x.json: ` + errObject.Error(),
		},
		"a zip that was cut": {
			func(t *testing.T, dir string) string {
				written(t, dir+"/a.zip", "A-1.json", good)
				if err := os.Truncate(dir+"/a.zip", 200); err != nil {
					t.Fatal(err)
				}
				return dir + "/a.zip"
			}, `"DIR/a.zip": expected a directory or a zip file of OSV records, found a zip file that is cut or damaged`,
		},
		"a device": {func(*testing.T, string) string { return "/dev/null" }, `"/dev/null": expected a directory or a zip file, found a device`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			err := Check(context.Background(), tc.make(t, dir))
			if want := strings.ReplaceAll(tc.want, "DIR", dir); err == nil || err.Error() != want {
				t.Errorf("want %s\n got %v", want, err)
			}
		})
	}
}

func file(name, text string) func(*testing.T, string) string {
	return func(t *testing.T, dir string) string {
		write(t, filepath.Join(dir, name), []byte(text))
		return filepath.Join(dir, name)
	}
}

// A reading ends when it is told to.
func TestReadEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	path := written(t, t.TempDir()+"/a.zip", "A-1.json", record("A-1", "Debian:12", "openssl", fixedIn2))
	if data, err := Read(ctx, path, NewQuery(), now); err == nil {
		t.Errorf("want an error, got %+v", data)
	}
}
