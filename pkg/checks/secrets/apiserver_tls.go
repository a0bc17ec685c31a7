package secrets

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// APIServerTLS fails a node whose API server, or what stands before it, talks without TLS
// or with an old version of it, or lets anyone in. Source: handshakes with each of the
// node's own listeners, and one request without credentials for a path that does not
// exist.
var APIServerTLS = checks.Check{
	ID:       "secrets/apiserver-tls",
	Title:    "API servers talk only over TLS 1.2 or later and ask for credentials",
	Severity: api.Critical,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.ServerTLS, fact.ServerSettings},
	Uses:     []fact.Kind{fact.Certificates, fact.SecretStores},
	Scope:    checks.ScopeNode,
	Why: "Every Secret that a pod or a user gets comes over a connection to an API server, and with it the credentials of whoever asks. TLS 1.0 and " +
		"1.1 rest on broken hash functions (RFC 8996). Ingress and traffic between workloads are out of scope: they carry what workloads send, " +
		"and no Secret of the API.",
	Remediation: "Set --tls-min-version=VersionTLS12, leave --tls-cipher-suites at its default, do not grant the group system:unauthenticated " +
		"anything beyond discovery and health, and use --authorization-mode=Node,RBAC. Give the API server a certificate with the node's addresses, and " +
		"--kubelet-certificate-authority so that it verifies kubelets.",
	References: []string{
		"https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/",
		"https://kubernetes.io/docs/reference/access-authn-authz/authentication/#anonymous-requests",
		"https://www.rfc-editor.org/rfc/rfc8996",
	},
	Judge: judgeAPIServerTLS,
}

func judgeAPIServerTLS(v *checks.View) []api.Finding {
	var findings []api.Finding
	served, measured := 0, 0
	for _, node := range v.Witnesses(fact.ServerTLS) {
		if !node.Measured.HasRead(fact.ServerTLS) {
			continue // a gap says so
		}
		n := &transitNode{Node: node, view: v, settings: fact.ServerSettings}
		judged := n.judge(fact.KubeAPI)
		n.missing(judged, fact.ProgramAPIServer, "the API server")
		n.missing(n.judge(fact.KubeAPIProxy), fact.ProgramProxy, "the proxy before the API server")
		n.missing(n.judge(fact.RKE2Supervisor), fact.ProgramRKE2, "RKE2's supervisor port")
		n.missing(n.judge(fact.Konnectivity), fact.ProgramKonnectivity, "konnectivity's agent port")
		n.kubeletsServer()
		if v.ServerWitness(node) {
			measured++
		}
		servers := n.run(fact.ProgramAPIServer)
		if judged > 0 || len(servers) > 0 {
			served++
		}
		for _, c := range servers {
			n.kubeletAuthority(c)
			n.otherPorts(c)
			n.anonymous(c)
		}
		findings = append(findings, withMeshes(v, n.findings)...)
	}
	if unread := unreadListeners(v, served, measured); unread != nil {
		findings = append(findings, *unread)
	}
	return findings
}

// otherPorts judges what an API server listens on beside its secure port, which no handshake
// was made with: up to Kubernetes 1.19 --insecure-port has neither TLS nor authorization.
func (n *transitNode) otherPorts(c *fact.Component) {
	insecure, set := c.Setting("insecure-port")
	for _, s := range c.Sockets {
		if s.Netns != 0 || n.met(s) || !slices.ContainsFunc(c.Sockets, n.met) { // without any it is unknown already
			continue
		}
		evidence := n.evidence(fmt.Sprintf("/proc/%d/fd", c.PID), "listens on "+endpoint(s.Address, s.Port))
		if !set || insecure.Value != fmt.Sprint(s.Port) {
			n.unknown(fact.NotPresent, "a port of the API server ("+endpoint(s.Address, s.Port)+") was not measured", evidence)
			continue
		}
		severity, where := api.Critical, ""
		if loopback(s.Address) {
			severity, where = lower(severity), ", loopback only"
		}
		n.add(api.Finding{
			Verdict: api.Fail, Severity: severity, Evidence: []api.Evidence{evidence, n.setting(c, insecure)},
			Message: "the API server has a port without TLS and credentials (" + endpoint(s.Address, s.Port) + where + ")",
		})
	}
}

