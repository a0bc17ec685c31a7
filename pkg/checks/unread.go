package checks

import (
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// reasons says for each kind why facts are missing.
type reasons map[fact.Kind]fact.Reason

// unread says what is missing, from the gaps.
type unread struct {
	everywhere reasons
	named      map[string]reasons // what the plugin says of nodes, by their names
	nodes      map[*fact.Node]reasons
	containers map[*fact.MeasuredContainer]reasons
}

// Unread reports whether facts of a kind about a running container are missing or
// incomplete, and why: they were not read on its node, or a gap is about the
// container or its whole node. A Judge that reports only its own kinds does not
// need it, because JudgeSet makes gaps unknown. It is for conclusions that are
// drawn from several kinds.
func (v *View) Unread(r Running, kind fact.Kind) (fact.Reason, bool) {
	if !r.Node.Measured.HasRead(kind) {
		return fact.NotRequested, true
	}
	if v.unread == nil {
		v.unread = v.newUnread()
	}
	u := v.unread
	own, ok := u.nodes[r.Node]
	if !ok {
		own = u.addNode(v.index, r.Node)
	}
	for _, of := range []reasons{u.everywhere, u.named[r.Node.Name], own, u.containers[r.Measured]} {
		if reason, ok := of[kind]; ok {
			return reason, true
		}
	}
	return "", false
}

func (v *View) newUnread() *unread {
	u := &unread{
		everywhere: reasons{}, named: map[string]reasons{},
		nodes: map[*fact.Node]reasons{}, containers: map[*fact.MeasuredContainer]reasons{},
	}
	for i := range v.Gaps {
		g := &v.Gaps[i]
		switch {
		case g.Subject.Namespace != "": // a workload's, whose owner may be of any kind
		case g.Subject.Kind == fact.SubjectCluster, g.Subject.Kind == fact.SubjectFile:
			u.everywhere[g.What] = g.Reason
		case g.Subject.Kind == fact.SubjectNode:
			addReason(u.named, g.Subject.Name, g.What, g.Reason)
		}
	}
	return u
}

// addNode adds the gaps of a node's own answer.
func (u *unread) addNode(x *index, node *fact.Node) reasons {
	own := reasons{}
	u.nodes[node] = own
	for i := range node.Measured.Gaps {
		g := &node.Measured.Gaps[i]
		if g.Container == "" {
			own[g.What] = g.Reason
		} else if m := x.measured(node, g.Container); m != nil {
			addReason(u.containers, m, g.What, g.Reason)
		}
	}
	return own
}

func addReason[K comparable](to map[K]reasons, key K, kind fact.Kind, reason fact.Reason) {
	if to[key] == nil {
		to[key] = reasons{}
	}
	to[key][kind] = reason
}
