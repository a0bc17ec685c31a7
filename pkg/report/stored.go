package report

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/screen"
)

// storedRows is how many rows the table of stored Secrets has before the others are
// counted together.
const storedRows = 20

// stored counts the Secrets of one namespace that are stored in one way.
type stored struct {
	namespace string
	more      int // so many more namespaces, in place of one
	class     fact.StorageClass
	key       string // as keyOf
	secrets   int
	older     int // older revisions in plaintext
}

// safety orders forms: plaintext, then what is not known to be encrypted, then what is.
func safety(class fact.StorageClass) int {
	switch {
	case class.Plaintext():
		return 0
	case !class.Encrypted():
		return 1
	}
	return 2
}

func formCell(class fact.StorageClass) screen.Cell {
	switch safety(class) {
	case 0:
		return screen.Cell{Text: strings.Replace(string(class), "identity", "plaintext", 1), Paint: screen.Red}
	case 1:
		return screen.Cell{Text: escape.Line(string(class)), Paint: screen.Yellow}
	}
	return screen.Cell{Text: string(class)}
}

// guess marks the name of a key that no configuration names.
const guess = "?"

// keyOf returns the name of the key, or of the KMS, under which a Secret is stored:
// "key1", "key1?" if it is a guess, "-" if there is none. Its Provider is
// k8s:enc:TYPE:VERSION:NAME: with colons in NAME too. ofKMS adds which of its keys a
// KMS used.
func keyOf(s *fact.StoredSecret, ofKMS bool) string {
	const parts = 5
	words := strings.SplitN(s.Provider, ":", parts)
	key := ""
	if len(words) == parts {
		key = escape.Line(strings.TrimSuffix(words[parts-1], ":"))
	}
	if key != "" && s.KeyGuessed {
		key += guess
	}
	if ofKMS && s.KeyID != "" {
		const enough = 8 // hex digits
		key = strings.TrimSpace(key + " " + escape.Line(s.KeyID[:min(len(s.KeyID), enough)]))
	}
	switch {
	case key == "" && s.Class.Encrypted():
		return guess
	case key == "":
		return "-"
	}
	return key
}

// severalKMSKeys reports whether a KMS used more than one key.
func severalKMSKeys(secrets []*fact.StoredSecret) bool {
	first := ""
	for _, s := range secrets {
		if s.KeyID != "" && first != "" && s.KeyID != first {
			return true
		}
		first = cmp.Or(s.KeyID, first)
	}
	return false
}

// countStored counts what a store holds, plaintext first, then by namespace.
func countStored(store *checks.Store) []*stored {
	type way struct {
		namespace string
		class     fact.StorageClass
		key       string
	}
	ofKMS := severalKMSKeys(store.Held)
	index := map[way]*stored{}
	var list []*stored
	for _, s := range store.Held {
		w := way{escape.Line(s.Namespace), s.Class, keyOf(s, ofKMS)}
		of := index[w]
		if of == nil {
			of = &stored{namespace: w.namespace, class: w.class, key: w.key}
			list, index[w] = append(list, of), of
		}
		of.secrets++
		of.older += int(s.Older)
	}
	slices.SortFunc(list, func(a, b *stored) int {
		return cmp.Or(
			cmp.Compare(safety(a.class), safety(b.class)), cmp.Compare(a.namespace, b.namespace),
			cmp.Compare(a.class, b.class), cmp.Compare(a.key, b.key),
		)
	})
	return list
}

// grouped keeps the first rows and counts the others by form and key.
func grouped(list []*stored) []*stored {
	if len(list) <= storedRows+1 {
		return list
	}
	type way struct {
		class fact.StorageClass
		key   string
	}
	out := slices.Clone(list[:storedRows])
	index := map[way]*stored{}
	for _, one := range list[storedRows:] {
		w := way{one.class, one.key}
		of := index[w]
		if of == nil {
			of = &stored{class: one.class, key: one.key}
			out, index[w] = append(out, of), of
		}
		of.more++
		of.secrets += one.secrets
		of.older += one.older
	}
	return out
}

