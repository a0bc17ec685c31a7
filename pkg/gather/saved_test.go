package gather

import (
	"testing"
)

func TestParseFactsErrors(t *testing.T) {
	const head = `{"kind":"ChecklistFacts","apiVersion":"kubectl-checklist.github.io/v1alpha1",`
	const notJSON = `reading facts "f": expected a JSON file that --save-facts wrote: `
	const otherVersion = `reading facts "f": expected apiVersion "kubectl-checklist.github.io/v1alpha1", found another version: another version of this plugin wrote the file`
	for name, tc := range map[string]struct{ in, want string }{
		"cut in the middle":            {head + "\n\"facts\":{\"nodes\":[", notJSON + `cut short after 96 bytes (line 2)`},
		"a comma too many":             {head + "\n\n\"spec\":{},,}", notJSON + `line 3: not valid JSON`},
		"another kind":                 {`{"kind":"CANARY"}`, `reading facts "f": expected kind ChecklistFacts, which --save-facts writes, found another kind`},
		"a kind that is not a text":    {`{"kind":["CANARY"]}`, `reading facts "f": expected kind ChecklistFacts, which --save-facts writes, found another kind`},
		"a version that is not a text": {`{"kind":"ChecklistFacts","apiVersion":{"CANARY":1}}`, otherVersion},
		"a version that is not ours":   {`{"kind":"ChecklistFacts","apiVersion":"kubectl-checklist.github.io/v1CANARY"}`, otherVersion},
		"a list":                       {"\n[\"CANARY\"]", notJSON + `line 2: expected an object, found another value`},
		"text where a number belongs":  {head + "\n\"facts\":{\"nodes\":[\n{\"name\":12345678}]}}", `reading facts "f": line 3: facts.nodes[0].name: expected a string, found a number`},
		"a list that is a number":      {head + "\n\"facts\":{\"nodes\":12345678}}", `reading facts "f": line 2: facts.nodes: expected a list, found a number`},
		"a number that is text":        {head + "\n\"facts\":{\"nodes\":[{\"measured\":{\"hostUserNS\":\"CANARY\"}}]}}", `reading facts "f": line 2: facts.nodes[0].measured.hostUserNS: expected a number, found a string`},
		"a number that is not whole":   {head + `"facts":{"nodes":[{"measured":{"hostProcesses":123456.78}}]}}`, `reading facts "f": line 1: facts.nodes[0].measured.hostProcesses: expected a whole number`},
		"a label's value":              {head + `"facts":{"nodes":[{"labels":{"CANARY":["CANARY"]}}]}}`, `reading facts "f": line 1: facts.nodes[0].labels: expected a string, found a list`},
		"an invalid mask":              {head + `"facts":{"nodes":[{"measured":{"hostCapBnd":"CANARY"}}]}}`, `reading facts "f": line 1: facts.nodes[0].measured.hostCapBnd: expected a value in the form that --save-facts writes`},
		"an invalid time":              {head + `"facts":{"collectedAt":"CANARY"}}`, `reading facts "f": line 1: facts.collectedAt: expected a value in the form that --save-facts writes`},
		"a field of the future":        {head + `"facts":{"CANARY":1}}`, `reading facts "f": line 1: facts: found a field that this version does not know`},
		"a field of the future, deep":  {head + "\"facts\":{\"nodes\":[{},\n{\"measured\":{\"CANARY\":1}}]}}", `reading facts "f": line 2: facts.nodes[1].measured: found a field that this version does not know`},
		"without a time":               {head + `"facts":{}}`, `reading facts "f": facts.collectedAt is missing`},
		"two documents":                {head + `"facts":{}} {"CANARY":1}`, notJSON + `line 1: not valid JSON`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseFacts("f", []byte(tc.in))
			if err == nil || err.Error() != tc.want {
				t.Errorf("got error %v\nwant      %s", err, tc.want)
			}
		})
	}
}

func FuzzParseFacts(f *testing.F) {
	f.Add([]byte(`{"kind":"ChecklistFacts","apiVersion":"kubectl-checklist.github.io/v1alpha1","facts":{"collectedAt":"2026-11-24T10:00:00Z","nodes":[{"name":"n"}]}}`))
	f.Add([]byte(`{"kind":"ChecklistFacts","apiVersion":"kubectl-checklist.github.io/v1alpha1","facts":{"nodes":[{"name":7}]}}`))
	f.Add([]byte(`{"kind":`))
	f.Fuzz(func(t *testing.T, data []byte) {
		facts, err := parseFacts("f", data)
		if (err == nil) == (facts == nil) {
			t.Errorf("want facts or an error, got %v and %v", facts, err)
		}
	})
}
