package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// If anything refuses, nothing is announced and nothing is created.
func TestPreflight(t *testing.T) {
	forbidden := func(resource, text string) *apierrors.StatusError {
		return apierrors.NewForbidden(corev1.Resource(resource), "x", errors.New(text))
	}
	const roles = "kubectl checklist manifests --only grants prints the rights that a run uses; --no-probe creates nothing and judges only what the API says"
	for name, tc := range map[string]struct {
		exists bool
		refuse map[string]*apierrors.StatusError
		denied string // resources that access reviews deny, with spaces around
		edit   func(*Options)
		want   *Failure
	}{
		"all is well":                            {},
		"all is well in a namespace that exists": {exists: true},
		"a right in the namespace is missing": {
			exists: true, denied: " pods/log configmaps ",
			want: &Failure{
				Reason: fact.Forbidden, Hint: roles,
				Detail: "rights that the probe needs are missing: create configmaps, list configmaps, delete configmaps, get pods/log in namespace kubectl-checklist",
			},
		},
		"rights on ConfigMaps do not matter with an image": {
			exists: true, denied: " configmaps nodes ", edit: func(o *Options) { o.Image = "example.com/probe:1" },
		},
		"the right to make namespaces matters where it is absent": {
			denied: " namespaces ",
			want: &Failure{
				Reason: fact.Forbidden, Detail: "rights that the probe needs are missing: create namespaces, delete namespaces",
				Hint: "namespace kubectl-checklist does not exist: use --probe-namespace with one that exists and admits pods with hostPID; --no-probe creates nothing and judges only what the API says",
			},
		},
		"but not where it exists": {exists: true, denied: " namespaces "},
		"a server without access reviews is asked by the requests themselves": {
			exists: true, refuse: map[string]*apierrors.StatusError{"POST selfsubjectaccessreviews": apierrors.NewInternalError(errors.New("off"))},
		},
		"Pod Security": {
			exists: true, refuse: map[string]*apierrors.StatusError{"POST pods dryRun": forbidden("pods", `violates PodSecurity "baseline:latest": host namespaces (hostPID=true)`)},
			want: &Failure{
				Reason: fact.AdmissionDenied,
				Detail: `trying to create a pod in namespace kubectl-checklist: pods "x" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostPID=true)`,
				Hint: "Pod Security refuses pods with hostPID or hostNetwork in namespace kubectl-checklist: use --probe-namespace with a namespace whose label " +
					"pod-security.kubernetes.io/enforce is privileged (a run creates a missing one like that), or --no-probe",
			},
		},
		"a webhook": {
			exists: true, refuse: map[string]*apierrors.StatusError{
				"POST pods dryRun": {ErrStatus: metav1.Status{Status: "Failure", Code: 400, Message: `admission webhook "policy.example" denied the request: no`}},
			},
			want: &Failure{
				Reason: fact.AdmissionDenied, Detail: `trying to create a pod in namespace kubectl-checklist: admission webhook "policy.example" denied the request: no`,
				Hint: "a policy of this cluster refuses the probe: exempt namespace kubectl-checklist from it, or use --probe-namespace with an exempt one, or --no-probe",
			},
		},
		"a webhook on jobs": {
			exists: true, refuse: map[string]*apierrors.StatusError{"POST jobs dryRun": forbidden("jobs", `admission webhook "policy.example" denied the request: no`)},
			want: &Failure{
				Reason: fact.AdmissionDenied, Detail: `trying to create a job in namespace kubectl-checklist: jobs "x" is forbidden: admission webhook "policy.example" denied the request: no`,
				Hint: "a policy of this cluster refuses the probe: exempt namespace kubectl-checklist from it, or use --probe-namespace with an exempt one, or --no-probe",
			},
		},
		"a webhook on namespaces": {
			refuse: map[string]*apierrors.StatusError{"POST namespaces dryRun": forbidden("namespaces", `admission webhook "policy.example" denied the request: label team`)},
			want: &Failure{
				Reason: fact.AdmissionDenied, Detail: `trying to create namespace kubectl-checklist: namespaces "x" is forbidden: admission webhook "policy.example" denied the request: label team`,
				Hint: "a policy of this cluster refuses the probe: exempt namespace kubectl-checklist from it, or use --probe-namespace with an exempt one, or --no-probe",
			},
		},
		"a webhook that cannot be asked without effect decides later": {
			exists: true, refuse: map[string]*apierrors.StatusError{
				"POST pods dryRun": apierrors.NewBadRequest(`admission webhook "old.example" does not support dry run`),
			},
		},
		"OpenShift's constraints": {
			exists: true, refuse: map[string]*apierrors.StatusError{"POST pods dryRun": forbidden("pods", "unable to validate against any security context constraint: []")},
			want: &Failure{
				Reason: fact.AdmissionDenied, Detail: `trying to create a pod in namespace kubectl-checklist: pods "x" is forbidden: unable to validate against any security context constraint: []`,
				Hint: "the user needs the verb use on the SecurityContextConstraints privileged; or use --no-probe",
			},
		},
		"RBAC, although the review allowed it": {
			exists: true, refuse: map[string]*apierrors.StatusError{
				"POST pods dryRun": {ErrStatus: metav1.Status{Status: "Failure", Code: 403, Reason: metav1.StatusReasonForbidden, Message: `pods is forbidden: User "u" cannot create resource "pods" in API group "" in the namespace "x"`}},
			},
			want: &Failure{
				Reason: fact.Forbidden, Hint: roles,
				Detail: `trying to create a pod in namespace kubectl-checklist: pods is forbidden: User "u" cannot create resource "pods" in API group "" in the namespace "x"`,
			},
		},
		"a namespace that may not be read and is not there": {
			refuse: map[string]*apierrors.StatusError{
				"GET namespaces":   forbidden("namespaces", "no"),
				"POST jobs dryRun": apierrors.NewNotFound(corev1.Resource("namespaces"), "kubectl-checklist"),
			},
			want: &Failure{
				Reason: fact.NotPresent, Detail: "namespace kubectl-checklist does not exist, and this user may not read namespaces, so it is not created",
				Hint: "use --probe-namespace with one that exists and admits pods with hostPID; --no-probe creates nothing and judges only what the API says",
			},
		},
		"a server that fails": {
			refuse: map[string]*apierrors.StatusError{"GET namespaces": apierrors.NewInternalError(errors.New("etcd"))},
			want:   &Failure{Reason: fact.Unavailable, Detail: "reading namespace kubectl-checklist: Internal error occurred: etcd"},
		},
	} {
		t.Run(name, faked(func(t *testing.T) {
			s := newAPIServer(t, "a")
			left := []string{}
			if tc.exists {
				s.namespaces["kubectl-checklist"] = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kubectl-checklist"}}
				left = append(left, "namespace/kubectl-checklist")
			}
			s.intercept = func(w http.ResponseWriter, r *http.Request, what string) bool {
				if err := tc.refuse[what]; err != nil {
					s.fail(w, err)
					return true
				}
				if what != "POST selfsubjectaccessreviews" {
					return false
				}
				var review authorizationv1.SelfSubjectAccessReview
				if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
					t.Error(err)
				}
				a := review.Spec.ResourceAttributes
				resource := strings.TrimSuffix(a.Resource+"/"+a.Subresource, "/")
				review.Status.Allowed = !strings.Contains(tc.denied, " "+resource+" ")
				s.reply(w, review)
				return true
			}
			opts := s.options()
			if tc.edit != nil {
				tc.edit(&opts)
			}
			plan, _, err := NewPlan(opts, factNodes("a"))
			if err != nil {
				t.Fatal(err)
			}
			err = Preflight(t.Context(), opts, plan)
			var got *Failure
			if err != nil && !errors.As(err, &got) {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("failure (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(left, s.left()); diff != "" {
				t.Errorf("created (-want +got):\n%s", diff)
			}
			if tc.want == nil {
				return
			}
			opts.Announce = func(line string) { t.Errorf("announced: %s", line) }
			run(t, opts, factNodes("a"), nil, gapsOf("a", tc.want.Reason, tc.want.Detail, tc.want.Hint))
			if diff := cmp.Diff(left, s.left()); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
		}))
	}
}

