package host

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Files by which something on a host asks for a reboot. Debian's and Ubuntu's
// packages write the first, with the names of packages in a file beside it
// (notify-reboot-required of update-notifier-common, unattended-upgrades); libzypp
// writes the second. The third is the first where /var/run is a directory of its own.
var rebootFiles = []string{"/run/reboot-required", "/run/reboot-needed", "/var/run/reboot-required"}

// maxRebootFile bounds the list of packages beside reboot-required, bytes.
const maxRebootFile = 64 << 10

// announcers write one of rebootFiles whenever a package needs a reboot.
var announcers = []string{
	"/usr/share/update-notifier/notify-reboot-required", // Ubuntu's packages call it from their scripts
	"/usr/lib/zypp/plugins/commit/zypp-boot-plugin",     // SUSE
}

// readReboot reads what the host says of a reboot. Where a file cannot be looked
// at, a gap says so and nothing is said about a reboot.
func readReboot(ctx context.Context, root *rootfs.Root, os fact.OSRelease, boot fact.Time) (*fact.RebootState, []fact.NodeGap) {
	if root == nil {
		return nil, nil // the kernel's own gap says so
	}
	fail := func(err error) (*fact.RebootState, []fact.NodeGap) {
		return nil, []fact.NodeGap{{What: fact.Kernel, Reason: rootfs.ReasonOf(err), Detail: rootfs.Text(err.Error())}}
	}
	state := &fact.RebootState{}
	for _, path := range rebootFiles {
		switch info, err := root.Stat(path); {
		case err == nil:
			state.Required, state.Since = path, fact.NewTime(info.Mtime)
		case !errors.Is(err, fs.ErrNotExist):
			return fail(err)
		}
		if state.Required != "" {
			break
		}
	}
	for _, path := range announcers {
		if !mounted(root, "/run") {
			break // files alone: nobody writes there while the host runs
		}
		if _, err := root.Stat(path); err == nil {
			state.Announcer = path
			break
		}
	}
	if state.Required == "" && state.Announcer == "" {
		if err := rebootByPackages(ctx, root, os, boot, state); err != nil {
			return fail(err)
		}
	}
	if !strings.HasSuffix(state.Required, "/reboot-required") {
		return state, nil
	}
	// The reason is good to know; the file above says that a reboot is due.
	data, err := root.ReadFile(state.Required+".pkgs", maxRebootFile)
	if err != nil {
		return state, nil
	}
	for name := range strings.FieldsSeq(string(data)) {
		if name = rootfs.Text(name); !slices.Contains(state.Packages, name) && len(state.Packages) < fact.MaxRebootPackages {
			state.Packages = append(state.Packages, name)
		}
	}
	slices.Sort(state.Packages)
	return state, nil
}

// rebootByPackages tells a reboot by the rule of needs-restarting(1) of RHEL's family:
// it is due if a core package was installed after the boot. Without the time of the
// boot nothing is told.
func rebootByPackages(ctx context.Context, root *rootfs.Root, os fact.OSRelease, boot fact.Time, state *fact.RebootState) error {
	if boot.IsZero() {
		return nil
	}
	core, path, err := packages.CorePackages(ctx, root, os)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(core) == 0:
		return nil // a system without any of them has a rule of its own
	}
	state.Database = rootfs.Text(path)
	for _, p := range core {
		if !p.Since.After(boot.Time) {
			continue
		}
		state.Required = state.Database
		if state.Since.IsZero() || p.Since.Before(state.Since.Time) {
			state.Since = fact.NewTime(p.Since)
		}
		if name := rootfs.Text(p.Name); !slices.Contains(state.Packages, name) && len(state.Packages) < fact.MaxRebootPackages {
			state.Packages = append(state.Packages, name)
		}
	}
	slices.Sort(state.Packages)
	return nil
}

// mounted reports whether a directory is on another device than the root.
func mounted(root *rootfs.Root, path string) bool {
	top, err := root.Stat("/")
	if err != nil {
		return false
	}
	dir, err := root.Stat(path)
	return err == nil && dir.Mode.IsDir() && dir.Dev != top.Dev
}
