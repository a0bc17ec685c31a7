package report

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/screen"
)

// text is a few random words: names that are long, ideographs, accents, digits,
// and what a hostile node would send.
func text(r *rand.Rand, most int) string {
	words := []string{
		"a", "runs", "kernel", "6.8.0-45-generic", "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/1234/fs/tmp/x", "日本語",
		"e\u0301e\u0301", "\x1b[31mred", "\u202egnp.exe", "\u200b", "pending:", "which", "added;", strings.Repeat("x", 90), "👩‍👩‍👧", "two\nlines",
	}
	var out []string
	for range 1 + r.IntN(most) {
		out = append(out, words[r.IntN(len(words))])
	}
	return strings.Join(out, " ")
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// randomReport returns a report of any size with any texts. Its answers follow from its
// findings.
func randomReport(r *rand.Rand) *api.ChecklistReport {
	report := &api.ChecklistReport{
		Spec: api.ReportSpec{Command: pick(r, "checklist", "pods", "nodes", "secrets")},
		Cluster: api.ReportCluster{
			Server: pick(r, "", "https://prod-eu:6443", "https://"+strings.Repeat("a", 100)+":6443"), Version: pick(r, "", "v1.37.2"),
			Nodes: r.IntN(3) * r.IntN(1000), Pods: r.IntN(2) * r.IntN(100_000),
		},
	}
	subject := func() fact.Subject {
		s := fact.Subject{
			Kind: pick(r, "Pod", "DaemonSet", "Secret", "NetworkPolicy", "Node", "Cluster", "Container"),
			Name: pick(r, "web", "w1", fmt.Sprint("n", r.IntN(50)), strings.Repeat("long-name-", 1+r.IntN(20))),
		}
		switch s.Kind {
		case "Cluster":
			s.Name = ""
		case "Container":
			s.Node = "w1"
		case "Node":
		default:
			s.Namespace = pick(r, "shop", "kube-system", strings.Repeat("team-", 12))
			s.Platform = s.Namespace == "kube-system"
			s.Container = pick(r, "", "app", "istio-proxy", text(r, 2))
			s.PodCount = r.IntN(3)
		}
		return s
	}
	for range r.IntN(60) {
		check := catalogue.All()[r.IntN(len(catalogue.All()))]
		f := api.Finding{
			Check: check.ID, Question: check.Question(), Severity: pick(r, api.Severities()...), Basis: pick(r, api.Measured, api.Declared),
			Verdict: pick(r, api.Fail, api.Fail, api.Fail, api.VerdictUnknown, api.Pass, api.Accepted), Subject: subject(),
			Message: pick(r, "privileged", "stored in etcd as plaintext", "3 security updates pending: bash", text(r, 12)), Remediation: api.Remediation{Text: check.Remediation},
			FromGap: r.IntN(6) == 0,
		}
		for range r.IntN(4) {
			f.Evidence = append(f.Evidence, api.Evidence{Source: pick(r, "node/w1 /proc/1/exe", "pod/shop/web spec.containers[0].image", text(r, 4)), Value: pick(r, "", "v", text(r, 9))})
		}
		report.Findings = append(report.Findings, f)
	}
	checks.SortFindings(report.Findings)
	for _, info := range checks.Questions() {
		if r.IntN(8) == 0 {
			continue
		}
		a := api.Answer{
			Question: info.Question, Number: info.Number, Text: info.Text, Answer: pick(r, api.Yes, api.Unknown), Workloads: pick(r, api.Yes, api.NotApplicable, api.Unknown),
			Coverage: api.Coverage{Measured: r.IntN(100_000), InScope: r.IntN(100_000)}, Unknowns: r.IntN(2000), Failing: map[api.Severity]int{api.Low: r.IntN(100_000)},
			Reason: text(r, 8), WorkloadsReason: pick(r, "", text(r, 8)),
			Parts: []api.PartAnswer{{Part: pick(r, "flag", "capabilities"), Answer: api.No, Workloads: api.Unknown, WorkloadsReason: text(r, 9)}},
		}
		for _, f := range report.Findings {
			if f.Question == a.Question && f.Verdict == api.Fail && f.Severity.Rank() >= api.Medium.Rank() {
				a.Answer = api.No
			}
		}
		report.Answers = append(report.Answers, a)
	}
	for range r.IntN(30) {
		report.Gaps = append(report.Gaps, fact.Gap{
			What: fact.Kernel, Subject: subject(), Reason: fact.NotReady, Detail: pick(r, "", "down", text(r, 9)),
			Hint: pick(r, "", "kubectl describe node w1"), Affects: []string{pick(r, catalogue.All()...).ID, "hosts/x"},
		})
	}
	for i := range r.IntN(4) * r.IntN(4) {
		report.Nodes = append(report.Nodes, api.ReportNode{
			Name: fmt.Sprint(pick(r, "w", strings.Repeat("ip-10-0-12-", 5)), i), OS: text(r, 4), Kernel: pick(r, "", "6.8.0-45-generic"),
			Updates: pick(r, nil, &api.NodeUpdates{Security: r.IntN(200), Held: r.IntN(3), IndexDays: pick(r, nil, new(int))}),
			Answers: []api.NodeAnswer{{Question: api.Builds, Answer: api.Unknown}, {Question: api.Drift, Answer: api.Yes}},
		})
	}
	return report
}

// No line is wider than the screen, at any width, except for a word of a command or of a
// remedy: users copy these, so such a word is not cut. Nothing is lost silently. Every shown
// finding is in a row. The rows of a summary and the count of left-out rows together are all
// rows. Every NO has a row.
func TestRandomReports(t *testing.T) {
	seeds := 300
	if testing.Short() {
		seeds = 100
	}
	left, forced := 0, 0
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 9))
		report := randomReport(r)
		opts := Options{
			Summary: r.IntN(2) == 0, Width: 40 + r.IntN(211), Color: false, NoHeaders: r.IntN(5) == 0, ShowPasses: r.IntN(2) == 0,
			MinSeverity: pick(r, "", "", "", api.High), Wide: "kubectl checklist -o wide",
		}
		output := pick(r, "table", "table", "wide")
		got := printed(t, output, opts, report)
		next := false
		for _, line := range strings.Split(got, "\n") {
			next = next || strings.HasPrefix(line, "Next: ")
			word := next && !strings.Contains(strings.TrimLeft(line, " "), " ") // of a remedy
			if w := screen.Width(line); w > opts.Width && !word || strings.ContainsAny(line, "\x1b\u202e\u200b") {
				t.Fatalf("seed %d: -o %s, %+v: a line of %d columns: %q\n%s", seed, output, opts, w, line, got)
			}
			if strings.HasSuffix(line, " ") {
				t.Fatalf("seed %d: a line ends with a space: %q", seed, line)
			}
		}
		if piped := printed(t, output, Options{Summary: opts.Summary, ShowPasses: opts.ShowPasses, Wide: "kubectl checklist -o wide"}, report); strings.Contains(piped, "\n\n\n") {
			t.Fatalf("seed %d: two empty lines:\n%s", seed, piped)
		}

		p := tablePrinter{opts: opts, wide: output == "wide"}
		var shown []api.Finding
		for _, f := range Visible(report, opts.MinSeverity).Findings {
			if p.shows(&f) {
				shown = append(shown, f)
			}
		}
		list := statements(shown)
		if n := len(slices.Concat(checksOf(list)...)); n != len(shown) {
			t.Fatalf("seed %d: statements say %d of %d findings", seed, n, len(shown))
		}
		inRows := 0
		for _, one := range byMessage(list) {
			inRows += len(one.findings)
		}
		if inRows != len(list) {
			t.Fatalf("seed %d: rows by message say %d of %d statements", seed, inRows, len(list))
		}
		all := bySubject(list)
		objects := map[string]bool{}
		for i := range shown {
			objects[object(shown[i].Subject).Key()] = true
		}
		named := 0
		for _, one := range all {
			named += len(one.subjects.objects)
		}
		if named != len(objects) {
			t.Fatalf("seed %d: rows by subject name %d of %d subjects", seed, named, len(objects))
		}
		rows, more := summarize(list, report.Answers, summaryRows)
		kept := 0
		for _, one := range all {
			if slices.ContainsFunc(rows, func(o *row) bool { return o == one || drawn(o) == drawn(one) }) {
				kept++
			}
		}
		if kept+more < len(all) {
			t.Fatalf("seed %d: %d rows kept and %d more, of %d", seed, kept, more, len(all))
		}
		if opts.Summary && output == "table" {
			if said := strings.Contains(strings.Join(strings.Fields(got), " "), fmt.Sprintf("... and %d more: kubectl checklist", more)); more > 0 && !said {
				t.Fatalf("seed %d: %d rows are left out without a word:\n%s", seed, more, got)
			}
		}
		left += more
		forced += max(0, len(rows)-summaryRows)
		for _, a := range report.Answers {
			refuted := slices.ContainsFunc(shown, func(f api.Finding) bool {
				return f.Question == a.Question && f.Verdict == api.Fail && f.Severity.Rank() >= api.Medium.Rank()
			})
			has := slices.ContainsFunc(rows, func(r *row) bool { return r.refutes() && r.questions()[a.Question] })
			if refuted && !has {
				t.Fatalf("seed %d: %s is no, and has no row", seed, a.Question)
			}
		}
	}
	if left < seeds || forced < seeds/20 {
		t.Errorf("%d rows left out, %d more than a summary has: too few to show anything", left, forced)
	}
}

func checksOf(list []*statement) [][]string {
	var out [][]string
	for _, s := range list {
		out = append(out, s.checks)
	}
	return out
}
