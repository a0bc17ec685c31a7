package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/diff"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/diff/show"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/gather"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// diffFlags say how two reports are compared.
type diffFlags struct {
	outputFlags

	failOn        string
	allowUnknown  bool
	showUnchanged bool
	otherCluster  bool
	waivers       string
	color         string
}

func newDiffCommand(env *Env) *cobra.Command {
	var f diffFlags
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Compare two runs: what is new, worse, fixed, or no longer measured",
		Long: describe(`
			Compares two reports (JSON or YAML), or saved facts, which are judged again by
			this version first. One of the two can be -, which reads stdin. A finding is the
			same in both if check and subject are the same.

			Fixed means that the new run measured the same subject and that it passes. Gone
			means that a complete list no longer has the subject. What a silent node, a
			narrower scope, a skipped check or --severity hides is no longer measured. A
			waiver fixes nothing. What follows from another catalogue is named as such, and
			does not count for --fail-on.

			With --fail-on, failures count that are new, worse, or newly measured: nobody saw
			them before. Findings that a waiver covers do not count.`),
		Example: env.examples(`
			# What changed since yesterday
			kubectl checklist diff yesterday.json today.json

			# A comment for a pull request, with an exit status for the pipeline
			kubectl checklist diff main.json branch.json -o markdown --fail-on high

			# The comment, and JSON for the next step
			kubectl checklist diff main.json branch.json --output-file markdown=comment.md --output-file json=diff.json

			# Facts are judged by one catalogue, whichever version saved them
			kubectl checklist diff old-facts.json new-facts.json`),
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) != 2:
				return fmt.Errorf("expected two files, OLD and NEW, found %d", len(args))
			case args[0] == "-" && args[1] == "-":
				return errors.New("expected - for at most one of OLD and NEW")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), env, args[0], args[1]) },
	}
	flags := cmd.Flags()
	f.add(flags, show.Names())
	flags.StringVar(&f.failOn, "fail-on", "", "Exit with status 1 if failures of at least this severity are new, worse or newly measured: critical, high, medium, low.")
	flags.BoolVar(&f.allowUnknown, "allow-unknown", false, "With --fail-on: do not exit with status 3 if something is no longer measured.")
	flags.BoolVar(&f.showUnchanged, "show-unchanged", false, "Print findings that did not change too.")
	flags.BoolVar(&f.otherCluster, "other-cluster", false, "Compare reports of two clusters by the names of their objects. Without it, they are refused.")
	flags.StringVar(&f.waivers, "waivers", "", "Waivers for saved facts, which are judged again. Reports keep their own.")
	flags.StringVar(&f.color, "color", "auto", "Colour the table: auto, always, never.")
	return cmd
}

func (f *diffFlags) validate() error {
	switch {
	case f.failOn != "" && api.Severity(f.failOn).Rank() == 0:
		return fmt.Errorf("--fail-on: expected critical, high, medium or low, found %q", f.failOn)
	case f.allowUnknown && f.failOn == "":
		return errors.New("--allow-unknown has no effect without --fail-on")
	case !slices.Contains([]string{"auto", "always", "never"}, f.color):
		return fmt.Errorf("--color: expected auto, always or never, found %q", f.color)
	}
	if err := f.outputFlags.validate(knownDiffFormat); err != nil {
		return err
	}
	return errors.Join(distinct(f.written()), keeps(f.written(), "--waivers", f.waivers))
}

func knownDiffFormat(format string) error {
	if err := show.Known(format); err != nil {
		return fmt.Errorf("%w%s", err, didYouMean(nearest(format, show.Names())))
	}
	return nil
}

// keeps refuses an output that would replace OLD or NEW.
func (f *diffFlags) keeps(env *Env, name, path string) error {
	if path != "-" {
		return keeps(f.written(), name, path)
	}
	in, ok := env.Streams.In.(*os.File)
	if !ok {
		return nil
	}
	info, err := in.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil // a pipe or a terminal: nothing can replace it
	}
	for _, file := range f.written() {
		if of, err := os.Stat(file.path); err == nil && os.SameFile(of, info) {
			return fmt.Errorf("%s would replace the file of %s: %q", file.flag, name, file.path)
		}
	}
	return nil
}

