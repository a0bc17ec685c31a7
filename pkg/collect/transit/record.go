package transit

import (
	"bytes"
	"encoding/binary"
	"net"
	"time"
)

const (
	// maxCertificates bounds a Certificate message: crypto/tls takes no longer one.
	maxCertificates = 256 << 10
	// maxRecorded bounds what is kept of a server's bytes: that, and what goes before it.
	maxRecorded = maxCertificates + 32<<10
)

// recorder keeps the first bytes of both directions. crypto/tls says too little about a
// handshake that failed: what the server chose can be in them all the same.
type recorder struct {
	net.Conn
	deadline time.Time // of the whole connection
	in, out  []byte
	written  bool
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.in = append(r.in, p[:min(n, maxRecorded-len(r.in))]...)
	return n, err
}

func (r *recorder) Write(p []byte) (int, error) {
	const enough = 8 << 10 // a ClientHello has less than 2 KiB
	r.out = append(r.out, p[:min(len(p), enough-len(r.out))]...)
	n, err := r.Conn.Write(p)
	r.written = r.written || n > 0
	return n, err
}

// SetWriteDeadline keeps crypto/tls, which gives a closing alert 5 s, to the deadline.
func (r *recorder) SetWriteDeadline(t time.Time) error {
	if t.After(r.deadline) {
		t = r.deadline
	}
	return r.Conn.SetWriteDeadline(t)
}

// Numbers of RFC 5246 and RFC 8446.
const (
	recordCCS       = 20
	recordAlert     = 21
	recordHandshake = 22

	messageClientHello = 1
	messageServerHello = 2
	messageCertificate = 11

	extensionVersions = 43
)

// retryRandom marks a ServerHello as a HelloRetryRequest (RFC 8446 4.1.3).
var retryRandom = []byte{
	0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91,
	0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C,
}

// speaksTLS reports whether a server's first bytes begin a TLS record that can come first:
// a handshake message or an alert.
func speaksTLS(first []byte) bool {
	return len(first) >= 3 && (first[0] == recordHandshake || first[0] == recordAlert) && first[1] == 3 && first[2] <= 4
}

// speaksHTTP reports whether they begin a status line of HTTP/1.
func speaksHTTP(first []byte) bool { return bytes.HasPrefix(first, []byte("HTTP/1.")) }

// speaksHTTP2 reports whether they begin with a SETTINGS frame (RFC 9113 6.5), which every
// HTTP/2 server sends first.
func speaksHTTP2(first []byte) bool {
	const header, setting, most = 9, 6, 64
	if len(first) < header {
		return false
	}
	length := int(first[0])<<16 | int(first[1])<<8 | int(first[2])
	return length%setting == 0 && length <= most*setting && first[3] == 4 && first[4] == 0 && binary.BigEndian.Uint32(first[5:]) == 0
}

// flight is what a server sent before its bytes were encrypted.
type flight struct {
	// Retried is true if a HelloRetryRequest came, Chose if a ServerHello came.
	Retried, Chose bool
	Version, Suite uint16 // of the ServerHello
	// Certificates are in DER, the server's own first. TLS 1.3 encrypts them.
	Certificates [][]byte
	// LongCertificate is true if its Certificate message is longer than what is kept.
	LongCertificate bool
}

// parseFlight reads the records of a server up to the first encrypted one, or to what is
// no record.
func parseFlight(in []byte) flight {
	var f flight
	var messages []byte // of the handshake, which can go over several records
	for {
		const header = 5
		if len(in) < header || in[1] != 3 {
			return f
		}
		kind, length := in[0], int(binary.BigEndian.Uint16(in[3:]))
		body := in[header:min(header+length, len(in))]
		in = in[min(header+length, len(in)):]
		switch {
		case kind == recordHandshake:
			messages = append(messages, body...)
		case kind == recordCCS && !f.Chose: // after a HelloRetryRequest (RFC 8446 D.4)
		case kind == recordAlert: // a warning
		default:
			return f
		}
		var done bool
		if messages, done = f.read(messages); done {
			return f
		}
	}
}

