package cli

import (
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericclioptions"
)

// leakConfig is a kubeconfig as a template.
const leakConfig = `apiVersion: v1
kind: Config
current-context: here
clusters:
- name: here
  cluster:
    server: https://127.0.0.1:1
    proxy-url: http://127.0.0.1:1
users:
- name: me
  user:
    token: @
    exec: {command: /none/login, args: [--password=@], env: [{name: A, value: @}], apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never}
- name: other
  user: {username: me, password: @, client-key-data: @}
contexts:
- name: here
  context: {cluster: here, user: me}
`

// An error about a kubeconfig names its path, and never quotes it, because it holds tokens
// and keys.
func TestKubeconfigErrors(t *testing.T) {
	replace := func(old, with string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, old) {
				t.Fatalf("no %q", old)
			}
			return strings.Replace(s, old, with, 1)
		}
	}
	for name, tc := range map[string]struct {
		change func(string) string
		want   string // PATH is the file
	}{
		"no YAML":                       {replace("    token: ", "    token: \""), `PATH: line 19: not valid YAML: a quoted value is not closed`},
		"a token that is a list":        {replace("token: CANARY", "token: [CANARY]"), `PATH: line 12: users[0].user.token: expected a string, found a list of 1`},
		"a key that is not base64":      {func(s string) string { return s }, `PATH: line 15: users[1].user.client-key-data: expected base64, found other text`},
		"users that are text":           {func(string) string { return "users: CANARY\n" }, `PATH: line 1: users: expected a list, found a string`},
		"a number":                      {func(string) string { return "12345678\n" }, `PATH: line 1: expected a map, found a number`},
		"a manifest":                    {func(string) string { return "apiVersion: v1\nkind: Secret\nstringData: {a: CANARY}\n" }, `PATH: expected kind Config of version v1, found another kind of file`},
		"a directory":                   {nil, `PATH: is a directory`},
		"no such cluster":               {replace("{cluster: here, user: me}", "{cluster: there, user: me}"), `context "here": cluster "there" does not exist`},
		"no such user":                  {replace("user: me}", "user: you}"), `context "here": user "you" does not exist`},
		"no server":                     {replace("    server: https://127.0.0.1:1\n", ""), `cluster "here": no server is given`},
		"a server that is not a URL":    {replace("https://127.0.0.1:1", "https://me:CANARY@127.0.0.1:x"), `cluster "here": server: not a valid URL`},
		"a proxy that is not a URL":     {replace("http://127.0.0.1:1", "me:CANARY@proxy:1"), `cluster "here": proxy-url: not a valid URL`},
		"an authority that is missing":  {replace("    proxy-url: http://127.0.0.1:1", "    certificate-authority: /none/ca.crt"), `cluster "here": certificate-authority: /none/ca.crt: no such file or directory`},
		"a certificate without its key": {replace("token: ", "client-certificate: /dev/null\n    token: "), `user "me": the client certificate has no key`},
		"a token and a password":        {replace("token: ", "username: a\n    token: "), `user "me": expected a token or a password, found both`},
		"no command":                    {replace("command: /none/login, ", ""), `user "me": exec: no command is given`},
		"no version":                    {replace("apiVersion: client.authentication.k8s.io/v1, ", ""), `user "me": exec: no apiVersion is given`},
		"an odd mode":                   {replace("interactiveMode: Never", "interactiveMode: CANARY"), `user "me": exec: interactiveMode: expected Never, IfAvailable or Always`},
		"another context":               {func(s string) string { return s + "# --context other" }, `context "other" does not exist; contexts that exist: here`},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config")
			text := strings.ReplaceAll(leakConfig, "@", "CANARY")
			if name != "a key that is not base64" {
				text = strings.Replace(text, "client-key-data: CANARY", "client-key-data: Q0FOQVJZ", 1)
			}
			args := []string{"--no-probe", "--kubeconfig", path}
			if tc.change == nil {
				path = filepath.Dir(path)
				args[2] = path
			} else if err := os.WriteFile(path, []byte(tc.change(text)), 0o600); err != nil {
				t.Fatal(err)
			}
			if name == "another context" {
				args = append(args, "--context", "other")
			}
			for _, command := range [][]string{nil, {"pods"}, {"pods", "deploy/web"}, {"nodes"}, {"cleanup"}} {
				args := append(append([]string{}, command...), args...)
				if len(command) > 0 && command[0] == "cleanup" {
					args = append([]string{"cleanup"}, args[2:]...)
				}
				env, out, errOut := testEnv()
				code := Main(t.Context(), env, args)
				want := "error: kubeconfig: " + strings.ReplaceAll(tc.want, "PATH", path) + "\n"
				if code != ExitFailure || out.Len() > 0 || errOut.String() != want {
					t.Errorf("%v: status %d, stdout %q\nstderr %s\nwant   %s", command, code, out, errOut, want)
				}
				for _, value := range []string{"CANARY", "Q0FOQVJZ", "12345678"} {
					if strings.Contains(errOut.String(), value) {
						t.Errorf("it is quoted: %s", errOut)
					}
				}
			}
		})
	}
}

func TestKubeconfigsLeakNothing(t *testing.T) {
	said := kinds{}
	dir := t.TempDir()
	for seed := range int64(400) {
		r := rand.New(rand.NewSource(seed))
		text, canaries := plant(r, leakConfig)
		text = mutate(r, text)
		path := filepath.Join(dir, "config")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		flags := genericclioptions.NewConfigFlags(true)
		*flags.KubeConfig = path
		env, _, _ := testEnv()
		_, err := restConfig(env, flags) // asks nobody
		for _, line := range Messages(err, "") {
			said.add(line + "\n")
			if found := leaked(canaries, []byte(line)); found != "" {
				t.Fatalf("seed %d: %q is in %q:\n%s", seed, found, line, text)
			}
		}
	}
	t.Logf("%d kinds of errors: %v", len(said), said)
	if len(said) < 10 {
		t.Errorf("only %v", said)
	}
}
