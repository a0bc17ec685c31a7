package drift

import (
	"slices"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/capability"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// What a runtime mounts into every container.
func dev() fact.Mount {
	return fact.Mount{Path: "/dev", FSType: "tmpfs", NoSuid: true, File: ft.Ptr(false), Owner: owner(0, 0, 0o755)}
}

func shm() fact.Mount {
	return fact.Mount{Path: "/dev/shm", FSType: "tmpfs", NoExec: true, NoSuid: true, NoDev: true, File: ft.Ptr(false), Owner: owner(0, 0, 0o1777)}
}

func terminationLog() fact.Mount {
	return fact.Mount{Path: "/dev/termination-log", FSType: "ext4", File: ft.Ptr(true), Owner: owner(0, 0, 0o666)}
}

func emptyDir() fact.Mount {
	return fact.Mount{Path: "/cache", FSType: "ext4", Volume: "emptyDir/cache", File: ft.Ptr(false), Owner: owner(0, 0, 0o777)}
}

// hardened is a container in which drift is prevented: uid 1000 without
// capabilities, a read-only root, and the mounts of every container.
func hardened(edits ...func(*fact.MeasuredContainer)) *fact.Set {
	m := ft.With(func(p *fact.Process) {
		u := user(1000, 1000)
		p.UID, p.GID, p.CapEff, p.CapPrm = u.UID, u.GID, u.CapEff, u.CapPrm
		p.Exe.Owner, p.Exe.Dir = owner(0, 0, 0o755), owner(0, 0, 0o755)
	})
	m.Root = &fact.Mount{Path: "/", FSType: "overlay", ReadOnly: true, File: ft.Ptr(false), Owner: owner(0, 0, 0o755)}
	m.Mounts = []fact.Mount{dev(), shm(), terminationLog()}
	m.Upper = &fact.UpperWalk{Path: "/var/lib/containerd/u", Entries: 3, DataCounts: &fact.DataCounts{}}
	for _, edit := range edits {
		edit(&m)
	}
	return ft.Measured(m, fact.Container{ReadOnlyRootFilesystem: ft.Ptr(true)})
}

func mounts(more ...fact.Mount) func(*fact.MeasuredContainer) {
	return func(m *fact.MeasuredContainer) { m.Mounts = append(m.Mounts, more...) }
}

func process(edit func(*fact.Process)) func(*fact.MeasuredContainer) {
	return func(m *fact.MeasuredContainer) { edit(&m.Processes[0]) }
}

func uid(n int64) func(*fact.MeasuredContainer) {
	return process(func(p *fact.Process) { p.UID = [4]int64{n, n, n, n} })
}

func caps(list ...capability.Number) func(*fact.MeasuredContainer) {
	return process(func(p *fact.Process) { *p = with(*p, list...) })
}

func writableRoot(m *fact.MeasuredContainer) { m.Root.ReadOnly = false }

func TestStateOf(t *testing.T) {
	declared := func(set *fact.Set, readOnly *bool) *fact.Set {
		set.Workloads[0].Spec.Containers[0].ReadOnlyRootFilesystem = readOnly
		return set
	}
	gap := func(kind fact.Kind, container string) *fact.Set {
		set := hardened()
		set.Nodes[0].Measured.Gaps = []fact.NodeGap{{What: kind, Container: container, Reason: fact.Timeout}}
		return set
	}
	undeclared := func(set *fact.Set) *fact.Set {
		set.Workloads = nil
		return set
	}
	unread := func(kind fact.Kind) *fact.Set {
		set := hardened()
		set.Nodes[0].Measured.Read = slices.DeleteFunc(fact.NodeKinds(), func(k fact.Kind) bool { return k == kind })
		return set
	}
	volume := func(mode uint32) fact.Mount {
		return fact.Mount{Path: "/data", FSType: "ext4", Volume: "csi/pv", File: ft.Ptr(false), Owner: owner(0, 0, mode)}
	}
	for name, tc := range map[string]struct {
		set  *fact.Set
		want State
	}{
		"all of it is prevented": {hardened(), Prevented},
		"a writable root is open": {
			hardened(writableRoot), Open,
		},
		"a root that is read-only by chance is open": {
			declared(hardened(), nil), Open,
		},
		"root and the /dev of every container is open": {
			hardened(uid(0)), Open,
		},
		"DAC_OVERRIDE and the /dev of every container is open": {
			hardened(caps(capability.DACOverride)), Open,
		},
		"SYS_ADMIN is open: it can mount": {
			hardened(caps(capability.SysAdmin)), Open,
		},
		"an emptyDir is open":                    {hardened(mounts(emptyDir())), Open},
		"a read-only emptyDir is prevented":      {hardened(mounts(func() fact.Mount { m := emptyDir(); m.ReadOnly = true; return m }())), Prevented},
		"a noexec emptyDir is prevented":         {hardened(mounts(func() fact.Mount { m := emptyDir(); m.NoExec = true; return m }())), Prevented},
		"a volume for its users is open":         {hardened(mounts(volume(0o777))), Open},
		"a volume that refuses them is unknown":  {hardened(mounts(volume(0o755))), Unknown},
		"a volume of unknown owner is unknown":   {hardened(mounts(func() fact.Mount { m := volume(0); m.Owner = nil; return m }())), Unknown},
		"a second process that may write counts": {hardened(mounts(volume(0o755)), func(m *fact.MeasuredContainer) { m.Processes = append(m.Processes, second(0)) }), Open},
		"the runtime on its way in is not a process of the container": {
			hardened(func(m *fact.MeasuredContainer) {
				p := second(0)
				p.Exe, p.Mapped, p.Started = nil, nil, ft.Time
				m.Processes = append(m.Processes, p)
			}), Prevented,
		},
		"an old process whose executable was not read is unknown": {
			hardened(func(m *fact.MeasuredContainer) {
				p := second(1000)
				p.Exe, p.Mapped, p.Started = nil, nil, fact.NewTime(ft.Time.Add(-time.Minute))
				m.Processes = append(m.Processes, p)
			}), Unknown,
		},
		"a thread that may write counts": {
			hardened(process(func(p *fact.Process) {
				p.Threads = &fact.Threads{Count: 2, DifferingCount: 1, Differing: []fact.Thread{{
					TID: 101, UID: p.UID, CapEff: fact.NewCapMask(capability.DACOverride.Mask()), CapPrm: fact.NewCapMask(capability.DACOverride.Mask()),
				}}}
			})), Open,
		},
		"threads beyond the list are unknown": {
			hardened(process(func(p *fact.Process) { p.Threads = &fact.Threads{Count: 99, DifferingCount: 40} })), Unknown,
		},
		"a root in a user namespace and its /dev is open": {
			hardened(uid(65536), process(func(p *fact.Process) { p.RootUID = ft.Ptr(int64(65536)) }), func(m *fact.MeasuredContainer) {
				m.Mounts[0].Owner = owner(65536, 65536, 0o755)
			}), Open,
		},

		"an added program that runs is detected": {
			hardened(process(func(p *fact.Process) { p.Exe = &fact.Executable{Path: "/tmp/x", Origin: fact.OriginAdded, Mount: "/"} })), Detected,
		},
		"a mapped library is detected": {
			hardened(process(func(p *fact.Process) {
				p.Mapped = &fact.Mapped{Count: 9, FileCount: 1, Files: []fact.Executable{{Path: "/tmp/x.so", Origin: fact.OriginAdded}}}
			})), Detected,
		},
		"added code that sleeps is detected": {
			hardened(func(m *fact.MeasuredContainer) {
				m.Upper.Files, m.Upper.Total = []fact.UpperFile{{Path: "/x", Kind: "elf", Origin: fact.OriginAdded, Mode: 0o755}}, 1
			}), Detected,
		},
		"a changed file is detected": {
			hardened(func(m *fact.MeasuredContainer) {
				m.Upper.Data, m.Upper.DataCounts.Changed = []fact.UpperFile{{Path: "/etc/app.conf", Kind: "data", Origin: fact.OriginChanged}}, 1
			}), Detected,
		},
		"an installed package is detected": {
			hardened(func(m *fact.MeasuredContainer) {
				m.Packages = &fact.PackageChange{Manager: "apk", Added: []string{"curl"}, Total: 1}
			}), Detected,
		},
		"drift is detected where a fact is missing too": {
			hardened(writableRoot, func(m *fact.MeasuredContainer) {
				m.Upper = nil
				m.Processes[0].Exe.Origin = fact.OriginMemfd
			}), Detected,
		},
		"a file that was added and is not code is open: it decides nothing": {
			hardened(writableRoot, func(m *fact.MeasuredContainer) {
				m.Upper.Data, m.Upper.DataCounts.Added = []fact.UpperFile{{Path: "/srv/x", Kind: "data", Origin: fact.OriginAdded, Size: 1}}, 1
			}), Open,
		},

		"no executable that was read is unknown":               {hardened(process(func(p *fact.Process) { p.Exe = nil })), Unknown},
		"no mapping that was read is unknown":                  {hardened(process(func(p *fact.Process) { p.Mapped = nil })), Unknown},
		"no walk is unknown":                                   {hardened(func(m *fact.MeasuredContainer) { m.Upper = nil }), Unknown},
		"a walk that did not compare data is unknown":          {hardened(func(m *fact.MeasuredContainer) { m.Upper.DataCounts = nil }), Unknown},
		"a walk that was cut short is unknown":                 {hardened(func(m *fact.MeasuredContainer) { m.Upper.Truncated = true }), Unknown},
		"no root mount is unknown":                             {hardened(func(m *fact.MeasuredContainer) { m.Root = nil }), Unknown},
		"no mount, not even a /dev, is unknown":                {hardened(func(m *fact.MeasuredContainer) { m.Mounts = nil }), Unknown},
		"no process is unknown":                                {hardened(func(m *fact.MeasuredContainer) { m.Processes = nil }), Unknown},
		"masks that were not read are unknown":                 {hardened(process(func(p *fact.Process) { p.CapEff = fact.CapMask{} })), Unknown},
		"a gap of its mounts is unknown":                       {gap(fact.Mounts, ft.ID), Unknown},
		"a gap of its mounts by the id's first digits":         {gap(fact.Mounts, ft.ID[:12]), Unknown},
		"a gap of its node is unknown":                         {gap(fact.Upperdir, ""), Unknown},
		"a gap of another container is none":                   {gap(fact.Mounts, "ffff"), Prevented},
		"a gap of another kind is none":                        {gap(fact.Devices, ft.ID), Prevented},
		"a node that did not read processes is unknown":        {unread(fact.Processes), Unknown},
		"a node that did not read executables is unknown":      {unread(fact.Executables), Unknown},
		"a container of another engine is unknown":             {undeclared(hardened()), Unknown},
		"a container of another engine with a writable root":   {undeclared(hardened(writableRoot)), Open},
		"an overlay without a writable layer is prevented too": {hardened(func(m *fact.MeasuredContainer) { m.Upper = &fact.UpperWalk{DataCounts: &fact.DataCounts{}} }), Prevented},
	} {
		t.Run(name, func(t *testing.T) {
			v := checks.NewView(tc.set)
			seen, _ := checks.RunningContainers(v, fact.Mounts)
			if len(seen) != 1 {
				t.Fatalf("%d containers were seen", len(seen))
			}
			if got := StateOf(v, seen[0]); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
	if got := StateOf(checks.NewView(&fact.Set{}), checks.Running{}); got != Unknown {
		t.Errorf("a container that was not measured: got %s, want %s", got, Unknown)
	}
}

// second is another process of the container, of another user.
func second(uid int64) fact.Process {
	p := ft.Process()
	p.PID, p.UID = 101, [4]int64{uid, uid, uid, uid}
	return p
}

// Without a fact no container becomes PREVENTED: whatever is left out of the facts
// about one that is not, by any field, it stays so or becomes unknown. What is drift,
// or a way to write, is not a fact that is missing, so lists stay as they are.
func TestNoMissingFactPrevents(t *testing.T) {
	stateOf := func(set *fact.Set) State {
		v := checks.NewView(set)
		seen, _ := checks.RunningContainers(v, fact.Mounts)
		if len(seen) != 1 {
			return Unknown
		}
		return StateOf(v, seen[0])
	}
	starts := map[string]*fact.Set{
		"open by its root":     hardened(writableRoot),
		"open by /dev":         hardened(uid(0)),
		"open by an emptyDir":  hardened(mounts(emptyDir())),
		"open by a capability": hardened(caps(capability.DACOverride)),
		"open by a thread":     hardened(process(func(p *fact.Process) { p.Threads = rootThread() })),
		"open by a group":      hardened(mounts(groupVolume()), process(func(p *fact.Process) { p.Groups = make([]int64, fact.MaxGroups) })),
		"detected by a mapping": hardened(process(func(p *fact.Process) {
			p.Mapped = &fact.Mapped{FileCount: 1, Files: []fact.Executable{{Path: "/x", Origin: fact.OriginAdded}}}
		})),
		"unknown by a volume": hardened(mounts(fact.Mount{Path: "/data", FSType: "ext4", File: ft.Ptr(false), Owner: owner(0, 0, 0o755)})),
	}
	drop := map[string]func(*fact.Measurement, *fact.MeasuredContainer){
		"root":        func(_ *fact.Measurement, c *fact.MeasuredContainer) { c.Root = nil },
		"processes":   func(_ *fact.Measurement, c *fact.MeasuredContainer) { c.Processes = nil },
		"executables": func(_ *fact.Measurement, c *fact.MeasuredContainer) { firstOf(c).Exe = nil },
		"mappings":    func(_ *fact.Measurement, c *fact.MeasuredContainer) { firstOf(c).Mapped = nil },
		"mapped list": func(_ *fact.Measurement, c *fact.MeasuredContainer) {
			if m := firstOf(c).Mapped; m != nil {
				m.Files = nil
			}
		},
		"threads": func(_ *fact.Measurement, c *fact.MeasuredContainer) {
			if p := firstOf(c).Threads; p != nil {
				p.Differing = nil
			}
		},
		"CapEff, CapPrm": func(_ *fact.Measurement, c *fact.MeasuredContainer) {
			firstOf(c).CapEff, firstOf(c).CapPrm = fact.CapMask{}, fact.CapMask{}
		},
		"CapPrm":   func(_ *fact.Measurement, c *fact.MeasuredContainer) { firstOf(c).CapPrm = fact.CapMask{} },
		"root uid": func(_ *fact.Measurement, c *fact.MeasuredContainer) { firstOf(c).RootUID = nil },
		"owners": func(_ *fact.Measurement, c *fact.MeasuredContainer) {
			for i := range c.Mounts {
				c.Mounts[i].Owner = nil
			}
		},
		"file or directory": func(_ *fact.Measurement, c *fact.MeasuredContainer) {
			for i := range c.Mounts {
				c.Mounts[i].File = nil
			}
		},
		"volumes": func(_ *fact.Measurement, c *fact.MeasuredContainer) {
			for i := range c.Mounts {
				c.Mounts[i].Volume = ""
			}
		},
		"layer": func(_ *fact.Measurement, c *fact.MeasuredContainer) { c.Upper = nil },
		"data": func(_ *fact.Measurement, c *fact.MeasuredContainer) {
			if c.Upper != nil {
				c.Upper.DataCounts = nil
			}
		},
		"level": func(m *fact.Measurement, _ *fact.MeasuredContainer) { m.Read = fact.KindsAt(fact.LevelProc) },
		"mounts": func(m *fact.Measurement, _ *fact.MeasuredContainer) {
			m.Read = fact.Subtract(m.Read, []fact.Kind{fact.Mounts})
		},
		"a gap": func(m *fact.Measurement, c *fact.MeasuredContainer) {
			m.Gaps = []fact.NodeGap{{What: fact.Processes, Container: c.ID}}
		},
		"declaration": func(*fact.Measurement, *fact.MeasuredContainer) {},
	}
	for start, set := range starts {
		if got := stateOf(set); got == Prevented {
			t.Fatalf("%s: PREVENTED to begin with", start)
		}
		for first, one := range drop {
			for second, two := range drop {
				less := set.DeepCopy()
				m := less.Nodes[0].Measured
				for _, name := range []string{first, second} {
					if name == "declaration" {
						less.Workloads = nil
					}
				}
				one(m, &m.Containers[0])
				two(m, &m.Containers[0])
				if got := stateOf(less); got == Prevented {
					t.Errorf("%s, without %s and %s: PREVENTED", start, first, second)
				}
			}
		}
	}
}

func rootThread() *fact.Threads {
	mask := fact.NewCapMask(capability.DACOverride.Mask())
	return &fact.Threads{Count: 2, DifferingCount: 1, Differing: []fact.Thread{{TID: 101, CapEff: mask, CapPrm: mask}}}
}

func groupVolume() fact.Mount {
	return fact.Mount{Path: "/data", FSType: "ext4", File: ft.Ptr(false), Owner: owner(5000, 5000, 0o770)}
}

// firstOf is a container's first process, or one that is thrown away.
func firstOf(c *fact.MeasuredContainer) *fact.Process {
	if len(c.Processes) == 0 {
		return &fact.Process{}
	}
	return &c.Processes[0]
}
