// Package waiverfile reads and writes files of waivers.
package waiverfile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	yamlv3 "go.yaml.in/yaml/v3"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/manifest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/waiver"
)

// Kind is the kind of a file of waivers. Its apiVersion is that of reports.
const Kind = "ChecklistWaivers"

// Bounds of a file.
const (
	MaxBytes    = 16 << 20
	MaxWaivers  = 20_000
	maxEvidence = 100_000 // a container of a hostile file can have that many mounts
	maxText     = 64 << 10
	maxErrors   = 20
)

// Known says what the catalogue knows about a check: whether it exists, and why it cannot be
// waived ("" if it can).
type Known func(check string) (exists bool, never string)

// Problem is one thing that is wrong with a file, in our own words.
type Problem struct {
	Line int // from 1; 0 if it is about the whole file
	Text string
}

func (p Problem) String() string {
	if p.Line == 0 {
		return p.Text
	}
	return fmt.Sprintf("line %d: %s", p.Line, p.Text)
}

// Problems is the error of Read: all that is wrong, up to maxErrors, in the order of the lines.
type Problems struct {
	List []Problem
	More int
}

func (p *Problems) Error() string {
	words := make([]string, len(p.List))
	for i := range p.List {
		words[i] = p.List[i].String()
	}
	text := strings.Join(words, "\n")
	if p.More > 0 {
		text += fmt.Sprintf("\nand %d more", p.More)
	}
	return text
}

