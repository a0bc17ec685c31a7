package catalogue

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/podspec"
)

// ofFields are the checks that testdata/pods is about: those of single fields of a pod.
var ofFields = []string{
	"builds/runtime-socket",
	"privileged/privileged-container", "privileged/added-capabilities", "privileged/runs-as-root", "privileged/host-namespaces", "privileged/host-path",
	"privileged/block-devices", "privileged/mount-propagation", "privileged/volume-types", "privileged/host-ports", "privileged/probe-host", "privileged/device-access",
	"privileged/privilege-escalation", "privileged/seccomp", "privileged/apparmor-selinux", "privileged/proc-mount", "privileged/sysctls",
	"privileged/shared-process-namespace", "privileged/service-account-token",
}

// alone are the checks of files that are about these only.
var alone = map[string][]string{
	"sockets.yaml": {"builds/runtime-socket", "privileged/host-path"},
	"hp2.yaml":     {"builds/runtime-socket", "privileged/host-path"},
}

// Each file of testdata/pods is judged as in its .want, which was checked by eye: all that
// fails and all that is unknown, with the fields. The passes are counted.
func TestPodsOfTheCases(t *testing.T) {
	files, err := filepath.Glob("testdata/pods/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			w := workloadOf(t, file)
			ids := ofFields
			if only := alone[filepath.Base(file)]; only != nil {
				ids = only
			}
			var selected []checks.Check
			for _, c := range All() {
				if slices.Contains(ids, c.ID) {
					selected = append(selected, c)
				}
			}
			if len(selected) != len(ids) {
				t.Fatalf("want %d checks, got %d", len(ids), len(selected))
			}
			set := &fact.Set{FieldsRead: true, InjectionRead: true, TemplatesRead: true, NamespacesRead: true, PodScope: fact.PodsSome, Workloads: []fact.Workload{w}}
			var out strings.Builder
			passes := map[string]int{}
			for _, f := range checks.JudgeSet(Plan(selected, ""), set).Findings {
				if f.Verdict == api.Pass {
					passes[f.Check]++
					continue
				}
				open := ""
				if f.Reason != "" {
					open = " (" + string(f.Reason) + ")"
				}
				fmt.Fprintf(&out, "%s %s %s %s%s\n  %s\n", f.Verdict, f.Severity, f.Check, f.Subject.Container, open, f.Message)
				for _, e := range f.Evidence {
					fmt.Fprintf(&out, "  %s: %s\n", e.Source, e.Value)
				}
			}
			for _, id := range ids {
				if passes[id] > 0 {
					fmt.Fprintf(&out, "pass %s: %d\n", id, passes[id])
				}
			}
			name := strings.TrimSuffix(file, ".yaml") + ".want"
			if *update {
				if err := os.WriteFile(name, []byte(out.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), out.String()); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// workloadOf reads a file of one object.
func workloadOf(t *testing.T, file string) fact.Workload {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var meta metav1.PartialObjectMetadata
	decode := func(into any) {
		if err := yaml.UnmarshalStrict(data, into); err != nil {
			t.Fatal(err)
		}
	}
	if err := yaml.Unmarshal(data, &meta); err != nil {
		t.Fatal(err)
	}
	origin, path := strings.ToLower(meta.Kind)+"/"+meta.Namespace+"/"+meta.Name, "spec.template.spec"
	var template corev1.PodTemplateSpec
	switch meta.Kind {
	case "Pod":
		var pod corev1.Pod
		decode(&pod)
		path, template.ObjectMeta, template.Spec = "spec", pod.ObjectMeta, pod.Spec
	case "DaemonSet":
		var set appsv1.DaemonSet
		decode(&set)
		template = set.Spec.Template
	case "Deployment":
		var d appsv1.Deployment
		decode(&d)
		template = d.Spec.Template
	default:
		t.Fatalf("a kind that the test does not know: %s", meta.Kind)
	}
	return fact.Workload{
		Owner: fact.Subject{Kind: meta.Kind, Namespace: meta.Namespace, Name: meta.Name},
		Spec:  podspec.From("x.yaml "+origin, path, template.Labels, template.Annotations, &template.Spec),
	}
}
