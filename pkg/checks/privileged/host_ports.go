package privileged

import (
	"strconv"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// HostPorts notes a pod that opens ports of its node. In the node's network every port that
// it listens on is one, declared or not.
var HostPorts = checks.Check{
	ID:       "privileged/host-ports",
	Title:    "No pod opens ports of its node",
	Severity: api.Low,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Evidence: 64, // a patch needs each field
	Why: "A port of the node is reached by everybody who reaches the node, past Services and often past network policies. It also ties the pod to " +
		"nodes on which the port is free.",
	Remediation: "Remove hostPort and give the pod a Service; for a node agent, name the port in the firewall's rules.",
	References: []string{
		"https://kubernetes.io/docs/concepts/configuration/overview/#services",
		"https://kubernetes.io/docs/concepts/security/pod-security-standards/",
	},
	Judge: hostPortsRule.judgeAll,
}

var hostPortsRule = fieldRule{
	passes: "opens no port of the node", fields: "containers[*].ports[*].hostPort", value: "not set",
	judge: func(w *fact.Workload) []api.Finding {
		if w.Spec.HostNetwork {
			return []api.Finding{podFails(w, api.Low, "every port that it listens on is a port of the node", "hostNetwork", "true")}
		}
		return hostPortsOf(w)
	},
}

var hostPortsOf = ofContainers(func(d checks.Declared) []api.Finding {
	if len(d.Container.HostPorts) == 0 {
		return nil
	}
	f := api.Finding{Verdict: api.Fail, Severity: api.Low, Subject: d.Subject(), Message: "opens ports of the node"}
	for i, port := range d.Container.HostPorts {
		field := "ports"
		if i < len(d.Container.PortFields) {
			field = d.Container.PortFields[i]
		}
		f.Evidence = append(f.Evidence, api.Evidence{Source: d.Field(field), Value: strconv.Itoa(int(port))})
	}
	return []api.Finding{f}
})
