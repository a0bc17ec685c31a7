// Command bench prints the project's figures: start-up, sizes, memory. Next to each is
// the figure that it is compared with, measured in the same run.
package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch/embedded"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

const runs = 15

func run() error {
	plugin := "bin/kubectl-checklist"
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		kubectl = ""
	}
	fmt.Printf("%-44s %12s %12s  %s\n", "FIGURE", "MEASURED", "BESIDE", "COMPARED WITH")

	ours, err := startup(plugin, "--help")
	if err != nil {
		return err
	}
	beside, against := "-", "target: under 80 ms"
	if kubectl != "" {
		theirs, err := startup(kubectl, "--help")
		if err != nil {
			return err
		}
		beside, against = theirs.String(), "kubectl --help; target: under 80 ms"
	}
	row("start-up: --help, median", ours.String(), beside, against)

	size, err := fileSize(plugin)
	if err != nil {
		return err
	}
	beside, against = "-", "target: under 64 MB"
	if kubectl != "" {
		other, err := fileSize(kubectl)
		if err != nil {
			return err
		}
		beside, against = megabytes(other), "kubectl; target: under 64 MB"
	}
	row("plugin, both embedded probes included", megabytes(size), beside, against)

	for _, probe := range []struct {
		name string
		read func(arch string) ([]byte, error)
	}{{"probe", embedded.Probe}, {"net probe", embedded.NetProbe}} {
		for _, arch := range embedded.Architectures() {
			binary, err := probe.read(arch)
			if err != nil {
				return err
			}
			var packed bytes.Buffer
			w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
			if err != nil {
				return err
			}
			if _, err := w.Write(binary); err != nil {
				return err
			}
			if err := w.Close(); err != nil {
				return err
			}
			row(probe.name+" "+arch+", compressed", megabytes(int64(packed.Len())), megabytes(int64(len(binary))), "uncompressed; target: compressed under 5 MB")
		}
	}
	return probeCost()
}

func row(figure, measured, beside, against string) {
	fmt.Printf("%-44s %12s %12s  %s\n", figure, measured, beside, against)
}

func startup(program string, args ...string) (time.Duration, error) {
	var took []time.Duration
	for range runs + 1 {
		start := time.Now()
		if err := exec.Command(program, args...).Run(); err != nil {
			return 0, fmt.Errorf("%s: %w", program, err)
		}
		took = append(took, time.Since(start))
	}
	took = took[1:] // the first run fills caches
	slices.Sort(took)
	return took[len(took)/2].Round(100 * time.Microsecond), nil
}

func fileSize(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// probeCost runs the embedded probe on this machine, locked, on the real root file
// system, and prints the cost that the kernel reports.
func probeCost() error {
	if os.Getuid() != 0 {
		fmt.Println("probe: its cost was not measured, because this user is not root")
		return nil
	}
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	binary, err := embedded.Probe("amd64")
	if err != nil {
		return err
	}
	probe := filepath.Join(dir, "checklist-probe")
	if err := os.WriteFile(probe, binary, 0o755); err != nil {
		return err
	}
	message := filepath.Join(dir, "termination-log")
	if err := os.WriteFile(message, nil, 0o644); err != nil {
		return err
	}
	cmd := exec.Command(probe, "--level", "full", "--node", "bench", "--timeout", "60s", "--termination-log", message)
	var out bytes.Buffer
	cmd.Stdout = &out
	start := time.Now()
	err = cmd.Run()
	wall := time.Since(start)
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return fmt.Errorf("no resource usage of the probe")
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 && code != 3 {
		return fmt.Errorf("the probe ended with status %d: %w", code, err)
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return err
	}
	cpu := time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Round(time.Millisecond)
	row(fmt.Sprintf("probe, %d processes: CPU", len(processes)), cpu.String(), wall.Round(time.Millisecond).String(), "wall; target: under 0.5 s with 500 processes")
	row("probe: resident at most", fmt.Sprintf("%.1f MiB", float64(usage.Maxrss)/1024), "-", "target: under 32 MiB")
	trailer, err := fileSize(message)
	if err != nil {
		return err
	}
	row("probe: answer", fmt.Sprintf("%.1f kB", float64(int64(out.Len())+trailer)/1e3), "-", "termination message and log; bound: 1 MiB")
	return nil
}
