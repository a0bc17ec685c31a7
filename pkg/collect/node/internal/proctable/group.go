package proctable

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/ledger"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// Apart is a process of the host that has a root directory of its own.
type Apart struct {
	*Process
	Why string // as in fact.HostProcess
}

// Group decides for every process whether it is in a container or the host's. In
// order:
//
//  1. An id in its cgroup path: the container of that id. If its root directory is
//     that of another container, it is of that one (see settleRoots).
//  2. The root directory of pid 1: the host's, whatever its namespaces are. Services
//     with private mounts, and sandboxes around the whole file system, have that.
//  3. The mount namespace, process ids or root directory of a container of the first
//     kind: that container's. It left its cgroup, which takes SYS_ADMIN. Where the
//     root is a directory on a disk, which several containers can have, the process
//     must be started by the container, too.
//  4. Another root directory in pid 1's mount namespace: a daemon that called
//     chroot. It is the host's, and is listed in Apart.
//  5. A root directory, mounts and process ids of its own: a container of an unknown
//     engine.
//  6. A root directory and mounts of its own, and pid 1's process ids: a confined
//     service of the host where the cgroup is a service's or a snap's and the root is
//     no overlay (listed in Apart, with all that is among its mounts), else a
//     container of an unknown engine.
//
// Before links are read (Linked is false) only the first is known, and the rest
// counts as the host's. Where a process's links could not be read, it is Undecided.
func (t *Table) Group() {
	g := &grouping{
		t: t, byKey: map[string]*Container{}, at: make(map[int]*Process, len(t.Processes)), in: map[*Process]*Container{},
		roots: map[dirKey]*root{}, dirs: map[*Container]int{}, mains: map[*Container]*Process{},
		byMnt: map[uint64]*Container{}, byPID: map[uint64]*Container{},
	}
	t.Host, t.Apart, t.Undecided = nil, nil, nil
	var rest []*Process
	for _, p := range t.Processes {
		p.Moved = ""
		g.at[p.PID] = p
	}
	if first := g.at[1]; first != nil && !first.Identity.Named {
		t.NodeID = first.Identity.ID
	}
	for _, p := range t.Processes {
		if !g.byCgroup(p) {
			rest = append(rest, p)
		}
	}
	var unknown []*Process
	if t.Linked {
		g.settleRoots()
		unknown = g.strays()
		g.namespaces()
	}
	for _, p := range rest {
		switch place, ct := g.place(p); place {
		case ofHost:
			t.Host = append(t.Host, p)
		case inChroot:
			t.Host, t.Apart = append(t.Host, p), append(t.Apart, Apart{p, "chroot"})
		case inService:
			t.Host, t.Apart = append(t.Host, p), append(t.Apart, Apart{p, "service"})
		case inKnown:
			ct.Processes = append(ct.Processes, p)
		case inUnknown:
			unknown = append(unknown, p)
		case undecided:
			t.Undecided = append(t.Undecided, p)
		}
	}
	g.collect(g.withoutServices(unknown))
}

// withoutServices gives processes among the mounts of a confined service to the host:
// they are the service's own, in a further sandbox, as of a browser in a snap.
func (g *grouping) withoutServices(unknown []*Process) []*Process {
	mounts := map[uint64]bool{}
	for _, a := range g.t.Apart {
		if a.Why == "service" {
			mounts[a.NS.Mnt] = true
		}
	}
	if len(mounts) == 0 {
		return unknown
	}
	rest := slices.DeleteFunc(slices.Clone(unknown), func(p *Process) bool {
		if p.Moved != "" || !mounts[p.NS.Mnt] {
			return false
		}
		g.t.Host, g.t.Apart = append(g.t.Host, p), append(g.t.Apart, Apart{p, "service"})
		return true
	})
	slices.SortFunc(g.t.Host, func(a, b *Process) int { return cmp.Compare(a.PID, b.PID) })
	sorted.Func(g.t.Apart, func(a, b Apart) int { return cmp.Compare(a.PID, b.PID) })
	return rest
}

// dirKey identifies a directory, whatever mount it is reached by.
type dirKey struct{ dev, ino uint64 }

func (k RootKey) dir() dirKey { return dirKey{k.Dev, k.Ino} }