// Read reads waivers as of a time. A file with any mistake is refused as a whole: an error is
// always a *Problems.
func Read(data []byte, known Known, now time.Time) (*waiver.List, error) {
	r := reader{known: known, today: now.UTC().Truncate(24 * time.Hour)}
	waivers := r.file(data)
	if len(r.problems) > 0 {
		slices.SortStableFunc(r.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
		n := min(len(r.problems), maxErrors)
		return nil, &Problems{r.problems[:n], len(r.problems) - n}
	}
	return waiver.New(waivers), nil
}

type reader struct {
	known    Known
	today    time.Time
	problems []Problem
}

func (r *reader) wrong(line int, format string, args ...any) {
	r.problems = append(r.problems, Problem{line, fmt.Sprintf(format, args...)})
}

// document is the root of the only YAML document, nil if there is no such.
func (r *reader) document(data []byte) (root *yamlv3.Node) {
	defer func() {
		if recover() != nil {
			r.wrong(0, "not valid YAML")
			root = nil
		}
	}()
	if len(data) > MaxBytes {
		r.wrong(0, "expected at most %d bytes", MaxBytes)
		return nil
	}
	if line, problem := manifest.CheckYAML(data); problem != "" {
		r.wrong(line, "%s", problem)
		return nil
	}
	decoder := yamlv3.NewDecoder(bytes.NewReader(data))
	var first, second yamlv3.Node
	if err := decoder.Decode(&first); err != nil || len(first.Content) == 0 {
		r.wrong(0, "expected a document of kind %s, found nothing", Kind)
		return nil
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		r.wrong(second.Line, "expected one document, found several")
		return nil
	}
	return first.Content[0]
}

func (r *reader) file(data []byte) []waiver.Waiver {
	root := r.document(data)
	if root == nil {
		return nil
	}
	fields := r.fields(root, "the file", "apiVersion", "kind", "waivers")
	if fields == nil {
		return nil
	}
	version, kind := r.text(fields["apiVersion"], "apiVersion"), r.text(fields["kind"], "kind")
	if kind != Kind {
		r.problems = nil // its fields are those of another kind
		r.wrong(root.Line, "kind: expected %s, found %q", Kind, short(kind))
		return nil
	}
	if version != api.GroupVersion.String() {
		r.wrong(root.Line, "apiVersion: expected %s, found %q", api.GroupVersion, short(version))
		return nil
	}
	list := r.list(fields["waivers"], "waivers", MaxWaivers)
	type identity struct {
		check, cluster string
		subject        waiver.Subject
	}
	lines := map[identity]int{}
	waivers := make([]waiver.Waiver, 0, len(list))
	for _, node := range list {
		before := len(r.problems)
		w := r.waiver(node)
		if len(r.problems) > before {
			continue
		}
		id := identity{w.Check, w.Cluster, w.Subject}
		if line, twice := lines[id]; twice {
			r.wrong(w.Line, "a waiver of %s for this subject is in line %d already", w.Check, line)
			continue
		}
		lines[id] = w.Line
		waivers = append(waivers, w)
	}
	return waivers
}

func (r *reader) waiver(node *yamlv3.Node) waiver.Waiver {
	w := waiver.Waiver{Line: node.Line}
	fields := r.fields(node, "a waiver", "check", "subject", "cluster", "severity", "evidence", "reason", "acceptedBy", "accepted", "expires")
	if fields == nil {
		return w
	}
	line := func(name string) int {
		if n := fields[name]; n != nil {
			return n.Line
		}
		return node.Line
	}
	w.Check = r.text(fields["check"], "check")
	switch exists, never := r.known(w.Check); {
	case w.Check == "":
		r.wrong(line("check"), "check: expected the ID of a check, found nothing")
	case waiver.IsGlob(w.Check):
		r.wrong(line("check"), "check: expected the ID of one check, found %q", short(w.Check))
	case !exists:
		r.wrong(line("check"), "check: this version has no check %q", short(w.Check))
	case never != "":
		r.wrong(line("check"), "check: %s cannot be waived: %s", w.Check, never)
	}
	w.Subject = r.subject(fields["subject"], node.Line)
	w.Cluster = r.text(fields["cluster"], "cluster")
	w.Severity = api.Severity(r.text(fields["severity"], "severity"))
	if w.Severity.Rank() == 0 {
		r.wrong(line("severity"), "severity: expected critical, high, medium or low, found %q", short(string(w.Severity)))
	}
	w.Evidence = r.evidence(fields["evidence"], node.Line)
	w.Reason, w.AcceptedBy = r.text(fields["reason"], "reason"), r.text(fields["acceptedBy"], "acceptedBy")
	if strings.TrimSpace(w.Reason) == "" {
		r.wrong(line("reason"), "reason: expected why the risk is accepted, found nothing")
	}
	if strings.TrimSpace(w.AcceptedBy) == "" {
		r.wrong(line("acceptedBy"), "acceptedBy: expected who accepted the risk, found nothing")
	}
	var from, to bool
	w.Accepted, from = r.day(fields["accepted"], "accepted", line("accepted"))
	w.Expires, to = r.day(fields["expires"], "expires", line("expires"))
	if from && w.Accepted.After(r.today) {
		r.wrong(line("accepted"), "accepted: %s is in the future: today is %s (UTC)", w.Accepted.Format(time.DateOnly), r.today.Format(time.DateOnly))
	}
	if from && to {
		switch last := w.Accepted.AddDate(0, 0, waiver.MaxDays); {
		case w.Expires.Before(w.Accepted):
			r.wrong(line("expires"), "expires: %s is before accepted (%s)", w.Expires.Format(time.DateOnly), w.Accepted.Format(time.DateOnly))
		case w.Expires.After(last):
			r.wrong(line("expires"), "expires: expected at most %d days after accepted (%s), found %s", waiver.MaxDays, last.Format(time.DateOnly), w.Expires.Format(time.DateOnly))
		}
	}
	return w
}

func (r *reader) subject(node *yamlv3.Node, line int) (s waiver.Subject) {
	if node == nil {
		r.wrong(line, "subject: expected kind and name, found nothing")
		return s
	}
	fields := r.fields(node, "subject", "kind", "namespace", "name", "container")
	if fields == nil {
		return s
	}
	s = waiver.Subject{
		Kind: r.text(fields["kind"], "kind"), Namespace: r.text(fields["namespace"], "namespace"),
		Name: r.text(fields["name"], "name"), Container: r.text(fields["container"], "container"),
	}
	literal := func(text string) bool { return text != "" && !waiver.IsGlob(text) }
	switch {
	case s.Kind == "":
		r.wrong(node.Line, "subject.kind: expected a kind, found nothing")
	case waiver.IsGlob(s.Kind):
		r.wrong(node.Line, "subject.kind: expected one kind, found %q", short(s.Kind))
	case s.Kind == "Cluster":
	case s.Name == "":
		r.wrong(node.Line, `subject.name: expected a name or a glob ("*" for every name), found nothing`)
	case waiver.Aggregate(s.Kind):
		if s.Kind != "File" && (waiver.IsGlob(s.Namespace) || waiver.IsGlob(s.Name)) {
			r.wrong(node.Line, "subject: expected the exact name of a %s, found a glob: its findings are about many objects", s.Kind)
		}
	case !literal(s.Namespace) && !literal(s.Name):
		r.wrong(node.Line, "subject: expected a namespace or a name, found only globs")
	}
	return s
}

func (r *reader) evidence(node *yamlv3.Node, line int) []waiver.Item {
	if node == nil || node.Kind == yamlv3.SequenceNode && len(node.Content) == 0 {
		r.wrong(line, "evidence: expected the values that were accepted, found nothing")
		return nil
	}
	var items []waiver.Item
	for _, n := range r.list(node, "evidence", maxEvidence) {
		fields := r.fields(n, "evidence", "field", "value")
		if fields == nil {
			continue
		}
		item := waiver.Item{Field: r.text(fields["field"], "field"), Value: r.text(fields["value"], "value")}
		if item.Field == "" {
			r.wrong(n.Line, "evidence.field: expected where the value was read, found nothing")
		}
		items = append(items, item)
	}
	return items
}

func (r *reader) day(node *yamlv3.Node, name string, line int) (time.Time, bool) {
	text := r.text(node, name)
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		r.wrong(line, "%s: expected a date (2026-11-29), found %q", name, short(text))
		return time.Time{}, false
	}
	return day, true
}