// Form counts the Secrets of a store that are stored in one way.
type Form struct {
	Class fact.StorageClass
	// Key is the name of the key or KMS, "-" if there is none. "?" after it marks a guess.
	Key     string
	Secrets int
	Older   int // older revisions of them in plaintext that are still there
}

// Forms counts what a store holds by form and key: plaintext first, then what is not known to be
// encrypted, then what is, each by class and key.
func Forms(store *checks.Store) []Form {
	var forms []Form
	for _, s := range countStored(store) {
		i := slices.IndexFunc(forms, func(f Form) bool { return f.Class == s.class && f.Key == s.key })
		if i < 0 {
			i = len(forms)
			forms = append(forms, Form{Class: s.class, Key: s.key})
		}
		forms[i].Secrets += s.secrets
		forms[i].Older += s.older
	}
	slices.SortStableFunc(forms, func(a, b Form) int {
		return cmp.Or(cmp.Compare(safety(a.Class), safety(b.Class)), cmp.Compare(a.Class, b.Class), cmp.Compare(a.Key, b.Key))
	})
	return forms
}

// ofDeleted counts revisions in plaintext of Secrets that no longer exist. older are
// those of the others.
func ofDeleted(h *fact.StoredHistory, older int) int {
	if h == nil {
		return 0
	}
	n := 0
	for _, d := range h.Deleted {
		n += d.Plaintext
	}
	if h.DeletedTotal > len(h.Deleted) {
		n = max(n, h.Plaintext-older)
	}
	return n
}

// stored prints how the Secrets of a store are stored: by namespace, or in the wide
// table each.
func (p *tablePrinter) stored(out io.Writer, store *checks.Store) error {
	if store == nil || len(store.Held) == 0 {
		return nil
	}
	counts := countStored(store)
	t := screen.Table{Color: p.opts.Color, NoHeaders: p.opts.NoHeaders}
	if p.wide {
		p.eachStored(&t, store)
	} else {
		p.byNamespace(&t, store, grouped(counts))
	}
	if err := p.storedLegend(out, store, counts, t.Shown(p.width())); err != nil {
		return err
	}
	if err := t.Write(out, p.width()); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out)
	return err
}

// storedLegend says which store it is, and explains the words of the table.
func (p *tablePrinter) storedLegend(out io.Writer, store *checks.Store, counts []*stored, shown []string) error {
	if p.opts.NoHeaders {
		return nil
	}
	text := "Stored in " + escape.Line(store.Source) + "."
	if store.DB.Revision > 0 {
		text = fmt.Sprintf("Stored in %s, at revision %d.", escape.Line(store.Source), store.DB.Revision)
	}
	switch {
	case !slices.Contains(shown, "OLDER"):
	case store.DB.History == nil:
		text += " OLDER is unknown: older revisions were not read."
	default:
		text += " OLDER: older revisions in plaintext that are still there"
		if p.wide {
			text += ", the newest and how many more"
		}
		text += "."
	}
	if slices.ContainsFunc(counts, func(s *stored) bool { return strings.Contains(s.key, guess) }) {
		text += " KEY with " + guess + ": a guess, because no configuration was read that names it."
	}
	return p.dimmed(out, text)
}

