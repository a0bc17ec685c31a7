// Package kine compares pkg/collect/kine with databases that a real kine has written, and
// with what SQLite itself reads from them.
package kine

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/k3s-io/kine/pkg/endpoint"
	"github.com/sirupsen/logrus"
	clientv3 "go.etcd.io/etcd/client/v3"
	_ "modernc.org/sqlite"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/kine"
)

func TestMain(m *testing.M) {
	logrus.SetLevel(logrus.ErrorLevel)
	os.Exit(m.Run())
}

// server is a running kine and a client of it.
type server struct {
	t    testing.TB
	path string // of the database
	*clientv3.Client
	stop func()
}

// start starts kine on a database with the settings of k3s, listening on a socket in a
// directory of the test's own.
func start(t testing.TB, path string) *server {
	t.Helper()
	dir, err := os.MkdirTemp("", "kine")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	wg := &sync.WaitGroup{}
	socket := "unix://" + filepath.Join(dir, "kine.sock")
	etcd, err := endpoint.Listen(ctx, endpoint.Config{
		Listener: socket, WaitGroup: wg,
		Endpoint:        "sqlite://" + path + "?_journal_mode=WAL&_busy_timeout=30000&_synchronous=NORMAL&_txlock=immediate&_stmt_cache_size=20&cache=shared",
		NotifyInterval:  5 * time.Second,
		CompactInterval: 0, CompactTimeout: 5 * time.Second, CompactMinRetain: 1000, CompactBatchSize: 1000,
		PollBatchSize: 500, PollInterval: time.Second,
		EmulatedETCDVersion: "3.6.11",
	})
	if err != nil {
		t.Fatal(err)
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: etcd.Endpoints, DialTimeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, path: path, Client: client}
	var once sync.Once
	s.stop = func() {
		once.Do(func() {
			client.Close()
			cancel()
			wg.Wait()
			os.RemoveAll(dir)
		})
	}
	t.Cleanup(s.stop)
	return s
}

// put creates or changes a key as the API server does.
func (s *server) put(key string, value []byte) {
	s.t.Helper()
	ctx := context.Background()
	got, err := s.Get(ctx, key)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(got.Kvs) == 0 {
		r, err := s.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", 0)).Then(clientv3.OpPut(key, string(value))).Commit()
		if err != nil || !r.Succeeded {
			s.t.Fatal(err, r)
		}
		return
	}
	r, err := s.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", got.Kvs[0].ModRevision)).Then(clientv3.OpPut(key, string(value))).Else(clientv3.OpGet(key)).Commit()
	if err != nil || !r.Succeeded {
		s.t.Fatal(err, r)
	}
}

func (s *server) remove(key string) {
	s.t.Helper()
	ctx := context.Background()
	got, err := s.Get(ctx, key)
	if err != nil || len(got.Kvs) == 0 {
		s.t.Fatal(key, err)
	}
	r, err := s.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", got.Kvs[0].ModRevision)).Then(clientv3.OpDelete(key)).Else(clientv3.OpGet(key)).Commit()
	if err != nil || !r.Succeeded {
		s.t.Fatal(err, r)
	}
}

// compact asks kine to compact up to its newest revision.
func (s *server) compact() {
	s.t.Helper()
	ctx := context.Background()
	got, err := s.Get(ctx, "/registry/namespaces/default")
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.Compact(ctx, got.Header.Revision); err != nil {
		s.t.Fatal(err)
	}
}

// copies are the files of a database as they are at this moment.
func copies(t testing.TB, path string) (main, log []byte) {
	t.Helper()
	main, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	log, err = os.ReadFile(path + "-wal")
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return main, log
}

type memory struct{ *bytes.Reader }

func (m memory) Size() (int64, error) { return m.Reader.Size(), nil }

func files(main, log []byte) kine.Files {
	if log == nil {
		return kine.Given(memory{bytes.NewReader(main)}, nil)
	}
	return kine.Given(memory{bytes.NewReader(main)}, memory{bytes.NewReader(log)})
}

func read(t testing.TB, main, log []byte, opts kine.Options) (*fact.EtcdDB, []fact.Gap) {
	t.Helper()
	db, gaps, err := kine.Read(context.Background(), files(main, log), opts)
	if err != nil {
		t.Fatal(err)
	}
	return db, gaps
}

// query runs a query with SQLite on copies of the files.
func query(t testing.TB, main, log []byte, text string, row func(*sql.Rows)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(path, main, 0o600); err != nil {
		t.Fatal(err)
	}
	if log != nil {
		if err := os.WriteFile(path+"-wal", log, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(text)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		row(rows)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

func secretKey(ns, name string) string { return fmt.Sprintf("/registry/secrets/%s/%s", ns, name) }
