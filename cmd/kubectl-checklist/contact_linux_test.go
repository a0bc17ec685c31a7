package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openPTY returns both ends of a new terminal: what a person has, and what a program has.
// Source: pty(7), ioctl_tty(2).
func openPTY(t *testing.T) (person, program *os.File) {
	t.Helper()
	// Without O_NONBLOCK the runtime could not stop a read.
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skipf("no terminal can be made here: %v", err)
	}
	t.Cleanup(func() { _ = person.Close() })
	raw, err := person.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if controlErr := raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}); controlErr != nil || err != nil {
		t.Fatal(controlErr, err)
	}
	if program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Close() })
	return person, program
}

const clusterUID = "0f3b1c9a-5d1e-4f3a-9a57-2d6f0c1e8b42"

// twoNodes is an API server that lists two nodes and refuses whatever else is asked, so that a run
// which means to create something ends with gaps.
type twoNodes struct {
	*httptest.Server
	mu     sync.Mutex
	posted []string
}

func newTwoNodes(t *testing.T) *twoNodes {
	t.Helper()
	s := &twoNodes{}
	node := func(name string) map[string]any {
		return map[string]any{
			"metadata": map[string]any{"name": name},
			"status": map[string]any{
				"conditions": []any{map[string]string{"type": "Ready", "status": "True"}},
				"nodeInfo":   map[string]string{"operatingSystem": "linux", "architecture": "amd64"},
			},
		}
	}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			s.mu.Lock()
			s.posted = append(s.posted, r.Method+" "+r.URL.Path)
			s.mu.Unlock()
		}
		w.Header().Set("Content-Type", "application/json")
		var answer any
		switch r.URL.Path {
		case "/version":
			answer = map[string]string{"gitVersion": "v1.37.2"}
		case "/api/v1/nodes":
			answer = map[string]any{"apiVersion": "v1", "kind": "NodeList", "items": []any{node("a"), node("b")}}
		case "/api/v1/namespaces/kube-system":
			answer = map[string]any{"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": map[string]string{"name": "kube-system", "uid": clusterUID}}
		case "/apis/authentication.k8s.io/v1/selfsubjectreviews":
			answer = map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "status": map[string]any{"userInfo": map[string]string{"username": "jane"}}}
		default:
			w.WriteHeader(http.StatusForbidden)
			answer = map[string]any{"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "Forbidden", "code": 403}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(s.Close)
	return s
}

// creates lists the requests that ask for more than who the user is, and what they may.
func (s *twoNodes) creates() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.posted), func(path string) bool {
		return strings.HasSuffix(path, "/selfsubjectreviews") || strings.HasSuffix(path, "/selfsubjectaccessreviews")
	})
}

// reviewed reports whether the run got as far as to ask what it may do in the probe's namespace.
func (s *twoNodes) reviewed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.posted, func(path string) bool { return strings.HasSuffix(path, "/selfsubjectaccessreviews") })
}

// home is the home of a user with a kubeconfig for a server.
func home(t *testing.T, server string) (env []string, known string) {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "config")
	text := `{"apiVersion":"v1","kind":"Config","current-context":"x","clusters":[{"name":"c","cluster":{"server":"` + server +
		`"}}],"users":[{"name":"u","user":{}}],"contexts":[{"name":"x","context":{"cluster":"c","user":"u"}}]}`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(dir, "cache")
	return []string{asPlugin + "=1", "HOME=" + dir, "XDG_CACHE_HOME=" + cache, "KUBECONFIG=" + config, "TERM=xterm", "PATH=" + os.Getenv("PATH")},
		filepath.Join(cache, "kubectl-checklist", "clusters")
}

// talk starts the plugin in a session of its own, whose terminal is a new one, with early typed
// before. It sends each answer
// when the prompt appears once more, and returns what the terminal showed.
func talk(t *testing.T, env, args []string, stdin func(program *os.File) *os.File, early string, answers ...string) (shown string, code int) {
	t.Helper()
	person, program := openPTY(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env, cmd.Stdin, cmd.Stderr = env, program, program
	if stdin != nil {
		cmd.Stdin = stdin(program)
	}
	var out strings.Builder
	cmd.Stdout = &out // a file or a pipe: only stdin and stderr count
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: cmd.Stdin == program, Ctty: 0}
	before, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(person, early); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var screen strings.Builder
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buffer := make([]byte, 4096)
		prompts := 0
		for {
			n, err := person.Read(buffer)
			mu.Lock()
			screen.Write(buffer[:n])
			seen := strings.Count(screen.String(), "[Y/n] ")
			mu.Unlock()
			for ; prompts < seen && prompts < len(answers); prompts++ {
				_, _ = io.WriteString(person, answers[prompts])
			}
			if err != nil {
				return
			}
		}
	}()
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	after, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("the terminal has other settings than before: %v", err)
	}
	_ = program.Close() // the last one: the person's end says that it is over
	select {
	case <-ended:
	case <-time.After(2 * time.Minute): // the terminal has the kernel's clock; long, for a busy machine
		t.Error("the terminal stays open")
	}
	mu.Lock()
	defer mu.Unlock()
	return strings.ReplaceAll(screen.String(), "\r\n", "\n") + out.String(), cmd.ProcessState.ExitCode()
}

