package privileged

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// MandatoryAccessControl fails a container with a process that has left the confinement
// of its node's security module. Source: /proc/PID/attr/current, which has an AppArmor
// profile with its mode ("cri-containerd.apparmor.d (enforce)", "unconfined";
// apparmor(7)) or a SELinux context ("user:role:type:level"; selinux(8)).
//
// On a node without such a module there is nothing to leave: one finding about the node
// says so. The check does not claim that the module enforces (SELinux can be permissive).
var MandatoryAccessControl = checks.Check{
	ID:       "privileged/mandatory-access-control",
	Title:    "No process has left its node's AppArmor or SELinux confinement",
	Severity: api.Medium,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Processes},
	Uses:     []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Why: "AppArmor and SELinux limit what even root may open, mount and change. The runtime's default profile is there without any work; " +
		"a container that runs unconfined has left it.",
	Remediation: "Remove appArmorProfile Unconfined, seLinuxOptions with another type than the default, and privileged. " +
		"If a program needs more, write a profile for it.",
	References: []string{
		"https://kubernetes.io/docs/tutorials/security/apparmor/",
		"https://kubernetes.io/docs/tasks/configure-pod-container/security-context/#assign-selinux-labels-to-a-container",
		"https://kubernetes.io/docs/concepts/security/pod-security-standards/",
	},
	Judge: judgeMandatoryAccessControl,
}

func judgeMandatoryAccessControl(v *checks.View) []api.Finding {
	seen, unseen := checks.RunningContainers(v, fact.Processes)
	findings := checks.Unseen(unseen)
	labelled, runs := map[*fact.Node]bool{}, map[*fact.Node]bool{}
	for _, r := range seen {
		runs[r.Node] = true
		labelled[r.Node] = labelled[r.Node] || slices.ContainsFunc(r.Measured.Processes, func(p fact.Process) bool { return p.Label != "" })
	}
	for _, r := range seen {
		if len(r.Measured.Processes) == 0 {
			findings = append(findings, noProcess(r))
			continue
		}
		if labelled[r.Node] {
			findings = append(findings, judgeLabels(r)...)
		}
	}
	// One finding for a node, not for each of its containers.
	for i := range v.Nodes {
		if node := &v.Nodes[i]; runs[node] && !labelled[node] {
			findings = append(findings, unlabelled(node))
		}
	}
	return findings
}

// unlabelled is the finding for a node on which no process of a container has a label.
func unlabelled(node *fact.Node) api.Finding {
	f := api.Finding{
		Verdict: api.VerdictUnknown, Reason: fact.Unreadable, Subject: nodeSubject(node),
		Message:  "the AppArmor profiles or SELinux contexts of its containers were not read",
		Evidence: []api.Evidence{{Source: checks.NodeSource(node, "/proc/1/attr/current"), Value: "not read"}},
	}
	switch labels := node.Measured.Labels; {
	case labels == nil:
	case !*labels:
		f.Verdict, f.Reason, f.Message = api.Pass, "", "the node has neither AppArmor nor SELinux, so that there is no confinement to leave"
		f.Evidence[0].Value = "none: no security module labels processes"
	default:
		f.Evidence[0].Value = "read, but of no process in a container"
	}
	return f
}

func judgeLabels(r checks.Running) []api.Finding {
	type key struct {
		label   string
		runtime bool
	}
	tasks := distinct(r.Measured, func(t task) key { return key{t.Label, r.MayBeRuntime(t.Process)} })
	findings := make([]api.Finding, 0, len(tasks))
	for _, t := range tasks {
		f := api.Finding{
			Subject: r.Subject(), Evidence: []api.Evidence{{Source: checks.NodeSource(r.Node, "/proc/%d/attr/current", t.PID), Value: t.Label}},
		}
		f.Verdict, f.Severity, f.Message = gradeLabel(t.Label)
		if f.Verdict == api.VerdictUnknown {
			f.Reason = fact.Unsupported
			if t.Label == "" {
				f.Reason, f.Evidence[0].Value = fact.Unreadable, "not read, or empty"
			}
		}
		findings = append(findings, ofRuntime(r, t.Process, f))
	}
	return findings
}

// freeTypes are the types of SELinux under which nothing of the node is refused to a
// process: those of the targeted policy that are unconfined, and container-selinux's
// spc_t ("super privileged container").
var freeTypes = []string{"spc_t", "unconfined_t", "unconfined_service_t", "container_runtime_t", "initrc_t", "init_t", "kernel_t"}

// gradeLabel says what a label means.
func gradeLabel(label string) (api.Verdict, api.Severity, string) {
	if label == "" {
		return api.VerdictUnknown, "", "one of its processes has no AppArmor profile or SELinux context, or it was not read; others on its node have one"
	}
	if label == "unconfined" {
		return api.Fail, api.Medium, "has no AppArmor profile (unconfined)"
	}
	// A profile's name can hold anything, also " (" and colons: the mode is at the end.
	if at := strings.LastIndex(label, " ("); at >= 0 && strings.HasSuffix(label, ")") {
		switch mode := label[at+2 : len(label)-1]; mode {
		case "enforce", "kill":
			return api.Pass, "", "an AppArmor profile is enforced for it"
		case "complain", "unconfined":
			return api.Fail, api.Medium, fmt.Sprintf("its AppArmor profile is in mode %s, which refuses nothing by itself", mode)
		}
		return api.VerdictUnknown, "", "its AppArmor profile is in a mode that this version does not know"
	}
	if parts := strings.Split(label, ":"); len(parts) >= 3 && parts[2] != "" {
		if slices.Contains(freeTypes, parts[2]) {
			return api.Fail, api.Medium, "its SELinux type is " + parts[2] + ", which confines nothing"
		}
		return api.Pass, "", "its SELinux type is none of the unconfined ones"
	}
	return api.VerdictUnknown, "", "its security label is of a kind that this version does not know"
}
