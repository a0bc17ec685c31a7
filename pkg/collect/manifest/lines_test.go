package manifest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// linesOf reads one source from stdin.
func linesOf(t testing.TB, text string) *Lines {
	t.Helper()
	lines := NewLines()
	_, err := Read(context.Background(), Files{Filenames: []string{"-"}, Lines: lines}, "", strings.NewReader(text))
	if err != nil {
		t.Logf("%v", err)
	}
	return lines
}

// at is a place with the text that is there.
func at(text string, p Position, ok bool) string {
	if !ok {
		return "none"
	}
	rows := strings.Split(text, "\n")
	if p.Line > len(rows) {
		return fmt.Sprintf("%d: behind the end", p.Line)
	}
	row := []rune(rows[p.Line-1])
	if p.Column < 1 || p.End < p.Column || p.End-1 > len(row) {
		return fmt.Sprintf("%d:%d-%d: outside of %q", p.Line, p.Column, p.End, string(row))
	}
	return fmt.Sprintf("%d:%d %s", p.Line, p.Column, string(row[p.Column-1:p.End-1]))
}

const podText = `apiVersion: v1
kind: Pod
metadata:
  name: p
spec:
  hostPID: true
  containers:
  - name: é
    image: x
    securityContext: {"privileged": true}
  - name: b
    image: z
`

