package privileged

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestDeviceAccess(t *testing.T) {
	ft.Judge(t, checks.OfSet(DeviceAccess.Judge), map[string]row{
		"none passes": {ft.Declared(fact.Container{}), passes(deviceAccessRule)},
		"a claim that no container uses passes": {
			ft.Declared(fact.Container{}, func(s *fact.PodSpec) { s.ResourceClaims = []string{"gpu"} }), passes(deviceAccessRule),
		},
		"a device plugin's resource is low": {
			ft.Declared(fact.Container{Devices: []string{"nvidia.com/gpu"}}),
			containerFails(api.Low, "asks for devices: nvidia.com/gpu", ft.App+"resources.limits[nvidia.com/gpu]", "an extended resource"),
		},
		"a claim is low": {
			ft.Declared(fact.Container{Devices: []string{"a.b/c"}, Claims: []string{"gpu"}}),
			containerFails(api.Low, "asks for devices: a.b/c, gpu", ft.App+"resources.limits[a.b/c]", "an extended resource",
				ft.App+"resources.claims[gpu]", "a claim of the pod"),
		},
	})
}
