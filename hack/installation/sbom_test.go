package installation

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-cmp/cmp"
)

// CycloneDX's own Go library knows every field of every bill of materials: it writes the
// same again.
func TestSBOM(t *testing.T) {
	dir, _ := made(t)
	files, err := filepath.Glob(filepath.Join(dir, "*.cdx.json"))
	if err != nil || len(files) < 5 {
		t.Fatalf("found %v, %v: want one for the plugin and one for each of four probes", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var b cyclonedx.BOM
			if err := cyclonedx.NewBOMDecoder(bytes.NewReader(data), cyclonedx.BOMFileFormatJSON).Decode(&b); err != nil {
				t.Fatal(err)
			}
			var again bytes.Buffer
			if err := cyclonedx.NewBOMEncoder(&again, cyclonedx.BOMFileFormatJSON).EncodeVersion(&b, cyclonedx.SpecVersion1_6); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(parsed(t, data), parsed(t, again.Bytes())); diff != "" {
				t.Errorf("the library loses or adds something (-ours +its):\n%s", diff)
			}
			probes := 0
			for _, c := range *b.Components {
				if c.Type == cyclonedx.ComponentTypeApplication {
					probes++
				}
				if !strings.HasPrefix(c.PackageURL, "pkg:golang/") || c.Version == "" {
					t.Errorf("%s: version %q, package URL %q", c.Name, c.Version, c.PackageURL)
				}
			}
			if want := map[bool]int{true: 4, false: 0}[strings.HasPrefix(filepath.Base(file), "kubectl-")]; probes != want {
				t.Errorf("carries %d probes, want %d", probes, want)
			}
		})
	}
}

func parsed(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}
