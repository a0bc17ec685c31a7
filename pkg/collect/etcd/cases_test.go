package etcd

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// TestCases reads files that etcd 3.7.0 wrote.
func TestCases(t *testing.T) {
	const rotated = "k8s:enc:aescbc:v1:aescbckey-2026-03-09T09:"
	k1 := fact.StoredSecret{Namespace: "a", Name: "k1", Revision: 3, Class: fact.ClassAESCBC, Provider: rotated + "46:54+01:00:", KeyGuessed: true, Size: 102}
	k2 := fact.StoredSecret{Namespace: "a", Name: "k2", Revision: 4, Class: fact.ClassAESCBC, Provider: rotated + "59:01+01:00:", KeyGuessed: true, Size: 102}
	h := fact.StoredSecret{Namespace: "a", Name: "h", Revision: 7, Class: fact.ClassSecretbox, Provider: "k8s:enc:secretbox:v1:key1:", KeyGuessed: true, Size: 74, Older: 1, OlderRevision: 6}
	for file, want := range map[string]fact.EtcdDB{
		// Encrypted now, and one plaintext revision before.
		"two-faults.db": {Revision: 7, Secrets: []fact.StoredSecret{h, k1, k2}},
		// One value in YAML; the others stay known.
		"one-yaml-secret.db": {Revision: 8, Secrets: []fact.StoredSecret{h, k1, k2, {Namespace: "a", Name: "y", Revision: 8, Class: fact.ClassIdentityYAML, Size: 103}}},
	} {
		t.Run(file, func(t *testing.T) {
			content, err := os.ReadFile(filepath.Join("testdata", file))
			if err != nil {
				t.Fatal(err)
			}
			content = content[:len(content)-32]
			for _, live := range []bool{false, true} {
				db := mustRead(t, content, Options{Path: "db", Live: live})
				want.Path, want.Prefix, want.PrefixFrom = "db", "/registry", "the key of the default namespace"
				want.TxID, want.Size, want.Complete, want.Total = db.TxID, int64(len(content)), true, len(want.Secrets)
				want.History = db.History
				if diff := cmp.Diff(want, *db); diff != "" {
					t.Errorf("live %v (-want +got):\n%s", live, diff)
				}
				if h := db.History; !h.Complete || h.Revisions != 2 || h.Plaintext+h.Unknown != 2 || h.Plaintext < 1 {
					t.Errorf("live %v: history %+v", live, h)
				}
			}
		})
	}
}

