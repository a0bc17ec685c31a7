package apt

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Limits on what sources may ask for.
const (
	maxSources = 1000 // pairs of URI and suite in one entry
	maxTargets = 5000 // package lists
)

// source is one enabled deb entry of sources.list(5) for one URI and suite.
type source struct {
	uri        string   // with a slash at its end
	suite      string   // "bookworm"; "./" or "sub/" for a flat archive
	components []string // none for a flat archive
	// The architectures that the entry is limited to, or adds to or removes
	// from the host's.
	archs, archsAdd, archsRemove []string
	from                         string // "/etc/apt/sources.list:3"
}

// target is one package list that apt would have on disk for a source.
type target struct {
	release string // name below lists/ of InRelease or Release, without that word
	list    string // name below lists/, without the suffix of its compression
	metaKey string // its name inside the Release file: "main/binary-amd64/Packages"
	// What pins can match: see releasePin.
	site, component, arch string
	from                  string
}

// parseSourcesList reads the one-line format: "deb [arch=amd64] URI suite
// component...". Sources before an error are returned with it.
func parseSourcesList(data []byte, path, nativeArch string) ([]source, error) {
	var sources []source
	number := 0
	for line := range strings.SplitSeq(string(data), "\n") {
		number++
		from := fmt.Sprintf("%s:%d", path, number)
		rest := strings.TrimSpace(cutComment(line))
		if rest == "" {
			continue
		}
		kind, rest := cutWord(rest)
		if kind == "deb-src" {
			continue
		}
		if kind != "deb" {
			return sources, fmt.Errorf("%s: expected deb or deb-src, found %q", from, rootfs.Excerpt(kind))
		}
		src := source{from: from}
		if strings.HasPrefix(rest, "[") {
			options, after, found := strings.Cut(rest[1:], "]")
			if !found {
				return sources, fmt.Errorf("%s: expected ] after the options, found none", from)
			}
			rest = strings.TrimSpace(after)
			for option := range strings.FieldsSeq(options) {
				name, value, _ := strings.Cut(option, "=")
				switch list := splitList(value); name {
				case "arch":
					src.archs = list
				case "arch+":
					src.archsAdd = list
				case "arch-":
					src.archsRemove = list
				}
			}
		}
		uri, rest := cutWord(rest)
		suite, rest := cutWord(rest)
		if uri == "" || suite == "" {
			return sources, fmt.Errorf("%s: expected a URI and a suite, found %q", from, rootfs.Excerpt(line))
		}
		for rest != "" {
			var component string
			component, rest = cutWord(rest)
			src.components = append(src.components, component)
		}
		src.uri, src.suite = uri, suite
		if err := src.settle(nativeArch); err != nil {
			return sources, err
		}
		sources = append(sources, src)
	}
	return sources, nil
}

// parseDeb822Sources reads the .sources format. Entries with "Enabled: no" are
// left out, as are those of deb-src only.
func parseDeb822Sources(data []byte, path, nativeArch string) ([]source, error) {
	var sources []source
	paragraphs, err := parseParagraphs(data)
	for _, p := range paragraphs {
		from := fmt.Sprintf("%s:%d", path, p.line)
		if enabled, ok := p.get("Enabled"); ok && isFalse(enabled) {
			continue
		}
		if !slices.Contains(p.words("Types"), "deb") {
			continue
		}
		uris, suites := p.words("URIs"), p.words("Suites")
		if len(uris) == 0 || len(suites) == 0 {
			return sources, fmt.Errorf("%s: expected URIs and Suites, found %d and %d", from, len(uris), len(suites))
		}
		if n := len(uris) * len(suites); n > maxSources {
			return sources, fmt.Errorf("%s: %d combinations of URI and suite, more than the limit of %d", from, n, maxSources)
		}
		if len(sources)+len(uris)*len(suites) > maxTargets {
			return sources, fmt.Errorf("%s: more than %d sources", from, maxTargets)
		}
		// Shared by all of them: it is the product that costs.
		entry := source{
			components: p.words("Components"), from: from,
			archs:       splitWordsAndCommas(p, "Architectures"),
			archsAdd:    splitWordsAndCommas(p, "Architectures-Add"),
			archsRemove: splitWordsAndCommas(p, "Architectures-Remove"),
		}
		for _, uri := range uris {
			for _, suite := range suites {
				src := entry
				src.uri, src.suite = uri, suite
				if err := src.settle(nativeArch); err != nil {
					return sources, err
				}
				sources = append(sources, src)
			}
		}
	}
	if err != nil {
		return sources, fmt.Errorf("%s: %w", path, err)
	}
	return sources, nil
}

// settle checks an entry and replaces $(ARCH), as apt does before use.
func (s *source) settle(nativeArch string) error {
	s.uri = strings.ReplaceAll(s.uri, "$(ARCH)", nativeArch)
	s.suite = strings.ReplaceAll(s.suite, "$(ARCH)", nativeArch)
	if !strings.Contains(s.uri, ":") {
		return fmt.Errorf("%s: expected a URI, found %q", s.from, rootfs.Excerpt(s.uri))
	}
	if !strings.HasSuffix(s.uri, "/") {
		s.uri += "/"
	}
	switch {
	case s.flat() && len(s.components) > 0:
		return fmt.Errorf("%s: expected no component for the flat suite %q, found %q", s.from, rootfs.Excerpt(s.suite), rootfs.Excerpt(s.components[0]))
	case !s.flat() && len(s.components) == 0:
		return fmt.Errorf("%s: expected a component for the suite %q, found none", s.from, rootfs.Excerpt(s.suite))
	}
	return nil
}

