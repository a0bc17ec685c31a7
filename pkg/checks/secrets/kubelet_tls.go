package secrets

import (
	"fmt"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// KubeletTLS fails a node whose kubelet talks without TLS or with an old version of it, or
// serves clients without credentials, also on its read-only port. Source: handshakes with
// the kubelet, one request without credentials for /healthz, and the kubelet's settings.
var KubeletTLS = checks.Check{
	ID:       "secrets/kubelet-tls",
	Title:    "Kubelets talk only over TLS 1.2 or later and ask for credentials",
	Severity: api.Critical,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.NodeTLS, fact.NodeSettings},
	Scope:    checks.ScopeNode,
	Why: "The kubelet starts commands in every container of its node and streams their output, so whoever it serves gets what pods get. " +
		"Its read-only port gives the specs of all pods, with the values in their environment, to everyone. Without a configuration file the " +
		"kubelet's defaults are the open ones: anonymous requests, AlwaysAllow, and port 10255.",
	Remediation: "In the kubelet's configuration set authentication.anonymous.enabled: false, authentication.x509.clientCAFile, authorization.mode: Webhook, " +
		"readOnlyPort: 0 and tlsMinVersion: VersionTLS12. For a serving certificate that clients can verify set serverTLSBootstrap: true and approve its requests.",
	References: []string{
		"https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/",
		"https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/",
		"https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-certs/#kubelet-serving-certs",
	},
	Judge: judgeKubeletTLS,
}

func judgeKubeletTLS(v *checks.View) []api.Finding {
	var findings []api.Finding
	for i := range v.Nodes {
		node := &v.Nodes[i]
		if !node.Measured.HasRead(fact.NodeTLS) {
			continue // a gap says so
		}
		n := &transitNode{Node: node, view: v, settings: fact.NodeSettings}
		if n.judge(fact.KubeletAPI) == 0 {
			n.unknown(fact.NotPresent, "no listener of the kubelet was found", n.evidence("/proc/net/tcp, /proc/net/tcp6", "nothing that belongs to a kubelet listens on its port"))
		}
		n.readOnly()
		for _, c := range n.run(fact.ProgramKubelet) {
			n.kubeletSettings(c)
		}
		findings = append(findings, n.findings...)
	}
	return findings
}

// readOnly fails the kubelet's port without TLS and credentials (10255), whatever it
// answers: it is for everyone.
func (n *transitNode) readOnly() {
	rule := &transitRule{name: "the kubelet's read-only port", programs: transitRules[fact.KubeletAPI].programs, most: api.High}
	for _, l := range n.of(fact.KubeletReadOnly) {
		how, owner := n.ownership(l, rule)
		if how == byOther {
			continue
		}
		j := &listenerJudge{transitNode: n, l: l, rule: rule, owner: owner, local: loopback(l.Address), how: how}
		if l.Protocol == fact.SpeaksTLS || l.Protocol == fact.SpeaksOther {
			if how == byPort {
				j.open(fact.Unsupported, "what listens there does not speak as the kubelet does", j.seen("protocol", string(l.Protocol)+": "+l.ProtocolFrom))
			}
			continue
		}
		if l.Protocol == "" && how == byPort {
			j.open(l.Reason, "it is unknown what it speaks", j.seen("protocol", j.missed()))
			continue
		}
		value := "it listens"
		if l.Protocol != "" {
			value = string(l.Protocol) + ": " + l.ProtocolFrom
		}
		j.fail(api.High, "gives the specs of all pods to everyone", j.declared([]api.Evidence{j.seen("protocol", value)}, "read-only-port")...)
	}
}

// kubeletSettings judges what no request without credentials shows, and settings that
// differ from what was measured.
func (n *transitNode) kubeletSettings(c *fact.Component) {
	fail := func(severity api.Severity, s fact.Setting, message string) {
		e := n.setting(c, s)
		e.Basis = "" // as the finding: the running process was asked for it
		n.add(api.Finding{Verdict: api.Fail, Severity: severity, Message: message, Evidence: []api.Evidence{e}})
	}
	if s, ok := c.Setting("authorization-mode"); ok && s.Value == "AlwaysAllow" {
		fail(api.Medium, s, "the kubelet lets every client with credentials do everything (AlwaysAllow)")
	}
	if s, ok := c.Setting("anonymous-auth"); ok {
		for _, l := range n.of(fact.KubeletAPI) {
			if l.Request == nil || s.Value == "true" == (l.Request.Status != 401) || l.Request.Status == 0 {
				continue
			}
			n.add(api.Finding{
				Verdict: api.Fail, Severity: api.Low, Message: "the kubelet does not answer requests without credentials as its settings say",
				Evidence: []api.Evidence{
					n.setting(c, s), n.evidence("listener "+endpoint(l.Address, l.Port)+" "+l.Request.Method+" "+l.Request.Path+" without credentials", fmt.Sprintf("status %d", l.Request.Status)),
				},
			})
		}
	}
	if s, ok := c.Setting("read-only-port"); ok && s.Value != "0" && s.Value != "" && len(n.of(fact.KubeletReadOnly)) == 0 {
		i := slices.IndexFunc(c.Sockets, func(at fact.Socket) bool { return at.Netns == 0 && fmt.Sprint(at.Port) == s.Value })
		if i < 0 {
			fail(api.Low, s, "the kubelet's settings open its read-only port, which was not found: the next start may open it")
			return
		}
		severity, where := api.High, ""
		if loopback(c.Sockets[i].Address) {
			severity, where = lower(severity), ", loopback only"
		}
		fail(severity, s, "the kubelet's read-only port ("+endpoint(c.Sockets[i].Address, c.Sockets[i].Port)+where+") gives the specs of all pods to everyone")
	}
}
