package checks

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// fillAll sets every field of a value to a value that no other field has.
func fillAll(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprint("text", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fillAll(v.Index(0), n)
		fillAll(v.Index(1), n)
	case reflect.Struct:
		for i := range v.NumField() {
			fillAll(v.Field(i), n)
		}
	case reflect.Pointer:
		if v.Type() == reflect.TypeFor[*api.Patch]() {
			break // it is made after records were read back
		}
		v.Set(reflect.New(v.Type().Elem()))
		fillAll(v.Elem(), n)
	default:
		panic("a finding has a field of kind " + v.Kind().String())
	}
}

func readRecords(t *testing.T, r *records) (out []api.Finding) {
	t.Helper()
	if err := r.each(func(f api.Finding) bool { out = append(out, f); return true }); err != nil {
		t.Fatal(err)
	}
	return out
}

// A record has every field of a finding.
func TestARecordIsTheFinding(t *testing.T) {
	var f api.Finding
	n := 0
	fillAll(reflect.ValueOf(&f).Elem(), &n)
	f.Check, f.Question = "privileged/a", api.Privileged // the question is made from the check
	r := newRecords(nil)
	r.add(&f, nil, nil)
	r.add(&api.Finding{}, nil, nil)
	if diff := cmp.Diff([]api.Finding{{}, f}, readRecords(t, r)); diff != "" {
		t.Errorf("findings (-added +read):\n%s", diff)
	}
}

// Records are in the order of a report.
func TestRecordsAreInTheOrderOfAReport(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 14))
	for range 200 {
		r := newRecords(nil)
		var want []api.Finding
		for _, f := range randomFindings(random) {
			f.Check, f.Question = "secrets/a", api.Secrets
			if len(f.Evidence) == 0 {
				f.Evidence = nil
			}
			want = append(want, f)
			r.add(&f, nil, nil)
		}
		SortFindings(want)
		if diff := cmp.Diff(want, readRecords(t, r)); diff != "" {
			t.Fatalf("findings (-sorted +read):\n%s", diff)
		}
	}
}

// A finding that is added as that of another subject names the other, and its origin.
func TestAFindingOfAnother(t *testing.T) {
	f := api.Finding{
		Check: "privileged/a", Question: api.Privileged, Verdict: api.Fail,
		Subject: fact.Subject{Kind: "Pod", Namespace: "x", Name: "y", Container: "app"},
		Evidence: []api.Evidence{
			{Source: "o spec.hostPID", Value: "true"}, {Source: "other spec", Value: "o"}, {Source: "o", Value: "it is the whole source"},
		},
	}
	r := newRecords(nil)
	r.add(&f, nil, &renamed{&fact.Subject{Kind: "Pod", Namespace: "shop", Name: "web", File: "a.yaml"}, "o", "a.yaml pod/shop/web"})
	want := f
	want.Subject = fact.Subject{Kind: "Pod", Namespace: "shop", Name: "web", Container: "app", File: "a.yaml"}
	want.Evidence = slices.Clone(f.Evidence)
	want.Evidence[0].Source = "a.yaml pod/shop/web spec.hostPID"
	if diff := cmp.Diff([]api.Finding{want}, readRecords(t, r)); diff != "" {
		t.Errorf("findings (-want +read):\n%s", diff)
	}
}

// Bytes that are no finding are an error, and cost no more than their length.
func FuzzFindingOf(f *testing.F) {
	var whole api.Finding
	n := 0
	fillAll(reflect.ValueOf(&whole).Elem(), &n)
	f.Add(appendFinding(nil, &whole, nil))
	f.Add(appendFinding(nil, &api.Finding{}, nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := findingOf(data, kind{check: "privileged/a"})
		if err != nil {
			return
		}
		if again, err := findingOf(appendFinding(nil, &got, nil), kind{check: "privileged/a"}); err != nil || !reflect.DeepEqual(got, again) {
			t.Errorf("%v: read %+v, and then %+v", err, got, again)
		}
		compareSubjects(data, data[:len(data)/2])
	})
}

