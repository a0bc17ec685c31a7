package secrets

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// The checks of part transit judge what a client without credentials met at a listener
// (fact.Listener), and beside it what the program that owns it says of itself
// (fact.Component). What was measured counts. A setting alone fails where it says
// plaintext, and passes nothing.

// transitRule says what is asked of the listeners of one purpose.
type transitRule struct {
	name     string
	programs []fact.ComponentProgram // those that can own one
	// most is the worst that any of its findings can be.
	most api.Severity
	// plain is the severity of no TLS, old that of TLS 1.0 and 1.1.
	plain, old api.Severity
	// demand is true where a client without a certificate must be refused: etcd gives
	// everything to whoever it serves.
	demand bool
	// names is true if its certificate must name an address of the node.
	names bool
	// self is true if a certificate that nobody else signed is a fault.
	self bool
	// answers says what the status of the request without credentials shows; nil where
	// none is needed.
	answers func(status int) (api.Verdict, api.Severity, string)
}

var transitRules = map[fact.ListenerPurpose]transitRule{
	fact.EtcdClient: {
		name: "etcd's client port", programs: []fact.ComponentProgram{fact.ProgramEtcd, fact.ProgramK3s}, most: api.Critical,
		plain: api.Critical, old: api.High, demand: true, names: true,
	},
	fact.EtcdPeer: {
		name: "etcd's peer port", programs: []fact.ComponentProgram{fact.ProgramEtcd, fact.ProgramK3s}, most: api.Critical,
		plain: api.Critical, old: api.High, demand: true, names: true,
	},
	fact.KineTCP: {
		name: "kine's port", programs: []fact.ComponentProgram{fact.ProgramKine, fact.ProgramK3s}, most: api.Critical,
		plain: api.Critical, old: api.High, demand: true, names: true,
	},
	fact.KubeAPI: {
		name: "the API server", programs: []fact.ComponentProgram{fact.ProgramAPIServer, fact.ProgramK3s}, most: api.Critical,
		plain: api.Critical, old: api.Medium, names: true, answers: apiServerAnswer,
	},
	fact.KubeAPIProxy: {
		name: "the proxy before the API server", programs: []fact.ComponentProgram{fact.ProgramProxy, fact.ProgramK3s, fact.ProgramRKE2}, most: api.Critical,
		plain: api.Critical, old: api.Medium, answers: apiServerAnswer,
	},
	fact.RKE2Supervisor: {
		name: "RKE2's supervisor port", programs: []fact.ComponentProgram{fact.ProgramRKE2}, most: api.High,
		plain: api.High, old: api.Medium,
	},
	fact.Konnectivity: {
		name: "konnectivity's agent port", programs: []fact.ComponentProgram{fact.ProgramKonnectivity}, most: api.High,
		plain: api.High, old: api.Medium,
	},
	fact.KubeletAPI: {
		name: "the kubelet", programs: []fact.ComponentProgram{fact.ProgramKubelet, fact.ProgramK3s, fact.ProgramRKE2}, most: api.Critical,
		plain: api.Critical, old: api.Medium, self: true, answers: kubeletAnswer,
	},
	fact.ControllerManager: {
		name: "the controller manager", programs: []fact.ComponentProgram{fact.ProgramControllerManager, fact.ProgramK3s}, most: api.Low,
		plain: api.Low, old: api.Low,
	},
	fact.Scheduler: {
		name: "the scheduler", programs: []fact.ComponentProgram{fact.ProgramScheduler, fact.ProgramK3s}, most: api.Low,
		plain: api.Low, old: api.Low,
	},
	fact.CloudController: {
		name: "the cloud controller manager", programs: []fact.ComponentProgram{fact.ProgramCloudController, fact.ProgramK3s, fact.ProgramRKE2}, most: api.Low,
		plain: api.Low, old: api.Low,
	},
	fact.RuntimeStreaming: {
		name: "the container runtime's streaming port", programs: []fact.ComponentProgram{fact.ProgramContainerd, fact.ProgramCRIO, fact.ProgramK3s}, most: api.Low,
		plain: api.Low, old: api.Low,
	},
}

