package etcd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// withSum is the file that etcdctl snapshot save writes.
func withSum(db []byte) []byte {
	sum := sha256.Sum256(db)
	return append(bytes.Clone(db), sum[:]...)
}

func write(t *testing.T, path string, content []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadSnapshot(t *testing.T) {
	s := newStore(t, 4096)
	s.cluster(rand.New(rand.NewSource(9)), 60)
	snapshot := withSum(s.snapshot())
	bare := s.bytes()
	want := oracle(t, s.path)
	for name, tc := range map[string]struct {
		file, open string
		content    []byte
	}{
		"an etcdctl snapshot":   {"backup.db", "backup.db", snapshot},
		"a bare file":           {"x/whatever", "x/whatever", bare},
		"a data directory":      {"etcd/member/snap/db", "etcd", bare},
		"a member directory":    {"etcd/member/snap/db", "etcd/member", bare},
		"a snap directory":      {"etcd/member/snap/db", "etcd/member/snap", bare},
		"kubeadm's copy of one": {"kubeadm-backup-etcd-1/etcd/member/snap/db", "kubeadm-backup-etcd-1/etcd", bare},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := write(t, filepath.Join(dir, filepath.FromSlash(tc.file)), tc.content)
			old := time.Now().Add(-time.Hour).Truncate(time.Second)
			if err := os.Chtimes(path, old, old); err != nil {
				t.Fatal(err)
			}
			db, gaps, err := ReadSnapshot(ctx, filepath.Join(dir, filepath.FromSlash(tc.open)), Options{})
			if err != nil || len(gaps) > 0 {
				t.Fatal(err, gaps)
			}
			if diff := cmp.Diff(want, db.Secrets); diff != "" {
				t.Errorf("Secrets (-bbolt +ours):\n%s", diff)
			}
			if db.Path != path || db.Size != int64(len(tc.content)) || !db.Snapshot || !db.Complete {
				t.Errorf("got %+v", db)
			}
			after, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(after, tc.content) {
				t.Errorf("the file was changed: %v", err)
			}
			info, err := os.Stat(path)
			if err != nil || !info.ModTime().Equal(old) {
				t.Errorf("mtime was %v, is %v (%v)", old, info.ModTime(), err)
			}
			left, err := os.ReadDir(filepath.Dir(path))
			if err != nil || len(left) != 1 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestReadSnapshotDamage(t *testing.T) {
	s := newStore(t, 4096)
	s.cluster(rand.New(rand.NewSource(9)), 60)
	db := s.snapshot()
	good := withSum(db)
	letter := bytes.LastIndex(good, []byte("/registry/secrets/")) + len("/registry/secrets/")
	flipped := bytes.Clone(good)
	flipped[letter] ^= 1 // a name: nothing but the sum can tell
	for name, tc := range map[string]struct {
		content []byte
		reason  fact.Reason
		detail  string
	}{
		"a flipped bit anywhere":         {flipped, fact.Corrupt, "the SHA-256 at its end does not match: the snapshot was changed or cut short"},
		"a flipped bit in the sum":       {append(bytes.Clone(good[:len(good)-1]), good[len(good)-1]^1), fact.Corrupt, "the SHA-256 at its end does not match: the snapshot was changed or cut short"},
		"without its sum, whole pages":   {db, "", ""},
		"without a part of the sum":      {good[:len(good)-5], fact.Truncated, fmt.Sprintf("expected whole pages, or a snapshot with 32 bytes of SHA-256 after them, found %d bytes: cut short", len(good)-5)},
		"cut in a page":                  {good[:10_000], fact.Truncated, ""},
		"cut where a sum could be":       {good[:8192+32], fact.Corrupt, "the SHA-256 at its end does not match: the snapshot was changed or cut short"},
		"cut at the end of a page":       {good[:8192], fact.Truncated, ""},
		"cut behind the first meta page": {good[:4096], fact.Truncated, ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, filepath.Join(t.TempDir(), "s.db"), tc.content)
			db, gaps, err := ReadSnapshot(ctx, path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if tc.reason == "" {
				if !db.Complete {
					t.Errorf("gaps %+v", gaps)
				}
				return
			}
			if db.Complete {
				t.Fatal("complete")
			}
			found := false
			for _, g := range gaps {
				if g.Reason == tc.reason && (tc.detail == "" || g.Detail == path+": "+tc.detail) {
					found = true
				}
				if g.What != fact.Etcd || g.Subject.Kind != "File" || g.Subject.Name != path {
					t.Errorf("subject: %+v", g)
				}
			}
			if !found {
				t.Errorf("want %s %q, got %+v", tc.reason, tc.detail, gaps)
			}
			for _, s := range db.Secrets {
				if s.Class != fact.ClassUnknown {
					t.Fatalf("%+v, though the file may be changed anywhere", s)
				}
			}
		})
	}
}

func TestReadSnapshotRefuses(t *testing.T) {
	const expected = "expected an etcd snapshot, database or data directory, found "
	random := make([]byte, 8192)
	rand.New(rand.NewSource(1)).Read(random)
	for name, tc := range map[string]struct {
		file    string
		content string
		open    string
		want    string
	}{
		"a missing file":          {"x", "x", "absent", "no such file or directory"},
		"an empty file":           {"x", "", "x", expected + "an empty file"},
		"a text file":             {"x", "CANARY: y\n", "x", expected + "a text file"},
		"a long text file":        {"x", strings.Repeat("CANARY ä ", 1000), "x", expected + "a text file"},
		"SQLite":                  {"x", "SQLite format 3\x00CANARY", "x", expected + "an SQLite database (k3s, kine), which is not supported yet"},
		"gzip":                    {"x", "\x1f\x8bCANARY", "x", expected + "a gzip file, which is not supported yet: unpack it first"},
		"zip":                     {"x", "PK\x03\x04CANARY", "x", expected + "a zip file, which is not supported yet: unpack it first"},
		"tar":                     {"x", strings.Repeat("C", 257) + "ustar\x0000CANARY", "x", expected + "a tar archive, which is not supported yet: unpack it first"},
		"age":                     {"x", "age-encryption.org/v1\nCANARY", "x", expected + "a file encrypted with age"},
		"some binary":             {"x", string(random), "x", "expected a bbolt file such as etcd's member/snap/db, found no valid meta page: page 0: no magic number; page 1: no magic number"},
		"zeros":                   {"x", strings.Repeat("\x00", 9000), "x", "expected a bbolt file such as etcd's member/snap/db, found no valid meta page: page 0: no magic number; page 1: no magic number"},
		"k3s's server directory":  {"server/db/state.db", "x", ".", "found server/db/state.db, an SQLite database of k3s (kine), which is not supported yet"},
		"a directory of others":   {"x", "x", ".", "expected etcd's data directory with member/snap/db, found no such file"},
		"a directory as the file": {"member/snap/db/x", "x", ".", "expected a file, found d---------"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, filepath.FromSlash(tc.file)), []byte(tc.content))
			db, gaps, err := ReadSnapshot(ctx, filepath.Join(dir, tc.open), Options{})
			if err == nil {
				t.Fatalf("read %+v, %+v", db, gaps)
			}
			if !strings.HasPrefix(err.Error(), "reading "+filepath.Clean(dir)) || !strings.HasSuffix(err.Error(), ": "+tc.want) {
				t.Errorf("want reading ...: %s\ngot %s", tc.want, err)
			}
			if strings.Contains(err.Error(), "CANARY") {
				t.Errorf("quotes the file: %s", err)
			}
		})
	}
}

func TestReadSnapshotStops(t *testing.T) {
	s := newStore(t, 4096)
	s.cluster(rand.New(rand.NewSource(9)), 60)
	path := write(t, filepath.Join(t.TempDir(), "s.db"), withSum(s.snapshot()))
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	db, gaps, err := ReadSnapshot(ctx, path, Options{})
	if err != nil || db.Complete || len(gaps) == 0 || gaps[0].Reason != fact.Interrupted {
		t.Errorf("got %+v, %+v, %v", db, gaps, err)
	}
}
