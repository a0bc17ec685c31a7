package storage

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

// followOpenShift adds the flags in a KubeAPIServerConfig. OpenShift's API server parses
// them after those of its command line, so that they win.
func followOpenShift(proc *program.Program, name string, flags flagSet) error {
	data, err := proc.ReadFile(name, program.MaxConfigFile)
	if err != nil {
		return err
	}
	settings, err := parseOpenShift(data, path.Dir(name))
	clear(data)
	if err != nil {
		return err
	}
	for _, s := range settings {
		flags.set(s.Name, s.Value)
	}
	return proc.Unchanged(name)
}

// parseOpenShift reads a file of kind KubeAPIServerConfig
// (kubecontrolplane.config.openshift.io/v1), YAML or JSON: the flags in
// apiServerArguments, each with a list of values, and auditConfig where it is enabled.
// Only flags on the list are kept. dir is where the file's own relative paths start.
// Errors never quote the file.
func parseOpenShift(data []byte, dir string) (settings []program.Setting, err error) {
	defer func() {
		if v := recover(); v != nil {
			settings, err = nil, fmt.Errorf("a bug in this program, not in the file: %s", crash.Describe(v))
		}
	}()
	var config struct {
		APIVersion         string                     `json:"apiVersion"`
		Kind               string                     `json:"kind"`
		APIServerArguments map[string]json.RawMessage `json:"apiServerArguments"`
		AuditConfig        struct {
			Enabled       bool            `json:"enabled"`
			AuditFilePath string          `json:"auditFilePath"`
			PolicyFile    string          `json:"policyFile"`
			Policy        json.RawMessage `json:"policyConfiguration"`
			WebHook       string          `json:"webHookKubeConfig"`
		} `json:"auditConfig"`
	}
	text, err := yaml.YAMLToJSON(data)
	if err != nil {
		return nil, program.ErrNotYAML
	}
	defer clear(text)
	if err := json.Unmarshal(text, &config); err != nil {
		return nil, rootfs.NewError(fact.Corrupt, "expected a KubeAPIServerConfig: a field of another type")
	}
	if config.Kind != "KubeAPIServerConfig" || !strings.HasPrefix(config.APIVersion, "kubecontrolplane.config.openshift.io/") {
		return nil, rootfs.NewError(fact.Unsupported, "expected apiVersion kubecontrolplane.config.openshift.io/v1 and kind KubeAPIServerConfig, found another kind of file")
	}
	names := make([]string, 0, len(config.APIServerArguments))
	for name := range config.APIServerArguments {
		names = append(names, name)
	}
	sort.Strings(names)
	given := map[string]bool{}
	for _, raw := range names {
		name := strings.ReplaceAll(raw, "_", "-")
		if !slices.Contains(serverFlags, name) && !slices.Contains(serverBools, name) || name == openShiftFlag || name == configFlag {
			continue
		}
		values, err := program.Words(config.APIServerArguments[raw])
		if err != nil {
			return nil, fmt.Errorf("apiServerArguments: %s: %w", name, err)
		}
		for _, value := range values {
			settings = append(settings, program.Setting{Name: name, Value: value})
			given[name] = true
		}
	}
	audit := &config.AuditConfig
	if !audit.Enabled {
		return settings, nil
	}
	if len(audit.Policy) > 0 && string(audit.Policy) != "null" && !given[auditPolicyFlag] && audit.PolicyFile == "" {
		return nil, rootfs.NewError(fact.Unsupported, "auditConfig.policyConfiguration: a policy inside the file is not read")
	}
	for _, s := range []program.Setting{{Name: auditPolicyFlag, Value: audit.PolicyFile}, {Name: auditLogFlag, Value: audit.AuditFilePath}, {Name: auditWebhookFlag, Value: audit.WebHook}} {
		if s.Value == "" || given[s.Name] {
			continue
		}
		if s.Value != "-" && !path.IsAbs(s.Value) {
			s.Value = path.Join(dir, s.Value)
		}
		settings = append(settings, s)
	}
	return settings, nil
}
