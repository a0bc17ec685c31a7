package rpmdb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest/rpmtest"
)

// readBytes reads a database in memory.
func readBytes(t testing.TB, data []byte, open func(*bytes.Reader, int64) (store, error)) (names []string, result Result, err error) {
	t.Helper()
	db, err := open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, Result{}, err
	}
	result, err = readStore(t.Context(), db, int64(len(data)), wanted, func(p *Package) { names = append(names, p.Name) })
	if db.changed() {
		t.Error("it changed")
	}
	return names, result, err
}

func asNDB(r *bytes.Reader, size int64) (store, error) { return openNDB(r, size) }
func asBDB(r *bytes.Reader, size int64) (store, error) { return openBDB(r, size) }

// damage is a case of a damaged database.
type damage struct {
	edit    func([]byte) []byte
	names   string   // of the packages that are left
	damaged int      // records
	faults  []string // at most maxFaults
	err     string
}

func checkDamage(t *testing.T, base []byte, open func(*bytes.Reader, int64) (store, error), cases map[string]damage) {
	t.Helper()
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			names, result, err := readBytes(t, tc.edit(bytes.Clone(base)), open)
			if text := errorText(err); text != tc.err {
				t.Fatalf("want error %q, got %q", tc.err, text)
			}
			var faults []string
			for _, fault := range result.Faults {
				faults = append(faults, fault.Error())
			}
			if diff := cmp.Diff(tc.faults, faults); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
			if got := strings.Join(names, " "); got != tc.names || result.Damaged != tc.damaged || result.Packages != len(names) {
				t.Errorf("want %q and %d damaged, got %q and %d, packages %d", tc.names, tc.damaged, got, result.Damaged, result.Packages)
			}
		})
	}
}

// put writes a number of either order.
func put(order binary.ByteOrder, at int, n uint32) func([]byte) []byte {
	return func(b []byte) []byte { order.PutUint32(b[at:], n); return b }
}

func TestNDBDamage(t *testing.T) {
	le := binary.LittleEndian
	data := rpmtest.NDB(rpmtest.Generated(3, 1))
	block := int(le.Uint32(data[32+8:])) * 16 // of the first package; its slot is at byte 32
	end := block + int(le.Uint32(data[32+12:]))*16
	const all = "package-0 package-1 package-2"
	const rest = "package-1 package-2"
	size := int(le.Uint32(data[block+12:]))
	fits := len(data) / size // as often as one blob has room in the file
	overlap := func(slot int) string {
		return fmt.Sprintf("slot at byte %d: expected a record of at most %d bytes, found one of %d: it overlaps another or is cut", 32+16*slot, len(data)%size, size)
	}
	checkDamage(t, data, asNDB, map[string]damage{
		"none":            {edit: func(b []byte) []byte { return b }, names: all},
		"empty":           {edit: func([]byte) []byte { return nil }, err: "ends too early: expected 32 bytes at byte 0, found 0"},
		"of another kind": {edit: put(le, 0, 1), err: `expected "RpmP" at byte 0 of an NDB database, found something else`},
		"another version": {edit: put(le, 4, 1), err: "not supported: expected version 0 of NDB, found 1"},
		"more slots than bytes": {
			edit: put(le, 12, 1<<31), err: fmt.Sprintf("ends too early: expected 1 page of slots or more within %d bytes, found 2147483648", len(data)),
		},
		"a slot that is none": {
			edit: put(le, 32, 0), names: rest, damaged: 1, faults: []string{`slot at byte 32: expected "Slot", found something else`},
		},
		"a block outside": {
			edit: put(le, 32+8, 1<<30), names: rest, damaged: 1,
			faults: []string{fmt.Sprintf("slot at byte 32: expected blocks between byte 4096 and %d, found %d bytes at 17179869184", len(data), le.Uint32(data[32+12:])*16)},
		},
		"a block among the slots": {
			edit: put(le, 32+8, 3), names: rest, damaged: 1,
			faults: []string{fmt.Sprintf("slot at byte 32: expected blocks between byte 4096 and %d, found %d bytes at 48", len(data), le.Uint32(data[32+12:])*16)},
		},
		"a blob of another package": {
			edit: put(le, block+4, 9), names: rest, damaged: 1, faults: []string{fmt.Sprintf("slot at byte 32: expected package 1 at byte %d, found 9", block)},
		},
		"many slots for one blob": {
			edit: func(b []byte) []byte {
				for at := 48; at < 4096; at += 16 {
					copy(b[at:], b[32:48])
				}
				return b
			},
			names: strings.Repeat("package-0 ", fits-1) + "package-0", damaged: 254 - fits, faults: []string{
				overlap(fits), overlap(fits + 1), overlap(fits + 2),
			},
		},
		"a blob without its end": {
			edit: put(le, end-4, 0), names: rest, damaged: 1,
			faults: []string{fmt.Sprintf(`slot at byte 32: expected "BlbS" at byte %d and "BlbE" at byte %d, found something else`, block, end-4)},
		},
		"a header that lies": {
			edit: put(binary.BigEndian, block+16, 0), names: rest, damaged: 1,
			faults: []string{fmt.Sprintf("slot at byte 32: expected a header of 1 to 65535 entries and at most 268435455 bytes of data, found 0 and %d", binary.BigEndian.Uint32(data[block+20:]))},
		},
	})
}

