package krew

import (
	"bytes"
	"fmt"
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
		Version          string     `json:"version"`
		ShortDescription string     `json:"shortDescription"`
		Description      string     `json:"description"`
		Caveats          string     `json:"caveats"`
		Homepage         string     `json:"homepage"`
		Platforms        []platform `json:"platforms"`
	} `json:"spec"`
}

type platform struct {
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
}

// known are the platforms that validate-krew-manifest looks for. It refuses others.
var known = []string{
	"windows/386", "windows/amd64", "windows/arm64",
	"linux/386", "linux/amd64", "linux/arm", "linux/arm64", "linux/ppc64le",
	"darwin/386", "darwin/amd64", "darwin/arm64",
}

// wanted are those that a release has.
var wanted = []string{
	"linux/amd64", "linux/arm64", "linux/arm", "linux/ppc64le",
	"darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64",
}

// device matches names of Windows' devices, which are no names of files there.
var device = regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[0-9]|lpt[0-9])$`)

// problems applies the rules of krew (pkg/index, internal/index/validation), of its
// validate-krew-manifest, and of krew-index's guide for names and descriptions.
func problems(file string, data []byte) (found []string) {
	report := func(ok bool, format string, args ...any) {
		if !ok {
			found = append(found, fmt.Sprintf(format, args...))
		}
	}
	var m manifest
	if err := yaml.UnmarshalStrict(data, &m); err != nil {
		return []string{err.Error()}
	}
	spec := &m.Spec
	report(m.APIVersion == "krew.googlecontainertools.github.com/v1alpha2" && m.Kind == "Plugin", "%s %s is not krew's Plugin, v1alpha2", m.APIVersion, m.Kind)
	name := m.Metadata.Name
	report(name+".yaml" == file, "the index wants a file named after the plugin, %q", name)
	report(regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`).MatchString(name) && !device.MatchString(name), "name %q: want lower case and dashes, and no device of Windows", name)
	report(!strings.HasPrefix(name, "kube"), "name %q begins with kube", name)
	_, err := version.ParseSemantic(spec.Version)
	report(err == nil && strings.HasPrefix(spec.Version, "v"), "version %q is not vMAJOR.MINOR.PATCH", spec.Version)
	short := spec.ShortDescription
	report(short != "" && !strings.Contains(short, "\n") && len(short) <= 50, "shortDescription %q is not one line of at most 50 characters", short)
	words := strings.FieldsFunc(strings.ToLower(short), func(r rune) bool { return !('a' <= r && r <= 'z') })
	report(!slices.Contains(words, "kubectl") && !slices.Contains(words, "plugin"), "shortDescription %q says kubectl or plugin, which every entry is", short)
	about := 0 // words that say more than the name
	for _, word := range words {
		if len(word) > 3 && !strings.Contains(name, word) {
			about++
		}
	}
	report(about >= 3, "shortDescription %q says hardly more than the name", short)
	report(!strings.HasSuffix(short, "."), "shortDescription %q ends with a full stop", short)
	report(len(spec.Description) > len(short) && !regexp.MustCompile(`(^|\s)--?[a-z]`).MatchString(spec.Description), "the description is empty or lists options")
	for _, text := range []string{spec.Description, spec.Caveats} {
		for line := range strings.Lines(text) {
			report(len(line) <= 81, "a line is wider than 80 characters: %q", line)
		}
	}
	report(strings.HasPrefix(spec.Homepage, "https://"), "homepage %q", spec.Homepage)
	report(len(spec.Platforms) > 0, "no platforms")
	var seen, sums []string
	for _, p := range spec.Platforms {
		os, arch := p.Selector.MatchLabels["os"], p.Selector.MatchLabels["arch"]
		at := os + "/" + arch
		report(len(p.Selector.MatchLabels) == 2 && slices.Contains(known, at), "%s: krew knows no such platform", at)
		report(!slices.Contains(seen, at), "%s is there twice", at)
		seen = append(seen, at)
		report(regexp.MustCompile(`^[a-f0-9]{64}$`).MatchString(p.SHA256), "%s: sha256 %q", at, p.SHA256)
		// YAML reads some checksums as numbers, and krew then sees another one.
		report(bytes.Contains(data, []byte(`sha256: "`+p.SHA256+`"`)), "%s: sha256 %s is not quoted", at, p.SHA256)
		zeros := p.SHA256 == strings.Repeat("0", 64)
		report(zeros == (spec.Version == "v0.0.0"), "%s: version %s with the sha256 %s", at, spec.Version, p.SHA256)
		report(zeros || !slices.Contains(sums, p.SHA256), "%s has another platform's sha256", at)
		sums = append(sums, p.SHA256)
		report(strings.HasPrefix(p.URI, "https://") && strings.Contains(p.URI, "/"+spec.Version+"/kubectl-checklist_"+os+"_"+arch+"."), "%s: uri %q is of another version or platform", at, p.URI)
		windows := os == "windows"
		report(strings.HasSuffix(p.URI, ".zip") == windows && strings.HasSuffix(p.URI, ".tar.gz") == !windows, "%s: uri %q: krew unpacks zip and tar.gz", at, p.URI)
		// Windows runs only .exe, and a name with .exe on another system becomes part of the command.
		report(strings.HasSuffix(p.Bin, ".exe") == windows, "%s: bin %q", at, p.Bin)
		var from []string
		for _, f := range p.Files {
			from = append(from, f.From)
			report(f.To != "" && f.To == filepath.Clean(f.To) && !strings.HasPrefix(f.To, "/") && !strings.Contains(f.To, ".."), "%s: to %q is not clean", at, f.To)
		}
		report(slices.Equal(from, []string{p.Bin, "LICENSE"}), "%s: files %v are not the program and the licence", at, from)
	}
	report(slices.Equal(seen, wanted), "platforms %v, want %v", seen, wanted)
	return found
}

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
	for _, problem := range problems(files[0], data) {
		t.Error(problem)
	}
}

