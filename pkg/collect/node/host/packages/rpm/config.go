package rpm

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Limits on configuration.
const (
	maxConfig   = 1 << 20 // bytes of a file
	maxSections = 4096    // of all files; subscription-manager writes hundreds
	maxPatterns = 4096    // excludes and locks
)

// section is a section of a file of the form
//
//	[name]
//	key = value
//	      more of the value
type section struct {
	name   string
	file   string
	values map[string]string
}

// parseINI reads the sections of a configuration file of dnf, yum or zypper. A section
// that is there twice is one.
func parseINI(data []byte, file string) ([]section, error) {
	var out []section
	places := map[string]int{}
	at, key := 0, ""
	for number, line := range bytes.Split(data, []byte("\n")) {
		text := string(bytes.TrimSpace(line))
		switch {
		case text == "" || text[0] == '#' || text[0] == ';':
			continue
		case (line[0] == ' ' || line[0] == '\t') && key != "":
			out[at].values[key] += "\n" + text
			continue
		case text[0] == '[' && text[len(text)-1] == ']':
			name, known := text[1:len(text)-1], false
			key = ""
			if at, known = places[name]; known {
				continue
			}
			if len(out) == maxSections {
				return out, fmt.Errorf("%w of %d sections", rootfs.ErrTooLarge, maxSections)
			}
			at, places[name] = len(out), len(out)
			out = append(out, section{name: name, file: file, values: map[string]string{}})
			continue
		}
		name, value, found := strings.Cut(text, "=")
		if !found || len(out) == 0 {
			return out, fmt.Errorf("line %d: expected [SECTION] or KEY=VALUE, found %q", number+1, rootfs.Excerpt(text))
		}
		key = strings.TrimSpace(name)
		out[at].values[key] = strings.TrimSpace(value)
	}
	return out, nil
}

// list splits a value at commas and space.
func list(value string) []string {
	return strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' })
}

// isTrue reads a boolean of dnf, yum and zypper.
func isTrue(value string, otherwise bool) bool {
	switch strings.ToLower(value) {
	case "1", "yes", "true", "on":
		return true
	case "0", "no", "false", "off":
		return false
	}
	return otherwise
}

// variables are what $NAME and ${NAME} in a configuration stand for.
type variables map[string]string

// expand puts in the variables. missing is the first one that is unknown.
func (v variables) expand(text string) (out, missing string) {
	var b strings.Builder
	for i := 0; i < len(text); {
		if text[i] != '$' || i+1 == len(text) {
			b.WriteByte(text[i])
			i++
			continue
		}
		start, end := i+1, i+1
		brace := text[start] == '{'
		if brace {
			start++
			end++
		}
		for end < len(text) && isWord(text[end]) {
			end++
		}
		name := text[start:end]
		if name == "" || brace && (end == len(text) || text[end] != '}') {
			if brace { // ${name:-word}
				return "", text[i:min(len(text), i+32)]
			}
			b.WriteByte('$')
			i++
			continue
		}
		if brace {
			end++
		}
		value, ok := v[name]
		if !ok {
			value, ok = v[strings.ToLower(name)]
		}
		if !ok {
			return "", "$" + name
		}
		b.WriteString(value)
		i = end
	}
	return b.String(), ""
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
}

// baseArch is dnf's basearch of an architecture (libdnf's arch map).
func baseArch(arch string) string {
	switch arch {
	case "i386", "i486", "i586", "i686", "athlon", "geode":
		return "i386"
	case "armv6hl":
		return "armv6hl"
	case "armv7hl", "armv7hnl", "armv8hl":
		return "armhfp"
	case "amd64", "ia32e":
		return "x86_64"
	}
	return arch
}

// repository is an enabled repository.
type repository struct {
	id, file string
	url      string // metalink, mirrorlist or first baseurl, expanded
	release  bool   // the URL depends on $releasever
	dir      string // where its repomd.xml is cached
	priority int
	excludes []string
	includes []string
	hotfixes bool // module_hotfixes: modules do not hide its packages

	// advisories reports whether it publishes some.
	advisories bool
}

// defaultPriority is that of a repository of dnf, yum and zypper without one.
const defaultPriority = 99

// candidate is a package of a repository, to be matched by patterns.
type nevra struct{ name, epoch, version, release, arch string }

