package transit

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
)

// The local ports of the connections. They are above Linux's default range of ephemeral
// ports (net.ipv4.ip_local_port_range, 32768 to 60999), and need no privilege.
const (
	FirstPort = 61000
	LastPort  = 61999
)

// Dial connects from a local address to a remote one. It is an option only so that tests
// can see what is dialed.
type Dial func(ctx context.Context, local, remote netip.AddrPort) (net.Conn, error)

// connect is the Dial of everything but tests. It resolves no name.
func connect(ctx context.Context, local, remote netip.AddrPort) (net.Conn, error) {
	network := "tcp6"
	if remote.Addr().Is4() {
		network = "tcp4"
	}
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(local), KeepAlive: -1}
	d.SetMultipathTCP(false)
	return d.DialContext(ctx, network, remote.String())
}

// ports gives local ports, one after another.
type ports struct{ next uint16 }

// dial connects from the address that it connects to: so bind(2) fails, before anything is
// sent, if that is not an address of this machine.
func (p *ports) dial(ctx context.Context, dial Dial, remote netip.AddrPort) (net.Conn, error) {
	var conn net.Conn
	err := error(syscall.EADDRINUSE)
	for tries := 0; tries <= LastPort-FirstPort && errors.Is(err, syscall.EADDRINUSE); tries++ {
		if p.next < FirstPort || p.next > LastPort {
			p.next = FirstPort
		}
		local := netip.AddrPortFrom(remote.Addr(), p.next)
		p.next++
		if local == remote {
			continue // TCP would connect the socket to itself
		}
		conn, err = dial(ctx, local, remote)
	}
	return conn, err
}
