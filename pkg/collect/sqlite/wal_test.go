package sqlite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestLog compares databases that are open in WAL mode with what SQLite finds
// in a copy.
func TestLog(t *testing.T) {
	for size := minPageSize; size <= maxPageSize; size *= 4 {
		r := rand.New(rand.NewSource(int64(size)))
		n := min(200, 4096*200/size)
		begin := fmt.Sprintf("PRAGMA page_size=%d; PRAGMA synchronous=OFF; PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0;\nCREATE TABLE t(id INTEGER PRIMARY KEY, a, b);\n", size)
		for name, script := range map[string]string{
			"all in the log":    rows(r, "t", 0, n, 3, 2, size) + rows(r, "t", 5000, n, 3, 2, size) + "UPDATE t SET a = id;",
			"part of it copied": rows(r, "t", 0, n, 3, 2, size) + "PRAGMA wal_checkpoint(PASSIVE);\n" + rows(r, "t", 5000, n, 3, 2, size),
			"the log restarted": rows(r, "t", 0, n, 3, 2, size) + "PRAGMA wal_checkpoint(RESTART);\nDELETE FROM t WHERE id%5=1;",
			"vacuum in the log": rows(r, "t", 0, n, 3, 2, size) + "PRAGMA wal_checkpoint(TRUNCATE);\nDELETE FROM t WHERE id%5>1; VACUUM;",
			"an open transaction": rows(r, "t", 0, n, 3, 2, size) + "PRAGMA cache_size=1; PRAGMA cache_spill=1; BEGIN;\n" +
				"UPDATE t SET b = randomblob(900); INSERT INTO t SELECT id+100000, a, randomblob(900) FROM t;",
			"a log without frames": rows(r, "t", 0, n, 3, 2, size) + "PRAGMA wal_checkpoint(TRUNCATE);",
		} {
			t.Run(fmt.Sprintf("%d/%s", size, name), func(t *testing.T) {
				f := build(t, begin+script)
				state := f.open(t).Log()
				if (state.Frames == 0) != (name == "a log without frames") {
					t.Fatalf("%+v", state)
				}
				// SQLite overwrites frames of an open transaction, and corrects
				// the checksums when it commits: not all are valid now.
				if name == "an open transaction" && len(f.log) <= logHeaderSize+int(state.Frames)*(frameHeaderSize+size) {
					t.Fatalf("no frame was spilled: %+v", state)
				}
				f.same(t, "t", "id", "a", "b")
			})
		}
	}
}

// logWriter writes a log as SQLite does.
type logWriter struct {
	bytes.Buffer
	order    binary.ByteOrder
	pageSize int
	salt     [8]byte
	sum      [2]uint32
}

func newLog(order binary.ByteOrder, pageSize int, salt string) *logWriter {
	w := &logWriter{order: order, pageSize: pageSize}
	copy(w.salt[:], salt)
	first := uint32(logMagic)
	if order == binary.BigEndian {
		first++
	}
	var h []byte
	for _, v := range []uint32{first, logVersion, uint32(pageSize), 7} {
		h = binary.BigEndian.AppendUint32(h, v)
	}
	h = append(h, w.salt[:]...)
	w.sum = checksum(order, [2]uint32{}, h)
	w.Write(w.sums(h))
	return w
}

func (w *logWriter) sums(b []byte) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, w.sum[0]), w.sum[1])
}

func (w *logWriter) frame(page, commit uint32, data []byte) {
	h := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, page), commit)
	w.sum = checksum(w.order, checksum(w.order, w.sum, h), data)
	w.Write(w.sums(append(h, w.salt[:]...)))
	w.Write(data)
}

// transaction writes the pages in which two states of a database differ. Each
// is written twice, first with other bytes, as a spilled cache does.
func (w *logWriter) transaction(old, new []byte, commit bool) {
	var pages []int
	for p := 0; p*w.pageSize < len(new); p++ {
		from, to := p*w.pageSize, (p+1)*w.pageSize
		if to > len(old) || !bytes.Equal(old[from:to], new[from:to]) {
			pages = append(pages, p)
			w.frame(uint32(p+1), 0, bytes.Repeat([]byte{0xee}, w.pageSize))
		}
	}
	for i, p := range pages {
		size := uint32(0)
		if commit && i == len(pages)-1 {
			size = uint32(len(new) / w.pageSize)
		}
		w.frame(uint32(p+1), size, new[p*w.pageSize:(p+1)*w.pageSize])
	}
}

