package secrets

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// storeSet is the workload shop/web, changed, in a cluster of which all pods were listed
// and stores were looked for.
func storeSet(edits ...func(*fact.Set)) *fact.Set {
	set := ft.Declared(fact.Container{})
	set.StoresRead = true
	return ft.Edit(set, edits...)
}

// injected adds an annotation for a store.
func injected(injector string) func(*fact.Set) {
	return func(s *fact.Set) { s.Workloads[0].Spec.Injectors = append(s.Workloads[0].Spec.Injectors, injector) }
}

// agent adds a container with its state to the workload.
func agent(name, image string, status *fact.ContainerStatus) func(*fact.Set) {
	return func(s *fact.Set) {
		w := &s.Workloads[0]
		w.Spec.Containers = append(w.Spec.Containers, fact.Container{Name: name, Image: image, Type: fact.RegularContainer, Field: "spec.containers[1]"})
		if status != nil {
			status.Name = name
			w.Pods[0].Containers = append(w.Pods[0].Containers, *status)
		}
	}
}

// volume adds a CSI volume.
func volume(driver, class string) func(*fact.Set) {
	return func(s *fact.Set) {
		w := &s.Workloads[0]
		w.Spec.Volumes = append(w.Spec.Volumes, fact.Volume{Name: "v", Field: "spec.volumes[0]", Source: "csi", Driver: driver, Class: class})
	}
}

// runs adds a pod of a DaemonSet in kube-system.
func runs(name, image, node string, running bool) func(*fact.Set) {
	return func(s *fact.Set) {
		s.Workloads = append(s.Workloads, fact.Workload{
			Owner: fact.Subject{Kind: fact.SubjectDaemonSet, Namespace: "kube-system", Name: name},
			Spec: fact.PodSpec{Origin: "pod/kube-system/" + name + "-x", Path: "spec", Containers: []fact.Container{
				{Name: "c", Image: image, Type: fact.RegularContainer, Field: "spec.containers[0]"},
			}},
			Pods: []fact.Pod{{Name: name + "-x", Node: node, Phase: "Running", Containers: []fact.ContainerStatus{{Name: "c", Running: running}}}},
		})
	}
}

// class adds a SecretProviderClass.
func class(namespace, name, provider string, inCluster bool) func(*fact.Set) {
	return func(s *fact.Set) {
		s.SecretStores = []fact.SecretStore{{Name: "secrets-store-csi", Resources: []fact.StoreResource{{
			Resource: "secretproviderclasses.secrets-store.csi.x-k8s.io", Objects: 1, InCluster: ft.Ptr(0),
			Classes: []fact.StoreClass{{Namespace: namespace, Name: name, Provider: provider, InCluster: inCluster}},
		}}}}
	}
}

func phase(p string) func(*fact.Set) {
	return func(s *fact.Set) { s.Workloads[0].Pods[0].Phase = p }
}

