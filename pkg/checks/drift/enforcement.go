package drift

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// Enforcement fails a namespace in which nothing refuses a pod with a writable root file
// system. Source: the API server's answers to pods that it is asked to create in dry runs
// (fact.DryRun); where there are none, what ValidatingAdmissionPolicies declare.
var Enforcement = checks.Check{
	ID:       "drift/enforcement",
	Title:    "Something refuses pods that can drift",
	Severity: api.Medium,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Pods, fact.Enforcing},
	Scope:    checks.ScopeWorkload, // its severity takes all that was read of containers
	Why: "Pods that are safe today say nothing about the next one. A policy at admission that demands a read-only root keeps out every pod " +
		"whose root can drift. Pod Security does not: no level of it asks for a read-only root. A policy that only audits or warns refuses nothing, " +
		"and an engine without such a rule is no evidence. So the API server is asked: it gets pods in dry runs (dryRun=All), which it stores " +
		"nowhere. One pod is perfect. The others differ from it in one field: the container's readOnlyRootFilesystem is not set, is false, or is " +
		"not set for an init container. A namespace passes if each of these is refused, or made read-only, and the perfect pod is allowed. " +
		"If the perfect pod is refused too, that proves nothing. Where the server was not asked, the listed ValidatingAdmissionPolicies are computed, " +
		"which is no more than a declaration. What policy engines and runtime agents say of themselves is named, and passes nothing. The answers are for this user and for pods that are made directly: a policy " +
		"can exempt others, such as the service accounts of controllers. Ephemeral containers were not tried: they need a pod that exists.",
	Remediation: "Require readOnlyRootFilesystem: true of all containers, init containers and ephemeral containers with an admission policy: a " +
		"ValidatingAdmissionPolicy needs nothing installed. Bind it with validationActions [Audit] first, mend what it reports, then bind it with [Deny].",
	References: []string{
		"https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/",
		"https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run",
		"https://kubernetes.io/docs/concepts/security/pod-security-standards/",
	},
	// What a server says counts for more than what policies declare, and a namespace in which
	// it was asked needs no more.
	Excuse: func(v *checks.View, g fact.Gap) bool {
		return g.What == fact.Enforcing && v.Enforcement != nil && newEnforcement(v).allTried()
	},
	Across: func(v *checks.View) checks.Across { return newEnforcement(v) },
	Judge:  judgeEnforcement,
}

func judgeEnforcement(v *checks.View) []api.Finding {
	if v.Enforcement == nil {
		return nil
	}
	e := newEnforcement(v)
	for i := range v.Workloads {
		e.Add(&v.Workloads[i])
	}
	return e.Findings(v)
}

// enforcement judges the namespaces of workloads (checks.Across).
type enforcement struct {
	view  *checks.View
	tried map[string]*fact.DryRun
	// predicted is what ValidatingAdmissionPolicies say, computed and not asked.
	predicted map[string]*fact.DryRun
	spaces    map[string]*space
	// gap is the first of the whole cluster that says why a namespace was not tried; nil if none does.
	gap *fact.Gap
	// present is on how many nodes an agent is, by its place in the list.
	present map[int]string
	// prevented are the pods that run, all of whose containers were measured and are PREVENTED;
	// false for others that were measured.
	prevented map[*fact.Pod]bool
}

// space is a namespace with workloads.
type space struct {
	running int // pods
	open    int // of them, not all of whose containers were measured and are PREVENTED
}

func newEnforcement(v *checks.View) *enforcement {
	e := &enforcement{spaces: map[string]*space{}}
	e.see(v)
	return e
}

// see takes what was read about the cluster.
func (e *enforcement) see(v *checks.View) {
	e.view, e.tried, e.predicted, e.gap, e.present = v, nil, nil, nil, nil
	if v.Enforcement != nil {
		e.tried, e.predicted = byNamespace(v.Enforcement.DryRuns), byNamespace(v.Enforcement.Predicted)
	}
	if i := slices.IndexFunc(v.Gaps, func(g fact.Gap) bool { return g.What == fact.Enforcing && g.Subject.Kind == fact.SubjectCluster }); i >= 0 {
		e.gap = &v.Gaps[i]
	}
}

// byNamespace finds answers; the first of a namespace counts.
func byNamespace(list []fact.DryRun) map[string]*fact.DryRun {
	out := make(map[string]*fact.DryRun, len(list))
	for i := range list {
		if d := &list[i]; out[d.Namespace] == nil {
			out[d.Namespace] = d
		}
	}
	return out
}

// allTried reports whether the server was asked in the namespaces of all workloads.
func (e *enforcement) allTried() bool {
	return !slices.ContainsFunc(e.view.Workloads, func(w fact.Workload) bool {
		return w.Owner.Namespace != "" && e.tried[w.Owner.Namespace] == nil
	})
}

