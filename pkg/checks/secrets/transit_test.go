package secrets

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// onNode is a node of the control plane as kubeadm makes it, changed.
func onNode(changes ...func(*fact.Measurement)) *fact.Set {
	set := nodeWith(func(m *fact.Measurement) {
		ft.Transit(m)
		for _, change := range changes {
			change(m)
		}
	})
	set.Nodes[0].Addresses, set.Nodes[0].Ready = []string{ft.Address, "cp1"}, true
	return set
}

// at changes the listeners of a purpose.
func at(purpose fact.ListenerPurpose, change func(*fact.Listener)) func(*fact.Measurement) {
	return func(m *fact.Measurement) {
		m.Listeners = slices.Clone(m.Listeners)
		for i := range m.Listeners {
			if m.Listeners[i].Purpose == purpose {
				change(&m.Listeners[i])
			}
		}
	}
}

// offered sets the outcome of one offer.
func offered(name string, outcome fact.OfferOutcome, from string) func(*fact.Listener) {
	return func(l *fact.Listener) {
		l.Offers = slices.Clone(l.Offers)
		for i := range l.Offers {
			if l.Offers[i].Offer == name {
				l.Offers[i] = fact.TLSOffer{Offer: name, Outcome: outcome, From: from}
				if outcome == fact.OfferAccepted {
					l.Offers[i].Version, l.Offers[i].Suite = name, "SUITE"
				}
			}
		}
	}
}

// without takes an offer away.
func without(name string) func(*fact.Listener) {
	return func(l *fact.Listener) {
		l.Offers = slices.DeleteFunc(slices.Clone(l.Offers), func(o fact.TLSOffer) bool { return o.Offer == name })
	}
}

func inPlain(l *fact.Listener) {
	*l = fact.Listener{Address: l.Address, Port: l.Port, Inode: l.Inode, Purpose: l.Purpose, Target: l.Target, Protocol: fact.SpeaksPlaintext, ProtocolFrom: "status 200 to GET /version"}
}

func silent(l *fact.Listener) {
	*l = fact.Listener{Address: l.Address, Port: l.Port, Inode: l.Inode, Purpose: l.Purpose, Target: l.Target, Reason: fact.Timeout, Detail: "no answer within 2s"}
}

func onLoopback(l *fact.Listener) { l.Address, l.Target = "127.0.0.1", "127.0.0.1" }

func clientAuth(a fact.ClientAuth) func(*fact.Listener) {
	return func(l *fact.Listener) { l.ClientAuth, l.ClientAuthFrom = a, "HTTP/2 SETTINGS" }
}

func chain(change func(*fact.Certificate)) func(*fact.Listener) {
	return func(l *fact.Listener) {
		l.Chain = slices.Clone(l.Chain)
		change(&l.Chain[0])
	}
}

func answered(status int) func(*fact.Listener) {
	return func(l *fact.Listener) {
		r := *l.Request
		r.Status = status
		l.Request = &r
	}
}

func both(changes ...func(*fact.Listener)) func(*fact.Listener) {
	return func(l *fact.Listener) {
		for _, change := range changes {
			change(l)
		}
	}
}

// set sets a setting of a program; "" takes it away.
func set(program fact.ComponentProgram, name, value string) func(*fact.Measurement) {
	return func(m *fact.Measurement) {
		m.Components = slices.Clone(m.Components)
		for i := range m.Components {
			c := &m.Components[i]
			if c.Program != program {
				continue
			}
			c.Settings = slices.DeleteFunc(slices.Clone(c.Settings), func(s fact.Setting) bool { return s.Name == name })
			if value != "" {
				c.Settings = append(c.Settings, fact.Setting{Name: name, Value: value, From: "--" + name})
			}
		}
	}
}

// drop takes the listeners of a purpose away.
func drop(purpose fact.ListenerPurpose) func(*fact.Measurement) {
	return func(m *fact.Measurement) {
		m.Listeners = slices.DeleteFunc(slices.Clone(m.Listeners), func(l fact.Listener) bool { return l.Purpose == purpose })
	}
}

// quit takes a program away.
func quit(program fact.ComponentProgram) func(*fact.Measurement) {
	return func(m *fact.Measurement) {
		m.Components = slices.DeleteFunc(slices.Clone(m.Components), func(c fact.Component) bool { return c.Program == program })
	}
}

