// Package transit measures how the listeners of a node's own components speak: whether
// with TLS (RFC 5246, RFC 8446), in which versions and with which suites, which
// certificates they present, and what they do about a client that has no certificate. It
// collects facts and judges nothing.
//
// # What it sends
//
// It connects only to sockets that the node's own /proc/net/tcp and tcp6 list as
// listening, at loopback or at an address that the caller names as the node's own.
// [Options] says how a port becomes a purpose. To one listener it makes at most
// [fact.MaxConnections] connections, one after another, [Pause] apart, in at most
// [PerListener]; a node takes at most [PerNode]. Each comes from the address it goes to,
// and from a port between [FirstPort] and [LastPort], so that an operator can recognise
// it: bind(2) refuses an address that is not the node's own, before a packet is sent.
//
// One connection is one handshake with one offer (see [fact.Offers]), without a client
// certificate. At most one connection carries a request, and none a credential:
//
//	API server, and a proxy before it  GET of a path that does not exist
//	kubelet                            GET /healthz
//	etcd and all others                none; GET /version if no handshake got an answer
//
// # What shows what
//
// A version or a suite is accepted if a ServerHello chose it, and refused if an alert says
// so: "protocol version" for a version, "handshake failure" for suites. A client
// certificate is demanded if the server asked for one and ended the connection with the
// alert that its version has for that. It is only asked for if the server went on all the
// same, as an HTTP/2 SETTINGS frame or a session ticket shows. Everything else is
// unknown: a closed or reset connection, silence, another alert, and what this program
// itself cannot do (crypto/tls in FIPS mode, for example, offers no TLS 1.0).
package transit
