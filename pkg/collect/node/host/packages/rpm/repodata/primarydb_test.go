package repodata

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// primaryDB is a database with the tables of createrepo_c.
func primaryDB(t testing.TB, sql string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "primary_db.sqlite")
	cmd := exec.Command(hosttest.Tool(t, "sqlite3"), path)
	cmd.Stdin = strings.NewReader(`CREATE TABLE packages (pkgKey INTEGER PRIMARY KEY, pkgId TEXT, name TEXT, arch TEXT, version TEXT, epoch TEXT, release TEXT, rpm_vendor TEXT);
CREATE TABLE obsoletes (name TEXT, flags TEXT, epoch TEXT, version TEXT, release TEXT, pkgKey INTEGER);
` + sql)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sqlite3: %v\n%s", err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

const twoPackages = `INSERT INTO packages VALUES (1,'x','a','x86_64','1.0','0','2','V'), (7,'y','b','noarch','3','2',NULL,NULL);
INSERT INTO obsoletes VALUES ('old','LT','0','2','1',7), ('other',NULL,NULL,NULL,NULL,7);
`

func dbLines(data []byte) (out []string, count int, err error) {
	count, err = ReadPrimaryDB(context.Background(), bytes.NewReader(data), int64(len(data)), func(name []byte) bool { return string(name) == "old" }, func(p *Package) error {
		line := fmt.Sprintf("%s.%s %s %s", p.Name, p.Arch, AppendEVR(nil, p.Epoch, p.Version, p.Release), p.Vendor)
		for _, o := range p.Obsoletes {
			line += fmt.Sprintf(" obsoletes %s%s%s", o.Name, o.Flags, AppendEVR(nil, o.Epoch, o.Version, o.Release))
		}
		out = append(out, line)
		return nil
	})
	return out, count, err
}

func TestReadPrimaryDB(t *testing.T) {
	got, count, err := dbLines(primaryDB(t, twoPackages))
	if diff := cmp.Diff([]string{"a.x86_64 1.0-2 V", "b.noarch 2:3  obsoletes oldLT2-1"}, got); diff != "" || err != nil || count != 2 {
		t.Errorf("%d, %v (-want +got):\n%s", count, err, diff)
	}
	for name, tc := range map[string]struct{ sql, want string }{
		"no name":        {"INSERT INTO packages VALUES (1,'x','','x86_64','1.0','0','2','V');", "expected a name, an architecture and a version of package 1, found a row that lacks one of them"},
		"a long name":    {"INSERT INTO packages VALUES (1,'x','" + strings.Repeat("n", maxText+1) + "','x86_64','1.0','0','2','V');", "expected a text of at most 4096 bytes in column name, found a text of 4097"},
		"a blob":         {"INSERT INTO packages VALUES (1,'x',x'00','x86_64','1.0','0','2','V');", "expected a text of at most 4096 bytes in column name, found a blob of 1"},
		"no such column": {"DROP TABLE obsoletes; CREATE TABLE obsoletes (x TEXT);", "expected a column pkgKey in table obsoletes, found none"},
		"no such table":  {"DROP TABLE packages;", `table "packages": no such table`},
	} {
		if _, _, err := dbLines(primaryDB(t, tc.sql)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: want %q, got %v", name, tc.want, err)
		}
	}
}

// TestFileRead holds that a parser sees a file only if it is the one that repomd.xml
// names.
func TestFileRead(t *testing.T) {
	const text = "<x/>"
	root := hosttest.OpenRoot(t, hosttest.Files{"f": text, "zck": "\x00ZCK1..."}.Write(t))
	whole := File{SumType: "sha256", Size: 4, Sum: "00"}
	for name, tc := range map[string]struct {
		file File
		path string
		want string
	}{
		"another size":     {File{SumType: "sha256", Size: 5}, "/f", "/f: it has 4 bytes, repomd.xml says 5"},
		"another checksum": {whole, "/f", "/f: expected the sha256 sum of repomd.xml, found another"},
		"no checksum":      {File{Size: -1}, "/f", "/f: repomd.xml names no checksum of it"},
		"unknown checksum": {File{Size: -1, SumType: "md4"}, "/f", `/f: checksum "md4" is not supported`},
		"missing":          {whole, "/g", "no such file or directory"},
	} {
		_, err := tc.file.Read(t.Context(), root, tc.path, func(io.Reader) error {
			t.Errorf("%s: it was parsed", name)
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: want %q, got %v", name, tc.want, err)
		}
	}
	zck := File{SumType: "sha1", Size: -1}
	got := ""
	for _, kind := range []string{"sha", "sha1", "sha256", "sha512"} {
		f := File{SumType: kind, Size: 4}
		h, err := newSum(kind)
		if err != nil {
			t.Fatal(err)
		}
		h.Write([]byte(text))
		f.Sum = fmt.Sprintf("%X", h.Sum(nil))
		if _, err := f.Read(t.Context(), root, "/f", func(r io.Reader) error {
			data, err := io.ReadAll(r)
			got += string(data)
			return err
		}); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if got != strings.Repeat(text, 4) {
		t.Errorf("parsed %q", got)
	}
	h, _ := newSum("sha1")
	h.Write([]byte("\x00ZCK1..."))
	zck.Sum = fmt.Sprintf("%x", h.Sum(nil))
	if _, err := zck.Read(t.Context(), root, "/zck", func(io.Reader) error { return nil }); err == nil || rootfs.ReasonOf(err) != "Unsupported" {
		t.Errorf("zchunk: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := zck.Read(ctx, root, "/zck", func(io.Reader) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
}

func FuzzPrimaryDB(f *testing.F) {
	f.Add(primaryDB(f, twoPackages))
	f.Fuzz(func(t *testing.T, data []byte) {
		if out, count, err := dbLines(data); err == nil && len(out) != count {
			t.Errorf("%d packages of %d", len(out), count)
		}
	})
}
