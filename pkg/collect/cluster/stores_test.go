package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/secretstore"
)

const (
	externalPath = "/apis/external-secrets.io/v1/externalsecrets"
	classesPath  = "/apis/secrets-store.csi.x-k8s.io/v1/secretproviderclasses"
	fluxPath     = "/apis/kustomize.toolkit.fluxcd.io/v1/kustomizations"
	sealedPath   = "/apis/bitnami.com/v1alpha1/sealedsecrets"
	peersPath    = "/apis/security.istio.io/v1/peerauthentications"
)

// object is a custom resource with a canary where values are.
func object(namespace, name, spec string) string {
	return fmt.Sprintf(`{"metadata":{"namespace":%q,"name":%q,"annotations":{"note":"CANARY"}},"spec":{%s}}`, namespace, name, spec)
}

// withStores is a server with one of everything.
func withStores(t *testing.T) *server {
	s := newServer(t)
	namespaced := func(names ...string) (list []metav1.APIResource) {
		for _, name := range names {
			list = append(list, metav1.APIResource{Name: name, Namespaced: true})
		}
		return list
	}
	s.resources = map[string][]metav1.APIResource{
		"apps/v1":                         namespaced("replicasets"),
		"bitnami.com/v1alpha1":            namespaced("sealedsecrets", "sealedsecrets/status"),
		"external-secrets.io/v1":          append(namespaced("externalsecrets"), metav1.APIResource{Name: "clusterexternalsecrets"}),
		"kustomize.toolkit.fluxcd.io/v1":  namespaced("kustomizations"),
		"secrets-store.csi.x-k8s.io/v1":   namespaced("secretproviderclasses"),
		"security.istio.io/v1":            namespaced("peerauthentications"),
		"secrets.example.com/v1":          namespaced("externalsecrets"), // another group's
		"secrets.hashicorp.com/v1beta1":   namespaced("vaultauths"),
		"secrets.hashicorp.com/v1beta1v2": namespaced("vaultstaticsecrets"), // not in the preferred version
	}
	s.objects = map[string][]string{
		sealedPath: {object("shop", "a", `"encryptedData":{"k":"CANARY"}`), object("ci", "b", "")},
		externalPath: {
			object("shop", "a", `"target":{"name":"x"},"data":[{"secretKey":"CANARY"}]`),
			object("shop", "b", `"target":{"creationPolicy":"None"}`),
			object("ci", "c", ""),
		},
		"/apis/external-secrets.io/v1/clusterexternalsecrets": {object("", "all", "")},
		classesPath: {
			object("shop", "db", `"provider":"vault","parameters":{"objects":"CANARY"}`),
			object("ci", "synced", `"provider":"azure","secretObjects":[{"secretName":"x","data":[{"key":"CANARY"}]}]`),
			object("shop", "empty", `"provider":"aws","secretObjects":[]`),
		},
		fluxPath: {object("flux", "apps", `"path":"CANARY"`), object("flux", "secrets", `"decryption":{"provider":"sops","secretRef":{"name":"CANARY"}}`)},
		"/apis/secrets.hashicorp.com/v1beta1v2/vaultstaticsecrets": {object("shop", "v", "")},
		peersPath: {object("istio-system", "default", `"mtls":{"mode":"STRICT"}`)},
	}
	s.metadata[driversPath] = []metav1.PartialObjectMetadata{partial("", "ebs.csi.aws.com"), partial("", "secrets-store.csi.k8s.io")}
	s.metadata[webhooksPath] = []metav1.PartialObjectMetadata{partial("", "vault-agent-injector-cfg"), partial("", "cert-manager-webhook")}
	return s
}

