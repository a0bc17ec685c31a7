package storage

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// must stops the test at the first error.
func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The files next to a database are found by its path, which must be its own.
func TestLeadsTo(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "a"), nil, 0o600), os.WriteFile(filepath.Join(dir, "b"), nil, 0o600))
	root, err := rootfs.Open(dir)
	must(t, err)
	defer func() { _ = root.Close() }()
	info, err := root.Lstat("a")
	must(t, err)
	must(t, leadsTo(root, "/a", info))
	if err := leadsTo(root, "/b", info); !errors.Is(err, errMoved) {
		t.Errorf("another file: error %v, want errMoved", err)
	}
	if err := leadsTo(root, "/c", info); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: error %v", err)
	}
}
