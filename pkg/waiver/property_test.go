package waiver_test

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/waiver"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/waiver/waiverfile"
)

// 10,000 seeds take two minutes of one core.
var seedCount = flag.Int("seeds", 1000, "how many random clusters TestWaiversCoverOnlyWhatWasAccepted judges")

const cluster = "6f1e0c3a-0000-4000-8000-000000000001"

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// key identifies what a waiver can tell apart, and its node and file.
func key(check string, s *fact.Subject) string { return check + " " + s.Key() }

// drafted judges facts, and gives the draft of each failing finding.
func drafted(set *fact.Set) (checks.Result, []waiver.Draft) {
	plan := catalogue.Whole()
	plan.Drafts = &waiver.Drafts{}
	return checks.JudgeSet(plan, set), plan.Drafts.All()
}

// glob makes some texts globs.
func glob(r *rand.Rand, text string) string {
	if text == "" {
		return ""
	}
	switch r.IntN(6) {
	case 0:
		return "*"
	case 1:
		return text[:r.IntN(len(text)+1)] + "*"
	case 2:
		return strings.Repeat("?", len(text))
	}
	return text
}

// waivers makes waivers of drafts. Some are for another subject, accept less, or have ended.
func waivers(r *rand.Rand, drafts []waiver.Draft, today time.Time) []waiver.Waiver {
	var list []waiver.Waiver
	for i := range drafts {
		d := &drafts[i]
		if r.IntN(8) == 0 {
			continue
		}
		w := waiver.Waiver{
			Line: 10 * (i + 1), Check: d.Check, Subject: d.Subject, Severity: d.Severity, Evidence: slices.Clone(d.Evidence),
			Reason: "a reason", AcceptedBy: "ann", Accepted: today.AddDate(0, 0, -r.IntN(100)),
		}
		w.Expires = w.Accepted.AddDate(0, 0, pick(r, 0, 30, 100, 366))
		if r.IntN(3) == 0 && !waiver.Aggregate(w.Subject.Kind) {
			w.Subject.Namespace, w.Subject.Name, w.Subject.Container = glob(r, w.Subject.Namespace), glob(r, w.Subject.Name), glob(r, w.Subject.Container)
		}
		switch r.IntN(12) {
		case 0:
			w.Severity = pick(r, api.Severities()...)
		case 1:
			w.Evidence = slices.Delete(w.Evidence, 0, 1)
		case 2:
			w.Evidence[0].Value += "x"
		case 3:
			w.Check = drafts[r.IntN(len(drafts))].Check
		}
		w.Cluster = pick(r, "", "", cluster, "another")
		list = append(list, w)
	}
	return list
}

