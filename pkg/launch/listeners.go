package launch

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// ListenersOf returns where the programs that were found on a node listen, and what for,
// at most fact.MaxListeners, those first whose purposes come first in their list: what the
// probe of level net dials besides the usual ports. A socket without a known purpose is
// left out: a program also listens for health checks and metrics, which are not judged.
//
// The facts come from a node, and may be any number of any. Only literal addresses, ports
// and purposes of our own list are taken from them, of the first maxPrograms programs and
// their first maxSockets sockets. Whether such an address is the node's own is decided there, before
// each connection.
func ListenersOf(m *fact.Measurement) map[netip.AddrPort]fact.ListenerPurpose {
	listeners := make(map[netip.AddrPort]fact.ListenerPurpose)
	if m == nil {
		return listeners
	}
	components := m.Components[:min(len(m.Components), maxPrograms)]
	servers := kubeconfigPorts(components)
	var order []netip.AddrPort
	for i := range components {
		c := &components[i]
		for _, socket := range c.Sockets[:min(len(c.Sockets), maxSockets)] {
			address, err := netip.ParseAddr(socket.Address)
			if err != nil || address.Zone() != "" || socket.Port < 1 || socket.Port > 65535 || socket.Netns != 0 {
				continue
			}
			purpose := purposeOf(c, socket.Port, servers)
			if !slices.Contains(fact.Purposes(), purpose) {
				continue
			}
			if at := netip.AddrPortFrom(address.Unmap(), uint16(socket.Port)); listeners[at] == "" {
				listeners[at] = purpose
				order = append(order, at)
			}
		}
	}
	sorted.Stable(order, func(a, b netip.AddrPort) int {
		return cmp.Compare(slices.Index(fact.Purposes(), listeners[a]), slices.Index(fact.Purposes(), listeners[b]))
	})
	for _, at := range order[min(len(order), fact.MaxListeners):] {
		delete(listeners, at)
	}
	return listeners
}

// More than a probe finds (package components), so that what is left out is never its own.
const (
	maxPrograms = 128
	maxSockets  = 512
	maxPorts    = 512 // of one setting
)

// argument returns listeners as the probe of level net takes them: ADDRESS:PORT=PURPOSE,
// separated by commas ("[::]:2379=kine").
func argument(listeners map[netip.AddrPort]fact.ListenerPurpose) string {
	words := make([]string, 0, len(listeners))
	for at, purpose := range listeners {
		words = append(words, at.String()+"="+string(purpose))
	}
	slices.Sort(words)
	return strings.Join(words, ",")
}

// A served is a setting that says on which port, or at which URLs, a program listens, and
// what for. usual is the port without the setting, 0 if there is none.
type served struct {
	setting string
	usual   int
	purpose fact.ListenerPurpose
}

// serves lists the settings by program, by the names of their flags.
var serves = map[fact.ComponentProgram][]served{
	fact.ProgramEtcd: {
		{"listen-client-urls", 2379, fact.EtcdClient},
		{"listen-client-http-urls", 0, fact.EtcdClient}, // its HTTP gateway, which reads every key
		{"listen-peer-urls", 2380, fact.EtcdPeer},
	},
	fact.ProgramAPIServer: {
		{"secure-port", 6443, fact.KubeAPI},
		{"insecure-port", 8080, fact.KubeAPI}, // before Kubernetes 1.24: no TLS, and no credentials
	},
	fact.ProgramK3s: {
		{"https-listen-port", 6443, fact.KubeAPI},
		{"", 2379, fact.EtcdClient},
		{"", 2380, fact.EtcdPeer},
		{"", 2382, fact.EtcdClient}, // etcd's HTTP gateway
		{"", 10250, fact.KubeletAPI},
		{"", 10257, fact.ControllerManager},
		{"", 10258, fact.CloudController},
		{"", 10259, fact.Scheduler},
	},
	fact.ProgramRKE2:         {{"", 9345, fact.RKE2Supervisor}},
	fact.ProgramKine:         {{"listen-address", 2379, fact.KineTCP}},
	fact.ProgramKonnectivity: {{"agent-port", 8132, fact.Konnectivity}},
	fact.ProgramKubelet: {
		{"port", 10250, fact.KubeletAPI},
		{"read-only-port", 10255, fact.KubeletReadOnly},
	},
	fact.ProgramControllerManager: {{"secure-port", 10257, fact.ControllerManager}},
	fact.ProgramScheduler:         {{"secure-port", 10259, fact.Scheduler}},
	fact.ProgramCloudController:   {{"secure-port", 10258, fact.CloudController}},
}

// purposeOf returns what a program's socket is for, "" if that is unknown.
func purposeOf(c *fact.Component, port int, servers map[int]bool) fact.ListenerPurpose {
	switch c.Program {
	case fact.ProgramContainerd, fact.ProgramCRIO:
		// A streaming server's port is random. Metrics and debug listeners have ports
		// that someone chose, so one socket alone is the streaming server's.
		if len(c.Sockets) == 1 && c.SocketsRead {
			return fact.RuntimeStreaming
		}
		return ""
	case fact.ProgramProxy:
		if servers[port] {
			return fact.KubeAPIProxy
		}
		return ""
	}
	for _, s := range serves[c.Program] {
		setting, ok := c.Setting(s.setting)
		switch {
		case ok && slices.Contains(portsOf(setting.Value), port), !ok && port == s.usual:
			return s.purpose
		}
	}
	return ""
}

// kubeconfigPorts returns the ports at which the kubelets of a node find the API server.
func kubeconfigPorts(components []fact.Component) map[int]bool {
	ports := make(map[int]bool)
	for i := range components {
		if server, ok := components[i].Setting("kubeconfig-server"); ok && components[i].Program == fact.ProgramKubelet {
			for _, port := range portsOf(server.Value) {
				ports[port] = true
			}
		}
	}
	return ports
}

// portsOf returns the ports in a setting: a port, or URLs or addresses with ports,
// separated by commas, at most maxPorts. A URL of https without a port means 443.
func portsOf(value string) []int {
	var ports []int
	words := 0
	for word := range strings.SplitSeq(value, ",") {
		if words++; words > maxPorts {
			break
		}
		word = strings.TrimSpace(word)
		scheme, rest, url := strings.Cut(word, "://")
		if url {
			word, _, _ = strings.Cut(rest, "/")
		}
		colon := strings.LastIndexByte(word, ':')
		port, err := strconv.Atoi(word[colon+1:])
		switch {
		case err == nil && port > 0 && port <= 65535 && !strings.HasSuffix(word, "]"):
			ports = append(ports, port)
		case url && scheme == "https" && (colon < 0 || strings.HasSuffix(word, "]")):
			ports = append(ports, 443)
		}
	}
	return ports
}
