package storefile

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// The largest windows of zstd that Unpack takes. It is the memory that unpacking needs.
const (
	// MaxWindow is what the program zstd itself takes without --long or --memory.
	MaxWindow = 128 << 20
	// SmallWindow is enough for all levels of zstd without --long and --ultra.
	SmallWindow = 8 << 20
)

var (
	// errCut is wrapped where compressed data ends too early, errDamaged where it
	// contradicts itself, errWindow where more memory would be needed.
	errCut     = rootfs.NewError(fact.Truncated, "the compressed data ends early")
	errDamaged = rootfs.NewError(fact.Corrupt, "the compressed data is damaged")
	errWindow  = rootfs.NewError(fact.Unsupported, "zstd with a window larger than the limit")
)

// Unpack returns a reader of what a compressed stream of this kind holds. Its errors are
// those of r, and this package's own words: none quotes the stream, and ReasonOf of
// package rootfs sorts them. close frees what it holds; it is never nil.
func Unpack(kind Kind, r io.Reader, window uint64) (unpacked io.Reader, close func(), err error) {
	source := &source{r: r}
	close = func() {}
	switch kind {
	case Gzip:
		var z *gzip.Reader
		if z, err = gzip.NewReader(source); err == nil {
			unpacked = z
		}
	case Zstd:
		var z *zstd.Decoder
		z, err = zstd.NewReader(source, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window))
		if err == nil {
			unpacked, close = z, z.Close
		}
	default:
		return nil, close, fmt.Errorf("%s is not compressed", kind)
	}
	if err != nil {
		return nil, close, source.word(err)
	}
	return &unpacker{unpacked, source}, close, nil
}

// source remembers the error of what is unpacked, so that it can be told from errors
// about its content.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(buf []byte) (int, error) {
	n, err := s.r.Read(buf)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// word puts a library's error into this package's words.
func (s *source) word(err error) error {
	switch {
	case s.err != nil:
		return s.err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errCut
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return errWindow
	}
	return errDamaged
}

type unpacker struct {
	r      io.Reader
	source *source
}

func (u *unpacker) Read(buf []byte) (int, error) {
	n, err := u.r.Read(buf)
	if err != nil && err != io.EOF {
		err = u.source.word(err)
	}
	return n, err
}

// withContext ends a stream with the context's error. A Read that waits is not ended.
type withContext struct {
	ctx context.Context
	r   io.Reader
}

func (c withContext) Read(buf []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(buf)
}
