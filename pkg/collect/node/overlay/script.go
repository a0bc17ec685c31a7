package overlay

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// Limits of one process: the files that are listed, the names of its command line
// and the open files that are looked at (Java programs have hundreds of archives), the
// descriptors whose names are read.
const (
	maxScripts     = 8
	maxScriptNames = 1024
	maxOpenScripts = 1024
	maxDescriptors = 1 << 14
)

// pathMax is the kernel's PATH_MAX.
const pathMax = 4096

var (
	errUntouchable = errors.New("on a mount that is not read")
	errNoRoot      = errors.New("the container's root is not open")
	// A command line is empty for a moment in exec, and for good if the process wants it.
	errNoCommand = rootfs.NewError(fact.Changing, "it is an interpreter, and its command line is empty, so that its script is unknown")
)

// space is the files that a process sees: a mount table and the root that it starts
// at, which is opened when it is first needed.
type space struct {
	mounts []procfs.MountInfo
	open   func() (*rootfs.Root, error)
	root   *rootfs.Root
	err    error
}

func (s *space) opened() (*rootfs.Root, error) {
	if s.root == nil && s.err == nil {
		if s.open == nil {
			s.err = errNoRoot
		} else {
			s.root, s.err = s.open()
		}
	}
	return s.root, s.err
}

func (s *space) close() {
	if s != nil && s.root != nil {
		_ = s.root.Close()
		s.root = nil
	}
}

// ownSpace is the merged view of the container.
func (c *Container) ownSpace() *space {
	if c.own == nil {
		c.own = &space{mounts: c.Mounts, open: c.Root}
	}
	return c.own
}

// spaceOf is what a process with its own mount namespace sees.
func (c *Container) spaceOf(p *Process) *space {
	if !p.Apart {
		return c.ownSpace()
	}
	if p.space == nil {
		p.space = &space{mounts: p.Mounts, open: p.Root}
	}
	return p.space
}

// rootDir is where the root of a process lies in its mount namespace.
func (p *Process) rootDir() (string, bool) {
	if p.Mounts == nil || p.RootText == nil {
		return "/", true
	}
	text, err := p.RootText()
	return text, err == nil && path.IsAbs(text) && !strings.HasSuffix(text, deletedSuffix)
}

// inside makes a path of a mount namespace, as links and maps show it, one below the
// root of a process, where its own mount table starts.
func (p *Process) inside(text string) (string, bool) {
	dir, ok := p.rootDir()
	if !ok || !within(dir, text) {
		return "", false
	}
	return "/" + below(dir, text), true
}

// see looks at a path of the container.
func (c *Container) see(p string) (rootfs.Info, *procfs.MountInfo, error) {
	return c.seeIn(c.ownSpace(), p)
}

// seeIn looks at a path of a space. No component of it may be a link, because then
// its mount is unknown before looking.
func (c *Container) seeIn(s *space, p string) (rootfs.Info, *procfs.MountInfo, error) {
	m := mountAt(s.mounts, p)
	if m == nil || !c.touchable(m) {
		return rootfs.Info{}, m, errUntouchable
	}
	root, err := s.opened()
	if err != nil {
		return rootfs.Info{}, m, err
	}
	info, err := root.Lstat(p)
	if err == nil && info.HasMountID && info.MountID != m.ID {
		return info, m, errUntouchable
	}
	return info, m, err
}

// touchable reports whether this machine itself answers a lookup in a mount of
// the container. For an overlay this is true if it is true for its layers.
func (c *Container) touchable(m *procfs.MountInfo) bool {
	if m.FSType != "overlay" {
		return localFS[m.FSType]
	}
	l, problem := c.open()
	if problem != nil || !sameDevice(m, l.mount) {
		return false
	}
	problem = l.openLowers(c.UserNS)
	return problem == nil || problem.reason != fact.Unsupported
}

// resolve follows a path as the kernel would for a process whose root is base, a
// path of the space, and asks before each step whether the mount it leads to may be
// touched. cwd is a path of the space too.
func (c *Container) resolve(s *space, base, cwd, name string) (string, rootfs.Info, *procfs.MountInfo, error) {
	at := base
	if !path.IsAbs(name) {
		if !path.IsAbs(cwd) {
			return "", rootfs.Info{}, nil, fs.ErrNotExist
		}
		at = path.Clean(cwd)
	}
	info, m, err := c.seeIn(s, at)
	if err != nil {
		return "", info, m, err
	}
	links := 0
	for rest := name; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		switch part {
		case "", ".":
			continue
		case "..":
			if at != base {
				at = path.Dir(at)
			}
			continue
		}
		next := join(at, part)
		if info, m, err = c.seeIn(s, next); err != nil {
			return "", info, m, err
		}
		if info.Mode.Type() != fs.ModeSymlink {
			at = next
			continue
		}
		if links++; links > 40 || len(rest) > pathMax {
			return "", info, m, rootfs.ErrLoop
		}
		text, err := s.root.Readlink(next)
		if err != nil {
			return "", info, m, err
		}
		if path.IsAbs(text) {
			at = base
		}
		rest = text + "/" + rest
	}
	info, m, err = c.seeIn(s, at)
	return at, info, m, err
}

