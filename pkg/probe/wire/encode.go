package wire

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"

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

// Message is an encoded measurement: what goes to the log, and what goes to the
// termination message.
type Message struct {
	Trailer []byte

	payload []byte // nil if the trailer has it
}

// Frames returns what goes to the log, a line at a time, each with its newline.
// If the trailer holds everything, there are none.
func (m Message) Frames() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		total := frames(len(m.payload))
		for seq := 1; seq <= total; seq++ {
			piece := m.payload[(seq-1)*pieceSize:]
			piece = piece[:min(pieceSize, len(piece))]
			frame := fmt.Appendf(make([]byte, 0, MaxLine), "%s %d/%d %08x ", magic, seq, total, crc32.ChecksumIEEE(piece))
			frame = base64.StdEncoding.AppendEncode(frame, piece)
			if !yield(append(frame, '\n')) {
				return
			}
		}
	}
}

// frames is how many frames carry so many bytes.
func frames(size int) int { return (size + pieceSize - 1) / pieceSize }

// Encode makes a message of a measurement, which it leaves as it is. Where the
// measurement exceeds the limit, lists are cut, always in the same way, and each
// cut adds a gap with reason Truncated, so that nothing missing can pass as
// clean.
func Encode(m *fact.Measurement, o Options) (Message, error) {
	limit := o.Limit
	if limit <= 0 || limit > MaxLog {
		limit = MaxLog
	}
	payload, size, err := fit(m, payloadLimit(limit))
	if errors.Is(err, errTooLarge) {
		err = fmt.Errorf("expected at most %d bytes, found more although every list is empty", limit)
	}
	if err != nil {
		return Message{}, fmt.Errorf("encoding the measurement: %w", err)
	}
	digest := sha256.Sum256(payload)
	t := Trailer{
		Version:  o.Version,
		SHA256:   hex.EncodeToString(digest[:]),
		Size:     len(payload),
		JSONSize: size,
		Partial:  o.Partial,
		Error:    o.Error,
	}
	inline := t
	inline.Payload = payload
	if trailer, err := marshalTrailer(inline); err == nil {
		return Message{Trailer: trailer}, nil
	}
	message := Message{payload: payload}
	t.Frames = frames(len(payload))
	for frame := range message.Frames() {
		t.LogSize += len(frame)
	}
	if message.Trailer, err = marshalTrailer(t); err != nil {
		return Message{}, err
	}
	return message, nil
}

// payloadLimit is the largest payload whose frames have at most limit bytes.
func payloadLimit(limit int) int {
	const (
		overhead = len("CKL2 175/175 01234567 ") + 1 // and the newline, at most
		full     = pieceSize/3*4 + overhead
	)
	return limit/full*pieceSize + max(0, limit%full-overhead)/4*3
}
