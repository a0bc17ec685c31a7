//go:build linux && (amd64 || arm64)

package netprobe

import (
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/answer"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/lock"
)

const (
	program = "checklist-probe-net"
	name    = "checklist-net" // at most 15 bytes: what ps shows
)

func init() { answer.Name(name) }

// Main is the whole of the net probe: it reads the arguments, measures and answers. It
// returns the exit status of package wire.
func Main(version string, args []string) int {
	return answer.Main(newProgram(version), args)
}

// newProgram is Main's.
func newProgram(version string) answer.Program {
	var c config
	var h *handshakes
	return answer.Program{
		Name:    program,
		Version: version,
		Silent:  "a connection did not end",
		Parse: func(args []string) (answer.Request, error) {
			var err error
			c, err = parse(args)
			return c.Request, err
		},
		// After the lock it cannot open the table of sockets, nor its own status.
		Before: func() (err error) {
			h, err = newHandshakes(c)
			return err
		},
		Lock: lock.InstallNet,
		Open: func() (answer.Collector, error) { return h, nil },
	}
}
