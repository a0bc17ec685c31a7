package cli

import (
	"bytes"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A cluster whose API sends canaries wherever a value can be: in the annotation of
// kubectl apply, whole, cut short and no JSON at all, in other annotations and labels, in
// variables, and in the specs of stores. No part of one is printed or saved, and what the
// plugin says of them is found.
func TestClusterLeaksNothing(t *testing.T) {
	r := rand.New(rand.NewSource(13))
	var canaries []string
	hidden := func() string {
		c := canary(r)
		canaries = append(canaries, c)
		return c
	}
	object := func(namespace, name string, annotations map[string]any, more ...any) map[string]any {
		annotations["note"] = hidden()
		o := map[string]any{"metadata": map[string]any{
			"namespace": namespace, "name": name, "annotations": annotations,
		}}
		if more == nil { // a Secret; labels of pods are facts
			o["metadata"].(map[string]any)["labels"] = map[string]any{"kubernetes.io/legacy-token-last-used": hidden()}
		}
		for i := 0; i+1 < len(more); i += 2 {
			o[more[i].(string)] = more[i+1]
		}
		return o
	}
	applied := func(text string) map[string]any {
		return map[string]any{"kubectl.kubernetes.io/last-applied-configuration": text}
	}
	secretKey := map[string]any{"secretKeyRef": map[string]any{"name": "db", "key": "password"}}
	s := newSmallCluster(t)
	s.items = map[string][]any{
		"secrets.": {
			object("shop", "whole", applied(`{"kind":"Secret","data":{"password":"`+hidden()+`"},"stringData":{"user":"`+hidden()+`"}}`)),
			object("shop", "cut", applied(`{"kind":"Secret","data":{"password":"`+hidden())),
			object("shop", "text", applied(hidden())),
			object("shop", "key", applied(`{"data":{"`+hidden()+` `+hidden()+`":"x"}}`)),
			object("shop", "token", applied(`{"data":{"glpat-`+hidden()+`":"x"}}`)),
			object("shop", "plain", map[string]any{}),
		},
		"pods.": {object("shop", "web", map[string]any{"vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/role": hidden()},
			"spec", map[string]any{
				"nodeName":         "worker-1",
				"imagePullSecrets": []any{map[string]any{"name": "registry"}},
				"containers": []any{map[string]any{
					"name": "app", "image": "registry.example/app:v1",
					"env": []any{
						map[string]any{"name": "PASSWORD", "valueFrom": secretKey},
						map[string]any{"name": "PLAIN", "value": hidden()},
						map[string]any{"name": "DB_PASSWORD=" + hidden(), "value": hidden()},
						map[string]any{"name": hidden(), "valueFrom": secretKey},
						map[string]any{"name": "OTHER", "valueFrom": map[string]any{"secretKeyRef": map[string]any{"name": "glpat-" + hidden(), "key": hidden()}}},
						map[string]any{"name": "GITLAB", "value": "vault:secret/x#glpat-" + hidden()},
						map[string]any{"name": "STORED", "value": "vault:secret/" + hidden() + "#" + hidden()},
					},
				}},
				"volumes": []any{map[string]any{"name": "v", "csi": map[string]any{
					"driver": "secrets-store.csi.k8s.io", "volumeAttributes": map[string]any{"secretProviderClass": "https://x:" + hidden() + "@db", "token": hidden()},
				}}},
			}, "status", map[string]any{"phase": "Running"})},
		"externalsecrets.external-secrets.io": {
			object("shop", "e", map[string]any{}, "spec", map[string]any{"data": []any{map[string]any{"secretKey": hidden()}}}),
			object("shop", "f", map[string]any{}, "spec", map[string]any{"target": hidden()}),
		},
		"secretproviderclasses.secrets-store.csi.x-k8s.io": {
			object("shop", "db", map[string]any{}, "spec", map[string]any{"provider": hidden(), "parameters": map[string]any{"objects": hidden()}}),
		},
		"peerauthentications.security.istio.io": {object("istio-system", "default", map[string]any{}, "spec", map[string]any{"mtls": hidden()})},
	}
	kubeconfigFor(t, s.URL)
	facts := filepath.Join(t.TempDir(), "facts.json")
	said := map[string][]byte{}
	for _, format := range []string{"wide", "yaml"} {
		env, out, errOut := testEnv()
		if code := Main(t.Context(), env, []string{"secrets", "--no-probe", "-o", format, "--save-facts", facts}); code != ExitOK {
			t.Fatalf("exit status %d: %s", code, errOut)
		}
		said[format], said[format+" stderr"] = out.Bytes(), errOut.Bytes()
	}
	saved, err := os.ReadFile(facts)
	if err != nil {
		t.Fatal(err)
	}
	said["facts"] = saved
	for name, text := range said {
		if found := leaked(canaries, text); found != "" {
			t.Errorf("%q is in %s", found, name)
		}
	}
	for _, want := range []string{
		"holds values of password, user",
		"its annotation of kubectl apply is not understood",
		"gets Secrets as environment variables: PASSWORD, name-withheld, OTHER",
		"its spec holds credentials: DB_PASSWORD (a random value under a name such as password or token), GITLAB (a token of GitLab)",
		"names a Secret for its images that does not exist: registry",
		"asks for secrets of Vault Agent Injector, but has no container that fetches them",
		"holds a service account's token that does not expire, and no use of it is recorded",
		"objects of externalsecrets.external-secrets.io are not as that resource should be",
	} {
		if !bytes.Contains(bytes.Join(bytes.Fields(said["yaml"]), []byte(" ")), []byte(want)) {
			t.Errorf("the report does not say %q", want)
		}
	}
	if len(canaries) < 20 || strings.Contains(string(saved), "last-applied") {
		t.Errorf("%d canaries", len(canaries))
	}
}
