package privileged

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestSharedProcessNamespace(t *testing.T) {
	share := func(yes bool) func(*fact.PodSpec) {
		return func(s *fact.PodSpec) { s.ShareProcessNamespace = &yes }
	}
	ft.Judge(t, checks.OfSet(SharedProcessNamespace.Judge), map[string]row{
		"not set passes":   {ft.Declared(fact.Container{}), passes(sharedProcessRule)},
		"false passes":     {ft.Declared(fact.Container{}, share(false)), passes(sharedProcessRule)},
		"Windows has none": {ft.Declared(fact.Container{}, windows), noSuchField()},
		"true is low": {
			ft.Declared(fact.Container{}, share(true)),
			wholeFails(api.Low, "its containers see each other's processes, environment and files", ft.Field+"shareProcessNamespace", "true"),
		},
	})
}
