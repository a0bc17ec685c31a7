// Package stored says how the bytes that an API server wrote for a Secret are
// stored: in plaintext, or by which provider of encryption. It also reads the
// EncryptionConfiguration that says how new ones are written.
//
// It does not know where the bytes come from. Whoever has stored values gives
// them as a Span: etcd's database today; SQLite (kine) and etcd's log hold the
// same bytes. No byte of a value leaves this package: what does is the class and
// the envelope prefix that the API server writes in front of the ciphertext.
//
//	class.go       the classes of a stored value
//	encryption.go  EncryptionConfiguration
//	scan.go        a value read in pieces, and protobuf in it
package stored
