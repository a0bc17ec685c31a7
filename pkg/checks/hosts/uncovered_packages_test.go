package hosts

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestUncoveredPackages(t *testing.T) {
	const db = "node/n1 /var/lib/dpkg/status"
	state := func(count int, packages ...fact.UncoveredPackage) *fact.Set {
		return host(fact.Host{Packages: &fact.PackageState{
			Manager: "apt", Database: "/var/lib/dpkg/status", Installed: 734, Indexes: 6, Uncovered: packages, UncoveredCount: count,
			Archives: []fact.PackageArchive{{Name: "Debian-Security/stable-security", Security: true}},
		}})
	}
	pkg := func(name string, why fact.Outside, archive string) fact.UncoveredPackage {
		return fact.UncoveredPackage{Name: name, Arch: "amd64", Version: "1-1", Why: why, Archive: archive}
	}
	finding := func(verdict api.Verdict, message string, evidence ...string) []api.Finding {
		f := api.Finding{Verdict: verdict, Subject: ft.NodeSubject(), Message: message, Evidence: ft.Evidence(evidence...)}
		if verdict == api.VerdictUnknown {
			f.Reason = fact.NotPresent
		}
		return ft.One(f)
	}
	ft.Judge(t, checks.OfSet(judgeUncoveredPackages), map[string]row{
		"none": {
			state(0),
			finding(api.Pass, "the security archive of its release and component is in use for each installed package", db, "734 packages installed, 0 without a security archive"),
		},
		"one of each kind": {
			state(5, pkg("a", fact.OutsideLists, ""), pkg("b", fact.OutsideRelease, "Docker/trixie"), pkg("c", fact.OutsideVersions, "Debian/stable"),
				pkg("d", fact.OutsideComponent, "Debian/stable"), pkg("e", fact.OutsideUpgrade, "")),
			finding(api.Fail, "5 packages get no security updates from the archives in use: a, b, c and 2 more",
				db, "734 packages installed, 5 without a security archive",
				db+" a:amd64", "1-1: in no package list",
				db+" b:amd64", "1-1: only in archives without security updates for this release (Docker/trixie)",
				db+" c:amd64", "1-1: newer than every version of the release (Debian/stable)",
				db+" d:amd64", "1-1: no security archive of its release, component and architecture is in use (Debian/stable)",
				db+" e:amd64", "1-1: no metapackage leads to its updates"),
		},
		"none of the release itself": {
			state(2, pkg("docker-ce", fact.OutsideRelease, "Docker/trixie"), pkg("linux-image-6.1.0-56-amd64", fact.OutsideUpgrade, "")),
			finding(api.VerdictUnknown, "2 packages get no security updates from the archives in use: docker-ce, linux-image-6.1.0-56-amd64",
				db, "734 packages installed, 2 without a security archive",
				db+" docker-ce:amd64", "1-1: only in archives without security updates for this release (Docker/trixie)",
				db+" linux-image-6.1.0-56-amd64:amd64", "1-1: no metapackage leads to its updates"),
		},
		"one": {
			state(1, pkg("a", fact.OutsideLists, "")),
			finding(api.VerdictUnknown, "1 package gets no security updates from the archives in use: a",
				db, "734 packages installed, 1 without a security archive", db+" a:amd64", "1-1: in no package list"),
		},
		"more than are listed": {
			state(300, pkg("a", fact.OutsideLists, "")),
			finding(api.VerdictUnknown, "300 packages get no security updates from the archives in use: a and 299 more",
				db, "734 packages installed, 300 without a security archive", db+" a:amd64", "1-1: in no package list"),
		},
		"a list cut on the way, of which only the count arrived": {
			state(3),
			finding(api.VerdictUnknown, "3 packages get no security updates from the archives in use", db, "734 packages installed, 3 without a security archive"),
		},
		"facts that do not tell": {
			ft.Edit(state(0), func(s *fact.Set) { s.Nodes[0].Measured.Host.Packages.Archives = nil }),
			finding(api.VerdictUnknown, "it has no package lists that show which packages get security updates", db, "734 packages installed, 6 package lists"),
		},
		"no security archive among those in use": {
			ft.Edit(state(0), func(s *fact.Set) { s.Nodes[0].Measured.Host.Packages.Archives[0].Security = false }),
			finding(api.VerdictUnknown, "it has no package lists that show which packages get security updates", db, "734 packages installed, 6 package lists"),
		},
		"nothing installed": {
			ft.Edit(state(0), func(s *fact.Set) { s.Nodes[0].Measured.Host.Packages.Installed = 0 }),
			finding(api.VerdictUnknown, "it has no package lists that show which packages get security updates", db, "0 packages installed, 6 package lists"),
		},
		"no database":                 {host(fact.Host{}), nil},
		"packages that were not read": {ft.Edit(state(0), func(s *fact.Set) { s.Nodes[0].Measured.Read = nil }), nil},
	})
}
