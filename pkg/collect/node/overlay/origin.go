package overlay

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Container is one container as the node sees it. Its methods are not safe for
// concurrent use.
type Container struct {
	// Mounts is the mountinfo of a process whose root is the container's.
	Mounts []procfs.MountInfo
	// Root opens /proc/PID/root of one of its processes. It is called once, and only
	// for scripts, redirected directories, and directories of upper that may hide the
	// image's; nil: those are not looked up.
	Root func() (*rootfs.Root, error)
	// Node is the host: pid 1's root and mountinfo.
	Node View
	// Parent opens the mount namespace of the runtime, by the root of the
	// container's shim or conmon. It is called once at most, where upperdir
	// does not exist in Node; nil: there is none.
	Parent func() (View, error)
	// UserNS says that its user namespace is not pid 1's.
	UserNS bool
	// Now is the time that ages are measured at, time.Now() if zero.
	Now time.Time

	opened   bool
	layers   *layers
	layerErr *problem
	own      *space
	cache    map[exeKey]judgement
	comparer comparer
}

// Close releases the directories that are open. The views stay the caller's.
func (c *Container) Close() {
	c.layers.close()
	c.layers, c.layerErr, c.opened = nil, nil, false
	c.own.close()
	c.own, c.cache = nil, nil
}

// Process is one process of the container, from /proc/PID.
type Process struct {
	Comm    string
	Started time.Time
	// ParentOutside says that its parent is known, and no process of the
	// container's pod: only then can it be a runtime on its way in.
	ParentOutside bool
	// Exe is the text of the link exe, as raw bytes.
	Exe string
	// Handle is the file behind it (rootfs.Root.MagicHandle); it stays the
	// caller's. Without it the content of a deleted file is not read.
	Handle *rootfs.Handle
	// Info is Handle.Info(), with the mount id from /proc/self/fdinfo where the
	// kernel is older than 5.8.
	Info rootfs.Info
	// Mounts is its own mountinfo where its mount namespace or its root is not the
	// container's, nil else: a copied mount has a new id. Apart says that it is the
	// mount namespace; nil then means that the table was not read.
	Mounts []procfs.MountInfo
	Apart  bool
	// Root opens its own root directory, and RootText reads the text of the link:
	// where it lies in its mount namespace. They are called only where Mounts is not
	// nil. Each may be nil.
	Root     func() (*rootfs.Root, error)
	RootText func() (string, error)

	space *space // its files as it sees them, where they are not as the container's
}

// hidden is why a mount of a process may be missing in its table.
func (p *Process) hidden() *problem {
	switch {
	case !p.Apart:
		return nil
	case p.Mounts == nil:
		return &problem{fact.Unreadable, "the process has its own mount table, which was not read"}
	case rootMount(p.Mounts) == nil:
		return &problem{fact.Unsupported, "the process has its own mount table and a root that is no mount point, so that the table does not show it"}
	}
	return nil
}

// close releases what was opened to see files as the process does.
func (p *Process) close() {
	p.space.close()
	p.space = nil
}

const (
	deletedSuffix = " (deleted)"
	// startSlack covers btime, which has whole seconds.
	startSlack = time.Second
	// cloneAge is how long a runtime's copy of itself may live: it execs the
	// container's program as soon as the namespaces are ready.
	cloneAge = 5 * time.Second
)

// judgement is an answer that is the same for all processes of one file.
type judgement struct {
	exe     fact.Executable
	problem *problem
	ctime   time.Time
	whole   bool // the problem is one of the whole container
}

type exeKey struct {
	exe   string
	id    uint64
	dev   uint64
	ino   uint64
	size  int64
	nlink uint32
	ctime time.Time
	own   bool // judged by the process's own mount table
}

