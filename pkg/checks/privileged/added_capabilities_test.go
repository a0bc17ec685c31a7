package privileged

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestAddedCapabilities(t *testing.T) {
	add := func(names ...string) fact.Container { return fact.Container{CapAdd: names, CapDrop: []string{"ALL"}} }
	finding := func(verdict api.Verdict, severity api.Severity, message string, evidence ...string) []api.Finding {
		f := api.Finding{
			Verdict: verdict, Severity: severity, Subject: ft.Subject(), Message: message,
			Evidence: ft.Evidence(append([]string{ft.App + "securityContext.capabilities.add"}, evidence...)...),
		}
		if verdict == api.VerdictUnknown {
			f.Reason = fact.Unsupported
		}
		return ft.One(f)
	}
	const fine = "adds no capability beyond the runtime's default"
	hostPID := func(s *fact.PodSpec) { s.HostPID = true }
	hostNetwork := func(s *fact.PodSpec) { s.HostNetwork = true }
	ft.Judge(t, checks.OfSet(judgeAddedCapabilities), map[string]row{
		"on Windows there are none":   {ft.Declared(fact.Container{CapAdd: []string{"SYS_ADMIN"}}, windows), noSuchField()},
		"nothing added passes":        {ft.Declared(fact.Container{}), finding(api.Pass, "", fine, "not set")},
		"one of the default's passes": {ft.Declared(add("NET_BIND_SERVICE")), finding(api.Pass, "", fine, "NET_BIND_SERVICE")},
		"NET_RAW is medium, as Pod Security's baseline refuses it": {
			ft.Declared(add("NET_RAW")), finding(api.Fail, api.Medium, "adds NET_RAW, which the Pod Security baseline refuses"+then("NET_RAW"), "NET_RAW"),
		},
		"NET_RAW next to another is that one's": {
			ft.Declared(add("NET_RAW", "BPF")), finding(api.Fail, api.High, "adds BPF"+then("BPF"), "NET_RAW, BPF"),
		},
		"NET_RAW in a user namespace of its own is low": {
			ft.Declared(add("NET_RAW"), hostUsers(false)), finding(api.Fail, api.Low,
				"adds NET_RAW, which the Pod Security baseline refuses, in its own user namespace", "NET_RAW", ft.Field+"hostUsers", "false"),
		},
		"ALL without some is what is left": {
			ft.Declared(fact.Container{CapAdd: []string{"ALL"}, CapDrop: []string{"sys_admin", "SYS_MODULE"}}),
			finding(api.Fail, api.High, "adds every capability except SYS_MODULE, SYS_ADMIN", "ALL", ft.App+"securityContext.capabilities.drop", "sys_admin, SYS_MODULE"),
		},
		"ALL without another is critical": {
			ft.Declared(fact.Container{CapAdd: []string{"ALL"}, CapDrop: []string{"CHOWN"}}),
			finding(api.Fail, api.Critical, "adds every capability except CHOWN", "ALL", ft.App+"securityContext.capabilities.drop", "CHOWN"),
		},
		"added by name and dropped by name depends on the runtime": {
			ft.Declared(fact.Container{CapAdd: []string{"SYS_ADMIN"}, CapDrop: []string{"SYS_ADMIN"}}),
			finding(api.Fail, api.Critical, "adds SYS_ADMIN"+then("SYS_ADMIN"), "SYS_ADMIN"),
		},
		"ALL fails":                        {ft.Declared(add("all")), finding(api.Fail, api.Critical, "adds every capability", "all")},
		"SYS_ADMIN fails, however spelled": {ft.Declared(add("cap_sys_admin")), finding(api.Fail, api.Critical, "adds SYS_ADMIN"+then("SYS_ADMIN"), "cap_sys_admin")},
		"SYS_MODULE fails as SYS_ADMIN":    {ft.Declared(add("SYS_MODULE")), finding(api.Fail, api.Critical, "adds SYS_MODULE"+then("SYS_MODULE"), "SYS_MODULE")},
		"SYS_RAWIO fails":                  {ft.Declared(add("SYS_RAWIO")), finding(api.Fail, api.High, "adds SYS_RAWIO"+then("SYS_RAWIO"), "SYS_RAWIO")},
		"DAC_READ_SEARCH fails":            {ft.Declared(add("DAC_READ_SEARCH")), finding(api.Fail, api.High, "adds DAC_READ_SEARCH"+then("DAC_READ_SEARCH"), "DAC_READ_SEARCH")},
		"SYS_TIME is medium":               {ft.Declared(add("SYS_TIME")), finding(api.Fail, api.Medium, "adds SYS_TIME"+then("SYS_TIME"), "SYS_TIME")},
		"BPF fails":                        {ft.Declared(add("BPF")), finding(api.Fail, api.High, "adds BPF"+then("BPF"), "BPF")},
		"NET_ADMIN alone is medium":        {ft.Declared(add("NET_ADMIN", "CHOWN")), finding(api.Fail, api.Medium, "adds NET_ADMIN"+then("NET_ADMIN"), "NET_ADMIN, CHOWN")},
		"NET_ADMIN in the node's network is high": {
			ft.Declared(add("NET_ADMIN"), hostNetwork), finding(api.Fail, api.High, "adds NET_ADMIN"+then("NET_ADMIN"), "NET_ADMIN"),
		},
		"SYS_PTRACE alone is medium": {ft.Declared(add("SYS_PTRACE")), finding(api.Fail, api.Medium, "adds SYS_PTRACE"+then("SYS_PTRACE"), "SYS_PTRACE")},
		"SYS_PTRACE over the node's processes is high": {
			ft.Declared(add("SYS_PTRACE"), hostPID), finding(api.Fail, api.High, "adds SYS_PTRACE"+then("SYS_PTRACE"), "SYS_PTRACE"),
		},
		"in a user namespace of its own it is low": {
			ft.Declared(add("SYS_ADMIN"), hostUsers(false)),
			finding(api.Fail, api.Low, "adds SYS_ADMIN, in its own user namespace", "SYS_ADMIN", ft.Field+"hostUsers", "false"),
		},
		"a name that is none is unknown": {
			ft.Declared(add("SYS_ADMINS")), finding(api.VerdictUnknown, "", "adds a capability that this version does not know: SYS_ADMINS", "SYS_ADMINS"),
		},
		"a name that is none next to one that fails": {
			ft.Declared(add("FUTURE", "BPF")), finding(api.Fail, api.High, "adds BPF"+then("BPF"), "FUTURE, BPF"),
		},
	})
}

