package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// diffOf compares two files and returns the result.
func diffOf(t *testing.T, code int, args ...string) *api.ChecklistDiff {
	t.Helper()
	out, _ := runsTo(t, code, append([]string{"diff", "-o", "json"}, args...)...)
	var d api.ChecklistDiff
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		t.Fatal(err)
	}
	return &d
}

// A report of facts has not changed from these facts, nor have facts from themselves.
func TestDiffOfCases(t *testing.T) {
	for _, name := range []string{"C0", "P2", "A0-eks", "narrowed", "q5yes", "root"} {
		t.Run(name, func(t *testing.T) {
			facts := filepath.Join("testdata", "cases", name+".json")
			report := verified(t, facts, "-o", "yaml")
			for _, pair := range [][]string{{report, facts}, {facts, report}} {
				d := diffOf(t, ExitOK, append(pair, "--fail-on", "low")...)
				if d.Summary.Unchanged == 0 || d.Summary.Unchanged != d.New.Findings || d.Old.Findings != d.New.Findings || len(d.Changes)+len(d.Answers) > 0 {
					t.Errorf("changed: %+v, %v", d.Summary, d.Answers)
				}
			}
			for _, severity := range []string{"low", "medium", "high", "critical"} {
				some := verified(t, facts, "-o", "json", "--severity", severity)
				if s := diffOf(t, ExitOK, report, some).Summary; s.Fixed+s.Better+s.Gone > 0 {
					t.Errorf("--severity %s: %+v", severity, s)
				}
			}
		})
	}
}

// A node that goes silent turns nothing good, and a pipeline sees it.
func TestDiffOfASilentNode(t *testing.T) {
	for _, name := range []string{"C0", "P2", "root"} {
		before := filepath.Join("testdata", "cases", name+".json")
		text, err := os.ReadFile(before)
		if err != nil {
			t.Fatal(err)
		}
		var whole api.ChecklistFacts
		if err := json.Unmarshal(text, &whole); err != nil {
			t.Fatal(err)
		}
		silenced := 0
		for i := range whole.Facts.Nodes {
			if whole.Facts.Nodes[i].Measured == nil {
				continue
			}
			facts := whole.DeepCopy()
			facts.Facts.Nodes[i].Measured = nil
			for _, kind := range fact.NodeKinds() {
				facts.Facts.Gaps = append(facts.Facts.Gaps, fact.Gap{What: kind, Subject: fact.Subject{Kind: fact.SubjectNode, Name: facts.Facts.Nodes[i].Name}, Reason: fact.NotReady})
			}
			text, err := json.Marshal(facts)
			if err != nil {
				t.Fatal(err)
			}
			after := filepath.Join(t.TempDir(), "after.json")
			if err := os.WriteFile(after, text, 0o600); err != nil {
				t.Fatal(err)
			}
			silenced++
			// In P2 another node had not answered before. Its workload runs on both, and was unknown.
			want := ExitPartial
			if name == "P2" {
				want = ExitOK
			}
			d := diffOf(t, want, before, after, "--fail-on", "low")
			if s := d.Summary; s.Fixed+s.Better+s.Gone > 0 || (s.NoLongerMeasured == 0) != (name == "P2") {
				t.Errorf("%s, node %s: %+v", name, facts.Facts.Nodes[i].Name, s)
			}
			for _, a := range d.Answers {
				if a.New == api.Yes {
					t.Errorf("%s: %+v", name, a)
				}
			}
			// Once it answers again, nothing is new.
			if s := diffOf(t, ExitOK, after, before).Summary; s.New+s.Worse+s.NoLongerMeasured > 0 || (s.NewlyMeasured == 0) != (name == "P2") {
				t.Errorf("%s, node %s answers again: %+v", name, facts.Facts.Nodes[i].Name, s)
			}
		}
		if silenced == 0 {
			t.Errorf("%s has no measured node", name)
		}
	}
}

