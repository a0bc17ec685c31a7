package screen

import (
	"bufio"
	"cmp"
	"io"
	"iter"
	"strings"
)

// Paint is an SGR sequence's parameters (ECMA-48), "" for none.
type Paint string

// The paints.
const (
	Plain  Paint = ""
	Bold   Paint = "1"
	Dim    Paint = "2"
	Red    Paint = "31"
	Green  Paint = "32"
	Yellow Paint = "33"
)

// Painted returns a text between the sequences that switch its paint on and off.
func Painted(text string, paint Paint, color bool) string {
	if !color || paint == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(paint) + "m" + text + "\x1b[0m"
}

// Fold says what happens to a column that is too wide.
type Fold int

// The ways to make a column narrower.
const (
	Never     Fold = iota // it keeps its width
	Wrapping              // its cells take several lines
	Cutting               // its cells are cut at their end
	CutInside             // its cells are cut in their middle; for names
)

// Column is one column of a table.
type Column struct {
	Header string
	Right  bool // aligned to the right; for numbers
	Fold   Fold
	// Min is the least width to which the column is folded while another column can
	// still be left out.
	Min int
	// Give decides which column is folded first, down to its Min: the one with the
	// highest Give. If several are equal, it is the widest.
	Give int
	// Drop decides which column is left out if there is no room: first the one with
	// the highest Drop. A column with 0 is never left out.
	Drop int
}

// Cell is a text and how it is painted.
type Cell struct {
	Text  string
	Paint Paint
	// Fit, if set, makes the cell's text for a width that Text exceeds.
	Fit func(width int) string
}

// Row is one row, with a note below it that begins at a column.
type Row struct {
	Cells []Cell
	// Note is wrapped below the cell NoteFrom, to the end of the line. If that is
	// the first cell, or too far to the right, Note is below the whole row. The
	// cells from NoteFrom on must not wrap.
	Note     string
	NoteFrom int
}

// Table aligns rows of cells, two spaces apart. Cells are painted after padding,
// because the sequences have no width.
type Table struct {
	Columns []Column
	Rows    []Row
	// Each gives further rows, each time the same, which need not all be in memory.
	Each iter.Seq[Row]

	NoHeaders bool
	Color     bool
	// NoteIndent is the indent of a note that does not fit below its cell.
	NoteIndent int
}

// gap is the space between columns.
const gap = 2

// least is the least width of a foldable column when nothing else can be narrowed.
const least = 4

// noteRoom is the least width of a note below its cell.
const noteRoom = 24

// Add appends a row.
func (t *Table) Add(cells ...Cell) { t.Rows = append(t.Rows, Row{Cells: cells}) }

// Write prints the table in at most width columns. If width is 0, the table has its
// natural width: every row is one line, for scripts, and a note is another.
func (t *Table) Write(out io.Writer, width int) error {
	kept, widths := t.layout(width)
	b := bufio.NewWriter(out)
	if !t.NoHeaders {
		header := Row{Cells: make([]Cell, len(t.Columns))}
		for i := range t.Columns {
			header.Cells[i] = Cell{Text: t.Columns[i].Header, Paint: Bold}
		}
		if err := t.write(b, &header, kept, widths, width); err != nil {
			return err
		}
	}
	for row := range t.rows() {
		if err := t.write(b, &row, kept, widths, width); err != nil {
			return err
		}
	}
	return b.Flush()
}

func (t *Table) rows() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		for _, row := range t.Rows {
			if !yield(row) {
				return
			}
		}
		if t.Each != nil {
			t.Each(yield)
		}
	}
}

// Fits reports whether the table fits in this width with all of its columns.
func (t *Table) Fits(width int) bool {
	kept, _ := t.layout(width)
	return len(kept) == len(t.Columns)
}

// Width returns the table's width with nothing folded.
func (t *Table) Width() int { return total(t.natural(), t.all()) }

// Shown returns the headers of the columns that are shown at this width.
func (t *Table) Shown(width int) []string {
	kept, _ := t.layout(width)
	var headers []string
	for _, i := range kept {
		headers = append(headers, t.Columns[i].Header)
	}
	return headers
}

func (t *Table) all() []int {
	kept := make([]int, len(t.Columns))
	for i := range kept {
		kept[i] = i
	}
	return kept
}

