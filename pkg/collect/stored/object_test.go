package stored

import (
	"bytes"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/cbor"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// encoders are the API server's own, by the class of what they write.
func encoders(t *testing.T) map[fact.StorageClass]func(runtime.Object) []byte {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, rbacv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	codecs := serializer.NewCodecFactory(scheme, serializer.WithSerializer(cbor.NewSerializerInfo))
	out := map[fact.StorageClass]func(runtime.Object) []byte{}
	for class, mediaType := range map[fact.StorageClass]string{
		fact.ClassIdentityProtobuf: "application/vnd.kubernetes.protobuf",
		fact.ClassIdentityJSON:     "application/json",
		fact.ClassIdentityYAML:     "application/yaml",
		fact.ClassIdentityCBOR:     "application/cbor",
	} {
		info, ok := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), mediaType)
		if !ok {
			t.Fatalf("no serializer for %s", mediaType)
		}
		out[class] = func(o runtime.Object) []byte {
			var b bytes.Buffer
			if err := info.Serializer.Encode(o, &b); err != nil {
				t.Fatal(err)
			}
			return b.Bytes()
		}
	}
	return out
}

// oddTexts are what YAML has to quote, fold or write on several lines.
var oddTexts = []string{
	"", " ", "x", "true", "null", "~", "1e3", "0x1f", "2026-01-01", "a: b", "- a", "# a", "'", `"`, "kind: Secret\n",
	"two\nlines", "\n", "\nmetadata:\n  name: other\n  namespace: other\nkind: ConfigMap\n", "tab\t", "\x01", "Ключ", "a\u2028b", "  x\ny\n\n",
	strings.Repeat("words that are folded ", 20), strings.Repeat("x", 5000), `{"kind":"Secret","metadata":{"name":"other"}}`,
	strings.Repeat("line\n", 100), "|", ">", "---\n", "...\n",
}

// randomSecret has every field that the API server stores, at times.
func randomSecret(r *rand.Rand, namespace, name string) *corev1.Secret {
	text := func() string { return oddTexts[r.Intn(len(oddTexts))] }
	s := &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: "9a0f", CreationTimestamp: metav1.Unix(1_800_000_000, 0)},
		Type:       corev1.SecretTypeOpaque,
	}
	for i := range r.Intn(4) {
		s.Annotations = with(s.Annotations, fmt.Sprintf("a%d", i), text())
		s.Labels = with(s.Labels, fmt.Sprintf("name%d", i), text())
		s.Data = with(s.Data, []string{"kind", "metadata", "name", "namespace"}[i], []byte(text()))
	}
	if r.Intn(3) == 0 {
		s.Annotations = with(s.Annotations, "name", text())
		s.Labels = with(s.Labels, "namespace", text())
		s.GenerateName = name[:1]
	}
	if r.Intn(3) == 0 {
		big := make([]byte, r.Intn(40_000))
		r.Read(big)
		s.Data = with(s.Data, "big", big)
		immutable := true
		s.Immutable = &immutable
	}
	if r.Intn(3) == 0 {
		s.ManagedFields = []metav1.ManagedFieldsEntry{{
			Manager: text(), Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", FieldsType: "FieldsV1",
			FieldsV1: metav1.NewFieldsV1(`{"f:data":{".":{},"f:name":{}}}`),
		}}
		s.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "other", UID: "1"}}
		s.Finalizers = []string{"name: x", "a/b"}
	}
	return s
}

func with[V any](m map[string]V, key string, value V) map[string]V {
	if m == nil {
		m = map[string]V{}
	}
	m[key] = value
	return m
}

