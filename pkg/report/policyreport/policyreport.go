// Package policyreport prints a report as the objects of OpenReports (openreports.io/v1alpha1), or
// of the API before it (wgpolicyk8s.io/v1alpha2, which Kyverno still reads by default), in one List
// for "kubectl apply -f -". The cluster must have their CRDs.
//
// There is a Report for each namespace, and ClusterReports for nodes and for the cluster. Each is at
// most MaxObject bytes, because kubectl apply keeps a copy of an object in an annotation of at most
// 256 KiB; a group with more findings has several, with numbers. One ClusterReport without a number
// has no results: its annotations have the answers, the counts, and what was left out.
//
// A fail is "fail", a pass "pass", an unknown "error" (could not be evaluated), an accepted fail
// "warn" with scored false (not met, and not scored). The first CRDs of wgpolicyk8s.io/v1alpha2 have
// no severity "critical", and refuse an object that has one; later ones take it.
//
// Names depend on the cluster and on what was asked. So the same command replaces its reports, and
// another command does not. Reports that are no longer written stay: all have the label Label, by
// which to delete them before.
package policyreport

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// The label of every object.
const (
	Label = "app.kubernetes.io/managed-by"
	Tool  = "kubectl-checklist"
)

// MaxObject is the greatest length of an object in bytes, as kubectl encodes it.
const MaxObject = 200 << 10

// Bounds in bytes. A character is at most six bytes of JSON ("<"), so that each result is shorter
// than an object without its results may leave.
const (
	mostHead     = 4 << 10 // of an object without its results
	mostMessage  = 600
	mostProperty = 400
	mostEvidence = 5 // pieces
	mostName     = 253
	// mostHeld bounds the results that wait for more of their namespace. Findings come worst
	// first, not by namespace.
	mostHeld = 32 << 20
	// mostAnswers and mostParts bound what a report's annotations say; a report from a file can
	// have any number.
	mostAnswers, mostParts = 50, 200
)

// Annotations. Of every object:
const (
	// AnnotationCollected is when the facts were collected, RFC 3339.
	AnnotationCollected = "kubectl-checklist.github.io/collected-at"
	// AnnotationLeftOut says what was left out: in words, and in the summary as JSON, an object
	// of numbers.
	AnnotationLeftOut = "kubectl-checklist.github.io/left-out"
)

// Annotations of the ClusterReport without results, each a JSON object.
const (
	// AnnotationAbout says in words what the report is about: a cluster, a part of it, or files.
	AnnotationAbout = "kubectl-checklist.github.io/about"
	// AnnotationAnswers has the answer to each question: {"hosts":"unknown"}.
	AnnotationAnswers = "kubectl-checklist.github.io/answers"
	// AnnotationParts has the answer to each part: {"hosts:updates":"unknown"}.
	AnnotationParts = "kubectl-checklist.github.io/parts"
	// AnnotationVerdicts counts the results of all reports: {"fail":3,"unknown":1}.
	AnnotationVerdicts = "kubectl-checklist.github.io/verdicts"
	// AnnotationReports counts the other objects of the List, a number.
	AnnotationReports = "kubectl-checklist.github.io/reports"
)

// Formats are the entries of the list of formats.
func Formats() []report.Format {
	entry := func(name string, v version) report.Format {
		return report.Format{Name: name, New: func(_ string, opts report.Options) (report.Printer, error) {
			return &printer{opts: opts, version: v, most: mostHeld}, nil
		}}
	}
	return []report.Format{entry("openreports", openReports), entry("policyreport", policyReports)}
}

// version is one of the two APIs. Their fields are the same, but for the source of a report.
type version struct {
	apiVersion, namespaced, cluster string
	source                          string
}

var (
	openReports   = version{"openreports.io/v1alpha1", "Report", "ClusterReport", Tool}
	policyReports = version{"wgpolicyk8s.io/v1alpha2", "PolicyReport", "ClusterPolicyReport", ""}
)

type printer struct {
	opts    report.Options
	version version
	most    int // bytes of results to hold
}

