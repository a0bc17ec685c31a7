package enforcer

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// Rows are sorted, have a source, and no two claim the same resource.
func TestTools(t *testing.T) {
	seen := map[string]string{}
	for i, tool := range Tools() {
		if i > 0 && Tools()[i-1].Name >= tool.Name {
			t.Errorf("%s is not after %s", tool.Name, Tools()[i-1].Name)
		}
		if tool.Source == "" || tool.Date == "" || len(tool.Images)+len(tool.Names) == 0 {
			t.Errorf("%s has no source, date or image", tool.Name)
		}
		if (tool.Mode == "") != (tool.Why == "") || tool.Mode == "" && len(tool.Policies) == 0 {
			t.Errorf("%s says nothing about its mode", tool.Name)
		}
		for _, r := range tool.Policies {
			if other := seen[r.Group+" "+r.Resource]; other != "" {
				t.Errorf("%s and %s both have %s", other, tool.Name, r.Resource)
			}
			seen[r.Group+" "+r.Resource] = tool.Name
		}
	}
}

func TestHasImage(t *testing.T) {
	for _, tc := range []struct {
		tool, image string
		want        bool
	}{
		{"Falco", "docker.io/falcosecurity/falco:0.42.0", true},
		{"Falco", "falcosecurity/falco@sha256:00", true},
		{"Falco", "registry.example:5000/mirror/falcosecurity/falco", true},
		{"Falco", "falcosecurity/falcoctl:0.11", false},
		{"Falco", "falcosecurity/falco/x", false},
		{"Falco", "notfalcosecurity/falco", false},
		{"Falco", "falco", false},
		{"Tetragon", "quay.io/cilium/tetragon:v1.6.0", true},
		{"Tetragon", "quay.io/cilium/tetragon-operator:v1.6.0", false},
		{"CrowdStrike Falcon", "registry.crowdstrike.com/falcon-sensor/us-1/falcon-sensor:7", true},
		{"Wiz", "wizio.azurecr.io/sensor:v1", true},
		{"Wiz", "example/sensor:v1", false},
	} {
		if got := tool(t, tc.tool).HasImage(tc.image); got != tc.want {
			t.Errorf("%s %s: %v", tc.tool, tc.image, got)
		}
	}
}

func tool(t *testing.T, name string) *Tool {
	t.Helper()
	i := slices.IndexFunc(Tools(), func(x Tool) bool { return x.Name == name })
	if i < 0 {
		t.Fatal("no tool ", name)
	}
	return &Tools()[i]
}

const (
	kyvernoRoot = `{kind: ClusterPolicy, metadata: {name: ro}, spec: {validationFailureAction: Enforce, rules: [{name: r,
		match: {any: [{resources: {kinds: [Pod]}}]}, validate: {pattern: {spec: {containers: [{securityContext: {readOnlyRootFilesystem: true}}]}}}}]}}`
	constraint  = `{kind: K8sPSPReadOnlyRootFilesystem, metadata: {name: ro}, spec: {match: {kinds: [{apiGroups: [""], kinds: [Pod]}]}}}`
	kubearmorOf = `{kind: KubeArmorPolicy, metadata: {name: p, namespace: shop}, spec: {selector: {matchLabels: {app: web}}, process: {matchDirectories: [{dir: /, recursive: true}]}, action: Block}}`
	tetragonOf  = `{kind: TracingPolicy, metadata: {name: p}, spec: {lsmhooks: [{hook: bprm_check_security, selectors: [{matchActions: [{action: Sigkill}]}]}]}}`
)

