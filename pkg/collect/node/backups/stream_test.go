package backups

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/storefile/storetest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func gzipped(content []byte) []byte {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	must(w.Write(content))
	must(0, w.Close())
	return buf.Bytes()
}

func zstded(content []byte) []byte {
	var buf bytes.Buffer
	w := must(zstd.NewWriter(&buf))
	must(w.Write(content))
	must(0, w.Close())
	return buf.Bytes()
}

// entry is a file of an archive.
type entry struct {
	name    string
	content []byte
}

func tarred(entries ...entry) []byte {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	must(0, w.WriteHeader(&tar.Header{Name: "etcd/", Typeflag: tar.TypeDir, Mode: 0o700}))
	for _, e := range entries {
		must(0, w.WriteHeader(&tar.Header{Name: e.name, Size: int64(len(e.content)), Mode: 0o600}))
		must(w.Write(e.content))
	}
	must(0, w.Close())
	return buf.Bytes()
}

// sparse makes the last file of an archive, of one entry and a directory, one in GNU's
// format without its holes: the list of its parts goes on in so many blocks.
func sparse(e entry, blocks int) []byte {
	b := tarred(e)
	head := b[512:1024:1024]
	head[156] = 'S'
	if blocks > 0 {
		head[482] = 1
	}
	copy(head[148:156], "        ")
	sum := 0
	for _, c := range head {
		sum += int(c)
	}
	copy(head[148:156], fmt.Sprintf("%06o\x00 ", sum))
	list := make([]byte, blocks*512)
	for i := range blocks - 1 {
		list[i*512+504] = 1
	}
	return append(append(bytes.Clone(b[:1024]), list...), b[1024:]...)
}

// zipped packs with sizes behind each file, as k3s does, or with sizes before it; method
// 8 is deflate, 0 is none.
func zipped(method uint16, before bool, entries ...entry) []byte {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: method}
		if !before {
			must(must(w.CreateHeader(h)).Write(e.content))
			continue
		}
		var packed bytes.Buffer
		if c := must(zip.NewReader(bytes.NewReader(zipped(method, false, e)), int64(len(zipped(method, false, e))))); method == 8 {
			must(io.Copy(&packed, must(c.File[0].OpenRaw())))
			h.CRC32 = c.File[0].CRC32
		} else {
			packed.Write(e.content)
			h.CRC32 = c.File[0].CRC32
		}
		h.CompressedSize64, h.UncompressedSize64 = uint64(packed.Len()), uint64(len(e.content))
		must(must(w.CreateRaw(h)).Write(packed.Bytes()))
	}
	must(0, w.Close())
	return buf.Bytes()
}

// searched is what was found in a file.
type searched struct {
	format, packed string
	etcd, values   int
	names          string
	err, inexact   string
}

func search1(ctx context.Context, content []byte, left int64) searched {
	s := &stream{ctx: ctx, finder: stored.NewFinder(""), left: &left}
	err := s.read(counted{s, bytes.NewReader(content)}, 0)
	found := s.finder.Found()
	out := searched{format: s.format, packed: s.packed, etcd: s.etcd, values: found.Values}
	for _, f := range found.Secrets {
		out.names += f.Namespace + "/" + f.Name + " "
	}
	if err != nil {
		out.err = err.Error()
	}
	if s.inexact != nil {
		out.inexact = s.inexact.Error()
	}
	return out
}

var rows = []storetest.Row{storetest.Default, storetest.Secret("shop", "a"), storetest.Encrypted("shop", "c")}

