// Package osv compares the packages of hosts with a database of vulnerabilities in
// the Open Source Vulnerability format (https://ossf.github.io/osv-schema/).
//
// A database is a directory of JSON records or zip files of them, or one such zip
// file as osv.dev publishes it. It is read once and never unpacked: what is kept of
// it is only what matters for the packages of a Query. So memory does not grow with
// the number of records. The database is untrusted: each record, and all of them
// together, have a limit, a damaged record costs only itself, and no error quotes
// what is in it.
//
// zip.go and database.go read files; the others only look at bytes and facts.
package osv
