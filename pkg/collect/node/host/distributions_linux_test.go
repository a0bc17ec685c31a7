package host

import (
	"maps"
	"strings"
	"testing"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/hosts"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
)

// distribution is a node of a distribution in two states: an update of the kernel was
// installed and the old one runs, and after the reboot.
type distribution struct {
	// source says from which public documentation the names were taken.
	source string
	system hosttest.Files
	// before and after are releases and builds of kernels, as in /proc/version.
	before, after [2]string
	// packages is the database; the update was installed some seconds after the boot.
	packages  func(update int) hosttest.Files
	unmounted bool // /boot has no images
	// asked is what asks for a reboot while the old kernel runs.
	asked hosttest.Files
	// updated and rebooted are the answers of hosts/kernel-outdated, "" for fail and
	// pass; due and done those of hosts/reboot-required.
	updated, rebooted, due, done api.Verdict
	life                         api.Verdict
	until                        string // in its message
	on                           string // the day of that, "" is today
}

// rhel is a database of RHEL's family with two kernels.
func rhel(name, before, after string) func(int) hosttest.Files {
	return func(update int) hosttest.Files {
		return rpms(glibc, systemd, kernelRPM(name, before, -5000), kernelRPM(name, after, update))
	}
}

// susePackages are two kernels of SUSE, whose packages have one number more.
func susePackages(name, before, after string) func(int) hosttest.Files {
	pkg := func(release string, at int) []byte {
		version := strings.TrimSuffix(release, "-default")
		return installed(name, version+".1.x86_64", at, "kernel-uname-r", release, "multiversion(kernel)", "", "kernel", version)
	}
	return func(update int) hosttest.Files { return rpms(glibc, pkg(before, -5000), pkg(after, update)) }
}

// debs is a database of dpkg, whatever the time.
func debs(packages ...string) func(int) hosttest.Files {
	return func(int) hosttest.Files { return dpkg(packages...) }
}

