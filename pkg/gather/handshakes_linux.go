package gather

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/transit"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch"
)

// handshakes makes handshakes with what listens on this machine, and adds what it finds
// to what was read of the machine. kinds are those of level net. proc is the machine's
// proc(5), "" if the root is files alone.
func (s *Machine) handshakes(ctx context.Context, m *fact.Measurement, kinds []fact.Kind, proc string) {
	gap := func(reason fact.Reason, detail string) {
		for _, kind := range kinds {
			m.Gaps = append(m.Gaps, fact.NodeGap{What: kind, Reason: reason, Detail: detail})
		}
	}
	if len(kinds) == 0 {
		return
	}
	switch {
	case proc == "":
		gap(fact.Unsupported, "the root is a directory of files, in which nothing listens")
		return
	case !s.Net:
		gap(fact.NotRequested, "no handshakes were asked for")
		return
	}
	if reason, detail := networkOf(proc); reason != "" {
		gap(reason, detail)
		return
	}
	addresses := s.addresses
	if addresses == nil {
		addresses = outwardAddresses
	}
	table := transit.ReadTable(func(path string) (io.ReadCloser, error) { return os.Open(path) })
	listeners, gaps := transit.Measure(ctx, transit.Options{
		Table: table, Addresses: addresses(), Purposes: launch.ListenersOf(m), Wants: kinds,
	})
	m.Listeners, m.Gaps = listeners, append(m.Gaps, gaps...)
	if table.Reason == "" || len(table.Sockets) > 0 {
		m.Read = append(m.Read, kinds...)
	}
	if ctx.Err() != nil {
		gap(fact.Timeout, "the handshakes did not end in time")
	}
}

// networkOf compares the network namespace of this program with that of the machine's
// first process. Reason is "" if they are one: then what this program connects to is the
// machine's.
func networkOf(proc string) (reason fact.Reason, detail string) {
	path := filepath.Join(proc, "1/ns/net")
	machine, err := os.Readlink(path)
	if err != nil {
		return fact.Unreadable, path + " is readable only to root, so it is unknown whether this program is in the machine's network"
	}
	if own, err := os.Readlink("/proc/self/ns/net"); err != nil || own != machine {
		return fact.Unsupported, "this program is in another network namespace than the machine's first process (" + path + ")"
	}
	return "", ""
}

// outwardAddresses returns the addresses from which this machine talks to the world, one
// of each family. The list of all addresses of all interfaces would not do: with IPVS,
// kube-ipvs0 holds the address of every Service. connect(2) of a datagram socket chooses
// the address and sends nothing; the targets are for documentation (RFC 5737, RFC 3849).
func outwardAddresses() []netip.Addr {
	var addresses []netip.Addr
	for network, target := range map[string]string{"udp4": "192.0.2.1:9", "udp6": "[2001:db8::1]:9"} {
		conn, err := net.Dial(network, target)
		if err != nil {
			continue // no route of this family
		}
		if local, ok := conn.LocalAddr().(*net.UDPAddr); ok {
			if address := local.AddrPort().Addr().Unmap(); address.IsGlobalUnicast() && address.Zone() == "" {
				addresses = append(addresses, address)
			}
		}
		_ = conn.Close() // nothing was sent
	}
	return addresses
}
