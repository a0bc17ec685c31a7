package storage

import (
	"fmt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/storage/auditpolicy"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// readAudit reads the audit policy, and who can read the log. The log is not opened.
// Without a policy nothing is logged, whatever else is set (k8s.io/apiserver,
// pkg/server/options/audit.go).
func readAudit(proc *process, s *server) {
	policy := s.Flags[auditPolicyFlag]
	if policy == "" {
		if s.Unfollowed != "" {
			proc.gap(fact.AuditPolicies, rootfs.NewError(fact.Unsupported, s.Unfollowed))
		}
		return
	}
	audit, err := readPolicy(proc, policy)
	if err != nil {
		if !proc.d.Ended(proc.buf) {
			proc.gap(fact.AuditPolicies, fmt.Errorf("--%s: %w", auditPolicyFlag, err))
		}
		return
	}
	if err := proc.unchanged(policy); err != nil && !proc.d.Ended(proc.buf) {
		proc.gap(fact.AuditPolicies, fmt.Errorf("--%s: %w", auditPolicyFlag, err))
	}
	audit.Webhook = s.Flags[auditWebhookFlag] != ""
	switch log := s.Flags[auditLogFlag]; log {
	case "":
	case "-":
		audit.Stdout = true
	default:
		audit.LogPath = log
		inside, err := proc.d.Inside(log)
		if err == nil {
			audit.Log, err = proc.access(inside)
		}
		if err != nil && !proc.d.Ended(proc.buf) {
			proc.gap(fact.AuditPolicies, fmt.Errorf("--%s: %w", auditLogFlag, err))
		}
	}
	s.Audit = audit
}

func readPolicy(proc *process, name string) (*fact.AuditPolicy, error) {
	data, err := proc.readFile(name, auditpolicy.MaxSize)
	if err != nil {
		return nil, err
	}
	level, rule, err := auditpolicy.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", rootfs.Text(name), err)
	}
	return &fact.AuditPolicy{Path: rootfs.Text(name), Level: level, Rule: rule}, nil
}
