package hosts

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestPackageIndexStale(t *testing.T) {
	before := func(days int) fact.Time { return fact.NewTime(ft.Time.AddDate(0, 0, -days)) }
	state := func(archives ...fact.PackageArchive) *fact.Set {
		return host(fact.Host{Packages: &fact.PackageState{
			Manager: "apt", Database: "/var/lib/dpkg/status", Installed: 734, Indexes: 6, Archives: archives,
			Checked: fact.NewTime(ft.Time.Time), Content: fact.NewTime(ft.Time.Time),
		}})
	}
	security := func(dated, valid fact.Time) fact.PackageArchive {
		return fact.PackageArchive{Name: "Debian-Security/stable-security", Security: true, Date: dated, ValidUntil: valid}
	}
	main := fact.PackageArchive{Name: "Debian/stable", Date: before(0)}
	const source = "node/n1 archive Debian-Security/stable-security"
	finding := func(verdict api.Verdict, severity api.Severity, message, source, value string) []api.Finding {
		f := api.Finding{Verdict: verdict, Severity: severity, Subject: ft.NodeSubject(), Message: message, Evidence: ft.Evidence(source, value)}
		if verdict == api.VerdictUnknown {
			f.Reason = fact.NotPresent
		}
		return ft.One(f)
	}
	ft.Judge(t, checks.OfSet(judgePackageIndexStale), map[string]row{
		"of today": {
			state(security(before(0), fact.Time{})),
			finding(api.Pass, "", "its security index is at most 7 days old", source, "dated 2026-11-24T12:00:00Z"),
		},
		"of a week ago": {
			state(security(before(7), before(-1))),
			finding(api.Pass, "", "its security index is at most 7 days old", source, "dated 2026-11-17T12:00:00Z, valid until 2026-11-25T12:00:00Z"),
		},
		"older than a week": {
			state(security(before(8), fact.Time{})),
			finding(api.Fail, api.Low, "its security index is 8 days old", source, "dated 2026-11-16T12:00:00Z"),
		},
		"older than a month, while others are fresh": {
			state(security(before(365), fact.Time{}), main),
			finding(api.Fail, "", "its security index is 365 days old", source, "dated 2025-11-24T12:00:00Z"),
		},
		"no longer valid": {
			state(security(before(5), before(1))),
			finding(api.Fail, "", "its security index is no longer valid: it is 5 days old", source, "dated 2026-11-19T12:00:00Z, valid until 2026-11-23T12:00:00Z"),
		},
		"from the future": {
			state(security(before(-2), fact.Time{})),
			finding(api.VerdictUnknown, "", "its security index is dated in the future: a clock is wrong", source, "dated 2026-11-26T12:00:00Z"),
		},
		"without a date": {
			state(security(fact.Time{}, fact.Time{})),
			finding(api.VerdictUnknown, "", "the age of its security index is unknown", source, "no date"),
		},
		"no security archive": {
			state(main),
			finding(api.VerdictUnknown, "", "no index of a security archive is in use, so its age is unknown", "node/n1 /var/lib/dpkg/status", "no security archive"),
		},
		"one of unknown age beside a fresh one": {
			state(security(before(0), fact.Time{}), fact.PackageArchive{Name: "UbuntuESM/jammy", Security: true}),
			finding(api.VerdictUnknown, "", "the age of its security index is unknown", "node/n1 archive UbuntuESM/jammy", "no date"),
		},
		"of an archive that signs no date, checked today": {
			state(fact.PackageArchive{Name: "baseos", Security: true, Checked: before(0), Date: before(59)}),
			finding(api.Pass, "", "its security index is at most 7 days old", "node/n1 archive baseos", "checked 2026-11-24T12:00:00Z, dated 2026-09-26T12:00:00Z"),
		},
		"checked today, but without new content for two months": {
			state(fact.PackageArchive{Name: "baseos", Security: true, Checked: before(0), Date: before(61)}),
			finding(api.Fail, api.Low, "the newest content of its security index is 61 days old", "node/n1 archive baseos", "checked 2026-11-24T12:00:00Z, dated 2026-09-24T12:00:00Z"),
		},
		"checked today, but frozen for more than a year": {
			state(fact.PackageArchive{Name: "baseos", Security: true, Checked: before(0), Date: before(366)}),
			finding(api.Fail, "", "the newest content of its security index is 366 days old", "node/n1 archive baseos", "checked 2026-11-24T12:00:00Z, dated 2025-11-23T12:00:00Z"),
		},
		"checked last week, and frozen for more than a year": {
			state(fact.PackageArchive{Name: "baseos", Security: true, Checked: before(8), Date: before(366)}),
			finding(api.Fail, "", "the newest content of its security index is 366 days old", "node/n1 archive baseos", "checked 2026-11-16T12:00:00Z, dated 2025-11-23T12:00:00Z"),
		},
		"of an archive that signs no date, not checked for a month": {
			state(fact.PackageArchive{Name: "baseos", Security: true, Checked: before(31), Date: before(31)}),
			finding(api.Fail, "", "its security index is 31 days old", "node/n1 archive baseos", "checked 2026-10-24T12:00:00Z, dated 2026-10-24T12:00:00Z"),
		},
		"of archives that all publish no advisories": {
			state(fact.PackageArchive{Name: "core", Unclassified: true, Checked: before(1)}, fact.PackageArchive{Name: "extra", Unclassified: true, Checked: before(9)}),
			finding(api.Fail, api.Low, "its security index is 9 days old", "node/n1 archive extra", "checked 2026-11-15T12:00:00Z, no date"),
		},
		"an archive without advisories beside one with them does not count": {
			state(security(before(0), fact.Time{}), fact.PackageArchive{Name: "vendor", Unclassified: true, Checked: before(90)}),
			finding(api.Pass, "", "its security index is at most 7 days old", source, "dated 2026-11-24T12:00:00Z"),
		},
		"no database":                  {host(fact.Host{}), nil},
		"packages that were not read":  {ft.Edit(state(main), func(s *fact.Set) { s.Nodes[0].Measured.Read = nil }), nil},
		"a node that was not measured": {ft.Edit(state(main), func(s *fact.Set) { s.Nodes[0].Measured = nil }), nil},
	})
}
