package privileged

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestPrivilegedContainer(t *testing.T) {
	finding := func(verdict api.Verdict, severity api.Severity, message string, evidence ...string) []api.Finding {
		return ft.One(api.Finding{
			Verdict: verdict, Severity: severity, Subject: ft.Subject(), Message: message,
			Evidence: ft.Evidence(append([]string{ft.App + "securityContext.privileged"}, evidence...)...),
		})
	}
	ft.Judge(t, checks.OfSet(judgePrivilegedContainer), map[string]row{
		"nothing declared passes":   {ft.Declared(fact.Container{}), finding(api.Pass, "", "not privileged", "not set")},
		"false passes":              {ft.Declared(fact.Container{Privileged: ft.Ptr(false)}), finding(api.Pass, "", "not privileged", "false")},
		"privileged fails":          {ft.Declared(fact.Container{Privileged: ft.Ptr(true)}), finding(api.Fail, "", "privileged", "true")},
		"in the host's users, said": {ft.Declared(fact.Container{Privileged: ft.Ptr(true)}, hostUsers(true)), finding(api.Fail, "", "privileged", "true")},
		"in a user namespace of its own it is graded lower": {
			ft.Declared(fact.Container{Privileged: ft.Ptr(true)}, hostUsers(false)),
			finding(api.Fail, api.Medium, "privileged, in a user namespace of its own", "true", ft.Field+"hostUsers", "false"),
		},
		"what a Windows container may do is unknown": {
			ft.Declared(fact.Container{}, func(s *fact.PodSpec) { s.OS = "windows" }),
			ft.One(api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.Unsupported, Subject: ft.Subject(),
				Message: "a Windows container's hostProcess is not read", Evidence: ft.Evidence(ft.Field+"os.name", "windows"),
			}),
		},
		"no pods, no findings": {&fact.Set{}, nil},
	})
}

func hostUsers(b bool) func(*fact.PodSpec) {
	return func(s *fact.PodSpec) { s.HostUsers = &b }
}
