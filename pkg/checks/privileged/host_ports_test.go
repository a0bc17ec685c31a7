package privileged

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestHostPorts(t *testing.T) {
	ports := fact.Container{HostPorts: []int32{80, 443}, PortFields: []string{"ports[0].hostPort", "ports[2].hostPort"}}
	ft.Judge(t, checks.OfSet(HostPorts.Judge), map[string]row{
		"none passes": {ft.Declared(fact.Container{}), passes(hostPortsRule)},
		"ports of the node are low": {
			ft.Declared(ports), containerFails(api.Low, "opens ports of the node", ft.App+"ports[0].hostPort", "80", ft.App+"ports[2].hostPort", "443"),
		},
		"in the node's network every port is one": {
			ft.Declared(fact.Container{}, func(s *fact.PodSpec) { s.HostNetwork = true }),
			wholeFails(api.Low, "every port that it listens on is a port of the node", ft.Field+"hostNetwork", "true"),
		},
		"they are not told twice": {
			ft.Declared(ports, func(s *fact.PodSpec) { s.HostNetwork = true }),
			wholeFails(api.Low, "every port that it listens on is a port of the node", ft.Field+"hostNetwork", "true"),
		},
		"a port without its field": {ft.Declared(fact.Container{HostPorts: []int32{1}}), containerFails(api.Low, "opens ports of the node", ft.App+"ports", "1")},
	})
}