// apiServerAnswer is what the API server's answer to a request without credentials for a
// path that does not exist shows. Other paths show nothing: /healthz and /version are
// open to everyone by default.
func apiServerAnswer(status int) (api.Verdict, api.Severity, string) {
	switch status {
	case 401:
		return api.Pass, "", "it refuses requests without credentials"
	case 403:
		return api.Pass, "", "it takes requests without credentials and refuses what the anonymous user may not do"
	case 404:
		return api.Fail, api.Critical, "anyone may do anything without credentials"
	}
	return api.VerdictUnknown, "", "its answer does not show what the anonymous user may do"
}

// kubeletAnswer is what the kubelet's answer to a request without credentials for
// /healthz shows, which only its webhook or AlwaysAllow decides.
func kubeletAnswer(status int) (api.Verdict, api.Severity, string) {
	switch status {
	case 401:
		return api.Pass, "", "it refuses requests without credentials"
	case 403:
		return api.Fail, api.Medium, "it takes requests without credentials, and authorization alone refuses them"
	case 200:
		return api.Fail, api.Critical, "anyone may run commands in its containers without credentials"
	}
	return api.VerdictUnknown, "", "its answer does not show what the anonymous user may do"
}

// lower is one level less, low at least.
func lower(s api.Severity) api.Severity {
	switch s {
	case api.Critical:
		return api.High
	case api.High:
		return api.Medium
	}
	return api.Low
}

// loopback reports whether a listener can be reached from its own machine alone.
func loopback(address string) bool {
	a, err := netip.ParseAddr(address)
	return err == nil && a.Unmap().IsLoopback()
}

// sameHost compares two names or addresses. An address of IPv6 is written in more than one
// way.
func sameHost(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	first, err := netip.ParseAddr(a)
	if err != nil {
		return strings.EqualFold(a, b)
	}
	second, err := netip.ParseAddr(b)
	return err == nil && first.Unmap() == second.Unmap()
}

// endpoint is an address with its port: "[::1]:2379".
func endpoint(address string, port int) string {
	if strings.Contains(address, ":") {
		address = "[" + address + "]"
	}
	return fmt.Sprintf("%s:%d", address, port)
}

// transitNode is one node while its listeners are judged.
type transitNode struct {
	*fact.Node
	view *checks.View
	// settings is the kind of the programs that own the listeners.
	settings fact.Kind
	// servers are the API servers' listeners on all nodes that count, of which etcd's
	// authorities are compared.
	servers  []serverListener
	judged   []*fact.Listener // those that belong to a program of their purpose, or may
	findings []api.Finding
}

// serverListener is an API server's listener that says which authorities it takes client
// certificates of.
type serverListener struct {
	node *transitNode
	l    *fact.Listener
}

// clocksApart is more than a run takes. Then the node's clock or the plugin's is wrong.
const clocksApart = 24 * time.Hour

// at is when the node was measured, by its own clock; zero if the plugin's is another.
func (n *transitNode) at() time.Time {
	own, ours := n.Measured.At.Time, n.view.CollectedAt.Time
	switch {
	case own.IsZero():
		return ours
	case !ours.IsZero() && own.Sub(ours).Abs() > clocksApart:
		return time.Time{}
	}
	return own
}

// clocks says that no clock tells what time it is, "" if one does.
func (n *transitNode) clocks() string {
	if !n.at().IsZero() || n.Measured.At.IsZero() {
		return ""
	}
	return "; the node's clock says " + stamp(n.Measured.At) + ", the plugin's " + stamp(n.view.CollectedAt)
}

func (n *transitNode) subject() fact.Subject {
	return fact.Subject{Kind: fact.SubjectNode, Name: n.Name}
}

func (n *transitNode) add(f api.Finding) {
	f.Subject = n.subject()
	n.findings = append(n.findings, f)
}

func (n *transitNode) unknown(reason fact.Reason, message string, evidence ...api.Evidence) {
	n.add(api.Finding{Verdict: api.VerdictUnknown, Reason: cmp.Or(reason, fact.NotPresent), Message: message, Evidence: evidence})
}

