package transit

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
)

var (
	loopback = netip.MustParseAddr("127.0.0.1")
	bothTLS  = []fact.Kind{fact.ServerTLS, fact.NodeTLS}
)

// server counts what comes to a listener: of memory, or of TCP.
type server struct {
	net.Listener
	dial Dial // nil for TCP
	port uint16

	mu       sync.Mutex
	accepted []time.Time
	from     []netip.AddrPort
	requests []string // method and path
}

// inMemory is a server that only a test in a bubble of testing/synctest can reach.
func inMemory() *server {
	n := newNetwork(netip.AddrPortFrom(loopback, 7))
	return &server{Listener: n, dial: n.dial, port: 7}
}

func onTCP(t *testing.T) *server {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &server{Listener: l, port: netip.MustParseAddrPort(l.Addr().String()).Port()}
}

func (s *server) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err == nil {
		s.mu.Lock()
		s.accepted = append(s.accepted, time.Now())
		s.from = append(s.from, netip.MustParseAddrPort(conn.RemoteAddr().String()))
		s.mu.Unlock()
	}
	return conn, err
}

// raw gives each connection to handle.
func (s *server) raw(t *testing.T, handle func(net.Conn)) *server {
	t.Helper()
	var done sync.WaitGroup
	done.Go(func() {
		for {
			conn, err := s.Accept()
			if err != nil {
				return
			}
			done.Go(func() {
				defer func() { _ = conn.Close() }()
				handle(conn)
			})
		}
	})
	t.Cleanup(func() { _ = s.Close(); done.Wait() })
	return s
}

// web starts a server of net/http: with TLS if config is not nil. It answers every request
// with one status.
func (s *server) web(t *testing.T, config *tls.Config, status int) *server {
	t.Helper()
	w := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.note(r.Method + " " + r.URL.Path)
			if len(r.Header["Authorization"])+len(r.Header["Cookie"]) > 0 {
				t.Errorf("the request has a credential")
			}
			w.WriteHeader(status)
		}),
		TLSConfig: config,
		ErrorLog:  log.New(io.Discard, "", 0),
	}
	if config != nil && len(config.NextProtos) == 0 {
		w.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	}
	done := make(chan error, 1)
	go func() {
		if config == nil {
			done <- w.Serve(s)
			return
		}
		done <- w.ServeTLS(s, "", "")
	}()
	t.Cleanup(func() {
		_ = w.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("the test's server: %v", err)
		}
	})
	return s
}

func (s *server) note(request string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, request)
}

// measure measures a server as what it is for, and checks the promises that hold for
// every server.
func (s *server) measure(t *testing.T, purpose fact.ListenerPurpose) fact.Listener {
	t.Helper()
	began := time.Now()
	all, gaps := Measure(t.Context(), s.options(purpose))
	took := time.Since(began)
	if len(all) != 1 || len(gaps) != 0 {
		t.Fatalf("listeners %+v, gaps %+v, want one listener and no gap", all, gaps)
	}
	l := all[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dial != nil && took > PerListener {
		t.Errorf("took %s, at most %s is allowed", took, PerListener)
	}
	refused := 0
	if l.Reason == fact.Changing || l.Target == "" {
		refused = 1
	}
	if len(s.accepted) != l.Connections-refused || l.Connections > fact.MaxConnections {
		t.Errorf("%d connections came, %d were counted; at most %d are allowed", len(s.accepted), l.Connections, fact.MaxConnections)
	}
	for i, at := range s.accepted {
		if i > 0 && at.Sub(s.accepted[i-1]) < Pause {
			t.Errorf("connection %d came %s after the one before", i, at.Sub(s.accepted[i-1]))
		}
	}
	if len(s.requests) > 1 {
		t.Errorf("requests %q, at most one is allowed", s.requests)
	}
	if len(s.requests) == 1 && (l.Request == nil || s.requests[0] != l.Request.Method+" "+l.Request.Path) {
		t.Errorf("request %q, but the fact says %+v", s.requests[0], l.Request)
	}
	for _, from := range s.from {
		if from.Port() < FirstPort || from.Port() > LastPort || from.Addr() != loopback {
			t.Errorf("a connection came from %s", from)
		}
	}
	return l
}

func (s *server) options(purpose fact.ListenerPurpose) Options {
	return Options{
		Table:    Table{Sockets: []procfs.TCPListener{socket("127.0.0.1", s.port)}},
		Purposes: map[netip.AddrPort]fact.ListenerPurpose{netip.AddrPortFrom(loopback, s.port): purpose},
		Wants:    bothTLS,
		Dial:     s.dial,
	}
}

func socket(address string, port uint16) procfs.TCPListener {
	a := netip.MustParseAddr(address)
	s := procfs.TCPListener{Port: int(port), V6: a.Is6(), Inode: uint64(port)}
	copy(s.IP[:], a.AsSlice())
	return s
}

// summary writes what a listener showed, a fact a line.
func summary(l fact.Listener) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", orUnknown(l.Protocol), l.ProtocolFrom)
	for _, o := range l.Offers {
		fmt.Fprintf(&b, "%s %s: %s", o.Offer, o.Outcome, o.From)
		if o.Version != "" && o.Version != o.Offer {
			fmt.Fprintf(&b, ", %s %s", o.Version, o.Suite)
		}
		b.WriteByte('\n')
	}
	if l.Protocol == fact.SpeaksTLS {
		fmt.Fprintf(&b, "client certificate %s: %s\n", orUnknown(l.ClientAuth), l.ClientAuthFrom)
	}
	if r := l.Request; r != nil {
		fmt.Fprintf(&b, "%s %s: %d %s\n", r.Method, r.Path, r.Status, r.Detail)
	}
	if l.Reason != "" {
		fmt.Fprintf(&b, "%s: %s\n", l.Reason, l.Detail)
	}
	return b.String()
}

