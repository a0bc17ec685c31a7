// Package v1alpha1 holds the objects that kubectl checklist prints and saves:
// ChecklistReport and Facts, of group kubectl-checklist.github.io. It holds no
// logic beyond the order of severities and verdicts. What was read on nodes and
// clusters is in package fact, which the probe shares.
//
// +k8s:deepcopy-gen=package
// +groupName=kubectl-checklist.github.io
package v1alpha1
