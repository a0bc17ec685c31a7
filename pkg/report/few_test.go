package report

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
)

// manyWorkloads are objects of a few kinds with a few specs, more than a table has findings.
// Each has fewer pods than most.
func manyWorkloads(r *rand.Rand, most int) *fact.Set {
	set := &fact.Set{PodScope: fact.PodsSome, InjectionRead: true, FieldsRead: true, ConfigMaps: &fact.ConfigMapScan{Read: 1}}
	yes, no := true, false
	bools := []*bool{nil, &yes, &no}
	for i := range 300 + r.IntN(600) {
		owner := fact.Subject{Kind: []string{"Pod", "Deployment", "Job"}[r.IntN(3)], Namespace: []string{"shop", "ci", "kube-system"}[r.IntN(3)], Name: fmt.Sprintf("w%d", i)}
		spec := fact.PodSpec{Origin: "x.yaml pod/" + owner.Namespace + "/" + owner.Name, Path: "spec", HostPID: r.IntN(4) == 0}
		for j := range 1 + r.IntN(2) {
			spec.Containers = append(spec.Containers, fact.Container{
				Name: fmt.Sprintf("c%d", j), Field: fmt.Sprintf("spec.containers[%d]", j), Type: fact.RegularContainer,
				Image: "registry.example/app:" + []string{"v1", "latest"}[r.IntN(2)], Privileged: bools[r.IntN(3)],
				ReadOnlyRootFilesystem: bools[r.IntN(3)], AllowPrivilegeEscalation: bools[r.IntN(3)],
			})
		}
		w := fact.Workload{Owner: owner, Spec: spec}
		for j := range r.IntN(most) {
			w.Pods = append(w.Pods, fact.Pod{Name: fmt.Sprintf("w%d-%d", i, j), Phase: "Running"})
		}
		set.Workloads = append(set.Workloads, w)
	}
	return set
}

// A table of very many workloads, which has only the first findings, is that of all.
func TestATableOfManyWorkloads(t *testing.T) {
	var list []checks.Check
	for _, c := range catalogue.All() {
		if c.Scope == checks.ScopeWorkload && len(fact.Intersect(c.Needs, fact.NodeKinds())) == 0 {
			list = append(list, c)
		}
	}
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 5))
		set := manyWorkloads(r, 1+int(seed%2)*4)
		plan := catalogue.Plan(list, "only what files declare")
		set.Count = &fact.ReadCount{Workloads: len(set.Workloads)}
		for i := range set.Workloads {
			set.Count.Pods += len(set.Workloads[i].Pods)
		}
		context := *set
		context.Workloads = nil
		stream := checks.NewStream(plan, &context, checks.StreamOptions{})
		stream.Add(set.Workloads)
		spec := api.ReportSpec{Command: "pods"}
		many, whole := Stream(spec, &context, stream.Finish(&context)), Stream(spec, set, checks.Judge(plan, set))
		for name, opts := range map[string]Options{
			"plain": {}, "80 columns": {Width: 80}, "200 columns": {Width: 200}, "only severe": {MinSeverity: api.High},
		} {
			for _, format := range []string{"table", "wide"} {
				var want, got bytes.Buffer
				opts.Catalogue = catalogue.All()
				printer, err := NewPrinter(format, opts)
				if err != nil {
					t.Fatal(err)
				}
				if err := Print(&want, printer, whole); err != nil {
					t.Fatal(err)
				}
				if err := Print(&got, printer, many); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want.String(), got.String()); diff != "" {
					t.Fatalf("seed %d, %s, %s (-whole +many):\n%.4000s", seed, format, name, diff)
				}
			}
		}
	}
}

// Names are printed while the findings are read.
func TestNamesAsTheyCome(t *testing.T) {
	const many = 20_000
	given := 0
	report := &Report{Head: &api.ChecklistReport{}, Each: func(yield func(api.Finding) bool) {
		given = 0
		for i := range many {
			given++
			f := api.Finding{Check: "privileged/host-path", Verdict: api.Fail, Severity: api.High, Subject: fact.Subject{Cluster: "prod", Kind: "Pod", Namespace: "shop", Name: fmt.Sprintf("w%05d", i)}}
			if !yield(f) {
				return
			}
		}
	}}
	printer, err := NewPrinter("name", Options{MinSeverity: api.Medium})
	if err != nil {
		t.Fatal(err)
	}
	first, lines := 0, 0
	err = Print(writerFunc(func(p []byte) (int, error) {
		if first == 0 {
			first = given
		}
		lines += bytes.Count(p, []byte("\n"))
		if bytes.Contains(p, []byte("prod")) {
			t.Error("the only cluster is named")
		}
		return len(p), nil
	}), printer, report)
	if err != nil || lines != many || first == 0 || first > many/2 {
		t.Errorf("%d lines, the first after %d findings: %v", lines, first, err)
	}
}

type writerFunc func([]byte) (int, error)

func (w writerFunc) Write(p []byte) (int, error) { return w(p) }
