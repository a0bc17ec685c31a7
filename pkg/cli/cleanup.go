package cli

import (
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/cluster"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch"
)

func newCleanupCommand(env *Env, config *genericclioptions.ConfigFlags) *cobra.Command {
	var namespace string
	cmd := &cobra.Command{
		Use:   "cleanup",
		Short: "Remove what an interrupted run left",
		Long: describe(`
			Removes the pods, ConfigMaps and jobs of runs. Removes the namespace if a run
			created it and it holds nothing else. A run that is still active loses its pods
			too. Without this command, the cluster removes everything except the namespace
			some minutes after a run was interrupted.`),
		Example: env.examples(`
			kubectl checklist cleanup`),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rc, err := restConfig(env, config)
			if err != nil {
				return err
			}
			client, err := launch.NewClient(rc)
			if err != nil {
				return err
			}
			// The requests below are retried if the server fails. This one is not.
			if err := cluster.Reach(cmd.Context(), rc); err != nil {
				return err
			}
			removed, err := launch.Cleanup(cmd.Context(), client, launch.Options{Namespace: namespace})
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
	cmd.Flags().StringVar(&namespace, "probe-namespace", launch.DefaultNamespace, "The namespace that probe pods ran in, if you have no right to list namespaces.")
	return cmd
}