// anonymous notes an API server that takes requests without credentials although it is set
// to refuse them. The other way round a file of --authentication-config may decide.
func (n *transitNode) anonymous(c *fact.Component) {
	s, ok := c.Setting("anonymous-auth")
	if !ok || s.Value != "false" {
		return
	}
	for _, l := range n.of(fact.KubeAPI) {
		if n.owner(l) == c && l.Request != nil && (l.Request.Status == 403 || l.Request.Status == 404) {
			n.add(api.Finding{
				Verdict: api.Fail, Severity: api.Low, Message: "the API server does not answer requests without credentials as its settings say",
				Evidence: []api.Evidence{
					n.setting(c, s), n.evidence("listener "+endpoint(l.Address, l.Port)+" "+l.Request.Method+" "+l.Request.Path+" without credentials", fmt.Sprintf("status %d", l.Request.Status)),
				},
			})
		}
	}
}

// kubeletsServer is unknown where the kubelet finds the API server on its own node, and
// nothing was met there: a proxy that is none of those that are known.
func (n *transitNode) kubeletsServer() {
	for _, c := range n.run(fact.ProgramKubelet) {
		s, ok := c.Setting("kubeconfig-server")
		if !ok {
			continue
		}
		_, host, port := splitURL(s.Value)
		port = cmp.Or(port, "443")
		own := append([]string{n.Name, "localhost"}, n.Addresses...)
		if !loopback(host) && !slices.ContainsFunc(own, func(o string) bool { return sameHost(o, host) }) {
			continue
		}
		if !slices.ContainsFunc(n.judged, func(l *fact.Listener) bool { return fmt.Sprint(l.Port) == port }) {
			n.unknown(fact.NotPresent, "what stands before the API server ("+s.Value+") was not measured", n.setting(c, s))
		}
	}
}

// kubeletAuthority notes an API server that does not verify kubelets' certificates, which
// is the default, and kubeadm's, too.
func (n *transitNode) kubeletAuthority(c *fact.Component) {
	if s, ok := c.Setting("kubelet-certificate-authority"); ok && s.Value != "" || c.Unfollowed != "" {
		return
	}
	n.add(api.Finding{
		Verdict: api.Fail, Severity: api.Low, // measured: it is the process's own command line
		Message: "the API server does not verify the certificates of kubelets, so someone on the network between can read what it reads from them",
		Evidence: []api.Evidence{{
			Source: checks.NodeSource(n.Node, "/proc/%d/cmdline --kubelet-certificate-authority", c.PID), Value: "not set",
		}},
	})
}

// unreadListeners is a finding if there must be more API servers than were met. Their
// leases count them; without leases, each node that can run one is assumed to.
func unreadListeners(v *checks.View, served, measured int) *api.Finding {
	e := api.Evidence{}
	switch leases := v.Cluster.APIServers; {
	case leases != nil && *leases > 0 && served < *leases:
		e.Source = "leases in kube-system labelled apiserver.kubernetes.io/identity=kube-apiserver"
		e.Value = fmt.Sprintf("%s, %d of them measured", checks.Count(*leases, "API server"), served)
	case (leases == nil || *leases <= 0) && measured > 0 && served < measured:
		e.Source = "nodes of the control plane that were measured"
		e.Value = fmt.Sprintf("%s, an API server was found on %d; the number of API servers was not read", checks.Count(measured, "node"), served)
	default:
		return nil
	}
	if measured == 0 {
		return nil // a gap says so
	}
	return &api.Finding{
		Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: fact.Subject{Kind: fact.SubjectCluster},
		Message: "not every API server was measured", Evidence: []api.Evidence{e},
	}
}

// withMeshes adds to passes what a service mesh says of the traffic between workloads,
// which this check does not judge.
func withMeshes(v *checks.View, findings []api.Finding) []api.Finding {
	for i := range findings {
		if findings[i].Verdict != api.Pass {
			continue
		}
		for _, mesh := range v.Meshes {
			if mesh.Strict {
				findings[i].Evidence = append(findings[i].Evidence, api.Evidence{
					Source: mesh.Source, Value: mesh.Name + " encrypts traffic between workloads (not judged here)", Basis: api.Declared,
				})
			}
		}
	}
	return findings
}
