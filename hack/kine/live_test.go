package kine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/kine"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// disk are the files of a running kine.
type disk struct{ *os.File }

func (d disk) Size() (int64, error) {
	info, err := d.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// running opens the files of a database by their names.
func running(t testing.TB, path string) kine.Files {
	t.Helper()
	main, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { main.Close() })
	return kine.Files{
		Main: disk{main},
		Log: func() (kine.Log, error) {
			f, err := os.Open(path + "-wal")
			if os.IsNotExist(err) {
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			return inode{disk{f}}, nil
		},
		Journal: func() (bool, error) {
			f, err := os.Open(path + "-journal")
			if os.IsNotExist(err) {
				return false, nil
			}
			if err != nil {
				return false, err
			}
			defer f.Close()
			return kine.Journal(f)
		},
	}
}

// TestLive reads a database while kine writes to it and compacts. Every read is complete
// and has each Secret in a revision that is not older than what was written before the
// read began.
func TestLive(t *testing.T) {
	reads, limit := 15, 20*time.Second
	if os.Getenv("KINE_LIVE_READS") != "" {
		fmt.Sscan(os.Getenv("KINE_LIVE_READS"), &reads)
		limit = time.Hour
	}
	path := filepath.Join(t.TempDir(), "state.db")
	s := start(t, path)
	r := rand.New(rand.NewSource(1))
	s.put("/registry/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
	const n = 300
	for i := range n {
		name := fmt.Sprintf("s%d", i)
		s.put(secretKey("shop", name), storedtest.AnySecret(r, "shop", name))
	}
	for i := range 2000 {
		s.put(fmt.Sprintf("/registry/configmaps/shop/c%d", i), storedtest.Protobuf("v1", "ConfigMap", make([]byte, 3000+r.Intn(6000))))
	}

	var mu sync.Mutex
	written := map[string]int64{}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	puts := 0
	write := func(seed int64) {
		defer wg.Done()
		r := rand.New(rand.NewSource(seed))
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			name := fmt.Sprintf("s%d", r.Intn(n/2)*2+int(seed))
			key := secretKey("shop", name)
			ctx := context.Background()
			got, err := s.Get(ctx, key)
			if err != nil {
				t.Error(err)
				return
			}
			rev, err := s.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", got.Kvs[0].ModRevision)).
				Then(clientv3.OpPut(key, string(storedtest.AnySecret(r, "shop", name)))).Else(clientv3.OpGet(key)).Commit()
			if err != nil || !rev.Succeeded {
				t.Error(err)
				return
			}
			mu.Lock()
			written[name] = rev.Header.Revision
			puts++
			mu.Unlock()
			if i%150 == 149 && seed == 0 {
				// kine learns of its own newest row by polling, and may not know it yet.
				if _, err := s.Compact(ctx, rev.Header.Revision); err != nil && !errors.Is(err, rpctypes.ErrFutureRev) {
					t.Error(err)
				}
			}
		}
	}
	wg.Add(2)
	go write(0)
	go write(1)
	files := running(t, path)
	began := time.Now()
	var slowest time.Duration
	chunked, timeouts := 0, 0
	// Writers and reader are as fast as the machine, so a read's deadline is real. One that
	// ends at it is read again with a later one: only what never comes to its end fails.
	patience := 30 * time.Second
	for i := 0; i < reads; {
		if i >= 3 && time.Since(began) > limit {
			reads = i // a busy machine
			break
		}
		mu.Lock()
		before := maps.Clone(written)
		mu.Unlock()
		at := time.Now()
		db, gaps, err := kine.Read(context.Background(), files, kine.Options{Live: true, Path: "state.db", Residue: i%2 == 0, Deadline: at.Add(patience)})
		if err != nil {
			t.Fatal(err)
		}
		slowest = max(slowest, time.Since(at))
		if slices.ContainsFunc(gaps, func(g fact.Gap) bool { return g.Reason == fact.Timeout }) && patience < 5*time.Minute {
			timeouts++
			patience *= 2
			continue
		}
		for _, g := range gaps {
			t.Errorf("read %d: gap %s: %s", i, g.Reason, g.Detail)
		}
		if !db.Complete || db.Total != n {
			t.Fatalf("read %d: complete %v, %d Secrets", i, db.Complete, db.Total)
		}
		found := map[string]fact.StoredSecret{}
		for _, s := range db.Secrets {
			found[s.Name] = s
		}
		for name, rev := range before {
			if found[name].Revision < rev {
				t.Errorf("read %d: %s has revision %d, and %d was written before", i, name, found[name].Revision, rev)
			}
		}
		for _, rem := range db.Remains {
			if rem.Reason == fact.Changing {
				chunked++
				break
			}
		}
		i++
	}
	close(stop)
	wg.Wait()
	t.Logf("%d reads, %d in chunks of those with residue, %d more ran out of time, slowest %v; %.0f puts/s", reads, chunked, timeouts, slowest, float64(puts)/time.Since(began).Seconds())
}
