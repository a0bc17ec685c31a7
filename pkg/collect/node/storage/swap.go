package storage

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// maxSwaps bounds /proc/swaps, bytes: the kernel has at most 32 areas.
const maxSwaps = 64 << 10

// readSwap reads which swap areas the node uses, and whether the tmpfs of Secret volumes
// can be swapped out. The kubelet mounts them with noswap from Kubernetes 1.32 on, where
// the kernel knows that option (6.3).
func readSwap(pass *reader.Pass) {
	state, err := swapState(pass)
	if err != nil {
		pass.Ledger.Gap(fact.NodeGap{What: fact.Swap, Reason: rootfs.ReasonOf(err), Detail: rootfs.ErrorText(err)})
		pass.Ledger.Missed(fact.Swap)
		return
	}
	pass.Ledger.Update(func(m *fact.Measurement) { m.Host.Swap = state })
	pass.Ledger.Done(fact.Swap)
}

func swapState(pass *reader.Pass) (*fact.SwapState, error) {
	state := &fact.SwapState{}
	data, err := pass.Dir.ReadFile("swaps", maxSwaps)
	switch {
	case errors.Is(err, fs.ErrNotExist) && pass.Live: // a kernel without swap
	case err != nil:
		return nil, err
	default:
		areas, err := procfs.ParseSwaps(data)
		if err != nil {
			return nil, err
		}
		for i := range areas {
			if !areas[i].InMemory() {
				state.Areas++
				state.Used += areas[i].Used
			}
		}
	}
	if pass.Mounts == nil || pass.Mounts.Err != nil {
		err := rootfs.NewError(fact.NotPresent, "not read")
		if pass.Mounts != nil {
			err = pass.Mounts.Err
		}
		return nil, fmt.Errorf("the node's mounts: %w", err)
	}
	for _, m := range pass.NodeMounts() {
		volume, is := procfs.ParseVolumePath(m.Point)
		if !is || m.FSType != "tmpfs" || volume.Kind != "secret" && volume.Kind != "projected" {
			continue
		}
		state.SecretVolumes++
		if !m.HasSuper("noswap") && !m.Has("noswap") {
			state.Swappable++
		}
	}
	return state, nil
}
