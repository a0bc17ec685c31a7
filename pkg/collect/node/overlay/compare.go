package overlay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

const (
	// maxCompare is the size up to which a file is read as a whole; of larger
	// ones (a sparse file may claim 1 TB) the first and the last edge.
	maxCompare = 8 << 20
	edge       = 1 << 20
	chunk      = 64 << 10
)

// errChanging says that a file changed while it was read.
var errChanging = rootfs.NewError(fact.Changing, "it changed while it was read")

// likeness is the result of a comparison.
type likeness int

const (
	different likeness = iota
	alike              // every byte
	edgesAlike
)

// comparer holds the buffers for reading files.
type comparer struct {
	a, b []byte
}

func (r *comparer) buffers() ([]byte, []byte) {
	if r.a == nil {
		r.a, r.b = make([]byte, chunk), make([]byte, chunk)
	}
	return r.a, r.b
}

// unchanged reports whether two looks at one file saw the same content.
func unchanged(a, b *rootfs.Info) bool {
	return a.Ino == b.Ino && a.Size == b.Size && a.Mtime == b.Mtime && a.Ctime == b.Ctime
}

// readFull fills buf from an offset; io.ErrUnexpectedEOF if the file ends
// before.
func readFull(f *rootfs.File, buf []byte, off int64) error {
	_, err := f.ReadAt(buf, off)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// compare reads two regular files, with what was seen of them. It ends with ctx, and with errChanging if the first
// file is written meanwhile.
func (r *comparer) compare(ctx context.Context, a, b *rootfs.Handle, sa, sb *rootfs.Info) (likeness, error) {
	if sa.Size != sb.Size {
		return different, nil
	}
	if sa.Size == 0 {
		return alike, nil
	}
	size := sa.Size
	fa, err := a.Open()
	if err != nil {
		return different, err
	}
	defer func() { _ = fa.Close() }()
	fb, err := b.Open()
	if err != nil {
		return different, err
	}
	defer func() { _ = fb.Close() }()
	bufA, bufB := r.buffers()
	same := func(from, to int64) (bool, error) {
		for off := from; off < to; off += chunk {
			if err := ctx.Err(); err != nil {
				return false, err
			}
			n := min(chunk, to-off)
			if err := readFull(fa, bufA[:n], off); err != nil {
				return false, err
			}
			if err := readFull(fb, bufB[:n], off); err != nil {
				return false, err
			}
			if !bytes.Equal(bufA[:n], bufB[:n]) {
				return false, nil
			}
		}
		return true, nil
	}
	result := alike
	equal := false
	if size <= maxCompare {
		equal, err = same(0, size)
	} else {
		result = edgesAlike
		if equal, err = same(0, edge); equal && err == nil {
			equal, err = same(size-edge, size)
		}
	}
	after, e := fa.Stat()
	if e != nil {
		return different, e
	}
	switch {
	case !unchanged(sa, &after):
		return different, errChanging
	case err != nil:
		return different, err
	case !equal:
		return different, nil
	}
	return result, nil
}

// sum returns the SHA-256 of a regular file in hex, "" if it is larger than
// maxCompare.
func (r *comparer) sum(ctx context.Context, file *rootfs.Handle, st *rootfs.Info) (string, error) {
	if st.Size > maxCompare {
		return "", nil
	}
	f, err := file.Open()
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	buf, _ := r.buffers()
	h := sha256.New()
	for off := int64(0); off < st.Size; off += chunk {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		n := min(chunk, st.Size-off)
		if err := readFull(f, buf[:n], off); err != nil {
			return "", err
		}
		_, _ = h.Write(buf[:n])
	}
	after, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !unchanged(st, &after) {
		return "", errChanging
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
