package gather

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

func TestNarrowed(t *testing.T) {
	for want, tc := range map[string]struct {
		command string
		scope   api.Scope
	}{
		"":                                 {"checklist", api.Scope{AllNamespaces: true, Checks: []string{"builds/build-process"}}},
		"only namespace shop":              {"pods", api.Scope{Namespaces: []string{"shop"}}},
		"only namespace shop, web":         {"pods", api.Scope{Namespaces: []string{"shop"}, Names: []string{"web"}}},
		"only pods with labels app=web":    {"checklist", api.Scope{Selector: "app=web"}},
		"only nodes with labels pool=edge": {"nodes", api.Scope{AllNamespaces: true, Selector: "pool=edge"}},
		"only w1, w2":                      {"nodes", api.Scope{Names: []string{"w1", "w2"}}},
		"only pods with fields spec.x=y":   {"pods", api.Scope{FieldSelector: "spec.x=y"}},
		"only what files declare":          {"pods", api.Scope{Files: []string{"a.yaml"}}},
		"only a store's file":              {"secrets", api.Scope{Snapshot: "a.db"}},
		"only node cp1":                    {"checklist", api.Scope{Local: true}},
		"only node cp1, namespace shop":    {"secrets", api.Scope{Local: true, Root: "/mnt", Namespaces: []string{"shop"}}},
	} {
		if got := Narrowed(tc.command, &tc.scope, &fact.Set{Nodes: []fact.Node{{Name: "cp1"}}}); got != want {
			t.Errorf("%+v: want %q, got %q", tc.scope, want, got)
		}
	}
}

// A namespace's Secrets are kept. Secrets that were cut from a list are still counted, so
// that a cut list never looks complete.
func TestKeepNamespace(t *testing.T) {
	db := func(total int) fact.EtcdDB {
		return fact.EtcdDB{Total: total, Secrets: []fact.StoredSecret{{Namespace: "a", Name: "x"}, {Namespace: "b", Name: "y"}}}
	}
	whole, cut := db(2), db(9)
	set := &fact.Set{Snapshot: &whole, Nodes: []fact.Node{{}, {Measured: &fact.Measurement{Etcd: []fact.EtcdDB{cut}}}}}
	KeepNamespace(set, "")
	if len(set.Snapshot.Secrets) != 2 {
		t.Error("all namespaces are narrowed")
	}
	KeepNamespace(set, "a")
	one := []fact.StoredSecret{{Namespace: "a", Name: "x"}}
	if diff := cmp.Diff(fact.EtcdDB{Total: 1, Secrets: one}, *set.Snapshot); diff != "" {
		t.Errorf("a whole list (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(fact.EtcdDB{Total: 8, Secrets: one}, set.Nodes[1].Measured.Etcd[0]); diff != "" {
		t.Errorf("a cut list (-want +got):\n%s", diff)
	}
}

// Of what the API server says too, only this namespace's is kept. Counts are of all.
func TestKeepNamespaceOfObjects(t *testing.T) {
	set := &fact.Set{
		Secrets:      []fact.SecretName{{Namespace: "a", Name: "x"}, {Namespace: "b", Name: "y"}},
		LegacyTokens: []fact.ServiceAccountToken{{Namespace: "b", Name: "y"}, {Namespace: "a", Name: "x"}},
		ConfigMaps:   &fact.ConfigMapScan{Read: 9, Total: 5, Found: []fact.ConfigMapEntry{{Namespace: "a", Key: "k"}, {Namespace: "b", Key: "k"}}},
		SecretStores: []fact.SecretStore{{Name: "csi", Resources: []fact.StoreResource{{Objects: 2, Classes: []fact.StoreClass{{Namespace: "b", Name: "x"}, {Namespace: "a", Name: "y"}}}}}},
		Enforcement:  &fact.Enforcement{User: "jane", DryRuns: []fact.DryRun{{Namespace: "a"}, {Namespace: "b"}}},
	}
	before := set.DeepCopy()
	whole := *set
	KeepNamespace(set, "a")
	want := &fact.Set{
		Secrets:      before.Secrets[:1],
		LegacyTokens: before.LegacyTokens[1:],
		ConfigMaps:   &fact.ConfigMapScan{Read: 9, Total: 4, Found: before.ConfigMaps.Found[:1]},
		SecretStores: []fact.SecretStore{{Name: "csi", Resources: []fact.StoreResource{{Objects: 2, Classes: []fact.StoreClass{{Namespace: "a", Name: "y"}}}}}},
		Enforcement:  &fact.Enforcement{User: "jane", DryRuns: before.Enforcement.DryRuns[:1]},
	}
	if diff := cmp.Diff(want, set); diff != "" {
		t.Errorf("what is kept (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, &whole); diff != "" {
		t.Errorf("the lists that were given changed (-want +got):\n%s", diff)
	}
}

// Of what remains of older values, the names of other namespaces go with their values.
// Values without a name stay, because they may be of this namespace.
func TestKeepNamespaceOfRemains(t *testing.T) {
	names := []fact.RemainingSecret{{Namespace: "a", Name: "x", Values: 2}, {Namespace: "b", Name: "y", Values: 3}}
	set := &fact.Set{Nodes: []fact.Node{{Measured: &fact.Measurement{
		Etcd: []fact.EtcdDB{{
			Secrets: []fact.StoredSecret{{Namespace: "a", Name: "x", Older: 2}, {Namespace: "b", Name: "y", Older: 4}}, Total: 2,
			History: &fact.StoredHistory{
				Plaintext: 16, DeletedTotal: 5,
				Deleted: []fact.DeletedSecret{{Namespace: "a", Name: "old", Plaintext: 1}, {Namespace: "b", Name: "old", Plaintext: 8}},
			},
			Remains: []fact.Remains{{Values: 7, Unnamed: 1, SecretsTotal: 3, Secrets: slices.Clone(names)}},
		}},
		Backups: []fact.Backup{{Values: 6, Unnamed: 1, SecretsTotal: 2, Secrets: slices.Clone(names)}},
	}}}}
	KeepNamespace(set, "a")
	want := &fact.Measurement{
		Etcd: []fact.EtcdDB{{
			Secrets: []fact.StoredSecret{{Namespace: "a", Name: "x", Older: 2}}, Total: 1,
			// One more is of a Secret that no list has.
			History: &fact.StoredHistory{Plaintext: 4, DeletedTotal: 4, Deleted: []fact.DeletedSecret{{Namespace: "a", Name: "old", Plaintext: 1}}},
			Remains: []fact.Remains{{Values: 4, Unnamed: 1, SecretsTotal: 2, Secrets: names[:1]}},
		}},
		Backups: []fact.Backup{{Values: 3, Unnamed: 1, SecretsTotal: 1, Secrets: names[:1]}},
	}
	got := set.Nodes[0].Measured
	if diff := cmp.Diff(want.Etcd, got.Etcd) + cmp.Diff(want.Backups, got.Backups); diff != "" {
		t.Errorf("what is kept (-want +got):\n%s", diff)
	}
}

func TestOnlyNamed(t *testing.T) {
	web := fact.Workload{
		Owner: fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web"},
		Spec:  fact.PodSpec{Origin: "pod/shop/web-1", Path: "spec"},
		Pods:  []fact.Pod{{Name: "web-1"}, {Name: "web-2"}},
	}
	named := func(kind, namespace, name string) []fact.Workload {
		return []fact.Workload{{
			Owner: fact.Subject{Kind: kind, Namespace: namespace, Name: name},
			Spec:  fact.PodSpec{Origin: strings.ToLower(kind) + "/" + namespace + "/" + name, Path: "spec"},
		}}
	}
	second := web
	second.Spec.Origin, second.Pods = "pod/shop/web-2", web.Pods[1:]
	below := map[fact.SubjectKey]map[string]bool{{Kind: "ReplicaSet", Namespace: "shop", Name: "web-abc"}: {"web-2": true}}
	for name, tc := range map[string]struct{ named, want []fact.Workload }{
		"a workload by itself":                        {named("Deployment", "shop", "web"), []fact.Workload{web}},
		"one of its pods, whose own spec is evidence": {named("Pod", "shop", "web-2"), []fact.Workload{second}},
		"one without pods has its template":           {named("Deployment", "shop", "idle"), named("Deployment", "shop", "idle")},
		"an object below the top owner has its pods":  {named("ReplicaSet", "shop", "web-abc"), []fact.Workload{second}},
		"two templates of one object are it once":     {append(named("Deployment", "shop", "web"), named("Deployment", "shop", "web")...), []fact.Workload{web}},
		"the same name elsewhere is another":          {named("Deployment", "prod", "web"), named("Deployment", "prod", "web")},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, onlyNamed([]fact.Workload{web}, tc.named, below)); diff != "" {
				t.Errorf("workloads (-want +got):\n%s", diff)
			}
		})
	}
}

