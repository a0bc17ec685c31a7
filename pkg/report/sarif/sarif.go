// Package sarif prints a report in SARIF 2.1.0 (OASIS), for GitHub's code scanning and for other
// viewers of static analysis.
//
// There is one run. Its results are the failing and the unknown findings, in the report's order
// (worst first), then the gaps that no finding tells. Passes and accepted findings are not there,
// because GitHub shows both as open alerts. run.properties has the answers, the parts, the counts,
// and how many findings were left out, by cause.
//
// GitHub closes an alert as fixed if its result is missing in the next upload of the same category.
// It knows a result by its rule, its path and its hash. So:
//   - a check has one rule, whatever the severity of the finding is, and an unknown finding is a
//     result (kind open, level note) with the rule, path and hash of the failing one;
//   - what only a node can name (a file there, a container that the API does not have) belongs to
//     the alert of its check and node, because a node that does not answer names neither;
//   - the category depends on the cluster and on what was asked and compared with, so that a
//     narrower run closes nothing of a wider one;
//   - what does not fit into GitHub's limits has one result for each rule, which counts it.
//
// GitHub takes the severity (security-severity) from the rule: it is the worst that the check gives.
// A rule for each severity would close an alert whenever a finding's severity changes, as it does
// when a node goes silent. A result has its own level and, in message and properties, its own
// severity.
//
// A result about a file has the line and column of the field, if they are known. Its hash is left
// to GitHub's upload action. A result about a cluster has a made-up path,
// kubernetes/CLUSTER/NAMESPACE/KIND/NAME, and our fingerprint as its hash.
package sarif

