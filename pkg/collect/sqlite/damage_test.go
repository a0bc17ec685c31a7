package sqlite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// damageSQL is a small database with a tree of three levels and long rows.
const damageSQL = `PRAGMA page_size=512; PRAGMA synchronous=OFF;
CREATE TABLE t(id INTEGER PRIMARY KEY, a);
INSERT INTO t WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<1200)
SELECT i*2, CASE WHEN i%100=50 THEN hex(zeroblob(1000+i)) ELSE 'row ' || hex(zeroblob(i%40)) END FROM n;
`

// layout is where table t of a database has its pages, by SQLite's own dbstat.
type layout struct {
	root  uint32
	paths map[uint32]string // of pages in the tree: "/", "/001/", "/001/002/"; overflow: "/001/002/000+000000"
}

func layoutOf(t testing.TB, path string) layout {
	t.Helper()
	l := layout{paths: map[uint32]string{}}
	for line := range strings.Lines(cli(t, path, ".mode list\nSELECT pageno, path FROM dbstat WHERE name='t';")) {
		var page uint32
		var at string
		if _, err := fmt.Sscanf(strings.Replace(line, "|", " ", 1), "%d %s", &page, &at); err != nil {
			t.Fatal(err)
		}
		l.paths[page] = at
		if at == "/" {
			l.root = page
		}
	}
	return l
}

// page finds a page by its path.
func (l layout) page(t testing.TB, path string) uint32 {
	t.Helper()
	for page, p := range l.paths {
		if p == path {
			return page
		}
	}
	t.Fatalf("no page %s", path)
	return 0
}

