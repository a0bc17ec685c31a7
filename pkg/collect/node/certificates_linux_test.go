package node

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// newCertificate makes a certificate and its key, in PEM.
func newCertificate(t testing.TB, name string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: at, NotAfter: at.AddDate(1, 0, 0), DNSNames: []string{name},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// Certificates are read in the usual places, in kubeconfigs and where these lead, and
// nothing of a private key is in the facts.
func TestCertificates(t *testing.T) {
	dir := nodeFixture(t, []fakeProcess{initProcess}, "")
	var keys [][]byte
	pair := func(name string) (cert, key []byte) {
		cert, key = newCertificate(t, name)
		keys = append(keys, key)
		return cert, key
	}
	chmod := func(name string, mode os.FileMode) {
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	link := func(target, name string) {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, full); err != nil {
			t.Fatal(err)
		}
	}
	cert, key := pair("apiserver")
	put(t, dir, "/etc/kubernetes/pki/apiserver.crt", cert, 0)
	put(t, dir, "/etc/kubernetes/pki/apiserver.key", key, 0)
	chmod("/etc/kubernetes/pki/apiserver.key", 0o644)
	put(t, dir, "/etc/kubernetes/pki/sa.pub", []byte("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), 0)
	_, key = pair("sa")
	put(t, dir, "/etc/kubernetes/pki/sa.key", key, 0)
	chmod("/etc/kubernetes/pki/sa.key", 0o644)
	cert, _ = pair("old")
	put(t, dir, "/etc/kubernetes/pki/old/apiserver.crt", cert, 0)
	one, _ := pair("one")
	two, _ := pair("two")
	put(t, dir, "/etc/kubernetes/pki/etcd/server.crt", append(one, two...), 0)
	put(t, dir, "/etc/kubernetes/pki/etcd/broken.crt", append([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), one...), 0)
	put(t, dir, "/etc/kubernetes/pki/etcd/large.crt", make([]byte, 600<<10), 0)
	put(t, dir, "/etc/kubernetes/pki/etcd/text.crt", []byte("hello\n"), 0)
	link("/nowhere", "/etc/kubernetes/pki/etcd/dangling.crt")

	cert, key = pair("kubelet")
	put(t, dir, "/var/lib/kubelet/pki/kubelet-client-2026-01-01-00-00-00.pem", append(cert, key...), 0)
	link("/var/lib/kubelet/pki/kubelet-client-2026-01-01-00-00-00.pem", "/var/lib/kubelet/pki/kubelet-client-current.pem")
	put(t, dir, "/etc/kubernetes/kubelet.conf", []byte("users:\n- user:\n    client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem\n    client-key: /var/lib/kubelet/pki/kubelet-client-current.pem\n"), 0)
	cert, key = pair("admin")
	b64 := base64.StdEncoding.EncodeToString
	put(t, dir, "/etc/kubernetes/admin.conf", []byte("users:\n- user:\n    client-certificate-data: "+b64(cert)+"\n    client-key-data: "+b64(key)+"\n"), 0)
	keys = append(keys, []byte(b64(key)))
	put(t, dir, "/etc/kubernetes/broken.conf", []byte("client-certificate-data: !!\nclient-certificate: gone.crt\n"), 0)
	put(t, dir, "/etc/kubernetes/token.conf", []byte("token: canary-token\n"), 0)

	m := read(t, dir, fact.LevelFull, fact.Certificates)
	if len(m.Gaps) > 0 || !m.HasRead(fact.Certificates) {
		t.Errorf("read %v, gaps %+v", m.Read, m.Gaps)
	}
	var got []string
	for _, f := range m.Certificates {
		line := fmt.Sprintf("%s: %s, by %s", f.Path, f.Use, f.By)
		for _, c := range f.Certificates {
			line += fmt.Sprintf(", %s to %s", c.Subject, c.NotAfter.Format(time.DateOnly))
		}
		if f.Total != len(f.Certificates) {
			line += fmt.Sprintf(", %d in all", f.Total)
		}
		if f.Rotated {
			line += ", rotated"
		}
		if f.Key != nil {
			line += fmt.Sprintf(", key %s %04o", f.Key.Path, f.Key.Mode)
		}
		if f.Reason != "" {
			line += fmt.Sprintf(", %s: %s", f.Reason, strings.ReplaceAll(f.Detail, dir, ""))
		}
		got = append(got, line)
	}
	want := []string{
		"/etc/kubernetes/admin.conf: kubeconfig admin.conf client, by usual path, CN=admin to 2027-01-02, key /etc/kubernetes/admin.conf 0600",
		"/etc/kubernetes/broken.conf: kubeconfig broken.conf client, by usual path, Corrupt: expected base64 in client-certificate-data, found something else",
		"/etc/kubernetes/gone.crt: kubeconfig broken.conf client, by client-certificate of /etc/kubernetes/broken.conf, NotPresent: open /etc/kubernetes/gone.crt: no such file or directory",
		"/etc/kubernetes/pki/apiserver.crt: kube-apiserver serving, by usual path, CN=apiserver to 2027-01-02, key /etc/kubernetes/pki/apiserver.key 0644",
		"/etc/kubernetes/pki/etcd/broken.crt: broken, by usual path, CN=one to 2027-01-02, 2 in all, Corrupt: certificate 1: not a certificate in DER",
		"/etc/kubernetes/pki/etcd/large.crt: large, by usual path, Truncated: read /etc/kubernetes/pki/etcd/large.crt: larger than the limit of 524288 bytes",
		"/etc/kubernetes/pki/etcd/server.crt: etcd serving, by usual path, CN=one to 2027-01-02, CN=two to 2027-01-02",
		"/etc/kubernetes/pki/sa.key: service accounts' tokens, by usual path, key /etc/kubernetes/pki/sa.key 0644",
		"/var/lib/kubelet/pki/kubelet-client-current.pem: kubelet client, by usual path, CN=kubelet to 2027-01-02, rotated, key /var/lib/kubelet/pki/kubelet-client-current.pem 0600",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("certificates (-want +got):\n%s", diff)
	}
	facts, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		for line := range strings.SplitSeq(string(key), "\n") {
			if len(line) > 20 && !strings.HasPrefix(line, "-----") && bytes.Contains(facts, []byte(line)) {
				t.Error("a part of a private key is in the facts")
			}
		}
	}
	if bytes.Contains(facts, []byte("canary-token")) {
		t.Error("a token is in the facts")
	}
}

// The files that a running program's settings name are read where they are, its private key
// too, whatever its name.
func TestCertificatesOfSettings(t *testing.T) {
	server := fakeProcess{pid: 9, comm: "kube-apiserver", start: 200, cmdline: "kube-apiserver --tls-cert-file=/opt/a.pem --tls-private-key-file=/opt/private.pem --etcd-certfile=/opt/gone.pem"}
	dir := nodeFixture(t, []fakeProcess{initProcess, server}, withTCP(9, tcpHeader, tcpHeader))
	cert, key := newCertificate(t, "a")
	put(t, dir, "/opt/a.pem", cert, 0)
	put(t, dir, "/opt/private.pem", key, 0)
	m := read(t, dir, fact.LevelFull, fact.Certificates, fact.ServerSettings)
	var got []string
	for _, f := range m.Certificates {
		line := fmt.Sprintf("%s: %s, by %s, %d", f.Path, f.Use, f.By, f.Total)
		if f.Key != nil {
			line += ", key " + f.Key.Path
		}
		got = append(got, strings.TrimSpace(line+" "+string(f.Reason)))
	}
	want := []string{
		"/opt/a.pem: kube-apiserver serving, by tls-cert-file of kube-apiserver, 1",
		"/opt/gone.pem: kube-apiserver client of etcd, by etcd-certfile of kube-apiserver, in its container, 0 NotPresent",
		"/opt/private.pem: kube-apiserver serving, by tls-private-key-file of kube-apiserver, 0, key /opt/private.pem",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("certificates (-want +got):\n%s", diff)
	}
}
