package secretstore

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheTableIsWellFormed(t *testing.T) {
	names := make([]string, 0, len(stores))
	for _, s := range All() {
		names = append(names, s.Name)
		if s.Name == "" || s.Title == "" || s.Source == "" || len(s.Read) != len("2026-08") || strings.Contains(s.Name, " ") {
			t.Errorf("%q: name, title, source or date is missing", s.Name)
		}
		if !slices.Contains([]Ends{Outside, InSecret, ByClass, Unsaid}, s.Ends) {
			t.Errorf("%s ends %q", s.Name, s.Ends)
		}
		if len(s.Resources)+len(s.Drivers)+len(s.Annotations)+len(s.References) == 0 {
			t.Errorf("%s has no sign of its use", s.Name)
		}
		if s.Ends == Outside && len(s.Agents)+len(s.Controllers) == 0 {
			t.Errorf("%s has no image, so nothing could show that it runs", s.Name)
		}
		if found, ok := ByName(s.Name); !ok || found.Name != s.Name {
			t.Errorf("%s is not found by its name", s.Name)
		}
		for _, images := range s.Providers {
			s.Controllers = append(s.Controllers, images...)
		}
		for _, image := range s.Controllers {
			if string(image) != strings.ToLower(string(image)) || !strings.Contains(string(image), "/") {
				t.Errorf("%s: image %q is not the end of a repository with a project", s.Name, image)
			}
		}
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("not sorted, or a name stands twice: %v", names)
	}
	if _, ok := ByName("nothing"); ok {
		t.Error("a store that is not in the table was found")
	}
}

// Every annotation of the table, with values that ask and values that do not.
func TestInjectors(t *testing.T) {
	for name, tc := range map[string]struct {
		in   map[string]string
		want []string
	}{
		"none":                                   {map[string]string{"example.com/a": "true"}, nil},
		"Vault's agent":                          {map[string]string{"vault.hashicorp.com/agent-inject": "true"}, []string{"vault-agent vault.hashicorp.com/agent-inject"}},
		"Vault's agent, another true":            {map[string]string{"vault.hashicorp.com/agent-inject": "1"}, []string{"vault-agent vault.hashicorp.com/agent-inject"}},
		"Vault's agent, turned off":              {map[string]string{"vault.hashicorp.com/agent-inject": "false"}, nil},
		"Vault's agent, not a truth":             {map[string]string{"vault.hashicorp.com/agent-inject": "yes"}, nil},
		"Vault's agent, another key":             {map[string]string{"vault.hashicorp.com/agent-inject-status": "true"}, nil},
		"bank-vaults":                            {map[string]string{"secrets-webhook.security.bank-vaults.io/vault-addr": "https://vault.example"}, []string{"bank-vaults secrets-webhook.security.bank-vaults.io/vault-addr"}},
		"bank-vaults, its former name":           {map[string]string{"vault.security.banzaicloud.io/vault-role": "x"}, []string{"bank-vaults vault.security.banzaicloud.io/vault-role"}},
		"bank-vaults, told to leave the pod":     {map[string]string{"secrets-webhook.security.bank-vaults.io/mutate": "skip"}, nil},
		"Conjur to files":                        {map[string]string{"conjur.org/secrets-destination": "file"}, []string{"conjur-file conjur.org/secrets-destination"}},
		"Conjur to Secrets":                      {map[string]string{"conjur.org/secrets-destination": "k8s_secrets"}, []string{"conjur-secrets conjur.org/secrets-destination"}},
		"Conjur to somewhere else":               {map[string]string{"conjur.org/secrets-destination": "x"}, nil},
		"1Password's injector":                   {map[string]string{"operator.1password.io/inject": "app,side"}, []string{"1password-injector operator.1password.io/inject"}},
		"1Password's injector of nothing":        {map[string]string{"operator.1password.io/inject": ""}, nil},
		"1Password's operator":                   {map[string]string{"operator.1password.io/item-path": "vaults/a/items/b"}, []string{"1password-operator operator.1password.io/item-path"}},
		"Doppler":                                {map[string]string{"secrets.doppler.com/reload": "true"}, []string{"doppler secrets.doppler.com/reload"}},
		"Infisical's injector":                   {map[string]string{"org.infisical.com/inject": "true"}, []string{"infisical-injector org.infisical.com/inject"}},
		"Akeyless":                               {map[string]string{"akeyless/enabled": "true"}, []string{"akeyless akeyless/enabled"}},
		"Akeyless, turned off":                   {map[string]string{"akeyless/enabled": "false"}, nil},
		"Keeper":                                 {map[string]string{"keeper.security/inject": "true"}, []string{"keeper keeper.security/inject"}},
		"Keeper into a Secret is not Keeper's":   {map[string]string{"keeper.security/inject": "true", "keeper.security/inject-as-k8s-secret": "true"}, []string{"keeper-secrets keeper.security/inject-as-k8s-secret"}},
		"Keeper into files, said in two ways":    {map[string]string{"keeper.security/inject": "true", "keeper.security/inject-as-k8s-secret": "false"}, []string{"keeper keeper.security/inject"}},
		"two are sorted":                         {map[string]string{"vault.hashicorp.com/agent-inject": "true", "akeyless/enabled": "true"}, []string{"akeyless akeyless/enabled", "vault-agent vault.hashicorp.com/agent-inject"}},
		"a domain that only ends like a known":   {map[string]string{"not-vault.security.banzaicloud.io/vault-role": "x"}, nil},
		"a domain that only begins like a known": {map[string]string{"akeyless/enabled-not": "true"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Injectors(tc.in)); diff != "" {
				t.Errorf("injectors (-want +got):\n%s", diff)
			}
		})
	}
	// No row of the table is without a test.
	for _, s := range stores {
		for _, a := range s.Annotations {
			key, value := a.Key, "x"
			if strings.HasSuffix(key, "/") {
				key += "x"
			}
			if a.Values != nil {
				value = a.Values[0]
			}
			if got := Injectors(map[string]string{key: value}); !slices.Equal(got, []string{s.Name + " " + key}) {
				t.Errorf("%s: %v", key, got)
			}
		}
	}
}

