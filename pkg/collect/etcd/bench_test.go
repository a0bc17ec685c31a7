package etcd

import (
	"fmt"
	"math/rand"
	"os"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// benchFile is a file like that of a cluster of some size: one Secret in ten
// rows of 1 to 8 KiB.
func benchFile(b *testing.B, secrets int) (path string, size int64) {
	b.Helper()
	s := newStore(b, 4096)
	r := rand.New(rand.NewSource(1))
	pod := storedtest.Protobuf("v1", "Pod", storedtest.Payload(r, 8192))
	s.put("/registry/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
	for i := 0; i < secrets; {
		s.update(func(tx *bolt.Tx) {
			for range min(2000, secrets) {
				i++
				n := fmt.Sprintf("s%06d", i)
				s.txn(tx, op{key: "/registry/secrets/shop/" + n, value: storedtest.AnySecret(r, "shop", n)})
				for j := range 9 {
					s.txn(tx, op{key: fmt.Sprintf("/registry/pods/shop/%s-%d", n, j), value: pod[:1024+r.Intn(7000)]})
				}
			}
		})
	}
	s.check(s.db.Close())
	info, err := os.Stat(s.path)
	s.check(err)
	return s.path, info.Size()
}

// BenchmarkRead compares our walk, still and live, with one of bbolt's own
// View over its memory map that finds the same, all in one run. The metric
// x-bbolt is how many times as long ours takes.
func BenchmarkRead(b *testing.B) {
	path, size := benchFile(b, 6000)
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	walk := func() time.Duration {
		began := time.Now()
		v := newViewed()
		if err := db.View(func(tx *bolt.Tx) error { return view(tx, v, unmarshalFast) }); err != nil || len(v.current) != 6000 {
			b.Fatal(err, len(v.current))
		}
		return time.Since(began)
	}
	for _, live := range []bool{false, true} {
		b.Run(map[bool]string{false: "still", true: "live"}[live], func(b *testing.B) {
			var ours, theirs time.Duration
			walk() // both from the page cache
			for b.Loop() {
				began := time.Now()
				got, gaps, err := Read(ctx, fileSource{f}, Options{Live: live, Prefix: "/registry"})
				ours += time.Since(began)
				if err != nil || len(gaps) > 0 || len(got.Secrets) != 6000 {
					b.Fatal(err, gaps)
				}
				theirs += walk()
			}
			b.SetBytes(size)
			b.ReportMetric(float64(ours)/float64(theirs), "x-bbolt")
			b.ReportMetric(float64(ours.Microseconds())/float64(b.N)/1000, "ms-ours")
			b.ReportMetric(float64(theirs.Microseconds())/float64(b.N)/1000, "ms-bbolt")
			b.ReportMetric(0, "ns/op")
		})
	}
}
