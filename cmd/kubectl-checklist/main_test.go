package main

import (
	"io"
	"os"
	"runtime/debug"
	"strings"
	"testing"
)

// kubectl completes plugins with a program named kubectl_complete-NAME. kubectl passes
// it the words so far, and expects what cobra's own request command prints.
func TestCompletionByName(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want []string
	}{
		"a command":         {[]string{"sec"}, []string{"secrets\tReport whether Secrets are encrypted, from the stored bytes"}},
		"an argument":       {[]string{"explain", "privileged/host-p"}, []string{"privileged/host-path"}},
		"a flag":            {[]string{"nodes", "--max-in"}, []string{"--max-in-flight\tHow many nodes are probed at once."}},
		"nothing like that": {[]string{"zzz"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := capture(t, append([]string{"/usr/local/bin/kubectl_complete-checklist"}, tc.args...))
			lines := strings.Split(strings.TrimSpace(out), "\n")
			directive := lines[len(lines)-1]
			if code != 0 || !strings.HasPrefix(directive, ":") {
				t.Errorf("status %d, last line %q: expected 0 and a directive", code, directive)
			}
			for _, want := range tc.want {
				found := false
				for _, line := range lines {
					found = found || strings.HasPrefix(line, want)
				}
				if !found {
					t.Errorf("want a line %q, got:\n%s", want, out)
				}
			}
			if tc.want == nil && len(lines) != 1 {
				t.Errorf("want the directive alone, got:\n%s", out)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	code, out := capture(t, []string{"kubectl-checklist", "version"})
	if code != 0 || !strings.HasPrefix(out, "version: v") {
		t.Errorf("status %d: %s", code, out)
	}
}

// go install sets no version, but the module's is in the program.
func TestVersionOf(t *testing.T) {
	before := version
	defer func() { version = before }()
	installed := &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}
	for name, tc := range map[string]struct {
		linked string
		info   *debug.BuildInfo
		want   string
	}{
		"go install":        {unknownVersion, installed, "v1.2.3"},
		"a release":         {"v1.2.4", installed, "v1.2.4"},
		"go build":          {unknownVersion, &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, unknownVersion},
		"no information":    {unknownVersion, nil, unknownVersion},
		"no module version": {unknownVersion, &debug.BuildInfo{}, unknownVersion},
	} {
		version = tc.linked
		if got := versionOf(tc.info, tc.info != nil); got != tc.want {
			t.Errorf("%s: got %s, want %s", name, got, tc.want)
		}
	}
}

// capture runs the program with stdout in a file.
func capture(t *testing.T, argv []string) (int, string) {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	before, errBefore := os.Stdout, os.Stderr
	os.Stdout = file
	if os.Stderr, err = os.Open(os.DevNull); err != nil {
		t.Fatal(err)
	}
	code := run(argv)
	os.Stdout, os.Stderr = before, errBefore
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	return code, string(data)
}