// of are the node's listeners of a purpose.
func (n *transitNode) of(purpose fact.ListenerPurpose) []*fact.Listener {
	var out []*fact.Listener
	for i := range n.Measured.Listeners {
		if l := &n.Measured.Listeners[i]; n.purpose(l) == purpose {
			out = append(out, l)
		}
	}
	return out
}

// purpose is what a listener is for. Its port alone does not show whether kine or etcd, an
// API server or a proxy before one listens there; its owner does.
func (n *transitNode) purpose(l *fact.Listener) fact.ListenerPurpose {
	owner := n.owner(l)
	if owner == nil {
		return l.Purpose
	}
	switch l.Purpose {
	case fact.EtcdClient, fact.KineTCP:
		switch owner.Program {
		case fact.ProgramKine:
			return fact.KineTCP
		case fact.ProgramEtcd:
			return fact.EtcdClient
		}
	case fact.KubeAPI, fact.KubeAPIProxy:
		switch owner.Program {
		case fact.ProgramProxy:
			return fact.KubeAPIProxy
		case fact.ProgramAPIServer:
			return fact.KubeAPI
		}
	}
	return l.Purpose
}

// run are the node's programs of these kinds.
func (n *transitNode) run(programs ...fact.ComponentProgram) []*fact.Component {
	var out []*fact.Component
	for i := range n.Measured.Components {
		if c := &n.Measured.Components[i]; slices.Contains(programs, c.Program) {
			out = append(out, c)
		}
	}
	return out
}

// owner finds the program that owns a listener by its socket, in the node's own network
// namespace. It is nil if none of the known programs does.
func (n *transitNode) owner(l *fact.Listener) *fact.Component {
	if l.Inode == 0 {
		return nil
	}
	for i := range n.Measured.Components {
		c := &n.Measured.Components[i]
		if slices.ContainsFunc(c.Sockets, func(s fact.Socket) bool { return s.Netns == 0 && s.Inode == l.Inode }) {
			return c
		}
	}
	return nil
}

// owned is how sure it is whose a listener is.
type owned int

const (
	byPort  owned = iota // nothing shows whose it is, besides its port
	byOther              // it belongs to something else
	byOwner              // it belongs to a program of its purpose
)

// ownership says whose a listener is. One that does not belong to the only program that
// it could be of, whose sockets are all known, belongs to something else.
func (n *transitNode) ownership(l *fact.Listener, rule *transitRule) (owned, *fact.Component) {
	if owner := n.owner(l); owner != nil {
		if slices.Contains(rule.programs, owner.Program) {
			return byOwner, owner
		}
		return byOther, owner
	}
	candidates := n.run(rule.programs...)
	if l.Inode != 0 && len(candidates) > 0 && n.Measured.HasRead(n.settings) && !hasGap(n.Node, n.settings) &&
		!slices.ContainsFunc(candidates, func(c *fact.Component) bool { return !c.SocketsRead }) {
		return byOther, nil
	}
	return byPort, nil
}

// reopened reports whether a program of the purpose has another socket where this one was
// met: one of them is of a process that has ended.
func (n *transitNode) reopened(l *fact.Listener, rule *transitRule) bool {
	return slices.ContainsFunc(n.run(rule.programs...), func(c *fact.Component) bool {
		return slices.ContainsFunc(c.Sockets, func(s fact.Socket) bool {
			return s.Netns == 0 && s.Port == l.Port && sameHost(s.Address, l.Address)
		})
	})
}

// judge judges each listener of a purpose, and reports how many there are of it. Where a
// program of the purpose runs that listens and was not met, that is unknown: it may have
// started after the handshakes.
func (n *transitNode) judge(purpose fact.ListenerPurpose) (judged int) {
	rule := transitRules[purpose]
	for _, l := range n.of(purpose) {
		how, owner := n.ownership(l, &rule)
		if how == byOther {
			if owner == nil && n.reopened(l, &rule) {
				n.judged = append(n.judged, l)
				j := &listenerJudge{transitNode: n, l: l, rule: &rule, local: loopback(l.Address), how: how}
				j.open(fact.Changing, "its program opened another socket there before or after the handshakes", j.seen("owner", "no program has this socket, and one has another at the same address"))
				judged++
			}
			continue
		}
		n.judged = append(n.judged, l)
		j := &listenerJudge{transitNode: n, l: l, rule: &rule, owner: owner, local: loopback(l.Address), how: how}
		j.judge()
		judged++
	}
	return judged
}

