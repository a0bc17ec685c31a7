package mend

import (
	"cmp"
	"maps"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/podsecurity"
)

// Mender makes mends of one set of facts. It is not for concurrent use.
type Mender struct {
	view      *checks.View
	measured  map[place]checks.Running
	specs     map[fact.SubjectKey]int // workloads with pods of an owner
	evaluator podsecurity.Evaluator
	standard  podsecurity.Version
	somePods  bool
	// architecture is that of each node, architectures are all of them, sorted.
	architecture  map[string]string
	architectures []string
}

// place is a container on a node.
type place struct{ node, id string }

// New prepares a set of facts. It takes time linear in them, once for all owners. The set may
// have no workloads: For takes each of them.
func New(set *fact.Set) *Mender {
	m := &Mender{view: checks.NewView(set), measured: map[place]checks.Running{}, specs: map[fact.SubjectKey]int{}, architecture: map[string]string{}}
	for i := range m.view.Nodes {
		node := &m.view.Nodes[i]
		if node.Arch != "" {
			m.architecture[node.Name] = node.Arch
		}
		if node.Measured == nil {
			continue
		}
		for j := range node.Measured.Containers {
			c := &node.Measured.Containers[j]
			m.measured[place{node.Name, c.ID}] = checks.Running{Node: node, Measured: c}
		}
	}
	for i := range set.Workloads {
		if w := &set.Workloads[i]; len(w.Pods) > 0 {
			m.specs[owner(w.Owner)]++
		}
	}
	m.architectures = slices.Compact(slices.Sorted(maps.Values(m.architecture)))
	m.standard = standardOf(m.view.Cluster.Version)
	return m
}

// SomePods says of the next owners whether the set may have only some of their pods (a run on pods
// that were named, or selected by labels or fields). What is known of some pods makes no mend safe.
func (m *Mender) SomePods(some bool) { m.somePods = some }

// owner identifies the owner that a subject names, whatever container it names.
func owner(s fact.Subject) fact.SubjectKey {
	s.Container = ""
	return s.Identity()
}

// For returns all mends of one owner, which can be applied together. Findings may be those of
// other subjects too; only those that fail and are about the owner count. It is New and Mender.For
// for a single owner.
func For(w *fact.Workload, findings []api.Finding, set *fact.Set) []Mend {
	mends, _ := New(set).For(w, findings)
	return mends
}

// Note says of a finding of an owner why no mend answers it, and what to do.
type Note struct {
	Check     string `json:"check"`
	Container string `json:"container,omitempty"`
	Text      string `json:"text"`
}

// For returns the mends of an owner, and a note for each failing check that has none for one of
// its containers. The mends are in the order of the catalogue's questions and of the spec.
func (m *Mender) For(w *fact.Workload, findings []api.Finding) ([]Mend, []Note) {
	x := &work{Mender: m, w: w, spec: &w.Spec}
	key := owner(w.Owner)
	type about struct{ check, container string }
	failing := map[about]bool{}
	for i := range findings {
		f := &findings[i]
		if owner(f.Subject) != key {
			continue
		}
		switch f.Verdict {
		case api.Fail:
			failing[about{f.Check, f.Subject.Container}] = true
		case api.Accepted:
			x.accepted = append(x.accepted, [2]string{f.Check, f.Subject.Container})
		}
	}
	if len(failing) == 0 {
		return nil, nil
	}
	for i := range Table {
		e := &Table[i]
		var containers []*fact.Container
		pod := failing[about{e.Check, ""}]
		for j := range w.Spec.Containers {
			if c := &w.Spec.Containers[j]; failing[about{e.Check, c.Name}] {
				containers = append(containers, c)
			}
		}
		if !pod && len(containers) == 0 {
			continue
		}
		x.check = e.Check
		if e.pod == nil {
			x.note(nil, e.Text)
			continue
		}
		if why := x.closed(); why != "" {
			x.note(nil, why)
			continue
		}
		if pod {
			x.mend(e, nil)
		}
		for _, c := range containers {
			if c.Type == fact.EphemeralContainer {
				x.note(c, "It is an ephemeral container (kubectl debug), which nobody can change. Delete the pod: its owner makes one without it.")
				continue
			}
			x.mend(e, c)
		}
	}
	x.settle()
	x.claim()
	return x.mends, x.notes
}

