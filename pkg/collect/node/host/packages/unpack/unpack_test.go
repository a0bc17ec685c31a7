package unpack

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// LZ4 frames are held against the library's own writer and reader.

func TestLists(t *testing.T) {
	text := testText(300 << 10)
	for name, packed := range packedTexts(t, text) {
		t.Run(name, func(t *testing.T) {
			suffix := filepath.Ext(name)
			got, err := unpack(packed, suffix)
			if err != nil || !bytes.Equal(got, text) {
				t.Fatalf("%d bytes of %d, error %v", len(got), len(text), err)
			}
			if r, done, err := ByMagic(bufio.NewReader(bytes.NewReader(packed))); suffix != ".lz4" {
				if err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, text) {
					t.Errorf("by its first bytes: %d bytes of %d, error %v", len(got), len(text), err)
				}
				done()
			}
			for _, n := range []int{len(packed) / 2, len(packed) - 1, 3, 0} {
				if n == 0 && suffix == ".zst" {
					continue // no frame at all is an empty text there
				}
				if got, err := unpack(packed[:n], suffix); err == nil {
					t.Errorf("cut to %d of %d bytes: %d bytes and no error", n, len(packed), len(got))
				} else if rootfs.ReasonOf(err) != fact.Truncated && !errors.Is(err, io.EOF) && suffix != ".xz" && suffix != ".zst" {
					t.Errorf("cut to %d of %d bytes: %v, want one that says so", n, len(packed), err)
				}
			}
			for at := range packed {
				if at > 20 && at%4001 != 0 {
					continue
				}
				broken := slices.Clone(packed)
				broken[at] ^= 0x10
				_, _ = unpack(broken, suffix) // no panic
			}
		})
	}
	if _, _, err := ByMagic(bufio.NewReader(bytes.NewReader([]byte("\x00ZCK1...")))); !errors.Is(err, errUnsupported) {
		t.Errorf("zchunk: %v", err)
	}
	if r, _, err := ByMagic(bufio.NewReader(bytes.NewReader([]byte("x")))); err != nil {
		t.Errorf("plain: %v", err)
	} else if got, _ := io.ReadAll(r); string(got) != "x" {
		t.Errorf("plain: %q", got)
	}
	if _, err := unpack([]byte("x"), ".lzma"); !errors.Is(err, errUnsupported) {
		t.Errorf(".lzma: %v", err)
	}
}

// testText looks like a package list: it repeats itself, near and far.
func testText(size int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "Package: lib%d\nVersion: %d.%d-%d\nDescription: %x\n\n", i*7919%1000, i%10, i*31%100, i%3, i*i)
	}
	return b.Bytes()[:size]
}

func unpack(packed []byte, suffix string) ([]byte, error) {
	r, done, err := Reader(bytes.NewReader(packed), suffix)
	defer done()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, 16<<20))
}

func FuzzLZ4(f *testing.F) {
	for name, packed := range packedTexts(f, testText(70<<10)) {
		if filepath.Ext(name) == ".lz4" {
			f.Add(packed)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := io.ReadAll(io.LimitReader(newLZ4Reader(bytes.NewReader(data)), 16<<20))
		// A block holds at most 255 times its size, and a few bytes.
		if len(got) > 256*len(data)+4<<20 {
			t.Errorf("%d bytes of %d", len(got), len(data))
		}
		// The library checks sums, so that it may refuse more, but what it
		// unpacks is the same.
		want, wantErr := io.ReadAll(io.LimitReader(libraryLZ4(data), 16<<20))
		if wantErr == nil && len(want) > 0 && (err != nil || !bytes.Equal(want, got)) && len(data) > 4 && bytes.HasPrefix(data, []byte{4, 0x22, 0x4d, 0x18}) {
			t.Errorf("%d bytes, error %v; the library has %d", len(got), err, len(want))
		}
	})
}
