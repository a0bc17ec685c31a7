package privileged

import (
	"github.com/kubectl-checklist/kubectl-checklist/pkg/capability"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// row is a case of a check's test.
type row ft.Case

// then is how a message says what an attacker does with a capability.
func then(name string) string {
	n, ok := capability.Parse(name)
	if !ok {
		panic("no capability " + name)
	}
	return "; with " + name + " an attacker " + n.Danger()
}
