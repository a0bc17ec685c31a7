package apt

import (
	"context"
	"fmt"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/unpack"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Kernels finds linux-image-RELEASE in dpkg's status file.
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
			return kernels, nil
		}
		name := string(st.Package.value)
		if release := kernelRelease(name); release != "" && isInstalled(st.Status.value) {
			kernels = append(kernels, fact.InstalledKernel{Release: release, Path: dpkgStatus, Package: name, PackageVersion: string(st.Version.value)})
		}
	}
}

// kernelRelease returns what a kernel package installs, by its name:
// "linux-image-6.1.0-56-amd64" and "linux-image-unsigned-5.15.0-91-generic"
// give the release. Metapackages (linux-image-amd64) give "".
func kernelRelease(name string) string {
	rest, found := strings.CutPrefix(name, "linux-image-")
	if !found {
		return ""
	}
	rest = strings.TrimPrefix(rest, "unsigned-")
	if rest == "" || rest[0] < '0' || rest[0] > '9' || !strings.Contains(rest, ".") {
		return ""
	}
	if strings.HasSuffix(rest, "-dbg") || strings.HasSuffix(rest, "-dbgsym") {
		return ""
	}
	return strings.TrimSuffix(rest, "-unsigned")
}
