package stored_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/secrets"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
)

// TestTruth: testdata/enc-truth.tsv says with what the API server's own loader
// writes Secrets under each file of testdata/enc, or that it refuses the file.
// hack/encoracle asks that loader again.
func TestTruth(t *testing.T) {
	truth, err := os.ReadFile("testdata/enc-truth.tsv")
	if err != nil {
		t.Fatal(err)
	}
	refused, accepted := 0, 0
	for line := range strings.Lines(string(truth)) {
		name, want, found := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !found || strings.HasPrefix(name, "#") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			file, err := os.ReadFile(filepath.Join("testdata", "enc", name))
			if err != nil {
				t.Fatal(err)
			}
			entries, err := stored.ParseEncryptionConfiguration(file)
			if strings.HasPrefix(want, "error:") {
				refused++
				if err == nil {
					t.Fatalf("accepted as %+v; the API server says %s", entries, want)
				}
				if strings.Contains(err.Error(), "CANARY") || strings.Contains(err.Error(), "Q0FOQVJZ") {
					t.Errorf("quotes the file: %s", err)
				}
				return
			}
			accepted++
			if err != nil {
				t.Fatalf("refused: %s; the API server writes with %s", err, want)
			}
			providers, _ := secrets.ProvidersFor(entries, "", "secrets")
			first := providers[0]
			got := strings.TrimSpace(first.Type + " " + first.Name)
			if len(first.Keys) > 0 {
				got += " " + first.Keys[0]
			}
			if strings.HasPrefix(want, "write error:") { // its KMS did not answer
				want = "kms vault"
			}
			if got != want {
				t.Errorf("writes with %q, the API server with %q", got, want)
			}
		})
	}
	if refused < 40 || accepted < 30 {
		t.Errorf("%d files refused and %d accepted: the list is not whole", refused, accepted)
	}
}
