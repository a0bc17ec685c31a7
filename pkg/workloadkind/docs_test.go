package workloadkind

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the generated docs")

// TestKindsDoc compares docs/workload-kinds.md with the table.
func TestKindsDoc(t *testing.T) {
	const path = "../../docs/workload-kinds.md"
	want := kindsDoc()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil { //nolint:gosec // docs are for all
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s (-want +got), -update writes it:\n%s", path, diff)
	}
}

func kindsDoc() string {
	var b strings.Builder
	b.WriteString(`# Kinds of objects that run pods

<!-- Generated: go test ./pkg/workloadkind -run TestKindsDoc -update -->

These are the kinds of which kubectl checklist knows where they hold pod specs or containers. A path has ` + "`[]`" + `
for the entries of a list, ` + "`*`" + ` for the values of a map and ` + "`{a,b}`" + ` for several fields.

- **pod spec**: the whole pod spec. It is judged like a pod.
- **merged**: a controller adds to what is declared there. What is declared is judged, and an absent field says
  nothing: a check that would pass or fail by it says unknown.
- **objects**: whole objects, each judged as if it were in a file of its own.
- **elsewhere**: the field says that the pods are declared or changed elsewhere. That is a gap, with what to do.

Objects of other kinds are judged by their shape, as merged: a list of maps with ` + "`name`" + ` and ` + "`image`" + ` is one of
containers. What may hold containers and does not look so is a gap. In policies, schemas and files of commands, what
looks like a container is none. Dates are those of the source or of its reading.

| group | kinds | where | source |
| --- | --- | --- | --- |
`)
	rows := slices.Clone(table)
	slices.SortStableFunc(rows, func(a, b Row) int { return strings.Compare(a.Group, b.Group) })
	for i := range rows {
		row := &rows[i]
		var where []string
		add := func(what, at string) { where = append(where, what+" `"+at+"`") }
		for _, part := range row.Parts {
			what := map[What]string{Spec: "pod spec", Template: "pod spec", Nested: "objects", Text: "objects", Assembled: "merged", Patch: "elsewhere", Made: "elsewhere", Annotated: "merged"}[part.What]
			if part.Merged {
				what = "merged"
			}
			switch {
			case part.What == Apart:
			case part.What == Made && part.At == "":
				where = append(where, "otherwise: "+part.Why)
			case part.What == Template:
				add(what, part.At+".spec")
			case part.What == Annotated:
				add(what, part.At+"[hooks.kubevirt.io/hookSidecars]")
			case part.What == Assembled:
				for _, at := range slices.Concat(part.Init, part.Containers, part.Ephemeral) {
					place := part.At
					if at != "" {
						place = join(part.At, at)
					}
					add(what, place)
				}
			default:
				add(what, part.At)
			}
		}
		if len(where) == 0 {
			where = []string{"runs no pod"}
		}
		group := row.Group
		if group == "" {
			group = "core"
		}
		kinds := strings.Join(row.Kinds, ", ")
		if kinds == "*" {
			kinds = "all"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s, %s |\n", group, kinds, strings.Join(where, "; "), row.Source, row.Date)
	}
	return b.String()
}
