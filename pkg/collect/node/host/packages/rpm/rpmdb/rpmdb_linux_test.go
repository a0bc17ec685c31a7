package rpmdb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest/rpmtest"
)

// specs are packages of every kind that the reader treats in its own way.
func specs() []rpmtest.Spec {
	return []rpmtest.Spec{
		{Name: "bash", Version: "5.1.8", Release: "9.el9", Vendor: "Rocky Enterprise Software Foundation"},
		{Name: "tzdata", Version: "2024a", Release: "1.el9", Arch: "noarch", Epoch: "3"},
		{Name: "openssl-libs", Version: "3.0.7", Release: "27.el9", Epoch: "1", Vendor: "Rocky"},
		{Name: "nodejs", Version: "18.1", Release: "1.module+el9", Module: "nodejs:18:9040020240301111045:rhel9"},
		{Name: "big", Version: "1", Release: "1", Files: 500},
		{
			Name: "kernel-core", Version: "5.14.0", Release: "427.13.1.el9_4",
			Provides: []string{"kernel-uname-r = 5.14.0-427.13.1.el9_4.x86_64", "installonlypkg(kernel)", "kernel-core-uname-r = 1"},
		},
		{Name: "rocky-release", Version: "9.4", Release: "1.7.el9", Arch: "noarch", Provides: []string{"system-release(releasever) = 9", "system-release = 9.4"}},
		{Name: "gpg-pubkey", Version: "350d275d", Release: "6279464b"},
		{Name: "glibc", Version: "2.34", Release: "100.el9", Arch: "i686"},
		{Name: "tilde", Version: "1.0~rc1^git5", Release: "0.1.20240101", Arch: "aarch64"},
	}
}

// line is a package as rpmtest.Query has it. Without an epoch rpm prints (none),
// and this reader has 0, as rpm compares it.
func line(p *Package) string {
	none := func(s string) string {
		if s == "" {
			return "(none)"
		}
		return strings.ReplaceAll(s, " ", "_")
	}
	epoch := ""
	if p.Epoch != 0 {
		epoch = fmt.Sprint(p.Epoch)
	}
	return strings.Join([]string{
		p.Name, none(epoch), p.Version, p.Release, none(p.Arch), none(p.SourceRPM), fmt.Sprint(p.InstallTime), none(p.Vendor), none(p.Modularity),
	}, "|")
}

// all reads the database of a root.
func all(t testing.TB, dir string) (lines []string, provides map[string][]Provide, result Result, err error) {
	t.Helper()
	result, err = Read(t.Context(), hosttest.OpenRoot(t, dir), wanted, func() { lines, provides = nil, map[string][]Provide{} }, func(p *Package) {
		lines = append(lines, line(p))
		if p.Provides != nil {
			provides[p.Name] = p.Provides
		}
	})
	slices.Sort(lines)
	return lines, provides, result, err
}

// root makes a root with one file.
func root(t testing.TB, path string, data []byte) string {
	return hosttest.Files{path: string(data)}.Write(t)
}

// TestAgainstRPM compares each format with rpm's own query. Debian's rpm does not
// know NDB, so that file's content is compared with the database it was made of.
func TestAgainstRPM(t *testing.T) {
	installed := rpmtest.Install(t, specs()...)
	dir := filepath.Join(installed, "var/lib/rpm")
	want := rpmtest.Query(t, dir, "sqlite")
	if len(want) != len(specs())-1 {
		t.Fatalf("rpm lists %d packages:\n%s", len(want), strings.Join(want, "\n"))
	}
	blobs := rpmtest.Blobs(t, dir+"/rpmdb.sqlite")
	provides := map[string][]Provide{
		"kernel-core":   {{"installonlypkg(kernel)", ""}, {"kernel-uname-r", "5.14.0-427.13.1.el9_4.x86_64"}},
		"rocky-release": {{"system-release(releasever)", "9"}},
	}
	check := func(t *testing.T, dir, path string) {
		t.Helper()
		lines, got, result, err := all(t, dir)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, lines); diff != "" {
			t.Errorf("packages (-rpm +got):\n%s", diff)
		}
		for _, list := range got {
			slices.SortFunc(list, func(a, b Provide) int { return strings.Compare(a.Name, b.Name) })
		}
		if diff := cmp.Diff(provides, got); diff != "" {
			t.Errorf("provides (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(Result{Path: path, Packages: len(want)}, result); diff != "" {
			t.Errorf("result (-want +got):\n%s", diff)
		}
	}
	t.Run("sqlite", func(t *testing.T) { check(t, installed, "/var/lib/rpm/rpmdb.sqlite") })
	t.Run("ndb", func(t *testing.T) {
		check(t, root(t, "usr/lib/sysimage/rpm/Packages.db", rpmtest.NDB(blobs)), "/usr/lib/sysimage/rpm/Packages.db")
	})
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		for _, pageSize := range []int{512, 4096, 65536} {
			t.Run(fmt.Sprintf("bdb %v %d", order, pageSize), func(t *testing.T) {
				made := root(t, "var/lib/rpm/Packages", rpmtest.BDB(t, blobs, pageSize, order))
				if diff := cmp.Diff(want, rpmtest.Query(t, made+"/var/lib/rpm", "bdb_ro")); diff != "" {
					t.Fatalf("rpm reads something else (-sqlite +bdb_ro):\n%s", diff)
				}
				check(t, made, "/var/lib/rpm/Packages")
			})
		}
	}
}

