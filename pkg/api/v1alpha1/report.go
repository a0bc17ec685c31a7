package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// ChecklistReport is the result of one run: the answers, the findings behind them, and
// the gaps.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type ChecklistReport struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec    ReportSpec    `json:"spec"`
	Cluster ReportCluster `json:"cluster"`
	// Read counts what the pods' part of the report was made from: files, documents and
	// objects, or pods of a cluster. It is nil if no workload was looked for.
	Read *fact.ReadCount `json:"read,omitempty"`
	// Checks are those that ran, sorted: what a finding does not say about its check. A report of
	// an earlier version has none.
	Checks []ReportCheck `json:"checks,omitempty"`
	// Answers are in the order of the questions; only those that were asked.
	Answers []Answer `json:"answers"`
	// Findings are sorted: fail, unknown, accepted, pass; then severity,
	// question, check, subject.
	Findings []Finding  `json:"findings"`
	Gaps     []fact.Gap `json:"gaps,omitempty"`
	// Nodes are the nodes in scope, sorted by name, each with its own answers.
	// Only commands that look at nodes as a whole fill it in.
	Nodes []ReportNode `json:"nodes,omitempty"`
}

// ReportSpec says what was asked.
type ReportSpec struct {
	Command          string `json:"command"`
	Scope            Scope  `json:"scope"`
	Version          string `json:"version"`
	CatalogueVersion string `json:"catalogueVersion"`
	// Inputs says from what the report was made.
	Inputs Inputs `json:"inputs,omitzero"`
	// Waivers says what became of the waivers; nil if none were given.
	Waivers *WaiverUse `json:"waivers,omitempty"`
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
	Checks        []string `json:"checks,omitempty"` // as selected; empty means all checks of the command
	// LeftOutChecks are the checks of this version that did not run: those of
	// other commands, those that the user left out, and those whose database the
	// user did not give.
	LeftOutChecks []string `json:"leftOutChecks,omitempty"`
	// Narrowed says in words which part of the cluster was looked at ("only namespace
	// shop"). Everything else was left out. "" means the whole cluster.
	Narrowed string `json:"narrowed,omitempty"`
	// ControlPlaneNodes are the nodes that the user named.
	ControlPlaneNodes []string `json:"controlPlaneNodes,omitempty"`
	// PlatformNamespaces are the globs that the user gave.
	PlatformNamespaces []string `json:"platformNamespaces,omitempty"`
	// WhatIf says that the report is about a cluster, or files, as they would be if changes were
	// applied (--what-if); nil if it is about what there is.
	WhatIf *WhatIf `json:"whatIf,omitempty"`
}

// WhatIf says what was changed before it was judged. Nothing was applied.
type WhatIf struct {
	Directory string `json:"directory"`
	// Patches counts patches, Patched the objects that they changed: an object counts for each
	// patch that did.
	Patches int `json:"patches,omitempty"`
	Patched int `json:"patched,omitempty"`
	// Replaced counts objects of the directory that stand for one that was there, Added new ones.
	Replaced int `json:"replaced,omitempty"`
	Added    int `json:"added,omitempty"`
}

// Inputs says from what a report was made, so that it can be made again. A digest is no
// signature: it says that a file is the same, not whose it is.
type Inputs struct {
	// JudgedAt is the time against which the facts were judged, RFC 3339, UTC: when they were
	// collected, or, if saved facts were compared with something else, when that was done.
	JudgedAt string `json:"judgedAt,omitempty"`
	// Severity is the least severity of the findings in the report about whose subjects nothing is
	// unknown (Finding.Open); "" has all.
	Severity Severity `json:"severity,omitempty"`
	// Hidden counts the findings that are not in the report because they are below Severity. What
	// is unknown is in the report, whatever its severity.
	Hidden int `json:"hidden,omitempty"`
	// Patches reports whether findings have their patches.
	Patches bool `json:"patches,omitempty"`
	// Facts, Waivers and Vulnerabilities are "sha256:" and the SHA-256 of the bytes of what
	// was given; "" if nothing was. Of a directory it is that of its files' names and digests.
	Facts           string `json:"facts,omitempty"`
	Waivers         string `json:"waivers,omitempty"`
	Vulnerabilities string `json:"vulnerabilities,omitempty"`
}

// WaiverUse says what became of the waivers of a file.
type WaiverUse struct {
	Waivers int `json:"waivers"` // in the file
	Used    int `json:"used"`    // that cover a finding
	// Expired and Unused are those that cover nothing, in the order of the file.
	Expired []WaiverNote `json:"expired,omitempty"`
	Unused  []WaiverNote `json:"unused,omitempty"`
}

// WaiverNote names a waiver that covers nothing, and why.
type WaiverNote struct {
	Line   int    `json:"line"`
	Check  string `json:"check"`
	Detail string `json:"detail"`
}

