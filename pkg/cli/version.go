package cli

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch/embedded"
)

func newVersionCommand(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of the plugin, its catalogue and its probes",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(env.Streams.Out, "version: %s\ncatalogue: %s\ngo: %s %s/%s\n",
				env.Version, catalogue.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			if err != nil {
				return err
			}
			image := env.ReleaseImage
			if image == "" {
				image = "none (the embedded probe is used)"
			}
			if _, err := fmt.Fprintf(env.Streams.Out, "probe image: %s\n", image); err != nil {
				return err
			}
			for _, arch := range embedded.Architectures() {
				sum, err := embedded.SHA256(arch)
				if errors.Is(err, embedded.ErrNotBuilt) {
					_, err := fmt.Fprintf(env.Streams.Out, "embedded probe: none: %s\n", embedded.ErrNotBuilt)
					return err
				}
				if err != nil {
					sum = err.Error()
				}
				if _, err := fmt.Fprintf(env.Streams.Out, "embedded probe linux/%s: %s\n", arch, sum); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
