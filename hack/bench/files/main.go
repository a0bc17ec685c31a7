// Command files measures what manifests of very many pods cost that are all different: the
// plugin's "pods -f", next to a loop that decodes the same text and drops it. Each is a
// process of its own, of which the kernel counts the CPU time and the memory.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/hack/podserver"
)

func main() {
	var (
		count  = flag.Int("pods", 20_000, "how many pods the files have")
		plugin = flag.String("plugin", "bin/kubectl-checklist", "the plugin")
		runs   = flag.Int("runs", 3, "how often each is run; the least CPU time counts")
		write  = flag.String("write", "", "only write pods.json and pods.yaml to a directory")
		loop   = flag.String("loop", "", "only decode a file of JSON, a pod on each line")
	)
	flag.Parse()
	var err error
	switch {
	case *loop != "":
		err = decode(*loop)
	case *write != "":
		err = files(*write, *count)
	default:
		err = compare(*count, *runs, *plugin)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// files writes the pods as JSON, one on each line, and as documents of YAML.
func files(dir string, pods int) error {
	asJSON, err := os.Create(filepath.Join(dir, "pods.json"))
	if err != nil {
		return err
	}
	defer asJSON.Close() //nolint:errcheck // flushed below
	asYAML, err := os.Create(filepath.Join(dir, "pods.yaml"))
	if err != nil {
		return err
	}
	defer asYAML.Close() //nolint:errcheck // flushed below
	j, y := bufio.NewWriter(asJSON), bufio.NewWriter(asYAML)
	for i := range pods {
		pod := podserver.Different(i)
		text, err := json.Marshal(&pod)
		if err != nil {
			return err
		}
		fmt.Fprintf(j, "%s\n", text)
		if text, err = yaml.JSONToYAML(text); err != nil {
			return err
		}
		fmt.Fprintf(y, "---\n%s", text)
	}
	if err := j.Flush(); err != nil {
		return err
	}
	return y.Flush()
}

// decode decodes as the API server does, into its type, and drops what it gets.
func decode(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // only read
	in := bufio.NewReaderSize(file, 1<<20)
	for {
		line, err := in.ReadSlice('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		var pod corev1.Pod
		if err := kjson.UnmarshalCaseSensitivePreserveInts(line, &pod); err != nil {
			return err
		}
	}
}

// cost is what the kernel says of a process.
type cost struct {
	cpu, wall time.Duration
	resident  float64 // MiB at most
}

func compare(pods, runs int, plugin string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	if err := files(dir, pods); err != nil {
		return err
	}
	asJSON, asYAML := filepath.Join(dir, "pods.json"), filepath.Join(dir, "pods.yaml")
	info, err := os.Stat(asJSON)
	if err != nil {
		return err
	}
	fmt.Printf("%d different pods of %d bytes of JSON\n", pods, int(info.Size())/pods)
	fmt.Printf("%-28s %9s %9s %9s %9s %9s\n", "PROGRAM", "CPU", "WALL", "RSS", "PODS/S", "OF LOOP")
	var loop cost
	for _, row := range []struct {
		name, program string
		args          []string
	}{
		{"loop: JSON, decoded", self, []string{"-loop", asJSON}},
		{"pods -f pods.json", plugin, []string{"pods", "-f", asJSON}},
		{"pods -f pods.yaml", plugin, []string{"pods", "-f", asYAML}},
	} {
		var least cost
		for i := range runs {
			c, err := measure(dir, row.program, row.args...)
			if err != nil {
				return fmt.Errorf("%s: %w", row.name, err)
			}
			if i == 0 || c.cpu < least.cpu {
				least = c
			}
		}
		if loop.cpu == 0 {
			loop = least
		}
		fmt.Printf("%-28s %8.2fs %8.2fs %6.0fMiB %9.0f %8.2fx\n", row.name, least.cpu.Seconds(), least.wall.Seconds(), least.resident,
			float64(pods)/least.cpu.Seconds(), float64(least.cpu)/float64(loop.cpu))
	}
	return nil
}

// measure runs a program. Its output is dropped.
func measure(dir, program string, args ...string) (cost, error) {
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "HOME="+dir, "KUBECONFIG=")
	cmd.Stderr = os.Stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return cost{}, err
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return cost{}, fmt.Errorf("no resource usage")
	}
	return cost{
		cpu: time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), wall: time.Since(began),
		resident: float64(usage.Maxrss) / 1024,
	}, nil
}