// Executable finds out where the executable of a process comes from. The gap,
// without a subject, says what could not be compared; it may accompany an answer,
// and is the same for every process with the same cause. It returns nothing for a
// runtime's own process on its way into the container.
func (c *Container) Executable(ctx context.Context, p Process) (*fact.Executable, *fact.NodeGap) {
	if c.entering(&p) {
		return nil, nil
	}
	defer p.close()
	j := c.cached(ctx, &p)
	exe := j.exe
	exe.Stale = exe.Stale || stale(exe.Origin, j.ctime, p.Started)
	return &exe, j.problem.gap(fact.Executables)
}

// cached judges a file that a link of procfs refers to, once for all processes.
func (c *Container) cached(ctx context.Context, p *Process) judgement {
	key := exeKey{p.Exe, p.Info.MountID, p.Info.Dev, p.Info.Ino, p.Info.Size, p.Info.Nlink, p.Info.Ctime, p.Mounts != nil}
	j, ok := c.cache[key]
	if !ok {
		j = c.judge(ctx, p)
		j.exe.Owner = ownerOf(&p.Info)
		if p.Info.Nlink > 0 && path.IsAbs(p.Exe) && !strings.HasSuffix(p.Exe, deletedSuffix) {
			j.exe.Dir = c.dirOf(p, p.Exe)
		}
		if ctx.Err() == nil && (j.problem == nil || j.problem.reason != fact.Changing) {
			if c.cache == nil {
				c.cache = map[exeKey]judgement{}
			}
			c.cache[key] = j
		}
	}
	return j
}

// dirOf is who owns the directory that holds a name; nil if it is not seen.
func (c *Container) dirOf(p *Process, text string) *fact.FileOwner {
	s := c.ownSpace()
	if p.Apart {
		var ok bool
		if text, ok = p.inside(text); !ok {
			return nil
		}
		s = c.spaceOf(p)
	}
	info, _, err := c.seeIn(s, path.Dir(text))
	if err != nil || !info.Mode.IsDir() {
		return nil
	}
	return ownerOf(&info)
}

// stale reports whether the file changed after the process started. Reading
// /proc/PID/exe then shows the new bytes, while memory may hold the old ones.
func stale(origin fact.Origin, changed, started time.Time) bool {
	if started.IsZero() || changed.IsZero() {
		return false
	}
	switch origin {
	case fact.OriginChanged, fact.OriginAdded, fact.OriginVolume, fact.OriginUnknown:
		return changed.After(started.Add(startSlack))
	}
	return false
}

// entering reports a container runtime that has already joined the container's
// cgroup: runc and crun start from a copy of themselves in a memfd (against
// CVE-2019-5736), or from an overlay that is mounted nowhere. A process chooses
// its own name and age. It cannot choose that a runtime started it, because
// what the container starts has a parent in the container.
func (c *Container) entering(p *Process) bool {
	if !p.ParentOutside || p.Started.IsZero() || c.now().Sub(p.Started) >= cloneAge || c.inTables(p) != nil {
		return false
	}
	for _, prefix := range []string{"/memfd:runc_cloned:", "/memfd:crun_cloned:"} {
		if strings.HasPrefix(p.Exe, prefix) {
			return true
		}
	}
	return strings.HasPrefix(p.Comm, "runc:[")
}

func (c *Container) now() time.Time {
	if c.Now.IsZero() {
		return time.Now()
	}
	return c.Now
}

// inTables finds the mount of the executable.
func (c *Container) inTables(p *Process) *procfs.MountInfo {
	if !p.Info.HasMountID {
		return nil
	}
	if m := procfs.Find(c.Mounts, p.Info.MountID); m != nil {
		return m
	}
	return procfs.Find(p.Mounts, p.Info.MountID)
}