// TestPlaces holds which database is read.
func TestPlaces(t *testing.T) {
	one := func(name string) string {
		return string(rpmtest.NDB([][]byte{rpmtest.Header(rpmtest.Entry{Tag: 1000, Data: name}, rpmtest.Entry{Tag: 1001, Data: "1"}, rpmtest.Entry{Tag: 1002, Data: "1"})}))
	}
	for name, tc := range map[string]struct {
		files  hosttest.Files
		path   string
		others []string
	}{
		"the one of the system image comes first": {
			hosttest.Files{"usr/lib/sysimage/rpm/Packages.db": one("a"), "var/lib/rpm/Packages.db": one("b")}, "/usr/lib/sysimage/rpm/Packages.db", nil,
		},
		"a link from the old place": {
			hosttest.Files{"usr/share/rpm/Packages.db": one("a"), "var/lib/rpm": "link: /usr/share/rpm"}, "/var/lib/rpm/Packages.db", nil,
		},
		"an empty directory is no database": {
			hosttest.Files{"usr/lib/sysimage/rpm/": "", "usr/share/rpm/Packages.db": one("a")}, "/usr/share/rpm/Packages.db", nil,
		},
		"one beside it is named": {
			hosttest.Files{"var/lib/rpm/Packages.db": one("a"), "var/lib/rpm/Packages": "old"}, "/var/lib/rpm/Packages.db", []string{"/var/lib/rpm/Packages"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			lines, _, result, err := all(t, tc.files.Write(t))
			if diff := cmp.Diff(Result{Path: tc.path, Packages: 1, Others: tc.others}, result); diff != "" || err != nil || !strings.HasPrefix(lines[0], "a|") {
				t.Errorf("%v, %v, result (-want +got):\n%s", lines, err, diff)
			}
		})
	}
	if _, _, _, err := all(t, t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no database: %v", err)
	}
}