func TestHistory(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	const key = "/registry/secrets/shop/"
	plain := func(name string) []byte { return storedtest.ProtobufSecret("shop", name, []byte("CANARY")) }
	for name, tc := range map[string]struct {
		build func(*store)
		opts  Options
		want  fact.StoredHistory
	}{
		"plaintext, then encrypted, twice": {
			build: func(s *store) {
				s.put(key+"a", plain("a"))
				s.put(key+"a", storedtest.JSONSecret("shop", "a", "CANARY"))
				s.put(key+"a", storedtest.AESCBC(r, "k", 3))
				s.put(key+"a", storedtest.Secretbox(r, "k", 3))
			},
			want: fact.StoredHistory{Complete: true, Revisions: 3, Plaintext: 2},
		},
		"deleted": {
			build: func(s *store) {
				s.put(key+"b", plain("b"))
				s.put(key+"b", plain("b"))
				s.put(key+"a", plain("a"))
				s.put(key+"c", storedtest.AESCBC(r, "k", 3))
				s.delete(key + "b")
				s.delete(key + "a")
				s.delete(key + "c")
			},
			want: fact.StoredHistory{
				Complete: true, Revisions: 4, Plaintext: 3, DeletedTotal: 2,
				Deleted: []fact.DeletedSecret{{Namespace: "shop", Name: "a", Plaintext: 1, Revision: 5}, {Namespace: "shop", Name: "b", Plaintext: 2, Revision: 4}},
			},
		},
		"deleted and created again": {
			build: func(s *store) {
				s.put(key+"a", plain("a"))
				s.delete(key + "a")
				s.put(key+"a", storedtest.AESCBC(r, "k", 3))
				s.delete(key + "a")
				s.put(key+"a", storedtest.AESCBC(r, "k", 3))
			},
			want: fact.StoredHistory{Complete: true, Revisions: 2, Plaintext: 1},
		},
		"compacted": {
			build: func(s *store) {
				s.put(key+"a", plain("a"))
				s.put(key+"a", plain("a"))
				s.put(key+"a", plain("a"))
				s.compact(4)
			},
			want: fact.StoredHistory{Complete: true, Revisions: 1, Plaintext: 1, Compacted: 4},
		},
		"forms that are not known, and empty values": {
			build: func(s *store) {
				for _, v := range []string{"CANARY", "k8s:enc:rot13:v1:k:CANARY", "", "x"} {
					s.put(key+"a", []byte(v))
				}
			},
			want: fact.StoredHistory{Complete: true, Revisions: 3, Unknown: 2},
		},
		"over the limit": {
			build: func(s *store) {
				s.put(key+"a", plain("a"))
				s.put(key+"b", plain("b"))
				s.put(key+"b", plain("b"))
			},
			opts: Options{limit: 1},
			want: fact.StoredHistory{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, 4096)
			s.put("/registry/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
			tc.build(s)
			file := s.bytes()
			for _, live := range []bool{false, true} {
				tc.opts.Live = live
				db, _, err := Read(ctx, memory(file), tc.opts)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tc.want, *db.History); diff != "" {
					t.Errorf("live %v (-want +got):\n%s", live, diff)
				}
			}
		})
	}
}

