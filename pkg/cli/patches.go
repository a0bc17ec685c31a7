package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/gather"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/remedy"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// patch puts patches into the report if they were asked for, and writes them.
func (r *evaluation) patch(set *fact.Set, judgement *checks.Judgement, built *report.Report) error {
	if !r.spec.Inputs.Patches {
		return nil
	}
	planner, err := newPlanner(set, judgement)
	if err != nil {
		return err
	}
	plans := planner.Plans()
	if r.report.writePatches != "" {
		files := remedy.Files(plans, remedy.FilesOptions{
			Name: r.env.Name, Context: r.context, Kubeconfig: r.kubeconfig, Cluster: built.Head.Cluster.Name,
			Runbooks: planner.Runbooks(), Namespaces: planner.Namespaces(), Policy: planner.Unenforced(),
		})
		if err := writeDirectory(r.report.writePatches, files); err != nil {
			return fmt.Errorf("--write-patches: %w", err)
		}
	}
	of := remedy.Patches(plans)
	built.Patch(func(f *api.Finding) *api.Patch { return of.For(f) })
	return nil
}

// newPlanner makes a planner for what was judged.
func newPlanner(set *fact.Set, judgement *checks.Judgement) (*remedy.Planner, error) {
	findings := slices.Collect(judgement.All())
	if err := judgement.Err(); err != nil {
		return nil, err
	}
	return remedy.NewPlanner(set, findings), nil
}

// freeDirectory reports before a run an error that writeDirectory would only find after it.
func freeDirectory(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(filepath.Dir(filepath.Clean(path))); err != nil {
			return fmt.Errorf("writing %q: %w", path, gather.Cause(err))
		}
		return nil
	case err != nil:
		return fmt.Errorf("writing %q: %w", path, gather.Cause(err))
	case !info.IsDir():
		return fmt.Errorf("writing %q: expected a directory that does not exist or is empty, found a file", path)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return fmt.Errorf("writing %q: %w", path, gather.Cause(err))
	}
	if len(entries) > 0 {
		return fmt.Errorf("writing %q: expected a directory that does not exist or is empty, found one with files", path)
	}
	return nil
}

// writeDirectory writes files to a new directory: all of them, or none. They are written to a
// temporary directory next to it, which then gets its name. Only its owner can read it, because
// patches name weaknesses.
func writeDirectory(path string, files []remedy.File) (err error) {
	if err := freeDirectory(path); err != nil {
		return err
	}
	target := filepath.Clean(path)
	if real, err := filepath.EvalSymlinks(target); err == nil {
		target = real
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing %q: %w", path, gather.Cause(err))
		}
	}()
	temporary, err := os.MkdirTemp(filepath.Dir(target), "."+filepath.Base(target)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(temporary)
		}
	}()
	for _, file := range files {
		name := filepath.Join(temporary, filepath.FromSlash(file.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(name, file.Data, file.Mode); err != nil {
			return err
		}
	}
	// An empty directory of that name may be there. Not all systems rename to one.
	if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(temporary, target)
}
