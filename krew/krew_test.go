package krew

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/version"
	"sigs.k8s.io/yaml"
)

// manifest is krew's Plugin, v1alpha2.
type manifest struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Version          string `json:"version"`
		ShortDescription string `json:"shortDescription"`
		Description      string `json:"description"`
		Caveats          string `json:"caveats"`
		Homepage         string `json:"homepage"`
		Platforms        []struct {
			URI      string `json:"uri"`
			SHA256   string `json:"sha256"`
			Bin      string `json:"bin"`
			Selector struct {
				MatchLabels map[string]string `json:"matchLabels"`
			} `json:"selector"`
			Files []struct {
				From string `json:"from"`
				To   string `json:"to"`
			} `json:"files"`
		} `json:"platforms"`
	} `json:"spec"`
}

// The rules are those of krew's own validation and of its index.
func TestManifest(t *testing.T) {
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) != 1 {
		t.Fatalf("found %v, %v: want one manifest", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	top, err := os.ReadFile("../plugin.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, top) {
		t.Errorf("krew/%s and plugin.yaml differ: they are one manifest", files[0])
	}
	var m manifest
	if err := yaml.UnmarshalStrict(data, &m); err != nil {
		t.Fatal(err)
	}
	if m.APIVersion != "krew.googlecontainertools.github.com/v1alpha2" || m.Kind != "Plugin" {
		t.Errorf("got %s %s, want krew's Plugin, v1alpha2", m.APIVersion, m.Kind)
	}
	if m.Metadata.Name+".yaml" != files[0] {
		t.Errorf("%s: the index wants a file named after the plugin, %q", files[0], m.Metadata.Name)
	}
	// A name of krew is words and dashes; the index asks for lower case.
	if !regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`).MatchString(m.Metadata.Name) || strings.HasPrefix(m.Metadata.Name, "kube") {
		t.Errorf("name %q: want lower case and dashes, without kube", m.Metadata.Name)
	}
	if _, err := version.ParseSemantic(m.Spec.Version); err != nil || !strings.HasPrefix(m.Spec.Version, "v") {
		t.Errorf("version %q: want vMAJOR.MINOR.PATCH", m.Spec.Version)
	}
	if s := m.Spec.ShortDescription; s == "" || len(s) > 50 || strings.Contains(s, "\n") || strings.Contains(s, "kubectl") {
		t.Errorf("shortDescription %q: want one line of at most 50 characters without the word kubectl", s)
	}
	var seen []string
	for _, p := range m.Spec.Platforms {
		os, arch := p.Selector.MatchLabels["os"], p.Selector.MatchLabels["arch"]
		if len(p.Selector.MatchLabels) != 2 || slices.Contains(seen, os+"/"+arch) {
			t.Errorf("platform %s/%s: want os and arch, and each once", os, arch)
		}
		seen = append(seen, os+"/"+arch)
		if !regexp.MustCompile(`^[a-f0-9]{64}$`).MatchString(p.SHA256) {
			t.Errorf("platform %s/%s: sha256 %q", os, arch, p.SHA256)
		}
		if !strings.Contains(p.URI, "/"+m.Spec.Version+"/kubectl-checklist_"+os+"_"+arch+".") {
			t.Errorf("platform %s/%s: uri %q names another version or platform", os, arch, p.URI)
		}
		if wantExe := os == "windows"; strings.HasSuffix(p.Bin, ".exe") != wantExe {
			t.Errorf("platform %s/%s: bin %q", os, arch, p.Bin)
		}
		var from []string
		for _, f := range p.Files {
			from = append(from, f.From)
			if f.To != filepath.Clean(f.To) {
				t.Errorf("platform %s/%s: to %q is not clean, which krew refuses", os, arch, f.To)
			}
		}
		if !slices.Equal(from, []string{p.Bin, "LICENSE"}) {
			t.Errorf("platform %s/%s: files %v, want the program and LICENSE", os, arch, from)
		}
	}
	if want := []string{"linux/amd64", "linux/arm64", "linux/arm", "linux/ppc64le", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"}; !slices.Equal(seen, want) {
		t.Errorf("platforms %v, want %v", seen, want)
	}
}
