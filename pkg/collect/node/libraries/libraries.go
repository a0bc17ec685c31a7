// Package libraries finds processes of the host that run files which are no longer
// installed: an update has deleted or replaced a library, or the program itself,
// since they were started.
//
// Source: /proc/PID/maps (proc_pid_maps(5)). What is ignored is what needrestart
// ignores: memory that only looks like a file, and files of temporary directories.
package libraries

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// Reader reads Libraries, by the process table.
type Reader struct{}

// Kinds is Libraries.
func (Reader) Kinds() []fact.Kind { return []fact.Kind{fact.Libraries} }

// maxFiles bounds the files that are remembered while processes are read.
const maxFiles = 1 << 14

// Read reads every process of the host, but for those with a root directory of their
// own.
func (Reader) Read(ctx context.Context, pass *reader.Pass) {
	if !pass.Ledger.Wants(fact.Libraries) || pass.Processes == nil {
		return
	}
	apart := make(map[int]bool, len(pass.Apart))
	for _, a := range pass.Apart {
		apart[a.PID] = true
	}
	candidates := slices.DeleteFunc(slices.Clone(pass.Host), func(p *proctable.Process) bool { return apart[p.PID] })
	s := &search{
		pass: pass, files: map[key]*fact.OutdatedFile{}, compared: map[mapped]bool{},
		open: make([]bool, len(candidates)), elsewhere: len(apart),
	}
	pass.Pieces(ctx, len(candidates), func(i int, buf []byte) { s.process(i, candidates[i], buf) })
	if ctx.Err() != nil {
		return
	}
	state, gaps := s.finish(len(candidates))
	for _, gap := range gaps {
		pass.Ledger.Gap(gap)
	}
	if state == nil {
		pass.Ledger.Missed(fact.Libraries)
		return
	}
	pass.Ledger.Update(func(m *fact.Measurement) { m.Host.Libraries = state })
	pass.Ledger.Done(fact.Libraries)
}

// key is by what files are counted together.
type key struct {
	path, unit string
	program    bool
	replaced   bool
}

// mapped is a file as maps names it.
type mapped struct {
	path         string
	major, minor uint32
	inode        uint64
}

// search is what was found so far. A process that hangs is left behind, so that
// its piece may come back after finish.
type search struct {
	pass      *reader.Pass
	elsewhere int

	mu        sync.Mutex
	closed    bool
	open      []bool // begun, and not back
	processes int
	unread    int
	first     error // of unread
	files     map[key]*fact.OutdatedFile
	full      bool
	// compared holds, for each file that is mapped and has a name, whether another
	// one has that name now.
	compared map[mapped]bool
}

// process reads one process.
func (s *search) process(i int, p *proctable.Process, buf []byte) {
	s.do(func() { s.open[i] = true })
	files, judged, err := s.read(p, buf)
	s.do(func() {
		s.open[i] = false
		switch {
		case err != nil:
			if s.unread++; s.unread == 1 {
				s.first = err
			}
		case judged:
			s.processes++
		}
		for _, k := range files {
			file := s.files[k]
			if file == nil && len(s.files) == maxFiles {
				s.full = true
				continue
			}
			if file == nil {
				file = &fact.OutdatedFile{
					Path: short(k.path), Unit: short(k.unit), Program: k.program, Replaced: k.replaced, Comm: short(p.Status.Name),
				}
				s.files[k] = file
			}
			file.Processes++
		}
	})
}

func (s *search) do(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		change()
	}
}

