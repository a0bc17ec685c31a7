package cli

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The documents and kustomizations below hold canaries where values are: in
// Secrets, ConfigMaps, environment, arguments, annotations, patches and generators.
// However they are changed, no part of a canary is printed, to stdout or stderr.

const (
	leakDocuments      = 450
	leakKustomizations = 100
	leakFacts          = 200
	// leakWindow is how many bytes in a row of a canary count as found.
	leakWindow = 8
)

// canary is a text that occurs nowhere else.
func canary(r *rand.Rand) string {
	b := make([]byte, 24)
	for i := range b {
		b[i] = "bcdfghjklmnpqrstvwxz0123456789"[r.Intn(30)]
	}
	return string(b)
}

// leaked returns a piece of a canary in a text, or "" if there is none.
func leaked(canaries []string, text []byte) string {
	for _, c := range canaries {
		for i := 0; i+leakWindow <= len(c); i++ {
			if bytes.Contains(text, []byte(c[i:i+leakWindow])) {
				return c[i : i+leakWindow]
			}
		}
	}
	return ""
}

// leakDocs are templates; each @ becomes a canary.
var leakDocs = []string{
	"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\n  password: @\n  key: \"@\"\n  other: '@'\n",
	"apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\ndata: {a: @, b: \"@\", c: [@]}\ntype: Opaque\n",
	"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\n  file: |\n    first @\n    second: @\n  folded: >-\n    @\n    @\n",
	"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: &all\n  a: &a @\n  b: *a\nmore:\n  <<: *all\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, annotations: {note: @}}\ndata: {config.yaml: \"password: @\"}\nbinaryData: {a: @}\n",
	`{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "@", "b": "@"}}` + "\n",
	"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: s}\n  stringData: {a: @}\n- apiVersion: v1\n  kind: Secret\n  data: {a: @}\n",
	"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec:\n  template:\n    metadata:\n      annotations: {token: @}\n    spec:\n      containers:\n" +
		"      - name: app\n        image: registry.example/app:v1\n        env:\n        - name: PASSWORD\n          value: @\n        - {name: TOKEN, value: \"@\"}\n        args: [--password=@, \"--token=@\"]\n" +
		"        livenessProbe: {httpGet: {port: 80, httpHeaders: [{name: Authorization, value: @}]}}\n",
	"apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: app\n    image: registry.example/app:v1\n    command: [/bin/app, --password=@]\n    env: [{name: A, value: @}]\n  volumes: [{name: v, csi: {driver: d, volumeAttributes: {secret: @}}}]\n",
	"apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: t}\nspec: {password: @, list: [@, {a: @}]}\n",
	// Values where stores are asked, and in what the detector of credentials reads.
	"apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  annotations:\n    vault.hashicorp.com/agent-inject: \"true\"\n    vault.hashicorp.com/agent-inject-template-db: \"@\"\n" +
		"    secrets-webhook.security.bank-vaults.io/vault-addr: https://@:@@vault\nspec:\n  initContainers: [{name: i, image: i, env: [{name: GITLAB, value: glpat-@}]}]\n" +
		"  containers:\n  - name: app\n    image: a\n    env:\n    - {name: DB_URL, value: \"postgres://app:@@db/app\"}\n    - {name: STORED, value: \"vault:secret/@#@\"}\n" +
		"    - {name: ITEM, value: \"op://@/@\"}\n    - {name: DB_PASSWORD, value: \"@\"}\n" +
		"  volumes: [{name: v, csi: {driver: secrets-store.csi.k8s.io, volumeAttributes: {secretProviderClass: c, token: @}, nodePublishSecretRef: {name: s}}}]\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  .env: |\n    DB_PASSWORD=@\n    GITLAB=glpat-@\n  init.sql: ALTER USER a IDENTIFIED BY '@';\n" +
		"  redis.conf: requirepass @\n  app.json: '{\"token\": \"@\", \"url\": \"amqp://a:@@b\"}'\n",
	"apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: |\n      {\"kind\":\"Secret\",\"data\":{\"a\":\"@\"},\"stringData\":{\"b\":\"@\"}}\ntype: Opaque\n",
	"stringData: {password: @}\n", "- @\n- @\n", "@\n", "{{ .Values.@ }}\n",
}

// plant puts canaries into a template.
func plant(r *rand.Rand, template string) (text string, canaries []string) {
	var b strings.Builder
	for _, c := range template {
		if c != '@' {
			b.WriteRune(c)
			continue
		}
		canaries = append(canaries, canary(r))
		b.WriteString(canaries[len(canaries)-1])
	}
	return b.String(), canaries
}

var holdsCanary = regexp.MustCompile(`[bcdfghjklmnpqrstvwxz0-9]{20}`)