func TestStores(t *testing.T) {
	s := withStores(t)
	one, two := 1, 2
	want := []fact.SecretStore{
		{Name: "external-secrets", Resources: []fact.StoreResource{
			{Resource: "externalsecrets.external-secrets.io", Objects: 3, InCluster: &two},
			{Resource: "clusterexternalsecrets.external-secrets.io", Objects: 1},
		}},
		{Name: "flux-sops", Resources: []fact.StoreResource{{Resource: "kustomizations.kustomize.toolkit.fluxcd.io", Objects: 1, InCluster: &one}}},
		{Name: "sealed-secrets", Resources: []fact.StoreResource{{Resource: "sealedsecrets.bitnami.com", Objects: 2}}},
		{
			Name: "secrets-store-csi", Installed: []string{"csidriver/secrets-store.csi.k8s.io"},
			Resources: []fact.StoreResource{{
				Resource: "secretproviderclasses.secrets-store.csi.x-k8s.io", Objects: 3, InCluster: &one,
				Classes: []fact.StoreClass{
					{Namespace: "ci", Name: "synced", Provider: "azure", InCluster: true},
					{Namespace: "shop", Name: "db", Provider: "vault"},
					{Namespace: "shop", Name: "empty", Provider: "aws"},
				},
			}},
		},
		{Name: "vault-agent", Installed: []string{"mutatingwebhookconfiguration/vault-agent-injector-cfg"}},
		{Name: "vault-secrets-operator", Resources: []fact.StoreResource{{Resource: "vaultstaticsecrets.secrets.hashicorp.com", Objects: 1}}},
	}
	result, err := Collect(t.Context(), Options{Config: s.config(), SecretStores: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, result.SecretStores); diff != "" || !result.StoresRead || len(result.Gaps) > 0 {
		t.Errorf("read %v, gaps %v (-want +got):\n%s", result.StoresRead, result.Gaps, diff)
	}
	mesh := []fact.MeshState{{Name: "Istio", Strict: true, Source: "peerauthentication/istio-system/default spec.mtls.mode"}}
	if diff := cmp.Diff(mesh, result.Meshes); diff != "" {
		t.Errorf("meshes (-want +got):\n%s", diff)
	}
	if body, err := json.Marshal([]any{result.SecretStores, result.Meshes}); err != nil || strings.Contains(string(body), "CANARY") {
		t.Errorf("a canary is in the facts: %s, %v", body, err)
	}
	// Groups that nobody wants are not asked about, and no Secret is listed.
	for _, path := range []string{"/apis/apps/v1", "/apis/secrets.example.com/v1", secretsPath, sealedPath + "/status"} {
		if len(s.asked(path)) > 0 {
			t.Errorf("%s was asked for", path)
		}
	}
	// Where no spec is needed, none is asked for.
	for _, r := range s.asked(sealedPath) {
		if !strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadataList") {
			t.Errorf("sealed secrets were asked for as %q", r.Header.Get("Accept"))
		}
	}
}

// A cluster without any store costs one request for the groups, and one each for drivers
// and webhooks.
func TestNoStores(t *testing.T) {
	s := newServer(t)
	s.resources = map[string][]metav1.APIResource{"apps/v1": {{Name: "replicasets"}}}
	result, err := Collect(t.Context(), Options{Config: s.config(), SecretStores: true})
	if err != nil {
		t.Fatal(err)
	}
	if !result.StoresRead || len(result.SecretStores) > 0 || len(result.Meshes) > 0 || len(result.Gaps) > 0 {
		t.Errorf("%+v", result)
	}
	if len(s.requests) != 4 {
		t.Errorf("%d requests", len(s.requests))
	}
}

