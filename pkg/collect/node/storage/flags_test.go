package storage

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/program"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
)

const canary = "CANARYVALUE"

// openShiftConfig is the form of OpenShift 4's file, shortened.
const openShiftConfig = `{"admission":{"pluginConfig":{}},"apiServerArguments":{
"audit-log-format":["json"],"audit-log-path":["/var/log/kube-apiserver/audit.log"],
"audit-policy-file":["/etc/kubernetes/static-pod-resources/configmaps/kube-apiserver-audit-policies/policy.yaml"],
"encryption-provider-config":["/etc/kubernetes/static-pod-resources/secrets/encryption-config/encryption-config"],
"etcd-prefix":["kubernetes.io"],"etcd-servers":["https://10.0.0.4:2379","https://u:` + canary + `@localhost:2379"],
"storage-backend":["etcd3"],"service-account-signing-key-file":["/` + canary + `"]},
"apiVersion":"kubecontrolplane.config.openshift.io/v1","kind":"KubeAPIServerConfig","servingInfo":{"bindAddress":"0.0.0.0:6443"}}`

func flagsOf(settings []program.Setting) map[string]string {
	flags := flagSet{}
	for _, s := range settings {
		flags.set(s.Name, s.Value)
	}
	return flags
}

func TestParseOpenShift(t *testing.T) {
	head := "apiVersion: kubecontrolplane.config.openshift.io/v1\nkind: KubeAPIServerConfig\n"
	for name, tc := range map[string]struct {
		text string
		want map[string]string
	}{
		"as OpenShift 4 has it": {openShiftConfig, map[string]string{
			"audit-log-path":             "/var/log/kube-apiserver/audit.log",
			"audit-policy-file":          "/etc/kubernetes/static-pod-resources/configmaps/kube-apiserver-audit-policies/policy.yaml",
			"encryption-provider-config": "/etc/kubernetes/static-pod-resources/secrets/encryption-config/encryption-config",
			"etcd-prefix":                "kubernetes.io", "etcd-servers": "https://10.0.0.4:2379,https://localhost:2379",
		}},
		"no arguments":              {head, map[string]string{}},
		"a single value":            {head + "apiServerArguments: {etcd-prefix: x, encryption-provider-config-automatic-reload: true}\n", map[string]string{"etcd-prefix": "x", "encryption-provider-config-automatic-reload": "true"}},
		"the last of several":       {head + "apiServerArguments: {etcd-prefix: [x, z]}\n", map[string]string{"etcd-prefix": "z"}},
		"the old name of the flag":  {head + "apiServerArguments: {experimental-encryption-provider-config: [/a]}\n", map[string]string{"encryption-provider-config": "/a"}},
		"audit in its own section":  {head + "auditConfig: {enabled: true, auditFilePath: /log, policyFile: policy.yaml}\n", map[string]string{"audit-log-path": "/log", "audit-policy-file": "/etc/o/policy.yaml"}},
		"audit that is not enabled": {head + "auditConfig: {enabled: false, auditFilePath: /log, policyFile: /policy.yaml}\n", map[string]string{}},
		"arguments before sections": {head + "apiServerArguments: {audit-log-path: [\"-\"]}\nauditConfig: {enabled: true, auditFilePath: /log}\n", map[string]string{"audit-log-path": "-"}},
		"a file that names a file":  {head + "apiServerArguments: {openshift-config: [/x]}\n", map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			settings, err := parseOpenShift([]byte(tc.text), "/etc/o")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, flagsOf(settings)); diff != "" {
				t.Errorf("flags (-want +got):\n%s", diff)
			}
		})
	}
	for name, text := range map[string]string{
		"another kind":         "apiVersion: v1\nkind: Secret\ndata: {a: " + canary + "}\n",
		"another type":         head + "apiServerArguments: " + canary + "\n",
		"an object as a value": head + "apiServerArguments: {etcd-prefix: {a: " + canary + "}}\n",
		"not YAML":             "a: b: " + canary,
		"a policy inside":      head + "auditConfig: {enabled: true, policyConfiguration: {rules: [{level: " + canary + "}]}}\n",
		"nothing":              "",
	} {
		if settings, err := parseOpenShift([]byte(text), "/"); err == nil || settings != nil {
			t.Errorf("%s: settings %v, error %v; want an error", name, settings, err)
		} else if strings.Contains(err.Error(), canary) {
			t.Errorf("%s: the error quotes the file: %v", name, err)
		}
	}
}

// Every spelling of a flag, in the order in which kube-apiserver takes them.
func TestServerFlags(t *testing.T) {
	for name, tc := range map[string]struct {
		line string // words separated by '|'
		want map[string]string
	}{
		"the last wins":                    {"--encryption-provider-config=/a|--encryption-provider-config|/b", map[string]string{"encryption-provider-config": "/b"}},
		"the old name is the same flag":    {"--encryption-provider-config=/a|--experimental-encryption-provider-config=/b", map[string]string{"encryption-provider-config": "/b"}},
		"the new name after the old":       {"--experimental_encryption_provider_config|/b|--encryption-provider-config=/a", map[string]string{"encryption-provider-config": "/a"}},
		"lists add up":                     {"--etcd-servers=https://a:1|--etcd-servers|https://u:p@b:1", map[string]string{"etcd-servers": "https://a:1,https://b:1"}},
		"overrides stay visible":           {"--etcd-servers-overrides=/events#https://a:1,/secrets#https://u:p@b:1;https://c:1", map[string]string{"etcd-servers-overrides": "/events#https://a:1,/secrets#https://b:1;https://c:1"}},
		"a flag that was taken back":       {"--encryption-provider-config=/a|--encryption-provider-config=", map[string]string{"encryption-provider-config": ""}},
		"reload that is switched off":      {"--encryption-provider-config-automatic-reload|--encryption-provider-config-automatic-reload=false", map[string]string{"encryption-provider-config-automatic-reload": "false"}},
		"a variable that was not expanded": {"--encryption-provider-config=$(FILE)", map[string]string{"encryption-provider-config": "$(FILE)"}},
	} {
		t.Run(name, func(t *testing.T) {
			var words [][]byte
			for word := range strings.SplitSeq("kube-apiserver|"+tc.line, "|") {
				words = append(words, []byte(word))
			}
			got := flagSet{}
			procfs.EachFlag(words, serverFlags, serverBools, got.set)
			if !maps.Equal(tc.want, got) {
				t.Errorf("flags %v, want %v", got, tc.want)
			}
		})
	}
}

func FuzzParseOpenShift(f *testing.F) {
	f.Add([]byte(openShiftConfig))
	f.Add([]byte("apiVersion: kubecontrolplane.config.openshift.io/v1\nkind: KubeAPIServerConfig\nauditConfig: {enabled: true, policyFile: a}\napiServerArguments: {etcd_prefix: [1, true, x]}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		settings, err := parseOpenShift(data, "/etc")
		if err != nil && (settings != nil || strings.Contains(err.Error(), "bug in this program")) {
			t.Errorf("settings %v, error %v", settings, err)
		}
		for _, s := range settings {
			if !slices.Contains(serverFlags, s.Name) && !slices.Contains(serverBools, s.Name) {
				t.Errorf("flag %q is not on the list", s.Name)
			}
		}
	})
}
