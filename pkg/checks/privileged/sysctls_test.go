package privileged

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestSysctls(t *testing.T) {
	set := func(names ...string) *fact.Set {
		return ft.Declared(fact.Container{}, func(s *fact.PodSpec) { s.Sysctls = names })
	}
	const first = ft.Field + "securityContext.sysctls[0].name"
	ft.Judge(t, checks.OfSet(Sysctls.Judge), map[string]row{
		"none passes":             {set(), passes(sysctlsRule)},
		"a safe one passes":       {set("net.ipv4.tcp_syncookies"), passes(sysctlsRule)},
		"also with slashes":       {set("net/ipv4/ping_group_range"), passes(sysctlsRule)},
		"newer safe ones pass":    {set("net.ipv4.tcp_rmem", "net.ipv4.tcp_notsent_lowat"), passes(sysctlsRule)},
		"Windows has none":        {ft.Declared(fact.Container{}, windows), noSuchField()},
		"kernel.msgmax is medium": {set("kernel.msgmax"), wholeFails(api.Medium, "sets unsafe kernel parameters: kernel.msgmax", first, "kernel.msgmax")},
		"an interface's name may hold a dot": {
			set("net/ipv4/conf/eth0.100/forwarding"), wholeFails(api.Medium, "sets unsafe kernel parameters: net/ipv4/conf/eth0.100/forwarding", first, "net/ipv4/conf/eth0.100/forwarding"),
		},
		"each unsafe one is named by its place": {
			set("vm.x", "net.ipv4.tcp_wmem", "kernel.y", "vm.x"),
			wholeFails(api.Medium, "sets unsafe kernel parameters: kernel.y, vm.x", first, "vm.x",
				ft.Field+"securityContext.sysctls[2].name", "kernel.y", ft.Field+"securityContext.sysctls[3].name", "vm.x"),
		},
	})
}
