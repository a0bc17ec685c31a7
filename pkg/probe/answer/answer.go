//go:build linux && (amd64 || arm64)

// Package answer is what both programs that run on a node share: cmd/checklist-probe
// and cmd/checklist-probe-net. It holds their order (Main), their arguments
// (Parse), what they give up before they read anything (Confine), their time
// (Margin, Grace, a watchdog), and their two outputs. What they read, and by which
// lock, is their own: packages probe and netprobe.
//
// The answer has the format of package wire: frames on standard output, a trailer
// as the container's termination message, and an exit status. Nothing goes to
// standard error, not even after a crash.
package answer

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/wire"
)

// A probe has 32 MiB. The collector's limit is below it, because the
// executable's own pages do not count, and short-lived memory may exceed it;
// collecting earlier than Go would costs a few ms.
const (
	memoryLimit = 18 << 20
	gcPercent   = 50
	threads     = 2
)

// Collector is what reads. Run ends soon after its context; Snapshot returns what
// there is, also while Run goes on.
type Collector interface {
	Run(ctx context.Context)
	Snapshot() *fact.Measurement
}

// Program is one of the programs.
type Program struct {
	Name    string // what --version prints
	Version string
	// Silent says what a collector that hands over nothing is waiting for: "a file
	// system does not answer".
	Silent string
	// Parse reads the arguments. The outputs of the request are usable even if there is
	// an error.
	Parse func(args []string) (Request, error)
	// Before, if it is not nil, is called after the outputs are open and before the lock.
	Before func() error
	// Lock locks the process, which then writes to outputs only.
	Lock func(outputs ...int) error
	// Open is called after the lock.
	Open func() (Collector, error)

	// What follows is set by tests only.

	// Prepare replaces dropping the environment and Confine; Margin and Grace replace the
	// functions and constants of those names.
	Prepare func() error
	Margin  func(timeout time.Duration) time.Duration
	Grace   time.Duration
}

// Main is the whole of a probe: it reads the arguments, measures and answers. It
// returns the exit status of package wire.
func Main(p Program, args []string) int {
	if p.Prepare == nil {
		p.Prepare = prepare
	}
	if p.Margin == nil {
		p.Margin = Margin
	}
	if p.Grace == 0 {
		p.Grace = Grace
	}
	prepareErr := p.Prepare()
	debug.SetMemoryLimit(memoryLimit)
	debug.SetGCPercent(gcPercent)
	// Setting it also ends the runtime's own polling of cgroup files.
	runtime.GOMAXPROCS(threads)

	r, usageErr := p.Parse(args)
	if usageErr == nil && r.Version {
		fmt.Printf("%s %s %s/%s %s\n", p.Name, p.Version, runtime.GOOS, runtime.GOARCH, runtime.Version())
		return wire.ExitComplete
	}
	out, err := openOutput(p.Version, unix.Stdout, r.TerminationLog)
	if err != nil {
		return wire.ExitOutput
	}
	if prepareErr != nil {
		return out.fail(wire.ExitUnlocked, prepareErr.Error())
	}
	if usageErr != nil {
		return out.fail(wire.ExitUsage, usageErr.Error())
	}
	stop := watch(out, r, p.Silent, p.Grace, unix.Exit)
	defer stop()
	if p.Before != nil {
		if err := p.Before(); err != nil {
			return out.fail(wire.ExitFailed, err.Error())
		}
	}
	if err := p.Lock(out.log, out.trailer); err != nil {
		return out.fail(wire.ExitUnlocked, err.Error())
	}
	c, err := p.Open()
	if err != nil {
		return out.fail(wire.ExitFailed, err.Error())
	}
	m, status, text := measure(c, r.Timeout-p.Margin(r.Timeout), p.Grace)
	return out.send(m, status, text)
}
