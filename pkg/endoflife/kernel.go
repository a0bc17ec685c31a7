package endoflife

import (
	"regexp"
	"strconv"
	"time"
)

// KernelLine is a line of kernels, such as 6.12, of which kernel.org makes releases.
type KernelLine struct {
	Name string    // "6.12"
	End  time.Time // the last day of fixes, zero for a line that is over and not in the table
}

// Where the dates of kernel lines are from, and the day of the table.
const KernelSource = "https://kernel.org/releases.html"

// KernelMade is the day on which the table was compared with KernelSource.
var KernelMade = day("2026-03-01")

// longterm are the lines that get fixes for years, ascending. Where kernel.org gives a
// month only, the day is its last.
var longterm = []struct {
	major, minor int
	end          string
}{
	{4, 4, "2022-02-03"},
	{4, 9, "2023-01-07"},
	{4, 14, "2024-01-10"},
	{4, 19, "2024-12-05"},
	{5, 4, "2025-12-03"},
	{5, 10, "2026-12-31"},
	{5, 15, "2026-12-31"},
	{6, 1, "2027-12-31"},
	{6, 6, "2027-12-31"},
	{6, 12, "2028-12-31"},
	{6, 18, "2028-12-31"},
}

// upstream is the form of a release that is numbered as kernel.org numbers it:
// "6.6.29-talos", "6.1.112+", "5.4.200". Distributions that maintain a line themselves
// keep its first number and count on behind it ("5.15.0-91-generic",
// "5.14.0-427.el9.x86_64", "6.12.38+deb13-amd64").
var upstream = regexp.MustCompile(`^([0-9]{1,4})\.([0-9]{1,4})\.[1-9][0-9]{0,4}(-[a-z]+)?\+?$`)

// KernelLineOf finds the line of a kernel that follows kernel.org. ok is false for other
// kernels, and for lines newer than the table.
func KernelLineOf(release string) (line KernelLine, ok bool) {
	m := upstream.FindStringSubmatch(release)
	if m == nil {
		return KernelLine{}, false
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	line.Name = m[1] + "." + m[2]
	for _, l := range longterm {
		if l.major == major && l.minor == minor {
			line.End = day(l.end)
			return line, true
		}
	}
	last := longterm[len(longterm)-1]
	// Other lines end when the next one is out, a few months later.
	return line, major < last.major || major == last.major && minor < last.minor
}

// At is the phase of the line on a day.
func (l KernelLine) At(now time.Time) Phase { return phase(l.End, time.Time{}, KernelMade, now) }
