package secrets

import (
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// EtcdPeerTLS fails a node whose etcd talks to other members without TLS, with an old
// version of it, or without a certificate of theirs. A cluster of one member listens for
// others, too. Source: as for secrets/etcd-client-tls.
var EtcdPeerTLS = checks.Check{
	ID:       "secrets/etcd-peer-tls",
	Title:    "etcd's members talk only to members with a certificate, over TLS",
	Severity: api.Critical,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.ServerTLS, fact.ServerSettings},
	Uses:     []fact.Kind{fact.Etcd},
	Scope:    checks.ScopeNode,
	Why: "Each member sends every write to the others. Whoever is served at the peer port can take part in that, and so write to the store, and " +
		"without TLS everyone on the network between can read all that is written.",
	Remediation: "Start each member with --peer-cert-file, --peer-key-file, --peer-client-cert-auth and --peer-trusted-ca-file, and with https:// in " +
		"--listen-peer-urls and --initial-advertise-peer-urls.",
	References: []string{
		"https://etcd.io/docs/latest/op-guide/security/",
		"https://kubernetes.io/docs/tasks/administer-cluster/configure-upgrade-etcd/#securing-etcd-clusters",
	},
	Judge: func(v *checks.View) []api.Finding { return judgeEtcd(v, &etcdPeer) },
}

var etcdPeer = etcdPorts{[]fact.ListenerPurpose{fact.EtcdPeer}, "listen-peer-urls", "", "peer-auto-tls", "peer port"}
