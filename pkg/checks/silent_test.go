package checks

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// A node that was asked and did not answer leaves no declared pass of a check that measures.
func TestDeclaredOnASilentNode(t *testing.T) {
	finding := api.Finding{Verdict: api.Pass, Message: "is declared well", Evidence: []api.Evidence{{Source: "pod/shop/web-1 spec", Value: "true"}}}
	check := func(edit func(*Check), change func(*api.Finding)) Check {
		c := Check{
			ID: "privileged/a", Basis: api.Measured, Severity: api.High, Scope: ScopeWorkload,
			Needs: []fact.Kind{fact.Pods}, Uses: []fact.Kind{fact.Mounts},
		}
		c.Judge = func(v *View) []api.Finding {
			f := finding
			f.Basis, f.Subject = api.Declared, WorkloadSubject(&v.Workloads[0])
			f.Subject.Container = "app"
			if change != nil {
				change(&f)
			}
			return []api.Finding{f}
		}
		if edit != nil {
			edit(&c)
		}
		return c
	}
	silent := func(node string, reason fact.Reason) func(*fact.Set) {
		return func(s *fact.Set) {
			for i := range s.Nodes {
				if s.Nodes[i].Name == node {
					s.Nodes[i].Measured = nil
				}
			}
			s.Gaps = append(s.Gaps, fact.Gap{
				What: fact.Mounts, Subject: fact.Subject{Kind: fact.SubjectNode, Name: node}, Reason: reason, Detail: "it is off", Hint: "turn it on",
			})
		}
	}
	second := func(s *fact.Set) {
		s.Nodes = append(s.Nodes, fact.Node{Name: "n2", Listed: true, Measured: s.Nodes[0].Measured})
		s.Workloads[0].Pods = append(s.Workloads[0].Pods, fact.Pod{
			Name: "web-2", Node: "n2", Phase: "Running", Containers: []fact.ContainerStatus{{Name: "app", Running: true}},
		})
	}
	const (
		pass    = "pass declared: is declared well [web-1]"
		both    = "pass declared: is declared well [web-1 web-2]"
		unknown = "unknown NotReady measured high: node n1 did not answer, so it is unknown what runs there [web-1]; turn it on"
	)
	for name, tc := range map[string]struct {
		check Check
		edits []func(*fact.Set)
		want  string
		// answer is the reason of the part; "" is not looked at.
		answer string
	}{
		"it answered":             {check(nil, nil), nil, pass, ""},
		"it was not asked":        {check(nil, nil), []func(*fact.Set){silent("n1", fact.NotRequested)}, pass, "NotPresent: declared but not measured: deployment shop/web app"},
		"nobody says why":         {check(nil, nil), []func(*fact.Set){func(s *fact.Set) { s.Nodes[0].Measured = nil }}, pass, ""},
		"it did not answer":       {check(nil, nil), []func(*fact.Set){silent("n1", fact.NotReady)}, unknown, "NotReady: node n1 did not answer: deployment shop/web app"},
		"changed on paper":        {check(nil, nil), []func(*fact.Set){silent("n1", fact.NotMeasured)}, pass, ""},
		"another kind is missing": {check(func(c *Check) { c.Uses = []fact.Kind{fact.Processes} }, nil), []func(*fact.Set){silent("n1", fact.NotReady)}, pass, ""},
		"a check that needs it":   {check(func(c *Check) { c.Needs, c.Uses = []fact.Kind{fact.Mounts}, nil }, nil), []func(*fact.Set){silent("n1", fact.NotReady)}, unknown, "NotReady: node n1 and 1 more"},
		"another node":            {check(nil, nil), []func(*fact.Set){second, silent("n3", fact.NotReady)}, both, ""},
		"one of two":              {check(nil, nil), []func(*fact.Set){second, silent("n1", fact.NotReady)}, unknown, ""},
		"both":                    {check(nil, nil), []func(*fact.Set){second, silent("n2", fact.Timeout), silent("n1", fact.NotReady)}, "unknown NotReady measured high: node n1 and 1 more did not answer, so it is unknown what runs there [web-1 web-2]; turn it on", ""},
		"a check that does not":   {check(func(c *Check) { c.Basis = api.Declared }, nil), []func(*fact.Set){silent("n1", fact.NotReady)}, pass, ""},
		"a measured pass":         {check(nil, func(f *api.Finding) { f.Basis = api.Measured }), []func(*fact.Set){silent("n1", fact.NotReady)}, "pass measured: is declared well [web-1]", ""},
		"a fail":                  {check(nil, func(f *api.Finding) { f.Verdict, f.Severity = api.Fail, api.Medium }), []func(*fact.Set){silent("n1", fact.NotReady)}, "fail declared medium: is declared well [web-1]", ""},
		"a low fail is open":      {check(nil, func(f *api.Finding) { f.Verdict, f.Severity = api.Fail, api.Low }), []func(*fact.Set){silent("n1", fact.NotReady)}, "fail NotReady declared low: is declared well; node n1 did not answer, so it is unknown what runs there [web-1]", "NotReady: node n1 did not answer: deployment shop/web app"},
		"its pod has ended":       {check(nil, nil), []func(*fact.Set){silent("n1", fact.NotReady), func(s *fact.Set) { s.Workloads[0].Pods[0].Phase = "Succeeded"; s.Workloads[0].Pods[0].Containers = nil }}, pass, ""},
		"another container runs":  {check(nil, func(f *api.Finding) { f.Subject.Container = "init" }), []func(*fact.Set){silent("n1", fact.NotReady)}, pass, ""},
		"the pod":                 {check(nil, func(f *api.Finding) { f.Subject.Container = "" }), []func(*fact.Set){silent("n1", fact.NotReady)}, unknown, ""},
		"its own word": {check(nil, nil), []func(*fact.Set){func(s *fact.Set) {
			s.Nodes[0].Measured = &fact.Measurement{Level: fact.LevelFull, Gaps: []fact.NodeGap{{What: fact.Mounts, Reason: fact.Unreadable}}}
		}}, "unknown Unreadable measured high: node n1 did not answer, so it is unknown what runs there [web-1]", ""},
		"its word of a container": {check(nil, nil), []func(*fact.Set){func(s *fact.Set) {
			s.Nodes[0].Measured = &fact.Measurement{Level: fact.LevelFull, Gaps: []fact.NodeGap{{What: fact.Mounts, Container: facttest.ID, Reason: fact.Unreadable}}}
		}}, pass, ""},
		"it read all but one file": {check(nil, nil), []func(*fact.Set){func(s *fact.Set) {
			s.Nodes[0].Measured.Gaps = []fact.NodeGap{{What: fact.Mounts, Reason: fact.Changing}}
		}}, pass, ""},
		"it is in no list": {check(nil, nil), []func(*fact.Set){second, func(s *fact.Set) { s.Nodes = s.Nodes[1:] }}, "unknown NotPresent measured high: node n1 did not answer, so it is unknown what runs there [web-1]; run it again", ""},
		"a workload of that kind": {check(nil, nil), []func(*fact.Set){func(s *fact.Set) {
			s.Nodes[0].Measured = nil
			s.Gaps = []fact.Gap{{What: fact.Mounts, Subject: fact.Subject{Kind: fact.SubjectNode, Namespace: "shop", Name: "n1"}, Reason: fact.NotReady}}
		}}, pass, ""},
	} {
		t.Run(name, func(t *testing.T) {
			set := facttest.Edit(facttest.Measured(facttest.With(), fact.Container{}), tc.edits...)
			plan := planOf(tc.check)
			plan.Parts = []Part{{Question: api.Privileged, Name: "p", Checks: []string{tc.check.ID}}}
			result := JudgeSet(plan, set)
			i := slices.IndexFunc(result.Findings, func(f api.Finding) bool { return f.Subject.Kind == "Deployment" })
			if i < 0 {
				t.Fatalf("no finding: %+v", result.Findings)
			}
			f := &result.Findings[i]
			words := []string{string(f.Verdict), string(f.Reason), string(f.Basis)}
			if f.Verdict != api.Pass {
				words = append(words, string(f.Severity))
			}
			got := strings.Join(strings.Fields(strings.Join(words, " ")), " ") + ": " + f.Message + " [" + strings.Join(f.Subject.Pods, " ") + "]"
			if f.Verdict == api.VerdictUnknown && f.Remediation.Text != "" {
				got += "; " + f.Remediation.Text
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("finding (-want +got):\n%s", diff)
			}
			if f.Subject.PodCount != len(f.Subject.Pods) {
				t.Errorf("%d pods, count %d", len(f.Subject.Pods), f.Subject.PodCount)
			}
			if f.Verdict == api.VerdictUnknown {
				of := api.Evidence{Source: "node/n1 mounts", Value: "not read: " + string(f.Reason), Basis: api.Measured}
				declared := api.Evidence{Source: "pod/shop/web-1 spec", Value: "true", Basis: api.Declared}
				if !slices.Contains(f.Evidence, of) || !slices.Contains(f.Evidence, declared) {
					t.Errorf("evidence %+v", f.Evidence)
				}
			}
			if a := result.Answers[0].Parts[0]; a.Answer == api.Yes && f.Verdict != api.Pass || tc.answer != "" && a.Reason != tc.answer {
				t.Errorf("answer %s: %s", a.Answer, a.Reason)
			}
		})
	}
	if finding.Evidence[0].Basis != "" || len(finding.Evidence) != 1 {
		t.Error("the check's own evidence was changed")
	}
}

