package privileged

import (
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// PrivilegedContainer fails a container that asks for everything: on Linux by
// privileged, on Windows by hostProcess. In its own user namespace (hostUsers:
// false) its capabilities do not count for the host, so it is graded lower.
var PrivilegedContainer = checks.Check{
	ID:       "privileged/privileged-container",
	Title:    "No container is declared privileged",
	Severity: api.Critical,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Why: "A privileged container holds every capability, sees every device of the node, and runs without seccomp and AppArmor. " +
		"Whoever controls it controls the node. A hostProcess container on Windows is a process of the node.",
	Remediation: "Remove securityContext.privileged, or windowsOptions.hostProcess; add the few capabilities or mounts that the program needs instead.",
	References: []string{
		"https://kubernetes.io/docs/concepts/security/pod-security-standards/",
		"https://kubernetes.io/docs/tasks/configure-pod-container/security-context/",
		"https://kubernetes.io/docs/tasks/configure-pod-container/create-hostprocess-pod/",
	},
	Judge: judgePrivilegedContainer,
}

func judgePrivilegedContainer(v *checks.View) []api.Finding {
	declared := checks.DeclaredContainers(v)
	findings := make([]api.Finding, 0, len(declared))
	for _, d := range declared {
		spec := &d.Workload.Spec
		f := api.Finding{
			Subject:  d.Subject(),
			Evidence: []api.Evidence{{Source: d.Field("securityContext.privileged"), Value: setOrNot(d.Container.Privileged)}},
		}
		hostProcess, process := d.HostProcess()
		windows, system := d.Windows()
		switch {
		case hostProcess:
			f.Verdict, f.Message = api.Fail, "runs as a process of its Windows node (hostProcess)"
			f.Evidence = []api.Evidence{process}
		case windows:
			f.Verdict, f.Message = api.Pass, "not a hostProcess container (privileged on Windows)"
			f.Evidence = []api.Evidence{d.HostProcessEvidence(), system}
		case d.Container.Privileged == nil || !*d.Container.Privileged:
			f.Verdict, f.Message = api.Pass, "not privileged"
		case spec.HostUsers != nil && !*spec.HostUsers:
			f.Verdict, f.Severity = api.Fail, api.Medium
			f.Message = "privileged, in its own user namespace"
			f.Evidence = append(f.Evidence, api.Evidence{Source: checks.PodField(d.Workload, "hostUsers"), Value: "false"})
		default:
			f.Verdict, f.Message = api.Fail, "privileged"
		}
		findings = append(findings, f)
	}
	return findings
}
