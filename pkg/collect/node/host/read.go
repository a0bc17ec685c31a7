package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/image"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/osrelease"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Limits on what is read whole, bytes.
const (
	maxSmallFile = 64 << 10 // /proc files, os-release, hostname
	maxStat      = 1 << 20  // /proc/stat
)

// Reader reads Kernel, CPU, Packages and Inventory, and what is always read because it is
// small: os-release, host name, architecture, boot time.
type Reader struct{}

// Kinds is nil: it always runs.
func (Reader) Kinds() []fact.Kind { return nil }

// Read reads the node's own files.
func (Reader) Read(ctx context.Context, pass *reader.Pass) {
	pass.Task(ctx, func(ctx context.Context, _ []byte) { read(ctx, pass) })
}

func read(ctx context.Context, pass *reader.Pass) {
	root, proc := pass.Root, pass.Dir
	head := header(root, proc)
	pass.Ledger.Update(func(m *fact.Measurement) {
		m.Host.Arch, m.Host.OS, m.Host.Hostname = head.Arch, head.OS, head.Hostname
		m.Host.CgroupVersion = cgroupVersion(pass.NodeMounts())
		if !head.BootTime.IsZero() {
			m.Host.BootTime = head.BootTime
		}
	})
	// settle settles a kind, unless nothing is known about it and no gap says
	// why.
	settle := func(kind fact.Kind, found bool, gaps []fact.NodeGap) {
		for _, gap := range gaps {
			pass.Ledger.Gap(gap)
		}
		switch {
		case found:
			pass.Ledger.Done(kind)
		case len(gaps) > 0:
			pass.Ledger.Missed(kind)
		}
	}
	var whole *fact.ImageState
	var wholeGaps []fact.NodeGap
	if root != nil {
		whole, wholeGaps = image.Read(root, head.OS)
		pass.Ledger.Update(func(m *fact.Measurement) { m.Host.Image = whole })
	}
	// gapsOf are those of the image that are about a kind.
	gapsOf := func(kind fact.Kind) (gaps []fact.NodeGap) {
		for _, gap := range wholeGaps {
			if gap.What == kind {
				gaps = append(gaps, gap)
			}
		}
		return gaps
	}
	if pass.Ledger.Wants(fact.Kernel) {
		running, installed, found, gaps := readKernels(ctx, root, proc)
		var next *fact.NextBoot
		if root != nil {
			next = readNextBoot(root, installed)
		}
		reboot, rebootGaps := readReboot(ctx, root, head.OS, head.BootTime)
		gaps = slices.Concat(gaps, rebootGaps, gapsOf(fact.Kernel), snapshotGap(root, head.OS))
		pass.Ledger.Update(func(m *fact.Measurement) {
			m.Host.Running, m.Host.Installed, m.Host.Reboot = running, installed, reboot
			m.Host.NextBoot = next
		})
		settle(fact.Kernel, found, gaps)
	}
	if pass.Ledger.Wants(fact.CPU) {
		state, gaps := readCPU(root, pass.Sys)
		pass.Ledger.Update(func(m *fact.Measurement) { m.Host.CPU = state })
		settle(fact.CPU, state != nil, gaps)
	}
	if pass.Ledger.Wants(fact.Packages) {
		state, gaps := packages.Read(ctx, root, head.OS)
		automatic := readAutomaticUpdates(root, head.OS)
		pass.Ledger.Update(func(m *fact.Measurement) { m.Host.Packages, m.Host.AutomaticUpdates = state, automatic })
		settle(fact.Packages, state != nil || whole != nil, append(gaps, gapsOf(fact.Packages)...))
	}
	if pass.Ledger.Wants(fact.Inventory) {
		list, gaps := packages.Inventory(ctx, root, head.OS)
		pass.Ledger.Update(func(m *fact.Measurement) { m.Host.Inventory = list })
		settle(fact.Inventory, list != nil, gaps)
	}
}

// header reads what every node has. root is its root file system, proc its
// /proc; either may be nil if it could not be opened.
func header(root, proc *rootfs.Root) (h fact.Host) {
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
	return h
}

// hostname takes the first line of /etc/hostname that is not a comment. The
// kernel's own host name is of no use: in a pod it is the pod's.
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
