package tempfile

import (
	"os"
	"runtime"
	"testing"
)

// A file can be written and read, and its directory is empty at all times.
func TestOpen(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file that is open cannot be removed there")
	}
	for name, open := range map[string]func(dir string) (*os.File, error){
		"the system's way": func(string) (*os.File, error) { return Open() },
		"removed":          removed,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("TMPDIR", dir)
			file, err := open(dir)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := file.WriteString("findings"); err != nil {
				t.Fatal(err)
			}
			text := make([]byte, 4)
			if _, err := file.ReadAt(text, 4); err != nil || string(text) != "ings" {
				t.Errorf("read %q, %v", text, err)
			}
			left, err := os.ReadDir(dir)
			if err != nil || len(left) > 0 {
				t.Errorf("in the directory: %v, %v", left, err)
			}
			if err := file.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("no directory", func(t *testing.T) {
		t.Setenv("TMPDIR", t.TempDir()+"/absent")
		if file, err := Open(); err == nil {
			t.Errorf("opened %s", file.Name())
		}
	})
}
