package rpm

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/hack/raced"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/rpm/repodata"
)

// TestHostileCaches holds that what is wrong with one file is one gap, that nothing
// blocks, and that the installed packages are counted.
func TestHostileCaches(t *testing.T) {
	const dir = "/var/cache/dnf/base-*/repodata/"
	replace := func(t *testing.T, root, pattern string, with func(path string) error) {
		t.Helper()
		paths, err := filepath.Glob(root + pattern)
		if err != nil || len(paths) != 1 {
			t.Fatal(paths, err)
		}
		if err := os.RemoveAll(paths[0]); err != nil {
			t.Fatal(err)
		}
		if err := with(paths[0]); err != nil {
			t.Fatal(err)
		}
	}
	fifo := func(path string) error { return unix.Mkfifo(path, 0o644) }
	for name, tc := range map[string]struct {
		pattern string
		with    func(path string) error
		reason  fact.Reason
		text    string
	}{
		"repomd.xml is a FIFO":        {dir + "repomd.xml", fifo, fact.Unreadable, "not a regular file but a"},
		"repomd.xml is a directory":   {dir + "repomd.xml", func(path string) error { return os.Mkdir(path, 0o755) }, fact.Unreadable, "not a regular file but a directory"},
		"the list is a FIFO":          {dir + "primary.xml.gz", fifo, fact.Unreadable, "not a regular file but a"},
		"the list links out":          {dir + "primary.xml.gz", func(path string) error { return os.Symlink("/../../etc/hostname", path) }, fact.NotPresent, "no such file"},
		"advisories are missing":      {dir + "updateinfo.xml.gz", func(string) error { return nil }, fact.NotPresent, "no such file"},
		"repomd.xml is large":         {dir + "repomd.xml", func(path string) error { return os.WriteFile(path, make([]byte, 2<<20), 0o644) }, fact.Truncated, "larger than the limit of 1048576 bytes"},
		"repomd.xml is cut":           {dir + "repomd.xml", func(path string) error { return os.WriteFile(path, []byte("<repomd><data"), 0o644) }, fact.Truncated, "ends too early"},
		"dnf.conf is a FIFO":          {"/etc/dnf/dnf.conf", fifo, fact.Unreadable, "not a regular file but a"},
		"a repository is no INI file": {"/etc/yum.repos.d/base.repo", func(path string) error { return os.WriteFile(path, []byte("<html>"), 0o644) }, fact.Corrupt, "expected [SECTION] or KEY=VALUE"},
		"an id leads out of the cache": {"/etc/yum.repos.d/base.repo", func(path string) error {
			return os.WriteFile(path, []byte("[../../x]\nbaseurl=http://x/\n"), 0o644)
		}, fact.Corrupt, `expected the id of a repository, found "../../x"`},
		"thousands of repositories": {"/etc/yum.repos.d/base.repo", func(path string) error {
			var b strings.Builder
			for i := range maxSections {
				fmt.Fprintf(&b, "[%d$basearch]\nbaseurl=http://x/\n", i)
			}
			return os.WriteFile(path, []byte(b.String()), 0o644)
		}, fact.Truncated, "more than 256 repositories are enabled"},
	} {
		t.Run(name, func(t *testing.T) {
			root := large(t, 100)
			replace(t, root, tc.pattern, tc.with)
			state, gaps, err := Manager{}.Read(t.Context(), hosttest.OpenRoot(t, root))
			if err != nil || state.Installed != 100 || len(gaps) > maxGaps {
				t.Fatalf("%+v, %d gaps, %v", state, len(gaps), err)
			}
			for _, gap := range gaps {
				if gap.Reason == tc.reason && strings.Contains(gap.Detail, tc.text) {
					return
				}
			}
			t.Errorf("expected %s %q, found %+v", tc.reason, tc.text, gaps)
		})
	}
}

// TestBomb holds that a list that unpacks to gigabytes ends at the limit.
func TestBomb(t *testing.T) {
	if testing.Short() || raced.Enabled {
		t.Skip("it unpacks 512 MiB")
	}
	root := large(t, 10)
	dirs, err := filepath.Glob(root + "/var/cache/dnf/base-*/repodata")
	if err != nil || len(dirs) != 1 {
		t.Fatal(dirs, err)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write([]byte("<metadata><description>"))
	zeros := make([]byte, 1<<20)
	for range 520 {
		_, _ = w.Write(zeros)
	}
	_ = w.Close()
	if err := os.WriteFile(dirs[0]+"/primary.xml.gz", packed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	index := fmt.Sprintf("<repomd><data type=\"primary\"><checksum type=\"sha256\">%x</checksum><location href=\"primary.xml.gz\"/></data></repomd>", sha256.Sum256(packed.Bytes()))
	if err := os.WriteFile(dirs[0]+"/repomd.xml", []byte(index), 0o644); err != nil {
		t.Fatal(err)
	}
	_, gaps, err := Manager{}.Read(t.Context(), hosttest.OpenRoot(t, root))
	if err != nil || len(gaps) != 1 || gaps[0].Reason != fact.Truncated || !strings.Contains(gaps[0].Detail, "more than the limit of 536870912 bytes") {
		t.Errorf("%+v, %v", gaps, err)
	}
}

func TestMatchesRelation(t *testing.T) {
	relation := func(flags, epoch, version, release string) *repodata.Relation {
		return &repodata.Relation{Flags: []byte(flags), Epoch: []byte(epoch), Version: []byte(version), Release: []byte(release)}
	}
	for _, tc := range []struct {
		evr  string
		r    *repodata.Relation
		want bool
	}{
		{"1-1", relation("", "", "", ""), true},
		{"1-1", relation("LT", "0", "1", "2"), true},
		{"1-2", relation("LT", "0", "1", "2"), false},
		{"1-2", relation("LE", "0", "1", "2"), true},
		{"1-3", relation("LE", "0", "1", "2"), false},
		{"1-9", relation("LE", "0", "1", ""), true}, // without a release, any
		{"1-9", relation("EQ", "0", "1", ""), true},
		{"1-9", relation("EQ", "0", "1", "8"), false},
		{"1:1-1", relation("LT", "0", "2", ""), false},
		{"1-1", relation("LT", "1", "1", ""), true},
		{"2-1", relation("GT", "0", "1", "1"), true},
		{"1-1", relation("GT", "0", "1", "1"), false},
		{"1-1", relation("GE", "0", "1", "1"), true},
		{"1-0", relation("GE", "0", "1", "1"), false},
	} {
		if got := matchesRelation(tc.evr, tc.r); got != tc.want {
			t.Errorf("%s %s %s-%s: %t", tc.evr, tc.r.Flags, tc.r.Version, tc.r.Release, got)
		}
	}
}
