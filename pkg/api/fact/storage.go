package fact

// StoreFormat is the kind of a store's file.
type StoreFormat string

// The formats. The zero value is etcd's, as in facts of earlier versions.
const (
	FormatEtcd StoreFormat = ""     // bbolt, of etcd
	FormatKine StoreFormat = "kine" // SQLite, of kine (k3s)
)

// EtcdDB is what the file of a store says about the current revision of every Secret,
// and about older ones: a bbolt file of etcd, or an SQLite file of kine. It holds
// names, prefixes and sizes, and never a byte of a value.
type EtcdDB struct {
	// Path is the file: on the node, or as given.
	Path   string      `json:"path"`
	Format StoreFormat `json:"format,omitempty"`
	// Snapshot is true for a file that the user named, and false for a live member's.
	Snapshot bool `json:"snapshot,omitempty"`
	// Prefix is the API server's --etcd-prefix without the trailing slash. PrefixFrom
	// says how it is known: from a flag, or from the key of the default namespace.
	Prefix     string `json:"prefix,omitempty"`
	PrefixFrom string `json:"prefixFrom,omitempty"`
	Revision   int64  `json:"revision,omitempty"` // newest revision seen
	TxID       uint64 `json:"txid,omitempty"`     // of bbolt
	Size       int64  `json:"size,omitempty"`     // bytes
	// Complete is true if the file was read to its end, so that no current Secret can be
	// missing. A Secret that was read and whose form is not known does not change it.
	Complete bool           `json:"complete"`
	Secrets  []StoredSecret `json:"secrets,omitempty"` // sorted
	// Total counts the Secrets found, also if the list was cut.
	Total int `json:"total"`
	// History is about the revisions that are not current. It is nil in facts of earlier
	// versions, and where it was not asked for.
	History *StoredHistory `json:"history,omitempty"`
	// Resources counts the current objects of other resources by how they are stored. It
	// is nil if the configuration names none. Sorted.
	Resources []StoredResource `json:"resources,omitempty"`
	// Remains are the places beside the rows in which values were looked for: free pages,
	// page slack, logs, and the files next to the database.
	Remains []Remains `json:"remains,omitempty"`
	// Files say who can read the store's directory and its files. It is nil if they were
	// not looked at, as with a snapshot.
	Files *StoreFiles `json:"files,omitempty"`
}

// StoredHistory is about the revisions of Secrets that are still in the rows and not
// current: etcd's rows before compaction, kine's older rows, and kine's old_value of any
// row, the current one's too.
type StoredHistory struct {
	// Complete reports whether every such revision was read.
	Complete  bool  `json:"complete"`
	Compacted int64 `json:"compacted,omitempty"` // revision up to which the store has compacted
	// Revisions counts them all, Plaintext those in plaintext, and Unknown those in a
	// form that is neither plaintext nor known to be encrypted.
	Revisions int `json:"revisions"`
	Plaintext int `json:"plaintext,omitempty"`
	Unknown   int `json:"unknown,omitempty"`
	// Deleted are Secrets that no longer exist, of which a revision in plaintext is still
	// there. Sorted, at most MaxDeletedSecrets; DeletedTotal counts them all.
	Deleted      []DeletedSecret `json:"deleted,omitempty"`
	DeletedTotal int             `json:"deletedTotal,omitempty"`
}

// MaxDeletedSecrets bounds StoredHistory.Deleted.
const MaxDeletedSecrets = 500

// DeletedSecret is a Secret whose current revision is a tombstone.
type DeletedSecret struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Plaintext int    `json:"plaintext"` // revisions in plaintext
	Revision  int64  `json:"revision"`  // the newest of them
}

// StoredResource counts the current objects of one resource that are stored in one way.
type StoredResource struct {
	// Dir is what follows the prefix in their keys: "configmaps", "services/specs",
	// "cert-manager.io/certificates".
	Dir        string       `json:"dir"`
	Class      StorageClass `json:"class"`
	Provider   string       `json:"provider,omitempty"` // as StoredSecret.Provider
	KeyGuessed bool         `json:"keyGuessed,omitempty"`
	Count      int          `json:"count"`
}

// MaxStoredResources bounds EtcdDB.Resources.
const MaxStoredResources = 500

// StorageClass is how a value is stored, according to its first bytes.
type StorageClass string

// The classes. Those called identity are plaintext.
const (
	ClassIdentityProtobuf StorageClass = "identity (protobuf)"
	ClassIdentityJSON     StorageClass = "identity (json)"
	ClassIdentityCBOR     StorageClass = "identity (cbor)"
	ClassIdentityYAML     StorageClass = "identity (yaml)" // --storage-media-type=application/yaml
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
	return c == ClassIdentityProtobuf || c == ClassIdentityJSON || c == ClassIdentityCBOR || c == ClassIdentityYAML
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
	// KeyGuessed is true if no configuration named the key. Then the name in Provider is
	// what it looks like. "…" at the end of Provider stands for what is not shown of it:
	// bytes that might be the payload.
	KeyGuessed bool `json:"keyGuessed,omitempty"`
	// OldValue is true if the old_value that kine keeps in the current row is plaintext.
	// Older counts its older revisions in plaintext (see StoredHistory), that one too, and
	// OlderRevision is the newest of them. (The fields lie so that 200,000 take less.)
	OldValue      bool  `json:"oldValue,omitempty"`
	Older         int32 `json:"older,omitempty"`
	OlderRevision int64 `json:"olderRevision,omitempty"`
	// KeyID is the start of the SHA-256, in hex, of the id of the key in the KMS (kms v2),
	// so that values under two keys can be told apart.
	KeyID string `json:"keyID,omitempty"`
	// LastSeen is the class of Revision if Class is unknown because a newer revision
	// may be in a part of the file that could not be read.
	LastSeen StorageClass `json:"lastSeen,omitempty"`
	Size     int          `json:"size"` // bytes stored
}

