package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// An error about a template holds nothing of the report.
func TestJSONPathErrors(t *testing.T) {
	for output, want := range map[string]string{
		"jsonpath={.findings[99].check}":       "jsonpath: index 99 is out of range: the list has ",
		"jsonpath={.kind[0]}":                  "jsonpath: the template does not fit the report: compare it with -o json",
		"jsonpath={.kind[?(@.a)]}":             "jsonpath: the template does not fit the report: compare it with -o json",
		"custom-columns=A:.evidence[99].value": `custom-columns: column "A": index 99 is out of range: the list has `,
	} {
		printer, err := NewPrinter(output, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		err = printer.Print(&out, Of(sample()))
		if err == nil || !strings.HasPrefix(err.Error(), want) || len(err.Error()) > len(want)+3 {
			t.Errorf("-o %s: got %v, want %s", output, err, want)
		}
	}
}

func TestHeaderOfFiles(t *testing.T) {
	report := sample()
	report.Spec.Scope = api.Scope{Files: []string{"deploy"}, Narrowed: "only what files declare"}
	report.Cluster = api.ReportCluster{}
	report.Read = &fact.ReadCount{Files: 1_400, Documents: 1_500, Objects: 1, Workloads: 12, Skipped: 2, Foreign: 3}
	printer, err := NewPrinter("table", Options{})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := printer.Print(&out, Of(report)); err != nil {
		t.Fatal(err)
	}
	const want = "files deploy  1,400 files  1 object  12 workloads judged  2 skipped  3 files without a Kubernetes object  only what files declare\n"
	if got, _, _ := strings.Cut(out.String(), "\n"); got+"\n" != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
