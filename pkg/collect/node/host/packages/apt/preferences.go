package apt

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// never is the priority of an archive whose versions are not considered at all.
const never = math.MinInt16

// pin is one rule of apt_preferences(5).
type pin struct {
	// packages are names or globs, each perhaps with ":arch"; nil means "*",
	// the general form, which sets the priority of whole archives.
	packages []string
	kind     string // version, release, origin
	// value is the version or site to match. For a release pin without "=" it
	// is its only word.
	value    string
	release  []releaseMatch
	priority int
	from     string // "/etc/apt/preferences.d/nodejs:1"
}

// releaseMatch is "a=stable" in a release pin.
type releaseMatch struct {
	key   byte // a archive, n codename, o origin, l label, c component, v version, b architecture
	value string
}

// parsePreferences reads one preferences file. Rules that cannot be evaluated
// are returned as texts, each with its position, because they may change
// candidates.
func parsePreferences(data []byte, path string) (pins []pin, unclear []string) {
	paragraphs, err := parseParagraphs(data)
	if err != nil {
		unclear = append(unclear, fmt.Sprintf("%s: %v", path, err))
	}
	for _, p := range paragraphs {
		from := fmt.Sprintf("%s:%d", path, p.line)
		rule, err := parsePin(p)
		if err != nil {
			unclear = append(unclear, fmt.Sprintf("%s: %v", from, err))
			continue
		}
		rule.from = from
		pins = append(pins, rule)
	}
	return pins, unclear
}

func parsePin(p paragraph) (pin, error) {
	packages, text, priority := p.words("Package"), "", ""
	text, _ = p.get("Pin")
	priority, _ = p.get("Pin-Priority")
	if len(packages) == 0 || text == "" || priority == "" {
		return pin{}, fmt.Errorf("expected Package, Pin and Pin-Priority, found %d of them", present(p, "Package", "Pin", "Pin-Priority"))
	}
	rule := pin{packages: packages}
	if len(packages) == 1 && packages[0] == "*" {
		rule.packages = nil
	}
	for _, name := range packages {
		if strings.HasPrefix(name, "/") {
			return pin{}, fmt.Errorf("regular expression %q is not evaluated", rootfs.Excerpt(name))
		}
		if strings.HasPrefix(name, "src:") {
			return pin{}, fmt.Errorf("pin of the source package %q is not evaluated", rootfs.Excerpt(name))
		}
	}
	if priority == "never" {
		rule.priority = never
	} else {
		n, err := strconv.ParseInt(priority, 10, 16)
		if err != nil || n == 0 {
			return pin{}, fmt.Errorf("expected a priority other than 0, found %q", rootfs.Excerpt(priority))
		}
		rule.priority = int(n)
	}
	kind, value, _ := strings.Cut(strings.ReplaceAll(text, "\t", " "), " ")
	rule.kind, value = strings.ToLower(kind), strings.TrimSpace(value)
	if strings.HasPrefix(value, "/") && strings.HasSuffix(value, "/") || strings.Contains(value, "=/") {
		return pin{}, fmt.Errorf("regular expression %q is not evaluated", rootfs.Excerpt(value))
	}
	switch rule.kind {
	case "origin":
		if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		rule.value = value
	case "version":
		if rule.packages == nil {
			return pin{}, fmt.Errorf("a version for all packages is not a rule")
		}
		rule.value = value
	case "release":
		if !strings.Contains(value, "=") {
			rule.value = value
			break
		}
		for part := range strings.SplitSeq(value, ",") {
			part = strings.TrimSpace(part)
			key, value, found := strings.Cut(part, "=")
			if !found || len(key) != 1 || strings.IndexByte("anolcvb", key[0]|0x20) < 0 || value == "" {
				return pin{}, fmt.Errorf("release pin: expected one of a= n= o= l= c= v= b=, found %q", rootfs.Excerpt(part))
			}
			rule.release = append(rule.release, releaseMatch{key[0] | 0x20, value})
		}
	default:
		return pin{}, fmt.Errorf("expected a pin by version, release or origin, found %q", rootfs.Excerpt(kind))
	}
	return rule, nil
}

