package certificate

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// oracle is what crypto/x509 says of a certificate.
func oracle(t testing.TB, c *x509.Certificate) fact.Certificate {
	t.Helper()
	sum := sha256.Sum256(c.Raw)
	want := fact.Certificate{
		SHA256: hex.EncodeToString(sum[:]), NotBefore: fact.NewTime(c.NotBefore), NotAfter: fact.NewTime(c.NotAfter), CA: c.IsCA,
		Subject: bounded(rfc2253(t, c.RawSubject)), Issuer: bounded(rfc2253(t, c.RawIssuer)),
		SelfSigned: bytes.Equal(c.RawSubject, c.RawIssuer) && (c.AuthorityKeyId == nil || c.SubjectKeyId == nil || bytes.Equal(c.AuthorityKeyId, c.SubjectKeyId)),
	}
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		want.KeyType, want.KeyBits = "RSA", key.N.BitLen()
	case *ecdsa.PublicKey:
		want.KeyType, want.KeyBits = "ECDSA", key.Curve.Params().BitSize
	case ed25519.PublicKey:
		want.KeyType, want.KeyBits = "Ed25519", 256
	}
	if c.SignatureAlgorithm != x509.UnknownSignatureAlgorithm {
		want.Signature = c.SignatureAlgorithm.String()
	}
	for _, name := range c.DNSNames {
		want.Names = append(want.Names, bounded(name))
	}
	for _, ip := range c.IPAddresses {
		want.Names = append(want.Names, ip.String())
	}
	slices.Sort(want.Names)
	want.Names = slices.Compact(want.Names)
	want.NameTotal = len(want.Names)
	want.Names = want.Names[:min(len(want.Names), fact.MaxCertNames)]
	if len(want.Names) == 0 {
		want.Names = nil
	}
	return want
}

// rfc2253 writes a name by encoding/asn1 and crypto/x509/pkix.
func rfc2253(t testing.TB, raw []byte) string {
	t.Helper()
	var rdns pkix.RDNSequence
	if _, err := asn1.Unmarshal(raw, &rdns); err != nil {
		t.Skip("encoding/asn1 is stricter than crypto/x509")
	}
	return rdns.String()
}

// keys are those that certificates are made with.
type keys struct {
	subjects []any
	signers  []crypto.Signer
	by       [][]x509.SignatureAlgorithm // of each signer
}

func makeKeys(t testing.TB) *keys {
	t.Helper()
	k := &keys{}
	for _, curve := range []elliptic.Curve{elliptic.P224(), elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		k.subjects = append(k.subjects, key.Public())
		k.signers = append(k.signers, key)
		k.by = append(k.by, []x509.SignatureAlgorithm{0, x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512})
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k.subjects, k.signers = append(k.subjects, ed.Public()), append(k.signers, ed)
	k.by = append(k.by, []x509.SignatureAlgorithm{x509.PureEd25519})
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	k.subjects, k.signers = append(k.subjects, rsaKey.Public()), append(k.signers, rsaKey)
	k.by = append(k.by, []x509.SignatureAlgorithm{
		0, x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA, x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
	})
	for _, bits := range []int{512, 1023, 1024, 2047, 2048, 3072, 4096, 8192} { // only the number counts
		n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(bits-1)))
		if err != nil {
			t.Fatal(err)
		}
		n.SetBit(n, bits-1, 1).SetBit(n, 0, 1)
		k.subjects = append(k.subjects, &rsa.PublicKey{N: n, E: 65537})
	}
	return k
}

