// Payload stands in for the probe in the loader's tests: it tells how it was
// started, as one JSON object on stdout.
package main

import (
	"encoding/json"
	"os"
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
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"args": os.Args,
		"env":  os.Environ(),
		"open": open, // descriptors beyond the standard three
		"uid":  os.Getuid(),
	})
}
