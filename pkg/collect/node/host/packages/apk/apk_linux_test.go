package apk

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
)

// built is when the tests' indexes say that they were made.
var built = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// member packs files as one gzip member. The signature's archive has no end
// (abuild-sign cuts it off), so that both are one archive.
func member(t testing.TB, end bool, files ...string) []byte {
	t.Helper()
	var plain, packed bytes.Buffer
	w := tar.NewWriter(&plain)
	for i := 0; i < len(files); i += 2 {
		header := &tar.Header{Name: files[i], Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(files[i+1])), ModTime: built}
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if end {
		err = w.Close()
	} else {
		err = w.Flush()
	}
	z := gzip.NewWriter(&packed)
	_, writeErr := z.Write(plain.Bytes())
	if err = errors.Join(err, writeErr, z.Close()); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// index is an APKINDEX.tar.gz of packages NAME-VERSION.
func index(t testing.TB, packages ...string) string {
	t.Helper()
	var b strings.Builder
	for _, p := range packages {
		at := strings.LastIndex(p[:strings.LastIndexByte(p, '-')], "-")
		fmt.Fprintf(&b, "C:Q1pKzdjcxzlUlqBUHtiZZYYYSpBUQ=\nP:%s\nV:%s\nA:x86_64\nS:1\nI:1\nT:a package: with V:1 in its text\no:%s-src\nt:1\nD:so:libc.musl-x86_64.so.1 a>1\n\n", p[:at], p[at+1:], p[:at])
	}
	return string(member(t, false, ".SIGN.RSA.alpine-devel@lists.alpinelinux.org-6165ee59.rsa.pub", "signature")) +
		string(member(t, true, "DESCRIPTION", "v3.20.3", "APKINDEX", b.String()))
}

// record is a record of the installed database.
func installedRecord(name, version string, more ...string) string {
	return "C:Q1abc=\nP:" + name + "\nV:" + version + "\nA:x86_64\nS:1\nI:2\nT:x\nU:https://x\nL:MIT\no:" + name + "\nm:M <m@x>\nt:1\nc:abc\nD:/bin/sh\n" +
		"F:etc\nM:0:0:755\nR:passwd\na:0:0:644\nZ:Q1x=\n" + strings.Join(append(more, ""), "\n") + "\n"
}

const (
	mainURL  = "https://dl-cdn.alpinelinux.org/alpine/v3.20/main"
	edgeURL  = "https://me:CANARY@mirror.example/alpine/edge/main/"
	database = "lib/apk/db/installed"
)

func cacheName(url string) string { return (&repository{url: url}).cached("x86_64")[1] }

func alpine(t testing.TB) hosttest.Files {
	t.Helper()
	return hosttest.Files{
		"etc/apk/repositories": mainURL + "\n@edge " + edgeURL + "\n# x\n",
		"etc/apk/world":        "alpine-base\nbusybox\nopenssl=3.3.1-r0\nzlib<1.4\ncurl@edge\nlocal><Q1abc=\n!conflict\nnginx~1.26\n",
		"etc/apk/arch":         "x86_64\n",
		database: installedRecord("busybox", "1.36.1-r28") + installedRecord("openssl", "3.3.1-r0") + installedRecord("zlib", "1.3.1-r0") +
			installedRecord("curl", "8.9.0-r0", "s:edge") + installedRecord("local", "1.0-r0") + installedRecord("nginx", "1.26.1-r0") +
			installedRecord("own", "1-r0") + installedRecord("ahead", "2.0-r0") + installedRecord("musl", "1.2.5-r0"),
		"var/cache/apk/" + cacheName(mainURL): index(t, "busybox-1.36.1-r29", "busybox-1.36.1-r27", "openssl-3.3.1-r0", "openssl-3.3.2-r1", "zlib-1.3.2-r0", "zlib-1.4-r0",
			"curl-8.8.0-r0", "local-1.1-r0", "nginx-1.27.0-r0", "nginx-1.26.2-r0", "ahead-1.9-r0", "musl-1.2.5-r0", "not-there-1-r0"),
		"var/cache/apk/" + cacheName(edgeURL): index(t, "curl-8.10.1-r0", "musl-1.2.6-r0", "busybox-9-r0"),
	}
}

func TestRead(t *testing.T) {
	const mainName, edgeName = "dl-cdn.alpinelinux.org/alpine/v3.20/main", "mirror.example/alpine/edge/main/ @edge"
	update := func(name, installed, candidate string) fact.PendingUpdate {
		return fact.PendingUpdate{Name: name, Arch: "x86_64", Installed: installed, Candidate: candidate, Archive: mainName, Source: name + "-src", Unclassified: true}
	}
	held := func(u fact.PendingUpdate) fact.PendingUpdate { u.Held = true; return u }
	curl := update("curl", "8.9.0-r0", "8.10.1-r0")
	curl.Archive = edgeName
	busybox := update("busybox", "1.36.1-r28", "1.36.1-r29")
	all := []fact.PendingUpdate{
		busybox, curl, held(update("local", "1.0-r0", "1.1-r0")), update("nginx", "1.26.1-r0", "1.26.2-r0"), held(update("nginx", "1.26.1-r0", "1.27.0-r0")),
		held(update("openssl", "3.3.1-r0", "3.3.2-r1")), update("zlib", "1.3.1-r0", "1.3.2-r0"), held(update("zlib", "1.3.1-r0", "1.4-r0")),
	}
	withoutEdge := append([]fact.PendingUpdate{busybox}, all[2:]...)
	whole := alpine(t)
	mainCache, edgeCache := "var/cache/apk/"+cacheName(mainURL), "var/cache/apk/"+cacheName(edgeURL)
	three := "var/cache/apk/" + (&repository{url: mainURL}).cached("x86_64")[0]
	const outside, alone = "ahead newer, own unlisted", "ahead newer, curl newer, own unlisted"
	edgeThree := (&repository{url: edgeURL}).cached("x86_64")[0]
	missingEdge := "NotPresent the repository of /etc/apk/repositories:2 is in use, but /var/cache/apk/" + edgeThree + " or " + cacheName(edgeURL) + " was not found"
	for name, tc := range map[string]struct {
		files     hosttest.Files
		pending   []fact.PendingUpdate
		uncovered string
		gaps      []string
		indexes   int
		installed int
	}{
		"fresh, with all that world can say": {files: whole, pending: all, uncovered: outside, indexes: 2},
		"apk 3 names the cache otherwise": {
			files: whole.Without(mainCache).With(hosttest.Files{three: whole[mainCache]}), pending: all, uncovered: outside, indexes: 2,
		},
		"a tag that only the database has": {
			files: whole.Edit(t, "etc/apk/world", "curl@edge", "curl"), pending: all, uncovered: outside, indexes: 2,
		},
		"a tag that only world has": {
			files: whole.Edit(t, database, "s:edge\n", ""), pending: all, uncovered: outside, indexes: 2,
		},
		"a cache of its own": {
			files: whole.Without(mainCache, edgeCache).With(hosttest.Files{
				"etc/apk/cache": "link: /media/disk/cache", "media/disk/cache/" + cacheName(mainURL): whole[mainCache], "media/disk/cache/" + cacheName(edgeURL): whole[edgeCache],
				mainCache: "old",
			}), pending: all, uncovered: outside, indexes: 2,
		},
		"lists of apk 3": {
			files: whole.Without("etc/apk/repositories").With(hosttest.Files{
				"lib/apk/repositories.d/distribution.list": "set -default mirror=https://dl-cdn.alpinelinux.org/alpine\n${mirror}/v3.20 main\n",
				"etc/apk/repositories.d/distribution.list": "set mirror=https://dl-cdn.alpinelinux.org/alpine\nv2 ${mirror}/v3.20 main\nv2 @edge " + edgeURL + "\n",
			}), pending: all, uncovered: outside, indexes: 2,
		},
		"no architecture is written": {files: whole.Without("etc/apk/arch"), pending: all, uncovered: outside, indexes: 2},
		"a repository on the host": {
			files:     whole.Without(mainCache).With(hosttest.Files{"etc/apk/repositories": "/media/cdrom/apks\n", "media/cdrom/apks/x86_64/APKINDEX.tar.gz": whole[mainCache]}),
			uncovered: alone, indexes: 1,
		},
		"an index that was never fetched": {files: whole.Without(edgeCache), pending: withoutEdge, uncovered: alone, indexes: 1, gaps: []string{missingEdge}},
		"an index cut short": {
			files: whole.With(hosttest.Files{edgeCache: whole[edgeCache][:len(whole[edgeCache])-30]}), pending: all, uncovered: outside, indexes: 1,
			gaps: []string{"Truncated /" + edgeCache + ": ends too early: inside its compressed archive"},
		},
		"a signature alone": {
			files: whole.With(hosttest.Files{edgeCache: string(member(t, true, ".SIGN.RSA.x", "x"))}), pending: withoutEdge, uncovered: alone, indexes: 1,
			gaps: []string{"Truncated /" + edgeCache + ": ends too early: expected a file APKINDEX, found none"},
		},
		"an index that is none": {
			files: whole.With(hosttest.Files{edgeCache: "<html>"}), pending: withoutEdge, uncovered: alone, indexes: 1,
			gaps: []string{"Truncated /" + edgeCache + ": ends too early: inside a tar archive"},
		},
		"an index of apk 3": {
			files: whole.With(hosttest.Files{edgeCache: "ADB.xxxx"}), pending: withoutEdge, uncovered: alone, indexes: 1,
			gaps: []string{"Unsupported /" + edgeCache + ": an index in the format of apk 3 is not supported"},
		},
		"no repository": {
			files: whole.With(hosttest.Files{"etc/apk/repositories": "# none\n"}), gaps: []string{"NotPresent /etc/apk/repositories: no repository is enabled, so updates are unknown"},
		},
		"a line that is none": {
			files: whole.With(hosttest.Files{"etc/apk/repositories": mainURL + "\n@edge " + edgeURL + "\nhello CANARY\n${x}/a\n@tag\n"}), pending: all, uncovered: outside, indexes: 2,
			gaps: []string{
				"Corrupt /etc/apk/repositories:3: expected a URL or a path whose variables are set", "Corrupt /etc/apk/repositories:4: expected a URL or a path whose variables are set",
				"Corrupt /etc/apk/repositories:5: expected a URL or a path",
			},
		},
		"versions that apk does not order": {
			files: whole.With(hosttest.Files{database: installedRecord("busybox", "1.36.1+git")}), uncovered: "", indexes: 2, installed: 1,
			gaps: []string{"Corrupt 1 packages have versions that apk does not order, such as busybox, so their updates are unknown"},
		},
		"a database cut between lines": {
			files: whole.With(hosttest.Files{database: installedRecord("busybox", "1.36.1-r28") + "P:x\nV:1\n"}), pending: []fact.PendingUpdate{busybox}, indexes: 2, installed: 1,
			gaps: []string{`Truncated /lib/apk/db/installed: ends too early: no empty line after the record of "x"`},
		},
		"an empty database": {
			files: whole.With(hosttest.Files{database: ""}), indexes: 2, installed: -1, gaps: []string{"Truncated /lib/apk/db/installed: no installed package in it"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "a repository on the host" {
				tc.pending = nil
				for _, u := range withoutEdge {
					u.Archive = "/media/cdrom/apks"
					tc.pending = append(tc.pending, u)
				}
			}
			dir := tc.files.Write(t)
			state, gaps, err := Manager{}.Read(t.Context(), hosttest.OpenRoot(t, dir))
			if err != nil {
				t.Fatal(err)
			}
			var texts []string
			for _, gap := range hosttest.Placed(gaps, dir) {
				texts = append(texts, string(gap.Reason)+" "+gap.Detail)
			}
			if diff := cmp.Diff(tc.gaps, texts); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.pending, state.Pending); diff != "" {
				t.Errorf("pending (-want +got):\n%s", diff)
			}
			var uncovered []string
			for _, u := range state.Uncovered {
				uncovered = append(uncovered, u.Name+" "+string(u.Why))
			}
			if got := strings.Join(uncovered, ", "); got != tc.uncovered || state.UncoveredCount != len(uncovered) {
				t.Errorf("uncovered: %q, want %q", got, tc.uncovered)
			}
			switch tc.installed {
			case 0:
				tc.installed = 9
			case -1:
				tc.installed = 0
			}
			if state.Indexes != tc.indexes || len(state.Archives) != tc.indexes || state.Installed != tc.installed {
				t.Errorf("%+v", state)
			}
			damaged := slices.ContainsFunc(texts, func(text string) bool {
				return strings.Contains(text, "/installed: ends") || strings.Contains(text, "/local: ")
			})
			if (state.Set == "") != (damaged || state.Installed == 0) {
				t.Errorf("the sum of all packages is %q", state.Set)
			}
			for _, a := range state.Archives {
				if !a.Unclassified || a.Security || a.Checked.IsZero() != strings.HasPrefix(a.Name, "/") || !a.Date.Equal(built) {
					t.Errorf("archive %+v", a)
				}
			}
			if text := fmt.Sprintf("%+v %+v", state, gaps); strings.Contains(text, "CANARY") {
				t.Errorf("a password is in the facts: %s", text)
			}
		})
	}
	if _, _, err := (Manager{}).Read(t.Context(), hosttest.OpenRoot(t, t.TempDir())); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no database: %v", err)
	}
}

