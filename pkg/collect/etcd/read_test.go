package etcd

import (
	"bytes"
	"context"
	"fmt"
	"math/rand"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

var ctx = context.Background()

// mustRead reads a file of which every Secret should be classified.
func mustRead(t *testing.T, file []byte, opts Options) *fact.EtcdDB {
	t.Helper()
	db, gaps, err := Read(ctx, memory(file), opts)
	if err != nil {
		t.Fatal(err)
	}
	if len(gaps) > 0 || !db.Complete {
		t.Fatalf("complete %v, gaps %+v", db.Complete, gaps)
	}
	return db
}

func TestReadEqualsBbolt(t *testing.T) {
	for pageSize := 1 << 10; pageSize <= 64<<10; pageSize *= 2 {
		for _, secrets := range []int{0, 3, 400} {
			t.Run(fmt.Sprintf("pages of %d bytes, %d Secrets", pageSize, secrets), func(t *testing.T) {
				r := rand.New(rand.NewSource(int64(pageSize + secrets)))
				s := newStore(t, pageSize)
				s.cluster(r, secrets)
				if secrets > 3 {
					s.compact(s.rev * 2 / 3)
				}
				snapshot := s.snapshot()
				bare := s.bytes()
				want, history := oracleAll(t, s.path)
				for name, file := range map[string][]byte{"bare": bare, "snapshot": snapshot} {
					for _, live := range []bool{false, true} {
						db := mustRead(t, file, Options{Path: "db", Snapshot: true, Live: live})
						if diff := cmp.Diff(want, db.Secrets); diff != "" {
							t.Errorf("%s, live %v (-bbolt +ours):\n%s", name, live, diff)
						}
						rest := *db
						rest.Secrets, rest.TxID = nil, 0
						if diff := cmp.Diff(fact.EtcdDB{
							Path: "db", Snapshot: true, Prefix: "/registry", PrefixFrom: "the key of the default namespace",
							Revision: s.rev, Size: int64(len(file)), Complete: true, Total: len(want), History: history,
						}, rest); diff != "" {
							t.Errorf("%s, live %v (-want +got):\n%s", name, live, diff)
						}
					}
				}
			})
		}
	}
}

// TestRandomHistory holds the invariants that the reader relies on (elements
// back to back, a child's first key in its parent, no revision missing) against
// many ways in which bbolt comes to write a tree.
func TestRandomHistory(t *testing.T) {
	for seed := range int64(6) {
		r := rand.New(rand.NewSource(seed))
		s := newStore(t, []int{1 << 10, 4 << 10, 16 << 10}[seed%3])
		s.put("/registry/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
		for range 40 {
			s.update(func(tx *bolt.Tx) {
				for range 1 + r.Intn(60) {
					i := r.Intn(200)
					name := fmt.Sprintf("s%d", i)
					key := "/registry/secrets/shop/" + name
					value := storedtest.AnySecret(r, "shop", name)
					if r.Intn(40) == 0 {
						value = storedtest.ProtobufSecret("shop", name, make([]byte, r.Intn(100_000)))
					}
					switch n := r.Intn(10); {
					case n == 0 && s.create[key] != 0:
						s.txn(tx, op{key: key})
					case n < 4:
						s.txn(tx, op{key: "/registry/leases/shop/" + name, value: storedtest.Payload(r, r.Intn(200))}, op{key: key, value: value})
					default:
						s.txn(tx, op{key: key, value: value})
					}
				}
				if r.Intn(4) == 0 {
					s.compactTx(tx, s.rev-int64(r.Intn(100)))
				}
			})
		}
		file := s.bytes()
		want, history := oracleAll(t, s.path)
		for _, live := range []bool{false, true} {
			got := mustRead(t, file, Options{Live: live})
			if diff := cmp.Diff(want, got.Secrets); diff != "" {
				t.Errorf("seed %d, live %v (-bbolt +ours):\n%s", seed, live, diff)
			}
			if diff := cmp.Diff(history, got.History); diff != "" {
				t.Errorf("seed %d, live %v: history (-bbolt +ours):\n%s", seed, live, diff)
			}
		}
	}
}

func TestReadRules(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	plain := storedtest.ProtobufSecret("shop", "a", []byte("CANARY"))
	const key = "/registry/secrets/shop/a"
	for name, tc := range map[string]struct {
		build func(*store)
		opts  Options
		want  []fact.StoredSecret
	}{
		"the last revision counts": {
			func(s *store) { s.put(key, plain); s.put(key, storedtest.AESCBC(r, "k", 2)) },
			Options{},
			[]fact.StoredSecret{{Namespace: "shop", Name: "a", Revision: 4, Class: fact.ClassAESCBC, Provider: "k8s:enc:aescbc:v1:k:", KeyGuessed: true, Size: 68, Older: 1, OlderRevision: 3}},
		},
		"a tombstone removes": {
			func(s *store) { s.put(key, plain); s.delete(key) }, Options{}, nil,
		},
		"created again after a tombstone": {
			func(s *store) { s.put(key, plain); s.delete(key); s.put(key, plain) },
			Options{},
			[]fact.StoredSecret{{Namespace: "shop", Name: "a", Revision: 5, Class: fact.ClassIdentityProtobuf, Size: len(plain), Older: 1, OlderRevision: 3}},
		},
		"created again after a tombstone that was compacted": {
			func(s *store) { s.put(key, plain); s.delete(key); s.compact(4); s.put(key, plain) },
			Options{},
			[]fact.StoredSecret{{Namespace: "shop", Name: "a", Revision: 5, Class: fact.ClassIdentityProtobuf, Size: len(plain)}},
		},
		"a value of 1.5 MB": {
			func(s *store) {
				s.put(key, storedtest.ProtobufSecret("shop", "a", make([]byte, 1_500_000)))
				s.put("/registry/pods/x", nil2(make([]byte, 1_500_000)))
			},
			Options{},
			[]fact.StoredSecret{{Namespace: "shop", Name: "a", Revision: 3, Class: fact.ClassIdentityProtobuf, Size: len(storedtest.ProtobufSecret("shop", "a", make([]byte, 1_500_000)))}},
		},
		"a KMS v2 value of 1.5 MB, with the key id behind it": {
			func(s *store) { s.put(key, storedtest.KMSv2(r, "vault", 1_500_000)) },
			Options{},
			[]fact.StoredSecret{{Namespace: "shop", Name: "a", Revision: 3, Class: fact.ClassKMSv2, Provider: "k8s:enc:kms:v2:vault:", KeyGuessed: true, KeyID: "c13063f79c8e5b7c", Size: len(storedtest.KMSv2(r, "vault", 1_500_000))}},
		},
		"a form that is not known leaves the others known": {
			func(s *store) {
				s.put(key, storedtest.Secretbox(r, "k", 9))
				s.put("/registry/secrets/shop/b", []byte("k8s:enc:rot13:v1:k:CANARY"))
				s.put("/registry/secrets/shop/c", []byte("CANARY"))
			},
			Options{},
			[]fact.StoredSecret{
				{Namespace: "shop", Name: "a", Revision: 3, Class: fact.ClassSecretbox, Provider: "k8s:enc:secretbox:v1:k:", KeyGuessed: true, Size: 72},
				{Namespace: "shop", Name: "b", Revision: 4, Class: fact.ClassUnknownEncrypted, Size: 25},
				{Namespace: "shop", Name: "c", Revision: 5, Class: fact.ClassUnknown, Size: 6},
			},
		},
		"a Secret without a value": {
			func(s *store) { s.put(key, []byte{}) },
			Options{},
			[]fact.StoredSecret{{Namespace: "shop", Name: "a", Revision: 3, Class: fact.ClassEmpty}},
		},
		"an encrypted role may have any name": {
			func(s *store) { s.put("/registry/clusterroles/My Röle (1)", storedtest.AESCBC(r, "k", 3)) }, Options{}, nil,
		},
		"a custom resource called secrets is not one": {
			func(s *store) {
				s.put("/registry/example.com/secrets/shop/a", []byte(`{"kind":"Secret"}`))
				s.put("/registry/secrets.example.com/shops/a", []byte(`{}`))
				s.put("/registry/secrets-store.csi.x-k8s.io/secretproviderclasses/shop/a", []byte(`{}`))
				s.put("/registry/secrets.hashicorp.com/vaultauths/shop/a", []byte(`{}`))
			}, Options{}, nil,
		},
		"a configured key name may hold colons": {
			func(s *store) { s.put(key, storedtest.AESGCM(r, "a:b", 9)) },
			Options{KeyNames: stored.KeyNames{"aesgcm": {"a", "a:b", "a:b:c"}}},
			[]fact.StoredSecret{{Namespace: "shop", Name: "a", Revision: 3, Class: fact.ClassAESGCM, Provider: "k8s:enc:aesgcm:v1:a:b:", Size: len("k8s:enc:aesgcm:v1:a:b:") + 37}},
		},
		"a prefix that was given, with or without slashes": {
			func(s *store) { s.put(key, plain) },
			Options{Prefix: "registry/", PrefixFrom: "--etcd-prefix"},
			[]fact.StoredSecret{{Namespace: "shop", Name: "a", Revision: 3, Class: fact.ClassIdentityProtobuf, Size: len(plain)}},
		},
		"a namespace called namespaces does not hide the prefix": {
			func(s *store) {
				s.put("/registry/serviceaccounts/namespaces/default", []byte("x"))
				s.put(key, plain)
			},
			Options{},
			[]fact.StoredSecret{{Namespace: "shop", Name: "a", Revision: 4, Class: fact.ClassIdentityProtobuf, Size: len(plain)}},
		},
		"a revision bumped by a restore": {
			func(s *store) {
				s.put(key, plain)
				s.rev += 1000
				s.update(func(tx *bolt.Tx) {
					s.check(tx.Bucket([]byte("key")).Put(revisionKey(s.rev, 0, false), []byte{}))
					s.check(tx.Bucket([]byte("meta")).Put([]byte("scheduledCompactRev"), revisionKey(s.rev, 0, false)))
				})
				s.put(key, plain)
			},
			Options{},
			[]fact.StoredSecret{{Namespace: "shop", Name: "a", Revision: 1004, Class: fact.ClassIdentityProtobuf, Size: len(plain), Older: 1, OlderRevision: 3}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, 4096)
			s.put("/registry/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
			tc.build(s)
			file := s.bytes()
			for _, live := range []bool{false, true} {
				tc.opts.Live = live
				if diff := cmp.Diff(tc.want, mustRead(t, file, tc.opts).Secrets); diff != "" {
					t.Errorf("live %v (-want +got):\n%s", live, diff)
				}
			}
		})
	}
}

// nil2 passes a value through; a nil one would be a delete.
func nil2(b []byte) []byte { return b }

func TestReadGaps(t *testing.T) {
	const copied = ", or the file was copied while etcd was writing (take a consistent copy with etcdctl snapshot save)"
	plain := storedtest.ProtobufSecret("shop", "a", []byte("CANARY"))
	const key = "/registry/secrets/shop/a"
	put := func(s *store) {
		s.put("/registry/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
		s.put(key, plain)
	}
	classified := []fact.StoredSecret{{Namespace: "shop", Name: "a", Revision: 3, Class: fact.ClassIdentityProtobuf, Size: len(plain)}}
	uncertain := []fact.StoredSecret{{Namespace: "shop", Name: "a", Revision: 3, Class: fact.ClassUnknown, LastSeen: fact.ClassIdentityProtobuf, Size: len(plain)}}
	for name, tc := range map[string]struct {
		build  func(*store)
		change func([]byte) []byte
		opts   Options
		want   []fact.StoredSecret
		reason fact.Reason
		detail string
	}{
		"no default namespace: the prefix is not known": {
			build: func(s *store) { s.put(key, plain) }, reason: fact.NotPresent,
			detail: "db: no key PREFIX/namespaces/default, so the prefix of Kubernetes' keys is unknown: another program uses this etcd, or the member has not caught up" + copied,
		},
		"another prefix than the given one": {
			build: put, opts: Options{Prefix: "/other"}, reason: fact.NotPresent,
			detail: "db: no key /other/namespaces/default: the prefix is another, or the member has not caught up",
		},
		"two clusters in one etcd": {
			build:  func(s *store) { put(s); s.put("/other/namespaces/default", plain) },
			reason: fact.Unsupported, detail: "db: keys of more than one cluster, with the prefixes /other, /registry",
		},
		"a plaintext Secret under another prefix is not judged": {
			build: func(s *store) {
				put(s)
				s.put("/other/secrets/shop/b", storedtest.ProtobufSecret("shop", "b", []byte("CANARY")))
			},
			want:   classified,
			reason: fact.Unsupported, detail: "db: 1 plaintext rows of Secrets under a prefix other than /registry (first: page 2, element 2) are not judged",
		},
		"an unknown field where a Secret's value should be": {
			build: func(s *store) {
				put(s)
				s.do(op{key: "/registry/secrets/shop/b", value: []byte{}, odd: func(fields [][]byte) []byte { return storedtest.Field(bytes.Join(fields, nil), 13, []byte("CANARY")) }})
			},
			want:   uncertain,
			reason: fact.Corrupt, detail: "db: page 2: element 2: an unknown field where the Secret's value should be",
		},
		"a Secret's name of 5,000 bytes": {
			build: func(s *store) { put(s); s.put("/registry/secrets/shop/"+strings.Repeat("b", 5000), plain) }, want: uncertain,
			reason: fact.Corrupt, detail: "db: page 5: element 2: a Secret's key without the names of a namespace and a Secret",
		},
		"more Secrets than are listed": {
			build: func(s *store) {
				put(s)
				s.put("/registry/secrets/shop/b", storedtest.ProtobufSecret("shop", "b", nil))
				s.put("/registry/secrets/shop/c", storedtest.ProtobufSecret("shop", "c", nil))
			},
			opts: Options{limit: 1}, want: classified, reason: fact.Truncated,
			detail: "db: at least 2 Secrets, of which 1 are listed",
		},
		"a revision that is missing without a compaction": {
			build:  func(s *store) { put(s); s.rev++; s.put("/registry/pods/x", []byte("x")) },
			want:   uncertain,
			reason: fact.Corrupt, detail: "db: page 2: element 2: revision 4 is missing before it, and compaction reached only 0",
		},
		"a version that is missing without a compaction": {
			build:  func(s *store) { put(s); s.ver[key]++; s.put(key, plain) },
			want:   []fact.StoredSecret{{Namespace: "shop", Name: "a", Revision: 4, Class: fact.ClassUnknown, LastSeen: fact.ClassIdentityProtobuf, Size: len(plain), Older: 1, OlderRevision: 3}},
			reason: fact.Corrupt, detail: "db: page 2: element 2: versions of the Secret are missing, and compaction has not reached them",
		},
		"created again without a tombstone": {
			build:  func(s *store) { put(s); delete(s.ver, key); delete(s.create, key); s.put(key, plain) },
			want:   []fact.StoredSecret{{Namespace: "shop", Name: "a", Revision: 4, Class: fact.ClassUnknown, LastSeen: fact.ClassIdentityProtobuf, Size: len(plain), Older: 1, OlderRevision: 3}},
			reason: fact.Corrupt, detail: "db: page 2: element 2: the Secret was created again without having been deleted",
		},
		"a name in the value that is not the key's": {
			build:  func(s *store) { put(s); s.put("/registry/secrets/shop/b", plain) },
			want:   append(uncertain[:1:1], fact.StoredSecret{Namespace: "shop", Name: "b", Revision: 4, Class: fact.ClassUnknown, LastSeen: fact.ClassUnknown, Size: len(plain)}),
			reason: fact.Corrupt, detail: "db: page 2: element 2: the name in its value differs from the one in its key",
		},
		"an encrypted object under a key of nobody": {
			build: func(s *store) {
				put(s)
				s.put("/registry/s\x00\x00\x00ets/shop/b", storedtest.AESCBC(rand.New(rand.NewSource(1)), "k", 3))
			}, want: uncertain,
			reason: fact.Corrupt, detail: "db: page 2: element 2: an encrypted object under a key that the API server would not write",
		},
		"a plaintext Secret under the key of another resource": {
			build: func(s *store) {
				put(s)
				s.put("/registry/pods/shop/b", storedtest.ProtobufSecret("shop", "b", []byte("CANARY")))
			}, want: uncertain,
			reason: fact.Corrupt, detail: "db: page 2: element 2: a plaintext Secret under a key that is not a Secret's",
		},
		"a key without a name": {
			build: func(s *store) { put(s); s.put("/registry/secrets/CANARY", plain) }, want: uncertain,
			reason: fact.Corrupt, detail: "db: page 2: element 2: a Secret's key without the names of a namespace and a Secret",
		},
		"a key that is nearly a Secret's": {
			build: func(s *store) { put(s); s.put("/registry/sebrets/shop/b", plain) }, want: uncertain,
			reason: fact.Corrupt, detail: "db: page 2: element 2: a key that differs in one byte from those of Secrets",
		},
		"a row that is no KeyValue": {
			build: func(s *store) {
				put(s)
				s.update(func(tx *bolt.Tx) {
					s.check(tx.Bucket([]byte("key")).Put(revisionKey(4, 0, false), []byte("CANARY")))
				})
			},
			want:   uncertain,
			reason: fact.Corrupt, detail: "db: page 2: element 2: the row is not a KeyValue",
		},
		"big endian": {
			build:  put,
			change: func(b []byte) []byte { b[16], b[17], b[18], b[19] = 0xED, 0x0C, 0xDA, 0xED; b[4096+16] = 0; return b },
			reason: fact.Unsupported, detail: "db: a bbolt file in big-endian byte order",
		},
		"the older meta page is bad, which the newer one cannot know": {
			build: put, change: func(b []byte) []byte { b[4096+40]++; return b }, want: uncertain,
			reason: fact.Corrupt, detail: "db: meta page 1: the checksum does not match; the other meta page was read; its transaction 4 may not be the last",
		},
		"the newer meta page is bad: the tree before has no Secret yet": {
			build: put, change: func(b []byte) []byte { b[40]++; return b },
			reason: fact.Corrupt, detail: "db: meta page 0: the checksum does not match; the other meta page was read; its transaction 3 may not be the last",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, 4096)
			tc.build(s)
			file := s.bytes()
			if tc.change != nil {
				file = tc.change(file)
			}
			for _, live := range []bool{false, true} {
				tc.opts.Live, tc.opts.Path = live, "db"
				tc.opts.Subject = fact.Subject{Kind: "Node", Name: "cp1"}
				db, gaps, err := Read(ctx, memory(file), tc.opts)
				if err != nil {
					t.Fatal(err)
				}
				if db.Complete {
					t.Errorf("live %v: complete", live)
				}
				detail := tc.detail
				if live { // no copy
					detail = strings.TrimSuffix(detail, copied)
				}
				want := []fact.Gap{{What: fact.Etcd, Subject: tc.opts.Subject, Reason: tc.reason, Detail: detail}}
				if diff := cmp.Diff(want, gaps[:min(1, len(gaps))]); diff != "" {
					t.Errorf("live %v: first gap of %d (-want +got):\n%s", live, len(gaps), diff)
				}
				if diff := cmp.Diff(tc.want, db.Secrets); diff != "" {
					t.Errorf("live %v: Secrets (-want +got):\n%s", live, diff)
				}
			}
		})
	}
}

func TestReadErrors(t *testing.T) {
	s := newStore(t, 4096)
	s.put("/registry/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
	good := s.bytes()
	bothBad := append([]byte(nil), good...)
	bothBad[40]++
	bothBad[4096+72]++

	other := newStore(t, 4096)
	other.update(func(tx *bolt.Tx) {
		for _, b := range []string{"key", "auth"} {
			other.check(tx.DeleteBucket([]byte(b)))
		}
	})
	for name, tc := range map[string]struct {
		file []byte
		want string
	}{
		"empty":               {nil, "reading db: expected a bbolt file such as etcd's member/snap/db, found no valid meta page: page 0: the file ends before it; page 1: no magic number"},
		"text":                {[]byte("CANARY: x\n"), "reading db: expected a bbolt file such as etcd's member/snap/db, found no valid meta page: page 0: the file ends before it; page 1: no magic number"},
		"both meta pages bad": {bothBad, "reading db: expected a bbolt file such as etcd's member/snap/db, found no valid meta page: page 0: the checksum does not match; page 1: the checksum does not match"},
		"bbolt of another program": {
			other.bytes(), `reading db: expected etcd's bucket "key", found a bbolt file of another program, with 7 other buckets`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, live := range []bool{false, true} {
				db, gaps, err := Read(ctx, memory(tc.file), Options{Path: "db", Live: live})
				if err == nil || err.Error() != tc.want {
					t.Errorf("live %v: want %s\n got %v (%v, %v)", live, tc.want, err, db, gaps)
				}
			}
		})
	}
}

func TestReadEndsAtItsDeadline(t *testing.T) {
	s := newStore(t, 1024)
	s.cluster(rand.New(rand.NewSource(5)), 300)
	file := s.bytes()
	for _, live := range []bool{false, true} {
		for after := 1; ; after += 5 {
			ctx, cancel := context.WithCancel(ctx)
			src := &countdown{memory: file, left: after, then: cancel}
			db, gaps, err := Read(ctx, src, Options{Path: "db", Live: live, Prefix: "/registry"})
			cancel()
			if err != nil {
				t.Fatal(err)
			}
			if src.left > 0 {
				if !db.Complete {
					t.Errorf("live %v: not complete without an end: %v", live, gaps)
				}
				break
			}
			if db.Complete && ctx.Err() != nil && len(gaps) == 0 && src.left < -5 {
				t.Fatalf("live %v: complete after %d reads", live, after)
			}
			if !db.Complete {
				if len(gaps) != 1 || gaps[0].Reason != fact.Interrupted {
					t.Fatalf("live %v: gaps %+v", live, gaps)
				}
				for _, s := range db.Secrets {
					if s.Class != fact.ClassUnknown {
						t.Fatalf("live %v: %+v, but a newer revision may follow", live, s)
					}
				}
			}
		}
	}
}

// countdown calls then after some reads.
type countdown struct {
	memory
	mu   sync.Mutex
	left int
	then func()
}

func (c *countdown) ReadAt(b []byte, off int64) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left--; c.left == 0 {
		c.then()
	}
	return c.memory.ReadAt(b, off)
}

func TestReadNeedsNoWriting(t *testing.T) {
	s := newStore(t, 4096)
	s.cluster(rand.New(rand.NewSource(5)), 10)
	s.check(s.db.Close())
	f, err := os.Open(s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	db, gaps, err := Read(ctx, fileSource{f}, Options{Path: s.path})
	if err != nil || len(gaps) > 0 {
		t.Fatal(err, gaps)
	}
	if diff := cmp.Diff(oracle(t, s.path), db.Secrets); diff != "" {
		t.Errorf("(-bbolt +ours):\n%s", diff)
	}
}
