package proctable

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/runtimesocket"
)

// Limits of what is read of one process, bytes.
const (
	MaxStatus    = 1 << 20 // Groups can name 65,536 groups
	MaxMountInfo = 8 << 20 // of the node's own tables
	maxCgroup    = 64 << 10
	// Of the cgroups that processes share, at most 1 MiB is kept.
	maxUIDMap  = 64 << 10
	maxNetUnix = 2 << 20
	maxLabel   = 64 << 10
	maxCmdline = 256 << 10
	maxEnviron = 256 << 10
	maxMaps    = 64 << 20 // 65,530 mappings are the kernel's own limit, which can be raised
)

// FS is /proc: the kernel's (Live), or a directory that looks like it, in which
// exe, root, cwd, fd/N and ns/* are plain links. Links exe, cwd and fd/N are
// paths inside the process's root; link root is a path inside Node.
type FS struct {
	Dir  *rootfs.Root
	Node *rootfs.Root // only used where not live
	Live bool

	identities identities
}

// identities remembers what the text of a cgroup file means, because all processes of
// a container, or of a service, have the same.
type identities struct {
	mu    sync.Mutex
	known map[string]procfs.Identity
	size  int
}

// maxIdentities bounds the texts that are remembered, in bytes.
const maxIdentities = 512 << 10

func (c *identities) identify(data []byte) (procfs.Identity, error) {
	c.mu.Lock()
	id, ok := c.known[string(data)]
	c.mu.Unlock()
	if ok {
		return id, nil
	}
	lines, err := procfs.ParseCgroup(data)
	if err != nil {
		return procfs.Identity{}, err
	}
	id = procfs.Identify(lines)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.size += len(data); c.size <= maxIdentities {
		if c.known == nil {
			c.known = map[string]procfs.Identity{}
		}
		c.known[string(data)] = id
	}
	return id, nil
}

// PIDs lists the processes.
func (f *FS) PIDs() ([]int, error) {
	var pids []int
	err := f.Dir.Each("/", func(e rootfs.DirEntry) bool {
		if pid, err := strconv.Atoi(e.Name); err == nil && pid > 0 && e.IsDir() && e.Name[0] != '+' {
			pids = append(pids, pid)
		}
		return true
	})
	return pids, err
}

// PID is a handle of /proc/PID. It belongs to the same process always: after
// its end every access is rootfs.ErrNoProcess, even if the pid is reused.
type PID struct {
	fs  *FS
	pid int
	dir *rootfs.Root
	// process is /proc/PID where dir is that of a single thread; otherwise nil.
	process *rootfs.Root
	// Ino is the inode of /proc/PID, 0 if unread. It is new for a new process, and
	// for an old one that the kernel's cache has dropped.
	Ino uint64
}

// Open opens /proc/PID.
func (f *FS) Open(pid int) (*PID, error) {
	if f.Live {
		dir, ino, err := f.Dir.KernelDir(strconv.Itoa(pid))
		if err != nil {
			return nil, err
		}
		return &PID{fs: f, pid: pid, dir: dir, Ino: ino}, nil
	}
	dir, err := f.Dir.SubNoFollow(strconv.Itoa(pid))
	if err != nil {
		return nil, err
	}
	return &PID{fs: f, pid: pid, dir: dir}, nil
}

// OpenThread goes from a process to one of its threads: /proc/PID/task/TID has
// the same files, but for the list of threads. Closing it closes d, too.
func (d *PID) OpenThread(tid int) (*PID, error) {
	dir, err := d.dir.SubNoFollow(string(procfs.NameTask) + "/" + strconv.Itoa(tid))
	if err != nil {
		return nil, err
	}
	return &PID{fs: d.fs, pid: d.pid, dir: dir, process: d.dir}, nil
}

