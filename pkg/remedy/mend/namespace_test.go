package mend

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestNamespaceLabels(t *testing.T) {
	const prefix = "pod-security.kubernetes.io/"
	workload := func(name string, c fact.Container, edits ...func(*fact.PodSpec)) fact.Workload {
		w := ft.Declared(c, edits...).Workloads[0]
		w.Owner.Name = name
		return w
	}
	restricted := workload("restricted", ft.Restricted(fact.Container{}))
	baseline := workload("baseline", fact.Container{})
	privileged := workload("privileged", fact.Container{Privileged: ft.Ptr(true)})
	partial := workload("partial", ft.Restricted(fact.Container{}), func(s *fact.PodSpec) { s.Partial = "a part" })
	all := func(enforce, next string) map[string]string {
		out := map[string]string{prefix + "warn": next, prefix + "warn-version": "v1.37", prefix + "audit": next, prefix + "audit-version": "v1.37"}
		if enforce != "" {
			out[prefix+"enforce"], out[prefix+"enforce-version"] = enforce, "v1.37"
		}
		return out
	}
	for name, tc := range map[string]struct {
		namespace fact.Namespace
		workloads []fact.Workload
		want      map[string]string
	}{
		"all reach restricted":                  {fact.Namespace{Name: "shop"}, []fact.Workload{restricted}, all("restricted", "restricted")},
		"one reaches baseline":                  {fact.Namespace{Name: "shop"}, []fact.Workload{restricted, baseline}, all("baseline", "restricted")},
		"one is privileged: nothing to enforce": {fact.Namespace{Name: "shop"}, []fact.Workload{restricted, privileged}, all("", "baseline")},
		"one is known in part":                  {fact.Namespace{Name: "shop"}, []fact.Workload{restricted, partial}, nil},
		"no workload":                           {fact.Namespace{Name: "shop"}, nil, nil},
		"what enforces more is not weakened":    {fact.Namespace{Name: "shop", Enforce: "restricted", EnforceVersion: "v1.37"}, []fact.Workload{baseline}, all("", "restricted")},
		"latest follows the server":             {fact.Namespace{Name: "shop", Enforce: "restricted", Warn: "restricted", Audit: "restricted"}, []fact.Workload{restricted}, nil},
		"a word that is no level":               {fact.Namespace{Name: "shop", Enforce: "strict"}, []fact.Workload{baseline}, all("baseline", "restricted")},
		"an older version":                      {fact.Namespace{Name: "shop", Enforce: "restricted", EnforceVersion: "v1.20", Warn: "restricted", Audit: "restricted"}, []fact.Workload{restricted}, map[string]string{prefix + "enforce-version": "v1.37"}},
	} {
		t.Run(name, func(t *testing.T) {
			set := &fact.Set{Cluster: fact.Cluster{Version: "v1.37.2"}, Namespaces: []fact.Namespace{tc.namespace}, Workloads: tc.workloads}
			got := Namespaces(set)
			switch {
			case tc.want == nil && len(got) == 0:
			case len(got) != 1:
				t.Fatalf("%+v", got)
			case !maps.Equal(got[0].Labels, tc.want):
				t.Errorf("got %v\nwant %v", got[0].Labels, tc.want)
			case got[0].Because == "" || (got[0].Breaks != "") != (tc.want[prefix+"enforce"] != ""):
				t.Errorf("%+v", got[0])
			}
		})
	}
	// An empty namespace is one only if all pods were listed.
	empty := &fact.Set{Cluster: fact.Cluster{Version: "v1.37.2"}, Namespaces: []fact.Namespace{{Name: "default"}}, PodScope: fact.PodsAll}
	if got := Namespaces(empty); len(got) != 1 || !maps.Equal(got[0].Labels, all("restricted", "restricted")) || !strings.HasPrefix(got[0].Because, "No workload is in it now") {
		t.Errorf("an empty namespace: %+v", got)
	}
	// The provider's own namespaces are left alone.
	kube := restricted
	kube.Owner.Namespace = "kube-system"
	if got := Namespaces(&fact.Set{Namespaces: []fact.Namespace{{Name: "kube-system"}}, Workloads: []fact.Workload{kube}}); len(got) > 0 {
		t.Errorf("%+v", got)
	}
	commands := LabelCommands([]Labels{
		{Namespace: "shop", Labels: map[string]string{prefix + "warn": "restricted", prefix + "enforce": "baseline"}, Because: "All 2 reach it.", Breaks: "A pod\nis refused."},
		{Namespace: "$(id)", Labels: map[string]string{prefix + "warn": "restricted"}},
	})
	script := (&Runbook{Steps: commands}).Script()
	parse(t, script)
	if want := "\nkubectl label --overwrite namespace shop " + prefix + "enforce=baseline " + prefix + "warn=restricted\n"; !strings.Contains(script, want) || strings.Contains(script, "id)") || strings.Contains(script, "\nis refused") {
		t.Errorf("%s\nwant %s", script, want)
	}
	// After their mends, workloads reach more.
	set := &fact.Set{Cluster: fact.Cluster{Version: "v1.37.2"}, Namespaces: []fact.Namespace{{Name: "shop"}}}
	m := New(set)
	mends, _ := m.For(&privileged, judgeDeclared(privileged))
	l := m.Levels()
	l.Add(&privileged, mends...)
	if got := l.Labels(); len(got) != 1 || got[0].Labels[prefix+"enforce"] != "restricted" {
		t.Errorf("%+v", got)
	}
}

// What the user says is the platform gets no label, and no policy is for it.
func TestPlatformOfTheUserIsLeftOut(t *testing.T) {
	infra := ft.Declared(ft.Restricted(fact.Container{})).Workloads[0]
	infra.Owner.Namespace = "infra-dns"
	set := &fact.Set{
		PlatformNamespaces: []string{"infra-*"}, Namespaces: []fact.Namespace{{Name: "infra-dns"}, {Name: "shop"}},
		Workloads: []fact.Workload{infra}, PodScope: fact.PodsSome,
	}
	if got := Namespaces(set); len(got) > 0 {
		t.Errorf("labels: %+v", got)
	}
	if got := New(set).Platform(); !slices.Equal(got, []string{"infra-dns"}) {
		t.Errorf("platform: %v", got)
	}
}
