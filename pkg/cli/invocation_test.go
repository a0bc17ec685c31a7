package cli

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// calledWith returns the environment of this command line.
func calledWith(t *testing.T, args ...string) *Env {
	t.Helper()
	env, _, _ := testEnv()
	root := NewCommand(env)
	cmd, rest, err := root.Find(args)
	if err != nil {
		t.Fatal(err)
	}
	cmd.RunE = func(*cobra.Command, []string) error { return nil }
	root.SetArgs(args)
	if err := root.Execute(); err != nil {
		t.Fatalf("%v: %v", rest, err)
	}
	return env
}

// A command that is printed goes where the user's own went, or nowhere.
func TestPrintedCommands(t *testing.T) {
	for name, tc := range map[string]struct {
		args       []string
		text, want string
	}{
		"without flags a text stays": {
			nil, "kubectl describe node w1; kubectl checklist cleanup", "kubectl describe node w1; kubectl checklist cleanup",
		},
		"connection flags are kept": {
			[]string{"nodes", "--context", "prod", "--kubeconfig=k/config", "--as", "me", "--as-group", "a", "--as-group", "b"},
			"kubectl describe node w1; kubectl checklist nodes",
			"kubectl --as me --as-group a --as-group b --context prod --kubeconfig k/config describe node w1; " +
				"kubectl checklist nodes --as me --as-group a --as-group b --context prod --kubeconfig k/config",
		},
		"both sides of a pipe keep them": {
			[]string{"secrets", "--cluster", "c"},
			"(kubectl get secrets -A -o json | kubectl replace -f -).",
			"(kubectl --cluster c get secrets -A -o json | kubectl --cluster c replace -f -).",
		},
		"a word with a space or a quote is quoted": {
			[]string{"--context", "it's prod; rm -rf ~", "--user="},
			"kubectl checklist explain",
			`kubectl checklist explain --context 'it'\''s prod; rm -rf ~' --user ''`,
		},
		"a token is never repeated, nor a password in a URL": {
			[]string{"--token", "CANARY", "--server", "https://me:CANARY@api.example:6443/?key=CANARY"},
			"kubectl checklist cleanup",
			"kubectl checklist cleanup --server https://api.example:6443/",
		},
		"a control character is not printed": {
			[]string{"--context", "a\x1b[2Jb"}, "kubectl checklist cleanup", "kubectl checklist cleanup --context 'a^[[2Jb'",
		},
		"a switch needs no value": {
			[]string{"--insecure-skip-tls-verify", "--disable-compression=false"},
			"kubectl checklist cleanup",
			"kubectl checklist cleanup --disable-compression=false --insecure-skip-tls-verify",
		},
		"a namespace is kept where it matters": {
			[]string{"pods", "-n", "shop"},
			"kubectl checklist pods; kubectl checklist cleanup; kubectl get pod x -n y",
			"kubectl checklist pods --namespace shop; kubectl checklist cleanup; kubectl get pod x -n y",
		},
		"rights are printed for the same probe": {
			[]string{"--probe-namespace", "audit", "--no-probe", "-o", "json"},
			"kubectl checklist manifests --only grants prints the rights; kubectl checklist cleanup",
			"kubectl checklist manifests --no-probe --probe-namespace audit --only grants prints the rights; kubectl checklist cleanup --probe-namespace audit",
		},
		"a command without a cluster needs no flag of one": {
			[]string{"--context", "prod"},
			"kubectl checklist --local on that node; kubectl checklist secrets --snapshot FILE; see: kubectl checklist pods --help",
			"kubectl checklist --local on that node; kubectl checklist secrets --snapshot FILE; see: kubectl checklist pods --help",
		},
		"of saved facts, a placeholder for the cluster": {
			[]string{"--facts", "f.json"},
			"kubectl describe node w1; kubectl checklist nodes; kubectl checklist explain x",
			"kubectl --context CONTEXT describe node w1; kubectl checklist nodes --context CONTEXT; kubectl checklist explain x",
		},
		"of saved facts, a flag that names the cluster counts": {
			[]string{"--facts", "f.json", "--context", "prod"}, "kubectl describe node w1", "kubectl --context prod describe node w1",
		},
		"of saved facts, a probe's flag needs a new run": {
			[]string{"nodes", "--facts", "f.json"}, "--probe-level full reads it", "in a new run: --probe-level full reads it",
		},
		"other words stay": {
			[]string{"--context", "prod"}, "kubectl kustomize says why, kubectl checklists do not", "kubectl kustomize says why, kubectl checklists do not",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := calledWith(t, tc.args...).expand(tc.text); got != tc.want {
				t.Errorf("want %q\ngot  %q", tc.want, got)
			}
		})
	}
}

// A command that shows more is the user's own, without what writes files.
func TestAgain(t *testing.T) {
	for line, want := range map[string]string{
		"":                        "kubectl checklist -o wide",
		"pods -A -o json":         "kubectl checklist pods --all-namespaces -o wide",
		"pods deploy/web -n shop": "kubectl checklist pods deploy/web --namespace shop -o wide",
		"nodes -l a=b,c --save-facts f.json --progress never":          "kubectl checklist nodes --selector a=b,c -o wide",
		"--facts f.json --output-file json=x --token CANARY":           "kubectl checklist --facts f.json -o wide",
		"--check a/*,b/c --question 1 --skip x --context prod":         "kubectl checklist --check 'a/*' --check b/c --context prod --question 1 --skip x -o wide",
		"secrets --control-plane-node cp1,cp2 --severity high --local": "kubectl checklist secrets --control-plane-node cp1 --control-plane-node cp2 --local --severity high -o wide",
	} {
		if got := calledWith(t, strings.Fields(line)...).again("-o wide"); got != want {
			t.Errorf("%s\nwant %q\ngot  %q", line, want, got)
		}
	}
}

// Every format that people read has the user's flags in its hints. A JSON or YAML report has
// none: it is the same whoever prints it.
func TestHintsOfEveryFormat(t *testing.T) {
	facts := clusterFacts(t)
	for _, format := range []string{"table", "wide", "custom-columns=R:.remediation.text", `go-template={{range .findings}}{{.remediation.text}}{{"\n"}}{{end}}`} {
		got := strings.Join(strings.Fields(shownOn(t, 0, "--facts", facts, "--context", "my prod", "-o", format)), " ")
		if strings.Contains(got, "kubectl drain") || strings.Contains(got, "kubectl get secrets") {
			t.Errorf("%s: a command without the user's flags:\n%s", format, got)
		}
		if !strings.Contains(got, "kubectl --context 'my prod' drain") && format != "table" && format != "wide" {
			t.Errorf("%s: no command with the user's flags:\n%s", format, got)
		}
	}
	for _, format := range []string{"json", "yaml"} {
		if got := shownOn(t, 0, "--facts", facts, "--context", "my prod", "-o", format); strings.Contains(got, "my prod") || !strings.Contains(got, "kubectl drain") {
			t.Errorf("%s has the user's flags, or no command", format)
		}
	}
	if got := shownOn(t, 0, "pods", "--facts", facts, "--check", "privileged/*"); strings.Contains(got, " more: ") && !strings.Contains(got, "more: kubectl checklist pods --check 'privileged/*' --facts ") {
		t.Errorf("what shows more:\n%s", got)
	}
}