// natural returns the widths of the columns with nothing folded.
func (t *Table) natural() []int {
	widths := make([]int, len(t.Columns))
	for i := range t.Columns {
		if !t.NoHeaders {
			widths[i] = Width(t.Columns[i].Header)
		}
	}
	for row := range t.rows() {
		for i := range t.Columns {
			widths[i] = max(widths[i], Width(row.Cells[i].Text))
		}
	}
	return widths
}

func total(widths, kept []int) int {
	sum := gap * (len(kept) - 1)
	for _, i := range kept {
		sum += widths[i]
	}
	return sum
}

// layout chooses the columns to show, by index, and the width of every column.
func (t *Table) layout(width int) (kept, widths []int) {
	kept, widths = t.all(), t.natural()
	if width == 0 || len(kept) == 0 {
		return kept, widths
	}
	floor := make([]int, len(widths))
	for i, c := range t.Columns {
		floor[i] = widths[i]
		if c.Fold != Never {
			floor[i] = min(widths[i], c.Min)
		}
	}
	for total(floor, kept) > width {
		next := -1
		for at, i := range kept {
			if t.Columns[i].Drop > 0 && (next < 0 || t.Columns[i].Drop > t.Columns[kept[next]].Drop) {
				next = at
			}
		}
		if next < 0 {
			for i, c := range t.Columns {
				if c.Fold != Never {
					floor[i] = min(floor[i], least)
				}
			}
			break
		}
		kept = append(kept[:next:next], kept[next+1:]...)
	}
	for total(widths, kept) > width {
		next := -1
		for _, i := range kept {
			if widths[i] > floor[i] && (next < 0 || cmp.Or(
				cmp.Compare(t.Columns[i].Give, t.Columns[next].Give), cmp.Compare(widths[i], widths[next])) > 0) {
				next = i
			}
		}
		if next < 0 {
			break // wider than the terminal, and nothing is left to fold
		}
		widths[next]--
	}
	return kept, widths
}

// write prints one row.
func (t *Table) write(out io.Writer, row *Row, kept, widths []int, width int) error {
	var b strings.Builder
	cells := make([][]string, len(t.Columns))
	height := 1
	for _, i := range kept {
		cells[i] = t.fold(&row.Cells[i], i, widths[i])
		height = max(height, len(cells[i]))
	}
	note, from, offset := t.note(row, kept, widths, width)
	height = max(height, 1+len(note))
	for k := range height {
		line := strings.Builder{}
		pending := 0 // spaces that are written only if something follows
		for at, i := range kept {
			if at > 0 {
				pending += gap
			}
			if at == from && k > 0 && k <= len(note) {
				line.WriteString(strings.Repeat(" ", pending) + Painted(note[k-1], Dim, t.Color))
				break
			}
			text := ""
			if k < len(cells[i]) {
				text = cells[i][k]
			}
			pad := max(0, widths[i]-Width(text))
			switch {
			case text == "":
				pending += pad
				continue
			case t.Columns[i].Right:
				pending += pad
				pad = 0
			}
			line.WriteString(strings.Repeat(" ", pending) + Painted(text, row.Cells[i].Paint, t.Color))
			pending = pad
		}
		b.WriteString(line.String() + "\n")
	}
	if row.Note != "" && note == nil {
		// There is no room below the cell, so the note has its own lines.
		lines := []string{row.Note}
		if width > 0 {
			lines = Wrap(row.Note, width-offset)
		}
		for _, line := range lines {
			b.WriteString(strings.Repeat(" ", offset) + Painted(line, Dim, t.Color) + "\n")
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// fold returns the lines of a cell.
func (t *Table) fold(c *Cell, column, width int) []string {
	if Width(c.Text) <= width {
		return []string{c.Text}
	}
	if c.Fit != nil {
		return []string{c.Fit(width)}
	}
	switch t.Columns[column].Fold {
	case Wrapping:
		return Wrap(c.Text, width)
	case CutInside:
		return []string{CutMiddle(c.Text, width)}
	case Cutting, Never:
	}
	return []string{Cut(c.Text, width)}
}

// note wraps a row's note below the column where it begins. from is the place of that
// column among the kept ones. If there is no room, note is nil, and offset is the
// indent of the lines below the row.
func (t *Table) note(row *Row, kept, widths []int, width int) (note []string, from, offset int) {
	if row.Note == "" {
		return nil, -1, 0
	}
	for at, i := range kept {
		if i < row.NoteFrom {
			offset += widths[i] + gap
			continue
		}
		if room := width - offset; offset > 0 && room >= noteRoom {
			return Wrap(row.Note, room), at, offset
		}
		break
	}
	return nil, -1, t.NoteIndent
}
