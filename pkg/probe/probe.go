//go:build linux && (amd64 || arm64)

package probe

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/lock"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/wire"
)

// version is what the trailer names: Main's argument.
var version = "dev"

// The probe has 32 MiB. The collector's limit is below it, because the
// executable's own pages do not count, and short-lived memory may exceed it;
// collecting earlier than Go would costs a few ms.
const (
	memoryLimit = 18 << 20
	gcPercent   = 50
	// Level proc reads no databases and ends soon: collecting at 2 MiB, as 50 % does, is
	// a tenth of its time. With 10,000 processes it takes the same memory, 26 to 28 MiB.
	procGCPercent = 200
	threads       = 2
)

// Main is the whole of the probe: it reads the arguments, measures and answers.
// It returns the exit status of package wire.
func Main(probeVersion string, args []string) int {
	version = probeVersion
	return respond(args, prepare, newCollector, lock.Install)
}

func newCollector(c config) (collector, error) {
	return node.New(node.Options{
		Level:      c.level,
		Node:       c.node,
		Kinds:      c.kinds,
		Proc:       c.proc,
		Root:       c.root,
		Live:       true,
		SelfPID:    unix.Getpid(),
		SelfPodUID: c.podUID,
	})
}

// respond is Main. Tests give it something else to measure, and a test's binary
// gives it no lock. The release has no such way.
func respond(args []string, prepare func() error, open func(config) (collector, error), install func(outputs ...int) error) int {
	prepareErr := prepare()
	debug.SetMemoryLimit(memoryLimit)
	debug.SetGCPercent(gcPercent)
	// Setting it also ends the runtime's own polling of cgroup files.
	runtime.GOMAXPROCS(threads)

	c, usageErr := parse(args)
	if usageErr == nil && c.version {
		fmt.Printf("checklist-probe %s %s/%s %s\n", version, runtime.GOOS, runtime.GOARCH, runtime.Version())
		return wire.ExitComplete
	}
	out, err := openOutput(unix.Stdout, c.terminationLog)
	if err != nil {
		return wire.ExitOutput
	}
	if prepareErr != nil {
		return out.fail(wire.ExitUnlocked, prepareErr.Error())
	}
	if usageErr != nil {
		return out.fail(wire.ExitUsage, usageErr.Error())
	}
	if c.level == fact.LevelProc {
		debug.SetGCPercent(procGCPercent)
	}
	stop := watch(out, c, unix.Exit)
	defer stop()
	if err := install(out.log, out.trailer); err != nil {
		return out.fail(wire.ExitUnlocked, err.Error())
	}
	col, err := open(c)
	if err != nil {
		return out.fail(wire.ExitFailed, err.Error())
	}
	m, status, text := measure(col, c.timeout-margin(c.timeout))
	return out.send(m, status, text)
}

// collector is what package node has.
type collector interface {
	Run(ctx context.Context)
	Snapshot() *fact.Measurement
}