// TestAPIServersForms: what the API server's serializers write for Secrets and
// other objects is known for what it is, in every storage media type.
func TestAPIServersForms(t *testing.T) {
	r := rand.New(rand.NewSource(12))
	names := []string{"a", "y", "true", "1", "1e3", "0x1f", "2026-01-01", "null", "a.b", "kind", strings.Repeat("n", 253)}
	write := encoders(t)
	for range 400 {
		ns, name := names[r.Intn(len(names)-1)], names[r.Intn(len(names))]
		secret := randomSecret(r, ns, name)
		for class, encode := range write {
			value := encode(secret)
			got, err := Classify(Of(value), ns, name, nil)
			if err != nil || got != (Form{Class: class}) {
				t.Fatalf("%s: %+v, %v\n%.2000q", class, got, err, value)
			}
			for _, other := range [][2]string{{ns, name + "x"}, {ns + "x", name}} {
				got, err := Classify(Of(value), other[0], other[1], nil)
				if err != nil || got.Class != fact.ClassUnknown || got.Problem == "" {
					t.Fatalf("%s at the key of another Secret: %+v, %v\n%.2000q", class, got, err, value)
				}
			}
			if plain, err := IsPlainSecret(Of(value)); err != nil || !plain {
				t.Fatalf("%s: not a plain Secret, %v\n%.2000q", class, err, value)
			}
			if got, err := ClassifyAny(Of(value), nil); err != nil || got.Class != class {
				t.Fatalf("%s as any object: %+v, %v", class, got, err)
			}
		}

		meta := *secret.ObjectMeta.DeepCopy()
		others := []runtime.Object{
			&corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: meta, Data: map[string]string{"kind": oddTexts[r.Intn(len(oddTexts))], "z": "Secret"}, BinaryData: secret.Data},
			&rbacv1.RoleBinding{TypeMeta: metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "RoleBinding"}, ObjectMeta: meta, Subjects: []rbacv1.Subject{{Kind: "Secret", Name: "a"}}},
			&corev1.SecretList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "SecretList"}},
		}
		custom := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "example.com/v1", "kind": "Secret", "metadata": map[string]any{"name": name, "namespace": ns},
			"spec": map[string]any{"template": map[string]any{"apiVersion": "v1", "kind": "Secret"}, "n": r.Int63n(1 << 40), "f": 1.5, "list": []any{"a", true, nil}},
		}}
		for class, encode := range write {
			all := others
			if class != fact.ClassIdentityProtobuf {
				all = append(slices.Clone(others), custom)
			}
			for _, o := range all {
				value := encode(o)
				if got, err := ClassifyAny(Of(value), nil); err != nil || got != (Form{Class: class}) {
					t.Fatalf("%T as %s: %+v, %v\n%.2000q", o, class, got, err, value)
				}
				if plain, err := IsPlainSecret(Of(value)); err != nil || plain {
					t.Fatalf("%T as %s is taken for a Secret, %v\n%.2000q", o, class, err, value)
				}
				// In JSON, a kind anywhere in the first bytes is enough at such a key.
				if got, err := Classify(Of(value), ns, name, nil); err != nil || got.Class != fact.ClassUnknown && (o != runtime.Object(custom) || got.Class != fact.ClassIdentityJSON) {
					t.Fatalf("%T as %s at a Secret's key: %+v, %v", o, class, got, err)
				}
			}
		}
	}
}

// TestFlippedBit: one flipped bit turns no form into another one, except an
// encrypted form into another encrypted one of the same envelope.
func TestFlippedBit(t *testing.T) {
	r := rand.New(rand.NewSource(3))
	for range 60 {
		value := storedtest.AnyForm(r, "shop", "a")
		was, err := Classify(Of(value), "shop", "a", nil)
		if err != nil {
			t.Fatal(err)
		}
		for bit := range 8 * len(value) {
			value[bit/8] ^= 1 << (bit % 8)
			got, err := Classify(Of(value), "shop", "a", nil)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case got.Class == was.Class, got.Class == fact.ClassUnknown, got.Class == fact.ClassUnknownEncrypted && was.Class.Encrypted():
			default:
				t.Errorf("bit %d turns %s into %s", bit, was.Class, got.Class)
			}
			if general, err := ClassifyAny(Of(value), nil); err != nil || general.Class != was.Class && general.Class != fact.ClassUnknown && general.Class != fact.ClassUnknownEncrypted {
				t.Errorf("bit %d turns %s into %s, %v", bit, was.Class, general.Class, err)
			}
			value[bit/8] ^= 1 << (bit % 8)
		}
	}
}

// TestHostileCBOR: a few bytes cannot make it read for long, or deeply.
func TestHostileCBOR(t *testing.T) {
	for name, value := range map[string][]byte{
		"a map of 2^64-1":      append(bytes.Clone(cborHead), 0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
		"nested arrays":        append(append(bytes.Clone(cborHead), 0xa1, 0x41, 'a'), bytes.Repeat([]byte{0x81}, 1<<20)...),
		"nested long arrays":   append(append(bytes.Clone(cborHead), 0xa1, 0x41, 'a'), bytes.Repeat([]byte{0x9a, 0, 0, 1, 0}, 1<<18)...),
		"nested tags":          append(append(bytes.Clone(cborHead), 0xa1, 0x41, 'a'), bytes.Repeat([]byte{0xc0}, 1<<20)...),
		"an indefinite string": append(bytes.Clone(cborHead), 0xa1, 0x5f, 0x41, 'a', 0xff),
		"a long string":        append(bytes.Clone(cborHead), 0xa1, 0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Classify(Of(value), "shop", "a", nil)
			if err != nil || got.Class != fact.ClassUnknown || got.Problem == "" {
				t.Errorf("%+v, %v", got, err)
			}
			if plain, err := IsPlainSecret(Of(value)); plain || err != nil {
				t.Errorf("a plain Secret, %v", err)
			}
		})
	}
}
