package atrest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/server/options/encryptionconfig"
	"k8s.io/apiserver/pkg/storage/value"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/klog/v2"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/secrets"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
)

func TestMain(m *testing.M) {
	klog.SetLogger(logr.Discard())
	if err := utilfeature.DefaultMutableFeatureGate.Set("KMSv1=true"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// load asks the API server's own loader. The transformers end with the test.
func load(t *testing.T, ctx context.Context, text []byte) (encryptionconfig.StaticTransformers, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "enc.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := encryptionconfig.LoadEncryptionConfig(ctx, file, false, "id")
	if err != nil {
		return nil, err
	}
	return config.Transformers, nil
}

// resources are asked about for each configuration.
var resources = []schema.GroupResource{
	{Resource: "secrets"},
	{Resource: "configmaps"},
	{Resource: "events"},
	{Resource: "secret"},
	{Group: "apps", Resource: "deployments"},
	{Group: "apps", Resource: "secrets"},
	{Group: "example.com", Resource: "widgets"},
	{Group: "secrets", Resource: "*"},
}

// writes is the prefix of what a provider of ours would write.
func writes(p fact.EncryptionProvider) string {
	switch p.Type {
	case "identity":
		return ""
	case "kms":
		return "k8s:enc:kms:" + p.APIVersion + ":" + p.Name + ":"
	}
	return "k8s:enc:" + p.Type + ":v1:" + p.Keys[0] + ":"
}

// compareWriters writes a value for each resource with the API server's transformers, and
// compares the prefix with the first provider that we found, and the class and the key
// with what the reader says of the value.
func compareWriters(t *testing.T, ctx context.Context, text []byte, entries []fact.EncryptionEntry, transformers encryptionconfig.StaticTransformers) {
	t.Helper()
	plain := []byte("k8s\x00\x0a\x0c\x0a\x02v1\x12\x06Secret\x12\x00")
	for _, gr := range resources {
		providers, _ := secrets.ProvidersFor(entries, gr.Group, gr.Resource)
		data := value.DefaultContext("/registry/x/y")
		out := plain
		if transformer := transformers.TransformerForResource(gr); transformer != nil {
			var err error
			if out, err = transformer.TransformToStorage(ctx, plain, data); err != nil {
				t.Fatalf("%s: %v\n%s", gr, err, text)
			}
		}
		prefix := writes(providers[0])
		if encrypted := !bytes.Equal(out, plain); encrypted != (prefix != "") || !bytes.HasPrefix(out, []byte(prefix)) {
			t.Errorf("%s: the API server writes %.60q, expected the prefix %q\n%s", gr, out, prefix, text)
		}
		form, err := stored.ClassifyAny(stored.Of(out), stored.NamesIn(entries))
		if err != nil || form.Provider != prefix || form.Class.Encrypted() != (prefix != "") || form.Guessed {
			t.Errorf("%s: %.60q is %+v, %v\n%s", gr, out, form, err, text)
		}
	}
}

// TestTruth: the files of package stored are still what its oracle says.
func TestTruth(t *testing.T) {
	dir := filepath.Join("..", "..", "pkg", "collect", "stored", "testdata")
	truth, err := os.ReadFile(filepath.Join(dir, "enc-truth.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(truth)) {
		name, want, found := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !found || strings.HasPrefix(name, "#") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			text, err := os.ReadFile(filepath.Join(dir, "enc", name))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "kms") && !strings.HasPrefix(want, "error:") {
				return // no such plugin
			}
			transformers, err := load(t, ctx, text)
			if (err != nil) != strings.HasPrefix(want, "error:") {
				t.Fatalf("want %s, got %v", want, err)
			}
			if err != nil {
				return
			}
			entries, err := stored.ParseEncryptionConfiguration(text)
			if err != nil {
				t.Fatal(err)
			}
			compareWriters(t, ctx, text, entries, transformers)
		})
	}
}

// generator makes configurations, some of which the API server refuses.
type generator struct {
	*rand.Rand
	endpoint string
	v2       int
	odd      bool // of this one
}

// some is one of the usual values, or at times one of the odd ones.
func some[T any](g *generator, odd []T, usual ...T) T {
	if g.odd && g.IntN(12) == 0 {
		return odd[g.IntN(len(odd))]
	}
	return usual[g.IntN(len(usual))]
}

