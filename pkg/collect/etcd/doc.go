// Package etcd reads how Secrets are stored: it finds the current revision of
// every Secret in a bbolt file, counts the older ones, and counts the objects of other
// resources. Package stored classifies the values.
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
//	table.go     the current revision of each Secret, and how many older ones
//	resources.go the same for other resources, as numbers
//	collect.go   what the rows say together
//	read.go      Read: whole walks, and chunks of a file that changes
//	reach.go     which pages are in use, and which rows are plaintext
//	recognise.go whether a file is a bbolt file at all
//	reach.go     which pages a tree uses, and which rows hold plaintext
//	pagescan.go  Secrets in plaintext in pages that no tree uses
//	residue.go   Read: free pages, page slack, what is behind the last page
//	wal.go       the write-ahead log
//	dir.go       ReadMemberRemains: the log and the directory snap
//
// Files that a user names are the matter of package storefile.
//
// # One walk
//
// The prefix of Kubernetes' keys is guessed, and the walk itself shows whether the guess
// was right. Leaves are read ahead, those that lie close to each other in one call. Of a
// leaf's overflow pages only the parts with keys and the first bytes of values are read.
//
// # What is residue
//
// A value in plaintext, wherever it lies, whose row the tree does not hold in plaintext.
// bbolt copies pages all the time, so free pages are full of copies of rows that are still
// there: these are told by their revision. Two things are not found. Of a value longer than
// a page the first page may have been used again: what is left has no beginning, and so
// looks like nothing (see stored.Finder). And a put in the log does not say its revision:
// of each Secret as many puts are left out, from the newest back, as there are rows.
//
// # What damage can do
//
// Pages have no checksum. Only the meta pages have one, and etcdctl's snapshots
// have one SHA-256 for the whole file. Damage is found by contradiction: page
// numbers, flags, bounds; elements that are not back to back, as bbolt always
// writes them; bytes behind the last element, which bbolt clears; keys out of
// order or outside what the parent says; rows whose revision is not the one they
// state, or that are missing although no compaction reached them; names in a
// plaintext value that are not the key's; a plaintext Secret, or an encrypted
// object, under a key that the API server would not write; rows in the tree before
// the last that the last one does not have.
//
// Some damage causes no contradiction:
//   - Inside the name of an encrypted Secret, of its encryption key, or of the id of its
//     KMS key, or inside the ciphertext. The class is right and the name is wrong.
//     Comparing the names with the API server's list shows the first case.
//   - In the key of an encrypted row, so that it looks like the key of another resource.
//     Then an older revision of that Secret, or none, is taken for the current one.
//   - In the key of a tombstone. Then a Secret that was deleted is listed.
//   - A value's length that is smaller by exactly what reads like a field of a later
//     version of etcd.
//   - In a value that is no longer understood. Its Secret has class unknown; the
//     others stay known.
//   - A row that was removed so that the page is sound without it, and compaction has
//     reached its revision, if the bytes behind the last element were cleared or lie in
//     an overflow page that was not read.
//   - A page of the last transaction that is again what it was in the transaction before
//     (a write that was lost): then the file is read as it was before.
//   - The page number of the bucket's root can lead further right into its own tree, if
//     compaction has reached the last revision and the default namespace was written
//     late.
//
// TestFlippedBit flips every bit of a file (with ETCD_FLIP_ALL=1; one of each byte
// without). TestDamage does more harm: bursts, cleared, swapped and shortened pages.
//
// After a contradiction some rows are lost. Any of them may be a newer revision
// of a Secret that was read before. Those Secrets have class unknown; the class
// of the revision that was read is kept next to it.
//
// A copy that was taken while etcd was writing (cp instead of etcdctl snapshot save)
// has pages of different transactions, each of them sound. Then a gap says so. If the
// newest tree cannot be entered at all, the tree before it is read.
package etcd