// grouping is one call of Group.
type grouping struct {
	t     *Table
	byKey map[string]*Container
	at    map[int]*Process // by pid
	in    map[*Process]*Container
	roots map[dirKey]*root
	dirs  map[*Container]int // how many roots a container's processes have
	mains map[*Container]*Process
	// byMnt and byPID are the containers that have a namespace for themselves; nil
	// where several do.
	byMnt, byPID map[uint64]*Container
	byMount      map[uint64]string // see mountedFor
	moved        bool              // since refill
}

// root is a directory that processes in containers have as their root.
type root struct {
	dir dirKey
	// claims are the containers, by cgroup, of processes with it, and the earliest
	// such process of each.
	claims map[*Container]*Process
	owners []*Container // the earliest first
}

// earlier compares processes by start: the order of a container's.
func earlier(a, b *Process) int {
	return cmp.Or(cmp.Compare(a.Stat.StartTime, b.Stat.StartTime), cmp.Compare(a.PID, b.PID))
}

// hostRoot reports whether a process has pid 1's root directory. Pid 1 has it by
// definition, also where nobody may look.
func (g *grouping) hostRoot(p *Process) bool { return p.PID == 1 || p.Root.SameDir(g.t.HostRoot) }

// ownRoot reports whether a process has a root directory that is not pid 1's.
func (g *grouping) ownRoot(p *Process) bool { return p.Root.Known() && !g.hostRoot(p) }

// byCgroup puts a process into the container that its cgroup path names.
func (g *grouping) byCgroup(p *Process) bool {
	id := g.t.identity(p)
	self := p.PID == g.t.SelfPID
	if id.Named && g.t.Linked && g.hostRoot(p) && !self {
		id.ID = "" // a plain name is no proof: cgroups of the host have such names, too
	}
	if id.ID == "" && !self {
		return false
	}
	if g.t.SelfPodUID != "" && (id.SamePod || self && id.PodUID == "") {
		id.PodUID, id.Kubernetes = g.t.SelfPodUID, true
	}
	key := ledger.KeyOf(id.ID)
	if id.Named {
		key = id.Runtime + "/" + id.ID
	}
	ct := g.byKey[key]
	if ct == nil {
		id.ID = rootfs.Text(id.ID)
		ct = &Container{Identity: id}
		g.byKey[key] = ct
	}
	ct.Self = ct.Self || self
	ct.Processes = append(ct.Processes, p)
	g.in[p] = ct
	if !g.t.Linked || !g.ownRoot(p) {
		return true
	}
	r := g.roots[p.Root.dir()]
	if r == nil {
		r = &root{dir: p.Root.dir(), claims: map[*Container]*Process{}}
		g.roots[r.dir] = r
	}
	switch first := r.claims[ct]; {
	case first == nil:
		r.claims[ct] = p
		g.dirs[ct]++
	case earlier(p, first) < 0:
		r.claims[ct] = p
	}
	return true
}

// settleRoots finds out whose each root directory is, and moves processes that sit in
// another container's cgroup to their own container. Where the node's mounts do not
// say it, a container in whose cgroup nothing has another root owns its root: several
// can, where one directory is the root of several containers. Else it belongs to the
// container of the earliest process, because whoever entered it came later.
func (g *grouping) settleRoots() {
	for _, r := range g.roots {
		claims := make([]*Container, 0, len(r.claims))
		for ct := range r.claims {
			claims = append(claims, ct)
		}
		slices.SortFunc(claims, func(a, b *Container) int { return earlier(r.claims[a], r.claims[b]) })
		if len(claims) == 1 {
			r.owners = claims
			continue
		}
		if ct := g.byKey[g.mountedFor(r.dir.dev)]; ct != nil && r.claims[ct] != nil {
			r.owners = []*Container{ct}
			continue
		}
		mnts := map[uint64]bool{}
		for _, ct := range claims {
			mnt := r.claims[ct].NS.Mnt
			// Containers do not share a mount namespace, so the second such one is
			// a cgroup that the first has made.
			if g.dirs[ct] == 1 && (mnt == 0 || !mnts[mnt]) {
				r.owners = append(r.owners, ct)
				mnts[mnt] = true
			}
		}
		if len(r.owners) == 0 {
			r.owners = claims[:1]
		}
	}
	for _, p := range g.t.Processes {
		ct := g.in[p]
		if ct == nil || !g.ownRoot(p) || p.PID == g.t.SelfPID {
			continue
		}
		if r := g.roots[p.Root.dir()]; !slices.Contains(r.owners, ct) {
			g.move(p, r.owner(p))
		}
	}
	g.refill()
}