// make makes a certificate by chance.
func (k *keys) make(t testing.TB, r *mathrand.Rand) []byte {
	t.Helper()
	text := func() string {
		letters := []rune("abcXYZ019 ,+\"\\<>;#=.*-_üß日本語🙂'()/:?&")
		out := make([]rune, r.IntN(12))
		for i := range out {
			out[i] = letters[r.IntN(len(letters))]
		}
		return string(out)
	}
	texts := func() (out []string) {
		for range r.IntN(3) {
			out = append(out, text())
		}
		return out
	}
	name := func() pkix.Name {
		n := pkix.Name{
			Country: texts(), Organization: texts(), OrganizationalUnit: texts(), Locality: texts(), Province: texts(), StreetAddress: texts(),
			PostalCode: texts(), SerialNumber: text(), CommonName: text(),
		}
		if r.IntN(4) == 0 {
			n.ExtraNames = []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: "a@b.example"}}
		}
		if r.IntN(8) == 0 {
			n.Organization = []string{strings.Repeat("long ü ", 60)}
		}
		return n
	}
	at := func() time.Time {
		return time.Date(1950+r.IntN(150), time.Month(1+r.IntN(12)), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), 0, time.UTC)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1 + r.Int64N(1<<62)), Subject: name(), NotBefore: at(), NotAfter: at(),
		BasicConstraintsValid: r.IntN(2) == 0, SubjectKeyId: []byte{1, byte(r.IntN(2))}, KeyUsage: x509.KeyUsage(r.IntN(512)),
	}
	template.IsCA = template.BasicConstraintsValid && r.IntN(2) == 0
	if r.IntN(30) == 0 {
		template.NotAfter = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	}
	names := r.IntN(8)
	if r.IntN(20) == 0 {
		names = 45 + r.IntN(20)
	}
	for i := range names {
		switch r.IntN(5) {
		case 0:
			template.DNSNames = append(template.DNSNames, fmt.Sprintf("*.n%d.example", i))
		case 1:
			template.DNSNames = append(template.DNSNames, strings.Repeat("long.", r.IntN(70)))
		case 2:
			ip := make(net.IP, 4)
			for j := range ip {
				ip[j] = byte(r.IntN(256))
			}
			template.IPAddresses = append(template.IPAddresses, ip)
		case 3:
			ip := make(net.IP, 16)
			for j := range ip {
				if r.IntN(2) == 0 {
					ip[j] = byte(r.IntN(256))
				}
			}
			template.IPAddresses = append(template.IPAddresses, ip)
		case 4:
			template.EmailAddresses = append(template.EmailAddresses, "a@b.example")
			template.URIs = append(template.URIs, &url.URL{Scheme: "spiffe", Host: "cluster.local"})
		}
	}
	i := r.IntN(len(k.signers))
	template.SignatureAlgorithm = k.by[i][r.IntN(len(k.by[i]))]
	parent, subject := template, k.subjects[r.IntN(len(k.subjects))]
	switch r.IntN(3) {
	case 0:
		parent = &x509.Certificate{Subject: name(), SubjectKeyId: []byte{2}}
	case 1:
		parent = &x509.Certificate{Subject: template.Subject, SubjectKeyId: []byte{1, byte(r.IntN(2))}}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, subject, k.signers[i])
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// Parse says of certificates of every kind what crypto/x509 says.
func TestParseAgainstX509(t *testing.T) {
	count := 4000
	if testing.Short() {
		count = 400
	}
	k, r := makeKeys(t), mathrand.New(mathrand.NewPCG(13, 1))
	compared, seen := 0, map[string]int{}
	for range count {
		der := k.make(t, r)
		parsed, err := x509.ParseCertificate(der)
		if err != nil {
			continue // it makes some that it does not read itself: a name's characters
		}
		got, err := Parse(der)
		if err != nil {
			t.Fatalf("%v\n%x", err, der)
		}
		if diff := cmp.Diff(oracle(t, parsed), got); diff != "" {
			t.Fatalf("(-crypto/x509 +ours):\n%s\n%x", diff, der)
		}
		compared++
		seen[fmt.Sprintf("%s %d", got.KeyType, got.KeyBits)]++
		seen[got.Signature]++
		if got.SelfSigned {
			seen["self-signed"]++
		}
		if got.NameTotal > len(got.Names) {
			seen["more names"]++
		}
		if got.NotAfter.Year() > 2049 {
			seen["GeneralizedTime"]++
		}
		if strings.HasSuffix(got.Subject, "…") {
			seen["long subject"]++
		}
	}
	for _, kind := range []string{
		"RSA 1024", "RSA 1023", "RSA 4096", "ECDSA 224", "ECDSA 521", "Ed25519 256", "SHA512-RSAPSS", "SHA256-RSA", "ECDSA-SHA384", "Ed25519",
		"self-signed", "more names", "GeneralizedTime", "long subject",
	} {
		if seen[kind] == 0 {
			t.Errorf("no certificate with %s was compared", kind)
		}
	}
	if compared < count*9/10 {
		t.Errorf("expected at least nine of ten compared, found %d of %d", compared, count)
	}
	t.Logf("%d certificates compared: %v", compared, seen)
}

