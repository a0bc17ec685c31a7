// Package wire carries a measurement from a probe to the plugin through what a
// pod has without a network: its log and its termination message.
//
// The measurement is a stream of records, each a line of JSON, an object with one
// field:
//
//	{"host":{...}}             once: what there is once on a node
//	{"apiServer":{...}}
//	{"etcd":{...}}             a database, followed by
//	{"secrets":[{...},...]}    its Secrets in pages of at most MaxPage
//	{"container":{...}}
//	{"image":{...}}            what is installed in containers
//	{"gap":{...}}
//	{"end":{...}}              once: how many of each there were
//
// They come in this order. The probe writes them one by one into a single gzip
// stream, so that it never holds the text. Each section of the stream (host,
// API servers, etcd, containers, images, gaps) has a reserved share of an answer. What
// it does not need is free for the others, so many containers cannot push out
// etcd. If a section needs more than there is, or if a record is too large,
// lists lose elements: Secrets in plaintext and executables that are not the
// image's stay longest. What was left out is counted in a gap.
//
// The compressed stream is cut into frames, one a line of the log, with sequence
// numbers from 1:
//
//	CKL2 <seq>/<total> <crc32> <base64>
//
// The checksum is IEEE's CRC-32 of the piece in 8 hex digits. A line has at most
// MaxLine bytes, its newline counted (containerd cuts lines at 16 KiB), a node at
// most MaxLog (kubelet rotates logs at 10 MiB and the log API reads only the
// newest file). The termination message (at most 4096 bytes, delivered with the
// pod's status) is the Trailer, one line of JSON: what the frames must add up to,
// the probe's error, and complete small results, so that no log must be read.
//
// An answer is complete or refused. The first part of a log is not a partial
// answer: a kubelet that lost the rest, a node that left it out and a changed
// line look the same. The digest cannot be compared, and the gaps, which come
// last, are missing. A probe that runs out of time says so itself in a complete
// stream: with the records of what it has read, and a gap for the rest.
//
// The sender is a pod on a node that may be hostile. What it says about itself,
// even its digest, protects only against accidents. Against intent, everything
// that is allocated has a limit and is counted first (see reader and Budget).
package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
)

// Limits of the format, for both sides.
const (
	MaxLine    = 8 << 10  // bytes of a log line, with its newline
	MaxLog     = 1 << 20  // bytes of all frames of a node
	MaxTrailer = 4096     // bytes of a termination message, kubelet's limit
	MaxJSON    = 16 << 20 // bytes of all records before compression
	MaxRecord  = 2 << 20  // bytes of a record, without its newline
	MaxPage    = 500      // Secrets in a record
	MaxMemory  = 32 << 20 // bytes of a measurement once it is decoded

	// maxError bounds the error text in a trailer.
	maxError = 1024
	// pieceSize is what one frame carries before base64: 8000 characters.
	pieceSize = 6000
	// maxFrames is MaxLog in the smallest frames that Encode makes.
	maxFrames = MaxLog/pieceSize + 1
	// magic opens a frame and names the format's version.
	magic = "CKL2"
)

// Exit statuses of the probe. Any other exit status (137 for an out-of-memory
// kill, 2 for a crash of Go's runtime) comes without a trailer.
const (
	ExitComplete = 0  // a measurement was written; it may have gaps
	ExitPartial  = 3  // a deadline passed; what was read until then was written
	ExitFailed   = 4  // the collectors failed; the trailer says why
	ExitUnlocked = 5  // the lock did not hold, so nothing was read
	ExitOutput   = 6  // an output could not be opened or written
	ExitUsage    = 64 // flags
)

// Trailer is the termination message.
type Trailer struct {
	// Format is "CKL2"; Version the probe's.
	Format  string `json:"format"`
	Version string `json:"version"`
	// SHA256 is the digest of the compressed payload in hex, "" without one.
	SHA256 string `json:"sha256,omitempty"`
	// Frames counts the frames in the log: 0 where Payload holds it all, or
	// where there is nothing. LogSize is the bytes of all their lines, Size
	// those of the compressed payload, JSONSize those of the records in it.
	Frames   int `json:"frames"`
	LogSize  int `json:"logSize"`
	Size     int `json:"size"`
	JSONSize int `json:"jsonSize"`
	// Partial is true where a deadline ended the measurement.
	Partial bool `json:"partial,omitempty"`
	// Error says why there is no measurement, or what went wrong on the way:
	// one line, printable, never with data from the node.
	Error string `json:"error,omitempty"`
	// Payload is the compressed payload where that fits.
	Payload []byte `json:"payload,omitempty"`
}

