package components

import (
	"encoding/json"
	"fmt"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/program"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/crash"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Settings that a kubeconfig gives. They are not flags.
const (
	kubeconfigServer   = "kubeconfig-server"
	kubeconfigInsecure = "kubeconfig-insecure-skip-tls-verify"
)

// readKubeconfig adds which API server a program connects to. With a bootstrap kubeconfig
// the kubelet writes the file itself, after its start.
func readKubeconfig(c *component, proc *program.Program, name string) {
	data, err := proc.ReadFile(name, program.MaxConfigFile)
	if err != nil {
		return // without it nothing is claimed
	}
	server, insecure, err := parseKubeconfig(data)
	clear(data)
	if err != nil || server == "" {
		return
	}
	remark := ""
	switch since, _, err := proc.Since(name); {
	case err != nil:
		return
	case since == program.Later && c.given(bootstrapFlag) == "":
		return // what it said at the start is unknown
	case since != program.Same:
		remark = " (the file, or its directory, is younger than the process)"
	}
	from := rootfs.Text(name) + " clusters.cluster."
	c.set(kubeconfigServer, server, from+"server"+remark)
	if insecure {
		c.set(kubeconfigInsecure, "true", from+"insecure-skip-tls-verify"+remark)
	}
}

// parseKubeconfig returns the server of a kubeconfig's current context, "" if it names
// none, and whether its certificate is not verified. Users, and so tokens and keys, are
// skipped. Errors never quote the file.
func parseKubeconfig(data []byte) (server string, insecure bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			server, insecure, err = "", false, fmt.Errorf("a bug in this program, not in the file: %s", crash.Describe(v))
		}
	}()
	text, err := yaml.YAMLToJSON(data)
	if err != nil {
		return "", false, program.ErrNotYAML
	}
	defer clear(text)
	var config struct {
		Current  string `json:"current-context"`
		Contexts []struct {
			Name    string `json:"name"`
			Context struct {
				Cluster string `json:"cluster"`
			} `json:"context"`
		} `json:"contexts"`
		Clusters []struct {
			Name    string `json:"name"`
			Cluster struct {
				Server   string `json:"server"`
				Insecure bool   `json:"insecure-skip-tls-verify"`
			} `json:"cluster"`
		} `json:"clusters"`
	}
	if err := json.Unmarshal(text, &config); err != nil {
		return "", false, rootfs.NewError(fact.Corrupt, "expected a kubeconfig: a field of another type")
	}
	for _, context := range config.Contexts {
		if context.Name != config.Current || config.Current == "" {
			continue
		}
		for _, cluster := range config.Clusters {
			if cluster.Name == context.Context.Cluster {
				return cluster.Cluster.Server, cluster.Cluster.Insecure, nil
			}
		}
	}
	return "", false, nil
}
