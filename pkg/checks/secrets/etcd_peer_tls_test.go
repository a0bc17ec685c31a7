package secrets

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func TestEtcdPeerTLS(t *testing.T) {
	const (
		name = "cp1: etcd's peer port (10.0.0.1:2380)"
		pass = "pass " + name + " takes only TLS 1.2 and TLS 1.3, and demands a client certificate"
	)
	judgeTransit(t, EtcdPeerTLS.Judge, transitCases{
		"a member's certificate demanded passes": {onNode(), []string{pass}},
		"plaintext is critical":                  {onNode(at(fact.EtcdPeer, inPlain), set(fact.ProgramEtcd, "listen-peer-urls", "http://10.0.0.1:2380")), []string{"critical fail " + name + " does not use TLS"}},
		"none asked is critical": {
			onNode(at(fact.EtcdPeer, clientAuth(fact.ClientCertNotAsked))),
			[]string{"critical fail " + name + " serves clients without a certificate, although peer-client-cert-auth is set"},
		},
		"the API server's authority does not matter here": {onNode(at(fact.EtcdPeer, func(l *fact.Listener) { l.ClientCAs = []string{"CN=kubernetes"} })), []string{pass}},
		"the client port does not matter here":            {onNode(at(fact.EtcdClient, inPlain)), []string{pass}},
		"http of the API server does not matter here":     {onNode(set(fact.ProgramAPIServer, "etcd-servers", "http://10.0.0.1:2379")), []string{pass}},
		"certificates that etcd makes itself are medium": {
			onNode(set(fact.ProgramEtcd, "peer-auto-tls", "true")),
			[]string{pass, "medium fail cp1: etcd makes its own certificates for its peer port (peer-auto-tls): they encrypt, and nobody can verify them"},
		},
		"http where it was not measured is critical": {
			onNode(drop(fact.EtcdPeer), set(fact.ProgramEtcd, "listen-peer-urls", "http://10.0.0.1:2380")),
			[]string{"critical fail cp1: etcd's peer port (10.0.0.1:2380) does not use TLS, by its settings"},
		},
		"kine has no members": {
			onNode(drop(fact.EtcdClient), drop(fact.EtcdPeer), quit(fact.ProgramEtcd), running(fact.ProgramKine)),
			[]string{"pass cp1: the store is kine, which has no members and no peer port"},
		},
		"kine whose sockets are unknown is unknown": {
			onNode(drop(fact.EtcdClient), drop(fact.EtcdPeer), quit(fact.ProgramEtcd), running(fact.ProgramKine), func(m *fact.Measurement) {
				m.Components[len(m.Components)-1].SocketsRead = false
			}),
			[]string{"unknown NotPresent Cluster: no etcd was found on the nodes of the control plane that were measured"},
		},
		"a member whose port was not measured is unknown": {onNode(drop(fact.EtcdPeer)), []string{"unknown NotPresent cp1: etcd's peer port (10.0.0.1:2380) was not measured"}},
	})
}
