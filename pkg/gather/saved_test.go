package gather

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// Facts of every kind are saved and read whole: those of nodes that listen, run programs
// and hold certificates, too.
func TestSavedFactsAreReadAgain(t *testing.T) {
	seen := map[fact.Kind]bool{}
	for seed := range uint64(50) {
		set := facttest.Random(rand.New(rand.NewPCG(seed, 3)))
		var text bytes.Buffer
		if err := WriteFacts(&text, "r", api.ReportSpec{}, set); err != nil {
			t.Fatal(err)
		}
		got, err := parseFacts("f", text.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(set, &got.Facts, equalMasks); diff != "" {
			t.Fatalf("seed %d (-saved +read):\n%s", seed, diff)
		}
		for _, n := range set.Nodes {
			if n.Measured == nil {
				continue
			}
			for _, l := range n.Measured.Listeners {
				seen[l.Purpose.Kind()] = true
			}
			for _, c := range n.Measured.Components {
				seen[c.Program.Kind()] = true
			}
			seen[fact.Certificates] = seen[fact.Certificates] || len(n.Measured.Certificates) > 0
			for _, c := range n.Measured.Containers {
				seen[fact.Environment] = seen[fact.Environment] || len(c.Environment) > 0
			}
		}
		seen[fact.ConfigMaps] = seen[fact.ConfigMaps] || set.ConfigMaps != nil && set.ConfigMaps.Total > 0
		seen[fact.LegacyTokens] = seen[fact.LegacyTokens] || len(set.LegacyTokens) > 0
	}
	for _, kind := range []fact.Kind{
		fact.ServerTLS, fact.NodeTLS, fact.ServerSettings, fact.NodeSettings, fact.Certificates, fact.Environment, fact.ConfigMaps, fact.LegacyTokens,
	} {
		if !seen[kind] {
			t.Errorf("no set has facts of %s", kind)
		}
	}
}

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
