package apt

import (
	"context"
	"fmt"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/unpack"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Kernels finds the packages that bring one kernel in dpkg's status file, by their
// names. Since when each is there is the time of its list of files, which dpkg writes
// whenever it unpacks the package.
func (Manager) Kernels(ctx context.Context, root *rootfs.Root) ([]fact.InstalledKernel, error) {
	file, err := root.Open(dpkgStatus)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var kernels []fact.InstalledKernel
	var st stanza
	scanner := newStanzaScanner(unpack.Limit(ctx, file), nil)
	for {
		ok, err := scanner.next(&st, func(name []byte) bool { return kernelRelease(string(name)) != "" })
		if err != nil {
			return kernels, fmt.Errorf("%s: %w", dpkgStatus, err)
		}
		if !ok {
			for i := range kernels {
				kernels[i].Since = unpackedAt(root, kernels[i].Package)
			}
			return kernels, nil
		}
		name := string(st.Package.value)
		if release := kernelRelease(name); release != "" && isInstalled(st.Status.value) {
			kernels = append(kernels, fact.InstalledKernel{Release: release, Path: dpkgStatus, Package: name, PackageVersion: string(st.Version.value)})
		}
	}
}

// unpackedAt is when a package was unpacked last, zero if unknown. A package that can
// be installed for several architectures at once has one in the name of the file.
func unpackedAt(root *rootfs.Root, name string) fact.Time {
	if strings.Contains(name, "/") {
		return fact.Time{}
	}
	info, err := root.Lstat("/var/lib/dpkg/info/" + name + ".list")
	if err != nil || !info.Mode.IsRegular() {
		return fact.Time{}
	}
	return fact.NewTime(info.Mtime)
}

// kernelPackages are what the names of packages start with that bring one kernel:
// Debian's and Ubuntu's, and Proxmox's (of before version 8.1, and of today).
var kernelPackages = []string{"linux-image-unsigned-", "linux-image-", "proxmox-kernel-", "pve-kernel-"}

// kernelRelease returns what a kernel package installs, by its name:
// "linux-image-6.1.0-56-amd64", "linux-image-unsigned-5.15.0-91-generic" and
// "proxmox-kernel-6.8.12-4-pve-signed" give the release. Metapackages
// (linux-image-amd64, proxmox-kernel-6.8) give "".
func kernelRelease(name string) string {
	for _, prefix := range kernelPackages {
		rest, found := strings.CutPrefix(name, prefix)
		if !found {
			continue
		}
		if rest == "" || rest[0] < '0' || rest[0] > '9' || !strings.Contains(rest, ".") {
			return ""
		}
		if !strings.HasPrefix(prefix, "linux-") && !strings.Contains(rest, "-") {
			return "" // the metapackage of a series
		}
		if strings.HasSuffix(rest, "-dbg") || strings.HasSuffix(rest, "-dbgsym") {
			return ""
		}
		return strings.TrimSuffix(strings.TrimSuffix(rest, "-unsigned"), "-signed")
	}
	return ""
}