// What crypto/x509 cannot make, or does not read.
func TestParse(t *testing.T) {
	good := func() []byte { return makeKeys(t).make(t, mathrand.New(mathrand.NewPCG(1, 1))) }()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	with := func(template *x509.Certificate) []byte {
		template.SerialNumber = big.NewInt(1)
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	for name, tc := range map[string]struct {
		der  []byte
		want error
	}{
		"nothing":                  {nil, errForm},
		"an empty sequence":        {[]byte{0x30, 0}, errForm},
		"a text":                   {[]byte("not a certificate"), errForm},
		"more behind it":           {append(slices.Clone(good), 0), errForm},
		"cut short":                {good[:len(good)-1], errForm},
		"a length without bytes":   {[]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff}, errForm},
		"a length of five bytes":   {[]byte{0x30, 0x85, 0, 0, 0, 0, 1, 0}, errForm},
		"an indefinite length":     {[]byte{0x30, 0x80, 0, 0}, errForm},
		"larger than the limit":    {make([]byte, MaxSize+1), ErrTooLarge},
		"a newline in a name":      {with(&x509.Certificate{DNSNames: []string{"a\nb"}}), errControl},
		"a newline in a subject":   {with(&x509.Certificate{Subject: pkix.Name{CommonName: "a\nb"}}), errControl},
		"a C1 code in a subject":   {with(&x509.Certificate{Subject: pkix.Name{CommonName: "a\u009bb"}}), errControl},
		"another signature inside": {twoAlgorithms(t, good), errSignature},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse(tc.der); err != tc.want {
				t.Errorf("expected %v, found %v", tc.want, err)
			}
		})
	}
}

// twoAlgorithms changes the signature algorithm behind the body.
func twoAlgorithms(t *testing.T, der []byte) []byte {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	out := slices.Clone(der)
	place := bytes.Index(out, c.RawTBSCertificate) + len(c.RawTBSCertificate)
	out[place+5]++ // in the object identifier
	return out
}

// A curve and a hash that Go does not have are read all the same.
func TestParseWhatX509Refuses(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	replace := func(old, with asn1.ObjectIdentifier) []byte {
		marshal := func(id asn1.ObjectIdentifier) []byte {
			b, err := asn1.Marshal(id)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		a, b := marshal(old), marshal(with)
		if len(a) != len(b) || !bytes.Contains(der, a) {
			t.Fatalf("cannot replace %v by %v", old, with)
		}
		return bytes.ReplaceAll(der, a, b)
	}
	p256 := asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
	other := replace(p256, asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 1}) // prime192v1
	if _, err := x509.ParseCertificate(other); err == nil {
		t.Fatal("crypto/x509 reads prime192v1, so this test shows nothing")
	}
	got, err := Parse(other)
	if err != nil || got.KeyType != "ECDSA" || got.KeyBits != 192 {
		t.Errorf("expected ECDSA of 192 bits, found %q of %d bits, %v", got.KeyType, got.KeyBits, err)
	}
	got, err = Parse(replace(p256, asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 99}))
	if err != nil || got.KeyType != "ECDSA" || got.KeyBits != 0 {
		t.Errorf("expected ECDSA of unknown size, found %q of %d bits, %v", got.KeyType, got.KeyBits, err)
	}
	got, err = Parse(replace(asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 9}))
	if err != nil || got.Signature != "1.2.840.10045.4.3.9" {
		t.Errorf("expected the object identifier, found %q, %v", got.Signature, err)
	}
}

func TestAddress(t *testing.T) {
	r := mathrand.New(mathrand.NewPCG(2, 2))
	for range 20000 {
		ip := make(net.IP, 16)
		for i := range ip {
			if r.IntN(3) == 0 {
				ip[i] = byte(r.IntN(256))
			}
		}
		if got := address(ip); got != ip.String() {
			t.Fatalf("expected %s, found %s", ip, got)
		}
	}
	for _, text := range []string{"::", "::1", "1::", "fe80::1:0:0:1", "::ffff:10.0.0.1", "1:0:0:2::3", "1:2:3:4:5:6:7:8", "10.0.0.1"} {
		ip := net.ParseIP(text)
		if got := address(ip.To16()); got != ip.String() {
			t.Errorf("expected %s, found %s", ip, got)
		}
	}
}

