package kine

import (
	"bytes"
	"context"
	"io"
	"math/rand"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/kine/kinetest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

const defaultKey = "/registry/namespaces/default"

// encrypted is a database with Secrets of which every current revision is encrypted.
func encrypted() *kinetest.Model {
	m := kinetest.New()
	r := rand.New(rand.NewSource(1))
	m.Put(defaultKey, storedtest.Protobuf("v1", "Namespace", nil))
	for _, name := range []string{"a", "b", "c"} {
		m.Put("/registry/secrets/shop/"+name, storedtest.AESCBC(r, "key1", 3))
	}
	return m
}

func plainSecret(name string) []byte {
	return storedtest.ProtobufSecret("shop", name, []byte("CANARY"))
}

func buildModel(t testing.TB, m *kinetest.Model) fixture {
	return build(t, "PRAGMA journal_mode=DELETE; PRAGMA synchronous=OFF;\n"+m.SQL())
}

// TestRules has one database for each rule: what is said about its Secrets, and its gaps.
func TestRules(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for _, tc := range []struct {
		name     string
		change   func(m *kinetest.Model)
		opts     Options
		secrets  []string // NAME CLASS REVISION OLDER OLDVALUE
		history  fact.StoredHistory
		gaps     []string
		complete bool
		prefix   string
	}{
		{
			name: "encrypted once: the old value is plaintext", change: func(m *kinetest.Model) {
				m.Put("/registry/secrets/shop/d", plainSecret("d"))
				m.Put("/registry/secrets/shop/d", storedtest.AESCBC(r, "key1", 3))
			},
			secrets:  []string{"d aescbc older 1 of 7, old_value"},
			history:  fact.StoredHistory{Complete: true, Revisions: 1, Plaintext: 1},
			complete: true,
		},
		{
			name: "encrypted once and compacted: the old value stays", change: func(m *kinetest.Model) {
				m.Put("/registry/secrets/shop/d", plainSecret("d"))
				m.Put("/registry/secrets/shop/d", storedtest.AESCBC(r, "key1", 3))
				m.Compact(m.Last)
			},
			secrets:  []string{"d aescbc older 1 of 7, old_value"},
			history:  fact.StoredHistory{Complete: true, Compacted: 8, Revisions: 1, Plaintext: 1},
			complete: true,
		},
		{
			name: "changed twice: only history", change: func(m *kinetest.Model) {
				m.Put("/registry/secrets/shop/d", plainSecret("d"))
				m.Put("/registry/secrets/shop/d", storedtest.AESCBC(r, "key1", 3))
				m.Put("/registry/secrets/shop/d", storedtest.AESCBC(r, "key1", 3))
			},
			secrets:  []string{"d aescbc older 1 of 7"},
			history:  fact.StoredHistory{Complete: true, Revisions: 2, Plaintext: 1},
			complete: true,
		},
		{
			name: "changed twice and compacted: nothing", change: func(m *kinetest.Model) {
				m.Put("/registry/secrets/shop/d", plainSecret("d"))
				m.Put("/registry/secrets/shop/d", storedtest.AESCBC(r, "key1", 3))
				m.Put("/registry/secrets/shop/d", storedtest.AESCBC(r, "key1", 3))
				m.Compact(m.Last)
			},
			secrets:  []string{"d aescbc"},
			history:  fact.StoredHistory{Complete: true, Compacted: 9, Revisions: 1},
			complete: true,
		},
		{
			name: "deleted: the tombstone has the last value", change: func(m *kinetest.Model) {
				m.Put("/registry/secrets/shop/d", plainSecret("d"))
				m.Delete("/registry/secrets/shop/d")
			},
			history:  fact.StoredHistory{Complete: true, Revisions: 1, Plaintext: 1, Deleted: []fact.DeletedSecret{{Namespace: "shop", Name: "d", Plaintext: 1, Revision: 7}}, DeletedTotal: 1},
			complete: true,
		},
		{
			name: "a Secret of an unknown form costs no other", change: func(m *kinetest.Model) {
				m.Put("/registry/secrets/shop/d", []byte("k8s:enc:other:v1:x:yyyy"))
			},
			secrets:  []string{"d encrypted-unknown"},
			history:  fact.StoredHistory{Complete: true},
			gaps:     []string{"Unsupported 1 Secrets are stored in an unknown form (first: shop/d)"},
			complete: true,
		},
		{
			name: "a plaintext Secret at another key", change: func(m *kinetest.Model) {
				m.Put("/other/secrets/shop/d", plainSecret("d"))
			},
			history: fact.StoredHistory{},
			gaps:    []string{"Unsupported 1 rows with Secrets in plaintext under another key than /registry/secrets/ (first: row 7) are not judged"},
		},
		{
			name: "a custom resource called secrets is none", change: func(m *kinetest.Model) {
				m.Put("/registry/example.com/secrets/shop/d", []byte(`{"kind":"Secret","apiVersion":"example.com/v1"}`))
			},
			history:  fact.StoredHistory{Complete: true},
			complete: true,
		},
		{
			name: "a flipped bit in a key", change: func(m *kinetest.Model) {
				m.Put("/registry/secretr/shop/d", storedtest.AESCBC(r, "key1", 3))
			},
			secrets: []string{"a unknown, last aescbc", "b unknown, last aescbc", "c unknown, last aescbc"},
			gaps:    []string{"Corrupt row 7: a key that differs in one byte from those of Secrets"},
		},
		{
			name: "no default namespace", change: func(m *kinetest.Model) { m.Delete(defaultKey); m.Compact(m.Last) },
			history: fact.StoredHistory{Compacted: 7},
			gaps:    []string{"NotPresent no key /registry/namespaces/default: the prefix is another"},
		},
		{
			name: "another prefix is learned", change: func(m *kinetest.Model) {
				m.Delete(defaultKey)
				m.Put("/k8s/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
				m.Put("/k8s/secrets/shop/z", storedtest.AESCBC(r, "key1", 3))
			},
			secrets: []string{"-a", "-b", "-c", "z aescbc"}, prefix: "/k8s",
			history:  fact.StoredHistory{Complete: true},
			complete: true,
		},
		{
			name: "two clusters", change: func(m *kinetest.Model) {
				m.Put("/k8s/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
			},
			gaps: []string{"Unsupported keys of more than one cluster, with the prefixes /k8s, /registry"},
		},
		{
			name: "a given prefix that is wrong", opts: Options{Prefix: "/other", PrefixFrom: "--etcd-prefix"}, change: func(*kinetest.Model) {},
			secrets: []string{"-a", "-b", "-c"}, prefix: "/other",
			gaps: []string{"NotPresent no key /other/namespaces/default: the prefix is another"},
		},
		{
			name: "a missing row", change: func(m *kinetest.Model) {
				m.Put("/registry/secrets/shop/a", plainSecret("a"))
				m.Put("/registry/secrets/shop/a", storedtest.AESCBC(r, "key1", 3))
				m.Exec("DELETE FROM kine WHERE id = 7")
			},
			secrets: []string{"a aescbc older 1 of 7, old_value", "b unknown, last aescbc", "c unknown, last aescbc"},
			history: fact.StoredHistory{Revisions: 2, Plaintext: 1},
			gaps:    []string{"Corrupt row 8: the row that it follows is missing, and compaction has not reached it"},
		},
		{
			name: "a live row that is marked as deleted", change: func(m *kinetest.Model) {
				m.Put("/registry/secrets/shop/a", plainSecret("a"))
				m.Exec("UPDATE kine SET deleted = 1 WHERE id = 7")
			},
			secrets: []string{"-a", "b unknown, last aescbc", "c unknown, last aescbc"},
			history: fact.StoredHistory{Revisions: 2, Plaintext: 1, Deleted: []fact.DeletedSecret{{Namespace: "shop", Name: "a", Plaintext: 1, Revision: 4}}, DeletedTotal: 1},
			gaps:    []string{"Corrupt row 7: a deletion with a value that was not there before"},
		},
		{
			name: "a value of another type", change: func(m *kinetest.Model) {
				m.Exec("UPDATE kine SET value = 7 WHERE name = '/registry/secrets/shop/c'")
			},
			secrets: []string{"a unknown, last aescbc", "b unknown, last aescbc", "-c"},
			gaps:    []string{"Corrupt row 6: its value is a value of type integer"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := encrypted()
			tc.change(m)
			db, gaps := buildModel(t, m).read(t, tc.opts)
			want := map[string]string{"a": "a aescbc", "b": "b aescbc", "c": "c aescbc"}
			for _, s := range tc.secrets {
				name, _, _ := strings.Cut(s, " ")
				if gone, ok := strings.CutPrefix(name, "-"); ok {
					delete(want, gone)
				} else {
					want[name] = s
				}
			}
			for _, s := range db.Secrets {
				got := s.Name + " " + string(s.Class)
				if s.LastSeen != "" {
					got = s.Name + " unknown, last " + string(s.LastSeen)
				}
				if s.Older > 0 {
					got += " older " + string(rune('0'+s.Older)) + " of " + string(rune('0'+s.OlderRevision))
				}
				if s.OldValue {
					got += ", old_value"
				}
				if got != want[s.Name] {
					t.Errorf("expected %q, found %q", want[s.Name], got)
				}
				delete(want, s.Name)
			}
			if len(want) > 0 {
				t.Errorf("not found: %v", want)
			}
			var found []string
			for _, g := range gaps {
				found = append(found, string(g.Reason)+" "+strings.TrimPrefix(g.Detail, "state.db: "))
			}
			if strings.Join(found, "\n") != strings.Join(tc.gaps, "\n") {
				t.Errorf("expected gaps %q, found %q", tc.gaps, found)
			}
			if db.Complete != tc.complete {
				t.Errorf("complete: %v", db.Complete)
			}
			history := *db.History
			if tc.complete || tc.history.Revisions > 0 {
				if len(history.Deleted) == 0 {
					history.Deleted = nil
				}
				if got, want := describe(history), describe(tc.history); got != want {
					t.Errorf("expected history %s, found %s", want, got)
				}
			}
			if want := tc.prefix; want != "" && db.Prefix != want || want == "" && db.Prefix != "/registry" {
				t.Errorf("prefix %q, %q", db.Prefix, db.PrefixFrom)
			}
		})
	}
}

func describe(h fact.StoredHistory) string {
	return strings.Join([]string{fmtInt(h.Revisions), fmtInt(h.Plaintext), fmtInt(h.Unknown), fmtInt(int(h.Compacted)), fmtInt(h.DeletedTotal), fmtInt(len(h.Deleted))}, " ")
}

func fmtInt(n int) string { return strings.TrimSpace(strings.Repeat("+", n) + "=") }

// TestNotKine wants clear errors for files that are something else.
func TestNotKine(t *testing.T) {
	for _, tc := range []struct{ name, sql, want string }{
		{"no table", "CREATE TABLE other(a);", `expected kine's table with columns id, name, created, deleted, create_revision, prev_revision, lease, value, old_value: table "kine": no such table`},
		{"other columns", "CREATE TABLE kine(id INTEGER PRIMARY KEY, name, [a b], value);", "expected kine's table with columns id, name, created, deleted, create_revision, prev_revision, lease, value, old_value, found id, name, ?, value"},
		{"an id that is not the rowid", "CREATE TABLE kine(id TEXT, name, created, deleted, create_revision, prev_revision, lease, value, old_value);", "found id (not INTEGER PRIMARY KEY), name, created"},
		{"UTF-16", "PRAGMA encoding='UTF-16le';" + kinetest.Schema, "expected texts in UTF-8, found UTF-16le"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, err := Read(context.Background(), build(t, tc.sql).files(), Options{Path: "state.db"})
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "reading state.db: ") {
				t.Errorf("expected %q, found %v", tc.want, err)
			}
		})
	}
	for _, b := range []string{"", "SQLite format 3\x00", strings.Repeat("x", 5000)} {
		if _, _, err := Read(context.Background(), fixture{main: []byte(b)}.files(), Options{}); err == nil {
			t.Errorf("no error for %d bytes", len(b))
		}
	}
}

// sparse is a file that claims more than it has.
type sparse struct {
	memory
	size int64
	took time.Duration // by each read behind the end of what memory has
}

func (s sparse) Size() (int64, error) { return s.size, nil }

func (s sparse) ReadAt(p []byte, off int64) (int, error) {
	if off >= s.size {
		return 0, io.EOF
	}
	clear(p)
	if off < s.memory.Reader.Size() {
		_, _ = s.memory.ReadAt(p, off)
	} else {
		time.Sleep(s.took)
	}
	return len(p), nil
}

// TestSparse reads a file with 64 GiB of zeros behind its end. The rows are read, and the
// search behind the end stops at the deadline.
func TestSparse(t *testing.T) {
	f := buildModel(t, encrypted())
	synctest.Test(t, func(t *testing.T) {
		files := Given(sparse{memory{bytes.NewReader(f.main)}, 64 << 30, 10 * time.Millisecond}, nil)
		db, gaps, err := Read(context.Background(), files, Options{Path: "state.db", Residue: true, Deadline: time.Now().Add(300 * time.Millisecond)})
		if err != nil || len(gaps) > 0 || db.Total != 3 || !db.Complete {
			t.Fatal(err, gaps)
		}
		behind := 0
		for _, r := range db.Remains {
			complete := r.Place != fact.BehindEnd
			if r.Complete != complete || !complete && r.Reason != fact.Timeout {
				t.Errorf("%+v", r)
			}
			if !complete {
				behind++
			}
		}
		if behind != 1 {
			t.Errorf("%d places behind the end", behind)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		db, gaps, err = Read(ctx, files, Options{Path: "state.db", Residue: true})
		if err != nil || len(gaps) != 1 || gaps[0].Reason != fact.Interrupted || db.Complete {
			t.Error(err, gaps)
		}
	})
}

// TestBehind finds values behind the last page, whatever lies between, and says where it
// stopped in a file that is longer than any database.
func TestBehind(t *testing.T) {
	f := buildModel(t, encrypted())
	at := func(size, off int64) sparse {
		main := make([]byte, off, off+4096)
		copy(main, f.main)
		return sparse{memory: memory{bytes.NewReader(append(main, plainSecret("d")...))}, size: size}
	}
	end := int64(len(f.main))
	for name, tc := range map[string]struct {
		size, off int64
		complete  bool
	}{
		"at once":      {end + 4096, end, true},
		"behind zeros": {end + 5*bulk, end + 3*bulk + 8192, true},
		"in the last page of what is read at once": {end + 5*bulk, end + bulk - 4096, true},
		"in a part of a page":                      {end + bulk + int64(len(plainSecret("d"))), end + bulk, true},
		"a sparse file":                            {64 << 30, end + bulk, false},
	} {
		t.Run(name, func(t *testing.T) {
			db, _, err := Read(context.Background(), Given(at(tc.size, tc.off), nil), Options{Path: "state.db", Residue: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range db.Remains {
				if r.Place != fact.BehindEnd {
					continue
				}
				if r.Values != 1 || r.Complete != tc.complete || tc.complete && r.Scanned != tc.size-end || !tc.complete && (r.Reason != fact.Truncated || r.Scanned != maxBehind) {
					t.Errorf("%+v", r)
				}
			}
		})
	}
}

// TestJournal reads nothing while a transaction changes the main file.
func TestJournal(t *testing.T) {
	files := buildModel(t, encrypted()).files()
	for _, tc := range []struct {
		content string
		hot     bool
	}{{"", false}, {"\x00\x00\x00\x00\x00\x00\x00\x00rest", false}, {"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7", true}, {"x", true}} {
		files.Journal = func() (bool, error) { return Journal(strings.NewReader(tc.content)) }
		db, gaps, err := Read(context.Background(), files, Options{Path: "state.db"})
		if err != nil {
			t.Fatal(err)
		}
		if hot := len(gaps) == 1 && gaps[0].Reason == fact.Changing && !db.Complete && db.Total == 0; hot != tc.hot {
			t.Errorf("%q: %+v", tc.content, gaps)
		}
	}
}

// TestOld counts every value in plaintext in a database that is no longer used.
func TestOld(t *testing.T) {
	m := encrypted()
	m.Put("/registry/secrets/shop/d", plainSecret("d"))
	m.Put("/registry/secrets/shop/d", plainSecret("d"))                       // value and old_value
	m.Put("/registry/secrets/shop/e", plainSecret("e"))                       // value
	m.Put("/registry/secrets/shop/e", storedtest.JSONSecret("shop", "e", "")) // value and old_value
	m.Delete("/registry/secrets/shop/e")                                      // old_value
	old, err := ReadOld(context.Background(), buildModel(t, m).files(), Options{Path: "state.db.migrated"})
	if err != nil {
		t.Fatal(err)
	}
	if old.Values != 7 || old.SecretsTotal != 2 || !old.Complete || old.Place != fact.InOldStore || old.Scanned == 0 || old.Unnamed != 0 {
		t.Errorf("%+v", old)
	}
}

// TestResources counts the current objects of other resources without keeping their names.
func TestResources(t *testing.T) {
	m := encrypted()
	r := rand.New(rand.NewSource(1))
	for range 300 {
		key := "/registry/configmaps/shop/c" + string(rune('a'+r.Intn(8)))
		switch value := storedtest.Protobuf("v1", "ConfigMap", nil); r.Intn(6) {
		case 0:
			for _, k := range m.Keys() {
				if k == key {
					m.Delete(key)
				}
			}
		case 1:
			if r.Intn(5) == 0 {
				m.Compact(m.Last - int64(r.Intn(int(m.Last-m.Compacted))))
			}
		case 2, 3:
			m.Put(key, storedtest.AESGCM(r, "k", 50))
		default:
			m.Put(key, value)
		}
	}
	want := map[fact.StorageClass]int{}
	for _, key := range m.Keys() {
		for _, row := range m.Rows {
			if row.Name == key && strings.HasPrefix(key, "/registry/configmaps/") && row == lastOf(m, key) {
				class := fact.ClassIdentityProtobuf
				if bytes.HasPrefix(row.Value, []byte("k8s:enc:")) {
					class = fact.ClassAESGCM
				}
				want[class]++
			}
		}
	}
	db := buildModel(t, m).whole(t, Options{Resources: true})
	if len(want) != 2 || len(db.Resources) != 3 || db.Resources[2] != (fact.StoredResource{Dir: "namespaces", Class: fact.ClassIdentityProtobuf, Count: 1}) {
		t.Fatalf("%+v, expected %v", db.Resources, want)
	}
	for _, got := range db.Resources[:2] {
		if got.Dir != "configmaps" || got.Count != want[got.Class] {
			t.Errorf("%+v, expected %d", got, want[got.Class])
		}
	}
}

func lastOf(m *kinetest.Model, key string) (last *kinetest.Row) {
	for _, row := range m.Rows {
		if row.Name == key {
			last = row
		}
	}
	return last
}
