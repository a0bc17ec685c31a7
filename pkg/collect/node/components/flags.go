package components

import (
	"bytes"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
)

// spec is which settings of a program are kept, by the names of its flags.
type spec struct {
	values []string
	bools  []string // switches, which take no next word
	lists  []string // of values: those that add up where they are repeated (pflag's StringSlice)
	urls   []string // of values: those that hold URLs
}

// serving are the flags of a generic API server (k8s.io/apiserver,
// pkg/server/options/serving.go, authentication.go and authorization.go).
var serving = []string{
	"secure-port", "bind-address", "tls-min-version", "tls-cipher-suites", "tls-cert-file", "tls-private-key-file", "cert-dir",
	"client-ca-file", "requestheader-client-ca-file", "requestheader-allowed-names",
}

var specs = map[fact.ComponentProgram]spec{
	fact.ProgramAPIServer: {
		values: append(slices.Clone(serving),
			"advertise-address", "authorization-mode", "authentication-config", "authorization-config",
			"etcd-servers", "etcd-servers-overrides", "etcd-cafile", "etcd-certfile", "etcd-keyfile",
			"kubelet-certificate-authority", "kubelet-client-certificate", "kubelet-client-key", "proxy-client-cert-file", "proxy-client-key-file",
			"egress-selector-config-file", "insecure-port", "insecure-bind-address", openShiftFlag, configFlag),
		bools: []string{"anonymous-auth", "kubelet-https"},
		lists: []string{"tls-cipher-suites", "authorization-mode", "etcd-servers", "etcd-servers-overrides", "requestheader-allowed-names"},
		urls:  []string{"etcd-servers", "etcd-servers-overrides"},
	},
	fact.ProgramControllerManager: controller("cluster-signing-cert-file", "root-ca-file"),
	fact.ProgramScheduler:         controller(),
	fact.ProgramCloudController:   controller(),
	fact.ProgramKubelet: {
		values: []string{
			"port", "read-only-port", "address", "authorization-mode", "client-ca-file", "tls-min-version", "tls-cipher-suites", "tls-cert-file", "tls-private-key-file",
			"cert-dir", kubeconfigFlag, bootstrapFlag, configFlag, configDirFlag,
		},
		bools: []string{"anonymous-auth", "authentication-token-webhook", "rotate-certificates", "rotate-server-certificates", "enable-server"},
		lists: []string{"tls-cipher-suites"},
		urls:  []string{kubeconfigServer},
	},
	fact.ProgramEtcd: {
		values: []string{
			"listen-client-urls", "advertise-client-urls", "listen-peer-urls", "initial-advertise-peer-urls", "listen-metrics-urls", "listen-client-http-urls",
			"cert-file", "key-file", "trusted-ca-file", "client-cert-file", "client-key-file", "client-crl-file",
			"peer-cert-file", "peer-key-file", "peer-trusted-ca-file", "peer-client-cert-file", "peer-client-key-file", "peer-crl-file",
			"client-cert-allowed-hostname", "peer-cert-allowed-cn", "peer-cert-allowed-hostname",
			"tls-min-version", "tls-max-version", "cipher-suites", "data-dir", configFileFlag,
		},
		bools: []string{"client-cert-auth", "auto-tls", "peer-client-cert-auth", "peer-auto-tls", "peer-skip-client-san-verification"},
		urls:  []string{"listen-client-urls", "advertise-client-urls", "listen-peer-urls", "initial-advertise-peer-urls", "listen-metrics-urls", "listen-client-http-urls"},
	},
	fact.ProgramKonnectivity: {
		values: []string{
			"mode", "server-port", "agent-port", "admin-port", "health-port", "server-bind-address", "agent-bind-address", "admin-bind-address", "health-bind-address",
			"uds-name", "cluster-cert", "cluster-key", "cluster-ca-cert", "server-cert", "server-key", "server-ca-cert", "cipher-suites", "tls-min-version",
		},
		lists: []string{"cipher-suites"},
	},
	fact.ProgramKine: {
		values: []string{"listen-address", "server-cert-file", "server-key-file", "ca-file", "cert-file", endpointFlag},
		urls:   []string{"listen-address"},
	},
	fact.ProgramContainerd: {
		values: []string{configFlag, "stream_server_address", "stream_server_port"},
		bools:  []string{"enable_tls_streaming"},
	},
	fact.ProgramCRIO: {
		values: []string{configFlag, configDirFlag, "stream-address", "stream-port", "stream-tls-cert", "stream-tls-key", "stream-tls-ca"},
		bools:  []string{"stream-enable-tls"},
	},
	fact.ProgramK3s:  {values: k3sFlags, bools: k3sBools},
	fact.ProgramRKE2: {values: k3sFlags, bools: k3sBools},
}

