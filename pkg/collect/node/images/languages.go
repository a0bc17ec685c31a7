package images

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// languages are those whose modules can be listed with few reads, by the names of their
// interpreters. What the distribution's own package manager has installed is left out:
// its versions have the distribution's fixes, which a language's records do not know.
var languages = []struct {
	name string
	read func(r *programs, d *proctable.PID, exe string, asked map[string]bool) bool
}{
	{"python", readPython},
	{"node", readNode},
	{"nodejs", readNode},
	{"ruby", readRuby},
}

// Limits on the lists of modules.
const (
	maxNames = 50_000  // of a directory
	maxLock  = 4 << 20 // bytes of a lock file
	maxDepth = 16      // directories above a script
)

// once returns the directories that were not asked for before.
func once(asked map[string]bool, dirs []string) (fresh []string) {
	for _, dir := range dirs {
		if dir = path.Clean(dir); !asked[dir] {
			asked[dir] = true
			fresh = append(fresh, dir)
		}
	}
	return fresh
}

// arguments are the first words of a command line, as paths that exist inside the
// container; other words are never looked at again. They can hold passwords.
func (r *programs) arguments(d *proctable.PID) (paths []string) {
	words, err := d.Cmdline(nil)
	if err != nil {
		return nil
	}
	for _, word := range words[:min(len(words), 8)] {
		if len(word) == 0 || word[0] == '-' || len(word) > 4096 {
			continue
		}
		inside, err := d.Inside(string(word))
		if err != nil {
			continue
		}
		if info, err := r.root.Lstat(inside); err == nil && (info.Mode.IsRegular() || info.Mode&fs.ModeSymlink != 0) {
			paths = append(paths, inside)
		}
	}
	return paths
}

// subdirectories lists the directories below others whose names begin with a prefix.
func (r *programs) subdirectories(dir, prefix string) (list []string) {
	_ = r.root.Each(dir, func(e rootfs.DirEntry) bool {
		if strings.HasPrefix(e.Name, prefix) && (e.IsDir() || e.Type&fs.ModeSymlink != 0) {
			list = append(list, path.Join(dir, e.Name))
		}
		return len(list) < maxDepth
	})
	return list
}

// names calls do with each name in a directory. It reports whether the directory exists.
func (r *programs) names(dir string, do func(name string)) bool {
	n := 0
	err := r.root.Each(dir, func(e rootfs.DirEntry) bool {
		if n++; n > maxNames {
			return false
		}
		do(e.Name)
		return true
	})
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, rootfs.ErrNotDir):
		return false
	case err != nil:
		r.gap(rootfs.ReasonOf(err), fmt.Sprintf("%s: %s", rootfs.Text(dir), rootfs.ErrorText(err)))
	case n > maxNames:
		r.gap(fact.Truncated, fmt.Sprintf("%s has more than %d names", rootfs.Text(dir), maxNames))
	}
	return true
}

// readPython lists the packages that pip has installed: NAME-VERSION.dist-info and
// NAME-VERSION-*.egg-info in site-packages, of /usr/local and of virtual environments.
// Debian's pip installs into /usr/local/lib/python3.*/dist-packages.
func readPython(r *programs, d *proctable.PID, exe string, asked map[string]bool) (found bool) {
	prefixes := []string{"/usr/local"}
	for _, name := range append(r.arguments(d), exe) {
		// PREFIX/bin/python, PREFIX/bin/gunicorn
		if dir := path.Dir(path.Clean(name)); path.Base(dir) == "bin" {
			if prefix := path.Dir(dir); prefix != "/usr" && prefix != "/" {
				prefixes = append(prefixes, prefix)
			}
		}
	}
	for _, prefix := range once(asked, prefixes) {
		for _, lib := range r.subdirectories(prefix+"/lib", "python") {
			for _, dir := range []string{lib + "/site-packages", lib + "/dist-packages"} {
				exists := r.names(dir, func(name string) {
					if module, version, ok := pythonPackage(name); ok {
						r.add(fact.Module{Ecosystem: "PyPI", Name: module, Version: version, Path: short(dir + "/" + name)})
					}
				})
				found = found || exists
			}
		}
	}
	return found
}

// pythonPackage reads the name of a directory with a package's metadata. In it the
// name has no hyphen (packaging.python.org, "Recording installed projects").
func pythonPackage(dir string) (name, version string, ok bool) {
	base, isDist := strings.CutSuffix(dir, ".dist-info")
	isEgg := false
	if !isDist {
		base, isEgg = strings.CutSuffix(dir, ".egg-info")
	}
	name, version, found := strings.Cut(base, "-")
	if isEgg {
		version, _, _ = strings.Cut(version, "-") // NAME-VERSION-py3.11
	}
	return name, version, found && (isDist || isEgg) && name != "" && version != ""
}

// readNode lists the packages of a lock file that npm writes: the one of what is
// installed (node_modules/.package-lock.json), else the project's, in the script's
// directory or one above it.
func readNode(r *programs, d *proctable.PID, _ string, asked map[string]bool) (found bool) {
	for _, script := range r.arguments(d) {
		dir := path.Dir(script)
		for range maxDepth {
			for _, dir := range once(asked, []string{dir}) {
				for _, name := range []string{"/node_modules/.package-lock.json", "/package-lock.json"} {
					if r.lock(path.Join(dir, name)) {
						found = true
						break
					}
				}
			}
			if dir == "/" {
				break
			}
			dir = path.Dir(dir)
		}
	}
	return found
}