// Print reads the findings once. It holds the results of objects that are not full, at most
// mostHeld bytes (more with spare capacity: 84 MB of heap with 400,000 findings in 5,000
// namespaces), and a number for each namespace. When they are more, all are written as they are.
func (p *printer) Print(out io.Writer, r *report.Report) error {
	w := &writer{
		out: out, version: p.version, most: p.most,
		prefix: prefix(r.Head, p.opts.Catalogue), groups: map[group]*chunk{}, verdicts: map[api.Verdict]int{},
	}
	if t := r.Head.CreationTimestamp; !t.IsZero() {
		w.collected = t.UTC().Format("2006-01-02T15:04:05Z")
		w.timestamp = &timestamp{Seconds: t.Unix()}
	}
	if p.opts.MinSeverity != "" {
		w.leftOut = fmt.Sprintf("findings below severity %s; %s %s counts them", p.opts.MinSeverity, p.version.cluster, w.prefix)
	}
	parts := report.PartsOf(r.Head, ", ")
	if _, err := io.WriteString(out, `{"apiVersion":"v1","kind":"List","items":[`); err != nil {
		return err
	}
	hidden := 0
	for f := range r.Each {
		if report.Hides(&f, p.opts.MinSeverity) {
			hidden++
			continue
		}
		one := resultOf(&f, parts[f.Check])
		one.Timestamp = w.timestamp
		if err := w.add(groupOf(&f.Subject), f.Verdict, one); err != nil {
			return err
		}
	}
	if err := w.flush(); err != nil {
		return err
	}
	if err := w.summary(r.Head, hidden); err != nil {
		return err
	}
	_, err := io.WriteString(out, "\n]}\n")
	return err
}

// prefix begins the names of a report's objects: "checklist-pods-3f2a9c01". The digits stand for the
// cluster and for what was asked, without the version of the tool.
func prefix(head *api.ChecklistReport, catalogue []checks.Check) string {
	asked := report.Asked(head, catalogue)
	id, err := json.Marshal([]any{
		head.Spec.Command, cmp.Or(head.Cluster.UID, head.Cluster.Server, head.Cluster.Name), asked, head.Spec.Inputs.Severity,
	})
	if err != nil { // strings and booleans always marshal
		id = []byte(head.Spec.Command)
	}
	hash := sha256.Sum256(id)
	const digits, most = 4, 20
	command := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return -1
	}, strings.ToLower(head.Spec.Command))
	command = strings.Trim(command[:min(len(command), most)], "-")
	if command == "checklist" || command == "" { // the command for all questions
		command = "all"
	}
	return "checklist-" + command + "-" + hex.EncodeToString(hash[:digits])
}

// group is what one report, or several with numbers, is about: a namespace, or "" and the word for
// the rest of the cluster.
type group struct{ namespace, word string }

// groupOf returns the group of a subject. A namespace that no object can be in is in no name.
func groupOf(s *fact.Subject) group {
	switch {
	case s.Namespace != "" && len(validation.IsDNS1123Label(s.Namespace)) == 0:
		return group{namespace: s.Namespace}
	case s.Namespace == "" && (s.Kind == fact.SubjectNode || s.Node != ""):
		return group{word: "nodes"}
	}
	return group{word: "cluster"}
}

// chunk has the results of an object that is not written yet.
type chunk struct {
	results []byte // JSON objects with commas between them
	summary summary
	written int // objects before this one
}

// The fields of both APIs. They are ours, because the modules of the APIs link clients.
type (
	object struct {
		APIVersion string          `json:"apiVersion"`
		Kind       string          `json:"kind"`
		Metadata   metadata        `json:"metadata"`
		Source     string          `json:"source,omitempty"`
		Summary    summary         `json:"summary"`
		Results    json.RawMessage `json:"results,omitempty"`
	}
	metadata struct {
		Name        string            `json:"name"`
		Namespace   string            `json:"namespace,omitempty"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations,omitempty"`
	}
	summary struct {
		Pass  int `json:"pass"`
		Fail  int `json:"fail"`
		Warn  int `json:"warn"`
		Error int `json:"error"`
		Skip  int `json:"skip"`
	}
	result struct {
		Source     string            `json:"source"`
		Policy     string            `json:"policy"`
		Category   string            `json:"category,omitempty"`
		Severity   string            `json:"severity,omitempty"`
		Timestamp  *timestamp        `json:"timestamp,omitempty"`
		Result     string            `json:"result"`
		Scored     bool              `json:"scored"`
		Resources  []reference       `json:"resources,omitempty"`
		Message    string            `json:"message,omitempty"`
		Properties map[string]string `json:"properties"`
	}
	reference struct {
		APIVersion string `json:"apiVersion,omitempty"`
		Kind       string `json:"kind"`
		Namespace  string `json:"namespace,omitempty"`
		Name       string `json:"name"`
	}
	timestamp struct {
		Seconds int64 `json:"seconds"`
		Nanos   int32 `json:"nanos"`
	}
)

