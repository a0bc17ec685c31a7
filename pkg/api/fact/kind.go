package fact

import "slices"

// Kind names a group of facts that is read as a whole, or not at all. A check names
// the kinds that it needs. A Gap names the kind that is missing.
type Kind string

// The kinds.
const (
	Pods             Kind = "pods"              // pods, their owners and specs
	Nodes            Kind = "nodes"             // Node objects
	Secrets          Kind = "secrets"           // names of Secrets
	LegacyTokens     Kind = "legacy-tokens"     // Secrets of type service-account-token
	ConfigMaps       Kind = "configmaps"        // credentials in the data of ConfigMaps
	SecretStores     Kind = "secret-stores"     // external stores and injectors of Secrets
	Templates        Kind = "templates"         // pod templates of controllers and custom resources
	Namespaces       Kind = "namespaces"        // namespaces with their Pod Security labels
	ImageReports     Kind = "image-reports"     // reports of image scanners, and image policies
	Enforcing        Kind = "enforcement"       // what refuses pods, and what stops new programs
	Processes        Kind = "processes"         // status and cgroup of every process
	Mounts           Kind = "mounts"            // mountinfo of every container
	Executables      Kind = "executables"       // exe links, and where each file comes from
	Upperdir         Kind = "upperdir"          // the writable layer of every container
	Devices          Kind = "devices"           // /dev of every container
	Images           Kind = "images"            // what is installed in every container
	Environment      Kind = "environment"       // credentials in the environment of processes
	Kernel           Kind = "kernel"            // running and installed kernels
	CPU              Kind = "cpu"               // what the kernel says of the processor's vulnerabilities
	Libraries        Kind = "libraries"         // what the host's own processes run
	Packages         Kind = "packages"          // package database and index
	Inventory        Kind = "inventory"         // the list of installed packages
	Etcd             Kind = "etcd"              // the stored bytes of Secrets
	EncryptionConfig Kind = "encryption-config" // the API server's provider configuration
	Residue          Kind = "residue"           // what lies in the store's files beside its rows
	Backups          Kind = "backups"           // copies of stores in other places
	StorageFiles     Kind = "storage-files"     // who can read the store's files and its keys
	AuditPolicies    Kind = "audit-policies"    // what the API server logs of Secrets
	Swap             Kind = "swap"              // whether Secret volumes can be swapped out
	NodeTLS          Kind = "node-tls"          // handshakes with the kubelet and other components
	NodeSettings     Kind = "node-settings"     // how kubelet and components are configured
	Certificates     Kind = "certificates"      // certificates on disk, and who can read their keys
	ServerTLS        Kind = "server-tls"        // handshakes with etcd and the API server
	ServerSettings   Kind = "server-settings"   // how etcd and the API server are configured
)

// Holder says what a kind of facts is about, and so who can provide it.
type Holder string

// The holders.
const (
	OfCluster   Holder = "cluster"   // the API provides it
	OfContainer Holder = "container" // every node provides it, for each of its containers
	OfHost      Holder = "host"      // every node provides it, for itself
	OfStorage   Holder = "storage"   // nodes of the control plane provide it, for the cluster
)

// KindInfo describes a kind.
type KindInfo struct {
	Kind   Kind
	Holder Holder
	// Level is the least probe level that reads it. LevelAPI needs no probe.
	Level Level
}

// Table is the only list of kinds, in the order in which they are printed. Every
// other list of kinds is derived from it, so a new kind is one line here. Only a test
// changes it.
var Table = []KindInfo{
	{Pods, OfCluster, LevelAPI},
	{Nodes, OfCluster, LevelAPI},
	{Secrets, OfCluster, LevelAPI},
	{LegacyTokens, OfCluster, LevelAPI},
	{ConfigMaps, OfCluster, LevelAPI},
	{SecretStores, OfCluster, LevelAPI},
	{Templates, OfCluster, LevelAPI},
	{Namespaces, OfCluster, LevelAPI},
	{ImageReports, OfCluster, LevelAPI},
	{Enforcing, OfCluster, LevelAPI},
	{Processes, OfContainer, LevelProc},
	{Mounts, OfContainer, LevelProc},
	{Executables, OfContainer, LevelFull},
	{Upperdir, OfContainer, LevelFull},
	{Devices, OfContainer, LevelFull},
	{Images, OfContainer, LevelFull},
	{Environment, OfContainer, LevelFull},
	{Kernel, OfHost, LevelFull},
	{CPU, OfHost, LevelProc},
	{Libraries, OfHost, LevelFull},
	{Packages, OfHost, LevelFull},
	{Inventory, OfHost, LevelFull},
	{NodeTLS, OfHost, LevelNet},
	{NodeSettings, OfHost, LevelFull},
	{Certificates, OfHost, LevelFull},
	{Etcd, OfStorage, LevelFull},
	{EncryptionConfig, OfStorage, LevelFull},
	{Residue, OfStorage, LevelFull},
	{Backups, OfStorage, LevelFull},
	{StorageFiles, OfStorage, LevelFull},
	{AuditPolicies, OfStorage, LevelFull},
	{Swap, OfStorage, LevelFull},
	{ServerTLS, OfStorage, LevelNet},
	{ServerSettings, OfStorage, LevelFull},
}

// Kinds lists every kind in the order of the table.
func Kinds() []Kind { return kindsWhere(func(KindInfo) bool { return true }) }

// KindsOf lists the kinds of some holders.
func KindsOf(holders ...Holder) []Kind {
	return kindsWhere(func(i KindInfo) bool { return slices.Contains(holders, i.Holder) })
}

// NodeKinds lists the kinds that only a node can provide.
func NodeKinds() []Kind { return KindsOf(OfContainer, OfHost, OfStorage) }

// KindsAt lists the kinds that a probe of this level reads.
func KindsAt(level Level) []Kind {
	return kindsWhere(func(i KindInfo) bool { return i.Level != LevelAPI && level.reads(i.Level) })
}

// LevelsOf returns the least probe levels that together read all of these kinds: one, or
// one and LevelNet.
func LevelsOf(kinds []Kind) []Level {
	least, net := LevelAPI, false
	for _, i := range Table {
		switch {
		case !slices.Contains(kinds, i.Kind):
		case i.Level == LevelNet:
			net = true
		case !least.reads(i.Level):
			least = i.Level
		}
	}
	switch {
	case net && least == LevelAPI:
		return []Level{LevelNet}
	case net:
		return []Level{least, LevelNet}
	}
	return []Level{least}
}

// reads reports whether a probe of this level reads what needs another level. LevelNet is
// a probe of its own: it reads nothing that the others read, and they nothing of it.
func (l Level) reads(needed Level) bool {
	switch {
	case needed == LevelAPI:
		return true
	case l == LevelNet || needed == LevelNet:
		return l == needed
	}
	return slices.Index(Levels(), l) >= slices.Index(Levels(), needed)
}

func kindsWhere(keep func(KindInfo) bool) []Kind {
	var out []Kind
	for _, i := range Table {
		if keep(i) {
			out = append(out, i.Kind)
		}
	}
	return out
}

// Intersect returns the kinds of a that b has too.
func Intersect(a, b []Kind) []Kind {
	return slices.DeleteFunc(slices.Clone(a), func(k Kind) bool { return !slices.Contains(b, k) })
}

// Subtract returns the kinds of a that b does not have.
func Subtract(a, b []Kind) []Kind {
	return slices.DeleteFunc(slices.Clone(a), func(k Kind) bool { return slices.Contains(b, k) })
}