// measure finds the pods that are PREVENTED. It is needed only where something fails.
func (e *enforcement) measure() {
	e.prevented = map[*fact.Pod]bool{}
	seen, unseen := checks.RunningContainers(e.view, stateKinds[0])
	for _, r := range seen {
		if r.Pod == nil {
			continue
		}
		before, known := e.prevented[r.Pod]
		e.prevented[r.Pod] = (before || !known) && StateOf(e.view, r) == Prevented
	}
	for _, r := range unseen {
		e.prevented[r.Pod] = false
	}
}

// Add counts a workload's pods for its namespace.
func (e *enforcement) Add(w *fact.Workload) {
	name := w.Owner.Namespace
	if name == "" {
		return // a template of the cluster: where its pods will be is not said
	}
	s := e.spaces[name]
	if s == nil {
		s = &space{}
		e.spaces[name] = s
	}
	if e.prevented == nil {
		e.measure()
	}
	for i := range w.Pods {
		p := &w.Pods[i]
		if p.Phase == "Succeeded" || p.Phase == "Failed" {
			continue
		}
		s.running++
		if !e.prevented[p] {
			s.open++
		}
	}
}

// Findings are those about the namespaces, sorted by name.
func (e *enforcement) Findings(v *checks.View) []api.Finding {
	if v.Enforcement == nil {
		return nil // a gap says so
	}
	e.see(v)
	names := make([]string, 0, len(e.spaces))
	for name := range e.spaces {
		names = append(names, name)
	}
	slices.Sort(names)
	findings := make([]api.Finding, 0, len(names))
	for _, name := range names {
		f, said := e.finding(name)
		claims, blocks := e.claims(name)
		if len(blocks) > 0 && e.tried[name] == nil && f.Verdict == api.VerdictUnknown {
			// It is named, so that the user knows what to measure.
			f.Message, said = f.Message+"; "+strings.Join(blocks, ", ")+", which is no evidence", true
		}
		if !said {
			continue
		}
		if f.Verdict != api.Pass || f.Basis != api.Measured {
			f.Evidence = append(f.Evidence, claims...)
		}
		f.Subject = fact.Subject{Kind: fact.SubjectNamespace, Name: name}
		findings = append(findings, f)
	}
	return findings
}

// finding is the one about a namespace. Said is false if only a gap of the cluster speaks for it.
func (e *enforcement) finding(name string) (f api.Finding, said bool) {
	tried, predicted := e.tried[name], e.predicted[name]
	if tried != nil {
		f = e.judge(tried, e.spaces[name])
		if f.Verdict != api.VerdictUnknown || tried.Reason == "" || tried.Reason == fact.NotOurs {
			return f, true // where the server answered, what policies declare adds nothing
		}
	}
	if predicted != nil {
		if p, said := e.predict(predicted); said && (tried == nil || p.Verdict == api.Pass) {
			p.Evidence = append(p.Evidence, f.Evidence...)
			return p, true
		}
	}
	if tried != nil {
		return f, true
	}
	f = api.Finding{
		Verdict: api.VerdictUnknown, Reason: fact.NotRequested, Message: "the API server was not asked what it refuses there",
		Evidence: []api.Evidence{{Source: "facts enforcement.dryRuns", Value: "none of this namespace"}},
	}
	if e.gap != nil {
		f.Reason = e.gap.Reason
	}
	return f, e.gap == nil
}

// predict judges what policies say of the pods of a dry run. Said is false if they refuse nothing:
// webhooks, and policies that no list shows, may.
func (e *enforcement) predict(d *fact.DryRun) (f api.Finding, said bool) {
	f.Basis = api.Declared
	writable := []fact.DryRunAnswer{d.Unset, d.Writable, d.Init}
	for i, try := range tries {
		if answer := try.answer(d); answer != "" {
			f.Evidence = append(f.Evidence, api.Evidence{
				Source: "validatingadmissionpolicies, predicted for namespace/" + d.Namespace + " " + try.field, Value: value(d, i, answer), Basis: api.Declared,
			})
		}
	}
	switch {
	case slices.Contains(append(writable, d.Perfect), fact.DryRunOther):
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, d.Reason, "what policies refuse cannot be predicted: "+orUnsaid(d.Detail)
	case !known(writable):
		return f, false
	case d.Perfect == fact.DryRunAllowed:
		f.Verdict, f.Message = api.Pass, "policies declare that pods with a writable root are "+stoppedBy(d)+"; no dry run shows it"
	default:
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.AdmissionDenied, "policies refuse the perfect pod too, which proves nothing about its root"
	}
	return f, true
}

// The pods of a dry run as messages and evidence name them.
var tries = []struct {
	answer func(*fact.DryRun) fact.DryRunAnswer
	field  string
	words  string
}{
	{func(d *fact.DryRun) fact.DryRunAnswer { return d.Unset }, "spec.containers[1].securityContext.readOnlyRootFilesystem not set", "a pod that does not set readOnlyRootFilesystem"},
	{func(d *fact.DryRun) fact.DryRunAnswer { return d.Writable }, "spec.containers[1].securityContext.readOnlyRootFilesystem: false", "a pod with readOnlyRootFilesystem: false"},
	{func(d *fact.DryRun) fact.DryRunAnswer { return d.Init }, "spec.initContainers[1].securityContext.readOnlyRootFilesystem not set", "a pod with an init container that does not set readOnlyRootFilesystem"},
	{func(d *fact.DryRun) fact.DryRunAnswer { return d.Perfect }, "readOnlyRootFilesystem: true", "the same pod with a read-only root"},
}