func TestConfigures(t *testing.T) {
	for key, want := range map[string]bool{"vault.security.banzaicloud.io/vault-addr": true, "vault.hashicorp.com/agent-inject": false} {
		store, _, _ := strings.Cut(Injectors(map[string]string{key: "true"})[0], " ")
		if s, _ := ByName(store); s.Configures(key) != want {
			t.Errorf("%s configures: %v", key, !want)
		}
	}
}

func TestReference(t *testing.T) {
	for value, want := range map[string]string{
		"vault:secret/data/db#password":                "bank-vaults",
		">>vault:secret/data/db#password":              "bank-vaults",
		"bao:secret/data/db#password":                  "bank-vaults",
		">>bao:secret/data/db#password":                "bank-vaults",
		"arn:aws:secretsmanager:eu-west-1:1:secret:db": "aws",
		"arn:aws:ssm:eu-west-1:1:parameter/db":         "aws",
		"berglas://bucket/db":                          "berglas",
		"sm://project/db":                              "berglas",
		"op://vault/item/field":                        "1password-injector",
		"vault:8200":                                   "", // a host and a port
		"vault:":                                       "",
		"vault:#":                                      "",
		"VAULT:secret/data/db#password":                "",
		"a vault:secret/data/db#password":              "",
		"op://":                                        "",
		"sm://":                                        "",
		"arn:aws:s3:::bucket":                          "",
		"arn:aws:secretsmanager:":                      "",
		"":                                             "",
		"https://vault.example:8200":                   "",
		"smtp://project/db":                            "",
	} {
		got, ok := Reference(value)
		if got != want || ok != (want != "") {
			t.Errorf("Reference(%q) = %q, %v; want %q", value, got, ok, want)
		}
	}
}