func TestExternalStore(t *testing.T) {
	running := func() *fact.ContainerStatus { return &fact.ContainerStatus{Running: true} }
	ended := func(code int32) *fact.ContainerStatus {
		return &fact.ContainerStatus{Terminated: true, ExitCode: &code}
	}
	const (
		vault      = "vault-agent vault.hashicorp.com/agent-inject"
		annotated  = "pod/shop/web-1 metadata.annotations[vault.hashicorp.com/agent-inject] = for Vault Agent Injector"
		state      = "pod/shop/web-1 status of container "
		csi        = "secrets-store.csi.k8s.io"
		driver     = "registry.k8s.io/csi-secrets-store/driver:v1.5.0"
		provider   = "hashicorp/vault-csi-provider:1.5.0"
		mounted    = ft.Field + "volumes[0].csi.driver = secrets-store.csi.k8s.io, class db"
		notCopied  = "secretproviderclass/shop/db spec.secretObjects = none"
		driverRuns = "pod/kube-system/driver-x status of container c = running on node n1: the CSI driver"
		vaultRuns  = "pod/kube-system/vault-x status of container c = running on node n1: the provider vault"
	)
	nothing := func(workloads, more string) string {
		return "fail Cluster: " + more + " [annotations, volumes and variables of pods = no store of secrets outside the cluster is used by " + workloads
	}
	noneKnown := "; API groups, CSI drivers and webhooks = nothing of 24 known stores]"
	judge(t, judgeExternalStore, cases{
		"a cluster without a store fails, once": {
			storeSet(), []string{nothing("1 workload", "no external store is used: Secrets are kept in the cluster") + noneKnown},
		},
		"a store that is installed and not used": {
			storeSet(func(s *fact.Set) {
				s.SecretStores = []fact.SecretStore{{Name: "vault-agent", Installed: []string{"mutatingwebhookconfiguration/vault-agent-injector-cfg"}}}
			}),
			[]string{nothing("1 workload", "no workload is shown to use a store that keeps secrets outside the cluster; installed: Vault Agent Injector") +
				"; mutatingwebhookconfiguration/vault-agent-injector-cfg = installed]"},
		},
		"a store that runs, and whose values end in Secrets": {
			storeSet(runs("eso", "ghcr.io/external-secrets/external-secrets:v2", "n1", true), func(s *fact.Set) {
				s.SecretStores = []fact.SecretStore{{Name: "external-secrets", Resources: []fact.StoreResource{
					{Resource: "externalsecrets.external-secrets.io", Objects: 12, More: true, InCluster: ft.Ptr(11)},
				}}}
			}),
			[]string{nothing("2 workloads", "no workload is shown to use a store that keeps secrets outside the cluster; installed: External Secrets") +
				"; list of externalsecrets.external-secrets.io = at least 12 objects, 11 end in a Secret]"},
		},
		"an agent that runs in the pod passes": {
			storeSet(injected(vault), agent("vault-agent", "hashicorp/vault:1.20", running())),
			[]string{"pass shop/web: gets secrets from Vault Agent Injector, which puts them into no Secret [" + annotated + "; " + state + "vault-agent = running]"},
		},
		"an agent that has ended well passes": {
			storeSet(injected(vault), agent("vault-agent-init", "hashicorp/vault:1.20", ended(0))),
			[]string{"pass shop/web: gets secrets from Vault Agent Injector, which puts them into no Secret [" + annotated + "; " + state + "vault-agent-init = ended with status 0]"},
		},
		"an agent that has failed is no evidence": {
			storeSet(injected(vault), agent("vault-agent-init", "hashicorp/vault:1.20", ended(1))),
			[]string{"unknown NotPresent shop/web: the container that fetches its secrets from Vault Agent Injector does not run, and has not ended well [" +
				annotated + "; " + state + "vault-agent-init = not running, and not ended with status 0]"},
		},
		"an agent of which the kubelet says nothing is no evidence": {
			storeSet(injected(vault), agent("vault-agent", "hashicorp/vault:1.20", nil)),
			[]string{"unknown NotPresent shop/web: the container that fetches its secrets from Vault Agent Injector does not run, and has not ended well [" +
				annotated + "; " + state + "vault-agent = not reported]"},
		},
		"an agent in a pod that has not started is no evidence": {
			storeSet(injected(vault), agent("vault-agent", "hashicorp/vault:1.20", nil), phase("Pending")),
			[]string{"unknown NotPresent shop/web: none of its pods runs, so nothing shows whether it gets secrets from Vault Agent Injector [" +
				annotated + "; pod/shop/web-1 status = no running pod of 1 pod]"},
		},
		"an annotation that nothing followed fails": {
			storeSet(injected(vault)),
			[]string{
				"fail shop/web: asks for secrets of Vault Agent Injector, but has no container that fetches them [" + annotated + "; " + ft.Field + "containers = no container of Vault Agent Injector]",
				nothing("1 workload", "no external store is used: Secrets are kept in the cluster") + noneKnown,
			},
		},
		"a container that only has an agent's name is no evidence": {
			storeSet(injected(vault), agent("vault-agent", "registry.example/pause", running())),
			[]string{"unknown Unsupported shop/web: its container vault-agent is called like one of Vault Agent Injector, but its image is not a known one [" +
				annotated + "; " + ft.Field + "containers[1].image = registry.example/pause]"},
		},
		"a reference that an agent resolves passes": {
			storeSet(agent("copy-vault-env", "ghcr.io/bank-vaults/vault-env:v1", ended(0)), func(s *fact.Set) {
				s.Workloads[0].Spec.Containers[0].Variables = []fact.Variable{{Name: "PASSWORD", Field: "env[0]", Store: "bank-vaults"}}
			}),
			[]string{"pass shop/web: gets secrets from Bank-Vaults Secrets Webhook, which puts them into no Secret [" +
				ft.App + "env[0].value = PASSWORD names a secret of Bank-Vaults Secrets Webhook; " + state + "copy-vault-env = ended with status 0]"},
		},
		"a reference that nobody is seen to resolve counts for nothing": {
			storeSet(func(s *fact.Set) {
				s.Workloads[0].Spec.Containers[0].Variables = []fact.Variable{{Name: "ARN", Field: "env[0]", Store: "aws"}}
			}),
			[]string{nothing("1 workload", "no external store is used: Secrets are kept in the cluster") + noneKnown},
		},
		"an annotation that only configures counts for nothing": {
			storeSet(injected("bank-vaults vault.security.banzaicloud.io/vault-addr")),
			[]string{nothing("1 workload", "no external store is used: Secrets are kept in the cluster") + noneKnown},
		},
		"an annotation for a store that ends in Secrets fails": {
			storeSet(injected("conjur-secrets conjur.org/secrets-destination"), agent("provider", "cyberark/secrets-provider-for-k8s", ended(0))),
			[]string{
				"fail shop/web: gets secrets from Conjur Secrets Provider, to Secrets, which puts them into Secrets of the cluster " +
					"[pod/shop/web-1 metadata.annotations[conjur.org/secrets-destination] = for Conjur Secrets Provider, to Secrets]",
				nothing("1 workload", "no external store is used: Secrets are kept in the cluster") + noneKnown,
			},
		},
		"a volume whose driver and provider run on its node passes": {
			storeSet(volume(csi, "db"), class("shop", "db", "vault", false), runs("driver", driver, "n1", true), runs("vault", provider, "n1", true)),
			[]string{"pass shop/web: gets secrets from Secrets Store CSI driver by a volume, and they are put into no Secret [" +
				mounted + "; " + notCopied + "; " + driverRuns + "; " + vaultRuns + "]"},
		},
		"a volume whose class copies into a Secret fails": {
			storeSet(volume(csi, "db"), class("shop", "db", "vault", true), runs("driver", driver, "n1", true), runs("vault", provider, "n1", true)),
			[]string{
				"fail shop/web: gets secrets from Secrets Store CSI driver, which puts them into Secrets of the cluster [" +
					mounted + "; secretproviderclass/shop/db spec.secretObjects = set]",
				nothing("3 workloads", "no workload is shown to use a store that keeps secrets outside the cluster; installed: Secrets Store CSI driver") +
					"; list of secretproviderclasses.secrets-store.csi.x-k8s.io = 1 object, 0 end in a Secret]",
			},
		},
		"a driver on another node is no evidence": {
			storeSet(volume(csi, "db"), class("shop", "db", "vault", false), runs("driver", driver, "n2", true), runs("vault", provider, "n1", true)),
			[]string{"unknown NotPresent shop/web: no known pod of the CSI driver runs on its node, so it is unknown who fills the volume [" +
				mounted + "; " + notCopied + "; pods on node n1 = none of the CSI driver]"},
		},
		"a provider that does not run is no evidence": {
			storeSet(volume(csi, "db"), class("shop", "db", "vault", false), runs("driver", driver, "n1", true), runs("vault", provider, "n1", false)),
			[]string{"unknown NotPresent shop/web: no known pod of the provider vault runs on its node, so it is unknown who fills the volume [" +
				mounted + "; " + notCopied + "; " + driverRuns + "; pods on node n1 = none of the provider vault]"},
		},
		"another provider is no evidence": {
			storeSet(volume(csi, "db"), class("shop", "db", "azure", false), runs("driver", driver, "n1", true), runs("vault", provider, "n1", true)),
			[]string{"unknown NotPresent shop/web: no known pod of the provider azure runs on its node, so it is unknown who fills the volume [" +
				mounted + "; " + notCopied + "; " + driverRuns + "; pods on node n1 = none of the provider azure]"},
		},
		"an unknown provider is unknown": {
			storeSet(volume(csi, "db"), class("shop", "db", "own", false), runs("driver", driver, "n1", true)),
			[]string{`unknown Unsupported shop/web: the provider of its class ("own") is not a known one, so it is unknown whether it runs [` + mounted + "; " + notCopied + "]"},
		},
		"another namespace's class is not its own": {
			storeSet(volume(csi, "db"), class("ci", "db", "vault", false), runs("driver", driver, "n1", true), runs("vault", provider, "n1", true)),
			[]string{"unknown NotPresent shop/web: its SecretProviderClass was not found, so it is unknown where the secrets end [" +
				mounted + "; list of SecretProviderClasses in namespace shop = without db]"},
		},
		"an init container with the driver's image is no driver": {
			storeSet(volume("csi.cert-manager.io", ""), runs("driver", "quay.io/jetstack/cert-manager-csi-driver:v0.15.0", "n1", true), func(s *fact.Set) {
				s.Workloads[1].Spec.Containers[0].Type = fact.InitContainer
			}),
			[]string{"unknown NotPresent shop/web: no known pod of the CSI driver runs on its node, so it is unknown who fills the volume [" +
				ft.Field + "volumes[0].csi.driver = csi.cert-manager.io; pods on node n1 = none of the CSI driver]"},
		},
		"a driver that was not listed is unknown": {
			storeSet(volume(csi, "db"), class("shop", "db", "vault", false), func(s *fact.Set) { s.PodScope = fact.PodsSome }),
			[]string{"unknown NotRequested shop/web: not all pods were listed, so it is unknown whether the CSI driver runs on its node [" + mounted + "; " + notCopied + "]"},
		},
		"a driver that needs no class passes by itself": {
			storeSet(volume("csi.cert-manager.io", ""), runs("driver", "quay.io/jetstack/cert-manager-csi-driver:v0.15.0", "n1", true)),
			[]string{"pass shop/web: gets secrets from cert-manager CSI driver by a volume, and they are put into no Secret [" +
				ft.Field + "volumes[0].csi.driver = csi.cert-manager.io; " + driverRuns + "]"},
		},
		"a volume of a pod that does not run": {
			storeSet(volume("csi.cert-manager.io", ""), runs("driver", "quay.io/jetstack/cert-manager-csi-driver:v0.15.0", "n1", true), phase("Failed")),
			[]string{"unknown NotPresent shop/web: none of its pods runs, so nothing shows whether it gets secrets from cert-manager CSI driver [" +
				ft.Field + "volumes[0].csi.driver = csi.cert-manager.io; pod/shop/web-1 status = no running pod of 1 pod]"},
		},
		"another driver is no store": {
			storeSet(volume("ebs.csi.aws.com", "")),
			[]string{nothing("1 workload", "no external store is used: Secrets are kept in the cluster") + noneKnown},
		},
		"some pods say nothing of the cluster":        {storeSet(func(s *fact.Set) { s.PodScope = fact.PodsSome }), nil},
		"stores that were not looked for: a gap says": {storeSet(func(s *fact.Set) { s.StoresRead = false }), nil},
		"a class that was not looked for: a gap says": {storeSet(volume(csi, "db"), func(s *fact.Set) { s.StoresRead = false }), nil},
		"facts of an earlier version":                 {earlier(storeSet()), []string{earlierVersion}},
	})
}

