package privileged

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/capability"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/hostpath"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/podsecurity"
)

// PodSecurityLevel says which level of the Pod Security Standards each workload reaches, by
// the official evaluator, and what each namespace enforces. The version is that of the
// namespace's label enforce-version, else the API server's minor version, else the newest
// that this build knows.
//
// A fail counts in answers only with the fields that no other check judges
// (api.Finding.CoveredBy): a privileged container is counted once.
var PodSecurityLevel = checks.Check{
	ID:       "privileged/pod-security-level",
	Title:    "Every workload reaches the restricted Pod Security Standard",
	Severity: api.Critical,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods, fact.Namespaces},
	// Manifests do not say what a cluster's namespaces enforce.
	Excuse: func(v *checks.View, g fact.Gap) bool {
		return g.What == fact.Namespaces && g.Subject.Kind == fact.SubjectCluster && noCluster(v)
	},
	Scope:    checks.ScopeWorkload,
	Evidence: 48,
	Why: "The Pod Security Standards are the measure that Kubernetes itself enforces. Baseline refuses the known ways from a container to its node, " +
		"restricted also demands what makes the next unknown way harder. A namespace that enforces no level admits a pod with every right.",
	Remediation: "Set the named fields as the restricted standard demands, then label the namespace pod-security.kubernetes.io/enforce: " +
		"with the strictest level that all its workloads reach.",
	References: []string{
		"https://kubernetes.io/docs/concepts/security/pod-security-standards/",
		"https://kubernetes.io/docs/concepts/security/pod-security-admission/",
		"https://kubernetes.io/docs/tasks/configure-pod-container/enforce-standards-namespace-labels/",
	},
	Judge: judgePodSecurityLevel,
	Across: func(v *checks.View) checks.Across {
		if len(v.Namespaces) == 0 || !v.FieldsRead {
			return nil
		}
		return newPodSecurityLevels(v)
	},
}

func noCluster(v *checks.View) bool {
	return v.Cluster.Server == "" && v.Cluster.Version == "" && len(v.Nodes) == 0
}

func judgePodSecurityLevel(v *checks.View) []api.Finding {
	if earlier := v.FieldsUnread(); len(earlier) > 0 {
		return earlier
	}
	levels := newPodSecurityLevels(v)
	findings := make([]api.Finding, 0, len(v.Workloads)+len(v.Namespaces))
	for i := range v.Workloads {
		findings = append(findings, levels.judge(&v.Workloads[i]))
	}
	return append(findings, levels.Findings(v)...)
}

// podSecurityLevels judges workloads one by one and counts for their namespaces (checks.Across),
// so that a workload need not be kept. It is not for concurrent use.
type podSecurityLevels struct {
	evaluator  podsecurity.Evaluator
	server     standard // of namespaces that do not name a version
	namespaces map[string]*namespaceLevels
	order      []string
}

// standard is a version of the standards, and where it is from.
type standard struct {
	version podsecurity.Version
	source  api.Evidence
	note    string // what differs from the version that was asked for
}

// String is the version that is judged, with the note: "v1.37".
func (s *standard) String() string {
	known, clamped := s.version.Known()
	words := known.String()
	if clamped {
		words += ", the newest that this build knows, for " + s.version.String()
	}
	return words + s.note
}

// namespaceLevels counts the workloads of a namespace that has labels or none.
type namespaceLevels struct {
	labels   *fact.Namespace
	standard standard
	enforce  podsecurity.Level

	workloads, unknown int
	// Refused by baseline, by restricted, and, of those with pods, by what the label enforces.
	baseline, restricted, running refused
	last                          fact.SubjectKey // the owner that was counted last
	now                           counted
}

// counted is what is counted already of one owner, which can have several specs.
type counted struct{ unknown, baseline, restricted, running bool }

// refused counts workloads. Names are the first of them by name, in whatever order they come.
type refused struct {
	count int
	names []string
}

const maxRefusedNames = 3

func (r *refused) add(name string) {
	r.count++
	at, _ := slices.BinarySearch(r.names, name)
	if at == maxRefusedNames {
		return
	}
	r.names = slices.Insert(r.names, at, name)
	r.names = r.names[:min(len(r.names), maxRefusedNames)]
}

// String is "0", or "3, namely deployment/web, ...".
func (r *refused) String() string {
	words := strconv.Itoa(r.count)
	if r.count > 0 {
		words += ", namely " + strings.Join(r.names, ", ")
	}
	if more := r.count - len(r.names); more > 0 {
		words += " and " + strconv.Itoa(more) + " more"
	}
	return words
}

