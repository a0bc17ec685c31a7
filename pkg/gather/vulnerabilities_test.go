package gather

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/hosts"
)

func TestAddVulnerabilities(t *testing.T) {
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	installed := func(version string) *fact.Measurement {
		return &fact.Measurement{Level: fact.LevelFull, Read: []fact.Kind{fact.Inventory}, Host: fact.Host{
			OS: fact.OSRelease{ID: "debian", VersionID: "12"}, Inventory: []fact.InstalledPackage{{Name: "libssl3", Version: version, Source: "openssl"}},
		}}
	}
	set := &fact.Set{CollectedAt: fact.NewTime(now), Nodes: []fact.Node{
		{Name: "old", Measured: installed("1.0-1")},
		{Name: "same", Measured: installed("1.0-1")},
		{Name: "new", Measured: installed("2.0-1")},
		{Name: "unlisted", Measured: &fact.Measurement{Level: fact.LevelFull}, Vulnerable: &fact.HostVulnerabilities{Covered: true}},
		{Name: "silent", Vulnerable: &fact.HostVulnerabilities{Covered: true}},
	}}
	dir := t.TempDir()
	record := func(fix string) {
		text := `{"schema_version":"1.7.0","id":"DSA-1-1","modified":"2026-11-20T00:00:00Z","affected":[{"package":{"ecosystem":"Debian:12","name":"openssl"},` +
			`"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"` + fix + `"}]}]}]}`
		if err := os.WriteFile(filepath.Join(dir, "DSA-1-1.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	verdicts := func() (out []string) {
		plan := checks.Plan{Checks: []checks.Check{hosts.KnownVulnerabilities}}
		for _, f := range checks.JudgeSet(plan, set).Findings {
			if f.Verdict != api.VerdictUnknown {
				out = append(out, f.Subject.Name+" "+string(f.Verdict))
			}
		}
		return out
	}
	record("1.5-1")
	if err := AddVulnerabilities(t.Context(), set, dir, now); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"old fail", "same fail", "new pass"}, verdicts()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if set.Nodes[0].Vulnerable != set.Nodes[1].Vulnerable {
		t.Error("nodes with the same packages do not share a result")
	}
	if set.Nodes[3].Vulnerable != nil || set.Nodes[4].Vulnerable != nil {
		t.Error("what was there before stays on a node whose packages are not known")
	}
	// Again with a newer database: nothing of the older one stays.
	record("9.0-1")
	if err := AddVulnerabilities(t.Context(), set, dir, now); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"new fail", "old fail", "same fail"}, verdicts()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	first := set.DeepCopy()
	if err := AddVulnerabilities(t.Context(), set, dir, now); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(first, set) {
		t.Error("the same database says something else")
	}

	err := AddVulnerabilities(t.Context(), set, filepath.Join(dir, "nowhere"), now)
	if err == nil || !strings.HasPrefix(err.Error(), "--vulnerabilities: reading ") {
		t.Errorf("no database: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := AddVulnerabilities(ctx, set, dir, now); err == nil {
		t.Error("it does not end when it is told to")
	}
}

// Images are compared once, whatever nodes call them. A key that a node gives twice is
// its first inventory's.
func TestAddVulnerabilitiesOfImages(t *testing.T) {
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	image := func(key, version string) fact.ImageInventory {
		return fact.ImageInventory{
			Key: key, OS: fact.OSRelease{ID: "debian", VersionID: "12"}, Manager: "dpkg",
			Packages: []fact.InstalledPackage{{Name: "libssl3", Version: version, Source: "openssl"}},
		}
	}
	node := func(name string, images ...fact.ImageInventory) fact.Node {
		return fact.Node{Name: name, Measured: &fact.Measurement{Level: fact.LevelFull, Read: []fact.Kind{fact.Images}, Images: images}}
	}
	unread := node("unread", image("a", "1.0-1"))
	unread.Measured.Read = nil
	set := &fact.Set{Nodes: []fact.Node{
		node("n1", image("a", "1.0-1"), image("b", "2.0-1")), node("n2", image("b", "1.0-1"), image("x", "1.0-1")), node("n3", image("a", "2.0-1"), image("a", "1.0-1")),
		unread,
		{Name: "silent", VulnerableImages: map[string]int{"a": 7}},
	}}
	dir := t.TempDir()
	text := `{"schema_version":"1.7.0","id":"DSA-1-1","modified":"2026-11-20T00:00:00Z","affected":[{"package":{"ecosystem":"Debian:12","name":"openssl"},` +
		`"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1.5-1"}]}]}]}`
	if err := os.WriteFile(filepath.Join(dir, "DSA-1-1.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time nothing of the first is left
		if err := AddVulnerabilities(t.Context(), set, dir, now); err != nil {
			t.Fatal(err)
		}
		if len(set.VulnerableImages) != 2 {
			t.Fatalf("%d results, want 2", len(set.VulnerableImages))
		}
		found := map[string]map[string]int{}
		for i := range set.Nodes {
			n := &set.Nodes[i]
			for key, at := range n.VulnerableImages {
				if found[n.Name] == nil {
					found[n.Name] = map[string]int{}
				}
				found[n.Name][key] = len(set.VulnerableImages[at].Parts[0].Found)
			}
		}
		want := map[string]map[string]int{"n1": {"a": 1, "b": 0}, "n2": {"b": 1, "x": 1}, "n3": {"a": 0}}
		if diff := cmp.Diff(want, found); diff != "" {
			t.Errorf("vulnerabilities found (-want +got):\n%s", diff)
		}
	}
}

// What a database says the same about is one image, and nothing else is.
func TestSameImage(t *testing.T) {
	one := fact.ImageInventory{
		Key: "a", OS: fact.OSRelease{ID: "debian", VersionID: "12", Path: "/etc/os-release"}, Manager: "dpkg",
		Packages: []fact.InstalledPackage{{Name: "ab", Version: "c"}, {Name: "d", Version: "e"}}, Modules: []fact.Module{{Ecosystem: "Go", Name: "x", Version: "1", Path: "/a"}},
	}
	for name, tc := range map[string]struct {
		edit func(*fact.ImageInventory)
		same bool
	}{
		"the key":            {func(i *fact.ImageInventory) { i.Key = "b" }, true},
		"the program's path": {func(i *fact.ImageInventory) { i.Modules[0].Path = "/b" }, true},
		"a version":          {func(i *fact.ImageInventory) { i.Packages[0].Version = "d" }, false},
		"where a name ends":  {func(i *fact.ImageInventory) { i.Packages[0].Name, i.Packages[0].Version = "a", "bc" }, false},
		"one package less":   {func(i *fact.ImageInventory) { i.Packages = i.Packages[:1] }, false},
		"the release":        {func(i *fact.ImageInventory) { i.OS.VersionID = "13" }, false},
		"the manager":        {func(i *fact.ImageInventory) { i.Manager = "apk" }, false},
		"a module":           {func(i *fact.ImageInventory) { i.Modules[0].Version = "2" }, false},
	} {
		other := one.DeepCopy()
		tc.edit(other)
		if got := sameImage(&one) == sameImage(other); got != tc.same {
			t.Errorf("%s: same %t, want %t", name, got, tc.same)
		}
	}
}
