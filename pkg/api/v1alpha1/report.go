package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// ChecklistReport is the result of one run: six answers, the findings behind
// them, and the gaps that they do not cover.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type ChecklistReport struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec    ReportSpec    `json:"spec"`
	Cluster ReportCluster `json:"cluster"`
	// Answers are in the order of the questions; only those that were asked.
	Answers []Answer `json:"answers"`
	// Findings are sorted: fail, unknown, accepted, pass; then severity,
	// question, check, subject.
	Findings []Finding  `json:"findings"`
	Gaps     []fact.Gap `json:"gaps,omitempty"`
}

// ReportSpec says what was asked.
type ReportSpec struct {
	Command          string `json:"command"`
	Scope            Scope  `json:"scope"`
	Version          string `json:"version"`
	CatalogueVersion string `json:"catalogueVersion"`
}

// Scope is what was looked at.
type Scope struct {
	Namespaces    []string `json:"namespaces,omitempty"`
	AllNamespaces bool     `json:"allNamespaces,omitempty"`
	Selector      string   `json:"selector,omitempty"`
	FieldSelector string   `json:"fieldSelector,omitempty"`
	Names         []string `json:"names,omitempty"`
	Files         []string `json:"files,omitempty"`
	Local         bool     `json:"local,omitempty"`
	Root          string   `json:"root,omitempty"`
	Snapshot      string   `json:"snapshot,omitempty"`
	ProbeLevel    string   `json:"probeLevel,omitempty"`
	Checks        []string `json:"checks,omitempty"` // as selected; none means all of the command's
}

// ReportCluster says which cluster answered and how much of it.
type ReportCluster struct {
	Server        string `json:"server,omitempty"`
	Version       string `json:"version,omitempty"`
	Provider      string `json:"provider,omitempty"`
	Nodes         int    `json:"nodes"`
	MeasuredNodes int    `json:"measuredNodes"`
	Pods          int    `json:"pods"`
	// Secrets is nil where they were not listed.
	Secrets *int `json:"secrets,omitempty"`
}

// Question is one of the six, by its short name.
type Question string

// The questions, in the checklist's order.
const (
	Builds     Question = "builds"
	Immutable  Question = "immutable"
	Privileged Question = "privileged"
	Hosts      Question = "hosts"
	Secrets    Question = "secrets"
	Drift      Question = "drift"
)

// AnswerWord answers a question. The questions are worded so that yes is good.
type AnswerWord string

// The answers; NotApplicable only ever stands in Answer.Workloads, where a
// question is not about workloads.
const (
	Yes           AnswerWord = "yes"
	No            AnswerWord = "no"
	Unknown       AnswerWord = "unknown"
	NotApplicable AnswerWord = "n/a"
)

// Answer is the answer to one question.
type Answer struct {
	Question Question   `json:"question"`
	Number   int        `json:"number"` // 1 to 6
	Text     string     `json:"text"`
	Answer   AnswerWord `json:"answer"`
	// Workloads is the same rule without platform subjects.
	Workloads AnswerWord `json:"workloads"`
	// Measured of InScope subjects have a verdict that was measured.
	Measured int `json:"measured"`
	InScope  int `json:"inScope"`
	// Failing counts failing findings by severity; Unknowns those without a verdict.
	Failing  map[Severity]int `json:"failing,omitempty"`
	Unknowns int              `json:"unknowns,omitempty"`
	// Reason says in a few words why the answer is unknown.
	Reason string `json:"reason,omitempty"`
}

// Severity is how much a failing finding matters.
type Severity string

// The severities.
const (
	Critical Severity = "critical"
	High     Severity = "high"
	Medium   Severity = "medium"
	Low      Severity = "low"
)

// Severities lists them, gravest first.
func Severities() []Severity { return []Severity{Critical, High, Medium, Low} }

// Rank orders severities: 4 for critical to 1 for low, 0 for anything else.
func (s Severity) Rank() int {
	switch s {
	case Critical:
		return 4
	case High:
		return 3
	case Medium:
		return 2
	case Low:
		return 1
	}
	return 0
}

// Verdict is a check's word on one subject.
type Verdict string

// The verdicts. Accepted is a fail that a waiver covers.
const (
	Pass           Verdict = "pass"
	Fail           Verdict = "fail"
	VerdictUnknown Verdict = "unknown"
	Accepted       Verdict = "accepted"
)

// Rank orders verdicts for printing and merging: fail 3, unknown 2, accepted 1, pass 0.
func (v Verdict) Rank() int {
	switch v {
	case Fail:
		return 3
	case VerdictUnknown:
		return 2
	case Accepted:
		return 1
	}
	return 0
}

// Basis tells a claim from a measurement.
type Basis string

// The bases.
const (
	Declared Basis = "declared" // an object or file says so
	Measured Basis = "measured" // read from a running system, or from stored bytes
)

// Finding is one check's verdict on one subject. Check and subject identify it
// across runs; pids, times and the like stand in Evidence only.
type Finding struct {
	Check       string       `json:"check"`
	Question    Question     `json:"question"`
	Verdict     Verdict      `json:"verdict"`
	Severity    Severity     `json:"severity"`
	Basis       Basis        `json:"basis"`
	Subject     fact.Subject `json:"subject"`
	Message     string       `json:"message"`
	Evidence    []Evidence   `json:"evidence,omitempty"`
	Remediation string       `json:"remediation,omitempty"`
	// Reason is the gap's reason where the verdict is unknown.
	Reason fact.Reason `json:"reason,omitempty"`
}

// Evidence is one thing that was read. Value is untrusted text, never a
// secret's value.
type Evidence struct {
	// Source is where: "pod/NS/NAME spec.containers[0].securityContext.privileged"
	// or "node/NAME /proc/2143/status CapEff".
	Source string `json:"source"`
	Value  string `json:"value"`
	Basis  Basis  `json:"basis"`
}

// ChecklistFacts is a saved fact.Set, with what has to be known to judge it
// again just as the run did that saved it.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type ChecklistFacts struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec  ReportSpec `json:"spec"`
	Facts fact.Set   `json:"facts"`
}
