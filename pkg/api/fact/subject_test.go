package fact

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A kind of subject is written as its constant. A misspelled literal would be another
// kind, and the compiler would not find it.
func TestSubjectKindsAreConstants(t *testing.T) {
	literal := regexp.MustCompile(`(Subject\{\s*Kind: |(Subject|Owner|About)\.Kind [!=]= )"[^"]`)
	files := 0
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, at := range literal.FindAllIndex(text, -1) {
			t.Errorf("%s:%d: expected a constant (SubjectPod ...), found a string", path, 1+strings.Count(string(text[:at[0]]), "\n"))
		}
		return nil
	})
	if err != nil || files < 100 {
		t.Errorf("%d files were read: %v", files, err)
	}
}
