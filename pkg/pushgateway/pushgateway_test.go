package pushgateway

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func body(text string) func(io.Writer) error {
	return func(out io.Writer) error {
		_, err := io.WriteString(out, text)
		return err
	}
}

func TestURL(t *testing.T) {
	for text, want := range map[string]string{
		"http://gateway:9091":                                "http://gateway:9091/metrics/job/kubectl_checklist",
		"https://gateway/":                                   "https://gateway/metrics/job/kubectl_checklist",
		"http://gateway:9091/metrics/job/a/cluster/prod":     "http://gateway:9091/metrics/job/a/cluster/prod",
		"https://proxy/below/metrics/job/a":                  "https://proxy/below/metrics/job/a",
		"https://proxy/below":                                "https://proxy/below/metrics/job/kubectl_checklist",
		"http://gateway/metrics/job/a/path@base64/L3Zhci8":   "http://gateway/metrics/job/a/path@base64/L3Zhci8",
		"http://gateway/metrics/job/a%20b/cluster/name%2Fof": "http://gateway/metrics/job/a%20b/cluster/name%2Fof",
	} {
		g, err := New(text)
		if err != nil || g.url.String() != want {
			t.Errorf("%s: %v, %v, want %s", text, g, err, want)
		}
	}
}

func TestRefusedURL(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "expected http://HOST:PORT",
		"gateway:9091":                          "expected http://HOST:PORT",
		"ftp://hunter2":                         "expected http://HOST:PORT",
		"http://":                               "expected http://HOST:PORT",
		"http://:9091":                          "expected http://HOST:PORT",
		"http://hunter2\x7f/":                   "expected http://HOST:PORT",
		"http://user:hunter2@gateway":           "without user and password",
		"http://gateway/?token=hunter2":         "without ? and #",
		"http://gateway/#hunter2":               "without ? and #",
		"http://gateway/metrics/hunter2/b":      "ends with /metrics/job/NAME",
		"http://gateway/metrics/job/":           "ends with /metrics/job/NAME",
		"http://gateway/metrics/job/a/hunter2":  "ends with /metrics/job/NAME",
		"http://gateway/metrics/job/a/hunter2/": "", // the gateway takes an empty value
	} {
		_, err := New(text)
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case want == "":
		case err == nil || !strings.Contains(err.Error(), want):
			t.Errorf("%q: %v, want %q", text, err, want)
		case strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%q: the error quotes it: %v", text, err)
		}
	}
}

func TestReplace(t *testing.T) {
	var got *http.Request
	var sent []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		sent, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted) // of old versions
	}))
	defer server.Close()
	g, err := New(server.URL + "/metrics/job/a/cluster/prod")
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Replace(context.Background(), body("a 1\n")); err != nil {
		t.Fatal(err)
	}
	// POST would keep metrics that are no longer written.
	if got.Method != http.MethodPut || got.URL.Path != "/metrics/job/a/cluster/prod" || string(sent) != "a 1\n" {
		t.Errorf("%s %s: %q", got.Method, got.URL.Path, sent)
	}
	if kind := got.Header.Get("Content-Type"); kind != "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("content type %q", kind)
	}
}

