package overlay

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// problem is why something was not read.
type problem struct {
	reason fact.Reason
	detail string
}

func (p *problem) gap(what fact.Kind) *fact.NodeGap {
	if p == nil {
		return nil
	}
	return &fact.NodeGap{What: what, Reason: p.reason, Detail: p.detail}
}

// layers are the directories of one overlay.
type layers struct {
	mount *procfs.MountInfo
	opts  Options
	view  View // where the paths of the layers are found

	upper     *rootfs.Root // nil if the overlay has none
	upperPath string       // as seen from the view
	upperDev  uint64

	// redirect and metacopy say what this mount may contain.
	redirect bool
	metacopy bool

	lowers      []*rootfs.Root
	lowersTried bool
	lowerErr    *problem
	sameDev     bool // every layer lies on one file system

	// The lowers' directories of two names, kept for the next file in one of them: a
	// directory, and one beside it that its files are compared with.
	kept [2]lowerDirs
}

// lowerDirs are the directories of one name in the lowers that contribute to it, the
// topmost first.
type lowerDirs struct {
	name string
	dirs []*rootfs.Dir
	open bool
}

func (l *layers) close() {
	if l == nil {
		return
	}
	l.forgetDirs()
	if l.upper != nil {
		_ = l.upper.Close()
	}
	for _, r := range l.lowers {
		_ = r.Close()
	}
}

// open finds the layers of the container's root. Lowers are opened when they
// are first needed.
func (c *Container) open() (*layers, *problem) {
	if !c.opened {
		c.opened = true
		c.layers, c.layerErr = c.openLayers()
	}
	return c.layers, c.layerErr
}

func (c *Container) openLayers() (*layers, *problem) {
	m := rootMount(c.Mounts)
	if m == nil {
		return nil, &problem{fact.NotPresent, "no mount at / in its mountinfo"}
	}
	if m.FSType != "overlay" {
		return nil, &problem{fact.Unsupported, noUpperdir(m)}
	}
	opts, err := ParseOptions(m.SuperOptions)
	if err != nil {
		return nil, &problem{fact.Corrupt, err.Error()}
	}
	l := &layers{mount: m, opts: opts, view: c.Node}
	l.redirect, l.metacopy = c.overlayParameters(opts)
	if opts.Upperdir == "" {
		return l, nil
	}
	first := l.openUpper(c.Node)
	if first == nil {
		return l, nil
	}
	if c.Parent == nil {
		return nil, first
	}
	parent, err := c.Parent()
	if err != nil {
		first.detail += "; and the runtime's mount namespace: " + err.Error()
		return nil, first
	}
	if second := l.openUpper(parent); second != nil {
		first.detail += "; in the runtime's mount namespace: " + second.detail
		return nil, first
	}
	return l, nil
}

// overlayParameters reports whether directories may be redirected and files may
// be metadata-only copies. The options leave out what equals the module's
// parameters.
func (c *Container) overlayParameters(opts Options) (redirect, metacopy bool) {
	ask := func(option *bool, name string) bool {
		if option != nil {
			return *option
		}
		if c.Node.Root == nil {
			return false
		}
		text, err := c.Node.Root.ReadFile("/sys/module/overlay/parameters/"+name, 64)
		return err == nil && len(text) > 0 && text[0] == 'Y'
	}
	metacopy = ask(opts.Metacopy, "metacopy")
	// A copy of metadata keeps a redirect when it is renamed.
	return ask(opts.RedirectDir, "redirect_dir") || metacopy, metacopy
}

// homes are the directories that docker and containers-storage change to
// before they mount relative paths.
var homes = []string{"/var/lib/docker/overlay2", "/var/lib/containers/storage/overlay"}

