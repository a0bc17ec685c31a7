package checks

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// What a node says of itself and its containers is admitted as it is; the rest
// is refused and is the node's own gap.
func TestAdmit(t *testing.T) {
	other := strings.Repeat("c", 64)
	refused := func(kind fact.Kind, n string) fact.NodeGap {
		return fact.NodeGap{What: kind, Reason: fact.Refused, Detail: n + " statements of its answer: not about this node or its containers"}
	}
	tooMany := func(kind fact.Kind) fact.NodeGap {
		return fact.NodeGap{What: kind, Reason: fact.Truncated, Detail: "more than 16384 containers"}
	}
	type gaps = []fact.NodeGap
	for name, tc := range map[string]struct {
		edit       func(*fact.Measurement)
		gaps       gaps
		containers []string
	}{
		"its own": {
			func(m *fact.Measurement) {
				m.Gaps = gaps{{What: fact.Kernel, Reason: fact.Corrupt, Detail: "x"}, {What: fact.Devices, Container: facttest.ID, Reason: fact.Unsupported}}
			},
			gaps{{What: fact.Kernel, Reason: fact.Corrupt, Detail: "x"}, {What: fact.Devices, Container: facttest.ID, Reason: fact.Unsupported}},
			[]string{facttest.ID},
		},
		"a container of a pod that is on another node": {
			func(m *fact.Measurement) {
				m.Containers = append(m.Containers, fact.MeasuredContainer{ID: other, PodUID: "u2"}, fact.MeasuredContainer{ID: other, PodUID: "u2"})
			},
			gaps{refused(fact.Processes, "2")},
			[]string{facttest.ID},
		},
		"a container of a pod that was on no node yet when pods were listed": {
			func(m *fact.Measurement) {
				m.Containers = append(m.Containers, fact.MeasuredContainer{ID: other, PodUID: "u3"})
			},
			gaps{},
			[]string{facttest.ID, other},
		},
		"a container that nobody knows is its own": {
			func(m *fact.Measurement) { m.Containers = append(m.Containers, fact.MeasuredContainer{ID: other}) },
			gaps{},
			[]string{facttest.ID, other},
		},
		"containers without an id, null ones too": {
			func(m *fact.Measurement) {
				m.Containers = append(make([]fact.MeasuredContainer, 1000), m.Containers...)
			},
			gaps{refused(fact.Processes, "1000")},
			[]string{facttest.ID},
		},
		"more containers than a node can run": {
			func(m *fact.Measurement) {
				m.Containers = append(m.Containers, make([]fact.MeasuredContainer, MaxNodeContainers)...)
			},
			gaps{
				tooMany(fact.Processes), tooMany(fact.Mounts), tooMany(fact.Executables), tooMany(fact.Upperdir), tooMany(fact.Devices), tooMany(fact.Images), tooMany(fact.Environment),
				refused(fact.Processes, fmt.Sprint(MaxNodeContainers-1)),
			},
			[]string{facttest.ID},
		},
		"the first version's gaps about others": {
			func(m *fact.Measurement) {
				m.Gaps = gaps{
					{What: fact.Kernel, Reason: fact.NotReady, About: &fact.Subject{Kind: "Node", Name: "good", Platform: true}},
					{What: fact.Kernel, Reason: fact.NotReady, About: &fact.Subject{Kind: "Cluster"}},
					{What: fact.Mounts, Reason: fact.NotReady, About: &fact.Subject{Kind: "Pod", Namespace: "shop", Name: "web"}},
					{What: fact.Mounts, Container: other, Reason: fact.NotReady, About: &fact.Subject{Kind: "Container", Name: other, Node: "good"}},
				}
			},
			gaps{refused(fact.Mounts, "2"), refused(fact.Kernel, "2")},
			[]string{facttest.ID},
		},
		"the first version's gaps about itself": {
			func(m *fact.Measurement) {
				m.Gaps = gaps{
					{What: fact.Kernel, Reason: fact.Corrupt, About: &fact.Subject{Kind: "Node", Name: facttest.Node}},
					{What: fact.Mounts, Container: "aaa", Reason: fact.Corrupt, About: &fact.Subject{Kind: "Container", Name: "aaa", Node: facttest.Node}},
				}
			},
			gaps{
				{What: fact.Kernel, Reason: fact.Corrupt, About: &fact.Subject{Kind: "Node", Name: facttest.Node}},
				{What: fact.Mounts, Container: "aaa", Reason: fact.Corrupt, About: &fact.Subject{Kind: "Container", Name: "aaa", Node: facttest.Node}},
			},
			[]string{facttest.ID},
		},
		"kinds that no node can give": {
			func(m *fact.Measurement) {
				m.Read = append(m.Read, fact.Pods, "x")
				m.Gaps = gaps{{What: fact.Secrets, Reason: fact.Forbidden}, {What: "x", Reason: fact.Timeout}}
			},
			gaps{refused(fact.Processes, "2")},
			[]string{facttest.ID},
		},
		"a reason that there is none of, and texts without end": {
			func(m *fact.Measurement) {
				m.Gaps = gaps{{What: fact.Kernel, Container: strings.Repeat("é", 500), Reason: "Because", Detail: strings.Repeat("é", 5000)}}
			},
			gaps{{What: fact.Kernel, Container: strings.Repeat("é", 64), Reason: fact.ProbeFailed, Detail: strings.Repeat("é", 512)}},
			[]string{facttest.ID},
		},
	} {
		t.Run(name, func(t *testing.T) {
			set := facttest.Measured(facttest.With(), fact.Container{})
			set.Workloads = append(set.Workloads, fact.Workload{
				Owner: fact.Subject{Kind: "Pod", Name: "far"}, Pods: []fact.Pod{{Name: "far", UID: "u2", Node: "good"}, {Name: "new", UID: "u3", Phase: "Pending"}},
			})
			tc.edit(set.Nodes[0].Measured)
			before := set.DeepCopy()
			m := NewView(set).Nodes[0].Measured
			if diff := cmp.Diff(tc.gaps, m.Gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			var ids []string
			for _, c := range m.Containers {
				ids = append(ids, c.ID)
			}
			if diff := cmp.Diff(tc.containers, ids); diff != "" {
				t.Errorf("containers (-want +got):\n%s", diff)
			}
			for _, kind := range m.Read {
				if !ofNode(kind) {
					t.Errorf("%q was read by a node", kind)
				}
			}
			if diff := cmp.Diff(before, set, cmp.AllowUnexported(fact.CapMask{})); diff != "" {
				t.Errorf("admitting changed the set:\n%s", diff)
			}
		})
	}
}

// A million gaps cost a bounded list, which says of which kinds some are missing.
func TestAdmitBoundsTheNumberOfGaps(t *testing.T) {
	set := facttest.Measured(facttest.With(), fact.Container{})
	kinds := []fact.Kind{fact.Kernel, fact.Mounts, fact.Etcd}
	for i := range 100_000 {
		set.Nodes[0].Measured.Gaps = append(set.Nodes[0].Measured.Gaps, fact.NodeGap{What: kinds[i%3], Reason: fact.Timeout})
	}
	got := NewView(set).Nodes[0].Measured.Gaps
	if len(got) != MaxNodeGaps+3 {
		t.Fatalf("want %d gaps, got %d", MaxNodeGaps+3, len(got))
	}
	for _, gap := range got[MaxNodeGaps:] {
		if gap.Reason != fact.Truncated {
			t.Errorf("gap %+v", gap)
		}
	}
}

func TestBounded(t *testing.T) {
	for name, tc := range map[string]struct {
		text  string
		limit int
		want  string
	}{
		"shorter":              {"ab", 3, "ab"},
		"just as long":         {"abc", 3, "abc"},
		"longer":               {"abcd", 3, "abc"},
		"inside a character":   {"aé", 2, "a"},
		"behind a character":   {"éé", 2, "é"},
		"no start of any":      {"\x80\x80\x80", 2, ""},
		"nothing, and no room": {"", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := bounded(tc.text, tc.limit); got != tc.want {
				t.Errorf("want %q, got %q", tc.want, got)
			}
		})
	}
}

