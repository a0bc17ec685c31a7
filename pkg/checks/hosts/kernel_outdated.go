package hosts

import (
	"fmt"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/debversion"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rpmversion"
)

// KernelOutdated fails a node that does not run the newest installed kernel of
// the same flavour, or runs another build of the same release. Debian and
// Ubuntu rebuild a kernel without a new release as long as its ABI stays. Which
// release is newer is decided by the order of the node's own package manager.
// Source: /proc/sys/kernel/osrelease and /proc/version against the boot images.
var KernelOutdated = checks.Check{
	ID:       "hosts/kernel-outdated",
	Title:    "The node runs the newest installed kernel",
	Severity: api.High,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Kernel},
	Scope:    checks.ScopeNode,
	Why: "An updated kernel protects nothing until it runs. All containers of a node share the kernel, so a hole in it is " +
		"a way out of every container.",
	Remediation: "Drain the node and reboot it (kubectl drain, then reboot), or automate that, for example with kured.",
	References: []string{
		"https://kubernetes.io/docs/tasks/administer-cluster/safely-drain-node/",
		"https://kernel-team.pages.debian.net/kernel-handbook/ch-versions.html",
		"https://docs.kernel.org/arch/x86/boot.html",
	},
	Judge: judgeKernelOutdated,
}

func judgeKernelOutdated(v *checks.View) []api.Finding {
	var findings []api.Finding
	for i := range v.Nodes {
		if v.Nodes[i].Measured.HasRead(fact.Kernel) {
			findings = append(findings, judgeKernel(&v.Nodes[i]))
		}
	}
	return findings
}

