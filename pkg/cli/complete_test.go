package cli

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// completed returns the words that a shell would offer.
func completed(t *testing.T, server *memoryServer, args ...string) []string {
	t.Helper()
	env, out, errOut := testEnv()
	env.ErrIsTerminal, env.patience, env.dial = true, patience{notice: time.Nanosecond}, server.dial
	if code := Main(t.Context(), env, append([]string{cobra.ShellCompRequestCmd}, args...)); code != ExitOK {
		t.Fatalf("%v: status %d, %s", args, code, errOut)
	}
	// cobra says on stderr which directive it gives; that is not shown to users.
	if lines := strings.Split(strings.TrimSpace(errOut.String()), "\n"); len(lines) != 1 || !strings.HasPrefix(lines[0], "Completion ended with directive: ") {
		t.Errorf("%v: stderr %q", args, errOut)
	}
	words := strings.Split(strings.TrimSpace(out.String()), "\n")
	return words[:len(words)-1] // the last is the directive
}

// Every flag completes its value, or leaves it to the shell on purpose.
func TestEveryFlagCompletes(t *testing.T) {
	env, _, _ := testEnv()
	root := NewCommand(env)
	files := []string{"filename", "facts", "save-facts", "snapshot", "vulnerabilities", "waivers", "write-waivers", "kubeconfig", "certificate-authority", "client-certificate", "client-key"}
	for _, cmd := range append(root.Commands(), root) {
		cmd.NonInheritedFlags().VisitAll(func(flag *pflag.Flag) {
			_, found := cmd.GetFlagCompletionFunc(flag.Name)
			if want := !slices.Contains(files, flag.Name); found != want {
				t.Errorf("%s --%s: completion %v, want %v", cmd.CommandPath(), flag.Name, found, want)
			}
		})
	}
}

func TestCompletion(t *testing.T) {
	synctest.Test(t, testCompletion) // a busy machine has no less time for it
}

func testCompletion(t *testing.T) {
	var last *http.Request
	server := newMemoryServer(t, func(w http.ResponseWriter, r *http.Request) {
		last = r
		names := map[string][]string{
			"/api/v1/nodes": {"worker-2", "worker-1"}, "/api/v1/namespaces": {"shop", "kube-system"},
			"/api/v1/namespaces/shop/pods": {"web-2", "web-1"}, "/apis/apps/v1/namespaces/default/deployments": {"web"},
		}[r.URL.Path]
		if names == nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","items":[`)
		for i, name := range names {
			if i > 0 {
				_, _ = io.WriteString(w, ",")
			}
			_, _ = io.WriteString(w, `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"`+name+`"}}`)
		}
		_, _ = io.WriteString(w, `]}`)
	})
	server.Start()
	kubeconfigFor(t, server.URL)
	for line, want := range map[string]string{
		"nodes -":                            "", // see below
		"nodes ":                             "worker-1 worker-2",
		"nodes worker-1 ":                    "worker-2",
		"manifests ":                         "worker-1 worker-2",
		"pods -n shop ":                      "web-1 web-2",
		"pods deploy/":                       "deploy/web",
		"pods sts/":                          "",
		"pods -n shop d":                     "web-1 web-2 deployment/ daemonset/",
		"pods -n none cr":                    "cronjob/",
		"pods nothing/":                      "",
		"secrets --namespace ":               "kube-system shop",
		"secrets --control-plane-node ":      "worker-1 worker-2",
		"--context ":                         "x",
		"--cluster ":                         "c",
		"--user ":                            "u",
		"--severity ":                        "critical high medium low",
		"--question builds,":                 "builds,builds builds,immutable builds,privileged builds,hosts builds,secrets builds,drift",
		"--progress ":                        "auto always never",
		"--probe-level ":                     "api proc full net proc,net full,net",
		"completion ":                        "install\tMake kubectl complete the plugin's commands and flags bash zsh fish powershell",
		"completion install ":                "",
		"nodes --kubeconfig /nowhere x ":     "",
		"nodes --server http://127.0.0.1:1 ": "",
		"--probe-timeout ":                   "",
		"explain x ":                         "",
		"diff -o ":                           "table json yaml markdown html",
		"diff --output-file ":                "table= json= yaml= markdown= html=",
		"diff a b --output-file html=x":      "",
	} {
		words := strings.Split(line, " ")
		if line == "nodes -" {
			if got := completed(t, server, words...); !slices.ContainsFunc(got, func(word string) bool { return strings.HasPrefix(word, "--probe-level\t") }) {
				t.Errorf("flags: %q", got)
			}
			continue
		}
		if got := strings.Join(completed(t, server, words...), " "); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
	for line, word := range map[string]string{
		"--check ": "privileged/host-path", "--skip ": "secrets:stored", "explain ": "drift", "-o ": "yaml", "--output-file ": "json=", "--check a,": "a,privileged",
	} {
		if got := completed(t, server, strings.Split(line, " ")...); !slices.Contains(got, word) {
			t.Errorf("%s: %q lacks %q", line, got, word)
		}
	}
	if last == nil || !strings.Contains(last.Header.Get("Accept"), "as=PartialObjectMetadataList") {
		t.Error("names are asked for as metadata")
	}
}

// A server that does not answer delays a completion only for a short time, and nothing is
// printed.
func TestCompletionIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newMemoryServer(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		server.Start()
		kubeconfigFor(t, server.URL)
		begin := time.Now()
		if got := completed(t, server, "nodes", ""); len(got) > 0 {
			t.Errorf("completed %q", got)
		}
		if took := time.Since(begin); took != completeTimeout {
			t.Errorf("it took %s, want %s", took, completeTimeout)
		}
	})
}

// --check and --skip take checks, globs, questions and parts.
func TestMeantChecks(t *testing.T) {
	for word, want := range map[string]string{
		"privileged": "privileged/*", "5": "secrets/*", "privileged/host-*": "privileged/host-*", "x": "x", "secrets:x": "secrets:x",
	} {
		if got := meantChecks(word); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
	if got := meantChecks("secrets:stored"); !slices.Contains(got, "secrets/encrypted-at-rest") || slices.Contains(got, "secrets/*") {
		t.Errorf("secrets:stored: %q", got)
	}
}
