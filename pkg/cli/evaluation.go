package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/drift"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/manifest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/gather"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/formats"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/spool"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/spool/tempfile"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/waiver"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/weburl"
)

// evaluation is what every judging command does: it gets facts from a source,
// judges them by some checks, prints the result, and returns an exit status.
type evaluation struct {
	env    *Env
	report reportFlags
	spec   api.ReportSpec
	checks []checks.Check
	// context and kubeconfig are those of the cluster, for the script of --write-patches; "" if
	// there are none.
	context, kubeconfig string
	// summary asks the table for the scorecard and what matters most.
	summary bool
	// waivers are those of the user as of at, and drafts what --write-waivers writes; nil without
	// the flag.
	waivers *waiver.List
	drafts  *waiver.Drafts
	// at is the time against which facts are judged. If it is zero, that is when they were
	// collected, or, if saved facts are compared with something, now.
	at time.Time
	// lines are the places of what files declare; nil if no output shows them.
	lines *manifest.Lines
	// out is where the report goes.
	out io.Writer
	// stopped returns an error once the run was interrupted; nil if it never is.
	stopped func() error
	// push sends the metrics to a Pushgateway; nil without one.
	push func(*report.Report) error
}

// newEvaluation decides what is judged, before anything is read.
func newEvaluation(ctx context.Context, env *Env, flags reportFlags, command string, ofCommand []checks.Check) (*evaluation, error) {
	if err := flags.validate(); err != nil {
		return nil, err
	}
	selected, err := selectChecks(catalogue.All(), ofCommand, flags.questions, flags.checks, flags.skip)
	if err != nil {
		return nil, err
	}
	if flags.vulnerabilities != "" {
		if !slices.ContainsFunc(selected, func(c checks.Check) bool { return c.Database != nil }) {
			return nil, errors.New("--vulnerabilities has no effect: no selected check compares with it")
		}
		if err := gather.CheckVulnerabilities(ctx, flags.vulnerabilities); err != nil {
			return nil, fmt.Errorf("--vulnerabilities: %w", err)
		}
	}
	r := &evaluation{env: env, report: flags, checks: selected, out: env.Streams.Out, at: flags.at, stopped: ctx.Err}
	r.spec = api.ReportSpec{Command: command, Version: env.Version, CatalogueVersion: catalogue.Version}
	r.spec.Inputs.Patches = flags.writePatches != "" || flags.patches
	if flags.waivers != "" {
		if r.at.IsZero() {
			r.at = env.now().UTC().Truncate(time.Second)
		}
		if r.waivers, r.spec.Inputs.Waivers, err = readWaivers(ctx, flags.waivers, r.at); err != nil {
			return nil, err
		}
	}
	if r.push, err = pusher(ctx, flags.pushgateway); err != nil {
		return nil, err
	}
	if flags.writeWaivers != "" {
		r.drafts = &waiver.Drafts{Skip: func(id string) bool { _, never := knownCheck(id); return never != "" }}
	}
	if len(selected) < len(ofCommand) {
		for _, c := range selected {
			r.spec.Scope.Checks = append(r.spec.Scope.Checks, c.ID)
		}
	}
	return r, nil
}

// kinds returns the kinds of facts that the selected checks need. What is only
// compared with a database is not read without one, unless the check was named: then
// saved facts can be compared elsewhere. Reports of scanners are a database that the
// cluster has.
func (r *evaluation) kinds() []fact.Kind {
	var kinds []fact.Kind
	for _, kind := range fact.Kinds() {
		for _, c := range r.checks {
			if c.Database != nil && r.report.vulnerabilities == "" && !r.named(c) && !c.NeedsKind(fact.ImageReports) {
				continue
			}
			if c.NeedsKind(kind) || c.UsesKind(kind) {
				kinds = append(kinds, kind)
				break
			}
		}
	}
	return kinds
}

// named reports whether --check names a check, not only by a glob or a question.
func (r *evaluation) named(c checks.Check) bool {
	return slices.ContainsFunc(r.report.checks, func(word string) bool { return slices.Contains(meantChecks(word), c.ID) })
}

