package cluster

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
)

// The server's name for the user is asked with one POST that stores nothing, in the version that
// the server has. Nothing but the name is kept, and nothing of it reaches a terminal.
func TestUser(t *testing.T) {
	const path = "/apis/authentication.k8s.io/"
	named := func(name string) string {
		text, err := json.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		return `{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview","status":{"userInfo":{"username":` + string(text) +
			`,"uid":"CANARY","groups":["CANARY"],"extra":{"authentication.kubernetes.io/credential-id":["CANARY"]}}}}`
	}
	status := func(code int, reason string) answerOf {
		return answerOf{code, `{"apiVersion":"v1","kind":"Status","status":"Failure","reason":"` + reason + `","code":` + strconv.Itoa(code) + `}`}
	}
	for name, tc := range map[string]struct {
		answers map[string]answerOf // by version; others are 404
		want    string
		asked   []string
	}{
		"a user":                   {map[string]answerOf{"v1": {200, named("jane@example.com")}}, "jane@example.com", []string{"v1"}},
		"a service account":        {map[string]answerOf{"v1": {201, named("system:serviceaccount:ops:checklist")}}, "system:serviceaccount:ops:checklist", []string{"v1"}},
		"a server of 1.27":         {map[string]answerOf{"v1beta1": {201, named("jane")}}, "jane", []string{"v1", "v1beta1"}},
		"a server of 1.26":         {map[string]answerOf{"v1alpha1": {201, named("jane")}}, "jane", []string{"v1", "v1beta1", "v1alpha1"}},
		"an older one":             {nil, "", []string{"v1", "v1beta1", "v1alpha1"}},
		"no right":                 {map[string]answerOf{"v1": status(403, "Forbidden"), "v1beta1": {201, named("CANARY")}}, "", []string{"v1"}},
		"a failing server":         {map[string]answerOf{"v1": status(500, "InternalError")}, "", []string{"v1"}},
		"not JSON":                 {map[string]answerOf{"v1": {200, "CANARY"}}, "", []string{"v1"}},
		"another object":           {map[string]answerOf{"v1": {200, `{"kind":"CANARY","status":{"userInfo":{"username":"CANARY"}}}`}}, "", []string{"v1"}},
		"no name":                  {map[string]answerOf{"v1": {201, named("")}}, "", []string{"v1"}},
		"a control character":      {map[string]answerOf{"v1": {201, named("a\x1b[31mCANARY\n")}}, credential.Withheld, []string{"v1"}},
		"text that runs backwards": {map[string]answerOf{"v1": {201, named("a\u202eb")}}, "a\ufffdb", []string{"v1"}},
		"a long name":              {map[string]answerOf{"v1": {201, named(strings.Repeat("ü", 110))}}, strings.Repeat("ü", 100) + " ...", []string{"v1"}},
		"a name of 1 MiB":          {map[string]answerOf{"v1": {201, named(strings.Repeat("a", 1<<20))}}, credential.Withheld, []string{"v1"}},
		"an answer without end":    {map[string]answerOf{"v1": {201, named(strings.Repeat("a", maxDryRunBytes))}}, "", []string{"v1"}},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				version := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, path), "/selfsubjectreviews")
				asked = append(asked, version)
				var sent struct {
					APIVersion string `json:"apiVersion"`
					Kind       string `json:"kind"`
				}
				if err := json.NewDecoder(r.Body).Decode(&sent); err != nil || r.Method != http.MethodPost || sent.APIVersion != "authentication.k8s.io/"+version || sent.Kind != "SelfSubjectReview" {
					t.Errorf("asked for %s %s with %+v (%v)", r.Method, r.URL, sent, err)
				}
				answer, ok := tc.answers[version]
				if !ok {
					http.NotFound(w, r)
					return
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(answer.code)
				_, _ = io.WriteString(w, answer.body)
			}))
			defer server.Close()
			c, err := newClients(&rest.Config{Host: server.URL, QPS: -1})
			if err != nil {
				t.Fatal(err)
			}
			if got := c.user(t.Context()); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if !slices.Equal(asked, tc.asked) {
				t.Errorf("asked for %q, want %q", asked, tc.asked)
			}
		})
	}
}

