// Package cli holds the commands. Each turns its flags into options and makes one
// call.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/MakeNowJust/heredoc"
	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/kubectl/pkg/util/templates"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/crash"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/gather"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/screen"
)

// CommandName returns how users call the plugin. It depends on the name of the
// plugin's file: kubectl starts kubectl-checklist for "kubectl checklist".
func CommandName(argv0 string) string {
	base := strings.TrimSuffix(filepath.Base(argv0), ".exe")
	if strings.HasPrefix(base, "kubectl-") {
		return "kubectl " + strings.ReplaceAll(strings.TrimPrefix(base, "kubectl-"), "_", "-")
	}
	return base
}

// Main runs one command line and returns its exit status.
func Main(ctx context.Context, env *Env, args []string) int {
	root, complete := newCommand(env)
	// cobra keeps completions in a global map, and with them the commands and their output.
	// So commands have none unless they are asked for.
	if len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd) {
		complete()
	}
	root.SetArgs(args)
	err := execute(ctx, root)
	for _, line := range Messages(err, env.server) {
		env.warn("%s", line)
	}
	return Code(err)
}

// execute runs the command. The text of a panic is not shown, because it may quote
// what was being read.
func execute(ctx context.Context, root *cobra.Command) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("a bug in this program: %s", crash.Describe(v))
		}
	}()
	return root.ExecuteContext(ctx)
}

// NewEnv returns the real environment.
func NewEnv(argv0, version, releaseImage string) *Env {
	width, _, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		width = 0 // not a terminal
	}
	return &Env{
		Streams:       genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
		Name:          CommandName(argv0),
		Program:       argv0,
		Version:       version,
		ReleaseImage:  releaseImage,
		Getenv:        os.Getenv,
		InIsTerminal:  term.IsTerminal(int(os.Stdin.Fd())),
		OutIsTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		OutWidth:      width,
		ErrIsTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		CacheDir:      os.UserCacheDir,
		dropTyped:     func() { dropTyped(os.Stdin) },
	}
}

// NewCommand returns the root command with its subcommands.
func NewCommand(env *Env) *cobra.Command {
	root, complete := newCommand(env)
	complete()
	return root
}

// newCommand is NewCommand without completions of flags, which complete adds.
func newCommand(env *Env) (root *cobra.Command, complete func()) {
	flags := genericclioptions.NewConfigFlags(true)
	flags.WrapConfigFn = env.careful
	root = newChecklistCommand(env, flags)
	root.AddCommand(
		newPodsCommand(env, flags),
		newNodesCommand(env, flags),
		newSecretsCommand(env, flags),
		newExplainCommand(env, flags),
		newManifestsCommand(env, flags),
		newCleanupCommand(env, flags),
		newGuardCommand(env, flags),
		newKustomizeCommand(env),
		newDiffCommand(env),
		newVerifyCommand(env),
		newProbeImageCommand(env),
		newVersionCommand(env),
		newCompletionCommand(env),
	)
	root.SetHelpCommand(&cobra.Command{Hidden: true, Use: "no-help"})
	root.CompletionOptions.DisableDefaultCmd = true
	root.SilenceErrors, root.SilenceUsage = true, true
	root.PersistentPreRun = func(cmd *cobra.Command, args []string) { env.user = invocationOf(cmd, args) }
	root.SetIn(env.Streams.In)
	root.SetOut(env.Streams.Out)
	root.SetErr(env.Streams.ErrOut)
	root.SetFlagErrorFunc(flagError)
	flags.AddFlags(root.PersistentFlags())
	refuseEmpty(root)
	groupUsage(root)
	return root, func() { completeFlags(env, root, flags) }
}

// describe removes a description's indentation and wraps its paragraphs for help. A
// line with more indentation stays as it is. kubectl's own function would join it to
// the other lines.
func describe(text string) string {
	var paragraphs []string
	open := false // whether the next line continues the last paragraph
	for _, line := range strings.Split(strings.TrimSpace(heredoc.Doc(text)), "\n") {
		switch {
		case strings.TrimSpace(line) == "", strings.HasPrefix(line, " "):
			paragraphs = append(paragraphs, line)
			open = false
		case open:
			paragraphs[len(paragraphs)-1] += " " + line
		default:
			paragraphs = append(paragraphs, line)
			open = true
		}
	}
	return screen.Indent(strings.Join(paragraphs, "\n"), "", helpWidth)
}

// examples writes examples with the name by which the user calls the plugin.
func (e *Env) examples(text string) string {
	text = templates.Examples(strings.ReplaceAll(text, "kubectl checklist", e.Name))
	return strings.ReplaceAll(text, "\n  \n", "\n\n") // templates.Examples indents empty lines too
}

