package endoflife

import "time"

// Minor is a minor version of a program whose project says until when it gets fixes.
type Minor struct {
	Major, Minor int
	// Standard is the last day of fixes for everybody, zero for a version that is older
	// than the table. Extended is the last day of fixes that only some need, zero if
	// there is none.
	Standard, Extended time.Time
}

// Minors are the minor versions of a program, kept by hand.
type Minors struct {
	// Source is the page that was compared with the table on the day Made. Dates after
	// that day are the announced ones.
	Source string
	Made   time.Time
	rows   []Minor // ascending, without a gap
}

// Of finds a minor version. One that is older than the first of the table has ended.
func (t *Minors) Of(major, minor int) (Minor, bool) {
	if first := t.rows[0]; major < first.Major || major == first.Major && minor < first.Minor {
		return Minor{Major: major, Minor: minor}, true
	}
	for _, m := range t.rows {
		if m.Major == major && m.Minor == minor {
			return m, true
		}
	}
	return Minor{}, false
}

// At is the phase of a minor version on a day. What has ended stays so, however old
// the data are.
func (t *Minors) At(m Minor, now time.Time) Phase {
	return phase(m.Standard, m.Extended, t.Made, now)
}

// Kubernetes has the day on which each 1.N gets its last patches. CRI-O's minor
// versions end with those of Kubernetes (CRI-O, README: "If a Kubernetes release goes
// End of Life, then the corresponding CRI-O version can be considered in the same
// way").
var Kubernetes = Minors{
	Source: "https://kubernetes.io/releases/", // and its data/releases/eol.yaml
	Made:   day("2026-09-15"),
	rows: []Minor{
		{1, 19, day("2021-10-28"), day("")},
		{1, 20, day("2022-02-28"), day("")},
		{1, 21, day("2022-06-28"), day("")},
		{1, 22, day("2022-12-08"), day("")},
		{1, 23, day("2023-02-28"), day("")},
		{1, 24, day("2023-07-28"), day("")},
		{1, 25, day("2023-10-28"), day("")},
		{1, 26, day("2024-02-28"), day("")},
		{1, 27, day("2024-07-16"), day("")},
		{1, 28, day("2024-10-22"), day("")},
		{1, 29, day("2025-02-28"), day("")},
		{1, 30, day("2025-07-15"), day("")},
		{1, 31, day("2025-11-11"), day("")},
		{1, 32, day("2026-02-28"), day("")},
		{1, 33, day("2026-06-28"), day("")},
		{1, 34, day("2026-10-27"), day("")},
		{1, 35, day("2027-02-28"), day("")},
		{1, 36, day("2027-06-28"), day("")},
		{1, 37, day("2027-10-28"), day("")},
	},
}

// Containerd has the table "Current State of containerd Releases" of containerd's
// RELEASES.md, as released with 2.4.2. Extended is support that two maintainers give
// for Google Kubernetes Engine: "Changes may not be accepted if they are not needed
// for this usage".
var Containerd = Minors{
	Source: "https://containerd.io/releases/",
	Made:   day("2026-10-13"),
	rows: []Minor{
		{1, 0, day("2018-12-05"), day("")},
		{1, 1, day("2019-10-23"), day("")},
		{1, 2, day("2020-10-15"), day("")},
		{1, 3, day("2021-03-04"), day("")},
		{1, 4, day("2022-03-03"), day("")},
		{1, 5, day("2023-02-28"), day("")},
		{1, 6, day("2025-08-23"), day("")},
		{1, 7, day("2026-03-10"), day("2026-09-30")},
		{2, 0, day("2025-11-07"), day("2027-03-31")},
		{2, 1, day("2026-07-03"), day("")},
		{2, 2, day("2026-11-06"), day("")},
		{2, 3, day("2028-04-30"), day("")},
		{2, 4, day("2027-05-16"), day("")},
	},
}