// The plugin on a real terminal asks before its first pods on a cluster. What counts is what the
// API server was asked for.
func TestFirstContact(t *testing.T) {
	const prompt = "Create them? [Y/n] "
	probe := []string{"nodes", "--probe-image", "registry.example/probe:v1", "--color", "never"}
	for name, tc := range map[string]struct {
		args    []string
		stdin   func(*os.File) *os.File
		answers []string
		asked   int
		code    int
		goes    bool // on to the probe
		knows   bool // the cluster is remembered
		says    string
	}{
		"Enter":        {args: probe, answers: []string{"\n"}, asked: 1, goes: true, knows: true},
		"y":            {args: probe, answers: []string{"y\n"}, asked: 1, goes: true, knows: true},
		"YES":          {args: probe, answers: []string{" YES \n"}, asked: 1, goes: true, knows: true},
		"n":            {args: probe, answers: []string{"n\n"}, asked: 1, says: "the user answered no"},
		"no":           {args: probe, answers: []string{"No\n"}, asked: 1, says: "--yes"},
		"something":    {args: probe, answers: []string{"maybe\n", "y\n"}, asked: 2, goes: true, knows: true, says: "expected y or n"},
		"three things": {args: probe, answers: []string{"ls\n", "who\n", "date\n"}, asked: 3, says: "the user answered no"},
		"a long line":  {args: probe, answers: []string{strings.Repeat("y", 4000) + "\n", "n\n"}, asked: 2, says: "the user answered no"},
		"the end":      {args: probe, answers: []string{"\x04"}, asked: 1, says: "the user answered no"},
		"Ctrl-C":       {args: probe, answers: []string{"\x03"}, asked: 1, code: 2, says: "error: interrupted"},
		"--yes":        {args: append(slices.Clone(probe), "--yes"), goes: true},
		"--no-probe":   {args: append(slices.Clone(probe), "--no-probe")},
		"all":          {args: append([]string{"--yes=false"}, probe[1:]...), answers: []string{"n\n"}, asked: 1, says: "give --yes"},
		"secrets":      {args: append([]string{"secrets"}, probe[1:]...), answers: []string{"n\n"}, asked: 1},
		"stdin is a pipe": {args: probe, goes: true, stdin: func(*os.File) *os.File {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			_ = w.Close()
			return r
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTwoNodes(t)
			env, known := home(t, s.URL)
			shown, code := talk(t, env, tc.args, tc.stdin, "", tc.answers...)
			if got := strings.Count(shown, prompt); got != tc.asked {
				t.Errorf("asked %d times, want %d", got, tc.asked)
			}
			if tc.asked > 0 && !strings.Contains(shown, "To measure 2 nodes, this run creates ") {
				t.Error("nothing says what would be created")
			}
			if code != tc.code {
				t.Errorf("exit status %d, want %d", code, tc.code)
			}
			if got := s.reviewed(); got != tc.goes {
				t.Errorf("went on to the probe: %t, want %t", got, tc.goes)
			}
			if made := s.creates(); !tc.goes && len(made) > 0 {
				t.Errorf("created: %q", made)
			}
			if _, err := os.Stat(known); (err == nil) != tc.knows {
				t.Errorf("the cluster is remembered: %t, want %t", err == nil, tc.knows)
			}
			if !strings.Contains(strings.Join(strings.Fields(shown), " "), tc.says) {
				t.Errorf("does not say %q", tc.says)
			}
			if t.Failed() {
				t.Log(shown)
			}
		})
	}
}

// A yes counts for the cluster, and a no for the run alone. What was typed before the question is
// no answer.
func TestSecondContact(t *testing.T) {
	s := newTwoNodes(t)
	env, known := home(t, s.URL)
	args := []string{"nodes", "--probe-image", "registry.example/probe:v1"}
	early := "\n"
	for i, answer := range []string{"n\n", "y\n", ""} {
		shown, code := talk(t, env, args, nil, early, answer)
		if asked := strings.Contains(shown, "[Y/n]"); asked != (i < 2) || code != 0 {
			t.Errorf("run %d: asked %t, exit status %d: %s", i+1, asked, code, shown)
		}
	}
	text, err := os.ReadFile(known)
	if err != nil || strings.Count(string(text), clusterUID) != 1 {
		t.Errorf("remembered: %q, %v", text, err)
	}
}
