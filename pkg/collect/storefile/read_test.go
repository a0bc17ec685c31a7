package storefile

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/zstd"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/storefile/storetest"
)

func write(t *testing.T, path string, content []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func gzipped(t testing.TB, content []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func zstded(t testing.TB, content []byte, options ...zstd.EOption) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := zstd.NewWriter(&buf, options...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// pzstded is what pzstd writes: a skippable frame with a size before each frame.
func pzstded(t testing.TB, content []byte) []byte {
	frame := func(part []byte) []byte {
		packed := zstded(t, part)
		return append([]byte{0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, byte(len(packed)), byte(len(packed) >> 8), byte(len(packed) >> 16), 0}, packed...)
	}
	half := len(content) / 2
	return append(frame(content[:half]), frame(content[half:])...)
}

// rows are a plaintext Secret, an encrypted one, and one that was plaintext.
var rows = []storetest.Row{storetest.Default, storetest.Secret("shop", "a"), storetest.Secret("shop", "b"), storetest.Encrypted("shop", "b"), storetest.Encrypted("shop", "c")}

var wantSecrets = []fact.StoredSecret{
	{Namespace: "shop", Name: "a", Revision: 3, Class: fact.ClassIdentityProtobuf},
	{Namespace: "shop", Name: "b", Revision: 5, Class: fact.ClassAESCBC},
	{Namespace: "shop", Name: "c", Revision: 6, Class: fact.ClassAESCBC},
}

var onlyNames = cmpopts.IgnoreFields(fact.StoredSecret{}, "Size", "Provider", "KeyGuessed", "Older", "OlderRevision", "OldValue")

// Every form, compressed or not, from a file and from a pipe.
func TestRead(t *testing.T) {
	bare, snapshot := storetest.Etcd(t, rows...), storetest.Snapshot(t, rows...)
	for form, content := range map[string][]byte{"a bare file": bare, "a snapshot": snapshot} {
		for packed, content := range map[string][]byte{
			"": content, " in gzip": gzipped(t, content), " in zstd": zstded(t, content), " in pzstd": pzstded(t, content),
			" in two gzip members": append(gzipped(t, content[:5000]), gzipped(t, content[5000:])...),
		} {
			for _, piped := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s%s piped %v", form, packed, piped), func(t *testing.T) {
					path, name, opts := Stdin, stdinName, Options{Stdin: iotest(content)}
					if !piped {
						path = write(t, filepath.Join(t.TempDir(), "any name.txt"), content)
						name = path
					}
					db, gaps, err := Read(t.Context(), path, opts)
					if err != nil || len(gaps) > 0 {
						t.Fatal(err, gaps)
					}
					if diff := cmp.Diff(wantSecrets, db.Secrets, onlyNames); diff != "" {
						t.Errorf("Secrets (-want +got):\n%s", diff)
					}
					if !db.Complete || !db.Snapshot || db.Path != name || db.Total != 3 || db.Prefix != "/registry" || db.Revision != 6 {
						t.Errorf("%+v", db)
					}
					if want := map[string]int{"a bare file": len(bare), "a snapshot": len(snapshot)}[form]; db.Size != int64(want) {
						t.Errorf("size %d, want %d", db.Size, want)
					}
				})
			}
		}
	}
}

// iotest reads in odd pieces, as a pipe gives them.
func iotest(content []byte) io.Reader { return &pieces{content, 1} }

type pieces struct {
	rest []byte
	size int
}

func (p *pieces) Read(buf []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(buf[:min(len(buf), p.size)], p.rest)
	p.rest, p.size = p.rest[n:], p.size*2%4097+1
	return n, nil
}

