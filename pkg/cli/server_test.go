package cli

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/klog/v2"
)

// commandsOfServers are the commands that ask a server, each by its first request.
var commandsOfServers = map[string][]string{
	"root":      {"--no-probe"},
	"pods":      {"pods"},
	"pods NAME": {"pods", "deploy/web"},
	"nodes":     {"nodes"},
	"secrets":   {"secrets", "--no-probe"},
	"cleanup":   {"cleanup"},
	"manifests": {"manifests", "--only", "run"},
}

// discoveries returns how often a command asks a silent server before it gives up.
// client-go's discovery, which resolves a name on the command line, retries after an
// error.
func discoveries(command string) time.Duration {
	if command == "pods NAME" {
		return 4
	}
	return 1
}

// If a server is not an API server, every command says at once, in one line, which server
// it is and how it answered. Nothing of the answer is repeated.
func TestOtherServers(t *testing.T) {
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		url     func(url string) string
		took    time.Duration
		want    string // SERVER is the server's URL
	}{
		"a silent one": {
			handler: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			took:    30 * time.Second,
			want:    "SERVER did not answer within 30s; --request-timeout gives it more time",
		},
		"one that is silent in the middle of its answer": {
			handler: func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{"kind":`)
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			},
			took: 30 * time.Second,
			want: "SERVER did not answer within 30s; --request-timeout gives it more time",
		},
		"a login page": {
			handler: func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "<!DOCTYPE html><html>CANARY</html>")
			},
			want: "SERVER answered with an HTML page, expected the Kubernetes API: check server in the kubeconfig",
		},
		"a failing proxy": {
			handler: func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusBadGateway)
				_, _ = io.WriteString(w, "<!DOCTYPE html><html>CANARY</html>")
			},
			want: "SERVER answered 502 Bad Gateway, with an HTML page",
		},
		"a proxy that forbids": {
			handler: func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusForbidden)
				_, _ = io.WriteString(w, "<!DOCTYPE html><html>CANARY</html>")
			},
			want: "SERVER answered 403 Forbidden, with an HTML page",
		},
		"a server that fails": {
			handler: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "CANARY", http.StatusInternalServerError) },
			want:    "SERVER answered 500 Internal Server Error",
		},
		"a redirect": {
			handler: func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://me:CANARY@login.example/CANARY?token=CANARY", http.StatusFound)
			},
			want: "SERVER answered with a redirect to https://login.example, expected the Kubernetes API",
		},
		"JSON of something else": {
			handler: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{"error":"CANARY"}`)
			},
			want: "SERVER answered with JSON without ",
		},
		"one without TLS": {
			url:  func(url string) string { return strings.Replace(url, "http:", "https:", 1) },
			want: "SERVER does not speak TLS: check server in the kubeconfig",
		},
		"one that hangs up": {
			handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			want:    "SERVER closed the connection before it answered",
		},
		"none": {
			url:  func(string) string { return "http://127.0.0.1:1" },
			want: "SERVER cannot be reached: connect: connection refused",
		},
	} {
		t.Run(name, func(t *testing.T) {
			handler := tc.handler
			if handler == nil {
				handler = func(http.ResponseWriter, *http.Request) { t.Error("a request came through") }
			}
			synctest.Test(t, func(t *testing.T) {
				server := newMemoryServer(t, handler)
				server.Start()
				url := server.URL
				if tc.url != nil {
					url = tc.url(url)
				}
				kubeconfig := kubeconfigFor(t, url)
				for name, args := range commandsOfServers {
					env, out, errOut := testEnv()
					env.dial = server.dial
					begin := time.Now()
					code := Main(t.Context(), env, append(args, "--kubeconfig", kubeconfig, "--token", "CANARY"))
					if code != ExitFailure || out.Len() != 0 {
						t.Errorf("%s: want status 2 and nothing on stdout, got %d and %q", name, code, out)
					}
					want := "the API server at " + strings.ReplaceAll(tc.want, "SERVER", url)
					if got := errOut.String(); !strings.Contains(got, want) || strings.Contains(got, "CANARY") || strings.Count(got, "\n") > 1 {
						t.Errorf("%s: stderr %q\nwant %q", name, got, want)
					}
					if took, want := time.Since(begin), tc.took*discoveries(name); took != want {
						t.Errorf("%s took %s, want %s", name, took, want)
					}
				}
			})
		})
	}
}

// --request-timeout is the time limit of each request.
func TestRequestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newMemoryServer(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		server.StartTLS()
		kubeconfig := kubeconfigFor(t, server.URL)
		for name, args := range commandsOfServers {
			env, out, errOut := testEnv()
			env.dial = server.dial
			begin := time.Now()
			code := Main(t.Context(), env, append(args, "--kubeconfig", kubeconfig, "--insecure-skip-tls-verify", "--request-timeout=200ms"))
			if want := "error: the API server at " + server.URL + " did not answer in time\n"; code != ExitFailure || out.Len() != 0 || errOut.String() != want {
				t.Errorf("%s: status %d, stdout %q, stderr %q\nwant %q", name, code, out, errOut, want)
			}
			if took, want := time.Since(begin), 200*time.Millisecond*discoveries(name); took != want {
				t.Errorf("%s took %s, want %s", name, took, want)
			}
		}
	})
}