// mutate changes a text in ways in which people and broken tools do.
func mutate(r *rand.Rand, text string) string {
	for range 1 + r.Intn(3) {
		if text == "" {
			return text
		}
		at := r.Intn(len(text))
		lines := strings.SplitAfter(text, "\n")
		line := r.Intn(len(lines))
		if with := slices.IndexFunc(lines[line:], holdsCanary.MatchString); with >= 0 && r.Intn(2) == 0 {
			line += with // values are what counts
		}
		insert := func(s string) { text = text[:at] + s + text[at:] }
		edit := func(change func(string) string) {
			lines[line] = change(lines[line])
			text = strings.Join(lines, "")
		}
		colon := regexp.MustCompile(`: *[^\n]*`)
		switch r.Intn(24) {
		case 0: // one byte is another
			b := []byte(text)
			b[at] ^= 1 << r.Intn(8)
			text = string(b)
		case 1:
			text = text[:at] + text[min(len(text), at+1+r.Intn(8)):]
		case 2:
			insert(string(rune(r.Intn(0x300))))
		case 3:
			insert([]string{"\"", "'", "`", "{", "}", "[", "]", ": ", "- ", "#", "&", "*", "!", "|", ">", "%", "@", "\\", "?", ","}[r.Intn(20)])
		case 4: // indentation
			edit(func(s string) string { return strings.Repeat(" ", r.Intn(4)) + s })
		case 5:
			edit(func(s string) string { return strings.TrimPrefix(strings.TrimPrefix(s, " "), " ") })
		case 6:
			edit(func(s string) string { return "\t" + s })
		case 7: // a line is gone, or there twice
			edit(func(string) string { return "" })
		case 8:
			edit(func(s string) string { return s + s })
		case 9:
			other := r.Intn(len(lines))
			lines[line], lines[other] = lines[other], lines[line]
			text = strings.Join(lines, "")
		case 10, 20, 21, 22, 23: // a value of another type
			edit(func(s string) string {
				value := []string{" [", " {", " 12345678", " true", " null", " !!int ", " !!binary ", " !!timestamp ", " *unknown", " &a ", " |", " \"", " '"}[r.Intn(13)]
				return colon.ReplaceAllStringFunc(s, func(old string) string { return ":" + value + strings.TrimPrefix(old, ":") })
			})
		case 11:
			text = strings.Replace(text, "kind: Secret", []string{"kind: Pod", "kind: List", "kind: 7", "kind:", "kind: [Secret]", "kind: SecretList", "Kind: Secret"}[r.Intn(7)], 1)
		case 12:
			text = strings.Replace(text, "apiVersion: v1", []string{"apiVersion: v2", "apiVersion: [v1]", "", "apiVersion: apps/v1"}[r.Intn(4)], 1)
		case 13: // a separator that is none
			edit(func(s string) string { return "---" + s })
		case 14:
			edit(func(s string) string { return "--- " + s })
		case 15:
			edit(func(s string) string { return "...\n" + s })
		case 16: // binary
			b := make([]byte, 1+r.Intn(40))
			r.Read(b)
			insert(string(b))
		case 17:
			text = text[:at] // cut short
		case 18:
			text = []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff", "%YAML 9.9\n---\n", "\x00", "\x1f\x8b"}[r.Intn(6)] + text
		case 19:
			text = strings.ReplaceAll(text, "\n", []string{"\r\n", "\r", " \n", "\n\n"}[r.Intn(4)])
		}
	}
	return text
}

// outcome runs the plugin and looks for canaries in what it says.
func outcome(t *testing.T, canaries []string, stdin string, args ...string) (code int, said string) {
	t.Helper()
	env, out, errOut := testEnv()
	env.Streams.In = strings.NewReader(stdin)
	code = Main(t.Context(), env, append(args, "-o", "json"))
	for name, text := range map[string][]byte{"stdout": out.Bytes(), "stderr": errOut.Bytes()} {
		if found := leaked(canaries, text); found != "" {
			t.Errorf("%v: %q is on %s:\n%s", args, found, name, text)
		}
	}
	// What was skipped is a warning next to a report of the rest.
	warned := true
	for line := range strings.Lines(errOut.String()) {
		warned = warned && strings.HasPrefix(line, "warning: ")
	}
	if code == ExitFailure && (out.Len() > 0 || errOut.Len() == 0) || code != ExitFailure && !warned {
		t.Errorf("%v: status %d with stdout %q and stderr %q", args, code, out, errOut)
	}
	if strings.Contains(errOut.String(), "a bug in this program") {
		t.Errorf("%v: %s", args, errOut)
	}
	return code, errOut.String()
}

// kinds counts what was said, without places.
type kinds map[string]int

var places = regexp.MustCompile(`[^ ]*/[^ :]*|line [0-9]+|document [0-9]+|\[[0-9]+\]|"[^"]*"`)

