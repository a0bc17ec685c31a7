package stored

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// key32 stands in for key material; it must never come back.
var key32 = base64.StdEncoding.EncodeToString([]byte("CANARY-key-material-of-32-bytes!"))

const configHead = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n"

// keys is the flow form of a keys list with the given names.
func keys(names ...string) string {
	var items []string
	for _, n := range names {
		items = append(items, fmt.Sprintf("{name: %q, secret: %s}", n, key32))
	}
	return "{keys: [" + strings.Join(items, ", ") + "]}"
}

func TestParseEncryptionConfiguration(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want []fact.EncryptionEntry
	}{
		"providers stay in order, keys become names": {
			configHead + "- resources: [secrets, configmaps]\n  providers:\n  - aescbc: " + keys("key1", "key2") + "\n  - identity: {}\n",
			[]fact.EncryptionEntry{{
				Resources: []string{"secrets", "configmaps"},
				Providers: []fact.EncryptionProvider{{Type: "aescbc", Keys: []string{"key1", "key2"}}, {Type: "identity"}},
			}},
		},
		"key names may hold colons": {
			configHead + "- resources: [secrets]\n  providers: [{aesgcm: " + keys("a:b") + "}, {secretbox: " + keys("box") + "}]\n",
			[]fact.EncryptionEntry{{
				Resources: []string{"secrets"},
				Providers: []fact.EncryptionProvider{{Type: "aesgcm", Keys: []string{"a:b"}}, {Type: "secretbox", Keys: []string{"box"}}},
			}},
		},
		"KMS keeps name, version and endpoint, and v1 is the default": {
			configHead + "- resources: ['*.*']\n  providers:\n  - kms: {apiVersion: v2, name: vault, endpoint: 'unix:///run/kms.sock', timeout: 3s}\n  - kms: {name: old, endpoint: 'unix:///run/old.sock', cachesize: -1}\n",
			[]fact.EncryptionEntry{{
				Resources: []string{"*.*"},
				Providers: []fact.EncryptionProvider{
					{Type: "kms", Name: "vault", APIVersion: "v2", Endpoint: "unix:///run/kms.sock"},
					{Type: "kms", Name: "old", APIVersion: "v1", Endpoint: "unix:///run/old.sock"},
				},
			}},
		},
		"JSON is YAML": {
			`{"kind":"EncryptionConfiguration","apiVersion":"apiserver.config.k8s.io/v1","resources":[{"resources":["secrets"],"providers":[{"identity":{}}]}]}`,
			[]fact.EncryptionEntry{{Resources: []string{"secrets"}, Providers: []fact.EncryptionProvider{{Type: "identity"}}}},
		},
		"the kind before 1.13 is still taken": {
			"apiVersion: v1\nkind: EncryptionConfig\nresources: [{resources: [secrets], providers: [{identity: {}}]}]\n",
			[]fact.EncryptionEntry{{Resources: []string{"secrets"}, Providers: []fact.EncryptionProvider{{Type: "identity"}}}},
		},
		"a narrower name before a wildcard, and one resource in two entries": {
			configHead + "- {resources: [secrets], providers: [{identity: {}}]}\n- {resources: [secrets], providers: [{aescbc: " + keys("k") + "}]}\n- {resources: ['*.'], providers: [{identity: {}}]}\n- {resources: ['*.*'], providers: [{identity: {}}]}\n",
			[]fact.EncryptionEntry{
				{Resources: []string{"secrets"}, Providers: []fact.EncryptionProvider{{Type: "identity"}}},
				{Resources: []string{"secrets"}, Providers: []fact.EncryptionProvider{{Type: "aescbc", Keys: []string{"k"}}}},
				{Resources: []string{"*."}, Providers: []fact.EncryptionProvider{{Type: "identity"}}},
				{Resources: []string{"*.*"}, Providers: []fact.EncryptionProvider{{Type: "identity"}}},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseEncryptionConfiguration([]byte(tc.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
			if out, err := json.Marshal(got); err != nil || strings.Contains(string(out), key32) {
				t.Errorf("key material in the result: %s, %v", out, err)
			}
		})
	}
}

// TestParseEncryptionConfigurationRefuses holds what the API server refuses.
// Each file has the canary somewhere; no error may quote it.
func TestParseEncryptionConfigurationRefuses(t *testing.T) {
	entry := func(resources, providers string) string {
		return configHead + "- resources: " + resources + "\n  providers: " + providers + "\n"
	}
	good := "[{aescbc: " + keys("k") + "}]"
	for name, tc := range map[string]struct{ text, want string }{
		"empty":              {"", "document: expected an object, found nothing"},
		"a scalar":           {key32, "document: expected an object, found text"},
		"another kind":       {"apiVersion: v1\nkind: Secret\ndata: {k: " + key32 + "}\n", "document: an unknown field: expected only apiVersion, kind, resources"},
		"another version":    {"apiVersion: apiserver.config.k8s.io/v2\nkind: EncryptionConfiguration\n", "expected apiVersion apiserver.config.k8s.io/v1 and kind EncryptionConfiguration, found another kind of file"},
		"broken YAML":        {configHead + "- resources: [secrets\n  providers: " + key32 + ": {\n", "not valid YAML, line 4"},
		"a tab":              {configHead + "\t- " + key32 + "\n", "not valid YAML, line 4"},
		"key material twice": {configHead + "- resources: [secrets]\n  providers: [{aescbc: {keys: [{name: k, secret: " + key32 + ", secret: " + key32 + "}]}}]\n", "a field appears twice, line 5"},

		"no entries":               {configHead, "resources: at least one entry is required"},
		"no resources":             {entry("[]", good), "resources[0].resources: at least one name is required"},
		"no providers":             {entry("[secrets]", "[]"), "resources[0].providers: at least one provider is required"},
		"a bare star":              {entry("['*']", good), "resources[0].resources[0]: a bare '*': expected '*.' for the core group or '*.*' for everything"},
		"capitals":                 {entry("[Secrets]", good), "resources[0].resources[0]: capital letters in a resource name"},
		"a name across groups":     {entry("['secrets.*']", good), "resources[0].resources[0]: one resource across all groups"},
		"the same name twice":      {entry("[secrets, secrets]", good), "resources[0].resources: the same resource twice"},
		"a wildcard over a name":   {entry("[secrets, '*.']", good), "resources[0].resources: overlapping names in one list"},
		"events.k8s.io":            {entry("['*.events.k8s.io']", good), "resources[0].resources[0]: events are stored in the core group: expected events"},
		"extensions":               {entry("['*.extensions']", good), "resources[0].resources[0]: the group extensions has been removed"},
		"no REST resource":         {entry("[serviceipallocations]", good), "resources[0].resources[0]: not a resource of the API"},
		"a name after *.":          {entry("['*.']", good) + "- {resources: [secrets], providers: " + good + "}\n", "resources[1].resources[0]: masked by an earlier wildcard"},
		"a name after *.*":         {entry("['*.*']", good) + "- {resources: [widgets.example.com], providers: " + good + "}\n", "resources[1].resources[0]: masked by an earlier wildcard"},
		"a number as a name":       {entry("[12]", good), "resources[0].resources[0]: expected text, found a number"},
		"an unknown provider":      {entry("[secrets]", "[{rot13: "+keys("k")+"}]"), "resources[0].providers[0]: an unknown field: expected only aescbc, aesgcm, identity, kms, secretbox"},
		"capitals in a field":      {entry("[secrets]", "[{AESCBC: "+keys("k")+"}]"), "resources[0].providers[0]: an unknown field: expected only aescbc, aesgcm, identity, kms, secretbox"},
		"two providers in one":     {entry("[secrets]", "[{identity: {}, aescbc: "+keys("k")+"}]"), "resources[0].providers[0]: more than one provider in one element (aescbc and identity)"},
		"a provider that is null":  {entry("[secrets]", "[{identity: }]"), "resources[0].providers[0]: expected one of aescbc, aesgcm, identity, kms, secretbox"},
		"identity with a key":      {entry("[secrets]", "[{identity: {"+key32+": "+key32+"}}]"), "resources[0].providers[0].identity: an unknown field: expected none"},
		"no keys":                  {entry("[secrets]", "[{aesgcm: {keys: []}}]"), "resources[0].providers[0].aesgcm.keys: at least one key is required"},
		"a key without a name":     {entry("[secrets]", "[{aescbc: {keys: [{secret: "+key32+"}]}}]"), "resources[0].providers[0].aescbc.keys[0].name: required"},
		"a key without its secret": {entry("[secrets]", "[{aescbc: {keys: [{name: k}]}}]"), "resources[0].providers[0].aescbc.keys[0].secret: required"},
		"a key that is not base64": {entry("[secrets]", "[{aescbc: {keys: [{name: k, secret: 'CANARY-*'}]}}]"), "resources[0].providers[0].aescbc.keys[0].secret: expected base64"},
		"a key of a wrong length":  {entry("[secrets]", "[{secretbox: {keys: [{name: k, secret: aGFsZg==}]}}]"), "resources[0].providers[0].secretbox.keys[0].secret: expected a key of one of [32] bytes, found 4"},
		"key material as a field":  {entry("[secrets]", "[{aescbc: {keys: [{name: k, "+key32+": secret}]}}]"), "resources[0].providers[0].aescbc.keys[0]: an unknown field: expected only name, secret"},
		"key material as a list":   {entry("[secrets]", "[{aescbc: {keys: "+key32+"}}]"), "resources[0].providers[0].aescbc.keys: expected a list, found text"},
		"KMS without an endpoint":  {entry("[secrets]", "[{kms: {name: k, apiVersion: v2}}]"), "resources[0].providers[0].kms.endpoint: expected a unix:// URL"},
		"KMS over TCP":             {entry("[secrets]", "[{kms: {name: k, apiVersion: v2, endpoint: 'tcp://"+key32+"'}}]"), "resources[0].providers[0].kms.endpoint: expected a unix:// URL"},
		"KMS v3":                   {entry("[secrets]", "[{kms: {name: k, apiVersion: v3, endpoint: 'unix:///s'}}]"), "resources[0].providers[0].kms.apiVersion: expected v1 or v2"},
		"a colon in a KMS v2 name": {entry("[secrets]", "[{kms: {name: 'a:b', apiVersion: v2, endpoint: 'unix:///s'}}]"), "resources[0].providers[0].kms.name: must not contain ':' for KMS v2"},
		"a KMS v2 name twice":      {entry("[secrets]", "[{kms: {name: a, apiVersion: v2, endpoint: 'unix:///s'}}, {kms: {name: a, apiVersion: v2, endpoint: 'unix:///s'}}]"), "resources[0].providers[1].kms.name: the name of an earlier KMS provider"},
		"a cache for KMS v2":       {entry("[secrets]", "[{kms: {name: a, apiVersion: v2, endpoint: 'unix:///s', cachesize: 5}}]"), "resources[0].providers[0].kms.cachesize: not supported for KMS v2"},
		"a cache of a fraction":    {entry("[secrets]", "[{kms: {name: a, endpoint: 'unix:///s', cachesize: 1.5}}]"), "resources[0].providers[0].kms.cachesize: expected a 32-bit integer"},
		"a timeout of nothing":     {entry("[secrets]", "[{kms: {name: a, endpoint: 'unix:///s', timeout: 0s}}]"), "resources[0].providers[0].kms.timeout: expected a positive duration like 3s"},
		"too large":                {strings.Repeat("#", MaxEncryptionConfiguration+1), "expected at most 1048576 bytes, found 1048577"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseEncryptionConfiguration([]byte(tc.text))
			if err == nil {
				t.Fatalf("accepted: %+v", got)
			}
			if want := "encryption configuration: " + tc.want; err.Error() != want {
				t.Errorf("want %s\n got %s", want, err)
			}
			if strings.Contains(err.Error(), key32[:8]) || strings.Contains(err.Error(), "CANARY") {
				t.Errorf("quotes the file: %s", err)
			}
		})
	}
}

// FuzzParseEncryptionConfiguration: no panic, and no error or result with a
// piece of the key material in it.
func FuzzParseEncryptionConfiguration(f *testing.F) {
	for _, seed := range []string{
		"- resources: [secrets]\n  providers:\n  - aescbc: " + keys("key1", "key2") + "\n  - identity: {}\n",
		"- resources: ['*.*']\n  providers:\n  - kms: {apiVersion: v2, name: vault, endpoint: 'unix:///run/kms.sock', timeout: 3s}\n",
	} {
		f.Add(configHead+seed, 0, byte(' '))
		f.Add(configHead+seed, len(configHead)+40, byte('\t'))
	}
	f.Fuzz(func(t *testing.T, text string, at int, with byte) {
		if at >= 0 && at < len(text) {
			text = text[:at] + string(with) + text[at:]
		}
		entries, err := ParseEncryptionConfiguration([]byte(text))
		if err != nil {
			for i := 0; i+12 <= len(key32); i++ {
				if strings.Contains(err.Error(), key32[i:i+12]) {
					t.Errorf("quotes the file: %s", err)
				}
			}
			return
		}
		if len(entries) == 0 {
			t.Error("accepted without an entry")
		}
	})
}
