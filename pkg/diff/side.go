// Package diff compares two reports: what became of each finding. It never calls something fixed
// or gone because less was looked at.
package diff

import (
	"encoding/hex"
	"fmt"
	"hash/maphash"
	"iter"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
)

const (
	mostName    = 300 // bytes of a name that is shown
	mostMessage = 600 // bytes of a message
	// mostKept bounds the memory of one side in bytes, by what an entry and a gap are known to
	// take. A report of 100,000 findings takes about 60 MB of it.
	mostKept  = int64(2) << 30
	entrySize = 600
	gapSize   = 100
)

// Side is a report without its evidence, by fingerprint.
type Side struct {
	// Head is the report without findings and gaps.
	Head *api.ChecklistReport
	// Facts reports whether it was judged from facts now.
	Facts bool

	entries  map[[32]byte]*entry
	findings int
	repeated int
	kept     int64
	// subjects are those that some finding is about.
	subjects map[uint64]bool
	// checks are those of the catalogue that judged: true for those that ran.
	checks map[string]bool
	// blind says what could not be seen, by check; "" is every check.
	blind map[string]*blind
	// lists are the kinds of facts of which a list of the whole cluster is not complete.
	lists map[place]bool
	// unread is what could not be read on nodes, in the cluster, and of namespaces and objects, whatever
	// check needs it: a check can use what it does not need.
	unread map[unread]bool
	losses map[*Side]*losses
	// seen are the nodes that something in the report is about.
	seen map[place]bool
	// silent are the nodes that were not measured.
	silent map[string]bool
	// clusters is set if gaps name several clusters.
	clusters bool
	names    map[string]string
	// counted are the findings by question, to compare them with the answers' counts.
	counted map[api.Question]*counts
}

// entry is what is kept of a finding.
type entry struct {
	key      [32]byte
	subject  uint64 // a hash of the whole subject
	check    string
	question api.Question
	about    fact.Subject // as it is shown
	state    api.ChangeState
	fromGap  bool // it is unknown because something could not be read
	// nodes are those that its evidence names. They are all of them if whole is set.
	nodes []string
	whole bool
}

// blind is what a run could not see, for one check.
type blind struct {
	cluster    map[place]bool // by kind of fact
	nodes      map[place]bool
	namespaces map[place]bool
	objects    map[uint64]bool
	files      map[string]bool
}

// unread is a kind of fact that was not read: of a namespace, of an object, on a node, or else in the
// cluster.
type unread struct {
	node, namespace place
	object          uint64
	what            fact.Kind
}

// place is a name in a cluster. The cluster is "" if there is one, or if it is unknown.
type place struct{ cluster, name string }

// of reports whether it may be in a cluster.
func (p place) of(cluster string) bool {
	return p.cluster == "" || cluster == "" || p.cluster == cluster
}

// has reports whether a name may be in a set of places.
func (s *Side) has(places map[place]bool, cluster, name string) bool {
	if places[place{cluster, name}] || places[place{"", name}] {
		return true
	}
	if cluster != "" || !s.clusters {
		return false
	}
	for p := range places {
		if p.name == name {
			return true
		}
	}
	return false
}

// NewSide returns a side without findings.
func NewSide(facts bool) *Side {
	return &Side{
		Head: &api.ChecklistReport{}, Facts: facts,
		entries: map[[32]byte]*entry{}, subjects: map[uint64]bool{}, checks: map[string]bool{},
		blind: map[string]*blind{}, lists: map[place]bool{}, silent: map[string]bool{}, unread: map[unread]bool{}, losses: map[*Side]*losses{}, seen: map[place]bool{}, names: map[string]string{},
		counted: map[api.Question]*counts{},
	}
}

// Of is the side of a report in memory.
func Of(report *api.ChecklistReport, facts bool) (*Side, error) {
	s := NewSide(facts)
	return s, s.AddReport(report, slices.Values(report.Findings))
}

