package picture

import (
	"fmt"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// mostForms is how many forms and keys the picture of Secrets names.
const mostForms = 10

// bar is one row of the picture of Secrets.
type bar struct {
	mark    mark
	name    string
	secrets int
}

func formMark(class fact.StorageClass) mark {
	switch {
	case class.Plaintext():
		return bad
	case class.Encrypted():
		return good
	}
	return unknown
}

func formName(f *report.Form) string {
	name := string(f.Class)
	switch {
	case f.Class.Plaintext():
		return strings.Replace(name, "identity", "plaintext", 1)
	case f.Class.Encrypted():
		name = "encrypted, " + name
		if f.Key != "" && f.Key != "-" {
			name += ", key " + f.Key
		}
		return name
	}
	return "not known to be encrypted: " + name
}

// secrets draws how the Secrets of a store are stored.
func secrets(store *checks.Store) Picture {
	p := Picture{ID: "secrets", Title: "Secrets by stored form"}
	if store == nil {
		p.Summary = "No store of the cluster's Secrets was read, so no picture shows how they are stored."
		return p
	}
	forms := report.Forms(store)
	counts, total, older := map[mark]int{}, 0, 0
	var bars []bar
	for i := range forms {
		f := &forms[i]
		m := formMark(f.Class)
		counts[m] += f.Secrets
		total += f.Secrets
		older += f.Older
		bars = append(bars, bar{m, formName(f), f.Secrets})
	}
	if unread := store.DB.Total - total; unread > 0 {
		counts[unknown] += unread
		total += unread
		bars = append(bars, bar{unknown, "not read one by one", unread})
	}
	if total == 0 {
		p.Summary = "The store holds no Secret that was read, so no picture shows how they are stored."
		if !store.Answers() {
			p.Summary += " It was not read whole."
		}
		return p
	}
	p.Summary = fmt.Sprintf("Of %s in %s, %s in plaintext, %d encrypted, and of %d the form is not known.",
		counted(total, "Secret"), plain(store.Source), are(counts[bad]), counts[good], counts[unknown])
	if !store.Answers() {
		p.Summary += " The store was not read whole: it may hold more."
	}
	switch {
	case store.DB.History == nil:
		p.Summary += " Older revisions were not read."
	case older > 0:
		p.Summary += fmt.Sprintf(" Of these Secrets, %s still there in plaintext.", isOlder(older))
	}

	bars = joinBars(bars)
	s := &svg{y: 4}
	for _, b := range bars {
		s.mark(margin, s.y, b.mark)
		number := fmt.Sprintf("%d (%s)", b.secrets, percent(b.secrets, total))
		s.text(margin+box+5, s.y+9, "", fit(b.name, 54-len(number)))
		s.text(width-margin, s.y+9, "pic-end", number)
		s.y += line
		const whole = width - 2*margin
		s.area(margin, s.y, max(b.secrets*whole/total, 2), 10, b.mark)
		s.y += line + 2
	}
	s.legend(bad, "plaintext", good, "encrypted", unknown, "not known")
	if !store.Answers() {
		s.said("The store was not read whole.")
	}
	p.SVG = s.done(p.ID, p.Title, p.Summary)
	return p
}

func isOlder(n int) string {
	if n == 1 {
		return "1 older revision is"
	}
	return fmt.Sprintf("%d older revisions are", n)
}

// joinBars keeps the first rows, and counts the others by their mark.
func joinBars(bars []bar) []bar {
	if len(bars) <= mostForms {
		return bars
	}
	out := bars[:mostForms:mostForms]
	for _, m := range []mark{bad, unknown, good} {
		rest := bar{mark: m}
		n := 0
		for _, b := range bars[mostForms:] {
			if b.mark == m {
				n++
				rest.secrets += b.secrets
			}
		}
		if n > 0 {
			rest.name = counted(n, "more form or key")
			if n > 1 {
				rest.name = fmt.Sprintf("%d more forms or keys", n)
			}
			out = append(out, rest)
		}
	}
	return out
}

// percent never rounds something to nothing, or a part to the whole.
func percent(n, of int) string {
	switch p := float64(n) * 100 / float64(of); {
	case n > 0 && p < 1:
		return "<1 %"
	case n < of && p > 99:
		return ">99 %"
	default:
		return fmt.Sprintf("%.0f %%", p)
	}
}