func (g *generator) secret(sizes ...int) string {
	b := make([]byte, some(g, []int{0, 8, 31, 33, 64}, sizes...))
	for i := range b {
		b[i] = byte(g.Uint32())
	}
	return some(g, []string{"", "not base64!", "YQ"}, base64.StdEncoding.EncodeToString(b))
}

func (g *generator) keys(sizes ...int) any {
	keys := make([]any, some(g, []int{0}, 1, 1, 2, 3))
	for i := range keys {
		keys[i] = map[string]any{
			"name": some(g, []any{"", 12, true, nil}, any(fmt.Sprintf("key%d", g.IntN(5))), "a:b", "a", "a:b:c", "Ключ",
				"aescbckey-2026-03-09T09:46:54+01:00", "key with spaces", "k8s:enc:", "true"),
			"secret": g.secret(sizes...),
		}
	}
	return map[string]any{some(g, []string{"key", "Keys"}, "keys"): keys}
}

func (g *generator) kms() any {
	version := some(g, []any{"v3", "V2", 2, nil}, any("v1"), "v2", "v2", "")
	g.v2++
	name := fmt.Sprintf("kms-%d", g.v2)
	out := map[string]any{
		"apiVersion": version,
		"name":       some(g, []any{"", "a:b", "kms-1", 1}, any(name)),
		"endpoint": some(g, []any{
			"", "tcp://1.2.3.4", "unix://a b/kms.sock", "unix", "http://x", "unix:///a%zz", "unix:///a\x01b", 5,
		}, any(g.endpoint)),
	}
	if version == "" || version == nil {
		delete(out, "apiVersion")
	}
	if g.IntN(4) == 0 {
		out["timeout"] = some(g, []any{"0s", "-1s", "3", "x", 3}, any("3s"), "1m", "1500ms")
	}
	if version != "v2" && g.IntN(3) == 0 || g.odd && g.IntN(8) == 0 {
		out["cachesize"] = some(g, []any{0, "5", 1.5, 1 << 40}, any(5), -1, 1000)
	}
	return out
}

func (g *generator) provider() any {
	kind := some(g, []string{"rot13", "AESCBC", "identity "}, "aescbc", "aesgcm", "secretbox", "kms", "identity", "aescbc")
	var body any
	switch kind {
	case "secretbox":
		body = g.keys(32)
	case "kms":
		body = g.kms()
	case "identity":
		body = some(g, []any{nil, "", map[string]any{"keys": 1}, []any{}}, any(map[string]any{}))
	default:
		body = g.keys(16, 24, 32)
	}
	out := map[string]any{kind: body}
	if g.odd && g.IntN(20) == 0 {
		out["secretbox"] = g.keys(32)
	}
	return out
}

// resourceNames in the order from the narrow to the wide: after a wildcard little is valid.
var resourceNames = [][]string{
	{"secrets", "configmaps", "secrets.", "deployments.apps", "widgets.example.com", "secret", "pods", "secrets.apps", "."},
	{"*.apps", "*.example.com", "*."},
	{"*.*"},
}

func (g *generator) config() any {
	var entries []any
	width := 0
	for range some(g, []int{0}, 1, 1, 2, 3, 4) {
		var names []any
		if g.IntN(2) == 0 && width < 2 {
			width += g.IntN(2)
		}
		from := resourceNames[width]
		if g.odd && g.IntN(10) == 0 {
			from = resourceNames[g.IntN(3)]
		}
		for _, i := range g.Perm(len(from))[:1+g.IntN(min(3, len(from)))] {
			names = append(names, some(g, []any{"Secrets", "*", "secrets.*", "events.events.k8s.io", "*.extensions", "apiserveripinfo", 12, "", nil, "*s", "secrets"}, any(from[i])))
		}
		var providers []any
		for range some(g, []int{0}, 1, 2, 3) {
			providers = append(providers, g.provider())
		}
		entry := map[string]any{"resources": names, "providers": providers}
		if g.odd && g.IntN(20) == 0 {
			entry["Providers"] = 1
		}
		entries = append(entries, entry)
	}
	return map[string]any{
		"apiVersion": some(g, []any{"v1", "apiserver.config.k8s.io/v1beta1", "", 1}, any("apiserver.config.k8s.io/v1")),
		"kind":       some(g, []any{"EncryptionConfig", "Encryptionconfiguration", "", nil}, any("EncryptionConfiguration")),
		"resources":  entries,
	}
}

