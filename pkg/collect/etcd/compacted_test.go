package etcd

import (
	"fmt"
	"os"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// hooked is a file in which something happens after so many reads.
type hooked struct {
	fileSource
	after int
	do    func()
}

func (h *hooked) ReadAt(p []byte, off int64) (int, error) {
	if h.after--; h.after == 0 {
		h.do()
	}
	return h.fileSource.ReadAt(p, off)
}

// A compaction between two chunks removes the tombstone of a Secret whose row was read
// before. The Secret is not shown, whenever that happens.
func TestCompactionDuringAWalk(t *testing.T) {
	hidden := 0
	for after := 5; after < 400; after += 5 {
		s := newStore(t, 4<<10)
		s.put("/registry/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
		s.put("/registry/secrets/shop/gone", storedtest.ProtobufSecret("shop", "gone", []byte("CANARY")))
		for i := range 100 {
			s.put(fmt.Sprintf("/registry/pods/shop/p%03d", i), make([]byte, 3000))
		}
		s.delete("/registry/secrets/shop/gone")
		last := s.put("/registry/secrets/shop/kept", storedtest.ProtobufSecret("shop", "kept", []byte("CANARY")))
		f, err := os.Open(s.path)
		if err != nil {
			t.Fatal(err)
		}
		done := false
		src := &hooked{fileSource{f}, after, func() { s.compact(last); done = true }}
		db, gaps, err := Read(ctx, src, Options{Live: true, Prefix: "/registry"})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if !done {
			break
		}
		hidden++
		if len(db.Secrets) != 1 || db.Secrets[0].Name != "kept" || !db.Complete {
			t.Errorf("compacted after %d reads: found %+v, gaps %+v", after, db.Secrets, gaps)
		}
	}
	if hidden < 5 {
		t.Errorf("a compaction came into only %d walks", hidden)
	}
}
