package overlay

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sort"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Limits bound a walk, because a container can fill its writable layer with
// anything. A zero field means the default.
type Limits struct {
	Entries int           // names looked at: 50,000
	Depth   int           // directories below upperdir: 40
	Files   int           // files with code listed: fact.MaxUpperFiles
	Data    int           // files without code listed: fact.MaxUpperData
	Time    time.Duration // of this walk; the context's deadline holds as well: 1 s
}

func (l Limits) withDefaults() Limits {
	if l.Entries <= 0 {
		l.Entries = 50_000
	}
	if l.Depth <= 0 {
		l.Depth = 40
	}
	if l.Files <= 0 {
		l.Files = fact.MaxUpperFiles
	}
	if l.Data <= 0 {
		l.Data = fact.MaxUpperData
	}
	if l.Time <= 0 {
		l.Time = time.Second
	}
	return l
}

// WalkUpper lists what the container's writable layer has that the image does not:
// files with code, whatever their mode, files that have gained a set-user-ID bit
// or the like, and files without code that were added, changed or removed.
//
// The gap has no subject. With a reason other than NotPresent and Corrupt it
// accompanies a walk that is complete as far as it goes. An overlay without an
// upperdir cannot be written, so its walk is empty and has no path.
func (c *Container) WalkUpper(ctx context.Context, limits Limits) (*fact.UpperWalk, *fact.NodeGap) {
	l, problem := c.open()
	if problem != nil {
		return nil, problem.gap(fact.Upperdir)
	}
	if l.upper == nil {
		return &fact.UpperWalk{DataCounts: &fact.DataCounts{}, Written: &fact.WrittenDirs{}}, nil
	}
	limits = limits.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, limits.Time)
	defer cancel()
	dir, err := l.upper.Dir()
	if err != nil {
		return nil, &fact.NodeGap{What: fact.Upperdir, Reason: rootfs.ReasonOf(err), Detail: fmt.Sprintf("opening upperdir %.200q: %v", rootfs.Text(l.upperPath), err)}
	}
	w := walker{ctx: ctx, c: c, l: l, limits: limits, names: rootfs.NewNames(), mounts: mountedFiles(c.Mounts)}
	w.out.Path = rootfs.Text(l.upperPath)
	w.out.DataCounts = &w.counts
	w.lowerErr = l.openLowers(c.UserNS)
	w.dir(dir, "", 0, w.lowerErr == nil, false)
	return w.finish()
}

// walker is one walk. It keeps a bounded number of files. Those that count as
// drift come before the copies of image files; otherwise a chmod of /usr could
// push a planted file off the list.
type walker struct {
	ctx      context.Context
	c        *Container
	l        *layers
	limits   Limits
	names    *rootfs.Names
	mounts   mounted
	lowerErr *problem // why nothing can be compared
	out      fact.UpperWalk

	drift, copies []found
	data          dataLists
	counts        fact.DataCounts
	later         later
	listed        int // bytes of what is listed
	// base is the nearest directory that the image has, as a prefix: "var/cache/". written are
	// those in which something was made (fact.WrittenDirs), by that prefix.
	base    string
	written map[string]*fact.WrittenDir

	// now and head are the file that the walk is at, kept to save allocations.
	now  found
	head head

	stopped     string // which limit ended it
	unreadable  int
	firstError  string
	fileProblem *problem // why a file could not be compared
	capsUnread  int      // files whose capabilities were not read
	capsError   *problem
}

// found is a file, with what it takes to open it again.
type found struct {
	fact.UpperFile
	rel string
	st  rootfs.Info
	cut bool // rel is only its beginning
}

// trim bounds what a list keeps of the file: forty directories of 255 bytes are more than
// a path may have, and each byte can become four.
func (f *found) trim() {
	if len(f.rel) > pathMax {
		f.rel, f.cut = strings.Clone(f.rel[:pathMax]), true
	}
	if len(f.Path) > pathMax {
		f.Path = strings.ToValidUTF8(f.Path[:pathMax], "") + "…"
	}
}

// maxListed bounds the bytes of the paths and details that are listed of one walk.
const maxListed = 256 << 10