// states are the bytes of a database after each of some transactions; the last
// one makes it smaller. Rows are those of each.
func states(t testing.TB) (files [][]byte, rows [][]string) {
	t.Helper()
	dir := t.TempDir()
	script := "PRAGMA page_size=512; PRAGMA journal_mode=wal; CREATE TABLE t(a, b);\n"
	steps := []string{
		"INSERT INTO t WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<60) SELECT i, hex(zeroblob(i)) FROM n;",
		"INSERT INTO t VALUES('second', zeroblob(3000)); DELETE FROM t WHERE a=7;",
		"UPDATE t SET a = a+1000 WHERE a%3=1;",
		"DELETE FROM t WHERE a%3; VACUUM;",
	}
	for i, step := range steps {
		script += fmt.Sprintf("BEGIN; %s\n", strings.Replace(step, "VACUUM;", "COMMIT; VACUUM; BEGIN;", 1)) +
			fmt.Sprintf("COMMIT; PRAGMA wal_checkpoint(TRUNCATE);\n.shell cp %s/open %s/%d\n", dir, dir, i)
	}
	cli(t, filepath.Join(dir, "open"), script)
	for i := range steps {
		path := filepath.Join(dir, fmt.Sprint(i))
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, b)
		rows = append(rows, dumpSQL(t, path, "t", "a", "b"))
	}
	if len(files[3]) >= len(files[2]) {
		t.Fatal("the last state is not smaller")
	}
	return files, rows
}

// TestLogGenerations reads logs of both byte orders with several commits, a
// tail without one, and frames of an earlier generation behind; cut or damaged
// at many places. Each has the state of the last commit before that place; the
// sqlite3 shell agrees on some of them.
func TestLogGenerations(t *testing.T) {
	files, want := states(t)
	dir := t.TempDir()
	asked := 0
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		w := newLog(order, 512, "saltsalt")
		var commits []int // ends of them
		for i := range 2 {
			w.transaction(files[i], files[i+1], true)
			commits = append(commits, w.Len())
		}
		w.transaction(files[2], files[3], false)
		tail := w.Len()
		committed := append(bytes.Clone(w.Bytes()), nil...)
		// The same with a commit of the smaller state.
		smaller := newLog(order, 512, "saltsalt")
		for i := range 3 {
			smaller.transaction(files[i], files[i+1], true)
		}
		// A longer log of an earlier generation, overwritten from its start.
		stale := newLog(order, 512, "old salt")
		for range 3 {
			stale.transaction(nil, files[2], true)
		}
		over := append(bytes.Clone(w.Bytes()), stale.Bytes()[w.Len():]...)

		check := func(what string, log []byte, state int, shell bool) {
			t.Helper()
			db, err := open(files[0], log)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			got, faults := dump(t, table(t, db, "t"), math.MinInt64)
			if len(faults) > 0 {
				t.Fatalf("%s: %v", what, faults[0])
			}
			if !slices.Equal(got, want[state]) {
				t.Fatalf("%s: not state %d", what, state)
			}
			if !shell {
				return
			}
			asked++
			path := filepath.Join(dir, fmt.Sprint(asked))
			for name, b := range map[string][]byte{path: files[0], path + "-wal": log} {
				if err := os.WriteFile(name, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			equal(t, dumpSQL(t, path, "t", "a", "b"), got)
		}
		stateAt := func(n int) int {
			state := 0
			for _, end := range commits {
				if n >= end {
					state++
				}
			}
			return state
		}
		name := order.String()
		check(name+" whole", committed, 2, true)
		check(name+" smaller", smaller.Bytes(), 3, true)
		check(name+" over an earlier generation", over, 2, true)
		check(name+" only the earlier generation", stale.Bytes(), 2, true)
		if db, err := open(files[0], over); err != nil {
			t.Fatal(err)
		} else if l := db.Log(); l.Frames != uint32((commits[1]-32)/536) || l.Uncommitted != uint32((tail-commits[1])/536) || !strings.HasSuffix(l.End, "is from before the log was restarted") {
			t.Errorf("%+v", l)
		}
		for n := 0; n <= len(committed); n += 61 {
			check(fmt.Sprintf("%s cut at %d", name, n), committed[:n], stateAt(n), n%(61*40) == 0)
		}
		for _, end := range commits {
			for _, n := range []int{end - 1, end, end + 1} {
				check(fmt.Sprintf("%s cut at %d", name, n), committed[:n], stateAt(n), true)
			}
		}
		for n := 0; n < len(committed); n += 53 {
			if n >= 4 && n < 8 || n >= 8 && n < 12 {
				continue // the version and page size are errors
			}
			damaged := bytes.Clone(committed)
			damaged[n] ^= 0x10
			state := 0
			if n >= 32 {
				state = stateAt(32 + (n-32)/536*536)
			}
			check(fmt.Sprintf("%s damaged at %d", name, n), damaged, state, n%(53*40) == 0)
		}
	}
	t.Logf("the shell was asked %d times", asked)
}

func TestLogErrors(t *testing.T) {
	files, _ := states(t)
	header := func(change func(h []byte)) []byte {
		w := newLog(binary.LittleEndian, 512, "saltsalt")
		w.transaction(files[0], files[1], true)
		b := w.Bytes()
		change(b)
		sum := checksum(binary.LittleEndian, [2]uint32{}, b[:24])
		binary.BigEndian.PutUint32(b[24:], sum[0])
		binary.BigEndian.PutUint32(b[28:], sum[1])
		return b
	}
	for _, tc := range []struct {
		name   string
		log    []byte
		want   string // of an error
		end    string // otherwise
		frames uint32
	}{
		{name: "another version", log: header(func(h []byte) { h[7]++ }), want: "expected version 3007000, found 3007001"},
		{name: "another page size", log: header(func(h []byte) { h[10] = 16 }), want: "expected the database's page size 512, found 4096"},
		{name: "no magic", log: header(func(h []byte) { h[0]++ }), end: "the log's header has no magic number"},
		{name: "cut in the header", log: header(func([]byte) {})[:31]},
		{name: "empty", log: []byte{}},
		{name: "page 0", end: "frame 1 is of page 0", log: func() []byte {
			w := newLog(binary.LittleEndian, 512, "saltsalt")
			w.frame(0, 9, files[0][:512])
			return w.Bytes()
		}()},
		{name: "another page size on page 1", want: "expected the page size of the write-ahead log's first page to be 512, found 1024", log: func() []byte {
			w := newLog(binary.LittleEndian, 512, "saltsalt")
			page := bytes.Clone(files[0][:512])
			page[16] = 4
			w.frame(1, 9, page)
			return w.Bytes()
		}()},
	} {
		db, err := open(files[0], tc.log)
		if tc.want != "" {
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: %v, expected %s", tc.name, err, tc.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if l := db.Log(); l.End != tc.end || l.Frames != 0 {
			t.Errorf("%s: %+v", tc.name, l)
		}
	}
	broken := errors.New("broken")
	_, err := Open(bytes.NewReader(files[0]), int64(len(files[0])), failing{broken}, 5000)
	if !errors.Is(err, broken) {
		t.Errorf("a reader's error: %v", err)
	}
}

type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }

// TestIndex writes the same pages again and again: the index has each once.
func TestIndex(t *testing.T) {
	w := newLog(binary.LittleEndian, 512, "saltsalt")
	r := rand.New(rand.NewSource(1))
	page := make([]byte, 512)
	last := map[uint32]uint32{}
	open := map[uint32]uint32{}
	frame := uint32(0)
	for range 300 {
		for range 1 + r.Intn(60) {
			p := uint32(1 + r.Intn(2500))
			frame++
			open[p] = frame
			w.frame(p, 0, page)
		}
		if r.Intn(3) == 0 {
			frame++
			open[7] = frame
			w.frame(7, 2500, page)
			for p, f := range open {
				last[p] = f
			}
			clear(open)
		}
	}
	var got wal
	if err := got.open(bytes.NewReader(w.Bytes()), int64(w.Len()), 512); err != nil {
		t.Fatal(err)
	}
	if len(got.index) != len(last) || len(open) == 0 {
		t.Fatalf("%d elements for %d pages, %d uncommitted", len(got.index), len(last), len(open))
	}
	for p := range uint32(2600) {
		if got.frame(p) != last[p] {
			t.Fatalf("page %d: frame %d, expected %d", p, got.frame(p), last[p])
		}
	}
	if cap(got.index) > 8192 {
		t.Errorf("room for %d elements", cap(got.index))
	}
}

// endless is a log of frames that are made when they are read, in order.
type endless struct {
	w     *logWriter
	page  func(frame uint32) uint32
	frame uint32
}

