package etcd

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// walFile writes the log as etcd does (hack/waloracle has one written by etcd).
type walFile struct {
	b     []byte
	crc   uint32
	index int64
	ends  []int // of each record
}

func newWAL(crc uint32) *walFile {
	w := &walFile{crc: crc}
	w.record(walCRC, nil)
	w.record(walMetadata, []byte("node"))
	w.record(walSnapshot, storedtest.VarintField(nil, 1, 1))
	return w
}

func (w *walFile) record(kind int64, data []byte) {
	w.crc = crc32.Update(w.crc, castagnoli, data)
	b := storedtest.VarintField(storedtest.VarintField(nil, 1, kind), 2, int64(w.crc))
	if data != nil {
		b = storedtest.Field(b, 3, data)
	}
	frame := uint64(len(b))
	if pad := (8 - len(b)%8) % 8; pad > 0 {
		frame |= uint64(0x80|pad) << 56
		b = append(b, make([]byte, pad)...)
	}
	w.b = append(binary.LittleEndian.AppendUint64(w.b, frame), b...)
	w.ends = append(w.ends, len(w.b))
}

// request writes an entry with an InternalRaftRequest.
func (w *walFile) request(request []byte) {
	w.index++
	e := storedtest.VarintField(storedtest.VarintField(nil, 2, 3), 3, w.index)
	w.record(walEntry, storedtest.Field(e, 4, append(storedtest.VarintField(nil, 1, 77+w.index), request...)))
}

func putRequest(key string, value []byte) []byte {
	return storedtest.VarintField(storedtest.Field(storedtest.Field(nil, 1, []byte(key)), 2, value), 3, 9)
}

// txnOf is a TxnRequest as the API server writes it: a comparison, a put, or else a
// range.
func txnOf(key string, value []byte) []byte {
	compare := storedtest.VarintField(storedtest.Field(storedtest.VarintField(nil, 2, 2), 3, []byte(key)), 6, 5)
	t := storedtest.Field(nil, 1, compare)
	t = storedtest.Field(t, 2, storedtest.Field(nil, 2, putRequest(key, value)))
	return storedtest.Field(t, 3, storedtest.Field(nil, 1, storedtest.Field(nil, 1, []byte(key))))
}

func (w *walFile) txn(key string, value []byte) {
	w.request(storedtest.Field(nil, 6, txnOf(key, value)))
}

// padded is the file as etcd preallocates it.
func (w *walFile) padded(size int) []byte {
	return append(bytes.Clone(w.b), make([]byte, size-len(w.b))...)
}

// memDir is a Dir in memory. A nil file is no regular one.
type memDir map[string][]byte

func (d memDir) Names(dir string, do func(string, bool) bool) error {
	found := false
	for name, data := range d {
		rest, ok := strings.CutPrefix(name, dir+"/")
		if dir == "." {
			rest, ok = strings.Split(name, "/")[0], true
			data = nil
		}
		if ok {
			found = true
			if rest != "" && !do(rest, data != nil) {
				break
			}
		}
	}
	if !found {
		return fs.ErrNotExist
	}
	return nil
}

func (d memDir) Open(name string) (DirFile, error) {
	if b := d[name]; b != nil {
		return memFile{memory(b)}, nil
	}
	return nil, fs.ErrNotExist
}

type memFile struct{ memory }

func (memFile) Close() error { return nil }

func secrets(values int, names ...string) []fact.RemainingSecret {
	var out []fact.RemainingSecret
	for _, n := range names {
		out = append(out, fact.RemainingSecret{Namespace: "shop", Name: n, Values: values})
	}
	return out
}

// walOf is what is found in a directory of files.
func walOf(t *testing.T, files map[string][]byte, known *Known) fact.Remains {
	t.Helper()
	dir := memDir{}
	for name, b := range files {
		dir["wal/"+name] = b
	}
	got := ReadMemberRemains(ctx, dir, RemainsOptions{Path: "/m", Prefix: "/registry", Known: known})
	if len(got) != 1 || got[0].Place != fact.InLog || got[0].Path != "/m/wal" {
		t.Fatalf("%+v", got)
	}
	return got[0]
}

