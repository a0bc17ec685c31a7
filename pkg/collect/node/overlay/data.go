package overlay

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/volatile"
)

// full is the path inside the container, raw.
func (f *found) full() string {
	if strings.HasSuffix(f.Path, f.rel) {
		return f.Path // valid UTF-8
	}
	return "/" + f.rel
}

// dataLists are the files without code that are listed.
type dataLists struct{ changed, removed, added, unknown []found }

// first is the first n of them by path: changed and removed ones, which the image had,
// before added ones.
func (d *dataLists) first(n int) []found {
	var all []found
	for _, list := range [][]found{d.changed, d.removed, d.added, d.unknown} {
		all = append(all, first(list, n-len(all))...)
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].rel < all[j].rel })
	return all
}

// judged counts a file without code, or one that is gone, by its origin. Its hash
// stays out of the facts: that of a short secret would give the secret away.
func (w *walker) judged(f *found) {
	list, n := &w.data.unknown, &w.counts.Unknown
	switch f.Origin {
	case fact.OriginMetadata:
		w.counts.Copies++
		return
	case fact.OriginAdded:
		list, n = &w.data.added, &w.counts.Added
	case fact.OriginChanged:
		list, n = &w.data.changed, &w.counts.Changed
	case fact.OriginRemoved:
		list, n = &w.data.removed, &w.counts.Removed
	}
	*n++
	if w.limits.Data > 0 {
		*list = keep(*list, *f, w.limits.Data)
	}
}

// plain judges a regular file that holds no code and gives nothing. What needs a
// comparison of contents waits, so that code is looked at first.
func (w *walker) plain(e *entry, f *found, over bool) {
	switch {
	case volatile.Reason(f.full()) != "", e.st.Size == 0 && w.mounts.points[f.full()]:
		w.counts.Volatile++
		w.madeFile(f.rel)
		return
	case w.lowerErr != nil:
		w.counts.Unknown++
		w.problem(w.lowerErr)
		return
	case w.l.redirect || w.l.metacopy:
	case !over:
		f.Origin = fact.OriginAdded
		w.judged(f)
		return
	default:
		low, err := w.l.inLower(f.rel)
		low.close()
		switch {
		case err != nil:
			w.uncompared(f, err)
			return
		case low.kind == absent:
			f.Origin = fact.OriginAdded
			w.judged(f)
			return
		case low.kind == other:
			f.Origin, f.Detail = fact.OriginChanged, "the image has this name, but not as a regular file"
			w.judged(f)
			return
		case low.st.Size != e.st.Size:
			f.Origin = fact.OriginChanged
			w.judged(f)
			return
		}
	}
	w.later.files = append(w.later.files, *f)
	if w.later.bytes += len(f.rel); len(w.later.files) == maxLater || w.later.bytes > maxLaterBytes {
		w.compareLater(false)
	}
}

// uncompared counts a file that could not be compared.
func (w *walker) uncompared(f *found, err error) {
	f.Origin, f.Detail = fact.OriginUnknown, plain(err)
	w.judged(f)
	w.problem(&problem{rootfs.ReasonOf(err), "/" + rootfs.Text(f.rel) + ": " + plain(err)})
}

// later are the files without code whose content has to be compared.
type later struct {
	files   []found
	bytes   int           // of their names
	spent   time.Duration // before the walk was over
	dropped int           // because the time was over
}

// Bounds of what waits for a comparison, and the part of the walk's time that
// comparisons may take before its end.
const (
	maxLater      = 2048
	maxLaterBytes = 256 << 10
	laterPart     = 4
)

// compareLater compares what waits.
func (w *walker) compareLater(last bool) {
	ctx, cancel := w.ctx, context.CancelFunc(func() {})
	begun := time.Now()
	if !last {
		ctx, cancel = context.WithTimeout(ctx, w.limits.Time/laterPart-w.later.spent)
	}
	defer cancel()
	// The walk stands in the middle of a directory of the lowers; it opens it again.
	sort.Slice(w.later.files, func(i, j int) bool { return w.later.files[i].rel < w.later.files[j].rel })
	for i := range w.later.files {
		f := &w.later.files[i]
		if ctx.Err() != nil {
			f.Origin, f.Detail = fact.OriginUnknown, "not compared: the time for the walk was over"
			w.later.dropped++
			w.judged(f)
			continue
		}
		e, err := w.l.inUpper(f.rel)
		if err == nil && (e.kind != regular || !unchanged(&e.st, &f.st)) {
			err = errChanging
		}
		if err != nil {
			e.close()
			w.uncompared(f, err)
			continue
		}
		f.Origin, f.Detail, _ = w.c.classify(ctx, w.l, &e, f.rel)
		e.close()
		if f.Origin == fact.OriginUnknown && ctx.Err() != nil {
			w.later.dropped++
		}
		w.judged(f)
	}
	clear(w.later.files)
	w.later.files, w.later.bytes = w.later.files[:0], 0
	if !last {
		w.later.spent += time.Since(begun)
	}
}

