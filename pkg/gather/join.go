package gather

import (
	"cmp"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// Join combines several measurements of one node into one. It ignores nil ones, and
// returns nil if all are nil. It is pure, and changes none of them.
//
// For each kind of facts one measurement answers. It is the one of the highest level
// among those that read the kind. If levels are equal, it is the one with the fewest
// gaps of this kind, then the first. The joined measurement takes the facts and gaps
// of the kind only from that one, so that facts of two moments are not mixed. If no
// measurement read the kind, Join takes the partial facts of the highest level that
// could have read it, and the gaps of all.
//
// Containers come and go between two measurements. If the measurement that answers
// for a kind does not have a container, another one that read the kind answers for
// it. If there is no other, that is a gap (Changing), so that "not looked" never
// becomes "none found". The same rule applies to the executables of processes.
func Join(all ...*fact.Measurement) *fact.Measurement {
	all = slices.DeleteFunc(slices.Clone(all), func(m *fact.Measurement) bool { return m == nil })
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	// The highest level comes first. The sort is stable, so the first stays first.
	slices.SortStableFunc(all, func(a, b *fact.Measurement) int {
		return cmp.Compare(slices.Index(fact.Levels(), b.Level), slices.Index(fact.Levels(), a.Level))
	})
	j := joining{all: all, by: map[fact.Kind]*fact.Measurement{}}
	for _, kind := range fact.NodeKinds() {
		j.by[kind] = j.best(kind)
	}
	// An executable is a field of its process.
	if processes := j.by[fact.Processes]; processes.HasRead(fact.Executables) {
		j.by[fact.Executables] = processes
	}
	// What lies beside a store's rows, and who can read its files, are fields of the
	// store. Such a field of another measurement would belong to no store.
	for _, kind := range []fact.Kind{fact.Residue, fact.StorageFiles} {
		if etcd := j.by[fact.Etcd]; etcd.HasRead(kind) {
			j.by[kind] = etcd
		}
	}
	out := &fact.Measurement{Level: all[0].Level, Host: j.host()}
	for _, m := range all {
		if out.At.IsZero() || !m.At.IsZero() && m.At.Before(out.At.Time) {
			out.At = m.At // the joined facts are as old as the oldest of them
		}
		out.Cost.WallMillis += m.Cost.WallMillis
		out.Cost.CPUMillis += m.Cost.CPUMillis
		out.Cost.MaxRSSKiB = max(out.Cost.MaxRSSKiB, m.Cost.MaxRSSKiB)
		out.Cost.Processes = max(out.Cost.Processes, m.Cost.Processes)
	}
	processes := j.by[fact.Processes]
	out.CapLastCap, out.HostCapBnd = processes.CapLastCap, processes.HostCapBnd
	out.HostUserNS, out.HostPIDNS = processes.HostUserNS, processes.HostPIDNS
	out.HostNetNS, out.HostIPCNS, out.Labels = processes.HostNetNS, processes.HostIPCNS, processes.Labels
	out.HostProcesses = processes.HostProcesses
	out.Images = j.by[fact.Images].Images
	out.Etcd, out.APIServers = j.by[fact.Etcd].Etcd, j.by[fact.EncryptionConfig].APIServers
	out.Backups = j.by[fact.Backups].Backups
	out.Listeners = ofKinds(&j, fact.ServerTLS, fact.NodeTLS,
		func(m *fact.Measurement) []fact.Listener { return m.Listeners },
		func(l *fact.Listener) fact.Kind { return l.Purpose.Kind() },
		func(a, b fact.Listener) int {
			return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Address, b.Address))
		})
	out.Components = ofKinds(&j, fact.ServerSettings, fact.NodeSettings,
		func(m *fact.Measurement) []fact.Component { return m.Components },
		func(c *fact.Component) fact.Kind { return c.Program.Kind() },
		func(a, b fact.Component) int {
			return cmp.Or(cmp.Compare(a.Program, b.Program), cmp.Compare(a.PID, b.PID))
		})
	out.Certificates = j.by[fact.Certificates].Certificates
	for _, kind := range fact.NodeKinds() {
		if j.by[kind].HasRead(kind) {
			out.Read = append(out.Read, kind)
		}
	}
	j.nodeGaps()
	out.Containers = j.containers()
	out.Gaps = j.gaps
	return out
}

// joining is the state of a Join.
type joining struct {
	all  []*fact.Measurement // the highest level first
	by   map[fact.Kind]*fact.Measurement
	gaps []fact.NodeGap
	said map[gapKey]bool
}

