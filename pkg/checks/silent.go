package checks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// A declaration says what should run, a measurement what runs. Where nobody measured (--no-probe,
// files), a declared pass stays: it is labelled as such. Where a node was asked and did not
// answer, it does not stay: the same run may have measured the opposite there a day before, and a
// node that goes silent must turn nothing good.

// unanswered is what nodes were asked for and did not give.
type unanswered struct {
	nodes map[string]map[fact.Kind]*fact.Gap // by the node's name
	// pods are the containers that run on such nodes, and with an empty name the pods: the node's name.
	pods map[podContainer]string
}

// unansweredNodes finds the nodes; nil if there are none.
func (v *View) unansweredNodes() *unanswered {
	u := &unanswered{nodes: map[string]map[fact.Kind]*fact.Gap{}, pods: map[podContainer]string{}}
	kinds := fact.KindsOf(fact.OfContainer)
	add := func(node string, gap *fact.Gap) {
		// Of no node that was asked: NotRequested, and what a user changed on paper.
		if !slices.Contains(kinds, gap.What) || gap.Reason == fact.NotRequested || gap.Reason == fact.NotMeasured {
			return
		}
		if n := v.nodes[node]; n != nil && n.Measured.HasRead(gap.What) {
			return
		}
		if u.nodes[node] == nil {
			u.nodes[node] = map[fact.Kind]*fact.Gap{}
		}
		if u.nodes[node][gap.What] == nil {
			u.nodes[node][gap.What] = gap
		}
	}
	for i := range v.Gaps {
		if g := &v.Gaps[i]; g.Subject.Kind == fact.SubjectNode && g.Subject.Namespace == "" {
			add(g.Subject.Name, g)
		}
	}
	for i := range v.Nodes {
		node := &v.Nodes[i]
		if node.Measured == nil {
			continue
		}
		for j := range node.Measured.Gaps {
			if g := &node.Measured.Gaps[j]; g.Container == "" {
				add(node.Name, &fact.Gap{What: g.What, Reason: g.Reason, Detail: g.Detail, Hint: hint(node.Measured, g)})
			}
		}
	}
	for _, name := range v.absentNodes(&Plan{Narrowed: "whatever it is"}) { // so that this machine alone counts for none
		for _, kind := range kinds {
			add(name, &fact.Gap{What: kind, Reason: fact.NotPresent, Detail: absentDetail, Hint: "run it again"})
		}
	}
	if len(u.nodes) == 0 {
		return u
	}
	for i := range v.Workloads {
		w := &v.Workloads[i]
		for j := range w.Pods {
			if p := &w.Pods[j]; u.nodes[p.Node] != nil {
				v.index.eachRunning(w, p, func(container string) {
					u.pods[podContainer{w.Owner.Namespace, p.Name, container}] = p.Node
				})
			}
		}
	}
	return u
}

// didNotAnswer follows the names of such nodes in a message.
const didNotAnswer = " did not answer, so it is unknown what runs there"

// silentNodes is what a message calls such nodes, "" if it is about none: "node w1 and 3 more".
func silentNodes(message string) string {
	before, _, found := strings.Cut(message, didNotAnswer)
	if !found {
		return ""
	}
	return before[max(strings.LastIndex(before, "node "), 0):] // it begins what is said of them
}

// withholdUnanswered makes a declared pass of a check that measures unknown, if the container runs
// on a node that was asked and did not answer. A declared fail below medium, where a measurement may
// have shown a graver one, is open then (api.Finding.Open). It stays: a node takes back nothing that
// the API shows.
func (v *View) withholdUnanswered(f *api.Finding, check *Check) {
	low := f.Verdict == api.Fail && f.Severity.Rank() < api.Medium.Rank()
	if f.Verdict != api.Pass && !low || !check.Measures() || check.Scope != ScopeWorkload {
		return
	}
	if v.unanswered == nil {
		v.unanswered = v.unansweredNodes()
	}
	if len(v.unanswered.pods) == 0 {
		return
	}
	var pods []string
	gaps := map[string]*fact.Gap{} // by node
	for _, pod := range f.Subject.Pods {
		node, runs := v.unanswered.pods[podContainer{f.Subject.Namespace, pod, f.Subject.Container}]
		if !runs {
			continue
		}
		if gap := v.unanswered.missing(node, check); gap != nil {
			pods, gaps[node] = append(pods, pod), gap
		}
	}
	if len(pods) == 0 {
		return
	}
	names := make([]string, 0, len(gaps))
	for name := range gaps {
		names = append(names, name)
	}
	slices.Sort(names)
	first := gaps[names[0]]
	said := "node " + names[0] + didNotAnswer
	if n := len(names) - 1; n > 0 {
		said = fmt.Sprintf("node %s and %d more%s", names[0], n, didNotAnswer)
	}
	f.Evidence = slices.Clip(f.Evidence)
	for _, name := range names[:min(len(names), MaxEvidence)] {
		f.Evidence = append(f.Evidence, api.Evidence{
			Source: "node/" + name + " " + string(gaps[name].What), Value: "not read: " + string(gaps[name].Reason), Basis: api.Measured,
		})
	}
	if low {
		f.Reason, f.Message = cmp.Or(f.Reason, first.Reason), f.Message+"; "+said
		return
	}
	f.Verdict, f.Severity, f.Basis, f.Reason, f.Message = api.VerdictUnknown, check.Severity, api.Measured, first.Reason, said
	f.Remediation = api.Remediation{Text: first.Hint}
	f.Subject.Pods, f.Subject.PodCount = pods, len(pods)
}

// missing is the first kind that a check wants of a container and that a node did not give; nil if
// it gave all.
func (u *unanswered) missing(node string, check *Check) *fact.Gap {
	for _, kind := range fact.KindsOf(fact.OfContainer) {
		if gap := u.nodes[node][kind]; gap != nil && (check.NeedsKind(kind) || check.UsesKind(kind)) {
			return gap
		}
	}
	return nil
}
