package immutable

import (
	"fmt"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestVulnerablePackages(t *testing.T) {
	const (
		root     = "node/n1 root of the container"
		database = "database all.zip"
		records  = "70000 records, the newest of 2026-11-24"
	)
	debian := fact.ImageInventory{
		Key: "k", OS: fact.OSRelease{ID: "debian", VersionID: "12"}, Manager: "dpkg", Packages: []fact.InstalledPackage{{Name: "libssl3", Version: "1", Source: "openssl"}},
	}
	scratch := fact.ImageInventory{Key: "k", Modules: []fact.Module{
		{Ecosystem: "Go", Name: "example.com/a", Version: "v1.2.0", Path: "/app"}, {Ecosystem: "Go", Name: "stdlib", Version: "go1.21", Path: "/app"},
	}}
	part := func(ecosystem string, found ...fact.Vulnerability) fact.HostVulnerabilities {
		h := fact.HostVulnerabilities{Ecosystem: ecosystem, Covered: true, Packages: 2, Modified: ft.Time, Found: found, Total: len(found)}
		for _, v := range found {
			if v.Fixed != "" {
				h.Fixable++
			}
		}
		return h
	}
	openssl := fact.Vulnerability{ID: "CVE-1", Package: "openssl", Installed: "1", Fixed: "2", Severity: "high", Records: []string{"DSA-1"}}
	unfixed := fact.Vulnerability{ID: "CVE-2", Package: "zlib", Installed: "1", Severity: "critical"}
	module := fact.Vulnerability{ID: "GO-1", Package: "example.com/a", Installed: "1.2.0", Fixed: "1.2.3", Severity: "critical"}
	library := fact.Vulnerability{ID: "GO-2", Package: "stdlib", Installed: "1.21.0", Fixed: "1.21.1"}

	set := func(image fact.ImageInventory, edit func(*fact.Set), parts ...fact.HostVulnerabilities) *fact.Set {
		m := ft.With()
		m.Image = "k"
		s := ft.Measured(m, fact.Container{})
		s.Nodes[0].Measured.Images = []fact.ImageInventory{image}
		s.Vulnerabilities = &fact.VulnerabilityData{Name: "all.zip", Modified: ft.Time, Compared: ft.Time, Records: 70_000}
		s.VulnerableImages = []fact.ImageVulnerabilities{{Parts: parts}}
		s.Nodes[0].VulnerableImages = map[string]int{"k": 0}
		if edit != nil {
			edit(s)
		}
		return s
	}
	finding := func(verdict api.Verdict, reason fact.Reason, severity api.Severity, message string, evidence ...string) api.Finding {
		f := api.Finding{Verdict: verdict, Reason: reason, Severity: severity, Basis: api.Measured, Subject: ft.Subject(), Message: message, Evidence: ft.Evidence(evidence...)}
		for i := range f.Evidence {
			f.Evidence[i].Basis = api.Measured
		}
		return f
	}
	opaque := scratch
	opaque.Opaque, opaque.OpaqueCount = []string{"/tool"}, 1
	old := part("Debian:12")
	old.Modified = fact.NewTime(ft.Time.Add(-40 * 24 * time.Hour))
	unsupported := fact.HostVulnerabilities{Unsupported: "databases of this format have no data for Fedora 40"}
	undecided := part("Debian:12")
	undecided.Undecided, undecided.UndecidedCount = []string{"DSA-1 openssl: why", "DSA-2 openssl: why"}, 2
	uncovered := part("Go")
	uncovered.NotCovered, uncovered.NotCoveredCount = []string{"example.com/fork"}, 1
	two := []string{root, "2 packages compared with records of Debian:12", database, records}
	many := part("Debian:12")
	for i := range 30 {
		many.Found = append(many.Found, fact.Vulnerability{ID: fmt.Sprintf("CVE-%02d", i), Package: "p", Installed: "1", Fixed: "2"})
	}
	many.Total, many.Fixable, many.Unlisted = 50, 50, 20
	var listed []string
	for i := range maxVulnerable {
		listed = append(listed, root+", package p", fmt.Sprintf("CVE-%02d: 1 installed, fixed in 2, severity unknown", i))
	}

	ft.Judge(t, checks.OfSet(judgeVulnerablePackages), map[string]row{
		"nothing known passes": {set(debian, nil, part("Debian:12")), ft.One(finding(api.Pass, "", "", "no known vulnerability in its packages", two...))},
		"a package fails by its severity": {
			set(debian, nil, part("Debian:12", openssl, unfixed)),
			ft.One(finding(api.Fail, "", api.High, "2 known vulnerabilities, 1 with a fix: openssl 1 CVE-1 (fixed in 2), zlib 1 CVE-2",
				append([]string{root + ", package openssl", "CVE-1: 1 installed, fixed in 2, severity high (DSA-1)", root + ", package zlib", "CVE-2: 1 installed, no fix, severity critical"}, two...)...)),
		},
		"without a fix it is low": {
			set(debian, nil, part("Debian:12", unfixed)),
			ft.One(finding(api.Fail, "", api.Low, "1 known vulnerability, none with a fix: zlib 1 CVE-2",
				append([]string{root + ", package zlib", "CVE-2: 1 installed, no fix, severity critical"}, two...)...)),
		},
		"a program in Go on nothing fails by its modules": {
			set(scratch, nil, part("Go", module, library)),
			ft.One(finding(api.Fail, "", api.Critical, "2 known vulnerabilities, 2 with a fix: example.com/a 1.2.0 GO-1 (fixed in 1.2.3), stdlib 1.21.0 GO-2 (fixed in 1.21.1)",
				"node/n1 /app module example.com/a", "GO-1: 1.2.0 installed, fixed in 1.2.3, severity critical",
				"node/n1 /app module stdlib", "GO-2: 1.21.0 installed, fixed in 1.21.1, severity unknown",
				root, "2 modules compared with records of Go", database, records)),
		},
		"the worst of all parts comes first": {
			set(debian, nil, part("Debian:12", openssl, unfixed), part("Go", module)),
			ft.One(finding(api.Fail, "", api.Critical, "3 known vulnerabilities, 2 with a fix: example.com/a 1.2.0 GO-1 (fixed in 1.2.3), openssl 1 CVE-1 (fixed in 2), zlib 1 CVE-2",
				root+", package example.com/a", "GO-1: 1.2.0 installed, fixed in 1.2.3, severity critical",
				root+", package openssl", "CVE-1: 1 installed, fixed in 2, severity high (DSA-1)", root+", package zlib", "CVE-2: 1 installed, no fix, severity critical",
				root, "2 packages compared with records of Debian:12", root, "2 modules compared with records of Go", database, records)),
		},
		"a program in Go on nothing passes by its modules": {
			set(scratch, nil, part("Go")),
			ft.One(finding(api.Pass, "", "", "no known vulnerability in its packages", root, "2 modules compared with records of Go", database, records)),
		},
		"a module without a version is told": {
			set(scratch, nil, uncovered),
			ft.One(finding(api.Pass, "", "", "no known vulnerability in its packages, without the 1 that the database cannot know",
				root, "2 modules compared with records of Go; 1 that the database cannot know: example.com/fork", database, records)),
		},
		"a program that says nothing is unknown": {
			set(opaque, nil, part("Go")),
			ft.One(finding(api.VerdictUnknown, fact.Unsupported, "", "it has no package database, and a running program does not say what it was built from: /tool",
				root, "2 modules compared with records of Go", database, records)),
		},
		"nothing at all is unknown": {
			set(fact.ImageInventory{Key: "k"}, nil),
			ft.One(finding(api.VerdictUnknown, fact.NotPresent, "", "it has no package database, and no running program says what it was built from", database, records)),
		},
		"one part fails, another is unknown": {
			set(debian, nil, part("Debian:12", openssl), fact.HostVulnerabilities{Ecosystem: "Go"}),
			[]api.Finding{
				finding(api.Fail, "", api.High, "1 known vulnerability, 1 with a fix: openssl 1 CVE-1 (fixed in 2)",
					root+", package openssl", "CVE-1: 1 installed, fixed in 2, severity high (DSA-1)",
					root, "2 packages compared with records of Debian:12", root, "0 modules compared with records of Go", database, records),
				finding(api.VerdictUnknown, fact.NotPresent, "", "the database has no record of Go",
					root, "2 packages compared with records of Debian:12", root, "0 modules compared with records of Go", database, records),
			},
		},
		"another distribution is unknown": {
			set(debian, nil, unsupported),
			ft.One(finding(api.VerdictUnknown, fact.Unsupported, "", "databases of this format have no data for Fedora 40",
				root, "databases of this format have no data for Fedora 40", database, records)),
		},
		"an old database is unknown": {
			set(debian, nil, old),
			ft.One(finding(api.VerdictUnknown, fact.NotPresent, "", "no known vulnerability was found, but the database's newest record of Debian:12 is 40 days old", two...)),
		},
		"records that cannot be compared are unknown": {
			set(debian, nil, undecided),
			ft.One(finding(api.VerdictUnknown, fact.Unsupported, "", "no known vulnerability was found, but 2 records about its packages cannot be compared",
				root, "2 packages compared with records of Debian:12", database, "not comparable: DSA-1 openssl: why", database, records)),
		},
		"more than are listed are counted": {
			set(debian, nil, many),
			ft.One(finding(api.Fail, "", api.Medium, "50 known vulnerabilities, 50 with a fix: p 1 CVE-00 (fixed in 2), p 1 CVE-01 (fixed in 2), p 1 CVE-02 (fixed in 2) and 47 more",
				append(listed, root, "2 packages compared with records of Debian:12; 20 vulnerabilities more than are listed", database, records)...)),
		},
		"no database is unknown": {
			set(debian, func(s *fact.Set) { s.Vulnerabilities = nil }),
			ft.One(finding(api.VerdictUnknown, fact.NotPresent, "", "what is installed in it was not compared with a database of vulnerabilities: give one with --vulnerabilities",
				root, "1 package of dpkg, 0 modules")),
		},
		"a place that is not there is unknown": {
			set(debian, func(s *fact.Set) { s.Nodes[0].VulnerableImages["k"] = 1 }),
			ft.One(finding(api.VerdictUnknown, fact.NotPresent, "", "what is installed in it was not compared with a database of vulnerabilities: give one with --vulnerabilities",
				root, "1 package of dpkg, 0 modules")),
		},
		"no inventory is unknown": {
			set(debian, func(s *fact.Set) { s.Nodes[0].Measured.Containers[0].Image = "" }, part("Debian:12")),
			ft.One(finding(api.VerdictUnknown, fact.NotPresent, "", "what is installed in it was not read", "node/n1 /proc/100/root", "no inventory")),
		},
		"a container that was not seen is unknown": {
			set(debian, func(s *fact.Set) { s.Nodes[0].Measured.Containers = nil }, part("Debian:12")),
			checks.Unseen([]checks.Running{{
				Node: &fact.Node{Name: ft.Node}, Workload: &ft.Declared(fact.Container{}).Workloads[0], Pod: &ft.Declared(fact.Container{}).Workloads[0].Pods[0],
				Declared: &ft.Declared(fact.Container{}).Workloads[0].Spec.Containers[0],
			}}),
		},
	})
}
