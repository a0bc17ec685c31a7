package cli

import (
	"encoding/binary"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

// The guard's command line holds only its name. What it needs comes through the pipe, and
// with that the guard looks for what the run left. The server has TLS, because client-go
// sends a token to no other server.
func TestGuardGetsItsConnectionThroughThePipe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, testGuardGetsItsConnectionThroughThePipe) // it looks again after a while
}

func testGuardGetsItsConnectionThroughThePipe(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]string{}
	server := newMemoryServer(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked[r.Method+" "+r.URL.Path+"?"+r.URL.Query().Get("labelSelector")] = r.Header.Get("Authorization")
		w.Header().Set("Content-Type", "application/json")
		kind := map[string]string{"jobs": "JobList", "pods": "PodList", "configmaps": "ConfigMapList"}[filepath.Base(r.URL.Path)]
		version := "v1"
		if kind == "JobList" {
			version = "batch/v1"
		}
		if kind == "" {
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`))
			return
		}
		_, _ = w.Write([]byte(`{"kind":"` + kind + `","apiVersion":"` + version + `","items":[]}`))
	})
	server.StartTLS()
	kubeconfig := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(kubeconfig, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(guardSettings{Namespace: "ns", Run: "one", Connection: map[string][]string{
		"kubeconfig": {kubeconfig}, "server": {server.URL}, "token": {"canary"}, "insecure-skip-tls-verify": {"true"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	env, out, errOut := testEnv()
	env.dial = server.dial
	env.Streams.In = strings.NewReader(string(binary.BigEndian.AppendUint32(nil, uint32(len(data)))) + string(data))
	if code := Main(t.Context(), env, []string{guardCommand}); code != 0 {
		t.Fatalf("status %d: %s", code, errOut)
	}
	if out.String() != "ready\n" {
		t.Errorf("stdout %q, expected ready", out)
	}
	const token, selector = "Bearer canary", "app.kubernetes.io/managed-by=kubectl-checklist,kubectl-checklist.github.io/run=one"
	want := map[string]string{
		"GET /apis/batch/v1/namespaces/ns/jobs?" + selector: token,
		"GET /api/v1/namespaces/ns/pods?" + selector:        token,
		"GET /api/v1/namespaces/ns/configmaps?" + selector:  token,
		"GET /api/v1/namespaces/ns?":                        token,
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}
