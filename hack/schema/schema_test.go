package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/cli"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

const folder = "../../docs/schema"

// TestCurrent fails if a type or a comment changed and the schemas did not.
func TestCurrent(t *testing.T) {
	made := schemas("../..")
	for name, want := range made {
		got, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil || !bytes.Equal(want, got) {
			t.Errorf("docs/schema/%s is not current (%v): go -C hack/schema run . ../../docs/schema", name, err)
		}
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != len(made) {
		t.Errorf("expected %v, found %v (%v)", slices.Collect(maps.Keys(made)), entries, err)
	}
}

func compiled(t *testing.T, kind string) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	schema, err := compiler.Compile(filepath.Join(folder, file(kind)))
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validate(t *testing.T, schema *jsonschema.Schema, text []byte) error {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(document)
}

// printed runs a command line.
func printed(t *testing.T, args ...string) []byte {
	t.Helper()
	streams, _, out, errOut := genericiooptions.NewTestIOStreams()
	env := &cli.Env{Streams: streams, Name: "kubectl checklist", Version: "v0.0.0-test", Getenv: func(string) string { return "" }}
	if code := cli.Main(context.Background(), env, args); code != 0 {
		t.Fatalf("%q: exit status %d: %s", args, code, errOut)
	}
	return out.Bytes()
}

// Reports of every command, as users get them, follow the schema.
func TestReports(t *testing.T) {
	schema := compiled(t, api.ReportKind)
	facts, err := filepath.Glob("../../pkg/cli/testdata/cases/*.json")
	if err != nil || len(facts) < 5 {
		t.Fatalf("found %d facts (%v)", len(facts), err)
	}
	n := 0
	for _, path := range facts {
		for _, args := range [][]string{
			{}, {"pods"}, {"pods", "--measure"}, {"nodes"}, {"secrets"}, {"--severity", "high"}, {"pods", "--write-patches", filepath.Join(t.TempDir(), "patches")},
		} {
			text := printed(t, append(args, "-o", "json", "--facts", path)...)
			if err := validate(t, schema, text); err != nil {
				t.Errorf("%s %q: %v", path, args, err)
			}
			n++
		}
	}
	if n < 50 {
		t.Errorf("only %d reports", n)
	}
	for seed := range uint64(50) {
		set := facttest.Random(rand.New(rand.NewPCG(seed, 3)))
		plan := catalogue.Plan(catalogue.All(), "")
		r := report.Build(api.ReportSpec{Command: "checklist"}, set, checks.JudgeSet(plan, set))
		r.Checks = catalogue.Describe(catalogue.All())
		for i := range r.Findings {
			if f := &r.Findings[i]; f.Verdict == api.Fail && i%3 == 0 {
				f.Verdict, f.Accepted = api.Accepted, &api.Acceptance{Reason: "a", AcceptedBy: "b", Accepted: "2026-01-01", Expires: "2027-01-01"}
			}
		}
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, schema, text); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

// What is no report of this version does not follow the schema.
func TestBroken(t *testing.T) {
	schema := compiled(t, api.ReportKind)
	good := string(printed(t, "pods", "-o", "json", "--facts", "../../pkg/cli/testdata/cases/P2.json"))
	if err := validate(t, schema, []byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"another kind":        {`"kind": "ChecklistReport"`, `"kind": "ChecklistFacts"`},
		"another version":     {`kubectl-checklist.github.io/v1alpha1`, `kubectl-checklist.github.io/v1`},
		"no version":          {`"apiVersion"`, `"apiVersio"`},
		"another verdict":     {`"verdict": "fail"`, `"verdict": "failed"`},
		"another severity":    {`"severity": "high"`, `"severity": "HIGH"`},
		"another answer":      {`"answer": "unknown"`, `"answer": false`},
		"a text for a number": {`"measured": 0`, `"measured": "0"`},
		"no findings":         {`"findings": [`, `"finding": [`},
		"an unknown field":    {`"basis": "declared"`, `"basis": "declared", "score": 7`},
		"no time":             {`"creationTimestamp": "20`, `"creationTimestamp": "then 20`},
	} {
		if !strings.Contains(good, change[0]) {
			t.Errorf("%s: the report has no %s", name, change[0])
			continue
		}
		if err := validate(t, schema, []byte(strings.Replace(good, change[0], change[1], 1))); err == nil {
			t.Errorf("%s: expected an error, found none", name)
		}
	}
}

// What diff prints follows its schema: of every pair of facts, so that each class, an answer that
// changed, warnings and another catalogue are among them, and of one report with itself.
func TestDiffs(t *testing.T) {
	schema := compiled(t, api.DiffKind)
	facts, err := filepath.Glob("../../pkg/cli/testdata/cases/*.json")
	if err != nil || len(facts) < 5 {
		t.Fatalf("found %d facts (%v)", len(facts), err)
	}
	classes := map[api.ChangeClass]bool{}
	other := filepath.Join(t.TempDir(), "other.json") // a report by another catalogue
	text := bytes.Replace(printed(t, "-o", "json", "--facts", facts[0]), []byte(`"catalogueVersion": "`), []byte(`"catalogueVersion": "other-`), 1)
	if err := os.WriteFile(other, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for i, path := range facts {
		for _, against := range []string{path, facts[(i+1)%len(facts)], other} {
			text := printed(t, "diff", path, against, "-o", "json", "--show-unchanged", "--other-cluster")
			if err := validate(t, schema, text); err != nil {
				t.Errorf("%s and %s: %v", path, against, err)
			}
			var d api.ChecklistDiff
			if err := json.Unmarshal(text, &d); err != nil {
				t.Fatal(err)
			}
			for _, c := range d.Changes {
				classes[c.Class] = true
			}
			if against == path && (len(d.Changes) == 0 || d.Summary.Unchanged != len(d.Changes)) {
				t.Errorf("%s: with itself, %d of %d are unchanged", path, d.Summary.Unchanged, len(d.Changes))
			}
			if against == other && d.Catalogue == nil {
				t.Errorf("%s: the catalogue did not change", path)
			}
		}
	}
	for _, class := range []api.ChangeClass{api.ChangeNew, api.ChangeGone, api.ChangeUnchanged, api.ChangeNoLongerMeasured} {
		if !classes[class] {
			t.Errorf("no finding is %s", class)
		}
	}
	good := string(printed(t, "diff", facts[0], facts[0], "-o", "json", "--show-unchanged"))
	for name, change := range map[string][2]string{
		"another kind":  {`"kind": "ChecklistDiff"`, `"kind": "ChecklistReport"`},
		"another class": {`"class": "unchanged"`, `"class": "same"`},
		"no summary":    {`"summary": {`, `"sums": {`},
	} {
		if !strings.Contains(good, change[0]) {
			t.Errorf("%s: the diff has no %s", name, change[0])
		} else if err := validate(t, schema, []byte(strings.Replace(good, change[0], change[1], 1))); err == nil {
			t.Errorf("%s: expected an error, found none", name)
		}
	}
}

// Each field has a description, its own or that of its type, so that nobody guesses a unit.
func TestDescriptions(t *testing.T) {
	for kind, least := range map[string]int{api.ReportKind: 15, api.DiffKind: 8} {
		descriptions(t, kind, least)
	}
}

func descriptions(t *testing.T, kind string, least int) {
	t.Helper()
	var schema struct {
		Defs map[string]struct{ Description string } `json:"$defs"`
	}
	text, err := os.ReadFile(filepath.Join(folder, file(kind)))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	for name, of := range schema.Defs {
		if of.Description == "" || strings.Contains(of.Description, "+k8s") {
			t.Errorf("%s: description %q", name, of.Description)
		}
	}
	if len(schema.Defs) < least {
		t.Error(fmt.Sprint(kind, ": ", len(schema.Defs), " types"))
	}
}
