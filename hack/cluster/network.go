package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

const netnsDir = "/run/netns"

// createNetwork makes the bridge's network namespace, one for each node and the
// veth pairs between them. No namespace has a way out: no default route.
func createNetwork(ctx context.Context) error {
	all := []string{bridgeNetns}
	for _, n := range nodes {
		all = append(all, n.netns())
	}
	for _, ns := range all {
		if err := ip(ctx, "", "netns add "+ns); err != nil {
			return err
		}
	}
	bridge := []string{
		"link set lo up",
		"link add " + bridgeName + " type bridge",
		"addr add " + bridgeIP + "/24 dev " + bridgeName,
		"link set " + bridgeName + " up",
	}
	for _, n := range nodes {
		bridge = append(bridge,
			fmt.Sprintf("link add %s type veth peer name eth0 netns %s", n.netns(), n.netns()),
			fmt.Sprintf("link set %s master %s up", n.netns(), bridgeName),
			fmt.Sprintf("route add %s via %s", n.PodCIDR, n.IP))
	}
	if err := ip(ctx, bridgeNetns, bridge...); err != nil {
		return err
	}
	for _, n := range nodes {
		lines := []string{"link set lo up", "addr add " + n.IP + "/24 dev eth0", "link set eth0 up"}
		for _, other := range nodes {
			if other.Name != n.Name {
				lines = append(lines, "route add "+other.PodCIDR+" via "+other.IP)
			}
		}
		if err := ip(ctx, n.netns(), lines...); err != nil {
			return err
		}
		if err := inNetns(n.netns(), func() error {
			return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0)
		}); err != nil {
			return fmt.Errorf("switching on forwarding in %s: %w", n.netns(), err)
		}
	}
	return nil
}

// networkExists reports whether every namespace of the cluster exists.
func networkExists() bool {
	for _, name := range append([]string{bridgeNetns}, netnsOfNodes()...) {
		var st unix.Statfs_t
		if unix.Statfs(filepath.Join(netnsDir, name), &st) != nil || st.Type != unix.NSFS_MAGIC {
			return false
		}
	}
	return true
}

func netnsOfNodes() []string {
	var names []string
	for _, n := range nodes {
		names = append(names, n.netns())
	}
	return names
}

// ip runs lines of ip(8) commands in a network namespace, "" for this one.
func ip(ctx context.Context, netns string, lines ...string) error {
	args := []string{"-batch", "-"}
	if netns != "" {
		args = append([]string{"-netns", netns}, args...)
	}
	cmd := exec.CommandContext(ctx, "ip", args...)
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return nil
}

// inNetns runs f on a thread that has joined the network namespace, so that processes
// that f starts are in it. The thread ends afterwards.
func inNetns(name string, f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread
		if err := joinNetns(name); err != nil {
			result <- err
			return
		}
		result <- f()
	}()
	return <-result
}

func joinNetns(name string) error {
	f, err := os.Open(filepath.Join(netnsDir, name))
	if err != nil {
		if os.IsNotExist(err) {
			return errNoCluster
		}
		return err
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("joining the network namespace %s: %w", name, err)
	}
	return nil
}
