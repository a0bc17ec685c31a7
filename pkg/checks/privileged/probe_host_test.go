package privileged

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestProbeHost(t *testing.T) {
	hosts := fact.Container{ProbeHosts: []fact.ProbeHost{{Field: "livenessProbe.httpGet.host", Host: "169.254.169.254"}, {Field: "lifecycle.postStart.tcpSocket.host", Host: "127.0.0.1"}}}
	ft.Judge(t, checks.OfSet(ProbeHost.Judge), map[string]row{
		"none passes": {ft.Declared(fact.Container{}), passes(probeHostRule)},
		"a host is medium": {
			ft.Declared(hosts), containerFails(api.Medium, "a probe or hook makes the kubelet connect to a host that the pod chooses",
				ft.App+"livenessProbe.httpGet.host", "169.254.169.254", ft.App+"lifecycle.postStart.tcpSocket.host", "127.0.0.1"),
		},
	})
}
