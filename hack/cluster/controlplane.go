package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// clientEnv returns the environment of commands that talk to the cluster: the real
// kubectl first in PATH, the administrator's kubeconfig, and the client certificate for
// etcdctl.
func (c *Cluster) clientEnv() ([]string, error) {
	bin, err := c.binDir()
	if err != nil {
		return nil, err
	}
	pki := c.upper(controlPlane(), pkiDir, "etcd")
	set := map[string]string{
		"PATH":              bin + ":" + os.Getenv("PATH"),
		"KUBECONFIG":        c.kubeconfig(),
		"ETCDCTL_ENDPOINTS": "https://" + controlPlane().IP + ":2379",
		"ETCDCTL_CACERT":    filepath.Join(pki, "ca.crt"),
		"ETCDCTL_CERT":      filepath.Join(pki, "healthcheck-client.crt"),
		"ETCDCTL_KEY":       filepath.Join(pki, "healthcheck-client.key"),
	}
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if _, ok := set[name]; !ok {
			env = append(env, kv)
		}
	}
	for name, value := range set {
		env = append(env, name+"="+value)
	}
	return env, nil
}

// client runs a command in the bridge's network namespace and returns what it
// printed. stderr is part of the error.
func (c *Cluster) client(ctx context.Context, stdin io.Reader, argv ...string) (string, error) {
	env, err := c.clientEnv()
	if err != nil {
		return "", err
	}
	bin, err := c.binDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(bin, argv[0])
	cmd := exec.CommandContext(ctx, path, argv[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, stdin, &stdout, &stderr
	if err := inNetns(bridgeNetns, cmd.Start); err != nil {
		return "", err
	}
	if err := cmd.Wait(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, tail(stderr.String(), 5))
	}
	return stdout.String(), nil
}

func (c *Cluster) kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	return c.client(ctx, strings.NewReader(stdin), append([]string{"kubectl", "--request-timeout=10s"}, args...)...)
}

func (c *Cluster) ready(ctx context.Context) error {
	out, err := c.kubectl(ctx, "", "get", "--raw=/readyz")
	if err == nil && out != "ok" {
		err = fmt.Errorf("/readyz: expected ok, found %q", out)
	}
	return err
}

// processNamed returns the machine's pid of the node's process that runs the
// named program.
func (c *Cluster) processNamed(n Node, name string) (int, error) {
	pids, err := processesIn(n.netns())
	if err != nil {
		return 0, err
	}
	for _, pid := range pids {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil || isZombie(pid) {
			continue
		}
		program, _, _ := strings.Cut(string(data), "\x00")
		if filepath.Base(program) == name {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("node %s runs no %s", n.Name, name)
}

// encrypt replaces the API server's EncryptionConfiguration and restarts the server
// quickly: after SIGKILL the kubelet starts it again. It returns when a new process
// answers that it is ready. If the server refuses the configuration, the error has the
// server's text, and the earlier configuration is restored.
func (c *Cluster) encrypt(ctx context.Context, config []byte) error {
	cp := controlPlane()
	if !bytes.Contains(config, []byte("EncryptionConfiguration")) {
		return errors.New("expected kind EncryptionConfiguration, found none in the file")
	}
	var earlier bytes.Buffer
	if err := c.inNode(ctx, cp, nil, &earlier, "cat", encryptionFile); err != nil {
		return err
	}
	err := c.restartWith(ctx, config)
	if err == nil {
		return nil
	}
	if back := c.restartWith(ctx, earlier.Bytes()); back != nil {
		return errors.Join(err, fmt.Errorf("putting the earlier configuration back: %w", back))
	}
	return fmt.Errorf("%w\nthe earlier configuration is back", err)
}

func (c *Cluster) restartWith(ctx context.Context, config []byte) error {
	cp := controlPlane()
	if err := c.put(ctx, cp, bytes.NewReader(config), 0o600, encryptionFile); err != nil {
		return err
	}
	old, err := c.processNamed(cp, "kube-apiserver")
	if err == nil {
		if err := unix.Kill(old, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("killing the API server, process %d: %w", old, err)
		}
	}
	// A server that refuses its configuration ends at once, and is started again.
	started := map[int]bool{}
	err = waitFor(ctx, 60*time.Second, "a new API server", func() error {
		pid, err := c.processNamed(cp, "kube-apiserver")
		if err != nil {
			return err
		}
		if pid == old {
			return fmt.Errorf("process %d still runs", old)
		}
		if started[pid] = true; len(started) > 3 {
			return permanent{errors.New("the API server ended three times")}
		}
		if err := c.ready(ctx); err != nil {
			return err
		}
		// It is ready, and still the process that was seen before that.
		if again, err := c.processNamed(cp, "kube-apiserver"); err != nil || again != pid {
			return errors.New("the API server ended again")
		}
		return nil
	})
	if err != nil {
		var log bytes.Buffer
		_ = c.inNode(ctx, cp, nil, &log, "sh", "-c", "tail -q -n 3 /var/log/pods/kube-system_kube-apiserver-*/kube-apiserver/*.log")
		return fmt.Errorf("%w\n%s", err, tail(log.String(), 6))
	}
	return nil
}

// settle schedules a pod onto every node, waits until all are Ready, and removes them.
// After that, the scheduler and every kubelet watch the API server again.
func (c *Cluster) settle(ctx context.Context) error {
	var pods strings.Builder
	for _, n := range nodes {
		fmt.Fprintf(&pods, `apiVersion: v1
kind: Pod
metadata: {name: %ssettle-%s, namespace: default, labels: {app: %[1]ssettle}}
spec:
  nodeSelector: {kubernetes.io/hostname: %[2]s}
  tolerations: [{operator: Exists}]
  terminationGracePeriodSeconds: 0
  containers:
  - {name: pause, image: %[3]s, imagePullPolicy: Never}
---
`, prefix, n.Name, pauseImage)
	}
	if _, err := c.kubectl(ctx, pods.String(), "apply", "-f", "-"); err != nil {
		return err
	}
	// A request may last as long as the wait: no --request-timeout here.
	_, err := c.client(ctx, nil, "kubectl", "wait", "-n", "default", "--for=condition=Ready", "pod", "-l", "app="+prefix+"settle", "--timeout=120s")
	_, removed := c.client(ctx, nil, "kubectl", "delete", "-n", "default", "pod", "-l", "app="+prefix+"settle", "--timeout=60s")
	return errors.Join(err, removed)
}
