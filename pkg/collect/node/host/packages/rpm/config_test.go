package rpm

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func TestParseINI(t *testing.T) {
	got, err := parseINI([]byte("# comment\n[main]\nexclude = a,\n   b*\n\tc\n; x\n[r-1]\nbaseurl=http://x/\n  http://y/\nname = [x]=y\n"), "f")
	want := []map[string]string{{"exclude": "a,\nb*\nc"}, {"baseurl": "http://x/\nhttp://y/", "name": "[x]=y"}}
	if err != nil || len(got) != 2 || got[0].name != "main" || got[1].name != "r-1" || !cmp.Equal(want, []map[string]string{got[0].values, got[1].values}) {
		t.Errorf("%+v, %v", got, err)
	}
	for text, want := range map[string]string{
		"a=b\n":       `line 1: expected [SECTION] or KEY=VALUE, found "a=b"`,
		"[x]\nwhat\n": `line 2: expected [SECTION] or KEY=VALUE, found "what"`,
		"<html>":      `line 1: expected [SECTION] or KEY=VALUE, found "<html>"`,
	} {
		if _, err := parseINI([]byte(text), "f"); err == nil || err.Error() != want {
			t.Errorf("%q: want %q, got %v", text, want, err)
		}
	}
}

func TestExpand(t *testing.T) {
	vars := variables{"releasever": "9", "basearch": "x86_64", "a_b": "c"}
	for text, want := range map[string]string{
		"http://x/$releasever/${basearch}/os": "http://x/9/x86_64/os",
		"$releasever-$a_b.x":                  "9-c.x",
		"$RELEASEVER":                         "9",
		"price 5$":                            "price 5$",
		"$/x":                                 "$/x",
		"$other/x":                            "missing $other",
		"${releasever:-8}":                    "missing ${releasever:-8}",
		"$releaseverx":                        "missing $releaseverx",
	} {
		got, missing := vars.expand(text)
		if missing != "" {
			got = "missing " + missing
		}
		if got != want {
			t.Errorf("%s: want %q, got %q", text, want, got)
		}
	}
}

func TestLocks(t *testing.T) {
	n := nevra{"bash", "", "5.1", "2.el9", "x86_64"}
	for text, hidden := range map[string]bool{
		"bash-0:5.1-2.el9.*":          false,
		"bash-0:5.1-1.el9.*":          true,
		"0:bash-5.1-1.el9.*":          true, // yum's
		"0:bash-5.1-2.el9.*":          false,
		"bash-0:5.*":                  false,
		"!bash-0:5.1-2.el9.*":         true,
		"!bash-0:5.1-1.el9.*":         false,
		"# bash-0:5.1-1.el9.*":        false,
		"bash":                        false,
		"bash-doc-0:5.1-1.el9.*":      false,
		"zsh-0:5-1.*\nbash-0:5.0-1.*": true,
	} {
		locks, err := parseVersionlock([]byte(text))
		if got := locks.hides(n); got != hidden || err != nil {
			t.Errorf("%s: hidden %t, %v", text, got, err)
		}
	}
	toml, err := parseVersionlockTOML([]byte("version = \"1.0\"\n[[packages]]\nname = \"bash\"\n[[packages.conditions]]\nkey = \"evr\"\nname = \"x\"\n"))
	if err != nil || len(toml) != 1 || !toml.hides(n) {
		t.Errorf("%+v, %v", toml, err)
	}
	packages, patches := parseZyppLocks([]byte("\ntype: package\nsolvable_name: a*\n\nsolvable_name: b\n\ntype: patch\nsolvable_name: SA-1\n\ntype: pattern\nsolvable_name: c\n"))
	if diff := cmp.Diff([][]string{{"a*", "b"}, {"SA-1"}}, [][]string{packages, patches}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPin(t *testing.T) {
	const file = "/etc/yum.repos.d/x.repo"
	for name, tc := range map[string]struct {
		id, version, url, release, source string
		uses                              bool
		want                              *fact.ReleasePin
	}{
		"Amazon Linux 2023 by its package":  {"amzn", "2023", "https://x/core/mirrors/2023.4.20240401/x86_64", "2023.4.20240401", "package system-release", true, &fact.ReleasePin{Release: "2023.4.20240401", Source: "package system-release"}},
		"Amazon Linux 2023 that is latest":  {"amzn", "2023", "https://x/core/mirrors/latest/x86_64", "latest", "/etc/dnf/vars/releasever", true, nil},
		"Amazon Linux 2":                    {"amzn", "2", "https://x/2/core/latest/x86_64", "2", "package system-release", true, nil},
		"a minor release of RHEL":           {"rhel", "9.2", "https://x/dist/rhel9/9.2/x86_64/os", "9.2", "/etc/dnf/vars/releasever", true, &fact.ReleasePin{Release: "9.2", Source: "/etc/dnf/vars/releasever"}},
		"RHEL that moves":                   {"rhel", "9.2", "https://x/dist/rhel9/9/x86_64/os", "9", "package redhat-release", true, nil},
		"a minor release in the URL itself": {"almalinux", "8.6", "https://x/almalinux/8.6/BaseOS/x86_64", "8", "package almalinux-release", false, &fact.ReleasePin{Release: "8.6", Source: file}},
		"a minor release of a mirror list":  {"rocky", "9.2", "https://x/mirrorlist?arch=x86_64&repo=BaseOS-9.2", "9.2", "/etc/dnf/vars/releasever", true, &fact.ReleasePin{Release: "9.2", Source: "/etc/dnf/vars/releasever"}},
		"an archive of old releases":        {"centos", "8", "http://vault.centos.org/8.5.2111/BaseOS/x86_64", "8", "package centos-release", false, &fact.ReleasePin{Release: "8", Source: file}},
		"a version of something else":       {"rocky", "9.2", "https://x/kubernetes/1.29/rpm", "9", "package rocky-release", false, nil},
		"Fedora":                            {"fedora", "40", "https://x/40.1/x86_64", "40", "package fedora-release", true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := &reader{os: fact.OSRelease{ID: tc.id, VersionID: tc.version}, state: &fact.PackageState{}}
			r.pin([]*repository{{url: "https://first.example/", release: false}, {url: tc.url, file: file, release: tc.uses}}, variables{"releasever": tc.release}, tc.source)
			if diff := cmp.Diff(tc.want, r.state.Pin); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
