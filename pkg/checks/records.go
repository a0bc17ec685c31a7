package checks

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/spool"
)

// records holds findings as bytes, in the order of a report: a finding takes a fifth of the
// memory of an api.Finding, and the garbage collector does not look into it. What is too much
// for memory is spilled.
type records struct {
	spool   *spool.Spool
	classes []recordClass // by the class of a record
	numbers map[recordClass]uint32
	ranks   []int // of the classes, in the order of their kinds; out of date if there are fewer
}

// recordClass is what findings are sorted by before their subject, and what they say.
type recordClass struct {
	kind
	said *Said // nil if nobody asked for it
}

// recordsLimit is how many bytes of findings are in memory before they are spilled. What lives
// for the whole run is the most of a stream's memory: of each byte, the garbage collector takes
// a second one.
const recordsLimit = 16 << 20

func newRecords(open func() (spool.File, error)) *records {
	r := &records{numbers: map[recordClass]uint32{}}
	r.spool = spool.New(func(a, b spool.Record) int {
		c := 0
		if a.Class != b.Class {
			c = r.compareClasses(a.Class, b.Class)
		}
		return cmp.Or(c, compareSubjects(a.Data, b.Data))
	})
	r.spool.Open, r.spool.Limit, r.spool.Rank = open, recordsLimit, r.rank
	return r
}

// kind is the kind of a class. A class that was read back wrongly has none.
func (r *records) kind(class uint32) kind {
	if uint64(class) >= uint64(len(r.classes)) {
		return kind{}
	}
	return r.classes[class].kind
}

// compareClasses compares the kinds of two classes, as the first that records are sorted by.
func (r *records) compareClasses(a, b uint32) int {
	if n := uint64(len(r.classes)); uint64(a) >= n || uint64(b) >= n {
		return r.kind(a).compare(r.kind(b))
	}
	return cmp.Compare(r.rank(a), r.rank(b))
}

// rank is the place of a class's kind among those of all classes.
func (r *records) rank(class uint32) int {
	if len(r.ranks) < len(r.classes) {
		order := make([]int, len(r.classes))
		for i := range order {
			order[i] = i
		}
		compare := func(i, j int) int { return r.classes[i].compare(r.classes[j].kind) }
		slices.SortFunc(order, compare)
		r.ranks = make([]int, len(order))
		for k := 1; k < len(order); k++ {
			r.ranks[order[k]] = r.ranks[order[k-1]]
			if compare(order[k-1], order[k]) != 0 {
				r.ranks[order[k]] = k
			}
		}
	}
	return r.ranks[class]
}

// renamed is another subject to which a finding applies too: one whose spec is equal.
type renamed struct {
	owner    *fact.Subject
	from, to string // the origins
}

// add adds a finding, which says what others say, too. If as is not nil, it adds it as that
// of another subject.
func (r *records) add(f *api.Finding, said *Said, as *renamed) {
	k := recordClass{kind{f.Verdict, f.Severity, f.Check}, said}
	class, known := r.numbers[k]
	if !known {
		class = uint32(len(r.classes))
		r.classes, r.numbers[k] = append(r.classes, k), class
	}
	r.spool.Add(class, func(data []byte) []byte { return appendFinding(data, f, as) })
}

// each calls yield with the findings in the order of a report.
func (r *records) each(yield func(api.Finding) bool) error {
	var wrong error
	err := r.spool.Each(func(one spool.Record) bool {
		var f api.Finding
		if f, wrong = findingOf(one.Data, r.kind(one.Class)); wrong != nil {
			return false
		}
		return yield(f)
	})
	return cmp.Or(wrong, err)
}

// few is each for the first so many of each class, with what they say.
func (r *records) few(most int, yield func(api.Finding, *Said) bool) error {
	given := make([]int, len(r.classes))
	var wrong error
	err := r.spool.Each(func(one spool.Record) bool {
		if uint64(one.Class) >= uint64(len(given)) {
			wrong = spool.ErrCorrupt
			return false
		}
		if given[one.Class]++; given[one.Class] > most {
			return true
		}
		var f api.Finding
		if f, wrong = findingOf(one.Data, r.kind(one.Class)); wrong != nil {
			return false
		}
		return yield(f, r.classes[one.Class].said)
	})
	return cmp.Or(wrong, err)
}

// lost says that findings were lost, "" if none were.
func (r *records) lost() string {
	n, _ := r.spool.Lost()
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%s were counted but not kept: they did not fit into %d MiB of memory, and no temporary file could be written", Count(n, "finding"), r.spool.Most>>20)
}

func appendText(data []byte, text string) []byte {
	return append(binary.AppendUvarint(data, uint64(len(text))), text...)
}

// subjectTexts is how many texts begin a record, in the order of fact.Subject.Compare.
const subjectTexts = 7

