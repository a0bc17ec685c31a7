package report

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// A document that is written finding by finding is the one that cli-runtime's printer
// makes of the whole report.
func TestDocumentsAreThoseOfTheRuntime(t *testing.T) {
	printed := 0
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 5))
		report := randomReport(r)
		report.TypeMeta.APIVersion, report.TypeMeta.Kind = api.GroupVersion.String(), api.ReportKind
		if len(report.Findings) == 0 {
			report.Findings = []api.Finding{}
		}
		// More than one batch, and texts that look like the document itself.
		for range r.IntN(3) {
			report.Findings = append(report.Findings, report.Findings...)
		}
		for i := range report.Findings {
			if r.IntN(5) == 0 {
				report.Findings[i].Message = pick(r, "findings: []", `"findings": []`, "\nfindings: []\n", "<&>\u2028", "- ", "null", "0x1f", "yes", "a: b # c", strings.Repeat("ab ", 60))
				report.Spec.Scope.Snapshot = report.Findings[i].Message
			}
		}
		opts := Options{
			MinSeverity: pick(r, "", "", api.High),
			Expand: func(text string) string {
				return strings.ReplaceAll(text, "kubectl checklist", "kubectl checklist --context prod")
			},
		}
		for _, format := range []string{"json", "yaml"} {
			whole := ofRuntime(format)
			var want bytes.Buffer
			if err := whole.PrintObj(opts.expanded(Visible(report, opts.MinSeverity)), &want); err != nil {
				t.Fatal(err)
			}
			printer, err := NewPrinter(format, opts)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := Print(&got, printer, Of(report)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.String(), got.String()); diff != "" {
				t.Fatalf("seed %d: %s (-runtime +ours):\n%s", seed, format, diff)
			}
			printed += len(report.Findings)
		}
	}
	if printed < 10_000 {
		t.Errorf("only %d findings were printed", printed)
	}
}

// brokenAfter is a pipe whose reader goes away.
type brokenAfter struct{ left int }

func (b *brokenAfter) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errors.New("broken pipe")
	}
	return len(p), nil
}

// A document that cannot be written to its end is an error, wherever it ends, and the
// other findings are not made.
func TestDocumentsCutShortAreAnError(t *testing.T) {
	report := &api.ChecklistReport{TypeMeta: sample().TypeMeta}
	for i := range 2000 {
		report.Findings = append(report.Findings, api.Finding{Check: "secrets/a", Message: fmt.Sprint(i, strings.Repeat("x", 200))})
	}
	for _, format := range []string{"json", "yaml"} {
		for _, left := range []int{0, 100, 100_000, 300_000} {
			printer, err := NewPrinter(format, Options{})
			if err != nil {
				t.Fatal(err)
			}
			made := 0
			counted := func(yield func(api.Finding) bool) {
				for _, f := range report.Findings {
					if made++; !yield(f) {
						return
					}
				}
			}
			err = Print(&brokenAfter{left}, printer, &Report{Head: Of(report).Head, Each: counted})
			if err == nil || err.Error() != "broken pipe" || made == len(report.Findings) && left < 300_000 {
				t.Errorf("%s cut after %d bytes: %v, after %d findings", format, left, err, made)
			}
		}
	}
}
