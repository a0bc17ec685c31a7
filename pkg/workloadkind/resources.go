package workloadkind

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// Resource is a resource of an API group, as RBAC names it, and its kind.
type Resource struct{ Group, Resource, Kind string }

// notHere are kinds of which a cluster needs no list: an object says what runs elsewhere, or
// what other objects of the cluster say, too.
var notHere = map[string]bool{
	"operators.coreos.com ClusterServiceVersion":             true, // its Deployments exist, and OLM copies it into each namespace
	"kueue.x-k8s.io Workload":                                true, // a copy of a Job
	"work.open-cluster-management.io ManifestWork":           true, // for another cluster
	"work.open-cluster-management.io ManifestWorkReplicaSet": true,
	// It is a file, which no API server keeps.
	"kubectl-checklist.github.io ChecklistFacts": true,
}

// OnCluster reports whether the table has a kind, and whether its objects have to be read on a
// cluster to know all pod specs there. Policies, and objects that only change the pods of
// others, do not: the pods say what became of them.
func OnCluster(group, kind string) (read, known bool) {
	rows := rowsOf(group, kind)
	if len(rows) == 0 {
		return false, false
	}
	return !notHere[group+" "+kind] && slices.ContainsFunc(rows, makesPods), true
}

// makesPods reports whether objects of a row can make pods.
func makesPods(row *Row) bool {
	return !row.NoShape && (!row.Optional || slices.ContainsFunc(row.Parts, func(p Part) bool { return p.What != Made && p.What != Patch }))
}

// plurals are the resources of kinds that English grammar does not give.
var plurals = map[string]string{"EventBus": "eventbus", "Jenkins": "jenkins"}

// elastic are the groups of the row "*.k8s.elastic.co".
// Source: elastic/cloud-on-k8s, 2026-08; the last two are not checked.
var elastic = map[string]string{
	"Elasticsearch": "elasticsearch", "Kibana": "kibana", "ApmServer": "apm", "Logstash": "logstash", "EnterpriseSearch": "enterprisesearch",
	"ElasticMapsServer": "maps", "Beat": "beat", "Agent": "agent", "PackageRegistry": "packageregistry", "AutoOpsAgentPolicy": "autoops",
}

// Resources lists the resources of all kinds that OnCluster wants to be read and that are not
// built in, sorted. The plural is the usual one of the kind.
func Resources() []Resource {
	var out []Resource
	for i := range table {
		row := &table[i]
		if builtinGroup(row.Group) || !makesPods(row) {
			continue
		}
		for _, kind := range row.Kinds {
			group := row.Group
			if rest, found := strings.CutPrefix(group, "*"); found {
				if group = elastic[kind] + rest; group == rest {
					continue
				}
			}
			if kind != "*" && !notHere[group+" "+kind] {
				out = append(out, Resource{group, plural(kind), kind})
			}
		}
	}
	sorted.Func(out, func(a, b Resource) int {
		return cmp.Or(strings.Compare(a.Group, b.Group), strings.Compare(a.Resource, b.Resource))
	})
	return slices.Compact(out)
}

// plural is the resource of a kind.
func plural(kind string) string {
	if name := plurals[kind]; name != "" {
		return name
	}
	name := strings.ToLower(kind)
	switch {
	case strings.HasSuffix(name, "s"), strings.HasSuffix(name, "x"), strings.HasSuffix(name, "ch"), strings.HasSuffix(name, "sh"):
		return name + "es"
	case strings.HasSuffix(name, "y") && !strings.HasSuffix(name, "ay") && !strings.HasSuffix(name, "ey") && !strings.HasSuffix(name, "oy"):
		return strings.TrimSuffix(name, "y") + "ies"
	}
	return name + "s"
}
