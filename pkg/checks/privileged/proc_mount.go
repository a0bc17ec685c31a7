package privileged

import (
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// ProcMount fails a container whose /proc is not masked. With hostUsers: false it is
// low: its root is an ordinary user of the node, to whom the kernel's files are read-only
// (KEP-4265 asks for that).
var ProcMount = checks.Check{
	ID:       "privileged/proc-mount",
	Title:    "No container has an unmasked /proc",
	Severity: api.High,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Linux:    true,
	Why: "The runtime hides parts of /proc and makes others read-only, because they reach the kernel of the node: /proc/sys/kernel/core_pattern runs a " +
		"program as root of the node, /proc/sysrq-trigger restarts it. procMount Unmasked takes that protection away.",
	Remediation: "Remove procMount. For containers inside a container, set hostUsers to false too.",
	References: []string{
		"https://kubernetes.io/docs/tasks/configure-pod-container/security-context/#proc-access",
		"https://kubernetes.io/docs/concepts/security/pod-security-standards/",
	},
	Judge: procMountRule.judgeAll,
}

var procMountRule = fieldRule{
	passes: "its /proc is masked", linux: true, fields: "containers[*].securityContext.procMount", value: "not set or Default",
	judge: ofContainers(func(d checks.Declared) []api.Finding {
		const field = "securityContext.procMount"
		switch d.Container.ProcMount {
		case "", "Default":
			return nil
		case "Unmasked":
		default:
			return []api.Finding{{
				Verdict: api.VerdictUnknown, Reason: fact.Unsupported, Subject: d.Subject(), Message: "its procMount is one that this version does not know",
				Evidence: []api.Evidence{{Source: d.Field(field), Value: d.Container.ProcMount}},
			}}
		}
		f := fieldFails(d, api.High, "its /proc is not masked", field, "Unmasked")
		users := api.Evidence{Source: checks.PodField(d.Workload, "hostUsers"), Value: setOrNot(d.Workload.Spec.HostUsers)}
		if ownUsers(&d.Workload.Spec) {
			f.Severity = api.Low
			f.Message += ", in its own user namespace"
		}
		f.Evidence = append(f.Evidence, users)
		return []api.Finding{f}
	}),
}
