// Package storedtest makes values of Secrets as the API server stores them, for
// tests.
package storedtest

import (
	"encoding/binary"
	"fmt"
	"math/rand"
)

func Field(b []byte, number int, value []byte) []byte {
	b = binary.AppendUvarint(b, uint64(number)<<3|2)
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}

func VarintField(b []byte, number int, value int64) []byte {
	b = binary.AppendUvarint(b, uint64(number)<<3)
	return binary.AppendUvarint(b, uint64(value))
}

// Values as the API server stores them.

// protobufSecret is a v1 Secret in runtime.Unknown, with data of its own.
func ProtobufSecret(namespace, name string, data []byte) []byte {
	meta := Field(nil, 1, []byte(name))
	meta = Field(meta, 2, nil) // generateName is always written
	meta = Field(meta, 3, []byte(namespace))
	meta = Field(meta, 4, nil)
	meta = Field(meta, 5, []byte("9a0f3c4e-uid"))
	entry := Field(Field(nil, 1, []byte("password")), 2, data)
	raw := Field(Field(Field(nil, 1, meta), 2, entry), 3, []byte("Opaque"))
	return Protobuf("v1", "Secret", raw)
}

func Protobuf(apiVersion, kind string, raw []byte) []byte {
	b := []byte("k8s\x00")
	b = Field(b, 1, Field(Field(nil, 1, []byte(apiVersion)), 2, []byte(kind)))
	b = Field(b, 2, raw)
	b = Field(b, 3, nil)
	return Field(b, 4, nil)
}

func JSONSecret(namespace, name, data string) []byte {
	return fmt.Appendf(nil, `{"kind":"Secret","apiVersion":"v1","metadata":{"name":%q,"namespace":%q,"uid":"9a0f"},"data":{"password":%q},"type":"Opaque"}`+"\n", name, namespace, data)
}

// CBORSecret is a Secret in CBOR (--storage-media-type=application/cbor) with
// its fields in the order that the deterministic encoder gives them.
func CBORSecret(namespace, name, data string) []byte {
	text := func(b []byte, s string) []byte {
		switch {
		case len(s) < 24:
			b = append(b, 0x40|byte(len(s)))
		case len(s) < 256:
			b = append(b, 0x58, byte(len(s)))
		default:
			b = binary.BigEndian.AppendUint32(append(b, 0x5a), uint32(len(s)))
		}
		return append(b, s...)
	}
	b := []byte{0xd9, 0xd9, 0xf7, 0xa5}
	b = text(append(text(b, "data"), 0xa1), "password")
	b = text(append(b, 0xd6), data) // a byte string, for base64
	b = text(text(b, "kind"), "Secret")
	b = text(text(b, "type"), "Opaque")
	b = append(text(b, "metadata"), 0xa3)
	b = text(text(b, "uid"), "9a0f3c4e-uid")
	b = text(text(b, "name"), name)
	b = text(text(b, "namespace"), namespace)
	return text(text(b, "apiVersion"), "v1")
}

// YAMLSecret is a Secret in YAML (--storage-media-type=application/yaml).
func YAMLSecret(namespace, name, data string) []byte {
	return fmt.Appendf(nil, "apiVersion: v1\ndata:\n  password: %s\nkind: Secret\nmetadata:\n  annotations:\n    name: |\n      x\n\n      y\n  name: %s\n  namespace: %s\n  uid: 9a0f3c4e\ntype: Opaque\n", data, name, namespace)
}

// payload is ciphertext of n bytes, with colons in it.
func Payload(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	r.Read(b)
	for i := range b {
		if r.Intn(16) == 0 {
			b[i] = ':'
		}
	}
	return b
}

func AESCBC(r *rand.Rand, key string, blocks int) []byte {
	return append([]byte("k8s:enc:aescbc:v1:"+key+":"), Payload(r, 16+16*blocks)...)
}

func AESGCM(r *rand.Rand, key string, n int) []byte {
	return append([]byte("k8s:enc:aesgcm:v1:"+key+":"), Payload(r, 28+n)...)
}

func Secretbox(r *rand.Rand, key string, n int) []byte {
	return append([]byte("k8s:enc:secretbox:v1:"+key+":"), Payload(r, 40+n)...)
}

func KMSv1(r *rand.Rand, key string, n int) []byte {
	b := binary.BigEndian.AppendUint16([]byte("k8s:enc:kms:v1:"+key+":"), 60)
	return append(b, Payload(r, 60+28+n)...)
}

func KMSv2(r *rand.Rand, key string, n int) []byte {
	b := []byte("k8s:enc:kms:v2:" + key + ":")
	b = Field(b, 1, Payload(r, 60+n))
	b = Field(b, 2, []byte("key-id-1"))
	b = Field(b, 3, Payload(r, 40))
	b = Field(b, 4, Field(Field(nil, 1, []byte("a.example.com")), 2, []byte("x")))
	return VarintField(b, 5, 1)
}

func AnySecret(r *rand.Rand, ns, name string) []byte {
	n := r.Intn(300)
	switch r.Intn(9) {
	case 0:
		return JSONSecret(ns, name, fmt.Sprintf("CANARY%d", r.Int63()))
	case 1:
		return AESCBC(r, "key1", 1+n/16)
	case 2:
		return AESGCM(r, "key.two", n)
	case 3:
		return Secretbox(r, "box", n)
	case 4:
		return KMSv1(r, "vault", n)
	case 5:
		return KMSv2(r, "vault", n)
	default:
		return ProtobufSecret(ns, name, fmt.Appendf(nil, "CANARY%d", r.Int63()))
	}
}

// AnyForm is AnySecret with the forms that are seldom configured, too.
func AnyForm(r *rand.Rand, ns, name string) []byte {
	switch r.Intn(5) {
	case 0:
		return YAMLSecret(ns, name, fmt.Sprintf("CANARY%d", r.Int63()))
	case 1:
		return CBORSecret(ns, name, fmt.Sprintf("CANARY%d", r.Int63()))
	}
	return AnySecret(r, ns, name)
}