// owner is the container that a process with this root is of: if there are several,
// the one whose mount namespace it has, else the earliest.
func (r *root) owner(p *Process) *Container {
	for _, ct := range r.owners {
		if p.NS.Mnt != 0 && r.claims[ct].NS.Mnt == p.NS.Mnt {
			return ct
		}
	}
	return r.owners[0]
}

// move puts a process into another container than that of its cgroup; to is nil for
// one that is not known yet.
func (g *grouping) move(p *Process, to *Container) {
	p.Moved = g.in[p].Key()
	if g.in[p] = to; to == nil {
		delete(g.in, p)
	}
	g.moved = true
}

// refill gives containers their processes, after some were moved.
func (g *grouping) refill() {
	if !g.moved {
		return
	}
	for _, ct := range g.byKey {
		ct.Processes = nil
	}
	for _, p := range g.t.Processes {
		if ct := g.in[p]; ct != nil {
			ct.Processes = append(ct.Processes, p)
		}
	}
	g.moved = false
}

// maxAncestors bounds how far up the parents of a process are followed.
const maxAncestors = 64

// strays finds the processes in a container's cgroup that are another container's as
// a whole: root directory, mounts and process ids are not those of the container, and
// none of its processes has started them. A container that the container itself
// started stays a part of it.
func (g *grouping) strays() (unknown []*Process) {
	for _, p := range g.t.Processes {
		ct := g.in[p]
		if ct == nil || g.dirs[ct] < 2 || !g.ownRoot(p) || p.PID == g.t.SelfPID || p.Moved != "" {
			continue
		}
		main := g.mainOf(ct)
		if self := g.at[g.t.SelfPID]; ct.Self && self != nil && p.Root.dir() != self.Root.dir() && p.NS.Mnt != self.NS.Mnt {
			// The caller starts nothing: this one hides in a container that is not judged.
			g.move(p, nil)
			unknown = append(unknown, p)
			continue
		}
		if p.Root.dir() == main.Root.dir() || p.NS.Mnt == 0 || p.NS.PID == 0 || p.NS.Mnt == main.NS.Mnt || p.NS.PID == main.NS.PID ||
			p.NS.PID == g.t.HostPIDNS || main.NS.Mnt == 0 || g.descends(p, ct, main) {
			continue
		}
		id := g.mountedFor(p.Root.Dev)
		if id == "" {
			g.move(p, nil)
			unknown = append(unknown, p)
			continue
		}
		owner := g.byKey[id]
		if owner == nil {
			owner = &Container{Identity: procfs.Identity{ID: id, Runtime: "containerd", Path: p.Identity.Path}, FoundBy: fact.FoundByRoot}
			g.byKey[id] = owner
		}
		g.move(p, owner)
	}
	g.refill()
	return unknown
}

// mainOf is the earliest process of a container by its cgroup that has the root which
// the node's mounts show to be the container's, else the earliest that has a root of
// its own.
func (g *grouping) mainOf(ct *Container) *Process {
	if main := g.mains[ct]; main != nil {
		return main
	}
	var main *Process
	mounted := false
	for _, p := range ct.Processes {
		if !g.ownRoot(p) {
			continue
		}
		its := g.mountedFor(p.Root.Dev) == ct.Identity.ID
		if main == nil || its && !mounted || its == mounted && earlier(p, main) < 0 {
			main, mounted = p, its
		}
	}
	g.mains[ct] = main
	return main
}

// descends reports whether a process of a container was started by one that has the
// container's own root, mounts or process ids.
func (g *grouping) descends(p *Process, ct *Container, main *Process) bool {
	if main == nil {
		return false
	}
	for range maxAncestors {
		child := p
		if p = g.at[p.Stat.PPID]; p == nil || p.Stat.StartTime > child.Stat.StartTime {
			return false // not read, or the pid is another process's by now
		}
		if g.in[p] == ct && (p.Root.dir() == main.Root.dir() || p.NS.Mnt == main.NS.Mnt || p.NS.PID == main.NS.PID && p.NS.PID != g.t.HostPIDNS) {
			return true
		}
	}
	return true // nobody's own shim is that far away
}

