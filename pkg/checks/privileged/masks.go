package privileged

import (
	"cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/capability"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// Masks are the capabilities of a running container: as its spec asks for them, and as its
// processes and threads hold them together. Bit n is capability n.
type Masks struct {
	// Declared is what the spec gives, the runtime's default with it. DeclaredKnown is false if no spec was read, or if it
	// names a capability that this version does not know.
	Declared      uint64
	DeclaredKnown bool
	// Measured is what is effective or permitted. If Partly, some mask was not read, so
	// Measured is the least that is held.
	Measured uint64
	Partly   bool
	// Beyond is what is held and not declared; 0 if no spec was read.
	Beyond uint64
	// All is what the node has; 0 if unknown.
	All uint64
	// OwnUserNS reports that every process is in a user namespace other than the node's.
	// The capabilities count only there.
	OwnUserNS bool
}

// MasksOf returns the masks of a container that was measured, false if none of its masks was
// read. A process that may be the runtime's own is left out, unless it is the only one.
func MasksOf(r checks.Running) (Masks, bool) {
	if r.Measured == nil {
		return Masks{}, false
	}
	m := Masks{OwnUserNS: true}
	m.All, _ = hostMask(r.Node.Measured)
	some := false
	for i := range r.Measured.Processes {
		p := &r.Measured.Processes[i]
		if r.MayBeRuntime(p) && len(r.Measured.Processes) > 1 {
			continue
		}
		m.OwnUserNS = m.OwnUserNS && userNamespace(r.Node.Measured, p) == nsOther
		for _, t := range tasksOf(p) {
			effective, effRead := t.CapEff.Bits()
			permitted, prmRead := t.CapPrm.Bits()
			m.Measured |= effective | permitted
			m.Partly = m.Partly || !effRead || !prmRead
			some = some || effRead || prmRead
		}
		m.Partly = m.Partly || p.Threads != nil && p.Threads.DifferingCount > len(p.Threads.Differing)
	}
	if _, gap := (incomplete{}).of(r); gap {
		m.Partly = true
	}
	if r.Declared != nil {
		var unknown []string
		m.Declared, unknown = declaredMask(r.Declared, cmp.Or(m.All, capability.UpTo(int(capability.Last))))
		m.DeclaredKnown = len(unknown) == 0
		m.Beyond = beyondDeclared(r.Declared, m.Measured, m.All)
		m.Declared |= m.Measured &^ m.Beyond // privileged gives what the runtime has, whatever that is
	}
	return m, some
}
