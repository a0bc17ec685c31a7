//go:build linux && (amd64 || arm64)

package probe

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// config holds the parsed flags.
type config struct {
	level          fact.Level
	node           string
	podUID         string
	kinds          []fact.Kind // nil: all
	timeout        time.Duration
	proc, root     string
	terminationLog string
	version        bool
}

const (
	defaultTerminationLog = "/dev/termination-log"
	minTimeout            = time.Second
	maxTimeout            = time.Hour
)

// parse reads the flags. The outputs of the configuration are usable even if
// there is an error.
func parse(args []string) (config, error) {
	c := config{level: fact.LevelFull}
	var kinds string
	flags := flag.NewFlagSet("checklist-probe", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Func("level", "proc or full", func(s string) error {
		c.level = fact.Level(s)
		if c.level != fact.LevelProc && c.level != fact.LevelFull {
			return fmt.Errorf("expected %q or %q", fact.LevelProc, fact.LevelFull)
		}
		return nil
	})
	flags.StringVar(&c.node, "node", "", "name of the node, for gaps")
	flags.StringVar(&c.podUID, "pod-uid", "", "UID of the probe's own pod, if known")
	flags.StringVar(&kinds, "kinds", "", "kinds of facts to read, separated by commas; all if empty")
	flags.DurationVar(&c.timeout, "timeout", 90*time.Second, "the probe ends within this time")
	flags.StringVar(&c.proc, "proc", "/proc", "procfs that shows the node's processes")
	flags.StringVar(&c.root, "root", "", "root directory of the node; that of its pid 1 if empty")
	flags.StringVar(&c.terminationLog, "termination-log", defaultTerminationLog, "existing file for the termination message")
	flags.BoolVar(&c.version, "version", false, "print the version")
	err := flags.Parse(args)
	if c.terminationLog == "" {
		c.terminationLog = defaultTerminationLog
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		return c, errors.New("usage: checklist-probe --level proc|full [--node NAME] [--kinds LIST] [--timeout DURATION]; package wire describes its answer")
	case err != nil:
		return c, err
	case flags.NArg() > 0:
		return c, fmt.Errorf("expected flags only, found %q", flags.Arg(0))
	case c.timeout < minTimeout || c.timeout > maxTimeout:
		return c, fmt.Errorf("--timeout: expected %s to %s, found %s", minTimeout, maxTimeout, c.timeout)
	}
	c.kinds, err = parseKinds(kinds)
	return c, err
}

func parseKinds(text string) ([]fact.Kind, error) {
	if text == "" {
		return nil, nil
	}
	var kinds []fact.Kind
	for word := range strings.SplitSeq(text, ",") {
		kind := fact.Kind(strings.TrimSpace(word))
		if !slices.Contains(fact.Kinds(), kind) {
			return nil, fmt.Errorf("--kinds: expected some of %v, found %q", fact.Kinds(), word)
		}
		kinds = append(kinds, kind)
	}
	return kinds, nil
}
