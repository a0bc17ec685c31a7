package transit

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/certificate"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// The budgets.
const (
	Pause       = 50 * time.Millisecond // before each connection but the first
	PerListener = 2 * time.Second
	PerNode     = 20 * time.Second
	// perConnection leaves time for another try with a listener that says nothing.
	perConnection = time.Second
)

// Options says what Measure dials.
type Options struct {
	// Table is the listening sockets of the node. Nothing else is dialed.
	Table Table
	// Addresses are the node's own, beside loopback: status.hostIPs. One that listens on
	// another is not dialed.
	Addresses []netip.Addr
	// Purposes are of sockets on other ports than the default ones, or of other purposes
	// than the ports' default ones. On a port without a default purpose an unspecified
	// address (0.0.0.0, ::) stands for all.
	Purposes map[netip.AddrPort]fact.ListenerPurpose
	// Wants are the kinds that are measured: ServerTLS, NodeTLS.
	Wants []fact.Kind
	// Dial replaces the dialer in tests.
	Dial Dial
}

// Measure shakes hands with the listeners and returns what they showed, sorted by port and
// address. The gaps are those of a whole kind: what is not known of one listener is said
// there. It ends at most PerNode after it began, and with ctx.
func Measure(ctx context.Context, o Options) ([]fact.Listener, []fact.NodeGap) {
	var gaps []fact.NodeGap
	if o.Table.Reason != "" {
		for _, kind := range o.Wants {
			gaps = append(gaps, fact.NodeGap{What: kind, Reason: o.Table.Reason, Detail: o.Table.Detail})
		}
	}
	ctx, cancel := context.WithTimeout(ctx, PerNode)
	defer cancel()
	c := &client{Options: o, offers: offers()}
	if c.Dial == nil {
		c.Dial = connect
	}
	all := o.find()
	if len(all) > fact.MaxListeners {
		for _, kind := range o.Wants {
			left := 0
			for _, l := range all[fact.MaxListeners:] {
				if l.Purpose.Kind() == kind {
					left++
				}
			}
			if left > 0 {
				gaps = append(gaps, fact.NodeGap{
					What: kind, Reason: fact.Truncated,
					Detail: strconv.Itoa(left) + " of " + strconv.Itoa(len(all)) + " listeners were left out: at most " + strconv.Itoa(fact.MaxListeners) + " are dialed",
				})
			}
		}
		all = all[:fact.MaxListeners]
	}
	out := make([]fact.Listener, 0, len(all))
	for _, l := range all {
		c.measure(ctx, &l)
		out = append(out, l.Listener)
	}
	sorted.Func(out, func(a, b fact.Listener) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Address, b.Address))
	})
	return out, gaps
}

type client struct {
	Options
	offers []offered
	ports  ports
	dialed bool // anything yet
}

// session is the measurement of one listener.
type session struct {
	*client
	*listening
	ctx      context.Context
	deadline time.Time
	targets  []netip.Addr
	failed   fact.Reason // why a connection was not made, "" if all were
	why      string
	missed   []string // what else is not known, and why
	attempts map[string]*attempt
}

func (c *client) measure(ctx context.Context, l *listening) {
	if a := l.bound.Addr().Unmap(); !a.IsUnspecified() && !c.allowed(a) {
		l.Reason, l.Detail = fact.Unsupported, "not dialed: "+notOwn
		return
	}
	ctx, cancel := context.WithTimeout(ctx, PerListener)
	defer cancel()
	s := &session{client: c, listening: l, ctx: ctx, targets: c.Options.targets(l.bound), attempts: map[string]*attempt{}}
	s.deadline, _ = ctx.Deadline()
	s.run()
}

func (s *session) run() {
	silent := 0 // offers that got no byte of an answer
	for i, o := range s.offers {
		if o.only && s.Protocol != fact.SpeaksTLS {
			break
		}
		a := s.try(o)
		if a == nil {
			break
		}
		s.attempts[o.name] = a
		s.recognise(a)
		if s.Protocol == fact.SpeaksPlaintext || s.Protocol == fact.SpeaksOther {
			break
		}
		if len(a.first) == 0 {
			silent++
			if i == 0 && a.ending() == endedTimeout {
				break // it says nothing to any ClientHello; time is left for a request
			}
		}
	}
	switch {
	case s.Protocol == "" && silent == len(s.attempts) && s.failed == "":
		s.askPlainly(plainPathFor(s.Purpose))
	case s.Protocol == fact.SpeaksPlaintext && pathFor(s.Purpose) != "":
		s.askPlainly(pathFor(s.Purpose))
	}
	if s.Protocol == fact.SpeaksTLS {
		s.describe()
		if path := pathFor(s.Purpose); path != "" && s.Request == nil {
			s.ask(path)
		}
	}
	s.explain()
}

