package podspec

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"mvdan.cc/sh/v3/syntax"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func TestCommandLinesAreEvaluated(t *testing.T) {
	found := func(name, field string) *fact.DeclaredBuilder {
		return &fact.DeclaredBuilder{Name: name, Field: field}
	}
	nest := func(n int) string {
		script := "buildah"
		for range n {
			quoted, err := syntax.Quote(script, syntax.LangBash)
			if err != nil {
				t.Fatal(err)
			}
			script = "sh -c " + quoted
		}
		return script
	}
	for name, tc := range map[string]struct {
		command, args []string
		want          *fact.DeclaredBuilder
		unread        fact.Reason
	}{
		"the program itself":                 {[]string{"/kaniko/executor"}, nil, found("kaniko", "command[0]"), ""},
		"arguments of the image's own":       {nil, []string{"dockerd", "--host=unix:///x"}, found("Docker-in-Docker", "args[0]"), ""},
		"options of the image's own":         {nil, []string{"--dockerfile=dockerd"}, nil, ""},
		"a script":                           {[]string{"sh", "-c", "cd /src && buildah bud ."}, nil, found("Buildah", "command[2]"), ""},
		"a script in the arguments":          {[]string{"/bin/bash", "-ec"}, []string{"dockerd &\nsleep 1"}, found("Docker-in-Docker", "args[0]"), ""},
		"after further options":              {[]string{"bash", "-o", "pipefail", "-e", "-c", "docker build ."}, nil, found("docker build", "command[5]"), ""},
		"the option before others":           {[]string{"sh", "-c", "-e", "docker build ."}, nil, found("docker build", "command[3]"), ""},
		"busybox as the shell":               {[]string{"busybox", "sh", "-c", "buildctl build"}, nil, found("BuildKit", "command[3]"), ""},
		"with escapes":                       {[]string{"sh", "-c", `d\ocker "bui\` + "\n" + `ld" .`}, nil, found("docker build", "command[2]"), ""},
		"in dollar quotes":                   {[]string{"sh", "-c", `$'build\x61h' bud`}, nil, found("Buildah", "command[2]"), ""},
		"in a branch of a function":          {[]string{"sh", "-c", "f() { if [ -e x ]; then exec podman build .; fi; }; f"}, nil, found("podman build", "command[2]"), ""},
		"in a pipe, quoted":                  {[]string{"sh", "-c", `cat x | "docker" 'buildx' build -`}, nil, found("docker build", "command[2]"), ""},
		"in a substitution":                  {[]string{"sh", "-c", `echo "$(docker build -q .)"`}, nil, found("docker build", "command[2]"), ""},
		"a shell in a shell":                 {[]string{"sh", "-c", `bash -c "buildah bud"`}, nil, found("Buildah", "command[2]"), ""},
		"behind wrappers":                    {[]string{"tini", "-g", "--", "env", "-u", "A", "B=c", "timeout", "-k", "5", "10", "gosu", "app", "buildah"}, nil, found("Buildah", "command[13]"), ""},
		"a word that is only printed":        {[]string{"sh", "-c", "echo docker build; # buildah"}, nil, nil, ""},
		"a client that does something else":  {[]string{"docker", "ps"}, nil, nil, ""},
		"a variable as the program":          {[]string{"$(TOOL)", "build"}, nil, nil, ""},
		"a file as the script":               {[]string{"sh", "build.sh", "-c", "buildah"}, nil, nil, ""},
		"nothing":                            {nil, nil, nil, ""},
		"no shell's language":                {[]string{"sh", "-c", "if then ((("}, nil, nil, fact.Unsupported},
		"too long a script":                  {[]string{"sh", "-c", strings.Repeat("a\n", 64<<10)}, nil, nil, fact.Unsupported},
		"shells, one in the other":           {[]string{"sh", "-c", nest(3)}, nil, found("Buildah", "command[2]"), ""},
		"too many of them":                   {[]string{"sh", "-c", nest(4)}, nil, nil, fact.Unsupported},
		"a wrapper of nothing":               {[]string{"env"}, nil, nil, ""},
		"a name that a wrapper's option has": {[]string{"env", "-u", "buildah"}, nil, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := container(fact.RegularContainer, "spec.containers[0]", &corev1.Container{Name: "app", Command: tc.command, Args: tc.args}, nil)
			if diff := cmp.Diff(tc.want, got.Builder); diff != "" {
				t.Errorf("builder (-want +got):\n%s", diff)
			}
			if got.CommandUnread != tc.unread {
				t.Errorf("unread: want %q, got %q", tc.unread, got.CommandUnread)
			}
		})
	}
}

func TestHooksAreEvaluated(t *testing.T) {
	exec := func(words ...string) *corev1.LifecycleHandler {
		return &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: words}}
	}
	for name, tc := range map[string]struct {
		hooks corev1.Lifecycle
		field string
	}{
		"after the start": {corev1.Lifecycle{PostStart: exec("buildah", "bud")}, "lifecycle.postStart.exec.command[0]"},
		"before the end":  {corev1.Lifecycle{PreStop: exec("sh", "-c", "buildah bud"), PostStart: exec("true")}, "lifecycle.preStop.exec.command[2]"},
	} {
		t.Run(name, func(t *testing.T) {
			got := container(fact.RegularContainer, "f", &corev1.Container{Lifecycle: &tc.hooks}, nil).Builder
			if got == nil || got.Field != tc.field {
				t.Errorf("want %s, got %+v", tc.field, got)
			}
		})
	}
}

// Whatever a command line holds, facts hold none of its words behind the program.
func FuzzCommand(f *testing.F) {
	for _, script := range []string{"cd /src && buildah bud .", "f() { docker build; }; f <<X\na\nX", "case $x in a) ;; esac", "((1+2)) && [[ a =~ b ]]", "$'\\x41' \"${a[@]}\" `b`"} {
		f.Add("sh", "-c", script)
		f.Add(script, "--", "x")
	}
	f.Fuzz(func(t *testing.T, a, b, c string) {
		const canary = "CANARYVALUE"
		got := container(fact.RegularContainer, "f", &corev1.Container{Command: []string{"sh", "-c", c + " " + canary}, Args: []string{a, b, canary}}, nil)
		text, err := json.Marshal(got)
		if err != nil || strings.Contains(string(text), canary) {
			t.Errorf("%s, %v", text, err)
		}
		container(fact.RegularContainer, "f", &corev1.Container{Command: []string{a, b, c}}, nil)
	})
}
