//go:build linux && (amd64 || arm64)

package probe

import (
	"runtime/debug"

	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/answer"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/lock"
)

const name = "checklist-probe"

func init() { answer.Name(name) }

// Level proc reads no databases and ends soon: collecting at 2 MiB, as 50 % does, is
// a tenth of its time. With 10,000 processes it takes the same memory, 26 to 28 MiB.
const procGCPercent = 200

// Main is the whole of the probe: it reads the arguments, measures and answers.
// It returns the exit status of package wire.
func Main(version string, args []string) int {
	return answer.Main(program(version, newCollector), args)
}

// program is Main's. Tests give it something else to measure, and a test's binary
// gives it no lock. The release has no such way.
func program(version string, open func(config) (answer.Collector, error)) answer.Program {
	var c config
	return answer.Program{
		Name:    name,
		Version: version,
		Silent:  "a file system does not answer",
		Parse: func(args []string) (answer.Request, error) {
			var err error
			c, err = parse(args)
			return c.Request, err
		},
		Before: func() error {
			if c.Level == fact.LevelProc {
				debug.SetGCPercent(procGCPercent)
			}
			return nil
		},
		Lock: lock.Install,
		Open: func() (answer.Collector, error) { return open(c) },
	}
}

func newCollector(c config) (answer.Collector, error) {
	return node.New(node.Options{
		Level:      c.Level,
		Node:       c.node,
		Kinds:      c.Kinds,
		Proc:       c.proc,
		Root:       c.root,
		Live:       true,
		SelfPID:    unix.Getpid(),
		SelfPodUID: c.podUID,
	})
}