// yamlOf writes JSON in the block style of YAML, with the quotes that JSON has.
func yamlOf(b *strings.Builder, v any, indent string) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			b.WriteString(" {}\n")
			return
		}
		b.WriteString("\n")
		for _, key := range keysOf(v) {
			fmt.Fprintf(b, "%s%s:", indent, key)
			yamlOf(b, v[key], indent+"  ")
		}
	case []any:
		if len(v) == 0 {
			b.WriteString(" []\n")
			return
		}
		b.WriteString("\n")
		for _, item := range v {
			fmt.Fprintf(b, "%s-", indent)
			yamlOf(b, item, indent+"  ")
		}
	default:
		text, _ := json.Marshal(v)
		if s, isText := v.(string); isText && s != "" && !strings.ContainsAny(s, ":{}[]&*#?|-<>=!%@\\\"'` \x01") {
			text = []byte(s) // bare, so true and 12 are no text
		}
		fmt.Fprintf(b, " %s\n", text)
	}
}

func keysOf(m map[string]any) []string {
	keys := slices.Sorted(maps.Keys(m))
	slices.Reverse(keys) // the order does not matter
	return keys
}

func (g *generator) text(t *testing.T) []byte {
	config := g.config()
	if g.IntN(3) == 0 {
		text, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	var b strings.Builder
	yamlOf(&b, config, "")
	return []byte(b.String())
}

// mutate changes a few bytes.
func (g *generator) mutate(text []byte) []byte {
	out := bytes.Clone(text)
	for range 1 + g.IntN(2) {
		at := g.IntN(len(out))
		switch g.IntN(4) {
		case 0:
			out = append(out[:at], out[at+1:]...)
		case 1:
			out[at] ^= 1 << g.IntN(8)
		case 2:
			const odd = "\n :{}[]-#'\"\t,*&!|>%@\x00"
			out = append(out[:at], append([]byte{odd[g.IntN(len(odd))]}, out[at:]...)...)
		default:
			out = append(out[:at], append(bytes.Clone(out[at:min(len(out), at+1+g.IntN(40))]), out[at:]...)...)
		}
		if len(out) == 0 {
			return text
		}
	}
	return out
}

// TestGenerated: what the API server refuses is refused here, so that it never counts as
// in force; what it takes is taken, and the first provider of each resource is the one
// that its transformers write with.
func TestGenerated(t *testing.T) {
	p := startPlugin(t, t.TempDir())
	g := &generator{Rand: rand.New(rand.NewPCG(12, 2026)), endpoint: p.endpoint}
	accepted, refused, stricter := 0, 0, 0
	for i := range 1000 {
		ctx, cancel := context.WithCancel(t.Context())
		g.odd, g.v2 = i%2 == 1, 0
		text := g.text(t)
		if i%8 == 3 {
			text = g.mutate(text)
		}
		transformers, want := load(t, ctx, text)
		entries, err := stored.ParseEncryptionConfiguration(text)
		switch {
		case want != nil && err == nil:
			t.Errorf("accepted, but the API server says: %v\n%s", want, text)
		case want == nil && err != nil:
			if i%8 != 3 {
				t.Errorf("refused: %v\n%s", err, text)
			}
			stricter++
		case want != nil:
			refused++
		default:
			accepted++
			compareWriters(t, ctx, text, entries, transformers)
		}
		cancel()
	}
	t.Logf("%d accepted, %d refused, %d refused here only", accepted, refused, stricter)
	if accepted < 200 || refused < 50 {
		t.Errorf("the generator makes too few of one kind: %d accepted, %d refused", accepted, refused)
	}
}

// TestMutated: thousands of damaged files, without a plugin to write through.
func TestMutated(t *testing.T) {
	g := &generator{Rand: rand.New(rand.NewPCG(3, 2026)), endpoint: "unix:///nowhere"}
	both, stricter := 0, 0
	for range 400 {
		g.odd, g.v2 = false, 0
		text := g.text(t)
		if bytes.Contains(text, []byte("kms")) {
			continue
		}
		for range 20 {
			damaged := g.mutate(text)
			_, want := load(t, t.Context(), damaged)
			_, err := stored.ParseEncryptionConfiguration(damaged)
			switch {
			case want != nil && err == nil:
				t.Errorf("accepted, but the API server says: %v\n%s", want, damaged)
			case want == nil && err != nil:
				stricter++
				t.Logf("refused here only: %v\n%q", err, damaged)
			default:
				both++
			}
		}
	}
	t.Logf("%d agree, %d refused here only", both, stricter)
	if both < 1000 {
		t.Errorf("only %d compared", both)
	}
}
