// Package rpmtest makes rpm databases for tests: with rpm itself, and in the
// formats that Debian's rpm does not write.
package rpmtest

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/adler32"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
)

// Spec is a package. Empty fields get a value that does not matter.
type Spec struct {
	Name, Version, Release, Epoch, Arch string
	Vendor, Module                      string
	Provides                            []string
	Files                               int // with long names
}

func (s Spec) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Name: %s\nVersion: %s\nRelease: %s\nSummary: x\nLicense: x\n", s.Name, s.Version, s.Release)
	for field, value := range map[string]string{"Epoch": s.Epoch, "Vendor": s.Vendor, "ModularityLabel": s.Module} {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", field, value)
		}
	}
	if s.Arch == "noarch" {
		b.WriteString("BuildArch: noarch\n")
	}
	for _, p := range s.Provides {
		fmt.Fprintf(&b, "Provides: %s\n", p)
	}
	b.WriteString("%description\nx\n%prep\n%build\n%install\nmkdir -p %{buildroot}/usr/share/x\n")
	if s.Files > 0 {
		fmt.Fprintf(&b, "for i in $(seq %d); do echo > %%{buildroot}/usr/share/x/%s-%s-$i; done\n", s.Files, s.Name, strings.Repeat("long", 20))
	}
	b.WriteString("%files\n")
	if s.Files > 0 {
		b.WriteString("/usr/share/x/*\n")
	}
	return b.String()
}

// Install builds packages and installs them into the database of a new root by
// rpm, format SQLite. It returns the root; the database is in /var/lib/rpm.
func Install(t testing.TB, specs ...Spec) (root string) {
	t.Helper()
	rpm, rpmbuild := hosttest.Tool(t, "rpm"), hosttest.Tool(t, "rpmbuild")
	dir := t.TempDir()
	byArch := map[string][]string{}
	for i, s := range specs {
		path := filepath.Join(dir, fmt.Sprintf("%d.spec", i))
		if err := os.WriteFile(path, []byte(s.text()), 0o644); err != nil {
			t.Fatal(err)
		}
		arch := s.Arch
		if arch == "" || arch == "noarch" {
			arch = "x86_64"
		}
		byArch[arch] = append(byArch[arch], path)
	}
	home := append(os.Environ(), "HOME="+dir)
	for arch, paths := range byArch {
		cmd := exec.Command(rpmbuild, append([]string{
			"-bb", "--quiet", "--target", arch, "-D", "_topdir " + dir, "-D", "_build_id_links none",
			"-D", "__os_install_post %{nil}",
		}, paths...)...)
		cmd.Env = home
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("rpmbuild: %v\n%s", err, out)
		}
	}
	packages, err := filepath.Glob(filepath.Join(dir, "RPMS/*/*.rpm"))
	if err != nil || len(packages) != len(specs) {
		t.Fatalf("%d packages built of %d, %v", len(packages), len(specs), err)
	}
	root = filepath.Join(dir, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(rpm, append([]string{
		"--root", root, "--dbpath", "/var/lib/rpm", "--justdb", "--nodeps", "--ignorearch", "--ignoreos", "--nosignature", "-i",
	}, packages...)...)
	cmd.Env = home
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("rpm -i: %v\n%s", err, out)
	}
	return root
}

// Query asks rpm for all packages of a database directory but gpg-pubkey, sorted:
// name, epoch, version, release, architecture, source, install time, vendor,
// module, with "(none)" for what a package lacks. Backend is sqlite or bdb_ro.
func Query(t testing.TB, dir, backend string) []string {
	t.Helper()
	const format = "%{NAME}|%{EPOCH}|%{VERSION}|%{RELEASE}|%{ARCH}|%{SOURCERPM}|%{INSTALLTIME}|%{VENDOR}|%{MODULARITYLABEL}\n"
	cmd := exec.Command(hosttest.Tool(t, "rpm"), "-D", "_db_backend "+backend, "--dbpath", dir, "-qa", "--qf", format)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("rpm -qa: %v\n%s", err, stderr.String())
	}
	lines := strings.Fields(strings.ReplaceAll(string(out), " ", "_"))
	lines = slices.DeleteFunc(lines, func(s string) bool { return strings.HasPrefix(s, "gpg-pubkey|") })
	slices.Sort(lines)
	return lines
}

// Blobs returns the headers in an SQLite database, in the order of their numbers.
func Blobs(t testing.TB, path string) [][]byte {
	t.Helper()
	out, err := exec.Command(hosttest.Tool(t, "sqlite3"), path, "SELECT hex(blob) FROM Packages ORDER BY hnum").Output()
	if err != nil {
		t.Fatalf("sqlite3: %v", err)
	}
	var blobs [][]byte
	for _, line := range strings.Fields(string(out)) {
		blob, err := hex.DecodeString(line)
		if err != nil {
			t.Fatal(err)
		}
		blobs = append(blobs, blob)
	}
	return blobs
}

