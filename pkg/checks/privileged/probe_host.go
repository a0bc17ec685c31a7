package privileged

import (
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// ProbeHost fails a container whose probe or hook names a host: the kubelet connects there,
// from the node. The baseline of the Pod Security Standards refuses it since 1.34.
var ProbeHost = checks.Check{
	ID:       "privileged/probe-host",
	Title:    "No probe or hook makes the kubelet connect to another host",
	Severity: api.Medium,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Evidence: 64, // a patch needs each field
	Why: "The kubelet runs HTTP and TCP probes and hooks itself, from the node's network. With a host of its own choice a pod makes it connect to what listens " +
		"on the node's localhost or to a cloud's metadata service, past network policies, and learns from the result.",
	Remediation: "Remove host from the probe or hook: then it connects to the pod. To send another Host header use httpHeaders.",
	References: []string{
		"https://kubernetes.io/docs/concepts/security/pod-security-standards/",
		"https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/",
	},
	Judge: probeHostRule.judgeAll,
}

var probeHostRule = fieldRule{
	passes: "its probes and hooks connect to the pod itself", fields: "containers[*].{livenessProbe,readinessProbe,startupProbe,lifecycle}.*.host", value: "not set",
	judge: ofContainers(func(d checks.Declared) []api.Finding {
		if len(d.Container.ProbeHosts) == 0 {
			return nil
		}
		f := api.Finding{Verdict: api.Fail, Severity: api.Medium, Subject: d.Subject(), Message: "a probe or hook makes the kubelet connect to a host that the pod chooses"}
		for i := range d.Container.ProbeHosts {
			p := &d.Container.ProbeHosts[i]
			f.Evidence = append(f.Evidence, api.Evidence{Source: d.Field(p.Field), Value: p.Host})
		}
		return []api.Finding{f}
	}),
}
