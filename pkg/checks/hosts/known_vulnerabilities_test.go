package hosts

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestKnownVulnerabilities(t *testing.T) {
	before := func(days int) fact.Time { return fact.NewTime(ft.Time.AddDate(0, 0, -days)) }
	compared := func(h *fact.HostVulnerabilities, edits ...func(*fact.VulnerabilityData)) *fact.Set {
		return ft.Edit(host(fact.Host{Inventory: []fact.InstalledPackage{{Name: "openssl", Version: "1"}}}), func(s *fact.Set) {
			s.Vulnerabilities = &fact.VulnerabilityData{Name: "all.zip", Modified: before(1), Compared: ft.Time, Records: 70_000}
			for _, edit := range edits {
				edit(s.Vulnerabilities)
			}
			if h != nil && h.Modified.IsZero() {
				h.Modified = s.Vulnerabilities.Modified
			}
			s.Nodes[0].Vulnerable = h
		})
	}
	clean := func() *fact.HostVulnerabilities {
		return &fact.HostVulnerabilities{Ecosystem: "Debian:12", Covered: true, Packages: 400}
	}
	found := func(fixable int, list ...fact.Vulnerability) *fact.HostVulnerabilities {
		h := clean()
		h.Found, h.Fixable = list, fixable
		ids := map[string]bool{}
		for _, v := range list {
			ids[v.ID] = true
		}
		h.Total = len(ids)
		return h
	}
	one := func(n int, fixed, severity string) fact.Vulnerability {
		return fact.Vulnerability{ID: fmt.Sprintf("CVE-2026-%d", n), Records: []string{fmt.Sprintf("DSA-%d-1", n)}, Package: "openssl", Installed: "1.0-1", Fixed: fixed, Severity: severity}
	}
	const (
		database = "database all.zip"
		data     = "70000 records, the newest of 2026-11-23"
		packages = "node/n1 installed packages"
		installs = "400 packages compared with records of Debian:12"
		source   = "node/n1 source package openssl"
	)
	evidence := func(lines ...string) []string { return append(lines, packages, installs, database, data) }
	finding := func(verdict api.Verdict, severity api.Severity, reason fact.Reason, message string, lines ...string) []api.Finding {
		return ft.One(api.Finding{Verdict: verdict, Severity: severity, Reason: reason, Subject: ft.NodeSubject(), Message: message, Evidence: ft.Evidence(lines...)})
	}
	ft.Judge(t, checks.OfSet(judgeKnownVulnerabilities), map[string]row{
		"none passes": {compared(clean()), finding(api.Pass, "", "", "no known vulnerability in its packages", evidence()...)},
		"none in those of the distribution passes, and says of which nothing is known": {
			compared(func() *fact.HostVulnerabilities {
				h := clean()
				h.NotCoveredCount, h.NotCovered = 2, []string{"docker-ce", "kubelet"}
				return h
			}()),
			finding(api.Pass, "", "", "no known vulnerability in its packages, without the 2 that are not the distribution's own",
				packages, installs+"; 2 of them not the distribution's own: docker-ce, kubelet", database, data),
		},
		"one with a fix fails by its severity": {
			compared(found(1, one(1, "2.0-1", "high"), one(2, "", "critical"))),
			finding(api.Fail, api.High, "", "2 known vulnerabilities, 1 with a fix: openssl CVE-2026-1, openssl CVE-2026-2",
				evidence(source, "CVE-2026-1: 1.0-1 installed, fixed in 2.0-1, severity high (DSA-1-1)", source, "CVE-2026-2: 1.0-1 installed, no fix, severity critical (DSA-2-1)")...),
		},
		"one of unknown severity is of medium": {
			compared(found(1, one(1, "2.0-1", ""))),
			finding(api.Fail, api.Medium, "", "1 known vulnerability, 1 with a fix: openssl CVE-2026-1",
				evidence(source, "CVE-2026-1: 1.0-1 installed, fixed in 2.0-1, severity unknown (DSA-1-1)")...),
		},
		"none with a fix fails, low": {
			compared(found(0, one(1, "", "critical"))),
			finding(api.Fail, api.Low, "", "1 known vulnerability, none with a fix: openssl CVE-2026-1",
				evidence(source, "CVE-2026-1: 1.0-1 installed, no fix, severity critical (DSA-1-1)")...),
		},
		"names beyond three are counted": {
			compared(found(4, one(1, "2", "low"), one(2, "2", "low"), one(3, "2", "low"), one(4, "2", "low"))),
			finding(api.Fail, api.Low, "", "4 known vulnerabilities, 4 with a fix: openssl CVE-2026-1, openssl CVE-2026-2, openssl CVE-2026-3 and 1 more",
				evidence(source, "CVE-2026-1: 1.0-1 installed, fixed in 2, severity low (DSA-1-1)", source, "CVE-2026-2: 1.0-1 installed, fixed in 2, severity low (DSA-2-1)",
					source, "CVE-2026-3: 1.0-1 installed, fixed in 2, severity low (DSA-3-1)", source, "CVE-2026-4: 1.0-1 installed, fixed in 2, severity low (DSA-4-1)")...),
		},
		"what is not listed is counted": {
			compared(func() *fact.HostVulnerabilities {
				h := found(1, one(1, "2", "low"))
				h.Total, h.Unlisted = 900, 899
				return h
			}()),
			finding(api.Fail, api.Low, "", "900 known vulnerabilities, 1 with a fix: openssl CVE-2026-1 and 899 more",
				source, "CVE-2026-1: 1.0-1 installed, fixed in 2, severity low (DSA-1-1)", packages, installs+"; 899 vulnerabilities more than are listed here", database, data),
		},
		"one fails by an old database that was read in part all the same": {
			compared(found(1, one(1, "2", "low")), func(d *fact.VulnerabilityData) {
				d.Modified, d.Unreadable, d.Faults, d.Incomplete = before(90), 1, []string{"x.json: why"}, "it was cut"
			}),
			finding(api.Fail, api.Low, "", "1 known vulnerability, 1 with a fix: openssl CVE-2026-1",
				source, "CVE-2026-1: 1.0-1 installed, fixed in 2, severity low (DSA-1-1)", packages, installs,
				database, "70000 records, the newest of 2026-08-26; 1 could not be read: x.json: why; not read whole: it was cut"),
		},
		"none by a database that was not read whole is unknown": {
			compared(clean(), func(d *fact.VulnerabilityData) { d.Incomplete = "it was cut" }),
			finding(api.VerdictUnknown, "", fact.Truncated, "no known vulnerability was found, but the database was not read whole: it was cut",
				packages, installs, database, data+"; not read whole: it was cut"),
		},
		"none by a database with damaged records is unknown": {
			compared(clean(), func(d *fact.VulnerabilityData) { d.Unreadable, d.Faults = 2, []string{"x.json: why"} }),
			finding(api.VerdictUnknown, "", fact.Corrupt, "no known vulnerability was found, but 2 records of the database could not be read",
				packages, installs, database, data+"; 2 could not be read: x.json: why"),
		},
		"none by a database of other systems is unknown": {
			compared(func() *fact.HostVulnerabilities { h := clean(); h.Covered = false; return h }()),
			finding(api.VerdictUnknown, "", fact.NotPresent, "the database has no record of Debian:12", evidence()...),
		},
		"a system that no database has is unknown": {
			compared(&fact.HostVulnerabilities{Packages: 400, Unsupported: "databases of this format have no data for Amazon Linux 2023"}),
			finding(api.VerdictUnknown, "", fact.Unsupported, "databases of this format have no data for Amazon Linux 2023", packages, "400 packages", database, data),
		},
		"none beside a record that decides nothing is unknown": {
			compared(func() *fact.HostVulnerabilities {
				h := clean()
				h.Undecided, h.UndecidedCount = []string{"DSA-1-1 openssl: why"}, 1
				return h
			}()),
			finding(api.VerdictUnknown, "", fact.Unsupported, "no known vulnerability was found, but 1 record about its packages cannot be compared",
				append(evidence(), database, "not comparable: DSA-1-1 openssl: why")...),
		},
		"none by a database of 30 days ago passes": {
			compared(clean(), func(d *fact.VulnerabilityData) { d.Modified = before(30) }),
			finding(api.Pass, "", "", "no known vulnerability in its packages", packages, installs, database, "70000 records, the newest of 2026-10-25"),
		},
		"none by a database of 31 days ago is unknown": {
			compared(clean(), func(d *fact.VulnerabilityData) { d.Modified = before(31) }),
			finding(api.VerdictUnknown, "", fact.NotPresent, "no known vulnerability was found, but the database's newest record of Debian:12 is 31 days old",
				packages, installs, database, "70000 records, the newest of 2026-10-24"),
		},
		"none by old records of its system is unknown, however new others are": {
			compared(func() *fact.HostVulnerabilities { h := clean(); h.Modified = before(400); return h }()),
			finding(api.VerdictUnknown, "", fact.NotPresent, "no known vulnerability was found, but the database's newest record of Debian:12 is 400 days old",
				packages, installs, database, data),
		},
		"none by a database without dates is unknown": {
			compared(clean(), func(d *fact.VulnerabilityData) { d.Modified = fact.Time{} }),
			finding(api.VerdictUnknown, "", fact.NotPresent, "no known vulnerability was found, but the age of the database is unknown", packages, installs, database, "70000 records"),
		},
		"no package that was compared is unknown": {
			compared(&fact.HostVulnerabilities{Ecosystem: "Debian:12", Covered: true}),
			finding(api.VerdictUnknown, "", fact.NotPresent, "no installed package was compared", packages, "0 packages compared with records of Debian:12", database, data),
		},
		"a node that was not compared is unknown": {
			compared(nil), finding(api.VerdictUnknown, "", fact.NotPresent, "its packages were not compared with a database of vulnerabilities: give one with --vulnerabilities", packages, "1 package"),
		},
		"a node whose packages were not listed gives nothing here: its gap does": {
			ft.Edit(compared(clean()), func(s *fact.Set) { s.Nodes[0].Measured.Read = nil }), nil,
		},
	})
}

