package checks

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func TestFieldsUnread(t *testing.T) {
	workloads := []fact.Workload{{Owner: fact.Subject{Kind: fact.SubjectPod, Name: "a"}}}
	for name, tc := range map[string]struct {
		set  fact.Set
		want int
	}{
		"facts of this version have the fields": {fact.Set{FieldsRead: true, PodScope: fact.PodsAll, Workloads: workloads}, 0},
		"facts of an earlier version do not":    {fact.Set{PodScope: fact.PodsAll, Workloads: workloads}, 1},
		"a manifest of an earlier version":      {fact.Set{Workloads: workloads}, 1},
		"no pods were listed: a gap says so":    {fact.Set{}, 0},
		"a snapshot has no pods":                {fact.Set{Snapshot: &fact.EtcdDB{}, Workloads: workloads}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got := NewView(&tc.set).FieldsUnread()
			if len(got) != tc.want {
				t.Fatalf("want %d findings, got %v", tc.want, got)
			}
			if tc.want == 1 && (got[0].Reason != fact.NotRequested || got[0].Evidence[0].Source != "facts fieldsRead") {
				t.Errorf("got %+v", got[0])
			}
		})
	}
}

func TestMetadataField(t *testing.T) {
	for path, want := range map[string]string{
		"spec":                                "o metadata.labels",
		"spec.template.spec":                  "o spec.template.metadata.labels",
		"spec.jobTemplate.spec.template.spec": "o spec.jobTemplate.spec.template.metadata.labels",
		"":                                    "o metadata.labels",
	} {
		if got := MetadataField(&fact.Workload{Spec: fact.PodSpec{Origin: "o", Path: path}}, "labels"); got != want {
			t.Errorf("%q: want %q, got %q", path, want, got)
		}
	}
}
