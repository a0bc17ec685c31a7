package drift

import (
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// State is how a container stands to drift.
type State int

// The states. The zero State is unknown.
const (
	// Unknown: a fact that decides is missing.
	Unknown State = iota
	// Prevented: nothing that the users of its processes can write may be executed
	// or mapped, and nothing has drifted. Its root is read-only, as mounted and as
	// declared; every other mount is read-only, noexec, or refuses its users. What
	// remains is told by drift/writable-executable-mounts: single files that are
	// mounted writable, scripts that an interpreter of the image reads, and code in
	// memory only. Where an agent stops new programs (stopOf), libraries and scripts that a
	// program of the image loads remain as well.
	Prevented
	// Detected: drift was found, whatever prevents it now.
	Detected
	// Open: drift is possible, and none was found.
	Open
)

// String is the state as it is printed.
func (s State) String() string {
	switch s {
	case Prevented:
		return "PREVENTED"
	case Detected:
		return "DETECTED"
	case Open:
		return "OPEN"
	}
	return "unknown"
}

// stateKinds are the kinds that decide a state: all of a container but what it may
// reach, what is installed in it and what its environment holds.
var stateKinds = fact.Subtract(fact.KindsOf(fact.OfContainer), []fact.Kind{fact.Devices, fact.Images, fact.Environment})

// StateOf returns the state of a running container. What drifted decides by the
// findings of at least medium severity of question 6, and by packages that were
// installed.
//
// A container that is Open otherwise is Prevented too if a runtime agent stops new programs in
// it, as far as the kernel shows it (stopOf).
func StateOf(v *checks.View, r checks.Running) State {
	state, _ := stateOf(v, r)
	return state
}

// stateOf is StateOf, with the agent that makes the state Prevented; nil if it is not one.
func stateOf(v *checks.View, r checks.Running) (State, *stop) {
	state := ownState(v, r)
	if state != Open {
		return state, nil
	}
	if s := stopOf(v, r); s != nil {
		return Prevented, s
	}
	return Open, nil
}

// ownState is the state of a container by itself, whatever agents do.
func ownState(v *checks.View, r checks.Running) State {
	if r.Measured == nil {
		return Unknown
	}
	findings := slices.Concat(judgeRunning(r), judgeLayer(r))
	drifted := func(f api.Finding) bool { return f.Verdict == api.Fail && f.Severity.Rank() >= api.Medium.Rank() }
	if slices.ContainsFunc(findings, drifted) || r.Measured.Packages != nil && r.Measured.Packages.Total > 0 {
		return Detected
	}
	missing := func(kind fact.Kind) bool { _, unread := v.Unread(r, kind); return unread }
	unknown := func(f api.Finding) bool { return f.Verdict == api.VerdictUnknown }
	if slices.ContainsFunc(stateKinds, missing) || slices.ContainsFunc(findings, unknown) || r.Measured.Root == nil ||
		r.Measured.Packages != nil && r.Measured.Packages.Reason != "" {
		return Unknown
	}
	at := placesOf(r)
	switch {
	case !r.Measured.Root.ReadOnly, len(at.code) > 0, at.mounts != nil:
		return Open
	case r.Declared == nil: // who started it can mount its root again
		return Unknown
	case r.Declared.ReadOnlyRootFilesystem == nil || !*r.Declared.ReadOnlyRootFilesystem:
		return Open
	case len(at.open) > 0, at.unread, len(r.Measured.Mounts) == 0: // each has a /dev
		return Unknown
	}
	return Prevented
}