// A run of one namespace lists nothing of the cluster and of no other namespace.
func TestStoresOfANamespace(t *testing.T) {
	s := withStores(t)
	zero, one := 0, 1
	want := []fact.SecretStore{
		{Name: "external-secrets", Resources: []fact.StoreResource{{Resource: "externalsecrets.external-secrets.io", Objects: 2, InCluster: &one}}},
		{Name: "sealed-secrets", Resources: []fact.StoreResource{{Resource: "sealedsecrets.bitnami.com", Objects: 1}}},
		{Name: "secrets-store-csi", Resources: []fact.StoreResource{{
			Resource: "secretproviderclasses.secrets-store.csi.x-k8s.io", Objects: 2, InCluster: &zero,
			Classes: []fact.StoreClass{{Namespace: "shop", Name: "db", Provider: "vault"}, {Namespace: "shop", Name: "empty", Provider: "aws"}},
		}}},
		{Name: "vault-secrets-operator", Resources: []fact.StoreResource{{Resource: "vaultstaticsecrets.secrets.hashicorp.com", Objects: 1}}},
	}
	result, err := Collect(t.Context(), Options{Config: s.config(), SecretStores: true, Namespace: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, result.SecretStores); diff != "" || len(result.Meshes)+len(result.Gaps) > 0 {
		t.Errorf("meshes %v, gaps %v (-want +got):\n%s", result.Meshes, result.Gaps, diff)
	}
	for _, r := range s.requests {
		if path := r.URL.Path; strings.Contains(path, "security.istio.io") || path == driversPath || path == webhooksPath || strings.Contains(path, "clusterexternalsecrets") {
			t.Errorf("%s was asked for", path)
		}
	}
}

// One list that fails costs only itself, and says so.
func TestStoresThatAreNotRead(t *testing.T) {
	gap := func(reason fact.Reason, detail, hint string) fact.Gap {
		return fact.Gap{What: fact.SecretStores, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: reason, Detail: detail, Hint: hint}
	}
	broken := status(http.StatusInternalServerError, metav1.StatusReasonInternalError, "CANARY")
	for name, tc := range map[string]struct {
		edit   func(*server)
		want   fact.Gap
		stores int
	}{
		"no right to list a resource": {
			func(s *server) { s.refuse = refuseAll(sealedPath, forbidden) },
			gap(fact.Forbidden, "no right to list sealedsecrets.bitnami.com", "grant list on sealedsecrets.bitnami.com"), 5,
		},
		"no right to list a resource whose spec is read": {
			func(s *server) { s.refuse = refuseAll(fluxPath, forbidden) },
			gap(fact.Forbidden, "no right to list kustomizations.kustomize.toolkit.fluxcd.io", "grant list on kustomizations.kustomize.toolkit.fluxcd.io"), 5,
		},
		"no right to list webhooks": {
			func(s *server) { s.refuse = refuseAll(webhooksPath, forbidden) },
			gap(fact.Forbidden, "no right to list mutatingwebhookconfigurations.admissionregistration.k8s.io", "grant list on mutatingwebhookconfigurations.admissionregistration.k8s.io"), 5,
		},
		"no right to list a mesh's objects": {
			func(s *server) { s.refuse = refuseAll(peersPath, forbidden) },
			gap(fact.Forbidden, "no right to list peerauthentications.security.istio.io", "grant list on peerauthentications.security.istio.io"), 6,
		},
		"the server fails at a resource": {
			func(s *server) { s.refuse = refuseAll(sealedPath, broken) },
			gap(fact.Unavailable, "listing sealedsecrets.bitnami.com: the API server did not answer", "run it again"), 5,
		},
		"the server fails at a group": {
			func(s *server) { s.refuse = refuseAll("/apis/bitnami.com/v1alpha1", broken) },
			gap(fact.Unavailable, "listing the resources of bitnami.com: the API server did not answer", "run it again"), 5,
		},
		"no right to see the groups": {
			func(s *server) { s.refuse = refuseAll("/apis", forbidden) },
			gap(fact.Forbidden, "no right to list API groups", ""), 0,
		},
		"an object of another shape": {
			func(s *server) {
				s.objects[fluxPath] = append(s.objects[fluxPath], `{"spec":{"decryption":"CANARY"}}`, `"CANARY"`)
			},
			gap(fact.Corrupt, "2 objects of kustomizations.kustomize.toolkit.fluxcd.io are not as that resource should be", ""), 6,
		},
		"an answer that is no JSON": {
			func(s *server) { s.objects[fluxPath] = []string{`{"CANARY`} },
			gap(fact.Corrupt, "listing kustomizations.kustomize.toolkit.fluxcd.io: the answer is not the JSON that was expected", ""), 5,
		},
		"an answer without an end": {
			func(s *server) {
				s.objects[fluxPath] = []string{`"` + strings.Repeat("CANARY", maxStoreAnswer/6) + `"`}
			},
			gap(fact.Truncated, "listing kustomizations.kustomize.toolkit.fluxcd.io: an answer has more than 16777216 bytes", ""), 5,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := withStores(t)
			tc.edit(s)
			s.nodes = nil
			result, err := Collect(t.Context(), Options{Config: s.config(), SecretStores: true, Nodes: true})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]fact.Gap{tc.want}, result.Gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			if len(result.SecretStores) != tc.stores || result.StoresRead != (tc.stores > 0) {
				t.Errorf("%d stores, read %v", len(result.SecretStores), result.StoresRead)
			}
		})
	}
}

