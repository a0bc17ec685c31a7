package catalogue

import (
	"encoding/json"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// A facts file comes from anywhere: with any one value missing, emptied or
// odd, judging it must not panic, and every finding still has a known verdict,
// a severity, a message and evidence.
func TestDamagedFactsAreJudgedWithoutPanic(t *testing.T) {
	set := clean()
	for _, c := range All() {
		faults[c.ID].plant(set)
	}
	body, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(body, &tree); err != nil {
		t.Fatal(err)
	}
	judged := 0
	judge := func(path string) {
		damaged, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		var facts fact.Set
		if json.Unmarshal(damaged, &facts) != nil {
			return // the reader of facts files refuses it
		}
		judged++
		defer func() {
			if r := recover(); r != nil {
				t.Errorf("%s: panic: %v", path, r)
			}
		}()
		for _, f := range checks.JudgeSet(Whole(), &facts).Findings {
			if f.Verdict == "" || f.Severity.Rank() == 0 || f.Message == "" || len(f.Evidence) == 0 {
				t.Errorf("%s: incomplete finding %+v", path, f)
			}
		}
	}
	damage(tree, "", func(any) {}, judge)
	if judged < 500 {
		t.Errorf("only %d damaged sets were judged", judged)
	}
}

// damage puts other values in the place of each value of a JSON tree in turn,
// calls judge for each of them, and restores it.
func damage(value any, path string, set func(any), judge func(string)) {
	var others []any
	switch v := value.(type) {
	case map[string]any:
		for key, child := range v {
			at := path + "." + key
			delete(v, key)
			judge(at + " missing")
			v[key] = child
			damage(child, at, func(other any) { v[key] = other }, judge)
		}
		others = []any{map[string]any{}}
	case []any:
		for i, child := range v {
			damage(child, path+"[]", func(other any) { v[i] = other }, judge)
		}
		others = []any{[]any{}, append(append([]any{}, v...), v...)}
	case string:
		others = []any{"", " ", "-", "x:y@z", v + v}
	case float64:
		others = []any{0, -1, int64(1) << 40}
	case bool:
		others = []any{!v}
	}
	for _, other := range others {
		set(other)
		judge(path)
	}
	set(value)
}
