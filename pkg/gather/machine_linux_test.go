package gather

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// A machine counts as a control-plane node, because the user chose to run this there. What
// only a cluster knows is a gap.
func TestMachine(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "etc"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "etc/os-release"), []byte("ID=debian\nVERSION_ID=\"12\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	source := Machine{Root: root, Kinds: []fact.Kind{fact.Pods, fact.Secrets, fact.Kernel}, Timeout: 10 * time.Minute, Namespace: "shop"}
	got, err := source.Gather(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	set := got.Set
	if len(set.Nodes) != 1 || set.Nodes[0].Listed || set.Nodes[0].Measured == nil || set.Nodes[0].Measured.Host.OS.ID != "debian" {
		t.Fatalf("nodes %+v", set.Nodes)
	}
	if !slices.Equal(set.ControlPlaneNodes, []string{set.Nodes[0].Name}) {
		t.Errorf("named control plane %v, node %q", set.ControlPlaneNodes, set.Nodes[0].Name)
	}
	if diff := cmp.Diff(notRequested([]fact.Kind{fact.Pods, fact.Secrets}, "no cluster was asked", "run without --local to read what is declared"), set.Gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(api.Scope{Local: true, Root: root, Namespaces: []string{"shop"}}, got.Scope); diff != "" {
		t.Errorf("scope (-want +got):\n%s", diff)
	}
	if set.PodScope != fact.PodsNotListed || set.CollectedAt.IsZero() {
		t.Errorf("scope of pods %q, collected at %v", set.PodScope, set.CollectedAt)
	}
}
