package transit

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// TestLocalPorts shows that connections come from the range, and that a port which is in
// use is skipped.
func TestLocalPorts(t *testing.T) {
	var p ports
	taken, err := net.Listen("tcp4", "127.0.0.1:61002")
	if err != nil {
		t.Skip("another program has port 61002")
	}
	defer func() { _ = taken.Close() }()
	s := onTCP(t).raw(t, drain)
	p.next = 61002
	var got []uint16
	for range 3 {
		conn, err := p.dial(t.Context(), connect, netip.AddrPortFrom(loopback, s.port))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		got = append(got, netip.MustParseAddrPort(conn.LocalAddr().String()).Port())
	}
	if slices.Contains(got, 61002) || !slices.IsSorted(got) || got[0] < FirstPort || got[2] > LastPort {
		t.Errorf("connections come from %v", got)
	}
}

func TestPortsWrap(t *testing.T) {
	d := &dialed{err: map[string]error{"127.0.0.1": syscall.EADDRINUSE}}
	p := ports{next: LastPort}
	_, err := p.dial(t.Context(), d.dial, netip.AddrPortFrom(loopback, FirstPort))
	if !errors.Is(err, syscall.EADDRINUSE) || len(d.to) != LastPort-FirstPort {
		t.Errorf("%d ports were tried, error %v; want all but the listener's own", len(d.to), err)
	}
}

// TestAddressOfAnother shows that bind(2) refuses what is not this machine's own address,
// before a packet is sent.
func TestAddressOfAnother(t *testing.T) {
	if b, err := os.ReadFile("/proc/sys/net/ipv4/ip_nonlocal_bind"); err != nil || strings.TrimSpace(string(b)) != "0" {
		t.Skip("this machine lets programs bind to any address, or is not Linux")
	}
	var p ports
	conn, err := p.dial(t.Context(), connect, netip.MustParseAddrPort("192.0.2.1:2379")) // TEST-NET-1 of RFC 5737
	if !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("connection %v, error %v", conn, err)
	}
}

func TestOnTCP(t *testing.T) {
	s := onTCP(t).web(t, with(), 401)
	l := s.measure(t, fact.KubeletAPI)
	want := of(speaks, asGood, "client certificate none: TLS 1.2 handshake finished without a CertificateRequest", "GET /healthz: 401 ")
	if got := summary(l); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

func TestIPv6(t *testing.T) {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6")
	}
	s := &server{Listener: l, port: netip.MustParseAddrPort(l.Addr().String()).Port()}
	s.web(t, with(), 200)
	o := s.options(fact.EtcdPeer)
	o.Table.Sockets[0] = socket("::1", s.port)
	o.Purposes = map[netip.AddrPort]fact.ListenerPurpose{netip.AddrPortFrom(netip.IPv6Unspecified(), s.port): fact.EtcdPeer}
	all, _ := Measure(t.Context(), o)
	if len(all) != 1 || all[0].Target != "::1" || all[0].Protocol != fact.SpeaksTLS || all[0].Reason != "" {
		t.Errorf("%+v", all)
	}
}

// TestReset is one of the kernel's own: a socket that is closed with bytes unread.
func TestReset(t *testing.T) {
	s := onTCP(t).raw(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1))
		_ = c.(*net.TCPConn).SetLinger(0)
	})
	l := s.measure(t, fact.EtcdClient)
	if l.Protocol != "" || l.Reason != fact.Unsupported || l.Request == nil || l.Request.Detail != endedReset {
		t.Errorf("%+v, request %+v", l, l.Request)
	}
}

// TestFIPS runs the measurement in a process where crypto/tls offers less than it is told
// to: that is no refusal by the server.
func TestFIPS(t *testing.T) {
	if os.Getenv("TRANSIT_FIPS") == "" {
		cmd := exec.CommandContext(t.Context(), must(os.Executable()), "-test.run", "^TestFIPS$", "-test.v")
		cmd.Env = append(os.Environ(), "TRANSIT_FIPS=1", "GODEBUG=fips140=on")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestFIPS") {
			t.Errorf("%v:\n%s", err, out)
		}
		return
	}
	s := onTCP(t).raw(t, func(c net.Conn) { readHello(c); _, _ = c.Write(fatal(0x0303, protocolVersion)) })
	l := s.measure(t, fact.EtcdClient)
	for _, o := range l.Offers {
		can := o.Offer == fact.OfferTLS12 || o.Offer == fact.OfferTLS13
		if can != (o.Outcome == fact.OfferRefused) || !can && o.From != "this program cannot offer it" {
			t.Errorf("%+v", o)
		}
	}
}
