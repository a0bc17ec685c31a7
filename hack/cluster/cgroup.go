package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const cgroupMount = "/sys/fs/cgroup"

// hierarchies lists the roots of the machine's cgroup trees. With v1 that is one for
// each controller and, on a hybrid machine, the unified one. With v2 there is only one.
// Links (cpu,cpuacct) are left out.
func hierarchies() ([]string, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(cgroupMount, &st); err != nil {
		return nil, fmt.Errorf("reading %s: %w", cgroupMount, err)
	}
	if st.Type == unix.CGROUP2_SUPER_MAGIC {
		return []string{cgroupMount}, nil
	}
	entries, err := os.ReadDir(cgroupMount)
	if err != nil {
		return nil, err
	}
	var roots []string
	for _, e := range entries {
		dir := filepath.Join(cgroupMount, e.Name())
		if !e.IsDir() || unix.Statfs(dir, &st) != nil {
			continue
		}
		if st.Type == unix.CGROUP_SUPER_MAGIC || st.Type == unix.CGROUP2_SUPER_MAGIC {
			roots = append(roots, dir)
		}
	}
	if len(roots) == 0 {
		return nil, fmt.Errorf("%s: expected cgroup mounts, found none", cgroupMount)
	}
	return roots, nil
}

// createCgroups makes /NAME and /NAME/init in every hierarchy: the first is the
// kubelet's cgroupRoot, the second holds the node's daemons.
func createCgroups(name string) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		dir := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Join(dir, "init"), 0o755); err != nil {
			return err
		}
		if root == cgroupMount {
			if err := delegate(root, dir); err != nil {
				return err
			}
			continue
		}
		// A new v1 cpuset is empty. It refuses processes until it has CPUs.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			value, err := os.ReadFile(filepath.Join(root, file))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			for _, d := range []string{dir, filepath.Join(dir, "init")} {
				if err := os.WriteFile(filepath.Join(d, file), value, 0); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// delegate enables every controller for the node's tree, on cgroup v2.
func delegate(root, dir string) error {
	controllers, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, controller := range strings.Fields(string(controllers)) {
		for _, d := range []string{root, dir} {
			if err := os.WriteFile(filepath.Join(d, "cgroup.subtree_control"), []byte("+"+controller), 0); err != nil {
				return fmt.Errorf("switching on the controller %s below %s: %w", controller, d, err)
			}
		}
	}
	return nil
}

// joinCgroups moves the calling process to /NAME/init in every hierarchy.
func joinCgroups(name string) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		if err := os.WriteFile(filepath.Join(root, name, "init", "cgroup.procs"), []byte("0"), 0); err != nil {
			return fmt.Errorf("joining a cgroup: %w", err)
		}
	}
	return nil
}

// cgroupTrees lists the directories named /NAME in every hierarchy. name may
// hold a glob.
func cgroupTrees(name string) ([]string, error) {
	roots, err := hierarchies()
	if err != nil {
		return nil, err
	}
	var trees []string
	for _, root := range roots {
		found, err := filepath.Glob(filepath.Join(root, name))
		if err != nil {
			return nil, err
		}
		trees = append(trees, found...)
	}
	return trees, nil
}

// processesIn lists the processes in the cgroups /NAME and below, each once.
func processesIn(name string) ([]int, error) {
	trees, err := cgroupTrees(name)
	if err != nil {
		return nil, err
	}
	seen := map[int]bool{}
	var pids []int
	for _, tree := range trees {
		err := walkGone(tree, func(dir string) {
			data, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
			for _, field := range strings.Fields(string(data)) {
				if pid, err := strconv.Atoi(field); err == nil && pid > 0 && !seen[pid] {
					seen[pid] = true
					pids = append(pids, pid)
				}
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return pids, nil
}

// walkGone calls visit for dir and every directory below it. It ignores directories
// that vanish meanwhile.
func walkGone(dir string, visit func(dir string)) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
				return nil
			}
			return err
		}
		if d.IsDir() {
			visit(path)
		}
		return nil
	})
}

// killCgroups kills every process in the cgroups /NAME and below, and waits
// until they are gone.
func killCgroups(name string) error {
	deadline := time.Now().Add(20 * time.Second)
	for {
		pids, err := processesIn(name)
		if err != nil {
			return err
		}
		alive := pids[:0]
		for _, pid := range pids {
			if !isZombie(pid) {
				alive = append(alive, pid)
			}
		}
		if len(alive) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("cgroup %s: processes %v survived SIGKILL for 20 s", name, alive)
		}
		thaw(name)
		for _, pid := range alive {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("killing process %d: %w", pid, err)
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// thaw wakes frozen v1 cgroups, because SIGKILL has no effect before that.
func thaw(name string) {
	trees, _ := filepath.Glob(filepath.Join(cgroupMount, "freezer", name))
	for _, tree := range trees {
		_ = walkGone(tree, func(dir string) {
			_ = os.WriteFile(filepath.Join(dir, "freezer.state"), []byte("THAWED"), 0)
		})
	}
}

// removeCgroups removes the directories /NAME of every hierarchy. A directory stays busy
// for a moment after its last process ended.
func removeCgroups(name string) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		trees, err := cgroupTrees(name)
		if err != nil {
			return err
		}
		if len(trees) == 0 {
			return nil
		}
		var last error
		for _, tree := range trees {
			var dirs []string
			if err := walkGone(tree, func(dir string) { dirs = append(dirs, dir) }); err != nil {
				return err
			}
			for i := len(dirs) - 1; i >= 0; i-- {
				if err := unix.Rmdir(dirs[i]); err != nil && !errors.Is(err, unix.ENOENT) {
					last = fmt.Errorf("removing the cgroup %s: %w", dirs[i], err)
				}
			}
		}
		if last != nil && time.Now().After(deadline) {
			return last
		}
		if last != nil {
			time.Sleep(50 * time.Millisecond)
		}
	}
}

func isZombie(pid int) bool {
	state, _, err := processStat(pid)
	return err != nil || state == 'Z' || state == 'X'
}

// processStat reads the state and the start time (clock ticks after boot) of a
// process: fields 3 and 22 of /proc/PID/stat, proc_pid_stat(5). They are counted after
// the last parenthesis, because a name may hold parentheses.
func processStat(pid int) (state byte, start string, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, "", err
	}
	s := string(data)
	fields := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(fields) < 20 {
		return 0, "", fmt.Errorf("/proc/%d/stat: expected 52 fields", pid)
	}
	return fields[0][0], fields[19], nil
}

// startTime returns when a process started, to about a second. It adds ticks of 1/100 s
// after boot (USER_HZ) to the boot time in /proc/stat, in seconds.
func startTime(pid int) (time.Time, error) {
	_, ticks, err := processStat(pid)
	if err != nil {
		return time.Time{}, err
	}
	n, err := strconv.ParseInt(ticks, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("/proc/%d/stat: start time: %w", pid, err)
	}
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}, err
	}
	for line := range strings.Lines(string(data)) {
		var boot int64
		if _, err := fmt.Sscanf(line, "btime %d", &boot); err == nil {
			return time.Unix(boot, 0).Add(time.Duration(n) * 10 * time.Millisecond), nil
		}
	}
	return time.Time{}, errors.New("/proc/stat: expected a line btime, found none")
}
