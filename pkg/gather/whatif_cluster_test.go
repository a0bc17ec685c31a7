package gather

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/whatif"
)

// secretValue is a value of the objects of the tests. No error may quote it.
const secretValue = "hunter2-of-the-tests"

// webDeployment is a Deployment as an API server gives it.
const webDeployment = `{"apiVersion":"apps/v1","kind":"Deployment",
"metadata":{"name":"web","namespace":"shop","uid":"u-web","labels":{"app":"web"}},
"spec":{"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},
"spec":{"volumes":[{"name":"data","persistentVolumeClaim":{"claimName":"data"}}],
"containers":[{"name":"app","image":"registry.example/app:v1","env":[{"name":"PASSWORD","value":"` + secretValue + `"}],
"volumeMounts":[{"name":"data","mountPath":"/data"}],"securityContext":{"privileged":true}}]}}}}`

// changeServer answers requests for single objects. It notes their paths.
func changeServer(t *testing.T, objects map[string]string) (*rest.Config, *[]string) {
	t.Helper()
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.Path)
		w.Header().Set("Content-Type", "application/json")
		text, found := objects[r.URL.Path]
		if !found {
			w.WriteHeader(http.StatusForbidden)
			text = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","message":"` + secretValue + `","code":403}`
		}
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(server.Close)
	return &rest.Config{Host: server.URL, QPS: -1}, &asked
}

// changeSet are two Deployments whose pods run on a node that was measured.
func changeSet() *fact.Set {
	of := func(name, uid, id string) fact.Workload {
		return fact.Workload{
			Owner:  fact.Subject{Kind: "Deployment", Namespace: "shop", Name: name},
			Object: &fact.Object{APIVersion: "apps/v1", Resource: "deployments", UID: "u-" + name, Template: "spec.template.spec"},
			Spec: fact.PodSpec{
				Origin: "pod/shop/" + name + "-1", Path: "spec",
				Volumes:    []fact.Volume{{Name: "data", Field: "spec.volumes[0]", Source: "persistentVolumeClaim", HostPath: "/srv/data", HostPathFrom: "pv-1"}},
				Containers: []fact.Container{{Name: "app", Type: fact.RegularContainer, Field: "spec.containers[0]"}},
			},
			Pods: []fact.Pod{{Name: name + "-1", UID: uid, Node: "w1", Phase: "Running", Containers: []fact.ContainerStatus{{Name: "app", ID: id, Running: true}}}},
		}
	}
	return &fact.Set{
		Workloads: []fact.Workload{of("db", "pod-db", strings.Repeat("d", 64)), of("web", "pod-web", strings.Repeat("e", 64))},
		Nodes: []fact.Node{{Name: "w1", Measured: &fact.Measurement{
			Containers: []fact.MeasuredContainer{{ID: strings.Repeat("d", 64), PodUID: "pod-db"}, {ID: strings.Repeat("e", 64), PodUID: "pod-web"}},
			Gaps:       []fact.NodeGap{{What: fact.Upperdir, Container: strings.Repeat("e", 64), Reason: fact.Timeout}, {What: fact.Upperdir, Container: strings.Repeat("d", 64), Reason: fact.Timeout}},
		}}},
		Namespaces:  []fact.Namespace{{Name: "shop", Origin: "namespace/shop"}},
		Enforcement: &fact.Enforcement{DryRuns: []fact.DryRun{{Namespace: "shop"}, {Namespace: "other"}}},
		Count:       &fact.ReadCount{Objects: 2, Workloads: 2, Pods: 2},
	}
}

