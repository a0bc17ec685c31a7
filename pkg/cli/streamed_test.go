package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/hack/podserver"
)

// manyPods is a cluster of 1,200 workloads, which is judged while it is read. Break answers some
// requests itself.
type manyPods struct {
	podserver.Cluster
	breaks func(http.ResponseWriter, *http.Request) bool
}

func (s *manyPods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.breaks == nil || !s.breaks(w, r) {
		s.Cluster.ServeHTTP(w, r)
	}
}

// refuseWith answers with a status.
func refuseWith(w http.ResponseWriter, code int32, reason metav1.StatusReason, next string) bool {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(int(code))
	_ = json.NewEncoder(w).Encode(&metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, ListMeta: metav1.ListMeta{Continue: next},
		Status: metav1.StatusFailure, Code: code, Reason: reason, Message: "CANARY",
	})
	return true
}

var judgedAt = regexp.MustCompile(`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ|run-\d+-\d+`)

// A cluster that is judged while it is read has the report of one that was read as a whole, byte
// for byte, whatever becomes of its lists.
func TestStreamedCluster(t *testing.T) {
	if testing.Short() || underRace {
		t.Skip("it judges 6,000 pods many times")
	}
	const pages = "/api/v1/pods"
	from := func(r *http.Request) int { n, _ := strconv.Atoi(r.URL.Query().Get("continue")); return n }
	later := func(r *http.Request, path string, at int) bool { return r.URL.Path == path && from(r) >= at }
	server := &manyPods{Cluster: podserver.Cluster{Pods: 12 * podserver.Pods}}
	listen := httptest.NewServer(server)
	defer listen.Close()
	kubeconfig := kubeconfigFor(t, listen.URL)
	run := func(t *testing.T, whole bool, args ...string) (code int, out, errOut string, streamed bool) {
		t.Helper()
		env, stdout, stderr := testEnv()
		env.keepsAll = whole
		code = Main(t.Context(), env, append([]string{"pods", "-A", "--kubeconfig", kubeconfig}, args...))
		return code, judgedAt.ReplaceAllString(stdout.String(), "TIME"), stderr.String(), env.streamed
	}

	// The waivers are for all that fails in one namespace.
	drafts := [2]string{}
	for i := range drafts {
		path := filepath.Join(t.TempDir(), "waivers.yaml")
		if code, _, errOut, _ := run(t, i == 0, "--write-waivers", path, "-o", "name"); code != ExitOK {
			t.Fatalf("status %d: %s", code, errOut)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		drafts[i] = string(text)
	}
	if drafts[0] != drafts[1] {
		t.Error("--write-waivers writes another file")
	}
	waivers := filepath.Join(t.TempDir(), "waivers.yaml")
	if err := os.WriteFile(waivers, []byte(acceptedOf(t, drafts[0], podserver.Namespace(3))), 0o600); err != nil {
		t.Fatal(err)
	}

	for name, tc := range map[string]struct {
		args   []string
		breaks func(http.ResponseWriter, *http.Request) bool
		code   int
		says   []string // in the report
		not    []string
		kept   bool // it is judged as a whole
	}{
		"json":  {args: []string{"-o", "json"}, says: []string{`"answers"`, "team-0011"}},
		"table": {args: nil},
		"wide":  {args: []string{"-o", "wide"}},
		"name":  {args: []string{"-o", "name"}},
		"passes, and a status": {
			args: []string{"-o", "wide", "--show-passes", "--fail-on", "high"}, code: ExitFindings,
		},
		"waivers":             {args: []string{"-o", "json", "--waivers", waivers}, says: []string{`"accepted"`}},
		"platform namespaces": {args: []string{"-o", "json", "--platform-namespaces", "team-000*"}, says: []string{`"team-0001"`}},
		"a page of pods that expired, and goes on": {
			args: []string{"-o", "json"}, not: []string{"CANARY", "listing pods"},
			breaks: func() func(http.ResponseWriter, *http.Request) bool {
				expired := map[string]bool{}
				return func(w http.ResponseWriter, r *http.Request) bool {
					next := r.URL.Query().Get("continue")
					if !later(r, pages, 6000) || expired[next] {
						delete(expired, next)
						return false
					}
					expired[next] = true
					return refuseWith(w, http.StatusGone, metav1.StatusReasonExpired, next)
				}
			}(),
		},
		"a page of pods that expired, after which all comes again": {
			kept: true, args: []string{"-o", "json"}, not: []string{"CANARY", "listing pods"},
			breaks: func(w http.ResponseWriter, r *http.Request) bool {
				return later(r, pages, 6000) && refuseWith(w, http.StatusGone, metav1.StatusReasonExpired, "")
			},
		},
		"a page of pods that fails": {
			args: []string{"-o", "json"}, says: []string{"a part of the list was read; listing pods"},
			breaks: func(w http.ResponseWriter, r *http.Request) bool {
				return later(r, pages, 6000) && refuseWith(w, http.StatusInternalServerError, metav1.StatusReasonInternalError, "")
			},
		},
		"a page of pods that fails early": {
			kept: true, args: []string{"-o", "json"}, says: []string{"a part of the list was read; listing pods"},
			breaks: func(w http.ResponseWriter, r *http.Request) bool {
				return later(r, pages, 1000) && refuseWith(w, http.StatusInternalServerError, metav1.StatusReasonInternalError, "")
			},
		},
		"a page of templates that fails": {
			args: []string{"-o", "json"}, says: []string{"listing deployments.apps"},
			breaks: func(w http.ResponseWriter, r *http.Request) bool {
				return later(r, "/apis/apps/v1/deployments", 500) && refuseWith(w, http.StatusInternalServerError, metav1.StatusReasonInternalError, "")
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			server.breaks = tc.breaks
			defer func() { server.breaks = nil }()
			wholeCode, whole, wholeErr, early := run(t, true, tc.args...)
			code, got, errOut, streamed := run(t, false, tc.args...)
			if early || streamed == tc.kept {
				t.Errorf("judged while it was read: %t, as a whole %t", streamed, early)
			}
			if code != wholeCode || errOut != wholeErr || code != tc.code {
				t.Errorf("status %d, %q; as a whole %d, %q; want %d", code, errOut, wholeCode, wholeErr, tc.code)
			}
			if whole != got {
				t.Errorf("of %d bytes as a whole and %d by namespace, the first that differ:\n%s", len(whole), len(got), firstDifference(whole, got))
			}
			if len(got) < 1000 {
				t.Errorf("the report is short: %q", got)
			}
			for _, text := range tc.says {
				if !strings.Contains(got, text) {
					t.Errorf("the report does not have %q", text)
				}
			}
			for _, text := range tc.not {
				if strings.Contains(got, text) {
					t.Errorf("the report has %q", text)
				}
			}
		})
	}
}

// acceptedOf makes waivers of the drafts for a namespace.
func acceptedOf(t *testing.T, drafts, namespace string) string {
	t.Helper()
	head, rest, found := strings.Cut(drafts, "\nwaivers:\n")
	if !found {
		t.Fatalf("no drafts: %.300s", drafts)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nwaivers:\n", head)
	count := 0
	for i, draft := range strings.Split(rest, "- check:") {
		draft, _, _ = strings.Cut(draft, "\n# ") // what follows is said of the next one
		if i > 0 && strings.Contains(draft, namespace) {
			count++
			draft = strings.NewReplacer(`reason: ""`, "reason: a test", `acceptedBy: ""`, "acceptedBy: a test").Replace(draft)
			fmt.Fprintf(&b, "- check:%s\n", draft)
		}
	}
	if count < 10 {
		t.Fatalf("%d drafts for %s in %.500s", count, namespace, rest)
	}
	return b.String()
}

// firstDifference shows the lines around the first one that is not the same.
func firstDifference(a, b string) string {
	one, two := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(one), len(two)) {
		if one[i] != two[i] {
			return fmt.Sprintf("line %d:\n%s\n%.2000s\n---\n%.2000s", i+1, strings.Join(one[max(0, i-8):i], "\n"),
				strings.Join(one[i:min(len(one), i+6)], "\n"), strings.Join(two[i:min(len(two), i+6)], "\n"))
		}
	}
	return fmt.Sprintf("%d and %d lines", len(one), len(two))
}
