// Package storage finds the API servers and etcd members that serve this
// cluster's storage on a node, and reads how Secrets are stored, who can read
// the files, and what the audit log gets of them.
//
//	servers.go        which processes are API servers, and their flags
//	openshift.go      flags in a file of OpenShift's
//	k3s.go            the API server inside k3s
//	configuration.go  the encryption configuration, and when its path changed
//	audit.go          the audit policy (package auditpolicy reads it), and the log's file
//	databases.go      etcd's and kine's databases
//	beside.go         files next to a database that hold older values
//	files.go          who can read them
//	swap.go           whether Secret volumes can be swapped out
package storage

import (
	"context"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/crash"
)

// Reader reads the kinds of the cluster's storage, but for backups and for how servers are
// reached.
type Reader struct{}

// Kinds are those that it reads.
func (Reader) Kinds() []fact.Kind {
	return fact.Subtract(fact.KindsOf(fact.OfStorage), []fact.Kind{fact.Backups, fact.ServerTLS, fact.ServerSettings})
}

// Read looks for servers among the processes.
func (r Reader) Read(ctx context.Context, pass *reader.Pass) {
	if !slices.ContainsFunc(r.Kinds(), pass.Ledger.Wants) {
		return
	}
	if pass.Ledger.Wants(fact.Swap) {
		pass.Task(ctx, func(context.Context, []byte) {
			guarded(pass, []fact.Kind{fact.Swap}, func() { readSwap(pass) })
		})
	}
	if !slices.ContainsFunc(fact.Subtract(r.Kinds(), []fact.Kind{fact.Swap}), pass.Ledger.Wants) {
		return
	}
	pass.Task(ctx, func(ctx context.Context, buf []byte) {
		candidates := candidatesOf(pass.Processes)
		var servers []*server
		guarded(pass, []fact.Kind{fact.EncryptionConfig, fact.AuditPolicies}, func() {
			servers = readServers(ctx, pass, candidates, buf)
			if ctx.Err() == nil {
				pass.Ledger.Done(fact.EncryptionConfig)
				pass.Ledger.Done(fact.AuditPolicies)
			}
		})
		if ctx.Err() == nil {
			guarded(pass, []fact.Kind{fact.Etcd, fact.Residue, fact.StorageFiles}, func() { readDatabases(ctx, pass, candidates, servers, buf) })
		}
	})
}

// guarded does one part. If the program panics, that is a gap for its kinds, and the
// other parts go on.
func guarded(pass *reader.Pass, kinds []fact.Kind, do func()) {
	defer func() {
		if v := recover(); v != nil {
			for _, kind := range kinds {
				pass.Ledger.Gap(fact.NodeGap{What: kind, Reason: fact.Unsupported, Detail: "a bug in this program, not on the node: " + crash.Describe(v)})
				pass.Ledger.Missed(kind)
			}
		}
	}()
	do()
}

// candidatesOf leaves out the processes of ordinary pods. A control plane there is
// another cluster's (vcluster, Kamaji, HyperShift): this cluster's own runs on the host
// or as static pods, whose "UID" is a hash. A cluster whose own API server runs in
// ordinary pods gets no answer here rather than a wrong one.
func candidatesOf(all []*proctable.Process) []*proctable.Process {
	return slices.DeleteFunc(slices.Clone(all), func(p *proctable.Process) bool {
		return p.Identity.Kubernetes && procfs.IsUID(p.Identity.PodUID)
	})
}
