package etcd

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// store is a small model of etcd's mvcc store over a bbolt file, which bbolt
// itself writes: puts, deletes and compaction leave the rows that etcd leaves.
type store struct {
	t      testing.TB
	path   string
	db     *bolt.DB
	rev    int64
	create map[string]int64
	ver    map[string]int64
	rows   []storedRow // all that are in the file

	compacted int64
}

type storedRow struct {
	key  []byte // of the row
	name string // the key in it
	main int64
	dead bool
}

func newStore(t testing.TB, pageSize int) *store {
	t.Helper()
	return openStore(t, filepath.Join(t.TempDir(), "db"), pageSize)
}

func openStore(t testing.TB, path string, pageSize int) *store {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{PageSize: pageSize, NoFreelistSync: true, NoSync: true, NoGrowSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s := &store{t: t, path: path, db: db, rev: 1, create: map[string]int64{}, ver: map[string]int64{}}
	s.update(func(tx *bolt.Tx) {
		for _, name := range []string{"alarm", "auth", "authRoles", "authUsers", "cluster", "key", "lease", "members", "members_removed", "meta"} {
			b, err := tx.CreateBucket([]byte(name))
			s.check(err)
			if name == "key" {
				b.FillPercent = 0.9
			}
			if name == "meta" {
				s.check(b.Put([]byte("consistent_index"), make([]byte, 8)))
			}
		}
	})
	return s
}

func (s *store) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *store) update(f func(*bolt.Tx)) {
	s.t.Helper()
	s.check(s.db.Update(func(tx *bolt.Tx) error { f(tx); return nil }))
}

func revisionKey(main, sub int64, tombstone bool) []byte {
	k := binary.BigEndian.AppendUint64(nil, uint64(main))
	k = append(k, '_')
	k = binary.BigEndian.AppendUint64(k, uint64(sub))
	if tombstone {
		k = append(k, 't')
	}
	return k
}

func field(b []byte, number int, value []byte) []byte {
	b = append(b, byte(number<<3|2))
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}

func varintField(b []byte, number int, value int64) []byte {
	b = append(b, byte(number<<3))
	return binary.AppendUvarint(b, uint64(value))
}

// op is one change of a transaction: a put, or a delete where value is nil.
type op struct {
	key   string
	value []byte
	lease int64
}

// txn writes one revision with its changes.
func (s *store) txn(tx *bolt.Tx, ops ...op) int64 {
	s.rev++
	b := tx.Bucket([]byte("key"))
	b.FillPercent = 0.9
	for sub, o := range ops {
		row := storedRow{key: revisionKey(s.rev, int64(sub), o.value == nil), name: o.key, main: s.rev, dead: o.value == nil}
		kv := field(nil, 1, []byte(o.key))
		if o.value == nil {
			delete(s.create, o.key)
			delete(s.ver, o.key)
		} else {
			if s.create[o.key] == 0 {
				s.create[o.key] = s.rev
			}
			s.ver[o.key]++
			kv = varintField(kv, 2, s.create[o.key])
			kv = varintField(kv, 3, s.rev)
			kv = varintField(kv, 4, s.ver[o.key])
			kv = field(kv, 5, o.value)
			if o.lease != 0 {
				kv = varintField(kv, 6, o.lease)
			}
		}
		s.check(b.Put(row.key, kv))
		s.rows = append(s.rows, row)
	}
	return s.rev
}

// do writes one revision in a bbolt transaction of its own.
func (s *store) do(ops ...op) (rev int64) {
	s.t.Helper()
	s.update(func(tx *bolt.Tx) { rev = s.txn(tx, ops...) })
	return rev
}

// put writes one key.
func (s *store) put(key string, value []byte) int64 {
	s.t.Helper()
	return s.do(op{key: key, value: value})
}

func (s *store) delete(key string) { s.t.Helper(); s.do(op{key: key}) }

// compact removes what etcd's compaction at a revision removes: all but the
// last row of each key, and that too where it is a tombstone.
func (s *store) compact(at int64) {
	s.t.Helper()
	s.update(func(tx *bolt.Tx) { s.compactTx(tx, at) })
}

