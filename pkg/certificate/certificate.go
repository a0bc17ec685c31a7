package certificate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/bits"
	"slices"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// MaxSize is the largest certificate that is read, in bytes of DER. One with 1,000 names
// has about 30,000.
const MaxSize = 64 << 10

// The errors of Parse. None holds a byte of the certificate.
var (
	ErrTooLarge  = errors.New("a certificate is larger than 64 KiB")
	errForm      = errors.New("not a certificate in DER")
	errSignature = errors.New("the certificate names two signature algorithms")
	errTime      = errors.New("the certificate's validity is not readable")
	errName      = errors.New("the certificate's subject or issuer is not readable")
	errControl   = errors.New("a name in the certificate holds control characters")
	errKey       = errors.New("the certificate's public key is not readable")
	errExtension = errors.New("the certificate's extensions are not readable")
)

// Parse reads a certificate in DER (RFC 5280). It checks no signature. It reads every
// certificate that crypto/x509 reads, except those above MaxSize and those with control
// characters in a name, and it also reads some that crypto/x509 refuses: with a curve or
// an algorithm that Go does not have.
func Parse(der []byte) (fact.Certificate, error) {
	var c fact.Certificate
	if len(der) > MaxSize {
		return c, ErrTooLarge
	}
	in := input(der)
	all, ok := in.take(tagSequence)
	if !ok || len(in) != 0 {
		return c, errForm
	}
	tbs, ok := all.take(tagSequence)
	if !ok {
		return c, errForm
	}
	_, outer, ok := all.takeWhole(tagSequence)
	if !ok {
		return c, errForm
	}
	if _, ok := all.take(tagBitString); !ok {
		return c, errForm
	}
	sum := sha256.Sum256(der)
	c.SHA256 = hex.EncodeToString(sum[:])
	return c, parseBody(&c, tbs, outer)
}

// parseBody reads TBSCertificate.
func parseBody(c *fact.Certificate, in, outer input) error {
	// 0 is version 1, which is not written. Only 2 has extensions: those of a lower version
	// are no part of the certificate, and crypto/x509 does not read them either.
	var version byte
	if len(in) > 0 && in[0] == tagContext0 {
		explicit, _ := in.take(tagContext0)
		number, ok := explicit.take(tagInteger)
		if !ok || len(number) != 1 || number[0] > 2 {
			return errForm
		}
		version = number[0]
	}
	if !in.skip(tagInteger) { // serial number
		return errForm
	}
	algorithm, inner, ok := in.takeWhole(tagSequence)
	if !ok {
		return errForm
	}
	if !bytes.Equal(inner, outer) {
		return errSignature
	}
	c.Signature = signatureOf(algorithm)

	var issuer, subject input
	var err error
	if issuer, c.Issuer, err = takeName(&in); err != nil {
		return err
	}
	validity, ok := in.take(tagSequence)
	if !ok {
		return errForm
	}
	if c.NotBefore, ok = takeTime(&validity); !ok {
		return errTime
	}
	if c.NotAfter, ok = takeTime(&validity); !ok {
		return errTime
	}
	if subject, c.Subject, err = takeName(&in); err != nil {
		return err
	}
	key, ok := in.take(tagSequence)
	if !ok || !readKey(c, key) {
		return errKey
	}
	if version > 0 && (!in.skip(0x81) || !in.skip(0x82)) { // issuerUniqueID and subjectUniqueID
		return errForm
	}
	var ext extensions
	if version == 2 {
		if err := ext.read(in); err != nil {
			return err
		}
	}
	c.CA = ext.ca
	c.SelfSigned = bytes.Equal(issuer, subject) && (ext.authority == nil || ext.own == nil || bytes.Equal(ext.authority, ext.own))
	slices.Sort(ext.names)
	ext.names = slices.Compact(ext.names)
	c.NameTotal = len(ext.names)
	c.Names = slices.Clone(ext.names[:min(len(ext.names), fact.MaxCertNames)])
	return nil
}

// takeTime takes a UTCTime or a GeneralizedTime. Their forms are those of crypto/x509,
// which also takes offsets from UTC.
func takeTime(in *input) (fact.Time, bool) {
	tag, content, _, ok := in.next()
	if !ok {
		return fact.Time{}, false
	}
	var layouts []string
	switch tag {
	case tagUTCTime:
		layouts = []string{"060102150405Z0700", "0601021504Z0700"}
	case tagGeneralizedTime:
		layouts = []string{"20060102150405Z0700"}
	}
	for _, layout := range layouts {
		t, err := time.Parse(layout, string(content))
		if err != nil || t.Format(layout) != string(content) { // of two forms, DER has one
			continue
		}
		if tag == tagUTCTime && t.Year() >= 2050 { // RFC 5280 4.1.2.5.1
			t = t.AddDate(-100, 0, 0)
		}
		return fact.NewTime(t), true
	}
	return fact.Time{}, false
}

