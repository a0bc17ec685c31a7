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
			finding(api.Fail, api.Medium, "privileged, in its own user namespace", "true", ft.Field+"hostUsers", "false"),
		},
		"a Windows container without hostProcess passes": {
			ft.Declared(fact.Container{}, windows),
			ft.One(api.Finding{
				Verdict: api.Pass, Subject: ft.Subject(), Message: "not a hostProcess container (privileged on Windows)",
				Evidence: ft.Evidence(ft.App+hostProcess, "not set", ft.Field+"os.name", "windows"),
			}),
		},
		"Windows told by a node selector": {
			ft.Declared(fact.Container{HostProcess: ft.Ptr(false)}, func(s *fact.PodSpec) { s.OS, s.OSField = "windows", "nodeSelector[kubernetes.io/os]" }),
			ft.One(api.Finding{
				Verdict: api.Pass, Subject: ft.Subject(), Message: "not a hostProcess container (privileged on Windows)",
				Evidence: ft.Evidence(ft.App+hostProcess, "false", ft.Field+"nodeSelector[kubernetes.io/os]", "windows"),
			}),
		},
		"hostProcess fails":                                {ft.Declared(fact.Container{HostProcess: ft.Ptr(true)}, windows), process(ft.App)},
		"hostProcess fails where no system is named":       {ft.Declared(fact.Container{HostProcess: ft.Ptr(true)}), process(ft.App)},
		"a pod's hostProcess is its containers'":           {ft.Declared(fact.Container{}, windows, processes(true)), process(ft.Field)},
		"a container's hostProcess counts more":            {ft.Declared(fact.Container{HostProcess: ft.Ptr(true)}, processes(false)), process(ft.App)},
		"in no user namespace is hostProcess graded lower": {ft.Declared(fact.Container{HostProcess: ft.Ptr(true)}, hostUsers(false)), process(ft.App)},
		"a container's false counts more, too": {
			ft.Declared(fact.Container{HostProcess: ft.Ptr(false)}, windows, processes(true)),
			ft.One(api.Finding{
				Verdict: api.Pass, Subject: ft.Subject(), Message: "not a hostProcess container (privileged on Windows)",
				Evidence: ft.Evidence(ft.App+hostProcess, "false", ft.Field+"os.name", "windows"),
			}),
		},
		"no pods, no findings": {&fact.Set{}, nil},
	})
}

const hostProcess = "securityContext.windowsOptions.hostProcess"

func process(at string) []api.Finding {
	return ft.One(api.Finding{
		Verdict: api.Fail, Subject: ft.Subject(), Message: "runs as a process of its Windows node (hostProcess)",
		Evidence: ft.Evidence(at+hostProcess, "true"),
	})
}

func windows(s *fact.PodSpec) { s.OS = "windows" }

func processes(b bool) func(*fact.PodSpec) {
	return func(s *fact.PodSpec) { s.HostProcess = &b }
}

func hostUsers(b bool) func(*fact.PodSpec) {
	return func(s *fact.PodSpec) { s.HostUsers = &b }
}
