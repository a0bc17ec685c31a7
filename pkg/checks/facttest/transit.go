package facttest

import (
	"slices"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// Address is the node's in Transit.
const Address = "10.0.0.1"

// Listener is a listener with which nothing is wrong. Its socket's inode is its port.
func Listener(purpose fact.ListenerPurpose, address string, port int) fact.Listener {
	l := fact.Listener{
		Address: address, Port: port, Inode: uint64(port), Purpose: purpose, Target: Address, Connections: 7,
		Protocol: fact.SpeaksTLS, ProtocolFrom: "ServerHello", ClientAuth: fact.ClientCertAsked, ClientAuthFrom: "HTTP/2 SETTINGS",
		ClientCAs: []string{"CN=front-proxy-ca", "CN=kubernetes"}, ClientCATotal: 2,
		Chain: []fact.Certificate{Certificate("CN=" + string(purpose))},
	}
	if address == "127.0.0.1" {
		l.Target = address
	}
	for _, offer := range fact.Offers() {
		o := fact.TLSOffer{Offer: offer, Outcome: fact.OfferRefused, From: "alert protocol version"}
		switch offer {
		case fact.OfferTLS12, fact.OfferTLS13:
			o = fact.TLSOffer{Offer: offer, Outcome: fact.OfferAccepted, Version: offer, Suite: "TLS_AES_128_GCM_SHA256", From: "ServerHello"}
		case fact.OfferWeak, fact.OfferRSA:
			o.From = "alert handshake failure"
		}
		l.Offers = append(l.Offers, o)
	}
	switch purpose {
	case fact.EtcdClient, fact.EtcdPeer, fact.KineTCP:
		l.ClientAuth, l.ClientAuthFrom = fact.ClientCertDemanded, "alert certificate required"
		l.ClientCAs, l.ClientCATotal = []string{"CN=etcd-ca"}, 1
	case fact.KubeAPI, fact.KubeAPIProxy:
		l.Request = &fact.AnonymousRequest{Method: "GET", Path: "/kubectl-checklist-no-such-path", Status: 401}
	case fact.KubeletAPI:
		l.Request = &fact.AnonymousRequest{Method: "GET", Path: "/healthz", Status: 401}
	}
	return l
}

// Certificate is valid for a year around Time, and names Address.
func Certificate(subject string) fact.Certificate {
	return fact.Certificate{
		Subject: subject, Issuer: "CN=ca", SHA256: subject, KeyType: "RSA", KeyBits: 2048, Signature: "SHA256-RSA",
		NotBefore: fact.NewTime(Time.Add(-180 * 24 * time.Hour)), NotAfter: fact.NewTime(Time.Add(185 * 24 * time.Hour)),
		Names: []string{Address, "127.0.0.1", Node}, NameTotal: 3,
	}
}

// Component is a program that owns the sockets of these listeners.
func Component(program fact.ComponentProgram, pid int, settings map[string]string, listeners ...fact.Listener) fact.Component {
	c := fact.Component{Program: program, PID: pid, SocketsRead: true}
	for name, value := range settings {
		c.Settings = append(c.Settings, fact.Setting{Name: name, Value: value, From: "--" + name})
	}
	sorted.Func(c.Settings, func(a, b fact.Setting) int { return slices.Compare([]byte(a.Name), []byte(b.Name)) })
	for _, l := range listeners {
		c.Sockets = append(c.Sockets, fact.Socket{Address: l.Address, Port: l.Port, Inode: l.Inode})
	}
	return c
}

// Transit gives a measurement what a node of the control plane shows as kubeadm makes it,
// with nothing wrong: etcd, API server, kubelet, scheduler and controller manager.
func Transit(m *fact.Measurement) {
	client, peer := Listener(fact.EtcdClient, Address, 2379), Listener(fact.EtcdPeer, Address, 2380)
	server, kubelet := Listener(fact.KubeAPI, "::", 6443), Listener(fact.KubeletAPI, "::", 10250)
	manager, scheduler := Listener(fact.ControllerManager, "127.0.0.1", 10257), Listener(fact.Scheduler, "127.0.0.1", 10259)
	m.Listeners = []fact.Listener{client, peer, server, kubelet, manager, scheduler}
	m.Components = []fact.Component{
		Component(fact.ProgramEtcd, 20, map[string]string{
			"listen-client-urls": "https://10.0.0.1:2379", "listen-peer-urls": "https://10.0.0.1:2380", "client-cert-auth": "true", "peer-client-cert-auth": "true",
		}, client, peer),
		Component(fact.ProgramAPIServer, 21, map[string]string{
			"etcd-servers": "https://127.0.0.1:2379", "kubelet-certificate-authority": "/etc/kubernetes/pki/ca.crt",
		}, server),
		Component(fact.ProgramKubelet, 22, map[string]string{"anonymous-auth": "false", "authorization-mode": "Webhook", "read-only-port": "0"}, kubelet),
		Component(fact.ProgramControllerManager, 23, nil, manager),
		Component(fact.ProgramScheduler, 24, nil, scheduler),
	}
	m.Certificates = []fact.CertificateFile{
		CertificateFile("/etc/kubernetes/pki/apiserver.crt", "kube-apiserver serving"), CertificateFile("/etc/kubernetes/pki/etcd/server.crt", "etcd serving"),
	}
}

// TransitWorker is Transit of a worker: a kubelet, and its certificate.
func TransitWorker(m *fact.Measurement) {
	kubelet := Listener(fact.KubeletAPI, "::", 10250)
	m.Listeners = []fact.Listener{kubelet}
	m.Components = []fact.Component{Component(fact.ProgramKubelet, 22, map[string]string{"anonymous-auth": "false", "authorization-mode": "Webhook"}, kubelet)}
	m.Certificates = []fact.CertificateFile{CertificateFile("/var/lib/kubelet/pki/kubelet-client-current.pem", "kubelet client")}
}

// CertificateFile is a file with a certificate, whose private key only root can read.
func CertificateFile(path, use string) fact.CertificateFile {
	return fact.CertificateFile{
		Path: path, Use: use, By: "usual path", Certificates: []fact.Certificate{Certificate("CN=" + use)}, Total: 1, Key: RootFile(path + ".key"),
	}
}
