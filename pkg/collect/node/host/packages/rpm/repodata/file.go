package repodata

import (
	"bufio"
	"context"
	"crypto/sha1" //nolint:gosec // old repositories name no other sum
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/unpack"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// maxIndex bounds repomd.xml, bytes; it has 3 to 20 kB.
const maxIndex = 1 << 20

// Open reads DIR/repomd.xml.
func Open(ctx context.Context, root *rootfs.Root, dir string) (*Index, rootfs.Info, error) {
	path := dir + "/repomd.xml"
	file, err := root.Open(path)
	if err != nil {
		return nil, rootfs.Info{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, info, err
	}
	if info.Size > maxIndex {
		return nil, info, fmt.Errorf("%s: %w of %d bytes", path, rootfs.ErrTooLarge, maxIndex)
	}
	x, err := ReadIndex(unpack.Limit(ctx, io.LimitReader(file, maxIndex)))
	if err != nil {
		return nil, info, fmt.Errorf("%s: %w", path, err)
	}
	return x, info, nil
}

// Read gives parse the unpacked content of a file of the repository that lies at
// path. The file must have the size and the checksum that repomd.xml says; they are
// checked first, so that parse sees nothing of another file.
func (f *File) Read(ctx context.Context, root *rootfs.Root, path string, parse func(io.Reader) error) (rootfs.Info, error) {
	file, err := root.Open(path)
	if err != nil {
		return rootfs.Info{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return info, err
	}
	if f.Size >= 0 && info.Size != f.Size {
		return info, fmt.Errorf("%s: it has %d bytes, repomd.xml says %d", path, info.Size, f.Size)
	}
	if err := f.check(unpack.Limit(ctx, io.NewSectionReader(file, 0, info.Size))); err != nil {
		return info, fmt.Errorf("%s: %w", path, err)
	}
	unpacked, done, err := unpack.ByMagic(bufio.NewReaderSize(io.NewSectionReader(file, 0, info.Size), 32<<10))
	if err != nil {
		return info, fmt.Errorf("%s: %w", path, err)
	}
	defer done()
	if err := parse(unpack.Limit(ctx, unpacked)); err != nil {
		return info, fmt.Errorf("%s: %w", path, err)
	}
	if now, err := file.Stat(); err != nil || now.Size != info.Size || !now.Mtime.Equal(info.Mtime) {
		return info, rootfs.NewError(fact.Changing, path+": it was written while it was read")
	}
	return info, nil
}

// check compares the checksum.
func (f *File) check(packed io.Reader) error {
	sum, err := newSum(f.SumType)
	if err != nil {
		return err
	}
	if _, err := io.Copy(sum, packed); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); !strings.EqualFold(got, f.Sum) {
		return fmt.Errorf("expected the %s sum of repomd.xml, found another", f.SumType)
	}
	return nil
}

// newSum makes the hash of a checksum's type.
func newSum(kind string) (hash.Hash, error) {
	switch kind {
	case "sha256":
		return sha256.New(), nil
	case "sha512":
		return sha512.New(), nil
	case "sha", "sha1":
		return sha1.New(), nil //nolint:gosec // it finds damage, not malice
	case "":
		return nil, errors.New("repomd.xml names no checksum of it")
	}
	return nil, fmt.Errorf("checksum %q is %w", rootfs.Excerpt(kind), errUnsupported)
}
