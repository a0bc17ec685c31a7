//go:build linux && (amd64 || arm64)

package answer

import (
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/wire"
)

// output is where the answer goes: two descriptors, written only by write(2),
// because the lock allows nothing else.
type output struct {
	version      string // the probe's
	log, trailer int
	// writing says that an answer is on its way, claimed that its trailer is.
	writing, claimed atomic.Bool
}

// openOutput opens the file for the termination message, which the kubelet has
// made.
func openOutput(version string, log int, terminationLog string) (*output, error) {
	fd, err := unix.Open(terminationLog, unix.O_WRONLY|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("opening %s for writing: %w", terminationLog, err)
	}
	return &output{version: version, log: log, trailer: fd}, nil
}

// fail answers with only an error.
func (o *output) fail(status int, text string) int {
	if err := o.writeTrailer(wire.FailureTrailer(o.version, text)); err != nil {
		return wire.ExitOutput
	}
	return status
}

// send answers with a measurement; text says what went wrong with it, if
// anything did.
func (o *output) send(m *fact.Measurement, status int, text string) int {
	if m == nil {
		return o.fail(status, text)
	}
	message, err := wire.Encode(m, wire.Options{
		Version: o.version,
		Partial: status == wire.ExitPartial,
		Error:   text,
	})
	if err != nil {
		return o.fail(wire.ExitFailed, err.Error())
	}
	o.writing.Store(true)
	for frame := range message.Frames() {
		if err := write(o.log, frame); err != nil {
			return o.fail(wire.ExitOutput, fmt.Sprintf("writing the log: %v", err))
		}
	}
	if err := o.writeTrailer(message.Trailer); err != nil {
		return wire.ExitOutput
	}
	return status
}

var errClaimed = errors.New("the trailer is already being written")

// writeTrailer writes the termination message, once: the watchdog's would
// otherwise follow ours in the same file. A message that is too long is not
// started, because its first part would not be a trailer. Confine sets the same
// limit in the kernel.
func (o *output) writeTrailer(message []byte) error {
	if o.claimed.Swap(true) {
		return errClaimed
	}
	if len(message) > wire.MaxTrailer {
		return fmt.Errorf("termination message: expected at most %d bytes, found %d", wire.MaxTrailer, len(message))
	}
	return write(o.trailer, message)
}

func write(fd int, data []byte) error {
	for len(data) > 0 {
		n, err := unix.Write(fd, data)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}
