package immutable

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestPackageDatabaseChanged(t *testing.T) {
	const (
		upper = "node/n1 /var/lib/containerd/u"
		db    = upper + "/var/lib/dpkg/status"
	)
	set := func(change *fact.PackageChange, edits ...func(*fact.MeasuredContainer)) *fact.Set {
		m := ft.With()
		m.Upper = &fact.UpperWalk{Path: "/var/lib/containerd/u", Entries: 30}
		if change != nil {
			change.Manager, change.Path = "dpkg", "/var/lib/dpkg/status"
			change.Total = max(change.Total, len(change.Added)+len(change.Removed)+len(change.Changed))
			m.Packages = change
		}
		for _, edit := range edits {
			edit(&m)
		}
		return ft.Measured(m, fact.Container{})
	}
	finding := func(verdict api.Verdict, severity api.Severity, reason fact.Reason, message string, evidence ...string) []api.Finding {
		return ft.One(api.Finding{
			Verdict: verdict, Severity: severity, Reason: reason, Basis: api.Measured, Subject: ft.Subject(), Message: message, Evidence: ft.Evidence(evidence...),
		})
	}
	fails := func(message, value string) []api.Finding {
		return finding(api.Fail, "", "", message, db, value)
	}
	ft.Judge(t, checks.OfSet(judgePackageDatabaseChanged), map[string]row{
		"no database in the layer passes": {
			set(nil), finding(api.Pass, "", "", "its writable layer has no package database", upper, "30 entries, 0 executables"),
		},
		"a database with the image's packages passes": {
			set(&fact.PackageChange{}), finding(api.Pass, "", "", "its package database was written and lists the packages of the image",
				db, "dpkg: 0 added, 0 removed, 0 changed"),
		},
		"a database that could not be compared is unknown": {
			set(&fact.PackageChange{Reason: fact.Corrupt, Detail: "expected a stanza"}),
			finding(api.VerdictUnknown, "", fact.Corrupt, "expected a stanza", db, "dpkg: 0 added, 0 removed, 0 changed"),
		},
		"no database could be compared": {
			set(nil, func(m *fact.MeasuredContainer) {
				m.Packages = &fact.PackageChange{Reason: fact.Timeout, Detail: "late"}
			}),
			finding(api.VerdictUnknown, "", fact.Timeout, "late", "node/n1 /proc/100/root", "package database not compared"),
		},
		"one package fails": {
			set(&fact.PackageChange{Added: []string{"curl"}, At: ft.Time}),
			fails("curl was installed after the container started", "dpkg: 1 added, 0 removed, 0 changed, written 2026-11-24T12:00:00Z"),
		},
		"three packages are named": {
			set(&fact.PackageChange{Added: []string{"curl", "gcc", "make"}}),
			fails("curl, gcc, make were installed after the container started", "dpkg: 3 added, 0 removed, 0 changed"),
		},
		"more are counted": {
			set(&fact.PackageChange{Added: []string{"curl", "gcc", "make", "perl"}}),
			fails("curl, gcc, make and 1 more were installed after the container started", "dpkg: 4 added, 0 removed, 0 changed"),
		},
		"a list that was cut is counted to its end": {
			set(&fact.PackageChange{Added: []string{"curl", "gcc", "make", "perl"}, Total: 90}),
			fails("curl, gcc, make and 87 more were installed after the container started", "dpkg: 4 added, 0 removed, 0 changed, of 90 differences"),
		},
		"what was installed comes before what was changed": {
			set(&fact.PackageChange{Added: []string{"curl"}, Changed: []string{"libc6", "tar"}, Removed: []string{"nano"}}),
			fails("curl was installed after the container started; 3 more differences", "dpkg: 1 added, 1 removed, 2 changed"),
		},
		"a changed version fails": {
			set(&fact.PackageChange{Changed: []string{"openssl", "tar"}}),
			fails("openssl, tar were changed after the container started", "dpkg: 0 added, 0 removed, 2 changed"),
		},
		"removed packages alone are medium": {
			set(&fact.PackageChange{Removed: []string{"nano"}}),
			finding(api.Fail, api.Medium, "", "nano was removed after the container started", db, "dpkg: 0 added, 1 removed, 0 changed"),
		},
		"removed packages and some that are not listed are high": {
			set(&fact.PackageChange{Removed: []string{"nano"}, Total: 5}),
			fails("nano and 4 more were removed after the container started", "dpkg: 0 added, 1 removed, 0 changed, of 5 differences"),
		},
		"differences without names fail": {
			set(&fact.PackageChange{Total: 5}), fails("5 packages differ from the image", "dpkg: 0 added, 0 removed, 0 changed, of 5 differences"),
		},
		"packages fail whatever else was walked": {
			set(&fact.PackageChange{Added: []string{"curl"}}, func(m *fact.MeasuredContainer) { m.Upper = nil }),
			finding(api.Fail, "", "", "curl was installed after the container started",
				"node/n1 /proc/100/root/var/lib/dpkg/status", "dpkg: 1 added, 0 removed, 0 changed"),
		},
		"a walk that was cut short and found none is unknown": {
			set(nil, func(m *fact.MeasuredContainer) { m.Upper.Truncated = true }),
			finding(api.VerdictUnknown, "", fact.Truncated, "its writable layer was not walked to the end", upper, "30 entries, 0 executables, not walked to the end"),
		},
		"no walk is unknown": {
			set(nil, func(m *fact.MeasuredContainer) { m.Upper = nil }),
			finding(api.VerdictUnknown, "", fact.NotPresent, "it has no writable layer that could be walked", "node/n1 /proc/100/mountinfo /", "not read"),
		},
		"declared running but not seen is unknown": {ft.Edit(set(nil), ft.NoContainers), ft.One(ft.NotSeen())},
	})
}