// Reopen opens a process that was read before, if it is still the same.
func (f *FS) Reopen(p *Process, buf []byte) (*PID, error) {
	d, err := f.Open(p.PID)
	if err != nil {
		return nil, err
	}
	if d.Ino != 0 && d.Ino == p.Ino && p.Thread == 0 {
		return d, nil // without the cost of reading stat
	}
	if p.Thread != 0 {
		thread, err := d.OpenThread(p.Thread)
		if err != nil {
			d.Close()
			return nil, err
		}
		d = thread
	}
	stat, err := d.Stat(buf)
	if err == nil && stat.StartTime != p.Stat.StartTime {
		err = rootfs.ErrNoProcess // another process with its pid
	}
	if err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// Close releases the handle.
func (d *PID) Close() {
	_ = d.dir.Close()
	if d.process != nil {
		_ = d.process.Close()
	}
}

// ofProcess is the directory of the whole process.
func (d *PID) ofProcess() *rootfs.Root {
	if d.process != nil {
		return d.process
	}
	return d.dir
}

// read returns a file's content, in buf if it fits.
func (d *PID) read(name procfs.Name, buf []byte, limit int64) ([]byte, error) {
	if !d.fs.Live {
		return d.dir.ReadFile(string(name), limit)
	}
	if len(buf) == 0 {
		buf = make([]byte, 4096)
	}
	var space [64]byte
	path, n, err := append(space[:0], name...), 0, error(nil)
	switch name {
	case procfs.NameStat, procfs.NameStatus, procfs.NameCgroup:
		n, err = d.dir.ReadKernelRecord(path, buf)
	default:
		n, err = d.dir.ReadKernelPath(path, buf)
	}
	if errors.Is(err, rootfs.ErrTooLarge) {
		return d.dir.ReadFile(string(name), limit)
	}
	return buf[:n], err
}

// parse reads a file and adds to its parser's error whose file it is.
func parse[T any](d *PID, name procfs.Name, buf []byte, limit int64, parser func([]byte) (T, error)) (T, error) {
	var none T
	data, err := d.read(name, buf, limit)
	if err != nil {
		return none, err
	}
	value, err := parser(data)
	if err != nil {
		return none, fmt.Errorf("pid %d: %w", d.pid, err)
	}
	return value, nil
}

// Stat reads /proc/PID/stat.
func (d *PID) Stat(buf []byte) (procfs.Stat, error) {
	return parse(d, procfs.NameStat, buf, MaxStatus, procfs.ParseStat)
}

// Status reads /proc/PID/status.
func (d *PID) Status(buf []byte) (procfs.Status, error) {
	return parse(d, procfs.NameStatus, buf, MaxStatus, procfs.ParseStatus)
}

// Label reads /proc/PID/attr/current. The error EINVAL or ENOENT means that no
// security module labels processes.
func (d *PID) Label(buf []byte) (string, error) {
	data, err := d.read(procfs.NameLabel, buf, maxLabel)
	if err != nil {
		return "", err
	}
	return procfs.ParseLabel(data), nil
}

// EachThread calls do with the id of every thread until it returns false.
func (d *PID) EachThread(do func(tid int) bool) error {
	each := func(name []byte) bool {
		tid, err := strconv.Atoi(string(name))
		return err != nil || do(tid)
	}
	if d.fs.Live {
		return d.ofProcess().EachKernelName(string(procfs.NameTask), each)
	}
	return d.ofProcess().Each(string(procfs.NameTask), func(e rootfs.DirEntry) bool { return each([]byte(e.Name)) })
}

// Thread reads /proc/PID/task/TID/status into buf, to which the thread refers.
func (d *PID) Thread(tid int, buf []byte) (procfs.Thread, error) {
	var path [48]byte
	name := append(path[:0], procfs.NameTask+"/"...)
	name = append(strconv.AppendInt(name, int64(tid), 10), "/"+procfs.NameStatus...)
	data := buf
	if d.fs.Live {
		n, err := d.ofProcess().ReadKernelRecord(name, buf)
		if err != nil {
			return procfs.Thread{}, err
		}
		data = buf[:n]
	} else {
		var err error
		if data, err = d.ofProcess().ReadFile(string(name), MaxStatus); err != nil {
			return procfs.Thread{}, err
		}
	}
	t, err := procfs.ParseThread(data)
	if err != nil {
		return t, fmt.Errorf("pid %d, thread %d: %w", d.pid, tid, err)
	}
	return t, nil
}

// RuntimeSockets returns the sockets of container runtimes in its network namespace,
// sorted; nil if the list cannot be read.
func (d *PID) RuntimeSockets() []string {
	data, err := d.read(procfs.NameNetUnix, make([]byte, 32<<10), maxNetUnix)
	if err != nil {
		return nil
	}
	var found []string
	err = procfs.EachUnixSocket(data, func(name []byte) {
		p := path.Clean(string(name))
		if strings.HasPrefix(p, "/var/run/") {
			p = strings.TrimPrefix(p, "/var")
		}
		if _, ok := runtimesocket.Find(p); ok {
			found = append(found, p)
		}
	})
	if err != nil {
		return nil
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// Identity reads /proc/PID/cgroup. Processes of one container share what it says: with
// thousands of them its text would take more memory than all else.
func (d *PID) Identity(buf []byte) (procfs.Identity, error) {
	return parse(d, procfs.NameCgroup, buf, maxCgroup, d.fs.identities.identify)
}

// Cgroups reads the lines of /proc/PID/cgroup.
func (d *PID) Cgroups(buf []byte) ([]procfs.Cgroup, error) {
	return parse(d, procfs.NameCgroup, buf, maxCgroup, procfs.ParseCgroup)
}

// RootUID reads from /proc/PID/uid_map which of the node's uids root is; nil if
// the kernel has no user namespaces, or root is not mapped.
func (d *PID) RootUID(buf []byte) (*int64, error) {
	data, err := d.read(procfs.NameUIDMap, buf, maxUIDMap)
	if err != nil {
		return nil, nil
	}
	ranges, err := procfs.ParseIDMap(data)
	if err != nil {
		return nil, fmt.Errorf("pid %d: %w", d.pid, err)
	}
	uid, ok := procfs.RootOf(ranges)
	switch {
	case !ok:
		return nil, nil
	case uid == 0:
		return &sameRoot, nil
	}
	return &uid, nil
}

// sameRoot is the uid 0 of all processes of the node's own user namespace. Nothing
// changes it.
var sameRoot int64

// EachMapping calls do with every executable mapping of /proc/PID/maps, without
// holding the file. It can wait for a lock of the process. The mapping is valid
// during the call. It returns how many lines there are; a process that is ending has
// none.
func (d *PID) EachMapping(buf []byte, do func(procfs.Mapping)) (lines int, err error) {
	open := d.dir.OpenNoFollow
	if d.fs.Live {
		open = d.dir.OpenKernelFile
	}
	file, err := open(string(procfs.NameMaps))
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }()
	kept, total := 0, 0
	for {
		n, err := file.Read(buf[kept:])
		total += n
		data := buf[:kept+n]
		for {
			line, rest, whole := bytes.Cut(data, []byte{'\n'})
			if !whole {
				break
			}
			lines++
			data = rest
			if !procfs.MayExecute(line) {
				continue
			}
			m, err := procfs.ParseMapping(line)
			if err != nil {
				return lines, fmt.Errorf("pid %d: %w", d.pid, err)
			}
			if m.Exec {
				do(m)
			}
		}
		switch kept = copy(buf, data); {
		case errors.Is(err, io.EOF) && kept > 0:
			return lines, fmt.Errorf("pid %d: maps: expected a newline at the end: %w", d.pid, rootfs.ErrCut)
		case errors.Is(err, io.EOF):
			return lines, nil
		case err != nil:
			return lines, err
		case kept == len(buf), total > maxMaps:
			return lines, fmt.Errorf("pid %d: maps, or a line of it: %w", d.pid, rootfs.ErrTooLarge)
		}
	}
}

// Cmdline reads the words of the command line. It can wait for a lock of the
// process.
func (d *PID) Cmdline(buf []byte) ([][]byte, error) {
	data, err := d.read(procfs.NameCmdline, buf, maxCmdline)
	if err != nil {
		return nil, err
	}
	return procfs.SplitCmdline(data), nil
}

// EachVariable calls do with the variables of the environment that the process was started
// with. They can hold secrets: name and value are wiped when it returns. It can wait for a
// lock of the process.
func (d *PID) EachVariable(buf []byte, do func(name, value []byte)) error {
	data, err := d.read(procfs.NameEnviron, buf, maxEnviron)
	defer clear(buf)
	if err != nil {
		return err
	}
	defer clear(data)
	for word := range bytes.SplitSeq(data, []byte{0}) {
		if name, value, ok := bytes.Cut(word, []byte{'='}); ok {
			do(name, value)
		}
	}
	return nil
}

// Listeners reads the listening TCP sockets of the process's network namespace, in the
// kernel's order, IPv4 first. With an error it returns those that were read.
func (d *PID) Listeners() ([]procfs.TCPListener, error) {
	var all []procfs.TCPListener
	for _, table := range []struct {
		name procfs.Name
		v6   bool
	}{{procfs.NameNetTCP, false}, {procfs.NameNetTCP6, true}} {
		open := d.dir.OpenNoFollow
		if d.fs.Live {
			open = d.dir.OpenKernelFile
		}
		file, err := open(string(table.name))
		if table.v6 && errors.Is(err, fs.ErrNotExist) {
			break // a kernel without IPv6
		}
		if err != nil {
			return all, err
		}
		found, err := procfs.ReadTCPListeners(file, table.v6)
		_ = file.Close()
		if all = append(all, found...); err != nil {
			return all, fmt.Errorf("pid %d: %w", d.pid, err)
		}
	}
	return all, nil
}

// Environ reads /proc/PID/environ into buf, and nowhere else, and returns how much: len(buf)
// if there may be more. The caller clears it. It reads the process's memory, so it can wait
// for a lock of the process, or for a page.
func (d *PID) Environ(buf []byte) (int, error) {
	open := d.dir.OpenNoFollow
	if d.fs.Live {
		open = d.dir.OpenKernelFile
	}
	file, err := open(string(procfs.NameEnviron))
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }()
	n := 0
	for n < len(buf) {
		k, err := file.Read(buf[n:])
		n += k
		switch {
		case errors.Is(err, io.EOF), k == 0 && err == nil:
			return n, nil
		case err != nil:
			return n, err
		}
	}
	return n, nil
}

// Mounts reads /proc/PID/mountinfo, of which size is the length in bytes.
func (d *PID) Mounts(buf []byte, limit int64) (table *MountTable, size int) {
	data, err := d.read(procfs.NameMountInfo, buf, limit)
	if err != nil {
		return &MountTable{Err: err}, 0
	}
	mounts, err := procfs.ParseMountInfo(data)
	if err != nil {
		return &MountTable{Err: fmt.Errorf("pid %d: %w", d.pid, err)}, len(data)
	}
	return &MountTable{Mounts: mounts}, len(data)
}

// Link returns the text of a link in the directory, or one below it.
func (d *PID) Link(name procfs.Name) (string, error) { return d.dir.ReadlinkAt(string(name)) }

// Namespace returns the inode of a namespace.
func (d *PID) Namespace(name procfs.Name) (uint64, error) {
	text, err := d.Link(name)
	if err != nil {
		return 0, err
	}
	return procfs.ParseNamespace(text)
}

// Root opens the process's root directory.
func (d *PID) Root() (*rootfs.Root, error) {
	if d.fs.Live {
		return d.dir.Magic(string(procfs.NameRoot))
	}
	text, err := d.Link(procfs.NameRoot)
	if errors.Is(err, rootfs.ErrNotLink) {
		return d.dir.SubNoFollow(string(procfs.NameRoot)) // a directory instead of a link
	}
	if err != nil {
		return nil, err
	}
	return d.fs.Node.Sub(text)
}

// RootKey looks at the root directory, not into it.
func (d *PID) RootKey() (RootKey, error) {
	if d.fs.Live {
		h, err := d.dir.MagicHandle(string(procfs.NameRoot))
		if err != nil {
			return RootKey{}, err
		}
		defer func() { _ = h.Close() }()
		info := h.Info()
		return RootKey{Mount: info.MountID, Dev: info.Dev, Ino: info.Ino}, nil
	}
	root, err := d.Root()
	if err != nil {
		return RootKey{}, err
	}
	defer func() { _ = root.Close() }()
	return KeyOf(root)
}

// KeyOf identifies a root directory.
func KeyOf(root *rootfs.Root) (RootKey, error) {
	info, err := root.Stat("/")
	if err != nil {
		return RootKey{}, err
	}
	return RootKey{Mount: info.MountID, Dev: info.Dev, Ino: info.Ino}, nil
}

// File opens what exe or fd/N refers to, but not for reading.
func (d *PID) File(name procfs.Name) (*rootfs.Handle, error) {
	if d.fs.Live {
		return d.dir.MagicHandle(string(name))
	}
	text, err := d.Link(name)
	if err != nil {
		return nil, err
	}
	root, err := d.Root()
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	return root.Handle(text, true)
}

// FDName is the name of descriptor n.
func FDName(n int) procfs.Name { return procfs.NameFD + "/" + procfs.Name(strconv.Itoa(n)) }

// EachFD calls do with every descriptor until it returns false.
func (d *PID) EachFD(do func(n int) bool) error {
	return d.dir.Each(string(procfs.NameFD), func(e rootfs.DirEntry) bool {
		n, err := strconv.Atoi(e.Name)
		return err != nil || do(n)
	})
}

// Ended reports whether the process has ended, so that an earlier error means
// its end and not missing data.
func (d *PID) Ended(buf []byte) bool {
	stat, err := d.Stat(buf)
	return err != nil || stat.State == 'Z' || stat.State == 'X'
}

// Inside makes a path of a process absolute: relative ones start at its cwd.
func (d *PID) Inside(name string) (string, error) {
	if strings.HasPrefix(name, "/") {
		return name, nil
	}
	cwd, err := d.Link(procfs.NameCwd)
	if err != nil {
		return "", err
	}
	return path.Join("/", cwd, name), nil
}

// SelfPIDDir is the caller's own /proc/self, which must exist. It must not be
// closed.
func (t *Table) SelfPIDDir() *PID { return &PID{fs: &t.FS, dir: t.Self} }
