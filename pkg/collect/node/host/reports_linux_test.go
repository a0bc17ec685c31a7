package host

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/hosts"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest/rpmtest"
)

// node joins the files of a node.
func node(parts ...hosttest.Files) hosttest.Files {
	all := hosttest.Files{"run/": "", "proc/": ""}
	for _, part := range parts {
		maps.Copy(all, part)
	}
	return all
}

// system is /etc/os-release. like and version may be "".
func system(id, like, version, pretty string) hosttest.Files {
	text := "ID=\"" + id + "\"\nPRETTY_NAME=\"" + pretty + "\"\n"
	if like != "" {
		text += "ID_LIKE=\"" + like + "\"\n"
	}
	if version != "" {
		text += "VERSION_ID=\"" + version + "\"\n"
	}
	return hosttest.Files{"etc/os-release": text}
}

// Systems of several reports.
var (
	debian11 = system("debian", "", "11", "Debian GNU/Linux 11 (bullseye)")
	debian12 = system("debian", "", "12", "Debian GNU/Linux 12 (bookworm)")
	debian13 = system("debian", "", "13", "Debian GNU/Linux 13 (trixie)")
	ubuntu22 = system("ubuntu", "debian", "22.04", "Ubuntu 22.04.5 LTS")
	ubuntu24 = system("ubuntu", "debian", "24.04", "Ubuntu 24.04.3 LTS")
	rocky9   = system("rocky", "rhel centos fedora", "9.4", "Rocky Linux 9.4 (Blue Onyx)")
	oracle9  = system("ol", "fedora", "9.5", "Oracle Linux Server 9.5")
	amazon23 = system("amzn", "fedora", "2023", "Amazon Linux 2023.7.20250428")
	microOS  = system("opensuse-microos", "suse opensuse opensuse-tumbleweed microos sl-micro", "20231221", "openSUSE MicroOS")
	raspbian = system("raspbian", "debian", "12", "Raspbian GNU/Linux 12 (bookworm)")
)

// booted is when the nodes were booted, seconds since 1970.
const booted = 1_700_000_000

// runs is what /proc says of the running kernel.
func runs(release, build string) hosttest.Files {
	return hosttest.Files{
		"proc/sys/kernel/osrelease": release + "\n",
		"proc/version":              "Linux version " + release + " (who@where) (gcc 12.2.0, GNU ld 2.40) " + build + "\n",
		"proc/stat":                 "cpu 1 2 3\nbtime " + strconv.Itoa(booted) + "\n",
		"lib/modules/" + release + "/modules.dep": "",
	}
}

// bootImage is the image of a kernel in /boot.
func bootImage(release, build string) hosttest.Files {
	return hosttest.Files{"boot/vmlinuz-" + release: "bzImage: " + release + " (who@where) " + build + "\n"}
}

// of is the build of a kernel that differs from those of all others.
func of(release string) string { return "#1 SMP PREEMPT_DYNAMIC of " + release }

// boots is a node that runs a kernel and has images of these.
func boots(running string, installed ...string) hosttest.Files {
	f := runs(running, of(running))
	for _, release := range installed {
		maps.Copy(f, bootImage(release, of(release)))
	}
	return f
}

// dpkg is a database of packages, each "NAME VERSION" or "NAME VERSION STATUS".
func dpkg(packages ...string) hosttest.Files {
	var b strings.Builder
	for _, p := range packages {
		fields := strings.SplitN(p, " ", 3)
		status := "install ok installed"
		if len(fields) == 3 {
			status = fields[2]
		}
		b.WriteString("Package: " + fields[0] + "\nStatus: " + status + "\nVersion: " + fields[1] + "\nArchitecture: amd64\nMaintainer: x\nDescription: x\n\n")
	}
	return hosttest.Files{"var/lib/dpkg/status": b.String()}
}

// rpms is a database of packages, /var/lib/rpm/Packages.db.
func rpms(packages ...[]byte) hosttest.Files {
	return hosttest.Files{"var/lib/rpm/Packages.db": string(rpmtest.NDB(packages))}
}

// installed is a package NAME of VERSION-RELEASE.ARCH that was installed some seconds
// after the boot, with pairs of what it provides.
func installed(name, version string, after int, provides ...string) []byte {
	version, release, _ := strings.Cut(version, "-")
	release, arch, _ := cutLast(release, ".")
	names, versions := []string{name}, []string{version + "-" + release}
	for i := 0; i+1 < len(provides); i += 2 {
		names, versions = append(names, provides[i]), append(versions, provides[i+1])
	}
	return rpmtest.Header(rpmtest.Entry{Tag: 1000, Data: name}, rpmtest.Entry{Tag: 1001, Data: version}, rpmtest.Entry{Tag: 1002, Data: release},
		rpmtest.Entry{Tag: 1008, Data: uint32(booted + after)}, rpmtest.Entry{Tag: 1022, Data: arch},
		rpmtest.Entry{Tag: 1047, Data: names}, rpmtest.Entry{Tag: 1113, Data: versions})
}

