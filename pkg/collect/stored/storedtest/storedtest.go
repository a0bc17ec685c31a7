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
