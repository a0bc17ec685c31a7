// Package kine reads how Secrets are stored in an SQLite database of kine, which k3s
// uses in etcd's place: the current revision of every Secret, the older ones, and what is
// left of values outside of the rows. Package stored classifies values, package sqlite
// reads the file.
//
// kine keeps one table. Each change of a key adds a row (kine, pkg/drivers/sqlite):
//
//	kine(id, name, created, deleted, create_revision, prev_revision, lease, value, old_value)
//
// The id is the revision. The last row of a name is its current one; deleted is 1 in a
// tombstone. prev_revision is the id of the name's row before, and old_value a copy of its
// value: so the row of an encrypted revision carries the plaintext of the one before, and
// a tombstone the last value of a deleted Secret. A compaction removes rows that a row up
// to its revision follows, and tombstones up to it, but keeps the newest 1,000 revisions.
// It writes its revision into the row compact_rev_key. Rows called gap-N fill holes.
//
//	files.go    the files of a database
//	record.go   a row
//	names.go    the names of Secrets in keys
//	secrets.go  what the rows of Secrets say together
//	resources.go  the same for other resources
//	read.go     Read: one pass over a file, or chunks of one that changes
//	residue.go  what lies outside of the rows
//	stores.go   old databases; other stores, which are recognised and not read
//
// # A file that changes
//
// We take no lock and do not use the -shm file. What was read is one committed state if
// afterwards the log's header is the same, no commit has been appended to the log, and the
// header of the main file is the same: nothing newer exists then that a checkpoint could
// have copied over pages that were read. Otherwise it is dropped. At first the whole file
// is tried, and then chunks of rows, which go on after the last row that was read: rows are
// only ever added behind, and those that a compaction removes have a newer one behind.
//
// # What a flipped bit can do
//
// Pages of the main file have no checksum. Damage is found as by SQLite's integrity
// check, with which sqlite.Audit compares every byte of a page, every page of the file and
// the number of entries of each index; by names that differ from those in their index, up
// to a fifth of a page long; and by rows that contradict each other: a row whose
// predecessor is missing although no compaction reached it, a name that differs in one
// byte from a Secret's, a name in a plaintext value that is not the key's. A changed byte
// in a ciphertext causes no contradiction, and leaves the class right.
//
// A file that changes too fast to be read as a whole is not audited; then only rows and
// their numbers are compared. And of a database that is copied without its log, the
// commits that only the log had are missing: no byte of the main file says so.
package kine