// missing is a finding if a program runs that is there for one purpose, and no listener of
// it was judged. A listener of another process of that program does not speak for it.
func (n *transitNode) missing(judged int, program fact.ComponentProgram, name string) {
	for _, c := range n.run(program) {
		if judged > 0 && (!c.SocketsRead || slices.ContainsFunc(n.process(c), n.met)) {
			continue
		}
		if program == fact.ProgramKine && !listens(c) {
			continue
		}
		n.unknown(fact.NotPresent, name+" was not measured", n.evidence(fmt.Sprintf("/proc/%d", c.PID), string(program)+" runs, and no listener of it was met"))
		return
	}
}

// process are the sockets of a program's process, which may run several programs (k3s).
func (n *transitNode) process(c *fact.Component) []fact.Socket {
	var out []fact.Socket
	for i := range n.Measured.Components {
		if other := &n.Measured.Components[i]; other.PID == c.PID {
			out = append(out, other.Sockets...)
		}
	}
	return out
}

// met reports whether a listener was judged that is this socket, or was where it is now.
func (n *transitNode) met(s fact.Socket) bool {
	return s.Netns == 0 && slices.ContainsFunc(n.judged, func(l *fact.Listener) bool {
		return l.Inode == s.Inode || l.Port == s.Port && sameHost(l.Address, s.Address) && n.owner(l) == nil
	})
}

func (n *transitNode) evidence(place, value string) api.Evidence {
	return api.Evidence{Source: checks.NodeSource(n.Node, "%s", place), Value: value}
}

// listenerJudge judges one listener.
type listenerJudge struct {
	*transitNode
	l     *fact.Listener
	rule  *transitRule
	owner *fact.Component // nil if it is not known
	how   owned
	local bool // on loopback alone
	bad   bool // something failed or is unknown
	notes []string
}

// title names the listener in messages: "etcd's client port 127.0.0.1:2379".
func (j *listenerJudge) title() string {
	if j.l.Purpose == fact.RuntimeStreaming {
		return j.rule.name // its port is another one after each start
	}
	title := j.rule.name + " (" + endpoint(j.l.Address, j.l.Port)
	if j.local {
		title += ", loopback only"
	}
	if j.how == byPort {
		title += ", by its port"
	}
	return title + ")"
}

// seen is evidence of what was met.
func (j *listenerJudge) seen(what, value string) api.Evidence {
	place := endpoint(j.l.Address, j.l.Port)
	if j.l.Target != "" && j.l.Target != j.l.Address {
		place += " at " + j.l.Target
	}
	return j.evidence("listener "+place+" "+what, value)
}

// declared adds what its owner says of itself, if it says it.
func (j *listenerJudge) declared(evidence []api.Evidence, names ...string) []api.Evidence {
	if j.owner == nil {
		return evidence
	}
	for _, name := range names {
		if s, ok := j.owner.Setting(name); ok {
			evidence = append(evidence, j.setting(j.owner, s))
		}
	}
	return evidence
}

// setting is evidence of a setting.
func (n *transitNode) setting(c *fact.Component, s fact.Setting) api.Evidence {
	source := s.From
	if !strings.HasPrefix(source, "/") {
		source = fmt.Sprintf("/proc/%d %s", c.PID, source)
	}
	return api.Evidence{Source: checks.NodeSource(n.Node, "%s", source), Value: s.Name + "=" + s.Value, Basis: api.Declared}
}

func (j *listenerJudge) fail(severity api.Severity, message string, evidence ...api.Evidence) {
	j.bad = true
	if j.local {
		severity = lower(severity)
	}
	if severity.Rank() > j.rule.most.Rank() {
		severity = j.rule.most
	}
	if !strings.HasPrefix(message, ":") {
		message = " " + message
	}
	j.add(api.Finding{Verdict: api.Fail, Severity: severity, Message: j.title() + message, Evidence: evidence})
}

