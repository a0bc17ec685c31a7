package gather

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/hack/raced"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

const unlimited = int64(1) << 60

var factsType = reflect.TypeFor[api.ChecklistFacts]()

// held returns the memory that decoded facts use.
func held(t *testing.T, text []byte) int64 {
	t.Helper()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var facts api.ChecklistFacts
	if err := json.Unmarshal(text, &facts); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(&facts)
	return int64(after.HeapAlloc) - int64(before.HeapAlloc)
}

// Facts of any form never need more memory than weigh counted.
func TestFactsAreWeighed(t *testing.T) {
	n := raced.Fewer(100_000, 20_000)
	many := func(entry string) string { return strings.TrimSuffix(strings.Repeat(entry+",", n), ",") }
	for name, text := range map[string]string{
		"null workloads":         `{"facts":{"workloads":[` + many("null") + `]}}`,
		"empty nodes":            `{"facts":{"nodes":[` + many("{}") + `]}}`,
		"null containers":        `{"facts":{"nodes":[{"measured":{"containers":[` + many("null") + `]}}]}}`,
		"measurements":           `{"facts":{"nodes":[` + many(`{"measured":{}}`) + `]}}`,
		"etcd in a snapshot":     `{"facts":{"snapshot":{"secrets":[` + many("{}") + `]}}}`,
		"by an escaped name":     `{"f\u0061cts":{"w\u006frkloads":[` + many("null") + `]}}`,
		"by a name in capitals":  `{"FACTS":{"WORKLOADS":[` + many("null") + `]}}`,
		"by a letter that folds": `{"fact` + "\u017f" + `":{"wor` + "\u212a" + `loads":[` + many("null") + `]}}`,
		"labels":                 `{"metadata":{"labels":{` + many(`"a":"b"`) + `}}}`,
		"owners":                 `{"metadata":{"ownerReferences":[` + many("null") + `]}}`,
		"managed fields":         `{"metadata":{"managedFields":[` + many(`{"fieldsV1":{"a":{}}}`) + `]}}`,
		"gaps of nodes":          `{"facts":{"nodes":[{"measured":{"gaps":[` + many(`{"what":"x","subject":{"kind":"Pod","name":"a"}}`) + `]}}]}}`,
		"maps":                   `{"facts":{"nodes":[` + many(`{"labels":{"a":""}}`) + `]}}`,
		"empty maps":             `{"facts":{"nodes":[` + many(`{"labels":{}}`) + `]}}`,
		"no UTF-8":               `{"facts":{"nodes":[{"name":"` + strings.Repeat("\xff", n) + `"}]}}`,
		"names of pods in gaps":  `{"facts":{"nodes":[{"measured":{"gaps":[{"what":"x","subject":{"kind":"Pod","pods":[` + many(`""`) + `]}}]}}]}}`,
		"fields of others":       `{"metadata":{"managedFields":[{"fieldsV1":[` + many("0") + `]}]}}`,
		"numbers":                `{"facts":{"workloads":[{"spec":{"containers":[{"hostPorts":[` + many("1") + `]}]}}]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			weighed, got := weigh([]byte(text), factsType, unlimited), held(t, []byte(text))
			if weighed < got {
				t.Errorf("weighed %d bytes, and %d are held", weighed, got)
			}
			if over := weigh([]byte(text), factsType, weighed/2); over <= weighed/2 {
				t.Errorf("with a limit of half of it %d were weighed", over)
			}
		})
	}
}

// Facts that the plugin saved weigh less than twice their text, so that every such file of
// at most maxFacts is below the limit.
func TestHonestFactsAreNotWeighedTooHeavy(t *testing.T) {
	set := &fact.Set{}
	for seed := range uint64(raced.Fewer(2000, 400)) {
		one := facttest.Random(rand.New(rand.NewPCG(seed, 1)))
		set.Nodes, set.Workloads = append(set.Nodes, one.Nodes...), append(set.Workloads, one.Workloads...)
		set.Secrets, set.Gaps = append(set.Secrets, one.Secrets...), append(set.Gaps, one.Gaps...)
	}
	var text bytes.Buffer
	if err := WriteFacts(&text, "r", api.ReportSpec{}, set); err != nil {
		t.Fatal(err)
	}
	weighed, got := weigh(text.Bytes(), factsType, unlimited), held(t, text.Bytes())
	runtime.KeepAlive(set) // what ends meanwhile would be taken off what is held
	t.Logf("%d bytes of text, %d held, %d weighed", text.Len(), got, weighed)
	if weighed < got || weighed > 2*int64(text.Len()) || 2*maxFacts > maxFactsMemory {
		t.Errorf("%d bytes of text, %d held, %d weighed", text.Len(), got, weighed)
	}
}

// Weighing takes a small part of the time of reading.
func BenchmarkWeigh(b *testing.B) {
	var text bytes.Buffer
	set := &fact.Set{}
	for seed := range uint64(500) {
		set.Nodes = append(set.Nodes, facttest.Random(rand.New(rand.NewPCG(seed, 1))).Nodes...)
	}
	if err := WriteFacts(&text, "r", api.ReportSpec{}, set); err != nil {
		b.Fatal(err)
	}
	for name, read := range map[string]func(){
		"weigh": func() { weigh(text.Bytes(), factsType, unlimited) },
		"decode": func() {
			var facts api.ChecklistFacts
			_ = json.Unmarshal(text.Bytes(), &facts)
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(text.Len()))
			for b.Loop() {
				read()
			}
		})
	}
}

func FuzzWeigh(f *testing.F) {
	f.Add([]byte(`{"facts":{"nodes":[{"name":"n","measured":{"gaps":[{"what":"x"}]}}]}}`))
	f.Add([]byte(`{"a":[1,"\"",{}],"facts":null`))
	f.Add([]byte(`"`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if got := weigh(text, factsType, 1<<20); got < 0 {
			t.Errorf("weighed %d", got)
		}
	})
}
