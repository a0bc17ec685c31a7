package waiver

import (
	"fmt"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// As many waivers as findings: each finding looks at few of them.
func BenchmarkApply(b *testing.B) {
	const many = 10_000
	var list []Waiver
	for i := range many {
		list = append(list, netAdmin(func(w *Waiver) { w.Subject.Name = fmt.Sprint("web-", i) }))
	}
	use := New(list).Begin("", day, nil)
	i := 0
	for b.Loop() {
		f := api.Finding{
			Check: list[0].Check, Verdict: api.Fail, Severity: api.Medium, Subject: fact.Subject{Kind: "Deployment", Namespace: "shop", Name: fmt.Sprint("web-", i%many), Container: "app"},
			Evidence: []api.Evidence{{Source: adding, Value: "NET_ADMIN"}},
		}
		if use.Apply(&f); f.Verdict != api.Accepted {
			b.Fatal(f.Message)
		}
		i++
	}
}
