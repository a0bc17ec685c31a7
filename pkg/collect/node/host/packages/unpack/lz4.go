package unpack

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/pierrec/lz4/v4"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// lz4Reader unpacks the LZ4 frame format, version 1.6.1. The library decodes
// blocks. The frame is read here, because the library's reader allocates a new
// window for every block that depends on the one before, as apt's blocks do:
// 100 MB for the lists of Debian's main. Checksums are skipped: a list is
// compared with the size in its Release file.
type lz4Reader struct {
	src       *bufio.Reader
	r         io.Reader
	started   bool
	dependent bool // blocks refer to the 64 KiB before them
	blockSum  bool // 4 bytes behind each block
	frameSum  bool // 4 bytes behind the last block
	blockMax  int

	buf     []byte
	at, end int // what is unpacked and not yet returned
	err     error
}

const (
	lz4Magic  = 0x184d2204
	lz4Window = 64 << 10
)

func newLZ4Reader(r io.Reader) *lz4Reader { return &lz4Reader{r: r} }

func (z *lz4Reader) Read(p []byte) (int, error) {
	for z.at == z.end {
		if z.err != nil {
			return 0, z.err
		}
		if z.err = z.next(); z.err != nil && !errors.Is(z.err, io.EOF) {
			z.err = fmt.Errorf("lz4: %w", z.err)
		}
	}
	n := copy(p, z.buf[z.at:z.end])
	z.at += n
	return n, nil
}

// next unpacks the next block after the last one.
func (z *lz4Reader) next() error {
	if !z.started {
		if err := z.header(); err != nil {
			return err
		}
	}
	head, err := z.peek(4)
	if err != nil {
		return err
	}
	word := binary.LittleEndian.Uint32(head)
	z.discard(4)
	if word == 0 { // the end mark
		if z.frameSum {
			if _, err := z.peek(4); err != nil {
				return err
			}
			z.discard(4)
		}
		// Another frame may follow; its own header has its block size.
		if _, err := z.src.Peek(1); err != nil {
			return err
		}
		z.started = false
		return nil
	}
	size := int(word &^ (1 << 31))
	if size > z.blockMax {
		return fmt.Errorf("block of %d bytes in a frame of blocks of at most %d", size, z.blockMax)
	}
	block, err := z.peek(size)
	if err != nil {
		return err
	}
	if len(z.buf)-z.end < z.blockMax {
		// Keep the window only.
		keep := min(z.end, lz4Window)
		copy(z.buf, z.buf[z.end-keep:z.end])
		z.end = keep
	}
	z.at = z.end
	out := z.buf[z.end : z.end+z.blockMax]
	var n int
	switch {
	case word>>31 == 1: // stored
		n = copy(out, block)
	case z.dependent:
		n, err = lz4.UncompressBlockWithDict(block, out, z.buf[max(0, z.end-lz4Window):z.end])
	default:
		n, err = lz4.UncompressBlock(block, out)
	}
	if err != nil {
		return err
	}
	z.discard(size)
	z.end += n
	if z.blockSum {
		if _, err := z.peek(4); err != nil {
			return err
		}
		z.discard(4)
	}
	return nil
}

// header reads the frame descriptor and makes the buffers.
func (z *lz4Reader) header() error {
	if z.src == nil {
		z.src = bufio.NewReaderSize(z.r, 64<<10)
	}
	head, err := z.peek(7) // magic, FLG, BD, and the checksum where nothing is between
	if err != nil {
		return err
	}
	if magic := binary.LittleEndian.Uint32(head); magic != lz4Magic {
		return fmt.Errorf("expected the magic number %#x, found %#x", uint32(lz4Magic), magic)
	}
	flags, sizes := head[4], head[5]
	if flags>>6 != 1 || flags&(1<<1) != 0 || flags&1 != 0 {
		return fmt.Errorf("frame with flags %#02x is %w: another version, or a dictionary", flags, errUnsupported)
	}
	exponent := sizes >> 4 & 7
	if exponent < 4 {
		return fmt.Errorf("expected a size of blocks of 4 to 7, found %d", exponent)
	}
	z.dependent, z.blockSum, z.frameSum = flags&(1<<5) == 0, flags&(1<<4) != 0, flags&(1<<2) != 0
	length := 7
	if flags&(1<<3) != 0 {
		length += 8 // the size of the content
	}
	if _, err := z.peek(length); err != nil {
		return err
	}
	z.discard(length)

	z.blockMax = 1 << (8 + 2*exponent) // 64 KiB to 4 MiB
	if need := z.blockMax + 16; z.src.Size() < need {
		// A larger reader takes over what the smaller one holds.
		z.src = bufio.NewReaderSize(z.src, need)
	}
	// Of small blocks several fit, so that the window is moved less often.
	if need := lz4Window + max(z.blockMax, 512<<10); len(z.buf) < need {
		z.buf = make([]byte, need)
	}
	z.at, z.end = 0, 0 // no window reaches into the frame before
	z.started = true
	return nil
}

// peek returns n bytes that must be there.
func (z *lz4Reader) peek(n int) ([]byte, error) {
	data, err := z.src.Peek(n)
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: %d bytes where %d were expected", rootfs.ErrCut, len(data), n)
	}
	return data, err
}

// discard drops bytes that were peeked at, which cannot fail.
func (z *lz4Reader) discard(n int) { _, _ = z.src.Discard(n) }