// read reads the mappings of a process. Judged is false for one that has ended.
func (s *search) read(p *proctable.Process, buf []byte) (keys []key, judged bool, err error) {
	d, err := s.pass.Reopen(p, buf)
	if err != nil {
		return nil, false, unlessGone(err)
	}
	defer d.Close()
	ended := func(err error) error {
		if rootfs.Gone(err) || d.Ended(buf) {
			return nil
		}
		return err
	}
	var outdated []mapped
	var candidates []mapped
	seen := map[mapped]bool{}
	_, err = d.EachMapping(buf, func(m procfs.Mapping) {
		if !m.Exec || m.Inode == 0 || len(m.Path) == 0 || m.Path[0] != '/' {
			return
		}
		file := mapped{major: m.Major, minor: m.Minor, inode: m.Inode}
		if name, deleted := strings.CutSuffix(string(m.Path), deletedSuffix); ignored(name) {
			return
		} else if file.path = name; deleted {
			file.path = string(m.Path)
		}
		switch {
		case seen[file]:
			return
		case len(seen) == maxFiles:
			s.do(func() { s.full = true })
			return
		}
		seen[file] = true
		if strings.HasSuffix(file.path, deletedSuffix) {
			outdated = append(outdated, file)
		} else {
			candidates = append(candidates, file)
		}
	})
	if err != nil {
		return nil, false, ended(err)
	}
	if p.NS.Mnt != 0 && p.NS.Mnt == s.pass.HostMntNS && s.pass.Live {
		for _, file := range candidates {
			if s.replaced(file) {
				keys = append(keys, key{path: file.path, replaced: true})
			}
		}
	}
	for _, file := range outdated {
		if s.named(d, file) {
			continue
		}
		name := strings.TrimSuffix(file.path, deletedSuffix)
		keys = append(keys, key{path: name})
	}
	if len(keys) == 0 {
		return nil, true, nil
	}
	exe, err := d.Link(procfs.NameExe)
	if err != nil {
		return nil, false, ended(err)
	}
	exe = strings.TrimSuffix(exe, deletedSuffix)
	for i := range keys {
		keys[i].unit, keys[i].program = unitOf(p.Identity.Path), keys[i].path == exe
		keys[i].path = withoutRPM(keys[i].path)
	}
	// Two generations of one library count once.
	sorted.Func(keys, func(a, b key) int {
		return cmp.Or(strings.Compare(a.path, b.path), compareBool(a.replaced, b.replaced))
	})
	return slices.Compact(keys), true, nil
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func unlessGone(err error) error {
	if rootfs.Gone(err) {
		return nil
	}
	return err
}

// deletedSuffix is what the kernel adds to the path of a file without a name.
const deletedSuffix = " (deleted)"

// named reports whether a file whose path ends in deletedSuffix is only named so.
func (s *search) named(d *proctable.PID, file mapped) bool {
	root, err := d.Root()
	if err != nil {
		return false
	}
	defer func() { _ = root.Close() }()
	info, err := root.Lstat(file.path)
	return err == nil && info.Mode.IsRegular() && info.Ino == file.inode
}

// replaced reports whether the path of a mapped file leads to another file now,
// although the mapped one still has its name: something else is mounted there.
// Only file systems are compared whose numbers in maps are those of stat: overlay,
// FUSE and network file systems have others.
func (s *search) replaced(file mapped) bool {
	s.mu.Lock()
	known, ok := s.compared[file]
	s.mu.Unlock()
	if ok {
		return known
	}
	result := s.compare(file)
	s.do(func() {
		if len(s.compared) < maxFiles {
			s.compared[file] = result
		}
	})
	return result
}

func (s *search) compare(file mapped) bool {
	if s.pass.Root == nil || !numbered(mountAbove(s.pass.NodeMounts(), file.path)) {
		return false // not even looked at: a dead file system would hang
	}
	info, err := s.pass.Root.Lstat(file.path)
	if err != nil || !info.HasMountID || !info.Mode.IsRegular() {
		return false
	}
	// Btrfs gives each subvolume a number of its own in stat. The mount has the one
	// that maps shows.
	mount := procfs.Find(s.pass.NodeMounts(), info.MountID)
	if !numbered(mount) {
		return false
	}
	return mount.Major != file.major || mount.Minor != file.minor || info.Ino != file.inode
}

// mountAbove is the mount that a path lies on, by its name.
func mountAbove(mounts []procfs.MountInfo, name string) *procfs.MountInfo {
	id, ok := proctable.MountByName(mounts, name)
	if !ok {
		return nil
	}
	return procfs.Find(mounts, id)
}

// numbered reports whether the numbers in maps of a file on this mount are those of
// stat, but for the file system's of btrfs.
func numbered(mount *procfs.MountInfo) bool {
	if mount == nil {
		return false
	}
	switch mount.FSType {
	case "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs":
		return true
	}
	return false
}

// ignored reports whether a path, without deletedSuffix, is of memory that only
// looks like a file, or of a file that no update replaces.
func ignored(name string) bool {
	for _, prefix := range []string{
		"/SYSV", "/drm", "/dev/", "/memfd:", "/[aio]", "/anon_hugepage", "/i915", "/proc/", "/tmp/", "/var/tmp/", "/run/", "/var/run/",
	} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	base := path.Base(name)
	if number, ok := strings.CutPrefix(base, "#"); ok && number != "" && strings.Trim(number, "0123456789") == "" {
		return true // O_TMPFILE
	}
	return strings.HasPrefix(base, "orcexec.") || strings.HasPrefix(base, "jna") && strings.HasSuffix(base, ".tmp")
}

// withoutRPM takes off what rpm adds to the name of a file while it installs it: a
// semicolon and at least 8 hex digits.
func withoutRPM(name string) string {
	i := strings.LastIndexByte(name, ';')
	if i < 0 || len(name)-i-1 < 8 || strings.Trim(name[i+1:], "0123456789abcdef") != "" {
		return name
	}
	return name[:i]
}

// unitOf is the systemd unit in a cgroup's path, "" if it names none: the deepest
// service or scope. Of a scope only the kind counts ("session-*.scope",
// "crio-conmon-*.scope"): its number or id is another one each time.
func unitOf(cgroup string) string {
	parts := strings.Split(cgroup, "/")
	for _, part := range slices.Backward(parts) {
		if strings.HasSuffix(part, ".service") {
			return part
		}
		if name, ok := strings.CutSuffix(part, ".scope"); ok {
			if i := strings.LastIndexByte(name, '-'); i > 0 {
				return name[:i] + "-*.scope"
			}
			return part
		}
	}
	return ""
}

// maxText bounds a text in a fact, bytes.
const maxText = 256

func short(text string) string {
	if len(text) > maxText {
		text = rootfs.Excerpt(text)
	}
	return rootfs.Text(text)
}

// finish makes the state of what came back, and gaps of the rest. The state is nil
// if no process of the host was read.
func (s *search) finish(candidates int) (*fact.LibraryState, []fact.NodeGap) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var gaps []fact.NodeGap
	gap := func(reason fact.Reason, format string, args ...any) {
		gaps = append(gaps, fact.NodeGap{What: fact.Libraries, Reason: reason, Detail: fmt.Sprintf(format, args...)})
	}
	if s.unread > 0 {
		gap(rootfs.ReasonOf(s.first), "%d of %d processes that are in no container could not be read: %s", s.unread, candidates, rootfs.ErrorText(s.first))
	}
	hanging := 0
	for _, open := range s.open {
		if open {
			hanging++
		}
	}
	if hanging > 0 {
		gap(fact.Timeout, "%d of %d processes that are in no container do not answer: a file system may hang", hanging, candidates)
	}
	if s.full {
		gap(fact.Truncated, "more than %d files, or that many of one process", maxFiles)
	}
	if s.processes == 0 {
		if len(gaps) == 0 {
			gap(fact.NotPresent, "no process of the host was found")
		}
		return nil, gaps
	}
	state := &fact.LibraryState{Processes: s.processes, Elsewhere: s.elsewhere, OutdatedCount: len(s.files)}
	for _, file := range s.files {
		state.Outdated = append(state.Outdated, *file)
	}
	// What is cut must not be a program: the kubelet's says more than a library.
	sorted.Func(state.Outdated, func(a, b fact.OutdatedFile) int {
		return cmp.Or(compareBool(b.Program, a.Program), compareFiles(a, b))
	})
	state.Outdated = state.Outdated[:min(len(state.Outdated), fact.MaxOutdatedFiles)]
	sorted.Func(state.Outdated, compareFiles)
	return state, gaps
}

func compareFiles(a, b fact.OutdatedFile) int {
	return cmp.Or(
		strings.Compare(a.Path, b.Path), strings.Compare(a.Unit, b.Unit), compareBool(a.Program, b.Program), compareBool(a.Replaced, b.Replaced),
	)
}
