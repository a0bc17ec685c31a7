package report

import (
	"io"
	"strings"
	"unicode/utf8"
)

// cell is escaped text and how it is painted.
type cell struct {
	text  string
	paint paint
}

// paint is an SGR sequence's parameters (ECMA-48), "" for none.
type paint string

const (
	plain  paint = ""
	bold   paint = "1"
	dim    paint = "2"
	red    paint = "31"
	green  paint = "32"
	yellow paint = "33"
)

// columns aligns rows of cells. Cells are padded before they are painted:
// tabwriter would count the escape sequences as text.
type columns struct {
	rows  [][]cell
	color bool
	// right holds the columns that are aligned to the right: numbers.
	right map[int]bool
	// notes are lines below a row, by its index. They have no columns.
	notes map[int][]string
}

func (c *columns) add(cells ...cell) { c.rows = append(c.rows, cells) }

// note adds a line below the last row.
func (c *columns) note(text string) {
	if c.notes == nil {
		c.notes = map[int][]string{}
	}
	last := len(c.rows) - 1
	c.notes[last] = append(c.notes[last], text)
}

func (c *columns) header(names ...string) {
	row := make([]cell, len(names))
	for i, name := range names {
		row[i] = cell{text: name, paint: bold}
	}
	c.add(row...)
}

// fit cuts the last column so that lines are at most width wide, and leaves it
// at least so many columns.
func (c *columns) fit(width, least int) {
	if len(c.rows) == 0 {
		return
	}
	room := max(least, width-c.width(len(c.rows[0])-1))
	for _, row := range c.rows {
		last := &row[len(row)-1]
		last.text = cut(last.text, room)
	}
}

// width is that of the first n columns and the gaps behind them.
func (c *columns) width(n int) int {
	total := 0
	for i := range n {
		widest := 0
		for _, row := range c.rows {
			if i < len(row) {
				widest = max(widest, utf8.RuneCountInString(row[i].text))
			}
		}
		total += widest + 2
	}
	return total
}

// writeTo prints the rows with two spaces between columns and none at the end
// of a line.
func (c *columns) writeTo(out io.Writer) error {
	var widths []int
	for _, row := range c.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell.text))
		}
	}
	var b strings.Builder
	for r, row := range c.rows {
		line := strings.Builder{}
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell.text))
			text := painted(cell, c.color)
			switch {
			case c.right[i]:
				text = pad + text
			case i < len(row)-1:
				text += pad
			}
			if i > 0 {
				line.WriteString("  ")
			}
			line.WriteString(text)
		}
		b.WriteString(strings.TrimRight(line.String(), " "))
		b.WriteByte('\n')
		for _, note := range c.notes[r] {
			b.WriteString(painted(cell{"   " + note, dim}, c.color) + "\n")
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func painted(c cell, color bool) string {
	if !color || c.paint == plain || c.text == "" {
		return c.text
	}
	return "\x1b[" + string(c.paint) + "m" + c.text + "\x1b[0m"
}
