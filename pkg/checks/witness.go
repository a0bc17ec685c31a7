package checks

import (
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// What a node says of the cluster's storage counts only if it is trusted for
// it. Trust comes from the user (--control-plane-node, --local) or from the
// API: a role label, which the admission plugin NodeRestriction refuses to
// kubelets. What a node itself says never makes it a witness.

// StorageWitness reports whether what a node says of the cluster's etcd counts:
// the user named it, or the API lists it with a role of the control plane or of
// etcd. On a managed provider no node counts.
func (v *View) StorageWitness(node *fact.Node) bool {
	return v.witness(node, fact.RoleControlPlane, fact.RoleMaster, fact.RoleEtcd)
}

// ServerWitness reports the same for an API server, which a node with only the
// etcd role does not run.
func (v *View) ServerWitness(node *fact.Node) bool {
	return v.witness(node, fact.RoleControlPlane, fact.RoleMaster)
}

func (v *View) witness(node *fact.Node, roles ...string) bool {
	return !v.Managed && (v.named[node.Name] || node.Listed && fact.HasRole(node.Labels, roles...))
}

// witnessOf is StorageWitness or ServerWitness, by the kind of facts.
func (v *View) witnessOf(kind fact.Kind, node *fact.Node) bool {
	if kind == fact.EncryptionConfig || kind == fact.AuditPolicies {
		return v.ServerWitness(node)
	}
	return v.StorageWitness(node)
}

// Witnesses are the nodes that are trusted for this kind of storage facts.
func (v *View) Witnesses(kind fact.Kind) []*fact.Node {
	var out []*fact.Node
	for i := range v.Nodes {
		if v.witnessOf(kind, &v.Nodes[i]) {
			out = append(out, &v.Nodes[i])
		}
	}
	return out
}

// ofStorage reports whether facts of this kind are about the cluster's storage,
// so that only witnesses can give them.
func ofStorage(kind fact.Kind) bool { return slices.Contains(fact.KindsOf(fact.OfStorage), kind) }

// ofEachNode reports whether a node gives facts of this kind for itself, and not for the cluster:
// every node can hold a copy of a store, and swap. So each node has to give them. Only a witness
// can say that the cluster's own copies were looked for, so they are storage facts all the same.
func ofEachNode(kind fact.Kind) bool { return kind == fact.Backups || kind == fact.Swap }

// OfWitnesses reports whether only nodes of the control plane can give facts of this kind.
func OfWitnesses(kind fact.Kind) bool { return ofStorage(kind) && !ofEachNode(kind) }

// serverOf names the process that facts of a storage kind come from.
var serverOf = map[fact.Kind]string{
	fact.Etcd: "etcd", fact.EncryptionConfig: "kube-apiserver", fact.AuditPolicies: "kube-apiserver", fact.Backups: "etcd",
	fact.ServerTLS: "etcd or kube-apiserver", fact.ServerSettings: "etcd or kube-apiserver",
}

// serves reports whether a node's answer has facts of a storage kind that come from a
// server there.
func serves(m *fact.Measurement, kind fact.Kind) bool {
	switch kind {
	case fact.Etcd:
		return len(m.Etcd) > 0
	case fact.EncryptionConfig, fact.AuditPolicies:
		return len(m.APIServers) > 0
	case fact.ServerTLS:
		return slices.ContainsFunc(m.Listeners, func(l fact.Listener) bool { return l.Purpose.Kind() == kind })
	case fact.ServerSettings:
		return slices.ContainsFunc(m.Components, func(c fact.Component) bool { return c.Program.Kind() == kind })
	}
	return false
}

// providerStatements are what a provider documents. They are details, never a
// pass.
var providerStatements = map[string]string{
	"eks": "EKS runs etcd itself; it documents envelope encryption of all API data from 1.28",
	"gke": "GKE runs etcd itself; it documents encrypted disks, and application-layer encryption if turned on",
	"aks": "AKS runs etcd itself; it documents encrypted disks, and KMS encryption if turned on",
}

// snapshotHint is for a store that no probe can read. It contacts no cluster.
const snapshotHint = "give an etcd snapshot: kubectl checklist secrets --snapshot FILE"

// SnapshotElsewhere is for an etcd that runs on no node of the cluster.
const SnapshotElsewhere = "run etcdctl snapshot save FILE on one of its members, then kubectl checklist secrets --snapshot FILE"

// storageGaps says why the cluster's storage was not read, if no witness has
// read it and no gap of a witness or of the cluster says why. What a node says
// that is not a witness does not matter here, except about its own swap and copies.
func (v *View) storageGaps(kind fact.Kind, said func(kind fact.Kind, node string) bool) []fact.Gap {
	switch {
	case said(kind, ""), v.Snapshot != nil && (kind == fact.Etcd || kind == fact.Residue):
		return nil
	case kind == fact.Residue, kind == fact.StorageFiles:
		// These are about a store, or about an API server's configuration. Where none
		// was found, the gap of that kind says so, and each check that needs these
		// needs that (TestWhatBelongsToAStoreNeedsIt).
		return nil
	case kind == fact.Swap && len(v.Nodes) > 0:
		return nil // each node has read it, or has a gap
	case kind == fact.Swap:
		return []fact.Gap{{What: kind, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: fact.NotPresent, Detail: "no node was measured"}}
	}
	witnesses := v.Witnesses(kind)
	measured := 0
	for _, node := range witnesses {
		m := node.Measured
		if said(kind, node.Name) || m != nil && serves(m, kind) {
			return nil
		}
		if m.HasRead(kind) {
			measured++
		}
	}
	gap := fact.Gap{What: kind, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: fact.NotPresent}
	snapshot := "check its configuration there"
	if serverOf[kind] == "etcd" {
		snapshot = snapshotHint
	}
	elsewhere := ""
	if kind == fact.Etcd {
		elsewhere = v.etcdElsewhere()
	}
	switch {
	case v.Managed:
		gap.Reason, gap.Detail = fact.ProviderManaged, providerStatements[v.Cluster.Provider]
		if kind == fact.ServerTLS || kind == fact.ServerSettings {
			gap.Detail = strings.ToUpper(v.Cluster.Provider) + " runs etcd and the API servers itself, so no node of the cluster shows how they listen"
		}
		gap.Hint = "ask the provider's own API or console; it cannot be measured from the cluster"
	case len(witnesses) == 0 && len(v.Nodes) > 0:
		gap.Detail = "no node has a role label of the control plane, and none was named, so no node is trusted for " + serverOf[kind]
		gap.Hint = "name the nodes that run it: --control-plane-node NAME; if a provider runs it, ask the provider"
	case measured == 0:
		gap.Detail = "no node that runs " + serverOf[kind] + " was measured"
		if kind == fact.Etcd {
			gap.Hint = snapshot
		}
	case kind == fact.Backups:
		return nil // they were looked for, whether or not anything runs there
	case elsewhere != "":
		gap.Detail = "the API server's etcd runs on no node that was measured: --etcd-servers=" + elsewhere
		gap.Hint = SnapshotElsewhere
	case kind == fact.ServerTLS:
		gap.Detail = "no listener of " + serverOf[kind] + " was found on the nodes of the control plane that were measured"
		gap.Hint = "if it runs elsewhere, " + snapshot
	default:
		gap.Detail = "no process of " + serverOf[kind] + " was found on the nodes of the control plane that were measured"
		gap.Hint = "if it runs elsewhere, " + snapshot
	}
	return []fact.Gap{gap}
}

// etcdElsewhere is an API server's --etcd-servers, if all of them are on other
// machines than its own. It is "" if one of them is on the same machine or is not an
// address.
func (v *View) etcdElsewhere() string {
	for _, node := range v.Witnesses(fact.EncryptionConfig) {
		if node.Measured == nil {
			continue
		}
		for i := range node.Measured.APIServers {
			servers := node.Measured.APIServers[i].Flags["etcd-servers"]
			if servers == "" {
				continue
			}
			local := slices.ContainsFunc(strings.Split(servers, ","), func(server string) bool {
				_, host, ok := strings.Cut(server, "://")
				return !ok || strings.HasPrefix(server, "unix") || strings.HasPrefix(host, "localhost") || strings.HasPrefix(host, "127.") || strings.HasPrefix(host, "[::1]")
			})
			if !local {
				return bounded(servers, MaxGapDetail/2)
			}
		}
	}
	return ""
}