// lock reads a lock file. It reports whether there is one.
func (r *programs) lock(name string) bool {
	file, err := r.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, rootfs.ErrNotDir) {
		return false
	}
	if err == nil {
		defer func() { _ = file.Close() }()
		limited := &io.LimitedReader{R: file, N: maxLock + 1}
		err = eachLocked(limited, func(module, version string) {
			r.add(fact.Module{Ecosystem: "npm", Name: module, Version: version, Path: short(name)})
		})
		if limited.N <= 0 {
			err = fmt.Errorf("%w of %d bytes", rootfs.ErrTooLarge, maxLock)
		}
	}
	if err != nil {
		r.gap(rootfs.ReasonOf(err), rootfs.Text(fmt.Sprintf("%s: %s", name, withoutPath(err))))
	}
	return true
}

var errLock = rootfs.NewError(fact.Corrupt, "expected a lock file of npm (version 2 or 3), found something else")

// eachLocked calls do with each package of a lock file of npm 7 or later
// (package-lock.json, "packages"): the key is its path below node_modules, which ends
// with its name. A link is a directory of the project itself.
func eachLocked(r io.Reader, do func(name, version string)) error {
	in := tokens{json.NewDecoder(r)}
	listed := false
	err := in.object(func(key string) error {
		if key != "packages" {
			return in.skip()
		}
		listed = true
		return in.object(func(place string) error {
			var name, version string
			link := false
			err := in.object(func(key string) error {
				switch key {
				case "name":
					return in.value(func(v json.Token) { name, _ = v.(string) })
				case "version":
					return in.value(func(v json.Token) { version, _ = v.(string) })
				case "link":
					return in.value(func(v json.Token) { link, _ = v.(bool) })
				}
				return in.skip()
			})
			at := strings.LastIndex(place, "node_modules/")
			if err != nil || at < 0 || link || version == "" {
				return err
			}
			do(cmp.Or(name, place[at+len("node_modules/"):]), version) // name: it is installed under another one
			return nil
		})
	})
	if err == nil && !listed {
		err = errLock
	}
	return err
}

// tokens reads JSON token by token, so that no large value is ever whole in memory.
type tokens struct{ *json.Decoder }

func (t tokens) next() (json.Token, error) {
	token, err := t.Token()
	if err != nil {
		return nil, errLock
	}
	return token, nil
}

// object calls do with each key of an object; do reads the value.
func (t tokens) object(do func(key string) error) error {
	token, err := t.next()
	if err != nil || token != json.Delim('{') {
		return errLock
	}
	for t.More() {
		token, err := t.next()
		key, ok := token.(string)
		if err != nil || !ok {
			return errLock
		}
		if err := do(key); err != nil {
			return err
		}
	}
	_, err = t.next()
	return err
}

// maxNested bounds the depth of values that are skipped.
const maxNested = 32

// skip reads a value and forgets it.
func (t tokens) skip() error { return t.value(func(json.Token) {}) }

// value calls do with a value that is no object and no list, and skips any other.
func (t tokens) value(do func(json.Token)) error {
	depth := 0
	for {
		token, err := t.next()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth > maxNested {
				return errLock
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		default:
			if depth == 0 {
				do(token)
			}
		}
		if depth == 0 {
			return nil
		}
	}
}

// readRuby lists installed gems: specifications/NAME-VERSION[-PLATFORM].gemspec of
// Ruby's own directories below /usr/local, of Bundler's in Ruby's images, and of those
// into which gem installs on Debian.
func readRuby(r *programs, _ *proctable.PID, _ string, asked map[string]bool) (found bool) {
	dirs := []string{"/usr/local/bundle"}
	for _, parent := range []string{"/usr/local/lib/ruby/gems", "/var/lib/gems", "/usr/local/bundle/ruby"} {
		dirs = append(dirs, r.subdirectories(parent, "")...)
	}
	for _, dir := range once(asked, dirs) {
		for _, specifications := range []string{dir + "/specifications", dir + "/specifications/default"} {
			exists := r.names(specifications, func(name string) {
				if gem, version, ok := gemSpecification(name); ok {
					r.add(fact.Module{Ecosystem: "RubyGems", Name: gem, Version: version, Path: short(specifications + "/" + name)})
				}
			})
			found = found || exists
		}
	}
	return found
}

// gemSpecification reads the name of a gem's specification. The version begins with the
// first digit behind a hyphen.
func gemSpecification(file string) (name, version string, ok bool) {
	base, found := strings.CutSuffix(file, ".gemspec")
	for i := 1; found && i+1 < len(base); i++ {
		if base[i] == '-' && '0' <= base[i+1] && base[i+1] <= '9' {
			version, _, _ = strings.Cut(base[i+1:], "-") // a platform follows
			return base[:i], version, true
		}
	}
	return "", "", false
}
