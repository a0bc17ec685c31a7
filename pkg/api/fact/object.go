package fact

// Object says what is needed to change a workload's owner: which object it is, and who else
// writes it.
type Object struct {
	APIVersion string `json:"apiVersion"`
	// Resource is the plural of the API path: "deployments".
	Resource string `json:"resource,omitempty"`
	UID      string `json:"uid,omitempty"`
	// Template is the field of the pod's spec in the object: "spec.template.spec". It is "" if
	// the object makes its pods in another way; then no patch of it can be written.
	Template string `json:"template,omitempty"`
	// Containers are the names of the containers in the template, with the field of each:
	// "web" is at "spec.template.spec.containers[0]". An injected container is not in it.
	Containers []NamedField `json:"containers,omitempty"`
	// Managers are those who made the object and would undo a change, sorted.
	Managers []Manager `json:"managers,omitempty"`
	// UpdateStrategy is spec.updateStrategy.type or spec.strategy.type: with OnDelete, pods
	// change only if they are deleted.
	UpdateStrategy string `json:"updateStrategy,omitempty"`
}

// Manager is who made an object, by its own marks.
type Manager struct {
	// By is helm, argocd, flux, olm, field-manager, owner.
	By string `json:"by"`
	// Name is the release, application, kustomization, manager or owner: "shop/web".
	Name string `json:"name,omitempty"`
	// Field is the label or annotation that says it: "metadata.annotations[meta.helm.sh/release-name]".
	Field string `json:"field"`
}
