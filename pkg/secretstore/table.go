package secretstore

// stores is the only list, in the order of the names. A new store is an entry here and a
// row in the test.
var stores = []Store{
	{
		Name: "1password-injector", Title: "1Password Secrets Injector", Ends: Outside,
		Annotations: []Annotation{{Key: "operator.1password.io/inject"}},
		References:  []Prefix{{Text: "op://", Has: "/"}},
		Controllers: []Image{"1password/kubernetes-secrets-injector"},
		Agents:      []Agent{{Name: "copy-op-bin", Image: "1password/op"}},
		Source:      "github.com/1Password/kubernetes-secrets-injector", Read: "2026-08",
	},
	{
		Name: "1password-operator", Title: "1Password Operator", Ends: InSecret,
		Resources:   []Resource{{Group: "onepassword.com", Resource: "onepassworditems"}},
		Annotations: []Annotation{{Key: "operator.1password.io/item-path"}},
		Controllers: []Image{"1password/onepassword-operator"},
		Source:      "github.com/1Password/onepassword-operator", Read: "2026-08",
	},
	{
		Name: "akeyless", Title: "Akeyless Secrets Injector", Ends: Outside,
		Annotations: []Annotation{{Key: "akeyless/enabled", Values: []string{"true"}}},
		Controllers: []Image{"akeyless/k8s-webhook-server"},
		Agents:      []Agent{{Image: "akeyless/k8s-secrets-sidecar"}},
		Source:      "docs.akeyless.io/docs/how-to-provision-secret-to-your-k8s", Read: "2026-08",
	},
	{
		// An ARN may also be read by the program itself, so only an agent in the pod shows
		// who does.
		Name: "aws", Title: "AWS Secrets Manager or Parameter Store", Ends: Outside,
		References: []Prefix{{Text: "arn:aws:secretsmanager:", Has: ":"}, {Text: "arn:aws:ssm:", Has: ":"}},
		Agents:     bankVaultsAgents,
		Source:     "github.com/bank-vaults/secrets-webhook", Read: "2026-08",
	},
	{
		Name: "bank-vaults", Title: "Bank-Vaults Secrets Webhook", Ends: Outside,
		Annotations: []Annotation{
			{Key: "secrets-webhook.security.bank-vaults.io/", Except: "skip"}, {Key: "vault.security.banzaicloud.io/", Except: "skip"},
		},
		References: []Prefix{
			{Text: "vault:", Has: "#"}, {Text: ">>vault:", Has: "#"}, {Text: "bao:", Has: "#"}, {Text: ">>bao:", Has: "#"},
		},
		Controllers: []Image{
			"bank-vaults/secrets-webhook", "bank-vaults/vault-secrets-webhook", "banzaicloud/vault-secrets-webhook",
		},
		Agents:   bankVaultsAgents,
		Webhooks: []string{"secrets-webhook"},
		Source:   "github.com/bank-vaults/secrets-webhook", Read: "2026-08",
	},
	{
		Name: "berglas", Title: "Berglas", Ends: Outside,
		References: []Prefix{{Text: "berglas://", Has: "/"}, {Text: "sm://", Has: "/"}},
		Agents:     []Agent{{Name: "copy-berglas-bin", Image: "berglas/berglas"}, {Name: "copy-berglas-bin", Image: "googlecloudplatform/berglas"}},
		Webhooks:   []string{"berglas-secrets"},
		Source:     "github.com/GoogleCloudPlatform/berglas", Read: "2026-05",
	},
	{
		Name: "bitwarden", Title: "Bitwarden Secrets Manager Operator", Ends: InSecret,
		Resources:   []Resource{{Group: "k8s.bitwarden.com", Resource: "bitwardensecrets"}},
		Controllers: []Image{"bitwarden/sm-operator"},
		Source:      "github.com/bitwarden/sm-kubernetes", Read: "2026-04",
	},
	{
		Name: "cert-manager-csi", Title: "cert-manager CSI driver", Ends: Outside,
		Drivers:     []string{"csi.cert-manager.io"},
		Controllers: []Image{"jetstack/cert-manager-csi-driver"},
		Source:      "github.com/cert-manager/csi-driver", Read: "2026-08",
	},
	{
		Name: "conjur-file", Title: "Conjur Secrets Provider, to files", Ends: Outside,
		Annotations: []Annotation{{Key: "conjur.org/secrets-destination", Values: []string{"file"}}},
		Agents:      conjurAgents,
		Source:      "github.com/cyberark/secrets-provider-for-k8s", Read: "2026-03",
	},
	{
		Name: "conjur-secrets", Title: "Conjur Secrets Provider, to Secrets", Ends: InSecret,
		Annotations: []Annotation{{Key: "conjur.org/secrets-destination", Values: []string{"k8s_secrets"}}},
		Agents:      conjurAgents,
		Source:      "github.com/cyberark/secrets-provider-for-k8s", Read: "2026-03",
	},
	{
		Name: "doppler", Title: "Doppler Operator", Ends: InSecret,
		Resources:   []Resource{{Group: "secrets.doppler.com", Resource: "dopplersecrets"}},
		Annotations: []Annotation{{Key: "secrets.doppler.com/reload", Values: []string{"true"}}},
		Controllers: []Image{"dopplerhq/kubernetes-operator"},
		Source:      "github.com/DopplerHQ/kubernetes-operator", Read: "2026-02",
	},
	{
		Name: "external-secrets", Title: "External Secrets", Ends: InSecret,
		Resources: []Resource{
			{Group: "external-secrets.io", Resource: "externalsecrets", Reads: ReadsTarget},
			{Group: "external-secrets.io", Resource: "clusterexternalsecrets"},
		},
		Controllers: []Image{"external-secrets/external-secrets"},
		Source:      "github.com/external-secrets/external-secrets", Read: "2026-08",
	},
	{
		Name: "flux-sops", Title: "SOPS in Flux", Ends: InSecret,
		Resources:   []Resource{{Group: "kustomize.toolkit.fluxcd.io", Resource: "kustomizations", Reads: ReadsDecryption}},
		Controllers: []Image{"fluxcd/kustomize-controller"},
		Source:      "github.com/fluxcd/kustomize-controller", Read: "2026-08",
	},
	{
		Name: "infisical-injector", Title: "Infisical Agent Injector", Ends: Outside,
		Annotations: []Annotation{{Key: "org.infisical.com/inject", Values: []string{"true"}}},
		Agents: []Agent{
			{Name: "infisical-agent", Image: "infisical/cli"}, {Name: "infisical-agent-init", Image: "infisical/cli"},
		},
		Source: "github.com/Infisical/infisical-agent-injector", Read: "2026-08",
	},
	{
		Name: "infisical-operator", Title: "Infisical Secrets Operator", Ends: InSecret,
		Resources: []Resource{
			{Group: "secrets.infisical.com", Resource: "infisicalsecrets"},
			{Group: "secrets.infisical.com", Resource: "infisicalstaticsecrets"},
			{Group: "secrets.infisical.com", Resource: "infisicaldynamicsecrets"},
		},
		Controllers: []Image{"infisical/kubernetes-operator"},
		Source:      "github.com/Infisical/kubernetes-operator", Read: "2026-08",
	},
	{
		Name: "kamus", Title: "Kamus", Ends: InSecret,
		Resources:   []Resource{{Group: "soluto.com", Resource: "kamussecrets"}},
		Controllers: []Image{"soluto/kamus"},
		Source:      "github.com/Soluto/kamus", Read: "2022-05",
	},
	{
		Name: "keeper", Title: "Keeper Secrets Injector", Ends: Outside,
		Annotations: []Annotation{{Key: "keeper.security/inject", Values: []string{"true"}, Unless: "keeper.security/inject-as-k8s-secret"}},
		Controllers: []Image{"keeper/injector-webhook"},
		Agents:      []Agent{{Image: "keeper/injector-sidecar"}},
		Source:      "docs.keeper.io, Kubernetes Secrets Injector", Read: "2026-08",
	},
	{
		Name: "keeper-secrets", Title: "Keeper Secrets Injector, to Secrets", Ends: InSecret,
		Annotations: []Annotation{{Key: "keeper.security/inject-as-k8s-secret", Values: []string{"true"}}},
		Controllers: []Image{"keeper/injector-webhook"},
		Agents:      []Agent{{Image: "keeper/injector-sidecar"}},
		Source:      "docs.keeper.io, Kubernetes Secrets Injector", Read: "2026-08",
	},
	{
		Name: "sealed-secrets", Title: "Sealed Secrets", Ends: InSecret,
		Resources:   []Resource{{Group: "bitnami.com", Resource: "sealedsecrets"}},
		Controllers: []Image{"bitnami/sealed-secrets-controller", "bitnami-labs/sealed-secrets-controller"},
		Source:      "github.com/bitnami-labs/sealed-secrets", Read: "2026-04",
	},
	{
		Name: "secrets-store-csi", Title: "Secrets Store CSI driver", Ends: ByClass,
		Resources: []Resource{{Group: "secrets-store.csi.x-k8s.io", Resource: "secretproviderclasses", Reads: ReadsClasses}},
		// The second is GKE's own add-on.
		Drivers: []string{"secrets-store.csi.k8s.io", "secrets-store-gke.csi.k8s.io"},
		// Upstream's, and AKS's copy of it.
		Controllers: []Image{"csi-secrets-store/driver", "kubernetes-csi/secrets-store/driver"},
		Providers: map[string][]Image{
			"akeyless": {"akeyless/akeyless-csi-provider"},
			"aws":      {"aws-secrets-manager/secrets-store-csi-driver-provider-aws"},
			"azure":    {"secrets-store/provider-azure"},
			"conjur":   {"cyberark/conjur-k8s-csi-provider"},
			"gcp":      {"secrets-store-csi-driver-provider-gcp/plugin"},
			"openbao":  {"openbao/openbao-csi-provider"},
			"vault":    {"hashicorp/vault-csi-provider"},
			// Pulumi ESC.
			"pulumi": {"pulumi/esc-csi-provider", "pulumi/pulumi-esc-csi-provider"},
		},
		Source: "github.com/kubernetes-sigs/secrets-store-csi-driver", Read: "2026-04",
	},
	{
		Name: "sops-operator", Title: "SOPS Secrets Operator", Ends: InSecret,
		Resources:   []Resource{{Group: "isindir.github.com", Resource: "sopssecrets"}},
		Controllers: []Image{"isindir/sops-secrets-operator"},
		Source:      "github.com/isindir/sops-secrets-operator", Read: "2026-08",
	},
	{
		Name: "vault-agent", Title: "Vault Agent Injector", Ends: Outside,
		Annotations: []Annotation{{Key: "vault.hashicorp.com/agent-inject", Values: []string{"true"}}},
		Controllers: []Image{"hashicorp/vault-k8s"},
		Agents: []Agent{
			{Name: "vault-agent", Image: "hashicorp/vault"},
			{Name: "vault-agent-init", Image: "hashicorp/vault"},
			{Name: "vault-agent", Image: "hashicorp/vault-enterprise"},
			{Name: "vault-agent-init", Image: "hashicorp/vault-enterprise"},
			{Name: "vault-agent", Image: "library/vault"},
			{Name: "vault-agent-init", Image: "library/vault"},
			{Name: "vault-agent", Image: "openbao/openbao"},
			{Name: "vault-agent-init", Image: "openbao/openbao"},
		},
		Webhooks: []string{"agent-injector-cfg"},
		Source:   "github.com/hashicorp/vault-k8s", Read: "2026-08",
	},
	{
		Name: "vault-secrets-operator", Title: "Vault Secrets Operator", Ends: InSecret,
		Resources: []Resource{
			{Group: "secrets.hashicorp.com", Resource: "vaultstaticsecrets"},
			{Group: "secrets.hashicorp.com", Resource: "vaultdynamicsecrets"},
			{Group: "secrets.hashicorp.com", Resource: "vaultpkisecrets"},
			{Group: "secrets.hashicorp.com", Resource: "hcpvaultsecretsapps"},
		},
		Controllers: []Image{"hashicorp/vault-secrets-operator"},
		Source:      "github.com/hashicorp/vault-secrets-operator", Read: "2026-08",
	},
	{
		Name: "vault-secrets-operator-csi", Title: "Vault Secrets Operator, CSI driver", Ends: Outside,
		Resources:   []Resource{{Group: "secrets.hashicorp.com", Resource: "csisecrets"}},
		Drivers:     []string{"csi.vso.hashicorp.com"},
		Controllers: []Image{"hashicorp/vault-secrets-operator-csi"},
		Source:      "github.com/hashicorp/vault-secrets-operator", Read: "2026-08",
	},
}

// bankVaultsAgents copy into a pod the program that replaces references by values when
// the pod's own program starts.
var bankVaultsAgents = []Agent{
	{Name: "copy-secret-init", Image: "bank-vaults/secret-init"},
	{Name: "copy-vault-env", Image: "bank-vaults/vault-env"},
	{Name: "copy-vault-env", Image: "banzaicloud/vault-env"},
}

var conjurAgents = []Agent{{Image: "cyberark/secrets-provider-for-k8s"}}