// TestDeletedAreBounded: more deleted Secrets than are kept are counted, and the history
// is not complete.
func TestDeletedAreBounded(t *testing.T) {
	s := newStore(t, 4096)
	s.put("/registry/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
	s.update(func(tx *bolt.Tx) {
		for i := range 700 {
			name := fmt.Sprintf("s%03d", i)
			s.txn(tx, op{key: "/registry/secrets/shop/" + name, value: storedtest.ProtobufSecret("shop", name, nil)})
			s.txn(tx, op{key: "/registry/secrets/shop/" + name})
		}
	})
	file := s.bytes()
	for limit, complete := range map[int]bool{4000: true, 400: false} {
		db, gaps, err := Read(ctx, memory(file), Options{Prefix: "/registry", limit: limit})
		if err != nil || len(gaps) > 0 {
			t.Fatal(err, gaps)
		}
		h := db.History
		if h.Complete != complete || h.Plaintext != 700 || h.DeletedTotal != 700 || len(h.Deleted) != min(limit/4+1, fact.MaxDeletedSecrets) {
			t.Errorf("limit %d: complete %v, %d in plaintext, %d deleted, %d listed", limit, h.Complete, h.Plaintext, h.DeletedTotal, len(h.Deleted))
		}
	}
}

func TestResources(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	build := func(s *store) {
		pod := storedtest.Protobuf("v1", "Pod", []byte("x"))
		s.put("/registry/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
		for i := range 3 {
			s.put(fmt.Sprintf("/registry/pods/shop/p%d", i), pod)
		}
		s.put("/registry/pods/shop/p0", pod) // again
		s.put("/registry/pods/shop/p1", storedtest.AESCBC(r, "k", 3))
		s.delete("/registry/pods/shop/p2")
		s.put("/registry/pods/shop/p3", pod)
		s.delete("/registry/pods/shop/p3")
		s.put("/registry/pods/shop/p3", pod)
		s.put("/registry/services/specs/shop/a", pod)
		s.put("/registry/services/endpoints/shop/a", pod)
		s.put("/registry/cert-manager.io/certificates/shop/a", []byte(`{"kind":"Certificate"}`))
		s.put("/registry/cert-manager.io/certificates/shop/b", []byte("apiVersion: cert-manager.io/v1\n"))
		s.put("/registry/example.com/secrets/shop/a", []byte("\xd9\xd9\xf7\xa1\x44kind"))
		s.put("/registry/configmaps/shop/a", storedtest.KMSv2(r, "vault", 4))
		s.put("/registry/configmaps/shop/b", []byte("k8s:enc:rot13:v1:k:CANARY"))
		s.put("/registry/configmaps/shop/c", []byte{})
		s.put("/registry/secrets/shop/a", storedtest.AESCBC(r, "k", 3))
		s.put("/other/pods/shop/p", pod)
		s.put("/registry/Not A Resource/x", pod)
		s.put("compact_rev_key", []byte("8"))
	}
	of := func(dir string, class fact.StorageClass, provider string, n int) fact.StoredResource {
		return fact.StoredResource{Dir: dir, Class: class, Provider: provider, KeyGuessed: provider != "", Count: n}
	}
	want := []fact.StoredResource{
		of("cert-manager.io/certificates", fact.ClassIdentityJSON, "", 1),
		of("cert-manager.io/certificates", fact.ClassIdentityYAML, "", 1),
		of("configmaps", fact.ClassEmpty, "", 1),
		of("configmaps", fact.ClassUnknownEncrypted, "", 1),
		of("configmaps", fact.ClassKMSv2, "k8s:enc:kms:v2:vault:", 1),
		of("example.com/secrets", fact.ClassIdentityCBOR, "", 1),
		of("namespaces", fact.ClassIdentityProtobuf, "", 1),
		of("pods", fact.ClassAESCBC, "k8s:enc:aescbc:v1:k:", 1),
		of("pods", fact.ClassIdentityProtobuf, "", 2),
		of("services/endpoints", fact.ClassIdentityProtobuf, "", 1),
		of("services/specs", fact.ClassIdentityProtobuf, "", 1),
	}
	s := newStore(t, 4096)
	build(s)
	file := s.bytes()
	for _, live := range []bool{false, true} {
		db := mustRead(t, file, Options{Live: live, Resources: true})
		if diff := cmp.Diff(want, db.Resources); diff != "" {
			t.Errorf("live %v (-want +got):\n%s", live, diff)
		}
		if db := mustRead(t, file, Options{Live: live}); db.Resources != nil {
			t.Errorf("live %v: counted without being asked", live)
		}
		// A cut list is a gap that leaves the Secrets complete.
		db, gaps, err := Read(ctx, memory(file), Options{Live: live, Resources: true, resourceLimit: 4})
		if err != nil || !db.Complete || len(gaps) != 1 || gaps[0].Reason != fact.Truncated {
			t.Errorf("live %v: %v, complete %v, %+v", live, err, db.Complete, gaps)
		}
	}
}

// TestResourceTable compares the table with a map.
func TestResourceTable(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	table := newResourceTable(1 << 20)
	want := map[string]fact.StorageClass{}
	classes := []fact.StorageClass{"", fact.ClassIdentityProtobuf, fact.ClassAESCBC, fact.ClassKMSv2}
	for range 400_000 {
		key := fmt.Sprintf("/r%d/ns/%d", r.Intn(3), r.Intn(60_000))
		class := classes[r.Intn(len(classes))]
		table.put([]byte(key), storedKind{class: class})
		if class == "" {
			delete(want, key)
		} else {
			want[key] = class
		}
	}
	counts := map[string]int{}
	for key, class := range want {
		counts[key[1:3]+" "+string(class)]++
	}
	got := map[string]int{}
	list, cut := table.list()
	for _, s := range list {
		got[s.Dir+" "+string(s.Class)] = s.Count
	}
	if diff := cmp.Diff(counts, got); diff != "" || cut != "" {
		t.Errorf("%s (-want +got):\n%s", cut, diff)
	}
}

// TestPrefixIsLearned: it is found in the walk itself, wherever the key of the default
// namespace is.
func TestPrefixIsLearned(t *testing.T) {
	plain := storedtest.ProtobufSecret("shop", "a", []byte("CANARY"))
	for _, prefix := range []string{"/registry", "/k8s/one", "kubernetes.io", "/registry/of/it"} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, late %v", prefix, late), func(t *testing.T) {
				s := newStore(t, 1024)
				if !late {
					s.put(prefix+"/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
				}
				for i := range 100 {
					s.put(fmt.Sprintf("%s/pods/shop/%d", prefix, i), make([]byte, 300))
				}
				s.put(prefix+"/secrets/shop/a", plain)
				if late {
					s.put(prefix+"/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
				}
				file := s.bytes()
				for _, live := range []bool{false, true} {
					db := mustRead(t, file, Options{Live: live})
					if db.Prefix != prefix || len(db.Secrets) != 1 || db.PrefixFrom != "the key of the default namespace" {
						t.Errorf("live %v: prefix %q from %q, %d Secrets", live, db.Prefix, db.PrefixFrom, len(db.Secrets))
					}
				}
			})
		}
	}
}

