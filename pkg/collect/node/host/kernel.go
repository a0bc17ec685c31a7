package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// maxKernels bounds the kernels and module directories that are looked at.
const maxKernels = 256

// readKernels reads the running kernel from /proc and the installed ones from
// their images and the package database. found is false if neither running nor
// installed kernels were read.
func readKernels(ctx context.Context, root, proc *rootfs.Root) (running *fact.RunningKernel, installed []fact.InstalledKernel, found bool, gaps []fact.NodeGap) {
	if proc == nil {
		gaps = append(gaps, fact.NodeGap{What: fact.Kernel, Reason: fact.Unreadable, Detail: "/proc was not opened"})
	} else if k, err := runningKernel(proc); err != nil {
		gaps = append(gaps, gapOf(fact.Kernel, err))
	} else {
		running = &k
	}
	if root == nil {
		gaps = append(gaps, fact.NodeGap{What: fact.Kernel, Reason: fact.Unreadable, Detail: "the node's root was not opened: no installed kernels"})
		return running, nil, running != nil, gaps
	}
	if running != nil {
		var gap *fact.NodeGap
		running.ModulesPresent, gap = modulesPresent(root, running.Release)
		if gap != nil {
			gaps = append(gaps, *gap)
		}
		running.Livepatch = livepatches(root)
	}

	installed, imageGaps := kernelImages(root)
	gaps = append(gaps, imageGaps...)
	packaged, err := packages.Kernels(ctx, root)
	if err != nil {
		gaps = append(gaps, gapOf(fact.Kernel, err))
	}
	installed, nameless := withRelease(installed, packaged)
	gaps = append(gaps, nameless...)
	// /boot may be unmounted, or hold the image of one kernel among several: what
	// the package database has counts too.
	for _, p := range packaged {
		known := func(k fact.InstalledKernel) bool { return k.Release == p.Release }
		if len(installed) < maxKernels && !slices.ContainsFunc(installed, known) {
			installed = append(installed, fact.InstalledKernel{Release: p.Release, Path: p.Path})
		}
	}
	for i := range installed {
		for _, p := range packaged {
			if p.Release == installed[i].Release {
				installed[i].Package, installed[i].PackageVersion = rootfs.Text(p.Package), rootfs.Text(p.PackageVersion)
				installed[i].Since = p.Since
			}
		}
		k := &installed[i]
		k.Release, k.Build, k.Path = rootfs.Text(k.Release), rootfs.Text(k.Build), rootfs.Text(k.Path)
	}
	sorted.Func(installed, func(a, b fact.InstalledKernel) int {
		return strings.Compare(a.Release+"\x00"+a.Path, b.Release+"\x00"+b.Path)
	})
	if len(installed) == 0 && len(imageGaps) == 0 && err == nil {
		gaps = append(gaps, fact.NodeGap{
			What: fact.Kernel, Reason: fact.NotPresent,
			Detail: "no installed kernel was found in /boot, in /usr/lib/modules or in a supported package database",
		})
	}
	return running, installed, running != nil || len(installed) > 0, gaps
}

// withRelease takes out the images whose release nobody knows: they have no x86 header
// and a name such as vmlinuz-lts (Alpine) or vmlinuz-linux (Arch). The packages know
// their release; where no package is of that name, a gap says that there is a kernel of
// an unknown release.
func withRelease(images, packaged []fact.InstalledKernel) (kept []fact.InstalledKernel, gaps []fact.NodeGap) {
	for _, k := range images {
		if k.Release != "" && '0' <= k.Release[0] && k.Release[0] <= '9' {
			kept = append(kept, k)
			continue
		}
		name := k.Release
		is := func(p fact.InstalledKernel) bool {
			return p.Package == name || strings.TrimPrefix(p.Package, "linux-") == name
		}
		if !slices.ContainsFunc(packaged, is) {
			gaps = append(gaps, fact.NodeGap{What: fact.Kernel, Reason: fact.Unsupported, Detail: rootfs.Text(k.Path + ": neither its name nor a boot header of x86 has a kernel release")})
		}
	}
	return kept, gaps
}

// snapshotGap says that updates are where nobody can see them: transactional-update
// (MicroOS, SLE Micro) installs them into a snapshot of the root file system, with
// its own /boot and database, which the next boot mounts.
func snapshotGap(root *rootfs.Root, os fact.OSRelease) []fact.NodeGap {
	if root == nil {
		return nil
	}
	found := false
	for _, word := range append(strings.Fields(os.IDLike), os.ID) {
		found = found || word == "sle-micro" || word == "sl-micro" || strings.HasSuffix(word, "microos") || strings.HasSuffix(word, "leap-micro")
	}
	if !found {
		_, err := root.Stat("/usr/sbin/transactional-update")
		found = err == nil
	}
	if !found {
		return nil
	}
	return []fact.NodeGap{{
		What: fact.Kernel, Reason: fact.Unsupported,
		Detail: "transactional-update installs kernels into a snapshot that is mounted by the next boot only: newer ones cannot be seen",
	}}
}

// runningKernel reads /proc/sys/kernel/osrelease and /proc/version, "Linux
// version RELEASE (who@where) (compiler) #BUILD".
func runningKernel(proc *rootfs.Root) (fact.RunningKernel, error) {
	data, err := proc.ReadFile("/sys/kernel/osrelease", maxSmallFile)
	if err != nil {
		return fact.RunningKernel{}, err
	}
	k := fact.RunningKernel{Release: strings.TrimSpace(string(data))}
	if k.Release == "" {
		return fact.RunningKernel{}, errors.New("/proc/sys/kernel/osrelease: expected a kernel release, found nothing")
	}
	data, err = proc.ReadFile("/version", maxSmallFile)
	if err != nil {
		return fact.RunningKernel{}, err
	}
	text, _ := strings.CutPrefix(string(data), "Linux version ")
	release, build, err := splitKernelVersion(text)
	if err != nil {
		return fact.RunningKernel{}, fmt.Errorf("/proc/version: %w", err)
	}
	// The two differ under a personality(2) of UNAME26. Then the build would be
	// taken for another kernel's.
	if release == k.Release {
		k.Build = rootfs.Text(build)
	}
	k.Release = rootfs.Text(k.Release)
	return k, nil
}

