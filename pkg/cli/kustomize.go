package cli

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/manifest"
)

// kustomizeCommand is the hidden command that the plugin starts itself with: see
// manifest.BuildKustomization.
const kustomizeCommand = "kustomize"

func newKustomizeCommand(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:    kustomizeCommand + " DIRECTORY",
		Short:  "Print what kustomize builds from a directory",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return manifest.BuildKustomization(args[0], env.Streams.Out)
		},
	}
}

// kustomizer is the command line of that command.
func kustomizer() ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return []string{self, kustomizeCommand, "--"}, nil
}
