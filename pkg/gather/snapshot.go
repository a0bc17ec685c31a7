package gather

import (
	"context"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/etcd"
)

// Snapshot reads an etcd file. It contacts no cluster.
type Snapshot struct {
	Path      string
	Kinds     []fact.Kind
	Namespace string // narrows stored Secrets
}

// Gather reads the file.
func (s *Snapshot) Gather(ctx context.Context) (*Gathered, error) {
	db, gaps, err := etcd.ReadSnapshot(ctx, s.Path, etcd.Options{})
	if err != nil {
		return nil, err
	}
	set := newSet()
	set.Snapshot = db
	set.Gaps = append(gaps, notRequested(fact.Subtract(s.Kinds, []fact.Kind{fact.Etcd, fact.Secrets}),
		"a snapshot holds only stored bytes", "run without --snapshot on the cluster")...)
	scope := api.Scope{Snapshot: s.Path}
	if s.Namespace != "" {
		scope.Namespaces = []string{s.Namespace}
		KeepNamespace(set, s.Namespace)
	}
	return &Gathered{Set: set, Scope: scope}, nil
}
