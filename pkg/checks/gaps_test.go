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

func TestGapsMakeUnknown(t *testing.T) {
	node := func(name string) fact.Subject { return fact.Subject{Kind: "Node", Name: name} }
	cluster := fact.Subject{Kind: "Cluster"}
	nothing := func(*View) []api.Finding { return nil }
	kernel := Check{ID: "hosts/kernel", Severity: api.High, Basis: api.Measured, Needs: []fact.Kind{fact.Kernel}, Judge: nothing}
	unknown := func(s fact.Subject, reason fact.Reason, message, hint string) api.Finding {
		return api.Finding{
			Check: "hosts/kernel", Question: api.Hosts, Verdict: api.VerdictUnknown, Severity: api.High, Basis: api.Measured,
			Subject: s, Reason: reason, Message: message, Remediation: api.Remediation{Text: hint}, FromGap: true,
			Evidence: []api.Evidence{{Source: "gap kernel", Value: string(reason), Basis: api.Measured}},
		}
	}
	measured := func(kinds ...fact.Kind) *fact.Measurement {
		return &fact.Measurement{Level: fact.LevelFull, Read: kinds}
	}

	for name, tc := range map[string]struct {
		check    Check
		set      fact.Set
		want     []api.Finding
		wantGaps []fact.Gap
	}{
		"a gap of a needed kind": {
			kernel,
			fact.Set{
				Nodes: []fact.Node{{Name: "n1"}},
				Gaps:  []fact.Gap{{What: fact.Kernel, Subject: node("n1"), Reason: fact.NotReady, Detail: "NotReady for 3h", Hint: "repair the node"}},
			},
			[]api.Finding{unknown(node("n1"), fact.NotReady, "kernel not read: NotReady for 3h", "repair the node")},
			[]fact.Gap{{
				What: fact.Kernel, Subject: node("n1"), Reason: fact.NotReady, Detail: "NotReady for 3h", Hint: "repair the node",
				Affects: []string{"hosts/kernel"},
			}},
		},
		"a node's gap without a container is about the node": {
			kernel,
			fact.Set{Nodes: []fact.Node{{
				Name:     "n1",
				Measured: &fact.Measurement{Read: []fact.Kind{fact.Kernel}, Gaps: []fact.NodeGap{{What: fact.Kernel, Reason: fact.Corrupt}}},
			}}},
			[]api.Finding{unknown(node("n1"), fact.Corrupt, "kernel not read: Corrupt", "")},
			[]fact.Gap{{What: fact.Kernel, Subject: node("n1"), Reason: fact.Corrupt, Affects: []string{"hosts/kernel"}}},
		},
		"a gap that no check needs is left out": {
			kernel,
			fact.Set{
				Nodes: []fact.Node{{Name: "n1", Measured: measured(fact.Kernel)}},
				Gaps:  []fact.Gap{{What: fact.Etcd, Subject: node("n1"), Reason: fact.NotReady}},
			},
			nil, nil,
		},
		"a gap that the check excuses is left out": {
			Check{
				ID: "hosts/kernel", Needs: []fact.Kind{fact.Kernel}, Judge: nothing,
				Excuse: func(_ *View, g fact.Gap) bool { return g.Subject.Name == "n1" },
			},
			fact.Set{
				Nodes: []fact.Node{{Name: "n1"}},
				Gaps:  []fact.Gap{{What: fact.Kernel, Subject: node("n1"), Reason: fact.NotReady}},
			},
			nil, nil,
		},
		"one gap said twice is one": {
			kernel,
			fact.Set{Gaps: []fact.Gap{
				{What: fact.Kernel, Subject: cluster, Reason: fact.NotRequested},
				{What: fact.Kernel, Subject: cluster, Reason: fact.NotRequested},
			}},
			[]api.Finding{unknown(cluster, fact.NotRequested, "kernel not read: NotRequested", "")},
			[]fact.Gap{{What: fact.Kernel, Subject: cluster, Reason: fact.NotRequested, Affects: []string{"hosts/kernel"}}},
		},
		"a gap about a file says why for all": {
			kernel,
			fact.Set{Gaps: []fact.Gap{{What: fact.Kernel, Subject: fact.Subject{Kind: "File", Name: "f"}, Reason: fact.Corrupt}}},
			[]api.Finding{unknown(fact.Subject{Kind: "File", Name: "f"}, fact.Corrupt, "kernel not read: Corrupt", "")},
			[]fact.Gap{{What: fact.Kernel, Subject: fact.Subject{Kind: "File", Name: "f"}, Reason: fact.Corrupt, Affects: []string{"hosts/kernel"}}},
		},
		"two nodes, of which one was read": {
			kernel,
			fact.Set{Nodes: []fact.Node{{Name: "n1", Measured: measured(fact.Kernel)}, {Name: "n2"}}},
			[]api.Finding{unknown(node("n2"), fact.NotRequested, "kernel not read: the node was not measured", "")},
			[]fact.Gap{{
				What: fact.Kernel, Subject: node("n2"), Reason: fact.NotRequested, Detail: "the node was not measured",
				Affects: []string{"hosts/kernel"},
			}},
		},
		"one node's gap does not explain another's silence": {
			kernel,
			fact.Set{
				Nodes: []fact.Node{{Name: "n1"}, {Name: "n2"}},
				Gaps:  []fact.Gap{{What: fact.Kernel, Subject: node("n1"), Reason: fact.NotReady}},
			},
			[]api.Finding{
				unknown(node("n1"), fact.NotReady, "kernel not read: NotReady", ""),
				unknown(node("n2"), fact.NotRequested, "kernel not read: the node was not measured", ""),
			},
			[]fact.Gap{
				{What: fact.Kernel, Subject: node("n1"), Reason: fact.NotReady, Affects: []string{"hosts/kernel"}},
				{
					What: fact.Kernel, Subject: node("n2"), Reason: fact.NotRequested, Detail: "the node was not measured",
					Affects: []string{"hosts/kernel"},
				},
			},
		},
		"not read and nobody says why: unknown all the same": {
			kernel,
			fact.Set{},
			[]api.Finding{unknown(cluster, fact.NotRequested, "kernel not read: no node was measured", "")},
			[]fact.Gap{{
				What: fact.Kernel, Subject: cluster, Reason: fact.NotRequested, Detail: "no node was measured", Affects: []string{"hosts/kernel"},
			}},
		},
		"a probe of level proc did not read it": {
			kernel,
			fact.Set{Nodes: []fact.Node{{Name: "n1", Measured: &fact.Measurement{Level: fact.LevelProc}}}},
			[]api.Finding{unknown(node("n1"), fact.NotRequested, "kernel not read: a probe of level proc did not read it", "--probe-level full reads it")},
			[]fact.Gap{{
				What: fact.Kernel, Subject: node("n1"), Reason: fact.NotRequested, Detail: "a probe of level proc did not read it",
				Hint: "--probe-level full reads it", Affects: []string{"hosts/kernel"},
			}},
		},
		"a probe that answered without it": {
			kernel,
			fact.Set{Nodes: []fact.Node{{Name: "n1", Measured: measured(fact.Packages)}}},
			[]api.Finding{unknown(node("n1"), fact.NotRequested, "kernel not read: the probe did not read it", "")},
			[]fact.Gap{{
				What: fact.Kernel, Subject: node("n1"), Reason: fact.NotRequested, Detail: "the probe did not read it",
				Affects: []string{"hosts/kernel"},
			}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := JudgeSet(planOf(tc.check), &tc.set)
			if diff := cmp.Diff(tc.want, got.Findings); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.wantGaps, got.Gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPodsAndNodesThatWereNotListed(t *testing.T) {
	nothing := func(*View) []api.Finding { return nil }
	catalogue := []Check{
		{ID: "builds/a", Needs: []fact.Kind{fact.Pods}, Judge: nothing},
		{ID: "hosts/a", Needs: []fact.Kind{fact.Nodes}, Judge: nothing},
	}
	cluster := fact.Subject{Kind: "Cluster"}
	for name, tc := range map[string]struct {
		set  fact.Set
		want []fact.Gap
	}{
		"neither": {
			fact.Set{Nodes: []fact.Node{{Name: "this machine"}}},
			[]fact.Gap{
				{What: fact.Pods, Subject: cluster, Reason: fact.NotRequested, Detail: "no pods were listed", Affects: []string{"builds/a"}},
				{What: fact.Nodes, Subject: cluster, Reason: fact.NotRequested, Detail: "no nodes were listed", Affects: []string{"hosts/a"}},
			},
		},
		"no list, but pods of files": {
			fact.Set{Workloads: []fact.Workload{{}}, Nodes: []fact.Node{{Name: "n1", Listed: true}}}, nil,
		},
		"both, though the namespace is empty": {
			fact.Set{PodScope: fact.PodsSome, Nodes: []fact.Node{{Name: "n1", Listed: true}}}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, JudgeSet(planOf(catalogue...), &tc.set).Gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGapOfAContainer(t *testing.T) {
	check := Check{ID: "drift/a", Needs: []fact.Kind{fact.Executables}, Judge: func(*View) []api.Finding { return nil }}
	other := strings.Repeat("b", 64)
	foreign := strings.Repeat("c", 64)
	for name, tc := range map[string]struct {
		id    string
		scope fact.PodScope
		edit  func(*fact.Set)
		want  []string
	}{
		"a container that the API knows":                          {facttest.ID, fact.PodsAll, nil, []string{"Deployment/shop/web/app/"}},
		"told by the first digits of its id":                      {facttest.ID[:12], fact.PodsAll, nil, []string{"Deployment/shop/web/app/"}},
		"a container that the API does not know":                  {other, fact.PodsAll, nil, []string{"Container//bbbbbbbbbbbb//n1"}},
		"one that the API does not know, and only some are asked": {other, fact.PodsSome, nil, nil},
		"one that is not in the measurement, and only some are":   {foreign, fact.PodsSome, nil, nil},
		"one that is not in the measurement":                      {foreign, fact.PodsAll, nil, []string{"Container//cccccccccccc//n1"}},
		"known to the API, with no process that was seen": {facttest.ID[:12], fact.PodsAll, func(s *fact.Set) {
			s.Nodes[0].Measured.Containers = s.Nodes[0].Measured.Containers[1:]
		}, []string{"Deployment/shop/web/app/"}},
		"the probe's own":                      {other, fact.PodsAll, func(s *fact.Set) { s.Nodes[0].Measured.Containers[1].Self = true }, nil},
		"the probe's own, by its first digits": {other[:12], fact.PodsAll, func(s *fact.Set) { s.Nodes[0].Measured.Containers[1].Self = true }, nil},
		"too few digits to be sure":            {facttest.ID[:6], fact.PodsAll, nil, []string{"Container//aaaaaa//n1"}},
	} {
		t.Run(name, func(t *testing.T) {
			set := facttest.Measured(facttest.With(), fact.Container{})
			set.PodScope = tc.scope
			m := set.Nodes[0].Measured
			m.Containers = append(m.Containers, fact.MeasuredContainer{ID: other})
			m.Gaps = []fact.NodeGap{{What: fact.Executables, Container: tc.id, Reason: fact.Unsupported}}
			if tc.edit != nil {
				tc.edit(set)
			}
			var got []string
			for _, g := range JudgeSet(planOf(check), set).Gaps {
				got = append(got, g.Subject.Key())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("subjects of the gaps (-want +got):\n%s", diff)
			}
		})
	}
}

func TestANodeThatWasNotListed(t *testing.T) {
	check := Check{ID: "drift/a", Needs: []fact.Kind{fact.Executables}, Judge: func(*View) []api.Finding { return nil }}
	second := func(node string, running bool) func(*fact.Set) {
		return func(s *fact.Set) {
			s.Workloads[0].Pods = append(s.Workloads[0].Pods, fact.Pod{
				Name: "web-2", Node: node, Containers: []fact.ContainerStatus{{Name: "app", Running: running}},
			})
		}
	}
	n2 := []fact.Gap{{
		What: fact.Executables, Subject: fact.Subject{Kind: "Node", Name: "n2"}, Reason: fact.NotPresent,
		Detail: "pods run on the node, but the list of nodes did not have it", Hint: "run it again", Affects: []string{"drift/a"},
	}}
	for name, tc := range map[string]struct {
		edits []func(*fact.Set)
		want  []fact.Gap
	}{
		"a pod runs on a node that is not in the list": {[]func(*fact.Set){second("n2", true)}, n2},
		"two pods do":           {[]func(*fact.Set){second("n2", true), second("n2", true)}, n2},
		"some pods were listed": {[]func(*fact.Set){second("n2", true), func(s *fact.Set) { s.PodScope = fact.PodsSome }}, n2},
		"its containers ended":  {[]func(*fact.Set){second("n2", false)}, nil},
		"pods of files":         {[]func(*fact.Set){second("n2", true), func(s *fact.Set) { s.PodScope = fact.PodsNotListed }}, nil},
		"no node was measured": {[]func(*fact.Set){second("n2", true), func(s *fact.Set) { s.Nodes[0].Measured = nil }}, []fact.Gap{{
			What: fact.Executables, Subject: fact.Subject{Kind: "Node", Name: "n1"}, Reason: fact.NotRequested,
			Detail: "the node was not measured", Affects: []string{"drift/a"},
		}}},
		"nothing says on which node": {[]func(*fact.Set){second("", true)}, []fact.Gap{{
			What: fact.Executables, Subject: fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web", PodCount: 2, Pods: []string{"web-1", "web-2"}},
			Reason: fact.NotPresent, Detail: "one of its pods runs, but the facts do not say on which node", Affects: []string{"drift/a"},
		}}},
		"it waits for a node":                     {[]func(*fact.Set){second("", false), func(s *fact.Set) { s.Workloads[0].Pods[1].Containers[0].Waiting = true }}, nil},
		"it is on a listed node":                  {[]func(*fact.Set){second("n1", true)}, nil},
		"no node is listed":                       {[]func(*fact.Set){second("n2", true), func(s *fact.Set) { s.Nodes[0].Listed = false }}, n2},
		"this machine alone, which is not listed": {[]func(*fact.Set){second("n2", true), func(s *fact.Set) { s.Nodes[0].Listed = false }}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			set := facttest.Edit(facttest.Measured(facttest.With(), fact.Container{}), tc.edits...)
			plan := planOf(check)
			if strings.HasPrefix(name, "this machine") {
				plan.Narrowed = "only this machine"
			}
			if diff := cmp.Diff(tc.want, JudgeSet(plan, set).Gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
		})
	}
}

// The owner of a pod can be of any kind, a Cluster or a Node too: what is said of
// its container says nothing of the cluster or of a node.
func TestAnOwnerIsNoCluster(t *testing.T) {
	check := Check{ID: "privileged/a", Basis: api.Measured, Scope: ScopeWorkload, Needs: []fact.Kind{fact.Processes}, Judge: func(*View) []api.Finding { return nil }}
	for _, kind := range []string{"Cluster", "File", "Node"} {
		set := facttest.Measured(facttest.With(), fact.Container{})
		set.Workloads[0].Owner = fact.Subject{Kind: kind, Namespace: "shop", Name: "n2"}
		set.Nodes[0].Measured.Gaps = []fact.NodeGap{{What: fact.Processes, Container: facttest.ID, Reason: fact.Changing}}
		set.Nodes = append(set.Nodes, fact.Node{Name: "n2", Listed: true}, fact.Node{Name: "n3", Listed: true, Measured: &fact.Measurement{Level: fact.LevelFull}})
		var about []string
		for _, g := range JudgeSet(planOf(check), set).Gaps {
			about = append(about, g.Subject.Kind+" "+g.Subject.Namespace+"/"+g.Subject.Name)
		}
		slices.Sort(about)
		want := []string{"Node /n2", "Node /n3", kind + " shop/n2"}
		slices.Sort(want)
		if diff := cmp.Diff(want, about); diff != "" {
			t.Errorf("%s: gaps (-want +got):\n%s", kind, diff)
		}
	}
}

// A node that the user names and that is not there, and the trusted one of two
// nodes of one name.
func TestNamedNodesThatAreNotThere(t *testing.T) {
	check := Check{ID: "secrets/a", Basis: api.Measured, Needs: []fact.Kind{fact.Etcd}, Judge: func(*View) []api.Finding { return nil }}
	full := &fact.Measurement{Level: fact.LevelFull, Read: []fact.Kind{fact.Etcd}, Etcd: []fact.EtcdDB{{Path: "/db"}}}
	torn := *full
	torn.Gaps = []fact.NodeGap{{What: fact.Etcd, Reason: fact.Corrupt}}
	cp := map[string]string{"node-role.kubernetes.io/control-plane": ""}
	for name, tc := range map[string]struct {
		set  fact.Set
		want fact.Reason
	}{
		"named and not there": {
			fact.Set{ControlPlaneNodes: []string{"gone"}, Nodes: []fact.Node{{Name: "cp", Listed: true, Labels: cp, Measured: full}}}, fact.NotPresent,
		},
		"two of one name": {
			fact.Set{Nodes: []fact.Node{{Name: "cp", Listed: true, Labels: cp, Measured: &torn}, {Name: "cp", Listed: true}}}, fact.Corrupt,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := JudgeSet(planOf(check), &tc.set).Gaps
			if len(got) != 1 || got[0].Reason != tc.want {
				t.Errorf("want one gap of reason %s, got %+v", tc.want, got)
			}
		})
	}
}

func TestHint(t *testing.T) {
	const (
		full    = "--probe-level full reads it"
		longer  = "give the probe more time with --probe-timeout"
		local   = "run kubectl checklist --local on that node: the size limit of a probe's answer does not apply there"
		environ = "look at /proc/PID/environ on that node: of one process 64 KiB are read, of a node 128 MiB"
		kernel  = "if the kernel comes from elsewhere (a container host, a hypervisor, a network boot), look for updates there"
		lists   = "refresh the node's package lists, and enable its distribution's security archive"
		release = "compare what /etc/os-release says with the newest release of its vendor"
		file    = "give an etcd snapshot: kubectl checklist secrets --snapshot FILE"
	)
	at := func(level fact.Level, read ...fact.Kind) fact.Measurement {
		return fact.Measurement{Level: level, Read: read}
	}
	for name, tc := range map[string]struct {
		node fact.Measurement
		gap  fact.NodeGap
		want string
	}{
		"not read at level proc":              {at(fact.LevelProc), fact.NodeGap{What: fact.Kernel, Reason: fact.NotRequested}, full},
		"not read though level proc reads it": {at(fact.LevelProc), fact.NodeGap{What: fact.Mounts, Reason: fact.NotRequested}, ""},
		"not read at level full":              {at(fact.LevelFull), fact.NodeGap{What: fact.Mounts, Reason: fact.NotRequested}, ""},
		"no handshakes at level full":         {at(fact.LevelFull, fact.Kernel), fact.NodeGap{What: fact.ServerTLS, Reason: fact.NotRequested}, "--probe-level full,net reads it"},
		"no handshakes at level proc":         {at(fact.LevelProc, fact.Mounts), fact.NodeGap{What: fact.NodeTLS, Reason: fact.NotRequested}, "--probe-level proc,net reads it"},
		"only handshakes":                     {at(fact.LevelNet, fact.NodeTLS), fact.NodeGap{What: fact.Kernel, Reason: fact.NotRequested}, "--probe-level full,net reads it"},
		"no kernel beside handshakes":         {at(fact.LevelProc, fact.Mounts, fact.NodeTLS), fact.NodeGap{What: fact.Kernel, Reason: fact.NotRequested}, "--probe-level full,net reads it"},
		"handshakes with others were read":    {at(fact.LevelFull, fact.Kernel, fact.NodeTLS), fact.NodeGap{What: fact.ServerTLS, Reason: fact.NotRequested}, ""},
		"a level that there is none of":       {at("x"), fact.NodeGap{What: fact.ServerTLS, Reason: fact.NotRequested}, ""},
		"unreadable at level proc":            {at(fact.LevelProc), fact.NodeGap{What: fact.Mounts, Reason: fact.Unreadable}, ""},
		"no time":                             {at(fact.LevelFull), fact.NodeGap{What: fact.Mounts, Reason: fact.Timeout}, longer},
		"no room":                             {at(fact.LevelFull), fact.NodeGap{What: fact.Mounts, Reason: fact.Truncated}, local},
		"a large environment":                 {at(fact.LevelFull), fact.NodeGap{What: fact.Environment, Reason: fact.Truncated}, environ},
		"no kernel packages":                  {at(fact.LevelFull), fact.NodeGap{What: fact.Kernel, Reason: fact.NotPresent}, kernel},
		"no package lists":                    {at(fact.LevelFull), fact.NodeGap{What: fact.Packages, Reason: fact.NotPresent}, lists},
		"an unknown distribution":             {at(fact.LevelFull), fact.NodeGap{What: fact.Packages, Reason: fact.Unsupported}, release},
		"an unknown store":                    {at(fact.LevelFull), fact.NodeGap{What: fact.Etcd, Reason: fact.Unsupported}, file},
		"no mounts":                           {at(fact.LevelFull), fact.NodeGap{What: fact.Mounts, Reason: fact.NotPresent}, ""},
		"an unknown kernel":                   {at(fact.LevelFull), fact.NodeGap{What: fact.Kernel, Reason: fact.Unsupported}, ""},
		"an etcd that is not there":           {at(fact.LevelFull), fact.NodeGap{What: fact.Etcd, Reason: fact.NotPresent}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := hint(&tc.node, &tc.gap); got != tc.want {
				t.Errorf("want %q, got %q", tc.want, got)
			}
		})
	}
}

// Gaps are sorted by kind, subject, reason, detail and hint, and what differs in
// its hint alone is one.
func TestGapsAreSortedAndSaidOnce(t *testing.T) {
	nothing := func(*View) []api.Finding { return nil }
	check := Check{ID: "hosts/a", Needs: []fact.Kind{fact.Kernel, fact.Processes}, Judge: nothing}
	gap := func(kind fact.Kind, node string, reason fact.Reason, detail, hint string) fact.Gap {
		return fact.Gap{
			What: kind, Subject: fact.Subject{Kind: "Node", Name: node}, Reason: reason, Detail: detail, Hint: hint, Affects: []string{"hosts/a"},
		}
	}
	want := []fact.Gap{
		gap(fact.Processes, "n2", fact.Timeout, "b", "b"),
		gap(fact.Kernel, "n1", fact.Timeout, "b", "b"),
		gap(fact.Kernel, "n2", fact.Corrupt, "b", "b"),
		gap(fact.Kernel, "n2", fact.Timeout, "a", "b"),
		gap(fact.Kernel, "n2", fact.Timeout, "b", "a"),
	}
	all := gap(fact.Processes, "", fact.Timeout, "", "")
	all.Subject = fact.Subject{Kind: "Cluster"} // says why for nodes that none of these are about
	given := []fact.Gap{gap(fact.Kernel, "n2", fact.Timeout, "b", "b"), all}
	for _, g := range want {
		given = append([]fact.Gap{g}, given...)
	}
	got := JudgeSet(planOf(check), &fact.Set{Gaps: given, Nodes: []fact.Node{{Name: "n1"}, {Name: "n2"}}}).Gaps
	if diff := cmp.Diff(append([]fact.Gap{all}, want...), got); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
}

func TestByNumbers(t *testing.T) {
	sorted := []string{"", "document 2, line 9", "document 2, line 10", "document 10", "document 010", "document 10x", "documents"}
	sorted[3], sorted[4] = sorted[4], sorted[3]
	for i, a := range sorted {
		for j, b := range sorted {
			if got := byNumbers(a, b); got != max(-1, min(1, i-j)) {
				t.Errorf("%q and %q: %d", a, b, got)
			}
		}
	}
}
