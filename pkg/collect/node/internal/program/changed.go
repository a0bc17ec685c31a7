package program

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Changed returns the latest time at which the path can have begun to lead to these bytes,
// and the place that shows it, "" for the file itself. A zero time means that it is
// unknown. No time of the past can be set with a system call: ctime is always the
// kernel's. It excludes, place by place:
//
//   - the file: its ctime is new after a write, after a rename to this name (every file
//     system that a node has sets it on the file that is renamed), and after a link(2) to it.
//     So neither the content nor the file that has this name is newer.
//   - a link: its text never changes, so another text is another link, with a ctime of
//     its own from symlink(2) or rename(2). Its ctime also changes by chown, or by a
//     hard link; but a name cannot come to mean another link without a change of its
//     directory, so the older of the two times is the limit.
//   - a directory: its ctime is new after it was renamed. It is new too whenever a name
//     is made or removed in it, and directories such as /etc have that every day. But a
//     directory comes to a name only with a change of the directory that holds that name.
//     So it is the older of the two times again: /etc changes, / does not. Only where both
//     changed may it have been swapped. That is a false alarm where names were
//     made in both, and the check then asks for another proof.
//   - a mount: it leads to another directory than the one below it, with no change of any
//     ctime. What is mounted cannot be renamed away, so its own directory has no limit;
//     instead the mount must be one of those with which the container was set up.
//
// Directories of a container's own root file system are made by the runtime moments before
// the process starts, which is too close to the start to tell apart, and nobody but that
// container can rename them. They do not count where the file itself is on a volume.
func (s *Program) Changed(steps []rootfs.Step) (fact.Time, string) {
	file := steps[len(steps)-1]
	dirs := map[string]rootfs.Info{}
	newest, place := file.Info.Ctime, ""
	rootID, ok := s.mountID("/", steps[0].Info)
	fileID, fileOK := s.mountID(file.Path, file.Info)
	if !ok || !fileOK {
		return fact.Time{}, ""
	}
	mounts := s.table().Mounts
	ownRoot := s.ownRoot(rootID) && fileID != rootID
	crossed := map[uint64]string{}
	for i, step := range steps {
		if step.Info.Mode.IsDir() {
			dirs[step.Path] = step.Info
		}
		id, ok := s.mountID(step.Path, step.Info)
		if !ok {
			return fact.Time{}, rootfs.Text(step.Path)
		}
		if m := procfs.Find(mounts, id); m == nil || !setsTimes(m.FSType) {
			return fact.Time{}, rootfs.Text(step.Path)
		}
		if id != rootID {
			crossed[id] = step.Path
		}
		if i == 0 || i == len(steps)-1 || step.Path == "/" {
			continue
		}
		above := dirs[path.Dir(step.Path)]
		if step.Info.Mode.IsDir() {
			aboveID, ok := s.mountID(path.Dir(step.Path), above)
			if ok && aboveID != id || ownRoot && id == rootID {
				continue
			}
		}
		limit := step.Info.Ctime
		if above.Ctime.Before(limit) {
			limit = above.Ctime
		}
		if limit.After(newest) {
			newest, place = limit, rootfs.Text(step.Path)
		}
	}
	if late, is := s.lateMount(crossed); is {
		return fact.Time{}, rootfs.Text(late)
	}
	return newTime(newest), place
}

// ErrChangedLater says that a file may not be the one that the process has read.
var ErrChangedLater = rootfs.NewError(fact.Changing, "it changed after the process started, which reads it only then")

// Since says whether a file is the one that was there when the process started.
type Since int

// What is known of it.
const (
	Same Since = iota // nothing that leads to it, nor itself, has changed
	// Uncertain: a directory on its path may have been swapped, or its file system keeps no
	// times that prove anything.
	Uncertain
	Later // the file itself, or a link to it, is younger than the process
)

