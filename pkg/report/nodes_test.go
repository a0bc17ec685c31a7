package report

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/hosts"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/screen"
)

// A plan of three checks: of nodes' kernels, of pods, and of the cluster's storage.
func nodePlan() checks.Plan {
	evidence := []api.Evidence{{Source: "node/x", Value: "v"}}
	list := []checks.Check{
		{ID: "builds/a", Severity: api.High, Basis: api.Measured, Needs: []fact.Kind{fact.Pods}, Scope: checks.ScopeWorkload, Judge: func(v *checks.View) []api.Finding {
			var findings []api.Finding
			for i := range v.Workloads {
				f := api.Finding{Subject: v.Workloads[i].Owner, Verdict: api.Pass, Message: "builds nothing", Evidence: evidence}
				if v.Workloads[i].Owner.Name == "builder" {
					f.Verdict = api.Fail
				}
				findings = append(findings, f)
			}
			return findings
		}},
		{ID: "hosts/a", Severity: api.High, Basis: api.Measured, Needs: []fact.Kind{fact.Kernel}, Scope: checks.ScopeNode, Judge: func(v *checks.View) []api.Finding {
			var findings []api.Finding
			for i := range v.Nodes {
				if v.Nodes[i].Measured.HasRead(fact.Kernel) {
					findings = append(findings, api.Finding{Subject: fact.Subject{Kind: "Node", Name: v.Nodes[i].Name}, Verdict: api.Pass, Message: "new", Evidence: evidence})
				}
			}
			return findings
		}},
		{ID: "secrets/a", Severity: api.High, Basis: api.Measured, Needs: []fact.Kind{fact.Etcd}, Scope: checks.ScopeSecret, Judge: func(v *checks.View) []api.Finding {
			var findings []api.Finding
			for i := range v.Nodes {
				if m := v.Nodes[i].Measured; m != nil && len(m.Etcd) > 0 {
					findings = append(findings, api.Finding{Subject: fact.Subject{Kind: "Secret", Name: "s"}, Verdict: api.Fail, Message: "plaintext", Evidence: evidence})
				}
			}
			return findings
		}},
	}
	plan := checks.Plan{Checks: list}
	for _, c := range list {
		plan.Known = append(plan.Known, c.ID)
		plan.Parts = append(plan.Parts, checks.Part{Question: c.Question(), Name: "all", Title: "All", Checks: []string{c.ID}})
	}
	return plan
}

func nodeSet() *fact.Set {
	pods := func(nodes ...string) []fact.Pod {
		var list []fact.Pod
		for _, n := range nodes {
			list = append(list, fact.Pod{Name: "p-" + n, UID: "u-" + n, Node: n, Phase: "Running"})
		}
		return list
	}
	now := time.Date(2026, 11, 28, 6, 0, 0, 0, time.UTC)
	measured := func(etcd ...fact.EtcdDB) *fact.Measurement {
		return &fact.Measurement{
			Level: fact.LevelFull, Etcd: etcd, Read: []fact.Kind{fact.Kernel, fact.Packages, fact.Etcd},
			Host: fact.Host{
				OS: fact.OSRelease{PrettyName: "Debian GNU/Linux 12 (bookworm)\x1b"}, Running: &fact.RunningKernel{Release: "6.1.0-28-amd64"},
				Packages: &fact.PackageState{Indexes: 1, Archives: []fact.PackageArchive{
					{Name: "a", Security: true, Date: fact.NewTime(now.AddDate(0, 0, -3))},
					{Name: "b", Security: true, Date: fact.NewTime(now.AddDate(0, 0, -9))}, // the oldest counts
					{Name: "c", Date: fact.NewTime(now.AddDate(0, 0, -90))},
				}, Pending: []fact.PendingUpdate{
					{Name: "bash", Security: "2"}, {Name: "tar", Security: "2", Held: true}, {Name: "vim"}, {Name: "curl", Security: "3"},
				}},
			},
		}
	}
	return &fact.Set{
		CollectedAt: fact.NewTime(now), PodScope: fact.PodsAll,
		Workloads: []fact.Workload{
			{Owner: fact.Subject{Kind: "Deployment", Namespace: "ci", Name: "builder"}, Pods: pods("w1")},
			{Owner: fact.Subject{Kind: "DaemonSet", Namespace: "shop", Name: "agent"}, Pods: pods("cp", "w1", "w2")},
		},
		Nodes: []fact.Node{
			{Name: "cp", Listed: true, Ready: true, Labels: map[string]string{"node-role.kubernetes.io/control-plane": ""}, Measured: measured(fact.EtcdDB{})},
			{Name: "w1", Listed: true, Ready: true, Measured: measured()},
			{Name: "w2", Listed: true, OSImage: "Ubuntu 24.04", KernelVersion: "6.8.0-45-generic"},
		},
		Gaps: []fact.Gap{{What: fact.Kernel, Subject: fact.Subject{Kind: "Node", Name: "w2"}, Reason: fact.NotReady, Detail: "down"}},
	}
}

