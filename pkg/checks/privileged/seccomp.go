package privileged

import (
	"fmt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// Seccomp fails a container with a process whose system calls no filter limits. Source:
// Seccomp in /proc/PID/status (0 off, 1 strict, 2 filter; seccomp(2)) of every process
// and every thread that differs, and the declared profile. A process can add a filter
// but cannot remove one. Which filter it is cannot be read.
var Seccomp = checks.Check{
	ID:       "privileged/seccomp",
	Title:    "A seccomp filter limits the system calls of every process",
	Severity: api.Medium,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Pods},
	Uses:     []fact.Kind{fact.Processes},
	Scope:    checks.ScopeWorkload,
	Linux:    true,
	Why: "A container shares its node's kernel. Without a filter it can call every system call, and so reach every fault of the kernel; " +
		"the runtime's default profile refuses about 60 of them that containers do not need.",
	Remediation: remediationOfSeccomp,
	References: []string{
		"man:seccomp(2)",
		"https://kubernetes.io/docs/tutorials/security/seccomp/",
		"https://kubernetes.io/docs/concepts/security/pod-security-standards/",
	},
	Judge: func(v *checks.View) []api.Finding {
		return measuredElseDeclared(v, judgeSeccompModes, linuxOnly(judgeDeclaredSeccomp))
	},
}

const remediationOfSeccomp = "Set securityContext.seccompProfile.type to RuntimeDefault, and do not run containers privileged: they get no profile."

// Profile types of the API (core/v1 SeccompProfileType).
const seccompUnconfined = "Unconfined"

var seccompModes = map[int]string{0: "off", 1: "strict", 2: "filter"}

func judgeSeccompModes(r checks.Running) []api.Finding {
	const unread = -1
	mode := func(t task) int {
		if t.Seccomp == nil {
			return unread
		}
		return *t.Seccomp
	}
	type key struct {
		mode    int
		runtime bool
	}
	tasks := distinct(r.Measured, func(t task) key { return key{mode(t), r.MayBeRuntime(t.Process)} })
	d, known := declaredOf(r)
	var findings []api.Finding
	for _, t := range tasks {
		f := api.Finding{
			Verdict: api.Fail, Severity: api.Medium, Basis: api.Measured, Subject: r.Subject(), Message: "no seccomp filter limits it",
			Evidence: []api.Evidence{{Source: t.source(r.Node, "Seccomp"), Value: sayMode(t.Seccomp)}},
		}
		if known {
			profile, privileged := declaredProfile(d)
			f.Evidence = append(f.Evidence, profile.evidence())
			switch {
			case privileged:
				f.Evidence = append(f.Evidence, declaredPrivileged(d))
			case profile.value != "" && profile.value != seccompUnconfined:
				f.Message += ", though the profile " + profile.value + " is declared"
			}
		}
		switch mode(t) {
		case 0:
		case 1, 2:
			continue
		case unread:
			f.Verdict, f.Severity, f.Reason = api.VerdictUnknown, "", fact.Unreadable
			f.Message = "its seccomp mode was not read, or its kernel has no seccomp"
		default:
			f.Verdict, f.Severity, f.Reason = api.VerdictUnknown, "", fact.Unsupported
			f.Message = "its seccomp mode is one that this version does not know"
		}
		findings = append(findings, ofRuntime(r, t.Process, f))
	}
	if len(findings) > 0 {
		return findings
	}
	f := api.Finding{
		Verdict: api.Pass, Basis: api.Measured, Subject: r.Subject(),
		Message: "a seccomp filter limits it; which one cannot be read from the node",
		Evidence: []api.Evidence{{
			Source: tasks[0].source(r.Node, "Seccomp"), Value: sayMode(tasks[0].Seccomp) + ", of " + countProcesses(len(r.Measured.Processes)), Basis: api.Measured,
		}},
	}
	if !known {
		return []api.Finding{f}
	}
	profile, privileged := declaredProfile(d)
	f.Evidence = append(f.Evidence, profile.evidence())
	switch {
	case privileged:
		f.Verdict, f.Severity, f.Basis = api.Fail, api.Medium, api.Declared
		f.Message = "has a seccomp filter now, but a new process of it has none: it is declared privileged"
		f.Evidence = append(f.Evidence, declaredPrivileged(d))
	case profile.value == seccompUnconfined:
		f.Verdict, f.Severity, f.Basis = api.Fail, api.Medium, api.Declared
		f.Message = "has a seccomp filter now, but a new process of it has none: the profile Unconfined is declared"
	}
	return []api.Finding{f}
}

func sayMode(mode *int) string {
	if mode == nil {
		return "not read"
	}
	if word := seccompModes[*mode]; word != "" {
		return fmt.Sprintf("%d (%s)", *mode, word)
	}
	return fmt.Sprint(*mode)
}

// declaredProfile is the type of the declared profile, and whether the container is
// privileged: then it gets none, whatever is declared.
func declaredProfile(d checks.Declared) (profile setting, privileged bool) {
	c := d.Container
	return declaredSetting(d, "seccompProfile.type", c.Seccomp, d.Workload.Spec.Seccomp), c.Privileged != nil && *c.Privileged
}

func declaredPrivileged(d checks.Declared) api.Evidence {
	return api.Evidence{Source: d.Field("securityContext.privileged"), Value: "true", Basis: api.Declared}
}

func judgeDeclaredSeccomp(d checks.Declared) api.Finding {
	profile, privileged := declaredProfile(d)
	f := api.Finding{
		// That it declares none is a note. Whether it has one stays open (api.Finding.Open).
		Verdict: api.Fail, Severity: api.Low, Reason: fact.NotPresent, Evidence: []api.Evidence{profile.evidence()},
		Message:     "no seccomp profile is declared for it: it has one only if its kubelet sets a default",
		Remediation: api.Remediation{Text: remediationOfSeccomp},
	}
	switch {
	case privileged:
		f.Verdict, f.Severity, f.Reason, f.Remediation.Text = api.Fail, api.Medium, "", ""
		f.Message = "no seccomp filter limits it"
		f.Evidence = append(f.Evidence, declaredPrivileged(d))
	case profile.value == seccompUnconfined:
		f.Verdict, f.Severity, f.Reason, f.Remediation.Text = api.Fail, api.Medium, "", ""
		f.Message = "is declared without a seccomp filter"
	case profile.value != "":
		f.Verdict, f.Severity, f.Reason, f.Remediation.Text = api.Pass, "", "", ""
		f.Message = "the seccomp profile " + profile.value + " is declared for it"
	}
	return f
}