func (j *listenerJudge) open(reason fact.Reason, message string, evidence ...api.Evidence) {
	j.bad = true
	j.unknown(reason, j.title()+": "+message, evidence...)
}

// missed is why something of it is unknown.
func (j *listenerJudge) missed() string { return cmp.Or(j.l.Detail, "not measured") }

func (j *listenerJudge) judge() {
	l := j.l
	switch l.Protocol {
	case fact.SpeaksPlaintext:
		if l.Purpose == fact.RuntimeStreaming && j.local {
			j.add(api.Finding{
				Verdict: api.Pass, Message: j.title() + " does not use TLS, and only the node itself reaches it",
				Evidence: []api.Evidence{j.seen("protocol", "plaintext: "+l.ProtocolFrom)},
			})
			return
		}
		j.fail(j.rule.plain, "does not use TLS", j.declared([]api.Evidence{j.seen("protocol", "plaintext: "+l.ProtocolFrom)},
			"listen-client-urls", "listen-peer-urls", "cert-file", "peer-cert-file")...)
		return
	case fact.SpeaksTLS:
	case fact.SpeaksOther:
		j.open(fact.Unsupported, "it speaks neither TLS nor HTTP", j.seen("protocol", cmp.Or(l.ProtocolFrom, "other")))
		return
	default:
		j.open(l.Reason, "it is unknown what it speaks", j.seen("protocol", j.missed()))
		return
	}
	j.versions()
	j.clients()
	j.certificate()
	j.request()
	if j.how == byPort && !j.bad && (j.rule.demand || j.rule.most == api.Critical && j.Measured.HasRead(j.settings)) {
		// A pass of something else would say nothing of the program that must not be open.
		j.open(fact.NotPresent, "nothing shows which program it belongs to", j.seen("owner", "no known program has this socket"))
	}
	if j.bad {
		return
	}
	message := j.title() + " takes only " + strings.Join(j.accepted(), " and ")
	if len(j.notes) > 0 {
		message += ", " + strings.Join(j.notes, ", ")
	}
	evidence := []api.Evidence{j.seen("protocol", "TLS: "+l.ProtocolFrom), j.seen("offers", j.describeOffers()), j.seen("client certificate", j.describeClientAuth()), j.seen("certificate", j.describeChain())}
	if l.Request != nil {
		evidence = append(evidence, j.seen(l.Request.Method+" "+l.Request.Path+" without credentials", fmt.Sprintf("status %d", l.Request.Status)))
	}
	j.add(api.Finding{Verdict: api.Pass, Message: message, Evidence: evidence})
}

// offer finds the outcome of an offer; it is unknown if it was not made.
func (j *listenerJudge) offer(name string) fact.TLSOffer {
	for _, o := range j.l.Offers {
		if o.Offer == name {
			return o
		}
	}
	return fact.TLSOffer{Offer: name, Outcome: fact.OfferUnknown, From: j.missed()}
}

// accepted are the versions that it takes.
func (j *listenerJudge) accepted() []string {
	var out []string
	for _, name := range []string{fact.OfferTLS10, fact.OfferTLS11, fact.OfferTLS12, fact.OfferTLS13} {
		if j.offer(name).Outcome == fact.OfferAccepted {
			out = append(out, name)
		}
	}
	return out
}

func describeOffer(o fact.TLSOffer) string {
	text := o.Offer + " " + string(o.Outcome)
	var details []string
	for _, d := range []string{o.Suite, o.From} {
		if d != "" {
			details = append(details, d)
		}
	}
	if len(details) > 0 {
		text += " (" + strings.Join(details, ", ") + ")"
	}
	return text
}

func (j *listenerJudge) describeOffers() string {
	var out []string
	for _, name := range fact.Offers() {
		out = append(out, describeOffer(j.offer(name)))
	}
	return strings.Join(out, "; ")
}