// gather reads the facts of a source and calls finish with them.
func (r *evaluation) gather(ctx context.Context, source gather.Source) error {
	got, err := source.Gather(ctx)
	if err != nil {
		return err
	}
	return r.finish(ctx, got)
}

// gatherFiles reads files. If there are very many workloads, they are judged as they come.
func (r *evaluation) gatherFiles(ctx context.Context, source *gather.Manifests) error {
	r.lines = source.Files.Lines
	if r.report.saveFacts != "" || r.report.vulnerabilities != "" || r.report.writePatches != "" {
		return r.gather(ctx, source) // they need the whole set
	}
	var (
		stream *checks.Stream
		spill  spilling
	)
	defer spill.close()
	defer debug.SetGCPercent(debug.SetGCPercent(filesGC))
	got, err := source.Stream(ctx, func(set *fact.Set) func([]fact.Workload) {
		scope := api.Scope{Files: source.Files.Names()}
		r.report.addPlatform(set)
		stream = checks.NewStream(r.planOf(gather.Narrowed(r.spec.Command, &scope, set)), set, checks.StreamOptions{
			Passes: r.showsPasses(), Spill: spill.open,
		})
		return stream.Add
	})
	switch {
	case err != nil:
		return err
	case stream == nil:
		return r.finish(ctx, got)
	}
	r.setScope(got)
	return r.present(got.Set, stream.Finish(got.Set))
}

// spilling is the file of findings that are too many for memory, if there are.
type spilling struct{ file *os.File }

func (s *spilling) open() (_ spool.File, err error) {
	s.file, err = tempfile.Open()
	return s.file, err
}

// close frees what it takes on the disk.
func (s *spilling) close() {
	if s.file != nil {
		_ = s.file.Close()
	}
}

// streamedWorkloads is how many workloads of a cluster are judged in a stream: of fewer, all
// findings fit into little memory.
const streamedWorkloads = 1000

// streams reports whether a cluster's workloads are judged in a stream: if only its API was
// read, and nothing needs the whole set after that. A gap about a workload is joined with what
// checks find of it, so that needs the whole set.
func (r *evaluation) streams(source *gather.Cluster, set *fact.Set) bool {
	return r.mayStream(source) && len(set.Workloads) > streamedWorkloads && onlyOfCluster(set)
}

// mayStream is what streams asks before anything is read.
func (r *evaluation) mayStream(source *gather.Cluster) bool {
	return r.spec.Command == "pods" && !r.env.keepsAll && source.Level == "" && !source.Net && r.report.saveFacts == "" && r.report.vulnerabilities == "" && r.report.writePatches == "" &&
		r.report.whatIf == ""
}

func onlyOfCluster(set *fact.Set) bool {
	return !slices.ContainsFunc(set.Gaps, func(g fact.Gap) bool { return g.Subject.Kind != fact.SubjectCluster })
}

// finishStream judges and prints what was gathered, and drops each workload as it is judged.
func (r *evaluation) finishStream(got *gather.Gathered) error {
	var spill spilling
	defer spill.close()
	defer debug.SetGCPercent(debug.SetGCPercent(streamGC))
	r.setScope(got)
	stream := checks.NewStream(r.plan(), got.Set, checks.StreamOptions{Passes: r.showsPasses(), Together: true, Spill: spill.open})
	workloads := got.Set.Workloads
	got.Set.Workloads = nil
	for i := range workloads {
		stream.Add(workloads[i : i+1])
		workloads[i] = fact.Workload{}
	}
	return r.present(got.Set, stream.Finish(got.Set))
}

// streamGC is how much the heap may grow, in percent, before garbage is collected while what a
// cluster has is judged. What files declare is decoded and dropped as it is judged: little stays,
// so that more may be garbage.
const (
	streamGC = 50
	filesGC  = 150
)

// arrivingBatch is how many workloads of a cluster are judged at once while others are read: of
// so few, what they were judged by and what is found take little memory next to a page of pods.
const arrivingBatch = 256

