package gather

import (
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/manifest"
)

// Narrowed says in a few words which part of the cluster a run looks at. It returns
// "" for the whole cluster. If the command that read the facts is "nodes", a selector
// selects nodes, otherwise pods. Selecting checks is not narrowing: each part of a
// question says which of its checks did not run.
func Narrowed(command string, scope *api.Scope, set *fact.Set) string {
	what := "pods"
	if command == "nodes" {
		what = "nodes"
	}
	var words []string
	switch {
	case len(scope.Files) > 0:
		return "only what files declare"
	case scope.Snapshot != "":
		return "only an etcd file"
	case scope.Local && len(set.Nodes) == 1:
		words = append(words, "node "+set.Nodes[0].Name)
	case scope.Local:
		words = append(words, "one machine")
	}
	if len(scope.Namespaces) > 0 {
		words = append(words, "namespace "+strings.Join(scope.Namespaces, ", "))
	}
	if len(scope.Names) > 0 {
		words = append(words, strings.Join(scope.Names, ", "))
	}
	if scope.Selector != "" {
		words = append(words, what+" with labels "+scope.Selector)
	}
	if scope.FieldSelector != "" {
		words = append(words, what+" with fields "+scope.FieldSelector)
	}
	if len(words) == 0 {
		return ""
	}
	return "only " + strings.Join(words, ", ")
}

// keepNamed keeps only the listed workloads that were named. Then the API may know a
// container even if no pod in the set has it.
func keepNamed(set *fact.Set, named []fact.Workload) {
	set.Workloads = onlyNamed(set.Workloads, named)
	set.PodScope = fact.PodsSome
}

// onlyNamed keeps the workloads that were named, directly or by their pods' names. A
// workload without pods is judged by its own template.
func onlyNamed(listed, named []fact.Workload) []fact.Workload {
	var kept []fact.Workload
	for _, want := range named {
		found := false
		for _, w := range listed {
			if w.Owner.Namespace != want.Owner.Namespace {
				continue
			}
			if w.Owner.Kind == want.Owner.Kind && w.Owner.Name == want.Owner.Name {
				kept, found = append(kept, w), true
				continue
			}
			if want.Owner.Kind != fact.SubjectPod {
				continue
			}
			if i := slices.IndexFunc(w.Pods, func(p fact.Pod) bool { return p.Name == want.Owner.Name }); i >= 0 {
				w.Pods = w.Pods[i : i+1]
				w.Spec.Origin = want.Spec.Origin // evidence names the pod that was asked about
				kept, found = append(kept, w), true
			}
		}
		if !found {
			kept = append(kept, want)
		}
	}
	manifest.Sort(kept)
	return kept
}

// keepNodesOfPods keeps the nodes on which pods in scope run. If all pods are in
// scope, it keeps all nodes. A node without pods can run containers that the API does
// not know, and what was not looked at must not count as clean.
func keepNodesOfPods(set *fact.Set) {
	if set.PodScope == fact.PodsAll {
		return
	}
	used := map[string]bool{}
	for _, w := range set.Workloads {
		for _, p := range w.Pods {
			used[p.Node] = true
		}
	}
	set.Nodes = slices.DeleteFunc(set.Nodes, func(n fact.Node) bool { return !used[n.Name] })
}

// KeepNamespace keeps only the stored Secrets of one namespace, or all of them for
// "". The number of Secrets that were cut from a list stays, because any of them may
// be in this namespace.
func KeepNamespace(set *fact.Set, namespace string) {
	if namespace == "" {
		return
	}
	narrow := func(db *fact.EtcdDB) {
		unlisted := db.Total - len(db.Secrets)
		var kept []fact.StoredSecret
		for _, s := range db.Secrets {
			if s.Namespace == namespace {
				kept = append(kept, s)
			}
		}
		db.Secrets, db.Total = kept, len(kept)+unlisted
	}
	if set.Snapshot != nil {
		narrow(set.Snapshot)
	}
	for i := range set.Nodes {
		if m := set.Nodes[i].Measured; m != nil {
			for j := range m.Etcd {
				narrow(&m.Etcd[j])
			}
		}
	}
}