// read takes whole messages and returns what is left of them, and whether what follows is
// of no interest or encrypted.
func (f *flight) read(messages []byte) (rest []byte, done bool) {
	const header = 4
	for len(messages) >= header {
		kind := messages[0]
		length := int(messages[1])<<16 | int(messages[2])<<8 | int(messages[3])
		if kind == messageCertificate && length > maxCertificates {
			f.LongCertificate = true
			return nil, true
		}
		if len(messages) < header+length {
			return messages, false
		}
		body := messages[header : header+length]
		messages = messages[header+length:]
		switch kind {
		case messageServerHello:
			version, suite, retry, ok := parseServerHello(body)
			if !ok || f.Chose {
				return nil, true
			}
			if retry {
				f.Retried = true
				continue
			}
			f.Chose, f.Version, f.Suite = true, version, suite
			if version >= 0x0304 { // TLS 1.3 encrypts all that follows
				return nil, true
			}
		case messageCertificate:
			if f.Chose {
				f.Certificates = parseCertificates(body)
			}
			return nil, true
		default:
			if !f.Chose {
				return nil, true
			}
		}
	}
	return messages, false
}

// parseServerHello reads a ServerHello (RFC 5246 7.4.1.3, RFC 8446 4.1.3).
func parseServerHello(b []byte) (version, suite uint16, retry, ok bool) {
	const fixed = 2 + 32
	if len(b) < fixed+1 {
		return 0, 0, false, false
	}
	version = binary.BigEndian.Uint16(b)
	retry = bytes.Equal(b[2:fixed], retryRandom)
	b = b[fixed:]
	session := int(b[0])
	if session > 32 || len(b) < 1+session+3 {
		return 0, 0, false, false
	}
	b = b[1+session:]
	suite = binary.BigEndian.Uint16(b)
	if version == 0x0303 && len(b) > 3 {
		if v, found := extension(b[3:], extensionVersions); found && len(v) == 2 {
			version = binary.BigEndian.Uint16(v)
		}
	}
	return version, suite, retry, true
}

// extension finds one in a list of extensions that has its length before it.
func extension(b []byte, wanted uint16) ([]byte, bool) {
	if len(b) < 2 {
		return nil, false
	}
	b = b[2:min(len(b), 2+int(binary.BigEndian.Uint16(b)))]
	for len(b) >= 4 {
		kind, length := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if len(b) < 4+length {
			return nil, false
		}
		if kind == wanted {
			return b[4 : 4+length], true
		}
		b = b[4+length:]
	}
	return nil, false
}

// maxChainRead bounds the certificates of which a number is told.
const maxChainRead = 1000

// parseCertificates reads a Certificate message of TLS 1.0 to 1.2 (RFC 5246 7.4.2).
func parseCertificates(b []byte) [][]byte {
	var all [][]byte
	if len(b) < 3 {
		return nil
	}
	for b = b[3:]; len(b) >= 3 && len(all) < maxChainRead; {
		length := int(b[0])<<16 | int(b[1])<<8 | int(b[2])
		if len(b) < 3+length {
			break
		}
		all = append(all, b[3:3+length])
		b = b[3+length:]
	}
	return all
}

// parseClientHello reads which versions and suites a ClientHello record of crypto/tls
// offers.
func parseClientHello(record []byte) (versions, suites []uint16) {
	const fixed = 5 + 4 + 2 + 32
	if len(record) < fixed+1 || record[0] != recordHandshake || record[5] != messageClientHello {
		return nil, nil
	}
	b := record[fixed:]
	if b = b[min(len(b), 1+int(b[0])):]; len(b) < 2 {
		return nil, nil
	}
	length := int(binary.BigEndian.Uint16(b))
	if b = b[2:]; len(b) < length+1 {
		return nil, nil
	}
	suites = words(b[:length])
	if b = b[length:]; len(b) < 1+int(b[0]) {
		return nil, nil
	}
	offered, found := extension(b[1+int(b[0]):], extensionVersions)
	if !found || len(offered) == 0 {
		return nil, nil
	}
	return words(offered[1:]), suites
}

func words(b []byte) []uint16 {
	var all []uint16
	for ; len(b) >= 2; b = b[2:] {
		all = append(all, binary.BigEndian.Uint16(b))
	}
	return all
}
