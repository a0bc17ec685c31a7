//go:build unix

package storefile

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/storefile/storetest"
)

// What is not a file is not waited for.
func TestReadSpecialFiles(t *testing.T) {
	dir := t.TempDir()
	for name, make := range map[string]func(path string) error{
		"fifo":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"loop":   func(path string) error { return os.Symlink("loop", path) },
		"tty":    func(path string) error { return os.Symlink("/dev/zero", path) },
		"etcd/x": func(path string) error { return nil },
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := make(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "member/snap"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "member/snap/db"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"fifo":   "expected a file or a directory, found a pipe (--snapshot - reads standard input)",
		"loop":   "too many levels of symbolic links",
		"tty":    "expected a file or a directory, found a device",
		"member": "expected a file, found a pipe (--snapshot - reads standard input)",
		"etcd":   "found no such file",
	} {
		_, _, err := Read(t.Context(), filepath.Join(dir, name), Options{})
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: got %v, want ... %s", name, err, want)
		}
	}
}

// A file that is as large as a disk, and holds nothing.
func TestReadSparse(t *testing.T) {
	const size = 64 << 30
	good := storetest.Etcd(t, rows...)
	for name, tc := range map[string]struct {
		content []byte
		size    int64
		refused bool
	}{
		"nothing at all":          {nil, size, true},
		"pages behind a database": {good, size, false},
	} {
		path := write(t, filepath.Join(t.TempDir(), "db"), tc.content)
		if err := os.Truncate(path, tc.size); err != nil {
			t.Skip(err)
		}
		begun := time.Now()
		db, gaps, err := Read(t.Context(), path, Options{})
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("%s took %s", name, took)
		}
		if tc.refused != (err != nil) {
			t.Errorf("%s: %+v, %v, %v", name, db, gaps, err)
		}
		if err == nil && len(db.Secrets) != 3 {
			t.Errorf("%s: %+v, %v", name, db, gaps)
		}
	}
}
