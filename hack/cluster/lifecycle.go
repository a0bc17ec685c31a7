package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// lockCluster prevents two harnesses from changing the cluster at once. The names are
// unique on the machine, so the lock is too, wherever the state is.
func (c *Cluster) lockCluster() (func(), error) {
	return lock("/run/"+prefix+"cluster.lock", func() { c.progress("waiting for another up or down") })
}

// marker marks a state directory. down removes no directory without it.
const marker = "kubectl-checklist-cluster"

// up brings the cluster up, whatever state it is in. It builds what the cache does not
// have, starts stopped nodes, and makes a half-made or outdated cluster again.
func (c *Cluster) up(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("expected root, found uid %d: the cluster is made of namespaces and mounts", os.Geteuid())
	}
	for _, tool := range []string{"runc", "ip", "nsenter", "/bin/busybox", "/usr/lib/cni/bridge"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s was not found: run deps first (Debian packages of hack/deps.sh)", tool)
		}
	}
	entry, err := c.build(ctx)
	if err != nil {
		return err
	}
	unlock, err := c.lockCluster()
	if err != nil {
		return err
	}
	defer unlock()

	bin := filepath.Join(entry, "bin")
	running, err := c.binDir()
	_, whole := os.Stat(c.path("complete"))
	fresh := err != nil || running != bin || whole != nil || !networkExists()
	if fresh {
		if err := c.tearDown(); err != nil {
			return err
		}
		if err := c.lay(ctx, bin); err != nil {
			return err
		}
	}
	if err := c.startAll(ctx); err != nil {
		return err
	}
	if err := writeAtomically(c.path("complete"), []byte("up has finished once\n"), 0o644); err != nil {
		return err
	}
	c.progress("cluster is up: %s, nodes %s", kubernetesVersion, strings.Join(nodeNames(), " "))
	return nil
}

func nodeNames() []string {
	var names []string
	for _, n := range nodes {
		names = append(names, n.Name)
	}
	return names
}

// lay writes the state of a new cluster: nothing runs yet.
func (c *Cluster) lay(ctx context.Context, bin string) error {
	if err := os.MkdirAll(c.State, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(c.path(marker), []byte("state of the test cluster of kubectl-checklist; hack/cluster down removes it\n"), 0o644); err != nil {
		return err
	}
	if err := os.Symlink(bin, c.path("components")); err != nil {
		return err
	}
	// Nodes run this program from the state: go run removes its own copy.
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return err
	}
	if err := writeAtomically(c.path("cluster"), self, 0o755); err != nil {
		return err
	}
	if err := createNetwork(ctx); err != nil {
		return err
	}
	cp := controlPlane()
	kubelets, err := layControlPlane(c.upper(cp), cp)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if err := c.layRoot(n, kubelets[n.Name]); err != nil {
			return err
		}
	}
	admin, err := os.ReadFile(c.upper(cp, etcKubernetes, "admin.conf"))
	if err != nil {
		return err
	}
	return os.WriteFile(c.kubeconfig(), admin, 0o600)
}