// TestChanging holds that a database that is written meanwhile is read again, and
// not for ever.
func TestChanging(t *testing.T) {
	data := rpmtest.NDB(rpmtest.Generated(3, 1))
	dir := root(t, "var/lib/rpm/Packages.db", data)
	for _, tc := range []struct {
		writes, begins int
		changed        bool
	}{{0, 1, false}, {1, 2, false}, {9, maxTries, true}} {
		begins, count, writes := 0, 0, tc.writes
		result, err := Read(t.Context(), hosttest.OpenRoot(t, dir), nil, func() { begins++; count = 0 }, func(*Package) {
			if count++; count == 1 && writes > 0 {
				writes--
				data[8]++ // the generation
				if err := os.WriteFile(dir+"/var/lib/rpm/Packages.db", data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
		if err != nil || begins != tc.begins || count != 3 || result.Changed != tc.changed {
			t.Errorf("%d writes: read %d times, %d packages, %+v, %v", tc.writes, begins, count, result, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Read(ctx, hosttest.OpenRoot(t, dir), nil, func() {}, func(*Package) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

// sqlite3 changes a database and leaves the change in the write-ahead log.
func sqlite3(t *testing.T, dir, statements string) {
	t.Helper()
	cmd := exec.Command(hosttest.Tool(t, "sqlite3"), dir+"/var/lib/rpm/rpmdb.sqlite")
	cmd.Stdin = strings.NewReader("PRAGMA wal_autocheckpoint=0;\n.dbconfig no_ckpt_on_close on\n" + statements)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sqlite3: %v\n%s", err, out)
	}
}

// TestSQLiteFiles holds what the files beside an SQLite database mean.
func TestSQLiteFiles(t *testing.T) {
	installed := rpmtest.Install(t, specs()...)
	db := installed + "/var/lib/rpm/rpmdb.sqlite"
	sqlite3(t, installed, "INSERT INTO Packages SELECT 9000, blob FROM Packages WHERE hnum = 1; DELETE FROM Packages WHERE hnum < 3;")
	if info, err := os.Stat(db + "-wal"); err != nil || info.Size() == 0 {
		t.Fatalf("the log is empty: %v", err)
	}
	// A package that is only in the log counts, and one that is deleted there does not.
	lines, _, result, err := all(t, installed)
	if diff := cmp.Diff(rpmtest.Query(t, copied(t, installed), "sqlite"), lines); diff != "" || err != nil || result.Damaged > 0 || result.Changed {
		t.Errorf("%v, %+v, packages (-rpm +got):\n%s", err, result, diff)
	}
	// A journal that waits to be rolled back.
	if err := os.WriteFile(db+"-journal", []byte("\xd9\xd5\x05\xf9 \xa1c\xd7"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, result, err := all(t, installed); err != nil || !result.Changed {
		t.Errorf("with a journal: %+v, %v", result, err)
	}
	if err := os.WriteFile(db+"-journal", make([]byte, 512), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, result, err := all(t, installed); err != nil || result.Changed {
		t.Errorf("with a journal that is done: %+v, %v", result, err)
	}
	// A journal that appears while it is read. Nothing else has changed yet.
	tries := 0
	result, err = Read(t.Context(), hosttest.OpenRoot(t, installed), nil, func() {
		tries++
		content := []byte("\xd9\xd5\x05\xf9 \xa1c\xd7")
		if tries > 1 {
			content = nil // it is done
		}
		if err := os.WriteFile(db+"-journal", content, 0o644); err != nil {
			t.Fatal(err)
		}
	}, func(*Package) {})
	if err != nil || result.Changed || tries != 3 {
		t.Errorf("a journal appears: read %d times, %+v, %v", tries, result, err)
	}
	// Written while it is read: once, then at rest.
	writes := 1
	count := 0
	result, err = Read(t.Context(), hosttest.OpenRoot(t, installed), nil, func() { count = 0 }, func(*Package) {
		if count++; writes > 0 {
			writes--
			sqlite3(t, installed, "DELETE FROM Packages WHERE hnum = 9000;")
		}
	})
	if err != nil || result.Changed || result.Packages != len(lines)-1 || count != len(lines)-1 {
		t.Errorf("written while it is read: %d packages, %+v, %v", count, result, err)
	}
	// Rows that are not headers cost themselves.
	sqlite3(t, installed, "INSERT INTO Packages VALUES (9001, 'text'), (9002, x'00'), (9003, x'');")
	_, _, result, err = all(t, installed)
	var faults []string
	for _, fault := range result.Faults {
		faults = append(faults, fault.Error())
	}
	want := []string{
		"row 9001: expected a blob, found a text",
		"row 9002: ends too early: expected a header of at least 8 bytes, found 1",
		"row 9003: ends too early: expected a header of at least 8 bytes, found 0",
	}
	if diff := cmp.Diff(want, faults); diff != "" || err != nil || result.Damaged != 3 || result.Packages != len(lines)-1 {
		t.Errorf("%v, %+v, faults (-want +got):\n%s", err, result, diff)
	}
	for name, tc := range map[string]struct {
		content string
		err     string
	}{
		"empty":           {"", "/var/lib/rpm/rpmdb.sqlite: "},
		"of another kind": {strings.Repeat("x", 8192), "/var/lib/rpm/rpmdb.sqlite: "},
	} {
		_, _, _, err := all(t, root(t, "var/lib/rpm/rpmdb.sqlite", []byte(tc.content)))
		t.Log(err)
		if err == nil || !strings.HasPrefix(err.Error(), tc.err) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// copied copies a database, because rpm may write to what it reads.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range []string{"rpmdb.sqlite", "rpmdb.sqlite-wal"} {
		data, err := os.ReadFile(filepath.Join(dir, "var/lib/rpm", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}