// newPodSecurityLevels knows the labels of the view's namespaces. It does not look at the
// view's workloads.
func newPodSecurityLevels(v *checks.View) *podSecurityLevels {
	l := &podSecurityLevels{server: serverStandard(v.Cluster.Version), namespaces: make(map[string]*namespaceLevels, len(v.Namespaces))}
	for i := range v.Namespaces {
		labels := &v.Namespaces[i]
		if l.namespaces[labels.Name] != nil {
			continue // two files have it: the first counts, as it comes first in the order
		}
		n := &namespaceLevels{labels: labels, standard: l.server, enforce: podsecurity.Privileged}
		if labels.EnforceVersion != "" {
			version, valid := podsecurity.ParseVersion(labels.EnforceVersion)
			n.standard = standard{version: version, source: label(labels, "enforce-version", labels.EnforceVersion)}
			if !valid {
				n.standard.note = ", because the label enforce-version is not valid and counts as latest"
			}
		}
		if labels.Enforce != "" {
			n.enforce, _ = podsecurity.ParseLevel(labels.Enforce)
		}
		l.namespaces[labels.Name] = n
		l.order = append(l.order, labels.Name)
	}
	return l
}

// serverStandard is the API server's minor version: what admission takes where no label and no
// configuration names one ("latest" is its own).
func serverStandard(gitVersion string) standard {
	const source = "/version gitVersion of the API server that answered"
	if rest, ok := strings.CutPrefix(gitVersion, "v1."); ok {
		digits := rest
		if i := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
			digits = rest[:i]
		}
		if minor, err := strconv.Atoi(digits); err == nil && minor < 1000 {
			return standard{version: podsecurity.Minor(minor), source: api.Evidence{Source: source, Value: gitVersion}}
		}
	}
	return standard{version: podsecurity.Latest(), source: api.Evidence{Source: "Pod Security Standards", Value: "latest"}}
}

func label(n *fact.Namespace, mode, value string) api.Evidence {
	return api.Evidence{Source: n.Origin + " metadata.labels[pod-security.kubernetes.io/" + mode + "]", Value: cmp.Or(value, podsecurity.NotSet)}
}

// Add counts a workload for its namespace.
func (l *podSecurityLevels) Add(w *fact.Workload) {
	if n := l.namespaces[w.Owner.Namespace]; n != nil {
		result := l.evaluator.Evaluate(&w.Spec, n.standard.version)
		n.count(w, &result)
	}
}

// judge judges a workload and counts it for its namespace.
func (l *podSecurityLevels) judge(w *fact.Workload) api.Finding {
	of, n := &l.server, l.namespaces[w.Owner.Namespace]
	if n != nil {
		of = &n.standard
	}
	result := l.evaluator.Evaluate(&w.Spec, of.version)
	if n != nil {
		n.count(w, &result)
	}
	f := api.Finding{Verdict: api.Pass, Subject: checks.WorkloadSubject(w)}
	refusals := result.Refusals()
	if w.Spec.Partial != "" {
		refusals = explicit(refusals)
	}
	switch level := result.Level(); {
	case len(w.Spec.Containers) == 0 && w.Spec.Partial == "":
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.NotPresent, "no container of it was read"
		f.Evidence = []api.Evidence{{Source: checks.PodField(w, "containers"), Value: podsecurity.NotSet}}
		return f
	case len(refusals) > 0:
		l.refuse(&f, w, of, level, refusals)
	case unlistedVolume(w) != nil:
		v := unlistedVolume(w)
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.NotPresent, "the level is unknown: a volume is mounted and not listed"
		f.Evidence = []api.Evidence{{Source: checks.PodField(w, strings.TrimPrefix(v.Field, "spec.")), Value: podsecurity.NotSet}}
		return f
	case w.Spec.Partial != "":
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.NotPresent, "the level is unknown: "+w.Spec.Partial
		f.Evidence = []api.Evidence{{Source: specSource(w), Value: "a part of a pod"}}
		return f
	default:
		f.Message = "reaches restricted (" + of.String() + ")"
		f.Evidence = []api.Evidence{{Source: specSource(w), Value: "nothing that restricted refuses"}}
	}
	f.Evidence = append(f.Evidence, of.source)
	return f
}

// unlistedVolume is a volume that is mounted and not listed; nil if there is none.
func unlistedVolume(w *fact.Workload) *fact.Volume {
	for i := range w.Spec.Volumes {
		if v := &w.Spec.Volumes[i]; v.Source == fact.VolumeUnlisted {
			return v
		}
	}
	return nil
}