// running adds a program whose sockets are known and which was not met.
func running(program fact.ComponentProgram, sockets ...fact.Socket) func(*fact.Measurement) {
	return func(m *fact.Measurement) {
		c := ft.Component(program, 31, nil)
		c.Sockets = sockets
		m.Components = append(slices.Clone(m.Components), c)
	}
}

// plus adds a listener, owned by a program with that pid if there is one.
func plus(l fact.Listener, owner fact.ComponentProgram) func(*fact.Measurement) {
	return func(m *fact.Measurement) {
		m.Listeners = append(slices.Clone(m.Listeners), l)
		m.Components = slices.Clone(m.Components)
		for i := range m.Components {
			if c := &m.Components[i]; c.Program == owner {
				c.Sockets = append(slices.Clone(c.Sockets), fact.Socket{Address: l.Address, Port: l.Port, Inode: l.Inode})
				return
			}
		}
		if owner != "" {
			m.Components = append(m.Components, ft.Component(owner, 30, nil, l))
		}
	}
}

// listening adds a socket to a program that runs.
func listening(program fact.ComponentProgram, s fact.Socket) func(*fact.Measurement) {
	return func(m *fact.Measurement) {
		m.Components = slices.Clone(m.Components)
		for i := range m.Components {
			if c := &m.Components[i]; c.Program == program {
				c.Sockets = append(slices.Clone(c.Sockets), s)
			}
		}
	}
}

// clock sets the time of a node.
func clock(at time.Time) func(*fact.Measurement) {
	return func(m *fact.Measurement) { m.At = fact.NewTime(at) }
}

// transitCases are sets with the findings that they give, without their evidence, which
// must not be empty: "high fail cp1: message".
type transitCases map[string]struct {
	set  *fact.Set
	want []string
}

