package components

import (
	"path"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/program"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// names are the programs by the names of their files.
var names = map[string]fact.ComponentProgram{
	"etcd":                     fact.ProgramEtcd,
	"kube-apiserver":           fact.ProgramAPIServer,
	"k3s":                      fact.ProgramK3s,
	"k3s-server":               fact.ProgramK3s, // links, by which k3s starts itself
	"k3s-agent":                fact.ProgramK3s,
	"rke2":                     fact.ProgramRKE2,
	"kine":                     fact.ProgramKine,
	"konnectivity-server":      fact.ProgramKonnectivity,
	"proxy-server":             fact.ProgramKonnectivity, // its name in its image; see own
	"kubelet":                  fact.ProgramKubelet,
	"kube-controller-manager":  fact.ProgramControllerManager,
	"kube-scheduler":           fact.ProgramScheduler,
	"cloud-controller-manager": fact.ProgramCloudController,
	"containerd":               fact.ProgramContainerd,
	"crio":                     fact.ProgramCRIO,
}

// proxyNames are programs that can stand before the API server.
var proxyNames = []string{"haproxy", "nginx", "envoy", "traefik", "kube-vip", "caddy", "gobetween"}

// Programs that hold several others.
const (
	hyperkube = "hyperkube" // all of Kubernetes, before 1.19: the second word says which
	kubelite  = "kubelite"  // MicroK8s: all in one process, with flags in files of its own

	// commSize is how much of a program's name the kernel keeps (proc_pid_comm(5)).
	commSize = 15
)

// recognized is what a process turned out to be.
type recognized struct {
	program fact.ComponentProgram // "" for none
	proxy   bool                  // it may be a proxy
	name    string                // of its file, or of the process
}

// recognize looks at the names of a process: that of its file, and the one that it was
// started by. Only exe, a link, is read for it.
func recognize(proc *program.Program) recognized {
	comm := proc.Of.Status.Name
	exe, err := proc.Exe()
	if err != nil {
		exe = ""
	}
	for _, name := range []string{exe, comm} {
		if is := programOf(name); is != "" {
			return recognized{program: is, name: name}
		}
		for _, proxy := range proxyNames {
			if name == proxy {
				return recognized{proxy: true, name: name}
			}
		}
		switch name {
		case hyperkube:
			return recognized{program: hyperkube, name: name}
		case kubelite:
			err := rootfs.NewError(fact.Unsupported, "MicroK8s runs API server, kubelet and others in one process, whose settings are not read")
			proc.Gap(fact.ServerSettings, err)
			proc.Gap(fact.NodeSettings, err)
			return recognized{}
		}
	}
	if is := cutName(comm, exe); is != "" {
		return recognized{program: is, name: comm}
	}
	return recognized{}
}

func programOf(name string) fact.ComponentProgram {
	if is, ok := names[name]; ok {
		return is
	}
	if strings.HasSuffix(name, "-cloud-controller-manager") { // of a provider
		return fact.ProgramCloudController
	}
	return ""
}

// cutName compares the name of a process that the kernel has cut. It says enough only if
// the file's name could not be read.
func cutName(comm, exe string) fact.ComponentProgram {
	if len(comm) != commSize || exe != "" {
		return ""
	}
	for name, is := range names {
		if len(name) > commSize && name[:commSize] == comm {
			return is
		}
	}
	return ""
}

// own returns the command line that belongs to the program itself, its name first, and nil
// if it is another program after all.
func (r *recognized) own(words [][]byte) [][]byte {
	second := ""
	if len(words) > 1 {
		second = string(words[1])
	}
	switch r.program {
	case hyperkube:
		name := strings.TrimPrefix(second, "/")
		switch name {
		case "apiserver":
			name = string(fact.ProgramAPIServer)
		case "controller-manager":
			name = string(fact.ProgramControllerManager)
		case "scheduler":
			name = string(fact.ProgramScheduler)
		}
		if r.program = programOf(path.Base(name)); r.program == "" || r.program == fact.ProgramK3s {
			return nil
		}
		return words[1:]
	case fact.ProgramEtcd:
		if second == "grpc-proxy" || second == "gateway" { // other programs in the same file
			return nil
		}
	case fact.ProgramKonnectivity:
		if r.name == "proxy-server" && !mentions(words, "--agent-port", "--cluster-cert") {
			return nil
		}
	}
	return words
}

// mentions reports whether one of the flags is given.
func mentions(words [][]byte, flags ...string) bool {
	for _, word := range words {
		name, _, _ := strings.Cut(string(word), "=")
		for _, f := range flags {
			if name == f {
				return true
			}
		}
	}
	return false
}
