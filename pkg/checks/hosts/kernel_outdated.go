package hosts

import (
	"fmt"
	"strings"

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
	var newest *fact.InstalledKernel
	var same, others []*fact.InstalledKernel
	for i := range host.Installed {
		k := &host.Installed[i]
		v, fl := splitRelease(k.Release)
		if fl != flavour {
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
	if compare != nil && compare(version, versionOf(newest)) < 0 {
		return fail(fmt.Sprintf("runs kernel %s, but %s is installed", running.Release, newest.Release))
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
	f.Verdict, f.Reason, f.Message = api.Pass, "", "runs the newest installed kernel"
	return f
}

// families are the package managers of distributions, by ID and ID_LIKE of
// os-release(5). A derivative that names one of them in ID_LIKE needs no row.
var families = map[string]string{
	"debian": apt, "ubuntu": apt,
	"fedora": rpm, "rhel": rpm, "centos": rpm, "rocky": rpm, "almalinux": rpm, "ol": rpm, "amzn": rpm,
	"suse": rpm, "opensuse": rpm, "sles": rpm, "azurelinux": rpm, "mariner": rpm, "photon": rpm, "openEuler": rpm,
}

// Values of fact.PackageState.Manager.
const (
	apt = "apt"
	rpm = "rpm"
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

// splitRelease cuts a kernel release into its version and its flavour; only
// kernels of one flavour replace each other.
//
//	6.1.0-56-cloud-amd64            6.1.0-56            cloud-amd64   Debian
//	6.8.0-31-generic                6.8.0-31            generic       Ubuntu
//	5.14.0-427.13.1.el9_4.x86_64    5.14.0-427.13.1.el9_4   x86_64    rpm
//	5.15.0-200.131.27.el9uek.x86_64 5.15.0-200.131.27.el9uek   x86_64 uek   Oracle
//	4.18.0-553.rt7.342.el8_10.x86_64   4.18.0-553.rt7.342.el8_10   x86_64 rt   RHEL 8
//	6.6.29-talos                    6.6.29              talos
//	6.18.0                          6.18.0
func splitRelease(release string) (version, flavour string) {
	words := strings.Split(release, "-")
	i := len(words)
	for i > 1 && !startsWithDigit(words[i-1]) {
		i--
	}
	version, flavour = strings.Join(words[:i], "-"), strings.Join(words[i:], "-")
	if flavour == "" && i > 1 {
		// Rpm writes the architecture after the last dot: "el9_4.x86_64+rt".
		if dot := strings.LastIndexByte(version, '.'); dot >= 0 && !startsWithDigit(version[dot+1:]) {
			version, flavour = version[:dot], version[dot+1:]
			// Some flavours are named inside the version only.
			for word := range strings.SplitSeq(version, ".") {
				switch {
				case strings.HasSuffix(word, "uek"):
					flavour += " uek"
				case len(word) > 2 && word[:2] == "rt" && startsWithDigit(word[2:]):
					flavour += " rt"
				}
			}
		}
	}
	return version, flavour
}

func startsWithDigit(s string) bool { return s != "" && '0' <= s[0] && s[0] <= '9' }

// sameBuild reports whether an installed kernel of the running release is the
// running build. It compares the text that both carry, else looks for the
// package's version in the running kernel's text. Rpm's kernels have the
// package's version and release as their own. Known is false where none of this
// is possible.
func sameBuild(manager, version string, running *fact.RunningKernel, k *fact.InstalledKernel) (equal, known bool) {
	switch {
	case running.Build == "":
		return false, false
	case k.Build != "":
		return k.Build == running.Build, true
	case k.PackageVersion == "":
		return false, false
	case manager == rpm:
		// SUSE leaves the last number, of the rebuild, out of the kernel's release.
		return true, version == k.PackageVersion[strings.IndexByte(k.PackageVersion, ':')+1:]
	}
	words := strings.Fields(running.Build)
	// "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)"
	for i, word := range words {
		if word == "Debian" && i+1 < len(words) {
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
