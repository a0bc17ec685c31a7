package host

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func date(year int, month time.Month, day, hour, minute, second int) fact.Time {
	return fact.NewTime(time.Date(year, month, day, hour, minute, second, 0, time.UTC))
}

func yes() *bool { b := true; return &b }
func no() *bool  { b := false; return &b }

// The date that apt last looked is the fixture's own: it is compared apart.
func takeChecked(t *testing.T, state *fact.PackageState) {
	t.Helper()
	if age := time.Since(state.Checked.Time); age < 0 || age > time.Hour {
		t.Errorf("checked %v, want the time at which lists/partial was made", state.Checked)
	}
	state.Checked = fact.Time{}
}

func TestReadDebian(t *testing.T) {
	const security = "Debian-Security/oldstable-security"
	want := fact.Host{
		Hostname: "worker-12", Arch: "amd64", BootTime: date(2026, 11, 18, 11, 6, 40),
		OS: fact.OSRelease{
			Path: "/etc/os-release", ID: "debian", VersionID: "12", Codename: "bookworm",
			PrettyName: "Debian GNU/Linux 12 (bookworm)",
		},
		Running: &fact.RunningKernel{
			Release: "6.1.0-50-cloud-amd64", Build: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-07-01)", ModulesPresent: yes(),
		},
		Installed: []fact.InstalledKernel{
			{
				Release: "6.1.0-50-cloud-amd64", Build: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-07-01)",
				Path: "/boot/vmlinuz-6.1.0-50-cloud-amd64", Package: "linux-image-6.1.0-50-cloud-amd64", PackageVersion: "6.1.176-1",
			},
			{
				Release: "6.1.0-56-cloud-amd64", Build: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)",
				Path: "/boot/vmlinuz-6.1.0-56-cloud-amd64",
			},
		},
		Packages: &fact.PackageState{
			Manager: "apt", Database: "/var/lib/dpkg/status", Installed: 14, Indexes: 3,
			Content: date(2026, 11, 23, 11, 22, 37),
			Pending: []fact.PendingUpdate{
				{Name: "base-files", Arch: "amd64", Installed: "12.4+deb12u11", Candidate: "12.4+deb12u15", Source: "base-files"},
				{Name: "bash", Arch: "amd64", Installed: "5.2.15-2+b8", Candidate: "5.2.15-2+b13", Source: "bash"},
				{Name: "ca-certificates", Arch: "all", Installed: "20230311+deb12u1", Candidate: "20250419~deb12u2", Security: "20250419~deb12u2", Archive: security, Source: "ca-certificates"},
				{Name: "curl", Arch: "amd64", Installed: "7.88.1-10+deb12u14", Candidate: "7.88.1-10+deb12u15", Source: "curl"},
				{Name: "dpkg", Arch: "amd64", Installed: "1.21.22", Candidate: "1.21.23", Source: "dpkg"},
				{Name: "libcap2", Arch: "amd64", Installed: "1:2.66-4+deb12u2+b2", Candidate: "1:2.66-4+deb12u3+b1", Source: "libcap2"},
				{Name: "libssl3", Arch: "amd64", Installed: "3.0.19-1~deb12u2", Candidate: "3.0.22-1~deb12u2", Security: "3.0.22-1~deb12u2", Archive: security, Source: "openssl"},
				{Name: "openssh-client", Arch: "amd64", Installed: "1:9.2p1-2+deb12u6", Candidate: "1:9.2p1-2+deb12u10", Security: "1:9.2p1-2+deb12u9", Archive: security, Source: "openssh"},
				{Name: "openssl", Arch: "amd64", Installed: "3.0.19-1~deb12u2", Candidate: "3.0.22-1~deb12u2", Security: "3.0.22-1~deb12u2", Archive: security, Source: "openssl"},
				{Name: "perl-base", Arch: "amd64", Installed: "5.36.0-7+deb12u2", Candidate: "5.36.0-7+deb12u4", Security: "5.36.0-7+deb12u4", Archive: security, Source: "perl"},
				{Name: "systemd", Arch: "amd64", Installed: "252.38-1~deb12u1", Candidate: "252.39-1~deb12u2", Source: "systemd", Held: true},
				{Name: "tzdata", Arch: "all", Installed: "2025b-0+deb12u2", Candidate: "2026f-0+deb12u1", Security: "2026f-0+deb12u1", Archive: security, Source: "tzdata"},
			},
		},
	}
	host, read, gaps := fixture(t, "debian12").read(t)
	takeChecked(t, host.Packages)
	if diff := cmp.Diff(want, host); diff != "" {
		t.Errorf("host (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]fact.Kind{fact.Kernel, fact.Packages}, read); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]fact.NodeGap(nil), gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
}

func TestReadUbuntu(t *testing.T) {
	const security = "Ubuntu/jammy-security"
	want := fact.Host{
		Hostname: "worker-jammy", Arch: runtime.GOARCH, BootTime: date(2023, 11, 14, 22, 13, 20),
		OS: fact.OSRelease{
			Path: "/usr/lib/os-release", ID: "ubuntu", IDLike: "debian", VersionID: "22.04", Codename: "jammy",
			PrettyName: "Ubuntu 22.04.5 LTS",
		},
		Running: &fact.RunningKernel{
			Release: "5.15.0-91-generic", Build: "#101-Ubuntu SMP Tue Nov 14 13:30:08 UTC 2023", ModulesPresent: yes(),
			Livepatch: []string{"lkp_Ubuntu_5_15_0_91_101_generic_104"},
		},
		Installed: []fact.InstalledKernel{{
			Release: "5.15.0-91-generic", Build: "#101-Ubuntu SMP Tue Nov 14 13:30:08 UTC 2023",
			Path: "/boot/vmlinuz-5.15.0-91-generic", Package: "linux-image-5.15.0-91-generic", PackageVersion: "5.15.0-91.101",
		}},
		Packages: &fact.PackageState{
			Manager: "apt", Database: "/var/lib/dpkg/status", Installed: 13, Indexes: 6,
			Content: date(2026, 11, 23, 10, 0, 0),
			Pending: []fact.PendingUpdate{
				{Name: "apt", Arch: "amd64", Installed: "2.4.5", Candidate: "2.4.15ubuntu0.1", Security: "2.4.15ubuntu0.1", Archive: security, Source: "apt"},
				{Name: "base-files", Arch: "amd64", Installed: "12ubuntu4", Candidate: "12ubuntu4.7", Source: "base-files", Phasing: true},
				{Name: "bash", Arch: "amd64", Installed: "5.1-6ubuntu1", Candidate: "5.1-6ubuntu1.1", Security: "5.1-6ubuntu1.1", Archive: security, Source: "bash"},
				{Name: "curl", Arch: "amd64", Installed: "7.81.0-1", Candidate: "7.81.0-1ubuntu1.30", Security: "7.81.0-1ubuntu1.30", Archive: security, Source: "curl"},
				{Name: "dpkg", Arch: "amd64", Installed: "1.21.1ubuntu2", Candidate: "1.21.1ubuntu2.6", Security: "1.21.1ubuntu2.6", Archive: security, Source: "dpkg"},
				{Name: "libc6", Arch: "amd64", Installed: "2.35-0ubuntu3", Candidate: "2.35-0ubuntu3.18", Security: "2.35-0ubuntu3.18", Archive: security, Source: "glibc"},
				{Name: "libssl3", Arch: "amd64", Installed: "3.0.2-0ubuntu1", Candidate: "3.0.2-0ubuntu1.30", Security: "3.0.2-0ubuntu1.30", Archive: security, Source: "openssl"},
				{Name: "libxml2", Arch: "i386", Installed: "2.9.13+dfsg-1build1", Candidate: "2.9.13+dfsg-1ubuntu0.9", Source: "libxml2"},
				{Name: "openssl", Arch: "amd64", Installed: "3.0.2-0ubuntu1", Candidate: "3.0.2-0ubuntu1.30", Security: "3.0.2-0ubuntu1.30", Archive: security, Source: "openssl"},
				{Name: "snapd", Arch: "amd64", Installed: "2.55.3+22.04", Candidate: "2.78+ubuntu22.04", Security: "2.76.3+ubuntu22.04.1", Archive: security, Source: "snapd"},
				{Name: "systemd", Arch: "amd64", Installed: "249.11-0ubuntu3", Candidate: "249.11-0ubuntu3.23", Security: "249.11-0ubuntu3.23", Archive: security, Source: "systemd"},
				{Name: "tzdata", Arch: "all", Installed: "2022a-0ubuntu1", Candidate: "2029a-0ubuntu0.22.04+esm1", Security: "2029a-0ubuntu0.22.04+esm1", Archive: "UbuntuESM/jammy-infra-security", Source: "tzdata"},
			},
		},
	}
	host, read, gaps := fixture(t, "ubuntu2204").read(t)
	takeChecked(t, host.Packages)
	if diff := cmp.Diff(want, host); diff != "" {
		t.Errorf("host (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]fact.Kind{fact.Kernel, fact.Packages}, read); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]fact.NodeGap(nil), gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
}

func TestReadNothing(t *testing.T) {
	host, read, gaps := Read(context.Background(), nil, nil, func(fact.Kind) bool { return true })
	if diff := cmp.Diff(fact.Host{Arch: runtime.GOARCH}, host); diff != "" {
		t.Errorf("host (-want +got):\n%s", diff)
	}
	want := []fact.NodeGap{
		{What: fact.Kernel, Reason: fact.Unreadable, Detail: "/proc was not opened"},
		{What: fact.Kernel, Reason: fact.Unreadable, Detail: "the node's root was not opened: no installed kernels"},
		{What: fact.Packages, Reason: fact.Unreadable, Detail: "the node's root was not opened"},
	}
	if diff := cmp.Diff(want, gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	if read != nil {
		t.Errorf("read %v, want nothing", read)
	}
}

func TestReadOnlyWhatIsWanted(t *testing.T) {
	root := openRoot(t, fixture(t, "debian12").write(t))
	host, read, gaps := Read(context.Background(), root, nil, func(fact.Kind) bool { return false })
	if host.Packages != nil || host.Running != nil || host.Installed != nil || read != nil || gaps != nil {
		t.Errorf("read %v with gaps %v and %+v, wanted nothing", read, gaps, host)
	}
}

// TestKernels holds what can be told of kernels from images and packages.
func TestKernels(t *testing.T) {
	debian := fixture(t, "debian12")
	const image = "boot/vmlinuz-6.1.0-56-cloud-amd64"
	images := debian.without("boot/vmlinuz-6.1.0-50-cloud-amd64", image)
	kernel := func(release, build, path string) fact.InstalledKernel {
		return fact.InstalledKernel{Release: release, Build: build, Path: path}
	}
	packaged := func(k fact.InstalledKernel) fact.InstalledKernel {
		k.Package, k.PackageVersion = "linux-image-6.1.0-50-cloud-amd64", "6.1.176-1"
		return k
	}
	nothing := fact.NodeGap{
		What: fact.Kernel, Reason: fact.NotPresent,
		Detail: "no kernel is installed: none in /boot or /usr/lib/modules, none in a package database that is read",
	}
	for name, tc := range map[string]struct {
		files files
		want  []fact.InstalledKernel
		gaps  []fact.NodeGap
	}{
		"same release, rebuilt": {
			files: images.with(files{"boot/vmlinuz-6.1.0-50-cloud-amd64": "bzImage: 6.1.0-50-cloud-amd64 (x@y) #1 SMP PREEMPT_DYNAMIC Debian 6.1.180-1 (2026-08-01)\n"}),
			want: []fact.InstalledKernel{packaged(kernel("6.1.0-50-cloud-amd64",
				"#1 SMP PREEMPT_DYNAMIC Debian 6.1.180-1 (2026-08-01)", "/boot/vmlinuz-6.1.0-50-cloud-amd64"))},
		},
		"no image: dpkg's database": {
			files: images,
			want:  []fact.InstalledKernel{packaged(kernel("6.1.0-50-cloud-amd64", "", "/var/lib/dpkg/status"))},
		},
		"an image of another architecture: the name tells": {
			files: images.with(files{"boot/vmlinuz-6.1.0-50-cloud-amd64": strings.Repeat("ARM\x64", 300)}),
			want:  []fact.InstalledKernel{packaged(kernel("6.1.0-50-cloud-amd64", "", "/boot/vmlinuz-6.1.0-50-cloud-amd64"))},
		},
		"an image beside the modules": {
			files: images.with(files{
				"usr/lib/modules/6.8.5-301.fc40.x86_64/vmlinuz": "bzImage: 6.8.5-301.fc40.x86_64 (mockbuild@host) #1 SMP PREEMPT_DYNAMIC Thu Apr 11 20:00:10 UTC 2024\n",
				"usr/lib/modules/6.8.4-300.fc40.x86_64/":        "",
			}),
			want: []fact.InstalledKernel{kernel("6.8.5-301.fc40.x86_64",
				"#1 SMP PREEMPT_DYNAMIC Thu Apr 11 20:00:10 UTC 2024", "/usr/lib/modules/6.8.5-301.fc40.x86_64/vmlinuz")},
		},
		"one image in both places is one kernel": {
			files: images.with(files{
				"usr/lib/modules/6.9.1-arch1-1/vmlinuz": "bzImage: 6.9.1-arch1-1 (linux@archlinux) #1 SMP PREEMPT_DYNAMIC Fri, 17 May 2024\n",
				"boot/vmlinuz-linux":                    "bzImage: 6.9.1-arch1-1 (linux@archlinux) #1 SMP PREEMPT_DYNAMIC Fri, 17 May 2024\n",
			}),
			want: []fact.InstalledKernel{kernel("6.9.1-arch1-1", "#1 SMP PREEMPT_DYNAMIC Fri, 17 May 2024", "/boot/vmlinuz-linux")},
		},
		"a rescue image is no kernel to update to": {
			files: images.with(files{
				"boot/vmlinuz-0-rescue-0123456789abcdef": "bzImage: 6.9.9 (x@y) #1 SMP\n",
				image:                                    "bzImage: 6.1.0-56-cloud-amd64 (x@y) #1 SMP\n",
			}),
			want: []fact.InstalledKernel{kernel("6.1.0-56-cloud-amd64", "#1 SMP", "/"+image)},
		},
		"a link to an image is followed inside the root": {
			files: images.with(files{image: "link: /opt/kernel\n", "opt/kernel": "bzImage: 6.1.0-56-cloud-amd64 (x@y) #1 SMP\n"}),
			want:  []fact.InstalledKernel{kernel("6.1.0-56-cloud-amd64", "#1 SMP", "/"+image)},
		},
		"a cut image is a gap, and dpkg is not asked instead": {
			files: images.with(files{image: "MZ"}),
			gaps: []fact.NodeGap{{
				What: fact.Kernel, Reason: fact.Truncated,
				Detail: "/boot/vmlinuz-6.1.0-56-cloud-amd64: ends too early: expected a boot header of 528 bytes, found 2",
			}},
		},
		"an image cut in its version": {
			files: images.with(files{image: string(bzImage("6.1.0-56-cloud-amd64 (x@y) #1 SMP"))[:bzBase+0x42c0+10]}),
			gaps: []fact.NodeGap{{
				What: fact.Kernel, Reason: fact.Truncated,
				Detail: "/boot/vmlinuz-6.1.0-56-cloud-amd64: ends too early: inside the kernel version at byte 17600",
			}},
		},
		"an image that names no version": {
			files: images.with(files{image: "bzImage: hello\n"}),
			gaps: []fact.NodeGap{{
				What: fact.Kernel, Reason: fact.Corrupt,
				Detail: `/boot/vmlinuz-6.1.0-56-cloud-amd64: expected a kernel release, found "hello"`,
			}},
		},
		"nothing installed": {
			files: images.without("var/lib/dpkg/status"),
			gaps:  []fact.NodeGap{nothing},
		},
		"no kernel among the packages": {
			files: images.with(files{"var/lib/dpkg/status": "Package: linux-image-amd64\nStatus: install ok installed\nVersion: 6.1\nArchitecture: amd64\n\n"}),
			gaps:  []fact.NodeGap{nothing},
		},
		"a kernel package that was removed": {
			files: images.with(files{"var/lib/dpkg/status": "Package: linux-image-6.1.0-40-amd64\nStatus: deinstall ok config-files\nVersion: 6.1\nArchitecture: amd64\n\n"}),
			gaps:  []fact.NodeGap{nothing},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tc.files.write(t)
			running, installed, found, gaps := readKernels(openRoot(t, dir), openRoot(t, dir+"/proc"))
			if diff := cmp.Diff(tc.want, installed); diff != "" {
				t.Errorf("installed (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.gaps, gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			if running == nil || !found {
				t.Errorf("running %v, found %v", running, found)
			}
		})
	}
}

func TestRunningKernel(t *testing.T) {
	debian := fixture(t, "debian12")
	for name, tc := range map[string]struct {
		files files
		want  *fact.RunningKernel
		gap   fact.NodeGap
	}{
		"its modules are gone": {
			files: debian.without("lib/modules/6.1.0-50-cloud-amd64/modules.dep"),
			want: &fact.RunningKernel{
				Release: "6.1.0-50-cloud-amd64", Build: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-07-01)", ModulesPresent: no(),
			},
		},
		"no release": {
			files: debian.without("proc/sys/kernel/osrelease"),
			gap:   fact.NodeGap{What: fact.Kernel, Reason: fact.NotPresent, Detail: "open ROOT/proc/sys/kernel/osrelease: no such file or directory"},
		},
		"an empty release": {
			files: debian.with(files{"proc/sys/kernel/osrelease": "\n"}),
			gap:   fact.NodeGap{What: fact.Kernel, Reason: fact.Corrupt, Detail: "/proc/sys/kernel/osrelease: expected a kernel release, found nothing"},
		},
		"a version that is none": {
			files: debian.with(files{"proc/version": "FreeBSD\n"}),
			gap:   fact.NodeGap{What: fact.Kernel, Reason: fact.Corrupt, Detail: `/proc/version: expected a kernel release, found "FreeBSD\n"`},
		},
		"a build of another release is not taken for its own": {
			files: debian.with(files{"proc/version": "Linux version 2.6.60-50 (x@y) #1 SMP\n"}),
			want:  &fact.RunningKernel{Release: "6.1.0-50-cloud-amd64", ModulesPresent: yes()},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tc.files.write(t)
			running, _, _, gaps := readKernels(openRoot(t, dir), openRoot(t, dir+"/proc"))
			if diff := cmp.Diff(tc.want, running); diff != "" {
				t.Errorf("running (-want +got):\n%s", diff)
			}
			var want []fact.NodeGap
			if tc.gap.What != "" {
				want = []fact.NodeGap{tc.gap}
			}
			if diff := cmp.Diff(want, placed(gaps, dir)); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
		})
	}
}

// placed writes ROOT for the directory of a fixture.
func placed(gaps []fact.NodeGap, dir string) []fact.NodeGap {
	for i := range gaps {
		gaps[i].Detail = strings.ReplaceAll(gaps[i].Detail, dir, "ROOT")
	}
	return gaps
}

// TestPackageGaps holds that whatever is missing or broken is said, with its
// place, and that the rest is still read.
func TestPackageGaps(t *testing.T) {
	debian := fixture(t, "debian12")
	const (
		status   = "var/lib/dpkg/status"
		sources  = "etc/apt/sources.list.d/debian.sources"
		lists    = "var/lib/apt/lists/mirror.example.org_debian"
		mainList = lists + "_dists_bookworm_main_binary-amd64_Packages"
		mainRel  = lists + "_dists_bookworm_InRelease"
		secList  = lists + "-security_dists_bookworm-security_main_binary-amd64_Packages"
		secRel   = lists + "-security_dists_bookworm-security_InRelease"
	)
	gap := func(reason fact.Reason, detail string) []fact.NodeGap {
		return []fact.NodeGap{{What: fact.Packages, Reason: reason, Detail: detail}}
	}
	for name, tc := range map[string]struct {
		files     files
		gaps      []fact.NodeGap
		pending   int // packages with an update, held ones included
		installed int
		indexes   int
	}{
		"all well": {files: debian, pending: 12, installed: 14, indexes: 3},
		"an enabled source without its list": {
			files: debian.without(secList),
			gaps: gap(fact.NotPresent, "/etc/apt/sources.list.d/debian.sources:8 is enabled, but there is no "+
				"/var/lib/apt/lists/mirror.example.org_debian-security_dists_bookworm-security_main_binary-amd64_Packages"),
			pending: 11, installed: 14, indexes: 2,
		},
		"an enabled source that was never fetched": {
			files: debian.with(files{"etc/apt/sources.list": "deb [arch=amd64] https://example.org/deb stable main\n"}),
			gaps: gap(fact.NotPresent, "/etc/apt/sources.list:1 is enabled, but there is no "+
				"/var/lib/apt/lists/example.org_deb_dists_stable_main_binary-amd64_Packages"),
			pending: 12, installed: 14, indexes: 3,
		},
		"a component that the archive says is empty": {
			files: debian.with(files{"etc/apt/sources.list": "deb http://mirror.example.org/debian bookworm contrib\n"}), pending: 12, installed: 14, indexes: 3,
		},
		"a component that the archive does not have": {
			files: debian.with(files{"etc/apt/sources.list": "deb http://mirror.example.org/debian bookworm games\n"}), pending: 12, installed: 14, indexes: 3,
		},
		"a list without its source is not read": {
			files: debian.edit(t, sources, "URIs: http://mirror.example.org/debian-security", "Enabled: no\nURIs: http://mirror.example.org/debian-security"), gaps: gap(fact.NotPresent, "none of the 2 package lists is of a security archive in use (Debian-Security, Ubuntu's -security or ESM), "+
				"so security updates cannot be told from others"),
			pending: 11, installed: 14, indexes: 2,
		},
		"a Release file without sizes cannot excuse a list": {
			files: debian.without(secList).with(files{secRel: "Origin: Debian\nLabel: Debian-Security\nSuite: oldstable-security\n"}),
			gaps: gap(fact.NotPresent, "/etc/apt/sources.list.d/debian.sources:8 is enabled, but there is no "+
				"/var/lib/apt/lists/mirror.example.org_debian-security_dists_bookworm-security_main_binary-amd64_Packages"),
			pending: 11, installed: 14, indexes: 2,
		},
		"a security archive that is empty": {
			files: debian.without(secList).with(files{secRel: "Label: Debian-Security\nSuite: oldstable-security\nSHA256:\n e3b0c442 0 main/binary-amd64/Packages\n"}), pending: 11, installed: 14, indexes: 2,
		},
		"no source at all": {
			files:     debian.without(sources),
			gaps:      gap(fact.NotPresent, "/etc/apt: no source is enabled, so nothing is known of updates"),
			installed: 14,
		},
		"a source that is no source": {
			files:   debian.with(files{"etc/apt/sources.list": "dep http://mirror.example.org/debian bookworm main\n"}),
			gaps:    gap(fact.Corrupt, `/etc/apt/sources.list:1: expected deb or deb-src, found "dep"`),
			pending: 12, installed: 14, indexes: 3,
		},
		"a list cut inside a line": {
			files:   debian.with(files{mainList: strings.TrimRight(debian[mainList], "\n")}),
			gaps:    gap(fact.Truncated, fmt.Sprintf("/%s: ends too early: inside a line, at byte %d", mainList, len(debian[mainList])-2)),
			pending: 12, installed: 14, indexes: 2,
		},
		"a list cut between stanzas": {
			files: debian.with(files{mainList: debian[mainList][:strings.LastIndex(debian[mainList], "Package: ")]}),
			gaps: gap(fact.Truncated, fmt.Sprintf("/%s: ends too early: it has %d bytes, its Release file says %d", mainList,
				strings.LastIndex(debian[mainList], "Package: "), len(debian[mainList]))),
			pending: 12, installed: 14, indexes: 2,
		},
		"a list longer than its Release file says": {
			files:   debian.with(files{mainList: debian[mainList] + "\n"}),
			gaps:    gap(fact.Corrupt, fmt.Sprintf("/%s: it has %d bytes, its Release file says %d", mainList, len(debian[mainList])+1, len(debian[mainList]))),
			pending: 12, installed: 14, indexes: 2,
		},
		"a list with a stanza that is none": {
			files: debian.with(files{secList: "<html>\n\n"}),
			gaps:  gap(fact.Corrupt, "/"+secList+`: expected "Field: value" at byte 0, found "<html>"`), pending: 11, installed: 14, indexes: 2,
		},
		"a compression that is not unpacked": {
			files:   debian.without(mainList).with(files{mainList + ".bz2": "BZh9"}),
			gaps:    gap(fact.Unsupported, "/"+mainList+`.bz2: compression ".bz2" is not supported`),
			pending: 6, installed: 14, indexes: 2,
		},
		"a list that is not what its name says": {
			files:   debian.without(mainList).with(files{mainList + ".lz4": "nothing of that kind"}),
			gaps:    gap(fact.Corrupt, "/"+mainList+".lz4: lz4: expected the magic number 0x184d2204, found 0x68746f6e"),
			pending: 6, installed: 14, indexes: 2,
		},
		"an InRelease cut before its signature": {
			files: debian.with(files{secRel: debian[secRel][:strings.Index(debian[secRel], "-----BEGIN PGP SIGNATURE")]}),
			gaps:  gap(fact.Truncated, "/"+secRel+": ends too early: expected a signature at its end, found none"), pending: 12, installed: 14, indexes: 3,
		},
		"a Release with a date that is none": {
			files: debian.edit(t, secRel, "Date: Mon, 23 Nov 2026 11:22:37 UTC", "Date: yesterday"),
			gaps:  gap(fact.Corrupt, "/"+secRel+`: line 9: Date: expected a date like "Sat, 11 Jul 2026 10:16:37 UTC", found "yesterday"`), pending: 12, installed: 14, indexes: 3,
		},
		"a status file cut between stanzas keeps what is before": {
			files:   debian.with(files{status: strings.TrimSuffix(debian[status], "\n")}),
			gaps:    gap(fact.Truncated, fmt.Sprintf("/var/lib/dpkg/status: ends too early: no empty line after the stanza at byte %d", strings.LastIndex(debian[status], "Package: "))),
			pending: 12, installed: 14, indexes: 3,
		},
		"a status file cut inside a line": {
			files:   debian.with(files{status: debian[status][:strings.LastIndex(debian[status], "Version: ")+5]}),
			gaps:    gap(fact.Truncated, fmt.Sprintf("/var/lib/dpkg/status: ends too early: inside a line, at byte %d", strings.LastIndex(debian[status], "Version: ")+5)),
			pending: 12, installed: 14, indexes: 3,
		},
		"an empty status file": {
			files: debian.with(files{status: ""}),
			gaps:  gap(fact.Truncated, "/var/lib/dpkg/status: no installed package in it"), indexes: 3,
		},
		"a status of two words": {
			files: debian.with(files{status: "Package: bash\nStatus: install ok\nVersion: 1\nArchitecture: amd64\n\n"}),
			gaps:  gap(fact.Corrupt, `/var/lib/dpkg/status: expected a Status of three words in the stanza of "bash" at byte 0, found "install ok"`), indexes: 3,
		},
		"preferences by regular expression": {
			files: debian.with(files{"etc/apt/preferences.d/x": "Package: /^lib/\nPin: release o=Debian\nPin-Priority: 1\n"}),
			gaps:  gap(fact.Unsupported, `/etc/apt/preferences.d/x:1: regular expression "/^lib/" is not evaluated`), pending: 12, installed: 14, indexes: 3,
		},
		"apt.conf that moves the lists": {
			files: debian.with(files{"etc/apt/apt.conf.d/x": `Dir::State::Lists "/srv/lists";` + "\n"}),
			gaps:  gap(fact.Unsupported, "apt.conf moves apt's files: dir::state::lists /srv/lists"), pending: 12, installed: 14, indexes: 3,
		},
		"rpm": {
			files: files{"var/lib/rpm/rpmdb.sqlite": "", "etc/os-release": "PRETTY_NAME=\"Rocky Linux 9.4\"\nID=rocky\n"},
			gaps:  gap(fact.Unsupported, "Rocky Linux 9.4 has its packages in the rpm database /var/lib/rpm, which is not read yet"),
		},
		"apk": {
			files: files{"lib/apk/db/installed": "", "etc/os-release": "PRETTY_NAME='Alpine Linux v3.20'\n"},
			gaps:  gap(fact.Unsupported, "Alpine Linux v3.20 has its packages in the apk database /lib/apk/db/installed, which is not read yet"),
		},
		"pacman": {
			files: files{"var/lib/pacman/local/": ""},
			gaps:  gap(fact.Unsupported, "a system without os-release has its packages in the pacman database /var/lib/pacman/local, which is not read yet"),
		},
		"Talos": {
			files: files{"etc/os-release": "ID=talos\n"},
			gaps:  gap(fact.Unsupported, "Talos Linux is updated as a whole image, which is not read yet"),
		},
		"Fedora CoreOS": {
			files: files{"etc/os-release": "ID=fedora\nPRETTY_NAME=\"Fedora Linux 40\"\nVARIANT_ID=iot-x\n", "run/ostree-booted": "", "var/lib/rpm/": ""},
			gaps:  gap(fact.Unsupported, "Fedora Linux 40 (booted from ostree) is updated as a whole image, which is not read yet"),
		},
		"no database at all": {
			files: files{"etc/os-release": "ID=x\nPRETTY_NAME=X\n"},
			gaps:  gap(fact.NotPresent, "X has no package database in a place that is known: neither /var/lib/dpkg/status nor one of rpm, apk or pacman"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tc.files.write(t)
			root := openRoot(t, dir)
			state, gaps := readPackages(context.Background(), root, osRelease(root))
			if diff := cmp.Diff(tc.gaps, placed(gaps, dir)); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			if state == nil {
				state = &fact.PackageState{}
			}
			got := [3]int{len(state.Pending), state.Installed, state.Indexes}
			if want := [3]int{tc.pending, tc.installed, tc.indexes}; got != want {
				t.Errorf("pending, installed, indexes: %v, want %v", got, want)
			}
		})
	}
}

// TestSecurityUpdateKeptAway holds that preferences do not make a missing
// security update invisible: it is reported as held, beside what apt does.
func TestSecurityUpdateKeptAway(t *testing.T) {
	const archive = "Debian-Security/oldstable-security"
	held := fact.PendingUpdate{
		Name: "libssl3", Arch: "amd64", Installed: "3.0.19-1~deb12u2", Candidate: "3.0.22-1~deb12u2",
		Security: "3.0.22-1~deb12u2", Archive: archive, Source: "openssl", Held: true,
	}
	instead := fact.PendingUpdate{
		Name: "libssl3", Arch: "amd64", Installed: "3.0.19-1~deb12u2", Candidate: "3.0.20-1~deb12u2", Source: "openssl",
	}
	for name, tc := range map[string]struct {
		preferences string
		want        []fact.PendingUpdate
		gaps        int
	}{
		"by a pin of the installed version": {"Package: libssl3\nPin: version 3.0.19*\nPin-Priority: 1001\n", []fact.PendingUpdate{held}, 0},
		"by an archive of higher priority":  {"Package: *\nPin: release l=Debian-Security\nPin-Priority: 50\n", []fact.PendingUpdate{instead, held}, 0},
		"an archive that is never used has nothing to keep away, which is a gap": {
			"Package: *\nPin: release l=Debian-Security\nPin-Priority: never\n", []fact.PendingUpdate{instead}, 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := fixture(t, "debian12").with(files{"etc/apt/preferences": tc.preferences})
			state, gaps := readPackages(context.Background(), openRoot(t, f.write(t)), fact.OSRelease{})
			if len(gaps) != tc.gaps {
				t.Fatalf("%d gaps, want %d: %+v", len(gaps), tc.gaps, gaps)
			}
			var got []fact.PendingUpdate
			for _, u := range state.Pending {
				if u.Name == "libssl3" {
					got = append(got, u)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("libssl3 (-want +got):\n%s", diff)
			}
		})
	}
}

// TestJournal holds that what dpkg did since it last wrote its status counts.
func TestJournal(t *testing.T) {
	f := fixture(t, "debian12").with(files{
		"var/lib/dpkg/updates/0001":  "Package: bash\nStatus: install ok unpacked\nVersion: 5.2.15-2+b12\nArchitecture: amd64\n",
		"var/lib/dpkg/updates/0002":  "Package: bash\nStatus: install ok installed\nVersion: 5.2.15-2+b13\nArchitecture: amd64\n",
		"var/lib/dpkg/updates/tmp.i": "Package: bash\nStatus: insta",
	})
	state, gaps := readPackages(context.Background(), openRoot(t, f.write(t)), fact.OSRelease{})
	if len(gaps) > 0 {
		t.Fatalf("gaps: %+v", gaps)
	}
	for _, u := range state.Pending {
		if u.Name == "bash" {
			t.Errorf("bash is reported: %+v", u)
		}
	}
	if state.Installed != 14 {
		t.Errorf("%d packages installed, want 14", state.Installed)
	}
}

// TestDistroless holds that a package database of one file a package is read.
func TestDistroless(t *testing.T) {
	f := files{
		"var/lib/dpkg/status.d/base":         "Package: base-files\nVersion: 12.4+deb12u5\nArchitecture: amd64",
		"var/lib/dpkg/status.d/tzdata":       "Package: tzdata\nVersion: 2024a-0+deb12u1\nArchitecture: all\n",
		"var/lib/dpkg/status.d/base.md5sums": "0123  ./etc/x\n",
	}
	state, gaps := readPackages(context.Background(), openRoot(t, f.write(t)), fact.OSRelease{})
	want := []fact.NodeGap{
		{What: fact.Packages, Reason: fact.Truncated, Detail: "/var/lib/dpkg/status.d/base: ends too early: inside a line, at byte 61"},
		{
			What: fact.Packages, Reason: fact.NotPresent, Detail: "/etc/apt: no source is enabled, so nothing is known of updates",
		},
	}
	if diff := cmp.Diff(want, gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	if state.Database != "/var/lib/dpkg/status.d" || state.Installed != 1 {
		t.Errorf("database %s, %d installed", state.Database, state.Installed)
	}
}

// TestDeadline holds that a run that is over says so and keeps what it has.
func TestDeadline(t *testing.T) {
	ctx, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel()
	state, gaps := readPackages(ctx, openRoot(t, fixture(t, "debian12").write(t)), fact.OSRelease{})
	if len(gaps) == 0 || gaps[0].Reason != fact.Timeout {
		t.Errorf("gaps %+v, want a timeout first", gaps)
	}
	if state == nil || len(state.Pending) > 0 {
		t.Errorf("state %+v", state)
	}
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Error("the test's own deadline did not pass")
	}
}
