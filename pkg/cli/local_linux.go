package cli

import (
	"context"
	"os"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node"
)

// gatherLocal measures this machine, or the directory that holds a node's root
// file system. No cluster is contacted.
func gatherLocal(ctx context.Context, root string, kinds []fact.Kind, timeout time.Duration) (*fact.Set, error) {
	set := &fact.Set{CollectedAt: fact.NewTime(time.Now().Truncate(time.Second))}
	name, err := os.Hostname()
	if err != nil {
		name = "localhost"
	}
	opts := node.Options{Level: fact.LevelFull, Node: name, Kinds: fact.Intersect(kinds, fact.NodeKinds()), Live: root == ""}
	opts.Proc, opts.Root = "/proc", "/"
	if root != "" {
		opts.Root = root
		opts.Proc = ""
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	measurement, err := node.Local(ctx, opts)
	if err != nil {
		return nil, err
	}
	set.Nodes = []fact.Node{{Name: name, Measured: measurement}}
	set.ControlPlaneNodes = []string{name} // the user runs this here
	set.Gaps = append(set.Gaps, localGaps(kinds)...)
	return set, nil
}