// APIServer is a kube-apiserver process, or k3s with an API server inside, and its
// settings for storage.
type APIServer struct {
	PID int `json:"pid"`
	// Program is "" for kube-apiserver, else k3s.
	Program string `json:"program,omitempty"`
	Started Time   `json:"started,omitzero"`
	// Flags holds only flags on a fixed list, none of which can carry a secret.
	Flags map[string]string `json:"flags,omitempty"`
	// ConfigFile is the file that also gives flags (--openshift-config, or k3s' own), ""
	// if there is none. What it says is in Flags. Unfollowed says why the absence of a
	// flag shows nothing, "" if it does: "--openshift-config=FILE was not read".
	ConfigFile string `json:"configFile,omitempty"`
	Unfollowed string `json:"unfollowed,omitempty"`
	// Audit is nil if no audit policy is set, or if it could not be read (then there is a
	// Gap).
	Audit *AuditPolicy `json:"audit,omitempty"`
	// Encryption is nil if --encryption-provider-config is not set (EncryptionFlag is
	// false), or if the file could not be read (then there is a Gap).
	EncryptionFlag bool                     `json:"encryptionFlag,omitempty"`
	Encryption     *EncryptionConfiguration `json:"encryption,omitempty"`
}

// EncryptionConfiguration is the file of that kind (apiserver.config.k8s.io/v1)
// without its keys: no field could hold one.
type EncryptionConfiguration struct {
	Path string `json:"path"` // below the process's root
	// Changed is the newest ctime on the path: of the file, and of each link and
	// directory that leads to it. ChangedAt is that place, "" for the file itself.
	Changed   Time   `json:"changed,omitzero"`
	ChangedAt string `json:"changedAt,omitempty"`
	// Hash is "sha256:" and the SHA-256 of the file, as the API server itself publishes it
	// for the configuration that it has loaded (1.34 and later).
	Hash string `json:"hash,omitempty"`
	// File says who can read it; nil if this was not read.
	File *FileAccess `json:"file,omitempty"`
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

// AuditPolicy is what an API server's audit policy (audit.k8s.io/v1) does with Secrets.
type AuditPolicy struct {
	Path string `json:"path"` // below the process's root
	// Level is the highest level at which any request for Secrets can be logged: None,
	// Metadata, Request or RequestResponse. A level counts for what it logs of a value (a
	// get at Request has no body, and counts as Metadata), so from Request on, the log
	// holds values. Rule is the number of that rule in the policy, from 1.
	Level string `json:"level"`
	Rule  int    `json:"rule,omitempty"`
	// Log is the log's file; nil if there is none (--audit-log-path is not set), or if it
	// is standard output, which Stdout says. Webhook is true if events are sent away.
	Log     *FileAccess `json:"log,omitempty"`
	LogPath string      `json:"logPath,omitempty"`
	Stdout  bool        `json:"stdout,omitempty"`
	Webhook bool        `json:"webhook,omitempty"`
}

// FileAccess says who can get at a file or directory.
type FileAccess struct {
	Path  string `json:"path"`
	Dir   bool   `json:"dir,omitempty"`
	Mode  uint32 `json:"mode"` // permission bits, 0 to 07777
	Owner uint32 `json:"owner"`
	Group uint32 `json:"group"`
	// ACL is true if it has a POSIX ACL, whose entries Mode does not show.
	ACL bool `json:"acl,omitempty"`
	// GroupReaches and OthersReach report whether members of Group, and users who are
	// neither owner nor in a group of it, can pass every directory on the path. A file
	// counts as readable by them only then.
	GroupReaches bool `json:"groupReaches,omitempty"`
	OthersReach  bool `json:"othersReach,omitempty"`
	// WritableParent is a directory on the path in which a user other than root and Owner
	// can replace what leads to the file, "" if there is none.
	WritableParent string `json:"writableParent,omitempty"`
}

// StoreFiles says who can get at a store's files.
type StoreFiles struct {
	// Dir is the data directory: etcd's, or server/db of k3s.
	Dir FileAccess `json:"dir"`
	// Uid is the user that the store's process runs as.
	UID uint32 `json:"uid"`
	// Files counts the files below it, Open lists those that group or others can read or
	// write, at most MaxOpenFiles; OpenTotal counts them all.
	Files     int          `json:"files"`
	Open      []FileAccess `json:"open,omitempty"`
	OpenTotal int          `json:"openTotal,omitempty"`
}

// MaxOpenFiles bounds StoreFiles.Open.
const MaxOpenFiles = 50

// SwapState says whether a node swaps, and whether Secret volumes can be swapped out.
type SwapState struct {
	Areas int   `json:"areas"`          // active swap areas that are not in memory (zram)
	Used  int64 `json:"used,omitempty"` // bytes
	// SecretVolumes counts kubelet's tmpfs mounts of Secret and projected volumes,
	// Swappable those of them without the option noswap (Linux 6.3 and later).
	SecretVolumes int `json:"secretVolumes,omitempty"`
	Swappable     int `json:"swappable,omitempty"`
}
