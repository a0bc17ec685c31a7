package secrets

import (
	"fmt"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// ComponentTLS notes other programs of the cluster on a node that talk without TLS or with
// an old version of it: scheduler, controller managers, and the streams of the container
// runtime. Source: handshakes with each of the node's own listeners.
var ComponentTLS = checks.Check{
	ID:       "secrets/component-tls",
	Title:    "Other components of the cluster talk only over TLS 1.2 or later",
	Severity: api.Low,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.NodeTLS, fact.NodeSettings},
	Scope:    checks.ScopeNode,
	Why: "The ports of the scheduler and of controller managers give metrics, health and profiles, and no Secret, but the tokens of those who ask " +
		"travel over them. The runtime's streaming port carries what kubectl exec shows; on loopback only the node itself can reach it.",
	Remediation: "Set --tls-min-version=VersionTLS12 and --bind-address=127.0.0.1 for the scheduler and controller managers. Leave the runtime's streaming " +
		"address at 127.0.0.1 (containerd: stream_server_address; CRI-O: stream_address), or turn on its TLS.",
	References: []string{
		"https://kubernetes.io/docs/reference/command-line-tools-reference/kube-scheduler/",
		"https://kubernetes.io/docs/reference/command-line-tools-reference/kube-controller-manager/",
		"https://github.com/containerd/containerd/blob/main/docs/cri/config.md",
	},
	Judge: judgeComponentTLS,
}

// otherComponents have a port each. One of them that runs was met, or is unknown.
var otherComponents = []struct {
	purpose fact.ListenerPurpose
	program fact.ComponentProgram
}{
	{fact.ControllerManager, fact.ProgramControllerManager}, {fact.Scheduler, fact.ProgramScheduler}, {fact.CloudController, fact.ProgramCloudController},
}

func judgeComponentTLS(v *checks.View) []api.Finding {
	var findings []api.Finding
	for i := range v.Nodes {
		node := &v.Nodes[i]
		if !node.Measured.HasRead(fact.NodeTLS) {
			continue // a gap says so
		}
		n := &transitNode{Node: node, view: v, settings: fact.NodeSettings}
		for _, c := range otherComponents {
			n.missing(n.judge(c.purpose), c.program, transitRules[c.purpose].name)
		}
		n.judge(fact.RuntimeStreaming)
		n.streams()
		if len(n.findings) == 0 {
			n.add(api.Finding{
				Verdict: api.Pass, Message: "no other component listens on this node",
				Evidence: []api.Evidence{n.evidence("/proc/net/tcp, /proc/net/tcp6", "no listener of a scheduler, a controller manager or a container runtime")},
			})
		}
		findings = append(findings, n.findings...)
	}
	return findings
}

// streams is unknown for a container runtime that listens beyond loopback where it was not
// met. Its ports are not known beforehand, and some of them are not for streams.
func (n *transitNode) streams() {
	for _, c := range n.run(fact.ProgramContainerd, fact.ProgramCRIO) {
		for _, s := range c.Sockets {
			met := slices.ContainsFunc(n.judged, func(l *fact.Listener) bool { return l.Inode == s.Inode })
			if s.Netns == 0 && !met && !loopback(s.Address) {
				n.unknown(fact.NotPresent, "a port of "+string(c.Program)+" beyond loopback was not measured",
					n.evidence(fmt.Sprintf("/proc/%d/fd", c.PID), "listens on "+endpoint(s.Address, s.Port)))
			}
		}
	}
}