func (c *Container) judge(ctx context.Context, p *Process) judgement {
	text, deleted := p.Exe, p.Info.Nlink == 0
	if deleted {
		text = strings.TrimSuffix(text, deletedSuffix)
	}
	j := judgement{ctime: p.Info.Ctime, exe: fact.Executable{Path: rootfs.Text(text), Size: p.Info.Size, Changed: fact.NewTime(p.Info.Ctime)}}
	m := c.inTables(p)
	switch {
	case m == nil && strings.HasPrefix(p.Exe, "/memfd:"):
		j.exe.Origin = fact.OriginMemfd
		c.addSum(ctx, &j.exe, p)
		return j
	case !p.Info.HasMountID:
		return j.unknown(fact.Unsupported, "the kernel does not report the mount of the executable")
	case m == nil:
		if problem := p.hidden(); problem != nil {
			return j.unknown(problem.reason, problem.detail)
		}
		j.exe.Origin = fact.OriginForeign
		j.exe.Detail = fmt.Sprintf("mount %d is not in the container's mount table", p.Info.MountID)
		return j
	}
	j.exe.FSType, j.exe.Mount = m.FSType, rootfs.Text(m.Point)
	if procfs.Find(c.Mounts, m.ID) == nil {
		if inside, ok := p.inside(text); ok { // its own table starts at its own root
			text = inside
		}
	}
	root := rootMount(c.Mounts)
	switch {
	case root == nil:
		return j.unknown(fact.NotPresent, "no mount at / in its mountinfo")
	case sameDevice(m, root) && m.FSType == root.FSType && root.FSType == "overlay":
		if !path.IsAbs(p.Exe) || !within(m.Point, text) {
			return j.unknown(fact.Changing, fmt.Sprintf("%.200q is not below its mount point %.200q", rootfs.Text(p.Exe), rootfs.Text(m.Point)))
		}
		return c.judgeLayered(ctx, p, j, join(m.Root, below(m.Point, text)))
	case m == root || sameDevice(m, root) && m.Root == root.Root:
		_, problem := c.open()
		return j.unknown(problem.reason, problem.detail)
	}
	return c.judgeMounted(ctx, p, j, m, text)
}

func (j judgement) unknown(reason fact.Reason, detail string) judgement {
	j.exe.Origin, j.exe.Detail = fact.OriginUnknown, detail
	j.problem = &problem{reason, detail}
	return j
}

func (j judgement) unread(err error) judgement {
	return j.unknown(rootfs.ReasonOf(err), j.exe.Path+": "+plain(err))
}

// plain is an error's text without the path of the file on the node, where the
// text around it already says which file it is.
func plain(err error) string {
	if path, ok := err.(*fs.PathError); ok {
		err = path.Err
	}
	return err.Error()
}

func (j judgement) is(origin fact.Origin, detail string) judgement {
	j.exe.Origin, j.exe.Detail = origin, detail
	return j
}

// judgeMounted answers for a file on another mount than the container's root.
func (c *Container) judgeMounted(ctx context.Context, p *Process, j judgement, m *procfs.MountInfo, text string) judgement {
	if procfs.Find(c.Mounts, m.ID) == nil {
		// A mount of the process's own namespace. If the container has the same
		// file system, its own mount tells whether it can be written; if not,
		// the process mounted it, and read-only then proves nothing.
		given := c.original(m)
		if given == nil {
			return j.is(fact.OriginForeign, fmt.Sprintf("on a %s that the process mounted itself, at %.200q", m.FSType, rootfs.Text(m.Point)))
		}
		m = given
	}
	j.exe.Volume = VolumeOf(*m, c.Node.Mounts)
	if m.ReadOnly() {
		return j.is(fact.OriginReadOnly, "")
	}
	j.exe.Origin = fact.OriginVolume
	var caps *rootfs.Handle
	if localFS[m.FSType] {
		caps = p.Handle
	}
	// Without capabilities the answer is what it is: a volume is no image.
	j.exe.Gained, _ = gainedBy(&p.Info, caps, nil, true)
	if within(m.Point, text) {
		j.exe.HostPath = rootfs.Text(nodePath(m, text, c.Node.Mounts))
	}
	if p.Info.Nlink == 0 {
		j.exe.Detail, j.exe.HostPath = "deleted after it was started", ""
	}
	if localFS[m.FSType] {
		c.addSum(ctx, &j.exe, p)
	}
	return j
}

