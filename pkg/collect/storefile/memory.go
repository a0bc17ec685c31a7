package storefile

import (
	"fmt"
	"io"
)

// MaxMemory bounds what is piped or unpacked, bytes. On a machine with little memory
// the limit is half of what is free.
const MaxMemory = 2 << 30

const (
	// pieceSize is how the memory grows, so that little is reserved for a small file.
	pieceSize = 1 << 20
	// minMemory is the limit where hardly any memory is free: a small store fits.
	minMemory = 64 << 20
)

// memoryLimit is the limit on this machine now.
func memoryLimit() int64 {
	free := freeMemory()
	if free <= 0 {
		return MaxMemory
	}
	return max(minMemory, min(MaxMemory, free/2))
}

// tooMuchError says that a stream is longer than the limit.
type tooMuchError struct{ limit int64 }

func (e tooMuchError) Error() string {
	return fmt.Sprintf("expected at most %s, because what is piped or unpacked stays in memory, found more: unpack it to a disk where secrets may lie, and give that file", bytesText(e.limit))
}

// bytesText writes a size as in "1.5 GiB".
func bytesText(n int64) string {
	if n >= 1<<30 {
		if n%(1<<30) == 0 {
			return fmt.Sprintf("%d GiB", n>>30)
		}
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// memory is a file that lies in memory, in pieces of pieceSize.
type memory struct {
	pieces [][]byte
	size   int64
}

// load reads a stream to its end. With an error it returns what came before.
func load(r io.Reader, limit int64) (*memory, error) {
	m := &memory{}
	for {
		room := m.size % pieceSize
		if room == 0 {
			m.pieces = append(m.pieces, make([]byte, pieceSize))
		}
		piece := m.pieces[len(m.pieces)-1]
		n, err := io.ReadFull(r, piece[room:])
		m.size += int64(n)
		switch {
		case m.size > limit:
			return nil, tooMuchError{limit}
		case err == io.EOF || err == io.ErrUnexpectedEOF: //nolint:errorlint // of ReadFull itself: a stream that is cut has an error of Unpack
			return m, nil
		case err != nil:
			return m, err
		}
	}
}

// ReadAt reads as io.ReaderAt demands.
func (m *memory) ReadAt(buf []byte, off int64) (int, error) {
	if off < 0 || off >= m.size {
		return 0, io.EOF
	}
	n := 0
	for n < len(buf) && off < m.size {
		piece := m.pieces[off/pieceSize]
		piece = piece[:min(pieceSize, m.size-off/pieceSize*pieceSize)]
		c := copy(buf[n:], piece[off%pieceSize:])
		n += c
		off += int64(c)
	}
	if n < len(buf) {
		return n, io.EOF
	}
	return n, nil
}

// Size is its size in bytes.
func (m *memory) Size() (int64, error) { return m.size, nil }
