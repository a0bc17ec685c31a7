package launch

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"
)

// released is what a run writes to its guard before it ends by itself.
const released = "released\n"

// ready is what a guard writes to its run once it watches.
const ready = "ready\n"

// A Guard is a second process of the plugin, in its own session. It waits at a pipe
// whose other end only the run holds. However the run ends, even by SIGKILL, the kernel
// closes that end. Then the guard cleans up, unless the run said that it has done so.
// The guard is needed for namespaces: the dead man's switch in the cluster, the Job,
// cannot delete one.
type Guard struct {
	pipe    io.WriteCloser
	command *exec.Cmd
}

// StartGuard starts the guard and waits until it watches. command is this program with
// the arguments that make it call ReadSettings and Watch. Its streams must not be set.
// settings is what the guard needs, as JSON. It goes through a pipe, which nobody else
// can read, unlike arguments and the environment.
func StartGuard(command *exec.Cmd, settings any) (*Guard, error) {
	return startGuard(command, settings, 5*time.Second)
}

func startGuard(command *exec.Cmd, settings any, wait time.Duration) (*Guard, error) {
	var message bytes.Buffer
	if err := writeSettings(&message, settings); err != nil {
		return nil, err
	}
	detach(command)
	pipe, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	said := make(chan string, 1)
	go func() {
		answer := make([]byte, len(ready))
		_, err := pipe.Write(message.Bytes())
		if err == nil {
			_, _ = io.ReadFull(out, answer)
		}
		said <- string(answer)
	}()
	late := time.NewTimer(wait)
	defer late.Stop()
	select {
	case answer := <-said:
		if answer == ready {
			return &Guard{pipe, command}, nil
		}
		err = errors.New("it ended before it was ready")
	case <-late.C:
		err = fmt.Errorf("it was not ready after %s", wait)
	}
	// Nothing was created yet, so the guard has nothing to remove.
	_ = command.Process.Kill()
	_ = pipe.Close()
	if ended := command.Wait(); command.ProcessState != nil && command.ProcessState.ExitCode() > 0 {
		err = fmt.Errorf("%w: %w", err, ended)
	}
	return nil, err
}

// maxSettings bounds what a guard reads, in bytes.
const maxSettings = 1 << 20

// writeSettings writes a length (4 bytes, big-endian) and then that many bytes of JSON.
func writeSettings(w io.Writer, settings any) error {
	data, err := json.Marshal(settings)
	if err != nil {
		return fmt.Errorf("guard: writing settings: %w", err)
	}
	if len(data) > maxSettings {
		return fmt.Errorf("guard: settings: expected at most %[2]d bytes, found %[1]d", len(data), maxSettings)
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(data))), data...))
	return err
}

// ReadSettings reads the settings of StartGuard, and no byte more: the rest of the pipe
// is for Watch.
func ReadSettings(pipe io.Reader, settings any) error {
	var size [4]byte
	if _, err := io.ReadFull(pipe, size[:]); err != nil {
		return fmt.Errorf("guard: reading settings: %w", err)
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxSettings {
		return fmt.Errorf("guard: settings: expected at most %[2]d bytes, found %[1]d", n, maxSettings)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(pipe, data); err != nil {
		return fmt.Errorf("guard: reading settings: %w", err)
	}
	if json.Unmarshal(data, settings) != nil {
		return errors.New("guard: settings: expected what StartGuard writes") // the error may quote a token
	}
	return nil
}

// end tells the guard that the run is over. If the run could not clean up, the guard
// continues to try for a while (Watch). Otherwise end waits until the guard has ended.
// A nil Guard does nothing.
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

// Watch is what the guard's process does. It waits until the run ends. It then cleans
// up (Cleanup with opts.RunID), unless the run says that it has done so.
// pipe is the process's standard input, out its standard output.
func Watch(ctx context.Context, pipe io.Reader, out io.Writer, client Client, opts Options) error {
	if opts.RunID == "" {
		return fmt.Errorf("guard: expected the id of a run")
	}
	opts, err := opts.complete()
	if err != nil {
		return err
	}
	ignoreSignals()
	if _, err := io.WriteString(out, ready); err != nil {
		return fmt.Errorf("guard: telling the run that the guard is ready: %w", err) // the run is gone, and has created nothing
	}
	line, err := bufio.NewReader(io.LimitReader(pipe, int64(len(released)))).ReadString('\n')
	if err == nil && line == released {
		return nil
	}
	// The run's last request may still be in progress. What it creates belongs to a
	// Job. A second look finds a Job or a namespace that it created.
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var last error
	for quiet := 0; quiet < 2; {
		// What was not deleted is not this run's, so there is nothing to wait for.
		removed, _, err := cleanUp(ctx, client, opts)
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
