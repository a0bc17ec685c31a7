package etcd

import (
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// TestLiveWriter reads a file while a writer commits to it as fast as it can:
// puts, deletes, re-creations and compaction. Every row that comes back has to
// be one that was written just so, no Secret may be missing that was there all
// the time, and none may be older than when the reading began.
func TestLiveWriter(t *testing.T) {
	for _, pageSize := range []int{1 << 10, 4 << 10, 16 << 10} {
		t.Run(fmt.Sprintf("pages of %d bytes", pageSize), func(t *testing.T) {
			t.Parallel()
			s := newStore(t, pageSize)
			r := rand.New(rand.NewSource(int64(pageSize)))
			s.put("/registry/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))

			var mu sync.Mutex // guards what follows
			written := map[string]map[int64]fact.StoredSecret{}
			current := map[string]int64{} // revision, of what exists
			gone := map[string]int64{}    // revision of the last tombstone
			type logged struct {
				rev   int64
				plain bool
			}
			log := map[string][]logged{} // all revisions, also tombstones

			name := func(i int) (string, string) {
				n := fmt.Sprintf("s%04d", i)
				return n, "/registry/secrets/shop/" + n
			}
			change := func(tx *bolt.Tx, i int, remove bool) {
				n, key := name(i)
				if remove {
					gone[n] = s.txn(tx, op{key: key})
					log[n] = append(log[n], logged{gone[n], false})
					delete(current, n)
					return
				}
				value := storedtest.AnySecret(r, "shop", n)
				if r.Intn(50) == 0 {
					value = storedtest.ProtobufSecret("shop", n, make([]byte, 40_000))
				}
				rev := s.txn(tx, op{key: key, value: value})
				st, err := stored.Classify(stored.Of(value), "shop", n, nil)
				if err != nil || st.Problem != "" {
					t.Errorf("fixture: %v %s", err, st.Problem)
				}
				if written[n] == nil {
					written[n] = map[int64]fact.StoredSecret{}
				}
				written[n][rev] = fact.StoredSecret{Namespace: "shop", Name: n, Revision: rev, Class: st.Class, Provider: st.Provider, KeyGuessed: st.Guessed, KeyID: st.KeyID, Size: len(value)}
				current[n] = rev
				log[n] = append(log[n], logged{rev, st.Class.Plaintext()})
			}
			// older counts the plaintext revisions before one that are in the file after
			// a compaction.
			older := func(name string, before, compacted int64) (n int32) {
				for i, l := range log[name] {
					if l.plain && l.rev < before && i+1 < len(log[name]) && log[name][i+1].rev > compacted {
						n++
					}
				}
				return n
			}
			const secrets, steady = 600, 300 // the first 300 are never deleted
			s.update(func(tx *bolt.Tx) {
				for i := range secrets {
					change(tx, i, false)
				}
			})

			var stop atomic.Bool
			var commits atomic.Int64
			done := make(chan struct{})
			go func() {
				defer close(done)
				for !stop.Load() {
					mu.Lock()
					err := s.db.Update(func(tx *bolt.Tx) error {
						for range 1 + r.Intn(8) {
							i := r.Intn(secrets)
							n, _ := name(i)
							change(tx, i, i >= steady && r.Intn(3) == 0 && current[n] != 0)
						}
						if r.Intn(10) == 0 { // locks, leases, empty values
							s.others(tx, r, 200)
						}
						if r.Intn(100) == 0 {
							s.compactTx(tx, s.rev-int64(r.Intn(200)))
						}
						return nil
					})
					mu.Unlock()
					if err != nil {
						t.Error(err)
						return
					}
					commits.Add(1)
				}
			}()
			defer func() { stop.Store(true); <-done }()

			f, err := os.Open(s.path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			// So many reads and commits, whoever gets the processors. A read that cannot
			// keep up with the writer ends at a real deadline, for both are as fast as
			// the machine; that is no error, unless all of them do.
			const enough = 60
			reads, timeouts, olders := 0, 0, int32(0)
			for deadline := time.Second; reads < enough || commits.Load() < enough || timeouts == reads && deadline < time.Minute; {
				mu.Lock()
				before := make(map[string]int64, len(current))
				for n, rev := range current {
					before[n] = rev
				}
				compactedBefore := s.compacted
				mu.Unlock()
				db, gaps, err := Read(ctx, fileSource{f}, Options{Live: true, Prefix: "/registry", Deadline: time.Now().Add(deadline)})
				if err != nil {
					t.Fatal(err)
				}
				reads++
				if !db.Complete {
					if len(gaps) == 1 && gaps[0].Reason == fact.Timeout {
						timeouts++
						deadline = min(2*deadline, time.Minute)
						continue
					}
					t.Fatalf("gaps %+v", gaps)
				}
				mu.Lock()
				if !db.History.Complete {
					t.Error("the history is not complete")
				}
				seen := map[string]bool{}
				for _, got := range db.Secrets {
					seen[got.Name] = true
					least, most := older(got.Name, got.Revision, s.compacted), older(got.Name, got.Revision, compactedBefore)
					if got.Older < least || got.Older > most {
						t.Errorf("%+v: from %d to %d older revisions are in plaintext", got, least, most)
					}
					olders += got.Older
					got.Older, got.OlderRevision = 0, 0
					if want := written[got.Name][got.Revision]; got != want {
						t.Errorf("want %+v\n got %+v", want, got)
					}
					// A delete whose tombstone was compacted meanwhile goes
					// unseen, and with it what was between.
					deleted := got.Name >= "s0300" && gone[got.Name] > before[got.Name]
					if got.Revision < before[got.Name] && !deleted {
						t.Errorf("%s: revision %d, but %d was there before", got.Name, got.Revision, before[got.Name])
					}
				}
				for n := range before {
					if !seen[n] && (n < "s0300" || gone[n] == 0) {
						t.Errorf("%s is missing", n)
					}
				}
				mu.Unlock()
				if t.Failed() {
					return
				}
			}
			t.Logf("%d reads (%d ran out of time) during %d commits", reads, timeouts, commits.Load())
			if olders == 0 {
				t.Error("no older revision was seen")
			}
			if timeouts == reads {
				t.Error("no read came to its end")
			}
		})
	}
}

// TestChangeDuringWalk lets Secrets be rewritten, deleted and created again and
// the store be compacted at each single read of a walk in turn.
func TestChangeDuringWalk(t *testing.T) {
	base := newStore(t, 1024)
	r := rand.New(rand.NewSource(4))
	base.put("/registry/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
	for i := range 400 {
		n := fmt.Sprintf("s%02d", i)
		base.put("/registry/secrets/shop/"+n, storedtest.ProtobufSecret("shop", n, make([]byte, 20)))
	}
	file := base.bytes()
	start := map[string]fact.StoredSecret{}
	for _, s := range oracle(t, base.path) {
		start[s.Name] = s
	}
	dir := t.TempDir()
	changed := 0
	for at := 1; ; at++ {
		path := filepath.Join(dir, fmt.Sprintf("db%d", at))
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := bolt.Open(path, 0o600, &bolt.Options{NoFreelistSync: true, NoSync: true, NoGrowSync: true})
		if err != nil {
			t.Fatal(err)
		}
		s := &store{t: t, path: path, db: db, rev: base.rev, create: map[string]int64{}, ver: map[string]int64{}, rows: append([]storedRow(nil), base.rows...)}
		for k, v := range base.create {
			s.create[k], s.ver[k] = v, base.ver[k]
		}
		src := &hookSource{at: at, hook: func() {
			key := func(i int) string { return fmt.Sprintf("/registry/secrets/shop/s%02d", i) }
			for _, i := range []int{0, 20, 59} {
				s.put(key(i), storedtest.AESCBC(r, "key1", 3)) // the old row goes with the compaction
			}
			s.delete(key(10))
			s.delete(key(30))
			s.compact(s.rev)
			s.put(key(30), storedtest.AESGCM(r, "key1", 9)) // again, and its tombstone was compacted
			s.put("/registry/secrets/shop/new", storedtest.Secretbox(r, "key1", 9))
			s.put(key(40), storedtest.KMSv2(r, "vault", 9))
			s.put(key(40), storedtest.AESCBC(r, "key1", 3))
		}}
		if src.File, err = os.Open(path); err != nil {
			t.Fatal(err)
		}
		got, gaps, err := Read(ctx, src, Options{Live: true, Prefix: "/registry"})
		src.Close()
		if err != nil || !got.Complete {
			t.Fatalf("changed at read %d: %v, %+v", at, err, gaps)
		}
		s.check(db.Close())
		if src.at > 0 { // the walk was shorter
			break
		}
		end := map[string]fact.StoredSecret{}
		for _, s := range oracle(t, path) {
			end[s.Name] = s
		}
		old := 0
		for _, s := range got.Secrets {
			switch s {
			case end[s.Name]:
			case start[s.Name]:
				if s.Name != "s10" { // deleted, and the tombstone compacted
					old++
				}
			default:
				t.Errorf("changed at read %d: %+v, want %+v or %+v", at, s, start[s.Name], end[s.Name])
			}
			delete(end, s.Name)
		}
		if old == 0 {
			changed++
			if len(end) > 0 {
				t.Errorf("changed at read %d: missing %v", at, end)
			}
		} else if len(got.Secrets) != len(start) {
			// All of the walk was before the change, or the newest rows are in it.
			t.Errorf("changed at read %d: %d Secrets of the old state in a result of %d", at, old, len(got.Secrets))
		}
	}
	if changed < 20 {
		t.Errorf("only %d walks saw the change", changed)
	}
}

// hookSource calls hook before its at-th read.
type hookSource struct {
	*os.File
	mu   sync.Mutex
	at   int
	hook func()
}

func (h *hookSource) Size() (int64, error) { return fileSource{h.File}.Size() }

func (h *hookSource) ReadAt(b []byte, off int64) (int, error) {
	h.mu.Lock()
	if h.at--; h.at == 0 {
		h.hook()
	}
	h.mu.Unlock()
	return h.File.ReadAt(b, off)
}

// TestStillFileThatChanges: what was taken for still is read as live.
func TestStillFileThatChanges(t *testing.T) {
	s := newStore(t, 1024)
	s.cluster(rand.New(rand.NewSource(6)), 100)
	f, err := os.Open(s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	src := &hookSource{File: f, at: 20, hook: func() {
		s.put("/registry/secrets/shop/late", storedtest.ProtobufSecret("shop", "late", nil))
		s.put("/registry/secrets/shop/later", storedtest.ProtobufSecret("shop", "later", nil))
	}}
	db, gaps, err := Read(ctx, src, Options{Snapshot: true})
	if err != nil || !db.Complete {
		t.Fatal(err, gaps)
	}
	if got := db.Secrets[slot(db, "later")].Name; got != "later" || db.Revision != s.rev {
		t.Errorf("revision %d of %d, found %q", db.Revision, s.rev, got)
	}
}

// TestFaultWhileLive: a contradiction counts only if it is seen twice under the
// same tree; here the first read of a page is torn, and the second is not.
func TestFaultWhileLive(t *testing.T) {
	s := newStore(t, 1024)
	s.cluster(rand.New(rand.NewSource(6)), 100)
	file := s.bytes()
	want := mustRead(t, file, Options{Prefix: "/registry"})
	for at := 1; at < 60; at++ {
		src := &tornOnce{memory: file, at: at}
		db, gaps, err := Read(ctx, src, Options{Live: true, Prefix: "/registry"})
		if err != nil || !db.Complete || len(db.Secrets) != len(want.Secrets) {
			t.Fatalf("read %d torn: %v, %+v, %d of %d Secrets", at, err, gaps, len(db.Secrets), len(want.Secrets))
		}
	}
}

// tornOnce gives bytes of another page in one read.
type tornOnce struct {
	memory
	at int
}

func (s *tornOnce) ReadAt(b []byte, off int64) (int, error) {
	n, err := s.memory.ReadAt(b, off)
	if s.at--; s.at == 0 {
		for i := range b {
			b[i] ^= 0x55
		}
	}
	return n, err
}
