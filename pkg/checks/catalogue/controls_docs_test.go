package catalogue

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/mapping"
)

// controlsMarkdown is docs/controls.md: which controls each check gives evidence for, and what the
// identifiers were compared with.
func controlsMarkdown() string {
	var b strings.Builder
	b.WriteString("# Controls of benchmarks and guides\n\n")
	b.WriteString("<!-- Generated: go test ./pkg/checks/catalogue -run TestDocs -update -->\n\n")
	b.WriteString("A check gives evidence for a control. No number of passes shows that a control is met. " +
		"`=` means that the control asks what the check asks; any other check asks a part of it. The relations are this project's judgement. " +
		"`--mapping` groups a report by them: see [formats](formats.md#controls-of-benchmarks).\n\n")
	b.WriteString("## What was compared\n\n| mapping | of | compared with | when | not confirmed |\n| --- | --- | --- | --- | --- |\n")
	for _, info := range mapping.All() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", mapping.Word(info), strings.TrimSpace(info.Title+" "+info.Version), info.Source, info.Date, info.Unsure)
	}
	b.WriteString("\nOf CIS only numbers are here, because its text may not be copied. CIS itself was not read: the numbers are those that the named projects give. " +
		"Kubernetes versions: 1.10 for 1.28, 1.11 for 1.29 to 1.31, 1.12 for 1.32 and 1.33, 2.0 for 1.34 and 1.35. For any other version `cis` says that numbers may differ. " +
		"ATT&CK 19 replaced T1562 and T1562.001 by T1685. " +
		"The IDs of the Pod Security Standards are those of the library that the API server uses: a test compares them.\n")
	b.WriteString("\n## CIS Kubernetes Benchmark\n\n")
	writeCIS(&b)
	for _, info := range mapping.All() {
		if info.Name != mapping.CIS {
			writeMapping(&b, info)
		}
	}
	b.WriteString("\n## No control\n\nNo control of these asks for: " + strings.Join(mapping.Without(), ", ") + ".\n")
	return b.String()
}

// writeCIS writes a row for each relation with its numbers in each version.
func writeCIS(b *strings.Builder) {
	type relation struct {
		checks, note string
		same         bool
	}
	var versions []string
	var order []relation
	numbers := map[relation]map[string]string{}
	for _, info := range mapping.All() {
		if info.Name == mapping.CIS {
			versions = append(versions, info.Version)
		}
	}
	for _, row := range mapping.Rows() {
		if row.Info.Name != mapping.CIS {
			continue
		}
		for _, id := range row.IDs {
			r := relation{strings.Join(row.Checks, ", "), row.Note, row.Same}
			if numbers[r] == nil {
				numbers[r] = map[string]string{}
				order = append(order, r)
			}
			numbers[r][row.Info.Version] = strings.TrimPrefix(numbers[r][row.Info.Version]+", "+id, ", ")
		}
	}
	b.WriteString("| checks | " + strings.Join(versions, " | ") + " | | note |\n|" + strings.Repeat(" --- |", len(versions)+3) + "\n")
	for _, r := range order {
		fmt.Fprintf(b, "| %s |", r.checks)
		for _, version := range versions {
			b.WriteString(" " + numbers[r][version] + " |")
		}
		fmt.Fprintf(b, " %s | %s |\n", sign(r.same), r.note)
	}
}

// writeMapping writes a row for each control in its mapping's order.
func writeMapping(b *strings.Builder, info mapping.Info) {
	fmt.Fprintf(b, "\n## %s\n\n", info.Title)
	if info.Note != "" {
		b.WriteString(info.Note + "\n\n")
	}
	b.WriteString("| control | checks | note |\n| --- | --- | --- |\n")
	for _, id := range mapping.Order(info.Name, info.Version) {
		var names, notes []string
		for _, row := range mapping.Rows() {
			if row.Info != info || !slices.Contains(row.IDs, id) {
				continue
			}
			for _, check := range row.Checks {
				names = append(names, strings.TrimSpace(check+" "+sign(row.Same)))
			}
			if row.Note != "" {
				notes = append(notes, row.Note)
			}
		}
		slices.Sort(names)
		if len(names) == 0 {
			names = []string{"none"}
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", strings.TrimSpace(id+" "+mapping.Heading(info.Name, id)), strings.Join(names, ", "), strings.Join(notes, " "))
	}
}

func sign(same bool) string {
	if same {
		return "="
	}
	return ""
}

func TestDocsOfControls(t *testing.T) {
	path := filepath.Join("..", "..", "..", "docs", "controls.md")
	want := controlsMarkdown()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/controls.md is stale; run: go test ./pkg/checks/catalogue -run TestDocs -update\n%s", diff)
	}
}
