// Package etcd reads how Secrets are stored: it finds the current revision of
// every Secret in a bbolt file, which package stored classifies.
//
// The reader is our own. It takes no lock, so it can read the file of a running
// member, where bbolt itself would wait for etcd to stop; it never maps the
// file, so a truncation is a short read and not a SIGBUS; and every byte is
// checked before it is believed, for pages carry no checksum. No byte of a
// value leaves this package: what does is names, sizes, revisions and the
// envelope prefix that the API server writes in front of the ciphertext.
//
// Layers, each of which knows only the one below:
//
//	page.go      the format of a bbolt page (pure)
//	tree.go      one tree: metas, buckets, a walk in key order
//	record.go    etcd's rows: revision keys and mvccpb.KeyValue (pure)
//	collect.go   what the rows say together: the current revision of each Secret
//	read.go      Read: whole walks, and chunks of a file that changes
//	snapshot.go  files that a user names; only the plugin uses it
//
// # What a flipped bit can do
//
// Pages have no checksum, only the meta pages do (and etcdctl's snapshots carry
// one SHA-256 for the whole). Damage is found by contradiction: page numbers,
// flags, bounds; elements that do not lie back to back, as bbolt always writes
// them; keys out of order or outside what the parent says; rows that are not
// the revision that they say, or that are missing although no compaction
// reached them; names in a plaintext value that are not the key's. What no
// contradiction shows is a changed letter inside the name of an encrypted
// Secret, inside the name of its encryption key, or inside the ciphertext: the
// class stays right, the name is wrong. Comparing the names with the API
// server's list shows the first. Nor does it show where a value's length is
// smaller by just as much as reads like a field of a later version of etcd, or
// if the page number of the bucket's root leads further right into its own tree,
// where compaction has reached the last revision and the default namespace was
// written late.
// TestFlippedBit flips every bit of a file (with ETCD_FLIP_ALL=1; one of each
// byte without).
//
// After a contradiction some rows are lost, and any of them may have been a
// newer revision of a Secret that was read before. Those Secrets have class
// unknown, with the class of the revision that was read beside it.
package etcd