// versions judges what it accepts.
func (j *listenerJudge) versions() {
	minimum := func() []api.Evidence { return j.declared(nil, "tls-min-version") }
	setting := ""
	if j.owner != nil {
		if s, ok := j.owner.Setting("tls-min-version"); ok {
			setting = s.Value
		}
	}
	old := []string{fact.OfferTLS10, fact.OfferTLS11}
	for _, name := range old {
		switch o := j.offer(name); o.Outcome {
		case fact.OfferAccepted:
			message := "accepts " + name
			if setting == "VersionTLS12" || setting == "TLS1.2" || setting == "VersionTLS13" || setting == "TLS1.3" {
				message += ", although " + setting + " is set as its least version"
			}
			j.fail(j.rule.old, message, append([]api.Evidence{j.seen("offer", describeOffer(o))}, minimum()...)...)
		case fact.OfferRefused:
		default:
			j.open(j.l.Reason, "it is unknown whether it accepts "+name, j.seen("offer", describeOffer(o)))
		}
	}
	current := []string{fact.OfferTLS12, fact.OfferTLS13}
	if !slices.ContainsFunc(current, func(name string) bool { return j.offer(name).Outcome == fact.OfferAccepted }) {
		if !slices.ContainsFunc(old, func(name string) bool { return j.offer(name).Outcome == fact.OfferAccepted }) {
			j.open(j.l.Reason, "no version of TLS was accepted", j.seen("offers", j.describeOffers()))
		}
	}
	if o := j.offer(fact.OfferTLS12); o.Outcome == fact.OfferAccepted && (setting == "VersionTLS13" || setting == "TLS1.3") {
		j.fail(api.Low, "accepts TLS 1.2, although "+setting+" is set as its least version", append([]api.Evidence{j.seen("offer", describeOffer(o))}, minimum()...)...)
	}
	if setting == "VersionTLS10" || setting == "VersionTLS11" {
		name := "TLS 1." + strings.TrimPrefix(setting, "VersionTLS1")
		if o := j.offer(name); o.Outcome == fact.OfferRefused {
			j.fail(api.Low, "refuses "+name+", although "+setting+" is set as its least version: the next start may bring that into force",
				append([]api.Evidence{j.seen("offer", describeOffer(o))}, minimum()...)...)
		}
	}
	// A server that refuses every version up to TLS 1.2 cannot use the suites of those.
	if j.offer(fact.OfferTLS12).Outcome == fact.OfferRefused &&
		!slices.ContainsFunc(old, func(name string) bool { return j.offer(name).Outcome != fact.OfferRefused }) {
		return
	}
	switch o := j.offer(fact.OfferWeak); o.Outcome {
	case fact.OfferAccepted:
		j.fail(api.Medium, "accepts a weak cipher suite: "+cmp.Or(o.Suite, o.Offer), append([]api.Evidence{j.seen("offer", describeOffer(o))}, j.declared(nil, "tls-cipher-suites", "cipher-suites")...)...)
	case fact.OfferRefused:
	default:
		j.open(j.l.Reason, "it is unknown whether it accepts weak cipher suites (RC4, 3DES)", j.seen("offer", describeOffer(o)))
	}
	// Without forward secrecy whoever gets the key later can read what was recorded. That
	// is low, so that an unknown of it leaves no answer open; a pass shows the outcome.
	if o := j.offer(fact.OfferRSA); o.Outcome == fact.OfferAccepted {
		j.fail(api.Low, "accepts a key exchange without forward secrecy: "+cmp.Or(o.Suite, o.Offer), j.seen("offer", describeOffer(o)))
	}
}

func (j *listenerJudge) describeClientAuth() string {
	text := string(j.l.ClientAuth)
	if text == "" {
		return "unknown: " + j.missed()
	}
	if j.l.ClientAuthFrom != "" {
		text += " (" + j.l.ClientAuthFrom + ")"
	}
	if len(j.l.ClientCAs) > 0 {
		text += ", of " + strings.Join(j.l.ClientCAs, ", ")
	}
	return text
}