func orUnknown[T ~string](v T) string {
	if v == "" {
		return "unknown"
	}
	return string(v)
}

// Keys are made once: RSA takes long.
var (
	rsaKey   = sync.OnceValue(func() crypto.Signer { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecdsaKey = sync.OnceValue(func() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// selfSigned makes a certificate of a key.
func selfSigned(key crypto.Signer, change func(*x509.Certificate)) tls.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "test"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	if change != nil {
		change(template)
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// with makes the configuration of a server with an RSA key.
func with(change ...func(*tls.Config)) *tls.Config {
	c := &tls.Config{
		Certificates: []tls.Certificate{selfSigned(rsaKey(), nil)},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
	}
	for _, f := range change {
		f(c)
	}
	return c
}

func between(min, max uint16) func(*tls.Config) {
	return func(c *tls.Config) { c.MinVersion, c.MaxVersion = min, max }
}

func suites(ids ...uint16) func(*tls.Config) {
	return func(c *tls.Config) { c.CipherSuites, c.NextProtos = ids, nil }
}

func clients(auth tls.ClientAuthType) func(*tls.Config) {
	return func(c *tls.Config) { c.ClientAuth = auth }
}

func noH2(c *tls.Config)      { c.NextProtos = nil }
func noTickets(c *tls.Config) { c.SessionTicketsDisabled = true }

// handshakes gives each connection to crypto/tls, and then to what follows.
func (s *server) handshakes(t *testing.T, config *tls.Config, then func(*tls.Conn)) *server {
	t.Helper()
	return s.raw(t, func(conn net.Conn) {
		c := tls.Server(conn, config)
		if c.Handshake() == nil {
			then(c)
		}
	})
}

// readHello reads a ClientHello and returns the greatest version that it offers.
func readHello(conn net.Conn) uint16 {
	buf := make([]byte, 16<<10)
	n, _ := conn.Read(buf)
	versions, _ := parseClientHello(buf[:n])
	if len(versions) == 0 {
		return 0
	}
	return versions[0]
}

// record writes a TLS record.
func record(version uint16, kind byte, body []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{kind}, version)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(body))), body...)
}

// serverHello writes a ServerHello, with an extension for TLS 1.3.
func serverHello(version, suite uint16, random []byte) []byte {
	legacy := min(version, tls.VersionTLS12)
	b := binary.BigEndian.AppendUint16(nil, legacy)
	b = append(b, random...)
	b = append(b, make([]byte, 32-len(random))...)
	b = append(b, 0)
	b = binary.BigEndian.AppendUint16(b, suite)
	b = append(b, 0)
	if version > legacy {
		b = append(b, 0, 6, 0, extensionVersions, 0, 2)
		b = binary.BigEndian.AppendUint16(b, version)
	}
	return record(legacy, recordHandshake, append([]byte{messageServerHello, 0, 0, byte(len(b))}, b...))
}

// fatal writes an alert, in a record of the version that was chosen.
func fatal(version uint16, a alert) []byte {
	return record(min(version, tls.VersionTLS12), recordAlert, []byte{2, byte(a)})
}

// sends answers every ClientHello with the same bytes, and closes the connection.
func (s *server) sends(t *testing.T, b ...[]byte) *server {
	t.Helper()
	return s.raw(t, func(conn net.Conn) {
		readHello(conn)
		_, _ = conn.Write(bytes.Join(b, nil))
	})
}

// answers closes a connection that does not begin like a request, and answers others.
func (s *server) answers(t *testing.T, answer string) *server {
	t.Helper()
	return s.raw(t, func(conn net.Conn) {
		buf := make([]byte, 4<<10)
		n, _ := conn.Read(buf)
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(buf[:n])))
		if err != nil {
			return
		}
		s.note(r.Method + " " + r.URL.Path)
		_, _ = io.WriteString(conn, answer)
	})
}
