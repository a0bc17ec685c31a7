package privileged

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestMandatoryAccessControl(t *testing.T) {
	const source = "node/n1 /proc/100/attr/current"
	set := func(label string) *fact.Set {
		return ft.Measured(ft.With(func(p *fact.Process) { p.Label = label }), fact.Container{})
	}
	finding := func(verdict api.Verdict, severity api.Severity, message, value string) []api.Finding {
		return ft.One(api.Finding{Verdict: verdict, Severity: severity, Subject: ft.Subject(), Message: message, Evidence: ft.Evidence(source, value)})
	}
	unknown := func(reason fact.Reason, message, value string) []api.Finding {
		f := finding(api.VerdictUnknown, "", message, value)
		f[0].Reason = reason
		return f
	}
	ofNode := func(verdict api.Verdict, reason fact.Reason, message, value string) []api.Finding {
		return ft.One(api.Finding{
			Verdict: verdict, Reason: reason, Subject: ft.NodeSubject(), Message: message, Evidence: ft.Evidence("node/n1 /proc/1/attr/current", value),
		})
	}
	labels := func(set *fact.Set, has bool) *fact.Set { set.Nodes[0].Measured.Labels = &has; return set }
	const enforced, unconfined = "an AppArmor profile is enforced for it", "its SELinux type is none of the unconfined ones"
	mixed := set("unconfined")
	second := ft.Process()
	second.PID, second.Label = 101, ""
	mixed.Nodes[0].Measured.Containers[0].Processes = append(mixed.Nodes[0].Measured.Containers[0].Processes, second)
	without := unknown(fact.Unreadable, "one of its processes has no AppArmor profile or SELinux context, or it was not read; others on its node have one", "not read, or empty")
	without[0].Evidence[0].Source = "node/n1 /proc/101/attr/current"

	ft.Judge(t, checks.OfSet(judgeMandatoryAccessControl), map[string]row{
		"an enforced profile passes":       {set(ft.Profile), finding(api.Pass, "", enforced, ft.Profile)},
		"a name may hold colons and words": {set("a:b:spc_t (x) (kill)"), finding(api.Pass, "", enforced, "a:b:spc_t (x) (kill)")},
		"unconfined fails":                 {set("unconfined"), finding(api.Fail, api.Medium, "has no AppArmor profile (unconfined)", "unconfined")},
		"a profile that only complains fails": {
			set("web (complain)"), finding(api.Fail, api.Medium, "its AppArmor profile is in mode complain, which refuses nothing by itself", "web (complain)"),
		},
		"a profile of the unconfined mode fails": {
			set("web (unconfined)"), finding(api.Fail, api.Medium, "its AppArmor profile is in mode unconfined, which refuses nothing by itself", "web (unconfined)"),
		},
		"another mode is unknown": {
			set("web (prompt)"), unknown(fact.Unsupported, "its AppArmor profile is in a mode that this version does not know", "web (prompt)"),
		},
		"container_t passes": {
			set("system_u:system_r:container_t:s0:c1,c2"), finding(api.Pass, "", unconfined, "system_u:system_r:container_t:s0:c1,c2"),
		},
		"spc_t fails": {
			set("system_u:system_r:spc_t:s0"), finding(api.Fail, api.Medium, "its SELinux type is spc_t, which confines nothing", "system_u:system_r:spc_t:s0"),
		},
		"a SELinux context without a level": {
			set("system_u:system_r:spc_t"), finding(api.Fail, api.Medium, "its SELinux type is spc_t, which confines nothing", "system_u:system_r:spc_t"),
		},
		"another module's label is unknown": {
			set("_"), unknown(fact.Unsupported, "its security label is of a kind that this version does not know", "_"),
		},
		"a process without a label among others": {mixed, append(finding(api.Fail, api.Medium, "has no AppArmor profile (unconfined)", "unconfined"), without...)},
		"a node without such a module has nothing to leave": {
			labels(set(""), false),
			ofNode(api.Pass, "", "the node has neither AppArmor nor SELinux, so that there is no confinement to leave", "none: no security module labels processes"),
		},
		"labels that were not read are unknown": {
			set(""), ofNode(api.VerdictUnknown, fact.Unreadable, "the AppArmor profiles or SELinux contexts of its containers were not read", "not read"),
		},
		"labels that were read only of the node are unknown": {
			labels(set(""), true),
			ofNode(api.VerdictUnknown, fact.Unreadable, "the AppArmor profiles or SELinux contexts of its containers were not read", "read, but of no process in a container"),
		},
		"a node on which nothing runs has no finding": {ft.Edit(set(""), ft.NoContainers, func(s *fact.Set) { s.Workloads = nil }), nil},
		"declared running but not seen is unknown":    {ft.Edit(set(ft.Profile), ft.NoContainers), ft.One(ft.NotSeen())},
		"a container without a process is unknown": {
			ft.Measured(fact.MeasuredContainer{}, fact.Container{}),
			append(ft.One(api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Basis: api.Measured, Subject: ft.Subject(), Message: "none of its processes was read",
				Evidence: ft.Evidence("node/n1 container aaaaaaaaaaaa status", "no process"),
			}), ofNode(api.VerdictUnknown, fact.Unreadable, "the AppArmor profiles or SELinux contexts of its containers were not read", "not read")...),
		},
	})
}
