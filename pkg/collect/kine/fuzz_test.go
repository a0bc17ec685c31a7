package kine

import (
	"bytes"
	"context"
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/kine/kinetest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// FuzzRead: no panic and an end, no byte of a value in what comes out, memory by the size of
// the file, and what is complete has no gap that says otherwise.
func FuzzRead(f *testing.F) {
	m := kinetest.New()
	m.Put(defaultKey, storedtest.Protobuf("v1", "Namespace", nil))
	m.Put("/registry/secrets/shop/a", plainSecret("a"))
	m.Put("/registry/secrets/shop/a", storedtest.JSONSecret("shop", "a", "CANARY"))
	m.Put("/registry/secrets/shop/b", storedtest.ProtobufSecret("shop", "b", bytes.Repeat([]byte("CANARY"), 300)))
	m.Delete("/registry/secrets/shop/a")
	sql := m.SQL()
	still := build(f, "PRAGMA page_size=512; PRAGMA journal_mode=DELETE;\n"+sql+"DELETE FROM kine WHERE id = 4;")
	logged := build(f, "PRAGMA page_size=512; PRAGMA journal_mode=WAL;\n"+sql)
	f.Add(still.main, []byte(nil), 600, []byte{9}, false)
	f.Add(still.main, []byte(nil), 2048, []byte{5, 0, 1}, true)
	f.Add(logged.main, logged.log, 40, []byte{1}, true)
	f.Fuzz(func(t *testing.T, main, log []byte, at int, with []byte, live bool) {
		if at >= 0 && at < len(main) {
			main = append([]byte(nil), main...)
			copy(main[at:], with)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		files := fixture{main, log}.files()
		opts := Options{Path: "state.db", Residue: true, Resources: true, Live: live, Deadline: time.Now().Add(10 * time.Second)}
		db, gaps, err := Read(context.Background(), files, opts)
		runtime.ReadMemStats(&after)
		if err != nil {
			if db != nil || !utf8.ValidString(err.Error()) {
				t.Fatalf("%v, %v", db, err)
			}
			return
		}
		for _, g := range gaps {
			if strings.Contains(g.Detail, panicked) {
				t.Fatal(g.Detail)
			}
		}
		if db.History != nil && db.Complete != db.History.Complete {
			t.Fatalf("complete %v, history %+v", db.Complete, db.History)
		}
		out, err := json.Marshal(struct{ DB, Gaps any }{db, gaps})
		if err != nil || bytes.Contains(out, []byte("CANARY")) {
			t.Fatalf("%v: %s", err, out)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 48<<20+uint64(len(main)+len(log))*200 {
			t.Fatalf("%d bytes allocated for files of %d and %d", n, len(main), len(log))
		}
	})
}