func TestName(t *testing.T) {
	raw, err := asn1.Marshal(pkix.Name{CommonName: "kubernetes", Organization: []string{"a, b"}}.ToRDNSequence())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Name(raw); err != nil || got != `CN=kubernetes,O=a\, b` {
		t.Errorf("found %q, %v", got, err)
	}
	if _, err := Name(append(raw, 0)); err != errName {
		t.Errorf("expected %v, found %v", errName, err)
	}
}

func TestBlocks(t *testing.T) {
	block := func(kind string, b ...byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	one, two := block("CERTIFICATE", 1, 2, 3), block("CERTIFICATE", bytes.Repeat([]byte{9}, 200)...)
	for name, tc := range map[string]struct {
		file string
		want []string
	}{
		"none":                                 {"", nil},
		"a text":                               {"hello\n", nil},
		"two with text around":                 {"x\n" + one + "y\n" + two, []string{"010203", strings.Repeat("09", 200)}},
		"carriage returns":                     {strings.ReplaceAll(one, "\n", "\r\n"), []string{"010203"}},
		"no newline at the end":                {strings.TrimSpace(one), []string{"010203"}},
		"a key is not decoded":                 {block("EC PRIVATE KEY", 7, 7) + one + block("PRIVATE KEY", 7), []string{"010203"}},
		"a bad one costs no other":             {"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n" + one, []string{errBase64.Error(), "010203"}},
		"no end, and another behind it":        {"-----BEGIN CERTIFICATE-----\nAQID\n" + one, []string{errNoEnd.Error(), "010203"}},
		"no end":                               {"-----BEGIN CERTIFICATE-----\nAQID", []string{errNoEnd.Error()}},
		"one that is too large costs no other": {block("CERTIFICATE", make([]byte, MaxSize+10)...) + one, []string{ErrTooLarge.Error(), "010203"}},
		"one as large as the limit":            {block("CERTIFICATE", make([]byte, MaxSize)...), []string{strings.Repeat("00", MaxSize)}},
		"a request is not a certificate":       {block("CERTIFICATE REQUEST", 1), nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for der, err := range Blocks([]byte(tc.file)) {
				if err != nil {
					got = append(got, err.Error())
				} else {
					got = append(got, hex.EncodeToString(der))
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("blocks (-want +got):\n%s", diff)
			}
		})
	}
}

// Blocks finds what encoding/pem finds in a file that it wrote.
func FuzzBlocks(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n"), []byte("text"))
	f.Fuzz(func(t *testing.T, file, der []byte) {
		total := 0
		for b, err := range Blocks(file) {
			if (err == nil) == (b == nil) && len(b) > 0 {
				t.Fatalf("both a block and %v", err)
			}
			total += len(b)
		}
		if total > len(file) {
			t.Fatalf("%d bytes out of %d", total, len(file))
		}
		if len(der) > MaxSize {
			return
		}
		var got [][]byte
		for b, err := range Blocks(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, b)
		}
		if len(got) != 1 || !bytes.Equal(got[0], der) {
			t.Fatalf("expected the one block, found %d", len(got))
		}
	})
}

// No bytes make Parse panic, and of what crypto/x509 reads it says the same.
func FuzzParse(f *testing.F) {
	k, r := makeKeys(f), mathrand.New(mathrand.NewPCG(3, 3))
	for range 30 {
		f.Add(k.make(f, r))
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		got, err := Parse(der)
		if err == nil && (len(got.Names) > fact.MaxCertNames || len(got.Subject) > MaxName || len(got.Issuer) > MaxName) {
			t.Fatal("not bounded")
		}
		parsed, xerr := x509.ParseCertificate(der)
		if xerr != nil || err == ErrTooLarge || err == errControl {
			return
		}
		if err != nil {
			t.Fatalf("crypto/x509 reads it, but: %v", err)
		}
		want := oracle(t, parsed)
		if want.Signature == "" {
			got.Signature = "" // of what crypto/x509 does not know
		}
		for _, name := range []string{want.Subject, want.Issuer} {
			// Here pkix writes a string type of its own, and encoding/asn1 reads T61 as UTF-8.
			if strings.Contains(name, "=#") || strings.ContainsFunc(name, func(c rune) bool { return c > unicode.MaxASCII }) {
				got.Subject, got.Issuer = want.Subject, want.Issuer
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-crypto/x509 +ours):\n%s", diff)
		}
	})
}
