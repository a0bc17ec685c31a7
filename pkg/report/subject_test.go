package report

import (
	"fmt"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/screen"
)

func TestPlural(t *testing.T) {
	for noun, want := range map[string]string{
		"Secret": "Secrets", "DaemonSet": "DaemonSets", "NetworkPolicy": "NetworkPolicies", "Gateway": "Gateways", "Ingress": "Ingresses",
		"StorageClass": "StorageClasses", "Endpoints": "Endpoints", "Prometheus": "Prometheuses", "Mailbox": "Mailboxes", "Switch": "Switches",
		"node": "nodes", "": "s",
	} {
		if got := plural(noun); got != want {
			t.Errorf("%q: want %q, got %q", noun, want, got)
		}
	}
	if got := count(1, "NetworkPolicy"); got != "1 NetworkPolicy" {
		t.Errorf("got %q", got)
	}
	if got := count(10000, "Secret"); got != "10,000 Secrets" {
		t.Errorf("got %q", got)
	}
}

func TestSubjectsFit(t *testing.T) {
	one := subjects{objects: []fact.Subject{{Kind: "Pod", Namespace: "gitlab", Name: "runner-abc-00022"}}, containers: []string{"svc-0", "svc-1"}}
	app := subjects{objects: []fact.Subject{{Kind: "Pod", Namespace: "shop", Name: "web-12345678"}}, containers: []string{"app"}}
	sets := subjects{objects: []fact.Subject{
		{Kind: "DaemonSet", Namespace: "kube-system", Name: "calico-node"}, {Kind: "DaemonSet", Namespace: "kube-system", Name: "kube-proxy"},
	}}
	mixed := subjects{objects: []fact.Subject{
		{Kind: "Job", Namespace: "ci", Name: "build"}, {Kind: "ReplicaSet", Namespace: "ci", Name: "a"}, {Kind: "ReplicaSet", Namespace: "shop", Name: "b"},
	}}
	long := subjects{objects: []fact.Subject{
		{Kind: "ReplicaSet", Namespace: "gitlab", Name: "gitlab-runner-7c9f5b8d6c"}, {Kind: "ReplicaSet", Namespace: "shop", Name: "web-7c9f5b8d6c"},
	}}
	var many subjects
	for i := range 40 {
		many.objects = append(many.objects, fact.Subject{Kind: "Secret", Namespace: fmt.Sprintf("team-%d", i/20), Name: fmt.Sprintf("s%d", i)})
	}
	for _, tc := range []struct {
		subjects subjects
		width    int
		want     string
	}{
		{one, 80, "pod/gitlab/runner-abc-00022:svc-0,svc-1"},
		{one, 30, "pod/gitlab/runner-abc-00022"},
		{one, 20, "pod/gitlab/r...00022"},
		{app, 24, "pod/shop/web-1...678:app"},
		{sets, 80, "2 DaemonSets (kube-system/calico-node, kube-proxy)"},
		{sets, 45, "2 DaemonSets (kube-system/calico-node, ...)"},
		{sets, 40, "2 DaemonSets (calico-node, kube-proxy)"},
		{sets, 32, "2 DaemonSets (calico-node, ...)"},
		{sets, 20, "2 DaemonSets"},
		{long, 36, "2 ReplicaSets (gitlab-r...8d6c, ...)"},
		{sets, 8, "2 Dae..."},
		{mixed, 80, "2 ReplicaSets, 1 Job (ci/build, a, shop/b)"},
		{many, 200, "40 Secrets (team-0/s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, ...)"},
		{many, 30, "40 Secrets (team-0/s0, ...)"},
	} {
		got := tc.subjects.fit(tc.width)
		if got != tc.want || screen.Width(got) > tc.width {
			t.Errorf("%d columns: want %q, got %q", tc.width, tc.want, got)
		}
	}
	if got, want := many.String(), "40 Secrets (team-0/s0, s1, s2, ...)"; got != want {
		t.Errorf("want %q, got %q", want, got)
	}
}