// TestBounds holds that neither long texts nor many updates take the probe's memory:
// each costs the file that has them.
func TestBounds(t *testing.T) {
	var many, offered strings.Builder
	for i := range maxOffers + 1 {
		fmt.Fprintf(&many, "P:p%d\nV:1-r0\nA:x86_64\n\n", i)
		fmt.Fprintf(&offered, "P:p%d\nV:2-r0\nA:x86_64\n\n", i)
	}
	long := strings.Repeat("9", maxText+1)
	cache := "var/cache/apk/" + cacheName(mainURL)
	for name, tc := range map[string]struct {
		installed, index string
		pending          int
		gap              string
	}{
		"as many updates as are kept": {many.String(), strings.Replace(offered.String(), "V:2", "V:1", 1), maxOffers, ""},
		"one update more":             {many.String(), offered.String(), 0, "/" + cache + ": more than the limit of 10000 updates"},
		"a long version in an index":  {"P:a\nV:1-r0\nA:x86_64\n\n", "P:a\nV:" + long + "\n\n", 0, "/" + cache + ": larger than the limit of 1024 bytes in the field V at byte 4"},
		"a long name in the database": {
			"P:a\nV:1-r0\nA:x86_64\n\nP:" + long + "\nV:1-r0\n\n", "P:a\nV:2-r0\n\n", 1, "/lib/apk/db/installed: larger than the limit of 1024 bytes in the field P at byte 21",
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := hosttest.OpenRoot(t, hosttest.Files{
				"etc/apk/repositories": mainURL + "\n", database: tc.installed, cache: string(member(t, true, "APKINDEX", tc.index)),
			}.Write(t))
			state, gaps, err := Manager{}.Read(t.Context(), root)
			if err != nil || len(state.Pending) != tc.pending {
				t.Fatalf("%v, %d pending, want %d", err, len(state.Pending), tc.pending)
			}
			var got []string
			for _, gap := range gaps {
				if gap.Reason != fact.Truncated {
					t.Errorf("reason %s", gap.Reason)
				}
				got = append(got, gap.Detail)
			}
			if text := strings.Join(got, "\n"); text != tc.gap {
				t.Errorf("gaps %q, want %q", text, tc.gap)
			}
		})
	}
}