func TestReadDirectory(t *testing.T) {
	bare := storetest.Etcd(t, rows...)
	for name, tc := range map[string]struct{ file, open string }{
		"etcd's data directory": {"etcd/member/snap/db", "etcd"},
		"its member directory":  {"etcd/member/snap/db", "etcd/member"},
		"its snap directory":    {"etcd/member/snap/db", "etcd/member/snap"},
		"k3s's data directory":  {"k3s/server/db/etcd/member/snap/db", "k3s"},
		"k3s's server":          {"k3s/server/db/etcd/member/snap/db", "k3s/server"},
		"k3s's server/db":       {"k3s/server/db/etcd/member/snap/db", "k3s/server/db"},
		"a link to it":          {"etcd/member/snap/db", "link"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := write(t, filepath.Join(dir, filepath.FromSlash(tc.file)), bare)
			if tc.open == "link" {
				if err := os.Symlink("etcd/member", filepath.Join(dir, "link")); err != nil {
					t.Fatal(err)
				}
				file = filepath.Join(dir, "link/snap/db")
			}
			db, gaps, err := Read(t.Context(), filepath.Join(dir, filepath.FromSlash(tc.open)), Options{})
			if err != nil || len(gaps) > 0 {
				t.Fatal(err, gaps)
			}
			if diff := cmp.Diff(wantSecrets, db.Secrets, onlyNames); diff != "" || db.Path != file {
				t.Errorf("path %s, Secrets (-want +got):\n%s", db.Path, diff)
			}
		})
	}
}

// What is damaged is read as far as it goes, and then nothing counts that the damage may
// have changed.
func TestReadDamaged(t *testing.T) {
	bare, good := storetest.Etcd(t, rows...), storetest.Snapshot(t, rows...)
	flip := func(content []byte, at int) []byte {
		content = bytes.Clone(content)
		content[at] ^= 1
		return content
	}
	const sum = "the SHA-256 at its end does not match: the snapshot was changed or cut short"
	extent := len(good) - 32
	// A name: nothing but the sum can tell.
	letter := bytes.LastIndex(good, []byte("/registry/secrets/")) + len("/registry/secrets/")
	packed := gzipped(t, good)
	for name, tc := range map[string]struct {
		content []byte
		reason  fact.Reason
		detail  string
	}{
		"a flipped bit anywhere":            {flip(good, letter), fact.Corrupt, sum},
		"a flipped bit in the sum":          {flip(good, len(good)-1), fact.Corrupt, sum},
		"without a part of the sum":         {good[:len(good)-5], fact.Truncated, fmt.Sprintf("expected whole pages, or a snapshot with 32 bytes of SHA-256 after them, found %d bytes: cut short", len(good)-5)},
		"cut where a sum could be":          {good[:8192+32], fact.Corrupt, fmt.Sprintf("expected a snapshot of %d bytes, as its meta page says, and its SHA-256, found %d bytes: it was changed or cut short", extent, 8192+32)},
		"with more pages":                   {slicesConcat(good[:extent], make([]byte, 512), good[extent:]), fact.Corrupt, fmt.Sprintf("expected a snapshot of %d bytes, as its meta page says, and its SHA-256, found %d bytes: it was changed or cut short", extent, len(good)+512)},
		"cut at the end of a page":          {bare[:8192], fact.Truncated, ""},
		"cut behind the first meta page":    {bare[:4096], fact.Truncated, ""},
		"a flipped bit inside gzip":         {gzipped(t, flip(good, letter)), fact.Corrupt, sum},
		"gzip without its end":              {packed[:len(packed)-8], fact.Truncated, fmt.Sprintf("a gzip file: the compressed data ends early after %d unpacked bytes", len(good))},
		"gzip with another checksum":        {flip(packed, len(packed)-8), fact.Corrupt, fmt.Sprintf("a gzip file: the compressed data is damaged after %d unpacked bytes", len(good))},
		"gzip with something else after it": {append(bytes.Clone(packed), "something else"...), fact.Corrupt, fmt.Sprintf("a gzip file: the compressed data is damaged after %d unpacked bytes", len(good))},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, filepath.Join(t.TempDir(), "s.db"), tc.content)
			db, gaps, err := Read(t.Context(), path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if db.Complete {
				t.Fatal("complete")
			}
			found := false
			for _, g := range gaps {
				found = found || g.Reason == tc.reason && (tc.detail == "" || g.Detail == path+": "+tc.detail)
				if g.What != fact.Etcd || g.Subject.Kind != "File" || g.Subject.Name != path {
					t.Errorf("subject: %+v", g)
				}
			}
			if !found {
				t.Errorf("want %s %q, got %+v", tc.reason, tc.detail, gaps)
			}
			for _, s := range db.Secrets {
				if s.Class != fact.ClassUnknown {
					t.Fatalf("%+v, though the file may be changed anywhere", s)
				}
			}
		})
	}
}

