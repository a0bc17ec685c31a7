package diff

import (
	"slices"
	"sync"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// Why an absence or an improvement proves nothing. Each is a whole reason of a change.
const (
	notRun        = "the check did not run"
	hidden        = "findings below a severity were left out of the report"
	otherSource   = "the report was made from something else"
	narrower      = "it looked at less"
	notListed     = "a list was not complete"
	nodeUnread    = "something on a node could not be read"
	subjectUnread = "something about it could not be read"
	stillThere    = "it is still there, without a verdict"
	orMended      = "it was deleted, or the check finds nothing in it any more"
	noList        = "no list shows whether it is gone or does not run"
	onlyDeclared  = "it is only declared now, not measured"
	partly        = "something else about it is unknown"
	toldOther     = "the runs were told other namespaces of the platform, or other control plane nodes"
	wasDeclared   = "it was only declared before"
	// otherCatalogue is why a verdict that is better is no news of the cluster.
	otherCatalogue = "another version of the catalogue judged that"
	noChecks       = "the report does not say which checks ran"
	inCatalogue    = "the check is new in the catalogue"
	notCatalogued  = "the catalogue has the check no more"
)

// ran reports whether the check ran.
func (s *Side) ran(check string) bool { return s.checks[check] }

// lacks reports whether the catalogue of the report is known and does not have the check.
func (s *Side) lacks(check string) bool {
	_, has := s.checks[check]
	return len(s.Head.Checks) > 0 && !has
}

// sourceOf is what a report was made from.
func sourceOf(s *api.Scope) string {
	switch {
	case len(s.Files) > 0:
		return "files"
	case s.Snapshot != "":
		return "a store's file"
	case s.Local:
		return "one machine"
	}
	return "a cluster"
}

// namespaceOf is the namespace that a subject is in, or is.
func namespaceOf(s *fact.Subject) string {
	if s.Kind == fact.SubjectNamespace {
		return s.Name
	}
	return s.Namespace
}

// looksAt says why a run did not look at all of what another one looked at, as far as a subject
// is concerned: "" if it did.
func looksAt(is, was *api.ReportSpec, of *fact.Subject) string {
	a, b := &is.Scope, &was.Scope
	if sourceOf(a) != sourceOf(b) {
		return otherSource
	}
	holds := func(all, some []string) bool {
		return !slices.ContainsFunc(some, func(one string) bool { return !slices.Contains(all, one) })
	}
	if !a.AllNamespaces && len(a.Namespaces) > 0 {
		namespace := namespaceOf(of)
		switch {
		case namespace != "" && !slices.Contains(a.Namespaces, namespace):
			return narrower
		case namespace == "" && (b.AllNamespaces || len(b.Namespaces) == 0 || !holds(a.Namespaces, b.Namespaces)):
			return narrower
		}
	}
	// What selectors and names select depends on the command: pods or nodes.
	selects := len(a.Names) > 0 || a.Selector != "" || a.FieldSelector != ""
	switch {
	case selects && is.Command != was.Command,
		len(a.Names) > 0 && (len(b.Names) == 0 || !holds(a.Names, b.Names)),
		a.Selector != "" && a.Selector != b.Selector,
		a.FieldSelector != "" && a.FieldSelector != b.FieldSelector,
		!holds(a.Files, b.Files),
		a.Root != b.Root:
		return narrower
	}
	said := selects || len(a.Namespaces) > 0 || sourceOf(a) != "a cluster"
	if a.Narrowed != "" && !said && a.Narrowed != b.Narrowed {
		return narrower
	}
	return ""
}

// told reports whether two runs were told the same of the cluster by their flags.
func told(a, b *api.Scope) bool {
	same := func(a, b []string) bool {
		has := func(all []string) func(string) bool {
			return func(one string) bool { return !slices.Contains(all, one) }
		}
		return !slices.ContainsFunc(a, has(b)) && !slices.ContainsFunc(b, has(a))
	}
	return same(a.PlatformNamespaces, b.PlatformNamespaces) && same(a.ControlPlaneNodes, b.ControlPlaneNodes)
}

// losses are what a side could not read and another one could.
type losses struct {
	lists      map[string]bool // clusters of which it is a list
	clusters   map[string]bool // clusters of the nodes
	nodes      map[place]bool
	namespaces map[place]bool
	objects    map[uint64]bool
}

// lost reports whether a list of the cluster or of a namespace is among them.
func (l *losses) lost() bool { return len(l.lists)+len(l.namespaces) > 0 }

// mayHave reports whether a set of clusters may have one.
func (l *losses) mayHave(clusters map[string]bool, cluster string) bool {
	return len(clusters) > 0 && (cluster == "" || clusters[""] || clusters[cluster])
}

// lostTo finds the losses, once.
func (s *Side) lostTo(other *Side) *losses {
	if l := s.losses[other]; l != nil {
		return l
	}
	l := &losses{map[string]bool{}, map[string]bool{}, map[place]bool{}, map[place]bool{}, map[uint64]bool{}}
	for u := range s.unread {
		switch {
		case other.unread[u]:
		case u.object != 0:
			l.objects[u.object] = true
		case u.namespace.name != "":
			l.namespaces[u.namespace] = true
		case u.node.name == "":
			l.lists[u.node.cluster] = true
		default:
			l.clusters[u.node.cluster], l.nodes[u.node] = true, true
		}
	}
	s.losses[other] = l
	return l
}

// blindTo says what a side could not see of a finding's subject that the other side saw: "" if
// nothing. Absent means that the side has no finding about it.
func (s *Side) blindTo(e *entry, other *Side, absent bool) string {
	of := &e.about
	node, onNode := nodeOf(of)
	same := sync.OnceValue(func() bool { return s.sameNodes(e) })
	if absent && onNode && s.has(s.lists, of.Cluster, string(fact.Nodes)) {
		return notListed
	}
	lost := s.lostTo(other)
	switch {
	case lost.mayHave(lost.lists, of.Cluster):
		return notListed
	case onNode && s.has(lost.nodes, of.Cluster, node), !onNode && e.state.Basis == api.Measured && lost.mayHave(lost.clusters, of.Cluster):
		return nodeUnread
	case s.has(lost.namespaces, of.Cluster, namespaceOf(of)), lost.objects[objectOf(of)]:
		return subjectUnread
	}
	if e.state.Basis == api.Measured {
		for name := range s.silent {
			if onNode && name == node || !onNode && !(other.silent[name] && same()) {
				return nodeUnread
			}
		}
	}
	for _, check := range []string{e.check, ""} {
		b := s.blind[check]
		if b == nil {
			continue
		}
		then := other.blind[check]
		for what := range b.cluster {
			// What neither run could read hides no fail that was seen before. But it can hold
			// what the other lists no longer hold.
			if what.of(of.Cluster) && (absent || then == nil || !then.cluster[what]) {
				return notListed
			}
		}
		if onNode {
			if s.has(b.nodes, of.Cluster, node) {
				return nodeUnread
			}
		} else {
			for name := range b.nodes {
				if name.of(of.Cluster) && (absent || then == nil || !then.nodes[name] || !same()) {
					return nodeUnread
				}
			}
		}
		switch {
		case s.has(b.namespaces, of.Cluster, of.Namespace), b.objects[objectOf(of)], b.files[of.File]:
			return subjectUnread
		case absent && len(b.files) > 0:
			return notListed
		}
	}
	return ""
}

// sameNodes reports whether this side measured a subject on each node on which the other side
// did, by the nodes that the evidence names. Then a node that is silent as before hides nothing of it.
func (s *Side) sameNodes(e *entry) bool {
	now := s.entries[e.key]
	return now != nil && e.whole && len(e.nodes) > 0 && !slices.ContainsFunc(e.nodes, func(n string) bool { return !slices.Contains(now.nodes, n) })
}

// covers says why the side, which has no finding like this one, may have missed it: "" if it would
// have it.
func (s *Side) covers(e *entry, other *Side) string {
	switch {
	case len(s.Head.Checks) == 0:
		return noChecks
	case !s.ran(e.check):
		return notRun
	case s.Head.Spec.Inputs.Severity != "":
		return hidden
	}
	if why := looksAt(&s.Head.Spec, &other.Head.Spec, &e.about); why != "" {
		return why
	}
	if why := s.blindTo(e, other, true); why != "" {
		return why
	}
	// A node that is still there has not lost what a check found on it only because no gap says so.
	if node, onNode := nodeOf(&e.about); onNode && e.about.Kind == fact.SubjectNode && s.has(s.seen, e.about.Cluster, node) {
		return stillThere
	}
	return ""
}

// workload reports whether a subject is a workload or one of its containers: it can be there
// without a process that could be measured.
func workload(s *fact.Subject) bool {
	switch s.Kind {
	case fact.SubjectSecret, fact.SubjectConfigMap, fact.SubjectNamespace, "ServiceAccount":
		return false
	}
	return s.Namespace != "" || s.File != ""
}

// holds reports whether a subject is data, of which some checks list only what they find something in.
func holds(s *fact.Subject) bool {
	return s.Kind == fact.SubjectSecret || s.Kind == fact.SubjectConfigMap
}

// listed reports whether a measuring check finds such subjects in a list that is complete if no
// gap says otherwise.
func listed(s *fact.Subject) bool {
	switch s.Kind {
	case fact.SubjectSecret, fact.SubjectConfigMap, fact.SubjectNode:
		return true
	case fact.SubjectContainer: // that the API does not know
		return s.Namespace == ""
	}
	return false
}