// distributions are nodes whose os-release and names of kernels are as published.
func distributions() map[string]distribution {
	const pass, fail, unknown = api.Pass, api.Fail, api.VerdictUnknown
	asked := hosttest.Files{"run/reboot-required": "*** System restart required ***\n", "run/reboot-required.pkgs": "linux-base\n"}
	needed := hosttest.Files{"run/reboot-needed": ""}
	return map[string]distribution{
		"RHEL 8": {
			source: "os-release of redhat-release 8.9; kernel.spec of RHEL 8: kernel-core provides kernel-uname-r",
			system: system("rhel", "fedora", "8.9", "Red Hat Enterprise Linux 8.9 (Ootpa)"),
			before: [2]string{"4.18.0-513.5.1.el8_9.x86_64", "#1 SMP Fri Sep 29 05:21:10 EDT 2023"}, after: [2]string{"4.18.0-513.18.1.el8_9.x86_64", "#1 SMP Thu Feb 1 03:51:05 EST 2024"},
			packages: rhel("kernel-core", "4.18.0-513.5.1.el8_9.x86_64", "4.18.0-513.18.1.el8_9.x86_64"), due: fail, done: pass,
			life: pass, until: "2029-05-31", on: "2025-12-01",
		},
		"RHEL 9": {
			source: "os-release in wazuh/wazuh#39055; RHEL 9's package overview of the kernel (docs.redhat.com)",
			system: system("rhel", "fedora", "9.7", "Red Hat Enterprise Linux 9.7 (Plow)"),
			before: [2]string{"5.14.0-611.el9.x86_64", of("a")}, after: [2]string{"5.14.0-611.5.1.el9_7.x86_64", of("b")},
			packages: rhel("kernel-core", "5.14.0-611.el9.x86_64", "5.14.0-611.5.1.el9_7.x86_64"), due: fail, done: pass, unmounted: true,
			life: unknown, until: "too old to tell",
		},
		"RHEL 9, real-time, updated from 9.2": {
			source: "kernel.spec of RHEL 9: rt14 is in the release until 9.2, and +rt behind the architecture since",
			system: system("rhel", "fedora", "9.3", "Red Hat Enterprise Linux 9.3 (Plow)"),
			before: [2]string{"5.14.0-284.11.1.rt14.296.el9_2.x86_64", of("a")}, after: [2]string{"5.14.0-362.8.1.el9_3.x86_64+rt", of("b")},
			packages: func(update int) hosttest.Files {
				return rpms(glibc, kernelRPM("kernel-rt-core", "5.14.0-284.11.1.rt14.296.el9_2.x86_64", -5000),
					installed("kernel-rt-core", "5.14.0-362.8.1.el9_3.x86_64", update, "kernel", "5.14.0-362.8.1.el9_3", "kernel-uname-r", "5.14.0-362.8.1.el9_3.x86_64+rt"))
			},
			due: fail, done: pass, life: unknown, until: "too old to tell",
		},
		"Rocky Linux 9": {
			source: "os-release of rocky-release 9.4",
			system: rocky9,
			before: [2]string{"5.14.0-427.el9.x86_64", of("a")}, after: [2]string{"5.14.0-427.13.1.el9_4.x86_64", of("b")},
			packages: rhel("kernel-core", "5.14.0-427.el9.x86_64", "5.14.0-427.13.1.el9_4.x86_64"), due: fail, done: pass,
			life: pass, until: "2032-05-31",
		},
		"AlmaLinux 9": {
			source: "os-release of almalinux-release 9.2 (which-distro/os-release)",
			system: system("almalinux", "rhel centos fedora", "9.2", "AlmaLinux 9.2 (Turquoise Kodkod)"),
			before: [2]string{"5.14.0-284.11.1.el9_2.x86_64", of("a")}, after: [2]string{"5.14.0-284.30.1.el9_2.x86_64", of("b")},
			packages: rhel("kernel-core", "5.14.0-284.11.1.el9_2.x86_64", "5.14.0-284.30.1.el9_2.x86_64"), due: fail, done: pass,
			life: pass, until: "2032-05-31", on: "2026-02-23",
		},
		"CentOS Stream 9": {
			source: "os-release of centos-stream-release 9 (which-distro/os-release)",
			system: system("centos", "rhel fedora", "9", "CentOS Stream 9"),
			before: [2]string{"5.14.0-522.el9.x86_64", of("a")}, after: [2]string{"5.14.0-1011.el9.x86_64", of("b")},
			packages: rhel("kernel-core", "5.14.0-522.el9.x86_64", "5.14.0-1011.el9.x86_64"), due: fail, done: pass,
			life: pass, until: "2027-05-31", on: "2025-06-01",
		},
		"Oracle Linux 9 with UEK": {
			source: "os-release in Nyr/openvpn-install#1138; packages of UEK in oracle/oracle-linux#204; Red Hat's kernel is installed too, and newer",
			system: oracle9,
			before: [2]string{"5.15.0-304.171.4.el9uek.x86_64", of("a")}, after: [2]string{"5.15.0-312.187.5.el9uek.x86_64", of("b")},
			packages: func(update int) hosttest.Files {
				return rpms(glibc, kernelRPM("kernel-core", "5.14.0-611.5.1.el9_7.x86_64", -9000),
					kernelRPM("kernel-uek-core", "5.15.0-304.171.4.el9uek.x86_64", -5000), kernelRPM("kernel-uek-core", "5.15.0-312.187.5.el9uek.x86_64", update))
			},
			due: fail, done: pass, life: pass, until: "2032-06-30", on: "2024-06-01",
		},
		"Oracle Linux 8, from UEK 6 to UEK 7": {
			source: "UEK 7's release notes for Oracle Linux 8: the image is in kernel-uek-core, and was in kernel-uek",
			system: system("ol", "fedora", "8.10", "Oracle Linux Server 8.10"),
			before: [2]string{"5.4.17-2136.330.7.1.el8uek.x86_64", of("a")}, after: [2]string{"5.15.0-206.153.7.el8uek.x86_64", of("b")},
			packages: func(update int) hosttest.Files {
				return rpms(glibc, kernelRPM("kernel-uek", "5.4.17-2136.330.7.1.el8uek.x86_64", -5000), kernelRPM("kernel-uek-core", "5.15.0-206.153.7.el8uek.x86_64", update))
			},
			due: fail, done: pass, life: unknown, until: "too old to tell",
		},
		"Amazon Linux 2": {
			source: "os-release and kernels of amzn2 in falcosecurity/test-infra; package kernel, from amazon-linux-extras too",
			system: system("amzn", "centos rhel fedora", "2", "Amazon Linux 2"),
			before: [2]string{"4.14.355-275.570.amzn2.x86_64", "#1 SMP Wed Dec 11 2024"}, after: [2]string{"5.10.230-223.885.amzn2.x86_64", "#1 SMP Tue Dec 3 2024"},
			packages: rhel("kernel", "4.14.355-275.570.amzn2.x86_64", "5.10.230-223.885.amzn2.x86_64"), due: fail, done: pass,
			life: fail, until: "gets no security updates any more",
		},
		"Amazon Linux 2023": {
			source: "os-release in wazuh/wazuh#39055; amazonlinux/amazon-linux-2023#936 and #1125: a new line of kernels is beside the old one",
			system: amazon23,
			before: [2]string{"6.1.119-129.201.amzn2023.x86_64", "#1 SMP PREEMPT_DYNAMIC Tue Dec 3 21:07:35 UTC 2024"}, after: [2]string{"6.1.134-150.224.amzn2023.x86_64", "#1 SMP PREEMPT_DYNAMIC Wed Apr 30 2025"},
			packages: func(update int) hosttest.Files {
				return rpms(glibc, systemd, kernelRPM("kernel6.12", "6.12.22-27.96.amzn2023.x86_64", -9000),
					kernelRPM("kernel", "6.1.119-129.201.amzn2023.x86_64", -5000), kernelRPM("kernel", "6.1.134-150.224.amzn2023.x86_64", update))
			},
			unmounted: true, due: fail, done: pass, life: pass, until: "2029-06-30",
		},
		"Amazon Linux 2023 with kernel6.12": {
			source: "amazonlinux/amazon-linux-2023#936 and #1125",
			system: amazon23,
			before: [2]string{"6.12.20-23.97.amzn2023.x86_64", "#1 SMP PREEMPT_DYNAMIC Tue Mar 25 09:14:43 UTC 2025"}, after: [2]string{"6.12.22-27.96.amzn2023.x86_64", "#1 SMP PREEMPT_DYNAMIC Tue Apr 22 2025"},
			packages: rhel("kernel6.12", "6.12.20-23.97.amzn2023.x86_64", "6.12.22-27.96.amzn2023.x86_64"), due: fail, done: pass,
			life: pass, until: "2029-06-30",
		},
		"SLES 15": {
			source: "os-release in mudler/yip#221; SUSE's knowledge base 000019126 on the numbers of kernels",
			system: system("sles", "suse", "15.6", "SUSE Linux Enterprise Server 15 SP6"),
			before: [2]string{"6.4.0-150600.23.25-default", "#1 SMP PREEMPT_DYNAMIC Tue Oct 1 2024 (9ff2ff7)"}, after: [2]string{"6.4.0-150600.23.38-default", "#1 SMP PREEMPT_DYNAMIC Fri Feb 7 2025 (1234567)"},
			packages: susePackages("kernel-default", "6.4.0-150600.23.25-default", "6.4.0-150600.23.38-default"), asked: needed, due: fail, done: unknown,
			life: fail, until: "only with paid extended support since 2025-12-31",
		},
		"SLES 15, from kernel-default-base to kernel-default": {
			source: "SUSE's updates of kernel-default-base, whose version has that of kernel-default in it",
			system: system("sles", "suse", "15.5", "SUSE Linux Enterprise Server 15 SP5"),
			before: [2]string{"5.14.21-150500.55.88-default", of("a")}, after: [2]string{"5.14.21-150500.55.91-default", of("b")},
			packages: func(update int) hosttest.Files {
				return rpms(glibc, installed("kernel-default-base", "5.14.21-150500.55.88.1.150500.6.39.1.x86_64", -5000, "kernel-uname-r", "5.14.21-150500.55.88-default"),
					installed("kernel-default", "5.14.21-150500.55.91.1.x86_64", update, "kernel-uname-r", "5.14.21-150500.55.91-default"))
			},
			asked: needed, due: fail, done: unknown, life: fail, until: "only with paid extended support since 2024-12-31",
		},
		"openSUSE Leap 16": {
			source: "os-release of openSUSE-release; en.opensuse.org/Lifetime",
			system: system("opensuse-leap", "suse opensuse", "16.0", "openSUSE Leap 16.0"),
			before: [2]string{"6.12.0-160000.5-default", of("a")}, after: [2]string{"6.12.0-160000.26-default", of("b")},
			packages: susePackages("kernel-default", "6.12.0-160000.5-default", "6.12.0-160000.26-default"), asked: needed, due: fail, done: unknown,
			life: pass, until: "2027-10-31", on: "2026-05-01",
		},
		"openSUSE Tumbleweed": {
			source: "os-release of openSUSE-release; CISOfy/lynis#1241",
			system: system("opensuse-tumbleweed", "opensuse suse", "20241115", "openSUSE Tumbleweed"),
			before: [2]string{"6.11.8-1-default", of("a")}, after: [2]string{"6.11.8-2-default", of("b")},
			packages: susePackages("kernel-default", "6.11.8-1-default", "6.11.8-2-default"), asked: needed, due: fail, done: unknown,
			life: unknown, until: "no end-of-life date",
		},
		"Fedora": {
			source: "kernel of Fedora 43 in CISOfy/lynis#1690",
			system: system("fedora", "", "43", "Fedora Linux 43 (Cloud Edition)"),
			before: [2]string{"6.17.1-300.fc43.x86_64", of("a")}, after: [2]string{"6.17.8-300.fc43.x86_64", "#1 SMP PREEMPT_DYNAMIC Fri Nov 14 01:47:12 UTC 2025"},
			packages: rhel("kernel-core", "6.17.1-300.fc43.x86_64", "6.17.8-300.fc43.x86_64"), due: fail, done: pass,
			life: pass, until: "2026-12-09",
		},
		"Azure Linux 3": {
			source: "SPECS/kernel/kernel.spec of microsoft/azurelinux: uname is VERSION-RELEASE, and nothing is provided; kernel-hwe is beside it",
			system: system("azurelinux", "", "3.0", "Microsoft Azure Linux 3.0"),
			before: [2]string{"6.6.64.2-7.azl3", "#1 SMP PREEMPT_DYNAMIC Fri Jan 31 2025"}, after: [2]string{"6.6.64.2-9.azl3", "#1 SMP PREEMPT_DYNAMIC Wed Feb 5 2025"},
			packages: func(update int) hosttest.Files {
				f := rpms(glibc, systemd, installed("kernel", "6.6.64.2-7.azl3.x86_64", -5000), installed("kernel", "6.6.64.2-9.azl3.x86_64", update), installed("kernel-hwe", "6.12.40.1-1.azl3.x86_64", -9000))
				for _, release := range []string{"6.6.64.2-7.azl3", "6.6.64.2-9.azl3", "6.12.40.1-1.azl3"} {
					f["lib/modules/"+release+"/modules.dep"] = ""
				}
				return f
			},
			unmounted: true, due: fail, done: pass, life: pass, until: "2027-08-31",
		},
		"Photon OS 5": {
			source: "SPECS/linux/linux-esx.spec of vmware/photon: the package linux-esx provides no kernel; names in vmware/photon#1066",
			system: system("photon", "", "5.0", "VMware Photon OS/Linux"),
			before: [2]string{"6.1.83-2.ph5-esx", of("a")}, after: [2]string{"6.1.90-1.ph5-esx", of("b")},
			packages: func(update int) hosttest.Files {
				return rpms(glibc, systemd, installed("linux-esx", "6.1.83-2.ph5.x86_64", -5000), installed("linux-esx", "6.1.90-1.ph5.x86_64", update))
			},
			due: fail, done: pass, life: unknown, until: "no end-of-life date",
		},
		"Photon OS, from 4 to 5": {
			source: "SPECS/linux/linux.spec of vmware/photon: uname is VERSION-RELEASE, with the number of Photon OS at the end",
			system: system("photon", "", "5.0", "VMware Photon OS/Linux"),
			before: [2]string{"5.10.200-1.ph4", of("a")}, after: [2]string{"6.1.90-1.ph5", of("b")},
			packages: func(update int) hosttest.Files {
				return rpms(glibc, systemd, installed("linux", "6.1.90-1.ph5.x86_64", update))
			},
			due: fail, done: pass, life: unknown, until: "no end-of-life date",
		},
		"Proxmox VE 8": {
			source: "os-release is Debian's; packages in jordanhillis/pvekclean#6; nothing announces a reboot (TAPPaaS/TAPPaaS#275)",
			system: debian12,
			before: [2]string{"6.8.12-4-pve", "#1 SMP PREEMPT_DYNAMIC PMX 6.8.12-4 (2024-11-06T15:04Z)"}, after: [2]string{"6.8.12-9-pve", "#1 SMP PREEMPT_DYNAMIC PMX 6.8.12-9 (2025-03-16T19:18Z)"},
			packages: debs("proxmox-kernel-6.8.12-4-pve-signed 6.8.12-4", "proxmox-kernel-6.8.12-9-pve-signed 6.8.12-9", "proxmox-kernel-6.8 6.8.12-9"), unmounted: true, due: unknown, done: unknown,
			life: fail, until: "gets only extended security updates since 2026-07-11",
		},
		"Raspberry Pi OS, raspberrypi-kernel": {
			source: "liske/needrestart#146 and #155: images are /boot/kernel*.img, and one package has those of all models",
			system: system("raspbian", "debian", "11", "Raspbian GNU/Linux 11 (bullseye)"),
			before: [2]string{"5.10.63-v7l+", "#1496 SMP Wed Dec 1 15:58:56 GMT 2021"}, after: [2]string{"6.1.21-v7l+", "#1642 SMP Mon Apr 3 17:22:30 BST 2023"},
			packages: func(int) hosttest.Files {
				return node(dpkg("raspberrypi-kernel 1:1.20230405-1"), hosttest.Files{"boot/kernel7.img": "x", "boot/kernel7l.img": "x", "boot/kernel8.img": "x"})
			},
			unmounted: true, updated: unknown, rebooted: unknown, due: unknown, done: unknown, life: unknown, until: "no end-of-life date",
		},
		"Raspberry Pi OS, linux-image-rpi": {
			source: "liske/needrestart#292 and #316: names of bookworm, and those since 2024",
			system: debian12,
			before: [2]string{"6.1.0-rpi8-rpi-2712", "#1 SMP PREEMPT Debian 1:6.1.73-1+rpt1 (2024-01-25)"}, after: [2]string{"6.6.51+rpt-rpi-2712", "#1 SMP PREEMPT Debian 1:6.6.51-1+rpt3 (2024-10-08)"},
			packages:  debs("linux-image-6.1.0-rpi8-rpi-2712 1:6.1.73-1+rpt1", "linux-image-6.6.51+rpt-rpi-2712 1:6.6.51-1+rpt3", "linux-image-rpi-2712 1:6.6.51-1+rpt3", "linux-image-6.6.51+rpt-rpi-v8 1:6.6.51-1+rpt3"),
			unmounted: true, due: unknown, done: unknown, life: fail, until: "gets only extended security updates since 2026-07-11",
		},
		"Ubuntu 22.04, generic": {
			source: "future-architect/vuls#1559", system: ubuntu22,
			before: [2]string{"5.15.0-52-generic", "#58-Ubuntu SMP Thu Oct 13 08:03:55 UTC 2022"}, after: [2]string{"5.15.0-56-generic", "#62-Ubuntu SMP Tue Nov 22 19:54:14 UTC 2022"},
			packages: debs("linux-image-5.15.0-52-generic 5.15.0-52.58", "linux-image-5.15.0-56-generic 5.15.0-56.62"), unmounted: true, asked: asked, due: fail, done: unknown, life: pass, until: "2027-06-01",
		},
		"Ubuntu 22.04, hwe": {
			source: "Ubuntu's LTS enablement stack: the flavour is generic too", system: ubuntu22,
			before: [2]string{"6.5.0-45-generic", "#45~22.04.1-Ubuntu SMP PREEMPT_DYNAMIC Mon Jul 15 16:40:02 UTC 2"}, after: [2]string{"6.8.0-40-generic", "#40~22.04.3-Ubuntu SMP PREEMPT_DYNAMIC Tue Jul 30 17:30:19 UTC 2"},
			packages: debs("linux-image-6.5.0-45-generic 6.5.0-45.45~22.04.1", "linux-image-6.8.0-40-generic 6.8.0-40.40~22.04.3"), unmounted: true, asked: asked, due: fail, done: unknown, life: pass, until: "2027-06-01",
		},
		"Ubuntu 22.04, aws": {
			source: "future-architect/vuls#1933", system: ubuntu22,
			before: [2]string{"6.5.0-1017-aws", "#17~22.04.2-Ubuntu SMP Thu Mar 28 2024"}, after: [2]string{"6.5.0-1020-aws", "#20~22.04.1-Ubuntu SMP Wed May 1 16:10:50 UTC 2024"},
			packages: debs("linux-image-6.5.0-1017-aws 6.5.0-1017.17~22.04.2", "linux-image-6.5.0-1020-aws 6.5.0-1020.20~22.04.1"), unmounted: true, asked: asked, due: fail, done: unknown, life: pass, until: "2027-06-01",
		},
		"Ubuntu 24.04, generic, with lowlatency beside it": {
			source: "PatchMon/PatchMon#562", system: ubuntu24,
			before: [2]string{"6.8.0-87-generic", "#88-Ubuntu SMP PREEMPT_DYNAMIC Sat Oct 11 09:28:41 UTC 2025"}, after: [2]string{"6.8.0-88-generic", "#89-Ubuntu SMP PREEMPT_DYNAMIC Sat Oct 11 01:02:46 UTC 2025"},
			packages: debs("linux-image-6.8.0-87-generic 6.8.0-87.88", "linux-image-6.8.0-88-generic 6.8.0-88.89", "linux-image-6.8.0-90-lowlatency 6.8.0-90.91"), unmounted: true, asked: asked, due: fail, done: unknown, life: pass, until: "2029-05-31",
		},
		"Ubuntu 24.04, lowlatency": {
			source: "linux-image-lowlatency of Ubuntu 24.04", system: ubuntu24,
			before: [2]string{"6.8.0-31-lowlatency", "#31.1-Ubuntu SMP PREEMPT_DYNAMIC Sun Apr 21 2024"}, after: [2]string{"6.8.0-35-lowlatency", "#35.1-Ubuntu SMP PREEMPT_DYNAMIC Mon May 20 2024"},
			packages: debs("linux-image-unsigned-6.8.0-31-lowlatency 6.8.0-31.31.1", "linux-image-unsigned-6.8.0-35-lowlatency 6.8.0-35.35.1"), unmounted: true, asked: asked, due: fail, done: unknown, life: pass, until: "2029-05-31",
		},
		"Debian 11, cloud": {
			source: "linux-image-cloud-amd64 of Debian 11", system: debian11,
			before: [2]string{"5.10.0-30-cloud-amd64", "#1 SMP Debian 5.10.218-1 (2024-06-01)"}, after: [2]string{"5.10.0-33-cloud-amd64", "#1 SMP Debian 5.10.226-1 (2024-10-03)"},
			packages: debs("linux-image-5.10.0-30-cloud-amd64 5.10.218-1", "linux-image-5.10.0-33-cloud-amd64 5.10.226-1"), unmounted: true, due: unknown, done: unknown, life: fail, until: "gets no security updates any more",
		},
		"Debian 12, cloud": {
			source: "wazuh/wazuh#27477", system: debian12,
			before: [2]string{"6.1.0-25-cloud-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.106-3 (2024-08-26)"}, after: [2]string{"6.1.0-28-cloud-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 (2024-11-22)"},
			packages: debs("linux-image-6.1.0-25-cloud-amd64 6.1.106-3", "linux-image-6.1.0-28-cloud-amd64 6.1.119-1", "linux-image-cloud-amd64 6.1.119-1"), unmounted: true, due: unknown, done: unknown,
			life: fail, until: "gets only extended security updates since 2026-07-11",
		},
		"Debian 13, cloud": {
			source: "wazuh/wazuh#36232: names since trixie", system: debian13,
			before: [2]string{"6.12.86+deb13-cloud-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.12.86-1 (2026-05-08)"}, after: [2]string{"6.12.88+deb13-cloud-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.12.88-1 (2026-05-15)"},
			packages: debs("linux-image-6.12.86+deb13-cloud-amd64 6.12.86-1", "linux-image-6.12.88+deb13-cloud-amd64 6.12.88-1"), unmounted: true, due: unknown, done: unknown, life: pass, until: "2028-08-09",
		},
		"Kali": {
			source: "uname of Kali in Hyphaed/vmware_module_builder#9, and names until 2023", system: system("kali", "debian", "2025.4", "Kali GNU/Linux Rolling"),
			before: [2]string{"6.5.0-kali3-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.5.6-1kali1 (2023-10-09)"}, after: [2]string{"6.16.8+kali-amd64", "#1 SMP PREEMPT_DYNAMIC Kali 6.16.8-1kali1 (2025-09-24)"},
			packages: debs("linux-image-6.5.0-kali3-amd64 6.5.6-1kali1", "linux-image-6.16.8+kali-amd64 6.16.8-1kali1"), unmounted: true, due: unknown, done: unknown, life: unknown, until: "no end-of-life date",
		},
	}
}

