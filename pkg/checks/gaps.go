package checks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// gaps collects the gaps of a set: its own, those of every node's answer, and
// those that nobody reported (see silent).
func (v *View) gaps(plan *Plan) []*fact.Gap {
	// Pointers: a gap is large, and a cluster of 10,000 silent nodes has 200,000.
	gaps := make([]*fact.Gap, len(v.Gaps))
	for i := range v.Gaps {
		gaps[i] = &v.Gaps[i]
	}
	for i := range v.Nodes {
		node := &v.Nodes[i]
		if node.Measured == nil {
			continue
		}
		for j := range node.Measured.Gaps {
			if gap, asked := v.gapOf(node, &node.Measured.Gaps[j]); asked {
				gaps = append(gaps, &gap)
			}
		}
	}
	unreported := v.silent(plan, gaps)
	for i := range unreported {
		gaps = append(gaps, &unreported[i])
	}
	return gaps
}

// gapOf makes the plugin's gap of a node's: about the node, or about what the
// API calls the container, so that it joins the container's findings. Asked is
// false for a container that this run does not judge.
func (v *View) gapOf(node *fact.Node, g *fact.NodeGap) (gap fact.Gap, asked bool) {
	gap = fact.Gap{
		What: g.What, Subject: fact.Subject{Kind: fact.SubjectNode, Name: node.Name},
		Reason: g.Reason, Detail: g.Detail, Hint: hint(node.Measured, g),
	}
	if g.Container == "" || ofStorage(g.What) {
		return gap, true
	}
	gap.Subject, asked = v.index.containerSubject(node, g.Container)
	return gap, asked
}

// hint says what a user can do about a node's gap. It is made here and not by
// the node, because users copy it.
func hint(m *fact.Measurement, g *fact.NodeGap) string {
	switch {
	case g.Reason == fact.NotRequested && beyondLevel(m, g.What):
		return levelHint(m, g.What)
	case g.Reason == fact.Timeout:
		return "give the probe more time with --probe-timeout"
	case g.Reason == fact.Truncated && g.What == fact.Backups:
		return "look for copies of etcd in the other directories of that node"
	case g.Reason == fact.Truncated && g.What == fact.Environment:
		return "look at /proc/PID/environ on that node: of one process 64 KiB are read, of a node 128 MiB"
	case g.Reason == fact.Truncated:
		return "run kubectl checklist --local on that node: the size limit of a probe's answer does not apply there"
	case g.What == fact.Kernel && g.Reason == fact.NotPresent:
		return "if the kernel comes from elsewhere (a container host, a hypervisor, a network boot), look for updates there"
	case g.What == fact.Packages && g.Reason == fact.NotPresent:
		return "refresh the node's package lists, and enable its distribution's security archive"
	case g.What == fact.Packages && g.Reason == fact.Unsupported:
		return "compare what /etc/os-release says with the newest release of its vendor"
	case g.What == fact.Etcd && g.Reason == fact.Unsupported:
		return snapshotHint
	}
	return ""
}

// beyondLevel reports whether a kind needs another probe level than those that a node was
// measured at. That a probe of level net was there shows only in what was read.
func beyondLevel(m *fact.Measurement, kind fact.Kind) bool {
	net := fact.KindsAt(fact.LevelNet)
	if slices.Contains(net, kind) {
		return slices.Contains(fact.Levels(), m.Level) && m.Level != fact.LevelNet && len(fact.Intersect(m.Read, net)) == 0
	}
	return slices.Contains(fact.Levels(), m.Level) && !slices.Contains(fact.KindsAt(m.Level), kind)
}

// levelHint names the least levels that read a kind, and all that the node's probes read.
func levelHint(m *fact.Measurement, kind fact.Kind) string {
	var names []string
	for _, level := range fact.LevelsOf(append(slices.Clone(m.Read), kind)) {
		names = append(names, string(level))
	}
	return "--probe-level " + strings.Join(names, ",") + " reads it"
}

// containerSubject is the subject of a container on a node, given by its id or
// the id's first twelve digits; false if this run does not judge it.
func (x *index) containerSubject(node *fact.Node, id string) (fact.Subject, bool) {
	if m := x.measured(node, id); m != nil {
		r, asked := x.join(node, m)
		return r.Subject(), asked
	}
	// A container in a sandboxed runtime (gVisor, Kata), of which only the
	// runtime's processes are visible, is not among the measured; the API may
	// know it.
	found, known := x.byID[placed{node.Name, id}]
	if !known && len(id) == shortID {
		found, known = x.byID[placed{node.Name, x.byPrefix[placed{node.Name, id}]}]
	}
	if known {
		return Running{Node: node, Workload: found.workload, Pod: found.pod, Declared: found.container}.Subject(), true
	}
	return fact.Subject{Kind: fact.SubjectContainer, Name: short(id), Node: node.Name}, x.scope != fact.PodsSome
}

