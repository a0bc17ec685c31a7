package apt

import (
	"errors"
	"io/fs"
	"os/exec"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

func TestEachInstalled(t *testing.T) {
	stop := errors.New("enough")
	for name, tc := range map[string]struct {
		path, text string
		want       []string
		err        string
	}{
		"installed and removed packages": {
			StatusFile, "Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2-3\n\nPackage: b\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: c\nStatus: hold ok half-configured\nArchitecture: all\nVersion: 2\n\n",
			[]string{"a amd64 1:2-3", "c all 2"},
			"",
		},
		"a package of a distroless image": {StatusDir + "/a", "Package: a\nVersion: 2\n", []string{"a  2"}, ""},
		"cut":                             {StatusFile, "Package: a\nStatus: install ok installed\nVersion: 1\n", nil, "/var/lib/dpkg/status: ends too early: no empty line after the stanza at byte 0"},
		"without a name":                  {StatusFile, "Status: install ok installed\nVersion: 1\n\n", nil, "/var/lib/dpkg/status: expected a field Package in the stanza at byte 0, found none"},
		"a status that is none":           {StatusFile, "Package: a\nStatus: installed\nVersion: 1\n\n", nil, `/var/lib/dpkg/status: expected a Status of three words in the stanza of "a" at byte 0, found "installed"`},
		"a name that is too long":         {StatusFile, "Package: " + strings.Repeat("a", maxText+1) + "\nStatus: install ok installed\n\n", nil, "/var/lib/dpkg/status: larger than the limit of 1024 bytes in a field of the stanza at byte 0"},
		"the caller has enough":           {StatusFile, "Package: stop\nStatus: install ok installed\nVersion: 1\n\n", nil, "/var/lib/dpkg/status: enough"},
	} {
		t.Run(name, func(t *testing.T) {
			root, err := rootfs.Open(hosttest.Files{tc.path[1:]: tc.text}.Write(t))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = root.Close() }()
			var got []string
			err = EachInstalled(t.Context(), root, tc.path, func(name, arch, version []byte) error {
				if string(name) == "stop" {
					return stop
				}
				got = append(got, string(name)+" "+string(arch)+" "+string(version))
				return nil
			})
			text := ""
			if err != nil {
				text = err.Error()
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || text != tc.err {
				t.Errorf("error %q, want %q; packages (-want +got):\n%s", text, tc.err, diff)
			}
			if err := EachInstalled(t.Context(), root, StatusDir+"/none", nil); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("no file: %v", err)
			}
		})
	}
}

// dpkg-query lists the same of this machine.
func TestEachInstalledAgreesWithDpkg(t *testing.T) {
	out, err := exec.Command("dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Architecture} ${Version}\n").Output()
	if err != nil {
		t.Skipf("needs dpkg-query and its database: %v", err)
	}
	var want, got []string
	for line := range strings.Lines(string(out)) {
		if rest, found := strings.CutPrefix(strings.TrimSpace(line), "installed "); found {
			want = append(want, rest)
		}
	}
	root, err := rootfs.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	err = EachInstalled(t.Context(), root, StatusFile, func(name, arch, version []byte) error {
		got = append(got, string(name)+" "+string(arch)+" "+string(version))
		return nil
	})
	sort.Strings(want)
	sort.Strings(got)
	if diff := cmp.Diff(want, got); diff != "" || err != nil || len(want) < 50 {
		t.Errorf("%v, dpkg-query (-) and ours (+):\n%s", err, diff)
	}
}