// gapKey is a gap that can be compared.
type gapKey struct {
	what      fact.Kind
	container string
	reason    fact.Reason
	detail    string
	about     string
}

// ofKinds joins lists whose elements are of two kinds: the storage's and the node's own.
// Each element comes from the measurement that answers for its kind. One of neither kind
// goes with the node's own: the code that admits the answer refuses it.
func ofKinds[T any](j *joining, server, node fact.Kind, list func(*fact.Measurement) []T, kind func(*T) fact.Kind, compare func(a, b T) int) []T {
	if j.by[server] == j.by[node] {
		return list(j.by[node])
	}
	var out []T
	for _, of := range []fact.Kind{server, node} {
		from := list(j.by[of])
		for i := range from {
			if (kind(&from[i]) == server) == (of == server) {
				out = append(out, from[i])
			}
		}
	}
	slices.SortStableFunc(out, compare)
	return out
}

// best returns the measurement that answers for a kind.
func (j *joining) best(kind fact.Kind) *fact.Measurement {
	best, fewest := j.all[0], -1
	if i := slices.IndexFunc(j.all, func(m *fact.Measurement) bool { return slices.Contains(fact.KindsAt(m.Level), kind) }); i >= 0 {
		best = j.all[i]
	}
	for _, m := range j.all {
		if !m.HasRead(kind) {
			continue
		}
		gaps := 0
		for i := range m.Gaps {
			if m.Gaps[i].What == kind {
				gaps++
			}
		}
		if fewest < 0 || m.Level == best.Level && gaps < fewest {
			best, fewest = m, gaps
		}
	}
	return best
}

// host joins what the measurements say about the host. For a field that belongs to no
// kind it takes the first known value.
func (j *joining) host() fact.Host {
	h := fact.Host{
		Running:   j.by[fact.Kernel].Host.Running,
		Installed: j.by[fact.Kernel].Host.Installed,
		NextBoot:  j.by[fact.Kernel].Host.NextBoot,
		Reboot:    j.by[fact.Kernel].Host.Reboot,
		CPU:       j.by[fact.CPU].Host.CPU,
		Libraries: j.by[fact.Libraries].Host.Libraries,
		Packages:  j.by[fact.Packages].Host.Packages,
		Inventory: j.by[fact.Inventory].Host.Inventory,
		Swap:      j.by[fact.Swap].Host.Swap,
		Builders:  j.by[fact.Processes].Host.Builders,
		Apart:     j.by[fact.Processes].Host.Apart,
	}
	for _, m := range j.all {
		h.Hostname, h.Arch, h.OS = cmp.Or(h.Hostname, m.Host.Hostname), cmp.Or(h.Arch, m.Host.Arch), cmp.Or(h.OS, m.Host.OS)
		h.Image = cmp.Or(h.Image, m.Host.Image)
		h.CgroupVersion, h.AutomaticUpdates = cmp.Or(h.CgroupVersion, m.Host.CgroupVersion), cmp.Or(h.AutomaticUpdates, m.Host.AutomaticUpdates)
		if h.BootTime.IsZero() {
			h.BootTime = m.Host.BootTime
		}
	}
	return h
}

// nodeGaps takes the gaps of the measurement that answers for each kind. If no
// measurement read a kind, it takes the gaps of all. It also keeps a gap about
// something that is not a node's kind: the code that admits the answer refuses it.
func (j *joining) nodeGaps() {
	for _, m := range j.all {
		for _, gap := range m.Gaps {
			if by := j.by[gap.What]; by == nil || by == m || !by.HasRead(gap.What) {
				j.gap(gap)
			}
		}
	}
}

// gap adds a gap once.
func (j *joining) gap(gap fact.NodeGap) {
	key := gapKey{what: gap.What, container: gap.Container, reason: gap.Reason, detail: gap.Detail}
	if gap.About != nil {
		key.about = gap.About.Key()
	}
	if j.said == nil {
		j.said = map[gapKey]bool{}
	}
	if !j.said[key] {
		j.said[key] = true
		j.gaps = append(j.gaps, gap)
	}
}