func TestStream(t *testing.T) {
	bare, snapshot := storetest.Etcd(t, rows...), storetest.Snapshot(t, rows...)
	encrypted := storetest.Snapshot(t, storetest.Default, storetest.Encrypted("shop", "c"))
	random := make([]byte, 64<<10)
	rand.New(rand.NewSource(1)).Read(random)
	text := []byte(strings.Repeat("lines of a log\n", 5000))
	base := search1(t.Context(), bare, 1<<30)
	if base.values == 0 || base.names != "shop/a " || base.etcd != 1 || base.format != "etcd database" {
		t.Fatalf("a bare file: %+v", base)
	}
	whole := search1(t.Context(), snapshot, 1<<30).values
	cuttar := tarred(entry{"a", text}, entry{"db", bare})
	for name, tc := range map[string]struct {
		content []byte
		want    searched
	}{
		"a snapshot in gzip":                  {gzipped(snapshot), searched{"etcd snapshot", "gzip", 1, whole, "shop/a ", "", ""}},
		"a snapshot in zstd":                  {zstded(snapshot), searched{"etcd snapshot", "zstd", 1, whole, "shop/a ", "", ""}},
		"an encrypted one":                    {gzipped(encrypted), searched{"etcd snapshot", "gzip", 1, 0, "", "", ""}},
		"a database in tar":                   {tarred(entry{"x", text}, entry{"db", bare}, entry{"y", text}), searched{"tar", "", 1, base.values, "shop/a ", "", ""}},
		"a snapshot in tar in gzip":           {gzipped(tarred(entry{"db", snapshot})), searched{"tar", "gzip", 1, whole, "shop/a ", "", ""}},
		"gzip in tar in zstd":                 {zstded(tarred(entry{"db.gz", gzipped(snapshot)}, entry{"x", text})), searched{"tar", "zstd", 1, whole, "shop/a ", "", ""}},
		"a snapshot in zip, as k3s writes it": {zipped(8, false, entry{"snap", snapshot}, entry{"x", text}), searched{"zip", "", 1, whole, "shop/a ", "", ""}},
		"a snapshot in zip":                   {zipped(8, true, entry{"x", text}, entry{"snap", snapshot}), searched{"zip", "", 1, whole, "shop/a ", "", ""}},
		"a snapshot in zip, stored":           {zipped(0, true, entry{"x", text}, entry{"snap", snapshot}), searched{"zip", "", 1, whole, "shop/a ", "", ""}},
		"in zip, stored, without a size":      {zipped(0, false, entry{"snap", snapshot}), searched{"zip", "", 0, whole, "shop/a ", "", errSecret.Error()}},
		"text in gzip":                        {gzipped(text), searched{"", "gzip", 0, 0, "", "", ""}},
		"nothing in gzip":                     {gzipped(nil), searched{"", "gzip", 0, 0, "", "", ""}},
		"something unknown beside it":         {tarred(entry{"db", bare}, entry{"x", random}), searched{"tar", "", 1, base.values, "shop/a ", "", "a file of an unknown kind was searched, and not read"}},
		"a file that is encrypted beside it":  {tarred(entry{"db", bare}, entry{"x", []byte("age-encryption.org/v1\n")}), searched{"tar", "", 1, base.values, "shop/a ", "", errSecret.Error()}},
		"gzip that is damaged beside it":      {tarred(entry{"x", gzipped(text)[:200]}, entry{"db", bare}), searched{"tar", "", 1, base.values, "shop/a ", "", "the compressed data ends early"}},
		"gzip without its end":                {gzipped(snapshot)[:len(gzipped(snapshot))-4], searched{"etcd snapshot", "gzip", 1, whole, "shop/a ", "the compressed data ends early", ""}},
		"tar without its end":                 {cuttar[:len(cuttar)-2048], searched{"tar", "", 1, base.values, "shop/a ", "ends too early: 1024 bytes of a file are missing", ""}},
		"a sparse file in tar":                {gzipped(sparse(entry{"db", bare}, 0)), searched{"tar", "gzip", 0, base.values, "shop/a ", "", errHoles.Error()}},
		"one of many parts":                   {sparse(entry{"db", bare}, 3), searched{"tar", "", 0, base.values, "shop/a ", "", errHoles.Error()}},
		"packed five times":                   {gzipped(gzipped(gzipped(gzipped(gzipped(snapshot))))), searched{"", "gzip", 0, 0, "", "", errLayers.Error()}},
	} {
		t.Run(name, func(t *testing.T) {
			got := search1(t.Context(), tc.content, 1<<30)
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(searched{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A bomb ends at the limit, and so does everything that would be read without an end.
func TestStreamBounds(t *testing.T) {
	zeros := make([]byte, 64<<20)
	bomb := gzipped(zeros)
	for name, content := range map[string][]byte{
		"gzip": bomb, "gzip in tar": tarred(entry{"x", bomb}), "zip": zipped(8, false, entry{"x", zeros}), "gzip in gzip": gzipped(bomb),
		"empty files in tar": gzipped(bytes.Repeat(tarred(entry{"x", nil})[:1024], 20_000)),
	} {
		left := int64(10 << 20)
		s := &stream{ctx: t.Context(), finder: stored.NewFinder(""), left: &left}
		if err := s.read(counted{s, bytes.NewReader(content)}, 0); !errors.Is(err, errBudget) || left < -(1<<20) {
			t.Errorf("%s: %v, %d bytes left", name, err, left)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := search1(ctx, bomb, 1<<30); got.err != context.Canceled.Error() {
		t.Errorf("interrupted: %+v", got)
	}
}

// Cut at any byte there is no panic, and nothing but a text of ours.
func TestStreamTruncated(t *testing.T) {
	snapshot := storetest.Snapshot(t, rows...)
	for name, content := range map[string][]byte{
		"tar": tarred(entry{"db", snapshot}), "zip": zipped(8, false, entry{"db", snapshot}), "zip, stored": zipped(0, true, entry{"db", snapshot}),
		"tar in gzip": gzipped(tarred(entry{"db", snapshot})), "zstd": zstded(snapshot),
	} {
		step := max(1, len(content)/200)
		for cut := 0; cut < len(content); cut += step {
			s := &stream{ctx: t.Context(), finder: stored.NewFinder(""), left: new(int64)}
			*s.left = 1 << 30
			err := s.read(counted{s, bytes.NewReader(content[:cut])}, 0)
			switch reason := rootfs.ReasonOf(err); {
			case err == nil:
				// A zip can be cut in its directory, a stream before it has begun.
				if s.etcd > 0 && s.inexact == nil && (name != "tar" || cut < len(content)-1024) && name != "zip" && name != "zip, stored" {
					t.Fatalf("%s cut at %d of %d is whole", name, cut, len(content))
				}
			case reason != fact.Truncated && reason != fact.Corrupt:
				t.Fatalf("%s cut at %d: %s: %v", name, cut, reason, err)
			case strings.Contains(err.Error(), storetest.Canary):
				t.Fatal(err)
			}
		}
	}
}

func FuzzStream(f *testing.F) {
	small := storetest.Etcd(f, rows...)[:4096]
	for _, content := range [][]byte{
		tarred(entry{"db", small}), zipped(8, false, entry{"db", small}), zipped(0, true, entry{"db", small}), gzipped(small), zstded(small),
		gzipped(tarred(entry{"db", gzipped(small)})), []byte("PK\x03\x04"), []byte("\x50\x2a\x4d\x18"),
	} {
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		got := search1(t.Context(), content, 16<<20)
		if strings.Contains(fmt.Sprint(got), "hunter2") {
			t.Error("a value came out")
		}
	})
}
