package html

import (
	"bufio"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strconv"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// The columns, in the order of their arrays. Each entry is the index of a text in the dictionary.
// page.js has the same list.
const (
	colVerdict = iota
	colSeverity
	colCheck
	colQuestion
	colParts
	colSubject
	colNamespace
	colNode
	colBasis
	colMessage
	colReason
	colAccepted
	colRemedy
	columns
)

// packed are findings by columns. Equal texts are kept once.
type packed struct {
	index   map[string]uint32
	strings []string
	columns [columns][]uint32
	// counts has, for each finding, how many of the evidence are its own. lost are those that it
	// had besides.
	counts, lost []uint32
	// evidence has three entries each: source, value, basis.
	evidence []uint32
	titles   map[string]string
}

func newPacked(head *api.ChecklistReport) *packed {
	p := &packed{index: map[string]uint32{}, titles: map[string]string{}}
	p.text("")
	for _, c := range head.Checks {
		p.titles[plain(c.Check)] = plain(c.Title)
	}
	return p
}

// text returns the index of a text of others.
func (p *packed) text(s string) uint32 {
	s = plain(s)
	i, ok := p.index[s]
	if !ok {
		i = uint32(len(p.strings)) //nolint:gosec // as many texts do not fit in memory
		p.index[s], p.strings = i, append(p.strings, s)
	}
	return i
}

func (p *packed) add(f *api.Finding, parts string) {
	for i, s := range [columns]string{
		string(f.Verdict), string(f.Severity), f.Check, string(f.Question), parts, report.SubjectName(f.Subject),
		f.Subject.Namespace, f.Subject.Node, string(f.Basis), f.Message, string(f.Reason), accepted(f.Accepted), f.Remediation.Text,
	} {
		p.columns[i] = append(p.columns[i], p.text(s))
	}
	if f.Subject.Kind == "Node" && f.Subject.Node == "" {
		p.columns[colNode][len(p.columns[colNode])-1] = p.text(f.Subject.Name)
	}
	n := min(len(f.Evidence), mostEvidence)
	p.counts, p.lost = append(p.counts, uint32(n)), append(p.lost, uint32(len(f.Evidence)-n)) //nolint:gosec // lengths
	for _, e := range f.Evidence[:n] {
		p.evidence = append(p.evidence, p.text(e.Source), p.text(e.Value), p.text(string(e.Basis)))
	}
}

// encode writes the JSON that page.js reads:
// {"strings": [...], "titles": {check: title}, "columns": [[...], ...], "counts": [...],
// "lost": [...], "evidence": [...]}.
func (p *packed) encode(out io.Writer) error {
	w := bufio.NewWriterSize(out, 1<<16)
	w.WriteString(`{"strings":[`) //nolint:errcheck // the writer keeps its error for Flush
	for i, s := range p.strings {
		if i > 0 {
			w.WriteByte(',') //nolint:errcheck // as above
		}
		quoted, err := json.Marshal(s)
		if err != nil {
			return err
		}
		w.Write(quoted) //nolint:errcheck // as above
	}
	titles, err := json.Marshal(p.titles)
	if err != nil {
		return err
	}
	w.WriteString(`],"titles":`)  //nolint:errcheck // as above
	w.Write(titles)               //nolint:errcheck // as above
	w.WriteString(`,"columns":[`) //nolint:errcheck // as above
	for i, c := range p.columns {
		if i > 0 {
			w.WriteByte(',') //nolint:errcheck // as above
		}
		numbers(w, c)
	}
	for _, c := range []struct {
		name string
		of   []uint32
	}{{`],"counts":`, p.counts}, {`,"lost":`, p.lost}, {`,"evidence":`, p.evidence}} {
		w.WriteString(c.name) //nolint:errcheck // as above
		numbers(w, c.of)
	}
	w.WriteByte('}') //nolint:errcheck // as above
	return w.Flush()
}

func numbers(w *bufio.Writer, list []uint32) {
	digits := make([]byte, 0, 11)
	w.WriteByte('[') //nolint:errcheck // the writer keeps its error
	for i, n := range list {
		digits = digits[:0]
		if i > 0 {
			digits = append(digits, ',')
		}
		w.Write(strconv.AppendUint(digits, uint64(n), 10)) //nolint:errcheck // as above
	}
	w.WriteByte(']') //nolint:errcheck // as above
}

// data writes the packed findings: JSON, deflated (RFC 1950), in base64. The type is none that a
// browser runs.
func (p *page) data(of *packed) {
	p.write(`<script type="application/octet-stream" id="data">`)
	if p.err != nil {
		return
	}
	encoder := base64.NewEncoder(base64.StdEncoding, p.out)
	deflate := zlib.NewWriter(encoder)
	p.err = errors.Join(of.encode(deflate), deflate.Close(), encoder.Close())
	p.write("</script>\n")
}