// TestDistributions answers the questions about each distribution, with the old kernel
// running and with the new one.
func TestDistributions(t *testing.T) {
	all := distributions()
	for name, d := range all {
		t.Run(name, func(t *testing.T) {
			if d.source == "" {
				t.Error("no source")
			}
			state := func(running [2]string, update int, more hosttest.Files) hosttest.Files {
				f := node(d.system, runs(running[0], running[1]), d.packages(update), more)
				for _, k := range [][2]string{d.before, d.after} {
					f["lib/modules/"+k[0]+"/modules.dep"] = ""
					if !d.unmounted {
						maps.Copy(f, bootImage(k[0], k[1]))
					}
				}
				return f
			}
			old, fresh := seen(t, state(d.before, 60, d.asked)), seen(t, state(d.after, -60, nil))
			verdict := func(v, otherwise api.Verdict) api.Verdict {
				if v == "" {
					return otherwise
				}
				return v
			}
			message := "runs kernel " + d.before[0] + ", but " + d.after[0] + " is installed"
			if d.updated != "" {
				message = ""
			}
			want(t, answers(t, old, hosts.KernelOutdated, today), verdict(d.updated, api.Fail), message)
			want(t, answers(t, fresh, hosts.KernelOutdated, today), verdict(d.rebooted, api.Pass), "")
			want(t, answers(t, old, hosts.RebootRequired, today), d.due, "")
			want(t, answers(t, fresh, hosts.RebootRequired, today), d.done, "")
			on := d.on
			if on == "" {
				on = today
			}
			want(t, answers(t, fresh, hosts.OSEndOfLife, on), d.life, d.until)

			// What nobody knows is no pass: no index of packages is on these nodes, and
			// no date in this program reaches that far.
			for _, check := range []checks.Check{hosts.PendingSecurityUpdates, hosts.PackageIndexStale, hosts.UncoveredPackages} {
				unearned(t, answers(t, fresh, check, today), check)
			}
			unearned(t, answers(t, fresh, hosts.OSEndOfLife, "2040-01-01"), hosts.OSEndOfLife)
			// Without anything that says what is installed, no kernel is the newest.
			bare := seen(t, node(d.system, runs(d.after[0], d.after[1])))
			unearned(t, answers(t, bare, hosts.KernelOutdated, today), hosts.KernelOutdated)
			unearned(t, answers(t, bare, hosts.RebootRequired, today), hosts.RebootRequired)
		})
	}
	if len(all) < 18 {
		t.Errorf("%d distributions", len(all))
	}
}