// In a namespace that the run creates, a refusal is known only after that. One pod finds
// it, before the probe's parts are written.
func TestRefusalInANewNamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t, "a", "b")
		s.intercept = func(w http.ResponseWriter, _ *http.Request, what string) bool {
			if what == "POST pods dryRun" {
				s.fail(w, apierrors.NewForbidden(corev1.Resource("pods"), "x", errors.New(`admission webhook "w" denied the request: no`)))
				return true
			}
			return false
		}
		const detail = `trying to create a pod in namespace kubectl-checklist: pods "x" is forbidden: admission webhook "w" denied the request: no`
		const hint = "a policy of this cluster refuses the probe: exempt namespace kubectl-checklist from it, or use --probe-namespace with an exempt one, or --no-probe"
		run(t, s.options(), factNodes("a", "b"), nil, append(gapsOf("a", fact.AdmissionDenied, detail, hint), gapsOf("b", fact.AdmissionDenied, detail, hint)...))
		s.wantLeft()
		for _, what := range []string{"POST pods", "POST configmaps"} {
			if n := s.count(what); n != 0 {
				t.Errorf("%d × %s after the refusal", n, what)
			}
		}
	})
}

func TestAnnouncementOfManyNodes(t *testing.T) {
	var names []string
	for i := range 101 {
		names = append(names, fmt.Sprintf("n%03d", i))
	}
	probes := map[program][]byte{{arch: "amd64"}: make([]byte, 4_900_000), {net: true, arch: "amd64"}: make([]byte, 3_000_000)}
	line := func(net bool, nodes int, edit func(*Plan)) string {
		opts, err := Options{Net: net}.complete()
		if err != nil {
			t.Fatal(err)
		}
		plan, _ := opts.plan(factNodes(names[:nodes]...))
		if edit != nil {
			edit(&plan)
		}
		s := &session{Options: opts, plan: plan}
		return s.announcement(absent, probes)
	}
	advice := func(size string) string {
		return "; each of 101 nodes reads " + size + " from the API server; --probe-image with an image in a registry avoids that, and probe-image export writes one"
	}
	if line := line(false, 101, nil); !strings.HasSuffix(line, advice("4.9 MB")) || !strings.Contains(line, ", 6 ConfigMaps,") {
		t.Errorf("101 nodes: %s", line)
	}
	if line := line(true, 101, nil); !strings.HasSuffix(line, advice("7.9 MB")) || !strings.Contains(line, ", 10 ConfigMaps,") {
		t.Errorf("101 nodes and handshakes: %s", line)
	}
	if line := line(false, 100, nil); strings.Contains(line, "reads") {
		t.Errorf("100 nodes: %s", line)
	}
	if line := line(true, 101, func(p *Plan) { p.Embedded = false }); strings.Contains(line, "reads") || strings.Contains(line, "ConfigMaps") {
		t.Errorf("101 nodes with an image: %s", line)
	}
}

func FuzzOneLine(f *testing.F) {
	for _, text := range []string{"", "a\nb", "\x1b[31m", "\xff\xfe", strings.Repeat("ä", 500), "a\u202eb"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out := oneLine(text)
		if len(out) > maxText+4 || strings.ContainsAny(out, "\n\r\t\x1b\x00\u202e") || strings.ToValidUTF8(out, "") != out {
			t.Errorf("%q became %q", text, out)
		}
	})
}
