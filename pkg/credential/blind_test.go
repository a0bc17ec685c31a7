package credential_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
)

// The blind set was written by someone who had not seen the detector: 796 texts, 366 with a
// credential. It is packed, so that scanners do not take its made-up values for somebody's.
// Its first figures are in docs/credentials.md. Since then rules were changed for it, so
// later figures are not blind.
func TestBlindSet(t *testing.T) {
	file, err := os.Open("testdata/blind.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	packed, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var found, right, positive, lines int
	for d := json.NewDecoder(packed); d.More(); {
		var l struct {
			Name       string `json:"name"`
			Text       string `json:"text"`
			Credential bool   `json:"credential"`
			Why        string `json:"why"`
		}
		if err := d.Decode(&l); err != nil {
			t.Fatal(err)
		}
		lines++
		if l.Credential {
			positive++
		}
		got := credential.IDs(credential.Find(l.Name, []byte(l.Text)))
		switch {
		case len(got) > 0 && l.Credential:
			found++
			right++
		case len(got) > 0:
			found++
			t.Logf("%d %s: no credential (%s), found %q", lines, l.Name, l.Why, got)
		case l.Credential:
			t.Logf("%d %s: a credential, not found (%s)", lines, l.Name, l.Why)
		}
	}
	precision, recall := float64(right)/float64(found), float64(right)/float64(positive)
	fmt.Printf("blind set: %d texts, %d with a credential; precision %.3f, recall %.3f\n", lines, positive, precision, recall)
	if lines != 796 || positive != 366 {
		t.Errorf("%d texts, %d with a credential", lines, positive)
	}
	if precision <= 0.98 || recall <= 0.94 {
		t.Errorf("precision %.3f, want above 0.98; recall %.3f, want above 0.94", precision, recall)
	}
}
