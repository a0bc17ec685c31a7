package transit

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// presents makes a server that presents a chain, whatever is in it.
func presents(key crypto.Signer, chain ...[]byte) func(*tls.Config) {
	return func(c *tls.Config) { c.Certificates = []tls.Certificate{{Certificate: chain, PrivateKey: key}} }
}

func TestChain(t *testing.T) {
	leaf := func() []byte { return selfSigned(rsaKey(), nil).Certificate[0] }
	for name, tc := range map[string]struct {
		config func() *tls.Config
		// subjects are those of the chain.
		subjects string
		reason   fact.Reason
		detail   string
	}{
		"one certificate": {
			func() *tls.Config { return with() }, "CN=test", "", "",
		},
		"under TLS 1.3": {
			func() *tls.Config { return with(between(tls.VersionTLS13, 0)) }, "CN=test", "", "",
		},
		"an expired one with other names": {
			func() *tls.Config {
				return with(presents(rsaKey(), selfSigned(rsaKey(), func(c *x509.Certificate) {
					c.Subject = pkix.Name{CommonName: "old", Organization: []string{"a,b"}}
					c.NotAfter = time.Now().Add(-time.Minute)
					c.IPAddresses, c.DNSNames = nil, []string{"example.org"}
				}).Certificate[0]))
			},
			`CN=old,O=a\,b`, "", "",
		},
		"two that issued each other, many times": {
			func() *tls.Config {
				a, b := issuedBy("a", "b"), issuedBy("b", "a")
				return with(presents(rsaKey(), leaf(), a, b, a, b, a, b, a, b, a, b))
			},
			"CN=test CN=a CN=b CN=a CN=b CN=a CN=b CN=a",
			fact.Truncated, "it presents 11 certificates, of which the first 8 were read",
		},
		"one that crypto/x509 does not read": {
			func() *tls.Config { return with(presents(rsaKey(), []byte("no certificate"))) },
			"", fact.Corrupt, "certificate 1 that it presents: not a certificate in DER",
		},
		"a second one that crypto/x509 does not read": {
			func() *tls.Config { return with(presents(rsaKey(), leaf(), []byte("no certificate"))) },
			"CN=test", fact.Corrupt, "certificate 2 that it presents: not a certificate in DER",
		},
		"one that crypto/x509 does not read, under TLS 1.3": {
			func() *tls.Config {
				return with(presents(rsaKey(), []byte("no certificate")), between(tls.VersionTLS13, 0))
			},
			"", fact.Unsupported, "no handshake showed its certificates",
		},
		"control characters in a name": {
			func() *tls.Config {
				return with(presents(rsaKey(), selfSigned(rsaKey(), func(c *x509.Certificate) { c.Subject.CommonName = "a\x1b[31m" }).Certificate[0]))
			},
			"", fact.Corrupt, "certificate 1 that it presents: a name in the certificate holds control characters",
		},
		"100 KiB": {
			func() *tls.Config { return with(presents(rsaKey(), padded(100<<10))) },
			"", fact.Truncated, "certificate 1 that it presents: a certificate is larger than 64 KiB",
		},
		"1 MiB": {
			func() *tls.Config { return with(presents(rsaKey(), padded(1<<20))) },
			"", fact.Truncated, "its certificates are longer than 256 KiB together",
		},
		"1 MiB under TLS 1.3": {
			func() *tls.Config { return with(presents(rsaKey(), padded(1<<20)), between(tls.VersionTLS13, 0)) },
			"", fact.Unsupported, "no handshake showed its certificates",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := inMemory()
				config := tc.config()
				s.web(t, config, 200)
				l := s.measure(t, fact.EtcdClient)
				var subjects []string
				for i, c := range l.Chain {
					subjects = append(subjects, c.Subject)
					sum := sha256.Sum256(config.Certificates[0].Certificate[i])
					if c.SHA256 != hex.EncodeToString(sum[:]) {
						t.Errorf("certificate %d: another one than the server presents", i)
					}
				}
				if got := strings.Join(subjects, " "); got != tc.subjects || l.Reason != tc.reason || !strings.HasPrefix(l.Detail, tc.detail) || (l.Detail == "") != (tc.detail == "") {
					t.Errorf("got %q, %s: %s\nwant %q, %s: %s", got, l.Reason, l.Detail, tc.subjects, tc.reason, tc.detail)
				}
				for _, o := range l.Offers {
					if o.Offer == fact.OfferTLS13 && o.Outcome != fact.OfferAccepted {
						t.Errorf("TLS 1.3 is %s: %s", o.Outcome, o.From)
					}
				}
			})
		})
	}
}

// issuedBy makes a certificate of a key that another name issued.
func issuedBy(subject, issuer string) []byte {
	template := func(name string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		}
	}
	return must(x509.CreateCertificate(rand.Reader, template(subject), template(issuer), rsaKey().Public(), rsaKey()))
}

// padded makes a certificate with an extension of so many bytes.
func padded(size int) []byte {
	return selfSigned(rsaKey(), func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{{Id: []int{1, 3, 6, 1, 4, 1, 99999, 1}, Value: make([]byte, size)}}
	}).Certificate[0]
}

func TestClientAuthorities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := x509.NewCertPool()
		var want []string
		for _, name := range strings.Fields("r q p o n m l k j i h g f e d c b a") {
			pool.AddCert(must(x509.ParseCertificate(issuedBy(name, name))))
			if name <= "p" {
				want = append([]string{"CN=" + name}, want...)
			}
		}
		pool.AddCert(must(x509.ParseCertificate(issuedBy("c\x1b", "c")))) // not shown
		pool.AddCert(must(x509.ParseCertificate(issuedBy("b", "x"))))     // the same name again: renewed
		s := inMemory().web(t, with(clients(tls.RequireAndVerifyClientCert), func(c *tls.Config) { c.ClientCAs = pool }), 200)
		l := s.measure(t, fact.EtcdClient)
		if diff := cmp.Diff(want, l.ClientCAs); diff != "" || l.ClientCATotal != 19 {
			t.Errorf("of 19 authorities, 16 are shown, %d are counted (-want +got):\n%s", l.ClientCATotal, diff)
		}
	})
}

// TestOneListener compares a whole fact.
func TestOneListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory().web(t, with(clients(tls.RequestClientCert)), 403)
		l := s.measure(t, fact.KubeAPI)
		l.Offers = nil // see TestListener
		if len(l.Chain) != 1 || l.Chain[0].Names[0] != "127.0.0.1" || l.Chain[0].KeyBits != 2048 {
			t.Errorf("chain %+v", l.Chain)
		}
		l.Chain = nil
		want := fact.Listener{
			Address: "127.0.0.1", Port: 7, Inode: 7, Purpose: fact.KubeAPI, Target: "127.0.0.1", Connections: 7,
			Protocol: fact.SpeaksTLS, ProtocolFrom: "ServerHello",
			ClientAuth: fact.ClientCertAsked, ClientAuthFrom: "session ticket under TLS 1.2",
			Request: &fact.AnonymousRequest{Method: "GET", Path: PathNone, Status: 403},
		}
		if diff := cmp.Diff(want, l); diff != "" {
			t.Errorf("listener (-want +got):\n%s", diff)
		}
	})
}
