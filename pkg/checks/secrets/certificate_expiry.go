package secrets

import (
	"cmp"
	"fmt"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// CertificateExpiry fails a node with a certificate of the cluster that has expired or soon
// will, that has a weak key or signature, or whose private key others can read. Source:
// the files on the node; and what its listeners present, where that is another
// certificate. Time is when the node was measured.
var CertificateExpiry = checks.Check{
	ID:       "secrets/certificate-expiry",
	Title:    "The cluster's certificates are valid and strong, and only root can read their keys",
	Severity: api.High,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Certificates},
	Uses:     []fact.Kind{fact.NodeTLS, fact.ServerTLS},
	Scope:    checks.ScopeNode,
	Why: "When a certificate ends, connections fail, and in a hurry they are mended by turning verification off. Whoever can read a private " +
		"key can be that component: with etcd's or the API server's keys, read every Secret.",
	Remediation: "Renew certificates (kubeadm certs renew all, then restart the control plane; k3s and RKE2: restart the server; kubelet: rotateCertificates: " +
		"true). Use RSA keys of at least 2048 bits or ECDSA, and SHA-256. Run chown root:root and chmod 0600 on private keys.",
	References: []string{
		"https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-certs/",
		"https://kubernetes.io/docs/tasks/tls/certificate-rotation/",
		"https://nvlpubs.nist.gov/nistpubs/SpecialPublications/NIST.SP.800-131Ar2.pdf",
	},
	Judge: judgeCertificateExpiry,
}

// How long before its end a certificate fails. One that the kubelet renews itself fails
// when less than a tenth of its life is left: it asks for a new one at 70 to 90 % of it.
// So does one that is made for less than 30 days, which somebody must renew all the time.
const (
	soon     = 30 * 24 * time.Hour
	verySoon = 7 * 24 * time.Hour
	tenth    = 10
)

func judgeCertificateExpiry(v *checks.View) []api.Finding {
	var findings []api.Finding
	for i := range v.Nodes {
		node := &v.Nodes[i]
		if !node.Measured.HasRead(fact.Certificates) {
			continue // a gap says so
		}
		j := &expiry{transitNode: transitNode{Node: node, view: v}, seen: map[string]bool{}}
		for k := range node.Measured.Certificates {
			j.file(&node.Measured.Certificates[k])
		}
		for k := range node.Measured.Listeners {
			j.listener(&node.Measured.Listeners[k])
		}
		j.end()
		findings = append(findings, j.findings...)
	}
	return findings
}

// expiry judges the certificates of one node.
type expiry struct {
	transitNode
	seen   map[string]bool // SHA-256 of those in files
	count  int             // certificates that are in order
	keys   int             // private keys that only root, or their owners, can get at
	owners bool            // some have another owner
	bad    bool
	first  *fact.Certificate // of those in order, the one that ends first
	where  string            // its place
}

func (j *expiry) fail(severity api.Severity, message string, evidence api.Evidence) {
	j.bad = true
	j.add(api.Finding{Verdict: api.Fail, Severity: severity, Message: message, Evidence: []api.Evidence{evidence}})
}

func (j *expiry) file(f *fact.CertificateFile) {
	if f.Reason != "" || f.Total > len(f.Certificates) {
		j.bad = true
		reason, detail := f.Reason, f.Detail
		if reason == "" {
			reason, detail = fact.Truncated, fmt.Sprintf("only %d of its %d certificates are in the facts", len(f.Certificates), f.Total)
		}
		j.unknown(reason, "the certificate "+j.called(f.Use, f.Path)+" was not read in full", j.evidence(f.Path, cmp.Or(detail, "not read")))
	}
	for i := range f.Certificates {
		c := &f.Certificates[i]
		j.seen[c.SHA256] = true
		j.certificate(c, "the certificate "+j.called(f.Use, f.Path), f.Path, f.Rotated)
	}
	j.key(f)
}

// called names a certificate in messages: "kubelet client (/var/lib/...)".
func (j *expiry) called(use, path string) string {
	if use == "" {
		return path
	}
	return use + " (" + path + ")"
}

