package etcd

import (
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// BenchmarkResidue searches a file of which nine tenths are free pages that hold
// Secrets and other objects, and a log with the same.
func BenchmarkResidue(b *testing.B) {
	const objects = 60_000
	s := openStore(b, filepath.Join(b.TempDir(), "db"), 4096)
	r := rand.New(rand.NewSource(1))
	pod := storedtest.Protobuf("v1", "Pod", storedtest.Payload(r, 3000))
	w := newWAL(0)
	s.put("/registry/namespaces/default", []byte("x"))
	for i := 0; i < objects; {
		s.update(func(tx *bolt.Tx) {
			for range 1000 {
				key, value := fmt.Sprintf("/registry/pods/shop/p%06d", i), pod
				if i%5 == 0 {
					name := fmt.Sprintf("s%06d", i)
					key, value = "/registry/secrets/shop/"+name, storedtest.ProtobufSecret("shop", name, make([]byte, 500))
				}
				s.txn(tx, op{key: key, value: value})
				w.txn(key, value)
				i++
			}
		})
	}
	for i := 0; i < objects; i += 1000 {
		s.update(func(tx *bolt.Tx) {
			for j := i; j < i+1000; j++ {
				if key := fmt.Sprintf("/registry/pods/shop/p%06d", j); j%5 == 0 {
					s.txn(tx, op{key: fmt.Sprintf("/registry/secrets/shop/s%06d", j)})
				} else if j%10 != 1 {
					s.txn(tx, op{key: key})
				}
			}
		})
	}
	s.put("/registry/namespaces/shop", []byte("x"))
	s.compact(s.rev)
	s.check(s.db.Close())
	f, err := os.Open(s.path)
	s.check(err)
	defer f.Close()
	b.Run("database", func(b *testing.B) {
		var free, slack fact.Remains
		for range b.N {
			db, gaps, err := Read(ctx, fileSource{f}, Options{Prefix: "/registry", Residue: true})
			if err != nil || len(gaps) > 0 {
				b.Fatal(gaps, err)
			}
			free, slack = place(b, db, fact.InFreePages), place(b, db, fact.InPageSlack)
		}
		size, _ := fileSource{f}.Size()
		b.SetBytes(size)
		b.ReportMetric(float64(free.Scanned)/1e6, "MB-free")
		b.ReportMetric(float64(free.Values), "values")
		b.ReportMetric(float64(slack.Scanned)/1e6, "MB-slack")
	})
	b.Run("log", func(b *testing.B) {
		b.SetBytes(int64(len(w.b)))
		for range b.N {
			got := ReadMemberRemains(ctx, memDir{"wal/" + firstWAL: w.b}, RemainsOptions{Prefix: "/registry"})
			if got[0].Values != objects/5 {
				b.Fatalf("%+v", got[0])
			}
		}
	})
}