// TestDamage damages a page in one way. The fault is in that page, and exactly
// the rows below it are missing.
func TestDamage(t *testing.T) {
	f := build(t, damageSQL)
	l := layoutOf(t, f.path)
	const leafPath, interiorPath = "/001/002/", "/001/"
	leaf, interior := l.page(t, leafPath), l.page(t, interiorPath)
	leaf2, interior2 := l.page(t, "/000/001/"), l.page(t, "/000/")
	var starts []uint32
	for p, path := range l.paths {
		if strings.HasSuffix(path, "+000000") {
			starts = append(starts, p)
		}
	}
	base, _, _ := strings.Cut(l.paths[slices.Min(starts)], "+")
	owner := l.page(t, base[:len(base)-3]) // a leaf with a row in overflow pages
	var chain []uint32
	for i := range 4 {
		chain = append(chain, l.page(t, fmt.Sprintf("%s+%06x", base, i)))
	}

	// The rows of each leaf, and their lines.
	type at struct {
		page uint32
		line string
		long bool
	}
	var all []at
	for row, err := range table(t, f.open(t), "t").Rows(math.MinInt64) {
		if err != nil {
			t.Fatal(err)
		}
		line, err := render(row)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, at{row.page, line, row.cell.overflow != 0})
	}
	below := func(page uint32) func(at) bool {
		return func(a at) bool { return strings.HasPrefix(l.paths[a.page], l.paths[page]) }
	}
	// first is the first row of a leaf, and nth another.
	nth := func(page uint32, n int) func(at) bool {
		var line string
		for _, a := range all {
			if a.page == page {
				if n == 0 {
					line = a.line
				}
				n--
			}
		}
		return func(a at) bool { return a.line == line }
	}
	longOf := func(a at) bool { return a.page == owner && a.long }
	nothing := func(at) bool { return false }

	body := func(b []byte, page uint32) []byte { return b[(page-1)*512:][:512] }
	cellAt := func(p []byte, i int) []byte {
		head := 8
		if p[0] == interiorTable {
			head = 12
		}
		return p[binary.BigEndian.Uint16(p[head+2*i:]):]
	}
	put16, put32 := binary.BigEndian.PutUint16, binary.BigEndian.PutUint32
	for _, tc := range []struct {
		name   string
		page   uint32
		change func(p []byte) // of that page
		fault  string
		in     uint32 // page of the fault, if it is another
		lost   func(at) bool
	}{
		{name: "a leaf of another type", page: leaf, change: func(p []byte) { p[0] = 10 }, fault: "expected a page of a table, of type 5 or 13, found type 10", lost: below(leaf)},
		{name: "an interior page of zeros", page: interior, change: func(p []byte) { clear(p) }, fault: "expected a page of a table, of type 5 or 13, found type 0", lost: below(interior)},
		{name: "the root of zeros", page: l.root, change: func(p []byte) { clear(p) }, fault: "found type 0", lost: below(l.root)},
		{name: "too many cells", page: leaf, change: func(p []byte) { put16(p[3:], 65535) }, fault: "65535 cells do not fit into its 512 bytes", lost: below(leaf)},
		{name: "too many cells in an interior page", page: interior, change: func(p []byte) { put16(p[3:], 251) }, fault: "251 cells do not fit into its 512 bytes", lost: below(interior)},
		{name: "a leaf without cells", page: leaf, change: func(p []byte) { put16(p[3:], 0) }, fault: "it has no cell", lost: below(leaf)},
		{name: "an interior page without cells", page: interior, change: func(p []byte) { put16(p[3:], 0) }, fault: "it has no cell", lost: below(interior)},
		{name: "the root without cells", page: l.root, change: func(p []byte) { put16(p[3:], 0) }, fault: "it has no cell", lost: below(l.root)},
		{name: "a cell outside the page", page: leaf, change: func(p []byte) { put16(p[8:], 600) }, fault: "cell 0 at offset 600 lies outside offsets", lost: below(leaf)},
		{name: "a cell at the page's last byte", page: leaf, change: func(p []byte) { put16(p[8:], 511) }, fault: "cell 0 at offset 511 lies outside offsets", lost: below(leaf)},
		{name: "a cell in the header", page: leaf, change: func(p []byte) { put16(p[10:], 3) }, fault: "cell 1 at offset 3 lies outside offsets", lost: below(leaf)},
		{name: "two cells at one place", page: leaf, change: func(p []byte) { copy(p[10:12], p[8:10]) }, fault: "its rowid is out of order", lost: below(leaf)},
		{name: "cells in another order", page: leaf, change: func(p []byte) {
			a, b := binary.BigEndian.Uint16(p[8:]), binary.BigEndian.Uint16(p[10:])
			put16(p[8:], b)
			put16(p[10:], a)
		}, fault: "cell 1 at offset", lost: below(leaf)},
		{name: "a payload larger than the page", page: leaf, change: func(p []byte) { copy(cellAt(p, 0), []byte{0x81, 0x00}) }, fault: "", lost: below(leaf)},
		{name: "a payload larger than the database", page: leaf, change: func(p []byte) { copy(cellAt(p, 3), []byte{0x84, 0x80, 0x80, 0x00, 1}) }, fault: "cell 3 at offset", lost: below(leaf)},
		{name: "a payload larger than SQLite allows", page: leaf, change: func(p []byte) { copy(cellAt(p, 3), bytes.Repeat([]byte{0xff}, 9)) }, fault: "its payload is larger than SQLite allows", lost: below(leaf)},
		{name: "a child 0", page: interior, change: func(p []byte) { put32(cellAt(p, 2), 0) }, fault: "child 2 is page 0, outside the database's", lost: below(leaf)},
		{name: "a child outside", page: interior, change: func(p []byte) { put32(cellAt(p, 2), 1<<31) }, fault: "child 2 is page 2147483648, outside the database's", lost: below(leaf)},
		{name: "a child that is its parent", page: interior, change: func(p []byte) { put32(cellAt(p, 2), interior) }, fault: "its rowid is out of order", lost: below(leaf)},
		{name: "a child that is the root", page: interior, change: func(p []byte) { put32(cellAt(p, 2), l.root) }, in: l.root, fault: "its rowid is out of order", lost: below(leaf)},
		{name: "a child that is a child of another", page: interior, change: func(p []byte) { put32(cellAt(p, 2), leaf2) }, in: leaf2, fault: "its rowid is out of order", lost: below(leaf)},
		{name: "a child that is an overflow page", page: interior, change: func(p []byte) { put32(cellAt(p, 2), chain[1]) }, in: chain[1], fault: "expected a page of a table", lost: below(leaf)},
		{name: "a rightmost child that is the page itself", page: interior2, change: func(p []byte) { put32(p[8:], interior2) }, fault: "its rowid is out of order", lost: below(l.page(t, fmt.Sprintf("/000/%03x/", binary.BigEndian.Uint16(body(f.main, interior2)[3:]))))},
		{name: "a rightmost child outside", page: l.root, change: func(p []byte) { put32(p[8:], 0) }, fault: "child", lost: below(l.page(t, fmt.Sprintf("/%03x/", binary.BigEndian.Uint16(body(f.main, l.root)[3:]))))},
		{name: "an interior rowid out of order", page: interior, change: func(p []byte) { copy(cellAt(p, 2)[4:], []byte{0xff, 0x7f}) }, fault: "cell 2 at offset", lost: below(interior)},

		{name: "a record header larger than the row", page: leaf, change: func(p []byte) { cellAt(p, 1)[3] = 0x7f }, fault: "a row: its header does not fit into its", lost: nth(leaf, 1)},
		{name: "a record header of no byte", page: leaf, change: func(p []byte) { cellAt(p, 1)[3] = 0 }, fault: "a row: its header does not fit into its", lost: nth(leaf, 1)},
		{name: "a serial type that does not exist", page: leaf, change: func(p []byte) { cellAt(p, 1)[5] = 10 }, fault: "a row: column 1 of serial type 10", lost: nth(leaf, 1)},
		{name: "a column larger than the row", page: leaf, change: func(p []byte) { cellAt(p, 1)[4] = 0x7f }, fault: "a row: column 0 of serial type 127 at byte", lost: nth(leaf, 1)},
		{name: "a column one byte too long", page: leaf, change: func(p []byte) { cellAt(p, 1)[5] += 2 }, fault: "a row: column 1 of serial type", lost: nth(leaf, 1)},
		{name: "a type that ends outside the header", page: leaf, change: func(p []byte) { cellAt(p, 1)[3] = 2; cellAt(p, 1)[4] = 0x80 }, fault: "a row: its header ends inside the type of column 0", lost: nth(leaf, 1)},

		{name: "a chain that ends early", page: chain[1], change: func(p []byte) { put32(p, 0) }, fault: "overflow page 1 of a row leads to page 0, outside the database's", lost: longOf},
		{name: "a chain that leads outside", page: chain[1], change: func(p []byte) { put32(p, 99999) }, fault: "overflow page 1 of a row leads to page 99999, outside the database's", lost: longOf},
		{name: "a chain with a cycle of one page", page: chain[2], change: func(p []byte) { put32(p, chain[2]) }, fault: "the overflow pages of a row are a cycle", lost: longOf},
		{name: "a chain that goes on after its end", page: chain[3], change: func(p []byte) { put32(p, chain[2]+1) }, fault: "expected the last overflow page of a row, found that page", lost: longOf},
		{name: "a chain with a cycle of two pages", page: chain[1], change: func(p []byte) { put32(p, chain[0]) }, in: chain[1], fault: "expected the last overflow page of a row, found that page", lost: longOf},
		{name: "a chain with a cycle of three pages", page: chain[2], change: func(p []byte) { put32(p, chain[0]) }, in: chain[0], fault: "expected the last overflow page of a row, found that page", lost: longOf},
		{name: "a chain that begins outside", page: owner, change: func(p []byte) {
			for i := range binary.BigEndian.Uint16(p[3:]) {
				off := binary.BigEndian.Uint16(p[8+2*i:])
				if at := bytes.Index(p[off:], binary.BigEndian.AppendUint32(nil, chain[0])); at > 0 {
					put32(p[int(off)+at:], 77777)
					return
				}
			}
		}, fault: "its overflow begins at page 77777, outside the database's", lost: longOf},
		{name: "no damage in what is not used", page: chain[3], change: func(p []byte) {}, lost: nothing},
	} {
		t.Run(tc.name, func(t *testing.T) {
			damaged := fixture{main: bytes.Clone(f.main)}
			tc.change(body(damaged.main, tc.page))
			got, faults := dump(t, table(t, damaged.open(t), "t"), math.MinInt64)
			var want []string
			lost := 0
			for _, a := range all {
				if tc.lost(a) {
					lost++
				} else {
					want = append(want, a.line)
				}
			}
			equal(t, want, got)
			if lost == 0 {
				if len(faults) > 0 || tc.fault != "" {
					t.Fatalf("no row is lost, and the faults are %v", faults)
				}
				return
			}
			if tc.in == 0 {
				tc.in = tc.page
			}
			if len(faults) != 1 || faults[0].Page != tc.in || faults[0].Reason != fact.Corrupt || !strings.Contains(faults[0].Text, tc.fault) {
				t.Fatalf("faults: %v, expected in page %d: %s", faults, tc.in, tc.fault)
			}
		})
	}

	t.Run("a scan from a rowid", func(t *testing.T) {
		damaged := fixture{main: bytes.Clone(f.main)}
		p := body(damaged.main, interior)
		first := l.page(t, "/001/001/")
		key, _ := varint(cellAt(p, 1)[4:])
		put32(cellAt(p, 2), first) // before all that is asked for
		tab := table(t, damaged.open(t), "t")
		_, faults := dump(t, tab, int64(key)+1)
		if len(faults) != 1 || faults[0].Page != first || !strings.HasSuffix(faults[0].Text, "its rowid is out of order") {
			t.Error(faults)
		}
	})
	t.Run("a file cut short", func(t *testing.T) {
		db, err := open(f.main[:len(f.main)*2/3+100], nil)
		if err != nil {
			t.Fatal(err)
		}
		got, faults := dump(t, table(t, db, "t"), math.MinInt64)
		if len(faults) == 0 || len(got) == 0 || len(got) >= len(all) {
			t.Fatalf("%d rows, %d faults", len(got), len(faults))
		}
		for _, fault := range faults {
			if fault.Reason != fact.Truncated || !strings.Contains(fault.Text, "the file ends before byte") {
				t.Fatal(fault)
			}
		}
	})
	t.Run("a page that cannot be read", func(t *testing.T) {
		broken := errors.New("input/output error")
		src := &badPage{bytes.NewReader(f.main), int64(leaf-1) * 512, broken}
		db, err := Open(src, int64(len(f.main)), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		got, faults := dump(t, table(t, db, "t"), math.MinInt64)
		want := slices.DeleteFunc(slices.Clone(all), below(leaf))
		if len(got) != len(want) || len(faults) != 1 || faults[0].Page != leaf || faults[0].Reason != fact.Unreadable || !errors.Is(faults[0], broken) {
			t.Fatalf("%d rows of %d, %v", len(got), len(want), faults)
		}
	})
	t.Run("a damaged schema", func(t *testing.T) {
		damaged := fixture{main: bytes.Clone(f.main)}
		damaged.main[100] = 2
		_, err := damaged.open(t).Table("t")
		if f := new(Fault); !errors.As(err, &f) || f.Page != 1 || errors.Is(err, ErrNoTable) {
			t.Fatal(err)
		}
	})
}

