package transit

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// offered is what a ClientHello offers.
type offered struct {
	name     string // of fact.Offers, "" for the connection that carries a request
	min, max uint16
	suites   []uint16 // up to TLS 1.2
	only     bool     // suites are what the offer is about
	alpn     []string
}

// The protocols that are offered. Go's servers choose h2, and then speak first.
var (
	speakFirst = []string{"h2", "http/1.1"}
	waitForUs  = []string{"http/1.1"}
)

// versions are in the order in which they are tried: most is learned from the first two.
var versions = []offered{
	{name: fact.OfferTLS12, min: tls.VersionTLS12, max: tls.VersionTLS12},
	{name: fact.OfferTLS13, min: tls.VersionTLS13, max: tls.VersionTLS13},
	{name: fact.OfferTLS11, min: tls.VersionTLS11, max: tls.VersionTLS11},
	{name: fact.OfferTLS10, min: tls.VersionTLS10, max: tls.VersionTLS10},
}

// offers lists all six. crypto/tls has no suite of DHE, NULL, CCM or export strength, so
// none is offered.
func offers() []offered {
	var all, weak, rsa []uint16
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if s.SupportedVersions[0] == tls.VersionTLS13 {
			continue // all three are always offered, and none can be chosen
		}
		all = append(all, s.ID)
		switch s.ID {
		case tls.TLS_RSA_WITH_RC4_128_SHA, tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA, tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA,
			tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA:
			weak = append(weak, s.ID)
		case tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA256,
			tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384:
			rsa = append(rsa, s.ID)
		}
	}
	var out []offered
	for _, v := range versions {
		v.suites, v.alpn = all, speakFirst
		out = append(out, v)
	}
	return append(out,
		offered{name: fact.OfferWeak, min: tls.VersionTLS10, max: tls.VersionTLS12, suites: weak, only: true, alpn: speakFirst},
		offered{name: fact.OfferRSA, min: tls.VersionTLS10, max: tls.VersionTLS12, suites: rsa, only: true, alpn: speakFirst},
	)
}

// attempt is what one handshake showed.
type attempt struct {
	flight
	first []byte // what the server sent first, at most 16 bytes
	sent  bool   // the ClientHello offered what it should
	done  bool   // crypto/tls finished the handshake
	// asked is true if the server asked for a client certificate, of one of authorities.
	asked       bool
	authorities [][]byte // names in DER
	// proof shows that the server took a client without a certificate, "" if nothing does.
	proof string
	alert alert // that ended the connection, noAlert if none did
	err   error // why it ended otherwise; its text can hold bytes of the server
}

// alert is an AlertDescription (RFC 8446 6).
type alert int

const (
	noAlert             alert = -1
	handshakeFailure    alert = 40
	badCertificate      alert = 42
	protocolVersion     alert = 70
	certificateRequired alert = 116
)

var alertNames = map[alert]string{
	0: "close notify", 10: "unexpected message", 20: "bad record mac", 22: "record overflow", handshakeFailure: "handshake failure",
	badCertificate: "bad certificate", 43: "unsupported certificate", 46: "certificate unknown", 47: "illegal parameter",
	48: "unknown ca", 49: "access denied", 50: "decode error", 51: "decrypt error", protocolVersion: "protocol version",
	71: "insufficient security", 80: "internal error", 86: "inappropriate fallback", 109: "missing extension",
	110: "unsupported extension", 112: "unrecognized name", certificateRequired: "certificate required", 120: "no application protocol",
}

func (a alert) String() string {
	if name := alertNames[a]; name != "" {
		return "alert " + name
	}
	return "alert " + strconv.Itoa(int(a))
}

// alertOf returns the alert that the other side sent. crypto/tls does not export its type
// (tls.AlertError is that of QUIC), but it is a number.
func alertOf(err error) alert {
	var remote *net.OpError
	if errors.As(err, &remote) && remote.Op == "remote error" {
		if v := reflect.ValueOf(remote.Err); v.Kind() == reflect.Uint8 {
			return alert(v.Uint())
		}
	}
	return noAlert
}

// handshake makes one with what is offered. Only if watch is true it waits for what shows
// that a client without a certificate is taken. Then, if talk is not nil, it is called.
func handshake(ctx context.Context, conn net.Conn, deadline time.Time, o offered, watch bool, talk func(net.Conn)) attempt {
	rec := &recorder{Conn: conn, deadline: deadline}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(deadline)
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()

	var a attempt
	a.alert = noAlert
	tickets := &ticketWatch{}
	c := tls.Client(rec, &tls.Config{
		InsecureSkipVerify: true, //nolint:gosec // nothing is trusted: what it presents is a fact, and nothing is sent that matters
		MinVersion:         o.min,
		MaxVersion:         o.max,
		CipherSuites:       o.suites,
		NextProtos:         o.alpn,
		ClientSessionCache: tickets,
		GetClientCertificate: func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			a.asked, a.authorities = true, r.AcceptableCAs
			return &tls.Certificate{}, nil
		},
		VerifyPeerCertificate: func(chain [][]byte, _ [][]*x509.Certificate) error {
			a.Certificates = chain
			return nil
		},
	})
	a.err = c.HandshakeContext(ctx)
	a.done = a.err == nil
	if a.done {
		if tickets.seen {
			a.proof = provenByTicket
		}
		if watch && a.asked && a.proof == "" {
			a.watch(c, conn, deadline, tickets)
		}
		if talk != nil {
			_ = conn.SetReadDeadline(deadline)
			talk(c)
		}
		_ = c.Close() // with an alert, as RFC 8446 6.1 wants it
	}
	if a.alert == noAlert {
		a.alert = alertOf(a.err)
	}
	chain := a.Certificates
	a.flight = parseFlight(rec.in)
	if chain != nil {
		a.Certificates = chain
	}
	a.first = bytes.Clone(rec.in[:min(len(rec.in), 16)])
	a.sent = rec.written && offersWhatItShould(rec.out, o)
	return a
}