// openUpper resolves upperdir in a view and keeps both.
func (l *layers) openUpper(view View) *problem {
	if view.Root == nil {
		return &problem{fact.NotPresent, "the node's root is not open"}
	}
	upper := l.opts.Upperdir
	var found *problem
	for _, base := range l.bases(view) {
		dir := path.Join(base, upper)
		fsType, ok := view.safe(dir)
		if !ok {
			found = &problem{fact.Unsupported, unsafeLayer("upperdir", rootfs.Text(dir), fsType)}
			continue
		}
		root, err := view.Root.Sub(dir)
		if err != nil {
			if found == nil || !errors.Is(err, fs.ErrNotExist) {
				found = &problem{rootfs.ReasonOf(err), "upperdir: " + err.Error()}
			}
			continue
		}
		info, err := root.Stat("/")
		if err != nil {
			_ = root.Close()
			found = &problem{rootfs.ReasonOf(err), "upperdir: " + err.Error()}
			continue
		}
		l.view, l.upper, l.upperPath, l.upperDev = view, root, dir, info.Dev
		return nil
	}
	if found == nil {
		found = &problem{fact.NotPresent, fmt.Sprintf("upperdir %q is relative, and the directory that it was mounted from is unknown", rootfs.Text(upper))}
	}
	return found
}

// bases lists the directories that a relative upperdir may start from: those
// above the place where the host sees this very overlay (docker's
// HOME/ID/merged), then the usual homes. For an absolute one it is "/".
func (l *layers) bases(view View) []string {
	if path.IsAbs(l.opts.Upperdir) {
		return []string{"/"}
	}
	var list []string
	for i := range view.Mounts {
		m := &view.Mounts[i]
		if sameDevice(m, l.mount) && m.FSType == "overlay" {
			list = append(list, ancestors(m.Point)...)
		}
	}
	return append(list, homes...)
}

// ancestors lists the directories above a path, the nearest first, without "/".
func ancestors(p string) []string {
	var list []string
	for p = path.Dir(path.Clean(p)); p != "/" && p != "."; p = path.Dir(p) {
		list = append(list, p)
	}
	return list
}

// openLowers opens the lowerdirs, all of them: one that is missing could hold
// the file that an answer depends on.
func (l *layers) openLowers(userNS bool) *problem {
	if l.lowersTried {
		return l.lowerErr
	}
	l.lowersTried = true
	bases := []string{"/"}
	relative := false
	for _, dir := range l.opts.Lowerdirs {
		relative = relative || !path.IsAbs(dir)
	}
	if relative {
		// containerd shortens lowerdirs by a directory above upperdir; docker
		// changes to the one that upperdir is relative to, which is above it too.
		bases = ancestors(l.upperPath)
	}
	for _, base := range bases {
		roots, err := l.lowersFrom(base)
		if err == nil {
			l.lowers = roots
			break
		}
		if l.lowerErr == nil || err.reason != fact.NotPresent {
			l.lowerErr = err
		}
	}
	if l.lowers == nil {
		if l.lowerErr == nil {
			l.lowerErr = &problem{fact.NotPresent, "lowerdirs are relative, and the directory that they were mounted from is unknown"}
		}
		if userNS {
			l.lowerErr.detail = "in a user namespace the runtime mounts the image's layers id-mapped, only for a moment: " + l.lowerErr.detail
		}
		return l.lowerErr
	}
	l.lowerErr = nil
	l.sameDev = true
	empty := true
	for _, r := range l.lowers {
		info, err := r.Stat("/")
		l.sameDev = l.sameDev && err == nil && info.Dev == l.upperDev
		if userNS && empty {
			err := r.Each("/", func(rootfs.DirEntry) bool { empty = false; return false })
			empty = empty && err == nil
		}
	}
	if userNS && empty {
		// The mount points may outlive the id-mapped mounts.
		l.lowerErr = &problem{fact.NotPresent, "every lowerdir is empty: in a user namespace the runtime mounts the image's layers id-mapped, only for a moment"}
	}
	return l.lowerErr
}

