package cli

import (
	"strings"
	"testing"
)

// An unset variable is an error. Nothing is read, especially not the cluster, and nothing
// is printed.
func TestEmptyValues(t *testing.T) {
	for _, line := range []string{
		"--facts=", "--facts|", "--local|--root|", "--kubeconfig|", "--kubeconfig=", "--context=", "--server=", "-s|", "--cluster=", "--save-facts=",
		"pods|-f|", "pods|--filename=", "pods|-f|a.yaml|-f|", "pods|-f|a.yaml,", "pods|-f|,a.yaml", "pods|-k|", "pods|--kustomize=", "pods|--facts=",
		"nodes|--facts=", "nodes|--local|--root=", "secrets|--snapshot=", "secrets|--snapshot|", "secrets|--facts=", "manifests|--for-node=",
	} {
		env, out, errOut := testEnv()
		code := Main(t.Context(), env, strings.Split(line, "|"))
		if code != ExitFailure || out.Len() != 0 || !strings.HasSuffix(errOut.String(), `: expected a value, found "" (is a variable not set?)`+"\n") {
			t.Errorf("%s: status %d, stdout %q, stderr %q", line, code, out, errOut)
		}
	}
	for line, want := range map[string]string{
		"pods|":            "error: argument 1: ",
		"pods|deploy/web|": "error: argument 2: ",
		"nodes|":           "error: argument 1: ",
		"explain|":         "error: argument 1: ",
		"secrets|":         "error: argument 1: ",
		"secrets|-f=":      "error: unknown shorthand flag",
	} {
		env, out, errOut := testEnv()
		code := Main(t.Context(), env, strings.Split(line, "|"))
		if code != ExitFailure || out.Len() != 0 || !strings.HasPrefix(errOut.String(), want) {
			t.Errorf("%s: status %d, stdout %q, stderr %q", line, code, out, errOut)
		}
	}
}

// A value that is not empty is accepted. So is an empty selector, as in kubectl.
func TestNotEmptyValues(t *testing.T) {
	env, _, _ := testEnv()
	root := NewCommand(env)
	pods, _, err := root.Find([]string{"pods"})
	if err != nil {
		t.Fatal(err)
	}
	if err := pods.ParseFlags([]string{"-f", "a.yaml,b.yaml", "-f", "c.yaml", "-l", "", "--kubeconfig", "x"}); err != nil {
		t.Fatal(err)
	}
	if got := pods.Flags().Lookup("filename").Value.String(); got != "[a.yaml,b.yaml,c.yaml]" {
		t.Errorf("got %s", got)
	}
}