func TestRefusals(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer other.Close()
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"a redirect is not followed": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		}, "expected status 200, found 307: redirects are not followed"},
		"a reason is shown in one line": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "pushed metrics\x1b[31m are\u202e invalid\nmore", http.StatusBadRequest)
		}, "expected status 200, found 400: pushed metrics^[[31m are\uFFFD invalid"},
		"no reason": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, "expected status 200, found 401"},
		"a page without end is cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			for range 1000 {
				if _, err := io.WriteString(w, strings.Repeat("x", 1<<12)); err != nil {
					return
				}
			}
		}, "xxx ..."},
		"a closed connection": {func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				err = conn.Close()
			}
			if err != nil {
				t.Error(err)
			}
		}, "the connection ended before it answered"},
		"no HTTP": {func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, "hunter2\r\n\r\n")
			_ = conn.Close()
		}, "the connection ended before it answered"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(tc.answer)
			defer server.Close()
			g, err := New(server.URL + "/metrics/job/hunter2")
			if err != nil {
				t.Fatal(err)
			}
			err = g.Replace(context.Background(), body("hunter2 1\n"))
			if err == nil || !strings.HasPrefix(err.Error(), "pushing metrics to "+g.Host()+": ") || !strings.HasSuffix(err.Error(), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
			if err != nil && (strings.Contains(err.Error(), "hunter2") || len(err.Error()) > 400) {
				t.Errorf("the error holds metrics or the path, or is long: %v", err)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	for url, want := range map[string]string{
		"http://" + address:                              "it cannot be reached: connect: connection refused",
		"http://name.invalid":                            "no address was found for this name",
		strings.Replace(plain.URL, "http:", "https:", 1): "it does not speak TLS",
		secure.URL: "its certificate is signed by an unknown authority: SSL_CERT_FILE names a file with the certificates to trust",
	} {
		g, err := New(url)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Replace(context.Background(), body("a 1\n")); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
}

func TestSilence(t *testing.T) {
	end := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-end }))
	defer server.Close()
	defer close(end)
	g, err := New(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if g.client.Timeout != Timeout {
		t.Errorf("timeout %s", g.client.Timeout)
	}
	g.client.Timeout = 50 * time.Millisecond
	if err := g.Replace(context.Background(), body("a 1\n")); err == nil || !strings.HasSuffix(err.Error(), "no answer within "+Timeout.String()) {
		t.Error(err)
	}
	// An interrupted run is interrupted, whatever it was waiting for.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := g.Replace(ctx, body("a 1\n")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestNothingIsSentIfWritingFails(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("something was sent") }))
	defer server.Close()
	g, err := New(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if err := g.Replace(context.Background(), func(io.Writer) error { return broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// A scratch image holds no certificates. SSL_CERT_FILE names those to trust. The process reads
// it once, so this test starts itself.
func TestOwnAuthority(t *testing.T) {
	if url := os.Getenv("TEST_PUSHGATEWAY_URL"); url != "" {
		g, err := New(url)
		if err == nil {
			err = g.Replace(context.Background(), body("a 1\n"))
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	pushed := false
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { pushed = true }))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "ca.crt")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestOwnAuthority$", "-test.count=1")
	cmd.Env = append(os.Environ(), "TEST_PUSHGATEWAY_URL="+server.URL, "SSL_CERT_FILE="+file)
	if said, err := cmd.CombinedOutput(); err != nil || !pushed {
		t.Errorf("pushed: %v, %v: %s", pushed, err, said)
	}
}

// Any text is a group on a host, or an error that quotes nothing of it.
func FuzzNew(f *testing.F) {
	for _, text := range []string{"http://gateway:9091", "https://proxy/below/metrics/job/a/b/c", "http://u:p@x", "http://x/metrics/job/a%2Fb", "http://[::1]:9091/metrics/job/%", "\x00://", "http://x/metrics//metrics/job/a", "http://x/../metrics/job/a/.."} {
		f.Add(text)
	}
	errs := map[string]bool{}
	for _, text := range []string{"", "http://u:p@x", "http://x/?", "http://x/metrics/a"} {
		_, err := New(text)
		errs[err.Error()] = true
	}
	f.Fuzz(func(t *testing.T, text string) {
		g, err := New(text)
		if err != nil {
			if !errs[err.Error()] {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if g.Host() == "" || g.url.User != nil || g.url.RawQuery != "" || !strings.Contains(g.url.String(), "/metrics/job") {
			t.Errorf("%q: %v", text, g.url)
		}
		if _, err := http.NewRequestWithContext(t.Context(), http.MethodPut, g.url.String(), nil); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}

// answers answers every request.
type answers func() *http.Response

func (a answers) RoundTrip(*http.Request) (*http.Response, error) { return a(), nil }

// Whatever a gateway answers, the error is one short line without control characters.
func FuzzAnswer(f *testing.F) {
	f.Add(200, "")
	f.Add(400, "text format parsing error\nin line 3")
	f.Add(302, "x")
	f.Add(500, "\x1b[31m\u202e\xff"+strings.Repeat("a", 300))
	f.Add(-1, " \n ")
	f.Fuzz(func(t *testing.T, status int, said string) {
		g, err := New("http://gateway:9091")
		if err != nil {
			t.Fatal(err)
		}
		g.client.Transport = answers(func() *http.Response {
			return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(said)), Header: http.Header{}}
		})
		err = g.Replace(t.Context(), body("a 1\n"))
		if (err == nil) != (status >= 200 && status < 300) {
			t.Errorf("status %d: %v", status, err)
		}
		if err != nil && (len(err.Error()) > 2*mostReason || !utf8.ValidString(err.Error()) || strings.ContainsFunc(err.Error(), unicode.IsControl) || strings.Contains(err.Error(), "\u202e")) {
			t.Errorf("%q", err)
		}
	})
}