// clients judges what it does about a client without a certificate.
func (j *listenerJudge) clients() {
	evidence := []api.Evidence{j.seen("client certificate", j.describeClientAuth())}
	if !j.rule.demand {
		if j.l.ClientAuth == fact.ClientCertNotAsked && (j.l.Purpose == fact.KubeAPI || j.l.Purpose == fact.KubeletAPI) {
			j.notes = append(j.notes, "it asks for no client certificate")
		}
		return
	}
	flag := "client-cert-auth"
	if j.l.Purpose == fact.EtcdPeer {
		flag = "peer-client-cert-auth"
	}
	evidence = j.declared(evidence, flag)
	although := ""
	if j.owner != nil {
		if s, ok := j.owner.Setting(flag); ok && s.Value == "true" {
			although = ", although " + flag + " is set"
		}
	}
	switch j.l.ClientAuth {
	case fact.ClientCertDemanded:
		j.notes = append(j.notes, "and demands a client certificate")
		j.authorities()
	case fact.ClientCertAsked:
		j.fail(api.Critical, "asks for a client certificate and serves clients that have none"+although, evidence...)
	case fact.ClientCertNotAsked:
		j.fail(api.Critical, "serves clients without a certificate"+although, evidence...)
	default:
		j.open(j.l.Reason, "it is unknown whether it demands a client certificate", evidence...)
	}
}

// authorities compares whose client certificates etcd takes with whose the API server
// takes: a certificate of any user or kubelet would open etcd.
func (j *listenerJudge) authorities() {
	if j.l.Purpose != fact.EtcdClient {
		return
	}
	own := j.l.ClientCAs
	if len(own) == 0 {
		j.open(j.l.Reason, "it does not say which authorities it takes client certificates of", j.seen("client certificate", j.describeClientAuth()))
		return
	}
	cut := j.l.ClientCATotal > len(own)
	for _, server := range j.servers {
		cut = cut || server.l.ClientCATotal > len(server.l.ClientCAs)
		i := slices.IndexFunc(own, func(name string) bool { return slices.Contains(server.l.ClientCAs, name) })
		if i < 0 || j.differentKeys(server.node, own[i]) {
			continue
		}
		other := listenerJudge{transitNode: server.node, l: server.l}
		j.fail(api.Medium, "takes client certificates of an authority that the API server's clients have theirs from: "+own[i],
			j.seen("client certificate", j.describeClientAuth()), other.seen("client certificate", other.describeClientAuth()))
		return
	}
	switch {
	case cut:
		j.open(fact.Truncated, "only some of the authorities that etcd and the API server take client certificates of are in the facts, so not all were compared",
			j.seen("client certificate", j.describeClientAuth()))
	case len(j.servers) == 0:
		j.open(fact.NotPresent, "which authorities the API server takes client certificates of is unknown, so they were not compared with etcd's",
			j.seen("client certificate", j.describeClientAuth()))
	}
}

// differentKeys reports whether files on the nodes show that two authorities of one name
// are different ones: the file of etcd's setting and that of the API server's.
func (j *listenerJudge) differentKeys(other *transitNode, name string) bool {
	if j.owner == nil {
		return false
	}
	etcd := j.inFile(j.owner, "trusted-ca-file", name)
	for _, c := range other.run(fact.ProgramAPIServer, fact.ProgramK3s) {
		server := other.inFile(c, "client-ca-file", name)
		if len(etcd) > 0 && len(server) > 0 {
			return !slices.ContainsFunc(etcd, func(sum string) bool { return slices.Contains(server, sum) })
		}
	}
	return false
}

// inFile are the SHA-256 of the certificates with this subject in the file that a setting
// names; none if it was not read whole.
func (n *transitNode) inFile(c *fact.Component, setting, subject string) []string {
	s, ok := c.Setting(setting)
	if !ok {
		return nil
	}
	var out []string
	for i := range n.Measured.Certificates {
		f := &n.Measured.Certificates[i]
		if f.Path != s.Value || f.Reason != "" || f.Total != len(f.Certificates) {
			continue
		}
		for k := range f.Certificates {
			if f.Certificates[k].Subject == subject {
				out = append(out, f.Certificates[k].SHA256)
			}
		}
	}
	return out
}