func judgeKernel(node *fact.Node) api.Finding {
	f := api.Finding{Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: fact.Subject{Kind: fact.SubjectNode, Name: node.Name}}
	host := &node.Measured.Host
	running := host.Running
	if running == nil || running.Release == "" {
		f.Message = "the running kernel was not read"
		f.Evidence = []api.Evidence{{Source: checks.NodeSource(node, "/proc/sys/kernel/osrelease"), Value: "not read"}}
		return f
	}
	f.Evidence = []api.Evidence{{
		Source: checks.NodeSource(node, "/proc/version"), Value: strings.TrimSpace(running.Release + " " + running.Build),
	}}
	version, flavour := splitRelease(running.Release)
	order, compare := kernelOrder(host)
	line := lineOf(host, order)
	var newest *fact.InstalledKernel
	var same, others []*fact.InstalledKernel
	var apart *fact.InstalledKernel   // the newest of other flavours and lines
	var counted *fact.InstalledKernel // the newest of a flavour that has another number
	for i := range host.Installed {
		k := &host.Installed[i]
		v, fl := splitRelease(k.Release)
		if fl != flavour || line != "" && k.Package != "" && lineName(k.Package) != line {
			if compare != nil && compare(version, v) < 0 && (apart == nil || compare(versionOf(apart), v) < 0) {
				apart = k
			}
			if fl != flavour && withoutCounters(fl) == withoutCounters(flavour) && compare != nil && compare(version, v) < 0 &&
				(counted == nil || compare(versionOf(counted), v) < 0) {
				counted = k
			}
			continue
		}
		if newest == nil || compare != nil && compare(versionOf(newest), v) < 0 {
			newest = k
		}
		if k.Release == running.Release {
			same = append(same, k)
		} else {
			others = append(others, k)
		}
	}
	if newest == nil {
		f.Message = "no installed kernel was found to compare the running one with"
		if len(host.Installed) > 0 {
			f.Message = "no installed kernel has the flavour of the running one"
			for i := range host.Installed {
				f.Evidence = append(f.Evidence, installedEvidence(node, &host.Installed[i]))
			}
		}
		return f
	}
	if compare == nil && len(others) > 0 {
		f.Message = fmt.Sprintf("runs kernel %s, and %s is installed: it is unknown which is newer, because the node's package manager is not known",
			running.Release, others[0].Release)
		for _, k := range append(same, others...) {
			f.Evidence = append(f.Evidence, installedEvidence(node, k))
		}
		return f
	}
	f.Evidence = append(f.Evidence, installedEvidence(node, newest))
	if len(running.Livepatch) > 0 {
		f.Evidence = append(f.Evidence, api.Evidence{
			Source: checks.NodeSource(node, "/sys/kernel/livepatch"), Value: strings.Join(running.Livepatch, ", "),
		})
	}
	if running.ModulesPresent != nil && !*running.ModulesPresent {
		f.Evidence = append(f.Evidence, api.Evidence{
			Source: checks.NodeSource(node, "/lib/modules/%s", running.Release), Value: "missing: modules cannot be loaded until the reboot",
		})
	}

	fail := func(message string) api.Finding {
		f.Verdict, f.Reason, f.Message = api.Fail, "", message
		if len(running.Livepatch) > 0 {
			f.Severity = api.Medium
			f.Message += "; live patches are applied"
		}
		return f
	}
	older := func(k *fact.InstalledKernel) bool { return compare != nil && compare(version, versionOf(k)) < 0 }
	boot := nextBoot(host, flavour, compare)
	if host.NextBoot != nil {
		f.Evidence = append(f.Evidence, api.Evidence{Source: checks.NodeSource(node, "%s", host.NextBoot.Source), Value: "the next boot takes " + host.NextBoot.Release})
	}
	if older(newest) {
		message := fmt.Sprintf("runs kernel %s, but %s is installed", running.Release, newest.Release)
		if since := dueSince(host, older, others); !since.IsZero() {
			message += fmt.Sprintf("; a reboot is due since %s", since.UTC().Format(time.DateOnly))
		}
		switch {
		case boot != "" && compare(boot, versionOf(newest)) < 0:
			message += fmt.Sprintf("; the boot loader is set to %s, so a reboot alone does not change that", host.NextBoot.Release)
		case newest.NoEntry:
			message += "; the boot loader has no entry for it"
		}
		return fail(message)
	}
	if boot != "" && compare(version, boot) < 0 {
		return fail(fmt.Sprintf("runs kernel %s, but the next boot takes %s", running.Release, host.NextBoot.Release))
	}
	for _, k := range others {
		if compare != nil && compare(version, versionOf(k)) == 0 {
			f.Evidence = append(f.Evidence[:1:1], installedEvidence(node, k))
			f.Message = fmt.Sprintf("runs kernel %s, and %s is installed: their names do not say which is newer", running.Release, k.Release)
			return f
		}
	}
	if len(same) == 0 {
		// In a container that is used as a node (kind, LXC), or with a kernel that
		// somebody else provides, what is installed says nothing about it.
		f.Message = fmt.Sprintf("runs kernel %s, which is not installed and not older than any that is: nothing here says whether a newer one exists",
			running.Release)
		return f
	}
	// The newest release, but perhaps another build of it. The same release can
	// appear twice, as a boot image and in the package database.
	told := false
	for _, k := range same {
		equal, known := sameBuild(order, version, running, k)
		if known && !equal {
			f.Evidence = append(f.Evidence[:1:1], append([]api.Evidence{installedEvidence(node, k)}, f.Evidence[2:]...)...)
			return fail(fmt.Sprintf("runs another build of kernel %s than the installed one", running.Release))
		}
		told = told || known
	}
	if !told {
		f.Message = "runs the newest installed release, but it is unknown whether it is the same build"
		return f
	}
	if image := host.Image; image != nil && image.Staged != "" {
		f.Message = "runs the kernel of its image, but another image waits for a reboot, and its kernel is unknown"
		f.Evidence = append(f.Evidence, stagedEvidence(node))
		return f
	}
	if counted != nil {
		f.Message = fmt.Sprintf("runs kernel %s, and %s is installed: it is unknown whether their numbers make them two flavours, or one that was rebuilt",
			running.Release, counted.Release)
		f.Evidence = append(f.Evidence, installedEvidence(node, counted))
		return f
	}
	f.Verdict, f.Reason, f.Message = api.Pass, "", "runs the newest installed kernel"
	if apart != nil {
		f.Message += " of its flavour"
		f.Evidence = append(f.Evidence, installedEvidence(node, apart))
	}
	if boot != "" && compare(boot, version) < 0 {
		f.Message += fmt.Sprintf(", but the next boot takes the older %s", host.NextBoot.Release)
	}
	return f
}

// lineOf is the name of the package of the running kernel, "" if unknown. Amazon
// Linux has several lines of kernels side by side (kernel, kernel6.12), told apart by
// their packages alone: a new line does not replace an old one. Other package
// managers have the release in the name of the package.
func lineOf(host *fact.Host, manager string) string {
	if manager != rpm {
		return ""
	}
	for i := range host.Installed {
		if k := &host.Installed[i]; k.Release == host.Running.Release {
			return lineName(k.Package)
		}
	}
	return ""
}

// lineName is the name of a line of kernels, by one of its packages: the package with
// the image was split off (kernel-uek, then kernel-uek-core), or there are several
// (SUSE's kernel-default-base, RHEL's kernel-uki-virt).
func lineName(name string) string {
	for _, suffix := range []string{"-core", "-base", "-uki-virt"} {
		if line, found := strings.CutSuffix(name, suffix); found {
			return line
		}
	}
	return name
}

// nextBoot is the version of the kernel that the boot loader is set to, "" if it is
// unknown or cannot be compared.
func nextBoot(host *fact.Host, flavour string, compare func(a, b string) int) string {
	if host.NextBoot == nil || compare == nil {
		return ""
	}
	version, fl := splitRelease(host.NextBoot.Release)
	if fl != flavour {
		return ""
	}
	return version
}

