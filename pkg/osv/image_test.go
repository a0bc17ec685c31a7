package osv

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// semver is a record of a language's ecosystem, with a range of type SEMVER.
func semver(id, ecosystem, name, events string, more ...string) string {
	return strings.Replace(record(id, ecosystem, name, events, more...), `"type":"ECOSYSTEM"`, `"type":"SEMVER"`, 1)
}

func TestImages(t *testing.T) {
	module := func(ecosystem, name, version string) fact.Module {
		return fact.Module{Ecosystem: ecosystem, Name: name, Version: version, Path: "/app"}
	}
	const from1 = `{"introduced":"1.0.0"},{"fixed":"1.2.3"}`
	for name, tc := range map[string]struct {
		image   fact.ImageInventory
		records []string
		want    []string // "ECOSYSTEM: LINES", or "ECOSYSTEM unsupported: why"
	}{
		"a distribution and a program in Go": {
			fact.ImageInventory{
				OS: debian, Manager: "dpkg", Packages: []fact.InstalledPackage{pkg("libssl3", "1.0-1", "openssl")},
				Modules: []fact.Module{module("Go", "example.com/a", "v1.2.0"), module("Go", "stdlib", "go1.20.1")},
			},
			[]string{
				record("DSA-1", "Debian:12", "openssl", fixedIn2),
				semver("GO-1", "Go", "example.com/a", from1, `,"aliases":["CVE-2026-1","GHSA-x"]`),
				semver("GHSA-x", "Go", "example.com/a", from1, `,"aliases":["CVE-2026-1"],"database_specific":{"severity":"HIGH"}`),
				semver("GO-2", "Go", "stdlib", `{"introduced":"0"},{"fixed":"1.19.6"},{"introduced":"1.20.0-0"},{"fixed":"1.20.2"}`),
				record("X-1", "Debian:12", "example.com/a", fixedIn2),
			},
			[]string{
				"Debian:12: DSA-1 openssl 1.0-1 -> 2.0-1 DSA-1",
				"Go: CVE-2026-1 example.com/a 1.2.0 -> 1.2.3 high GHSA-x,GO-1; GO-2 stdlib 1.20.1 -> 1.20.2 GO-2",
			},
		},
		"versions before, after and of unknown form": {
			fact.ImageInventory{Modules: []fact.Module{
				module("Go", "example.com/a", "v0.9.0"), module("Go", "example.com/a", "v1.2.3"), module("Go", "example.com/b", "v1.2.3-0.20200101000000-abcdefabcdef"),
				module("Go", "example.com/c", fact.UnknownVersion), module("Go", "stdlib", "devel +abc"),
			}},
			[]string{semver("GO-1", "Go", "example.com/a", from1), semver("GO-2", "Go", "example.com/b", from1), semver("GO-3", "Go", "example.com/c", from1)},
			[]string{"Go: GO-2 example.com/b 1.2.3-0.20200101000000-abcdefabcdef -> 1.2.3 GO-2 (not covered: example.com/c,stdlib)"},
		},
		"Python names are written in many ways": {
			fact.ImageInventory{Modules: []fact.Module{module("PyPI", "Zope.Interface", "5.0"), module("PyPI", "ruamel_yaml", "0.17.0a1")}},
			[]string{
				record("PYSEC-1", "PyPI", "zope-interface", `{"introduced":"0"},{"fixed":"5.0.post1"}`), record("PYSEC-2", "PyPI", "ruamel.yaml", `{"introduced":"0"},{"fixed":"0.17"}`),
			},
			[]string{"PyPI: PYSEC-2 ruamel-yaml 0.17.0a1 -> 0.17 PYSEC-2; PYSEC-1 zope-interface 5.0 -> 5.0.post1 PYSEC-1"},
		},
		"npm and Ruby": {
			fact.ImageInventory{Modules: []fact.Module{module("npm", "lodash", "4.17.10"), module("RubyGems", "rack", "2.0.0.rc1"), module("RubyGems", "rake", "13.0")}},
			[]string{
				semver("GHSA-1", "npm", "lodash", `{"introduced":"0"},{"fixed":"4.17.12"}`), record("GHSA-2", "RubyGems", "rack", `{"introduced":"0"},{"fixed":"2.0.0"}`),
				record("GHSA-3", "RubyGems", "rake", `{"introduced":"0"},{"last_affected":"12.3.2"}`),
			},
			[]string{"RubyGems: GHSA-2 rack 2.0.0.rc1 -> 2.0.0 GHSA-2", "npm: GHSA-1 lodash 4.17.10 -> 4.17.12 GHSA-1"},
		},
		"another package manager than the distribution's": {
			fact.ImageInventory{OS: debian, Manager: "apk", Packages: []fact.InstalledPackage{pkg("openssl", "1.0-r1")}},
			[]string{record("DSA-1", "Debian:12", "openssl", fixedIn2)},
			[]string{" unsupported: its packages are apk's, those of Debian:12 are dpkg's"},
		},
		"a distribution without data": {
			fact.ImageInventory{OS: fact.OSRelease{ID: "fedora", VersionID: "40", PrettyName: "Fedora 40"}, Manager: "rpm", Packages: []fact.InstalledPackage{pkg("openssl", "1.0-r1")}},
			nil,
			[]string{" unsupported: databases of this format have no data for Fedora 40"},
		},
		"an ecosystem that is not known": {
			fact.ImageInventory{Modules: []fact.Module{module("hunter2", "a", "1")}},
			nil,
			[]string{" unsupported: modules of an ecosystem that is not known here were not compared"},
		},
		"a range that is for languages only": {
			fact.ImageInventory{OS: debian, Manager: "dpkg", Packages: []fact.InstalledPackage{pkg("openssl", "1.0-1")}},
			[]string{semver("DSA-1", "Debian:12", "openssl", fixedIn2)},
			[]string{"Debian:12: ? DSA-1 openssl: a range in it is of a type that has no order here (undecided: DSA-1 openssl: a range in it is of a type that has no order here)"},
		},
		"nothing": {fact.ImageInventory{}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			q := NewQuery()
			q.AddImage(&tc.image)
			for _, text := range tc.records {
				if _, err := q.record([]byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			result := q.OfImage(&tc.image)
			var got []string
			for i := range result.Parts {
				p := &result.Parts[i]
				line := p.Ecosystem + ": " + strings.Join(lines(p), "; ")
				if p.Unsupported != "" {
					line = p.Ecosystem + " unsupported: " + p.Unsupported
				}
				if p.NotCoveredCount > 0 {
					line += " (not covered: " + strings.Join(p.NotCovered, ",") + ")"
				}
				if p.UndecidedCount > 0 {
					line += " (undecided: " + strings.Join(p.Undecided, ",") + ")"
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What is listed of an image is bounded: the worst stay, and all are counted.
func TestImageBounds(t *testing.T) {
	image := fact.ImageInventory{OS: debian, Manager: "dpkg", Packages: []fact.InstalledPackage{pkg("openssl", "1.0-1")}}
	q := NewQuery()
	q.AddImage(&image)
	const fixable, unfixed = 150, 70
	for i := range fixable + unfixed {
		events, severity := fixedIn2, `,"database_specific":{"severity":"LOW"}`
		if i >= fixable {
			events = unfixedEvents
		}
		if i == fixable-1 {
			severity = `,"database_specific":{"severity":"CRITICAL"}`
		}
		if _, err := q.record([]byte(record(fmt.Sprintf("X-%03d", i), "Debian:12", "openssl", events, severity))); err != nil {
			t.Fatal(err)
		}
	}
	p := q.OfImage(&image).Parts[0]
	withFix := len(p.Found) - len(slices.DeleteFunc(slices.Clone(p.Found), func(v fact.Vulnerability) bool { return v.Fixed != "" }))
	if p.Total != fixable+unfixed || p.Fixable != fixable || withFix != fact.MaxImageVulnerabilities ||
		len(p.Found)-withFix != fact.MaxImageUnfixed || p.Unlisted != p.Total-len(p.Found) || p.Found[0].Severity != "critical" {
		t.Errorf("%d in all, %d listed, %d of them with a fix, %d not", p.Total, len(p.Found), withFix, p.Unlisted)
	}
}
