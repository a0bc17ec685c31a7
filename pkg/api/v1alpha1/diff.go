package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// ChecklistDiff says what became of each finding from one report to another.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type ChecklistDiff struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Old DiffSide `json:"old"`
	New DiffSide `json:"new"`
	// Warnings say what makes the comparison weaker, a sentence each.
	Warnings []string `json:"warnings,omitempty"`
	// Catalogue says how the catalogue of checks changed; nil if it did not.
	Catalogue *CatalogueChange `json:"catalogue,omitempty"`
	// Summary counts all changes, Shown or not.
	Summary DiffSummary `json:"summary"`
	// Answers are those that changed: of questions, and of their parts.
	Answers []AnswerChange `json:"answers"`
	// Changes are sorted: class, then severity, question, check, subject. Unchanged findings are
	// only counted, unless they were asked for.
	Changes []Change `json:"changes"`
}

// DiffSide is one of the two that were compared.
type DiffSide struct {
	// From is "report", or "facts" if facts were judged by this version.
	From             string `json:"from"`
	Command          string `json:"command,omitempty"`
	CollectedAt      string `json:"collectedAt,omitempty"` // RFC 3339, UTC
	Version          string `json:"version,omitempty"`
	CatalogueVersion string `json:"catalogueVersion,omitempty"`
	Cluster          string `json:"cluster,omitempty"` // its name, or the server
	UID              string `json:"uid,omitempty"`     // of the namespace kube-system
	Nodes            int    `json:"nodes"`
	MeasuredNodes    int    `json:"measuredNodes"`
	Findings         int    `json:"findings"`
	// Repeated counts findings with the check and subject of another one. The worst counts.
	Repeated int `json:"repeated,omitempty"`
}

// CatalogueChange says how the catalogue changed. What follows from it is no news of the cluster.
type CatalogueChange struct {
	Old        string           `json:"old,omitempty"`
	New        string           `json:"new,omitempty"`
	Added      []string         `json:"added,omitempty"`
	Removed    []string         `json:"removed,omitempty"`
	Severities []SeverityChange `json:"severities,omitempty"`
}

// SeverityChange is a check whose worst severity changed.
type SeverityChange struct {
	Check string   `json:"check"`
	Old   Severity `json:"old"`
	New   Severity `json:"new"`
}

// DiffSummary counts findings by what became of them. Failing counts those of a class that fail
// now, without a waiver.
type DiffSummary struct {
	New              int `json:"new"`
	NewFailing       int `json:"newFailing"`
	Worse            int `json:"worse"`
	Better           int `json:"better"`
	Unchanged        int `json:"unchanged"`
	UnchangedFailing int `json:"unchangedFailing"`
	Fixed            int `json:"fixed"`
	Gone             int `json:"gone"`
	NoLongerMeasured int `json:"noLongerMeasured"`
	NewlyMeasured    int `json:"newlyMeasured"`
	// NewlyMeasuredFailing are failures that the old run did not see.
	NewlyMeasuredFailing int `json:"newlyMeasuredFailing"`
	// ByCatalogue counts, of all of these, those that follow from another catalogue.
	ByCatalogue int `json:"byCatalogue"`
}

// AnswerChange is an answer that changed. Old or New is "" if that report has no such answer.
type AnswerChange struct {
	Question Question   `json:"question"`
	Part     string     `json:"part,omitempty"`
	Old      AnswerWord `json:"old,omitempty"`
	New      AnswerWord `json:"new,omitempty"`
	// Reason says why the new answer is unknown.
	Reason string `json:"reason,omitempty"`
}

// ChangeClass says what became of one finding.
type ChangeClass string

// The classes, in the order in which they are printed.
const (
	ChangeNew              ChangeClass = "new"
	ChangeWorse            ChangeClass = "worse"
	ChangeNewlyMeasured    ChangeClass = "newly measured"
	ChangeNoLongerMeasured ChangeClass = "no longer measured"
	ChangeBetter           ChangeClass = "better"
	ChangeFixed            ChangeClass = "fixed"
	ChangeGone             ChangeClass = "gone"
	ChangeUnchanged        ChangeClass = "unchanged"
)

// ChangeClasses lists the classes in the order in which they are printed.
func ChangeClasses() []ChangeClass {
	return []ChangeClass{
		ChangeNew, ChangeWorse, ChangeNewlyMeasured, ChangeNoLongerMeasured, ChangeBetter, ChangeFixed, ChangeGone, ChangeUnchanged,
	}
}

// Change is what became of the findings of one check about one subject.
type Change struct {
	Class       ChangeClass  `json:"class"`
	Fingerprint string       `json:"fingerprint"` // as Finding.Fingerprint
	Check       string       `json:"check"`
	Question    Question     `json:"question"`
	Subject     fact.Subject `json:"subject"`
	// Old and New are nil if that report has no such finding.
	Old *ChangeState `json:"old,omitempty"`
	New *ChangeState `json:"new,omitempty"`
	// Reason says in words why it has this class, if the verdicts do not.
	Reason string `json:"reason,omitempty"`
	// Catalogue reports whether it follows from another catalogue: it is no news of the cluster.
	Catalogue bool `json:"catalogue,omitempty"`
}

// ChangeState is a finding, as one of the reports has it.
type ChangeState struct {
	Verdict  Verdict     `json:"verdict"`
	Severity Severity    `json:"severity"`
	Basis    Basis       `json:"basis,omitempty"`
	Reason   fact.Reason `json:"reason,omitempty"`
	Message  string      `json:"message,omitempty"`
}
