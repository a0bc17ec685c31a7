package report

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/screen"
)

// shortKinds are kubectl's short names.
var shortKinds = map[string]string{
	fact.SubjectPod:                   "pod",
	fact.SubjectDeployment:            "deploy",
	fact.SubjectReplicaSet:            "rs",
	fact.SubjectDaemonSet:             "ds",
	fact.SubjectStatefulSet:           "sts",
	fact.SubjectJob:                   "job",
	fact.SubjectCronJob:               "cj",
	fact.SubjectReplicationController: "rc",
	fact.SubjectNode:                  "node",
	fact.SubjectSecret:                "secret",
	fact.SubjectConfigMap:             "cm",
	fact.SubjectCluster:               "cluster",
	fact.SubjectContainer:             "container",
	fact.SubjectFile:                  "file",
}

// SubjectName names a subject in one word: "ds/kube-system/legacy-cni:agent",
// "secret/shop/db-password", "node/cp1", "container/3f2a... on w1".
func SubjectName(s fact.Subject) string {
	kind, known := shortKinds[s.Kind]
	if !known {
		kind = strings.ToLower(s.Kind)
	}
	name := kind
	for _, part := range []string{s.Namespace, s.Name} {
		if part != "" {
			name += "/" + part
		}
	}
	if s.Container != "" {
		name += ":" + s.Container
	}
	if s.Node != "" {
		name += " on " + s.Node
	}
	return name + inCluster(s)
}

// inCluster returns what follows a subject's name if the report is about several
// clusters, or if several files declare an object of that name.
func inCluster(s fact.Subject) string {
	text := ""
	if s.File != "" {
		text = " in " + s.File
	}
	if s.Cluster != "" {
		text += " in " + s.Cluster
	}
	return text
}

// unnamedCluster returns a report for people to read. If it is about one cluster, its
// subjects do not name the cluster.
func unnamedCluster(report *api.ChecklistReport) *api.ChecklistReport {
	if !oneCluster(report, slices.Values(report.Findings)) {
		return report
	}
	of := *report
	of.Findings, of.Gaps = slices.Clone(of.Findings), slices.Clone(of.Gaps)
	for i := range of.Findings {
		of.Findings[i].Subject.Cluster = ""
	}
	for i := range of.Gaps {
		of.Gaps[i].Subject.Cluster = ""
	}
	return &of
}

// oneCluster reports whether a report with these findings is about one cluster that has a name.
func oneCluster(head *api.ChecklistReport, findings iter.Seq[api.Finding]) bool {
	name := ""
	for i := range head.Gaps {
		of := cmp.Or(head.Gaps[i].Subject.Cluster, head.Cluster.Name)
		if of == "" || name != "" && of != name {
			return false
		}
		name = of
	}
	for f := range findings {
		of := cmp.Or(f.Subject.Cluster, head.Cluster.Name)
		if of == "" || name != "" && of != name {
			return false
		}
		name = of
	}
	return true
}

// object returns a subject without its container. Counts are of objects.
func object(s fact.Subject) fact.Subject {
	return fact.Subject{Kind: s.Kind, Namespace: s.Namespace, Name: s.Name, Node: s.Node, Cluster: s.Cluster, File: s.File}
}

// subjects are distinct objects in the order in which a row names them. If there is
// only one, they also hold its containers.
type subjects struct {
	objects    []fact.Subject
	containers []string
	// more counts those that are not in the list, by kind.
	more map[string]int
}

// len is how many there are.
func (s *subjects) len() int {
	n := len(s.objects)
	for _, more := range s.more {
		n += more
	}
	return n
}

// String describes them on one line. Of many, it names the first few: see fit.
func (s *subjects) String() string { return s.names(someNames) }

// fit names as many of the objects as fit: "pod/shop/web:app",
// "2 DaemonSets (kube-system/calico-node, kube-proxy)", "40 Secrets".
func (s *subjects) fit(width int) string {
	if len(s.objects) == 1 {
		text := s.names(1)
		if len(s.containers) > 1 && screen.Width(text) > width {
			text = SubjectName(s.objects[0])
		}
		return screen.CutMiddle(text, width)
	}
	for _, bare := range []bool{false, true} {
		for n := min(manyNames, len(s.objects)); n > 0; n-- {
			if text := s.list(n, bare); screen.Width(text) <= width {
				return text
			}
		}
	}
	counts := s.names(0)
	if room := width - screen.Width(counts) - len(" (, ...)"); room >= leastFirst {
		return counts + " (" + screen.CutMiddle(s.objects[0].Name, room) + ", ...)"
	}
	return screen.Cut(counts, width)
}

// leastFirst is the least width at which the first of many names is worth showing.
const leastFirst = 12

// How many names are shown for many objects: without a terminal, and at most.
const (
	someNames = 3
	manyNames = 10
)

// names counts the objects and names the first n of them. It prints a namespace only
// if it differs from the one before.
func (s *subjects) names(n int) string { return s.list(n, false) }

// list is names; bare means without namespaces.
func (s *subjects) list(n int, bare bool) string {
	if len(s.objects) == 1 {
		text := SubjectName(s.objects[0])
		if len(s.containers) > 0 {
			text += ":" + strings.Join(s.containers, ",")
		}
		return text
	}
	text, list := countKinds(s.objects, s.more), ""
	for i, o := range s.objects[:min(n, len(s.objects))] {
		if i > 0 {
			list += ", "
		}
		if o.Namespace != "" && !bare && (i == 0 || o.Namespace != s.objects[i-1].Namespace) {
			list += o.Namespace + "/"
		}
		list += o.Name + inCluster(o)
	}
	if list == "" {
		return text
	}
	if n < s.len() {
		list += ", ..."
	}
	return text + " (" + list + ")"
}

// countKinds counts objects by kind, and more of them, the most frequent first: "28 ReplicaSets, 1 Job".
func countKinds(objects []fact.Subject, more map[string]int) string {
	counts := maps.Clone(more)
	if counts == nil {
		counts = map[string]int{}
	}
	kinds := slices.Sorted(maps.Keys(counts))
	for _, o := range objects {
		if counts[o.Kind] == 0 {
			kinds = append(kinds, o.Kind)
		}
		counts[o.Kind]++
	}
	slices.SortStableFunc(kinds, func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	words := make([]string, len(kinds))
	for i, kind := range kinds {
		noun := kind
		if slices.Contains([]string{fact.SubjectNode, fact.SubjectContainer, fact.SubjectFile, fact.SubjectCluster}, kind) {
			noun = strings.ToLower(kind) // lower case, as in "6 nodes (5 measured)"
		}
		words[i] = count(counts[kind], noun)
	}
	return strings.Join(words, ", ")
}

// count writes "1 node", "3 nodes", "2 NetworkPolicies", with thousands separated.
func count(n int, noun string) string {
	if n != 1 {
		noun = plural(noun)
	}
	return thousands(n) + " " + noun
}

// plural returns the English plural of a kind or another noun. A kind that is already
// plural (Endpoints) stays.
func plural(noun string) string {
	ends := func(suffixes ...string) bool {
		return slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(noun, s) })
	}
	switch {
	case ends("ss", "us", "x", "z", "ch", "sh"):
		return noun + "es"
	case ends("s"):
		return noun
	case ends("y") && !ends("ay", "ey", "oy", "uy"):
		return strings.TrimSuffix(noun, "y") + "ies"
	}
	return noun + "s"
}

// thousands writes a number with separators: "10,000".
func thousands(n int) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
