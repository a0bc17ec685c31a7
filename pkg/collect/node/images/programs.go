package images

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/images/gobuild"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// Limits on what is read of one container's programs.
const (
	maxProcesses = 2000
	maxPrograms  = 64 // different ones
	// maxCached bounds the modules of programs that are remembered for other
	// containers of the same image.
	maxCached = 20_000
)

// program identifies the file of a program, as identity does those of databases.
type program struct {
	layers              [32]byte
	ino                 uint64
	size, mtime, change int64
}

// programs is the reading of one container's programs.
type programs struct {
	survey    *survey
	root      *rootfs.Root
	may       func(rootfs.Info) bool // see overlay.Guard
	layers    [32]byte
	inventory *fact.ImageInventory
	gap       func(fact.Reason, string)
	opaque    []string
	total     int // modules
}

// read adds what the running programs say about themselves to the inventory.
func (r *programs) read(ctx context.Context, ct *proctable.Container, buf []byte) {
	type file struct{ mount, dev, ino uint64 }
	seen := map[file]bool{}
	asked := map[string]bool{} // directories of modules
	for i, p := range ct.Processes {
		if ctx.Err() != nil {
			return
		}
		if i == maxProcesses || len(seen) == maxPrograms {
			r.gap(fact.Truncated, fmt.Sprintf("more than %d processes or %d programs: the modules of the others were not read", maxProcesses, maxPrograms))
			break
		}
		d, err := r.survey.pass.Reopen(p, buf)
		if err != nil {
			continue // it has ended
		}
		text, handle, info, err := r.survey.pass.Exe(d, p)
		if err != nil {
			if !rootfs.Gone(err) && !d.Ended(buf) {
				r.gap(rootfs.ReasonOf(err), "a program of it: "+rootfs.ErrorText(err))
			}
			d.Close()
			continue
		}
		text = strings.TrimSuffix(text, " (deleted)")
		// After a chroot that is no mount of its own, the kernel shows the path from
		// outside.
		if above, err := d.Link(procfs.NameRoot); err == nil && above != "/" && strings.HasPrefix(text, above+"/") {
			text = text[len(above):]
		}
		name := short(text)
		of := file{info.MountID, info.Dev, info.Ino}
		known := seen[of]
		seen[of] = true
		found := false
		if !known {
			found = r.program(name, handle, info)
		}
		_ = handle.Close()
		if language := languageOf(text); language != nil {
			found = language(r, d, text, asked) || found
		}
		d.Close()
		if !known && !found && r.inventory.Manager == "" {
			r.opaque = append(r.opaque, name)
		}
	}
	r.finish()
}

// program adds the modules of a program in Go. It reports whether it is one.
func (r *programs) program(name string, handle *rootfs.Handle, info rootfs.Info) bool {
	if !info.Mode.IsRegular() {
		return false
	}
	if !r.may(info) {
		r.gap(fact.Unsupported, fmt.Sprintf("its program %s is on a mount that is not read, or only in memory, so its modules are unknown", name))
		return false
	}
	id := program{layers: r.layers, ino: info.Ino, size: info.Size, mtime: info.Mtime.UnixNano(), change: info.Ctime.UnixNano()}
	built, known := r.survey.program(id)
	if !known {
		file, err := handle.Open()
		if err == nil {
			built, err = gobuild.Read(file, fact.MaxModules)
			_ = file.Close()
		}
		if err != nil && !errors.Is(err, gobuild.ErrNone) {
			r.gap(rootfs.ReasonOf(err), rootfs.Text(fmt.Sprintf("its program %s: %s", name, withoutPath(err))))
			return false
		}
		r.survey.remember(id, built)
	}
	if built.Go == "" {
		return false
	}
	r.add(fact.Module{Ecosystem: "Go", Name: "stdlib", Version: built.Go, Path: name})
	for _, m := range built.Modules {
		r.add(fact.Module{Ecosystem: "Go", Name: m.Path, Version: cmp.Or(m.Version, fact.UnknownVersion), Path: name})
	}
	r.total += built.Total - len(built.Modules)
	return true
}

// withoutPath is an error without the path, which has a pid in it.
func withoutPath(err error) string {
	var at interface{ Unwrap() error }
	if errors.As(err, &at) && strings.HasPrefix(err.Error(), "read ") {
		return at.Unwrap().Error()
	}
	return err.Error()
}

// add adds a module, whose texts can be of any length.
func (r *programs) add(m fact.Module) {
	r.total++
	if len(r.inventory.Modules) < fact.MaxModules {
		m.Name, m.Version = short(m.Name), short(m.Version)
		r.inventory.Modules = append(r.inventory.Modules, m)
	}
}

// finish sorts what was found, and says what was left out.
func (r *programs) finish() {
	if n := len(r.inventory.Modules); n < r.total {
		r.gap(fact.Truncated, fmt.Sprintf("%d of %d modules of its programs are listed", n, r.total))
	}
	sorted.Func(r.inventory.Modules, func(a, b fact.Module) int {
		return cmp.Or(strings.Compare(a.Ecosystem, b.Ecosystem), strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version), strings.Compare(a.Path, b.Path))
	})
	r.inventory.Modules = slices.Clip(slices.Compact(r.inventory.Modules))
	slices.Sort(r.opaque)
	r.opaque = slices.Compact(r.opaque)
	r.inventory.OpaqueCount = len(r.opaque)
	r.inventory.Opaque = slices.Clip(r.opaque[:min(len(r.opaque), fact.MaxOpaque)])
}

// program returns what was read of a program in another container.
func (s *survey) program(id program) (gobuild.Info, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	built, known := s.built[id]
	return built, known
}

func (s *survey) remember(id program, built gobuild.Info) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := 1 + len(built.Modules); s.cached+n <= maxCached {
		s.cached += n
		s.built[id] = built
	}
}

// languageOf is the reader of modules of the language that a program interprets, nil if
// it is no interpreter that is known.
func languageOf(exe string) func(r *programs, d *proctable.PID, exe string, asked map[string]bool) bool {
	name := path.Base(exe)
	for _, language := range languages {
		if rest, found := strings.CutPrefix(name, language.name); found && strings.Trim(rest, "0123456789.") == "" {
			return language.read
		}
	}
	return nil
}
