package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/program"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/weburl"
)

// The flags of kube-apiserver that are kept. None can hold a secret once the user
// information of URLs is removed. Lists are added up where a flag is repeated
// (StringSlice in k8s.io/apiserver, pkg/server/options/etcd.go); of others the last wins.
var (
	serverFlags = []string{encryptionFlag, oldEncryptionFlag, prefixFlag, serversFlag, overridesFlag, "storage-media-type", auditPolicyFlag, auditLogFlag, auditWebhookFlag, openShiftFlag, configFlag}
	serverLists = []string{serversFlag, overridesFlag}
	serverBools = []string{reloadFlag}
)

const (
	encryptionFlag = "encryption-provider-config"
	// oldEncryptionFlag is its name before Kubernetes 1.13, and an alias for some time.
	oldEncryptionFlag = "experimental-encryption-provider-config"
	reloadFlag        = "encryption-provider-config-automatic-reload"
	prefixFlag        = "etcd-prefix"
	serversFlag       = "etcd-servers"
	overridesFlag     = "etcd-servers-overrides"
	auditPolicyFlag   = "audit-policy-file"
	auditLogFlag      = "audit-log-path"
	auditWebhookFlag  = "audit-webhook-config-file"
	openShiftFlag     = "openshift-config"
	// configFlag is not one of kube-apiserver's. A program of that name that has it takes
	// its flags from there.
	configFlag = "config"

	// defaultPrefix is what kube-apiserver uses without --etcd-prefix.
	defaultPrefix = "/registry"
)

// server is an API server.
type server struct {
	fact.APIServer
	// dataDir is k3s' server directory, "" for other programs.
	dataDir string
}

// serverKind is what kind of API server a process is.
type serverKind string

const (
	noServer      serverKind = ""
	kubeAPIServer serverKind = "kube-apiserver"
	k3sServer     serverKind = "k3s"
)

// readServers reads flags, encryption configuration and audit policy of every API server.
func readServers(ctx context.Context, pass *reader.Pass, candidates []*proctable.Process, buf []byte) []*server {
	var servers []*server
	for _, p := range candidates {
		if ctx.Err() != nil {
			break
		}
		if s := readServer(pass, p, buf); s != nil {
			servers = append(servers, s)
			pass.Ledger.Update(func(m *fact.Measurement) { m.APIServers = append(m.APIServers, s.APIServer) })
		}
	}
	return servers
}

// readServer returns nil for a process that is not an API server, or has ended. It reads
// the command line only if the process looks like an API server, because this can wait
// for a lock of the process.
func readServer(pass *reader.Pass, p *proctable.Process, buf []byte) *server {
	proc := program.Open(pass, p, buf)
	if proc == nil {
		return nil
	}
	defer proc.Close()
	kind, words, err := programOf(proc)
	if err != nil {
		if !proc.PID.Ended(buf) {
			proc.Gap(fact.EncryptionConfig, err)
			proc.Gap(fact.AuditPolicies, err)
		}
		return nil
	}
	s := &server{APIServer: fact.APIServer{PID: p.PID, Started: pass.Started(p)}}
	switch kind {
	case kubeAPIServer:
		readFlags(proc, s, words)
	case k3sServer:
		if s.Program = string(k3sServer); !readK3s(proc, s, words) {
			return nil
		}
	default:
		return nil
	}
	if s.EncryptionFlag || s.dataDir != "" {
		err := readEncryption(proc, s)
		if err != nil && proc.PID.Ended(buf) {
			return nil
		}
		if err != nil {
			proc.Gap(fact.EncryptionConfig, err)
		}
	}
	if pass.Ledger.Wants(fact.AuditPolicies) {
		readAudit(proc, s)
	}
	return s
}

// programOf looks at the process's names, then at its command line.
func programOf(proc *program.Program) (serverKind, [][]byte, error) {
	name := proc.Of.Status.Name
	exe := ""
	if name != string(kubeAPIServer) && name != program.K3sComm {
		var err error
		if exe, err = proc.Exe(); err != nil {
			return noServer, nil, nil
		}
	}
	const hyperkube = "hyperkube" // all of Kubernetes in one program, before 1.19
	switch {
	case name == string(kubeAPIServer), exe == string(kubeAPIServer), name == program.K3sComm, exe == string(k3sServer), exe == hyperkube:
	default:
		return noServer, nil, nil
	}
	words, err := proc.Cmdline()
	if err != nil {
		return noServer, nil, err
	}
	second := ""
	if len(words) > 1 {
		second = string(words[1])
	}
	switch {
	case name == string(kubeAPIServer), exe == string(kubeAPIServer):
		return kubeAPIServer, words, nil
	case exe == hyperkube && (second == "kube-apiserver" || second == "apiserver" || second == "/apiserver"):
		return kubeAPIServer, words, nil
	case name == program.K3sComm, exe == string(k3sServer) && program.IsK3sServer(words):
		return k3sServer, words, nil
	}
	return noServer, nil, nil
}

// flagSet collects flags in their order.
type flagSet map[string]string

func (f flagSet) set(name, value string) {
	if name == oldEncryptionFlag {
		name = encryptionFlag // both set the same variable
	}
	if value = clean(value); slices.Contains(serverLists, name) && f[name] != "" {
		value = f[name] + "," + value
	}
	f[name] = value
}

// readFlags reads the flags of a command line, and of the file that it names.
func readFlags(proc *program.Program, s *server, words [][]byte) {
	flags, given := flagSet{}, map[string]string{}
	procfs.EachFlag(words, serverFlags, serverBools, func(name, value string) {
		if name == openShiftFlag || name == configFlag {
			given[name] = value
			return
		}
		flags.set(name, value)
	})
	for _, name := range []string{openShiftFlag, configFlag} {
		file := given[name]
		if file == "" {
			continue
		}
		s.ConfigFile = rootfs.Text(file)
		if err := followOpenShift(proc, file, flags); err != nil {
			s.Unfollowed = unfollowed("--"+name+"="+rootfs.Text(file), err)
		}
	}
	s.Flags = flags
	s.EncryptionFlag = flags[encryptionFlag] != ""
}

// unfollowed says why a file's flags are unknown.
func unfollowed(what string, err error) string {
	if errors.Is(err, program.ErrChangedLater) {
		return what + " changed after the process started, which reads it only then"
	}
	return fmt.Sprintf("%s was not read: %s", what, rootfs.ErrorText(err))
}

// clean prepares a flag's value for a fact: valid text without the secret parts
// of URLs. --etcd-servers is a list with commas, --etcd-servers-overrides one
// of RESOURCE#URL;URL.
func clean(value string) string { return rootfs.Text(weburl.CleanList(value, ",;")) }
