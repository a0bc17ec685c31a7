package report

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// If there are several clusters, people see which cluster a subject is in. Programs always
// see it.
func TestClusterOfASubject(t *testing.T) {
	of := func(name string, clusters ...string) *api.ChecklistReport {
		result := checks.Result{}
		for _, cluster := range clusters {
			result.Findings = append(result.Findings, api.Finding{
				Check: "privileged/x", Verdict: api.Fail, Severity: api.High, Message: "m",
				Subject: fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web", Container: "app", Cluster: cluster},
			})
			result.Gaps = append(result.Gaps, fact.Gap{What: fact.Pods, Reason: fact.Forbidden, Subject: fact.Subject{Kind: "Node", Name: "w1", Cluster: cluster}})
		}
		return Build(api.ReportSpec{}, &fact.Set{Cluster: fact.Cluster{Name: name}}, result)
	}
	for name, tc := range map[string]struct {
		report *api.ChecklistReport
		want   []string
		not    string
	}{
		"no name":               {of("", ""), []string{"deploy/shop/web:app"}, " in "},
		"one cluster":           {of("prod", ""), []string{"deploy/shop/web:app"}, "prod"},
		"one that subjects say": {of("", "prod"), []string{"deploy/shop/web:app"}, "prod"},
		"the report's own":      {of("prod", "prod", ""), []string{"deploy/shop/web:app"}, "prod"},
		"two":                   {of("", "prod", "staging"), []string{"deploy/shop/web:app in prod", "deploy/shop/web:app in staging"}, "CANARY"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, format := range []string{"name", "table", "wide"} {
				printer, err := NewPrinter(format, Options{})
				if err != nil {
					t.Fatal(err)
				}
				var out bytes.Buffer
				if err := printer.Print(&out, Of(tc.report)); err != nil {
					t.Fatal(err)
				}
				text := out.String()
				if format == "name" {
					for _, want := range tc.want {
						if !strings.Contains(text, want+"\n") {
							t.Errorf("%s: %q is not in\n%s", format, want, text)
						}
					}
				}
				if name == "two" && (!strings.Contains(text, "prod") || !strings.Contains(text, "staging")) {
					t.Errorf("%s names not both clusters:\n%s", format, text)
				}
				if strings.Contains(text, tc.not) && format == "name" || strings.Contains(text, "prod") && tc.not == "prod" {
					t.Errorf("%s: %q is in\n%s", format, tc.not, text)
				}
			}
		})
	}
	// Its name is no less hostile than another one, and no URL's password is shown.
	report := of("https://me:CANARY@api.example", "\x1b]0;owned\x07")
	if got := report.Cluster.Name + report.Findings[0].Subject.Cluster + report.Gaps[0].Subject.Cluster; strings.Contains(got, "CANARY") || strings.ContainsAny(got, "\x1b\x07") {
		t.Errorf("names %q", got)
	}
	if report.Cluster.Name != "https://api.example" {
		t.Errorf("the report names the cluster %q", report.Cluster.Name)
	}
}

// A printer gets the catalogue from the command. This package does not import it.
func TestOptionsReachThePrinter(t *testing.T) {
	known := []checks.Check{{ID: "privileged/x", Title: "T"}}
	for _, format := range Formats() {
		if format.Name != "name" {
			continue
		}
		printer, err := format.New("", Options{Catalogue: known})
		if err != nil || printer.(namePrinter).opts.Catalogue[0].Title != "T" {
			t.Errorf("%s: %+v, %v", format.Name, printer, err)
		}
	}
}

// Every text of a scope may come from an untrusted file.
func TestScopeIsSafe(t *testing.T) {
	const hostile = "\x1b]0;owned\x07 https://me:CANARY@api.example"
	var spec api.ReportSpec
	spec.Command = hostile
	scope := reflect.ValueOf(&spec.Scope).Elem()
	for i := range scope.NumField() {
		switch field := scope.Field(i); field.Kind() {
		case reflect.String:
			field.SetString(hostile)
		case reflect.Slice:
			field.Set(reflect.ValueOf([]string{hostile}))
		}
	}
	report := Build(spec, &fact.Set{}, checks.Result{})
	if text := fmt.Sprint(report.Spec); strings.Contains(text, "CANARY") || strings.ContainsAny(text, "\x1b\x07") {
		t.Errorf("%q", text)
	}
	if spec.Scope.Names[0] != hostile {
		t.Error("the scope that was given was changed")
	}
}
