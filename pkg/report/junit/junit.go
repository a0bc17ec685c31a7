// Package junit prints a report as JUnit XML, for the test views of GitLab, Jenkins and others. Each
// finding that does not pass is a test case; the passes of a check are one case together. A fail is
// a failure, an unknown an error, an accepted fail is skipped.
package junit

import (
	"crypto/sha256"
	"fmt"
	"io"
	"strings"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// Bounds of one case, in bytes.
const (
	mostName     = 400
	mostText     = 600
	mostEvidence = 5
)

// Bounds of a file. GitLab takes 30 MB and 250,000 elements; a case is at most two elements. What
// does not fit is counted, by check and verdict, each count in a case of its own. A report from a
// file can have any number of checks: beyond mostChecks, their counts are joined.
const (
	mostBytes   = 27_000_000
	mostCases   = 120_000
	mostChecks  = 1000
	mostAnswers = 500 // answers and parts
)

// Format is the entry of the list of formats.
func Format() report.Format {
	return report.Format{Name: "junit", New: func(_ string, opts report.Options) (report.Printer, error) { return newPrinter(opts), nil }}
}

type printer struct {
	opts                 report.Options
	mostBytes, mostCases int
}

func newPrinter(opts report.Options) printer { return printer{opts, mostBytes, mostCases} }

// counts are what the head of the file says before any case.
type counts struct {
	failures, errors, skipped, hidden, passes int
	passesOf                                  map[string]int
	order                                     []api.Finding // the first pass of each check
	fits                                      int           // so many cases of findings are printed
	left                                      map[leftKey]int
	leftOrder                                 []leftKey
	leftOf                                    map[api.Verdict]int
}

// leftKey is what one case counts that stands for cases beyond the bounds.
type leftKey struct {
	question api.Question
	check    string
	verdict  api.Verdict
}

func (c *counts) tests() int { return c.failures + c.errors + c.skipped + len(c.order) }

// leave counts a finding that does not fit.
func (c *counts) leave(f *api.Finding) (first bool) {
	key := leftKey{f.Question, f.Check, f.Verdict.OrUnknown()}
	if c.left[key] == 0 && len(c.left) >= mostChecks {
		key.question, key.check = "other", "other-checks"
	}
	if first = c.left[key] == 0; first {
		c.leftOrder = append(c.leftOrder, key)
	}
	c.left[key]++
	c.leftOf[key.verdict]++
	return first
}

func (p printer) count(r *report.Report, parts map[string]string) *counts {
	c := &counts{passesOf: map[string]int{}, left: map[leftKey]int{}, leftOf: map[api.Verdict]int{}}
	var size counter
	names := seen{}
	for f := range r.Each {
		if f.Verdict != api.Pass && !report.Hides(&f, p.opts.MinSeverity) {
			// What fits is found by writing it. Findings are the worst first.
			if int(size) <= p.mostBytes && c.fits < p.mostCases {
				_ = p.testcase(&size, &f, parts[f.Check], names) // a counter takes everything
			}
			if int(size) > p.mostBytes || c.fits >= p.mostCases {
				if !c.leave(&f) {
					continue // the case of the first one counts it
				}
			} else {
				c.fits++
			}
		}
		switch {
		case report.Hides(&f, p.opts.MinSeverity):
			c.hidden++
		case f.Verdict == api.Fail:
			c.failures++
		case f.Verdict == api.Pass:
			if c.passesOf[f.Check] == 0 {
				c.order = append(c.order, api.Finding{Check: f.Check, Question: f.Question})
			}
			c.passesOf[f.Check]++
			c.passes++
		case f.Verdict == api.Accepted, p.opts.AllowUnknown:
			c.skipped++
		default:
			c.errors++
		}
	}
	return c
}

// counter is a writer that only counts bytes.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// Print reads the findings twice: first it counts those that fit. It holds the hashes of names, not
// findings.
func (p printer) Print(out io.Writer, r *report.Report) error {
	parts := report.PartsOf(r.Head, ", ")
	c := p.count(r, parts)
	if err := head(out, r.Head, c); err != nil {
		return err
	}
	names, printed := seen{}, 0
	for f := range r.Each {
		if printed == c.fits {
			break
		}
		if f.Verdict == api.Pass || report.Hides(&f, p.opts.MinSeverity) {
			continue
		}
		if err := p.testcase(out, &f, parts[f.Check], names); err != nil {
			return err
		}
		printed++
	}
	for _, key := range c.leftOrder {
		if err := p.leftOut(out, key, c.left[key], names); err != nil {
			return err
		}
	}
	for i := range c.order {
		f := &c.order[i]
		class := classname(f)
		_, err := fmt.Fprintf(out, "    <testcase classname=\"%s\" name=\"%s\"><system-out>%d pass</system-out></testcase>\n",
			class, names.unique(class, "passes", f), c.passesOf[f.Check])
		if err != nil {
			return err
		}
	}
	_, err := io.WriteString(out, "  </testsuite>\n</testsuites>\n")
	return err
}

func head(out io.Writer, h *api.ChecklistReport, c *counts) error {
	sums := fmt.Sprintf(`tests="%d" failures="%d" errors="%d" skipped="%d"`, c.tests(), c.failures, c.errors, c.skipped)
	at := ""
	if t := h.CreationTimestamp; !t.IsZero() {
		at = t.UTC().Format(` timestamp="2006-01-02T15:04:05Z"`)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"checklist\" %s>\n  <testsuite name=\"checklist\"%s %s>\n    <properties>\n", sums, at, sums)
	property := func(name, value string) {
		fmt.Fprintf(&b, "      <property name=\"%s\" value=\"%s\"/>\n", text(name, mostName), text(value, mostText))
	}
	property("version", h.Spec.Version)
	property("catalogueVersion", h.Spec.CatalogueVersion)
	property("cluster", h.Cluster.Name)
	property("about", report.About(h))
	words, lost := 0, 0
	word := func(name string, answer api.AnswerWord) {
		if words++; words > mostAnswers {
			lost++
			return
		}
		property(name, string(answer))
	}
	for _, a := range h.Answers {
		word("answer."+string(a.Question), a.Answer)
		for _, p := range a.Parts {
			word("part."+string(a.Question)+":"+p.Part, p.Answer)
		}
	}
	if lost > 0 {
		property("leftOut.answers", fmt.Sprint(lost))
	}
	property("leftOut.severity", fmt.Sprint(c.hidden))
	for _, v := range []api.Verdict{api.Fail, api.VerdictUnknown, api.Accepted} {
		if n := c.leftOf[v]; n > 0 {
			property("leftOut."+string(v), fmt.Sprint(n))
		}
	}
	// Passes have one case for each check.
	property("joined.pass", fmt.Sprint(c.passes))
	b.WriteString("    </properties>\n")
	_, err := io.WriteString(out, b.String())
	return err
}

// leftOut writes the case that stands for so many others of a check.
func (p printer) leftOut(out io.Writer, key leftKey, n int, names seen) error {
	f := api.Finding{
		Check: key.check, Question: key.question, Verdict: key.verdict,
		Message: fmt.Sprintf("%d %s are not in this file, because GitLab takes no larger one; the format json has all", n, key.verdict),
	}
	if key.verdict == api.Accepted {
		f.Accepted = &api.Acceptance{Reason: f.Message}
	}
	return p.named(out, &f, names.unique(classname(&f), LeftOut+string(key.verdict), &f), "")
}

// LeftOut begins the name of a case that stands for others.
const LeftOut = "left out: "

func (p printer) testcase(out io.Writer, f *api.Finding, parts string, names seen) error {
	return p.named(out, f, names.unique(classname(f), text(report.SubjectName(f.Subject), mostName), f), parts)
}

func (p printer) named(out io.Writer, f *api.Finding, name, parts string) error {
	message, body := text(f.Message, mostText), p.body(f, parts)
	kind := text(string(f.Severity), mostName)
	var result string
	switch {
	case f.Verdict == api.Fail:
		result = fmt.Sprintf(`<failure type="%s" message="%s">%s</failure>`, kind, message, body)
	case f.Verdict == api.Accepted:
		why := "accepted"
		if f.Accepted != nil {
			why += ": " + f.Accepted.Reason
		}
		result = fmt.Sprintf(`<skipped message="%s">%s</skipped>`, text(why, mostText), body)
	case p.opts.AllowUnknown:
		result = fmt.Sprintf(`<skipped message="unknown: %s">%s</skipped>`, message, body)
	default:
		result = fmt.Sprintf(`<error type="unknown" message="unknown: %s">%s</error>`, message, body)
	}
	_, err := fmt.Fprintf(out, "    <testcase classname=\"%s\" name=\"%s\">%s</testcase>\n", classname(f), name, result)
	return err
}

// body has a line for each thing that a person asks about a finding.
func (p printer) body(f *api.Finding, parts string) string {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, text(value, mostText))
		}
	}
	line("verdict", string(f.Verdict))
	line("severity", string(f.Severity))
	line("basis", string(f.Basis))
	line("parts", parts)
	line("finding", f.Message)
	line("reason", string(f.Reason))
	for i, e := range f.Evidence {
		if i == mostEvidence {
			line("evidence", fmt.Sprintf("%d more left out", len(f.Evidence)-i))
			break
		}
		line("evidence", escape.Short(e.Source, mostText/2)+": "+escape.Short(e.Value, mostText/2-2))
	}
	if a := f.Accepted; a != nil {
		line("accepted by", a.AcceptedBy+", until "+a.Expires)
		line("accepted because", a.Reason)
	}
	if advice := f.Remediation.Text; advice != "" && p.opts.Expand != nil {
		line("remediation", p.opts.Expand(advice))
	} else {
		line("remediation", advice)
	}
	return b.String()
}