// badPage is a file with a page that cannot be read.
type badPage struct {
	io.ReaderAt
	at  int64
	err error
}

func (b *badPage) ReadAt(p []byte, off int64) (int, error) {
	if off == b.at {
		return 0, b.err
	}
	return b.ReaderAt.ReadAt(p, off)
}

// handmade is a database of 512-byte pages with table t at page 2.
func handmade(pages int) []byte {
	b := make([]byte, 512*pages)
	copy(b, magic)
	copy(b[16:], []byte{2, 0, 1, 1, 0, 64, 32, 32})
	b[47], b[59] = 4, 1
	const sql = "CREATE TABLE t(a)"
	record := append([]byte{6, 23, 15, 15, 1, byte(13 + 2*len(sql))}, "tablett\x02"+sql...)
	b[100], b[104] = leafTable, 1
	cell := append([]byte{byte(len(record)), 1}, record...)
	copy(b[512-len(cell):], cell)
	binary.BigEndian.PutUint16(b[108:], uint16(512-len(cell)))
	return b
}

// interiorPage writes an interior page: children and the keys between them.
func interiorPage(p []byte, children []uint32, keys []int64) {
	p[0] = interiorTable
	binary.BigEndian.PutUint16(p[3:], uint16(len(keys)))
	binary.BigEndian.PutUint32(p[8:], children[len(keys)])
	off := len(p)
	for i, k := range keys {
		cell := appendVarint(binary.BigEndian.AppendUint32(nil, children[i]), uint64(k))
		off -= len(cell)
		copy(p[off:], cell)
		binary.BigEndian.PutUint16(p[12+2*i:], uint16(off))
	}
}

