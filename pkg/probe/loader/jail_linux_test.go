package loader

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A jail starts the loader as a kubelet and a runtime would: in a mount
// namespace of its own, with a read-only root of which only the volume and the
// termination log are writable, a procfs, no_new_privs, and the probe's two
// capabilities alone.
type jail struct {
	Root      string // becomes /
	Argv, Env []string
	WorkFlags uintptr // further mount flags of OutputDir: MS_RDONLY, MS_NOEXEC
	WorkSize  string  // OutputDir is a tmpfs of this size, not Root's directory
	NoProc    bool    // /proc is an empty directory
	UID       int
	// Strict installs a seccomp filter under which a system call other than
	// the loader's seven kills. All seven are in the default profiles of
	// containerd, CRI-O and Docker.
	Strict bool
}

const jailVariable = "CHECKLIST_LOADER_TEST_JAIL"

// The test binary is the jail's first program too: started with jailVariable,
// it confines itself and becomes the loader.
func TestMain(m *testing.M) {
	if spec := os.Getenv(jailVariable); spec != "" {
		var j jail
		if err := json.Unmarshal([]byte(spec), &j); err != nil {
			fmt.Fprintln(os.Stderr, "jail:", err)
			os.Exit(1)
		}
		fmt.Fprintln(os.Stderr, "jail:", j.enter())
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// enter returns only with an error.
func (j jail) enter() error {
	runtime.LockOSThread()
	debug.SetGCPercent(-1)
	// What the test itself inherited is none of the loader's.
	if err := unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close_range: %w", err)
	}
	// So that a loader without a bound fills no disk.
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 32 << 20, Max: 32 << 20}); err != nil {
		return fmt.Errorf("setrlimit: %w", err)
	}
	if err := j.mount(); err != nil {
		return err
	}
	if err := unix.Chroot(j.Root); err != nil {
		return fmt.Errorf("chroot: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("chdir: %w", err)
	}
	if err := j.drop(); err != nil {
		return err
	}
	argv0, err := unix.BytePtrFromString(j.Argv[0])
	if err != nil {
		return err
	}
	argv, err := syscall.SlicePtrFromStrings(j.Argv)
	if err != nil {
		return err
	}
	env, err := syscall.SlicePtrFromStrings(j.Env)
	if err != nil {
		return err
	}
	if j.Strict {
		if err := onlyTheLoadersCalls(); err != nil {
			return err
		}
	}
	// syscall.Exec makes calls of its own first. ETXTBSY: a process that the test
	// has just forked still holds, until it executes, the descriptor by which the
	// program was written (go.dev/issue/22315).
	errno := unix.ETXTBSY
	for try := 0; try < 1_000_000 && errno == unix.ETXTBSY; try++ {
		_, _, errno = unix.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(argv0)),
			uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&env[0])))
	}
	return fmt.Errorf("execve %s: %w", j.Argv[0], errno)
}

func (j jail) mount() error {
	type mount struct {
		source, target, kind string
		flags                uintptr
		data                 string
	}
	work, log := filepath.Join(j.Root, OutputDir), filepath.Join(j.Root, TerminationLog)
	mounts := []mount{
		{target: "/", flags: unix.MS_REC | unix.MS_PRIVATE},
		{source: j.Root, target: j.Root, flags: unix.MS_BIND},
	}
	if _, err := os.Stat(work); err == nil {
		m := mount{source: work, target: work, flags: unix.MS_BIND}
		if j.WorkSize != "" {
			m = mount{source: "tmpfs", target: work, kind: "tmpfs", data: "mode=0777,size=" + j.WorkSize}
		}
		mounts = append(mounts, m, mount{target: work, flags: unix.MS_BIND | unix.MS_REMOUNT | j.WorkFlags})
	}
	if !j.NoProc {
		mounts = append(mounts, mount{source: "proc", target: filepath.Join(j.Root, "proc"), kind: "proc", flags: unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC})
	}
	if _, err := os.Stat(log); err == nil {
		mounts = append(mounts, mount{source: log, target: log, flags: unix.MS_BIND})
	}
	mounts = append(mounts, mount{target: j.Root, flags: unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY})
	for _, m := range mounts {
		if err := unix.Mount(m.source, m.target, m.kind, m.flags, m.data); err != nil {
			return fmt.Errorf("mounting %q at %s with %#x: %w", m.source, m.target, m.flags, err)
		}
	}
	return nil
}

func (j jail) drop() error {
	kept := uint32(1<<unix.CAP_SYS_PTRACE | 1<<unix.CAP_DAC_READ_SEARCH)
	for c := uintptr(0); c < 64; c++ {
		if c < 32 && kept&(1<<c) != 0 {
			continue
		}
		// EINVAL: beyond this kernel's last capability.
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && err != unix.EINVAL {
			return fmt.Errorf("dropping capability %d: %w", c, err)
		}
	}
	if j.UID != 0 {
		// Raw: this thread alone, as all of this.
		if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); errno != 0 {
			return fmt.Errorf("setgroups: %w", errno)
		}
		id := uintptr(j.UID)
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, id, id, id); errno != 0 {
			return fmt.Errorf("setresgid: %w", errno)
		}
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, id, id, id); errno != 0 {
			return fmt.Errorf("setresuid: %w", errno)
		}
	} else {
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		data := [2]unix.CapUserData{{Effective: kept, Permitted: kept}}
		if err := unix.Capset(&header, &data[0]); err != nil {
			return fmt.Errorf("capset: %w", err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	return nil
}

// onlyTheLoadersCalls filters this thread. rt_sigreturn is there for Go's
// runtime, which may interrupt the thread before its execve.
func onlyTheLoadersCalls() error {
	allowed := []uint32{
		unix.SYS_OPENAT, unix.SYS_READ, unix.SYS_WRITE, unix.SYS_CLOSE, unix.SYS_PRCTL, unix.SYS_EXECVE, unix.SYS_EXIT_GROUP,
		unix.SYS_RT_SIGRETURN,
	}
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}} // seccomp_data.nr
	for i, nr := range allowed {
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: uint8(len(allowed) - i), K: nr})
	}
	filter = append(filter,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_KILL_PROCESS},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if _, _, errno := unix.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program))); errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	return nil
}
