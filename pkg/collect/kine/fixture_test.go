package kine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/kine/kinetest"
)

// cli runs SQLite's own shell on a file. The test is skipped where it is not installed, and
// fails where CHECKLIST_REQUIRE_TOOLS=1 says that it is. Debian's shell wipes what is
// deleted unless it is told not to.
func cli(t testing.TB, path, script string) string {
	t.Helper()
	program, err := exec.LookPath("sqlite3")
	if err != nil {
		if os.Getenv("CHECKLIST_REQUIRE_TOOLS") == "1" {
			t.Fatal("sqlite3 is not installed")
		}
		t.Skip("sqlite3 is not installed")
	}
	cmd := exec.Command(program, "-batch", "-bail", path)
	cmd.Stdin = strings.NewReader("PRAGMA secure_delete=OFF;\n.output stdout\n" + script)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("sqlite3: %v: %.500s", err, stderr.String())
	}
	return string(out)
}

// fixture is a database, perhaps with a log.
type fixture struct{ main, log []byte }

// build makes a database with a script. The files are copied while the shell has it open:
// a log is as the script left it.
func build(t testing.TB, script string) fixture {
	t.Helper()
	dir := t.TempDir()
	cli(t, filepath.Join(dir, "open"), script+"\n.shell cp "+dir+"/open "+dir+"/db; cp "+dir+"/open-wal "+dir+"/db-wal 2>/dev/null || true\n")
	var f fixture
	var err error
	if f.main, err = os.ReadFile(filepath.Join(dir, "db")); err != nil {
		t.Fatal(err)
	}
	if f.log, err = os.ReadFile(filepath.Join(dir, "db-wal")); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return f
}

type memory struct{ *bytes.Reader }

func (m memory) Size() (int64, error) { return m.Reader.Size(), nil }

func (f fixture) files() Files {
	if f.log == nil {
		return Given(memory{bytes.NewReader(f.main)}, nil)
	}
	return Given(memory{bytes.NewReader(f.main)}, memory{bytes.NewReader(f.log)})
}

func (f fixture) read(t testing.TB, opts Options) (*fact.EtcdDB, []fact.Gap) {
	t.Helper()
	if opts.Path == "" {
		opts.Path = "state.db"
	}
	db, gaps, err := Read(context.Background(), f.files(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return db, gaps
}

// whole reads a database that has no fault.
func (f fixture) whole(t testing.TB, opts Options) *fact.EtcdDB {
	t.Helper()
	db, gaps := f.read(t, opts)
	for _, g := range gaps {
		if g.Reason != fact.Unsupported || !strings.Contains(g.Detail, "in an unknown form") {
			t.Fatalf("a gap: %s: %s", g.Reason, g.Detail)
		}
	}
	if !db.Complete || !db.History.Complete {
		t.Fatal("not complete")
	}
	return db
}

// expected is what the rows of a model say, found in another way: each revision of a Secret
// by its number.
func expected(m *kinetest.Model) (secrets []fact.StoredSecret, history fact.StoredHistory) {
	plain := func(b []byte) bool { return bytes.HasPrefix(b, []byte("k8s\x00")) || bytes.HasPrefix(b, []byte("{")) }
	type revision struct{ plain bool }
	names := map[string][]*kinetest.Row{}
	for _, r := range m.Rows {
		if key, ok := strings.CutPrefix(r.Name, "/registry/secrets/"); ok {
			names[key] = append(names[key], r)
		}
	}
	history.Complete, history.Compacted = true, m.Compacted
	for key, rows := range names {
		last := rows[len(rows)-1]
		older := map[int64]revision{}
		for _, r := range rows {
			if r != last && !r.Deleted {
				older[r.ID] = revision{plain(r.Value)}
			}
			if r.Old != nil {
				older[r.Prev] = revision{plain(r.Old)}
			}
		}
		count, newest := 0, int64(0)
		for id, rev := range older {
			history.Revisions++
			if rev.plain {
				count++
				newest = max(newest, id)
			}
		}
		history.Plaintext += count
		ns, name, _ := strings.Cut(key, "/")
		if last.Deleted {
			if count > 0 {
				history.Deleted = append(history.Deleted, fact.DeletedSecret{Namespace: ns, Name: name, Plaintext: count, Revision: newest})
			}
			continue
		}
		secrets = append(secrets, fact.StoredSecret{
			Namespace: ns, Name: name, Revision: last.ID, Size: len(last.Value),
			Older: int32(count), OlderRevision: newest, OldValue: plain(last.Old),
		})
	}
	history.DeletedTotal = len(history.Deleted)
	slices.SortFunc(secrets, func(a, b fact.StoredSecret) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	slices.SortFunc(history.Deleted, func(a, b fact.DeletedSecret) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	return secrets, history
}

// agrees compares what was read with a model, classes aside.
func agrees(t testing.TB, m *kinetest.Model, db *fact.EtcdDB) {
	t.Helper()
	secrets, history := expected(m)
	if db.Total != len(secrets) || len(db.Secrets) != len(secrets) {
		t.Fatalf("expected %d Secrets, found %d and %d", len(secrets), db.Total, len(db.Secrets))
	}
	byName := map[string]*kinetest.Row{}
	for _, r := range m.Rows {
		byName[r.Name] = r
	}
	for i, s := range db.Secrets {
		want := secrets[i]
		value := byName["/registry/secrets/"+s.Namespace+"/"+s.Name].Value
		if encrypted := bytes.HasPrefix(value, []byte("k8s:enc:")); encrypted != s.Class.Encrypted() || !encrypted != s.Class.Plaintext() {
			t.Errorf("%s/%s has class %s", s.Namespace, s.Name, s.Class)
		}
		s.Class, s.Provider, s.KeyGuessed, s.KeyID = "", "", false, ""
		if s != want {
			t.Errorf("expected %+v, found %+v", want, s)
		}
	}
	if got, want := fmt.Sprintf("%+v", *db.History), fmt.Sprintf("%+v", history); got != want {
		t.Errorf("expected %s\nfound %s", want, got)
	}
	if db.Revision != m.Last || db.Format != fact.FormatKine {
		t.Errorf("revision %d, format %q", db.Revision, db.Format)
	}
}
