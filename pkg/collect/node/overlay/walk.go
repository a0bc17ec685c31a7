package overlay

import (
	"bytes"
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
	Files   int           // executables listed: fact.MaxUpperFiles
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
	if l.Time <= 0 {
		l.Time = time.Second
	}
	return l
}

// WalkUpper looks for executables in the container's writable layer: regular
// files that are executable and begin like an ELF file or a script, and shared
// libraries. Each is compared with the image.
//
// The gap has no subject. With Truncated or Unreadable it accompanies a walk
// that is complete as far as it goes. An overlay without an upperdir cannot be
// written, so its walk is empty and has no path.
func (c *Container) WalkUpper(ctx context.Context, limits Limits) (*fact.UpperWalk, *fact.NodeGap) {
	l, problem := c.open()
	if problem != nil {
		return nil, problem.gap(fact.Upperdir)
	}
	if l.upper == nil {
		return &fact.UpperWalk{}, nil
	}
	limits = limits.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, limits.Time)
	defer cancel()
	dir, err := l.upper.Dir()
	if err != nil {
		return nil, &fact.NodeGap{What: fact.Upperdir, Reason: rootfs.ReasonOf(err), Detail: fmt.Sprintf("opening upperdir %.200q: %v", rootfs.Text(l.upperPath), err)}
	}
	w := walker{ctx: ctx, c: c, l: l, limits: limits, names: rootfs.NewNames()}
	w.out.Path = rootfs.Text(l.upperPath)
	w.dir(dir, "", 0)
	return w.finish()
}

// walker is one walk. It keeps a bounded number of files. Those that count as
// drift come before the copies of image files; otherwise a chmod of /usr could
// push a planted file off the list.
type walker struct {
	ctx    context.Context
	c      *Container
	l      *layers
	limits Limits
	names  *rootfs.Names
	out    fact.UpperWalk

	drift, copies []found
	stopped       string // which limit ended it
	unreadable    int
	firstError    string
	fileProblem   *problem // why a file could not be compared
}

// found is an executable, with what it takes to open it again.
type found struct {
	fact.UpperFile
	rel string
	st  rootfs.Info
}

// dir reads one directory and those below it. It closes dir. All files are
// done before the first directory below, so that one buffer and one set of
// lower directories serve the whole walk.
func (w *walker) dir(dir *rootfs.Dir, rel string, depth int) {
	defer dir.Close()
	var below []string
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
			below = append(below, string(e.Name))
		case 0:
			w.file(dir, rel, e)
		}
		return w.stopped == ""
	})
	if err != nil {
		w.failed(rel, err)
	}
	if len(below) > 0 && depth == w.limits.Depth {
		w.stop(fmt.Sprintf("a depth of %d directories", w.limits.Depth))
	}
	sort.Strings(below)
	for _, name := range below {
		if w.stopped != "" {
			return
		}
		sub := rel + name
		next, err := dir.EnterToRead(name)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, rootfs.ErrNotDir), errors.Is(err, rootfs.ErrLoop):
			// The file is gone, or is something else by now.
		case err != nil:
			w.failed(sub, err)
		default:
			w.dir(next, sub+"/", depth+1)
		}
	}
}

// file looks at a regular file.
func (w *walker) file(dir *rootfs.Dir, rel string, name *rootfs.RawEntry) {
	mode, size, err := name.Lstat()
	if err != nil || !mode.IsRegular() || size < 4 {
		return
	}
	library := isLibrary(name.Name)
	if mode&0o111 == 0 && !library {
		return
	}
	if w.late() {
		return
	}
	base := string(name.Name)
	f := found{rel: rel + base}
	e, err := lookAt(dir, base)
	if err != nil {
		w.failed(f.rel, err)
		return
	}
	defer e.close()
	if e.kind != regular || e.st.Size < 4 {
		return
	}
	f.st = e.st
	what, err := w.magic(&e, f.rel)
	if err != nil {
		w.failed(f.rel, err)
		return
	}
	switch {
	case what == elf && library:
		f.Kind = "library"
	case what == elf:
		f.Kind = "elf"
	case what == script && e.st.Mode&0o111 != 0:
		f.Kind = "script"
	default:
		return
	}
	var p *problem
	f.Origin, f.Detail, p = w.c.classify(w.ctx, w.l, &e, f.rel)
	if p != nil {
		w.late()
		if w.fileProblem == nil {
			w.fileProblem = p
		}
	}
	f.Path = "/" + rootfs.Text(f.rel)
	f.Size, f.Mode, f.UID, f.Changed = e.st.Size, unixMode(e.st.Mode), e.st.UID, fact.NewTime(e.st.Ctime)
	w.out.Total++
	if f.Origin == fact.OriginMetadata {
		w.out.Copies++
		w.copies = w.keep(w.copies, f)
	} else {
		w.drift = w.keep(w.drift, f)
	}
}

// magic reads what the file is. A copy of metadata only reads as zeros here;
// its content is the lower file's, or the one that the container sees.
func (w *walker) magic(e *entry, rel string) (magic, error) {
	what, err := magicOf(e.file)
	if err != nil || what != zeros || !w.l.bare(e) {
		return what, err
	}
	if w.l.openLowers(w.c.UserNS) == nil {
		low, err := w.l.inLower(rel)
		if err == nil && low.kind == regular {
			defer low.close()
			return magicOf(low.file)
		}
		low.close()
	}
	if _, _, err := w.c.see("/" + rel); err != nil {
		return data, nil
	}
	file, err := w.c.root.OpenNoFollow("/" + rel)
	if err != nil {
		return data, nil
	}
	defer func() { _ = file.Close() }()
	var four [4]byte
	if _, err := file.ReadAt(four[:], 0); err != nil {
		return data, nil
	}
	return magicBytes(four), nil
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

// isLibrary reports a name like libc.so or libc.so.6.
func isLibrary(name []byte) bool {
	i := bytes.Index(name, []byte(".so"))
	return i > 0 && (i+3 == len(name) || name[i+3] == '.')
}

// keep adds a file to a list that holds the first limits.Files by path, and
// at most twice as many for a while.
func (w *walker) keep(list []found, f found) []found {
	list = append(list, f)
	if len(list) >= 2*w.limits.Files {
		list = first(list, w.limits.Files)
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
	w.l.forgetDirs()
	files := first(w.drift, w.limits.Files)
	for i := range files {
		w.hash(&files[i])
	}
	files = append(files, first(w.copies, w.limits.Files-len(files))...)
	sort.Slice(files, func(i, j int) bool { return files[i].rel < files[j].rel })
	for _, f := range files {
		w.out.Files = append(w.out.Files, f.UpperFile)
	}
	w.out.Truncated = w.stopped != ""

	var reason fact.Reason
	var details []string
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
	if f.st.Size > maxCompare {
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
