package fact

// EtcdDB is what a bbolt file of etcd says about the current revision of every Secret.
// It holds names, prefixes and sizes, and never a byte of a value.
type EtcdDB struct {
	// Path is the file: on the node, or as given.
	Path string `json:"path"`
	// Snapshot is true for a file that the user named, and false for a live member's.
	Snapshot bool `json:"snapshot,omitempty"`
	// Prefix is the API server's --etcd-prefix without the trailing slash. PrefixFrom
	// says how it is known: from a flag, or from the key of the default namespace.
	Prefix     string `json:"prefix,omitempty"`
	PrefixFrom string `json:"prefixFrom,omitempty"`
	Revision   int64  `json:"revision,omitempty"` // newest revision seen
	TxID       uint64 `json:"txid,omitempty"`
	Size       int64  `json:"size,omitempty"` // bytes
	// Complete is true if every current Secret was classified.
	Complete bool           `json:"complete"`
	Secrets  []StoredSecret `json:"secrets,omitempty"` // sorted
	// Total counts the Secrets found, also if the list was cut.
	Total int `json:"total"`
}

// StorageClass is how a value is stored, according to its first bytes.
type StorageClass string

// The classes. The first two are plaintext.
const (
	ClassIdentityProtobuf StorageClass = "identity (protobuf)"
	ClassIdentityJSON     StorageClass = "identity (json)"
	ClassIdentityCBOR     StorageClass = "identity (cbor)"
	ClassAESCBC           StorageClass = "aescbc"
	ClassAESGCM           StorageClass = "aesgcm"
	ClassSecretbox        StorageClass = "secretbox"
	ClassKMSv1            StorageClass = "kms v1"
	ClassKMSv2            StorageClass = "kms v2"
	ClassUnknownEncrypted StorageClass = "encrypted-unknown" // k8s:enc: with an unknown word, or a form that does not fit
	ClassEmpty            StorageClass = "empty"
	ClassUnknown          StorageClass = "unknown"
)

// Plaintext reports whether anyone who has the file can read a value of this class.
func (c StorageClass) Plaintext() bool {
	return c == ClassIdentityProtobuf || c == ClassIdentityJSON || c == ClassIdentityCBOR
}

// Encrypted reports whether a value of this class is known to be encrypted.
func (c StorageClass) Encrypted() bool {
	switch c {
	case ClassAESCBC, ClassAESGCM, ClassSecretbox, ClassKMSv1, ClassKMSv2:
		return true
	}
	return false
}

// StoredSecret is the current revision of one Secret.
type StoredSecret struct {
	Namespace string       `json:"namespace"`
	Name      string       `json:"name"`
	Revision  int64        `json:"revision"` // mod_revision
	Class     StorageClass `json:"class"`
	// Provider is the envelope prefix without the payload: "k8s:enc:aescbc:v1:key1:".
	Provider string `json:"provider,omitempty"`
	// KeyGuessed is true if no configuration named the key. Then the name in Provider
	// ends at the first colon, or is left out.
	KeyGuessed bool `json:"keyGuessed,omitempty"`
	// LastSeen is the class of Revision if Class is unknown because a newer revision
	// may be in a part of the file that could not be read.
	LastSeen StorageClass `json:"lastSeen,omitempty"`
	Size     int          `json:"size"` // bytes stored
}

// APIServer is a kube-apiserver process and its settings for storage.
type APIServer struct {
	PID     int  `json:"pid"`
	Started Time `json:"started,omitzero"`
	// Flags holds only flags on a fixed list, none of which can carry a secret.
	Flags map[string]string `json:"flags,omitempty"`
	// Encryption is nil if --encryption-provider-config is not set (EncryptionFlag is
	// false), or if the file could not be read (then there is a Gap).
	EncryptionFlag bool                     `json:"encryptionFlag,omitempty"`
	Encryption     *EncryptionConfiguration `json:"encryption,omitempty"`
}

// EncryptionConfiguration is the file of that kind (apiserver.config.k8s.io/v1)
// without its keys: no field could hold one.
type EncryptionConfiguration struct {
	Path    string `json:"path"` // below the process's root
	Changed Time   `json:"changed,omitzero"`
	// AutoReload is --encryption-provider-config-automatic-reload.
	AutoReload bool              `json:"autoReload,omitempty"`
	Entries    []EncryptionEntry `json:"entries"`
}

// EncryptionEntry is one element of resources, in order.
type EncryptionEntry struct {
	Resources []string             `json:"resources"`
	Providers []EncryptionProvider `json:"providers"`
}

// EncryptionProvider is one element of providers, in order. The first writes.
type EncryptionProvider struct {
	Type string `json:"type"` // identity, aescbc, aesgcm, secretbox, kms
	// Keys are the names of its keys, in order. KMS has Name, APIVersion and Endpoint.
	Keys       []string `json:"keys,omitempty"`
	Name       string   `json:"name,omitempty"`
	APIVersion string   `json:"apiVersion,omitempty"`
	Endpoint   string   `json:"endpoint,omitempty"`
}
