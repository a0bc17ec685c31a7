package etcd

import (
	"bytes"
	"math/rand"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// FuzzPage: a page is refused or all of its elements lie inside it, in order.
func FuzzPage(f *testing.F) {
	file := damageFile(f)
	for p := 2; p < len(file)/1024; p += 3 {
		f.Add(file[p*1024:(p+1)*1024], true)
		f.Add(file[p*1024:(p+1)*1024], false)
	}
	f.Fuzz(func(t *testing.T, page []byte, inline bool) {
		var r *run
		var fault *fault
		if inline {
			r, fault = inlineRun(7, page)
		} else {
			src := append(make([]byte, 2048), page...)
			r = &run{}
			tr := &tree{src: memory(src), meta: meta{pageSize: 1024, highWater: 1 << 20}, seen: make([]uint64, 4)}
			fault = tr.load(r, 2)
		}
		if fault != nil {
			if fault.text == "" || fault.reason == "" {
				t.Fatalf("a fault without a word: %+v", fault)
			}
			return
		}
		end := pageHeaderSize + r.header.count*elementSize
		for i := range r.header.count {
			e := r.element(i)
			if e.key != end || e.value < e.key || e.end < e.value || e.end > r.size {
				t.Fatalf("element %d: %+v, behind %d, in %d bytes", i, e, end, r.size)
			}
			end = e.end
			if _, f := r.bytes(e.key, e.end-e.key); f != nil && f.reason == fact.Corrupt {
				t.Fatal(f)
			}
		}
	})
}

// FuzzKeyValue: a row is refused, or it means what protobuf says.
func FuzzKeyValue(f *testing.F) {
	r := rand.New(rand.NewSource(2))
	s := newStore(f, 4096)
	s.cluster(r, 60)
	s.check(s.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("key")).ForEach(func(_, v []byte) error { f.Add(bytes.Clone(v)); return nil })
	}))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, problem := parsed(t, data)
		if problem != "" {
			return
		}
		want, err := unmarshal(data)
		if err != nil {
			t.Fatalf("protobuf refuses it: %v", err)
		}
		want.Lease = 0
		want.Key = want.Key[:min(len(want.Key), maxHeldKey)]
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-protobuf +ours):\n%s", diff)
		}
	})
}

// FuzzFile: no panic, an end within the deadline, memory by the size of the
// file, and a result that says complete only where it has no gap.
func FuzzFile(f *testing.F) {
	file := damageFile(f)
	f.Add(file, 2048, []byte{1}, false)
	f.Add(file[:9000], 5000, []byte("\x01\x00"), true)
	f.Add([]byte("SQLite format 3\x00"), 0, []byte{}, false)
	f.Fuzz(func(t *testing.T, file []byte, at int, with []byte, live bool) {
		file = append([]byte(nil), file...)
		if at >= 0 && at < len(file) {
			copy(file[at:], with)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		db, gaps, err := Read(ctx, memory(file), Options{Live: live, Prefix: "/registry", Deadline: time.Now().Add(5 * time.Second)})
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20+uint64(len(file))*64 {
			t.Fatalf("%d bytes allocated for a file of %d", n, len(file))
		}
		if err != nil {
			if db != nil || gaps != nil {
				t.Fatal("a result with an error")
			}
			return
		}
		if db.Complete != (len(gaps) == 0) {
			t.Fatalf("complete %v with %v", db.Complete, gaps)
		}
		for _, g := range gaps {
			if g.Reason == "" || g.Detail == "" || g.Reason == fact.Timeout || strings.Contains(g.Detail, panicked) {
				t.Fatalf("%+v", g)
			}
		}
	})
}

// FuzzCommonKeyValue: the fast way reads a row as the general way does, or not at all.
func FuzzCommonKeyValue(f *testing.F) {
	f.Add(storedtest.Field(storedtest.VarintField(storedtest.VarintField(storedtest.VarintField(storedtest.Field(nil, 1, []byte("k")), 2, 5), 3, 300), 4, 2), 5, []byte("value")))
	f.Add(storedtest.Field(nil, 1, bytes.Repeat([]byte("k"), 300)))
	f.Fuzz(func(t *testing.T, data []byte) {
		fast, ok := commonKeyValue(stored.Of(data), data[:min(len(data), commonLead)], nil)
		if !ok {
			return
		}
		// A field of a later version of etcd, empty, at the end sends it the general way.
		slow, problem, fault := parseKeyValue(stored.Of(append(bytes.Clone(data), 7<<3, 0)), nil)
		if problem != "" || fault != nil {
			t.Fatalf("the general way: %s %v", problem, fault)
		}
		if !bytes.Equal(fast.key, slow.key) || fast.keySize != slow.keySize || fast.create != slow.create || fast.mod != slow.mod ||
			fast.version != slow.version || fast.value.Off != slow.value.Off || fast.value.Size != slow.value.Size || fast.bare || slow.bare || fast.more {
			t.Errorf("fast %+v\nslow %+v", fast, slow)
		}
	})
}
