package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/cluster"
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
			measured: kernels and packages, and of every container its capability masks,
			devices, writable layer and running executables.`),
		Example: env.examples(`
			# All nodes
			kubectl checklist nodes

			# Two nodes, every finding with its evidence
			kubectl checklist nodes worker-1 worker-2 -o wide

			# The nodes of a pool, with nothing pulled from a registry
			kubectl checklist nodes -l pool=edge --probe-image embedded

			# This machine, without a cluster
			kubectl checklist nodes --local`),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), env, config, args) },
	}
	cmd.Flags().StringVarP(&f.selector, "selector", "l", "", "Label selector of nodes.")
	f.reportFlags.add(cmd.Flags())
	f.sourceFlags.add(cmd.Flags())
	f.probeFlags.add(cmd.Flags())
	return cmd
}

func (f *nodesFlags) run(ctx context.Context, env *Env, config *genericclioptions.ConfigFlags, args []string) error {
	if err := errors.Join(f.sourceFlags.validate(), f.probeFlags.validate()); err != nil {
		return err
	}
	if len(args) > 0 && f.selector != "" {
		return errors.New("names and --selector exclude each other")
	}
	if f.facts != "" {
		if len(args) > 0 || f.selector != "" {
			return errors.New("--facts and names or --selector exclude each other")
		}
		return replay(ctx, env, f.reportFlags, witnessFlags{}, f.facts, "nodes", nodeChecks())
	}
	r, err := newRun(env, f.reportFlags, "nodes", nodeChecks())
	if err != nil {
		return err
	}
	if f.local {
		if len(args) > 0 || f.selector != "" {
			return errors.New("--local and names or --selector exclude each other: this machine is the node")
		}
		r.spec.Scope.Local, r.spec.Scope.Root = true, f.root
		set, err := gatherLocal(ctx, f.root, r.kinds(), f.timeout)
		if err != nil {
			return err
		}
		return r.finish(set)
	}
	names := make([]string, len(args))
	for i, arg := range args {
		names[i] = strings.TrimPrefix(strings.TrimPrefix(arg, "nodes/"), "node/")
	}
	r.spec.Scope = api.Scope{
		AllNamespaces: true, Selector: f.selector, Names: names,
		ProbeLevel: string(f.effectiveLevel()), Checks: r.spec.Scope.Checks,
	}
	c := clusterRun{
		env: env, flags: config, probe: f.probeFlags, show: env.showsProgress(f.progress), kinds: r.kinds(),
		read: cluster.Options{Pods: true, Nodes: true, NodeNames: names, NodeSelector: f.selector},
	}
	set, err := c.gather(ctx)
	if err != nil {
		return err
	}
	return c.finish(r, set)
}