import (
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// GitHub's limits of a file: results of a run, tags of a rule, characters of a description, and
// bytes after gzip. GitHub refuses a run of more than 25,000 results, and keeps the 5,000 most severe
// of a smaller one: it closes the alerts of the others. Here the file says what is not in it.
const (
	MaxResults     = 5_000
	MaxTags        = 10
	MaxDescription = 1024
	MaxBytes       = 10_000_000
)

// Our own bounds.
const (
	mostRules = 1_000 // a report from a file can name any number of checks
	// One of so many results is for unknown findings and gaps if failing ones would take all.
	unknownShare = 5
	// untilUnknown and untilEnd are the bytes after gzip at which failing and then unknown
	// findings end. What is left is for one result of each rule and for run.properties.
	untilUnknown = 6_500_000
	untilEnd     = 9_000_000

	// Bytes of texts.
	mostID, mostMessage, mostProperty, mostSegment = 200, 1_000, 400, 100

	mostEvidence = 5 // pieces in a result's properties
	mostShown    = 3 // of them in its message

	mostAnswers, mostParts = 50, 200
)

const (
	project = "https://github.com/kubectl-checklist/kubectl-checklist"
	docs    = project + "/blob/main/docs/checks.md"
)

// Rules that are no check.
const (
	RuleNotMeasured = "not-measured" // a gap that no finding tells
	RuleOther       = "other-checks" // checks beyond mostRules
)

// Keys of partialFingerprints. GitHub uses only the first one.
const (
	KeyGitHub = "primaryLocationLineHash"
	KeyOwn    = "kubectlChecklist/v1"
)

// Format is the entry of the list of formats.
func Format() report.Format {
	return report.Format{Name: "sarif", Lines: true, New: func(_ string, opts report.Options) (report.Printer, error) {
		return &printer{opts: opts, most: MaxResults, untilUnknown: untilUnknown, untilEnd: untilEnd}, nil
	}}
}

type printer struct {
	opts                         report.Options
	most, untilUnknown, untilEnd int
}

// Print reads the findings twice: first it counts them. It holds the rules and the gaps.
func (p *printer) Print(out io.Writer, r *report.Report) error {
	w := &writer{printer: p, out: out, report: r, cluster: text(r.Head.Cluster.Name, mostID), gz: newMeter()}
	w.count()
	if err := w.open(); err != nil {
		return err
	}
	if err := w.findings(); err != nil {
		return err
	}
	if err := w.gaps(); err != nil {
		return err
	}
	for _, one := range w.rules {
		if err := w.leftOutOf(one); err != nil {
			return err
		}
	}
	return w.close()
}

// The parts of SARIF that are written. Fields are required by GitHub unless they say omitempty.
type (
	message struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown,omitempty"`
	}
	rule struct {
		ID               string   `json:"id"`
		ShortDescription message  `json:"shortDescription"`
		FullDescription  message  `json:"fullDescription"`
		Help             message  `json:"help"`
		HelpURI          string   `json:"helpUri,omitempty"`
		Default          level    `json:"defaultConfiguration"`
		Properties       ruleTags `json:"properties"`
	}
	level struct {
		Level string `json:"level"`
	}
	ruleTags struct {
		Tags     []string `json:"tags"`
		Severity string   `json:"security-severity,omitempty"`
	}
	result struct {
		RuleID       string            `json:"ruleId"`
		RuleIndex    int               `json:"ruleIndex"`
		Kind         string            `json:"kind"`
		Level        string            `json:"level"`
		Message      message           `json:"message"`
		Locations    []location        `json:"locations"`
		Fingerprints map[string]string `json:"partialFingerprints"`
		Properties   properties        `json:"properties"`
	}
	location struct {
		Physical physical  `json:"physicalLocation"`
		Logical  []logical `json:"logicalLocations,omitempty"`
	}
	physical struct {
		Artifact artifact `json:"artifactLocation"`
		Region   region   `json:"region"`
	}
	artifact struct {
		URI string `json:"uri"`
	}
	region struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
		EndLine     int `json:"endLine"`
		EndColumn   int `json:"endColumn"`
	}
	logical struct {
		Name string `json:"name,omitempty"`
		Full string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
	// properties are those of a result.
	properties struct {
		Check        string     `json:"check,omitempty"`
		Question     string     `json:"question,omitempty"`
		Parts        []string   `json:"parts,omitempty"`
		Verdict      string     `json:"verdict,omitempty"`
		Severity     string     `json:"severity,omitempty"`
		Basis        string     `json:"basis,omitempty"`
		Subject      string     `json:"subject,omitempty"`
		Gap          string     `json:"gap,omitempty"`
		Affects      []string   `json:"affects,omitempty"`
		Evidence     []evidence `json:"evidence,omitempty"`
		EvidenceMore int        `json:"evidenceLeftOut,omitempty"`
		// AlsoFails and AlsoUnknown count further findings of the same check and node, which a
		// result about a node has in it.
		AlsoFails   int `json:"alsoFails,omitempty"`
		AlsoUnknown int `json:"alsoUnknown,omitempty"`
		// FailsLeftOut and UnknownLeftOut count the findings that a result stands for.
		FailsLeftOut   int `json:"failsLeftOut,omitempty"`
		UnknownLeftOut int `json:"unknownLeftOut,omitempty"`
	}
	evidence struct {
		Source string `json:"source"`
		Value  string `json:"value"`
		Basis  string `json:"basis,omitempty"`
	}
	notification struct {
		Level   string  `json:"level"`
		Message message `json:"message"`
	}
	invocation struct {
		Successful    bool           `json:"executionSuccessful"`
		EndTime       string         `json:"endTimeUtc,omitempty"`
		Notifications []notification `json:"toolExecutionNotifications,omitempty"`
	}
	// Properties are those of the run.
	Properties struct {
		Version   string `json:"version,omitempty"`
		Catalogue string `json:"catalogueVersion,omitempty"`
		Command   string `json:"command,omitempty"`
		Cluster   string `json:"cluster,omitempty"`
		Collected string `json:"collectedAt,omitempty"`
		// Answers by question, and parts as "QUESTION:PART".
		Answers map[string]string `json:"answers"`
		Parts   map[string]string `json:"parts"`
		// Counts are findings of the whole report by verdict.
		Counts map[string]int `json:"counts"`
		// LeftOut counts what is not among the results: "pass" and "accepted"; "severity", failing
		// findings that --severity hides; "limitFail" and "limitUnknown", findings beyond GitHub's
		// limits, and "limitGap", gaps beyond them.
		LeftOut map[string]int `json:"leftOut"`
		// Gaps counts the results about gaps that no finding tells.
		Gaps int `json:"gaps"`
	}
)

// written is one rule, with its findings.
type written struct {
	rule
	index                   int
	check                   string       // "" for RuleOther
	worst                   api.Severity // of its findings
	fails, unknown          int          // to print
	failsDone, unknownsDone int
}

// nodeKey identifies the findings of a check that belong to one node: they are one result.
type nodeKey struct{ check, node, cluster string }

