// Package live has the test that reads the database of a real etcd while it is written
// to, many times. It takes minutes, so make live runs it.
package live
