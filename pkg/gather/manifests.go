package gather

import (
	"context"
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
}

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
	return &Gathered{Set: set, Scope: api.Scope{Files: s.Files.Names()}}, nil
}
