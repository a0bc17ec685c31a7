package secrets

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// EtcdClientTLS fails a node whose etcd, or kine, talks to clients without TLS, with an old
// version of it, or without a certificate of theirs. Source: handshakes with each of its
// own listeners, and the settings of the programs that own them.
var EtcdClientTLS = checks.Check{
	ID:       "secrets/etcd-client-tls",
	Title:    "etcd serves only clients with a certificate, over TLS",
	Severity: api.Critical,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.ServerTLS, fact.ServerSettings},
	Uses:     []fact.Kind{fact.Certificates, fact.Etcd, fact.EncryptionConfig},
	Scope:    checks.ScopeNode,
	Why: "Whoever can connect to etcd's client port and is served can read and write every object of the cluster, past the API server's " +
		"authorization and audit log. Without TLS, everyone on the network between can read Secrets as the API server sends them; without encryption " +
		"at rest they are plain text.",
	Remediation: "Start etcd with --cert-file, --key-file, --client-cert-auth and --trusted-ca-file of an authority that signs nothing else, and with " +
		"https:// in --listen-client-urls and --advertise-client-urls. Give the API server https:// in --etcd-servers, --etcd-cafile, --etcd-certfile and " +
		"--etcd-keyfile. Give kine --listen-address unix://.",
	References: []string{
		"https://etcd.io/docs/latest/op-guide/security/",
		"https://kubernetes.io/docs/tasks/administer-cluster/configure-upgrade-etcd/#securing-etcd-clusters",
	},
	Judge: func(v *checks.View) []api.Finding { return judgeEtcd(v, &etcdClient) },
}

// etcdPorts says which of etcd's two kinds of ports a check is about.
type etcdPorts struct {
	purposes []fact.ListenerPurpose
	urls     string // the setting with the addresses
	more     string // another one, which is mostly not set
	auto     string // the setting of certificates that etcd makes itself
	noun     string
}

// With listen-client-http-urls etcd answers HTTP there, and gRPC's gateway with it, which
// gives every value.
var etcdClient = etcdPorts{[]fact.ListenerPurpose{fact.EtcdClient, fact.KineTCP}, "listen-client-urls", "listen-client-http-urls", "auto-tls", "client port"}

func judgeEtcd(v *checks.View, ports *etcdPorts) []api.Finding {
	var findings []api.Finding
	var nodes []*transitNode
	var servers []serverListener
	for _, node := range v.Witnesses(fact.ServerTLS) {
		if !node.Measured.HasRead(fact.ServerTLS) {
			continue // a gap says so
		}
		n := &transitNode{Node: node, view: v, settings: fact.ServerSettings}
		nodes = append(nodes, n)
		for _, l := range n.of(fact.KubeAPI) {
			if len(l.ClientCAs) > 0 {
				servers = append(servers, serverListener{n, l})
			}
		}
	}
	servers = distinct(servers)
	found := false
	for _, n := range nodes {
		n.servers = servers
		judged := 0
		for _, purpose := range ports.purposes {
			of := n.judge(purpose)
			if purpose == fact.KineTCP {
				n.missing(of, fact.ProgramKine, "kine's port")
			}
			judged += of
		}
		n.etcdSettings(ports)
		if ports == &etcdClient {
			n.etcdSockets()
		}
		if judged == 0 && len(n.findings) == 0 {
			n.noEtcd(ports)
		}
		found = found || len(n.findings) > 0
		findings = append(findings, n.findings...)
	}
	if ports == &etcdClient {
		findings = append(findings, etcdServers(v, nodes)...)
	}
	if !found && len(nodes) > 0 && !slices.ContainsFunc(findings, func(f api.Finding) bool { return f.Subject.Kind == fact.SubjectCluster }) {
		findings = append(findings, api.Finding{
			Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: fact.Subject{Kind: fact.SubjectCluster},
			Message:     "no etcd was found on the nodes of the control plane that were measured",
			Remediation: api.Remediation{Text: "If etcd runs elsewhere, check its " + ports.noun + " there, for example with openssl s_client."},
			Evidence:    []api.Evidence{{Source: "nodes of the control plane that were measured", Value: fmt.Sprintf("%s, no etcd on them", checks.Count(len(nodes), "node"))}},
		})
	}
	return findings
}

// listens reports whether a program has a TCP socket, or may have one. kine can serve a Unix
// socket instead.
func listens(c *fact.Component) bool { return !c.SocketsRead || len(c.Sockets) > 0 }