// TestCompactionBehindTheLastRow: the last changes were deletions, whose tombstones the
// compaction removed. The tree before the last shows that nothing is lost.
func TestCompactionBehindTheLastRow(t *testing.T) {
	build := func() *store {
		s := newStore(t, 1024)
		s.put("/registry/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
		for i := range 40 {
			s.put(fmt.Sprintf("/registry/secrets/shop/s%02d", i), storedtest.AESCBC(rand.New(rand.NewSource(1)), "k", 3))
		}
		s.delete("/registry/secrets/shop/s39")
		s.delete("/registry/secrets/shop/s38")
		s.compact(s.rev)
		s.update(func(tx *bolt.Tx) { s.check(tx.Bucket([]byte("meta")).Put([]byte("consistent_index"), make([]byte, 8))) })
		return s
	}
	s := build()
	snapshot := s.snapshot()
	for name, file := range map[string][]byte{"bare": s.bytes(), "snapshot": snapshot} {
		for _, summed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, summed %v", name, summed), func(t *testing.T) {
				opts := Options{Path: "db", Summed: summed}
				if summed {
					opts.Verify = func() *fact.Gap { return nil }
				}
				db, gaps, err := Read(ctx, memory(file), opts)
				if err != nil {
					t.Fatal(err)
				}
				if name == "bare" || summed {
					if len(gaps) > 0 || !db.Complete || len(db.Secrets) != 38 || db.Secrets[0].Class != fact.ClassAESCBC || !db.History.Complete {
						t.Errorf("complete %v, %d Secrets, %+v", db.Complete, len(db.Secrets), gaps)
					}
					return
				}
				// Both meta pages have one root: nothing shows that the end is not lost.
				want := "db: compaction has reached revision 44, but the last row has 40: either the changes in between were deletions, whose rows compaction removes, or their rows are lost; then the file is damaged, or was copied while etcd was writing: take a consistent copy with etcdctl snapshot save"
				if len(gaps) != 1 || gaps[0].Detail != want || gaps[0].Reason != fact.Corrupt || db.Complete || db.Secrets[0].LastSeen != fact.ClassAESCBC {
					t.Errorf("complete %v, gaps %+v", db.Complete, gaps)
				}
			})
		}
	}
}