// measured finds a container of a node's answer by its id or the id's first
// twelve digits.
func (x *index) measured(node *fact.Node, id string) *fact.MeasuredContainer {
	if x.containers[node.Name] == nil {
		byID := make(map[string]*fact.MeasuredContainer, 2*len(node.Measured.Containers))
		for i := range node.Measured.Containers {
			m := &node.Measured.Containers[i]
			if m.ID != "" {
				byID[m.ID] = m
				if len(m.ID) > shortID {
					byID[short(m.ID)] = m
				}
			}
		}
		x.containers[node.Name] = byID
	}
	return x.containers[node.Name][id]
}

// silent finds what was needed and not read although no gap says so. The
// collector should say why. If it does not, this prevents "not read" from
// passing as "not found".
func (v *View) silent(plan *Plan, gaps []*fact.Gap) []fact.Gap {
	// What is reported: a set of kinds for each node. "" is the cluster or a
	// file, which concern every node.
	bit := map[fact.Kind]uint64{} // there are fewer than 64
	for i, kind := range fact.Kinds() {
		bit[kind] = 1 << i
	}
	reported := make(map[string]uint64, len(v.Nodes))
	for _, g := range gaps {
		if g.Subject.Namespace != "" {
			continue // a workload's, whose owner may be of any kind: a Cluster, too
		}
		switch g.Subject.Kind {
		case fact.SubjectCluster, fact.SubjectFile:
			reported[""] |= bit[g.What]
		case fact.SubjectNode:
			reported[g.Subject.Name] |= bit[g.What]
		}
	}
	said := func(kind fact.Kind, node string) bool {
		return (reported[""]|reported[node])&bit[kind] != 0
	}
	needed := map[fact.Kind]bool{}
	for _, c := range plan.Checks {
		for _, kind := range c.Needs {
			needed[kind] = true
		}
	}
	var out []fact.Gap
	add := func(kind fact.Kind, node string, reason fact.Reason, detail, hint string) {
		if said(kind, node) {
			return
		}
		gap := fact.Gap{What: kind, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: reason, Detail: detail, Hint: hint}
		if node != "" {
			gap.Subject = fact.Subject{Kind: fact.SubjectNode, Name: node}
		}
		reported[node] |= bit[kind]
		out = append(out, gap)
	}
	// unread says why one node's facts are missing.
	unread := func(kind fact.Kind, node *fact.Node) {
		switch m := node.Measured; {
		case m.HasRead(kind):
		case m == nil:
			add(kind, node.Name, fact.NotRequested, "the node was not measured", "")
		case beyondLevel(m, kind):
			add(kind, node.Name, fact.NotRequested, fmt.Sprintf("a probe of level %s did not read it", m.Level), levelHint(m, kind))
		default:
			add(kind, node.Name, fact.NotRequested, "the probe did not read it", "")
		}
	}
	if needed[fact.Pods] && v.PodScope == fact.PodsNotListed && len(v.Workloads) == 0 {
		add(fact.Pods, "", fact.NotRequested, "no pods were listed", "")
	}
	if needed[fact.Nodes] && !slices.ContainsFunc(v.Nodes, func(n fact.Node) bool { return n.Listed }) {
		add(fact.Nodes, "", fact.NotRequested, "no nodes were listed", "")
	}
	if needed[fact.Secrets] && !v.SecretsListed && v.Snapshot == nil {
		add(fact.Secrets, "", fact.NotRequested, "the names of Secrets were not listed, so it is unknown whether what is stored is complete and this cluster's", "")
	}
	if needed[fact.LegacyTokens] && !v.TokensListed {
		add(fact.LegacyTokens, "", fact.NotRequested, "the tokens of service accounts among the Secrets were not listed", "")
	}
	switch scan := v.ConfigMaps; {
	case !needed[fact.ConfigMaps]:
	case scan == nil:
		add(fact.ConfigMaps, "", fact.NotRequested, "ConfigMaps were not read", "")
	case scan.Truncated:
		add(fact.ConfigMaps, "", fact.Truncated, fmt.Sprintf("a limit ended the reading after %s", Count(scan.Read, "ConfigMap")), "")
	}
	if needed[fact.SecretStores] && !v.StoresRead {
		add(fact.SecretStores, "", fact.NotRequested, "the API was not asked for external stores of Secrets", "")
	}
	if needed[fact.Templates] && !v.TemplatesRead {
		add(fact.Templates, "", fact.NotRequested, "the templates of controllers and custom resources were not listed", "")
	}
	if needed[fact.Namespaces] && !v.NamespacesRead {
		add(fact.Namespaces, "", fact.NotRequested, "the namespaces' labels were not read", "")
	}
	if needed[fact.ImageReports] && v.ImageScan == nil {
		add(fact.ImageReports, "", fact.NotRequested, "the API was not asked for reports of image scanners", "")
	}
	if needed[fact.Enforcing] && v.Enforcement == nil {
		add(fact.Enforcing, "", fact.NotRequested, "the API server was not asked what it refuses", "")
	}
	absent := v.absentNodes(plan)
	homeless := v.runWithoutNode()
	// Every node has these, so a node without one was not fully measured. Not
	// every node has etcd or an API server.
	for _, kind := range fact.KindsOf(fact.OfContainer, fact.OfHost) {
		if !needed[kind] {
			continue
		}
		for _, node := range absent {
			add(kind, node, fact.NotPresent, absentDetail, "run it again")
		}
		if slices.Contains(fact.KindsOf(fact.OfContainer), kind) {
			for _, owner := range homeless {
				out = append(out, fact.Gap{What: kind, Subject: owner, Reason: fact.NotPresent, Detail: "one of its pods runs, but the facts do not say on which node"})
			}
		}
		if len(v.Nodes) == 0 {
			add(kind, "", fact.NotRequested, "no node was measured", "")
		}
		for i := range v.Nodes {
			unread(kind, &v.Nodes[i])
		}
	}
	for _, kind := range fact.KindsOf(fact.OfStorage) {
		if !needed[kind] {
			continue
		}
		for i := range v.Nodes {
			if node := &v.Nodes[i]; v.witnessOf(kind, node) {
				unread(kind, node)
			}
		}
		if ofEachNode(kind) {
			if gap := v.notAsked(kind, gaps); gap != nil && !said(kind, "") {
				out = append(out, *gap)
			}
			for _, node := range absent {
				add(kind, node, fact.NotPresent, absentDetail, "run it again")
			}
		}
		for _, name := range v.ControlPlaneNodes {
			if v.nodes[name] == nil && !v.Managed {
				add(kind, name, fact.NotPresent, "named as a node of the control plane, but no node has this name", "")
			}
		}
		out = append(out, v.storageGaps(kind, said)...)
	}
	return out
}

