// Package waloracle compares our reader of the write-ahead log of etcd with the one of
// etcd, and our reader of etcd's settings with etcd's parsers of flags, variables and its
// configuration file.
package waloracle