// link judges a symbolic link. Where programs and libraries are looked up, it can put
// other code in the place of the image's.
func (w *walker) link(dir *rootfs.Dir, rel, base string, over bool) {
	f := found{rel: rel + base}
	text, err := dir.Readlink(base)
	var st rootfs.Info
	if err == nil {
		st, err = dir.Lstat(base)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, rootfs.ErrNotLink):
		return // it is gone, or something else by now
	case err != nil:
		w.failed(f.rel, err)
		return
	}
	f.st = st
	f.UpperFile = fact.UpperFile{
		Path: "/" + rootfs.Text(f.rel), Kind: kindLink, Size: st.Size, Mode: unixMode(st.Mode), UID: st.UID, Changed: fact.NewTime(st.Ctime),
		Origin: fact.OriginAdded, Detail: fmt.Sprintf("to %.200q", rootfs.Text(text)),
	}
	code := leadsToCode(f.rel)
	if isLoader(f.rel) {
		code, f.Kind = true, kindLoader
	}
	switch {
	case w.lowerErr != nil:
		f.Origin = fact.OriginUnknown
		w.problem(w.lowerErr)
	case over:
		low, err := w.l.inLower(f.rel)
		defer low.close()
		switch {
		case err != nil:
			f.Origin = fact.OriginUnknown
			w.problem(&problem{rootfs.ReasonOf(err), "/" + rootfs.Text(f.rel) + ": " + plain(err)})
		case low.kind == absent:
		case low.kind == other && low.st.Mode.Type() == fs.ModeSymlink:
			before, err := w.l.lowerLink(f.rel)
			switch {
			case err != nil:
				f.Origin = fact.OriginUnknown
				w.problem(&problem{rootfs.ReasonOf(err), "/" + rootfs.Text(f.rel) + ": " + plain(err)})
			case before == text:
				w.counts.Copies++
				return
			default:
				f.Origin = fact.OriginChanged
				f.Detail += fmt.Sprintf(", in the image to %.200q", rootfs.Text(before))
			}
		default:
			f.Origin = fact.OriginChanged
			kind := w.lowerKind(&low, base)
			f.Detail += ", in the image " + describeKind(kind)
			code = code || kind != kindData && kind != kindDirectory && kind != ""
		}
	}
	switch {
	case w.mounts.runtimeLink(f.rel):
		w.counts.Volatile++
	case code:
		w.code(f)
	case volatile.Reason("/"+f.rel) != "":
		w.counts.Volatile++
		w.madeFile(f.rel)
	default:
		w.judged(&f)
	}
}

// special handles what is neither a file, a directory nor a link: a whiteout, which
// removes a name of the image, or a FIFO, a socket or a device node.
func (w *walker) special(dir *rootfs.Dir, rel, base string, over bool) {
	name := rel + base
	st, err := dir.Lstat(base)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return
	case err != nil:
		w.failed(name, err)
		return
	}
	detail := ""
	if !isWhiteout(&st) {
		w.counts.Special++
		w.madeFile(name)
		detail = "something else is in its place: " + st.Mode.Type().String()
	}
	if w.lowerErr != nil {
		if detail == "" {
			w.counts.Unknown++
			w.problem(w.lowerErr)
		}
		return
	}
	if !over {
		if detail == "" && w.l.redirect {
			w.counts.Unknown++ // of a directory that has another name in the image
		}
		return
	}
	w.removed(name, detail)
}