func slicesConcat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestReadRefuses(t *testing.T) {
	random := make([]byte, 8192)
	rand.New(rand.NewSource(1)).Read(random)
	random[0] = 1
	noMeta := "expected a bbolt file such as etcd's member/snap/db, found no valid meta page: page 0: no magic number; page 1: no magic number"
	tarred := make([]byte, 1024)
	copy(tarred, "CANARY")
	copy(tarred[257:], "ustar\x0000")
	sum := 8 * int(' ')
	for _, c := range tarred[:512] {
		sum += int(c)
	}
	copy(tarred[148:], fmt.Sprintf("%06o\x00 ", sum))
	for name, tc := range map[string]struct {
		file    string
		content string
		open    string
		want    string
	}{
		"a missing file":          {"x", "x", "absent", "no such file or directory"},
		"an empty file":           {"x", "", "x", expected + ", found an empty file"},
		"a text file":             {"x", "CANARY: y\n", "x", expected + ", found a text file"},
		"a long text file":        {"x", strings.Repeat("CANARY ä ", 1000), "x", expected + ", found a text file"},
		"zip":                     {"x", "PK\x03\x04CANARY", "x", expected + ", found a zip file: unpack it first"},
		"tar":                     {"x", string(tarred), "x", expected + ", found a tar archive: unpack it first"},
		"xz":                      {"x", "\xfd7zXZ\x00CANARY", "x", expected + ", found an xz file: unpack it first"},
		"tar in gzip":             {"x", string(gzipped(t, tarred)), "x", expected + ", found a tar archive inside a gzip file: unpack it first"},
		"gzip in zstd":            {"x", string(zstded(t, gzipped(t, tarred))), "x", expected + ", found a gzip file inside a zstd file: unpack it first"},
		"text in gzip":            {"x", string(gzipped(t, []byte("CANARY: y\n"))), "x", expected + ", found a text file inside a gzip file"},
		"nothing in gzip":         {"x", string(gzipped(t, nil)), "x", expected + ", found an empty file inside a gzip file"},
		"two bytes of gzip":       {"x", "\x1f\x8b", "x", "unpacking a gzip file: the compressed data ends early"},
		"gzip of another method":  {"x", "\x1f\x8bCANARY-CANARY", "x", "unpacking a gzip file: the compressed data is damaged"},
		"zstd, damaged":           {"x", "\x28\xb5\x2f\xfdCANARY-CANARY", "x", "unpacking a zstd file: the compressed data is damaged"},
		"age":                     {"x", "age-encryption.org/v1\nCANARY", "x", expected + ", found a file encrypted with age"},
		"OpenPGP":                 {"x", "-----BEGIN PGP MESSAGE-----\nCANARY", "x", expected + ", found a file encrypted with OpenPGP"},
		"a key":                   {"x", "-----BEGIN RSA PRIVATE KEY-----\nCANARY", "x", expected + ", found a PEM or PGP file"},
		"some binary":             {"x", string(random), "x", noMeta},
		"some binary in gzip":     {"x", string(gzipped(t, random)), "x", noMeta + ", inside a gzip file"},
		"zeros":                   {"x", strings.Repeat("\x00", 9000), "x", noMeta},
		"a directory of others":   {"x", "x", ".", "expected etcd's data directory with member/snap/db, or k3s's with server/db, found no such file"},
		"a directory as the file": {"member/snap/db/x", "x", ".", "expected a file, found a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, filepath.FromSlash(tc.file)), []byte(tc.content))
			db, gaps, err := Read(t.Context(), filepath.Join(dir, tc.open), Options{})
			if err == nil {
				t.Fatalf("read %+v, %+v", db, gaps)
			}
			if !strings.HasPrefix(err.Error(), "reading "+filepath.Clean(dir)) || !strings.HasSuffix(err.Error(), ": "+tc.want) {
				t.Errorf("want reading ...: %s\ngot %s", tc.want, err)
			}
			if strings.Contains(err.Error(), "CANARY") {
				t.Errorf("quotes the file: %s", err)
			}
		})
	}
	for name, tc := range map[string]struct{ content, want string }{
		"nothing":           {"", expected + ", found nothing"},
		"text":              {"CANARY", expected + ", found a text file"},
		"tar":               {string(tarred), expected + ", found a tar archive: unpack it first"},
		"binary":            {string(random), noMeta},
		"a cut gzip header": {"\x1f\x8b\x08", "unpacking a gzip file: the compressed data ends early"},
	} {
		_, _, err := Read(t.Context(), Stdin, Options{Stdin: strings.NewReader(tc.content)})
		if want := "reading standard input: " + tc.want; err == nil || err.Error() != want {
			t.Errorf("%s piped: got %v, want %s", name, err, want)
		}
	}
	if _, _, err := Read(t.Context(), Stdin, Options{}); err == nil || err.Error() != "reading standard input: "+expected+", found nothing" {
		t.Errorf("no standard input: %v", err)
	}
}