// add counts a result.
func (s *summary) add(word string) {
	switch word {
	case "pass":
		s.Pass++
	case "fail":
		s.Fail++
	case "warn":
		s.Warn++
	default:
		s.Error++
	}
}

// writer writes objects, and holds the results of those that are not full.
type writer struct {
	out                        io.Writer
	version                    version
	prefix, collected, leftOut string
	timestamp                  *timestamp
	groups                     map[group]*chunk
	held, most                 int
	verdicts                   map[api.Verdict]int
	objects                    int // written
}

func (w *writer) add(g group, verdict api.Verdict, one *result) error {
	// As kubectl encodes it into its annotation: "<" is six bytes.
	text, err := json.Marshal(one)
	if err != nil {
		return err
	}
	c := w.groups[g]
	if c == nil {
		c = &chunk{}
		w.groups[g] = c
	}
	if len(c.results)+len(text)+1 > MaxObject-mostHead {
		if err := w.write(g, c); err != nil {
			return err
		}
	}
	before := len(c.results)
	if before > 0 {
		c.results = append(c.results, ',')
	}
	c.results = append(c.results, text...)
	c.summary.add(one.Result)
	w.verdicts[verdict.OrUnknown()]++
	if w.held += len(c.results) - before; w.held > w.most {
		return w.flush()
	}
	return nil
}

