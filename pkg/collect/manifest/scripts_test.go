package manifest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// A script of a ConfigMap is evaluated whether the ConfigMap comes before the workload or after
// it, in the same file or another one.
func TestScriptsOfConfigMaps(t *testing.T) {
	const pod = `apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec:
  containers: [{name: app, image: x, command: [sh, /scripts/start.sh], volumeMounts: [{name: v, mountPath: /scripts}]}]
  volumes: [{name: v, configMap: {name: web}}]
`
	const scripts = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web, namespace: shop}\ndata: {start.sh: 'apk add CANARY'}\n"
	for name, tc := range map[string]struct {
		files  map[string]string
		unread fact.Reason
	}{
		"before it":             {map[string]string{"a.yaml": scripts + "---\n" + pod}, ""},
		"after it":              {map[string]string{"a.yaml": pod + "---\n" + scripts}, ""},
		"in a later file":       {map[string]string{"a.yaml": pod, "b.yaml": scripts}, ""},
		"without a namespace":   {map[string]string{"a.yaml": pod, "b.yaml": strings.Replace(scripts, ", namespace: shop", "", 1)}, ""},
		"of another namespace":  {map[string]string{"a.yaml": pod, "b.yaml": strings.Replace(scripts, "shop", "other", 1)}, fact.NotPresent},
		"not there":             {map[string]string{"a.yaml": pod}, fact.NotPresent},
		"with another key":      {map[string]string{"a.yaml": pod, "b.yaml": strings.Replace(scripts, "start.sh", "stop.sh", 1)}, fact.NotPresent},
		"that is no script":     {map[string]string{"a.yaml": pod, "b.yaml": strings.Replace(scripts, "apk add", "if then (((", 1)}, fact.Unsupported},
		"that is read in items": {map[string]string{"a.json": `{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web","namespace":"shop"},"data":{"start.sh":"apk add x"}}]}`, "b.yaml": pod}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, tc.files)
			got, err := workloadsOf(Read(t.Context(), Files{Filenames: []string{"."}}, "", nil))
			if err != nil || len(got) != 1 {
				t.Fatalf("%d workloads, %v", len(got), err)
			}
			app := got[0].Spec.Containers[0]
			want := []fact.MountedCode{{
				Volume: "v", Mount: "/scripts", Field: "command[1]", Interpreter: "sh", ConfigMap: "web", Key: "start.sh", Unread: tc.unread,
			}}
			if diff := cmp.Diff(want, app.Code); diff != "" {
				t.Errorf("code (-want +got):\n%s", diff)
			}
			var installs []fact.Install
			if tc.unread == "" {
				installs = []fact.Install{{Class: fact.PackageManager, What: "apk add", Field: "command[1]", Script: "web[start.sh]"}}
			}
			if diff := cmp.Diff(installs, app.Installs); diff != "" {
				t.Errorf("installs (-want +got):\n%s", diff)
			}
		})
	}
}
