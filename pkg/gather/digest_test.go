package gather

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// The digest of a directory is that of all files that the reader of a database reads, in the order of
// sort.
func TestDigestOfDirectory(t *testing.T) {
	dir := t.TempDir()
	database, elsewhere := filepath.Join(dir, "db"), filepath.Join(dir, "elsewhere.json")
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, path string) {
		t.Helper()
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(database, "a", "x.json"), "1")
	write(filepath.Join(database, "a.json"), "2")
	write(elsewhere, "3")
	link(elsewhere, filepath.Join(database, "b.json"))
	link("nowhere", filepath.Join(database, "c.json"))
	link(".", filepath.Join(database, "loop"))
	link("db", filepath.Join(dir, "link"))

	sum := func(text string) [32]byte { return sha256.Sum256([]byte(text)) }
	want := fmt.Sprintf("sha256:%x", sum(fmt.Sprintf("%x  a.json\n%x  a/x.json\n%x  b.json\n", sum("2"), sum("1"), sum("3"))))
	for _, path := range []string{database, filepath.Join(dir, "link")} {
		if got, err := Digest(t.Context(), path); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", path, got, err, want)
		}
	}
}
