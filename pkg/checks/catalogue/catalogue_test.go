package catalogue

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

var update = flag.Bool("update", false, "write the generated docs")

func TestEachCheckIsWellFormed(t *testing.T) {
	var questions []api.Question
	for _, info := range checks.Questions() {
		questions = append(questions, info.Question)
	}
	id := regexp.MustCompile(`^[a-z]+/[a-z0-9]+(-[a-z0-9]+)*$`)
	seen := map[string]bool{}
	for _, c := range All() {
		t.Run(c.ID, func(t *testing.T) {
			want := func(ok bool, what string) {
				t.Helper()
				if !ok {
					t.Error(what)
				}
			}
			sentence := func(text string) bool {
				return strings.HasSuffix(text, ".") && strings.TrimSpace(text) == text && !strings.Contains(text, "  ") && text[0] < 'a'
			}
			want(id.MatchString(c.ID), "the ID is not question/slug")
			want(slices.Contains(questions, c.Question()), "the question is none of the six")
			want(!seen[c.ID], "the ID stands twice")
			seen[c.ID] = true
			want(c.Title != "" && !strings.HasSuffix(c.Title, "."), "the title is empty or ends in a full stop")
			want(sentence(c.Why), "Why is not made of sentences")
			want(sentence(c.Remediation), "Remediation is not made of sentences")
			want(len(c.References) > 0, "there is no reference")
			for _, reference := range c.References {
				want(strings.HasPrefix(reference, "https://") || strings.HasPrefix(reference, "man:"), "a reference is neither https:// nor man:: "+reference)
			}
			want(c.Severity.Rank() > 0, "the severity is none")
			want(c.Basis == api.Declared || c.Basis == api.Measured, "the basis is none")
			want(slices.Contains([]checks.Scope{checks.ScopeWorkload, checks.ScopeNode, checks.ScopeSecret}, c.Scope), "the scope is none")
			want(len(c.Needs) > 0, "it needs nothing, so that no gap could make it unknown")
			for _, kind := range slices.Concat(c.Needs, c.Uses) {
				want(slices.Contains(fact.Kinds(), kind), "it needs or uses a kind that there is none of: "+string(kind))
			}
			for _, kind := range c.Uses {
				want(!c.NeedsKind(kind), "it needs and uses "+string(kind))
			}
			want((c.Judge != nil) != (c.Each != nil), "it judges nothing, or in two ways")

			file := filepath.Join("..", string(c.Question()), strings.ReplaceAll(c.Slug(), "-", "_"))
			for _, name := range []string{file + ".go", file + "_test.go"} {
				source, err := os.ReadFile(name)
				want(err == nil, "there is no file "+name)
				if strings.HasSuffix(name, "_test.go") {
					continue
				}
				want(strings.Contains(string(source), `"`+c.ID+`"`), name+" does not hold the check")
			}
		})
	}
}

func TestChecksAreInTheOrderOfTheQuestions(t *testing.T) {
	rank := map[api.Question]int{}
	measured := map[api.Question]bool{}
	for i, info := range checks.Questions() {
		rank[info.Question] = i
	}
	last := 0
	for _, c := range All() {
		if rank[c.Question()] < last {
			t.Errorf("%s stands behind a later question's check", c.ID)
		}
		last = rank[c.Question()]
		measured[c.Question()] = measured[c.Question()] || c.Basis == api.Measured
	}
	for _, info := range checks.Questions() {
		if !measured[info.Question] {
			t.Errorf("%s has no measured check: its answer can never be yes", info.Question)
		}
	}
}

// Every check that has a file is in the list.
func TestEveryCheckIsListed(t *testing.T) {
	listed := map[string]bool{}
	for _, c := range All() {
		listed[c.ID] = true
	}
	declared := regexp.MustCompile(`\bID:\s+"([a-z]+/[a-z0-9-]+)"`)
	for _, info := range checks.Questions() {
		files, err := filepath.Glob(filepath.Join("..", string(info.Question), "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no files of question %s: %v", info.Question, err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range declared.FindAllStringSubmatch(string(source), -1) {
				if !listed[match[1]] {
					t.Errorf("%s declares %s, which All does not list", file, match[1])
				}
			}
		}
	}
}

func TestDocs(t *testing.T) {
	path := filepath.Join("..", "..", "..", "docs", "checks.md")
	want := markdown()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/checks.md is stale; run: go test ./pkg/checks/catalogue -run TestDocs -update\n%s", diff)
	}
}
