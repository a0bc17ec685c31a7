package remedy

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// deploymentOf is a Deployment with one container, which is privileged or as good as can be.
func deploymentOf(apiVersion, namespace, container string, good bool) string {
	spec := `securityContext: {privileged: true}`
	pod := ""
	if good {
		spec = `securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}`
		pod = "automountServiceAccountToken: false, securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}, "
	}
	in := ""
	if namespace != "" {
		in = ", namespace: " + namespace
	}
	return fmt.Sprintf("apiVersion: %s\nkind: Deployment\nmetadata: {name: web%s}\nspec: {template: {spec: {%scontainers: [{name: %s, image: \"x@sha256:%s\", %s}]}}}\n",
		apiVersion, in, pod, container, strings.Repeat("0", 64), spec)
}

func plansOf(t *testing.T, documents ...string) []Plan {
	t.Helper()
	file := filepath.Join(t.TempDir(), "all.yaml")
	if err := os.WriteFile(file, []byte(strings.Join(documents, "---\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	set, findings := judge(t, file)
	return NewPlanner(set, findings).Plans()
}

// A component changes only the object that it is made of, also beside objects of the same name:
// one without a namespace, and one that has no finding.
func TestComponentTellsNamesakesApart(t *testing.T) {
	for name, documents := range map[string][]string{
		"each fails":          {deploymentOf("apps/v1", "", "a", false), deploymentOf("apps/v1", "shop", "b", false), deploymentOf("apps/v1", "blog", "c", false)},
		"one has no finding":  {deploymentOf("apps/v1", "shop", "a", false), deploymentOf("apps/v1", "blog", "b", true)},
		"the other one has":   {deploymentOf("apps/v1", "shop", "a", true), deploymentOf("apps/v1", "", "b", false)},
		"an only one is free": {deploymentOf("apps/v1", "shop", "a", false)},
	} {
		t.Run(name, func(t *testing.T) {
			memory := filesys.MakeFsInMemory()
			for _, f := range Files(plansOf(t, documents...), FilesOptions{Name: "x"}) {
				if strings.HasPrefix(f.Name, "component/all/") {
					write(t, memory, "/"+f.Name, string(f.Data))
				}
			}
			write(t, memory, "/base/all.yaml", strings.Join(documents, "---\n"))
			write(t, memory, "/base/kustomization.yaml", "resources: [all.yaml]\ncomponents: [../component/all]\n")
			built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(memory, "/base")
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range built.Resources() {
				data, err := r.MarshalJSON()
				if err != nil {
					t.Fatal(err)
				}
				if strings.Count(string(data), `"image"`) != 1 || strings.Count(string(data), `"name":`) != 2 || !strings.Contains(string(data), `"readOnlyRootFilesystem":true`) {
					t.Errorf("%s: %s", r.GetNamespace(), data)
				}
			}
		})
	}
}

// Two documents that declare the same object are two plans, and no component has them: a target
// selects both. Kinds of two groups are no such documents.
func TestDocumentsOfOneName(t *testing.T) {
	plans := plansOf(t, deploymentOf("apps/v1", "shop", "a", false), deploymentOf("apps/v1", "shop", "b", false))
	if len(plans) != 2 {
		t.Fatalf("plans: want 2, got %d", len(plans))
	}
	files := Files(plans, FilesOptions{Name: "x"})
	if names := fileNames(files); len(names) != 1 {
		t.Errorf("files: %v", names)
	}
	readme := string(files[len(files)-1].Data)
	for _, want := range []string{"Container a: Set", "Container b: Set", "several documents declare"} {
		if !strings.Contains(readme, want) {
			t.Errorf("the README does not have %q:\n%s", want, readme)
		}
	}
	plans = plansOf(t, deploymentOf("apps/v1", "shop", "a", false), deploymentOf("example.com/v1", "shop", "b", false))
	var versions []string
	for i := range plans {
		versions = append(versions, plans[i].APIVersion)
	}
	slices.Sort(versions)
	if want := []string{"apps/v1", "example.com/v1"}; !slices.Equal(versions, want) {
		t.Errorf("plans of %v, want %v", versions, want)
	}
}
