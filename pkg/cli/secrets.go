package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/cluster"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/etcd"
)

type secretsFlags struct {
	reportFlags
	sourceFlags
	probeFlags
	witnessFlags
	snapshot      string
	allNamespaces bool
}

func newSecretsCommand(env *Env, config *genericclioptions.ConfigFlags) *cobra.Command {
	var f secretsFlags
	cmd := &cobra.Command{
		Use:     "secrets",
		Aliases: []string{"secret"},
		Short:   "Tell whether Secrets are encrypted, from the stored bytes",
		Long: describe(`
			Reads how each Secret is stored in etcd, from the bytes themselves, and what the
			API server was told to do. The values of Secrets are never fetched from the API
			and never leave the node: names, providers, sizes and revisions do.`),
		Example: env.examples(`
			# Every Secret of the cluster
			kubectl checklist secrets

			# As an object, for a pipeline that stops at the first plaintext
			kubectl checklist secrets -o yaml --fail-on high

			# From an etcd snapshot, without a cluster
			kubectl checklist secrets --snapshot backup.db`),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), env, config) },
	}
	cmd.Flags().StringVar(&f.snapshot, "snapshot", "", "Read this etcd snapshot, database file or member directory; no cluster is contacted.")
	cmd.Flags().BoolVarP(&f.allNamespaces, "all-namespaces", "A", false, "Look at all namespaces (the default unless -n is given).")
	f.reportFlags.add(cmd.Flags())
	f.sourceFlags.add(cmd.Flags())
	f.probeFlags.add(cmd.Flags())
	f.witnessFlags.add(cmd.Flags())
	return cmd
}

func (f *secretsFlags) run(ctx context.Context, env *Env, config *genericclioptions.ConfigFlags) error {
	if err := errors.Join(f.sourceFlags.validate(), f.probeFlags.validate()); err != nil {
		return err
	}
	if f.snapshot != "" && (f.local || f.facts != "") {
		return errors.New("--snapshot, --local and --facts exclude each other")
	}
	for _, other := range []struct {
		given bool
		flag  string
	}{{f.snapshot != "", "--snapshot"}, {f.local, "--local"}} {
		if err := f.witnessFlags.refuse(other.flag); other.given && err != nil {
			return err
		}
	}
	if f.facts != "" {
		if err := refuseNamespace(config, "--facts"); err != nil {
			return err
		}
		return replay(ctx, env, f.reportFlags, f.witnessFlags, f.facts, "secrets", secretChecks())
	}
	r, err := newRun(env, f.reportFlags, "secrets", secretChecks())
	if err != nil {
		return err
	}
	switch {
	case f.snapshot != "":
		return f.runSnapshot(ctx, r, f.namespaceOnly(config))
	case f.local:
		r.spec.Scope.Local, r.spec.Scope.Root = true, f.root
		set, err := gatherLocal(ctx, f.root, r.kinds(), f.timeout)
		if err != nil {
			return err
		}
		if namespace := f.namespaceOnly(config); namespace != "" {
			r.spec.Scope.Namespaces = []string{namespace}
			onlyNamespace(set, namespace)
		}
		return r.finish(set)
	}
	scope := scopeFlags{allNamespaces: f.allNamespaces}
	namespace, err := scope.namespaceOf(config, true)
	if err != nil {
		return err
	}
	r.spec.Scope = scope.scope(r.spec.Scope, namespace, f.effectiveLevel())
	c := clusterRun{
		env: env, flags: config, probe: f.probeFlags, show: env.showsProgress(f.progress), kinds: r.kinds(), witness: f.witnessFlags,
		read: cluster.Options{Nodes: true, Secrets: true, APIServers: true, Pods: needs(r.checks, fact.Pods), Namespace: namespace},
	}
	set, err := c.gather(ctx)
	if err != nil {
		return err
	}
	onlyNamespace(set, namespace)
	return c.finish(r, set)
}

// namespaceOnly is the namespace of -n, where no kubeconfig has a say.
func (f *secretsFlags) namespaceOnly(config *genericclioptions.ConfigFlags) string {
	if f.allNamespaces || config.Namespace == nil {
		return ""
	}
	return *config.Namespace
}

// runSnapshot reads a file instead of a cluster.
func (f *secretsFlags) runSnapshot(ctx context.Context, r *run, namespace string) error {
	db, gaps, err := etcd.ReadSnapshot(ctx, f.snapshot, etcd.Options{})
	if err != nil {
		return err
	}
	set := &fact.Set{CollectedAt: fact.NewTime(time.Now().Truncate(time.Second)), Snapshot: db, Gaps: gaps}
	set.Gaps = append(set.Gaps, notRequested(fact.Intersect(fact.Subtract(r.kinds(), []fact.Kind{fact.Etcd, fact.Secrets}), fact.Kinds()),
		"a snapshot holds stored bytes and nothing else", "run without --snapshot on the cluster")...)
	r.spec.Scope.Snapshot = f.snapshot
	if namespace != "" {
		r.spec.Scope.Namespaces = []string{namespace}
		onlyNamespace(set, namespace)
	}
	return r.finish(set)
}

// onlyNamespace leaves of the stored Secrets those of one namespace, where one
// was asked about. How many were cut from a list stays known: any of them may
// be of this namespace.
func onlyNamespace(set *fact.Set, namespace string) {
	if namespace == "" {
		return
	}
	narrow := func(db *fact.EtcdDB) {
		unlisted := db.Total - len(db.Secrets)
		var kept []fact.StoredSecret
		for _, s := range db.Secrets {
			if s.Namespace == namespace {
				kept = append(kept, s)
			}
		}
		db.Secrets, db.Total = kept, len(kept)+unlisted
	}
	if set.Snapshot != nil {
		narrow(set.Snapshot)
	}
	for i := range set.Nodes {
		if m := set.Nodes[i].Measured; m != nil {
			for j := range m.Etcd {
				narrow(&m.Etcd[j])
			}
		}
	}
}
