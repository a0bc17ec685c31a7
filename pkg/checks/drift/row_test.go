package drift

import ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"

// row is a case of a check's test.
type row ft.Case
