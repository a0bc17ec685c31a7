package backups

import (
	"bytes"
	"context"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/storefile/storetest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// put writes a file below a directory, so many hours old.
func put(t *testing.T, dir, name string, content []byte, age int) {
	t.Helper()
	full := filepath.Join(dir, filepath.FromSlash(name))
	must(0, os.MkdirAll(filepath.Dir(full), 0o755))
	must(0, os.WriteFile(full, content, 0o600))
	at := time.Date(2026, 3, 1, 12-age, 0, 0, 0, time.UTC)
	must(0, os.Chtimes(full, at, at))
}

// gaps collects what was not read.
type gaps []string

func (g *gaps) add(reason fact.Reason, format string, args ...any) {
	*g = append(*g, string(reason)+": "+fmt.Sprintf(format, args...))
}

func opened(t *testing.T, dir string) *rootfs.Root {
	t.Helper()
	root := must(rootfs.Open(dir))
	t.Cleanup(func() { root.Close() })
	return root
}

// A mount that may hang is not entered, and is a gap unless it holds no files.
func TestSearchStaysOutOfMounts(t *testing.T) {
	dir := t.TempDir()
	snapshot := storetest.Snapshot(t, storetest.Default, storetest.Filler, storetest.Secret("shop", "a"))
	for _, name := range []string{"/srv/disk/a", "/srv/nfs/a", "/mnt/proc/a", "/home/a"} {
		put(t, dir, name, snapshot, 0)
	}
	root := opened(t, dir)
	refused := map[uint64]bool{}
	for _, name := range []string{"/srv/nfs", "/mnt/proc", "/home"} {
		refused[must(root.Stat(name)).Ino] = true
	}
	root.Guard(func(info rootfs.Info) bool { return !refused[info.Ino] })
	var not gaps
	s := &search{ctx: t.Context(), root: root, gap: not.add, mounts: []procfs.MountInfo{
		{ID: 1, Point: "/", FSType: "ext4"},
		{ID: 2, Parent: 1, Point: "/srv/nfs", FSType: "nfs4"},
		{ID: 3, Parent: 1, Point: "/mnt/proc", FSType: "proc"},
		{ID: 4, Parent: 1, Point: "/home", FSType: "fuse.sshfs"},
	}}
	s.find()
	if len(s.found) != 1 || s.found[0].path != "/srv/disk/a" {
		t.Errorf("found %+v", s.found)
	}
	want := gaps{`Unsupported: /home was not searched: it is a "fuse.sshfs" mount, which may hang`, `Unsupported: /srv/nfs was not searched: it is a "nfs4" mount, which may hang`}
	if diff := cmp.Diff(want, not); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
}

// The newest are read until the bytes are used up. What was not read is a fact if it is
// a database, and a gap if it can only hold one.
func TestReadBudget(t *testing.T) {
	dir := t.TempDir()
	snapshot := storetest.Snapshot(t, storetest.Default, storetest.Filler, storetest.Secret("shop", "a"))
	put(t, dir, "/srv/old.db", snapshot, 3)
	put(t, dir, "/srv/new.db", snapshot, 1)
	put(t, dir, "/srv/newest.tar", tarred(entry{"x", append(snapshot[:512:512], make([]byte, 100<<10)...)}), 0)
	root := opened(t, dir)
	var not gaps
	s := &search{ctx: t.Context(), root: root, gap: not.add}
	s.find()
	read := func(ctx context.Context, left int64) (got []string) {
		r := &readings{ctx: ctx, root: root, gap: not.add, left: left, live: live{pass: &reader.Pass{Table: &proctable.Table{}}}}
		r.read(s.found, func(b fact.Backup) {
			got = append(got, fmt.Sprintf("%s %v %v %s %s", b.Path, b.Values > 0, b.Complete, b.Reason, b.Detail))
		})
		return got
	}
	const used = "not read: the newer ones have used up the 2048 MiB that are read on a node"
	want := []string{"/srv/new.db true true  ", "/srv/old.db false false Truncated " + used}
	if diff := cmp.Diff(want, read(t.Context(), int64(len(snapshot)*3/2))); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(gaps{"Truncated: 1 archives and compressed files were not read to their end, so that a copy of a store can be in them (first: /srv/newest.tar: more than the limit of what is read)"}, not); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, text := range read(ctx, 1<<30) {
		if !strings.HasSuffix(text, "false false Interrupted not read: there was no time left") {
			t.Errorf("interrupted: %s", text)
		}
	}
}

// An archive with a part that was not read is never one without a store.
func TestReadHidden(t *testing.T) {
	random := make([]byte, 64<<10)
	rand.New(rand.NewSource(1)).Read(random)
	damaged := gzipped(random)
	damaged[len(damaged)/2] ^= 0xff
	small := gzipped(random[:1000])
	small[500] ^= 0xff
	wide := must(zstd.NewWriter(nil, zstd.WithWindowSize(32<<20))).EncodeAll(make([]byte, 48<<20), nil)
	secret := storetest.Etcd(t, storetest.Default, storetest.Filler, storetest.Encrypted("shop", "a"))
	method := zipped(0, true, entry{"db", random})
	for _, at := range []int{8, bytes.Index(method, []byte("PK\x01\x02")) + 10} {
		method[at] = 12 // bzip2
	}
	for name, tc := range map[string]struct {
		content []byte
		want    string // "" is no gap
	}{
		"damaged gzip in tar":           {tarred(entry{"db.gz", damaged}), "Corrupt: the compressed data is damaged"},
		"too small for a store":         {tarred(entry{"db.gz", small}, entry{"x", random}), ""},
		"another program's file":        {tarred(entry{"x", random}), ""},
		"a window that is too large":    {zipped(0, true, entry{"db.zst", append(wide, make([]byte, 64<<10)...)}), "Unsupported: zstd with a window larger than the limit"},
		"packed in an unknown way":      {method, "Unsupported: " + errSecret.Error()},
		"packed five times":             {gzipped(gzipped(gzipped(gzipped(gzipped(random))))), "Truncated: " + errLayers.Error()},
		"a sparse database in tar":      {sparse(entry{"db", secret}, 1), "Unsupported: " + errHoles.Error()},
		"a sparse file of another kind": {sparse(entry{"lastlog", random}, 1), ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, "/srv/x", tc.content, 0)
			root := opened(t, dir)
			var not gaps
			s := &search{ctx: t.Context(), root: root, gap: not.add}
			s.find()
			if len(s.found) != 1 {
				t.Fatalf("%d candidates of %d bytes", len(s.found), len(tc.content))
			}
			r := &readings{ctx: t.Context(), root: root, gap: not.add, left: maxBytes, live: live{pass: &reader.Pass{Table: &proctable.Table{}}}}
			r.read(s.found, func(b fact.Backup) { t.Errorf("%+v", b) })
			var want gaps
			if reason, text, found := strings.Cut(tc.want, ": "); found {
				want.add(fact.Reason(reason), "1 archives and compressed files were not read to their end, so that a copy of a store can be in them (first: /srv/x: %s)", text)
			}
			if diff := cmp.Diff(want, not); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A database in a file that is as large as a disk costs no more than the database.
func TestReadSparse(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "/srv/db", storetest.Etcd(t, storetest.Default, storetest.Filler, storetest.Encrypted("shop", "a")), 0)
	must(0, os.Truncate(filepath.Join(dir, "srv/db"), 64<<30))
	root := opened(t, dir)
	var not gaps
	s := &search{ctx: t.Context(), root: root, gap: not.add}
	s.find()
	r := &readings{ctx: t.Context(), root: root, gap: not.add, left: maxBytes, live: live{pass: &reader.Pass{Table: &proctable.Table{}}}}
	var got []fact.Backup
	r.read(s.found, func(b fact.Backup) { got = append(got, b) })
	if len(got) != 1 || got[0].Complete || got[0].Reason != fact.Truncated || !strings.HasPrefix(got[0].Detail, "only the first ") || got[0].Size != 64<<30 || maxBytes-r.left > 100<<20 {
		t.Errorf("%+v, %d bytes left, gaps %v", got, r.left, not)
	}
}

// A file that is another one by now is not read under the old name.
func TestReadExchanged(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "/srv/db", storetest.Etcd(t, storetest.Default, storetest.Filler, storetest.Secret("shop", "a")), 0)
	root := opened(t, dir)
	var not gaps
	s := &search{ctx: t.Context(), root: root, gap: not.add}
	s.find()
	if len(s.found) != 1 {
		t.Fatalf("found %+v", s.found)
	}
	s.found[0].id.ino++
	r := &readings{ctx: t.Context(), root: root, gap: not.add, left: maxBytes, live: live{pass: &reader.Pass{Table: &proctable.Table{}}}}
	r.read(s.found, func(b fact.Backup) { t.Errorf("%+v", b) })
}

// A backup has every value, and is complete only if every part of the database is.
func TestResult(t *testing.T) {
	whole := func() *fact.EtcdDB {
		return &fact.EtcdDB{
			Complete: true,
			Secrets: []fact.StoredSecret{
				{Namespace: "shop", Name: "a", Revision: 9, Class: fact.ClassIdentityProtobuf, Older: 2, OlderRevision: 8},
				{Namespace: "shop", Name: "b", Revision: 7, Class: fact.ClassUnknown, LastSeen: fact.ClassIdentityJSON},
				{Namespace: "shop", Name: "c", Revision: 6, Class: fact.ClassAESCBC},
			},
			History: &fact.StoredHistory{Complete: true, Plaintext: 5, Deleted: []fact.DeletedSecret{{Namespace: "shop", Name: "gone", Plaintext: 3, Revision: 5}}},
			Remains: []fact.Remains{
				{Complete: true, Values: 3, Unnamed: 1, Secrets: []fact.RemainingSecret{{Namespace: "shop", Name: "a", Values: 2, Revision: 10}}, SecretsTotal: 1},
				{Complete: true},
			},
		}
	}
	want := fact.Backup{
		Complete: true, Values: 2 + 5 + 3, Unnamed: 1, SecretsTotal: 3,
		Secrets: []fact.RemainingSecret{{Namespace: "shop", Name: "a", Values: 5, Revision: 10}, {Namespace: "shop", Name: "b", Values: 1, Revision: 7}, {Namespace: "shop", Name: "gone", Values: 3, Revision: 5}},
	}
	for name, tc := range map[string]struct {
		change func(*fact.EtcdDB)
		gaps   []fact.Gap
		reason fact.Reason
		detail string
	}{
		"whole":               {func(*fact.EtcdDB) {}, nil, "", ""},
		"a gap":               {func(db *fact.EtcdDB) { db.Complete = false }, []fact.Gap{{Reason: fact.Corrupt, Detail: "/x: page 7"}}, fact.Corrupt, "page 7"},
		"history cut":         {func(db *fact.EtcdDB) { db.History.Complete = false }, nil, fact.Truncated, "not every older revision was read"},
		"a log not read":      {func(db *fact.EtcdDB) { db.Remains[1] = fact.Remains{Reason: fact.Unreadable, Detail: "wal"} }, nil, fact.Unreadable, "wal"},
		"free pages not read": {func(db *fact.EtcdDB) { db.Remains[0].Complete = false; db.Remains[0].Reason = fact.Timeout }, nil, fact.Timeout, ""},
	} {
		db, got, want := whole(), fact.Backup{Path: "/x"}, want
		tc.change(db)
		result(&got, db, tc.gaps)
		want.Path, want.Complete, want.Reason, want.Detail = "/x", tc.reason == "", tc.reason, tc.detail
		if tc.reason == fact.Unreadable {
			want.Values, want.Unnamed = 10, 1
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
