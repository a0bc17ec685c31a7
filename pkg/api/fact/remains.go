package fact

// RemainsPlace is a kind of place beside a store's rows.
type RemainsPlace string

// The places.
const (
	InFreePages RemainsPlace = "free pages"        // pages that no tree uses, of bbolt or SQLite
	InPageSlack RemainsPlace = "page slack"        // unused bytes in pages in use
	BehindEnd   RemainsPlace = "behind the end"    // bytes of the file behind its last page
	InLog       RemainsPlace = "write-ahead log"   // etcd's member/wal, or old frames of FILE-wal
	InShadowed  RemainsPlace = "overwritten pages" // pages of an SQLite file that its log replaces
	InSnapFile  RemainsPlace = "snapshot file"     // member/snap beside the database
	InOldStore  RemainsPlace = "old database"      // state.db.migrated, etcd-old-*, *.broken
)

// Remains is one place in which values of Secrets were looked for.
type Remains struct {
	Place RemainsPlace `json:"place"`
	Path  string       `json:"path"` // the file
	// Scanned is how many bytes were looked at. Complete is true if that is all of the
	// place. Reason and Detail say what was not.
	Scanned  int64  `json:"scanned"`
	Complete bool   `json:"complete"`
	Reason   Reason `json:"reason,omitempty"`
	Detail   string `json:"detail,omitempty"`
	// Values counts Secrets' values in plaintext, each place where one lies. Values of a
	// revision that is still in the store's rows in plaintext do not count: those are
	// current or history.
	Values int `json:"values,omitempty"`
	// Unnamed counts those of them whose Secret the bytes do not tell.
	Unnamed int `json:"unnamed,omitempty"`
	// Secrets are the others by name, sorted, at most MaxRemainingSecrets; SecretsTotal
	// counts them all.
	Secrets      []RemainingSecret `json:"secrets,omitempty"`
	SecretsTotal int               `json:"secretsTotal,omitempty"`
}

// RemainingSecret is a Secret of which values were found.
type RemainingSecret struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Values    int    `json:"values"`
	Revision  int64  `json:"revision,omitempty"` // the newest that the bytes tell, 0 if none
}

// MaxRemainingSecrets bounds the names in Remains and Backup.
const MaxRemainingSecrets = 100

// Backup is a file on a node that looks like a copy of a store, found by its content.
type Backup struct {
	Path string `json:"path"`
	// Format is what the content is: "etcd snapshot", "etcd database", "kine database",
	// "tar", "zip", or "unknown" for compressed bytes of another kind. Compression is
	// "gzip", "zstd", "xz", "bzip2" or "lz4". Encrypted is "age" or "OpenPGP": then nothing was read of it.
	Format      string     `json:"format"`
	Compression string     `json:"compression,omitempty"`
	Encrypted   string     `json:"encrypted,omitempty"`
	Size        int64      `json:"size"` // bytes
	Modified    Time       `json:"modified,omitzero"`
	Access      FileAccess `json:"access"`
	// Complete is true if everything in it was read as what it is, so that Values is
	// exact; otherwise there are at least so many. Reason and Detail say why.
	Complete bool   `json:"complete"`
	Reason   Reason `json:"reason,omitempty"`
	Detail   string `json:"detail,omitempty"`
	// Values counts Secrets' values in plaintext, wherever in the file, and Encrypted
	// ones do not count. Names are as in Remains.
	Values       int               `json:"values,omitempty"`
	Unnamed      int               `json:"unnamed,omitempty"`
	Secrets      []RemainingSecret `json:"secrets,omitempty"`
	SecretsTotal int               `json:"secretsTotal,omitempty"`
}

// MaxBackups bounds the backups of a node.
const MaxBackups = 200