// Objects are counted by what the server says remains, else page by page, and up to a
// bound.
func TestStoreObjectsAreCounted(t *testing.T) {
	for name, tc := range map[string]struct {
		objects   int
		remaining bool
		want      int
		more      bool
		requests  int
	}{
		"one page":                    {objects: 100, want: 100, requests: 1},
		"two pages, counted":          {objects: 700, want: 700, requests: 2},
		"many, and the server counts": {objects: 4000, remaining: true, want: 4000, requests: 1},
		"as many as the bound":        {objects: maxStoreObjects, want: maxStoreObjects, requests: 10},
		"more than the bound":         {objects: maxStoreObjects + 600, want: maxStoreObjects, more: true, requests: 10},
		"more than it, counted":       {objects: maxStoreObjects + 1, remaining: true, want: maxStoreObjects, more: true, requests: 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := withStores(t)
			s.remaining = tc.remaining
			s.objects[sealedPath] = nil
			for i := range tc.objects {
				s.objects[sealedPath] = append(s.objects[sealedPath], object("shop", fmt.Sprint(i), ""))
			}
			result, err := Collect(t.Context(), Options{Config: s.config(), SecretStores: true})
			if err != nil {
				t.Fatal(err)
			}
			want := fact.StoreResource{Resource: "sealedsecrets.bitnami.com", Objects: tc.want, More: tc.more}
			for _, store := range result.SecretStores {
				if store.Name == "sealed-secrets" {
					if diff := cmp.Diff([]fact.StoreResource{want}, store.Resources); diff != "" {
						t.Errorf("(-want +got):\n%s", diff)
					}
				}
			}
			if got := len(s.asked(sealedPath)); got != tc.requests {
				t.Errorf("%d requests, want %d", got, tc.requests)
			}
		})
	}
}

