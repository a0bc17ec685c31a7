package secrets

import (
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestCertificateExpiry(t *testing.T) {
	const (
		path  = "/etc/kubernetes/pki/apiserver.crt"
		title = "the certificate kube-apiserver serving (" + path + ")"
		key   = "the private key of kube-apiserver serving (" + path + ")"
		pass  = "pass cp1: the certificates that were found are valid for at least 30 days, or are renewed in time, and only root can read the private keys that were found"
		day   = 24 * time.Hour
	)
	file := func(changes ...func(*fact.CertificateFile)) fact.CertificateFile {
		f := fact.CertificateFile{
			Path: path, Use: "kube-apiserver serving", By: "usual path", Certificates: []fact.Certificate{ft.Certificate("CN=kube-apiserver")}, Total: 1,
			Key: ft.RootFile("/etc/kubernetes/pki/apiserver.key"),
		}
		for _, change := range changes {
			change(&f)
		}
		return f
	}
	with := func(files ...fact.CertificateFile) *fact.Set {
		return nodeWith(func(m *fact.Measurement) { m.Certificates = files })
	}
	one := func(changes ...func(*fact.CertificateFile)) *fact.Set { return with(file(changes...)) }
	// ends makes a certificate that was made for so long, and has so much of it left.
	ends := func(left, life time.Duration) func(*fact.CertificateFile) {
		return func(f *fact.CertificateFile) {
			end := ft.Time.Add(left)
			f.Certificates[0].NotAfter, f.Certificates[0].NotBefore = fact.NewTime(end), fact.NewTime(end.Add(-life))
		}
	}
	rotated := func(f *fact.CertificateFile) { f.Rotated = true }
	cert := func(change func(*fact.Certificate)) func(*fact.CertificateFile) {
		return func(f *fact.CertificateFile) { change(&f.Certificates[0]) }
	}
	access := func(change func(*fact.FileAccess)) func(*fact.CertificateFile) {
		return func(f *fact.CertificateFile) { change(f.Key) }
	}
	presented := func(sum string, left time.Duration) *fact.Set {
		set := one()
		l := ft.Listener(fact.EtcdClient, "127.0.0.1", 2379)
		l.Chain[0].SHA256, l.Chain[0].NotAfter = sum, fact.NewTime(ft.Time.Add(left))
		set.Nodes[0].Measured.Listeners = []fact.Listener{l}
		return set
	}
	judgeTransit(t, judgeCertificateExpiry, transitCases{
		"half a year passes":              {one(), []string{pass}},
		"30 days pass":                    {one(ends(30*day, 365*day)), []string{pass}},
		"less than 30 days is medium":     {one(ends(30*day-1, 365*day)), []string{"medium fail cp1: " + title + " expires within 30 days"}},
		"7 days is medium":                {one(ends(7*day, 365*day)), []string{"medium fail cp1: " + title + " expires within 30 days"}},
		"less than 7 days is high":        {one(ends(7*day-1, 365*day)), []string{"high fail cp1: " + title + " expires within 7 days"}},
		"its last moment is high":         {one(ends(0, 365*day)), []string{"high fail cp1: " + title + " expires within 7 days"}},
		"expired is high":                 {one(ends(-1, 365*day)), []string{"high fail cp1: " + title + " has expired"}},
		"not valid yet is high":           {one(cert(func(c *fact.Certificate) { c.NotBefore = fact.NewTime(ft.Time.Add(time.Hour)) })), []string{"high fail cp1: " + title + " is not valid yet"}},
		"an authority counts, too":        {one(ends(-1, 3650*day), cert(func(c *fact.Certificate) { c.CA = true })), []string{"high fail cp1: " + title + " has expired"}},
		"without times is unknown":        {one(cert(func(c *fact.Certificate) { c.NotAfter = fact.Time{} })), []string{"unknown NotPresent cp1: it is unknown until when " + title + " is valid"}},
		"renewed by itself, a tenth left": {one(rotated, ends(36*day+12*time.Hour, 365*day)), []string{pass}},
		"renewed by itself, more than a tenth of a short life left": {one(rotated, ends(2*day, 10*day)), []string{pass}},
		"renewed by itself, less than a tenth left":                 {one(rotated, ends(35*day, 365*day)), []string{"medium fail cp1: " + title + " should have been renewed: less than a tenth of its life is left"}},
		"renewed by itself, and nearly over":                        {one(rotated, ends(6*day, 365*day)), []string{"high fail cp1: " + title + " expires within 7 days"}},
		"renewed by itself, and over":                               {one(rotated, ends(-1, 365*day)), []string{"high fail cp1: " + title + " has expired"}},
		"made for less than 30 days, more than a tenth left":        {one(ends(3*day, 29*day)), []string{pass}},
		"made for less than 30 days, less than a tenth left":        {one(ends(2*day, 29*day)), []string{"high fail cp1: " + title + " expires within 7 days"}},

		"RSA of 1024 bits is medium":            {one(cert(func(c *fact.Certificate) { c.KeyBits = 1024 })), []string{"medium fail cp1: " + title + " has an RSA key of less than 2048 bits"}},
		"ECDSA of 192 bits is medium":           {one(cert(func(c *fact.Certificate) { c.KeyType, c.KeyBits = "ECDSA", 192 })), []string{"medium fail cp1: " + title + " has an ECDSA key of less than 224 bits"}},
		"ECDSA of 256 bits passes":              {one(cert(func(c *fact.Certificate) { c.KeyType, c.KeyBits = "ECDSA", 256 })), []string{pass}},
		"ECDSA of unknown size passes":          {one(cert(func(c *fact.Certificate) { c.KeyType, c.KeyBits = "ECDSA", 0 })), []string{pass}},
		"SHA-1 is medium":                       {one(cert(func(c *fact.Certificate) { c.Signature = "SHA1-RSA" })), []string{"medium fail cp1: " + title + " has a signature with SHA-1"}},
		"MD5 is medium":                         {one(cert(func(c *fact.Certificate) { c.Signature = "MD5-RSA" })), []string{"medium fail cp1: " + title + " has a signature with MD2 or MD5"}},
		"SHA-1 of a self-signed one passes":     {one(cert(func(c *fact.Certificate) { c.Signature, c.SelfSigned = "SHA1-RSA", true })), []string{pass}},
		"expired and weak are two":              {one(ends(-1, 365*day), cert(func(c *fact.Certificate) { c.KeyBits = 512 })), []string{"high fail cp1: " + title + " has expired", "medium fail cp1: " + title + " has an RSA key of less than 2048 bits"}},
		"a key that everyone reads is high":     {one(access(func(a *fact.FileAccess) { a.Mode, a.OthersReach = 0o644, true })), []string{"high fail cp1: everyone on the node can read " + key}},
		"a key that nobody else reaches passes": {one(access(func(a *fact.FileAccess) { a.Mode = 0o644 })), []string{pass}},
		"a key that a group reads is medium":    {one(access(func(a *fact.FileAccess) { a.Mode, a.GroupReaches, a.Group = 0o640, true, 7 })), []string{"medium fail cp1: group 7 can read " + key}},
		"a key that root's group reads passes":  {one(access(func(a *fact.FileAccess) { a.Mode, a.GroupReaches = 0o640, true })), []string{pass}},
		"a key that others write is high":       {one(access(func(a *fact.FileAccess) { a.Mode, a.OthersReach = 0o602, true })), []string{"high fail cp1: everyone can replace " + key}},
		"a directory that others write is high": {one(access(func(a *fact.FileAccess) { a.WritableParent = "/etc" })), []string{"high fail cp1: a user other than root can replace " + key + ", through a directory on its path"}},
		"a key with an ACL is unknown":          {one(access(func(a *fact.FileAccess) { a.Mode, a.ACL, a.GroupReaches = 0o640, true, true })), []string{"unknown Unsupported cp1: " + key + " has an ACL, whose entries were not read"}},
		"without a key nothing is said of keys": {one(func(f *fact.CertificateFile) { f.Key = nil }), []string{"pass cp1: the certificates that were found are valid for at least 30 days, or are renewed in time"}},
		"a file that was not read costs no other": {
			with(fact.CertificateFile{Path: "/x.crt", Use: "x", Reason: fact.Unreadable, Detail: "permission denied"}, file(ends(-1, 365*day))),
			[]string{"unknown Unreadable cp1: the certificate x (/x.crt) was not read in full", "high fail cp1: " + title + " has expired"},
		},
		"a file whose certificates were cut is unknown": {one(func(f *fact.CertificateFile) { f.Total = 9 }), []string{"unknown Truncated cp1: the certificate kube-apiserver serving (" + path + ") was not read in full"}},
		"no certificate is unknown":                     {with(), []string{"unknown NotPresent cp1: no certificate of the cluster was found on this node"}},

		"what a listener presents from before": {presented("other", -time.Hour), []string{"high fail cp1: a certificate that etcd's client port (127.0.0.1:2379) presents has expired"}},
		"what a listener presents from a file": {presented("CN=kube-apiserver", -time.Hour), []string{pass}},
		"what a listener presents is in order": {presented("other", 100*day), []string{pass}},
		"what a listener presents is not what files hold": {
			ft.Edit(presented("other", 100*day), func(s *fact.Set) { s.Nodes[0].Measured.Certificates = nil }),
			[]string{"unknown NotPresent cp1: no certificate of the cluster was found on this node"},
		},
		"a key of another owner is not root's alone": {
			one(access(func(a *fact.FileAccess) { a.Owner = 7 })), []string{"pass cp1: the certificates that were found are valid for at least 30 days, or are renewed in time, and only root and their owners can read the private keys that were found"},
		},
		"by the clock of a node that is a year slow nothing is known": {
			ft.Edit(one(), func(s *fact.Set) { clock(ft.Time.Add(-365 * day))(s.Nodes[0].Measured) }), []string{"unknown NotPresent cp1: it is unknown until when " + title + " is valid"},
		},
		"a clock that is an hour slow is one": {ft.Edit(one(), func(s *fact.Set) { clock(ft.Time.Add(-time.Hour))(s.Nodes[0].Measured) }), []string{pass}},
		"a key without a certificate": {
			with(file(), fact.CertificateFile{Path: "/etc/kubernetes/pki/sa.key", Use: "service accounts' tokens", Key: &fact.FileAccess{Path: "/etc/kubernetes/pki/sa.key", Mode: 0o644, OthersReach: true}}),
			[]string{"high fail cp1: everyone on the node can read the private key of service accounts' tokens (/etc/kubernetes/pki/sa.key)"},
		},
		"a worker answers for itself": {onWorker(one(ends(-1, 365*day))), []string{"high fail cp1: " + title + " has expired"}},
		"not read: a gap says so":     {nodeWith(func(m *fact.Measurement) { m.Read = nil }), nil},
	})
	judge(t, judgeCertificateExpiry, cases{
		"evidence of a pass": {one(), []string{pass + " [node/cp1 usual places, kubeconfigs, settings and listeners = 1 certificate, 1 private key; " +
			"node/cp1 " + path + " = the first to end: CN=kube-apiserver, 2027-05-28T12:00:00Z]"}},
		"evidence of a fail": {one(ends(-time.Hour, 365*day)), []string{"high fail cp1: " + title + " has expired [node/cp1 " + path +
			" = CN=kube-apiserver by CN=ca, valid 2025-11-24T11:00:00Z to 2026-11-24T11:00:00Z, RSA of 2048 bits, signed by SHA256-RSA]"}},
	})
}