func judgeTransit(t *testing.T, judge func(*checks.View) []api.Finding, list transitCases) {
	t.Helper()
	for name, tc := range list {
		t.Run(name, func(t *testing.T) {
			t.Helper()
			findings := checks.OfSet(judge)(tc.set)
			var got []string
			for _, f := range findings {
				f.Evidence = nil
				got = append(got, strings.TrimSuffix(strings.TrimSpace(string(f.Severity)+" "+brief([]api.Finding{f})[0]), " []"))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			for _, f := range findings {
				if f.Verdict != api.VerdictUnknown && f.Reason != "" || f.Verdict == api.VerdictUnknown && f.Reason == "" || len(f.Evidence) == 0 {
					t.Errorf("incomplete: %+v", f)
				}
			}
		})
	}
}

// What every rule has in common, shown at the scheduler's own severity, the API server's
// and etcd's.
func TestTransitVersions(t *testing.T) {
	const (
		title = "cp1: the API server ([::]:6443) "
		pass  = "pass " + title + "takes only TLS 1.2 and TLS 1.3, it refuses requests without credentials"
	)
	server := func(change func(*fact.Listener)) *fact.Set { return onNode(at(fact.KubeAPI, change)) }
	judgeTransit(t, judgeAPIServerTLS, transitCases{
		"1.2 and 1.3 pass":                        {onNode(), []string{pass}},
		"1.3 alone passes":                        {server(offered(fact.OfferTLS12, fact.OfferRefused, "alert protocol version")), []string{"pass " + title + "takes only TLS 1.3, it refuses requests without credentials"}},
		"1.2 alone passes":                        {server(offered(fact.OfferTLS13, fact.OfferRefused, "alert protocol version")), []string{"pass " + title + "takes only TLS 1.2, it refuses requests without credentials"}},
		"1.3 unknown and 1.2 accepted passes":     {server(offered(fact.OfferTLS13, fact.OfferUnknown, "EOF")), []string{"pass " + title + "takes only TLS 1.2, it refuses requests without credentials"}},
		"1.0 fails":                               {server(offered(fact.OfferTLS10, fact.OfferAccepted, "ServerHello")), []string{"medium fail " + title + "accepts TLS 1.0"}},
		"1.1 fails":                               {server(offered(fact.OfferTLS11, fact.OfferAccepted, "ServerHello")), []string{"medium fail " + title + "accepts TLS 1.1"}},
		"1.0 that ends without alert is unknown":  {server(offered(fact.OfferTLS10, fact.OfferUnknown, "EOF")), []string{"unknown NotPresent " + title[:len(title)-1] + ": it is unknown whether it accepts TLS 1.0"}},
		"1.1 that was not offered is unknown":     {server(without(fact.OfferTLS11)), []string{"unknown NotPresent " + title[:len(title)-1] + ": it is unknown whether it accepts TLS 1.1"}},
		"an outcome that nobody knows is unknown": {server(offered(fact.OfferTLS11, "perhaps", "")), []string{"unknown NotPresent " + title[:len(title)-1] + ": it is unknown whether it accepts TLS 1.1"}},
		"no version at all is unknown": {
			server(both(offered(fact.OfferTLS12, fact.OfferRefused, ""), offered(fact.OfferTLS13, fact.OfferUnknown, "EOF"))),
			[]string{"unknown NotPresent " + title[:len(title)-1] + ": no version of TLS was accepted"},
		},
		"RC4 or 3DES fails": {server(offered(fact.OfferWeak, fact.OfferAccepted, "ServerHello")), []string{"medium fail " + title + "accepts a weak cipher suite: SUITE"}},
		"weak suites that end without alert are unknown": {
			server(offered(fact.OfferWeak, fact.OfferUnknown, "reset")),
			[]string{"unknown NotPresent " + title[:len(title)-1] + ": it is unknown whether it accepts weak cipher suites (RC4, 3DES)"},
		},
		"weak suites of a server that speaks 1.3 alone do not matter": {
			server(both(offered(fact.OfferTLS12, fact.OfferRefused, "alert protocol version"), offered(fact.OfferWeak, fact.OfferUnknown, "reset"))),
			[]string{"pass " + title + "takes only TLS 1.3, it refuses requests without credentials"},
		},
		"RSA key exchange is low":                              {server(offered(fact.OfferRSA, fact.OfferAccepted, "ServerHello")), []string{"low fail " + title + "accepts a key exchange without forward secrecy: SUITE"}},
		"RSA key exchange that is unknown leaves nothing open": {server(offered(fact.OfferRSA, fact.OfferUnknown, "reset")), []string{pass}},
		"1.0 accepted although 1.2 is set as least": {
			onNode(at(fact.KubeAPI, offered(fact.OfferTLS10, fact.OfferAccepted, "ServerHello")), set(fact.ProgramAPIServer, "tls-min-version", "VersionTLS12")),
			[]string{"medium fail " + title + "accepts TLS 1.0, although VersionTLS12 is set as its least version"},
		},
		"1.0 refused although it is set": {
			onNode(set(fact.ProgramAPIServer, "tls-min-version", "VersionTLS10")),
			[]string{"low fail " + title + "refuses TLS 1.0, although VersionTLS10 is set as its least version: the next start may bring that into force"},
		},
		"no certificate is unknown": {server(func(l *fact.Listener) { l.Chain = nil }), []string{"unknown NotPresent " + title[:len(title)-1] + ": its certificate was not read"}},
		"an expired certificate fails": {
			server(chain(func(c *fact.Certificate) { c.NotAfter = fact.NewTime(ft.Time.Add(-time.Second)) })), []string{"high fail " + title + "has an expired certificate"},
		},
		"a certificate of tomorrow fails": {
			server(chain(func(c *fact.Certificate) { c.NotBefore = fact.NewTime(ft.Time.Add(time.Hour)) })), []string{"high fail " + title + "has a certificate that is not valid yet"},
		},
		"a certificate without times is unknown": {
			server(chain(func(c *fact.Certificate) { c.NotAfter = fact.Time{} })),
			[]string{"unknown NotPresent " + title[:len(title)-1] + ": it is unknown whether its certificate is valid now"},
		},
		"another name fails": {
			server(chain(func(c *fact.Certificate) { c.Names, c.NameTotal = []string{"10.0.0.99", "other"}, 2 })), []string{"medium fail " + title + "has a certificate that names no address of this node"},
		},
		"names that were cut are unknown": {
			server(chain(func(c *fact.Certificate) { c.Names, c.NameTotal = []string{"other"}, 60 })),
			[]string{"unknown Truncated " + title[:len(title)-1] + ": it is unknown whether its certificate names an address of this node: only some of its names are in the facts"},
		},
		"1.2 accepted although 1.3 is set as least is low": {
			onNode(set(fact.ProgramAPIServer, "tls-min-version", "VersionTLS13")), []string{"low fail " + title + "accepts TLS 1.2, although VersionTLS13 is set as its least version"},
		},
		"where the node's clock is another, nobody knows what is valid": {
			onNode(clock(ft.Time.Add(-365 * 24 * time.Hour))), []string{"unknown NotPresent " + title[:len(title)-1] + ": it is unknown whether its certificate is valid now"},
		},
		"a name of loopback is none of a node's that is reached elsewhere": {
			server(both(func(l *fact.Listener) { l.Target = "127.0.0.1" }, chain(func(c *fact.Certificate) { c.Names, c.NameTotal = []string{"127.0.0.1"}, 1 }))),
			[]string{"medium fail " + title + "has a certificate that names no address of this node"},
		},
		"IPv6 is written in more than one way": {
			ft.Edit(server(chain(func(c *fact.Certificate) { c.Names = []string{"fd00:0:0::1"} })), func(s *fact.Set) { s.Nodes[0].Addresses = []string{"fd00::1"} }), []string{pass},
		},
		"the node's host name is enough": {server(chain(func(c *fact.Certificate) { c.Names = []string{"CP1"} })), []string{pass}},
		"a listener that did not answer": {server(silent), []string{"unknown Timeout " + title[:len(title)-1] + ": it is unknown what it speaks"}},
		"a listener that speaks something else": {
			server(both(silent, func(l *fact.Listener) { l.Protocol, l.ProtocolFrom = fact.SpeaksOther, "SSH-2.0" })),
			[]string{"unknown Unsupported " + title[:len(title)-1] + ": it speaks neither TLS nor HTTP"},
		},
	})
}

// What a pass and a fail show of their source.
func TestTransitEvidence(t *testing.T) {
	old := onNode(at(fact.EtcdClient, both(clientAuth(fact.ClientCertAsked), offered(fact.OfferTLS11, fact.OfferAccepted, "ServerHello"))))
	const offers = "TLS 1.0 refused (alert protocol version); TLS 1.1 refused (alert protocol version); " +
		"TLS 1.2 accepted (TLS_AES_128_GCM_SHA256, ServerHello); TLS 1.3 accepted (TLS_AES_128_GCM_SHA256, ServerHello); " +
		"RC4, 3DES refused (alert handshake failure); RSA key exchange refused (alert handshake failure)"
	const valid = "CN=apiserver by CN=ca, valid 2026-05-28T12:00:00Z to 2027-05-28T12:00:00Z, names 10.0.0.1, 127.0.0.1, n1; the chain was not verified"
	judge(t, judgeAPIServerTLS, cases{
		"of a pass": {onNode(), []string{
			"pass cp1: the API server ([::]:6443) takes only TLS 1.2 and TLS 1.3, it refuses requests without credentials " +
				"[node/cp1 listener [::]:6443 at 10.0.0.1 protocol = TLS: ServerHello; node/cp1 listener [::]:6443 at 10.0.0.1 offers = " + offers +
				"; node/cp1 listener [::]:6443 at 10.0.0.1 client certificate = asked (HTTP/2 SETTINGS), of CN=front-proxy-ca, CN=kubernetes" +
				"; node/cp1 listener [::]:6443 at 10.0.0.1 certificate = " + valid +
				"; node/cp1 listener [::]:6443 at 10.0.0.1 GET /kubectl-checklist-no-such-path without credentials = status 401]",
		}},
	})
	judge(t, EtcdClientTLS.Judge, cases{
		"of fails": {old, []string{
			"high fail cp1: etcd's client port (10.0.0.1:2379) accepts TLS 1.1 [node/cp1 listener 10.0.0.1:2379 offer = TLS 1.1 accepted (SUITE, ServerHello)]",
			"critical fail cp1: etcd's client port (10.0.0.1:2379) asks for a client certificate and serves clients that have none, although client-cert-auth is set " +
				"[node/cp1 listener 10.0.0.1:2379 client certificate = asked (HTTP/2 SETTINGS), of CN=etcd-ca; node/cp1 /proc/20 --client-cert-auth = client-cert-auth=true]",
		}},
	})
}
