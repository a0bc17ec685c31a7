package node

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest/rpmtest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/wire"
)

// ofImage is a process whose container's root is a directory of the node, with a
// lower layer of that name.
func ofImage(pid int, id, root, layers string) fakeProcess {
	return fakeProcess{
		pid: pid, comm: "app", cgroup: "0::/kubepods/pod" + podUID + "/" + id + "\n", root: root, exe: "/app", ns: fmt.Sprint(2000 + pid),
		mounts: fmt.Sprintf("100 1 0:50 / / rw,relatime - overlay overlay rw,lowerdir=%s,upperdir=/u/%d,workdir=/w/%d\n", layers, pid, pid),
	}
}

const (
	debianRelease = "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian 12\"\n"
	debianStatus  = "Package: openssl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.0.11-1~deb12u2\n\n" +
		"Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.0.11-1~deb12u2\nSource: openssl\n\n"
	alpineStatus = "P:musl\nV:1.2.4-r2\nA:x86_64\no:musl\n\n"
)

// Each container has the inventory of its own root: containers of one image share
// one, and what cannot be read is a gap of that container.
func TestImages(t *testing.T) {
	ids := []string{idA, idB, idC}
	for name, tc := range map[string]struct {
		files string // below the node's root
		roots []string
		edit  func(dir string) error
		want  []string // by container: manager, packages, OS
		count int      // of inventories
		gaps  []string
	}{
		"Debian twice and Alpine": {
			files: "-- c1/etc/os-release --\n" + debianRelease + "-- c1/var/lib/dpkg/status --\n" + debianStatus +
				"-- c2/etc/os-release --\n" + debianRelease + "-- c2/var/lib/dpkg/status --\n" + debianStatus +
				"-- c3/etc/os-release --\nID=alpine\nVERSION_ID=3.19.1\n-- c3/lib/apk/db/installed --\n" + alpineStatus,
			roots: []string{"/c1", "/c2", "/c3"},
			want:  []string{"dpkg 2 debian", "dpkg 2 debian", "apk 1 alpine"}, count: 2,
		},
		"distroless": {
			files: "-- c1/etc/os-release --\n" + debianRelease + "-- c1/var/lib/dpkg/status.d/libssl3 --\nPackage: libssl3\nArchitecture: amd64\nVersion: 3.0.11-1\nSource: openssl\n",
			roots: []string{"/c1"}, want: []string{"dpkg 1 debian"}, count: 1,
		},
		"rpm": {
			files: "-- c1/etc/os-release --\nID=rocky\nVERSION_ID=9.3\n-- c1/usr/lib/sysimage/rpm/ --\n",
			roots: []string{"/c1"},
			edit: func(dir string) error {
				return os.WriteFile(dir+"/c1/usr/lib/sysimage/rpm/Packages.db", rpmtest.NDB(rpmtest.Generated(3, 1)), 0o644)
			},
			want: []string{"rpm 3 rocky"}, count: 1,
		},
		"nothing at all": {files: "-- c1/x --\n", roots: []string{"/c1"}, want: []string{" 0 "}, count: 1},
		"links that lead out stay inside": {
			files: "-- etc/os-release --\nID=node\n-- var/lib/dpkg/status --\n" + debianStatus + "-- c1/etc/os-release --\n-> /../../etc/os-release\n-- c1/var/lib/dpkg/status --\n-> ../../../../../../var/lib/dpkg/status\n",
			roots: []string{"/c1"}, want: []string{" 0 "}, count: 1,
			gaps: []string{idA + " Unreadable open /var/lib/dpkg/status: too many levels of symbolic links"},
		},
		"a FIFO, a cut and a damaged database cost only their own containers": {
			files: "-- c1/etc/os-release --\n" + debianRelease + "-- c1/var/lib/dpkg/ --\n" +
				"-- c2/etc/os-release --\nID=alpine\n-- c2/lib/apk/db/installed --\nP:musl\nV:1.2.4-r2\nA:x86_64\n\nP:zl\n" +
				"-- c3/etc/os-release --\nID=rocky\n-- c3/var/lib/rpm/rpmdb.sqlite --\nno database\n",
			roots: []string{"/c1", "/c2", "/c3"},
			edit:  func(dir string) error { return unix.Mkfifo(dir+"/c1/var/lib/dpkg/status", 0o644) },
			want:  []string{" 0 debian", "apk 1 alpine", " 0 rocky"}, count: 3,
			gaps: []string{
				idA + " Unreadable open /var/lib/dpkg/status: not a regular file but a FIFO",
				idB + " Truncated /lib/apk/db/installed: ends too early: no empty line after the record of \"zl\"",
				idC + " Corrupt ",
			},
		},
		"a sparse file of a terabyte": {
			files: "-- c1/etc/os-release --\n" + debianRelease + "-- c1/var/lib/dpkg/status --\n" + debianStatus,
			roots: []string{"/c1"},
			edit:  func(dir string) error { return os.Truncate(dir+"/c1/var/lib/dpkg/status", 1<<40) },
			want:  []string{" 0 debian"}, count: 1,
			gaps: []string{idA + " Truncated /var/lib/dpkg/status has 1099511627776 bytes, expected at most 67108864"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			processes := []fakeProcess{initProcess}
			for i, root := range tc.roots {
				processes = append(processes, ofImage(20+i, ids[i], root, "/l/"+fmt.Sprint(i)))
			}
			dir := nodeFixture(t, processes, tc.files)
			if tc.edit != nil {
				if err := tc.edit(dir); err != nil {
					t.Fatal(err)
				}
			}
			m := read(t, dir, fact.LevelFull, fact.Processes, fact.Images)
			var got []string
			for i := range m.Containers {
				c := &m.Containers[i]
				at := slices.IndexFunc(m.Images, func(one fact.ImageInventory) bool { return one.Key == c.Image })
				if c.Image == "" || at < 0 {
					t.Fatalf("container %s has the inventory %q, which is not there", c.ID, c.Image)
				}
				one := &m.Images[at]
				got = append(got, fmt.Sprintf("%s %d %s", one.Manager, len(one.Packages), one.OS.ID))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("inventories (-want +got):\n%s", diff)
			}
			if len(m.Images) != tc.count || !slices.IsSortedFunc(m.Images, func(a, b fact.ImageInventory) int { return strings.Compare(a.Key, b.Key) }) {
				t.Errorf("%d inventories, want %d in order: %+v", len(m.Images), tc.count, m.Images)
			}
			if !m.HasRead(fact.Images) || len(m.Gaps) != len(tc.gaps) {
				t.Fatalf("read %v, gaps %v", m.Read, m.Gaps)
			}
			for i, want := range tc.gaps {
				g := m.Gaps[i]
				if text := g.Container + " " + string(g.Reason) + " " + g.Detail; g.What != fact.Images || !strings.HasPrefix(text, want) {
					t.Errorf("gap %q, want %q", text, want)
				}
			}
		})
	}
}

