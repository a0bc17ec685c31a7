package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// --local looks at one node. Every command says so, and its facts name that node as part of
// the control plane.
func TestLocalIsNarrowed(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{nil, {"nodes"}, {"secrets"}} {
		facts := savedBy(t, append(slices.Clone(command), "--local", "--root", root)...)
		if len(facts.Facts.Nodes) != 1 || !slices.Equal(facts.Facts.ControlPlaneNodes, []string{facts.Facts.Nodes[0].Name}) {
			t.Errorf("%v: nodes %+v, control plane %v", command, facts.Facts.Nodes, facts.Facts.ControlPlaneNodes)
			continue
		}
		if got, want := facts.Spec.Scope.Narrowed, "only node "+facts.Facts.Nodes[0].Name; got != want {
			t.Errorf("%v: narrowed: want %q, got %q", command, want, got)
		}
	}
}

// A run on one machine never says yes for the cluster. The same facts give a yes in a whole
// run, and no yes if they are one machine's.
func TestLocalNeverSaysYes(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "cases", "C0.json"))
	if err != nil {
		t.Fatal(err)
	}
	var facts api.ChecklistFacts
	if err := json.Unmarshal(data, &facts); err != nil {
		t.Fatal(err)
	}
	said := func(local bool) string {
		facts.Spec.Scope = api.Scope{Local: local, AllNamespaces: !local}
		data, err := json.Marshal(facts)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "facts.json")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		env, out, errOut := testEnv()
		if code := Main(t.Context(), env, []string{"--facts", path, "-o", "jsonpath={.answers[*].answer}"}); code != ExitOK {
			t.Fatalf("exit status %d, %s", code, errOut)
		}
		return out.String()
	}
	if whole := said(false); !strings.Contains(whole, string(api.Yes)) {
		t.Fatalf("the whole run says %q: this test shows nothing", whole)
	}
	if got := said(true); strings.Contains(got, string(api.Yes)) {
		t.Errorf("one machine says %q", got)
	}
}
