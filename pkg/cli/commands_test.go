package cli

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
)

var update = flag.Bool("update", false, "write the golden files again")

func TestCommandName(t *testing.T) {
	for argv0, want := range map[string]string{
		"kubectl-checklist":                    "kubectl checklist",
		"/home/me/.krew/bin/kubectl-checklist": "kubectl checklist",
		"kubectl-checklist.exe":                "kubectl checklist",
		"kubectl-check_list":                   "kubectl check-list",
		"checklist":                            "checklist",
		"./x":                                  "x",
	} {
		if got := CommandName(argv0); got != want {
			t.Errorf("%q: want %q, got %q", argv0, want, got)
		}
	}
}

// each walks the command tree.
func each(cmd *cobra.Command, fn func(*cobra.Command)) {
	fn(cmd)
	for _, sub := range cmd.Commands() {
		each(sub, fn)
	}
}

// Every command says what it is for, and every flag says what it does, as a sentence.
// Every flag that the help does not explain is one of kubectl's.
func TestTree(t *testing.T) {
	env, _, _ := testEnv()
	root := NewCommand(env)
	commands := 0
	each(root, func(cmd *cobra.Command) {
		if cmd.Name() == "no-help" {
			return // takes the place of cobra's help command
		}
		commands++
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: short text %q: expected a phrase", cmd.CommandPath(), cmd.Short)
		}
		if !cmd.Runnable() {
			t.Errorf("%s does nothing", cmd.CommandPath())
		}
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if !strings.HasSuffix(f.Usage, ".") {
				t.Errorf("%s --%s: help text %q: expected a sentence", cmd.CommandPath(), f.Name, f.Usage)
			}
			if f.Name != strings.ToLower(f.Name) || strings.Contains(f.Name, "_") {
				t.Errorf("%s --%s: expected lower case and dashes", cmd.CommandPath(), f.Name)
			}
		})
	})
	if commands != 16 {
		t.Errorf("want 16 commands, got %d", commands)
	}
}

// Every example is a command line that this plugin would take.
func TestExamples(t *testing.T) {
	env, _, _ := testEnv()
	examples := 0
	each(NewCommand(env), func(cmd *cobra.Command) {
		for _, line := range strings.Split(cmd.Example, "\n") {
			line = strings.TrimSpace(line)
			_, rest, ok := strings.Cut(line, "kubectl checklist")
			if strings.HasPrefix(line, "#") || !ok {
				continue
			}
			examples++
			rest, _, _ = strings.Cut(rest, " | ") // what kubectl does with the output
			args := strings.Fields(strings.TrimSuffix(rest, ")"))
			root := NewCommand(env)
			found, args, err := root.Find(args)
			if err != nil {
				t.Errorf("%q: %v", line, err)
				continue
			}
			if found.CommandPath() != cmd.CommandPath() {
				t.Errorf("%q is an example of %s, but is in the help of %s", line, found.CommandPath(), cmd.CommandPath())
			}
			if err := found.ParseFlags(args); err != nil {
				t.Errorf("%q: %v", line, err)
			}
			if err := found.ValidateArgs(found.Flags().Args()); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		}
	})
	if examples < 15 {
		t.Errorf("only %d examples were found", examples)
	}
}

// The help of every command, word for word. Users read it, and a change of the help is a
// change of the command line.
func TestHelp(t *testing.T) {
	env, _, _ := testEnv()
	var paths [][]string
	each(NewCommand(env), func(cmd *cobra.Command) {
		if cmd.Name() != "no-help" {
			paths = append(paths, strings.Fields(strings.TrimPrefix(cmd.CommandPath(), env.Name)))
		}
	})
	// Only kubectl's own default differs from machine to machine.
	t.Setenv("HOME", "/home/me")
	t.Setenv("KUBECACHEDIR", "")
	for _, path := range paths {
		name := strings.Join(append([]string{"checklist"}, path...), "-")
		t.Run(name, func(t *testing.T) {
			env, out, errOut := testEnv()
			if code := Main(t.Context(), env, append(slices.Clone(path), "--help")); code != ExitOK || errOut.Len() != 0 {
				t.Fatalf("status %d, stderr %q", code, errOut)
			}
			golden := filepath.Join("testdata", "help", name+".golden")
			if *update {
				if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), out.String()); diff != "" {
				t.Errorf("help (-want +got), go test ./pkg/cli -update writes it again:\n%s", diff)
			}
			for _, line := range strings.Split(out.String(), "\n") {
				if strings.HasSuffix(line, " ") {
					t.Errorf("a line ends with a space: %q", line)
				}
			}
		})
	}
}

