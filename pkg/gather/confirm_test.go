package gather

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch"
)

// asking notes the questions.
type asking struct {
	outlines []launch.Outline
	uids     []string
}

func (a *asking) answer(yes bool, err error) func(context.Context, string, launch.Outline) (bool, error) {
	return func(_ context.Context, uid string, creates launch.Outline) (bool, error) {
		a.outlines, a.uids = append(a.outlines, creates), append(a.uids, uid)
		return yes, err
	}
}

func never(string) bool { return false }

// everyPod are the kinds of facts that both pods read, and dry runs.
var everyPod = []fact.Kind{fact.Pods, fact.Nodes, fact.Processes, fact.NodeTLS, fact.Enforcing}

func asked(level fact.Level, net bool) Cluster {
	carries := func(string) ([]byte, error) { return []byte("probe"), nil }
	return Cluster{Kinds: everyPod, Level: level, Net: net, Probe: launch.Options{Embedded: carries, NetEmbedded: carries}}
}

// The question comes once, only if there will be pods, with the nodes that are in scope. After a
// no there is no pod and no dry run, and the facts are those of --no-probe but for the words of
// the gaps. A report is the same whether or not somebody was asked.
func TestConfirm(t *testing.T) {
	const dryRuns = "/api/v1/namespaces/shop/pods"
	named := func(c Cluster, edit func(*Cluster)) Cluster {
		edit(&c)
		return c
	}
	both := asked(fact.LevelFull, true)
	for name, tc := range map[string]struct {
		source Cluster
		yes    bool
		nodes  int // in the question; 0 for none
		probed int // nodes
		tried  bool
	}{
		"yes":                           {both, true, 4, 4, true},
		"agreed before":                 {named(both, func(c *Cluster) { c.Agreed = func(uid string) bool { return uid == "of-kube-system" } }), false, 0, 4, true},
		"no":                            {both, false, 4, 0, false},
		"no, to handshakes alone":       {asked(fact.LevelAPI, true), false, 4, 0, false},
		"--no-probe":                    {named(asked(fact.LevelAPI, false), func(c *Cluster) { c.NoProbe = true }), false, 0, 0, false},
		"a command without probes":      {named(asked("", false), func(c *Cluster) { c.Kinds = []fact.Kind{fact.Pods} }), false, 0, 0, false},
		"nothing that a probe reads":    {named(both, func(c *Cluster) { c.Kinds = []fact.Kind{fact.Pods, fact.Nodes, fact.Enforcing} }), false, 0, 0, true},
		"a build without probes":        {named(both, func(c *Cluster) { c.Probe = launch.Options{} }), false, 0, 4, true},
		"the nodes of one namespace":    {named(both, func(c *Cluster) { c.OnlyTheirNodes, c.Namespace = true, "shop" }), false, 1, 0, false},
		"the nodes of a named pod":      {named(both, func(c *Cluster) { c.OnlyTheirNodes, c.Namespace, c.Names = true, "other", []string{"db-1"} }), false, 1, 0, false},
		"a named node":                  {named(both, func(c *Cluster) { c.NodeNames = []string{"w1"} }), false, 1, 0, false},
		"only what is stored":           {named(both, func(c *Cluster) { c.Kinds = []fact.Kind{fact.Nodes, fact.Etcd} }), false, 1, 0, false},
		"what is stored on named nodes": {named(both, func(c *Cluster) { c.Kinds = []fact.Kind{fact.Nodes, fact.Etcd}; c.ControlPlaneNodes = []string{"w1"} }), false, 2, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newDemo(t)
			s.ready, s.pods = true, append(s.pods, demoPod("shop", "pending", ""))
			var a asking
			source := tc.source
			source.Confirm = a.answer(tc.yes, nil)
			if source.Agreed == nil {
				source.Agreed = never
			}
			got, probe, _ := gathered(t, s, source)
			want := []int{tc.nodes}
			if tc.nodes == 0 {
				want = nil
			}
			var nodes []int
			for _, o := range a.outlines {
				nodes = append(nodes, o.Nodes)
			}
			if diff := cmp.Diff(want, nodes); diff != "" {
				t.Errorf("nodes in the questions (-want +got):\n%s", diff)
			}
			for _, uid := range a.uids {
				if uid != "of-kube-system" {
					t.Errorf("asked about cluster %q", uid)
				}
			}
			probed := 0
			if probe != nil {
				probed = len(probe.nodes)
				if probe.confirmed != tc.yes {
					t.Errorf("the probe counts as confirmed: %t", probe.confirmed)
				}
			}
			if probed != tc.probed {
				t.Errorf("%d nodes probed, want %d", probed, tc.probed)
			}
			if tried := got.Set.Enforcement != nil && len(got.Set.Enforcement.DryRuns) > 0; tried != tc.tried || tc.source.Namespace == "" && s.posts(dryRuns) != tc.tried {
				t.Errorf("dry runs %t, want %t", tried, tc.tried)
			}
			if tc.yes || tc.nodes == 0 {
				return
			}
			// As with --no-probe.
			plain := tc.source
			plain.Level, plain.Net, plain.NoProbe = fact.LevelAPI, false, true
			other := newDemo(t) // its kube-system has the same UID
			other.ready, other.pods = true, append(other.pods, demoPod("shop", "pending", ""))
			without, _, _ := gathered(t, other, plain)
			hints := 0
			for i := range got.Set.Gaps {
				g := &got.Set.Gaps[i]
				if strings.Contains(g.Detail, declinedDetail) {
					hints++
					if g.Reason != fact.NotRequested || !strings.Contains(g.Hint, "--yes") {
						t.Errorf("gap %+v", g)
					}
					g.Detail, g.Hint = "", ""
				}
			}
			for i := range without.Set.Gaps {
				if g := &without.Set.Gaps[i]; strings.Contains(g.Hint, "--no-probe") {
					g.Detail, g.Hint = "", ""
				}
			}
			if hints == 0 {
				t.Error("no gap says that the user answered no")
			}
			got.Set.CollectedAt = without.Set.CollectedAt
			without.Set.Cluster.Server = got.Set.Cluster.Server
			if diff := cmp.Diff(without, got); diff != "" {
				t.Errorf("--no-probe and a no differ (-no-probe +no):\n%s", diff)
			}
		})
	}
}

