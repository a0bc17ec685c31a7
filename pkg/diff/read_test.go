package diff

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

func read(text string) (*Side, error) { return Read(NewReader(strings.NewReader(text))) }

const head = `{"apiVersion": "kubectl-checklist.github.io/v1alpha1", "kind": "ChecklistReport", `

// What is wrong is said in our words: nothing of the file is in an error.
func TestReadErrors(t *testing.T) {
	const canary = "c4n4ry"
	for name, tc := range map[string]struct{ text, want string }{
		"empty":                   {"", errNotReport.Error()},
		"a text":                  {canary, errNotReport.Error()},
		"broken YAML":             {"a: [" + canary, errNotReport.Error()},
		"another object":          {`{"apiVersion": "v1", "kind": "Secret", "data": {"a": "` + canary + `"}}`, errNotReport.Error()},
		"a list":                  {`[` + canary + `]`, errNotReport.Error()},
		"no kind":                 {`{"findings": []}`, errNotReport.Error()},
		"facts, kind at the end":  {`{"facts": {}, "kind": "ChecklistFacts"}`, ErrFacts.Error()},
		"another version":         {`{"apiVersion": "kubectl-checklist.github.io/v2", "kind": "ChecklistReport"}`, "expected a report of version kubectl-checklist.github.io/v1alpha1, found kubectl-checklist.github.io/v2"},
		"a strange version":       {`{"apiVersion": "` + canary + ` \u001b[31m", "kind": "ChecklistReport"}`, "expected a report of version kubectl-checklist.github.io/v1alpha1, found another one"},
		"cut short":               {head + `"findings": [{"check": "` + canary, "expected a report, found one that is cut short after 112 bytes"},
		"not JSON":                {head + `"findings": [{` + canary + `}]}`, "expected a report, found a text that is not JSON near byte 95"},
		"another type":            {head + `"findings": [{"check": {"` + canary + `": 1}}]}`, "expected a report, found a value of another type near byte 119"},
		"findings are a text":     {head + `"findings": "` + canary + `"}`, "expected a report, found another value than a list near byte 102"},
		"a field twice":           {head + `"findings": [], "findings": []}`, "expected a report, found one that has the field findings twice"},
		"more after its end":      {head + `"findings": []} {"` + canary + `": 1}`, "expected one report, found more after its end"},
		"more text after it":      {head + `"findings": []} ` + canary, "expected one report, found more after its end"},
		"several documents":       {"kind: ChecklistReport\n---\nkind: " + canary + "\n", "expected one YAML document, found several"},
		"too many answers":        {head + `"answers": [` + strings.Repeat(`{},`, mostList) + `{}]}`, "expected a report, found one with more than 10000 answers or checks"},
		"a value that is large":   {head + `"findings": [{"check": "` + strings.Repeat(canary, mostValue/6+1000) + `"}]}`, errValue.Error()},
		"an answer that is large": {head + `"answers": [{"reason": "` + strings.Repeat(canary, 2*mostSmall/6) + `"}]}`, errValue.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := read(tc.text)
			if err == nil || err.Error() != tc.want {
				t.Errorf("want %q, got %v", tc.want, err)
			}
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("the error quotes the file: %v", err)
			}
		})
	}
}

