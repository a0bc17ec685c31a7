package manifest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The name of a URL loses user, password and query: in errors, in the origin of
// evidence and in the report's scope.
func TestReadURL(t *testing.T) {
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: " + spec
	tries := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tries[r.URL.Path]++
		user, password, _ := r.BasicAuth()
		switch {
		case r.URL.Path == "/good" && user == "me" && password == "CANARY" && r.URL.RawQuery == "token=CANARY":
			_, _ = io.WriteString(w, pod)
		case r.URL.Path == "/secondtime" && tries[r.URL.Path] == 2:
			_, _ = io.WriteString(w, pod)
		case r.URL.Path == "/wrong":
			_, _ = io.WriteString(w, "data: CANARY")
		case r.URL.Path == "/none":
			http.Error(w, "CANARY", http.StatusNotFound)
		case r.URL.Path == "/round":
			http.Redirect(w, r, "/round?CANARY", http.StatusFound)
		case r.URL.Path == "/odd":
			connection, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.WriteString(connection, "CANARY CANARY\n\n")
				_ = connection.Close()
			}
		default:
			http.Error(w, "CANARY", http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	pause = time.Millisecond
	host := strings.TrimPrefix(server.URL, "http://")
	of := func(path string) string { return "http://me:CANARY@" + host + path + "?token=CANARY#CANARY" }
	for path, want := range map[string]string{
		"/good": "", "/secondtime": "",
		"/wrong": ": line 1: expected an object, found one without kind",
		"/none":  ": expected status 200, the server answered 404",
		"/busy":  ": expected status 200, the server answered 503",
		"/round": ": the server's answer is not HTTP, or the server redirects without end",
		"/odd":   ": the server's answer is not HTTP, or the server redirects without end",
	} {
		t.Run(path, func(t *testing.T) {
			files := Files{Filenames: []string{of(path)}}
			if got, want := files.Names(), []string{server.URL + path}; !cmp.Equal(got, want) {
				t.Errorf("names %v, want %v", got, want)
			}
			got, err := workloadsOf(Read(t.Context(), files, "", nil))
			if want == "" {
				if err != nil || len(got) != 1 || got[0].Spec.Origin != server.URL+path+" pod/a" {
					t.Errorf("got %v, %v", found(got), err)
				}
				return
			}
			if err == nil || err.Error() != server.URL+path+want {
				t.Errorf("got  %v\nwant %s", err, server.URL+path+want)
			}
		})
	}
	if want := map[string]int{"/good": 1, "/secondtime": 2, "/wrong": 1, "/none": 1, "/busy": 3, "/round": 30, "/odd": 3}; !cmp.Equal(want, tries) {
		t.Errorf("requests (-want +got):\n%s", cmp.Diff(want, tries))
	}
	for name, want := range map[string]string{
		"http://me:CAN/ARY@host.invalid:x/y": "http://...: not a valid URL",
		"http://127.0.0.1:1/a?CANARY":        "http://127.0.0.1:1/a: the server cannot be reached: connection refused",
		"http://me:CANARY@host.invalid/a":    "http://host.invalid/a: expected a URL with https: over http anybody on the way can change what is read",
		"ftp://me:CANARY@host/a":             "ftp://host/a: no such file or directory",
	} {
		if _, err := Read(t.Context(), Files{Filenames: []string{name}}, "", nil); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// blocked is an input from which nothing comes.
type blocked struct {
	reading func()
	done    chan struct{}
}

func (b blocked) Read([]byte) (int, error) { b.reading(); <-b.done; return 0, io.EOF }

// A signal ends reading, whatever it waits for. It comes once it waits.
func TestReadStops(t *testing.T) {
	silent := make(chan struct{})
	var reading func()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reading(); <-silent }))
	defer server.Close()
	defer close(silent)
	pipe := namedPipe(t)
	for name, files := range map[string]Files{
		"standard input": {Filenames: []string{"-"}},
		"a server":       {Filenames: []string{server.URL}},
		"a silent pipe":  {Filenames: []string{pipe}},
	} {
		t.Run(name, func(t *testing.T) {
			if len(files.Filenames[0]) == 0 {
				t.Skip("no named pipes here")
			}
			ctx, cancel := context.WithCancel(t.Context())
			reading = cancel
			if files.Filenames[0] == pipe {
				go func() {
					// It opens for writing once somebody reads, who finds nothing in it.
					if writer, err := os.OpenFile(pipe, os.O_WRONLY, 0); err == nil {
						defer writer.Close() //nolint:errcheck // nothing was written
					}
					cancel()
					<-t.Context().Done()
				}()
			}
			_, err := Read(ctx, files, "", blocked{cancel, silent})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestLimited(t *testing.T) {
	defer func(before int64) { maxSource = before }(maxSource)
	maxSource = 1 << 20
	if _, err := limited(zeroReader{}); err == nil || err.Error() != "expected at most 1 MiB, found more" {
		t.Errorf("got %v", err)
	}
	if _, err := limited(io.MultiReader(strings.NewReader("CANARY"), failing{})); err == nil || err.Error() != "reading it: is a directory" {
		t.Errorf("got %v", err)
	}
}

type zeroReader struct{}

func (zeroReader) Read(b []byte) (int, error) { return len(b), nil }

type failing struct{}

func (failing) Read([]byte) (int, error) {
	return 0, &os.PathError{Op: "read", Path: "CANARY", Err: errors.New("is a directory")}
}

// Links to files are read, links to directories are not followed.
func TestLinks(t *testing.T) {
	write(t, map[string]string{"dir/a.yaml": object("v1", "Pod", "a", "spec: "+spec), "other/b.yaml": "CANARY"})
	for from, to := range map[string]string{"dir/c.yaml": "a.yaml", "dir/loop.yaml": ".", "dir/loop": "."} {
		if err := os.Symlink(to, filepath.FromSlash(from)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := workloadsOf(Read(t.Context(), Files{Filenames: []string{"dir"}, Recursive: true}, "", nil))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Pod shop/a from dir/a.yaml pod/shop/a spec", "Pod shop/a from dir/c.yaml pod/shop/a spec"}
	if diff := cmp.Diff(want, found(got)); diff != "" {
		t.Errorf("workloads (-want +got):\n%s", diff)
	}
}

// A server cannot send the client to a URL without https, and what was in the first URL does
// not reach the second server. One that falls silent in its answer does not hold up the run.
func TestRedirects(t *testing.T) {
	defer func(p, w time.Duration) { patience, pause = p, w }(patience, pause)
	patience, pause = 50*time.Millisecond, time.Millisecond
	var seen []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.URL.String()+strings.Join(r.Header.Values("Referer"), " ")+strings.Join(r.Header.Values("Authorization"), " "))
		_, _ = io.WriteString(w, object("v1", "Pod", "a", "spec: "+spec))
	}))
	defer other.Close()
	end := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/other":
			http.Redirect(w, r, strings.Replace(other.URL, "127.0.0.1", "localhost", 1)+"/x", http.StatusFound)
		case "/plain":
			http.Redirect(w, r, "http://host.invalid/CANARY", http.StatusFound)
		case "/silent":
			_, _ = io.WriteString(w, "kind: Pod\n")
			_ = http.NewResponseController(w).Flush()
			<-end
		}
	}))
	defer server.Close()
	defer close(end)
	host := strings.TrimPrefix(server.URL, "http://")
	for path, want := range map[string]string{
		"/other":  "",
		"/plain":  ": the server redirects to a URL without https",
		"/silent": ": the server did not send the rest in time",
	} {
		_, err := Read(t.Context(), Files{Filenames: []string{"http://me:CANARY@" + host + path + "?token=CANARY"}}, "", nil)
		if want == "" && err == nil {
			continue
		}
		if err == nil || err.Error() != server.URL+path+want {
			t.Errorf("got  %v\nwant %s", err, server.URL+path+want)
		}
	}
	if diff := cmp.Diff([]string{"/x"}, seen); diff != "" {
		t.Errorf("the other server saw (-want +got):\n%s", diff)
	}
}