const absentDetail = "pods run on the node, but the list of nodes did not have it"

// absentNodes are those, sorted, on which pods run while the list of nodes does
// not have them: one that joined between the two lists, or was deleted with its
// pods still there. Where a run is narrowed to some nodes, so are its pods; where
// no node was measured at all, that is said for all of them.
func (v *View) absentNodes(plan *Plan) []string {
	measured := slices.ContainsFunc(v.Nodes, func(n fact.Node) bool {
		// This machine alone (--local) is in no list, and such a run is narrowed.
		return n.Measured != nil && (n.Listed || plan.Narrowed == "")
	})
	if !measured || v.PodScope == fact.PodsNotListed {
		return nil
	}
	var out []string
	for i := range v.Workloads {
		w := &v.Workloads[i]
		for j := range w.Pods {
			if p := &w.Pods[j]; p.Node != "" && v.nodes[p.Node] == nil && v.index.runs(w, p) {
				out = append(out, p.Node)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// runWithoutNode are the owners of pods that run while nothing says on which
// node, as only a file can have them.
func (v *View) runWithoutNode() []fact.Subject {
	var out []fact.Subject
	for i := range v.Workloads {
		w := &v.Workloads[i]
		for j := range w.Pods {
			if p := &w.Pods[j]; p.Node == "" && v.index.runs(w, p) {
				out = append(out, WorkloadSubject(w))
				break
			}
		}
	}
	return out
}

// affecting keeps the gaps of kinds that some check needs and does not excuse:
// with Affects filled in, sorted, each once.
func (v *View) affecting(plan *Plan, gaps []*fact.Gap) []fact.Gap {
	needing := map[fact.Kind][]*Check{}
	allOf := map[fact.Kind][]string{} // their IDs: nearly every gap affects them all
	for i := range plan.Checks {
		for _, kind := range plan.Checks[i].Needs {
			needing[kind] = append(needing[kind], &plan.Checks[i])
			allOf[kind] = append(allOf[kind], plan.Checks[i].ID)
		}
	}
	type open struct {
		gap     *fact.Gap // not changed: it is the set's
		affects []string
	}
	byKind := map[fact.Kind][]open{}
	count := 0
	for _, gap := range gaps {
		if v.excused(gap) {
			continue
		}
		excused := func(c *Check) bool { return c.Excuse != nil && c.Excuse(v, *gap) }
		affects := allOf[gap.What]
		if slices.ContainsFunc(needing[gap.What], excused) {
			affects = nil
			for _, check := range needing[gap.What] {
				if !excused(check) {
					affects = append(affects, check.ID)
				}
			}
		}
		if len(affects) > 0 {
			byKind[gap.What] = append(byKind[gap.What], open{gap, affects})
			count++
		}
	}
	if count == 0 {
		return nil
	}
	kept := make([]fact.Gap, 0, count)
	for _, kind := range fact.Kinds() {
		of := byKind[kind]
		slices.SortFunc(of, func(a, b open) int {
			return cmp.Or(
				a.gap.Subject.Compare(&b.gap.Subject),
				cmp.Compare(a.gap.Reason, b.gap.Reason),
				byNumbers(a.gap.Detail, b.gap.Detail),
				cmp.Compare(a.gap.Hint, b.gap.Hint),
			)
		})
		for i, o := range of {
			if i > 0 {
				last := of[i-1].gap
				if o.gap.Subject.Compare(&last.Subject) == 0 && o.gap.Reason == last.Reason && o.gap.Detail == last.Detail {
					continue
				}
			}
			kept = append(kept, *o.gap)
			kept[len(kept)-1].Affects = o.affects
		}
	}
	return kept
}

// byNumbers compares texts with their numbers as numbers: "document 2" is before "document 10".
func byNumbers(a, b string) int {
	digits := func(text string) (number, rest string) {
		n := 0
		for n < len(text) && text[n] >= '0' && text[n] <= '9' {
			n++
		}
		return text[:n], text[n:]
	}
	x, y := a, b
	for x != "" && y != "" {
		n, restX := digits(x)
		m, restY := digits(y)
		switch {
		case n != "" && m != "":
			if n, m = strings.TrimLeft(n, "0"), strings.TrimLeft(m, "0"); n != m {
				return cmp.Or(cmp.Compare(len(n), len(m)), strings.Compare(n, m))
			}
			x, y = restX, restY
		case x[0] != y[0]:
			return cmp.Compare(x[0], y[0])
		default:
			x, y = x[1:], y[1:]
		}
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(a, b))
}

// excused reports whether a gap leaves nothing open for any check: what a node
// does not say about the cluster's storage matters only if the node is a
// witness. What it was asked about itself and did not say always matters; what it was
// not asked, one gap says for all (notAsked).
func (v *View) excused(gap *fact.Gap) bool {
	if gap.Subject.Kind != fact.SubjectNode || gap.Subject.Namespace != "" || !ofStorage(gap.What) {
		return false
	}
	node := v.nodes[gap.Subject.Name]
	if node == nil {
		return !ofEachNode(gap.What) && !v.named[gap.Subject.Name]
	}
	if ofEachNode(gap.What) && gap.Reason != fact.NotRequested {
		return false
	}
	return !v.witnessOf(gap.What, node)
}

// heldByNodes says for which of its own facts (ofEachNode) a node is asked, other than for what runs
// on it: a node can be measured and not be asked for these.
var heldByNodes = map[fact.Kind]string{
	fact.Backups: "for copies of the cluster's store",
	fact.Swap:    "about swap",
}

// notAsked is one gap for all nodes but witnesses that were not asked for what each node holds
// (ofEachNode); nil if there are none.
func (v *View) notAsked(kind fact.Kind, gaps []*fact.Gap) *fact.Gap {
	silent := map[string]bool{} // nodes that have a gap of their own
	for _, g := range gaps {
		if g.What == kind && g.Subject.Kind == fact.SubjectNode && g.Subject.Namespace == "" && g.Reason != fact.NotRequested {
			silent[g.Subject.Name] = true
		}
	}
	var names []string
	levels := ""
	for i := range v.Nodes {
		node := &v.Nodes[i]
		if node.Measured.HasRead(kind) || silent[node.Name] || v.witnessOf(kind, node) {
			continue
		}
		names = append(names, node.Name)
		if levels == "" && node.Measured != nil && beyondLevel(node.Measured, kind) {
			levels = levelHint(node.Measured, kind)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return &fact.Gap{
		What: kind, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: fact.NotRequested, Hint: levels,
		Detail: "not asked " + heldByNodes[kind] + ": " + Count(len(names), "node") + " (" + JoinWords(names, 3) + ")",
	}
}