// kernelRPM is a package with the image of kernel VERSION-RELEASE.ARCH, as the
// kernel.spec of RHEL's family has it.
func kernelRPM(name, release string, after int) []byte {
	version, _, _ := cutLast(release, ".")
	return installed(name, release, after, "kernel", version, "kernel-uname-r", release, "installonlypkg(kernel)", "")
}

// Packages that RHEL's family has on each node.
var (
	glibc   = installed("glibc", "2.34-100.el9.x86_64", -1000)
	systemd = installed("systemd", "252-32.el9.x86_64", -1000)
)

// repository is a repository that dnf has cached just now: each of its packages is
// "NAME VERSION-RELEASE.ARCH", and so are those of its one advisory, if any. URL may
// hold $releasever.
func repository(url, release string, packages []string, advised ...string) hosttest.Files {
	id := sha256.Sum256([]byte(strings.ReplaceAll(url, "$releasever", release)))
	dir := "var/cache/dnf/base-" + hex.EncodeToString(id[:])[:16] + "/repodata/"
	split := func(p string) []any {
		name, rest, _ := strings.Cut(p, " ")
		rest, arch, _ := cutLast(rest, ".")
		version, release, _ := strings.Cut(rest, "-")
		return []any{name, arch, version, release}
	}
	primary := fmt.Sprintf("<metadata xmlns=\"http://linux.duke.edu/metadata/common\" packages=\"%d\">", len(packages))
	for _, p := range packages {
		primary += fmt.Sprintf("<package type=\"rpm\"><name>%s</name><arch>%s</arch><version epoch=\"0\" ver=\"%s\" rel=\"%s\"/><format></format></package>", split(p)...)
	}
	f := hosttest.Files{
		"etc/dnf/dnf.conf":          "[main]\ngpgcheck=1\n",
		"etc/yum.repos.d/base.repo": "[base]\nname=base\nbaseurl=" + url + "\nenabled=1\n",
		dir + "primary.xml":         primary + "</metadata>\n",
	}
	data := []string{"primary"}
	if len(advised) > 0 {
		text := "<updates><update from=\"x\" status=\"final\" type=\"security\" version=\"1\"><id>SA-2026:1</id><pkglist><collection>"
		for _, p := range advised {
			text += fmt.Sprintf("<package name=\"%s\" arch=\"%s\" version=\"%s\" release=\"%s\" epoch=\"0\"/>", split(p)...)
		}
		f[dir+"updateinfo.xml"], data = text+"</collection></pkglist></update></updates>\n", append(data, "updateinfo")
	}
	repomd := "<repomd xmlns=\"http://linux.duke.edu/metadata/repo\">"
	for _, kind := range data {
		sum := sha256.Sum256([]byte(f[dir+kind+".xml"]))
		repomd += fmt.Sprintf("<data type=\"%s\"><checksum type=\"sha256\">%x</checksum><location href=\"repodata/%s.xml\"/><timestamp>%d</timestamp></data>", kind, sum, kind, begun.Unix())
	}
	f[dir+"repomd.xml"] = repomd + "</repomd>\n"
	return f
}

// today is the day on which the nodes are judged, unless a row has its own.
const today = "2026-11-24"

// seen is what the collector reads of a node's files.
func seen(t *testing.T, files hosttest.Files) fact.Measurement {
	t.Helper()
	host, read, gaps := readAll(t, files)
	return fact.Measurement{Level: fact.LevelFull, Read: read, Gaps: gaps, Host: host}
}

// answers are the findings of a check about a node, with what gaps add.
func answers(t *testing.T, m fact.Measurement, check checks.Check, date string) []api.Finding {
	t.Helper()
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		t.Fatal(err)
	}
	m.At = fact.NewTime(day)
	set := &fact.Set{CollectedAt: m.At, Nodes: []fact.Node{{Name: "n1", Listed: true, Measured: &m}}}
	return checks.JudgeSet(checks.Plan{Checks: []checks.Check{check}, Known: []string{check.ID}}, set).Findings
}

// want fails the test unless one finding has the verdict and the message, and every
// other one is unknown.
func want(t *testing.T, findings []api.Finding, verdict api.Verdict, message string) {
	t.Helper()
	hits := 0
	for _, f := range findings {
		switch {
		case f.Verdict == verdict && strings.Contains(f.Message, message):
			hits++
		case f.Verdict != api.VerdictUnknown:
			hits = -len(findings)
		}
	}
	if hits != 1 {
		t.Errorf("want %s: ...%s..., got:", verdict, message)
		for _, f := range findings {
			t.Errorf("  %s: %s %v", f.Verdict, f.Message, f.Evidence)
		}
	}
}

