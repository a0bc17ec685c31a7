package gather

import (
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/manifest"
)

// Narrowed says in a few words which part of the cluster a run looks at, ""
// for all of it. A selector is one of nodes where the command that read the facts
// is "nodes", else one of pods. Selecting checks is not narrowing: each part of a
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

// keepNamed leaves of the listed workloads those that were named. Then a container
// that no pod in the set has may still be known to the API.
func keepNamed(set *fact.Set, named []fact.Workload) {
	set.Workloads = onlyNamed(set.Workloads, named)
	set.PodScope = fact.PodsSome
}

// onlyNamed keeps the workloads that were named, by themselves or by their
// pods' names; one without pods is judged by its own template.
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

// keepNodesOfPods keeps the nodes on which pods in scope run. Where that is all
// pods, it keeps all nodes: a node without a pod can run containers that the API
// does not know, and what was not looked at must not count as clean.
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

// KeepNamespace leaves of the stored Secrets those of one namespace, all of them
// for "". How many were cut from a list stays known: any of them may be of this
// namespace.
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
