package report

import (
	"strings"
	"testing"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// The first line of a table says who ran it, if the API server said it and it fits.
func TestTableSaysWhoRanIt(t *testing.T) {
	const server, rest = "https://prod-eu:6443", "v1.37.2  40 nodes (39 measured)"
	long := strings.Repeat("a", 60)
	for name, tc := range map[string]struct {
		format string
		width  int
		edit   func(*api.ChecklistReport)
		want   string
	}{
		"a user":              {"table", 80, func(r *api.ChecklistReport) { r.Cluster.User = "jane" }, server + "  as jane  " + rest},
		"an unknown one":      {"table", 80, func(*api.ChecklistReport) {}, server + "  " + rest},
		"one that needs room": {"table", 80, func(r *api.ChecklistReport) { r.Cluster.User = long }, server + "  " + rest},
		"a wide table":        {"wide", 80, func(r *api.ChecklistReport) { r.Cluster.User = long }, server + "\nas " + long},
		"no terminal":         {"table", 0, func(r *api.ChecklistReport) { r.Cluster.User = long }, server + "  as " + long + "  " + rest},
		"no server":           {"table", 80, func(r *api.ChecklistReport) { r.Cluster.User, r.Cluster.Server = "jane", "" }, rest},
		"a directory": {"table", 80, func(r *api.ChecklistReport) {
			r.Cluster.User, r.Cluster.Server, r.Spec.Scope.Root, r.Spec.Scope.Local = "jane", "", "/mnt", true
		}, "this machine's directory /mnt  " + rest},
		"control characters": {"table", 80, func(r *api.ChecklistReport) { r.Cluster.User = "a\x1b[31m\nb" }, server + "  as a^[[31m b  " + rest},
		"a name of 1 MiB":    {"wide", 0, func(r *api.ChecklistReport) { r.Cluster.User = strings.Repeat("b", 1<<20) }, server + "  as " + strings.Repeat("b", maxUser) + " ...  " + rest},
	} {
		t.Run(name, func(t *testing.T) {
			report := &api.ChecklistReport{Cluster: api.ReportCluster{Server: server, Version: "v1.37.2", Nodes: 40, MeasuredNodes: 39}}
			tc.edit(report)
			got := printed(t, tc.format, Options{Width: tc.width}, report)
			head, _, _ := strings.Cut(got, "\n\n")
			if !strings.HasPrefix(head, tc.want) {
				t.Errorf("got  %q\nwant %q", head, tc.want)
			}
		})
	}
}
