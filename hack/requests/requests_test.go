package requests

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestOf(t *testing.T) {
	for request, want := range map[string]Access{
		"GET /version":                                           {Verb: "get", Path: "/version"},
		"GET /apis/apps/v1":                                      {Verb: "get", Path: "/apis/apps/v1"},
		"GET /api/v1/nodes?limit=5":                              {Verb: "list", Resource: "nodes"},
		"GET /api/v1/nodes/n":                                    {Verb: "get", Resource: "nodes", Name: "n"},
		"GET /api/v1/namespaces/x":                               {Verb: "get", Resource: "namespaces", Name: "x"},
		"PATCH /api/v1/namespaces/x":                             {Verb: "patch", Resource: "namespaces", Name: "x"},
		"GET /api/v1/namespaces/x/pods?watch=true":               {Verb: "watch", Resource: "pods", Namespace: "x"},
		"GET /api/v1/namespaces/x/pods?watch=false":              {Verb: "list", Resource: "pods", Namespace: "x"},
		"GET /api/v1/namespaces/x/pods/p/log?container=c":        {Verb: "get", Resource: "pods/log", Namespace: "x", Name: "p"},
		"POST /apis/batch/v1/namespaces/x/jobs?dryRun=All":       {Verb: "create", Group: "batch", Resource: "jobs", Namespace: "x"},
		"DELETE /api/v1/namespaces/x/pods/p":                     {Verb: "delete", Resource: "pods", Namespace: "x", Name: "p"},
		"DELETE /api/v1/namespaces/x/pods":                       {Verb: "deletecollection", Resource: "pods", Namespace: "x"},
		"PUT /apis/coordination.k8s.io/v1/namespaces/x/leases/l": {Verb: "update", Group: "coordination.k8s.io", Resource: "leases", Namespace: "x", Name: "l"},
	} {
		method, target, _ := strings.Cut(request, " ")
		if diff := cmp.Diff(want, Of(httptest.NewRequest(method, target, nil))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", request, diff)
		}
	}
}

func TestPermits(t *testing.T) {
	rule := func(group, resource, name string, verbs ...string) rbacv1.PolicyRule {
		r := rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: verbs}
		if name != "" {
			r.ResourceNames = []string{name}
		}
		return r
	}
	grants := Grants(
		&rbacv1.ClusterRole{Rules: []rbacv1.PolicyRule{
			rule("", "namespaces", "x", "get", "delete"), {NonResourceURLs: []string{"/version", "/apis/*"}, Verbs: []string{"get"}},
		}},
		&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: "x"}, Rules: []rbacv1.PolicyRule{rule("batch", "jobs", "", "list")}},
		&rbacv1.RoleBinding{},
	)
	get := Access{Verb: "get", Resource: "namespaces", Name: "x"}
	version := Access{Verb: "get", Path: "/version"}
	jobs := Access{Verb: "list", Group: "batch", Resource: "jobs", Namespace: "x"}
	for name, tc := range map[string]struct {
		access Access
		want   bool
	}{
		"a named object":                       {get, true},
		"a path below one with a star":         {Access{Verb: "get", Path: "/apis/apps/v1"}, true},
		"the path above a star":                {Access{Verb: "get", Path: "/apis"}, false},
		"another name":                         {Access{Verb: "get", Resource: "namespaces", Name: "y"}, false},
		"another verb":                         {Access{Verb: "patch", Resource: "namespaces", Name: "x"}, false},
		"a list of what is granted by name":    {Access{Verb: "list", Resource: "namespaces"}, false},
		"a path":                               {version, true},
		"another path":                         {Access{Verb: "get", Path: "/metrics"}, false},
		"in the role's namespace":              {jobs, true},
		"in another namespace":                 {Access{Verb: "list", Group: "batch", Resource: "jobs", Namespace: "y"}, false},
		"in all namespaces":                    {Access{Verb: "list", Group: "batch", Resource: "jobs"}, false},
		"the same resource of another group":   {Access{Verb: "list", Resource: "jobs", Namespace: "x"}, false},
		"a subresource of a granted resource":  {Access{Verb: "list", Group: "batch", Resource: "jobs/status", Namespace: "x"}, false},
		"a resource with the name of the path": {Access{Verb: "get", Resource: "/version"}, false},
	} {
		if got := Permits(grants, tc.access); got != tc.want {
			t.Errorf("%s: permitted %v, want %v", name, got, tc.want)
		}
	}
	if diff := cmp.Diff([]string{"delete namespaces", "list jobs in x"}, Unused(grants, []Access{get, version})); diff != "" {
		t.Errorf("unused (-want +got):\n%s", diff)
	}
	if unused := Unused(grants, []Access{get, {Verb: "delete", Resource: "namespaces", Name: "x"}, version, jobs}); unused != nil {
		t.Errorf("unused %q, want none", unused)
	}
}