// ReportCheck is one check that ran.
type ReportCheck struct {
	Check    string   `json:"check"`
	Title    string   `json:"title"`
	Severity Severity `json:"severity"` // the worst that it can give
	// Parts are the parts of its question that need it, by name. Empty if none does: then it only
	// gives findings.
	Parts []string `json:"parts,omitempty"`
	// Controls are what it gives evidence for, in benchmarks and guides.
	Controls []Control `json:"controls,omitempty"`
}

// Control is one entry of a benchmark or guide that a check relates to. A check gives evidence
// for it. No number of passes shows that a control is met.
type Control struct {
	Mapping string `json:"mapping"` // cis, nist-800-190, pss, attack, nsa
	// Version is the benchmark's: "1.12" of cis. "" if there is only one.
	Version string `json:"version,omitempty"`
	// ID is the control's number, or its heading if the guide has no numbers.
	ID string `json:"id"`
	// Same reports whether the control asks what the check asks. Else the check gives evidence
	// for a part of it.
	Same bool `json:"same,omitempty"`
}

// ReportCluster says which cluster was looked at, and how much of it.
type ReportCluster struct {
	// Name is the kubeconfig's name for it, or "" if it has none.
	Name   string `json:"name,omitempty"`
	Server string `json:"server,omitempty"`
	// User is the API server's name for who ran it (SelfSubjectReview); "" if it was not asked.
	User string `json:"user,omitempty"`
	// UID is that of the namespace kube-system; "" if it was not read.
	UID           string `json:"uid,omitempty"`
	Version       string `json:"version,omitempty"`
	Provider      string `json:"provider,omitempty"`
	Nodes         int    `json:"nodes"`
	MeasuredNodes int    `json:"measuredNodes"`
	Pods          int    `json:"pods"`
	// Secrets counts the listed Secrets; nil if they were not listed.
	Secrets *int `json:"secrets,omitempty"`
	// OtherStores names etcd databases on trusted nodes that are not this
	// cluster's (an application's, a virtual cluster's). No finding is about them.
	OtherStores []string `json:"otherStores,omitempty"`
}

// ReportNode is one node: what runs and is installed there, and the answers for only
// this node.
type ReportNode struct {
	Name string `json:"name"`
	// Measured reports whether a probe answered. If not, OS and Kernel are what the
	// kubelet says.
	Measured bool   `json:"measured"`
	OS       string `json:"os,omitempty"`     // "Debian GNU/Linux 12 (bookworm)"
	Kernel   string `json:"kernel,omitempty"` // the running release, "6.1.0-18-amd64"
	// Updates is nil if the node's package lists were not read.
	Updates *NodeUpdates `json:"updates,omitempty"`
	// Answers are in the order of the questions, for what runs on this node. If the
	// node has nothing that a question is about (stored Secrets, on a worker), the
	// answer is n/a.
	Answers []NodeAnswer `json:"answers,omitempty"`
	// Containers are those that run on the node, if the command names only this node:
	// at most MaxNodeContainers, sorted by namespace, pod and name; those that the API
	// does not know come last. ContainerCount counts all of them.
	Containers     []NodeContainer `json:"containers,omitempty"`
	ContainerCount int             `json:"containerCount,omitempty"`
}

// MaxNodeContainers bounds ReportNode.Containers. A kubelet runs 110 pods by default.
const MaxNodeContainers = 1000

// NodeContainer is one container as it was measured, in short words. A word is "" if
// what it says was not read.
type NodeContainer struct {
	// Namespace, Pod and Container are "" if the API does not know the container.
	Namespace string `json:"namespace,omitempty"`
	Pod       string `json:"pod,omitempty"`
	Container string `json:"container,omitempty"`
	ID        string `json:"id,omitempty"`     // its first twelve digits
	Engine    string `json:"engine,omitempty"` // containerd, crio, docker, ...
	Processes int    `json:"processes"`
	// User has the effective uids of all processes, as the node sees them, sorted:
	// "0", "101 1000". Root of a user namespace whose root is another uid of the node is
	// "0 (userns)".
	User string `json:"user,omitempty"`
	// Capabilities has what any of its processes holds: "none", "all", "default",
	// "default +NET_ADMIN", "default -NET_RAW", or the names; with "(userns)" what
	// counts only in a user namespace of its own: "all (userns)", "default; all (userns)".
	Capabilities string `json:"capabilities,omitempty"`
	Seccomp      string `json:"seccomp,omitempty"`    // filter, strict, or off if it is off in any process
	NoNewPrivs   string `json:"noNewPrivs,omitempty"` // yes, or no if any process lacks it
	Root         string `json:"root,omitempty"`       // ro, rw: how its root file system is mounted
	// Devices has the devices beyond the runtime's default: "none", "all", or names in
	// /dev.
	Devices string `json:"devices,omitempty"`
	// Drift is PREVENTED, DETECTED, OPEN or unknown.
	Drift string `json:"drift,omitempty"`
}

