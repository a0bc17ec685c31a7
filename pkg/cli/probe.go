package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/printers"
	"k8s.io/client-go/rest"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/cluster"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/embedded"
)

// options are what the flags say of the probe.
func (f *probeFlags) options(env *Env, config *rest.Config) (probe.Options, error) {
	client, err := probe.NewClient(config)
	if err != nil {
		return probe.Options{}, err
	}
	return probe.Options{
		Client:       client,
		Level:        f.effectiveLevel(),
		Image:        f.image,
		ReleaseImage: env.ReleaseImage,
		Embedded:     embedded.Probe,
		Namespace:    f.namespace,
		PullSecret:   f.pullSecret,
		Timeout:      f.timeout,
		MaxInFlight:  f.maxInFlight,
	}, nil
}

// guardCommand is the hidden command that the plugin starts itself with.
const guardCommand = "guard"

// guardSettings go from a run to its guard through the pipe between them; a
// token in the arguments would be seen by whoever may list processes.
type guardSettings struct {
	Namespace  string              `json:"namespace"`
	Run        string              `json:"run"`
	PullSecret string              `json:"pullSecret,omitempty"`
	Connection map[string][]string `json:"connection,omitempty"` // flags by name
}

// guardStarter starts this program once more, as the process that cleans up if
// the run is killed. It gets the connection flags that this one was given.
func guardStarter(flags *genericclioptions.ConfigFlags) func(run probe.Options) (*probe.Guard, error) {
	return func(run probe.Options) (*probe.Guard, error) {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		return probe.StartGuard(exec.Command(self, guardCommand), guardSettings{
			Namespace: run.Namespace, Run: run.RunID, PullSecret: run.PullSecret, Connection: connectionFlags(flags),
		})
	}
}

// connectionFlags gives the connection flags that differ from their defaults.
// AddFlags takes the values that the command line has set as its defaults.
func connectionFlags(flags *genericclioptions.ConfigFlags) map[string][]string {
	set, defaults := pflag.NewFlagSet("", pflag.ContinueOnError), pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.AddFlags(set)
	genericclioptions.NewConfigFlags(true).AddFlags(defaults)
	given := map[string][]string{}
	set.VisitAll(func(flag *pflag.Flag) {
		if flag.Value.String() == defaults.Lookup(flag.Name).Value.String() {
			return
		}
		given[flag.Name] = []string{flag.Value.String()}
		if list, ok := flag.Value.(pflag.SliceValue); ok {
			given[flag.Name] = list.GetSlice()
		}
	})
	return given
}

// setFlags sets flags to what connectionFlags gave.
func setFlags(set *pflag.FlagSet, given map[string][]string) error {
	for name, values := range given {
		for _, value := range values {
			if set.Set(name, value) != nil {
				return fmt.Errorf("guard: flag --%s: expected what a run gives on", name) // the error quotes the value
			}
		}
	}
	return nil
}

func newGuardCommand(env *Env, config *genericclioptions.ConfigFlags) *cobra.Command {
	return &cobra.Command{
		Use:    guardCommand,
		Short:  "Wait for the end of a run, and clean up after it if it was killed",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var of guardSettings
			if err := probe.ReadSettings(env.Streams.In, &of); err != nil {
				return err
			}
			if err := setFlags(cmd.Flags(), of.Connection); err != nil {
				return err
			}
			rc, err := restConfig(env, config)
			if err != nil {
				return err
			}
			client, err := probe.NewClient(rc)
			if err != nil {
				return err
			}
			return probe.Watch(context.WithoutCancel(cmd.Context()), env.Streams.In, env.Streams.Out, client,
				probe.Options{Namespace: of.Namespace, RunID: of.Run, PullSecret: of.PullSecret})
		},
	}
}

