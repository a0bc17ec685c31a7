package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/gather"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/pushgateway"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/formats"
)

// mostKept bounds --keep-facts: each run renames that many files.
const mostKept = 1000

// validateWatch checks the flags of runs that are repeated.
func (f *reportFlags) validateWatch() error {
	if f.keepFacts < 0 || f.keepFacts > mostKept {
		return fmt.Errorf("--keep-facts: expected a number from 0 to %d, found %d", mostKept, f.keepFacts)
	}
	if f.keepFacts == 0 {
		return nil
	}
	if f.saveFacts == "" {
		return errors.New("--keep-facts has no effect without --save-facts")
	}
	if info, err := os.Stat(f.saveFacts); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("--keep-facts: expected --save-facts with a file, found a device or a pipe: %q", f.saveFacts)
	}
	return nil
}

// pusher returns a function that sends the metrics of a report to a Pushgateway, or nil if url
// is "".
func pusher(ctx context.Context, url string) (func(*report.Report) error, error) {
	if url == "" {
		return nil, nil
	}
	gateway, err := pushgateway.New(url)
	if err != nil {
		return nil, fmt.Errorf("--pushgateway: %w", err)
	}
	printer, err := formats.NewPrinter("prometheus", report.Options{})
	if err != nil {
		return nil, err
	}
	return func(built *report.Report) error {
		return gateway.Replace(ctx, func(out io.Writer) error { return report.Print(out, printer, built) })
	}, nil
}

// staleAfter is the age at which a temporary file is taken for what a killed run left. No run
// writes facts that long.
const staleAfter = 24 * time.Hour

// writeKept is writeFile, but the file that was there becomes PATH.1, that one PATH.2, and so
// on up to keep. They are renamed only after the new file is complete. Together with files that
// killed runs left, which it removes, the directory does not grow without bound.
func writeKept(path string, keep int, write func(io.Writer) error) error {
	if keep == 0 {
		return writeFile(path, write)
	}
	next := path + ".new"
	if err := writeFile(next, write); err != nil {
		return err
	}
	name := func(age int) string {
		if age == 0 {
			return path
		}
		return fmt.Sprintf("%s.%d", path, age)
	}
	for age := keep; age > 0; age-- {
		if err := os.Rename(name(age-1), name(age)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("--keep-facts: renaming %q: %w", name(age-1), linkCause(err))
		}
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("--keep-facts: renaming %q: %w", next, linkCause(err))
	}
	removeStale(filepath.Dir(path), "."+filepath.Base(next)+".")
	return nil
}

// linkCause is what went wrong, without the names of both files.
func linkCause(err error) error {
	var of *os.LinkError
	if errors.As(err, &of) {
		return of.Err
	}
	return gather.Cause(err)
}

// removeStale removes old temporary files of writeFile: the prefix and digits. It is no error
// if one stays.
func removeStale(dir, prefix string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), prefix)
		if !ok || digits == "" || strings.Trim(digits, "0123456789") != "" {
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > staleAfter {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}
