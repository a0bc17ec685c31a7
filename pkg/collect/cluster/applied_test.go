package cluster

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
)

var appliedCases = map[string]struct {
	in     string
	want   []string
	unread bool
}{
	"none":                                 {"", nil, false},
	"data":                                 {`{"apiVersion":"v1","data":{"password":"CANARY","a":"CANARY"},"kind":"Secret"}`, []string{"a", "password"}, false},
	"stringData":                           {`{"stringData":{"password":"CANARY"}}`, []string{"password"}, false},
	"both with one key":                    {`{"data":{"a":"CANARY"},"stringData":{"a":"CANARY","b":"CANARY"}}`, []string{"a", "b"}, false},
	"no data":                              {`{"apiVersion":"v1","kind":"Secret","metadata":{"annotations":{"note":"CANARY"}},"type":"Opaque"}`, nil, false},
	"null":                                 {`{"data":null,"stringData":null}`, nil, false},
	"empty values hold nothing":            {`{"data":{"a":"","b":null}}`, nil, false},
	"a value of another type is a value":   {`{"data":{"a":{"x":"CANARY"},"b":["CANARY"],"c":7}}`, []string{"a", "b", "c"}, false},
	"another spelling, as Go reads it":     {`{"Data":{"a":"CANARY"}}`, []string{"a"}, false},
	"cut short":                            {`{"data":{"password":"CANARY`, nil, true},
	"text":                                 {`CANARY`, nil, true},
	"null as a whole":                      {`null`, nil, true},
	"a list":                               {`[{"data":{"a":"CANARY"}}]`, nil, true},
	"data that is a string":                {`{"data":"CANARY"}`, nil, true},
	"text after the object":                {`{"data":{"a":"x"}} CANARY`, nil, true},
	"a key that no Secret can have":        {`{"data":{"CANARY CANARY":"x","a":"x"}}`, []string{"a"}, true},
	"a key with a control character":       {"{\"data\":{\"CANARY\\u001b[31m\":\"x\"}}", nil, true},
	"a key that is a credential":           {`{"data":{"glpat-CANARYRk29xQmVd81LzW7t":"x","a":"x"}}`, []string{"a", credential.Withheld}, false},
	"a key that is too long":               {`{"data":{"` + strings.Repeat("k", 254) + `":"CANARY"}}`, nil, true},
	"an annotation that no server accepts": {`{"data":{"a":"` + strings.Repeat("C", maxApplied) + `"}}`, nil, true},
}

func TestAppliedKeys(t *testing.T) {
	for name, tc := range appliedCases {
		t.Run(name, func(t *testing.T) {
			got, unread := appliedKeys(tc.in)
			if !slices.Equal(got, tc.want) || unread != tc.unread {
				t.Errorf("got %q, unread %v; want %q, %v", got, unread, tc.want, tc.unread)
			}
		})
	}
	many := map[string]string{}
	for i := range fact.MaxAppliedKeys + 3 {
		many[fmt.Sprintf("k%02d", i)] = "CANARY"
	}
	text, _ := json.Marshal(map[string]any{"data": many})
	got, unread := appliedKeys(string(text))
	if len(got) != fact.MaxAppliedKeys+1 || got[0] != "k00" || got[fact.MaxAppliedKeys] != "…" || unread {
		t.Errorf("many keys: %q", got)
	}
}

// Whatever an annotation holds, what is kept of it are names that a Secret's key can have,
// and never a value.
func FuzzAppliedKeys(f *testing.F) {
	for _, tc := range appliedCases {
		f.Add(tc.in[:min(len(tc.in), 500)], "CANARY")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		for _, in := range []string{text, wrap(value)} {
			keys, _ := appliedKeys(in)
			if len(keys) > fact.MaxAppliedKeys+1 {
				t.Errorf("%d keys", len(keys))
			}
			for i, key := range keys {
				if !isSecretKey(key) && !(i == fact.MaxAppliedKeys && key == "…") {
					t.Errorf("a key that no Secret has: %q", key)
				}
			}
		}
		if keys, unread := appliedKeys(wrap(value)); unread || value != "" && !slices.Equal(keys, []string{"the-key"}) {
			t.Errorf("value %q: %q, unread %v", value, keys, unread)
		}
	})
}

