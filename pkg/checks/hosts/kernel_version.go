package hosts

import (
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/apkversion"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/pacmanversion"
)

// comparePacmanKernels orders versions of splitRelease as pacman orders those of
// packages, in which a release candidate is "6.12rc3".
func comparePacmanKernels(a, b string) int {
	return pacmanversion.Compare(strings.ReplaceAll(a, "~rc", "rc"), strings.ReplaceAll(b, "~rc", "rc"))
}

// apkKernelOrder orders the versions of a host's kernels as apk orders those of
// packages. It is nil if one of the releases has no place in that order.
func apkKernelOrder(host *fact.Host) func(a, b string) int {
	valid := func(release string) bool {
		version, _ := splitRelease(release)
		return apkversion.Valid(apkKernel(version))
	}
	for i := range host.Installed {
		if !valid(host.Installed[i].Release) {
			return nil
		}
	}
	if host.Running == nil || !valid(host.Running.Release) {
		return nil
	}
	return compareApkKernels
}

// compareApkKernels orders versions of splitRelease; 0 may mean that the order is
// unknown.
func compareApkKernels(a, b string) int {
	order, _ := apkversion.Compare(apkKernel(a), apkKernel(b))
	return order
}

// apkKernel writes a version of splitRelease as Alpine's packages do: 6.6.58-0 is
// 6.6.58-r0.
func apkKernel(version string) string {
	version = strings.Replace(version, "~rc", "_rc", 1)
	if upstream, revision, found := strings.Cut(version, "-"); found {
		version = upstream + "-r" + revision
	}
	return version
}

// packageOfKernel reports whether a kernel's version is that of its package. The
// kernels of Alpine and Arch have both numbers of the package in their release:
// 6.6.58-0-lts is linux-lts 6.6.58-r0, 6.11.5-arch1-1 is linux 6.11.5.arch1-1. Other
// packages name their kernels as they like, so that a difference says nothing.
func packageOfKernel(manager, version, packaged string) bool {
	if manager == apk {
		return apkKernel(version) == packaged
	}
	_, _, release, found := pacmanversion.Split(packaged)
	return found && strings.HasSuffix(version, "-"+release) && comparePacmanKernels(version, packaged) == 0
}
