package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/osrelease"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Limits on what is read whole, bytes.
const (
	maxSmallFile = 64 << 10 // /proc files, os-release, hostname
	maxStat      = 1 << 20  // /proc/stat
)

// Read fills fact.Host. root is the node's root file system, proc its /proc;
// either may be nil if it could not be opened. What is always read is small:
// os-release, host name, architecture, boot time. fact.Kernel and
// fact.Packages are read where want says so, and are in read then, unless
// nothing at all was found out about them. Gaps carry no subject: the caller
// knows the node's name.
func Read(ctx context.Context, root, proc *rootfs.Root, want func(fact.Kind) bool) (h fact.Host, read []fact.Kind, gaps []fact.NodeGap) {
	h.Arch = architecture(proc)
	if proc != nil {
		if t, err := bootTime(proc); err == nil {
			h.BootTime = t
		}
	}
	if root != nil {
		h.OS = osrelease.Read(root)
		if data, err := root.ReadFile("/etc/hostname", maxSmallFile); err == nil {
			h.Hostname = hostname(data)
		}
	}
	if want(fact.Kernel) {
		running, installed, found, kernelGaps := readKernels(root, proc)
		h.Running, h.Installed = running, installed
		if found {
			read = append(read, fact.Kernel)
		}
		gaps = append(gaps, kernelGaps...)
	}
	if want(fact.Packages) {
		state, packageGaps := packages.Read(ctx, root, h.OS)
		h.Packages = state
		if state != nil {
			read = append(read, fact.Packages)
		}
		gaps = append(gaps, packageGaps...)
	}
	return h, read, gaps
}

// hostname takes the first line of /etc/hostname that is no comment. The
// kernel's own word is of no use: in a pod it is the pod's.
func hostname(data []byte) string {
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' {
			return rootfs.Text(line)
		}
	}
	return ""
}

// architecture is the running kernel's (/proc/sys/kernel/arch, since Linux
// 6.1), else the one that this program was built for.
func architecture(proc *rootfs.Root) string {
	if proc != nil {
		if data, err := proc.ReadFile("/sys/kernel/arch", maxSmallFile); err == nil {
			if arch := goArch(strings.TrimSpace(string(data))); arch != "" {
				return arch
			}
		}
	}
	return runtime.GOARCH
}

// goArch translates the machine of uname(2).
func goArch(machine string) string {
	switch machine {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	case "i386", "i486", "i586", "i686":
		return "386"
	case "ppc64le", "ppc64", "s390x", "riscv64", "mips64":
		return machine
	case "loongarch64":
		return "loong64"
	}
	if strings.HasPrefix(machine, "arm") {
		return "arm"
	}
	return ""
}

// bootTime is the line btime of /proc/stat, seconds since 1970.
func bootTime(proc *rootfs.Root) (fact.Time, error) {
	// With many CPUs and interrupts the file is long; btime comes near its end.
	data, err := proc.ReadFile("/stat", maxStat)
	if err != nil {
		return fact.Time{}, err
	}
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		text, found := bytes.CutPrefix(line, []byte("btime "))
		if !found {
			continue
		}
		seconds, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
		if err != nil {
			return fact.Time{}, fmt.Errorf("/proc/stat: expected seconds after btime, found %q", rootfs.Excerpt(text))
		}
		return fact.NewTime(time.Unix(seconds, 0)), nil
	}
	return fact.Time{}, errors.New("/proc/stat: no line btime")
}

// gapOf makes a gap of an error.
func gapOf(what fact.Kind, err error) fact.NodeGap {
	return fact.NodeGap{What: what, Reason: rootfs.ReasonOf(err), Detail: rootfs.Text(err.Error())}
}