// take moves files to a list as long as there is room.
func (w *walker) take(list []found) []fact.UpperFile {
	var out []fact.UpperFile
	for i := range list {
		if w.listed += len(list[i].Path) + len(list[i].Detail) + len(list[i].Gained); w.listed > maxListed {
			break
		}
		out = append(out, list[i].UpperFile)
	}
	return out
}

// directory is a name below a directory of upper. over reports that the image has
// a directory of this name.
type directory struct {
	name string
	over bool
}

// dir reads one directory and those below it. It closes dir. All files are
// done before the first directory below, so that one buffer and one set of
// lower directories serve the whole walk. over reports that the image has this
// directory, hidden that upper shows nothing of what the image has there.
func (w *walker) dir(dir *rootfs.Dir, rel string, depth int, over, hidden bool) {
	defer dir.Close()
	if over && rel != "" {
		hidden = w.replaced(dir, rel, hidden)
	}
	if over {
		w.base = rel
	}
	base := w.base
	var below []directory
	err := dir.Each(w.names, func(e *rootfs.RawEntry) bool {
		if w.out.Entries == w.limits.Entries {
			w.stop(fmt.Sprintf("%d entries", w.limits.Entries))
			return false
		}
		if w.out.Entries++; w.out.Entries%256 == 0 && w.late() {
			return false
		}
		switch e.Type {
		case fs.ModeDir:
			below = append(below, directory{name: string(e.Name)})
		case 0:
			w.file(dir, rel, e, over)
		case fs.ModeSymlink:
			w.link(dir, rel, string(e.Name), over)
		default:
			w.special(dir, rel, string(e.Name), over)
		}
		return w.stopped == ""
	})
	if err != nil {
		w.failed(rel, err)
	}
	if len(below) > 0 && depth == w.limits.Depth {
		w.stop(fmt.Sprintf("a depth of %d directories", w.limits.Depth))
	}
	sort.Slice(below, func(i, j int) bool { return below[i].name < below[j].name })
	for i := range below {
		if over && w.stopped == "" {
			below[i].over = w.overDirectory(rel + below[i].name)
		}
	}
	for _, b := range below {
		if w.late() {
			return
		}
		sub := rel + b.name
		next, err := dir.EnterToRead(b.name)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, rootfs.ErrNotDir), errors.Is(err, rootfs.ErrLoop):
			// The file is gone, or is something else by now.
		case err != nil:
			w.failed(sub, err)
		default:
			w.base = base
			if over && !b.over {
				w.madeDir(sub)
			}
			w.dir(next, sub+"/", depth+1, b.over, hidden)
		}
	}
}

// file looks at a regular file. over reports that the image has its directory.
func (w *walker) file(dir *rootfs.Dir, rel string, name *rootfs.RawEntry, over bool) {
	if w.late() {
		return
	}
	base := string(name.Name)
	full := "/" + rel + base
	f, h := &w.now, &w.head
	*f = found{rel: full[1:]}
	e, err := lookAt(dir, base)
	if err != nil {
		w.failed(f.rel, err)
		return
	}
	defer e.close()
	if e.kind != regular {
		return // it is something else by now
	}
	f.st = e.st
	f.Path = rootfs.Text(full)
	f.Size, f.Mode, f.UID, f.Changed = e.st.Size, unixMode(e.st.Mode), e.st.UID, fact.NewTime(e.st.Ctime)
	caps, err := w.look(&e, f.rel, h)
	if err != nil {
		w.failed(f.rel, err)
		return
	}
	switch f.Kind = kindOf(base, h, e.st.Size); {
	case e.st.Size > 0 && isLoader(f.rel):
		f.Kind = kindLoader
		if w.mounts.runtimeCache(f.rel) {
			w.counts.Volatile++
			return
		}
	case f.Kind == kindData && shellRuns(f.rel, h, e.st.Mode&0o111 != 0):
		f.Kind = kindScript
	case f.Kind == kindCode && w.pythonCache(f, h):
		w.counts.Volatile++
		return
	}
	if f.Kind == kindData && e.st.Mode&(fs.ModeSetuid|fs.ModeSetgid) == 0 && !caps.any() {
		w.plain(&e, f, over)
		return
	}
	var p *problem
	f.Origin, f.Detail, p = w.c.classify(w.ctx, w.l, &e, f.rel)
	if p != nil {
		w.problem(p)
	}
	w.gain(f, caps)
	if f.Kind == kindData && f.Gained == "" {
		w.judged(f)
		return
	}
	w.code(*f)
}