func (p *tablePrinter) byNamespace(t *screen.Table, store *checks.Store, counts []*stored) {
	t.Columns = []screen.Column{
		{Header: "NAMESPACE", Fold: screen.CutInside, Min: 12},
		{Header: "FORM"},
		{Header: "KEY", Fold: screen.CutInside, Min: 16},
		{Header: "SECRETS", Right: true},
		{Header: "OLDER", Right: true, Drop: 1},
	}
	history := store.DB.History
	older := func(n int) screen.Cell {
		if history == nil && n == 0 {
			return screen.Cell{Text: guess, Paint: screen.Yellow} // nobody looked
		}
		cell := countCell(n, screen.Red)
		cell.Text = thousands(n)
		return cell
	}
	secrets, revisions := 0, 0
	for _, s := range counts {
		namespace := s.namespace
		if s.more > 0 {
			namespace = count(s.more, "more namespace")
		}
		t.Add(screen.Cell{Text: namespace}, formCell(s.class), screen.Cell{Text: s.key}, screen.Cell{Text: thousands(s.secrets)}, older(s.older))
		secrets, revisions = secrets+s.secrets, revisions+s.older
	}
	if n := ofDeleted(history, revisions); n > 0 {
		t.Add(screen.Cell{Text: "deleted Secrets", Paint: screen.Dim}, screen.Cell{Text: "-"}, screen.Cell{Text: "-"}, screen.Cell{Text: "-"}, older(n))
		revisions += n
	}
	total := thousands(secrets)
	if store.DB.Total > secrets {
		total += " of " + thousands(store.DB.Total)
	}
	t.Add(screen.Cell{Text: "TOTAL", Paint: screen.Bold}, screen.Cell{}, screen.Cell{}, screen.Cell{Text: total}, older(revisions))
}

// eachStored has a row for each Secret: which revision is stored how, and which older
// ones are in plaintext.
func (p *tablePrinter) eachStored(t *screen.Table, store *checks.Store) {
	t.Columns = []screen.Column{
		{Header: "NAMESPACE", Fold: screen.CutInside, Min: 10},
		{Header: "SECRET", Fold: screen.CutInside, Min: 12},
		{Header: "REVISION", Right: true},
		{Header: "FORM"},
		{Header: "KEY", Fold: screen.CutInside, Min: 8},
		{Header: "SIZE", Right: true, Drop: 1},
		{Header: "OLDER", Fold: screen.Cutting, Min: 10},
	}
	ofKMS := severalKMSKeys(store.Held)
	t.Each = func(yield func(screen.Row) bool) {
		for s := range bySafety(store.Held) {
			older := screen.Cell{Text: guess, Paint: screen.Yellow} // nobody looked
			switch {
			case s.Older > 0 || s.OldValue:
				older = olderCell(s.OlderRevision, int(s.Older), s.OldValue)
			case store.DB.History != nil:
				older = screen.Cell{Text: "-", Paint: screen.Dim}
			}
			if !yield(screen.Row{Cells: []screen.Cell{
				{Text: escape.Line(s.Namespace)},
				{Text: escape.Line(s.Name)},
				{Text: fmt.Sprint(s.Revision)},
				formCell(s.Class),
				{Text: keyOf(s, ofKMS)},
				{Text: fmt.Sprint(s.Size)},
				older,
			}}) {
				return
			}
		}
		if store.DB.History == nil {
			return
		}
		for _, d := range store.DB.History.Deleted {
			if !yield(screen.Row{Cells: []screen.Cell{
				{Text: escape.Line(d.Namespace)},
				{Text: escape.Line(d.Name)},
				{Text: "deleted", Paint: screen.Dim},
				{Text: "-"},
				{Text: "-"},
				{Text: "-"},
				olderCell(d.Revision, d.Plaintext, false),
			}}) {
				return
			}
		}
	}
}

// olderCell names the newest of so many older revisions: "9600", "9600 +2",
// "9600 +2 old_value".
func olderCell(newest int64, n int, oldValue bool) screen.Cell {
	text := fmt.Sprint(newest)
	if n > 1 {
		text += " +" + thousands(n-1)
	}
	if oldValue {
		text += " old_value"
	}
	return screen.Cell{Text: text, Paint: screen.Red}
}

// bySafety gives Secrets in the order of countStored, without a list of their own: there
// can be hundreds of thousands.
func bySafety(held []*fact.StoredSecret) iter.Seq[*fact.StoredSecret] {
	return func(yield func(*fact.StoredSecret) bool) {
		for order := range 3 {
			for _, s := range held {
				if safety(s.Class) == order && !yield(s) {
					return
				}
			}
		}
	}
}
