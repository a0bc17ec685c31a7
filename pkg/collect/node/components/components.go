// Package components reads how the programs of the cluster on a node are set up for
// connections: flags, configuration files, and the TCP sockets on which they listen.
//
//	components.go   the reader, and what is read of each program
//	programs.go     which process is which program
//	flags.go        the settings that are kept of each, and the spellings of flags
//	settings.go     settings with their sources
//	apiserver.go    kube-apiserver, and OpenShift's file with its flags
//	etcd.go         etcd's flags, variables and file
//	kubelet.go      the kubelet's file and drop-ins, and its defaults, which depend on them
//	kubeconfig.go   which API server a kubeconfig names
//	k3s.go          the programs inside k3s, and RKE2's supervisor
//	runtimes.go     the streaming servers of containerd and CRI-O
//	sockets.go      listening sockets
//	proxies.go      what stands before the API server on the node
//
// Only settings on a list are kept, and none of them can hold a secret: most are names of
// files, addresses, versions and switches. URLs are kept without user information. Files
// are parsed field by field, so that the tokens and keys in them are never looked at.
package components

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/program"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/crash"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Reader reads the settings of the cluster's programs.
type Reader struct{}

// kinds are those that it reads.
var kinds = []fact.Kind{fact.NodeSettings, fact.ServerSettings}

// Kinds are those that it reads.
func (Reader) Kinds() []fact.Kind { return kinds }

// Read looks for the programs among the processes.
func (Reader) Read(ctx context.Context, pass *reader.Pass) {
	if !slices.ContainsFunc(kinds, pass.Ledger.Wants) {
		return
	}
	pass.Task(ctx, func(ctx context.Context, buf []byte) {
		n := &node{pass: pass, buf: buf, tables: map[uint64]table{}}
		for _, p := range pass.Processes {
			if ctx.Err() != nil {
				return
			}
			n.process(p)
		}
		n.proxies(ctx)
		if ctx.Err() == nil {
			pass.Ledger.Done(fact.NodeSettings)
			pass.Ledger.Done(fact.ServerSettings)
		}
	})
}

// maxComponents bounds the programs of one node.
const maxComponents = 64

// node is one reading.
type node struct {
	pass   *reader.Pass
	buf    []byte
	tables map[uint64]table // by network namespace
	found  []*fact.Component
	// possible are processes that may be a proxy before the API server.
	possible []*proctable.Process
	dropped  bool
}

// process reads one process, if it is one of the programs.
func (n *node) process(p *proctable.Process) {
	ordinary := p.Identity.Kubernetes && procfs.IsUID(p.Identity.PodUID)
	if ordinary && (n.pass.HostNetNS == 0 || p.NS.Net != n.pass.HostNetNS) {
		// A control plane in an ordinary pod is another cluster's (vcluster, Kamaji,
		// HyperShift). What of this cluster's runs in one has the node's network.
		return
	}
	proc := program.Open(n.pass, p, n.buf)
	if proc == nil {
		return
	}
	defer proc.Close()
	found := recognize(proc)
	if found.proxy {
		n.possible = append(n.possible, p)
		return
	}
	if found.program == "" || ordinary && !podProgram(found.program) {
		return
	}
	defer n.guard(proc, found.program)
	n.read(proc, found)
}

// guard makes a panic a gap, so that it costs one program only.
func (n *node) guard(proc *program.Program, is fact.ComponentProgram) {
	if v := recover(); v != nil {
		n.pass.Ledger.Gap(fact.NodeGap{
			What: kindOf(is), Reason: fact.Unsupported,
			Detail: fmt.Sprintf("%s, pid %d: a bug in this program, not on the node: %s", is, proc.Of.PID, crash.Describe(v)),
		})
	}
}

// read reads a program's settings and sockets.
func (n *node) read(proc *program.Program, is recognized) {
	kind := kindOf(is.program)
	words, err := proc.Cmdline()
	if err != nil {
		if !proc.PID.Ended(n.buf) {
			proc.Gap(kind, err)
		}
		return
	}
	var all []*component
	switch is.program {
	case fact.ProgramK3s:
		all = readK3s(proc, words)
	case fact.ProgramRKE2:
		all = []*component{readRKE2(proc, words)}
	default:
		if words = is.own(words); words == nil {
			return
		}
		c := newComponent(is.program)
		follow(c, proc, words)
		all = []*component{c}
	}
	sockets, socketsErr := n.sockets(proc)
	if proc.PID.Ended(n.buf) {
		return
	}
	for i, c := range all {
		c.facts.PID, c.facts.Started = proc.Of.PID, n.pass.Started(proc.Of)
		c.facts.Container = proc.Of.Identity.ID
		if c.facts.SocketsRead = socketsErr == nil; !c.facts.SocketsRead {
			proc.Gap(kindOf(c.facts.Program), fmt.Errorf("its listening sockets: %w", socketsErr))
		}
		if i == 0 {
			// Of several programs in one process the first has its sockets, because it
			// is unknown which of them opened one.
			c.facts.Sockets = sockets
		}
		n.add(c.done())
	}
}

// follow reads the settings of a program that has a command line of its own.
func follow(c *component, proc *program.Program, words [][]byte) {
	switch c.facts.Program {
	case fact.ProgramEtcd:
		readEtcd(c, proc, words)
	case fact.ProgramAPIServer:
		readAPIServer(c, proc, words)
	case fact.ProgramKubelet:
		readKubelet(c, proc, words)
	case fact.ProgramContainerd, fact.ProgramCRIO:
		readRuntime(c, proc, words)
	case fact.ProgramKine:
		readKine(c, words)
	default:
		c.flags(words)
		readPlain(c)
	}
}

// add gives a component to the ledger, in its place.
func (n *node) add(c fact.Component) {
	if len(n.found) == maxComponents {
		if !n.dropped {
			n.dropped = true
			for _, kind := range kinds {
				n.pass.Ledger.Gap(fact.NodeGap{What: kind, Reason: fact.Truncated, Detail: fmt.Sprintf("more than %d programs of the cluster", maxComponents)})
			}
		}
		return
	}
	n.found = append(n.found, &c)
	if !n.pass.Ledger.Asks(kindOf(c.Program)) {
		return
	}
	n.pass.Ledger.Update(func(m *fact.Measurement) {
		at, _ := slices.BinarySearchFunc(m.Components, c, func(a, b fact.Component) int {
			return cmp.Or(cmp.Compare(a.Program, b.Program), cmp.Compare(a.PID, b.PID))
		})
		m.Components = slices.Insert(m.Components, at, c)
	})
}

// kindOf returns the kind that a program belongs to.
func kindOf(is fact.ComponentProgram) fact.Kind {
	switch is {
	case fact.ProgramEtcd, fact.ProgramAPIServer, fact.ProgramK3s, fact.ProgramRKE2, fact.ProgramKine, fact.ProgramKonnectivity, fact.ProgramProxy:
		return fact.ServerSettings
	}
	return fact.NodeSettings
}

// podProgram reports whether a program of this cluster's may run in an ordinary pod.
func podProgram(is fact.ComponentProgram) bool {
	return is == fact.ProgramCloudController || is == fact.ProgramKonnectivity || is == fact.ProgramProxy
}

// unfollowed says why the settings of a file are unknown.
func unfollowed(what string, err error) string {
	return fmt.Sprintf("%s was not read: %s", what, rootfs.ErrorText(err))
}
