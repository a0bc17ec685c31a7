package cli

import (
	"bytes"
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
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

func filesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(data)
	}
	return files
}

func TestKeepFacts(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "facts.json")
	save := func(text string) error {
		return writeKept(path, 2, func(out io.Writer) error {
			_, err := io.WriteString(out, text)
			return err
		})
	}
	for _, text := range []string{"monday", "tuesday", "wednesday", "thursday"} {
		if err := save(text); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{"facts.json": "thursday", "facts.json.1": "wednesday", "facts.json.2": "tuesday"}
	if diff := cmp.Diff(want, filesOf(t, dir)); diff != "" {
		t.Errorf("after four runs (-want +got):\n%s", diff)
	}
	// A run that fails renames nothing and leaves nothing.
	broken := errors.New("disk full")
	if err := writeKept(path, 2, func(io.Writer) error { return broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	if diff := cmp.Diff(want, filesOf(t, dir)); diff != "" {
		t.Errorf("after a failed run (-want +got):\n%s", diff)
	}
	// A run that was killed between two renames costs the next one nothing.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := save("friday"); err != nil {
		t.Fatal(err)
	}
	want = map[string]string{"facts.json": "friday", "facts.json.2": "wednesday"}
	if diff := cmp.Diff(want, filesOf(t, dir)); diff != "" {
		t.Errorf("after a killed run (-want +got):\n%s", diff)
	}
}

// What killed runs leave is removed later, and nothing else is.
func TestKeepFactsRemovesLeftovers(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-2 * staleAfter)
	for name, at := range map[string]time.Time{
		".facts.json.new.123": old, ".facts.json.new.4": time.Now(),
		".facts.json.new.": old, ".facts.json.new.1x": old, ".other.json.new.1": old, "facts.json.9": old,
	} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Chtimes(file, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeKept(filepath.Join(dir, "facts.json"), 1, func(io.Writer) error { return nil }); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{".facts.json.new.4": "", ".facts.json.new.": "", ".facts.json.new.1x": "", ".other.json.new.1": "", "facts.json.9": "", "facts.json": ""}
	if diff := cmp.Diff(want, filesOf(t, dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWatchFlags(t *testing.T) {
	path := filepath.Join(t.TempDir(), "facts.json")
	for name, tc := range map[string]struct {
		flags reportFlags
		want  string
	}{
		"neither":                    {reportFlags{}, ""},
		"kept":                       {reportFlags{saveFacts: path, keepFacts: 7}, ""},
		"kept without a file":        {reportFlags{keepFacts: 7}, "--keep-facts has no effect without --save-facts"},
		"fewer than none":            {reportFlags{saveFacts: path, keepFacts: -1}, "--keep-facts: expected a number from 0 to 1000, found -1"},
		"more than can be renamed":   {reportFlags{saveFacts: path, keepFacts: 1001}, "--keep-facts: expected a number from 0 to 1000, found 1001"},
		"a device cannot be renamed": {reportFlags{saveFacts: os.DevNull, keepFacts: 1}, `--keep-facts: expected --save-facts with a file, found a device or a pipe: "` + os.DevNull + `"`},
	} {
		t.Run(name, func(t *testing.T) {
			said := ""
			if err := tc.flags.validateWatch(); err != nil {
				said = err.Error()
			}
			if said != tc.want {
				t.Errorf("%q, want %q", said, tc.want)
			}
		})
	}
}

// A run sends what -o prometheus prints. If it cannot, its report is there and it fails.
func TestPushgateway(t *testing.T) {
	var sent []byte
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ = io.ReadAll(r.Body)
		w.WriteHeader(status)
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "pod.yaml")
	if err := os.WriteFile(file, []byte("{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: c, image: web, securityContext: {privileged: true}}]}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (code int, out, said string) {
		t.Helper()
		streams, _, stdout, stderr := genericiooptions.NewTestIOStreams()
		env := &Env{Streams: streams, Name: "kubectl checklist", Version: "v0.0.0-test", Getenv: func(string) string { return "" }}
		code = Main(context.Background(), env, append([]string{"pods", "-f", file, "-o", "prometheus", "--pushgateway", server.URL}, args...))
		return code, stdout.String(), stderr.String()
	}
	for _, args := range [][]string{nil, {"--severity", "critical"}} {
		code, out, said := run(args...)
		if code != ExitOK || said != "" || !bytes.Equal(sent, []byte(out)) || !strings.Contains(out, `check="privileged/privileged-container",severity="critical",verdict="fail"} 1`) {
			t.Errorf("%v: exit status %d, %s; sent:\n%s\nprinted:\n%s", args, code, said, sent, out)
		}
	}
	// Findings that reach --fail-on are pushed too.
	sent = nil
	if code, _, _ := run("--fail-on", "high"); code != ExitFindings || len(sent) == 0 {
		t.Errorf("--fail-on: exit status %d, %d bytes sent", code, len(sent))
	}
	status = http.StatusServiceUnavailable
	for _, args := range [][]string{nil, {"--fail-on", "high"}} {
		code, out, said := run(args...)
		if code != ExitFailure || !strings.Contains(out, "kubectl_checklist_findings") || !strings.HasPrefix(said, "error: pushing metrics to ") {
			t.Errorf("%v: exit status %d, %q, %d bytes printed", args, code, said, len(out))
		}
	}
}
