package fact

// Object says what is needed to change a workload's owner: which object it is, and who else
// writes it. It holds no value of a field of its template, only which fields there are.
type Object struct {
	APIVersion string `json:"apiVersion"`
	// Kind and Name are those of the object with the template, if it is not the top owner
	// itself: the StatefulSet that an operator made for its own object. "" if it is.
	Kind string `json:"kind,omitempty"`
	Name string `json:"name,omitempty"`
	// Resource is the plural of the API path: "deployments".
	Resource string `json:"resource,omitempty"`
	UID      string `json:"uid,omitempty"`
	// Template is the field of the pod's spec in the object: "spec.template.spec". It is "" if
	// the object makes its pods in another way; then no patch of it can be written.
	Template string `json:"template,omitempty"`
	// Containers are the names of the containers in the template, with the field of each below
	// the pod's spec: "web" is at "containers[0]". An injected container is not in it.
	Containers []NamedField `json:"containers,omitempty"`
	// Fields says where parts of the pod's spec are that are not below Template, as
	// PodSpec.Fields does.
	Fields map[string]string `json:"fields,omitempty"`
	// Has are the fields that the template's spec has, of those that a patch may change, in
	// order: "containers[0].securityContext.capabilities". Those of the template's metadata
	// begin with "metadata". Items are entries of its lists: "tmp" is at "volumes[1]", the
	// mount "/tmp" at "containers[0].volumeMounts[0]".
	Has   []string     `json:"has,omitempty"`
	Items []NamedField `json:"items,omitempty"`
	// Managers are those who made the object and would undo a change, sorted.
	Managers []Manager `json:"managers,omitempty"`
	// UpdateStrategy is spec.updateStrategy.type or spec.strategy.type: with OnDelete, pods
	// change only if they are deleted. "paused" is a Deployment that makes no new pods,
	// "RollingUpdate from 3" a StatefulSet that changes only pods from this ordinal on.
	UpdateStrategy string `json:"updateStrategy,omitempty"`
}

// Manager is who made an object, by its own marks.
type Manager struct {
	// By is one of the constants below.
	By string `json:"by"`
	// Name is the release, application, kustomization, manager or owner: "shop/web".
	Name string `json:"name,omitempty"`
	// Field is the label or annotation that says it: "metadata.annotations[meta.helm.sh/release-name]".
	Field string `json:"field"`
}

// The ways in which an object is managed.
const (
	ByHelm         = "helm"
	ByArgoCD       = "argocd"
	ByFlux         = "flux"
	ByOLM          = "olm"
	ByAddonManager = "addon-manager"
	// ByFieldManager is a program that wrote fields of the pod's spec, by metadata.managedFields.
	// kubectl is none: its user made the object.
	ByFieldManager = "field-manager"
	// ByOwner is an object that owns this one.
	ByOwner = "owner"
)

// Bounds of an Object. A template with more fields than MaxObjectFields has no Template.
const (
	MaxObjectFields   = 5000
	MaxObjectManagers = 8
)

// Values of Object.UpdateStrategy with which a change of the template does not reach all pods.
const (
	StrategyOnDelete = "OnDelete"
	StrategyPaused   = "paused"
)