// failing gives some bytes, then an error of the system.
type failing struct {
	content io.Reader
	err     error
}

func (f failing) Read(buf []byte) (int, error) {
	n, err := f.content.Read(buf)
	if err == io.EOF {
		err = f.err
	}
	return n, err
}

// A pipe that fails is no cut file, and names no library.
func TestReadFails(t *testing.T) {
	noise := make([]byte, 200<<10) // so that it stays large
	rand.New(rand.NewSource(1)).Read(noise)
	good := storetest.Snapshot(t, append(rows[:len(rows):len(rows)], storetest.Row{Key: "/registry/x/y", Value: noise})...)
	for name, content := range map[string][]byte{"plain": good, "gzip": gzipped(t, good), "zstd": zstded(t, good)} {
		for _, cut := range []int{0, 1, 100, len(content) / 2, len(content)} {
			_, _, err := Read(t.Context(), Stdin, Options{Stdin: failing{bytes.NewReader(content[:cut]), &os.PathError{Op: "read", Path: "CANARY", Err: errors.New("input/output error")}}})
			if err == nil || !strings.HasSuffix(err.Error(), "input/output error") || strings.Contains(err.Error(), "CANARY") {
				t.Errorf("%s after %d bytes: %v", name, cut, err)
			}
		}
	}
}

// endless is a pipe without an end.
type endless struct{ read int64 }

func (e *endless) Read(buf []byte) (int, error) {
	e.read += int64(len(buf))
	return len(buf), nil
}