// TestTornCopy copies a file while it is written to, at each pace: the copy is called
// so, and never another program's.
func TestTornCopy(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	whole, torn, roots := 0, 0, 0
	for round := range 60 {
		s := newStore(t, 1024)
		s.put("/registry/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
		write := func() {
			s.update(func(tx *bolt.Tx) {
				for range 1 + r.Intn(4) {
					i := r.Intn(60)
					name := fmt.Sprintf("s%02d", i)
					s.txn(tx, op{key: "/registry/secrets/shop/" + name, value: storedtest.AnySecret(r, "shop", name)})
				}
				if r.Intn(4) == 0 {
					s.compactTx(tx, s.rev-int64(r.Intn(20)))
				}
			})
		}
		for range 60 {
			write()
		}
		f, err := os.Open(s.path)
		s.check(err)
		var copied []byte
		buf := make([]byte, 1024)
		step := 1 + r.Intn(10)
		for page := 0; ; page++ {
			n, err := f.Read(buf)
			if copied = append(copied, buf[:n]...); err != nil {
				break
			}
			if page%step == step-1 && len(copied) < 200<<10 {
				write()
			}
		}
		s.check(f.Close())
		s.check(s.db.Close())
		db, gaps, err := Read(ctx, memory(copied), Options{Path: "db"})
		switch {
		case err != nil:
			t.Errorf("round %d: %v", round, err)
		case db.Complete:
			whole++
		default:
			torn++
			if !slices.ContainsFunc(gaps, func(g fact.Gap) bool { return strings.Contains(g.Detail, "etcdctl snapshot save") }) {
				t.Errorf("round %d: %+v", round, gaps)
			}
			if slices.ContainsFunc(gaps, func(g fact.Gap) bool { return strings.Contains(g.Detail, "was read instead") }) {
				roots++
			}
			if slices.ContainsFunc(gaps, func(g fact.Gap) bool { return strings.Contains(g.Detail, "a bbolt file of another program") }) {
				t.Errorf("round %d: %+v", round, gaps)
			}
		}
	}
	t.Logf("%d whole, %d torn, of which %d by the older tree", whole, torn, roots)
	if torn < 20 {
		t.Error("hardly a copy was torn")
	}
}

// TestOverwrittenRoot: the root page of the newest tree holds something else.
func TestOverwrittenRoot(t *testing.T) {
	s := newStore(t, 1024)
	s.cluster(rand.New(rand.NewSource(2)), 100)
	s.put("/registry/pods/shop/a", []byte("x"))
	s.put("/registry/pods/shop/b", []byte("x"))
	file := s.bytes()
	good := mustRead(t, file, Options{})
	m, err := readMetas(memory(file))
	if err != nil {
		t.Fatal(err)
	}
	root := m.newest().root * 1024
	leaf := bytes.Index(file[2048:], []byte("/registry/secrets/"))/1024 + 2
	for name, tc := range map[string]struct {
		change func(page []byte)
		reason fact.Reason
		hint   string
	}{
		"a leaf of rows": {func(page []byte) {
			id := append([]byte(nil), page[:8]...)
			copy(page, file[leaf*1024:(leaf+1)*1024])
			copy(page, id)
		}, fact.Changing, tornCopy},
		"the bytes of a value": {func(page []byte) { copy(page, bytes.Repeat([]byte("CANARY"), 200)) }, fact.Corrupt, perhapsTorn},
		"zeros":                {func(page []byte) { clear(page) }, fact.Corrupt, perhapsTorn},
	} {
		t.Run(name, func(t *testing.T) {
			damaged := bytes.Clone(file)
			tc.change(damaged[root : root+1024])
			db, gaps, err := Read(ctx, memory(damaged), Options{Path: "db"})
			if err != nil {
				t.Fatal(err)
			}
			if db.Complete || len(gaps) == 0 || gaps[0].Reason != tc.reason || !strings.HasSuffix(gaps[0].Detail, tc.hint) || !strings.Contains(gaps[0].Detail, fmt.Sprintf("that of transaction %d was read instead", m.oldest().txid)) {
				t.Errorf("complete %v, %+v", db.Complete, gaps)
			}
			if strings.Contains(fmt.Sprint(gaps), "CANARY") {
				t.Errorf("quotes the file: %+v", gaps)
			}
			if db.TxID != m.oldest().txid || len(db.Secrets) > len(good.Secrets) {
				t.Errorf("transaction %d, %d Secrets", db.TxID, len(db.Secrets))
			}
			for _, s := range db.Secrets {
				if s.Class != fact.ClassUnknown {
					t.Fatalf("%+v from an older tree", s)
				}
			}
		})
	}
}