// showsPasses reports whether some output of the run shows passes.
func (r *evaluation) showsPasses() bool {
	if r.report.mapping != "" { // controls count them
		return true
	}
	if formats.ShowsPasses(r.report.output, r.report.showPasses) {
		return true
	}
	return slices.ContainsFunc(r.report.outputFile, func(output string) bool {
		format, _, _ := formats.SplitFile(output)
		return formats.ShowsPasses(format, r.report.showPasses)
	})
}

// gatherCluster adds the connection and the probe's settings to a cluster's
// source, and gathers.
func (r *evaluation) gatherCluster(ctx context.Context, source *gather.Cluster, probe *probeFlags, flags *genericclioptions.ConfigFlags) error {
	config, err := restConfig(r.env, flags)
	if err != nil {
		return err
	}
	r.context, r.kubeconfig = contextOf(flags)
	progress := r.env.newProgress(r.env.showsProgress(r.report.progress), "measuring nodes")
	source.User = true
	r.env.asksFirst(source, probe.yes)
	source.Name, source.Config, source.Getter = clusterName(flags), config, flags
	source.NoProbe, source.Probe, source.Warn = probe.noProbe, probe.options(r.env), r.env.warnLine
	source.Probe.Guard, source.Probe.Progress = guardStarter(flags), progress.update
	var (
		stream *checks.Stream
		spill  spilling
	)
	defer spill.close()
	if r.mayStream(source) {
		defer debug.SetGCPercent(debug.SetGCPercent(streamGC))
		source.Start = func(set *fact.Set, scope *api.Scope) func([]fact.Workload) {
			if !onlyOfCluster(set) {
				return nil
			}
			r.report.addPlatform(set)
			stream = checks.NewStream(r.planOf(gather.Narrowed(r.spec.Command, scope, set)), set, checks.StreamOptions{
				Passes: r.showsPasses(), Together: true, Arriving: true, Batch: arrivingBatch, Spill: spill.open,
			})
			return stream.Add
		}
	}
	got, err := source.Gather(ctx)
	progress.finish() // before anything else is printed
	if err != nil {
		return err
	}
	if got.Streamed {
		r.env.streamed = true
		r.setScope(got)
		return r.present(got.Set, stream.Finish(got.Set))
	}
	// A stream that was begun has only a part, if the lists were in no order: it is dropped.
	if r.streams(source, got.Set) {
		return r.finishStream(got)
	}
	return r.finish(ctx, got)
}

// finish compares what was gathered with a database if one was given, judges and
// prints it. It warns about objects that could not
// be removed from the cluster. They do not change the exit status, which is about
// the report.
func (r *evaluation) finish(ctx context.Context, got *gather.Gathered) error {
	err := r.compare(ctx, got)
	if err == nil {
		err = r.judge(got)
	}
	if got.Leftover != nil {
		r.env.warn("warning: %v", got.Leftover)
	}
	return err
}

// compare adds to the facts what the database of --vulnerabilities says. Saved facts
// can be older than it.
func (r *evaluation) compare(ctx context.Context, got *gather.Gathered) error {
	if r.report.vulnerabilities == "" {
		if got.Saved != nil { // they hold what the database of the other run said
			r.spec.Inputs.Vulnerabilities = got.Saved.Inputs.Vulnerabilities
		}
		return nil
	}
	digest, err := gather.Digest(ctx, r.report.vulnerabilities)
	if err != nil {
		return fmt.Errorf("--vulnerabilities: %w", err)
	}
	r.spec.Inputs.Vulnerabilities = digest
	return gather.AddVulnerabilities(ctx, got.Set, r.report.vulnerabilities, r.judgedAt(got))
}

// judgedAt is the time against which facts are judged.
func (r *evaluation) judgedAt(got *gather.Gathered) time.Time {
	if r.at.IsZero() {
		r.at = got.Set.CollectedAt.Time
		if got.Saved != nil && r.report.vulnerabilities != "" {
			r.at = r.env.now()
		}
		r.at = r.at.UTC().Truncate(time.Second)
	}
	return r.at
}