// What would take too much memory ends before it has taken it.
func TestReadTooMuch(t *testing.T) {
	const limit = 8 << 20
	bomb := make([]byte, 64<<20)
	copy(bomb, storetest.Etcd(t, rows...))
	want := "reading standard input: unpacking a %s file: expected at most 8 MiB, because what is piped or unpacked stays in memory, found more: unpack it to a disk where secrets may lie, and give that file"
	for name, content := range map[string][]byte{"gzip": gzipped(t, bomb), "zstd": zstded(t, bomb)} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err := Read(t.Context(), Stdin, Options{Stdin: bytes.NewReader(content), limit: limit})
		runtime.ReadMemStats(&after)
		if err == nil || err.Error() != fmt.Sprintf(want, name) {
			t.Errorf("%s: %v", name, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 4*limit {
			t.Errorf("%s of %d bytes took %d bytes", name, len(content), took)
		}
	}
	e := &endless{}
	start := bytes.NewReader(bomb[:32<<10])
	_, _, err := Read(t.Context(), Stdin, Options{Stdin: io.MultiReader(start, e), limit: limit})
	if err == nil || !strings.HasPrefix(err.Error(), "reading standard input: expected at most 8 MiB") {
		t.Errorf("a pipe without an end: %v", err)
	}
	if e.read > 2*limit {
		t.Errorf("%d bytes were read of it", e.read)
	}
	// Exactly the limit is not too much.
	m, err := load(bytes.NewReader(bomb[:limit]), limit)
	if err != nil || m.size != limit {
		t.Errorf("%v, %v", m, err)
	}
	if _, err = load(bytes.NewReader(bomb[:limit+1]), limit); !errors.As(err, new(tooMuchError)) {
		t.Errorf("one byte more: %v", err)
	}
}

// A window that the decoder would have to hold in memory is refused.
func TestReadWindow(t *testing.T) {
	content := make([]byte, 9<<20)
	rand.New(rand.NewSource(1)).Read(content)
	packed := zstded(t, content, zstd.WithWindowSize(16<<20), zstd.WithSingleSegment(false))
	r, done, err := Unpack(Zstd, bytes.NewReader(packed), SmallWindow)
	defer done()
	if err == nil {
		_, err = io.Copy(io.Discard, r)
	}
	if !errors.Is(err, errWindow) {
		t.Errorf("a window of 16 MiB: %v", err)
	}
}

// A pipe that gives nothing does not stop the interruption.
func TestReadStops(t *testing.T) {
	never, w := io.Pipe()
	defer w.Close()
	path := write(t, filepath.Join(t.TempDir(), "s.db"), storetest.Snapshot(t, rows...))
	for name, opts := range map[string]struct {
		path  string
		stdin io.Reader
	}{
		"a pipe":              {Stdin, never},
		"a pipe after a bit":  {Stdin, io.MultiReader(strings.NewReader("\x1f\x8b\x08\x00"), never)},
		"a pipe without end":  {Stdin, io.MultiReader(bytes.NewReader(storetest.Etcd(t, rows...)), &endless{})},
		"a file":              {path, nil},
		"a file that is gone": {path + "x", nil},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		if strings.HasPrefix(name, "a file") {
			cancel()
		} else {
			time.AfterFunc(10*time.Millisecond, cancel)
		}
		_, _, err := Read(ctx, opts.path, Options{Stdin: opts.stdin})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}

// Cut at every place a file can be cut at: an error or a gap, never a panic, and never
// a complete reading.
func TestReadTruncated(t *testing.T) {
	good := storetest.Snapshot(t, rows...)
	for name, content := range map[string][]byte{"plain": good, "gzip": gzipped(t, good), "zstd": zstded(t, good)} {
		step := 512
		if name != "plain" {
			step = 16
		}
		for cut := 0; cut < len(content); cut += step {
			db, gaps, err := Read(t.Context(), Stdin, Options{Stdin: bytes.NewReader(content[:cut])})
			if err != nil {
				continue
			}
			// What etcdctl wrote without its sum is a bare file.
			if whole := name == "plain" && cut == len(good)-32; db.Complete != whole || len(gaps) == 0 != whole {
				t.Fatalf("%s cut at %d: complete %v, gaps %v", name, cut, db.Complete, gaps)
			}
		}
	}
}

// What kine has of the same rows.
func TestReadKine(t *testing.T) {
	want := slices.Clone(wantSecrets)
	want[1].OldValue = true
	ignore := cmpopts.IgnoreFields(fact.StoredSecret{}, "Size", "Provider", "KeyGuessed", "Older", "OlderRevision")
	main := storetest.Kine(rows...)
	check := func(t *testing.T, path string, opts Options, want []fact.StoredSecret) *fact.EtcdDB {
		t.Helper()
		db, gaps, err := Read(t.Context(), path, opts)
		if err != nil || len(gaps) > 0 {
			t.Fatal(err, gaps)
		}
		if diff := cmp.Diff(want, db.Secrets, ignore); diff != "" || !db.Complete || db.Format != fact.FormatKine {
			t.Errorf("complete %v, Secrets (-want +got):\n%s", db.Complete, diff)
		}
		return db
	}
	for packed, content := range map[string][]byte{"plain": main, "gzip": gzipped(t, main), "zstd": zstded(t, main)} {
		t.Run(packed, func(t *testing.T) {
			check(t, write(t, filepath.Join(t.TempDir(), "x.txt"), content), Options{}, want)
			check(t, Stdin, Options{Stdin: iotest(content)}, want)
		})
	}
	for name, tc := range map[string]struct{ file, open string }{
		"k3s's data directory": {"k3s/server/db/state.db", "k3s"},
		"k3s's server":         {"k3s/server/db/state.db", "k3s/server"},
		"k3s's server/db":      {"k3s/server/db/state.db", "k3s/server/db"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, filepath.FromSlash(tc.file)), main)
			check(t, filepath.Join(dir, filepath.FromSlash(tc.open)), Options{}, want)
			// The log beside it is newer.
			write(t, filepath.Join(dir, filepath.FromSlash(tc.file)+"-wal"), storetest.KineLog(append(rows[:len(rows):len(rows)], storetest.Secret("shop", "c"))...))
			newer := []fact.StoredSecret{want[0], want[1], {Namespace: "shop", Name: "c", Revision: 7, Class: fact.ClassIdentityProtobuf}}
			check(t, filepath.Join(dir, filepath.FromSlash(tc.open)), Options{}, newer)
		})
	}
	t.Run("a journal beside it", func(t *testing.T) {
		path := write(t, filepath.Join(t.TempDir(), "state.db"), main)
		write(t, path+"-journal", []byte("\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"))
		if db, gaps, err := Read(t.Context(), path, Options{}); err != nil || db.Complete || len(gaps) == 0 {
			t.Errorf("%+v, %v, %v", db, gaps, err)
		}
	})
	t.Run("gzip without its end", func(t *testing.T) {
		packed := gzipped(t, main)
		db, gaps, err := Read(t.Context(), Stdin, Options{Stdin: bytes.NewReader(packed[:len(packed)-8])})
		if err != nil || db.Complete || len(gaps) == 0 || db.Secrets[0].Class != fact.ClassUnknown || db.Secrets[0].LastSeen != fact.ClassIdentityProtobuf {
			t.Errorf("%+v, %v, %v", db, gaps, err)
		}
	})
	t.Run("two stores", func(t *testing.T) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "db/state.db"), main)
		write(t, filepath.Join(dir, "db/etcd/member/snap/db"), storetest.Etcd(t, rows...))
		_, _, err := Read(t.Context(), dir, Options{})
		if want := fmt.Sprintf("reading %s: expected one database, found two, db/etcd/member/snap/db and db/state.db: name one of them", dir); err == nil || err.Error() != want {
			t.Errorf("%v", err)
		}
	})
	t.Run("another program's", func(t *testing.T) {
		other := bytes.Replace(main, []byte("CREATE TABLE kine"), []byte("CREATE TABLE mine"), 1)
		other = bytes.ReplaceAll(other, []byte("kinekine"), []byte("minemine"))
		db, gaps, err := Read(t.Context(), write(t, filepath.Join(t.TempDir(), "x"), other), Options{})
		if err == nil || !strings.Contains(err.Error(), "kine") || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%+v, %v, %v", db, gaps, err)
		}
	})
}