func (f *diffFlags) run(ctx context.Context, env *Env, oldPath, newPath string) error {
	if err := errors.Join(f.validate(), f.keeps(env, "OLD", oldPath), f.keeps(env, "NEW", newPath)); err != nil {
		return err
	}
	old, err := f.read(ctx, env, oldPath)
	if err != nil {
		return err
	}
	now, err := f.read(ctx, env, newPath)
	if err != nil {
		return err
	}
	if f.waivers != "" && !old.Facts && !now.Facts {
		return errors.New("--waivers has no effect: neither OLD nor NEW has facts, and reports keep their own waivers")
	}
	d, err := diff.Compare(old, now, diff.Options{OtherCluster: f.otherCluster, Unchanged: f.showUnchanged})
	switch {
	case errors.Is(err, diff.ErrOtherCluster), errors.Is(err, diff.ErrOtherServer):
		return fmt.Errorf("%w; --other-cluster compares them by names", err)
	case err != nil:
		return err
	}
	err = f.write(func(out io.Writer, format string) error { return show.Print(out, format, d, show.Options{}) })
	if err != nil {
		return err
	}
	opts := show.Options{Color: env.colored(f.color), Width: env.OutWidth}
	if err := show.Print(env.Streams.Out, f.output, d, opts); err != nil {
		return fmt.Errorf("writing the comparison: %w", err)
	}
	switch {
	case f.failOn == "":
		return nil
	case diff.Worse(d, api.Severity(f.failOn)):
		return &ExitError{Code: ExitFindings}
	case diff.Unmeasured(d) && !f.allowUnknown:
		return &ExitError{Code: ExitPartial}
	}
	return nil
}

// read reads a report, or facts, which it judges. It returns when the context is done, even if
// the file is a pipe and nobody writes to it.
func (f *diffFlags) read(ctx context.Context, env *Env, path string) (*diff.Side, error) {
	name, in := path, env.Streams.In
	if path == "-" {
		name = "stdin"
	} else {
		file, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("reading %q: %w", path, gather.Cause(err))
		}
		defer file.Close() //nolint:errcheck // only read
		in = file
	}
	type result struct {
		side *diff.Side
		err  error
	}
	done := make(chan result, 1)
	go func() {
		buffered := diff.NewReader(in)
		if diff.IsFacts(buffered) {
			side, err := f.judged(ctx, env, name, buffered)
			done <- result{side, err}
			return
		}
		side, err := diff.Read(buffered)
		if errors.Is(err, diff.ErrFacts) {
			err = errors.New("expected facts as --save-facts writes them, found some whose kind does not come first")
		}
		if err != nil {
			err = fmt.Errorf("reading %q: %w", name, gather.Cause(err))
		}
		done <- result{side, err}
	}()
	select {
	case r := <-done:
		return r.side, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// judged judges facts by the checks that the run which saved them had selected, as far as this
// version has them.
func (f *diffFlags) judged(ctx context.Context, env *Env, name string, in *bufio.Reader) (*diff.Side, error) {
	source := gather.Saved{Path: name, In: in, Warn: env.warnLine}
	got, err := source.Gather(ctx)
	if err != nil {
		return nil, err
	}
	saved := got.Saved
	flags := reportFlags{progress: "auto", color: "auto"}
	for _, id := range saved.Scope.Checks {
		if slices.ContainsFunc(catalogue.All(), func(c checks.Check) bool { return c.ID == id }) {
			flags.checks = append(flags.checks, id)
		}
	}
	if len(saved.Scope.Checks) > 0 && len(flags.checks) == 0 {
		return nil, fmt.Errorf("reading facts %q: they were saved for checks that this version does not have", name)
	}
	flags.waivers, flags.platformNamespaces = f.waivers, saved.Scope.PlatformNamespaces
	r, err := newEvaluation(ctx, env, flags, saved.Command, checksOf(saved.Command, *saved))
	if err != nil {
		return nil, err
	}
	if err := r.compare(ctx, got); err != nil {
		return nil, err
	}
	r.setScope(got)
	judgement := checks.Judge(r.plan(), got.Set)
	r.spec.Waivers = judgement.Waivers
	built := report.Stream(r.spec, got.Set, judgement)
	built.Head.Checks = catalogue.Describe(slices.DeleteFunc(slices.Clone(r.checks), func(c checks.Check) bool { return !c.Ready(got.Set) }))
	side := diff.NewSide(true)
	if err := side.AddReport(built.Head, built.Each); err != nil {
		return nil, fmt.Errorf("reading facts %q: %w", name, err)
	}
	return side, judgement.Err()
}
