package apt

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
)

// What a distribution's security team does not promise to update is not covered by its
// security archive, unless another archive does promise it.
func TestBestEffort(t *testing.T) {
	const lists = "var/lib/apt/lists/"
	list := func(name, version string) string {
		return "Package: " + name + "\nVersion: " + version + "\nArchitecture: amd64\n\n"
	}
	release := func(origin, suite, codename string) string {
		return "Origin: " + origin + "\nLabel: " + origin + "\nSuite: " + suite + "\nCodename: " + codename + "\nDate: Sat, 11 Jul 2026 10:16:37 UTC\n"
	}
	status := func(names ...string) string {
		text := ""
		for _, name := range names {
			text += "Package: " + name + "\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n"
		}
		return text
	}
	ubuntu := hosttest.Files{
		"etc/os-release":                                                       "ID=ubuntu\nVERSION_CODENAME=jammy\n",
		"etc/apt/sources.list":                                                 "deb [arch=amd64] http://u/ubuntu jammy main universe\ndeb [arch=amd64] http://u/ubuntu jammy-security main universe\n",
		"var/lib/dpkg/status":                                                  status("bash", "nginx-extras"),
		lists + "u_ubuntu_dists_jammy_Release":                                 release("Ubuntu", "jammy", "jammy"),
		lists + "u_ubuntu_dists_jammy_main_binary-amd64_Packages":              list("bash", "1"),
		lists + "u_ubuntu_dists_jammy_universe_binary-amd64_Packages":          list("nginx-extras", "1"),
		lists + "u_ubuntu_dists_jammy-security_Release":                        release("Ubuntu", "jammy-security", "jammy"),
		lists + "u_ubuntu_dists_jammy-security_main_binary-amd64_Packages":     list("bash", "0"),
		lists + "u_ubuntu_dists_jammy-security_universe_binary-amd64_Packages": list("other", "1"),
	}
	esm := func(origin, suite string) hosttest.Files {
		return ubuntu.With(hosttest.Files{
			"etc/apt/sources.list.d/esm.list":                                   "deb [arch=amd64] http://esm/ubuntu " + suite + " main\n",
			lists + "esm_ubuntu_dists_" + suite + "_Release":                    release(origin, suite, "jammy"),
			lists + "esm_ubuntu_dists_" + suite + "_main_binary-amd64_Packages": list("another", "1"),
		})
	}
	debian := hosttest.Files{
		"etc/os-release":                          "ID=debian\nVERSION_CODENAME=bookworm\n",
		"etc/apt/sources.list":                    "deb [arch=amd64] http://d/debian bookworm main non-free\ndeb [arch=amd64] http://d/security bookworm-security main non-free\n",
		"var/lib/dpkg/status":                     status("bash", "driver"),
		lists + "d_debian_dists_bookworm_Release": release("Debian", "oldstable", "bookworm"),
		lists + "d_debian_dists_bookworm_main_binary-amd64_Packages":                list("bash", "1"),
		lists + "d_debian_dists_bookworm_non-free_binary-amd64_Packages":            list("driver", "1"),
		lists + "d_security_dists_bookworm-security_Release":                        "Origin: Debian\nLabel: Debian-Security\nSuite: oldstable-security\nCodename: bookworm-security\nDate: Sat, 11 Jul 2026 10:16:37 UTC\n",
		lists + "d_security_dists_bookworm-security_main_binary-amd64_Packages":     list("bash", "0"),
		lists + "d_security_dists_bookworm-security_non-free_binary-amd64_Packages": list("other", "1"),
	}
	for name, tc := range map[string]struct {
		files hosttest.Files
		want  []string
	}{
		"Ubuntu's universe":       {ubuntu, []string{"nginx-extras best-effort"}},
		"with ESM for universe":   {esm("UbuntuESMApps", "jammy-apps-security"), nil},
		"with ESM for main alone": {esm("UbuntuESM", "jammy-infra-security"), []string{"nginx-extras best-effort"}},
		"universe without its security archive": {
			ubuntu.With(hosttest.Files{"etc/apt/sources.list": "deb [arch=amd64] http://u/ubuntu jammy main universe\ndeb [arch=amd64] http://u/ubuntu jammy-security main\n"}),
			[]string{"nginx-extras no-security"},
		},
		"Debian's non-free": {debian, []string{"driver best-effort"}},
	} {
		t.Run(name, func(t *testing.T) {
			state, gaps, err := Manager{}.Read(t.Context(), hosttest.OpenRoot(t, tc.files.Write(t)))
			if err != nil || len(gaps) > 0 {
				t.Fatal(err, gaps)
			}
			var got []string
			for _, p := range state.Uncovered {
				got = append(got, p.Name+" "+string(p.Why))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("uncovered (-want +got):\n%s", diff)
			}
		})
	}
}