func TestRead(t *testing.T) {
	for name, text := range map[string]string{
		"null lists":             head + `"findings": null, "gaps": null, "nodes": null, "answers": null, "checks": null}`,
		"unknown fields":         head + `"later": {"a": [1, 2]}, "later": 3}` + "\n\n",
		"YAML":                   "apiVersion: kubectl-checklist.github.io/v1alpha1\nkind: ChecklistReport\nfindings: []\n",
		"YAML with a mark":       "# a comment\n---\napiVersion: kubectl-checklist.github.io/v1alpha1\nkind: ChecklistReport\n",
		"the kind comes last":    `{"findings": [], "kind": "ChecklistReport", "apiVersion": "kubectl-checklist.github.io/v1alpha1"}`,
		"YAML with dashes in it": "apiVersion: kubectl-checklist.github.io/v1alpha1\nkind: ChecklistReport\nmetadata:\n  name: a\n---- : 1\n",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := read(text); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestIsFacts(t *testing.T) {
	for text, want := range map[string]bool{
		`{"kind": "ChecklistFacts"`:                         true,
		`{"apiVersion": {"a": 1}, "kind":"ChecklistFacts",`: true,
		`{"kind": "ChecklistReport"}`:                       false,
		`{"spec": {"kind": "ChecklistFacts"}}`:              false,
		`{"kind": 7}`:                                       false,
		`kind: ChecklistFacts`:                              false,
		``:                                                  false,
		`{"a": "` + strings.Repeat("x", mostPeek) + `", "kind": "ChecklistFacts"}`: false,
	} {
		in := NewReader(strings.NewReader(text))
		if got := IsFacts(in); got != want {
			t.Errorf("%.40s: want %v, got %v", text, want, got)
		}
		if rest, _ := io.ReadAll(in); string(rest) != text {
			t.Errorf("%.40s: it was consumed", text)
		}
	}
}

type broken struct{ error }

func (b broken) Read([]byte) (int, error) { return 0, b.error }

func TestReadOfABrokenDisk(t *testing.T) {
	disk := errors.New("input/output error")
	for _, begin := range []string{"", head, head + `"findings": [`, "kind: C\n"} {
		if _, err := Read(NewReader(io.MultiReader(strings.NewReader(begin), broken{disk}))); !errors.Is(err, disk) {
			t.Errorf("%q: %v", begin, err)
		}
	}
}

// Evidence takes no memory, and what is kept is bounded.
func TestKept(t *testing.T) {
	s := NewSide(false)
	s.kept = mostKept - 10_000
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		f := fails(runs, web)
		f.Subject.Name = fmt.Sprint(n)
		err = s.Add(&f)
	}
	if want := "it needs more than 2 GiB of memory"; err == nil || err.Error() != want || n < 5 {
		t.Errorf("want %q, got %v after %d", want, err, n)
	}
	s = NewSide(false)
	s.kept = mostKept
	g := gapOf("processes", node("a"), runs)
	if err := s.AddGap(&g); err == nil {
		t.Error("gaps are not counted")
	}
	s = NewSide(false)
	s.kept, err = mostKept-100_000, nil
	for n = 0; err == nil && n < 1000; n++ {
		f := fails(runs, web)
		f.Question = api.Question(fmt.Sprint(n))
		err = s.Add(&f)
	}
	if err == nil {
		t.Error("questions of one finding are not counted")
	}
	s = NewSide(false)
	f := fails(runs, web, "a")
	f.Subject.Name, f.Message = strings.Repeat("n", 1<<20), strings.Repeat("m", 1<<20)
	f.Evidence[0].Value = strings.Repeat("v", 1<<20)
	if err := s.Add(&f); err != nil || s.kept > 10_000 {
		t.Errorf("%v, %d bytes are kept", err, s.kept)
	}
	for _, e := range s.entries {
		if len(e.about.Name) > mostName+4 || !strings.HasSuffix(e.about.Name, " ...") || !strings.HasSuffix(e.state.Message, " ...") {
			t.Errorf("not cut with a mark: %d and %d bytes", len(e.about.Name), len(e.state.Message))
		}
	}
}

// Names that look the same when they are cut are different subjects.
func TestLongNamesAreDifferent(t *testing.T) {
	one, other := web, web
	one.Name, other.Name = strings.Repeat("n", 1000)+"1", strings.Repeat("n", 1000)+"2"
	want := []string{"new " + declares + ": " + notThere, "gone " + declares}
	if diff := cmp.Diff(want, words(compared(t, whole(fails(declares, one)), whole(fails(declares, other))))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Any text is a report or an error, and a report has not changed from itself.
func FuzzRead(f *testing.F) {
	for _, r := range []*api.ChecklistReport{
		whole(), whole(fails(runs, web, "a"), passes(declares, web), unknown(ofStore, secret), accepted(ofHost, node("b"))),
		with(whole(fails(runs, inCluster(fails(runs, web), "c").Subject)), gaps(gapOf("processes", node("b"), runs), gapOf("pods", web, declares))), onFiles(whole(fails(declares, web))),
	} {
		text, err := json.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("apiVersion: kubectl-checklist.github.io/v1alpha1\nkind: ChecklistReport\nfindings: [{check: a, verdict: fail}]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := Read(NewReader(bytes.NewReader(text)))
		if err != nil {
			return
		}
		b, err := Read(NewReader(bytes.NewReader(text)))
		if err != nil {
			t.Fatal("read once, and then not:", err)
		}
		d, err := Compare(a, b, Options{Unchanged: true})
		if err != nil {
			return
		}
		if d.Summary.Unchanged != len(d.Changes) || len(d.Answers) > 0 {
			t.Errorf("changed from itself: %+v %+v", d.Summary, d.Answers)
		}
		if _, err := json.Marshal(d); err != nil {
			t.Error(err)
		}
	})
}

// Of any two reports, each finding has one class, and only what both show is fixed or better.
func FuzzCompare(f *testing.F) {
	list := []*api.ChecklistReport{
		whole(), whole(fails(runs, web, "a"), passes(declares, web), unknown(ofStore, secret), accepted(ofHost, node("b"))),
		with(whole(passes(runs, web, "a"), fails(declares, web)), gaps(gapOf("processes", node("b"), runs), gapOf("pods", web, declares))),
		with(whole(passes(runs, inCluster(passes(runs, web), "c").Subject)), newer), onFiles(whole(fails(declares, web))),
	}
	for i := range list {
		old, errA := json.Marshal(list[i])
		now, errB := json.Marshal(list[(i+1)%len(list)])
		if errA != nil || errB != nil {
			f.Fatal(errA, errB)
		}
		f.Add(old, now)
	}
	f.Fuzz(func(t *testing.T, old, now []byte) {
		a, errA := Read(NewReader(bytes.NewReader(old)))
		b, errB := Read(NewReader(bytes.NewReader(now)))
		if errA != nil || errB != nil {
			return
		}
		d, err := Compare(a, b, Options{Unchanged: true})
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, c := range d.Changes {
			if seen[c.Fingerprint] {
				t.Errorf("%s has two classes", c.Fingerprint)
			}
			seen[c.Fingerprint] = true
			was, is := c.Old, c.New
			good := false
			switch c.Class {
			case api.ChangeFixed:
				good = was != nil && was.Verdict != api.Pass && was.Verdict != api.VerdictUnknown && is != nil && is.Verdict == api.Pass && is.Reason == ""
			case api.ChangeBetter:
				good = was != nil && is != nil && was.Verdict != api.VerdictUnknown && is.Verdict == was.Verdict && is.Severity.Rank() < was.Severity.Rank()
				good = good || was != nil && is != nil && was.Verdict == api.Accepted && is.Verdict == api.Accepted
			case api.ChangeGone:
				good = was != nil && is == nil
			default:
				continue
			}
			if !good || d.Catalogue != nil && c.Class != api.ChangeGone {
				t.Errorf("%s: %+v -> %+v", c.Class, was, is)
			}
		}
		for key := range a.entries {
			seen[hex.EncodeToString(key[:])] = false
		}
		for key := range b.entries {
			seen[hex.EncodeToString(key[:])] = false
		}
		if len(seen) != len(d.Changes) {
			t.Errorf("%d findings, %d changes", len(seen), len(d.Changes))
		}
	})
}