// NodeUpdates counts the installed packages with a newer version in the node's
// own package lists.
type NodeUpdates struct {
	Security int `json:"security"`       // pending security updates
	Held     int `json:"held,omitempty"` // security updates that are held back
	Other    int `json:"other,omitempty"`
	// Unclassified are those of Other from archives without advisories: they may be
	// security updates.
	Unclassified int `json:"unclassified,omitempty"`
	// IndexDays is the age of the node's index of security updates in days, of the
	// oldest security archive. Nil means unknown.
	IndexDays *int `json:"indexDays,omitempty"`
}

// NodeAnswer is the answer to one question for one node.
type NodeAnswer struct {
	Question Question   `json:"question"`
	Answer   AnswerWord `json:"answer"`
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

// The answers. NotApplicable is used only in Answer.Workloads, if a question is not
// about workloads, and in NodeAnswer, if a node has nothing to judge.
const (
	Yes           AnswerWord = "yes"
	No            AnswerWord = "no"
	Unknown       AnswerWord = "unknown"
	NotApplicable AnswerWord = "n/a"
)

// OrUnknown returns the answer, or Unknown for a word that is none: a report from a file can have
// any.
func (a AnswerWord) OrUnknown() AnswerWord {
	switch a {
	case Yes, No, NotApplicable:
		return a
	}
	return Unknown
}

// Answer is the answer to one question: the worst of its parts.
type Answer struct {
	Question Question   `json:"question"`
	Number   int        `json:"number"` // 1 to 6
	Text     string     `json:"text"`
	Answer   AnswerWord `json:"answer"`
	// Workloads is the same rule without platform subjects.
	Workloads AnswerWord `json:"workloads"`
	Coverage  `json:",inline"`
	// Failing counts failing findings by severity. Unknowns counts findings without a
	// verdict.
	Failing  map[Severity]int `json:"failing,omitempty"`
	Unknowns int              `json:"unknowns,omitempty"`
	// Accepted counts failing findings that a waiver covers.
	Accepted int `json:"accepted,omitempty"`
	// Reason says in a few words why the answer is unknown. WorkloadsReason says the
	// same for Workloads, if that is unknown and the answer is not.
	Reason          string       `json:"reason,omitempty"`
	WorkloadsReason string       `json:"workloadsReason,omitempty"`
	Parts           []PartAnswer `json:"parts,omitempty"`
}

// PartAnswer is the answer to one part of a question.
type PartAnswer struct {
	Part      string     `json:"part"`
	Title     string     `json:"title"`
	Answer    AnswerWord `json:"answer"`
	Workloads AnswerWord `json:"workloads"`
	// An optional part that is unknown does not prevent a yes to its question.
	Optional bool `json:"optional,omitempty"`
	Coverage `json:",inline"`
	// Unknown counts the findings without a verdict.
	Unknown int `json:"unknown"`
	// Accepted counts failing findings that a waiver covers.
	Accepted int `json:"accepted,omitempty"`
	// Reason says why the answer is unknown. It begins with a word for machines:
	// Unsupported (and the checks that this version lacks), NotRequested (and the
	// checks that did not run), or the reason of a gap. WorkloadsReason says the same
	// for Workloads, if that is unknown and the answer is not.
	Reason          string `json:"reason,omitempty"`
	WorkloadsReason string `json:"workloadsReason,omitempty"`
}

// Coverage counts the subjects in scope and those that were measured.
type Coverage struct {
	// Measured of the InScope subjects have a measured verdict. A subject is in scope
	// if it has started and has not ended for good.
	Measured int `json:"measured"`
	InScope  int `json:"inScope"`
	// NotRunning counts the pods that could not be measured because they have not
	// started, or have ended.
	NotRunning int `json:"notRunning,omitempty"`
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

// Severities lists them, the most severe first.
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

// Verdict is a check's result for one subject.
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

// OrUnknown returns the verdict, or VerdictUnknown for a word that is none: a report from a file can
// have any.
func (v Verdict) OrUnknown() Verdict {
	switch v {
	case Pass, Fail, Accepted:
		return v
	}
	return VerdictUnknown
}

// Basis distinguishes a declaration from a measurement.
type Basis string

// The bases.
const (
	Declared Basis = "declared" // an object or file says so
	Measured Basis = "measured" // read from a running system, or from stored bytes
)

// Finding is one check's verdict on one subject. Check and subject identify it across
// runs. Pids, times and similar values are only in Evidence.
type Finding struct {
	Check       string       `json:"check"`
	Question    Question     `json:"question"`
	Verdict     Verdict      `json:"verdict"`
	Severity    Severity     `json:"severity"`
	Basis       Basis        `json:"basis"`
	Subject     fact.Subject `json:"subject"`
	Message     string       `json:"message"`
	Evidence    []Evidence   `json:"evidence,omitempty"`
	Remediation Remediation  `json:"remediation,omitzero"`
	// Accepted is the waiver that covers the finding; nil unless Verdict is accepted.
	Accepted *Acceptance `json:"accepted,omitempty"`
	// Reason is the gap's reason if the verdict is unknown. A fail of low severity has
	// a reason if something else about its subject is unknown.
	Reason fact.Reason `json:"reason,omitempty"`
	// FromGap reports whether the finding says no more than a gap.
	FromGap bool `json:"fromGap,omitempty"`
	// CoveredBy are checks of the same run that judge the same fields of the same subject,
	// sorted. If there are any, answers and their counts take the finding at the severity
	// Remaining, that of the fields that only this check judges, or leave it out if that is
	// "". A check sets both; if not all of the checks run, the run removes both.
	CoveredBy []string `json:"coveredBy,omitempty"`
	Remaining Severity `json:"remaining,omitempty"`
}

// Remediation is what to do about a finding. Text is in full sentences. Patch changes the
// subject's owner so that the finding goes away; nil if no patch can do that, or if patches were
// not asked for. A report of an earlier version has only a text in this place.
type Remediation struct {
	Text  string `json:"text,omitempty"`
	Patch *Patch `json:"patch,omitempty"`
}

// UnmarshalJSON reads an object, or a text as earlier versions wrote it.
func (r *Remediation) UnmarshalJSON(data []byte) error {
	*r = Remediation{}
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, &r.Text)
	}
	type plain Remediation
	return json.Unmarshal(data, (*plain)(r))
}

