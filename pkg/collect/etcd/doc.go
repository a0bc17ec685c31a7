// Package etcd reads how Secrets are stored: it finds the current revision of
// every Secret in a bbolt file. Package stored classifies it.
//
// The reader is our own. It takes no lock, so it can read the file of a running
// member, where bbolt itself would wait for etcd to stop. It never maps the
// file, so a truncation is a short read and not a SIGBUS. It checks every byte,
// because pages have no checksum. No byte of a value leaves this package, only
// names, sizes, revisions and the envelope prefix that the API server writes
// before the ciphertext.
//
// Each layer knows only the one below:
//
//	page.go      the format of a bbolt page (pure)
//	tree.go      one tree: metas, buckets, a walk in key order
//	record.go    etcd's rows: revision keys and mvccpb.KeyValue (pure)
//	collect.go   what the rows say together: the current revision of each Secret
//	read.go      Read: whole walks, and chunks of a file that changes
//	recognise.go whether a file is a bbolt file at all
//
// Files that a user names are the matter of package storefile.
//
// # What a flipped bit can do
//
// Pages have no checksum. Only the meta pages have one, and etcdctl's snapshots
// have one SHA-256 for the whole file. Damage is found by contradiction: page
// numbers, flags, bounds; elements that are not back to back, as bbolt always
// writes them; keys out of order or outside what the parent says; rows whose
// revision is not the one they state, or that are missing although no
// compaction reached them; names in a plaintext value that are not the key's.
// Some damage causes no contradiction. A changed letter inside the name of an
// encrypted Secret, inside the name of its encryption key, or inside the
// ciphertext leaves the class right and the name wrong; comparing the names
// with the API server's list shows the first case. A value's length can be
// smaller by exactly what reads like a field of a later version of etcd. And
// the page number of the bucket's root can lead further right into its own
// tree, if compaction has reached the last revision and the default namespace
// was written late. TestFlippedBit flips every bit of a file (with
// ETCD_FLIP_ALL=1; one of each byte without).
//
// After a contradiction some rows are lost. Any of them may be a newer revision
// of a Secret that was read before. Those Secrets have class unknown; the class
// of the revision that was read is kept next to it.
package etcd
