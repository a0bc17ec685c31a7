//go:build e2e

package launch

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch/embedded"
)

// The second pod of each node meets the node's kubelet, and on the control plane etcd and
// the API server. Alone it finds them by their usual ports.
func TestE2EHandshakes(t *testing.T) {
	for name, level := range map[string]fact.Level{"after the first pod": fact.LevelFull, "alone": fact.LevelAPI} {
		t.Run(name, func(t *testing.T) {
			r := onCluster(t)
			opts := r.options()
			opts.Level, opts.Net, opts.NetEmbedded = level, true, embedded.NetProbe
			opts.Kinds = []fact.Kind{fact.Processes, fact.NodeSettings, fact.ServerSettings, fact.NodeTLS, fact.ServerTLS}
			opts.Announce = func(line string) { t.Log(line) }
			measured, gaps, err := Measure(t.Context(), opts, r.nodes)
			if err != nil || len(gaps) > 0 {
				t.Fatalf("gaps %v, error %v", gaps, err)
			}
			servers := 0
			for _, n := range r.nodes {
				m := measured[n.Name]
				if !m.HasRead(fact.NodeTLS) || !m.HasRead(fact.ServerTLS) || m.HasRead(fact.Processes) != (level == fact.LevelFull) {
					t.Errorf("node %s: %+v", n.Name, m)
					continue
				}
				own := r.addresses(n.Name)
				for _, l := range m.Listeners {
					t.Logf("%s %s:%d %s: target %q, %s from %q, client %s from %q, request %+v, %d connections, %s %s",
						n.Name, l.Address, l.Port, l.Purpose, l.Target, l.Protocol, l.ProtocolFrom, l.ClientAuth, l.ClientAuthFrom, l.Request, l.Connections, l.Reason, l.Detail)
					if l.Connections > fact.MaxConnections || l.Target != "" && !slices.Contains(own, l.Target) {
						t.Errorf("node %s: %d connections to %s", n.Name, l.Connections, l.Target)
					}
				}
				kubelet := listenerOf(m, fact.KubeletAPI)
				if kubelet == nil || kubelet.Protocol != fact.SpeaksTLS || !accepts(kubelet, fact.OfferTLS13) || len(kubelet.Chain) == 0 ||
					kubelet.Request == nil || kubelet.Request.Status != 401 {
					t.Errorf("node %s: kubelet %+v", n.Name, kubelet)
				}
				if !fact.InControlPlane(n.Labels) {
					continue
				}
				servers++
				for _, purpose := range []fact.ListenerPurpose{fact.EtcdClient, fact.EtcdPeer} {
					if l := listenerOf(m, purpose); l == nil || l.Protocol != fact.SpeaksTLS || l.ClientAuth != fact.ClientCertDemanded || l.Request != nil {
						t.Errorf("node %s: %s %+v", n.Name, purpose, l)
					}
				}
				api := listenerOf(m, fact.KubeAPI)
				if api == nil || api.Protocol != fact.SpeaksTLS || api.ClientAuth != fact.ClientCertAsked || api.Request == nil ||
					!slices.Contains([]int{401, 403}, api.Request.Status) {
					t.Errorf("node %s: API server %+v", n.Name, api)
				}
			}
			if servers == 0 {
				t.Error("no node of the control plane")
			}
			r.goneSoon()
		})
	}
}

// addresses returns loopback and a node's own addresses (status.addresses).
func (r *real) addresses(node string) []string {
	r.Helper()
	own := []string{"127.0.0.1", "::1"}
	n, err := r.CoreV1().Nodes().Get(r.Context(), node, metav1.GetOptions{})
	if err != nil {
		r.Fatal(err)
	}
	for _, a := range n.Status.Addresses {
		if a.Type == corev1.NodeInternalIP || a.Type == corev1.NodeExternalIP {
			own = append(own, a.Address)
		}
	}
	return own
}

func listenerOf(m *fact.Measurement, purpose fact.ListenerPurpose) *fact.Listener {
	for i := range m.Listeners {
		if m.Listeners[i].Purpose == purpose {
			return &m.Listeners[i]
		}
	}
	return nil
}

func accepts(l *fact.Listener, offer string) bool {
	return slices.ContainsFunc(l.Offers, func(o fact.TLSOffer) bool { return o.Offer == offer && o.Outcome == fact.OfferAccepted })
}
