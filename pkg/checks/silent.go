package checks

import (
	"cmp"
	"fmt"
	"maps"
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
	// containers are the same containers, in the order of the workloads.
	containers []silentContainer
}

// silentContainer is a container of a workload that runs in pods on such nodes.
type silentContainer struct {
	subject fact.Subject // without its pods
	windows bool
	pods    []silentPod
}

type silentPod struct{ name, node string }

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
		at := map[string]int{} // of containers, by name: filled when the first pod runs on such a node
		for j := range w.Pods {
			if p := &w.Pods[j]; u.nodes[p.Node] != nil {
				v.index.eachRunning(w, p, func(container string) {
					u.pods[podContainer{w.Owner.Namespace, p.Name, container}] = p.Node
					if container == "" {
						return
					}
					k, known := at[container]
					if !known {
						k = len(u.containers)
						at[container] = k
						u.containers = append(u.containers, v.silentContainer(w, container))
					}
					u.containers[k].pods = append(u.containers[k].pods, silentPod{p.Name, p.Node})
				})
			}
		}
	}
	return u
}

func (v *View) silentContainer(w *fact.Workload, name string) silentContainer {
	c := silentContainer{subject: w.Owner}
	// As in the subject of a measured container (Running.Subject).
	if declared := v.index.declared(&w.Spec, name); declared != nil {
		c.subject.Container = name
		c.windows, _ = Declared{Workload: w, Container: declared}.Windows()
	}
	return c
}

// notAnswered are unknown findings about the containers that run on nodes that were asked and did not
// answer, for a check that can say nothing of a container without a measurement. The node's gap alone
// is not enough: what failed in such a container before would be in no finding, and consumers of
// alerts take what is missing for fixed.
func (v *View) notAnswered(check *Check) []api.Finding {
	needs := func(kind fact.Kind) bool { return check.NeedsKind(kind) }
	if !check.Measures() || check.Scope != ScopeWorkload || !slices.ContainsFunc(fact.KindsOf(fact.OfContainer), needs) {
		return nil
	}
	if v.unanswered == nil {
		v.unanswered = v.unansweredNodes()
	}
	var out []api.Finding
	for i := range v.unanswered.containers {
		c := &v.unanswered.containers[i]
		if c.windows && check.Linux {
			continue
		}
		var pods []string
		gaps := map[string]*fact.Gap{} // by node
		for _, pod := range c.pods {
			gap := v.unanswered.missing(pod.node, check)
			if gap == nil || check.Excuse != nil && check.Excuse(v, *gap) {
				continue
			}
			pods, gaps[pod.node] = append(pods, pod.name), gap
		}
		if len(pods) == 0 {
			continue
		}
		said, first, evidence := saidOf(gaps)
		f := api.Finding{
			Verdict: api.VerdictUnknown, Basis: api.Measured, Subject: c.subject, Message: said, Reason: first.Reason, Evidence: evidence,
			Remediation: api.Remediation{Text: first.Hint}, FromGap: true,
		}
		f.Subject.Pods, f.Subject.PodCount = pods, len(pods)
		out = append(out, f)
	}
	return out
}

// saidOf is the message and the evidence of what nodes did not answer. First is the gap of the first
// node by name.
func saidOf(gaps map[string]*fact.Gap) (message string, first *fact.Gap, evidence []api.Evidence) {
	names := slices.Sorted(maps.Keys(gaps))
	message = "node " + names[0] + didNotAnswer
	if n := len(names) - 1; n > 0 {
		message = fmt.Sprintf("node %s and %d more%s", names[0], n, didNotAnswer)
	}
	for _, name := range names[:min(len(names), MaxEvidence)] {
		evidence = append(evidence, api.Evidence{
			Source: "node/" + name + " " + string(gaps[name].What), Value: "not read: " + string(gaps[name].Reason), Basis: api.Measured,
		})
	}
	return message, gaps[names[0]], evidence
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
	said, first, evidence := saidOf(gaps)
	f.Evidence = append(slices.Clip(f.Evidence), evidence...)
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

// SilentWitness is the first node of the control plane, by its name, that was asked for facts of a
// storage kind and did not give them, and the gap that says why; nil if there is none.
func (v *View) SilentWitness(kind fact.Kind) *fact.Gap {
	var first *fact.Gap
	see := func(node *fact.Node, gap fact.Gap) {
		asked := gap.What == kind && gap.Reason != fact.NotRequested && gap.Reason != fact.NotMeasured
		if !asked || node == nil || node.Measured.HasRead(kind) || !v.witnessOf(kind, node) {
			return
		}
		if first == nil || gap.Subject.Name < first.Subject.Name {
			first = &gap
		}
	}
	for i := range v.Gaps {
		if g := &v.Gaps[i]; g.Subject.Kind == fact.SubjectNode && g.Subject.Namespace == "" {
			see(v.nodes[g.Subject.Name], *g)
		}
	}
	for i := range v.Nodes {
		node := &v.Nodes[i]
		if node.Measured == nil {
			continue
		}
		for j := range node.Measured.Gaps {
			if g := &node.Measured.Gaps[j]; g.Container == "" {
				gap, _ := v.gapOf(node, g)
				see(node, gap)
			}
		}
	}
	return first
}

// OfSilentWitness is the finding about what a node of the control plane would have shown. What is
// unknown is added to its message.
func OfSilentWitness(gap *fact.Gap, subject fact.Subject, unknown string) api.Finding {
	return api.Finding{
		Verdict: api.VerdictUnknown, Reason: gap.Reason, Subject: subject, FromGap: true,
		Message:     "node " + gap.Subject.Name + " did not answer, so it is unknown " + unknown,
		Evidence:    []api.Evidence{{Source: "node/" + gap.Subject.Name + " " + string(gap.What), Value: "not read: " + string(gap.Reason)}},
		Remediation: api.Remediation{Text: gap.Hint},
	}
}
