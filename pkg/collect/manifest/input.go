package manifest

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

// inputSize is the size of the buffer of a source, bytes.
const inputSize = 256 << 10

// input reads a source piece by piece. It counts lines, and can take back what it gave.
type input struct {
	r        io.Reader
	buf      []byte
	pos, end int
	err      error // why there is no more; io.EOF at the end
	line     int   // lines that are behind pos
	column   int   // characters of the line that are behind pos
}

// more reads until there are at least n bytes, and reports whether there are.
func (in *input) more(n int) bool {
	for in.end-in.pos < n {
		if in.err != nil {
			return false
		}
		if in.pos > 0 && len(in.buf)-in.end < inputSize/2 {
			in.end = copy(in.buf, in.buf[in.pos:in.end])
			in.pos = 0
		}
		if in.end == len(in.buf) {
			in.buf = append(in.buf, make([]byte, max(inputSize, len(in.buf)))...)
		}
		read, err := in.r.Read(in.buf[in.end:])
		in.end += read
		in.err = err
	}
	return true
}

// peek returns the next byte; false at the end.
func (in *input) peek() (byte, bool) {
	if in.pos == in.end && !in.more(1) {
		return 0, false
	}
	return in.buf[in.pos], true
}

// rest is what was read and not taken.
func (in *input) rest() []byte { return in.buf[in.pos:in.end] }

// unread gives bytes back. They hold some lines.
func (in *input) unread(taken []byte, lines int) {
	in.buf = slices.Concat(taken, in.rest())
	in.pos, in.end = 0, len(in.buf)
	in.line -= lines
}

// failure is why reading ended before the end, nil if it did not.
func (in *input) failure() error {
	if in.err == nil || errors.Is(in.err, io.EOF) {
		return nil
	}
	return in.err
}

// newInput drops a byte order mark, and turns UTF-16 into UTF-8, as kubectl
// does for files that were made on Windows.
func newInput(r io.Reader) *input {
	in := &input{r: r, buf: make([]byte, inputSize)}
	in.more(3)
	switch head := in.rest(); {
	case len(head) >= 2 && (head[0] == 0xFE && head[1] == 0xFF || head[0] == 0xFF && head[1] == 0xFE):
		wide := &wideReader{big: head[0] == 0xFE}
		in.pos += 2
		wide.in = &input{r: in.r, buf: in.buf, pos: in.pos, end: in.end, err: in.err}
		in = &input{r: wide, buf: make([]byte, inputSize)}
	case len(head) >= 3 && string(head[:3]) == "\xEF\xBB\xBF":
		in.pos += 3
	}
	return in
}

// isBinary reports whether the source begins with bytes that no text has.
func isBinary(in *input) bool {
	in.more(512)
	head := in.rest()
	return bytes.IndexByte(head[:min(len(head), 512)], 0) >= 0
}

// wideReader turns UTF-16 into UTF-8.
type wideReader struct {
	in     *input
	big    bool
	before rune // the first half of a pair
}

func (w *wideReader) Read(out []byte) (int, error) {
	n := 0
	for len(out)-n >= 2*utf8.UTFMax {
		if !w.in.more(2) {
			if n == 0 {
				return 0, w.in.err
			}
			break
		}
		b := w.in.rest()
		r := rune(b[0]) | rune(b[1])<<8
		if w.big {
			r = rune(b[0])<<8 | rune(b[1])
		}
		w.in.pos += 2
		pair := utf16.DecodeRune(w.before, r)
		if pair != utf8.RuneError {
			n += utf8.EncodeRune(out[n:], pair)
			w.before = 0
			continue
		}
		if w.before != 0 {
			n += utf8.EncodeRune(out[n:], utf8.RuneError)
		}
		w.before = 0
		if utf16.IsSurrogate(r) {
			w.before = r
			continue
		}
		n += utf8.EncodeRune(out[n:], r)
	}
	return n, nil
}