// TestNewestCache takes the index that was checked last: after an upgrade of apk the
// one of its older version stays.
func TestNewestCache(t *testing.T) {
	names := (&repository{url: mainURL}).cached("x86_64")
	for i, want := range []string{"1.36.1-r30", "1.36.1-r31"} {
		files := alpine(t).Without("var/cache/apk/" + names[1]).With(hosttest.Files{
			"etc/apk/repositories":      mainURL + "\n",
			"var/cache/apk/" + names[0]: index(t, "busybox-1.36.1-r30"), "var/cache/apk/" + names[1]: index(t, "busybox-1.36.1-r31"),
		})
		dir := files.Write(t)
		old := built.AddDate(-1, 0, 0)
		if err := os.Chtimes(dir+"/var/cache/apk/"+names[1-i], old, old); err != nil {
			t.Fatal(err)
		}
		state, gaps, err := Manager{}.Read(t.Context(), hosttest.OpenRoot(t, dir))
		if err != nil || len(gaps) > 0 || len(state.Pending) != 1 || state.Pending[0].Candidate != want {
			t.Errorf("want %s, got %+v, %+v, %v", want, state, gaps, err)
		}
	}
}

// TestCacheName has the name that Alpine's own repository has in caches of apk 2.
func TestCacheName(t *testing.T) {
	r := repository{url: "http://dl-cdn.alpinelinux.org/alpine/v3.9/main"}
	if got := r.cached("x86_64"); got[1] != "APKINDEX.b89edf6e.tar.gz" {
		t.Errorf("got %v", got)
	}
	sum := sha1.Sum([]byte(r.url))
	if fmt.Sprintf("APKINDEX.%x.tar.gz", sum[:4]) != r.cached("x86_64")[1] {
		t.Error("it is not the SHA-1 of the URL")
	}
}

