package immutable

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// Package writableroot tests every row; these are the verdicts as this check
// gives them.
func TestWritableRoot(t *testing.T) {
	root := func(readOnly bool) *fact.Set {
		m := ft.With()
		m.Root = &fact.Mount{Path: "/", FSType: "overlay", ReadOnly: readOnly}
		return ft.Measured(m, fact.Container{ReadOnlyRootFilesystem: ft.Ptr(readOnly)})
	}
	finding := func(verdict api.Verdict, message, mode, declared string) []api.Finding {
		return ft.One(api.Finding{
			Verdict: verdict, Basis: api.Measured, Subject: ft.Subject(), Message: message,
			Evidence: ft.Claimed(1, ft.Evidence("node/n1 /proc/100/mountinfo /", "overlay "+mode,
				ft.App+"securityContext.readOnlyRootFilesystem", declared)),
		})
	}
	ft.Judge(t, checks.OfSet(WritableRoot.Judge), map[string]row{
		"read-only passes":                 {root(true), finding(api.Pass, "its root file system is read-only", "ro", "true")},
		"writable fails":                   {root(false), finding(api.Fail, "its root file system is writable; no path of it has a writable volume", "rw", "false")},
		"Windows has none, and no finding": {ft.Declared(fact.Container{}, func(s *fact.PodSpec) { s.OS = "windows" }), nil},
	})
}