// A list that breaks off is an error. If a page of a list expired, the list is requested
// again.
func TestBrokenLists(t *testing.T) {
	for name, tc := range map[string]struct {
		second func(http.ResponseWriter)
		code   int
		want   string // on stderr
	}{
		"a page that fails": {
			func(w http.ResponseWriter) { http.Error(w, "CANARY", http.StatusInternalServerError) }, ExitFailure,
			"error: the API server at SERVER answered 500 Internal Server Error, with content of type text/plain\n",
		},
		"a page that expired": {
			func(w http.ResponseWriter) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusGone)
				_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410}`)
			}, ExitOK, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				query := r.URL.Query()
				list := `{"kind":"PodList","apiVersion":"v1","metadata":{"continue":"NEXT"},"items":[]}`
				switch {
				case r.URL.Path == "/version":
					list = `{"gitVersion":"v1.37.2"}`
				case filepath.Base(r.URL.Path) == "persistentvolumes":
					list = `{"kind":"PersistentVolumeList","apiVersion":"v1","items":[]}`
				case query.Get("continue") != "":
					tc.second(w)
					return
				case query.Get("limit") == "" || query.Get("limit") == "0":
					list = strings.Replace(list, `"continue":"NEXT"`, "", 1)
				case filepath.Base(r.URL.Path) != "pods":
					http.NotFound(w, r)
					return
				}
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, list)
			}))
			defer server.Close()
			env, _, errOut := testEnv()
			code := Main(t.Context(), env, []string{"pods", "--kubeconfig", kubeconfigFor(t, server.URL)})
			if want := strings.ReplaceAll(tc.want, "SERVER", server.URL); code != tc.code || errOut.String() != want {
				t.Errorf("status %d, stderr %q\nwant %d, %q", code, errOut, tc.code, want)
			}
		})
	}
}

// fakeTransport answers when the test says so.
type fakeTransport func(*http.Request) (*http.Response, error)

func (f fakeTransport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The user is told once, after a while, which server is silent, and not if the answer came
// before. Requests that are meant to last have no deadline.
func TestWaiting(t *testing.T) {
	slow := func(after time.Duration) fakeTransport {
		return func(r *http.Request) (*http.Response, error) {
			select {
			case <-r.Context().Done():
				return nil, context.Cause(r.Context())
			case <-time.After(after):
				return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: http.NoBody}, nil
			}
		}
	}
	const origin = "https://api.example:6443"
	for name, tc := range map[string]struct {
		url, method string
		answer      time.Duration
		took        time.Duration
		said        int
		late        bool
	}{
		"an answer before the notice":  {origin + "/api/v1/pods", http.MethodGet, 2 * time.Second, 2 * time.Second, 0, false},
		"an answer after it":           {"https://me:CANARY@api.example:6443/api/v1/pods?token=CANARY", http.MethodGet, 5 * time.Second, 5 * time.Second, 1, false},
		"a list that does not come":    {origin + "/api/v1/pods", http.MethodGet, time.Hour, 30 * time.Second, 1, true},
		"a pod that is not created":    {origin + "/api/v1/namespaces/x/pods", http.MethodPost, time.Hour, time.Minute, 1, true},
		"a watch is meant to last":     {origin + "/api/v1/pods?watch=true", http.MethodGet, time.Hour, time.Hour, 1, false},
		"a log is meant to last":       {origin + "/api/v1/namespaces/x/pods/y/log", http.MethodGet, time.Hour, time.Hour, 1, false},
		"a pod named log is not a log": {origin + "/api/v1/namespaces/pods/secrets/log", http.MethodGet, time.Hour, time.Hour, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var said []string
				watch := &serverWatch{patience: usualPatience, answered: new(atomic.Bool), say: func(where string) { said = append(said, where) }}
				request, err := http.NewRequestWithContext(t.Context(), tc.method, tc.url, nil)
				if err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				response, err := watch.wrap(slow(tc.answer)).RoundTrip(request)
				if took := time.Since(begin); took != tc.took {
					t.Errorf("took %s, want %s", took, tc.took)
				}
				var late *silenceError
				if errors.As(err, &late) != tc.late || errors.Is(err, context.DeadlineExceeded) != tc.late {
					t.Errorf("error %v, want late %v", err, tc.late)
				}
				if err == nil {
					_ = response.Body.Close()
				}
				if len(said) != tc.said || tc.said == 1 && said[0] != origin {
					t.Errorf("said %q, want %d times", said, tc.said)
				}
			})
		})
	}
}

// This is printed only to a terminal.
func TestWaitingIsForTerminals(t *testing.T) {
	for name, tc := range map[string]struct {
		terminal bool
		args     []string
		want     string
	}{
		"a terminal":                  {true, nil, "waiting for SERVER ...\n"},
		"a pipe":                      {false, nil, ""},
		"a terminal without progress": {true, []string{"--progress", "never"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newMemoryServer(t, func(w http.ResponseWriter, _ *http.Request) {
					time.Sleep(usualPatience.notice + 1)
					http.Error(w, "", http.StatusServiceUnavailable)
				})
				server.Start()
				env, _, errOut := testEnv()
				env.ErrIsTerminal, env.dial = tc.terminal, server.dial
				Main(t.Context(), env, append([]string{"pods", "--kubeconfig", kubeconfigFor(t, server.URL)}, tc.args...))
				want := tc.want + "error: the API server at SERVER answered 503 Service Unavailable, with content of type text/plain\n"
				if got := strings.ReplaceAll(errOut.String(), server.URL, "SERVER"); got != want {
					t.Errorf("stderr %q\nwant %q", got, want)
				}
			})
		})
	}
}

// client-go's log lines do not reach stderr, not even errors.
func TestQuietLibraries(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr := os.Stderr
	os.Stderr = w
	QuietLibraries()
	klog.Error("CANARY")
	klog.Background().Info("CANARY")
	log.Print("CANARY")
	klog.Flush()
	os.Stderr = stderr
	log.SetOutput(os.Stderr)
	_ = w.Close()
	if got, err := io.ReadAll(r); err != nil || len(got) > 0 {
		t.Errorf("stderr %q, %v", got, err)
	}
}