// Every case says for one object what it does: the effect, whether it blocks, and a part of
// the doubt.
func TestPolicies(t *testing.T) {
	for _, tc := range []struct {
		name, group, resource, object string
		edit                          []string // replaced texts: old, new
		want                          []string // "EFFECT blocks|reports NAMESPACE except.. labels: doubt"
	}{
		{"kyverno", "kyverno.io", "clusterpolicies", kyvernoRoot, nil, []string{"root blocks"}},
		{"audit", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"Enforce", "Audit"}, []string{"root reports"}},
		{"the default is audit", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"validationFailureAction: Enforce, ", ""}, []string{"root reports"}},
		{"any case", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"Enforce", "enforce"}, []string{"root blocks"}},
		{"the rule decides", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"validate: {", "validate: {failureAction: Audit, "}, []string{"root reports"}},
		{"the rule blocks", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"Enforce", "Audit", "validate: {", "validate: {failureAction: Enforce, "}, []string{"root blocks"}},
		{"overrides", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"spec: {validation", "spec: {validationFailureActionOverrides: [{action: Audit, namespaces: [shop]}], validation"}, []string{"root blocks: other actions"}},
		{"not at admission", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"spec: {validation", "spec: {admission: false, validation"}, []string{"root reports: spec.admission"}},
		{"not of pods", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"[Pod]", "[Deployment]"}, nil},
		{"namespaces", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"kinds: [Pod]", "kinds: [Pod], namespaces: [shop, 'team-*']"}, []string{"root blocks shop", "root blocks team-*"}},
		{"labels", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"kinds: [Pod]", "kinds: [Pod], selector: {matchLabels: {a: b}}"}, []string{"root blocks a=b"}},
		{"expressions", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"kinds: [Pod]", "kinds: [Pod], selector: {matchExpressions: [{key: a, operator: Exists}]}"}, []string{"root blocks: selector"}},
		{"names", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"kinds: [Pod]", "kinds: [Pod], names: [a]"}, []string{"root blocks: matches"}},
		{"operations", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"kinds: [Pod]", "kinds: [Pod], operations: [DELETE]"}, []string{"root blocks: created"}},
		{"users", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"{resources: {kinds: [Pod]}}", "{resources: {kinds: [Pod]}, subjects: [{kind: User, name: a}]}"}, []string{"root blocks: users"}},
		{"exclude", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"validate: {", "exclude: {any: [{resources: {namespaces: [kube-system]}}]}, validate: {"}, []string{"root blocks -kube-system"}},
		{"exclude other things", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"validate: {", "exclude: {any: [{clusterRoles: [a]}]}, validate: {"}, []string{"root blocks: excludes"}},
		{"preconditions", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"validate: {", "preconditions: {all: [{key: a}]}, validate: {"}, []string{"root blocks: preconditions"}},
		{"anchors", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"securityContext:", "=(securityContext):"}, []string{"root blocks: conditions"}},
		{"named containers", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"[{securityContext", "[{(name): a, securityContext"}, []string{"root blocks: conditions"}},
		{"conditions elsewhere", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"pattern: {", "pattern: {metadata: {labels: {(tier): web}}, "}, []string{"root blocks: conditions"}},
		{"conditions beside the containers", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"{containers: [", "{(hostNetwork): true, containers: ["}, []string{"root blocks: conditions"}},
		{"conditions beside the field", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"{readOnly", "{(runAsUser): 0, readOnly"}, []string{"root blocks: conditions"}},
		{"global conditions", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"[{securityContext", "[{<(image): 'r.example/*', securityContext"}, []string{"root blocks: conditions"}},
		{"no conditions", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"{containers: [", "{=(initContainers): [{securityContext: {readOnlyRootFilesystem: true}}], X(hostPID): null, containers: ["}, []string{"root blocks"}},
		{"match conditions", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"spec: {validation", "spec: {webhookConfiguration: {matchConditions: [{name: a, expression: 'false'}]}, validation"}, []string{"root blocks: match conditions"}},
		{"of one namespace", "kyverno.io", "policies", kyvernoRoot, []string{"{name: ro}", "{name: ro, namespace: shop}"}, []string{"root blocks shop"}},
		{"of one namespace for all", "kyverno.io", "policies", kyvernoRoot, []string{"{name: ro}", "{name: ro, namespace: shop}", "kinds: [Pod]", "kinds: [Pod], namespaces: ['*']"}, []string{"root blocks shop"}},
		{"of one namespace for another", "kyverno.io", "policies", kyvernoRoot, []string{"{name: ro}", "{name: ro, namespace: shop}", "kinds: [Pod]", "kinds: [Pod], namespaces: [other]"}, nil},
		{"must be false", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"}, []string{"root blocks: understood"}},
		{"another field", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"readOnlyRootFilesystem", "runAsNonRoot"}, nil},
		{"Pod Security", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"pattern: {spec: {containers: [{securityContext: {readOnlyRootFilesystem: true}}]}}", "podSecurity: {level: restricted}"}, nil},
		{"a mutation", "kyverno.io", "clusterpolicies", kyvernoRoot, []string{"validate: {pattern:", "mutate: {patchStrategicMerge:"}, []string{"root blocks: changes"}},

		{"CEL", "policies.kyverno.io", "validatingpolicies", `{metadata: {name: p}, spec: {validationActions: [Deny], validations: [{expression: "object.spec.containers.all(c, c.securityContext.readOnlyRootFilesystem)"}]}}`, nil, []string{"root blocks: expressions"}},
		{"CEL, audit", "policies.kyverno.io", "validatingpolicies", `{metadata: {name: p}, spec: {validationActions: [Audit], validations: [{expression: "c.readOnlyRootFilesystem"}]}}`, nil, []string{"root reports: expressions"}},
		{"CEL, off", "policies.kyverno.io", "validatingpolicies", `{metadata: {name: p}, spec: {evaluation: {admission: {enabled: false}}, validationActions: [Deny], validations: [{expression: "c.readOnlyRootFilesystem"}]}}`, nil, []string{"root reports: expressions"}},
		{"CEL of something else", "policies.kyverno.io", "validatingpolicies", `{metadata: {name: p}, spec: {validationActions: [Deny], validations: [{expression: "true"}]}}`, nil, nil},

		{"gatekeeper", "constraints.gatekeeper.sh", "k8spspreadonlyrootfilesystem", constraint, nil, []string{"root blocks"}},
		{"dryrun", "constraints.gatekeeper.sh", "k8spspreadonlyrootfilesystem", constraint, []string{"spec: {", "spec: {enforcementAction: dryrun, "}, []string{"root reports"}},
		{"warn", "constraints.gatekeeper.sh", "k8spspreadonlyrootfilesystem", constraint, []string{"spec: {", "spec: {enforcementAction: warn, "}, []string{"root reports"}},
		{"scoped", "constraints.gatekeeper.sh", "k8spspreadonlyrootfilesystem", constraint, []string{"spec: {", "spec: {enforcementAction: scoped, "}, []string{"root blocks: scoped"}},
		{"excluded", "constraints.gatekeeper.sh", "k8spspreadonlyrootfilesystem", constraint, []string{"match: {", "match: {excludedNamespaces: ['kube-*'], "}, []string{"root blocks -kube-*"}},
		{"in namespaces", "constraints.gatekeeper.sh", "k8spspreadonlyrootfilesystem", constraint, []string{"match: {", "match: {namespaces: [shop], "}, []string{"root blocks shop"}},
		{"selected namespaces", "constraints.gatekeeper.sh", "k8spspreadonlyrootfilesystem", constraint, []string{"match: {", "match: {namespaceSelector: {matchLabels: {a: b}}, "}, []string{"root blocks: matches"}},
		{"exempt images", "constraints.gatekeeper.sh", "k8spspreadonlyrootfilesystem", constraint, []string{"spec: {", "spec: {parameters: {exemptImages: ['*']}, "}, []string{"root blocks: parameters"}},
		{"not pods", "constraints.gatekeeper.sh", "k8spspreadonlyrootfilesystem", constraint, []string{"[Pod]", "[Service]"}, nil},
		{"all kinds of another group", "constraints.gatekeeper.sh", "k8spspreadonlyrootfilesystem", constraint, []string{`apiGroups: [""], kinds: [Pod]`, `apiGroups: [apps], kinds: ['*']`}, nil},
		{"not in namespaces", "constraints.gatekeeper.sh", "k8spspreadonlyrootfilesystem", constraint, []string{"match: {", "match: {scope: Cluster, "}, nil},
		{"another template", "constraints.gatekeeper.sh", "d8readonlyrootfilesystem", constraint, []string{"K8sPSPRead", "D8Read"}, []string{"root blocks: template"}},
		{"another constraint", "constraints.gatekeeper.sh", "k8spspprivilegedcontainer", constraint, []string{"K8sPSPReadOnlyRootFilesystem", "K8sPSPPrivilegedContainer"}, nil},
		{"assign", "mutations.gatekeeper.sh", "assign", `{metadata: {name: p}, spec: {location: "spec.containers[name:*].securityContext.readOnlyRootFilesystem", parameters: {assign: {value: true}}, match: {scope: Namespaced}}}`, nil, []string{"root blocks"}},
		{"assign where it is not set", "mutations.gatekeeper.sh", "assign", `{metadata: {name: p}, spec: {location: "spec.containers[name:*].securityContext.readOnlyRootFilesystem", parameters: {assign: {value: true}, pathTests: [{condition: MustNotExist}]}}}`, nil, []string{"root blocks: set the field"}},
		{"assign to others", "mutations.gatekeeper.sh", "assign", `{metadata: {name: p}, spec: {applyTo: [{groups: [x.example], kinds: [Pod], versions: [v1]}], location: "spec.containers[name:*].securityContext.readOnlyRootFilesystem", parameters: {assign: {value: true}}}}`, nil, nil},
		{"assign to pods", "mutations.gatekeeper.sh", "assign", `{metadata: {name: p}, spec: {applyTo: [{groups: [""], kinds: [Pod], versions: [v1]}], location: "spec.containers[name:*].securityContext.readOnlyRootFilesystem", parameters: {assign: {value: true}}}}`, nil, []string{"root blocks"}},
		{"assign false", "mutations.gatekeeper.sh", "assign", `{metadata: {name: p}, spec: {location: "spec.containers[name:*].securityContext.readOnlyRootFilesystem", parameters: {assign: {value: false}}}}`, nil, nil},

		{"kubewarden", "policies.kubewarden.io", "clusteradmissionpolicies", `{metadata: {name: p}, spec: {module: "registry://ghcr.io/kubewarden/policies/readonly-root-filesystem-psp:v1.0.1"}}`, nil, []string{"root blocks"}},
		{"of pods", "policies.kubewarden.io", "clusteradmissionpolicies", `{metadata: {name: p}, spec: {rules: [{apiGroups: [""], apiVersions: [v1], resources: [pods], operations: [CREATE, UPDATE]}], module: "registry://ghcr.io/kubewarden/policies/readonly-root-filesystem-psp:v1.0.1"}}`, nil, []string{"root blocks"}},
		{"of Deployments", "policies.kubewarden.io", "clusteradmissionpolicies", `{metadata: {name: p}, spec: {rules: [{apiGroups: [apps], apiVersions: [v1], resources: [deployments], operations: [CREATE]}], module: "registry://ghcr.io/kubewarden/policies/readonly-root-filesystem-psp:v1.0.1"}}`, nil, nil},
		{"of updates", "policies.kubewarden.io", "clusteradmissionpolicies", `{metadata: {name: p}, spec: {rules: [{apiGroups: [""], apiVersions: [v1], resources: [pods], operations: [UPDATE]}], module: "registry://ghcr.io/kubewarden/policies/readonly-root-filesystem-psp:v1.0.1"}}`, nil, nil},
		{"monitor", "policies.kubewarden.io", "clusteradmissionpolicies", `{metadata: {name: p}, spec: {mode: monitor, module: "registry://ghcr.io/kubewarden/policies/readonly-root-filesystem-psp:v1.0.1"}}`, nil, []string{"root reports"}},
		{"namespaced", "policies.kubewarden.io", "admissionpolicies", `{metadata: {name: p, namespace: shop}, spec: {mode: protect, module: "registry://ghcr.io/kubewarden/policies/readonly-root-filesystem-psp:v1.0.1"}}`, nil, []string{"root blocks shop"}},
		{"another module", "policies.kubewarden.io", "clusteradmissionpolicies", `{metadata: {name: p}, spec: {module: "registry://ghcr.io/kubewarden/policies/pod-privileged:v1"}}`, nil, nil},
		{"a group", "policies.kubewarden.io", "clusteradmissionpolicygroups", `{metadata: {name: p}, spec: {expression: "a() || true", policies: {a: {module: "readonly-root-filesystem-psp"}}}}`, nil, []string{"root blocks: expression"}},

		{"kubearmor", "security.kubearmor.com", "kubearmorpolicies", kubearmorOf, nil, []string{"programs blocks shop a"}},
		{"kubearmor, audit", "security.kubearmor.com", "kubearmorpolicies", kubearmorOf, []string{"Block", "Audit"}, []string{"programs reports shop a"}},
		{"kubearmor, some", "security.kubearmor.com", "kubearmorpolicies", kubearmorOf, []string{"dir: /,", "dir: /bin/,"}, []string{"programs blocks shop a: names"}},
		{"kubearmor, not below", "security.kubearmor.com", "kubearmorpolicies", kubearmorOf, []string{"recursive: true", "recursive: false"}, []string{"programs blocks shop a: names"}},
		{"kubearmor, for some programs", "security.kubearmor.com", "kubearmorpolicies", kubearmorOf, []string{"recursive: true", "recursive: true, fromSource: [{path: /bin/sh}]"}, []string{"programs blocks shop a: names"}},
		{"kubearmor, allow", "security.kubearmor.com", "kubearmorpolicies", kubearmorOf, []string{"Block", "Allow"}, []string{"programs blocks shop a: posture"}},
		{"kubearmor, files", "security.kubearmor.com", "kubearmorpolicies", kubearmorOf, []string{"process:", "file:"}, nil},

		{"tetragon", "cilium.io", "tracingpolicies", tetragonOf, nil, []string{"programs blocks: selectors"}},
		{"tetragon, monitor", "cilium.io", "tracingpolicies", tetragonOf, []string{"spec: {", "spec: {options: [{name: policy-mode, value: monitor}], "}, []string{"programs reports"}},
		{"tetragon, post", "cilium.io", "tracingpolicies", tetragonOf, []string{"Sigkill", "Post"}, []string{"programs reports"}},
		{"tetragon, files", "cilium.io", "tracingpolicies", tetragonOf, []string{"bprm_check_security", "file_open"}, nil},

		{"neuvector", "neuvector.com", "nvsecurityrules", `{metadata: {name: p, namespace: shop}, spec: {target: {policymode: Protect}, process_profile: {baseline: zero-drift}}}`, nil, []string{"programs blocks shop: group"}},
		{"neuvector, own mode", "neuvector.com", "nvsecurityrules", `{metadata: {name: p, namespace: shop}, spec: {target: {policymode: Protect}, process_profile: {mode: Monitor, baseline: zero-drift}}}`, nil, []string{"programs reports shop: group"}},
		{"neuvector, basic", "neuvector.com", "nvsecurityrules", `{metadata: {name: p, namespace: shop}, spec: {target: {policymode: Protect}, process_profile: {baseline: basic}}}`, nil, []string{"programs blocks shop: baseline"}},
		{"neuvector, network only", "neuvector.com", "nvsecurityrules", `{metadata: {name: p, namespace: shop}, spec: {target: {policymode: Protect}}}`, nil, nil},

		{"stackrox", "config.stackrox.io", "securitypolicies", `{metadata: {name: p}, spec: {enforcementActions: [FAIL_DEPLOYMENT_CREATE_ENFORCEMENT], policySections: [{policyGroups: [{fieldName: Read-Only Root Filesystem}]}]}}`, nil, []string{"root blocks: admission controller"}},
		{"stackrox, disabled", "config.stackrox.io", "securitypolicies", `{metadata: {name: p}, spec: {disabled: true, enforcementActions: [FAIL_DEPLOYMENT_CREATE_ENFORCEMENT], policySections: [{policyGroups: [{fieldName: Read-Only Root Filesystem}]}]}}`, nil, []string{"root reports: admission controller"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			source := tc.object
			for i := 0; i < len(tc.edit); i += 2 {
				if !strings.Contains(source, tc.edit[i]) {
					t.Fatalf("%q is not in the object", tc.edit[i])
				}
				source = strings.ReplaceAll(source, tc.edit[i], tc.edit[i+1])
			}
			var object map[string]any
			if err := yaml.Unmarshal([]byte(source), &object); err != nil {
				t.Fatal(err)
			}
			r := rowOf(t, tc.group, tc.resource)
			var got []string
			for _, p := range r.Read("Kind", object) {
				got = append(got, words(p))
			}
			if len(got) != len(tc.want) {
				t.Fatalf("got %q, want %q", got, tc.want)
			}
			for i := range got {
				before, doubt, doubted := strings.Cut(tc.want[i], ": ")
				was, saying, saysOne := strings.Cut(got[i], ": ")
				if was != strings.ReplaceAll(before, "shop a", "shop app=web") || doubted != saysOne || !strings.Contains(saying, doubt) {
					t.Errorf("got %q, want %q", got[i], tc.want[i])
				}
			}
		})
	}
}

