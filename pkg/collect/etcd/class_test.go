package etcd

import (
	"bytes"
	"encoding/binary"
	"math/rand"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func TestClassify(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	plain := protobufSecret("shop", "a", []byte("CANARY"))
	changed := func(old, replacement string) []byte {
		b := bytes.Replace(plain, []byte(old), []byte(replacement), 1)
		if bytes.Equal(b, plain) {
			t.Fatalf("no %q", old)
		}
		return b
	}
	enc := func(head string, n int) []byte { return append([]byte("k8s:enc:"+head), payload(r, n)...) }
	kms := func(fields ...[]byte) []byte {
		return append([]byte("k8s:enc:kms:v2:vault:"), bytes.Join(fields, nil)...)
	}
	data, id, dek := field(nil, 1, payload(r, 28)), field(nil, 2, []byte("id")), field(nil, 3, []byte("dek"))
	const other = "the name in its value is not the one in its key"
	const broken = "its value starts like protobuf and does not go on so"
	names := KeyNames{"aescbc": {"k", "k:2", "k:2:3"}, "kms": {"vault"}}
	misfit := stored{class: fact.ClassUnknownEncrypted}
	for name, tc := range map[string]struct {
		value []byte
		names KeyNames
		want  stored
	}{
		"protobuf":                           {plain, nil, stored{class: fact.ClassIdentityProtobuf}},
		"protobuf of another Secret":         {protobufSecret("shop", "b", nil), nil, stored{class: fact.ClassUnknown, problem: other}},
		"protobuf of another namespace":      {protobufSecret("shed", "a", nil), nil, stored{class: fact.ClassUnknown, problem: other}},
		"protobuf of another kind":           {protobuf("v1", "ConfigMap", nil), nil, stored{class: fact.ClassUnknown, problem: "its value is protobuf and not a Secret of v1"}},
		"protobuf cut in its head":           {plain[:9], nil, stored{class: fact.ClassUnknown, problem: "its value is protobuf and not a Secret of v1"}},
		"protobuf cut in its data":           {plain[:len(plain)-12], nil, stored{class: fact.ClassUnknown, problem: broken}},
		"protobuf with bytes behind it":      {append(bytes.Clone(plain), 0), nil, stored{class: fact.ClassUnknown, problem: broken}},
		"protobuf without a content type":    {plain[:len(plain)-2], nil, stored{class: fact.ClassIdentityProtobuf}},
		"protobuf whose name is longer":      {changed("\x0a\x01a", "\x0a\x02a"), nil, stored{class: fact.ClassUnknown, problem: broken}},
		"JSON":                               {jsonSecret("shop", "a", "CANARY"), nil, stored{class: fact.ClassIdentityJSON}},
		"JSON of another Secret":             {jsonSecret("shop", "ab", "CANARY"), nil, stored{class: fact.ClassUnknown, problem: other}},
		"JSON of another namespace":          {jsonSecret("shed", "a", "CANARY"), nil, stored{class: fact.ClassUnknown, problem: other}},
		"JSON of another kind":               {[]byte(`{"kind":"ConfigMap"}`), nil, stored{class: fact.ClassUnknown}},
		"an envelope whose k became a brace": {[]byte("{8s:enc:aescbc:v1:k:"), nil, stored{class: fact.ClassUnknown}},
		"CBOR":                               {[]byte("\xd9\xd9\xf7\xa3\x44kind\x46Secret"), nil, stored{class: fact.ClassIdentityCBOR}},
		"CBOR that is no map":                {[]byte("\xd9\xd9\xf7\x01"), nil, stored{class: fact.ClassUnknown}},
		"empty":                              {nil, nil, stored{class: fact.ClassEmpty}},
		"anything else":                      {[]byte("CANARY"), nil, stored{class: fact.ClassUnknown}},

		"aescbc, least":                        {enc("aescbc:v1:k:", 32), nil, stored{fact.ClassAESCBC, "k8s:enc:aescbc:v1:k:", true, ""}},
		"aescbc, one block too few":            {enc("aescbc:v1:k:", 16), nil, misfit},
		"aescbc, no multiple of 16":            {append([]byte("k8s:enc:aescbc:v1:k:"), bytes.Repeat([]byte{1}, 33)...), nil, misfit},
		"aesgcm, least":                        {enc("aesgcm:v1:k:", 28), nil, stored{fact.ClassAESGCM, "k8s:enc:aesgcm:v1:k:", true, ""}},
		"aesgcm, too short":                    {append([]byte("k8s:enc:aesgcm:v1:k:"), bytes.Repeat([]byte{1}, 27)...), nil, misfit},
		"secretbox, least":                     {enc("secretbox:v1:k:", 40), nil, stored{fact.ClassSecretbox, "k8s:enc:secretbox:v1:k:", true, ""}},
		"secretbox, too short":                 {append([]byte("k8s:enc:secretbox:v1:k:"), bytes.Repeat([]byte{1}, 39)...), nil, misfit},
		"the longest configured name":          {append([]byte("k8s:enc:aescbc:v1:k:2:"), bytes.Repeat([]byte{':'}, 48)...), names, stored{class: fact.ClassAESCBC, provider: "k8s:enc:aescbc:v1:k:2:"}},
		"a name of another provider is none":   {enc("aesgcm:v1:k:", 30), names, stored{fact.ClassAESGCM, "k8s:enc:aesgcm:v1:k:", true, ""}},
		"a name that is not configured":        {enc("aescbc:v1:new:", 32), names, stored{fact.ClassAESCBC, "k8s:enc:aescbc:v1:new:", true, ""}},
		"a configured name and a misfit":       {enc("aescbc:v1:k:", 31), names, misfit},
		"a colon in an unknown name":           {append([]byte("k8s:enc:aescbc:v1:a:b:"), bytes.Repeat([]byte{1}, 32)...), nil, stored{fact.ClassAESCBC, "k8s:enc:aescbc:v1:a:", true, ""}},
		"an odd unknown name is left out":      {append([]byte("k8s:enc:aesgcm:v1:\x01\xff:"), bytes.Repeat([]byte{1}, 32)...), nil, stored{fact.ClassAESGCM, "k8s:enc:aesgcm:v1:", true, ""}},
		"no colon at all":                      {append([]byte("k8s:enc:aesgcm:v1:"), bytes.Repeat([]byte{1}, 600)...), nil, misfit},
		"an unknown word":                      {enc("rot13:v1:k:", 40), nil, misfit},
		"an unknown version":                   {enc("aescbc:v2:k:", 32), nil, misfit},
		"nothing behind enc":                   {[]byte("k8s:enc:"), nil, misfit},
		"kms v1":                               {kmsV1(r, "vault", 1), names, stored{class: fact.ClassKMSv1, provider: "k8s:enc:kms:v1:vault:"}},
		"kms v1, no data":                      {append(binary.BigEndian.AppendUint16([]byte("k8s:enc:kms:v1:vault:"), 60), make([]byte, 60+27)...), names, misfit},
		"kms v1, no key":                       {append([]byte("k8s:enc:kms:v1:vault:"), make([]byte, 60)...), names, misfit},
		"kms v2":                               {kmsV2(r, "vault", 700), nil, stored{fact.ClassKMSv2, "k8s:enc:kms:v2:vault:", true, ""}},
		"kms v2, least":                        {kms(data, id, dek), names, stored{class: fact.ClassKMSv2, provider: "k8s:enc:kms:v2:vault:"}},
		"kms v2, without a key id":             {kms(data, dek), names, misfit},
		"kms v2, a key id twice":               {kms(data, id, id, dek), names, misfit},
		"kms v2, without a key":                {kms(data, id), names, misfit},
		"kms v2, extended nonce and too short": {kms(data, id, dek, []byte{0x28, 1}), names, misfit},
		"kms v2, an unknown source":            {kms(data, id, dek, []byte{0x28, 2}), names, misfit},
		"kms v2, a field more":                 {kms(data, id, dek, field(nil, 6, []byte("x"))), names, misfit},
		"kms v2, cut":                          {kms(data, id, dek[:3]), names, misfit},
		"kms v2, a key id of over 1 KiB":       {kms(data, field(nil, 2, make([]byte, 1025)), dek), names, misfit},
	} {
		t.Run(name, func(t *testing.T) {
			got, f := classify(spanOf(tc.value), "shop", "a", tc.names)
			if f != nil {
				t.Fatal(f)
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(stored{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestProviderHoldsNoPayload: whatever the ciphertext is made of, no byte of it
// comes back.
func TestProviderHoldsNoPayload(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for _, names := range []KeyNames{nil, {"aescbc": {"key1"}, "aesgcm": {"key1"}, "secretbox": {"key1"}, "kms": {"key1"}}} {
		for range 5000 {
			n := 64 + 16*r.Intn(10)
			body := make([]byte, n)
			for i := range body {
				body[i] = "abc:/.-_ 019"[r.Intn(12)]
			}
			for _, word := range []string{"aescbc:v1:", "aesgcm:v1:", "secretbox:v1:", "kms:v1:", "kms:v2:"} {
				want := "k8s:enc:" + word + "key1:"
				got, f := classify(spanOf(append([]byte(want), body...)), "shop", "a", names)
				if f != nil {
					t.Fatal(f)
				}
				if got.provider != "" && got.provider != want {
					t.Fatalf("%q for a key called key1 and the payload %q", got.provider, body)
				}
			}
		}
	}
}

func TestNamesIn(t *testing.T) {
	got := NamesIn([]fact.EncryptionEntry{
		{Providers: []fact.EncryptionProvider{{Type: "aescbc", Keys: []string{"b", "a"}}, {Type: "identity"}}},
		{Providers: []fact.EncryptionProvider{{Type: "kms", Name: "vault", APIVersion: "v2"}, {Type: "aescbc", Keys: []string{"a", "c"}}}},
	})
	if diff := cmp.Diff(KeyNames{"aescbc": {"b", "a", "c"}, "kms": {"vault"}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNames(t *testing.T) {
	for text, want := range map[string][2]bool{ // a label, a subdomain
		"a": {true, true}, "a-b": {true, true}, "a--b": {true, true}, "0": {true, true},
		"a.b": {false, true}, "a.b-c.d": {false, true},
		"": {}, "-a": {}, "a-": {}, ".a": {}, "a.": {}, "a..b": {}, "a.-b": {}, "a-.b": {}, "A": {}, "a_b": {}, "a/b": {}, "ä": {},
		strings.Repeat("a", 63): {true, true}, strings.Repeat("a", 64): {false, true},
		strings.Repeat("a", 253): {false, true}, strings.Repeat("a", 254): {},
	} {
		if got := [2]bool{label(text), subdomain(text)}; got != want {
			t.Errorf("%q: want %v, got %v", text, want, got)
		}
	}
}
