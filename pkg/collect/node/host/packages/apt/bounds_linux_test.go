package apt

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
)

// TestBounds holds that neither long texts nor many packages or updates take the
// probe's memory: each costs the file that has them.
func TestBounds(t *testing.T) {
	status := func(name, version string) string {
		return "Package: " + name + "\nStatus: install ok installed\nVersion: " + version + "\nArchitecture: amd64\n\n"
	}
	offer := func(name, version string) string {
		return "Package: " + name + "\nVersion: " + version + "\nArchitecture: amd64\n\n"
	}
	many := func(n int, stanza func(name, version string) string, version string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(stanza(fmt.Sprintf("p%05d", i), version))
		}
		return b.String()
	}
	const dpkg, list = "/var/lib/dpkg/status", "/var/lib/apt/lists/d_dists_bookworm_main_binary-amd64_Packages"
	long := strings.Repeat("9", maxText+1)
	for name, tc := range map[string]struct {
		status, list string
		installed    int
		gap          string
	}{
		"as many packages as are kept": {many(maxInstalled, status, "1"), "", maxInstalled, ""},
		"one package more":             {many(maxInstalled+1, status, "1"), "", maxInstalled, dpkg + ": more than the limit of 50000 packages"},
		"long names in all": {
			many(maxTexts/1000+1, status, long[:1000]), "", 4144, dpkg + ": more than the limit of 4194304 bytes of names and versions",
		},
		"a name of many architectures": {
			strings.ReplaceAll(many(maxSame+2, func(arch, _ string) string {
				return strings.Replace(status("a", "1"), "amd64", arch, 1)
			}, ""), "p00000", "amd64"), "", maxSame + 1, dpkg + ": more than the limit of 100 records of one name",
		},
		"a long version": {
			status("a", "1") + status("b", long), "", 1, dpkg + ": larger than the limit of 1024 bytes in a field of the stanza at byte 72",
		},
		"a long version in a list": {
			status("a", "1"), offer("a", long), 1, list + ": larger than the limit of 1024 bytes in a field of the stanza at byte 0",
		},
		"many updates": {
			many(20_000, status, "1"), many(20_000, offer, "2"), 20_000, list + ": more than the limit of 4194304 bytes of updates, in the stanza at byte ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := hosttest.OpenRoot(t, hosttest.Files{
				dpkg[1:]: tc.status, list[1:]: tc.list, "etc/apt/sources.list": "deb http://d bookworm main\n",
				"var/lib/apt/lists/d_dists_bookworm_Release": "Label: Debian\nSuite: oldstable\nCodename: bookworm\nComponents: main\n",
			}.Write(t))
			state, gaps, err := Manager{}.Read(t.Context(), root)
			if err != nil || state.Installed != tc.installed {
				t.Fatalf("%v, %d installed, want %d", err, state.Installed, tc.installed)
			}
			got := ""
			for _, gap := range gaps {
				if gap.Reason == fact.Truncated {
					got += gap.Detail
				}
			}
			if !strings.HasPrefix(got, tc.gap) || tc.gap == "" && got != "" {
				t.Errorf("gaps %q, want %q", got, tc.gap)
			}
		})
	}
}