// rowOf is the row of a resource in the table.
func rowOf(t *testing.T, group, resource string) *Resource {
	t.Helper()
	for i := range tools {
		if r := tools[i].Policy(group, resource); r != nil {
			return r
		}
	}
	t.Fatal("no tool has ", resource)
	return nil
}

func words(p Policy) string {
	out := string(p.Effect) + " reports"
	if p.Blocks {
		out = string(p.Effect) + " blocks"
	}
	if p.Namespace != "" {
		out += " " + p.Namespace
	}
	for _, e := range p.Except {
		out += " -" + e
	}
	for key, value := range p.Labels {
		out += " " + key + "=" + value
	}
	if p.Doubt != "" {
		out += ": " + p.Doubt
	}
	return out
}

func TestMode(t *testing.T) {
	blocks, doubtful, reports := fact.EnginePolicy{Name: "a", Blocks: true}, fact.EnginePolicy{Name: "b", Blocks: true, Doubt: "why"}, fact.EnginePolicy{Name: "c"}
	for _, tc := range []struct {
		tool    string
		root    []fact.EnginePolicy
		webhook bool
		want    fact.EngineMode
	}{
		{"Kyverno", nil, true, fact.EngineOff},
		{"Kyverno", []fact.EnginePolicy{reports}, true, fact.EngineDetects},
		{"Kyverno", []fact.EnginePolicy{reports, doubtful}, true, fact.EngineUnknown},
		{"Kyverno", []fact.EnginePolicy{doubtful, blocks}, true, fact.EngineBlocks},
		{"Kyverno", []fact.EnginePolicy{blocks}, false, fact.EngineOff},
		{"Falco", nil, false, fact.EngineDetects},
		{"Aqua", nil, false, fact.EngineUnknown},
		{"KubeArmor", []fact.EnginePolicy{blocks}, false, fact.EngineBlocks},
	} {
		if got, why := tool(t, tc.tool).ModeOf(tc.root, nil, tc.webhook); got != tc.want || why == "" {
			t.Errorf("%s %v %v: %s, %q, want %s", tc.tool, tc.root, tc.webhook, got, why, tc.want)
		}
	}
}

