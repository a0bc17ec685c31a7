//go:build linux && (amd64 || arm64)

package answer

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

// Request is what a probe was asked for.
type Request struct {
	Level          fact.Level  // the caller of Parse sets it
	Kinds          []fact.Kind // nil: all of the level
	Timeout        time.Duration
	TerminationLog string
	Version        bool // print the version, and nothing else
}

const (
	defaultTerminationLog = "/dev/termination-log"
	// MinTimeout and maxTimeout bound --timeout.
	MinTimeout = time.Second
	maxTimeout = time.Hour
)

// Parse reads arguments. It adds the flags of every probe to the program's own, which
// flags has already; usage is what --help answers. The outputs of the request are usable
// even if there is an error.
func Parse(flags *flag.FlagSet, usage string, args []string) (Request, error) {
	var r Request
	var kinds string
	flags.SetOutput(io.Discard)
	flags.StringVar(&kinds, "kinds", "", "kinds of facts to read, separated by commas; all if empty")
	flags.DurationVar(&r.Timeout, "timeout", 90*time.Second, "the probe ends within this time")
	flags.StringVar(&r.TerminationLog, "termination-log", defaultTerminationLog, "existing file for the termination message")
	flags.BoolVar(&r.Version, "version", false, "print the version")
	err := flags.Parse(args)
	if r.TerminationLog == "" {
		r.TerminationLog = defaultTerminationLog
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		return r, errors.New("usage: " + usage + "; package wire describes its answer")
	case err != nil:
		return r, err
	case flags.NArg() > 0:
		return r, fmt.Errorf("expected flags only, found %q", flags.Arg(0))
	case r.Timeout < MinTimeout || r.Timeout > maxTimeout:
		return r, fmt.Errorf("--timeout: expected %s to %s, found %s", MinTimeout, maxTimeout, r.Timeout)
	}
	r.Kinds, err = parseKinds(kinds)
	return r, err
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
