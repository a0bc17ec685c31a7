package cluster

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

const namespacesPath = "/api/v1/namespaces"

// The UID of kube-system is read if it is asked for. Without the right to it there is none.
func TestUID(t *testing.T) {
	system := partial("", "kube-system")
	system.UID = "6f1e0c3a-0000-4000-8000-000000000001"
	for name, tc := range map[string]struct {
		asked  bool
		refuse string
		want   string
	}{
		"asked for":     {asked: true, want: "6f1e0c3a-0000-4000-8000-000000000001"},
		"not asked for": {},
		"forbidden":     {asked: true, refuse: namespacesPath + "/kube-system"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.metadata[namespacesPath] = []metav1.PartialObjectMetadata{partial("", "shop"), system}
			s.refuse = func(r *http.Request) *metav1.Status {
				if r.URL.Path == tc.refuse {
					return forbidden
				}
				return nil
			}
			if got := collect(t, Options{Config: s.config(), Pods: true, Namespace: "shop", UID: tc.asked}); got.Cluster.UID != tc.want || len(got.Gaps) > 0 {
				t.Errorf("UID %q, want %q; gaps %v", got.Cluster.UID, tc.want, got.Gaps)
			}
		})
	}
}

// What the server calls a UID is bounded, and no control character of it is kept.
func TestUIDIsNotTrusted(t *testing.T) {
	system := partial("", "kube-system")
	system.UID = types.UID("\x1b[31m" + strings.Repeat("a", 1<<20))
	s := newServer(t)
	s.metadata[namespacesPath] = []metav1.PartialObjectMetadata{system}
	got := collect(t, Options{Config: s.config(), Pods: true, Namespace: "shop", UID: true}).Cluster.UID
	if got == "" || len(got) > 80 || strings.Contains(got, "\x1b") {
		t.Errorf("%d bytes: %.100q", len(got), got)
	}
}

func TestNamespaces(t *testing.T) {
	labelled := partial("", "shop")
	labelled.Labels = map[string]string{
		podSecurity + "enforce": "baseline", podSecurity + "enforce-version": "v1.30", podSecurity + "audit": "restricted",
		podSecurity + "warn": "nonsense", podSecurity + "warn-version": "latest", "team": "CANARY",
	}
	labelled.Annotations = map[string]string{"note": "CANARY"}
	shop := fact.Namespace{
		Name: "shop", Enforce: "baseline", EnforceVersion: "v1.30", Audit: "restricted", Warn: "nonsense", WarnVersion: "latest", Origin: "namespace/shop",
	}
	named := func(name string) fact.Namespace { return fact.Namespace{Name: name, Origin: "namespace/" + name} }
	failed := status(http.StatusInternalServerError, metav1.StatusReasonInternalError, "no")
	gap := func(reason fact.Reason, detail, hint string) []fact.Gap {
		return []fact.Gap{{What: fact.Namespaces, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: reason, Detail: detail, Hint: hint}}
	}
	for name, tc := range map[string]struct {
		namespace string
		refuse    string // path
		from      string // and page
		with      *metav1.Status
		want      []fact.Namespace
		read      bool
		gaps      []fact.Gap
	}{
		"all":              {want: []fact.Namespace{named("a"), named("b"), shop}, read: true},
		"the one in scope": {namespace: "shop", want: []fact.Namespace{shop}, read: true},
		"one that does not exist": {namespace: "gone", read: true, gaps: []fact.Gap{{
			What: fact.Namespaces, Subject: fact.Subject{Kind: fact.SubjectNamespace, Name: "gone"}, Reason: fact.NotPresent,
			Detail: "there is no such namespace", Hint: "check its name: kubectl get namespaces",
		}}},
		"listing is forbidden":            {refuse: namespacesPath, with: forbidden, gaps: gap(fact.Forbidden, "no right to list namespaces", "grant list on namespaces")},
		"getting is forbidden":            {namespace: "shop", refuse: namespacesPath + "/shop", with: forbidden, gaps: gap(fact.Forbidden, "no right to get namespaces", "grant get on namespaces")},
		"a page that fails costs no more": {refuse: namespacesPath, from: "2", with: failed, want: []fact.Namespace{named("a"), named("b")}, read: true, gaps: gap(fact.Unavailable, "listing namespaces: the API server did not answer", "run it again")},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.metadata[namespacesPath] = []metav1.PartialObjectMetadata{partial("", "b"), partial("", "a"), labelled}
			s.refuse = func(r *http.Request) *metav1.Status {
				if r.URL.Path == tc.refuse && r.URL.Query().Get("continue") == tc.from {
					return tc.with
				}
				return nil
			}
			result := collect(t, Options{Config: s.config(), Pods: true, Namespaces: true, Namespace: tc.namespace, PageSize: 2})
			if diff := cmp.Diff(tc.want, result.Namespaces); diff != "" || result.NamespacesRead != tc.read {
				t.Errorf("read %t, namespaces (-want +got):\n%s", result.NamespacesRead, diff)
			}
			if diff := cmp.Diff(tc.gaps, result.Gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
		})
	}
}