func TestHolds(t *testing.T) {
	for _, tc := range []struct {
		p      fact.EnginePolicy
		labels map[string]string
		want   bool
	}{
		{fact.EnginePolicy{}, nil, true},
		{fact.EnginePolicy{Namespace: "shop"}, nil, true},
		{fact.EnginePolicy{Namespace: "sh*"}, nil, true},
		{fact.EnginePolicy{Namespace: "other"}, nil, false},
		{fact.EnginePolicy{Namespace: "[", Except: []string{"["}}, nil, false},
		{fact.EnginePolicy{Except: []string{"sh*"}}, nil, false},
		{fact.EnginePolicy{Labels: map[string]string{"a": "b"}}, map[string]string{"a": "b", "c": "d"}, true},
		{fact.EnginePolicy{Labels: map[string]string{"a": "b"}}, map[string]string{"a": "c"}, false},
		{fact.EnginePolicy{Labels: map[string]string{"a": ""}}, nil, false},
		{fact.EnginePolicy{Labels: map[string]string{"a": ""}}, map[string]string{"a": ""}, true},
	} {
		if got := Holds(&tc.p, "shop", tc.labels); got != tc.want {
			t.Errorf("%+v, %v: %v", tc.p, tc.labels, got)
		}
	}
}

// No bytes of a policy make a reader panic, and what it says is made from the object only.
func FuzzPolicies(f *testing.F) {
	for _, seed := range []string{kyvernoRoot, constraint, kubearmorOf, tetragonOf} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, source string) {
		var object map[string]any
		if yaml.Unmarshal([]byte(source), &object) != nil {
			return
		}
		for i := range tools {
			for j := range tools[i].Policies {
				first := tools[i].Policies[j].Read("Kind", object)
				again := tools[i].Policies[j].Read("Kind", object)
				if diff := cmp.Diff(first, again); diff != "" {
					t.Errorf("%s: a second reading differs:\n%s", tools[i].Name, diff)
				}
			}
		}
	})
}
