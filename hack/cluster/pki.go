package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// authority signs certificates. Lifetimes are kubeadm's: ten years, and one for
// what it signs.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
	pem  []byte
}

func newAuthority(commonName string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0), Subject: pkix.Name{CommonName: commonName},
		DNSNames:  []string{commonName},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		IsCA:     true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{cert, key, encodeCert(der)}, nil
}

// leaf is a certificate request.
type leaf struct {
	commonName    string
	organizations []string
	names         []string // host names and addresses: a server's certificate
	client        bool
}

// sign returns the certificate and its key, PEM.
func (a *authority) sign(l leaf) (cert, key []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: l.commonName, Organization: l.organizations},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	for _, name := range l.names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	if len(l.names) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	if l.client {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, k.Public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	key, err = encodeKey(k)
	return encodeCert(der), key, err
}

func encodeCert(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// writePKI writes the control plane's certificates below kubernetes (a node's
// /etc/kubernetes), with the names and modes of kubeadm, and also kubeconfigs. kubelets
// maps the name of each node to its kubelet.conf.
func writePKI(kubernetes string, cp Node) (kubelets map[string][]byte, err error) {
	pki := filepath.Join(kubernetes, "pki")
	ca, err := newAuthority("kubernetes")
	if err != nil {
		return nil, err
	}
	etcd, err := newAuthority("etcd-ca")
	if err != nil {
		return nil, err
	}
	frontProxy, err := newAuthority("front-proxy-ca")
	if err != nil {
		return nil, err
	}
	for base, a := range map[string]*authority{"ca": ca, "etcd/ca": etcd, "front-proxy-ca": frontProxy} {
		key, err := encodeKey(a.key)
		if err != nil {
			return nil, err
		}
		if err := writePair(pki, base, a.pem, key); err != nil {
			return nil, err
		}
	}
	etcdNames := []string{cp.Name, "localhost", cp.IP, "127.0.0.1", "::1"}
	for base, request := range map[string]struct {
		*authority
		leaf
	}{
		"apiserver": {ca, leaf{commonName: "kube-apiserver", names: []string{
			cp.Name, "kubernetes", "kubernetes.default", "kubernetes.default.svc",
			"kubernetes.default.svc.cluster.local", "localhost", "10.96.0.1", cp.IP, "127.0.0.1",
		}}},
		"apiserver-kubelet-client": {ca, leaf{commonName: "kube-apiserver-kubelet-client", organizations: []string{"system:masters"}, client: true}},
		"front-proxy-client":       {frontProxy, leaf{commonName: "front-proxy-client", client: true}},
		"apiserver-etcd-client":    {etcd, leaf{commonName: "kube-apiserver-etcd-client", client: true}},
		"etcd/server":              {etcd, leaf{commonName: cp.Name, names: etcdNames, client: true}},
		"etcd/peer":                {etcd, leaf{commonName: cp.Name, names: etcdNames, client: true}},
		"etcd/healthcheck-client":  {etcd, leaf{commonName: "kube-etcd-healthcheck-client", client: true}},
	} {
		cert, key, err := request.sign(request.leaf)
		if err != nil {
			return nil, fmt.Errorf("signing %s: %w", base, err)
		}
		if err := writePair(pki, base, cert, key); err != nil {
			return nil, err
		}
	}
	if err := writeServiceAccountKeys(pki); err != nil {
		return nil, err
	}
	for _, conf := range []struct {
		file, user string
		leaf
	}{
		{"admin.conf", "kubernetes-admin", leaf{commonName: "kubernetes-admin", organizations: []string{"system:masters"}, client: true}},
		{"controller-manager.conf", "system:kube-controller-manager", leaf{commonName: "system:kube-controller-manager", client: true}},
		{"scheduler.conf", "system:kube-scheduler", leaf{commonName: "system:kube-scheduler", client: true}},
	} {
		data, err := kubeconfig(ca, cp, conf.user, conf.leaf)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(kubernetes, conf.file), data, 0o600); err != nil {
			return nil, err
		}
	}
	kubelets = map[string][]byte{}
	for _, n := range nodes {
		user := "system:node:" + n.Name
		kubelets[n.Name], err = kubeconfig(ca, cp, user, leaf{commonName: user, organizations: []string{"system:nodes"}, client: true})
		if err != nil {
			return nil, err
		}
	}
	return kubelets, nil
}

func writePair(dir, base string, cert, key []byte) error {
	file := filepath.Join(dir, base)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file+".crt", cert, 0o644); err != nil {
		return err
	}
	return os.WriteFile(file+".key", key, 0o600)
}

// writeServiceAccountKeys writes sa.key and sa.pub; RSA, as kubeadm does, so
// that tokens are RS256.
func writeServiceAccountKeys(dir string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	private, err := encodeKey(key)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "sa.key"), private, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "sa.pub"),
		pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o600)
}

func kubeconfig(ca *authority, cp Node, user string, l leaf) ([]byte, error) {
	cert, key, err := ca.sign(l)
	if err != nil {
		return nil, err
	}
	b64 := base64.StdEncoding.EncodeToString
	context := user + "@" + clusterName
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- cluster:
    certificate-authority-data: %s
    server: https://%s
  name: %s
contexts:
- context:
    cluster: %s
    user: %s
  name: %s
current-context: %s
preferences: {}
users:
- name: %s
  user:
    client-certificate-data: %s
    client-key-data: %s
`, b64(ca.pem), net.JoinHostPort(cp.IP, apiPort), clusterName, clusterName, user, context, context, user, b64(cert), b64(key)), nil
}
