package hosts

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// host is a set of one node with these facts of the host.
func host(h fact.Host) *fact.Set {
	set := &fact.Set{CollectedAt: ft.Time, Nodes: []fact.Node{{Name: ft.Node, Listed: true, Measured: ft.Measurement()}}}
	set.Nodes[0].Measured.Host = h
	return set
}

func TestKernelOutdated(t *testing.T) {
	const (
		version = "node/n1 /proc/version"
		debian2 = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)"
		debian1 = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.190-1 (2026-10-02)"
	)
	boot := func(release, build string) fact.InstalledKernel {
		return fact.InstalledKernel{Release: release, Build: build, Path: "/boot/vmlinuz-" + release}
	}
	packaged := func(release, version string) fact.InstalledKernel {
		return fact.InstalledKernel{Release: release, Path: "/var/lib/dpkg/status", Package: "linux-image-" + release, PackageVersion: version}
	}
	set := func(release, build string, installed ...fact.InstalledKernel) *fact.Set {
		return host(fact.Host{
			OS: fact.OSRelease{ID: "debian"}, Running: &fact.RunningKernel{Release: release, Build: build}, Installed: installed,
		})
	}
	// on is the same on another system.
	on := func(manager, id, like, release string, installed ...fact.InstalledKernel) *fact.Set {
		return ft.Edit(set(release, debian1, installed...), func(s *fact.Set) {
			h := &s.Nodes[0].Measured.Host
			h.OS = fact.OSRelease{ID: id, IDLike: like}
			if manager != "" {
				h.Packages = &fact.PackageState{Manager: manager}
			}
		})
	}
	rpmPackaged := func(release, version string) fact.InstalledKernel {
		return fact.InstalledKernel{Release: release, Path: "/var/lib/rpm/rpmdb.sqlite", Package: "kernel-core", PackageVersion: version}
	}
	line := func(name, version string) fact.InstalledKernel {
		return fact.InstalledKernel{Release: version + ".x86_64", Path: "/var/lib/rpm/rpmdb.sqlite", Package: name, PackageVersion: version}
	}
	const entry = "node/n1 /boot/loader/entries/x.conf"
	next := func(s *fact.Set, release string) *fact.Set {
		return ft.Edit(s, func(s *fact.Set) {
			s.Nodes[0].Measured.Host.NextBoot = &fact.NextBoot{Release: release, Source: "/boot/loader/entries/x.conf"}
		})
	}
	since := func(k fact.InstalledKernel, days int) fact.InstalledKernel {
		k.Since = fact.NewTime(ft.Time.AddDate(0, 0, -days))
		return k
	}
	finding := func(verdict api.Verdict, severity api.Severity, message string, evidence ...string) []api.Finding {
		f := api.Finding{Verdict: verdict, Severity: severity, Subject: ft.NodeSubject(), Message: message, Evidence: ft.Evidence(evidence...)}
		if verdict == api.VerdictUnknown {
			f.Reason = fact.NotPresent
		}
		return ft.One(f)
	}
	const newest, ofFlavour = "runs the newest installed kernel", " of its flavour"
	notInstalled := func(release string) string {
		return "runs kernel " + release + ", which is not installed and not older than any that is: nothing here says whether a newer one exists"
	}
	unordered := func(release, other string) string {
		return "runs kernel " + release + ", and " + other + " is installed: it is unknown which is newer, because the node's package manager is not known"
	}
	patched := set("6.1.0-55-amd64", debian1, boot("6.1.0-56-amd64", debian2))
	patched.Nodes[0].Measured.Host.Running.Livepatch = []string{"livepatch_1"}
	noModules := set("6.1.0-55-amd64", debian1, boot("6.1.0-56-amd64", debian2))
	noModules.Nodes[0].Measured.Host.Running.ModulesPresent = ft.Ptr(false)

	ft.Judge(t, checks.OfSet(judgeKernelOutdated), map[string]row{
		"the newest, by release and build, passes": {
			set("6.1.0-56-cloud-amd64", debian2, boot("6.1.0-55-cloud-amd64", debian1), boot("6.1.0-56-cloud-amd64", debian2)),
			finding(api.Pass, "", newest, version, "6.1.0-56-cloud-amd64 "+debian2,
				"node/n1 /boot/vmlinuz-6.1.0-56-cloud-amd64", "6.1.0-56-cloud-amd64 "+debian2),
		},
		"an older release fails": {
			set("6.1.0-9-amd64", debian1, boot("6.1.0-10-amd64", debian2), boot("6.1.0-9-amd64", debian1)),
			finding(api.Fail, "", "runs kernel 6.1.0-9-amd64, but 6.1.0-10-amd64 is installed",
				version, "6.1.0-9-amd64 "+debian1, "node/n1 /boot/vmlinuz-6.1.0-10-amd64", "6.1.0-10-amd64 "+debian2),
		},
		"the same release rebuilt fails": {
			set("6.1.0-56-amd64", debian1, boot("6.1.0-56-amd64", debian2)),
			finding(api.Fail, "", "runs another build of kernel 6.1.0-56-amd64 than the installed one",
				version, "6.1.0-56-amd64 "+debian1, "node/n1 /boot/vmlinuz-6.1.0-56-amd64", "6.1.0-56-amd64 "+debian2),
		},
		"a newer kernel of another flavour does not count": {
			set("6.1.0-55-amd64", debian1, boot("6.1.0-55-amd64", debian1), boot("6.1.0-56-cloud-amd64", debian2), boot("6.1.0-56-rt-amd64", debian2)),
			finding(api.Pass, "", newest+ofFlavour, version, "6.1.0-55-amd64 "+debian1, "node/n1 /boot/vmlinuz-6.1.0-55-amd64", "6.1.0-55-amd64 "+debian1,
				"node/n1 /boot/vmlinuz-6.1.0-56-cloud-amd64", "6.1.0-56-cloud-amd64 "+debian2),
		},
		"nothing of its flavour installed is unknown": {
			set("6.18.0", "#1 SMP", boot("6.1.0-56-amd64", debian2)),
			finding(api.VerdictUnknown, "", "no installed kernel has the flavour of the running one",
				version, "6.18.0 #1 SMP", "node/n1 /boot/vmlinuz-6.1.0-56-amd64", "6.1.0-56-amd64 "+debian2),
		},
		"nothing installed is unknown": {
			set("6.18.0", "#1 SMP"),
			finding(api.VerdictUnknown, "", "no installed kernel was found to compare the running one with", version, "6.18.0 #1 SMP"),
		},
		"a running kernel that was not read is unknown": {
			host(fact.Host{Installed: []fact.InstalledKernel{boot("6.1.0-56-amd64", debian2)}}),
			finding(api.VerdictUnknown, "", "the running kernel was not read", "node/n1 /proc/sys/kernel/osrelease", "not read"),
		},
		"a build that was not read is unknown, not a pass": {
			set("6.1.0-56-amd64", "", boot("6.1.0-56-amd64", debian2)),
			finding(api.VerdictUnknown, "", "runs the newest installed release, but it is unknown whether it is the same build",
				version, "6.1.0-56-amd64", "node/n1 /boot/vmlinuz-6.1.0-56-amd64", "6.1.0-56-amd64 "+debian2),
		},
		"live patches lower the severity": {
			patched,
			finding(api.Fail, api.Medium, "runs kernel 6.1.0-55-amd64, but 6.1.0-56-amd64 is installed; live patches are applied",
				version, "6.1.0-55-amd64 "+debian1, "node/n1 /boot/vmlinuz-6.1.0-56-amd64", "6.1.0-56-amd64 "+debian2,
				"node/n1 /sys/kernel/livepatch", "livepatch_1"),
		},
		"modules that are gone are evidence": {
			noModules,
			finding(api.Fail, "", "runs kernel 6.1.0-55-amd64, but 6.1.0-56-amd64 is installed",
				version, "6.1.0-55-amd64 "+debian1, "node/n1 /boot/vmlinuz-6.1.0-56-amd64", "6.1.0-56-amd64 "+debian2,
				"node/n1 /lib/modules/6.1.0-55-amd64", "missing: modules cannot be loaded until the reboot"),
		},
		"arm64 on Debian: the package's version is in the running text": {
			set("6.1.0-56-arm64", debian2, packaged("6.1.0-56-arm64", "6.1.192-2")),
			finding(api.Pass, "", newest, version, "6.1.0-56-arm64 "+debian2,
				"node/n1 /var/lib/dpkg/status", "6.1.0-56-arm64 (linux-image-6.1.0-56-arm64 6.1.192-2)"),
		},
		"arm64 on Debian, rebuilt, fails": {
			set("6.1.0-56-arm64", debian1, packaged("6.1.0-56-arm64", "6.1.192-2")),
			finding(api.Fail, "", "runs another build of kernel 6.1.0-56-arm64 than the installed one",
				version, "6.1.0-56-arm64 "+debian1, "node/n1 /var/lib/dpkg/status", "6.1.0-56-arm64 (linux-image-6.1.0-56-arm64 6.1.192-2)"),
		},
		"arm64 on Ubuntu: the upload's number is in the running text": {
			set("5.15.0-105-generic", "#115~20.04.1-Ubuntu SMP Mon Apr 15 17:33:04 UTC 2024", packaged("5.15.0-105-generic", "5.15.0-105.115~20.04.1")),
			finding(api.Pass, "", newest, version, "5.15.0-105-generic #115~20.04.1-Ubuntu SMP Mon Apr 15 17:33:04 UTC 2024",
				"node/n1 /var/lib/dpkg/status", "5.15.0-105-generic (linux-image-5.15.0-105-generic 5.15.0-105.115~20.04.1)"),
		},
		"arm64 on Ubuntu, rebuilt, fails": {
			set("6.8.0-31-generic", "#31-Ubuntu SMP", packaged("6.8.0-31-generic", "6.8.0-31.32")),
			finding(api.Fail, "", "runs another build of kernel 6.8.0-31-generic than the installed one", version, "6.8.0-31-generic #31-Ubuntu SMP",
				"node/n1 /var/lib/dpkg/status", "6.8.0-31-generic (linux-image-6.8.0-31-generic 6.8.0-31.32)"),
		},
		"a text that tells no build is unknown": {
			set("6.1.0-56-arm64", " ", packaged("6.1.0-56-arm64", "6.1.192-2")),
			finding(api.VerdictUnknown, "", "runs the newest installed release, but it is unknown whether it is the same build",
				version, "6.1.0-56-arm64", "node/n1 /var/lib/dpkg/status", "6.1.0-56-arm64 (linux-image-6.1.0-56-arm64 6.1.192-2)"),
		},
		"a newer kernel than any installed is unknown": {
			set("6.1.0-57-amd64", debian2, boot("6.1.0-56-amd64", debian1)),
			finding(api.VerdictUnknown, "", notInstalled("6.1.0-57-amd64"),
				version, "6.1.0-57-amd64 "+debian2, "node/n1 /boot/vmlinuz-6.1.0-56-amd64", "6.1.0-56-amd64 "+debian1),
		},
		"rpm: the first kernel of a release is older than its updates": {
			on("", "rocky", "rhel centos fedora", "5.14.0-427.el9.x86_64", boot("5.14.0-427.el9.x86_64", debian1), boot("5.14.0-427.13.1.el9_4.x86_64", debian2)),
			finding(api.Fail, "", "runs kernel 5.14.0-427.el9.x86_64, but 5.14.0-427.13.1.el9_4.x86_64 is installed", version, "5.14.0-427.el9.x86_64 "+debian1,
				"node/n1 /boot/vmlinuz-5.14.0-427.13.1.el9_4.x86_64", "5.14.0-427.13.1.el9_4.x86_64 "+debian2),
		},
		"rpm: the reverse passes": {
			on("", "rocky", "rhel centos fedora", "5.14.0-427.13.1.el9_4.x86_64", boot("5.14.0-427.13.1.el9_4.x86_64", debian1), boot("5.14.0-427.el9.x86_64", debian2)),
			finding(api.Pass, "", newest, version, "5.14.0-427.13.1.el9_4.x86_64 "+debian1,
				"node/n1 /boot/vmlinuz-5.14.0-427.13.1.el9_4.x86_64", "5.14.0-427.13.1.el9_4.x86_64 "+debian1),
		},
		"rpm by its database, where os-release is silent": {
			on("rpm", "", "", "5.14.0-427.el9.x86_64", boot("5.14.0-427.el9.x86_64", debian1), boot("5.14.0-427.13.1.el9_4.x86_64", debian2)),
			finding(api.Fail, "", "runs kernel 5.14.0-427.el9.x86_64, but 5.14.0-427.13.1.el9_4.x86_64 is installed", version, "5.14.0-427.el9.x86_64 "+debian1,
				"node/n1 /boot/vmlinuz-5.14.0-427.13.1.el9_4.x86_64", "5.14.0-427.13.1.el9_4.x86_64 "+debian2),
		},
		"rpm: a derivative that only names its parent": {
			on("", "miracle", "rhel fedora", "5.14.0-427.el9.x86_64", boot("5.14.0-427.13.1.el9_4.x86_64", debian2)),
			finding(api.Fail, "", "runs kernel 5.14.0-427.el9.x86_64, but 5.14.0-427.13.1.el9_4.x86_64 is installed", version, "5.14.0-427.el9.x86_64 "+debian1,
				"node/n1 /boot/vmlinuz-5.14.0-427.13.1.el9_4.x86_64", "5.14.0-427.13.1.el9_4.x86_64 "+debian2),
		},
		"rpm: a rebuilt kernel of SUSE": {
			on("", "sles", "suse", "5.14.21-150500.55.7-default", boot("5.14.21-150500.55.7-default", debian1), boot("5.14.21-150500.55.68-default", debian2)),
			finding(api.Fail, "", "runs kernel 5.14.21-150500.55.7-default, but 5.14.21-150500.55.68-default is installed", version, "5.14.21-150500.55.7-default "+debian1,
				"node/n1 /boot/vmlinuz-5.14.21-150500.55.68-default", "5.14.21-150500.55.68-default "+debian2),
		},
		"rpm: Oracle's own kernel does not replace Red Hat's": {
			on("", "ol", "fedora", "5.14.0-427.el9.x86_64", boot("5.14.0-427.el9.x86_64", debian1), boot("5.15.0-200.131.27.el9uek.x86_64", debian2)),
			finding(api.Pass, "", newest+ofFlavour, version, "5.14.0-427.el9.x86_64 "+debian1, "node/n1 /boot/vmlinuz-5.14.0-427.el9.x86_64", "5.14.0-427.el9.x86_64 "+debian1,
				"node/n1 /boot/vmlinuz-5.15.0-200.131.27.el9uek.x86_64", "5.15.0-200.131.27.el9uek.x86_64 "+debian2),
		},
		"rpm: the package's release is the kernel's build": {
			on("rpm", "rocky", "", "5.14.0-427.13.1.el9_4.aarch64", rpmPackaged("5.14.0-427.13.1.el9_4.aarch64", "5.14.0-427.13.1.el9_4")),
			finding(api.Pass, "", newest, version, "5.14.0-427.13.1.el9_4.aarch64 "+debian1,
				"node/n1 /var/lib/rpm/rpmdb.sqlite", "5.14.0-427.13.1.el9_4.aarch64 (kernel-core 5.14.0-427.13.1.el9_4)"),
		},
		"rpm: but not SUSE's, which lacks the number of the rebuild": {
			on("rpm", "sles", "", "5.14.21-150500.55.7-default", rpmPackaged("5.14.21-150500.55.7-default", "5.14.21-150500.55.7.1")),
			finding(api.VerdictUnknown, "", "runs the newest installed release, but it is unknown whether it is the same build", version, "5.14.21-150500.55.7-default "+debian1,
				"node/n1 /var/lib/rpm/rpmdb.sqlite", "5.14.21-150500.55.7-default (kernel-core 5.14.21-150500.55.7.1)"),
		},
		"a database and os-release that disagree give no order": {
			on("apt", "fedora", "", "6.8.5-301.fc40.x86_64", boot("6.8.5-301.fc40.x86_64", debian1), boot("6.8.5-300.fc40.x86_64", debian2)),
			finding(api.VerdictUnknown, "", unordered("6.8.5-301.fc40.x86_64", "6.8.5-300.fc40.x86_64"), version, "6.8.5-301.fc40.x86_64 "+debian1,
				"node/n1 /boot/vmlinuz-6.8.5-301.fc40.x86_64", "6.8.5-301.fc40.x86_64 "+debian1,
				"node/n1 /boot/vmlinuz-6.8.5-300.fc40.x86_64", "6.8.5-300.fc40.x86_64 "+debian2),
		},
		"an unknown system with another kernel is unknown": {
			on("", "void", "", "6.6.31-0-lts", boot("6.6.31-0-lts", debian1), boot("6.6.32-0-lts", debian2)),
			finding(api.VerdictUnknown, "", unordered("6.6.31-0-lts", "6.6.32-0-lts"), version, "6.6.31-0-lts "+debian1,
				"node/n1 /boot/vmlinuz-6.6.31-0-lts", "6.6.31-0-lts "+debian1, "node/n1 /boot/vmlinuz-6.6.32-0-lts", "6.6.32-0-lts "+debian2),
		},
		"an unknown manager with another kernel is unknown": {
			on("xbps", "void", "", "6.9.1-arch1-1", boot("6.9.2-arch1-1", debian2)),
			finding(api.VerdictUnknown, "", unordered("6.9.1-arch1-1", "6.9.2-arch1-1"), version, "6.9.1-arch1-1 "+debian1,
				"node/n1 /boot/vmlinuz-6.9.2-arch1-1", "6.9.2-arch1-1 "+debian2),
		},
		"an unknown system with one kernel, which runs, passes": {
			on("", "talos", "", "6.6.29-talos", boot("6.6.29-talos", debian1)),
			finding(api.Pass, "", newest, version, "6.6.29-talos "+debian1, "node/n1 /boot/vmlinuz-6.6.29-talos", "6.6.29-talos "+debian1),
		},
		"a release candidate is older than its release": {
			set("6.9.0-060900rc3-generic", debian1, boot("6.9.0-060900rc3-generic", debian1), boot("6.9.0-060900-generic", debian2)),
			finding(api.Fail, "", "runs kernel 6.9.0-060900rc3-generic, but 6.9.0-060900-generic is installed", version, "6.9.0-060900rc3-generic "+debian1,
				"node/n1 /boot/vmlinuz-6.9.0-060900-generic", "6.9.0-060900-generic "+debian2),
		},
		"kernels of one version by git's names have no order": {
			set("6.1.55-g1234567", debian1, boot("6.1.55-g1234567", debian1), boot("6.1.55-gfedcba9", debian2)),
			finding(api.VerdictUnknown, "", "runs kernel 6.1.55-g1234567, and 6.1.55-gfedcba9 is installed: their names do not say which is newer", version, "6.1.55-g1234567 "+debian1,
				"node/n1 /boot/vmlinuz-6.1.55-gfedcba9", "6.1.55-gfedcba9 "+debian2),
		},
		"a newer kernel whose flavour has another number is perhaps a rebuild": {
			set("6.6.1-corp9", debian1, boot("6.6.1-corp9", debian1), boot("6.6.5-corp10", debian2), boot("6.6.2-rt17", debian2)),
			finding(api.VerdictUnknown, "", "runs kernel 6.6.1-corp9, and 6.6.5-corp10 is installed: it is unknown whether their numbers make them two flavours, or one that was rebuilt",
				version, "6.6.1-corp9 "+debian1, "node/n1 /boot/vmlinuz-6.6.1-corp9", "6.6.1-corp9 "+debian1, "node/n1 /boot/vmlinuz-6.6.5-corp10", "6.6.5-corp10 "+debian2),
		},
		"versions of processors are flavours, not counters": {
			set("6.6.20+rpt-rpi-v7", debian1, boot("6.6.20+rpt-rpi-v7", debian1), boot("6.6.51+rpt-rpi-v8", debian2)),
			finding(api.Pass, "", newest+ofFlavour, version, "6.6.20+rpt-rpi-v7 "+debian1, "node/n1 /boot/vmlinuz-6.6.20+rpt-rpi-v7", "6.6.20+rpt-rpi-v7 "+debian1,
				"node/n1 /boot/vmlinuz-6.6.51+rpt-rpi-v8", "6.6.51+rpt-rpi-v8 "+debian2),
		},
		"sizes of pages too": {
			set("6.12.1-arm64-16k", debian1, boot("6.12.1-arm64-16k", debian1), boot("6.12.2-arm64-64k", debian2)),
			finding(api.Pass, "", newest+ofFlavour, version, "6.12.1-arm64-16k "+debian1, "node/n1 /boot/vmlinuz-6.12.1-arm64-16k", "6.12.1-arm64-16k "+debian1,
				"node/n1 /boot/vmlinuz-6.12.2-arm64-64k", "6.12.2-arm64-64k "+debian2),
		},
		"a counter in the middle of the flavour counts": {
			set("6.1.0-rpi4-rpi-v8", debian1, boot("6.1.0-rpi4-rpi-v8", debian1), boot("6.1.0-rpi10-rpi-v8", debian2)),
			finding(api.Fail, "", "runs kernel 6.1.0-rpi4-rpi-v8, but 6.1.0-rpi10-rpi-v8 is installed", version, "6.1.0-rpi4-rpi-v8 "+debian1,
				"node/n1 /boot/vmlinuz-6.1.0-rpi10-rpi-v8", "6.1.0-rpi10-rpi-v8 "+debian2),
		},
		"an image that runs, but whose package was replaced, fails: it is from under an unmounted /boot": {
			set("6.1.0-56-amd64", debian1, func() fact.InstalledKernel {
				k := boot("6.1.0-56-amd64", debian1)
				k.Package, k.PackageVersion = "linux-image-6.1.0-56-amd64", "6.1.192-2"
				return k
			}()),
			finding(api.Fail, "", "runs another build of kernel 6.1.0-56-amd64 than the installed one", version, "6.1.0-56-amd64 "+debian1,
				"node/n1 /boot/vmlinuz-6.1.0-56-amd64", "6.1.0-56-amd64 "+debian1+" (linux-image-6.1.0-56-amd64 6.1.192-2)"),
		},
		"Proxmox: the package's version is in the running text": {
			set("6.8.12-4-pve", "#1 SMP PREEMPT_DYNAMIC PMX 6.8.12-4 (2024-11-06T15:04Z)", packaged("6.8.12-4-pve", "6.8.12-4")),
			finding(api.Pass, "", newest, version, "6.8.12-4-pve #1 SMP PREEMPT_DYNAMIC PMX 6.8.12-4 (2024-11-06T15:04Z)",
				"node/n1 /var/lib/dpkg/status", "6.8.12-4-pve (linux-image-6.8.12-4-pve 6.8.12-4)"),
		},
		"rpm: a package of another line does not replace the running one": {
			on("rpm", "amzn", "fedora", "6.1.91-99.172.amzn2023.x86_64", line("kernel", "6.1.91-99.172.amzn2023"), line("kernel6.12", "6.12.22-27.96.amzn2023")),
			finding(api.Pass, "", newest+ofFlavour, version, "6.1.91-99.172.amzn2023.x86_64 "+debian1,
				"node/n1 /var/lib/rpm/rpmdb.sqlite", "6.1.91-99.172.amzn2023.x86_64 (kernel 6.1.91-99.172.amzn2023)",
				"node/n1 /var/lib/rpm/rpmdb.sqlite", "6.12.22-27.96.amzn2023.x86_64 (kernel6.12 6.12.22-27.96.amzn2023)"),
		},
		"rpm: a unified image is of the same line": {
			on("rpm", "rhel", "fedora", "5.14.0-427.el9.x86_64", line("kernel-uki-virt", "5.14.0-427.el9"), line("kernel-core", "5.14.0-503.el9")),
			finding(api.Fail, "", "runs kernel 5.14.0-427.el9.x86_64, but 5.14.0-503.el9.x86_64 is installed", version, "5.14.0-427.el9.x86_64 "+debian1,
				"node/n1 /var/lib/rpm/rpmdb.sqlite", "5.14.0-503.el9.x86_64 (kernel-core 5.14.0-503.el9)"),
		},
		"rpm: unless the boot loader is set to it": {
			next(on("rpm", "amzn", "fedora", "6.1.91-99.172.amzn2023.x86_64", line("kernel", "6.1.91-99.172.amzn2023"), line("kernel6.12", "6.12.22-27.96.amzn2023")),
				"6.12.22-27.96.amzn2023.x86_64"),
			finding(api.Fail, "", "runs kernel 6.1.91-99.172.amzn2023.x86_64, but the next boot takes 6.12.22-27.96.amzn2023.x86_64", version, "6.1.91-99.172.amzn2023.x86_64 "+debian1,
				"node/n1 /var/lib/rpm/rpmdb.sqlite", "6.1.91-99.172.amzn2023.x86_64 (kernel 6.1.91-99.172.amzn2023)",
				entry, "the next boot takes 6.12.22-27.96.amzn2023.x86_64"),
		},
		"a boot loader that is set to an old kernel: the reboot does not help": {
			next(on("", "rocky", "rhel", "5.14.0-427.el9.x86_64", boot("5.14.0-427.el9.x86_64", debian1), boot("5.14.0-427.13.1.el9_4.x86_64", debian2)), "5.14.0-427.el9.x86_64"),
			finding(api.Fail, "", "runs kernel 5.14.0-427.el9.x86_64, but 5.14.0-427.13.1.el9_4.x86_64 is installed; the boot loader is set to 5.14.0-427.el9.x86_64, so a reboot alone does not change that",
				version, "5.14.0-427.el9.x86_64 "+debian1, "node/n1 /boot/vmlinuz-5.14.0-427.13.1.el9_4.x86_64", "5.14.0-427.13.1.el9_4.x86_64 "+debian2,
				entry, "the next boot takes 5.14.0-427.el9.x86_64"),
		},
		"the newest runs, but the boot loader is set to an older one": {
			next(on("", "rocky", "rhel", "5.14.0-427.13.1.el9_4.x86_64", boot("5.14.0-427.el9.x86_64", debian2), boot("5.14.0-427.13.1.el9_4.x86_64", debian1)), "5.14.0-427.el9.x86_64"),
			finding(api.Pass, "", newest+", but the next boot takes the older 5.14.0-427.el9.x86_64",
				version, "5.14.0-427.13.1.el9_4.x86_64 "+debian1, "node/n1 /boot/vmlinuz-5.14.0-427.13.1.el9_4.x86_64", "5.14.0-427.13.1.el9_4.x86_64 "+debian1,
				entry, "the next boot takes 5.14.0-427.el9.x86_64"),
		},
		"a newer kernel without an entry of the boot loader is said to have none": {
			on("", "rocky", "rhel", "5.14.0-427.el9.x86_64", boot("5.14.0-427.el9.x86_64", debian1), func() fact.InstalledKernel {
				k := boot("5.14.0-427.13.1.el9_4.x86_64", debian2)
				k.NoEntry = true
				return k
			}()),
			finding(api.Fail, "", "runs kernel 5.14.0-427.el9.x86_64, but 5.14.0-427.13.1.el9_4.x86_64 is installed; the boot loader has no entry for it",
				version, "5.14.0-427.el9.x86_64 "+debian1, "node/n1 /boot/vmlinuz-5.14.0-427.13.1.el9_4.x86_64", "5.14.0-427.13.1.el9_4.x86_64 "+debian2),
		},
		"a reboot is due since the first newer kernel was installed": {
			set("6.1.0-54-amd64", debian1, since(boot("6.1.0-54-amd64", debian1), 90), since(boot("6.1.0-55-amd64", debian2), 30), since(boot("6.1.0-56-amd64", debian2), 3)),
			finding(api.Fail, "", "runs kernel 6.1.0-54-amd64, but 6.1.0-56-amd64 is installed; a reboot is due since 2026-10-25",
				version, "6.1.0-54-amd64 "+debian1, "node/n1 /boot/vmlinuz-6.1.0-56-amd64", "6.1.0-56-amd64 "+debian2),
		},
		"it is not known since when, if one of them has no date": {
			set("6.1.0-54-amd64", debian1, since(boot("6.1.0-54-amd64", debian1), 90), boot("6.1.0-55-amd64", debian2), since(boot("6.1.0-56-amd64", debian2), 3)),
			finding(api.Fail, "", "runs kernel 6.1.0-54-amd64, but 6.1.0-56-amd64 is installed",
				version, "6.1.0-54-amd64 "+debian1, "node/n1 /boot/vmlinuz-6.1.0-56-amd64", "6.1.0-56-amd64 "+debian2),
		},
		"a node whose kernel was not read gives nothing here: its gap does": {
			ft.Edit(set("6.18.0", ""), func(s *fact.Set) { s.Nodes[0].Measured.Read = nil }), nil,
		},
	})
}

