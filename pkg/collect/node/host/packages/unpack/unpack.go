// Package unpack reads the compressions in which package managers keep their
// lists, within bounds of memory and size.
package unpack

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

const (
	// MaxBytes bounds what one file may unpack to; Debian sid's main has 60 MB.
	MaxBytes = 512 << 20
	// maxWindow bounds the memory of xz and zstd: xz -6 and zstd -19 need 8 MiB.
	maxWindow = 8 << 20
)

var (
	// ErrTooMany is wrapped where a parser's limit is exceeded.
	ErrTooMany     = rootfs.NewError(fact.Truncated, "more than the limit")
	errUnsupported = rootfs.NewError(fact.Unsupported, "not supported")
)

// Reader unpacks a file by the suffix of its name: "", .lz4, .gz, .bz2, .xz or .zst.
// close frees what it holds; it is never nil.
func Reader(r io.Reader, suffix string) (unpacked io.Reader, close func(), err error) {
	nothing := func() {}
	switch suffix {
	case "":
		return r, nothing, nil
	case ".lz4":
		return newLZ4Reader(r), nothing, nil
	case ".gz":
		unpacked, err = gzip.NewReader(r)
		return unpacked, nothing, err
	case ".bz2":
		return bzip2.NewReader(r), nothing, nil
	case ".xz":
		unpacked, err = xz.NewReader(r, maxWindow)
		return unpacked, nothing, err
	case ".zst":
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(MaxBytes))
		if err != nil {
			return nil, nothing, err
		}
		return d, d.Close, nil
	}
	return nil, nothing, fmt.Errorf("compression %q is %w", suffix, errUnsupported)
}

// magics are the first bytes of the compressions, and the suffixes that Reader knows
// them by. zchunk (Fedora's) is known, and not unpacked.
var magics = []struct{ magic, suffix string }{
	{"\x1f\x8b", ".gz"},
	{"\xfd7zXZ\x00", ".xz"},
	{"\x28\xb5\x2f\xfd", ".zst"},
	{"\x04\x22\x4d\x18", ".lz4"},
	{"BZh", ".bz2"},
	{"\x00ZCK1", ".zck"},
}

// ByMagic unpacks a file by its first bytes. What begins with none that is known is
// plain. close frees what it holds; it is never nil.
func ByMagic(r *bufio.Reader) (unpacked io.Reader, close func(), err error) {
	head, err := r.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, func() {}, err
	}
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return Reader(r, m.suffix)
		}
	}
	return r, func() {}, nil
}

// Limited ends with an error after MaxBytes, or when its context does.
type Limited struct {
	ctx  context.Context
	r    io.Reader
	left int64
	read int64
}

// Limit bounds a reader.
func Limit(ctx context.Context, r io.Reader) *Limited {
	return &Limited{ctx: ctx, r: r, left: MaxBytes}
}

// Count is how many bytes were read so far.
func (l *Limited) Count() int64 { return l.read }

func (l *Limited) Read(buf []byte) (int, error) {
	if err := l.ctx.Err(); err != nil {
		return 0, err
	}
	if l.left == 0 {
		return 0, fmt.Errorf("%w of %d bytes", ErrTooMany, l.read)
	}
	if int64(len(buf)) > l.left {
		buf = buf[:l.left]
	}
	n, err := l.r.Read(buf)
	l.left -= int64(n)
	l.read += int64(n)
	return n, err
}