// HasMeasurement reports whether there is anything for Decode to read.
func (t Trailer) HasMeasurement() bool { return t.Size > 0 }

// NeedsLog reports whether Decode needs the log.
func (t Trailer) NeedsLog() bool { return t.Frames > 0 }

// FailureTrailer is the termination message of a probe that has only an error
// to report. It always fits.
func FailureTrailer(version, text string) []byte {
	out, err := marshalTrailer(Trailer{Version: version, Error: text})
	if err != nil {
		// Both strings are bounded and at most double when quoted.
		panic("a trailer without payload does not fit")
	}
	return out
}

func marshalTrailer(t Trailer) ([]byte, error) {
	t.Format = magic
	t.Version = escape.Bounded(t.Version, 64)
	t.Error = escape.Bounded(t.Error, maxError)
	var out bytes.Buffer
	text := json.NewEncoder(&out) // ends with a newline
	text.SetEscapeHTML(false)     // 6 bytes for one
	if err := text.Encode(t); err != nil {
		return nil, err
	}
	if out.Len() > MaxTrailer {
		return nil, fmt.Errorf("trailer: expected at most %d bytes, found %d", MaxTrailer, out.Len())
	}
	return out.Bytes(), nil
}

// ErrVersion means that a probe answered in another format.
var ErrVersion = errors.New("the probe and this plugin are of different versions")

// ParseTrailer reads a termination message. Numbers beyond the format's limits
// are errors, because what they announce would not be read anyway.
func ParseTrailer(message []byte) (Trailer, error) {
	if len(message) > MaxTrailer {
		return Trailer{}, fmt.Errorf("termination message: expected at most %d bytes, found %d", MaxTrailer, len(message))
	}
	if strings.TrimSpace(string(message)) == "" {
		return Trailer{}, errors.New("termination message: expected a line of JSON, found nothing")
	}
	var t Trailer
	if err := json.Unmarshal(message, &t); err != nil {
		return Trailer{}, fmt.Errorf("termination message: expected one line of JSON with format %q, found %s", magic, jsonError(err))
	}
	if t.Format != magic {
		return Trailer{}, fmt.Errorf("termination message: expected format %q, found another: %w", magic, ErrVersion)
	}
	t.Version, t.Error = escape.Bounded(t.Version, 64), escape.Short(t.Error, maxError)
	for _, field := range []struct {
		name       string
		value, max int
	}{
		{"frames", t.Frames, maxFrames},
		{"logSize", t.LogSize, MaxLog},
		{"size", t.Size, MaxLog},
		{"jsonSize", t.JSONSize, MaxJSON},
	} {
		if field.value < 0 || field.value > field.max {
			return Trailer{}, fmt.Errorf("termination message: %s: expected 0 to %d, found %d", field.name, field.max, field.value)
		}
	}
	switch {
	case t.Size == 0 && (t.Frames > 0 || len(t.Payload) > 0 || t.JSONSize > 0 || t.SHA256 != ""):
		return Trailer{}, errors.New("termination message: expected no frames, payload or digest where size is 0")
	case t.Size == 0 && t.Error == "":
		return Trailer{}, errors.New("termination message: expected a measurement or an error, found neither")
	case t.Size == 0:
		return t, nil
	case !isDigest(t.SHA256):
		return Trailer{}, fmt.Errorf("termination message: sha256: expected 64 hex digits, found %d bytes of something else", len(t.SHA256))
	case t.Frames > 0 == (len(t.Payload) > 0):
		return Trailer{}, fmt.Errorf("termination message: expected either frames or a payload, found %d frames and %d bytes", t.Frames, len(t.Payload))
	case t.Frames == 0 && len(t.Payload) != t.Size:
		return Trailer{}, fmt.Errorf("termination message: payload: expected %d bytes, found %d", t.Size, len(t.Payload))
	}
	return t, nil
}

// jsonError describes an error of encoding/json without the value that caused it.
func jsonError(err error) string {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return fmt.Sprintf("a value of another type in field %s at byte %d", kind.Field, kind.Offset)
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("a syntax error at byte %d", syntax.Offset)
	}
	return "a value of another form"
}

func isDigest(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
