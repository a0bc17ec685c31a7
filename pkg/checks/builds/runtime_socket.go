package builds

import (
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/hostpath"
)

// RuntimeSocket fails a container that mounts the socket of the node's
// container runtime or image builder, or a directory that holds one. A
// read-only mount changes nothing: it does not stop connect(2).
var RuntimeSocket = checks.Check{
	ID:       "builds/runtime-socket",
	Title:    "No container mounts a container runtime's socket",
	Severity: api.High,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Why: "Anyone who can reach the runtime's socket can start any container with any right on the node, outside of Kubernetes. It is the usual " +
		"way to build images in a cluster, and it gives root on the node.",
	Remediation: "Build images on separate machines. If a pod only needs information about containers, give it the Kubernetes API " +
		"or the kubelet's API instead of the socket, and mount no directory above the socket.",
	References: []string{
		"https://docs.docker.com/engine/security/#docker-daemon-attack-surface",
		"https://kubernetes.io/docs/concepts/storage/volumes/#hostpath",
	},
	Judge: judgeRuntimeSocket,
}

func judgeRuntimeSocket(v *checks.View) []api.Finding {
	declared := checks.DeclaredContainers(v)
	findings := make([]api.Finding, 0, len(declared))
	for _, d := range declared {
		before := len(findings)
		if hostProcess, process := d.HostProcess(); hostProcess {
			findings = append(findings, api.Finding{
				Verdict: api.Fail, Severity: api.High, Subject: d.Subject(),
				Message: "reaches every pipe of its Windows node, including a runtime's (hostProcess)", Evidence: []api.Evidence{process},
			})
		}
		mounts := hostpath.Of(d.Workload, d.Container)
		for _, m := range mounts {
			socket, direct, ok := hostpath.Socket(m.Path)
			if !ok {
				continue
			}
			f := api.Finding{
				Verdict: api.Fail, Severity: api.High, Subject: d.Subject(),
				Message:  "mounts " + m.Path + " of the node, which is or holds " + socket,
				Evidence: []api.Evidence{{Source: m.Field(d.Workload), Value: m.Value()}},
			}
			if m.Path == socket {
				f.Message = "mounts " + socket + " of the node"
			}
			if !direct {
				f.Severity = api.Medium
				f.Message = "mounts " + m.Path + " of the node, a directory that can hold " + socket
			}
			findings = append(findings, f)
		}
		if unread := hostpath.Unread(d.Workload, d.Container); len(unread) > 0 {
			findings = append(findings, hostpath.UnknownBehind(d, unread))
		} else if len(findings) == before {
			f := api.Finding{
				Verdict: api.Pass, Subject: d.Subject(), Message: "mounts nothing of the node that holds a runtime's socket",
				Evidence: []api.Evidence{{Source: d.Field("volumeMounts"), Value: "no hostPath"}},
			}
			if len(mounts) > 0 {
				f.Evidence = nil
				for _, m := range mounts {
					f.Evidence = append(f.Evidence, api.Evidence{Source: m.Field(d.Workload), Value: m.Value()})
				}
			}
			findings = append(findings, f)
		}
	}
	return findings
}
