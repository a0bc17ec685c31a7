package secrets

import (
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// ProvidersFor returns the providers that the API server uses for a resource,
// in order: the first writes, all of them read. Group "" is the core group.
// Entry is the configured name that decided: the exact name ("secrets",
// "widgets.example.com"), else "*.GROUP" ("*." for the core group), else "*.*".
// If nothing covers the resource, entry is "" and the only provider is
// identity, as in the API server.
//
// Several entries with the same name are appended in order, so identity in the
// first of them writes plaintext whatever follows. Entries are assumed to be
// valid: what the API server refuses must be refused when they are read.
// Source: k8s.io/apiserver, pkg/server/options/encryptionconfig/config.go,
// getTransformerOverridesAndKMSPluginProbes and transformerFromOverrides.
func ProvidersFor(entries []fact.EncryptionEntry, group, resource string) (providers []fact.EncryptionProvider, entry string) {
	for _, want := range []groupResource{
		{group, resource},
		{group, "*"},
		{"*", "*"},
	} {
		for _, e := range entries {
			for _, name := range e.Resources {
				if parseGroupResource(name) != want {
					continue
				}
				// The API server appends for each name, so a name that is
				// listed twice would count twice. But it refuses such a list.
				providers = append(providers, e.Providers...)
				entry = name
			}
		}
		if entry != "" {
			return providers, entry
		}
	}
	return []fact.EncryptionProvider{{Type: "identity"}}, ""
}

type groupResource struct{ group, resource string }

// parseGroupResource splits at the first dot, as schema.ParseGroupResource
// does: "*." is every resource of the core group.
func parseGroupResource(name string) groupResource {
	resource, group, _ := strings.Cut(name, ".")
	return groupResource{group, resource}
}
