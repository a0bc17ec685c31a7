package etcd

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// leafElement is a row as it lies in a leaf.
type leafElement struct {
	key, value []byte
	flags      uint32
}

// plainRow is the row of a Secret in plaintext.
func plainRow(name string, revision int64, data []byte) leafElement {
	kv := storedtest.Field(nil, 1, []byte("/registry/secrets/shop/"+name))
	for n := 2; n <= 4; n++ {
		kv = storedtest.VarintField(kv, n, revision)
	}
	kv = storedtest.Field(kv, 5, storedtest.ProtobufSecret("shop", name, data))
	return leafElement{key: revisionKey(revision, 0, false), value: kv}
}

// leafPages writes a leaf with a page number and as many pages as it needs.
func leafPages(id uint64, pageSize int, elements ...leafElement) []byte {
	b := make([]byte, pageHeaderSize+len(elements)*elementSize)
	binary.LittleEndian.PutUint64(b, id)
	binary.LittleEndian.PutUint16(b[8:], flagLeaf)
	binary.LittleEndian.PutUint16(b[10:], uint16(len(elements)))
	for i, e := range elements {
		at := pageHeaderSize + i*elementSize
		binary.LittleEndian.PutUint32(b[at:], e.flags)
		binary.LittleEndian.PutUint32(b[at+4:], uint32(len(b)-at))
		binary.LittleEndian.PutUint32(b[at+8:], uint32(len(e.key)))
		binary.LittleEndian.PutUint32(b[at+12:], uint32(len(e.value)))
		b = append(append(b, e.key...), e.value...)
	}
	pages := (len(b) + pageSize - 1) / pageSize
	binary.LittleEndian.PutUint32(b[12:], uint32(pages-1))
	return append(b, make([]byte, pages*pageSize-len(b))...)
}

// TestPageScan: pages as they can lie in a file, from page 2 on.
func TestPageScan(t *testing.T) {
	const pageSize = 512
	x := func(n int) []byte { return bytes.Repeat([]byte("x"), n) }
	pages := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	at := func(b []byte, page int, over []byte) []byte { // over takes the place of pages of b
		b = bytes.Clone(b)
		copy(b[page*pageSize:], over)
		return b
	}
	secret := func(name string, revision int64) fact.RemainingSecret {
		return fact.RemainingSecret{Namespace: "shop", Name: name, Values: 1, Revision: revision}
	}
	long := leafPages(2, pageSize, plainRow("a", 5, x(2000)))
	two := leafPages(2, pageSize, plainRow("a", 5, x(700)), plainRow("b", 6, x(600)))
	var boundary []byte // b's value begins in the first page, and its data in the second
	for n := range 300 {
		boundary = leafPages(2, pageSize, plainRow("a", 5, x(n)), plainRow("b", 6, x(700)))
		if bytes.LastIndex(boundary, []byte("k8s\x00\n")) > pageSize-50 {
			break
		}
	}
	custom := plainRow("a", 5, nil)
	custom.value = append(storedtest.Field(nil, 1, []byte("/other/secrets/shop/a")), custom.value[len("/registry/secrets/shop/a")+2:]...)
	dead := leafElement{key: revisionKey(9, 0, true), value: storedtest.Field(nil, 1, []byte("/registry/secrets/shop/a"))}
	slack := leafPages(2, pageSize, dead)
	copy(slack[200:], plainRow("slack", 8, x(10)).value)
	wrong := leafPages(2, pageSize, plainRow("a", 5, x(10)))
	wrong[pageHeaderSize+4]++ // not where bbolt puts it
	nested := plainRow("a", 5, x(10))
	nested.flags = leafIsBucket

	for name, tc := range map[string]struct {
		file  []byte
		used  inUse
		known *Known
		want  []fact.RemainingSecret
	}{
		"a row":                           {file: leafPages(2, pageSize, plainRow("a", 5, x(10))), want: []fact.RemainingSecret{secret("a", 5)}},
		"a tombstone":                     {file: leafPages(2, pageSize, dead)},
		"a page in use":                   {file: leafPages(2, pageSize, plainRow("a", 5, x(10))), used: inUse{1 << 2}},
		"a page in use behind a free":     {file: pages(make([]byte, pageSize), leafPages(3, pageSize, plainRow("a", 5, x(10)))), used: inUse{1 << 3}},
		"a free page behind one in use":   {file: pages(leafPages(2, pageSize, plainRow("a", 5, x(10))), leafPages(3, pageSize, plainRow("b", 6, x(10)))), used: inUse{1 << 2}, want: []fact.RemainingSecret{secret("b", 6)}},
		"free pages behind 64 in use":     {file: pages(make([]byte, 62*pageSize), leafPages(64, pageSize, plainRow("b", 6, x(10)))), used: inUse{^uint64(0)}, want: []fact.RemainingSecret{secret("b", 6)}},
		"a row that the tree holds":       {file: leafPages(2, pageSize, plainRow("a", 5, x(10)), plainRow("b", 6, x(10))), known: &Known{rows: plainRows{mains: []int64{5}, subs: []int32{0}}}, want: []fact.RemainingSecret{secret("b", 6)}},
		"another row of that revision":    {file: leafPages(2, pageSize, plainRow("a", 5, x(10))), known: &Known{rows: plainRows{mains: []int64{5}, subs: []int32{1}}}, want: []fact.RemainingSecret{secret("a", 5)}},
		"a row newer than was read":       {file: leafPages(2, pageSize, plainRow("a", 5, x(10)), plainRow("b", 9, x(10))), known: &Known{last: 8}, want: []fact.RemainingSecret{secret("a", 5)}},
		"raw, newer than was read":        {file: at(leafPages(2, pageSize, plainRow("b", 9, x(10))), 0, []byte{0}), known: &Known{last: 8}},
		"raw, of a row in the tree":       {file: at(leafPages(2, pageSize, plainRow("b", 9, x(10))), 0, []byte{0}), known: &Known{rows: plainRows{mains: []int64{9}, subs: []int32{0}}}},
		"raw":                             {file: at(leafPages(2, pageSize, plainRow("b", 9, x(10))), 0, []byte{0}), want: []fact.RemainingSecret{secret("b", 9)}},
		"a run":                           {file: long, want: []fact.RemainingSecret{secret("a", 5)}},
		"a run, cut by a page in use":     {file: long, used: inUse{1 << 3}, want: []fact.RemainingSecret{secret("a", 5)}},
		"a run, the end of it in use":     {file: two, used: inUse{1 << 3}, want: []fact.RemainingSecret{secret("a", 5)}},
		"a run, cut by a page of its own": {file: at(long, 1, leafPages(3, pageSize, plainRow("c", 7, x(10)))), want: []fact.RemainingSecret{secret("a", 5), secret("c", 7)}},
		"a run without its start":         {file: at(two, 0, make([]byte, pageSize)), want: []fact.RemainingSecret{secret("b", 6)}},
		"a run, cut before the data":      {file: boundary, used: inUse{1 << 3}, want: []fact.RemainingSecret{secret("a", 5)}},
		"the prefix of another cluster":   {file: leafPages(2, pageSize, custom), want: []fact.RemainingSecret{secret("a", 0)}},
		"one that the tree holds":         {file: leafPages(2, pageSize, custom), known: &Known{rows: plainRows{mains: []int64{5}, subs: []int32{0}}}},
		"behind the last row":             {file: slack, want: []fact.RemainingSecret{secret("slack", 8)}},
		"a row that is not in its place":  {file: wrong, want: []fact.RemainingSecret{secret("a", 5)}},
		"a bucket that is none":           {file: leafPages(2, pageSize, nested), want: []fact.RemainingSecret{secret("a", 5)}},
		"cut at the end of the file":      {file: long[:pageSize], want: []fact.RemainingSecret{secret("a", 5)}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, buffer := range []int{scanBuffer, pageSize, 3 * pageSize} {
				file := append(make([]byte, 2*pageSize), tc.file...)
				scan := newPageScan(memory(file), pageSize, "/registry", tc.known, func() bool { return false })
				scan.size, scan.used = buffer, tc.used
				if err := scan.pages(2, uint64(len(file)/pageSize)); err != nil {
					t.Fatal(err)
				}
				want := stored.Found{Values: len(tc.want), Secrets: tc.want, SecretsTotal: len(tc.want)}
				if diff := gocmp.Diff(want, scan.finder.Found(), cmpopts.IgnoreUnexported(stored.Found{})); diff != "" {
					t.Errorf("buffer of %d (-want +got):\n%s", buffer, diff)
				}
				free := 0
				for p := uint64(2); p < uint64(len(file)/pageSize); p++ {
					if !tc.used.has(p) {
						free++
					}
				}
				if scan.scanned != int64(free*pageSize) {
					t.Errorf("%d bytes of %d pages", scan.scanned, free)
				}
			}
		})
	}
}

