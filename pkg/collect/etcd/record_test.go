package etcd

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// parsed is what parseKeyValue makes of a row, or its problem.
func parsed(t testing.TB, b []byte) (row, string) {
	t.Helper()
	kv, problem, f := parseKeyValue(stored.Of(b), nil)
	if f != nil {
		t.Fatal(f)
	}
	if problem != "" {
		return row{}, problem
	}
	value, err := kv.value.Lead(math.MaxInt)
	if err != nil {
		t.Fatal(err)
	}
	return row{
		Key: append([]byte(nil), kv.key...), CreateRevision: kv.create, ModRevision: kv.mod, Version: kv.version,
		Value: append([]byte(nil), value...),
	}, ""
}

// What a row means is what protobuf says, and each field may be absent.
func TestParseKeyValue(t *testing.T) {
	f := func(number int, value string) []byte { return storedtest.Field(nil, number, []byte(value)) }
	v := func(number int, value int64) []byte { return storedtest.VarintField(nil, number, value) }
	const broken, twice, noKey = "the row is not a KeyValue", "a field of the row appears twice", "the row has no key"
	all := [][]byte{f(1, "k"), v(2, 5), v(3, 6), v(4, 2), f(5, "v"), v(6, 77)}
	for name, tc := range map[string]struct {
		row  [][]byte
		want string // the problem
	}{
		"every field":                   {all, ""},
		"in another order":              {[][]byte{v(6, 77), f(5, "v"), v(4, 2), v(3, 6), v(2, 5), f(1, "k")}, ""},
		"no value":                      {[][]byte{f(1, "k"), v(2, 5), v(3, 6), v(4, 2), v(6, 77)}, ""},
		"no value and no lease":         {[][]byte{f(1, "k"), v(2, 5), v(3, 6), v(4, 2)}, ""},
		"no lease":                      {all[:5], ""},
		"no revisions":                  {[][]byte{f(1, "k"), f(5, "v")}, ""},
		"nothing but a key":             {all[:1], ""},
		"zeros that are written":        {[][]byte{f(1, "k"), v(2, 0), v(3, 0), v(4, 0), f(5, ""), v(6, 0)}, ""},
		"a negative lease":              {[][]byte{f(1, "k"), v(6, -1)}, ""},
		"negative revisions":            {[][]byte{f(1, "k"), v(2, -1), v(3, math.MinInt64), v(4, -1)}, ""},
		"a key with NUL":                {[][]byte{f(1, "a\x00b\xff\n"), f(5, "\x00")}, ""},
		"a key of as much as is held":   {[][]byte{f(1, strings.Repeat("k", maxHeldKey)), f(5, "v")}, ""},
		"a value of 1 MB":               {[][]byte{f(1, "k"), f(5, strings.Repeat("v", 1<<20)), v(6, 1)}, ""},
		"fields of a later version":     {[][]byte{v(7, 1), f(1, "k"), {8<<3 | 1, 1, 2, 3, 4, 5, 6, 7, 8}, f(5, "v"), {10<<3 | 5, 1, 2, 3, 4}, f(9, "x")}, ""},
		"no key":                        {all[1:], noKey},
		"an empty key":                  {[][]byte{f(1, ""), f(5, "v")}, noKey},
		"nothing at all":                {nil, noKey},
		"a value that is there twice":   {append(slices.Clip(all), f(5, "w")), twice},
		"a key that is there twice":     {append(slices.Clip(all), f(1, "l")), twice},
		"a lease that is there twice":   {append(slices.Clip(all), v(6, 1)), twice},
		"a key that is a number":        {[][]byte{v(1, 3)}, broken},
		"a version that is text":        {[][]byte{f(1, "k"), f(4, "1")}, broken},
		"field 0":                       {[][]byte{f(1, "k"), {0, 1}}, broken},
		"a group":                       {[][]byte{f(1, "k"), {7<<3 | 3, 7<<3 | 4}}, broken},
		"a wire type that is none":      {[][]byte{f(1, "k"), {7<<3 | 6, 1}}, broken},
		"a value cut short":             {[][]byte{f(1, "k"), f(5, "value")[:4]}, broken},
		"a length beyond everything":    {[][]byte{f(1, "k"), binary.AppendUvarint([]byte{5<<3 | 2}, math.MaxUint64)}, broken},
		"a number without an end":       {[][]byte{f(1, "k"), {4 << 3, 0x80}}, broken},
		"a number of more than 64 bits": {[][]byte{f(1, "k"), append([]byte{4 << 3}, bytes.Repeat([]byte{0xff}, 10)...)}, broken},
		"a number in too many bytes":    {[][]byte{f(1, "k"), {4 << 3, 0x81, 0}}, broken},
		"a later field cut short":       {[][]byte{f(1, "k"), {8<<3 | 1, 1, 2, 3}}, broken},
	} {
		t.Run(name, func(t *testing.T) {
			b := bytes.Join(tc.row, nil)
			got, problem := parsed(t, b)
			if problem != tc.want {
				t.Fatalf("want problem %q, got %q", tc.want, problem)
			}
			want, err := unmarshal(b)
			if tc.want == "" {
				want.Lease = 0                                                                        // which is not read
				if diff := cmp.Diff(want, got, cmp.Comparer(bytes.Equal)); err != nil || diff != "" { // cmp looks at each byte of a MB
					t.Errorf("%v (-protobuf +ours):\n%s", err, diff)
				}
			} else if tc.want == broken && err == nil && name != "a number in too many bytes" && name != "a key that is a number" && name != "a version that is text" && name != "a group" {
				t.Errorf("protobuf reads it: %+v", want)
			}
		})
	}
}

