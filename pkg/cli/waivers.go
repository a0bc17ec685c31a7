package cli

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/gather"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/waiver"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/waiver/waiverfile"
)

// waiverFlags say which failing findings are accepted, and whose namespaces are the platform's.
type waiverFlags struct {
	waivers            string
	writeWaivers       string
	platformNamespaces []string
}

func (f *waiverFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.waivers, "waivers", "", "Accept the failing findings that this file names. Answers count them and do not take them as failing. What is unknown is never accepted.")
	flags.StringVar(&f.writeWaivers, "write-waivers", "", "Write a draft of a waiver for each failing finding to this new file. A draft has no reason, and is refused until it has one.")
	flags.StringSliceVar(&f.platformNamespaces, "platform-namespaces", nil, "Namespaces that count as the platform's, besides those of Kubernetes and of the provider: names or globs ('infra-*').")
}

// maxGlobs bounds --platform-namespaces.
const maxGlobs = 1000

func (f *waiverFlags) validate() error {
	if len(f.platformNamespaces) > maxGlobs {
		return fmt.Errorf("--platform-namespaces: expected at most %d namespaces, found %d", maxGlobs, len(f.platformNamespaces))
	}
	for _, glob := range f.platformNamespaces {
		switch odd := strings.Trim(glob, "abcdefghijklmnopqrstuvwxyz0123456789-*?"); {
		case glob == "" || odd != "" || len(glob) > 63:
			return fmt.Errorf("--platform-namespaces: expected a namespace's name or a glob of one, found %q", glob)
		case strings.Trim(glob, "*?-") == "":
			return fmt.Errorf("--platform-namespaces: %q matches every namespace: name a part of it", glob)
		}
	}
	if f.writeWaivers != "" {
		if err := newFile(f.writeWaivers); err != nil {
			return fmt.Errorf("--write-waivers: %w", err)
		}
		if err := writable(f.writeWaivers); err != nil {
			return fmt.Errorf("--write-waivers: %w", err)
		}
	}
	return nil
}

// newFile returns an error if there is a file already: it may hold reasons that people wrote.
func newFile(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%q exists, and is not overwritten: name a new file", path)
	}
	return nil
}

// readWaivers reads the file of --waivers, and returns its SHA-256 too. It returns when the context
// is done, even if the file is a pipe and nobody writes to it.
func readWaivers(ctx context.Context, path string, now time.Time) (*waiver.List, string, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := readBounded(path, waiverfile.MaxBytes)
		done <- result{data, err}
	}()
	var r result
	select {
	case r = <-done:
	case <-ctx.Done():
		return nil, "", ctx.Err()
	}
	if r.err != nil {
		return nil, "", fmt.Errorf("--waivers: reading %q: %w", path, gather.Cause(r.err))
	}
	list, err := waiverfile.Read(r.data, knownCheck, now)
	if err != nil {
		return nil, "", fileErrors(path, err)
	}
	return list, fmt.Sprintf("sha256:%x", sha256.Sum256(r.data)), nil
}

// fileErrors are the problems of a file of waivers, one error each.
func fileErrors(path string, err error) error {
	var problems *waiverfile.Problems
	if !errors.As(err, &problems) {
		return fmt.Errorf("--waivers: reading %q: %w", path, err)
	}
	var list []error
	for _, p := range problems.List {
		list = append(list, fmt.Errorf("--waivers: reading %q: %s", path, p))
	}
	if problems.More > 0 {
		list = append(list, fmt.Errorf("--waivers: reading %q: and %d more", path, problems.More))
	}
	return errors.Join(list...)
}

// readBounded reads a file, and of a larger one the first byte beyond the bound too.
func readBounded(path string, most int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	return io.ReadAll(io.LimitReader(file, most+1))
}

// knownCheck is what the catalogue knows about a check.
func knownCheck(id string) (exists bool, never string) {
	all := catalogue.All()
	if i := slices.IndexFunc(all, func(c checks.Check) bool { return c.ID == id }); i >= 0 {
		return true, all[i].NoWaiver
	}
	return false, ""
}

// addPlatform adds the user's namespaces of the platform to those that the facts have.
func (f *waiverFlags) addPlatform(set *fact.Set) {
	for _, glob := range f.platformNamespaces {
		if !slices.Contains(set.PlatformNamespaces, glob) {
			set.PlatformNamespaces = append(slices.Clip(set.PlatformNamespaces), glob)
		}
	}
	slices.Sort(set.PlatformNamespaces)
}

// writeDrafts writes the drafts of --write-waivers: all of them, or none.
func (r *evaluation) writeDrafts(set *fact.Set) error {
	if r.drafts == nil {
		return nil
	}
	path := r.report.writeWaivers
	if left := r.drafts.Left; left > 0 {
		return fmt.Errorf("--write-waivers: nothing was written: at least %s cannot be drafted: there are more than %d, or a name is a glob; narrow the run with --check, -n or names", checks.Count(left, "finding"), waiver.MaxDrafts)
	}
	drafts := r.drafts.All()
	if err := newFile(path); err != nil { // since the run began
		return fmt.Errorf("--write-waivers: %w", err)
	}
	err := writeFile(path, func(out io.Writer) error {
		return waiverfile.Write(out, drafts, set.Cluster.UID, r.at)
	})
	if err != nil {
		return fmt.Errorf("--write-waivers: %w", err)
	}
	what := "wrote " + checks.Count(len(drafts), "draft of a waiver")
	if len(drafts) != 1 {
		what = fmt.Sprintf("wrote %d drafts of waivers", len(drafts))
	}
	r.env.warn("%s to %s: fill in reason and acceptedBy, and delete what should be fixed", what, path)
	return nil
}