// ofNode has the findings of a check that only their node can name, and one about the node itself.
type ofNode struct {
	fails, unknown int
	names          []string // of the first few
	done           bool     // the result is written
}

type writer struct {
	*printer
	out     io.Writer
	report  *report.Report
	cluster string
	gz      *meter

	byCheck map[string]*written
	other   *written // RuleOther, nil if there is none
	lost    *written // RuleNotMeasured, nil if there is none
	byNode  map[nodeKey]*ofNode
	used    map[string]bool // IDs of rules
	rules   []*written
	known   map[string]*api.ReportCheck
	entries map[string]*checks.Check

	counts     map[string]int
	hidden     int
	told       *report.Told
	fails      int // to print
	unknown    int
	results    int // written
	gapResults int
	gapsLost   int
}

// verdictOf takes every word that is no verdict for unknown.
func verdictOf(f *api.Finding) api.Verdict { return f.Verdict.OrUnknown() }

// severityOf is "" for every word that is no severity.
func severityOf(s api.Severity) api.Severity {
	if s.Rank() == 0 {
		return ""
	}
	return s
}

// shown reports whether a finding should be a result. hidden is a failing one that --severity hides.
func (w *writer) shown(f *api.Finding) (shown, hidden bool) {
	switch verdictOf(f) {
	case api.VerdictUnknown:
		return true, false
	case api.Fail:
		hidden = report.Hides(f, w.opts.MinSeverity)
		return !hidden, hidden
	}
	return false, false
}

// nodeOf is the node to whose result a finding belongs. named reports whether only the node can name
// the finding's subject. A finding that is about the node itself, or that belongs to no node, is not.
func nodeOf(f *api.Finding) (key nodeKey, named bool) {
	switch s := &f.Subject; {
	case s.Namespace != "":
		return nodeKey{}, false
	case s.Node != "" && s.Kind != fact.SubjectNode:
		return nodeKey{f.Check, s.Node, s.Cluster}, true
	case s.Kind == fact.SubjectNode:
		return nodeKey{f.Check, s.Name, s.Cluster}, false
	}
	return nodeKey{}, false
}

func (n *ofNode) see(f *api.Finding) {
	if verdictOf(f) == api.Fail {
		n.fails++
	} else {
		n.unknown++
	}
	if len(n.names) < mostShown {
		n.names = append(n.names, text(report.SubjectName(f.Subject), mostProperty/2))
	}
}

// count makes the rules, and finds the gaps that findings tell.
func (w *writer) count() {
	w.used, w.byNode = map[string]bool{}, map[nodeKey]*ofNode{}
	w.byCheck, w.known, w.entries = map[string]*written{}, map[string]*api.ReportCheck{}, map[string]*checks.Check{}
	head := w.report.Head
	w.counts, w.told = map[string]int{}, report.NewTold(head.Gaps)
	for i := range w.opts.Catalogue {
		w.entries[w.opts.Catalogue[i].ID] = &w.opts.Catalogue[i]
	}
	for i := range head.Checks {
		w.known[head.Checks[i].Check] = &head.Checks[i]
	}
	for f := range w.report.Each {
		verdict := verdictOf(&f)
		w.counts[string(verdict)]++
		shown, hidden := w.shown(&f)
		if hidden {
			w.hidden++
		}
		if !shown {
			continue
		}
		w.told.See(&f)
		one := w.ruleOf(f.Check)
		if s := severityOf(f.Severity); s.Rank() > one.worst.Rank() {
			one.worst = s
		}
		if key, named := nodeOf(&f); named {
			if w.byNode[key] == nil {
				w.byNode[key] = &ofNode{}
			}
			w.byNode[key].see(&f)
		}
		if verdict == api.Fail {
			one.fails++
			w.fails++
			continue
		}
		one.unknown++
		w.unknown++
	}
	if len(w.byNode) > 0 {
		w.countNodes()
	}
	for i := range head.Gaps {
		if !w.tells(&head.Gaps[i]) {
			w.lost = w.add("")
			break
		}
	}
	for _, one := range w.rules {
		one.rule = w.describe(one)
	}
}

// countNodes adds what is about a node itself to what only the node can name. Which nodes have such
// findings is known at the end.
func (w *writer) countNodes() {
	for f := range w.report.Each {
		if shown, _ := w.shown(&f); !shown {
			continue
		}
		if key, named := nodeOf(&f); !named && w.byNode[key] != nil {
			w.byNode[key].see(&f)
		}
	}
}