// judge saves facts, judges them, prints the report to every output that was asked
// for, and returns the exit status.
func (r *evaluation) judge(got *gather.Gathered) error {
	set := got.Set
	r.setScope(got)
	if r.report.saveFacts != "" {
		err := writeKept(r.report.saveFacts, r.report.keepFacts, func(out io.Writer) error {
			digester := gather.NewDigester(out)
			if err := gather.WriteFacts(digester, report.RunName(set), r.spec, set); err != nil {
				return err
			}
			r.spec.Inputs.Facts = digester.Digest()
			return nil
		})
		if err != nil {
			return err
		}
	}
	return r.present(set, checks.Judge(r.plan(), set))
}

// setScope says in the report what was looked at.
func (r *evaluation) setScope(got *gather.Gathered) {
	set, command := got.Set, r.spec.Command
	r.report.addPlatform(set)
	if got.Saved != nil {
		command = got.Saved.Command // its scope selects objects of that command's kind
	}
	selected := r.spec.Scope.Checks
	r.spec.Inputs.Facts, r.spec.Inputs.Severity = got.Digest, api.Severity(r.report.severity)
	r.spec.Inputs.JudgedAt = r.judgedAt(got).Format(time.RFC3339)
	r.spec.Scope = got.Scope
	r.spec.Scope.Checks = selected
	r.spec.Scope.Narrowed = gather.Narrowed(command, &r.spec.Scope, set)
	r.spec.Scope.LeftOutChecks = leftOut(slices.DeleteFunc(slices.Clone(r.checks), func(c checks.Check) bool { return !c.Ready(set) }))
	r.spec.Scope.ControlPlaneNodes = set.ControlPlaneNodes
	r.spec.Scope.PlatformNamespaces = set.PlatformNamespaces
}

// plan is what the facts are judged by, once the scope is set.
func (r *evaluation) plan() checks.Plan { return r.planOf(r.spec.Scope.Narrowed) }

// planOf is the plan of a run that looks at a part of the cluster.
func (r *evaluation) planOf(narrowed string) checks.Plan {
	plan := catalogue.Plan(r.checks, narrowed)
	plan.WhatIf = r.report.whatIf != ""
	plan.Waivers, plan.JudgedAt, plan.Drafts = r.waivers, r.at, r.drafts
	return plan
}

// present prints the report to every output that was asked for, and returns the exit status.
func (r *evaluation) present(set *fact.Set, judgement *checks.Judgement) error {
	if err := r.writeDrafts(set); err != nil {
		return err
	}
	r.spec.Waivers = judgement.Waivers
	built := report.Stream(r.spec, set, judgement)
	built.Head.Checks = catalogue.Describe(slices.DeleteFunc(slices.Clone(r.checks), func(c checks.Check) bool { return !c.Ready(set) }))
	if r.lines != nil {
		built.Place = placer(r.lines)
	}
	if err := r.patch(set, judgement, built); err != nil {
		return err
	}
	ofNodes := func() []api.ReportNode {
		plan := r.plan()
		plan.Drafts = nil // they are about the whole run
		return report.Nodes(plan, set, built.Head.Gaps)
	}
	if built.Head.Cluster.MeasuredNodes > 0 {
		built.OfNodes = ofNodes
	}
	if r.spec.Command == "nodes" {
		head := built.Head
		head.Nodes = ofNodes()
		if n := len(head.Nodes); n == 1 && (len(r.spec.Scope.Names) == 1 || r.spec.Scope.Local) {
			// One node was asked for by its name, or is this machine: in full.
			head.Nodes[0].Containers, head.Nodes[0].ContainerCount = report.Containers(set, set.Nodes[0].Name, driftState)
		}
	}
	if err := r.print(built); err != nil {
		return err
	}
	if r.push != nil && judgement.Err() == nil {
		if err := r.push(built); err != nil {
			return err
		}
	}
	err := r.exit(built)
	if wrong := judgement.Err(); wrong != nil {
		return wrong // the findings are not complete
	}
	return err
}

// driftState is the state of a container for question 6.
func driftState(v *checks.View, r checks.Running) string { return drift.StateOf(v, r).String() }

