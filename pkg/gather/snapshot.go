package gather

import (
	"context"
	"io"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/storefile"
)

// Snapshot reads a file or directory of etcd or k3s. It contacts no cluster.
type Snapshot struct {
	Path      string    // "-" is Stdin
	Stdin     io.Reader // what is read of it stays in memory
	Kinds     []fact.Kind
	Namespace string // narrows stored Secrets
}

// inSnapshot are the kinds that stored bytes can answer.
var inSnapshot = []fact.Kind{fact.Etcd, fact.Secrets, fact.Residue}

// Gather reads the file. When ctx ends it returns its error at once.
func (s *Snapshot) Gather(ctx context.Context) (*Gathered, error) {
	db, gaps, err := storefile.Read(ctx, s.Path, storefile.Options{Stdin: s.Stdin})
	if err != nil {
		return nil, err
	}
	set := newSet()
	set.Snapshot = db
	set.Gaps = append(gaps, notRequested(fact.Subtract(s.Kinds, inSnapshot),
		"a snapshot holds only stored bytes", "run without --snapshot on the cluster")...)
	scope := api.Scope{Snapshot: s.Path}
	if s.Namespace != "" {
		scope.Namespaces = []string{s.Namespace}
		KeepNamespace(set, s.Namespace)
	}
	return &Gathered{Set: set, Scope: scope}, nil
}
