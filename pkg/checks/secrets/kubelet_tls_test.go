package secrets

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestKubeletTLS(t *testing.T) {
	const (
		name = "cp1: the kubelet ([::]:10250)"
		only = " takes only TLS 1.2 and TLS 1.3"
		pass = "pass " + name + only + ", it refuses requests without credentials"
		self = " has a certificate that it made itself, so that no client can verify it"
	)
	kubelet := func(changes ...func(*fact.Listener)) *fact.Set { return onNode(at(fact.KubeletAPI, both(changes...))) }
	readOnly := func(address string, owner fact.ComponentProgram, changes ...func(*fact.Listener)) *fact.Set {
		l := ft.Listener(fact.KubeletReadOnly, address, 10255)
		both(append([]func(*fact.Listener){inPlain}, changes...)...)(&l)
		return onNode(plus(l, owner))
	}
	const open = " gives the specs of all pods to everyone"
	judgeTransit(t, judgeKubeletTLS, transitCases{
		"401 passes": {onNode(), []string{pass}},
		"403 is medium": {
			kubelet(answered(403)),
			[]string{"medium fail " + name + ": it takes requests without credentials, and authorization alone refuses them", "low fail cp1: the kubelet does not answer requests without credentials as its settings say"},
		},
		"403 as its settings say": {
			onNode(at(fact.KubeletAPI, answered(403)), set(fact.ProgramKubelet, "anonymous-auth", "true")),
			[]string{"medium fail " + name + ": it takes requests without credentials, and authorization alone refuses them"},
		},
		"200 is critical": {
			onNode(at(fact.KubeletAPI, answered(200)), set(fact.ProgramKubelet, "anonymous-auth", "true")),
			[]string{"critical fail " + name + ": anyone may run commands in its containers without credentials"},
		},
		"401 although anonymous requests are set": {
			onNode(set(fact.ProgramKubelet, "anonymous-auth", "true")),
			[]string{pass, "low fail cp1: the kubelet does not answer requests without credentials as its settings say"},
		},
		"404 is unknown":        {onNode(at(fact.KubeletAPI, answered(404)), set(fact.ProgramKubelet, "anonymous-auth", "")), []string{"unknown Unsupported " + name + ": its answer does not show what the anonymous user may do"}},
		"no answer is unknown":  {kubelet(answered(0)), []string{"unknown NotPresent " + name + ": it is unknown what it allows without credentials"}},
		"TLS 1.0 is medium":     {kubelet(offered(fact.OfferTLS10, fact.OfferAccepted, "")), []string{"medium fail " + name + " accepts TLS 1.0"}},
		"plaintext is critical": {kubelet(inPlain), []string{"critical fail " + name + " does not use TLS"}},
		"another name passes":   {kubelet(chain(func(c *fact.Certificate) { c.Names, c.NameTotal = []string{"x"}, 1 })), []string{pass}},
		"self-signed is low":    {kubelet(chain(func(c *fact.Certificate) { c.SelfSigned = true })), []string{"low fail " + name + self}},
		"its own authority is low": {
			kubelet(chain(func(c *fact.Certificate) { c.Subject, c.Issuer = "CN=cp1@1764000000", "CN=cp1-ca@1764000000" })), []string{"low fail " + name + self},
		},
		"an authority of k3s is not its own": {
			kubelet(chain(func(c *fact.Certificate) { c.Subject, c.Issuer = "CN=cp1", "CN=k3s-server-ca@1764000000" })), []string{pass},
		},
		"AlwaysAllow is medium": {
			onNode(set(fact.ProgramKubelet, "authorization-mode", "AlwaysAllow")),
			[]string{pass, "medium fail cp1: the kubelet lets every client with credentials do everything (AlwaysAllow)"},
		},
		"the read-only port is high":                   {readOnly("::", fact.ProgramKubelet), []string{pass, "high fail cp1: the kubelet's read-only port ([::]:10255)" + open}},
		"the read-only port on loopback is medium":     {readOnly("127.0.0.1", fact.ProgramKubelet), []string{pass, "medium fail cp1: the kubelet's read-only port (127.0.0.1:10255, loopback only)" + open}},
		"a read-only port that did not answer is high": {readOnly("::", fact.ProgramKubelet, silent), []string{pass, "high fail cp1: the kubelet's read-only port ([::]:10255)" + open}},
		"another program's 10255 is not judged":        {readOnly("::", fact.ProgramContainerd), []string{pass}},
		"10255 of an unknown program fails where the kubelet is unknown, too": {
			ft.Edit(readOnly("::", ""), func(s *fact.Set) { s.Nodes[0].Measured.Components = nil }),
			[]string{"unknown NotPresent cp1: the kubelet ([::]:10250, by its port): nothing shows which program it belongs to", "high fail cp1: the kubelet's read-only port ([::]:10255, by its port)" + open},
		},
		"10255 of an unknown program that did not answer is unknown": {
			ft.Edit(readOnly("::", "", silent), func(s *fact.Set) { s.Nodes[0].Measured.Components = nil }),
			[]string{"unknown NotPresent cp1: the kubelet ([::]:10250, by its port): nothing shows which program it belongs to", "unknown Timeout cp1: the kubelet's read-only port ([::]:10255, by its port): it is unknown what it speaks"},
		},
		"a read-only port that is set and not open is low": {
			onNode(set(fact.ProgramKubelet, "read-only-port", "10255")),
			[]string{pass, "low fail cp1: the kubelet's settings open its read-only port, which was not found: the next start may open it"},
		},
		"a read-only port that is set and open, and was not met, is high": {
			onNode(set(fact.ProgramKubelet, "read-only-port", "20255"), listening(fact.ProgramKubelet, fact.Socket{Address: "::", Port: 20255, Inode: 3})),
			[]string{pass, "high fail cp1: the kubelet's read-only port ([::]:20255)" + open},
		},
		"a read-only port on loopback that was not met is medium": {
			onNode(set(fact.ProgramKubelet, "read-only-port", "20255"), listening(fact.ProgramKubelet, fact.Socket{Address: "::1", Port: 20255, Inode: 3})),
			[]string{pass, "medium fail cp1: the kubelet's read-only port ([::1]:20255, loopback only)" + open},
		},
		"another port passes": {
			onNode(at(fact.KubeletAPI, func(l *fact.Listener) { l.Port = 20250 })), []string{"pass cp1: the kubelet ([::]:20250)" + only + ", it refuses requests without credentials"},
		},
		"no kubelet is unknown":       {onNode(drop(fact.KubeletAPI)), []string{"unknown NotPresent cp1: no listener of the kubelet was found"}},
		"a worker answers for itself": {onWorker(kubelet(inPlain)), []string{"critical fail " + name + " does not use TLS"}},
		"not read: a gap says so":     {onNode(func(m *fact.Measurement) { m.Read = nil }), nil},
	})
}
