package etcd

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
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

	compacted      int64
	keepsTombstone bool // as etcd since 3.5.18
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

// op is one change of a transaction: a put, or a delete where value is nil.
type op struct {
	key   string
	value []byte
	lease int64
	// odd writes the row in another way than etcd's marshaller, with the same
	// meaning.
	odd func([][]byte) []byte
}

// txn writes one revision with its changes.
func (s *store) txn(tx *bolt.Tx, ops ...op) int64 {
	s.rev++
	b := tx.Bucket([]byte("key"))
	b.FillPercent = 0.9
	for sub, o := range ops {
		row := storedRow{key: revisionKey(s.rev, int64(sub), o.value == nil), name: o.key, main: s.rev, dead: o.value == nil}
		fields := [][]byte{storedtest.Field(nil, 1, []byte(o.key))}
		if o.value == nil {
			delete(s.create, o.key)
			delete(s.ver, o.key)
		} else {
			if s.create[o.key] == 0 {
				s.create[o.key] = s.rev
			}
			s.ver[o.key]++
			fields = append(fields, storedtest.VarintField(nil, 2, s.create[o.key]), storedtest.VarintField(nil, 3, s.rev), storedtest.VarintField(nil, 4, s.ver[o.key]))
			if len(o.value) > 0 { // proto3 writes no field that is zero
				fields = append(fields, storedtest.Field(nil, 5, o.value))
			}
			if o.lease != 0 {
				fields = append(fields, storedtest.VarintField(nil, 6, o.lease))
			}
		}
		kv := bytes.Join(fields, nil)
		if o.odd != nil {
			kv = o.odd(fields)
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

// others writes what clients other than the API server may write, and versions
// of etcd other than this one: everything that etcd and bbolt take. Keys have up
// to so many bytes.
func (s *store) others(tx *bolt.Tx, r *rand.Rand, longest int) {
	s.t.Helper()
	n := r.Intn(1 << 30)
	key := func(name string) string { return fmt.Sprintf("%s/%d", name, n) }
	backwards := func(fields [][]byte) []byte { slices.Reverse(fields); return bytes.Join(fields, nil) }
	later := func(fields [][]byte) []byte {
		b := bytes.Join(fields, nil)
		b = storedtest.VarintField(b, 7, 1)
		b = append(b, 8<<3|1, 0, 1, 2, 3, 4, 5, 6, 7)
		b = storedtest.Field(b, 9, []byte("later"))
		b = append(b, 10<<3|5, 0, 1, 2, 3)
		return storedtest.Field(b, 2000, nil)
	}
	zeros := func(fields [][]byte) []byte {
		return storedtest.VarintField(storedtest.Field(bytes.Join(fields, nil), 5, nil), 6, 0)
	}
	tombstone := func(fields [][]byte) []byte {
		return storedtest.Field(storedtest.VarintField(storedtest.VarintField(bytes.Join(fields, nil), 2, 0), 6, 0), 5, nil)
	}
	all := [][]op{
		{{key: key("lock"), value: []byte{}}}, // as etcdctl lock leaves it: no value
		{{key: key("lock"), value: []byte{}, lease: 0x694d8f1c0b2a1d07}},
		{{key: key("lease"), value: []byte("x"), lease: -1}}, // a client may choose the ID
		{{key: key("zeros"), value: []byte{}, odd: zeros}},
		{{key: key("value"), value: []byte{0}}},
		{{key: "\x00" + key(""), value: []byte{}}},
		{{key: key("\xff\xfe\n\x00/registry/secrets"), value: []byte("x")}},
		{{key: "/" + key("registry"), value: []byte{}}, {key: "/registry" + key("/"), value: []byte{}}},
		{{key: key("/registry/secret"), value: []byte{}}, {key: key("/registry/secretss/a"), value: []byte{}}},
		{{key: key(strings.Repeat("k", min(maxHeldKey-16, longest))), value: []byte("x")}},
		{{key: key(strings.Repeat("/registry/secrets\x00", 1+r.Intn(longest/18))), value: []byte("x")}, {key: key("sub"), value: []byte{}}},
		{{key: key("back"), value: []byte("x"), lease: 7, odd: backwards}},
		{{key: key("later"), value: []byte("x"), lease: 7, odd: later}, {key: key("later lock"), value: []byte{}, odd: later}},
		{{key: key("back")}, {key: key("later")}, {key: key("value")}}, // a lease that ran out
		{{key: key("zeros"), odd: tombstone}},
		{{key: key("lease"), odd: later}},
		{{key: key("lock"), value: []byte("taken")}},
		{{key: key("lock"), value: []byte{}}},
	}
	for i, ops := range all {
		// Rows that follow from one before are not left out.
		if r.Intn(3) > 0 || i == 0 || i > 10 && i < 16 || i == 2 || i == 3 || i == 4 {
			s.txn(tx, ops...)
		}
	}
}

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
		// Since 3.5.18 a tombstone of the very revision stays.
		if row.main > at || last[row.name] == i && (!row.dead || s.keepsTombstone && row.main == at) {
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

// cluster fills a store with what a small cluster has: namespaces, pods, leases
// and Secrets of every class, some rewritten, some deleted, some created again.
func (s *store) cluster(r *rand.Rand, secrets int) {
	s.t.Helper()
	s.update(func(tx *bolt.Tx) {
		s.txn(tx, op{key: "/registry/namespaces/default", value: storedtest.Protobuf("v1", "Namespace", []byte("x"))})
		s.txn(tx, op{key: "/registry/namespaces/kube-system", value: storedtest.Protobuf("v1", "Namespace", []byte("x"))})
		for i := range secrets {
			ns := []string{"default", "kube-system", "shop"}[r.Intn(3)]
			name := fmt.Sprintf("secret-%04d", i)
			key := "/registry/secrets/" + ns + "/" + name
			s.txn(tx, op{key: key, value: storedtest.AnySecret(r, ns, name)})
			if r.Intn(3) == 0 {
				s.txn(tx, op{key: "/registry/pods/" + ns + "/" + name, value: storedtest.Protobuf("v1", "Pod", storedtest.Payload(r, r.Intn(900)))})
			}
			if i%20 == 0 {
				s.others(tx, r, 45_000)
			}
			switch r.Intn(6) {
			case 0:
				s.txn(tx, op{key: key, value: storedtest.AnySecret(r, ns, name)})
			case 1:
				s.txn(tx, op{key: key}, op{key: "/registry/events/" + ns + "/" + name, value: storedtest.Payload(r, 100), lease: 77})
			case 2:
				s.txn(tx, op{key: key})
				s.txn(tx, op{key: key, value: storedtest.AnySecret(r, ns, name)})
			}
		}
	})
}

// oracle reads the file with bbolt itself, and classifies in the plainest way:
// by the whole value, split at colons.
func oracle(t testing.TB, path string) []fact.StoredSecret {
	t.Helper()
	secrets, _ := oracleAll(t, path)
	return secrets
}

// oracleAll also counts the older revisions that are still in the file.
func oracleAll(t testing.TB, path string) ([]fact.StoredSecret, *fact.StoredHistory) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	v := newViewed()
	if err := db.View(func(tx *bolt.Tx) error {
		for _, name := range []string{"finishedCompactRev", "scheduledCompactRev"} {
			if rev := tx.Bucket([]byte("meta")).Get([]byte(name)); rev != nil {
				v.history.Compacted = max(v.history.Compacted, int64(binary.BigEndian.Uint64(rev)))
			}
		}
		return view(tx, v, unmarshal)
	}); err != nil {
		t.Fatal(err)
	}
	v.history.Complete = true
	out := make([]fact.StoredSecret, 0, len(v.current))
	for full, s := range v.current {
		if old := v.old[full]; old != nil {
			s.Older, s.OlderRevision = int32(old.Plaintext), old.Revision
		}
		out = append(out, s)
	}
	for full, old := range v.old {
		if _, ok := v.current[full]; !ok {
			v.history.Deleted = append(v.history.Deleted, *old)
		}
	}
	slices.SortFunc(v.history.Deleted, func(a, b fact.DeletedSecret) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	v.history.DeletedTotal = len(v.history.Deleted)
	slices.SortFunc(out, func(a, b fact.StoredSecret) int {
		if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	if len(out) == 0 {
		out = nil
	}
	return out, &v.history
}

// viewed is what the oracle's walk finds.
type viewed struct {
	current map[string]fact.StoredSecret
	old     map[string]*fact.DeletedSecret // those with older revisions in plaintext
	history fact.StoredHistory
}

func newViewed() *viewed {
	return &viewed{current: map[string]fact.StoredSecret{}, old: map[string]*fact.DeletedSecret{}}
}

// view is the oracle's walk in one transaction.
func view(tx *bolt.Tx, v *viewed, unmarshal func([]byte) (row, error)) error {
	return tx.Bucket([]byte("key")).ForEach(func(k, b []byte) error {
		kv, err := unmarshal(b)
		if err != nil {
			return err
		}
		key, value := kv.Key, kv.Value
		full, found := strings.CutPrefix(string(key), "/registry/secrets/")
		if !found {
			return nil
		}
		ns, name, _ := strings.Cut(full, "/")
		if old, ok := v.current[full]; ok {
			v.history.Revisions++
			if old.Class.Plaintext() {
				v.history.Plaintext++
				if v.old[full] == nil {
					v.old[full] = &fact.DeletedSecret{Namespace: ns, Name: name}
				}
				v.old[full].Plaintext++
				v.old[full].Revision = old.Revision
			}
		}
		if len(k) == 18 {
			delete(v.current, full)
			return nil
		}
		s := fact.StoredSecret{Namespace: ns, Name: name, Revision: int64(binary.BigEndian.Uint64(k)), Size: len(value)}
		if bytes.HasPrefix(value, []byte("k8s:enc:")) {
			words := strings.SplitN(string(value), ":", 6)
			s.Class = map[string]fact.StorageClass{
				"aescbc:v1": fact.ClassAESCBC, "aesgcm:v1": fact.ClassAESGCM, "secretbox:v1": fact.ClassSecretbox,
				"kms:v1": fact.ClassKMSv1, "kms:v2": fact.ClassKMSv2,
			}[words[2]+":"+words[3]]
			s.Provider = strings.Join(words[:5], ":") + ":"
			s.KeyGuessed = true
			if s.Class == fact.ClassKMSv2 { // storedtest.KMSv2's key
				sum := sha256.Sum256([]byte("key-id-1"))
				s.KeyID = hex.EncodeToString(sum[:])[:16]
			}
		} else if len(value) == 0 {
			s.Class = fact.ClassEmpty
		} else if value[0] == '{' {
			s.Class = fact.ClassIdentityJSON
		} else {
			s.Class = fact.ClassIdentityProtobuf
		}
		v.current[full] = s
		return nil
	})
}

// row is a mvccpb.KeyValue as protobuf reads it.
type row struct {
	Key, Value                           []byte
	CreateRevision, ModRevision, Version int64
	Lease                                int64
}

// keyValueType is the message of etcd's api/mvccpb/kv.proto.
var keyValueType = func() protoreflect.MessageDescriptor {
	fields := []*descriptorpb.FieldDescriptorProto{}
	for i, name := range []string{"key", "create_revision", "mod_revision", "version", "value", "lease"} {
		kind := descriptorpb.FieldDescriptorProto_TYPE_INT64
		if name == "key" || name == "value" {
			kind = descriptorpb.FieldDescriptorProto_TYPE_BYTES
		}
		fields = append(fields, &descriptorpb.FieldDescriptorProto{
			Name: proto.String(name), Number: proto.Int32(int32(i + 1)), Type: kind.Enum(),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		})
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("kv.proto"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("KeyValue"), Field: fields}},
	}, nil)
	if err != nil {
		panic(err)
	}
	return file.Messages().Get(0)
}()

// unmarshal reads a row with the library that etcd itself reads it with.
func unmarshal(b []byte) (row, error) {
	m := dynamicpb.NewMessage(keyValueType)
	if err := proto.Unmarshal(b, m); err != nil {
		return row{}, err
	}
	get := func(n protowire.Number) protoreflect.Value { return m.Get(keyValueType.Fields().ByNumber(n)) }
	return row{ // nil for what is empty
		Key: append([]byte(nil), get(1).Bytes()...), CreateRevision: get(2).Int(), ModRevision: get(3).Int(), Version: get(4).Int(),
		Value: append([]byte(nil), get(5).Bytes()...), Lease: get(6).Int(),
	}, nil
}

// unmarshalFast does the same by hand, for the benchmark.
func unmarshalFast(b []byte) (kv row, err error) {
	for len(b) > 0 {
		number, wire, n := protowire.ConsumeTag(b)
		if n < 0 {
			return kv, protowire.ParseError(n)
		}
		b = b[n:]
		if wire == protowire.BytesType {
			v, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return kv, protowire.ParseError(n)
			}
			switch number {
			case 1:
				kv.Key = v
			case 5:
				kv.Value = v
			}
			b = b[n:]
			continue
		}
		if n = protowire.ConsumeFieldValue(number, wire, b); n < 0 {
			return kv, protowire.ParseError(n)
		}
		b = b[n:]
	}
	return kv, nil
}