// distinct keeps one listener of each list of authorities and of a node's files: API
// servers nearly always have the same ones, and each etcd is compared with all.
func distinct(servers []serverListener) []serverListener {
	seen := map[string]bool{}
	return slices.DeleteFunc(servers, func(s serverListener) bool {
		key := strings.Join(s.l.ClientCAs, "\n")
		for _, c := range s.node.run(fact.ProgramAPIServer, fact.ProgramK3s) {
			for _, name := range s.l.ClientCAs {
				key += "\n" + strings.Join(s.node.inFile(c, "client-ca-file", name), " ")
			}
		}
		known := seen[key]
		seen[key] = true
		return known
	})
}

// etcdSettings judges what the settings say where no handshake says it: each address of
// an etcd must have been measured, and a plaintext one fails by itself.
func (n *transitNode) etcdSettings(ports *etcdPorts) {
	for _, c := range n.run(fact.ProgramEtcd) {
		if s, ok := c.Setting(ports.auto); ok && s.Value == "true" {
			n.add(api.Finding{
				Verdict: api.Fail, Severity: api.Medium, Basis: api.Declared, Evidence: []api.Evidence{n.setting(c, s)},
				Message: "etcd makes its own certificates for its " + ports.noun + " (" + ports.auto + "): they encrypt, and nobody can verify them",
			})
		}
		s, ok := c.Setting(ports.urls)
		if !ok {
			n.unknown(fact.NotPresent, "it is unknown on which addresses etcd has a "+ports.noun, n.evidence(fmt.Sprintf("/proc/%d %s", c.PID, ports.urls), "not read"))
			continue
		}
		for _, url := range strings.Split(s.Value, ",") {
			n.etcdURL(ports, c, s, strings.TrimSpace(url))
		}
		if more, ok := c.Setting(ports.more); ok {
			for _, url := range strings.Split(more.Value, ",") {
				if url = strings.TrimSpace(url); url != "" {
					n.etcdURL(ports, c, more, url)
				}
			}
		}
	}
}

// etcdSockets is unknown for each socket of an etcd that was not met and that no setting of
// addresses is about. Metrics are no store.
func (n *transitNode) etcdSockets() {
	for _, c := range n.run(fact.ProgramEtcd) {
		if _, ok := c.Setting(etcdClient.urls); !ok {
			continue // that is unknown already
		}
		for _, s := range c.Sockets {
			named := slices.ContainsFunc([]string{"listen-client-urls", "listen-client-http-urls", "listen-peer-urls", "listen-metrics-urls"}, func(name string) bool {
				set, ok := c.Setting(name)
				return ok && slices.ContainsFunc(strings.Split(set.Value, ","), func(url string) bool {
					_, _, port := splitURL(url)
					return port == fmt.Sprint(s.Port)
				})
			})
			if s.Netns == 0 && !named && !n.met(s) {
				n.unknown(fact.NotPresent, "a port of etcd ("+endpoint(s.Address, s.Port)+") was not measured",
					n.evidence(fmt.Sprintf("/proc/%d/fd", c.PID), "listens on "+endpoint(s.Address, s.Port)+", which is in no setting that was read"))
			}
		}
	}
}

// splitURL takes an address of etcd apart.
func splitURL(url string) (scheme, host, port string) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(url), "://")
	at, _, _ := strings.Cut(rest, "/")
	host = at
	if i := strings.LastIndexByte(at, ':'); i >= 0 && !strings.HasSuffix(at, "]") {
		host, port = at[:i], at[i+1:]
	}
	return scheme, strings.Trim(host, "[]"), port
}

// etcdURL judges one address of an etcd.
func (n *transitNode) etcdURL(ports *etcdPorts, c *fact.Component, s fact.Setting, url string) {
	scheme, host, port := splitURL(url)
	if strings.HasPrefix(scheme, "unix") {
		return // no network
	}
	_, rest, _ := strings.Cut(url, "://")
	at, _, _ := strings.Cut(rest, "/")
	var met *fact.Listener
	for _, l := range n.judged {
		if fmt.Sprint(l.Port) == port && bindsTo(host, l.Address) {
			met = l
			if l.Protocol != "" {
				break
			}
		}
	}
	switch {
	case scheme == "http" && (met == nil || met.Protocol == ""):
		severity := api.Critical
		where := ""
		if loopback(host) || host == "localhost" {
			severity, where = lower(severity), ", loopback only"
		}
		n.add(api.Finding{
			Verdict: api.Fail, Severity: severity, Basis: api.Declared, Evidence: []api.Evidence{n.setting(c, s)},
			Message: "etcd's " + ports.noun + " (" + at + where + ") does not use TLS, by its settings",
		})
	case scheme == "http" && met.Protocol == fact.SpeaksTLS, scheme == "https" && met != nil && met.Protocol == fact.SpeaksPlaintext:
		n.add(api.Finding{
			Verdict: api.Fail, Severity: api.Low, Evidence: []api.Evidence{
				n.setting(c, s), n.evidence("listener "+endpoint(met.Address, met.Port)+" protocol", string(met.Protocol)+": "+met.ProtocolFrom),
			},
			Message: "etcd's " + ports.noun + " (" + at + ") does not speak what its settings say",
		})
	case met == nil:
		n.unknown(fact.NotPresent, "etcd's "+ports.noun+" ("+at+") was not measured", n.setting(c, s))
	}
}