// One pod with an agent says nothing of another without.
func TestExternalStoreOfEachPod(t *testing.T) {
	set := storeSet(injected("vault-agent vault.hashicorp.com/agent-inject"), agent("vault-agent", "hashicorp/vault:1.20", &fact.ContainerStatus{Running: true}))
	w := &set.Workloads[0]
	second := w.Pods[0]
	second.Name = "web-2"
	second.Containers = []fact.ContainerStatus{{Name: "app", Running: true}, {Name: "vault-agent", Waiting: true}}
	w.Pods = append(w.Pods, second)
	got := brief(checks.OfSet(judgeExternalStore)(set))
	if len(got) != 1 || got[0][:len("unknown NotPresent")] != "unknown NotPresent" {
		t.Errorf("%q", got)
	}
}

// Where only some pods were listed and none has a class, nothing needs the stores.
func TestExcuseStores(t *testing.T) {
	gap := fact.Gap{What: fact.SecretStores}
	for name, tc := range map[string]struct {
		set  *fact.Set
		want bool
	}{
		"all pods":              {storeSet(), false},
		"some pods":             {storeSet(func(s *fact.Set) { s.PodScope = fact.PodsSome }), true},
		"some pods and a class": {storeSet(volume("secrets-store.csi.k8s.io", "db"), func(s *fact.Set) { s.PodScope = fact.PodsSome }), false},
	} {
		if got := excuseStores(checks.NewView(tc.set), gap); got != tc.want {
			t.Errorf("%s: excused %v", name, got)
		}
		if excuseStores(checks.NewView(tc.set), fact.Gap{What: fact.Pods}) {
			t.Errorf("%s: a gap of pods is excused", name)
		}
	}
}