// As many containers as are allowed are all taken.
func TestAdmitTakesAllContainersOfALargeNode(t *testing.T) {
	set := facttest.Measured(facttest.With(), fact.Container{})
	m := set.Nodes[0].Measured
	for len(m.Containers) < MaxNodeContainers {
		m.Containers = append(m.Containers, fact.MeasuredContainer{ID: fmt.Sprint(len(m.Containers))})
	}
	if got := NewView(set).Nodes[0].Measured; len(got.Containers) != MaxNodeContainers || len(got.Gaps) != 0 {
		t.Errorf("want %d containers and no gap, got %d and %+v", MaxNodeContainers, len(got.Containers), got.Gaps)
	}
}

// Nor do a million databases: each costs the whole list of Secrets.
func TestAdmitBoundsTheNumberOfStores(t *testing.T) {
	set := facttest.Measured(facttest.With(), fact.Container{})
	m := set.Nodes[0].Measured
	m.Etcd = make([]fact.EtcdDB, MaxNodeStores)
	if got := NewView(set).Nodes[0].Measured; len(got.Etcd) != MaxNodeStores || len(got.Gaps) != 0 {
		t.Errorf("want all of %d databases and no gap, got %d and %+v", MaxNodeStores, len(got.Etcd), got.Gaps)
	}
	m.Etcd = make([]fact.EtcdDB, 1_000_000)
	got := NewView(set).Nodes[0].Measured
	want := []fact.NodeGap{{What: fact.Etcd, Reason: fact.Truncated, Detail: "more than 64 etcd databases"}}
	if diff := cmp.Diff(want, got.Gaps); diff != "" || len(got.Etcd) != MaxNodeStores {
		t.Errorf("%d databases, gaps (-want +got):\n%s", len(got.Etcd), diff)
	}
	if len(m.Etcd) != 1_000_000 {
		t.Error("admitting changed the set")
	}
}

