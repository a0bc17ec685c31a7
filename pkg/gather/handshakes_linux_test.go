package gather

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// listenTLS starts a server at loopback that speaks TLS 1.3 alone.
func listenTLS(t *testing.T) (port int, connections func() int) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	count := make(chan int, 1)
	count <- 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			count <- <-count + 1
			go func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(time.Minute))
				server := tls.Server(conn, config)
				_ = server.Handshake()
				_, _ = server.Read(make([]byte, 1))
			}()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return listener.Addr().(*net.TCPAddr).Port, func() int {
		n := <-count
		count <- n
		return n
	}
}

// procOf returns a proc(5) whose first process is in a network namespace.
func procOf(t *testing.T, network string) string {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "1/ns"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(network, filepath.Join(dir, "1/ns/net")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// What a program's settings name is dialed too, and its answer is added to what was read.
func TestMachineShakesHands(t *testing.T) {
	port, connections := listenTLS(t)
	m := &fact.Measurement{
		Level: fact.LevelFull, Read: []fact.Kind{fact.Kernel},
		Components: []fact.Component{{
			Program: fact.ProgramKubelet, Sockets: []fact.Socket{{Address: "127.0.0.1", Port: port}}, SocketsRead: true,
			Settings: []fact.Setting{{Name: "port", Value: netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(port)).String()}},
		}},
	}
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	s := &Machine{Net: true, addresses: func() []netip.Addr { return nil }}
	s.handshakes(t.Context(), m, []fact.Kind{fact.NodeTLS}, procOf(t, own))
	i := slices.IndexFunc(m.Listeners, func(l fact.Listener) bool { return l.Port == port })
	if i < 0 {
		t.Fatalf("listeners %+v, gaps %+v", m.Listeners, m.Gaps)
	}
	l := m.Listeners[i]
	if l.Purpose != fact.KubeletAPI || l.Protocol != fact.SpeaksTLS || l.Target != "127.0.0.1" || len(l.Chain) != 1 {
		t.Errorf("listener %+v", l)
	}
	if n := connections(); n == 0 || n > fact.MaxConnections || n != l.Connections {
		t.Errorf("%d connections, and the facts say %d", n, l.Connections)
	}
	if diff := cmp.Diff([]fact.Kind{fact.Kernel, fact.NodeTLS}, m.Read); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
}

// Without a network to look at, or without the wish to, there is a gap and no connection.
func TestMachineWithoutHandshakes(t *testing.T) {
	port, connections := listenTLS(t)
	other, none := procOf(t, "net:[1]"), t.TempDir()
	both := []fact.Kind{fact.NodeTLS, fact.ServerTLS}
	for name, tc := range map[string]struct {
		net    bool
		kinds  []fact.Kind
		proc   string
		reason fact.Reason
		detail string
	}{
		"files alone":       {true, both, "", fact.Unsupported, "the root is a directory of files, in which nothing listens"},
		"not asked for":     {false, both, "/proc", fact.NotRequested, "no handshakes were asked for"},
		"another network":   {true, both, other, fact.Unsupported, "this program is in another network namespace than the machine's first process (" + other + "/1/ns/net)"},
		"an unread network": {true, both, none, fact.Unreadable, none + "/1/ns/net is readable only to root, so it is unknown whether this program is in the machine's network"},
		"no kind of it":     {true, nil, "/proc", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := &fact.Measurement{Level: fact.LevelFull, Components: []fact.Component{{
				Program: fact.ProgramKubelet, Sockets: []fact.Socket{{Address: "127.0.0.1", Port: port}}, Settings: []fact.Setting{{Name: "port", Value: "0"}},
			}}}
			s := &Machine{Net: tc.net, addresses: func() []netip.Addr { return nil }}
			s.handshakes(t.Context(), m, tc.kinds, tc.proc)
			var want []fact.NodeGap
			for _, kind := range tc.kinds {
				want = append(want, fact.NodeGap{What: kind, Reason: tc.reason, Detail: tc.detail})
			}
			if diff := cmp.Diff(want, m.Gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			if len(m.Listeners) > 0 || len(m.Read) > 0 || connections() > 0 {
				t.Errorf("listeners %v, read %v, %d connections", m.Listeners, m.Read, connections())
			}
		})
	}
}

// outwardEnv makes the test binary print the addresses of a network of its own.
const outwardEnv = "CHECKLIST_OUTWARD"

// Of all addresses of a machine, one of each family is its way to the world. One that only
// holds the addresses of Services, as kube-ipvs0 does, is none.
func TestOutwardAddresses(t *testing.T) {
	if os.Getenv(outwardEnv) != "" {
		got := outwardAddresses()
		slices.SortFunc(got, netip.Addr.Compare)
		if diff := cmp.Diff([]netip.Addr{netip.MustParseAddr("10.9.8.7"), netip.MustParseAddr("fd00::7")}, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("addresses (-want +got):\n%s", diff)
		}
		return
	}
	unshare, err := exec.LookPath("unshare")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("needs root and unshare (Debian package util-linux)")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs ip (Debian package iproute2)")
	}
	cmd := exec.CommandContext(t.Context(), unshare, "--net", "/bin/sh", "-ec", `
		ip link set lo up
		ip addr add 10.9.8.7/24 dev lo; ip addr add 10.96.0.1/32 dev lo
		ip route add default via 10.9.8.1 dev lo src 10.9.8.7
		ip -6 addr add fd00::7/64 dev lo nodad; ip -6 addr add fd00:96::1/128 dev lo nodad
		ip -6 route add default dev lo src fd00::7
		exec "$0" -test.run '^TestOutwardAddresses$'`, os.Args[0])
	cmd.Env = append(os.Environ(), outwardEnv+"=1")
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil && (strings.Contains(string(out), "Operation not permitted") || strings.Contains(string(out), "Not supported")):
		t.Skipf("a network of its own is not permitted here: %s", out)
	case err != nil:
		t.Errorf("%v: %s", err, out)
	}
}
