// Package waloracle compares our reader of the write-ahead log of etcd with the one of etcd.
package waloracle
