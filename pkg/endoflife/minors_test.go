package endoflife

import (
	"testing"
	"time"
)

func TestMinors(t *testing.T) {
	for name, tc := range map[string]struct {
		table        *Minors
		major, minor int
		on           string
		want         Phase
	}{
		"Kubernetes on its last day":           {&Kubernetes, 1, 34, "2026-10-27", Supported},
		"Kubernetes on the day after":          {&Kubernetes, 1, 34, "2026-10-28", Ended},
		"older than the table":                 {&Kubernetes, 1, 2, "2026-10-28", Ended},
		"containerd with an extension":         {&Containerd, 2, 0, "2026-11-28", ExtendedOnly},
		"containerd after its extension":       {&Containerd, 1, 7, "2026-10-01", Ended},
		"containerd of long-term support":      {&Containerd, 2, 3, "2026-11-28", Supported},
		"containerd before 1.0":                {&Containerd, 0, 2, "2026-11-28", Ended},
		"a year after the data were made":      {&Containerd, 2, 3, "2027-10-20", Unknown},
		"an extension, by data that are old":   {&Containerd, 2, 0, "2027-10-20", Ended},
		"what has ended, long after the data":  {&Containerd, 1, 6, "2040-01-01", Ended},
		"on a day that nobody knows":           {&Containerd, 1, 6, "", Unknown},
		"on a day that nobody knows, long ago": {&Kubernetes, 1, 2, "", Unknown},
	} {
		m, ok := tc.table.Of(tc.major, tc.minor)
		if !ok {
			t.Errorf("%s: not in the data", name)
			continue
		}
		if got := tc.table.At(m, day(tc.on)); got != tc.want {
			t.Errorf("%s: want %d, got %d (%+v)", name, tc.want, got, m)
		}
	}
	for _, other := range [][2]int{{1, 99}, {2, 0}, {3, 0}} {
		if m, ok := Kubernetes.Of(other[0], other[1]); ok {
			t.Errorf("%v: found %+v", other, m)
		}
	}
	if m, ok := Containerd.Of(1, 8); ok {
		t.Errorf("containerd 1.8, which does not exist: %+v", m)
	}
}

// Versions ascend, and no extension ends before the standard support.
func TestMinorsData(t *testing.T) {
	for _, table := range []*Minors{&Kubernetes, &Containerd} {
		if table.Source == "" || table.Made.IsZero() || len(table.rows) < 10 {
			t.Errorf("%s, made %v, %d rows", table.Source, table.Made, len(table.rows))
		}
		for i, m := range table.rows {
			if m.Standard.IsZero() || !m.Extended.IsZero() && !m.Extended.After(m.Standard) {
				t.Errorf("%s: %+v", table.Source, m)
			}
			if i == 0 {
				continue
			}
			last := table.rows[i-1]
			if next := m.Major == last.Major && m.Minor == last.Minor+1 || m.Major == last.Major+1 && m.Minor == 0; !next {
				t.Errorf("%s: %d.%d after %d.%d", table.Source, m.Major, m.Minor, last.Major, last.Minor)
			}
		}
		last := time.Time{}
		if table == &Kubernetes {
			for _, m := range table.rows {
				if !m.Standard.After(last) {
					t.Errorf("1.%d ends on %v, not after its predecessor", m.Minor, m.Standard)
				}
				last = m.Standard
			}
		}
	}
}