// A node's answers depend only on what is on that node, and a worker has no answer about the
// control plane's storage.
func TestNodes(t *testing.T) {
	set := nodeSet()
	whole := checks.JudgeSet(nodePlan(), set)
	got := Nodes(nodePlan(), set, whole.Gaps)
	answers := func(builds, hosts, secrets api.AnswerWord) []api.NodeAnswer {
		return []api.NodeAnswer{{Question: api.Builds, Answer: builds}, {Question: api.Hosts, Answer: hosts}, {Question: api.Secrets, Answer: secrets}}
	}
	days := 9
	updates := &api.NodeUpdates{Security: 2, Held: 1, Other: 1, IndexDays: &days}
	want := []api.ReportNode{
		{Name: "cp", Measured: true, OS: "Debian GNU/Linux 12 (bookworm)^[", Kernel: "6.1.0-28-amd64", Updates: updates, Answers: answers(api.Yes, api.Yes, api.No)},
		{Name: "w1", Measured: true, OS: "Debian GNU/Linux 12 (bookworm)^[", Kernel: "6.1.0-28-amd64", Updates: updates, Answers: answers(api.No, api.Yes, api.NotApplicable)},
		{Name: "w2", OS: "Ubuntu 24.04", Kernel: "6.8.0-45-generic", Answers: answers(api.Yes, api.Unknown, api.NotApplicable)},
	}
	for i := range got {
		var three []api.NodeAnswer
		for _, a := range got[i].Answers {
			if a.Question == api.Builds || a.Question == api.Hosts || a.Question == api.Secrets {
				three = append(three, a)
			}
		}
		got[i].Answers = three
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("nodes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(nodeSet(), set, cmp.Comparer(func(a, b fact.CapMask) bool { return a == b })); diff != "" {
		t.Errorf("the facts were changed (-before +after):\n%s", diff)
	}
}

// What is unknown for the whole cluster is unknown for each node. A narrowed run never says
// yes.
func TestNodesOfGaps(t *testing.T) {
	set := nodeSet()
	set.Gaps = append(set.Gaps, fact.Gap{What: fact.Etcd, Subject: fact.Subject{Kind: "Cluster"}, Reason: fact.ProviderManaged})
	plan := nodePlan()
	plan.Narrowed = "only namespace shop"
	for _, n := range Nodes(plan, set, checks.JudgeSet(plan, set).Gaps) {
		for _, a := range n.Answers {
			if a.Answer == api.Yes {
				t.Errorf("%s: %s is yes in a narrowed run", n.Name, a.Question)
			}
			if a.Question == api.Secrets && a.Answer == api.NotApplicable {
				t.Errorf("%s: secrets is n/a, though the cluster's storage was not read", n.Name)
			}
		}
	}
}

// The table of nodes names questions by word if that fits, and by number if not. In the
// command about nodes it comes first.
func TestNodeTable(t *testing.T) {
	report := &api.ChecklistReport{
		Spec: api.ReportSpec{Command: "nodes"},
		Answers: []api.Answer{
			{Question: api.Builds, Number: 1, Text: "Builds?", Answer: api.No}, {Question: api.Hosts, Number: 4, Text: "Hosts?", Answer: api.Unknown},
		},
		Nodes: []api.ReportNode{
			{Name: "ip-10-0-12-34.eu-west-1.compute.internal", OS: "Amazon Linux 2023", Kernel: "6.1.112-122.189.amzn2023.x86_64", Updates: &api.NodeUpdates{Security: 2, Held: 1}, Answers: []api.NodeAnswer{{Question: api.Builds, Answer: api.No}, {Question: api.Hosts, Answer: api.Unknown}}},
			{Name: "w2", Answers: []api.NodeAnswer{{Question: api.Hosts, Answer: api.Unknown}}},
		},
	}
	for width, want := range map[int]string{
		0: `UPDATES: pending security updates. -: nothing to judge.
NODE                                      OS                 KERNEL                              UPDATES  BUILDS  HOSTS
ip-10-0-12-34.eu-west-1.compute.internal  Amazon Linux 2023  6.1.112-122.189.amzn2023.x86_64  3 (1 held)  NO      UNKNOWN
w2                                        ?                  ?                                         ?  -       UNKNOWN
`,
		66: `UPDATES: pending security updates. -: nothing to judge. ?:
unknown. Questions: 1 builds, 4 hosts.
NODE             OS            KERNEL               UPDATES  1   4
ip-10-0-...rnal  Amazon...     6.1.112-1...6_64  3 (1 held)  NO  ?
w2               ?             ?                          ?  -   ?
`,
	} {
		got := printed(t, "table", Options{Width: width}, report)
		if !strings.HasPrefix(got, want) {
			t.Errorf("%d columns: want it to begin with\n%s\ngot\n%s", width, want, got)
		}
	}
	report.Spec.Command = "checklist"
	if got := printed(t, "table", Options{}, report); strings.Contains(got, "KERNEL") {
		t.Errorf("another command prints nodes:\n%s", got)
	}
}

// The age of the index stands beside the number of updates once it is old, and a
// number of 0 is shown only where something shows it.
func TestUpdatesCell(t *testing.T) {
	days := func(n int) *int { return &n }
	for name, tc := range map[string]struct {
		updates *api.NodeUpdates
		want    string
		paint   screen.Paint
	}{
		"not read":                        {nil, "?", screen.Yellow},
		"none, by an index of today":      {&api.NodeUpdates{IndexDays: days(0)}, "0", screen.Dim},
		"none, by an index of a week ago": {&api.NodeUpdates{IndexDays: days(7)}, "0", screen.Dim},
		"none, by an older index":         {&api.NodeUpdates{IndexDays: days(8)}, "0 (index 8d old)", screen.Yellow},
		"none, by an index of any age":    {&api.NodeUpdates{}, "?", screen.Yellow},
		"some, by an index of any age":    {&api.NodeUpdates{Security: 2}, "2", screen.Red},
		"held back, by an old index":      {&api.NodeUpdates{Held: 1, IndexDays: days(90)}, "1 (1 held) (index 90d old)", screen.Red},
	} {
		if got := updatesCell(tc.updates); got.Text != tc.want || got.Paint != tc.paint {
			t.Errorf("%s: want %q, got %q in %v", name, tc.want, got.Text, got.Paint)
		}
	}
}

// A healthy node is a yes in its own row: that it is judged alone, without its peers,
// leaves nothing open.
func TestNodesAreJudgedWithoutPeers(t *testing.T) {
	node := func(name string) fact.Node {
		return fact.Node{Name: name, Listed: true, Arch: "amd64", OSImage: "Debian GNU/Linux 12 (bookworm)", KernelVersion: "6.1.0-28-amd64", KubeletVersion: "v1.37.2", ContainerRuntime: "containerd://2.3.7"}
	}
	set := &fact.Set{Nodes: []fact.Node{node("a"), node("b")}}
	plan := checks.Plan{
		Checks: []checks.Check{hosts.BehindPeers}, Known: []string{hosts.BehindPeers.ID},
		Parts: []checks.Part{{Question: api.Hosts, Name: "updates", Title: "x", Checks: []string{hosts.BehindPeers.ID}}},
	}
	whole := checks.JudgeSet(plan, set)
	for _, n := range Nodes(plan, set, whole.Gaps) {
		for _, a := range n.Answers {
			if a.Question == api.Hosts && a.Answer == api.Unknown {
				t.Errorf("%s: %s", n.Name, a.Answer)
			}
		}
	}
}