// judge judges what the API server said in one namespace.
func (e *enforcement) judge(d *fact.DryRun, s *space) api.Finding {
	f := api.Finding{Basis: api.Measured}
	refused, allowed, missing := 0, -1, false
	stopped := stoppedBy(d)
	for i, try := range tries {
		answer := try.answer(d)
		if answer == "" {
			missing = true
			continue
		}
		f.Evidence = append(f.Evidence, api.Evidence{Source: "namespace/" + d.Namespace + " create pods dryRun=All " + try.field, Value: e.said(d, i, answer)})
		if i == perfect {
			continue
		}
		switch answer {
		case fact.DryRunRefused:
			refused++
		case fact.DryRunAllowed:
			allowed = i
		}
	}
	writable := []fact.DryRunAnswer{d.Unset, d.Writable, d.Init}
	perfectRefused := d.Perfect == fact.DryRunRefused
	switch {
	case slices.Contains(append(writable, d.Perfect), fact.DryRunOther):
		f.Verdict, f.Reason = api.VerdictUnknown, d.Reason
		f.Message = "the dry run says nothing: " + orUnsaid(d.Detail)
	case allowed == 0:
		f.Verdict, f.Message = api.Fail, "nothing refuses a pod with a writable root: "+tries[0].words+" is allowed"
	case allowed > 0:
		f.Verdict, f.Message = api.Fail, tries[0].words+" is "+how(d.Unset, stopped)+", but "+tries[allowed].words+" is allowed"
	case missing && !(d.Perfect == "" && refused == 0 && !slices.Contains(writable, "")), !known(writable),
		d.Perfect != "" && d.Perfect != fact.DryRunAllowed && !perfectRefused:
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.NotPresent, "not every pod was tried"
	case perfectRefused:
		f.Verdict, f.Reason = api.VerdictUnknown, fact.AdmissionDenied
		f.Message = "the perfect pod is refused too, which proves nothing about its root"
		if d.PerfectBy != "" {
			f.Message += ": refused by " + d.PerfectBy
		}
	case refused == 0:
		f.Verdict, f.Message = api.Pass, "pods with a writable root are made read-only"+forWhom
	default:
		f.Verdict, f.Message = api.Pass, "pods with a writable root are "+stopped+forWhom
	}
	if f.Verdict == api.Fail && s.running > 0 && s.open == 0 {
		f.Severity = api.Low
		f.Message += "; every container that runs there is PREVENTED"
		f.Evidence = append(f.Evidence, api.Evidence{Source: "drift state", Value: fmt.Sprintf("PREVENTED in %s", checks.Count(s.running, "pod"))})
	}
	return f
}

// forWhom narrows a pass to what was asked: a policy can exempt other users, such as the service
// accounts of controllers. The evidence names the user.
const forWhom = ", for the user who asked"

// perfect is the index in tries of the pod with a read-only root.
const perfect = 3

// stoppedBy says who refuses writable pods.
func stoppedBy(d *fact.DryRun) string {
	if len(d.By) == 0 {
		return "refused"
	}
	return "refused by " + strings.Join(d.By, " and ")
}

// known reports whether all answers are ones of this version.
func known(answers []fact.DryRunAnswer) bool {
	return !slices.ContainsFunc(answers, func(a fact.DryRunAnswer) bool {
		return a != fact.DryRunRefused && a != fact.DryRunMadeReadOnly
	})
}

func how(answer fact.DryRunAnswer, stopped string) string {
	if answer == fact.DryRunMadeReadOnly {
		return "made read-only"
	}
	return stopped
}

// said is the value of an answer's evidence, with who asked and what.
func (e *enforcement) said(d *fact.DryRun, i int, answer fact.DryRunAnswer) string {
	value := value(d, i, answer)
	if user := e.view.Enforcement.User; user != "" {
		value += " for user " + user
	}
	if d.Image != "" {
		value += ", image " + d.Image
	}
	if d.LabelsOf != "" {
		value += ", labels of " + d.LabelsOf
	}
	return value
}

func value(d *fact.DryRun, i int, answer fact.DryRunAnswer) string {
	switch {
	case answer == fact.DryRunMadeReadOnly:
		return "allowed, and made read-only"
	case answer == fact.DryRunOther:
		return orUnsaid(d.Detail)
	case answer == fact.DryRunRefused && i == perfect && d.PerfectBy != "":
		return "refused by " + d.PerfectBy
	case answer == fact.DryRunRefused && i != perfect:
		return stoppedBy(d)
	}
	return string(answer)
}

func orUnsaid(detail string) string {
	if detail == "" {
		return "the API server gave no answer about the pod"
	}
	return detail
}
