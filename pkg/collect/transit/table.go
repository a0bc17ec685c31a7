package transit

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// Table is the listening sockets of the node's own network namespace.
type Table struct {
	Sockets []procfs.TCPListener
	// Reason and Detail say why Sockets is not all of them, "" if it is.
	Reason fact.Reason
	Detail string
}

// The tables that ReadTable opens.
const (
	TableTCP4 = "/proc/net/tcp"
	TableTCP6 = "/proc/net/tcp6"
)

// ReadTable reads the tables of this process's network namespace, which must be the
// node's. A kernel without IPv6 has no TableTCP6.
func ReadTable(open func(path string) (io.ReadCloser, error)) Table {
	var t Table
	for _, path := range []string{TableTCP4, TableTCP6} {
		err := t.read(open, path)
		switch {
		case err == nil, path == TableTCP6 && errors.Is(err, fs.ErrNotExist):
			continue
		case errors.Is(err, fs.ErrNotExist):
			t.Reason, t.Detail = fact.NotPresent, path+" does not exist"
		case errors.Is(err, procfs.ErrTCPTable):
			t.Reason, t.Detail = fact.Truncated, path+" is too long: only the first sockets in it are known"
		case errors.Is(err, fs.ErrPermission):
			t.Reason, t.Detail = fact.Unreadable, path+" is not readable"
		default:
			t.Reason, t.Detail = fact.Corrupt, path+" has a line that is not understood, or its reading stopped"
		}
	}
	return t
}

func (t *Table) read(open func(path string) (io.ReadCloser, error), path string) error {
	f, err := open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // nothing was written
	sockets, err := procfs.ReadTCPListeners(f, path == TableTCP6)
	t.Sockets = append(t.Sockets, sockets...)
	return err
}

// wellKnown are the default ports of the programs.
var wellKnown = map[uint16]fact.ListenerPurpose{
	2379:  fact.EtcdClient,
	2380:  fact.EtcdPeer,
	6443:  fact.KubeAPI,
	9345:  fact.RKE2Supervisor,
	8132:  fact.Konnectivity,
	10250: fact.KubeletAPI,
	10255: fact.KubeletReadOnly,
	10257: fact.ControllerManager,
	10258: fact.CloudController,
	10259: fact.Scheduler,
}

// listening is a socket that has a purpose.
type listening struct {
	fact.Listener
	bound netip.AddrPort
	named bool // the caller knows whose it is
}

// find returns the sockets that have a wanted purpose, in the order in which they are
// dialed: those that the caller names by their address, then those whose kinds and purposes
// come first in their lists. So a stranger who opens many sockets at well-known ports takes
// no time from those of known programs. Sockets that share an address (SO_REUSEPORT) are
// one listener; its owner is unknown, because any of them may take a connection.
func (o *Options) find() []listening {
	var all []listening
	seen := map[netip.AddrPort]int{}
	for _, s := range o.Table.Sockets {
		bound := netip.AddrPortFrom(addressOf(s), uint16(s.Port))
		purpose := o.purposeOf(bound)
		if purpose == "" || !slices.Contains(o.Wants, purpose.Kind()) {
			continue
		}
		if at, shared := seen[bound]; shared {
			if all[at].Inode != s.Inode {
				all[at].Inode = 0
			}
			continue
		}
		seen[bound] = len(all)
		named := o.Purposes[netip.AddrPortFrom(bound.Addr().Unmap(), bound.Port())] != ""
		all = append(all, listening{bound: bound, named: named, Listener: fact.Listener{
			Address: s.Address(), Port: s.Port, Inode: s.Inode, UID: s.UID, Purpose: purpose,
		}})
	}
	order := fact.Purposes()
	sorted.Func(all, func(a, b listening) int {
		if a.named != b.named {
			if a.named {
				return -1
			}
			return 1
		}
		return cmp.Or(
			cmp.Compare(slices.Index(order, a.Purpose), slices.Index(order, b.Purpose)),
			cmp.Compare(a.Port, b.Port),
			cmp.Compare(a.Address, b.Address),
		)
	})
	return all
}

// purposeOf prefers what the caller says of this address to the port's default, and that to
// what the caller says of all addresses: a socket for all addresses, of another program,
// must not rename etcd's.
func (o *Options) purposeOf(bound netip.AddrPort) fact.ListenerPurpose {
	port := bound.Port()
	return cmp.Or(
		o.Purposes[netip.AddrPortFrom(bound.Addr().Unmap(), port)],
		wellKnown[port],
		o.Purposes[netip.AddrPortFrom(netip.IPv4Unspecified(), port)],
		o.Purposes[netip.AddrPortFrom(netip.IPv6Unspecified(), port)],
	)
}

func addressOf(s procfs.TCPListener) netip.Addr {
	if s.V6 {
		return netip.AddrFrom16(s.IP)
	}
	return netip.AddrFrom4([4]byte(s.IP[:4]))
}

// targets returns the addresses at which a socket can be dialed, in the order in which
// they are tried. One that listens on every address is dialed at the node's own, which is
// how the world reaches it, and at loopback only if that fails. "::" mostly takes IPv4,
// too. An address that another socket of the same port is bound to is not this one's.
func (o *Options) targets(bound netip.AddrPort) []netip.Addr {
	address := bound.Addr().Unmap()
	if !address.IsUnspecified() {
		return []netip.Addr{address}
	}
	var all []netip.Addr
	families := []bool{true} // whether IPv4
	if address.Is6() {
		families = []bool{true, false}
	}
	for _, candidates := range [][]netip.Addr{o.Addresses, {netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}} {
		for _, v4 := range families {
			for _, c := range candidates {
				if c = c.Unmap(); c.Is4() == v4 && o.allowed(c) && !slices.Contains(all, c) && !o.takenByAnother(bound, c) {
					all = append(all, c)
				}
			}
		}
	}
	return all
}

// takenByAnother reports whether a connection to the address reaches another socket than
// the one that is bound to every address.
func (o *Options) takenByAnother(bound netip.AddrPort, target netip.Addr) bool {
	return slices.ContainsFunc(o.Table.Sockets, func(s procfs.TCPListener) bool {
		other := addressOf(s)
		if s.Port != int(bound.Port()) || other == bound.Addr() {
			return false
		}
		return other.Unmap() == target || other == netip.IPv4Unspecified() && target.Is4()
	})
}

// allowed reports whether an address may be dialed: loopback, or one that the caller says
// is the node's own. Nothing else is, whatever the table says: with IPVS, for example,
// kube-ipvs0 holds the address of every Service.
func (o *Options) allowed(a netip.Addr) bool {
	a = a.Unmap()
	switch {
	case !a.IsValid(), a.Zone() != "", a.IsUnspecified(), a.IsMulticast(), a.IsLinkLocalUnicast():
		return false
	case a.IsLoopback():
		return true
	}
	return slices.ContainsFunc(o.Addresses, func(own netip.Addr) bool { return own.Unmap() == a })
}