// removed judges a name of the image that upper hides.
func (w *walker) removed(name, detail string) {
	low, err := w.l.inLower(name)
	defer low.close()
	switch {
	case err != nil:
		w.uncompared(&found{rel: name, UpperFile: fact.UpperFile{Path: "/" + rootfs.Text(name), Kind: kindData}}, err)
	case low.kind != absent:
		w.gone(name, &low, detail)
	case detail == "" && w.l.redirect:
		w.counts.Unknown++
	}
}

// gone lists a file of the image that is hidden. When it was is unknown: whiteouts
// share an inode, and with it their time of change.
func (w *walker) gone(name string, low *entry, detail string) {
	_, base := splitRel(name)
	kind := w.lowerKind(low, base)
	below := "/" + name
	switch kind {
	case "":
		w.counts.Special++
		return
	case kindDirectory:
		below += "/." // what lies in it
	}
	if (kind == kindData || kind == kindDirectory || kind == kindLink) && volatile.Reason(below) != "" {
		w.counts.Volatile++
		return
	}
	w.judged(&found{rel: name, st: low.st, UpperFile: fact.UpperFile{
		Path: "/" + rootfs.Text(name), Kind: kind, Origin: fact.OriginRemoved, Detail: detail,
		Size: low.st.Size, Mode: unixMode(low.st.Mode), UID: low.st.UID,
	}})
}

// lowerKind says what a file of the image is, "" for a FIFO and the like. What
// cannot be read counts as data.
func (w *walker) lowerKind(low *entry, base string) string {
	switch low.st.Mode.Type() {
	case fs.ModeDir:
		return kindDirectory
	case fs.ModeSymlink:
		return kindLink
	case 0:
	default:
		return ""
	}
	if low.file == nil {
		return kindData
	}
	file, err := low.file.Open()
	if err != nil {
		return kindData
	}
	defer func() { _ = file.Close() }()
	var h head
	if h.read(file, low.st.Size) != nil {
		return kindData
	}
	return kindOf(base, &h, low.st.Size)
}

func describeKind(kind string) string {
	switch kind {
	case kindDirectory:
		return "a directory"
	case kindData, kindCode, kindLoader:
		return "a file"
	case "":
		return "something else"
	case kindELF, kindLibrary:
		return "an ELF file"
	}
	return "a " + kind
}

// overDirectory reports whether the image has a directory where upper has one, and
// lists another file that the image has there.
func (w *walker) overDirectory(name string) bool {
	low, err := w.l.inLower(name)
	defer low.close()
	switch {
	case err != nil:
		w.failed(name, err)
		return false
	case low.kind == absent:
		return false
	case low.kind == other && low.st.Mode.IsDir():
		return true
	}
	w.gone(name, &low, "a directory is in its place")
	return false
}

// maxHidden is how many names of the image are tried for one directory.
const maxHidden = 64

// replaced lists what the image has in a directory and upper's directory hides: a
// directory that was removed and made again is opaque, and shows nothing of the
// image. Its mark, trusted.overlay.opaque, needs CAP_SYS_ADMIN, so the container's
// own view decides: a name of the image that upper does not have is there, or not.
// hidden reports that this is known of the directory above.
//
// Only the names of the topmost layer are listed. It may have such a mark too, and
// then those of the layers below are not the image's.
func (w *walker) replaced(dir *rootfs.Dir, rel string, hidden bool) bool {
	name := strings.TrimSuffix(rel, "/")
	dirs, err := w.l.lowerDirs(name)
	if err != nil {
		w.failed(name, err)
		return false
	}
	if len(dirs) == 0 {
		return false
	}
	if hidden {
		if _, between, err := w.l.topmost(name); err != nil || between {
			return true
		}
	} else {
		opaque, known := w.opaque(dir, dirs, name)
		if known && !opaque {
			return false
		}
		if known {
			if known, err = w.ofImage(name); err != nil {
				w.failed(name, err)
				return false
			}
		}
		if !known {
			w.directory(rel, name, fact.OriginUnknown, "whether it hides files of the image is unknown")
			return false
		}
		detail := "removed and made again: it hides the image's"
		if len(dirs) > 1 {
			detail += fmt.Sprintf(", of which %d layers have one; the files of the first are listed", len(dirs))
		}
		w.directory(rel, name, fact.OriginChanged, detail)
	}
	n := 0
	err = dirs[0].Each(w.names, func(e *rootfs.RawEntry) bool {
		if n++; n > w.limits.Entries {
			w.stop(fmt.Sprintf("%d entries of the image below %.200q", w.limits.Entries, "/"+rootfs.Text(name)))
			return false
		}
		if n%256 == 0 && w.late() {
			return false
		}
		base := string(e.Name)
		if _, err := dir.Lstat(base); !errors.Is(err, fs.ErrNotExist) {
			return true // compared as what upper has
		}
		entry, err := lookAt(dirs[0], base)
		defer entry.close()
		if err != nil {
			w.failed(rel+base, err)
			return true
		}
		if entry.kind != absent && entry.kind != whiteout {
			w.gone(rel+base, &entry, "")
		}
		return true
	})
	if err != nil {
		w.failed(name, err)
	}
	return true
}

