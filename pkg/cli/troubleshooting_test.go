package cli

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubectl-checklist/kubectl-checklist/hack/requests"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// docs/troubleshooting.md shows the errors of a run and the gaps of lists as they are, and no
// others. Package launch makes the messages about nodes.
func TestDocsTroubleshooting(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(repository, "docs", "troubleshooting.md"))
	if err != nil {
		t.Fatal(err)
	}
	before, _, ok := strings.Cut(string(raw), "## No node was measured")
	if !ok {
		t.Fatal("docs/troubleshooting.md has no section about nodes")
	}
	var shown, made []string
	for _, block := range regexp.MustCompile("(?s)```\n(.*?)\n```").FindAllStringSubmatch(before, -1) {
		shown = append(shown, block[1])
	}
	say := func(t *testing.T, line string) {
		t.Helper()
		made = append(made, line)
		if !slices.Contains(shown, line) {
			t.Errorf("docs/troubleshooting.md has not what a run says:\n%s", line)
		}
	}

	t.Run("no kubeconfig", func(t *testing.T) {
		t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
		env, _, errOut := testEnv()
		if code := Main(t.Context(), env, []string{"--no-probe"}); code != ExitFailure {
			t.Errorf("exit status %d", code)
		}
		say(t, strings.TrimSpace(errOut.String()))
	})
	t.Run("another context", func(t *testing.T) {
		config := clientcmdapi.NewConfig()
		config.Clusters["c"], config.AuthInfos["u"] = &clientcmdapi.Cluster{Server: "https://127.0.0.1:6443"}, &clientcmdapi.AuthInfo{}
		for _, name := range []string{"dev", "test"} {
			config.Contexts[name] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
		}
		path := filepath.Join(t.TempDir(), "config")
		if err := clientcmd.WriteToFile(*config, path); err != nil {
			t.Fatal(err)
		}
		env, _, errOut := testEnv()
		if code := Main(t.Context(), env, []string{"--no-probe", "--kubeconfig", path, "--context", "prod"}); code != ExitFailure {
			t.Errorf("exit status %d", code)
		}
		say(t, strings.TrimSpace(errOut.String()))
	})
	for name, handler := range map[string]http.HandlerFunc{
		"nobody listens": nil,
		"a silent one":   func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"401": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Unauthorized","code":401}`)
		},
		"a login page": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "<!DOCTYPE html><html></html>")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newMemoryServer(t, handler)
				server.Start()
				env, _, errOut := testEnv()
				env.dial = server.dial
				address := server.URL
				if handler == nil {
					address = "http://127.0.0.1:1"
				}
				if code := Main(t.Context(), env, []string{"--no-probe", "--kubeconfig", kubeconfigFor(t, address)}); code != ExitFailure {
					t.Errorf("exit status %d", code)
				}
				say(t, strings.ReplaceAll(strings.TrimSpace(errOut.String()), address, "https://127.0.0.1:6443"))
			})
		})
	}
	t.Run("no right to a list", func(t *testing.T) {
		s := newSmallCluster(t)
		s.refuse = func(a requests.Access) bool { return a.Resource == "pods" }
		env, out, errOut := testEnv()
		if code := Main(t.Context(), env, []string{"--no-probe", "--kubeconfig", kubeconfigFor(t, s.URL)}); code != ExitOK {
			t.Errorf("exit status %d: %s", code, errOut)
		}
		line := regexp.MustCompile(`(?m)^NOT MEASURED  cluster: (Forbidden: [^;\n]* pods [^;\n]*)`).FindStringSubmatch(out.String())
		if line == nil {
			t.Fatalf("expected a gap of pods, found\n%s", out)
		}
		say(t, line[1])
	})
	for _, line := range shown {
		if !slices.Contains(made, line) {
			t.Errorf("docs/troubleshooting.md has what no run said here:\n%s", line)
		}
	}
	for _, reason := range fact.Reasons() {
		if !strings.Contains(string(raw), "\n| `"+string(reason)+"` |") {
			t.Errorf("docs/troubleshooting.md has no row for the reason %s", reason)
		}
	}
}