func wrap(value string) string {
	text, err := json.Marshal(map[string]any{"kind": "Secret", "data": map[string]string{"the-key": value}})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// The names of keys are in the facts, and no value is, in whatever state the annotation is.
func TestSecretsKeepNoAnnotation(t *testing.T) {
	s := newServer(t)
	want := []fact.SecretName{}
	i := 0
	for _, tc := range appliedCases {
		m := partial("shop", fmt.Sprintf("s%02d", i))
		i++
		m.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": tc.in, "note": "CANARY"}
		s.metadata[secretsPath] = append(s.metadata[secretsPath], m)
		want = append(want, fact.SecretName{Namespace: "shop", Name: m.Name, Applied: tc.want, AppliedUnread: tc.unread})
	}
	result, err := Collect(t.Context(), Options{Config: s.config(), Secrets: true, PageSize: 5})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, result.Secrets); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
	if body, err := json.Marshal(result.Secrets); err != nil || strings.Contains(string(body), "CANARY") {
		t.Errorf("a canary is in the facts (%v)", err)
	}
	for _, r := range s.asked(secretsPath) {
		if accept := r.Header.Get("Accept"); strings.Contains(strings.ReplaceAll(accept, "as=PartialObjectMetadataList", ""), "application/json,") || !strings.Contains(accept, "PartialObjectMetadataList") {
			t.Errorf("asked for %q", accept)
		}
	}
}

func TestTokens(t *testing.T) {
	s := newServer(t)
	token := func(namespace, name string, labels map[string]string) metav1.PartialObjectMetadata {
		m := partial(namespace, name)
		m.Labels = labels
		m.Annotations = map[string]string{"note": "CANARY"}
		return m
	}
	owned := token("shop", "c", nil)
	owned.OwnerReferences = []metav1.OwnerReference{ownedBy("Widget", "w")}
	s.metadata[secretsPath] = []metav1.PartialObjectMetadata{partial("shop", "not-a-token")}
	s.tokens = []metav1.PartialObjectMetadata{
		token("shop", "b", map[string]string{lastUsedLabel: "2026-11-27", "other": "CANARY"}),
		token("shop", "a", map[string]string{lastUsedLabel: "2025-01-02", invalidSinceLabel: "2026-02-03"}),
		token("ci", "z", map[string]string{lastUsedLabel: "CANARY", invalidSinceLabel: "2026-13-45"}),
		owned,
	}
	want := []fact.ServiceAccountToken{
		{Namespace: "ci", Name: "z"},
		{Namespace: "shop", Name: "a", LastUsed: "2025-01-02", InvalidSince: "2026-02-03"},
		{Namespace: "shop", Name: "b", LastUsed: "2026-11-27"},
		{Namespace: "shop", Name: "c", Owner: "Widget"},
	}
	result, err := Collect(t.Context(), Options{Config: s.config(), LegacyTokens: true, PageSize: 3})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, result.LegacyTokens); diff != "" || !result.TokensListed || len(result.Gaps) > 0 {
		t.Errorf("listed %v, gaps %v (-want +got):\n%s", result.TokensListed, result.Gaps, diff)
	}
	if len(s.asked(secretsPath)) != 2 {
		t.Errorf("%d requests", len(s.asked(secretsPath)))
	}

	narrow, err := Collect(t.Context(), Options{Config: s.config(), LegacyTokens: true, Namespace: "ci"})
	if err != nil || len(narrow.LegacyTokens) != 1 {
		t.Errorf("one namespace: %v, %v", narrow, err)
	}

	s.refuse = refuseAll(secretsPath, forbidden)
	refused, err := Collect(t.Context(), Options{Config: s.config(), LegacyTokens: true})
	if err != nil {
		t.Fatal(err)
	}
	gap := fact.Gap{
		What: fact.LegacyTokens, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: fact.Forbidden,
		Detail: "no right to list secrets in all namespaces", Hint: "grant list on secrets, or narrow the run with -n",
	}
	if diff := cmp.Diff([]fact.Gap{gap}, refused.Gaps); diff != "" || refused.TokensListed || refused.LegacyTokens != nil {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
}
