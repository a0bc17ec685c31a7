package apt

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
)

// large is a host with n packages, which main and the security archive list; each
// hundredth has a security update.
func large(t testing.TB, n int) string {
	t.Helper()
	var status, main, security strings.Builder
	for i := range n {
		name, version := fmt.Sprintf("lib-package-%d", i), fmt.Sprintf("1.%d.0-1+deb12u1", i)
		fmt.Fprintf(&status, "Package: %s\nStatus: install ok installed\nArchitecture: amd64\nSource: source-%d\nVersion: %s\nDescription: x\n %s\n\n", name, i/3, version, strings.Repeat("long ", 20))
		fmt.Fprintf(&main, "Package: %s\nVersion: %s\nArchitecture: amd64\nFilename: pool/x\nSize: 1\n\n", name, version)
		if i%100 == 0 {
			fmt.Fprintf(&security, "Package: %s\nVersion: %s.1\nArchitecture: amd64\nFilename: pool/x\nSize: 1\n\n", name, version)
		}
	}
	const lists = "var/lib/apt/lists/deb.example.org_"
	release := "Origin: Debian\nLabel: %s\nSuite: stable\nCodename: bookworm%s\nDate: Sat, 11 Jul 2026 10:16:37 UTC\n"
	return hosttest.Files{
		"etc/os-release":                                                      "ID=debian\nVERSION_ID=12\nVERSION_CODENAME=bookworm\n",
		"etc/apt/sources.list":                                                "deb [arch=amd64] http://deb.example.org/debian bookworm main\ndeb [arch=amd64] http://deb.example.org/security bookworm-security main\n",
		"var/lib/dpkg/status":                                                 status.String(),
		lists + "debian_dists_bookworm_Release":                               fmt.Sprintf(release, "Debian", ""),
		lists + "debian_dists_bookworm_main_binary-amd64_Packages":            main.String(),
		lists + "security_dists_bookworm-security_Release":                    fmt.Sprintf(release, "Debian-Security", "-security"),
		lists + "security_dists_bookworm-security_main_binary-amd64_Packages": security.String(),
	}.Write(t)
}

// TestMemory holds that the most packages that are read stay within what the probe may hold.
func TestMemory(t *testing.T) {
	const packages = maxInstalled
	root := hosttest.OpenRoot(t, large(t, packages))
	var state *fact.PackageState
	var gaps []fact.NodeGap
	var err error
	most := hosttest.PeakMemory(t, func() {
		state = nil // of a run before
		state, gaps, err = Manager{}.Read(t.Context(), root)
	})
	if err != nil || len(gaps) > 0 || state.Installed != packages || len(state.Pending) != packages/100 || state.Pending[0].Security == "" || state.UncoveredCount != 0 {
		t.Fatalf("%v, %+v, %d installed, %d pending, %d uncovered", err, gaps, state.Installed, len(state.Pending), state.UncoveredCount)
	}
	t.Logf("%d packages: %d kB at most", packages, most>>10)
	if most > hosttest.ProbeMemory {
		t.Errorf("%d bytes, at most %d are expected", most, hosttest.ProbeMemory)
	}
}
