package osv

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// zipped is a zip file of records, packed or stored.
func zipped(t testing.TB, method uint16, files map[string]string, names ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, name := range names {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.SetComment("a comment"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// contents reads all entries with this package's reader: "name text", or "name: error".
func contents(data []byte) (out []string, err error) {
	a, err := openArchive(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	err = a.each(func(e *entry) bool {
		if err := a.read(e, &buf, 1<<20); err != nil {
			out = append(out, fmt.Sprintf("%s: %v", e.name, err))
		} else {
			out = append(out, fmt.Sprintf("%s %s", e.name, buf.String()))
		}
		return true
	})
	return out, err
}

// theirs is the same by archive/zip.
func theirs(t testing.TB, data []byte) (out []string) {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, f.Name+" "+string(text))
	}
	return out
}

func TestZipAgainstTheStandardLibrary(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, method := range []uint16{zip.Store, zip.Deflate} {
		counts := []int{0, 1, 7}
		if method == zip.Store {
			counts = append(counts, 66_000) // needs fields of 64 bits
		}
		for _, count := range counts {
			files := map[string]string{}
			var names []string
			for i := range count {
				name := fmt.Sprintf("dir/%d.json", i)
				names = append(names, name)
				files[name] = strings.Repeat(fmt.Sprint(i), r.IntN(20))
				if i == 3 {
					files[name] = strings.Repeat(fmt.Sprint(r.Uint64()), 30_000) // more than is read at once
				}
			}
			data := zipped(t, method, files, names...)
			got, err := contents(data)
			if err != nil {
				t.Fatalf("%d entries: %v", count, err)
			}
			if diff := cmp.Diff(theirs(t, data), got); diff != "" {
				t.Errorf("%d entries by method %d (-archive/zip +ours):\n%s", count, method, diff)
			}
		}
	}
}

func TestDamagedZips(t *testing.T) {
	files := map[string]string{"a.json": "first", "b.json": strings.Repeat("second", 100)}
	good := zipped(t, zip.Deflate, files, "a.json", "b.json")
	directory := bytes.Index(good, []byte("PK\x01\x02"))
	end := bytes.LastIndex(good, []byte("PK\x05\x06"))
	second := directory + bytes.Index(good[directory+4:], []byte("PK\x01\x02")) + 4
	edit := func(at int, with ...byte) []byte {
		out := bytes.Clone(good)
		copy(out[at:], with)
		return out
	}
	for name, tc := range map[string]struct {
		data []byte
		err  error
		want []string
	}{
		"nothing":                         {nil, errNoZip, nil},
		"cut":                             {good[:end], errNoZip, nil},
		"bytes after the end":             {append(bytes.Clone(good), 1), errNoZip, nil},
		"a directory beyond the end":      {edit(end+16, 0xff, 0xff, 0xff, 0x7f), errDirectory, nil},
		"a directory that is too long":    {edit(end+12, 0xff, 0xff, 0xff, 0x7f), errDirectory, nil},
		"more entries than there are":     {edit(end+10, 3), errDirectory, []string{"a.json first", "b.json " + files["b.json"]}},
		"a damaged entry":                 {edit(second, 'X'), errDirectory, []string{"a.json first"}},
		"a long name":                     {edit(second+28, 0xff, 0xff), errDirectory, []string{"a.json first"}},
		"a wrong checksum":                {edit(directory+16, 1, 2, 3, 4), nil, []string{"a.json: " + errChecksum.Error(), "b.json " + files["b.json"]}},
		"encrypted":                       {edit(directory+8, 1), nil, []string{"a.json: " + errMethod.Error(), "b.json " + files["b.json"]}},
		"packed in another way":           {edit(directory+10, 14), nil, []string{"a.json: " + errMethod.Error(), "b.json " + files["b.json"]}},
		"a place beyond the end":          {edit(directory+42, 0xff, 0xff, 0xff, 0x7f), nil, []string{"a.json: " + errEntry.Error(), "b.json " + files["b.json"]}},
		"a place that is no entry":        {edit(directory+42, 1), nil, []string{"a.json: " + errEntry.Error(), "b.json " + files["b.json"]}},
		"packed text that is too long":    {edit(directory+20, 0, 0, 8), nil, []string{"a.json: " + errEntry.Error(), "b.json " + files["b.json"]}},
		"packed text that is none":        {edit(36, 0xff, 0xff, 0xff, 0xff), nil, []string{"a.json: " + errEntry.Error(), "b.json " + files["b.json"]}},
		"a size that is too large":        {edit(directory+24, 0, 0, 0x20), nil, []string{"a.json: " + errLarge.Error(), "b.json " + files["b.json"]}},
		"a size that is not the real one": {edit(second+24, 1), nil, []string{"a.json first", "b.json " + files["b.json"]}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := contents(tc.data)
			if !errors.Is(err, tc.err) {
				t.Errorf("want error %v, got %v", tc.err, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	// Whatever byte is wrong, the reader ends, and without a panic.
	for at := range good {
		for _, with := range []byte{0, 0xff, good[at] ^ 1} {
			_, _ = contents(edit(at, with))
		}
	}
}

// A text that is larger than its entry says ends at the limit.
func TestZipEntryBeyondTheLimit(t *testing.T) {
	data := zipped(t, zip.Deflate, map[string]string{"a.json": strings.Repeat("a", 3<<20)}, "a.json")
	directory := bytes.Index(data, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(data[directory+24:], 5)
	got, err := contents(data)
	if diff := cmp.Diff([]string{"a.json: " + errLarge.Error()}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func FuzzZip(f *testing.F) {
	files := map[string]string{"a.json": record("A-1", "Debian:12", "openssl", fixedIn2), "b.json": "{}"}
	f.Add(zipped(f, zip.Deflate, files, "a.json", "b.json"))
	f.Add(zipped(f, zip.Store, files, "a.json"))
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<20 {
			t.Skip()
		}
		a, err := openArchive(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		var buf bytes.Buffer
		entries := 0
		_ = a.each(func(e *entry) bool {
			entries++
			err := a.read(e, &buf, 1<<16)
			if err == nil && buf.Len() > 1<<16 {
				t.Errorf("an entry of %d bytes passed", buf.Len())
			}
			return entries < 1000
		})
		if entries > len(data)/sizeEntry+1 {
			t.Errorf("%d entries in %d bytes", entries, len(data))
		}
	})
}
