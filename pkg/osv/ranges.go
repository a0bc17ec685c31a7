package osv

import (
	"cmp"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// Order compares two versions of an ecosystem: -1, 0 or +1 as a is older than, equal
// to or newer than b. ok is false if one of them is no version of the ecosystem, so
// that nothing is known of their order.
type Order func(a, b string) (result int, ok bool)

// eventKind is what happens at a version (affected[].ranges[].events).
type eventKind uint8

const (
	introduced   eventKind = iota // affected from here on; "0" is before every version
	fixed                         // not affected from here on
	lastAffected                  // not affected after it
	limit                         // the range ends before it, "*" for never
)

var eventKinds = [...]string{introduced: "introduced", fixed: "fixed", lastAffected: "last_affected", limit: "limit"}

type event struct {
	kind    eventKind
	version string
}

// verdict is whether a version is affected.
type verdict uint8

const (
	notAffected verdict = iota
	isAffected
	undecided
)

// Why something is undecided.
const (
	whyOrder   = "a version in it is not one of this system"
	whyNoStart = "a range in it has no introduced event"
	whyEvent   = "an event in it is of an unknown form"
	whyType    = "a range in it is of a type that has no order here"
	whyRelease = "it does not say for which release it is"
	whyNothing = "it has neither ranges nor versions"
	whyModule  = "it does not say for which stream of the module it is"
	whyLong    = "it has too many events or texts that are too long"
	whyForm    = "it has a field of another form than the schema's"
)

// evaluate decides whether a version is in a range of type ECOSYSTEM, by the
// algorithm of the schema (section "Evaluation"). fix is the first version after it
// that is fixed, "" if there is none. It sorts events.
func evaluate(version string, events []event, order Order) (v verdict, fix, why string) {
	known := true
	compare := func(a, b string) int {
		result, ok := order(a, b)
		known = known && ok
		return result
	}
	starts := false
	limits, before := 0, 0
	for _, e := range events {
		switch {
		case e.version == "":
			return undecided, "", whyEvent
		case e.kind == introduced:
			starts = true
		case e.kind == limit:
			limits++
			if strings.Contains(e.version, "*") || compare(version, e.version) < 0 {
				before++
			}
		}
	}
	if !starts {
		return undecided, "", whyNoStart
	}
	sorted.Stable(events, func(a, b event) int {
		zero := func(e event) int {
			if e.kind == introduced && e.version == "0" {
				return 0
			}
			return 1
		}
		if zero(a) == 0 || zero(b) == 0 || a.kind == limit || b.kind == limit {
			// Limits are no part of the line; their place does not matter, but it has
			// to be one.
			return cmp.Or(cmp.Compare(zero(a), zero(b)), cmp.Compare(limited(a), limited(b)))
		}
		return compare(a.version, b.version)
	})
	affected := false
	for _, e := range events {
		switch e.kind {
		case introduced:
			affected = affected || e.version == "0" || compare(version, e.version) >= 0
		case fixed:
			if compare(version, e.version) >= 0 {
				affected = false
			} else if affected && fix == "" {
				fix = e.version
			}
		case lastAffected:
			if compare(version, e.version) > 0 {
				affected = false
			}
		}
	}
	switch {
	case !known:
		return undecided, "", whyOrder
	case affected && (limits == 0 || before > 0):
		return isAffected, fix, ""
	}
	return notAffected, "", ""
}

// limited is 1 for a limit.
func limited(e event) int {
	if e.kind == limit {
		return 1
	}
	return 0
}
