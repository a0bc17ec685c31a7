package stored

import (
	"bytes"
	"encoding/binary"
	"math/rand"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

func TestClassify(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	plain := storedtest.ProtobufSecret("shop", "a", []byte("CANARY"))
	changed := func(old, replacement string) []byte {
		b := bytes.Replace(plain, []byte(old), []byte(replacement), 1)
		if bytes.Equal(b, plain) {
			t.Fatalf("no %q", old)
		}
		return b
	}
	enc := func(head string, n int) []byte { return append([]byte("k8s:enc:"+head), storedtest.Payload(r, n)...) }
	kms := func(fields ...[]byte) []byte {
		return append([]byte("k8s:enc:kms:v2:vault:"), bytes.Join(fields, nil)...)
	}
	data, id, dek := storedtest.Field(nil, 1, storedtest.Payload(r, 28)), storedtest.Field(nil, 2, []byte("id")), storedtest.Field(nil, 3, []byte("dek"))
	const other = "the name in its value differs from the one in its key"
	const broken = "its value starts like protobuf, but does not continue like it"
	names := KeyNames{"aescbc": {"k", "k:2", "k:2:3"}, "kms": {"vault"}}
	const brokenCBOR = "its value starts like CBOR, but does not continue like it"
	const brokenYAML = "its value starts like YAML, but does not continue like it"
	misfit := Form{Class: fact.ClassUnknownEncrypted}
	for name, tc := range map[string]struct {
		value []byte
		names KeyNames
		want  Form
	}{
		"protobuf":                                        {plain, nil, Form{Class: fact.ClassIdentityProtobuf}},
		"protobuf of another Secret":                      {storedtest.ProtobufSecret("shop", "b", nil), nil, Form{Class: fact.ClassUnknown, Problem: other}},
		"protobuf of another namespace":                   {storedtest.ProtobufSecret("shed", "a", nil), nil, Form{Class: fact.ClassUnknown, Problem: other}},
		"protobuf of another kind":                        {storedtest.Protobuf("v1", "ConfigMap", nil), nil, Form{Class: fact.ClassUnknown, Problem: "its value is protobuf, but not a Secret of v1"}},
		"protobuf cut in its head":                        {plain[:9], nil, Form{Class: fact.ClassUnknown, Problem: "its value is protobuf, but not a Secret of v1"}},
		"protobuf cut in its data":                        {plain[:len(plain)-12], nil, Form{Class: fact.ClassUnknown, Problem: broken}},
		"protobuf with bytes behind it":                   {append(bytes.Clone(plain), 0), nil, Form{Class: fact.ClassUnknown, Problem: broken}},
		"protobuf without a content type":                 {plain[:len(plain)-2], nil, Form{Class: fact.ClassIdentityProtobuf}},
		"protobuf whose name is longer":                   {changed("\x0a\x01a", "\x0a\x02a"), nil, Form{Class: fact.ClassUnknown, Problem: broken}},
		"JSON":                                            {storedtest.JSONSecret("shop", "a", "CANARY"), nil, Form{Class: fact.ClassIdentityJSON}},
		"JSON of another Secret":                          {storedtest.JSONSecret("shop", "ab", "CANARY"), nil, Form{Class: fact.ClassUnknown, Problem: other}},
		"JSON of another namespace":                       {storedtest.JSONSecret("shed", "a", "CANARY"), nil, Form{Class: fact.ClassUnknown, Problem: other}},
		"JSON of another kind":                            {[]byte(`{"kind":"ConfigMap"}`), nil, Form{Class: fact.ClassUnknown}},
		"an envelope whose k became a brace":              {[]byte("{8s:enc:aescbc:v1:k:"), nil, Form{Class: fact.ClassUnknown}},
		"CBOR":                                            {storedtest.CBORSecret("shop", "a", "CANARY"), nil, Form{Class: fact.ClassIdentityCBOR}},
		"CBOR of another Secret":                          {storedtest.CBORSecret("shop", "ab", "CANARY"), nil, Form{Class: fact.ClassUnknown, Problem: other}},
		"CBOR of another namespace":                       {storedtest.CBORSecret("shed", "a", "CANARY"), nil, Form{Class: fact.ClassUnknown, Problem: other}},
		"CBOR cut":                                        {storedtest.CBORSecret("shop", "a", "CANARY")[:40], nil, Form{Class: fact.ClassUnknown, Problem: "its value starts like CBOR, but does not continue like it"}},
		"CBOR with bytes behind it":                       {append(storedtest.CBORSecret("shop", "a", "CANARY"), 0), nil, Form{Class: fact.ClassUnknown, Problem: brokenCBOR}},
		"CBOR with a kind twice":                          {bytes.Replace(storedtest.CBORSecret("shop", "a", "CANARY"), []byte("\x44type"), []byte("\x44kind"), 1), nil, Form{Class: fact.ClassUnknown, Problem: brokenCBOR}},
		"CBOR of another kind":                            {bytes.Replace(storedtest.CBORSecret("shop", "a", "CANARY"), []byte("\x46Secret"), []byte("\x46Sacred"), 1), nil, Form{Class: fact.ClassUnknown, Problem: "its value is CBOR, but not a Secret of v1"}},
		"YAML":                                            {storedtest.YAMLSecret("shop", "a", "CANARY"), nil, Form{Class: fact.ClassIdentityYAML}},
		"YAML, a name in quotes":                          {bytes.Replace(storedtest.YAMLSecret("shop", "a", "CANARY"), []byte("name: a"), []byte(`name: "a"`), 1), nil, Form{Class: fact.ClassIdentityYAML}},
		"YAML, much data before the kind":                 {storedtest.YAMLSecret("shop", "a", strings.Repeat("CANARY", 10_000)), nil, Form{Class: fact.ClassIdentityYAML}},
		"YAML of another Secret":                          {storedtest.YAMLSecret("shop", "ab", "CANARY"), nil, Form{Class: fact.ClassUnknown, Problem: other}},
		"YAML of another namespace":                       {storedtest.YAMLSecret("shed", "a", "CANARY"), nil, Form{Class: fact.ClassUnknown, Problem: other}},
		"YAML of another kind":                            {[]byte("apiVersion: v1\ndata:\n  kind: Secret\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: shop\n"), nil, Form{Class: fact.ClassUnknown, Problem: "its value is YAML, but not a Secret of v1"}},
		"YAML cut before the kind":                        {[]byte("apiVersion: v1\ndata:\n  a: CANARY\n"), nil, Form{Class: fact.ClassUnknown, Problem: brokenYAML}},
		"YAML cut in a line":                              {[]byte("apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\n  namespace: shop\ntype: Opaq"), nil, Form{Class: fact.ClassUnknown, Problem: brokenYAML}},
		"YAML with a key twice":                           {[]byte("apiVersion: v1\nkind: Secret\nkind: Secret\nmetadata:\n  name: a\n"), nil, Form{Class: fact.ClassUnknown, Problem: brokenYAML}},
		"YAML whose start is damaged":                     {[]byte("apiVersioo: v1\nkind: Secret\n"), nil, Form{Class: fact.ClassUnknown}},
		"JSON of another namespace, and a generated name": {[]byte(`{"kind":"Secret","apiVersion":"v1","metadata":{"name":"a","generateName":"a-","namespace":"shed"}}`), nil, Form{Class: fact.ClassUnknown, Problem: other}},
		"CBOR that is no map":                             {[]byte("\xd9\xd9\xf7\x01"), nil, Form{Class: fact.ClassUnknown}},
		"empty":                                           {nil, nil, Form{Class: fact.ClassEmpty}},
		"anything else":                                   {[]byte("CANARY"), nil, Form{Class: fact.ClassUnknown}},

		"aescbc, least":                        {enc("aescbc:v1:k:", 32), nil, Form{Class: fact.ClassAESCBC, Provider: "k8s:enc:aescbc:v1:k:", Guessed: true}},
		"aescbc, one block too few":            {enc("aescbc:v1:k:", 16), nil, misfit},
		"aescbc, no multiple of 16":            {append([]byte("k8s:enc:aescbc:v1:k:"), bytes.Repeat([]byte{1}, 33)...), nil, misfit},
		"aesgcm, least":                        {enc("aesgcm:v1:k:", 28), nil, Form{Class: fact.ClassAESGCM, Provider: "k8s:enc:aesgcm:v1:k:", Guessed: true}},
		"aesgcm, too short":                    {append([]byte("k8s:enc:aesgcm:v1:k:"), bytes.Repeat([]byte{1}, 27)...), nil, misfit},
		"secretbox, least":                     {enc("secretbox:v1:k:", 40), nil, Form{Class: fact.ClassSecretbox, Provider: "k8s:enc:secretbox:v1:k:", Guessed: true}},
		"secretbox, too short":                 {append([]byte("k8s:enc:secretbox:v1:k:"), bytes.Repeat([]byte{1}, 39)...), nil, misfit},
		"the longest configured name":          {append([]byte("k8s:enc:aescbc:v1:k:2:"), bytes.Repeat([]byte{':'}, 48)...), names, Form{Class: fact.ClassAESCBC, Provider: "k8s:enc:aescbc:v1:k:2:"}},
		"a name of another provider is none":   {enc("aesgcm:v1:k:", 30), names, Form{Class: fact.ClassAESGCM, Provider: "k8s:enc:aesgcm:v1:k:", Guessed: true}},
		"a name that is not configured":        {enc("aescbc:v1:new:", 32), names, Form{Class: fact.ClassAESCBC, Provider: "k8s:enc:aescbc:v1:new:", Guessed: true}},
		"a configured name and a misfit":       {enc("aescbc:v1:k:", 31), names, misfit},
		"a colon in an unknown name":           {append([]byte("k8s:enc:aescbc:v1:a:b:"), bytes.Repeat([]byte{1}, 32)...), nil, Form{Class: fact.ClassAESCBC, Provider: "k8s:enc:aescbc:v1:a:…", Guessed: true}},
		"an odd unknown name is left out":      {append([]byte("k8s:enc:aesgcm:v1:\x01\xff:"), bytes.Repeat([]byte{1}, 32)...), nil, Form{Class: fact.ClassAESGCM, Provider: "k8s:enc:aesgcm:v1:…", Guessed: true}},
		"no colon at all":                      {append([]byte("k8s:enc:aesgcm:v1:"), bytes.Repeat([]byte{1}, 600)...), nil, misfit},
		"an unknown word":                      {enc("rot13:v1:k:", 40), nil, misfit},
		"an unknown version":                   {enc("aescbc:v2:k:", 32), nil, misfit},
		"nothing behind enc":                   {[]byte("k8s:enc:"), nil, misfit},
		"kms v1":                               {storedtest.KMSv1(r, "vault", 1), names, Form{Class: fact.ClassKMSv1, Provider: "k8s:enc:kms:v1:vault:"}},
		"kms v1, no data":                      {append(binary.BigEndian.AppendUint16([]byte("k8s:enc:kms:v1:vault:"), 60), make([]byte, 60+27)...), names, misfit},
		"kms v1, no key":                       {append([]byte("k8s:enc:kms:v1:vault:"), make([]byte, 60)...), names, misfit},
		"kms v2":                               {storedtest.KMSv2(r, "vault", 700), nil, Form{Class: fact.ClassKMSv2, Provider: "k8s:enc:kms:v2:vault:", Guessed: true, KeyID: "c13063f79c8e5b7c"}},
		"kms v2, least":                        {kms(data, id, dek), names, Form{Class: fact.ClassKMSv2, Provider: "k8s:enc:kms:v2:vault:", KeyID: "a56145270ce6b3be"}},
		"kms v2, without a key id":             {kms(data, dek), names, misfit},
		"kms v2, a key id twice":               {kms(data, id, id, dek), names, misfit},
		"kms v2, without a key":                {kms(data, id), names, misfit},
		"kms v2, extended nonce and too short": {kms(data, id, dek, []byte{0x28, 1}), names, misfit},
		"kms v2, an unknown source":            {kms(data, id, dek, []byte{0x28, 2}), names, misfit},
		"kms v2, a field more":                 {kms(data, id, dek, storedtest.Field(nil, 6, []byte("x"))), names, misfit},
		"kms v2, cut":                          {kms(data, id, dek[:3]), names, misfit},
		"kms v2, a key id of over 1 KiB":       {kms(data, storedtest.Field(nil, 2, make([]byte, 1025)), dek), names, misfit},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Classify(Of(tc.value), "shop", "a", tc.names)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
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
				got, err := Classify(Of(append([]byte(want), body...)), "shop", "a", names)
				if err != nil {
					t.Fatal(err)
				}
				if shown := strings.TrimSuffix(got.Provider, Cut); shown != "" && shown != want {
					t.Fatalf("%q for a key called key1 and the payload %q", got.Provider, body)
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

// FuzzClassify: no panic, and the provider is a prefix of the value that ends
// before the payload of the shortest form.
func FuzzClassify(f *testing.F) {
	r := rand.New(rand.NewSource(2))
	for range 40 {
		f.Add(storedtest.AnyForm(r, "shop", "a"), "key1")
	}
	f.Add([]byte("k8s:enc:aescbc:v1:a:b:c"), "a:b")
	f.Add(storedtest.YAMLSecret("shop", "a", "CANARY"), "x")
	f.Add(storedtest.CBORSecret("shop", "a", "CANARY"), "x")
	f.Add([]byte("k8s:enc:secretbox:v1:secretboxkey-2026-03-09T09:46:54.5+01:00:"+strings.Repeat("x", 40)), "x")
	f.Fuzz(func(t *testing.T, value []byte, name string) {
		form, err := Classify(Of(value), "shop", "a", KeyNames{"aescbc": {name}, "kms": {name}})
		if err != nil {
			t.Fatal(err)
		}
		shown := strings.TrimSuffix(form.Provider, Cut)
		if !strings.HasPrefix(string(value), shown) || form.Class.Encrypted() != (form.Provider != "") || len(shown) > len(value)-28 && shown != "" {
			t.Fatalf("%q: class %s, provider %q", value, form.Class, form.Provider)
		}
		if form.Problem != "" && form.Class != fact.ClassUnknown || form.Class == "" {
			t.Fatalf("%q: class %q with %q", value, form.Class, form.Problem)
		}
		if (form.KeyID != "") != (form.Class == fact.ClassKMSv2) {
			t.Fatalf("%q: class %s with the key id %q", value, form.Class, form.KeyID)
		}
		plain, err := IsPlainSecret(Of(value))
		if err != nil || form.Class.Plaintext() && !plain && form.Class != fact.ClassIdentityJSON || plain && form.Class.Encrypted() {
			t.Fatalf("%q: class %s, plain Secret %t, %v", value, form.Class, plain, err)
		}
		general, err := ClassifyAny(Of(value), KeyNames{"aescbc": {name}, "kms": {name}})
		if err != nil || general != form && (general.Class.Encrypted() || form.Class.Encrypted() || form.Class.Plaintext()) {
			t.Fatalf("%q: %+v as a Secret, %+v as any object, %v", value, form, general, err)
		}
	})
}

// TestKeyNames: names that no configuration gives.
func TestKeyNames(t *testing.T) {
	const rotated = "aescbckey-2026-03-09T09:46:54"
	// Payloads full of what could be taken for the end of a name.
	payload := strings.Repeat(":", 64)
	for name, tc := range map[string]struct{ key, word, want string }{
		"k3s, rotated in a time zone":  {rotated + "+01:00", "aescbc:v1:", rotated + "+01:00:"},
		"west of Greenwich":            {rotated + "-03:30", "aescbc:v1:", rotated + "-03:30:"},
		"UTC":                          {rotated + "Z", "aescbc:v1:", rotated + "Z:"},
		"with a fraction of a second":  {rotated + ".123456789+05:30", "aescbc:v1:", rotated + ".123456789+05:30:"},
		"secretbox":                    {"secretboxkey-2026-03-09T09:46:54Z", "secretbox:v1:", "secretboxkey-2026-03-09T09:46:54Z:"},
		"aesgcm":                       {rotated + "Z", "aesgcm:v1:", rotated + "Z:"},
		"k3s, never rotated":           {"aescbckey", "aescbc:v1:", "aescbckey:"},
		"a time without a zone":        {"backup-key-2026-03-09T09:46:54", "aescbc:v1:", "backup-key-2026-03-09T09:" + Cut},
		"a time without a name":        {"2026-03-09T09:46:54Z", "aescbc:v1:", "2026-03-09T09:" + Cut},
		"colons":                       {"prod:2026", "aescbc:v1:", "prod:" + Cut},
		"colons, and any length fits":  {"prod:eu-central", "aesgcm:v1:", "prod:" + Cut},
		"a short end, any length fits": {"prod:eu", "aesgcm:v1:", "prod:"},
		"spaces":                       {"my key", "aescbc:v1:", Cut},
		"another alphabet":             {"Ключ", "secretbox:v1:", Cut},
		"KMS v1":                       {rotated + "Z", "kms:v1:", rotated + "Z:"},
	} {
		t.Run(name, func(t *testing.T) {
			body := payload
			if tc.word == "kms:v1:" {
				body = "\x00\x10" + payload
			}
			prefix := "k8s:enc:" + tc.word
			value := []byte(prefix + tc.key + ":" + body)
			got, err := Classify(Of(value), "shop", "a", nil)
			if err != nil || !got.Class.Encrypted() || !got.Guessed || got.Provider != prefix+tc.want {
				t.Errorf("want %q, got %+v, %v", prefix+tc.want, got, err)
			}
			// With a configuration the whole name is known.
			provider, _, _ := strings.Cut(tc.word, ":")
			got, err = Classify(Of(value), "shop", "a", KeyNames{provider: {"aescbckey", tc.key, tc.key[:2]}})
			if err != nil || got.Guessed || got.Provider != prefix+tc.key+":" {
				t.Errorf("configured: %+v, %v", got, err)
			}
		})
	}
}
