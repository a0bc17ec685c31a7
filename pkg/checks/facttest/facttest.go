// Package facttest makes small sets of facts for the tests of checks: one
// Deployment shop/web with one pod web-1, whose container app runs on node n1.
package facttest

import (
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// The names in every set.
const (
	Node  = "n1"
	Field = "pod/shop/web-1 spec."
	App   = Field + "containers[0]."
	// PID is that of the container's first process.
	PID = 100
)

// ID is the container's; Time is when the facts were collected.
var (
	ID   = strings.Repeat("a", 64)
	Time = fact.NewTime(time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC))
)

// Namespaces and masks of the node.
const (
	UserNS, PIDNS, NetNS, IPCNS         = 4026531837, 4026531836, 4026531840, 4026531839
	OwnPIDNS, OwnNetNS, OwnIPCNS        = 4026532001, 4026532002, 4026532003
	AllCaps                      uint64 = 0x1ffffffffff
	DefaultCaps                  uint64 = 0xa80425fb
)

// Profile is the AppArmor profile that containerd gives to containers.
const Profile = "cri-containerd.apparmor.d (enforce)"

// Ptr is a pointer to a value.
func Ptr[T any](v T) *T { return &v }

// Subject is the container's.
func Subject() fact.Subject {
	s := PodSubject()
	s.Container = "app"
	return s
}

// PodSubject is the Deployment's.
func PodSubject() fact.Subject {
	return fact.Subject{Kind: fact.SubjectDeployment, Namespace: "shop", Name: "web", PodCount: 1, Pods: []string{"web-1"}}
}

// NodeSubject is the node's.
func NodeSubject() fact.Subject { return fact.Subject{Kind: fact.SubjectNode, Name: Node} }

// Declared is a set without a measured node. Edits change the spec.
func Declared(c fact.Container, edits ...func(*fact.PodSpec)) *fact.Set {
	c.Name, c.Type, c.Field = "app", fact.RegularContainer, "spec.containers[0]"
	if c.Image == "" {
		c.Image = "registry.example/shop/web@sha256:" + strings.Repeat("1", 64)
	}
	w := fact.Workload{
		Owner: fact.Subject{Kind: fact.SubjectDeployment, Namespace: "shop", Name: "web"},
		Spec:  fact.PodSpec{Origin: "pod/shop/web-1", Path: "spec", Containers: []fact.Container{c}},
		Pods: []fact.Pod{{
			Name: "web-1", UID: "11111111-1111-1111-1111-111111111111", Node: Node, Phase: "Running",
			Containers: []fact.ContainerStatus{{Name: "app", ID: ID, Running: true}},
		}},
	}
	for _, edit := range edits {
		edit(&w.Spec)
	}
	return &fact.Set{
		CollectedAt:   Time,
		InjectionRead: true, FieldsRead: true, TemplatesRead: true, NamespacesRead: true,
		PodScope:  fact.PodsAll,
		Workloads: []fact.Workload{w},
		Nodes:     []fact.Node{{Name: Node, Listed: true, Ready: true, OS: "linux", Arch: "amd64"}},
	}
}

// Measured is Declared with the node measured and the container running there.
func Measured(m fact.MeasuredContainer, c fact.Container, edits ...func(*fact.PodSpec)) *fact.Set {
	set := Declared(c, edits...)
	m.ID, m.PodUID, m.Kubernetes = ID, set.Workloads[0].Pods[0].UID, true
	set.Nodes[0].Measured = Measurement()
	set.Nodes[0].Measured.Containers = []fact.MeasuredContainer{m}
	return set
}

// Measurement is a node on which every kind was read and nothing runs.
func Measurement() *fact.Measurement {
	return &fact.Measurement{
		Level: fact.LevelFull, At: Time,
		CapLastCap: Ptr(40), HostCapBnd: fact.NewCapMask(AllCaps),
		HostUserNS: UserNS, HostPIDNS: PIDNS, HostNetNS: NetNS, HostIPCNS: IPCNS,
		Read: fact.NodeKinds(),
	}
}

// Remains are the places of an etcd beside its rows, without anything in them.
func Remains() []fact.Remains {
	return []fact.Remains{
		{Place: fact.InFreePages, Path: "/var/lib/etcd/member/snap/db", Scanned: 4096, Complete: true},
		{Place: fact.InPageSlack, Path: "/var/lib/etcd/member/snap/db", Scanned: 4096, Complete: true},
		{Place: fact.BehindEnd, Path: "/var/lib/etcd/member/snap/db", Complete: true},
		{Place: fact.InLog, Path: "/var/lib/etcd/member/wal", Scanned: 64_000_000, Complete: true},
	}
}

// StoreFiles are the files of an etcd that only root can get at.
func StoreFiles() *fact.StoreFiles {
	return &fact.StoreFiles{Dir: fact.FileAccess{Path: "/var/lib/etcd", Dir: true, Mode: 0o700}, Files: 7}
}

// RootFile is a file that only root can get at.
func RootFile(path string) *fact.FileAccess { return &fact.FileAccess{Path: path, Mode: 0o600} }

// Process is a process that holds the runtime's default capabilities and cannot
// gain more.
func Process() fact.Process {
	mask := fact.NewCapMask(DefaultCaps)
	return fact.Process{
		PID: PID, InnerPID: 1, Comm: "web",
		CapInh: fact.NewCapMask(0), CapPrm: mask, CapEff: mask, CapBnd: mask, CapAmb: fact.NewCapMask(0),
		NoNewPrivs: Ptr(false), Seccomp: Ptr(2),
		UserNS: UserNS, PIDNS: OwnPIDNS, NetNS: OwnNetNS, IPCNS: OwnIPCNS, RootUID: Ptr(int64(0)),
		Exe:    &fact.Executable{Path: "/web", Origin: fact.OriginImage, FSType: "overlay", Mount: "/"},
		Mapped: &fact.Mapped{Count: 3},
	}
}

// With is a container of one process, changed by edits.
func With(edits ...func(*fact.Process)) fact.MeasuredContainer {
	p := Process()
	for _, edit := range edits {
		edit(&p)
	}
	return fact.MeasuredContainer{Processes: []fact.Process{p}}
}

// Bare is an edit after which a process is an ordinary user's, holds nothing and can gain
// nothing, under AppArmor.
func Bare(p *fact.Process) {
	none := fact.NewCapMask(0)
	p.UID, p.GID = [4]int64{1000, 1000, 1000, 1000}, [4]int64{1000, 1000, 1000, 1000}
	p.CapPrm, p.CapEff, p.CapBnd, p.NoNewPrivs, p.Label = none, none, none, Ptr(true), Profile
}

// Restricted adds what the restricted Pod Security Standard asks of a container.
func Restricted(c fact.Container) fact.Container {
	c.CapDrop, c.Seccomp = []string{"ALL"}, "RuntimeDefault"
	c.RunAsNonRoot, c.AllowPrivilegeEscalation = Ptr(true), Ptr(false)
	return c
}
