// Package atrest compares what the readers of Secrets at rest say with the API server's
// own loader and transformers, and with a real API server and etcd.
//
//	config_test.go   EncryptionConfigurations, generated and from testdata (make unit)
//	audit_test.go    audit policies against the API server's evaluator (make unit)
//	stores_test.go   a real API server and etcd: every form, current and older (make e2e)
//	residue_test.go  what remains of a plaintext value, step by step (make e2e)
//	silent_test.go   no value comes out of the readers or the command (make e2e)
//	server_test.go   starts and writes through the API server
//	plugin_test.go   a key management service
//
// The tests of make e2e take the binaries that hack/cluster builds. They run as plain
// processes on the loopback address and need no privilege and no cluster.
package atrest
