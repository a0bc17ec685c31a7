// Command odd does in a container what a measurement has to notice. Each word of the
// command line is one thing to do; "wait" then waits until it is killed.
//
//	memfd         go on from a copy of this program that only memory holds
//	thread        drop every capability of one thread
//	map=FILE      map a file executable
//	userns        go on in a user namespace of its own, as its root
//	caps=FILE     give a file the capability NET_RAW
//	wait
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	for i, word := range os.Args[1:] {
		verb, value, _ := strings.Cut(word, "=")
		rest := os.Args[i+2:]
		var err error
		switch verb {
		case "memfd":
			err = memfd(rest)
		case "thread":
			err = thread()
		case "map":
			err = mapped(value)
		case "userns":
			err = userns(rest)
		case "caps":
			err = fileCapability(value)
		case "wait":
			wait()
		default:
			err = fmt.Errorf("expected memfd, thread, map=, userns, caps= or wait")
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "odd %s: %v\n", word, err)
			os.Exit(1)
		}
	}
}

func wait() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM, syscall.SIGINT)
	<-c
}

func memfd(rest []string) error {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("odd", 0)
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), "memfd")
	if _, err := file.Write(self); err != nil {
		return err
	}
	return syscall.Exec(fmt.Sprintf("/proc/self/fd/%d", fd), append([]string{"odd"}, rest...), os.Environ())
}

func thread() error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		result <- unix.Capset(&header, &none[0])
		select {}
	}()
	return <-result
}

func mapped(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = unix.Mmap(int(file.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
	return err
}

func userns(rest []string) error {
	cmd := exec.Command("/proc/self/exe", rest...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	return cmd.Run()
}

func fileCapability(name string) error {
	const revision2, effective, netRaw = 0x02000000, 1, 1 << 13
	value := binary.LittleEndian.AppendUint32(nil, revision2|effective)
	for _, word := range []uint32{netRaw, 0, 0, 0} {
		value = binary.LittleEndian.AppendUint32(value, word)
	}
	return unix.Setxattr(name, "security.capability", value, 0)
}
