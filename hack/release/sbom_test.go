package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch/embedded"
)

// The bill of materials of each probe that this build carries lists the modules that the
// go command finds in it, and its checksum. The plugin's has the same, because a scan of
// the plugin finds no probe.
func TestSBOMOfProbes(t *testing.T) {
	probes, err := carried(func(file string) ([]byte, error) {
		return os.ReadFile(filepath.Join("../../pkg/launch/embedded/bin", file))
	})
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("this build carries no probe")
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(probes) != 4 {
		t.Fatalf("found %d probes, want 4", len(probes))
	}
	// Any executable of the same module can stand for the plugin.
	plugin := probes[0]
	data, err := sbom(plugin.program, plugin.platform, "v1.2.3", plugin.binary, probes)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := parseBOM(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, probe := range probes {
		t.Run(probe.program+" "+probe.platform.arch, func(t *testing.T) {
			data, err := sbom(probe.program, probe.platform, "v1.2.3", probe.binary, nil)
			if err != nil {
				t.Fatal(err)
			}
			again, err := sbom(probe.program, probe.platform, "v1.2.3", probe.binary, nil)
			if err != nil || !bytes.Equal(data, again) {
				t.Errorf("a second bill of materials differs, %v", err)
			}
			b, err := parseBOM(data)
			if err != nil {
				t.Fatal(err)
			}
			read := embedded.Probe
			if probe.program != "checklist-probe" {
				read = embedded.NetProbe
			}
			binary, err := read(probe.platform.arch)
			if err != nil {
				t.Fatal(err)
			}
			sum := fmt.Sprintf("%x", sha256.Sum256(binary))
			if found := b.Metadata.Component.sum(); found != sum {
				t.Errorf("SHA-256 %s, want that of the carried probe, %s", found, sum)
			}
			want := goVersion(t, binary)
			if found := purls(b.Components, b.Dependencies, b.Metadata.Component.Ref); !slices.Equal(found, want) {
				t.Errorf("modules (-go version -m +bill of materials):\n%s", cmp.Diff(want, found))
			}
			// The same in the plugin's.
			i := slices.IndexFunc(whole.Components, func(c component) bool { return c.Type == "application" && c.sum() == sum })
			if i < 0 {
				t.Fatal("the plugin's bill of materials lacks this probe")
			}
			if found := purls(whole.Components, whole.Dependencies, whole.Components[i].Ref); !slices.Equal(found, want) {
				t.Errorf("modules in the plugin's (-want +got):\n%s", cmp.Diff(want, found))
			}
			name := "https://github.com/kubectl-checklist/kubectl-checklist/releases/download/v1.2.3/" + probe.program + "_linux_" + probe.platform.arch + ".cdx.json"
			if refs := whole.Components[i].References; len(refs) != 1 || refs[0] != (reference{"bom", name}) {
				t.Errorf("references %v, want %s", refs, name)
			}
		})
	}
}

// purls returns the package URLs of what one component depends on, sorted.
func purls(components []component, dependencies []dependency, ref string) []string {
	i := slices.IndexFunc(dependencies, func(d dependency) bool { return d.Ref == ref })
	if i < 0 {
		return nil
	}
	var found []string
	for _, c := range components {
		if c.Type == "library" && slices.Contains(dependencies[i].DependsOn, c.Ref) {
			found = append(found, c.PURL)
		}
	}
	slices.Sort(found)
	return found
}

// goVersion returns the same from the output of go version -m.
func goVersion(t *testing.T, binary []byte) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "probe")
	if err := os.WriteFile(file, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "version", "-m", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, file):
			found = append(found, "pkg:golang/stdlib@"+strings.TrimPrefix(fields[1], "go"))
		case fields[0] == "dep":
			found = append(found, "pkg:golang/"+fields[1]+"@"+strings.ReplaceAll(fields[2], "+", "%2B")+"?type=module")
		}
	}
	if len(found) < 3 {
		t.Fatalf("go version -m names too few modules:\n%s", out)
	}
	slices.Sort(found)
	return found
}

// Each reference names a component, and each component is depended on: a bill of materials
// whose parts hang in the air is of no use to a scanner.
func TestSBOMIsConnected(t *testing.T) {
	binary, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	// A test binary names no command: it is refused.
	if _, err := sbom(program, platform{"linux", "amd64"}, "v1.2.3", binary, nil); err == nil {
		t.Error("a program that is not the plugin is no error")
	}
	if _, err := sbom(program, platform{"linux", "amd64"}, "v1.2.3", []byte("\x7fELF"), nil); err == nil {
		t.Error("a program without build information is no error")
	}
	probes, err := carried(func(file string) ([]byte, error) {
		return os.ReadFile(filepath.Join("../../pkg/launch/embedded/bin", file))
	})
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("this build carries no probe")
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sbom("checklist-probe", platform{"linux", "arm"}, "v1.2.3", probes[0].binary, nil); err == nil || !strings.Contains(err.Error(), `expected GOARCH arm in the build information, found "amd64"`) {
		t.Errorf("a program for another platform: %v", err)
	}
	data, err := sbom("checklist-probe", platform{"linux", "amd64"}, "v1.2.3", probes[0].binary, probes[1:])
	if err != nil {
		t.Fatal(err)
	}
	b, err := parseBOM(data)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]int{b.Metadata.Component.Ref: 1}
	for _, c := range b.Components {
		known[c.Ref]++
	}
	for ref, n := range known {
		if n > 1 {
			t.Errorf("%s is there %d times", ref, n)
		}
	}
	wanted := map[string]bool{b.Metadata.Component.Ref: true}
	for _, d := range b.Dependencies {
		for _, on := range append(d.DependsOn, d.Ref) {
			if known[on] == 0 {
				t.Errorf("%s is no component", on)
			}
			wanted[on] = wanted[on] || on != d.Ref
		}
	}
	for ref := range known {
		if !wanted[ref] {
			t.Errorf("nothing depends on %s", ref)
		}
	}
	if len(b.Dependencies) != len(known) {
		t.Errorf("%d components have dependencies, want all %d: one that is left out has unknown dependencies", len(b.Dependencies), len(known))
	}
}

func TestPURL(t *testing.T) {
	for want, found := range map[string]string{
		"pkg:golang/github.com/MakeNowJust/heredoc@v1.0.0?type=module":         purl("github.com/MakeNowJust/heredoc", "v1.0.0"),
		"pkg:golang/github.com/docker/cli@v29.7.2%2Bincompatible?type=module":  purl("github.com/docker/cli", "v29.7.2+incompatible"),
		"pkg:golang/example.org/x/v2@v2.0.0?goarch=arm&goos=linux&type=module": purl("example.org/x/v2", "v2.0.0", "goarch=arm", "goos=linux"),
		"pkg:golang/stdlib@1.26.8": module("std", "1.26.8", "").PURL,
	} {
		if found != want {
			t.Errorf("got %s, want %s", found, want)
		}
	}
}
