package hosts

import (
	"strings"
)

// splitRelease cuts a kernel release into its version and its flavour; only
// kernels of one flavour replace each other. Counters that are in the middle of a
// flavour's name are part of the version, and a release candidate is older than
// its release ('~', as for dpkg and rpm). A flavour that was spelt in two ways, one
// after the other, is one flavour: else the last kernel of the old spelling would
// have nothing newer for ever. The name of a commit is no flavour.
//
//	6.1.0-56-cloud-amd64            6.1.0-56            cloud-amd64   Debian
//	6.8.0-31-generic                6.8.0-31            generic       Ubuntu
//	6.9.0-060900rc3-generic         6.9.0-060900~rc3    generic       Ubuntu mainline
//	6.9-rc3-amd64                   6.9~rc3             amd64
//	6.1.0-rpi7-rpi-v8               6.1.0-7             rpi-v8        Raspberry Pi OS until 2024
//	6.6.20+rpt-rpi-v8               6.6.20+rpt          rpi-v8        and since
//	6.5.0-kali3-amd64               6.5.0-3             amd64         Kali until 2023
//	6.16.8+kali-amd64               6.16.8+kali         amd64         and since
//	4.8.5-un-def-alt1               4.8.5-1             un-def-alt    ALT
//	6.1.55-00123-gabcdef1-rt        6.1.55-00123        rt            by git describe
//	6.6.13-gentoo-r1-x86_64         6.6.13-1            gentoo-x86_64
//	6.7.3-x64v3-xanmod1             6.7.3-1             x64v3-xanmod
//	5.14.0-427.13.1.el9_4.x86_64    5.14.0-427.13.1.el9_4   x86_64    rpm
//	5.15.0-200.131.27.el9uek.x86_64 5.15.0-200.131.27.el9uek   x86_64 uek   Oracle
//	5.14.0-284.11.1.rt14.296.el9_2.x86_64   5.14.0-284.11.1.rt14.296.el9_2   x86_64 rt   RHEL until 9.2
//	5.14.0-427.13.1.el9_4.x86_64+rt    5.14.0-427.13.1.el9_4       x86_64 rt   and since
//	6.6.29-talos                    6.6.29              talos
//	6.6.57.1-2.azl3                 6.6.57.1-2                        Azure Linux
//	6.18.0                          6.18.0
func splitRelease(release string) (version, flavour string) {
	words := strings.Split(release, "-")
	i := len(words)
	for i > 1 && (!startsWithDigit(words[i-1]) || numbered[strings.TrimSuffix(words[i-1], "+")]) {
		i--
	}
	versions, flavours := words[:i:i], words[i:]
	counter := ""
	for _, word := range flavours {
		name, number := cutNumber(word)
		switch {
		case number != "" && name == "rc":
			versions[len(versions)-1] += "~" + word
		case number != "" && name == "r" && strings.HasPrefix(flavour, "gentoo"):
			counter = number
		case number != "" && respelt[name]:
			counter = number
		case number != "" && counters[name]:
			counter, flavour = number, joinDash(flavour, name)
		case isCommit(word):
		default:
			flavour = joinDash(flavour, word)
		}
	}
	version = candidateFirst(strings.Join(versions, "-"))
	if counter != "" {
		version += "-" + counter
	}
	if flavour == "" && i > 1 {
		// Rpm writes the architecture after the last dot: "el9_4.x86_64+rt".
		if dot := strings.LastIndexByte(version, '.'); dot >= 0 && !startsWithDigit(version[dot+1:]) {
			version, flavour = version[:dot], version[dot+1:]
			if name, number := cutNumber(flavour); number != "" && releases[name] {
				flavour = ""
			}
			if arch, rt := strings.CutSuffix(flavour, "+rt"); rt {
				flavour = arch + " rt"
			}
			// Some flavours are named inside the version only.
			for word := range strings.SplitSeq(version, ".") {
				switch {
				case strings.HasSuffix(word, "uek"):
					flavour += " uek"
				case len(word) > 2 && word[:2] == "rt" && startsWithDigit(word[2:]):
					flavour += " rt"
				}
			}
		}
	}
	return version, flavour
}

// numbered are words of flavours that start with a digit: sizes of pages, and the
// processor of a Raspberry Pi.
var numbered = map[string]bool{"16k": true, "64k": true, "2712": true}

// counters are the names, within a flavour, before a number that grows with each
// rebuild; those of respelt have moved from the flavour to the version.
var (
	counters = map[string]bool{"alt": true, "xanmod": true}
	respelt  = map[string]bool{"rpi": true, "kali": true}
)

// withoutCounters is a flavour without the numbers that somebody may count builds with:
// "corp1" and "corp2", "rt17" and "rt25". Sizes of pages and versions of processors
// ("v8") are no such numbers.
func withoutCounters(flavour string) string {
	words := strings.Split(flavour, "-")
	for i, word := range words {
		if numbered[word] {
			continue
		}
		out := make([]byte, 0, len(word))
		for j := range len(word) {
			if startsWithDigit(word[j:]) && (j == 0 || word[j-1] != 'v') {
				continue
			}
			out = append(out, word[j])
		}
		words[i] = string(out)
	}
	return strings.Join(words, "-")
}

// isCommit reports whether a word is a commit as git describe writes it: 'g' and at
// least 7 hex digits.
func isCommit(word string) bool {
	hash, found := strings.CutPrefix(word, "g")
	return found && len(hash) >= 7 && strings.Trim(hash, "0123456789abcdef") == ""
}

// releases are names of distributions that have their own number, and no
// architecture, at the end: azl3 replaces cm2, and ph5 ph4.
var releases = map[string]bool{"al": true, "azl": true, "cm": true, "ph": true}

// cutNumber cuts the digits at the end of a word off; number is "" if there are
// none, or nothing else.
func cutNumber(word string) (name, number string) {
	name = strings.TrimRight(word, "0123456789")
	if name == "" || len(name) == len(word) {
		return word, ""
	}
	return name, word[len(name):]
}

// candidateFirst marks release candidates in the middle of a version, so that they
// are older than their release: "6.9.0-060900rc3" and "6.9.0-rc3-1".
func candidateFirst(version string) string {
	at := strings.Index(version, "rc")
	if at <= 0 || at+2 == len(version) || !startsWithDigit(version[at+2:]) {
		return version
	}
	switch before := version[at-1]; {
	case before == '-':
		return version[:at-1] + "~" + version[at:]
	case '0' <= before && before <= '9':
		return version[:at] + "~" + version[at:]
	}
	return version // already ordered: rpm's "0.rc3", dpkg's "~rc3"
}

func joinDash(a, b string) string {
	if a == "" {
		return b
	}
	return a + "-" + b
}

func startsWithDigit(s string) bool { return s != "" && '0' <= s[0] && s[0] <= '9' }
