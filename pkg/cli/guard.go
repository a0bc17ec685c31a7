package cli

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch"
)

// guardCommand is the hidden command that the plugin starts itself with.
const guardCommand = "guard"

// guardSettings go from a run to its guard through a pipe. Anyone who may list
// processes would see a token in the arguments.
type guardSettings struct {
	Namespace  string              `json:"namespace"`
	Run        string              `json:"run"`
	PullSecret string              `json:"pullSecret,omitempty"`
	Connection map[string][]string `json:"connection,omitempty"` // flags by name
}

// guardStarter returns a function that starts this program a second time, as the
// process that cleans up if the run is killed. It passes on the connection flags of
// this process.
func guardStarter(flags *genericclioptions.ConfigFlags) func(run launch.Options) (*launch.Guard, error) {
	return func(run launch.Options) (*launch.Guard, error) {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		return launch.StartGuard(exec.Command(self, guardCommand), guardSettings{
			Namespace: run.Namespace, Run: run.RunID, PullSecret: run.PullSecret, Connection: connectionFlags(flags),
		})
	}
}

// connectionFlags returns the connection flags that differ from their defaults.
// AddFlags uses the values of the command line as its defaults.
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

// setFlags sets flags to what connectionFlags returned.
func setFlags(set *pflag.FlagSet, given map[string][]string) error {
	for name, values := range given {
		for _, value := range values {
			if set.Set(name, value) != nil {
				return fmt.Errorf("guard: flag --%s: expected a value that a run passes on", name) // the error quotes the value
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
			if err := launch.ReadSettings(env.Streams.In, &of); err != nil {
				return err
			}
			if err := setFlags(cmd.Flags(), of.Connection); err != nil {
				return err
			}
			rc, err := restConfig(env, config)
			if err != nil {
				return err
			}
			client, err := launch.NewClient(rc)
			if err != nil {
				return err
			}
			return launch.Watch(context.WithoutCancel(cmd.Context()), env.Streams.In, env.Streams.Out, client,
				launch.Options{Namespace: of.Namespace, RunID: of.Run, PullSecret: of.PullSecret})
		},
	}
}