// dial makes one connection, to the address that took one before. Without one it says why.
func (s *session) dial() (net.Conn, netip.AddrPort, time.Time) {
	for ; len(s.targets) > 0; s.targets = s.targets[1:] {
		target := netip.AddrPortFrom(s.targets[0], s.bound.Port())
		if s.dialed {
			select {
			case <-s.ctx.Done():
			case <-time.After(Pause):
			}
		}
		switch {
		case s.ctx.Err() != nil:
			s.failed, s.why = fact.Timeout, "the time for this listener or for this node was used up"
			return nil, target, time.Time{}
		case s.Connections == fact.MaxConnections:
			s.failed, s.why = fact.Truncated, "there were "+strconv.Itoa(s.Connections)+" connections to it already"
			return nil, target, time.Time{}
		case !s.allowed(target.Addr()): // the last look before a packet is sent
			s.failed, s.why = fact.Unsupported, notOwn
			return nil, target, time.Time{}
		}
		s.Connections++
		s.dialed = true
		until := time.Now().Add(perConnection)
		if until.After(s.deadline) {
			until = s.deadline
		}
		ctx, cancel := context.WithDeadline(s.ctx, until)
		conn, err := s.ports.dial(ctx, s.Dial, target)
		cancel()
		if err == nil {
			s.Target, s.failed, s.why = target.Addr().String(), "", ""
			s.targets = s.targets[:1]
			return conn, target, until
		}
		if errors.Is(err, syscall.EADDRNOTAVAIL) {
			s.Connections-- // bind(2) failed: nothing was sent
		}
		s.failed, s.why = notDialed(err)
	}
	return nil, netip.AddrPort{}, time.Time{}
}

const notOwn = "it listens on an address that is not one of the node's own (status.hostIPs)"

// notDialed says in our own words why a connection was not made.
func notDialed(err error) (fact.Reason, string) {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fact.Changing, "the connection was refused: it listens no more, or a firewall answers for it"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fact.Unsupported, "the address is not one of this machine's"
	case errors.Is(err, syscall.EADDRINUSE):
		return fact.Unreadable, "no local port from " + strconv.Itoa(FirstPort) + " to " + strconv.Itoa(LastPort) + " is free"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fact.Timeout, "it did not take the connection in time"
	}
	return fact.Unreadable, "the system did not make the connection"
}

// try makes one handshake, nil if no connection was made.
func (s *session) try(o offered) *attempt {
	conn, _, until := s.dial()
	if conn == nil {
		return nil
	}
	a := handshake(s.ctx, conn, until, o, !s.served(), nil)
	return &a
}

// served reports whether a handshake has shown already that the server takes a client
// without a certificate.
func (s *session) served() bool {
	for _, a := range s.attempts {
		if a.proof != "" {
			return true
		}
	}
	return false
}

// enoughToTell is the first bytes that one needs to tell that they are no TLS record, no
// status line of HTTP/1 and no frame of HTTP/2.
const enoughToTell = 9

// recognise says what the listener speaks, from what it sent first.
func (s *session) recognise(a *attempt) {
	switch {
	case a.Chose: // it shows more than an alert did before
		s.Protocol, s.ProtocolFrom = fact.SpeaksTLS, "ServerHello"
	case s.Protocol == fact.SpeaksTLS:
	case speaksTLS(a.first) && (a.alert != noAlert || a.Retried):
		s.Protocol, s.ProtocolFrom = fact.SpeaksTLS, a.ending()
	case speaksHTTP(a.first):
		s.Protocol, s.ProtocolFrom = fact.SpeaksPlaintext, "HTTP status line in answer to a ClientHello"
	case speaksHTTP2(a.first):
		s.Protocol, s.ProtocolFrom = fact.SpeaksPlaintext, "HTTP/2 SETTINGS in answer to a ClientHello"
	case len(a.first) >= enoughToTell && !speaksTLS(a.first):
		s.Protocol, s.ProtocolFrom = fact.SpeaksOther, "what it sends first is neither TLS nor HTTP"
	}
}

