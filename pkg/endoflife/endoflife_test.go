package endoflife

import (
	"strings"
	"testing"
	"time"
)

func TestPhases(t *testing.T) {
	at := func(text string) time.Time { return day(text) }
	for name, tc := range map[string]struct {
		id, version, on string
		want            Phase
	}{
		"Debian 12 on its last day":               {"debian", "12", "2026-07-11", Supported},
		"Debian 12 on the day after":              {"debian", "12", "2026-07-12", ExtendedOnly},
		"Debian 11, whose LTS has ended":          {"debian", "11", "2026-11-28", Ended},
		"Debian 11 on the last day of LTS":        {"debian", "11", "2026-08-31", ExtendedOnly},
		"Debian 13":                               {"debian", "13", "2026-11-28", Supported},
		"Ubuntu 22.04":                            {"ubuntu", "22.04", "2026-11-28", Supported},
		"Ubuntu 20.04, with ESM alone":            {"ubuntu", "20.04", "2026-11-28", ExtendedOnly},
		"Ubuntu 25.04, which has no ESM":          {"ubuntu", "25.04", "2026-11-28", Ended},
		"a year after the data were made":         {"debian", "13", "2027-06-01", Unknown},
		"what has ended, long after that":         {"debian", "9", "2040-01-01", Ended},
		"before it was released":                  {"debian", "13", "2001-01-01", Unknown},
		"Rocky Linux 9.6, by its major number":    {"rocky", "9.6", "2026-11-28", Supported},
		"Rocky Linux, long after the data":        {"rocky", "9.6", "2027-01-01", Unknown},
		"CentOS 7":                                {"centos", "7", "2026-11-28", Ended},
		"Amazon Linux 2":                          {"amzn", "2", "2026-11-28", Ended},
		"Amazon Linux 2023":                       {"amzn", "2023", "2026-11-28", Supported},
		"Amazon Linux AMI":                        {"amzn", "2018.03", "2026-11-28", Ended},
		"Fedora 43 on its last day":               {"fedora", "43", "2026-12-09", Supported},
		"Fedora 42":                               {"fedora", "42", "2026-11-28", Ended},
		"SLES 15 SP6, with LTSS alone":            {"sles", "15.6", "2026-11-28", ExtendedOnly},
		"SLES 15 without a service pack":          {"sles", "15", "2026-11-28", Ended},
		"openSUSE Leap 15.6":                      {"opensuse-leap", "15.6", "2026-11-28", Ended},
		"Alpine 3.22.1, by its first two numbers": {"alpine", "3.22.1", "2026-11-28", Supported},
		"Alpine 3.19":                             {"alpine", "3.19.9", "2026-11-28", Ended},
		"Azure Linux 3":                           {"azurelinux", "3.0", "2026-11-28", Supported},
		"Oracle Linux 7":                          {"ol", "7.9", "2026-11-28", Ended},
		"RHEL 7, with ELS: the data are old":      {"rhel", "7.9", "2026-11-28", Unknown},
		"RHEL 6":                                  {"rhel", "6.10", "2026-11-28", Ended},
		"on a day that nobody knows":              {"debian", "9", "", Unknown},
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
	for _, other := range [][2]string{{"debian", ""}, {"debian", "99"}, {"fedora", "99"}, {"rocky", ""}, {"alpine", "3"}, {"arch", ""}, {"", ""}} {
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
		key := [2]string{r.id, r.version}
		if seen[key] || r.released.IsZero() || !r.released.Before(r.standard) || !r.extended.IsZero() && r.extended.Before(r.standard) || r.codename == "" {
			t.Errorf("%+v", r)
		}
		seen[key] = true
	}
	for _, of := range others {
		for _, row := range of.rows {
			key := [2]string{of.id, row[0]}
			r, ok := Of(of.id, row[0])
			if !ok || seen[key] || r.Released.IsZero() || !r.Released.Before(r.Standard) || !r.Extended.IsZero() && r.Extended.Before(r.Standard) ||
				r.Made.IsZero() || !strings.HasPrefix(r.Source, "https://") || r.Paid != of.paid {
				t.Errorf("%+v", r)
			}
			if of.made.Before(r.Released) {
				t.Errorf("%v was released after the data were made", key)
			}
			seen[key] = true
		}
	}
	if len(releases) < 50 || Made.IsZero() {
		t.Errorf("%d releases, made %v", len(releases), Made)
	}
}
