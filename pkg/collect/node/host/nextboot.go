package host

import (
	"bytes"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// The boot loader of RHEL's family: GRUB's environment names the saved entry, which
// is a file of the Boot Loader Specification (systemd's BOOT_LOADER_SPECIFICATION,
// type 1). Debian's and SUSE's GRUB has menus instead of entries, and takes the saved
// one only by its configuration, so nothing is said there.
const (
	grubEnvironment = "/boot/grub2/grubenv"
	entriesDir      = "/boot/loader/entries"
	maxEntries      = 256
)

// readNextBoot reads which kernel the boot loader is set to, nil if that is unknown,
// and marks the installed kernels for which the boot loader has no entry. /boot may be
// unmounted: then there is no entry, and nothing is known.
func readNextBoot(root *rootfs.Root, installed []fact.InstalledKernel) *fact.NextBoot {
	releases := bootEntries(root)
	if len(releases) == 0 {
		return nil
	}
	data, err := root.ReadFile(grubEnvironment, maxSmallFile)
	if err != nil {
		return nil // another boot loader, with rules of its own
	}
	listed := map[string]bool{}
	for _, release := range releases {
		listed[release] = true
	}
	for i := range installed {
		installed[i].NoEntry = !listed[installed[i].Release]
	}
	// next_entry is for one boot only, and comes first.
	for _, key := range []string{"next_entry", "saved_entry"} {
		if release := releases[environment(data, key)]; release != "" {
			return &fact.NextBoot{Release: rootfs.Text(release), Source: rootfs.Text(entriesDir + "/" + environment(data, key) + ".conf")}
		}
	}
	return nil
}

// environment is a variable of GRUB's environment block, "" if it is not set.
func environment(data []byte, key string) string {
	for line := range bytes.Lines(data) {
		if value, found := strings.CutPrefix(strings.TrimRight(string(line), "\n"), key+"="); found {
			return strings.TrimSuffix(value, ".conf")
		}
	}
	return ""
}

// bootEntries lists the releases of the boot loader's entries by the names of their
// files, without ".conf". Entries whose release is unknown make it empty: one of them
// may be for any kernel.
func bootEntries(root *rootfs.Root) map[string]string {
	releases := map[string]string{}
	known := true
	err := root.Each(entriesDir, func(e rootfs.DirEntry) bool {
		name, found := strings.CutSuffix(e.Name, ".conf")
		if !found {
			return true
		}
		data, err := root.ReadFile(entriesDir+"/"+e.Name, maxSmallFile)
		release := ""
		if err == nil {
			release = entryRelease(data)
		}
		if release == "" || len(releases) == maxEntries {
			known = false
			return false
		}
		releases[name] = release
		return true
	})
	if err != nil || !known {
		return nil
	}
	return releases
}

// entryRelease is the kernel's release in an entry: the one in the name of its image,
// vmlinuz-RELEASE, else its version. A version can be edited, and is only shown.
func entryRelease(data []byte) string {
	version, image := "", ""
	for line := range bytes.Lines(data) {
		key, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
		value = bytes.TrimSpace(value)
		switch string(key) {
		case "version":
			version = string(value)
		case "linux":
			path := string(value)
			image, _ = strings.CutPrefix(path[strings.LastIndexByte(path, '/')+1:], "vmlinuz-")
			if !strings.Contains(path, "vmlinuz-") {
				image = ""
			}
		}
	}
	if image != "" {
		return image
	}
	return version
}
