package report

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

func TestAbout(t *testing.T) {
	at := metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	for name, test := range map[string]struct {
		head api.ChecklistReport
		want string
	}{
		"nothing is known": {want: "cluster without a name"},
		"a part of a cluster": {
			head: api.ChecklistReport{
				ObjectMeta: metav1.ObjectMeta{CreationTimestamp: at},
				Cluster:    api.ReportCluster{Name: "prod", Server: "https://10.0.0.1", Nodes: 3, MeasuredNodes: 2},
				Spec:       api.ReportSpec{Scope: api.Scope{Narrowed: "only namespace shop"}},
			},
			want: "cluster prod; 3 nodes (2 measured); only namespace shop; collected at 2026-01-02T03:04:05Z",
		},
		"a server":    {head: api.ChecklistReport{Cluster: api.ReportCluster{Server: "https://10.0.0.1"}}, want: "cluster https://10.0.0.1"},
		"a machine":   {head: api.ChecklistReport{Spec: api.ReportSpec{Scope: api.Scope{Local: true}}}, want: "this machine"},
		"a directory": {head: api.ChecklistReport{Spec: api.ReportSpec{Scope: api.Scope{Local: true, Root: "/mnt"}}}, want: "this machine's directory /mnt"},
		"a snapshot":  {head: api.ChecklistReport{Spec: api.ReportSpec{Scope: api.Scope{Snapshot: "a.db"}}}, want: "snapshot a.db"},
		"changes that nobody applied": {
			head: api.ChecklistReport{Spec: api.ReportSpec{Scope: api.Scope{Files: []string{"a", "b"}, WhatIf: &api.WhatIf{Directory: "c", Added: 2}}}},
			want: "files a, b; WHAT IF c were applied (nothing was): 2 objects added",
		},
		"hostile": {
			head: api.ChecklistReport{Cluster: api.ReportCluster{Name: "a\n\x1b[31m" + strings.Repeat("b", 1<<20)}, Spec: api.ReportSpec{Scope: api.Scope{Narrowed: "c"}}},
			want: "cluster a ^[[31m" + strings.Repeat("b", 184) + " ...; c",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := About(&test.head); got != test.want {
				t.Errorf("expected %q, found %q", test.want, got)
			}
		})
	}
}