// describeChain says what it presents.
func (j *listenerJudge) describeChain() string {
	if len(j.l.Chain) == 0 {
		return "not read: " + j.missed()
	}
	c := &j.l.Chain[0]
	text := fmt.Sprintf("%s by %s, valid %s to %s", cmp.Or(c.Subject, "no subject"), cmp.Or(c.Issuer, "no issuer"), stamp(c.NotBefore), stamp(c.NotAfter))
	if len(c.Names) > 0 {
		text += ", names " + checks.JoinWords(c.Names, namesShown)
	}
	return text + "; the chain was not verified"
}

// namesShown bounds the names of a certificate in evidence.
const namesShown = 8

// certificate judges what it presents.
func (j *listenerJudge) certificate() {
	evidence := j.seen("certificate", j.describeChain())
	if len(j.l.Chain) == 0 {
		j.open(j.l.Reason, "its certificate was not read", evidence)
		return
	}
	c := &j.l.Chain[0]
	at := j.at()
	switch {
	case c.NotAfter.IsZero() || c.NotBefore.IsZero() || at.IsZero():
		evidence.Value += j.clocks()
		j.open(fact.NotPresent, "it is unknown whether its certificate is valid now", evidence)
	case at.After(c.NotAfter.Time):
		j.fail(api.High, "has an expired certificate", evidence)
	case at.Before(c.NotBefore.Time):
		j.fail(api.High, "has a certificate that is not valid yet", evidence)
	}
	switch {
	case !j.rule.names || j.named(c):
	case c.NameTotal > len(c.Names):
		j.open(fact.Truncated, "it is unknown whether its certificate names an address of this node: only some of its names are in the facts", evidence)
	default:
		j.fail(api.Medium, "has a certificate that names no address of this node", evidence)
	}
	if j.rule.self && selfMade(c) {
		j.fail(api.Low, "has a certificate that it made itself, so that no client can verify it", evidence)
	}
}

// selfMade reports whether a server made the certificate and its authority itself, as the
// kubelet does without a serving certificate: client-go's GenerateSelfSignedCertKey
// calls the authority NAME-ca@SECONDS.
func selfMade(c *fact.Certificate) bool {
	if c.SelfSigned {
		return true
	}
	_, issuer, ok := strings.Cut(c.Issuer, "CN=")
	if !ok {
		return false
	}
	issuer, _, _ = strings.Cut(issuer, ",")
	host, seconds, ok := strings.Cut(issuer, "-ca@")
	subject, _, _ := strings.Cut(c.Subject, "@")
	return ok && host != "" && seconds != "" && strings.Trim(seconds, "0123456789") == "" && strings.HasPrefix(subject, "CN="+host)
}

// named reports whether a certificate names the node by one of its names or addresses.
func (j *listenerJudge) named(c *fact.Certificate) bool {
	own := append([]string{j.Name, j.Measured.Host.Hostname}, j.Addresses...)
	if j.local || !loopback(j.l.Target) { // others do not reach it at loopback
		own = append(own, j.l.Target)
	}
	if j.local {
		own = append(own, "localhost")
	}
	return slices.ContainsFunc(c.Names, func(name string) bool {
		return slices.ContainsFunc(own, func(o string) bool { return sameHost(o, name) })
	})
}

// request judges the answer to the one request without credentials.
func (j *listenerJudge) request() {
	if j.rule.answers == nil {
		return
	}
	r := j.l.Request
	if j.l.ClientAuth == fact.ClientCertDemanded {
		j.notes = append(j.notes, "it refuses clients without a certificate")
		return
	}
	if r == nil || r.Status == 0 {
		detail := j.missed()
		if r != nil {
			detail = cmp.Or(r.Detail, detail)
		}
		j.open(j.l.Reason, "it is unknown what it allows without credentials", j.seen("request without credentials", "no answer: "+detail))
		return
	}
	evidence := j.declared([]api.Evidence{j.seen(r.Method+" "+r.Path+" without credentials", fmt.Sprintf("status %d", r.Status))}, "anonymous-auth", "authorization-mode")
	switch verdict, severity, message := j.rule.answers(r.Status); verdict {
	case api.Fail:
		j.fail(severity, ": "+message, evidence...)
	case api.Pass:
		j.notes = append(j.notes, message)
	default:
		j.open(fact.Unsupported, message, evidence...)
	}
}
