package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

func printed(t *testing.T, output string, opts Options, report *api.ChecklistReport) string {
	t.Helper()
	printer, err := NewPrinter(output, opts)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := printer.Print(&out, Of(report)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// The same report is printed in the same way each time. Printing does not change it, because
// one run prints it in several formats.
func TestSameTwice(t *testing.T) {
	report := sample()
	outputs := []string{
		"table", "wide", "json", "yaml", "name", "jsonpath={.answers}", "go-template={{.findings}}", "custom-columns=C:.check,S:.subject",
	}
	first := map[string]string{}
	for range 20 {
		for _, output := range outputs {
			for _, minimum := range []api.Severity{"", api.High} {
				key := output + " " + string(minimum)
				got := printed(t, output, Options{Summary: true, MinSeverity: minimum, Wide: "kubectl checklist -o wide"}, report)
				if want, ok := first[key]; ok && got != want {
					t.Fatalf("-o %s prints another text the second time:\n%s", key, cmp.Diff(want, got))
				}
				first[key] = got
			}
		}
	}
	if diff := cmp.Diff(sample(), report); diff != "" {
		t.Errorf("printing changed the report (-before +after):\n%s", diff)
	}
}

// Thousands of findings that say the same are one line of a table, with their count. So are
// thousands of nodes that were not measured for one reason. Formats with a line for each
// have a line for each.
func TestThousandsAreGrouped(t *testing.T) {
	const many = 5000
	report := sample()
	report.Findings = nil
	for i := range many {
		report.Findings = append(report.Findings, api.Finding{
			Check: "secrets/encrypted-at-rest", Question: api.Secrets, Verdict: api.Fail, Severity: api.Critical, Basis: api.Measured,
			Subject: fact.Subject{Kind: "Secret", Namespace: "shop", Name: fmt.Sprintf("s%d", i)}, Message: "stored in etcd as plaintext",
		})
	}
	for i := range many { // each with words of its own
		report.Findings = append(report.Findings, api.Finding{
			Check: "privileged/host-path", Question: api.Privileged, Verdict: api.Fail, Severity: api.High, Basis: api.Declared,
			Subject: fact.Subject{Kind: "Pod", Namespace: "shop", Name: fmt.Sprintf("p%d", i)}, Message: fmt.Sprintf("mounts /srv/%d of the node", i),
		})
	}
	report.Gaps = nil
	for i := range many {
		for _, kind := range []fact.Kind{fact.Processes, fact.Mounts, fact.Kernel} {
			report.Gaps = append(report.Gaps, fact.Gap{
				What: kind, Subject: fact.Subject{Kind: "Node", Name: fmt.Sprintf("n%d", i)}, Reason: fact.NotReady, Affects: []string{"drift/x"},
			})
		}
	}
	summary := printed(t, "table", Options{Summary: true, Wide: "kubectl checklist -o wide"}, report)
	if lines := strings.Count(summary, "\n"); lines > 50 {
		t.Errorf("the summary has %d lines", lines)
	}
	for _, want := range []string{
		"critical  secrets/encrypted-at-rest  5,000 Secrets (shop/s0, s1, s2, ...)", "... and 4991 more: kubectl checklist -o wide",
		"NOT MEASURED  5,000 nodes (n0, n1, n2, ...): NotReady; unknown there: drift",
	} {
		if !strings.Contains(summary, want) {
			t.Errorf("the summary lacks %q:\n%s", want, summary)
		}
	}
	for output, lines := range map[string]int{"name": 2 * many, "wide": 1 + many, "custom-columns=N:.subject.name": 2*many + 1} {
		if got := strings.Count(printed(t, output, Options{}, report), "\n"); got < lines {
			t.Errorf("-o %s has %d lines, want at least %d", output, got, lines)
		}
	}
}

// Every text from a cluster, node or facts file is made safe when the report is built, also
// kinds, reasons and hints.
func TestBuildEscapesEverything(t *testing.T) {
	const evil = "x\x1b[31m\u202e\ny"
	subject := fact.Subject{Kind: evil, Namespace: evil, Name: evil, Container: evil, Node: evil, Pods: []string{evil}}
	built := Build(
		api.ReportSpec{},
		&fact.Set{Cluster: fact.Cluster{Server: evil, User: evil, UID: evil, Version: evil, Provider: evil}},
		checks.Result{
			Findings: []api.Finding{{
				Subject: subject, Message: evil, Remediation: api.Remediation{Text: evil}, Reason: evil,
				Evidence: []api.Evidence{{Source: evil, Value: evil}},
			}},
			Gaps: []fact.Gap{{What: evil, Subject: subject, Reason: evil, Detail: evil, Hint: evil}},
		},
	)
	for _, template := range []string{"{.findings}", "{.gaps}", "{.cluster}"} {
		got := printed(t, "jsonpath="+template, Options{}, built)
		if strings.ContainsAny(got, "\x1b\u202e") || strings.Contains(got, `\u001b`) || strings.Contains(got, `\n`) || !strings.Contains(got, "x^[[31m") {
			t.Errorf("%s: %s", template, got)
		}
	}
}

// An empty set gives a report with empty lists, not null.
func TestBuildEmpty(t *testing.T) {
	built := Build(api.ReportSpec{Command: "pods"}, &fact.Set{}, checks.Result{})
	if built.Findings == nil || built.Answers == nil || built.Cluster.Secrets != nil {
		t.Errorf("findings %v, answers %v, secrets %v", built.Findings, built.Answers, built.Cluster.Secrets)
	}
	none := Build(api.ReportSpec{}, &fact.Set{SecretsListed: true}, checks.Result{})
	if none.Cluster.Secrets == nil || *none.Cluster.Secrets != 0 {
		t.Errorf("an empty list of Secrets is not none: %v", none.Cluster.Secrets)
	}
}

// Whoever reads WORKLOADS sees what the user took out of it.
func TestTableNamesThePlatformOfTheUser(t *testing.T) {
	report := sample()
	if text := printed(t, "table", Options{}, report); !strings.Contains(text, "(kube-system and similar).") {
		t.Error(text)
	}
	report.Spec.Scope.PlatformNamespaces = []string{"infra-*", "a\x1b[31m"}
	if text := printed(t, "table", Options{}, report); !strings.Contains(text, "(kube-system and similar, and the user's: infra-*, a^[[31m).") {
		t.Error(text)
	}
}