func (e *endless) ReadAt(p []byte, off int64) (int, error) {
	if off == 0 {
		return copy(p, e.w.Bytes()[:logHeaderSize]), nil
	}
	e.w.Reset()
	e.frame++
	e.w.frame(e.page(e.frame), 1<<20, make([]byte, 512))
	return copy(p, e.w.Bytes()), nil
}

// TestIndexLimit: the index has room for so many pages, and more is an error.
// What a log takes in memory does not grow with its length.
func TestIndexLimit(t *testing.T) {
	open := func(pages, frames uint32) (*wal, error) {
		src := &endless{w: newLog(binary.LittleEndian, 512, "saltsalt"), page: func(frame uint32) uint32 { return 1 + uint32(uint64(frame)*7919%uint64(pages)) }}
		w := &wal{}
		return w, w.open(src, int64(logHeaderSize+536*int(frames)), 512)
	}
	if _, err := open(1<<21, 1<<21); err == nil || err.Error() != "reading the write-ahead log: expected at most 786432 pages, found more up to frame 1048576" {
		t.Errorf("2,097,152 pages: %v", err)
	}
	if _, err := open(maxIndexed+1, 3<<20/2); err == nil {
		t.Error("one page more than there is room for")
	}
	w, err := open(maxIndexed, 3<<20/2)
	if err != nil || len(w.index) != maxIndexed || cap(w.index) > maxIndex {
		t.Errorf("%d pages, room for %d, %v", len(w.index), cap(w.index), err)
	}
	w, err = open(1000, 1<<20)
	if err != nil || len(w.index) != 1000 || cap(w.index) > 4096 {
		t.Errorf("%d pages, room for %d, %v", len(w.index), cap(w.index), err)
	}
}

// TestChanged has what a writer does and what we say of it.
func TestChanged(t *testing.T) {
	files, _ := states(t)
	w := newLog(binary.LittleEndian, 512, "saltsalt")
	w.transaction(files[0], files[1], true)
	one := bytes.Clone(w.Bytes())
	w.transaction(files[1], files[2], true)
	two := bytes.Clone(w.Bytes())
	restarted := newLog(binary.LittleEndian, 512, "new salt")
	restarted.transaction(files[0], files[1], true)
	// A log whose end is overwritten in place.
	room := append(bytes.Clone(one), make([]byte, 536*40)...)
	room2 := append(bytes.Clone(two), room[len(two):]...)
	counted := bytes.Clone(files[0])
	counted[27]++

	for _, tc := range []struct {
		name                   string
		main, log, main2, log2 []byte
		want                   Change
	}{
		{"nothing", files[0], one, files[0], one, Same},
		{"nothing, without a log", files[0], nil, files[0], nil, Same},
		{"nothing, with an empty log", files[0], []byte{}, files[0], []byte{}, Same},
		{"a longer file", files[0], nil, append(bytes.Clone(files[0]), make([]byte, 512)...), nil, Changed},
		{"the change counter", files[0], nil, counted, nil, Changed},
		{"the change counter with a log", files[0], one, counted, one, Changed},
		{"a log came", files[0], []byte{}, files[0], one, Changed},
		{"a longer log", files[0], one, files[0], two, Appended},
		{"a log overwritten at its end", files[0], room, files[0], room2, Appended},
		{"a shorter log", files[0], two, files[0], one, Changed},
		{"an emptied log", files[0], two, files[0], []byte{}, Changed},
		{"a restarted log", files[0], one, files[0], restarted.Bytes(), Changed},
		{"a log without a header", files[0], room[:40], files[0], room[:40], Same},
	} {
		main, log := &swap{tc.main}, &swap{tc.log}
		db, err := Open(main, int64(len(tc.main)), log, int64(len(tc.log)))
		if tc.log == nil {
			db, err = Open(main, int64(len(tc.main)), nil, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		main.b, log.b = tc.main2, tc.log2
		if got, err := db.Changed(int64(len(tc.main2)), int64(len(tc.log2))); got != tc.want || err != nil {
			t.Errorf("%s: %v, %v, expected %v", tc.name, got, err, tc.want)
		}
	}
	db, err := open(files[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := db.Changed(int64(len(files[0])), 536); got != Changed || err != nil {
		t.Errorf("a log where there was none: %v, %v", got, err)
	}
}

// swap is a file whose bytes change.
type swap struct{ b []byte }

func (s *swap) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(s.b).ReadAt(p, off)
}
