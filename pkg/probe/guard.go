package probe

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"time"
)

// released is what a run writes to its guard before it ends by itself.
const released = "released\n"

// A Guard is a second process of the plugin, in a session of its own, that
// waits at a pipe whose other end only the run holds. However the run ends,
// SIGKILL included, the kernel closes that end; unless the run said before that
// it has cleaned up, the guard does it. It holds what a namespace needs: the
// cluster's own dead man's switch, the Job, cannot delete one.
type Guard struct {
	pipe    io.WriteCloser
	command *exec.Cmd
}

// StartGuard starts the guard. command is this program with the arguments by
// which it calls Watch, and whatever else that needs (a kubeconfig); its
// streams must not be set.
func StartGuard(command *exec.Cmd) (*Guard, error) {
	detach(command)
	pipe, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	return &Guard{pipe, command}, nil
}

// end tells the guard that the run is over. Where the run could not clean up,
// the guard goes on trying for a while (Watch); else end waits until it is gone.
// A nil Guard has nobody to tell.
func (g *Guard) end(clean bool) {
	if g == nil {
		return
	}
	if clean {
		_, _ = io.WriteString(g.pipe, released)
	}
	_ = g.pipe.Close()
	ended := make(chan struct{})
	go func() {
		_ = g.command.Wait()
		close(ended)
	}()
	if clean {
		select {
		case <-ended:
		case <-time.After(2 * time.Second):
		}
	}
}

// Watch is what the guard's process does: it waits until the run ends, and
// cleans up after it (Cleanup with opts.RunID) unless the run says that it has.
// pipe is the process's standard input.
func Watch(ctx context.Context, pipe io.Reader, client Client, opts Options) error {
	if opts.RunID == "" {
		return fmt.Errorf("guard: expected the id of a run")
	}
	opts, err := opts.complete()
	if err != nil {
		return err
	}
	ignoreSignals()
	line, err := bufio.NewReader(io.LimitReader(pipe, int64(len(released)))).ReadString('\n')
	if err == nil && line == released {
		return nil
	}
	// The run's last request may still be under way. What it creates belongs
	// to a Job; a second look finds a Job or namespace of its own.
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var last error
	for quiet := 0; quiet < 2; {
		removed, err := Cleanup(ctx, client, opts)
		if last = err; err == nil && len(removed) == 0 {
			quiet++
		} else {
			quiet = 0
		}
		if sleep(ctx, opts.timing.guard) != nil {
			break
		}
	}
	return last
}