func TestWorld(t *testing.T) {
	world, err := parseWorld([]byte("a\nb=1.0-r0\nc<2 d>1\ne~1.6\nf@edge\ng><Q1abc=\n!h\ni>=1\ni<2\nj@edge=1.2\nk~=1.6\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, version string
		want          bool
	}{
		{"a", "9", true},
		{"b", "1.0-r0", true},
		{"b", "1.0-r1", false},
		{"c", "1.9", true},
		{"c", "2", false},
		{"d", "1", false},
		{"d", "2", true},
		{"e", "1.6.9-r1", true},
		{"e", "1.7", false},
		{"f", "1", true},
		{"g", "1", false},
		{"h", "1", true},
		{"i", "1", true},
		{"i", "2", false},
		{"i", "0", false},
		{"j", "1.2", true},
		{"j", "1.3", false},
		{"k", "1.6.1", true},
		{"k", "1.60", false},
		{"b", "junk", false},
	} {
		if got := world[tc.name].allows(tc.version); got != tc.want {
			t.Errorf("%s %s: %v", tc.name, tc.version, got)
		}
	}
	if world["f"].tag != "edge" || world["j"].tag != "edge" || world["h"] != nil {
		t.Errorf("%+v", world)
	}
}

func TestKernels(t *testing.T) {
	kernel := func(name, version, boot string, modules ...string) string {
		lines := []string{"F:boot", "R:" + boot}
		for _, m := range modules {
			lines = append(lines, "F:"+m, "F:"+m+"/kernel", "R:x.ko")
		}
		return installedRecord(name, version, lines...)
	}
	files := hosttest.Files{database: installedRecord("linux-firmware", "1-r0") + installedRecord("linux-headers", "6.6-r0", "F:usr/include/linux") +
		kernel("linux-lts", "6.6.58-r0", "vmlinuz-lts", "lib/modules/6.6.58-0-lts") + kernel("linux-virt", "6.12.1-r2", "vmlinuz-virt", "usr/lib/modules/6.12.1-2-virt") +
		kernel("linux-rpi", "6.6.31-r1", "vmlinuz-rpi") + installedRecord("zfs-lts", "2.2-r1", "F:lib/modules/6.6.58-0-lts")}
	kernels, err := Manager{}.Kernels(t.Context(), hosttest.OpenRoot(t, files.Write(t)))
	want := []fact.InstalledKernel{
		{Release: "6.6.58-0-lts", Path: "/lib/apk/db/installed", Package: "linux-lts", PackageVersion: "6.6.58-r0"},
		{Release: "6.12.1-2-virt", Path: "/lib/apk/db/installed", Package: "linux-virt", PackageVersion: "6.12.1-r2"},
		{Release: "6.6.31-1-rpi", Path: "/lib/apk/db/installed", Package: "linux-rpi", PackageVersion: "6.6.31-r1"},
	}
	if diff := cmp.Diff(want, kernels); diff != "" || err != nil {
		t.Errorf("%v, kernels (-want +got):\n%s", err, diff)
	}
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte(installedRecord("linux-lts", "6.6.58-r0", "F:boot", "R:vmlinuz-lts", "F:lib/modules/6.6.58-0-lts")), true)
	f.Add([]byte("P:a\nV:1\n\n\nP:b\nV:2\n"), false)
	f.Fuzz(func(t *testing.T, data []byte, installed bool) {
		size := 0
		_ = parseRecords(bytes.NewReader(data), installed, func(r *record) error {
			if r.name == "" || r.version == "" {
				t.Errorf("%+v", r)
			}
			size += len(r.name) + len(r.version) + len(r.arch) + len(r.origin) + len(r.tag)
			return nil
		})
		if size > len(data) {
			t.Errorf("%d bytes of %d", size, len(data))
		}
	})
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte("ADB."))
	z, _ := gzip.NewReader(strings.NewReader(index(f, "a-1-r0")))
	var plain bytes.Buffer
	if _, err := plain.ReadFrom(z); err != nil {
		f.Fatal(err)
	}
	f.Add(plain.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		found := 0
		if _, err := parseIndex(bytes.NewReader(data), func(*record) error { found++; return nil }); err == nil && found > len(data) {
			t.Errorf("%d packages of %d bytes", found, len(data))
		}
	})
}

func FuzzConfig(f *testing.F) {
	f.Add("@edge http://x/y\nset a=b\nv2 ${a}/x main\n/local\n", "a<1 b@t c~=1 d><x\n")
	f.Fuzz(func(t *testing.T, repositoriesText, worldText string) {
		var r repositories
		r.parse([]byte(repositoriesText), "f", "x86_64")
		for i := range r.list {
			if repo := &r.list[i]; strings.ContainsAny(strings.Join(repo.cached("x86_64"), ""), "/") {
				t.Errorf("%+v", repo)
			}
			r.list[i].name()
		}
		if len(r.list) > maxRepositories {
			t.Errorf("%d repositories", len(r.list))
		}
		world, _ := parseWorld([]byte(worldText))
		for name, w := range world {
			if !strings.Contains(worldText, name) {
				t.Errorf("%q is not in it", name)
			}
			w.allows("1.0-r0")
		}
	})
}
