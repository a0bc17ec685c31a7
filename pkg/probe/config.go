//go:build linux && (amd64 || arm64)

package probe

import (
	"flag"
	"fmt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/answer"
)

// config holds the parsed flags.
type config struct {
	answer.Request
	node       string
	podUID     string
	proc, root string
}

// parse reads the flags. The outputs of the configuration are usable even if
// there is an error.
func parse(args []string) (config, error) {
	c := config{}
	level := fact.LevelFull
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.Func("level", "proc or full", func(s string) error {
		level = fact.Level(s)
		if level != fact.LevelProc && level != fact.LevelFull {
			return fmt.Errorf("expected %q or %q", fact.LevelProc, fact.LevelFull)
		}
		return nil
	})
	flags.StringVar(&c.node, "node", "", "name of the node, for gaps")
	flags.StringVar(&c.podUID, "pod-uid", "", "UID of the probe's own pod, if known")
	flags.StringVar(&c.proc, "proc", "/proc", "procfs that shows the node's processes")
	flags.StringVar(&c.root, "root", "", "root directory of the node; that of its pid 1 if empty")
	var err error
	c.Request, err = answer.Parse(flags, name+" --level proc|full [--node NAME] [--kinds LIST] [--timeout DURATION]", args)
	c.Level = level
	return c, err
}
