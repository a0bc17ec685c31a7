package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// staticPod is one control plane component as kubeadm's manifest describes it:
// cmd/kubeadm/app/phases/{controlplane,etcd} of k8s.io/kubernetes v1.37.2.
type staticPod struct {
	name      string
	image     string
	cpu       string
	args      []string
	volumes   []hostPath
	probePort string
	scheme    string
	liveness  string
	readiness string
	startup   string
	memory    string
	host      string // of the probes
	notes     string // one annotation, "key: value"
}

type hostPath struct {
	name, path, kind string
	writable         bool
}

const (
	etcKubernetes = "/etc/kubernetes"
	pkiDir        = etcKubernetes + "/pki"
	// encryptionDir is mounted as a directory, so that a renamed file is seen.
	encryptionDir  = etcKubernetes + "/enc"
	encryptionFile = encryptionDir + "/encryption.yaml"
)

// identityOnly stores Secrets without encryption. The API server has the flag from the
// start, so that a restart only needs another file.
const identityOnly = `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - identity: {}
`

// staticPods returns kubeadm's static pods, with three differences. The API server has
// --encryption-provider-config and its volume. The controller manager has a shorter grace
// period, for tests that wait until a stopped node is NotReady. Probes have no first
// delay of 10 s. TestManifestsAreKubeadms compares them with what kubeadm wrote.
func staticPods(cp Node) []staticPod {
	url := func(host, port string) string { return "https://" + host + ":" + port }
	certs := []hostPath{
		{"ca-certs", "/etc/ssl/certs", "DirectoryOrCreate", false},
		{"etc-ca-certificates", "/etc/ca-certificates", "DirectoryOrCreate", false},
		{"k8s-certs", pkiDir, "DirectoryOrCreate", false},
		{"usr-local-share-ca-certificates", "/usr/local/share/ca-certificates", "DirectoryOrCreate", false},
		{"usr-share-ca-certificates", "/usr/share/ca-certificates", "DirectoryOrCreate", false},
	}
	return []staticPod{
		{
			name: "etcd", image: etcdImage, cpu: "100m", memory: "100Mi",
			host: "127.0.0.1", probePort: "2381", scheme: "HTTP", liveness: "/livez", readiness: "/readyz", startup: "/readyz",
			notes: "kubeadm.kubernetes.io/etcd.advertise-client-urls: " + url(cp.IP, "2379"),
			args: []string{
				"--advertise-client-urls=" + url(cp.IP, "2379"),
				"--cert-file=" + pkiDir + "/etcd/server.crt",
				"--client-cert-auth=true",
				"--data-dir=/var/lib/etcd",
				"--feature-gates=InitialCorruptCheck=true",
				"--initial-advertise-peer-urls=" + url(cp.IP, "2380"),
				"--initial-cluster=" + cp.Name + "=" + url(cp.IP, "2380"),
				"--key-file=" + pkiDir + "/etcd/server.key",
				"--listen-client-urls=" + url("127.0.0.1", "2379") + "," + url(cp.IP, "2379"),
				"--listen-metrics-urls=http://127.0.0.1:2381",
				"--listen-peer-urls=" + url(cp.IP, "2380"),
				"--name=" + cp.Name,
				"--peer-cert-file=" + pkiDir + "/etcd/peer.crt",
				"--peer-client-cert-auth=true",
				"--peer-key-file=" + pkiDir + "/etcd/peer.key",
				"--peer-trusted-ca-file=" + pkiDir + "/etcd/ca.crt",
				"--snapshot-count=10000",
				"--trusted-ca-file=" + pkiDir + "/etcd/ca.crt",
				"--watch-progress-notify-interval=5s",
			},
			volumes: []hostPath{
				{"etcd-data", "/var/lib/etcd", "DirectoryOrCreate", true},
				{"etcd-certs", pkiDir + "/etcd", "DirectoryOrCreate", true},
			},
		},
		{
			name: "kube-apiserver", image: "registry.k8s.io/kube-apiserver:" + kubernetesVersion, cpu: "250m",
			host: cp.IP, probePort: apiPort, scheme: "HTTPS", liveness: "/livez", readiness: "/readyz", startup: "/livez",
			notes: "kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint: " + cp.IP + ":" + apiPort,
			args: []string{
				"--advertise-address=" + cp.IP,
				"--allow-privileged=true",
				"--authorization-mode=Node,RBAC",
				"--client-ca-file=" + pkiDir + "/ca.crt",
				"--enable-admission-plugins=NodeRestriction",
				"--enable-bootstrap-token-auth=true",
				"--encryption-provider-config=" + encryptionFile,
				"--etcd-cafile=" + pkiDir + "/etcd/ca.crt",
				"--etcd-certfile=" + pkiDir + "/apiserver-etcd-client.crt",
				"--etcd-keyfile=" + pkiDir + "/apiserver-etcd-client.key",
				"--etcd-servers=https://127.0.0.1:2379",
				"--kubelet-client-certificate=" + pkiDir + "/apiserver-kubelet-client.crt",
				"--kubelet-client-key=" + pkiDir + "/apiserver-kubelet-client.key",
				"--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
				"--proxy-client-cert-file=" + pkiDir + "/front-proxy-client.crt",
				"--proxy-client-key-file=" + pkiDir + "/front-proxy-client.key",
				"--requestheader-allowed-names=front-proxy-client",
				"--requestheader-client-ca-file=" + pkiDir + "/front-proxy-ca.crt",
				"--requestheader-extra-headers-prefix=X-Remote-Extra-",
				"--requestheader-group-headers=X-Remote-Group",
				"--requestheader-username-headers=X-Remote-User",
				"--secure-port=" + apiPort,
				"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
				"--service-account-key-file=" + pkiDir + "/sa.pub",
				"--service-account-signing-key-file=" + pkiDir + "/sa.key",
				"--service-cluster-ip-range=" + serviceCIDR,
				"--tls-cert-file=" + pkiDir + "/apiserver.crt",
				"--tls-private-key-file=" + pkiDir + "/apiserver.key",
			},
			volumes: append([]hostPath{{"encryption-config", encryptionDir, "DirectoryOrCreate", false}}, certs...),
		},
		{
			name: "kube-controller-manager", image: "registry.k8s.io/kube-controller-manager:" + kubernetesVersion, cpu: "200m",
			host: "127.0.0.1", probePort: "10257", scheme: "HTTPS", liveness: "/healthz", startup: "/healthz",
			args: []string{
				"--authentication-kubeconfig=" + etcKubernetes + "/controller-manager.conf",
				"--authorization-kubeconfig=" + etcKubernetes + "/controller-manager.conf",
				"--bind-address=127.0.0.1",
				"--client-ca-file=" + pkiDir + "/ca.crt",
				"--cluster-name=" + clusterName,
				"--cluster-signing-cert-file=" + pkiDir + "/ca.crt",
				"--cluster-signing-key-file=" + pkiDir + "/ca.key",
				"--controllers=*,bootstrapsigner,tokencleaner",
				"--kubeconfig=" + etcKubernetes + "/controller-manager.conf",
				"--leader-elect=true",
				"--node-monitor-grace-period=20s",
				"--requestheader-client-ca-file=" + pkiDir + "/front-proxy-ca.crt",
				"--root-ca-file=" + pkiDir + "/ca.crt",
				"--service-account-private-key-file=" + pkiDir + "/sa.key",
				"--use-service-account-credentials=true",
			},
			volumes: append(certs[:len(certs):len(certs)],
				hostPath{"kubeconfig", etcKubernetes + "/controller-manager.conf", "FileOrCreate", false}),
		},
		{
			name: "kube-scheduler", image: "registry.k8s.io/kube-scheduler:" + kubernetesVersion, cpu: "100m",
			host: "127.0.0.1", probePort: "10259", scheme: "HTTPS", liveness: "/livez", readiness: "/readyz", startup: "/livez",
			args: []string{
				"--authentication-kubeconfig=" + etcKubernetes + "/scheduler.conf",
				"--authorization-kubeconfig=" + etcKubernetes + "/scheduler.conf",
				"--bind-address=127.0.0.1",
				"--kubeconfig=" + etcKubernetes + "/scheduler.conf",
				"--leader-elect=true",
			},
			volumes: []hostPath{{"kubeconfig", etcKubernetes + "/scheduler.conf", "FileOrCreate", false}},
		},
	}
}

