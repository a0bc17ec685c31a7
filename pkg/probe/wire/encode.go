package wire

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// Options say how a measurement is sent.
type Options struct {
	// Limit is the most bytes that the frames may have together; 0, or more
	// than MaxLog, means MaxLog.
	Limit int
	// Version is the probe's; Partial and Error go into the trailer.
	Version string
	Partial bool
	Error   string
}

// Message is an encoded measurement: what goes to the log, each frame with its
// newline, and what goes to the termination message.
type Message struct {
	Frames  [][]byte
	Trailer []byte
}

// errTooLarge says that a measurement exceeds a limit, and has to be cut.
var errTooLarge = errors.New("too large")

// Encode makes a message of a measurement, which it leaves as it is. Where the
// measurement exceeds the limit, its longest lists are cut, always in the same
// way, and each cut adds a gap with reason Truncated, so that nothing which is
// missing can pass for clean.
func Encode(m *fact.Measurement, o Options) (Message, error) {
	limit := o.Limit
	if limit <= 0 || limit > MaxLog {
		limit = MaxLog
	}
	payload, jsonSize, err := fit(m, limit)
	if err != nil {
		return Message{}, err
	}
	digest := sha256.Sum256(payload)
	t := Trailer{
		Version:  o.Version,
		SHA256:   hex.EncodeToString(digest[:]),
		Size:     len(payload),
		JSONSize: jsonSize,
		Partial:  o.Partial,
		Error:    o.Error,
	}
	inline := t
	inline.Payload = payload
	if trailer, err := marshalTrailer(inline); err == nil {
		return Message{Trailer: trailer}, nil
	}
	frames := split(payload)
	t.Frames = len(frames)
	for _, frame := range frames {
		t.LogSize += len(frame)
	}
	trailer, err := marshalTrailer(t)
	if err != nil {
		return Message{}, err
	}
	return Message{Frames: frames, Trailer: trailer}, nil
}

// split cuts a payload into frames.
func split(payload []byte) [][]byte {
	total := (len(payload) + pieceSize - 1) / pieceSize
	frames := make([][]byte, 0, total)
	for seq := 1; seq <= total; seq++ {
		piece := payload[:min(pieceSize, len(payload))]
		payload = payload[len(piece):]
		frame := fmt.Appendf(make([]byte, 0, MaxLine), "%s %d/%d %08x ", magic, seq, total, crc32.ChecksumIEEE(piece))
		frame = base64.StdEncoding.AppendEncode(frame, piece)
		frames = append(frames, append(frame, '\n'))
	}
	return frames
}

// payloadLimit is the largest payload whose frames have at most limit bytes.
func payloadLimit(limit int) int {
	const (
		overhead = len("CKL1 175/175 01234567 ") + 1 // and the newline, at most
		full     = pieceSize/3*4 + overhead
	)
	return limit/full*pieceSize + max(0, limit%full-overhead)/4*3
}

// compress gives the gzip stream of the measurement's JSON, errTooLarge beyond
// limit bytes, MaxJSON, or MaxMemory once it is decoded.
func compress(m *fact.Measurement, limit int) (payload []byte, jsonSize int, err error) {
	if cost(m) > MaxMemory {
		return nil, 0, errTooLarge
	}
	out := bounded{limit: limit}
	zip := gzip.NewWriter(&out)
	in := counter{w: zip}
	if err := writeJSON(&in, m); err != nil {
		return nil, 0, err
	}
	if err := zip.Close(); err != nil {
		return nil, 0, err
	}
	return out.data, in.n, nil
}

// bounded keeps what is written up to its limit.
type bounded struct {
	data  []byte
	limit int
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(b.data)+len(p) > b.limit {
		return 0, errTooLarge
	}
	b.data = append(b.data, p...)
	return len(p), nil
}

// counter counts what passes, up to what Decode accepts.
type counter struct {
	w *gzip.Writer
	n int
}

func (c *counter) Write(p []byte) (int, error) {
	if c.n += len(p); c.n > MaxJSON {
		return 0, errTooLarge
	}
	return c.w.Write(p)
}