// tells reports whether findings tell all that a gap makes unknown.
func (w *writer) tells(g *fact.Gap) bool {
	left, all := w.told.Left(g)
	return len(left) == 0 && !all
}

// ruleOf returns the rule of a check. It is made if there is room for it.
func (w *writer) ruleOf(check string) *written {
	if one := w.byCheck[check]; one != nil {
		return one
	}
	if len(w.rules) < mostRules {
		one := w.add(check)
		w.byCheck[check] = one
		return one
	}
	if w.other == nil {
		w.other = w.add("")
	}
	return w.other
}

func (w *writer) add(check string) *written {
	one := &written{index: len(w.rules), check: check}
	w.rules = append(w.rules, one)
	return one
}

// levels and scores are GitHub's words for our severities. A severity that we do not know is a
// warning without a score.
var (
	levels = map[api.Severity]string{api.Critical: "error", api.High: "error", api.Medium: "warning", api.Low: "note"}
	scores = map[api.Severity]string{api.Critical: "9.5", api.High: "8.0", api.Medium: "5.5", api.Low: "2.0"}
)

func levelOf(s api.Severity) string { return cmp.Or(levels[s], "warning") }

// describe makes a rule. What the catalogue does not have comes from the report, and is not
// trusted.
func (w *writer) describe(of *written) rule {
	check, entry := w.known[of.check], w.entries[of.check]
	severity, title := api.Severity(""), ""
	if entry != nil {
		severity, title = entry.Severity, entry.Title
	}
	if check != nil {
		severity, title = severityOf(check.Severity), cmp.Or(title, check.Title)
	}
	if of.worst.Rank() > severity.Rank() { // of a check that nobody knows, or of a report that contradicts itself
		severity = of.worst
	}
	of.worst = severity
	one := rule{
		Default:    level{levelOf(severity)},
		Properties: ruleTags{Tags: []string{"security", "kubernetes"}, Severity: scores[severity]},
	}
	plain := func(short, full, help string) rule {
		one.ShortDescription, one.FullDescription, one.Help = message{Text: short}, message{Text: full}, message{Text: help}
		return one
	}
	switch of {
	case w.lost:
		one.ID, one.Default.Level, one.Properties.Severity, one.HelpURI = RuleNotMeasured, "note", "", docs
		return plain("Something was not measured", "What was not read can be neither good nor bad.", "The message says what was not read, why, and what to do.")
	case w.other:
		one.ID, one.HelpURI = RuleOther, docs
		return plain("A finding of another check", fmt.Sprintf("The report names more than %d checks.", mostRules), "The message names the check.")
	}
	id := text(of.check, mostID)
	one.ID = cmp.Or(id, "no-check")
	if id != of.check { // it was cut or escaped: two of them must differ
		one.ID += "#" + digits(of.check)
	}
	for w.used[one.ID] || one.ID == RuleNotMeasured || one.ID == RuleOther {
		one.ID += "#" + digits(of.check) // of a report that means harm
	}
	w.used[one.ID] = true
	question, _, _ := strings.Cut(id, "/")
	one.Properties.Tags = append(one.Properties.Tags, cmp.Or(question, "unknown"))
	if check != nil {
		for _, c := range newest(check.Controls) {
			name := c.Mapping
			if c.Version != "" {
				name += "-" + c.Version
			}
			tag := text(name+":"+c.ID, mostID/2)
			if len(one.Properties.Tags) < MaxTags && !slices.Contains(one.Properties.Tags, tag) {
				one.Properties.Tags = append(one.Properties.Tags, tag)
			}
		}
	}
	title = cmp.Or(text(title, MaxDescription/4), id, "A check without a name")
	if entry == nil {
		return plain(title, title, "This version of the catalogue has no check of this name.")
	}
	one.HelpURI = docs + "#" + strings.ReplaceAll(entry.ID, "/", "")
	var plainText, markdown strings.Builder
	line := func(head, body string) {
		fmt.Fprintf(&plainText, "%s: %s\n\n", head, body)
		if strings.HasPrefix(body, "https://") {
			fmt.Fprintf(&markdown, "**%s:** <%s>\n\n", head, body)
			return
		}
		fmt.Fprintf(&markdown, "**%s:** %s\n\n", head, literal.Replace(body))
	}
	line("Asserts", entry.Title+".")
	line("Why", entry.Why)
	line("What to do", entry.Remediation)
	for _, ref := range entry.References {
		line("See", ref)
	}
	line("More", "kubectl checklist explain "+entry.ID)
	full := entry.Title + ". " + entry.Why
	if cut := escape.Bounded(full, MaxDescription-4); len(cut) < len(full) {
		full = cut + " ..."
	}
	plain(title, full, strings.TrimSpace(plainText.String()))
	one.Help.Markdown = strings.TrimSpace(markdown.String())
	return one
}