// The process that cleans up after a kill has the connection that the run has.
func TestConnectionFlags(t *testing.T) {
	for name, tc := range map[string]struct {
		in   []string
		want map[string][]string
	}{
		"nothing": {nil, map[string][]string{}},
		"a context": {
			[]string{"--kubeconfig", "/k", "--context=x", "-n", "shop"},
			map[string][]string{"kubeconfig": {"/k"}, "context": {"x"}, "namespace": {"shop"}},
		},
		"a server by hand": {
			[]string{"-s", "https://api.example", "--token=t", "--certificate-authority=ca", "--tls-server-name=api", "--insecure-skip-tls-verify"},
			map[string][]string{
				"server": {"https://api.example"}, "token": {"t"}, "certificate-authority": {"ca"}, "tls-server-name": {"api"}, "insecure-skip-tls-verify": {"true"},
			},
		},
		"somebody else, each group": {
			[]string{"--as=me", "--as-uid=1", "--as-group=a,b", "--as-group=c", "--as-user-extra=k=v"},
			map[string][]string{"as": {"me"}, "as-uid": {"1"}, "as-group": {"a,b", "c"}, "as-user-extra": {"k=v"}},
		},
		"a time limit":                          {[]string{"--request-timeout=5s"}, map[string][]string{"request-timeout": {"5s"}}},
		"a name that reads like a flag's value": {[]string{"--user=false"}, map[string][]string{"user": {"false"}}},
	} {
		t.Run(name, func(t *testing.T) {
			flags := genericclioptions.NewConfigFlags(true)
			set := pflag.NewFlagSet("run", pflag.ContinueOnError)
			flags.AddFlags(set)
			if err := set.Parse(tc.in); err != nil {
				t.Fatal(err)
			}
			got := connectionFlags(flags)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("flags (-want +got):\n%s", diff)
			}
			// They mean the same to the next process.
			next := genericclioptions.NewConfigFlags(true)
			set = pflag.NewFlagSet("guard", pflag.ContinueOnError)
			next.AddFlags(set)
			for flag, values := range got {
				for _, value := range values {
					if err := set.Set(flag, value); err != nil {
						t.Errorf("--%s: %v", flag, err)
					}
				}
			}
			if diff := cmp.Diff(got, connectionFlags(next)); diff != "" {
				t.Errorf("given on (-first +second):\n%s", diff)
			}
		})
	}
}

func ids(list []checks.Check) []string {
	var out []string
	for _, c := range list {
		out = append(out, c.ID)
	}
	return out
}

func TestSelectChecks(t *testing.T) {
	all := []checks.Check{{ID: "builds/a"}, {ID: "privileged/a"}, {ID: "privileged/host-b"}, {ID: "secrets/a"}}
	ofCommand := all[:3]
	for name, tc := range map[string]struct {
		questions, ids, skip []string
		want                 []string
		err                  string
	}{
		"nothing selects all":                       {want: []string{"builds/a", "privileged/a", "privileged/host-b"}},
		"a question by name":                        {questions: []string{"privileged"}, want: []string{"privileged/a", "privileged/host-b"}},
		"a question by number":                      {questions: []string{"1", "3"}, want: []string{"builds/a", "privileged/a", "privileged/host-b"}},
		"a check":                                   {ids: []string{"privileged/a"}, want: []string{"privileged/a"}},
		"a glob":                                    {ids: []string{"privileged/host-*"}, want: []string{"privileged/host-b"}},
		"a glob over questions":                     {ids: []string{"*/a"}, want: []string{"builds/a", "privileged/a"}},
		"skip counts more than check":               {ids: []string{"privileged/*"}, skip: []string{"privileged/a"}, want: []string{"privileged/host-b"}},
		"question and check both count":             {questions: []string{"builds"}, ids: []string{"*/a"}, want: []string{"builds/a"}},
		"a check of another command may be skipped": {skip: []string{"secrets/a"}, want: []string{"builds/a", "privileged/a", "privileged/host-b"}},
		"an unknown question":                       {questions: []string{"7"}, err: `--question: expected one of builds, immutable, privileged, hosts, secrets, drift, or 1 to 6, found "7"`},
		"an unknown check":                          {ids: []string{"privileged/x"}, err: `--check, --skip: no check is named "privileged/x"; did you mean privileged?`},
		"an unknown check to skip":                  {skip: []string{"x"}, err: `--check, --skip: no check is named "x"; see: kubectl checklist explain`},
		"an invalid glob":                           {ids: []string{"[a"}, err: `--check, --skip: "[a" is not a glob: syntax error in pattern`},
		"nothing left by skip":                      {skip: []string{"*/*"}, err: "--question, --check and --skip leave no check that this command runs"},
		"a check of another command":                {ids: []string{"secrets/a"}, err: "--question, --check and --skip leave no check that this command runs"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := selectChecks(all, ofCommand, tc.questions, tc.ids, tc.skip)
			if (err == nil) != (tc.err == "") || err != nil && err.Error() != tc.err {
				t.Fatalf("want error %q, got %v", tc.err, err)
			}
			if diff := cmp.Diff(tc.want, ids(got)); diff != "" {
				t.Errorf("checks (-want +got):\n%s", diff)
			}
		})
	}
}