// look reads what the file begins with, and its capabilities. A copy of metadata
// only reads as zeros; its content is the lower file's, or the one that the
// container sees.
func (w *walker) look(e *entry, rel string, h *head) (fileCaps, error) {
	file, err := e.file.Open()
	if err != nil {
		return fileCaps{}, err
	}
	defer func() { _ = file.Close() }()
	if err := h.read(file, e.st.Size); err != nil {
		return fileCaps{}, err
	}
	caps, err := capsOf(file)
	if err != nil {
		if w.capsUnread++; w.capsError == nil {
			w.capsError = &problem{rootfs.ReasonOf(err), fmt.Sprintf("%.300q: %s", "/"+rootfs.Text(rel), plain(err))}
		}
	}
	if h.zeros() && w.l.bare(e) {
		w.lowerHead(rel, h)
	}
	return caps, nil
}

// lowerHead reads the beginning that a copy of metadata only does not have.
func (w *walker) lowerHead(rel string, h *head) {
	if w.lowerErr == nil {
		low, err := w.l.inLower(rel)
		defer low.close()
		if err == nil && low.kind == regular {
			if file, err := low.file.Open(); err == nil {
				_ = h.read(file, low.st.Size)
				_ = file.Close()
			}
			return
		}
	}
	info, _, err := w.c.see("/" + rel)
	if err != nil {
		return
	}
	if file, err := w.c.own.root.OpenNoFollow("/" + rel); err == nil {
		_ = h.read(file, info.Size)
		_ = file.Close()
	}
}

// gain compares what the file gives to who executes it with what the image's file
// of that name gives. Where the image's is unknown, so is what was gained.
func (w *walker) gain(f *found, caps fileCaps) {
	now := privilegeOf(&f.st, caps)
	if now.mode&(fs.ModeSetuid|fs.ModeSetgid) == 0 && !caps.any() {
		return
	}
	switch f.Origin {
	case fact.OriginAdded:
		f.Gained = gained(now, nil, true)
		return
	case fact.OriginChanged, fact.OriginMetadata:
	default:
		return
	}
	low, err := w.l.inLower(f.rel)
	defer low.close()
	if err != nil {
		w.problem(&problem{rootfs.ReasonOf(err), "/" + rootfs.Text(f.rel) + ": " + plain(err)})
		return
	}
	if low.kind != regular {
		f.Gained = gained(now, nil, true)
		return
	}
	var lowCaps fileCaps
	if caps.any() {
		file, err := low.file.Open()
		if err == nil {
			lowCaps, err = capsOf(file)
			_ = file.Close()
		}
		if err != nil {
			if w.capsUnread++; w.capsError == nil {
				w.capsError = &problem{rootfs.ReasonOf(err), fmt.Sprintf("%.300q in the image: %s", "/"+rootfs.Text(f.rel), plain(err))}
			}
			return
		}
	}
	was := privilegeOf(&low.st, lowCaps)
	f.Gained = gained(now, &was, !w.c.UserNS)
}

// code counts and keeps a file with code, or with a gain.
func (w *walker) code(f found) {
	w.out.Total++
	if f.Origin == fact.OriginMetadata {
		w.out.Copies++
		if f.Gained == "" {
			w.copies = keep(w.copies, f, w.limits.Files)
			return
		}
	}
	w.drift = keep(w.drift, f, w.limits.Files)
}

func (w *walker) problem(p *problem) {
	w.late()
	if w.fileProblem == nil {
		w.fileProblem = p
	}
}

