package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// A glob is a pattern of path.Match, and "**" stands for any number of directories. One
// without a slash matches a name in any directory.

// checkGlob returns an error for a pattern that cannot be read.
func checkGlob(glob string) error {
	if _, err := path.Match(glob, ""); err != nil || glob == "" {
		return fmt.Errorf("expected a pattern like *.yaml or prod/**, found %q", glob)
	}
	return nil
}

// globMatch reports whether a glob matches a path that is relative to the named directory and
// has slashes.
func globMatch(glob, name string) bool {
	glob = strings.TrimPrefix(strings.TrimSuffix(glob, "/"), "./")
	if !strings.Contains(glob, "/") {
		matched, _ := path.Match(glob, path.Base(name)) // checkGlob has seen the error
		return matched
	}
	return matchParts(strings.Split(strings.TrimPrefix(glob, "/"), "/"), strings.Split(name, "/"))
}

func matchParts(glob, name []string) bool {
	// at is how much of the name can be matched by the globs so far.
	at := make([]bool, len(name)+1)
	at[0] = true
	for _, g := range glob {
		if g == "**" {
			for i := 1; i <= len(name); i++ {
				at[i] = at[i] || at[i-1]
			}
			continue
		}
		for i := len(name); i > 0; i-- {
			matched := false
			if at[i-1] {
				matched, _ = path.Match(g, name[i-1]) // checkGlob has seen the error
			}
			at[i] = matched
		}
		at[0] = false
	}
	return at[len(name)]
}

// Validate reports what is wrong with the globs, with the flag that has them.
func (f Files) Validate() error {
	var errs []error
	for _, list := range []struct {
		flag  string
		globs []string
	}{{"--include", f.Include}, {"--exclude", f.Exclude}} {
		for _, glob := range list.globs {
			if err := checkGlob(glob); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", list.flag, err))
			}
		}
	}
	return errors.Join(errs...)
}

// wants reports whether a file of a directory is read.
func (f Files) wants(name string) bool {
	if slices.ContainsFunc(f.Exclude, func(glob string) bool { return globMatch(glob, name) }) {
		return false
	}
	if len(f.Include) == 0 {
		return slices.Contains(extensions, path.Ext(name))
	}
	return slices.ContainsFunc(f.Include, func(glob string) bool { return globMatch(glob, name) })
}

// prunes reports whether a directory is passed over with all that is in it.
func (f Files) prunes(name string) bool {
	return slices.ContainsFunc(f.Exclude, func(glob string) bool { return globMatch(glob, name) })
}

// deepGlob lists the files that a pattern with "**" matches.
func deepGlob(pattern string) (files []string, err error) {
	if err := checkGlob(filepath.ToSlash(pattern)); err != nil {
		return nil, err
	}
	parts := strings.Split(filepath.ToSlash(pattern), "/")
	fixed := 0
	for fixed < len(parts) && !strings.ContainsAny(parts[fixed], `*?[\`) {
		fixed++
	}
	root := strings.Join(parts[:fixed], "/")
	switch {
	case root != "":
	case strings.HasPrefix(pattern, "/"):
		root = "/"
	default:
		root = "."
	}
	err = filepath.WalkDir(filepath.FromSlash(root), func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil //nolint:nilerr // what cannot be listed matches nothing, as in filepath.Glob
		}
		relative, err := filepath.Rel(filepath.FromSlash(root), name)
		if err == nil && matchParts(parts[fixed:], strings.Split(filepath.ToSlash(relative), "/")) {
			if info, err := os.Stat(name); err == nil && !info.IsDir() {
				files = append(files, name)
			}
		}
		return nil
	})
	return files, err
}
