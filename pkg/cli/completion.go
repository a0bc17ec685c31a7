package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newCompletionCommand(env *Env) *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a completion script for bash, zsh, fish or powershell",
		Long: describe(`
			Prints a completion script for the plugin's own name, kubectl-checklist.

			For "kubectl checklist <TAB>", kubectl looks for a program named
			kubectl_complete-checklist on the PATH. Link that name to this plugin. Krew does
			not create this link.`),
		Example: env.examples(`
			# For kubectl checklist
			ln -s "$(command -v kubectl-checklist)" ~/.local/bin/kubectl_complete-checklist

			# For the current bash
			source <(kubectl checklist completion bash)`),
		Args:      cobra.ExactArgs(1),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), env.Streams.Out
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(out)
			}
			return fmt.Errorf("expected one of bash, zsh, fish, powershell, found %q", args[0])
		},
	}
}