// modulesPresent looks for /lib/modules/RELEASE; nil if it could not look.
func modulesPresent(root *rootfs.Root, release string) (*bool, *fact.NodeGap) {
	if strings.Contains(release, "/") || release == "." || release == ".." {
		return nil, &fact.NodeGap{What: fact.Kernel, Reason: fact.Corrupt, Detail: fmt.Sprintf("kernel release %q is not a file name", release)}
	}
	present := true
	for _, dir := range []string{"/lib/modules/", "/usr/lib/modules/"} {
		info, err := root.Stat(dir + release)
		switch {
		case err == nil && info.Mode.IsDir():
			return &present, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			gap := gapOf(fact.Kernel, err)
			return nil, &gap
		}
	}
	present = false
	return &present, nil
}

// livepatches names the live patches that are enabled
// (Documentation/livepatch: /sys/kernel/livepatch/NAME/enabled).
func livepatches(root *rootfs.Root) []string {
	const dir = "/sys/kernel/livepatch"
	entries, err := root.ReadDir(dir)
	if err != nil {
		return nil // the kernel has no live patching
	}
	var names []string
	for _, e := range entries {
		is := func(file, want string) bool {
			data, err := root.ReadFile(dir+"/"+e.Name+"/"+file, maxSmallFile)
			return err == nil && strings.TrimSpace(string(data)) == want
		}
		// While a patch is in transition, some tasks still run the old code.
		if is("enabled", "1") && !is("transition", "1") && len(names) < maxKernels {
			names = append(names, rootfs.Text(e.Name))
		}
	}
	return names
}

// kernelImages reads the images in /boot and, as Fedora and Arch have them, in
// /usr/lib/modules, and unified kernel images of the EFI partition. An image that is found in both places is listed once.
func kernelImages(root *rootfs.Root) ([]fact.InstalledKernel, []fact.NodeGap) {
	var paths []string
	var gaps []fact.NodeGap
	list := func(dir string, path func(rootfs.DirEntry) string) {
		entries, err := root.ReadDir(dir)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				gaps = append(gaps, gapOf(fact.Kernel, err))
			}
			return
		}
		for _, e := range entries {
			p := path(e)
			if p == "" {
				continue
			}
			if len(paths) == maxKernels {
				gaps = append(gaps, fact.NodeGap{What: fact.Kernel, Reason: fact.Truncated, Detail: fmt.Sprintf("%s: more than %d kernels", dir, maxKernels)})
				return
			}
			paths = append(paths, p)
		}
	}
	list("/boot", func(e rootfs.DirEntry) string {
		// vmlinuz-0-rescue-ID is dracut's copy of some kernel, for emergencies, and
		// vmlinuz-RELEASE.old what "make install" of a kernel has replaced.
		if !strings.HasPrefix(e.Name, "vmlinuz-") || strings.HasPrefix(e.Name, "vmlinuz-0-rescue-") || strings.HasSuffix(e.Name, ".old") {
			return ""
		}
		return "/boot/" + e.Name
	})
	list("/usr/lib/modules", func(e rootfs.DirEntry) string { return "/usr/lib/modules/" + e.Name + "/vmlinuz" })
	bootGaps := gaps
	for _, dir := range ukiDirs {
		list(dir, func(e rootfs.DirEntry) string {
			if !strings.HasSuffix(strings.ToLower(e.Name), ".efi") {
				return ""
			}
			return dir + "/" + e.Name
		})
	}
	if len(paths) > 0 {
		// The EFI partition is mounted on demand on many hosts, and has a kernel only
		// where /boot has none.
		gaps = bootGaps
	}

	var kernels []fact.InstalledKernel
	for _, path := range paths {
		kernel, err := kernelImage(root, path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			gap := gapOf(fact.Kernel, fmt.Errorf("%s: %w", path, err))
			gaps = append(gaps, gap)
			continue
		}
		known := func(k fact.InstalledKernel) bool { return k.Release == kernel.Release && k.Build == kernel.Build }
		if !slices.ContainsFunc(kernels, known) {
			kernels = append(kernels, kernel)
		}
	}
	return kernels, gaps
}

// kernelImage reads one image. If it is not an x86 image, the release is the
// one in its path, and the build is unknown.
func kernelImage(root *rootfs.Root, path string) (fact.InstalledKernel, error) {
	file, err := root.Open(path)
	if err != nil {
		return fact.InstalledKernel{}, err
	}
	defer file.Close()
	kernel := fact.InstalledKernel{Path: path}
	if slices.Contains(ukiDirs, path[:strings.LastIndexByte(path, '/')]) {
		kernel.Release, err = parseUKI(file)
		return kernel, err
	}
	kernel.Release, kernel.Build, err = parseBzImage(file)
	if errors.Is(err, errNotBzImage) {
		name, inBoot := strings.CutPrefix(path, "/boot/vmlinuz-")
		if !inBoot {
			name = strings.TrimSuffix(strings.TrimPrefix(path, "/usr/lib/modules/"), "/vmlinuz")
		}
		kernel.Release, err = name, nil
	}
	return kernel, err
}
