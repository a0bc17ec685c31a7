package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/manifest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/gather"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/remedy"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/remedy/mend"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/screen"
)

// forFlags say about which object to explain a check, and where that is.
type forFlags struct {
	object string // TYPE/NAME
	files  manifest.Files
	facts  string
}

func (f *forFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.object, "for", "", "Show the findings of the check about this object, as TYPE/NAME, and the patch that answers them.")
	flags.StringSliceVarP(&f.files.Filenames, "filename", "f", nil, "With --for: manifests that declare the object.")
	flags.StringVarP(&f.files.Kustomize, "kustomize", "k", "", "With --for: a kustomization directory that declares the object.")
	flags.BoolVarP(&f.files.Recursive, "recursive", "R", false, "With --for: read the directories of -f recursively.")
	flags.StringVar(&f.facts, "facts", "", "With --for: facts that --save-facts wrote; no cluster is contacted.")
}

func (f *forFlags) validate(args []string) error {
	if f.object == "" {
		switch {
		case f.facts != "":
			return errors.New("--facts needs --for")
		case !f.files.Empty():
			return errors.New("-f and -k need --for")
		}
		return nil
	}
	if len(args) == 0 {
		return errors.New("--for needs a check: explain CHECK --for TYPE/NAME")
	}
	kind, name, ok := strings.Cut(f.object, "/")
	switch {
	case !ok || kind == "" || name == "" || strings.Contains(name, "/"):
		return fmt.Errorf("--for: expected TYPE/NAME, found %q", f.object)
	case f.facts != "" && !f.files.Empty():
		return errors.New("-f and --facts cannot be used together")
	case f.files.Kustomize != "" && len(f.files.Filenames) > 0:
		return errors.New("-f and -k cannot be used together")
	}
	return nil
}

// aboutObject prints the findings of a check about an object, and what answers them. It judges
// by all checks, because the changes of one owner belong together.
func (e explanation) aboutObject(ctx context.Context, env *Env, config *genericclioptions.ConfigFlags, f *forFlags, id string) error {
	known := slices.ContainsFunc(catalogue.All(), func(c checks.Check) bool { return c.ID == id })
	if !known {
		if _, question := questionCalled(id); question {
			return fmt.Errorf("--for needs one check, and %q is a question", id)
		}
		return unknownCheck("no check", id)
	}
	r, got, err := f.gather(ctx, env, config)
	if err != nil {
		return err
	}
	r.setScope(got)
	judgement := checks.Judge(r.plan(), got.Set)
	planner, err := newPlanner(got.Set, judgement, &r.spec)
	if err != nil {
		return err
	}
	about := f.matcher(config, got.Set)
	object := &objectPage{explanation: e, id: id, planner: planner}
	seen := false
	for finding := range report.Stream(r.spec, got.Set, judgement).Each {
		if !about(&finding.Subject) {
			continue
		}
		seen = true
		if finding.Check == id {
			object.findings = append(object.findings, finding)
		}
	}
	if !seen && !slices.ContainsFunc(got.Set.Workloads, func(w fact.Workload) bool { return about(&w.Owner) }) {
		return fmt.Errorf("--for: no object %q was read", f.object)
	}
	for _, p := range planner.Plans() {
		if about(&p.Owner) {
			object.plans = append(object.plans, p)
		}
	}
	return object.print()
}

// gather reads the facts from where the flags say, without measuring.
func (f *forFlags) gather(ctx context.Context, env *Env, config *genericclioptions.ConfigFlags) (*evaluation, *gather.Gathered, error) {
	flags := reportFlags{progress: "auto", color: "auto"}
	if f.facts != "" {
		source := gather.Saved{Path: f.facts, Warn: env.warnLine}
		got, err := source.Gather(ctx)
		if err != nil {
			return nil, nil, err
		}
		r, err := newEvaluation(ctx, env, flags, got.Saved.Command, checksOf(got.Saved.Command, *got.Saved))
		return r, got, err
	}
	r, err := newEvaluation(ctx, env, flags, "pods", podChecks(false, f.files.Empty()))
	if err != nil {
		return nil, nil, err
	}
	if !f.files.Empty() {
		pods := podsFlags{files: f.files}
		pods.files.Objects = true
		source, err := pods.manifests(env, config)
		if err != nil {
			return nil, nil, err
		}
		source.Files.Objects = true
		got, err := source.Gather(ctx)
		return r, got, err
	}
	scope := scopeFlags{}
	namespace, err := scope.namespaceOf(config, false)
	if err != nil {
		return nil, nil, err
	}
	source := &gather.Cluster{
		Kinds: r.kinds(), Lists: []fact.Kind{fact.Pods}, Namespace: namespace, Names: []string{f.object}, Objects: true,
		Name: clusterName(config), Getter: config, Warn: env.warnLine,
	}
	if source.Config, err = restConfig(env, config); err != nil {
		return nil, nil, err
	}
	got, err := source.Gather(ctx)
	return r, got, err
}