func (k kinds) add(said string) {
	for line := range strings.Lines(said) {
		k[places.ReplaceAllString(line, "_")]++
	}
}

func TestDocumentsLeakNothing(t *testing.T) {
	dir := t.TempDir()
	good := "---\napiVersion: v1\nkind: Pod\nmetadata: {name: good}\nspec: {containers: [{name: app, image: registry.example/app:v1}]}\n"
	said, judged := kinds{}, 0
	for seed := range int64(leakDocuments) {
		r := rand.New(rand.NewSource(seed))
		text, canaries := plant(r, leakDocs[seed%int64(len(leakDocs))])
		text = mutate(r, text) + good
		path := filepath.Join(dir, fmt.Sprintf("%d.yaml", seed))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, errors := outcome(t, canaries, "", "pods", "-f", path)
		said.add(errors)
		if code == ExitOK {
			judged++
		}
		if seed%5 == 0 {
			outcome(t, canaries, text, "pods", "-f", "-")
		}
		if code, _ := outcome(t, canaries, "", "--facts", path); code != ExitFailure { // a slip of the hand
			t.Errorf("%s passes for facts", path)
		}
		if t.Failed() {
			t.Fatalf("seed %d:\n%s", seed, text)
		}
	}
	t.Logf("%d documents: %d judged, %d kinds of errors", leakDocuments, judged, len(said))
	if judged < leakDocuments/5 || judged > leakDocuments*9/10 || len(said) < 30 {
		t.Errorf("want a mix: %d of %d judged, errors %v", judged, leakDocuments, said)
	}
}

// leakFiles are kustomizations as templates.
var leakFiles = []map[string]string{
	{"kustomization.yaml": "resources: [s.yaml, p.yaml]\nnamespace: shop\nnamePrefix: pre-\n"},
	{"kustomization.yaml": "resources: [s.yaml, p.yaml]\npatches:\n- target: {kind: Secret}\n  patch: |\n    - op: replace\n      path: /stringData/a\n      value: @\n"},
	{"kustomization.yaml": "resources: [s.yaml, p.yaml]\npatches:\n- patch: |-\n    apiVersion: v1\n    kind: Secret\n    metadata: {name: s}\n    stringData:\n      a: @\n- path: patch.yaml\n", "patch.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: app, env: [{name: A, value: @}]}]}\n"},
	{"kustomization.yaml": "resources: [s.yaml, p.yaml]\npatchesStrategicMerge:\n- |-\n  apiVersion: v1\n  kind: Secret\n  metadata: {name: s}\n  stringData: {a: @}\n"},
	{"kustomization.yaml": "resources: [p.yaml]\nsecretGenerator:\n- name: g\n  literals:\n  - password=@\n  - token='@'\n  envs: [secret.env]\n  files: [secret.txt, other=secret.txt]\nconfigMapGenerator:\n- name: c\n  literals: [a=@]\n", "secret.env": "A=@\nB=\"@\"\n", "secret.txt": "@\n"},
	{"kustomization.yaml": "resources: [s.yaml, p.yaml]\nreplacements:\n- source: {kind: Secret, fieldPath: stringData.a}\n  targets:\n  - select: {kind: Pod}\n    fieldPaths: [spec.containers.0.env.0.value]\n"},
	{"kustomization.yaml": "resources: [s.yaml, p.yaml]\nreplacements:\n- source: {kind: Secret, fieldPath: stringData.a, options: {delimiter: \"-\", index: 5}}\n  targets: [{select: {kind: Pod}, fieldPaths: [metadata.name]}]\n"},
	{"kustomization.yaml": "resources: [s.yaml, p.yaml]\nvars:\n- name: SECRET\n  objref: {kind: Secret, name: s, apiVersion: v1}\n  fieldref: {fieldpath: stringData.a}\ncommonAnnotations: {note: @}\n"},
	{"kustomization.yaml": "resources: [base]\npatchesJson6902:\n- target: {version: v1, kind: Secret, name: s}\n  patch: |-\n    [{op: test, path: /stringData/a, value: \"@\"}, {op: move, from: /stringData/@, path: /data}]\n", "base/kustomization.yaml": "resources: [s.yaml]\n", "base/s.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: @}\n"},
	{"kustomization.yaml": "resources: [s.yaml, p.yaml]\ntransformers:\n- |-\n  apiVersion: builtin\n  kind: PatchTransformer\n  metadata: {name: t}\n  target: {kind: Secret}\n  patch: '[{\"op\": \"add\", \"path\": \"/stringData/b\", \"value\": \"@\"}]'\ngenerators:\n- |-\n  apiVersion: builtin\n  kind: SecretGenerator\n  metadata: {name: g}\n  literals: [a=@]\n"},
}

