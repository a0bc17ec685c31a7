// Package harness drives the real cluster of hack/cluster and the plugin's
// binary against it, for the end-to-end tests and the demo.
package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch/embedded"
)

// Nodes of the cluster: a control plane as kubeadm makes it, a worker, and a
// worker that looks like another distribution.
const (
	ControlPlane = "cp1"
	Worker       = "w1"
	OtherWorker  = "w2"
)

// Cluster is the running cluster.
type Cluster struct {
	// Repository is the checkout's root, Plugin the binary under test.
	Repository string
	Plugin     string
	// Log gets the commands that are run; nil for none.
	Log io.Writer
}

// Result is what a command did.
type Result struct {
	Stdout, Stderr []byte
	Code           int
	Took           time.Duration
}

// New finds the checkout and the plugin in bin/.
func New() (*Cluster, error) {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		return nil, errors.New("this program does not know its own source file")
	}
	c := &Cluster{Repository: filepath.Dir(filepath.Dir(filepath.Dir(file)))}
	c.Plugin = filepath.Join(c.Repository, "bin", "kubectl-checklist")
	if _, err := os.Stat(c.Plugin); err != nil {
		return nil, fmt.Errorf("the plugin is not built (make build): %w", err)
	}
	return c, nil
}

// Verb runs a verb of hack/cluster. It fails if the verb does.
func (c *Cluster) Verb(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	result, err := c.run(ctx, stdin, nil, append([]string{filepath.Join(c.Repository, "hack", "cluster", "run")}, args...)...)
	if err != nil {
		return "", err
	}
	if result.Code != 0 {
		return string(result.Stdout), fmt.Errorf("cluster %s: exit status %d: %s", strings.Join(args, " "), result.Code, bytes.TrimSpace(result.Stderr))
	}
	return string(result.Stdout), nil
}

// Kubectl runs the real kubectl as the cluster's admin.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) (string, error) {
	return c.Verb(ctx, nil, append([]string{"kubectl"}, args...)...)
}

// Apply applies manifests.
func (c *Cluster) Apply(ctx context.Context, manifests string) error {
	_, err := c.Verb(ctx, strings.NewReader(manifests), "kubectl", "apply", "-f", "-")
	return err
}

// Exec runs a command with the cluster's network and kubeconfig.
func (c *Cluster) Exec(ctx context.Context, env []string, args ...string) (Result, error) {
	return c.run(ctx, nil, env, append([]string{filepath.Join(c.Repository, "hack", "cluster", "run"), "exec", "--"}, args...)...)
}

// Checklist runs the plugin against the cluster.
func (c *Cluster) Checklist(ctx context.Context, args ...string) (Result, error) {
	return c.Exec(ctx, nil, append([]string{c.Plugin}, args...)...)
}

// Report runs the plugin with -o json and returns what it printed.
func (c *Cluster) Report(ctx context.Context, args ...string) (*api.ChecklistReport, Result, error) {
	result, err := c.Checklist(ctx, append(args, "-o", "json")...)
	if err != nil {
		return nil, result, err
	}
	var report api.ChecklistReport
	if err := json.Unmarshal(result.Stdout, &report); err != nil {
		return nil, result, fmt.Errorf("kubectl checklist %s: exit status %d, %s: %w", strings.Join(args, " "), result.Code, bytes.TrimSpace(result.Stderr), err)
	}
	return &report, result, nil
}

// Start starts the plugin against the cluster. It returns the plugin's command, to signal
// it and to wait for its end, and its output.
func (c *Cluster) Start(ctx context.Context, args ...string) (*exec.Cmd, *bytes.Buffer, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(c.Repository, "hack", "cluster", "run"), append([]string{"exec", "--", c.Plugin}, args...)...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	return cmd, &output, cmd.Start()
}

func (c *Cluster) run(ctx context.Context, stdin io.Reader, env []string, args ...string) (Result, error) {
	if c.Log != nil {
		fmt.Fprintf(c.Log, "$ %s\n", strings.Join(args, " ")) //nolint:errcheck // a log
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin = stdin
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	result := Result{Stdout: stdout.Bytes(), Stderr: stderr.Bytes(), Took: time.Since(start)}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		result.Code = exit.ExitCode()
		return result, nil
	}
	return result, err
}

