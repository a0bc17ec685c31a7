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
// path. It fails unless the file has the size and the checksum that repomd.xml
// says: then what was parsed must not be used.
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
	sum, err := newSum(f.SumType)
	if err != nil {
		return info, fmt.Errorf("%s: %w", path, err)
	}
	packed := bufio.NewReaderSize(io.TeeReader(unpack.Limit(ctx, file), sum), 32<<10)
	unpacked, done, err := unpack.ByMagic(packed)
	if err != nil {
		return info, fmt.Errorf("%s: %w", path, err)
	}
	defer done()
	err = parse(unpack.Limit(ctx, unpacked))
	if err == nil {
		_, err = io.Copy(io.Discard, packed) // what follows the packed data
	}
	if err != nil {
		return info, fmt.Errorf("%s: %w", path, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); !strings.EqualFold(got, f.Sum) {
		return info, fmt.Errorf("%s: expected the %s sum of repomd.xml, found another", path, f.SumType)
	}
	return info, nil
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
