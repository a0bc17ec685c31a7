package cli

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// heapWriter counts what is printed, and every few megabytes what is in memory.
type heapWriter struct {
	printed, measured int
	most              uint64
}

func (w *heapWriter) Write(p []byte) (int, error) {
	const every = 4 << 20
	if w.printed += len(p); w.printed-w.measured > every {
		w.measured = w.printed
		w.most = max(w.most, heap())
	}
	return len(p), nil
}

// heap is what is in memory and in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// manySecrets is a snapshot with so many Secrets, half of them in plaintext.
func manySecrets(n int) *fact.Set {
	db := &fact.EtcdDB{Path: "backup.db", Snapshot: true, Prefix: "/registry", Revision: int64(n) + 1, Complete: true, Total: n}
	for i := range n {
		s := fact.StoredSecret{Namespace: fmt.Sprintf("team-%03d", i*300/n), Name: fmt.Sprintf("db-password-%06d", i), Revision: int64(i) + 1, Class: fact.ClassIdentityProtobuf, Size: 300}
		if i%2 == 0 {
			s.Class, s.Provider = fact.ClassAESCBC, "k8s:enc:aescbc:v1:key1:"
		} else {
			s.Older, s.OlderRevision = 1, int64(i)
		}
		db.Secrets = append(db.Secrets, s)
	}
	db.History = &fact.StoredHistory{Complete: true, Revisions: n / 2, Plaintext: n / 2}
	return &fact.Set{Snapshot: db}
}

// A document about many Secrets needs little memory beyond the facts: a few bytes for
// each finding, and not the finding, which is over 1,000 bytes long. It was 4,000 bytes
// for each Secret when findings were kept.
func TestDocumentsOfManySecretsAreFlat(t *testing.T) {
	const (
		secrets = 20_000
		mostFor = 100     // bytes for each Secret
		besides = 2 << 20 // for texts of the run itself, and buffers
	)
	for _, format := range []string{"json", "yaml"} {
		set := manySecrets(secrets)
		before := heap()
		printer, err := report.NewPrinter(format, report.Options{})
		if err != nil {
			t.Fatal(err)
		}
		out := &heapWriter{}
		r := &evaluation{report: reportFlags{failOn: "low", outputFlags: outputFlags{output: format}}, checks: secretChecks()}
		built := report.Stream(api.ReportSpec{}, set, checks.Judge(catalogue.Plan(r.checks, ""), set))
		if err := report.Print(out, printer, built); err != nil {
			t.Fatal(err)
		}
		if code := Code(r.exit(built)); code != ExitFindings {
			t.Errorf("exit status %d, want %d", code, ExitFindings)
		}
		if out.printed < 400*secrets || out.most == 0 {
			t.Fatalf("only %d bytes were printed", out.printed)
		}
		most := int64(out.most) - int64(before)
		t.Logf("%s: %d bytes printed, %d in memory beyond the facts", format, out.printed, most)
		if most > secrets*mostFor+besides {
			t.Errorf("%s: %d bytes in memory for %d Secrets, want %d at most", format, most, secrets, secrets*mostFor+besides)
		}
		runtime.KeepAlive(set)
	}
}
