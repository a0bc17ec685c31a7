package checks

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// Spill is where findings go that are too many for memory.
type Spill interface {
	io.Writer
	io.ReaderAt
}

// maxRecords is how many bytes of findings a Stream holds in memory before it spills them.
// maxUnspilled is how many it holds if they cannot be spilled: what comes then is lost, and
// a gap says so.
const (
	maxRecords   = 32 << 20
	maxUnspilled = 256 << 20
)

// records holds findings as bytes: a finding takes a fifth of the memory of an api.Finding,
// and the garbage collector does not look into it. Beyond a limit it writes them, sorted, to
// a Spill.
type records struct {
	open  func() (Spill, error) // nil if nothing can be spilled
	limit int

	data    []byte
	index   []record
	kinds   []kind
	numbers map[kind]uint16

	spill   Spill
	written int64
	runs    []runOf
	failed  error // why nothing more is spilled
	lost    int   // findings
}

// record is a finding in the data, or of a run.
type record struct {
	at, size int
	kind     uint16
}

// runOf is where a sorted run is in the spill.
type runOf struct{ from, to int64 }

func newRecords(open func() (Spill, error)) *records {
	return &records{open: open, limit: maxRecords, numbers: map[kind]uint16{}}
}

// renamed is another subject to which a finding applies too: one whose spec is equal.
type renamed struct {
	owner    *fact.Subject
	from, to string // the origins
}

// add adds a finding of the check with an ID. If as is not nil, it adds it as that of
// another subject.
func (r *records) add(f *api.Finding, as *renamed) {
	if len(r.data) >= r.limit {
		r.flush()
	}
	if r.failed != nil && len(r.data) >= max(maxUnspilled, r.limit) {
		r.lost++
		return
	}
	k := kind{f.Verdict, f.Severity, f.Check}
	number, known := r.numbers[k]
	if !known {
		number = uint16(len(r.kinds))
		r.kinds, r.numbers[k] = append(r.kinds, k), number
	}
	at := len(r.data)
	r.data = appendFinding(r.data, f, as)
	r.index = append(r.index, record{at, len(r.data) - at, number})
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
	data = append(data, flags)
	data = binary.AppendUvarint(data, uint64(max(s.PodCount, 0)))
	data = binary.AppendUvarint(data, uint64(len(s.Pods)))
	for _, pod := range s.Pods {
		data = appendText(data, pod)
	}
	for _, text := range [...]string{string(f.Basis), f.Message, f.Remediation, string(f.Reason)} {
		data = appendText(data, text)
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

var errBadRecord = errors.New("a finding that was written to a temporary file was not read back as it was written")

func finding(data []byte, k kind) (api.Finding, error) {
	c := cursor{text: string(data)}
	f := api.Finding{Check: k.check, Question: Check{ID: k.check}.Question(), Verdict: k.verdict, Severity: k.severity}
	s := &f.Subject
	for _, text := range [subjectTexts]*string{&s.Kind, &s.Namespace, &s.Name, &s.Container, &s.Node, &s.Cluster, &s.File} {
		*text = c.string()
	}
	if c.text == "" {
		return f, errBadRecord
	}
	s.Platform, f.FromGap = c.text[0]&1 != 0, c.text[0]&2 != 0
	c.text = c.text[1:]
	s.PodCount = c.number()
	for range c.list(1) {
		s.Pods = append(s.Pods, c.string())
	}
	f.Basis, f.Message, f.Remediation, f.Reason = api.Basis(c.string()), c.string(), c.string(), fact.Reason(c.string())
	if n := c.list(3); n > 0 {
		f.Evidence = make([]api.Evidence, n)
		for i := range f.Evidence {
			f.Evidence[i] = api.Evidence{Source: c.string(), Value: c.string(), Basis: api.Basis(c.string())}
		}
	}
	if c.bad || c.text != "" {
		return f, errBadRecord
	}
	return f, nil
}

// compareSubjects compares the subjects of two records.
func compareSubjects(a, b []byte) int {
	for range subjectTexts {
		n, i := binary.Uvarint(a)
		m, j := binary.Uvarint(b)
		if i <= 0 || j <= 0 || n > uint64(len(a)-i) || m > uint64(len(b)-j) {
			return bytes.Compare(a, b) // a record that was read back wrongly: finding says so
		}
		if c := bytes.Compare(a[i:i+int(n)], b[j:j+int(m)]); c != 0 {
			return c
		}
		a, b = a[i+int(n):], b[j+int(m):]
	}
	return 0
}

func (r *records) of(at *record) []byte { return r.data[at.at : at.at+at.size] }

// sort orders what is in memory as SortFindings does.
func (r *records) sort() {
	places := make([]int, len(r.kinds))
	order := make([]int, len(r.kinds))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return r.kinds[a].compare(r.kinds[b]) })
	for place, i := range order {
		places[i] = place
	}
	slices.SortFunc(r.index, func(a, b record) int {
		return cmp.Or(cmp.Compare(places[a.kind], places[b.kind]), compareSubjects(r.of(&a), r.of(&b)), cmp.Compare(a.at, b.at))
	})
}

