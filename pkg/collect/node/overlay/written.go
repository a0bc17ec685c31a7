package overlay

import (
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/volatile"
)

// madeFile notes that something was made that is only counted, in the nearest directory that the
// image has.
func (w *walker) madeFile(rel string) {
	full := "/" + rel
	if w.mounts.points[full] || strings.HasPrefix(volatile.Reason(full), volatile.ByRuntime) {
		return
	}
	// Below a directory that was made too, that one is noted already.
	if d := w.writtenIn(); d != nil && !strings.Contains(strings.TrimPrefix(rel, w.base), "/") {
		d.Files = true
	}
}

// madeDir notes that a directory was made that the image does not have.
func (w *walker) madeDir(rel string) {
	full := "/" + rel
	if w.mounts.points[full] || w.mounts.above[full] || strings.HasPrefix(volatile.Reason(full+"/."), volatile.ByRuntime) {
		return // the runtime made it, to mount something there
	}
	d := w.writtenIn()
	if d == nil {
		return
	}
	if d.MadeTotal++; len(d.Made) < fact.MaxMadeDirs {
		d.Made = append(d.Made, rootfs.Text(full)) // in the order of the walk, which sorts
	}
}

// mostWritten bounds the directories that a walk remembers; fact.MaxWrittenDirs are listed.
const mostWritten = 4096

// writtenIn is the entry of the directory that the walk is in; nil if there are too many, or if
// the image could not be read.
func (w *walker) writtenIn() *fact.WrittenDir {
	if w.lowerErr != nil {
		return nil
	}
	d := w.written[w.base]
	if d == nil && len(w.written) < mostWritten {
		if w.written == nil {
			w.written = map[string]*fact.WrittenDir{}
		}
		d = &fact.WrittenDir{Path: "/" + rootfs.Text(strings.TrimSuffix(w.base, "/"))}
		w.written[strings.Clone(w.base)] = d
	}
	return d
}

// writtenDirs lists the directories, within the bound of what one walk lists.
func (w *walker) writtenDirs() *fact.WrittenDirs {
	if w.lowerErr != nil {
		return nil
	}
	out := &fact.WrittenDirs{Total: len(w.written)}
	for _, d := range w.written {
		out.Dirs = append(out.Dirs, *d)
	}
	slices.SortFunc(out.Dirs, func(a, b fact.WrittenDir) int { return strings.Compare(a.Path, b.Path) })
	for i := range out.Dirs {
		for _, text := range append([]string{out.Dirs[i].Path}, out.Dirs[i].Made...) {
			w.listed += len(text)
		}
		if i == fact.MaxWrittenDirs || w.listed > maxListed {
			out.Dirs = out.Dirs[:i]
			break
		}
	}
	return out
}
