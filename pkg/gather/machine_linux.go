package gather

import (
	"context"
	"os"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node"
)

func (s *Machine) measure(ctx context.Context) (name string, m *fact.Measurement, err error) {
	if name, err = os.Hostname(); err != nil {
		name = "localhost"
	}
	opts := node.Options{
		Level: fact.LevelFull, Node: name, Kinds: fact.Intersect(s.Kinds, fact.NodeKinds()),
		Proc: "/proc", Root: "/", Live: true,
	}
	if s.Root != "" {
		opts.Proc, opts.Root, opts.Live = "", s.Root, false
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	m, err = node.Local(ctx, opts)
	return name, m, err
}
