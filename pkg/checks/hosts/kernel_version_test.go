package hosts

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// Kernels of Arch and Alpine: by their own orders, a flavour apart, also without an
// image to read.
func TestKernelsOfPacmanAndApk(t *testing.T) {
	type kernel struct{ release, pkg, version string }
	for name, tc := range map[string]struct {
		id      string
		running string
		kernels []kernel
		verdict api.Verdict
		message string
	}{
		"Arch, upgraded: the running one is removed": {
			"arch", "6.11.9-arch1-1",
			[]kernel{{"6.11.10-arch1-1", "linux", "6.11.10.arch1-1"}},
			api.Fail, "runs kernel 6.11.9-arch1-1, but 6.11.10-arch1-1 is installed",
		},
		"Arch, rebooted": {"arch", "6.11.10-arch1-1", []kernel{{"6.11.10-arch1-1", "linux", "6.11.10.arch1-1"}}, api.Pass, "runs the newest installed kernel"},
		"Arch, rebuilt":  {"arch", "6.11.10-arch1-1", []kernel{{"6.11.10-arch1-2", "linux", "6.11.10.arch1-2"}}, api.Fail, "runs kernel 6.11.10-arch1-1, but 6.11.10-arch1-2 is installed"},
		"Arch, a new line": {
			"arch", "6.11.10-arch1-1", []kernel{{"6.12-arch1-1", "linux", "6.12.arch1-1"}}, api.Fail, "runs kernel 6.11.10-arch1-1, but 6.12-arch1-1 is installed",
		},
		"Arch, two flavours": {
			"arch", "6.6.58-1-lts", []kernel{{"6.11.10-arch1-1", "linux", "6.11.10.arch1-1"}, {"6.6.58-1-lts", "linux-lts", "6.6.58-1"}}, api.Pass, "runs the newest installed kernel of its flavour",
		},
		"Arch, zen": {
			"arch", "6.11.9-zen1-1-zen", []kernel{{"6.11.10-zen1-1-zen", "linux-zen", "6.11.10.zen1-1"}}, api.Fail, "runs kernel 6.11.9-zen1-1-zen, but 6.11.10-zen1-1-zen is installed",
		},
		"Arch, a release candidate": {
			"arch", "6.12.0-rc3-1-mainline", []kernel{{"6.12.0-1-mainline", "linux-mainline", "6.12-1"}}, api.Fail, "runs kernel 6.12.0-rc3-1-mainline, but 6.12.0-1-mainline is installed",
		},
		"Arch, a package that numbers otherwise": {
			"arch", "6.12.0-1-mainline",
			[]kernel{{"6.12.0-1-mainline", "linux-mainline", "6.12-1"}},
			api.VerdictUnknown, "runs the newest installed release, but it is unknown whether it is the same build",
		},
		"Arch, the flavour was removed": {
			"arch", "6.11.9-arch1-1", []kernel{{"6.6.58-1-lts", "linux-lts", "6.6.58-1"}}, api.VerdictUnknown, "no installed kernel has the flavour of the running one",
		},
		"Alpine, upgraded": {
			"alpine", "6.6.9-0-lts", []kernel{{"6.6.58-0-lts", "linux-lts", "6.6.58-r0"}}, api.Fail, "runs kernel 6.6.9-0-lts, but 6.6.58-0-lts is installed",
		},
		"Alpine, rebuilt": {"alpine", "6.6.58-9-virt", []kernel{{"6.6.58-10-virt", "linux-virt", "6.6.58-r10"}}, api.Fail, "runs kernel 6.6.58-9-virt, but 6.6.58-10-virt is installed"},
		"Alpine, a release candidate": {
			"alpine", "6.12.0-rc3-0-edge", []kernel{{"6.12.0-0-edge", "linux-edge", "6.12.0-r0"}}, api.Fail, "runs kernel 6.12.0-rc3-0-edge, but 6.12.0-0-edge is installed",
		},
		"Alpine, rebooted": {"alpine", "6.6.58-0-lts", []kernel{{"6.6.58-0-lts", "linux-lts", "6.6.58-r0"}}, api.Pass, "runs the newest installed kernel"},
		"Alpine, a container on another host": {
			"alpine", "6.12.4-1-lts",
			[]kernel{{"6.6.58-0-lts", "linux-lts", "6.6.58-r0"}},
			api.VerdictUnknown,
			"runs kernel 6.12.4-1-lts, which is not installed and not older than any that is: nothing here says whether a newer one exists",
		},
		"Alpine, a release without an order": {
			"alpine", "6.6.58-0-lts",
			[]kernel{{"6.6.58-0-lts", "linux-lts", "6.6.58-r0"}, {"6.6.60+mine-0-lts", "linux-lts", "6.6.60-r0"}},
			api.VerdictUnknown,
			"runs kernel 6.6.58-0-lts, and 6.6.60+mine-0-lts is installed: it is unknown which is newer, because the node's package manager is not known",
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := fact.Host{OS: fact.OSRelease{ID: tc.id}, Running: &fact.RunningKernel{Release: tc.running, Build: "#1 SMP"}}
			for _, k := range tc.kernels {
				h.Installed = append(h.Installed, fact.InstalledKernel{Release: k.release, Path: "/x", Package: k.pkg, PackageVersion: k.version})
			}
			findings := KernelOutdated.Judge(checks.NewView(host(h)))
			if len(findings) != 1 || findings[0].Verdict != tc.verdict || findings[0].Message != tc.message {
				t.Errorf("want %s: %s, got %+v", tc.verdict, tc.message, findings)
			}
		})
	}
}