// directory lists a directory of upper.
func (w *walker) directory(rel, name string, origin fact.Origin, detail string) {
	if volatile.Reason("/"+rel+".") != "" {
		w.counts.Volatile++
		return
	}
	st, err := w.l.upperInfo(name)
	if err != nil {
		return // it is gone
	}
	w.judged(&found{rel: name, st: st, UpperFile: fact.UpperFile{
		Path: "/" + rootfs.Text(name), Kind: kindDirectory, Origin: origin, Mode: unixMode(st.Mode), UID: st.UID,
		Changed: fact.NewTime(st.Ctime), Detail: detail,
	}})
}

// opaque reports whether the container sees nothing of what the lowers have in a
// directory of upper. known is false where that cannot be seen.
func (w *walker) opaque(dir *rootfs.Dir, lowers []*rootfs.Dir, name string) (opaque, known bool) {
	if w.l.sameDev {
		// A merged directory has the inode number of the lower's.
		info, m, err := w.c.see("/" + name)
		if err == nil && sameDevice(m, w.l.mount) {
			if st, err := w.l.upperInfo(name); err == nil && st.Ino != info.Ino {
				return false, true
			}
		}
	}
	for i, low := range lowers {
		missing, visible, known := w.visible(dir, lowers[:i], low, name)
		switch {
		case !known:
			return false, false
		case visible:
			return false, true
		case missing && i == 0:
			return true, true
		case missing:
			// The layer above may hide it as well.
			return false, false
		}
	}
	return false, true // upper has all names
}

// visible looks for a name in a lower's directory that neither upper nor the lowers
// above have, and reports whether the container sees it.
func (w *walker) visible(dir *rootfs.Dir, above []*rootfs.Dir, low *rootfs.Dir, name string) (missing, visible, known bool) {
	tried := 0
	known = true
	err := low.Each(w.names, func(e *rootfs.RawEntry) bool {
		if w.late() {
			known = false
			return false
		}
		base := string(e.Name)
		for _, d := range above {
			if _, err := d.Lstat(base); !errors.Is(err, fs.ErrNotExist) {
				return true
			}
		}
		if _, err := dir.Lstat(base); !errors.Is(err, fs.ErrNotExist) {
			return true
		}
		if e.Type == fs.ModeDevice|fs.ModeCharDevice {
			if st, err := low.Lstat(base); err != nil || isWhiteout(&st) {
				return true
			}
		}
		_, _, err := w.c.see("/" + name + "/" + base)
		switch {
		case err == nil:
			visible = true
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, rootfs.ErrNotDir):
			missing = true
		case errors.Is(err, errUntouchable):
			// Below a mount of the container, which hides what the overlay has there.
			tried++
			return tried < maxHidden
		default:
			known = false
			w.problem(&problem{rootfs.ReasonOf(err), fmt.Sprintf("what the container sees of %.200q: %s", "/"+rootfs.Text(name), plain(err))})
		}
		return false
	})
	return missing, visible, known && err == nil
}

// ofImage reports whether what the lowers have in a directory is part of the image.
// A layer of the image can have an opaque directory too, with a mark that is just as
// invisible: then the layers below it show nothing there. That is possible where a
// layer above the first one with the directory has one of those above it. Then
// another name beside the directory shows whether it is so.
func (w *walker) ofImage(name string) (bool, error) {
	top, between, err := w.l.topmost(name)
	if err != nil || !between {
		return err == nil, err
	}
	parent, base := splitRel(name)
	dir, _, err := descend(w.l.lowers[top], parent)
	if err != nil || dir == nil {
		return false, err
	}
	defer dir.Close()
	result, tried := false, 0
	err = dir.Each(w.names, func(e *rootfs.RawEntry) bool {
		beside := string(e.Name)
		if beside == base || w.late() {
			return !w.late()
		}
		if tried++; tried > maxHidden {
			return false
		}
		rel := beside
		if parent != "" {
			rel = parent + "/" + beside
		}
		up, err := w.l.inUpper(rel)
		up.close()
		if err != nil || up.kind != absent {
			return true
		}
		first, _, err := w.l.topmost(rel)
		if err != nil || first != top {
			return true
		}
		if _, _, err := w.c.see("/" + rel); err == nil {
			result = true
			return false
		}
		return true
	})
	return result, err
}

