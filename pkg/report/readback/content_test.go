package readback

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// Severity is the key of Content.LeftOut for findings that --severity hides.
const Severity = "severity"

// Content is what every format says about a report.
type Content struct {
	// Answers has the answer to each question: yes, no, unknown. Parts has the same for
	// "question:part".
	Answers, Parts map[string]string
	// Counts has the number of findings in the output, by check and verdict.
	Counts map[string]map[string]int
	// LeftOut has the number of findings that are not in the output, as the output says: by
	// verdict, and Severity.
	LeftOut map[string]int
	// Items has the worst verdict of each finding in the output, by check and by what the format
	// identifies a finding with (a fingerprint, a name). Nil if the format only counts.
	Items map[Item]string
}

// Item identifies a finding in one format.
type Item struct{ Check, Name string }

// item adds a finding that the format shows by itself.
func (c *Content) item(check, name, verdict string) {
	c.add(check, verdict, 1)
	if c.Items == nil {
		c.Items = map[Item]string{}
	}
	key := Item{check, name}
	if old, there := c.Items[key]; !there || api.Verdict(verdict).Rank() > api.Verdict(old).Rank() {
		c.Items[key] = verdict
	}
}

func newContent() *Content {
	return &Content{Answers: map[string]string{}, Parts: map[string]string{}, Counts: map[string]map[string]int{}, LeftOut: map[string]int{}}
}

func (c *Content) add(check, verdict string, n int) {
	if n == 0 {
		return
	}
	if c.Counts[check] == nil {
		c.Counts[check] = map[string]int{}
	}
	c.Counts[check][verdict] += n
}

func (c *Content) leave(what string, n int) {
	if n > 0 {
		c.LeftOut[what] += n
	}
}

// Verdicts sums Counts by verdict.
func (c *Content) Verdicts() map[string]int {
	out := map[string]int{}
	for _, verdicts := range c.Counts {
		for v, n := range verdicts {
			out[v] += n
		}
	}
	return out
}

// Of counts a report as a format shows it that hides findings below a severity, and never an
// unknown one.
func Of(r *api.ChecklistReport, least api.Severity) *Content {
	c := newContent()
	for i := range r.Answers {
		a := &r.Answers[i]
		c.Answers[string(a.Question)] = string(a.Answer)
		for j := range a.Parts {
			c.Parts[string(a.Question)+":"+a.Parts[j].Part] = string(a.Parts[j].Answer)
		}
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		if least != "" && f.Verdict != api.VerdictUnknown && f.Severity.Rank() < least.Rank() {
			c.leave(Severity, 1)
			continue
		}
		c.item(f.Check, f.Fingerprint(), string(f.Verdict))
	}
	return c
}

// TurnsGood compares the outputs of two runs, and returns a line for each thing that looks better in
// the second one, although nothing that was measured is: an answer that became yes, a check that has
// nothing left but passes, and a finding that is gone or passes, while nothing of its check is
// unknown. It is for a second run that measured less.
func TurnsGood(before, after *Content) []string {
	var out []string
	words := func(what string, before, after map[string]string) {
		for _, key := range union(before, after) {
			if before[key] != string(api.Yes) && after[key] == string(api.Yes) || after[key] == "" {
				out = append(out, fmt.Sprintf("%s of %s: %q became %q", what, key, before[key], after[key]))
			}
		}
	}
	words("answer", before.Answers, after.Answers)
	words("part", before.Parts, after.Parts)
	const pass, unknown = string(api.Pass), string(api.VerdictUnknown)
	if after.LeftOut[unknown] > 0 {
		return out // the output says that it does not show everything
	}
	for _, check := range union(before.Counts, nil) {
		bad := func(c *Content) (n int) {
			for verdict, count := range c.Counts[check] {
				if verdict != pass {
					n += count
				}
			}
			return n
		}
		if bad(before) > 0 && bad(after) == 0 {
			out = append(out, fmt.Sprintf("%s: %d that do not pass became none", check, bad(before)))
		}
	}
	for item, verdict := range before.Items {
		now := after.Items[item]
		if verdict != pass && (now == "" || now == pass) && after.Counts[item.Check][unknown] == 0 {
			out = append(out, fmt.Sprintf("%s of %s: %s became %q", item.Check, item.Name, verdict, now))
		}
	}
	slices.Sort(out)
	return out
}

// Different compares what an output says with what it must say, and returns a line for each
// difference. Findings that the output leaves out, and counts, are no difference. An unknown one
// that is left out is, unless mayCut says that the format has an upper bound.
func Different(want, got *Content, mayCut bool) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	words := func(what string, want, got map[string]string) {
		for _, key := range union(want, got) {
			if want[key] != got[key] {
				say("%s of %s: expected %q, found %q", what, key, want[key], got[key])
			}
		}
	}
	words("answer", want.Answers, got.Answers)
	words("part", want.Parts, got.Parts)
	if want.LeftOut[Severity] != got.LeftOut[Severity] {
		say("hidden by severity: expected %d, found %d", want.LeftOut[Severity], got.LeftOut[Severity])
	}
	if n := got.LeftOut[string(api.VerdictUnknown)]; n > 0 && !mayCut {
		say("%d unknown are left out", n)
	}
	all, shown := want.Verdicts(), got.Verdicts()
	for _, verdict := range union(all, shown) {
		if n := shown[verdict] + got.LeftOut[verdict]; n != all[verdict] {
			say("%s: expected %d, found %d and %d left out", verdict, all[verdict], shown[verdict], got.LeftOut[verdict])
		}
	}
	for _, check := range union(want.Counts, got.Counts) {
		for _, verdict := range union(want.Counts[check], got.Counts[check]) {
			n, most := got.Counts[check][verdict], want.Counts[check][verdict]
			if n > most || n < most && got.LeftOut[verdict] == 0 {
				say("%s of %s: expected %d, found %d", verdict, check, most, n)
			}
		}
	}
	return out
}

func union[V any](a, b map[string]V) []string {
	all := map[string]bool{}
	for _, m := range []map[string]V{a, b} {
		for key := range m {
			all[key] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// Reader reads the output of one format.
type Reader func(output []byte) (*Content, error)

// Readers has the reader of each format for machines, by the format's name.
func Readers() map[string]Reader {
	return map[string]Reader{
		"json":         JSON,
		"yaml":         YAML,
		"junit":        JUnit,
		"markdown":     Markdown,
		"openreports":  PolicyReports,
		"policyreport": PolicyReports,
		"prometheus":   Prometheus,
		"html":         HTML,
		"sarif":        SARIF,
		"csv":          CSV,
	}
}

// JSON reads the report itself.
func JSON(output []byte) (*Content, error) {
	var r api.ChecklistReport
	decoder := json.NewDecoder(bytes.NewReader(output))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		return nil, err
	}
	if r.APIVersion != api.GroupVersion.String() || r.Kind != api.ReportKind {
		return nil, fmt.Errorf("expected %s %s, found %s %s", api.GroupVersion, api.ReportKind, r.APIVersion, r.Kind)
	}
	c := Of(&r, "")
	c.leave(Severity, r.Spec.Inputs.Hidden)
	return c, nil
}

// YAML reads the report itself.
func YAML(output []byte) (*Content, error) {
	text, err := yaml.YAMLToJSONStrict(output)
	if err != nil {
		return nil, err
	}
	return JSON(text)
}

// number reads a count.
func number(text string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 0 {
		return 0, fmt.Errorf("expected a number, found %q", text)
	}
	return n, nil
}
