package checks

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// randomFindings are findings of Secrets, listed, stored and neither, and of other
// subjects, some several times and in any order.
func randomFindings(random *rand.Rand) []api.Finding {
	pick := func(words ...string) string { return words[random.IntN(len(words))] }
	var findings []api.Finding
	for range random.IntN(40) {
		subject := fact.Subject{Kind: "Secret", Namespace: pick("shop", "kube-system"), Name: fmt.Sprintf("s%d", random.IntN(30))}
		if random.IntN(6) == 0 {
			subject = fact.Subject{Kind: pick("Cluster", "Node", "Zone"), Name: pick("", "n1")}
		}
		findings = append(findings, api.Finding{
			Verdict:  api.Verdict(pick("pass", "fail", "unknown", "strange")),
			Severity: api.Severity(pick("", "low", "high")),
			Basis:    api.Basis(pick("", "declared", "measured")),
			Reason:   fact.Reason(pick("", "Timeout", "Corrupt")),
			Subject:  subject,
			Message:  pick("one", "two", "three"),
			Evidence: evidence(pick("e1", "e2"))[:random.IntN(2)],
		})
	}
	if random.IntN(2) == 0 {
		slices.SortStableFunc(findings, func(a, b api.Finding) int { return a.Subject.Compare(&b.Subject) })
	}
	return findings
}

// A check with Each gives the same report as one with Judge.
func TestEachGivesWhatJudgeGives(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 12))
	made, kept, several := 0, 0, 0
	for range 500 {
		set := &fact.Set{PodScope: fact.PodsAll, SecretsListed: true, Nodes: []fact.Node{{Name: "n1"}}}
		var stored []fact.StoredSecret
		for i := range 30 {
			if random.IntN(2) == 0 {
				set.Secrets = append(set.Secrets, fact.SecretName{Namespace: "shop", Name: fmt.Sprintf("s%d", i), ResourceVersion: "7"})
			}
			if random.IntN(2) == 0 {
				stored = append(stored, fact.StoredSecret{Namespace: "shop", Name: fmt.Sprintf("s%d", i), Revision: 7, Class: fact.ClassAESCBC})
			}
		}
		if random.IntN(2) == 0 {
			set.Snapshot = &fact.EtcdDB{Path: "db", Prefix: "/registry", Complete: true, Secrets: stored, Total: len(stored)}
		}
		for _, name := range []string{"s1", "s2", "elsewhere"} {
			if random.IntN(3) == 0 {
				set.Gaps = append(set.Gaps, fact.Gap{What: fact.Pods, Subject: fact.Subject{Kind: "Secret", Namespace: "shop", Name: name}, Reason: fact.Forbidden})
			}
		}
		first, second := randomFindings(random), randomFindings(random)
		of := func(id string, findings []api.Finding) Check {
			return Check{
				ID: id, Severity: api.High, Basis: api.Measured, Scope: ScopeSecret, Needs: []fact.Kind{fact.Pods},
				Judge: func(*View) []api.Finding { return slices.Clone(findings) },
			}
		}
		one, two, three := of("secrets/a", first), of("secrets/b", second), of("hosts/c", randomFindings(random))
		want := JudgeSet(planOf(one, two, three), set)
		for _, c := range []*Check{&one, &two} {
			judge := c.Judge
			c.Judge, c.Each = nil, func(v *View) iter.Seq[api.Finding] { return slices.Values(judge(v)) }
		}
		judgement := Judge(planOf(one, two, three), set)
		got := judgement.Result
		got.Findings = slices.Collect(judgement.All())
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("with Judge and with Each (-Judge +Each):\n%s", diff)
		}
		if diff := cmp.Diff(want.Findings, slices.Collect(judgement.All())); diff != "" {
			t.Fatalf("the second time (-first +second):\n%s", diff)
		}
		for range judgement.All() {
			break // nothing is left behind
		}
		sorted := slices.Clone(want.Findings)
		SortFindings(sorted)
		if diff := cmp.Diff(sorted, want.Findings); diff != "" {
			t.Fatalf("not in the order of SortFindings (-sorted +found):\n%s", diff)
		}
		for _, e := range judgement.ledger.entries {
			if judgement.ledger.classes[e.class].again {
				made++
			} else if e.check < 2 {
				kept++
			}
		}
		several += len(first) + len(second)
	}
	// Without this the test could compare nothing.
	if made < 1000 || kept < 1000 || several < made+kept {
		t.Errorf("%d findings were made again, %d were kept, of %d", made, kept, several)
	}
}

// The findings of a check with Each in the order of its subjects are not in memory.
func TestEachKeepsNothing(t *testing.T) {
	set := &fact.Set{}
	for i := range 1000 {
		set.Secrets = append(set.Secrets, fact.SecretName{Namespace: "shop", Name: fmt.Sprintf("s%04d", i)})
	}
	check := Check{
		ID: "secrets/a", Severity: api.High, Basis: api.Measured, Scope: ScopeSecret,
		Each: func(v *View) iter.Seq[api.Finding] {
			return func(yield func(api.Finding) bool) {
				for i, s := range v.Secrets {
					verdict := []api.Verdict{api.Pass, api.Fail, api.VerdictUnknown}[i%3]
					if !yield(api.Finding{Verdict: verdict, Subject: fact.Subject{Kind: "Secret", Namespace: s.Namespace, Name: s.Name}, Evidence: evidence(s.Name)}) {
						return
					}
				}
			}
		},
	}
	judgement := Judge(planOf(check), set)
	if n, kept := len(judgement.ledger.entries), len(judgement.ledger.kept); n != 1000 || kept != 0 {
		t.Errorf("%d findings, of which %d are kept; want 1000 and none", n, kept)
	}
	if n := len(judgement.ledger.subjects.others); n != 0 {
		t.Errorf("%d subjects are kept besides the names of Secrets", n)
	}
}

func TestRanks(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		set := &fact.Set{}
		for i := range random.IntN(5) {
			set.Secrets = append(set.Secrets, fact.SecretName{Namespace: "shop", Name: fmt.Sprint(i)})
		}
		r := newRoster(NewView(set))
		for range random.IntN(6) {
			r.number(&fact.Subject{Kind: []string{"Node", "Secret", "Zone"}[random.IntN(3)], Namespace: "shop", Name: fmt.Sprint(random.IntN(8))})
		}
		ranks := r.ranks()
		of := make([]fact.Subject, r.size())
		for number, rank := range ranks {
			of[rank] = r.subject(number)
			if again, known := r.find(&of[rank]); !known || again != number {
				t.Fatalf("%v has the number %d, and then %d", of[rank], number, again)
			}
		}
		if !slices.IsSortedFunc(of, func(a, b fact.Subject) int { return a.Compare(&b) }) {
			t.Fatalf("not sorted: %v", of)
		}
	}
}
