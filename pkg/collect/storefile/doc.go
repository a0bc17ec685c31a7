// Package storefile reads the files that a user can name as a store of Kubernetes
// objects (--snapshot), and says what kind of file something is. A file is
// recognised by its content, never by its name. In a directory the names are those
// that etcd and k3s give.
//
//	kind.go       the kind of a file by its first bytes (pure)
//	unpack.go     gzip and zstd
//	memory.go     what is piped or unpacked is kept in memory, up to a limit
//	directory.go  the store in a directory of etcd or k3s
//	read.go       Read
//
// Nothing is written, not even a temporary file: it would be full of secrets.
package storefile
