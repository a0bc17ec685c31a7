package privileged

import (
	"strconv"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/capability"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// PrivilegeEscalation fails a container whose processes may gain rights that they were
// not started with. Source: NoNewPrivs in /proc/PID/status of every process and every
// thread that differs, and allowPrivilegeEscalation, which the API takes for true where
// it is absent. A process cannot clear the bit (prctl(2)), but a new process of the
// container (kubectl exec) has it only if it is declared.
//
// It is low, as all that the restricted Pod Security Standard alone refuses: a program must
// still be there to gain rights from. Medium is a process whose declaration forbids it.
var PrivilegeEscalation = checks.Check{
	ID:       "privileged/privilege-escalation",
	Title:    "No process can gain rights that it was not started with",
	Severity: api.Medium,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Pods},
	Uses:     []fact.Kind{fact.Processes},
	Scope:    checks.ScopeWorkload,
	Linux:    true,
	Why: "A set-user-ID program, or one with file capabilities, gives its caller rights that the container was not started with. " +
		"With no_new_privs the kernel ignores both.",
	Remediation: "Set securityContext.allowPrivilegeEscalation to false.",
	References: []string{
		"https://kubernetes.io/docs/tasks/configure-pod-container/security-context/",
		"https://kubernetes.io/docs/concepts/security/pod-security-standards/",
		"https://docs.kernel.org/userspace-api/no_new_privs.html",
	},
	Judge: func(v *checks.View) []api.Finding {
		return measuredElseDeclared(v, judgeNoNewPrivs, linuxOnly(judgeDeclaredEscalation))
	},
}

const escalationField = "securityContext.allowPrivilegeEscalation"

func judgeNoNewPrivs(r checks.Running) []api.Finding {
	type key struct {
		bit              string
		own, runtime, sa bool
	}
	hasSysAdmin := func(p *fact.Process) bool {
		eff, _ := p.CapEff.Bits()
		return eff&capability.SysAdmin.Mask() != 0
	}
	var findings []api.Finding
	set := true
	tasks := distinct(r.Measured, func(t task) key {
		_, own := inOwnUserNamespace(r.Node, t.Process)
		return key{setOrNot(t.NoNewPrivs), own, r.MayBeRuntime(t.Process), hasSysAdmin(t.Process)}
	})
	d, known := declaredOf(r)
	for _, t := range tasks {
		f := api.Finding{
			Verdict: api.Fail, Severity: api.Low, Basis: api.Measured, Subject: r.Subject(),
			Message:  "can gain rights through a set-user-ID program: NoNewPrivs is 0",
			Evidence: []api.Evidence{{Source: t.source(r.Node, "NoNewPrivs"), Value: bit(t.NoNewPrivs)}},
		}
		if known {
			f.Evidence = append(f.Evidence, declaredEscalation(d))
		}
		switch {
		case t.NoNewPrivs == nil:
			f.Verdict, f.Severity, f.Reason, f.Message = api.VerdictUnknown, "", fact.Unreadable, "its NoNewPrivs was not read"
		case *t.NoNewPrivs:
			continue
		default:
			if known && d.Container.AllowPrivilegeEscalation != nil && !*d.Container.AllowPrivilegeEscalation {
				f.Severity = api.Medium
				f.Message += ", though allowPrivilegeEscalation is declared false"
			}
			if root, own := inOwnUserNamespace(r.Node, t.Process); own {
				// A set-user-ID program makes it no more than root of that namespace.
				f.Severity = api.Low
				f.Message += ", but only in its own user namespace"
				f.Evidence = append(f.Evidence, uidMap(r.Node, t.Process, root))
			}
			if hasSysAdmin(t.Process) {
				// With it, a process needs no set-user-ID program to gain rights.
				f.Evidence = append(f.Evidence, api.Evidence{Source: t.source(r.Node, "CapEff"), Value: "holds SYS_ADMIN already", Basis: api.Measured})
			}
		}
		set = false
		findings = append(findings, ofRuntime(r, t.Process, f))
	}
	if !set {
		return findings
	}
	f := api.Finding{
		Verdict: api.Pass, Basis: api.Measured, Subject: r.Subject(), Message: "can gain no rights",
		Evidence: []api.Evidence{{Source: tasks[0].source(r.Node, "NoNewPrivs"), Value: "1, of " + countProcesses(len(r.Measured.Processes)), Basis: api.Measured}},
	}
	if known {
		f.Evidence = append(f.Evidence, declaredEscalation(d))
		if allowed := d.Container.AllowPrivilegeEscalation; allowed == nil || *allowed {
			f.Verdict, f.Severity, f.Basis = api.Fail, api.Low, api.Declared
			f.Message = "can gain no rights now, but a new process of it can: allowPrivilegeEscalation is not declared false"
		}
	}
	return []api.Finding{f}
}

// bit writes a flag as /proc/PID/status does.
func bit(b *bool) string {
	switch {
	case b == nil:
		return "not read"
	case *b:
		return "1"
	}
	return "0"
}

func declaredEscalation(d checks.Declared) api.Evidence {
	value := "not set"
	if allowed := d.Container.AllowPrivilegeEscalation; allowed != nil {
		value = strconv.FormatBool(*allowed)
	}
	return api.Evidence{Source: d.Field(escalationField), Value: value, Basis: api.Declared}
}

func judgeDeclaredEscalation(d checks.Declared) api.Finding {
	f := api.Finding{
		Verdict: api.Fail, Severity: api.Low, Message: "may gain rights: allowPrivilegeEscalation is not false",
		Evidence: []api.Evidence{declaredEscalation(d)},
	}
	allowed := d.Container.AllowPrivilegeEscalation
	if allowed != nil && !*allowed {
		f.Verdict, f.Severity, f.Message = api.Pass, "", "may gain no rights"
	}
	return f
}
