package etcd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"unicode/utf8"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// ReadSnapshot reads a file that a user names, or the one in a directory:
//   - what etcdctl snapshot save wrote: a bbolt file followed by its SHA-256;
//   - a bare bbolt file, such as member/snap/db;
//   - etcd's data directory, member directory or snap directory.
//
// The file is opened for reading only, and a file that changes meanwhile (the
// data directory of a running member) is read as Read reads a live one.
// Opts.Path, Snapshot and Live are set here; names of encryption keys and a
// prefix can be given. Errors are those of Read, and errors for files of
// another kind. These are named by their kind and never quoted.
func ReadSnapshot(ctx context.Context, path string, opts Options) (*fact.EtcdDB, []fact.Gap, error) {
	path, err := databaseIn(path)
	if err != nil {
		return nil, nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", path, cause(err))
	}
	defer f.Close()
	return readSnapshot(ctx, f, path, opts)
}

func readSnapshot(ctx context.Context, f *os.File, path string, opts Options) (*fact.EtcdDB, []fact.Gap, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", path, cause(err))
	}
	lead := make([]byte, 512)
	n, err := f.ReadAt(lead, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("reading %s: %w", path, cause(err))
	}
	lead = lead[:n]
	if kind := otherKind(lead); kind != "" {
		return nil, nil, fmt.Errorf("reading %s: expected an etcd snapshot, database or data directory, found %s", path, kind)
	}
	opts.Path, opts.Snapshot, opts.Live, opts.damage = path, true, false, nil

	size := info.Size()
	src := Source(openFile{f})
	switch size % 512 {
	case 0: // whole pages: a bare file
	case sha256.Size:
		sum, err := hashFile(ctx, io.NewSectionReader(f, 0, size-sha256.Size))
		var stored [sha256.Size]byte
		if err == nil {
			_, err = f.ReadAt(stored[:], size-sha256.Size)
		}
		switch {
		case ctx.Err() != nil:
			opts.damage = &fact.Gap{Reason: fact.Interrupted, Detail: "its SHA-256 was not checked"}
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				opts.damage.Reason = fact.Timeout
			}
		case err != nil && !errors.Is(err, io.EOF):
			return nil, nil, fmt.Errorf("reading %s: %w", path, cause(err))
		case !bytes.Equal(sum, stored[:]):
			opts.damage = &fact.Gap{Reason: fact.Corrupt, Detail: "the SHA-256 at its end does not match: the snapshot was changed or cut short"}
		}
		src = snapshotPart{io.NewSectionReader(f, 0, size-sha256.Size)}
	default:
		opts.damage = &fact.Gap{Reason: fact.Truncated, Detail: fmt.Sprintf("expected whole pages, or a snapshot with 32 bytes of SHA-256 after them, found %d bytes: cut short", size)}
	}
	db, gaps, err := Read(ctx, src, opts)
	if db != nil {
		db.Size = size
	}
	return db, gaps, err
}

// openFile is a file that can grow.
type openFile struct{ *os.File }

func (f openFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, cause(err)
	}
	return info.Size(), nil
}

// snapshotPart is a snapshot without its checksum.
type snapshotPart struct{ *io.SectionReader }

func (s snapshotPart) Size() (int64, error) { return s.SectionReader.Size(), nil }

// cause removes the path from an error, because the caller names it.
func cause(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// hashFile is the SHA-256 of a reader. It reads in pieces and checks ctx
// between them.
func hashFile(ctx context.Context, r io.Reader) ([]byte, error) {
	h := sha256.New()
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if _, err := io.CopyN(h, r, 1<<20); errors.Is(err, io.EOF) {
			return h.Sum(nil), nil
		} else if err != nil {
			return nil, err
		}
	}
}

// databaseIn finds the file in a directory of etcd.
func databaseIn(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", path, cause(err))
	}
	if info.Mode().IsRegular() {
		return path, nil
	}
	if !info.IsDir() {
		return "", fmt.Errorf("reading %s: expected a file or a directory, found %s", path, info.Mode().Type())
	}
	for _, below := range []string{"member/snap/db", "snap/db", "db"} {
		file := filepath.Join(path, filepath.FromSlash(below))
		info, err := os.Stat(file)
		switch {
		case err == nil && info.Mode().IsRegular():
			return file, nil
		case err == nil && below != "db": // k3s has a directory of this name
			return "", fmt.Errorf("reading %s: expected a file, found %s", file, info.Mode().Type())
		case err != nil && !errors.Is(err, os.ErrNotExist):
			return "", fmt.Errorf("reading %s: %w", file, cause(err))
		}
	}
	for _, below := range []string{"state.db", "db/state.db", "server/db/state.db"} {
		if _, err := os.Stat(filepath.Join(path, filepath.FromSlash(below))); err == nil {
			return "", fmt.Errorf("reading %s: found %s, an SQLite database of k3s (kine), which is not supported yet", path, below)
		}
	}
	return "", fmt.Errorf("reading %s: expected etcd's data directory with member/snap/db, found no such file", path)
}

// otherKind names the kind of a file that is not a bbolt file, by its first
// bytes; "" if it may be one.
func otherKind(lead []byte) string {
	if len(lead) == 0 {
		return "an empty file"
	}
	for _, k := range []struct {
		at          int
		magic, name string
	}{
		{0, "SQLite format 3\x00", "an SQLite database (k3s, kine), which is not supported yet"},
		{0, "\x1f\x8b", "a gzip file, which is not supported yet: unpack it first"},
		{0, "PK\x03\x04", "a zip file, which is not supported yet: unpack it first"},
		{0, "\x28\xb5\x2f\xfd", "a zstd file, which is not supported yet: unpack it first"},
		{0, "\xfd7zXZ\x00", "an xz file, which is not supported yet: unpack it first"},
		{0, "BZh", "a bzip2 file, which is not supported yet: unpack it first"},
		{257, "ustar", "a tar archive, which is not supported yet: unpack it first"},
		{0, "age-encryption.org/", "a file encrypted with age"},
		{0, "-----BEGIN ", "a PEM or PGP file"},
	} {
		if len(lead) >= k.at+len(k.magic) && string(lead[k.at:k.at+len(k.magic)]) == k.magic {
			return k.name
		}
	}
	if _, err := parseMeta(lead); err == nil {
		return ""
	}
	text := true
	zero := true
	for rest := lead; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		if r == utf8.RuneError && n == 1 && len(rest) >= utf8.UTFMax || r < 0x20 && r != '\n' && r != '\r' && r != '\t' {
			text = false
		}
		zero = zero && r == 0
		rest = rest[n:]
	}
	switch {
	case text:
		return "a text file"
	case zero && len(lead) < 512:
		return "a file of zero bytes"
	}
	return "" // page 0 may be damaged while page 1 is good
}
