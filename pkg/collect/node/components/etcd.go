package components

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/program"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/crash"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// readEtcd reads etcd's settings as etcd does (etcdmain/config.go): with a configuration
// file, named by a flag or by ETCD_CONFIG_FILE, flags and variables are ignored. Without
// one, a flag wins over its variable, and an empty variable is none.
func readEtcd(c *component, proc *program.Program, words [][]byte) {
	c.goFlags(words)
	if err := readEtcdVariables(c, proc); err != nil {
		c.unknown("its ETCD_* variables were not read: " + rootfs.ErrorText(err))
	}
	if name := c.given(configFileFlag); name != "" {
		named := c.settings[configFileFlag]
		clear(c.settings)
		c.settings[configFileFlag] = named
		readEtcdFile(c, proc, name)
	}
	const from = "default of etcd"
	for _, d := range []struct{ name, value string }{
		{"listen-client-urls", "http://localhost:2379"},
		{"listen-peer-urls", "http://localhost:2380"},
		{"client-cert-auth", "false"},
		{"auto-tls", "false"},
		{"peer-client-cert-auth", "false"},
		{"peer-auto-tls", "false"},
	} {
		c.fallback(d.name, d.value, from)
	}
}

// readEtcdVariables adds the settings of etcd's environment that no flag gives. Other
// variables are skipped unread.
func readEtcdVariables(c *component, proc *program.Program) error {
	return proc.PID.EachVariable(proc.Buf, func(name, value []byte) {
		rest, ok := strings.CutPrefix(string(name), "ETCD_")
		flag := strings.ToLower(strings.ReplaceAll(rest, "_", "-"))
		// ETCD_Cert_File is another variable.
		if !ok || len(value) == 0 || rest != strings.ToUpper(rest) || strings.Contains(rest, "-") {
			return
		}
		if slices.Contains(c.spec.values, flag) || slices.Contains(c.spec.bools, flag) {
			if _, given := c.settings[flag]; given {
				return // by a flag, or by the same variable before: os.Getenv takes the first
			}
			c.set(flag, string(value), "ETCD_"+rest)
		}
	})
}

// readEtcdFile reads etcd's configuration file.
func readEtcdFile(c *component, proc *program.Program, name string) {
	data, err := proc.ReadFile(name, program.MaxConfigFile)
	var found []fileSetting
	if err == nil {
		found, err = parseEtcd(data)
		clear(data)
	}
	if err != nil {
		c.facts.ConfigFiles = append(c.facts.ConfigFiles, rootfs.Text(name))
		c.unknown(unfollowed(rootfs.Text(name), err))
		return
	}
	if remark, ok := c.file(proc, name); ok {
		for _, s := range found {
			c.set(s.name, s.value, rootfs.Text(name)+" "+s.field+remark)
		}
	}
}

// fileSetting is one setting in a file: the flag that it stands for, its value, and the
// field that gives it.
type fileSetting struct{ name, value, field string }

// parseEtcd reads etcd's configuration file (server/embed/config.go): YAML or JSON, with
// the names of the flags but for the two sections on TLS. Fields of other names are not
// looked at. Errors never quote the file.
func parseEtcd(data []byte) (found []fileSetting, err error) {
	defer func() {
		if v := recover(); v != nil {
			found, err = nil, fmt.Errorf("a bug in this program, not in the file: %s", crash.Describe(v))
		}
	}()
	text, err := yaml.YAMLToJSON(data)
	if err != nil {
		return nil, program.ErrNotYAML
	}
	defer clear(text)
	type security struct {
		CertFile       string   `json:"cert-file"`
		KeyFile        string   `json:"key-file"`
		ClientCertFile string   `json:"client-cert-file"`
		ClientKeyFile  string   `json:"client-key-file"`
		CertAuth       *bool    `json:"client-cert-auth"`
		TrustedCAFile  string   `json:"trusted-ca-file"`
		AutoTLS        *bool    `json:"auto-tls"`
		AllowedCN      []string `json:"allowed-cn"`
		AllowedHost    []string `json:"allowed-hostname"`
		SkipSAN        *bool    `json:"skip-client-san-verification"`
	}
	var config struct {
		ListenClient  string   `json:"listen-client-urls"`
		ListenHTTP    string   `json:"listen-client-http-urls"`
		ListenPeer    string   `json:"listen-peer-urls"`
		ListenMetrics string   `json:"listen-metrics-urls"`
		Advertise     string   `json:"advertise-client-urls"`
		AdvertisePeer string   `json:"initial-advertise-peer-urls"`
		DataDir       string   `json:"data-dir"`
		Suites        []string `json:"cipher-suites"`
		Min           string   `json:"tls-min-version"`
		Max           string   `json:"tls-max-version"`
		Client        security `json:"client-transport-security"`
		Peer          security `json:"peer-transport-security"`
	}
	// etcd itself uses encoding/json here, which takes names in any case.
	if err := json.Unmarshal(text, &config); err != nil {
		return nil, rootfs.NewError(fact.Corrupt, "expected an object with etcd's settings, found a field of another type")
	}
	add := func(name, value, field string) {
		if value != "" {
			found = append(found, fileSetting{name, value, field})
		}
	}
	for _, s := range [][2]string{
		{"listen-client-urls", config.ListenClient},
		{"listen-client-http-urls", config.ListenHTTP},
		{"listen-peer-urls", config.ListenPeer},
		{"listen-metrics-urls", config.ListenMetrics},
		{"advertise-client-urls", config.Advertise},
		{"initial-advertise-peer-urls", config.AdvertisePeer},
		{"data-dir", config.DataDir},
		{"cipher-suites", strings.Join(config.Suites, ",")},
		{"tls-min-version", config.Min},
		{"tls-max-version", config.Max},
	} {
		add(s[0], s[1], s[0])
	}
	for _, side := range []struct {
		section, prefix, allowedHost string
		security
	}{
		{"client-transport-security", "", "client-cert-allowed-hostname", config.Client},
		{"peer-transport-security", "peer-", "peer-cert-allowed-hostname", config.Peer},
	} {
		in := func(field string) string { return side.section + "." + field }
		for _, s := range [][2]string{
			{"cert-file", side.CertFile},
			{"key-file", side.KeyFile},
			{"client-cert-file", side.ClientCertFile},
			{"client-key-file", side.ClientKeyFile},
			{"trusted-ca-file", side.TrustedCAFile},
		} {
			add(side.prefix+s[0], s[1], in(s[0]))
		}
		add(side.prefix+"client-cert-auth", word(side.CertAuth), in("client-cert-auth"))
		add(side.prefix+"auto-tls", word(side.AutoTLS), in("auto-tls"))
		add(side.allowedHost, strings.Join(side.AllowedHost, ","), in("allowed-hostname"))
		if side.prefix != "" {
			add("peer-cert-allowed-cn", strings.Join(side.AllowedCN, ","), in("allowed-cn"))
			add("peer-skip-client-san-verification", word(side.SkipSAN), in("skip-client-san-verification"))
		}
	}
	return found, nil
}

// word is a switch as text, "" for one that is not given.
func word(b *bool) string {
	switch {
	case b == nil:
		return ""
	case *b:
		return "true"
	}
	return "false"
}
