package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/manifest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/gather"
)

type podsFlags struct {
	reportFlags
	probeFlags
	scopeFlags
	configMapFlags
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
			Checks what pods and workloads declare: those of the current namespace, of all
			namespaces, those that you name, or those in manifests (no cluster is needed).
			With --measure, probe pods also measure the nodes that the pods run on.

			A declaration alone never makes the answer to a question YES.`),
		Example: env.examples(`
			# Pods of the current namespace
			kubectl checklist pods

			# One workload, with evidence from the nodes its pods run on
			kubectl checklist pods deploy/web --measure

			# Manifests in a directory, without a cluster
			kubectl checklist pods -f manifests/ -R

			# A repository, without what is no manifest of its own
			kubectl checklist pods -f . -R --exclude vendor --exclude 'test/**'

			# The manifests that a Helm chart renders
			helm template web | kubectl checklist pods -f - --fail-on high`),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), env, config, args) },
	}
	cmd.ValidArgsFunction = completer{env, config}.workloads
	flags := cmd.Flags()
	f.scopeFlags.add(flags, "the current one unless -n is given")
	flags.StringSliceVarP(&f.files.Filenames, "filename", "f", nil, "Manifests to check: files, directories, URLs, or - for standard input.")
	flags.StringVarP(&f.files.Kustomize, "kustomize", "k", "", "A kustomization directory to check.")
	flags.BoolVarP(&f.files.Recursive, "recursive", "R", false, "Read the directories of -f recursively.")
	flags.StringSliceVar(&f.files.Include, "include", nil, "Files to read in the directories of -f: patterns such as '*.yaml' or 'prod/**'. Default: *.json, *.yaml and *.yml.")
	flags.StringSliceVar(&f.files.Exclude, "exclude", nil, "Files and directories to pass over in the directories of -f: patterns such as 'values*.yaml' or 'vendor'.")
	flags.BoolVar(&f.measure, "measure", false, "Also measure on the nodes, with probe pods.")
	flags.StringVar(&f.facts, "facts", "", "Judge facts that --save-facts wrote; no cluster is contacted.")
	f.reportFlags.add(flags)
	f.reportFlags.addVulnerabilities(flags)
	f.reportFlags.addPatches(flags)
	f.reportFlags.addWhatIf(flags)
	f.probeFlags.add(flags)
	f.addYes(flags)
	f.configMapFlags.add(flags)
	return cmd
}

func (f *podsFlags) run(ctx context.Context, env *Env, config *genericclioptions.ConfigFlags, args []string) error {
	if err := f.validate(args); err != nil {
		return err
	}
	if f.facts != "" {
		if err := errors.Join(f.scopeFlags.refuse("--facts"), refuseNamespace(config, "--facts"), f.configMapFlags.refuse("--facts"), f.refuseWhatIf("--facts", "facts hold no whole objects")); err != nil {
			return err
		}
		return replay(ctx, env, f.reportFlags, controlPlaneFlags{}, f.facts, "pods", podChecks(f.measure, false))
	}
	narrowed := len(args) > 0 || f.selector != "" || f.fieldSelector != ""
	r, err := newEvaluation(ctx, env, f.reportFlags, "pods", podChecks(f.measure, narrowed))
	if err != nil {
		return err
	}
	if !f.files.Empty() {
		source, err := f.manifests(env, config)
		if err != nil {
			return err
		}
		if source.Changes, err = f.changes(ctx, source.Namespace); err != nil {
			return err
		}
		return r.gatherFiles(ctx, source)
	}
	source, err := f.cluster(r, config, args)
	if err != nil {
		return err
	}
	if source.Changes, err = f.changes(ctx, defaultNamespace(config)); err != nil {
		return err
	}
	return r.gatherCluster(ctx, source, &f.probeFlags, config)
}

// cluster returns the source of running pods.
func (f *podsFlags) cluster(r *evaluation, config *genericclioptions.ConfigFlags, args []string) (*gather.Cluster, error) {
	namespace, err := f.namespaceOf(config, false)
	if err != nil {
		return nil, err
	}
	source := &gather.Cluster{
		Kinds: r.kinds(), Lists: []fact.Kind{fact.Pods},
		Namespace: namespace, Selector: f.selector, FieldSelector: f.fieldSelector, Names: args,
		NoConfigMaps: f.noConfigMaps, NoIDs: !f.measure && r.report.saveFacts == "" && r.report.writePatches == "" && r.report.whatIf == "",
		Objects: r.report.objects(),
	}
	if f.measure {
		source.Level, source.Net = f.levels()
		source.OnlyTheirNodes = true
		source.Lists = append(source.Lists, fact.Nodes)
	}
	return source, nil
}

// manifests returns the source of what files declare.
func (f *podsFlags) manifests(env *Env, config *genericclioptions.ConfigFlags) (*gather.Manifests, error) {
	f.files.Objects = f.reportFlags.objects()
	if f.reportFlags.showsLines() {
		f.files.Lines = manifest.NewLines()
	}
	source := &gather.Manifests{Files: f.files, Stdin: env.Streams.In, Warn: env.warnLine}
	// The kubeconfig's namespace does not apply to a file. Only -n does.
	if config.Namespace != nil {
		source.Namespace = *config.Namespace
	}
	if f.files.Kustomize != "" {
		var err error
		if source.Files.Builder, err = kustomizer(); err != nil {
			return nil, err
		}
	}
	return source, nil
}

func (f *podsFlags) validate(args []string) error {
	if !f.files.Empty() {
		switch {
		case len(args) > 0:
			return errors.New("-f and names cannot be used together")
		case f.measure:
			return errors.New("-f and --measure cannot be used together: a manifest runs nowhere")
		case f.facts != "":
			return errors.New("-f and --facts cannot be used together")
		case f.files.Kustomize != "" && len(f.files.Filenames) > 0:
			return errors.New("-f and -k cannot be used together")
		}
		if err := errors.Join(f.scopeFlags.refuse("-f"), f.configMapFlags.refuse("-f")); err != nil {
			return err
		}
	}
	if f.facts != "" && len(args) > 0 {
		return errors.New("--facts and names cannot be used together")
	}
	if len(f.files.Filenames) == 0 {
		switch {
		case f.files.Recursive:
			return errors.New("-R needs -f")
		case len(f.files.Include) > 0:
			return errors.New("--include needs -f")
		case len(f.files.Exclude) > 0:
			return errors.New("--exclude needs -f")
		}
	}
	if err := f.files.Validate(); err != nil {
		return err
	}
	if len(args) > 0 && (f.selector != "" || f.fieldSelector != "" || f.allNamespaces) {
		return errors.New("names cannot be used together with --selector, --field-selector or --all-namespaces")
	}
	return errors.Join(f.keeps("--facts", f.facts), f.keepsManifests(f.files), f.probeFlags.validate())
}