// askPlainly makes the one request without TLS.
func (s *session) askPlainly(path string) {
	conn, target, until := s.dial()
	if conn == nil {
		return
	}
	defer context.AfterFunc(s.ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	got := plain(conn, until, target.String(), path)
	s.Request = &fact.AnonymousRequest{Method: "GET", Path: path, Status: got.status}
	if got.status == 0 {
		s.Request.Detail = noStatus(got.err)
	}
	if s.Protocol != "" {
		return
	}
	from := "status " + strconv.Itoa(got.status) + " to GET " + path
	switch {
	case got.https:
		s.Protocol, s.ProtocolFrom = fact.SpeaksTLS, from+", which says that TLS is needed"
	case slices.Contains([]int{200, 401, 403, 404}, got.status):
		s.Protocol, s.ProtocolFrom = fact.SpeaksPlaintext, from+" without TLS"
	case speaksHTTP2(got.first):
		s.Protocol, s.ProtocolFrom = fact.SpeaksPlaintext, "HTTP/2 SETTINGS in answer to GET "+path
	case len(got.first) >= enoughToTell && !speaksHTTP(got.first):
		s.Protocol, s.ProtocolFrom = fact.SpeaksOther, "what it sends to GET "+path+" is neither TLS nor HTTP"
	}
}

func noStatus(err error) string {
	if err == nil {
		return "what came back is not a status line of HTTP"
	}
	return ending(err)
}

// ask makes the one request over TLS.
func (s *session) ask(path string) {
	request := &fact.AnonymousRequest{Method: "GET", Path: path}
	s.Request = request
	o := offered{alpn: waitForUs}
	for _, v := range versions {
		if a := s.attempts[v.name]; a != nil && a.done && o.max == 0 {
			o.min, o.max, o.suites = v.min, v.max, s.offers[0].suites
		}
	}
	switch {
	case s.ClientAuth == fact.ClientCertDemanded:
		request.Detail = "not made: a client certificate is demanded"
		return
	case s.failed != "":
		request.Detail = "not made: " + s.why
		return
	case o.max == 0:
		request.Detail = "not made: no handshake was finished"
		return
	}
	conn, target, until := s.dial()
	if conn == nil {
		request.Detail = "not made: " + s.why
		return
	}
	var got *answer
	a := handshake(s.ctx, conn, until, o, false, func(c net.Conn) {
		answered := get(c, target.String(), path, true)
		got = &answered
	})
	switch {
	case got == nil:
		request.Detail = a.ending()
	case got.status == 0:
		request.Detail = noStatus(got.err)
	default:
		request.Status = got.status
	}
}

// describe writes what the handshakes showed.
func (s *session) describe() {
	low := false // whether a version below 1.3 is spoken
	for _, o := range s.offers {
		a := s.attempts[o.name]
		if a == nil {
			s.Offers = append(s.Offers, fact.TLSOffer{Offer: o.name, Outcome: fact.OfferUnknown, From: "not offered: " + s.whyNot()})
			continue
		}
		offer := a.outcome(o)
		switch {
		case !o.only:
			low = low || offer.Outcome == fact.OfferAccepted && o.max < tls.VersionTLS13
		case offer.Outcome == fact.OfferRefused && a.alert == handshakeFailure && !low:
			// It may be anything else that the server misses in the ClientHello.
			offer.Outcome, offer.From = fact.OfferUnknown, a.alert.String()+", as for all suites"
		}
		s.Offers = append(s.Offers, offer)
	}
	order := fact.Offers()
	sorted.Func(s.Offers, func(a, b fact.TLSOffer) int {
		return cmp.Compare(slices.Index(order, a.Offer), slices.Index(order, b.Offer))
	})
	s.readChain()
	s.judgeClientAuth()
	s.readAuthorities()
}

// judgeClientAuth compares the handshakes of all versions. One that served a client shows
// that a certificate is not demanded. That one is demanded must hold for every version
// that the server speaks, and for TLS 1.2 and 1.3 unless they are refused.
func (s *session) judgeClientAuth() {
	var demanded, asked, free, hidden *attempt
	var silent []string // versions that were neither chosen nor refused
	unclear, reason := "", fact.Unsupported
	for _, v := range versions {
		a := s.attempts[v.name]
		switch {
		case a == nil:
			unclear = cmp.Or(unclear, v.name+" was not offered")
		// That it may speak an older version is unknown by itself: to speak it is a fault.
		case !a.Chose && (v.max < tls.VersionTLS12 || a.outcome(v).Outcome == fact.OfferRefused):
		case !a.Chose: // it may speak this version too, and serve anyone under it
			hidden = cmp.Or(hidden, a)
			silent = append(silent, v.name)
		case a.refusesClient():
			demanded = cmp.Or(demanded, a)
		case a.asked && a.proof != "":
			asked = cmp.Or(asked, a)
		case !a.asked && a.done:
			free = cmp.Or(free, a)
		case a.asked && a.done && (a.err == nil || a.ending() == endedTimeout):
			unclear = cmp.Or(unclear, "it is asked for under "+v.name+", and nothing shows whether clients without one are served")
		default:
			unclear, reason = cmp.Or(unclear, a.ending()+" under "+v.name), reasonOf(a.ending())
		}
	}
	switch {
	case free != nil:
		s.ClientAuth, s.ClientAuthFrom = fact.ClientCertNotAsked, tls.VersionName(free.Version)+" handshake finished without a CertificateRequest"
	case asked != nil:
		s.ClientAuth, s.ClientAuthFrom = fact.ClientCertAsked, asked.proof+" under "+tls.VersionName(asked.Version)
	case demanded != nil && unclear == "" && hidden != nil:
		s.miss(reasonOf(hidden.ending()), "whether a client certificate is demanded: it is under "+tls.VersionName(demanded.Version)+
			", and it is unknown whether it accepts "+strings.Join(silent, " or "))
	case demanded != nil && unclear == "":
		s.ClientAuth, s.ClientAuthFrom = fact.ClientCertDemanded, demanded.alert.String()+" under "+tls.VersionName(demanded.Version)
	default:
		s.miss(reason, "whether a client certificate is demanded: "+cmp.Or(unclear, "no version of TLS was accepted"))
	}
}

// miss says that something is not known, and why.
func (s *session) miss(reason fact.Reason, detail string) {
	s.Reason = cmp.Or(s.Reason, reason)
	s.missed = append(s.missed, detail)
}

// reasonOf is that of an ending.
func reasonOf(ending string) fact.Reason {
	if ending == endedTimeout {
		return fact.Timeout
	}
	return fact.Unsupported
}

func (s *session) readAuthorities() {
	var names []string
	unread := 0
	for _, v := range versions {
		a := s.attempts[v.name]
		if a == nil || len(a.authorities) == 0 {
			continue
		}
		for _, der := range a.authorities {
			if name, err := certificate.Name(der); err == nil {
				names = append(names, name)
			} else {
				unread++
			}
		}
		break
	}
	slices.Sort(names)
	names = slices.Compact(names) // an authority that was renewed is there twice
	s.ClientCAs, s.ClientCATotal = names[:min(len(names), fact.MaxClientCAs)], len(names)+unread
}

func (s *session) readChain() {
	for _, v := range versions {
		a := s.attempts[v.name]
		if a == nil || len(a.Certificates) == 0 {
			continue
		}
		for _, der := range a.Certificates[:min(len(a.Certificates), fact.MaxChain)] {
			c, err := certificate.Parse(der)
			if err != nil {
				reason := fact.Corrupt
				if errors.Is(err, certificate.ErrTooLarge) {
					reason = fact.Truncated
				}
				s.miss(reason, "certificate "+strconv.Itoa(len(s.Chain)+1)+" that it presents: "+err.Error())
				return
			}
			s.Chain = append(s.Chain, c)
		}
		if n := len(a.Certificates); n > fact.MaxChain {
			s.miss(fact.Truncated, "it presents "+strconv.Itoa(n)+" certificates, of which the first "+strconv.Itoa(fact.MaxChain)+" were read")
		}
		return
	}
	for _, a := range s.attempts {
		if a.LongCertificate {
			s.miss(fact.Truncated, "its certificates are longer than 256 KiB together")
			return
		}
	}
	s.miss(fact.Unsupported, "no handshake showed its certificates")
}

// explain says what is not known, and why. A connection that was not made explains the
// rest.
func (s *session) explain() {
	switch {
	case s.failed != "":
		s.Reason, s.Detail = s.failed, s.why
		return
	case s.Protocol == fact.SpeaksOther:
		s.miss(fact.Unsupported, s.ProtocolFrom)
	case s.Protocol == "":
		reason := fact.Unsupported
		for _, v := range versions {
			if a := s.attempts[v.name]; a != nil && a.ending() == endedTimeout {
				reason = fact.Timeout
			}
		}
		s.miss(reason, "no handshake and no request showed what it speaks")
	}
	var unknown []string
	reason := fact.Timeout
	for _, o := range s.Offers {
		if o.Outcome == fact.OfferUnknown {
			unknown = append(unknown, o.Offer)
			if o.From != endedTimeout {
				reason = fact.Unsupported
			}
		}
	}
	if len(unknown) > 0 {
		s.miss(reason, "whether it accepts "+strings.Join(unknown, " or "))
	}
	r := s.Request
	if r != nil && r.Status == 0 && pathFor(s.Purpose) != "" && s.ClientAuth != fact.ClientCertDemanded && s.Protocol != fact.SpeaksOther && s.Protocol != "" {
		s.miss(reasonOf(r.Detail), "GET "+r.Path+": "+r.Detail)
	}
	s.Detail = strings.Join(s.missed, "; ")
}

// whyNot says why something was not tried.
func (s *session) whyNot() string { return cmp.Or(s.why, "no handshake got an answer") }