func TestBDBDamage(t *testing.T) {
	le := binary.LittleEndian
	// Three packages of some pages each, and one that fits into the page.
	blobs := append(rpmtest.Generated(3, 100), base())
	data := rpmtest.BDB(t, blobs, 4096, le)
	// The page with the most records.
	page, entries := 0, 0
	for n := 1; n < len(data)/4096; n++ {
		if got := int(le.Uint16(data[n*4096+20:])); data[n*4096+25] == bdbTypeHash && got > entries {
			page, entries = n, got
		}
	}
	at := page * 4096
	order, _, err := readBytes(t, data, asBDB)
	if err != nil || len(order) != 4 {
		t.Fatal(order, err)
	}
	// The value of the first record that lies in overflow pages.
	value, part := 0, 0
	for i := range entries / 2 {
		v := at + int(le.Uint16(data[at+26+2*(2*i+1):]))
		if data[v] == bdbItemOff {
			value, part = v, i+1
			break
		}
	}
	first := int(le.Uint32(data[value+4:]))
	if value == 0 {
		t.Fatal("no record in overflow pages")
	}
	// What is left without that record, and without the page.
	left := func(edit func([]byte) []byte) string {
		names, _, _ := readBytes(t, edit(bytes.Clone(data)), asBDB)
		return strings.Join(names, " ")
	}
	rest := left(put(le, value+4, 0))
	others := left(func(b []byte) []byte { clear(b[at : at+4096]); return b })
	if strings.Count(rest, " ") != 2 || strings.Count(others, " ") >= 3 {
		t.Fatalf("of %v, %q and %q are left", order, rest, others)
	}
	missing := fmt.Sprintf("page 0: expected 5 records by the first page's account, found %d", 5-entries/2)
	last := le.Uint32(data[32:])
	record := fmt.Sprintf("page %d, record %d: ", page, part)
	size := le.Uint32(data[value+8:])
	checkDamage(t, data, asBDB, map[string]damage{
		"none":                {edit: func(b []byte) []byte { return b }, names: strings.Join(order, " ")},
		"empty":               {edit: func([]byte) []byte { return nil }, err: "ends too early: expected 96 bytes at byte 0, found 0"},
		"of another kind":     {edit: put(le, 12, 0x53162), err: "expected the magic number 0x61561 of a Berkeley DB hash at byte 12, found something else"},
		"page size 0":         {edit: put(le, 20, 0), err: "expected a page size that is a power of two from 512 to 65536, found 0"},
		"page size 3":         {edit: put(le, 20, 4097), err: "expected a page size that is a power of two from 512 to 65536, found 4097"},
		"encrypted":           {edit: func(b []byte) []byte { b[24] = 1; return b }, err: "not supported: a Berkeley DB with encryption 1 and flags 0x0"},
		"not a hash":          {edit: func(b []byte) []byte { b[25] = 9; return b }, err: "expected page type 8 of a hash at byte 25, found 9"},
		"a page of zeros":     {edit: func(b []byte) []byte { clear(b[at : at+4096]); return b }, names: others, damaged: 1, faults: []string{missing}},
		"a page out of place": {edit: put(le, at+8, 99), names: others, damaged: 2, faults: []string{fmt.Sprintf("page %d: expected the number %d at byte 8 of the page, found 99", page, page), missing}},
		"a page of a tree": {edit: func(b []byte) []byte { b[at+25] = 5; return b }, names: others, damaged: 2, faults: []string{
			fmt.Sprintf("page %d: expected a page of a hash, found one of type 5", page), missing,
		}},
		"entries beyond the page": {edit: func(b []byte) []byte { le.PutUint16(b[at+20:], 40000); return b }, names: others, damaged: 2, faults: []string{
			fmt.Sprintf("page %d: expected pairs of entries on a page of 4096 bytes, found 40000 entries", page), missing,
		}},
		"an entry beyond the page": {edit: func(b []byte) []byte { le.PutUint16(b[at+26:], 5000); return b }, names: others, damaged: 2, faults: []string{
			fmt.Sprintf("page %d: expected entry 0 between byte %d and 4096, found it at 5000", page, 26+2*entries), missing,
		}},
		"no first overflow page": {edit: put(le, value+4, 0), names: rest, damaged: 1, faults: []string{
			record + fmt.Sprintf("expected an overflow page for byte 0 of an item of %d, found page 0 of %d", size, last),
		}},
		"an overflow page outside": {edit: put(le, value+4, 1<<20), names: rest, damaged: 1, faults: []string{
			record + fmt.Sprintf("expected an overflow page for byte 0 of an item of %d, found page 1048576 of %d", size, last),
		}},
		"an overflow page of another type": {edit: func(b []byte) []byte { b[first*4096+25] = 0; return b }, names: rest, damaged: 1, faults: []string{
			record + fmt.Sprintf("overflow page %d: expected type 7 with 4070 bytes of the item, found type 0 with 4070", first),
		}},
		"an overflow page that is not full": {edit: func(b []byte) []byte { le.PutUint16(b[first*4096+22:], 0); return b }, names: rest, damaged: 1, faults: []string{
			record + fmt.Sprintf("overflow page %d: expected type 7 with 4070 bytes of the item, found type 7 with 0", first),
		}},
		"an item longer than the file": {edit: put(le, value+8, 1<<31), names: rest, damaged: 1, faults: []string{
			record + fmt.Sprintf("expected a record of at most %d bytes, found one of 2147483648: it overlaps another or is cut", len(data)),
		}},
	})

	// Reading back starts again.
	whole := &chain{db: &bdb{file: bytes.NewReader(data), size: int64(len(data)), order: le, pageSize: 4096, last: last}, first: uint32(first), size: int64(size)}
	forwards, again := make([]byte, size), make([]byte, 100)
	if n, err := whole.ReadAt(forwards, 0); n != len(forwards) || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if n, err := whole.ReadAt(again, 50); n != len(again) || err != nil || !bytes.Equal(again, forwards[50:150]) {
		t.Errorf("back: %d bytes, %v", n, err)
	}

	// A chain in a circle ends where its item does.
	b := bytes.Clone(data)
	le.PutUint32(b[first*4096+16:], uint32(first))
	c := &chain{db: &bdb{file: bytes.NewReader(b), size: int64(len(b)), order: le, pageSize: 4096, last: last}, first: uint32(first), size: 1 << 20}
	buf := make([]byte, 1<<20)
	if n, err := c.ReadAt(buf, 0); n > len(buf) || err == nil || !strings.Contains(err.Error(), "found type 7 with 4070") {
		t.Errorf("a circle: %d bytes, %v", n, err)
	}
	if _, result, err := readBytes(t, data[:len(data)-4096], asBDB); err != nil || result.Damaged == 0 || !strings.Contains(result.Faults[0].Error(), "ends too early: expected pages up to") {
		t.Errorf("cut by a page: %+v, %v", result, err)
	}
}