// startAll starts every node that is not running and waits until all are Ready.
func (c *Cluster) startAll(ctx context.Context) error {
	var wg sync.WaitGroup
	errs := make([]error, len(nodes))
	for i, n := range nodes {
		wg.Go(func() {
			errs[i] = c.startNode(ctx, n)
			if errs[i] == nil {
				c.progress("node %s: containerd runs, images are there", n.Name)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return c.waitReady(ctx)
}

// waitReady waits until the API server and every node are Ready, and adds what kubeadm
// adds to a control plane node.
func (c *Cluster) waitReady(ctx context.Context) error {
	cp := controlPlane()
	if err := waitFor(ctx, 90*time.Second, "the API server", func() error { return c.ready(ctx) }); err != nil {
		return fmt.Errorf("%w\nlogs: %s", err, c.upper(cp, "var/log"))
	}
	c.progress("API server: ready")
	err := waitFor(ctx, 30*time.Second, "node "+cp.Name+" to register", func() error {
		_, err := c.kubectl(ctx, "", "label", "--overwrite", "node", cp.Name,
			"node-role.kubernetes.io/control-plane=", "node.kubernetes.io/exclude-from-external-load-balancers=")
		return err
	})
	if err != nil {
		return err
	}
	if _, err := c.kubectl(ctx, kubeadmObjects(cp), "apply", "-f", "-"); err != nil {
		return err
	}
	for _, n := range nodes {
		if err := c.waitNode(ctx, n); err != nil {
			return err
		}
		c.progress("node %s: Ready", n.Name)
	}
	err = waitFor(ctx, 60*time.Second, "the mirror pods of the control plane", func() error {
		out, err := c.kubectl(ctx, "", "get", "pods", "-n", "kube-system", "-l", "tier=control-plane", "-o",
			`jsonpath={range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status} {end}`)
		if err != nil {
			return err
		}
		for _, pod := range staticPods(cp) {
			if want := pod.name + "-" + cp.Name + "=True"; !slices.Contains(strings.Fields(out), want) {
				return fmt.Errorf("expected %s among %q", want, out)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.progress("control plane: four static pods are Ready")
	return waitFor(ctx, 30*time.Second, "the default service account", func() error {
		_, err := c.kubectl(ctx, "", "get", "serviceaccount", "default")
		return err
	})
}

// waitNode waits until the node is Ready and its kubelet has renewed its status. A node
// that was just lost still looks Ready during the grace period.
func (c *Cluster) waitNode(ctx context.Context, n Node) error {
	begun := time.Now()
	err := waitFor(ctx, 90*time.Second, "node "+n.Name+" to be Ready", func() error {
		out, err := c.kubectl(ctx, "", "get", "node", n.Name, "-o",
			`jsonpath={.status.conditions[?(@.type=="Ready")].status} {.status.conditions[?(@.type=="Ready")].lastHeartbeatTime} {.spec.taints[*].key}`)
		if err != nil {
			return err
		}
		fields := strings.Fields(out)
		if len(fields) < 2 || fields[0] != "True" || strings.Contains(out, "node.kubernetes.io/") {
			return fmt.Errorf("status Ready, heartbeat, taints: %q", out)
		}
		if pid, err := c.processNamed(n, "kubelet"); err != nil {
			return err
		} else if heartbeat, err := time.Parse(time.RFC3339, fields[1]); err != nil {
			return err
		} else if started, err := startTime(pid); err != nil {
			return err
		} else if heartbeat.Before(started.Truncate(time.Second)) {
			return fmt.Errorf("last heartbeat %s, before the kubelet started", fields[1])
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w\nwaited %.0fs; logs: %s", err, time.Since(begun).Seconds(), c.upper(n, "var/log"))
	}
	return nil
}

// down removes the cluster, or what is left of it. The cache stays.
func (c *Cluster) down() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("expected root, found uid %d", os.Geteuid())
	}
	unlock, err := c.lockCluster()
	if err != nil {
		return err
	}
	defer unlock()
	return c.tearDown()
}

// tearDown finds everything by its name, because the state may be gone or wrong.
func (c *Cluster) tearDown() error {
	var inits []int
	for _, n := range nodes {
		if pid, err := c.nodePID(n); err == nil {
			inits = append(inits, pid)
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
	if err := killCgroups(prefix + "*"); err != nil {
		return err
	}
	if err := killInNetns(); err != nil {
		return err
	}
	if err := removeCgroups(prefix + "*"); err != nil {
		return err
	}
	if err := removeNetwork(); err != nil {
		return err
	}
	if err := unmountBelow(c.State); err != nil {
		return err
	}
	// They are dead, and the machine's process 1 takes a moment to reap them. If it
	// never does, we cannot fix that.
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if !slices.ContainsFunc(inits, func(pid int) bool { return unix.Kill(pid, 0) == nil }) {
			break
		}
	}
	return c.removeState()
}

// killInNetns kills what still runs in the cluster's network namespaces: clients
// and registries that tests started there and left.
func killInNetns() error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		pids, err := processesInNetns()
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v in the cluster's network namespaces survived SIGKILL for 10 s", pids)
		}
		for _, pid := range pids {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("killing process %d: %w", pid, err)
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func processesInNetns() ([]int, error) {
	files, err := filepath.Glob(filepath.Join(netnsDir, prefix+"*"))
	if err != nil {
		return nil, err
	}
	type inode struct{ dev, ino uint64 }
	ours := map[inode]bool{}
	for _, file := range files {
		var fsStat unix.Statfs_t
		var st unix.Stat_t
		// A file that is not a namespace is a mount point whose mount is gone.
		if unix.Statfs(file, &fsStat) == nil && fsStat.Type == unix.NSFS_MAGIC && unix.Stat(file, &st) == nil {
			ours[inode{st.Dev, st.Ino}] = true
		}
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		var st unix.Stat_t
		if unix.Stat(filepath.Join("/proc", e.Name(), "ns", "net"), &st) == nil && ours[inode{st.Dev, st.Ino}] && !isZombie(pid) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

func removeNetwork() error {
	files, err := filepath.Glob(filepath.Join(netnsDir, prefix+"*"))
	if err != nil {
		return err
	}
	for _, file := range files {
		for {
			err := unix.Unmount(file, unix.MNT_DETACH)
			if errors.Is(err, unix.EINVAL) { // not, or no longer, a mount point
				break
			}
			if err != nil {
				return fmt.Errorf("unmounting %s: %w", file, err)
			}
		}
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	// Interfaces end with their namespaces. An interface in the machine's own
	// namespace is left from an interrupted creation.
	links, err := filepath.Glob("/sys/class/net/" + prefix + "*")
	if err != nil {
		return err
	}
	for _, link := range links {
		if err := ip(context.Background(), "", "link del "+filepath.Base(link)); err != nil {
			return err
		}
	}
	return nil
}

// mountsBelow lists this process's mount points at or below dir, deepest last.
// The mount point is field 5 of mountinfo, with octal escapes (proc(5)).
func mountsBelow(dir string) ([]string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var found []string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 {
			continue
		}
		if at := unescape.Replace(fields[4]); at == dir || strings.HasPrefix(at, dir+"/") {
			found = append(found, at)
		}
	}
	sort.Strings(found)
	return found, lines.Err()
}

func unmountBelow(dir string) error {
	found, err := mountsBelow(dir)
	if err != nil {
		return err
	}
	for i := len(found) - 1; i >= 0; i-- {
		if err := unix.Unmount(found[i], unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("unmounting %s: %w", found[i], err)
		}
	}
	return nil
}

// removeState removes the state directory. If a mount were left below it, this would
// remove the machine's own files, so it checks again.
func (c *Cluster) removeState() error {
	entries, err := os.ReadDir(c.State)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(c.path(marker)); err != nil && len(entries) > 0 {
		return fmt.Errorf("state directory %s: expected the file %s in it, or an empty directory, found other files; it stays", c.State, marker)
	}
	left, err := mountsBelow(c.State)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("state directory %s: mounts are left below it, so it stays: %v", c.State, left)
	}
	// The marker is removed last, so that an interrupted removal can continue.
	for _, e := range entries {
		if e.Name() != marker {
			if err := os.RemoveAll(c.path(e.Name())); err != nil {
				return err
			}
		}
	}
	return os.RemoveAll(c.State)
}
