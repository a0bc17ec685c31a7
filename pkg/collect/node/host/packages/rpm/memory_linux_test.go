package rpm

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest/rpmtest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// large writes a root with n installed packages, as rpmtest.Generated names them, and a
// repository with n packages, of which each hundredth is an update with an advisory.
func large(t testing.TB, n int) (dir string) {
	t.Helper()
	dir = hosttest.Files{
		"etc/os-release": "ID=rocky\nVERSION_ID=9.4\n", "etc/dnf/dnf.conf": "[main]\n",
		"etc/yum.repos.d/base.repo": "[base]\nbaseurl=file:///base\n", "var/lib/rpm/": "",
	}.Write(t)
	if err := os.WriteFile(dir+"/var/lib/rpm/Packages.db", rpmtest.NDB(rpmtest.Generated(n, 2)), 0o644); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("file:///base"))
	repodata := dir + fmt.Sprintf("/var/cache/dnf/base-%x/repodata", sum[:8])
	if err := os.MkdirAll(repodata, 0o755); err != nil {
		t.Fatal(err)
	}
	var index bytes.Buffer
	index.WriteString("<repomd>")
	add := func(kind string, write func(w io.Writer)) {
		name := filepath.Join(repodata, kind+".xml.gz")
		file, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		packed := gzip.NewWriter(file)
		buffered := bufio.NewWriter(packed)
		write(buffered)
		_, _ = buffered.Flush(), packed.Close()
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&index, "<data type=\"%s\"><checksum type=\"sha256\">%x</checksum><location href=\"repodata/%s.xml.gz\"/><timestamp>%d</timestamp></data>",
			kind, sha256.Sum256(data), kind, time.Now().Unix())
	}
	add("primary", func(w io.Writer) {
		fmt.Fprintf(w, "<metadata packages=\"%d\">\n", n)
		for i := range n {
			version := "1.0"
			if i%100 == 0 {
				version = "2.0"
			}
			sum := sha256.Sum256([]byte{byte(i), byte(i >> 8), byte(i >> 16)})
			fmt.Fprintf(w, "<package type=\"rpm\"><name>package-%d</name><arch>x86_64</arch><version epoch=\"0\" ver=\"%s\" rel=\"%d.el9\"/>\n<checksum type=\"sha256\">%x</checksum>"+
				"<description>%x and more</description><format><rpm:vendor>Example</rpm:vendor><rpm:provides>\n", i, version, i, sum, sum[:20])
			for j := range 10 {
				fmt.Fprintf(w, "<rpm:entry name=\"lib%d(%x)\" flags=\"EQ\" epoch=\"0\" ver=\"1.0\" rel=\"%d.el9\"/>\n", i, sum[j:j+4], i)
			}
			fmt.Fprintf(w, "</rpm:provides><rpm:requires><rpm:entry name=\"x\"/></rpm:requires><file>/usr/bin/%x</file></format></package>\n", sum[:6])
		}
		io.WriteString(w, "</metadata>\n")
	})
	add("updateinfo", func(w io.Writer) {
		io.WriteString(w, "<updates>")
		for i := 0; i < n; i += 100 {
			fmt.Fprintf(w, "<update type=\"security\" status=\"final\"><id>SA-%d</id><description>%s</description><pkglist><collection><package name=\"package-%d\" version=\"2.0\" release=\"%d.el9\" epoch=\"0\" arch=\"x86_64\"/></collection></pkglist></update>\n",
				i, "It fixes what is wrong.", i, i)
		}
		io.WriteString(w, "</updates>")
	})
	index.WriteString("</repomd>")
	if err := os.WriteFile(repodata+"/repomd.xml", index.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestMemory holds that a host with 50,000 packages and a repository of as many stays
// within the probe's limit: the Go runtime's memory, collected as the probe does
// (probe.go: 18 MiB, 50 %), is below 32 MiB. It is 18 to 26 MiB; a host with 10,000
// takes 12, and one with 100,000 takes 28 to 35, by when the collector comes.
func TestMemory(t *testing.T) {
	const packages = 50_000
	dir := large(t, packages)
	root := hosttest.OpenRoot(t, dir)
	var state *fact.PackageState
	var gaps []fact.NodeGap
	var err error
	most := hosttest.PeakMemory(t, func() {
		state = nil // of a run before
		state, gaps, err = Manager{}.Read(t.Context(), root)
	})
	if err != nil || len(gaps) > 0 || state.Installed != packages || len(state.Pending) != packages/100 || state.Pending[0].Security == "" || state.UncoveredCount != 0 {
		t.Fatalf("%v, %+v, %d installed, %d pending, %d uncovered", err, gaps, state.Installed, len(state.Pending), state.UncoveredCount)
	}
	t.Logf("%d packages: %d kB at most", packages, most>>10)
	if most > hosttest.ProbeMemory {
		t.Errorf("%d bytes, at most %d are expected", most, hosttest.ProbeMemory)
	}
}

// BenchmarkRead compares reading a host's repositories and database with reading and
// unpacking the same files without judgement.
func BenchmarkRead(b *testing.B) {
	dir := large(b, 20_000)
	root := hosttest.OpenRoot(b, dir)
	files, err := filepath.Glob(dir + "/var/cache/dnf/*/repodata/*.gz")
	if err != nil || len(files) != 2 {
		b.Fatal(files, err)
	}
	b.Run("the files", func(b *testing.B) {
		buf := make([]byte, 128<<10)
		for b.Loop() {
			if _, _, err := readDatabase(b.Context(), root); err != nil {
				b.Fatal(err)
			}
			for _, name := range files {
				if err := readThrough(root, name[len(dir):], buf); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("judged", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if state, gaps, err := (Manager{}).Read(b.Context(), root); err != nil || len(gaps) > 0 || len(state.Pending) != 200 {
				b.Fatal(state, gaps, err)
			}
		}
	})
}

func readThrough(root *rootfs.Root, path string, buf []byte) error {
	file, err := root.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, unpacked, buf)
	return err
}

// FuzzConfig holds that no configuration leads out of the cache or grows without
// limit.
func FuzzConfig(f *testing.F) {
	f.Add([]byte("[main]\nexclude=a,\n b*\n"), []byte("[r]\nbaseurl=http://x/$releasever/${basearch}\npriority=1\n[s]\nenabled=0\n"), []byte("a-0:1-1.el9.*\n!b\n"), []byte("type: package\nsolvable_name: x*\n"))
	f.Add([]byte("[[x\n"), []byte("[r]\nbaseurl=$\n"), []byte("[[packages]]\nname = \"a\"\n[[packages.conditions]]\n"), []byte("\n\ntype: patch\n"))
	db := newDatabase()
	f.Fuzz(func(t *testing.T, conf, repos, locked, zypp []byte) {
		r := newReader(t.Context(), nil, db, &fact.PackageState{})
		sections, _ := parseINI(conf, "conf")
		more, _ := parseINI(repos, "repos")
		override(more, sections)
		for _, repo := range r.repositories(more, variables{"releasever": "9", "basearch": "x86_64"}, func(r *repository) { r.dir = "/x/" + r.id }) {
			if repo.id == "" || repo.dir != "/x/"+filepath.Base(repo.id) {
				t.Errorf("a directory outside: %q of %q", repo.dir, repo.id)
			}
		}
		locks, _ := parseVersionlock(locked)
		toml, _ := parseVersionlockTOML(locked)
		packages, patches := parseZyppLocks(zypp)
		n := nevra{"a", "", "1", "1.el9", "x86_64"}
		_, _ = locks.hides(n), toml.hides(n)
		if len(locks) > maxPatterns || len(toml) > maxPatterns || len(packages)+len(patches) > maxPatterns {
			t.Errorf("%d, %d, %d, %d locks", len(locks), len(toml), len(packages), len(patches))
		}
	})
}
