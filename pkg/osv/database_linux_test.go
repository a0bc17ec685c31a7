package osv

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A pipe that nobody writes to is not opened: it costs itself, and no time.
func TestNamedPipes(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "A-1.json"), []byte(record("A-1", "Debian:12", "openssl", fixedIn2)))
	for _, name := range []string{"B-1.json", "C.zip", "D.txt"} {
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Skipf("no named pipes here: %v", err)
		}
	}
	data, err := Read(t.Context(), dir, NewQuery(), now)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"B-1.json: expected a file, found a named pipe", "C.zip: expected a file, found a named pipe"}
	if diff := cmp.Diff(want, data.Faults); diff != "" || data.Records != 1 || data.Unreadable != 2 {
		t.Errorf("%+v, faults (-want +got):\n%s", data, diff)
	}
	err = Check(t.Context(), filepath.Join(dir, "B-1.json"))
	if want := `"` + filepath.Join(dir, "B-1.json") + `": expected a directory or a zip file, found a named pipe`; err == nil || err.Error() != want {
		t.Errorf("want %s, got %v", want, err)
	}
}

// Directories that are too deep are said to be.
func TestDeepDirectories(t *testing.T) {
	dir := t.TempDir()
	deep := dir
	for range maxDepth + 2 {
		deep = filepath.Join(deep, "d")
	}
	write(t, filepath.Join(deep, "A-1.json"), []byte(record("A-1", "Debian:12", "openssl", fixedIn2)))
	data, err := Read(t.Context(), dir, NewQuery(), now)
	if err != nil || data.Records != 0 || data.Unreadable != 1 {
		t.Errorf("%v %+v", err, data)
	}
}