const firstWAL, secondWAL = "0000000000000000-0000000000000000.wal", "0000000000000001-0000000000000010.wal"

func TestWAL(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	key := func(name string) string { return "/registry/secrets/shop/" + name }
	plain := func(name string) []byte { return storedtest.ProtobufSecret("shop", name, []byte("CANARY")) }
	w := newWAL(0)
	w.txn(key("a"), plain("a"))
	w.txn(key("b"), storedtest.JSONSecret("shop", "b", "CANARY"))
	w.txn(key("c"), storedtest.AESCBC(r, "k", 4))
	w.txn("/registry/pods/shop/a", storedtest.Protobuf("v1", "Pod", []byte("x")))
	w.request(storedtest.Field(nil, 4, putRequest(key("put"), plain("put"))))
	nested := storedtest.Field(nil, 3, storedtest.Field(nil, 4, txnOf(key("nested"), plain("nested"))))
	w.request(storedtest.Field(nil, 6, nested))
	w.record(walState, storedtest.VarintField(nil, 1, 3))
	w.record(walEntry, storedtest.Field(storedtest.VarintField(nil, 1, 1), 4, []byte("conf change")))
	w.txn("/other/secrets/shop/stray", plain("stray"))
	w.request([]byte("\xff\xff\xff"))
	whole := w.padded(64 << 10)
	next := newWAL(w.crc)
	next.txn(key("a"), plain("a"))

	found := []fact.RemainingSecret{
		{Namespace: "shop", Name: "a", Values: 2},
		{Namespace: "shop", Name: "b", Values: 1},
		{Namespace: "shop", Name: "nested", Values: 1},
		{Namespace: "shop", Name: "put", Values: 1},
		{Namespace: "shop", Name: "stray", Values: 1},
	}
	files := map[string][]byte{firstWAL: whole, secondWAL: next.padded(8 << 10), "0.tmp": make([]byte, 4096)}
	want := fact.Remains{Place: fact.InLog, Path: "/m/wal", Scanned: 76 << 10, Complete: true, Values: 6, Secrets: found, SecretsTotal: 5}
	if diff := gocmp.Diff(want, walOf(t, files, nil)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	// a is in the rows once in plaintext: its last put is no residue. b has two
	// revisions there, of which the log has one.
	known := &Known{puts: map[uint64]uint32{nameHash("shop", "a"): 1, nameHash("shop", "b"): 2, nameHash("shop", "none"): 1}}
	want.Values, want.SecretsTotal = 4, 4
	want.Secrets = slices.Concat(secrets(1, "a"), found[2:])
	if diff := gocmp.Diff(want, walOf(t, files, known)); diff != "" {
		t.Errorf("with rows (-want +got):\n%s", diff)
	}
}

// A log that is cut or damaged anywhere gives the values before, and by the Finder those
// behind. Only where a record was being written at the very end is it complete.
func TestWALDamaged(t *testing.T) {
	noWait(t)
	w := newWAL(0)
	for i := range 8 {
		name := fmt.Sprintf("s%d", i)
		w.txn("/registry/secrets/shop/"+name, storedtest.ProtobufSecret("shop", name, []byte("CANARY")))
	}
	old := newWAL(0).padded(4096)
	head := []byte("\x02v1\x12\x06Secret")
	for cut := range len(w.b) {
		for _, newest := range []bool{true, false} {
			files := map[string][]byte{firstWAL: append(bytes.Clone(w.b[:cut]), make([]byte, 4096)...)}
			if newest {
				files[firstWAL], files[secondWAL] = old, files[firstWAL]
			} else {
				files[secondWAL] = old
			}
			got := walOf(t, files, nil)
			if values := bytes.Count(w.b[:cut], head); got.Values != values {
				t.Fatalf("cut at %d: %d values, expected %d", cut, got.Values, values)
			}
			// Without the zeros at its end a record is still whole.
			next := w.ends[min(len(w.ends)-1, slices.IndexFunc(w.ends, func(end int) bool { return end > cut }))]
			whole := cut-lastEnd(w.ends, cut) == 0 || zero(w.b[cut:next])
			if got.Complete != (newest || whole) {
				t.Fatalf("cut at %d, newest %v: %+v", cut, newest, got)
			}
		}
	}
	for at := range w.b {
		b := w.padded(8 << 10)
		b[at] ^= 0x10
		got := walOf(t, map[string][]byte{firstWAL: b}, nil)
		if values := bytes.Count(b, []byte("k8s\x00\x0a\x0c\x0a\x02v1\x12\x06Secret")); got.Values < values || got.Values > 8 {
			t.Fatalf("flipped at %d: %d values, expected %d", at, got.Values, values)
		}
		record := slices.IndexFunc(w.ends, func(end int) bool { return at < end })
		// Nothing protects the padding, four bits of the frame, and those of the checksum
		// beyond 32.
		unused := b[at] == 0x10 || record > 0 && (at == w.ends[record-1]+7 || at == w.ends[record-1]+15)
		if got.Complete && record > 0 && record < len(w.ends)-1 && !unused {
			t.Fatalf("flipped at %d: complete", at)
		}
		if !got.Complete && (got.Reason != fact.Corrupt || !strings.Contains(got.Detail, firstWAL)) {
			t.Fatalf("flipped at %d: %+v", at, got)
		}
	}
}

// noWait is for tests with thousands of torn records.
func noWait(t testing.TB) {
	before := tornWait
	tornWait = 0
	t.Cleanup(func() { tornWait = before })
}

// Zeros in the middle of a log may have been the start of a value. In the newest file
// etcd may have written there after the end was found.
func TestWALZeros(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	w := newWAL(0)
	for range 8 {
		w.txn("/registry/secrets/shop/a", storedtest.AESCBC(r, "k", 40))
	}
	from, to := w.ends[4], w.ends[6]
	hole := w.padded(16 << 10)
	clear(hole[from:to])
	next := newWAL(w.crc).padded(4096)
	for name, tc := range map[string]struct {
		dir      Dir
		complete bool
	}{
		"none":                {memDir{"wal/" + firstWAL: w.padded(16 << 10), "wal/" + secondWAL: next}, true},
		"in an old file":      {memDir{"wal/" + firstWAL: hole, "wal/" + secondWAL: next}, false},
		"in the newest":       {memDir{"wal/" + firstWAL: hole}, false},
		"in one being made":   {memDir{"wal/" + firstWAL: next, "wal/1.tmp": hole}, false},
		"written meanwhile":   {growingDir{memDir{"wal/" + firstWAL: hole}, w.padded(16 << 10)}, true},
		"an old file is late": {growingDir{memDir{"wal/" + firstWAL: hole, "wal/" + secondWAL: next}, w.padded(16 << 10)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got := ReadMemberRemains(ctx, tc.dir, RemainsOptions{Path: "/m", Prefix: "/registry"})
			if len(got) != 1 || got[0].Values != 0 || got[0].Complete != tc.complete {
				t.Fatalf("%+v", got)
			}
			if want := fmt.Sprintf("zeros at %d and other bytes behind them", from); !tc.complete && (got[0].Reason != fact.Corrupt || !strings.Contains(got[0].Detail, want)) {
				t.Errorf("%+v", got[0])
			}
		})
	}
}

// A record that was being written when it was read, and those that follow it by the time
// the rest is read, are read like all others: the rows have them too.
func TestWALBeingWritten(t *testing.T) {
	w := newWAL(0)
	for i := range 6 {
		name := fmt.Sprintf("s%d", i)
		w.txn("/registry/secrets/shop/"+name, storedtest.ProtobufSecret("shop", name, bytes.Repeat([]byte("CANARY"), 20)))
	}
	known := &Known{puts: map[uint64]uint32{}}
	for i := range 6 {
		known.puts[nameHash("shop", fmt.Sprintf("s%d", i))] = 1
	}
	whole := w.padded(16 << 10)
	for cut := w.ends[2]; cut <= w.ends[6]; cut += 37 {
		torn := append(bytes.Clone(w.b[:cut]), make([]byte, len(whole)-cut)...)
		got := ReadMemberRemains(ctx, growingDir{memDir{"wal/" + firstWAL: torn}, whole}, RemainsOptions{Path: "/m", Prefix: "/registry", Known: known})
		if len(got) != 1 || !got[0].Complete || got[0].Values != 0 {
			t.Fatalf("cut at %d: %+v", cut, got)
		}
	}
}

// growingDir gives the first file as it was at first, and then as it is later.
type growingDir struct {
	memDir
	later []byte
}

func (d growingDir) Open(name string) (DirFile, error) {
	f, err := d.memDir.Open(name)
	if err != nil || !strings.HasSuffix(name, firstWAL) {
		return f, err
	}
	return &growingFile{memFile: f.(memFile), later: d.later}, nil
}

type growingFile struct {
	memFile
	later []byte
	reads int
}

func (f *growingFile) ReadAt(b []byte, off int64) (int, error) {
	if f.reads++; f.reads > 1 {
		return memory(f.later).ReadAt(b, off)
	}
	return f.memFile.ReadAt(b, off)
}

func lastEnd(ends []int, at int) int {
	last := 0
	for _, e := range ends {
		if e <= at {
			last = e
		}
	}
	return last
}

// Each thing that is wrong with a directory or file costs only itself, and says so.
func TestMemberFaults(t *testing.T) {
	w := newWAL(0)
	w.txn("/registry/secrets/shop/a", storedtest.ProtobufSecret("shop", "a", []byte("CANARY")))
	good := w.padded(4096)
	for name, tc := range map[string]struct {
		dir    Dir
		reason fact.Reason
		detail string
	}{
		"a FIFO":           {memDir{"wal/" + firstWAL: good, "wal/x\n": nil}, fact.Unsupported, "x : not a regular file"},
		"a file refused":   {failDir{memDir{"wal/" + firstWAL: good, "wal/" + secondWAL: good}, secondWAL, fs.ErrPermission}, fact.Unreadable, secondWAL + ": the file cannot be opened"},
		"a file of others": {failDir{memDir{"wal/" + firstWAL: good, "wal/" + secondWAL: good}, secondWAL, rootfs.ErrNotRegular}, fact.Unreadable, secondWAL + ": the file cannot be opened"},
		"a file gone":      {failDir{memDir{"wal/" + firstWAL: good, "wal/" + secondWAL: good}, secondWAL, fs.ErrNotExist}, "", ""},
		"a panic":          {failDir{memDir{"wal/" + firstWAL: good, "wal/" + secondWAL: good}, secondWAL, nil}, fact.Unsupported, secondWAL + ": " + panicked},
	} {
		t.Run(name, func(t *testing.T) {
			got := ReadMemberRemains(ctx, tc.dir, RemainsOptions{Path: "/m", Prefix: "/registry"})
			if len(got) != 1 || got[0].Values != 1 || got[0].Reason != tc.reason || got[0].Complete != (tc.reason == "") || !strings.HasPrefix(got[0].Detail, tc.detail) {
				t.Errorf("%+v", got)
			}
		})
	}
	for _, dir := range []memDir{{"wal/": nil}, {"wal/0.tmp": make([]byte, 64)}} {
		got := ReadMemberRemains(ctx, dir, RemainsOptions{Path: "/m", Prefix: "/registry"})
		if len(got) != 1 || got[0].Complete || got[0].Reason != fact.NotPresent {
			t.Errorf("a directory without a log: %+v", got)
		}
	}
	if got := ReadMemberRemains(ctx, memDir{}, RemainsOptions{}); got != nil {
		t.Errorf("an empty directory: %+v", got)
	}
	stopped, stop := context.WithCancel(context.Background())
	stop()
	for _, got := range ReadMemberRemains(stopped, memDir{"wal/" + firstWAL: good, "snap/x": good}, RemainsOptions{}) {
		if got.Complete || got.Reason != fact.Interrupted || got.Values != 0 {
			t.Errorf("stopped: %+v", got)
		}
	}
}

// failDir fails to open one file.
type failDir struct {
	memDir
	name string
	err  error
}

func (d failDir) Open(name string) (DirFile, error) {
	if strings.HasSuffix(name, d.name) {
		if d.err == nil {
			panic("a bug")
		}
		return nil, &fs.PathError{Op: "open", Path: name, Err: d.err}
	}
	return d.memDir.Open(name)
}

// Whole databases in snap are searched page by page, anything else without structure.
// Rows that the database has too do not count.
func TestSnapDirectory(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	s := newStore(t, 4096)
	s.put("/registry/namespaces/default", []byte("x"))
	s.plainPut(r, "shop", "a", 10)
	s.plainPut(r, "shop", "b", 10)
	copied := s.snapshot()
	s.put("/registry/secrets/shop/a", storedtest.AESCBC(r, "k", 3))
	s.compact(s.rev)
	var known Known
	db, gaps, err := Read(ctx, memory(s.bytes()), Options{Prefix: "/registry", Residue: true, Known: &known})
	if err != nil || len(gaps) > 0 || db.Total != 2 {
		t.Fatal(db, gaps, err)
	}
	w := newWAL(0)
	w.txn("/registry/secrets/shop/raw", storedtest.ProtobufSecret("shop", "raw", []byte("CANARY")))
	dir := memDir{
		"snap/db": copied, "snap/0000000000000002-0000000000000064.snap": []byte("clean"), "snap/0000000000000064.snap.db": copied,
		"wal.broken.20260309.094654.5/" + firstWAL: w.b, "snap/tmp1": w.b, "snap/x.snap.broken": w.b, "snap/db.tmp.1": copied[:len(copied)-100], "snap/sub": nil,
	}
	entry := func(place fact.RemainsPlace, name string, scanned int, found fact.RemainingSecret) fact.Remains {
		return fact.Remains{Place: place, Path: "/m/snap/" + name, Scanned: int64(scanned), Complete: true, Values: found.Values, Secrets: []fact.RemainingSecret{found}, SecretsTotal: 1}
	}
	a := fact.RemainingSecret{Namespace: "shop", Name: "a", Values: bytes.Count(copied, []byte(canary("shop", "a", 3))), Revision: 3}
	raw := fact.RemainingSecret{Namespace: "shop", Name: "raw", Values: 1}
	want := []fact.Remains{
		{Place: fact.InSnapFile, Path: "/m/snap", Scanned: 5, Reason: fact.Unsupported, Detail: "sub: not a regular file"},
		entry(fact.InSnapFile, "0000000000000064.snap.db", len(copied), a),
		entry(fact.InSnapFile, "db.tmp.1", len(copied)-100, a),
		entry(fact.InSnapFile, "tmp1", len(w.b), raw),
		entry(fact.InOldStore, "x.snap.broken", len(w.b), raw),
		entry(fact.InOldStore, "../wal.broken.20260309.094654.5", len(w.b), raw),
	}
	want[len(want)-1].Path = "/m/wal.broken.20260309.094654.5"
	got := ReadMemberRemains(ctx, dir, RemainsOptions{Path: "/m", Prefix: "/registry", Known: &known})
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Directories of a node and of the user give the same.
func TestDirs(t *testing.T) {
	w := newWAL(0)
	w.txn("/registry/secrets/shop/a", storedtest.ProtobufSecret("shop", "a", []byte("CANARY")))
	at := t.TempDir()
	for name, b := range map[string][]byte{"wal/" + firstWAL: w.padded(4096), "snap/tmp1": w.b, "snap/db": nil} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(at, name)), 0o700), os.WriteFile(filepath.Join(at, name), b, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(filepath.Join(at, "wal.broken"), 0o700), os.WriteFile(filepath.Join(at, "wal.broken", "x"), w.b, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(at, "snap", "link")); err != nil {
		t.Fatal(err)
	}
	one := secrets(1, "a")
	want := []fact.Remains{
		{Place: fact.InLog, Path: "/m/wal", Scanned: 4096, Complete: true, Values: 1, Secrets: one, SecretsTotal: 1},
		{Place: fact.InSnapFile, Path: "/m/snap", Reason: fact.Unsupported, Detail: "link: not a regular file"},
		{Place: fact.InSnapFile, Path: "/m/snap/tmp1", Scanned: int64(len(w.b)), Complete: true, Values: 1, Secrets: one, SecretsTotal: 1},
		{Place: fact.InOldStore, Path: "/m/wal.broken", Scanned: int64(len(w.b)), Complete: true, Values: 1, Secrets: one, SecretsTotal: 1},
	}
	user, err := os.OpenRoot(at)
	if err != nil {
		t.Fatal(err)
	}
	defer user.Close()
	node, err := rootfs.Open(at)
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	for name, dir := range map[string]Dir{"user": UserDir(user), "node": NodeDir(node)} {
		got := ReadMemberRemains(ctx, dir, RemainsOptions{Path: "/m", Prefix: "/registry"})
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if _, err := dir.Open("snap/link"); err == nil {
			t.Errorf("%s: a link was followed", name)
		}
	}
}

// FuzzWAL: a log of any bytes gives no panic, and no more values than it has starts of
// values.
func FuzzWAL(f *testing.F) {
	noWait(f)
	w := newWAL(0)
	w.txn("/registry/secrets/shop/a", storedtest.ProtobufSecret("shop", "a", []byte("CANARY")))
	w.request(storedtest.Field(nil, 4, putRequest("/registry/secrets/shop/b", storedtest.JSONSecret("shop", "b", "CANARY"))))
	f.Add(w.b)
	f.Add(w.padded(2048))
	f.Add(w.b[20:])
	f.Fuzz(func(t *testing.T, b []byte) {
		got := walOf(t, map[string][]byte{firstWAL: b}, nil)
		if most := bytes.Count(b, []byte("Secret")) + bytes.Count(b, []byte("/secrets/")); got.Values > most {
			t.Errorf("%d values of %d", got.Values, most)
		}
		if got.Scanned != int64(len(b)) || got.Complete != (got.Reason == "") || strings.Contains(got.Detail, panicked) {
			t.Errorf("%+v of %d", got, len(b))
		}
	})
}

// FuzzPageScan: pages of any bytes give no panic, nothing is read beyond them, and the
// answer is bounded by what is there.
func FuzzPageScan(f *testing.F) {
	s := openStore(f, filepath.Join(f.TempDir(), "db"), 1024)
	r := rand.New(rand.NewSource(1))
	s.put("/registry/namespaces/default", []byte("x"))
	for i := range 8 {
		s.plainPut(r, "shop", fmt.Sprint("s", i), 100*i)
	}
	s.update(func(tx *bolt.Tx) { s.others(tx, r, 1000) })
	file := s.bytes()
	for at := 2048; at+4096 < len(file) && at < 1<<20; at += 3072 {
		f.Add(file[at:at+4096], uint8(at>>10), uint64(0))
		f.Add(file[at:at+4096], uint8(at>>10), uint64(0b100))
	}
	f.Fuzz(func(t *testing.T, pages []byte, first uint8, used uint64) {
		b := append(make([]byte, int(first)<<10), pages...)
		scan := newPageScan(memory(b), 1024, "/registry", nil, func() bool { return false })
		scan.used = inUse{used << (first % 64)}
		err := scan.pages(uint64(first), uint64(len(b)/1024))
		if err != nil {
			t.Fatal(err)
		}
		found := scan.finder.Found()
		if most := bytes.Count(pages, []byte("Secret")) + bytes.Count(pages, []byte("/secrets/")); found.Values > most {
			t.Errorf("%d values of %d", found.Values, most)
		}
		if scan.scanned > int64(len(pages)) {
			t.Errorf("%d bytes of %d", scan.scanned, len(pages))
		}
	})
}
