package privileged

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestProcMount(t *testing.T) {
	const field = ft.App + "securityContext.procMount"
	ft.Judge(t, checks.OfSet(ProcMount.Judge), map[string]row{
		"not set passes":        {ft.Declared(fact.Container{}), passes(procMountRule)},
		"Default passes":        {ft.Declared(fact.Container{ProcMount: "Default"}), passes(procMountRule)},
		"Windows has no /proc":  {ft.Declared(fact.Container{}, windows), noSuchField()},
		"Unmasked fails":        {ft.Declared(fact.Container{ProcMount: "Unmasked"}), containerFails(api.High, "its /proc is not masked", field, "Unmasked", ft.Field+"hostUsers", "not set")},
		"with the node's users": {ft.Declared(fact.Container{ProcMount: "Unmasked"}, hostUsers(true)), containerFails(api.High, "its /proc is not masked", field, "Unmasked", ft.Field+"hostUsers", "true")},
		"in a user namespace of its own it is low": {
			ft.Declared(fact.Container{ProcMount: "Unmasked"}, hostUsers(false)),
			containerFails(api.Low, "its /proc is not masked, in its own user namespace", field, "Unmasked", ft.Field+"hostUsers", "false"),
		},
		"another value is unknown": {ft.Declared(fact.Container{ProcMount: "Open"}), ft.One(api.Finding{
			Verdict: api.VerdictUnknown, Reason: fact.Unsupported, Subject: ft.Subject(), Message: "its procMount is one that this version does not know",
			Evidence: ft.Evidence(field, "Open"),
		})},
	})
}
