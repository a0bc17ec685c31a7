package picture

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/screen"
)

// Sizes in the picture's own units, which are pixels where the page is wide enough.
const (
	width    = 360 // of each picture: a telephone shows it whole
	margin   = 4
	line     = 16 // from one line of text to the next
	letter   = 6  // width of a letter of the fixed font at fontSize
	fontSize = 10
	box      = 11 // side of a mark
)

// mark is a state of something, with a shape of its own: colour alone says nothing.
type mark int

const (
	good    mark = iota // an empty box with a tick
	bad                 // a full box with a cross
	open                // a box with slanted lines
	unknown             // a dashed box with a question mark
	nothing             // a dash
	given               // as good, in the colour of the text: it is neither good nor bad
)

// class names the mark in the style sheet.
func (m mark) class() string {
	return [...]string{"pic-good", "pic-bad", "pic-open", "pic-unknown", "pic-none", "pic-given"}[m]
}

// svg is a picture that grows downwards.
type svg struct {
	body strings.Builder
	y    int // where the next line begins
}

var entities = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;")

// most bounds the bytes of a text of others.
const most = 400

// plain makes a text of others one line that XML can hold, without characters that a reader cannot
// see.
func plain(text string) string { return escape.Short(text, most) }

// fit cuts a text of others in its middle to so many columns.
func fit(text string, columns int) string { return screen.CutMiddle(plain(text), columns) }

// text writes one line of text. It is escaped here. Its middle is at x if class has pic-mid.
func (s *svg) text(x, y int, class, text string) {
	anchor := ""
	switch class {
	case "pic-end":
		anchor = ` text-anchor="end"`
	case "pic-mid", "pic-on":
		anchor = ` text-anchor="middle"`
	}
	fill := ""
	if class == "pic-on" {
		fill = ` fill="#fff"`
	}
	fmt.Fprintf(&s.body, "<text class=\"%s\" x=\"%d\" y=\"%d\"%s%s>%s</text>\n", class, x, y, anchor, fill, entities.Replace(text))
}

// said writes lines of our own words below what there is.
func (s *svg) said(words string) {
	for _, l := range screen.Wrap(words, (width-2*margin)/letter) {
		s.text(margin, s.y+11, "pic-dim", l)
		s.y += line - 2
	}
}

// upright writes a text that reads upwards from x, y.
func (s *svg) upright(x, y int, text string) {
	fmt.Fprintf(&s.body, "<text class=\"pic-dim\" transform=\"translate(%d %d) rotate(-90)\">%s</text>\n", x, y, entities.Replace(text))
}

// rule draws a thin line over the whole width.
func (s *svg) rule(y int) {
	fmt.Fprintf(&s.body, "<path class=\"pic-rule\" d=\"M%d %dH%d\" stroke=\"currentColor\" stroke-opacity=\"0.3\"/>\n", margin, y, width-margin)
}

// mark draws a mark in the box whose upper left corner is x, y.
func (s *svg) mark(x, y int, m mark) {
	s.area(x, y, box, box, m)
	switch m {
	case good, given:
		fmt.Fprintf(&s.body, "<path class=\"%s-line\" d=\"M%d %dl2 3l5-6\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.6\"/>\n", m.class(), x+2, y+6)
	case bad:
		fmt.Fprintf(&s.body, "<path class=\"pic-cut\" d=\"M%d %dl5 5m0-5l-5 5\" fill=\"none\" stroke=\"#fff\" stroke-width=\"1.6\"/>\n", x+3, y+3)
	case unknown:
		s.text(x+box/2+1, y+9, "pic-mid", "?")
	}
}

// area draws the pattern of a mark in a rectangle.
func (s *svg) area(x, y, w, h int, m mark) {
	if w <= 0 {
		return
	}
	const outline = "<rect class=\"%s-line\" x=\"%d.5\" y=\"%d.5\" width=\"%d\" height=\"%d\" fill=\"none\" stroke=\"currentColor\"%s/>\n"
	switch m {
	case bad:
		fmt.Fprintf(&s.body, "<rect class=\"pic-bad\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"currentColor\"/>\n", x, y, w, h)
	case nothing:
		fmt.Fprintf(&s.body, "<path class=\"pic-none-line\" d=\"M%d %dh%d\" fill=\"none\" stroke=\"currentColor\"/>\n", x+w/2-2, y+h/2, 5)
	case unknown:
		fmt.Fprintf(&s.body, outline, m.class(), x, y, max(w-1, 1), h-1, ` stroke-dasharray="2 2"`)
	case good, given:
		fmt.Fprintf(&s.body, outline, m.class(), x, y, max(w-1, 1), h-1, "")
	case open:
		fmt.Fprintf(&s.body, outline, m.class(), x, y, max(w-1, 1), h-1, "")
		var d strings.Builder
		for at := x - h + 4; at < x+w; at += 4 {
			// From the lower end at x = at to the upper end at x = at + h, within the rectangle.
			from, to := max(at, x), min(at+h, x+w)
			if from < to {
				d.WriteString("M" + strconv.Itoa(from) + " " + strconv.Itoa(y+h-(from-at)) + "L" + strconv.Itoa(to) + " " + strconv.Itoa(y+h-(to-at)))
			}
		}
		fmt.Fprintf(&s.body, "<path class=\"%s-line\" d=\"%s\" fill=\"none\" stroke=\"currentColor\"/>\n", m.class(), d.String())
	}
}

// legend explains the marks in one line each.
func (s *svg) legend(marks ...any) {
	x := margin
	for i := 0; i+1 < len(marks); i += 2 {
		words := marks[i+1].(string)
		if w := box + 4 + letter*len(words) + 10; x+w > width && x > margin {
			x = margin
			s.y += line
		}
		s.mark(x, s.y, marks[i].(mark))
		s.text(x+box+4, s.y+9, "", words)
		x += box + 4 + letter*len(words) + 12
	}
	s.y += line + 2
}

// done returns the whole picture, with its text alternative.
func (s *svg) done(id, title, summary string) string {
	return fmt.Sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"pic\" role=\"img\" aria-labelledby=\"pic-%s-title pic-%s-desc\" "+
		"viewBox=\"0 0 %d %d\" width=\"%d\" font-family=\"ui-monospace, monospace\" font-size=\"%d\" fill=\"currentColor\">\n"+
		"<title id=\"pic-%s-title\">%s</title>\n<desc id=\"pic-%s-desc\">%s</desc>\n%s</svg>\n",
		id, id, width, s.y+margin, width, fontSize, id, entities.Replace(title), id, entities.Replace(summary), s.body.String())
}
