package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Limits on what is read whole. Lists and dpkg's status are streamed.
const (
	maxSmallFile = 64 << 10 // /proc files, os-release, hostname
	maxConfig    = 1 << 20  // one file of sources, preferences, apt.conf
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
		h.OS = osRelease(root)
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
		packages, packageGaps := readPackages(ctx, root, h.OS)
		h.Packages = packages
		if packages != nil {
			read = append(read, fact.Packages)
		}
		gaps = append(gaps, packageGaps...)
	}
	return h, read, gaps
}

// osRelease reads /etc/os-release, and /usr/lib/os-release where there is none
// (os-release(5)). The zero value means that neither could be read.
func osRelease(root *rootfs.Root) fact.OSRelease {
	for _, path := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		data, err := root.ReadFile(path, maxSmallFile)
		if err != nil {
			continue
		}
		os := parseOSRelease(data)
		os.Path = path
		for _, text := range []*string{&os.ID, &os.IDLike, &os.VersionID, &os.Codename, &os.PrettyName, &os.VariantID} {
			*text = rootfs.Text(*text)
		}
		return os
	}
	return fact.OSRelease{}
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
	data, err := proc.ReadFile("/stat", maxConfig)
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
			return fact.Time{}, fmt.Errorf("/proc/stat: expected seconds after btime, found %q", excerpt(text))
		}
		return fact.NewTime(time.Unix(seconds, 0)), nil
	}
	return fact.Time{}, errors.New("/proc/stat: no line btime")
}

// gapOf makes a gap of an error; where it does not say which kind it is, the
// reason is otherwise.
func gapOf(what fact.Kind, err error, otherwise fact.Reason) fact.NodeGap {
	reason := otherwise
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		reason = fact.Timeout
	case errors.Is(err, context.Canceled):
		reason = fact.Interrupted
	case errors.Is(err, fs.ErrNotExist):
		reason = fact.NotPresent
	case errors.Is(err, fs.ErrPermission):
		reason = fact.Unreadable
	case errors.Is(err, rootfs.ErrTooLarge), errors.Is(err, errTooMany), isCut(err):
		reason = fact.Truncated
	case errors.Is(err, errUnsupported):
		reason = fact.Unsupported
	}
	return fact.NodeGap{What: what, Reason: reason, Detail: rootfs.Text(err.Error())}
}
