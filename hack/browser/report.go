package browser

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/html"
)

var (
	verdicts   = []api.Verdict{api.Fail, api.VerdictUnknown, api.Accepted, api.Pass}
	severities = []api.Severity{api.Critical, api.High, api.Medium, api.Low}
	questions  = []api.Question{api.Builds, api.Immutable, api.Privileged, api.Hosts, api.Secrets, api.Drift}
)

// Made returns a report of n findings. Namespaces, nodes and checks follow from the number of the
// finding, so that a test can count them. text is in every text that a page shows.
func Made(n int, text string) *api.ChecklistReport {
	r := &api.ChecklistReport{
		ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.Unix(1700000000, 0)},
		Spec: api.ReportSpec{
			Command: "all" + text, Version: "v1" + text, CatalogueVersion: "c1" + text,
			Scope: api.Scope{AllNamespaces: true, Narrowed: "only one" + text, LeftOutChecks: []string{"a/b" + text}, ProbeLevel: text, Checks: []string{"c" + text}},
			Waivers: &api.WaiverUse{
				Waivers: 3, Used: 1, Expired: []api.WaiverNote{{Line: 3, Check: "a/b" + text, Detail: "expired 2026-01-01" + text}},
				Unused: []api.WaiverNote{{Line: 9, Check: "a/c" + text, Detail: "unused" + text}},
			},
			Inputs: api.Inputs{JudgedAt: "now" + text, Facts: "sha256:0" + text},
		},
		Cluster: api.ReportCluster{Name: "prod" + text, User: "jane" + text, Server: "https://api" + text, Version: "v1.33.1", Provider: "kubeadm" + text, Nodes: 7, MeasuredNodes: 6, Pods: 40, OtherStores: []string{"store" + text}},
		Read:    &fact.ReadCount{Pods: 40, Workloads: 12},
		Gaps:    []fact.Gap{{What: fact.Kind("kind" + text), Reason: fact.Reason("Forbidden" + text), Detail: "detail" + text, Hint: "hint" + text, Subject: fact.Subject{Kind: fact.SubjectNode, Name: "node" + text}}},
	}
	for c := range 6 {
		r.Checks = append(r.Checks, api.ReportCheck{
			Check: checkName(c, text), Title: fmt.Sprintf("Title of check %d%s", c, text), Severity: api.High, Parts: []string{"part"},
			Controls: []api.Control{{Mapping: "cis", Version: "1.12", ID: "5.2.2" + text}, {Mapping: "nist-800-190", ID: "4.4.3" + text}, {Mapping: "own" + text, ID: "x" + text}},
		})
	}
	for i, q := range questions {
		answer := []api.AnswerWord{api.Yes, api.No, api.Unknown, api.NotApplicable}[i%4]
		r.Answers = append(r.Answers, api.Answer{
			Question: q, Number: i + 1, Text: fmt.Sprintf("Is question %d answered?%s", i+1, text), Answer: answer, Workloads: api.Yes,
			Coverage: api.Coverage{Measured: 3, InScope: 4}, Unknowns: 1, Reason: "reason" + text,
			Parts: []api.PartAnswer{{Part: "part" + text, Title: "A part" + text, Answer: answer, Workloads: answer, Reason: "why" + text}},
		})
	}
	for i := range 7 {
		node := api.ReportNode{Name: nodeName(i, text), Measured: i > 0}
		answer := []api.AnswerWord{api.Unknown, api.No, api.Yes, api.NotApplicable}[i%4]
		for _, q := range questions {
			node.Answers = append(node.Answers, api.NodeAnswer{Question: q, Answer: answer})
		}
		r.Nodes = append(r.Nodes, node)
	}
	for i := range n {
		verdict := verdicts[min(len(verdicts)-1, i*len(verdicts)/max(n, 1))]
		f := api.Finding{
			Check: checkName(i%6, text), Question: questions[i%6], Verdict: verdict, Severity: severities[i%4], Basis: api.Measured,
			Subject:     fact.Subject{Kind: fact.SubjectPod, Namespace: fmt.Sprintf("team-%d%s", i%5, text), Name: fmt.Sprintf("web-%06d%s", i, text), Node: nodeName(i%7, text)},
			Message:     fmt.Sprintf("message %d%s", i, text),
			Evidence:    []api.Evidence{{Source: "/proc/1/status" + text, Value: fmt.Sprintf("CapEff: %016x%s", i, text), Basis: api.Measured}, {Source: text, Value: text, Basis: api.Basis(text)}},
			Remediation: api.Remediation{Text: "Do this" + text},
		}
		switch verdict {
		case api.Fail:
			f.Remediation.Patch = &api.Patch{
				Target: "deployments.apps/web" + text, Namespace: "shop" + text, Type: "json", Because: "measured" + text, Upstream: "helm" + text,
				Operations: []api.PatchOperation{{Op: "remove", Path: "/spec/template" + text, Value: []byte(`{"a":"` + "x" + `"}`)}},
			}
		case api.VerdictUnknown:
			f.Reason = fact.Reason("Timeout" + text)
		case api.Accepted:
			f.Accepted = &api.Acceptance{AcceptedBy: "bob" + text, Expires: "2027-01-01", Reason: "because" + text}
		}
		r.Findings = append(r.Findings, f)
	}
	return r
}

