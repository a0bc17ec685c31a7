// Package rpmdb reads which packages an rpm database says are installed.
//
// It knows the three formats that rpm has written since 2002, and never writes:
//
//	rpmdb.sqlite   SQLite, with a write-ahead log: rpm 4.16 and later
//	Packages.db    NDB, rpm's own: SUSE
//	Packages       a hash of Berkeley DB: RHEL 8, Amazon Linux 2 and older
//
// In each of them a package is a record, and its header a blob with up to
// megabytes of file names. Only the index and the wanted texts of a header are
// read, and one package is held at a time.
//
//	rpmdb.go    finds the database, reads it again if it changed meanwhile
//	header.go   one header
//	sqlite.go, ndb.go, bdb.go   the records of a format
//
// Nothing in a file is trusted. A damaged record costs that record and is
// counted. Lengths are checked before they are used, chains of pages are as long
// as the length of their record needs, and all records together have no more
// bytes than the file. Errors name a page, slot or byte, never content.
package rpmdb
