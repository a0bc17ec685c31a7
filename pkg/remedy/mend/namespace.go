package mend

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/podsecurity"
)

// standardOf is the version of the Pod Security Standards of an API server: its minor version, or
// the newest that this build knows if that is older or if the version was not read.
func standardOf(gitVersion string) podsecurity.Version {
	rest, ok := strings.CutPrefix(gitVersion, "v1.")
	if !ok {
		return podsecurity.Latest()
	}
	if i := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		rest = rest[:i]
	}
	minor, err := strconv.Atoi(rest)
	const most = 1000
	if err != nil || minor >= most {
		return podsecurity.Latest()
	}
	return podsecurity.Minor(minor)
}

// Labels are labels of a namespace for Pod Security admission.
type Labels struct {
	Namespace string            `json:"namespace"`
	Labels    map[string]string `json:"labels"` // pod-security.kubernetes.io/..., only those to set
	Because   string            `json:"because"`
	Breaks    string            `json:"breaks,omitempty"`
}

// Levels finds the strictest level of the Pod Security Standards that all workloads of each
// namespace reach. Workloads come one by one, and none is kept.
type Levels struct {
	m          *Mender
	namespaces map[string]*level
	order      []string
}

type level struct {
	of                  *fact.Namespace
	workloads, unknown  int
	reaches             podsecurity.Level
	baseline, restricts int // workloads that these levels refuse
}

// Levels starts with the namespaces whose labels were read.
func (m *Mender) Levels() *Levels {
	l := &Levels{m: m, namespaces: map[string]*level{}}
	for i := range m.view.Namespaces {
		n := &m.view.Namespaces[i]
		if l.namespaces[n.Name] == nil {
			l.namespaces[n.Name] = &level{of: n, reaches: podsecurity.Restricted}
			l.order = append(l.order, n.Name)
		}
	}
	return l
}

// Add counts a workload, as it is after its mends; without mends, as it is.
func (l *Levels) Add(w *fact.Workload, mends ...Mend) {
	n := l.namespaces[w.Owner.Namespace]
	if n == nil {
		return
	}
	n.workloads++
	spec := &w.Spec
	if len(mends) > 0 {
		after := Apply(spec, mends)
		spec = &after
	}
	result := l.m.evaluator.Evaluate(spec, l.m.standard)
	whole := spec.Partial == "" && len(spec.Containers) > 0 &&
		!slices.ContainsFunc(spec.Volumes, func(v fact.Volume) bool { return v.Source == fact.VolumeUnlisted })
	if !whole && result.Allows(podsecurity.Baseline) {
		n.unknown++
	}
	if !result.Allows(podsecurity.Restricted) {
		n.restricts++
	}
	if !result.Allows(podsecurity.Baseline) {
		n.baseline++
	}
	if reached := result.Level(); reached.Compare(n.reaches) < 0 {
		n.reaches = reached
	}
}

// Labels returns the labels to set: enforce at the level that all workloads reach, warn and audit
// at the next one, with the version that was judged. No label that enforces more is made weaker.
// Namespaces of Kubernetes and of the provider have none, nor those of which not every workload is
// known. One without workloads can enforce restricted: whoever may create pods there would
// otherwise get a privileged one.
func (l *Levels) Labels() []Labels {
	var out []Labels
	for _, name := range l.order {
		if labels, ok := l.of(l.namespaces[name]); ok {
			out = append(out, labels)
		}
	}
	return out
}

func (l *Levels) of(n *level) (Labels, bool) {
	const prefix = "pod-security.kubernetes.io/"
	name := n.of.Name
	// Only a list of all pods says of a namespace that nothing is in it.
	if n.workloads == 0 && l.m.view.PodScope != fact.PodsAll || n.unknown > 0 || l.m.view.Platform(name) || !objectName(name) {
		return Labels{}, false
	}
	version, _ := l.m.standard.Known()
	out := Labels{Namespace: name, Labels: map[string]string{}}
	set := func(mode string, level podsecurity.Level, current, currentVersion string) {
		is, valid := podsecurity.ParseLevel(current)
		if current != "" && valid && is.Compare(level) > 0 {
			return // it is stricter already
		}
		if current == string(level) && cmp.Or(currentVersion, "latest") == "latest" {
			return // it follows the server, which is at least as strict
		}
		if current != string(level) {
			out.Labels[prefix+mode] = string(level)
		}
		if currentVersion != version.String() {
			out.Labels[prefix+mode+"-version"] = version.String()
		}
	}
	next := podsecurity.Restricted
	if n.reaches == podsecurity.Privileged {
		next = podsecurity.Baseline
	} else {
		set("enforce", n.reaches, n.of.Enforce, n.of.EnforceVersion)
	}
	set("warn", next, n.of.Warn, n.of.WarnVersion)
	set("audit", next, n.of.Audit, n.of.AuditVersion)
	if len(out.Labels) == 0 {
		return Labels{}, false
	}
	out.Because = "All " + checks.Count(n.workloads, "workload") + " that were read in it reach " + string(n.reaches) + " (" + version.String() + ")."
	switch {
	case n.workloads == 0:
		out.Because = "No workload is in it now, so that nothing that runs is refused."
	case n.reaches == podsecurity.Privileged:
		out.Because = checks.Count(n.baseline, "workload") + " of " + strconv.Itoa(n.workloads) + " in it are refused by baseline, so that nothing can be enforced yet: warnings and audit records name the pods."
	case n.reaches == podsecurity.Baseline:
		out.Because += " Restricted would refuse " + strconv.Itoa(n.restricts) + "."
	}
	if _, enforces := out.Labels[prefix+"enforce"]; enforces {
		out.Breaks = "A pod that reaches less is refused from then on: those of operators, of kubectl debug, and of workloads that were not there when it was read."
	}
	return out, true
}

// Namespaces returns the labels for the namespaces of a set, by its own workloads.
func Namespaces(set *fact.Set) []Labels {
	l := New(set).Levels()
	for i := range set.Workloads {
		l.Add(&set.Workloads[i])
	}
	return l.Labels()
}

// LabelCommands are the commands that set labels of namespaces: first each in a dry run, in which
// the API server warns of pods that run and would be refused at their next start.
func LabelCommands(list []Labels) []Command {
	var try, set []string
	for _, l := range list {
		if !objectName(l.Namespace) {
			continue
		}
		words := make([]string, 0, len(l.Labels))
		for key, value := range l.Labels {
			words = append(words, key+"="+value)
		}
		slices.Sort(words)
		text := "namespace " + l.Namespace + " " + strings.Join(words, " ")
		because := "# " + comment(strings.TrimSpace(l.Because+" "+l.Breaks))
		try = append(try, because, "kubectl label --overwrite --dry-run=server "+text)
		set = append(set, "kubectl label --overwrite "+text)
	}
	if len(set) == 0 {
		return nil
	}
	return []Command{
		{Place: WithKubectl, Text: "Ask the API server first: it warns of the pods that a label would refuse at their next start.", Lines: try},
		{Place: WithKubectl, Text: "Then set the labels.", Lines: set},
	}
}
