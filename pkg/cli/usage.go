package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/screen"
)

// usageTemplate prints a command's own flags in full and kubectl's connection
// flags by name only: there are twenty of them, the same for every command.
const usageTemplate = `Usage:
  {{if .Runnable}}{{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} COMMAND{{end}}{{if .HasExample}}

Examples:
{{exampleLines .}}{{end}}{{if .HasAvailableSubCommands}}

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
{{commandLine .}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{ownFlags . | trimTrailingWhitespaces}}{{end}}

Exit status:
{{exitStatus .}}

Connection flags, as in kubectl:
{{connectionFlags .}}
`

// helpWidth is the width of help: the default width of a terminal.
const helpWidth = 80

// reportStatus are the exit statuses of commands that judge, otherStatus those
// of the others (see exit.go).
const (
	reportStatus = `  0  the run finished, and nothing reached --fail-on
  1  findings reached --fail-on
  2  wrong usage or an error: nothing was judged
  3  with --fail-on: nothing reached it, but something could not be read
     (--allow-unknown makes this 0)`
	otherStatus = `  0  done
  2  wrong usage or an error`
)

// groupUsage makes help short: what the command does, its examples, its flags.
func groupUsage(root *cobra.Command) {
	cobra.AddTemplateFunc("ownFlags", func(cmd *cobra.Command) string {
		own := pflag.NewFlagSet("own", pflag.ContinueOnError)
		cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
			if root.PersistentFlags().Lookup(flag.Name) == nil {
				own.AddFlag(flag)
			}
		})
		return own.FlagUsagesWrapped(helpWidth)
	})
	cobra.AddTemplateFunc("exampleLines", func(cmd *cobra.Command) string { return exampleLines(cmd.Example) })
	cobra.AddTemplateFunc("commandLine", func(cmd *cobra.Command) string {
		margin := 3 + cmd.NamePadding()
		lines := screen.WrapWhole(cmd.Short, helpWidth-margin)
		return fmt.Sprintf("  %-*s %s", cmd.NamePadding(), cmd.Name(), strings.Join(lines, "\n"+strings.Repeat(" ", margin)))
	})
	cobra.AddTemplateFunc("exitStatus", func(cmd *cobra.Command) string {
		if cmd.Flags().Lookup("fail-on") != nil {
			return reportStatus
		}
		return otherStatus
	})
	cobra.AddTemplateFunc("connectionFlags", func(*cobra.Command) string {
		var b strings.Builder
		line := " "
		root.PersistentFlags().VisitAll(func(flag *pflag.Flag) {
			word := " --" + flag.Name
			if flag.Shorthand != "" {
				word = " -" + flag.Shorthand + "," + word
			}
			if len(line)+len(word) > helpWidth {
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

// exampleLines breaks the examples that are too long for help, in a way that a shell
// can read: a backslash, and the rest indented.
func exampleLines(text string) string {
	const indent = "  "
	var b strings.Builder
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		if screen.Width(line) <= helpWidth {
			b.WriteString(line)
			continue
		}
		parts := screen.WrapWhole(line, helpWidth-len(indent+indent)-len(" \\"))
		b.WriteString(indent + strings.Join(parts, " \\\n"+indent+indent))
	}
	return b.String()
}
