package wire

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// Decode reads the measurement that t announces from the probe's log, or from t
// itself, in which case log may be nil. It returns the whole measurement, or an
// error that says what was expected and where, and that quotes nothing of the
// log. It reads at most MaxLog bytes and holds at most MaxJSON of records. The
// measurement takes at most MaxMemory.
func Decode(log io.Reader, t Trailer) (*fact.Measurement, error) {
	return (*Budget)(nil).Decode(log, t)
}

// receive returns the compressed payload that t announces.
func receive(log io.Reader, t Trailer) ([]byte, error) {
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
		return nil, fmt.Errorf("payload: expected sha256 %s, found %s", escape.Bounded(t.SHA256, 64), found)
	}
	return payload, nil
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
		if number == 1 {
			payload = make([]byte, 0, min(t.Size, t.Frames*MaxLine))
		}
		before := len(payload)
		payload, err = appendPiece(payload, bytes.TrimSuffix(line, []byte("\n")), number, t.Frames)
		switch {
		case err != nil:
			return nil, fmt.Errorf("log line %d: %w", number, err)
		case len(payload) > t.Size:
			return nil, fmt.Errorf("log line %d: expected %d bytes in all, found %d more", number, t.Size, len(payload)-t.Size)
		case len(payload) == before:
			return nil, fmt.Errorf("log line %d: expected a piece of the payload, found none", number)
		}
	}
}

// appendPiece reads one line. It quotes nothing of a line that is not a frame,
// because its content is unknown.
func appendPiece(payload, line []byte, seq, total int) ([]byte, error) {
	fields := bytes.SplitN(line, []byte(" "), 5)
	if len(fields) != 4 || string(fields[0]) != magic {
		return nil, fmt.Errorf("expected frame %d/%d (%s ...), found %d bytes of something else", seq, total, magic, len(line))
	}
	gotSeq, gotTotal, ok := parsePosition(string(fields[1]))
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
	sum := fields[2]
	if len(sum) != 8 || len(bytes.Trim(sum, "0123456789abcdef")) > 0 {
		return nil, fmt.Errorf("frame %d/%d: expected a checksum of 8 hex digits", seq, total)
	}
	// The decoder skips the ends of lines, a frame has one only.
	if bytes.ContainsRune(fields[3], '\r') {
		return nil, fmt.Errorf("frame %d/%d: expected base64, found a carriage return", seq, total)
	}
	begin := len(payload)
	payload, err := base64.StdEncoding.Strict().AppendDecode(payload, fields[3])
	if err != nil {
		return nil, fmt.Errorf("frame %d/%d: expected base64: %w", seq, total, err)
	}
	if found := fmt.Sprintf("%08x", crc32.ChecksumIEEE(payload[begin:])); found != string(sum) {
		return nil, fmt.Errorf("frame %d/%d: expected checksum %s, found %s", seq, total, sum, found)
	}
	return payload, nil
}

func parsePosition(text string) (seq, total int, ok bool) {
	left, right, found := strings.Cut(text, "/")
	seq, err1 := strconv.Atoi(left)
	total, err2 := strconv.Atoi(right)
	ok = found && err1 == nil && err2 == nil && seq > 0 && total > 0 && text == fmt.Sprintf("%d/%d", seq, total)
	return seq, total, ok
}

// maxRatio is more than deflate can compress: 258 bytes in 2 bits.
const maxRatio = 1040

// decompress gives the one gzip member that payload holds, of exactly size bytes.
func decompress(payload []byte, size int) ([]byte, error) {
	in := bytes.NewReader(payload)
	zip, err := gzip.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("payload: expected gzip: %w", err)
	}
	zip.Multistream(false)
	// One byte more than announced shows that there is more. Nothing is
	// allocated for what a trailer announces but the payload cannot hold.
	text := make([]byte, min(size, maxRatio*len(payload))+1)
	n := 0
	for err == nil && n < len(text) {
		var more int
		more, err = zip.Read(text[n:])
		n += more
	}
	switch {
	case err != nil && err != io.EOF: //nolint:errorlint // as io.Reader promises
		return nil, fmt.Errorf("payload: decompressing: %w", err)
	case n > size:
		return nil, fmt.Errorf("payload: expected %d bytes decompressed, found more", size)
	case n < size:
		return nil, fmt.Errorf("payload: expected %d bytes decompressed, found %d", size, n)
	case in.Len() > 0:
		return nil, fmt.Errorf("payload: expected its end after the gzip stream, found %d bytes more", in.Len())
	}
	return text[:n], nil
}
