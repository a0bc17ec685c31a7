package kine

import (
	"bytes"
	"context"
	"fmt"
	"math/rand"
	"path/filepath"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/kine"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

func canary(i, version int) []byte { return fmt.Appendf(nil, "CANARY-%05d-%d-END", i, version) }

// TestSteps is what an administrator does: Secrets in plaintext, encrypted once, changed
// again, compacted, restarted. At each step the files are compared with a search for the
// canaries in their bytes.
func TestSteps(t *testing.T) {
	const n = 200
	path := filepath.Join(t.TempDir(), "state.db")
	s := start(t, path)
	r := rand.New(rand.NewSource(1))
	s.put("/registry/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
	name := func(i int) string { return fmt.Sprintf("s%05d", i) }
	step := func(what string) *fact.EtcdDB {
		t.Helper()
		main, log := copies(t, path)
		db, gaps := read(t, main, log, kine.Options{Path: "state.db", Residue: true})
		for _, g := range gaps {
			t.Errorf("%s: gap %s: %s", what, g.Reason, g.Detail)
		}
		plain, old, older := 0, 0, 0
		for _, s := range db.Secrets {
			if s.Class.Plaintext() {
				plain++
			}
			if s.OldValue {
				old++
			}
			if s.Older > 0 {
				older++
			}
		}
		raw := bytes.Count(main, []byte("CANARY-")) + bytes.Count(log, []byte("CANARY-"))
		t.Logf("%-28s rev %d compacted %d: current %d of %d plain, old_value %d, with older %d; history %+v; canaries main %d log %d (%d KB + %d KB)",
			what, db.Revision, db.History.Compacted, plain, db.Total, old, older, *db.History, bytes.Count(main, []byte("CANARY-")), bytes.Count(log, []byte("CANARY-")), len(main)>>10, len(log)>>10)
		values := 0
		for _, rem := range db.Remains {
			t.Logf("    %-18s scanned %8d complete %v values %d unnamed %d names %d %s", rem.Place, rem.Scanned, rem.Complete, rem.Values, rem.Unnamed, rem.SecretsTotal, rem.Detail)
			values += rem.Values
		}
		if found := plain + db.History.Plaintext + values; (found > 0) != (raw > 0) {
			t.Errorf("%s: %d canaries in the bytes, found %d", what, raw, found)
		}
		return db
	}
	for i := range n {
		s.put(secretKey("shop", name(i)), storedtest.ProtobufSecret("shop", name(i), canary(i, 1)))
	}
	step("plaintext")
	for i := range n {
		s.put(secretKey("shop", name(i)), storedtest.AESCBC(r, "key1", 20))
	}
	step("encrypted once")
	for i := range n {
		s.put(secretKey("shop", name(i)), storedtest.AESCBC(r, "key1", 20))
	}
	step("changed twice")
	s.remove(secretKey("shop", name(7)))
	compact := func() {
		if _, err := s.Compact(context.Background(), 1<<40); err != nil {
			t.Log(err)
		}
	}
	compact()
	step("compacted early")
	for i := range 1100 {
		s.put("/registry/leases/kube-system/x", fmt.Appendf(nil, "lease %d", i))
	}
	compact()
	step("compacted after 1,100 more")
	s.stop()
	step("stopped")
	s = start(t, path)
	step("started again")
	for i := range 50 {
		s.put("/registry/leases/kube-system/x", fmt.Appendf(nil, "lease %d", i))
	}
	step("50 more")
	s.stop()
	step("stopped again")
}
