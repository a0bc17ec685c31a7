package html

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// FuzzPrint prints any report that can be read from a file. The page keeps its shape: its policy,
// its one script and one style, no tag of others, and as many findings as the report.
func FuzzPrint(f *testing.F) {
	for _, text := range []string{"plain", hostile, "__proto__", "javascript:x", strings.Repeat("\u0301", 50)} {
		seed, err := json.Marshal(sample(text, 2))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	f.Add([]byte(`{"findings":[{"verdict":"fail"},{"verdict":"pass"}],"answers":[{"measured":-9223372036854775808,"inScope":1}],"nodes":[{}],"checks":[{}],"gaps":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var r api.ChecklistReport
		if json.Unmarshal(data, &r) != nil {
			return
		}
		var out bytes.Buffer
		if err := report.Print(&out, printer{}, report.Of(&r)); err != nil {
			t.Fatal(err)
		}
		page := out.Bytes()
		if !utf8.Valid(page) {
			t.Error("not UTF-8")
		}
		if n := len(inline.FindAllSubmatch(page, -1)); n != 2 {
			t.Errorf("%d scripts and styles", n)
		}
		for _, one := range tag.FindAll(inline.ReplaceAll(page, nil), -1) {
			if forbidden.Match(quoted.ReplaceAll(one, []byte(`""`))) {
				t.Errorf("tag %s", one)
			}
		}
		rows, err := Read(page)
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) != len(r.Findings) {
			t.Fatalf("%d findings became %d", len(r.Findings), len(rows))
		}
		for i := range rows {
			if want := known(r.Findings[i].Verdict); rows[i].Verdict != want {
				t.Errorf("finding %d: %s became %s", i, want, rows[i].Verdict)
			}
		}
	})
}

// FuzzRead reads the data of a page, which can be any bytes.
func FuzzRead(f *testing.F) {
	packed := newPacked(&api.ChecklistReport{}, nil)
	for _, finding := range sample("a", 1).Findings {
		packed.add(&finding, "part")
	}
	var data bytes.Buffer
	if err := packed.encode(&data); err != nil {
		f.Fatal(err)
	}
	f.Add(data.Bytes())
	f.Add(data.Bytes()[:data.Len()/2])
	f.Add([]byte("\xff\xff\xff\xff{}"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		rows(data) //nolint:errcheck // it must only end
	})
}
