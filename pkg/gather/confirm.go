package gather

import (
	"context"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/cluster"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch"
)

// ask asks the user, if somebody does (Confirm) and the run means to create pods, and notes the
// answer. named and result are what was read so far, and stay as they are.
//
// It comes before the dry runs, which --no-probe leaves out: a user who says no has then not
// asked the API server to create anything.
func (c *Cluster) ask(ctx context.Context, named []fact.Workload, result *cluster.Result) (bool, error) {
	wanted, _ := c.measurable()
	if len(wanted) == 0 || c.Agreed(result.Cluster.UID) {
		return true, nil
	}
	known := newSet()
	c.take(known, result)
	known.Nodes = slices.Clone(known.Nodes)
	if len(c.Names) > 0 {
		keepNamed(known, named, result.NamedPods)
	}
	if c.OnlyTheirNodes {
		keepNodesOfPods(known)
	}
	if err := nameControlPlane(known, c.ControlPlaneNodes, nil); err != nil {
		return false, err
	}
	nodes := probeNodes(wanted, known)
	outline, err := launch.NewOutline(c.probeOptions(wanted), nodes)
	if err != nil {
		return false, err
	}
	if outline.Nodes == 0 {
		return true, nil
	}
	yes, err := c.Confirm(ctx, result.Cluster.UID, outline)
	if err != nil {
		return false, err
	}
	c.declined, c.confirmed = !yes, yes
	return yes, nil
}