func TestSplitRelease(t *testing.T) {
	for release, want := range map[string][2]string{
		"6.1.0-56-cloud-amd64":             {"6.1.0-56", "cloud-amd64"},
		"6.1.0-56-rt-amd64":                {"6.1.0-56", "rt-amd64"},
		"6.12.41+deb13-amd64":              {"6.12.41+deb13", "amd64"},
		"6.8.0-31-generic":                 {"6.8.0-31", "generic"},
		"5.14.0-427.13.1.el9_4.x86_64":     {"5.14.0-427.13.1.el9_4", "x86_64"},
		"5.14.0-427.13.1.el9_4.x86_64+rt":  {"5.14.0-427.13.1.el9_4", "x86_64 rt"},
		"5.15.0-200.131.27.el9uek.x86_64":  {"5.15.0-200.131.27.el9uek", "x86_64 uek"},
		"4.18.0-553.rt7.342.el8_10.x86_64": {"4.18.0-553.rt7.342.el8_10", "x86_64 rt"},
		"6.6.57.1-2.azl3":                  {"6.6.57.1-2", ""},
		"5.15.138.1-4.cm2":                 {"5.15.138.1-4", ""},
		"6.1.83-2.ph5":                     {"6.1.83-2", ""},
		"6.1.83-2.ph5-esx":                 {"6.1.83-2.ph5", "esx"},
		"6.1.91-99.172.amzn2023.x86_64":    {"6.1.91-99.172.amzn2023", "x86_64"},
		"5.14.21-150500.55.7-default":      {"5.14.21-150500.55.7", "default"},
		"6.6.29-talos":                     {"6.6.29", "talos"},
		"6.6.31-0-lts":                     {"6.6.31-0", "lts"},
		"6.18.0":                           {"6.18.0", ""},
		"6.9.1-arch1-1":                    {"6.9.1-arch1-1", ""},
		"6.9.0-060900rc3-generic":          {"6.9.0-060900~rc3", "generic"},
		"6.9.0-060900-generic":             {"6.9.0-060900", "generic"},
		"6.9-rc3-amd64":                    {"6.9~rc3", "amd64"},
		"6.9.0-rc3":                        {"6.9.0~rc3", ""},
		"6.9.0-rc3-1-mainline":             {"6.9.0~rc3-1", "mainline"},
		"6.9.0-0.rc3.31.fc41.x86_64":       {"6.9.0-0.rc3.31.fc41", "x86_64"},
		"6.1.0-rpi7-rpi-v8":                {"6.1.0-7", "rpi-v8"},
		"6.18.36-v8-16k+":                  {"6.18.36", "v8-16k+"},
		"6.6.31+rpt-rpi-v8":                {"6.6.31+rpt", "rpi-v8"},
		"6.6.31+rpt-rpi-2712":              {"6.6.31+rpt", "rpi-2712"},
		"6.5.0-kali3-amd64":                {"6.5.0-3", "amd64"},
		"6.16.8+kali-amd64":                {"6.16.8+kali", "amd64"},
		"4.8.5-un-def-alt1":                {"4.8.5-1", "un-def-alt"},
		"6.1.55-00123-gabcdef1-rt":         {"6.1.55-00123", "rt"},
		"6.1.55-gabcdef1":                  {"6.1.55", ""},
		"6.1.55-gaming":                    {"6.1.55", "gaming"},
		"6.6.13-gentoo":                    {"6.6.13", "gentoo"},
		"6.6.13-gentoo-r1":                 {"6.6.13-1", "gentoo"},
		"6.6.13-gentoo-r1-x86_64":          {"6.6.13-1", "gentoo-x86_64"},
		"6.7.3-x64v3-xanmod1":              {"6.7.3-1", "x64v3-xanmod"},
		"6.8.12-4-pve":                     {"6.8.12-4", "pve"},
		"5.15.0-1034-azure-fde":            {"5.15.0-1034", "azure-fde"},
		"6.8.0-31-lowlatency-64k":          {"6.8.0-31", "lowlatency-64k"},
		"6.7.4-zen1-1-zen":                 {"6.7.4-zen1-1", "zen"},
		"6.1.21-v8+":                       {"6.1.21", "v8+"},
		"":                                 {"", ""},
		"custom":                           {"custom", ""},
	} {
		version, flavour := splitRelease(release)
		if got := [2]string{version, flavour}; got != want {
			t.Errorf("%q: want %q, got %q", release, want, got)
		}
	}
}