// literal escapes what is markup in markdown.
var literal = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "<", `\<`, "[", `\[`, "#", `\#`, "@", `\@`, "|", `\|`)

// newest returns the controls of each mapping's newest version: GitHub takes few tags.
func newest(controls []api.Control) []api.Control {
	// "1.9" is before "1.12", and that before "2.0".
	later := func(a, b string) bool {
		return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(x, y string) int {
			return cmp.Or(len(x)-len(y), strings.Compare(x, y))
		}) > 0
	}
	last := map[string]string{}
	for _, c := range controls {
		if known, found := last[c.Mapping]; !found || later(c.Version, known) {
			last[c.Mapping] = c.Version
		}
	}
	var out []api.Control
	for _, c := range controls {
		if c.Version == last[c.Mapping] {
			out = append(out, c)
		}
	}
	return out
}

// open writes what comes before the results.
func (w *writer) open() error {
	head := w.report.Head
	rules := make([]rule, len(w.rules))
	for i := range w.rules {
		rules[i] = w.rules[i].rule
	}
	driver := map[string]any{
		"name": "kubectl-checklist", "informationUri": project, "rules": rules,
	}
	if v := text(head.Spec.Version, mostID); v != "" {
		driver["version"] = v
	}
	tool, err := json.Marshal(map[string]any{"driver": driver})
	if err != nil {
		return err
	}
	details, err := json.Marshal(map[string]string{"id": Category(head, w.opts.MinSeverity, w.opts.Catalogue)})
	if err != nil {
		return err
	}
	return w.write(`{"$schema":"https://json.schemastore.org/sarif-2.1.0.json","version":"2.1.0","runs":[{"tool":`,
		string(tool), `,"automationDetails":`, string(details), `,"columnKind":"unicodeCodePoints","results":[`)
}

// Category is the run's automationDetails.id: "kubectl-checklist/CLUSTER/COMMAND-DIGITS/". The
// digits stand for what was asked, without the version of the tool: GitHub closes the alerts of the
// same category that are not in an upload.
func Category(head *api.ChecklistReport, minimum api.Severity, catalogue []checks.Check) string {
	asked := report.Asked(head, catalogue)
	id, err := json.Marshal([]any{cmp.Or(head.Cluster.UID, head.Cluster.Server), asked, head.Spec.Inputs.Severity, minimum})
	if err != nil { // strings and booleans always marshal
		id = nil
	}
	cluster := head.Cluster.Name
	if len(asked.Files) > 0 {
		cluster = "manifests"
	}
	return "kubectl-checklist/" + segment(cmp.Or(cluster, "cluster")) + "/" + segment(cmp.Or(head.Spec.Command, "all")) + "-" + digits(string(id)) + "/"
}

// digits are a short hash.
func digits(s string) string {
	hash := sha256.Sum256([]byte(s))
	const most = 4
	return hex.EncodeToString(hash[:most])
}

// findings writes the results about findings, as many as fit.
func (w *writer) findings() error {
	// Every rule can need one more result, and unknown findings and gaps must find room.
	room := max(w.most-len(w.rules), 0)
	failRoom := room - min(w.unknown+len(w.report.Head.Gaps), room/unknownShare)
	failBytes := w.untilEnd
	if w.unknown+len(w.report.Head.Gaps) > 0 {
		failBytes = w.untilUnknown
	}
	fails, unknown := 0, 0
	for f := range w.report.Each {
		if shown, _ := w.shown(&f); !shown {
			continue
		}
		one := w.ruleOf(f.Check)
		key, _ := nodeOf(&f)
		node := w.byNode[key]
		if node != nil && node.done {
			continue
		}
		failsDone, unknownsDone := 0, 1
		if verdictOf(&f) == api.Fail {
			if fails >= failRoom || w.gz.size() >= failBytes {
				continue
			}
			fails++
			failsDone, unknownsDone = 1, 0
		} else {
			if fails+unknown >= room || w.gz.size() >= w.untilEnd {
				continue
			}
			unknown++
		}
		out := w.resultOf(&f, one)
		if node != nil {
			w.join(out, &f, key, node)
			failsDone, unknownsDone = node.fails, node.unknown
		}
		one.failsDone, one.unknownsDone = one.failsDone+failsDone, one.unknownsDone+unknownsDone
		if err := w.result(out); err != nil {
			return err
		}
	}
	return nil
}