// wildcard reports whether an address stands for all of the machine's.
func wildcard(host string) bool { return host == "" || host == "0.0.0.0" || host == "::" }

// bindsTo reports whether a socket at the address can be that of a host in a setting. Of
// a name other than localhost it is not known which address it is; etcd takes none.
func bindsTo(host, address string) bool {
	if host == "localhost" {
		return loopback(address)
	}
	_, err := netip.ParseAddr(host)
	return wildcard(host) && wildcard(address) || sameHost(host, address) || err != nil && !wildcard(host)
}

// noEtcd passes a node whose store is a file that the API server's own process reads
// (kine in k3s), and where nothing else serves a store. Where an etcd's file is open,
// it must have ports, too.
func (n *transitNode) noEtcd(ports *etcdPorts) {
	for i := range n.Measured.Etcd {
		if db := &n.Measured.Etcd[i]; db.Format == fact.FormatEtcd {
			n.unknown(fact.NotPresent, "the "+ports.noun+" of the etcd on this node was not measured", n.evidence(db.Path, "an etcd has it open"))
			return
		}
	}
	if n.Listed && fact.HasRole(n.Labels, fact.RoleEtcd) {
		n.unknown(fact.NotPresent, "the "+ports.noun+" of the etcd on this node was not measured", n.evidence("label node-role.kubernetes.io/etcd", "the node has one, and no etcd was found on it"))
		return
	}
	kine := n.run(fact.ProgramKine)
	if len(n.run(fact.ProgramEtcd)) > 0 || !n.Measured.HasRead(fact.ServerSettings) {
		return
	}
	if len(kine) > 0 {
		if ports == &etcdPeer && !slices.ContainsFunc(kine, func(c *fact.Component) bool { return !c.SocketsRead }) {
			n.add(api.Finding{
				Verdict: api.Pass, Message: "the store is kine, which has no members and no peer port",
				Evidence: []api.Evidence{n.evidence(fmt.Sprintf("/proc/%d/fd", kine[0].PID), checks.Count(len(kine[0].Sockets), "listening socket"))},
			})
		}
		return
	}
	i := slices.IndexFunc(n.Measured.Etcd, func(db fact.EtcdDB) bool { return db.Format == fact.FormatKine })
	k3s := n.run(fact.ProgramK3s)
	if i < 0 || len(k3s) == 0 || slices.ContainsFunc(k3s, func(c *fact.Component) bool { return !c.SocketsRead }) {
		return
	}
	for _, c := range k3s {
		for _, s := range c.Sockets {
			if s.Netns == 0 && (s.Port == 2379 || s.Port == 2380) {
				n.unknown(fact.NotPresent, "a port of etcd's that k3s has was not measured", n.evidence(fmt.Sprintf("/proc/%d/fd", c.PID), "listens on "+endpoint(s.Address, s.Port)))
				return
			}
		}
	}
	n.add(api.Finding{
		Verdict: api.Pass, Message: "the store is a file that k3s reads itself: nothing has an etcd " + ports.noun,
		Evidence: []api.Evidence{
			n.evidence(n.Measured.Etcd[i].Path, "SQLite (kine)"),
			n.evidence(fmt.Sprintf("/proc/%d/fd", k3s[0].PID), fmt.Sprintf("%s, none of them etcd's", checks.Count(len(k3s[0].Sockets), "listening socket"))),
		},
	})
}

