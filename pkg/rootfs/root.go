package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"
)

const (
	// maxLinks is the kernel's MAXSYMLINKS: so many links of one path are
	// followed, the next is ELOOP.
	maxLinks = 40
	// maxSteps bounds the lookups of one resolution. Only a path that goes
	// hundreds of directories down and comes up again by ".." needs as many,
	// because each ".." walks down from the root again.
	maxSteps = 1 << 16
	// pathMax counts the NUL, as PATH_MAX does.
	pathMax = 4096
)

// Root is a directory handle inside which every path is resolved. A path may
// begin with a slash or not: both mean the same. It is safe for concurrent
// use, except that Close must come last.
//
// Errors are *fs.PathError with the path as the caller would write it outside
// the root, made valid UTF-8; they wrap the kernel's own or one of this package's
// errors, so that errors.Is(err, fs.ErrNotExist) and the like work.
type Root struct {
	fd   int
	name string
	may  func(Info) bool // nil: everything; see Guard
}

// Guard keeps the caller out of directories and files that may refuses: nothing is
// looked up in such a directory, its names are not read, and such a file is not
// opened; the error wraps ErrGuarded. What is only found is not asked about. It must
// be called before anything else, and holds for what Sub returns too.
func (r *Root) Guard(may func(Info) bool) { r.may = may }

func (r *Root) refuses(info Info) bool { return r.may != nil && !r.may(info) }

// Open returns a Root for a directory of the caller's own view, links in its
// path followed.
func Open(dir string) (*Root, error) {
	fd, err := openat(cwd, dir, flagsStart)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: Text(dir), Err: err}
	}
	return &Root{fd: fd, name: path.Clean(dir)}, nil
}

// Name is the path that Open was given, with what Sub and Magic added.
func (r *Root) Name() string { return r.name }

// FD is the O_PATH descriptor of the directory, valid until Close.
func (r *Root) FD() int { return r.fd }

// Close releases the handle.
func (r *Root) Close() error {
	if r.fd < 0 {
		return &fs.PathError{Op: "close", Path: Text(r.name), Err: fs.ErrClosed}
	}
	fd := r.fd
	r.fd = -1
	if err := closeFD(fd); err != nil {
		return &fs.PathError{Op: "close", Path: Text(r.name), Err: err}
	}
	return nil
}

// Sub returns a directory below r, links followed, as a root of its own: an
// absolute link inside it then means the new root.
func (r *Root) Sub(name string) (*Root, error) { return r.sub(name, true) }

// SubNoFollow is Sub, but a link as last component is ENOTDIR.
func (r *Root) SubNoFollow(name string) (*Root, error) { return r.sub(name, false) }

func (r *Root) sub(name string, follow bool) (*Root, error) {
	at, err := r.walk(name, follow)
	if err != nil {
		return nil, r.wrap("open", name, err)
	}
	if !at.info.Mode.IsDir() {
		at.close()
		return nil, r.wrap("open", name, ErrNotDir)
	}
	fd, err := at.take()
	if err != nil {
		return nil, r.wrap("open", name, err)
	}
	return &Root{fd: fd, name: r.join(name), may: r.may}, nil
}

// KernelDir opens a directory of procfs that lies in this directory, and is no link,
// with its inode: a process has a new one if the kernel has forgotten the old.
func (r *Root) KernelDir(name string) (dir *Root, ino uint64, err error) {
	fd, err := openat(r.fd, name, flagsEnter)
	if err != nil {
		return nil, 0, r.wrap("open", name, err)
	}
	info, _, err := stat(fd)
	if err != nil {
		_ = closeFD(fd)
		return nil, 0, r.wrap("stat", name, err)
	}
	return &Root{fd: fd, name: r.join(name)}, info.Ino, nil
}

// Magic returns the directory that a link of procfs refers to (/proc/PID/root,
// cwd) as a separate root. The kernel follows the last component, whatever it
// is, so the name must be one of procfs.
func (r *Root) Magic(name string) (*Root, error) {
	h, err := r.MagicHandle(name)
	if err != nil {
		return nil, err
	}
	if !h.info.Mode.IsDir() {
		_ = h.Close()
		return nil, r.wrap("open", name, ErrNotDir)
	}
	return &Root{fd: h.fd, name: h.name}, nil
}

