package report

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

func controlled(version, provider string) *api.ChecklistReport {
	of := func(check string, verdict api.Verdict, name, source string) api.Finding {
		return api.Finding{
			Check: check, Question: "privileged", Verdict: verdict, Severity: api.High, Message: "said of " + name,
			Subject: fact.Subject{Kind: "Deployment", Namespace: "shop", Name: name}, Evidence: []api.Evidence{{Source: source, Value: "true"}},
		}
	}
	return &api.ChecklistReport{
		Cluster: api.ReportCluster{Version: version, Provider: provider},
		Checks: []api.ReportCheck{
			{Check: "privileged/host-namespaces"},
			{Check: "privileged/privileged-container"},
			{Check: "privileged/seccomp"},
			{Check: "privileged/block-devices"},
			{Check: "drift/writable-root"}, // its control has another check, which did not run
		},
		Findings: []api.Finding{
			of("privileged/host-namespaces", api.Fail, "net", "pod/shop/net spec.hostNetwork"),
			of("privileged/privileged-container", api.Fail, "priv", "pod/shop/priv spec.containers[0].securityContext.privileged"),
			of("privileged/block-devices", api.Fail, "disk", "x"),
			of("privileged/host-namespaces", api.VerdictUnknown, "dark", "x"),
			of("privileged/host-namespaces", api.Accepted, "waived", "pod/shop/waived spec.hostPID"),
			of("privileged/host-namespaces", api.Pass, "fine", "x"),
		},
	}
}

func TestControlsOf(t *testing.T) {
	r := controlled("v1.33.1", "kubeadm")
	c, ok := ControlsOf("cis", r, slices.Values(r.Findings))
	if !ok || c.Title() != "CIS Kubernetes Benchmark 1.12" || len(c.Notes) != 1 || !strings.HasPrefix(c.Notes[0], "5.6.3: ") || !c.Complete {
		t.Fatalf("%+v, %v", c, ok)
	}
	type counts = map[api.Verdict]int
	want := map[string]counts{
		"5.2.2":  {api.Fail: 1},
		"5.2.3":  {api.VerdictUnknown: 1, api.Accepted: 1, api.Pass: 1}, // hostPID
		"5.2.4":  {api.VerdictUnknown: 1, api.Pass: 1},
		"5.2.5":  {api.Fail: 1, api.VerdictUnknown: 1, api.Pass: 1}, // hostNetwork
		"5.2.10": {api.VerdictUnknown: 1, api.Pass: 1},              // HostProcess
		"5.6.2":  {},
		"5.6.3":  {},
	}
	var order []string
	for i := range c.List {
		of := &c.List[i]
		order = append(order, of.ID)
		if !maps.Equal(of.Counts, want[of.ID]) {
			t.Errorf("%s: %v, want %v", of.ID, of.Counts, want[of.ID])
		}
	}
	if got := strings.Join(order, " "); got != "5.2.2 5.2.3 5.2.4 5.2.5 5.2.10 5.6.2 5.6.3" {
		t.Errorf("order %s", got)
	}
	if c.Other[api.Fail] != 1 || c.Other[api.Pass] != 0 {
		t.Errorf("others: %v", c.Other)
	}
	// A control whose checks did not run is neither judged nor uncovered.
	if !slices.Contains(c.NotRun, "5.2.7") || slices.Contains(c.Uncovered, "5.2.7") || !slices.Contains(c.Uncovered, "5.3.2") || slices.Contains(c.NotRun, "5.2.2") || slices.Contains(c.NotRun, "5.6.3") {
		t.Errorf("not run %v, uncovered %v", c.NotRun, c.Uncovered)
	}
	if _, ok := ControlsOf("cis-2", r, slices.Values(r.Findings)); ok {
		t.Error("cis-2 is no mapping")
	}
}

func TestTableByControl(t *testing.T) {
	for name, tc := range map[string]struct {
		mapping, provider string
		want, not         []string
	}{
		"cis": {"cis", "kubeadm", []string{
			"BY CONTROL: CIS Kubernetes Benchmark 1.12", "No number of passes shows that a control is met.", "CONTROL 5.2.5\n", "CONTROL (no control)\n",
			"Not judged in this run, because their checks did not run: 1.1.11,", "No check gives evidence for 93 controls: 1.1.1, ", "said of net", "said of priv", "said of disk", "said of dark",
		}, []string{"CONTROL 5.6.2\n", "said of fine", "ompliant", "Ensure"}},
		"a heading of NIST":              {"nist-800-190", "", []string{"CONTROL 4.4.3 Insecure container runtime configurations\n", "4.6"}, nil},
		"a list that can lack some":      {"nsa", "", []string{"can lack some"}, nil},
		"every control of Pod Security":  {"pss", "gke", []string{"Every control has a check", "CONTROL hostNamespaces\n"}, []string{"NOTHING"}},
		"a managed cluster maps nothing": {"cis", "gke", []string{"NOTHING IS MAPPED: GKE has a benchmark of its own", "said of net"}, []string{"CONTROL 5", "BY CONTROL"}},
		"an unknown provider is said":    {"cis", "unknown", []string{"Who runs the control plane is not known."}, nil},
	} {
		for _, format := range []string{"table", "wide"} {
			for _, width := range []int{0, 60, 120, 200} {
				t.Run(name+" "+format, func(t *testing.T) {
					printer, err := NewPrinter(format, Options{Mapping: tc.mapping, Width: width})
					if err != nil {
						t.Fatal(err)
					}
					var out bytes.Buffer
					if err := Print(&out, printer, Of(controlled("v1.33.1", tc.provider))); err != nil {
						t.Fatal(err)
					}
					text := out.String()
					if width > 0 {
						text = strings.Join(strings.Fields(text), " ")
					}
					for _, want := range tc.want {
						if width > 0 {
							want = strings.TrimSpace(want)
						}
						if !strings.Contains(text, want) {
							t.Errorf("width %d: %q is not in\n%s", width, want, out.String())
						}
					}
					for _, not := range tc.not {
						if width == 0 && strings.Contains(text, not) {
							t.Errorf("%q is in\n%s", not, text)
						}
					}
				})
			}
		}
	}
}

// BenchmarkByControl prints 20,000 failing findings by the controls of CIS.
func BenchmarkByControl(b *testing.B) {
	r := controlled("v1.33.1", "kubeadm")
	few := r.Findings
	for i := 0; len(r.Findings) < 20_000; i++ {
		f := few[i%len(few)]
		f.Subject.Name = fmt.Sprint("pod-", i)
		r.Findings = append(r.Findings, f)
	}
	printer, err := NewPrinter("wide", Options{Mapping: "cis"})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := Print(io.Discard, printer, Of(r)); err != nil {
			b.Fatal(err)
		}
	}
}