// AddReport adds a report whose findings are read one by one.
func (s *Side) AddReport(report *api.ChecklistReport, each iter.Seq[api.Finding]) error {
	head := *report
	head.Findings, head.Gaps, head.Nodes = nil, nil, nil
	s.SetHead(&head)
	for i := range report.Nodes {
		s.AddNode(&report.Nodes[i])
	}
	for i := range report.Gaps {
		if err := s.AddGap(&report.Gaps[i]); err != nil {
			return err
		}
	}
	for f := range each {
		if err := s.Add(&f); err != nil {
			return err
		}
	}
	return nil
}

// SetHead sets what the report says of itself.
func (s *Side) SetHead(head *api.ChecklistReport) {
	s.Head = head
	for _, id := range head.Spec.Scope.LeftOutChecks {
		s.checks[s.name(id)] = false
	}
	for i := range head.Checks {
		s.checks[s.name(head.Checks[i].Check)] = true
	}
}

// AddNode notes a node that was not measured.
func (s *Side) AddNode(n *api.ReportNode) {
	s.seen[place{"", s.name(n.Name)}] = true
	if !n.Measured {
		s.silent[s.name(n.Name)] = true
	}
}

// keep counts memory.
func (s *Side) keep(bytes int) error {
	if s.kept += int64(bytes); s.kept > mostKept {
		return fmt.Errorf("it needs more than %d GiB of memory", mostKept>>30)
	}
	return nil
}

var seed = maphash.MakeSeed()

func hashOf(s *fact.Subject) uint64 { return maphash.Comparable(seed, s.Identity()) }

// objectOf is the subject without its container and node.
func objectOf(s *fact.Subject) uint64 {
	key := s.Identity()
	key.Container, key.Node = "", ""
	return maphash.Comparable(seed, key)
}

// nodeOf is the node of a subject that is a node, or a container that the API does not know.
func nodeOf(s *fact.Subject) (name string, ok bool) {
	switch {
	case s.Namespace != "":
		return "", false
	case s.Kind == fact.SubjectNode:
		return s.Name, true
	case s.Kind == fact.SubjectContainer:
		return s.Node, true
	}
	return "", false
}

// AddGap notes what could not be read.
func (s *Side) AddGap(g *fact.Gap) error {
	affects := g.Affects
	if len(affects) == 0 {
		affects = []string{""}
	}
	if err := s.keep(gapSize * (2 + len(affects))); err != nil {
		return err
	}
	shown := s.shown(&g.Subject)
	of := &shown
	s.clusters = s.clusters || of.Cluster != ""
	whole := of.Namespace == "" && (of.Kind == fact.SubjectCluster || of.Kind == "")
	node, onNode := nodeOf(of)
	if onNode {
		s.seen[place{of.Cluster, node}] = true
	}
	u := unread{what: g.What}
	switch {
	case whole || onNode:
		u.node = place{of.Cluster, node}
	case of.Kind == fact.SubjectNamespace:
		u.namespace = place{of.Cluster, of.Name}
	default:
		u.object = objectOf(of)
	}
	s.unread[u] = true
	if whole {
		s.lists[place{of.Cluster, string(g.What)}] = true
	}
	for _, check := range affects {
		check = s.name(check)
		b := s.blind[check]
		if b == nil {
			if err := s.keep(gapSize + len(check)); err != nil {
				return err
			}
			b = &blind{map[place]bool{}, map[place]bool{}, map[place]bool{}, map[uint64]bool{}, map[string]bool{}}
			s.blind[check] = b
		}
		switch {
		case whole:
			b.cluster[place{of.Cluster, string(g.What)}] = true
		case onNode:
			b.nodes[place{of.Cluster, node}] = true
		default:
			switch of.Kind {
			case fact.SubjectFile:
				b.files[of.Name] = true
			case fact.SubjectNamespace:
				b.namespaces[place{of.Cluster, of.Name}] = true
			}
			b.objects[objectOf(of)] = true
		}
	}
	return nil
}