// controller are the flags of a controller.
func controller(more ...string) spec {
	values := append(slices.Clone(serving), "authorization-always-allow-paths", "authentication-kubeconfig", "authorization-kubeconfig", kubeconfigFlag, configFlag, openShiftFlag, "port", "address")
	return spec{
		values: append(values, more...),
		bools:  []string{"authentication-skip-lookup", "authentication-tolerate-lookup-failure"},
		lists:  []string{"tls-cipher-suites", "authorization-always-allow-paths", "requestheader-allowed-names"},
	}
}

// Flags that name other files.
const (
	configFlag     = "config"
	configDirFlag  = "config-dir"
	configFileFlag = "config-file"
	openShiftFlag  = "openshift-config"
	kubeconfigFlag = "kubeconfig"
	bootstrapFlag  = "bootstrap-kubeconfig"
	endpointFlag   = "endpoint"
)

// flags reads the flags of a command line, as pflag does.
func (c *component) flags(words [][]byte) {
	added := map[string]bool{}
	each(words, c.spec, func(name, value string) {
		if slices.Contains(c.spec.lists, name) {
			if added[name] && c.given(name) != "" {
				value = c.given(name) + "," + value
			}
			added[name] = true
		}
		c.set(name, value, "--"+name)
	})
}

// each calls do with the flags of a command line that are kept.
func each(words [][]byte, keep spec, do func(name, value string)) {
	procfs.EachFlag(after(words), keep.values, keep.bools, do)
}

// goFlags reads the flags of a command line as Go's package flag does: "-name" is "--name",
// and '_' is no '-'. The last wins.
func (c *component) goFlags(words [][]byte) {
	words = after(words)
	for i := 0; i < len(words); i++ {
		word := words[i]
		if len(word) < 2 || word[0] != '-' {
			continue // the value of a flag that is not on the list
		}
		if string(word) == "--" {
			break
		}
		rawName, value, hasValue := bytes.Cut(bytes.TrimPrefix(word[1:], []byte{'-'}), []byte{'='})
		name := string(rawName)
		switch {
		case slices.Contains(c.spec.bools, name):
			if !hasValue {
				value = []byte("true")
			}
		case !slices.Contains(c.spec.values, name):
			continue
		case !hasValue:
			if i++; i == len(words) {
				return
			}
			value = words[i]
		}
		c.set(name, string(value), "--"+name)
	}
}

// after leaves out a program's own name.
func after(words [][]byte) [][]byte {
	if len(words) == 0 {
		return nil
	}
	return words[1:]
}

// readPlain adds the defaults of programs that have no other settings than flags.
func readPlain(c *component) {
	const of = "default of "
	from := of + string(c.facts.Program)
	switch c.facts.Program {
	case fact.ProgramControllerManager, fact.ProgramScheduler, fact.ProgramCloudController:
		if file := c.given(openShiftFlag); file != "" {
			c.unknown("--" + openShiftFlag + "=" + file + " is not read")
		}
		if c.facts.Program != fact.ProgramScheduler && c.given(configFlag) != "" {
			c.unknown("--" + configFlag + "=" + c.given(configFlag) + " is not read")
		}
		ports := map[fact.ComponentProgram]string{fact.ProgramControllerManager: "10257", fact.ProgramScheduler: "10259", fact.ProgramCloudController: "10258"}
		c.fallback("secure-port", ports[c.facts.Program], from)
		c.fallback("bind-address", "0.0.0.0", from)
		c.fallback("authorization-always-allow-paths", "/healthz,/readyz,/livez", from)
	case fact.ProgramKonnectivity:
		c.fallback("server-port", "8090", from)
		c.fallback("agent-port", "8091", from)
	}
}

// readKine reads kine's flags.
func readKine(c *component, words [][]byte) {
	c.goFlags(words)
	c.unknown("kine's variables are not read")
}
