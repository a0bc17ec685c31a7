package components

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/program"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// maxSockets bounds the listening sockets of one program.
const maxSockets = 256

// table is the listening sockets of one network namespace.
type table struct {
	listeners []procfs.TCPListener
	err       error
}

// sockets reads on which TCP sockets a program listens: those of its network namespace
// whose inodes are among its descriptors. With an error the list is not all of them.
func (n *node) sockets(proc *program.Program) ([]fact.Socket, error) {
	if n.pass.HostNetNS == 0 {
		return nil, rootfs.NewError(fact.Unreadable, "the node's own network namespace is unknown")
	}
	netns, err := proc.PID.Namespace(procfs.NameNSNet)
	if err != nil {
		return nil, err
	}
	// A namespace that another process has joined since has the same sockets.
	t, known := n.tables[netns]
	if !known {
		t.listeners, t.err = proc.PID.Listeners()
		n.tables[netns] = t
	}
	own := map[uint64]bool{}
	fdErr := proc.EachFD(func(_ int, text string) {
		if inode, ok := socketInode(text); ok {
			own[inode] = true
		}
	})
	var found []fact.Socket
	for _, l := range t.listeners {
		if !own[l.Inode] {
			continue
		}
		if len(found) == maxSockets {
			return found, rootfs.NewError(fact.Truncated, fmt.Sprintf("more than %d", maxSockets))
		}
		s := fact.Socket{Address: l.Address(), Port: l.Port, Inode: l.Inode}
		if netns != n.pass.HostNetNS {
			s.Netns = netns
		}
		found = append(found, s)
	}
	sorted.Func(found, func(a, b fact.Socket) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Address, b.Address), cmp.Compare(a.Inode, b.Inode))
	})
	return found, cmp.Or(fdErr, t.err)
}

// socketInode reads the text of a descriptor's link (proc_pid_fd(5)): "socket:[20145]".
func socketInode(text string) (uint64, bool) {
	rest, ok := strings.CutPrefix(text, "socket:[")
	digits, closed := strings.CutSuffix(rest, "]")
	if !ok || !closed {
		return 0, false
	}
	inode, err := strconv.ParseUint(digits, 10, 64)
	return inode, err == nil && inode != 0
}