func TestLongKey(t *testing.T) {
	for _, size := range []int{maxHeldKey, maxHeldKey + 1, 40_000, 1_500_000} {
		b := storedtest.VarintField(storedtest.Field(nil, 1, bytes.Repeat([]byte("k"), size)), 2, 9)
		kv, problem, f := parseKeyValue(stored.Of(b), nil)
		if problem != "" || f != nil || len(kv.key) != min(size, maxHeldKey) || kv.keySize != size || kv.long() != (size > maxHeldKey) || kv.create != 9 {
			t.Errorf("a key of %d bytes: %s, %v, %d held of %d, create_revision %d", size, problem, f, len(kv.key), kv.keySize, kv.create)
		}
	}
}

func TestNames(t *testing.T) {
	for text, want := range map[string][2]bool{ // a label, a subdomain
		"a": {true, true}, "a-b": {true, true}, "a--b": {true, true}, "0": {true, true},
		"a.b": {false, true}, "a.b-c.d": {false, true},
		"": {}, "-a": {}, "a-": {}, ".a": {}, "a.": {}, "a..b": {}, "a.-b": {}, "a-.b": {}, "A": {}, "a_b": {}, "a/b": {}, "ä": {},
		strings.Repeat("a", 63): {true, true}, strings.Repeat("a", 64): {false, true},
		strings.Repeat("a", 253): {false, true}, strings.Repeat("a", 254): {},
	} {
		if got := [2]bool{label(text), subdomain(text)}; got != want {
			t.Errorf("%q: want %v, got %v", text, want, got)
		}
	}
}

// A file that etcd 3.7.0 wrote, with the row that etcdctl lock leaves.
func TestLockRow(t *testing.T) {
	file, err := os.ReadFile("testdata/lock-row.db")
	if err != nil {
		t.Fatal(err)
	}
	db := mustRead(t, file[:len(file)-32], Options{Path: "db"})
	want := fact.EtcdDB{
		Path: "db", Prefix: "/registry", PrefixFrom: "the key of the default namespace",
		Revision: 4, TxID: db.TxID, Size: int64(len(file) - 32), Complete: true, History: &fact.StoredHistory{Complete: true},
	}
	if diff := cmp.Diff(want, *db); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Rows of other clients and other versions, at every page size and in both
// ways of reading, next to Secrets that have to come out as bbolt and protobuf
// read them.
func TestOtherRows(t *testing.T) {
	for seed := range int64(12) {
		r := rand.New(rand.NewSource(seed))
		s := newStore(t, 1<<10<<(seed%7))
		s.keepsTombstone = seed%2 == 0
		s.update(func(tx *bolt.Tx) {
			s.check(tx.Bucket([]byte("meta")).Put([]byte("scheduledCompactRev"), revisionKey(0, 0, false))) // etcdctl compact 0
			s.check(tx.Bucket([]byte("meta")).Put([]byte("finishedCompactRev"), revisionKey(0, 0, false)))
			s.check(tx.Bucket([]byte("meta")).Put([]byte("empty"), nil))
		})
		s.put("/registry/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
		for i := range 40 {
			name := []string{"a", "b", "c"}[i%3]
			s.put("/registry/secrets/shop/"+name, storedtest.AnySecret(r, "shop", name))
			s.update(func(tx *bolt.Tx) { s.others(tx, r, 45_000) })
			switch r.Intn(12) {
			case 0:
				s.compact(s.rev)
			case 1:
				s.delete("/registry/secrets/shop/" + name)
				s.compact(s.rev)
			case 2: // etcdutl snapshot restore --bump-revision 1000 --mark-compacted
				s.rev += 1000
				s.update(func(tx *bolt.Tx) {
					s.check(tx.Bucket([]byte("key")).Put(revisionKey(s.rev, 0, false), nil))
					s.check(tx.Bucket([]byte("meta")).Put([]byte("scheduledCompactRev"), revisionKey(s.rev, 0, false)))
				})
			}
		}
		file := s.bytes()
		want := oracle(t, s.path)
		for _, live := range []bool{false, true} {
			if diff := cmp.Diff(want, mustRead(t, file, Options{Live: live}).Secrets); diff != "" {
				t.Errorf("seed %d, live %v (-bbolt +ours):\n%s", seed, live, diff)
			}
		}
	}
}
