package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// A label of the corpus is a comment before an object: "# want CHECK VERDICT [SEVERITY]". It
// is about the worst of the check's findings about the object and its containers.
var (
	labelLine = regexp.MustCompile(`(?m)^# want (\S+) (pass|fail|unknown|none)(?: (\S+))?$`)
	nameField = regexp.MustCompile(`(?m)^(?:metadata: \{name: |  name: )([a-z0-9-]+)`)
	kindField = regexp.MustCompile(`(?m)^kind: (\S+)$`)
)

// The corpus has workloads that were written for this test, each with what is right: faults,
// what only looks like one, and the cases that users of other tools have complained about.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("testdata/corpus/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	workloads, labels := 0, 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		env, out, errOut := testEnv()
		if code := Main(context.Background(), env, []string{"pods", "-f", file, "-o", "json"}); code != 0 {
			t.Fatalf("%s: exit status %d: %s", file, code, errOut)
		}
		var report api.ChecklistReport
		if err := json.Unmarshal(out.Bytes(), &report); err != nil {
			t.Fatal(err)
		}
		for _, doc := range bytes.Split(data, []byte("\n---\n")) {
			wants := labelLine.FindAllStringSubmatch(string(doc), -1)
			if len(wants) == 0 {
				continue
			}
			kind, name := kindField.FindStringSubmatch(string(doc)), nameField.FindStringSubmatch(string(doc))
			if kind == nil || name == nil {
				t.Fatalf("%s: no kind or name in\n%s", file, doc)
			}
			workloads++
			for _, want := range wants {
				labels++
				worst, shown := worstFinding(report.Findings, want[1], name[1])
				got := fmt.Sprintf("%s %s", worst.Verdict, worst.Severity)
				if string(worst.Verdict) != want[2] || want[3] != "" && string(worst.Severity) != want[3] {
					t.Errorf("%s: %s %s: want %s %s, got %s: %s", filepath.Base(file), kind[1]+"/"+name[1], want[1], want[2], want[3], got, shown)
				}
			}
		}
	}
	t.Logf("%d workloads, %d labels", workloads, labels)
	if workloads < 400 {
		t.Errorf("only %d workloads", workloads)
	}
}

// worstFinding is the worst finding of a check about an object or its containers. Names are
// unique in a file.
func worstFinding(findings []api.Finding, check, name string) (worst api.Finding, shown string) {
	var own []api.Finding
	for _, f := range findings {
		if f.Check == check && f.Subject.Name == name {
			own = append(own, f)
		}
	}
	if len(own) == 0 {
		return api.Finding{Verdict: "none"}, "no finding"
	}
	slices.SortStableFunc(own, func(a, b api.Finding) int {
		return cmp.Or(cmp.Compare(b.Verdict.Rank(), a.Verdict.Rank()), cmp.Compare(b.Severity.Rank(), a.Severity.Rank()))
	})
	var text []string
	for _, f := range own {
		text = append(text, strings.TrimSpace(f.Subject.Container+" "+f.Message))
	}
	return own[0], strings.Join(text, " | ")
}