func (l *layers) lowersFrom(base string) ([]*rootfs.Root, *problem) {
	roots := make([]*rootfs.Root, 0, len(l.opts.Lowerdirs))
	fail := func(p *problem) ([]*rootfs.Root, *problem) {
		for _, r := range roots {
			_ = r.Close()
		}
		return nil, p
	}
	for _, dir := range l.opts.Lowerdirs {
		if !path.IsAbs(dir) {
			dir = path.Join(base, dir)
		}
		if fsType, ok := l.view.safe(dir); !ok {
			return fail(&problem{fact.Unsupported, unsafeLayer("lowerdir", rootfs.Text(dir), fsType)})
		}
		root, err := l.view.Root.Sub(dir)
		if err != nil {
			return fail(&problem{rootfs.ReasonOf(err), "lowerdir: " + err.Error()})
		}
		roots = append(roots, root)
		// docker's l/XXXX are links: find out where they lead.
		if info, err := root.Stat("/"); err == nil && info.HasMountID {
			if m := procfs.Find(l.view.Mounts, info.MountID); m != nil && !localFS[m.FSType] {
				return fail(&problem{fact.Unsupported, unsafeLayer("lowerdir", rootfs.Text(dir), m.FSType)})
			}
		}
	}
	return roots, nil
}

// kind is what a name is in a layer.
type kind int

const (
	absent   kind = iota
	regular       // a regular file
	whiteout      // hidden, or below something hidden
	other         // another type, or below something that is no directory
)

// entry is a name in a layer. file is nil where it is no regular file.
type entry struct {
	kind kind
	file *rootfs.Handle
	st   rootfs.Info
}

func (e *entry) close() {
	if e.file != nil {
		_ = e.file.Close()
	}
	e.file = nil
}

// isWhiteout reports a character device 0:0, with which an overlay hides the
// same name in the layers below.
func isWhiteout(st *rootfs.Info) bool {
	return st.Mode.Type() == fs.ModeDevice|fs.ModeCharDevice && st.RdevMajor == 0 && st.RdevMinor == 0
}

// lookAt opens a name in a directory that is known to be one.
func lookAt(dir *rootfs.Dir, name string) (entry, error) {
	file, err := dir.Handle(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return entry{}, nil
	case err != nil:
		return entry{}, err
	}
	e := entry{st: file.Info()}
	switch {
	case e.st.Mode.IsRegular():
		e.kind, e.file = regular, file
		return e, nil
	case isWhiteout(&e.st):
		e.kind = whiteout
	default:
		e.kind = other
	}
	_ = file.Close()
	return e, nil
}

// bare reports a metadata-only copy: the right size and no data at all. Its
// block count may be that of its attributes (ext4), so the hole is what counts.
func (l *layers) bare(e *entry) bool {
	const attributeBlocks = 128 // 64 KiB, the most that ext4 keeps in one block
	if !l.metacopy || e.kind != regular || e.st.Size == 0 || e.st.Blocks > attributeBlocks {
		return false
	}
	file, err := e.file.Open()
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	return file.NoData()
}

// descend goes down the directories of rel, following no link. dir is nil, and
// found is absent, where a name is missing; whiteout or other where something
// hides what is below.
func descend(root *rootfs.Root, rel string) (dir *rootfs.Dir, found kind, err error) {
	dir, err = root.Dir()
	if err != nil {
		return nil, absent, err
	}
	for rel != "" {
		var name string
		name, rel, _ = strings.Cut(rel, "/")
		next, err := dir.Enter(name)
		if errors.Is(err, rootfs.ErrNotDir) || errors.Is(err, rootfs.ErrLoop) {
			st, err := dir.Lstat(name)
			dir.Close()
			if err != nil {
				return nil, absent, err
			}
			if isWhiteout(&st) {
				return nil, whiteout, nil
			}
			return nil, other, nil
		}
		dir.Close()
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, absent, nil
		case err != nil:
			return nil, absent, err
		}
		dir = next
	}
	return dir, regular, nil
}

