// Package live has the tests that need real programs: the database of an etcd is read while
// it is written to, many times, and the settings of etcd and of the kubelet are compared
// with what these programs use. It takes minutes, so make live runs it.
package live
