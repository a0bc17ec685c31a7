//go:build linux && (amd64 || arm64)

package attempt

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

func itoa(n int) string { return strconv.Itoa(n) }

// reads are the reads that the probe needs.
var reads = []try{
	{name: "own-status", do: func(*env) error { return readAll("/proc/self/status") }},
	{name: "parent-status", do: func(*env) error { return readAll("/proc/" + itoa(parent()) + "/status") }},
	{name: "pid1-status", do: func(*env) error { return readAll("/proc/1/status") }},
	{name: "own-cgroup", do: func(*env) error { return readAll("/proc/self/cgroup") }},
	{name: "own-mountinfo", do: func(*env) error { return readAll("/proc/self/mountinfo") }},
	{name: "own-maps", do: func(*env) error { return readAll("/proc/self/maps") }},
	{name: "exe-readlink", do: func(*env) error { return readlink("/proc/self/exe") }},
	{name: "exe-elf-by-pread", do: func(*env) error {
		fd, err := unix.Openat(unix.AT_FDCWD, "/proc/self/exe", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		var magic [4]byte
		if _, err := unix.Pread(fd, magic[:], 0); err != nil {
			return err
		}
		if string(magic[:]) != "\x7fELF" {
			return errors.New("not-elf")
		}
		_, err = unix.Seek(fd, 0, unix.SEEK_END)
		return err
	}},
	{name: "ns-readlink", do: func(*env) error { return readlink("/proc/self/ns/user") }},
	{name: "fd-list", do: func(*env) error { return listDir("/proc/self/fd") }},
	{name: "fdinfo", do: func(e *env) error { return readAll("/proc/self/fdinfo/" + itoa(e.readable)) }},
	{name: "proc-list", do: func(*env) error { return listDir("/proc") }},
	{name: "open-path-nofollow", do: func(e *env) error {
		return made(unix.Openat(e.dirFD, "victim", unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0))
	}},
	{name: "statx", do: func(e *env) error {
		var st unix.Statx_t
		return unix.Statx(e.dirFD, "victim", unix.AT_SYMLINK_NOFOLLOW|unix.AT_STATX_DONT_SYNC, unix.STATX_BASIC_STATS, &st)
	}},
	{name: "fstatat", do: func(e *env) error {
		var st unix.Stat_t
		return unix.Fstatat(e.dirFD, "victim", &st, unix.AT_SYMLINK_NOFOLLOW)
	}},
	{name: "fstat", do: func(e *env) error { return unix.Fstat(e.readable, new(unix.Stat_t)) }},
	{name: "file-capabilities", do: func(e *env) error {
		// The victim has none: that answer comes from the file system, not the lock.
		_, err := unix.Fgetxattr(e.readable, capability, make([]byte, 24))
		if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) {
			return nil
		}
		return err
	}},
	{name: "file", do: func(e *env) error { return readAll(e.victim) }},
	{name: "fifo-does-not-block", do: func(e *env) error {
		return made(unix.Openat(e.dirFD, "fifo", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0))
	}},
	{name: "root-list", do: func(e *env) error { return listDir(e.root) }},
	{name: "root-etc", do: func(e *env) error { return listDir(filepath.Join(e.root, "etc")) }},
	{name: "root-passwd", do: func(e *env) error { return readAll(filepath.Join(e.root, "etc/passwd")) }},
}

func readAll(path string) error {
	fd, err := unix.Openat(unix.AT_FDCWD, path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	buf := make([]byte, 4096)
	total := 0
	for {
		n, err := unix.Read(fd, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		total += n
	}
	if total == 0 {
		return errors.New("nothing-read")
	}
	return nil
}

func readlink(path string) error {
	buf := make([]byte, 4096)
	_, err := unix.Readlinkat(unix.AT_FDCWD, path, buf)
	return err
}

func listDir(path string) error {
	_, err := names(path)
	return err
}

func names(path string) ([]string, error) {
	fd, err := unix.Openat(unix.AT_FDCWD, path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var out []string
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.Getdents(fd, buf)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return out, nil
		}
		_, _, out = unix.ParseDirent(buf[:n], -1, out)
	}
}

// stress reads /proc, so many times, while the runtime does everything that needs a system
// call: it collects garbage without a pause, starts and ends threads, runs
// timers and preempts. A call that the lock forgot shows as EPERM here, or kills
// the process.
func stress(rounds int) error {
	debug.SetGCPercent(1)
	for round := range rounds {
		var wg sync.WaitGroup
		errs := make(chan error, 16)
		for range 6 {
			wg.Go(func() {
				// A goroutine that ends with its thread locked ends the thread.
				runtime.LockOSThread()
				time.Sleep(time.Millisecond)
			})
		}
		for range 2 {
			wg.Go(func() {
				pids, err := names("/proc")
				if err != nil {
					errs <- err
					return
				}
				for _, pid := range pids {
					if pid[0] < '1' || pid[0] > '9' {
						continue
					}
					err := readAll("/proc/" + pid + "/status")
					if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ESRCH) {
						errs <- fmt.Errorf("status: %w", err)
						return
					}
				}
			})
		}
		wg.Go(func() {
			var out bytes.Buffer
			zip := gzip.NewWriter(&out)
			_, _ = zip.Write(make([]byte, 1<<20))
			_ = zip.Close()
		})
		ticker := time.NewTicker(200 * time.Microsecond)
		for range 5 {
			<-ticker.C
		}
		ticker.Stop()
		// A loop without calls is ended by a signal: tgkill.
		wg.Go(func() {
			for i := range 20_000_000 {
				if i < 0 {
					return
				}
			}
		})
		runtime.GC()
		if round%8 == 0 {
			debug.FreeOSMemory()
		}
		wg.Wait()
		select {
		case err := <-errs:
			return err
		default:
		}
	}
	return nil
}