// waived reports whether a waiver covers what a check says of a container, or of the pod if c is
// nil: its fields stay, also where another check fails for them. A check that fails itself is not
// waived: what fails there was not accepted.
func (x *work) waived(check string, c *fact.Container) bool {
	return x.check != check && slices.ContainsFunc(x.accepted, func(a [2]string) bool {
		return a[0] == check && (c == nil || a[1] == "" || a[1] == c.Name)
	})
}

// work is what is made for one owner.
type work struct {
	*Mender
	w     *fact.Workload
	spec  *fact.PodSpec
	check string // whose mends are made
	mends []Mend
	notes []Note
	// accepted are the findings that a waiver covers: check and container.
	accepted [][2]string
	// names are the volumes that were appended, by container and path.
	names map[[2]string]string
	runs  map[string]instances
}

// mend makes the mends of one check for one container, or for the pod if c is nil.
func (x *work) mend(e *Entry, c *fact.Container) {
	before := len(x.notes)
	if e.pod(x, c) || len(x.notes) > before {
		return
	}
	x.note(c, e.Text)
}

// closed says why no field of the spec can be changed; "" if it can.
func (x *work) closed() string {
	switch {
	case x.spec.Fields != nil:
		return "The pod's spec is put together from several fields of a " + x.w.Owner.Kind + ", so that no patch is made. Change the fields that the evidence names."
	case x.spec.Partial != "":
		return "Only a part of the pod's spec is known here (" + x.spec.Partial + "), so that no patch is made. Change the fields that the evidence names where the pod is made."
	}
	return ""
}

func (x *work) note(c *fact.Container, text string) {
	n := Note{Check: x.check, Text: text}
	if c != nil {
		n.Container = c.Name
	}
	if !slices.Contains(x.notes, n) {
		x.notes = append(x.notes, n)
	}
}

// add adds a mend of the check at hand. The same change for another check is one mend.
func (x *work) add(c *fact.Container, m Mend) {
	if c != nil {
		m.Container = c.Name
	}
	m.Checks = []string{x.check}
	path := m.Path.String()
	for i := range x.mends {
		o := &x.mends[i]
		if o.Container == m.Container && o.Op == m.Op && o.Path.String() == path && (m.Op != Append || sameItem(o.Value, m.Value)) {
			if !slices.Contains(o.Checks, x.check) {
				o.Checks = append(o.Checks, x.check)
				slices.Sort(o.Checks)
			}
			return
		}
	}
	x.mends = append(x.mends, m)
}

// sameItem reports whether two appended items are the same volume or mount.
func sameItem(a, b any) bool {
	m, _ := a.(map[string]any)
	n, _ := b.(map[string]any)
	return m["name"] == n["name"] && m["mountPath"] == n["mountPath"]
}

// settle takes away the mends that the API server would refuse beside what stays as it is.
func (x *work) settle() {
	kept, dropped := settle(x.spec, x.mends)
	x.mends = kept
	for _, d := range dropped {
		for _, check := range d.mend.Checks {
			x.notes = append(x.notes, Note{Check: check, Container: d.mend.Container, Text: "No patch sets " + d.mend.Path.String() + ": " + d.why})
		}
	}
}

// claim takes privileged/pod-security-level from the mends that do not lead to it together.
func (x *work) claim() {
	const check = "privileged/pod-security-level"
	some := slices.ContainsFunc(x.mends, func(m Mend) bool { return slices.Contains(m.Checks, check) })
	if !some {
		return
	}
	after := Apply(x.spec, x.mends)
	result := x.evaluator.Evaluate(&after, x.standard)
	if result.Allows(podsecurity.Restricted) {
		return
	}
	refused := ""
	for _, r := range result.Refusals() {
		refused += cmp.Or(map[bool]string{true: ", "}[refused != ""], "") + string(r.Check)
	}
	for i := range x.mends {
		m := &x.mends[i]
		m.Checks = slices.DeleteFunc(m.Checks, func(c string) bool { return c == check })
		if len(m.Checks) == 0 {
			// It is a step to the level and to no other check: it stays, for that.
			m.Checks = []string{check}
			m.Leaves = "Pod Security restricted still refuses the pod: " + refused + "."
		}
	}
	x.notes = append(x.notes, Note{Check: check, Text: "The patch does not lead to restricted, which still refuses " + refused + ". Each finding of these fields says what to do."})
}

// Safe returns the mends that are safe, without those that need another one that is not.
func Safe(w *fact.Workload, mends []Mend) []Mend {
	safe := slices.DeleteFunc(slices.Clone(mends), func(m Mend) bool { return !m.Safe })
	kept, _ := settle(&w.Spec, safe)
	return kept
}