// join makes the result of one finding that of all findings of its check and node.
func (w *writer) join(out *result, f *api.Finding, key nodeKey, node *ofNode) {
	node.done = true
	subject := fact.Subject{Kind: fact.SubjectNode, Name: key.node, Cluster: key.cluster}
	own := (&api.Finding{Check: f.Check, Subject: subject}).Fingerprint()
	out.Fingerprints = map[string]string{KeyGitHub: own, KeyOwn: own}
	out.Locations[0].Physical = physical{artifact{w.made(&subject)}, region{1, 1, 1, 1}}
	out.Properties.AlsoFails, out.Properties.AlsoUnknown = node.fails, node.unknown
	if verdictOf(f) == api.Fail {
		out.Properties.AlsoFails--
	} else {
		out.Properties.AlsoUnknown--
	}
	if n := out.Properties.AlsoFails + out.Properties.AlsoUnknown; n > 0 {
		own := text(report.SubjectName(f.Subject), mostProperty/2)
		others := slices.DeleteFunc(slices.Clone(node.names), func(name string) bool { return name == own })
		said := fmt.Sprintf("\nfurther findings of this check and node: %d fail, %d unknown", out.Properties.AlsoFails, out.Properties.AlsoUnknown)
		if len(others) > 0 {
			said += ": " + shown(strings.Join(others, ", "), mostMessage)
		}
		if n > len(others) {
			said += fmt.Sprintf(" and %d more", n-len(others))
		}
		out.Message.Text += said
	}
}

// gaps writes those that no finding tells.
func (w *writer) gaps() error {
	seen := map[string]int{} // of fingerprints
	for i := range w.report.Head.Gaps {
		g := &w.report.Head.Gaps[i]
		if w.tells(g) {
			continue
		}
		if w.results >= w.most-len(w.rules) || w.gz.size() >= w.untilEnd {
			w.gapsLost++
			continue
		}
		w.gapResults++
		one := w.lost
		f := api.Finding{Check: RuleNotMeasured, Verdict: api.VerdictUnknown, Subject: g.Subject, Reason: g.Reason}
		f.Message = fmt.Sprintf("%s not read: %s", g.What, cmp.Or(g.Detail, string(g.Reason)))
		f.Remediation.Text = g.Hint
		out := w.resultOf(&f, one)
		// The reason may be another in the next run.
		hash := out.Fingerprints[KeyOwn] + ":" + digits(string(g.What))
		if seen[hash]++; seen[hash] > 1 {
			hash += fmt.Sprintf(":%d", seen[hash])
		}
		for key := range out.Fingerprints {
			out.Fingerprints[key] = hash
		}
		const mostAffects = 100
		left, _ := w.told.Left(g)
		for _, check := range left[:min(len(left), mostAffects)] {
			out.Properties.Affects = append(out.Properties.Affects, text(check, mostID))
		}
		if err := w.result(out); err != nil {
			return err
		}
	}
	return nil
}

// leftOutOf writes a result that counts the findings of a rule that are not there. So unknown is
// never silent, and nobody takes a closed alert for a fixed one.
func (w *writer) leftOutOf(one *written) error {
	fails, unknown := one.fails-one.failsDone, one.unknown-one.unknownsDone
	if one == w.lost {
		unknown = w.gapsLost
	}
	if fails+unknown == 0 {
		return nil
	}
	sum := sha256.Sum256([]byte("left out: " + one.ID))
	hash := hex.EncodeToString(sum[:12])
	return w.result(&result{
		RuleID: one.ID, RuleIndex: one.index, Kind: "open", Level: "note",
		Message: message{Text: fmt.Sprintf("unknown here: %d failing and %d unknown findings of this rule are not in this file, because GitHub takes %d results and %d MB. "+
			"GitHub shows their alerts as fixed, and they are not. The format json has all of them.", fails, unknown, w.most, MaxBytes/1_000_000)},
		Locations:    []location{{Physical: physical{artifact{w.root() + "/left-out"}, region{1, 1, 1, 1}}}},
		Fingerprints: map[string]string{KeyGitHub: hash, KeyOwn: hash},
		Properties: properties{
			Check: text(cmp.Or(one.check, one.ID), mostID), Verdict: string(api.VerdictUnknown), FailsLeftOut: fails, UnknownLeftOut: unknown,
		},
	})
}

