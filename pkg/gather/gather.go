// Package gather brings the facts of one run together. They come from a cluster and
// its nodes, from this machine, from manifests, from an etcd file, or from saved
// facts. The package decides which nodes are asked, joins what is known about one
// node, and leaves out what was not asked for. It never judges. What it uses of
// package checks (who runs the control plane, whose etcd counts) only decides which
// nodes to ask.
package gather

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// Source is where facts come from: Cluster, Machine, Manifests, Snapshot or Saved.
type Source interface {
	// Gather reads the facts. What could not be read is a gap in them; an error
	// means that there is nothing to judge.
	Gather(ctx context.Context) (*Gathered, error)
}

// Gathered is what a source returns.
type Gathered struct {
	Set *fact.Set
	// Scope is what was looked at. The fields that depend on the checks and the
	// facts are not set: Checks, LeftOutChecks, Narrowed, ControlPlaneNodes.
	Scope api.Scope
	// Saved is the spec of the run that saved the facts. It is nil for facts that
	// were read now.
	Saved *api.ReportSpec
	// Digest is that of the file from which the facts were read; "" for facts that were
	// read now.
	Digest string
	// Streamed says that the workloads were passed on, as Cluster.Start asked for.
	Streamed bool
	// Leftover says what could not be removed from the cluster. It is nil if
	// nothing is left there. The facts are valid in both cases.
	Leftover error
}

// newSet returns an empty set of facts that are read now.
func newSet() *fact.Set {
	return &fact.Set{CollectedAt: fact.NewTime(time.Now().Truncate(time.Second)), InjectionRead: true, FieldsRead: true}
}

// derive fills in what follows from other facts, for readers of saved facts. When
// the facts are judged it is computed again.
func derive(set *fact.Set) {
	set.Cluster.Provider = checks.Provider(set)
	for i := range set.Nodes {
		set.Nodes[i].ControlPlane = fact.InControlPlane(set.Nodes[i].Labels)
	}
}

// nameControlPlane adds the nodes that the user named (--control-plane-node) to the
// nodes that were named when the facts were saved. A name that no node has is an
// error, because nothing would be read there. It warns if the names cannot change
// anything. warn may be nil.
func nameControlPlane(set *fact.Set, names []string, warn func(line string)) error {
	for _, name := range names {
		name = nodeName(name)
		known := slices.ContainsFunc(set.Nodes, func(n fact.Node) bool { return n.Name == name })
		if !known && len(set.Nodes) > 0 {
			return fmt.Errorf("--control-plane-node: no node is named %q", name)
		}
		if !slices.Contains(set.ControlPlaneNodes, name) {
			set.ControlPlaneNodes = append(set.ControlPlaneNodes, name)
		}
	}
	slices.Sort(set.ControlPlaneNodes)
	if len(names) > 0 && warn != nil && checks.Managed(set) {
		warn(fmt.Sprintf("warning: --control-plane-node has no effect: the provider (%s) runs etcd and the API servers itself", checks.Provider(set)))
	}
	return nil
}

// nodeName removes the type from node/NAME.
func nodeName(arg string) string {
	return strings.TrimPrefix(strings.TrimPrefix(arg, "nodes/"), "node/")
}

// notRequested returns one gap for each kind, for the whole cluster.
func notRequested(kinds []fact.Kind, detail, hint string) []fact.Gap {
	gaps := make([]fact.Gap, 0, len(kinds))
	for _, kind := range kinds {
		gaps = append(gaps, fact.Gap{
			What: kind, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: fact.NotRequested, Detail: detail, Hint: hint,
		})
	}
	return gaps
}
