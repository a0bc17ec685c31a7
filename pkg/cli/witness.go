package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// witnessFlags say whose word on the cluster's storage counts.
type witnessFlags struct {
	controlPlaneNodes []string
}

func (f *witnessFlags) add(flags *pflag.FlagSet) {
	flags.StringSliceVar(&f.controlPlaneNodes, "control-plane-node", nil,
		"A `node` that runs the cluster's etcd or API server, where no role label says so. Repeatable.")
}

// refuse says that the flag makes no sense beside another.
func (f *witnessFlags) refuse(with string) error {
	if len(f.controlPlaneNodes) > 0 {
		return fmt.Errorf("%s and --control-plane-node exclude each other", with)
	}
	return nil
}

// apply puts the named nodes into facts, beside those that were named when
// they were saved. A name that no node has is an error: the user would wait for
// a witness that does not exist.
func (f *witnessFlags) apply(set *fact.Set) error {
	for _, name := range f.controlPlaneNodes {
		name = strings.TrimPrefix(strings.TrimPrefix(name, "nodes/"), "node/")
		known := slices.ContainsFunc(set.Nodes, func(n fact.Node) bool { return n.Name == name })
		if !known && len(set.Nodes) > 0 {
			return fmt.Errorf("--control-plane-node: no node is called %q", name)
		}
		if !slices.Contains(set.ControlPlaneNodes, name) {
			set.ControlPlaneNodes = append(set.ControlPlaneNodes, name)
		}
	}
	slices.Sort(set.ControlPlaneNodes)
	return nil
}