func (n nevra) String() string {
	return n.name + "-" + n.zeroEpoch() + ":" + n.version + "-" + n.release + "." + n.arch
}

func (n nevra) zeroEpoch() string {
	if n.epoch == "" {
		return "0"
	}
	return n.epoch
}

// matches reports whether a pattern of dnf names a package: by NAME, NAME.ARCH,
// NAME-[EPOCH:]VERSION, NAME-[EPOCH:]VERSION-RELEASE or that with .ARCH, with
// wildcards.
func (n nevra) matches(pattern string) bool {
	if !strings.ContainsAny(pattern, "*?[") {
		if !strings.HasPrefix(pattern, n.name) {
			return false
		}
	}
	for _, form := range n.forms() {
		if ok, err := path.Match(pattern, form); err == nil && ok {
			return true
		}
	}
	return false
}

func (n nevra) forms() []string {
	vr := n.version + "-" + n.release
	forms := []string{n.name, n.name + "." + n.arch}
	for _, epoch := range []string{"", n.zeroEpoch() + ":"} {
		forms = append(forms, n.name+"-"+epoch+n.version, n.name+"-"+epoch+vr, n.name+"-"+epoch+vr+"."+n.arch)
	}
	return forms
}

func (n nevra) matchesAny(patterns []string) bool {
	return slices.ContainsFunc(patterns, n.matches)
}

// lock is a rule of versionlock or of zypper: packages of a name that it hides.
type lock struct {
	name    string // pattern
	version string // pattern of the whole NEVRA that stays visible; "" for none
	hide    string // pattern of what is hidden
}

// locks decide what version locks hide.
type locks []lock

func (l locks) hides(n nevra) bool {
	locked := false
	for _, lock := range l {
		switch {
		case lock.hide != "":
			if n.matches(lock.hide) {
				return true
			}
		default:
			if ok, err := path.Match(lock.name, n.name); err != nil || !ok {
				continue
			}
			if lock.version != "" && n.matches(lock.version) {
				return false
			}
			locked = true
		}
	}
	return locked
}

// parseVersionlock reads versionlock.list of dnf: a pattern NAME-EPOCH:VERSION-RELEASE.*
// on a line stays, other versions of the name are hidden; what ! stands before is
// hidden.
func parseVersionlock(data []byte) (locks, error) {
	var out locks
	for _, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if len(out) == maxPatterns {
			return out, fmt.Errorf("%w of %d locks", rootfs.ErrTooLarge, maxPatterns)
		}
		if hide, found := strings.CutPrefix(line, "!"); found {
			out = append(out, lock{hide: hide})
			continue
		}
		name := line
		// yum's has the epoch in front: 0:bash-4.2-1.el7.*
		if epoch, rest, found := strings.Cut(line, ":"); found && strings.Trim(epoch, "0123456789") == "" {
			name = rest
			if i := cutEVR(rest); i > 0 {
				line = rest[:i] + "-" + epoch + ":" + rest[i+1:]
			}
		}
		if i := cutEVR(name); i > 0 {
			name = name[:i]
		}
		out = append(out, lock{name: name, version: line})
	}
	return out, nil
}

// cutEVR is where -VERSION-RELEASE begins, -1 if it does not.
func cutEVR(spec string) int {
	i := strings.LastIndexByte(spec, '-')
	if i < 0 {
		return -1
	}
	return strings.LastIndexByte(spec[:i], '-')
}

// parseVersionlockTOML reads versionlock.toml of dnf5: names, and conditions that
// what stays visible fulfils. The conditions are not evaluated: each version of
// a locked name counts as hidden.
func parseVersionlockTOML(data []byte) (locks, error) {
	var out locks
	conditions := false
	for _, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "[["):
			conditions = strings.Contains(line, "conditions")
		case strings.HasPrefix(line, "name") && !conditions:
			_, value, _ := strings.Cut(line, "=")
			name := strings.Trim(strings.TrimSpace(value), `"'`)
			if name == "" {
				continue
			}
			if len(out) == maxPatterns {
				return out, fmt.Errorf("%w of %d locks", rootfs.ErrTooLarge, maxPatterns)
			}
			out = append(out, lock{name: name})
		}
	}
	return out, nil
}

// parsePriority reads a priority.
func parsePriority(value string) (int, error) {
	if value == "" {
		return defaultPriority, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		return defaultPriority, errors.New("expected a number as priority, found something else")
	}
	return n, nil
}
