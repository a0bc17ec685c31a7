package processes

import (
	"path"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/overlay"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/runtimesocket"
)

// maxSockets bounds those that are looked for.
const maxSockets = 100

// sockets are the node's sockets of container runtimes, found in its mount table.
type sockets struct {
	mounts []procfs.MountInfo
	all    []socket
	users  []*procfs.MountInfo // that hold directories of /run/user
}

// socket is one.
type socket struct {
	path  string            // on the node
	mount *procfs.MountInfo // that holds it
	inFS  string            // its path in that file system
	// listens: somebody does, by the node's list of sockets. Where no known one is in
	// that list, all count.
	listens bool
}

// findSockets looks nothing up in a file system: paths are compared, and the list of
// sockets of pid 1's network namespace is read.
func findSockets(pass *reader.Pass) *sockets {
	s := &sockets{mounts: pass.NodeMounts()}
	if s.mounts == nil {
		pass.Ledger.Gap(fact.NodeGap{
			What: fact.Mounts, Reason: fact.Unreadable,
			Detail: "the node's own mount table was not read, so it is unknown which sockets of container runtimes its containers see",
		})
		return s
	}
	listening := listening(pass)
	s.fill(listening)
	return s
}

func (s *sockets) fill(listening []string) {
	add := func(name string, listens bool) {
		if len(s.all) == maxSockets {
			return
		}
		if m, inFS := overlay.InFileSystem(s.mounts, name); m != nil {
			s.all = append(s.all, socket{name, m, inFS, listens})
		}
	}
	for _, p := range runtimesocket.Paths() {
		if !strings.Contains(p, "*") {
			add(p, slices.Contains(listening, p) || len(listening) == 0 && runtimesocket.Usual(p))
		}
	}
	if m, _ := overlay.InFileSystem(s.mounts, "/run/user"); m != nil {
		s.users = append(s.users, m)
	}
	for i := range s.mounts {
		if strings.HasPrefix(s.mounts[i].Point, "/run/user/") {
			s.users = append(s.users, &s.mounts[i])
		}
	}
	for _, p := range listening {
		if !slices.Contains(runtimesocket.Paths(), p) { // a user's
			add(p, true)
		}
	}
}

// listening returns the known sockets that somebody listens on, sorted.
func listening(pass *reader.Pass) []string {
	d, err := pass.Open(1)
	if err != nil {
		return nil
	}
	defer d.Close()
	return d.RuntimeSockets()
}

// shownBy returns the sockets that a container's mounts show. What is mounted itself
// counts, as does the runtime's own directory, and any directory above a socket that
// somebody listens on.
func (s *sockets) shownBy(table []procfs.MountInfo) []string {
	var found []string
	for i := range table {
		m := &table[i]
		if m.Pseudo() {
			continue
		}
		for j := range s.all {
			o := &s.all[j]
			if overlay.Shows(m, o.mount, o.inFS) && (o.listens || m.Root == o.inFS || s.own(m, o)) {
				found = append(found, rootfs.Text(o.path))
			}
		}
		// A user's own daemon is in a network namespace of its own, and so in no
		// list, but it may be mounted by its name.
		for _, user := range s.users {
			if !overlay.Shows(user, m, m.Root) {
				continue
			}
			at := overlay.NodePath(m, s.mounts)
			if !strings.HasPrefix(at, "/run/user/") {
				break
			}
			for _, p := range runtimesocket.Paths() {
				switch {
				case runtimesocket.Match(p, at):
					found = append(found, rootfs.Text(at))
				case !strings.HasSuffix(path.Dir(p), "*") && runtimesocket.Match(path.Dir(p), at):
					found = append(found, rootfs.Text(at+"/"+path.Base(p)))
				}
			}
			break
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// own reports whether a mount is the directory in which only the runtime keeps files.
func (s *sockets) own(m *procfs.MountInfo, o *socket) bool {
	dir := runtimesocket.Own(o.path)
	return dir != "" && m.Root == path.Dir(o.inFS)
}
