package hosts

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// A note is one more row of evidence: verdict, severity and message stay.
func TestNotesDecideNothing(t *testing.T) {
	plain := func() *fact.Set {
		set := host(fact.Host{OS: fact.OSRelease{ID: "debian", VersionID: "13"}, Packages: &fact.PackageState{Manager: "apt", Database: "/var/lib/dpkg/status", Installed: 1}})
		set.Nodes[0].KubeletVersion, set.Cluster.Version = "v1.37.2", "v1.37.2"
		return set
	}
	const apt = "node/n1 /etc/apt/apt.conf.d/20auto-upgrades"
	const missing = "not found (unattended-upgrades, dnf-automatic, transactional-update, update-engine)"
	automatic := func(a fact.AutomaticUpdates) func(*fact.Set) {
		return func(s *fact.Set) { s.Nodes[0].Measured.Host.AutomaticUpdates = &a }
	}
	unread := func(s *fact.Set) {
		automatic(fact.AutomaticUpdates{Tool: "update-engine", Enabled: true, Source: "/usr/lib/x"})(s)
		s.Nodes[0].Measured.Read = slices.DeleteFunc(s.Nodes[0].Measured.Read, func(k fact.Kind) bool { return k == fact.Packages })
	}
	cgroup := func(version int) func(*fact.Set) {
		return func(s *fact.Set) { s.Nodes[0].Measured.Host.CgroupVersion = version }
	}
	for name, tc := range map[string]struct {
		judge func(*checks.View) []api.Finding
		edit  func(*fact.Set)
		want  []api.Evidence
	}{
		"updates by itself":    {judgePendingSecurityUpdates, automatic(fact.AutomaticUpdates{Tool: "unattended-upgrades", Enabled: true, Source: "/etc/apt/apt.conf.d/20auto-upgrades"}), ft.Evidence(apt, "automatic updates: unattended-upgrades")},
		"a tool that is off":   {judgePendingSecurityUpdates, automatic(fact.AutomaticUpdates{Tool: "unattended-upgrades", Source: "/etc/apt/apt.conf.d/20auto-upgrades"}), ft.Evidence(apt, "automatic updates: unattended-upgrades, not enabled")},
		"no tool":              {judgePendingSecurityUpdates, automatic(fact.AutomaticUpdates{}), ft.Evidence("node/n1 automatic updates", missing)},
		"with the packages":    {judgeOSEndOfLife, automatic(fact.AutomaticUpdates{}), nil},
		"without packages":     {judgeOSEndOfLife, unread, ft.Evidence("node/n1 /usr/lib/x", "automatic updates: update-engine")},
		"cgroups of version 1": {judgeKubeletVersion, cgroup(1), ft.Evidence("node/n1 /sys/fs/cgroup", "cgroups of version 1: in maintenance since Kubernetes 1.31, refused by default from 1.35 on")},
		"cgroups of version 2": {judgeKubeletVersion, cgroup(2), nil},
	} {
		t.Run(name, func(t *testing.T) {
			before := checks.OfSet(tc.judge)(plain())
			want := slices.Clone(before)
			for i := range tc.want {
				tc.want[i].Basis = api.Measured
			}
			want[0].Evidence = append(slices.Clone(want[0].Evidence), tc.want...)
			set := plain()
			tc.edit(set)
			if diff := cmp.Diff(want, checks.OfSet(tc.judge)(set)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}