// What is derived is computed, whatever facts say of it.
func TestDerivedFieldsAreNoInput(t *testing.T) {
	set := facttest.Measured(facttest.With(), fact.Container{})
	set.Cluster.Provider = "eks"
	set.Nodes[0].ControlPlane = true
	set.Workloads[0].Owner.Platform = true
	v := NewView(set)
	if v.Cluster.Provider != "unknown" || v.Nodes[0].ControlPlane || v.Managed {
		t.Errorf("provider %q, control plane %v, managed %v", v.Cluster.Provider, v.Nodes[0].ControlPlane, v.Managed)
	}
	check := Check{ID: "builds/a", Severity: "low", Basis: "measured", Judge: func(v *View) []api.Finding {
		s := v.Workloads[0].Owner
		node := fact.Subject{Kind: "Node", Name: "n1", Platform: true}
		system := fact.Subject{Kind: "Pod", Namespace: "kube-system", Name: "x"}
		return []api.Finding{
			{Verdict: "pass", Subject: s, Message: "m", Evidence: evidence("e")},
			{Verdict: "pass", Subject: node, Message: "m", Evidence: evidence("e")},
			{Verdict: "pass", Subject: system, Message: "m", Evidence: evidence("e"), Question: "drift"},
		}
	}}
	for _, f := range JudgeSet(planOf(check), set).Findings {
		if f.Subject.Platform != (f.Subject.Namespace == "kube-system") || f.Question != "builds" {
			t.Errorf("%s: platform %v, question %q", f.Subject.Key(), f.Subject.Platform, f.Question)
		}
	}
}

// Of a node's inventories, those with a key of their own are admitted; a container refers
// to one of them, or to none.
func TestAdmitImages(t *testing.T) {
	inventory := func(key string, packages, modules int) fact.ImageInventory {
		return fact.ImageInventory{Key: key, Packages: make([]fact.InstalledPackage, packages), Modules: make([]fact.Module, modules)}
	}
	many := make([]fact.ImageInventory, MaxNodeImages+1)
	for i := range many {
		many[i].Key = fmt.Sprint(i)
	}
	refused := func(n string) []fact.NodeGap {
		return []fact.NodeGap{{What: fact.Images, Reason: fact.Refused, Detail: n + " of its answer: not about this node or its containers"}}
	}
	for name, tc := range map[string]struct {
		images []fact.ImageInventory
		ref    string
		keys   int
		ok     bool // the reference is kept
		gaps   []fact.NodeGap
	}{
		"its own":                        {[]fact.ImageInventory{inventory("a", 3, 1), inventory("b", 2, 0)}, "b", 2, true, []fact.NodeGap{}},
		"none":                           {nil, "", 0, true, []fact.NodeGap{}},
		"a reference to none":            {nil, "a", 0, false, refused("1 statement")},
		"a reference to another":         {[]fact.ImageInventory{inventory("a", 1, 0)}, "b", 1, false, refused("1 statement")},
		"without a key, and a key twice": {[]fact.ImageInventory{inventory("", 1, 0), inventory("a", 1, 0), inventory("a", 2, 0)}, "a", 1, true, refused("2 statements")},
		"too many": {many, fmt.Sprint(MaxNodeImages), MaxNodeImages, false, append([]fact.NodeGap{
			{What: fact.Images, Reason: fact.Truncated, Detail: "more than 4096 inventories"},
		}, refused("1 statement")...)},
		"too large": {[]fact.ImageInventory{inventory("a", fact.MaxInventory+1, fact.MaxModules+1)}, "a", 1, true, []fact.NodeGap{
			{What: fact.Images, Reason: fact.Truncated, Detail: "more than 20000 packages or 5000 modules of an image"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			set := facttest.Measured(facttest.With(), fact.Container{})
			set.Nodes[0].Measured.Images = tc.images
			set.Nodes[0].Measured.Containers[0].Image = tc.ref
			before := set.DeepCopy()
			m := NewView(set).Nodes[0].Measured
			if diff := cmp.Diff(tc.gaps, m.Gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			if len(m.Images) != tc.keys || (m.Containers[0].Image == tc.ref) != tc.ok || !tc.ok && m.Containers[0].Image != "" {
				t.Errorf("%d inventories, the container has %q", len(m.Images), m.Containers[0].Image)
			}
			for i := range m.Images {
				if len(m.Images[i].Packages) > fact.MaxInventory || len(m.Images[i].Modules) > fact.MaxModules {
					t.Errorf("%d packages, %d modules", len(m.Images[i].Packages), len(m.Images[i].Modules))
				}
			}
			if !reflect.DeepEqual(before, set) {
				t.Error("the set was changed")
			}
		})
	}
}
