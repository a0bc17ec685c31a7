package cluster

import (
	"context"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// maxNames is how many names Names returns at most: more than anyone reads.
const maxNames = 500

// Names lists the names of a resource, sorted, in one namespace or, if that is
// "", in all of them. It asks only for metadata, and only for one page.
func Names(ctx context.Context, config *rest.Config, resource schema.GroupVersionResource, namespace string) ([]string, error) {
	c, err := newClients(config)
	if err != nil {
		return nil, err
	}
	items, _, err := c.listMetadata(resource, namespace)(ctx, metav1.ListOptions{Limit: maxNames})
	if err != nil {
		return nil, err
	}
	names := make([]string, len(items))
	for i := range items {
		names[i] = items[i].Name
	}
	slices.Sort(names)
	return names, nil
}