// containers joins the containers by id, sorted by it.
func (j *joining) containers() []fact.MeasuredContainer {
	of := make(map[*fact.Measurement]map[string]*fact.MeasuredContainer, len(j.all))
	var ids []string
	for _, m := range j.all {
		of[m] = make(map[string]*fact.MeasuredContainer, len(m.Containers))
		for i := range m.Containers {
			c := &m.Containers[i]
			ids = append(ids, c.ID)
			of[m][c.ID] = c
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	var out []fact.MeasuredContainer
	for _, id := range ids {
		out = append(out, j.container(id, of))
	}
	return out
}

// container joins what is known about one container.
func (j *joining) container(id string, of map[*fact.Measurement]map[string]*fact.MeasuredContainer) fact.MeasuredContainer {
	var out fact.MeasuredContainer
	self := false
	for _, m := range slices.Concat([]*fact.Measurement{j.by[fact.Processes]}, j.all) {
		if c := of[m][id]; c != nil {
			if out.ID == "" {
				out = *c // id, pod, runtime, cgroup, sandbox
			}
			// For a second probe, the first is an ordinary container.
			self = self || c.Self
		}
	}
	out.Self = self
	out.Processes, out.Root, out.Mounts, out.Sockets = nil, nil, nil, nil
	out.Devices, out.DeviceFS, out.DeviceRules, out.Upper, out.Packages, out.Image = nil, "", nil, nil, nil, ""
	out.Environment, out.EnvironmentTotal = nil, 0

	processes, executables := j.answering(fact.Processes, id, of), j.answering(fact.Executables, id, of)
	if processes != nil {
		out.Processes = processes.Processes
	}
	if executables != nil && executables != processes {
		out.Processes = j.executables(id, out.Processes, executables)
	}
	if c := j.answering(fact.Mounts, id, of); c != nil {
		out.Root, out.Mounts, out.Sockets = c.Root, c.Mounts, c.Sockets
	}
	if c := j.answering(fact.Devices, id, of); c != nil {
		out.Devices, out.DeviceFS, out.DeviceRules = c.Devices, c.DeviceFS, c.DeviceRules
	}
	if c := j.answering(fact.Upperdir, id, of); c != nil {
		out.Upper, out.Packages = c.Upper, c.Packages
	}
	if c := j.answering(fact.Environment, id, of); c != nil {
		out.Environment, out.EnvironmentTotal = c.Environment, c.EnvironmentTotal
	}
	// A key means something only in its own measurement.
	if c := of[j.by[fact.Images]][id]; c != nil {
		out.Image = c.Image
	} else if j.by[fact.Images].HasRead(fact.Images) {
		j.gap(fact.NodeGap{What: fact.Images, Container: id, Reason: fact.Changing, Detail: "only one of two probes saw the container"})
	}
	return out
}

// answering returns the container with the facts of a kind. It looks in the
// measurement that answers for the kind, then in others that read the kind; their
// gaps about the container are taken too. If none has the container, and the kind
// counts as read, that is a gap.
func (j *joining) answering(kind fact.Kind, id string, of map[*fact.Measurement]map[string]*fact.MeasuredContainer) *fact.MeasuredContainer {
	by := j.by[kind]
	if c := of[by][id]; c != nil {
		return c
	}
	if !by.HasRead(kind) {
		return nil // the node has the gap
	}
	for _, m := range j.all {
		c := of[m][id]
		if c == nil || !m.HasRead(kind) {
			continue
		}
		for _, gap := range m.Gaps {
			if gap.What == kind && gap.Container == id {
				j.gap(gap)
			}
		}
		return c
	}
	j.gap(fact.NodeGap{What: kind, Container: id, Reason: fact.Changing, Detail: "only one of two probes saw the container"})
	return nil
}

// executables fills in the executables of processes from another measurement of
// their container. Two processes are the same if their id and start time are equal. A
// process that only one measurement saw has no executable, and that is a gap.
func (j *joining) executables(id string, processes []fact.Process, from *fact.MeasuredContainer) []fact.Process {
	type key struct {
		pid     int
		started int64
	}
	keyOf := func(p *fact.Process) key { return key{p.PID, p.Started.UnixNano()} }
	others := make(map[key]*fact.Process, len(from.Processes))
	for i := range from.Processes {
		others[keyOf(&from.Processes[i])] = &from.Processes[i]
	}
	processes = slices.Clone(processes)
	found := 0
	for i := range processes {
		p := &processes[i]
		p.Exe, p.Scripts, p.Mapped = nil, nil, nil
		if other := others[keyOf(p)]; other != nil {
			p.Exe, p.Scripts, p.Mapped = other.Exe, other.Scripts, other.Mapped
			found++
		}
	}
	if found < max(len(processes), len(from.Processes)) {
		j.gap(fact.NodeGap{What: fact.Executables, Container: id, Reason: fact.Changing, Detail: "only one of two probes saw a process"})
	}
	return processes
}