func checkName(i int, text string) string { return fmt.Sprintf("group/check-%d%s", i, text) }
func nodeName(i int, text string) string  { return fmt.Sprintf("node-%d%s", i, text) }

// Hostile are texts that must run nothing and change no layout.
var Hostile = map[string]string{
	"markup":          `</td></table></script><script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)>`,
	"attribute":       `" onmouseover="alert(1)" style="position:fixed;inset:0" x='`,
	"address":         `javascript:alert(1)//https://example.com/a?b=c`,
	"directions":      "\u202egnirts\u2066\u200f\u061c",
	"not to be seen":  "\u200b\u200d\u2060\ufeff\ue000\U000f0000\U000e0041",
	"not UTF-8":       "\xff\xfe\xc3\x28\x80",
	"controls":        "\x00\x08\x1b[31m\r\n\t\u0085\u2028",
	"1 MiB of words":  strings.Repeat("word<b> ", 1<<17),
	"1 MiB unbroken":  strings.Repeat("w", 1<<20),
	"combining marks": "z" + strings.Repeat("\u0301\u0316", 200),
	"prototype":       "__proto__",
}

// Random returns a report of n findings whose names, messages and evidence are random: the worst
// case for packing.
func Random(n int) *api.ChecklistReport {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
	r := Made(n, "")
	for i := range r.Findings {
		f := &r.Findings[i]
		f.Subject.Name = fmt.Sprintf("web-%08x-%05x", random.Uint32(), random.Uint32N(1<<20))
		f.Subject.Namespace = fmt.Sprintf("team-%d", random.IntN(2000))
		f.Subject.Node = fmt.Sprintf("node-%d", random.IntN(1000))
		f.Check = checkName(random.IntN(60), "")
		f.Message = fmt.Sprintf("process %d of the container holds %d capabilities beyond the default", random.IntN(1<<22), random.IntN(40))
		f.Evidence = []api.Evidence{
			{Source: fmt.Sprintf("node/%s /proc/%d/status CapEff", f.Subject.Node, random.IntN(1<<22)), Value: fmt.Sprintf("%016x", random.Uint64N(1<<41)), Basis: api.Measured},
			{Source: "pod/" + f.Subject.Name + " spec.containers[0].image", Value: fmt.Sprintf("registry.example/app-%d@sha256:%016x", random.IntN(1000), random.Uint64()), Basis: api.Declared},
		}
		f.Remediation.Patch = nil
	}
	return r
}

// Write prints a report as a page into a file.
func Write(file string, r *report.Report) error {
	printer, err := html.Format().New("", report.Options{})
	if err != nil {
		return err
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := report.Print(out, printer, r); err != nil {
		out.Close() //nolint:errcheck // the first error is the one that matters
		return err
	}
	return out.Close()
}