// mountedFor is the id of the container whose root file system is on this device, by
// the place where the node has it mounted; "" if the node's mounts do not say it.
// Only overlays count, which have a device for themselves.
func (g *grouping) mountedFor(dev uint64) string {
	if g.byMount == nil {
		g.byMount = map[uint64]string{}
		for _, m := range g.t.NodeMounts() {
			if m.FSType != "overlay" || m.Root != "/" {
				continue
			}
			dev := rootfs.Mkdev(m.Major, m.Minor)
			id := rootfsOf(m.Point)
			if known, ok := g.byMount[dev]; ok && known != id {
				id = ""
			}
			g.byMount[dev] = id
		}
	}
	return g.byMount[dev]
}

// rootfsOf reads the container's id from where containerd or Docker mounts its root:
// ".../io.containerd.runtime.v2.task/NAMESPACE/ID/rootfs", ".../rootfs/overlayfs/ID".
func rootfsOf(point string) string {
	parts := strings.Split(point, "/")
	n := len(parts)
	switch {
	case n >= 4 && parts[n-1] == "rootfs" && parts[n-4] == "io.containerd.runtime.v2.task" && procfs.IsContainerID(parts[n-2]):
		return parts[n-2]
	case n >= 3 && parts[n-2] == "overlayfs" && parts[n-3] == "rootfs" && procfs.IsContainerID(parts[n-1]):
		return parts[n-1]
	}
	return ""
}

// namespaces finds which namespaces are of one container alone.
func (g *grouping) namespaces() {
	add := func(of map[uint64]*Container, ns, host uint64, ct *Container) {
		if ns == 0 || ns == host {
			return
		}
		if known, ok := of[ns]; ok && known != ct {
			ct = nil
		}
		of[ns] = ct
	}
	for _, ct := range g.byKey {
		for _, p := range ct.Processes {
			if g.ownRoot(p) {
				add(g.byMnt, p.NS.Mnt, g.t.HostMntNS, ct)
				add(g.byPID, p.NS.PID, g.t.HostPIDNS, ct)
			}
		}
	}
}

// Where a process that no cgroup gives to a container belongs.
type place int

const (
	nowhere place = iota // it has ended
	ofHost
	inChroot
	inService
	inKnown
	inUnknown
	undecided
)

func (g *grouping) place(p *Process) (place, *Container) {
	switch {
	case !g.t.Linked || p.PID == 1:
		return ofHost, nil
	case p.Ended:
		return nowhere, nil
	case p.LinkErr != nil || !p.Root.Known():
		return undecided, nil
	case g.hostRoot(p):
		return ofHost, nil
	}
	if ct := cmp.Or(g.byMnt[p.NS.Mnt], g.byPID[p.NS.PID]); ct != nil {
		return inKnown, ct
	}
	if r := g.roots[p.Root.dir()]; r != nil {
		// An overlay is one container's. A plain directory can be the root of more.
		if ct := r.owner(p); rootfs.Anonymous(p.Root.Dev) || g.descends(p, ct, g.mainOf(ct)) {
			return inKnown, ct
		}
	}
	switch {
	case p.NS.Mnt == 0 || p.NS.PID == 0 || g.t.HostMntNS == 0 || g.t.HostPIDNS == 0:
		return undecided, nil
	case p.NS.Mnt == g.t.HostMntNS:
		return inChroot, nil
	case p.NS.PID != g.t.HostPIDNS || !ServiceUnit(p.Identity.Path):
		return inUnknown, nil
	}
	switch p.RootFS {
	case "":
		return undecided, nil
	case "overlay", "fuse.fuse-overlayfs", "fuse-overlayfs":
		return inUnknown, nil
	}
	return inService, nil
}

// ServiceUnit reports whether a cgroup is that of a service or a snap.
func ServiceUnit(cgroup string) bool {
	leaf := path.Base(cgroup)
	return strings.HasSuffix(leaf, ".service") || strings.HasPrefix(leaf, "snap.")
}