// offersWhatItShould guards against a crypto/tls that offers less than it was told to, as
// in FIPS mode.
func offersWhatItShould(hello []byte, o offered) bool {
	versions, suites := parseClientHello(hello)
	if len(versions) == 0 || slices.Max(versions) != o.max || slices.Min(versions) != o.min {
		return false
	}
	for _, s := range o.suites {
		if o.only && !slices.Contains(suites, s) {
			return false
		}
	}
	return true
}

// What shows that a server took a client without a certificate.
const (
	provenByTicket   = "session ticket"
	provenBySettings = "HTTP/2 SETTINGS"
)

// proofTime is how long a server has to show that it took the client.
const proofTime = 500 * time.Millisecond

// watch waits for a session ticket, for a SETTINGS frame, or for an alert: under TLS 1.3
// a server refuses a client only after the client's handshake is done.
func (a *attempt) watch(c *tls.Conn, conn net.Conn, deadline time.Time, tickets *ticketWatch) {
	until := time.Now().Add(proofTime)
	if until.After(deadline) {
		until = deadline
	}
	_ = conn.SetReadDeadline(until)
	tickets.then = func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) }
	var got []byte
	for buf := make([]byte, 512); len(got) < 4<<10; {
		n, err := c.Read(buf)
		got = append(got, buf[:n]...)
		switch {
		case tickets.seen: // before the SETTINGS, if Read met both
			a.proof = provenByTicket
			return
		case c.ConnectionState().NegotiatedProtocol == "h2" && speaksHTTP2(got):
			a.proof = provenBySettings
			return
		case err != nil:
			a.alert, a.err = alertOf(err), err
			return
		}
	}
}

// ticketWatch is a session cache that keeps nothing.
type ticketWatch struct {
	seen bool
	then func()
}

func (*ticketWatch) Get(string) (*tls.ClientSessionState, bool) { return nil, false }

func (t *ticketWatch) Put(_ string, s *tls.ClientSessionState) {
	if s == nil {
		return
	}
	t.seen = true
	if t.then != nil {
		t.then()
	}
}

// refusesClient reports whether the alert is the one by which a server ends a connection
// to a client that has no certificate although it asked for one. OpenSSL and Go send
// "handshake failure" under TLS 1.2, older Go "bad certificate", and all of them
// "certificate required" under TLS 1.3 (RFC 8446 6.2).
func (a *attempt) refusesClient() bool {
	if !a.asked || !a.Chose {
		return false
	}
	switch a.alert {
	case badCertificate, certificateRequired:
		return true
	case handshakeFailure:
		return a.Version < tls.VersionTLS13
	}
	return false
}

// outcome says how the server took the offer.
func (a *attempt) outcome(o offered) fact.TLSOffer {
	out := fact.TLSOffer{Offer: o.name, Outcome: fact.OfferUnknown}
	if a.Chose {
		out.Version, out.Suite = tls.VersionName(a.Version), tls.CipherSuiteName(a.Suite)
	}
	switch {
	case !a.sent:
		out.From = "this program cannot offer it"
	case a.Chose && (a.Version < o.min || a.Version > o.max):
		out.From = "a ServerHello chose a version that was not offered"
	case a.Chose && o.only && !slices.Contains(o.suites, a.Suite):
		out.From = "a ServerHello chose a suite that was not offered"
	case a.Chose && a.alert != noAlert && !a.refusesClient():
		out.From = "ServerHello, then " + a.alert.String()
	case a.Chose:
		out.Outcome, out.From = fact.OfferAccepted, "ServerHello"
	case a.Retried:
		out.From = "HelloRetryRequest, then " + a.ending()
	case a.alert == protocolVersion:
		out.Outcome, out.From = fact.OfferRefused, a.alert.String()
	case a.alert == handshakeFailure && o.only:
		// The caller compares it with the other offers.
		out.Outcome, out.From = fact.OfferRefused, a.alert.String()
	default:
		out.From = a.ending()
	}
	return out
}

// ending says in our own words how the connection ended.
func (a *attempt) ending() string {
	if a.alert != noAlert {
		return a.alert.String()
	}
	return ending(a.err)
}

// The endings without an alert.
const (
	endedOpen    = "the handshake was finished"
	endedClosed  = "the server closed the connection"
	endedReset   = "the server reset the connection"
	endedTimeout = "no answer in time"
	endedOther   = "an answer that this program does not understand"
)

func ending(err error) string {
	var timeout net.Error
	switch {
	case err == nil:
		return endedOpen
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		errors.As(err, &timeout) && timeout.Timeout():
		return endedTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe):
		return endedClosed
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return endedReset
	}
	return endedOther
}