// matcher tells whether a subject is the object, or one of its containers. A cluster has read the
// object that was named and nothing else; it may be a pod of the subject.
func (f *forFlags) matcher(config *genericclioptions.ConfigFlags, set *fact.Set) func(*fact.Subject) bool {
	if f.facts == "" && f.files.Empty() {
		owners := map[fact.SubjectKey]bool{}
		for i := range set.Workloads {
			owner := set.Workloads[i].Owner
			owners[owner.Identity()] = true
		}
		return func(s *fact.Subject) bool {
			of := *s
			of.Container, of.Node = "", ""
			return owners[of.Identity()]
		}
	}
	kind, name, _ := strings.Cut(f.object, "/")
	kind = kindWord(kind)
	return func(s *fact.Subject) bool {
		if s.Name != name || !isKind(kind, s.Kind) {
			return false
		}
		return config.Namespace == nil || *config.Namespace == "" || s.Namespace == "" || s.Namespace == *config.Namespace
	}
}

// objectPage is what explain prints of an object.
type objectPage struct {
	explanation
	id       string
	planner  *remedy.Planner
	findings []api.Finding
	plans    []remedy.Plan
}

func (o *objectPage) print() error {
	var b strings.Builder
	line := func(format string, args ...any) { b.WriteString(escape.Line(fmt.Sprintf(format, args...)) + "\n") }
	prose := func(text string) { b.WriteString(screen.Indent(escape.Line(text), "  ", o.prose()) + "\n") }
	line("CHECK: %s", o.id)
	if len(o.findings) == 0 {
		b.WriteString("\nThe check has no finding about it.\n")
	}
	failing := false
	for i := range o.findings {
		f := &o.findings[i]
		failing = failing || f.Verdict == api.Fail
		b.WriteByte('\n')
		subject := strings.Join(slices.DeleteFunc([]string{f.Subject.Kind, f.Subject.Namespace, f.Subject.Name}, func(s string) bool { return s == "" }), " ")
		if f.Subject.Container != "" {
			subject += " container " + f.Subject.Container
		}
		head := strings.ToUpper(string(f.Verdict))
		if f.Verdict == api.Fail || f.Verdict == api.Accepted {
			head += " " + string(f.Severity)
		}
		line("%s: %s", head, subject)
		prose(f.Message)
		for _, e := range f.Evidence {
			line("  %s: %s (%s)", e.Source, e.Value, e.Basis)
		}
	}
	if failing {
		o.answer(&b, line, prose)
	}
	_, err := o.out.Write([]byte(b.String()))
	return err
}

// answer prints what answers the failing findings.
func (o *objectPage) answer(b *strings.Builder, line func(string, ...any), prose func(string)) {
	patches := remedy.Patches(o.plans)
	shown := map[*api.Patch]bool{}
	for i := range o.findings {
		f := &o.findings[i]
		patch := patches.For(f)
		if f.Verdict != api.Fail || patch == nil || shown[patch] {
			continue
		}
		shown[patch] = true
		word := "try it"
		if patch.Safe {
			word = "safe"
		}
		b.WriteByte('\n')
		line("PATCH of %s (%s)", strings.TrimSpace(patch.Namespace+" "+patch.Target), word)
		prose("It has all changes of this object, because some are refused without others. Of the finding:")
		for j := range o.plans {
			if p := &o.plans[j]; p.All == patch || p.Safe == patch {
				for _, m := range p.Mends {
					if slices.Contains(m.Checks, o.id) {
						prose(remedy.Describe(&m))
					}
				}
			}
		}
		if patch.Upstream != "" {
			line("  It is not for kubectl: managed by %s", patch.Upstream)
		}
		for _, operation := range patch.Operations {
			line("    %s", remedy.Operation(&operation))
		}
	}
	var texts []string
	say := func(text string) {
		if text != "" && !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	for i := range o.plans {
		p := &o.plans[i]
		if p.Way != remedy.Apply {
			say(p.Why)
		}
		say(p.Reach)
		for _, t := range p.Texts {
			if !slices.Contains(t.Checks, o.id) {
				continue
			}
			if t.Container != "" {
				say("Container " + t.Container + ": " + t.Text)
			} else {
				say(t.Text)
			}
		}
	}
	if entry, known := mend.Lookup(o.id); known && entry.Kind == mend.Commands {
		for _, book := range o.planner.Runbooks() {
			if book.Node == "" || slices.ContainsFunc(o.findings, func(f api.Finding) bool { return f.Subject.Name == book.Node || f.Subject.Node == book.Node }) {
				b.WriteString("\nCOMMANDS\n" + book.Script())
			}
		}
	}
	if len(shown) == 0 && len(texts) == 0 {
		for i := range o.findings {
			say(o.expand(o.findings[i].Remediation.Text))
		}
	}
	if len(texts) > 0 {
		b.WriteString("\nWHAT TO DO\n")
		for _, text := range texts {
			prose(text)
		}
	}
}
