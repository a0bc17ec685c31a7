package certificates

import (
	"path"
	"strings"
)

// directories are where distributions keep the cluster's certificates. They are not
// searched below: what is put aside there (pki/old) is in no use.
var directories = []string{
	"/etc/kubernetes/pki", "/etc/kubernetes/pki/etcd", // kubeadm
	"/var/lib/kubelet/pki",
	"/etc/kubernetes/ssl", "/etc/ssl/etcd/ssl", // kubespray
	"/etc/etcd/pki",
	"/var/lib/rancher/k3s/server/tls", "/var/lib/rancher/k3s/server/tls/etcd", "/var/lib/rancher/k3s/agent",
	"/var/lib/rancher/k3s/server/tls/kube-controller-manager", "/var/lib/rancher/k3s/server/tls/kube-scheduler",
	"/var/lib/rancher/rke2/server/tls", "/var/lib/rancher/rke2/server/tls/etcd", "/var/lib/rancher/rke2/agent",
	"/var/lib/rancher/rke2/server/tls/kube-controller-manager", "/var/lib/rancher/rke2/server/tls/kube-scheduler",
	"/var/snap/microk8s/current/certs",
	"/var/lib/k0s/pki", "/var/lib/k0s/pki/etcd",
	"/var/lib/minikube/certs", "/var/lib/minikube/certs/etcd",
}

// configDirectories are where kubeconfigs are, with the ends of their names.
var configDirectories = []struct{ dir, suffix string }{
	{"/etc/kubernetes", ".conf"},
	{"/var/lib/kubelet", "kubeconfig"},
	{"/etc/rancher/k3s", ".yaml"},
	{"/etc/rancher/rke2", ".yaml"},
	{"/var/lib/rancher/k3s/server/cred", ".kubeconfig"},
	{"/var/lib/rancher/k3s/agent", ".kubeconfig"},
	{"/var/lib/rancher/rke2/server/cred", ".kubeconfig"},
	{"/var/lib/rancher/rke2/agent", ".kubeconfig"},
	{"/var/snap/microk8s/current/credentials", ".config"},
	{"/var/lib/k0s/pki", ".conf"},
}

// certificateName reports whether a file can hold a certificate that is in use. The
// kubelet keeps older ones, by their date; *-current.pem is a link to the one in use.
func certificateName(name string) bool {
	switch path.Ext(name) {
	case ".crt", ".pem", ".cert":
	default:
		return false
	}
	for _, prefix := range []string{"kubelet-client-", "kubelet-server-"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok && strings.HasPrefix(rest, "2") {
			return false
		}
	}
	return !strings.HasSuffix(name, "-key.pem")
}

// keyNames are the names that the private key of a certificate can have.
func keyNames(name string) []string {
	base := strings.TrimSuffix(name, path.Ext(name))
	return []string{base + ".key", base + "-key.pem"}
}

// uses says what the files of kubeadm and kubelet are for.
var uses = map[string]string{
	"pki/apiserver.crt":                 "kube-apiserver serving",
	"pki/apiserver-kubelet-client.crt":  "kube-apiserver client of kubelets",
	"pki/apiserver-etcd-client.crt":     "kube-apiserver client of etcd",
	"pki/front-proxy-client.crt":        "front proxy client",
	"pki/front-proxy-ca.crt":            "front proxy authority",
	"pki/ca.crt":                        "cluster authority",
	"etcd/server.crt":                   "etcd serving",
	"etcd/peer.crt":                     "etcd peer",
	"etcd/healthcheck-client.crt":       "etcd health check client",
	"etcd/ca.crt":                       "etcd authority",
	"pki/kubelet-client-current.pem":    "kubelet client",
	"pki/kubelet-server-current.pem":    "kubelet serving",
	"pki/kubelet.crt":                   "kubelet serving, made by itself",
	"tls/serving-kube-apiserver.crt":    "kube-apiserver serving",
	"tls/client-kube-apiserver.crt":     "kube-apiserver client of kubelets",
	"tls/server-ca.crt":                 "cluster authority for serving",
	"tls/client-ca.crt":                 "cluster authority for clients",
	"tls/request-header-ca.crt":         "front proxy authority",
	"etcd/server-client.crt":            "etcd serving",
	"etcd/peer-server-client.crt":       "etcd peer",
	"etcd/client.crt":                   "etcd client",
	"etcd/server-ca.crt":                "etcd authority",
	"etcd/peer-ca.crt":                  "etcd peer authority",
	"agent/serving-kubelet.crt":         "kubelet serving",
	"agent/client-kubelet.crt":          "kubelet client",
	"agent/client-kube-proxy.crt":       "kube-proxy client",
	"certs/server.crt":                  "kube-apiserver serving",
	"certs/front-proxy-client.crt":      "front proxy client",
	"pki/server.crt":                    "kube-apiserver serving",
	"pki/sa.key":                        "service accounts' tokens",
	"certs/serviceaccount.key":          "service accounts' tokens",
	"tls/service.key":                   "service accounts' tokens",
	"tls/service.current.key":           "service accounts' tokens",
	"pki/apiserver-kubelet-client.cert": "kube-apiserver client of kubelets",
}

// useOf says what a file is for: what is known of its name, else the name.
func useOf(name string) string {
	if use := uses[path.Base(path.Dir(name))+"/"+path.Base(name)]; use != "" {
		return use
	}
	return strings.TrimSuffix(path.Base(name), path.Ext(name))
}

// keySettings says what the private keys of settings are for.
var keySettings = map[string]string{
	"tls-private-key-file":  "PROGRAM serving",
	"kubelet-client-key":    "kube-apiserver client of kubelets",
	"etcd-keyfile":          "kube-apiserver client of etcd",
	"proxy-client-key-file": "front proxy client",
	"key-file":              "PROGRAM serving",
	"peer-key-file":         "etcd peer",
	"server-key-file":       "PROGRAM serving",
	"cluster-key":           "PROGRAM serving",
}

// settingUses says what the files of settings are for. Authorities count, too: what they
// signed ends with them.
var settingUses = map[string]string{
	"tls-cert-file":                 "PROGRAM serving",
	"client-ca-file":                "authority of PROGRAM's clients",
	"kubelet-client-certificate":    "kube-apiserver client of kubelets",
	"kubelet-certificate-authority": "authority of kubelets",
	"etcd-certfile":                 "kube-apiserver client of etcd",
	"etcd-cafile":                   "etcd authority",
	"proxy-client-cert-file":        "front proxy client",
	"requestheader-client-ca-file":  "front proxy authority",
	"cert-file":                     "PROGRAM serving",
	"trusted-ca-file":               "authority of PROGRAM's clients",
	"peer-cert-file":                "etcd peer",
	"peer-trusted-ca-file":          "etcd peer authority",
	"server-cert-file":              "PROGRAM serving",
	"cluster-cert":                  "PROGRAM serving",
}
