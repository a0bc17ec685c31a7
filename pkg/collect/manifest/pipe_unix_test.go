//go:build unix

package manifest

import (
	"path/filepath"
	"syscall"
	"testing"
)

// namedPipe is one that nobody writes to.
func namedPipe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
