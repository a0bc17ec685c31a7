package hosts

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestRebootRequired(t *testing.T) {
	const file, announcer = "/run/reboot-required", "/usr/share/update-notifier/notify-reboot-required"
	state := func(r *fact.RebootState) *fact.Set { return host(fact.Host{Reboot: r}) }
	const db = "/var/lib/rpm/rpmdb.sqlite"
	booted := func(r *fact.RebootState) *fact.Set {
		return host(fact.Host{Reboot: r, BootTime: fact.NewTime(ft.Time.AddDate(0, 0, -10))})
	}
	finding := func(verdict api.Verdict, message string, evidence ...string) []api.Finding {
		f := api.Finding{Verdict: verdict, Subject: ft.NodeSubject(), Message: message, Evidence: ft.Evidence(evidence...)}
		if verdict == api.VerdictUnknown {
			f.Reason = fact.NotPresent
		}
		return ft.One(f)
	}
	ft.Judge(t, checks.OfSet(judgeRebootRequired), map[string]row{
		"asked for, by packages": {
			state(&fact.RebootState{Required: file, Since: fact.NewTime(ft.Time.Time), Packages: []string{"dbus", "libc6", "linux-base", "linux-image-x"}, Announcer: announcer}),
			finding(api.Fail, "a reboot is due, asked for by dbus, libc6, linux-base and 1 more", "node/n1 "+file, "since 2026-11-24T12:00:00Z"),
		},
		"asked for, and nothing says by whom": {
			state(&fact.RebootState{Required: "/run/reboot-needed"}),
			finding(api.Fail, "a reboot is due", "node/n1 /run/reboot-needed", "present"),
		},
		"not asked for, where it would be": {
			state(&fact.RebootState{Announcer: announcer}),
			finding(api.Pass, "no package asks for a reboot", "node/n1 "+file, "not found", "node/n1 "+announcer, "present: it writes that file"),
		},
		"nothing would ask": {
			state(&fact.RebootState{}),
			finding(api.VerdictUnknown, "nothing asks for a reboot, but nothing on this host is known to ask when one is due", "node/n1 "+file, "not found"),
		},
		"a core package was installed after the boot": {
			booted(&fact.RebootState{Required: db, Database: db, Since: fact.NewTime(ft.Time.Time), Packages: []string{"glibc", "systemd"}}),
			finding(api.Fail, "a reboot is due: installed since the boot: glibc, systemd", "node/n1 "+db,
				"glibc, systemd installed, the first at 2026-11-24T12:00:00Z, after the boot at 2026-11-14T12:00:00Z"),
		},
		"no core package was installed after the boot": {
			booted(&fact.RebootState{Database: db}),
			finding(api.Pass, "no package that needs a reboot was installed since the boot", "node/n1 "+db, "none installed after the boot at 2026-11-14T12:00:00Z"),
		},
		"facts of an older version": {
			state(nil), finding(api.VerdictUnknown, "whether a reboot is due was not read", "node/n1 "+file, "not read"),
		},
		"a node that was not read": {ft.Edit(state(nil), func(s *fact.Set) { s.Nodes[0].Measured.Read = nil }), nil},
	})
}

// A host without a kernel of its own can say that a reboot is due: only a gap about
// the kernel's files is excused, and only where the request was read.
func TestRebootWithoutAKernel(t *testing.T) {
	gap := func(reason fact.Reason) fact.NodeGap { return fact.NodeGap{What: fact.Kernel, Reason: reason} }
	for name, tc := range map[string]struct {
		state *fact.RebootState
		gap   fact.NodeGap
		want  api.Verdict
	}{
		"no kernel found":                  {&fact.RebootState{Announcer: "/x"}, gap(fact.NotPresent), api.Pass},
		"a kernel that could not be read":  {&fact.RebootState{Announcer: "/x"}, gap(fact.Unreadable), api.VerdictUnknown},
		"no kernel, and no request either": {nil, gap(fact.NotPresent), api.VerdictUnknown},
	} {
		set := host(fact.Host{Reboot: tc.state})
		set.Nodes[0].Measured.Gaps = []fact.NodeGap{tc.gap}
		plan := checks.Plan{Checks: []checks.Check{RebootRequired}, Known: []string{RebootRequired.ID}}
		if got := checks.JudgeSet(plan, set).Findings; len(got) != 1 || got[0].Verdict != tc.want {
			t.Errorf("%s: want %s, got %+v", name, tc.want, got)
		}
	}
}
