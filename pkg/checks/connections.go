package checks

import (
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// Bounds of what one node's answer says of its listeners and programs.
const (
	// MaxNodeComponents is far above the dozen programs of fact.Programs that a node
	// runs, of which two of one kind run only while one replaces the other.
	MaxNodeComponents = 64
	// MaxSettings is far above what the collectors look for of one program.
	MaxSettings = 200
	// MaxConfigFiles is that of a kubelet with drop-in files.
	MaxConfigFiles = 64
	// MaxSockets bounds the listening sockets of one program.
	MaxSockets = 256
	// maxCertName is that of a subject, and of a DNS name with room.
	maxCertName = 256
)

// admitConnections bounds what a node says of its listeners, programs, certificates and
// environments, drops what is none of them, and copies what it changes.
func admitConnections(m *fact.Measurement, gaps *[]fact.NodeGap) {
	var b bounds
	b.listeners(m)
	b.components(m)
	if len(m.Certificates) > fact.MaxCertificates {
		m.Certificates = m.Certificates[:fact.MaxCertificates]
		b.cut(fact.Certificates, "more than %d files", fact.MaxCertificates)
	}
	m.Certificates = slices.Clone(m.Certificates)
	for i := range m.Certificates {
		f := &m.Certificates[i]
		f.Path, f.Use, f.By, f.Key = b.path(f.Path), b.word(f.Use), b.word(f.By), b.accessOf(f.Key)
		f.Reason, f.Detail = reasonOf(f.Reason), bounded(f.Detail, MaxGapDetail)
		b.counts(fact.Certificates, &f.Total)
		f.Total = max(f.Total, len(f.Certificates))
		f.Certificates = b.chain(fact.Certificates, f.Certificates)
	}
	b.environments(m)
	*gaps = append(*gaps, b.gaps...)
}

// corrupt adds a gap for a value that no collector gives.
func (b *bounds) corrupt(kind fact.Kind, detail string) {
	gap := fact.NodeGap{What: kind, Reason: fact.Corrupt, Detail: detail}
	if !slices.Contains(b.gaps, gap) {
		b.gaps = append(b.gaps, gap)
	}
}

// known is the value if it is empty or one of those that exist. Otherwise it is "", which
// is unknown, and a gap.
func known[T ~string](b *bounds, kind fact.Kind, value T, what string, values ...T) T {
	if value == "" || slices.Contains(values, value) {
		return value
	}
	b.corrupt(kind, what+" is none that exists")
	return ""
}

// port reports whether a number is a TCP port that can listen.
func port(n int) bool { return 0 < n && n < 1<<16 }

func (b *bounds) listeners(m *fact.Measurement) {
	if len(m.Listeners) > fact.MaxListeners {
		m.Listeners = m.Listeners[:fact.MaxListeners]
		b.cut(fact.NodeTLS, "more than %d listeners", fact.MaxListeners)
		b.cut(fact.ServerTLS, "more than %d listeners", fact.MaxListeners)
	}
	var kept []fact.Listener
	for i := range m.Listeners {
		l := m.Listeners[i]
		kind := l.Purpose.Kind()
		switch {
		case kind == "": // it may be of either
			b.corrupt(fact.NodeTLS, "the purpose of a listener is none that exists")
			b.corrupt(fact.ServerTLS, "the purpose of a listener is none that exists")
			continue
		case !port(l.Port):
			b.corrupt(kind, "a listener's port is none")
			continue
		}
		b.listener(kind, &l)
		kept = append(kept, l)
	}
	m.Listeners = kept
}

func (b *bounds) listener(kind fact.Kind, l *fact.Listener) {
	l.Address, l.Target, l.ProtocolFrom, l.ClientAuthFrom = b.word(l.Address), b.word(l.Target), b.word(l.ProtocolFrom), b.word(l.ClientAuthFrom)
	b.counts(kind, &l.Connections, &l.ClientCATotal)
	l.Protocol = known(b, kind, l.Protocol, "what a listener speaks", fact.SpeaksTLS, fact.SpeaksPlaintext, fact.SpeaksOther)
	l.ClientAuth = known(b, kind, l.ClientAuth, "what a listener does about client certificates", fact.ClientCertDemanded, fact.ClientCertAsked, fact.ClientCertNotAsked)
	l.Offers = b.offers(kind, l.Offers)
	l.ClientCATotal = max(l.ClientCATotal, len(l.ClientCAs))
	l.ClientCAs = b.names(l.ClientCAs, fact.MaxClientCAs)
	if len(l.Chain) > fact.MaxChain {
		b.cut(kind, "more than %d certificates in a chain", fact.MaxChain)
	}
	l.Chain = b.chain(kind, l.Chain)
	if l.Request != nil {
		r := *l.Request
		r.Method, r.Path, r.Detail = b.word(r.Method), b.word(r.Path), bounded(r.Detail, MaxGapDetail)
		if r.Status != 0 && (r.Status < 100 || r.Status > 999) {
			r.Status = 0
			b.corrupt(kind, "the status of an answer is none of HTTP")
		}
		l.Request = &r
	}
	l.Reason, l.Detail = reasonOf(l.Reason), bounded(l.Detail, MaxGapDetail)
}

// offers keeps each offer that exists once, in the order of fact.Offers.
func (b *bounds) offers(kind fact.Kind, given []fact.TLSOffer) []fact.TLSOffer {
	var out []fact.TLSOffer
	for _, offer := range fact.Offers() {
		i := slices.IndexFunc(given, func(o fact.TLSOffer) bool { return o.Offer == offer })
		if i < 0 {
			continue
		}
		o := given[i]
		o.Outcome = known(b, kind, o.Outcome, "the outcome of an offer", fact.OfferAccepted, fact.OfferRefused, fact.OfferUnknown)
		if o.Outcome == "" {
			o.Outcome = fact.OfferUnknown
		}
		o.Version, o.Suite, o.From = b.word(o.Version), b.word(o.Suite), b.word(o.From)
		out = append(out, o)
	}
	if len(out) < len(given) {
		b.corrupt(kind, "an offer is none that exists, or is there twice")
	}
	return out
}

// chain bounds certificates, at most fact.MaxChain.
func (b *bounds) chain(kind fact.Kind, chain []fact.Certificate) []fact.Certificate {
	chain = slices.Clone(chain[:min(len(chain), fact.MaxChain)])
	for i := range chain {
		c := &chain[i]
		c.Subject, c.Issuer = bounded(c.Subject, maxCertName), bounded(c.Issuer, maxCertName)
		c.SHA256, c.KeyType, c.Signature = b.word(c.SHA256), b.word(c.KeyType), b.word(c.Signature)
		b.counts(kind, &c.KeyBits, &c.NameTotal)
		c.NameTotal = max(c.NameTotal, len(c.Names))
		c.Names = b.names(c.Names, fact.MaxCertNames)
	}
	return chain
}

func (b *bounds) names(names []string, most int) []string {
	names = slices.Clone(names[:min(len(names), most)])
	for i := range names {
		names[i] = bounded(names[i], maxCertName)
	}
	return names
}

func (b *bounds) components(m *fact.Measurement) {
	if len(m.Components) > MaxNodeComponents {
		m.Components = m.Components[:MaxNodeComponents]
		b.cut(fact.NodeSettings, "more than %d programs of the cluster", MaxNodeComponents)
		b.cut(fact.ServerSettings, "more than %d programs of the cluster", MaxNodeComponents)
	}
	var kept []fact.Component
	for i := range m.Components {
		c := m.Components[i]
		kind := c.Program.Kind()
		if kind == "" {
			b.corrupt(fact.NodeSettings, "a program is none that exists")
			b.corrupt(fact.ServerSettings, "a program is none that exists")
			continue
		}
		b.component(kind, &c)
		kept = append(kept, c)
	}
	m.Components = kept
}

func (b *bounds) component(kind fact.Kind, c *fact.Component) {
	c.Container, c.Unfollowed = b.word(c.Container), bounded(c.Unfollowed, MaxGapDetail)
	// Without the others a setting may only seem to be absent.
	if len(c.Settings) > MaxSettings || len(c.ConfigFiles) > MaxConfigFiles {
		b.cut(kind, "more than %d settings or %d files of a program", MaxSettings, MaxConfigFiles)
	}
	c.Settings = slices.Clone(c.Settings[:min(len(c.Settings), MaxSettings)])
	for i := range c.Settings {
		s := &c.Settings[i]
		s.Name, s.Value, s.From = b.word(s.Name), b.path(s.Value), b.path(s.From)
	}
	c.ConfigFiles = slices.Clone(c.ConfigFiles[:min(len(c.ConfigFiles), MaxConfigFiles)])
	for i := range c.ConfigFiles {
		c.ConfigFiles[i] = b.path(c.ConfigFiles[i])
	}
	if len(c.Sockets) > MaxSockets {
		c.Sockets, c.SocketsRead = c.Sockets[:MaxSockets], false
	}
	all := len(c.Sockets)
	c.Sockets = slices.DeleteFunc(slices.Clone(c.Sockets), func(s fact.Socket) bool { return !port(s.Port) })
	if len(c.Sockets) < all {
		c.SocketsRead = false
		b.corrupt(kind, "a socket's port is none")
	}
	for i := range c.Sockets {
		c.Sockets[i].Address = b.word(c.Sockets[i].Address)
	}
}

// environments bounds the variables of containers.
func (b *bounds) environments(m *fact.Measurement) {
	some := func(c fact.MeasuredContainer) bool { return len(c.Environment) > 0 || c.EnvironmentTotal != 0 }
	if !slices.ContainsFunc(m.Containers, some) {
		return
	}
	m.Containers = slices.Clone(m.Containers)
	for i := range m.Containers {
		c := &m.Containers[i]
		if !some(*c) {
			continue
		}
		b.counts(fact.Environment, &c.EnvironmentTotal)
		c.EnvironmentTotal = max(c.EnvironmentTotal, len(c.Environment))
		c.Environment = slices.Clone(c.Environment[:min(len(c.Environment), fact.MaxEnvironment)])
		for j := range c.Environment {
			e := &c.Environment[j]
			e.Name, e.Rule, e.Comm = bounded(e.Name, maxCertName), b.word(e.Rule), b.word(e.Comm)
			b.counts(fact.Environment, &e.Processes)
		}
	}
}