// dueSince is when the first kernel that is newer than the running one was
// installed, zero if that is not known of each.
func dueSince(host *fact.Host, older func(*fact.InstalledKernel) bool, others []*fact.InstalledKernel) fact.Time {
	var since fact.Time
	for _, k := range others {
		switch {
		case !older(k):
		case k.Since.IsZero():
			return fact.Time{}
		case since.IsZero() || k.Since.Before(since.Time):
			since = k.Since
		}
	}
	if !since.IsZero() && since.Before(host.BootTime.Time) {
		return host.BootTime // it was not booted, although it was there
	}
	return since
}

// families are the package managers of distributions, by ID and ID_LIKE of
// os-release(5). A derivative that names one of them in ID_LIKE needs no row.
var families = map[string]string{
	"debian": apt, "ubuntu": apt,
	"fedora": rpm, "rhel": rpm, "centos": rpm, "rocky": rpm, "almalinux": rpm, "ol": rpm, "amzn": rpm,
	"suse": rpm, "opensuse": rpm, "sles": rpm, "azurelinux": rpm, "mariner": rpm, "photon": rpm, "openEuler": rpm,
	"alpine": apk, "postmarketos": apk, "arch": pacman, "archarm": pacman, "manjaro": pacman,
}

// Values of fact.PackageState.Manager.
const (
	apt    = "apt"
	rpm    = "rpm"
	apk    = "apk"
	pacman = "pacman"
)

// kernelOrder returns the package manager by whose order the node's kernels are
// compared, with its order: 5.14.0-427.el9 is older than 5.14.0-427.13.1.el9_4
// for rpm, and newer for dpkg. Both the package database and os-release say who
// it is. Where neither does, or where they differ (a Fedora with files of dpkg),
// compare is nil.
func kernelOrder(host *fact.Host) (manager string, compare func(a, b string) int) {
	for _, id := range append([]string{host.OS.ID}, strings.Fields(host.OS.IDLike)...) {
		if manager = families[id]; manager != "" {
			break
		}
	}
	if p := host.Packages; p != nil && p.Manager != "" {
		if manager != "" && manager != p.Manager {
			return "", nil
		}
		manager = p.Manager
	}
	switch manager {
	case apt:
		return manager, debversion.Compare
	case rpm:
		return manager, rpmversion.Compare
	case pacman:
		return manager, comparePacmanKernels
	case apk:
		return manager, apkKernelOrder(host)
	}
	return manager, nil
}

func versionOf(k *fact.InstalledKernel) string {
	v, _ := splitRelease(k.Release)
	return v
}

func installedEvidence(node *fact.Node, k *fact.InstalledKernel) api.Evidence {
	value := strings.TrimSpace(k.Release + " " + k.Build)
	if k.Package != "" {
		value += fmt.Sprintf(" (%s %s)", k.Package, k.PackageVersion)
	}
	return api.Evidence{Source: checks.NodeSource(node, "%s", k.Path), Value: value}
}

// sameBuild reports whether an installed kernel of the running release is the
// running build. It compares the text that both carry, else looks for the
// package's version in the running kernel's text. Rpm's kernels have the
// package's version and release as their own. Known is false where none of this
// is possible.
func sameBuild(manager, version string, running *fact.RunningKernel, k *fact.InstalledKernel) (equal, known bool) {
	if running.Build == "" {
		return false, false
	}
	// Both count: an image under an unmounted /boot is not the package's.
	equal, known = samePackage(manager, version, running, k)
	if k.Build != "" {
		equal, known = k.Build == running.Build && (equal || !known), true
	}
	return equal, known
}

// samePackage is sameBuild by the package's version alone.
func samePackage(manager, version string, running *fact.RunningKernel, k *fact.InstalledKernel) (equal, known bool) {
	switch {
	case k.PackageVersion == "":
		return false, false
	case manager == rpm:
		// SUSE leaves the last number, of the rebuild, out of the kernel's release, and
		// Azure Linux the architecture.
		full := k.PackageVersion[strings.IndexByte(k.PackageVersion, ':')+1:]
		return true, full == version || full == k.Release
	case manager == pacman || manager == apk:
		equal = packageOfKernel(manager, version, k.PackageVersion)
		return equal, equal
	}
	words := strings.Fields(running.Build)
	// "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)", Kali's, and Proxmox's
	// "#1 SMP PREEMPT_DYNAMIC PMX 6.8.12-4 (2024-11-06T15:04Z)".
	for i, word := range words {
		if (word == "Debian" || word == "Kali" || word == "PMX" || word == "PVE") && i+1 < len(words) {
			return words[i+1] == k.PackageVersion, true
		}
	}
	// "#31-Ubuntu SMP ...", "#115~20.04.1-Ubuntu SMP ...": what follows the ABI
	// in the package's version.
	if first, _, _ := strings.Cut(running.Build, " "); strings.HasSuffix(first, "-Ubuntu") {
		upload := strings.TrimSuffix(first, "-Ubuntu")
		if rest, ok := strings.CutPrefix(k.PackageVersion, version+"."); ok {
			return upload == "#"+rest, true
		}
	}
	return false, false
}
