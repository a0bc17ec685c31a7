package pacman

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Bounds of the configuration.
const (
	maxConfig       = 1 << 20 // one file, bytes
	maxConfigFiles  = 64
	maxIncludeDepth = 10
	maxRepositories = 64
	maxPatterns     = 256
)

// repository is one that pacman.conf enables.
type repository struct {
	name string
	from string // FILE:LINE
	// ignored means that it gives no updates: its Usage lacks Upgrade.
	ignored bool
}

// config is what pacman.conf(5) says about where packages come from.
type config struct {
	repositories []repository // in order: the first one that has a package's name counts
	dbPath       string
	ignorePkg    []string // patterns of fnmatch(3)
	ignoreGroup  []string

	gaps  []fact.NodeGap
	files int
	// section is the one that a line belongs to. It goes on after an Include.
	section string
	repo    *repository
}

func (c *config) gap(reason fact.Reason, detail string) {
	c.gaps = append(c.gaps, fact.NodeGap{What: fact.Packages, Reason: reason, Detail: rootfs.Text(detail)})
}

func (c *config) fail(err error) { c.gap(rootfs.ReasonOf(err), err.Error()) }

// readConfig reads /etc/pacman.conf and what it includes.
func readConfig(root *rootfs.Root) *config {
	c := &config{dbPath: defaultDBPath}
	data, err := root.ReadFile(configPath, maxConfig)
	if err != nil {
		c.fail(err)
		return c
	}
	c.parse(data, configPath, func(pattern string, depth int) { c.include(root, pattern, depth) }, 0)
	return c
}

// include reads the files of one Include, a path whose last part may be a glob.
func (c *config) include(root *rootfs.Root, pattern string, depth int) {
	if depth >= maxIncludeDepth {
		c.gap(fact.Truncated, fmt.Sprintf("%s: more than %d files that include each other", configPath, maxIncludeDepth))
		return
	}
	paths := []string{pattern}
	if strings.ContainsAny(pattern, `*?[`) {
		dir, base := path.Split(pattern)
		if strings.ContainsAny(dir, `*?[`) {
			c.gap(fact.Unsupported, fmt.Sprintf("Include %q: a glob in a directory's name is not supported", rootfs.Excerpt(pattern)))
			return
		}
		paths = nil
		entries, err := root.ReadDir(dir)
		if err != nil {
			c.fail(err)
			return
		}
		for _, e := range entries {
			if matches(base, e.Name) && (e.Name[0] != '.' || base[0] == '.') {
				paths = append(paths, dir+e.Name)
			}
		}
	}
	if len(paths) == 0 {
		c.gap(fact.NotPresent, fmt.Sprintf("Include %q: no such file, and pacman refuses that", rootfs.Excerpt(pattern)))
	}
	for _, name := range paths {
		if c.files++; c.files > maxConfigFiles {
			if c.files == maxConfigFiles+1 {
				c.gap(fact.Truncated, fmt.Sprintf("%s: more than %d included files", configPath, maxConfigFiles))
			}
			return
		}
		data, err := root.ReadFile(name, maxConfig)
		if err != nil {
			c.fail(err)
			continue
		}
		c.parse(data, name, func(pattern string, depth int) { c.include(root, pattern, depth) }, depth+1)
	}
}

// parse reads one file of pacman.conf(5): sections in brackets, "Key = Value" and
// keys alone. A comment has a line for itself.
func (c *config) parse(data []byte, name string, include func(pattern string, depth int), depth int) {
	number := 0
	for line := range strings.SplitSeq(string(data), "\n") {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] == '[' && line[len(line)-1] == ']' {
			c.begin(line[1:len(line)-1], fmt.Sprintf("%s:%d", name, number))
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if key == "Include" {
			include(value, depth)
			continue
		}
		switch {
		case c.section == "options":
			c.option(key, value)
		case c.repo != nil && key == "Usage":
			c.repo.ignored = !slices.ContainsFunc(strings.Fields(value), func(word string) bool { return word == "Upgrade" || word == "All" })
		}
	}
}

// begin enters a section. Every name but options is a repository.
func (c *config) begin(name, from string) {
	c.section, c.repo = name, nil
	switch {
	case name == "options":
	case name == "" || name == "local" || strings.ContainsAny(name, "/\x00"):
		c.gap(fact.Corrupt, fmt.Sprintf("%s: expected the name of a repository, found %q", from, rootfs.Excerpt(name)))
	case slices.ContainsFunc(c.repositories, func(r repository) bool { return r.name == name }):
		c.gap(fact.Corrupt, fmt.Sprintf("%s: repository %q is there twice, and pacman refuses that", from, rootfs.Excerpt(name)))
	case len(c.repositories) == maxRepositories:
		c.gap(fact.Truncated, fmt.Sprintf("%s: more than %d repositories", from, maxRepositories))
	default:
		c.repositories = append(c.repositories, repository{name: name, from: from})
		c.repo = &c.repositories[len(c.repositories)-1]
	}
}

func (c *config) option(key, value string) {
	switch key {
	case "DBPath":
		if strings.HasPrefix(value, "/") {
			c.dbPath = path.Clean(value)
		}
	case "RootDir":
		if path.Clean(value) != "/" {
			c.gap(fact.Unsupported, fmt.Sprintf("%s: RootDir %q is not supported", configPath, rootfs.Excerpt(value)))
		}
	case "IgnorePkg":
		c.ignorePkg = c.patterns(c.ignorePkg, value)
	case "IgnoreGroup":
		c.ignoreGroup = c.patterns(c.ignoreGroup, value)
	}
}

func (c *config) patterns(list []string, value string) []string {
	for word := range strings.FieldsSeq(value) {
		if len(list) == maxPatterns {
			c.gap(fact.Truncated, fmt.Sprintf("%s: more than %d packages or groups are ignored", configPath, maxPatterns))
			break
		}
		list = append(list, word)
	}
	return list
}

// ignores reports whether IgnorePkg or IgnoreGroup holds a package back.
func (c *config) ignores(name string, groups []string) bool {
	is := func(text string) func(string) bool {
		return func(pattern string) bool { return matches(pattern, text) }
	}
	return slices.ContainsFunc(c.ignorePkg, is(name)) ||
		slices.ContainsFunc(groups, func(group string) bool { return slices.ContainsFunc(c.ignoreGroup, is(group)) })
}

// matches is fnmatch(3) for names without a slash.
func matches(pattern, name string) bool {
	ok, err := path.Match(strings.ReplaceAll(pattern, "[!", "[^"), name)
	return ok && err == nil || pattern == name
}