func specSource(w *fact.Workload) string { return w.Spec.Origin + " " + w.Spec.Path }

// explicit are the refusals of fields that are set. In a part of a pod a field that is not set
// shows nothing.
func explicit(refusals []podsecurity.Refusal) []podsecurity.Refusal {
	var out []podsecurity.Refusal
	for _, r := range refusals {
		r.Fields = slices.DeleteFunc(slices.Clone(r.Fields), func(f podsecurity.Field) bool { return f.Value == podsecurity.NotSet })
		if len(r.Fields) > 0 {
			out = append(out, r)
		}
	}
	return out
}

// refuse makes a finding a fail.
func (l *podSecurityLevels) refuse(f *api.Finding, w *fact.Workload, of *standard, level podsecurity.Level, refusals []podsecurity.Refusal) {
	f.Verdict, f.Severity = api.Fail, api.Low
	var byBaseline, byRestricted []string
	g := grader{workload: w}
	covered := true
	var ranks []int // of the evidence
	for _, r := range refusals {
		if r.Level == podsecurity.Baseline {
			byBaseline = append(byBaseline, string(r.Check))
		} else {
			byRestricted = append(byRestricted, string(r.Check))
		}
		covered = covered && len(r.Fields) > 0
		for _, field := range r.Fields {
			severity, by := g.grade(r.Check, &field)
			if level != podsecurity.Privileged {
				severity = api.Low
			}
			f.Severity = worse(f.Severity, severity)
			if by == "" {
				f.Remaining = worse(f.Remaining, severity)
			} else if !slices.Contains(f.CoveredBy, by) {
				f.CoveredBy = append(f.CoveredBy, by)
			}
			// The worst come first: a table shows one.
			at, _ := slices.BinarySearchFunc(ranks, severity.Rank(), func(a, b int) int {
				if a >= b {
					return -1
				}
				return 1
			})
			ranks = slices.Insert(ranks, at, severity.Rank())
			f.Evidence = slices.Insert(f.Evidence, at, api.Evidence{Source: fieldSource(w, field.Path), Value: field.Value})
		}
	}
	if !covered {
		f.Remaining = f.Severity
	}
	if len(f.CoveredBy) == 0 {
		f.Remaining = ""
	}
	slices.Sort(f.CoveredBy)
	switch {
	case level == podsecurity.Privileged && len(byRestricted) > 0:
		f.Message = "reaches only privileged (" + of.String() + "): baseline refuses " + strings.Join(byBaseline, ", ") + "; restricted also " + strings.Join(byRestricted, ", ")
	case level == podsecurity.Privileged:
		f.Message = "reaches only privileged (" + of.String() + "): baseline refuses " + strings.Join(byBaseline, ", ")
	default:
		f.Message = "reaches baseline, not restricted (" + of.String() + "): " + strings.Join(byRestricted, ", ")
	}
	if w.Spec.OS == "windows" && w.Spec.OSField != "" {
		f.Message += "; admission judges it as Linux, because spec.os.name is not windows"
		f.Evidence = append(f.Evidence, api.Evidence{Source: checks.PodField(w, w.Spec.OSField), Value: w.Spec.OS})
	}
	if w.Spec.Partial != "" {
		f.Message += "; the rest is unknown: " + w.Spec.Partial
		if f.Severity == api.Low {
			f.Reason = fact.NotPresent
		}
	}
}

// fieldSource names a field, which is given below the pod, in the object that has it.
func fieldSource(w *fact.Workload, field string) string {
	if rest, ok := strings.CutPrefix(field, "metadata."); ok {
		return checks.MetadataField(w, rest)
	}
	return checks.PodField(w, strings.TrimPrefix(field, "spec."))
}

func worse(a, b api.Severity) api.Severity {
	if b.Rank() > a.Rank() {
		return b
	}
	return a
}

// grader grades the refused fields of one workload.
type grader struct {
	workload *fact.Workload
	paths    map[string]api.Severity // of hostPath volumes by the volume's field; nil until asked for
}