// placer returns a function that says where in a file a finding is: where its evidence is, or its
// subject.
func placer(lines *manifest.Lines) func(*api.Finding) (report.Place, bool) {
	// Pipelines name files from the root, and run in the directory of their repository.
	here, err := os.Getwd()
	below := func(file string) string {
		if err != nil || !filepath.IsAbs(file) {
			return file
		}
		if rel, err := filepath.Rel(here, file); err == nil && filepath.IsLocal(rel) {
			return rel
		}
		return file
	}
	return func(f *api.Finding) (report.Place, bool) {
		at, found := manifest.Position{}, false
		for i := range f.Evidence {
			if at, found = lines.At(f.Evidence[i].Source); found {
				break
			}
		}
		if !found {
			at, found = lines.Of(&f.Subject)
		}
		return report.Place{File: below(at.File), Line: at.Line, Column: at.Column, EndLine: at.Line, EndColumn: at.End}, found
	}
}

func (r *evaluation) print(built *report.Report) error {
	if r.stopped != nil && r.stopped() != nil && slices.ContainsFunc(built.Head.Gaps, func(g fact.Gap) bool { return g.Reason == fact.Interrupted }) {
		r.stopped = nil // a run that was interrupted while it measured reports what it has
	}
	opts := report.Options{
		NoHeaders:    r.report.noHeaders,
		MinSeverity:  api.Severity(r.report.severity),
		Summary:      r.summary,
		ShowPasses:   r.report.showPasses,
		AllowUnknown: r.report.allowUnknown,
		Limit:        r.report.limit,
		Mapping:      r.report.mapping,
		Catalogue:    catalogue.All(),
		Wide:         r.env.again("-o wide"),
		Expand:       r.env.expand,
	}
	err := r.report.write(func(out io.Writer, format string) error {
		printer, err := formats.NewPrinter(format, opts)
		if err != nil {
			return err
		}
		return report.Print(r.stoppable(out), printer, built)
	})
	if err != nil {
		return err
	}
	opts.Color = r.env.colored(r.report.color)
	opts.Width = r.env.OutWidth
	printer, err := formats.NewPrinter(r.report.output, opts)
	if err != nil {
		return err
	}
	out := &watchedWriter{Writer: r.stoppable(r.out)}
	err = report.Print(out, printer, built)
	if out.failed { // a full disk or a closed pipe
		return fmt.Errorf("writing the report: %w", err)
	}
	return err // nil, or what a template does not accept
}

// watchedWriter is a writer that remembers whether a write failed.
type watchedWriter struct {
	io.Writer
	failed bool
}

func (o *watchedWriter) Write(text []byte) (int, error) {
	n, err := o.Writer.Write(text)
	o.failed = o.failed || err != nil
	return n, err
}

// stoppable is a writer that fails once the run was interrupted. To write a large report takes long.
func (r *evaluation) stoppable(out io.Writer) io.Writer {
	if r.stopped == nil {
		return out
	}
	return stoppable{out, r.stopped}
}

type stoppable struct {
	out     io.Writer
	stopped func() error
}

// Write writes, or returns why the run was interrupted.
func (w stoppable) Write(data []byte) (int, error) {
	if err := w.stopped(); err != nil {
		return 0, err
	}
	return w.out.Write(data)
}

// writable reports before a run an error that writeFile would only find after it.
func writable(path string) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("writing %q: it is a directory", path)
	case err == nil:
		return nil
	}
	if _, err := os.Stat(filepath.Dir(target(path))); err != nil {
		return fmt.Errorf("writing %q: %w", path, gather.Cause(err))
	}
	return nil
}

// writeFile writes to a temporary name and renames it, so that a file under the
// final name is always complete. Only its owner can read it, because findings name
// weaknesses. If the path exists and is not a file (/dev/stdout, a pipe), writeFile
// writes to it directly. It follows links.
func writeFile(path string, write func(io.Writer) error) (err error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return writeTo(path, write)
	}
	target := target(path)
	const mostName = 200 // of the 255 bytes that a name has in most file systems
	name := filepath.Base(target)
	name = strings.ToValidUTF8(name[:min(len(name), mostName)], "")
	file, err := os.CreateTemp(filepath.Dir(target), "."+name+".*")
	if err != nil {
		return fmt.Errorf("writing %q: %w", path, gather.Cause(err))
	}
	defer func() {
		if err != nil {
			_ = file.Close()
			_ = os.Remove(file.Name())
			err = fmt.Errorf("writing %q: %w", path, gather.Cause(err))
		}
	}()
	if err := write(file); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), target)
}

