package cli

import (
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// neverEmpty are the flags that say where to look. If one is given and empty,
// a variable was probably not set. Without the flag the run would look somewhere
// else, for example at the live cluster.
var neverEmpty = []string{
	"filename", "kustomize", "snapshot", "facts", "root", "save-facts", "vulnerabilities",
	"kubeconfig", "context", "cluster", "server", "control-plane-node", "for-node",
}

// errEmpty is the error for an empty value.
var errEmpty = errors.New(`expected a value, found "" (is a variable not set?)`)

// refuseEmpty makes every command refuse empty values of the neverEmpty flags,
// and empty arguments.
func refuseEmpty(root *cobra.Command) {
	for _, name := range neverEmpty {
		wrapFlag(root.PersistentFlags().Lookup(name))
	}
	for _, cmd := range append(root.Commands(), root) {
		for _, name := range neverEmpty {
			wrapFlag(cmd.Flags().Lookup(name))
		}
		inner := cmd.Args
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if slices.Contains(args, "") {
				return fmt.Errorf("argument %d: %w", 1+slices.Index(args, ""), errEmpty)
			}
			if inner == nil {
				return nil
			}
			return inner(cmd, args)
		}
	}
}

func wrapFlag(flag *pflag.Flag) {
	if flag == nil {
		return
	}
	if _, done := flag.Value.(notEmpty); done {
		return
	}
	flag.Value = notEmpty{flag.Value}
	if flag.DefValue == "[]" {
		flag.DefValue = "" // otherwise the help would show it
	}
}

// notEmpty is a flag's value that refuses empty text, also in a list.
type notEmpty struct{ pflag.Value }

func (v notEmpty) Set(text string) error {
	words := []string{text}
	if v.Type() == "stringSlice" && text != "" {
		var err error
		if words, err = csv.NewReader(strings.NewReader(text)).Read(); err != nil {
			words = nil // the value's own Set says what is wrong
		}
	}
	if slices.Contains(words, "") {
		return errEmpty
	}
	return v.Value.Set(text)
}

// flagError writes the text of an error about a flag.
func flagError(cmd *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) && errors.Is(err, errEmpty) {
		return fmt.Errorf("--%s: %w", invalid.GetFlag().Name, errEmpty)
	}
	return unknownFlag(cmd, err)
}