// Pods of an object that is in no namespace can be where a run with names does not look.
func TestClusterObjects(t *testing.T) {
	fleet := fact.Workload{Owner: fact.Subject{Kind: "Fleet", Name: "f"}}
	got := clusterObjects([]fact.Workload{fleet, fleet, {Owner: fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web"}}}, "shop")
	if len(got) != 1 || got[0].Subject.Key() != fleet.Owner.Key() || got[0].What != fact.Pods || !strings.Contains(got[0].Detail, "namespace shop") {
		t.Errorf("gaps %+v", got)
	}
}

// If pods are named, the API may still know a container without a listed pod.
func TestKeepNamed(t *testing.T) {
	set := &fact.Set{PodScope: fact.PodsAll, Workloads: []fact.Workload{
		{Owner: fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "db"}}, {Owner: fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web"}},
	}}
	keepNamed(set, []fact.Workload{{Owner: fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web"}}}, nil)
	if len(set.Workloads) != 1 || set.Workloads[0].Owner.Name != "web" || set.PodScope != fact.PodsSome {
		t.Errorf("workloads %+v, scope of pods %q", set.Workloads, set.PodScope)
	}
}

func TestKeepNodesOfPods(t *testing.T) {
	for scope, want := range map[fact.PodScope][]string{
		fact.PodsSome: {"w1"},
		fact.PodsAll:  {"empty", "w1"}, // pods -A --measure: the answer may be yes
	} {
		set := &fact.Set{
			PodScope:  scope,
			Nodes:     []fact.Node{{Name: "empty"}, {Name: "w1"}},
			Workloads: []fact.Workload{{Pods: []fact.Pod{{Name: "web-1", Node: "w1"}, {Name: "pending"}}}},
		}
		keepNodesOfPods(set)
		var got []string
		for _, n := range set.Nodes {
			got = append(got, n.Name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", scope, diff)
		}
	}
}
