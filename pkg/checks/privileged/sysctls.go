package privileged

import (
	"slices"
	"strconv"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// Sysctls fails a pod that sets kernel parameters beyond those that the baseline of the Pod
// Security Standards allows.
var Sysctls = checks.Check{
	ID:       "privileged/sysctls",
	Title:    "No pod sets unsafe kernel parameters",
	Severity: api.Medium,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Linux:    true,
	Evidence: 64, // a patch needs each field
	Why: "Some kernel parameters belong to a pod's own namespaces and harm nobody else. Any other can take the node's memory, weaken its network, or act " +
		"on every pod of the node; a kubelet allows it only if its administrator has listed it.",
	Remediation: "Remove the parameter, or set it for all of the node where the node is configured.",
	References: []string{
		"https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/",
		"https://kubernetes.io/docs/concepts/security/pod-security-standards/",
	},
	Judge: sysctlsRule.judgeAll,
}

// safeSysctls are those that the baseline allows. Source: the Pod Security Standards as of
// 1.37 (k8s.io/pod-security-admission v0.37.2), 2026-11.
var safeSysctls = []string{
	"kernel.shm_rmid_forced",
	"net.ipv4.ip_local_port_range",
	"net.ipv4.ip_local_reserved_ports",
	"net.ipv4.ip_unprivileged_port_start",
	"net.ipv4.ping_group_range",
	"net.ipv4.tcp_fin_timeout",
	"net.ipv4.tcp_keepalive_intvl",
	"net.ipv4.tcp_keepalive_probes",
	"net.ipv4.tcp_keepalive_time",
	"net.ipv4.tcp_notsent_lowat",
	"net.ipv4.tcp_rmem",
	"net.ipv4.tcp_slow_start_after_idle",
	"net.ipv4.tcp_syncookies",
	"net.ipv4.tcp_wmem",
}

var sysctlsRule = fieldRule{
	passes: "sets no unsafe kernel parameter", linux: true, fields: "securityContext.sysctls", value: "none, or safe ones",
	judge: func(w *fact.Workload) []api.Finding {
		var names []string
		var evidence []api.Evidence
		for i, name := range w.Spec.Sysctls {
			if slices.Contains(safeSysctls, dotted(name)) {
				continue
			}
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
			evidence = append(evidence, api.Evidence{Source: checks.PodField(w, "securityContext.sysctls["+strconv.Itoa(i)+"].name"), Value: name})
		}
		if len(names) == 0 {
			return nil
		}
		slices.Sort(names)
		return []api.Finding{{
			Verdict: api.Fail, Severity: api.Medium, Subject: checks.WorkloadSubject(w), Evidence: evidence,
			Message: "sets unsafe kernel parameters: " + checks.JoinWords(names, 5),
		}}
	},
}

// dotted writes a parameter's name with dots, as the kubelet does: if its first separator is
// a slash, the two are swapped (sysctl.d(5)).
func dotted(name string) string {
	if i := strings.IndexAny(name, "./"); i < 0 || name[i] == '.' {
		return name
	}
	return strings.Map(func(r rune) rune {
		switch r {
		case '.':
			return '/'
		case '/':
			return '.'
		}
		return r
	}, name)
}
