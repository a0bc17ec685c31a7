package privileged

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestMountPropagation(t *testing.T) {
	mounts := func(propagation ...string) fact.Container {
		c := fact.Container{Mounts: []fact.VolumeMount{{Volume: "raw", Path: "/dev/x", Device: true}}}
		for i, p := range propagation {
			c.Mounts = append(c.Mounts, fact.VolumeMount{Volume: "v", Path: "/m" + string(rune('0'+i)), Propagation: p})
		}
		return c
	}
	const message = "what it mounts appears on the node"
	ft.Judge(t, checks.OfSet(MountPropagation.Judge), map[string]row{
		"no mount passes":         {ft.Declared(fact.Container{}), passes(mountPropagationRule)},
		"None passes":             {ft.Declared(mounts("")), passes(mountPropagationRule)},
		"HostToContainer passes":  {ft.Declared(mounts("HostToContainer")), passes(mountPropagationRule)},
		"Windows has none":        {ft.Declared(fact.Container{}, windows), noSuchField()},
		"Bidirectional is medium": {ft.Declared(mounts("", "Bidirectional")), containerFails(api.Medium, message, ft.App+"volumeMounts[1].mountPropagation", "Bidirectional, at /m1")},
		"two are one finding": {
			ft.Declared(mounts("Bidirectional", "Bidirectional")),
			containerFails(api.Medium, message, ft.App+"volumeMounts[0].mountPropagation", "Bidirectional, at /m0", ft.App+"volumeMounts[1].mountPropagation", "Bidirectional, at /m1"),
		},
	})
}
