package components

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/program"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/crash"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// readAPIServer reads the flags of kube-apiserver, and of OpenShift's file with flags,
// which win over those of the command line.
func readAPIServer(c *component, proc *program.Program, words [][]byte) {
	c.flags(words)
	// configFlag is not one of kube-apiserver's. A program of that name that has it takes
	// its flags from there.
	for _, flag := range []string{openShiftFlag, configFlag} {
		if name := c.given(flag); name != "" {
			readOpenShift(c, proc, name)
		}
	}
	const from = "default of kube-apiserver"
	c.fallback("secure-port", "6443", from)
	c.fallback("bind-address", "0.0.0.0", from)
	if c.given("authorization-config") == "" {
		c.fallback("authorization-mode", "AlwaysAllow", from)
	}
	if c.given("authentication-config") == "" && c.given("authorization-mode") != "AlwaysAllow" {
		// With AlwaysAllow kube-apiserver turns anonymous requests off unless the flag
		// is given (pkg/kubeapiserver/options/authentication.go).
		c.fallback("anonymous-auth", "true", from)
	}
}

// readOpenShift adds the flags in a KubeAPIServerConfig.
func readOpenShift(c *component, proc *program.Program, name string) {
	data, err := proc.ReadFile(name, program.MaxConfigFile)
	var found []fileSetting
	if err == nil {
		found, err = parseOpenShift(data, path.Dir(name), c.spec)
		clear(data)
	}
	if err != nil {
		c.facts.ConfigFiles = append(c.facts.ConfigFiles, rootfs.Text(name))
		c.unknown(unfollowed(rootfs.Text(name), err))
		return
	}
	remark, ok := c.file(proc, name)
	if !ok {
		return
	}
	first := map[string]bool{}
	for _, s := range found {
		value := s.value
		if slices.Contains(c.spec.lists, s.name) && first[s.name] {
			value = c.given(s.name) + "," + value
		}
		first[s.name] = true
		c.set(s.name, value, rootfs.Text(name)+" "+s.field+remark)
	}
}

// parseOpenShift reads a file of kind KubeAPIServerConfig
// (kubecontrolplane.config.openshift.io/v1), YAML or JSON: the flags in
// apiServerArguments, each with a list of values, and servingInfo for those that are not
// among them. dir is where the file's own relative paths start. Errors never quote the
// file.
func parseOpenShift(data []byte, dir string, keep spec) (found []fileSetting, err error) {
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
	var config struct {
		APIVersion         string                     `json:"apiVersion"`
		Kind               string                     `json:"kind"`
		APIServerArguments map[string]json.RawMessage `json:"apiServerArguments"`
		ServingInfo        struct {
			BindAddress   string   `json:"bindAddress"`
			CertFile      string   `json:"certFile"`
			KeyFile       string   `json:"keyFile"`
			ClientCA      string   `json:"clientCA"`
			MinTLSVersion string   `json:"minTLSVersion"`
			CipherSuites  []string `json:"cipherSuites"`
		} `json:"servingInfo"`
	}
	if err := json.Unmarshal(text, &config); err != nil {
		return nil, rootfs.NewError(fact.Corrupt, "expected a KubeAPIServerConfig: a field of another type")
	}
	if config.Kind != "KubeAPIServerConfig" || !strings.HasPrefix(config.APIVersion, "kubecontrolplane.config.openshift.io/") {
		return nil, rootfs.NewError(fact.Unsupported, "expected apiVersion kubecontrolplane.config.openshift.io/v1 and kind KubeAPIServerConfig, found another kind of file")
	}
	arguments := make([]string, 0, len(config.APIServerArguments))
	for name := range config.APIServerArguments {
		arguments = append(arguments, name)
	}
	sort.Strings(arguments)
	given := map[string]bool{}
	for _, raw := range arguments {
		name := strings.ReplaceAll(raw, "_", "-")
		if !slices.Contains(keep.values, name) && !slices.Contains(keep.bools, name) || name == openShiftFlag || name == configFlag {
			continue
		}
		values, err := program.Words(config.APIServerArguments[raw])
		if err != nil {
			return nil, fmt.Errorf("apiServerArguments: %s: %w", name, err)
		}
		for _, value := range values {
			found = append(found, fileSetting{name, value, "apiServerArguments." + name})
			given[name] = true
		}
	}
	info := &config.ServingInfo
	host, port := "", ""
	if i := strings.LastIndexByte(info.BindAddress, ':'); i >= 0 {
		host, port = strings.Trim(info.BindAddress[:i], "[]"), info.BindAddress[i+1:]
	}
	absolute := func(name string) string {
		if name == "" || path.IsAbs(name) {
			return name
		}
		return path.Join(dir, name)
	}
	for _, s := range []fileSetting{
		{"bind-address", host, "bindAddress"},
		{"secure-port", port, "bindAddress"},
		{"tls-cert-file", absolute(info.CertFile), "certFile"},
		{"tls-private-key-file", absolute(info.KeyFile), "keyFile"},
		{"client-ca-file", absolute(info.ClientCA), "clientCA"},
		{"tls-min-version", info.MinTLSVersion, "minTLSVersion"},
		{"tls-cipher-suites", strings.Join(info.CipherSuites, ","), "cipherSuites"},
	} {
		if s.value != "" && !given[s.name] {
			found = append(found, fileSetting{s.name, s.value, "servingInfo." + s.field})
		}
	}
	return found, nil
}