// Without a database the check does not run, and nothing depends on it: the question
// gets the answer of its other parts.
func TestKnownVulnerabilitiesWithoutADatabase(t *testing.T) {
	other := KernelOutdated
	other.Judge = func(*checks.View) []api.Finding {
		return ft.One(api.Finding{Verdict: api.Pass, Subject: ft.NodeSubject(), Evidence: ft.Evidence("a", "b")})
	}
	plan := checks.Plan{
		Checks: []checks.Check{other, KnownVulnerabilities}, Known: []string{other.ID, KnownVulnerabilities.ID},
		Parts: []checks.Part{
			{Question: api.Hosts, Name: "other", Checks: []string{other.ID}},
			{Question: api.Hosts, Name: "vulnerabilities", Optional: true, Checks: []string{KnownVulnerabilities.ID}},
		},
	}
	set := host(fact.Host{})
	set.Nodes[0].Listed = true
	set.Nodes[0].Measured.Read = []fact.Kind{fact.Kernel}
	for name, tc := range map[string]struct {
		plan checks.Plan
		want api.AnswerWord
	}{"with other checks": {plan, api.Yes}, "alone": {func() checks.Plan { p := plan; p.Checks = p.Checks[1:]; return p }(), api.Unknown}} {
		result := checks.JudgeSet(tc.plan, set)
		if len(result.Answers) != 1 || result.Answers[0].Answer != tc.want || len(result.Gaps) != 0 {
			t.Errorf("%s: %+v, gaps %v", name, result.Answers, result.Gaps)
			continue
		}
		part := result.Answers[0].Parts[1]
		if part.Answer != api.Unknown || !strings.Contains(part.Reason, "no database was given for known-vulnerabilities: see --vulnerabilities") {
			t.Errorf("%s: the part is %s: %s", name, part.Answer, part.Reason)
		}
	}
	// With one, a list that was not read is a gap.
	set.Vulnerabilities = &fact.VulnerabilityData{Name: "all.zip", Records: 1}
	result := checks.JudgeSet(plan, set)
	if len(result.Gaps) != 1 || result.Answers[0].Answer != api.Unknown {
		t.Errorf("with a database: %+v, gaps %v", result.Answers, result.Gaps)
	}
}
