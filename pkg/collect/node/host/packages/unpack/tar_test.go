package unpack

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

type tarEntry struct {
	Name, Content string
	Regular       bool
}

// readTar reads all files; records are read in part if short.
func readTar(data []byte, short bool) (list []tarEntry, ended bool, err error) {
	r := NewTar(bytes.NewReader(data))
	for {
		f, err := r.Next()
		if err == io.EOF {
			return list, r.Ended(), nil
		}
		if err != nil {
			return list, false, err
		}
		e := tarEntry{Name: f.Name, Regular: f.Regular}
		if !short {
			content, err := io.ReadAll(r)
			if err != nil {
				return list, false, err
			}
			e.Content = string(content)
		}
		list = append(list, e)
	}
}

// libraryTar is the same by the standard library.
func libraryTar(data []byte) (list []tarEntry, err error) {
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		if h.Size > 1<<20 { // it reads the holes of a sparse file to their end
			return list, errors.New("too large for a test")
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return list, err
		}
		list = append(list, tarEntry{h.Name, string(content), h.Typeflag == tar.TypeReg})
	}
}

func writtenTar(t testing.TB, format tar.Format, end bool) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	names := []string{"a/desc", "dir/", strings.Repeat("long/", 30) + "desc", "empty", "link"}
	if format != tar.FormatUSTAR {
		names = append(names, strings.Repeat("x", 300))
	}
	for i, name := range names {
		content := strings.Repeat("y", []int{0, 1, 511, 512, 513, 1500}[(i+1)%6])
		h := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content)), ModTime: time.Unix(1700000000, 0), Format: format}
		switch name {
		case "dir/":
			h.Typeflag, h.Size, content = tar.TypeDir, 0, ""
		case "link":
			h.Typeflag, h.Size, h.Linkname, content = tar.TypeSymlink, 0, "a", ""
		}
		err := w.WriteHeader(h)
		_, writeErr := io.WriteString(w, content)
		if err = errors.Join(err, writeErr); err != nil {
			t.Fatal(err)
		}
	}
	err := w.Flush()
	if end {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestTar(t *testing.T) {
	for _, format := range []tar.Format{tar.FormatUSTAR, tar.FormatPAX, tar.FormatGNU} {
		t.Run(fmt.Sprint(format), func(t *testing.T) {
			data := writtenTar(t, format, true)
			want, err := libraryTar(data)
			if err != nil || len(want) < 5 {
				t.Fatal(want, err)
			}
			got, ended, err := readTar(data, false)
			if diff := cmp.Diff(want, got); diff != "" || err != nil || !ended {
				t.Errorf("ended %v, %v (-library +ours):\n%s", ended, err, diff)
			}
			if got, _, err := readTar(data, true); err != nil || len(got) != len(want) {
				t.Errorf("unread contents: %d files, %v", len(got), err)
			}
			open := writtenTar(t, format, false)
			if got, ended, err := readTar(open, false); err != nil || ended || len(got) != len(want) {
				t.Errorf("without an end: %d files, ended %v, %v", len(got), ended, err)
			}
			// One after another, with and without an end between them.
			for _, first := range [][]byte{data, open} {
				if got, ended, err := readTar(append(bytes.Clone(first), data...), false); err != nil || !ended || len(got) != 2*len(want) {
					t.Errorf("two archives: %d files, ended %v, %v", len(got), ended, err)
				}
			}
			for n := range len(open) {
				_, _, err := readTar(open[:n], false)
				if err != nil && rootfs.ReasonOf(err) != fact.Truncated {
					t.Fatalf("cut to %d bytes: %v", n, err)
				}
			}
		})
	}
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"no archive":  {bytes.Repeat([]byte("x"), 1024), "expected a header of a tar archive, found something else"},
		"a long name": {bigHeader(t, 'L', 1<<20), "more than the limit of 65536 bytes in a header of a tar archive"},
		"a pax header that is none": {
			append(bigHeader(t, 'x', 12), append([]byte("12345678 a=b"), make([]byte, 500)...)...),
			"expected a record LENGTH KEY=VALUE in a header of a tar archive, found something else",
		},
		"a file larger than the archive": {bigHeader(t, '0', 1<<40), "ends too early: 1099511627776 bytes of a file are missing"},
	} {
		if _, _, err := readTar(tc.data, false); err == nil || err.Error() != tc.want {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
	}
}

// bigHeader is one header of a kind, with a size.
func bigHeader(t testing.TB, kind byte, size int64) []byte {
	t.Helper()
	b := make([]byte, tarBlock)
	copy(b, "name")
	b[124] = 0x80
	for i := range 8 {
		b[135-i] = byte(size >> (8 * i))
	}
	b[156] = kind
	copy(b[257:], "ustar\x0000")
	sum := 8 * int(' ')
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

// FuzzTar compares with the standard library, which knows more formats and refuses
// more: what both read, both read the same.
func FuzzTar(f *testing.F) {
	for _, format := range []tar.Format{tar.FormatUSTAR, tar.FormatPAX, tar.FormatGNU} {
		f.Add(writtenTar(f, format, true))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, _, err := readTar(data, false)
		size := 0
		for _, e := range got {
			size += len(e.Content)
		}
		if size > len(data) {
			t.Errorf("%d bytes of %d", size, len(data))
		}
		want, wantErr := libraryTar(data)
		if err == nil && wantErr == nil && len(want) > 0 && len(got) >= len(want) {
			for i := range want {
				if !want[i].Regular || !got[i].Regular {
					return // what is not regular may be a header of its own for one of them
				}
				if want[i] != got[i] {
					t.Errorf("file %d: %+v, the library has %+v", i, got[i], want[i])
				}
			}
		}
	})
}
