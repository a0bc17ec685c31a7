package secrets

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestAPIServerTLS(t *testing.T) {
	const (
		name  = "cp1: the API server ([::]:6443)"
		only  = " takes only TLS 1.2 and TLS 1.3"
		pass  = "pass " + name + only + ", it refuses requests without credentials"
		known = "it is unknown what it allows without credentials"
	)
	server := func(changes ...func(*fact.Listener)) *fact.Set { return onNode(at(fact.KubeAPI, both(changes...))) }
	beside := func(l fact.Listener, owner fact.ComponentProgram, changes ...func(*fact.Listener)) *fact.Set {
		both(changes...)(&l)
		return onNode(plus(l, owner))
	}
	judgeTransit(t, judgeAPIServerTLS, transitCases{
		"401 passes":              {onNode(), []string{pass}},
		"403 passes with a note":  {server(answered(403)), []string{"pass " + name + only + ", it takes requests without credentials and refuses what the anonymous user may not do"}},
		"404 is critical":         {server(answered(404)), []string{"critical fail " + name + ": anyone may do anything without credentials"}},
		"404 on loopback is high": {server(answered(404), onLoopback), []string{"high fail cp1: the API server (127.0.0.1:6443, loopback only): anyone may do anything without credentials"}},
		"500 is unknown":          {server(answered(500)), []string{"unknown Unsupported " + name + ": its answer does not show what the anonymous user may do"}},
		"200 is unknown":          {server(answered(200)), []string{"unknown Unsupported " + name + ": its answer does not show what the anonymous user may do"}},
		"no answer is unknown":    {server(answered(0)), []string{"unknown NotPresent " + name + ": " + known}},
		"no request is unknown":   {server(func(l *fact.Listener) { l.Request = nil }), []string{"unknown NotPresent " + name + ": " + known}},
		"a demanded certificate needs no request": {
			server(clientAuth(fact.ClientCertDemanded), func(l *fact.Listener) { l.Request = nil }), []string{"pass " + name + only + ", it refuses clients without a certificate"},
		},
		"no certificate asked is a note":   {server(clientAuth(fact.ClientCertNotAsked)), []string{"pass " + name + only + ", it asks for no client certificate, it refuses requests without credentials"}},
		"unknown whether asked passes":     {server(clientAuth("")), []string{pass}},
		"plaintext is critical":            {server(inPlain), []string{"critical fail " + name + " does not use TLS"}},
		"a self-signed certificate passes": {server(chain(func(c *fact.Certificate) { c.SelfSigned = true })), []string{pass}},
		"kubelets that are not verified are low": {
			onNode(set(fact.ProgramAPIServer, "kubelet-certificate-authority", "")),
			[]string{pass, "low fail cp1: the API server does not verify the certificates of kubelets, so someone on the network between can read what it reads from them"},
		},
		"settings elsewhere may name their authority": {
			onNode(set(fact.ProgramAPIServer, "kubelet-certificate-authority", ""), func(m *fact.Measurement) { m.Components[1].Unfollowed = "x" }), []string{pass},
		},
		"a proxy before it is judged, without its names": {
			beside(ft.Listener(fact.KubeAPIProxy, "0.0.0.0", 8443), fact.ProgramProxy, offered(fact.OfferTLS10, fact.OfferAccepted, ""), chain(func(c *fact.Certificate) { c.Names = nil })),
			[]string{pass, "medium fail cp1: the proxy before the API server (0.0.0.0:8443) accepts TLS 1.0"},
		},
		"RKE2's supervisor is judged": {
			beside(ft.Listener(fact.RKE2Supervisor, "::", 9345), fact.ProgramRKE2, inPlain), []string{pass, "high fail cp1: RKE2's supervisor port ([::]:9345) does not use TLS"},
		},
		"konnectivity is judged": {
			beside(ft.Listener(fact.Konnectivity, "::", 8132), fact.ProgramKonnectivity), []string{pass, "pass cp1: konnectivity's agent port ([::]:8132)" + only},
		},
		"a proxy at the API server's usual port": {
			beside(ft.Listener(fact.KubeAPI, "10.0.0.1", 6443), fact.ProgramProxy, func(l *fact.Listener) { l.Inode = 9 }, chain(func(c *fact.Certificate) { c.Names = nil })),
			[]string{pass, "pass cp1: the proxy before the API server (10.0.0.1:6443)" + only + ", it refuses requests without credentials"},
		},
		"the kubelet's way to it is met":          {onNode(set(fact.ProgramKubelet, "kubeconfig-server", "https://10.0.0.1:6443")), []string{pass}},
		"the kubelet's way to it leads elsewhere": {onNode(set(fact.ProgramKubelet, "kubeconfig-server", "https://10.0.0.200:8443")), []string{pass}},
		"a proxy that nobody knows": {
			onNode(set(fact.ProgramKubelet, "kubeconfig-server", "https://127.0.0.1:8443")),
			[]string{pass, "unknown NotPresent cp1: what stands before the API server (https://127.0.0.1:8443) was not measured"},
		},
		"a proxy that was not met is unknown": {
			onNode(running(fact.ProgramProxy)), []string{pass, "unknown NotPresent cp1: the proxy before the API server was not measured"},
		},
		"a supervisor that was not met is unknown": {
			onNode(running(fact.ProgramRKE2)), []string{pass, "unknown NotPresent cp1: RKE2's supervisor port was not measured"},
		},
		"konnectivity that was not met is unknown": {
			onNode(running(fact.ProgramKonnectivity)), []string{pass, "unknown NotPresent cp1: konnectivity's agent port was not measured"},
		},
		"an API server that started after the handshakes is unknown": {
			server(func(l *fact.Listener) { l.Inode = 4 }), []string{"unknown Changing " + name + ": its program opened another socket there before or after the handshakes"},
		},
		"another program's 8443 is not judged": {beside(ft.Listener(fact.KubeAPIProxy, "0.0.0.0", 8443), fact.ProgramContainerd, inPlain), []string{pass}},
		"an API server without a listener": {
			onNode(drop(fact.KubeAPI)), []string{"unknown NotPresent cp1: the API server was not measured"},
		},
		"a second API server that was not met": {
			ft.Edit(onNode(), func(s *fact.Set) { s.Cluster.APIServers = ft.Ptr(2) }),
			[]string{pass, "unknown NotPresent Cluster: not every API server was measured"},
		},
		"a node of the control plane without one, and no leases": {
			onNode(drop(fact.KubeAPI), quit(fact.ProgramAPIServer)), []string{"unknown NotPresent Cluster: not every API server was measured"},
		},
		"as many leases as were met": {ft.Edit(onNode(), func(s *fact.Set) { s.Cluster.APIServers = ft.Ptr(1) }), []string{pass}},
		"etcd's node need not have one": {
			ft.Edit(onNode(), func(s *fact.Set) {
				other := onNode(drop(fact.KubeAPI), quit(fact.ProgramAPIServer)).Nodes[0]
				other.Name, other.Labels = "etcd1", role(fact.RoleEtcd)
				s.Nodes = append(s.Nodes, other)
			}), []string{pass},
		},
		"another API server on the node, which was not met": {
			onNode(running(fact.ProgramAPIServer, fact.Socket{Address: "::", Port: 7443, Inode: 3}), set(fact.ProgramAPIServer, "kubelet-certificate-authority", "/ca")),
			[]string{pass, "unknown NotPresent cp1: the API server was not measured"},
		},
		"a port of it that was not met": {
			onNode(listening(fact.ProgramAPIServer, fact.Socket{Address: "::", Port: 8080, Inode: 3})),
			[]string{pass, "unknown NotPresent cp1: a port of the API server ([::]:8080) was not measured"},
		},
		"its port without TLS is critical": {
			onNode(listening(fact.ProgramAPIServer, fact.Socket{Address: "0.0.0.0", Port: 8080, Inode: 3}), set(fact.ProgramAPIServer, "insecure-port", "8080")),
			[]string{pass, "critical fail cp1: the API server has a port without TLS and credentials (0.0.0.0:8080)"},
		},
		"its port without TLS on loopback is high": {
			onNode(listening(fact.ProgramAPIServer, fact.Socket{Address: "127.0.0.1", Port: 8080, Inode: 3}), set(fact.ProgramAPIServer, "insecure-port", "8080")),
			[]string{pass, "high fail cp1: the API server has a port without TLS and credentials (127.0.0.1:8080, loopback only)"},
		},
		"anonymous requests that are taken although they are turned off": {
			onNode(at(fact.KubeAPI, answered(403)), set(fact.ProgramAPIServer, "anonymous-auth", "false")),
			[]string{
				"pass " + name + only + ", it takes requests without credentials and refuses what the anonymous user may not do",
				"low fail cp1: the API server does not answer requests without credentials as its settings say",
			},
		},
		"anonymous requests that are refused as they are set": {onNode(set(fact.ProgramAPIServer, "anonymous-auth", "false")), []string{pass}},
		"something at its port where no API server runs passes nothing": {
			onNode(quit(fact.ProgramAPIServer)), []string{"unknown NotPresent cp1: the API server ([::]:6443, by its port): nothing shows which program it belongs to"},
		},
		"a worker counts for nothing": {onWorker(server(inPlain)), nil},
		"not read: a gap says so":     {onNode(func(m *fact.Measurement) { m.Read = nil }), nil},
	})
	judge(t, func(v *checks.View) []api.Finding {
		findings := judgeAPIServerTLS(v)
		findings[0].Evidence = findings[0].Evidence[5:]
		return findings
	}, cases{
		"a mesh is mentioned": {
			ft.Edit(onNode(), func(s *fact.Set) {
				s.Meshes = []fact.MeshState{{Name: "Istio", Strict: true, Source: "peerauthentication/istio-system/default"}, {Name: "Linkerd"}}
			}),
			[]string{pass + " [peerauthentication/istio-system/default = Istio encrypts traffic between workloads (not judged here)]"},
		},
	})
}
