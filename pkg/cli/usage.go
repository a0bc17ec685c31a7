package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageTemplate prints a command's own flags in full and kubectl's connection
// flags by name only: there are twenty of them, the same for every command.
const usageTemplate = `Usage:
  {{if .Runnable}}{{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} COMMAND{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{ownFlags . | trimTrailingWhitespaces}}{{end}}

Connection flags, as in kubectl:
{{connectionFlags .}}
`

// groupUsage makes help short: what the command does, examples, its flags.
func groupUsage(root *cobra.Command) {
	cobra.AddTemplateFunc("ownFlags", func(cmd *cobra.Command) string {
		own := pflag.NewFlagSet("own", pflag.ContinueOnError)
		cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
			if root.PersistentFlags().Lookup(flag.Name) == nil {
				own.AddFlag(flag)
			}
		})
		return own.FlagUsagesWrapped(100)
	})
	cobra.AddTemplateFunc("connectionFlags", func(*cobra.Command) string {
		var b strings.Builder
		line := " "
		root.PersistentFlags().VisitAll(func(flag *pflag.Flag) {
			word := " --" + flag.Name
			if flag.Shorthand != "" {
				word = " -" + flag.Shorthand + "," + word
			}
			if len(line)+len(word) > 98 {
				b.WriteString(line + "\n")
				line = " "
			}
			line += word
		})
		b.WriteString(line)
		return b.String()
	})
	root.SetUsageTemplate(usageTemplate)
}
