package storage

import (
	"fmt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/program"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/storage/auditpolicy"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// readAudit reads the audit policy, and who can read the log. The log is not opened.
// Without a policy nothing is logged, whatever else is set (k8s.io/apiserver,
// pkg/server/options/audit.go).
func readAudit(proc *program.Program, s *server) {
	policy := s.Flags[auditPolicyFlag]
	if policy == "" {
		if s.Unfollowed != "" {
			proc.Gap(fact.AuditPolicies, rootfs.NewError(fact.Unsupported, s.Unfollowed))
		}
		return
	}
	audit, err := readPolicy(proc, policy)
	if err != nil {
		if !proc.PID.Ended(proc.Buf) {
			proc.Gap(fact.AuditPolicies, fmt.Errorf("--%s: %w", auditPolicyFlag, err))
		}
		return
	}
	if err := proc.Unchanged(policy); err != nil && !proc.PID.Ended(proc.Buf) {
		proc.Gap(fact.AuditPolicies, fmt.Errorf("--%s: %w", auditPolicyFlag, err))
	}
	audit.Webhook = s.Flags[auditWebhookFlag] != ""
	switch log := s.Flags[auditLogFlag]; log {
	case "":
	case "-":
		audit.Stdout = true
	default:
		audit.LogPath = log
		inside, err := proc.PID.Inside(log)
		if err == nil {
			audit.Log, err = proc.Access(inside)
		}
		if err != nil && !proc.PID.Ended(proc.Buf) {
			proc.Gap(fact.AuditPolicies, fmt.Errorf("--%s: %w", auditLogFlag, err))
		}
	}
	s.Audit = audit
}

func readPolicy(proc *program.Program, name string) (*fact.AuditPolicy, error) {
	data, err := proc.ReadFile(name, auditpolicy.MaxSize)
	if err != nil {
		return nil, err
	}
	level, rule, err := auditpolicy.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", rootfs.Text(name), err)
	}
	return &fact.AuditPolicy{Path: rootfs.Text(name), Level: level, Rule: rule}, nil
}
