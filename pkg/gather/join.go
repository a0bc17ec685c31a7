package gather

import (
	"cmp"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// Join makes one measurement of those that several probes made of one node. A
// nil one says nothing; nil if all are. It is pure, and changes none of them.
//
// For each kind of facts one measurement answers: of those that read the kind,
// the one of the highest level; of equal ones the one with the fewest gaps of
// this kind, then the first. The joined measurement has its facts of the kind
// and its gaps of it, and nobody else's: facts of two moments are not mixed.
// Where none read the kind, the highest level's partial facts are taken, and the
// gaps of all.
//
// Containers come and go between two measurements. One that the kind's own
// measurement does not have is answered by another that read the kind, and if
// none did, by a gap (Changing): "not looked" never becomes "none found". The
// same holds for the executables of processes.
func Join(all ...*fact.Measurement) *fact.Measurement {
	all = slices.DeleteFunc(slices.Clone(all), func(m *fact.Measurement) bool { return m == nil })
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	// The highest level first: stable, so that the first stays first.
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
	out := &fact.Measurement{Level: all[0].Level, Host: j.host()}
	for _, m := range all {
		if out.At.IsZero() || !m.At.IsZero() && m.At.Before(out.At.Time) {
			out.At = m.At // facts are as old as the oldest of them
		}
		out.Cost.WallMillis += m.Cost.WallMillis
		out.Cost.CPUMillis += m.Cost.CPUMillis
		out.Cost.MaxRSSKiB = max(out.Cost.MaxRSSKiB, m.Cost.MaxRSSKiB)
		out.Cost.Processes = max(out.Cost.Processes, m.Cost.Processes)
	}
	processes := j.by[fact.Processes]
	out.CapLastCap, out.HostCapBnd = processes.CapLastCap, processes.HostCapBnd
	out.HostUserNS, out.HostPIDNS = processes.HostUserNS, processes.HostPIDNS
	out.HostNetNS, out.HostIPCNS = processes.HostNetNS, processes.HostIPCNS
	out.HostProcesses = processes.HostProcesses
	out.Etcd, out.APIServers = j.by[fact.Etcd].Etcd, j.by[fact.EncryptionConfig].APIServers
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

// joining is a Join under way.
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

// best is the measurement that answers for a kind.
func (j *joining) best(kind fact.Kind) *fact.Measurement {
	best, fewest := j.all[0], -1
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

// host joins what is said of the host. What belongs to no kind is the first
// that is known.
func (j *joining) host() fact.Host {
	h := fact.Host{
		Running:   j.by[fact.Kernel].Host.Running,
		Installed: j.by[fact.Kernel].Host.Installed,
		Packages:  j.by[fact.Packages].Host.Packages,
	}
	for _, m := range j.all {
		h.Hostname, h.Arch, h.OS = cmp.Or(h.Hostname, m.Host.Hostname), cmp.Or(h.Arch, m.Host.Arch), cmp.Or(h.OS, m.Host.OS)
		if h.BootTime.IsZero() {
			h.BootTime = m.Host.BootTime
		}
	}
	return h
}

// nodeGaps takes the gaps of the measurement that answers for each kind, and
// those of all where none read it. A gap about no kind of a node is kept too:
// whoever admits the answer refuses it.
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

// container joins what is known of one container.
func (j *joining) container(id string, of map[*fact.Measurement]map[string]*fact.MeasuredContainer) fact.MeasuredContainer {
	var out fact.MeasuredContainer
	self := false
	for _, m := range slices.Concat([]*fact.Measurement{j.by[fact.Processes]}, j.all) {
		if c := of[m][id]; c != nil {
			if out.ID == "" {
				out = *c // id, pod, runtime, cgroup, sandbox
			}
			// A probe is an ordinary container to another that runs at its side.
			self = self || c.Self
		}
	}
	out.Self = self
	out.Processes, out.Root, out.Mounts, out.Devices, out.DeviceFS, out.Upper = nil, nil, nil, nil, "", nil

	processes, executables := j.answering(fact.Processes, id, of), j.answering(fact.Executables, id, of)
	if processes != nil {
		out.Processes = processes.Processes
	}
	if executables != nil && executables != processes {
		out.Processes = j.executables(id, out.Processes, executables)
	}
	if c := j.answering(fact.Mounts, id, of); c != nil {
		out.Root, out.Mounts = c.Root, c.Mounts
	}
	if c := j.answering(fact.Devices, id, of); c != nil {
		out.Devices, out.DeviceFS = c.Devices, c.DeviceFS
	}
	if c := j.answering(fact.Upperdir, id, of); c != nil {
		out.Upper = c.Upper
	}
	return out
}

// answering is the container with the facts of a kind: in the measurement that
// answers for the kind, else in another that read it, whose gaps about it come
// with it. If there is none, and the kind counts as read, that is a gap.
func (j *joining) answering(kind fact.Kind, id string, of map[*fact.Measurement]map[string]*fact.MeasuredContainer) *fact.MeasuredContainer {
	by := j.by[kind]
	if c := of[by][id]; c != nil {
		return c
	}
	if !by.HasRead(kind) {
		return nil // and the gap is the node's
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

// executables gives processes the executables that another look at their
// container found. A process is the same if its id and start are. One that only
// one of the two looks saw has none, and that is a gap.
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
		p.Exe, p.Scripts = nil, nil
		if other := others[keyOf(p)]; other != nil {
			p.Exe, p.Scripts = other.Exe, other.Scripts
			found++
		}
	}
	if found < max(len(processes), len(from.Processes)) {
		j.gap(fact.NodeGap{What: fact.Executables, Container: id, Reason: fact.Changing, Detail: "only one of two probes saw a process"})
	}
	return processes
}