// Roots and mounts that may hang are not looked into.
func TestImagesOfUnsafeRoots(t *testing.T) {
	fuse := ofImage(20, idA, "/c1", "/l")
	fuse.mounts = "100 1 0:50 / / rw,relatime - fuse.fuse-overlayfs fuse-overlayfs rw\n"
	none := ofImage(21, idB, "/c1", "/l")
	none.mounts = "100 1 0:50 / /x rw,relatime - ext4 /dev/sda1 rw\n"
	m := read(t, nodeFixture(t, []fakeProcess{initProcess, fuse, none}, "-- c1/etc/os-release --\n"+debianRelease), fact.LevelFull, fact.Processes, fact.Images)
	want := []fact.NodeGap{
		{What: fact.Images, Container: idA, Reason: fact.Unsupported, Detail: `its root is on a "fuse.fuse-overlayfs" mount, which was not read because it may hang`},
		{What: fact.Images, Container: idB, Reason: fact.NotPresent, Detail: "its mount table was not read, so what is installed in it was not read"},
	}
	if diff := cmp.Diff(want, m.Gaps); diff != "" || len(m.Images) > 0 {
		t.Errorf("gaps (-want +got):\n%s, inventories %v", diff, m.Images)
	}
}

// Inventories stay within the probe's memory, as read and as sent: those of 250
// containers of 50 images with 400 packages each, whole and each once; and those of
// containers that want to fill it, of which some are left out with a gap.
func TestImagesMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("writes large databases")
	}
	for name, tc := range map[string]struct {
		images, each, installed int
		name                    string // what is in each name
		whole                   bool
	}{
		"a large node":    {50, 5, 400, "package", true},
		"large databases": {5, 1, 50_000, "p", false},
		"long names":      {20, 1, 8_000, strings.Repeat("long", 60), false},
	} {
		t.Run(name, func(t *testing.T) {
			processes := []fakeProcess{initProcess}
			for i := range tc.images * tc.each {
				processes = append(processes, ofImage(1000+i, fmt.Sprintf("%064x", i), fmt.Sprintf("/c%d", i%tc.images), fmt.Sprintf("/l/%d", i%tc.images)))
			}
			dir := nodeFixture(t, processes, "")
			for i := range tc.images {
				var b strings.Builder
				for j := range tc.installed {
					fmt.Fprintf(&b, "Package: %s-%d-of-%d\nStatus: install ok installed\nArchitecture: amd64\nVersion: %d.%d.%d-1~deb12u%d\nSource: source-%d\nDescription: x\n\n",
						tc.name, j, tc.installed, i, j, i*j, j%7, j/2)
				}
				for name, content := range map[string]string{"etc/os-release": debianRelease, "var/lib/dpkg/status": b.String()} {
					full := filepath.Join(dir, fmt.Sprintf("c%d", i), name)
					if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			var m *fact.Measurement
			var sent wire.Message
			var err error
			peak := hosttest.PeakMemory(t, func() {
				m, sent = nil, wire.Message{} // of a run before
				m = read(t, dir, fact.LevelFull, fact.Processes, fact.Images)
				sent, err = wire.Encode(m, wire.Options{})
			})
			if err != nil || len(sent.Trailer) == 0 {
				t.Fatal(err)
			}
			if whole := len(m.Images) == tc.images && len(m.Gaps) == 0; whole != tc.whole {
				t.Errorf("%d inventories of %d, gaps %v", len(m.Images), tc.images, m.Gaps)
			}
			for i := range m.Containers {
				c := &m.Containers[i]
				gap := slices.ContainsFunc(m.Gaps, func(g fact.NodeGap) bool {
					return g.Container == c.ID && g.What == fact.Images && g.Reason == fact.Truncated
				})
				if c.Image == "" && !gap || tc.whole && gap {
					t.Errorf("container %s has the inventory %q, gap %t", c.ID, c.Image, gap)
				}
			}
			t.Logf("%.1f MiB", float64(peak)/(1<<20))
			if peak > hosttest.ProbeMemory {
				t.Errorf("%d bytes at most, want %d", peak, hosttest.ProbeMemory)
			}
		})
	}
}

// goProgram makes a program with Go's build information: an ELF file of one segment.
func goProgram(version string, modules ...string) string {
	text := ""
	for _, m := range modules {
		text += strings.ReplaceAll(m, " ", "\t") + "\n"
	}
	if text != "" {
		text = strings.Repeat("m", 16) + text + strings.Repeat("m", 16)
	}
	info := append([]byte("\xff Go buildinf:\x08\x02"), make([]byte, 16)...)
	for _, s := range []string{version, text} {
		info = append(binary.AppendUvarint(info, uint64(len(s))), s...)
	}
	data := make([]byte, 128)
	copy(data, "\x7fELF\x02\x01\x01")
	le := binary.LittleEndian
	le.PutUint64(data[32:], 64)
	le.PutUint16(data[54:], 56)
	le.PutUint16(data[56:], 1)
	le.PutUint32(data[64:], 1)
	le.PutUint32(data[68:], 6)
	le.PutUint64(data[72:], 128)
	le.PutUint64(data[96:], uint64(len(info)))
	return string(append(data, info...))
}

// What running programs say about themselves is in the inventory: Go's build
// information, and what pip, npm and gem have installed for an interpreter. What the
// distribution has installed for it is not.
func TestModules(t *testing.T) {
	process := func(exe, cmdline string) fakeProcess {
		p := ofImage(20, idA, "/c1", "/l")
		p.exe, p.cmdline = exe, cmdline
		return p
	}
	second := func(p fakeProcess) fakeProcess { p.pid = 21; return p }
	module := func(ecosystem, name, version, path string) fact.Module {
		return fact.Module{Ecosystem: ecosystem, Name: name, Version: version, Path: path}
	}
	const debian = "-- c1/etc/os-release --\n" + debianRelease + "-- c1/var/lib/dpkg/status --\n" + debianStatus
	for name, tc := range map[string]struct {
		processes []fakeProcess
		files     string
		programs  map[string]string // below the container's root
		want      []fact.Module
		opaque    []string
		gaps      []string
	}{
		"a program in Go, twice, on nothing": {
			processes: []fakeProcess{process("/app", "/app"), second(process("/app", "/app"))},
			programs:  map[string]string{"app": goProgram("go1.21.3", "dep example.com/a v1.2.3 h1:x", "dep example.com/b v1", "=> ../b")},
			want:      []fact.Module{module("Go", "example.com/a", "v1.2.3", "/app"), module("Go", "example.com/b", "?", "/app"), module("Go", "stdlib", "go1.21.3", "/app")},
		},
		"a program that says nothing, on nothing": {
			processes: []fakeProcess{process("/app", "/app"), second(process("/tool", "/tool"))},
			programs:  map[string]string{"app": goProgram("go1.21.3"), "tool": "\x7fELF"},
			want:      []fact.Module{module("Go", "stdlib", "go1.21.3", "/app")}, opaque: []string{"/tool"},
		},
		"a program that says nothing, on Debian": {processes: []fakeProcess{process("/app", "/app")}, files: debian, programs: map[string]string{"app": "x"}},
		"a damaged program": {
			processes: []fakeProcess{process("/app", "/app")}, files: debian, programs: map[string]string{"app": goProgram("go1.21.3")[:165]},
			gaps: []string{"Truncated its program /app: ends too early: expected 8 bytes at byte 161, found 4"},
		},
		"Python of an image": {
			processes: []fakeProcess{process("/usr/local/bin/python3.11", "/srv/venv/bin/python /srv/venv/bin/app --password hunter2")},
			files: debian + "-- c1/srv/venv/bin/app --\n#!/srv/venv/bin/python\n-- c1/srv/venv/bin/python --\n-> /usr/local/bin/python3.11\n" +
				"-- c1/srv/venv/lib/python3.11/site-packages/Flask-2.0.1.dist-info/METADATA --\n" +
				"-- c1/usr/local/lib/python3.11/site-packages/pip-23.0.dist-info/METADATA --\n" +
				"-- c1/usr/lib/python3/dist-packages/requests-2.28.1.dist-info/METADATA --\n",
			programs: map[string]string{"usr/local/bin/python3.11": "x"},
			want: []fact.Module{
				module("PyPI", "Flask", "2.0.1", "/srv/venv/lib/python3.11/site-packages/Flask-2.0.1.dist-info"),
				module("PyPI", "pip", "23.0", "/usr/local/lib/python3.11/site-packages/pip-23.0.dist-info"),
			},
		},
		"Node of an image, the script relative": {
			processes: []fakeProcess{process("/usr/local/bin/node", "node srv/app/server.js")},
			files: "-- c1/srv/app/server.js --\nx\n" +
				"-- c1/srv/node_modules/.package-lock.json --\n{\"packages\":{\"node_modules/lodash\":{\"version\":\"4.17.10\"}}}\n-- c1/srv/package-lock.json --\nnot read\n",
			programs: map[string]string{"usr/local/bin/node": "x"},
			want:     []fact.Module{module("npm", "lodash", "4.17.10", "/srv/node_modules/.package-lock.json")},
		},
		"a lock file of another form": {
			processes: []fakeProcess{process("/usr/bin/node", "node /srv/server.js")},
			files:     debian + "-- c1/srv/server.js --\nx\n-- c1/srv/package-lock.json --\n{}\n", programs: map[string]string{"usr/bin/node": "x"},
			gaps: []string{"Corrupt /srv/package-lock.json: expected a lock file of npm (version 2 or 3), found something else"},
		},
		"Ruby of an image": {
			processes: []fakeProcess{process("/usr/local/bin/ruby", "ruby /app.rb")},
			files: debian + "-- c1/usr/local/bundle/specifications/rack-2.0.0.gemspec --\n-- c1/usr/local/lib/ruby/gems/3.2.0/specifications/default/json-2.6.3.gemspec --\n" +
				"-- c1/usr/lib/ruby/gems/3.1.0/specifications/rake-13.0.gemspec --\n",
			programs: map[string]string{"usr/local/bin/ruby": "x"},
			want: []fact.Module{
				module("RubyGems", "json", "2.6.3", "/usr/local/lib/ruby/gems/3.2.0/specifications/default/json-2.6.3.gemspec"),
				module("RubyGems", "rack", "2.0.0", "/usr/local/bundle/specifications/rack-2.0.0.gemspec"),
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := nodeFixture(t, append([]fakeProcess{initProcess}, tc.processes...), "-- c1/x --\n"+tc.files)
			for path, content := range tc.programs {
				full := filepath.Join(dir, "c1", path)
				if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(full, []byte(content), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			m := read(t, dir, fact.LevelFull, fact.Processes, fact.Images)
			if len(m.Images) != 1 || m.Containers[0].Image != m.Images[0].Key {
				t.Fatalf("inventories %+v, gaps %v", m.Images, m.Gaps)
			}
			if diff := cmp.Diff(tc.want, m.Images[0].Modules); diff != "" {
				t.Errorf("modules (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.opaque, m.Images[0].Opaque); diff != "" || m.Images[0].OpaqueCount != len(tc.opaque) {
				t.Errorf("opaque programs: %d (-want +got):\n%s", m.Images[0].OpaqueCount, diff)
			}
			var gaps []string
			for _, g := range m.Gaps {
				gaps = append(gaps, string(g.Reason)+" "+g.Detail)
			}
			if diff := cmp.Diff(tc.gaps, gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
		})
	}
}