func TestDeclaredMask(t *testing.T) {
	const chown, admin = uint64(1), uint64(1) << 21
	yes := true
	for name, tc := range map[string]struct {
		c    fact.Container
		want uint64
	}{
		"nothing":                         {fact.Container{}, ft.DefaultCaps},
		"drop one":                        {fact.Container{CapDrop: []string{"chown"}}, ft.DefaultCaps &^ chown},
		"drop ALL and add one":            {fact.Container{CapDrop: []string{"all"}, CapAdd: []string{"SYS_ADMIN"}}, admin},
		"add ALL and drop one":            {fact.Container{CapDrop: []string{"CHOWN"}, CapAdd: []string{"ALL"}}, ft.AllCaps &^ chown},
		"add ALL and drop ALL":            {fact.Container{CapDrop: []string{"ALL"}, CapAdd: []string{"ALL"}}, 0},
		"added and dropped by name":       {fact.Container{CapDrop: []string{"SYS_ADMIN"}, CapAdd: []string{"SYS_ADMIN"}}, ft.DefaultCaps},
		"privileged, whatever is dropped": {fact.Container{Privileged: &yes, CapDrop: []string{"ALL"}}, ft.AllCaps},
	} {
		if got, unknown := declaredMask(&tc.c, ft.AllCaps); got != tc.want || unknown != nil {
			t.Errorf("%s: want %x, got %x, %v", name, tc.want, got, unknown)
		}
	}
	if _, unknown := declaredMask(&fact.Container{CapAdd: []string{"ALL", "FUTURE"}}, ft.AllCaps); len(unknown) != 1 || unknown[0] != "FUTURE" {
		t.Errorf("unknown: %v", unknown)
	}
}