// A batch that many times has the same spec is judged once for all of them.
func TestEqualSpecsAreJudgedOnce(t *testing.T) {
	judged := 0
	check := Check{ID: "privileged/a", Severity: api.High, Basis: api.Declared, Scope: ScopeWorkload, Judge: func(v *View) []api.Finding {
		var out []api.Finding
		for _, d := range DeclaredContainers(v) {
			judged++
			out = append(out, api.Finding{Verdict: api.Fail, Subject: d.Subject(), Message: "bad", Evidence: []api.Evidence{{Source: d.Field("image"), Value: d.Container.Image}}})
		}
		return out
	}}
	named := check
	named.ID = "privileged/b"
	named.Judge = func(v *View) []api.Finding {
		var out []api.Finding
		for _, d := range DeclaredContainers(v) {
			judged++
			out = append(out, api.Finding{Verdict: api.Fail, Subject: d.Subject(), Message: "bad is " + d.Workload.Owner.Name, Evidence: evidence("e")})
		}
		return out
	}
	for _, tc := range []struct {
		name  string
		check Check
		least int
		most  int
	}{{"what names no workload", check, 2, 2}, {"what names the workload", named, 1000, 1001}} {
		t.Run(tc.name, func(t *testing.T) {
			judged = 0
			set := &fact.Set{PodScope: fact.PodsSome}
			stream := NewStream(planOf(tc.check), set, StreamOptions{})
			for i := range 1000 {
				w := fact.Workload{
					Owner: fact.Subject{Kind: "Pod", Namespace: fmt.Sprint("n", i%7), Name: fmt.Sprint("p", i)},
					Spec:  fact.PodSpec{Origin: fmt.Sprintf("pod/n%d/p%d", i%7, i), Path: "spec", Containers: []fact.Container{{Name: "app", Field: "spec.containers[0]", Image: "a:1"}}},
				}
				set.Workloads = append(set.Workloads, w)
				stream.Add([]fact.Workload{w})
			}
			judgement := stream.Finish(set)
			if judged < tc.least || judged > tc.most {
				t.Errorf("judged %d times", judged)
			}
			want := JudgeSet(planOf(tc.check), set)
			got := judgement.Result
			got.Findings = slices.Collect(judgement.All())
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-judge +stream):\n%.3000s", diff)
			}
		})
	}
}

// What a workload costs whose spec was judged before: no allocation that stays.
func TestAllocationsOfARepeatedSpec(t *testing.T) {
	check := Check{ID: "privileged/a", Severity: api.High, Basis: api.Declared, Scope: ScopeWorkload, Judge: func(v *View) []api.Finding {
		var out []api.Finding
		for _, d := range DeclaredContainers(v) {
			out = append(out, api.Finding{Verdict: api.Fail, Subject: d.Subject(), Message: "bad", Evidence: []api.Evidence{{Source: d.Field("image"), Value: d.Container.Image}}})
		}
		return out
	}}
	stream := NewStream(planOf(check), &fact.Set{PodScope: fact.PodsSome}, StreamOptions{})
	w := []fact.Workload{{
		Owner: fact.Subject{Kind: "Pod", Namespace: "shop", Name: "web"},
		Spec:  fact.PodSpec{Origin: "pod/shop/web", Path: "spec", Containers: []fact.Container{{Name: "app", Field: "spec.containers[0]", Image: "a:1"}}},
	}}
	stream.Add(w)
	if got := testing.AllocsPerRun(1000, func() { stream.Add(w) }); got > 2 {
		t.Errorf("%.1f allocations", got)
	}
}

// A batch ends at what its workloads weigh.
func TestBatchesEndAtAWeight(t *testing.T) {
	most := 0
	check := Check{ID: "privileged/a", Severity: api.High, Basis: api.Declared, Scope: ScopeWorkload, Judge: func(v *View) []api.Finding {
		most = max(most, len(v.Workloads))
		return nil
	}}
	for name, tc := range map[string]struct {
		together   bool
		containers int
		want       int
	}{
		"usual pods":             {false, 2, batchSize},
		"large pods":             {false, 1000, 3},
		"usual pods of owners":   {true, 2, togetherSize},
		"large pods of an owner": {true, 1000, 9},
	} {
		t.Run(name, func(t *testing.T) {
			most = 0
			stream := NewStream(planOf(check), &fact.Set{PodScope: fact.PodsSome}, StreamOptions{Together: tc.together})
			for i := range 3 * tc.want {
				// All are different, so that each is judged.
				stream.Add([]fact.Workload{{
					Owner: fact.Subject{Kind: "Pod", Namespace: "shop", Name: fmt.Sprint("web-", i)},
					Spec:  fact.PodSpec{Origin: "pod/shop/web", Path: "spec", RuntimeClass: fmt.Sprint(i), Containers: make([]fact.Container, tc.containers)},
				}})
			}
			stream.Finish(&fact.Set{PodScope: fact.PodsSome})
			if most != tc.want {
				t.Errorf("want batches of %d, got %d", tc.want, most)
			}
		})
	}
}
