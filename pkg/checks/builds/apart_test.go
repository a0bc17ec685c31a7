package builds

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// Builders on nodes of their own.
func TestApart(t *testing.T) {
	const (
		image = "moby/buildkit:v0.15"
		taint = "dedicated=build:NoSchedule"
		apart = "; on nodes set apart: taint " + taint + ", 1 node; no other workload runs there"
	)
	privileged := fact.Container{Image: image, Privileged: ft.Ptr(true)}
	tainted := func(taints ...string) func(*fact.Set) {
		return func(s *fact.Set) { s.Nodes[0].Taints = taints }
	}
	beside := func(kind, namespace, phase string) func(*fact.Set) {
		return func(s *fact.Set) {
			s.Workloads = append(s.Workloads, fact.Workload{
				Owner: fact.Subject{Kind: kind, Namespace: namespace, Name: "other"},
				Pods:  []fact.Pod{{Name: "other-1", UID: "2", Node: ft.Node, Phase: phase}},
			})
		}
	}
	tolerant := func(selector, toleration string) func(*fact.Set) {
		return func(s *fact.Set) {
			w := &s.Workloads[0]
			w.Pods, w.Spec.NodeSelector, w.Spec.Tolerations = nil, map[string]string{selector: "build"}, []string{"node.kubernetes.io/not-ready:NoExecute", toleration}
		}
	}
	finding := func(severity api.Severity, message string, more ...string) []api.Finding {
		return ft.One(api.Finding{
			Verdict: api.Fail, Severity: severity, Subject: ft.Subject(), Message: message,
			Evidence: ft.Evidence(append([]string{ft.App + "image", image}, more...)...),
		})
	}
	of := func(set *fact.Set, edits ...func(*fact.Set)) *fact.Set { return ft.Edit(set, edits...) }
	isPrivileged := []string{ft.App + "securityContext.privileged", "true"}
	critical := finding(api.Critical, "runs BuildKit, privileged", isPrivileged...)
	milder := finding(api.High, "runs BuildKit, privileged"+apart, append(isPrivileged, "node/n1 spec.taints", taint)...)
	asked := finding(api.Critical, "runs BuildKit, privileged; asks for nodes set apart (declared)", append(isPrivileged,
		ft.Field+"nodeSelector[pool]", "build", ft.Field+"tolerations[1]", taint)...)
	noPods := finding(api.Critical, "runs BuildKit, privileged", isPrivileged...)
	for _, f := range [][]api.Finding{asked, noPods} {
		f[0].Subject.PodCount, f[0].Subject.Pods = 0, nil
	}

	ft.Judge(t, checks.OfSet(judgeBuilderWorkload), map[string]row{
		"a taint and nobody else: one grade milder": {of(ft.Declared(privileged), tainted(taint)), milder},
		"at least medium": {
			of(ft.Declared(fact.Container{Image: image}), tainted(taint)),
			finding(api.Medium, "runs BuildKit, as the image's user, which may be root"+apart, ft.App+"securityContext.runAsUser", "not set", "node/n1 spec.taints", taint),
		},
		"a DaemonSet runs everywhere":                   {of(ft.Declared(privileged), tainted(taint), beside(fact.SubjectDaemonSet, "shop", "Running")), milder},
		"so does the platform":                          {of(ft.Declared(privileged), tainted(taint), beside(fact.SubjectDeployment, "kube-system", "Running")), milder},
		"a pod that has ended is not there":             {of(ft.Declared(privileged), tainted(taint), beside(fact.SubjectJob, "shop", "Succeeded")), milder},
		"another workload on the node":                  {of(ft.Declared(privileged), tainted(taint), beside(fact.SubjectDeployment, "shop", "Running")), critical},
		"no taint":                                      {of(ft.Declared(privileged)), critical},
		"a name is no taint":                            {of(ft.Declared(privileged), func(s *fact.Set) { s.Nodes[0].Labels = map[string]string{"pool": "build"} }), critical},
		"a taint that only prefers":                     {of(ft.Declared(privileged), tainted("dedicated=build:PreferNoSchedule")), critical},
		"a taint of Kubernetes":                         {of(ft.Declared(privileged), tainted("node.kubernetes.io/disk-pressure:NoSchedule")), critical},
		"a taint that is not one":                       {of(ft.Declared(privileged), tainted("", ":NoSchedule", "=:NoSchedule")), critical},
		"only some pods were listed":                    {of(ft.Declared(privileged), tainted(taint), func(s *fact.Set) { s.PodScope = fact.PodsSome }), critical},
		"the nodes were not listed":                     {of(ft.Declared(privileged), func(s *fact.Set) { s.Nodes = nil }), critical},
		"a node of the control plane":                   {of(ft.Declared(privileged), tainted(taint), func(s *fact.Set) { s.Nodes[0].Labels = map[string]string{"node-role.kubernetes.io/control-plane": ""} }), critical},
		"a template asks for nodes":                     {of(ft.Declared(privileged), tolerant("pool", taint)), asked},
		"a template that may run anywhere":              {of(ft.Declared(privileged), tolerant("kubernetes.io/os", taint)), noPods},
		"a template that tolerates everything asks not": {of(ft.Declared(privileged), tolerant("pool", "*")), noPods},
	})
}