func (w *writer) resultOf(f *api.Finding, one *written) *result {
	verdict, severity := verdictOf(f), severityOf(f.Severity)
	own := f.Fingerprint()
	out := &result{
		RuleID: one.ID, RuleIndex: one.index, Kind: "fail", Level: levelOf(severity),
		Fingerprints: map[string]string{KeyOwn: own},
		Properties: properties{
			Check: text(f.Check, mostID), Question: text(string(f.Question), mostID), Verdict: string(verdict),
			Severity: text(string(f.Severity), mostID), Basis: text(string(f.Basis), mostID),
			Subject: text(report.SubjectName(f.Subject), mostProperty), Gap: text(string(f.Reason), mostProperty),
		},
	}
	if check := w.known[f.Check]; check != nil {
		for _, part := range check.Parts {
			out.Properties.Parts = append(out.Properties.Parts, text(part, mostID))
		}
	}
	var b strings.Builder
	if verdict == api.VerdictUnknown {
		out.Kind, out.Level = "open", "note"
		b.WriteString("unknown: ")
	}
	b.WriteString(shown(report.SubjectName(f.Subject), mostProperty) + ": " + shown(f.Message, mostMessage))
	if verdict == api.Fail && severity != "" && severity != one.worst {
		fmt.Fprintf(&b, "\nseverity: %s (its rule has the worst that the check gives: %s)", severity, one.worst)
	}
	if one == w.other {
		b.WriteString("\ncheck: " + shown(f.Check, mostProperty))
	}
	for i := range f.Evidence {
		e := &f.Evidence[i]
		if i == mostEvidence {
			out.Properties.EvidenceMore = len(f.Evidence) - i
			break
		}
		out.Properties.Evidence = append(out.Properties.Evidence, evidence{text(e.Source, mostProperty), text(e.Value, mostProperty), text(string(e.Basis), mostID)})
		if i < mostShown {
			b.WriteString("\n" + cmp.Or(shown(string(e.Basis), mostID), "evidence") + ": " + shown(e.Source, mostProperty) + ": " + shown(e.Value, mostProperty))
		}
	}
	if n := len(f.Evidence) - mostShown; n > 0 {
		fmt.Fprintf(&b, "\nmore evidence: %d", n)
	}
	if f.Reason != "" {
		b.WriteString("\nreason: " + shown(string(f.Reason), mostProperty))
	}
	if advice := f.Remediation.Text; advice != "" {
		if w.opts.Expand != nil {
			advice = w.opts.Expand(advice)
		}
		b.WriteString("\nwhat to do: " + shown(advice, mostMessage))
	}
	out.Message.Text = b.String()

	place, exact := w.place(f)
	out.Locations = []location{place}
	if !exact {
		out.Fingerprints[KeyGitHub] = own
	}
	return out
}

// result writes one.
func (w *writer) result(one *result) error {
	data, err := json.Marshal(one)
	if err != nil {
		return err
	}
	separator := ",\n"
	if w.results == 0 {
		separator = "\n"
	}
	w.results++
	return w.write(separator, string(data))
}

