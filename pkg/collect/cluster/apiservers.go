package cluster

import (
	"context"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// leaseSelector chooses the lease that each API server holds in kube-system and
// renews every ten seconds (KEP-1965).
const leaseSelector = "apiserver.kubernetes.io/identity=kube-apiserver"

// serverLeases returns them, nil if they could not be read: no verdict depends only on
// this right.
func (c *clients) serverLeases(ctx context.Context) *coordinationv1.LeaseList {
	list, err := c.leases.Leases(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{LabelSelector: leaseSelector})
	if err != nil {
		return nil
	}
	return list
}

// countServers counts the API servers whose lease has not expired, nil if the leases were
// not read. Expiry is measured against the newest renewal, because that is the servers'
// clock and not ours.
func countServers(list *coordinationv1.LeaseList) *int {
	if list == nil {
		return nil
	}
	var newest time.Time
	for i := range list.Items {
		if renewed := list.Items[i].Spec.RenewTime; renewed != nil && renewed.After(newest) {
			newest = renewed.Time
		}
	}
	n := 0
	for i := range list.Items {
		spec := &list.Items[i].Spec
		if spec.RenewTime != nil && spec.LeaseDurationSeconds != nil &&
			!spec.RenewTime.Add(time.Duration(*spec.LeaseDurationSeconds)*time.Second).Before(newest) {
			n++
		}
	}
	return &n
}
