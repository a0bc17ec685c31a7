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