func appendFinding(data []byte, f *api.Finding, as *renamed) []byte {
	s := &f.Subject
	namespace, name, file := s.Namespace, s.Name, s.File
	if as != nil {
		namespace, name, file = as.owner.Namespace, as.owner.Name, as.owner.File
	}
	for _, text := range [subjectTexts]string{s.Kind, namespace, name, s.Container, s.Node, s.Cluster, file} {
		data = appendText(data, text)
	}
	flags := byte(0)
	if s.Platform {
		flags |= 1
	}
	if f.FromGap {
		flags |= 2
	}
	if len(f.CoveredBy) > 0 {
		flags |= 4
	}
	if f.Accepted != nil {
		flags |= 8
	}
	data = append(data, flags)
	data = binary.AppendUvarint(data, uint64(max(s.PodCount, 0)))
	data = binary.AppendUvarint(data, uint64(len(s.Pods)))
	for _, pod := range s.Pods {
		data = appendText(data, pod)
	}
	for _, text := range [...]string{string(f.Basis), f.Message, f.Remediation.Text, string(f.Reason)} {
		data = appendText(data, text)
	}
	if len(f.CoveredBy) > 0 {
		data = binary.AppendUvarint(appendText(data, string(f.Remaining)), uint64(len(f.CoveredBy)))
		for _, id := range f.CoveredBy {
			data = appendText(data, id)
		}
	}
	if a := f.Accepted; a != nil {
		for _, text := range [...]string{a.Reason, a.AcceptedBy, a.Accepted, a.Expires} {
			data = appendText(data, text)
		}
		data = binary.AppendUvarint(data, uint64(max(a.Line, 0)))
	}
	data = binary.AppendUvarint(data, uint64(len(f.Evidence)))
	for i := range f.Evidence {
		e := &f.Evidence[i]
		if rest, ok := cutOrigin(e.Source, as); ok {
			data = binary.AppendUvarint(data, uint64(len(as.to)+len(rest)))
			data = append(append(data, as.to...), rest...)
		} else {
			data = appendText(data, e.Source)
		}
		data = appendText(appendText(data, e.Value), string(e.Basis))
	}
	return data
}

// cutOrigin is the rest of a source that begins with the origin.
func cutOrigin(source string, as *renamed) (rest string, ok bool) {
	if as == nil {
		return "", false
	}
	rest, ok = strings.CutPrefix(source, as.from)
	return rest, ok && strings.HasPrefix(rest, " ")
}

// cursor reads texts and numbers of a record. What is wrong with a record that was read
// back gives zeros, and is an error.
type cursor struct {
	text string
	bad  bool
}

func (c *cursor) number() int {
	var n uint64
	for shift := 0; shift < 63; shift += 7 {
		if c.text == "" {
			break
		}
		b := c.text[0]
		c.text = c.text[1:]
		if n |= uint64(b&0x7f) << shift; b < 0x80 {
			return int(n)
		}
	}
	c.bad = true
	return 0
}

func (c *cursor) string() string {
	n := c.number()
	if n > len(c.text) {
		c.bad, c.text = true, ""
		return ""
	}
	text := c.text[:n]
	c.text = c.text[n:]
	return text
}

// list is the length of a list, whose entries take at least so many bytes.
func (c *cursor) list(least int) int {
	n := c.number()
	if n > len(c.text)/least {
		c.bad, c.text = true, ""
		return 0
	}
	return n
}

// findingOf reads a finding; spool.ErrCorrupt if its bytes are not one.
func findingOf(data []byte, k kind) (api.Finding, error) {
	c := cursor{text: string(data)}
	f := api.Finding{Check: k.check, Question: Check{ID: k.check}.Question(), Verdict: k.verdict, Severity: k.severity}
	s := &f.Subject
	for _, text := range [subjectTexts]*string{&s.Kind, &s.Namespace, &s.Name, &s.Container, &s.Node, &s.Cluster, &s.File} {
		*text = c.string()
	}
	if c.text == "" {
		return f, spool.ErrCorrupt
	}
	s.Platform, f.FromGap = c.text[0]&1 != 0, c.text[0]&2 != 0
	covered, accepted := c.text[0]&4 != 0, c.text[0]&8 != 0
	c.text = c.text[1:]
	s.PodCount = c.number()
	for range c.list(1) {
		s.Pods = append(s.Pods, c.string())
	}
	f.Basis, f.Message, f.Remediation.Text, f.Reason = api.Basis(c.string()), c.string(), c.string(), fact.Reason(c.string())
	if covered {
		f.Remaining = api.Severity(c.string())
		for range c.list(1) {
			f.CoveredBy = append(f.CoveredBy, c.string())
		}
	}
	if accepted {
		f.Accepted = &api.Acceptance{Reason: c.string(), AcceptedBy: c.string(), Accepted: c.string(), Expires: c.string(), Line: c.number()}
	}
	if n := c.list(3); n > 0 {
		f.Evidence = make([]api.Evidence, n)
		for i := range f.Evidence {
			f.Evidence[i] = api.Evidence{Source: c.string(), Value: c.string(), Basis: api.Basis(c.string())}
		}
	}
	if c.bad || c.text != "" {
		return f, spool.ErrCorrupt
	}
	return f, nil
}

// compareSubjects compares the subjects of two records.
func compareSubjects(a, b []byte) int {
	for range subjectTexts {
		var n, m uint64
		i, j := 1, 1
		if len(a) > 0 && len(b) > 0 && a[0]|b[0] < 0x80 { // nearly always: lengths of one byte
			n, m = uint64(a[0]), uint64(b[0])
		} else {
			n, i = binary.Uvarint(a)
			m, j = binary.Uvarint(b)
		}
		if i <= 0 || j <= 0 || n > uint64(len(a)-i) || m > uint64(len(b)-j) {
			return bytes.Compare(a, b) // a record that was read back wrongly: findingOf says so
		}
		if c := bytes.Compare(a[i:i+int(n)], b[j:j+int(m)]); c != 0 {
			return c
		}
		a, b = a[i+int(n):], b[j+int(m):]
	}
	return 0
}
