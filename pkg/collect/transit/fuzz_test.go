package transit

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
)

// recorded returns the bytes of a handshake of crypto/tls with itself.
func recorded(tb testing.TB, max uint16) (client, server []byte) {
	tb.Helper()
	a, b := net.Pipe()
	rec := &recorder{Conn: a}
	done := make(chan error, 1)
	go func() {
		done <- tls.Server(b, with(between(tls.VersionTLS10, max), noTickets)).Handshake()
		_, _ = io.Copy(io.Discard, b)
	}()
	c := tls.Client(rec, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: max}) //nolint:gosec // a test
	if err := c.Handshake(); err != nil {
		tb.Fatal(err)
	}
	if err := <-done; err != nil {
		tb.Fatal(err)
	}
	_ = a.Close()
	return rec.out, rec.in
}

func TestParseFlight(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13} {
		client, server := recorded(t, version)
		versions, suites := parseClientHello(client)
		if len(versions) != int(version-tls.VersionTLS10)+1 || versions[0] != version || len(suites) == 0 {
			t.Errorf("%s: the ClientHello offers %x, %x", tls.VersionName(version), versions, suites)
		}
		f := parseFlight(server)
		if !f.Chose || f.Retried || f.Version != version || f.Suite == 0 || f.LongCertificate {
			t.Errorf("%s: %+v", tls.VersionName(version), f)
		}
		if got := len(f.Certificates); (got == 1) != (version < tls.VersionTLS13) {
			t.Errorf("%s: %d certificates in the open", tls.VersionName(version), got)
		}
		// A part of it never shows something else.
		for n := range server {
			g := parseFlight(server[:n])
			if g.Chose && (g.Version != f.Version || g.Suite != f.Suite) || len(g.Certificates) > 0 && !bytes.Equal(g.Certificates[0], f.Certificates[0]) {
				t.Errorf("%s: %d bytes show %+v", tls.VersionName(version), n, g)
			}
		}
		// Nor does it matter where records end.
		if version < tls.VersionTLS13 {
			var split []byte
			messages := server[5:][:int(server[3])<<8|int(server[4])]
			for _, b := range messages {
				split = append(split, record(version, recordHandshake, []byte{b})...)
			}
			if g := parseFlight(split); g.Version != f.Version || g.Suite != f.Suite {
				t.Errorf("%s: in records of a byte: %+v", tls.VersionName(version), g)
			}
		}
	}
}

func FuzzParseFlight(f *testing.F) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		client, server := recorded(f, version)
		f.Add(server)
		f.Add(client)
	}
	f.Add(serverHello(tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256, retryRandom))
	f.Add(fatal(tls.VersionTLS12, protocolVersion))
	f.Fuzz(func(t *testing.T, b []byte) {
		g := parseFlight(b)
		total := 0
		for _, c := range g.Certificates {
			total += len(c)
		}
		if total > len(b) || len(g.Certificates) > maxChainRead {
			t.Errorf("%d bytes hold %d certificates of %d bytes", len(b), len(g.Certificates), total)
		}
		if g.Version != 0 && !g.Chose {
			t.Errorf("a version without a ServerHello: %+v", g)
		}
		versions, suites := parseClientHello(b)
		if 2*(len(versions)+len(suites)) > len(b) {
			t.Errorf("%d bytes offer %d versions and %d suites", len(b), len(versions), len(suites))
		}
	})
}

func TestParseStatus(t *testing.T) {
	for line, want := range map[string]int{
		"HTTP/1.1 200 OK\r\n": 200, "HTTP/1.0 404\n": 404, "HTTP/1.1 403 \r\n": 403, "HTTP/1.1 599 x\n": 599, "HTTP/1.1 100 Continue\n": 100,
		"HTTP/1.1 200 OK": 0, "HTTP/2.0 200 OK\n": 0, "HTTP/1.x 200 OK\n": 0, "HTTP/1.1  200 OK\n": 0, "HTTP/1.1 20 OK\n": 0, "HTTP/1.1 2000\n": 0,
		"HTTP/1.1 -20 OK\n": 0, "HTTP/1.1 600 OK\n": 0, "HTTP/1.1 099 OK\n": 0, "\n": 0, "": 0, "HTTP/1.1 \n": 0, "http/1.1 200 OK\n": 0,
	} {
		if got, _ := parseStatus([]byte(line)); got != want {
			t.Errorf("%q: status %d, want %d", line, got, want)
		}
	}
}

func FuzzParseStatus(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		status, whole := parseStatus(b)
		if status != 0 && (status < 100 || status > 599 || !whole || !bytes.HasPrefix(b, []byte("HTTP/1."))) {
			t.Errorf("%q: status %d", b, status)
		}
	})
}

// FuzzListener sends anything, and checks that none of it comes back in a text.
func FuzzListener(f *testing.F) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		_, server := recorded(f, version)
		f.Add(server)
	}
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\n"))
	f.Add([]byte("SSH-2.0-OpenSSH_9.2\r\n"))
	f.Add(fatal(tls.VersionTLS12, handshakeFailure))
	f.Add(serverHello(tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256, retryRandom))
	f.Fuzz(func(t *testing.T, b []byte) {
		synctest.Test(t, func(t *testing.T) {
			s := inMemory().sends(t, b)
			l := s.measure(t, fact.KubeAPI)
			if l.Protocol == "" && l.Reason == "" {
				t.Errorf("nothing is known, and nothing says why: %+v", l)
			}
			if text := summary(l); !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\n' || r > '~' }) {
				t.Errorf("the text has bytes of the server: %q", text)
			}
		})
	})
}

// FuzzTargets checks that no table leads to an address that is not the node's own.
func FuzzTargets(f *testing.F) {
	f.Add([]byte{10, 0, 0, 5}, []byte{10, 0, 0, 6}, true)
	f.Add(make([]byte, 16), []byte{10, 0, 0, 6}, false)
	f.Add(make([]byte, 4), []byte{10, 0, 0, 6}, false)
	f.Fuzz(func(t *testing.T, bound, own []byte, second bool) {
		a, ok := netip.AddrFromSlice(bound)
		b, okOwn := netip.AddrFromSlice(own)
		if !ok || !okOwn {
			t.Skip()
		}
		synctest.Test(t, func(t *testing.T) {
			d := &dialed{}
			o := Options{Addresses: []netip.Addr{b}, Wants: bothTLS, Dial: d.dial}
			o.Table.Sockets = []procfs.TCPListener{socket(a.String(), 2379)}
			if second {
				o.Table.Sockets = append(o.Table.Sockets, socket(b.String(), 2379))
			}
			_, _ = Measure(t.Context(), o)
			for _, to := range d.to {
				if to := netip.MustParseAddrPort(to).Addr(); !to.IsLoopback() && to != b.Unmap() {
					t.Errorf("%s was dialed; only %s is the node's own", to, b)
				}
			}
		})
	})
}