// TestReports rebuilds public bug reports about other tools' wrong answers as nodes,
// and holds ours. Each is named by its repository and number; wrong is what the tool
// said, or did not say.
func TestReports(t *testing.T) {
	const (
		newest       = "runs the newest installed kernel"
		notInstalled = "which is not installed and not older than any that is"
		noFlavour    = "no installed kernel has the flavour of the running one"
		noReboot     = "no package that needs a reboot was installed since the boot"
		unannounced  = "nothing on this host is known to ask"
	)
	ask := func(packages string) hosttest.Files {
		f := hosttest.Files{"run/reboot-required": "*** System restart required ***\n", "var/run": "link: /run\n"}
		if packages != "" {
			f["run/reboot-required.pkgs"] = packages
		}
		return f
	}
	status := func(fixture string, packages ...string) hosttest.Files {
		return hosttest.Fixture(t, fixture).With(dpkg(packages...))
	}
	unsecured := hosttest.Files{}
	for name, content := range status("debian12", "base-files 12.4+deb12u15") {
		if !strings.Contains(name, "debian-security") {
			unsecured[name] = content
		}
	}
	type report struct {
		wrong   string
		node    hosttest.Files
		check   checks.Check
		verdict api.Verdict
		message string
		date    string
	}
	rows := map[string]report{}
	add := func(id, wrong string, node hosttest.Files, check checks.Check, verdict api.Verdict, message string) {
		if _, twice := rows[id]; twice {
			t.Fatalf("%s is there twice", id)
		}
		rows[id] = report{wrong, node, check, verdict, message, today}
	}
	on := func(date, id, wrong string, node hosttest.Files, check checks.Check, verdict api.Verdict, message string) {
		add(id, wrong, node, check, verdict, message)
		row := rows[id]
		row.date = date
		rows[id] = row
	}
	kernel, reboot, life, pending := hosts.KernelOutdated, hosts.RebootRequired, hosts.OSEndOfLife, hosts.PendingSecurityUpdates

	// The running kernel against the installed ones.
	add("CISOfy/lynis#999", "the rescue image was taken for a newer kernel",
		node(system("centos", "rhel fedora", "8", "CentOS Linux 8 (Core)"), boots("4.18.0-193.19.1.el8_2.x86_64", "4.18.0-193.19.1.el8_2.x86_64"),
			bootImage("0-rescue-5bdc759c116846e1b76e7e5dd4d472c4", of("4.18.0-193.el8.x86_64"))),
		kernel, api.Pass, newest)
	add("CISOfy/lynis#1019", "the rescue image again, on CentOS 7 with an older kernel beside it",
		node(system("centos", "rhel fedora", "7", "CentOS Linux 7 (Core)"), boots("3.10.0-1127.18.2.el7.x86_64", "3.10.0-1127.el7.x86_64", "3.10.0-1127.18.2.el7.x86_64"),
			bootImage("0-rescue-c1301f4b43894de3b590f3810f83fe1f", of("3.10.0-1127.el7.x86_64")), rpms(glibc, kernelRPM("kernel", "3.10.0-1127.18.2.el7.x86_64", -10))),
		kernel, api.Pass, newest)
	add("CISOfy/lynis#1180", "the image that ls lists first by date was taken for the newest",
		node(system("ubuntu", "debian", "18.04", "Ubuntu 18.04.5 LTS"), boots("5.4.0-77-generic", "4.15.0-147-generic", "5.4.0-77-generic")), kernel, api.Pass, newest)
	add("CISOfy/lynis#1241", "a link to the image in /usr was taken for another version",
		node(system("opensuse-tumbleweed", "opensuse suse", "20211129", "openSUSE Tumbleweed"), runs("5.15.5-1-default", of("x")), hosttest.Files{
			"boot/vmlinuz-5.15.5-1-default":                "link: ../usr/lib/modules/5.15.5-1-default/vmlinuz\n",
			"usr/lib/modules/5.15.5-1-default/vmlinuz":     "bzImage: 5.15.5-1-default (geeko@buildhost) " + of("x") + "\n",
			"lib/modules/5.15.5-1-default/modules.builtin": "",
		}), kernel, api.Pass, newest)
	add("CISOfy/lynis#1259", "an older kernel, installed later, was taken for newer: 348.el8 is older than 348.7.1.el8_5 for rpm only",
		node(system("almalinux", "rhel centos fedora", "8.5", "AlmaLinux 8.5 (Arctic Sphynx)"), boots("4.18.0-348.7.1.el8_5.x86_64", "4.18.0-348.el8.x86_64", "4.18.0-348.7.1.el8_5.x86_64"),
			rpms(glibc, kernelRPM("kernel-core", "4.18.0-348.7.1.el8_5.x86_64", -20), kernelRPM("kernel-core", "4.18.0-348.el8.x86_64", -10))),
		kernel, api.Pass, newest)
	add("liske/needrestart#14", "a kernel that was built from source was compared as text: 4.0.0 with 3.17.4",
		node(debian12, boots("4.0.0", "3.17.4", "4.0.0"), dpkg("linux-image-4.0.0 4.0.0-10.00.Custom")), kernel, api.Pass, newest)
	add("liske/needrestart#49", "an initial RAM disk was taken for a kernel",
		node(system("altlinux", "", "8.0", "ALT Linux 8"), boots("4.8.5-un-def-alt1", "4.8.5-un-def-alt1"), hosttest.Files{"boot/initrd-4.8.5-un-def-alt1.img": "07070100"},
			rpms(installed("kernel-image-un-def", "4.8.5-alt1.x86_64", -10))), kernel, api.Pass, newest)
	add("liske/needrestart#57", "bytes after the version in the image were compared too",
		node(system("debian", "", "8", "Debian GNU/Linux 8 (jessie)"),
			runs("4.8.0-2-grsec-amd64", "#1 SMP Debian 4.8.15-2+grsec201701031913+1~bpo8+1 (2017-01-28)"),
			bootImage("4.8.0-2-grsec-amd64", "#1 SMP Debian 4.8.15-2+grsec201701031913+1~bpo8+1 (2017-01-28)"),
			dpkg("linux-image-4.8.0-2-grsec-amd64 4.8.15-2+grsec201701031913+1~bpo8+1")), kernel, api.Pass, newest)
	add("liske/needrestart#111", "a kernel of another flavour was expected",
		node(system("ubuntu", "debian", "16.04", "Ubuntu 16.04.4 LTS"), boots("4.13.0-38-generic", "4.13.0-38-generic", "4.15.0-15.1-liquorix-amd64")), kernel, api.Pass, newest)
	add("liske/needrestart#126", "in a container of OpenVZ, whose kernel is the host's, an update was pending",
		node(system("debian", "", "9", "Debian GNU/Linux 9 (stretch)"), boots("4.9.0", "4.9.0-6-amd64")), kernel, api.VerdictUnknown, noFlavour)
	add("liske/needrestart#137", "bytes of an ARM image were taken for a version",
		node(system("debian", "", "8", "Armbian 5.60"), runs("4.14.70-sunxi", "#265 SMP Wed Sep 19 10:01:19 CEST 2018"),
			hosttest.Files{"boot/vmlinuz-4.14.70-sunxi": strings.Repeat("\x00\x00\xa0\xe1", 300) + "8.9\t"}, dpkg("linux-image-next-sunxi 5.60")),
		kernel, api.VerdictUnknown, "it is unknown whether it is the same build")
	add("liske/needrestart#155", "the image for another model of Raspberry Pi was expected",
		node(system("raspbian", "debian", "10", "Raspbian GNU/Linux 10 (buster)"), runs("4.19.58-v7l+", of("x")), hosttest.Files{
			"boot/kernel7.img": "x", "boot/kernel7l.img": "x", "boot/kernel8.img": "x",
		}, dpkg("raspberrypi-kernel 1.20190709-1")), kernel, api.VerdictUnknown, "no installed kernel was found to compare")
	add("liske/needrestart#303", "Xanmod's counter is in the flavour's name",
		node(debian12, boots("6.8.9-x64v3-xanmod1", "6.8.8-x64v3-xanmod2", "6.8.9-x64v3-xanmod1"), dpkg("linux-image-6.8.9-x64v3-xanmod1 6.8.9-x64v3-xanmod1-0~20240502.g1234567")),
		kernel, api.Pass, newest)
	add("liske/needrestart#316", "on a Raspberry Pi Zero, the 64 bit kernel was expected",
		node(raspbian, boots("6.6.51+rpt-rpi-v6", "6.6.51+rpt-rpi-v6", "6.6.51+rpt-rpi-v7", "6.6.51+rpt-rpi-v8")), kernel, api.Pass, newest)
	add("liske/needrestart#292", "kernels of Raspberry Pi OS got new names: the last one of the old ones is not the newest",
		node(raspbian, boots("6.1.0-rpi6-rpi-v7", "6.1.0-rpi6-rpi-v7", "6.6.20+rpt-rpi-v7")), kernel, api.Fail, "but 6.6.20+rpt-rpi-v7 is installed")
	add("liske/needrestart#363", "the firmware's own update brings a kernel that no package has",
		node(system("debian", "", "13", "Debian GNU/Linux 13 (trixie)"), boots("6.18.36-v8-16k+", "6.18.34+rpt-rpi-v8")), kernel, api.VerdictUnknown, noFlavour)
	add("raspberrypi/linux#4105", "the kernel for another processor was pending after each reboot",
		node(system("raspbian", "debian", "10", "Raspbian GNU/Linux 10 (buster)"), boots("5.4.79-v7l+", "5.4.79-v7l+", "5.4.83-v8+")), kernel, api.Pass, newest)
	add("future-architect/vuls#1559", "the newest installed Ubuntu kernel was judged, not the running one",
		node(ubuntu22, boots("5.15.0-52-generic", "5.15.0-52-generic", "5.15.0-56-generic"), dpkg("linux-image-5.15.0-52-generic 5.15.0-52.58", "linux-image-5.15.0-56-generic 5.15.0-56.62")),
		kernel, api.Fail, "but 5.15.0-56-generic is installed")
	add("future-architect/vuls#1916", "of several kernels, the wrong one was taken for the newest",
		node(rocky9, boots("5.14.0-427.13.1.el9_4.x86_64"), rpms(glibc, kernelRPM("kernel-core", "5.14.0-70.30.1.el9_0.x86_64", -50), kernelRPM("kernel-core", "5.14.0-362.8.1.el9_3.x86_64", -40),
			kernelRPM("kernel-core", "5.14.0-362.24.1.el9_3.x86_64", -30), kernelRPM("kernel-core", "5.14.0-427.13.1.el9_4.x86_64", -20), kernelRPM("kernel-core", "5.14.0-427.16.1.el9_4.x86_64", 10))),
		kernel, api.Fail, "but 5.14.0-427.16.1.el9_4.x86_64 is installed")
	add("future-architect/vuls#1933", "kernels that do not run were judged too",
		node(ubuntu22, runs("6.5.0-1020-aws", "#20~22.04.1-Ubuntu SMP Wed May  1 16:10:50 UTC 2024"), bootImage("6.5.0-1017-aws", "#17~22.04.2-Ubuntu SMP Thu Mar 28 2024"),
			bootImage("6.5.0-1020-aws", "#20~22.04.1-Ubuntu SMP Wed May  1 16:10:50 UTC 2024"),
			dpkg("linux-image-6.5.0-1017-aws 6.5.0-1017.17~22.04.2", "linux-image-6.5.0-1020-aws 6.5.0-1020.20~22.04.1", "linux-image-aws 6.5.0.1020.20~22.04.1")),
		kernel, api.Pass, newest)
	add("aquasecurity/trivy#3764", "the old kernel that is kept beside the running one was reported",
		node(ubuntu22, boots("5.15.0-67-generic", "5.15.0-60-generic", "5.15.0-67-generic")), kernel, api.Pass, newest)
	add("wazuh/wazuh#3635", "both installed kernels were judged",
		node(system("centos", "rhel fedora", "7", "CentOS Linux 7 (Core)"), boots("3.10.0-514.26.2.el7.x86_64", "3.10.0-514.el7.x86_64", "3.10.0-514.26.2.el7.x86_64"),
			rpms(glibc, kernelRPM("kernel", "3.10.0-514.el7.x86_64", -20), kernelRPM("kernel", "3.10.0-514.26.2.el7.x86_64", -10))), kernel, api.Pass, newest)
	add("wazuh/wazuh#27477", "the installed kernel was judged, and the old one ran on",
		node(debian12, boots("6.1.0-25-cloud-amd64"), dpkg("linux-image-6.1.0-25-cloud-amd64 6.1.106-3", "linux-image-6.1.0-28-cloud-amd64 6.1.119-1", "linux-image-cloud-amd64 6.1.119-1")),
		kernel, api.Fail, "but 6.1.0-28-cloud-amd64 is installed")
	add("wazuh/wazuh#32735", "a kernel of long ago, still installed, was reported",
		node(debian12, runs("6.1.0-40-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.153-1 (2025-09-20)"),
			dpkg("linux-image-6.1.0-28-amd64 6.1.119-1", "linux-image-6.1.0-40-amd64 6.1.153-1", "linux-image-amd64 6.1.153-1")), kernel, api.Pass, newest)
	add("wazuh/wazuh#36232", "the metapackage was taken for a kernel",
		node(debian13, runs("6.12.88+deb13-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.12.88-1 (2026-05-15)"), dpkg("linux-image-6.12.88+deb13-amd64 6.12.88-1", "linux-image-amd64 6.12.88-1")),
		kernel, api.Pass, newest)
	add("PatchMon/PatchMon#562", "a virtual package was taken for a kernel",
		node(ubuntu24, boots("6.8.0-88-generic", "6.8.0-87-generic", "6.8.0-88-generic"), dpkg("linux-image-virtual 6.8.0-88.89")), kernel, api.Pass, newest)
	add("PatchMon/PatchMon#799", "a container of Proxmox with a kernel package had to be rebooted for ever",
		node(debian12, boots("6.8.12-23-pve", "6.1.0-25-amd64"), dpkg("linux-image-6.1.0-25-amd64 6.1.106-3")), kernel, api.VerdictUnknown, noFlavour)
	add("go-debos/fakemachine#37", "removed kernels whose configuration is left were taken for installed ones",
		node(debian12, boots("4.9.0-8-amd64"), dpkg("linux-image-4.19.0-1-amd64 4.19.12-1", "linux-image-4.9.0-8-amd64 4.9.130-2", "linux-image-5.3.0-7-amd64 5.3.110-1 deinstall ok config-files")),
		kernel, api.Fail, "but 4.19.0-1-amd64 is installed")
	add("TAPPaaS/TAPPaaS#275", "Proxmox announces no reboot, so its old kernel ran on",
		node(debian13, boots("7.0.2-6-pve"), dpkg("proxmox-kernel-7.0.2-6-pve-signed 7.0.2-6", "proxmox-kernel-7.0.6-2-pve-signed 7.0.6-2", "proxmox-kernel-7.0 7.0.6-2")),
		kernel, api.Fail, "but 7.0.6-2-pve is installed")
	add("webmin/webmin#304", "Fedora's kernel update was not seen, because no package asks for a reboot",
		node(system("fedora", "", "43", "Fedora Linux 43 (Cloud Edition)"), boots("6.17.1-300.fc43.x86_64"),
			rpms(glibc, kernelRPM("kernel-core", "6.17.1-300.fc43.x86_64", -10), kernelRPM("kernel-core", "6.17.8-300.fc43.x86_64", 10))), kernel, api.Fail, "but 6.17.8-300.fc43.x86_64 is installed")
	add("openSUSE/os-update#10", "SLE 12's zypper does not remember that a reboot is due",
		node(system("sles", "", "12.5", "SUSE Linux Enterprise Server 12 SP5"), boots("4.12.14-122.12-default"),
			rpms(installed("kernel-default", "4.12.14-122.12.1.x86_64", -10, "kernel-uname-r", "4.12.14-122.12-default"), installed("kernel-default", "4.12.14-122.20.1.x86_64", 10, "kernel-uname-r", "4.12.14-122.20-default"))),
		kernel, api.Fail, "but 4.12.14-122.20-default is installed")
	add("aquasecurity/btfhub#106", "SUSE's build counter is in the package's version, and not in the kernel's",
		node(system("sles", "suse", "12.5", "SUSE Linux Enterprise Server 12 SP5"), boots("4.4.114-92.64-default", "4.4.114-92.64-default"),
			rpms(installed("kernel-default", "4.4.114-92.64.1.x86_64", -10, "kernel-uname-r", "4.4.114-92.64-default"))), kernel, api.Pass, newest)
	add("Security-Onion-Solutions/securityonion#16208", "an update of Red Hat's kernel asked for a reboot although Oracle's runs",
		node(oracle9, boots("5.15.0-304.171.4.el9uek.x86_64", "5.15.0-304.171.4.el9uek.x86_64", "5.14.0-503.11.1.el9_5.x86_64", "5.14.0-611.5.1.el9_7.x86_64")), kernel, api.Pass, newest)
	add("rpm-software-management/yum-utils#66", "a reboot after an update of ELRepo's kernel-ml was not asked for",
		node(system("centos", "rhel fedora", "7", "CentOS Linux 7 (Core)"), boots("5.12.2-1.el7.elrepo.x86_64"),
			rpms(glibc, kernelRPM("kernel-ml", "5.12.2-1.el7.elrepo.x86_64", -10), kernelRPM("kernel-ml", "5.13.6-1.el7.elrepo.x86_64", 10))),
		reboot, api.Fail, "installed since the boot: kernel-ml")

	add("mysticaltech/terraform-hcloud-kube-hetzner#644", "an old kernel of MicroOS ran on: what updates install is in a snapshot that only the next boot mounts",
		node(microOS, boots("6.5.9-1-default", "6.5.9-1-default")), kernel, api.VerdictUnknown, "transactional-update installs kernels into a snapshot")

	// A reboot that is asked for.
	add("mysticaltech/terraform-hcloud-kube-hetzner#1204", "transactional-update's file has another name",
		node(microOS, boots("6.6.6-1-default", "6.6.6-1-default"), hosttest.Files{"run/reboot-needed": "", "var/run": "link: /run\n"}), reboot, api.Fail, "a reboot is due")
	add("kubereboot/kured#787", "the file was there, and no reboot came",
		node(ubuntu22, boots("5.15.0-1041-azure", "5.15.0-1041-azure"), ask("")), reboot, api.Fail, "a reboot is due")
	add("kubereboot/kured#952", "the file was there, with the packages beside it",
		node(ubuntu24, boots("6.8.0-45-generic", "6.8.0-45-generic"), ask("linux-image-6.8.0-47-generic\nlinux-base\n")), reboot, api.Fail, "asked for by linux-base, linux-image-6.8.0-47-generic")
	add("SUSE/skuba#468", "libzypp's file has another name",
		node(system("sles", "suse", "15.1", "SUSE Linux Enterprise Server 15 SP1"), boots("4.12.14-197.45-default", "4.12.14-197.45-default"), hosttest.Files{"run/reboot-needed": "", "var/run": "link: /run\n"}),
		reboot, api.Fail, "a reboot is due")
	add("mvo5/unattended-upgrades#150", "the file came without the list of packages",
		node(debian12, boots("6.1.0-25-amd64", "6.1.0-25-amd64"), ask("")), reboot, api.Fail, "a reboot is due")
	add("BassT23/Proxmox#86", "a list of packages that outlives the reboot was taken for a request",
		node(debian12, boots("6.1.0-25-amd64", "6.1.0-25-amd64"), hosttest.Files{"run/reboot-required.pkgs": "linux-image-6.1.0-25-amd64\n"}), reboot, api.VerdictUnknown, unannounced)
	add("HankB/Ansible#12", "Debian without a notifier writes no file: that is no evidence",
		node(debian12, boots("6.1.0-25-amd64", "6.1.0-25-amd64", "6.1.0-28-amd64")), reboot, api.VerdictUnknown, unannounced)
	add("uyuni-project/uyuni#8477", "/boot/do_purge_kernels asks for a reboot on SLES 11 only",
		node(system("sles", "suse", "15.5", "SUSE Linux Enterprise Server 15 SP5"), boots("5.14.21-150500.55.7-default", "5.14.21-150500.55.7-default"), hosttest.Files{"boot/do_purge_kernels": ""}),
		reboot, api.VerdictUnknown, unannounced)
	add("kubereboot/kured#976", "without needs-restarting on the node, it was rebooted for ever",
		node(rocky9, boots("5.14.0-362.18.1.el9_3.x86_64", "5.14.0-362.18.1.el9_3.x86_64"), rpms(glibc, systemd, kernelRPM("kernel-core", "5.14.0-362.18.1.el9_3.x86_64", -10))), reboot, api.Pass, noReboot)
	add("amazonlinux/amazon-linux-2023#1125", "a reboot after an update of kernel6.12 was never asked for",
		node(amazon23, boots("6.12.20-23.97.amzn2023.x86_64"), rpms(glibc, systemd, kernelRPM("kernel6.12", "6.12.20-23.97.amzn2023.x86_64", -10), kernelRPM("kernel6.12", "6.12.22-27.96.amzn2023.x86_64", 10))),
		reboot, api.Fail, "installed since the boot: kernel6.12")
	add("oracle/oracle-linux#204", "a reboot after an update of Oracle's kernel was not asked for",
		node(oracle9, boots("5.15.0-304.171.4.el9uek.x86_64"), rpms(glibc, systemd, kernelRPM("kernel-uek-core", "5.15.0-304.171.4.el9uek.x86_64", -10), kernelRPM("kernel-uek-core", "5.15.0-312.187.5.el9uek.x86_64", 10))),
		reboot, api.Fail, "installed since the boot: kernel-uek-core")
	add("oracle/oracle-linux#81", "without a clock of its own, the machine seemed to be booted before the packages came",
		node(oracle9, boots("5.15.0-304.171.4.el9uek.aarch64"), rpms(glibc, systemd, installed("linux-firmware", "20230404-117.el9.noarch", -60))), reboot, api.Pass, noReboot)
	add("AlmaLinux/almalinux-deploy#177", "the time of process 1 was taken for the boot's",
		node(system("almalinux", "rhel centos fedora", "8.8", "AlmaLinux 8.8 (Sapphire Caracal)"), boots("4.18.0-477.27.1.el8_8.x86_64"),
			rpms(installed("glibc", "2.28-225.el8_8.6.x86_64", -6560), installed("linux-firmware", "20230404-117.el8_8.noarch", -6529))), reboot, api.Pass, noReboot)
	add("rpm-software-management/dnf5#1184", "with a hardware clock in local time, a package of after the boot seemed older",
		node(system("fedora", "", "43", "Fedora Linux 43"), boots("6.17.8-300.fc43.x86_64"), rpms(glibc, installed("systemd", "258-1.fc43.x86_64", 600))), reboot, api.Fail, "installed since the boot: systemd")

	// End of life.
	on("2020-07-07", "CISOfy/lynis#979", "Amazon Linux 2 had the end of Amazon Linux",
		node(system("amzn", "centos rhel fedora", "2", "Amazon Linux 2")), life, api.Pass, "until 2026-06-30")
	on("2020-06-17", "CISOfy/lynis#946", "RHEL's minor versions were not found",
		node(system("rhel", "fedora", "8.2", "Red Hat Enterprise Linux 8.2 (Ootpa)")), life, api.Pass, "until 2029-05-31")
	on("2026-02-23", "CISOfy/lynis#1723", "AlmaLinux's minor versions were not found",
		node(system("almalinux", "rhel centos fedora", "9.7", "AlmaLinux 9.7 (Moss Jungle Cat)")), life, api.Pass, "until 2032-05-31")
	add("CISOfy/lynis#1690", "Fedora 43 was not listed", node(system("fedora", "", "43", "Fedora Linux 43 (KDE Plasma Desktop Edition)")), life, api.Pass, "until 2026-12-09")
	add("CISOfy/lynis#1752", "a release that is not listed has no answer, and is no pass", node(system("fedora", "", "44", "Fedora Linux 44")), life, api.VerdictUnknown, "no end-of-life date")
	add("CISOfy/lynis#924", "Oracle Linux was an unknown system", node(system("ol", "fedora", "7.8", "Oracle Linux Server 7.8")), life, api.Fail, "gets no security updates any more")
	add("CISOfy/lynis#1148", "a derivative has dates of its own, not Debian's", node(system("parrot", "debian", "4.11", "Parrot OS 4.11")), life, api.VerdictUnknown, "no end-of-life date")
	add("CISOfy/lynis#1038", "another derivative", node(system("linuxmint", "ubuntu", "18.2", "Linux Mint 18.2")), life, api.VerdictUnknown, "no end-of-life date")

	// Pending updates.
	add("mikesir87/aws-cli-docker#19", "the security archive has another name since bullseye: its index could not be had, and nothing was pending",
		unsecured, pending, api.VerdictUnknown, "no security archive is in use")
	add("puppetlabs/puppetlabs-apt#716", "updates of stable-updates were taken for security updates",
		status("debian12", "base-files 12.4+deb12u11"), pending, api.Pass, "no security update is pending")
	stale := hosttest.Fixture(t, "debian12").With(dpkg("base-files 12.4+deb12u15"))
	on("2027-01-20", "pivpn/pivpn#1204", "the time of the lists' directory was taken for the index's age", stale, pending, api.VerdictUnknown, "its security index is no longer valid: it is 57 days old")
	on("2027-01-20", "dsx-ai-factory/infra-controller#5556", "apt update succeeded and left the index as it was", stale, hosts.PackageIndexStale, api.Fail, "its security index is no longer valid")
	add("prometheus-community/node-exporter-textfile-collector-scripts#207", "an update on hold was not counted",
		status("debian12", "libssl3 3.0.19-1~deb12u2 hold ok installed"), pending, api.Fail, "1 security update held back: libssl3")
	add("ansible-lockdown/UBUNTU24-CIS-Audit#16", "an update that is not offered to everybody yet was a failure",
		status("ubuntu2204", "base-files 12ubuntu4"), pending, api.Pass, "no security update is pending")
	add("aquasecurity/trivy#316", "packages that are not installed were reported",
		status("debian12", "libssl3 3.0.19-1~deb12u2 deinstall ok config-files", "base-files 12.4+deb12u15"), pending, api.Pass, "no security update is pending")
	add("wazuh/wazuh#36983", "a kernel of backports was judged by the release's data",
		status("debian12", "linux-image-6.12.90+deb12-amd64 6.12.90-2~bpo12+1"), hosts.UncoveredPackages, api.VerdictUnknown, "1 package gets no security updates from the archives in use")

	// The index of dnf is as old as its file, so these are judged on the day after the test.
	now := begun.UTC().AddDate(0, 0, 1).Format(time.DateOnly)
	openssl := installed("openssl", "3.0.7-24.el9.x86_64", -1000)
	stream := system("centos", "rhel fedora", "9", "CentOS Stream 9")
	amazon := installed("system-release", "2023.6.20250203-0.amzn2023.noarch", -1000, "system-release(releasever)", "2023.6.20250203")
	on(now, "future-architect/vuls#477", "CentOS publishes no advisories: no security update was ever pending",
		node(stream, rpms(glibc, openssl), repository("http://mirror.example.org/9-stream", "", []string{"glibc 2.34-100.el9.x86_64", "openssl 3.0.7-27.el9.x86_64"})),
		pending, api.VerdictUnknown, "1 update pending, security unknown")
	on(now, "digitalocean/marketplace-partners#127", "no security updates needed, but 29 updates available: that was up to date",
		node(stream, rpms(glibc, openssl), repository("http://mirror.example.org/9-stream", "", []string{"glibc 2.34-100.el9.x86_64", "openssl 3.0.7-24.el9.x86_64"})),
		pending, api.VerdictUnknown, "security unknown")
	on(now, "calestyo/check_yum#17", "a security update that a later update surpasses was not counted",
		node(rocky9, rpms(glibc, openssl), repository("http://mirror.example.org/rocky", "", []string{"glibc 2.34-100.el9.x86_64", "openssl 3.0.7-25.el9.x86_64", "openssl 3.0.7-27.el9.x86_64"}, "openssl 3.0.7-25.el9.x86_64")),
		pending, api.Fail, "1 security update pending: openssl")
	on(now, "wied03/centos-package-cron#27", "an advisory about an older version than the installed one was reported",
		node(rocky9, rpms(glibc, openssl), repository("http://mirror.example.org/rocky", "", []string{"glibc 2.34-100.el9.x86_64", "openssl 3.0.7-24.el9.x86_64"}, "openssl 3.0.7-6.el9.x86_64")),
		pending, api.Pass, "no security update is pending")
	on(now, "amazonlinux/amazon-linux-2023#745", "automatic updates never installed anything: the host stays on one release of its repositories",
		node(amazon23, rpms(glibc, openssl, amazon), repository("http://mirror.example.org/al2023/$releasever", "2023.6.20250203",
			[]string{"glibc 2.34-100.el9.x86_64", "openssl 3.0.7-24.el9.x86_64", "system-release 2023.6.20250203-0.amzn2023.noarch"}, "openssl 3.0.7-6.el9.x86_64")),
		pending, api.VerdictUnknown, "the node stays on release 2023.6.20250203")

	for id, row := range rows {
		t.Run(strings.ReplaceAll(id, "/", "_"), func(t *testing.T) {
			want(t, answers(t, seen(t, row.node), row.check, row.date), row.verdict, row.message)
			if t.Failed() {
				t.Logf("the report: %s", row.wrong)
			}
		})
	}
	if len(rows) < 30 {
		t.Errorf("%d reports", len(rows))
	}
}