// A check that can say nothing without a measurement has an unknown finding for each container that
// runs on a node that was asked and did not answer, also next to a pass of another pod.
func TestMeasuredOnASilentNode(t *testing.T) {
	silent := func(node string, reason fact.Reason) func(*fact.Set) {
		return func(s *fact.Set) {
			for i := range s.Nodes {
				if s.Nodes[i].Name == node {
					s.Nodes[i].Measured = nil
				}
			}
			s.Gaps = append(s.Gaps, fact.Gap{What: fact.Processes, Subject: fact.Subject{Kind: fact.SubjectNode, Name: node}, Reason: reason, Hint: "turn it on"})
		}
	}
	second := func(s *fact.Set) {
		m := facttest.Measured(facttest.With(), fact.Container{}).Nodes[0].Measured
		m.Containers[0].ID, m.Containers[0].PodUID = "c2", "uid-2"
		s.Nodes = append(s.Nodes, fact.Node{Name: "n2", Listed: true, Measured: m})
		s.Workloads[0].Pods = append(s.Workloads[0].Pods, fact.Pod{
			Name: "web-2", UID: "uid-2", Node: "n2", Phase: "Running", Containers: []fact.ContainerStatus{{Name: "app", ID: "c2", Running: true}},
		})
	}
	windows := func(s *fact.Set) { s.Workloads[0].Spec.OS = "windows" }
	const (
		own  = "deployment shop/web app: unknown NotReady [web-1]: node n1 did not answer, so it is unknown what runs there; turn it on"
		node = "node n1: unknown NotReady []: processes not read: NotReady; turn it on"
	)
	for name, tc := range map[string]struct {
		check   func(*Check)
		verdict api.Verdict // of what was measured
		edits   []func(*fact.Set)
		want    []string
	}{
		"it answered":                 {nil, api.Pass, nil, []string{"deployment shop/web app: pass  [web-1]: m"}},
		"it did not answer":           {nil, api.Pass, []func(*fact.Set){silent("n1", fact.NotReady)}, []string{own, node}},
		"it was not asked":            {nil, api.Pass, []func(*fact.Set){silent("n1", fact.NotRequested)}, []string{strings.ReplaceAll(node, "NotReady", "NotRequested")}},
		"another pod passes":          {nil, api.Pass, []func(*fact.Set){second, silent("n1", fact.NotReady)}, []string{own, node}},
		"another pod fails":           {nil, api.Fail, []func(*fact.Set){second, silent("n1", fact.NotReady)}, []string{"deployment shop/web app: fail  [web-2]: m; fix it", node}},
		"its pod has ended":           {nil, api.Pass, []func(*fact.Set){silent("n1", fact.NotReady), func(s *fact.Set) { s.Workloads[0].Pods[0].Phase, s.Workloads[0].Pods[0].Containers = "Succeeded", nil }}, []string{node}},
		"a check of Linux only":       {func(c *Check) { c.Linux = true }, api.Pass, []func(*fact.Set){silent("n1", fact.NotReady), windows}, []string{node}},
		"a check of Windows too":      {nil, api.Pass, []func(*fact.Set){silent("n1", fact.NotReady), windows}, []string{own, node}},
		"a check about nodes":         {func(c *Check) { c.Scope = ScopeNode }, api.Pass, []func(*fact.Set){silent("n1", fact.NotReady)}, []string{node}},
		"a check that excuses it":     {func(c *Check) { c.Excuse = func(*View, fact.Gap) bool { return true } }, api.Pass, []func(*fact.Set){silent("n1", fact.NotReady)}, nil},
		"a check that needs no nodes": {func(c *Check) { c.Needs, c.Uses = []fact.Kind{fact.Pods}, []fact.Kind{fact.Processes} }, api.Pass, []func(*fact.Set){silent("n1", fact.NotReady)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			check := Check{ID: "privileged/a", Basis: api.Measured, Severity: api.High, Scope: ScopeWorkload, Needs: []fact.Kind{fact.Processes}, Remediation: "fix it"}
			check.Judge = func(v *View) []api.Finding {
				var out []api.Finding
				seen, _ := RunningContainers(v, fact.Processes)
				for _, r := range seen {
					out = append(out, api.Finding{Verdict: tc.verdict, Subject: r.Subject(), Message: "m", Evidence: []api.Evidence{{Source: "node/" + r.Node.Name, Value: "x"}}})
				}
				return out
			}
			if tc.check != nil {
				tc.check(&check)
			}
			plan := planOf(check)
			plan.Parts = []Part{{Question: api.Privileged, Name: "p", Checks: []string{check.ID}}}
			result := JudgeSet(plan, facttest.Edit(facttest.Measured(facttest.With(), fact.Container{}), tc.edits...))
			var got []string
			for _, f := range result.Findings {
				line := subjectWords(f.Subject) + ": " + string(f.Verdict) + " " + string(f.Reason) + " [" + strings.Join(f.Subject.Pods, " ") + "]: " + f.Message
				if f.Remediation.Text != "" {
					line += "; " + f.Remediation.Text
				}
				got = append(got, line)
				if f.Verdict == api.VerdictUnknown && (!f.FromGap || f.Severity != api.High || f.Basis != api.Measured || len(f.Evidence) == 0) {
					t.Errorf("%+v", f)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			// The reason names the node, and not what follows from its gap.
			if a := result.Answers[0].Parts[0]; slices.Contains(got, own) && (a.Answer != api.Unknown || !strings.HasPrefix(a.Reason, "NotReady: node n1") || strings.Contains(a.Reason, "did not answer")) {
				t.Errorf("answer %s: %s", a.Answer, a.Reason)
			}
		})
	}
}

// A node that was measured, but not for all that it holds, is not called "not measured": the gap says
// what it was not asked for.
func TestNotAskedSaysForWhat(t *testing.T) {
	measured := &fact.Measurement{Level: fact.LevelFull, Read: []fact.Kind{fact.Processes}}
	set := &fact.Set{Nodes: []fact.Node{{Name: "a", Listed: true, Measured: measured}, {Name: "b", Listed: true, Measured: measured}}}
	plan := planOf(Check{ID: "secrets/a", Needs: []fact.Kind{fact.Backups, fact.Swap}, Judge: func(*View) []api.Finding { return nil }})
	got := map[fact.Kind]string{}
	for _, g := range JudgeSet(plan, set).Gaps {
		if g.Reason == fact.NotRequested && g.Subject.Kind == fact.SubjectCluster {
			got[g.What] = g.Detail
		}
	}
	want := map[fact.Kind]string{
		fact.Backups: "not asked for copies of the cluster's store: 2 nodes (a, b)",
		fact.Swap:    "not asked about swap: 2 nodes (a, b)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, kind := range fact.Kinds() {
		if ofEachNode(kind) != (heldByNodes[kind] != "") {
			t.Errorf("%s: %q", kind, heldByNodes[kind])
		}
	}
}

// Each node can hold a copy of a store, and swap: where one does not say, that is unknown, whatever
// its role.
func TestWhatEachNodeHolds(t *testing.T) {
	role := map[string]string{"node-role.kubernetes.io/control-plane": ""}
	full := &fact.Measurement{Level: fact.LevelFull, Read: fact.NodeKinds(), APIServers: []fact.APIServer{{}}, Etcd: []fact.EtcdDB{{Path: "/db"}}}
	with := func(worker fact.Node, gaps ...fact.Gap) fact.Set {
		worker.Name, worker.Listed = "w", true
		return fact.Set{Gaps: gaps, Nodes: []fact.Node{{Name: "cp", Listed: true, Labels: role, Measured: full}, worker}}
	}
	gap := func(kind fact.Kind, reason fact.Reason) fact.Gap {
		return fact.Gap{What: kind, Subject: fact.Subject{Kind: fact.SubjectNode, Name: "w"}, Reason: reason}
	}
	kinds := []fact.Kind{fact.Etcd, fact.Backups, fact.AuditPolicies, fact.Swap}
	plan := planOf(Check{ID: "secrets/a", Needs: kinds, Judge: func(*View) []api.Finding { return nil }})
	for name, tc := range map[string]struct {
		set  fact.Set
		want []string
	}{
		"both answered": {with(fact.Node{Measured: full}), nil},
		"a worker did not answer": {
			with(fact.Node{}, gap(fact.Etcd, fact.NotReady), gap(fact.Backups, fact.NotReady), gap(fact.Swap, fact.Timeout)),
			[]string{"w backups NotReady", "w swap Timeout"},
		},
		"a worker was not asked":                    {with(fact.Node{}), []string{" backups NotRequested", " swap NotRequested"}},
		"a worker was not asked, and a gap says so": {with(fact.Node{}, gap(fact.Backups, fact.NotRequested), gap(fact.Swap, fact.NotReady)), []string{" backups NotRequested", "w swap NotReady"}},
		"a run that asks nobody": {
			with(fact.Node{}, fact.Gap{What: fact.Backups, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: fact.NotRequested}, gap(fact.Swap, fact.NotReady)),
			[]string{" backups NotRequested", "w swap NotReady"},
		},
		"a worker could not read all": {
			with(fact.Node{Measured: &fact.Measurement{Level: fact.LevelFull, Read: fact.NodeKinds(), Gaps: []fact.NodeGap{{What: fact.Backups, Reason: fact.Truncated}, {What: fact.Etcd, Reason: fact.Truncated}}}}),
			[]string{"w backups Truncated"},
		},
		"a worker's pods run, and it is in no list": {
			func() fact.Set {
				s := with(fact.Node{Measured: full})
				s.PodScope = fact.PodsAll
				s.Workloads = []fact.Workload{{Pods: []fact.Pod{{Name: "p", Node: "x", Phase: "Running"}}}}
				return s
			}(),
			[]string{"x backups NotPresent", "x swap NotPresent"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, g := range JudgeSet(plan, &tc.set).Gaps {
				got = append(got, strings.Join([]string{g.Subject.Name, string(g.What), string(g.Reason)}, " "))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
		})
	}
}

// The witness that did not answer is the first one by name that was asked and gave nothing.
func TestSilentWitness(t *testing.T) {
	role := map[string]string{"node-role.kubernetes.io/control-plane": ""}
	cp := func(name string, m *fact.Measurement) fact.Node {
		return fact.Node{Name: name, Listed: true, Labels: role, Measured: m}
	}
	gap := func(kind, name string, reason fact.Reason) fact.Gap {
		return fact.Gap{What: fact.Etcd, Subject: fact.Subject{Kind: kind, Name: name}, Reason: reason, Hint: "h"}
	}
	read := &fact.Measurement{Level: fact.LevelFull, Read: fact.NodeKinds()}
	own := &fact.Measurement{Level: fact.LevelFull, Gaps: []fact.NodeGap{{What: fact.Etcd, Reason: fact.Unreadable}}}
	for name, tc := range map[string]struct {
		nodes []fact.Node
		gaps  []fact.Gap
		want  string
	}{
		"nobody is silent":         {[]fact.Node{cp("a", read)}, nil, ""},
		"one did not answer":       {[]fact.Node{cp("a", read), cp("b", nil)}, []fact.Gap{gap("Node", "b", fact.NotReady)}, "b NotReady"},
		"the first of two":         {[]fact.Node{cp("b", nil), cp("a", nil)}, []fact.Gap{gap("Node", "b", fact.NotReady), gap("Node", "a", fact.Timeout)}, "a Timeout"},
		"one was not asked":        {[]fact.Node{cp("a", nil)}, []fact.Gap{gap("Node", "a", fact.NotRequested)}, ""},
		"one was changed on paper": {[]fact.Node{cp("a", nil)}, []fact.Gap{gap("Node", "a", fact.NotMeasured)}, ""},
		"one read all but a file":  {[]fact.Node{cp("a", read)}, []fact.Gap{gap("Node", "a", fact.Truncated)}, ""},
		"its own word":             {[]fact.Node{cp("a", own)}, nil, "a Unreadable"},
		"a worker":                 {[]fact.Node{{Name: "w", Listed: true}, cp("a", read)}, []fact.Gap{gap("Node", "w", fact.NotReady)}, ""},
		"a gap of the cluster":     {[]fact.Node{cp("a", nil)}, []fact.Gap{gap("Cluster", "a", fact.NotReady)}, ""},
		"no such node":             {[]fact.Node{cp("a", read)}, []fact.Gap{gap("Node", "x", fact.NotReady)}, ""},
	} {
		got := ""
		if g := NewView(&fact.Set{Nodes: tc.nodes, Gaps: tc.gaps}).SilentWitness(fact.Etcd); g != nil {
			got = g.Subject.Name + " " + string(g.Reason)
		}
		if got != tc.want {
			t.Errorf("%s: expected %q, found %q", name, tc.want, got)
		}
	}
}
