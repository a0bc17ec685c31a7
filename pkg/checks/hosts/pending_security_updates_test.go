package hosts

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestPendingSecurityUpdates(t *testing.T) {
	const db = "node/n1 /var/lib/dpkg/status"
	before := func(days int) fact.Time { return fact.NewTime(ft.Time.AddDate(0, 0, -days)) }
	state := func(dated fact.Time, pending ...fact.PendingUpdate) *fact.Set {
		return host(fact.Host{Packages: &fact.PackageState{
			Manager: "apt", Database: "/var/lib/dpkg/status", Installed: 734, Indexes: 6, Pending: pending,
			Checked: fact.NewTime(ft.Time.Time), Content: fact.NewTime(ft.Time.Time), // prove nothing
			Archives: []fact.PackageArchive{
				{Name: "Debian-Security/stable-security", Security: true, Date: dated},
				{Name: "Debian/stable", Date: fact.NewTime(ft.Time.Time)},
			},
		}})
	}
	edited := func(set *fact.Set, edit func(*fact.PackageState)) *fact.Set {
		return ft.Edit(set, func(s *fact.Set) { edit(s.Nodes[0].Measured.Host.Packages) })
	}
	security := func(name string) fact.PendingUpdate {
		return fact.PendingUpdate{Name: name, Arch: "amd64", Installed: "1.0-1", Candidate: "1.0-2", Security: "1.0-2", Archive: "Debian-Security"}
	}
	plain := fact.PendingUpdate{Name: "vim", Arch: "amd64", Installed: "1.0-1", Candidate: "1.0-2"}
	unclassified := fact.PendingUpdate{Name: "docker-ce", Arch: "x86_64", Installed: "1.0-1", Candidate: "1.0-2", Unclassified: true}
	held, phased := security("openssl"), security("snapd")
	held.Held, phased.Phasing, phased.Phased = true, true, 20
	summary := func(others, checked string) string {
		return "734 packages installed, 6 package lists, " + others + " other updates pending; archive Debian-Security/stable-security " + checked
	}
	finding := func(verdict api.Verdict, message string, evidence ...string) []api.Finding {
		f := api.Finding{Verdict: verdict, Subject: ft.NodeSubject(), Message: message, Evidence: ft.Evidence(evidence...)}
		if verdict == api.VerdictUnknown {
			f.Reason = fact.NotPresent
		}
		return ft.One(f)
	}
	const today = "dated 2026-11-24T12:00:00Z"
	const value = "1.0-1 installed, 1.0-2 in Debian-Security"

	ft.Judge(t, checks.OfSet(judgePendingSecurityUpdates), map[string]row{
		"none pending passes":                    {state(before(0)), finding(api.Pass, "no security update is pending", db, summary("0", today))},
		"an update that is no security's passes": {state(before(0), plain), finding(api.Pass, "no security update is pending", db, summary("1", today))},
		"a security update fails": {
			state(before(0), security("openssl"), plain),
			finding(api.Fail, "1 security update pending: openssl", db, summary("1", today), db+" openssl:amd64", value),
		},
		"names beyond three are counted": {
			state(before(0), security("a"), security("b"), security("c"), security("d"), security("e")),
			finding(api.Fail, "5 security updates pending: a, b, c and 2 more", db, summary("0", today), db+" a:amd64", value,
				db+" b:amd64", value, db+" c:amd64", value, db+" d:amd64", value, db+" e:amd64", value),
		},
		"one on hold fails and is named apart": {
			state(before(0), held, security("zlib1g")),
			finding(api.Fail, "1 security update pending: zlib1g; 1 security update held back: openssl", db, summary("0", today),
				db+" zlib1g:amd64", value, db+" openssl:amd64", value+", held back"),
		},
		"one that the archive stopped is said to be": {
			state(before(0), func() fact.PendingUpdate { p := phased; p.Phased = 0; return p }()),
			finding(api.Fail, "1 security update pending: snapd", db, summary("0", today), db+" snapd:amd64", value+", phased to 0%"),
		},
		"a phased one is said to be": {
			state(before(0), phased),
			finding(api.Fail, "1 security update pending: snapd", db, summary("0", today), db+" snapd:amd64", value+", phased to 20%"),
		},
		"none pending by an index of a week ago passes with a note": {
			state(before(8)),
			finding(api.Pass, "no security update is pending, but its security index is 8 days old", db, summary("0", "dated 2026-11-16T12:00:00Z")),
		},
		"none pending by an index of a month ago is unknown": {
			state(before(31)),
			finding(api.VerdictUnknown, "no security update is pending in its lists, but its security index is 31 days old",
				db, summary("0", "dated 2026-10-24T12:00:00Z")),
		},
		"none pending by an index that is no longer valid is unknown": {
			edited(state(before(8)), func(p *fact.PackageState) { p.Archives[0].ValidUntil = before(1) }),
			finding(api.VerdictUnknown, "no security update is pending in its lists, but its security index is no longer valid: it is 8 days old",
				db, summary("0", "dated 2026-11-16T12:00:00Z, valid until 2026-11-23T12:00:00Z")),
		},
		"none pending by an index from the future is unknown": {
			state(before(-2)),
			finding(api.VerdictUnknown, "no security update is pending in its lists, but its security index is dated in the future: a clock is wrong",
				db, summary("0", "dated 2026-11-26T12:00:00Z")),
		},
		"clocks may differ by hours": {
			ft.Edit(state(before(-2)), func(s *fact.Set) { s.CollectedAt = fact.NewTime(ft.Time.Add(25 * time.Hour)) }),
			finding(api.Pass, "no security update is pending", db, summary("0", "dated 2026-11-26T12:00:00Z")),
		},
		"none pending by an index without a date is unknown": {
			state(fact.Time{}),
			finding(api.VerdictUnknown, "no security update is pending in its lists, but the age of its security index is unknown", db, summary("0", "no date")),
		},
		"of two security archives the older one counts": {
			edited(state(before(0)), func(p *fact.PackageState) {
				p.Archives = append(p.Archives, fact.PackageArchive{Name: "UbuntuESM/jammy", Security: true, Date: before(40)})
			}),
			finding(api.VerdictUnknown, "no security update is pending in its lists, but its security index is 40 days old",
				db, "734 packages installed, 6 package lists, 0 other updates pending; archive UbuntuESM/jammy dated 2026-10-15T12:00:00Z"),
		},
		"facts of a version that did not read archives are unknown, whenever somebody tried": {
			edited(state(before(0)), func(p *fact.PackageState) { p.Archives = nil }),
			finding(api.VerdictUnknown, "no security update is pending in its lists, but no index of a security archive is in use, so its age is unknown",
				db, "734 packages installed, 6 package lists, 0 other updates pending; /var/lib/dpkg/status no security archive"),
		},
		"a security update by an old index fails all the same": {
			state(before(90), security("openssl")),
			finding(api.Fail, "1 security update pending: openssl", db, summary("0", "dated 2026-08-26T12:00:00Z"), db+" openssl:amd64", value),
		},
		"age is told against the run, not the clock": {
			ft.Edit(state(before(0)), func(s *fact.Set) { s.CollectedAt = fact.NewTime(ft.Time.Add(31 * 24 * time.Hour)) }),
			finding(api.VerdictUnknown, "no security update is pending in its lists, but its security index is 31 days old", db, summary("0", today)),
		},
		"an update of an advisory names it": {
			state(before(0), func() fact.PendingUpdate { p := security("openssl"); p.Advisory = "RHSA-2026:1"; return p }()),
			finding(api.Fail, "1 security update pending: openssl", db, summary("0", today), db+" openssl:amd64", value+" (RHSA-2026:1)"),
		},
		"an update from an archive without advisories, beside one with them, is unknown": {
			state(before(0), plain, unclassified),
			finding(api.VerdictUnknown, "1 update pending, security unknown: no advisories are published for them", db, summary("2", today)),
		},
		"an archive without advisories, without updates, beside one with them, passes": {
			edited(state(before(0)), func(p *fact.PackageState) {
				p.Archives = append(p.Archives, fact.PackageArchive{Name: "vendor", Unclassified: true})
			}),
			finding(api.Pass, "no security update is pending", db, summary("0", today)),
		},
		"an old list without advisories, on which a package depends, is unknown": {
			edited(state(before(0)), func(p *fact.PackageState) {
				p.Archives = append(p.Archives, fact.PackageArchive{Name: "vendor", Unclassified: true, Checked: before(31), Date: before(900)})
				p.Uncovered, p.UncoveredCount = []fact.UncoveredPackage{{Name: "docker-ce", Why: fact.OutsideAdvisory}}, 1
			}),
			finding(api.VerdictUnknown, "no security update is pending in its lists, but the list of vendor is old, and it says nothing about security: 31 days old",
				db, summary("0", today), "node/n1 archive vendor", "checked 2026-10-24T12:00:00Z, no date"),
		},
		"a frozen list without advisories that is checked passes": {
			edited(state(before(0)), func(p *fact.PackageState) {
				p.Archives = append(p.Archives, fact.PackageArchive{Name: "vendor", Unclassified: true, Checked: before(1), Date: before(900)})
				p.Uncovered, p.UncoveredCount = []fact.UncoveredPackage{{Name: "docker-ce", Why: fact.OutsideAdvisory}}, 1
			}),
			finding(api.Pass, "no security update is pending", db, summary("0", today)),
		},
		"an old list without advisories, on which no package depends, passes": {
			edited(state(before(0)), func(p *fact.PackageState) {
				p.Archives = append(p.Archives, fact.PackageArchive{Name: "frozen", Unclassified: true, Checked: before(900)})
			}),
			finding(api.Pass, "no security update is pending", db, summary("0", today)),
		},
		"a fix that no list of packages has fails": {
			state(before(0), func() fact.PendingUpdate { p := held; p.Archive, p.Advisory = "", "SA-1"; return p }()),
			finding(api.Fail, "1 security update held back: openssl", db, summary("0", today), db+" openssl:amd64",
				"1.0-1 installed, 1.0-2 in no list of packages (SA-1), held back"),
		},
		"no update pending, where no archive has advisories, is unknown": {
			edited(state(before(0)), func(p *fact.PackageState) {
				p.Archives = []fact.PackageArchive{{Name: "core", Unclassified: true, Checked: before(0)}}
			}),
			finding(api.VerdictUnknown, "0 updates pending, security unknown: no advisories are published for them",
				db, "734 packages installed, 6 package lists, 0 other updates pending; archive core checked 2026-11-24T12:00:00Z, no date"),
		},
		"a security update fails beside one without advisories": {
			state(before(0), security("openssl"), unclassified),
			finding(api.Fail, "1 security update pending: openssl", db, summary("1", today), db+" openssl:amd64", value),
		},
		"none pending on a pinned release is unknown": {
			edited(state(before(0)), func(p *fact.PackageState) {
				p.Pin = &fact.ReleasePin{Release: "2023.5.20240708", Source: "/etc/dnf/vars/releasever"}
			}),
			finding(api.VerdictUnknown, "no security update is pending, but the node stays on release 2023.5.20240708: later updates are not visible",
				db, summary("0", today), "node/n1 /etc/dnf/vars/releasever", "release 2023.5.20240708"),
		},
		"none pending, but the security archive of a component is not in use": {
			edited(state(before(0)), func(p *fact.PackageState) {
				p.UncoveredCount = 2
				p.Uncovered = []fact.UncoveredPackage{{Name: "bash", Why: fact.OutsideComponent}, {Name: "kubelet", Why: fact.OutsideLists}}
			}),
			finding(api.VerdictUnknown, "no security update is pending in its lists, but for 1 package of the release no security archive is in use",
				db, summary("0", today)),
		},
		"none pending beside packages of no archive: hosts/uncovered-packages names them": {
			edited(state(before(0)), func(p *fact.PackageState) {
				p.UncoveredCount = 1
				p.Uncovered = []fact.UncoveredPackage{{Name: "kubelet", Why: fact.OutsideLists}}
			}),
			finding(api.Pass, "no security update is pending", db, summary("0", today)),
		},
		"no index is unknown": {
			ft.Edit(state(before(0)), func(s *fact.Set) { s.Nodes[0].Measured.Host.Packages.Indexes = 0 }),
			finding(api.VerdictUnknown, "it has no package index to compare with", db, "734 packages installed, 0 package lists"),
		},
		"no database is unknown": {
			host(fact.Host{}), finding(api.VerdictUnknown, "no package database was found", "node/n1 package database", "none"),
		},
		"a node whose packages were not read gives nothing here: its gap does": {
			ft.Edit(state(before(0)), func(s *fact.Set) { s.Nodes[0].Measured.Read = nil }), nil,
		},
	})
}

// A report holds each pending package: no list of theirs is cut at a few.
func TestAllPendingPackagesAreEvidence(t *testing.T) {
	state := &fact.PackageState{Manager: "apt", Database: "/var/lib/dpkg/status", Installed: 734, Indexes: 6}
	for i := range 300 {
		state.Pending = append(state.Pending, fact.PendingUpdate{Name: fmt.Sprintf("p%03d", i), Arch: "amd64", Security: "2"})
	}
	set := host(fact.Host{Packages: state})
	plan := checks.Plan{Checks: []checks.Check{PendingSecurityUpdates}, Known: []string{PendingSecurityUpdates.ID}}
	findings := checks.JudgeSet(plan, set).Findings
	if len(findings) != 1 || len(findings[0].Evidence) != 301 || !strings.HasSuffix(findings[0].Evidence[300].Source, " p299:amd64") {
		t.Errorf("%d findings, %d pieces of evidence", len(findings), len(findings[0].Evidence))
	}
}
