package cli

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/cluster"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/manifest"
)

type podsFlags struct {
	reportFlags
	probeFlags
	scopeFlags
	files   manifest.Files
	facts   string
	measure bool
}

func newPodsCommand(env *Env, config *genericclioptions.ConfigFlags) *cobra.Command {
	var f podsFlags
	cmd := &cobra.Command{
		Use:     "pods [NAME | TYPE/NAME ...]",
		Aliases: []string{"pod", "po"},
		Short:   "Check what pods and workloads declare",
		Long: describe(`
			Checks what pods and workloads declare: of the current namespace, of all of them,
			of those named, or of manifests, for which no cluster is needed. With --measure,
			probe pods add what is measured on the nodes.

			A declaration alone never makes a question's answer yes.`),
		Example: env.examples(`
			# Pods of the current namespace
			kubectl checklist pods

			# One workload, with evidence from the nodes its pods run on
			kubectl checklist pods deploy/web --measure

			# Manifests in a directory, without a cluster
			kubectl checklist pods -f manifests/ -R

			# What a chart renders
			helm template web | kubectl checklist pods -f - --fail-on high`),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), env, config, args) },
	}
	flags := cmd.Flags()
	f.scopeFlags.add(flags, "the current one unless -n is given")
	flags.StringSliceVarP(&f.files.Filenames, "filename", "f", nil, "Manifests to check: files, directories, URLs, or - for standard input.")
	flags.StringVarP(&f.files.Kustomize, "kustomize", "k", "", "A kustomization directory to check.")
	flags.BoolVarP(&f.files.Recursive, "recursive", "R", false, "Read the directories of -f recursively.")
	flags.BoolVar(&f.measure, "measure", false, "Measure on the nodes as well, by probe pods.")
	flags.StringVar(&f.facts, "facts", "", "Judge facts that --save-facts wrote; no cluster is contacted.")
	f.reportFlags.add(flags)
	f.probeFlags.add(flags)
	return cmd
}

func (f *podsFlags) run(ctx context.Context, env *Env, config *genericclioptions.ConfigFlags, args []string) error {
	if err := f.validate(args); err != nil {
		return err
	}
	if f.facts != "" {
		if err := errors.Join(f.scopeFlags.refuse("--facts"), refuseNamespace(config, "--facts")); err != nil {
			return err
		}
		return replay(ctx, env, f.reportFlags, witnessFlags{}, f.facts, "pods", podChecks(f.measure))
	}
	r, err := newRun(env, f.reportFlags, "pods", podChecks(f.measure))
	if err != nil {
		return err
	}
	if !f.files.Empty() {
		return f.runManifests(ctx, r, config)
	}
	namespace, err := f.namespaceOf(config, false)
	if err != nil {
		return err
	}
	level := fact.Level("")
	if f.measure {
		level = f.effectiveLevel()
	}
	r.spec.Scope = f.scope(r.spec.Scope, namespace, level)
	r.spec.Scope.Names = args
	kinds := r.kinds()
	if !f.measure {
		kinds = fact.Subtract(kinds, fact.NodeKinds())
	}
	var named []fact.Workload
	if len(args) > 0 {
		if _, err := restConfig(env, config); err != nil {
			return err // in words of ours; the builder would find it too
		}
		if named, err = manifest.Named(ctx, config, namespace, args); err != nil {
			return err
		}
	}
	c := clusterRun{
		env: env, flags: config, probe: f.probeFlags, show: env.showsProgress(f.progress), kinds: kinds,
		read: cluster.Options{
			Pods: true, Nodes: f.measure, Namespace: namespace, Selector: f.selector, FieldSelector: f.fieldSelector,
		},
		narrow: func(result *cluster.Result) error {
			if len(args) > 0 {
				result.Workloads = onlyNamed(result.Workloads, named)
				result.PodScope = fact.PodsSome
			}
			onlyNodesOf(result)
			return nil
		},
	}
	set, err := c.gather(ctx)
	if err != nil {
		return err
	}
	return c.finish(r, set)
}

func (f *podsFlags) validate(args []string) error {
	if !f.files.Empty() {
		switch {
		case len(args) > 0:
			return errors.New("-f and names exclude each other")
		case f.measure:
			return errors.New("-f and --measure exclude each other: a manifest runs nowhere")
		case f.facts != "":
			return errors.New("-f and --facts exclude each other")
		case f.files.Kustomize != "" && len(f.files.Filenames) > 0:
			return errors.New("-f and -k exclude each other")
		}
		if err := f.scopeFlags.refuse("-f"); err != nil {
			return err
		}
	}
	if f.facts != "" && len(args) > 0 {
		return errors.New("--facts and names exclude each other")
	}
	if f.files.Recursive && len(f.files.Filenames) == 0 {
		return errors.New("-R needs -f")
	}
	if len(args) > 0 && (f.selector != "" || f.fieldSelector != "" || f.allNamespaces) {
		return errors.New("names exclude --selector, --field-selector and --all-namespaces")
	}
	return f.probeFlags.validate()
}

// runManifests checks files; no cluster is contacted.
func (f *podsFlags) runManifests(ctx context.Context, r *run, config *genericclioptions.ConfigFlags) error {
	// A namespace in a kubeconfig says nothing of a file: only -n does.
	namespace := ""
	if config.Namespace != nil {
		namespace = *config.Namespace
	}
	files := f.files
	if files.Kustomize != "" {
		builder, err := kustomizer()
		if err != nil {
			return err
		}
		files.Builder = builder
	}
	workloads, err := manifest.Read(ctx, files, namespace, r.env.Streams.In)
	if err != nil {
		return err
	}
	r.spec.Scope.Files = f.files.Names()
	return r.finish(&fact.Set{
		CollectedAt: fact.NewTime(time.Now().Truncate(time.Second)),
		Workloads:   workloads,
		PodScope:    fact.PodsSome,
	})
}

// onlyNamed keeps the workloads that were named, by themselves or by their
// pods' names; one without pods is judged by its own template.
func onlyNamed(listed, named []fact.Workload) []fact.Workload {
	var kept []fact.Workload
	for _, want := range named {
		found := false
		for _, w := range listed {
			if w.Owner.Namespace != want.Owner.Namespace {
				continue
			}
			if w.Owner.Kind == want.Owner.Kind && w.Owner.Name == want.Owner.Name {
				kept, found = append(kept, w), true
				continue
			}
			if want.Owner.Kind != "Pod" {
				continue
			}
			if i := slices.IndexFunc(w.Pods, func(p fact.Pod) bool { return p.Name == want.Owner.Name }); i >= 0 {
				w.Pods = w.Pods[i : i+1]
				w.Spec.Origin = want.Spec.Origin // evidence names the pod that was asked about
				kept, found = append(kept, w), true
			}
		}
		if !found {
			kept = append(kept, want)
		}
	}
	manifest.Sort(kept)
	return kept
}

// onlyNodesOf keeps the nodes on which pods in scope run. Where that is all pods,
// it keeps all nodes: a node without a pod can run containers that the API does
// not know, and what was not looked at must not count as clean.
func onlyNodesOf(result *cluster.Result) {
	if result.PodScope == fact.PodsAll {
		return
	}
	used := map[string]bool{}
	for _, w := range result.Workloads {
		for _, p := range w.Pods {
			used[p.Node] = true
		}
	}
	result.Nodes = slices.DeleteFunc(result.Nodes, func(n fact.Node) bool { return !used[n.Name] })
}
