package blockyaml

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// compare fails if a text means something else to the library. It reports whether the text
// is in the subset.
func compare(t *testing.T, text []byte) bool {
	t.Helper()
	prefix := []byte("prefix")
	got, ok := ToJSON(prefix, text)
	if !ok {
		if !bytes.Equal(got, prefix) {
			t.Fatalf("%q: not read, but the slice is %q", text, got)
		}
		return false
	}
	got = got[len(prefix):]
	want, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatalf("%q: read as %s, but the library says %v", text, got, err)
	}
	var a, b any
	if err := utiljson.Unmarshal(got, &a); err != nil {
		t.Fatalf("%q: %s is no JSON: %v", text, got, err)
	}
	if err := utiljson.Unmarshal(want, &b); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Fatalf("%q:\n got %s\nwant %s", text, got, want)
	}
	return true
}

// inSubset are texts that must be read here, each the usual way to write something.
var inSubset = []string{
	"a: 5d4f8c7b9\nb: 1a2e3\nc: 12d\n",
	"apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  labels: {app: web, tier: \"a b\"}\nspec:\n  containers:\n  - name: web\n    image: nginx:1.27\n    args: [\"-c\", 'it''s']\n    ports:\n    - containerPort: 80\n  hostNetwork: true\n",
	"a:\nb: ~\nc: null\n",
	"a: # comment\n  b: 1 # more\n# between\n  c: 'x' # quoted\n",
	"a:\n- b\n- c: 1\n  d: 2\n-\n  e: 3\n- - x\n  - z\nf: []\ng: {}\n",
	"a:\n  - b\n\n  - c\n",
	"- a\n- b\n",
	"s: |\n  set -e\n  echo \"x: y\" # not a comment\n\n    deeper\ne: 1\n",
	"s: |-\n  one\n\n\ne: 1\n",
	"s: |+\n  one\n\n\ne: 1\n",
	"s: |\n  one\n  two",
	"s:\n- |\n  one\n- two\n",
	"numbers: [0, 1, -5, 0.5, 1.25, 100]\nq: 100m\nm: 1Gi\nip: 10.0.0.1\nv: 1.2.3\ntime: 12h\nurl: https://example.com:8443/x?y=z#f\n",
	"path: /var/run/docker.sock\nhome: ~/x\nexpr: $(POD)/x\nflag: --port=80\nshort: -v\n",
	"\"quoted key\": 1\n'single': 2\napp.kubernetes.io/name: x\n",
	"u: grüße\nesc: \"a\\tb\\\\c\\\"d\\n\"\n",
	"a: 1\r\nb:\r\n- c\r\ns: |\r\n  x\r\n  y\r\n",
	"a: x y  z\nb: it's\nc: a#b\nd: a:b\n",
	"a: {b: [1, {c: d}], e: \"f, g\"}\n",
	"a: 00000000-0000-4000-8000-000000000001\nb: 1e345678-0000-4000-8000-00000000000e\nc: 2001abcd-1234-1234-1234-123412341234\n",
}

func TestSubset(t *testing.T) {
	for _, text := range inSubset {
		if !compare(t, []byte(text)) {
			t.Errorf("%q is not read", text)
		}
	}
}

// outside are texts that only a complete library reads, or that are no YAML.
var outside = []string{
	"", "\n", "# only a comment\n", "scalar\n", "a: &x 1\nb: *x\n", "a: !!str 1\n", "? a\n: b\n", "<<: {a: 1}\n", "a: 1\na: 2\n",
	"a: x\n  y\n", "a: \"x\n  y\"\n", "a: >\n  x\n  y\n", "a: |2\n   x\n", "a:\n\tb: 1\n", "a: b: c\n", "a: {b: c\n  }\n", "---\na: 1\n",
	"yes: 1\n", "a: yes\n", "a: 0x1f\n", "a: 0777\n", "a: 1e3\n", "a: 1_000\n", "a: .inf\n", "a: 12345678901234567890\n",
	"a:\n b: 1\n  c: 2\n", "- a\nb: 1\n", "a:\n  b: 1\n c: 2\n", "a: [b\n", "a: 'b\n", "a: \"\\x41\"\n", "a: \"b\"c\n", "a: @b\n", "a: `b`\n", "a: %b\n",
	"\x00", "a: \x01\n", "a: \xff\n", "a: b\u2028c\n", "\ufeffa: 1\n", "{a: 1}}\n", "a: {b: 1, b: 2}\n", "a: {b: c:d}\n", "a: [x: 1]\n",
	strings.Repeat("- ", 200) + "x\n",
}

func TestOutside(t *testing.T) {
	for _, text := range outside {
		if compare(t, []byte(text)) {
			t.Errorf("%q is read", text)
		}
	}
}

// Real manifests of the modules that this project depends on: what is read means the same
// to the library, and most of them are read.
func TestFiles(t *testing.T) {
	roots := []string{"../collect/manifest/testdata", "../cli/testdata", "../../hack/cluster/components"}
	if cache := os.Getenv("BLOCKYAML_FILES"); cache != "" {
		roots = append(roots, cache)
	}
	read, all := 0, 0
	var unread []string
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".yaml") && !strings.HasSuffix(path, ".yml") {
				return nil //nolint:nilerr // what cannot be read is not compared
			}
			data, err := os.ReadFile(path)
			if err != nil || len(data) > 1<<20 {
				return nil //nolint:nilerr // as above
			}
			for _, text := range bytes.Split(data, []byte("\n---\n")) {
				all++
				if compare(t, text) {
					read++
				} else if _, err := yaml.YAMLToJSON(text); err == nil && len(unread) < 40 {
					unread = append(unread, path)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d of %d documents are read; not, for example: %s", read, all, strings.Join(unread, " "))
	if read < 10 {
		t.Errorf("only %d of %d documents are read", read, all)
	}
}

func FuzzToJSON(f *testing.F) {
	for _, text := range inSubset {
		f.Add([]byte(text))
	}
	for _, text := range outside {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) { compare(t, text) })
}

func BenchmarkToJSON(b *testing.B) {
	text := []byte(inSubset[0])
	b.Run("here", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		var out []byte
		for b.Loop() {
			out, _ = ToJSON(out[:0], text)
		}
	})
	b.Run("library", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			if _, err := yaml.YAMLToJSON(text); err != nil {
				b.Fatal(err)
			}
		}
	})
}
