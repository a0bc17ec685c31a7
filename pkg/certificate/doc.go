// Package certificate reads what X.509 certificates (RFC 5280) say about themselves. It
// takes bytes that nobody vouches for, opens nothing and verifies no signature. It exists
// beside crypto/x509 because that links package net, which the probe must not have.
package certificate
