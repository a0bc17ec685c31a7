package screen

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func table() *Table {
	return &Table{
		NoteIndent: 2,
		Columns: []Column{
			{Header: "N"},
			{Header: "QUESTION", Fold: Wrapping, Min: 12},
			{Header: "ANSWER"},
			{Header: "HIGH", Right: true, Drop: 1},
			{Header: "LOW", Right: true, Drop: 2},
		},
		Rows: []Row{
			{Cells: []Cell{{Text: "1"}, {Text: "Are builds running separately?"}, {Text: "NO", Paint: Red}, {Text: "12"}, {Text: "3"}}},
			{
				Cells: []Cell{{Text: "2"}, {Text: "Are hosts up to date?"}, {Text: "UNKNOWN"}, {Text: "0", Paint: Dim}, {Text: ""}},
				Note:  "the node w17 is not Ready", NoteFrom: 2,
			},
		},
	}
}

func written(t *testing.T, table *Table, width int) string {
	t.Helper()
	var b strings.Builder
	if err := table.Write(&b, width); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTable(t *testing.T) {
	for name, tc := range map[string]struct {
		width int
		want  string
	}{
		"without a terminal nothing is folded, and a note has a line of its own": {0, `
N  QUESTION                        ANSWER   HIGH  LOW
1  Are builds running separately?  NO         12    3
2  Are hosts up to date?           UNKNOWN     0
  the node w17 is not Ready
`},
		"a column is wrapped, and a note is below its cell": {52, `
N  QUESTION                       ANSWER   HIGH  LOW
1  Are builds running             NO         12    3
   separately?
2  Are hosts up to date?          UNKNOWN     0
  the node w17 is not Ready
`},
		"a note that fits": {0x1000, `
N  QUESTION                        ANSWER   HIGH  LOW
1  Are builds running separately?  NO         12    3
2  Are hosts up to date?           UNKNOWN     0
                                   the node w17 is not Ready
`},
		"folded to the least before a column is left out": {35, `
N  QUESTION      ANSWER   HIGH  LOW
1  Are builds    NO         12    3
   running
   separately?
2  Are hosts up  UNKNOWN     0
   to date?
  the node w17 is not Ready
`},
		"the column that goes first": {32, `
N  QUESTION        ANSWER   HIGH
1  Are builds      NO         12
   running
   separately?
2  Are hosts up    UNKNOWN     0
   to date?
  the node w17 is not Ready
`},
		"narrower than the least, where nothing else is left": {20, `
N  QUESTION  ANSWER
1  Are       NO
   builds
   running
   sepa...?
2  Are       UNKNOWN
   hosts up
   to date?
  the node w17 is
  not Ready
`},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(strings.TrimPrefix(tc.want, "\n"), written(t, table(), tc.width)); diff != "" {
				t.Errorf("table (-want +got):\n%s", diff)
			}
		})
	}
	if diff := cmp.Diff([]string{"N", "QUESTION", "ANSWER", "HIGH"}, table().Shown(32)); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if !table().Fits(35) || table().Fits(34) {
		t.Error("the table fits from 35 columns on")
	}
}

// Columns are folded in their order. If several are equal, the widest is first.
func TestTableGive(t *testing.T) {
	row := func(texts ...string) *Table {
		table := &Table{NoHeaders: true, Columns: []Column{
			{Fold: CutInside, Min: 6}, {Fold: Cutting, Min: 6, Give: 1}, {Fold: Cutting, Min: 6},
		}}
		var cells []Cell
		for _, text := range texts {
			cells = append(cells, Cell{Text: text})
		}
		table.Add(cells...)
		return table
	}
	for width, want := range map[int]string{
		34: "abcdefghij  ABCDEFGHIJ  0123456789\n",
		30: "abcdefghij  ABC...  0123456789\n",
		27: "abcd...j  ABC...  012345...\n",
	} {
		if got := written(t, row("abcdefghij", "ABCDEFGHIJ", "0123456789"), width); got != want {
			t.Errorf("%d columns: want %q, got %q", width, want, got)
		}
	}
}

// A cell with Fit gets the width that is left for it.
func TestTableFit(t *testing.T) {
	table := &Table{NoHeaders: true, Columns: []Column{{Fold: Cutting, Min: 4}}}
	table.Add(Cell{Text: "40 Secrets (a, b, c)", Fit: func(width int) string { return strings.Repeat("x", width) }})
	if got := written(t, table, 10); got != "xxxxxxxxxx\n" {
		t.Errorf("got %q", got)
	}
}

// Paint does not move columns: without its sequences a table equals the plain one.
func TestTablePaint(t *testing.T) {
	for _, width := range []int{0, 52, 35, 20, 4096} {
		painted := table()
		painted.Color = true
		got := written(t, painted, width)
		if !strings.Contains(got, "\x1b[31mNO\x1b[0m") {
			t.Errorf("%d columns: nothing is painted:\n%s", width, got)
		}
		plain := regexp.MustCompile("\x1b\\[[0-9]*m").ReplaceAllString(got, "")
		if diff := cmp.Diff(written(t, table(), width), plain); diff != "" {
			t.Errorf("%d columns (-plain +painted without paint):\n%s", width, diff)
		}
	}
}