// A run that is interrupted at the question ends, and has created nothing.
func TestConfirmIsInterrupted(t *testing.T) {
	s := newDemo(t)
	s.ready = true
	stop := errors.New("stop")
	source := asked(fact.LevelFull, true)
	source.Config = &rest.Config{Host: s.URL, QPS: -1}
	source.Confirm, source.Agreed = new(asking).answer(true, stop), never
	source.measure = func(context.Context, launch.Options, []fact.Node) (map[string]*fact.Measurement, []fact.Gap, error) {
		t.Error("a probe was run")
		return nil, nil, nil
	}
	if got, err := source.Gather(t.Context()); !errors.Is(err, stop) || got != nil {
		t.Errorf("error %v, facts %v", err, got)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.created, func(path string) bool { return !strings.HasSuffix(path, "/selfsubjectreviews") }); i >= 0 {
		t.Errorf("%s %s", http.MethodPost, s.created[i])
	}
}

// A wrong name of a node is told before the question.
func TestConfirmAfterWrongNames(t *testing.T) {
	s := newDemo(t)
	s.ready = true
	var a asking
	source := asked(fact.LevelFull, true)
	source.Config, source.ControlPlaneNodes = &rest.Config{Host: s.URL, QPS: -1}, []string{"nosuch"}
	source.Confirm, source.Agreed = a.answer(true, nil), never
	if _, err := source.Gather(t.Context()); err == nil || !strings.Contains(err.Error(), "nosuch") || len(a.outlines) > 0 {
		t.Errorf("error %v, asked %d times", err, len(a.outlines))
	}
}
