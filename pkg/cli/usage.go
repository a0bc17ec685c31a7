package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/screen"
)

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
	diffStatus = `  0  compared, and with --fail-on: nothing is new, worse or no longer measured
  1  with --fail-on: failures of that severity are new, worse or newly measured
  2  wrong usage or an error: nothing was compared
  3  with --fail-on: no such failure, but something is no longer measured
     (--allow-unknown makes this 0)`
	verifyStatus = `  0  the report follows from the facts
  1  it does not
  2  wrong usage or an error: nothing was compared
  3  it cannot be decided`
	otherStatus = `  0  done
  2  wrong usage or an error`
)

// groupUsage makes help short: what the command does, its examples, its flags. It prints
// a command's own flags in full and kubectl's connection flags by name only: there are
// twenty of them, the same for every command.
//
// It is code and not a template of cobra, which would link text/template (see
// docs/dependencies.md).
func groupUsage(root *cobra.Command) {
	root.SetUsageFunc(func(cmd *cobra.Command) error {
		_, err := io.WriteString(cmd.OutOrStderr(), usageOf(root, cmd))
		return err
	})
}

func usageOf(root, cmd *cobra.Command) string {
	var b strings.Builder
	b.WriteString("Usage:\n  ")
	if cmd.Runnable() {
		b.WriteString(cmd.UseLine())
	}
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\n  " + cmd.CommandPath() + " COMMAND")
	}
	if cmd.HasExample() {
		b.WriteString("\n\nExamples:\n" + exampleLines(cmd.Example))
	}
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\n\nCommands:")
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				b.WriteString("\n" + commandLine(sub))
			}
		}
	}
	if cmd.HasAvailableLocalFlags() {
		b.WriteString("\n\nFlags:\n" + strings.TrimRightFunc(ownFlags(root, cmd), unicode.IsSpace))
	}
	status := otherStatus
	switch {
	case cmd.Name() == "diff":
		status = diffStatus
	case cmd.Name() == "verify":
		status = verifyStatus
	case cmd.Flags().Lookup("fail-on") != nil:
		status = reportStatus
	}
	b.WriteString("\n\nExit status:\n" + status)
	b.WriteString("\n\nConnection flags, as in kubectl:\n" + connectionFlagNames(root) + "\n")
	return b.String()
}

func ownFlags(root, cmd *cobra.Command) string {
	own := pflag.NewFlagSet("own", pflag.ContinueOnError)
	cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
		if root.PersistentFlags().Lookup(flag.Name) == nil {
			own.AddFlag(flag)
		}
	})
	return own.FlagUsagesWrapped(helpWidth)
}

func commandLine(cmd *cobra.Command) string {
	margin := 3 + cmd.NamePadding()
	lines := screen.WrapWhole(cmd.Short, helpWidth-margin)
	return fmt.Sprintf("  %-*s %s", cmd.NamePadding(), cmd.Name(), strings.Join(lines, "\n"+strings.Repeat(" ", margin)))
}

func connectionFlagNames(root *cobra.Command) string {
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
