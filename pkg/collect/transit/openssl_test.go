package transit

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// openssl returns a command. Debian's build has neither RC4 nor 3DES, so it is no oracle
// for these.
func openssl(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CHECKLIST_REQUIRE_TOOLS") == "1" {
			t.Fatal("openssl is not installed: run hack/deps.sh")
		}
		t.Skip("openssl is not installed")
	}
	return exec.CommandContext(t.Context(), path, args...)
}

// sServer starts openssl s_server with a certificate. It answers requests.
func sServer(t *testing.T, key crypto.Signer, args ...string) *server {
	t.Helper()
	dir := t.TempDir()
	pair := selfSigned(key, nil)
	for name, block := range map[string]*pem.Block{
		"key":  {Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))},
		"cert": {Type: "CERTIFICATE", Bytes: pair.Certificate[0]},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := openssl(t, append([]string{"s_server", "-accept", "127.0.0.1:0", "-www", "-cert", filepath.Join(dir, "cert"), "-key", filepath.Join(dir, "key")}, args...)...)
	out := must(cmd.StdoutPipe())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, port, ok := strings.Cut(lines.Text(), "ACCEPT 127.0.0.1:"); ok {
			go func() {
				for lines.Scan() { // so that it is never blocked
				}
			}()
			return &server{port: uint16(must(strconv.Atoi(port)))}
		}
	}
	t.Fatal("openssl s_server did not say where it listens")
	return nil
}

// seen is what openssl s_client shows of one connection.
type seen struct {
	accepted bool   // the handshake got as far as a suite
	suite    string // by IANA's name
	sha256   string // of the certificate
	asked    bool   // for a client certificate
	demanded bool
	served   bool // it got an answer to a request
}

var (
	newSession  = regexp.MustCompile(`(?m)^New, \S+, Cipher is (\S+)$`)
	noClient    = regexp.MustCompile(`SSL alert number (40|42|116)\b`)
	clientAsked = regexp.MustCompile(`(?m)^(Client Certificate Types|Requested Signature Algorithms):`)
)

func sClient(t *testing.T, port uint16, args ...string) seen {
	t.Helper()
	cmd := openssl(t, append([]string{"s_client", "-connect", netip.AddrPortFrom(loopback, port).String(), "-ign_eof"}, args...)...)
	cmd.Stdin = strings.NewReader("GET / HTTP/1.0\r\n\r\n")
	out, _ := cmd.CombinedOutput() // its status says nothing
	var s seen
	if m := newSession.FindSubmatch(out); m != nil && string(m[1]) != "(NONE)" {
		s.accepted, s.suite = true, ianaName(t, string(m[1]))
	}
	if block, _ := pem.Decode(out[max(0, bytes.Index(out, []byte("-----BEGIN CERT"))):]); block != nil {
		sum := sha256.Sum256(block.Bytes)
		s.sha256 = hex.EncodeToString(sum[:])
	}
	s.asked = clientAsked.Match(out)
	s.demanded = s.accepted && s.asked && noClient.Match(out)
	s.served = bytes.Contains(out, []byte("HTTP/1."))
	return s
}

// ianaName translates OpenSSL's name of a suite.
func ianaName(t *testing.T, name string) string {
	t.Helper()
	out := must(openssl(t, "ciphers", "-stdname", "ALL:@SECLEVEL=0").Output())
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == name {
			return f[0]
		}
	}
	t.Errorf("openssl does not know its own suite %s", name)
	return ""
}