// NDB writes Packages.db by the layout of rpm's lib/backend/ndb/rpmpkg.c, which
// Debian's rpm is built without. Every third slot is free.
func NDB(blobs [][]byte) []byte {
	le := binary.LittleEndian
	slots := 2 + len(blobs)*3/2 + 1
	pages := (slots*16 + 4095) / 4096
	out := make([]byte, pages*4096)
	copy(out, "RpmP")
	le.PutUint32(out[8:], 7) // generation
	le.PutUint32(out[12:], uint32(pages))
	le.PutUint32(out[16:], uint32(len(blobs)+1))
	next := 0
	for slot := 2; slot < pages*256; slot++ {
		at := slot * 16
		copy(out[at:], "Slot")
		if slot%3 == 0 || next == len(blobs) {
			continue
		}
		blob := blobs[next]
		next++
		block := len(out) / 16
		blocks := (16 + len(blob) + 12 + 15) / 16
		le.PutUint32(out[at+4:], uint32(next))
		le.PutUint32(out[at+8:], uint32(block))
		le.PutUint32(out[at+12:], uint32(blocks))
		b := make([]byte, blocks*16)
		copy(b, "BlbS")
		le.PutUint32(b[4:], uint32(next))
		le.PutUint32(b[8:], 7)
		le.PutUint32(b[12:], uint32(len(blob)))
		copy(b[16:], blob)
		tail := b[len(b)-12:]
		le.PutUint32(tail, adler32.Checksum(b[:len(b)-12]))
		le.PutUint32(tail[4:], uint32(len(blob)))
		copy(tail[8:], "BlbE")
		out = append(out, b...)
	}
	return out
}

// BDB writes Packages with db_load of Berkeley DB 5.3 and returns the file.
func BDB(t testing.TB, blobs [][]byte, pageSize int, order binary.ByteOrder) []byte {
	t.Helper()
	var b bytes.Buffer
	lorder := 1234
	if order == binary.BigEndian {
		lorder = 4321
	}
	fmt.Fprintf(&b, "VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=%d\ndb_lorder=%d\nHEADER=END\n", pageSize, lorder)
	var key [4]byte
	put := func(n uint32, value []byte) {
		order.PutUint32(key[:], n)
		fmt.Fprintf(&b, " %x\n %x\n", key, value)
	}
	put(0, []byte{byte(len(blobs)), byte(len(blobs) >> 8), 0, 0})
	for i, blob := range blobs {
		put(uint32(i+1), blob)
	}
	b.WriteString("DATA=END\n")
	path := filepath.Join(t.TempDir(), "Packages")
	cmd := exec.Command(hosttest.Tool(t, "db5.3_load"), path)
	cmd.Stdin = &b
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("db5.3_load: %v\n%s", err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Entry is one of a header's index with its data: a string, []string or uint32.
type Entry struct {
	Tag  uint32
	Data any
}

// Header makes a header's blob.
func Header(entries ...Entry) []byte {
	be := binary.BigEndian
	var index, data []byte
	for _, e := range entries {
		var kind, count uint32
		var raw []byte
		switch v := e.Data.(type) {
		case string:
			kind, count, raw = 6, 1, append([]byte(v), 0)
		case []string:
			kind, count = 8, uint32(len(v))
			for _, s := range v {
				raw = append(append(raw, s...), 0)
			}
		case uint32:
			kind, count, raw = 4, 1, be.AppendUint32(nil, v)
			for len(data)%4 != 0 {
				data = append(data, 0)
			}
		}
		for _, n := range []uint32{e.Tag, kind, uint32(len(data)), count} {
			index = be.AppendUint32(index, n)
		}
		data = append(data, raw...)
	}
	out := be.AppendUint32(nil, uint32(len(entries)))
	out = be.AppendUint32(out, uint32(len(data)))
	return append(append(out, index...), data...)
}

// Generated makes headers of n packages with files of long names each.
func Generated(n, files int) [][]byte {
	names := make([]string, files)
	for i := range names {
		names[i] = fmt.Sprintf("file-with-a-long-name-as-in-a-real-package-%d.txt", i)
	}
	blobs := make([][]byte, n)
	for i := range blobs {
		blobs[i] = Header(Entry{1000, fmt.Sprintf("package-%d", i)}, Entry{1001, "1.0"}, Entry{1002, fmt.Sprintf("%d.el9", i)},
			Entry{1008, uint32(1_700_000_000 + i)}, Entry{1011, "Example"}, Entry{1022, "x86_64"}, Entry{1044, "package-1.0-1.el9.src.rpm"},
			Entry{1047, []string{"a", "b(x86-64)", "c"}}, Entry{1113, []string{"", "1", "2"}}, Entry{1117, names})
	}
	return blobs
}

// SQLite writes rpmdb.sqlite with sqlite3, and rpm's table of packages only.
func SQLite(t testing.TB, blobs [][]byte) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rpmdb.sqlite")
	cmd := exec.Command(hosttest.Tool(t, "sqlite3"), path)
	var b bytes.Buffer
	b.WriteString("CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL); BEGIN;\n")
	for _, blob := range blobs {
		fmt.Fprintf(&b, "INSERT INTO Packages (blob) VALUES (x'%x');\n", blob)
	}
	b.WriteString("COMMIT;\n")
	cmd.Stdin = &b
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sqlite3: %v\n%s", err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