// shown is a subject with names that can be shown. Names that differ can be the same there: findings
// are told apart before.
func (s *Side) shown(of *fact.Subject) fact.Subject {
	return fact.Subject{
		Kind: s.name(of.Kind), Namespace: s.name(of.Namespace), Name: s.name(of.Name), Container: s.name(of.Container),
		Node: s.name(of.Node), Cluster: s.name(of.Cluster), File: s.name(of.File), Platform: of.Platform,
	}
}

// name keeps one copy of each name, as it can be shown.
func (s *Side) name(text string) string {
	if kept, found := s.names[text]; found {
		return kept
	}
	text = escape.Short(text, mostName)
	if kept, found := s.names[text]; found {
		return kept
	}
	text = strings.Clone(text)
	s.kept += int64(2*len(text) + gapSize)
	s.names[text] = text
	return text
}

// Add keeps a finding. Of several with one check and subject, the worst verdict is kept: fail,
// unknown, accepted, pass.
func (s *Side) Add(f *api.Finding) error {
	s.findings++
	s.count(f)
	e := entry{
		subject: hashOf(&f.Subject), check: f.Check, question: f.Question,
		// What is unknown of the cluster is known of what is in it once it could be read.
		fromGap: f.FromGap || f.Subject.Kind == fact.SubjectCluster && f.Subject.Namespace == "" && known(f.Verdict) == api.VerdictUnknown,
		state:   api.ChangeState{Verdict: known(f.Verdict), Severity: f.Severity, Basis: f.Basis, Reason: f.Reason},
	}
	if _, err := hex.Decode(e.key[:], []byte(f.Fingerprint())); err != nil {
		return err // cannot happen
	}
	e.nodes, e.whole = s.nodesOf(f.Evidence)
	if before := s.entries[e.key]; before != nil {
		s.repeated++
		nodes, whole := before.nodes, before.whole
		for _, n := range e.nodes {
			if !slices.Contains(nodes, n) {
				nodes = append(slices.Clip(nodes), n)
			}
		}
		if !worse(&e, before) {
			before.nodes, before.whole = nodes, whole && e.whole
			return s.keep(0) // names take memory too
		}
		e.nodes, e.whole = nodes, whole && e.whole
	}
	e.check, e.question = s.name(f.Check), api.Question(s.name(string(f.Question)))
	e.state.Severity = api.Severity(s.name(string(f.Severity)))
	e.state.Basis = api.Basis(s.name(string(f.Basis)))
	e.state.Reason = fact.Reason(s.name(string(f.Reason)))
	e.state.Message = strings.Clone(escape.Short(f.Message, mostMessage))
	e.about = s.shown(&f.Subject)
	if node, onNode := nodeOf(&e.about); onNode {
		s.seen[place{e.about.Cluster, node}] = true
	}
	for _, n := range e.nodes {
		s.seen[place{e.about.Cluster, n}] = true
	}
	s.entries[e.key], s.subjects[e.subject] = &e, true
	return s.keep(entrySize + len(e.state.Message))
}

// known is a verdict of ours. Any other word is unknown.
func known(v api.Verdict) api.Verdict { return v.OrUnknown() }

// worse reports whether a verdict is worse than another one of the same subject.
func worse(a, b *entry) bool {
	if a.state.Verdict != b.state.Verdict {
		return a.state.Verdict.Rank() > b.state.Verdict.Rank()
	}
	return a.state.Severity.Rank() > b.state.Severity.Rank()
}

// nodesOf are the nodes that evidence names ("node/NAME /proc/1/status"), each once, and whether
// the evidence is all of it.
func (s *Side) nodesOf(evidence []api.Evidence) (nodes []string, whole bool) {
	const most = 16 // of a finding of ours
	whole = len(evidence) <= most
	for _, e := range evidence[:min(len(evidence), most)] {
		rest, of := strings.CutPrefix(e.Source, "node/")
		if !of {
			whole = whole && e.Source != "further evidence"
			continue
		}
		name, _, _ := strings.Cut(rest, " ")
		if name = s.name(name); !slices.Contains(nodes, name) {
			nodes = append(nodes, name)
		}
	}
	return nodes, whole
}