// remains says where values were found, without paths.
func remains(db *fact.EtcdDB) map[fact.RemainsPlace]int {
	found := map[fact.RemainsPlace]int{}
	for _, r := range db.Remains {
		found[r.Place] += r.Values
	}
	return found
}

// What lies beside the database of a directory is searched, and beside a file that was
// named it is not. Of k3s that is also the database before it moved to etcd.
func TestReadBeside(t *testing.T) {
	dir := t.TempDir()
	encrypted := storetest.Etcd(t, storetest.Default, storetest.Encrypted("shop", "a"))
	file := write(t, filepath.Join(dir, "k3s/server/db/etcd/member/snap/db"), encrypted)
	write(t, filepath.Join(dir, "k3s/server/db/etcd/member/wal/0000000000000000-0000000000000000.wal"), append(make([]byte, 100), storetest.Secret("shop", "a").Value...))
	write(t, filepath.Join(dir, "k3s/server/db/etcd/member/snap/0000000000000001.snap.db"), storetest.Etcd(t, rows...))
	write(t, filepath.Join(dir, "k3s/server/db/state.db.migrated"), storetest.Kine(rows...))
	for open, want := range map[string][3]bool{ // log, snapshot file, old database
		"k3s": {true, true, true}, "k3s/server": {true, true, true}, "k3s/server/db": {true, true, true},
		"k3s/server/db/etcd": {true, true, false}, "k3s/server/db/etcd/member": {true, true, false}, "k3s/server/db/etcd/member/snap": {true, true, false},
		"k3s/server/db/etcd/member/snap/db": {},
	} {
		t.Run(open, func(t *testing.T) {
			db, gaps, err := Read(t.Context(), filepath.Join(dir, filepath.FromSlash(open)), Options{})
			if err != nil || len(gaps) > 0 || db.Path != file {
				t.Fatal(db, gaps, err)
			}
			found := remains(db)
			if got := [3]bool{found[fact.InLog] > 0, found[fact.InSnapFile] > 0, found[fact.InOldStore] > 0}; got != want {
				t.Errorf("found in log, snapshot file, old database: %v, want %v: %+v", got, want, db.Remains)
			}
			for _, r := range db.Remains {
				if strings.Contains(r.Path, "..") {
					t.Errorf("path %s", r.Path)
				}
			}
		})
	}
	t.Run("from inside", func(t *testing.T) {
		t.Chdir(filepath.Join(dir, "k3s/server/db/etcd/member/snap"))
		db, _, err := Read(t.Context(), ".", Options{})
		if err != nil || remains(db)[fact.InLog] == 0 {
			t.Errorf("%+v, %v", db, err)
		}
	})
}