// original finds the container's mount that a mount of another namespace is a
// copy, or a part, of: a writable one if there are several.
func (c *Container) original(m *procfs.MountInfo) *procfs.MountInfo {
	var found *procfs.MountInfo
	for i := range c.Mounts {
		o := &c.Mounts[i]
		if sameDevice(o, m) && within(o.Root, m.Root) && (found == nil || found.ReadOnly()) {
			found = o
		}
	}
	return found
}

// addSum adds the hash of the executable as it can be read now.
func (c *Container) addSum(ctx context.Context, exe *fact.Executable, p *Process) {
	if p.Handle == nil {
		return
	}
	st, err := p.Handle.Stat()
	if err != nil || !st.Mode.IsRegular() {
		return
	}
	// Without a hash the answer is what it is.
	exe.SHA256, _ = c.comparer.sum(ctx, p.Handle, &st)
}

// judgeLayered answers for a file on the container's overlay. inFS is its path
// there, with " (deleted)" at its end if the link's text has it and the file
// still has a name.
func (c *Container) judgeLayered(ctx context.Context, p *Process, j judgement, inFS string) judgement {
	l, problem := c.open()
	if problem != nil {
		return j.unknown(problem.reason, problem.detail)
	}
	rel := strings.TrimPrefix(inFS, "/")
	now := rootfs.Info{}
	if p.Handle != nil {
		var err error
		if now, err = p.Handle.Stat(); err != nil {
			return j.unread(err)
		}
	}
	if p.Info.Nlink > 0 && strings.HasSuffix(rel, deletedSuffix) {
		// The kernel adds this, but a file can be named so, and a deleted lower
		// file keeps its link count on an overlay.
		named, err := c.named(l, rel, &p.Info)
		if err != nil {
			return j.unread(err)
		}
		if !named {
			rel = strings.TrimSuffix(rel, deletedSuffix)
			j.exe.Path = strings.TrimSuffix(j.exe.Path, deletedSuffix)
			return c.judgeDeleted(ctx, l, p, &now, j, rel)
		}
	}
	if p.Info.Nlink == 0 {
		return c.judgeDeleted(ctx, l, p, &now, j, rel)
	}
	up, err := l.inUpper(rel)
	if err != nil {
		return j.unread(err)
	}
	defer up.close()
	switch up.kind {
	case absent:
		return c.judgeImage(l, p, j, rel)
	case regular:
		if up.st.Size != p.Info.Size || up.st.Ctime != p.Info.Ctime {
			// The link was read, then another file got its name.
			if p.Handle == nil || up.st.Size != now.Size || up.st.Ctime != now.Ctime {
				return j.unknown(fact.Changing, j.exe.Path+" in upperdir is not the file that runs")
			}
			j.ctime = now.Ctime
			j.exe.Changed, j.exe.Size = fact.NewTime(j.ctime), now.Size
		}
		j.exe.HostPath = rootfs.Text(join(l.upperPath, rel))
		origin, detail, problem := c.classify(ctx, l, &up, rel)
		j.exe.Origin, j.exe.Detail, j.problem = origin, detail, problem
		j = c.withGained(l, j, &up, rel)
		if origin != fact.OriginMetadata && !l.bare(&up) {
			j.exe.SHA256, _ = c.comparer.sum(ctx, up.file, &up.st)
		}
		return j
	}
	// Hidden in upper: it was deleted, or replaced by a directory, since its
	// link was read.
	return c.judgeDeleted(ctx, l, p, &now, j, rel)
}

// named reports whether the file with this name is the one that runs.
func (c *Container) named(l *layers, rel string, info *rootfs.Info) (bool, error) {
	same := func(e *entry) bool {
		return e.kind == regular && e.st.Size == info.Size &&
			(e.st.Ino == info.Ino || e.st.Mtime == info.Mtime && e.st.Ctime == info.Ctime)
	}
	up, err := l.inUpper(rel)
	if err != nil || up.kind != absent {
		defer up.close()
		return err == nil && same(&up), err
	}
	if l.openLowers(c.UserNS) != nil {
		return false, nil
	}
	low, err := l.inLower(rel)
	if err != nil {
		return false, err
	}
	defer low.close()
	return same(&low), nil
}

