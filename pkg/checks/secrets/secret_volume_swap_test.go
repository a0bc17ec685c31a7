package secrets

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func TestSecretVolumeSwap(t *testing.T) {
	with := func(s *fact.SwapState) *fact.Set { return nodeWith(func(m *fact.Measurement) { m.Host.Swap = s }) }
	const mounts = "node/cp1 mounts of kubelet's Secret volumes = "
	judge(t, judgeSecretVolumeSwap, cases{
		"no swap passes": {
			with(&fact.SwapState{SecretVolumes: 3, Swappable: 3}),
			[]string{"pass cp1: this node has no swap on a disk [node/cp1 /proc/swaps = 0 swap areas, 0 bytes in use; " + mounts + "3 of 3 without noswap]"},
		},
		"swap and volumes with noswap pass": {
			with(&fact.SwapState{Areas: 1, SecretVolumes: 3}),
			[]string{"pass cp1: this node swaps, but no Secret volume can be swapped out [node/cp1 /proc/swaps = 1 swap area, 0 bytes in use; " + mounts + "0 of 3 without noswap]"},
		},
		"swap and a volume without it fail": {
			with(&fact.SwapState{Areas: 1, Used: 5, SecretVolumes: 3, Swappable: 1}),
			[]string{"fail cp1: this node swaps, and its Secret volumes can be swapped out [node/cp1 /proc/swaps = 1 swap area, 5 bytes in use; " + mounts + "1 of 3 without noswap]"},
		},
		"a worker speaks for itself": {
			onWorker(with(&fact.SwapState{Areas: 1, SecretVolumes: 1, Swappable: 1})),
			[]string{"fail cp1: this node swaps, and its Secret volumes can be swapped out [node/cp1 /proc/swaps = 1 swap area, 0 bytes in use; " + mounts + "1 of 1 without noswap]"},
		},
		"read, and not in the facts":                 {with(nil), []string{"unknown NotPresent cp1: it was not read whether this node swaps [node/cp1 /proc/swaps = not in the facts]"}},
		"facts of an earlier version: a gap says so": {nodeWith(func(m *fact.Measurement) { m.Read = nil }), nil},
		"negative counts are none, and a gap": {
			with(&fact.SwapState{Areas: -1, Used: -1, SecretVolumes: -1, Swappable: -1}), nil,
		},
	})
}