// A member's directory without its log was not searched wholly.
func TestReadWithoutLog(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "member/snap/db"), storetest.Etcd(t, storetest.Default, storetest.Encrypted("shop", "a")))
	for open, want := range map[string]bool{"member": true, "member/snap/db": false} {
		db, gaps, err := Read(t.Context(), filepath.Join(dir, filepath.FromSlash(open)), Options{})
		if err != nil || len(gaps) > 0 {
			t.Fatal(db, gaps, err)
		}
		missing := false
		for _, r := range db.Remains {
			missing = missing || r.Place == fact.InLog && !r.Complete && r.Reason == fact.NotPresent
		}
		if missing != want {
			t.Errorf("%s: %+v", open, db.Remains)
		}
	}
}

// changing is a file that another program writes to: after so many reads it has another
// content.
type changing struct {
	before, after []byte
	reads         int
}

func (c *changing) now() []byte {
	if c.reads > 0 {
		return c.before
	}
	return c.after
}

func (c *changing) ReadAt(buf []byte, off int64) (int, error) {
	c.reads--
	return bytes.NewReader(c.now()).ReadAt(buf, off)
}

func (c *changing) Size() (int64, error) { return int64(len(c.now())), nil }

// A file that shrinks or grows while it is read is never half of it and complete.
func TestReadChanging(t *testing.T) {
	bare, snapshot, kine := storetest.Etcd(t, rows...), storetest.Snapshot(t, rows...), storetest.Kine(rows...)
	more := storetest.Etcd(t, append(rows[:len(rows):len(rows)], storetest.Secret("shop", "d"))...)
	for name, tc := range map[string]struct{ before, after []byte }{
		"a file that shrinks":      {bare, bare[:8192]},
		"a file that is emptied":   {bare, nil},
		"a snapshot that shrinks":  {snapshot, snapshot[:8192]},
		"a snapshot that grows":    {snapshot[:12288], snapshot},
		"a file that is written":   {bare, more},
		"SQLite that shrinks":      {kine, kine[:4096]},
		"SQLite that is emptied":   {kine, nil},
		"a file that is exchanged": {bare, kine},
	} {
		t.Run(name, func(t *testing.T) {
			for reads := range 40 {
				s := &store{ctx: t.Context(), path: "x", limit: 1 << 20}
				db, gaps, err := s.judge(&changing{tc.before, tc.after, reads})
				if err != nil || !db.Complete {
					if err == nil && len(gaps) == 0 {
						t.Fatalf("after %d reads: incomplete without a gap", reads)
					}
					continue
				}
				// A complete reading is one of the two.
				if n := len(db.Secrets); n != 3 && (n != 4 || name != "a file that is written") {
					t.Errorf("after %d reads: %d Secrets, %+v", reads, n, db)
				}
			}
		})
	}
}
