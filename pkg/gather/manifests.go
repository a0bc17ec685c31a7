package gather

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/manifest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/whatif"
)

// Manifests reads workloads and ConfigMaps from files. It contacts no cluster.
type Manifests struct {
	Files manifest.Files
	// Namespace is the namespace of objects that name none. "" leaves them as they
	// are.
	Namespace string
	Stdin     io.Reader
	// Changes are applied to the objects before they are taken; nil for none.
	Changes *whatif.Changes
	// Warn prints a line about a file or a document that could not be read. It may be nil.
	Warn func(line string)
}

// maxWarnings is how many files and documents are named by Warn. The report has all of them.
const maxWarnings = 20

// Gather reads the files.
func (s *Manifests) Gather(ctx context.Context) (*Gathered, error) { return s.Stream(ctx, nil) }

// beforeStream is how many workloads are gathered before they are judged as they come. What a
// namespace declares may be read after its first workloads; among so few it is found in time.
const beforeStream = 1000

// beforeStreamWeight is what they weigh together, at most (fact.PodSpec.Weight): three times what
// as many usual pods weigh.
const beforeStreamWeight = 1 << 17

// Stream is Gather for very many workloads. If there are more than a thousand, or very large ones, it calls start
// with what is known besides them, and passes all workloads to the function that start
// returns, in the order of the files. Then the set has none. Nil for start keeps them all.
func (s *Manifests) Stream(ctx context.Context, start func(context *fact.Set) (judge func([]fact.Workload))) (*Gathered, error) {
	set := newSet()
	set.PodScope = fact.PodsSome
	set.TemplatesRead = true // a file has nothing else
	var judge func([]fact.Workload)
	late := map[string]int{} // namespaces that were read too late, by the workloads before
	read, weight := 0, 0
	files := s.Files
	s.change(&files)
	summary, err := manifest.Stream(ctx, files, s.Namespace, s.Stdin, func(item manifest.Item) error {
		switch {
		case item.Namespace != nil && judge != nil:
			late[item.Namespace.Name] = read
		case item.Namespace != nil:
			set.Namespaces, set.NamespacesRead = append(set.Namespaces, *item.Namespace), true
		case item.Workload != nil:
			read++
			weight += item.Workload.Spec.Weight()
			set.Workloads = append(set.Workloads, *item.Workload)
		}
		if start != nil && judge == nil && (len(set.Workloads) > beforeStream || weight > beforeStreamWeight) {
			known := *set
			known.Workloads = nil
			sortNamespaces(known.Namespaces)
			judge = start(&known)
		}
		if judge != nil {
			judge(set.Workloads)
			clear(set.Workloads)
			set.Workloads = set.Workloads[:0]
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	manifest.Sort(set.Workloads)
	sortNamespaces(set.Namespaces)
	set.ConfigMaps, set.Gaps, set.Count = summary.ConfigMaps, summary.Gaps, &summary.Count
	set.Gaps = append(set.Gaps, readTooLate(late)...)
	s.warn(set.Gaps)
	return &Gathered{Set: set, Scope: api.Scope{Files: s.Files.Names(), WhatIf: whatIf(s.Changes)}}, nil
}

func sortNamespaces(list []fact.Namespace) {
	slices.SortStableFunc(list, func(a, b fact.Namespace) int { return strings.Compare(a.Name, b.Name) })
}

// readTooLate makes gaps of namespaces that were declared after so many workloads that their
// labels were not known when these were judged.
func readTooLate(late map[string]int) []fact.Gap {
	var gaps []fact.Gap
	for _, name := range slices.Sorted(maps.Keys(late)) {
		gaps = append(gaps, fact.Gap{
			What: fact.Namespaces, Subject: fact.Subject{Kind: fact.SubjectNamespace, Name: name}, Reason: fact.Truncated,
			Detail: fmt.Sprintf("it was read after %d workloads, which were judged without its labels", late[name]),
			Hint:   "name the file with the namespaces first",
		})
	}
	return gaps
}

// warn names what could not be read, one line for each.
func (s *Manifests) warn(gaps []fact.Gap) {
	if s.Warn == nil {
		return
	}
	for i, g := range gaps {
		if i == maxWarnings {
			s.Warn(fmt.Sprintf("warning: %d more could not be read; the report names them", len(gaps)-i))
			return
		}
		line := "warning: "
		if g.Subject.Kind == fact.SubjectFile { // the detail of another names the file and the object
			line += g.Subject.Name + ": "
		}
		line += g.Detail
		if g.Hint != "" {
			line += "; " + g.Hint
		}
		s.Warn(line)
	}
}
