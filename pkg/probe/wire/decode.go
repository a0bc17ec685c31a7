package wire

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// Limits on the shape of the JSON. An empty object takes 3 bytes of text and
// hundreds as a struct, so that its size alone bounds nothing.
const (
	maxObjects = 1 << 17
	maxValues  = 1 << 21
)

// Decode reads the measurement that t announces from the probe's log, or from t
// itself, in which case log may be nil. It returns the measurement whole or an
// error that names the line and what was expected there. It reads at most MaxLog
// bytes and holds at most MaxJSON of text.
func Decode(log io.Reader, t Trailer) (*fact.Measurement, error) {
	switch {
	case t.Size == 0 && t.Error != "":
		return nil, fmt.Errorf("the probe sent no measurement: %s", t.Error)
	case t.Size == 0:
		return nil, errors.New("the probe sent no measurement")
	case t.Frames < 0 || t.Frames > maxFrames || t.Size < 0 || t.Size > MaxLog || t.JSONSize < 0 || t.JSONSize > MaxJSON:
		return nil, errors.New("trailer: a number is beyond the format's limits")
	}
	payload := t.Payload
	if t.NeedsLog() {
		if log == nil {
			return nil, fmt.Errorf("log: expected %d frames, found no log", t.Frames)
		}
		var err error
		if payload, err = readFrames(log, t); err != nil {
			return nil, err
		}
	}
	if len(payload) != t.Size {
		return nil, fmt.Errorf("payload: expected %d bytes, found %d", t.Size, len(payload))
	}
	digest := sha256.Sum256(payload)
	if found := hex.EncodeToString(digest[:]); found != t.SHA256 {
		return nil, fmt.Errorf("payload: expected sha256 %s, found %s", sanitise(t.SHA256, 64), found)
	}
	text, err := decompress(payload, t.JSONSize)
	if err != nil {
		return nil, err
	}
	if err := checkShape(text); err != nil {
		return nil, err
	}
	m := new(fact.Measurement)
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("payload: expected a measurement as JSON: %s", jsonError(err))
	}
	return m, nil
}

// jsonError describes an error without the value that caused it.
func jsonError(err error) string {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return fmt.Sprintf("field %s: expected %s at byte %d", kind.Field, kind.Type, kind.Offset)
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("syntax error at byte %d", syntax.Offset)
	}
	return "a value of another form"
}

// readFrames reads exactly the frames that the trailer announces.
func readFrames(log io.Reader, t Trailer) ([]byte, error) {
	lines := bufio.NewReaderSize(io.LimitReader(log, MaxLog+1), MaxLine)
	var payload []byte
	size := 0
	for number := 1; ; number++ {
		line, err := lines.ReadSlice('\n')
		size += len(line)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("log line %d: expected at most %d bytes, found more", number, MaxLine)
		case size > MaxLog:
			return nil, fmt.Errorf("log: expected at most %d bytes, found more at line %d", MaxLog, number)
		case err != nil && !errors.Is(err, io.EOF):
			return nil, fmt.Errorf("reading log line %d: %w", number, err)
		case len(line) == 0 && number <= t.Frames:
			return nil, fmt.Errorf("log: expected %d frames, found %d: %d/%d and what follows is missing", t.Frames, number-1, number, t.Frames)
		case len(line) == 0:
			return payload, nil
		case number > t.Frames:
			return nil, fmt.Errorf("log line %d: expected the end after %d frames, found %d bytes more", number, t.Frames, len(line))
		}
		piece, err := parseFrame(bytes.TrimSuffix(line, []byte("\n")), number, t.Frames)
		if err != nil {
			return nil, fmt.Errorf("log line %d: %w", number, err)
		}
		if len(payload)+len(piece) > t.Size {
			return nil, fmt.Errorf("log line %d: expected %d bytes in all, found more", number, t.Size)
		}
		payload = append(payload, piece...)
	}
}

// parseFrame reads one line. It quotes nothing of a line that is not a frame:
// nobody knows what is in it.
func parseFrame(line []byte, seq, total int) ([]byte, error) {
	fields := strings.Split(string(line), " ")
	if len(fields) != 4 || fields[0] != magic {
		return nil, fmt.Errorf("expected frame %d/%d (%s ...), found %d bytes of something else", seq, total, magic, len(line))
	}
	gotSeq, gotTotal, ok := parsePosition(fields[1])
	switch {
	case !ok:
		return nil, fmt.Errorf("expected frame %d/%d, found a position of another form", seq, total)
	case gotTotal != total:
		return nil, fmt.Errorf("expected frame %d/%d, found %d/%d", seq, total, gotSeq, gotTotal)
	case gotSeq < seq:
		return nil, fmt.Errorf("expected frame %d/%d, found %d/%d: a duplicate", seq, total, gotSeq, gotTotal)
	case gotSeq > seq:
		return nil, fmt.Errorf("expected frame %d/%d, found %d/%d: %d missing", seq, total, gotSeq, gotTotal, gotSeq-seq)
	}
	sum, err := strconv.ParseUint(fields[2], 16, 32)
	if err != nil || len(fields[2]) != 8 {
		return nil, fmt.Errorf("frame %d/%d: expected a checksum of 8 hex digits", seq, total)
	}
	piece, err := base64.StdEncoding.Strict().DecodeString(fields[3])
	if err != nil {
		return nil, fmt.Errorf("frame %d/%d: expected base64: %w", seq, total, err)
	}
	if found := crc32.ChecksumIEEE(piece); found != uint32(sum) {
		return nil, fmt.Errorf("frame %d/%d: expected checksum %08x, found %08x", seq, total, sum, found)
	}
	return piece, nil
}

func parsePosition(text string) (seq, total int, ok bool) {
	left, right, found := strings.Cut(text, "/")
	seq, err1 := strconv.Atoi(left)
	total, err2 := strconv.Atoi(right)
	ok = found && err1 == nil && err2 == nil && seq > 0 && total > 0 && text == fmt.Sprintf("%d/%d", seq, total)
	return seq, total, ok
}

// decompress gives the one gzip member that payload holds, of exactly size bytes.
func decompress(payload []byte, size int) ([]byte, error) {
	in := bytes.NewReader(payload)
	zip, err := gzip.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("payload: expected gzip: %w", err)
	}
	zip.Multistream(false)
	var text bytes.Buffer
	n, err := io.Copy(&text, io.LimitReader(zip, int64(size)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("payload: decompressing: %w", err)
	case n > int64(size):
		return nil, fmt.Errorf("payload: expected %d bytes decompressed, found more", size)
	case n < int64(size):
		return nil, fmt.Errorf("payload: expected %d bytes decompressed, found %d", size, n)
	case in.Len() > 0:
		return nil, fmt.Errorf("payload: expected its end after the gzip stream, found %d bytes more", in.Len())
	}
	return text.Bytes(), nil
}

// checkShape bounds how many structs and values the text can become. It does
// not check the syntax; json.Unmarshal does.
func checkShape(text []byte) error {
	objects, values := 0, 0
	inString := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{':
			objects++
		case c == ',':
			values++
		}
	}
	if objects > maxObjects || values > maxValues {
		return fmt.Errorf("payload: expected at most %d objects and %d values, found %d and %d", maxObjects, maxValues, objects, values)
	}
	return nil
}
