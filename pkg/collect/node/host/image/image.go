// Package image reads the state of a system that is updated as a whole: which image
// runs, and whether another one waits for a reboot. Which images exist is known to
// nobody on the host.
package image

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/osrelease"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Bounds of what is read.
const (
	maxSmallFile   = 64 << 10 // modeenv, kairos-release
	maxStaged      = 1 << 20  // the description of a staged deployment
	maxStateroots  = 16
	maxDeployments = 64
)

// byID are systems, by ID of os-release, whose updates are not packages.
var byID = map[string]string{
	"bottlerocket": "Bottlerocket", "cos": "Container-Optimized OS", "flatcar": "Flatcar Container Linux", "k3os": "k3OS", "kairos": "Kairos",
	"rhcos": "Red Hat CoreOS", "talos": "Talos Linux", "ubuntu-core": "Ubuntu Core",
}

// Files that say of what kind a system is, or that an update waits for a reboot.
const (
	ostreeBooted  = "/run/ostree-booted"            // ostree(1), bootc
	ostreeStaged  = "/run/ostree/staged-deployment" // ostree-admin-finalize-staged
	updateEngine  = "/run/update_engine_autoupdate_completed"
	modeenv       = "/var/lib/snapd/modeenv" // Ubuntu Core 20 and later
	kairosRelease = "/etc/kairos-release"
)

// System names a system that is updated as a whole, "" if it is not.
func System(root *rootfs.Root, os fact.OSRelease) string {
	if name := byID[os.ID]; name != "" {
		return name
	}
	exists := func(path string) bool { _, err := root.Stat(path); return err == nil }
	switch {
	case os.KairosVersion != "", exists(kairosRelease):
		return "Kairos"
	case os.ID == "fedora" && os.VariantID == "coreos":
		return "Fedora CoreOS"
	case os.VariantID == "coreos" || os.VariantID == "iot" || os.VariantID == "kinoite" || os.VariantID == "silverblue" || exists(ostreeBooted):
		return strings.TrimSpace(cmp.Or(os.PrettyName, os.ID) + " (ostree)")
	}
	return ""
}

// Read reads the state; it is nil for a system that has packages. Gaps, of kinds
// fact.Kernel and fact.Packages, say that nobody could look for an update that waits.
func Read(root *rootfs.Root, os fact.OSRelease) (*fact.ImageState, []fact.NodeGap) {
	system := System(root, os)
	if system == "" {
		return nil, nil
	}
	state := &fact.ImageState{System: system, Version: version(os), Source: os.Path}
	if state.Version == "" || os.OSTreeVersion == "" && os.KairosVersion == "" && system == "Kairos" {
		if data, err := root.ReadFile(kairosRelease, maxSmallFile); err == nil {
			if v := osrelease.Value(data, "KAIROS_VERSION"); v != "" {
				state.Version, state.Source = v, kairosRelease
			}
		}
	}
	err := staged(root, os, state)
	for _, text := range []*string{&state.System, &state.Version, &state.Staged, &state.Source, &state.StagedSource} {
		*text = rootfs.Text(rootfs.Excerpt(*text))
	}
	if err != nil {
		detail := rootfs.Text(err.Error())
		return state, []fact.NodeGap{
			{What: fact.Kernel, Reason: rootfs.ReasonOf(err), Detail: detail}, {What: fact.Packages, Reason: rootfs.ReasonOf(err), Detail: detail},
		}
	}
	return state, nil
}

// version is the image's, from os-release: ostree and Kairos have a field for it,
// Container-Optimized OS and Flatcar number their builds, and Bottlerocket has
// variants.
func version(os fact.OSRelease) string {
	v := cmp.Or(os.OSTreeVersion, os.KairosVersion, os.ImageVersion, os.VersionID)
	switch {
	case v == "":
		return os.BuildID
	case os.ID == "cos" && os.BuildID != "":
		return v + "-" + os.BuildID
	case os.ID == "bottlerocket" && os.VariantID != "":
		return v + " (" + os.VariantID + ")"
	}
	return v
}

// staged looks for an update that waits for a reboot.
func staged(root *rootfs.Root, os fact.OSRelease, state *fact.ImageState) error {
	waits := func(path, what string) error {
		info, err := root.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		state.Staged, state.StagedSource, state.Since = what, path, fact.NewTime(info.Mtime)
		return nil
	}
	switch {
	case os.ID == "flatcar" || os.ID == "cos":
		return waits(updateEngine, "an update on the other partition")
	case os.ID == "ubuntu-core":
		data, err := root.ReadFile(modeenv, maxSmallFile)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if base := osrelease.Value(data, "base"); base != "" {
			state.Version = strings.TrimSpace(state.Version + " (" + base + ")")
		}
		if try := osrelease.Value(data, "try_base"); try != "" && osrelease.Value(data, "base_status") == "try" {
			return waits(modeenv, try)
		}
		return nil
	}
	if err := waits(ostreeStaged, "a deployment"); err != nil || state.Staged == "" {
		return err
	}
	// Whose version is only good to know.
	if data, err := root.ReadFile(ostreeStaged, maxStaged); err == nil {
		if checksum := checksumPattern.Find(data); checksum != nil {
			state.Staged = deployment(root, string(checksum))
		}
	}
	return nil
}

// checksumPattern is a commit of ostree. The first one in the description of a staged
// deployment, a GVariant, is that of the deployment; others follow.
var checksumPattern = regexp.MustCompile(`\b[0-9a-f]{64}\b`)

// deployment names a deployment, which is a directory already:
// /ostree/deploy/STATEROOT/deploy/CHECKSUM.SERIAL (docs of ostree, "Deployments").
func deployment(root *rootfs.Root, checksum string) string {
	found := fmt.Sprintf("deployment %.12s", checksum)
	const deploy = "/ostree/deploy"
	stateroots, err := root.ReadDir(deploy)
	if err != nil {
		return found
	}
	for _, stateroot := range stateroots[:min(len(stateroots), maxStateroots)] {
		dir := deploy + "/" + stateroot.Name + "/deploy"
		entries, err := root.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries[:min(len(entries), maxDeployments)] {
			if !e.IsDir() || !strings.HasPrefix(e.Name, checksum+".") {
				continue
			}
			sub, err := root.SubNoFollow(dir + "/" + e.Name)
			if err != nil {
				continue
			}
			v := version(osrelease.Read(sub))
			_ = sub.Close()
			if v != "" {
				return v
			}
		}
	}
	return found
}
