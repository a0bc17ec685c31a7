package overlay

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// A tree as a container sees it, by path.
type tree map[string]node

type node struct {
	kind    byte // 'd', 'f', 'l', 's' for FIFO
	content string
	mode    fs.FileMode
	uid     uint32
	caps    string
}

func snapshot(t testing.TB, root string) tree {
	t.Helper()
	out := tree{}
	must(t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		n := node{mode: info.Mode(), uid: st.Uid}
		switch {
		case e.IsDir():
			n.kind = 'd'
		case e.Type() == fs.ModeSymlink:
			n.kind = 'l'
			n.content, err = os.Readlink(path)
		case e.Type().IsRegular():
			n.kind = 'f'
			var raw []byte
			raw, err = os.ReadFile(path)
			n.content = string(raw)
			buf := make([]byte, 64)
			if size, err := unix.Lgetxattr(path, "security.capability", buf); err == nil {
				n.caps = string(buf[:size])
			}
		default:
			n.kind = 's'
		}
		out[strings.TrimPrefix(path, root)] = n
		return err
	}))
	return out
}

// expectation is what the difference of two trees says: a path with its origin, and
// whether it has gained something.
type expectation map[string]string

// diffTrees is the oracle: it knows nothing of layers.
func diffTrees(before, after tree) (files, data expectation) {
	files, data = expectation{}, expectation{}
	holdsCode := func(path string, n node) bool {
		return n.kind == 'f' && n.content != "" && (strings.HasPrefix(n.content, "\x7fELF") || strings.HasPrefix(n.content, "#!") || strings.HasSuffix(path, ".py") || filepath.Dir(path) == "/bin" && n.mode&0o111 != 0)
	}
	bits := func(n node) fs.FileMode { return n.mode & (fs.ModeSetuid | fs.ModeSetgid) }
	for path, now := range after {
		was, had := before[path]
		origin := ""
		switch {
		case now.kind != 'f' && now.kind != 'l':
			if had && was.kind != now.kind && was.kind != 's' {
				data[path] = "removed" // something else is in its place
			}
			continue
		case !had:
			origin = "added"
		case was.kind != now.kind || was.content != now.content:
			origin = "changed"
		case now.kind == 'f':
			origin = "metadata"
		default:
			continue
		}
		gain := now.kind == 'f' && (bits(now)&^bits(was) != 0 || now.caps != was.caps && now.caps != "" || bits(now) != 0 && now.uid != was.uid)
		if origin == "metadata" && !gain {
			continue
		}
		code := holdsCode(path, now) || gain || now.kind == 'l' && (strings.HasPrefix(path, "/bin/") || had && holdsCode(path, was))
		if gain {
			origin += ", gained"
		}
		if code {
			files[path] = origin
		} else {
			data[path] = origin
		}
	}
	for path, was := range before {
		if _, there := after[path]; there || was.kind == 's' {
			continue
		}
		if up, there := after[filepath.Dir(path)]; there && up.kind == 'd' || filepath.Dir(path) == "/" {
			data[path] = "removed"
		}
	}
	return files, data
}

// ours is what the walk says, in the oracle's words. unsure are directories of which it
// says that it does not know everything.
func ours(walk *fact.UpperWalk) (files, data expectation, unsure []string) {
	files, data = expectation{}, expectation{}
	for _, f := range walk.Files {
		origin := string(f.Origin)
		if f.Gained != "" {
			origin += ", gained"
		}
		if origin != "metadata" {
			files[f.Path] = origin
		}
	}
	for _, f := range walk.Data {
		if f.Kind == "directory" && (f.Origin == fact.OriginUnknown || strings.Contains(f.Detail, "layers")) {
			unsure = append(unsure, f.Path)
		}
		if f.Kind != "directory" || f.Origin == fact.OriginRemoved {
			data[f.Path] = string(f.Origin)
		}
	}
	return files, data, unsure
}

// vandal changes a tree at random: what people, programs and package managers do.
type vandal struct {
	*rand.Rand
	root string
	// replaces allows that a directory is removed and made again, which leaves a mark
	// that an unprivileged reader cannot see.
	replaces bool
	log      []string
}

var (
	randomDirs  = []string{"/bin", "/a", "/a/b", "/a/b/c", "/d", "/d/e", "/opt", "/opt/x"}
	randomNames = []string{"f", "g", "h", "prog", "mod.py", "n\nl"}
)

func (v *vandal) dir() string  { return randomDirs[v.IntN(len(randomDirs))] }
func (v *vandal) path() string { return v.dir() + "/" + randomNames[v.IntN(len(randomNames))] }

func (v *vandal) content() string {
	switch v.IntN(5) {
	case 0:
		return "\x7fELF" + strconv.Itoa(v.IntN(3))
	case 1:
		return "#!/bin/sh " + strconv.Itoa(v.IntN(3))
	case 2:
		return ""
	}
	return "data " + strconv.Itoa(v.IntN(4))
}