// classname is checklist.QUESTION.CHECK. Jenkins splits it at dots.
func classname(f *api.Finding) string {
	check := strings.TrimPrefix(f.Check, string(f.Question)+"/")
	word := func(s string) string { return strings.ReplaceAll(text(s, mostName), ".", "_") }
	return "checklist." + word(string(f.Question)) + "." + word(check)
}

// seen are the names in use, as hashes, with the number that comes next. GitLab drops a case whose
// classname and name repeat.
type seen map[[16]byte]int

// unique adds the fingerprint to a name that is in use, and a number if that is in use too.
func (s seen) unique(class, name string, f *api.Finding) string {
	took := func(name string) (key [16]byte, ok bool) {
		hash := sha256.Sum256([]byte(class + "\n" + name))
		key = [16]byte(hash[:])
		if s[key] > 0 {
			return key, false
		}
		s[key] = 2
		return key, true
	}
	if _, ok := took(name); ok {
		return name
	}
	const digits = 12
	name += " #" + f.Fingerprint()[:digits]
	key, ok := took(name)
	for try := name; ; { // a file can repeat a subject any number of times: no number is tried twice
		if ok {
			return try
		}
		try = fmt.Sprintf("%s (%d)", name, s[key])
		s[key]++
		_, ok = took(try)
	}
}

var markup = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;")

// text makes a text one line of XML, cut at limit bytes with a mark. escape.Short replaces the
// characters that XML cannot hold even escaped.
func text(s string, limit int) string { return markup.Replace(escape.Short(s, limit)) }