// flush writes what is in memory to the spill.
func (r *records) flush() {
	if r.failed != nil || len(r.index) == 0 {
		return
	}
	if r.spill == nil {
		r.failed = errors.New("no temporary file")
		if r.open != nil {
			r.spill, r.failed = r.open()
		}
		if r.failed != nil {
			return
		}
	}
	r.sort()
	out := bufio.NewWriterSize(r.spill, 1<<16)
	var head []byte
	written := int64(0)
	for i := range r.index {
		at := &r.index[i]
		head = binary.AppendUvarint(binary.AppendUvarint(head[:0], uint64(at.kind)), uint64(at.size))
		_, _ = out.Write(head) // its error comes with Flush
		_, _ = out.Write(r.of(at))
		written += int64(len(head) + at.size)
	}
	if err := out.Flush(); err != nil {
		r.failed = err // a run that is not complete is not used
		return
	}
	r.runs = append(r.runs, runOf{r.written, r.written + written})
	r.written += written
	r.data, r.index = r.data[:0], r.index[:0]
}

// source gives records in their order.
type source struct {
	records *records
	in      *bufio.Reader // of a run; nil for what is in memory
	next    int
	data    []byte
	kind    uint16
}

// advance goes to the next record; false at the end.
func (s *source) advance() (bool, error) {
	if s.in == nil {
		if s.next == len(s.records.index) {
			return false, nil
		}
		at := &s.records.index[s.next]
		s.next++
		s.data, s.kind = s.records.of(at), at.kind
		return true, nil
	}
	number, err := binary.ReadUvarint(s.in)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	size, err2 := binary.ReadUvarint(s.in)
	if err != nil || err2 != nil || number >= uint64(len(s.records.kinds)) || size > maxUnspilled {
		return false, errBadRecord
	}
	s.kind = uint16(number)
	s.data = slices.Grow(s.data[:0], int(size))[:size]
	if _, err := io.ReadFull(s.in, s.data); err != nil {
		return false, errBadRecord
	}
	return true, nil
}

func (s *source) compare(o *source) int {
	return cmp.Or(s.records.kinds[s.kind].compare(o.records.kinds[o.kind]), compareSubjects(s.data, o.data))
}

// eachRecord gives the findings of several records in the order of a report. What is in
// memory is sorted.
func eachRecord(all []*records, yield func(api.Finding) bool) error {
	var sources []*source
	for _, r := range all {
		for _, run := range r.runs {
			section := io.NewSectionReader(r.spill, run.from, run.to-run.from)
			sources = append(sources, &source{records: r, in: bufio.NewReaderSize(section, 1<<16)})
		}
		sources = append(sources, &source{records: r})
	}
	// The heap's first is the least. Equal ones come in the order of their sources.
	var heap []int
	less := func(a, b int) bool {
		c := sources[a].compare(sources[b])
		return c < 0 || c == 0 && a < b
	}
	down := func(i int) {
		for {
			least := i
			for _, child := range []int{2*i + 1, 2*i + 2} {
				if child < len(heap) && less(heap[child], heap[least]) {
					least = child
				}
			}
			if least == i {
				return
			}
			heap[i], heap[least] = heap[least], heap[i]
			i = least
		}
	}
	for i, s := range sources {
		ok, err := s.advance()
		if err != nil {
			return err
		}
		if ok {
			heap = append(heap, i)
		}
	}
	for i := len(heap) / 2; i >= 0; i-- {
		down(i)
	}
	for len(heap) > 0 {
		s := sources[heap[0]]
		f, err := finding(s.data, s.records.kinds[s.kind])
		if err != nil {
			return err
		}
		if !yield(f) {
			return nil
		}
		ok, err := s.advance()
		if err != nil {
			return err
		}
		if !ok {
			heap[0] = heap[len(heap)-1]
			heap = heap[:len(heap)-1]
		}
		down(0)
	}
	return nil
}

// lostText says that findings were lost, "" if none were.
func (r *records) lostText() string {
	if r.lost == 0 {
		return ""
	}
	return fmt.Sprintf("%s were counted but not kept: they did not fit into %d MiB of memory, and no temporary file could be written", Count(r.lost, "finding"), maxUnspilled>>20)
}