// write does not wait for the reader of a FIFO.
func (v *vandal) write(path string, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NONBLOCK, mode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(v.content())
	return errors.Join(err, f.Close())
}

// step makes one change. What does not work (a missing name, a directory in the way)
// is no change.
func (v *vandal) step() {
	p := v.path()
	full := v.root + p
	var err error
	what := ""
	switch v.IntN(18) {
	case 0, 1, 2:
		what = "write"
		if err = os.MkdirAll(filepath.Dir(full), 0o755); err == nil {
			err = v.write(full, 0o644)
		}
	case 3:
		what = "append nothing"
		var f *os.File
		if f, err = os.OpenFile(full, os.O_WRONLY|os.O_APPEND|unix.O_NONBLOCK, 0); err == nil { // it may be a FIFO
			err = f.Close()
		}
	case 4:
		what = "chmod"
		modes := []uint32{0o644, 0o755, 0o700, 0o4755, 0o2755, 0o6755, 0o4644, 0o1755}
		err = unix.Fchmodat(unix.AT_FDCWD, full, modes[v.IntN(len(modes))], unix.AT_SYMLINK_NOFOLLOW)
		if errors.Is(err, unix.EOPNOTSUPP) {
			err = nil // a link
		}
	case 5:
		what = "chown"
		err = os.Lchown(full, v.IntN(2)*1000, 0)
	case 6:
		what = "touch"
		err = unix.UtimesNanoAt(unix.AT_FDCWD, full, []unix.Timespec{{Sec: 1}, {Sec: 2}}, unix.AT_SYMLINK_NOFOLLOW)
	case 7, 8:
		what = "remove"
		err = os.Remove(full)
	case 9:
		what = "rename"
		err = os.Rename(full, v.root+v.path())
	case 10:
		what = "replace"
		_ = os.Remove(full)
		err = v.write(full, 0o755)
	case 11:
		what = "link"
		_ = os.Remove(full)
		err = os.Symlink([]string{"f", "/bin/prog"}[v.IntN(2)], full)
	case 12:
		what = "setcap"
		var st unix.Stat_t
		if err = unix.Lstat(full, &st); err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
			err = unix.Setxattr(full, "security.capability", vfsCaps(0x02000001, 1<<uint(v.IntN(2)), 0, 0, 0), 0)
		}
	case 13:
		what = "remove tree"
		if p = v.dir(); v.replaces {
			err = os.RemoveAll(v.root + p)
		}
	case 14:
		what = "replace directory"
		p = v.dir()
		if v.replaces {
			if err = os.RemoveAll(v.root + p); err == nil {
				err = os.Mkdir(v.root+p, 0o755)
			}
		}
	case 15:
		what = "rename directory"
		p = v.dir()
		if to := v.dir(); v.replaces {
			err = os.Rename(v.root+p, v.root+to)
		}
	case 16:
		what = "directory for file"
		var st unix.Stat_t
		if err = unix.Lstat(full, &st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR {
			if err = os.Remove(full); err == nil {
				err = os.Mkdir(full, 0o755)
			}
		}
	case 17:
		what = "FIFO for file"
		if v.IntN(3) == 0 {
			if err = os.Remove(full); err == nil {
				err = unix.Mkfifo(full, 0o644)
			}
		}
	}
	if err == nil {
		v.log = append(v.log, what+" "+strconv.Quote(p))
	}
}

// stack mounts layers, the topmost last, with an upperdir on them.
func stack(t testing.TB, layers []string, upper, work, merged, options string) {
	t.Helper()
	var lower []string
	for i := len(layers) - 1; i >= 0; i-- {
		lower = append(lower, layers[i])
	}
	err := unix.Mount("overlay", merged, "overlay", 0, "lowerdir="+strings.Join(lower, ":")+",upperdir="+upper+",workdir="+work+options)
	if err != nil {
		t.Fatalf("mounting %d layers: %v", len(layers), err)
	}
}

// mountedAt is a container whose root is an overlay of this mount namespace.
func mountedAt(t testing.TB, merged string) *Container {
	t.Helper()
	c := &Container{Node: nodeView(t), Root: func() (*rootfs.Root, error) { return rootfs.Open(merged) }}
	for _, m := range mountsOf(t, os.Getpid()) {
		if m.Point == merged {
			m.Point = "/"
			c.Mounts = append(c.Mounts, m)
		}
	}
	t.Cleanup(c.Close)
	return c
}

// seedsEnv says how many random layers to try: more than CI has time for.
const seedsEnv = "OVERLAY_TEST_SEEDS"

