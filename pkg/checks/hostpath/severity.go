package hostpath

import (
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// place is a path of the node whose files do harm.
type place struct {
	path string
	// write is how grave a writable mount of it is, read a read-only one.
	write, read api.Severity
	// how says what an attacker does by writing, what by reading; "" says nothing.
	how, what string
	source    string
}

// Where the places were read. "Known" is general knowledge that was not verified.
const (
	fromFalco = "falco's rules, 2026-08; the reason is general knowledge"
	fromK0s   = "docs.rke2.io and k0s' docs, 2026-08"
	fromNRI   = "nri's source, 2026-08"
	fromCSI   = "secrets-store-csi-driver's source, 2026-04"
	fromKEP   = "Kubernetes' KEP 606, 2026-08"
	known     = "general knowledge, 2026-11"
)

// What many places have in common.
const (
	runsAsRoot  = "the node runs what lies there as root"
	adminKeys   = "it holds keys of the cluster's administrator"
	podsSecrets = "it holds the kubelet's key and the Secrets of the node's pods"
	staticPods  = "the kubelet starts any pod that is written there"
	kernelFiles = "files there change what the kernel runs"
	unitsStart  = "anyone who connects there can start programs as root, and read-only does not prevent that"
	publicFile  = "every program of the node may read it"
	trusts      = "the node trusts what lies there"
	images      = "it holds the files of every container of the node"
	userKeys    = "it holds users' keys and credentials"
	logs        = "it holds what every program of the node logs"
)

// places lists them; what lies below one and has no row of its own is as grave as it. Of
// equally grave ones below a mounted directory the first is named.
var places = []place{
	{"/", api.Critical, api.High, "it holds everything that the node runs", "it holds every key and Secret that the node has", fromFalco},
	{"/etc", api.Critical, api.High, "cron, ld.so.preload and accounts give root", "it holds keys and password hashes", fromFalco},
	{"/root", api.Critical, api.High, "an SSH key there gives root", userKeys, fromFalco},
	{"/usr", api.Critical, api.Low, runsAsRoot, "", fromFalco},
	{"/bin", api.Critical, api.Low, runsAsRoot, "", known},
	{"/sbin", api.Critical, api.Low, runsAsRoot, "", known},
	{"/lib", api.Critical, api.Low, runsAsRoot, "", known},
	{"/lib64", api.Critical, api.Low, runsAsRoot, "", known},
	{"/boot", api.Critical, api.Low, "the node boots from it", "", fromFalco},
	{"/lib/modules", api.Critical, api.Low, "the kernel loads modules from it", "", fromFalco},

	// Files of /etc that are no secret. Accounts stay as grave as /etc where they are written.
	{"/etc/ssl", api.High, api.High, trusts, "it holds private keys", known},
	{"/etc/ssl/certs", api.Medium, api.Low, trusts, publicFile, known},
	{"/etc/pki/ca-trust", api.Medium, api.Low, trusts, publicFile, known},
	{"/usr/share/ca-certificates", api.Medium, api.Low, trusts, publicFile, known},
	{"/etc/localtime", api.Medium, api.Low, "logs get false times", publicFile, known},
	{"/usr/share/zoneinfo", api.Medium, api.Low, "logs get false times", publicFile, known},
	{"/etc/timezone", api.Medium, api.Low, "logs get false times", publicFile, known},
	{"/etc/os-release", api.Medium, api.Low, "", publicFile, known},
	{"/etc/machine-id", api.Medium, api.Low, "", publicFile, known},
	{"/etc/hostname", api.Medium, api.Low, "", publicFile, known},
	{"/etc/hosts", api.High, api.Low, "it leads the node's programs to other servers", publicFile, known},
	{"/etc/resolv.conf", api.High, api.Low, "it leads the node's programs to other servers", publicFile, known},
	{"/etc/passwd", api.Critical, api.Low, "a line there gives root", publicFile, known},
	{"/etc/group", api.Critical, api.Low, "a line there gives root", publicFile, known},

	{"/etc/kubernetes", api.Critical, api.Critical, "the kubelet starts any pod that is written to its manifests", adminKeys, fromFalco},
	{"/etc/kubernetes/manifests", api.Critical, api.Critical, staticPods, "it holds the control plane's static pods with what they were given", fromFalco},
	{"/etc/kubernetes/secrets-store-csi-providers", api.High, api.Low, "the driver gives Secrets to any socket there", "", fromCSI},
	{"/var/lib/kubelet", api.Critical, api.High, podsSecrets, podsSecrets, fromFalco},
	{"/var/lib/kubelet/pki", api.Critical, api.High, "it holds the kubelet's key", "it holds the kubelet's key", fromFalco},
	{"/var/lib/kubelet/pods", api.Critical, api.High, "it holds the Secrets, tokens and volumes of the node's pods", "it holds the Secrets, tokens and volumes of the node's pods", fromFalco},
	{"/var/lib/kubelet/device-plugins", api.High, api.Low, "a false device plugin gets into every pod that asks for its devices", "", known},
	{"/var/lib/kubelet/plugins", api.High, api.High, "it holds the sockets of CSI drivers and the volumes that they mount for pods", "it holds the sockets of CSI drivers and the volumes that they mount for pods", known},
	{"/var/lib/kubelet/plugins_registry", api.High, api.Low, "a false plugin gets the Secrets and tokens of pods that use it", "", known},
	{"/var/lib/kubelet/pod-resources", api.Low, api.Low, "it lists which pod has which device", "it lists which pod has which device", fromKEP},
	{"/var/lib/etcd", api.Critical, api.Critical, "it holds every object of the cluster", "it holds every object of the cluster, Secrets too", known},
	{"/var/lib/containerd", api.Critical, api.High, images, images, known},
	{"/var/lib/docker", api.Critical, api.High, images, images, known},
	{"/var/lib/containers", api.Critical, api.High, images, images, known},
	{"/var/lib/rancher", api.Critical, api.Critical, "the cluster applies the manifests there", adminKeys, fromK0s},
	{"/etc/rancher", api.Critical, api.Critical, "it configures the node's k3s or RKE2", adminKeys, fromK0s},
	{"/var/lib/k0s", api.Critical, api.Critical, "the cluster applies the manifests there", adminKeys, fromK0s},
	{"/var/snap/microk8s", api.Critical, api.Critical, "it holds MicroK8s' configuration and the administrator's credentials", adminKeys, known},
	{"/opt/cni/bin", api.Critical, api.Low, "the runtime runs what lies there as root, for each pod", "", known},
	{"/etc/cni/net.d", api.Critical, api.Low, "it says what the runtime runs as root, for each pod", "", known},
	{"/opt/nri/plugins", api.Critical, api.Low, "the runtime starts what lies there as root", "", fromNRI},
	{"/etc/nri/conf.d", api.Critical, api.Low, "it configures what the runtime starts as root", "", fromNRI},
	{"/usr/libexec/kubernetes", api.Critical, api.Low, "the kubelet runs what lies there as root", "", known},
	{"/etc/cron.d", api.Critical, api.Low, runsAsRoot, "", known},
	{"/etc/systemd", api.Critical, api.Low, runsAsRoot, "", known},
	{"/var/spool/cron", api.Critical, api.Low, runsAsRoot, "", known},
	{"/home", api.High, api.High, "an SSH key there gives a user of the node, often one who may become root", userKeys, known},
	{"/var/lib/cloud", api.Critical, api.High, runsAsRoot, "it holds the node's user data, often with a join token", known},

	{"/proc", api.Critical, api.Medium, "core_pattern runs a program as root", "it shows the node's processes", fromFalco},
	{"/sys", api.Critical, api.Medium, kernelFiles, "it shows the node's devices", fromFalco},
	{"/sys/fs/cgroup", api.Critical, api.Medium, "release_agent runs a program as root", "it shows the node's containers", fromFalco},
	{"/sys/fs/bpf", api.High, api.Medium, "it holds programs that others have put into the kernel", "it holds programs that others have put into the kernel", known},
	{"/dev", api.Critical, api.Critical, "it holds the node's disks", "it holds the node's disks, which read-only does not protect", fromFalco},
	// Devices and files of /dev that are none of its disks.
	{"/dev/shm", api.Medium, api.Medium, "it holds shared memory of the node's programs", "it holds shared memory of the node's programs", known},
	{"/dev/log", api.Low, api.Low, "it takes log messages", "it takes log messages", known},
	{"/dev/null", api.Low, api.Low, "", "", known},
	{"/dev/zero", api.Low, api.Low, "", "", known},
	{"/dev/random", api.Low, api.Low, "", "", known},
	{"/dev/urandom", api.Low, api.Low, "", "", known},
	{"/dev/hugepages", api.Medium, api.Low, "it holds memory of the node's programs", "", known},
	{"/dev/net/tun", api.Medium, api.Medium, "with NET_ADMIN it makes network interfaces", "with NET_ADMIN it makes network interfaces", known},
	{"/dev/fuse", api.Medium, api.Medium, "with SYS_ADMIN it mounts file systems of its own", "with SYS_ADMIN it mounts file systems of its own", known},
	{"/dev/kvm", api.Medium, api.Medium, "it reaches the kernel's hypervisor", "it reaches the kernel's hypervisor", known},
	{"/dev/dri", api.Medium, api.Medium, "it reaches the node's graphics cards", "it reaches the node's graphics cards", known},

	// Sockets: connecting needs no writable mount.
	{"/run/systemd", api.Critical, api.Critical, unitsStart, unitsStart, known},
	{"/run/dbus", api.Critical, api.Critical, unitsStart, unitsStart, known},
	{"/run/systemd/resolve", api.High, api.Low, "it leads the node's programs to other servers", publicFile, known},
	{"/run/systemd/journal", api.Medium, api.Medium, "it takes log messages", "it takes log messages", known},
	{"/run/log", api.Medium, api.Medium, logs, logs, known},
	{"/run/xtables.lock", api.Low, api.Low, "it is a lock of iptables", "", known},
	{"/var/log", api.Medium, api.Medium, logs, logs, known},

	// Windows.
	{"c:", api.Critical, api.High, "it holds everything that the node runs", "it holds every key and Secret that the node has", known},
	{"c:/windows", api.Critical, api.Low, runsAsRoot, "", known},
	{"c:/program files", api.Critical, api.Low, runsAsRoot, "", known},
	{"c:/programdata", api.Critical, api.High, "the node's services are configured there", "the node's services are configured there", known},
	{"c:/users", api.High, api.High, userKeys, userKeys, known},
	{"c:/etc", api.Critical, api.High, "it configures the kubelet", "it holds keys", known},
	{"c:/etc/kubernetes", api.Critical, api.Critical, staticPods, adminKeys, known},
	{"c:/var/lib/kubelet", api.Critical, api.High, podsSecrets, podsSecrets, known},
	{"c:/var/log", api.Medium, api.Medium, logs, logs, known},
	{"c:/opt/cni/bin", api.Critical, api.Low, "the runtime runs what lies there, for each pod", "", known},
	{"c:/k", api.Critical, api.Critical, "it configures the kubelet", "it holds the node's kubeconfig and its programs", known},
}

// Severity grades a mount of the clean path p, writable or read-only, and says in a few
// words why, "" if nothing special is known of the path. It is never empty.
//
// The longest place that holds p counts, and so do all places below p: who mounts /var
// mounts /var/lib/kubelet. But a read-only mount is critical only by the path that it
// names: whether the node is one of the control plane, and so has /etc/kubernetes/admin.conf
// below the mounted /etc, is unknown.
//
// A read-only mount of a directory is not recursive: what the node has mounted below it
// (/proc and /run below /) stays writable, unless recursiveReadOnly is set (KEP-3857).
// Read-only protects neither sockets nor devices.
func Severity(p string, readOnly bool) (severity api.Severity, why string) {
	severity = api.Medium
	if readOnly {
		severity = api.Low
	}
	longest := -1
	for i := range places {
		at := &places[i]
		root := at.path == "/" || at.path == "c:" // holds what is in no other row, too
		if len(at.path) > longest && (at.path == p || !root && Covers(at.path, p)) {
			longest = len(at.path)
			severity, why = at.grade(readOnly)
			if at.path != p && why != "" {
				why = "it is below " + at.path + " (" + why + ")"
			}
		}
	}
	for i := range places {
		at := &places[i]
		if len(at.path) <= len(p) && p != "/" || at.path == p || !Covers(p, at.path) {
			continue
		}
		below, itsWhy := at.grade(readOnly)
		if readOnly && below == api.Critical {
			below = api.High
		}
		if below.Rank() > severity.Rank() {
			severity, why = below, "it holds "+at.path
			if itsWhy != "" {
				why += " (" + itsWhy + ")"
			}
		}
	}
	switch socket, of, reach := SocketIn(p); {
	case reach == Internal && severity.Rank() <= api.Medium.Rank():
		return api.Medium, "a socket of " + of
	case reach == Direct && severity.Rank() < api.High.Rank():
		return api.High, "anyone who connects to " + of + " controls the node"
	case reach == Above && severity.Rank() < api.High.Rank():
		return api.High, "it can hold " + socket
	}
	return severity, why
}

func (at *place) grade(readOnly bool) (api.Severity, string) {
	if readOnly {
		return at.read, at.what
	}
	return at.write, at.how
}

// Severity grades the mount. A raw block device is as grave as a mount of /dev.
func (m Mount) Severity() (api.Severity, string) {
	if m.Mount.Device {
		return api.High, "a raw block device"
	}
	return Severity(m.Path, m.Mount.ReadOnly)
}

// SeverityOf is Severity for a path as it is declared in a spec, for one volume and one of
// its mounts; nil for a volume that no container mounts, which is low.
func SeverityOf(hostPath string, mount *fact.VolumeMount) api.Severity {
	if mount == nil {
		return api.Low
	}
	w := fact.Workload{Spec: fact.PodSpec{Volumes: []fact.Volume{{Name: mount.Volume, HostPath: hostPath}}}}
	worst := api.Low
	for _, m := range Of(&w, &fact.Container{Mounts: []fact.VolumeMount{*mount}}) {
		if s, _ := m.Severity(); s.Rank() > worst.Rank() {
			worst = s
		}
	}
	return worst
}

// hasMountsBelow reports whether a directory usually has other mounts below it.
func hasMountsBelow(p string) bool {
	switch p {
	case "/", "/var", "/var/lib", "/var/lib/kubelet", "/var/lib/kubelet/pods", "/run", "/sys", "/dev":
		return true
	}
	return false
}
