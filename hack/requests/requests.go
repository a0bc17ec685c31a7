// Package requests reads requests to an API server as its authorizer does, for tests that
// compare requests with what roles grant.
package requests

import (
	"net/http"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// An Access is what RBAC decides about. Either Path is set, for a path that is not a
// resource ("/version"), or the other fields are.
type Access struct {
	Verb      string // get, list, watch, create, update, patch, delete, deletecollection
	Group     string // "" for core
	Resource  string // with its subresource: "pods/log"
	Namespace string // "" for all namespaces, and for objects in no namespace
	Name      string // "" for lists and creates
	Path      string
}

// Of returns what a request asks for, by the rules of k8s.io/apiserver
// (pkg/endpoints/request, RequestInfoFactory), as far as our clients need them.
func Of(r *http.Request) Access {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	var a Access
	switch {
	case parts[0] == "api" && len(parts) > 2:
		parts = parts[2:]
	case parts[0] == "apis" && len(parts) > 3:
		a.Group, parts = parts[1], parts[3:]
	default:
		return Access{Verb: strings.ToLower(r.Method), Path: r.URL.Path}
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		a.Namespace, parts = parts[1], parts[2:]
	}
	a.Resource = parts[0]
	if len(parts) > 1 {
		a.Name = parts[1]
	}
	if len(parts) > 2 {
		a.Resource += "/" + parts[2]
	}
	watch := r.URL.Query().Get("watch")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		switch {
		case a.Name != "":
			a.Verb = "get"
		case watch == "true" || watch == "1":
			a.Verb = "watch"
		default:
			a.Verb = "list"
		}
	case http.MethodPost:
		a.Verb = "create"
	case http.MethodPut:
		a.Verb = "update"
	case http.MethodPatch:
		a.Verb = "patch"
	case http.MethodDelete:
		if a.Verb = "delete"; a.Name == "" {
			a.Verb = "deletecollection"
		}
	}
	return a
}

// A Grant is one rule that somebody has in a namespace, "" for everywhere.
type Grant struct {
	Namespace string
	Rule      rbacv1.PolicyRule
}

// Grants returns the rules of ClusterRoles and Roles, as if each were bound in its own
// scope: a ClusterRole by a ClusterRoleBinding.
func Grants(objects ...any) []Grant {
	var grants []Grant
	for _, o := range objects {
		switch o := o.(type) {
		case *rbacv1.ClusterRole:
			for _, rule := range o.Rules {
				grants = append(grants, Grant{"", rule})
			}
		case *rbacv1.Role:
			for _, rule := range o.Rules {
				grants = append(grants, Grant{o.Namespace, rule})
			}
		}
	}
	return grants
}

// Permits reports whether a grant permits an access. Of wildcards it knows only all resources of
// a group, which is the least for a group whose resources have any name.
func (g *Grant) Permits(a Access) bool {
	if !slices.Contains(g.Rule.Verbs, a.Verb) {
		return false
	}
	if a.Path != "" {
		return g.Namespace == "" && slices.ContainsFunc(g.Rule.NonResourceURLs, func(url string) bool {
			below, all := strings.CutSuffix(url, "*") // as RBAC has it, at the end alone
			return url == a.Path || all && strings.HasPrefix(a.Path, below)
		})
	}
	return (g.Namespace == "" || g.Namespace == a.Namespace) &&
		slices.Contains(g.Rule.APIGroups, a.Group) && (slices.Contains(g.Rule.Resources, a.Resource) || slices.Contains(g.Rule.Resources, "*")) &&
		(len(g.Rule.ResourceNames) == 0 || slices.Contains(g.Rule.ResourceNames, a.Name))
}

// Permits reports whether one of the grants permits an access.
func Permits(grants []Grant, a Access) bool {
	return slices.ContainsFunc(grants, func(g Grant) bool { return g.Permits(a) })
}

// Unused names verbs that grants permit and no request used.
func Unused(grants []Grant, asked []Access) []string {
	var unused []string
	for _, g := range grants {
		for _, verb := range g.Rule.Verbs {
			one := g
			one.Rule.Verbs = []string{verb}
			if slices.ContainsFunc(asked, one.Permits) {
				continue
			}
			what := verb + " " + strings.Join(slices.Concat(g.Rule.Resources, g.Rule.NonResourceURLs), ",")
			if g.Namespace != "" {
				what += " in " + g.Namespace
			}
			unused = append(unused, what)
		}
	}
	return unused
}
