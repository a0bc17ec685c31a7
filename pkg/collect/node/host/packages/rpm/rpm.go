// Package rpm reads what a host with rpm has installed, and what dnf, yum or zypper
// could upgrade by the metadata of repositories that they have cached.
//
// The rules are the tools' own, and tests compare with them: with dnf's "updateinfo
// list" and "check-update", with zypper's "list-patches".
//
//	database.go   what is installed
//	tool.go       which tool owns the host; repositories and their files
//	dnf.go, yum.go, zypper.go   configuration and caches of a tool
//	config.go     parsers of configuration, and patterns
//	offers.go     which packages and advisories are an update
package rpm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/rpm/rpmdb"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/sqlite"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rpmversion"
)

// Manager is rpm. It is packages.Manager.
type Manager struct{}

// Name is "rpm".
func (Manager) Name() string { return "rpm" }

// Database is where the database usually is.
func (Manager) Database() string { return "/var/lib/rpm" }

// Compare is the order of rpm-version(7).
func (Manager) Compare(a, b string) int { return rpmversion.Compare(a, b) }

// Read reads what is installed, and the caches of the enabled repositories.
func (Manager) Read(ctx context.Context, root *rootfs.Root) (*fact.PackageState, []fact.NodeGap, error) {
	db, result, err := readDatabase(ctx, root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	if err != nil && result.Packages == 0 {
		return nil, nil, rootfs.NewError(reasonOf(err), err.Error())
	}
	var gaps []fact.NodeGap
	gap := func(reason fact.Reason, detail string) {
		gaps = append(gaps, fact.NodeGap{What: fact.Packages, Reason: reason, Detail: rootfs.Text(detail)})
	}
	whole := true
	for _, err := range incomplete(result, err) {
		whole = false
		gap(reasonOf(err), err.Error())
	}
	if result.Packages == 0 && len(gaps) == 0 {
		gap(fact.Truncated, result.Path+": no installed package in it")
	}
	state := &fact.PackageState{Database: result.Path, Installed: result.Packages}
	if whole && db != nil {
		state.Set = db.set.Sum()
	}
	if db != nil && db.count > 0 {
		gaps = append(gaps, readUpdates(ctx, root, db, state)...)
	}
	return state, gaps, nil
}

// incomplete says in what a database was not read whole.
func incomplete(result rpmdb.Result, err error) []error {
	var errs []error
	if err != nil {
		errs = append(errs, err)
	}
	if result.Damaged > 0 {
		text := make([]string, len(result.Faults))
		for i, fault := range result.Faults {
			text[i] = fault.Error()
		}
		more := ""
		if result.Damaged > len(text) {
			more = fmt.Sprintf("; and %d more", result.Damaged-len(text))
		}
		errs = append(errs, rootfs.NewError(reasonOf(result.Faults[0]),
			fmt.Sprintf("%s: %d of its records could not be read: %s%s", result.Path, result.Damaged, strings.Join(text, "; "), more)))
	}
	if result.Changed {
		errs = append(errs, rootfs.NewError(fact.Changing, result.Path+": it was written each time it was read, or a transaction was interrupted"))
	}
	for _, other := range result.Others {
		errs = append(errs, rootfs.NewError(fact.Unsupported, other+": a second database of rpm, which was not read"))
	}
	return errs
}

// reasonOf is rootfs.ReasonOf with the reasons of damaged pages of SQLite.
func reasonOf(err error) fact.Reason {
	if fault := (*sqlite.Fault)(nil); errors.As(err, &fault) {
		return fault.Reason
	}
	return rootfs.ReasonOf(err)
}

// provideRelease is what a kernel's package provides, with the release that
// uname(2) gives. SUSE's and those of RHEL's family have it.
const provideRelease = "kernel-uname-r"

// Kernels finds the packages that bring a kernel.
func (Manager) Kernels(ctx context.Context, root *rootfs.Root) ([]fact.InstalledKernel, error) {
	var kernels []fact.InstalledKernel
	var guessed map[string]bool // by release: nothing but the package's name says that it is a kernel
	result, err := rpmdb.Read(ctx, root, []string{provideRelease}, func() { kernels, guessed = nil, map[string]bool{} }, func(p *rpmdb.Package) {
		add := func(release string, guess bool) {
			kernel := fact.InstalledKernel{Release: release, Package: p.Name, PackageVersion: p.EVR()}
			if p.InstallTime > 0 {
				kernel.Since = fact.NewTime(time.Unix(int64(p.InstallTime), 0))
			}
			i := slices.IndexFunc(kernels, func(k fact.InstalledKernel) bool { return k.Release == release })
			switch {
			case release == "":
			case i < 0 && len(kernels) < maxKernels:
				kernels, guessed[release] = append(kernels, kernel), guess
			case i >= 0 && guessed[release] && !guess: // kernel, a metapackage, and kernel-core
				kernels[i], guessed[release] = kernel, false
			}
		}
		for _, provide := range p.Provides {
			add(provide.Version, false)
		}
		if len(p.Provides) == 0 {
			add(releaseByName(root, p), true)
		}
	})
	for i := range kernels {
		kernels[i].Path = result.Path
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	errs := incomplete(result, err)
	if len(kernels) == maxKernels {
		errs = append(errs, fmt.Errorf("%s: %w of %d kernels", result.Path, rootfs.ErrTooLarge, maxKernels))
	}
	if len(errs) > 0 {
		return kernels, joined(errs)
	}
	return kernels, nil
}

// maxKernels bounds what Kernels returns.
const maxKernels = 256

// joined is one error of several, with the reason of the first.
func joined(errs []error) error {
	texts := make([]string, len(errs))
	for i, err := range errs {
		texts[i] = err.Error()
	}
	return rootfs.NewError(reasonOf(errs[0]), strings.Join(texts, "; "))
}

// releaseByName returns the release of a kernel whose package does not provide
// it, "" if the package is not a kernel by its name. It is one that has modules
// on the host, else that of RHEL's family.
//
//	kernel, kernel-core, kernel-uek, kernel6.12   VERSION-RELEASE.ARCH
//	kernel-rt-core, kernel-64k                    VERSION-RELEASE.ARCH+rt
//	the same, built from a source of their own    VERSION-RELEASE.ARCH, with rtN in RELEASE (RHEL 8)
//	kernel-default, kernel-azure (SUSE)           VERSION-RELEASE-default, without the rebuild's number
//	kernel, kernel-hwe, kernel-mshv (Azure Linux) VERSION-RELEASE
func releaseByName(root *rootfs.Root, p *rpmdb.Package) string {
	rest, found := strings.CutPrefix(p.Name, "kernel")
	if !found {
		return ""
	}
	rest = strings.TrimSuffix(rest, "-core")
	full := p.VersionRelease() + "." + p.Arch
	var candidates []string
	switch {
	case rest == "", rest == "-uek", rest != "" && strings.Trim(rest, "0123456789.") == "":
		candidates = []string{full, p.VersionRelease()}
	case rest == "-hwe" || rest == "-mshv":
		candidates = []string{p.VersionRelease(), full}
	case rest == "-rt" || rest == "-64k":
		candidates = []string{full + "+" + rest[1:], full}
		if strings.Contains(p.Release, ".rt") {
			candidates[0], candidates[1] = candidates[1], candidates[0]
		}
	case rest == "-default" || rest == "-azure" || rest == "-longterm":
		release := p.Release
		if i := strings.LastIndexByte(release, '.'); i > 0 {
			release = release[:i]
		}
		return p.Version + "-" + release + rest
	default:
		return ""
	}
	for _, release := range candidates {
		if strings.Contains(release, "/") {
			return ""
		}
		if info, err := root.Stat("/lib/modules/" + release); err == nil && info.Mode.IsDir() {
			return release
		}
	}
	return candidates[0]
}

// CorePackage is an installed package of which an update needs a reboot.
type CorePackage struct {
	Name  string
	Since time.Time // when this version was installed
}

// coreNames are the packages after whose update needs-restarting(1) of dnf asks for a
// reboot. Files with more names are in coreDir, one a line (*.conf, '#' comments). A
// package that provides one of the names counts too, as in dnf-plugins-core since 4.8:
// kernel6.12, kernel-uek-core and kernel-ml are kernels by what they provide only.
var coreNames = []string{
	"kernel", "kernel-core", "kernel-rt", "glibc", "linux-firmware", "systemd", "dbus", "dbus-broker", "dbus-daemon", "microcode_ctl",
}

// yumNames are more of them, by needs-restarting(1) of yum 3, which yumDir belongs to
// (CentOS 7, Amazon Linux 2).
var yumNames = []string{"udev", "openssl-libs", "gnutls"}

const yumDir = "/usr/share/yum-cli"

// coreKernels are kernels that provide none of these names: those of Azure Linux and
// of Photon OS.
var coreKernels = []string{
	"kernel-64k", "kernel-hwe", "kernel-mshv", "kernel-uvm", "linux", "linux-aws", "linux-esx", "linux-rt", "linux-secure",
}

// Where a host adds names, and limits on them.
const (
	coreDir      = "/etc/dnf/plugins/needs-restarting.d"
	maxCoreFile  = 64 << 10
	maxCoreNames = 1000
	maxCore      = 1000 // packages: kernels are installed beside each other
)

// CorePackages lists the installed core packages, and the path of the database. The
// error is fs.ErrNotExist if there is no database; with another one the list is not
// whole.
func CorePackages(ctx context.Context, root *rootfs.Root) ([]CorePackage, string, error) {
	names, err := coreNamesOf(root)
	if err != nil {
		return nil, "", err
	}
	var core []CorePackage
	provides := append([]string{provideRelease}, slices.Collect(maps.Keys(names))...)
	result, err := rpmdb.Read(ctx, root, provides, func() { core = nil }, func(p *rpmdb.Package) {
		if (names[p.Name] || len(p.Provides) > 0) && len(core) < maxCore {
			core = append(core, CorePackage{Name: p.Name, Since: time.Unix(int64(p.InstallTime), 0)})
		}
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", err
	}
	if len(core) == maxCore {
		err = errors.Join(err, fmt.Errorf("%s: %w of %d core packages", result.Path, rootfs.ErrTooLarge, maxCore))
	}
	if errs := incomplete(result, err); len(errs) > 0 {
		return core, result.Path, joined(errs)
	}
	return core, result.Path, nil
}

// coreNamesOf is coreNames with what the host adds.
func coreNamesOf(root *rootfs.Root) (map[string]bool, error) {
	names := map[string]bool{}
	for _, name := range slices.Concat(coreNames, coreKernels) {
		names[name] = true
	}
	if _, err := root.Stat(yumDir); err == nil {
		for _, name := range yumNames {
			names[name] = true
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var failed error
	err := root.Each(coreDir, func(e rootfs.DirEntry) bool {
		if !strings.HasSuffix(e.Name, ".conf") {
			return true
		}
		var data []byte
		if data, failed = root.ReadFile(coreDir+"/"+e.Name, maxCoreFile); failed != nil {
			return false
		}
		for line := range strings.Lines(string(data)) {
			if name := strings.TrimSpace(line); name != "" && name[0] != '#' {
				names[name] = true
			}
		}
		if len(names) > maxCoreNames {
			failed = fmt.Errorf("%s: %w of %d names", coreDir, rootfs.ErrTooLarge, maxCoreNames)
		}
		return failed == nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		failed = err
	}
	return names, failed
}
