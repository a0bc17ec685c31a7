package drift

import (
	"fmt"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/capability"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// can is whether a process may write something.
type can int

const (
	cannot can = iota
	maybe      // a fact that decides it is missing
	yes
)

// writer is who a process, or one of its threads, is to the kernel when it opens a
// file for writing (path_resolution(7), credentials(7)).
type writer struct {
	pid int
	// uids and gids are all that it has: it may switch to its real and saved ids.
	// Uids are the node's.
	uids   [4]int64
	gids   [4]int64
	groups []int64
	caps   uint64 // effective and permitted: what is permitted can be made effective
	// known is false if the masks or some of the groups were not read.
	known bool
	// root is true for uid 0 of its own user namespace.
	root bool
}

// writerKey is the same for writers to whom the same is allowed.
type writerKey struct {
	uids, gids [4]int64
	caps       uint64
	known      bool
	groups     string
}

func (w *writer) key() writerKey {
	k := writerKey{w.uids, w.gids, w.caps, w.known, ""}
	if len(w.groups) > 0 {
		k.groups = fmt.Sprint(w.groups)
	}
	return k
}

// unbounded are the capabilities with which the owner and mode of a file do not
// matter: they ignore them, change them, or make the process the owner.
const unbounded = 1<<capability.DACOverride | 1<<capability.FOwner | 1<<capability.Chown | 1<<capability.SetUID | 1<<capability.SysAdmin

// writersOf returns who the processes of a container are, each once. Complete is
// false if there may be others.
func writersOf(r checks.Running) (writers []writer, complete bool) {
	done := map[writerKey]bool{}
	complete = len(r.Measured.Processes) > 0
	add := func(w writer) {
		if k := w.key(); !done[k] {
			done[k] = true
			writers = append(writers, w)
		}
	}
	for i := range r.Measured.Processes {
		p := &r.Measured.Processes[i]
		if r.MayBeRuntime(p) && len(r.Measured.Processes) > 1 {
			continue // gone in a moment
		}
		add(writerOf(p))
		if p.Threads == nil {
			continue
		}
		complete = complete && p.Threads.DifferingCount <= len(p.Threads.Differing)
		for j := range p.Threads.Differing {
			add(threadOf(p, &p.Threads.Differing[j]))
		}
	}
	return writers, complete
}

func writerOf(p *fact.Process) writer {
	w := writer{pid: p.PID, uids: p.UID, gids: p.GID, groups: p.Groups}
	w.fill(p, p.CapEff, p.CapPrm)
	return w
}

// threadOf is a thread of a process. Its groups are taken for the process's.
func threadOf(p *fact.Process, t *fact.Thread) writer {
	w := writer{pid: t.TID, uids: t.UID, gids: p.GID, groups: p.Groups}
	w.fill(p, t.CapEff, t.CapPrm)
	return w
}

func (w *writer) fill(p *fact.Process, eff, prm fact.CapMask) {
	e, effRead := eff.Bits()
	m, prmRead := prm.Bits()
	w.caps = e | m
	w.known = effRead && prmRead && len(p.Groups) < fact.MaxGroups
	w.root = slices.Contains(w.uids[:], 0) || p.RootUID != nil && slices.Contains(w.uids[:], *p.RootUID)
}

// write reports whether it can write a file, or with dir create and rename names
// in a directory. ACLs are not read: they can give more, and take nothing from the
// owner.
func (w *writer) write(owner *fact.FileOwner, dir bool) can {
	no := cannot
	if !w.known {
		no = maybe
	}
	bits := uint32(0o2)
	if dir {
		bits = 0o3
	}
	switch {
	case w.caps&unbounded != 0:
		return yes
	case owner == nil:
		return maybe
	case slices.Contains(w.uids[:], int64(owner.UID)):
		return yes // an owner can change the mode
	case slices.Contains(w.gids[:], int64(owner.GID)), slices.Contains(w.groups, int64(owner.GID)):
		if owner.Mode>>3&bits == bits {
			return yes
		}
		return no
	case owner.Mode&bits == bits, owner.Mode>>3&bits == bits && w.caps&(1<<capability.SetGID) != 0:
		return yes
	}
	return no
}

// replace reports whether it can put another file in the place of one: by writing
// it, or by a rename in its directory.
func (w *writer) replace(file, dir *fact.FileOwner) can {
	// In a sticky directory a name belongs to the owner of the file and to the
	// owner of the directory.
	sticky := dir != nil && dir.Mode&0o1000 != 0 && !slices.Contains(w.uids[:], int64(dir.UID)) && w.caps&unbounded == 0
	if sticky {
		return w.write(file, false)
	}
	return max(w.write(file, false), w.write(dir, true))
}

// String names it for evidence.
func (w *writer) String() string {
	text := fmt.Sprintf("uid %d of pid %d", w.uids[1], w.pid)
	if held := w.caps & unbounded; held != 0 {
		names := capability.Names(held)
		text += " with " + checks.JoinWords(names, 2)
	}
	return text
}

// onMount reports whether some process of the container can create files on a
// mount, and which. Only the directory at the mount point was looked at. If that
// refuses, directories below it may not: only of the /dev that a runtime makes it
// is known that they do.
func onMount(writers []writer, m *fact.Mount) (can, *writer) {
	made := m.Path == "/dev" && m.FSType == "tmpfs" && m.Volume == ""
	best, who := cannot, (*writer)(nil)
	for i := range writers {
		w := &writers[i]
		c := w.write(m.Owner, true)
		if made && m.Owner == nil && w.root {
			c = yes // root's, with mode 0755
		}
		if c > best {
			best, who = c, w
		}
	}
	if best == cannot && !made {
		return maybe, nil
	}
	return best, who
}

// onFile reports the same for a single file that is mounted.
func onFile(writers []writer, complete bool, m *fact.Mount) can {
	best := cannot
	for i := range writers {
		best = max(best, writers[i].write(m.Owner, false))
	}
	if best == cannot && !complete {
		return maybe
	}
	return best
}