// etcdServers fails an API server that talks to etcd without TLS, and is unknown for an
// etcd on other machines, which only its settings show.
func etcdServers(v *checks.View, measured []*transitNode) []api.Finding {
	var findings []api.Finding
	at := nodesByAddress(v)
	met := make(map[string]*transitNode, len(measured))
	for _, n := range measured {
		met[n.Name] = n
	}
	for _, node := range v.Witnesses(fact.ServerTLS) {
		if node.Measured == nil {
			continue
		}
		n := &transitNode{Node: node, view: v, settings: fact.ServerSettings}
		for _, c := range n.run(fact.ProgramAPIServer, fact.ProgramK3s) {
			for _, name := range []string{"etcd-servers", "etcd-servers-overrides"} {
				if s, ok := c.Setting(name); ok {
					n.serverURLs(c, s, at, met)
				}
			}
			if _, ok := c.Setting("etcd-servers"); !ok && c.Program == fact.ProgramAPIServer && c.Unfollowed != "" {
				n.unknown(fact.NotPresent, "it is unknown which etcd the API server talks to", n.evidence(fmt.Sprintf("/proc/%d etcd-servers", c.PID), "not read: "+c.Unfollowed))
			}
			if s, ok := c.Setting("datastore-endpoint"); ok {
				n.datastore(c, s)
			}
		}
		findings = append(findings, n.findings...)
	}
	return findings
}

// datastore judges the store of k3s, of whose address only the scheme is known.
func (n *transitNode) datastore(c *fact.Component, s fact.Setting) {
	switch s.Value {
	case "sqlite", "unix", "unixs": // no network
	case "http":
		n.add(api.Finding{
			Verdict: api.Fail, Severity: api.Critical, Basis: api.Declared, Evidence: []api.Evidence{n.setting(c, s)},
			Message: "k3s talks to its datastore without TLS, by its settings",
		})
	default:
		n.elsewhere("the datastore of k3s ("+s.Value+") was not measured", []api.Evidence{n.setting(c, s)})
	}
}

// elsewhere is unknown for a store on other machines.
func (n *transitNode) elsewhere(message string, evidence []api.Evidence) {
	n.findings = append(n.findings, api.Finding{
		Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: fact.Subject{Kind: fact.SubjectCluster}, Evidence: evidence, Message: message,
		Remediation: api.Remediation{Text: "Check that etcd there demands client certificates and refuses TLS 1.1, for example with openssl s_client."},
	})
}

// serves reports whether a listener of etcd with this port was judged, or is unknown there.
func (n *transitNode) serves(port string) bool {
	return slices.ContainsFunc(n.judged, func(l *fact.Listener) bool { return fmt.Sprint(l.Port) == port }) ||
		slices.ContainsFunc(n.findings, func(f api.Finding) bool { return f.Verdict == api.VerdictUnknown })
}

// nodesByAddress finds nodes by their addresses and names.
func nodesByAddress(v *checks.View) map[string]*fact.Node {
	at := make(map[string]*fact.Node, 3*len(v.Nodes))
	for i := range v.Nodes {
		node := &v.Nodes[i]
		at[node.Name] = node
		for _, address := range node.Addresses {
			at[address] = node
		}
	}
	return at
}

func (n *transitNode) serverURLs(c *fact.Component, s fact.Setting, nodes map[string]*fact.Node, measured map[string]*transitNode) {
	evidence := []api.Evidence{n.setting(c, s)}
	unmeasured := func(message string) { n.elsewhere(message, evidence) }
	for _, url := range strings.FieldsFunc(s.Value, func(r rune) bool { return r == ',' || r == ';' }) {
		if _, after, ok := strings.Cut(url, "#"); ok { // RESOURCE#URL, of the overrides
			url = after
		}
		scheme, rest, ok := strings.Cut(strings.TrimSpace(url), "://")
		if !ok || scheme != "http" && scheme != "https" {
			continue
		}
		at, _, _ := strings.Cut(rest, "/")
		_, host, port := splitURL(url)
		local := loopback(host) || host == "localhost"
		if scheme == "http" {
			severity, where := api.Critical, ""
			if local {
				severity, where = lower(severity), ", loopback only"
			}
			n.add(api.Finding{
				Verdict: api.Fail, Severity: severity, Basis: api.Declared, Evidence: evidence,
				Message: "the API server talks to etcd without TLS (" + at + where + "), by its settings",
			})
		}
		on := nodes[host]
		if local {
			on = n.Node
		}
		switch {
		case on == nil:
			unmeasured("etcd at " + at + " is on no node of the cluster, so it was not measured")
		case !n.view.StorageWitness(on):
			unmeasured("etcd at " + at + " is on node " + on.Name + ", and nothing shows that this node belongs to the control plane")
		case measured[on.Name] == nil: // a gap says so
		case scheme == "https" && !measured[on.Name].serves(port):
			unmeasured("etcd at " + at + " is on node " + on.Name + ", where no port of an etcd with this number was met")
		}
	}
}