// changesIn loads changes from files of a new directory.
func changesIn(t *testing.T, files map[string]string) *whatif.Changes {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	changes, err := whatif.Load(t.Context(), dir, whatif.Options{Namespace: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

const webTargets = `{"apiVersion":"kubectl-checklist.github.io/v1alpha1","kind":"PatchTargets","patches":[{"path":"patches/web.all.json","apiVersion":"apps/v1","kind":"Deployment","name":"web","namespace":"shop"}]}`

func webPatch(operations ...string) map[string]string {
	return map[string]string{"targets.json": webTargets, "patches/web.all.json": "[" + strings.Join(operations, ",") + "]"}
}

const (
	testUID       = `{"op":"test","path":"/metadata/uid","value":"u-web"}`
	notPrivileged = `{"op":"replace","path":"/spec/template/spec/containers/0/securityContext/privileged","value":false}`
)

// What a patch makes of a Deployment is judged by its template, without its pods and what was
// measured of them. Others keep theirs.
func TestChangeOfACluster(t *testing.T) {
	config, asked := changeServer(t, map[string]string{"/apis/apps/v1/namespaces/shop/deployments/web": webDeployment})
	c := Cluster{Config: config, Changes: changesIn(t, webPatch(testUID, notPrivileged))}
	set := changeSet()
	changed, err := c.change(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"GET /apis/apps/v1/namespaces/shop/deployments/web"}; !slices.Equal(*asked, want) {
		t.Errorf("asked %q, want %q", *asked, want)
	}
	before := set.Nodes[0].Measured
	changed.put(set, []fact.Kind{fact.Processes, fact.Mounts})
	if len(set.Workloads) != 2 || set.Workloads[0].Owner.Name != "db" || len(set.Workloads[0].Pods) != 1 {
		t.Fatalf("workloads %+v", set.Workloads)
	}
	web := &set.Workloads[1]
	if web.Owner.Name != "web" || len(web.Pods) != 0 || web.Spec.Path != "spec.template.spec" || web.Spec.Origin != "deployment/shop/web" {
		t.Errorf("the changed workload is %+v", web)
	}
	if p := web.Spec.Containers[0].Privileged; p == nil || *p {
		t.Errorf("privileged %v", p)
	}
	if v := web.Spec.Volumes[0]; v.HostPath != "/srv/data" || v.Field != "spec.volumes[0]" {
		t.Errorf("what is behind a volume that did not change is lost: %+v", v)
	}
	m := set.Nodes[0].Measured
	if len(m.Containers) != 1 || m.Containers[0].PodUID != "pod-db" || len(m.Gaps) != 1 || len(before.Containers) != 2 {
		t.Errorf("measured %+v", m)
	}
	var gaps []string
	for _, g := range set.Gaps {
		gaps = append(gaps, string(g.Reason)+" "+string(g.What)+" "+g.Subject.Name)
	}
	if want := []string{"NotMeasured processes web", "NotMeasured mounts web"}; !slices.Equal(gaps, want) {
		t.Errorf("gaps %q, want %q", gaps, want)
	}
	if set.Count.Pods != 1 || set.Count.Workloads != 2 || set.Count.Objects != 2 {
		t.Errorf("count %+v", set.Count)
	}
	if text, err := json.Marshal(set); err != nil || strings.Contains(string(text), secretValue) {
		t.Errorf("the facts hold a value of the environment (%v)", err)
	}
}

// A change that cannot be applied is an error, and nothing of the set is changed. No error quotes
// a value.
func TestChangeFails(t *testing.T) {
	web := map[string]string{"/apis/apps/v1/namespaces/shop/deployments/web": webDeployment}
	whole := func(namespace string) map[string]string {
		return map[string]string{"new.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: new, namespace: " + namespace + "}\nspec: {containers: [{name: a, image: b}]}\n"}
	}
	for name, test := range map[string]struct {
		objects, files map[string]string
		want           string
	}{
		"another uid":    {web, webPatch(`{"op":"test","path":"/metadata/uid","value":"`+secretValue+`"}`, notPrivileged), "operation 1 of 2 (test /metadata/uid): the object has something else there"},
		"no such field":  {web, webPatch(testUID, `{"op":"remove","path":"/spec/template/spec/hostPID"}`), "operation 2 of 2 (remove /spec/template/spec/hostPID): "},
		"forbidden":      {nil, webPatch(notPrivileged), "reading Deployment shop/web: this user may not get it (deployments)"},
		"no pod spec":    {web, webPatch(`{"op":"replace","path":"/spec/template/spec","value":"` + secretValue + `"}`), "spec.template.spec: expected a pod spec, found a string"},
		"renames":        {web, webPatch(`{"op":"replace","path":"/metadata/name","value":"` + secretValue + `"}`), "it changes the kind, the name or the namespace of the object"},
		"hits nothing":   {web, map[string]string{"kustomization.yaml": "kind: Component\npatches: [{patch: '" + notPrivileged1 + "', target: {kind: Deployment, name: nothing}}]\n"}, "it hits nothing: no Deployment nothing in what was read"},
		"out of scope":   {web, whole("elsewhere"), "its namespace is not looked at"},
		"labels differ":  {web, map[string]string{"kustomization.yaml": "kind: Component\npatches: [{patch: '" + notPrivileged1 + "', target: {kind: Deployment, name: web, labelSelector: app=db}}]\n"}, "it hits nothing: no Deployment web with these labels"},
		"half of it":     {web, map[string]string{"targets.json": strings.Replace(webTargets, "}]}", `},{"path":"patches/web.all.json","apiVersion":"apps/v1","kind":"Deployment","name":"gone","namespace":"shop"}]}`, 1), "patches/web.all.json": "[" + notPrivileged + "]"}, "it hits nothing: no Deployment shop/gone"},
		"another object": {map[string]string{"/apis/apps/v1/namespaces/shop/deployments/web": `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"` + secretValue + `"}}`}, webPatch(notPrivileged), "reading Deployment shop/web: the server answered with another object"},
	} {
		config, _ := changeServer(t, test.objects)
		c := Cluster{Config: config, Namespace: "shop", Changes: changesIn(t, test.files)}
		set := changeSet()
		_, err := c.change(t.Context(), set)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), secretValue) {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
		if len(set.Workloads) != 2 || len(set.Workloads[1].Pods) != 1 || len(set.Gaps) != 0 {
			t.Errorf("%s: something was changed", name)
		}
	}
}

const notPrivileged1 = `[` + notPrivileged + `]`

// Labels of a namespace change what Pod Security says of it, and what the API server refused there
// is not known any more. A policy leaves that open everywhere. A new workload is judged, too.
func TestChangeOfNamespacesAndPolicies(t *testing.T) {
	config, _ := changeServer(t, map[string]string{"/api/v1/namespaces/shop": `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop","uid":"u"}}`})
	c := Cluster{Config: config, Changes: changesIn(t, map[string]string{
		"ns.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {pod-security.kubernetes.io/enforce: restricted}}\n",
	})}
	set := changeSet()
	changed, err := c.change(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	changed.put(set, nil)
	if len(set.Namespaces) != 1 || set.Namespaces[0].Enforce != "restricted" || set.Namespaces[0].Origin == "namespace/shop" {
		t.Errorf("namespaces %+v", set.Namespaces)
	}
	if d := set.Enforcement.DryRuns; len(d) != 1 || d[0].Namespace != "other" || len(set.Workloads[1].Pods) != 1 {
		t.Errorf("dry runs %+v", d)
	}
	c.Changes = changesIn(t, map[string]string{"policy.yaml": "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata: {name: ro}\nspec: {}\n" +
		"---\napiVersion: v1\nkind: Pod\nmetadata: {name: new}\nspec: {containers: [{name: a, image: b}]}\n"})
	if changed, err = c.change(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	changed.put(set, nil)
	if set.Enforcement != nil || len(set.Gaps) != 1 || set.Gaps[0].What != fact.Enforcing || set.Gaps[0].Reason != fact.NotMeasured {
		t.Errorf("enforcement %+v, gaps %+v", set.Enforcement, set.Gaps)
	}
	if n := len(set.Workloads); n != 3 || whatIf(c.Changes).Added != 2 {
		t.Errorf("%d workloads, %+v", n, whatIf(c.Changes))
	}
}

// A run on a cluster judges the changed objects, says so in its scope, and sends nothing but GET.
func TestGatherWithChanges(t *testing.T) {
	s := newDemo(t)
	var (
		mu    sync.Mutex
		asked []string
	)
	handler := s.Config.Handler
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.Method)
		mu.Unlock()
		if r.URL.Path == "/api/v1/namespaces/shop/pods/web-1" {
			w.Header().Set("Content-Type", "application/json")
			pod := demoPod("shop", "web-1", "w1")
			_ = json.NewEncoder(w).Encode(pod)
			return
		}
		handler.ServeHTTP(w, r)
	})
	got, _, _ := gathered(t, s, Cluster{
		Kinds: []fact.Kind{fact.Pods}, Objects: true,
		Changes: changesIn(t, map[string]string{"kustomization.yaml": "kind: Component\npatches: [{patch: '[{\"op\":\"add\",\"path\":\"/spec/hostPID\",\"value\":true}]', target: {kind: Pod, name: web-1}}]\n"}),
	})
	if w := got.Scope.WhatIf; w == nil || w.Patches != 1 || w.Patched != 1 {
		t.Errorf("the scope says %+v", w)
	}
	found := 0
	for _, w := range got.Set.Workloads {
		if changed := w.Owner.Name == "web-1"; w.Spec.HostPID != changed || (len(w.Pods) == 0) != changed {
			t.Errorf("%s: hostPID %v, %d pods", w.Owner.Name, w.Spec.HostPID, len(w.Pods))
		} else if changed {
			found++
		}
	}
	if found != 1 || slices.ContainsFunc(asked, func(m string) bool { return m != http.MethodGet }) {
		t.Errorf("%d changed workloads, requests %q", found, asked)
	}
}
