package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// nodeSpec is what a node's first process gets, as JSON in its argument.
type nodeSpec struct {
	Name   string
	IP     string
	Cgroup string
	Dir    string   // the node's directory in the state: upper, work, merged, containerd, kubelet
	Init   string   // this program, on the machine
	Bin    string   // the components, on the machine
	Args   []string // further flags of the kubelet
}

// The node's first process waits for this file before it starts the kubelet:
// images are imported in between.
const imagesReady = "/run/node-init/images-ready"

// enterNode is the first step of the node's first process. It builds the node's root file
// system and mounts, changes to that root, and executes the program that stays. It runs
// as process 1 of new pid, mount, UTS and IPC namespaces, in the node's network namespace.
// A namespace dies with its process 1, so SIGKILL to that stops the whole node.
func enterNode(argument string) error {
	var spec nodeSpec
	if err := json.Unmarshal([]byte(argument), &spec); err != nil {
		return fmt.Errorf("reading the node's description: %w", err)
	}
	if os.Getpid() != 1 {
		return errors.New("expected to be process 1 of a pid namespace; start-node starts this")
	}
	if err := joinCgroups(spec.Cgroup); err != nil {
		return err
	}
	unix.Umask(0o022)
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	merged := filepath.Join(spec.Dir, "merged")
	upper := filepath.Join(spec.Dir, "upper")
	options := "lowerdir=/,upperdir=" + upper + ",workdir=" + filepath.Join(spec.Dir, "work")
	if err := unix.Mount("overlay", merged, "overlay", 0, options); err != nil {
		return fmt.Errorf("mounting the overlay at %s (%s): %w; the state directory must not be on an overlay itself: set %s", merged, options, err, stateVariable)
	}
	at := func(path string) string { return filepath.Join(merged, path) }
	type mount struct {
		source, target, kind string
		flags                uintptr
		data                 string
	}
	mounts := []mount{
		{"proc", "/proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		{"/sys", "/sys", "", unix.MS_BIND | unix.MS_REC, ""},
		{"/dev", "/dev", "", unix.MS_BIND | unix.MS_REC, ""},
		{"tmpfs", "/run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=755"},
		{filepath.Join(spec.Dir, "containerd"), "/var/lib/containerd", "", unix.MS_BIND, ""},
		{filepath.Join(spec.Dir, "kubelet"), "/var/lib/kubelet", "", unix.MS_BIND, ""},
		{spec.Init, initPath, "", unix.MS_BIND, ""},
	}
	for _, name := range daemons {
		mounts = append(mounts, mount{filepath.Join(spec.Bin, name), "/usr/bin/" + name, "", unix.MS_BIND, ""})
	}
	for _, m := range mounts {
		if err := unix.Mount(m.source, at(m.target), m.kind, m.flags, m.data); err != nil {
			return fmt.Errorf("mounting %s at %s: %w", m.source, m.target, err)
		}
		// A bind mount is made read-only by a second call.
		if m.flags == unix.MS_BIND && !strings.HasPrefix(m.target, "/var/") {
			if err := unix.Mount("", at(m.target), "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
				return fmt.Errorf("making %s read-only: %w", m.target, err)
			}
		}
	}
	// chroot is not enough: kubectl exec would run in the machine's own root.
	old := at("/run/old-root")
	if err := os.Mkdir(old, 0o700); err != nil {
		return err
	}
	if err := unix.PivotRoot(merged, old); err != nil {
		return fmt.Errorf("pivoting into %s: %w", merged, err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := unix.Unmount("/run/old-root", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("detaching the old root: %w", err)
	}
	if err := os.Remove("/run/old-root"); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("making mounts shared: %w", err)
	}
	if err := unix.Sethostname([]byte(spec.Name)); err != nil {
		return err
	}
	argv := append([]string{"node-init"}, kubeletArgs(spec)...)
	return fmt.Errorf("executing %s: %w", initPath, unix.Exec(initPath, argv, []string{"PATH=" + searchPath, "HOME=/root"}))
}

func kubeletArgs(spec nodeSpec) []string {
	return append([]string{
		"--config=/var/lib/kubelet/config.yaml",
		"--kubeconfig=/etc/kubernetes/kubelet.conf",
		"--hostname-override=" + spec.Name,
		"--node-ip=" + spec.IP,
	}, spec.Args...)
}

// runNode is the node's process 1. It starts containerd and, when the images are there,
// the kubelet. It restarts either when it ends, and reaps orphaned processes. It never
// returns.
func runNode(kubeletArgs []string) {
	children := make(chan os.Signal, 64)
	signal.Notify(children, unix.SIGCHLD)
	signal.Ignore(unix.SIGHUP, unix.SIGPIPE)
	if err := os.MkdirAll(filepath.Dir(imagesReady), 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	services := []*service{
		{argv: []string{"/usr/bin/containerd", "--config", "/etc/containerd/config.toml"}, log: "/var/log/containerd.log"},
		{argv: append([]string{"/usr/bin/kubelet"}, kubeletArgs...), log: "/var/log/kubelet.log", waitFor: imagesReady},
	}
	tick := time.NewTicker(100 * time.Millisecond)
	for {
		for _, s := range services {
			s.startIfDue()
		}
		select {
		case <-children:
		case <-tick.C:
		}
		for {
			pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
			if pid <= 0 || err != nil {
				break
			}
			for _, s := range services {
				if s.pid == pid {
					s.pid = 0
					fmt.Fprintf(os.Stderr, "%s ended, starting it again\n", s.argv[0])
				}
			}
		}
	}
}

type service struct {
	argv    []string
	log     string
	waitFor string
	pid     int
	last    time.Time
}

func (s *service) startIfDue() {
	if s.pid != 0 || time.Since(s.last) < time.Second {
		return
	}
	if s.waitFor != "" {
		if _, err := os.Stat(s.waitFor); errors.Is(err, fs.ErrNotExist) {
			return
		}
	}
	s.last = time.Now()
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer log.Close()
	cmd := exec.Command(s.argv[0], s.argv[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, "/"
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	// The loop in runNode reaps it, not cmd.Wait.
	s.pid = cmd.Process.Pid
}
