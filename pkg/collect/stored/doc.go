// Package stored says how the bytes that an API server wrote for a Secret are
// stored: in plaintext, or by which provider of encryption. It also reads the
// EncryptionConfiguration that says how new ones are written.
//
// It does not know where the bytes come from. The caller gives stored values as
// a Span: from etcd's database today; SQLite (kine) and etcd's log hold the
// same bytes. No byte of a value leaves this package, only the class and the
// envelope prefix that the API server writes before the ciphertext.
//
//	class.go       the classes of a stored value, and the names of keys
//	object.go      plaintext: protobuf, JSON, CBOR, YAML
//	encryption.go  EncryptionConfiguration
//	scan.go        a value read in pieces, and protobuf in it
package stored