// checklistFlags are the root command's own flags.
type checklistFlags struct {
	reportFlags
	sourceFlags
	probeFlags
	scopeFlags
	controlPlaneFlags
	configMapFlags
}

func newChecklistCommand(env *Env, config *genericclioptions.ConfigFlags) *cobra.Command {
	var f checklistFlags
	cmd := &cobra.Command{
		Use:         "kubectl-checklist",
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: env.Name},
		Short:       "Answer the container security checklist from evidence",
		Long: describe(`
			Answers the six questions of the container security checklist from evidence. It
			reads pods, nodes and the names of Secrets through the API. It starts a
			short-lived, locked-down probe pod on each node, which measures what runs and
			what is stored there. On a terminal it asks before the first pods on a cluster.

			What was not measured is unknown, with a reason. A run changes none of your
			objects, and removes what it creates. If the plugin and its machine stop during
			a run, the cluster removes pods and ConfigMaps some minutes later. An empty
			namespace can stay until you run the cleanup command.

			ANSWER counts every pod. WORKLOADS leaves out the platform: kube-system, similar
			namespaces, and the provider's own. Some pods there have to be privileged.
			MEASURED 65/97 means that 97 subjects are in scope, and that 65 of them have a
			verdict that was measured and not only declared. "+2 more" counts the other
			checks that fail for the same subject.`),
		Example: env.examples(`
			# Answer all six questions for the current cluster
			kubectl checklist

			# Create nothing: what needs a node is unknown
			kubectl checklist --no-probe

			# Answer them for this machine, without a cluster
			kubectl checklist --local

			# Save what was read, and judge it again elsewhere
			kubectl checklist --save-facts facts.json
			kubectl checklist --facts facts.json -o json`),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), env, config) },
	}
	f.scopeFlags.add(cmd.Flags(), "all of them unless -n is given")
	f.reportFlags.add(cmd.Flags())
	f.reportFlags.addVulnerabilities(cmd.Flags())
	f.reportFlags.addPatches(cmd.Flags())
	f.reportFlags.addWhatIf(cmd.Flags())
	f.sourceFlags.add(cmd.Flags())
	f.probeFlags.add(cmd.Flags())
	f.addYes(cmd.Flags())
	f.controlPlaneFlags.add(cmd.Flags())
	f.configMapFlags.add(cmd.Flags())
	return cmd
}

func (f *checklistFlags) run(ctx context.Context, env *Env, config *genericclioptions.ConfigFlags) error {
	if err := errors.Join(f.sourceFlags.validate(), f.keeps("--facts", f.facts), f.probeFlags.validate()); err != nil {
		return err
	}
	ofCommand := catalogue.All()
	if f.facts != "" {
		if err := errors.Join(f.scopeFlags.refuse("--facts"), refuseNamespace(config, "--facts"), f.configMapFlags.refuse("--facts"), f.refuseWhatIf("--facts", "facts hold no whole objects")); err != nil {
			return err
		}
		return replay(ctx, env, f.reportFlags, f.controlPlaneFlags, f.facts, "checklist", ofCommand)
	}
	r, err := newEvaluation(ctx, env, f.reportFlags, "checklist", ofCommand)
	if err != nil {
		return err
	}
	r.summary = true
	if f.local {
		if err := errors.Join(f.scopeFlags.refuse("--local"), refuseNamespace(config, "--local"), f.controlPlaneFlags.refuse("--local"), f.configMapFlags.refuse("--local"), f.refuseWhatIf("--local", "a node has no whole objects")); err != nil {
			return err
		}
		return r.gather(ctx, f.machine(r, &f.probeFlags, ""))
	}
	source, err := f.cluster(r, config)
	if err != nil {
		return err
	}
	if source.Changes, err = f.changes(ctx, defaultNamespace(config)); err != nil {
		return err
	}
	return r.gatherCluster(ctx, source, &f.probeFlags, config)
}

// cluster returns the source of all facts.
func (f *checklistFlags) cluster(r *evaluation, config *genericclioptions.ConfigFlags) (*gather.Cluster, error) {
	namespace, err := f.namespaceOf(config, true)
	if err != nil {
		return nil, err
	}
	level, net := f.levels()
	return &gather.Cluster{
		Kinds: r.kinds(), Lists: []fact.Kind{fact.Pods, fact.Nodes},
		Namespace: namespace, Selector: f.selector, FieldSelector: f.fieldSelector,
		ControlPlaneNodes: f.controlPlaneNodes, Level: level, Net: net,
		NoConfigMaps: f.noConfigMaps, Objects: r.report.objects(),
	}, nil
}
