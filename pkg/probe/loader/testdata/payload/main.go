// Payload replaces the probe in the loader's tests. It reports how it was
// started, as one JSON object on stdout, and leaves a file next to itself,
// which shows that it ran.
package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
)

func main() {
	// First, before this process opens anything itself.
	var open []int
	for fd := 3; fd < 256; fd++ {
		if _, _, errno := syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0); errno == 0 {
			open = append(open, fd)
		}
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(os.Args[0]), "ran"), nil, 0o600); err != nil {
		panic(err)
	}
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		panic(err)
	}
	dumpable, _, _ := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_GET_DUMPABLE, 0, 0)
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"args":     os.Args,
		"env":      os.Environ(),
		"open":     open, // descriptors beyond the standard three
		"uid":      os.Getuid(),
		"exe":      exe,
		"dumpable": dumpable,
	})
}
