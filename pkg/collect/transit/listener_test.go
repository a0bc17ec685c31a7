package transit

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// of writes the lines of a summary: six outcomes, where "=" stands for what a well
// configured server of Go shows.
func of(first string, outcomes [6]string, rest ...string) string {
	const refused = "refused: alert protocol version"
	good := [6]string{refused, refused, "accepted: ServerHello", "accepted: ServerHello", "refused: alert handshake failure", "refused: alert handshake failure"}
	lines := []string{first}
	for i, offer := range fact.Offers() {
		if outcomes[i] == "=" {
			outcomes[i] = good[i]
		}
		lines = append(lines, offer+" "+outcomes[i])
	}
	return strings.Join(append(lines, rest...), "\n") + "\n"
}

var (
	asGood = [6]string{"=", "=", "=", "=", "=", "="}
	speaks = "tls: ServerHello"
)

func same(outcome string) [6]string {
	return [6]string{outcome, outcome, outcome, outcome, outcome, outcome}
}

func TestListener(t *testing.T) {
	const (
		accepted = "accepted: ServerHello"
		version  = "refused: alert protocol version"
		closed   = "unknown: the server closed the connection"
		demanded = "client certificate demanded: alert handshake failure under TLS 1.2"
		asked    = "client certificate asked: session ticket under TLS 1.2"
		free     = "client certificate none: TLS 1.2 handshake finished without a CertificateRequest"
		unclear  = "client certificate unknown: "
		refused  = "the connection was refused: it listens no more, or a firewall answers for it"
		noChain  = "Unsupported: no handshake showed its certificates; "
		auth     = "whether a client certificate is demanded: "
		nothing  = noChain + auth + "no version of TLS was accepted; whether it accepts TLS 1.0 or TLS 1.1 or TLS 1.2 or TLS 1.3 or RC4, 3DES or RSA key exchange"
	)
	for name, tc := range map[string]struct {
		purpose fact.ListenerPurpose
		start   func(*testing.T, *server)
		want    string
	}{
		// Client certificates.
		"a client certificate is demanded": {
			fact.EtcdClient, func(t *testing.T, s *server) { s.web(t, with(clients(tls.RequireAnyClientCert)), 200) },
			of(speaks, asGood, demanded),
		},
		"it is demanded under TLS 1.3": {
			fact.EtcdPeer, func(t *testing.T, s *server) {
				s.web(t, with(clients(tls.RequireAnyClientCert), between(tls.VersionTLS13, 0)), 200)
			},
			of(speaks, [6]string{"=", "=", version, "=", version, version}, "client certificate demanded: alert certificate required under TLS 1.3"),
		},
		"it is asked for, a ticket shows that it is not demanded": {
			fact.EtcdClient, func(t *testing.T, s *server) { s.web(t, with(clients(tls.RequestClientCert)), 200) },
			of(speaks, asGood, asked),
		},
		"it is asked for, SETTINGS show that it is not demanded": {
			fact.EtcdClient, func(t *testing.T, s *server) { s.web(t, with(clients(tls.RequestClientCert), noTickets), 200) },
			of(speaks, asGood, "client certificate asked: HTTP/2 SETTINGS under TLS 1.2"),
		},
		"it is asked for under TLS 1.3": {
			fact.EtcdClient, func(t *testing.T, s *server) {
				s.web(t, with(clients(tls.RequestClientCert), between(tls.VersionTLS13, 0), noH2), 200)
			},
			of(speaks, [6]string{"=", "=", version, "=", version, version}, "client certificate asked: session ticket under TLS 1.3"),
		},
		"it is asked for, and nothing shows what happens without": {
			fact.EtcdClient, func(t *testing.T, s *server) {
				s.web(t, with(clients(tls.RequestClientCert), noTickets, noH2), 200)
			},
			of(speaks, asGood, unclear, "Unsupported: "+auth+"it is asked for under TLS 1.2, and nothing shows whether clients without one are served"),
		},
		"it is not asked for": {
			fact.EtcdClient, func(t *testing.T, s *server) { s.web(t, with(), 200) },
			of(speaks, asGood, free),
		},
		"it is demanded under TLS 1.2 and only asked for under TLS 1.3": {
			fact.EtcdClient, func(t *testing.T, s *server) {
				s.web(t, with(byVersion(tls.RequireAnyClientCert, tls.RequestClientCert)), 200)
			},
			of(speaks, asGood, "client certificate asked: session ticket under TLS 1.3"),
		},
		"it is asked for under TLS 1.3, SETTINGS show that it is not demanded": {
			fact.EtcdClient, func(t *testing.T, s *server) {
				s.web(t, with(byVersion(tls.RequireAnyClientCert, tls.RequestClientCert), noTickets), 200)
			},
			of(speaks, asGood, "client certificate asked: HTTP/2 SETTINGS under TLS 1.3"),
		},
		"it is demanded under TLS 1.2 and not asked for under TLS 1.3": {
			fact.EtcdClient, func(t *testing.T, s *server) {
				s.web(t, with(byVersion(tls.RequireAnyClientCert, tls.NoClientCert)), 200)
			},
			of(speaks, asGood, "client certificate none: TLS 1.3 handshake finished without a CertificateRequest"),
		},
		"it is asked for under TLS 1.2 and not under TLS 1.3": {
			fact.EtcdClient, func(t *testing.T, s *server) {
				s.web(t, with(byVersion(tls.RequestClientCert, tls.NoClientCert)), 200)
			},
			of(speaks, asGood, "client certificate none: TLS 1.3 handshake finished without a CertificateRequest"),
		},
		"it is demanded, but there is no time for all versions": {
			fact.EtcdClient, func(t *testing.T, s *server) {
				config := with(clients(tls.RequireAnyClientCert))
				s.raw(t, func(c net.Conn) {
					time.Sleep(700 * time.Millisecond)
					_ = tls.Server(c, config).Handshake()
				})
			},
			of(speaks, [6]string{
				"unknown: not offered: the time for this listener or for this node was used up", "unknown: no answer in time", "=", "=",
				"unknown: not offered: the time for this listener or for this node was used up", "unknown: not offered: the time for this listener or for this node was used up",
			}, unclear, "Timeout: the time for this listener or for this node was used up"),
		},
		"it is demanded under TLS 1.2 and TLS 1.3 is reset": {
			fact.EtcdClient, func(t *testing.T, s *server) {
				config := with(clients(tls.RequireAnyClientCert), between(0, tls.VersionTLS12))
				n := 0
				s.raw(t, func(c net.Conn) {
					if n++; n == 2 { // the offer of TLS 1.3
						readHello(c)
						c.(*memoryConn).reset()
						return
					}
					_ = tls.Server(c, config).Handshake()
				})
			},
			of(speaks, [6]string{"=", "=", "=", "unknown: the server reset the connection", "=", "="}, unclear,
				"Unsupported: "+auth+"it is under TLS 1.2, and it is unknown whether it accepts TLS 1.3; whether it accepts TLS 1.3"),
		},
		"it is demanded under TLS 1.2 and TLS 1.3 shows nothing": {
			fact.EtcdClient, func(t *testing.T, s *server) {
				s.web(t, with(byVersion(tls.RequireAnyClientCert, tls.RequestClientCert), noTickets, noH2), 200)
			},
			of(speaks, asGood, unclear, "Unsupported: "+auth+"it is asked for under TLS 1.3, and nothing shows whether clients without one are served"),
		},
		"it is asked for, and the connection is closed without an alert": {
			fact.EtcdClient, func(t *testing.T, s *server) {
				s.handshakes(t, with(clients(tls.RequestClientCert), noTickets, noH2), func(*tls.Conn) {})
			},
			of(speaks, asGood, unclear, "Unsupported: "+auth+"the server closed the connection under TLS 1.2"),
		},

		// Versions.
		"TLS 1.0 to 1.3": {
			fact.Scheduler, func(t *testing.T, s *server) { s.web(t, with(between(tls.VersionTLS10, 0)), 200) },
			of(speaks, [6]string{accepted, accepted, "=", "=", "=", "="}, free),
		},
		"TLS 1.1 only": {
			fact.Scheduler, func(t *testing.T, s *server) { s.web(t, with(between(tls.VersionTLS11, tls.VersionTLS11)), 200) },
			of(speaks, [6]string{version, accepted, version, version, "=", "="}, "client certificate none: TLS 1.1 handshake finished without a CertificateRequest"),
		},
		"TLS 1.3 after a HelloRetryRequest": {
			fact.Scheduler, func(t *testing.T, s *server) {
				s.web(t, with(func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP384} }), 200)
			},
			of(speaks, asGood, free),
		},

		// Suites.
		"RC4": {
			fact.Scheduler, func(t *testing.T, s *server) {
				s.web(t, with(suites(tls.TLS_RSA_WITH_RC4_128_SHA), between(0, tls.VersionTLS12)), 200)
			},
			of(speaks, [6]string{"=", "=", "=", version, "accepted: ServerHello, TLS 1.2 TLS_RSA_WITH_RC4_128_SHA", "="}, free),
		},
		"3DES under TLS 1.0": {
			fact.Scheduler, func(t *testing.T, s *server) {
				s.web(t, with(suites(tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA), between(tls.VersionTLS10, tls.VersionTLS10)), 200)
			},
			of(speaks, [6]string{accepted, version, version, version, "accepted: ServerHello, TLS 1.0 TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", "="},
				"client certificate none: TLS 1.0 handshake finished without a CertificateRequest"),
		},
		"RSA key exchange": {
			fact.Scheduler, func(t *testing.T, s *server) {
				s.web(t, with(suites(tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256), between(tls.VersionTLS12, 0)), 200)
			},
			of(speaks, [6]string{"=", "=", "=", "=", "=", "accepted: ServerHello, TLS 1.2 TLS_RSA_WITH_AES_128_GCM_SHA256"}, free),
		},
		"a handshake failure for everything refuses nothing": {
			fact.Scheduler, func(t *testing.T, s *server) { s.sends(t, fatal(tls.VersionTLS12, handshakeFailure)) },
			of("tls: alert handshake failure", [6]string{
				"unknown: alert handshake failure", "unknown: alert handshake failure", "unknown: alert handshake failure", "unknown: alert handshake failure",
				"unknown: alert handshake failure, as for all suites", "unknown: alert handshake failure, as for all suites",
			}, unclear, nothing),
		},

		// Requests.
		"API server with anonymous requests": {
			fact.KubeAPI, func(t *testing.T, s *server) { s.web(t, with(clients(tls.RequestClientCert)), 403) },
			of(speaks, asGood, asked, "GET /kubectl-checklist-no-such-path: 403 "),
		},
		"proxy of an API server that lets anybody do anything": {
			fact.KubeAPIProxy, func(t *testing.T, s *server) { s.web(t, with(clients(tls.RequestClientCert)), 404) },
			of(speaks, asGood, asked, "GET /kubectl-checklist-no-such-path: 404 "),
		},
		"API server that demands a client certificate": {
			fact.KubeAPI, func(t *testing.T, s *server) { s.web(t, with(clients(tls.RequireAnyClientCert)), 200) },
			of(speaks, asGood, demanded, "GET /kubectl-checklist-no-such-path: 0 not made: a client certificate is demanded"),
		},
		"kubelet": {
			fact.KubeletAPI, func(t *testing.T, s *server) { s.web(t, with(clients(tls.RequestClientCert), noH2), 401) },
			of(speaks, asGood, asked, "GET /healthz: 401 "),
		},
		"kubelet's read-only port": {
			fact.KubeletReadOnly, func(t *testing.T, s *server) { s.web(t, nil, 200) },
			"plaintext: HTTP status line in answer to a ClientHello\nGET /healthz: 200 \n",
		},
		"API server that closes the connection instead of an answer": {
			fact.KubeAPI, func(t *testing.T, s *server) { s.handshakes(t, with(), func(c *tls.Conn) { readHello(c) }) },
			of(speaks, asGood, free, "GET /kubectl-checklist-no-such-path: 0 the server closed the connection", "Unsupported: GET /kubectl-checklist-no-such-path: the server closed the connection"),
		},
		"API server that does not answer": {
			fact.KubeAPI, func(t *testing.T, s *server) { s.handshakes(t, with(), func(c *tls.Conn) { drain(c) }) },
			of(speaks, asGood, free, "GET /kubectl-checklist-no-such-path: 0 no answer in time", "Timeout: GET /kubectl-checklist-no-such-path: no answer in time"),
		},
		"API server that answers in another protocol": {
			fact.KubeAPI, func(t *testing.T, s *server) {
				s.handshakes(t, with(), func(c *tls.Conn) {
					readHello(c)
					_, _ = c.Write([]byte("220 ready\r\n"))
				})
			},
			of(speaks, asGood, free, "GET /kubectl-checklist-no-such-path: 0 what came back is not a status line of HTTP", "Unsupported: GET /kubectl-checklist-no-such-path: what came back is not a status line of HTTP"),
		},

		// Without TLS.
		"plaintext HTTP": {
			fact.ControllerManager, func(t *testing.T, s *server) { s.web(t, nil, 200) },
			"plaintext: HTTP status line in answer to a ClientHello\n",
		},
		"plaintext etcd closes what is not HTTP": {
			fact.EtcdClient, func(t *testing.T, s *server) { s.answers(t, "HTTP/1.1 200 OK\r\n\r\n{}") },
			"plaintext: status 200 to GET /version without TLS\nGET /version: 200 \n",
		},
		"a plaintext server that waits for the end of a request": {
			fact.EtcdClient, func(t *testing.T, s *server) {
				s.raw(t, func(c net.Conn) {
					r, err := http.ReadRequest(bufio.NewReader(c))
					if err == nil {
						s.note(r.Method + " " + r.URL.Path)
						_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
					}
					drain(c)
				})
			},
			"plaintext: status 200 to GET /version without TLS\nGET /version: 200 \n",
		},
		"API server without TLS that closes what is not HTTP": {
			fact.KubeAPI, func(t *testing.T, s *server) { s.answers(t, "HTTP/1.1 404 Not Found\r\n\r\n") },
			"plaintext: status 404 to GET /kubectl-checklist-no-such-path without TLS\nGET /kubectl-checklist-no-such-path: 404 \n",
		},
		"kine without TLS that closes what is not HTTP/2": {
			fact.KineTCP, func(t *testing.T, s *server) { s.answers(t, "\x00\x00\x00\x04\x00\x00\x00\x00\x00") },
			"plaintext: HTTP/2 SETTINGS in answer to GET /version\nGET /version: 0 what came back is not a status line of HTTP\n",
		},
		"another protocol in answer to a request": {
			fact.EtcdClient, func(t *testing.T, s *server) { s.answers(t, "-ERR unknown command\r\n") },
			"other: what it sends to GET /version is neither TLS nor HTTP\nGET /version: 0 what came back is not a status line of HTTP\n" +
				"Unsupported: what it sends to GET /version is neither TLS nor HTTP\n",
		},
		"a status that shows nothing": {
			fact.EtcdClient, func(t *testing.T, s *server) { s.answers(t, "HTTP/1.1 500 Oops\r\n\r\n") },
			"unknown: \nGET /version: 500 \nUnsupported: no handshake and no request showed what it speaks\n",
		},
		"a request needs TLS": {
			fact.EtcdClient, func(t *testing.T, s *server) {
				s.answers(t, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
			},
			of("tls: status 400 to GET /version, which says that TLS is needed",
				[6]string{closed, closed, closed, closed, "unknown: not offered: no handshake got an answer", "unknown: not offered: no handshake got an answer"},
				unclear, "GET /version: 400 ", nothing),
		},
		"a request to an API server needs TLS": {
			fact.KubeAPI, func(t *testing.T, s *server) {
				s.answers(t, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
			},
			of("tls: status 400 to GET /kubectl-checklist-no-such-path, which says that TLS is needed",
				[6]string{closed, closed, closed, closed, "unknown: not offered: no handshake got an answer", "unknown: not offered: no handshake got an answer"},
				unclear, "GET /kubectl-checklist-no-such-path: 400 ", nothing),
		},
		"kine without TLS sends SETTINGS first": {
			fact.KineTCP, func(t *testing.T, s *server) { s.sends(t, []byte{0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 5, 0, 0, 64, 0}) },
			"plaintext: HTTP/2 SETTINGS in answer to a ClientHello\n",
		},

		// What is not understood.
		"another protocol": {
			fact.EtcdClient, func(t *testing.T, s *server) { s.sends(t, []byte("SSH-2.0-OpenSSH_9.2\x1b[31m\r\n")) },
			"other: what it sends first is neither TLS nor HTTP\nUnsupported: what it sends first is neither TLS nor HTTP\n",
		},
		"nothing but closed connections": {
			fact.EtcdClient, func(t *testing.T, s *server) { s.raw(t, func(c net.Conn) { readHello(c) }) },
			"unknown: \nGET /version: 0 the server closed the connection\nUnsupported: no handshake and no request showed what it speaks\n",
		},
		"nothing but resets": {
			fact.EtcdClient, func(t *testing.T, s *server) {
				s.raw(t, func(c net.Conn) { readHello(c); c.(*memoryConn).reset() })
			},
			"unknown: \nGET /version: 0 the server reset the connection\nUnsupported: no handshake and no request showed what it speaks\n",
		},
		"silence": {
			fact.EtcdClient, func(t *testing.T, s *server) { s.raw(t, func(c net.Conn) { drain(c) }) },
			"unknown: \nGET /version: 0 no answer in time\nTimeout: no handshake and no request showed what it speaks\n",
		},
		"connections that are not taken": {
			fact.EtcdClient, func(*testing.T, *server) {},
			"unknown: \nTimeout: it did not take the connection in time\n",
		},
		"endless bytes before a handshake": {
			fact.EtcdClient, func(t *testing.T, s *server) { s.raw(t, func(c net.Conn) { flood(c, nil, "x") }) },
			"other: what it sends first is neither TLS nor HTTP\nUnsupported: what it sends first is neither TLS nor HTTP\n",
		},
		"endless records of a handshake": {
			fact.EtcdClient, func(t *testing.T, s *server) {
				s.raw(t, func(c net.Conn) {
					flood(c, nil, string(record(tls.VersionTLS12, recordHandshake, make([]byte, 16<<10))))
				})
			},
			"unknown: \nUnsupported: no handshake and no request showed what it speaks\n",
		},
		"endless bytes after a handshake": {
			fact.EtcdClient, func(t *testing.T, s *server) {
				s.handshakes(t, with(clients(tls.RequestClientCert), noTickets, noH2), func(c *tls.Conn) { flood(c, nil, "x") })
			},
			of(speaks, asGood, unclear, "Unsupported: "+auth+"it is asked for under TLS 1.2, and nothing shows whether clients without one are served"),
		},
		"an endless answer to a request": {
			fact.KubeletAPI, func(t *testing.T, s *server) {
				s.handshakes(t, with(noH2), func(c *tls.Conn) { readHello(c); flood(c, []byte("HTTP/1.1 "), "x") })
			},
			of(speaks, asGood, free, "GET /healthz: 0 what came back is not a status line of HTTP", "Unsupported: GET /healthz: what came back is not a status line of HTTP"),
		},
		"internal errors": {
			fact.EtcdClient, func(t *testing.T, s *server) { s.sends(t, fatal(tls.VersionTLS12, 80)) },
			of("tls: alert internal error", same("unknown: alert internal error"), unclear, nothing),
		},
		"a ServerHello, then a closed connection": {
			fact.EtcdClient, func(t *testing.T, s *server) {
				s.raw(t, func(c net.Conn) {
					suite := uint16(tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA)
					v := readHello(c)
					if v == tls.VersionTLS13 {
						suite = tls.TLS_AES_128_GCM_SHA256
					}
					_, _ = c.Write(serverHello(v, suite, nil))
				})
			},
			of(speaks, [6]string{
				accepted, accepted, accepted, accepted,
				"unknown: a ServerHello chose a suite that was not offered, TLS 1.2 TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
				"unknown: a ServerHello chose a suite that was not offered, TLS 1.2 TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
			}, unclear, noChain+auth+"the server closed the connection under TLS 1.2; whether it accepts RC4, 3DES or RSA key exchange"),
		},
		"a ServerHello, then an internal error": {
			fact.EtcdClient, func(t *testing.T, s *server) {
				s.raw(t, func(c net.Conn) {
					v := readHello(c)
					_, _ = c.Write(append(serverHello(v, tls.TLS_RSA_WITH_AES_128_CBC_SHA, nil), fatal(v, 80)...))
				})
			},
			of(speaks, [6]string{
				"unknown: ServerHello, then alert internal error", "unknown: ServerHello, then alert internal error", "unknown: ServerHello, then alert internal error",
				accepted, // crypto/tls gives up before it reads the alert
				"unknown: a ServerHello chose a suite that was not offered, TLS 1.2 TLS_RSA_WITH_AES_128_CBC_SHA",
				"unknown: ServerHello, then alert internal error, TLS 1.2 TLS_RSA_WITH_AES_128_CBC_SHA",
			}, unclear, noChain+auth+"alert internal error under TLS 1.2; whether it accepts TLS 1.0 or TLS 1.1 or TLS 1.2 or RC4, 3DES or RSA key exchange"),
		},
		"a ServerHello, then a handshake failure": {
			fact.EtcdClient, func(t *testing.T, s *server) {
				s.raw(t, func(c net.Conn) {
					v := readHello(c)
					if v == tls.VersionTLS13 {
						_, _ = c.Write(fatal(v, protocolVersion))
						return
					}
					_, _ = c.Write(append(serverHello(v, tls.TLS_RSA_WITH_AES_128_CBC_SHA, nil), fatal(v, handshakeFailure)...))
				})
			},
			of(speaks, [6]string{
				"unknown: ServerHello, then alert handshake failure", "unknown: ServerHello, then alert handshake failure", "unknown: ServerHello, then alert handshake failure",
				"refused: alert protocol version",
				"unknown: a ServerHello chose a suite that was not offered, TLS 1.2 TLS_RSA_WITH_AES_128_CBC_SHA",
				"unknown: ServerHello, then alert handshake failure, TLS 1.2 TLS_RSA_WITH_AES_128_CBC_SHA",
			}, unclear, noChain+auth+"alert handshake failure under TLS 1.2; whether it accepts TLS 1.0 or TLS 1.1 or TLS 1.2 or RC4, 3DES or RSA key exchange"),
		},
		"TLS 1.0 chosen, whatever is offered": {
			fact.EtcdClient, func(t *testing.T, s *server) {
				s.sends(t, serverHello(tls.VersionTLS10, tls.TLS_RSA_WITH_RC4_128_SHA, nil))
			},
			of(speaks, [6]string{
				accepted,
				"unknown: a ServerHello chose a version that was not offered, TLS 1.0 TLS_RSA_WITH_RC4_128_SHA",
				"unknown: a ServerHello chose a version that was not offered, TLS 1.0 TLS_RSA_WITH_RC4_128_SHA",
				"unknown: a ServerHello chose a version that was not offered, TLS 1.0 TLS_RSA_WITH_RC4_128_SHA",
				"accepted: ServerHello, TLS 1.0 TLS_RSA_WITH_RC4_128_SHA",
				"unknown: a ServerHello chose a suite that was not offered, TLS 1.0 TLS_RSA_WITH_RC4_128_SHA",
			}, unclear, noChain+auth+"an answer that this program does not understand under TLS 1.2; whether it accepts TLS 1.1 or TLS 1.2 or TLS 1.3 or RSA key exchange"),
		},
		"a HelloRetryRequest, then a closed connection": {
			fact.EtcdClient, func(t *testing.T, s *server) {
				s.raw(t, func(c net.Conn) {
					if readHello(c) == tls.VersionTLS13 {
						_, _ = c.Write(serverHello(tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256, retryRandom))
						return
					}
					_, _ = c.Write(fatal(tls.VersionTLS12, protocolVersion))
				})
			},
			of("tls: alert protocol version", [6]string{"=", "=", version, "unknown: HelloRetryRequest, then an answer that this program does not understand", version, version}, unclear, noChain+auth+"no version of TLS was accepted; whether it accepts TLS 1.3"),
		},
		"it ends after two handshakes": {
			fact.KubeAPI, func(t *testing.T, s *server) {
				config := with(clients(tls.RequestClientCert))
				n := 0
				s.raw(t, func(c net.Conn) {
					if n++; n == 2 {
						_ = s.Close()
					}
					_ = tls.Server(c, config).Handshake()
				})
			},
			of(speaks, [6]string{
				"unknown: not offered: " + refused, "unknown: not offered: " + refused, "=", "=",
				"unknown: not offered: " + refused, "unknown: not offered: " + refused,
			}, asked, "GET /kubectl-checklist-no-such-path: 0 not made: "+refused, "Changing: "+refused),
		},
		"it hangs from TLS 1.1 on": {
			fact.EtcdClient, func(t *testing.T, s *server) {
				config := with(clients(tls.RequireAnyClientCert))
				n := 0
				s.raw(t, func(c net.Conn) {
					if n++; n > 2 {
						drain(c)
						return
					}
					_ = tls.Server(c, config).Handshake()
				})
			},
			of(speaks, [6]string{
				"unknown: no answer in time", "unknown: no answer in time", "=", "=",
				"unknown: not offered: the time for this listener or for this node was used up", "unknown: not offered: the time for this listener or for this node was used up",
			}, demanded, "Timeout: the time for this listener or for this node was used up"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := inMemory()
				tc.start(t, s)
				got := summary(s.measure(t, tc.purpose))
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("listener (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestCosts compares how many connections are made, and how long they take: nothing is
// waited for that is known already.
func TestCosts(t *testing.T) {
	pauses := func(n int) time.Duration { return time.Duration(n) * Pause }
	for name, tc := range map[string]struct {
		purpose     fact.ListenerPurpose
		start       func(*testing.T, *server)
		connections int
		took        time.Duration
	}{
		"etcd": {
			fact.EtcdClient, func(t *testing.T, s *server) { s.web(t, with(clients(tls.RequireAnyClientCert)), 200) }, 6, pauses(5),
		},
		"API server": {
			fact.KubeAPI, func(t *testing.T, s *server) { s.web(t, with(clients(tls.RequestClientCert)), 403) }, 7, pauses(6),
		},
		"no certificate is asked for, and nothing is sent first": {
			fact.Scheduler, func(t *testing.T, s *server) { s.web(t, with(noTickets, noH2), 200) }, 6, pauses(5),
		},
		"one is asked for, and nothing is sent first": {
			fact.Scheduler, func(t *testing.T, s *server) { s.web(t, with(clients(tls.RequestClientCert), noTickets, noH2), 200) }, 6, pauses(5) + 2*proofTime,
		},
		"nothing is sent first under TLS 1.3 only": {
			fact.Scheduler, func(t *testing.T, s *server) {
				s.web(t, with(clients(tls.RequestClientCert), noH2, func(c *tls.Config) {
					c.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
						own := c.Clone()
						own.GetConfigForClient = nil
						own.SessionTicketsDisabled = h.SupportedVersions[0] == tls.VersionTLS13
						return own, nil
					}
				}), 200)
			}, 6, pauses(5),
		},
		"an answer after which the connection stays open": {
			fact.KubeletAPI, func(t *testing.T, s *server) {
				s.handshakes(t, with(noH2), func(c *tls.Conn) {
					readHello(c)
					_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n"))
					drain(c)
				})
			}, 7, pauses(6),
		},
		"an answer without TLS after which the connection stays open": {
			fact.EtcdClient, func(t *testing.T, s *server) {
				s.raw(t, func(c net.Conn) {
					buf := make([]byte, 4<<10)
					if n, _ := c.Read(buf); bytes.HasPrefix(buf[:n], []byte("GET ")) {
						_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\n"))
						drain(c)
					}
				})
			}, 5, pauses(4),
		},
		"plaintext": {
			fact.Scheduler, func(t *testing.T, s *server) { s.web(t, nil, 200) }, 1, 0,
		},
		"kubelet's read-only port": {
			fact.KubeletReadOnly, func(t *testing.T, s *server) { s.web(t, nil, 200) }, 2, pauses(1),
		},
		"plaintext etcd": {
			fact.EtcdClient, func(t *testing.T, s *server) { s.answers(t, "HTTP/1.1 200 OK\r\n\r\n{}") }, 5, pauses(4),
		},
		"another protocol": {
			fact.EtcdClient, func(t *testing.T, s *server) { s.sends(t, []byte("SSH-2.0-OpenSSH_9.2\r\n")) }, 1, 0,
		},
		"silence": {
			fact.EtcdClient, func(t *testing.T, s *server) { s.raw(t, func(c net.Conn) { drain(c) }) }, 2, PerListener,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := inMemory()
				tc.start(t, s)
				began := time.Now()
				l := s.measure(t, tc.purpose)
				if took := time.Since(began); l.Connections != tc.connections || took != tc.took {
					t.Errorf("%d connections in %s, want %d in %s", l.Connections, took, tc.connections, tc.took)
				}
			})
		})
	}
}

// byVersion asks clients of TLS 1.2 and of TLS 1.3 for different things.
func byVersion(old, new tls.ClientAuthType) func(*tls.Config) {
	return func(c *tls.Config) {
		c.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			own := c.Clone()
			own.GetConfigForClient = nil
			own.ClientAuth = old
			if h.SupportedVersions[0] == tls.VersionTLS13 {
				own.ClientAuth = new
			}
			return own, nil
		}
	}
}

// drain reads until the other side has enough.
func drain(c net.Conn) {
	buf := make([]byte, 4<<10)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}

// flood writes first, and then more until the other side has enough.
func flood(c net.Conn, first []byte, more string) {
	_, _ = c.Write(first)
	chunk := bytes.Repeat([]byte(more), 64<<10/len(more)+1)
	for {
		if _, err := c.Write(chunk); err != nil {
			return
		}
	}
}