// inUpper looks a path up in the upperdir.
func (l *layers) inUpper(rel string) (entry, error) {
	if l.upper == nil {
		return entry{}, nil
	}
	parent, name := splitRel(rel)
	dir, found, err := descend(l.upper, parent)
	if err != nil || dir == nil {
		return entry{kind: found}, err
	}
	defer dir.Close()
	return lookAt(dir, name)
}

// inLower looks a path up in the first lowerdir that has it. Whiteouts hide
// what is below them.
func (l *layers) inLower(rel string) (entry, error) {
	parent, name := splitRel(rel)
	dirs, err := l.lowerDirs(parent)
	if err != nil {
		return entry{}, err
	}
	for _, dir := range dirs {
		e, err := lookAt(dir, name)
		switch {
		case err != nil:
			return e, err
		case e.kind == whiteout:
			e.kind = absent
			return e, nil
		case e.kind != absent:
			return e, nil
		}
	}
	return entry{}, nil
}

// lowerDirs opens the directory of that name in each lower that contributes to
// it, the topmost first. They stay open until two others were asked for.
func (l *layers) lowerDirs(name string) ([]*rootfs.Dir, error) {
	if l.kept[0].open && l.kept[0].name == name {
		return l.kept[0].dirs, nil
	}
	l.kept[0], l.kept[1] = l.kept[1], l.kept[0]
	kept := &l.kept[0]
	if kept.open && kept.name == name {
		return kept.dirs, nil
	}
	kept.forget()
	for _, r := range l.lowers {
		dir, found, err := descend(r, name)
		if err != nil {
			kept.forget()
			return nil, err
		}
		if dir != nil {
			kept.dirs = append(kept.dirs, dir)
		} else if found != absent {
			break
		}
	}
	kept.name, kept.open = name, true
	return kept.dirs, nil
}

func (l *layers) forgetDirs() {
	for i := range l.kept {
		l.kept[i].forget()
	}
}

func (d *lowerDirs) forget() {
	for _, dir := range d.dirs {
		dir.Close()
	}
	d.dirs, d.open = d.dirs[:0], false
}

// lowerLink is the text of a link in the first lowerdir that has the name.
func (l *layers) lowerLink(rel string) (string, error) {
	parent, name := splitRel(rel)
	dirs, err := l.lowerDirs(parent)
	if err != nil {
		return "", err
	}
	for _, dir := range dirs {
		text, err := dir.Readlink(name)
		if !errors.Is(err, fs.ErrNotExist) {
			return text, err
		}
	}
	return "", fs.ErrNotExist
}

// topmost is the number of the first lower that has a name. between reports that one
// above it has a directory on the way there, other than its root.
func (l *layers) topmost(rel string) (n int, between bool, err error) {
	way, _, _ := strings.Cut(rel, "/")
	parent, name := splitRel(rel)
	for i, r := range l.lowers {
		dir, _, err := descend(r, parent)
		if err != nil {
			return 0, false, err
		}
		if dir != nil {
			_, err = dir.Lstat(name)
			dir.Close()
			if err == nil {
				return i, between, nil
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return 0, false, err
			}
		}
		if way != rel && !between {
			dir, _, err := descend(r, way)
			if err != nil {
				return 0, false, err
			}
			if dir != nil {
				dir.Close()
				between = true
			}
		}
	}
	return 0, false, fs.ErrNotExist
}

// upperInfo describes a name of upper.
func (l *layers) upperInfo(rel string) (rootfs.Info, error) {
	parent, name := splitRel(rel)
	dir, _, err := descend(l.upper, parent)
	if err != nil {
		return rootfs.Info{}, err
	}
	if dir == nil {
		return rootfs.Info{}, fs.ErrNotExist
	}
	defer dir.Close()
	return dir.Lstat(name)
}

// splitRel splits "a/b/c" into "a/b" and "c".
func splitRel(rel string) (dir, name string) {
	if i := strings.LastIndexByte(rel, '/'); i >= 0 {
		return rel[:i], rel[i+1:]
	}
	return "", rel
}