// flat reports whether the suite is a path without dists/ and components.
func (s source) flat() bool { return strings.HasSuffix(s.suite, "/") }

// targets names the lists of a source for a host of these architectures, the
// native one first. binary-all comes last: not every archive has it. Of more than
// maxTargets lists it names one more than that.
func (s source) targets(hostArchs []string) []target {
	site, path := splitURI(s.uri)
	base := site + path + "dists/" + s.suite + "/"
	if s.flat() {
		base = site + path
		if s.suite != "/" {
			base += s.suite
		}
		// apt reads every package of a flat archive, whatever the architecture.
		return []target{{
			release: listName(base), list: listName(base + "Packages"), metaKey: "Packages",
			site: hostOnly(site), from: s.from,
		}}
	}
	archs := slices.Clone(hostArchs)
	if len(s.archs) > 0 {
		archs = slices.Clone(s.archs)
	}
	archs = append(archs, s.archsAdd...)
	if !slices.Contains(archs, "all") {
		archs = append(archs, "all")
	}
	archs = slices.DeleteFunc(archs, func(arch string) bool { return slices.Contains(s.archsRemove, arch) })
	var targets []target
	for _, component := range s.components {
		for _, arch := range archs {
			if len(targets) > maxTargets {
				return targets
			}
			key := component + "/binary-" + arch + "/Packages"
			targets = append(targets, target{
				release: listName(base), list: listName(base + key), metaKey: key,
				site: hostOnly(site), component: component, arch: arch, from: s.from,
			})
		}
	}
	return targets
}

// splitURI cuts a URI into its host with port, and its path. The scheme, user
// and password are dropped, because they are not part of a list's name.
func splitURI(uri string) (site, path string) {
	_, rest, _ := strings.Cut(uri, ":")
	switch {
	case strings.HasPrefix(rest, "["): // cdrom:[label of the disc]/
		site, path, _ = strings.Cut(rest[1:], "]")
		return site, path
	case !strings.HasPrefix(rest, "//"):
		return "", rest
	}
	rest = rest[2:]
	slash := strings.IndexByte(rest, '/')
	if close := strings.IndexByte(rest, ']'); strings.HasPrefix(rest, "[") && close > 0 {
		slash = close + 1 + strings.IndexByte(rest[close+1:], '/')
	}
	if slash < 0 {
		return rest, "/"
	}
	site, path = rest[:slash], rest[slash:]
	if at := strings.LastIndexByte(site, '@'); at >= 0 {
		site = site[at+1:]
	}
	if strings.HasPrefix(site, "[") { // an IPv6 address
		site = strings.Replace(site[1:], "]", "", 1)
	}
	return site, path
}

// hostOnly drops the port.
func hostOnly(site string) string {
	if i := strings.LastIndexByte(site, ':'); i >= 0 && strings.Count(site, ":") == 1 {
		return site[:i]
	}
	return site
}

// listName turns a URI without its scheme into apt's name for the file: some
// characters as %xx in lower case, then / as _.
func listName(uri string) string {
	const hex = "0123456789abcdef"
	var b strings.Builder
	for i := range len(uri) {
		switch c := uri[i]; {
		case c == '/':
			b.WriteByte('_')
		case c <= 0x20 || c >= 0x7f || strings.IndexByte("\\|{}[]<>\"^~_=!@#$%^&*", c) >= 0:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// cutComment drops what follows a # outside of [brackets].
func cutComment(line string) string {
	depth := 0
	for i := range len(line) {
		switch line[i] {
		case '[':
			depth++
		case ']':
			depth--
		case '#':
			if depth <= 0 {
				return line[:i]
			}
		}
	}
	return line
}

// cutWord takes the first word of a line, which may hold "quoted" and
// [bracketed] blanks, and %xx for a byte.
func cutWord(line string) (word, rest string) {
	var b strings.Builder
	i := 0
	var until byte
	for ; i < len(line); i++ {
		c := line[i]
		switch {
		case until != 0 && c == until:
			until = 0
			if c == '"' {
				continue
			}
		case until != 0:
		case c == '"':
			until = '"'
			continue
		case c == '[':
			until = ']'
		case c == ' ' || c == '\t' || c == '\r':
			return b.String(), strings.TrimLeft(line[i:], " \t\r")
		}
		if c == '%' && i+2 < len(line) {
			high, low := unhex(line[i+1]), unhex(line[i+2])
			if high >= 0 && low >= 0 {
				b.WriteByte(byte(high<<4 | low))
				i += 2
				continue
			}
		}
		b.WriteByte(c)
	}
	return b.String(), ""
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

func splitList(value string) []string {
	return strings.FieldsFunc(value, func(r rune) bool { return r == ',' })
}

func splitWordsAndCommas(p paragraph, name string) []string {
	value, _ := p.get(name)
	return strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' })
}

// isFalse reports whether apt reads a text as no. Anything else, even nonsense,
// leaves an entry enabled.
func isFalse(value string) bool {
	switch strings.ToLower(strings.TrimSpace(value)) {
	case "no", "false", "without", "off", "disable", "0":
		return true
	}
	return false
}

// partName reports whether apt reads a file of that name in a .d directory:
// run-parts' characters, and one of the extensions. "" allows none.
func partName(name string, extensions ...string) bool {
	if name == "" || name[0] == '.' {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c == ':' || c == '.') {
			return false
		}
	}
	for _, extension := range extensions {
		if extension == "" && !strings.Contains(name, ".") || extension != "" && strings.HasSuffix(name, extension) {
			return true
		}
	}
	return false
}
