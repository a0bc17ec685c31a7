package apk

import (
	"fmt"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/apkversion"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// maxWorld bounds the packages that somebody asked for.
const maxWorld = 100_000

// constraint is a bound of a package's version.
type constraint struct{ op, version string }

// wish is what /etc/apk/world says of one package.
type wish struct {
	constraints []constraint
	tag         string
}

// parseWorld reads apk-world(5): packages as NAME, NAME@TAG, NAME=1.0, NAME<1.0,
// NAME~1.0, NAME><HASH (a file that somebody installed), !NAME (not to be installed).
// The error leaves out what is beyond a bound.
func parseWorld(data []byte) (map[string]*wish, error) {
	world := map[string]*wish{}
	count := 0
	for word := range strings.FieldsSeq(string(data)) {
		if count++; count > maxWorld {
			return world, fmt.Errorf("%w of %d packages", rootfs.ErrTooLarge, maxWorld)
		}
		if word[0] == '!' {
			continue
		}
		name, rest := word, ""
		if at := strings.IndexAny(word, "<>=~"); at >= 0 {
			name, rest = word[:at], word[at:]
		}
		name, tag, _ := strings.Cut(name, "@")
		version := strings.TrimLeft(rest, "<>=~")
		version, lateTag, _ := strings.Cut(version, "@")
		w := world[name]
		if w == nil {
			w = &wish{}
			world[name] = w
		}
		if tag += lateTag; tag != "" {
			w.tag = tag
		}
		if rest != "" && len(w.constraints) < 16 {
			op := rest[:len(rest)-len(strings.TrimLeft(rest, "<>=~"))]
			w.constraints = append(w.constraints, constraint{op, version})
		}
	}
	return world, nil
}

// allows reports whether a version is within the constraints. What cannot be compared
// is not.
func (w *wish) allows(version string) bool {
	if w == nil {
		return true
	}
	for _, c := range w.constraints {
		if !c.allows(version) {
			return false
		}
	}
	return true
}

func (c constraint) allows(version string) bool {
	if strings.Contains(c.op, "<") && strings.Contains(c.op, ">") {
		return false // one file, by its hash
	}
	order, known := apkversion.Compare(version, c.version)
	if !known {
		return false
	}
	return strings.Contains(c.op, "~") && apkversion.Matches(version, c.version) ||
		strings.Contains(c.op, "<") && order < 0 || strings.Contains(c.op, ">") && order > 0 || strings.Contains(c.op, "=") && order == 0
}