// matches is a second implementation of globs.
func matches(pattern, text string) bool {
	var b strings.Builder
	for _, c := range []byte(pattern) {
		switch c {
		case '*':
			b.WriteString("(?s:.*)")
		case '?':
			b.WriteString("(?s:.)")
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	return (pattern == "") == (text == "") && regexp.MustCompile("^"+b.String()+"$").MatchString(text)
}

// allows is a second opinion on whether a waiver covers a finding: by its draft, which another
// run made of facts without waivers.
func allows(w *waiver.Waiver, d *waiver.Draft, today time.Time) bool {
	return w.Check == d.Check && w.Subject.Kind == d.Subject.Kind &&
		matches(w.Subject.Namespace, d.Subject.Namespace) && matches(w.Subject.Name, d.Subject.Name) && matches(w.Subject.Container, d.Subject.Container) &&
		(w.Cluster == "" || w.Cluster == cluster) &&
		!today.After(w.Expires) && // both are midnights
		w.Severity.Rank() >= d.Severity.Rank() &&
		!slices.ContainsFunc(d.Evidence, func(e waiver.Item) bool { return !slices.Contains(w.Evidence, e) })
}

// No waiver turns unknown into yes, touches another subject, or covers a worse finding.
func TestWaiversCoverOnlyWhatWasAccepted(t *testing.T) {
	seeds := *seedCount
	parts := runtime.GOMAXPROCS(0)
	type counts struct{ accepted, refused, grown, yes, open int }
	results := make([]counts, parts)
	t.Run("seeds", func(t *testing.T) {
		for part := range parts {
			t.Run(fmt.Sprint(part), func(t *testing.T) {
				t.Parallel()
				for seed := part; seed < seeds && !t.Failed(); seed += parts {
					n := &results[part]
					accepted, refused, grown, yes, open := property(t, uint64(seed))
					n.accepted, n.refused, n.grown, n.yes, n.open = n.accepted+accepted, n.refused+refused, n.grown+grown, n.yes+yes, n.open+open
				}
			})
		}
	})
	var all counts
	for _, n := range results {
		all.accepted, all.refused, all.grown, all.yes, all.open = all.accepted+n.accepted, all.refused+n.refused, all.grown+n.grown, all.yes+n.yes, all.open+n.open
	}
	t.Logf("%+v", all)
	if all.accepted < seeds/2 || all.refused < seeds || all.grown < seeds/10 || all.yes < seeds/20 || all.open < seeds/100 {
		t.Errorf("too little was tested: %+v", all)
	}
}

func property(t *testing.T, seed uint64) (accepted, refused, grown, yes, open int) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 15))
	set := facttest.Random(r)
	set.Cluster.UID = cluster
	today := set.CollectedAt.UTC().Truncate(24 * time.Hour)
	plain, drafts := drafted(set)
	from := drafts
	if other := facttest.Random(r); r.IntN(2) == 0 {
		// What was accepted of another cluster, with the same names.
		_, from = drafted(other)
	}
	list := waivers(r, from, today)
	plan := catalogue.Whole()
	plan.Waivers, plan.JudgedAt = waiver.New(list), today.Add(time.Duration(r.IntN(24*3600))*time.Second)
	got := checks.JudgeSet(plan, set)
	fail := func(format string, args ...any) { t.Errorf("seed %d: %s", seed, fmt.Sprintf(format, args...)) }

	draftOf := map[string]*waiver.Draft{}
	for i := range drafts {
		d := &drafts[i]
		draftOf[fmt.Sprint(d.Check, d.Subject)] = d
	}
	before := map[string]*api.Finding{}
	for i := range plain.Findings {
		before[key(plain.Findings[i].Check, &plain.Findings[i].Subject)] = &plain.Findings[i]
	}
	if len(before) != len(got.Findings) {
		fail("%d findings, with waivers %d", len(before), len(got.Findings))
	}
	verdicts := map[string]map[string]int{} // by check: findings that are open or fail
	for i := range got.Findings {
		f := &got.Findings[i]
		was := before[key(f.Check, &f.Subject)]
		if was == nil {
			fail("a new finding: %+v", f)
			continue
		}
		if verdicts[f.Check] == nil {
			verdicts[f.Check] = map[string]int{}
		}
		if f.Open() {
			verdicts[f.Check]["open"]++
		}
		if f.Verdict == api.Fail && f.Counted().Rank() >= api.Medium.Rank() {
			verdicts[f.Check]["fails"]++
		}
		if was.Verdict != api.Fail {
			if diff := cmp.Diff(was, f); diff != "" {
				fail("a finding that does not fail changed:\n%s", diff)
			}
			continue
		}
		d := draftOf[fmt.Sprint(f.Check, waiver.Subject{Kind: f.Subject.Kind, Namespace: f.Subject.Namespace, Name: f.Subject.Name, Container: f.Subject.Container})]
		if d != nil && f.Subject.Node+f.Subject.File != "" {
			// The draft is for files of this name on all nodes.
			own := *d
			own.Severity, own.Evidence = was.Severity, waiver.Items(was)
			d = &own
		}
		allowed := d != nil && slices.ContainsFunc(list, func(w waiver.Waiver) bool { return allows(&w, d, today) })
		switch {
		case f.Verdict == api.Accepted && !allowed:
			fail("%s is accepted, and no waiver allows it", key(f.Check, &f.Subject))
		case f.Verdict == api.Accepted:
			accepted++
			if f.Accepted == nil || f.Severity != was.Severity || !strings.HasPrefix(f.Message, was.Message) {
				fail("accepted and changed: %+v", f)
			}
			if f.Open() {
				open++
			}
		case f.Verdict != api.Fail || f.Accepted != nil || f.Severity != was.Severity || !strings.HasPrefix(f.Message, was.Message):
			fail("fails, and changed: %+v", f)
		case allowed:
			fail("%s fails, and a waiver allows it", key(f.Check, &f.Subject))
		default:
			refused++
			if strings.Contains(f.Message, "more than was accepted: ") {
				grown++
			}
		}
	}
	// A yes has nothing that fails or is open, and no gap: also none that a fail had hidden.
	for q := range got.Answers {
		a, p := &got.Answers[q], &plain.Answers[q]
		if p.Answer == api.Unknown && a.Answer != api.Unknown || p.Workloads == api.Unknown && a.Workloads != api.Unknown {
			fail("%s was %s (%s), and is %s (%s)", a.Question, p.Answer, p.Workloads, a.Answer, a.Workloads)
		}
		total := 0
		for k := range a.Parts {
			total += a.Parts[k].Accepted
			if p.Parts[k].Answer == api.Unknown && a.Parts[k].Answer != api.Unknown {
				fail("part %s was unknown, and is %s", a.Parts[k].Part, a.Parts[k].Answer)
			}
			if a.Parts[k].Answer != api.Yes || a.Parts[k].Accepted == 0 {
				continue
			}
			yes++
			for _, part := range plan.Parts {
				if part.Question != a.Question || part.Name != a.Parts[k].Part {
					continue
				}
				for _, id := range part.Checks {
					if n := verdicts[id]; n["open"]+n["fails"] > 0 {
						fail("part %s is yes, and %s has %v", part.Name, id, n)
					}
					for _, gap := range got.Gaps {
						if slices.Contains(gap.Affects, id) {
							fail("part %s is yes, and %s lacks %s of %s", part.Name, id, gap.What, gap.Subject.Key())
						}
					}
				}
			}
		}
		if a.Accepted != total {
			fail("%s counts %d accepted, its parts %d", a.Question, a.Accepted, total)
		}
	}
	if use := got.Waivers; len(list) > 0 && (use == nil || use.Waivers != len(list) || use.Used+len(use.Expired)+len(use.Unused) != len(list)) {
		fail("of %d waivers the report has %+v", len(list), use)
	}
	return accepted, refused, grown, yes, open
}