func TestDriver(t *testing.T) {
	for name, want := range map[string]string{
		"secrets-store.csi.k8s.io":     "secrets-store-csi",
		"secrets-store-gke.csi.k8s.io": "secrets-store-csi",
		"csi.cert-manager.io":          "cert-manager-csi",
		"csi.vso.hashicorp.com":        "vault-secrets-operator-csi",
		"ebs.csi.aws.com":              "",
		"":                             "",
	} {
		got := ""
		if s, ok := Driver(name); ok {
			got = s.Name
		}
		if got != want {
			t.Errorf("Driver(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestWebhook(t *testing.T) {
	for name, want := range map[string]string{
		"vault-agent-injector-cfg":       "vault-agent",
		"my-vault-agent-injector-cfg":    "vault-agent",
		"agent-injector-cfg":             "vault-agent",
		"vault-secrets-webhook":          "bank-vaults",
		"secrets-webhook":                "bank-vaults",
		"berglas-secrets":                "berglas",
		"notagent-injector-cfg":          "",
		"cert-manager-webhook":           "",
		"vault-agent-injector-cfg-extra": "",
	} {
		got := ""
		if s, ok := Webhook(name); ok {
			got = s.Name
		}
		if got != want {
			t.Errorf("Webhook(%q) = %q, want %q", name, got, want)
		}
	}
}

// An image is known by the last elements of its repository, wherever it is mirrored, and
// by nothing else.
func TestImages(t *testing.T) {
	is := func(store, name, image string) (controls, fetches bool) {
		t.Helper()
		s, ok := ByName(store)
		if !ok {
			t.Fatalf("no store %s", store)
		}
		return s.Controls(image), s.Fetches(name, image)
	}
	digest := "@sha256:" + strings.Repeat("a", 64)
	for _, tc := range []struct {
		store, name, image string
		controls, fetches  bool
	}{
		{"vault-agent", "", "hashicorp/vault-k8s:1.7.0", true, false},
		{"vault-agent", "", "registry.example/mirror/hashicorp/vault-k8s" + digest, true, false},
		{"vault-agent", "", "registry.example/hashicorp/vault-k8s-not", false, false},
		{"vault-agent", "", "registry.example/nothashicorp/vault-k8s", false, false},
		{"vault-agent", "", "vault-k8s", false, false},
		{"vault-agent", "vault-agent", "hashicorp/vault:1.20", false, true},
		{"vault-agent", "vault-agent-init", "registry.example/hashicorp/vault:1.20", false, true},
		{"vault-agent", "vault", "hashicorp/vault:1.20", false, false}, // the server
		{"vault-agent", "vault-agent", "vault:1.13", false, true},      // docker.io/library/vault
		{"vault-agent", "vault-agent", "registry.example/tools/agent", false, false},
		{"vault-agent", "vault-agent", "not an image", false, false},
		{"bank-vaults", "copy-vault-env", "ghcr.io/bank-vaults/vault-env:v1.22", false, true},
		{"bank-vaults", "copy-secret-init", "ghcr.io/bank-vaults/secret-init:v0.3", false, true},
		{"bank-vaults", "copy-secret-init", "ghcr.io/bank-vaults/vault-env:v0.3", false, false},
		{"aws", "copy-secret-init", "ghcr.io/bank-vaults/secret-init:v0.3", false, true},
		{"akeyless", "any", "akeyless/k8s-secrets-sidecar:0.35.1", false, true},
		{"conjur-file", "any", "cyberark/secrets-provider-for-k8s", false, true},
		{"infisical-injector", "infisical-agent-init", "infisical/cli:0.43.32", false, true},
		{"infisical-injector", "build", "infisical/cli:0.43.32", false, false},
		{"keeper", "any", "keeper/injector-sidecar:1.0.0", false, true},
		{"berglas", "copy-berglas-bin", "us-docker.pkg.dev/berglas/berglas/berglas:latest", false, true},
		{"1password-injector", "copy-op-bin", "1password/op:2", false, true},
		{"secrets-store-csi", "", "registry.k8s.io/csi-secrets-store/driver:v1.5.0", true, false},
		{"secrets-store-csi", "", "mcr.microsoft.com/oss/v2/kubernetes-csi/secrets-store/driver:v1.5.0", true, false},
		{"external-secrets", "", "oci.external-secrets.io/external-secrets/external-secrets:v2", true, false},
		{"external-secrets", "", "ghcr.io/external-secrets/external-secrets", true, false},
		{"sealed-secrets", "", "docker.io/bitnami/sealed-secrets-controller:0.38.4", true, false},
		{"cert-manager-csi", "", "quay.io/jetstack/cert-manager-csi-driver:v0.15.0", true, false},
		{"vault-secrets-operator-csi", "", "hashicorp/vault-secrets-operator-csi:1.0.0", true, false},
		{"vault-secrets-operator", "", "hashicorp/vault-secrets-operator-csi:1.0.0", false, false},
	} {
		controls, fetches := is(tc.store, tc.name, tc.image)
		if controls != tc.controls || fetches != tc.fetches {
			t.Errorf("%s, container %q of %q: controls %v, fetches %v; want %v, %v", tc.store, tc.name, tc.image, controls, fetches, tc.controls, tc.fetches)
		}
	}
	// Each image of the table is found behind a mirror, and not as a part of a name.
	for i := range stores {
		s := &stores[i]
		for _, image := range s.Controllers {
			if !s.Controls("mirror.example:5000/x/"+string(image)+":v1") || s.Controls("mirror.example/x/y"+string(image)+":v1") || s.Controls(string(image)+"x") {
				t.Errorf("%s: controller %s", s.Name, image)
			}
		}
		for _, a := range s.Agents {
			if !s.Fetches(a.Name, "mirror.example:5000/x/"+string(a.Image)+":v1") || s.Fetches(a.Name, "mirror.example/x/y"+string(a.Image)) {
				t.Errorf("%s: agent %s", s.Name, a.Image)
			}
			if a.Name != "" && (!s.Agent(a.Name) || s.Agent(a.Name+"x") || s.Fetches(a.Name+"x", string(a.Image))) {
				t.Errorf("%s: agent of name %s", s.Name, a.Name)
			}
		}
		for provider, images := range s.Providers {
			for _, image := range images {
				if !s.Provides(provider, "mirror.example/x/"+string(image)) || s.Provides("other", string(image)) || s.Provides(provider, string(image)+"x") {
					t.Errorf("%s: provider %s", s.Name, image)
				}
			}
		}
	}
}