// MagicHandle returns what a link of procfs refers to: a file that may be
// deleted (exe, fd/N), a namespace (ns/user). See Magic.
func (r *Root) MagicHandle(name string) (*Handle, error) {
	dir, base := path.Split(strings.TrimRight(name, "/"))
	if base == "" || base == "." || base == ".." {
		return nil, r.wrap("open", name, errBadName)
	}
	parent := r.fd
	if dir != "" && dir != "/" {
		at, err := r.walk(dir, true)
		if err != nil {
			return nil, r.wrap("open", name, err)
		}
		defer at.close()
		parent = at.fd
	}
	fd, err := openat(parent, base, flagsMagic)
	if err != nil {
		return nil, r.wrap("open", name, err)
	}
	info, _, err := stat(fd)
	if err != nil {
		_ = closeFD(fd)
		return nil, r.wrap("stat", name, err)
	}
	return &Handle{fd: fd, name: r.join(name), info: info}, nil
}

// Handle returns an O_PATH handle, which can be looked at and not read. Links
// are followed if follow is true.
func (r *Root) Handle(name string, follow bool) (*Handle, error) {
	at, err := r.walk(name, follow)
	if err != nil {
		return nil, r.wrap("open", name, err)
	}
	fd, err := at.take()
	if err != nil {
		return nil, r.wrap("open", name, err)
	}
	return &Handle{fd: fd, name: r.join(name), info: at.info}, nil
}

// Open opens a regular file for reading, links followed. For anything else it
// returns ErrNotRegular without opening it.
func (r *Root) Open(name string) (*File, error) { return r.open(name, true) }

// OpenNoFollow is Open, but a link as last component is ErrNotRegular.
func (r *Root) OpenNoFollow(name string) (*File, error) { return r.open(name, false) }

func (r *Root) open(name string, follow bool) (*File, error) {
	at, err := r.walk(name, follow)
	if err != nil {
		return nil, r.wrap("open", name, err)
	}
	defer at.close()
	if r.refuses(at.info) {
		return nil, r.wrap("open", name, ErrGuarded)
	}
	fd, err := reopen(at.fd, at.info)
	if err != nil {
		return nil, r.wrap("open", name, err)
	}
	return &File{fd: fd, name: r.join(name)}, nil
}

// ReadFile returns the whole content of a regular file, or ErrTooLarge if it
// holds more than limit bytes. The size from stat is not trusted: files of
// procfs have size 0.
func (r *Root) ReadFile(name string, limit int64) ([]byte, error) {
	f, err := r.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.close()
	return f.readAll(limit)
}

// ReadKernelPath reads a file of procfs or sysfs straight into buf: a path without
// links, such as status or task/TID/status, opened without looking at its type first,
// which saves four of seven system calls where every process is read. It returns
// ErrTooLarge, with buf filled, if there is more. It allocates nothing unless there is
// an error.
func (r *Root) ReadKernelPath(path, buf []byte) (int, error) {
	return r.readKernelPath(path, buf, false)
}

// ReadKernelRecord is ReadKernelPath for a file that the kernel shows as one record:
// stat, status and cgroup of a process (single_open in fs/seq_file.c, which makes the
// whole record before it copies any of it). What one read returns, ending in a newline
// and shorter than buf, is all of it, so there is no second read to find its end. With
// thousands of processes that read is a tenth of the time. Not for files of several
// records, such as uid_map and mountinfo: the kernel ends a read between two of them.
func (r *Root) ReadKernelRecord(path, buf []byte) (int, error) {
	return r.readKernelPath(path, buf, true)
}

func (r *Root) readKernelPath(path, buf []byte, record bool) (int, error) {
	fd, err := openKernel(r.fd, path)
	if err != nil {
		return 0, r.wrap("open", string(path), err)
	}
	n, err := readKernel(fd, buf, record)
	_ = closeFD(fd)
	if err != nil {
		return n, r.wrap("read", string(path), err)
	}
	return n, nil
}

// readKernel reads a whole file, which can be one record, into buf.
func readKernel(fd int, buf []byte, record bool) (int, error) {
	n := 0
	for {
		if n == len(buf) {
			var one [1]byte
			switch m, err := read(fd, one[:]); {
			case err != nil:
				return n, err
			case m > 0:
				return n, ErrTooLarge
			}
			return n, nil
		}
		m, err := read(fd, buf[n:])
		if err != nil {
			return n, err
		}
		if m == 0 {
			return n, nil
		}
		n += m
		if record && n == m && n < len(buf) && buf[n-1] == '\n' {
			return n, nil
		}
	}
}