// Wait polls until done returns nil, or fails with its last error.
func Wait(ctx context.Context, what string, timeout time.Duration, done func() error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		err := done()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting %s for %s: %w", timeout, what, err)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// Failing lists the failing findings of a report as "check subject", without
// those of a baseline.
func Failing(report, baseline *api.ChecklistReport) map[string]api.Finding {
	known := map[string]bool{}
	if baseline != nil {
		for _, f := range baseline.Findings {
			if f.Verdict == api.Fail {
				known[Fingerprint(f)] = true
			}
		}
	}
	out := map[string]api.Finding{}
	for _, f := range report.Findings {
		if f.Verdict == api.Fail && !known[Fingerprint(f)] {
			out[Fingerprint(f)] = f
		}
	}
	return out
}

// Fingerprint identifies a finding across runs: check and subject.
func Fingerprint(f api.Finding) string { return f.Check + " " + f.Subject.Key() }

// Image runs the image builder of hack/image.
func (c *Cluster) Image(ctx context.Context, args ...string) error {
	result, err := c.run(ctx, nil, []string{"GOFLAGS=-buildvcs=false"},
		append([]string{"go", "-C", filepath.Join(c.Repository, "hack", "image"), "run", "."}, args...)...)
	if err != nil {
		return err
	}
	if result.Code != 0 {
		return fmt.Errorf("image %s: exit status %d: %s", strings.Join(args, " "), result.Code, bytes.TrimSpace(result.Stderr))
	}
	return nil
}

// BuildProbeImage writes the image of both probes as an OCI layout, from the same programs that the
// plugin carries.
func (c *Cluster) BuildProbeImage(ctx context.Context, layout string) error {
	args := []string{"probe", "-layout", layout, "-tag", "checklist-probe:e2e"}
	for _, arch := range []string{"amd64", "arm64"} {
		for name, read := range map[string]func(string) ([]byte, error){"binary": embedded.Probe, "net-binary": embedded.NetProbe} {
			binary, err := read(arch)
			if err != nil {
				return err
			}
			file := layout + "-" + name + "-" + arch
			if err := os.WriteFile(file, binary, 0o755); err != nil {
				return err
			}
			args = append(args, "-"+name, arch+"="+file)
		}
	}
	return c.Image(ctx, args...)
}

// Registry is the address at which the nodes can reach the tests' image registry.
const Registry = "10.200.0.1:5000"

// Serve serves images ("NAME:TAG=LAYOUT") at Registry until stop is called.
func (c *Cluster) Serve(ctx context.Context, images ...string) (stop func(), err error) {
	dir, err := os.MkdirTemp("", "registry-")
	if err != nil {
		return nil, err
	}
	binary := filepath.Join(dir, "image")
	build, err := c.run(ctx, nil, []string{"GOFLAGS=-buildvcs=false"}, "go", "-C", filepath.Join(c.Repository, "hack", "image"), "build", "-o", binary, ".")
	if err == nil && build.Code != 0 {
		err = fmt.Errorf("exit status %d: %s", build.Code, bytes.TrimSpace(build.Stderr))
	}
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("building the registry: %w", err)
	}
	cmd := exec.Command(filepath.Join(c.Repository, "hack", "cluster", "run"),
		append([]string{"exec", "--", binary, "serve", "-addr", Registry}, images...)...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	stop = func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		_ = os.RemoveAll(dir)
	}
	err = Wait(ctx, "the registry", 2*time.Minute, func() error {
		result, err := c.Exec(ctx, nil, "bash", "-c", "exec 3<>/dev/tcp/"+strings.Replace(Registry, ":", "/", 1))
		if err == nil && result.Code != 0 {
			err = fmt.Errorf("%s does not answer: %s", Registry, output.Bytes())
		}
		return err
	})
	if err != nil {
		stop()
	}
	return stop, err
}
