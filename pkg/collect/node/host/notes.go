package host

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/apt"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// cgroupVersion is that of the file system at /sys/fs/cgroup, as the kubelet decides:
// on a hybrid system, with version 2 below it, it is 1. It is 0 if the node's mounts
// were not read.
func cgroupVersion(mounts []procfs.MountInfo) int {
	version := 0
	for i := range mounts {
		m := &mounts[i]
		switch {
		case m.Point == "/sys/fs/cgroup" && m.FSType == "cgroup2":
			version = 2
		case m.Point == "/sys/fs/cgroup":
			version = 0 // whatever is below says more
		case version == 0 && m.FSType == "cgroup" && strings.HasPrefix(m.Point, "/sys/fs/cgroup/"):
			version = 1
		}
	}
	return version
}

// readAutomaticUpdates looks for what installs updates by itself. It is nil if a file
// that decides was not read.
func readAutomaticUpdates(root *rootfs.Root, os fact.OSRelease) *fact.AutomaticUpdates {
	if root == nil {
		return nil
	}
	n := notes{root: root}
	found := n.automaticUpdates(os)
	if n.failed {
		return nil
	}
	return found
}

// notes remembers whether something could not be looked at.
type notes struct {
	root   *rootfs.Root
	failed bool
}

// exists reports whether a file is there; a link counts, wherever it leads.
func (n *notes) exists(path string) bool {
	_, err := n.root.Lstat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		n.failed = true
	}
	return err == nil
}

// enabled finds the link by which systemd starts a unit, "" if there is none or the
// unit is masked.
func (n *notes) enabled(unit string) string {
	if n.masked(unit) {
		return ""
	}
	for _, dir := range []string{
		"/etc/systemd/system/timers.target.wants/", "/usr/lib/systemd/system/timers.target.wants/",
		"/etc/systemd/system/multi-user.target.wants/", "/usr/lib/systemd/system/multi-user.target.wants/",
	} {
		if n.exists(dir + unit) {
			return dir + unit
		}
	}
	return ""
}

// masked reports whether the administrator has masked a unit.
func (n *notes) masked(unit string) bool {
	text, err := n.root.Readlink("/etc/systemd/system/" + unit)
	return err == nil && text == "/dev/null"
}

func (n *notes) automaticUpdates(os fact.OSRelease) *fact.AutomaticUpdates {
	for _, unit := range []string{"dnf-automatic-install.timer", "dnf-automatic.timer", "dnf5-automatic.timer"} {
		path := n.enabled(unit)
		if path == "" {
			continue
		}
		const conf = "/etc/dnf/automatic.conf"
		if unit != "dnf-automatic-install.timer" && !n.applies(conf) {
			return &fact.AutomaticUpdates{Tool: "dnf-automatic", Source: conf}
		}
		return &fact.AutomaticUpdates{Tool: "dnf-automatic", Enabled: true, Source: path}
	}
	if path := n.enabled("transactional-update.timer"); path != "" {
		return &fact.AutomaticUpdates{Tool: "transactional-update", Enabled: true, Source: path}
	}
	if os.ID == "flatcar" || os.ID == "cos" {
		const unit, conf = "update-engine.service", "/etc/flatcar/update.conf"
		switch path := "/usr/lib/systemd/system/" + unit; {
		case !n.exists(path):
		case n.masked(unit):
			return &fact.AutomaticUpdates{Tool: "update-engine", Source: "/etc/systemd/system/" + unit}
		case n.line(conf, "SERVER", "disabled"):
			return &fact.AutomaticUpdates{Tool: "update-engine", Source: conf}
		default:
			return &fact.AutomaticUpdates{Tool: "update-engine", Enabled: true, Source: path}
		}
	}
	const program = "/usr/bin/unattended-upgrade"
	if !n.exists(program) {
		return &fact.AutomaticUpdates{}
	}
	enabled, path, ok := apt.Unattended(n.root)
	n.failed = n.failed || !ok
	switch timer := "apt-daily-upgrade.timer"; {
	case path == "":
		path = program
	case n.masked(timer):
		enabled, path = false, "/etc/systemd/system/"+timer
	}
	return &fact.AutomaticUpdates{Tool: "unattended-upgrades", Enabled: enabled, Source: rootfs.Text(path)}
}

// applies reports whether dnf-automatic installs what it downloads: apply_updates of
// [commands], which is no unless it is set.
func (n *notes) applies(conf string) bool {
	for _, yes := range []string{"yes", "true", "1", "on"} {
		if n.line(conf, "apply_updates", yes) {
			return true
		}
	}
	return false
}

// line reports whether a file has a line NAME = VALUE, in any case.
func (n *notes) line(path, name, value string) bool {
	data, err := n.root.ReadFile(path, maxSmallFile)
	if err != nil {
		n.failed = n.failed || !errors.Is(err, fs.ErrNotExist)
		return false
	}
	found := false
	for line := range bytes.SplitSeq(data, []byte{'\n'}) {
		key, set, ok := strings.Cut(string(line), "=")
		if ok && strings.TrimSpace(key) == name {
			found = strings.EqualFold(strings.TrimSpace(set), value) // the last one counts
		}
	}
	return found
}
