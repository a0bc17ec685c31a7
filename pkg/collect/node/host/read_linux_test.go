package host

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/ledger"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

func date(year int, month time.Month, day, hour, minute, second int) fact.Time {
	return fact.NewTime(time.Date(year, month, day, hour, minute, second, 0, time.UTC))
}

func yes() *bool { b := true; return &b }
func no() *bool  { b := false; return &b }

// begun is before everything that the tests make. The kernel's clock for files
// is coarse, and a fact has whole seconds.
var begun = time.Now().Add(-time.Second).Truncate(time.Second)

// The date that apt last looked is a directory's own, which the kernel sets: it is
// compared apart.
func takeChecked(t *testing.T, state *fact.PackageState) {
	t.Helper()
	if state.Checked.Before(begun) || state.Checked.After(time.Now()) {
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
		Reboot:           &fact.RebootState{},
		AutomaticUpdates: &fact.AutomaticUpdates{},
		Packages: &fact.PackageState{
			Manager: "apt", Database: "/var/lib/dpkg/status", Installed: 14, Set: "3c42b00c937a6ca4f65c97ce61309ca2f64e5e32e8eded91dbd3ec514c2af8a9", Indexes: 3,
			Content: date(2026, 11, 23, 11, 22, 37),
			Archives: []fact.PackageArchive{
				{Name: "Debian-Security/oldstable-security", Security: true, Date: date(2026, 11, 23, 11, 22, 37), ValidUntil: date(2026, 11, 30, 11, 22, 37)},
				{Name: "Debian/oldstable", Date: date(2026, 7, 11, 10, 16, 37)},
				{Name: "Debian/oldstable-updates", Date: date(2026, 11, 23, 8, 10, 14)},
			},
			Uncovered:      []fact.UncoveredPackage{{Name: "linux-image-6.1.0-50-cloud-amd64", Arch: "amd64", Version: "6.1.176-1", Why: fact.OutsideUpgrade}},
			UncoveredCount: 1,
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
	host, read, gaps := readAll(t, hosttest.Fixture(t, "debian12"))
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
		Reboot:           &fact.RebootState{},
		AutomaticUpdates: &fact.AutomaticUpdates{},
		Packages: &fact.PackageState{
			Manager: "apt", Database: "/var/lib/dpkg/status", Installed: 13, Set: "c8a6d7c8f60e5f9fa86797f2bf118d702f3af086318396d3bea0ebbd4ff27197", Indexes: 6,
			Content: date(2026, 11, 23, 10, 0, 0),
			Archives: []fact.PackageArchive{
				{Name: "Ubuntu/jammy-security", Security: true, Date: date(2026, 11, 23, 7, 51, 15)},
				{Name: "Ubuntu/jammy", Date: date(2022, 4, 21, 17, 16, 8)},
				{Name: "Ubuntu/jammy-updates", Date: date(2026, 11, 22, 12, 50, 35)},
				{Name: "UbuntuESM/jammy-infra-security", Date: date(2026, 11, 23, 10, 0, 0)},
			},
			Uncovered: []fact.UncoveredPackage{
				{Name: "libxml2", Arch: "i386", Version: "2.9.13+dfsg-1build1", Why: fact.OutsideComponent, Archive: "Ubuntu/jammy"},
				{Name: "linux-image-5.15.0-91-generic", Arch: "amd64", Version: "5.15.0-91.101", Why: fact.OutsideUpgrade},
			},
			UncoveredCount: 2,
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
	host, read, gaps := readAll(t, hosttest.Fixture(t, "ubuntu2204"))
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
	host, read, gaps := measure(nil, nil, nil)
	if diff := cmp.Diff(fact.Host{Arch: runtime.GOARCH}, host); diff != "" {
		t.Errorf("host (-want +got):\n%s", diff)
	}
	want := []fact.NodeGap{
		{What: fact.Kernel, Reason: fact.Unreadable, Detail: "/proc was not opened"},
		{What: fact.Kernel, Reason: fact.Unreadable, Detail: "the node's root was not opened: no installed kernels"},
		{What: fact.CPU, Reason: fact.Unreadable, Detail: "neither the node's root nor /sys was opened"},
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
	root := hosttest.OpenRoot(t, hosttest.Fixture(t, "debian12").Write(t))
	host, read, gaps := measure(root, nil, []fact.Kind{})
	if host.Packages != nil || host.Running != nil || host.Installed != nil || read != nil || gaps != nil {
		t.Errorf("read %v with gaps %v and %+v, wanted nothing", read, gaps, host)
	}
	if host.OS.ID != "debian" || host.Hostname != "worker-12" {
		t.Errorf("what is always read was not: %+v", host)
	}
}

// TestKernels holds what can be told of kernels from images and packages.
func TestKernels(t *testing.T) {
	debian := hosttest.Fixture(t, "debian12")
	const image = "boot/vmlinuz-6.1.0-56-cloud-amd64"
	images := debian.Without("boot/vmlinuz-6.1.0-50-cloud-amd64", image)
	kernel := func(release, build, path string) fact.InstalledKernel {
		return fact.InstalledKernel{Release: release, Build: build, Path: path}
	}
	packaged := func(k fact.InstalledKernel) fact.InstalledKernel {
		k.Package, k.PackageVersion = "linux-image-6.1.0-50-cloud-amd64", "6.1.176-1"
		return k
	}
	// What dpkg's database has, where no image shows it.
	database := packaged(kernel("6.1.0-50-cloud-amd64", "", "/var/lib/dpkg/status"))
	nothing := fact.NodeGap{
		What: fact.Kernel, Reason: fact.NotPresent,
		Detail: "no installed kernel was found in /boot, in /usr/lib/modules or in a supported package database",
	}
	for name, tc := range map[string]struct {
		files hosttest.Files
		want  []fact.InstalledKernel
		gaps  []fact.NodeGap
	}{
		"same release, rebuilt": {
			files: images.With(hosttest.Files{"boot/vmlinuz-6.1.0-50-cloud-amd64": "bzImage: 6.1.0-50-cloud-amd64 (x@y) #1 SMP PREEMPT_DYNAMIC Debian 6.1.180-1 (2026-08-01)\n"}),
			want: []fact.InstalledKernel{packaged(kernel("6.1.0-50-cloud-amd64",
				"#1 SMP PREEMPT_DYNAMIC Debian 6.1.180-1 (2026-08-01)", "/boot/vmlinuz-6.1.0-50-cloud-amd64"))},
		},
		"no image: dpkg's database": {
			files: images,
			want:  []fact.InstalledKernel{database},
		},
		"an image of another architecture: the name tells": {
			files: images.With(hosttest.Files{"boot/vmlinuz-6.1.0-50-cloud-amd64": strings.Repeat("ARM\x64", 300)}),
			want:  []fact.InstalledKernel{packaged(kernel("6.1.0-50-cloud-amd64", "", "/boot/vmlinuz-6.1.0-50-cloud-amd64"))},
		},
		"an image next to the modules": {
			files: images.With(hosttest.Files{
				"usr/lib/modules/6.8.5-301.fc40.x86_64/vmlinuz": "bzImage: 6.8.5-301.fc40.x86_64 (mockbuild@host) #1 SMP PREEMPT_DYNAMIC Thu Apr 11 20:00:10 UTC 2024\n",
				"usr/lib/modules/6.8.4-300.fc40.x86_64/":        "",
			}),
			want: []fact.InstalledKernel{database, kernel("6.8.5-301.fc40.x86_64",
				"#1 SMP PREEMPT_DYNAMIC Thu Apr 11 20:00:10 UTC 2024", "/usr/lib/modules/6.8.5-301.fc40.x86_64/vmlinuz")},
		},
		"one image in both places is one kernel": {
			files: images.With(hosttest.Files{
				"usr/lib/modules/6.9.1-arch1-1/vmlinuz": "bzImage: 6.9.1-arch1-1 (linux@archlinux) #1 SMP PREEMPT_DYNAMIC Fri, 17 May 2024\n",
				"boot/vmlinuz-linux":                    "bzImage: 6.9.1-arch1-1 (linux@archlinux) #1 SMP PREEMPT_DYNAMIC Fri, 17 May 2024\n",
			}),
			want: []fact.InstalledKernel{database, kernel("6.9.1-arch1-1", "#1 SMP PREEMPT_DYNAMIC Fri, 17 May 2024", "/boot/vmlinuz-linux")},
		},
		"a rescue image is no kernel to update to": {
			files: images.With(hosttest.Files{
				"boot/vmlinuz-0-rescue-0123456789abcdef": "bzImage: 6.9.9 (x@y) #1 SMP\n",
				image:                                    "bzImage: 6.1.0-56-cloud-amd64 (x@y) #1 SMP\n",
			}),
			want: []fact.InstalledKernel{database, kernel("6.1.0-56-cloud-amd64", "#1 SMP", "/"+image)},
		},
		"an image that make install has replaced is none to update to": {
			files: images.With(hosttest.Files{"boot/vmlinuz-6.9.9.old": "bzImage: 6.9.9 (x@y) #1 SMP\n"}),
			want:  []fact.InstalledKernel{database},
		},
		"an older image hides no newer package: /boot may be unmounted": {
			files: debian.Without("boot/vmlinuz-6.1.0-50-cloud-amd64", image).With(hosttest.Files{"boot/vmlinuz-6.1.0-40-cloud-amd64": "bzImage: 6.1.0-40-cloud-amd64 (x@y) #1 SMP\n"}),
			want:  []fact.InstalledKernel{kernel("6.1.0-40-cloud-amd64", "#1 SMP", "/boot/vmlinuz-6.1.0-40-cloud-amd64"), database},
		},
		"a link to an image is followed inside the root": {
			files: images.With(hosttest.Files{image: "link: /opt/kernel\n", "opt/kernel": "bzImage: 6.1.0-56-cloud-amd64 (x@y) #1 SMP\n"}),
			want:  []fact.InstalledKernel{database, kernel("6.1.0-56-cloud-amd64", "#1 SMP", "/"+image)},
		},
		"a cut image is a gap, whatever dpkg has": {
			files: images.With(hosttest.Files{image: "MZ"}),
			want:  []fact.InstalledKernel{database},
			gaps: []fact.NodeGap{{
				What: fact.Kernel, Reason: fact.Truncated,
				Detail: "/boot/vmlinuz-6.1.0-56-cloud-amd64: ends too early: expected a boot header of 528 bytes, found 2",
			}},
		},
		"an image cut in its version": {
			files: images.With(hosttest.Files{image: string(hosttest.BzImage("6.1.0-56-cloud-amd64 (x@y) #1 SMP"))[:bzBase+0x42c0+10]}),
			want:  []fact.InstalledKernel{database},
			gaps: []fact.NodeGap{{
				What: fact.Kernel, Reason: fact.Truncated,
				Detail: "/boot/vmlinuz-6.1.0-56-cloud-amd64: ends too early: inside the kernel version at byte 17600",
			}},
		},
		"an image that names no version": {
			files: images.With(hosttest.Files{image: "bzImage: hello\n"}),
			want:  []fact.InstalledKernel{database},
			gaps: []fact.NodeGap{{
				What: fact.Kernel, Reason: fact.Corrupt,
				Detail: `/boot/vmlinuz-6.1.0-56-cloud-amd64: expected a kernel release, found "hello"`,
			}},
		},
		"nothing installed": {
			files: images.Without("var/lib/dpkg/status"),
			gaps:  []fact.NodeGap{nothing},
		},
		"no kernel among the packages": {
			files: images.With(hosttest.Files{"var/lib/dpkg/status": "Package: linux-image-amd64\nStatus: install ok installed\nVersion: 6.1\nArchitecture: amd64\n\n"}),
			gaps:  []fact.NodeGap{nothing},
		},
		"a kernel package that was removed": {
			files: images.With(hosttest.Files{"var/lib/dpkg/status": "Package: linux-image-6.1.0-40-amd64\nStatus: deinstall ok config-files\nVersion: 6.1\nArchitecture: amd64\n\n"}),
			gaps:  []fact.NodeGap{nothing},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tc.files.Write(t)
			running, installed, found, gaps := readKernels(t.Context(), hosttest.OpenRoot(t, dir), hosttest.OpenRoot(t, dir+"/proc"))
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
	debian := hosttest.Fixture(t, "debian12")
	for name, tc := range map[string]struct {
		files hosttest.Files
		want  *fact.RunningKernel
		gap   fact.NodeGap
	}{
		"its modules are gone": {
			files: debian.Without("lib/modules/6.1.0-50-cloud-amd64/modules.dep"),
			want: &fact.RunningKernel{
				Release: "6.1.0-50-cloud-amd64", Build: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-07-01)", ModulesPresent: no(),
			},
		},
		"no release": {
			files: debian.Without("proc/sys/kernel/osrelease"),
			gap:   fact.NodeGap{What: fact.Kernel, Reason: fact.NotPresent, Detail: "open ROOT/proc/sys/kernel/osrelease: no such file or directory"},
		},
		"an empty release": {
			files: debian.With(hosttest.Files{"proc/sys/kernel/osrelease": "\n"}),
			gap:   fact.NodeGap{What: fact.Kernel, Reason: fact.Corrupt, Detail: "/proc/sys/kernel/osrelease: expected a kernel release, found nothing"},
		},
		"a version that is none": {
			files: debian.With(hosttest.Files{"proc/version": "FreeBSD\n"}),
			gap:   fact.NodeGap{What: fact.Kernel, Reason: fact.Corrupt, Detail: `/proc/version: expected a kernel release, found "FreeBSD\n"`},
		},
		"a build of another release is not taken for its own": {
			files: debian.With(hosttest.Files{"proc/version": "Linux version 2.6.60-50 (x@y) #1 SMP\n"}),
			want:  &fact.RunningKernel{Release: "6.1.0-50-cloud-amd64", ModulesPresent: yes()},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tc.files.Write(t)
			running, _, _, gaps := readKernels(t.Context(), hosttest.OpenRoot(t, dir), hosttest.OpenRoot(t, dir+"/proc"))
			if diff := cmp.Diff(tc.want, running); diff != "" {
				t.Errorf("running (-want +got):\n%s", diff)
			}
			var want []fact.NodeGap
			if tc.gap.What != "" {
				want = []fact.NodeGap{tc.gap}
			}
			if diff := cmp.Diff(want, hosttest.Placed(gaps, dir)); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
		})
	}
}

// The list of packages is read only where it is asked for.
func TestReadInventory(t *testing.T) {
	files := hosttest.Fixture(t, "debian12")
	dir := files.Write(t)
	root, proc := hosttest.OpenRoot(t, dir), hosttest.OpenRoot(t, dir+"/proc")
	host, read, gaps := measure(root, proc, []fact.Kind{fact.Inventory})
	if len(host.Inventory) != 14 || host.Packages != nil || !slices.Equal(read, []fact.Kind{fact.Inventory}) || gaps != nil {
		t.Errorf("%d packages, read %v, gaps %v", len(host.Inventory), read, gaps)
	}
	if host, _, _ := measure(root, proc, nil); host.Inventory != nil {
		t.Error("it was listed without being asked for")
	}
	_, read, gaps = measure(nil, proc, []fact.Kind{fact.Inventory})
	want := []fact.NodeGap{{What: fact.Inventory, Reason: fact.Unreadable, Detail: "the node's root was not opened"}}
	if diff := cmp.Diff(want, gaps); diff != "" || read != nil {
		t.Errorf("without a root: read %v, gaps (-want +got):\n%s", read, diff)
	}
}

// measure runs the reader; kinds are those that are asked for, nil means all of its
// own.
func measure(root, proc *rootfs.Root, kinds []fact.Kind) (fact.Host, []fact.Kind, []fact.NodeGap) {
	if kinds == nil {
		kinds = []fact.Kind{fact.Kernel, fact.CPU, fact.Packages}
	}
	l := ledger.New(fact.LevelFull, kinds)
	pass := reader.NewPass(&proctable.Table{FS: proctable.FS{Dir: proc}, Root: root}, l)
	Reader{}.Read(context.Background(), pass)
	m := l.Snapshot()
	return m.Host, m.Read, m.Gaps
}

// readAll measures the kernels and packages of a fixture's root with its proc.
func readAll(t testing.TB, f hosttest.Files) (fact.Host, []fact.Kind, []fact.NodeGap) {
	t.Helper()
	dir := f.Write(t)
	return measure(hosttest.OpenRoot(t, dir), hosttest.OpenRoot(t, dir+"/proc"), []fact.Kind{fact.Kernel, fact.Packages})
}