func newCleanupCommand(env *Env, config *genericclioptions.ConfigFlags) *cobra.Command {
	var namespace string
	cmd := &cobra.Command{
		Use:   "cleanup",
		Short: "Remove what an interrupted run left",
		Long: describe(`
			Removes pods, config maps and jobs of runs that were interrupted, and the namespace
			if a run created it and nothing else is in it. The cluster removes pods and config
			maps by itself a few minutes after their run; this is for those who do not wait.`),
		Example: env.examples(`
			kubectl checklist cleanup`),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rc, err := restConfig(env, config)
			if err != nil {
				return err
			}
			client, err := probe.NewClient(rc)
			if err != nil {
				return err
			}
			removed, err := probe.Cleanup(cmd.Context(), client, probe.Options{Namespace: namespace})
			for _, what := range removed {
				if _, err := fmt.Fprintf(env.Streams.Out, "%s deleted\n", what); err != nil {
					return err
				}
			}
			if err == nil && len(removed) == 0 {
				env.warn("nothing to remove")
			}
			return err
		},
	}
	cmd.Flags().StringVar(&namespace, "probe-namespace", probe.DefaultNamespace, "The namespace that probe pods ran in, where other namespaces may not be listed.")
	return cmd
}

func newManifestsCommand(env *Env, config *genericclioptions.ConfigFlags) *cobra.Command {
	var (
		f        probeFlags
		offline  []string
		selector string
	)
	cmd := &cobra.Command{
		Use:   "manifests [NODE ...]",
		Short: "Print every object that a run would create, and the rights it needs",
		Long: describe(`
			Prints the namespace, the roles, the job, the config maps (without their bytes) and
			the pods that a run would create, and creates none of them.

			A probe pod may read the node's files and processes through /proc, and as root it
			could write there too: no field of a pod forbids that. The probe gives it up itself,
			before it reads anything, with a seccomp filter that refuses writing, executing and
			connecting. Reading, other processes' memory included, is what it cannot give up.`),
		Example: env.examples(`
			# For the nodes of the current cluster
			kubectl checklist manifests

			# Without asking a cluster
			kubectl checklist manifests --for-node worker-1=amd64 --probe-image registry.example/probe:v1`),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.validate(); err != nil {
				return err
			}
			if len(args) > 0 && (selector != "" || len(offline) > 0) || selector != "" && len(offline) > 0 {
				return errors.New("names, --selector and --for-node exclude each other")
			}
			opts := probe.Options{
				Level: f.effectiveLevel(), Image: f.image, ReleaseImage: env.ReleaseImage, Embedded: embedded.Probe,
				Namespace: f.namespace, PullSecret: f.pullSecret, Timeout: f.timeout, MaxInFlight: f.maxInFlight,
			}
			var nodes []fact.Node
			if len(offline) > 0 {
				for _, word := range offline {
					name, arch, ok := strings.Cut(word, "=")
					if !ok {
						arch = "amd64"
					}
					nodes = append(nodes, fact.Node{Name: name, Arch: arch, OS: "linux", Ready: true})
				}
			} else {
				rc, err := restConfig(env, config)
				if err != nil {
					return err
				}
				if opts, err = f.options(env, rc); err != nil {
					return err
				}
				result, err := cluster.Collect(cmd.Context(), cluster.Options{Config: rc, Nodes: true, NodeNames: args, NodeSelector: selector})
				if err != nil {
					return err
				}
				for _, gap := range result.Gaps {
					return fmt.Errorf("%s: %s; --for-node prints them without asking", gap.Detail, gap.Hint)
				}
				nodes = result.Nodes
			}
			plan, gaps, err := probe.NewPlan(opts, nodes)
			if err != nil {
				return err
			}
			if len(offline) == 0 {
				probe.Resolve(cmd.Context(), opts, &plan)
			}
			objects, err := probe.Objects(opts, plan)
			if err != nil {
				return err
			}
			skipped := map[string]bool{}
			for _, gap := range gaps {
				if !skipped[gap.Subject.Name] {
					skipped[gap.Subject.Name] = true
					env.warn("node %s would be skipped: %s: %s", gap.Subject.Name, gap.Reason, gap.Detail)
				}
			}
			return printObjects(env.Streams.Out, objects)
		},
	}
	cmd.Flags().StringVarP(&selector, "selector", "l", "", "Label selector of nodes.")
	cmd.Flags().StringSliceVar(&offline, "for-node", nil, "Ask no cluster; print the pods for these nodes, as NAME or NAME=ARCH.")
	f.add(cmd.Flags())
	return cmd
}

func printObjects(out io.Writer, objects []runtime.Object) error {
	printer := &printers.YAMLPrinter{}
	for _, object := range objects {
		if err := printer.PrintObj(object, out); err != nil {
			return err
		}
	}
	return nil
}