// writeTo writes to a device or pipe.
func writeTo(path string, write func(io.Writer) error) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("writing %q: %w", path, gather.Cause(err))
	}
	if err := errors.Join(write(file), file.Close()); err != nil {
		return fmt.Errorf("writing %q: %w", path, gather.Cause(err))
	}
	return nil
}

// exit applies the contract's exit statuses to a report.
func (r *evaluation) exit(built *report.Report) error {
	if r.report.failOn == "" {
		return nil
	}
	threshold := api.Severity(r.report.failOn).Rank()
	partial := len(built.Head.Gaps) > 0
	for f := range built.Each {
		if f.Verdict == api.Fail && f.Severity.Rank() >= threshold {
			return &ExitError{Code: ExitFindings}
		}
		partial = partial || f.Open()
	}
	if partial && !r.report.allowUnknown {
		return &ExitError{Code: ExitPartial}
	}
	return nil
}

// Env is the environment of a command. Tests can replace it.
type Env struct {
	Streams genericiooptions.IOStreams
	// Name is how the user calls the plugin: "kubectl checklist".
	Name string
	// Program is the path or the name by which the plugin's file was started.
	Program string
	// Version is this build's version, such as "v0.1.0". ReleaseImage is its probe
	// image by digest, or "" if no image was published.
	Version      string
	ReleaseImage string

	Getenv func(string) string
	// Now is the time as of which waivers are judged. Nil means time.Now.
	Now func() time.Time
	// InIsTerminal, OutIsTerminal and ErrIsTerminal report whether stdin, stdout and stderr are
	// terminals.
	InIsTerminal, OutIsTerminal, ErrIsTerminal bool
	// CacheDir returns the user's directory for caches. If it is nil or fails, nothing is
	// remembered.
	CacheDir func() (string, error)
	// OutWidth is the terminal's width in columns, or 0 without a terminal.
	OutWidth int

	// dropTyped drops what was typed on the terminal and not read yet; nil drops nothing.
	dropTyped func()
	// user is the command line, after it was parsed.
	user invocation
	// server names the API server in messages. It is set with the configuration.
	server string
	// answered is set once a server has answered.
	answered atomic.Bool
	// keepsAll judges no workload before all are read, and streamed is set if that was done, both
	// for tests.
	keepsAll, streamed bool
	// patience is how long a server may be silent. Zero means usualPatience.
	patience patience
	// dial makes the connections to a server. nil means the network.
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	// measuring is set while the progress bar of the probes uses the terminal's
	// last line.
	measuring atomic.Bool
}

func (e *Env) now() time.Time {
	if e.Now != nil {
		return e.Now()
	}
	return time.Now()
}

// colored reports whether to use colour. It looks at the flag, then NO_COLOR,
// CLICOLOR_FORCE, and whether stdout is a terminal and not a dumb one.
func (e *Env) colored(flag string) bool {
	switch {
	case flag == "always":
		return true
	case flag == "never", e.Getenv("NO_COLOR") != "":
		return false
	case e.Getenv("CLICOLOR_FORCE") != "" && e.Getenv("CLICOLOR_FORCE") != "0":
		return true
	}
	return e.OutIsTerminal && e.Getenv("TERM") != "dumb"
}

// showsProgress reports whether to show progress, which goes only to stderr.
func (e *Env) showsProgress(flag string) bool {
	switch flag {
	case "always":
		return true
	case "never":
		return false
	}
	return e.ErrIsTerminal && e.Getenv("TERM") != "dumb"
}

// warn prints one line to stderr. Text from a server or a webhook is as untrusted
// there as in a report. Commands in the line get the user's own flags.
func (e *Env) warn(format string, args ...any) {
	fmt.Fprintln(e.Streams.ErrOut, e.expand(escape.Line(weburl.Clean(fmt.Sprintf(format, args...))))) //nolint:errcheck // nowhere to report it
}

// warnLine prints a complete line.
func (e *Env) warnLine(line string) { e.warn("%s", line) }
