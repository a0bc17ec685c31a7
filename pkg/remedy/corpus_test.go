package remedy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/manifest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/gather"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/remedy/mend"
)

const corpus = "../cli/testdata/corpus/*.yaml"

// object is a document of the corpus.
type object struct {
	document map[string]any
	json     string
}

func (o *object) field(path ...string) string {
	var value any = o.document
	for _, step := range path {
		fields, _ := value.(map[string]any)
		value = fields[step]
	}
	text, _ := value.(string)
	return text
}

func (o *object) is(p *Plan) bool {
	return o.field("apiVersion") == p.APIVersion && o.field("kind") == p.Kind && o.field("metadata", "name") == p.Name && o.field("metadata", "namespace") == p.Owner.Namespace
}

func documents(t *testing.T, file string) []object {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []object
	for _, text := range bytes.Split(data, []byte("\n---\n")) {
		var o object
		if err := yaml.Unmarshal(text, &o.document); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if o.document == nil {
			continue
		}
		data, err := json.Marshal(o.document)
		if err != nil {
			t.Fatal(err)
		}
		o.json = string(data)
		out = append(out, o)
	}
	return out
}

// judge judges files as the command pods does.
func judge(t *testing.T, file string) (*fact.Set, []api.Finding) {
	t.Helper()
	source := gather.Manifests{Files: manifest.Files{Filenames: []string{file}, Objects: true}}
	got, err := source.Gather(t.Context())
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	of := slices.DeleteFunc(catalogue.All(), func(c checks.Check) bool {
		return c.Scope != checks.ScopeWorkload || len(fact.Intersect(c.Needs, fact.NodeKinds())) > 0
	})
	return got.Set, checks.JudgeSet(catalogue.Plan(of, ""), got.Set).Findings
}

// failing are the severities of the failing findings, by check and subject without its file.
func failing(findings []api.Finding) map[string]int {
	out := map[string]int{}
	for i := range findings {
		if f := &findings[i]; f.Verdict == api.Fail {
			s := f.Subject
			key := strings.Join([]string{f.Check, s.Kind, s.Namespace, s.Name, s.Container}, " ")
			out[key] = max(out[key], f.Severity.Rank())
		}
	}
	return out
}

// Each patch of the corpus applies to its object. Judged again, what it answers does not fail any
// more, and nothing fails that did not before.
func TestCorpusIsMended(t *testing.T) {
	files, err := filepath.Glob(corpus)
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	patched, answered := 0, 0
	for _, file := range files {
		set, findings := judge(t, file)
		before := failing(findings)
		plans := NewPlanner(set, findings).Plans()
		docs := documents(t, file)
		gone := map[string]*mend.Mend{}
		for i := range plans {
			p := &plans[i]
			if p.All == nil || p.Object == nil {
				continue
			}
			at := slices.IndexFunc(docs, func(o object) bool { return o.is(p) })
			if at < 0 {
				continue // in a list, or an object in an object
			}
			out, err := apply(t, docs[at].json, p.All.Operations)
			if err != nil {
				t.Errorf("%s: %s: %v\n%s", filepath.Base(file), p.Target(), err, list(p.All.Operations))
				continue
			}
			docs[at].json = out
			patched++
			for j := range p.Mends {
				m := &p.Mends[j]
				for _, check := range m.Checks {
					if m.Leaves == "" {
						gone[strings.Join([]string{check, p.Owner.Kind, p.Owner.Namespace, p.Owner.Name, m.Container}, " ")] = m
					}
				}
			}
		}
		again := filepath.Join(t.TempDir(), filepath.Base(file))
		var text strings.Builder
		for i := range docs {
			text.WriteString("---\n" + docs[i].json + "\n")
		}
		if err := os.WriteFile(again, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		_, findings = judge(t, again)
		after := failing(findings)
		for key, severity := range after {
			if severity > before[key] {
				t.Errorf("%s: new or worse: %s", filepath.Base(file), key)
			}
		}
		for key, m := range gone {
			if before[key] > 0 && after[key] >= before[key] {
				t.Errorf("%s: still fails: %s, mend %s %s", filepath.Base(file), key, m.Op, m.Path)
			}
			answered++
		}
	}
	t.Logf("%d objects patched, %d findings answered", patched, answered)
	if patched < 400 || answered < 1000 {
		t.Errorf("only %d objects patched, %d findings answered", patched, answered)
	}
}

// A component that kustomize builds on the corpus gives what the JSON patches give.
func TestComponentGivesTheSame(t *testing.T) {
	files, err := filepath.Glob(corpus)
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	compared, strategic := 0, 0
	for _, file := range files {
		set, findings := judge(t, file)
		docs := documents(t, file)
		// kustomize takes time with the square of the resources.
		for plans := range slices.Chunk(NewPlanner(set, findings).Plans(), 25) {
			n, s := compareComponent(t, file, plans, docs)
			compared, strategic = compared+n, strategic+s
		}
	}
	t.Logf("%d objects compared, %d of them by strategic merge", compared, strategic)
	if compared < 400 || strategic < 300 {
		t.Errorf("only %d objects compared, %d by strategic merge", compared, strategic)
	}
}

// compareComponent builds the component of plans, and compares what it makes with what their JSON
// patches make.
func compareComponent(t *testing.T, file string, plans []Plan, docs []object) (compared, strategic int) {
	t.Helper()
	memory := filesys.MakeFsInMemory()
	want := map[string]string{}
	var resources []string
	for i := range plans {
		p := &plans[i]
		at := slices.IndexFunc(docs, func(o object) bool { return o.is(p) })
		if p.All == nil || p.Object == nil || at < 0 || docs[at].document == nil || docs[at].field("metadata", "name") == "" {
			continue
		}
		out, err := apply(t, docs[at].json, p.All.Operations)
		if err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprintf("%s %s %s", p.Kind, p.Owner.Namespace, p.Name)
		if want[key] == "" {
			name := fmt.Sprintf("r%d.yaml", i)
			resources = append(resources, name)
			write(t, memory, "/base/"+name, docs[at].json)
		}
		docs[at].json = out
		want[key] = out
		if p.strategic(p.Mends) != nil {
			strategic++
		}
	}
	for _, f := range Files(plans, FilesOptions{Name: "kubectl checklist"}) {
		if strings.HasPrefix(f.Name, "component/all/") {
			write(t, memory, "/"+f.Name, string(f.Data))
		}
	}
	kustomization, err := json.Marshal(map[string]any{"resources": resources, "components": []string{"../component/all"}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, memory, "/base/kustomization.yaml", string(kustomization))
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(memory, "/base")
	if err != nil {
		t.Errorf("%s: %v", filepath.Base(file), err)
		return 0, 0
	}
	for _, r := range built.Resources() {
		got, err := r.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprintf("%s %s %s", r.GetKind(), r.GetNamespace(), r.GetName())
		if diff := cmp.Diff(normal(t, want[key]), normal(t, string(got))); diff != "" {
			t.Errorf("%s: %s (-JSON patch +component):\n%s", filepath.Base(file), key, diff)
		}
		compared++
	}
	return compared, strategic
}

// normal is JSON with keys in order, and without annotations that are empty: kustomize removes
// them.
func normal(t *testing.T, text string) string {
	t.Helper()
	return strings.ReplaceAll(lookup(t, text, ""), `"annotations":{},`, "")
}

func write(t *testing.T, memory filesys.FileSystem, name, text string) {
	t.Helper()
	if err := memory.WriteFile(name, []byte(text)); err != nil {
		t.Fatal(err)
	}
}