// Links read the command line and the links of an interpreter. Its command line can
// hang behind the process's memory lock.
type Links struct {
	Cmdline func() ([][]byte, error) // /proc/PID/cmdline, split at NUL
	Cwd     func() (string, error)
	// Open opens what descriptor n refers to, but not for reading.
	Open func(n int) (OpenFile, error)
	// EachFD calls its function with the text of each descriptor's link, until it
	// returns false.
	EachFD func(do func(n int, text string) bool) error
}

// OpenFile is a file behind a link of procfs.
type OpenFile struct {
	Text   string
	Handle *rootfs.Handle
	Info   rootfs.Info // with the mount id, as Process.Info
}

// Scripts are the files that may hold the code which an interpreter runs. Only files
// that exist outside the image come out of it; a process can forge its command line,
// so finding none proves nothing.
type Scripts struct {
	cwd       string
	names     []string // of the command line
	fds       []int
	open      func(n int) (OpenFile, error)
	truncated bool
}

// FindScripts finds them for a process with this executable; nil if that is no
// interpreter. The error is one of reading the command line.
func FindScripts(exe string, l Links) (*Scripts, error) {
	lang := interpreterOf(exe)
	if lang == nil {
		return nil, nil
	}
	argv, err := l.Cmdline()
	switch {
	case err != nil:
		return nil, err
	case len(argv) == 0 || len(argv) == 1 && len(argv[0]) == 0:
		return nil, errNoCommand
	}
	s := &Scripts{open: l.Open}
	c := lang.command(argv)
	s.truncated = c.more
	for _, name := range c.files {
		if n, is := descriptorOf(name); is {
			s.fds = append(s.fds, n)
		} else {
			s.names = append(s.names, name)
		}
	}
	if c.stdin {
		s.fds = append(s.fds, 0)
	}
	if c.of != nil && c.of.scriptFD > 0 {
		s.fds = append(s.fds, c.of.scriptFD)
	}
	if c.of != nil && c.of.namedFD > 0 && len(c.files) > 0 {
		s.fds = append(s.fds, c.of.namedFD)
	}
	if len(lang.opens) > 0 {
		s.codeFDs(lang, l)
	}
	for _, name := range s.names {
		if !path.IsAbs(name) {
			s.cwd, _ = l.Cwd()
			break
		}
	}
	return s, nil
}

// codeFDs finds the descriptors of files of code, by their names.
func (s *Scripts) codeFDs(lang *interpreter, l Links) {
	looked := 0
	_ = l.EachFD(func(n int, text string) bool {
		if looked++; looked > maxDescriptors || len(s.fds) >= maxOpenScripts {
			s.truncated = true
			return false
		}
		if contains(lang.opens, path.Ext(strings.TrimSuffix(text, deletedSuffix))) {
			s.fds = append(s.fds, n)
		}
		return true
	})
}

