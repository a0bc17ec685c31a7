package cli

import (
	"context"
	"errors"
	"runtime/debug"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/gather"
)

// gcPercent is how much garbage there may be, in percent of what is in use.
const gcPercent = 50

type secretsFlags struct {
	reportFlags
	sourceFlags
	probeFlags
	controlPlaneFlags
	configMapFlags
	snapshot      string
	allNamespaces bool
}

func newSecretsCommand(env *Env, config *genericclioptions.ConfigFlags) *cobra.Command {
	var f secretsFlags
	cmd := &cobra.Command{
		Use:     "secrets",
		Aliases: []string{"secret"},
		Short:   "Report whether Secrets are encrypted, from the stored bytes",
		Long: describe(`
			Reports how each Secret is stored in etcd, from the stored bytes, and how the API
			server is configured. Stored values never leave the node. Names, providers, sizes
			and revisions do.

			The plugin asks the API only for the metadata of Secrets. If a Secret was applied
			with kubectl, its annotation last-applied-configuration holds the values, and the
			API sends it too. The plugin keeps names, versions and the names of such keys, and
			drops the rest.`),
		Example: env.examples(`
			# Every Secret of the cluster
			kubectl checklist secrets

			# In a pipeline: print YAML, and fail on findings of high severity or more
			kubectl checklist secrets -o yaml --fail-on high

			# From an etcd snapshot, without a cluster
			kubectl checklist secrets --snapshot backup.db

			# From a compressed backup that is encrypted with age
			age --decrypt backup.db.gz.age | kubectl checklist secrets --snapshot -`),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), env, config) },
	}
	cmd.Flags().StringVar(&f.snapshot, "snapshot", "", "Read this etcd snapshot, database file of etcd or k3s (kine), or data directory; - is standard input. Files can be compressed with gzip or zstd; what is compressed or piped is kept in memory, up to 2 GiB or half of what is free. No cluster is contacted.")
	cmd.Flags().BoolVarP(&f.allNamespaces, "all-namespaces", "A", false, "Look at all namespaces (the default unless -n is given).")
	f.reportFlags.add(cmd.Flags())
	f.sourceFlags.add(cmd.Flags())
	f.probeFlags.add(cmd.Flags())
	f.addYes(cmd.Flags())
	f.controlPlaneFlags.add(cmd.Flags())
	f.configMapFlags.add(cmd.Flags())
	return cmd
}

func (f *secretsFlags) run(ctx context.Context, env *Env, config *genericclioptions.ConfigFlags) error {
	if err := errors.Join(f.sourceFlags.validate(), f.keeps("--facts", f.facts), f.keeps("--snapshot", f.snapshot), f.probeFlags.validate()); err != nil {
		return err
	}
	if f.snapshot != "" && (f.local || f.facts != "") {
		return errors.New("--snapshot, --local and --facts cannot be used together")
	}
	for _, other := range []struct {
		given bool
		flag  string
	}{{f.snapshot != "", "--snapshot"}, {f.local, "--local"}, {f.facts != "", "--facts"}} {
		if err := f.configMapFlags.refuse(other.flag); other.given && err != nil {
			return err
		}
		if other.flag == "--facts" {
			continue // the nodes that count can be named afterwards
		}
		if err := f.controlPlaneFlags.refuse(other.flag); other.given && err != nil {
			return err
		}
	}
	if env.Getenv("GOGC") == "" {
		// The names of all Secrets stay in memory. What is read and printed of them does
		// not, and is collected before it takes as much again.
		debug.SetGCPercent(gcPercent)
	}
	if f.facts != "" {
		if err := refuseNamespace(config, "--facts"); err != nil {
			return err
		}
		return replay(ctx, env, f.reportFlags, f.controlPlaneFlags, f.facts, "secrets", secretChecks())
	}
	r, err := newEvaluation(ctx, env, f.reportFlags, "secrets", secretChecks())
	if err != nil {
		return err
	}
	switch {
	case f.snapshot != "":
		return r.gather(ctx, &gather.Snapshot{Path: f.snapshot, Stdin: env.Streams.In, Kinds: r.kinds(), Namespace: f.namespaceOnly(config)})
	case f.local:
		return r.gather(ctx, f.machine(r, &f.probeFlags, f.namespaceOnly(config)))
	}
	source, err := f.cluster(r, config)
	if err != nil {
		return err
	}
	return r.gatherCluster(ctx, source, &f.probeFlags, config)
}

// cluster returns the source of Secrets' names and of how they are stored.
func (f *secretsFlags) cluster(r *evaluation, config *genericclioptions.ConfigFlags) (*gather.Cluster, error) {
	scope := scopeFlags{allNamespaces: f.allNamespaces}
	namespace, err := scope.namespaceOf(config, true)
	if err != nil {
		return nil, err
	}
	level, net := f.levels()
	return &gather.Cluster{
		Kinds: r.kinds(), Lists: []fact.Kind{fact.Nodes, fact.Secrets},
		Namespace: namespace, ControlPlaneNodes: f.controlPlaneNodes, Level: level, Net: net,
		NoConfigMaps: f.noConfigMaps,
	}, nil
}

// namespaceOnly returns the namespace of -n. The kubeconfig's namespace does not
// count.
func (f *secretsFlags) namespaceOnly(config *genericclioptions.ConfigFlags) string {
	if f.allNamespaces || config.Namespace == nil {
		return ""
	}
	return *config.Namespace
}