// Patch changes one object by a JSON patch (RFC 6902).
type Patch struct {
	// Target is the object, as kubectl names it: "deployments.apps/web".
	Target    string `json:"target"`
	Namespace string `json:"namespace,omitempty"`
	// Type is json.
	Type string `json:"type"`
	// Operations hold no value of a variable. The first ones test that the object is the one
	// that was read.
	Operations []PatchOperation `json:"operations"`
	// Safe reports whether a measurement shows that what runs does not need what the patch
	// takes away. Because says which, or what may break.
	Safe    bool   `json:"safe,omitempty"`
	Because string `json:"because,omitempty"`
	// Upstream is who made the object and would undo the patch (a Helm release, an Argo CD
	// application): change it there. "" if nobody is known.
	Upstream string `json:"upstream,omitempty"`
}

// PatchOperation is one operation of a JSON patch.
type PatchOperation struct {
	Op    string          `json:"op"`   // test, add, replace, remove
	Path  string          `json:"path"` // a JSON pointer (RFC 6901)
	Value json.RawMessage `json:"value,omitempty"`
}

// Acceptance is a waiver, as it covers a finding. Who accepted is a claim of the file.
type Acceptance struct {
	Reason     string `json:"reason"`
	AcceptedBy string `json:"acceptedBy"`
	Accepted   string `json:"accepted"` // a date, 2026-11-29
	Expires    string `json:"expires"`  // the last day, UTC
	// Line is where the waiver begins in the file.
	Line int `json:"line,omitempty"`
}

// Fingerprint identifies the finding across runs: the SHA-256 of its check and subject, in 64
// hexadecimal digits. It does not depend on verdict, severity, message or evidence.
func (f *Finding) Fingerprint() string {
	hash := sha256.New()
	s := &f.Subject
	for _, text := range []string{f.Check, s.Kind, s.Namespace, s.Name, s.Container, s.Node, s.Cluster, s.File} {
		// Each text with its length: no two findings give the same bytes.
		fmt.Fprintf(hash, "%d:%s", len(text), text) //nolint:errcheck // a hash takes everything
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// Counted is the severity with which answers count the finding, "" if they leave it out
// because other checks judge the same fields.
func (f *Finding) Counted() Severity {
	if len(f.CoveredBy) > 0 {
		return f.Remaining
	}
	return f.Severity
}

// Open reports whether something about the subject is unknown.
func (f *Finding) Open() bool { return f.Verdict == VerdictUnknown || f.Reason != "" }

// Evidence is one thing that was read. Value is untrusted text, never a
// secret's value.
type Evidence struct {
	// Source is where: "pod/NS/NAME spec.containers[0].securityContext.privileged"
	// or "node/NAME /proc/2143/status CapEff".
	Source string `json:"source"`
	Value  string `json:"value"`
	Basis  Basis  `json:"basis"`
}

// ChecklistFacts is a saved fact.Set, with what is needed to judge it again in the same
// way as the run that saved it.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type ChecklistFacts struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec  ReportSpec `json:"spec"`
	Facts fact.Set   `json:"facts"`
}
