// Package endoflife knows until when distributions give security updates for a
// release. The data are dated: nothing is known of a day long after they were made.
//
// Sources: Debian's package distro-info-data, by hack/endoflife, for Debian and Ubuntu;
// for others the vendors' pages (others.go, minors.go), compared by hand.
package endoflife

import "time"

// Release is a release of a distribution.
type Release struct {
	ID       string // as in os-release(5)
	Version  string // VERSION_ID of os-release
	Codename string
	// Released is the day of the release. Before it nothing is known.
	Released time.Time
	// Standard is the last day of the distribution's own security updates, and
	// Extended that of Debian's LTS, Ubuntu's ESM, or the vendor's, zero if there is
	// none.
	Standard, Extended time.Time
	Paid               bool   // extended updates have to be bought
	Source             string // where the dates are from
	Made               time.Time
}

// MaxAge is how long the data are used after they were made: releases are
// announced more than a year before they end, but dates are moved.
const MaxAge = 366 * 24 * time.Hour

// Of finds a release by ID and VERSION_ID of os-release.
func Of(id, version string) (Release, bool) {
	for _, r := range releases {
		if r.id == id && r.version == version && version != "" {
			return Release{
				ID: id, Version: version, Codename: r.codename, Released: r.released, Standard: r.standard, Extended: r.extended,
				Source: "distro-info-data", Made: Made,
			}, true
		}
	}
	return other(id, version)
}

// row is a release in distro-info-data.
type row struct {
	id, version, codename        string
	released, standard, extended time.Time
}

// Phase is where a release is in its life.
type Phase int

const (
	// Unknown: the data are too old to tell.
	Unknown Phase = iota
	// Supported: the distribution gives security updates.
	Supported
	// ExtendedOnly: only extended support does (Debian's LTS, Ubuntu's ESM).
	ExtendedOnly
	// Ended: neither does.
	Ended
)

// At tells the phase of a release on a day. What has ended stays so, however old
// the data are.
func (r Release) At(now time.Time) Phase {
	if now.Before(r.Released) { // a clock is wrong
		return Unknown
	}
	return phase(r.Standard, r.Extended, r.Made, now)
}

// phase is that of a day, by data that were made on another.
func phase(standard, extended, made, now time.Time) Phase {
	last := standard
	if extended.After(last) {
		last = extended
	}
	switch {
	case now.IsZero():
		return Unknown
	case !now.Before(endOf(last)):
		return Ended
	case now.Sub(made) > MaxAge:
		return Unknown
	case !now.Before(endOf(standard)):
		return ExtendedOnly
	}
	return Supported
}

// endOf is the end of a day in UTC.
func endOf(day time.Time) time.Time { return day.Add(24 * time.Hour) }

// day reads a date of the table, zero if it is empty.
func day(text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	// In UTC, because time.Parse would read /etc/localtime.
	t, err := time.ParseInLocation(time.DateOnly, text, time.UTC)
	if err != nil {
		panic("a date of the table: " + text)
	}
	return t
}
