package host

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"
)

const (
	// maxListBytes bounds what one list may unpack to; Debian sid's main has 60 MB.
	maxListBytes = 512 << 20
	// maxWindow bounds the memory of xz and zstd: xz -6 and zstd -19 need 8 MiB.
	maxWindow = 8 << 20
)

var (
	errTooMany     = errors.New("more than the limit")
	errUnsupported = errors.New("not supported")
)

// listSuffixes are the compressions that apt keeps lists in, in the order in
// which it prefers them. The last two are not unpacked here.
var listSuffixes = []string{"", ".lz4", ".zst", ".gz", ".xz", ".bz2", ".lzma"}

// decompress unpacks a list by the suffix of its name. close frees what the
// reader holds; it is never nil.
func decompress(r io.Reader, suffix string) (unpacked io.Reader, close func(), err error) {
	nothing := func() {}
	switch suffix {
	case "":
		return r, nothing, nil
	case ".lz4":
		return newLZ4Reader(r), nothing, nil
	case ".gz":
		unpacked, err = gzip.NewReader(r)
		return unpacked, nothing, err
	case ".xz":
		unpacked, err = xz.NewReader(r, maxWindow)
		return unpacked, nothing, err
	case ".zst":
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(maxListBytes))
		if err != nil {
			return nil, nothing, err
		}
		return d, d.Close, nil
	}
	return nil, nothing, fmt.Errorf("compression %q is %w", suffix, errUnsupported)
}

// limitedReader ends with an error after left bytes, or when ctx does.
type limitedReader struct {
	ctx  context.Context
	r    io.Reader
	left int64
	read int64 // so far
}

func (l *limitedReader) Read(buf []byte) (int, error) {
	if err := l.ctx.Err(); err != nil {
		return 0, err
	}
	if l.left == 0 {
		return 0, fmt.Errorf("%w of %d bytes", errTooMany, l.read)
	}
	if int64(len(buf)) > l.left {
		buf = buf[:l.left]
	}
	n, err := l.r.Read(buf)
	l.left -= int64(n)
	l.read += int64(n)
	return n, err
}

// packageList is what readPackageList needs to know of a list, and what it found.
type packageList struct {
	in   *index
	size int64 // bytes that it should have, -1 if unknown
}

// offerList adds the versions of installed packages that a list has.
// Its stanzas of other packages are skipped unread.
func offerList(r *limitedReader, list packageList, db *database, buf []byte) error {
	scanner := newStanzaScanner(r, buf)
	var st stanza
	wanted := func(name []byte) bool { return db.packages[string(name)] != nil }
	for {
		ok, err := scanner.next(&st, wanted)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if len(st.Package.value) == 0 || len(st.Version.value) == 0 || len(st.Architecture.value) == 0 {
			return fmt.Errorf("expected Package, Version and Architecture in the stanza at byte %d, found %q, %q and %q",
				st.Offset, excerpt(st.Package.value), excerpt(st.Version.value), excerpt(st.Architecture.value))
		}
		phased := 100
		if st.Phased.set {
			if phased, err = percentage(st.Phased.value); err != nil {
				return fmt.Errorf("stanza at byte %d: %w", st.Offset, err)
			}
		}
		for _, p := range db.packages[string(st.Package.value)] {
			arch := st.Architecture.value
			if string(arch) == p.arch || bytes.Equal(arch, []byte("all")) && p.arch == db.nativeArch {
				p.offer(list.in, st.Version.value, arch, phased)
			}
		}
	}
	if list.size >= 0 && r.read < list.size {
		return fmt.Errorf("%w: it has %d bytes, its Release file says %d", errCut, r.read, list.size)
	}
	if list.size >= 0 && r.read > list.size {
		return fmt.Errorf("it has %d bytes, its Release file says %d", r.read, list.size)
	}
	return nil
}

func percentage(text []byte) (int, error) {
	n := 0
	for _, c := range text {
		if c < '0' || c > '9' || n > 100 {
			n = 101
			break
		}
		n = n*10 + int(c-'0')
	}
	if len(text) == 0 || n > 100 {
		return 0, fmt.Errorf("expected a Phased-Update-Percentage of 0 to 100, found %q", excerpt(text))
	}
	return n, nil
}
