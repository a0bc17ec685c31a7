package html

import (
	"bufio"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// The columns, in the order of their arrays. Each entry is the index of a text in the dictionary,
// but those of counts and lost, which are numbers. page.js has the same list.
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
	colPatch
	colCounts // of evidence that the page has
	colLost   // of evidence that the finding had besides
	columns
)

// packed are findings by columns. Equal texts are kept once.
type packed struct {
	index   map[string]uint32
	texts   []byte // each ends with a line feed, which no text holds
	columns [columns][]uint32
	// evidence are three columns: source, value, basis. Those of one finding follow those of the
	// one before.
	evidence [3][]uint32
	about    about
}

// about is what the script has to know besides the findings.
type about struct {
	Rows     int `json:"rows"`
	Evidence int `json:"evidence"`
	Texts    int `json:"texts"` // bytes
	// Titles and Controls are by check.
	Titles   map[string]string   `json:"titles"`
	Controls map[string][]string `json:"controls"`
}

func newPacked(head *api.ChecklistReport, controls map[string][]string) *packed {
	p := &packed{index: map[string]uint32{}, about: about{Titles: map[string]string{}, Controls: controls}}
	p.text("")
	for _, c := range head.Checks {
		p.about.Titles[plain(c.Check)] = plain(c.Title)
	}
	return p
}

// text returns the index of a text of others.
func (p *packed) text(s string) uint32 {
	if i, ok := p.index[s]; ok { // most texts are not new, and what is in the dictionary is plain
		return i
	}
	return p.line(plain(s))
}

// line returns the index of a text without line feeds.
func (p *packed) line(s string) uint32 {
	i, ok := p.index[s]
	if !ok {
		i = uint32(len(p.index)) //nolint:gosec // as many texts do not fit in memory
		p.index[s] = i
		p.texts = append(append(p.texts, s...), '\n')
	}
	return i
}

func (p *packed) add(f *api.Finding, parts string) {
	n := min(len(f.Evidence), mostEvidence)
	node := f.Subject.Node
	if f.Subject.Kind == fact.SubjectNode && node == "" {
		node = f.Subject.Name
	}
	for i, value := range [columns]uint32{
		p.text(string(f.Verdict)), p.text(string(f.Severity)), p.text(f.Check), p.text(string(f.Question)), p.text(parts),
		p.text(report.SubjectName(f.Subject)), p.text(f.Subject.Namespace), p.text(node), p.text(string(f.Basis)), p.text(f.Message),
		p.text(string(f.Reason)), p.text(accepted(f.Accepted)), p.text(f.Remediation.Text), p.line(patch(f.Remediation.Patch)),
		uint32(n), uint32(len(f.Evidence) - n), //nolint:gosec // lengths
	} {
		p.columns[i] = append(p.columns[i], value)
	}
	for _, e := range f.Evidence[:n] {
		for i, s := range [3]string{e.Source, e.Value, string(e.Basis)} {
			p.evidence[i] = append(p.evidence[i], p.text(s))
		}
	}
}

// encode writes what page.js reads: the length of a JSON text (4 bytes, least first), the text
// (about), the dictionary, then each column. A column of n numbers is n least bytes, then n second
// ones, and so on up to the fourth: they pack well, and are read in a fraction of the time that
// JSON takes.
func (p *packed) encode(out io.Writer) error {
	w := bufio.NewWriterSize(out, 1<<16)
	p.about.Rows, p.about.Evidence, p.about.Texts = len(p.columns[0]), len(p.evidence[0]), len(p.texts)
	head, err := json.Marshal(p.about)
	if err != nil {
		return err
	}
	length := binary.LittleEndian.AppendUint32(nil, uint32(len(head))) //nolint:gosec // the checks' titles
	for _, part := range [][]byte{length, head, p.texts} {
		w.Write(part) //nolint:errcheck // the writer keeps its error for Flush
	}
	for _, c := range append(p.columns[:], p.evidence[:]...) {
		for shift := 0; shift < 32; shift += 8 {
			for _, n := range c {
				w.WriteByte(byte(n >> shift)) //nolint:errcheck // as above
			}
		}
	}
	return w.Flush()
}

// data writes the packed findings, deflated (RFC 1950), in base64. The type is none that a browser
// runs.
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

// patchData is a patch as page.js shows it: texts of others are plain.
type patchData struct {
	Target     string   `json:"target"`
	Safe       bool     `json:"safe"`
	Because    string   `json:"because"`
	Upstream   string   `json:"upstream"`
	Operations []string `json:"operations"`
	Lost       int      `json:"lost"`
}

// patch returns a patch as JSON on one line; "" for none.
func patch(of *api.Patch) string {
	if of == nil {
		return ""
	}
	data := patchData{Target: patchTarget(of), Safe: of.Safe, Because: plain(of.Because), Upstream: plain(of.Upstream), Operations: []string{}}
	for i := range of.Operations {
		if i == mostOperations {
			data.Lost = len(of.Operations) - i
			break
		}
		data.Operations = append(data.Operations, operation(&of.Operations[i]))
	}
	text, err := json.Marshal(data)
	if err != nil { // no text, number or list of these cannot be written
		return ""
	}
	return string(text)
}

func patchTarget(of *api.Patch) string {
	target := plain(of.Target)
	if of.Namespace != "" {
		target += " in namespace " + plain(of.Namespace)
	}
	return target
}

// operation is one operation of a JSON patch in words: "replace /spec/replicas = 2".
func operation(of *api.PatchOperation) string {
	words := plain(of.Op) + " " + plain(of.Path)
	if len(of.Value) > 0 {
		words += " = " + plain(string(of.Value))
	}
	return words
}