// collect makes containers of the processes of unknown engines, and sorts all.
func (g *grouping) collect(unknown []*Process) {
	containers := make([]*Container, 0, len(g.byKey))
	for _, ct := range g.byKey {
		if len(ct.Processes) > 0 {
			containers = append(containers, ct)
		}
	}
	for _, processes := range g.together(unknown) {
		containers = append(containers, g.unknown(processes))
	}
	for _, ct := range containers {
		slices.SortFunc(ct.Processes, earlier)
	}
	slices.SortFunc(containers, func(a, b *Container) int {
		return cmp.Or(cmp.Compare(a.Identity.ID, b.Identity.ID), earlier(a.Processes[0], b.Processes[0]))
	})
	// No two may have one id: names of different engines can be equal, and short ids
	// too, if somebody looks for such.
	used := make(map[string]bool, len(containers))
	for _, ct := range containers {
		id := ct.Identity.ID
		for n := 2; used[ct.Identity.ID]; n++ {
			ct.Identity.ID = fmt.Sprintf("%s-%d", id, n)
		}
		used[ct.Identity.ID] = true
	}
	g.t.Containers = containers
}

// together sorts processes of unknown engines into containers: those with one mount
// namespace, and of those with one root directory those with one pid namespace of
// their own, or of which one started the other.
func (g *grouping) together(unknown []*Process) [][]*Process {
	parent := make([]int, len(unknown))
	for i := range parent {
		parent[i] = i
	}
	find := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	type rootAndPID struct {
		dir dirKey
		pid uint64
	}
	place := make(map[int]int, len(unknown)) // by pid
	mnts, pids := map[uint64]int{}, map[rootAndPID]int{}
	for i, p := range unknown {
		place[p.PID] = i
		if j, ok := mnts[p.NS.Mnt]; ok {
			parent[find(i)] = find(j)
		} else {
			mnts[p.NS.Mnt] = i
		}
		if key := (rootAndPID{p.Root.dir(), p.NS.PID}); p.NS.PID != g.t.HostPIDNS {
			if j, ok := pids[key]; ok {
				parent[find(i)] = find(j)
			} else {
				pids[key] = i
			}
		}
	}
	for i, p := range unknown {
		if j, ok := place[p.Stat.PPID]; ok && unknown[j].Root.dir() == p.Root.dir() && unknown[j].Stat.StartTime <= p.Stat.StartTime {
			parent[find(i)] = find(j)
		}
	}
	groups := map[int][]*Process{}
	for i, p := range unknown {
		groups[find(i)] = append(groups[find(i)], p)
	}
	out := make([][]*Process, 0, len(groups))
	for _, group := range groups {
		out = append(out, group)
	}
	return out
}

// unknown makes the container of an unknown engine. Its id is made of the root
// directory and the pid namespace of its first process, or its mount namespace where
// it has the host's process ids. So it stays the same while that process lives, and
// the others of a pid namespace do not outlive it.
func (g *grouping) unknown(processes []*Process) *Container {
	main := slices.MinFunc(processes, earlier)
	ct := &Container{Identity: g.t.identity(main), FoundBy: fact.FoundByRoot, Processes: processes}
	ns := main.NS.PID
	if ns == g.t.HostPIDNS {
		ct.FoundBy, ns = fact.FoundByHostPIDs, main.NS.Mnt
	}
	id := &ct.Identity
	if main.Moved != "" { // the cgroup is another container's
		*id = procfs.Identity{Path: id.Path}
	}
	if id.Runtime == "" {
		id.Runtime = procfs.EngineOf(id.Path)
	}
	id.ID = rootID(main.Root, ns)
	return ct
}

// rootID is short, so that it is shown whole, and cannot be taken for an engine's id.
func rootID(root RootKey, ns uint64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d:%d:%d", root.Dev, root.Ino, ns))
	return "root-" + strings.ToLower(base32.HexEncoding.EncodeToString(sum[:])[:7])
}

// identity is what the cgroup path of a process says below that of the node.
func (t *Table) identity(p *Process) procfs.Identity {
	if t.NodeID != "" && p.Identity.ID == t.NodeID {
		return procfs.IdentifyBelow(p.Identity.Path, t.NodeID)
	}
	return p.Identity
}

// Named reports whether the cgroup path of a process names a container. It needs one
// call of Group.
func (t *Table) Named(p *Process) bool { return p.PID == t.SelfPID || t.identity(p).ID != "" }