// close writes what comes after the results.
func (w *writer) close() error {
	head := w.report.Head
	p := Properties{
		Version: text(head.Spec.Version, mostID), Catalogue: text(head.Spec.CatalogueVersion, mostID),
		Command: text(head.Spec.Command, mostID), Cluster: w.cluster,
		Answers: map[string]string{}, Parts: map[string]string{}, Counts: w.counts, LeftOut: map[string]int{}, Gaps: w.gapResults,
	}
	end := invocation{Successful: true}
	end.Notifications = append(end.Notifications, notification{"note", message{Text: "about: " + text(report.About(head), mostMessage)}})
	if t := head.CreationTimestamp; !t.IsZero() {
		p.Collected = t.UTC().Format("2006-01-02T15:04:05Z")
		end.EndTime = p.Collected
	}
	put := func(to map[string]string, most int, what, name string, word api.AnswerWord) {
		name = text(name, mostID)
		if _, there := to[name]; there || len(to) == most {
			p.LeftOut[what]++
			return
		}
		to[name] = text(string(word), mostID)
	}
	for i := range head.Answers {
		a := &head.Answers[i]
		put(p.Answers, mostAnswers, "answers", string(a.Question), a.Answer)
		for j := range a.Parts {
			put(p.Parts, mostParts, "parts", string(a.Question)+":"+a.Parts[j].Part, a.Parts[j].Answer)
		}
	}
	fails, unknown := 0, 0
	for _, one := range w.rules {
		fails, unknown = fails+one.fails-one.failsDone, unknown+one.unknown-one.unknownsDone
	}
	for _, left := range []struct {
		name string
		n    int
		text string
	}{
		{"pass", w.counts[string(api.Pass)], "passes are left out: GitHub would show them as open alerts"},
		{"accepted", w.counts[string(api.Accepted)], "accepted findings are left out: GitHub would show them as open alerts"},
		{"severity", w.hidden, "failing findings below severity " + string(w.opts.MinSeverity) + " are left out"},
		{"limitFail", fails, "failing findings are left out: they are beyond the limits of GitHub"},
		{"limitUnknown", unknown, "unknown findings are left out: they are beyond the limits of GitHub"},
		{"limitGap", w.gapsLost, "gaps are left out: they are beyond the limits of GitHub"},
	} {
		if left.n == 0 {
			continue
		}
		p.LeftOut[left.name] = left.n
		n := notification{"note", message{Text: fmt.Sprintf("left out: %d (%s)", left.n, left.text)}}
		if strings.HasPrefix(left.name, "limit") {
			n.Level = "warning"
		}
		end.Notifications = append(end.Notifications, n)
	}
	of, err := json.Marshal(p)
	if err != nil {
		return err
	}
	ended, err := json.Marshal([]invocation{end})
	if err != nil {
		return err
	}
	return w.write("\n],\"invocations\":", string(ended), `,"properties":`, string(of), "}]}\n")
}

func (w *writer) write(texts ...string) error {
	for _, s := range texts {
		if _, err := io.WriteString(w.out, s); err != nil {
			return err
		}
		w.gz.add(s)
	}
	return nil
}

// text makes a text one line of at most limit bytes, with a mark where it was cut. Characters that
// nobody can see become U+FFFD.
func text(s string, limit int) string {
	mark := ""
	// Nothing of a long text is read that cannot be in the result, but for much white space.
	if most := 8 * limit; len(s) > most {
		for most > 0 && !utf8.RuneStart(s[most]) {
			most--
		}
		s, mark = s[:most], " ..."
	}
	short := escape.Short(s, limit)
	if !strings.HasSuffix(short, mark) {
		short += mark
	}
	return strings.Map(func(r rune) rune {
		if r&0xfffe == 0xfffe || r >= 0xfdd0 && r <= 0xfdef || unicode.Is(unicode.Co, r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || unicode.Is(unicode.Variation_Selector, r) {
			return utf8.RuneError
		}
		return r
	}, short)
}

// shown is text for a message, in which "[words](target)" would be a link.
func shown(s string, limit int) string { return strings.ReplaceAll(text(s, limit), "](", "] (") }

// meter measures the length of what it gets after gzip.
type meter struct {
	gz      *gzip.Writer
	written int
	pending int // bytes that may not be among those written
}

func newMeter() *meter {
	m := &meter{}
	// The level does not exceed those that have an error. A consumer's level gives fewer bytes.
	m.gz, _ = gzip.NewWriterLevel(m, gzip.BestSpeed)
	return m
}

// Write counts.
func (m *meter) Write(data []byte) (int, error) {
	m.written += len(data)
	return len(data), nil
}

func (m *meter) add(s string) {
	_, _ = io.WriteString(m.gz, s) // Write has no errors
	const most = 1 << 18
	if m.pending += len(s); m.pending > most {
		_ = m.gz.Flush()
		m.pending = 0
	}
}

// size is an upper bound.
func (m *meter) size() int { return m.written + m.pending }
