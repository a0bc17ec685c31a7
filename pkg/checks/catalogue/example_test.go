package catalogue

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// The worked example in docs/add-a-check.md compiles, and its test passes: its
// files are laid over the repository for one run of go test.
func TestTheWorkedExample(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles a package")
	}
	root, err := filepath.Abs(filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "add-a-check.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```go\n// (pkg/[^\n]+\\.go)\n(.*?)```")
	replace := map[string]string{}
	dir := t.TempDir()
	for _, match := range block.FindAllStringSubmatch(string(text), -1) {
		file := filepath.Join(dir, filepath.Base(match[1]))
		if err := os.WriteFile(file, []byte(match[2]), 0o644); err != nil {
			t.Fatal(err)
		}
		target := filepath.Join(root, match[1])
		if _, err := os.Stat(target); err == nil {
			t.Errorf("%s exists: the example has to be of a check that does not", match[1])
		}
		replace[target] = file
	}
	if len(replace) != 2 {
		t.Fatalf("want a check and its test, found %d files", len(replace))
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "test", "-count=1", "-overlay", file, "-run", "^TestUserNamespace$", "-v", "./pkg/checks/privileged")
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err != nil || !regexp.MustCompile(`(?m)^--- PASS: TestUserNamespace `).Match(out) {
		t.Errorf("%v\n%s", err, out)
	}
}