func FuzzNDB(f *testing.F) {
	f.Add(rpmtest.NDB(rpmtest.Generated(3, 1)))
	f.Add([]byte(ndbMagic))
	f.Fuzz(func(t *testing.T, data []byte) { fuzzStore(t, data, asNDB) })
}

func FuzzBDB(f *testing.F) {
	f.Add(rpmtest.BDB(f, rpmtest.Generated(3, 20), 512, binary.LittleEndian))
	f.Add(rpmtest.BDB(f, rpmtest.Generated(2, 1), 512, binary.BigEndian))
	f.Fuzz(func(t *testing.T, data []byte) { fuzzStore(t, data, asBDB) })
}

// fuzzStore reads a database. Whatever it is, the work is bounded by its size.
func fuzzStore(t *testing.T, data []byte, open func(*bytes.Reader, int64) (store, error)) {
	counting := &countingReader{r: bytes.NewReader(data)}
	db, err := open(counting.r, int64(len(data)))
	if err != nil {
		return
	}
	switch db := db.(type) {
	case *ndb:
		db.file = counting
	case *bdb:
		db.file = counting
	}
	result, _ := readStore(t.Context(), db, int64(len(data)), wanted, func(p *Package) {
		if p.Name == "" {
			t.Error("a package without a name")
		}
	})
	if len(result.Faults) > maxFaults || result.Packages*50 > len(data) {
		t.Errorf("%+v of %d bytes", result, len(data))
	}
	if counting.bytes > 8*len(data)+1<<20 {
		t.Errorf("read %d bytes of %d", counting.bytes, len(data))
	}
}