// grade returns a field's severity, and the check that judges the same field, "" if none does.
func (g *grader) grade(check podsecurity.CheckID, field *podsecurity.Field) (severity api.Severity, by string) {
	spec := &g.workload.Spec
	ownUsers := spec.HostUsers != nil && !*spec.HostUsers
	switch check {
	case podsecurity.PrivilegedContainers:
		if ownUsers {
			return api.Medium, "privileged/privileged-container"
		}
		return api.Critical, "privileged/privileged-container"
	case podsecurity.WindowsHostProcess:
		return api.Critical, "privileged/privileged-container"
	case podsecurity.HostNamespaces:
		if field.Path == "spec.hostPID" {
			return api.High, "privileged/host-namespaces"
		}
		return api.Medium, "privileged/host-namespaces"
	case podsecurity.CapabilitiesBaseline:
		return g.capabilities(field, ownUsers)
	case podsecurity.CapabilitiesRestricted: // not dropped, or one of the runtime's default
		return api.Low, ""
	case podsecurity.SELinuxOptions:
		if field.Value == "spc_t" {
			return api.High, "privileged/apparmor-selinux"
		}
		return api.Medium, "privileged/apparmor-selinux"
	case podsecurity.AppArmorProfile:
		return api.Medium, "privileged/apparmor-selinux"
	case podsecurity.ProcMount, podsecurity.ProcMountRestricted:
		if ownUsers {
			return api.Low, "privileged/proc-mount"
		}
		return api.High, "privileged/proc-mount"
	case podsecurity.HostPathVolumes:
		return g.hostPath(strings.TrimSuffix(field.Path, ".hostPath.path")), "privileged/host-path"
	case podsecurity.Sysctls:
		return api.Medium, "privileged/sysctls"
	case podsecurity.HostPorts:
		return api.Low, "privileged/host-ports"
	case podsecurity.HostProbesAndHostLifecycle:
		return api.Medium, "privileged/probe-host"
	case podsecurity.SeccompBaseline:
		if strings.HasPrefix(field.Path, "metadata.") { // annotations are no longer read
			return api.Medium, ""
		}
		return api.Medium, "privileged/seccomp"
	case podsecurity.SeccompRestricted:
		return api.Low, "privileged/seccomp"
	case podsecurity.AllowPrivilegeEscalation:
		return api.Low, "privileged/privilege-escalation"
	case podsecurity.RunAsNonRoot:
		return api.Low, "privileged/runs-as-root"
	case podsecurity.RunAsUser:
		return api.Medium, "privileged/runs-as-root"
	case podsecurity.RestrictedVolumes:
		return api.Low, "privileged/volume-types"
	}
	return api.Medium, "" // a check of a newer version of the standards
}

// capabilities grades what a container adds beyond baseline.
func (g *grader) capabilities(field *podsecurity.Field, ownUsers bool) (severity api.Severity, by string) {
	const own = "privileged/added-capabilities"
	spec := &g.workload.Spec
	c := &spec.Containers[field.Container]
	var mask uint64
	everything, odd := false, false
	for _, name := range c.CapAdd {
		n, known := capability.Parse(name)
		everything = everything || strings.EqualFold(name, "ALL")
		odd = odd || !known && !strings.EqualFold(name, "ALL")
		if known {
			mask |= n.Mask()
		}
	}
	grade := gradeCapabilities(mask, spec.HostPID, spec.HostNetwork)
	switch {
	case ownUsers: // they count only for what its own user namespace owns
		return api.Low, own
	case everything || grade == api.Critical || grade == api.High:
		return api.High, own
	case grade != "" || mask&capability.NetRaw.Mask() != 0 || odd:
		return api.Medium, own
	}
	// It is in the runtime's default and spelled in a way that only the runtime understands.
	return api.Low, ""
}

// hostPath is the severity of a hostPath volume: that of the worst of its mounts, as
// privileged/host-path grades them.
func (g *grader) hostPath(volume string) api.Severity {
	if g.paths == nil {
		g.paths = map[string]api.Severity{}
		for i := range g.workload.Spec.Containers {
			for _, m := range hostpath.Of(g.workload, &g.workload.Spec.Containers[i]) {
				severity, _ := m.Severity()
				g.paths[m.Volume.Field] = worse(g.paths[m.Volume.Field], severity)
			}
		}
	}
	return cmp.Or(g.paths[volume], api.Low) // no container mounts it
}

// count counts a workload. Workloads of one owner follow each other.
func (n *namespaceLevels) count(w *fact.Workload, result *podsecurity.Result) {
	known := w.Spec.Partial == "" && len(w.Spec.Containers) > 0 && (unlistedVolume(w) == nil || !result.Allows(podsecurity.Restricted))
	owner := w.Owner
	owner.Container = ""
	if key := owner.Identity(); n.workloads == 0 || key != n.last {
		n.workloads++
		n.last, n.now = key, counted{}
	}
	name := strings.ToLower(w.Owner.Kind) + "/" + w.Owner.Name
	once := func(done *bool, is bool, count func()) {
		if is && !*done {
			*done = true
			count()
		}
	}
	// Baseline refuses what is there, so a part of a spec is enough.
	refused := !result.Allows(podsecurity.Baseline)
	once(&n.now.unknown, !known && !refused, func() { n.unknown++ })
	once(&n.now.baseline, refused, func() { n.baseline.add(name) })
	once(&n.now.restricted, refused || known && !result.Allows(podsecurity.Restricted), func() { n.restricted.add(name) })
	once(&n.now.running, known && len(w.Pods) > 0 && !result.Allows(n.enforce), func() { n.running.add(name) })
}