// A value of any size is found at once, whatever the size of pages and of the window.
func TestPageScanSizes(t *testing.T) {
	for _, pageSize := range []int{512, 4 << 10, 64 << 10, 2 << 20} {
		for _, size := range []int{0, 400, 5000, 100_000, 3 << 20} {
			row := plainRow("a", 5, make([]byte, size))
			file := append(make([]byte, 2*pageSize), leafPages(2, pageSize, row, plainRow("b", 6, nil))...)
			scan := newPageScan(memory(file), pageSize, "/registry", nil, func() bool { return false })
			if err := scan.pages(2, uint64(len(file)/pageSize)); err != nil {
				t.Fatal(err)
			}
			if got := scan.finder.Found(); got.Values != 2 || got.SecretsTotal != 2 || got.Secrets[1].Revision != 6 {
				t.Errorf("pages of %d, a value of %d bytes: %+v", pageSize, size, got)
			}
		}
	}
}

// A file that shrinks, or cannot be read, ends the search with an error and keeps what
// was found.
func TestPageScanFails(t *testing.T) {
	const pageSize = 512
	file := make([]byte, 2*pageSize)
	for p := uint64(2); p < 6; p++ {
		file = append(file, leafPages(p, pageSize, plainRow(fmt.Sprint("s", p), int64(p), nil))...)
	}
	scan := newPageScan(memory(file), pageSize, "/registry", nil, func() bool { return false })
	if err := scan.pages(2, 100); err != errEnd || scan.finder.Found().Values != 4 {
		t.Errorf("%v, %+v", err, scan.finder.Found())
	}
	asked := 0
	scan = newPageScan(memory(file), pageSize, "/registry", nil, func() bool { asked++; return asked > 2 })
	if err := scan.pages(2, 6); err != errDeadline || scan.finder.Found().Values != 2 {
		t.Errorf("%v, %+v", err, scan.finder.Found())
	}
}
