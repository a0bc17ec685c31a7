package builds

import (
	"fmt"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// A large cluster in which nothing builds: 10,000 workloads of 4 containers.
func BenchmarkBuilderWorkload(b *testing.B) {
	set := &fact.Set{FieldsRead: true}
	for i := range 10_000 {
		w := fact.Workload{Owner: fact.Subject{Kind: "Deployment", Namespace: "n", Name: fmt.Sprint(i)}, Spec: fact.PodSpec{
			Origin: "x", Path: "spec", Labels: map[string]string{"app": "web", "pod-template-hash": "1", "tier": "front"}, Annotations: []string{"a", "b", "c"},
		}}
		for k := range 4 {
			w.Spec.Containers = append(w.Spec.Containers, fact.Container{Name: fmt.Sprint(k), Field: "spec.containers[0]", Image: fmt.Sprintf("registry.example/team/web%d:%d", i%500, k), Program: "/web"})
		}
		set.Workloads = append(set.Workloads, w)
	}
	v := checks.NewView(set)
	for b.Loop() {
		if got := len(judgeBuilderWorkload(v)); got != 40_000 {
			b.Fatal(got)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/workload")
}