// fields are the values of a mapping by their keys; nil if it is none.
func (r *reader) fields(node *yamlv3.Node, what string, names ...string) map[string]*yamlv3.Node {
	if !r.plain(node) {
		return nil
	}
	if node.Kind != yamlv3.MappingNode {
		r.wrong(node.Line, "%s: expected fields, found %s", what, kindOf(node))
		return nil
	}
	fields := make(map[string]*yamlv3.Node, len(names))
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		switch {
		case !r.plain(key):
		case !slices.Contains(names, key.Value):
			r.wrong(key.Line, "%s has no field %q; its fields are %s", what, short(key.Value), strings.Join(names, ", "))
		case fields[key.Value] != nil:
			r.wrong(key.Line, "%s is there twice", key.Value)
		default:
			fields[key.Value] = value
		}
	}
	return fields
}

// plain reports whether a node is no alias and has no anchor. These files have no use for them,
// and a reviewer would have to look elsewhere for what was accepted.
func (r *reader) plain(node *yamlv3.Node) bool {
	if node.Kind == yamlv3.AliasNode || node.Anchor != "" {
		r.wrong(node.Line, "anchors and aliases are not allowed here: write the value out")
		return false
	}
	return true
}

func (r *reader) list(node *yamlv3.Node, name string, most int) []*yamlv3.Node {
	switch {
	case node == nil || node.Kind == yamlv3.ScalarNode && node.Tag == "!!null":
		return nil
	case !r.plain(node):
		return nil
	case node.Kind != yamlv3.SequenceNode:
		r.wrong(node.Line, "%s: expected a list, found %s", name, kindOf(node))
		return nil
	case len(node.Content) > most:
		r.wrong(node.Line, "%s: expected at most %d entries, found %d", name, most, len(node.Content))
		return nil
	}
	return node.Content
}

// text is a scalar as it is written, "" if it is not there.
func (r *reader) text(node *yamlv3.Node, name string) string {
	switch {
	case node == nil || !r.plain(node):
		return ""
	case node.Kind != yamlv3.ScalarNode:
		r.wrong(node.Line, "%s: expected a text, found %s", name, kindOf(node))
		return ""
	case node.Tag == "!!null":
		return ""
	case node.Tag == "!!binary":
		r.wrong(node.Line, "%s: expected a text, found binary data", name)
		return ""
	case len(node.Value) > maxText:
		r.wrong(node.Line, "%s: expected at most %d bytes, found %d", name, maxText, len(node.Value))
		return ""
	}
	return node.Value
}

func kindOf(node *yamlv3.Node) string {
	switch node.Kind {
	case yamlv3.MappingNode:
		return "fields"
	case yamlv3.SequenceNode:
		return "a list"
	case yamlv3.ScalarNode:
		return "a value"
	}
	return "something else"
}

// short is a text for an error.
func short(text string) string {
	const most = 80
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
