// Package devices lists the device nodes in every container's /dev that no
// runtime gives by default. It looks at them and never opens them.
package devices

import (
	"cmp"
	"context"
	"fmt"
	iofs "io/fs"
	"path"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// maxDevices bounds the devices listed of a container, maxNames the names that
// are looked at, maxDepth the directories below /dev.
const (
	maxDevices = 256
	maxNames   = 10_000
	maxDepth   = 4
)

// Reader reads Devices.
type Reader struct{}

// Kinds is Devices.
func (Reader) Kinds() []fact.Kind { return []fact.Kind{fact.Devices} }

// Read walks /dev of one container after another.
func (Reader) Read(ctx context.Context, pass *reader.Pass) {
	pass.EachContainer(ctx, fact.Devices, func(_ context.Context, ct *proctable.Container, buf []byte) { readContainer(pass, ct, buf) })
}

func readContainer(pass *reader.Pass, ct *proctable.Container, buf []byte) {
	gap := func(reason fact.Reason, detail string) {
		pass.Ledger.Gap(fact.NodeGap{What: fact.Devices, Container: ct.Key(), Reason: reason, Detail: detail})
	}
	p := ct.Main()
	if !p.Mounts.Read() {
		gap(fact.NotPresent, "its mount table was not read, so its /dev was not read")
		return
	}
	inside := map[string]bool{} // mount points below /dev: other file systems
	fsType := ""
	for i := range p.Mounts.Mounts {
		m := &p.Mounts.Mounts[i]
		switch {
		case m.Point == "/":
			if fsType == "" {
				fsType = m.FSType
			}
		case m.Point == "/dev":
			fsType = m.FSType
		case strings.HasPrefix(m.Point, "/dev/"):
			inside[m.Point] = true
		}
	}
	pass.Ledger.Container(ct.Key(), func(mc *fact.MeasuredContainer) { mc.DeviceFS = rootfs.Text(fsType) })
	if rules, err := readRules(pass, ct, buf); err != nil {
		gap(rootfs.ReasonOf(err), "device rules: "+rootfs.ErrorText(err))
	} else {
		pass.Ledger.Container(ct.Key(), func(mc *fact.MeasuredContainer) { mc.DeviceRules = rules })
	}
	if fsType != "tmpfs" && fsType != "devtmpfs" {
		// The runtime did not make this /dev: it is a directory of the image,
		// or a mount that may hang. Without a device cgroup entry its nodes
		// open nothing.
		gap(fact.Unsupported, fmt.Sprintf("its /dev is on %q, not on tmpfs or devtmpfs", rootfs.Text(fsType)))
		return
	}
	d, err := pass.Reopen(p, buf)
	if err != nil {
		gap(fact.Changing, fmt.Sprintf("pid %d, through which its /dev is read, has ended", p.PID))
		return
	}
	defer d.Close()
	root, err := d.Root()
	if err != nil {
		gap(rootfs.ReasonOf(err), rootfs.ErrorText(err))
		return
	}
	defer func() { _ = root.Close() }()
	found := &list{inside: inside, names: maxNames}
	err = found.read(root, "/dev", 0)
	if err == nil {
		err = found.mounted(root, p.Mounts.Mounts)
	}
	sorted.Func(found.devices, func(a, b fact.Device) int { return cmp.Compare(a.Path, b.Path) })
	if len(found.devices) > maxDevices {
		found.devices, found.truncated = found.devices[:maxDevices], true
	}
	pass.Ledger.Container(ct.Key(), func(mc *fact.MeasuredContainer) { mc.Devices = found.devices })
	switch {
	case err != nil:
		gap(rootfs.ReasonOf(err), rootfs.ErrorText(err))
	case found.truncated:
		gap(fact.Truncated, fmt.Sprintf("more than %d device nodes or %d names in /dev", maxDevices, maxNames))
	}
}

// list is the walk through one /dev.
type list struct {
	inside    map[string]bool
	names     int // that may still be looked at
	devices   []fact.Device
	truncated bool
}

func (l *list) read(root *rootfs.Root, dir string, depth int) error {
	if depth > maxDepth {
		l.truncated = true
		return nil
	}
	var entries []rootfs.DirEntry
	err := root.Each(dir, func(e rootfs.DirEntry) bool {
		if l.names--; l.names < 0 {
			l.truncated = true
			return false
		}
		entries = append(entries, e)
		return true
	})
	if err != nil {
		if depth > 0 && rootfs.Gone(err) {
			return nil
		}
		return err
	}
	for _, e := range entries {
		full := path.Join(dir, e.Name)
		switch {
		case l.inside[full]:
			// A bind mount of one device (a volumeDevice) is a mount too. Its entry
			// has the type of the file below it. Directories are other file systems.
			if e.IsDir() {
				continue
			}
		case e.IsDir():
			if err := l.read(root, full, depth+1); err != nil {
				return err
			}
			continue
		case e.Type&iofs.ModeDevice == 0:
			continue
		}
		if _, err := l.look(root, full); err != nil {
			return err
		}
	}
	return nil
}

// look adds a path if it is a device, and reports whether it is a directory.
func (l *list) look(root *rootfs.Root, name string) (dir bool, err error) {
	info, err := root.Lstat(name)
	if err != nil {
		if rootfs.Gone(err) {
			err = nil
		}
		return false, err
	}
	device := fact.Device{Path: rootfs.Text(name), Type: "b", Major: info.RdevMajor, Minor: info.RdevMinor}
	switch info.Mode.Type() {
	case iofs.ModeDevice:
	case iofs.ModeDevice | iofs.ModeCharDevice:
		device.Type = "c"
	default:
		return info.Mode.IsDir(), nil
	}
	if !byDefault(device) {
		l.devices = append(l.devices, device)
	}
	return false, nil
}

// mounted adds devices that are mounted elsewhere than below /dev: a single one, or
// the node's whole /dev.
func (l *list) mounted(root *rootfs.Root, mounts []procfs.MountInfo) error {
	var foreign []string // file systems that may hang
	for i := range mounts {
		if m := &mounts[i]; !local(m.FSType) {
			foreign = append(foreign, m.Point)
		}
	}
	below := func(point, dir string) bool { return point == dir || strings.HasPrefix(point, dir+"/") }
	for i := range mounts {
		m := &mounts[i]
		// The root of a file system is a directory. Only that of a devtmpfs is full of
		// devices.
		if m.Has("nodev") || m.Point == "/" || below(m.Point, "/dev") || !local(m.FSType) || m.Root == "/" && m.FSType != "devtmpfs" ||
			slices.ContainsFunc(foreign, func(dir string) bool { return dir != "/" && below(m.Point, dir) }) {
			continue
		}
		if l.names--; l.names < 0 {
			l.truncated = true
			return nil
		}
		dir, err := l.look(root, m.Point)
		if err == nil && dir && m.FSType == "devtmpfs" {
			err = l.read(root, m.Point, 0)
		}
		if err != nil && !rootfs.Gone(err) {
			return err
		}
	}
	return nil
}

// local reports the file systems on which a node's devices are, and on which no look
// hangs.
func local(fsType string) bool {
	return slices.Contains([]string{"tmpfs", "devtmpfs", "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs"}, fsType)
}

// byDefault reports the devices that the runtime specification gives to every
// container, by number: null, zero, full, random, urandom, tty, console, ptmx,
// and terminals (pts, which is also what console is).
func byDefault(d fact.Device) bool {
	if d.Type != "c" {
		return false
	}
	switch d.Major {
	case 1:
		return d.Minor == 3 || d.Minor == 5 || d.Minor == 7 || d.Minor == 8 || d.Minor == 9
	case 5:
		return d.Minor <= 2
	}
	return d.Major >= 136 && d.Major <= 143
}