// EachKernelName calls do with every name in a directory of procfs that lies in
// this directory, and is no link, until it returns false. A name is valid during
// the call.
func (r *Root) EachKernelName(dir string, do func(name []byte) bool) error {
	fd, err := openat(r.fd, dir, flagsDir)
	if err != nil {
		return r.wrap("open", dir, err)
	}
	defer func() { _ = closeFD(fd) }()
	names := namesPool.Get().(*Names)
	defer namesPool.Put(names)
	if err := names.each(fd, func(e *RawEntry) bool { return do(e.Name) }); err != nil {
		return r.wrap("readdir", dir, err)
	}
	return nil
}

// OpenKernelFile opens a file of procfs or sysfs as ReadKernelPath does.
func (r *Root) OpenKernelFile(name string) (*File, error) {
	fd, err := openat(r.fd, name, flagsFile)
	if err != nil {
		return nil, r.wrap("open", name, err)
	}
	return &File{fd: fd, name: r.join(name)}, nil
}

// ReadDir sorts, and so has to hold all names: so many, with so many bytes. 131,072
// names of 255 bytes alone would take more memory than the probe has.
const (
	maxDirEntries = 1 << 17
	maxDirNames   = 4 << 20
)

// ReadDir returns the names in a directory, sorted, with their types and
// without "." and "..". Beyond 131,072 names, or 4 MiB of them, it returns
// ErrTooLarge: use Each.
func (r *Root) ReadDir(name string) ([]DirEntry, error) {
	var entries []DirEntry
	full, size := false, 0
	err := r.Each(name, func(e DirEntry) bool {
		if size += len(e.Name); len(entries) == maxDirEntries || size > maxDirNames {
			full = true
			return false
		}
		entries = append(entries, e)
		return true
	})
	if err != nil {
		return nil, err
	}
	if full {
		return nil, r.wrap("readdir", name, fmt.Errorf("%w of %d names, or %d bytes of them", ErrTooLarge, maxDirEntries, maxDirNames))
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name < entries[j].Name })
	return entries, nil
}

// Each calls do with every name in a directory, in the file system's order,
// until it returns false. Names that come or go meanwhile may be missed.
func (r *Root) Each(name string, do func(DirEntry) bool) error {
	at, err := r.walk(name, true)
	if err != nil {
		return r.wrap("open", name, err)
	}
	defer at.close()
	if !at.info.Mode.IsDir() {
		return r.wrap("readdir", name, ErrNotDir)
	}
	if r.refuses(at.info) {
		return r.wrap("readdir", name, ErrGuarded)
	}
	// "." of a descriptor is that very directory, whatever its name means now.
	fd, err := openat(at.fd, ".", flagsDir)
	if err != nil {
		return r.wrap("open", name, err)
	}
	defer func() { _ = closeFD(fd) }()
	names := namesPool.Get().(*Names)
	defer namesPool.Put(names)
	err = names.each(fd, func(e *RawEntry) bool {
		return do(DirEntry{Name: string(e.Name), Type: e.Type, Ino: e.Ino})
	})
	if err != nil {
		return r.wrap("readdir", name, err)
	}
	return nil
}

// Lstat describes a file, without following a link as last component.
func (r *Root) Lstat(name string) (Info, error) { return r.stat(name, false) }

// Stat describes a file, links followed.
func (r *Root) Stat(name string) (Info, error) { return r.stat(name, true) }

func (r *Root) stat(name string, follow bool) (Info, error) {
	at, err := r.walk(name, follow)
	if err != nil {
		return Info{}, r.wrap("stat", name, err)
	}
	defer at.close()
	return at.info, nil
}

// Readlink returns the text of a link: raw bytes, to be resolved in the
// directory that holds it.
func (r *Root) Readlink(name string) (string, error) {
	at, err := r.walk(name, false)
	if err != nil {
		return "", r.wrap("readlink", name, err)
	}
	defer at.close()
	if at.info.Mode.Type() != fs.ModeSymlink {
		return "", r.wrap("readlink", name, ErrNotLink)
	}
	text, err := readlinkat(at.fd, "")
	if err != nil {
		return "", r.wrap("readlink", name, err)
	}
	return text, nil
}

// ReadlinkAt returns the text of a link that lies in this very directory, in
// one system call.
func (r *Root) ReadlinkAt(name string) (string, error) {
	text, err := readlinkat(r.fd, name)
	if err != nil {
		return "", r.wrap("readlink", name, err)
	}
	return text, nil
}

// Step is a place that a path leads through: a directory in which a name was looked up,
// a link that was followed, or the file at the end.
type Step struct {
	Path string // inside the root, absolute, without links, "." and ".."
	Info Info   // of the link itself where it is a link
}

