package cluster

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// aggregated asks for all groups with their resources in one answer. Servers before 1.27
// answer with the groups alone.
// Source: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery
const aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList," +
	"application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"

// maxResources bounds the resources that are taken from discovery.
const maxResources = 20_000

// discovered is a resource that is not built in.
type discovered struct {
	served
	kind string
}

func (d *discovered) groupKind() schema.GroupKind {
	return schema.GroupKind{Group: d.Group, Kind: d.kind}
}

// name is the resource as RBAC and kubectl name it.
func (d *discovered) name() string { return d.Resource + "." + d.Group }

// builtin reports whether a group is one of Kubernetes' own, whose kinds are known without
// a schema.
func builtin(group string) bool {
	switch group {
	case "apiextensions.k8s.io", "apiregistration.k8s.io", "metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io":
		return true
	}
	return scheme.Scheme.IsGroupRegistered(group)
}

// groupList is either answer to /apis.
type groupList struct {
	Groups []metav1.APIGroup `json:"groups"`
	Items  []struct {
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Versions []struct {
			Version   string `json:"version"`
			Freshness string `json:"freshness"`
			Resources []struct {
				Resource     string `json:"resource"`
				ResponseKind struct {
					Kind string `json:"kind"`
				} `json:"responseKind"`
				Scope string   `json:"scope"`
				Verbs []string `json:"verbs"`
			} `json:"resources"`
		} `json:"versions"`
	} `json:"items"`
}

// resources lists the resources that can be listed and are not built in, in the version
// that the server prefers, sorted. Stale are groups of which the server knows nothing at
// the moment. The server is asked once, whoever wants to know it; nobody may change the
// lists.
func (c *clients) resources(ctx context.Context) (list []discovered, stale []string, err error) {
	d := &c.discovery
	d.once.Do(func() { d.list, d.stale, d.err = c.ask(ctx) })
	return d.list, d.stale, d.err
}

// discovery is what the API server has answered.
type discovery struct {
	once  sync.Once
	list  []discovered
	stale []string
	err   error
}

func (c *clients) ask(ctx context.Context) (list []discovered, stale []string, err error) {
	var groups groupList
	if err := c.getJSONAs(ctx, "/apis", aggregated, nil, &groups); err != nil {
		return nil, nil, err
	}
	seen := map[schema.GroupResource]bool{}
	add := func(group, version, resource, kind string, namespaced bool, verbs []string) {
		of := schema.GroupResource{Group: group, Resource: resource}
		usable := kind != "" && plainSegment(group) && plainSegment(version) && plainSegment(resource)
		if seen[of] || !usable || !slices.Contains(verbs, "list") || len(list) >= maxResources {
			return
		}
		seen[of] = true
		list = append(list, discovered{served{of.WithVersion(version), namespaced}, kind})
	}
	for _, group := range groups.Items {
		if builtin(group.Metadata.Name) {
			continue
		}
		for _, v := range group.Versions {
			if v.Freshness == "Stale" && len(v.Resources) == 0 {
				stale = append(stale, group.Metadata.Name)
			}
			for _, r := range v.Resources {
				add(group.Metadata.Name, v.Version, r.Resource, r.ResponseKind.Kind, r.Scope == "Namespaced", r.Verbs)
			}
		}
	}
	for _, group := range groups.Groups {
		if builtin(group.Name) || !plainSegment(group.Name) {
			continue
		}
		versions := []string{group.PreferredVersion.Version}
		for _, v := range group.Versions {
			if !slices.Contains(versions, v.Version) {
				versions = append(versions, v.Version)
			}
		}
		for _, version := range versions[:min(len(versions), maxVersions)] {
			if !plainSegment(version) {
				continue
			}
			var resources metav1.APIResourceList
			if err := c.getJSON(ctx, "/apis/"+group.Name+"/"+version, nil, &resources); err != nil {
				if ctx.Err() != nil {
					return nil, nil, err
				}
				stale = append(stale, group.Name)
				break
			}
			for _, r := range resources.APIResources {
				add(group.Name, version, r.Name, r.Kind, r.Namespaced, r.Verbs)
			}
		}
	}
	sorted.Func(list, func(a, b discovered) int {
		return cmp.Or(strings.Compare(a.Group, b.Group), strings.Compare(a.Resource, b.Resource))
	})
	slices.Sort(stale)
	return list, slices.Compact(stale), nil
}

// plainSegment reports whether text can be a part of a path as it is.
func plainSegment(text string) bool {
	if text == "" || len(text) > 253 || strings.Contains(text, "..") {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.'
	})
}

// staleGap is the gap of groups whose server does not answer.
func staleGap(groups []string) fact.Gap {
	return fact.Gap{
		What: fact.Templates, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: fact.Unavailable,
		Detail: "the API server does not know which resources these groups have: " + some(groups, 5), Hint: "run it again when their API server answers",
	}
}
