package stored

import (
	"bytes"
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// keyRow is a row of etcd's bucket "key".
func keyRow(key string, mod int64, value []byte) []byte {
	b := storedtest.Field(nil, 1, []byte(key))
	b = storedtest.VarintField(storedtest.VarintField(storedtest.VarintField(b, 2, 3), 3, mod), 4, 2)
	return storedtest.Field(b, 5, value)
}

// put is etcd's PutRequest, as the WAL has it.
func put(key string, value []byte) []byte {
	return storedtest.Field(storedtest.Field(nil, 1, []byte(key)), 2, value)
}

const shopA = "/registry/secrets/shop/a"

func one(ns, name string, revision int64) Found {
	return Found{Values: 1, SecretsTotal: 1, Secrets: []fact.RemainingSecret{{Namespace: ns, Name: name, Values: 1, Revision: revision}}}
}

var (
	unnamed    = Found{Values: 1, Unnamed: 1}
	ignoreSeen = cmpopts.IgnoreUnexported(Found{})
)

// finderCases are bytes and what is in them.
func finderCases() map[string]struct {
	data   []byte
	prefix string
	want   Found
} {
	r := rand.New(rand.NewSource(1))
	plain := storedtest.ProtobufSecret("shop", "a", []byte("CANARY"))
	json := storedtest.JSONSecret("shop", "a", "CANARY")
	long := storedtest.ProtobufSecret(strings.Repeat("n", 63), strings.Repeat("a", 253), bytes.Repeat([]byte("CANARY"), 100))
	yaml := []byte("apiVersion: v1\ndata:\n  password: Q0FOQVJZ\nkind: Secret\nmetadata:\n  name: a\n  namespace: shop\ntype: Opaque\n")
	cbor := []byte("\xd9\xd9\xf7\xa3\x44data\xa1\x48password\x46CANARY\x44kind\x46Secret\x4aapiVersion\x42v1")
	applied := bytes.Replace(json, []byte(`{"kind":"Secret","apiVersion":"v1",`), []byte(`{"apiVersion":"v1","kind":"Secret",`), 1)
	other := `{"data":{"password":"CANARY"},"kind":"Secret","apiVersion":"v1"}`
	cut := func(b []byte, n int) []byte { return b[:len(b)-n] }
	return map[string]struct {
		data   []byte
		prefix string
		want   Found
	}{
		"nothing":                                  {nil, "", Found{}},
		"protobuf":                                 {plain, "", one("shop", "a", 0)},
		"protobuf, longest names":                  {long, "", one(strings.Repeat("n", 63), strings.Repeat("a", 253), 0)},
		"protobuf in a row":                        {keyRow(shopA, 77, plain), "/registry", one("shop", "a", 77)},
		"protobuf in a row, prefix unknown":        {keyRow(shopA, 77, plain), "", one("shop", "a", 77)},
		"protobuf in a row of another Secret":      {keyRow("/registry/secrets/shop/b", 77, plain), "", one("shop", "a", 0)},
		"protobuf in the WAL":                      {put(shopA, plain), "", one("shop", "a", 0)},
		"protobuf, only its head":                  {secretHead, "", Found{}},
		"protobuf among a program's constants":     {append(bytes.Clone(secretHead), 0, 0, 0, 0), "", Found{}},
		"protobuf, only its head, with a key":      {keyRow(shopA, 5, secretHead), "", one("shop", "a", 5)},
		"protobuf cut in its name":                 {storedtest.ProtobufSecret("shop", "abcdef", nil)[:30], "", unnamed},
		"protobuf, head cut":                       {cut(secretHead, 1), "", Found{}},
		"protobuf, head without its start":         {plain[1:], "", Found{}},
		"protobuf of another kind":                 {storedtest.Protobuf("v1", "ConfigMap", []byte("CANARY")), "", Found{}},
		"protobuf of a longer kind":                {storedtest.Protobuf("v1", "SecretList", []byte("CANARY")), "", Found{}},
		"protobuf of another group":                {storedtest.Protobuf("a.io/v1", "Secret", []byte("CANARY")), "", Found{}},
		"protobuf with an impossible name":         {storedtest.ProtobufSecret("shop", "A\nb", nil), "", unnamed},
		"protobuf with an impossible name, key":    {keyRow(shopA, 5, storedtest.ProtobufSecret("shop", "../x", nil)), "", one("shop", "a", 5)},
		"protobuf behind protobuf":                 {append(bytes.Clone(plain), plain...), "", Found{Values: 2, SecretsTotal: 1, Secrets: []fact.RemainingSecret{{Namespace: "shop", Name: "a", Values: 2}}}},
		"protobuf with kubectl apply's annotation": {keyRow(shopA, 9, storedtest.ProtobufSecret("shop", "a", applied)), "", one("shop", "a", 9)},

		"JSON":                             {json, "", one("shop", "a", 0)},
		"JSON in a row":                    {keyRow(shopA, 12, json), "/registry", one("shop", "a", 12)},
		"JSON with generateName":           {[]byte(`{"kind":"Secret","apiVersion":"v1","metadata":{"name":"a-x1","generateName":"a-","namespace":"shop"`), "", one("shop", "a-x1", 0)},
		"JSON, only its head":              {[]byte(`{"kind":"Secret","apiVersion":"v1","metadata":{"name":"a`), "", unnamed},
		"JSON among a program's constants": {[]byte(`{"kind":"Secret","apiVersion":"v1",{"apiVersion":"v1","kind":"Secret",the name`), "", Found{}},
		"JSON of a custom resource":        {[]byte(`{"kind":"Secret","apiVersion":"v1alpha1","metadata":{"name":"a"`), "", Found{}},
		"JSON of another group, key":       {keyRow("/registry/a.io/secrets/shop/a", 3, []byte(`{"apiVersion":"a.io/v1","kind":"Secret"`)), "", Found{}},
		"JSON in another order":            {applied, "", Found{}},
		"JSON in another order, key":       {keyRow(shopA, 12, applied), "", one("shop", "a", 12)},
		"JSON in a strange order":          {keyRow(shopA, 12, []byte(other)), "", Found{}},
		"JSON in a strange order, prefix":  {keyRow(shopA, 12, []byte(other)), "/registry", one("shop", "a", 12)},
		"JSON of another prefix":           {keyRow(shopA, 12, []byte(other)), "/other", Found{}},
		"YAML":                             {yaml, "", Found{}},
		"YAML, key":                        {keyRow(shopA, 12, yaml), "", one("shop", "a", 12)},
		"YAML in the WAL":                  {put(shopA, yaml), "", one("shop", "a", 0)},
		"CBOR":                             {cbor, "", unnamed},
		"CBOR, key":                        {keyRow(shopA, 12, cbor), "", one("shop", "a", 12)},
		"CBOR with the word twice":         {append(bytes.Clone(cbor), "\x44kind\x46Secret"...), "", unnamed},
		"CBOR, kind far away":              {append([]byte("\xd9\xd9\xf7\xa3\x44data"), bytes.Repeat([]byte("x"), 70000)...), "", Found{}},
		"CBOR of a custom resource":        {keyRow("/registry/a.io/secrets/shop/a", 3, []byte("\xd9\xd9\xf7\xa3\x44data")), "", Found{}},
		"two keys and one value":           {append([]byte("\x1a\x18"+shopA+"\x12"), put("/registry/secrets/shop/b", yaml)...), "", one("shop", "b", 0)},
		"a key of another cluster":         {keyRow("/other/secrets/shop/a", 3, secretHead), "/registry", Found{}},

		"encrypted":           {keyRow(shopA, 12, storedtest.AESCBC(r, "k", 4)), "", Found{}},
		"a key alone":         {[]byte(shopA), "/registry", Found{}},
		"a key far away":      {append([]byte(shopA+strings.Repeat("\x00", keyDistance+1)), secretHead...), "", Found{}},
		"a key with no name":  {keyRow("/registry/secrets/shop/", 3, yaml), "", Found{}},
		"a key with no space": {keyRow("/registry/secrets/a", 3, yaml), "", Found{}},
		"a key with more":     {keyRow(shopA+"/more", 3, secretHead), "", one("shop", "a", 0)},
	}
}

func TestFinder(t *testing.T) {
	for name, tc := range finderCases() {
		t.Run(name, func(t *testing.T) {
			f := NewFinder(tc.prefix)
			_, _ = f.Write(tc.data)
			if diff := cmp.Diff(tc.want, f.Found(), ignoreSeen); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What is found does not depend on where the bytes come apart, nor on what is
// around them.
func TestFinderSplits(t *testing.T) {
	for name, tc := range finderCases() {
		if len(tc.data) > finderBack {
			continue
		}
		for at := range tc.data {
			f := NewFinder(tc.prefix)
			_, _ = f.Write(tc.data[:at])
			_, _ = f.Write(tc.data[at:])
			if diff := cmp.Diff(tc.want, f.Found(), ignoreSeen); diff != "" {
				t.Fatalf("%s, split at %d (-want +got):\n%s", name, at, diff)
			}
		}
		step := 5
		if testing.Short() {
			step = 17
		}
		around := make([]byte, finderKept)
		for at := finderKept - finderAhead - len(tc.data) - 30; at < finderKept; at += step {
			f := NewFinder(tc.prefix)
			_, _ = f.Write(around[:at])
			_, _ = f.Write(tc.data)
			_, _ = f.Write(around[:finderBack])
			if diff := cmp.Diff(tc.want, f.Found(), ignoreSeen); diff != "" {
				t.Fatalf("%s, at %d (-want +got):\n%s", name, at, diff)
			}
		}
	}
}

// Nothing is found across a Break.
func TestFinderBreak(t *testing.T) {
	for at := 1; at < len(secretHead); at++ {
		f := NewFinder("")
		_, _ = f.Write(secretHead[:at])
		f.Break()
		_, _ = f.Write(secretHead[at:])
		if got := f.Found(); got.Values != 0 {
			t.Errorf("found across a break at %d: %+v", at, got)
		}
	}
}

func TestFinderSkip(t *testing.T) {
	plain := storedtest.ProtobufSecret("shop", "a", []byte("CANARY"))
	f := NewFinder("/registry")
	f.Skip = func(ns, name string, revision int64) bool { return ns == "shop" && name == "a" && revision == 8 }
	for _, revision := range []int64{7, 8, 9} {
		_, _ = f.Write(keyRow(shopA, revision, plain))
	}
	want := Found{Values: 2, SecretsTotal: 1, Secrets: []fact.RemainingSecret{{Namespace: "shop", Name: "a", Values: 2, Revision: 9}}}
	if diff := cmp.Diff(want, f.Found(), ignoreSeen); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A value that is cut holds data as soon as its map of data begins.
func TestHoldsData(t *testing.T) {
	value := storedtest.ProtobufSecret("shop", "a", []byte("CANARY"))
	from := bytes.Index(value, []byte("password")) - 4 // the tags and lengths of data, its entry, and the key
	for at := range len(value) + 1 {
		want := at > from
		if got := HoldsData(value[:at]); got != want {
			t.Errorf("%d of %d bytes: %v", at, len(value), got)
		}
	}
	if long := storedtest.ProtobufSecret("shop", "last-applied-configuration", nil); !HoldsData(long[:60]) {
		t.Error("with kubectl apply's annotation")
	}
	if !HoldsData([]byte(`{"kind":"Secret"`)) {
		t.Error("JSON")
	}
}

// The first names are kept with exact counts, whatever their order.
func TestFoundNames(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	var got, half Found
	order := r.Perm(3 * 1000)
	for i, n := range order {
		into := &got
		if i%2 == 0 {
			into = &half
		}
		into.Add("shop", fmt.Sprintf("s%04d", n%1000), int64(n/1000+1))
	}
	got.Add("", "", 0)
	got.Merge(half)
	want := Found{Values: 3001, Unnamed: 1, SecretsTotal: 1000}
	for n := range fact.MaxRemainingSecrets {
		want.Secrets = append(want.Secrets, fact.RemainingSecret{Namespace: "shop", Name: fmt.Sprintf("s%04d", n), Values: 3, Revision: 3})
	}
	if diff := cmp.Diff(want, got, ignoreSeen); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// FuzzFinder: what is found does not depend on how the bytes come, no name is
// one that no object can have, and no value is counted that has no start.
func FuzzFinder(f *testing.F) {
	for _, tc := range finderCases() {
		f.Add(tc.data, tc.prefix, 10, uint16(3))
		f.Add(tc.data, tc.prefix, 20, uint16(finderKept-20))
	}
	f.Fuzz(func(t *testing.T, data []byte, prefix string, at int, before uint16) {
		whole, parts := NewFinder(prefix), NewFinder(prefix)
		_, _ = whole.Write(data)
		got := whole.Found()
		_, _ = parts.Write(make([]byte, before))
		if at > 0 && at < len(data) {
			_, _ = parts.Write(data[:at])
			data = data[at:]
		}
		_, _ = parts.Write(data)
		if diff := cmp.Diff(got, parts.Found(), ignoreSeen); diff != "" && !strings.Contains(prefix, "\x00") {
			t.Errorf("(-whole +in parts):\n%s", diff)
		}
		named := 0
		for _, s := range got.Secrets {
			named += s.Values
			if !validName(s.Namespace, 63) || !validName(s.Name, 253) {
				t.Errorf("%q/%q", s.Namespace, s.Name)
			}
		}
		if got.SecretsTotal <= fact.MaxRemainingSecrets && named+got.Unnamed != got.Values {
			t.Errorf("%d named and %d unnamed of %d", named, got.Unnamed, got.Values)
		}
	})
}

// TestFinderHostile: bytes that are made to take long do not.
func TestFinderHostile(t *testing.T) {
	for _, pattern := range []string{"\x44kind\x46Secret", "\xd9\xd9\xf7\xa1\x44kind\x46Secret", string(secretHead), "/secrets/", "/secrets/a/a", "Secret", string(jsonHead), "/secrets/" + strings.Repeat("a", 62) + "/"} {
		data := bytes.Repeat([]byte(pattern), 4<<20/len(pattern))
		at := time.Now()
		f := NewFinder("")
		_, _ = f.Write(data)
		f.Found()
		if took := time.Since(at); took > 10*time.Second {
			t.Errorf("%q: %v for %d bytes", pattern, took, len(data))
		} else {
			t.Logf("%q: %.0f MB/s", pattern, float64(len(data))/1e6/took.Seconds())
		}
	}
}

func BenchmarkFinder(b *testing.B) {
	r := rand.New(rand.NewSource(1))
	random := make([]byte, 16<<20)
	r.Read(random)
	var pods []byte
	for len(pods) < 16<<20 {
		pods = append(pods, keyRow("/registry/pods/shop/web-7d4b9c6f5-x2x4z", 5, storedtest.Protobuf("v1", "Pod", bytes.Repeat([]byte(`/var/run/secrets/kubernetes.io/serviceaccount k:{"name":"web"} f:containers `), 60)))...)
	}
	for name, data := range map[string][]byte{"zero": make([]byte, 16<<20), "random": random, "pods": pods} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			f := NewFinder("/registry")
			for range b.N {
				for at := 0; at < len(data); at += 1 << 20 {
					_, _ = f.Write(data[at:min(at+1<<20, len(data))])
				}
			}
		})
	}
}
