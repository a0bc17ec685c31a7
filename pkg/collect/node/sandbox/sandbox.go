// Package sandbox finds the containers that are not what they look like from
// the node: the pods' pause containers, and those of which only a sandboxed
// runtime (gVisor, Kata) is visible.
package sandbox

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Reader marks them in the table, and removes from it what cannot be measured.
type Reader struct{}

// Kinds are those about containers.
func (Reader) Kinds() []fact.Kind { return fact.KindsOf(fact.OfContainer) }

// Read reads links of processes, and of the node's files only those that lie
// where a process's do.
func (Reader) Read(_ context.Context, pass *reader.Pass) {
	buf := make([]byte, reader.BufferSize)
	mark(pass.Table, buf)
	drop(pass, buf)
}

// mark finds the pods' pause containers. A process named pause proves nothing,
// because any container can name its only process so. containerd mounts files
// of the sandbox into all containers of a pod, from a directory named after the
// sandbox's id. Where that is visible, it decides. Elsewhere the program must
// be /pause, if that can be read, and the reader of executables checks whether
// it is the image's (IsPause). At level proc only the name is known, and checks
// use it only for a container that the API does not know.
func mark(t *proctable.Table, buf []byte) {
	for _, ct := range t.Containers {
		if ct.Identity.PodUID == "" || len(ct.Processes) != 1 || ct.FoundBy != fact.FoundByCgroup {
			continue // a kubelet's runtime gives every sandbox an id
		}
		p := ct.Processes[0]
		ct.Sandbox = p.Status.Name == "pause"
		ct.ByName = ct.Sandbox
		if p.Mounts != nil {
			for i := range p.Mounts.Mounts {
				if id := sandboxOf(p.Mounts.Mounts[i].Root); id != "" {
					ct.Sandbox, ct.ByName = ct.Sandbox && id == ct.Identity.ID, false
				}
			}
		}
		if t.Full() && ct.ByName {
			text := exeText(t, p, buf)
			ct.Sandbox = text == pausePath || text == ""
		}
	}
}

// pausePath is where the pause image has its only program.
const pausePath = "/pause"

// exeText is the text of the link exe, "" if it cannot be read.
func exeText(t *proctable.Table, p *proctable.Process, buf []byte) string {
	d, err := t.Reopen(p, buf)
	if err != nil {
		return ""
	}
	defer d.Close()
	text, err := d.Link(procfs.NameExe)
	if err != nil {
		return ""
	}
	return text
}

// IsPause reports whether an executable may be the pause image's. If the root
// is not an overlay, nothing distinguishes files of the image from others.
func IsPause(exe *fact.Executable) bool {
	return exe.Path == pausePath && (exe.Origin == fact.OriginImage || exe.Origin == fact.OriginUnknown && exe.FSType != "overlay")
}

// sandboxOf reads the sandbox's id from the path of a file that containerd or
// CRI-O keeps for it: ".../sandboxes/ID/resolv.conf".
func sandboxOf(root string) string {
	_, rest, ok := strings.Cut(root, "/sandboxes/")
	if !ok {
		return ""
	}
	id, _, ok := strings.Cut(rest, "/")
	if !ok || len(id) != 64 {
		return ""
	}
	return id
}

// sandboxed are the processes that a sandboxed runtime (gVisor, Kata) runs on
// the host in a container's place.
func sandboxed(comm string) bool {
	switch comm {
	case "runsc", "runsc-sandbox", "runsc-gofer", "firecracker", "cloud-hyperviso", "cloud-hypervisor", "dragonball", "virtiofsd", "kata-shim", "stratovirt":
		return true
	}
	return strings.HasPrefix(comm, "qemu-system-")
}

// drop leaves out containers of which only such a runtime is visible: its
// capabilities are not the container's, so it would be wrong to list them.
// Processes choose their own names. Without proof that the programs are the
// node's, a container stays measured, so that a finding in it still counts, and
// the gaps are added.
func drop(pass *reader.Pass, buf []byte) {
	pass.Containers = slices.DeleteFunc(pass.Containers, func(ct *proctable.Container) bool {
		for _, p := range ct.Processes {
			if !sandboxed(p.Status.Name) {
				return false
			}
		}
		name := rootfs.Text(ct.Processes[0].Status.Name)
		gap := fact.NodeGap{
			Container: ct.Key(), Reason: fact.Unsupported,
			Detail: fmt.Sprintf("only %q of a sandboxed runtime runs for it; what is inside cannot be seen from the node", name),
		}
		proven := pass.Full() && !slices.ContainsFunc(ct.Processes, func(p *proctable.Process) bool { return !runsFromNode(pass.Table, p, buf) })
		if !proven {
			gap.Detail = fmt.Sprintf("only %q runs for it, like a sandboxed runtime, but nothing proves that this program is the node's; what a sandbox holds cannot be seen from the node", name)
		}
		for _, kind := range fact.KindsOf(fact.OfContainer) {
			gap.What = kind
			pass.Ledger.Gap(gap)
		}
		return proven
	})
}

// runsFromNode reports whether the executable is a program of the node's, by its
// mount: one of the node's own mount namespace, where a bind of it into a
// container would have another id; or, for runtimes that have copied that
// namespace and then left it (runsc), one that the process no longer sees, while
// the node has the very same file, of such a runtime's name, at the same path.
func runsFromNode(t *proctable.Table, p *proctable.Process, buf []byte) bool {
	d, err := t.Reopen(p, buf)
	if err != nil {
		return false
	}
	defer d.Close()
	text, file, info, err := t.Exe(d, p)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	if info.HasMountID && procfs.Find(t.NodeMounts(), info.MountID) != nil {
		return true
	}
	if p.Mounts == nil || p.Mounts.Err != nil || p.NS.Mnt == 0 || t.Root == nil || !sandboxed(path.Base(text)) ||
		t.Live && (!info.HasMountID || !liesOn(t, text, info.Dev)) ||
		info.HasMountID && procfs.Find(p.Mounts.Mounts, info.MountID) != nil {
		return false
	}
	node, err := t.Root.Lstat(text)
	return err == nil && node.Dev == info.Dev && node.Ino == info.Ino
}

// liesOn reports whether the node has that device where a path lies, so that
// looking there touches no other file system, which may hang.
func liesOn(t *proctable.Table, name string, dev uint64) bool {
	id, ok := proctable.MountByName(t.NodeMounts(), name)
	if !ok {
		return false
	}
	m := procfs.Find(t.NodeMounts(), id)
	return rootfs.Mkdev(m.Major, m.Minor) == dev
}