func unearned(t *testing.T, findings []api.Finding, check checks.Check) {
	t.Helper()
	for _, f := range findings {
		if f.Verdict == api.Pass {
			t.Errorf("%s passes without evidence: %s %v", check.ID, f.Message, f.Evidence)
		}
	}
	if len(findings) == 0 {
		t.Errorf("%s says nothing", check.ID)
	}
}

// TestArchivesWithoutSecurity holds distributions whose only archive is fresh and has
// nothing newer, and says nothing about security: nothing is known, and nothing passes.
func TestArchivesWithoutSecurity(t *testing.T) {
	archive := func(host, path, origin, suite, codename string) hosttest.Files {
		list := "var/lib/apt/lists/" + strings.ReplaceAll(host+path+"/dists/"+codename, "/", "_")
		return hosttest.Files{
			"etc/apt/sources.list": "deb http://" + host + path + " " + codename + " main\n",
			list + "_InRelease": "Origin: " + origin + "\nLabel: " + origin + "\nSuite: " + suite + "\nCodename: " + codename +
				"\nDate: Mon, 23 Nov 2026 08:10:14 UTC\nArchitectures: amd64\nComponents: main\n",
			list + "_main_binary-amd64_Packages": "Package: base-files\nVersion: 1\nArchitecture: amd64\n\n",
			"var/lib/apt/lists/partial/":         "", "var/cache/apt/archives/partial/": "", "etc/apt/apt.conf.d/": "", "etc/apt/preferences.d/": "",
		}
	}
	for name, files := range map[string]hosttest.Files{
		"Kali":                                 node(system("kali", "debian", "2025.4", "Kali GNU/Linux Rolling"), archive("http.kali.org", "/kali", "Kali", "kali-rolling", "kali-rolling")),
		"Raspberry Pi OS, 32 bit":              node(raspbian, archive("raspbian.raspberrypi.org", "/raspbian", "Raspbian", "oldstable", "bookworm")),
		"Debian sid":                           node(system("debian", "", "", "Debian GNU/Linux forky/sid"), archive("deb.debian.org", "/debian", "Debian", "unstable", "sid")),
		"Debian 12, without its security line": node(debian12, archive("deb.debian.org", "/debian", "Debian", "oldstable", "bookworm")),
		"Proxmox VE 8, its own archive alone":  node(debian12, archive("download.proxmox.com", "/debian/pve", "Proxmox", "bookworm", "bookworm")),
		"Ubuntu 24.04, a mirror of -updates":   node(ubuntu24, archive("mirror.example.org", "/ubuntu", "Ubuntu", "noble-updates", "noble-updates")),
	} {
		t.Run(name, func(t *testing.T) {
			files = node(files, runs("6.12.0-amd64", of("x")), dpkg("base-files 1"))
			m := seen(t, files)
			if state := m.Host.Packages; state == nil || state.Indexes != 1 || len(state.Archives) != 1 {
				t.Fatalf("the archive was not read: %+v", state)
			}
			for _, check := range []checks.Check{hosts.PendingSecurityUpdates, hosts.PackageIndexStale, hosts.UncoveredPackages} {
				unearned(t, answers(t, m, check, today), check)
			}
		})
	}
}
