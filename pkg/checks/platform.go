package checks

import (
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/waiver"
)

// platform says which namespaces are the platform's.
type platform struct {
	providers []string
	globs     []string // of the user
}

func platformOf(set *fact.Set) platform { return platform{Platforms(set), set.PlatformNamespaces} }

func (p *platform) has(namespace string) bool {
	if fact.PlatformNamespace("", namespace) {
		return true
	}
	return slices.ContainsFunc(p.providers, func(name string) bool { return fact.PlatformNamespace(name, namespace) }) ||
		slices.ContainsFunc(p.globs, func(glob string) bool { return waiver.Glob(glob, namespace) })
}

// Platforms names whose namespaces are the platform's here: the provider, and what runs on top of
// it. The mark is one that who may only create namespaces cannot make: the server's version, or
// labels of most nodes. Clusters that were imported into Rancher have no such mark: there the user
// names the namespaces.
func Platforms(set *fact.Set) []string {
	names := []string{Provider(set)}
	if strings.Contains(set.Cluster.Version, "+IKS") {
		names = append(names, "iks")
	}
	if most(set.Nodes, labelled("rke.cattle.io/")) { // rke.cattle.io/machine, of machines that Rancher made
		names = append(names, "rancher")
	}
	return names
}

// most reports whether something is so of most nodes.
func most(nodes []fact.Node, is func(*fact.Node) bool) bool {
	n := 0
	for i := range nodes {
		if is(&nodes[i]) {
			n++
		}
	}
	return 2*n > len(nodes)
}
