package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// prefix is in the name of everything that the harness makes on the machine: network
// namespaces, interfaces and cgroups. down finds them by it, even if no state is left.
// Another prefix (and state directory) makes a second cluster. The harness's own test
// uses that.
var prefix = func() string {
	if p := os.Getenv(prefixVariable); p != "" {
		return p
	}
	return "klist-"
}()

var (
	bridgeNetns = prefix + "net"
	bridgeName  = prefix + "br0"
)

const (
	bridgeIP    = "10.200.0.1"
	serviceCIDR = "10.96.0.0/12"
	apiPort     = "6443"
	clusterName = "kubernetes"

	kubernetesVersion = "v1.37.2"
	etcdVersion       = "3.7.0"
	containerdVersion = "2.3.7"

	pauseImage   = "registry.k8s.io/pause:3.10"
	busyboxImage = "docker.io/library/busybox:1.35"
)

// Node is one member of the cluster: a set of namespaces with its own root file system.
type Node struct {
	Name         string
	IP           string // in the bridge's network, 10.200.0.0/24
	PodCIDR      string // one /24 for each node
	PodGateway   string
	ControlPlane bool
	Ubuntu       bool // looks like Ubuntu 22.04 instead of this machine's distribution
}

var nodes = []Node{
	{Name: "cp1", IP: "10.200.0.11", PodCIDR: "10.201.1.0/24", ControlPlane: true},
	{Name: "w1", IP: "10.200.0.12", PodCIDR: "10.201.2.0/24"},
	{Name: "w2", IP: "10.200.0.13", PodCIDR: "10.201.3.0/24", Ubuntu: true},
}

func nodeNamed(name string) (Node, error) {
	var names []string
	for _, n := range nodes {
		if n.Name == name {
			return n, nil
		}
		names = append(names, n.Name)
	}
	return Node{}, fmt.Errorf("node %q: expected one of %v", name, names)
}

func controlPlane() Node { return nodes[0] }

// netns returns the name of the node's network namespace, its cgroup and its port on the
// bridge.
func (n Node) netns() string { return prefix + n.Name }

// Cluster knows where files are. State holds what one cluster writes, and down removes
// it. Cache holds what is built, and stays.
type Cluster struct {
	State  string
	Cache  string
	Source string // hack/cluster of the checkout; empty if it was not found
	Log    io.Writer
	begun  time.Time
}

const (
	prefixVariable = "KUBECTL_CHECKLIST_CLUSTER_PREFIX"
	stateVariable  = "KUBECTL_CHECKLIST_CLUSTER_STATE"
	cacheVariable  = "KUBECTL_CHECKLIST_CLUSTER_CACHE"
	sourceVariable = "KUBECTL_CHECKLIST_CLUSTER_SOURCE"
	defaultState   = "/var/lib/kubectl-checklist-cluster"
)

func newCluster(log io.Writer) (*Cluster, error) {
	c := &Cluster{Log: log, begun: time.Now(), State: os.Getenv(stateVariable), Cache: os.Getenv(cacheVariable), Source: sourceDir()}
	if c.State == "" {
		c.State = defaultState
	}
	if c.Cache == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("finding a cache directory: %w; set %s", err, cacheVariable)
		}
		c.Cache = filepath.Join(base, "kubectl-checklist", "cluster")
	}
	// Interface names hold 15 bytes, and the glob of down must mean only ours.
	if len(prefix) > 10 || strings.Trim(prefix, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || !strings.HasSuffix(prefix, "-") || len(prefix) < 3 {
		return nil, fmt.Errorf("%s=%q: expected 2 to 9 lower case letters or digits and a hyphen", prefixVariable, prefix)
	}
	for _, dir := range []string{c.State, c.Cache} {
		if !filepath.IsAbs(dir) {
			return nil, fmt.Errorf("directory %q: expected an absolute path", dir)
		}
	}
	return c, nil
}

// sourceDir finds hack/cluster: the components' modules are not part of this
// one, so they cannot be embedded.
func sourceDir() string {
	candidates := []string{os.Getenv(sourceVariable)}
	if wd, err := os.Getwd(); err == nil {
		for dir := wd; ; dir = filepath.Dir(dir) {
			candidates = append(candidates, dir, filepath.Join(dir, "hack", "cluster"))
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		candidates = append(candidates, filepath.Dir(file))
	}
	for _, dir := range candidates {
		if dir == "" {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, "components", "kubernetes", "go.mod")); err == nil {
			return dir
		}
	}
	return ""
}

// key names the cache entry: a hash of the components' go.mod and go.sum and of
// the flags that they are built with.
func (c *Cluster) key() (string, error) {
	if c.Source == "" {
		return "", fmt.Errorf("hack/cluster was not found from the current directory: set %s", sourceVariable)
	}
	h := sha256.New()
	for _, module := range []string{"kubernetes", "containerd"} {
		for _, name := range []string{"go.mod", "go.sum"} {
			data, err := os.ReadFile(filepath.Join(c.Source, "components", module, name))
			if err != nil {
				return "", err
			}
			fmt.Fprintf(h, "%s/%s %d\n%s", module, name, len(data), data)
		}
	}
	fmt.Fprintf(h, "%q %q %s\n", flagsOf, components, runtime.GOARCH)
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

func (c *Cluster) path(parts ...string) string {
	return filepath.Join(append([]string{c.State}, parts...)...)
}

func (c *Cluster) nodeDir(n Node, parts ...string) string {
	return c.path(append([]string{"nodes", n.Name}, parts...)...)
}

// upper returns where a path of the node's root is while the node is down.
func (c *Cluster) upper(n Node, parts ...string) string {
	return c.nodeDir(n, append([]string{"upper"}, parts...)...)
}

func (c *Cluster) kubeconfig() string { return c.path("admin.conf") }

// binDir is the directory of the components that this cluster runs. It is
// recorded at up, so that a changed checkout does not change a running cluster.
func (c *Cluster) binDir() (string, error) {
	link := c.path("components")
	dir, err := os.Readlink(link)
	if errors.Is(err, os.ErrNotExist) {
		return "", errNoCluster
	}
	return dir, err
}

var errNoCluster = errors.New("no cluster is up on this machine: run up first")

// progress writes one line with the time since the start.
func (c *Cluster) progress(format string, args ...any) {
	fmt.Fprintf(c.Log, "%6.1fs  %s\n", time.Since(c.begun).Seconds(), fmt.Sprintf(format, args...))
}
