package cli

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/cluster"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch"
)

// clusterRun is what to read of a cluster.
type clusterRun struct {
	env     *Env
	flags   *genericclioptions.ConfigFlags
	probe   probeFlags
	show    bool // progress
	kinds   []fact.Kind
	read    cluster.Options
	witness witnessFlags
	narrow  func(*cluster.Result) error // after the lists, before the probe

	// incomplete is what a user has to know beside a valid report: something
	// that could not be removed.
	incomplete error
}

// gather reads the cluster, and then its nodes by probe.
func (c *clusterRun) gather(ctx context.Context) (*fact.Set, error) {
	config, err := restConfig(c.env, c.flags)
	if err != nil {
		return nil, err
	}
	set := &fact.Set{CollectedAt: fact.NewTime(time.Now().Truncate(time.Second))}
	c.read.Config = config
	result, err := cluster.Collect(ctx, c.read)
	if err != nil {
		return nil, err
	}
	if c.narrow != nil {
		if err := c.narrow(result); err != nil {
			return nil, err
		}
	}
	set.Cluster, set.Nodes, set.Workloads, set.PodScope = result.Cluster, result.Nodes, result.Workloads, result.PodScope
	set.Secrets, set.SecretsListed, set.Gaps = result.Secrets, result.SecretsListed, result.Gaps
	set.Cluster.Provider = checks.Provider(set) // for readers of saved facts; it is computed again when they are judged
	if err := c.witness.apply(set); err != nil {
		return nil, err
	}
	if err := c.measure(ctx, config, set); err != nil {
		return nil, err
	}
	return set, nil
}

// finish judges and prints what was gathered. What could not be removed from
// the cluster is said, and changes no exit status: those speak of the report.
func (c *clusterRun) finish(r *run, set *fact.Set) error {
	err := r.finish(set)
	if c.incomplete != nil {
		c.env.warn("warning: %v", c.incomplete)
	}
	return err
}

// rawConfig reads the kubeconfig, and says which contexts there are where the
// one asked for is not.
func rawConfig(flags *genericclioptions.ConfigFlags) (*clientcmdapi.Config, error) {
	if path := *flags.KubeConfig; path != "" {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("--kubeconfig: %s: %w", path, cause(err))
		}
	}
	raw, err := flags.ToRawKubeConfigLoader().ConfigAccess().GetStartingConfig()
	if err != nil {
		return nil, unreadableKubeconfig(flags)
	}
	if name := *flags.Context; name != "" && raw.Contexts[name] == nil {
		return nil, fmt.Errorf("kubeconfig: context %q does not exist; there are: %s", name, strings.Join(slices.Sorted(maps.Keys(raw.Contexts)), ", "))
	}
	return raw, nil
}

func restConfig(env *Env, flags *genericclioptions.ConfigFlags) (*rest.Config, error) {
	raw, err := rawConfig(flags)
	if err != nil {
		return nil, err
	}
	if err := kubeconfigProblem(flags, raw); err != nil {
		return nil, err
	}
	config, err := flags.ToRESTConfig()
	switch {
	case clientcmd.IsEmptyConfig(err):
		return nil, err
	case err != nil:
		return nil, errKubeconfig
	}
	// Where nothing is configured, client-go assumes a server on this machine;
	// nobody means that.
	if clientcmdapi.IsConfigEmpty(raw) && config.Host == "http://localhost:8080" && *flags.APIServer == "" {
		return nil, clientcmd.ErrEmptyConfig
	}
	config.UserAgent = "kubectl-checklist/" + env.Version
	// Priority and fairness on the server protects it; the client's default
	// of five requests a second protects nobody.
	config.QPS, config.Burst = 50, 100
	// One warning a probe pod ("would violate PodSecurity ...") says nothing
	// that the preflight did not.
	config.WarningHandler = rest.NoWarnings{}
	return config, nil
}

// measure runs probes for the kinds that were asked for, on the nodes that can
// give them, and puts the measurements and gaps into the set.
func (c *clusterRun) measure(ctx context.Context, config *rest.Config, set *fact.Set) error {
	wanted := fact.Intersect(c.kinds, fact.NodeKinds())
	if len(wanted) == 0 {
		return nil
	}
	level := c.probe.effectiveLevel()
	if level == fact.LevelProc {
		set.Gaps = append(set.Gaps, notRequested(fact.Subtract(wanted, fact.KindsAt(fact.LevelProc)), "the probe's level is proc", "--probe-level full reads them")...)
		wanted = fact.Intersect(wanted, fact.KindsAt(fact.LevelProc))
		if len(wanted) == 0 {
			return nil // no pod for nothing
		}
	}
	if level == fact.LevelAPI {
		hint := "leave out --no-probe to measure the nodes"
		if !c.probe.noProbe {
			hint = "--probe-level full measures the nodes"
		}
		set.Gaps = append(set.Gaps, notRequested(wanted, "no probe was run", hint)...)
		return nil
	}
	nodes := probeNodes(wanted, set)
	if len(nodes) == 0 {
		return nil
	}
	opts, err := c.probe.options(c.env, config)
	if err != nil {
		return err
	}
	progress := c.env.newProgress(c.show, "measuring nodes")
	defer progress.finish()
	opts.Level, opts.Kinds = level, wanted
	opts.Guard = guardStarter(c.flags)
	opts.Announce = func(line string) { c.env.warn("%s", line) }
	opts.Progress = progress.update
	progress.update(0, 0, len(nodes))
	measured, gaps, err := launch.Run(ctx, opts, nodes)
	// Facts and gaps are valid beside the error, which tells of something that
	// could not be removed: the report is worth printing all the same.
	set.Gaps = append(set.Gaps, gaps...)
	for i := range set.Nodes {
		set.Nodes[i].Measured = measured[set.Nodes[i].Name]
	}
	if err != nil && len(measured) == 0 && len(gaps) == 0 {
		return err
	}
	c.incomplete = err
	return nil
}

// probeNodes are the nodes that can give what is wanted. Where only storage is
// wanted, those are the nodes whose word on it counts; where none is known, all
// are asked, so that what they hold is shown.
func probeNodes(wanted []fact.Kind, set *fact.Set) []fact.Node {
	if len(fact.Subtract(wanted, fact.KindsOf(fact.OfStorage))) > 0 {
		return set.Nodes
	}
	view := checks.NewView(set)
	if view.Managed {
		return nil
	}
	control := slices.DeleteFunc(slices.Clone(set.Nodes), func(n fact.Node) bool { return !view.StorageWitness(&n) })
	if len(control) > 0 {
		return control
	}
	return set.Nodes
}

// notRequested is one gap for each kind, for the whole cluster.
func notRequested(kinds []fact.Kind, detail, hint string) []fact.Gap {
	gaps := make([]fact.Gap, 0, len(kinds))
	for _, kind := range kinds {
		gaps = append(gaps, fact.Gap{
			What: kind, Subject: fact.Subject{Kind: "Cluster"}, Reason: fact.NotRequested, Detail: detail, Hint: hint,
		})
	}
	return gaps
}