// Every check belongs to a command besides the root command, and the commands' lists
// depend on what a check needs.
func TestChecksOfCommands(t *testing.T) {
	listed := slices.Concat(ids(podChecks(true, false)), ids(nodeChecks()), ids(secretChecks()))
	for _, c := range catalogue.All() {
		if !slices.Contains(listed, c.ID) {
			t.Errorf("%s belongs to no command", c.ID)
		}
	}
	for _, c := range podChecks(false, false) {
		if len(fact.Intersect(c.Needs, fact.NodeKinds())) > 0 {
			t.Errorf("pods without --measure asks %s, which needs a node", c.ID)
		}
		if c.NeedsKind(fact.Enforcing) {
			t.Errorf("pods without --measure asks %s, which sends dry runs", c.ID)
		}
	}
	for _, c := range secretChecks() {
		if c.Question() != api.Secrets {
			t.Errorf("secrets asks %s", c.ID)
		}
	}
	if got := ids(checksOf("pods", api.ReportSpec{Scope: api.Scope{ProbeLevel: "full"}})); !slices.Equal(got, ids(podChecks(true, false))) {
		t.Errorf("a replay of pods --measure asks %v", got)
	}
	for _, scope := range []api.Scope{{Names: []string{"web"}}, {Selector: "app=web"}, {FieldSelector: "spec.nodeName=w1"}} {
		for _, c := range checksOf("pods", api.ReportSpec{Scope: scope}) {
			if c.NeedsKind(fact.ConfigMaps) {
				t.Errorf("pods narrowed to %+v asks %s", scope, c.ID)
			}
		}
	}
	if got := ids(checksOf("checklist", api.ReportSpec{})); !slices.Equal(got, ids(catalogue.All())) {
		t.Errorf("a replay of the root command asks %v", got)
	}
}

// Facts from a pipe to which nobody writes do not block the process.
func TestLoadFactsStops(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		// It opens for writing once somebody reads, who finds nothing in it.
		if writer, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
			defer writer.Close() //nolint:errcheck // nothing was written
		}
		cancel()
		<-t.Context().Done()
	}()
	env, out, errOut := testEnv()
	if code := Main(ctx, env, []string{"--facts", path}); code != ExitFailure || out.Len() != 0 || errOut.String() != "error: interrupted\n" {
		t.Errorf("status %d, stdout %q, stderr %q", code, out, errOut)
	}
}

func TestColorAndProgress(t *testing.T) {
	for name, tc := range map[string]struct {
		flag     string
		env      map[string]string
		terminal bool
		color    bool
		progress bool
	}{
		"a terminal":              {"auto", nil, true, true, true},
		"no terminal":             {"auto", nil, false, false, false},
		"a dumb terminal":         {"auto", map[string]string{"TERM": "dumb"}, true, false, false},
		"NO_COLOR":                {"auto", map[string]string{"NO_COLOR": "1"}, true, false, true},
		"CLICOLOR_FORCE":          {"auto", map[string]string{"CLICOLOR_FORCE": "1"}, false, true, false},
		"CLICOLOR_FORCE=0":        {"auto", map[string]string{"CLICOLOR_FORCE": "0"}, false, false, false},
		"NO_COLOR counts more":    {"auto", map[string]string{"NO_COLOR": "1", "CLICOLOR_FORCE": "1"}, false, false, false},
		"the flag counts most":    {"always", map[string]string{"NO_COLOR": "1", "TERM": "dumb"}, false, true, true},
		"and the other way round": {"never", map[string]string{"CLICOLOR_FORCE": "1"}, true, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			e := &Env{Getenv: func(key string) string { return tc.env[key] }, OutIsTerminal: tc.terminal, ErrIsTerminal: tc.terminal}
			if got := e.colored(tc.flag); got != tc.color {
				t.Errorf("colour: want %v, got %v", tc.color, got)
			}
			if got := e.showsProgress(tc.flag); got != tc.progress {
				t.Errorf("progress: want %v, got %v", tc.progress, got)
			}
		})
	}
}
