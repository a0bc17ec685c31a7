package cluster

import (
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// API servers are counted by leases that have not expired, by the clock of the
// newest renewal: this machine's may be hours off.
func TestAPIServers(t *testing.T) {
	servers := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	lease := func(age time.Duration, seconds int32) coordinationv1.Lease {
		renewed := metav1.NewMicroTime(servers.Add(-age))
		return coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{RenewTime: &renewed, LeaseDurationSeconds: &seconds}}
	}
	one := 1
	three := 3
	none := 0
	for name, tc := range map[string]struct {
		leases []coordinationv1.Lease
		refuse bool
		want   *int
	}{
		"none":                     {nil, false, &none},
		"one":                      {[]coordinationv1.Lease{lease(0, 3600)}, false, &one},
		"three":                    {[]coordinationv1.Lease{lease(0, 3600), lease(9*time.Second, 3600), lease(time.Hour, 3600)}, false, &three},
		"one that was removed":     {[]coordinationv1.Lease{lease(0, 3600), lease(time.Hour+time.Second, 3600)}, false, &one},
		"one that says nothing":    {[]coordinationv1.Lease{lease(0, 3600), {}}, false, &one},
		"leases that are not ours": {[]coordinationv1.Lease{lease(0, 3600)}, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.leases = tc.leases
			if tc.refuse {
				s.refuse = refuseAll("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases", forbidden)
			}
			result := collect(t, Options{Config: s.config(), APIServers: true})
			got := result.Cluster.APIServers
			if (got == nil) != (tc.want == nil) || got != nil && *got != *tc.want {
				t.Errorf("want %v, got %v", tc.want, got)
			}
			if len(result.Gaps) > 0 {
				t.Errorf("nothing depends on leases alone, but there are gaps: %v", result.Gaps)
			}
		})
	}
	s := newServer(t)
	if got := collect(t, Options{Config: s.config(), Nodes: true}).Cluster.APIServers; got != nil {
		t.Errorf("not asked for, counted %d", *got)
	}
}
