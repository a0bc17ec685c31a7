// Package prometheus prints a report as metrics in the text format of Prometheus, for the textfile
// collector or a Pushgateway. There are no timestamps, because both refuse them. No label names a
// node, a namespace or a subject. The metrics count every finding, also those that --severity hides.
package prometheus

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// Format is the entry of the list of formats.
func Format() report.Format {
	return report.Format{Name: "prometheus", New: func(string, report.Options) (report.Printer, error) { return printer{}, nil }}
}

type printer struct{}

// Print reads the findings once. It holds counts, not findings.
func (p printer) Print(out io.Writer, r *report.Report) error {
	for _, f := range families(r) {
		if err := f.write(out); err != nil {
			return err
		}
	}
	return nil
}

// family is one gauge: its value for each set of labels.
type family struct {
	name, help string
	series     map[string]float64
}

func newFamily(name, help string) *family {
	return &family{"kubectl_checklist_" + name, help, map[string]float64{}}
}

// labels writes pairs of a name and a value: {name="value",...}.
func labels(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
		fmt.Fprintf(&b, `%s="%s"`, pairs[i], value(pairs[i+1]))
	}
	if len(pairs) > 0 {
		b.WriteByte('}')
	}
	return b.String()
}

// mostValue bounds a label's value in bytes. A file can hold any text.
const mostValue = 200

var inValue = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func value(text string) string { return inValue.Replace(escape.Short(text, mostValue)) }

func (f *family) add(n int, pairs ...string) { f.series[labels(pairs...)] += float64(n) }

// answer sets one of three series to 1 and the others to 0. Any other word is unknown.
func (f *family) answer(word api.AnswerWord, pairs ...string) {
	if word != api.Yes && word != api.No {
		word = api.Unknown
	}
	for _, w := range []api.AnswerWord{api.Yes, api.No, api.Unknown} {
		key := labels(append(slices.Clone(pairs), "answer", string(w))...)
		n := 0.0
		if w == word {
			n = 1
		}
		f.series[key] = max(f.series[key], n)
	}
}

func (f *family) write(out io.Writer) error {
	if len(f.series) == 0 {
		return nil
	}
	if _, err := fmt.Fprintf(out, "# HELP %s %s\n# TYPE %s gauge\n", f.name, f.help, f.name); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(f.series)) {
		n := strconv.FormatFloat(f.series[key], 'f', -1, 64)
		if _, err := fmt.Fprintf(out, "%s%s %s\n", f.name, key, n); err != nil {
			return err
		}
	}
	return nil
}

var verdicts = []api.Verdict{api.Fail, api.VerdictUnknown, api.Accepted, api.Pass}

func families(r *report.Report) []*family {
	head := r.Head
	answers := newFamily("answer", "1 for the answer to a question, 0 for the other answers.")
	parts := newFamily("part_answer", "1 for the answer to a part of a question, 0 for the other answers.")
	subjects := newFamily("subjects", "Subjects of a part of a question, by whether they were measured.")
	for _, a := range head.Answers {
		question := string(a.Question)
		answers.answer(a.Answer, "question", question)
		for _, p := range a.Parts {
			parts.answer(p.Answer, "question", question, "part", p.Part)
			of := func(state string, n int) { subjects.add(n, "question", question, "part", p.Part, "state", state) }
			of("measured", p.Measured)
			of("unmeasured", p.InScope-p.Measured)
			of("not_running", p.NotRunning)
		}
	}
	nodes := newFamily("nodes", "Nodes in scope, by whether they were measured.")
	nodes.add(head.Cluster.MeasuredNodes, "state", "measured")
	nodes.add(head.Cluster.Nodes-head.Cluster.MeasuredNodes, "state", "unmeasured")
	scope := newFamily("scope_partial", "1 if the run looked at only a part: of the cluster, the checks or the questions.")
	scope.add(map[bool]int{true: 1}[partial(&head.Spec)])
	gaps := newFamily("gaps", "What could not be read, by reason.")
	for i := range head.Gaps {
		gaps.add(1, "reason", string(head.Gaps[i].Reason))
	}
	at := newFamily("collected_timestamp_seconds", "When the facts were collected, in seconds since 1970.")
	if !head.CreationTimestamp.IsZero() {
		at.series[""] = float64(head.CreationTimestamp.Unix())
	}
	build := newFamily("build_info", "The versions of the program and of its checks.")
	build.add(1, "version", cmp.Or(head.Spec.Version, "unknown"), "catalogue_version", cmp.Or(head.Spec.CatalogueVersion, "unknown"))
	return []*family{answers, parts, findings(r), subjects, nodes, scope, gaps, at, build}
}

// partial reports whether the user asked for less than everything. What could not be measured, or
// was not because there are no probes, does not count: answers and nodes say that.
func partial(spec *api.ReportSpec) bool {
	return spec.Scope.Narrowed != "" || len(spec.Scope.Checks) > 0 || spec.Command != "checklist"
}

// findings counts them. A check that ran has a series for each verdict, so that one that falls to
// zero does not vanish.
func findings(r *report.Report) *family {
	type kind struct {
		question, check string
		severity        api.Severity
		verdict         api.Verdict
	}
	counts := map[kind]int{}
	for _, c := range r.Head.Checks {
		question, _, _ := strings.Cut(c.Check, "/")
		for _, v := range verdicts {
			counts[kind{question, c.Check, c.Severity, v}] = 0
		}
	}
	for f := range r.Each {
		counts[kind{string(f.Question), f.Check, f.Severity, f.Verdict}]++
	}
	out := newFamily("findings", "Findings, by check, severity and verdict.")
	for k, n := range counts {
		out.add(n, "question", k.question, "check", k.check, "severity", string(k.severity), "verdict", string(k.verdict))
	}
	return out
}