func TestKustomizationsLeakNothing(t *testing.T) {
	if underRace {
		t.Skip("nothing runs at once here, and each kustomization is a process")
	}
	const (
		secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\n  a: @\n  b: \"@\"\n"
		pod    = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: app\n    image: registry.example/app:v1\n    env: [{name: A, value: @}, {name: B, value: $(SECRET)}]\n"
	)
	dir := t.TempDir()
	said, judged := kinds{}, 0
	for seed := range int64(leakKustomizations) {
		r := rand.New(rand.NewSource(seed))
		files := map[string]string{"s.yaml": secret, "p.yaml": pod}
		of := leakFiles[seed%int64(len(leakFiles))]
		names := []string{"kustomization.yaml", "kustomization.yaml", "s.yaml"}
		for name, text := range of {
			files[name] = text
		}
		for _, name := range []string{"patch.yaml", "secret.env", "base/s.yaml"} {
			if files[name] != "" {
				names = append(names, name, name)
			}
		}
		changed := names[r.Intn(len(names))]
		root := filepath.Join(dir, fmt.Sprint(seed))
		var canaries []string
		whole := ""
		for _, name := range []string{"kustomization.yaml", "s.yaml", "p.yaml", "patch.yaml", "secret.env", "secret.txt", "base/kustomization.yaml", "base/s.yaml"} {
			template, found := files[name]
			if !found {
				continue
			}
			text, planted := plant(r, template)
			canaries = append(canaries, planted...)
			if name == changed && seed >= int64(len(leakFiles)) { // the first of each are whole
				text = mutate(r, text)
			}
			whole += name + ":\n" + text
			path := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		code, errors := outcome(t, canaries, "", "pods", "-k", root)
		said.add(errors)
		if code == ExitOK {
			judged++
		}
		if t.Failed() {
			t.Fatalf("seed %d:\n%s", seed, whole)
		}
	}
	t.Logf("%d kustomizations: %d judged, %d kinds of errors", leakKustomizations, judged, len(said))
	if judged < leakKustomizations/5 || judged > leakKustomizations*4/5 || len(said) < 15 {
		t.Errorf("want a mix: %d of %d judged, errors %v", judged, leakKustomizations, said)
	}
}

// Facts hold no values. Values that a person or another program put there are not printed
// either.
func TestFactsLeakNothing(t *testing.T) {
	dir := t.TempDir()
	manifest, saved := filepath.Join(dir, "p.yaml"), filepath.Join(dir, "facts.json")
	if err := os.WriteFile(manifest, []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: app, image: registry.example/app:v1}]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	outcome(t, nil, "", "pods", "-f", manifest, "--save-facts", saved)
	facts, err := os.ReadFile(saved)
	if err != nil {
		t.Fatal(err)
	}
	value := regexp.MustCompile(`"(name|image|type|field|origin|path|source)": "[^"]*"`)
	said, judged := kinds{}, 0
	for seed := range int64(leakFacts) {
		r := rand.New(rand.NewSource(seed))
		text := string(facts)
		var canaries []string
		c := func() string { canaries = append(canaries, canary(r)); return canaries[len(canaries)-1] }
		// A place in the facts gets a canary that no version of them has there.
		places := value.FindAllStringIndex(text, -1)
		at := places[r.Intn(len(places))]
		old := text[at[0]:at[1]]
		key, _, _ := strings.Cut(old, ":")
		with := []string{
			fmt.Sprintf(`%s, "%s": "%s"`, old, c(), c()), fmt.Sprintf(`%s, "env": [{"name": "A", "value": "%s"}]`, old, c()),
			fmt.Sprintf(`%s: ["%s"]`, key, c()), fmt.Sprintf(`%s: {"%s": "%s"}`, key, c(), c()), fmt.Sprintf(`%s: "%s`, key, c()), fmt.Sprintf(`%s: %s`, key, c()),
			fmt.Sprintf(`%s, "privileged": "%s"`, old, c()), fmt.Sprintf(`%s, "runAsUser": "%s"`, old, c()), fmt.Sprintf(`%s "%s"`, old, c()),
		}[r.Intn(9)]
		text = text[:at[0]] + with + text[at[1]:]
		if r.Intn(8) == 0 {
			text = mutate(r, text)
		}
		path := filepath.Join(dir, "changed.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, errors := outcome(t, canaries, "", "--facts", path)
		said.add(errors)
		if code == ExitOK {
			judged++
		}
		if t.Failed() {
			t.Fatalf("seed %d:\n%s", seed, text)
		}
	}
	t.Logf("%d facts: %d judged, %d kinds of errors: %v", leakFacts, judged, len(said), said)
	if judged > 0 || len(said) < 5 {
		t.Errorf("want errors: %d judged, errors %v", judged, said)
	}
}
