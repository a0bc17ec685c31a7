package gather

import (
	"context"
	"fmt"
	"io"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/manifest"
)

// Manifests reads workloads and ConfigMaps from files. It contacts no cluster.
type Manifests struct {
	Files manifest.Files
	// Namespace is the namespace of objects that name none. "" leaves them as they
	// are.
	Namespace string
	Stdin     io.Reader
	// Warn prints a line about a file or a document that could not be read. It may be nil.
	Warn func(line string)
}

// maxWarnings is how many files and documents are named by Warn. The report has all of them.
const maxWarnings = 20

// Gather reads the files.
func (s *Manifests) Gather(ctx context.Context) (*Gathered, error) {
	declared, err := manifest.Read(ctx, s.Files, s.Namespace, s.Stdin)
	if err != nil {
		return nil, err
	}
	set := newSet()
	set.Workloads, set.PodScope, set.ConfigMaps = declared.Workloads, fact.PodsSome, declared.ConfigMaps
	set.Namespaces, set.NamespacesRead = declared.Namespaces, len(declared.Namespaces) > 0
	set.TemplatesRead = true // a file has nothing else
	set.Gaps, set.Count = declared.Gaps, &declared.Count
	s.warn(declared.Gaps)
	return &Gathered{Set: set, Scope: api.Scope{Files: s.Files.Names()}}, nil
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
		line := "warning: " + g.Subject.Name + ": " + g.Detail
		if g.Hint != "" {
			line += "; " + g.Hint
		}
		s.Warn(line)
	}
}
