package secrets

import (
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestEtcdClientTLS(t *testing.T) {
	const (
		name  = "cp1: etcd's client port (10.0.0.1:2379)"
		local = "cp1: etcd's client port (127.0.0.1:2379, loopback only)"
		pass  = "pass " + name + " takes only TLS 1.2 and TLS 1.3, and demands a client certificate"
		urls  = "listen-client-urls"
		cafs  = "takes client certificates of an authority that the API server's clients have theirs from: CN=kubernetes"
		none  = "unknown NotPresent Cluster: no etcd was found on the nodes of the control plane that were measured"
	)
	etcd := func(changes ...func(*fact.Listener)) *fact.Set { return onNode(at(fact.EtcdClient, both(changes...))) }
	here := set(fact.ProgramEtcd, urls, "https://127.0.0.1:2379")
	onLocal := func(changes ...func(*fact.Listener)) *fact.Set {
		return onNode(at(fact.EtcdClient, both(append(changes, onLoopback)...)), here)
	}
	file := func(path, sum string) fact.CertificateFile {
		return fact.CertificateFile{Path: path, Total: 1, Certificates: []fact.Certificate{{Subject: "CN=kubernetes", SHA256: sum}}}
	}
	sameName := func(first, second string) *fact.Set {
		return onNode(at(fact.EtcdClient, func(l *fact.Listener) { l.ClientCAs = []string{"CN=kubernetes"} }),
			set(fact.ProgramEtcd, "trusted-ca-file", "/a.crt"), set(fact.ProgramAPIServer, "client-ca-file", "/b.crt"),
			func(m *fact.Measurement) {
				m.Certificates = []fact.CertificateFile{file("/a.crt", first), file("/b.crt", second)}
			})
	}
	kineFile := func(sockets bool) *fact.Set {
		return onNode(drop(fact.EtcdClient), drop(fact.EtcdPeer), func(m *fact.Measurement) {
			m.Etcd = []fact.EtcdDB{{Path: "/state.db", Format: fact.FormatKine}}
			m.Components = []fact.Component{{Program: fact.ProgramK3s, PID: 9, SocketsRead: sockets, Sockets: []fact.Socket{{Address: "::", Port: 6443, Inode: 6443}}}}
		})
	}
	judgeTransit(t, EtcdClientTLS.Judge, transitCases{
		"a client certificate demanded passes": {onNode(), []string{pass}},
		"on loopback it passes, too":           {onLocal(), []string{"pass " + local + " takes only TLS 1.2 and TLS 1.3, and demands a client certificate"}},
		"plaintext is critical":                {etcd(inPlain), []string{"critical fail " + name + " does not use TLS", "low fail cp1: etcd's client port (10.0.0.1:2379) does not speak what its settings say"}},
		"plaintext on loopback is high":        {onNode(at(fact.EtcdClient, both(inPlain, onLoopback)), set(fact.ProgramEtcd, urls, "http://127.0.0.1:2379")), []string{"high fail " + local + " does not use TLS"}},
		"an HTTP gateway that was not met is unknown": {
			onNode(set(fact.ProgramEtcd, "listen-client-http-urls", "https://10.0.0.1:2382")),
			[]string{pass, "unknown NotPresent cp1: etcd's client port (10.0.0.1:2382) was not measured"},
		},
		"a plaintext HTTP gateway that was not met is critical": {
			onNode(set(fact.ProgramEtcd, "listen-client-http-urls", "http://10.0.0.1:2382")),
			[]string{pass, "critical fail cp1: etcd's client port (10.0.0.1:2382) does not use TLS, by its settings"},
		},
		"no HTTP gateway":                              {onNode(set(fact.ProgramEtcd, "listen-client-http-urls", "")), []string{pass}},
		"asked only is critical":                       {etcd(clientAuth(fact.ClientCertAsked)), []string{"critical fail " + name + " asks for a client certificate and serves clients that have none, although client-cert-auth is set"}},
		"not asked is critical":                        {onNode(at(fact.EtcdClient, clientAuth(fact.ClientCertNotAsked)), set(fact.ProgramEtcd, "client-cert-auth", "false")), []string{"critical fail " + name + " serves clients without a certificate"}},
		"not asked on loopback is high":                {onLocal(clientAuth(fact.ClientCertNotAsked)), []string{"high fail " + local + " serves clients without a certificate, although client-cert-auth is set"}},
		"unknown whether demanded is unknown":          {etcd(clientAuth("")), []string{"unknown NotPresent " + name + ": it is unknown whether it demands a client certificate"}},
		"TLS 1.0 is high":                              {etcd(offered(fact.OfferTLS10, fact.OfferAccepted, "ServerHello")), []string{"high fail " + name + " accepts TLS 1.0"}},
		"TLS 1.0 on loopback is medium":                {onLocal(offered(fact.OfferTLS10, fact.OfferAccepted, "ServerHello")), []string{"medium fail " + local + " accepts TLS 1.0"}},
		"an expired certificate on loopback is medium": {onLocal(chain(func(c *fact.Certificate) { c.NotAfter = fact.NewTime(ft.Time.Add(-time.Hour)) })), []string{"medium fail " + local + " has an expired certificate"}},
		"another name is medium":                       {etcd(chain(func(c *fact.Certificate) { c.Names, c.NameTotal = []string{"x"}, 1 })), []string{"medium fail " + name + " has a certificate that names no address of this node"}},
		"localhost is a name on loopback":              {onLocal(chain(func(c *fact.Certificate) { c.Names, c.NameTotal = []string{"localhost"}, 1 })), []string{"pass " + local + " takes only TLS 1.2 and TLS 1.3, and demands a client certificate"}},
		"localhost is no name elsewhere":               {etcd(chain(func(c *fact.Certificate) { c.Names, c.NameTotal = []string{"localhost"}, 1 })), []string{"medium fail " + name + " has a certificate that names no address of this node"}},
		"the API server's authority is medium":         {etcd(func(l *fact.Listener) { l.ClientCAs = []string{"CN=kubernetes"} }), []string{"medium fail " + name + " " + cafs}},
		"the front proxy's authority is medium":        {etcd(func(l *fact.Listener) { l.ClientCAs = []string{"CN=etcd-ca", "CN=front-proxy-ca"} }), []string{"medium fail " + name + " " + cafs[:len(cafs)-len("CN=kubernetes")] + "CN=front-proxy-ca"}},
		"one name with different keys passes":          {sameName("1", "2"), []string{pass}},
		"one name with one key is medium":              {sameName("1", "1"), []string{"medium fail " + name + " " + cafs}},
		"no authority named is unknown":                {etcd(func(l *fact.Listener) { l.ClientCAs = nil }), []string{"unknown NotPresent " + name + ": it does not say which authorities it takes client certificates of"}},
		"no authority of the API server's is unknown": {
			onNode(at(fact.KubeAPI, func(l *fact.Listener) { l.ClientCAs = nil })),
			[]string{"unknown NotPresent " + name + ": which authorities the API server takes client certificates of is unknown, so they were not compared with etcd's"},
		},
		"certificates that etcd makes itself are medium": {
			onNode(set(fact.ProgramEtcd, "auto-tls", "true")),
			[]string{pass, "medium fail cp1: etcd makes its own certificates for its client port (auto-tls): they encrypt, and nobody can verify them"},
		},

		// What the settings say.
		"an address that was not measured": {
			onNode(set(fact.ProgramEtcd, urls, "https://10.0.0.1:2379,https://10.0.0.1:4001")),
			[]string{pass, "unknown NotPresent cp1: etcd's client port (10.0.0.1:4001) was not measured"},
		},
		"http where it was not measured is critical": {
			onNode(set(fact.ProgramEtcd, urls, "https://10.0.0.1:2379,http://10.0.0.1:4001")),
			[]string{pass, "critical fail cp1: etcd's client port (10.0.0.1:4001) does not use TLS, by its settings"},
		},
		"http on loopback where it was not measured is high": {
			onNode(set(fact.ProgramEtcd, urls, "https://10.0.0.1:2379,http://localhost:4001")),
			[]string{pass, "high fail cp1: etcd's client port (localhost:4001, loopback only) does not use TLS, by its settings"},
		},
		"http where TLS was measured is low": {
			onNode(set(fact.ProgramEtcd, urls, "http://10.0.0.1:2379")),
			[]string{pass, "low fail cp1: etcd's client port (10.0.0.1:2379) does not speak what its settings say"},
		},
		"http where nothing answered is critical": {
			onNode(at(fact.EtcdClient, silent), set(fact.ProgramEtcd, urls, "http://10.0.0.1:2379")),
			[]string{"unknown Timeout " + name + ": it is unknown what it speaks", "critical fail " + name + " does not use TLS, by its settings"},
		},
		"one name with a file that was cut is medium": {
			ft.Edit(sameName("1", "2"), func(s *fact.Set) { s.Nodes[0].Measured.Certificates[0].Total = 9 }), []string{"medium fail " + name + " " + cafs},
		},
		"IPv6's loopback is loopback": {
			onNode(at(fact.EtcdClient, both(inPlain, func(l *fact.Listener) { l.Address = "::1" })), set(fact.ProgramEtcd, urls, "http://[::1]:2379")),
			[]string{"high fail cp1: etcd's client port ([::1]:2379, loopback only) does not use TLS"},
		},
		"with a gap in the settings a port may be etcd's": {
			ft.Edit(etcd(inPlain, func(l *fact.Listener) { l.Inode = 4 }), func(s *fact.Set) {
				s.Nodes[0].Measured.Gaps = []fact.NodeGap{{What: fact.ServerSettings, Reason: fact.Unreadable}}
			}),
			[]string{"critical fail cp1: etcd's client port (10.0.0.1:2379, by its port) does not use TLS", "low fail cp1: etcd's client port (10.0.0.1:2379) does not speak what its settings say"},
		},
		"a wildcard is the wildcard socket":          {onNode(at(fact.EtcdClient, func(l *fact.Listener) { l.Address = "::" }), set(fact.ProgramEtcd, urls, "https://0.0.0.0:2379")), []string{"pass cp1: etcd's client port ([::]:2379) takes only TLS 1.2 and TLS 1.3, and demands a client certificate"}},
		"a Unix socket is no network":                {onNode(set(fact.ProgramEtcd, urls, "https://10.0.0.1:2379,unix://x:0")), []string{pass}},
		"addresses that were not read":               {onNode(set(fact.ProgramEtcd, urls, "")), []string{pass, "unknown NotPresent cp1: it is unknown on which addresses etcd has a client port"}},
		"the API server talks plaintext":             {onNode(set(fact.ProgramAPIServer, "etcd-servers", "http://10.0.0.1:2379")), []string{pass, "critical fail cp1: the API server talks to etcd without TLS (10.0.0.1:2379), by its settings"}},
		"the API server talks plaintext on loopback": {onNode(set(fact.ProgramAPIServer, "etcd-servers", "http://127.0.0.1:2379")), []string{pass, "high fail cp1: the API server talks to etcd without TLS (127.0.0.1:2379, loopback only), by its settings"}},
		"which etcd, is in a file that was not read": {
			onNode(set(fact.ProgramAPIServer, "etcd-servers", ""), func(m *fact.Measurement) { m.Components[1].Unfollowed = "/config.yaml was not read" }),
			[]string{pass, "unknown NotPresent cp1: it is unknown which etcd the API server talks to"},
		},
		"overrides are etcd, too": {
			onNode(set(fact.ProgramAPIServer, "etcd-servers-overrides", "/secrets#https://127.0.0.1:2379;http://10.0.0.1:1")),
			[]string{pass, "critical fail cp1: the API server talks to etcd without TLS (10.0.0.1:1), by its settings"},
		},
		"etcd on no node": {
			onNode(drop(fact.EtcdClient), drop(fact.EtcdPeer), quit(fact.ProgramEtcd), set(fact.ProgramAPIServer, "etcd-servers", "https://etcd.example:2379")),
			[]string{"unknown NotPresent Cluster: etcd at etcd.example:2379 is on no node of the cluster, so it was not measured"},
		},
		"etcd on a node that is no witness": {
			ft.Edit(onNode(set(fact.ProgramAPIServer, "etcd-servers", "https://[fd00::5]:2379")), func(s *fact.Set) {
				s.Nodes = append(s.Nodes, fact.Node{Name: "w1", Addresses: []string{"fd00::5"}, Listed: true})
			}),
			[]string{pass, "unknown NotPresent Cluster: etcd at [fd00::5]:2379 is on node w1, and nothing shows that this node belongs to the control plane"},
		},
		"no etcd anywhere": {onNode(drop(fact.EtcdClient), drop(fact.EtcdPeer), quit(fact.ProgramEtcd), set(fact.ProgramAPIServer, "etcd-servers", "")), []string{none}},

		"an address of IPv6 that was not measured, beside one that was": {
			onNode(set(fact.ProgramEtcd, urls, "https://10.0.0.1:2379,https://[fd00::1]:2379")),
			[]string{pass, "unknown NotPresent cp1: etcd's client port ([fd00::1]:2379) was not measured"},
		},
		"http on IPv6 beside TLS is critical": {
			onNode(set(fact.ProgramEtcd, urls, "https://10.0.0.1:2379,http://[fd00::1]:2379")),
			[]string{pass, "critical fail cp1: etcd's client port ([fd00::1]:2379) does not use TLS, by its settings"},
		},
		"IPv6 alone, written in another way": {
			onNode(at(fact.EtcdClient, func(l *fact.Listener) { l.Address = "fd00::1" }), set(fact.ProgramEtcd, urls, "https://[fd00:0::1]:2379")),
			[]string{"pass cp1: etcd's client port ([fd00::1]:2379) takes only TLS 1.2 and TLS 1.3, and demands a client certificate"},
		},
		"localhost is not the node's address": {
			onNode(set(fact.ProgramEtcd, urls, "https://10.0.0.1:2379,https://localhost:2379")),
			[]string{pass, "unknown NotPresent cp1: etcd's client port (localhost:2379) was not measured"},
		},
		"a port for HTTP alone gives every value, too": {
			onNode(set(fact.ProgramEtcd, "listen-client-http-urls", "http://0.0.0.0:2381")),
			[]string{pass, "critical fail cp1: etcd's client port (0.0.0.0:2381) does not use TLS, by its settings"},
		},
		"a socket of etcd's in no setting": {
			onNode(listening(fact.ProgramEtcd, fact.Socket{Address: "::", Port: 5000, Inode: 3})), []string{pass, "unknown NotPresent cp1: a port of etcd ([::]:5000) was not measured"},
		},
		"metrics are no store": {
			onNode(listening(fact.ProgramEtcd, fact.Socket{Address: "::", Port: 2381, Inode: 3}), set(fact.ProgramEtcd, "listen-metrics-urls", "http://0.0.0.0:2381")), []string{pass},
		},
		"authorities that were cut were not compared": {
			etcd(func(l *fact.Listener) { l.ClientCATotal = 40 }),
			[]string{"unknown Truncated " + name + ": only some of the authorities that etcd and the API server take client certificates of are in the facts, so not all were compared"},
		},
		"authorities of the API server that were cut were not compared": {
			onNode(at(fact.KubeAPI, func(l *fact.Listener) { l.ClientCATotal = 40 })),
			[]string{"unknown Truncated " + name + ": only some of the authorities that etcd and the API server take client certificates of are in the facts, so not all were compared"},
		},
		"an etcd on another node of the control plane, which shows none": {
			ft.Edit(onNode(set(fact.ProgramAPIServer, "etcd-servers", "https://10.0.0.1:2379,https://10.0.0.2:2379")), func(s *fact.Set) {
				second := onNode(drop(fact.EtcdClient), drop(fact.EtcdPeer), quit(fact.ProgramEtcd), set(fact.ProgramAPIServer, "etcd-servers", "")).Nodes[0]
				second.Name, second.Addresses = "cp2", []string{"10.0.0.2"}
				s.Nodes = append(s.Nodes, second)
			}),
			[]string{pass, "unknown NotPresent Cluster: etcd at 10.0.0.2:2379 is on node cp2, where no port of an etcd with this number was met"},
		},
		"an etcd on loopback, where another program listens": {
			ft.Edit(onNode(), func(s *fact.Set) {
				second := onNode(drop(fact.EtcdClient), drop(fact.EtcdPeer), quit(fact.ProgramEtcd)).Nodes[0]
				second.Name, second.Addresses = "cp2", []string{"10.0.0.2"}
				s.Nodes = append(s.Nodes, second)
			}),
			[]string{pass, "unknown NotPresent Cluster: etcd at 127.0.0.1:2379 is on node cp2, where no port of an etcd with this number was met"},
		},
		"a node with etcd's role and no etcd": {
			ft.Edit(onNode(), func(s *fact.Set) {
				s.Nodes = append(s.Nodes, fact.Node{Name: "e2", Listed: true, Labels: role(fact.RoleEtcd), Measured: &fact.Measurement{Read: s.Nodes[0].Measured.Read}})
			}),
			[]string{pass, "unknown NotPresent e2: the client port of the etcd on this node was not measured"},
		},
		"k3s with an etcd elsewhere, in plaintext": {
			onNode(drop(fact.EtcdClient), quit(fact.ProgramEtcd), running(fact.ProgramK3s), set(fact.ProgramAPIServer, "etcd-servers", ""), set(fact.ProgramK3s, "datastore-endpoint", "http")),
			[]string{"critical fail cp1: k3s talks to its datastore without TLS, by its settings", none},
		},
		"k3s with a database elsewhere": {
			onNode(running(fact.ProgramK3s), set(fact.ProgramK3s, "datastore-endpoint", "postgres")),
			[]string{pass, "unknown NotPresent Cluster: the datastore of k3s (postgres) was not measured"},
		},

		// Whose it is.
		"another program's port is not etcd's": {
			onNode(plus(changedListener(ft.Listener(fact.EtcdClient, "0.0.0.0", 2379), func(l *fact.Listener) { inPlain(l); l.Inode = 5 }), fact.ProgramContainerd)), []string{pass},
		},
		"a port that no known program has is not etcd's, whose sockets are known": {
			onNode(plus(changedListener(ft.Listener(fact.EtcdClient, "0.0.0.0", 2379), func(l *fact.Listener) { inPlain(l); l.Inode = 5 }), "")), []string{pass},
		},
		"without a known etcd, plaintext at its port fails": {
			onNode(at(fact.EtcdClient, inPlain), quit(fact.ProgramEtcd)), []string{"critical fail cp1: etcd's client port (10.0.0.1:2379, by its port) does not use TLS"},
		},
		"without a known etcd, its port passes nothing": {
			onNode(quit(fact.ProgramEtcd)), []string{"unknown NotPresent cp1: etcd's client port (10.0.0.1:2379, by its port): nothing shows which program it belongs to"},
		},
		"a socket of another network is not this one": {
			onNode(func(m *fact.Measurement) { m.Components[0].Sockets[0].Netns = 7; m.Components[0].SocketsRead = false }),
			[]string{"unknown NotPresent cp1: etcd's client port (10.0.0.1:2379, by its port): nothing shows which program it belongs to"},
		},
		"an etcd that started after the handshakes is unknown": {
			etcd(func(l *fact.Listener) { l.Inode = 4 }), []string{"unknown Changing " + name + ": its program opened another socket there before or after the handshakes"},
		},
		"a store whose etcd was not found is unknown": {
			onNode(drop(fact.EtcdClient), quit(fact.ProgramEtcd), func(m *fact.Measurement) { m.Etcd = []fact.EtcdDB{{Path: "/db"}} }),
			[]string{"unknown NotPresent cp1: the client port of the etcd on this node was not measured"},
		},
		"kine at etcd's usual port is kine's": {
			onNode(drop(fact.EtcdClient), drop(fact.EtcdPeer), quit(fact.ProgramEtcd), plus(changedListener(ft.Listener(fact.EtcdClient, "0.0.0.0", 2379), inPlain), fact.ProgramKine)),
			[]string{"critical fail cp1: kine's port (0.0.0.0:2379) does not use TLS"},
		},
		"a kine that was not met is unknown": {
			onNode(running(fact.ProgramKine, fact.Socket{Address: "::", Port: 2399, Inode: 3})), []string{pass, "unknown NotPresent cp1: kine's port was not measured"},
		},
		"a kine at a Unix socket has no port": {onNode(running(fact.ProgramKine)), []string{pass}},
		"kine on TCP is judged as etcd": {
			onNode(drop(fact.EtcdClient), drop(fact.EtcdPeer), quit(fact.ProgramEtcd), plus(changedListener(ft.Listener(fact.KineTCP, "0.0.0.0", 2379), inPlain), fact.ProgramKine)),
			[]string{"critical fail cp1: kine's port (0.0.0.0:2379) does not use TLS"},
		},
		"a file that k3s reads itself passes": {kineFile(true), []string{"pass cp1: the store is a file that k3s reads itself: nothing has an etcd client port"}},
		"a file of a k3s that has etcd's port, too, is unknown": {
			ft.Edit(kineFile(true), func(s *fact.Set) {
				c := &s.Nodes[0].Measured.Components[0]
				c.Sockets = append(c.Sockets, fact.Socket{Address: "::", Port: 2379, Inode: 3})
			}),
			[]string{"unknown NotPresent cp1: a port of etcd's that k3s has was not measured"},
		},
		"a file of a k3s whose sockets are unknown is unknown": {kineFile(false), []string{none}},

		"a worker counts for nothing": {onWorker(etcd(inPlain)), nil},
		"two members, one of which was not measured": {
			ft.Edit(onNode(), func(s *fact.Set) {
				s.Nodes = append(s.Nodes, fact.Node{Name: "cp2", Listed: true, Labels: role(fact.RoleControlPlane)})
			}),
			[]string{pass}, // and a gap for the other
		},
		"two members, each for itself": {
			ft.Edit(onNode(), func(s *fact.Set) {
				second := onNode(at(fact.EtcdClient, inPlain), set(fact.ProgramEtcd, urls, "http://10.0.0.1:2379")).Nodes[0]
				second.Name = "cp2"
				s.Nodes = append(s.Nodes, second)
			}),
			[]string{pass, "critical fail cp2: etcd's client port (10.0.0.1:2379) does not use TLS"},
		},
		"not read: a gap says so": {onNode(func(m *fact.Measurement) { m.Read = nil }), nil},
	})
}

func changedListener(l fact.Listener, change func(*fact.Listener)) fact.Listener {
	change(&l)
	return l
}