func (s *store) compactTx(tx *bolt.Tx, at int64) {
	if at <= s.compacted {
		return // etcd: ErrCompacted
	}
	s.compacted = at
	meta := tx.Bucket([]byte("meta"))
	s.check(meta.Put([]byte("scheduledCompactRev"), revisionKey(at, 0, false)))
	last := map[string]int{}
	for i, row := range s.rows {
		if row.main <= at {
			last[row.name] = i
		}
	}
	b := tx.Bucket([]byte("key"))
	kept := s.rows[:0:0]
	for i, row := range s.rows {
		if row.main > at || last[row.name] == i && !row.dead {
			kept = append(kept, row)
			continue
		}
		s.check(b.Delete(row.key))
	}
	s.rows = kept
	s.check(meta.Put([]byte("finishedCompactRev"), revisionKey(at, 0, false)))
}

// bytes closes the database and gives the file.
func (s *store) bytes() []byte {
	s.t.Helper()
	s.check(s.db.Close())
	b, err := os.ReadFile(s.path)
	s.check(err)
	return b
}

// snapshot is what etcdctl snapshot save takes over the wire, without its sum.
func (s *store) snapshot() []byte {
	s.t.Helper()
	var b bytes.Buffer
	s.check(s.db.View(func(tx *bolt.Tx) error { _, err := tx.WriteTo(&b); return err }))
	return b.Bytes()
}

// memory is a Source of bytes.
type memory []byte

func (m memory) Size() (int64, error) { return int64(len(m)), nil }

