package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
)

func newCompletionCommand(env *Env) *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	cmd := &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a completion script for bash, zsh, fish or powershell",
		Long: describe(`
			Prints a completion script for the plugin's own name, kubectl-checklist.

			For "kubectl checklist <TAB>", kubectl looks for a program named
			kubectl_complete-checklist on the PATH. "completion install" links that name to
			this plugin. Krew does not create this link.`),
		Example: env.examples(`
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
			return fmt.Errorf("expected install, bash, zsh, fish or powershell, found %q", args[0])
		},
	}
	cmd.AddCommand(newCompletionInstallCommand(env))
	return cmd
}

func newCompletionInstallCommand(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "install",
		Short: "Make kubectl complete the plugin's commands and flags",
		Long: describe(`
			Makes "kubectl checklist <TAB>" work. It creates one symbolic link,
			kubectl_complete-checklist, beside the plugin's own file. It changes no other
			file, and it never replaces a file of this name that is not such a link.

			Your shell must already complete kubectl itself: see kubectl completion --help.
			The link stays valid when krew upgrades the plugin. Krew does not remove it when
			it uninstalls the plugin: delete the link yourself.`),
		Example: env.examples(`
			# For kubectl checklist
			kubectl checklist completion install`),
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return installCompletion(env)
		},
	}
}

// installCompletion links the name that kubectl looks for to the plugin, and says where.
func installCompletion(env *Env) error {
	program, err := exec.LookPath(env.Program)
	if err == nil {
		program, err = filepath.Abs(program)
	}
	if err != nil {
		return fmt.Errorf("expected to find the plugin's own file, found none: %w", err)
	}
	link, made, err := linkCompletion(program)
	if err != nil {
		return err
	}
	did := "created"
	if !made {
		did = "already there:"
	}
	if _, err := fmt.Fprintf(env.Streams.Out, "%s %s\n", did, escape.Line(link)); err != nil {
		return err
	}
	if !onPath(filepath.Dir(link), env.Getenv("PATH")) {
		env.warn("warning: %s is not on the PATH, so kubectl finds neither the plugin nor its completion", filepath.Dir(link))
	}
	return nil
}

// linkCompletion creates the link beside the program, an absolute path that may itself be
// a link: krew's is. The link is relative and goes through that name, because krew points
// it to another directory with each upgrade. made is false if the link was there already.
func linkCompletion(program string) (link string, made bool, err error) {
	dir, base := filepath.Split(program)
	name, ok := strings.CutPrefix(base, "kubectl-")
	if !ok {
		return "", false, fmt.Errorf("%s: expected a name that begins with kubectl-, found %q: kubectl does not run it as a plugin", program, base)
	}
	link = filepath.Join(dir, completerPrefix+name)
	err = os.Symlink(base, link)
	switch {
	case err == nil:
		return link, true, nil
	case !errors.Is(err, fs.ErrExist):
		return "", false, fmt.Errorf("cannot create the link: %w; create it in another directory of the PATH, with the name %s and the target %s", err, completerPrefix+name, program)
	}
	// A file or a link with this name is there. It stays, whatever it is.
	there, errThere := os.Stat(link)
	own, errOwn := os.Stat(program)
	if errThere == nil && errOwn == nil && os.SameFile(there, own) {
		return link, false, nil
	}
	return "", false, fmt.Errorf("%s: expected no file or a link to %s, found something else; remove it, then try again", link, program)
}

// onPath reports whether a directory is one of PATH.
func onPath(dir, path string) bool {
	return slices.ContainsFunc(filepath.SplitList(path), func(entry string) bool {
		return entry != "" && filepath.Clean(entry) == filepath.Clean(dir)
	})
}

// completerPrefix begins the name of the program that kubectl (1.26 and newer) asks to
// complete a plugin's arguments. What follows is the rest of the plugin's name.
const completerPrefix = "kubectl_complete-"

// AsCompleter reports whether the program was started by the name that kubectl completes
// with. plugin is then the plugin's own name in the same directory.
func AsCompleter(argv0 string) (plugin string, ok bool) {
	dir, base := filepath.Split(argv0)
	name, ok := strings.CutPrefix(base, completerPrefix)
	if !ok {
		return "", false
	}
	return dir + "kubectl-" + name, true
}
