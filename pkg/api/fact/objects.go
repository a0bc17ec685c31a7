package fact

// ConfigMapScan is what was found in the data of ConfigMaps (kind ConfigMaps). It holds
// names of keys and of rules, and nothing of the data.
type ConfigMapScan struct {
	// Read counts the ConfigMaps that were read, Bytes the bytes of their data.
	Read  int   `json:"read"`
	Bytes int64 `json:"bytes"`
	// Truncated is true if a limit ended the scan. Then there may be more.
	Truncated bool `json:"truncated,omitempty"`
	// Found are the entries that hold credentials, sorted, at most MaxConfigMapEntries;
	// Total counts them.
	Found []ConfigMapEntry `json:"found,omitempty"`
	Total int              `json:"total,omitempty"`
}

// MaxConfigMapEntries bounds ConfigMapScan.Found.
const MaxConfigMapEntries = 5000

// ConfigMapEntry is a key of a ConfigMap whose text holds credentials.
type ConfigMapEntry struct {
	Origin    string   `json:"origin,omitempty"` // the file, with -f
	Namespace string   `json:"namespace"`
	Name      string   `json:"name"`
	Key       string   `json:"key"`
	Rules     []string `json:"rules"` // of package credential, sorted
}

// ServiceAccountToken is a Secret of type kubernetes.io/service-account-token (kind
// LegacyTokens).
type ServiceAccountToken struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Created   Time   `json:"created,omitzero"`
	// LastUsed is the label kubernetes.io/legacy-token-last-used, InvalidSince
	// kubernetes.io/legacy-token-invalid-since: days, "2026-11-28".
	LastUsed     string `json:"lastUsed,omitempty"`
	InvalidSince string `json:"invalidSince,omitempty"`
	// Owner is the kind of its controller, "" if none.
	Owner string `json:"owner,omitempty"`
}

// SecretStore is a store or an injector of Secrets (package secretstore) of which the
// cluster shows something (kind SecretStores).
type SecretStore struct {
	Name string `json:"name"` // of package secretstore: "external-secrets"
	// Resources are its custom resources that the API serves, with how many objects.
	Resources []StoreResource `json:"resources,omitempty"`
	// Installed are other signs that it is installed and not that it runs: CSI driver
	// objects, webhook configurations.
	Installed []string `json:"installed,omitempty"`
}

// StoreResource counts the objects of one resource.
type StoreResource struct {
	Resource string `json:"resource"` // externalsecrets.external-secrets.io
	Objects  int    `json:"objects"`
	// More is true if there are more than were counted.
	More bool `json:"more,omitempty"`
	// InCluster counts those of them whose value ends in a Secret of the cluster, nil if
	// the resource's objects do not say.
	InCluster *int `json:"inCluster,omitempty"`
	// Classes are names of the objects that pods refer to, with whether their value ends
	// in a Secret of the cluster (SecretProviderClass), sorted, at most MaxStoreClasses.
	Classes []StoreClass `json:"classes,omitempty"`
}

// MaxStoreClasses bounds StoreResource.Classes.
const MaxStoreClasses = 2000

// StoreClass is a SecretProviderClass.
type StoreClass struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Provider  string `json:"provider,omitempty"`
	InCluster bool   `json:"inCluster,omitempty"` // has secretObjects
}

// MeshState is a service mesh of which the cluster shows that it encrypts all traffic
// between workloads (kind SecretStores reads it beside).
type MeshState struct {
	Name   string `json:"name"`   // Istio, Linkerd, Cilium
	Strict bool   `json:"strict"` // an object says so for the whole mesh
	Source string `json:"source"` // that object
}

// Variable is a container's variable that comes from a Secret, or whose value in the
// spec is or names a credential. Its value is not kept.
type Variable struct {
	Name  string `json:"name"`  // "" for envFrom
	Field string `json:"field"` // below the container: "env[2]", "envFrom[0]"
	// Secret and Key are what secretKeyRef or secretRef names.
	Secret   string `json:"secret,omitempty"`
	Key      string `json:"key,omitempty"`
	Optional bool   `json:"optional,omitempty"`
	// Rule is what a plain value looks like: a rule of package credential.
	Rule string `json:"rule,omitempty"`
	// Store is the store of which a plain value names a secret: "vault:secret/data/db#password"
	// of bank-vaults.
	Store string `json:"store,omitempty"`
}

// MaxVariables bounds Container.Variables.
const MaxVariables = 200