func (m memory) ReadAt(b []byte, off int64) (int, error) {
	if off >= int64(len(m)) {
		return 0, io.EOF
	}
	n := copy(b, m[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// fileSource is a Source of a file.
type fileSource struct{ *os.File }

func (f fileSource) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Values as the API server stores them.

// protobufSecret is a v1 Secret in runtime.Unknown, with data of its own.
func protobufSecret(namespace, name string, data []byte) []byte {
	meta := field(nil, 1, []byte(name))
	meta = field(meta, 2, nil) // generateName is always written
	meta = field(meta, 3, []byte(namespace))
	meta = field(meta, 4, nil)
	meta = field(meta, 5, []byte("9a0f3c4e-uid"))
	entry := field(field(nil, 1, []byte("password")), 2, data)
	raw := field(field(field(nil, 1, meta), 2, entry), 3, []byte("Opaque"))
	return protobuf("v1", "Secret", raw)
}

func protobuf(apiVersion, kind string, raw []byte) []byte {
	b := []byte("k8s\x00")
	b = field(b, 1, field(field(nil, 1, []byte(apiVersion)), 2, []byte(kind)))
	b = field(b, 2, raw)
	b = field(b, 3, nil)
	return field(b, 4, nil)
}

func jsonSecret(namespace, name, data string) []byte {
	return fmt.Appendf(nil, `{"kind":"Secret","apiVersion":"v1","metadata":{"name":%q,"namespace":%q,"uid":"9a0f"},"data":{"password":%q},"type":"Opaque"}`+"\n", name, namespace, data)
}

// payload is ciphertext of n bytes, with colons in it.
func payload(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	r.Read(b)
	for i := range b {
		if r.Intn(16) == 0 {
			b[i] = ':'
		}
	}
	return b
}

func aescbc(r *rand.Rand, key string, blocks int) []byte {
	return append([]byte("k8s:enc:aescbc:v1:"+key+":"), payload(r, 16+16*blocks)...)
}

func aesgcm(r *rand.Rand, key string, n int) []byte {
	return append([]byte("k8s:enc:aesgcm:v1:"+key+":"), payload(r, 28+n)...)
}

func secretbox(r *rand.Rand, key string, n int) []byte {
	return append([]byte("k8s:enc:secretbox:v1:"+key+":"), payload(r, 40+n)...)
}

func kmsV1(r *rand.Rand, key string, n int) []byte {
	b := binary.BigEndian.AppendUint16([]byte("k8s:enc:kms:v1:"+key+":"), 60)
	return append(b, payload(r, 60+28+n)...)
}

func kmsV2(r *rand.Rand, key string, n int) []byte {
	b := []byte("k8s:enc:kms:v2:" + key + ":")
	b = field(b, 1, payload(r, 60+n))
	b = field(b, 2, []byte("key-id-1"))
	b = field(b, 3, payload(r, 40))
	b = field(b, 4, field(field(nil, 1, []byte("a.example.com")), 2, []byte("x")))
	return varintField(b, 5, 1)
}

// cluster fills a store with what a small cluster has: namespaces, pods, leases
// and Secrets of every class, some rewritten, some deleted, some created again.
func (s *store) cluster(r *rand.Rand, secrets int) {
	s.t.Helper()
	s.update(func(tx *bolt.Tx) {
		s.txn(tx, op{key: "/registry/namespaces/default", value: protobuf("v1", "Namespace", []byte("x"))})
		s.txn(tx, op{key: "/registry/namespaces/kube-system", value: protobuf("v1", "Namespace", []byte("x"))})
		for i := range secrets {
			ns := []string{"default", "kube-system", "shop"}[r.Intn(3)]
			name := fmt.Sprintf("secret-%04d", i)
			key := "/registry/secrets/" + ns + "/" + name
			s.txn(tx, op{key: key, value: anyValue(r, ns, name)})
			if r.Intn(3) == 0 {
				s.txn(tx, op{key: "/registry/pods/" + ns + "/" + name, value: protobuf("v1", "Pod", payload(r, r.Intn(900)))})
			}
			switch r.Intn(6) {
			case 0:
				s.txn(tx, op{key: key, value: anyValue(r, ns, name)})
			case 1:
				s.txn(tx, op{key: key}, op{key: "/registry/events/" + ns + "/" + name, value: payload(r, 100), lease: 77})
			case 2:
				s.txn(tx, op{key: key})
				s.txn(tx, op{key: key, value: anyValue(r, ns, name)})
			}
		}
	})
}

func anyValue(r *rand.Rand, ns, name string) []byte {
	n := r.Intn(300)
	switch r.Intn(9) {
	case 0:
		return jsonSecret(ns, name, fmt.Sprintf("CANARY%d", r.Int63()))
	case 1:
		return aescbc(r, "key1", 1+n/16)
	case 2:
		return aesgcm(r, "key.two", n)
	case 3:
		return secretbox(r, "box", n)
	case 4:
		return kmsV1(r, "vault", n)
	case 5:
		return kmsV2(r, "vault", n)
	default:
		return protobufSecret(ns, name, fmt.Appendf(nil, "CANARY%d", r.Int63()))
	}
}

// oracle reads the file with bbolt itself, and classifies in the plainest way:
// by the whole value, split at colons.
func oracle(t testing.TB, path string) []fact.StoredSecret {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	current := map[string]fact.StoredSecret{}
	if err := db.View(func(tx *bolt.Tx) error { return view(tx, current) }); err != nil {
		t.Fatal(err)
	}
	out := make([]fact.StoredSecret, 0, len(current))
	for _, s := range current {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b fact.StoredSecret) int {
		if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	if len(out) == 0 {
		return nil
	}
	return out
}

// view is the oracle's walk in one transaction.
func view(tx *bolt.Tx, current map[string]fact.StoredSecret) error {
	return tx.Bucket([]byte("key")).ForEach(func(k, v []byte) error {
		var key, value []byte
		for rest := v; len(rest) > 0; {
			number, wire := rest[0]>>3, rest[0]&7
			u, n := binary.Uvarint(rest[1:])
			rest = rest[1+n:]
			if wire == 2 {
				switch number {
				case 1:
					key = rest[:u]
				case 5:
					value = rest[:u]
				}
				rest = rest[u:]
			}
		}
		full, found := strings.CutPrefix(string(key), "/registry/secrets/")
		if !found {
			return nil
		}
		if len(k) == 18 {
			delete(current, full)
			return nil
		}
		ns, name, _ := strings.Cut(full, "/")
		s := fact.StoredSecret{Namespace: ns, Name: name, Revision: int64(binary.BigEndian.Uint64(k)), Size: len(value)}
		if bytes.HasPrefix(value, []byte("k8s:enc:")) {
			words := strings.SplitN(string(value), ":", 6)
			s.Class = map[string]fact.StorageClass{
				"aescbc:v1": fact.ClassAESCBC, "aesgcm:v1": fact.ClassAESGCM, "secretbox:v1": fact.ClassSecretbox,
				"kms:v1": fact.ClassKMSv1, "kms:v2": fact.ClassKMSv2,
			}[words[2]+":"+words[3]]
			s.Provider = strings.Join(words[:5], ":") + ":"
			s.KeyGuessed = true
		} else if value[0] == '{' {
			s.Class = fact.ClassIdentityJSON
		} else {
			s.Class = fact.ClassIdentityProtobuf
		}
		current[full] = s
		return nil
	})
}