// appendVarint appends a number below 1<<56.
func appendVarint(b []byte, v uint64) []byte {
	var digits []byte
	for {
		digits = append(digits, byte(v&0x7f))
		if v >>= 7; v == 0 {
			break
		}
	}
	for i := len(digits) - 1; i >= 0; i-- {
		d := digits[i]
		if i > 0 {
			d |= 0x80
		}
		b = append(b, d)
	}
	return b
}

// TestWork: what a small file can cost is bounded.
func TestWork(t *testing.T) {
	run := func(b []byte) (rows int, faults []*Fault, reads int) {
		t.Helper()
		began := time.Now()
		src := &counter{ReaderAt: bytes.NewReader(b)}
		db, err := Open(src, int64(len(b)), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		got, faults := dump(t, table(t, db, "t"), math.MinInt64)
		t.Logf("%d rows, %d faults, %d reads, %v", len(got), len(faults), src.calls, time.Since(began))
		return len(got), faults, src.calls
	}

	t.Run("a deep tree", func(t *testing.T) {
		b := handmade(100)
		for p := uint32(2); p < 90; p++ { // rowids rise along the right side
			interiorPage(b[(p-1)*512:p*512], []uint32{99, p + 1}, []int64{int64(p)})
		}
		_, faults, reads := run(b)
		if last := faults[len(faults)-1]; !strings.HasSuffix(last.Text, "a page deeper than SQLite allows") || last.Page != 21 || reads > 60 {
			t.Errorf("%d reads, %v", reads, last)
		}
	})
	t.Run("pages that all have the same two children", func(t *testing.T) {
		b := handmade(64) // 2^20 paths
		for p := uint32(2); p < 60; p++ {
			interiorPage(b[(p-1)*512:p*512], []uint32{p + 1, p + 1}, []int64{1 << 40})
		}
		_, faults, reads := run(b)
		if len(faults) == 0 || reads > 200 {
			t.Errorf("%d reads, %d faults", reads, len(faults))
		}
	})
	t.Run("a thousand pages of bad children", func(t *testing.T) {
		b := handmade(1100)
		var children []uint32
		var keys []int64
		for i := range uint32(50) {
			children, keys = append(children, 3+i), append(keys, int64(i+1)*1000)
		}
		interiorPage(b[512:1024], append(children, 3), keys)
		for i := range uint32(50) {
			var keys []int64
			for j := range 50 {
				keys = append(keys, int64(i)*1000+int64(j)+1)
			}
			interiorPage(b[(2+i)*512:(3+i)*512], slices.Repeat([]uint32{1000}, 51), keys)
		}
		_, faults, reads := run(b)
		if len(faults) != maxFaults || !strings.HasPrefix(faults[maxFaults-1].Text, "too many faults, and the rest was not read: ") || reads > 1100 {
			t.Errorf("%d reads, %d faults", reads, len(faults))
		}
	})
	t.Run("a cycle in a long chain", func(t *testing.T) {
		for length := uint32(1); length < 40; length++ {
			b := handmade(1000)
			p := b[512:1024]
			p[0], p[4] = leafTable, 1
			const size = 36 + 900*508
			cell := append(appendVarint(nil, size), 1, 4)
			cell = append(appendVarint(cell, 2*(size-4)+12), make([]byte, localSize(size, 512)-4)...)
			cell = append(cell, 0, 0, 0, 4)
			copy(p[512-len(cell):], cell)
			binary.BigEndian.PutUint16(p[8:], uint16(512-len(cell)))
			for i := range length {
				binary.BigEndian.PutUint32(b[(3+i)*512:], 4+(i+1)%length)
			}
			_, faults, reads := run(b)
			if len(faults) != 1 || faults[0].Text != "the overflow pages of a row are a cycle" || reads > 10+3*int(length) {
				t.Errorf("a cycle of %d: %d reads, %v", length, reads, faults)
			}
		}
	})
	t.Run("rows that share a chain", func(t *testing.T) {
		b := handmade(80)
		p := b[512:1024]
		p[0], p[4] = leafTable, 9
		const size = 36 + 70*508 // 70 pages each
		off := 512
		for i := range 9 {
			cell := appendVarint(nil, size)
			cell = append(cell, byte(i+1), 4)
			cell = append(appendVarint(cell, 2*(size-4)+12), make([]byte, localSize(size, 512)-4)...)
			cell = append(cell, 0, 0, 0, 4)
			off -= len(cell)
			copy(p[off:], cell)
			binary.BigEndian.PutUint16(p[8+2*i:], uint16(off))
		}
		for i := uint32(4); i < 73; i++ {
			binary.BigEndian.PutUint32(b[(i-1)*512:], i+1)
		}
		rows, faults, reads := run(b)
		if rows != 1 || len(faults) != 8 || !strings.HasSuffix(faults[0].Text, "the rows so far have more overflow pages than the database has pages") || reads > 100 {
			t.Errorf("%d rows, %d faults, %d reads", rows, len(faults), reads)
		}
	})
}

// TestLastRowid: there is one row with the highest rowid, and none above.
func TestLastRowid(t *testing.T) {
	last := append([]byte{0xbf}, bytes.Repeat([]byte{0xff}, 8)...) // 1<<63 - 1
	leaf := handmade(3)
	p := leaf[512:1024]
	p[0], p[4] = leafTable, 2
	for i := range 2 {
		off := 512 - 20*(i+1)
		copy(p[off:], append(append([]byte{3}, last...), 2, 1, 5))
		binary.BigEndian.PutUint16(p[8+2*i:], uint16(off))
	}
	interior := handmade(3)
	p = interior[512:1024]
	interiorPage(p, []uint32{3, 3}, []int64{1})
	copy(p[490:], append([]byte{0, 0, 0, 3}, last...))
	binary.BigEndian.PutUint16(p[12:], 490)
	for what, b := range map[string][]byte{"two rows": leaf, "a child above": interior} {
		db, err := open(b, nil)
		if err != nil {
			t.Fatal(err)
		}
		rows, faults := dump(t, table(t, db, "t"), math.MinInt64)
		if len(rows) > 0 || len(faults) != 1 || faults[0].Page != 2 || !strings.HasSuffix(faults[0].Text, "its rowid is out of order") {
			t.Errorf("%s: %v, %v", what, rows, faults)
		}
	}
}

// TestCellEnd: cells whose payload does not fit, by a little.
func TestCellEnd(t *testing.T) {
	for _, tc := range []struct {
		size int64
		end  int // bytes of the page after the local payload
		want string
	}{
		{1000, 4, ""},
		{1000, 3, "it ends outside the page"}, // without the overflow's page number
		{1000, 0, "it ends outside the page"},
		{2*508 + 50, 4, ""},
		{3*508 + 500, 4, "its payload is larger than the database"},
		{40, 0, ""},
		{40, -1, "it ends outside the page"},
	} {
		b := handmade(3)
		p := b[512:1024]
		p[0], p[4] = leafTable, 1
		cell := append(appendVarint(nil, uint64(tc.size)), 1)
		off := 512 - len(cell) - int(localSize(tc.size, 512)) - tc.end
		copy(p[off:], append(cell, 2, 0))
		binary.BigEndian.PutUint16(p[8:], uint16(off))
		db, err := open(b, nil)
		if err != nil {
			t.Fatal(err)
		}
		var n int
		var fault error
		for _, err := range table(t, db, "t").Rows(0) {
			n++
			fault = err
		}
		if n != 1 || (fault == nil) != (tc.want == "") || fault != nil && !strings.HasSuffix(fault.Error(), tc.want) {
			t.Errorf("%+v: %v", tc, fault)
		}
	}
}

func TestHeader(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(b []byte)
		want   string
	}{
		{"another kind", func(b []byte) { b[3] = 'x' }, "expected an SQLite 3 database, found a file of another kind"},
		{"page size 0", func(b []byte) { b[16], b[17] = 0, 0 }, "expected a page size of a power of two from 512 to 65536, found 0"},
		{"page size 256", func(b []byte) { b[16] = 1 }, "expected a page size of a power of two from 512 to 65536, found 256"},
		{"page size 768", func(b []byte) { b[16] = 3 }, "expected a page size of a power of two from 512 to 65536, found 768"},
		{"reserved bytes", func(b []byte) { b[20] = 33 }, "expected a usable page size of at least 480, found 479"},
		{"read version", func(b []byte) { b[19] = 3 }, "expected read version 1 or 2, found 3"},
		{"fractions", func(b []byte) { b[22] = 31 }, "expected payload fractions 64, 32, 32, found 64, 31, 32"},
		{"schema format", func(b []byte) { b[47] = 5 }, "expected schema format 1 to 4, found 5"},
		{"encoding", func(b []byte) { b[59] = 4 }, "expected text encoding 1 to 3, found 4"},
		{"none", func([]byte) {}, ""},
		{"write version", func(b []byte) { b[18] = 3 }, ""},
	} {
		b := handmade(2)
		tc.change(b)
		_, err := open(b, nil)
		if tc.want == "" && err == nil {
			continue
		}
		if err == nil || err.Error() != "reading the header: "+tc.want {
			t.Errorf("%s: %v, expected %s", tc.name, err, tc.want)
		}
	}
	for _, n := range []int{0, 99} {
		if _, err := open(make([]byte, n), nil); err == nil || err.Error() != fmt.Sprintf("reading the header: expected at least 100 bytes, found a file of %d", n) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if _, err := Open(bytes.NewReader(nil), 512, nil, 0); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a size that lies: %v", err)
	}
	// The count of pages is that of the header only if it is fresh.
	for _, tc := range []struct {
		count, counter, validFor byte
		want                     uint32
	}{{0, 1, 1, 5}, {3, 1, 1, 3}, {3, 2, 1, 5}, {9, 1, 1, 9}} {
		b := handmade(5)
		b[31], b[27], b[95] = tc.count, tc.counter, tc.validFor
		db, err := open(b, nil)
		if err != nil || db.Pages() != tc.want {
			t.Errorf("%+v: %d pages, %v", tc, db.Pages(), err)
		}
	}
	// A commit in the log counts, whatever page 1 says.
	w := newLog(binary.LittleEndian, 512, "saltsalt")
	page := handmade(1)
	page[31] = 9
	w.frame(1, 3, page)
	if db, err := open(handmade(5), w.Bytes()); err != nil || db.Pages() != 3 {
		t.Errorf("%d pages, %v", db.Pages(), err)
	}
	db := &DB{pageSize: 4096, pages: 1 << 20}
	if db.outside(1<<18+1) != "page 262145, which is never used" || db.outside(1<<18) != "" || db.outside(1<<18+2) != "" {
		t.Error("the page of the locks")
	}
}