// maxTrace bounds the steps of Trace. A path of 4,095 bytes with 40 links of the same
// length has more, and no path that somebody means to use.
const maxTrace = 1000

// Trace returns every place that name leads through, links followed, each once for each
// time that it was looked up: first the root, last the file that name means. That file
// may be a directory.
func (r *Root) Trace(name string) ([]Step, error) {
	var steps []Step
	at, err := r.walkSeen(name, true, func(names []string, part string, info Info) bool {
		full := "/" + strings.Join(names, "/")
		if part != "" {
			full = path.Join(full, part)
		}
		steps = append(steps, Step{Path: full, Info: info})
		return len(steps) < maxTrace
	})
	if err != nil {
		return nil, r.wrap("resolve", name, err)
	}
	defer at.close()
	// "dir/.." and "." end at a directory that is not the last one that was looked up.
	if end := "/" + strings.Join(at.names, "/"); steps[len(steps)-1].Path != end {
		steps = append(steps, Step{Path: end, Info: at.info})
	}
	return steps, nil
}

// HasACL reports whether a regular file or a directory has a POSIX ACL beyond its mode
// (acl(5)), links followed. Of the ACL itself nothing is read. Other kinds of files are
// not opened, and have none as far as this reports.
func (r *Root) HasACL(name string) (bool, error) {
	at, err := r.walk(name, true)
	if err != nil {
		return false, r.wrap("open", name, err)
	}
	defer at.close()
	if r.refuses(at.info) {
		return false, r.wrap("open", name, ErrGuarded)
	}
	var fd int
	switch {
	case at.info.Mode.IsDir():
		fd, err = openat(at.fd, ".", flagsDir)
	case at.info.Mode.IsRegular():
		fd, err = reopen(at.fd, at.info)
	default:
		return false, nil
	}
	if err != nil {
		return false, r.wrap("open", name, err)
	}
	defer func() { _ = closeFD(fd) }()
	has, err := hasACL(fd)
	if err != nil {
		return false, r.wrap("getxattr", name, err)
	}
	return has, nil
}

// Resolve returns the absolute path inside r that name leads to, without any
// link, "." or "..". The file exists.
func (r *Root) Resolve(name string) (string, error) {
	at, err := r.walk(name, true)
	if err != nil {
		return "", r.wrap("resolve", name, err)
	}
	defer at.close()
	return "/" + strings.Join(at.names, "/"), nil
}

func (r *Root) join(name string) string {
	return strings.TrimRight(r.name, "/") + "/" + strings.TrimLeft(name, "/")
}

func (r *Root) wrap(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: Text(r.join(name)), Err: err}
}

// position is where a resolution is: a descriptor, its type, and the names that
// lead to it from the root.
type position struct {
	of    *Root
	root  int
	fd    int // == root at the root itself, and not ours then
	info  Info
	auto  bool // an automount point that nothing is mounted on
	names []string
	seen  func(names []string, part string, info Info) bool // nil, or see walkSeen
}

func (p *position) close() {
	if p.fd != p.root {
		_ = closeFD(p.fd)
	}
	p.fd = p.root
}

// move replaces the descriptor.
func (p *position) move(fd int, info Info, auto bool) {
	p.close()
	p.fd, p.info, p.auto = fd, info, auto
}

// take passes the descriptor to the caller; the root's is opened again.
func (p *position) take() (int, error) {
	if p.fd != p.root {
		fd := p.fd
		p.fd = p.root
		return fd, nil
	}
	return openat(p.root, ".", flagsPath)
}

// walk resolves name by path_resolution(7). The caller closes the position,
// also after take.
func (r *Root) walk(name string, follow bool) (*position, error) {
	return r.walkSeen(name, follow, nil)
}

// walkSeen is walk that calls seen, if it is not nil, with the root and with everything
// that is looked up: part in the directory that names lead to. It ends with errTooLong
// where seen returns false.
func (r *Root) walkSeen(name string, follow bool, seen func(names []string, part string, info Info) bool) (*position, error) {
	if name == "" {
		return nil, errNotExist
	}
	if len(name) >= pathMax {
		return nil, errTooLong
	}
	start := position{of: r, root: r.fd, fd: r.fd, seen: seen}
	var err error
	if start.info, start.auto, err = stat(r.fd); err != nil {
		return nil, err
	}
	p := start
	if seen != nil {
		seen(nil, "", start.info)
	}
	if err := p.follow(name, follow, start); err != nil {
		p.close()
		return nil, err
	}
	return &p, nil
}