// Findings are those about the namespaces, after all workloads were added.
func (l *podSecurityLevels) Findings(*checks.View) []api.Finding {
	findings := make([]api.Finding, 0, len(l.order))
	for _, name := range l.order {
		findings = append(findings, l.namespaces[name].finding())
	}
	return findings
}

func (n *namespaceLevels) finding() api.Finding {
	labels := n.labels
	f := api.Finding{
		Verdict: api.Pass, Subject: fact.Subject{Kind: fact.SubjectNamespace, Name: labels.Name},
		Evidence: []api.Evidence{label(labels, "enforce", labels.Enforce)},
	}
	for _, l := range []struct{ mode, value string }{
		{"enforce-version", labels.EnforceVersion},
		{"audit", labels.Audit},
		{"audit-version", labels.AuditVersion},
		{"warn", labels.Warn},
		{"warn-version", labels.WarnVersion},
	} {
		if l.value != "" {
			f.Evidence = append(f.Evidence, label(labels, l.mode, l.value))
		}
	}
	level, valid := podsecurity.ParseLevel(labels.Enforce)
	switch {
	case labels.Enforce == "":
		f.Verdict, f.Reason = api.VerdictUnknown, fact.NotPresent
		f.Message = "no label enforces a Pod Security level: the API server's admission configuration decides, and it was not read"
		f.Remediation.Text = "Label the namespace pod-security.kubernetes.io/enforce: with the level that its workloads reach."
	case !valid:
		f.Verdict, f.Severity = api.Fail, api.Low
		f.Message = "the label enforce is not a level, so it acts as restricted (" + n.standard.String() + ")"
		f.Remediation.Text = "Set the label to privileged, baseline or restricted."
	case level == podsecurity.Privileged:
		f.Verdict, f.Severity, f.Message = api.Fail, api.Low, "enforces privileged, which refuses nothing"
		f.Remediation.Text = "Label the namespace pod-security.kubernetes.io/enforce: with the strictest level that all its workloads reach."
	default:
		f.Message = "enforces " + string(level) + " (" + n.standard.String() + ")"
	}
	if n.running.count > 0 {
		f.Verdict, f.Severity = api.Fail, api.Low
		f.Message += "; its label would refuse at their next start " + n.running.String()
		f.Remediation.Text = "Set the fields that the findings of these workloads name before their pods start again."
	}
	f.Message += "; " + n.today()
	f.Message += notes(labels)
	return f
}

// today says the strictest level that all workloads reach.
func (n *namespaceLevels) today() string {
	of := " of " + checks.Count(n.workloads, "workload") + " refused"
	today := " today: 0"
	if n.unknown > 0 {
		today = " today, as far as is known: 0"
	}
	var words string
	switch {
	case n.workloads == 0:
		return "no workload was read in it"
	case n.restricted.count == 0:
		words = "could enforce restricted" + today + of
	case n.baseline.count == 0:
		words = "could enforce baseline" + today + of + "; restricted: " + n.restricted.String()
	default:
		words = "could enforce only privileged today: baseline would refuse " + n.baseline.String() + "; restricted: " + strconv.Itoa(n.restricted.count) + " of " + checks.Count(n.workloads, "workload")
	}
	if n.unknown > 0 {
		words += "; unknown for " + strconv.Itoa(n.unknown)
	}
	return words
}

// notes says which of the other labels act otherwise than written.
func notes(labels *fact.Namespace) string {
	var out strings.Builder
	for _, l := range []struct{ mode, level, version string }{
		{"audit", labels.Audit, labels.AuditVersion}, {"warn", labels.Warn, labels.WarnVersion},
	} {
		if _, valid := podsecurity.ParseLevel(l.level); l.level != "" && !valid {
			out.WriteString("; the label " + l.mode + " is not a level, so it acts as privileged")
		}
		if _, valid := podsecurity.ParseVersion(l.version); l.version != "" && !valid {
			out.WriteString("; the label " + l.mode + "-version is not valid, so it acts as latest")
		}
	}
	return out.String()
}