// Since compares a file that the process reads at its start with the one that has its name
// now. place is what has changed, "" for the file itself or if that is unknown.
func (s *Program) Since(name string) (since Since, place string, err error) {
	root, err := s.Root()
	if err != nil {
		return Uncertain, "", err
	}
	if name, err = s.PID.Inside(name); err != nil {
		return Uncertain, "", err
	}
	steps, err := root.Trace(name)
	if err != nil {
		return Uncertain, "", err
	}
	at, place := s.Changed(steps)
	started := s.started()
	if at.IsZero() || started.IsZero() {
		return Uncertain, place, nil
	}
	if !at.After(started) {
		return Same, "", nil
	}
	for _, step := range steps {
		if step.Info.Mode.IsDir() && rootfs.Text(step.Path) == place {
			return Uncertain, place, nil
		}
	}
	return Later, place, nil
}

// started is when the process started: to 20 ms where the time of boot is known so, else
// up to a second early. A service's configuration is often written just before it starts.
func (s *Program) started() time.Time {
	if !s.Pass.BootExact.IsZero() {
		return s.Of.Stat.Started(s.Pass.BootExact)
	}
	return s.Of.Stat.Started(s.Pass.Boot)
}

// Unchanged is an error if a file that the process reads at its start may have been
// another one then.
func (s *Program) Unchanged(name string) error {
	since, _, err := s.Since(name)
	if err == nil && since != Same {
		err = fmt.Errorf("%s: %w", rootfs.Text(name), ErrChangedLater)
	}
	return err
}

func newTime(t time.Time) fact.Time {
	if t.IsZero() {
		return fact.Time{}
	}
	return fact.NewTime(t)
}

// setsTimes reports whether a file system is known to set the ctime of what is renamed, and
// of the directories between which it is. A server's may do otherwise, and FAT has no such
// time. Tests show it for ext4, tmpfs and overlay; of the others it is their source.
func setsTimes(fsType string) bool {
	switch fsType {
	case "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "tmpfs", "overlay", "squashfs", "erofs":
		return true
	}
	return false
}

// ownRoot reports whether the mount at the process's root is a container's own file
// system.
func (s *Program) ownRoot(id uint64) bool {
	m := procfs.Find(s.table().Mounts, id)
	return m != nil && m.Point == "/" && m.FSType == "overlay" && s.contained()
}

func (s *Program) contained() bool { return s.Of.Identity.ID != "" }

// lateMount returns where something is mounted on the path that may be younger than the
// process. crossed are the mounts that the path leads through, but for the root's, with a
// place in each.
//
// mountinfo has mounts in the order in which they were made. A runtime hides files of
// /proc and /sys after it has mounted all volumes, so what comes later was not there when
// the container was set up. On the node itself, binding one directory over another is
// what could lead the path elsewhere; a bind of a directory over itself, as systemd makes
// it for a service, is none. A file system of its own that is mounted later, with an older
// configuration in it, is not noticed.
func (s *Program) lateMount(crossed map[uint64]string) (string, bool) {
	all := s.table().Mounts
	last := -1
	var root *procfs.MountInfo
	for i := range all {
		if all[i].Point == "/" {
			root = &all[i]
		}
		if s.contained() && (all[i].Masks() || hidden(all[i].Point)) {
			last = i
		}
	}
	for i := range all {
		m := &all[i]
		if _, is := crossed[m.ID]; !is {
			continue
		}
		bound := root != nil && m.Major == root.Major && m.Minor == root.Minor && m.FSType != "btrfs" && m.Root != path.Join(root.Root, m.Point)
		if last >= 0 && i > last || last < 0 && bound {
			return m.Point, true
		}
	}
	return "", false
}

// hidden reports whether runtimes mount over this path to hide it or to make it read-only
// (maskedPaths and readonlyPaths in the runtimes' usual configurations).
func hidden(point string) bool {
	return strings.HasPrefix(point, "/proc/") || strings.HasPrefix(point, "/sys/firmware") || strings.HasPrefix(point, "/sys/devices/")
}