// TestOpenSSL compares what Measure says of a server with what openssl s_client says.
func TestOpenSSL(t *testing.T) {
	all := "ALL:@SECLEVEL=0"
	goServer := func(change ...func(*tls.Config)) func(*testing.T) *server {
		return func(t *testing.T) *server { return onTCP(t).web(t, with(change...), 200) }
	}
	sslServer := func(args ...string) func(*testing.T) *server {
		return func(t *testing.T) *server { return sServer(t, rsaKey(), args...) }
	}
	for name, tc := range map[string]struct {
		start func(*testing.T) *server
		// exact is true if the server takes one suite, so that both clients get the same.
		exact bool
		// unclear is true if nothing shows what happens to a client without a certificate.
		unclear bool
		// foreign is true if crypto/tls cannot offer what the server takes.
		foreign bool
	}{
		"Go":                                   {start: goServer()},
		"Go, all versions":                     {start: goServer(between(tls.VersionTLS10, 0))},
		"Go, TLS 1.3":                          {start: goServer(between(tls.VersionTLS13, 0))},
		"Go, TLS 1.1 and 1.2":                  {start: goServer(between(tls.VersionTLS11, tls.VersionTLS12))},
		"Go, certificates asked for":           {start: goServer(clients(tls.RequestClientCert))},
		"Go, certificates demanded":            {start: goServer(clients(tls.RequireAnyClientCert))},
		"Go, certificates demanded, TLS 1.3":   {start: goServer(clients(tls.RequireAnyClientCert), between(tls.VersionTLS13, 0))},
		"Go, ECDSA":                            {start: goServer(func(c *tls.Config) { c.Certificates = []tls.Certificate{selfSigned(ecdsaKey(), nil)} })},
		"Go, RSA key exchange":                 {start: goServer(suites(tls.TLS_RSA_WITH_AES_256_GCM_SHA384), between(0, tls.VersionTLS12)), exact: true},
		"OpenSSL":                              {start: sslServer()},
		"OpenSSL, all versions":                {start: sslServer("-min_protocol", "TLSv1", "-cipher", all)},
		"OpenSSL, TLS 1.0 at security level 2": {start: sslServer("-min_protocol", "TLSv1", "-cipher", "ALL:@SECLEVEL=2")},
		"OpenSSL, TLS 1.0":                     {start: sslServer("-tls1", "-cipher", all)},
		"OpenSSL, TLS 1.2":                     {start: sslServer("-tls1_2")},
		"OpenSSL, TLS 1.3":                     {start: sslServer("-tls1_3")},
		"OpenSSL, certificates asked for":      {start: sslServer("-verify", "1")},
		"OpenSSL, certificates demanded":       {start: sslServer("-Verify", "1")},
		"OpenSSL, demanded, all versions":      {start: sslServer("-Verify", "1", "-min_protocol", "TLSv1", "-cipher", all)},
		"OpenSSL, demanded, TLS 1.3":           {start: sslServer("-Verify", "1", "-tls1_3")},
		"OpenSSL, no tickets of TLS 1.3":       {start: sslServer("-verify", "1", "-tls1_3", "-num_tickets", "0"), unclear: true},
		"OpenSSL, RSA key exchange":            {start: sslServer("-tls1_2", "-cipher", "AES128-SHA"), exact: true},
		"OpenSSL, one suite":                   {start: sslServer("-tls1_2", "-cipher", "ECDHE-RSA-CHACHA20-POLY1305"), exact: true},
		"OpenSSL, P-521 only":                  {start: sslServer("-groups", "P-521")},
		"OpenSSL, a suite that Go does not have": {
			start: sslServer("-tls1_2", "-cipher", "DHE-RSA-AES128-SHA"), unclear: true, foreign: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := tc.start(t)
			all, _ := Measure(t.Context(), s.options(fact.EtcdClient))
			l := all[0]
			if l.Protocol != fact.SpeaksTLS {
				t.Fatalf("%+v", l)
			}
			var oracle []seen
			for i, flag := range []string{"-tls1", "-tls1_1", "-tls1_2", "-tls1_3"} {
				o := sClient(t, s.port, flag, "-cipher", "ALL:@SECLEVEL=0")
				oracle = append(oracle, o)
				offer := l.Offers[i]
				if tc.foreign && offer.Outcome == fact.OfferAccepted {
					t.Errorf("%s: %+v", flag, offer)
				}
				if !tc.foreign && o.accepted != (offer.Outcome == fact.OfferAccepted) {
					t.Errorf("%s: accepted is %t for openssl; here %+v", flag, o.accepted, offer)
				}
				if o.accepted && tc.exact && offer.Suite != o.suite {
					t.Errorf("%s: openssl got %s, here %s", flag, o.suite, offer.Suite)
				}
				if o.accepted && len(l.Chain) > 0 && l.Chain[0].SHA256 != o.sha256 {
					t.Errorf("%s: openssl got certificate %s, here %s", flag, o.sha256, l.Chain[0].SHA256)
				}
				if o.accepted && len(l.Chain) == 0 && !tc.unclear {
					t.Errorf("no certificate: %s", l.Detail)
				}
			}
			o := sClient(t, s.port, "-no_tls1_3", "-cipher", "kRSA:@SECLEVEL=0")
			if offer := l.Offers[5]; o.accepted != (offer.Outcome == fact.OfferAccepted) {
				t.Errorf("RSA key exchange: accepted is %t for openssl; here %+v", o.accepted, offer)
			}
			want := fact.ClientCertDemanded
			for _, o := range oracle {
				if o.accepted && o.demanded == o.served {
					t.Errorf("openssl does not know: %+v", o)
				}
				switch {
				case o.served && !o.asked:
					want = fact.ClientCertNotAsked
				case o.served && want == fact.ClientCertDemanded:
					want = fact.ClientCertAsked
				}
			}
			if tc.unclear {
				want = ""
			}
			if l.ClientAuth != want {
				t.Errorf("client certificate %q (%s), for openssl %q", l.ClientAuth, l.ClientAuthFrom, want)
			}
			if t.Failed() {
				t.Log(summary(l))
			}
		})
	}
}
