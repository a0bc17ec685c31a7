package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
	planner, err := newPlanner(set, judgement, &r.spec)
	if err != nil {
		return err
	}
	plans := planner.Plans()
	if r.report.writePatches != "" {
		files := remedy.Files(plans, remedy.FilesOptions{
			Name: r.env.Name, Context: r.context, Kubeconfig: r.kubeconfig, Cluster: built.Head.Cluster.Name,
			Runbooks: planner.Runbooks(), Namespaces: planner.Namespaces(), Policy: planner.Unenforced(), Platform: planner.Platform(),
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
func newPlanner(set *fact.Set, judgement *checks.Judgement, spec *api.ReportSpec) (*remedy.Planner, error) {
	findings := slices.Collect(judgement.All())
	if err := judgement.Err(); err != nil {
		return nil, err
	}
	planner := remedy.NewPlanner(set, findings)
	planner.Whole = func(owner *fact.Subject) bool { return wholeOwner(&spec.Scope, owner) }
	return planner, nil
}

// wholeOwner reports whether a run with this scope lists all pods of an owner of which it lists
// one: pods were not selected, and, if objects were named, the owner itself was.
func wholeOwner(scope *api.Scope, owner *fact.Subject) bool {
	if scope.Selector != "" || scope.FieldSelector != "" {
		return false
	}
	return len(scope.Names) == 0 || slices.ContainsFunc(scope.Names, func(word string) bool {
		kind, name, typed := strings.Cut(word, "/")
		if !typed {
			kind, name = "pod", word
		}
		return name == owner.Name && isKind(kindWord(kind), owner.Kind)
	})
}

// kindWord is the singular of a type that a user names: "deploy" and "deployments.apps" are
// "deployment". A type that is not known here stays as it is.
func kindWord(kind string) string {
	kind, _, _ = strings.Cut(strings.ToLower(kind), ".")
	for _, t := range workloadTypes {
		if slices.Contains(t.words, kind) {
			return t.words[0]
		}
	}
	return kind
}

// isKind reports whether a kindWord is a kind's, or its plural.
func isKind(word, kind string) bool {
	kind = strings.ToLower(kind)
	return word == kind || word == kind+"s"
}

// freeDirectory reports before a run an error that writeDirectory would only find after it.
func freeDirectory(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("writing %q: expected a directory that does not exist or is empty, found a link to nothing", path)
		}
		if _, err := os.Stat(filepath.Dir(filepath.Clean(path))); err != nil {
			return fmt.Errorf("writing %q: %w", path, gather.Cause(err))
		}
		return nil
	case err != nil:
		return fmt.Errorf("writing %q: %w", path, gather.Cause(err))
	case !info.IsDir():
		return fmt.Errorf("writing %q: expected a directory that does not exist or is empty, found a file", path)
	}
	if here, err := os.Stat("."); err == nil && os.SameFile(here, info) { // another one will have its name
		return fmt.Errorf("writing %q: expected a directory that does not exist or is empty, found the working directory", path)
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