// unixMode is permission, setuid, setgid and sticky bit as chmod(2) has them.
func unixMode(mode fs.FileMode) uint32 {
	out := uint32(mode.Perm())
	if mode&fs.ModeSetuid != 0 {
		out |= 0o4000
	}
	if mode&fs.ModeSetgid != 0 {
		out |= 0o2000
	}
	if mode&fs.ModeSticky != 0 {
		out |= 0o1000
	}
	return out
}

// keep adds a file to a list that holds the first n by path, and at most twice as
// many for a while.
func keep(list []found, f found, n int) []found {
	f.trim()
	list = append(list, f)
	if len(list) >= 2*n {
		list = first(list, n)
	}
	return list
}

func first(list []found, n int) []found {
	sort.Slice(list, func(i, j int) bool { return list[i].rel < list[j].rel })
	return list[:min(n, len(list))]
}

func (w *walker) stop(limit string) {
	if w.stopped == "" {
		w.stopped = limit
	}
}

// late stops the walk when its time is over.
func (w *walker) late() bool {
	if w.ctx.Err() != nil {
		w.stop("its time")
	}
	return w.stopped != ""
}

func (w *walker) failed(rel string, err error) {
	w.unreadable++
	if w.firstError == "" {
		w.firstError = fmt.Sprintf("%.300q: %s", "/"+rootfs.Text(strings.TrimSuffix(rel, "/")), plain(err))
	}
}

func (w *walker) finish() (*fact.UpperWalk, *fact.NodeGap) {
	files := first(w.drift, w.limits.Files)
	for i := range files {
		w.hash(&files[i])
	}
	w.out.Files = append(w.take(files), w.take(first(w.copies, w.limits.Files-len(files)))...)
	sort.SliceStable(w.out.Files, func(i, j int) bool { return w.out.Files[i].Path < w.out.Files[j].Path })
	w.compareLater(true)
	w.out.Data = w.take(w.data.first(w.limits.Data))
	w.out.Truncated = w.stopped != ""
	w.out.Written = w.writtenDirs()
	w.l.forgetDirs()

	var reason fact.Reason
	var details []string
	if w.later.dropped > 0 {
		reason = fact.Timeout
		details = append(details, fmt.Sprintf("%d files without code were not compared with the image in the time for the walk", w.later.dropped))
	}
	if w.capsUnread > 0 {
		reason = w.capsError.reason
		details = append(details, fmt.Sprintf("the capabilities of %d files were not read, the first: %s", w.capsUnread, w.capsError.detail))
	}
	if w.fileProblem != nil {
		reason = w.fileProblem.reason
		details = append(details, w.fileProblem.detail)
	}
	if w.unreadable > 0 {
		reason = fact.Unreadable
		details = append(details, fmt.Sprintf("%d names below upperdir were not read, the first: %s", w.unreadable, w.firstError))
	}
	if w.out.Truncated {
		reason = fact.Truncated
		details = append(details, fmt.Sprintf("the walk of upperdir %.200q ended at its limit, %s, after %d entries", w.out.Path, w.stopped, w.out.Entries))
	}
	if reason == "" {
		return &w.out, nil
	}
	return &w.out, &fact.NodeGap{What: fact.Upperdir, Reason: reason, Detail: strings.Join(details, "; ")}
}

// hash adds the SHA-256 of a listed file, if it still is the one that was
// found.
func (w *walker) hash(f *found) {
	note := func(text string) {
		if f.Detail != "" {
			text = f.Detail + "; " + text
		}
		f.Detail = text
	}
	if f.st.Size > maxCompare || !f.st.Mode.IsRegular() || f.Kind == kindData {
		return // of data see judged
	}
	if f.cut {
		note("not hashed: its path is too long")
		return
	}
	e, err := w.l.inUpper(f.rel)
	defer e.close()
	if err == nil && (e.kind != regular || !unchanged(&e.st, &f.st)) {
		err = errChanging
	}
	if err == nil && !w.l.bare(&e) {
		f.SHA256, err = w.c.comparer.sum(w.ctx, e.file, &e.st)
	}
	switch {
	case w.ctx.Err() != nil:
		note("not hashed: the time for the walk was over")
	case err != nil:
		note("not hashed: " + plain(err))
	}
}
