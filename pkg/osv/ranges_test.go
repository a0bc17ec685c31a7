package osv

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/debversion"
)

// events reads "introduced 0, fixed 1.2".
func eventsOf(t *testing.T, text string) []event {
	t.Helper()
	var out []event
	for _, word := range strings.Split(text, ", ") {
		kind, version, _ := strings.Cut(word, " ")
		i := slices.Index(eventKinds[:], kind)
		if i < 0 {
			t.Fatalf("no kind of event: %q", kind)
		}
		out = append(out, event{eventKind(i), version})
	}
	return out
}

func TestEvaluate(t *testing.T) {
	for name, tc := range map[string]struct {
		events, version string
		want            verdict
		fix, why        string
	}{
		"every version":                         {"introduced 0", "1.0", isAffected, "", ""},
		"0 is before every version":             {"introduced 0", "0~~", isAffected, "", ""},
		"before the fix":                        {"introduced 0, fixed 1.2-3", "1.2-2", isAffected, "1.2-3", ""},
		"at the fix":                            {"introduced 0, fixed 1.2-3", "1.2-3", notAffected, "", ""},
		"after the fix":                         {"introduced 0, fixed 1.2-3", "1.10", notAffected, "", ""},
		"a fix at 0 says never affected":        {"introduced 0, fixed 0", "1.0", notAffected, "", ""},
		"an epoch decides":                      {"introduced 0, fixed 1:1.0", "2.0", isAffected, "1:1.0", ""},
		"before it was introduced":              {"introduced 1.0, fixed 2.0", "0.9", notAffected, "", ""},
		"where it was introduced":               {"introduced 1.0, fixed 2.0", "1.0", isAffected, "2.0", ""},
		"between two ranges":                    {"introduced 1.0, fixed 1.2, introduced 3.0, fixed 3.2", "2.0", notAffected, "", ""},
		"in the second range":                   {"introduced 1.0, fixed 1.2, introduced 3.0, fixed 3.2", "3.1", isAffected, "3.2", ""},
		"in the first range":                    {"introduced 1.0, fixed 1.2, introduced 3.0, fixed 3.2", "1.1", isAffected, "1.2", ""},
		"introduced again, without a fix":       {"introduced 1.0, fixed 1.2, introduced 3.0", "9", isAffected, "", ""},
		"order in the list does not matter":     {"fixed 3.2, introduced 3.0, fixed 1.2, introduced 1.0", "3.1", isAffected, "3.2", ""},
		"the last affected":                     {"introduced 0, last_affected 1.5", "1.5", isAffected, "", ""},
		"after the last affected":               {"introduced 0, last_affected 1.5", "1.5-1", notAffected, "", ""},
		"introduced at the last affected":       {"introduced 1.5, last_affected 1.5", "1.5", isAffected, "", ""},
		"two last affected":                     {"introduced 1, last_affected 1.5, introduced 2, last_affected 2.5", "1.7", notAffected, "", ""},
		"before the limit":                      {"introduced 0, limit 2.0", "1.9", isAffected, "", ""},
		"at the limit":                          {"introduced 0, limit 2.0", "2.0", notAffected, "", ""},
		"before one of two limits":              {"introduced 0, limit 1.0, limit 2.0", "1.5", isAffected, "", ""},
		"a limit of infinity":                   {"introduced 0, limit *", "1.5", isAffected, "", ""},
		"a limit before what was introduced":    {"limit 1.0, introduced 2.0", "3.0", notAffected, "", ""},
		"a limit and a fix":                     {"introduced 0, fixed 3.0, limit 2.0", "1.0", isAffected, "3.0", ""},
		"no start":                              {"fixed 1.0", "0.5", undecided, "", whyNoStart},
		"an empty version":                      {"introduced 0, fixed ", "0.5", undecided, "", whyEvent},
		"a fix that is no version":              {"introduced 0, fixed <unfixed>", "0.5", undecided, "", whyOrder},
		"an installed version that is not one":  {"introduced 0, fixed 1.0", "1 2", undecided, "", whyOrder},
		"any installed version, without an end": {"introduced 0", "1 2", isAffected, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			v, fix, why := evaluate(tc.version, eventsOf(t, tc.events), orders["dpkg"])
			if v != tc.want || fix != tc.fix || why != tc.why {
				t.Errorf("%s in %s: want %v %q %q, got %v %q %q", tc.version, tc.events, tc.want, tc.fix, tc.why, v, fix, why)
			}
		})
	}
}

// bruteForce decides by the meaning of the words instead of the schema's algorithm: it
// looks for the last event at or before the version.
func bruteForce(version int, events []event) bool {
	at := func(e event) int {
		n := 0
		fmt.Sscan(e.version, &n) //nolint:errcheck // a number by construction
		return n
	}
	affected := false
	for v := 0; v <= version; v++ {
		for _, e := range events {
			switch {
			case e.kind == introduced && at(e) == v:
				affected = true
			case e.kind == fixed && at(e) == v, e.kind == lastAffected && at(e) == v-1:
				affected = false
			}
		}
	}
	limits, before := false, false
	for _, e := range events {
		if e.kind == limit {
			limits = true
			before = before || version < at(e)
		}
	}
	return affected && (before || !limits)
}

// Random ranges, in which no two events have the same version: an independent
// matcher, which counts every version from 0 on, decides the same.
func TestEvaluateAgainstCounting(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	decided := map[verdict]int{}
	for range 5000 {
		places := r.Perm(30)
		events := []event{{introduced, "0"}}
		if r.IntN(3) == 0 {
			events[0].version = fmt.Sprint(2*places[0] + 2)
		}
		for _, p := range places[1 : 1+r.IntN(6)] {
			// Numbers two apart, so that the version after a last affected one is free.
			events = append(events, event{eventKind(r.IntN(len(eventKinds))), fmt.Sprint(2*p + 2)})
		}
		r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		for range 5 {
			version := r.IntN(64)
			shown := fmt.Sprint(events)
			want := notAffected
			if bruteForce(version, events) {
				want = isAffected
			}
			got, fix, _ := evaluate(fmt.Sprint(version), slices.Clone(events), orders["dpkg"])
			if got != want {
				t.Fatalf("%d in %s: want %v, got %v", version, shown, want, got)
			}
			if fix != "" && (debversion.Compare(fix, fmt.Sprint(version)) <= 0 || bruteForce(atoi(fix), without(events, limit))) {
				t.Fatalf("%d in %s: fixed in %s, which is older or affected", version, shown, fix)
			}
			decided[got]++
		}
	}
	if decided[isAffected] < 2000 || decided[notAffected] < 2000 {
		t.Errorf("a poor mix: %v", decided)
	}
}

func atoi(s string) (n int) {
	fmt.Sscan(s, &n) //nolint:errcheck // a number by construction
	return n
}

func without(events []event, kind eventKind) []event {
	return slices.DeleteFunc(slices.Clone(events), func(e event) bool { return e.kind == kind })
}
