package secrets

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func TestProvidersFor(t *testing.T) {
	entry := func(providers []string, resources ...string) fact.EncryptionEntry {
		e := fact.EncryptionEntry{Resources: resources}
		for _, p := range providers {
			e.Providers = append(e.Providers, fact.EncryptionProvider{Type: p})
		}
		return e
	}
	list := func(names ...string) []string { return names }
	for name, tc := range map[string]struct {
		entries         []fact.EncryptionEntry
		group, resource string
		want            []string
		wantEntry       string
	}{
		"no entries at all mean identity": {nil, "", "secrets", list("identity"), ""},
		"a resource that no entry names means identity": {
			[]fact.EncryptionEntry{entry(list("aescbc"), "configmaps")}, "", "secrets", list("identity"), "",
		},
		"the exact name is taken with its providers in order": {
			[]fact.EncryptionEntry{entry(list("aescbc", "identity"), "configmaps", "secrets")}, "", "secrets", list("aescbc", "identity"), "secrets",
		},
		"two entries with the same name are appended, so identity in the first one writes": {
			[]fact.EncryptionEntry{entry(list("identity"), "secrets"), entry(list("aescbc"), "secrets")}, "", "secrets", list("identity", "aescbc"), "secrets",
		},
		"an exact name wins over the group's wildcard": {
			[]fact.EncryptionEntry{entry(list("identity"), "secrets"), entry(list("aescbc"), "*.")}, "", "secrets", list("identity"), "secrets",
		},
		"*. covers the core group": {
			[]fact.EncryptionEntry{entry(list("kms"), "*.")}, "", "secrets", list("kms"), "*.",
		},
		"*.GROUP does not cover the core group": {
			[]fact.EncryptionEntry{entry(list("kms"), "*.apps")}, "", "secrets", list("identity"), "",
		},
		"*.GROUP covers that group": {
			[]fact.EncryptionEntry{entry(list("kms"), "*.example.com")}, "example.com", "widgets", list("kms"), "*.example.com",
		},
		"*.GROUP wins over *.*": {
			[]fact.EncryptionEntry{entry(list("kms"), "*."), entry(list("secretbox"), "*.*")}, "", "secrets", list("kms"), "*.",
		},
		"*.* covers what nothing else does": {
			[]fact.EncryptionEntry{entry(list("identity"), "events"), entry(list("secretbox"), "*.*")}, "", "secrets", list("secretbox"), "*.*",
		},
		"a custom resource called secrets is not the core one": {
			[]fact.EncryptionEntry{entry(list("aescbc"), "secrets.example.com")}, "", "secrets", list("identity"), "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			providers, gotEntry := ProvidersFor(tc.entries, tc.group, tc.resource)
			var got []string
			for _, p := range providers {
				got = append(got, p.Type)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("providers (-want +got):\n%s", diff)
			}
			if gotEntry != tc.wantEntry {
				t.Errorf("entry: want %q, got %q", tc.wantEntry, gotEntry)
			}
		})
	}
}
