package report

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
)

// summaryRows is the limit of findings below the scorecard of the root command.
const summaryRows = 10

// statement is what one or several checks say about one subject in the same words. Two
// questions can ask for the same thing (whether a root file system is writable).
type statement struct {
	finding *api.Finding // the first finding that says it, by the weight of questions
	checks  []string
	message string
}

// statements joins findings that say the same about one subject, in their order.
func statements(findings []api.Finding) []*statement {
	type key struct {
		subject, message string
		severity         api.Severity
		verdict          api.Verdict
		basis            api.Basis
	}
	var list []*statement
	index := map[key]*statement{}
	for i := range findings {
		f := &findings[i]
		message := say(f.Message)
		k := key{f.Subject.Key(), message, f.Severity, f.Verdict, f.Basis}
		s := index[k]
		if s == nil {
			s = &statement{finding: f, message: message}
			list, index[k] = append(list, s), s
		}
		if rankOf(f, 1).compare(rankOf(s.finding, 1)) < 0 {
			s.finding = f
		}
		s.checks = append(s.checks, f.Check)
	}
	return list
}

// say makes a message safe to print. It leaves out a clause if another clause says the
// same in more words: "its root is writable; its root is writable by default" says one
// thing.
func say(message string) string {
	clauses := strings.Split(escape.Line(message), "; ")
	if len(clauses) == 1 {
		return clauses[0]
	}
	var kept []string
	for i, clause := range clauses {
		more := func(other string) bool {
			rest, ok := strings.CutPrefix(other, clause)
			return ok && rest != "" && strings.ContainsRune(" ,:", rune(rest[0]))
		}
		if !slices.ContainsFunc(clauses, more) && !slices.Contains(clauses[:i], clause) {
			kept = append(kept, clause)
		}
	}
	return strings.Join(kept, "; ")
}

// row is one row of the table: a statement about one subject or many.
type row struct {
	finding *api.Finding // the first of the row's findings
	// messages are what is said about all subjects. The first decides the rank.
	messages []string
	// differ is set if the subjects differ in their numbers. Then the message is
	// that of the first.
	differ   bool
	subjects subjects
	// checks say the first message, and also are the checks of the further
	// messages. more counts the other checks that fail or are unknown for the
	// subjects.
	checks, also []string
	more         int
	// findings are all findings that the message is about, and pods their pods.
	findings []*api.Finding
	pods     int
	// moreFindings counts those that are not in the list.
	moreFindings int

	seen map[string]bool // keys of the objects
}

func (r *row) rank() rank { return rankOf(r.finding, r.subjects.len()) }

// refutes reports whether the row makes its questions NO.
func (r *row) refutes() bool {
	return r.finding.Verdict == api.Fail && r.finding.Counted().Rank() >= api.Medium.Rank()
}

// questions returns the questions that the checks of the row answer.
func (r *row) questions() map[api.Question]bool {
	out := map[api.Question]bool{}
	for _, id := range r.checks {
		out[questionOf(id)] = true
	}
	return out
}

func questionOf(check string) api.Question {
	question, _, _ := strings.Cut(check, "/")
	return api.Question(question)
}

// add adds a statement to the row.
func (r *row) add(s *statement) {
	o := object(s.finding.Subject)
	if key := o.Key(); !r.seen[key] {
		if r.seen == nil {
			r.seen = map[string]bool{}
		}
		r.seen[key] = true
		r.subjects.objects = append(r.subjects.objects, escaped(o))
		r.pods += s.finding.Subject.PodCount
	}
	if c := escape.Line(s.finding.Subject.Container); c != "" && len(r.seen) == 1 && !slices.Contains(r.subjects.containers, c) {
		r.subjects.containers = append(r.subjects.containers, c)
	}
	r.findings = append(r.findings, s.finding)
	for _, id := range s.checks {
		if !slices.Contains(r.checks, id) {
			r.checks = append(r.checks, id)
		}
	}
}

func escaped(s fact.Subject) fact.Subject {
	s.Kind, s.Namespace, s.Name, s.Node = escape.Line(s.Kind), escape.Line(s.Namespace), escape.Line(s.Name), escape.Line(s.Node)
	return s
}

// alike holds what the statements of one row have in common.
type alike struct {
	checks, message string
	severity        api.Severity
	verdict         api.Verdict
	basis           api.Basis
	platform        bool
}

func (s *statement) alike() alike {
	f := s.finding
	return alike{strings.Join(s.checks, " "), shape(f.Subject.Kind, s.message), f.Severity, f.Verdict, f.Basis, f.Subject.Platform}
}

// shape returns a message by which subjects are grouped. Nodes differ in numbers and
// in lists of names ("3 security updates pending: bash, ..."), and one cause on forty
// nodes is one row. For other subjects every word counts.
func shape(kind, message string) string {
	if kind != fact.SubjectNode {
		return message
	}
	clauses := strings.Split(message, "; ")
	for i := range clauses {
		clauses[i], _, _ = strings.Cut(clauses[i], ": ")
	}
	digits := func(r rune) rune {
		if r >= '0' && r <= '9' {
			return '0'
		}
		return r
	}
	text := strings.Map(digits, strings.Join(clauses, "; "))
	for strings.Contains(text, "00") {
		text = strings.ReplaceAll(text, "00", "0")
	}
	return text
}

