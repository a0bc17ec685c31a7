package gather

import (
	"context"
	"net/netip"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// Machine measures this machine as a node, or a directory that holds a node's root
// file system. It contacts no cluster. It needs Linux.
type Machine struct {
	Root      string // "" means this machine
	Kinds     []fact.Kind
	Namespace string        // narrows stored Secrets
	Timeout   time.Duration // for the whole measurement
	// Net makes handshakes with what listens on this machine, at loopback and at the
	// addresses from which it talks to the world.
	Net bool

	// addresses replaces outwardAddresses in tests.
	addresses func() []netip.Addr
}

// Gather measures the machine. It counts as a control-plane node, because the user
// chose to run this here.
func (s *Machine) Gather(ctx context.Context) (*Gathered, error) {
	name, measurement, err := s.measure(ctx)
	if err != nil {
		return nil, err
	}
	return s.gathered(name, measurement), nil
}

// gathered makes a set from what was measured.
func (s *Machine) gathered(name string, measurement *fact.Measurement) *Gathered {
	set := newSet()
	set.Nodes = []fact.Node{{Name: name, Measured: measurement}}
	set.ControlPlaneNodes = []string{name}
	// There is no list of Secrets that shows whether all of them are stored here.
	set.Gaps = notRequested(fact.Intersect(s.Kinds, fact.KindsOf(fact.OfCluster)),
		"no cluster was asked", "run without --local to read what is declared")
	scope := api.Scope{Local: true, Root: s.Root}
	if s.Namespace != "" {
		scope.Namespaces = []string{s.Namespace}
		KeepNamespace(set, s.Namespace)
	}
	return &Gathered{Set: set, Scope: scope}
}
