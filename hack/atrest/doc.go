// Package atrest compares what the readers of Secrets at rest say with the API server's
// own loader and transformers, and with a real API server and etcd.
//
//	config_test.go   EncryptionConfigurations, generated and from testdata (make unit)
//	audit_test.go    audit policies, generated (make unit)
package atrest
