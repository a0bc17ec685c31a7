package overlay

import (
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// A file that can change under a running process is stale once it changed later
// than the process started, by more than btime's whole second. One that nothing
// is known of can.
func TestStale(t *testing.T) {
	started := time.Unix(1_000_000, 0)
	later := started.Add(startSlack + time.Nanosecond)
	for origin, want := range map[fact.Origin]bool{
		fact.OriginChanged: true, fact.OriginAdded: true, fact.OriginVolume: true, fact.OriginUnknown: true,
		fact.OriginImage: false, fact.OriginMemfd: false, fact.OriginForeign: false,
	} {
		if got := stale(origin, later, started); got != want {
			t.Errorf("%s: want %t, got %t", origin, want, got)
		}
		if stale(origin, started.Add(startSlack), started) || stale(origin, time.Time{}, started) || stale(origin, later, time.Time{}) {
			t.Errorf("%s: stale within the slack, or without times", origin)
		}
	}
}