// Each rule refuses a manifest that breaks it.
func TestRules(t *testing.T) {
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) != 1 {
		t.Fatalf("found %v, %v: want one manifest", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimSuffix(files[0], ".yaml")
	// A release: its checksums are no zeros, and differ.
	text := string(data)
	if strings.Contains(text, strings.Repeat("0", 64)) {
		text = strings.ReplaceAll(text, "v0.0.0", "v1.2.3")
		for i := range wanted {
			text = strings.Replace(text, strings.Repeat("0", 64), fmt.Sprintf("%064x", i+1), 1)
		}
	}
	if found := problems(files[0], []byte(text)); len(found) > 0 {
		t.Fatalf("a release has problems: %q", found)
	}
	sums := regexp.MustCompile(`sha256: "([0-9a-f]{64})"`).FindAllStringSubmatch(text, 2)
	sum, second := sums[0][1], sums[1][1]
	released := regexp.MustCompile(`version: (\S+)`).FindStringSubmatch(text)[1]
	short := regexp.MustCompile(`shortDescription: (.*)`).FindStringSubmatch(text)[1]
	for _, tc := range []struct{ old, with, want string }{
		{"v1alpha2", "v1alpha1", "is not krew's Plugin"},
		{"kind: Plugin", "kind: Plugin\nextra: 1", "unknown field"},
		{"name: " + name, "name: another", "a file named after the plugin"},
		{"name: " + name, "name: Check_List", "want lower case and dashes"},
		{"name: " + name, "name: nul", "no device of Windows"},
		{"name: " + name, "name: kube-list", "begins with kube"},
		{"version: " + released, "version: 1.2.3", "is not vMAJOR.MINOR.PATCH"},
		{"version: " + released, "version: v0.0.0", "version v0.0.0 with the sha256"},
		{"version: " + released, "version: v9.9.9", "is of another version or platform"},
		{short, strings.Repeat("word ", 11), "is not one line of at most 50 characters"},
		{short, "''", "is not one line of at most 50 characters"},
		{short, "A kubectl command that measures nodes", "says kubectl or plugin"},
		{short, "Plugin that measures security of nodes", "says kubectl or plugin"},
		{short, "Security checklist", "says hardly more than the name"},
		{short, "Measure node security with evidence.", "ends with a full stop"},
		{"description: |\n", "description: |\n    --all-namespaces lists them all, --output prints\n", "lists options"},
		{"caveats: |\n", "caveats: |\n    " + strings.Repeat("wide ", 20) + "\n", "wider than 80"},
		{"homepage: https", "homepage: http", "homepage"},
		{"os: linux\n        arch: amd64", "os: linux\n        arch: s390x", "linux/s390x: krew knows no such platform"},
		{"os: linux\n        arch: arm64", "os: linux\n        arch: amd64", "linux/amd64 is there twice"},
		{"os: linux\n        arch: amd64", "os: linux\n        arch: amd64\n        libc: musl", "krew knows no such platform"},
		{`"` + sum + `"`, `"` + strings.Repeat("0", 64) + `"`, "with the sha256 000"},
		{`"` + sum + `"`, `"` + strings.Repeat("A", 64) + `"`, "sha256 \"AAA"},
		{`"` + sum + `"`, strings.Repeat("a", 64), "is not quoted"},
		{`"` + sum + `"`, `"` + second + `"`, "has another platform's sha256"},
		{"_linux_amd64.tar.gz", "_linux_arm64.tar.gz", "is of another version or platform"},
		{"_linux_amd64.tar.gz", "_linux_amd64.tar.xz", "krew unpacks zip and tar.gz"},
		{"bin: kubectl-checklist\n", "bin: kubectl-checklist.exe\n", "bin \"kubectl-checklist.exe\""},
		{"bin: kubectl-checklist.exe", "bin: kubectl-checklist", "bin \"kubectl-checklist\""},
		{"      to: .\n", "      to: ./\n", "is not clean"},
		{"    - from: LICENSE\n      to: .\n", "", "are not the program and the licence"},
	} {
		changed := strings.Replace(text, tc.old, tc.with, 1)
		if changed == text {
			t.Errorf("the manifest has no %q", tc.old)
			continue
		}
		if found := strings.Join(problems(files[0], []byte(changed)), "\n"); !strings.Contains(found, tc.want) {
			t.Errorf("%q instead of %q: got %q, want %q", tc.with, tc.old, found, tc.want)
		}
	}
}
