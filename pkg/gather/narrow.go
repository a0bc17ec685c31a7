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
		return "only a store's file"
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
// container even if no pod in the set has it. Below are the pods of named objects, by their
// kind, namespace and name: the top owner of these pods may be another object.
func keepNamed(set *fact.Set, named []fact.Workload, below map[fact.SubjectKey]map[string]bool) {
	set.Workloads = onlyNamed(set.Workloads, named, below)
	set.PodScope = fact.PodsSome
}

// onlyNamed keeps the workloads that were named: directly, by their pods' names, or as an
// object between pods and their top owner. A workload without pods is judged by its own
// template.
func onlyNamed(listed, named []fact.Workload, below map[fact.SubjectKey]map[string]bool) []fact.Workload {
	var kept []fact.Workload
	whole := map[fact.SubjectKey]bool{}
	for _, want := range named {
		key := want.Owner.Identity()
		if whole[key] { // another template of the same object
			continue
		}
		found := false
		pods := below[fact.SubjectKey{Kind: want.Owner.Kind, Namespace: want.Owner.Namespace, Name: want.Owner.Name}]
		for _, w := range listed {
			if w.Owner.Namespace != want.Owner.Namespace {
				continue
			}
			if w.Owner.Kind == want.Owner.Kind && w.Owner.Name == want.Owner.Name {
				kept, found = append(kept, w), true
				continue
			}
			if want.Owner.Kind != fact.SubjectPod {
				if some := podsIn(w.Pods, pods); len(some) > 0 {
					w.Pods = some
					w.Spec.Origin = "pod/" + w.Owner.Namespace + "/" + some[0].Name
					kept, found = append(kept, w), true
				}
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
		whole[key] = found
	}
	manifest.Sort(kept)
	return kept
}

// clusterObjects are the gaps of named objects that are in no namespace. They can have pods
// in each of them, and a run with names looks at one.
func clusterObjects(named []fact.Workload, namespace string) []fact.Gap {
	var gaps []fact.Gap
	seen := map[fact.SubjectKey]bool{}
	for i := range named {
		owner := named[i].Owner
		if key := owner.Identity(); owner.Namespace != "" || seen[key] {
			continue
		}
		seen[owner.Identity()] = true
		gaps = append(gaps, fact.Gap{
			What: fact.Pods, Subject: fact.Subject{Kind: owner.Kind, Name: owner.Name}, Reason: fact.Unsupported,
			Detail: "an object of the cluster can have pods in every namespace, and only its own template and pods of namespace " + namespace + " were looked at",
			Hint:   "name the pods, or run it without names for all namespaces (-A)",
		})
	}
	return gaps
}

// podsIn returns the pods that have one of the names.
func podsIn(pods []fact.Pod, names map[string]bool) []fact.Pod {
	if len(names) == 0 {
		return nil
	}
	var out []fact.Pod
	for i := range pods {
		if names[pods[i].Name] {
			out = append(out, pods[i])
		}
	}
	return out
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

// KeepNamespace keeps only the Secrets, service account tokens and ConfigMaps of one
// namespace, or all of them for "". What is only counted stays counted, because any of it
// may be in this namespace: what was cut from a list, and values without a name.
func KeepNamespace(set *fact.Set, namespace string) {
	if namespace == "" {
		return
	}
	keepObjects(set, namespace)
	narrow := func(db *fact.EtcdDB) {
		if db.History != nil {
			history := *db.History
			// It counts the plaintext of all namespaces, each entry its own.
			for i := range db.Secrets {
				if s := &db.Secrets[i]; s.Namespace != namespace {
					history.Plaintext -= int(s.Older)
				}
			}
			for _, d := range history.Deleted {
				if d.Namespace != namespace {
					history.Plaintext -= d.Plaintext
				}
			}
			history.Plaintext = max(history.Plaintext, 0)
			history.Deleted, history.DeletedTotal = keptSecrets(history.Deleted, history.DeletedTotal, func(s *fact.DeletedSecret) bool { return s.Namespace == namespace })
			db.History = &history
		}
		db.Secrets, db.Total = keptSecrets(db.Secrets, db.Total, func(s *fact.StoredSecret) bool { return s.Namespace == namespace })
		db.Remains = slices.Clone(db.Remains)
		for i := range db.Remains {
			r := &db.Remains[i]
			keepValues(namespace, &r.Values, &r.Secrets, &r.SecretsTotal)
		}
	}
	if set.Snapshot != nil {
		narrow(set.Snapshot)
	}
	for i := range set.Nodes {
		m := set.Nodes[i].Measured
		if m == nil {
			continue
		}
		for j := range m.Etcd {
			narrow(&m.Etcd[j])
		}
		for j := range m.Backups {
			b := &m.Backups[j]
			keepValues(namespace, &b.Values, &b.Secrets, &b.SecretsTotal)
		}
	}
}

// keepObjects keeps what the API server, or files, say of one namespace.
func keepObjects(set *fact.Set, namespace string) {
	set.Secrets, _ = keptSecrets(set.Secrets, len(set.Secrets), func(s *fact.SecretName) bool { return s.Namespace == namespace })
	set.Namespaces, _ = keptSecrets(set.Namespaces, len(set.Namespaces), func(n *fact.Namespace) bool { return n.Name == namespace })
	set.LegacyTokens, _ = keptSecrets(set.LegacyTokens, len(set.LegacyTokens), func(t *fact.ServiceAccountToken) bool { return t.Namespace == namespace })
	if set.ConfigMaps != nil {
		scan := *set.ConfigMaps
		scan.Found, scan.Total = keptSecrets(scan.Found, scan.Total, func(e *fact.ConfigMapEntry) bool { return e.Namespace == namespace })
		set.ConfigMaps = &scan
	}
	if set.ImageScan != nil {
		scan := *set.ImageScan
		scan.Reports, _ = keptSecrets(scan.Reports, len(scan.Reports), func(r *fact.ImageReport) bool { return r.Namespace == namespace })
		// Policies of the cluster hold there too.
		scan.Policies, _ = keptSecrets(scan.Policies, len(scan.Policies), func(p *fact.ImagePolicy) bool { return p.Namespace == "" || p.Namespace == namespace })
		set.ImageScan = &scan
	}
	if set.Enforcement != nil {
		enforcement := *set.Enforcement
		enforcement.DryRuns, _ = keptSecrets(enforcement.DryRuns, len(enforcement.DryRuns), func(d *fact.DryRun) bool { return d.Namespace == namespace })
		enforcement.Predicted, _ = keptSecrets(enforcement.Predicted, len(enforcement.Predicted), func(d *fact.DryRun) bool { return d.Namespace == namespace })
		set.Enforcement = &enforcement
	}
	stores := slices.Clone(set.SecretStores)
	for i := range stores {
		stores[i].Resources = slices.Clone(stores[i].Resources)
		for j := range stores[i].Resources {
			r := &stores[i].Resources[j]
			r.Classes, _ = keptSecrets(r.Classes, len(r.Classes), func(c *fact.StoreClass) bool { return c.Namespace == namespace })
		}
	}
	set.SecretStores = stores
}

// keptSecrets keeps what is wanted of a list. The number of those that the list does
// not have stays.
func keptSecrets[T any](list []T, total int, wanted func(*T) bool) (kept []T, left int) {
	for i := range list {
		if wanted(&list[i]) {
			kept = append(kept, list[i])
		}
	}
	return kept, total - len(list) + len(kept)
}

// keepValues keeps the values of one namespace's Secrets, and those without a name.
func keepValues(namespace string, values *int, list *[]fact.RemainingSecret, total *int) {
	kept, left := keptSecrets(*list, *total, func(s *fact.RemainingSecret) bool { return s.Namespace == namespace })
	for i := range *list {
		if s := &(*list)[i]; s.Namespace != namespace {
			*values -= s.Values
		}
	}
	*values = max(*values, 0)
	*list, *total = kept, left
}
