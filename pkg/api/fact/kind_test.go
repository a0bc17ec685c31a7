package fact_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch"
)

func TestTable(t *testing.T) {
	seen := map[fact.Kind]bool{}
	for _, i := range fact.Table {
		if seen[i.Kind] || i.Kind == "" {
			t.Errorf("kind %q is listed twice or has no name", i.Kind)
		}
		seen[i.Kind] = true
		if (i.Holder == fact.OfCluster) != (i.Level == fact.LevelAPI) || !slices.Contains(fact.Levels(), i.Level) {
			t.Errorf("%s: holder %q at level %q", i.Kind, i.Holder, i.Level)
		}
	}
	for level, want := range map[fact.Level]string{
		fact.LevelAPI: "", fact.LevelProc: "processes mounts cpu",
		fact.LevelNet:  "node-tls server-tls",
		fact.LevelFull: "processes mounts executables upperdir devices images environment kernel cpu libraries packages inventory node-settings certificates etcd encryption-config residue backups storage-files audit-policies swap server-settings",
	} {
		if got := join(fact.KindsAt(level)); got != want {
			t.Errorf("level %s reads %q, want %q", level, got, want)
		}
	}
	for want, kinds := range map[string][]fact.Kind{
		"api": {fact.Pods}, "proc": {fact.Pods, fact.Mounts}, "full": {fact.Mounts, fact.Kernel},
		"net": {fact.Pods, fact.NodeTLS}, "proc net": {fact.ServerTLS, fact.Mounts}, "full net": {fact.ServerSettings, fact.ServerTLS},
	} {
		var got []string
		for _, level := range fact.LevelsOf(kinds) {
			got = append(got, string(level))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%v need levels %q, want %q", kinds, got, want)
		}
	}
}

// Every listener and every program belongs to a kind, and those of the storage come first.
func TestKindOfAListener(t *testing.T) {
	for i, p := range fact.Purposes() {
		want := fact.ServerTLS
		if i >= slices.Index(fact.Purposes(), fact.KubeletAPI) {
			want = fact.NodeTLS
		}
		if got := p.Kind(); got != want {
			t.Errorf("%s is of kind %q, want %q", p, got, want)
		}
	}
	for i, p := range fact.Programs() {
		want := fact.ServerSettings
		if i >= slices.Index(fact.Programs(), fact.ProgramKubelet) {
			want = fact.NodeSettings
		}
		if got := p.Kind(); got != want {
			t.Errorf("%s is of kind %q, want %q", p, got, want)
		}
	}
	if got := fact.ListenerPurpose("other").Kind() + fact.ComponentProgram("other").Kind(); got != "" {
		t.Errorf("what is in no list has the kind %q", got)
	}
	if kinds := fact.KindsOf(fact.OfStorage); !slices.Contains(kinds, fact.EtcdClient.Kind()) || !slices.Contains(kinds, fact.ProgramEtcd.Kind()) {
		t.Error("etcd's listeners and settings are not of the storage")
	}
}

func join(kinds []fact.Kind) string {
	var words []string
	for _, k := range kinds {
		words = append(words, string(k))
	}
	return strings.Join(words, " ")
}

// A kind is one line of the table. With that line the probe is asked for it, and if a node
// did not provide it, that is a gap of every check that needs it.
func TestAKindIsOneLine(t *testing.T) {
	table := fact.Table
	t.Cleanup(func() { fact.Table = table })
	fact.Table = append(slices.Clone(table), fact.KindInfo{Kind: "novel", Holder: fact.OfContainer, Level: fact.LevelFull})

	opts := launch.Options{Image: "registry.example/probe:v1"}
	plan, gaps, err := launch.NewPlan(opts, []fact.Node{{Name: "n1", OS: "linux", Arch: "amd64", Ready: true}, {Name: "n2", OS: "linux"}})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(gaps, func(g fact.Gap) bool { return g.What == "novel" && g.Subject.Name == "n2" }) {
		t.Errorf("a node that is not measured has no gap of the kind: %+v", gaps)
	}
	objects, err := launch.Objects(opts, plan)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(objects, func(d launch.Document) bool {
		text, err := yaml.Marshal(d.Object)
		return err == nil && strings.Contains(string(text), "server-settings,novel")
	}) {
		t.Error("no pod is asked for the kind")
	}

	check := checks.Check{
		ID: "drift/novel", Basis: api.Measured, Needs: []fact.Kind{"novel"},
		Judge: func(*checks.View) []api.Finding { return nil },
	}
	read := &fact.Measurement{Level: fact.LevelFull, Read: fact.NodeKinds()}
	old := &fact.Measurement{Level: fact.LevelFull, Read: []fact.Kind{fact.Processes}, Gaps: []fact.NodeGap{{What: "novel", Reason: fact.Timeout}}}
	set := &fact.Set{Nodes: []fact.Node{{Name: "a", Measured: read}, {Name: "b", Measured: &fact.Measurement{}}, {Name: "c"}, {Name: "d", Measured: old}}}
	var got []string
	for _, g := range checks.JudgeSet(checks.Plan{Checks: []checks.Check{check}}, set).Gaps {
		got = append(got, g.Subject.Name+" "+string(g.Reason))
	}
	if want := "b NotRequested, c NotRequested, d Timeout"; strings.Join(got, ", ") != want {
		t.Errorf("gaps: want %s, got %v", want, got)
	}
}

// No other list of kinds is written by hand. A list with most kinds of a holder would
// miss the next kind.
func TestNoOtherListOfKinds(t *testing.T) {
	const most = 3
	root := filepath.Join("..", "..", "..")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != root:
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "api/fact/kind.go"):
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			list, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			kinds := 0
			for _, e := range list.Elts {
				if s, ok := e.(*ast.SelectorExpr); ok && isKind(s.Sel.Name) {
					kinds++
				}
			}
			if kinds > most {
				t.Errorf("%s lists %d kinds by hand: derive the list from fact.Table", set.Position(list.Pos()), kinds)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func isKind(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(fact.Kinds(), func(k fact.Kind) bool { return strings.ReplaceAll(string(k), "-", "") == name })
}
