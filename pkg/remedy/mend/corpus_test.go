package mend

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/manifest"
)

// judgeDeclared judges one workload by the checks of declared pods.
func judgeDeclared(w fact.Workload) []api.Finding {
	plan := checks.Plan{}
	for _, c := range catalogue.All() {
		if c.Scope == checks.ScopeWorkload && len(fact.Intersect(c.Needs, fact.NodeKinds())) == 0 {
			plan.Checks = append(plan.Checks, c)
			plan.Known = append(plan.Known, c.ID)
		}
	}
	set := &fact.Set{Workloads: []fact.Workload{w}, InjectionRead: true, FieldsRead: true, TemplatesRead: true, NamespacesRead: true, PodScope: fact.PodsAll}
	return checks.JudgeSet(plan, set).Findings
}

// about is what a finding is about.
func about(f *api.Finding) string { return f.Check + " " + f.Subject.Container }

// loop makes the mends of a workload, applies them, and judges again: what they answer is gone,
// and nothing fails that did not. It returns how many mends and notes there were.
func loop(t *testing.T, w fact.Workload) (mends []Mend, notes []Note) {
	t.Helper()
	before := judgeDeclared(w)
	name := fmt.Sprint(w.Owner.Kind, "/", w.Owner.Name, " ", w.Spec.Origin)
	mends, notes = New(&fact.Set{}).For(&w, before)
	failing := map[string]api.Severity{}
	for i := range before {
		if f := &before[i]; f.Verdict == api.Fail {
			failing[about(f)] = worst(failing[about(f)], f.Severity)
		}
	}
	after := w
	after.Spec = Apply(&w.Spec, mends)
	still := map[string]*api.Finding{}
	findings := judgeDeclared(after)
	for i := range findings {
		f := &findings[i]
		if f.Verdict != api.Fail {
			continue
		}
		still[about(f)] = f
		if was, known := failing[about(f)]; !known {
			t.Errorf("%s: new finding %s: %s\nmends %v", name, about(f), f.Message, mends)
		} else if f.Severity.Rank() > was.Rank() {
			t.Errorf("%s: %s is worse than before: %s, was %s", name, about(f), f.Severity, was)
		}
	}
	for i := range mends {
		m := &mends[i]
		if m.Safe == (m.Breaks != "") || m.Safe && m.Because == "" {
			t.Errorf("%s: %s: safe %t, because %q, breaks %q", name, m.Path, m.Safe, m.Because, m.Breaks)
		}
		for _, check := range m.Checks {
			key := check + " " + m.Container
			if f := still[key]; f != nil && m.Leaves == "" && !slices.ContainsFunc(notes, func(n Note) bool { return n.Check == check }) {
				t.Errorf("%s: %s %s does not answer %s: %s %v", name, m.Container, m.Path, key, f.Message, f.Evidence)
			}
		}
	}
	// Whatever fails has a mend or a note.
	for key := range failing {
		check, container, _ := strings.Cut(key, " ")
		answered := slices.ContainsFunc(mends, func(m Mend) bool { return slices.Contains(m.Checks, check) }) ||
			slices.ContainsFunc(notes, func(n Note) bool {
				return n.Check == check && (n.Container == container || n.Container == "" || container == "")
			})
		if !answered {
			t.Errorf("%s: nothing answers %s", name, key)
		}
	}
	if kept, out := settle(&w.Spec, mends); len(out) > 0 {
		t.Errorf("%s: %d of %d mends would be refused: %v", name, len(out), len(kept)+len(out), out)
	}
	return mends, notes
}

func worst(a, b api.Severity) api.Severity {
	if b.Rank() > a.Rank() {
		return b
	}
	return a
}

func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("../../cli/testdata/corpus/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	workloads, mends, notes := 0, 0, 0
	for _, file := range files {
		declared, err := manifest.Read(context.Background(), manifest.Files{Filenames: []string{file}}, "default", strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range declared.Workloads {
			m, n := loop(t, w)
			workloads, mends, notes = workloads+1, mends+len(m), notes+len(n)
		}
	}
	t.Logf("%d workloads, %d mends, %d notes", workloads, mends, notes)
	if workloads < 400 || mends < 1000 {
		t.Errorf("only %d workloads and %d mends", workloads, mends)
	}
}
