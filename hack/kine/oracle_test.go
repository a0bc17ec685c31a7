package kine

import (
	"bytes"
	"database/sql"
	"fmt"
	"maps"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/kine"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/kine/kinetest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// generate makes a database with SQLite, which wipes nothing, and copies its files while it
// is open.
func generate(t testing.TB, begin string, statements ...string) (main, log []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "open.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, text := range append([]string{begin}, statements...) {
		if _, err := db.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	return copies(t, path)
}

var modes = []struct{ begin, end string }{
	{"PRAGMA journal_mode=DELETE;", ""},
	{"PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;", ""},
	{"PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=50;", ""},
	{"PRAGMA journal_mode=WAL;", "VACUUM;"},
	{"PRAGMA journal_mode=WAL;", "VACUUM; PRAGMA wal_checkpoint(TRUNCATE);"},
	{"PRAGMA journal_mode=WAL;", "PRAGMA wal_checkpoint(RESTART); UPDATE kine SET lease = 1 WHERE id < 20;"},
}

// TestSQLiteAgrees compares random databases with what SQLite reads from them: every page
// size, values of 1 MB, with and without a log, vacuumed.
func TestSQLiteAgrees(t *testing.T) {
	rows := 0
	for size := 512; size <= 65536; size *= 2 {
		for i, mode := range modes {
			m := kinetest.New()
			r := rand.New(rand.NewSource(int64(size + i)))
			m.Run(r, 150, 2*size+3000)
			m.Put(secretKey("big", "one"), storedtest.ProtobufSecret("big", "one", bytes.Repeat([]byte("x"), 1<<20)))
			m.Put(secretKey("big", "one"), storedtest.AESCBC(r, "key1", 1<<16))
			m.Run(r, 100, 2*size+3000)
			main, log := generate(t, fmt.Sprintf("PRAGMA page_size=%d; PRAGMA synchronous=OFF; %s", size, mode.begin), m.SQL(), mode.end)
			db, gaps := read(t, main, log, kine.Options{Path: "state.db", Residue: true})
			for _, g := range gaps {
				t.Errorf("page size %d, mode %d: %s: %s", size, i, g.Reason, g.Detail)
			}
			agree(t, main, log, db)
			rows += len(m.Rows)
		}
	}
	t.Logf("%d rows", rows)
}

// TestCanaries searches random databases for canaries. Every Secret that a canary names in
// the bytes of the files is named, and no other.
func TestCanaries(t *testing.T) {
	values, missed := 0, 0
	for seed := range 60 {
		r := rand.New(rand.NewSource(int64(seed)))
		mode := modes[seed%len(modes)]
		m := kinetest.New()
		m.Put("/registry/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
		for range 300 {
			i := r.Intn(60)
			name := fmt.Sprintf("s%05d", i)
			key := secretKey("shop", name)
			switch r.Intn(10) {
			case 0, 1, 2:
				// The canary directly follows the start of the value.
				m.Put(key, storedtest.ProtobufSecret("shop", name, append(canary(i, 1), make([]byte, r.Intn(300))...)))
			case 3:
				m.Put("/registry/configmaps/shop/"+name, make([]byte, r.Intn(9000)))
			case 4:
				for _, k := range m.Keys() {
					if k == key {
						m.Delete(key)
					}
				}
			default:
				m.Put(key, storedtest.AESCBC(r, "key1", 1+r.Intn(20)))
			}
			if r.Intn(60) == 0 {
				m.Compact(m.Last)
			}
		}
		var statements []string
		for text := range strings.SplitAfterSeq(m.SQL(), ";\n") {
			statements = append(statements, text)
		}
		main, log := generate(t, "PRAGMA page_size=4096; PRAGMA synchronous=OFF; "+mode.begin, append(statements, mode.end)...)
		db, gaps := read(t, main, log, kine.Options{Path: "state.db", Residue: true})
		if len(gaps) > 0 {
			t.Fatal(gaps)
		}
		found := named(db)
		raw := map[string]bool{}
		for _, b := range [][]byte{main, log} {
			for _, m := range canaryPattern.FindAllSubmatch(b, -1) {
				raw["s"+string(m[1])] = true
				values++
			}
		}
		if !maps.Equal(found, raw) {
			for name := range raw {
				if !found[name] {
					missed++
					t.Logf("seed %d: canary of %s is in the bytes and not found", seed, name)
				}
			}
			for name := range found {
				if !raw[name] {
					t.Logf("seed %d: %s is named, and no canary of it is in the bytes", seed, name)
				}
			}
		}
		if want := os.Getenv("KINE_SHOW"); want != "" {
			t.Logf("%+v", db.Remains)
		}
	}
	t.Logf("%d canaries", values)
	if missed > 0 {
		t.Errorf("%d Secrets were missed", missed)
	}
}

// named are the Secrets of which a value in plaintext was found anywhere.
func named(db *fact.EtcdDB) map[string]bool {
	found := map[string]bool{}
	for _, s := range db.Secrets {
		if s.Class.Plaintext() || s.Older > 0 || s.OldValue {
			found[s.Name] = true
		}
	}
	for _, d := range db.History.Deleted {
		found[d.Name] = true
	}
	for _, rem := range db.Remains {
		for _, s := range rem.Secrets {
			found[s.Name] = true
		}
	}
	return found
}
