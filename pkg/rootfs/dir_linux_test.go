package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// A Dir looks up names and follows nothing.
func TestDir(t *testing.T) {
	dir := t.TempDir()
	grow(t, dir, "sub/file=four", "link -> sub", "file=x", "fifo|")
	root, err := openRoot(t, dir).Dir()
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	sub, err := root.Enter("sub")
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	h, err := sub.Handle("file")
	if err != nil {
		t.Fatal(err)
	}
	f, err := h.Open()
	if err != nil {
		t.Fatal(err)
	}
	var four [4]byte
	if _, err := f.ReadAt(four[:], 0); err != nil || string(four[:]) != "four" || h.Info().Size != 4 || h.Name() != "file" {
		t.Errorf("%q of %d bytes, named %q: %v", four, h.Info().Size, h.Name(), err)
	}
	if err := errors.Join(f.Close(), h.Close()); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]error{"link": ErrNotDir, "file": ErrNotDir, "fifo": ErrNotDir, "none": fs.ErrNotExist} {
		if d, err := root.Enter(name); !errors.Is(err, want) {
			t.Errorf("entering %s: %v, want %v", name, err, want)
			if err == nil {
				d.Close()
			}
		}
	}
	link, err := root.Handle("link")
	if err != nil || link.Info().Mode.Type() != fs.ModeSymlink {
		t.Fatalf("the handle of a link: %v, %v", link.Info().Mode, err)
	}
	if _, err := link.Open(); !errors.Is(err, ErrNotRegular) {
		t.Errorf("opening a link: %v", err)
	}
	_ = link.Close()
	if info, err := root.Lstat("link"); err != nil || info.Mode.Type() != fs.ModeSymlink {
		t.Errorf("a link is %v, %v", info.Mode, err)
	}
}

// Each gives every name once, with what Lstat finds, in as many reads as the
// buffer takes, and ends when it is told to.
func TestDirEach(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for i := range 300 {
		name := fmt.Sprintf("name%03d", i)
		grow(t, dir, name+"=x")
		want = append(want, name)
	}
	d, err := openRoot(t, dir).Dir()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var got []string
	names := NewNames()
	names.buf = names.buf[:512]
	err = d.Each(names, func(e *RawEntry) bool {
		info, err := d.Lstat(string(e.Name))
		mode, size, err2 := e.Lstat()
		if err != nil || err2 != nil || info.Size != 1 || info.Ino != e.Ino || e.Type != 0 || size != info.Size || mode != info.Mode {
			t.Fatalf("%s: %+v, %v, %d, %v, %v", e.Name, info, mode, size, err, err2)
		}
		got = append(got, string(e.Name))
		return true
	})
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v; names (-want +got):\n%s", err, diff)
	}
	calls := 0
	if err := d.Each(names, func(*RawEntry) bool { calls++; return calls < 3 }); err != nil || calls != 3 {
		t.Errorf("%d names after it was told to end at 3, %v", calls, err)
	}
}

// What no kernel writes is an error, and no way out of the buffer.
func TestRecordsThatAreNone(t *testing.T) {
	record := func(length byte, name string) []byte {
		b := make([]byte, 24)
		b[16], b[18] = length, unix.DT_REG
		copy(b[19:], name)
		return b
	}
	for name, buf := range map[string][]byte{
		"shorter than its head":   make([]byte, 10),
		"a length of nothing":     record(0, "a"),
		"a length of its head":    record(19, "a"),
		"a length beyond its end": record(25, "a"),
		"a name without an end":   record(24, "abcde"),
	} {
		if _, err := NewNames().records(buf, func(*RawEntry) bool { return true }); !errors.Is(err, ErrIO) {
			t.Errorf("%s: %v, want %v", name, err, ErrIO)
		}
	}
	if more, err := NewNames().records(record(24, "a"), func(e *RawEntry) bool { return string(e.Name) == "a" }); err != nil || !more {
		t.Errorf("a record as the kernel writes it: %t, %v", more, err)
	}
}

func TestNoData(t *testing.T) {
	dir := t.TempDir()
	grow(t, dir, "hole=", "data=x")
	if err := os.Truncate(dir+"/hole", 1<<20); err != nil {
		t.Fatal(err)
	}
	r := openRoot(t, dir)
	for name, want := range map[string]bool{"hole": true, "data": false} {
		f, err := r.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.NoData(); got != want {
			t.Errorf("%s holds no data: %t, want %t", name, got, want)
		}
		_ = f.Close()
	}
}