// certificate judges one.
func (j *expiry) certificate(c *fact.Certificate, title, place string, rotated bool) {
	at := j.at()
	evidence := j.evidence(place, fmt.Sprintf("%s by %s, valid %s to %s, %s of %d bits, signed by %s",
		cmp.Or(c.Subject, "no subject"), cmp.Or(c.Issuer, "no issuer"), stamp(c.NotBefore), stamp(c.NotAfter), cmp.Or(c.KeyType, "unknown key"), c.KeyBits, cmp.Or(c.Signature, "an unknown algorithm")))
	if c.NotAfter.IsZero() || c.NotBefore.IsZero() || at.IsZero() {
		j.bad = true
		evidence.Value += j.clocks()
		j.unknown(fact.NotPresent, "it is unknown until when "+title+" is valid", evidence)
		return
	}
	left, life := c.NotAfter.Sub(at), c.NotAfter.Sub(c.NotBefore.Time)
	rotated = rotated || life < soon
	ok := true
	fail := func(severity api.Severity, message string) {
		ok = false
		j.fail(severity, title+" "+message, evidence)
	}
	switch {
	case left < 0:
		fail(api.High, "has expired")
	case at.Before(c.NotBefore.Time):
		fail(api.High, "is not valid yet")
	case rotated && left >= life/tenth:
	case left < verySoon:
		fail(api.High, "expires within 7 days")
	case left < soon:
		fail(api.Medium, "expires within 30 days")
	case rotated:
		fail(api.Medium, "should have been renewed: less than a tenth of its life is left")
	}
	if weak := weakness(c); weak != "" {
		fail(api.Medium, "has "+weak)
	}
	if !ok {
		return
	}
	j.count++
	if j.first == nil || c.NotAfter.Before(j.first.NotAfter.Time) {
		j.first, j.where = c, place
	}
}

// weakness says why a key or a signature is too weak to be trusted (NIST SP 800-131A), ""
// if neither is. The signature of a self-signed certificate proves nothing anyway, so it
// does not count.
func weakness(c *fact.Certificate) string {
	switch {
	case c.KeyType == "RSA" && c.KeyBits < 2048:
		return "an RSA key of less than 2048 bits"
	case c.KeyType == "ECDSA" && c.KeyBits > 0 && c.KeyBits < 224:
		return "an ECDSA key of less than 224 bits"
	case c.SelfSigned:
		return ""
	}
	switch c.Signature {
	case "MD2-RSA", "MD5-RSA":
		return "a signature with MD2 or MD5"
	case "SHA1-RSA", "SHA1-RSAPSS", "DSA-SHA1", "ECDSA-SHA1":
		return "a signature with SHA-1"
	}
	return ""
}

// key judges who can get at a private key.
func (j *expiry) key(f *fact.CertificateFile) {
	a := f.Key
	if a == nil {
		return
	}
	title := "the private key of " + j.called(f.Use, f.Path)
	evidence := j.evidence(a.Path, describeAccess(a))
	switch {
	case a.Mode&othersRead != 0 && a.OthersReach:
		j.fail(api.High, "everyone on the node can read "+title, evidence)
	case writers(a) != "":
		j.fail(api.High, writers(a)+" can replace "+title, evidence)
	case a.WritableParent != "":
		j.fail(api.High, "a user other than root can replace "+title+", through a directory on its path", evidence)
	case readers(a) != "" && a.Group != 0:
		j.fail(api.Medium, readers(a)+" can read "+title, evidence)
	case hiddenEntries(a):
		j.bad = true
		j.unknown(fact.Unsupported, title+" has an ACL, whose entries were not read", evidence)
	default:
		j.keys++
		j.owners = j.owners || a.Owner != 0
	}
}

// listener judges what is presented and is in no file that was read: a certificate that a
// process has loaded can be older than the file.
func (j *expiry) listener(l *fact.Listener) {
	rule, ok := transitRules[l.Purpose]
	if !ok {
		return
	}
	name := rule.name
	if l.Purpose != fact.RuntimeStreaming {
		name += " (" + endpoint(l.Address, l.Port) + ")"
	}
	for i := range l.Chain {
		c := &l.Chain[i]
		if j.seen[c.SHA256] {
			continue
		}
		j.seen[c.SHA256] = true
		j.certificate(c, "a certificate that "+name+" presents", "listener "+endpoint(l.Address, l.Port)+" certificate", false)
	}
}

// end gives the pass, if all are in order.
func (j *expiry) end() {
	switch {
	case j.bad:
	case j.count == 0, len(j.Measured.Certificates) == 0: // what listeners present says nothing of the others
		j.unknown(fact.NotPresent, "no certificate of the cluster was found on this node", j.evidence("/etc/kubernetes/pki, /var/lib/kubelet/pki and other usual places", "no certificate"))
	default:
		message := "the certificates that were found are valid for at least 30 days, or are renewed in time"
		if j.keys > 0 {
			who := "root"
			if j.owners {
				who = "root and their owners"
			}
			message += ", and only " + who + " can read the private keys that were found"
		}
		j.add(api.Finding{Verdict: api.Pass, Message: message, Evidence: []api.Evidence{
			j.evidence("usual places, kubeconfigs, settings and listeners", checks.Count(j.count, "certificate")+", "+checks.Count(j.keys, "private key")),
			j.evidence(j.where, "the first to end: "+cmp.Or(j.first.Subject, "no subject")+", "+stamp(j.first.NotAfter)),
		}})
	}
}
