// Package enforcer recognises policy engines, which refuse pods, and runtime agents, which stop
// programs or report them. It is pure. A name is a claim: everybody can give a workload the
// name, the image or the labels of an agent. What is recognised here says what to look for, not
// that it works.
package enforcer

import (
	"path"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// Tool is one policy engine or runtime agent.
type Tool struct {
	Name string
	// Agent is true for what runs on nodes.
	Agent bool
	// Mode is what it does whatever its policies say: EngineDetects, or EngineUnknown if the
	// policies are not objects of the cluster. "" means that its policies decide.
	Mode fact.EngineMode
	// Why says where Mode comes from, in a few words.
	Why string
	// Images are the ends of repositories, without the registry: "falcosecurity/falco". "*" at the
	// end stands for any text.
	Images []string
	// Names are the names of its DaemonSets or Deployments, for tools whose images are mirrored
	// under many names.
	Names []string
	// Webhooks are globs of the names of its webhook configurations. A tool that has some, and
	// none is there, refuses nothing.
	Webhooks []string
	// Policies are the resources that hold its policies.
	Policies []Resource
	// Programs are the names of its executable, without directories; nil if none is known.
	// Everybody can give a file such a name: it shows only that another program runs.
	Programs []string
	// Mark begins the AppArmor profile that it gives to containers; "" for none.
	Mark string
	// Source is the repository or page that says so, Date the month in which it was read. A
	// source "general knowledge" was not checked.
	Source, Date string
}

// Resource is a resource of an API group, its kind, and how its objects are read.
type Resource struct {
	Group, Resource, Kind string
	read                  func(object map[string]any) []Policy
}

// Effect says what a policy can do about drift.
type Effect string

// The effects.
const (
	Root     Effect = "root"     // a pod with a writable root file system is refused or changed
	Programs Effect = "programs" // a new program in a running container is stopped
	Exempt   Effect = "exempt"   // the policies of the names in Except do not hold for all that they match
)

// Policy is what one object demands.
type Policy struct {
	Effect Effect
	fact.EnginePolicy
}

const (
	summer = "2026-08"
	judged = "general knowledge"
)

// Tools lists all tools, sorted by name. Nobody may change it.
// Source: the repositories that the rows name, read at a commit of the month that they name.
func Tools() []Tool { return tools }

var tools = []Tool{
	{
		Name: "Aqua", Agent: true, Mode: fact.EngineUnknown, Why: "its policies are in its console",
		Images: []string{"aquasec/enforcer", "registry.aquasec.com/enforcer"}, Names: []string{"aqua-enforcer-ds"},
		Source: "aquasecurity/aqua-helm", Date: summer,
	},
	{
		Name: "CrowdStrike Falcon", Agent: true, Mode: fact.EngineUnknown, Why: "its policies are in its console",
		Images:   []string{"falcon-sensor/*/falcon-sensor", "crowdstrike/falcon-sensor"},
		Policies: []Resource{{"falcon.crowdstrike.com", "falconnodesensors", "FalconNodeSensor", nil}},
		Source:   "CrowdStrike/falcon-operator", Date: summer,
	},
	{
		Name: "Falco", Agent: true, Mode: fact.EngineDetects, Why: "Falco reports; falco-talon or another program would have to act",
		Images:   []string{"falcosecurity/falco", "falcosecurity/falco-no-driver", "falcosecurity/falco-distroless"},
		Programs: []string{"falco"}, // falcosecurity/falco, docker/falco/Dockerfile
		Source:   "falcosecurity/rules, falcosecurity/charts", Date: summer,
	},
	{
		Name: "Gatekeeper", Images: []string{"openpolicyagent/gatekeeper"},
		Webhooks: []string{"gatekeeper-validating-webhook-configuration"},
		Policies: []Resource{
			{"constraints.gatekeeper.sh", "*", "*", gatekeeperConstraint},
			{"mutations.gatekeeper.sh", "assign", "Assign", gatekeeperAssign},
		},
		Source: "open-policy-agent/gatekeeper", Date: summer,
	},
	{
		Name: "KubeArmor", Agent: true, Images: []string{"kubearmor/kubearmor"}, Mark: "kubearmor-",
		Programs: []string{"kubearmor"}, // Dockerfile
		Policies: []Resource{
			{"security.kubearmor.com", "kubearmorpolicies", "KubeArmorPolicy", kubearmor},
			{"security.kubearmor.com", "kubearmorclusterpolicies", "KubeArmorClusterPolicy", kubearmor},
		},
		Source: "kubearmor/KubeArmor", Date: summer,
	},
	{
		Name: "Kubescape", Agent: true, Mode: fact.EngineDetects, Why: "its runtime detection is off by default and only reports",
		Images: []string{"kubescape/node-agent"}, Source: "kubescape/helm-charts", Date: summer,
	},
	{
		Name: "Kubewarden", Images: []string{"kubewarden/policy-server"},
		Webhooks: []string{"clusterwide-*", "namespaced-*"},
		Policies: []Resource{
			{"policies.kubewarden.io", "clusteradmissionpolicies", "ClusterAdmissionPolicy", kubewarden},
			{"policies.kubewarden.io", "admissionpolicies", "AdmissionPolicy", kubewarden},
			{"policies.kubewarden.io", "clusteradmissionpolicygroups", "ClusterAdmissionPolicyGroup", kubewardenGroup},
			{"policies.kubewarden.io", "admissionpolicygroups", "AdmissionPolicyGroup", kubewardenGroup},
		},
		Source: "kubewarden/kubewarden-controller", Date: "2026-05",
	},
	{
		Name: "Kyverno", Images: []string{"kyverno/kyverno"},
		Webhooks: []string{"kyverno-resource-validating-webhook-cfg*", "kyverno-resource-mutating-webhook-cfg*"},
		Policies: []Resource{
			{"kyverno.io", "clusterpolicies", "ClusterPolicy", kyverno},
			{"kyverno.io", "policies", "Policy", kyverno},
			{"kyverno.io", "policyexceptions", "PolicyException", kyvernoException},
			{"policies.kyverno.io", "validatingpolicies", "ValidatingPolicy", kyvernoCEL},
			{"policies.kyverno.io", "namespacedvalidatingpolicies", "NamespacedValidatingPolicy", kyvernoCEL},
			{"policies.kyverno.io", "mutatingpolicies", "MutatingPolicy", kyvernoCEL},
			{"policies.kyverno.io", "namespacedmutatingpolicies", "NamespacedMutatingPolicy", kyvernoCEL},
		},
		Source: "kyverno/kyverno", Date: summer,
	},
	{
		Name: "Microsoft Defender", Agent: true, Mode: fact.EngineDetects, Why: "it reports",
		Names:  []string{"microsoft-defender-collector-ds", "microsoft-defender-publisher-ds"},
		Source: judged, Date: summer,
	},
	{
		Name: "NeuVector", Agent: true, Images: []string{"neuvector/enforcer"},
		Policies: []Resource{
			{"neuvector.com", "nvsecurityrules", "NvSecurityRule", neuvector},
			{"neuvector.com", "nvclustersecurityrules", "NvClusterSecurityRule", neuvector},
		},
		Source: "neuvector/neuvector-helm", Date: summer,
	},
	{
		Name: "Prisma Cloud", Agent: true, Mode: fact.EngineUnknown, Why: "its policies are in its console",
		Images: []string{"twistlock/defender"}, Names: []string{"twistlock-defender-ds"}, Source: judged, Date: summer,
	},
	{
		Name: "StackRox", Agent: true, Mode: fact.EngineUnknown, Why: "Central keeps its policies and decides whether they are enforced",
		Images:   []string{"stackrox-io/collector", "rhacs-collector-rhel8", "rhacs-collector-rhel9"},
		Webhooks: []string{"stackrox"},
		Policies: []Resource{{"config.stackrox.io", "securitypolicies", "SecurityPolicy", stackrox}},
		Source:   "stackrox/stackrox", Date: summer,
	},
	{
		Name: "Sysdig", Agent: true, Mode: fact.EngineUnknown, Why: "drift control is off by default, and its policies are in its console",
		Images: []string{"sysdig/agent", "sysdig/agent-slim", "sysdig/cluster-shield", "sysdig/host-shield"}, Source: "sysdiglabs/charts", Date: summer,
	},
	{
		Name: "Tetragon", Agent: true, Images: []string{"cilium/tetragon"},
		Programs: []string{"tetragon"}, // Dockerfile
		Policies: []Resource{
			{"cilium.io", "tracingpolicies", "TracingPolicy", tetragon},
			{"cilium.io", "tracingpoliciesnamespaced", "TracingPolicyNamespaced", tetragon},
		},
		Source: "cilium/tetragon", Date: summer,
	},
	{
		Name: "Tracee", Agent: true, Mode: fact.EngineDetects, Why: "Tracee reports",
		Images: []string{"aquasec/tracee"}, Source: "aquasecurity/tracee", Date: summer,
	},
	{
		Name: "Wiz", Agent: true, Mode: fact.EngineUnknown, Why: "its policies are in its console",
		Images: []string{"wizio.azurecr.io/sensor"}, Source: "wiz-sec/charts", Date: summer,
	},
}

// Named finds a tool by its name; nil if this version does not know it.
func Named(name string) *Tool {
	for i := range tools {
		if tools[i].Name == name {
			return &tools[i]
		}
	}
	return nil
}

// HasImage reports whether an image's reference is one of the tool's.
func (t *Tool) HasImage(reference string) bool {
	name, _, _ := strings.Cut(reference, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[:i]
	}
	return slices.ContainsFunc(t.Images, func(end string) bool { return endsWith(name, end) })
}

// endsWith reports whether the last parts of a repository's name are those of a glob.
func endsWith(name, glob string) bool {
	parts, want := strings.Split(name, "/"), strings.Split(glob, "/")
	if len(parts) < len(want) {
		return false
	}
	parts = parts[len(parts)-len(want):]
	for i := range want {
		if ok, err := path.Match(want[i], parts[i]); err != nil || !ok {
			return false
		}
	}
	return true
}

// HasName reports whether a workload's name is one of the tool's.
func (t *Tool) HasName(name string) bool { return slices.Contains(t.Names, name) }

// HasWebhook reports whether a webhook configuration is one of the tool's.
func (t *Tool) HasWebhook(name string) bool {
	return slices.ContainsFunc(t.Webhooks, func(glob string) bool { ok, err := path.Match(glob, name); return err == nil && ok })
}

// Policy returns the row of a resource; nil if the tool has none. Gatekeeper's constraints
// have a kind for each template.
func (t *Tool) Policy(group, resource string) *Resource {
	for i := range t.Policies {
		r := &t.Policies[i]
		if r.Group == group && (r.Resource == resource || r.Resource == "*") {
			return r
		}
	}
	return nil
}

// Exempts reports whether objects of the resource except from policies. They do so from all
// namespaces.
func (r *Resource) Exempts() bool { return r.Resource == "policyexceptions" }

// Except notes a doubt at the policies that an exception names. Names are as Policy.Except has
// them; "*" stands for all.
func Except(policies []fact.EnginePolicy, names map[string]bool) {
	for i := range policies {
		p := &policies[i]
		_, name, _ := strings.Cut(p.Name, " ")
		switch {
		case p.Doubt != "":
		case names["*"]:
			p.Doubt = "exceptions from it were not read"
		case names[name]:
			p.Doubt = "an exception names it"
		}
	}
}

// Reads reports whether objects of the resource can say anything about drift. If not, only the
// resource itself is a sign of the tool.
func (r *Resource) Reads() bool { return r.read != nil || r.Exempts() }

// Read says what an object of the resource demands about drift; nothing for most objects. The
// texts of the object are untrusted and not bounded here.
func (r *Resource) Read(kind string, object map[string]any) []Policy {
	if r.read == nil {
		return nil
	}
	namespace, name := text(object, "metadata", "namespace"), text(object, "metadata", "name")
	var out []Policy
	for _, p := range r.read(object) {
		p.Name = kind + " " + name
		switch {
		case namespace == "": // an object of the cluster
		case p.Namespace != "" && !glob(p.Namespace, namespace):
			continue // it names other namespaces, and holds in its own only
		default:
			p.Namespace = namespace
		}
		out = append(out, p)
	}
	return out
}

// ModeOf is what a tool does, by its policies and by whether one of its webhooks was seen, with
// the reason.
func (t *Tool) ModeOf(root, programs []fact.EnginePolicy, webhook bool) (fact.EngineMode, string) {
	if len(t.Webhooks) > 0 && !t.Agent && !webhook {
		return fact.EngineOff, "it has no webhook configuration, so that the API server does not ask it"
	}
	mode, why := fact.EngineOff, "no policy of it demands a read-only root file system or stops programs"
	for _, p := range slices.Concat(root, programs) {
		switch {
		case p.Blocks && p.Doubt == "":
			return fact.EngineBlocks, p.Name
		case p.Blocks:
			mode, why = fact.EngineUnknown, p.Name+": "+p.Doubt
		case mode == fact.EngineOff:
			mode, why = fact.EngineDetects, p.Name+" only reports"
		}
	}
	if mode == fact.EngineOff && t.Mode != "" {
		return t.Mode, t.Why
	}
	return mode, why
}

// Holds reports whether a policy holds in a namespace for pods with these labels.
func Holds(p *fact.EnginePolicy, namespace string, labels map[string]string) bool {
	if p.Namespace != "" && !glob(p.Namespace, namespace) {
		return false
	}
	for _, except := range p.Except {
		if glob(except, namespace) {
			return false
		}
	}
	for key, value := range p.Labels {
		if has, ok := labels[key]; !ok || has != value {
			return false
		}
	}
	return true
}

// glob matches a name against a pattern with "*" and "?" for any text and any character, as
// Kyverno and Gatekeeper use it. A pattern that is none matches nothing.
func glob(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}