// Objects whose spec is read are bounded too, and so are the classes that are kept.
func TestStoreClassesAreBounded(t *testing.T) {
	s := withStores(t)
	s.objects[classesPath] = nil
	for i := range maxStoreObjects + 300 {
		s.objects[classesPath] = append(s.objects[classesPath], object("shop", fmt.Sprintf("c%05d", i), `"provider":"`+strings.Repeat("x", 200)+`"`))
	}
	result, err := Collect(t.Context(), Options{Config: s.config(), SecretStores: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, store := range result.SecretStores {
		if store.Name != "secrets-store-csi" {
			continue
		}
		got := store.Resources[0]
		if got.Objects != maxStoreObjects || !got.More || len(got.Classes) != fact.MaxStoreClasses || len(got.Classes[0].Provider) > maxProviderName+len(" ...") {
			t.Errorf("%d objects, more %v, %d classes, provider %q", got.Objects, got.More, len(got.Classes), got.Classes[0].Provider)
		}
	}
	if got, want := len(s.asked(classesPath)), maxStoreObjects/storePage+1; got != want {
		t.Errorf("%d requests, want %d", got, want)
	}
}

func TestMeshes(t *testing.T) {
	state := func(strict bool, source string) []fact.MeshState {
		return []fact.MeshState{{Name: "Istio", Strict: strict, Source: source}}
	}
	const root = "peerauthentication/istio-system/default spec.mtls.mode"
	strict := object("istio-system", "default", `"mtls":{"mode":"STRICT"}`)
	for name, tc := range map[string]struct {
		objects []string
		want    []fact.MeshState
	}{
		"strict in the root namespace":        {[]string{strict}, state(true, root)},
		"permissive in the root namespace":    {[]string{object("istio-system", "default", `"mtls":{"mode":"PERMISSIVE"}`)}, state(false, root)},
		"strict for some pods alone":          {[]string{object("istio-system", "default", `"selector":{"matchLabels":{"a":"b"}},"mtls":{"mode":"STRICT"}`)}, state(false, "no peerauthentication in istio-system asks for STRICT")},
		"strict in another namespace alone":   {[]string{object("shop", "default", `"mtls":{"mode":"STRICT"}`)}, state(false, "no peerauthentication in istio-system asks for STRICT")},
		"strict, but not in one namespace":    {[]string{strict, object("shop", "lax", `"mtls":{"mode":"DISABLE"}`)}, state(false, "peerauthentication/shop/lax spec.mtls.mode")},
		"strict, but not at one port":         {[]string{strict, object("shop", "lax", `"portLevelMtls":{"80":{"mode":"PERMISSIVE"}}`)}, state(false, "peerauthentication/shop/lax spec.portLevelMtls")},
		"strict, and inherited elsewhere":     {[]string{strict, object("shop", "a", `"mtls":{"mode":"UNSET"}`)}, state(true, root)},
		"strict, and an object not as it was": {[]string{strict, `{"spec":{"mtls":"STRICT"}}`}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := withStores(t)
			s.objects[peersPath] = tc.objects
			result, err := Collect(t.Context(), Options{Config: s.config(), SecretStores: true})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, result.Meshes); diff != "" || (tc.want == nil) != (len(result.Gaps) == 1) {
				t.Errorf("gaps %v (-want +got):\n%s", result.Gaps, diff)
			}
		})
	}
}

// A run that is stopped is no gap.
func TestStoresOfAStoppedRun(t *testing.T) {
	s := withStores(t)
	ctx, stop := context.WithCancel(t.Context())
	s.refuse = func(r *http.Request) *metav1.Status {
		if r.URL.Path == classesPath {
			stop()
			<-r.Context().Done()
		}
		return nil
	}
	if result, err := Collect(ctx, Options{Config: s.config(), SecretStores: true}); err == nil {
		t.Errorf("%+v", result)
	}
}

// Every resource that the table asks for is served under its name by some version of its
// project, and is asked for where it is served.
func TestEveryStoreResourceIsAskedFor(t *testing.T) {
	s := newServer(t)
	s.resources = map[string][]metav1.APIResource{}
	s.objects = map[string][]string{}
	var paths []string
	for _, store := range secretstore.All() {
		for _, r := range store.Resources {
			s.resources[r.Group+"/v1"] = append(s.resources[r.Group+"/v1"], metav1.APIResource{Name: r.Resource, Namespaced: true})
			path := "/apis/" + r.Group + "/v1/" + r.Resource
			s.objects[path] = []string{object("shop", "a", `"decryption":{"provider":"sops"}`)}
			paths = append(paths, path)
		}
	}
	result, err := Collect(t.Context(), Options{Config: s.config(), SecretStores: true})
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, store := range result.SecretStores {
		found += len(store.Resources)
	}
	if found != len(paths) || len(result.Gaps) > 0 {
		t.Errorf("%d of %d resources, gaps %v", found, len(paths), result.Gaps)
	}
	for _, path := range paths {
		if len(s.asked(path)) != 1 {
			t.Errorf("%s was asked for %d times", path, len(s.asked(path)))
		}
	}
}