// A random image of several layers, and random changes in a container of it: what
// the walk says of upper equals the difference of the two trees.
func TestWalkUpperAgreesWithTrees(t *testing.T) {
	needMounts(t)
	seeds := 150
	if n, err := strconv.Atoi(os.Getenv(seedsEnv)); err == nil {
		seeds = n
	}
	for name, tc := range map[string]struct {
		// The image's layers, or only the container, remove directories and make them
		// again.
		imageReplaces, replaces bool
	}{
		"files":                {},
		"directories":          {replaces: true},
		"directories of image": {replaces: true, imageReplaces: true},
	} {
		t.Run(name, func(t *testing.T) {
			total := counts{}
			begun := time.Now()
			for seed := range seeds {
				randomLayer(t, uint64(seed), tc.imageReplaces, tc.replaces, &total)
				if t.Failed() {
					break
				}
			}
			t.Logf("%d seeds in %s: %+v", seeds, time.Since(begun).Round(time.Millisecond), total)
			if total.Files < seeds || total.Data < seeds {
				t.Errorf("%+v: the trees try too little", total)
			}
			if most := total.Data / 6; total.Excused > most {
				t.Errorf("%d paths are excused, want at most %d", total.Excused, most)
			}
		})
	}
}

// counts are over all seeds.
type counts struct{ Files, Data, Unsure, Excused int }

// excuseHidden drops what is "added" for the container, while the walk compares it with
// a file that a layer of the image holds and another one hides by an opaque
// directory, whose mark it cannot see (see the package's comment).
func excuseHidden(before tree, lowers []string, wantFiles, wantData, files, data expectation) int {
	n := 0
	for _, want := range []expectation{wantFiles, wantData} {
		for path, origin := range want {
			if _, had := before[path]; had || !strings.HasPrefix(origin, "added") {
				continue
			}
			for _, lower := range lowers {
				if _, err := os.Lstat(lower + path); err == nil && files[path] != origin && data[path] != origin {
					delete(want, path)
					delete(files, path)
					delete(data, path)
					n++
					break
				}
			}
		}
	}
	return n
}

func randomLayer(t *testing.T, seed uint64, imageReplaces, replaces bool, total *counts) {
	t.Helper()
	dir := t.TempDir()
	must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, ""))
	defer func() { must(t, unix.Unmount(dir, unix.MNT_DETACH)) }()
	merged := filepath.Join(dir, "merged")
	must(t, os.Mkdir(merged, 0o755))
	v := &vandal{Rand: rand.New(rand.NewPCG(seed, 1)), root: merged, replaces: imageReplaces}
	layers := 1 + v.IntN(3)
	var lowers []string
	empty := filepath.Join(dir, "empty")
	must(t, os.Mkdir(empty, 0o755))
	lowers = append(lowers, empty)
	for i := range layers + 1 {
		upper, work := filepath.Join(dir, fmt.Sprint("upper", i)), filepath.Join(dir, fmt.Sprint("work", i))
		must(t, os.Mkdir(upper, 0o755))
		must(t, os.Mkdir(work, 0o755))
		stack(t, lowers, upper, work, merged, "")
		if i < layers {
			for range 20 {
				v.step()
			}
			must(t, unix.Unmount(merged, 0))
			lowers = append(lowers, upper)
			v.log = append(v.log, "--")
			continue
		}
		before := snapshot(t, merged)
		must(t, unix.Unmount(merged, 0))
		stack(t, lowers, upper, work, merged, "")
		v.replaces = replaces
		for range 2 + v.IntN(40) {
			v.step()
		}
		after := snapshot(t, merged)
		c := mountedAt(t, merged)
		walk, gap := c.WalkUpper(t.Context(), Limits{Time: time.Minute, Data: 1000, Files: 1000})
		c.Close()
		if gap != nil {
			t.Errorf("seed %d: gap %+v", seed, gap)
		}
		wantFiles, wantData := diffTrees(before, after)
		files, data, unsure := ours(walk)
		if imageReplaces {
			total.Excused += excuseHidden(before, lowers, wantFiles, wantData, files, data)
		}
		for path, origin := range wantData {
			for _, dir := range unsure {
				if data[path] == "" && origin == "removed" && within(dir, path) {
					delete(wantData, path)
					total.Excused++
				}
			}
		}
		if n := walk.DataCounts; n.Added+n.Changed+n.Removed+n.Unknown != len(walk.Data) || walk.Total-walk.Copies > len(walk.Files) {
			t.Errorf("seed %d: %d data files, counts %+v, %d files of %d", seed, len(walk.Data), n, len(walk.Files), walk.Total)
		}
		total.Files, total.Data, total.Unsure = total.Files+len(wantFiles), total.Data+len(wantData), total.Unsure+len(unsure)
		if diff := cmp.Diff([]expectation{wantFiles, wantData}, []expectation{files, data}); diff != "" {
			sort.Strings(unsure)
			text, _ := json.MarshalIndent(walk.Data, "", " ")
			t.Errorf("seed %d: trees (-) and walk (+):\n%s\nchanges: %s\nunsure: %q\ndata: %s", seed, diff, strings.Join(v.log, "; "), unsure, text)
		}
		must(t, unix.Unmount(merged, 0))
	}
}