// pythonCache reports byte code that python itself writes while it runs, which is
// normal in a container whose code is in directories that it may write: a file of
// __pycache__ that names the time and size of its source (PEP 3147), which python
// checks before it loads the file. It proves nothing about the rest, but who can
// write it can write the source. It is code if the source is missing or another
// one, if the file tells python not to check (PEP 552), or if the image has a valid
// file of this name with another content, because then python had no reason to
// write.
func (w *walker) pythonCache(f *found, h *head) bool {
	dir, base := splitRel(f.rel)
	dir, cache := splitRel(dir)
	ext := path.Ext(base)
	if cache != "__pycache__" || ext != ".pyc" || w.lowerErr != nil {
		return false
	}
	module, _, tagged := strings.Cut(strings.TrimSuffix(base, ext), ".")
	if !tagged {
		return false
	}
	name := module + ".py"
	if dir != "" {
		name = dir + "/" + name
	}
	source, err := w.l.inUpper(name)
	source.close()
	if err == nil && source.kind == absent {
		source, err = w.l.inLower(name)
		source.close()
	}
	if err != nil || source.kind != regular || !compiledFrom(h, &source.st) {
		return false
	}
	low, err := w.l.inLower(f.rel)
	defer low.close()
	if err != nil {
		return false
	}
	if low.kind != regular {
		return low.kind == absent
	}
	file, err := low.file.Open()
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	var was head
	// A valid one of the image's is compared like any code.
	return was.read(file, low.st.Size) == nil && !(was.n >= 4 && [4]byte(was.data[:4]) == [4]byte(h.data[:4]) && compiledFrom(&was, &source.st))
}

// compiledFrom reports whether the header of byte code names a source: magic number,
// flags (0: by time), time and size, 32 bits each.
func compiledFrom(h *head, source *rootfs.Info) bool {
	if h.n < 16 {
		return false
	}
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(h.data[4*i:]) }
	return word(1) == 0 && word(2) == uint32(source.Mtime.Unix()) && word(3) == uint32(source.Size)
}

// mounted are the mount points of a container, which its runtime made in the
// writable layer where the image has none.
type mounted struct {
	points map[string]bool
	// above are the directories above them.
	above map[string]bool
	// libraries are the directories and names, up to ".so", of libraries that a runtime
	// mounts into the container: a GPU's driver.
	libraries map[string]bool
}

func mountedFiles(mounts []procfs.MountInfo) mounted {
	m := mounted{map[string]bool{}, map[string]bool{}, map[string]bool{}}
	for i := range mounts {
		point := mounts[i].Point
		m.points[point] = true
		for up := path.Dir(point); !m.above[up]; up = path.Dir(up) {
			m.above[up] = true // "/" and "." are above themselves
		}
		dir, base := splitRel(strings.TrimPrefix(point, "/"))
		if isLibrary(base) {
			m.libraries[libraryName(dir, base)] = true
		}
	}
	return m
}

func libraryName(dir, base string) string {
	stem, _, _ := strings.Cut(base, ".so")
	return dir + "/" + stem
}

// runtimeLink reports a link such as libcuda.so.1 beside a mounted libcuda.so.550.54:
// hooks of a runtime make it.
func (m *mounted) runtimeLink(rel string) bool {
	dir, base := splitRel(rel)
	return isLibrary(base) && m.libraries[libraryName(dir, base)]
}

// runtimeCache reports the cache of libraries where a hook that mounts libraries has run
// ldconfig. Which library is loaded can change by it only to one that is mounted, the
// image's, or an added one, which is listed.
func (m *mounted) runtimeCache(rel string) bool {
	return rel == "etc/ld.so.cache" && len(m.libraries) > 0
}