// readKey reads SubjectPublicKeyInfo. A key of another type has no type.
func readKey(c *fact.Certificate, in input) bool {
	algorithm, ok := in.take(tagSequence)
	if !ok {
		return false
	}
	encoded, ok := in.take(tagBitString)
	if !ok {
		return false
	}
	id, ok := algorithm.take(tagOID)
	if !ok {
		return false
	}
	switch id.oid() {
	case "1.2.840.113549.1.1.1":
		c.KeyType = "RSA"
		data, ok := encoded.bits()
		if !ok {
			return false
		}
		if data, ok = data.take(tagSequence); !ok {
			return false
		}
		modulus, ok := data.take(tagInteger)
		if !ok || len(modulus) == 0 || modulus[0]&0x80 != 0 {
			return false
		}
		for len(modulus) > 0 && modulus[0] == 0 {
			modulus = modulus[1:]
		}
		if len(modulus) > 0 {
			c.KeyBits = len(modulus)*8 - bits.LeadingZeros8(modulus[0])
		}
	case "1.2.840.10045.2.1":
		c.KeyType = "ECDSA"
		if curve, ok := algorithm.take(tagOID); ok {
			c.KeyBits = curves[curve.oid()]
		}
	case "1.3.101.112":
		c.KeyType, c.KeyBits = "Ed25519", 256
	}
	return true
}

// curves are the bits of the named ones (RFC 5480, RFC 5639, SEC 2).
var curves = map[string]int{
	"1.2.840.10045.3.1.1": 192, "1.3.132.0.33": 224, "1.2.840.10045.3.1.7": 256, "1.3.132.0.34": 384, "1.3.132.0.35": 521,
	"1.3.132.0.8": 160, "1.3.132.0.31": 192, "1.3.132.0.32": 224, "1.3.132.0.10": 256,
	"1.3.36.3.3.2.8.1.1.1": 160, "1.3.36.3.3.2.8.1.1.3": 192, "1.3.36.3.3.2.8.1.1.5": 224, "1.3.36.3.3.2.8.1.1.7": 256,
	"1.3.36.3.3.2.8.1.1.9": 320, "1.3.36.3.3.2.8.1.1.11": 384, "1.3.36.3.3.2.8.1.1.13": 512,
}

// signatures are the algorithms by the names that crypto/x509 gives them.
var signatures = map[string]string{
	"1.2.840.113549.1.1.2": "MD2-RSA", "1.2.840.113549.1.1.4": "MD5-RSA",
	"1.2.840.113549.1.1.5": "SHA1-RSA", "1.3.14.3.2.29": "SHA1-RSA",
	"1.2.840.113549.1.1.11": "SHA256-RSA", "1.2.840.113549.1.1.12": "SHA384-RSA", "1.2.840.113549.1.1.13": "SHA512-RSA",
	"1.2.840.10040.4.3": "DSA-SHA1", "2.16.840.1.101.3.4.3.2": "DSA-SHA256",
	"1.2.840.10045.4.1": "ECDSA-SHA1", "1.2.840.10045.4.3.2": "ECDSA-SHA256", "1.2.840.10045.4.3.3": "ECDSA-SHA384",
	"1.2.840.10045.4.3.4": "ECDSA-SHA512", "1.3.101.112": "Ed25519",
}

// pssHashes are the hashes of RSASSA-PSS (RFC 4055).
var pssHashes = map[string]string{
	"1.3.14.3.2.26": "SHA1-RSAPSS", "2.16.840.1.101.3.4.2.1": "SHA256-RSAPSS", "2.16.840.1.101.3.4.2.2": "SHA384-RSAPSS", "2.16.840.1.101.3.4.2.3": "SHA512-RSAPSS",
}

// signatureOf names an AlgorithmIdentifier: as crypto/x509 does, else its object
// identifier, "" if it is not readable.
func signatureOf(in input) string {
	id, ok := in.take(tagOID)
	if !ok {
		return ""
	}
	name := id.oid()
	if name != "1.2.840.113549.1.1.10" { // RSASSA-PSS
		if known := signatures[name]; known != "" {
			return known
		}
		return bounded(name)
	}
	params, ok := in.take(tagSequence)
	if !ok {
		return ""
	}
	hash, ok := params.take(tagContext0)
	if !ok {
		return "SHA1-RSAPSS" // the default
	}
	if hash, ok = hash.take(tagSequence); !ok {
		return ""
	}
	if id, ok = hash.take(tagOID); !ok {
		return ""
	}
	return pssHashes[id.oid()]
}