// flush writes what is held, by namespace.
func (w *writer) flush() error {
	byName := func(a, b group) int {
		return cmp.Or(cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.word, b.word))
	}
	for _, g := range slices.SortedFunc(maps.Keys(w.groups), byName) {
		if c := w.groups[g]; len(c.results) > 0 {
			if err := w.write(g, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// write writes the object of a chunk, and empties the chunk.
func (w *writer) write(g group, c *chunk) error {
	c.written++
	name, kind := w.prefix, w.version.namespaced
	if g.namespace == "" {
		name, kind = name+"-"+g.word, w.version.cluster
	}
	o := w.object(kind, name+"-"+strconv.Itoa(c.written))
	o.Metadata.Namespace, o.Summary = g.namespace, c.summary
	if w.leftOut != "" {
		o.Metadata.Annotations[AnnotationLeftOut] = w.leftOut
	}
	o.Results = slices.Concat([]byte{'['}, c.results, []byte{']'})
	w.held -= len(c.results)
	c.results, c.summary = nil, summary{}
	return w.encode(o)
}

func (w *writer) object(kind, name string) *object {
	o := &object{
		APIVersion: w.version.apiVersion, Kind: kind, Source: w.version.source,
		Metadata: metadata{Name: name, Labels: map[string]string{Label: Tool}, Annotations: map[string]string{}},
	}
	if w.collected != "" {
		o.Metadata.Annotations[AnnotationCollected] = w.collected
	}
	return o
}

func (w *writer) encode(o *object) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	separator := ",\n"
	if w.objects == 0 {
		separator = "\n"
	}
	w.objects++
	if _, err := io.WriteString(w.out, separator); err != nil {
		return err
	}
	_, err = w.out.Write(text)
	return err
}

// summary writes the object without results, which says what is about the whole report.
func (w *writer) summary(head *api.ChecklistReport, hidden int) error {
	answers, parts := map[string]string{}, map[string]string{}
	leftOut := map[string]int{}
	put := func(to map[string]string, most int, what, name string, word api.AnswerWord) {
		const mostWord = 40
		name = escape.Short(name, mostWord)
		if _, there := to[name]; there || len(to) == most {
			leftOut[what]++
			return
		}
		to[name] = escape.Short(string(word), mostWord)
	}
	for i := range head.Answers {
		a := &head.Answers[i]
		put(answers, mostAnswers, "answers", string(a.Question), a.Answer)
		for j := range a.Parts {
			put(parts, mostParts, "parts", string(a.Question)+":"+a.Parts[j].Part, a.Parts[j].Answer)
		}
	}
	if hidden > 0 {
		leftOut["severity"] = hidden
	}
	o := w.object(w.version.cluster, w.prefix)
	for name, value := range map[string]any{
		AnnotationAnswers: answers, AnnotationParts: parts, AnnotationVerdicts: w.verdicts,
		AnnotationReports: w.objects, AnnotationLeftOut: leftOut,
	} {
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		o.Metadata.Annotations[name] = string(text)
	}
	o.Metadata.Annotations[AnnotationAbout] = escape.Short(report.About(head), mostMessage)
	return w.encode(o)
}

// words are the APIs' words for verdicts.
var words = map[api.Verdict]string{api.Pass: "pass", api.Fail: "fail", api.Accepted: "warn", api.VerdictUnknown: "error"}

func resultOf(f *api.Finding, parts string) *result {
	one := &result{
		Source: Tool, Policy: escape.Short(f.Check, mostProperty), Category: escape.Short(string(f.Question), mostProperty),
		Result: words[f.Verdict.OrUnknown()], Scored: f.Verdict != api.Accepted,
		Message: escape.Short(f.Message, mostMessage), Properties: map[string]string{},
	}
	if f.Severity.Rank() > 0 { // the CRD refuses any other word
		one.Severity = string(f.Severity)
	}
	s := &f.Subject
	if ref := referenceTo(s); ref != nil {
		one.Resources = []reference{*ref}
	}
	put := func(name, value string) {
		if value = escape.Short(value, mostProperty); value != "" {
			one.Properties[name] = value
		}
	}
	put("verdict", string(f.Verdict))
	put("basis", string(f.Basis))
	put("parts", parts)
	put("subject", report.SubjectName(*s))
	put("container", s.Container)
	put("node", s.Node)
	put("cluster", s.Cluster)
	put("file", s.File)
	put("gap", string(f.Reason))
	put("fingerprint", f.Fingerprint())
	if a := f.Accepted; a != nil {
		put("accepted", a.Reason)
		put("acceptedBy", a.AcceptedBy)
		put("acceptedUntil", a.Expires)
	}
	for i, e := range f.Evidence {
		if i == mostEvidence {
			put("evidenceLeftOut", strconv.Itoa(len(f.Evidence)-i))
			break
		}
		const half = mostProperty/2 - 20
		put("evidence"+strconv.Itoa(i+1), escape.Short(e.Source, half)+": "+escape.Short(e.Value, half)+" ("+string(e.Basis)+")")
	}
	return one
}

// apiVersions are those of the API's kinds. A reference to another kind, of a file, has none.
var apiVersions = map[string]string{
	fact.SubjectPod: "v1", fact.SubjectNode: "v1", fact.SubjectSecret: "v1", fact.SubjectConfigMap: "v1",
	fact.SubjectNamespace: "v1", fact.SubjectReplicationController: "v1",
	fact.SubjectDeployment: "apps/v1", fact.SubjectReplicaSet: "apps/v1", fact.SubjectDaemonSet: "apps/v1",
	fact.SubjectStatefulSet: "apps/v1", fact.SubjectJob: "batch/v1", fact.SubjectCronJob: "batch/v1",
}

// referenceTo returns the object that a subject is; nil if it is none of the API.
func referenceTo(s *fact.Subject) *reference {
	switch s.Kind {
	case "", fact.SubjectCluster, fact.SubjectContainer, fact.SubjectFile:
		return nil
	}
	if s.Name == "" {
		return nil
	}
	return &reference{
		APIVersion: apiVersions[s.Kind], Kind: escape.Short(s.Kind, mostName), Namespace: escape.Short(s.Namespace, mostName), Name: escape.Short(s.Name, mostName),
	}
}
