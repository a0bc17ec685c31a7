package fact

// Enforcement is what was read about what refuses a pod with a writable root file system, or
// stops a new program in a running container (kind Enforcing).
type Enforcement struct {
	// DryRuns are what the API server said of pods in each namespace that was tried, sorted by
	// namespace. A gap says why others were not.
	DryRuns []DryRun `json:"dryRuns,omitempty"`
	// User is whom the API server took the dry runs to come from, "" if it did not say. At most
	// MaxDryRunName bytes.
	User string `json:"user,omitempty"`
	// Policies are ValidatingAdmissionPolicies, sorted by name. PoliciesRead distinguishes
	// "none" from "not read". Policies that the API server loads from files are not among them.
	Policies     []AdmissionPolicy `json:"policies,omitempty"`
	PoliciesRead bool              `json:"policiesRead,omitempty"`
	// Predicted are what these policies say of the pods of DryRuns, in each namespace with
	// workloads, sorted by namespace; nil if no policy has a binding. It is computed from what
	// the objects declare (CEL), not asked: "allowed" means that no policy in the list refuses
	// the pod. Webhooks, policies in files and other plugins may still.
	Predicted []DryRun `json:"predicted,omitempty"`
	// Mutating are the names of MutatingAdmissionPolicies, sorted.
	Mutating []string `json:"mutating,omitempty"`
	// Engines are policy engines and runtime agents of which the cluster shows something,
	// sorted by name. EnginesRead distinguishes "none" from "not read".
	Engines     []Engine `json:"engines,omitempty"`
	EnginesRead bool     `json:"enginesRead,omitempty"`
}

// DryRunAnswer is what an API server says of a pod that it is asked to create in a dry run.
type DryRunAnswer string

// The answers. "" means that the pod was not tried. DryRunOther is an answer that says nothing
// about the pod: a webhook that refuses dry runs, a quota, a failure.
const (
	DryRunAllowed      DryRunAnswer = "allowed"
	DryRunRefused      DryRunAnswer = "refused"
	DryRunMadeReadOnly DryRunAnswer = "made-read-only" // allowed, and changed: its root is read-only
	DryRunOther        DryRunAnswer = "other"
)

// DryRun is what the API server said of pods in one namespace, which it was asked to create in
// a dry run. The perfect pod has two containers and two init containers (the second is a sidecar,
// since Kubernetes 1.29), all with a read-only root file system. Each of the others differs from
// it in one readOnlyRootFilesystem, that of the second of a list. Nothing was stored. It speaks for the user who asked, and for pods
// that are made directly.
type DryRun struct {
	Namespace string `json:"namespace"`
	// Unset does not set the field of the container, and Writable sets it to false. Init
	// does not set that of the init container.
	Unset    DryRunAnswer `json:"unset,omitempty"`
	Writable DryRunAnswer `json:"writable,omitempty"`
	Init     DryRunAnswer `json:"init,omitempty"`
	// Perfect is the answer to the perfect pod. It is tried last, if a pod was refused.
	Perfect DryRunAnswer `json:"perfect,omitempty"`
	// By are those who refused a writable pod, as far as the answers name them, sorted:
	// "ValidatingAdmissionPolicy x, binding y", "webhook z", "PodSecurity". At most
	// MaxDryRunName bytes each.
	By []string `json:"by,omitempty"`
	// PerfectBy is who refused the perfect pod.
	PerfectBy string `json:"perfectBy,omitempty"`
	// Image is the image of the pods: one that the namespace runs, if it runs one.
	Image string `json:"image,omitempty"`
	// LabelsOf is the workload whose labels the pods had ("deployment/web"), because without
	// them even the perfect pod was refused; else "".
	LabelsOf string `json:"labelsOf,omitempty"`
	// Reason and Detail say why an answer is DryRunOther, in our own words.
	Reason Reason `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// MaxDryRunName bounds the names in a DryRun, in bytes.
const MaxDryRunName = 200

// AdmissionPolicy is a ValidatingAdmissionPolicy. One without bindings does nothing.
type AdmissionPolicy struct {
	Name string `json:"name"`
	// Bindings counts its bindings. Actions are what they do with a refusal, sorted: Audit,
	// Deny, Warn. Without Deny the policy stops nothing.
	Bindings int      `json:"bindings,omitempty"`
	Actions  []string `json:"actions,omitempty"`
}

// Engine is a policy engine or a runtime agent. What it says of itself is a claim.
type Engine struct {
	Name string `json:"name"` // as in the table of package enforcer: "Kyverno"
	// Seen is where it was recognised: "daemonset/falco/falco image falcosecurity/falco".
	Seen []string `json:"seen,omitempty"`
	// Mode is what it claims to do. Why is the policy, or the reason in a few words.
	Mode EngineMode `json:"mode"`
	Why  string     `json:"why,omitempty"`
	// Agent is true for what runs on nodes, false for what answers at admission.
	Agent bool `json:"agent,omitempty"`
	// Mark begins the AppArmor profile that the agent gives to a container which it
	// protects (attr/current); "" if it leaves no such mark.
	Mark string `json:"mark,omitempty"`
	// Images are the images of its pods, as their specs name them, sorted, at most MaxSeen.
	Images []string `json:"images,omitempty"`
	// Pods are its pods that are ready, sorted by node; Desired counts the nodes on which one
	// should be.
	Pods    []EnginePod `json:"pods,omitempty"`
	Desired int         `json:"desired,omitempty"`
	// WritableRoot are the policies of it that demand a read-only root file system, sorted.
	// Programs are those that stop new programs.
	WritableRoot []EnginePolicy `json:"writableRoot,omitempty"`
	Programs     []EnginePolicy `json:"programs,omitempty"`
	// Unread are lists that could not be read, with the reason.
	Unread []Gap `json:"unread,omitempty"`
}

// EnginePod is a ready pod of an agent's DaemonSet, as the API server knows it. Whether the agent
// runs there is for the node to say.
type EnginePod struct {
	Node string `json:"node"`
	UID  string `json:"uid"`
	// Container is the runtime's id of the running container with the agent's image, without
	// its scheme.
	Container string `json:"container"`
}

// MaxSeen bounds Engine.Seen and Images, MaxEnginePolicies WritableRoot and Programs.
const (
	MaxSeen           = 8
	MaxExcept         = 64 // entries of EnginePolicy.Except and Labels
	MaxEnginePolicies = 1000
)

// EngineMode says what an engine does with what it finds.
type EngineMode string

// The modes.
const (
	EngineBlocks  EngineMode = "blocks"
	EngineDetects EngineMode = "detects"
	EngineOff     EngineMode = "off"
	EngineUnknown EngineMode = "unknown"
)

// EnginePolicy is one policy or rule of an engine.
type EnginePolicy struct {
	Name      string `json:"name"`                // "kyverno.io ClusterPolicy require-ro-rootfs"
	Namespace string `json:"namespace,omitempty"` // "" holds for all
	// Except are namespaces in which it does not hold. "kube-*" and "*-system" are globs.
	Except []string `json:"except,omitempty"`
	// Labels select pods; nil selects all of the namespaces.
	Labels map[string]string `json:"labels,omitempty"`
	// Blocks reports whether the policy blocks, not only reports.
	Blocks bool `json:"blocks,omitempty"`
	// Doubt is why it is unknown whether the policy does what it says (a selector that was
	// not understood, an exception). "" if nothing is.
	Doubt string `json:"doubt,omitempty"`
}
