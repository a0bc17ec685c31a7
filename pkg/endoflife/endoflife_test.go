package endoflife

import (
	"testing"
	"time"
)

func TestPhases(t *testing.T) {
	at := func(text string) time.Time { return day(text) }
	for name, tc := range map[string]struct {
		id, version, on string
		want            Phase
	}{
		"Debian 12 on its last day":        {"debian", "12", "2026-07-11", Supported},
		"Debian 12 on the day after":       {"debian", "12", "2026-07-12", ExtendedOnly},
		"Debian 11, whose LTS has ended":   {"debian", "11", "2026-11-28", Ended},
		"Debian 11 on the last day of LTS": {"debian", "11", "2026-08-31", ExtendedOnly},
		"Debian 13":                        {"debian", "13", "2026-11-28", Supported},
		"Ubuntu 22.04":                     {"ubuntu", "22.04", "2026-11-28", Supported},
		"Ubuntu 20.04, with ESM alone":     {"ubuntu", "20.04", "2026-11-28", ExtendedOnly},
		"Ubuntu 25.04, which has no ESM":   {"ubuntu", "25.04", "2026-11-28", Ended},
		"a year after the data were made":  {"debian", "13", "2027-06-01", Unknown},
		"what has ended, long after that":  {"debian", "9", "2040-01-01", Ended},
		"before it was released":           {"debian", "13", "2001-01-01", Unknown},
		"on a day that nobody knows":       {"debian", "9", "", Unknown},
	} {
		r, ok := Of(tc.id, tc.version)
		if !ok {
			t.Errorf("%s: not in the data", name)
			continue
		}
		if got := r.At(at(tc.on)); got != tc.want {
			t.Errorf("%s: want %d, got %d (%+v)", name, tc.want, got, r)
		}
	}
	for _, other := range [][2]string{{"debian", ""}, {"debian", "99"}, {"fedora", "40"}, {"", ""}} {
		if r, ok := Of(other[0], other[1]); ok {
			t.Errorf("%v: found %+v", other, r)
		}
	}
}

// The data hold no release whose extended support ends before the standard one,
// and none twice.
func TestData(t *testing.T) {
	seen := map[[2]string]bool{}
	for _, r := range releases {
		key := [2]string{r.ID, r.Version}
		if seen[key] || r.Released.IsZero() || !r.Released.Before(r.Standard) || !r.Extended.IsZero() && r.Extended.Before(r.Standard) || r.Codename == "" {
			t.Errorf("%+v", r)
		}
		seen[key] = true
	}
	if len(releases) < 50 || Made.IsZero() {
		t.Errorf("%d releases, made %v", len(releases), Made)
	}
}
