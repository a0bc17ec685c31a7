package privileged

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestMasksOf(t *testing.T) {
	const sysAdmin = uint64(1) << 21
	holds := func(mask uint64) func(*fact.Process) {
		return func(p *fact.Process) { p.CapEff, p.CapPrm = fact.NewCapMask(mask), fact.NewCapMask(mask) }
	}
	of := func(c fact.Container, edits ...func(*fact.Process)) *fact.Set {
		return ft.Measured(ft.With(edits...), c)
	}
	for name, tc := range map[string]struct {
		set  *fact.Set
		want Masks
	}{
		"the runtime's default": {of(fact.Container{}), Masks{Declared: ft.DefaultCaps, DeclaredKnown: true, Measured: ft.DefaultCaps}},
		"more than the spec gives": {
			of(fact.Container{}, holds(sysAdmin)),
			Masks{Declared: ft.DefaultCaps, DeclaredKnown: true, Measured: sysAdmin, Beyond: sysAdmin},
		},
		"privileged gives everything": {
			of(fact.Container{Privileged: ft.Ptr(true)}, holds(ft.AllCaps)),
			Masks{Declared: ft.AllCaps, DeclaredKnown: true, Measured: ft.AllCaps},
		},
		"a name that is not known": {
			of(fact.Container{CapAdd: []string{"NEW_ONE"}}),
			Masks{Declared: ft.DefaultCaps, Measured: ft.DefaultCaps},
		},
		"a thread counts": {
			of(fact.Container{}, func(p *fact.Process) {
				p.Threads = &fact.Threads{Count: 2, DifferingCount: 1, Differing: []fact.Thread{{TID: 7, CapEff: fact.NewCapMask(sysAdmin), CapPrm: fact.NewCapMask(0)}}}
			}),
			Masks{Declared: ft.DefaultCaps, DeclaredKnown: true, Measured: ft.DefaultCaps | sysAdmin, Beyond: sysAdmin},
		},
		"threads that are not listed": {
			of(fact.Container{}, func(p *fact.Process) { p.Threads = &fact.Threads{Count: 2, DifferingCount: 1} }),
			Masks{Declared: ft.DefaultCaps, DeclaredKnown: true, Measured: ft.DefaultCaps, Partly: true},
		},
		"processes that were not read": {
			ft.Edit(of(fact.Container{}), func(s *fact.Set) {
				s.Nodes[0].Measured.Gaps = []fact.NodeGap{{What: fact.Processes, Container: ft.ID, Reason: fact.Timeout}}
			}),
			Masks{Declared: ft.DefaultCaps, DeclaredKnown: true, Measured: ft.DefaultCaps, Partly: true},
		},
		"its own user namespace": {
			of(fact.Container{}, func(p *fact.Process) { p.UserNS, p.RootUID = 99, ft.Ptr(int64(100000)) }),
			Masks{Declared: ft.DefaultCaps, DeclaredKnown: true, Measured: ft.DefaultCaps, OwnUserNS: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			seen, _ := checks.RunningContainers(checks.NewView(tc.set), fact.Processes)
			if len(seen) != 1 {
				t.Fatalf("%d containers", len(seen))
			}
			got, ok := MasksOf(seen[0])
			tc.want.All = ft.AllCaps
			if !ok || got != tc.want {
				t.Errorf("%+v, %v\nwant %+v", got, ok, tc.want)
			}
		})
	}
	if _, ok := MasksOf(checks.Running{}); ok {
		t.Error("a container that was not seen has masks")
	}
}
