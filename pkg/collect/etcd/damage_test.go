package etcd

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/kubectl-checklist/kubectl-checklist/hack/raced"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// damageFile is a small file with branches, every class, rows of each kind and
// a compaction that has left some of the history.
func damageFile(t testing.TB) []byte {
	t.Helper()
	r := rand.New(rand.NewSource(3))
	s := newStore(t, 1024)
	s.put("/registry/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
	for i := range 24 {
		ns, name := "shop", fmt.Sprintf("db-password-%d", i)
		key := "/registry/secrets/" + ns + "/" + name
		values := [][]byte{
			storedtest.ProtobufSecret(ns, name, []byte("CANARY")), storedtest.AESCBC(r, "key1", 2), storedtest.AESGCM(r, "key1", 20), storedtest.Secretbox(r, "key1", 20),
			storedtest.KMSv1(r, "vault", 5), storedtest.KMSv2(r, "vault", 5), storedtest.JSONSecret(ns, name, "CANARY"), storedtest.ProtobufSecret(ns, name, []byte("CANARY")),
		}
		s.put(key, values[i%8])
		if i%3 == 0 {
			s.put(key, values[(i+1)%8])
		}
		if i%5 == 0 {
			s.do(op{key: "/registry/pods/shop/" + name, value: []byte("pod")}, op{key: key})
		}
		if i%10 == 0 {
			s.put(key, values[(i+2)%8])
		}
		if i == 16 {
			s.compact(s.rev - 6)
		}
		if i == 7 || i == 20 {
			s.put("lock/"+name, []byte{})
			s.update(func(tx *bolt.Tx) { s.others(tx, r, 200) })
		}
	}
	s.put("/registry/secrets/shop/large", storedtest.ProtobufSecret("shop", "large", make([]byte, 3000)))
	return s.bytes()
}

// TestFlippedBit flips one bit at every position of a file. Either the result
// is the same, or it is not complete and every class in it is right. What a flip
// may change unseen is the name of a Secret whose value does not repeat it, and
// the name of an encryption key.
func TestFlippedBit(t *testing.T) {
	file := damageFile(t)
	good := mustRead(t, file, Options{})
	want := map[string]fact.StoredSecret{}
	for _, s := range good.Secrets {
		s.Older, s.OlderRevision = 0, 0
		want[s.Namespace+"/"+s.Name] = s
	}
	if good.History.Plaintext < 2 || good.History.Unknown > 0 {
		t.Fatalf("history %+v", good.History)
	}
	incomplete, renamed, refused := 0, 0, 0
	used := usedPages(t, file, 1024)
	damaged := bytes.Clone(file)
	for pos := range file {
		for bit := range 8 {
			// All bits of the page headers, element tables and keys are too
			// many for a unit test; each byte has its turn with one.
			if !used[pos/1024] || bit != pos%8 && !exhaustive || (testing.Short() || raced.Enabled) && pos%5 != 0 {
				continue
			}
			for _, live := range []bool{false, true} {
				if live && (pos < 2048 || pos%7 != 0) { // a live file's meta pages are waited for
					continue
				}
				copy(damaged, file)
				damaged[pos] ^= 1 << bit
				db, gaps, err := Read(ctx, memory(damaged), Options{Live: live, Prefix: "/registry"})
				if err != nil {
					refused++
					continue
				}
				mustNotPanic(t, gaps)
				where := fmt.Sprintf("byte %d (page %d, offset %d), bit %d, live %v", pos, pos/1024, pos%1024, bit, live)
				if db.Complete != (len(gaps) == 0) {
					t.Fatalf("%s: complete %v with gaps %v", where, db.Complete, gaps)
				}
				var other []fact.StoredSecret
				same := 0
				for _, s := range db.Secrets {
					w, known := want[s.Namespace+"/"+s.Name]
					w.Provider, s.Provider, s.Older, s.OlderRevision = "", "", 0, 0
					w.KeyID, s.KeyID = "", ""
					if s.Size < w.Size {
						s.Size = w.Size // what was cut off reads as a field of a later version
					}
					switch {
					case !known:
						other = append(other, s)
					case s == w:
						same++
					case (s.Class == fact.ClassUnknown || s.Class == fact.ClassUnknownEncrypted) && s.LastSeen == "" && s.Revision == w.Revision:
						same++ // its value is no longer understood
					case s.Class != fact.ClassUnknown && s.Class != fact.ClassUnknownEncrypted:
						t.Errorf("%s: want %+v, got %+v (gaps %v)", where, w, s, gaps)
					}
				}
				if !db.Complete {
					incomplete++
					continue
				}
				if h := db.History; !h.Complete || h.Plaintext+h.Unknown < good.History.Plaintext && !inName(file, pos) {
					t.Errorf("%s: complete with the history %+v, want %+v", where, h, good.History)
				}
				if same == len(want) && len(other) == 0 {
					continue
				}
				// One row changed its name, and all else is the same.
				renamed++
				if !inName(file, pos) {
					t.Errorf("%s: complete with %d of %d Secrets and %v", where, same, len(want), other)
				}
			}
		}
	}
	t.Logf("%d bytes: %d results incomplete, %d refused, %d with another name", len(file), incomplete, refused, renamed)
	if incomplete < 500 {
		t.Error("hardly a flip was noticed")
	}
}

// exhaustive makes TestFlippedBit flip every bit.
var exhaustive = os.Getenv("ETCD_FLIP_ALL") != ""

// usedPages tells which pages a tree has, with both metas.
func usedPages(t *testing.T, file []byte, pageSize int) []bool {
	t.Helper()
	m, err := readMetas(memory(file))
	if err != nil {
		t.Fatal(err)
	}
	tr := &tree{src: memory(file), meta: m.newest(), expired: func() bool { return false }, seen: make([]uint64, len(file)/pageSize/64+1)}
	found, _, err := tr.buckets("key", "meta")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range found {
		if err := tr.walk(b, nil, func(*run, int) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	used := make([]bool, len(file)/pageSize)
	for p := range used {
		used[p] = p < 2 || tr.seen[p/64]&(1<<(p%64)) != 0
	}
	return used
}

// inName reports whether a position lies behind "/registry/secrets/" in the key of
// a row, where an encrypted value cannot contradict it.
func inName(file []byte, pos int) bool {
	const dir = "/registry/secrets/"
	from := max(0, pos-64)
	at := bytes.LastIndex(file[from:pos+1], []byte(dir))
	if at < 0 {
		return false
	}
	for _, c := range file[from+at+len(dir) : pos+1] {
		if c < '-' || c > 'z' {
			return false
		}
	}
	return true
}

// TestTruncation cuts a file at every 512 bytes.
func TestTruncation(t *testing.T) {
	file := damageFile(t)
	good := mustRead(t, file, Options{})
	want := map[string]fact.StorageClass{}
	for _, s := range good.Secrets {
		want[s.Name] = s.Class
	}
	db, err := readMetas(memory(file))
	if err != nil {
		t.Fatal(err)
	}
	used := int(db.newest().highWater) * 1024
	for size := 0; size < used; size += 512 {
		for _, live := range []bool{false, true} {
			db, gaps, err := Read(ctx, memory(file[:size]), Options{Path: "db", Live: live})
			if size == 0 {
				if err == nil {
					t.Errorf("%d bytes: no error", size)
				}
				continue
			}
			if err != nil {
				t.Errorf("%d bytes, live %v: %v", size, live, err)
				continue
			}
			if db.Complete && !live || len(gaps) == 0 && !live {
				t.Errorf("%d bytes of %d: complete", size, used)
			}
			if !live && !strings.Contains(gaps[0].Detail, fmt.Sprintf("found %d bytes", size)) {
				t.Errorf("%d bytes: the first gap does not say where it ends: %v", size, gaps)
			}
			for _, s := range db.Secrets {
				if s.Class != fact.ClassUnknown && s.Class != want[s.Name] {
					t.Errorf("%d bytes, live %v: %+v, want class %s", size, live, s, want[s.Name])
				}
			}
			if db.Complete && len(db.Secrets) != len(want) {
				t.Errorf("%d bytes, live %v: complete with %d of %d Secrets", size, live, len(db.Secrets), len(want))
			}
		}
	}
}

// TestStalePage lets a branch point to an older copy of a leaf, which is sound
// in itself.
func TestStalePage(t *testing.T) {
	s := newStore(t, 1024)
	s.cluster(rand.New(rand.NewSource(2)), 100)
	file := s.bytes()
	m, err := readMetas(memory(file))
	if err != nil {
		t.Fatal(err)
	}
	tr := &tree{src: memory(file), meta: m.newest(), expired: func() bool { return false }}
	found, _, err := tr.buckets("key")
	if err != nil {
		t.Fatal(err)
	}
	var root run
	if f := tr.load(&root, found["key"].root); f != nil || root.leaf() || root.header.count < 3 {
		t.Fatalf("the root is no branch: %v", f)
	}
	a, b := root.element(0).child, root.element(1).child
	damaged := bytes.Clone(file)
	copy(damaged[b*1024:(b+1)*1024], file[a*1024:(a+1)*1024])
	damaged[b*1024] = byte(b)
	damaged[b*1024+1] = byte(b >> 8)
	for _, live := range []bool{false, true} {
		db, gaps, err := Read(ctx, memory(damaged), Options{Path: "db", Live: live})
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("db: page %d: its first key is not the one that its parent names", b)
		if db.Complete || len(gaps) == 0 || gaps[0].Detail != want || gaps[0].Reason != fact.Corrupt {
			t.Fatalf("live %v: want %q, got %+v", live, want, gaps)
		}
		// A live file is read again; a still one looks like a bad copy.
		if rest := gaps[1:]; live && len(rest) > 0 || !live && (len(rest) != 1 || rest[0].Reason != fact.Changing || rest[0].Detail != "db: "+tornCopy) {
			t.Errorf("live %v: more gaps: %+v", live, rest)
		}
	}
}

// TestMissingAfterCompaction takes rows of one revision out of a file. Compaction
// may have removed what lies up to the revision that it has reached; the very
// next has to be there.
func TestMissingAfterCompaction(t *testing.T) {
	const pod = "/registry/pods/shop/a"
	first, both := []int64{0}, []int64{0, 1}
	for name, tc := range map[string]struct {
		after    int64   // the revision, from that of the compaction
		subs     []int64 // which changes of its transaction are taken out
		complete bool
	}{
		"all of the last before it": {-1, both, true},
		"all of it":                 {0, both, true},
		"the first change of it":    {0, first, true},
		"all of the next":           {1, both, false},
		"the first of the next":     {1, first, false},
		"all of a later one":        {3, both, false},
		"the first of a later one":  {3, first, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, 1024)
			s.put("/registry/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
			s.put("/registry/secrets/shop/a", storedtest.ProtobufSecret("shop", "a", []byte("CANARY")))
			for range 8 {
				s.do(op{key: pod, value: []byte("a")}, op{key: pod + "b", value: []byte("b")})
			}
			at := s.rev - 5
			s.compact(at)
			s.update(func(tx *bolt.Tx) {
				for _, sub := range tc.subs {
					s.check(tx.Bucket([]byte("key")).Delete(revisionKey(at+tc.after, sub, false)))
				}
			})
			file := s.bytes()
			for _, live := range []bool{false, true} {
				db, gaps, err := Read(ctx, memory(file), Options{Live: live, Prefix: "/registry"})
				if err != nil {
					t.Fatal(err)
				}
				if db.Complete != tc.complete || len(db.Secrets) != 1 {
					t.Errorf("live %v: want complete %v, got %v with %d Secrets and %+v", live, tc.complete, db.Complete, len(db.Secrets), gaps)
				}
			}
		})
	}
}

// TestRootElsewhere lets the bucket's root be each of the pages below it, in a
// file where compaction has reached the last revision, so that no revision is
// expected to be there.
func TestRootElsewhere(t *testing.T) {
	s := newStore(t, 1024)
	s.cluster(rand.New(rand.NewSource(2)), 300)
	s.compact(s.rev)
	file := s.bytes()
	want := map[string]fact.StoredSecret{}
	for _, s := range mustRead(t, file, Options{}).Secrets {
		want[s.Namespace+"/"+s.Name] = s
	}
	m, err := readMetas(memory(file))
	if err != nil {
		t.Fatal(err)
	}
	tr := &tree{src: memory(file), meta: m.newest(), expired: func() bool { return false }}
	found, _, err := tr.buckets("key")
	if err != nil {
		t.Fatal(err)
	}
	root := found["key"].root
	at := bytes.Index(file[m.newest().root*1024:], binary.LittleEndian.AppendUint64([]byte("key"), root)) + 3 + int(m.newest().root)*1024
	used := usedPages(t, file, 1024)
	tried := 0
	for p := range used {
		if p < 2 || !used[p] || uint64(p) == root {
			continue
		}
		tried++
		damaged := bytes.Clone(file)
		binary.LittleEndian.PutUint64(damaged[at:], uint64(p))
		for _, live := range []bool{false, true} {
			db, gaps, err := Read(ctx, memory(damaged), Options{Prefix: "/registry", Live: live})
			if err != nil {
				t.Fatal(err)
			}
			if db.Complete {
				t.Errorf("page %d, live %v: complete with %d Secrets", p, live, len(db.Secrets))
			}
			for _, s := range db.Secrets {
				if s.Class != fact.ClassUnknown && s != want[s.Namespace+"/"+s.Name] {
					t.Errorf("page %d, live %v: %+v, with %+v", p, live, s, gaps)
				}
			}
		}
	}
	if tried < 20 {
		t.Errorf("only %d pages tried", tried)
	}
}

// TestCanaries looks for the values of Secrets in everything that comes back,
// from sound files and from damaged ones.
func TestCanaries(t *testing.T) {
	r := rand.New(rand.NewSource(11))
	s := newStore(t, 4096)
	s.put("/registry/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
	var canaries []string
	canary := func() string {
		c := fmt.Sprintf("canary:%016x:%016x", r.Uint64(), r.Uint64())
		canaries = append(canaries, c[7:23], c[24:])
		return c
	}
	s.update(func(tx *bolt.Tx) {
		for i := range 1000 {
			name := fmt.Sprintf("s%d", i)
			value := storedtest.ProtobufSecret("shop", name, []byte(canary()))
			switch i % 8 {
			case 1:
				value = storedtest.JSONSecret("shop", name, canary())
			case 2: // no such ciphertext, but everything looks like a name
				value = []byte("k8s:enc:aescbc:v1:" + canary() + ":" + canary())
			case 3:
				value = []byte("k8s:enc:" + canary())
			case 4:
				value = []byte(canary())
			case 5:
				value = []byte("k8s:" + canary())
			case 6:
				value = []byte("{" + canary())
			case 7: // ciphertext that is printable and full of colons
				value = []byte("k8s:enc:aesgcm:v1:key1:" + canary() + ":" + canary())
			}
			s.txn(tx, op{key: "/registry/secrets/shop/" + name, value: value})
		}
	})
	file := s.bytes()
	look := func(where string, out ...any) {
		t.Helper()
		var text []byte
		for _, o := range out {
			if err, ok := o.(error); ok {
				text = append(text, err.Error()...)
			}
			b, err := json.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			text = append(text, b...)
		}
		for start := 0; start+16 <= len(text); start++ {
			if hex16(text[start : start+16]) {
				for _, c := range canaries {
					if c == string(text[start:start+16]) {
						t.Fatalf("%s: the value %s is in %s", where, c, text[max(0, start-60):start+16])
					}
				}
			}
		}
	}
	db, gaps, err := Read(ctx, memory(file), Options{})
	if err != nil || len(db.Secrets) != 1000 {
		t.Fatal(err, gaps)
	}
	// A key's name cannot be told from text that stands in its place: case 2
	// has no bytes before its first colon but "canary".
	look("sound", db, gaps)
	if p := db.Secrets[slot(db, "s7")].Provider; p != "k8s:enc:aesgcm:v1:key1:" {
		t.Errorf("provider %q", p)
	}
	for range 120 {
		damaged := bytes.Clone(file)
		for range 1 + r.Intn(20) {
			damaged[r.Intn(len(damaged))] ^= 1 << r.Intn(8)
		}
		if r.Intn(4) == 0 {
			damaged = damaged[:r.Intn(len(damaged))]
		}
		db, gaps, err := Read(ctx, memory(damaged), Options{Live: r.Intn(2) == 0, Prefix: "/registry"})
		look("damaged", db, gaps, err)
		mustNotPanic(t, gaps)
	}
}

// mustNotPanic looks for the gap that Read makes of a panic.
func mustNotPanic(t *testing.T, gaps []fact.Gap) {
	t.Helper()
	for _, g := range gaps {
		if strings.Contains(g.Detail, panicked) {
			t.Fatal(g.Detail)
		}
	}
}

// TestPanic: a panic is a gap of that file, which says where and not what.
func TestPanic(t *testing.T) {
	s := newStore(t, 1024)
	s.cluster(rand.New(rand.NewSource(2)), 300)
	file := s.bytes()
	for at := 1; at < 30; at += 4 {
		src := &countdown{memory: file, left: at, then: func() { panic("CANARY") }}
		db, gaps, err := Read(ctx, src, Options{Path: "db"})
		if err != nil || len(gaps) != 1 {
			t.Fatalf("read %d: %v, %+v", at, err, gaps)
		}
		if want := (fact.EtcdDB{Path: "db"}); !cmp.Equal(want, *db) {
			t.Errorf("read %d: got %+v", at, db)
		}
		text := regexp.MustCompile(`^db: a bug in this program, not in the file: string in etcd\.\S+ \(damage_test\.go:\d+\)$`)
		if gaps[0].Reason != fact.Unsupported || !text.MatchString(gaps[0].Detail) {
			t.Errorf("read %d: %+v", at, gaps)
		}
	}
}

func hex16(b []byte) bool {
	for _, c := range b {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return true
}

func slot(db *fact.EtcdDB, name string) int {
	for i, s := range db.Secrets {
		if s.Name == name {
			return i
		}
	}
	return 0
}

// TestDamage harms a file in larger ways: bursts of bytes, pages of zeros, pages that
// changed their places. Every plaintext Secret is still listed as plaintext or as
// unknown, or there is a gap.
func TestDamage(t *testing.T) {
	file := damageFile(t)
	good := mustRead(t, file, Options{})
	r := rand.New(rand.NewSource(8))
	pages := len(file) / 1024
	used := usedPages(t, file, 1024)
	page := func(b []byte, p int) []byte { return b[p*1024 : (p+1)*1024] }
	rounds := 800
	if testing.Short() || raced.Enabled {
		rounds = 100
	}
	for name, harm := range map[string]func([]byte) string{
		"a burst of random bytes": func(b []byte) string {
			at, n := r.Intn(len(b)-64), 2+r.Intn(62)
			r.Read(b[at : at+n])
			return fmt.Sprintf("%d bytes at %d", n, at)
		},
		"a burst of zeros": func(b []byte) string {
			at, n := r.Intn(len(b)-64), 2+r.Intn(62)
			clear(b[at : at+n])
			return fmt.Sprintf("%d bytes at %d", n, at)
		},
		"a sector of zeros": func(b []byte) string {
			at := r.Intn(len(b)/512) * 512
			clear(b[at : at+512])
			return fmt.Sprintf("512 bytes at %d", at)
		},
		"a page of zeros": func(b []byte) string {
			p := r.Intn(pages)
			clear(page(b, p))
			return fmt.Sprintf("page %d", p)
		},
		"two pages swapped": func(b []byte) string {
			p, q := r.Intn(pages), r.Intn(pages)
			was := bytes.Clone(page(b, p))
			copy(page(b, p), page(b, q))
			copy(page(b, q), was)
			return fmt.Sprintf("pages %d and %d", p, q)
		},
		"a page that is another, with its own number": func(b []byte) string {
			p, q := r.Intn(pages), r.Intn(pages)
			copy(page(b, p)[8:], page(b, q)[8:])
			return fmt.Sprintf("page %d from %d", p, q)
		},
		"a shortened page": func(b []byte) string {
			for {
				p := r.Intn(pages)
				if h := parsePageHeader(page(b, p)); used[p] && h.flags == flagLeaf && h.overflow == 0 && h.count > 1 && h.id == uint64(p) {
					if e := (&run{header: h, table: page(b, p)[pageHeaderSize:]}).element(0); e.flags == 0 {
						shorten(page(b, p))
						return fmt.Sprintf("page %d", p)
					}
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			// The same damage each time, in whatever order a map gives the kinds.
			r = rand.New(rand.NewSource(int64(len(name))))
			incomplete := 0
			for i := range rounds {
				damaged := bytes.Clone(file)
				where := harm(damaged)
				db, gaps, err := Read(ctx, memory(damaged), Options{Live: i%8 == 0 && parsePageHeader(damaged).id == 0, Prefix: "/registry", Deadline: time.Now().Add(10 * time.Second)})
				if err != nil {
					continue
				}
				mustNotPanic(t, gaps)
				if !db.Complete {
					incomplete++
				}
				got := map[string]fact.StoredSecret{}
				for _, s := range db.Secrets {
					got[s.Name] = s
				}
				lost := 0
				for _, want := range good.Secrets {
					s, ok := got[want.Name]
					switch {
					case want.Name == "large" && name == "a page that is another, with its own number":
						// The last transaction wrote it, and a page can be what it
						// was before that. See doc.go.
						lost = 1
					case !ok && db.Complete && !renamedIn(file, damaged):
						t.Errorf("%s: %+v is missing without a gap", where, want)
					case ok && db.Complete && want.Class.Plaintext() && !s.Class.Plaintext() && s.Class != fact.ClassUnknown && s.Class != fact.ClassUnknownEncrypted:
						t.Errorf("%s: want %+v, got %+v", where, want, s)
					}
				}
				// A deletion that is lost makes a former revision the current one.
				if n := plaintextIn(db); db.Complete && n < plaintextIn(good)-lost && !renamedIn(file, damaged) {
					t.Errorf("%s: %d values in plaintext or unknown, want %d; %+v", where, n, plaintextIn(good), db.History)
				}
			}
			t.Logf("%d of %d incomplete", incomplete, rounds)
		})
	}
}

// plaintextIn counts the revisions that are in plaintext, or may be.
func plaintextIn(db *fact.EtcdDB) int {
	n := db.History.Plaintext + db.History.Unknown
	for _, s := range db.Secrets {
		if !s.Class.Encrypted() {
			n++
		}
	}
	return n
}

// renamedIn reports whether the first byte that differs is in the name of a Secret.
func renamedIn(file, damaged []byte) bool {
	for i := range file {
		if file[i] != damaged[i] {
			return inName(file, i)
		}
	}
	return false
}
