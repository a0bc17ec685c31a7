package checks

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// What a node says of its listeners, programs, certificates and environments is bounded.
// What is none of these is dropped, and is a gap.
func TestAdmitConnections(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	corrupt := func(detail string, kinds ...fact.Kind) []fact.NodeGap {
		var out []fact.NodeGap
		for _, kind := range kinds {
			out = append(out, fact.NodeGap{What: kind, Reason: fact.Corrupt, Detail: detail})
		}
		return out
	}
	tooMany := func(detail string, kinds ...fact.Kind) []fact.NodeGap {
		out := corrupt(detail, kinds...)
		for i := range out {
			out[i].Reason = fact.Truncated
		}
		return out
	}
	listeners := func(l ...fact.Listener) fact.Measurement { return fact.Measurement{Listeners: l} }
	components := func(c ...fact.Component) fact.Measurement { return fact.Measurement{Components: c} }
	etcd := fact.Listener{Address: "0.0.0.0", Port: 2379, Inode: 7, Purpose: fact.EtcdClient, Protocol: fact.SpeaksTLS, ClientAuth: fact.ClientCertDemanded}
	with := func(edit func(*fact.Listener)) fact.Listener {
		l := etcd
		edit(&l)
		return l
	}
	chain := func(n int) []fact.Certificate { return make([]fact.Certificate, n) }
	offer := func(name string, outcome fact.OfferOutcome) fact.TLSOffer {
		return fact.TLSOffer{Offer: name, Outcome: outcome}
	}
	type gaps = []fact.NodeGap
	for name, tc := range map[string]struct {
		given, want fact.Measurement
		gaps        gaps
	}{
		"a listener": {listeners(etcd), listeners(etcd), nil},
		"a purpose that does not exist may be of either kind": {
			listeners(fact.Listener{Purpose: "novel", Port: 1}, etcd), listeners(etcd),
			corrupt("the purpose of a listener is none that exists", fact.NodeTLS, fact.ServerTLS),
		},
		"ports that do not exist": {
			listeners(with(func(l *fact.Listener) { l.Port = 0 }), with(func(l *fact.Listener) { l.Port = -1 }), etcd, with(func(l *fact.Listener) { l.Port = 65_536 })),
			listeners(etcd), corrupt("a listener's port is none", fact.ServerTLS),
		},
		"the highest port": {listeners(with(func(l *fact.Listener) { l.Port = 65_535 })), listeners(with(func(l *fact.Listener) { l.Port = 65_535 })), nil},
		"too many listeners": {
			listeners(slices.Repeat([]fact.Listener{etcd}, fact.MaxListeners+1)...), listeners(slices.Repeat([]fact.Listener{etcd}, fact.MaxListeners)...),
			tooMany("more than 64 listeners", fact.NodeTLS, fact.ServerTLS),
		},
		"a protocol and a client authentication that do not exist": {
			listeners(with(func(l *fact.Listener) { l.Protocol, l.ClientAuth = "tIs", "Demanded" })),
			listeners(with(func(l *fact.Listener) { l.Protocol, l.ClientAuth = "", "" })),
			slices.Concat(corrupt("what a listener speaks is none that exists", fact.ServerTLS), corrupt("what a listener does about client certificates is none that exists", fact.ServerTLS)),
		},
		"offers in another order": {
			listeners(with(func(l *fact.Listener) {
				l.Offers = []fact.TLSOffer{offer(fact.OfferWeak, fact.OfferRefused), offer(fact.OfferTLS10, fact.OfferAccepted)}
			})),
			listeners(with(func(l *fact.Listener) {
				l.Offers = []fact.TLSOffer{offer(fact.OfferTLS10, fact.OfferAccepted), offer(fact.OfferWeak, fact.OfferRefused)}
			})), nil,
		},
		"an offer twice, and one that does not exist": {
			listeners(with(func(l *fact.Listener) {
				l.Offers = []fact.TLSOffer{offer(fact.OfferTLS10, fact.OfferRefused), offer(fact.OfferTLS10, fact.OfferAccepted), offer("SSLv3", fact.OfferRefused)}
			})),
			listeners(with(func(l *fact.Listener) { l.Offers = []fact.TLSOffer{offer(fact.OfferTLS10, fact.OfferRefused)} })),
			corrupt("an offer is none that exists, or is there twice", fact.ServerTLS),
		},
		"an outcome that does not exist is unknown": {
			listeners(with(func(l *fact.Listener) {
				l.Offers = []fact.TLSOffer{offer(fact.OfferTLS10, "never"), offer(fact.OfferTLS11, "")}
			})),
			listeners(with(func(l *fact.Listener) {
				l.Offers = []fact.TLSOffer{offer(fact.OfferTLS10, fact.OfferUnknown), offer(fact.OfferTLS11, fact.OfferUnknown)}
			})),
			corrupt("the outcome of an offer is none that exists", fact.ServerTLS),
		},
		"a chain of 1,000": {
			listeners(with(func(l *fact.Listener) { l.Chain = chain(1000) })), listeners(with(func(l *fact.Listener) { l.Chain = chain(fact.MaxChain) })),
			tooMany("more than 8 certificates in a chain", fact.ServerTLS),
		},
		"a certificate of long names": {
			listeners(with(func(l *fact.Listener) {
				l.Chain = []fact.Certificate{{Subject: long, Issuer: long, SHA256: long, KeyType: long, Signature: long, KeyBits: -1, Names: slices.Repeat([]string{long}, 51)}}
			})),
			listeners(with(func(l *fact.Listener) {
				l.Chain = []fact.Certificate{{
					Subject: long[:256], Issuer: long[:256], SHA256: long[:128], KeyType: long[:128], Signature: long[:128],
					Names: slices.Repeat([]string{long[:256]}, 50), NameTotal: 51,
				}}
			})),
			corrupt("a number of its facts is negative", fact.ServerTLS),
		},
		"long texts, negative numbers and many authorities": {
			listeners(fact.Listener{
				Purpose: fact.KubeletAPI, Port: 10250, Address: long, Target: long, Connections: -1, ProtocolFrom: long, ClientAuthFrom: long,
				ClientCAs: slices.Repeat([]string{long}, 17), Reason: "Because", Detail: long, Request: &fact.AnonymousRequest{Method: long, Path: long, Status: 42, Detail: long},
			}),
			listeners(fact.Listener{
				Purpose: fact.KubeletAPI, Port: 10250, Address: long[:128], Target: long[:128], ProtocolFrom: long[:128], ClientAuthFrom: long[:128],
				ClientCAs: slices.Repeat([]string{long[:256]}, 16), ClientCATotal: 17, Reason: fact.ProbeFailed, Detail: long[:1024],
				Request: &fact.AnonymousRequest{Method: long[:128], Path: long[:128], Detail: long[:1024]},
			}),
			slices.Concat(corrupt("a number of its facts is negative", fact.NodeTLS), corrupt("the status of an answer is none of HTTP", fact.NodeTLS)),
		},
		"a program that does not exist may be of either kind": {
			components(fact.Component{Program: "hunter2"}, fact.Component{Program: fact.ProgramEtcd, PID: 7}), components(fact.Component{Program: fact.ProgramEtcd, PID: 7}),
			corrupt("a program is none that exists", fact.NodeSettings, fact.ServerSettings),
		},
		"too many programs": {
			components(slices.Repeat([]fact.Component{{Program: fact.ProgramEtcd}}, 1000)...), components(slices.Repeat([]fact.Component{{Program: fact.ProgramEtcd}}, MaxNodeComponents)...),
			tooMany("more than 64 programs of the cluster", fact.NodeSettings, fact.ServerSettings),
		},
		"a program of long texts": {
			components(fact.Component{
				Program: fact.ProgramKubelet, Container: long, Unfollowed: long, ConfigFiles: []string{long}, SocketsRead: true,
				Settings: []fact.Setting{{Name: long, Value: long, From: long}}, Sockets: []fact.Socket{{Address: long, Port: 10250}},
			}),
			components(fact.Component{
				Program: fact.ProgramKubelet, Container: long[:128], Unfollowed: long[:1024], ConfigFiles: []string{long[:4096]}, SocketsRead: true,
				Settings: []fact.Setting{{Name: long[:128], Value: long[:4096], From: long[:4096]}}, Sockets: []fact.Socket{{Address: long[:128], Port: 10250}},
			}), nil,
		},
		"too many settings may hide one": {
			components(fact.Component{Program: fact.ProgramKubelet, Settings: make([]fact.Setting, MaxSettings+1)}),
			components(fact.Component{Program: fact.ProgramKubelet, Settings: make([]fact.Setting, MaxSettings)}),
			tooMany("more than 200 settings or 64 files of a program", fact.NodeSettings),
		},
		"too many sockets are not all": {
			components(fact.Component{Program: fact.ProgramKubelet, SocketsRead: true, Sockets: slices.Repeat([]fact.Socket{{Port: 1}}, MaxSockets+1)}),
			components(fact.Component{Program: fact.ProgramKubelet, Sockets: slices.Repeat([]fact.Socket{{Port: 1}}, MaxSockets)}), nil,
		},
		"a socket without a port": {
			components(fact.Component{Program: fact.ProgramKubelet, SocketsRead: true, Sockets: []fact.Socket{{Port: 1}, {Port: 70_000}}}),
			components(fact.Component{Program: fact.ProgramKubelet, Sockets: []fact.Socket{{Port: 1}}}),
			corrupt("a socket's port is none", fact.NodeSettings),
		},
		"a file with many certificates": {
			fact.Measurement{Certificates: []fact.CertificateFile{{Path: long, Use: long, By: long, Detail: long, Reason: "x", Certificates: chain(100), Key: &fact.FileAccess{Mode: 0x10180}}}},
			fact.Measurement{Certificates: []fact.CertificateFile{{
				Path: long[:4096], Use: long[:128], By: long[:128], Detail: long[:1024], Reason: fact.ProbeFailed, Certificates: chain(fact.MaxChain), Total: 100, Key: &fact.FileAccess{Mode: 0o600},
			}}},
			nil,
		},
		"too many files": {
			fact.Measurement{Certificates: make([]fact.CertificateFile, fact.MaxCertificates+1)},
			fact.Measurement{Certificates: make([]fact.CertificateFile, fact.MaxCertificates)},
			tooMany("more than 400 files", fact.Certificates),
		},
		"an environment": {
			fact.Measurement{Containers: []fact.MeasuredContainer{{ID: "a"}, {ID: "b", EnvironmentTotal: -1, Environment: slices.Repeat([]fact.EnvironmentCredential{{Name: long, Rule: long, Comm: long, Processes: -1}}, 51)}}},
			fact.Measurement{Containers: []fact.MeasuredContainer{{ID: "a"}, {ID: "b", EnvironmentTotal: 51, Environment: slices.Repeat([]fact.EnvironmentCredential{{Name: long[:256], Rule: long[:128], Comm: long[:128]}}, 50)}}},
			corrupt("a number of its facts is negative", fact.Environment),
		},
	} {
		t.Run(name, func(t *testing.T) {
			set := &fact.Set{Nodes: []fact.Node{{Name: "n1", Measured: &tc.given}}}
			before := set.DeepCopy()
			got := *NewView(set).Nodes[0].Measured
			if diff := cmp.Diff(tc.gaps, gaps(slices.Clip(got.Gaps)), equalEmpty); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			got.Gaps = nil
			masks := cmp.Comparer(func(a, b fact.CapMask) bool { return a == b })
			if diff := cmp.Diff(tc.want, got, equalEmpty, masks); diff != "" {
				t.Errorf("admitted (-want +got):\n%s", diff)
			}
			if !reflect.DeepEqual(before, set) {
				t.Error("the set was changed")
			}
		})
	}
}

