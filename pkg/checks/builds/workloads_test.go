package builds

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	diff "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/podspec"
)

var update = flag.Bool("update", false, "write the golden files")

// Workloads as people write them, builders, CI runners and near misses, through the collector
// of pod specs. The verdicts in testdata/workloads.txt were labelled by hand: read every
// line that changes.
func TestWorkloads(t *testing.T) {
	file, err := os.ReadFile("testdata/workloads.yaml")
	if err != nil {
		t.Fatal(err)
	}
	set := &fact.Set{FieldsRead: true}
	for i, document := range bytes.Split(file, []byte("\n---\n")) {
		var object struct {
			Kind     string            `json:"kind"`
			Metadata metav1.ObjectMeta `json:"metadata"`
			Spec     struct {
				corev1.PodSpec `json:",inline"`
				Template       corev1.PodTemplateSpec `json:"template"`
			} `json:"spec"`
		}
		if err := yaml.Unmarshal(document, &object); err != nil {
			t.Fatalf("document %d: %v", i, err)
		}
		meta, spec, path := object.Metadata, object.Spec.PodSpec, "spec"
		if object.Kind != "Pod" {
			meta, spec, path = object.Spec.Template.ObjectMeta, object.Spec.Template.Spec, "spec.template.spec"
		}
		if len(spec.Containers) == 0 {
			t.Fatalf("document %d, %s %s: no containers", i, object.Kind, object.Metadata.Name)
		}
		set.Workloads = append(set.Workloads, fact.Workload{
			Owner: fact.Subject{Kind: object.Kind, Name: object.Metadata.Name},
			Spec:  podspec.From(strings.ToLower(object.Kind)+"/"+object.Metadata.Name, path, meta.Labels, meta.Annotations, &spec),
		})
	}
	var got strings.Builder
	for _, f := range checks.OfSet(judgeBuilderWorkload)(set) {
		if len(f.Evidence) == 0 {
			t.Errorf("no evidence: %+v", f)
		}
		fmt.Fprintf(&got, "%-8s %s/%s %s: %s\n", cmp.Or(string(f.Severity), string(f.Verdict)), f.Subject.Kind, f.Subject.Name,
			cmp.Or(f.Subject.Container, "(pod)"), strings.Replace(f.Message, noneRecognised, "none recognised", 1))
	}
	const golden = "testdata/workloads.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff.Diff(string(want), got.String()); d != "" {
		t.Errorf("verdicts (-want +got):\n%s", d)
	}
}