// byMessage makes a row for each message, whatever its subjects.
func byMessage(list []*statement) []*row {
	rows := unsortedByMessage(list)
	sortRows(rows)
	return rows
}

func unsortedByMessage(list []*statement) []*row {
	var rows []*row
	index := map[alike]*row{}
	for _, s := range list {
		k := s.alike()
		r := index[k]
		if r == nil {
			r = &row{finding: s.finding, messages: []string{s.message}}
			rows, index[k] = append(rows, r), r
		}
		r.differ = r.differ || s.message != r.messages[0]
		r.add(s)
	}
	return rows
}

// bySubject makes a row for each subject, with its worst statement and how many other
// checks fail for it. Subjects with the same worst statement share a row.
func bySubject(list []*statement) []*row {
	of := map[string][]*statement{}
	var order []string
	for _, s := range list {
		key := object(s.finding.Subject).Key()
		if of[key] == nil {
			order = append(order, key)
		}
		of[key] = append(of[key], s)
	}
	var rows []*row
	index := map[alike]*row{}
	checks := map[*row]map[string]bool{}
	for _, key := range order {
		said := of[key]
		slices.SortStableFunc(said, func(a, b *statement) int {
			return cmp.Or(
				rankOf(a.finding, 1).compare(rankOf(b.finding, 1)),
				first(a.finding.Subject.Container != "", b.finding.Subject.Container != ""), // the one that names a container
			)
		})
		worst := said[0]
		related := related(worst, said[1:])
		k := worst.alike()
		r := index[k]
		if r == nil {
			r = &row{finding: worst.finding, messages: append([]string{worst.message}, related...)}
			rows, index[k] = append(rows, r), r
			checks[r] = map[string]bool{}
		} else {
			r.messages = slices.DeleteFunc(r.messages, func(m string) bool { return m != r.messages[0] && !slices.Contains(related, m) })
		}
		r.differ = r.differ || worst.message != r.messages[0]
		for _, s := range said {
			if s.alike() == k {
				r.add(s) // another container of it
			}
			for _, id := range s.checks {
				checks[r][id] = true
				if belongs(worst.finding, s.finding) && !slices.Contains(r.also, id) {
					r.also = append(r.also, id)
				}
			}
		}
	}
	for _, r := range rows {
		r.also = slices.DeleteFunc(r.also, func(id string) bool { return slices.Contains(r.checks, id) })
		r.more = len(checks[r]) - len(r.checks) - len(r.also)
	}
	sortRows(rows)
	return rows
}

// related returns the messages that are printed together with a subject's worst.
func related(worst *statement, also []*statement) []string {
	var messages []string
	for _, s := range also {
		if belongs(worst.finding, s.finding) && s.message != worst.message && !slices.Contains(messages, s.message) {
			messages = append(messages, s.message)
		}
	}
	return messages
}

// belongs reports whether a finding is printed together with its subject's worst: if it
// is of the same question and equally severe, or if the worst is an attack and the
// finding is the code that was added.
func belongs(worst, f *api.Finding) bool {
	if f.Verdict != worst.Verdict || f.Severity != worst.Severity {
		return false
	}
	return f.Question == worst.Question || attack(worst) && f.Question == api.Immutable && f.Basis == api.Measured
}

// mostRows is how many rows the table of a command that looks at workloads has before those
// of low severity are only counted.
const mostRows = 40

// foldLow leaves out the rows of low severity if there are very many rows, and returns how
// many. A row that also says something is unknown stays.
func foldLow(rows []*row) (kept []*row, left int) {
	if len(rows) <= mostRows {
		return rows, 0
	}
	for _, r := range rows {
		if r.finding.Verdict == api.Fail && r.finding.Severity.Rank() < api.Medium.Rank() {
			left++
		} else {
			kept = append(kept, r)
		}
	}
	if len(kept) == 0 {
		return rows, 0
	}
	return kept, left
}

func sortRows(rows []*row) {
	slices.SortStableFunc(rows, func(a, b *row) int { return a.rank().compare(b.rank()) })
}

// summarize picks the rows of a summary: the first ones, and one for every question
// that is answered no. It counts the rest. If all subjects of a question's findings
// have something worse, the question's row is made from its most severe finding.
func summarize(list []*statement, answers []api.Answer, limit int) (rows []*row, more int) {
	all := bySubject(list)
	rows, rest := all[:min(limit, len(all))], all[min(limit, len(all)):]
	rows = slices.Clone(rows)
	shown := map[api.Question]bool{}
	for _, r := range rows {
		if r.refutes() {
			maps.Copy(shown, r.questions())
		}
	}
	used := map[*row]bool{}
	var messages []*row // made only if they are needed
	for _, a := range answers {
		if a.Answer != api.No || shown[a.Question] {
			continue
		}
		fails := func(r *row) bool { return r.refutes() && r.questions()[a.Question] }
		i := slices.IndexFunc(rest, fails)
		switch {
		case i >= 0:
			used[rest[i]] = true
			rows = append(rows, rest[i])
		default:
			if messages == nil {
				messages = byMessage(list)
			}
			if i = slices.IndexFunc(messages, fails); i < 0 {
				continue // hidden by --severity
			}
			rows = append(rows, messages[i])
		}
		maps.Copy(shown, rows[len(rows)-1].questions())
	}
	sortRows(rows)
	return rows, len(rest) - len(used)
}