// Why it is unknown how etcd and the API server listen.
func TestWhyServersWereNotRead(t *testing.T) {
	role := map[string]string{"node-role.kubernetes.io/control-plane": ""}
	node := func(name string, labels map[string]string, m *fact.Measurement) fact.Node {
		return fact.Node{Name: name, Listed: true, Labels: labels, Measured: m}
	}
	read := func(m fact.Measurement) *fact.Measurement {
		m.Level, m.Read = fact.LevelFull, fact.NodeKinds()
		return &m
	}
	serving := read(fact.Measurement{Listeners: []fact.Listener{{Port: 2379, Purpose: fact.EtcdClient}}, Components: []fact.Component{{Program: fact.ProgramEtcd}}})
	kubelet := read(fact.Measurement{Listeners: []fact.Listener{{Port: 10250, Purpose: fact.KubeletAPI}}, Components: []fact.Component{{Program: fact.ProgramKubelet}}})
	full := &fact.Measurement{Level: fact.LevelFull, Read: fact.KindsAt(fact.LevelFull)}
	net := &fact.Measurement{Level: fact.LevelNet, Read: fact.KindsAt(fact.LevelNet), Listeners: serving.Listeners}
	const ask = "ask the provider's own API or console; it cannot be measured from the cluster"
	for name, tc := range map[string]struct {
		set  fact.Set
		want []string
	}{
		"a witness shows both": {fact.Set{Nodes: []fact.Node{node("cp", role, serving), node("w", nil, kubelet)}}, nil},
		"a kubelet is no etcd": {fact.Set{Nodes: []fact.Node{node("cp", role, kubelet), node("w", nil, serving)}}, []string{
			"Cluster: server-tls NotPresent no listener of etcd or kube-apiserver was found on the nodes of the control plane that were measured (if it runs elsewhere, check its configuration there)",
			"Cluster: server-settings NotPresent no process of etcd or kube-apiserver was found on the nodes of the control plane that were measured (if it runs elsewhere, check its configuration there)",
		}},
		"no probe shook hands": {fact.Set{Nodes: []fact.Node{node("cp", role, &fact.Measurement{Level: full.Level, Read: full.Read, Components: serving.Components}), node("w", nil, full)}}, []string{
			"Node cp: node-tls NotRequested a probe of level full did not read it (--probe-level full,net reads it)",
			"Node w: node-tls NotRequested a probe of level full did not read it (--probe-level full,net reads it)",
			"Node cp: server-tls NotRequested a probe of level full did not read it (--probe-level full,net reads it)",
		}},
		"only a net probe": {fact.Set{Nodes: []fact.Node{node("cp", role, net)}}, []string{
			"Node cp: server-settings NotRequested a probe of level net did not read it (--probe-level full,net reads it)",
		}},
		"no witness": {fact.Set{Nodes: []fact.Node{node("w", nil, serving)}}, []string{
			"Cluster: server-tls NotPresent no node has a role label of the control plane, and none was named, so no node is trusted for etcd or kube-apiserver (name the nodes that run it: --control-plane-node NAME; if a provider runs it, ask the provider)",
			"Cluster: server-settings NotPresent no node has a role label of the control plane, and none was named, so no node is trusted for etcd or kube-apiserver (name the nodes that run it: --control-plane-node NAME; if a provider runs it, ask the provider)",
		}},
		"a provider's": {fact.Set{Cluster: fact.Cluster{Version: "v1.36.1-gke.1"}, Nodes: []fact.Node{node("w", nil, kubelet)}}, []string{
			"Cluster: server-tls ProviderManaged GKE runs etcd and the API servers itself, so no node of the cluster shows how they listen (" + ask + ")",
			"Cluster: server-settings ProviderManaged GKE runs etcd and the API servers itself, so no node of the cluster shows how they listen (" + ask + ")",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			check := Check{ID: "secrets/a", Needs: []fact.Kind{fact.ServerTLS, fact.ServerSettings, fact.NodeTLS}, Judge: func(*View) []api.Finding { return nil }}
			var got []string
			for _, g := range JudgeSet(planOf(check), &tc.set).Gaps {
				got = append(got, fmt.Sprintf("%s: %s %s %s (%s)", strings.TrimSpace(g.Subject.Kind+" "+g.Subject.Name), g.What, g.Reason, g.Detail, g.Hint))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
		})
	}
}

// What the API server says of objects is missing until it was asked, and ConfigMaps are
// incomplete if a limit ended the scan.
func TestGapsOfObjects(t *testing.T) {
	check := Check{ID: "secrets/a", Needs: []fact.Kind{fact.LegacyTokens, fact.ConfigMaps, fact.SecretStores}, Judge: func(*View) []api.Finding { return nil }}
	for name, tc := range map[string]struct {
		set  fact.Set
		want string
	}{
		"nothing was asked for": {fact.Set{}, "legacy-tokens NotRequested, configmaps NotRequested, secret-stores NotRequested"},
		"all was read":          {fact.Set{TokensListed: true, StoresRead: true, ConfigMaps: &fact.ConfigMapScan{}}, ""},
		"a limit":               {fact.Set{TokensListed: true, StoresRead: true, ConfigMaps: &fact.ConfigMapScan{Truncated: true}}, "configmaps Truncated"},
		"a gap says why": {fact.Set{TokensListed: true, StoresRead: true, Gaps: []fact.Gap{
			{What: fact.ConfigMaps, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: fact.Forbidden},
		}}, "configmaps Forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, g := range JudgeSet(planOf(check), &tc.set).Gaps {
				got = append(got, string(g.What)+" "+string(g.Reason))
			}
			if strings.Join(got, ", ") != tc.want {
				t.Errorf("want %s, got %v", tc.want, got)
			}
		})
	}
}
