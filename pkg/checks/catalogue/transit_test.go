package catalogue

import (
	"slices"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// What must be true before part transit says yes. Each row takes one thing away, or adds one.
func TestTransitAnswer(t *testing.T) {
	unread := func(node int, kinds ...fact.Kind) func(*fact.Set) {
		return func(s *fact.Set) {
			m := s.Nodes[node].Measured
			m.Read = slices.DeleteFunc(slices.Clone(m.Read), func(k fact.Kind) bool { return slices.Contains(kinds, k) })
		}
	}
	second := func(change func(*fact.Node)) func(*fact.Set) {
		return func(s *fact.Set) {
			n := *s.Nodes[0].DeepCopy()
			n.Name, n.Addresses = "cp2", []string{"10.0.0.2"}
			change(&n)
			s.Nodes = append(s.Nodes, n)
		}
	}
	const control, worker = 0, 1
	for name, tc := range map[string]struct {
		change func(*fact.Set)
		want   api.AnswerWord
	}{
		"all of it measured":                     {func(*fact.Set) {}, api.Yes},
		"no handshakes on the control plane":     {unread(control, fact.ServerTLS), api.Unknown},
		"no settings of its servers":             {unread(control, fact.ServerSettings), api.Unknown},
		"no handshakes on a worker":              {unread(worker, fact.NodeTLS), api.Unknown},
		"no settings on a worker":                {unread(worker, fact.NodeSettings), api.Unknown},
		"no certificates of a worker":            {unread(worker, fact.Certificates), api.Unknown},
		"level net alone":                        {func(s *fact.Set) { net(&s.Nodes[control]); net(&s.Nodes[worker]) }, api.Unknown},
		"facts of an older version":              {func(s *fact.Set) { older(&s.Nodes[control]); older(&s.Nodes[worker]) }, api.Unknown},
		"a worker has neither":                   {unread(worker, fact.ServerTLS, fact.ServerSettings), api.Yes},
		"a worker was not measured":              {func(s *fact.Set) { s.Nodes[worker].Measured = nil }, api.Unknown},
		"a second node of the control plane":     {second(func(*fact.Node) {}), api.Yes},
		"a second one that was not measured":     {second(func(n *fact.Node) { n.Ready, n.Measured = false, nil }), api.Unknown},
		"a second one with plaintext":            {second(func(n *fact.Node) { ft.Transit(n.Measured); inPlain(n, fact.EtcdClient) }), api.No},
		"plaintext etcd":                         {func(s *fact.Set) { inPlain(&s.Nodes[control], fact.EtcdClient) }, api.No},
		"plaintext etcd that a worker claims":    {second(func(n *fact.Node) { n.Labels = nil; inPlain(n, fact.EtcdClient) }), api.Yes},
		"plaintext at a worker's kubelet":        {func(s *fact.Set) { inPlain(&s.Nodes[worker], fact.KubeletAPI) }, api.No},
		"plaintext at the scheduler is low":      {func(s *fact.Set) { inPlain(&s.Nodes[control], fact.Scheduler) }, api.Yes},
		"no etcd on any node":                    {func(s *fact.Set) { without(&s.Nodes[control], fact.ProgramEtcd, fact.EtcdClient, fact.EtcdPeer) }, api.Unknown},
		"a second API server that was not met":   {func(s *fact.Set) { s.Cluster.APIServers = ft.Ptr(2) }, api.Unknown},
		"no node is trusted for the servers":     {func(s *fact.Set) { s.Nodes[control].Labels = nil }, api.Unknown},
		"a provider runs the control plane":      {func(s *fact.Set) { s.Cluster.Provider, s.Nodes[control].Labels = "eks", nil }, api.Unknown},
		"a node whose clock is a day from ours":  {func(s *fact.Set) { s.Nodes[worker].Measured.At = fact.NewTime(s.CollectedAt.Add(-25 * time.Hour)) }, api.Unknown},
		"a node that joined after the list":      {func(s *fact.Set) { s.Workloads[0].Pods[0].Node = "new" }, api.Unknown},
		"a certificate that was not read":        {func(s *fact.Set) { s.Nodes[worker].Measured.Certificates[0].Reason = fact.Unreadable }, api.Unknown},
		"a gap in the handshakes":                {gap(control, fact.ServerTLS), api.Unknown},
		"a gap in the settings of a worker":      {gap(worker, fact.NodeSettings), api.Unknown},
		"a gap in the certificates of a worker":  {gap(worker, fact.Certificates), api.Unknown},
		"a gap of a worker about server sockets": {gap(worker, fact.ServerTLS), api.Yes},
	} {
		t.Run(name, func(t *testing.T) {
			set := clean()
			tc.change(set)
			for _, narrowed := range []string{"", "only namespace shop"} {
				got, question := transitOf(t, narrow(built(), narrowed), set)
				if got != tc.want && narrowed == "" {
					t.Errorf("%s, expected %s", got, tc.want)
				}
				if narrowed != "" && question == api.Yes {
					t.Error("a narrowed run says yes")
				}
			}
		})
	}
}

func transitOf(t *testing.T, plan checks.Plan, set *fact.Set) (part, question api.AnswerWord) {
	t.Helper()
	for _, a := range checks.JudgeSet(plan, set).Answers {
		for _, p := range a.Parts {
			if p.Part == "transit" {
				return p.Answer, a.Answer
			}
		}
	}
	t.Fatal("no part transit")
	return "", ""
}

// net leaves what level net reads.
func net(n *fact.Node) {
	n.Measured.Level, n.Measured.Read, n.Measured.Components, n.Measured.Certificates = fact.LevelNet, fact.KindsAt(fact.LevelNet), nil, nil
}

// older leaves what was read before these kinds were.
func older(n *fact.Node) {
	m := n.Measured
	m.Listeners, m.Components, m.Certificates = nil, nil, nil
	m.Read = slices.DeleteFunc(slices.Clone(m.Read), func(k fact.Kind) bool {
		return slices.Contains([]fact.Kind{fact.ServerTLS, fact.NodeTLS, fact.ServerSettings, fact.NodeSettings, fact.Certificates}, k)
	})
}

func inPlain(n *fact.Node, purpose fact.ListenerPurpose) {
	for i := range n.Measured.Listeners {
		if l := &n.Measured.Listeners[i]; l.Purpose == purpose {
			l.Protocol, l.ProtocolFrom = fact.SpeaksPlaintext, "status 200 to GET /version"
		}
	}
}

func without(n *fact.Node, program fact.ComponentProgram, purposes ...fact.ListenerPurpose) {
	n.Measured.Components = slices.DeleteFunc(n.Measured.Components, func(c fact.Component) bool { return c.Program == program })
	n.Measured.Listeners = slices.DeleteFunc(n.Measured.Listeners, func(l fact.Listener) bool { return slices.Contains(purposes, l.Purpose) })
}

func gap(node int, kind fact.Kind) func(*fact.Set) {
	return func(s *fact.Set) {
		m := s.Nodes[node].Measured
		m.Gaps = append(m.Gaps, fact.NodeGap{What: kind, Reason: fact.Timeout, Detail: "x"})
	}
}

func narrow(plan checks.Plan, how string) checks.Plan {
	plan.Narrowed = how
	return plan
}
