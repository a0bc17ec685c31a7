// Package v1alpha1 holds the objects that kubectl checklist prints and saves:
// ChecklistReport and ChecklistFacts, of group kubectl-checklist.github.io. Its only
// logic is the order of severities and verdicts. What was read on nodes and clusters is
// in package fact, which the probe shares.
//
// +k8s:deepcopy-gen=package
// +groupName=kubectl-checklist.github.io
package v1alpha1