// manifest renders the pod as YAML.
func (p staticPod) manifest() []byte {
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("apiVersion: v1\nkind: Pod\nmetadata:")
	if p.notes != "" {
		line("  annotations:\n    %s", strings.Replace(p.notes, ": ", ": \"", 1)+`"`)
	}
	line("  labels:\n    component: %s\n    tier: control-plane", p.name)
	line("  name: %s\n  namespace: kube-system", p.name)
	line("spec:\n  containers:\n  - command:\n    - %s", p.name)
	for _, arg := range p.args {
		line("    - %q", arg)
	}
	line("    image: %s\n    imagePullPolicy: IfNotPresent", p.image)
	probe := func(kind, path string, period, failures, timeout int) {
		line("    %s:\n      failureThreshold: %d\n      httpGet:\n        host: %s\n        path: %s\n        port: probe-port\n        scheme: %s",
			kind, failures, p.host, path, p.scheme)
		line("      periodSeconds: %d\n      timeoutSeconds: %d", period, timeout)
	}
	probe("livenessProbe", p.liveness, 10, 8, 15)
	line("    name: %s\n    ports:\n    - containerPort: %s\n      name: probe-port\n      protocol: TCP", p.name, p.probePort)
	if p.readiness != "" {
		probe("readinessProbe", p.readiness, 1, 3, 15)
	}
	line("    resources:\n      requests:\n        cpu: %s", p.cpu)
	if p.memory != "" {
		line("        memory: %s", p.memory)
	}
	probe("startupProbe", p.startup, 10, 24, 15)
	line("    volumeMounts:")
	for _, v := range p.volumes {
		line("    - mountPath: %s\n      name: %s", v.path, v.name)
		if !v.writable {
			line("      readOnly: true")
		}
	}
	line("  hostNetwork: true\n  priority: 2000001000\n  priorityClassName: system-node-critical")
	line("  securityContext:\n    seccompProfile:\n      type: RuntimeDefault\n  volumes:")
	for _, v := range p.volumes {
		line("  - hostPath:\n      path: %s\n      type: %s\n    name: %s", v.path, v.kind, v.name)
	}
	line("status: {}")
	return b.Bytes()
}

