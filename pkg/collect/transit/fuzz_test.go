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
	"time"
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

func TestParseFlightStops(t *testing.T) {
	const suite = tls.TLS_RSA_WITH_AES_128_CBC_SHA
	old, other := serverHello(tls.VersionTLS12, suite, nil), serverHello(tls.VersionTLS11, tls.TLS_RSA_WITH_AES_256_CBC_SHA, nil)
	changed := record(tls.VersionTLS12, recordCCS, []byte{1})
	certificate := record(tls.VersionTLS12, recordHandshake, []byte{messageCertificate, 0, 0, 7, 0, 0, 4, 0, 0, 1, 'x'})
	warning := record(tls.VersionTLS12, recordAlert, []byte{1, 112})
	retry := serverHello(tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256, retryRandom)
	current := serverHello(tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256, nil)
	for name, tc := range map[string]struct {
		records      [][]byte
		version      uint16
		certificates int
	}{
		"a ServerHello and a Certificate":           {[][]byte{old, certificate}, tls.VersionTLS12, 1},
		"a warning before them":                     {[][]byte{warning, old, certificate}, tls.VersionTLS12, 1},
		"the first ServerHello counts":              {[][]byte{old, other}, tls.VersionTLS12, 0},
		"encrypted bytes are no Certificate":        {[][]byte{old, changed, certificate}, tls.VersionTLS12, 0},
		"nothing is in the open after TLS 1.3":      {[][]byte{current, certificate}, tls.VersionTLS13, 0},
		"a HelloRetryRequest, a CCS, a ServerHello": {[][]byte{retry, changed, current}, tls.VersionTLS13, 0},
		"a HelloRetryRequest alone":                 {[][]byte{retry}, 0, 0},
		"a Certificate alone":                       {[][]byte{certificate, old}, 0, 0},
		"application data":                          {[][]byte{record(tls.VersionTLS12, 23, []byte("x")), old}, 0, 0},
		"another message":                           {[][]byte{record(tls.VersionTLS12, recordHandshake, []byte{14, 0, 0, 0}), old}, 0, 0},
	} {
		f := parseFlight(bytes.Join(tc.records, nil))
		if f.Version != tc.version || f.Chose != (tc.version != 0) || len(f.Certificates) != tc.certificates {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestFirstBytes(t *testing.T) {
	for first, want := range map[string]string{
		"\x16\x03\x01": "tls", "\x15\x03\x03\x00\x02": "tls", "\x16\x03\x04": "tls",
		"\x16\x03": "", "\x16\x02\x00": "", "\x16\x03\x05": "", "\x17\x03\x03": "", "\x14\x03\x03": "",
		"HTTP/1.1": "http", "HTTP/1.": "http", "HTTP/1": "", "HTTP/2.0": "", "http/1.1": "",
		"\x00\x00\x06\x04\x00\x00\x00\x00\x00":     "http2",
		"\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00": "http2",
		"\x00\x00\x06\x04\x00\x00\x00\x00":         "", // cut short
		"\x00\x00\x07\x04\x00\x00\x00\x00\x00":     "", // no multiple of 6
		"\x00\x00\x06\x05\x00\x00\x00\x00\x00":     "", // another frame
		"\x00\x00\x00\x04\x01\x00\x00\x00\x00":     "", // an acknowledgement
		"\x00\x00\x06\x04\x00\x00\x00\x00\x01":     "", // of a stream
		"\x06\x00\x00\x04\x00\x00\x00\x00\x00":     "", // too long
	} {
		got := ""
		switch b := []byte(first); {
		case speaksTLS(b):
			got = "tls"
		case speaksHTTP(b):
			got = "http"
		case speaksHTTP2(b):
			got = "http2"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", first, got, want)
		}
	}
}

func TestRefusesClient(t *testing.T) {
	for _, tc := range []struct {
		version uint16
		asked   bool
		alert   alert
		want    bool
	}{
		{tls.VersionTLS12, true, handshakeFailure, true},
		{tls.VersionTLS12, true, badCertificate, true},
		{tls.VersionTLS12, true, certificateRequired, true},
		{tls.VersionTLS13, true, certificateRequired, true},
		{tls.VersionTLS13, true, badCertificate, true},
		{tls.VersionTLS13, true, handshakeFailure, false},
		{tls.VersionTLS12, true, 80, false},
		{tls.VersionTLS12, true, noAlert, false},
		{tls.VersionTLS12, false, handshakeFailure, false},
		{tls.VersionTLS13, false, certificateRequired, false},
	} {
		a := attempt{flight: flight{Chose: true, Version: tc.version}, asked: tc.asked, alert: tc.alert}
		if got := a.refusesClient(); got != tc.want {
			t.Errorf("%+v: %t", tc, got)
		}
		if a.Chose = false; a.refusesClient() {
			t.Errorf("%+v without a ServerHello", tc)
		}
	}
}

// TestOffersWhatItShould reads a ClientHello of crypto/tls that offers TLS 1.0 to 1.2.
func TestOffersWhatItShould(t *testing.T) {
	client, _ := recorded(t, tls.VersionTLS12)
	for name, tc := range map[string]struct {
		o    offered
		want bool
	}{
		"what it offers":             {offered{min: tls.VersionTLS10, max: tls.VersionTLS12}, true},
		"a suite that it offers":     {offered{min: tls.VersionTLS10, max: tls.VersionTLS12, only: true, suites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}, true},
		"a suite that it lacks":      {offered{min: tls.VersionTLS10, max: tls.VersionTLS12, only: true, suites: []uint16{tls.TLS_RSA_WITH_RC4_128_SHA}}, false},
		"one suite of all may lack":  {offered{min: tls.VersionTLS10, max: tls.VersionTLS12, suites: []uint16{tls.TLS_RSA_WITH_RC4_128_SHA}}, true},
		"an older version":           {offered{min: tls.VersionTLS11, max: tls.VersionTLS12}, false},
		"a newer version that lacks": {offered{min: tls.VersionTLS10, max: tls.VersionTLS13}, false},
	} {
		if got := offersWhatItShould(client, tc.o); got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if offersWhatItShould(nil, offered{}) {
		t.Error("nothing offers something")
	}
}

// TestClosingAlert shows that crypto/tls gets no more time than the connection has.
func TestClosingAlert(t *testing.T) {
	at := time.Now().Add(time.Hour)
	conn := &writeDeadlines{}
	r := &recorder{Conn: conn, deadline: at}
	_ = r.SetWriteDeadline(at.Add(time.Second))
	_ = r.SetWriteDeadline(at.Add(-time.Second))
	if !conn.set[0].Equal(at) || !conn.set[1].Equal(at.Add(-time.Second)) {
		t.Errorf("%v, want at most %v", conn.set, at)
	}
}

type writeDeadlines struct {
	net.Conn
	set []time.Time
}

func (w *writeDeadlines) SetWriteDeadline(t time.Time) error {
	w.set = append(w.set, t)
	return nil
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