// Scripts finds those that an interpreter runs from outside the image: files in upper
// or on a writable mount. The gap is as that of Executable.
func (c *Container) Scripts(ctx context.Context, p Process, s *Scripts) ([]fact.Executable, *fact.NodeGap) {
	if s == nil || c.entering(&p) {
		return nil, nil
	}
	defer p.close()
	var found []fact.Executable
	var trouble *problem
	if s.truncated {
		trouble = &problem{fact.Truncated, "more files of code than are looked at in one process"}
	}
	seen := map[string]bool{}
	add := func(j judgement, at string) {
		if trouble == nil {
			trouble = j.problem
		}
		if seen[at] || !c.outside(&j) {
			return
		}
		seen[at] = true
		j.exe.Script, j.exe.Gained = true, "" // the kernel ignores the bits of a script
		j.exe.Stale = j.exe.Stale || stale(j.exe.Origin, j.ctime, p.Started)
		found = append(found, j.exe)
	}
	for _, n := range s.fds {
		if ctx.Err() != nil {
			break
		}
		f, err := s.open(n)
		if err != nil {
			continue
		}
		if path.IsAbs(f.Text) && f.Info.Mode.IsRegular() {
			as := p
			as.Exe, as.Handle, as.Info = f.Text, f.Handle, f.Info
			j := c.cached(ctx, &as)
			p.space = as.space
			add(j, strings.TrimSuffix(f.Text, deletedSuffix))
		}
		_ = f.Handle.Close()
	}
	space, base, cwd, problem := c.standpoint(&p, s.cwd)
	if problem != nil && len(s.names) > 0 {
		trouble = problem
	}
	for _, name := range s.names {
		if problem != nil || ctx.Err() != nil {
			break
		}
		at, info, m, err := c.resolve(space, base, cwd, name)
		switch {
		case err == nil && info.Mode.IsRegular():
			add(c.judgeScript(ctx, space, at, info, m), at)
		case errors.Is(err, errUntouchable) && m != nil && !m.ReadOnly() && !m.Pseudo() && trouble == nil:
			trouble = unreadScript(m)
		}
	}
	// What is certain comes first, so that it is not what is left out.
	sorted.Stable(found, func(a, b fact.Executable) int { return vague(a.Origin) - vague(b.Origin) })
	if len(found) > maxScripts {
		found = found[:maxScripts:maxScripts]
	}
	return found, trouble.gap(fact.Executables)
}

// unreadScript is why a word that may name a script was not looked up. The word stays
// out of it: it need not be a path.
func unreadScript(m *procfs.MountInfo) *problem {
	return &problem{fact.Unsupported, fmt.Sprintf("an interpreter may run a script from the %s mount at %.200q, which is not read", m.FSType, rootfs.Text(m.Point))}
}

func vague(o fact.Origin) int {
	switch o {
	case fact.OriginMetadata:
		return 2
	case fact.OriginUnknown:
		return 1
	}
	return 0
}

// outside reports whether a file of code is one that somebody in the container could
// have made or changed. A copy of the image's content is told too.
func (c *Container) outside(j *judgement) bool {
	return j.exe.Origin == fact.OriginMetadata || listed(j)
}

// standpoint is where the names of a process's command line start: the files that it
// sees, its root there, and its working directory.
func (c *Container) standpoint(p *Process, cwd string) (s *space, base, dir string, why *problem) {
	if p.Apart && p.Mounts == nil {
		return nil, "", "", &problem{fact.Unreadable, "a process has its own mount table, which was not read, so that its scripts are unknown"}
	}
	s = c.spaceOf(p)
	if p.Apart {
		if inside, ok := p.inside(cwd); ok {
			dir = inside
		}
		return s, "/", dir, nil
	}
	base, ok := p.rootDir()
	if !ok {
		return nil, "", "", &problem{fact.Unreadable, "a process has its own root directory, which was not found, so that its scripts are unknown"}
	}
	return s, base, cwd, nil
}

// judgeScript answers for one file.
func (c *Container) judgeScript(ctx context.Context, space *space, at string, info rootfs.Info, m *procfs.MountInfo) judgement {
	j := judgement{ctime: info.Ctime, exe: fact.Executable{
		Path: rootfs.Text(at), FSType: m.FSType, Mount: rootfs.Text(m.Point),
		Size: info.Size, Changed: fact.NewTime(info.Ctime), Owner: ownerOf(&info),
	}}
	switch dir, _, err := c.seeIn(space, path.Dir(at)); {
	case err == nil && dir.Mode.IsDir():
		j.exe.Dir = ownerOf(&dir)
	}
	if m.FSType == "overlay" { // the root: see touches no other
		l, problem := c.open()
		if problem != nil {
			return j.unknown(problem.reason, problem.detail)
		}
		rel := strings.TrimPrefix(join(m.Root, below(m.Point, at)), "/")
		up, err := l.inUpper(rel)
		switch {
		case err != nil:
			return j.unread(err)
		case up.kind != regular:
			return j.is(fact.OriginImage, "")
		}
		defer up.close()
		j.exe.HostPath = rootfs.Text(join(l.upperPath, rel))
		j.exe.Origin, j.exe.Detail, j.problem = c.classify(ctx, l, &up, rel)
		if j.exe.Origin != fact.OriginMetadata && !l.bare(&up) {
			j.exe.SHA256, _ = c.comparer.sum(ctx, up.file, &up.st)
		}
		return j
	}
	if m.Pseudo() {
		return j.is(fact.OriginReadOnly, "")
	}
	as := Process{Info: info}
	if file, st, err := space.find(c, at); err == nil {
		defer func() { _ = file.Close() }()
		as.Handle, as.Info = file, st
	}
	return c.judgeMounted(ctx, &as, j, m, at)
}
