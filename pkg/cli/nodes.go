package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/gather"
)

type nodesFlags struct {
	reportFlags
	sourceFlags
	probeFlags
	selector string
}

func newNodesCommand(env *Env, config *genericclioptions.ConfigFlags) *cobra.Command {
	var f nodesFlags
	cmd := &cobra.Command{
		Use:     "nodes [NAME ...]",
		Aliases: []string{"node", "no"},
		Short:   "Measure nodes and what runs on them",
		Long: describe(`
			Starts a short-lived, locked-down probe pod on each node and reports what it
			measured: the kernel and packages of the node, and the capability masks, devices,
			writable layer and running executables of each container. If one node is named,
			a table of its containers follows.`),
		Example: env.examples(`
			# All nodes
			kubectl checklist nodes

			# One node in full, with a table of its containers
			kubectl checklist nodes worker-1

			# Two nodes, with the evidence of every finding
			kubectl checklist nodes worker-1 worker-2 -o wide

			# The nodes of one pool; nothing is pulled from a registry
			kubectl checklist nodes -l pool=edge --probe-image embedded

			# This machine, without a cluster
			kubectl checklist nodes --local`),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), env, config, args) },
	}
	cmd.ValidArgsFunction = completer{env, config}.names("nodes")
	cmd.Flags().StringVarP(&f.selector, "selector", "l", "", "Label selector of nodes.")
	f.reportFlags.add(cmd.Flags())
	f.reportFlags.addVulnerabilities(cmd.Flags())
	f.sourceFlags.add(cmd.Flags())
	f.probeFlags.add(cmd.Flags())
	f.addYes(cmd.Flags())
	return cmd
}

func (f *nodesFlags) run(ctx context.Context, env *Env, config *genericclioptions.ConfigFlags, args []string) error {
	if err := errors.Join(f.sourceFlags.validate(), f.keeps("--facts", f.facts), f.probeFlags.validate()); err != nil {
		return err
	}
	if len(args) > 0 && f.selector != "" {
		return errors.New("names and --selector cannot be used together")
	}
	if f.facts != "" {
		if len(args) > 0 || f.selector != "" {
			return errors.New("--facts and names or --selector cannot be used together")
		}
		return replay(ctx, env, f.reportFlags, controlPlaneFlags{}, f.facts, "nodes", nodeChecks())
	}
	r, err := newEvaluation(ctx, env, f.reportFlags, "nodes", nodeChecks())
	if err != nil {
		return err
	}
	if f.local {
		if len(args) > 0 || f.selector != "" {
			return errors.New("--local and names or --selector cannot be used together: this machine is the node")
		}
		return r.gather(ctx, f.machine(r, &f.probeFlags, ""))
	}
	return r.gatherCluster(ctx, f.cluster(r, args), &f.probeFlags, config)
}

// cluster returns the source of nodes, and of the pods on them.
func (f *nodesFlags) cluster(r *evaluation, args []string) *gather.Cluster {
	level, net := f.levels()
	return &gather.Cluster{
		Kinds: r.kinds(), Lists: []fact.Kind{fact.Pods, fact.Nodes},
		NodeNames: args, NodeSelector: f.selector, Level: level, Net: net,
	}
}
