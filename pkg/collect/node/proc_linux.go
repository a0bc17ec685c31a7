package node

import (
	"errors"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Limits of what is read of one process.
const (
	maxStatus    = 1 << 20 // Groups can name 65,536 groups
	maxCgroup    = 64 << 10
	maxMountInfo = 8 << 20 // of the node's own tables
	// A container that may mount chooses how long its table is. One such must
	// not cost the others: it has its share, and all containers of a node have
	// theirs (250 of 5 KiB are usual), since tables are kept while they are read.
	maxContainerMountInfo = 512 << 10
	maxAllMountInfo       = 6 << 20
	maxUIDMap             = 64 << 10
	maxCmdline            = 256 << 10
	maxFDs                = 20_000
)

// procFS is /proc: the kernel's (live), or a directory that looks like it, in
// which exe, root, cwd, fd/N and ns/* are plain links. Those of exe, cwd and
// fd/N mean paths inside the process's root, those of root paths inside node.
type procFS struct {
	dir  *rootfs.Root
	node *rootfs.Root // only used where not live
	live bool
}

// pids lists the processes.
func (p *procFS) pids() ([]int, error) {
	var pids []int
	err := p.dir.Each("/", func(e rootfs.DirEntry) bool {
		if pid, err := strconv.Atoi(e.Name); err == nil && pid > 0 && e.IsDir() && e.Name[0] != '+' {
			pids = append(pids, pid)
		}
		return true
	})
	return pids, err
}

// pidDir is a handle of /proc/PID. It stays the same process's: after its end
// every access is ESRCH, even if the pid is in use again.
type pidDir struct {
	fs  *procFS
	pid int
	dir *rootfs.Root
}

func (p *procFS) open(pid int) (*pidDir, error) {
	dir, err := p.dir.SubNoFollow(strconv.Itoa(pid))
	if err != nil {
		return nil, err
	}
	return &pidDir{fs: p, pid: pid, dir: dir}, nil
}

func (d *pidDir) close() { _ = d.dir.Close() }

// read returns a file's content, in buf if it fits there.
func (d *pidDir) read(name procfs.Name, buf []byte, limit int64) ([]byte, error) {
	if !d.fs.live {
		return d.dir.ReadFile(string(name), limit)
	}
	n, err := d.dir.ReadKernelFile(string(name), buf)
	if errors.Is(err, rootfs.ErrTooLarge) {
		return d.dir.ReadFile(string(name), limit)
	}
	return buf[:n], err
}

// link returns the text of a link in the directory, or one below it.
func (d *pidDir) link(name procfs.Name) (string, error) { return d.dir.ReadlinkAt(string(name)) }

func (d *pidDir) namespace(name procfs.Name) (uint64, error) {
	text, err := d.link(name)
	if err != nil {
		return 0, err
	}
	return procfs.ParseNamespace(text)
}

// root opens the process's root directory.
func (d *pidDir) root() (*rootfs.Root, error) {
	if d.fs.live {
		return d.dir.Magic(string(procfs.NameRoot))
	}
	text, err := d.link(procfs.NameRoot)
	if errors.Is(err, unix.EINVAL) {
		return d.dir.SubNoFollow(string(procfs.NameRoot)) // a directory instead of a link
	}
	if err != nil {
		return nil, err
	}
	return d.fs.node.Sub(text)
}

// file opens what exe or fd/N stands for, without opening it for reading.
func (d *pidDir) file(name procfs.Name) (*rootfs.Handle, error) {
	if d.fs.live {
		return d.dir.MagicHandle(string(name))
	}
	text, err := d.link(name)
	if err != nil {
		return nil, err
	}
	root, err := d.root()
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	return root.Handle(text, true)
}

func fdName(n int) procfs.Name { return procfs.NameFD + "/" + procfs.Name(strconv.Itoa(n)) }

// gone tells whether an error only says that the process has ended.
func gone(err error) bool {
	return errors.Is(err, unix.ESRCH) || errors.Is(err, fs.ErrNotExist)
}

// ended tells whether the process is no more, so that an error before was its
// end and nothing that is missing.
func (d *pidDir) ended(buf []byte) bool {
	data, err := d.read(procfs.NameStat, buf, maxStatus)
	if err != nil {
		return true
	}
	stat, err := procfs.ParseStat(data)
	return err != nil || stat.State == 'Z' || stat.State == 'X'
}

// inside makes a path of a process absolute: relative ones start at its cwd.
func (d *pidDir) inside(name string) (string, error) {
	if strings.HasPrefix(name, "/") {
		return name, nil
	}
	cwd, err := d.link(procfs.NameCwd)
	if err != nil {
		return "", err
	}
	return path.Join("/", cwd, name), nil
}
