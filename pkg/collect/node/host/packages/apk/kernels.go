package apk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// maxKernels bounds what Kernels returns.
const maxKernels = 256

// Kernels finds the packages linux-FLAVOUR that bring a kernel. Its release is that of
// the directory of modules that the package owns, else made of the package's version:
// linux-lts 6.6.58-r0 is 6.6.58-0-lts. /boot/vmlinuz-lts does not name it.
func (Manager) Kernels(ctx context.Context, root *rootfs.Root) ([]fact.InstalledKernel, error) {
	var kernels []fact.InstalledKernel
	path := ""
	err := eachInstalled(ctx, root, &path, func(r *record) error {
		flavour, found := strings.CutPrefix(r.name, "linux-")
		if !found || !r.kernel {
			return nil
		}
		release := byVersion(r.version, flavour)
		owned := func(dir string) bool { return strings.HasSuffix(dir, "-"+flavour) }
		if i := slices.IndexFunc(r.modules, owned); i >= 0 {
			release = r.modules[i]
		}
		if release == "" {
			return nil
		}
		if len(kernels) == maxKernels {
			return fmt.Errorf("%w of %d kernels", rootfs.ErrTooLarge, maxKernels)
		}
		kernels = append(kernels, fact.InstalledKernel{Release: release, Path: path, Package: r.name, PackageVersion: r.version})
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fs.ErrNotExist
	}
	return kernels, err
}

// byVersion is the release of a kernel by its package's version, X-rN.
func byVersion(version, flavour string) string {
	upstream, revision, found := strings.Cut(version, "-r")
	if !found {
		return ""
	}
	return upstream + "-" + revision + "-" + flavour
}
