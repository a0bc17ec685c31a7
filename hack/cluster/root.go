package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// emptied lists directories of this machine that a node does not inherit: what
// is large, private to the machine or a leftover of another cluster. They are
// empty and writable on the node.
var emptied = []string{
	"/root", "/home", "/srv", "/mnt", "/media", "/tmp", "/var/tmp",
	"/etc/kubernetes", "/etc/cni/net.d", "/etc/containerd",
	"/var/lib/etcd", "/var/lib/kubelet", "/var/lib/containerd", "/var/lib/cni",
	"/var/log/pods", "/var/log/containers",
}

// daemons are the components that a node shows at /usr/bin, bound read-only
// from the cache, and the node's process 1.
var daemons = []string{"kubelet", "containerd", "containerd-shim-runc-v2", "ctr"}

const initPath = "/usr/sbin/node-init"

// layRoot fills the upper directory of a node's overlay: everything that differs between
// its root and this machine's.
func (c *Cluster) layRoot(n Node, kubeletConf []byte) error {
	root := c.upper(n)
	for _, dir := range []string{root, c.nodeDir(n, "work"), c.nodeDir(n, "merged"), c.nodeDir(n, "containerd"), c.nodeDir(n, "kubelet")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	hide := append([]string{c.State, c.Cache, defaultState}, emptied...)
	if c.Source != "" {
		hide = append(hide, filepath.Dir(filepath.Dir(c.Source)))
	}
	for _, dir := range hide {
		if err := layOpaque(root, dir); err != nil {
			return fmt.Errorf("hiding %s from node %s: %w", dir, n.Name, err)
		}
	}
	machineID := make([]byte, 16)
	_, _ = rand.Read(machineID)
	hosts := "127.0.0.1 localhost\n"
	for _, other := range nodes {
		hosts += other.IP + " " + other.Name + "\n"
	}
	files := map[string]string{
		"/etc/hostname":                   n.Name + "\n",
		"/etc/hosts":                      hosts,
		"/etc/machine-id":                 hex.EncodeToString(machineID) + "\n",
		"/etc/containerd/config.toml":     containerdConfig,
		"/etc/cni/net.d/10-pods.conflist": cniConfig(n),
		"/etc/containerd/certs.d/" + bridgeIP + ":5000/hosts.toml": fmt.Sprintf(
			"server = \"http://%[1]s:5000\"\n\n[host.\"http://%[1]s:5000\"]\n  capabilities = [\"pull\", \"resolve\"]\n", bridgeIP),
	}
	if n.Ubuntu {
		if err := layOpaque(root, "/boot", "/var/lib/dpkg", "/var/lib/apt", "/etc/apt"); err != nil {
			return err
		}
		for path, content := range ubuntuFiles() {
			files[path] = content
		}
	}
	for path, content := range files {
		if err := layFile(root, path, content, 0o644); err != nil {
			return err
		}
	}
	// Mount points for what is bound from the cache.
	if err := layFile(root, initPath, "", 0o755); err != nil {
		return err
	}
	for _, name := range daemons {
		if err := layFile(root, "/usr/bin/"+name, "", 0o755); err != nil {
			return err
		}
	}
	if err := layFile(root, etcKubernetes+"/kubelet.conf", string(kubeletConf), 0o600); err != nil {
		return err
	}
	// Every node has the cluster's CA; the control plane node has it already.
	ca, err := os.ReadFile(c.upper(controlPlane(), pkiDir, "ca.crt"))
	if err != nil {
		return err
	}
	if err := layFile(root, pkiDir+"/ca.crt", string(ca), 0o644); err != nil {
		return err
	}
	// The kubelet's directory is a bind mount, not part of the overlay.
	return os.WriteFile(c.nodeDir(n, "kubelet", "config.yaml"), []byte(kubeletConfig(n)), 0o644)
}

// layOpaque makes directories below root that hide what this machine has there.
func layOpaque(root string, dirs ...string) error {
	for _, dir := range dirs {
		if err := layParents(root, dir); err != nil {
			return err
		}
		at := filepath.Join(root, dir)
		if err := os.Mkdir(at, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := copyMode(dir, at); err != nil {
			return err
		}
		if err := unix.Setxattr(at, "trusted.overlay.opaque", []byte("y"), 0); err != nil {
			return fmt.Errorf("setting trusted.overlay.opaque on %s: %w", at, err)
		}
	}
	return nil
}

func layFile(root, path, content string, mode os.FileMode) error {
	if err := layParents(root, path); err != nil {
		return err
	}
	at := filepath.Join(root, path)
	if err := os.WriteFile(at, []byte(content), mode); err != nil {
		return err
	}
	return os.Chmod(at, mode)
}

// layParents makes the parents of path below root with the modes that they have
// on this machine, because in an overlay the upper directory's mode counts. A
// parent that is a link here is an error, because a directory would replace it.
func layParents(root, path string) error {
	dir := "/"
	parts := strings.Split(strings.Trim(filepath.Dir(path), "/"), "/")
	for _, part := range parts {
		dir = filepath.Join(dir, part)
		info, err := os.Lstat(dir)
		if err == nil && !info.IsDir() {
			return fmt.Errorf("%s: expected a directory on this machine, found %s", dir, info.Mode().Type())
		}
		at := filepath.Join(root, dir)
		if err := os.Mkdir(at, 0o755); err != nil {
			if errors.Is(err, fs.ErrExist) {
				continue
			}
			return err
		}
		if err := copyMode(dir, at); err != nil {
			return err
		}
	}
	return nil
}

// copyMode gives to the mode and owner of from, if there is such a directory.
func copyMode(from, to string) error {
	var st unix.Stat_t
	if err := unix.Lstat(from, &st); err != nil {
		return nil
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil
	}
	if err := os.Lchown(to, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	return unix.Chmod(to, st.Mode&0o7777)
}

// containerdConfig sets restrict_oom_score_adj, because root may lack CAP_SYS_RESOURCE,
// and then every sandbox would fail.
const containerdConfig = `version = 3
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
  address = "/run/containerd/containerd.sock"

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "` + pauseImage + `"
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "/etc/containerd/certs.d"

[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
        SystemdCgroup = false
`

func cniConfig(n Node) string {
	return fmt.Sprintf(`{
  "cniVersion": "1.0.0",
  "name": "pods",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "cni0",
      "isGateway": true,
      "hairpinMode": true,
      "ipam": {
        "type": "host-local",
        "ranges": [[{"subnet": %q}]],
        "routes": [{"dst": "0.0.0.0/0"}]
      }
    }
  ]
}
`, n.PodCIDR)
}

// kubeletConfig differs from the defaults in three ways. The kubelet renews the lease and
// the status more often, so that the controller manager's short grace period is safe. A
// restarted container waits at most 1 s. Pods are checked every 5 s, because a mirror pod
// that could not be made before the API server ran waits for the next check.
func kubeletConfig(n Node) string {
	s := `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true, cacheTTL: 0s}
  x509: {clientCAFile: /etc/kubernetes/pki/ca.crt}
authorization:
  mode: Webhook
  webhook: {cacheAuthorizedTTL: 0s, cacheUnauthorizedTTL: 0s}
cgroupDriver: cgroupfs
cgroupRoot: /` + n.netns() + `
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
crashLoopBackOff: {maxContainerRestartPeriod: 1s}
enforceNodeAllocatable: []
evictionHard: {}
failCgroupV1: false
failSwapOn: false
imageGCHighThresholdPercent: 100
makeIPTablesUtilChains: false
nodeLeaseDurationSeconds: 12
nodeStatusUpdateFrequency: 4s
oomScoreAdj: 0
resolvConf: ""
syncFrequency: 5s
`
	if n.ControlPlane {
		s += "staticPodPath: /etc/kubernetes/manifests\n"
	}
	return s
}
