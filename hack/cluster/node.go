package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// nodePID returns the machine's pid of the node's process 1. The state records
// it with its start time, so a reused pid is not mistaken for it.
func (c *Cluster) nodePID(n Node) (int, error) {
	down := fmt.Errorf("node %s is not running", n.Name)
	data, err := os.ReadFile(c.nodeDir(n, "pid"))
	if err != nil {
		if os.IsNotExist(err) {
			return 0, down
		}
		return 0, err
	}
	pidText, start, _ := strings.Cut(strings.TrimSpace(string(data)), " ")
	pid, err := strconv.Atoi(pidText)
	if err != nil {
		return 0, fmt.Errorf("reading %s: expected a pid and a start time, found %q", c.nodeDir(n, "pid"), data)
	}
	state, now, err := processStat(pid)
	if err != nil || now != start || state == 'Z' || state == 'X' {
		return 0, down
	}
	return pid, nil
}

// startNode starts the node's process 1 and containerd, imports the missing images, and
// lets the kubelet start.
func (c *Cluster) startNode(ctx context.Context, n Node) error {
	if _, err := c.nodePID(n); err == nil {
		return nil
	}
	if err := c.clearNode(n); err != nil {
		return err
	}
	if err := createCgroups(n.netns()); err != nil {
		return err
	}
	bin, err := c.binDir()
	if err != nil {
		return err
	}
	spec := nodeSpec{
		Name: n.Name, IP: n.IP, Cgroup: n.netns(), Dir: c.nodeDir(n),
		Init: c.path("cluster"), Bin: bin,
	}
	if n.ControlPlane {
		spec.Args = []string{"--register-with-taints=node-role.kubernetes.io/control-plane:NoSchedule"}
	}
	argument, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(c.nodeDir(n, "init.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(spec.Init, "enter-node", string(argument))
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + searchPath}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &unix.SysProcAttr{
		Setsid:     true,
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
	}
	if err := inNetns(n.netns(), cmd.Start); err != nil {
		return fmt.Errorf("starting node %s: %w", n.Name, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	_, start, err := processStat(cmd.Process.Pid)
	if err != nil {
		return fmt.Errorf("starting node %s: %w\n%s", n.Name, err, c.nodeLog(n))
	}
	if err := writeAtomically(c.nodeDir(n, "pid"), fmt.Appendf(nil, "%d %s\n", cmd.Process.Pid, start), 0o644); err != nil {
		return err
	}
	err = waitFor(ctx, 30*time.Second, "containerd on node "+n.Name, func() error {
		select {
		case <-ended:
			return permanent{fmt.Errorf("node %s ended at once:\n%s", n.Name, c.nodeLog(n))}
		default:
		}
		return c.inNode(ctx, n, nil, io.Discard, "/usr/bin/ctr", "version")
	})
	if err != nil {
		return err
	}
	if err := c.importMissing(ctx, n); err != nil {
		return err
	}
	return c.inNode(ctx, n, nil, io.Discard, "touch", imagesReady)
}

func (c *Cluster) nodeLog(n Node) string {
	data, err := os.ReadFile(c.nodeDir(n, "init.log"))
	if err != nil {
		return err.Error()
	}
	return tail(string(data), 20)
}

// stopNode kills the node, as if its power was cut, and waits until all of it is gone.
// Its disk stays.
func (c *Cluster) stopNode(n Node) error {
	if pid, err := c.nodePID(n); err == nil {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("killing node %s, process %d: %w", n.Name, pid, err)
		}
	}
	return c.clearNode(n)
}

// clearNode removes what a dead node left: processes outside its pid namespace
// (none, unless someone joined its cgroup) and its cgroups.
func (c *Cluster) clearNode(n Node) error {
	if err := killCgroups(n.netns()); err != nil {
		return err
	}
	if err := removeCgroups(n.netns()); err != nil {
		return err
	}
	if err := os.Remove(c.nodeDir(n, "pid")); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

// importMissing imports the cluster's images that the node has not had yet.
func (c *Cluster) importMissing(ctx context.Context, n Node) error {
	bin, err := c.binDir()
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := c.inNode(ctx, n, nil, &out, "/usr/bin/ctr", "-n", "k8s.io", "images", "list", "-q"); err != nil {
		return err
	}
	have := strings.Fields(out.String())
	for _, img := range images {
		if !img.On(n) || slices.Contains(have, img.Tag) {
			continue
		}
		if err := c.importImage(ctx, n, filepath.Join(filepath.Dir(bin), "images", img.File)); err != nil {
			return err
		}
	}
	return nil
}

// importImage streams a docker archive or an OCI archive into the node's
// containerd.
func (c *Cluster) importImage(ctx context.Context, n Node, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := c.inNode(ctx, n, f, io.Discard, "/usr/bin/ctr", "-n", "k8s.io", "images", "import", "-"); err != nil {
		return fmt.Errorf("importing %s into node %s: %w", file, n.Name, err)
	}
	return nil
}

// removeImage removes a name. If it was the last name of its image, it also removes the
// name by ID that the CRI plugin keeps. Otherwise the node would still report the image.
func (c *Cluster) removeImage(ctx context.Context, n Node, ref string) error {
	var out bytes.Buffer
	if err := c.inNode(ctx, n, nil, &out, "/usr/bin/ctr", "-n", "k8s.io", "images", "list"); err != nil {
		return err
	}
	refs, err := namesOfImage(out.String(), ref)
	if err != nil {
		return fmt.Errorf("node %s: %w", n.Name, err)
	}
	return c.inNode(ctx, n, nil, io.Discard, append([]string{"/usr/bin/ctr", "-n", "k8s.io", "images", "rm", "--sync"}, refs...)...)
}

// namesOfImage picks from the table of ctr images list (REF, TYPE, DIGEST, ...)
// what to remove so that ref is gone.
func namesOfImage(table, ref string) ([]string, error) {
	digests := map[string]string{}
	for line := range strings.Lines(table) {
		if fields := strings.Fields(line); len(fields) >= 3 && fields[0] != "REF" {
			digests[fields[0]] = fields[2]
		}
	}
	digest, ok := digests[ref]
	if !ok {
		return nil, fmt.Errorf("image %q: expected one of %q", ref, slices.Sorted(maps.Keys(digests)))
	}
	refs := []string{ref}
	for other, d := range digests {
		switch {
		case d != digest || other == ref:
		case strings.HasPrefix(other, "sha256:"):
			refs = append(refs, other)
		default:
			return []string{ref}, nil // the image has another name
		}
	}
	slices.Sort(refs[1:])
	return refs, nil
}

// enterArgs returns the arguments of nsenter(1) that run a command in the node's
// namespaces and below its root.
func enterArgs(pid int, argv []string) []string {
	return append([]string{
		"--target", strconv.Itoa(pid), "--mount", "--uts", "--ipc", "--net", "--pid", "--wdns=/", "--",
		"env", "-i", "PATH=" + searchPath, "HOME=/root", "TERM=" + os.Getenv("TERM"), "LC_ALL=C.UTF-8",
	}, argv...)
}

// inNode runs a command in the node's namespaces.
func (c *Cluster) inNode(ctx context.Context, n Node, stdin io.Reader, stdout io.Writer, argv ...string) error {
	pid, err := c.nodePID(n)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "nsenter", enterArgs(pid, argv)...)
	cmd.Stdin, cmd.Stdout = stdin, stdout
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("node %s: %s: %w: %s", n.Name, strings.Join(argv, " "), err, tail(stderr.String(), 5))
	}
	return nil
}

// put writes a file into the node's root under a temporary name that starts
// with a dot, which the kubelet ignores below manifests, and renames it. The
// node resolves the path, so that its links are its own.
func (c *Cluster) put(ctx context.Context, n Node, content io.Reader, mode os.FileMode, dest string) error {
	if !filepath.IsAbs(dest) || strings.HasSuffix(dest, "/") {
		return fmt.Errorf("destination %q: expected an absolute path of a file on the node", dest)
	}
	const script = `set -eu
dir=$(dirname -- "$2")
mkdir -p -- "$dir"
tmp=$(mktemp -- "$dir/.put.XXXXXX")
trap 'rm -f -- "$tmp"' EXIT
cat >"$tmp"
chmod "$1" -- "$tmp"
mv -fT -- "$tmp" "$2"
trap - EXIT`
	return c.inNode(ctx, n, content, io.Discard, "sh", "-c", script, "put", fmt.Sprintf("%04o", mode.Perm()), dest)
}

func writeAtomically(file string, data []byte, mode os.FileMode) error {
	tmp := file + ".partial"
	if err := os.WriteFile(tmp, data, mode); err != nil {
		return err
	}
	return os.Rename(tmp, file)
}

// permanent marks an error that waiting does not fix.
type permanent struct{ error }

// waitFor calls check until it returns nil, at growing intervals up to 300 ms.
func waitFor(ctx context.Context, limit time.Duration, what string, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	pause := 20 * time.Millisecond
	for {
		err := check()
		if err == nil {
			return nil
		}
		var p permanent
		if errors.As(err, &p) {
			return p.error
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting %s for %s: %w", limit, what, err)
		case <-time.After(pause):
		}
		pause = min(pause*3/2, 300*time.Millisecond)
	}
}
