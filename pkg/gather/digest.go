package gather

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// digestText is how a report names a digest.
func digestText(sum []byte) string { return "sha256:" + hex.EncodeToString(sum) }

// Digest is the digest of a file's bytes, "sha256:" and 64 hex digits. Of a directory it is
// that of one line for each file below it, in the order of the names (bytes): the file's own digest, two
// blanks and its name, as sha256sum prints it. Links to files are followed, to directories not.
func Digest(ctx context.Context, path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", Cause(err)
	}
	if !info.IsDir() {
		sum, err := fileDigest(ctx, path)
		if err != nil {
			return "", err
		}
		return digestText(sum), nil
	}
	if path, err = filepath.EvalSymlinks(path); err != nil { // WalkDir does not follow a link
		return "", Cause(err)
	}
	var names []string
	err = filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		regular := entry.Type().IsRegular()
		if entry.Type()&fs.ModeSymlink != 0 {
			// The reader of the database follows it, too. One that leads nowhere has nothing to read.
			target, err := os.Stat(name)
			regular = err == nil && target.Mode().IsRegular()
		}
		if !regular {
			return nil
		}
		relative, err := filepath.Rel(path, name)
		if err != nil {
			return err
		}
		names = append(names, filepath.ToSlash(relative))
		return nil
	})
	if err != nil {
		return "", Cause(err)
	}
	slices.Sort(names)
	all := sha256.New()
	for _, name := range names {
		sum, err := fileDigest(ctx, filepath.Join(path, filepath.FromSlash(name)))
		if err != nil {
			return "", err
		}
		// A name with a line feed cannot make two files look like others.
		fmt.Fprintf(all, "%x  %s\n", sum, strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(name))
	}
	return digestText(all.Sum(nil)), nil
}

func fileDigest(ctx context.Context, path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, Cause(err)
	}
	defer file.Close() //nolint:errcheck // only read
	sum := sha256.New()
	buffer := make([]byte, 1<<20)
	for {
		n, err := file.Read(buffer)
		_, _ = sum.Write(buffer[:n]) // never fails
		switch {
		case err == io.EOF:
			return sum.Sum(nil), nil
		case err != nil:
			return nil, Cause(err)
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
	}
}

// Digester writes through, and knows the digest of what it has written.
type Digester struct {
	out io.Writer
	sum hash.Hash
}

// NewDigester returns a Digester that writes to out.
func NewDigester(out io.Writer) *Digester { return &Digester{out, sha256.New()} }

// Write writes to the writer below.
func (d *Digester) Write(data []byte) (int, error) {
	n, err := d.out.Write(data)
	_, _ = d.sum.Write(data[:n]) // never fails
	return n, err
}

// Digest is that of what was written, as Digest gives it.
func (d *Digester) Digest() string { return digestText(d.sum.Sum(nil)) }
