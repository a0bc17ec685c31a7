package kine

import (
	"bytes"
	"database/sql"
	"fmt"
	"maps"
	"math/rand"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/kine"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

func canary(i, version int) []byte { return fmt.Appendf(nil, "CANARY-%05d-%d-END", i, version) }

// TestSteps is what an administrator does: Secrets in plaintext, encrypted once, changed
// again, compacted, restarted. At each step the Secrets that we name are those whose
// canaries a search finds in the bytes of the files, and the rows, current and old, are
// those that SQLite finds.
func TestSteps(t *testing.T) {
	const n = 90 // as many as are named
	path := filepath.Join(t.TempDir(), "state.db")
	s := start(t, path)
	r := rand.New(rand.NewSource(1))
	s.put("/registry/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
	name := func(i int) string { return fmt.Sprintf("s%05d", i) }

	// expect are numbers of Secrets: current in plaintext, with plaintext in old_value of
	// the current row, with any older revision in plaintext; and deleted with plaintext. And
	// which places must hold values, and which must not.
	type expect struct {
		current, oldValue, older, deleted int
		has, hasNot                       []fact.RemainsPlace
	}
	step := func(what string, want expect) {
		t.Helper()
		main, log := copies(t, path)
		db, gaps := read(t, main, log, kine.Options{Path: "state.db", Residue: true})
		for _, g := range gaps {
			t.Errorf("%s: gap %s: %s", what, g.Reason, g.Detail)
		}
		found := map[string]bool{}
		var got expect
		for _, s := range db.Secrets {
			if s.Class.Plaintext() {
				got.current++
			}
			if s.OldValue {
				got.oldValue++
			}
			if s.Older > 0 {
				got.older++
			}
			if s.Class.Plaintext() || s.Older > 0 || s.OldValue {
				found[s.Name] = true
			}
		}
		got.deleted = db.History.DeletedTotal
		for _, d := range db.History.Deleted {
			found[d.Name] = true
		}
		values := map[fact.RemainsPlace]int{}
		for _, rem := range db.Remains {
			values[rem.Place] = rem.Values
			for _, s := range rem.Secrets {
				found[s.Name] = true
			}
			if !rem.Complete || rem.Unnamed > 0 {
				t.Errorf("%s: %+v", what, rem)
			}
		}
		raw, in := map[string]bool{}, [2]int{}
		for i, b := range [][]byte{main, log} {
			for _, m := range canaryPattern.FindAllSubmatch(b, -1) {
				raw["s"+string(m[1])] = true
				in[i]++
			}
		}
		t.Logf("%-14s rev %4d compacted %4d: current %d, old_value %d, older %d, deleted %d, plaintext in history %d; %v; canaries %d in %d KB and %d in %d KB of log",
			what, db.Revision, db.History.Compacted, got.current, got.oldValue, got.older, got.deleted, db.History.Plaintext, values, in[0], len(main)>>10, in[1], len(log)>>10)
		if !maps.Equal(found, raw) {
			t.Errorf("%s: %d Secrets are named, and canaries of %d are in the bytes", what, len(found), len(raw))
		}
		if got.current != want.current || got.oldValue != want.oldValue || got.older != want.older || got.deleted != want.deleted {
			t.Errorf("%s: expected %+v, found %+v", what, want, got)
		}
		for _, place := range want.has {
			if values[place] == 0 {
				t.Errorf("%s: no value in %s", what, place)
			}
		}
		for _, place := range want.hasNot {
			if values[place] > 0 {
				t.Errorf("%s: %d values in %s", what, values[place], place)
			}
		}
		agree(t, main, log, db)
	}
	everywhere := []fact.RemainsPlace{fact.InFreePages, fact.InPageSlack, fact.InShadowed, fact.BehindEnd, fact.InLog}
	for i := range n {
		s.put(secretKey("shop", name(i)), storedtest.ProtobufSecret("shop", name(i), canary(i, 1)))
	}
	step("plaintext", expect{current: n, hasNot: everywhere})
	for i := range n {
		s.put(secretKey("shop", name(i)), storedtest.AESCBC(r, "key1", 20))
	}
	step("encrypted once", expect{oldValue: n, older: n, hasNot: everywhere})
	for i := range n {
		s.put(secretKey("shop", name(i)), storedtest.AESCBC(r, "key1", 20))
	}
	step("changed again", expect{older: n, hasNot: everywhere})
	s.remove(secretKey("shop", name(7)))
	s.compact()
	step("compacted", expect{older: n - 1, deleted: 1, hasNot: everywhere}) // it keeps 1,000 revisions
	for i := range 1100 {
		s.put("/registry/leases/kube-system/x", fmt.Appendf(nil, "lease %d", i))
	}
	s.compact()
	step("after 1,100 more", expect{has: []fact.RemainsPlace{fact.InFreePages}})
	s.stop()
	step("stopped", expect{has: []fact.RemainsPlace{fact.InFreePages}, hasNot: []fact.RemainsPlace{fact.InLog}})
	s = start(t, path)
	// The VACUUM lies in the log, and the main file is as it was.
	step("started", expect{has: []fact.RemainsPlace{fact.InShadowed}, hasNot: []fact.RemainsPlace{fact.InFreePages, fact.InPageSlack, fact.InLog}})
	s.stop()
	step("stopped again", expect{hasNot: everywhere})
}

var canaryPattern = regexp.MustCompile(`CANARY-(\d{5})-\d+-END`)

// agree compares the current rows and the old ones with those that SQLite finds.
func agree(t testing.TB, main, log []byte, db *fact.EtcdDB) {
	t.Helper()
	type row struct {
		id      int64
		deleted bool
		plain   bool
		size    int
	}
	isPlain := func(b []byte) bool { return bytes.HasPrefix(b, []byte("k8s\x00")) || bytes.HasPrefix(b, []byte("{")) }
	last := map[string]row{}
	older := map[string]map[int64]bool{} // revisions in plaintext
	note := func(name string, id int64) {
		if older[name] == nil {
			older[name] = map[int64]bool{}
		}
		older[name][id] = true
	}
	revision, oldValue := int64(0), map[string]bool{}
	query(t, main, log, "SELECT id, name, deleted, prev_revision, value, old_value FROM kine ORDER BY id", func(rows *sql.Rows) {
		var id, prev int64
		var name string
		var deleted bool
		var value, old []byte
		if err := rows.Scan(&id, &name, &deleted, &prev, &value, &old); err != nil {
			t.Fatal(err)
		}
		revision = id
		key, ok := strings.CutPrefix(name, "/registry/secrets/")
		if !ok {
			return
		}
		if before, known := last[key]; known && before.plain {
			note(key, before.id)
		}
		if isPlain(old) {
			note(key, prev)
		}
		last[key] = row{id, deleted, isPlain(value) && !deleted, len(value)}
		oldValue[key] = isPlain(old)
	})
	live := 0
	for _, s := range db.Secrets {
		key := s.Namespace + "/" + s.Name
		if r := last[key]; r.deleted || r.id != s.Revision || r.size != s.Size || r.plain != s.Class.Plaintext() || int(s.Older) != len(older[key]) || s.OldValue != oldValue[key] {
			t.Errorf("%+v, in SQLite: %+v, older %d", s, r, len(older[key]))
		}
	}
	deleted, plaintext := 0, 0
	for key, r := range last {
		plaintext += len(older[key])
		if !r.deleted {
			live++
		} else if len(older[key]) > 0 {
			deleted++
		}
	}
	if live != db.Total || deleted != db.History.DeletedTotal || revision != db.Revision || plaintext != db.History.Plaintext {
		t.Errorf("in SQLite: %d Secrets, %d deleted with plaintext, revision %d, %d old in plaintext; found %d, %d, %d, %d",
			live, deleted, revision, plaintext, db.Total, db.History.DeletedTotal, db.Revision, db.History.Plaintext)
	}
}
