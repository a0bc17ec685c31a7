package overlay

import (
	"context"
	"io/fs"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// What a process runs is more than its executable: libraries, and the program
// itself where it was started through ld.so ("/lib64/ld-linux-x86-64.so.2 FILE"),
// which needs no x bit. Both are executable mappings of a file.
//
// /proc/PID/map_files would open the mapped files, but needs CAP_SYS_ADMIN. So a
// mapping is looked up by its path, and device and inode must be those of the file
// that is found. The content of a file without a name cannot be read.
//
// Executable memory that is no file's code is not judged: anonymous memory, and
// shared mappings of files without a name (memfd, "/dev/zero (deleted)", a file that
// was unlinked). A compiler that runs inside a program (.NET "memfd:doublemapper",
// Erlang "memfd:vmem", PHP's opcache, QEMU "memfd:tcg-jit", sljit, libffi) maps one
// piece of memory twice, to write and to execute it, for which the mapping must be
// shared. A loader maps code privately (dlopen of /proc/self/fd/N does). A program
// that brings its own loader can hide its code there, as it can in anonymous memory.

// Limits of the files that are remembered of one container: 65,530 mappings of a
// process are the kernel's own limit.
const (
	maxMappedFiles = 4096
	maxMappedNames = 1 << 20 // bytes
	maxMappedLines = 1 << 20 // lines that are read of all its processes
)

// MappedFile is a file as /proc/PID/maps names it.
type MappedFile struct {
	Path         string
	Major, Minor uint32
	Inode        uint64

	judged *mappedJudgement
	// The process whose list was made last, and its place there.
	process int
	at      int
}

// Mapping is a file that a process has mapped executable.
type Mapping struct {
	File *MappedFile
	// Private says that at least one of its mappings is private.
	Private bool
}

// mappedJudgement is an answer for all processes of a container, but for Stale.
type mappedJudgement struct {
	judgement
	mapping mappingKind
}

type mappingKind int

const (
	mapsFile    mappingKind = iota // what the image holds, or not
	mapsMemory                     // no code of a file
	mapsUnnamed                    // a file without a name: memory if it is shared
)

// MappedFiles are those of a container. Its processes share most of them.
type MappedFiles struct {
	files map[string]*MappedFile
	names int
	lines int
	count int // processes
}

// Read sorts the mappings that each calls its function with. truncated means that
// there are more than are remembered.
func (t *MappedFiles) Read(each func(func(procfs.Mapping)) (lines int, err error)) (list []Mapping, lines int, truncated bool, err error) {
	if t.files == nil {
		t.files = map[string]*MappedFile{}
	}
	if t.lines > maxMappedLines {
		return nil, 0, true, nil
	}
	t.count++
	lines, err = each(func(m procfs.Mapping) {
		if m.Inode == 0 || len(m.Path) == 0 || m.Path[0] != '/' {
			return // anonymous, [vdso], anon_inode:…
		}
		file := t.files[string(m.File)]
		switch {
		case file == nil && (len(t.files) == maxMappedFiles || t.names+len(m.File) > maxMappedNames):
			truncated = true
			return
		case file == nil:
			file = &MappedFile{Path: string(m.Path), Major: m.Major, Minor: m.Minor, Inode: m.Inode}
			t.files[string(m.File)] = file
			t.names += len(m.File)
		}
		if file.process != t.count {
			file.process, file.at = t.count, len(list)
			list = append(list, Mapping{File: file})
		}
		list[file.at].Private = list[file.at].Private || m.Private
	})
	t.lines += lines
	return list, lines, truncated, err
}

// Mapped judges the files that a process has mapped executable, besides its
// executable. The gaps, without a subject, say what could not be compared.
func (c *Container) Mapped(ctx context.Context, p Process, mappings []Mapping) (*fact.Mapped, []fact.NodeGap) {
	if c.entering(&p) {
		return nil, nil
	}
	result := &fact.Mapped{}
	var gaps []fact.NodeGap
	for _, m := range mappings {
		if ctx.Err() != nil {
			break // the container is not settled
		}
		f := m.File
		if f.Inode == p.Info.Ino && slices.Contains(f.texts(), p.Exe) {
			continue
		}
		j := f.judged
		if j == nil || p.Apart {
			j = c.judgeMapping(ctx, &p, f)
			if !p.Apart && ctx.Err() == nil && (j.problem == nil || j.problem.reason != fact.Changing) {
				f.judged = j
			}
		}
		if j.mapping == mapsMemory || j.mapping == mapsUnnamed && !m.Private {
			continue
		}
		result.Count++
		if gap := j.problem.gap(fact.Executables); gap != nil && !slices.Contains(gaps, *gap) {
			gaps = append(gaps, *gap)
		}
		if !listed(&j.judgement) {
			continue
		}
		exe := j.exe
		exe.Stale = exe.Stale || stale(exe.Origin, j.ctime, p.Started)
		result.Files = append(result.Files, exe)
	}
	result.FileCount = len(result.Files)
	// What is certain comes first, so that it is not what is left out.
	sorted.Stable(result.Files, func(a, b fact.Executable) int {
		return order(a.Origin == fact.OriginUnknown) - order(b.Origin == fact.OriginUnknown)
	})
	if len(result.Files) > fact.MaxMapped {
		result.Files = slices.Clone(result.Files[:fact.MaxMapped])
	}
	return result, gaps
}

func order(last bool) int {
	if last {
		return 1
	}
	return 0
}

// listed reports whether a file is one that the image does not hold. Where nothing
// of a container can be compared, one gap says so.
func listed(j *judgement) bool {
	switch j.exe.Origin {
	case fact.OriginImage, fact.OriginMetadata, fact.OriginDeletedImage:
		return false
	case fact.OriginReadOnly:
		return writableElsewhere(j.exe.Volume)
	case fact.OriginUnknown:
		return !j.whole
	}
	return true
}

// writableElsewhere reports whether another container may write a volume (kind/name)
// that is mounted read-only here, as a sidecar does that fetches code into an emptyDir.
// What the runtime mounts itself, such as drivers, is no volume.
func writableElsewhere(volume string) bool {
	switch kind, _, _ := strings.Cut(volume, "/"); kind {
	case "", "configMap", "secret", "projected", "downwardAPI", "image", "kubelet":
		return false
	}
	return true
}

// texts are the paths that the text of maps can mean: a newline is written as \012,
// and so is a name with these four characters.
func (f *MappedFile) texts() []string {
	if decoded := strings.ReplaceAll(f.Path, `\012`, "\n"); decoded != f.Path {
		return []string{decoded, f.Path}
	}
	return []string{f.Path}
}

// place is a mount that may hold a mapped file, and its path there.
type place struct {
	mount *procfs.MountInfo
	path  string // as the mount's table has it
	own   bool   // of the process's own mount namespace
}

// judgeMapping answers for one file. The first place where a file with this inode
// has its name decides.
func (c *Container) judgeMapping(ctx context.Context, p *Process, f *MappedFile) *mappedJudgement {
	var second *mappedJudgement
	hidden := p.hidden()
	if hidden != nil && p.Mounts == nil {
		// What lies at the path in the container proves nothing.
		j := &mappedJudgement{judgement: judgement{}.unknown(hidden.reason, hidden.detail)}
		j.whole = true
		return j
	}
	for _, text := range f.texts() {
		for _, at := range c.places(p, f, text) {
			j, sure := c.judgeMappedAt(ctx, p, f, at)
			if sure {
				return &j
			}
			if second == nil {
				second = &j
			}
		}
	}
	if second != nil {
		return second
	}
	j := &mappedJudgement{judgement: judgement{exe: fact.Executable{Path: rootfs.Text(strings.TrimSuffix(f.texts()[0], deletedSuffix))}}}
	switch unnamed := strings.HasSuffix(f.Path, deletedSuffix); {
	case unnamed && f.Path == "/anon_hugepage"+deletedSuffix:
		j.mapping = mapsMemory // anonymous memory of huge pages
		return j
	case unnamed && strings.HasPrefix(f.Path, "/memfd:"):
		j.judgement = j.is(fact.OriginMemfd, "")
	case hidden != nil:
		j.judgement = j.unknown(hidden.reason, hidden.detail)
	default:
		j.judgement = j.is(fact.OriginForeign, "mapped from a file system that the container's mount table does not have there")
	}
	if strings.HasSuffix(f.Path, deletedSuffix) {
		j.mapping = mapsUnnamed
	}
	return j
}

// places lists the mounts that may hold a file, the likeliest first: those of the
// device above its path. What lies at the path now may have been mounted over it.
func (c *Container) places(p *Process, f *MappedFile, text string) []place {
	var list []place
	add := func(table []procfs.MountInfo, path string, own bool) {
		top := mountAt(table, path)
		if top != nil && c.onDevice(f, top) {
			list = append(list, place{top, path, own})
		}
		var others []place
		for i := range table {
			if m := &table[i]; m != top && within(m.Point, path) && f.Major == m.Major && f.Minor == m.Minor {
				others = append(others, place{m, path, own})
			}
		}
		sorted.Stable(others, func(a, b place) int { return len(b.mount.Point) - len(a.mount.Point) })
		list = append(list, others...)
	}
	if p.Apart && p.Mounts != nil {
		if inside, ok := p.inside(text); ok {
			add(p.Mounts, inside, true)
		}
	}
	add(c.Mounts, text, false)
	return list
}

// onDevice reports whether a mapping's device is that of a mount. Before Linux 6.8
// maps shows the device of an overlay's layer.
func (c *Container) onDevice(f *MappedFile, m *procfs.MountInfo) bool {
	if f.Major == m.Major && f.Minor == m.Minor {
		return true
	}
	if m.FSType != "overlay" {
		return false
	}
	l, problem := c.open()
	if problem != nil || !sameDevice(m, l.mount) {
		return false
	}
	upper, lower := c.layerDevice(l, f)
	return upper || lower
}

// layerDevice reports whether a mapping's device is that of upper, and of a lower.
func (c *Container) layerDevice(l *layers, f *MappedFile) (upper, lower bool) {
	of := func(r *rootfs.Root) bool {
		info, err := r.Stat("/")
		if err != nil {
			return false
		}
		if info.HasMountID { // a subvolume of btrfs has another device than its mount
			if m := procfs.Find(l.view.Mounts, info.MountID); m != nil && m.Major == f.Major && m.Minor == f.Minor {
				return true
			}
		}
		return info.Dev == rootfs.Mkdev(f.Major, f.Minor)
	}
	if l.openLowers(c.UserNS) == nil {
		lower = slices.ContainsFunc(l.lowers, of)
	}
	return l.upper != nil && of(l.upper), lower
}

// judgeMappedAt answers for a file in one place. sure is false if the file there is
// another one.
func (c *Container) judgeMappedAt(ctx context.Context, p *Process, f *MappedFile, at place) (mappedJudgement, bool) {
	m := at.mount
	j := mappedJudgement{judgement: judgement{exe: fact.Executable{
		Path: rootfs.Text(at.path), FSType: m.FSType, Mount: rootfs.Text(m.Point),
	}}}
	root := rootMount(c.Mounts)
	switch {
	case root == nil:
		j.judgement = j.unknown(fact.NotPresent, "no mount at / in its mountinfo")
		j.whole = true
		return j, true
	case m.FSType == "overlay" && root.FSType == "overlay" && sameDevice(m, root):
		return c.judgeMappedLayered(ctx, p, j, f, at)
	case m == root || sameDevice(m, root) && m.Root == root.Root:
		_, problem := c.open()
		j.judgement = j.unknown(problem.reason, problem.detail)
		j.whole = true
		return j, true
	}
	return c.judgeMappedVolume(ctx, p, j, f, at)
}

// judgeMappedVolume answers for a file on another mount than the container's root.
func (c *Container) judgeMappedVolume(ctx context.Context, p *Process, j mappedJudgement, f *MappedFile, at place) (mappedJudgement, bool) {
	text := at.path
	file, st, err := c.spaceAt(p, at).find(c, text)
	if file != nil {
		defer func() { _ = file.Close() }()
	}
	as := Process{Info: rootfs.Info{Nlink: 1}} // without the file itself only its mount decides
	found := err == nil && st.Ino == f.Inode
	switch {
	case found && !st.Mode.IsRegular():
		j.mapping = mapsMemory // a device: /dev/zero, a graphics card
		return j, true
	case found:
		as.Handle, as.Info = file, st
		j.exe.Size, j.exe.Changed, j.exe.Owner = st.Size, fact.NewTime(st.Ctime), ownerOf(&st)
		j.ctime = st.Ctime
	case strings.HasSuffix(text, deletedSuffix):
		text = strings.TrimSuffix(text, deletedSuffix)
		j.exe.Path = rootfs.Text(text)
		j.mapping = mapsUnnamed
	}
	j.judgement = c.judgeMounted(ctx, &as, j.judgement, at.mount, text)
	if !found {
		j.exe.HostPath = ""
		if j.mapping == mapsUnnamed && j.exe.Origin == fact.OriginVolume {
			j.exe.Detail = "deleted after it was mapped"
		}
	}
	return j, found || err != nil
}

// judgeMappedLayered answers for a file on the container's overlay.
func (c *Container) judgeMappedLayered(ctx context.Context, p *Process, j mappedJudgement, f *MappedFile, at place) (mappedJudgement, bool) {
	l, problem := c.open()
	if problem != nil {
		j.judgement = j.unknown(problem.reason, problem.detail)
		j.whole = true
		return j, true
	}
	is := func(e *entry) bool { return e.kind == regular && l.sameInode(e.st.Ino, f.Inode) }
	rel := strings.TrimPrefix(join(at.mount.Root, below(at.mount.Point, at.path)), "/")
	up, err := l.inUpper(rel)
	if err != nil {
		j.judgement = j.unread(err)
		return j, true
	}
	defer up.close()
	lowers := l.openLowers(c.UserNS)
	var low entry
	if lowers == nil {
		if low, err = l.inLower(rel); err != nil {
			j.judgement = j.unread(err)
			return j, true
		}
		defer low.close()
	}
	// A file that was copied up keeps the inode of the lower one.
	visible := up.kind == regular || up.kind == absent && low.kind == regular
	known := visible && (is(&up) || is(&low)) || up.kind == regular && lowers != nil
	another := false
	if !known {
		// The merged view knows better, for file systems that count differently.
		if file, st, err := c.spaceAt(p, at).find(c, at.path); err == nil {
			_ = file.Close()
			if st.Ino == f.Inode && !st.Mode.IsRegular() {
				j.mapping = mapsMemory
				return j, true
			}
			known, another = st.Ino == f.Inode, st.Ino != f.Inode
		}
	}
	switch {
	case known && up.kind == regular:
		j.ctime = up.st.Ctime
		j.exe.Size, j.exe.Changed, j.exe.Owner = up.st.Size, fact.NewTime(up.st.Ctime), ownerOf(&up.st)
		j.exe.HostPath = rootfs.Text(join(l.upperPath, rel))
		j.exe.Origin, j.exe.Detail, j.problem = c.classify(ctx, l, &up, rel)
		if listed(&j.judgement) && !l.bare(&up) {
			j.exe.SHA256, _ = c.comparer.sum(ctx, up.file, &up.st)
		}
		return j, true
	case known && low.kind == regular:
		j.judgement = j.is(fact.OriginImage, "")
		return j, true
	case known && l.redirect:
		j.judgement = j.is(fact.OriginImage, "not in upperdir; its directory was renamed")
		return j, true
	case strings.HasSuffix(rel, deletedSuffix):
		return c.judgeMappedDeleted(ctx, l, j, f, strings.TrimSuffix(rel, deletedSuffix))
	case up.kind == absent && lowers != nil && !another:
		j.judgement = j.is(fact.OriginImage, "not in upperdir; the lower layers were not looked at")
		return j, true
	}
	j.judgement = j.unknown(fact.Changing, j.exe.Path+" is not the file that is mapped")
	return j, false
}

// sameInode compares an inode of a layer with one of maps. Where the layers lie on
// several file systems, an overlay may count them apart in the upper bits (xino).
func (l *layers) sameInode(layer, mapped uint64) bool {
	return layer == mapped || !l.sameDev && uint32(layer) == uint32(mapped)
}

// judgeMappedDeleted answers for a file that has no name any more. Its content
// cannot be read.
func (c *Container) judgeMappedDeleted(ctx context.Context, l *layers, j mappedJudgement, f *MappedFile, rel string) (mappedJudgement, bool) {
	j.exe.Path = strings.TrimSuffix(j.exe.Path, deletedSuffix)
	j.mapping = mapsUnnamed
	unknown := func(reason fact.Reason, detail string) (mappedJudgement, bool) {
		problem := j.unknown(reason, j.exe.Path+": "+detail).problem
		j.judgement = j.unknown(reason, detail)
		j.problem = problem
		return j, true
	}
	up, err := l.inUpper(rel)
	if err != nil {
		j.judgement = j.unread(err)
		return j, true
	}
	defer up.close()
	const unreadable = "deleted after it was mapped, so that its content cannot be read"
	if problem := l.openLowers(c.UserNS); problem != nil {
		if up.kind == absent && l.upper != nil { // deleting a name of a lower layer leaves a whiteout
			j.judgement = j.is(fact.OriginDeletedAdded, "")
			return j, true
		}
		return unknown(problem.reason, unreadable+"; the image's: "+problem.detail)
	}
	low, err := l.inLower(rel)
	if err != nil {
		j.judgement = j.unread(err)
		return j, true
	}
	defer low.close()
	switch {
	case l.redirect && low.kind != regular:
		return unknown(fact.Unsupported, "deleted after it was mapped; its directory may have been renamed (redirect_dir)")
	case low.kind != regular:
		j.judgement = j.is(fact.OriginDeletedAdded, "")
		return j, true
	case !l.sameInode(low.st.Ino, f.Inode):
		j.judgement = j.is(fact.OriginDeletedAdded, "the image has another file of this name")
		return j, true
	case up.kind == regular:
		// The image's name, with another file behind it now.
		j.exe.HostPath = rootfs.Text(join(l.upperPath, rel))
		j.exe.Size, j.exe.Changed, j.exe.Owner = up.st.Size, fact.NewTime(up.st.Ctime), ownerOf(&up.st)
		origin, detail, problem := c.classify(ctx, l, &up, rel)
		if origin == fact.OriginChanged {
			j.exe.Origin, j.problem, j.exe.Stale = origin, problem, true
			j.exe.Detail = "replaced after it was mapped"
			if detail != "" {
				j.exe.Detail += "; " + detail
			}
			j.exe.SHA256, _ = c.comparer.sum(ctx, up.file, &up.st)
			return j, true
		}
	}
	// Since Linux 6.8 a copied-up file has the lower one's inode: it may have been
	// written before it was deleted.
	if _, lower := c.layerDevice(l, f); lower && !(f.Major == l.mount.Major && f.Minor == l.mount.Minor) {
		j.judgement = j.is(fact.OriginDeletedImage, "")
		return j, true
	}
	return unknown(fact.Unsupported, unreadable+": it is the image's, unless it was written before")
}

// spaceAt is where a place was found.
func (c *Container) spaceAt(p *Process, at place) *space {
	if at.own {
		return c.spaceOf(p)
	}
	return c.ownSpace()
}

// find looks at a regular or other file of a path without links.
func (s *space) find(c *Container, path string) (*rootfs.Handle, rootfs.Info, error) {
	if _, _, err := c.seeIn(s, path); err != nil {
		return nil, rootfs.Info{}, err
	}
	file, err := s.root.Handle(path, false)
	if err != nil {
		return nil, rootfs.Info{}, err
	}
	if file.Info().Mode.Type() == fs.ModeSymlink {
		_ = file.Close()
		return nil, rootfs.Info{}, fs.ErrNotExist
	}
	return file, file.Info(), nil
}
