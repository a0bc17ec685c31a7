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
		return host(fact.Host{Running: &fact.RunningKernel{Release: release, Build: build}, Installed: installed})
	}
	finding := func(verdict api.Verdict, severity api.Severity, message string, evidence ...string) []api.Finding {
		f := api.Finding{Verdict: verdict, Severity: severity, Subject: ft.NodeSubject(), Message: message, Evidence: ft.Evidence(evidence...)}
		if verdict == api.VerdictUnknown {
			f.Reason = fact.NotPresent
		}
		return ft.One(f)
	}
	const newest = "runs the newest installed kernel"
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
			finding(api.Pass, "", newest, version, "6.1.0-55-amd64 "+debian1, "node/n1 /boot/vmlinuz-6.1.0-55-amd64", "6.1.0-55-amd64 "+debian1),
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
		"a newer kernel than any installed passes": {
			set("6.1.0-57-amd64", debian2, boot("6.1.0-56-amd64", debian1)),
			finding(api.Pass, "", "runs a newer kernel than any installed one",
				version, "6.1.0-57-amd64 "+debian2, "node/n1 /boot/vmlinuz-6.1.0-56-amd64", "6.1.0-56-amd64 "+debian1),
		},
		"a node whose kernel was not read gives nothing here: its gap does": {
			ft.Edit(set("6.18.0", ""), func(s *fact.Set) { s.Nodes[0].Measured.Read = nil }), nil,
		},
	})
}

func TestSplitRelease(t *testing.T) {
	for release, want := range map[string][2]string{
		"6.1.0-56-cloud-amd64":            {"6.1.0-56", "cloud-amd64"},
		"6.1.0-56-rt-amd64":               {"6.1.0-56", "rt-amd64"},
		"6.12.41+deb13-amd64":             {"6.12.41+deb13", "amd64"},
		"6.8.0-31-generic":                {"6.8.0-31", "generic"},
		"5.14.0-427.13.1.el9_4.x86_64":    {"5.14.0-427.13.1.el9_4", "x86_64"},
		"5.14.0-427.13.1.el9_4.x86_64+rt": {"5.14.0-427.13.1.el9_4", "x86_64+rt"},
		"6.1.91-99.172.amzn2023.x86_64":   {"6.1.91-99.172.amzn2023", "x86_64"},
		"5.14.21-150500.55.7-default":     {"5.14.21-150500.55.7", "default"},
		"6.6.29-talos":                    {"6.6.29", "talos"},
		"6.6.31-0-lts":                    {"6.6.31-0", "lts"},
		"6.18.0":                          {"6.18.0", ""},
		"6.9.1-arch1-1":                   {"6.9.1-arch1-1", ""},
		"":                                {"", ""},
		"custom":                          {"custom", ""},
	} {
		version, flavour := splitRelease(release)
		if got := [2]string{version, flavour}; got != want {
			t.Errorf("%q: want %q, got %q", release, want, got)
		}
	}
}
