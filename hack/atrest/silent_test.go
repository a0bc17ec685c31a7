//go:build e2e

package atrest

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/storefile"
)

// silentEverywhere: no value comes out of the command in any format, whether the snapshot
// is whole or damaged, and none out of the readers for any damage.
func (s *server) silentEverywhere(t *testing.T) {
	s.t = t
	snapshot := s.snapshot()
	whole, err := os.ReadFile(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, text := range spelled {
		n += bytes.Count(whole, []byte(text)) // JSON and YAML hold them in base64
	}
	if n < 1000 {
		t.Fatalf("the snapshot holds only %d values in plaintext", n)
	}
	r := rand.New(rand.NewPCG(12, 6))
	damage := func() []byte {
		b := bytes.Clone(whole)
		switch r.IntN(4) {
		case 0:
			return b[:r.IntN(len(b))]
		case 1:
			return b[r.IntN(len(b)):]
		case 2:
			from := r.IntN(len(b))
			for i := range min(4096, len(b)-from) {
				b[from+i] = byte(r.Uint32())
			}
		default:
			for range 1 + r.IntN(64) {
				b[r.IntN(len(b))] ^= 1 << r.IntN(8)
			}
		}
		return b
	}

	damaged := filepath.Join(s.dir, "damaged.db")
	for range 200 {
		s.write(damaged, damage())
		db, gaps, err := storefile.Read(t.Context(), damaged, storefile.Options{})
		s.quiet(db, gaps, err)
	}

	plugin := filepath.Join("..", "..", "bin", "kubectl-checklist")
	if _, err := os.Stat(plugin); err != nil {
		t.Fatalf("%v: make build makes it", err)
	}
	for _, file := range []string{snapshot, damaged, filepath.Dir(s.db), os.Args[0]} {
		for _, format := range []string{
			"table", "wide", "json", "yaml", "name", "jsonpath={.findings}", "go-template={{.}}", "custom-columns=M:.message",
		} {
			facts := filepath.Join(s.dir, "facts.json")
			args := []string{"secrets", "--snapshot", file, "-o", format, "--save-facts", facts}
			if format == "wide" {
				args = append(args, "--show-passes")
			}
			out, err := exec.Command(plugin, args...).CombinedOutput()
			if err != nil && file == snapshot {
				t.Errorf("-o %s: %v: %.500s", format, err, out)
			}
			if len(out) == 0 && file == snapshot && format != "name" {
				t.Errorf("-o %s prints nothing", format)
			}
			silent(t, "-o "+format, out)
			if saved, err := os.ReadFile(facts); err == nil {
				silent(t, "the saved facts", saved)
				_ = os.Remove(facts)
			}
		}
	}
}