// layControlPlane writes what kubeadm init leaves on a control plane node below
// root, the upper directory of its file system, and returns each node's
// kubelet.conf.
func layControlPlane(root string, cp Node) (kubelets map[string][]byte, err error) {
	manifests := filepath.Join(root, etcKubernetes, "manifests")
	for dir, mode := range map[string]os.FileMode{
		manifests:                            0o700,
		filepath.Join(root, encryptionDir):   0o700,
		filepath.Join(root, "/var/lib/etcd"): 0o700,
		filepath.Join(root, pkiDir):          0o755,
	} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		if err := os.Chmod(dir, mode); err != nil {
			return nil, err
		}
	}
	kubelets, err = writePKI(filepath.Join(root, etcKubernetes), cp)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(root, encryptionFile), []byte(identityOnly), 0o600); err != nil {
		return nil, err
	}
	for _, pod := range staticPods(cp) {
		if err := os.WriteFile(filepath.Join(manifests, pod.name+".yaml"), pod.manifest(), 0o600); err != nil {
			return nil, err
		}
	}
	return kubelets, nil
}

// kubeadmObjects returns the objects that kubeadm init leaves in the API. Tools recognize
// a kubeadm cluster by them and by the node's labels.
func kubeadmObjects(cp Node) string {
	return fmt.Sprintf(`apiVersion: v1
kind: ConfigMap
metadata: {name: kubeadm-config, namespace: kube-system}
data:
  ClusterConfiguration: |
    apiServer: {}
    apiVersion: kubeadm.k8s.io/v1beta4
    certificatesDir: %s
    clusterName: %s
    controlPlaneEndpoint: %s:%s
    etcd: {local: {dataDir: /var/lib/etcd}}
    imageRepository: registry.k8s.io
    kind: ClusterConfiguration
    kubernetesVersion: %s
    networking: {dnsDomain: cluster.local, serviceSubnet: %s}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kubelet-config, namespace: kube-system}
data:
  kubelet: |
    apiVersion: kubelet.config.k8s.io/v1beta1
    kind: KubeletConfiguration
    staticPodPath: /etc/kubernetes/manifests
`, pkiDir, clusterName, cp.IP, apiPort, kubernetesVersion, serviceCIDR)
}