// follow goes from start, the root, to name.
func (p *position) follow(name string, followLast bool, start position) error {
	links, steps := 0, 0
	rest := name
	for {
		var part string
		var last bool
		part, rest, last = next(rest)
		if part == "" {
			return nil
		}
		if !p.info.Mode.IsDir() {
			return ErrNotDir
		}
		if steps++; steps > maxSteps {
			return errTooLong
		}
		switch part {
		case ".":
			continue
		case "..":
			if len(p.names) == 0 {
				continue
			}
			// ".." of the descriptor could lead out of the root if somebody
			// moves the directory meanwhile, so walk down again.
			p.names = p.names[:len(p.names)-1]
			p.move(start.fd, start.info, start.auto)
			for _, n := range p.names {
				if steps++; steps > maxSteps {
					return errTooLong
				}
				if !p.info.Mode.IsDir() {
					return ErrNotDir
				}
				fd, info, auto, err := p.lookup(n)
				if err != nil {
					return err
				}
				p.move(fd, info, auto)
			}
			continue
		}
		fd, info, auto, err := p.lookup(part)
		if err != nil {
			return err
		}
		if p.seen != nil && !p.seen(p.names, part, info) {
			_ = closeFD(fd)
			return errTooLong
		}
		if info.Mode.Type() != fs.ModeSymlink || (last && !followLast) {
			p.move(fd, info, auto)
			p.names = append(p.names, part)
			continue
		}
		text, err := readlinkat(fd, "")
		_ = closeFD(fd)
		if err != nil {
			return err
		}
		switch links++; {
		case links > maxLinks:
			return ErrLoop
		case text == "":
			return errNotExist
		case len(text) >= pathMax:
			return errTooLong
		}
		if text[0] == '/' {
			p.move(start.fd, start.info, start.auto)
			p.names = p.names[:0]
		}
		if last {
			rest = text
		} else {
			rest = text + "/" + rest
		}
	}
}

// lookup opens a name in the current directory of the resolution.
func (p *position) lookup(name string) (fd int, info Info, auto bool, err error) {
	if p.auto {
		return -1, Info{}, false, ErrAutomount
	}
	if p.of.refuses(p.info) {
		return -1, Info{}, false, ErrGuarded
	}
	if fd, err = openat(p.fd, name, flagsPath); err != nil {
		return -1, Info{}, false, err
	}
	if info, auto, err = stat(fd); err != nil {
		_ = closeFD(fd)
		return -1, Info{}, false, err
	}
	return fd, info, auto, nil
}

// next splits off the first component. A slash at the end of a path demands a
// directory, and follows a link to one, as "/." does; so it becomes that. last
// reports that no component follows.
func next(rest string) (part, left string, last bool) {
	trimmed := strings.TrimLeft(rest, "/")
	if trimmed == "" {
		return "", "", true
	}
	i := strings.IndexByte(trimmed, '/')
	if i < 0 {
		return trimmed, "", true
	}
	left = trimmed[i+1:]
	if strings.Trim(left, "/") == "" {
		left = "."
	}
	return trimmed[:i], left, false
}

// reopen opens for reading what an O_PATH descriptor holds. Going through the
// caller's own /proc is what makes it the same file: by name it could be
// another one by now.
func reopen(fd int, info Info) (int, error) {
	if !info.Mode.IsRegular() {
		return -1, fmt.Errorf("%w but %s", ErrNotRegular, typeName(info.Mode))
	}
	var buf [32]byte
	got, err := openat(cwd, string(appendInt(append(buf[:0], "/proc/self/fd/"...), fd)), flagsRead)
	if errors.Is(err, errNotExist) {
		return -1, errors.New("reopening it needs /proc, which is not mounted")
	}
	return got, err
}

func typeName(mode fs.FileMode) string {
	switch mode.Type() {
	case fs.ModeDir:
		return "a directory"
	case fs.ModeSymlink:
		return "a link"
	case fs.ModeNamedPipe:
		return "a FIFO"
	case fs.ModeSocket:
		return "a socket"
	case fs.ModeDevice:
		return "a block device"
	case fs.ModeDevice | fs.ModeCharDevice:
		return "a character device"
	}
	return "of an unknown type"
}

func appendInt(b []byte, n int) []byte {
	if n >= 10 {
		b = appendInt(b, n/10)
	}
	return append(b, byte('0'+n%10))
}