// What is drafted is read, once it has reasons, and then covers all of the run that drafted it.
func TestDraftsCoverWhatTheyWereMadeOf(t *testing.T) {
	covered := 0
	for seed := range uint64(500) {
		set := facttest.Random(rand.New(rand.NewPCG(seed, 3)))
		set.Cluster.UID = cluster
		now := set.CollectedAt.Time
		_, drafts := drafted(set)
		var file bytes.Buffer
		if err := waiverfile.Write(&file, drafts, cluster, now); err != nil {
			t.Fatal(err)
		}
		known := func(string) (bool, string) { return true, "" }
		if _, err := waiverfile.Read(file.Bytes(), known, now); (err == nil) != (len(drafts) == 0) {
			t.Fatalf("seed %d: drafts without reasons: %v", seed, err)
		}
		text := strings.NewReplacer(`reason: ""`, "reason: why", `acceptedBy: ""`, "acceptedBy: ann").Replace(file.String())
		list, err := waiverfile.Read([]byte(text), known, now)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		plan := catalogue.Whole()
		plan.Waivers = list
		got := checks.JudgeSet(plan, set)
		for i := range got.Findings {
			switch f := &got.Findings[i]; f.Verdict {
			case api.Fail:
				t.Errorf("seed %d: still fails: %s: %s", seed, key(f.Check, &f.Subject), f.Message)
			case api.Accepted:
				covered++
			}
		}
		if use := got.Waivers; use != nil && use.Used != list.Len() {
			t.Errorf("seed %d: %+v", seed, use)
		}
	}
	if covered < 1000 {
		t.Errorf("only %d findings were covered", covered)
	}
}
