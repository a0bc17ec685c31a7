package html

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// mostUnpacked bounds what a page's data become in memory.
const mostUnpacked = 1 << 30

// Row is one finding as a page has it. Subject and Accepted are texts, as people read them.
type Row struct {
	Check, Subject, Namespace, Node, Parts, Message, Accepted, Remedy string

	Question api.Question
	Verdict  api.Verdict
	Severity api.Severity
	Basis    api.Basis
	Reason   fact.Reason
	Evidence []api.Evidence
	Lost     int    // evidence that the page has not
	Patch    string // JSON; "" for none
}

// Read returns the findings that a page holds, in their order. It is how tests compare a page with
// the report that it was made of. An error names what the page lacks.
func Read(page []byte) ([]Row, error) {
	const before, after = `<script type="application/octet-stream" id="data">`, `</script>`
	start := bytes.Index(page, []byte(before))
	if start < 0 {
		return nil, errors.New("the page has no packed findings")
	}
	text := page[start+len(before):]
	end := bytes.Index(text, []byte(after))
	if end < 0 {
		return nil, errors.New("the packed findings have no end")
	}
	deflated, err := zlib.NewReader(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(text[:end])))
	if err != nil {
		return nil, errors.New("the packed findings are not deflated")
	}
	data, err := io.ReadAll(io.LimitReader(deflated, mostUnpacked+1))
	if err != nil || len(data) > mostUnpacked {
		return nil, fmt.Errorf("the packed findings are cut short, or more than %d bytes", mostUnpacked)
	}
	return rows(data)
}

// rows reads what encode writes.
func rows(data []byte) ([]Row, error) {
	var head about
	if len(data) < 4 {
		return nil, errors.New("the packed findings have no head")
	}
	size := int64(binary.LittleEndian.Uint32(data))
	data = data[4:]
	if size > int64(len(data)) || json.Unmarshal(data[:size], &head) != nil {
		return nil, errors.New("the head of the packed findings is no JSON")
	}
	data = data[size:]
	most := len(data)
	if head.Rows < 0 || head.Evidence < 0 || head.Texts < 1 || head.Rows > most || head.Evidence > most || head.Texts > most ||
		most != head.Texts+4*(columns*head.Rows+3*head.Evidence) {
		return nil, fmt.Errorf("the packed findings have %d bytes, which is not what %d findings with %d evidence take", most, head.Rows, head.Evidence)
	}
	texts := strings.Split(string(data[:head.Texts-1]), "\n")
	data = data[head.Texts:]
	column := func(n int) []uint32 {
		list := make([]uint32, n)
		for i := range list {
			list[i] = uint32(data[i]) | uint32(data[n+i])<<8 | uint32(data[2*n+i])<<16 | uint32(data[3*n+i])<<24
		}
		data = data[4*n:]
		return list
	}
	var all [columns + 3][]uint32
	for i := range all {
		n := head.Rows
		if i >= columns {
			n = head.Evidence
		}
		all[i] = column(n)
		if i == colCounts || i == colLost {
			continue
		}
		for _, at := range all[i] {
			if int64(at) >= int64(len(texts)) {
				return nil, fmt.Errorf("the packed findings name text %d of %d", at, len(texts))
			}
		}
	}
	out, used := make([]Row, head.Rows), 0
	for i := range out {
		of := func(column int) string { return texts[all[column][i]] }
		row := &out[i]
		*row = Row{
			Check: of(colCheck), Subject: of(colSubject), Namespace: of(colNamespace), Node: of(colNode), Parts: of(colParts), Message: of(colMessage),
			Accepted: of(colAccepted), Remedy: of(colRemedy), Question: api.Question(of(colQuestion)), Verdict: api.Verdict(of(colVerdict)),
			Severity: api.Severity(of(colSeverity)), Basis: api.Basis(of(colBasis)), Reason: fact.Reason(of(colReason)), Lost: int(all[colLost][i]), Patch: of(colPatch),
		}
		n := int64(all[colCounts][i])
		if n > int64(head.Evidence-used) {
			return nil, fmt.Errorf("finding %d has more evidence than the page", i)
		}
		for range n {
			row.Evidence = append(row.Evidence, api.Evidence{Source: texts[all[columns][used]], Value: texts[all[columns+1][used]], Basis: api.Basis(texts[all[columns+2][used]])})
			used++
		}
	}
	if used != head.Evidence {
		return nil, fmt.Errorf("%d of %d evidence belong to a finding", used, head.Evidence)
	}
	return out, nil
}
