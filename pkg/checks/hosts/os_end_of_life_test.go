package hosts

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// The tests' time is 2026-11-24.
func TestOSEndOfLife(t *testing.T) {
	state := func(id, version, name string, edits ...func(*fact.Host)) *fact.Set {
		h := fact.Host{OS: fact.OSRelease{Path: "/usr/lib/os-release", ID: id, VersionID: version, PrettyName: name}}
		for _, edit := range edits {
			edit(&h)
		}
		return host(h)
	}
	esm := func(h *fact.Host) {
		h.Packages = &fact.PackageState{Archives: []fact.PackageArchive{{Name: "UbuntuESM/focal-infra-security", Security: true}}}
	}
	data := "end-of-life data of 2026-04-25 (distro-info-data)"
	finding := func(verdict api.Verdict, severity api.Severity, message, os string, ends ...string) []api.Finding {
		f := api.Finding{Verdict: verdict, Severity: severity, Subject: ft.NodeSubject(), Message: message}
		evidence := []string{"node/n1 /usr/lib/os-release", os}
		for _, e := range ends {
			evidence = append(evidence, data, e)
		}
		f.Evidence = ft.Evidence(evidence...)
		if verdict == api.VerdictUnknown {
			f.Reason = fact.NotPresent
		}
		return ft.One(f)
	}
	unsupported := func(f []api.Finding) []api.Finding {
		f[0].Reason = fact.Unsupported
		return f
	}
	from := func(data string, f []api.Finding) []api.Finding {
		f[0].Evidence[1].Source = "end-of-life data of " + data
		return f
	}
	runs := func(release string) func(*fact.Host) {
		return func(h *fact.Host) { h.Running = &fact.RunningKernel{Release: release} }
	}
	line := func(f []api.Finding, release, end string) []api.Finding {
		f[0].Evidence = append(f[0].Evidence, ft.Evidence("node/n1 /proc/sys/kernel/osrelease", release,
			"kernel lines of 2026-03-01 (https://kernel.org/releases.html)", end)...)
		return f
	}
	const bookworm = "Debian GNU/Linux 12 (bookworm)"
	ft.Judge(t, checks.OfSet(judgeOSEndOfLife), map[string]row{
		"supported": {
			state("debian", "13", "Debian GNU/Linux 13 (trixie)"),
			finding(api.Pass, "", "Debian GNU/Linux 13 (trixie) gets security updates until 2028-08-09", "ID=debian VERSION_ID=13",
				"security updates until 2028-08-09, extended until 2030-06-30"),
		},
		"in LTS": {
			state("debian", "12", bookworm),
			finding(api.Fail, api.Medium, bookworm+" gets only extended security updates since 2026-07-11", "ID=debian VERSION_ID=12",
				"security updates until 2026-07-11, extended until 2028-06-30"),
		},
		"after LTS": {
			state("debian", "11", ""),
			finding(api.Fail, "", "debian 11 gets no security updates any more", "ID=debian VERSION_ID=11",
				"security updates until 2024-08-14, extended until 2026-08-31"),
		},
		"ESM alone, and it is in use": {
			state("ubuntu", "20.04", "Ubuntu 20.04.6 LTS", esm),
			finding(api.Fail, api.Medium, "Ubuntu 20.04.6 LTS gets only extended security updates since 2025-05-29", "ID=ubuntu VERSION_ID=20.04",
				"security updates until 2025-05-29, extended until 2030-04-23"),
		},
		"ESM alone, and it is not in use": {
			state("ubuntu", "20.04", "Ubuntu 20.04.6 LTS"),
			finding(api.Fail, "", "Ubuntu 20.04.6 LTS gets security updates only from ESM since 2025-05-29, and no ESM archive is in use", "ID=ubuntu VERSION_ID=20.04",
				"security updates until 2025-05-29, extended until 2030-04-23"),
		},
		"a run long after the data were made": {
			ft.Edit(state("debian", "13", "x"), func(s *fact.Set) { s.CollectedAt = fact.NewTime(ft.Time.AddDate(1, 0, 0)) }),
			finding(api.VerdictUnknown, "", "the end-of-life data about x, of 2026-04-25, are too old to tell", "ID=debian VERSION_ID=13",
				"security updates until 2028-08-09, extended until 2030-06-30"),
		},
		"another distribution, by its major number": {
			state("rocky", "9.4", "Rocky Linux 9.4"),
			from("2025-12-01 (https://wiki.rockylinux.org/rocky/version/)", finding(api.Pass, "", "Rocky Linux 9.4 gets security updates until 2032-05-31",
				"ID=rocky VERSION_ID=9.4", "security updates until 2032-05-31")),
		},
		"extended support that is sold": {
			state("sles", "15.6", "SUSE Linux Enterprise Server 15 SP6"),
			from("2026-01-01 (https://www.suse.com/lifecycle)", finding(api.Fail, "",
				"SUSE Linux Enterprise Server 15 SP6 gets security updates only with paid extended support since 2025-12-31",
				"ID=sles VERSION_ID=15.6", "security updates until 2025-12-31, extended until 2028-12-31")),
		},
		"a distribution that is not in the data": {
			state("arch", "", "Arch Linux"),
			unsupported(finding(api.VerdictUnknown, "", "this version has no end-of-life date of Arch Linux", "ID=arch VERSION_ID=")),
		},
		"a kernel whose line has ended, on a supported system": {
			state("debian", "13", "Debian GNU/Linux 13 (trixie)", runs("5.4.200")),
			line(finding(api.Fail, "", "its kernel line 5.4 gets no fixes any more (Debian GNU/Linux 13 (trixie) gets security updates until 2028-08-09)", "ID=debian VERSION_ID=13",
				"security updates until 2028-08-09, extended until 2030-06-30"), "5.4.200", "5.4: fixes until 2025-12-03"),
		},
		"a kernel whose line has ended, on a system in LTS: the graver one counts": {
			state("debian", "12", bookworm, runs("6.13.7")),
			line(finding(api.Fail, "", bookworm+" gets only extended security updates since 2026-07-11; its kernel line 6.13 gets no fixes any more", "ID=debian VERSION_ID=12",
				"security updates until 2026-07-11, extended until 2028-06-30"), "6.13.7", "6.13: no fixes any more"),
		},
		"a kernel whose line gets fixes": {
			state("debian", "13", "x", runs("6.12.40-talos")),
			line(finding(api.Pass, "", "x gets security updates until 2028-08-09", "ID=debian VERSION_ID=13",
				"security updates until 2028-08-09, extended until 2030-06-30"), "6.12.40-talos", "6.12: fixes until 2028-12-31"),
		},
		"a kernel that the distribution maintains": {
			state("debian", "13", "x", runs("5.4.0-200-generic")),
			finding(api.Pass, "", "x gets security updates until 2028-08-09", "ID=debian VERSION_ID=13", "security updates until 2028-08-09, extended until 2030-06-30"),
		},
		"a release without a number": {
			state("debian", "", "Debian GNU/Linux forky/sid"),
			unsupported(finding(api.VerdictUnknown, "", "this version has no end-of-life date of Debian GNU/Linux forky/sid", "ID=debian VERSION_ID=")),
		},
		"os-release without ID": {
			state("", "12", "Debian"), finding(api.VerdictUnknown, "", "the operating system is unknown: os-release has no ID", "no ID"),
		},
		"the system is known though its packages are not": {
			ft.Edit(state("debian", "13", "x"), func(s *fact.Set) { s.Nodes[0].Measured.Read = nil }),
			finding(api.Pass, "", "x gets security updates until 2028-08-09", "ID=debian VERSION_ID=13", "security updates until 2028-08-09, extended until 2030-06-30"),
		},
		"a node that was not measured": {ft.Edit(state("debian", "13", "x"), func(s *fact.Set) { s.Nodes[0].Measured = nil }), nil},
	})
}

// Packages that were not read leave nothing open about a system that is known.
func TestOSEndOfLifeWithoutPackages(t *testing.T) {
	for id, want := range map[string]api.Verdict{"debian": api.Pass, "": api.VerdictUnknown} {
		set := host(fact.Host{OS: fact.OSRelease{ID: id, VersionID: "13"}})
		set.Nodes[0].Measured.Read = nil
		set.Nodes[0].Measured.Gaps = []fact.NodeGap{{What: fact.Packages, Reason: fact.Unsupported}}
		plan := checks.Plan{Checks: []checks.Check{OSEndOfLife}, Known: []string{OSEndOfLife.ID}}
		if got := checks.JudgeSet(plan, set).Findings; len(got) != 1 || got[0].Verdict != want {
			t.Errorf("%q: want %s, got %+v", id, want, got)
		}
	}
}