// judgeImage answers for a file that upper does not have. The lower one is
// looked up nevertheless: a process that renames its file all the time could
// make us look in the wrong place.
func (c *Container) judgeImage(l *layers, p *Process, j judgement, rel string) judgement {
	if problem := l.openLowers(c.UserNS); problem != nil {
		return j.is(fact.OriginImage, "not in upperdir; the lower layers were not looked at")
	}
	low, err := l.inLower(rel)
	if err != nil {
		return j.unread(err)
	}
	defer low.close()
	switch {
	case low.kind == regular && low.st.Size == p.Info.Size:
		return j.is(fact.OriginImage, "")
	case low.kind == absent && l.redirect:
		return j.is(fact.OriginImage, "not in upperdir; its directory was renamed")
	}
	return j.unknown(fact.Changing, j.exe.Path+" is neither in upperdir nor in the image")
}

// judgeDeleted answers for a file without a name, or with another file under
// its name. What it held decides, not the link's text.
func (c *Container) judgeDeleted(ctx context.Context, l *layers, p *Process, now *rootfs.Info, j judgement, rel string) judgement {
	up, err := l.inUpper(rel)
	if err != nil {
		return j.unread(err)
	}
	defer up.close()
	if problem := l.openLowers(c.UserNS); problem != nil {
		// Deleting a name that a lower layer has leaves a whiteout.
		if p.Info.Nlink == 0 && up.kind == absent && l.upper != nil {
			c.addSum(ctx, &j.exe, p)
			return j.is(fact.OriginDeletedAdded, "")
		}
		return j.unknown(problem.reason, "deleted after it was started, and could not be compared: "+problem.detail)
	}
	low, err := l.inLower(rel)
	if err != nil {
		return j.unread(err)
	}
	defer low.close()
	if low.kind != regular {
		j.exe.Gained, _ = gainedBy(&p.Info, p.Handle, nil, true)
		if l.redirect && p.Info.Nlink > 0 {
			return j.unknown(fact.Unsupported, "deleted after it was started; its directory may have been renamed (redirect_dir)")
		}
		c.addSum(ctx, &j.exe, p)
		return j.is(fact.OriginDeletedAdded, "")
	}
	if p.Handle == nil {
		return j.unknown(fact.Unreadable, "deleted after it was started, and its content is not readable")
	}
	like, err := c.comparer.compare(ctx, p.Handle, low.file, now, &low.st)
	switch {
	case err != nil:
		return j.unread(err)
	case like == different:
		j.exe.Gained, _ = gainedBy(&p.Info, p.Handle, &low, !c.UserNS)
		c.addSum(ctx, &j.exe, p)
		return j.is(fact.OriginDeletedAdded, "the image has another file of this name")
	case like == edgesAlike && (p.Info.Nlink == 0 || low.st.Ino != p.Info.Ino || low.st.Mtime != p.Info.Mtime):
		return j.unknown(fact.Truncated, "deleted after it was started; "+edgesDetail(now.Size))
	case up.kind != regular:
		return j.is(fact.OriginDeletedImage, "")
	}
	// The image's file runs, and upper has another one in its place.
	j.exe.HostPath = rootfs.Text(join(l.upperPath, rel))
	j.exe.Size, j.exe.Changed = up.st.Size, fact.NewTime(up.st.Ctime)
	origin, detail, problem := c.classify(ctx, l, &up, rel)
	j.exe.Origin, j.problem = origin, problem
	j.exe.Detail = "replaced after it was started: the process runs the image's file"
	if detail != "" {
		j.exe.Detail += "; " + detail
	}
	j = c.withGained(l, j, &up, rel)
	if origin != fact.OriginMetadata {
		j.exe.Stale = true
		j.exe.SHA256, _ = c.comparer.sum(ctx, up.file, &up.st)
	}
	return j
}

