package workloadkind

import (
	"slices"
	"strings"
	"testing"
)

// Kinds that hold pods are read on a cluster, policies and copies are not.
func TestOnCluster(t *testing.T) {
	for name, tc := range map[string]struct {
		group, kind string
		read, known bool
	}{
		"a Rollout":                        {"argoproj.io", "Rollout", true, true},
		"a group by pattern":               {"kibana.k8s.elastic.co", "Kibana", true, true},
		"pods that kpack makes":            {"kpack.io", "Image", true, true},
		"a policy":                         {"kyverno.io", "ClusterPolicy", false, true},
		"any kind of a policy's group":     {"policies.kyverno.io", "ValidatingPolicy", false, true},
		"what only changes pods of others": {"cert-manager.io", "Issuer", false, true},
		"a copy":                           {"operators.coreos.com", "ClusterServiceVersion", false, true},
		"what nobody knows":                {"example.org", "Gadget", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			if read, known := OnCluster(tc.group, tc.kind); read != tc.read || known != tc.known {
				t.Errorf("read %t, known %t", read, known)
			}
		})
	}
}

// Every kind of the table that is read has a resource, once, with a name that RBAC takes.
func TestResources(t *testing.T) {
	all := Resources()
	for _, want := range []Resource{
		{"argoproj.io", "rollouts", "Rollout"},
		{"argoproj.io", "eventbus", "EventBus"},
		{"jenkins.io", "jenkins", "Jenkins"},
		{"agents.x-k8s.io", "sandboxes", "Sandbox"},
		{"elasticsearch.k8s.elastic.co", "elasticsearches", "Elasticsearch"},
		{"shipwright.io", "clusterbuildstrategies", "ClusterBuildStrategy"},
		{"serving.knative.dev", "revisions", "Revision"},
		{"monitoring.coreos.com", "prometheuses", "Prometheus"},
		{"batch.volcano.sh", "jobs", "Job"},
	} {
		if !slices.Contains(all, want) {
			t.Errorf("%+v is missing", want)
		}
	}
	for i, r := range all {
		if i > 0 && r == all[i-1] || r.Group == "" || strings.ContainsAny(r.Group+r.Resource, "* ") || r.Resource != strings.ToLower(r.Resource) {
			t.Errorf("%+v", r)
		}
	}
	for i := range table {
		for _, kind := range table[i].Kinds {
			if read, _ := OnCluster(table[i].Group, kind); read && !builtinGroup(table[i].Group) && !strings.HasPrefix(table[i].Group, "*") &&
				!slices.Contains(all, Resource{table[i].Group, plural(kind), kind}) {
				t.Errorf("%s %s has no resource", table[i].Group, kind)
			}
		}
	}
	if len(all) < 100 {
		t.Errorf("only %d resources", len(all))
	}
}