func present(p paragraph, names ...string) int {
	n := 0
	for _, name := range names {
		if value, _ := p.get(name); value != "" {
			n++
		}
	}
	return n
}

// matchesIndex reports whether a release or origin pin is about an archive.
func (p pin) matchesIndex(in *index) bool {
	switch p.kind {
	case "origin":
		if in.status {
			return false
		}
		return glob(p.value, in.site)
	case "release":
		if len(p.release) == 0 {
			switch {
			case p.value == "":
				return false
			case p.value == "*":
				return true
			case '0' <= p.value[0] && p.value[0] <= '9':
				return in.release.version != "" && glob(p.value, in.release.version)
			}
			return in.release.suite != "" && glob(p.value, in.release.suite) ||
				in.release.codename != "" && glob(p.value, in.release.codename)
		}
		for _, m := range p.release {
			var have string
			switch m.key {
			case 'a':
				have = in.release.suite
			case 'n':
				have = in.release.codename
			case 'o':
				have = in.release.origin
			case 'l':
				have = in.release.label
			case 'c':
				have = in.component
			case 'v':
				have = in.release.version
			case 'b':
				have = in.arch
			}
			if have == "" || !glob(m.value, have) {
				return false
			}
		}
		return true
	}
	return false
}

// matchesPackage reports whether a specific pin is about a package. As in apt,
// a name without an architecture means only the native one.
func (p pin) matchesPackage(name, arch, nativeArch string) bool {
	for _, pattern := range p.packages {
		want := nativeArch
		if head, tail, found := strings.Cut(pattern, ":"); found {
			pattern, want = head, tail
		}
		if (want == arch || want == "any") && glob(pattern, name) {
			return true
		}
	}
	return false
}

// matchesVersion reports whether a specific pin is about a version of a package
// for which matchesPackage is true.
func (p pin) matchesVersion(v *version) bool {
	if p.kind == "version" {
		return glob(p.value, v.text)
	}
	for _, in := range v.indexes {
		if p.matchesIndex(in) {
			return true
		}
	}
	return false
}

// glob matches as fnmatch(3) does with FNM_CASEFOLD: * ? and [set], with no
// special meaning of / or of a leading dot.
func glob(pattern, text string) bool {
	// star and mark are where to continue when the part after the last * fails.
	p, t, star, mark := 0, 0, -1, 0
	for t < len(text) {
		if p < len(pattern) {
			if pattern[p] == '*' {
				star, mark = p, t
				p++
				continue
			}
			if width, ok := globByte(pattern[p:], text[t]); ok {
				p += width
				t++
				continue
			}
		}
		if star < 0 {
			return false
		}
		mark++
		p, t = star+1, mark
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// globByte matches one byte with the first element of a pattern and returns
// the length of that element.
func globByte(pattern string, c byte) (width int, ok bool) {
	c = lower(c)
	switch pattern[0] {
	case '?':
		return 1, true
	case '\\':
		if len(pattern) > 1 {
			return 2, lower(pattern[1]) == c
		}
	case '[':
		i := 1
		negated := i < len(pattern) && (pattern[i] == '!' || pattern[i] == '^')
		if negated {
			i++
		}
		found := false
		for first := i; i < len(pattern); i++ {
			if pattern[i] == ']' && i > first {
				return i + 1, found != negated
			}
			low, high := lower(pattern[i]), lower(pattern[i])
			if i+2 < len(pattern) && pattern[i+1] == '-' && pattern[i+2] != ']' {
				high = lower(pattern[i+2])
				i += 2
			}
			found = found || low <= c && c <= high
		}
		// No closing bracket: it means itself.
	}
	return 1, lower(pattern[0]) == c
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}