func TestLines(t *testing.T) {
	const image, privileged, second = "stdin pod/p spec.containers[0].image", "stdin pod/p spec.containers[0].securityContext.privileged", "stdin pod/p spec.containers[1].image"
	for name, tc := range map[string]struct {
		text string
		want map[string]string // by source
	}{
		"a document": {podText, map[string]string{
			image: "9:5 image", privileged: `10:23 "privileged"`, second: "12:5 image", "stdin pod/p spec.hostPID": "6:3 hostPID",
			"stdin pod/p spec.containers[0].livenessProbe.exec": "8:5 n", // an item without the field
			"stdin pod/p spec.containers[7].image":              "7:3 containers",
			"stdin pod/p spec.nothing":                          "5:1 spec",
			"stdin pod/p nothing":                               "1:1 a",
			"stdin pod/p ":                                      "1:1 a",
			"stdin pod/q spec":                                  "none",
			"pod/p spec":                                        "none",
			"stdin pod/p":                                       "none",
			"":                                                  "none",
		}},
		"several documents, of Helm": {"---\n# Source: web/templates/cm.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  my.key: v\n---\n# Source: web/templates/pod.yaml\n" + podText, map[string]string{
			image: "18:5 image", "stdin configmap/c data[my.key]": "7:3 my.key", "stdin configmap/c ": "3:1 a",
		}},
		"CRLF": {strings.ReplaceAll("# c\n---\n"+podText, "\n", "\r\n"), map[string]string{image: "11:5 image", privileged: `12:23 "privileged"`}},
		"a separator of the end": {podText + "...\n# more\n" + strings.ReplaceAll(podText, "name: p", "name: q"), map[string]string{
			image: "9:5 image", "stdin pod/q spec.hostPID": "20:3 hostPID",
		}},
		"anchors and merges": {`apiVersion: v1
kind: Pod
metadata: {name: p}
x: &sc
  privileged: true
z: &more {<<: *sc, runAsUser: 0}
spec:
  containers:
  - &c
    name: a
    image: x
    securityContext: *sc
  - <<: *c
    name: b
  - name: c
    image: z
    securityContext:
      <<: [*more]
      runAsNonRoot: false
`, map[string]string{
			image: "11:5 image", privileged: "5:3 privileged", second: "11:5 image",
			"stdin pod/p spec.containers[1].name":                         "14:5 name",
			"stdin pod/p spec.containers[2].securityContext.runAsUser":    "6:20 runAsUser",
			"stdin pod/p spec.containers[2].securityContext.privileged":   "5:3 privileged",
			"stdin pod/p spec.containers[2].securityContext.runAsNonRoot": "19:7 runAsNonRoot",
		}},
		"a List": {"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: p}\n  spec:\n    containers:\n    - name: a\n      image: x\n- apiVersion: apps/v1\n  kind: Deployment\n  metadata: {name: d}\n  spec:\n    template:\n      spec:\n        containers: [{name: a, image: z}]\n", map[string]string{
			image: "10:7 image", "stdin deployment/d spec.template.spec.containers[0].image": "17:32 image", "stdin deployment/d ": "11:3 a",
		}},
		"JSON": {"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"},\n\t\"spec\":{\"containers\":[{\"name\":\"é\",\"image\":\"x\",\n\"securityContext\" : { \"privileged\":true}}]}}", map[string]string{
			image: `2:36 "image"`, privileged: `3:23 "privileged"`,
		}},
		"JSON objects on one line": {`  {"a":"é"} {"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"image":"x","name":"a"}]}}`, map[string]string{
			image: `1:92 "image"`, "stdin pod/p ": `1:13 {`,
		}},
		"a List in JSON": {"{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"x\"}]}},\n {\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"q\"},\"spec\":{\"containers\":[{\"name\":\"a\",\n\"image\":\"x\"}]}}]}", map[string]string{
			image: `1:133 "image"`, "stdin pod/q spec.containers[0].image": `3:1 "image"`, "stdin pod/q ": "2:2 {",
		}},
		"flow that is no JSON":         {"{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: a, image: x}]}}", map[string]string{image: "1:80 image"}},
		"JSON and then something else": {"{\"a\":\n1} x: 2\n---\n" + podText, map[string]string{image: "12:5 image"}},
		"an object in an object": {`apiVersion: example.com/v1
kind: Fleet
metadata: {name: p}
spec:
  workload:
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: inner}
    spec:
      template:
        spec:
          containers:
          - name: a
            image: x
`, map[string]string{"stdin fleet/p spec.workload.spec.template.spec.containers[0].image": "14:13 image"}},
		"breaks that are no line feed": {strings.ReplaceAll(podText, "image: x", "image: \"x\u2028y\"\n    stdin: true"), map[string]string{image: "1:1 a", second: "1:1 a"}},
	} {
		t.Run(name, func(t *testing.T) {
			lines := linesOf(t, tc.text)
			got := map[string]string{}
			for source := range tc.want {
				p, ok := lines.At(source)
				got[source] = at(tc.text, p, ok)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Marks and UTF-16, as Windows has them, are no part of the first line.
func TestLinesOfWindows(t *testing.T) {
	wide := "\xff\xfe"
	for _, unit := range utf16.Encode([]rune(podText)) {
		wide += string([]byte{byte(unit), byte(unit >> 8)})
	}
	for name, text := range map[string]string{"a mark": "\xef\xbb\xbf" + podText, "UTF-16": wide} {
		lines := linesOf(t, text)
		p, ok := lines.At("stdin pod/p spec.hostPID")
		if got := at(podText, p, ok); got != "6:3 hostPID" {
			t.Errorf("%s: found %s", name, got)
		}
		p, ok = lines.Of(&fact.Subject{Kind: "Pod", Name: "p"})
		if got := at(podText, p, ok); got != "1:1 a" {
			t.Errorf("%s: found %s", name, got)
		}
	}
}

func TestLinesOfSubjects(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a b.yaml", "\n"+podText)
	write("c.yaml", "\n\n\n"+podText)
	write("d.yaml", "apiVersion: v1\nkind: Pod\nmetadata: [\n---\n"+podText)
	lines := NewLines()
	if _, err := Read(context.Background(), Files{Filenames: []string{dir}, Lines: lines}, "ns", nil); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		subject fact.Subject
		file    string
		line    int
	}{
		{fact.Subject{Kind: "Pod", Namespace: "ns", Name: "p"}, "a b.yaml", 2},
		{fact.Subject{Kind: "Pod", Namespace: "ns", Name: "p", File: dir + "/c.yaml"}, "c.yaml", 4},
		{fact.Subject{Kind: "Pod", Namespace: "ns", Name: "p", File: dir + "/d.yaml"}, "d.yaml", 5},
		{fact.Subject{Kind: fact.SubjectFile, Name: dir + "/d.yaml"}, "d.yaml", 3},
		{fact.Subject{Kind: fact.SubjectFile, Name: dir + "/c.yaml"}, "", 0},
		{fact.Subject{Kind: "Pod", Name: "p"}, "", 0},
	} {
		p, ok := lines.Of(&tc.subject)
		if ok != (tc.line > 0) || p.Line != tc.line || ok && filepath.Base(p.File) != tc.file {
			t.Errorf("%v: expected %s:%d, found %s:%d", tc.subject, tc.file, tc.line, p.File, p.Line)
		}
	}
	p, ok := lines.At(dir + "/a b.yaml pod/ns/p spec.hostPID")
	if !ok || p.Line != 7 {
		t.Errorf("a name with a space: found %+v, %t", p, ok)
	}
	var none *Lines
	if _, ok := none.At("x y"); ok {
		t.Error("found a place without lines")
	}
}

// What aliases stand for is bounded.
func TestLinesOfManyAliases(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ { // 8 to the power of 12 values
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 8), ", "))
	}
	b.WriteString("loop: &loop [*loop, *loop]\n" + podText)
	lines := NewLines()
	lines.add(&document{source: "stdin", text: []byte(b.String()), first: 1}, nil, "stdin pod/p", "pod/p")
	if p, ok := lines.Of(&fact.Subject{Kind: "Pod", Name: "p"}); !ok || p.Line != 1 {
		t.Errorf("found %+v, %t", p, ok)
	}
	if len(lines.data) > 16*mostFields {
		t.Errorf("%d bytes", len(lines.data))
	}
}

func FuzzLines(f *testing.F) {
	f.Add(podText, "spec.containers[0].image")
	f.Add("{\"kind\":\"List\",\"items\":[{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{}]}}]}", "spec[0]")
	f.Add("a: &a [*a]\n<<: *a\n"+podText, "a[0][0]")
	f.Add("\xef\xbb\xbf"+strings.ReplaceAll(podText, "\n", "\r\n"), "spec..[")
	f.Fuzz(func(t *testing.T, text, path string) {
		lines := linesOf(t, text)
		plain := strings.TrimPrefix(text, "\xef\xbb\xbf")
		for _, one := range lines.objects {
			p := lines.inside(one, path)
			if p.Line < 1 || p.Column < 1 || p.End < p.Column {
				t.Fatalf("found %+v", p)
			}
			if rows := strings.Count(plain, "\n") + 1; p.Line > rows && !strings.HasPrefix(text, "\xff\xfe") && !strings.HasPrefix(text, "\xfe\xff") {
				t.Fatalf("line %d of %d", p.Line, rows)
			}
		}
	})
}