// What changes in the facts of a cluster, and what becomes of its findings.
func TestDiffOfChanges(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "cases", "narrowed.json"))
	if err != nil {
		t.Fatal(err)
	}
	var whole api.ChecklistFacts
	if err := json.Unmarshal(text, &whole); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, changes ...func(*fact.Set)) string {
		facts := whole.DeepCopy()
		facts.Facts.Cluster.UID = "u1"
		for _, change := range changes {
			change(&facts.Facts)
		}
		text, err := json.Marshal(facts)
		path := filepath.Join(dir, name)
		if err == nil {
			err = os.WriteFile(path, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	const worker = 3
	silent := func(s *fact.Set) {
		n := &s.Nodes[worker]
		n.Measured, n.Ready = nil, false
		s.Gaps = append(s.Gaps, fact.Gap{What: fact.Processes, Subject: fact.Subject{Kind: fact.SubjectNode, Name: n.Name}, Reason: fact.NotReady})
	}
	deleted := func(s *fact.Set) {
		name := s.Nodes[worker].Name
		s.Nodes = slices.Delete(s.Nodes, worker, worker+1)
		for i := range s.Workloads {
			s.Workloads[i].Pods = slices.DeleteFunc(s.Workloads[i].Pods, func(p fact.Pod) bool { return p.Node == name })
		}
	}
	eachPod := func(change func(*fact.Pod)) func(*fact.Set) {
		return func(s *fact.Set) {
			for i := range s.Workloads {
				for k := range s.Workloads[i].Pods {
					change(&s.Workloads[i].Pods[k])
				}
			}
		}
	}
	eachContainer := func(change func(*fact.Container)) func(*fact.Set) {
		return func(s *fact.Set) {
			for i := range s.Workloads {
				for k := range s.Workloads[i].Spec.Containers {
					change(&s.Workloads[i].Spec.Containers[k])
				}
			}
		}
	}
	unprivileged := eachContainer(func(c *fact.Container) { c.Privileged = nil })
	inShop := func(w fact.Workload) bool { return w.Owner.Namespace == "shop" }
	none := map[api.ChangeClass]bool{}
	for name, tc := range map[string]struct {
		old, now []func(*fact.Set)
		want     map[api.ChangeClass]bool // of fixed, better and gone
		never    string                   // a check of which nothing is fixed or better
	}{
		"pods of other names":           {nil, []func(*fact.Set){eachPod(func(p *fact.Pod) { p.Name += "x" })}, none, ""},
		"another image under its tag":   {nil, []func(*fact.Set){eachPod(func(p *fact.Pod) { p.Containers[0].ImageID = "x@sha256:" + strings.Repeat("b", 64) })}, none, ""},
		"a node with another UID":       {nil, []func(*fact.Set){func(s *fact.Set) { s.Nodes[worker].UID = "other" }}, none, ""},
		"a silent node":                 {nil, []func(*fact.Set){silent}, none, ""},
		"a node that is deleted":        {nil, []func(*fact.Set){deleted}, map[api.ChangeClass]bool{api.ChangeGone: true}, ""},
		"a silent node that is deleted": {[]func(*fact.Set){silent}, []func(*fact.Set){deleted}, map[api.ChangeClass]bool{api.ChangeGone: true}, ""},
		"a silent node that answers":    {[]func(*fact.Set){silent}, nil, none, ""},
		"pods of a namespace are forbidden": {nil, []func(*fact.Set){func(s *fact.Set) {
			s.Workloads = slices.DeleteFunc(s.Workloads, inShop)
			s.Gaps = append(s.Gaps, fact.Gap{What: fact.Pods, Subject: fact.Subject{Kind: fact.SubjectNamespace, Name: "shop"}, Reason: fact.Forbidden})
		}}, none, ""},
		"Secrets of a namespace are forbidden": {nil, []func(*fact.Set){func(s *fact.Set) {
			s.Secrets = slices.DeleteFunc(s.Secrets, func(n fact.SecretName) bool { return n.Namespace == "shop" })
			s.Gaps = append(s.Gaps, fact.Gap{What: fact.Secrets, Subject: fact.Subject{Kind: fact.SubjectNamespace, Name: "shop"}, Reason: fact.Forbidden})
		}}, none, ""},
		"images by digest":                    {nil, []func(*fact.Set){eachContainer(func(c *fact.Container) { c.Image = "x@sha256:" + strings.Repeat("a", 64) })}, map[api.ChangeClass]bool{api.ChangeFixed: true}, ""},
		"images by digest, and a silent node": {nil, []func(*fact.Set){silent, eachContainer(func(c *fact.Container) { c.Image = "x@sha256:" + strings.Repeat("a", 64) })}, map[api.ChangeClass]bool{api.ChangeFixed: true}, ""},
		"another kind of the same name": {nil, []func(*fact.Set){func(s *fact.Set) {
			for i := range s.Workloads {
				if inShop(s.Workloads[i]) {
					s.Workloads[i].Owner.Kind = fact.SubjectStatefulSet
				}
			}
		}}, map[api.ChangeClass]bool{api.ChangeGone: true}, ""},
		// Whether the containers have a profile is not known: they were not measured.
		"privileged no more": {nil, []func(*fact.Set){unprivileged}, map[api.ChangeClass]bool{api.ChangeFixed: true, api.ChangeBetter: true}, "privileged/seccomp"},
	} {
		t.Run(name, func(t *testing.T) {
			d := diffOf(t, ExitOK, write("old.json", tc.old...), write("new.json", tc.now...))
			got := map[api.ChangeClass]bool{}
			for _, c := range d.Changes {
				switch c.Class {
				case api.ChangeFixed, api.ChangeBetter:
					got[c.Class] = true
					if c.Check == tc.never {
						t.Errorf("%s %s: %+v -> %+v", c.Class, c.Check, c.Old, c.New)
					}
				case api.ChangeGone:
					got[c.Class] = true
				}
			}
			if !maps.Equal(got, tc.want) {
				t.Errorf("want %v, got %v: %+v", tc.want, got, d.Summary)
			}
		})
	}
}

// written is a report of one finding in a file.
func written(t *testing.T, verdict api.Verdict, severity api.Severity, change func(*api.ChecklistReport)) string {
	t.Helper()
	r := api.ChecklistReport{Findings: []api.Finding{{Check: "secrets/a", Verdict: verdict, Severity: severity, Basis: api.Measured, Subject: fact.Subject{Kind: "Secret", Namespace: "shop", Name: "db"}}}}
	r.Kind, r.APIVersion = api.ReportKind, api.GroupVersion.String()
	r.Checks = []api.ReportCheck{{Check: "secrets/a"}}
	if change != nil {
		change(&r)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "report.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDiffStatus(t *testing.T) {
	passes, fails := written(t, api.Pass, api.High, nil), written(t, api.Fail, api.High, nil)
	unknown, low := written(t, api.VerdictUnknown, api.High, nil), written(t, api.Fail, api.Low, nil)
	accepted := written(t, api.Accepted, api.High, nil)
	none := written(t, api.Pass, api.High, func(r *api.ChecklistReport) { r.Findings = nil })
	whatIf := written(t, api.Pass, api.High, func(r *api.ChecklistReport) { r.Spec.Scope.WhatIf = &api.WhatIf{} })
	for name, tc := range map[string]struct {
		args []string
		want int
	}{
		"without --fail-on":               {[]string{passes, fails}, ExitOK},
		"new":                             {[]string{passes, fails, "--fail-on", "high"}, ExitFindings},
		"new of less severity":            {[]string{passes, low, "--fail-on", "high"}, ExitOK},
		"worse":                           {[]string{low, fails, "--fail-on", "high"}, ExitFindings},
		"an unknown that fails":           {[]string{unknown, fails, "--fail-on", "high"}, ExitFindings},
		"a waiver that ended":             {[]string{accepted, fails, "--fail-on", "high"}, ExitFindings},
		"a waiver":                        {[]string{fails, accepted, "--fail-on", "low"}, ExitOK},
		"unchanged":                       {[]string{fails, fails, "--fail-on", "low"}, ExitOK},
		"fixed":                           {[]string{fails, passes, "--fail-on", "low"}, ExitOK},
		"gone":                            {[]string{fails, none, "--fail-on", "low"}, ExitOK},
		"no longer measured":              {[]string{passes, unknown, "--fail-on", "critical"}, ExitPartial},
		"no longer measured, and allowed": {[]string{passes, unknown, "--fail-on", "critical", "--allow-unknown"}, ExitOK},
		"what if":                         {[]string{whatIf, passes}, ExitFailure},
		"no such file":                    {[]string{passes, "nosuch"}, ExitFailure},
		"wrong usage":                     {[]string{passes}, ExitFailure},
	} {
		t.Run(name, func(t *testing.T) {
			env, _, _ := testEnv()
			if got := Main(context.Background(), env, append([]string{"diff"}, tc.args...)); got != tc.want {
				t.Errorf("want %d, got %d", tc.want, got)
			}
		})
	}
}

// What stdin reads is not replaced either.
func TestDiffKeepsItsInput(t *testing.T) {
	old, now := written(t, api.Pass, api.High, nil), written(t, api.Fail, api.High, nil)
	in, err := os.Open(old)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close() //nolint:errcheck // only read
	for path, want := range map[string]int{old: ExitFailure, filepath.Join(t.TempDir(), "new"): ExitOK} {
		env, _, errOut := testEnv()
		env.Streams.In = in
		code := Main(context.Background(), env, []string{"diff", "-", now, "--output-file", "json=" + path})
		if said := fmt.Sprintf("--output-file would replace the file of OLD: %q", path); code != want || strings.Contains(errOut.String(), said) != (code == ExitFailure) {
			t.Errorf("%s: status %d, %q", path, code, errOut)
		}
	}
}

// A pipe to which nobody writes ends with the run.
func TestDiffIsInterrupted(t *testing.T) {
	env, _, errOut := testEnv()
	in, out := io.Pipe()
	defer out.Close() //nolint:errcheck // nobody reads it
	env.Streams.In = in
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	code := Main(ctx, env, []string{"diff", written(t, api.Pass, api.High, nil), "-"})
	if code != ExitFailure || !strings.Contains(errOut.String(), "interrupted") {
		t.Errorf("status %d, %q", code, errOut)
	}
}

// What of its checks a later catalogue does not have is left out of facts, not an error.
func TestDiffOfFactsWithAnUnknownCheck(t *testing.T) {
	facts := filepath.Join(t.TempDir(), "facts.json")
	text, err := os.ReadFile(filepath.Join("testdata", "cases", "C0.json"))
	if err != nil {
		t.Fatal(err)
	}
	var saved api.ChecklistFacts
	if err := json.Unmarshal(text, &saved); err != nil {
		t.Fatal(err)
	}
	write := func(checks ...string) {
		saved.Spec.Scope.Checks = checks
		text, err := json.Marshal(saved)
		if err == nil {
			err = os.WriteFile(facts, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write("secrets/encrypted-at-rest", "secrets/was-there-once")
	d := diffOf(t, ExitOK, facts, facts, "--show-unchanged")
	if len(d.Changes) == 0 || slices.ContainsFunc(d.Changes, func(c api.Change) bool { return c.Check != "secrets/encrypted-at-rest" }) {
		t.Errorf("%d changes", len(d.Changes))
	}
	write("secrets/was-there-once")
	if _, errOut := runsTo(t, ExitFailure, "diff", facts, facts); !strings.Contains(errOut, "they were saved for checks that this version does not have") {
		t.Error(errOut)
	}
}
