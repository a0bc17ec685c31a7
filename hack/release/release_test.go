package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch/embedded"
)

// fake returns what an archive of a release holds, with a tiny program.
func fake(p platform) []member {
	return []member{{p.program(), 0o755, []byte("program for " + p.String())}, {"LICENSE", 0o644, []byte("licence")}}
}

// release writes fake archives and returns their directory.
func release(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, p := range platforms {
		write(t, dir, p, fake(p))
		bill(t, dir, program, p, string(fake(p)[0].data), fakeProbes()...)
	}
	for _, probe := range fakeProbes() {
		bill(t, dir, probe.program, probe.platform, string(probe.binary))
	}
	return dir
}

// fakeProbes are what every fake plugin carries.
func fakeProbes() []aProbe {
	var probes []aProbe
	for _, arch := range embedded.Architectures() {
		for _, program := range embedded.Programs() {
			probes = append(probes, aProbe{program, platform{"linux", arch}, []byte(program + " for " + arch)})
		}
	}
	return probes
}

// bill writes the bill of materials of a fake program.
func bill(t *testing.T, dir, program string, p platform, binary string, probes ...aProbe) {
	t.Helper()
	of := func(data []byte) component {
		return component{Type: "application", Hashes: []hash{{"SHA-256", fmt.Sprintf("%x", sha256.Sum256(data))}}}
	}
	b := bom{Metadata: metadata{of([]byte(binary))}}
	for _, probe := range probes {
		b.Components = append(b.Components, of(probe.binary))
	}
	data, err := json.Marshal(b)
	if err == nil {
		err = replace(filepath.Join(dir, sbomName(program, p)), data)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, dir string, p platform, members []member) {
	t.Helper()
	data, err := pack(p, members)
	if err != nil {
		t.Fatal(err)
	}
	if err := replace(filepath.Join(dir, p.archive()), data); err != nil {
		t.Fatal(err)
	}
}

func TestPackTwice(t *testing.T) {
	for _, p := range platforms {
		first, err := pack(p, fake(p))
		if err != nil {
			t.Fatal(err)
		}
		second, err := pack(p, fake(p))
		if err != nil || !bytes.Equal(first, second) {
			t.Errorf("%s: two archives of the same files differ, %v", p, err)
		}
		found, err := unpack(p, first)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(fake(p), found, cmp.AllowUnexported(member{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", p, diff)
		}
		// Krew knows archives by their first bytes.
		if want := map[bool]string{false: "\x1f\x8b", true: "PK\x03\x04"}[p.os == "windows"]; !strings.HasPrefix(string(first), want) {
			t.Errorf("%s begins with %q, want %q", p, first[:4], want)
		}
	}
}

// The system's own tar lists what a user gets: owner, time and mode.
func TestTarReadsIt(t *testing.T) {
	tar, err := exec.LookPath("tar")
	if err != nil {
		t.Skip("no tar here")
	}
	cmd := exec.Command(tar, "--numeric-owner", "-tvzf", filepath.Join(release(t), "kubectl-checklist_linux_arm.tar.gz"))
	cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := "-rwxr-xr-x 0/0 21 2000-01-01 00:00 kubectl-checklist\n-rw-r--r-- 0/0 7 2000-01-01 00:00 LICENSE\n"
	if got := regexp.MustCompile(` +`).ReplaceAllString(string(out), " "); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestFinish(t *testing.T) {
	out, root := release(t), t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "krew"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := finish(out, root, "v1.2.3"); err != nil {
		t.Fatal(err)
	}
	plugin, err := os.ReadFile(filepath.Join(root, "plugin.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	krew, err := os.ReadFile(filepath.Join(root, "krew", pluginName+".yaml"))
	if err != nil || !bytes.Equal(plugin, krew) {
		t.Errorf("the two manifests differ, %v", err)
	}
	if strings.Contains(string(plugin), strings.Repeat("0", 64)) || strings.Contains(string(plugin), unreleased) {
		t.Errorf("zeros remain:\n%s", plugin)
	}
	list, err := os.ReadFile(filepath.Join(out, "checksums.txt"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(list)), "\n")
	if want := 2*len(platforms) + len(fakeProbes()); len(lines) != want {
		t.Errorf("%d checksums, want %d: each archive, its bill of materials, and that of each probe", len(lines), want)
	}
	before := ""
	for _, line := range lines {
		sum, name, _ := strings.Cut(line, "  ")
		if name <= before {
			t.Errorf("%s comes after %s: want them sorted by name", name, before)
		}
		before = name
		if !strings.HasSuffix(name, ".cdx.json") && !strings.Contains(string(plugin), "/v1.2.3/"+name+"\n    sha256: \""+sum+"\"\n") {
			t.Errorf("the manifest lacks %s with its checksum:\n%s", name, plugin)
		}
	}
	if sha256sum, err := exec.LookPath("sha256sum"); err == nil {
		cmd := exec.Command(sha256sum, "--check", "--strict", "checksums.txt")
		cmd.Dir = out
		if result, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("sha256sum: %v: %s", err, result)
		}
	}
}

// An archive that krew could not install gets no manifest.
func TestFinishRefuses(t *testing.T) {
	linux, windows := platforms[0], platforms[len(platforms)-1]
	for name, tc := range map[string]struct {
		p       platform
		members []member
	}{
		"no licence":     {linux, fake(linux)[:1]},
		"not executable": {linux, []member{{program, 0o644, nil}, fake(linux)[1]}},
		"another file":   {linux, append(fake(linux), member{"extra", 0o644, nil})},
		"without .exe":   {windows, fake(linux)},
		"empty":          {windows, nil},
	} {
		t.Run(name, func(t *testing.T) {
			out, root := release(t), t.TempDir()
			write(t, out, tc.p, tc.members)
			if err := finish(out, root, "v1.2.3"); err == nil || !strings.Contains(err.Error(), tc.p.archive()+": expected") {
				t.Errorf("got %v, want an error that names the archive", err)
			}
			if files, err := os.ReadDir(root); err != nil || len(files) > 0 {
				t.Errorf("written in spite of it: %v, %v", files, err)
			}
		})
	}
	for name, tc := range map[string]struct {
		program string
		p       platform
		binary  string
		probes  []aProbe
		want    string
	}{
		"the bill of another plugin": {program, linux, "another", fakeProbes(), "kubectl-checklist_linux_amd64.cdx.json: expected the bill of materials of kubectl-checklist with the SHA-256"},
		"a probe of another build":   {"checklist-probe-net", platform{"linux", "arm64"}, "another", nil, "checklist-probe-net_linux_arm64.cdx.json: expected the bill of materials of a probe that the plugin carries"},
		"two sorts of probes": {
			program, windows, string(fake(windows)[0].data), append(fakeProbes(), aProbe{binary: []byte("old")}),
			"expected the same probes in every plugin, found 1 more",
		},
	} {
		t.Run(name, func(t *testing.T) {
			out, root := release(t), t.TempDir()
			bill(t, out, tc.program, tc.p, tc.binary, tc.probes...)
			if err := finish(out, root, "v1.2.3"); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
			if files, err := os.ReadDir(root); err != nil || len(files) > 0 {
				t.Errorf("written in spite of it: %v, %v", files, err)
			}
		})
	}
	for _, missing := range []string{windows.archive(), sbomName(program, linux), "checklist-probe_linux_arm64.cdx.json"} {
		t.Run("no "+missing, func(t *testing.T) {
			out := release(t)
			if err := os.Remove(filepath.Join(out, missing)); err != nil {
				t.Fatal(err)
			}
			if err := finish(out, t.TempDir(), "v1.2.3"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), missing) {
				t.Errorf("got %v, want an error that names it", err)
			}
		})
	}
}

// Another name changes the name, the commands in the texts, and nothing else.
func TestManifestOfAnotherName(t *testing.T) {
	text := string(manifest("security-checklist", "v1.2.3", platforms, nil))
	if !strings.Contains(text, "  name: security-checklist\n") || !strings.Contains(text, `"kubectl security-checklist completion install"`) {
		t.Errorf("got:\n%s", text)
	}
	if strings.Contains(text, "kubectl checklist") || strings.Contains(text, "COMMAND") {
		t.Errorf("the old name remains:\n%s", text)
	}
}

// What is committed is what this command writes, for its own version and checksums.
func TestCommitted(t *testing.T) {
	data, err := os.ReadFile("../../plugin.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Spec struct {
			Version   string
			Platforms []struct {
				SHA256   string
				Selector struct{ MatchLabels map[string]string }
			}
		}
	}
	if err := yaml.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	found := map[platform]string{}
	for _, p := range m.Spec.Platforms {
		found[platform{p.Selector.MatchLabels["os"], p.Selector.MatchLabels["arch"]}] = p.SHA256
		if zeros := p.SHA256 == strings.Repeat("0", 64); zeros != (m.Spec.Version == unreleased) {
			t.Errorf("%s has the checksum %s: zeros are for %s, and for nothing else", m.Spec.Version, p.SHA256, unreleased)
		}
	}
	if diff := cmp.Diff(string(manifest(pluginName, m.Spec.Version, platforms, found)), string(data)); diff != "" {
		t.Errorf("plugin.yaml (-want +got), go run ./hack/release -unreleased writes it again:\n%s", diff)
	}
}

func TestCheckVersion(t *testing.T) {
	for tag, ok := range map[string]bool{
		"v0.1.0": true, "v1.2.3-rc.1": true,
		"": false, "0.1.0": false, "v1": false, "v0.0.0": false, "v0.1.0-dirty": false, "v0.1.0-3-gabc1234": false, "v1.2.3-rc.1-12-gabc": false, "main": false,
	} {
		if err := checkVersion(tag); (err == nil) != ok {
			t.Errorf("%q: got %v", tag, err)
		}
	}
}

func TestChoose(t *testing.T) {
	if got, err := choose("linux/arm,windows/amd64"); err != nil || len(got) != 2 || got[0].arch != "arm" {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := choose("linux/s390x"); err == nil || !strings.Contains(err.Error(), `found "linux/s390x"`) {
		t.Errorf("got %v", err)
	}
}

func TestPinned(t *testing.T) {
	if got, err := pinned("../../go.mod"); err != nil || !regexp.MustCompile(`^go1\.\d+\.\d+$`).MatchString(got) {
		t.Errorf("got %q, %v", got, err)
	}
	file := filepath.Join(t.TempDir(), "go.mod")
	if err := os.WriteFile(file, []byte("module x\n\ngo 1.26.0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := pinned(file); err == nil {
		t.Error("a module without a toolchain is no error")
	}
}
