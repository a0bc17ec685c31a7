package processes

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/overlay"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// Facts publishes the containers of the table and settles Processes.
type Facts struct{}

// Kinds are those about containers: without a container in the facts they have
// no place.
func (Facts) Kinds() []fact.Kind { return fact.KindsOf(fact.OfContainer) }

// Read reads nothing more.
func (Facts) Read(_ context.Context, pass *reader.Pass) {
	if pass.Containers == nil { // there was no table to fill
		return
	}
	publish(pass, true)
	missedThreads(pass)
	pass.Ledger.Done(fact.Processes)
}

// maxProcesses bounds the processes that are listed for one node.
const maxProcesses = 20_000

// shareOf returns how many processes of each container can be listed, so that all
// together are at most total: a container with very many costs only itself.
func shareOf(total int, containers []*proctable.Container) int {
	sizes := make([]int, 0, len(containers))
	for _, ct := range containers {
		sizes = append(sizes, len(ct.Processes))
	}
	slices.Sort(sizes)
	for i, size := range sizes {
		if rest := len(sizes) - i; size > total/rest {
			return total / rest
		}
		total -= size
	}
	return math.MaxInt
}

// publish makes the containers known, in place of what was known before. Only the
// final call adds gaps: before it no kind is settled.
func publish(pass *reader.Pass, final bool) {
	kinds := fact.KindsOf(fact.OfContainer)
	if !slices.ContainsFunc(kinds, pass.Ledger.Asks) {
		return
	}
	out := make([]fact.MeasuredContainer, 0, len(pass.Containers))
	most := shareOf(maxProcesses, pass.Containers)
	for _, ct := range pass.Containers {
		mc := fact.MeasuredContainer{
			ID: ct.Identity.ID, PodUID: rootfs.Text(ct.Identity.PodUID), Kubernetes: ct.Identity.Kubernetes, Runtime: ct.Identity.Runtime,
			Cgroup: rootfs.Text(ct.Identity.Path), FoundBy: ct.FoundBy, Sandbox: ct.Sandbox, Self: ct.Self,
		}
		if len(ct.Processes) > most && final {
			// An executable is a fact of a process. Other facts of a container have
			// no place if none of its processes is listed.
			lost := []fact.Kind{fact.Processes, fact.Executables}
			if most == 0 {
				lost = kinds
			}
			for _, kind := range lost {
				pass.Ledger.Gap(fact.NodeGap{
					What: kind, Container: ct.Key(), Reason: fact.Truncated,
					Detail: fmt.Sprintf("more than %d processes in containers: of the %d of this one, %d are listed", maxProcesses, len(ct.Processes), most),
				})
			}
		}
		listed := ct.Processes[:min(len(ct.Processes), most)]
		if len(listed) > 0 {
			mc.Processes = make([]fact.Process, 0, len(listed))
		}
		for _, p := range listed {
			mc.Processes = append(mc.Processes, pass.Facts(p))
		}
		out = append(out, mc)
	}
	pass.Ledger.Publish(out)
}

// Mounts publishes the root mount and the writable mounts of every container,
// by the tables that are read already.
type Mounts struct{}

// Kinds is Mounts.
func (Mounts) Kinds() []fact.Kind { return []fact.Kind{fact.Mounts} }

// Read touches no file.
func (Mounts) Read(_ context.Context, pass *reader.Pass) {
	if !pass.Ledger.Wants(fact.Mounts) {
		return
	}
	sockets := findSockets(pass)
	for _, ct := range pass.Containers {
		gap := func(reason fact.Reason, detail string) {
			pass.Ledger.Gap(fact.NodeGap{What: fact.Mounts, Container: ct.Key(), Reason: reason, Detail: detail})
		}
		table := ct.Main().Mounts
		switch {
		case table == nil || table.Err != nil && rootfs.Gone(table.Err):
			gap(fact.Changing, "its processes ended before their mounts were read")
			continue
		case table.Err != nil:
			gap(rootfs.ReasonOf(table.Err), rootfs.ErrorText(table.Err))
			continue
		case !table.HasRoot():
			gap(fact.NotPresent, "none of its processes sees a mount at /: each has changed its root")
		}
		root, others := mountsOf(pass.Table, table.Mounts)
		pass.Ledger.Container(ct.Key(), func(mc *fact.MeasuredContainer) {
			mc.Root, mc.Mounts, mc.Sockets = root, others, sockets.shownBy(table.Mounts)
		})
	}
	pass.Ledger.Done(fact.Mounts)
}

// mountsOf picks the mount at "/", and the others that can be written to. If
// several are on one point, the last one is on top.
func mountsOf(node *proctable.Table, table []procfs.MountInfo) (root *fact.Mount, others []fact.Mount) {
	top := make(map[string]int, len(table))
	for i := range table {
		top[table[i].Point] = i
	}
	for i := range table {
		m := &table[i]
		if top[m.Point] != i {
			continue
		}
		if m.Point == "/" {
			mount := mountFact(node, m)
			root = &mount
			continue
		}
		if m.ReadOnly() || m.Pseudo() || m.Masks() {
			continue
		}
		others = append(others, mountFact(node, m))
	}
	sorted.Func(others, func(a, b fact.Mount) int { return cmp.Compare(a.Path, b.Path) })
	return root, others
}

func mountFact(node *proctable.Table, m *procfs.MountInfo) fact.Mount {
	out := fact.Mount{
		Path: rootfs.Text(m.Point), FSType: rootfs.Text(m.FSType), Source: rootfs.Text(m.Source), ReadOnly: m.ReadOnly(),
		NoExec: m.Has("noexec"), NoSuid: m.Has("nosuid"), NoDev: m.Has("nodev"),
	}
	if m.Point != "/" {
		out.Volume = rootfs.Text(overlay.VolumeOf(*m, node.NodeMounts()))
	}
	if m.FSType == "overlay" {
		if options, err := overlay.ParseOptions(m.SuperOptions); err == nil {
			out.Upperdir = rootfs.Text(options.Upperdir)
		}
	}
	return out
}