// classify compares a regular file in upper with the image. The problem says
// why it could not.
func (c *Container) classify(ctx context.Context, l *layers, up *entry, rel string) (fact.Origin, string, *problem) {
	unknown := func(reason fact.Reason, detail string) (fact.Origin, string, *problem) {
		return fact.OriginUnknown, detail, &problem{reason, "/" + rootfs.Text(rel) + ": " + detail}
	}
	unread := func(err error) (fact.Origin, string, *problem) {
		return unknown(rootfs.ReasonOf(err), plain(err))
	}
	if problem := l.openLowers(c.UserNS); problem != nil {
		return fact.OriginUnknown, "in upperdir; could not be compared: " + problem.detail, problem
	}
	low, err := l.inLower(rel)
	if err != nil {
		return unread(err)
	}
	defer low.close()
	bare := l.bare(up)
	if l.redirect {
		// What upper holds may belong to a lower file of another name.
		switch c.provenance(l, rel, up, &low) {
		case bornHere:
			bare = false
		case fromElsewhere:
			return unknown(fact.Unsupported, "copied up from an image file of another name (redirect_dir)")
		case untold:
			if bare || low.kind != regular {
				return unknown(fact.Unsupported, "in upperdir, and perhaps an image file below a renamed directory (redirect_dir)")
			}
		}
	}
	switch {
	case low.kind == absent:
		return fact.OriginAdded, "", nil
	case low.kind == other:
		return fact.OriginChanged, "the image has this name, but not as a regular file", nil
	case bare && up.st.Size == low.st.Size:
		return fact.OriginMetadata, "copied up without its content (metacopy)", nil
	}
	like, err := c.comparer.compare(ctx, up.file, low.file, &up.st, &low.st)
	switch {
	case err != nil:
		return unread(err)
	case like == alike:
		return fact.OriginMetadata, "", nil
	case like == edgesAlike:
		return unknown(fact.Truncated, edgesDetail(up.st.Size))
	}
	return fact.OriginChanged, "", nil
}

// withGained adds what a file in upper gives to its caller and the image's does not.
func (c *Container) withGained(l *layers, j judgement, up *entry, rel string) judgement {
	if l.openLowers(c.UserNS) != nil {
		return j // the classification says so
	}
	low, err := l.inLower(rel)
	if err != nil {
		return j.lacking(err)
	}
	defer low.close()
	if j.exe.Gained, err = gainedBy(&up.st, up.file, &low, !c.UserNS); err != nil {
		return j.lacking(err)
	}
	return j
}

// lacking adds a problem to an answer that is right as far as it goes.
func (j judgement) lacking(err error) judgement {
	if j.problem == nil {
		j.problem = &problem{rootfs.ReasonOf(err), j.exe.Path + ": its file capabilities could not be compared with the image's: " + plain(err)}
	}
	return j
}

func edgesDetail(size int64) string {
	return fmt.Sprintf("size, first and last MiB equal the image's; %d bytes between were not compared", size-2*edge)
}

type provenance int

const (
	untold        provenance = iota
	bornHere                 // made in upper
	fromThis                 // copied up from the lower file of the same name
	fromElsewhere            // copied up from another lower file
)

// provenance finds out what a file in upper was copied up from, without reading
// trusted.overlay.origin: where all layers share a file system, the merged view
// shows the inode number of the lower file for a copy, and upper's own for a
// file that was made there (Documentation/filesystems/overlayfs.rst, inode
// properties).
func (c *Container) provenance(l *layers, rel string, up, low *entry) provenance {
	if !l.sameDev {
		return untold
	}
	info, m, err := c.see("/" + rel)
	if err != nil || m == nil || !sameDevice(m, l.mount) || info.Size != up.st.Size {
		return untold
	}
	switch {
	case info.Ino == up.st.Ino:
		return bornHere
	case low.kind == regular && info.Ino == low.st.Ino:
		return fromThis
	}
	return fromElsewhere
}