type answerOf struct {
	code int
	body string
}

// The user is asked for if somebody wants to know, and for dry runs, which name it.
func TestUserOfARun(t *testing.T) {
	for name, tc := range map[string]struct {
		opts Options
		want string
	}{
		"nobody asks": {Options{Pods: true}, ""},
		"a report":    {Options{Pods: true, User: true}, "jane"},
		"dry runs":    {Options{Pods: true, DryRuns: true}, "jane"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			fill(s)
			admitting := newAdmitting(t, allowsAll)
			config := s.config()
			config.Wrap(func(next http.RoundTripper) http.RoundTripper { return posting{next, admitting} })
			tc.opts.Config = config
			result, err := Collect(t.Context(), tc.opts)
			if err != nil {
				t.Fatal(err)
			}
			if result.Cluster.User != tc.want {
				t.Errorf("got %q, want %q", result.Cluster.User, tc.want)
			}
			if result.Enforcement != nil && result.Enforcement.User != tc.want {
				t.Errorf("dry runs speak for %q, want %q", result.Enforcement.User, tc.want)
			}
		})
	}
}

// Confirm is asked after the lists, before the first dry run. After a no none is sent, and an
// error ends the run.
func TestConfirm(t *testing.T) {
	for name, tc := range map[string]struct {
		opts   Options
		yes    bool
		err    error
		dryRun bool
	}{
		"yes":              {Options{Pods: true, Nodes: true, DryRuns: true}, true, nil, true},
		"no":               {Options{Pods: true, Nodes: true, DryRuns: true}, false, nil, false},
		"interrupted":      {Options{Pods: true, Nodes: true, DryRuns: true}, true, context.Canceled, false},
		"without dry runs": {Options{Pods: true, Nodes: true}, true, nil, false},
		"without pods":     {Options{Nodes: true}, true, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			fill(s)
			admitting := newAdmitting(t, allowsAll)
			config := s.config()
			config.Wrap(func(next http.RoundTripper) http.RoundTripper { return posting{next, admitting} })
			tc.opts.Config, tc.opts.UID = config, true
			calls := 0
			tc.opts.Confirm = func(_ context.Context, known *Result) (bool, error) {
				calls++
				if len(known.NodeObjects) != 5 || tc.opts.Pods && len(known.Workloads) == 0 {
					t.Errorf("asked before the lists were read: %d nodes, %d workloads", len(known.NodeObjects), len(known.Workloads))
				}
				if len(admitting.pods) > 0 {
					t.Error("asked after a dry run")
				}
				return tc.yes, tc.err
			}
			result, err := Collect(t.Context(), tc.opts)
			if err != tc.err {
				t.Fatalf("error %v, want %v", err, tc.err)
			}
			if calls != 1 {
				t.Errorf("asked %d times", calls)
			}
			if got := len(admitting.pods) > 0; got != tc.dryRun {
				t.Errorf("dry runs %v, want %v", got, tc.dryRun)
			}
			if err == nil && tc.opts.Pods && tc.opts.DryRuns && (result.Enforcement != nil) != tc.dryRun {
				t.Errorf("enforcement %+v", result.Enforcement)
			}
		})
	}
}

func allowsAll(string, *corev1.Pod) *metav1.Status { return nil }

// posting sends what is not read to a server of its own.
type posting struct {
	next http.RoundTripper
	to   http.Handler
}

func (p posting) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPost {
		return p.next.RoundTrip(r)
	}
	w := httptest.NewRecorder()
	p.to.ServeHTTP(w, r)
	response := w.Result()
	response.Request = r
	return response, nil
}
