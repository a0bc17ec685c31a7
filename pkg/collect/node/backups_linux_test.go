package node

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/storefile/storetest"
)

// put writes a file of a node, so many hours old.
func put(t *testing.T, root, name string, content []byte, age int) {
	t.Helper()
	full := filepath.Join(root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, content, 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 12-age, 0, 0, 0, time.UTC)
	if err := os.Chtimes(full, at, at); err != nil {
		t.Fatal(err)
	}
}

func packed(t *testing.T, content []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// incompressible makes a file that has the size of a candidate.
func incompressible(n int) []byte {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

// Copies of stores are found by their content in the usual places, and only there. What
// a running member has is no copy.
func TestBackups(t *testing.T) {
	const live = "/var/lib/etcd/member/snap/db"
	dir := nodeFixture(t, []fakeProcess{
		initProcess,
		{pid: 9, comm: "etcd", cgroup: "0::/system.slice/etcd.service\n", root: "/", fds: []string{live}},
		{pid: 10, comm: "k3s-server", cgroup: "0::/system.slice/k3s.service\n", root: "/", fds: []string{"/var/lib/rancher/k3s/server/db/etcd/member/snap/db"}},
	}, "")
	rows := []storetest.Row{storetest.Default, storetest.Filler, storetest.Secret("shop", "a"), storetest.Secret("shop", "b"), storetest.Encrypted("shop", "b")}
	bare, snapshot := storetest.Etcd(t, rows...), storetest.Snapshot(t, rows...)
	encrypted := storetest.Snapshot(t, storetest.Default, storetest.Filler, storetest.Encrypted("shop", "a"))
	encryptedDB := storetest.Etcd(t, storetest.Default, storetest.Filler, storetest.Encrypted("shop", "a"))
	kine := append(storetest.Kine(storetest.Default, storetest.Secret("shop", "a"), storetest.Encrypted("shop", "a")), make([]byte, 32<<10)...)
	large := packed(t, append(incompressible(64<<10), snapshot...))
	age := append([]byte("age-encryption.org/v1\n"), incompressible(40<<10)...)

	put(t, dir, live, bare, 0)
	put(t, dir, "/var/lib/etcd/member/snap/0000000000000002-0000000000000001.snap.db", bare, 0) // beside the running one
	put(t, dir, "/var/lib/rancher/k3s/server/db/etcd/member/snap/db", bare, 0)
	put(t, dir, "/var/lib/rancher/k3s/server/db/etcd-old-1/member/snap/db", bare, 1)  // what is left of a running store
	put(t, dir, "/var/lib/rancher/rke2/server/db/etcd-old-1/member/snap/db", bare, 1) // of one that does not run
	put(t, dir, "/var/lib/etcd-old/member/snap/db", bare, 1)
	put(t, dir, "/var/backups/no name", snapshot, 2)
	put(t, dir, "/var/backups/encrypted.db", encrypted, 3)
	put(t, dir, "/var/backups/mail.age", age, 4)
	put(t, dir, "/etc/kubernetes/tmp/kubeadm-backup-etcd-2026/etcd/member/snap/db", bare, 5)
	put(t, dir, "/etc/kubernetes/tmp/kubeadm-backup-etcd-2027/etcd/member/snap/db", encryptedDB, 5)
	put(t, dir, "/etc/kubernetes/tmp/kubeadm-backup-etcd-2027/etcd/member/wal/0000000000000000-0000000000000000.wal", append(make([]byte, 100), storetest.Secret("shop", "wal").Value...), 5)
	put(t, dir, "/root/state.db", kine, 6)
	put(t, dir, "/root/state.db.gz", packed(t, append(kine, incompressible(64<<10)...)), 6)
	put(t, dir, "/root/other.sqlite", bytes.Replace(kine, []byte("CREATE TABLE kine"), []byte("CREATE TABLE mine"), 1), 6)
	put(t, dir, "/var/lib/rancher/rke2/server/db/snapshots/on-demand", snapshot, 6)
	put(t, dir, "/backup.db", snapshot, 7)
	put(t, dir, "/root/archive", large, 8)
	put(t, dir, "/opt/a/b/c/d/e/found", snapshot, 9)
	put(t, dir, "/opt/a/b/c/d/e/f/too deep", snapshot, 9)
	put(t, dir, "/usr/lib/elsewhere.db", snapshot, 9)
	put(t, dir, "/home/x/small", storetest.Snapshot(t, storetest.Default, storetest.Secret("shop", "a")), 9)
	put(t, dir, "/home/x/noise", incompressible(64<<10), 9)
	put(t, dir, "/home/x/noise.gz", packed(t, incompressible(64<<10)), 9)
	put(t, dir, "/home/x/text", []byte(strings.Repeat("text\n", 10_000)), 9)
	put(t, dir, "/home/x/cut.gz", packed(t, incompressible(64<<10))[:50<<10], 9)
	for link, to := range map[string]string{"/srv/link.db": "../var/backups/encrypted.db", "/srv/dir": "/var/backups", "/mnt": "/data"} {
		if err := os.MkdirAll(filepath.Dir(dir+link), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, dir+link); err != nil {
			t.Fatal(err)
		}
	}
	put(t, dir, "/data/under a link", snapshot, 10)
	if err := os.Link(dir+"/var/backups/no name", dir+"/srv/hard link"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(dir+"/srv/fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "/srv/sparse", nil, 0)
	if err := os.Truncate(dir+"/srv/sparse", 64<<30); err != nil {
		t.Fatal(err)
	}

	begun := time.Now()
	m := read(t, dir, fact.LevelFull, fact.Backups)
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
	var got []string
	for _, b := range m.Backups {
		var names []string
		for _, s := range b.Secrets {
			names = append(names, s.Namespace+"/"+s.Name)
		}
		got = append(got, fmt.Sprintf("%s: %s %s%s, complete %v, plaintext %v %s", b.Path, b.Format, b.Compression, b.Encrypted, b.Complete, b.Values > 0, strings.Join(names, " ")))
		if b.Access.Path != b.Path || b.Access.Mode != 0o600 || b.Size == 0 || b.Modified.IsZero() {
			t.Errorf("%+v", b)
		}
	}
	want := []string{
		"/backup.db: etcd snapshot , complete true, plaintext true shop/a shop/b",
		"/data/under a link: etcd snapshot , complete true, plaintext true shop/a shop/b",
		"/etc/kubernetes/tmp/kubeadm-backup-etcd-2026/etcd/member/snap/db: etcd database , complete true, plaintext true shop/a shop/b",
		"/etc/kubernetes/tmp/kubeadm-backup-etcd-2027/etcd/member/snap/db: etcd database , complete false, plaintext true shop/wal", // its log begins with zeros,
		"/opt/a/b/c/d/e/found: etcd snapshot , complete true, plaintext true shop/a shop/b",
		"/root/archive: unknown gzip, complete false, plaintext true shop/a shop/b",
		"/root/state.db: kine database , complete true, plaintext true shop/a",
		"/root/state.db.gz: kine database gzip, complete false, plaintext true shop/a",
		"/var/backups/encrypted.db: etcd snapshot , complete true, plaintext false ",
		"/var/backups/mail.age: unknown age, complete false, plaintext false ",
		"/var/backups/no name: etcd snapshot , complete true, plaintext true shop/a shop/b",
		"/var/lib/etcd-old/member/snap/db: etcd database , complete true, plaintext true shop/a shop/b",
		"/var/lib/rancher/rke2/server/db/etcd-old-1/member/snap/db: etcd database , complete true, plaintext true shop/a shop/b",
		"/var/lib/rancher/rke2/server/db/snapshots/on-demand: etcd snapshot , complete true, plaintext true shop/a shop/b",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("backups (-want +got):\n%s", diff)
	}
	gaps := []fact.NodeGap{{What: fact.Backups, Reason: fact.Truncated, Detail: "1 archives and compressed files were not read to their end, so that a copy of a store can be in them (first: /home/x/cut.gz: the compressed data ends early)"}}
	if diff := cmp.Diff(gaps, m.Gaps, cmpopts.EquateEmpty()); diff != "" || !m.HasRead(fact.Backups) {
		t.Errorf("read %v, gaps (-want +got):\n%s", m.Read, diff)
	}
	if text, _ := json.Marshal(m); bytes.Contains(text, []byte(storetest.Canary)) {
		t.Error("a value came out")
	}
}

// More names than are looked at are a gap, and the newest copies are kept.
func TestBackupsBounds(t *testing.T) {
	dir := nodeFixture(t, []fakeProcess{initProcess}, "")
	small := storetest.Snapshot(t, storetest.Default, storetest.Filler, storetest.Secret("shop", "a"))
	for i := range fact.MaxBackups + 3 {
		put(t, dir, fmt.Sprintf("/var/backups/%04d.db", i), small, i)
	}
	for i := range 20_001 {
		name := fmt.Sprintf("%s/opt/many/%d", dir, i)
		if i == 0 {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m := read(t, dir, fact.LevelFull, fact.Backups)
	if len(m.Backups) != fact.MaxBackups || m.Backups[0].Path != "/var/backups/0000.db" {
		t.Errorf("%d backups", len(m.Backups))
	}
	want := []fact.NodeGap{
		{What: fact.Backups, Reason: fact.Truncated, Detail: "/opt was not searched to its end: more than 20000 names"},
		{What: fact.Backups, Reason: fact.Truncated, Detail: fmt.Sprintf("%d files look like copies of a store, of which %d are listed", fact.MaxBackups+3, fact.MaxBackups)},
	}
	if diff := cmp.Diff(want, m.Gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
}
